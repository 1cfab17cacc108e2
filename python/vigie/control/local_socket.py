"""Sockets on `ipc://`: for this machine's user alone, by the permissions of folder and socket, and by the kernel."""

import os
from pathlib import Path

import zmq

from vigie.errors import BindFailedError


def bind_local(socket: "zmq.Socket[bytes]", endpoint: str) -> None:
    """Listens on `ipc://PATH`. Raises: BindFailedError; the socket is closed then."""
    try:
        # Deprecated in libzmq, but the one way to have the kernel say who the peer is.
        socket.setsockopt(zmq.IPC_FILTER_UID, os.getuid())
        _clear_place(endpoint)
        bind_private(socket, endpoint)
    except zmq.ZMQError as error:
        socket.close(linger=0)
        raise BindFailedError(str(error), endpoint) from None
    except BindFailedError:
        socket.close(linger=0)
        raise


def bind_private(socket: "zmq.Socket[bytes]", endpoint: str) -> None:
    """Binds; what appears in the file system by that is its owner's. Raises: zmq.ZMQError."""
    mask = os.umask(0o077)
    try:
        socket.bind(endpoint)
    finally:
        os.umask(mask)


def _clear_place(endpoint: str) -> None:
    """Takes away a socket that a killed process left. Raises: BindFailedError (too long, not a socket)."""
    path = Path(endpoint.removeprefix("ipc://"))
    if len(os.fsencode(path)) > zmq.IPC_PATH_MAX_LEN:
        what = f"longer than {zmq.IPC_PATH_MAX_LEN} bytes; right would be a shorter path of the folder or --control"
        raise BindFailedError(what, endpoint)
    if path.is_socket():
        path.unlink()
    elif path.exists():
        raise BindFailedError("something that is no socket stands there", endpoint)
