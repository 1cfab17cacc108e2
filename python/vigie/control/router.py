"""One ROUTER socket on the event loop: messages in, with whom they are from; frames out to one peer."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import zmq

from vigie.control.keys import Keys
from vigie.control.parties import LOCAL, Party

AT_ONCE = 256  # messages of one socket before others have their turn


class Router:
    """One ROUTER socket on the event loop."""

    def __init__(self, socket: "zmq.Socket[bytes]", keys: Keys | None, number: int, on_message: Any) -> None:
        self.number = number
        self.endpoint = endpoint_of(socket)
        self._socket = socket
        self._keys = keys
        self._on_message = on_message
        self._loop: asyncio.AbstractEventLoop | None = None
        self._planned = False

    def start(self) -> None:
        """Reads from now on."""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket.fileno(), self._read)
        self._plan()

    def stop(self) -> None:
        """Reads no more; answers can still be sent."""
        if self._loop is not None:
            self._loop.remove_reader(self._socket.fileno())
            self._loop = None

    def close(self) -> None:
        """Sends what has been taken, for 200 ms at most."""
        self._socket.close()

    def refresh(self) -> None:
        """Before every message and event: a key that was revoked ends at once."""
        if self._keys is not None:
            self._keys.refresh()

    def party(self, user: str) -> Party | None:
        """Who is behind a key, as of the last `refresh`."""
        return LOCAL if self._keys is None else self._keys.party(user)

    def sender(self, identity: bytes, envelope: Sequence[bytes]) -> Callable[[Sequence[bytes]], bool | None]:
        """Sends to one peer, as `peers.Send` says."""

        def send(frames: Sequence[bytes]) -> bool | None:
            try:
                self._socket.send_multipart([identity, *envelope, *frames], zmq.NOBLOCK)
            except zmq.Again:
                return False
            except zmq.ZMQError:
                return None
            finally:
                self._plan()
            return True

        return send

    def _plan(self) -> None:
        # The descriptor tells only of what is new: whatever touches the socket may have taken that from it.
        if self._loop is not None and not self._planned:
            self._planned = True
            self._loop.call_soon(self._read)

    def _read(self) -> None:
        self._planned = False
        for _ in range(AT_ONCE):
            if self._loop is None:
                return
            try:
                parts = self._socket.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.ZMQError:
                return
            identity = parts[0].bytes
            # A name that a client chose could be taken over by another, and with it what waits for the first.
            if identity[:1] != b"\0":
                continue
            frames = [part.bytes for part in parts[1:]]
            envelope = [b""] if frames[:1] == [b""] else []
            user = address = ""
            if self._keys is not None:
                with suppress(zmq.ZMQError):
                    user = str(parts[-1].get("User-Id"))
                    address = str(parts[-1].get("Peer-Address"))
            self._on_message(self, identity, envelope, frames[len(envelope) :], user, address)
        self._plan()


def endpoint_of(socket: "zmq.Socket[bytes]") -> str:
    """Where a socket listens, with its port."""
    given = socket.getsockopt(zmq.LAST_ENDPOINT)
    return given.rstrip(b"\0").decode() if isinstance(given, bytes) else str(given)
