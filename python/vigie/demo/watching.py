"""A viewer of the city: FFmpeg at a URL, and when it read each picture."""

import threading
import time
from collections.abc import Sequence

from vigie.demo.children import Children


class Watching:
    """Reads until it is ended from the other side. `still`: FFmpeg's options of one more output.

    `read`: when each picture was read, Unix time.
    """

    def __init__(self, children: Children, name: str, url: str, still: Sequence[str]) -> None:
        self.read: list[float] = []
        self.began = time.time()
        self._first = threading.Event()
        command = [
            *("ffmpeg", "-nostdin", "-loglevel", "error", "-y", "-threads", "1", "-rtsp_transport", "tcp", "-i", url),
            # A line for every picture as it comes, not decoded.
            *("-map", "0:v", "-c", "copy", "-f", "framecrc", "-flush_packets", "1", "pipe:1"),
            *("-map", "0:v", *still),
        ]
        self._child = children.start(name, command, on_line=self._on_line)

    def _on_line(self, line: str) -> None:
        if line[:1].isdigit():
            self.read.append(time.time())
            self._first.set()

    def wait_first(self, timeout_s: float) -> bool:
        """Whether a picture came in that time."""
        return self._first.wait(timeout_s)

    def wait_end(self, timeout_s: float) -> float | None:
        """When it was ended, Unix time; None: it goes on."""
        return None if self._child.wait(timeout_s) is None else time.time()

    def last_words(self) -> str:
        """What FFmpeg said last."""
        return self._child.last_words()
