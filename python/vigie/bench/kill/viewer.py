"""A viewer that watches one camera for as long as it is let, and notes when it had pictures."""

import re
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from vigie.digest import DigestLogin

AGAIN_S = 0.1
SILENT_S = 5.0


@dataclass
class Seen:
    """A session's pictures: Unix time of its first and its last bytes. `ended`: how."""

    first_ns: int
    last_ns: int
    ended: str = ""


@dataclass
class Viewer:
    """Connects over TCP with a digest, and again whenever it has ended. `seen`: each session that had pictures."""

    port: int
    agent: str
    password: str
    camera: str
    seen: list[Seen] = field(default_factory=list)
    refused: int = 0

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"viewer {self.agent}", daemon=True)
        self._thread.start()

    @property
    def last_ns(self) -> int:
        """When it had its last bytes; 0: never."""
        return self.seen[-1].last_ns if self.seen else 0

    def wait_pictures(self, since_ns: int, timeout_s: float) -> bool:
        """Whether pictures came after an instant, in the time given."""
        until = time.monotonic() + timeout_s
        while self.last_ns <= since_ns:
            if time.monotonic() > until:
                return False
            time.sleep(0.01)
        return True

    def stop(self) -> None:
        """Ends watching."""
        self._stop.set()
        self._thread.join(SILENT_S + 1)

    def _run(self) -> None:
        while not self._stop.is_set():
            with suppress(OSError, ValueError), socket.create_connection(("127.0.0.1", self.port), SILENT_S) as to:
                to.settimeout(SILENT_S)
                self._watch(_Dialogue(to, self.port, DigestLogin(self.agent, self.password)))
            self._stop.wait(AGAIN_S)

    def _watch(self, dialogue: "_Dialogue") -> None:
        url = f"rtsp://127.0.0.1:{self.port}/{self.camera}"
        described = dialogue.ask("DESCRIBE", url, ["Accept: application/sdp"])
        if described is None:
            self.refused += 1
            return
        transport = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1"
        made = dialogue.ask("SETUP", _header(described, "content-base") + "trackID=0", [transport])
        if made is None:
            self.refused += 1
            return
        session = _header(made, "session").partition(";")[0]
        if dialogue.ask("PLAY", url, [f"Session: {session}", "Range: npt=now-"]) is None:
            return
        seen: Seen | None = None
        try:
            while not self._stop.is_set():
                if not dialogue.more():
                    raise ConnectionResetError("end")
                now = time.time_ns()
                if seen is None:
                    seen = Seen(now, now)
                    self.seen.append(seen)
                seen.last_ns = now
                dialogue.received.clear()
        except OSError as error:
            if seen is not None:
                seen.ended = str(error) or type(error).__name__
            raise


class _Dialogue:
    """Requests and answers on one connection."""

    def __init__(self, to: socket.socket, port: int, login: DigestLogin) -> None:
        self.received = bytearray()
        self._to = to
        self._login = login
        self._number = 0

    def ask(self, method: str, url: str, headers: Sequence[str]) -> str | None:
        """The head of an answer with 200, or None."""
        head = self._exchange(method, url, headers)
        offers = re.findall(r"(?im)^www-authenticate:\s*(.+?)\s*$", head)
        if " 401 " in head.partition("\n")[0] and self._login.challenge(offers):
            head = self._exchange(method, url, headers)
        return head if " 200 " in head.partition("\n")[0] else None

    def more(self) -> bool:
        """Reads what is there; False at the end."""
        data = self._to.recv(65536)
        self.received += data
        return bool(data)

    def _exchange(self, method: str, url: str, headers: Sequence[str]) -> str:
        self._number += 1
        lines = [f"{method} {url} RTSP/1.0", f"CSeq: {self._number}", *headers]
        if self._login.ready:
            lines.append("Authorization: " + self._login.authorization(method, url))
        self._to.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        while (end := self.received.find(b"\r\n\r\n")) < 0:
            if not self.more():
                raise ConnectionResetError("closed before an answer")
        head = self.received[:end].decode(errors="replace")
        length = int(_header(head, "content-length") or 0)
        while len(self.received) < end + 4 + length:
            if not self.more():
                raise ConnectionResetError("closed before an answer")
        del self.received[: end + 4 + length]
        return head


def _header(head: str, name: str) -> str:
    found = re.search(rf"(?im)^{re.escape(name)}:\s*(.+?)\s*$", head)
    return "" if found is None else found[1]
