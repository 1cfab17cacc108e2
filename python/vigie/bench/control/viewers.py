"""Viewers over TCP and UDP that note when they read their last byte: a process of its own, so that none waits for us.

`python -m vigie.bench.control.viewers` reads JSON lines: the list of viewers (`url`, `transport`, `stalled`), then
`{"do": "report"}`. It answers with `{"ready": N}` once all play, and with what each has read. Times are those of
CLOCK_MONOTONIC, which all processes of a machine share.
"""

import json
import re
import selectors
import socket
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from vigie import _native

DIALOGUE_S = 20.0
READ_BYTES = 1 << 18


@dataclass
class Viewer:
    """`stalled`: reads nothing before it is asked to report."""

    url: str
    transport: str
    stalled: bool = False
    last_ns: int = 0
    bytes: int = 0
    ended: bool = False
    sockets: list[socket.socket] = field(default_factory=list)

    def open(self) -> None:
        """Plays. Raises: OSError, where it is refused."""
        where = urlsplit(self.url)
        control = socket.create_connection((where.hostname or "", where.port or 554), DIALOGUE_S)
        self.sockets.append(control)
        base = self.url.partition("?")[0]
        self._ask(control, "DESCRIBE", self.url, "Accept: application/sdp")
        made = self._ask(control, "SETUP", f"{base}/trackID=0", f"Transport: {self._transport(where.hostname or '')}")
        session = re.search(r"(?im)^session:\s*([^;\s]+)", made)
        self._ask(control, "PLAY", base, f"Session: {session[1] if session else ''}")

    def _transport(self, host: str) -> str:
        if self.transport == "tcp":
            return "RTP/AVP/TCP;unicast;interleaved=0-1"
        pair = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
        for each in pair:
            each.bind((host, 0))
        self.sockets += pair
        rtp, rtcp = (each.getsockname()[1] for each in pair)
        return f"RTP/AVP;unicast;client_port={rtp}-{rtcp}"

    def _ask(self, control: socket.socket, method: str, url: str, header: str) -> str:
        control.sendall(f"{method} {url} RTSP/1.0\r\nCSeq: 1\r\n{header}\r\n\r\n".encode())
        head = b""
        while b"\r\n\r\n" not in head:
            data = control.recv(1 if method == "PLAY" else 4096)
            if not data:
                raise ConnectionResetError(f"{method}: closed before an answer")
            head += data
        text, _, body = head.decode(errors="replace").partition("\r\n\r\n")
        if " 200 " not in text.partition("\r\n")[0]:
            raise ConnectionRefusedError(f"{method}: {text.partition(chr(13))[0]}")
        length = re.search(r"(?im)^content-length:\s*(\d+)", text)
        left = int(length[1]) - len(body.encode()) if length else 0
        while left > 0:
            left -= len(control.recv(left))
        return text

    def close(self) -> None:
        """Lets go."""
        for each in self.sockets:
            each.close()


class Readers:
    """Reads for all viewers on one thread."""

    def __init__(self, viewers: list[Viewer]) -> None:
        self._selector = selectors.DefaultSelector()
        self._memory = bytearray(READ_BYTES)
        for viewer in viewers:
            for each in viewer.sockets:
                each.setblocking(False)
            if not viewer.stalled:
                self.read_from(viewer)

    def read_from(self, viewer: Viewer) -> None:
        """What comes for it, from now on. Over UDP only its pictures count, not what is said at the end."""
        for each in viewer.sockets[:2]:
            if viewer.transport == "tcp" or each is not viewer.sockets[0]:
                self._selector.register(each, selectors.EVENT_READ, viewer)

    def turn(self, wait_s: float) -> None:
        """Reads what is there."""
        for key, _ in self._selector.select(wait_s):
            viewer: Viewer = key.data
            count = 0
            with suppress(OSError):
                count = key.fileobj.recv_into(self._memory)  # type: ignore[union-attr]
            if count:
                viewer.bytes += count
                viewer.last_ns = time.monotonic_ns()
            else:
                self._selector.unregister(key.fileobj)
                viewer.ended = True


def main() -> None:
    """The process."""
    viewers = [Viewer(**each) for each in json.loads(sys.stdin.readline())]
    for viewer in viewers:
        viewer.open()
    readers = Readers(viewers)
    while not all(viewer.bytes or viewer.stalled for viewer in viewers):
        readers.turn(0.1)
    print(json.dumps({"ready": len(viewers)}), flush=True)
    commands = selectors.DefaultSelector()
    commands.register(sys.stdin, selectors.EVENT_READ)
    while not commands.select(0):
        readers.turn(0.02)
    sys.stdin.readline()
    before = time.monotonic_ns()
    for viewer in viewers:
        if viewer.stalled:
            readers.read_from(viewer)
    while time.monotonic_ns() - before < 500_000_000:
        readers.turn(0.02)
    names = ("transport", "stalled", "last_ns", "bytes", "ended")
    print(json.dumps([{name: getattr(viewer, name) for name in names} for viewer in viewers]), flush=True)
    for viewer in viewers:
        viewer.close()


class Watching:
    """The process, seen from the bench. Raises: OSError, where a viewer is refused."""

    def __init__(self, viewers: list[dict[str, Any]]) -> None:
        import subprocess  # only here: the process itself needs none

        self._process = _native.start([sys.executable, "-m", __name__], stdin=subprocess.PIPE)
        self._say(viewers)
        self.ready = int(self._answer()["ready"])

    def report(self) -> list[dict[str, Any]]:
        """What each viewer has read; then they are gone."""
        self._say({"do": "report"})
        answer: list[dict[str, Any]] = self._answer()
        return answer

    def close(self) -> None:
        """Ends it. Idempotent."""
        _native.stop(self._process)

    def _say(self, value: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(value) + "\n")
        self._process.stdin.flush()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise ConnectionRefusedError("a viewer was refused; its reason stands above")
        return json.loads(line)


if __name__ == "__main__":
    main()
