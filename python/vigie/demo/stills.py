"""The pictures of the contact sheet: each decoded by an FFmpeg viewer of its own, as a stranger would see it."""

import time
from dataclasses import dataclass
from pathlib import Path

from vigie.demo.children import Child, Children
from vigie.demo.scenes import font_file

SIZE = (480, 270)
TOGETHER = 3


@dataclass(frozen=True)
class _Still:
    name: str
    url: str
    caption: str
    after: int = 10  # pictures
    refused: bool = False


class Stills:
    """Takes them a few at a time, in order."""

    def __init__(self, children: Children, work: Path) -> None:
        self.complaints: list[str] = []
        self.names: list[str] = []
        self._children, self._work = children, work
        self._font = font_file()
        self._waiting: list[tuple[int, _Still]] = []
        self._running: list[tuple[Child, int, _Still]] = []

    def add(self, name: str, url: str, caption: str = "", after: int = 10) -> None:
        """What a viewer at `url` sees `after` so many pictures."""
        self._put(_Still(name, url, caption, after))

    def add_refused(self, name: str, url: str, caption: str) -> None:
        """A viewer that must be refused; the tile says so."""
        self._put(_Still(name, url, caption, refused=True))

    def add_drawn(self, name: str, caption: str) -> None:
        """A tile without a picture, drawn now."""
        self._draw(len(self.names), _Still(name, "", caption))
        self.names.append(name)

    def add_from_viewer(self, name: str, caption: str, after: int) -> list[str]:
        """A still that another viewer takes: the options of one more output of its FFmpeg."""
        still, index = _Still(name, "", caption, after), len(self.names)
        self.names.append(name)
        return self._output(index, still)

    def _put(self, still: _Still) -> None:
        self._waiting.append((len(self.names), still))
        self.names.append(still.name)

    def step(self) -> None:
        """Starts the next ones."""
        for entry in list(self._running):
            child, index, still = entry
            if child.running():
                continue
            self._running.remove(entry)
            if still.refused:
                self._take_refusal(child, index, still)
        while self._waiting and len(self._running) < TOGETHER:
            index, still = self._waiting.pop(0)
            command = [
                *("ffmpeg", "-nostdin", "-loglevel", "error", "-y", "-threads", "1", "-rtsp_transport", "tcp"),
                *("-i", still.url, *self._output(index, still)),
            ]
            self._running.append((self._children.start(f"still of {still.name}", command), index, still))

    def finish(self, timeout_s: float) -> None:
        """Until all are taken, or the time is over."""
        deadline = time.monotonic() + timeout_s
        while (self._waiting or self._running) and time.monotonic() < deadline:
            self.step()
            time.sleep(0.05)

    def _take_refusal(self, child: Child, index: int, still: _Still) -> None:
        """The viewer got an error instead of a picture; its tile is drawn here."""
        path = self._path(index)
        if path.exists():
            path.unlink()
            self.complaints.append(f"{still.name} gave a picture out")
        elif not any("403" in line for line in child.errors):
            self.complaints.append(f"{still.name} was not refused with 403: {child.last_words()}")
        self._draw(index, still)

    def _draw(self, index: int, still: _Still) -> None:
        width, height = SIZE
        command = [
            *("ffmpeg", "-nostdin", "-loglevel", "error", "-y", "-f", "lavfi"),
            *("-i", f"color=c=0x101010:s={width}x{height}", "-frames:v", "1"),
            *("-vf", self._caption(still.caption) or "null", "-update", "1", str(self._path(index))),
        ]
        self._children.start(f"tile of {still.name}", command).wait(10)

    def _output(self, index: int, still: _Still) -> list[str]:
        picture = ("-f", "image2", "-update", "1", str(self._path(index)))
        return ["-frames:v", "1", "-vf", self._filter(still), *picture]

    def _path(self, index: int) -> Path:
        return self._work / f"still-{index:02}.png"

    def _filter(self, still: _Still) -> str:
        width, height = SIZE
        scale = f"scale={width}:{height}:force_original_aspect_ratio=decrease"
        filters = [f"select=gte(n\\,{still.after})", scale, f"pad={width}:{height}:(ow-iw)/2:(oh-ih)/2:color=0x181818"]
        if text := self._caption(still.caption):
            filters.append(text)
        return ",".join(filters)

    def _caption(self, caption: str) -> str:
        if not caption or self._font is None:
            return ""
        box = f"fontfile={self._font}:fontcolor=white:box=1:boxcolor=black@0.7:boxborderw=5"
        text = caption.replace(":", "\\:")
        return f"drawtext={box}:fontsize=17:x=8:y=h-th-8:text='{text}'"
