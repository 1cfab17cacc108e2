"""What comes in by one ZeroMQ socket on the event loop: each message in a call of its own, without a task for it."""

import asyncio
from collections.abc import Callable, Sequence

import zmq

AT_ONCE = 256  # messages of one socket before others have their turn


class Inbox:
    """Reads one socket. Thread: the event loop's that calls `start`. The socket is its owner's."""

    def __init__(self, socket: "zmq.Socket[bytes]", on_message: Callable[[Sequence[zmq.Frame]], None]) -> None:
        self._socket = socket
        self._on_message = on_message
        self._loop: asyncio.AbstractEventLoop | None = None
        self._planned = False

    def start(self) -> None:
        """Reads from now on."""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket.fileno(), self._read)
        self.touched()

    def stop(self) -> None:
        """Reads no more; the socket can still send. Idempotent."""
        if self._loop is not None:
            self._loop.remove_reader(self._socket.fileno())
            self._loop = None

    def touched(self) -> None:
        """To be told of every use of the socket: the descriptor tells only of what is new, and a use may take that."""
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
            try:
                self._on_message(parts)
            except BaseException:
                self.touched()  # those behind it are not lost with it
                raise
        self.touched()
