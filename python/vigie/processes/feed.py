"""Between the control process and the supervisor: one JSON object a line, over a socket in the state folder.

The supervisor listens; control connects whenever there is one, says what has happened (what it said while there was
none included, as far as it was kept), and answers questions. Neither depends on the other: what cannot be said waits or
is dropped, with a count.
"""

import json
import os
import select
import socket
import threading
import traceback
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

KEPT = 20_000
RETRY_S = 0.1
SEND_S = 5.0
FLUSH_S = 2.0
MAX_LINE = 64 << 20

Record = Mapping[str, Any]


def socket_path(state: Path) -> Path:
    """Where the supervisor listens."""
    return state / "run" / "supervisor.sock"


class Feed:
    """Control's end. `on_record`: what the supervisor wants, in the feed's thread. `greeting`: what a supervisor that
    comes later has to be told first.

    Thread: any. A context manager.
    """

    def __init__(
        self,
        path: Path,
        on_record: Callable[[Record], None] | None = None,
        greeting: Callable[[], list[Record]] = list,
    ) -> None:
        self._on_record = on_record
        self._early: list[Record] = []
        self.greeting = greeting
        self._path = path
        self._waiting: deque[bytes] = deque()
        self._left_out = 0
        self._lock = threading.Lock()
        self._hearing = threading.Lock()
        self._closing = False
        self._greet = False
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)
        self._thread = threading.Thread(target=self._run, name="vigie-feed", daemon=True)
        self._thread.start()

    def hear(self, on_record: Callable[[Record], None]) -> None:
        """What the supervisor wants goes there, what it wanted until now included."""
        with self._hearing:
            self._on_record = on_record
            early, self._early = self._early, []
            for record in early:
                on_record(record)

    def put(self, record: Record) -> None:
        """Says something. Where too much waits, the oldest is left out."""
        line = json.dumps(record).encode() + b"\n"
        with self._lock:
            if len(self._waiting) >= KEPT:
                self._waiting.popleft()
                self._left_out += 1
            self._waiting.append(line)
        self._wake()

    def close(self) -> None:
        """Sends what waits, as far as it can be sent in a moment."""
        self._closing = True
        self._wake()
        self._thread.join(FLUSH_S + SEND_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _wake(self) -> None:
        with suppress(OSError):
            self._wake_write.send(b"\0")

    def _run(self) -> None:
        while True:
            try:
                with socket.socket(socket.AF_UNIX) as to:
                    to.settimeout(SEND_S)
                    to.connect(_reachable(self._path))
                    self._serve(to)
            except OSError:
                pass
            self._greet = True
            if self._closing:
                return
            _readable((self._wake_read,), RETRY_S)

    def _serve(self, to: socket.socket) -> None:
        if self._greet:
            for record in self.greeting():
                to.sendall(json.dumps(record).encode() + b"\n")
        received = bytearray()
        while True:
            self._send(to)
            if self._closing:
                return
            readable = _readable((to, self._wake_read), 1.0)
            with suppress(BlockingIOError):
                while self._wake_read.recv(4096):
                    pass
            if to.fileno() not in readable:
                continue
            data = to.recv(65536)
            if not data or len(received) > MAX_LINE:
                return
            received += data
            *lines, rest = received.split(b"\n")
            received = bytearray(rest)
            for line in lines:
                try:
                    self._take(json.loads(line))
                except Exception:  # noqa: BLE001  one question's fault of ours must not end the lines
                    traceback.print_exc()

    def _take(self, record: Record) -> None:
        with self._hearing:
            if self._on_record is None:
                self._early.append(record)
            else:
                self._on_record(record)

    def _send(self, to: socket.socket) -> None:
        while True:
            with self._lock:
                if self._left_out:
                    note = {"type": "note", "text": f"{self._left_out} lines were left out: nobody took them"}
                    self._waiting.appendleft(json.dumps(note).encode() + b"\n")
                    self._left_out = 0
                if not self._waiting:
                    return
                line = self._waiting.popleft()
            try:
                to.sendall(line)
            except OSError:
                with self._lock:
                    self._waiting.appendleft(line)
                raise


def _readable(sockets: Sequence[socket.socket], wait_s: float) -> set[int]:
    # Not `select`, which knows no descriptor beyond 1023.
    poll = select.poll()
    for one in sockets:
        poll.register(one, select.POLLIN)
    return {descriptor for descriptor, _ in poll.poll(wait_s * 1000)}


def listen(path: Path) -> socket.socket:
    """The supervisor's end, for its user alone. Raises: OSError."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    mask = os.umask(0o077)
    try:
        listener.bind(_reachable(path))
        listener.listen(8)
    finally:
        os.umask(mask)
    listener.setblocking(False)
    return listener


def _reachable(path: Path) -> str:
    """A path as the kernel takes it: 107 bytes at most, so a long one is given from where this process stands."""
    return str(path) if len(os.fsencode(path)) <= 107 else os.path.relpath(path)
