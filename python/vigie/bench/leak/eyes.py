"""Who looks at what leaves: one thread for each exit of each form of a stream, which decodes all of it and counts.

A decoder that we did not write (FFmpeg's, through PyAV) is at the end of every exit. Nothing of the engine's own flags
is believed: a pixel is private when its chroma says so.
"""

import contextlib
import io
import threading
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import av
import numpy as np
from numpy.typing import NDArray

import vigie
from vigie.bench.leak.scene import FAR
from vigie.errors import ClosedError, Error
from vigie.forms import form_name

_RETRY_S = 0.05
_READ_TIMEOUT_S = 5.0
# A picture shows the flag when this share of it has the flag's colour: it is a fourteenth of what is filmed.
_FLAG_SHARE = 0.02


class Colours(NamedTuple):
    """How many of a picture's pixels are of the colour that nobody may see, of the one that versions hide, and whether
    the flag is shown."""

    magenta: int
    blue: int
    flag: bool


@dataclass(frozen=True)
class Form:
    """One published form of a stream. `version`: empty for the camera's own."""

    camera: str
    stream: str
    version: str = ""

    @property
    def name(self) -> str:
        """What the embedding API calls the camera."""
        return form_name(self.camera, self.version)

    @property
    def path(self) -> str:
        """Of the RTSP URL."""
        return f"{self.name}/{self.stream}"


@dataclass
class Cell:
    """What was counted at one exit during one fault. Pixels are luma pixels."""

    pictures: int = 0
    leaking_pictures: int = 0
    private_pixels: int = 0
    # Of the colour that only the second version hides, where it is allowed: proof that pictures were really looked at.
    allowed_pixels: int = 0


class Tally:
    """All counts, by exit and fault. Thread: any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cells: dict[tuple[str, str], Cell] = defaultdict(Cell)
        self.pictures = 0
        self.complaints: dict[str, int] = defaultdict(int)
        # Where private pixels were seen: by path and fault, the number of pictures.
        self.leaks: dict[tuple[str, str], int] = defaultdict(int)

    def add(self, exit_name: str, path: str, fault: str, private: int, allowed: int) -> None:
        """One picture that was seen."""
        with self._lock:
            if private:
                self.leaks[path, fault] += 1
            cell = self._cells[exit_name, fault]
            cell.pictures += 1
            cell.private_pixels += private
            cell.allowed_pixels += allowed
            cell.leaking_pictures += private > 0
            self.pictures += 1

    def complain(self, text: str) -> None:
        """Something that a decoder or demuxer said."""
        with self._lock:
            self.complaints[text] += 1

    def cells(self) -> dict[tuple[str, str], Cell]:
        """A copy."""
        with self._lock:
            return {key: Cell(**vars(cell)) for key, cell in self._cells.items()}


def count_colours(u: NDArray[np.uint8], v: NDArray[np.uint8], pixels: int) -> Colours:
    """What a picture of so many pixels shows."""
    magenta = int(np.count_nonzero((u >= 128 + FAR) & (v >= 128 + FAR)))
    grey_in_v = (v >= 128 - FAR // 2) & (v <= 128 + FAR // 2)
    blue = int(np.count_nonzero((u >= 128 + FAR) & grey_in_v))
    grey_in_u = (u >= 128 - FAR // 2) & (u <= 128 + FAR // 2)
    flag = np.count_nonzero((v <= 128 - FAR) & grey_in_u) >= _FLAG_SHARE * u.size
    return Colours(magenta * pixels // u.size, blue * pixels // u.size, bool(flag))


def chroma_planes(frame: Any) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The U and V samples of a picture as PyAV decodes it, without copying where it has planes of bytes."""
    if frame.format.name not in ("yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p"):
        frame = frame.reformat(format="yuv444p")
    planes = []
    for plane in frame.planes[1:3]:
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
        planes.append(rows[: plane.height, : plane.width])
    return planes[0], planes[1]


def count_frame(frame: Any) -> Colours:
    """count_colours of a picture as PyAV decodes it."""
    u, v = chroma_planes(frame)
    return count_colours(u, v, frame.width * frame.height)


class UnitDecoder:
    """Decodes units in turn, as a player does that goes on after damage."""

    def __init__(self, tally: Tally | None = None, codec: str = "h264") -> None:
        self._tally = tally
        self._context: Any = av.CodecContext.create(codec, "r")
        self._context.thread_count = 1

    def decode(self, data: bytes) -> Iterable[Any]:
        """The pictures that come of one unit."""
        try:
            return list(self._context.decode(av.Packet(data)))
        except av.error.FFmpegError as error:
            if self._tally is None:
                raise
            self._tally.complain(f"decoder: {error.strerror}")
            return []


class Eye(threading.Thread, ABC):
    """Looks at one form of a stream through one exit until it is told to stop; comes again whenever it is sent away.

    `fault`: names what is being done to the cameras just now. `on_unit`: is shown each coded unit, with its pictures.
    """

    exit_name = ""

    def __init__(self, form: Form, tally: Tally, fault: Callable[[], str]) -> None:
        super().__init__(name=f"{self.exit_name} {form.path}", daemon=True)
        self.form = form
        self.tally = tally
        self.pictures = 0
        self.saw_flag = False
        self.saw_flag_go = False  # and then pictures without it
        self._fault = fault
        self._ends = threading.Event()

    @property
    def label(self) -> str:
        """How the tally calls its exit."""
        return f"{self.exit_name}, version" if self.form.version else self.exit_name

    def stop(self) -> None:
        """Asks it to end; join() it once the engine is closed."""
        self._ends.set()

    def run(self) -> None:
        """The thread."""
        while not self._ends.is_set():
            try:
                self._watch()
            except ClosedError:
                return
            except Error:
                pass  # withheld at present
            except (av.error.FFmpegError, OSError):
                pass  # cut, refused or silent
            self._ends.wait(_RETRY_S)

    @abstractmethod
    def _watch(self) -> None:
        """Looks, until it is sent away or told to stop."""

    def _count(self, seen: Colours) -> None:
        self.pictures += 1
        self.saw_flag_go = self.saw_flag_go or (self.saw_flag and not seen.flag)
        self.saw_flag = self.saw_flag or seen.flag
        private, allowed = (seen.magenta + seen.blue, 0) if self.form.version else (seen.magenta, seen.blue)
        self.tally.add(self.label, self.form.path, self._fault(), private, allowed)


class RtspEye(Eye):
    """FFmpeg's own RTSP client and decoder."""

    def __init__(self, form: Form, tally: Tally, fault: Callable[[], str], port: int, transport: str) -> None:
        self.exit_name = f"RTSP {transport.upper()}"
        super().__init__(form, tally, fault)
        self._url = f"rtsp://127.0.0.1:{port}/{form.path}"
        self._options = {"rtsp_transport": transport, "analyzeduration": "100000", "probesize": "100000"}

    def _watch(self) -> None:
        with av.open(self._url, options=self._options, timeout=_READ_TIMEOUT_S) as container:
            stream: Any = container.streams.video[0]
            stream.codec_context.thread_count = 1
            for packet in container.demux(stream):
                if self._ends.is_set():
                    return
                try:
                    frames = packet.decode()
                except av.error.FFmpegError as error:
                    self.tally.complain(f"decoder: {error.strerror}")
                    continue
                for frame in frames:
                    self._count(count_frame(frame))


class SubscribeEye(Eye):
    """`engine.subscribe`, decoded. `on_unit`, where given, sees every unit with its pictures."""

    exit_name = "subscribe"

    def __init__(
        self,
        form: Form,
        tally: Tally,
        fault: Callable[[], str],
        engine: vigie.Engine,
        on_unit: Callable[[vigie.Unit, list[Any]], None] | None = None,
    ) -> None:
        super().__init__(form, tally, fault)
        self._engine = engine
        self._on_unit = on_unit

    def _watch(self) -> None:
        decoder = UnitDecoder(self.tally)
        with self._engine.subscribe(self.form.name, self.form.stream, queue_units=256) as units:
            while not self._ends.is_set():
                unit = units.next(0.5)
                if unit is None:
                    continue
                with unit:
                    frames = list(decoder.decode(bytes(unit)))
                    for frame in frames:
                        self._count(count_frame(frame))
                    if self._on_unit:
                        self._on_unit(unit, frames)


class TapEye(Eye):
    """`engine.tap_frames`: decoded pictures without a coder in between. Some leases are kept for a while."""

    exit_name = "tap"
    _KEPT = 2

    def __init__(self, form: Form, tally: Tally, fault: Callable[[], str], engine: vigie.Engine) -> None:
        super().__init__(form, tally, fault)
        self._engine = engine

    def _watch(self) -> None:
        with self._engine.tap_frames(self.form.name, self.form.stream) as frames, contextlib.ExitStack() as kept:
            number = 0
            while not self._ends.is_set():
                frame = frames.next(0.5)
                if frame is None:
                    continue
                found = count_colours(frame.planes[1], frame.planes[2], frame.width * frame.height)
                if number % (10 * self._KEPT) == 0:
                    kept.close()
                if number % 10 == 0:
                    kept.enter_context(frame)
                else:
                    frame.close()
                number += 1
                self._count(found)


class SnapshotEye(Eye):
    """`engine.snapshot`: a JPEG now and then."""

    exit_name = "snapshot"

    def __init__(
        self, form: Form, tally: Tally, fault: Callable[[], str], engine: vigie.Engine, every_s: float = 0.2
    ) -> None:
        super().__init__(form, tally, fault)
        self._engine = engine
        self._every_s = every_s

    def _watch(self) -> None:
        while not self._ends.wait(self._every_s):
            snapshot = self._engine.snapshot(self.form.name, self.form.stream)
            with av.open(io.BytesIO(snapshot.jpeg), "r") as container:
                for frame in container.decode(video=0):
                    self._count(count_frame(frame))


def end_eyes(eyes: Iterable[Eye]) -> None:
    """Joins eyes that were stopped and whose engine is closed."""
    for eye in eyes:
        with contextlib.suppress(RuntimeError):
            eye.join(_READ_TIMEOUT_S + 5)
