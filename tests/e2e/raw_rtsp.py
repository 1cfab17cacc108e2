"""An RTSP client that checks nothing and keeps every byte: requests as text, replies and packets as they come."""

import socket
import ssl
import struct
import time
from dataclasses import dataclass, field
from typing import Self

from vigie.digest import DigestLogin


@dataclass
class Reply:
    """One RTSP response."""

    status: int
    reason: str
    headers: dict[str, list[str]]
    body: bytes

    def header(self, name: str) -> str:
        """The first value, or ""."""
        return self.headers.get(name.lower(), [""])[0]

    @property
    def session(self) -> str:
        """The session's id."""
        return self.header("Session").partition(";")[0]


@dataclass
class Packet:
    """One interleaved packet. `came_ns`: CLOCK_MONOTONIC."""

    channel: int
    data: bytes
    came_ns: int

    @property
    def timestamp(self) -> int:
        """Of RTP."""
        return int(struct.unpack_from("!I", self.data, 4)[0])


@dataclass
class RawClient:
    """One connection. `received`: every byte it ever got. A context manager.

    `receive_buffer`: SO_RCVBUF, set before connecting. `tls`: speaks TLS and believes every certificate.
    """

    port: int
    receive_buffer: int = 0
    tls: bool = False
    user: str = ""
    password: str = ""
    received: bytearray = field(default_factory=bytearray)
    packets: list[Packet] = field(default_factory=list)

    def __post_init__(self) -> None:
        raw = socket.socket()
        if self.receive_buffer:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_buffer)
        raw.settimeout(15)
        raw.connect(("127.0.0.1", self.port))
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket: socket.socket = raw
        if self.tls:
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            self.socket = context.wrap_socket(raw)
        self._buffer = bytearray()
        self._cseq = 0
        self._login = DigestLogin(self.user, self.password)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.socket.close()

    def url(self, path: str) -> str:
        """The URL of a path."""
        return f"rtsp://127.0.0.1:{self.port}/{path}"

    def send(self, method: str, uri: str, *, body: str = "", **headers: str) -> None:
        """Sends a request. Header names: `_` for `-`."""
        self._cseq += 1
        lines = [f"{method} {uri} RTSP/1.0", f"CSeq: {self._cseq}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        if self._login.ready:
            lines.append("Authorization: " + self._login.authorization(method, uri))
        if body:
            lines.append(f"Content-Length: {len(body)}")
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n" + body).encode())

    def ask(self, method: str, uri: str, *, body: str = "", **headers: str) -> Reply:
        """Sends a request and waits for its answer; a challenge is answered once, with SHA-256."""
        self.send(method, uri, body=body, **headers)
        reply = self.reply()
        if reply.status == 401 and self.user and self._login.challenge(reply.headers.get("www-authenticate", [])):
            self.send(method, uri, body=body, **headers)
            reply = self.reply()
        return reply

    def reply(self) -> Reply:
        """The next response; packets before it are kept."""
        while True:
            found = self._take()
            if isinstance(found, Reply):
                return found
            if found is None and not self._more():
                raise ConnectionError("closed before an answer came")

    def watch(self, path: str) -> Reply:
        """DESCRIBE, SETUP interleaved, PLAY; the first answer that is not 200, or the last."""
        uri = self.url(path)
        reply = self.ask("DESCRIBE", uri, Accept="application/sdp")
        if reply.status == 200:
            transport = "RTP/AVP/TCP;unicast;interleaved=0-1"
            reply = self.ask("SETUP", reply.header("Content-Base") + "trackID=0", Transport=transport)
        if reply.status == 200:
            reply = self.ask("PLAY", uri, Session=reply.session, Range="npt=now-")
        return reply

    def read_for(self, seconds: float) -> None:
        """Reads whatever comes. Raises what the socket raises; returns early at the end of the stream."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            while self._take() is not None:
                pass
            self.socket.settimeout(left)
            try:
                if not self._more():
                    return
            except TimeoutError:
                return
            finally:
                self.socket.settimeout(15)

    def read_to_end(self, timeout_s: float = 15) -> str:
        """Reads until the server ends the connection; how it did: "reset", "end" or "open" when it did not in time."""
        deadline = time.monotonic() + timeout_s
        while (left := deadline - time.monotonic()) > 0:
            while self._take() is not None:
                pass
            self.socket.settimeout(left)
            try:
                if not self._more():
                    return "end"
            except ConnectionResetError:
                return "reset"
            except TimeoutError:
                return "open"
            except ssl.SSLError:
                return "reset"
        return "open"

    def _more(self) -> bool:
        data = self.socket.recv(65536)
        self._came_ns = time.monotonic_ns()
        self.received += data
        self._buffer += data
        return bool(data)

    def _take(self) -> Reply | Packet | None:
        if len(self._buffer) >= 4 and self._buffer[0] == 0x24:
            length = 4 + struct.unpack_from("!H", self._buffer, 2)[0]
            if len(self._buffer) < length:
                return None
            packet = Packet(self._buffer[1], bytes(self._buffer[4:length]), self._came_ns)
            del self._buffer[:length]
            self.packets.append(packet)
            return packet
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0 or self._buffer[0] == 0x24:
            return None
        head = self._buffer[:end].decode(errors="replace").split("\r\n")
        headers: dict[str, list[str]] = {}
        for line in head[1:]:
            name, _, value = line.partition(":")
            headers.setdefault(name.strip().lower(), []).append(value.strip())
        length = int(headers.get("content-length", ["0"])[0])
        if len(self._buffer) < end + 4 + length:
            return None
        body = bytes(self._buffer[end + 4 : end + 4 + length])
        del self._buffer[: end + 4 + length]
        _, status, reason = [*head[0].split(" ", 2), "", ""][:3]
        return Reply(int(status), reason, headers, body)
