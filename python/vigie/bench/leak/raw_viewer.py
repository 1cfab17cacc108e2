"""A viewer over TCP that knows to the byte when it read what: for the order of revisions."""

import array
import fcntl
import select
import socket
import termios
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from vigie.inspect.h264 import IDR, SEI, SLICE, Mark, marks_of, nal_type


def nals_of_packet(payload: bytes) -> Iterator[bytes]:
    """NAL units that begin in an RTP payload of H.264 (RFC 6184); of a fragmented one its header and first bytes."""
    kind = payload[0] & 0x1F if payload else 0
    if 1 <= kind <= 23:
        yield payload
    elif kind == 24:
        at = 1
        while at + 2 < len(payload):
            size = int.from_bytes(payload[at : at + 2])
            yield payload[at + 2 : at + 2 + size]
            at += 2 + size
    elif kind == 28 and len(payload) > 2 and payload[1] & 0x80:
        yield bytes([payload[0] & 0xE0 | payload[1] & 0x1F]) + payload[2:]


@dataclass
class Findings:
    """What one viewer read. `older`: units of a revision that was over when they left the engine."""

    units: int = 0
    revisions: set[int] = field(default_factory=set)
    older: int = 0
    not_idr: int = 0
    unmarked: int = 0
    resets: int = 0


class RawViewer(threading.Thread):
    """Watches one path over TCP, and comes again when it is cut. `stalled`: it reads nothing until it is cut.

    When a policy has been acknowledged, acknowledged() notes how many bytes have come so far, read or not: whatever
    comes behind them must be of that revision or a newer one.
    """

    def __init__(self, port: int, path: str, *, stalled: bool = False) -> None:
        super().__init__(name=f"raw viewer of {path}", daemon=True)
        self.findings = Findings()
        self._port, self._path, self._stalled = port, path, stalled
        self._lock = threading.Lock()  # of what follows
        self._socket: socket.socket | None = None
        self._bytes = 0  # of this connection, read
        self._limits: deque[tuple[int, int]] = deque()  # offset, the least revision of what begins there
        self._least = self._newest_acknowledged = 0
        self._ends = threading.Event()
        self._buffer = bytearray()
        self._reset_parser()

    def stop(self) -> None:
        """Asks it to end."""
        self._ends.set()

    def acknowledged(self, revision: int) -> None:
        """A policy with this mask revision is in force. Call it as soon as apply() has returned."""
        with self._lock:
            self._newest_acknowledged = revision
            if self._socket is None:
                return
            waiting = array.array("i", [0])
            try:
                fcntl.ioctl(self._socket, termios.FIONREAD, waiting)
            except OSError:
                return
            self._limits.append((self._bytes + waiting[0], revision))

    def run(self) -> None:
        """The thread."""
        while not self._ends.is_set():
            connection = socket.socket()
            try:
                self._connect(connection)
                self._read(connection)
            except OSError:
                self._ends.wait(0.02)
            finally:
                with self._lock:
                    self._socket = None
                connection.close()

    def _connect(self, connection: socket.socket) -> None:
        if self._stalled:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(5)
        connection.connect(("127.0.0.1", self._port))
        with self._lock:
            # Whoever comes now sees nothing older than what was acknowledged before.
            self._bytes = 0
            self._limits = deque([(0, self._newest_acknowledged)])
            self._least = 0
            self._socket = connection
        self._reset_parser()
        url = f"rtsp://127.0.0.1:{self._port}/{self._path}"
        self._ask(connection, f"DESCRIBE {url} RTSP/1.0\r\nCSeq: 1\r\nAccept: application/sdp\r\n\r\n")
        transport = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1"
        reply = self._ask(connection, f"SETUP {url}/trackID=0 RTSP/1.0\r\nCSeq: 2\r\n{transport}\r\n\r\n")
        self._parsed = self._bytes
        session = reply.split("Session:")[1].split("\r\n")[0].split(";")[0].strip()
        connection.sendall(f"PLAY {url} RTSP/1.0\r\nCSeq: 3\r\nSession: {session}\r\n\r\n".encode())

    def _ask(self, connection: socket.socket, request: str) -> str:
        connection.sendall(request.encode())
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._receive(connection)
        head, _, body = data.partition(b"\r\n\r\n")
        text = head.decode()
        if " 200 " not in text.split("\r\n")[0]:
            raise OSError(text.split("\r\n")[0])
        length = next((int(line[15:]) for line in text.split("\r\n") if line.startswith("Content-Length:")), 0)
        while len(body) < length:
            body += self._receive(connection)
        return text

    def _receive(self, connection: socket.socket) -> bytes:
        if not select.select([connection], [], [], 2)[0]:
            raise OSError("nothing came")
        with self._lock:
            data = connection.recv(1 << 16)
            self._bytes += len(data)
        if not data:
            raise OSError("the end")
        return data

    def _read(self, connection: socket.socket) -> None:
        poll = select.poll()
        poll.register(connection, 0 if self._stalled else select.POLLIN)
        while not self._ends.is_set():
            if not poll.poll(200):
                continue
            try:
                while True:
                    self._take(self._receive(connection))
                    if not self._stalled:
                        break
            except ConnectionResetError:
                self.findings.resets += 1
                raise

    def _reset_parser(self) -> None:
        self._buffer.clear()
        self._parsed = 0  # bytes before the buffer's begin
        self._mark: Mark | None = None
        self._newest = -1

    def _take(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= 4:
            if self._buffer[0] != 0x24:  # the answer to PLAY
                end = self._buffer.find(b"\r\n\r\n")
                if end < 0:
                    return
                self._drop(end + 4)
                continue
            size = 4 + int.from_bytes(self._buffer[2:4])
            if len(self._buffer) < size:
                return
            if self._buffer[1] == 0:
                for nal in nals_of_packet(bytes(self._buffer[16:size])):
                    self._on_nal(nal, self._parsed)
            self._drop(size)

    def _drop(self, size: int) -> None:
        del self._buffer[:size]
        self._parsed += size

    def _on_nal(self, nal: bytes, offset: int) -> None:
        kind = nal_type(nal)
        if kind == SEI:
            self._mark = next(filter(None, marks_of(nal)), self._mark)
        if kind not in (SLICE, IDR):
            return
        found = self.findings
        found.units += 1
        if self._mark is None:
            found.unmarked += 1
            return
        revision = max(self._mark.mask_revision, self._mark.version_revision)
        with self._lock:
            while self._limits and self._limits[0][0] <= offset:
                self._least = self._limits.popleft()[1]
        found.older += revision < self._least
        found.not_idr += revision != self._newest and kind != IDR
        found.revisions.add(revision)
        self._newest = revision
        self._mark = None
