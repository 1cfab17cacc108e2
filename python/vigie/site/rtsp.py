"""An RTSP connection that asks and is answered; no media. Every size and time is bounded."""

import re
import socket
import ssl
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from vigie import errors
from vigie.digest import DigestLogin
from vigie.peer import Deadline, connect, tls_context, where_text
from vigie.policy.inventory import clean

MAX_HEAD_BYTES = 16 << 10
MAX_BODY_BYTES = 256 << 10


@dataclass(frozen=True, slots=True)
class Reply:
    """One response. Header names in small letters."""

    status: int
    reason: str
    headers: dict[str, list[str]]
    body: bytes


class RtspConnection:
    """One connection to the server of a URL. A context manager.

    Raises, wherever it talks: ConnectFailedError and its like, TimedOutError, RtspMalformedError, RtspTooLargeError.
    """

    def __init__(
        self,
        url: str,
        deadline: Deadline,
        *,
        username: str = "",
        password: str = "",
        tls_ca: str = "",
        tls_verify: bool = True,
    ) -> None:
        parts = urlsplit(url)
        tls = tls_context(tls_ca, tls_verify) if parts.scheme == "rtsps" else None
        host, port = parts.hostname or "", parts.port or (322 if tls else 554)
        self.where = where_text(host, port)
        self._deadline = deadline
        self._login = DigestLogin(username, password) if username else None
        self._socket: socket.socket = connect(host, port, tls, deadline)
        self._buffer = bytearray()
        self._number = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._socket.close()

    def ask(self, method: str, uri: str, body: str = "") -> Reply:
        """Sends a request and waits for its answer; a digest challenge is answered once.

        Raises: SiteRefusedError when credentials are refused or lack.
        """
        try:
            with self._deadline.cutting(self._socket, self.where):
                reply = self._exchange(method, uri, body)
                offers = reply.headers.get("www-authenticate", [])
                if reply.status == 401 and self._login is not None and self._login.challenge(offers):
                    reply = self._exchange(method, uri, body)
        except ssl.SSLError as error:
            raise errors.ConnectionLostError(str(error.reason), self.where) from None
        except OSError as error:
            if isinstance(error, errors.Error):
                raise
            raise errors.ConnectionLostError(str(error.strerror or error), self.where) from None
        if reply.status == 401:
            what = "username and password are wrong" if self._login else "it wants a username and a password"
            raise errors.SiteRefusedError(what, self.where)
        return reply

    def _exchange(self, method: str, uri: str, body: str) -> Reply:
        self._number += 1
        lines = [f"{method} {uri} RTSP/1.0", f"CSeq: {self._number}", "User-Agent: vigie"]
        if self._login is not None and self._login.ready:
            lines.append("Authorization: " + self._login.authorization(method, uri))
        if body:
            lines += ["Content-Type: text/parameters", f"Content-Length: {len(body)}"]
        self._socket.settimeout(self._deadline.left(self.where))
        self._socket.sendall(("\r\n".join(lines) + "\r\n\r\n" + body).encode())
        head = self._read_head()
        first, _, rest = head.partition("\n")
        status = re.match(r"RTSP/1\.\d +(\d{3})(?: (.*))?", first.strip())
        if not status:
            raise errors.RtspMalformedError(f'the answer begins with "{clean(first, 40)}"', self.where)
        headers: dict[str, list[str]] = {}
        for line in rest.split("\n"):
            name, colon, value = line.partition(":")
            if colon:
                headers.setdefault(name.strip().lower(), []).append(value.strip())
        if headers.get("cseq", [""])[0] != str(self._number):
            raise errors.RtspMalformedError("an answer to another request", self.where)
        length = headers.get("content-length", ["0"])[0]
        if not re.fullmatch(r"[0-9]{1,9}", length):
            raise errors.RtspMalformedError("Content-Length is no number", self.where)
        if int(length) > MAX_BODY_BYTES:
            raise errors.RtspTooLargeError(f"a body of {length} bytes; allowed are {MAX_BODY_BYTES}", self.where)
        while len(self._buffer) < int(length):
            self._receive()
        content = bytes(self._buffer[: int(length)])
        del self._buffer[: int(length)]
        return Reply(int(status[1]), clean(status[2] or "", 80), headers, content)

    def _read_head(self) -> str:
        while (end := self._buffer.find(b"\r\n\r\n", 0, MAX_HEAD_BYTES)) < 0:
            if len(self._buffer) >= MAX_HEAD_BYTES:
                raise errors.RtspTooLargeError(f"a header of more than {MAX_HEAD_BYTES} bytes", self.where)
            self._receive()
        head = self._buffer[:end].decode("utf-8", "replace").replace("\r\n", "\n")
        del self._buffer[: end + 4]
        return head

    def _receive(self) -> None:
        self._socket.settimeout(self._deadline.left(self.where))
        data = self._socket.recv(16384)
        if not data:
            raise errors.ConnectionLostError("closed before the answer was whole", self.where)
        self._buffer += data
