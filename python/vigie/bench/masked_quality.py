"""What both ways make of a clip: bits, and how alike the pictures are outside the mask."""

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

import vigie
from vigie.bench.masked_engine import masked_camera
from vigie.errors import InvalidArgumentError
from vigie.inspect.units import read_units
from vigie.sim.clips import Clip

Plane = NDArray[np.uint8]

# How far the engine widens a region of an H.264 source: its macroblock (requirement M-7).
WIDENING = 16
TRIES = 10
# How often mask_with_engine plays the clip; the last time counts.
PLAYINGS = 2
_START_CODE = b"\x00\x00\x00\x01"


@dataclass(frozen=True)
class Rectangle:
    """The mask: corners as shares of the picture."""

    left: float
    top: float
    right: float
    bottom: float

    def corners(self) -> list[tuple[float, float]]:
        """As a polygon."""
        return [(self.left, self.top), (self.right, self.top), (self.right, self.bottom), (self.left, self.bottom)]

    def filled(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of the samples that the engine fills; the last two are outside.

        Those that the region touches, widened by the source's macroblock, grown to even numbers.
        """
        return (
            max(0, int(self.left * width) - WIDENING) // 2 * 2,
            max(0, int(self.top * height) - WIDENING) // 2 * 2,
            min(width, (int(self.right * width) + 1 + WIDENING + 1) // 2 * 2),
            min(height, (int(self.bottom * height) + 1 + WIDENING + 1) // 2 * 2),
        )


@dataclass(frozen=True)
class Source:
    """A clip made ready: an elementary H.264 stream without reordered pictures."""

    clip: Clip
    name: str
    width: int
    height: int
    frames: int
    mbit_per_s: float


def load_source(clip: Clip, name: str) -> Source:
    """Measures a clip. Raises: InvalidArgumentError for what is no H.264 without B pictures."""
    with av.open(str(clip.path)) as container:
        context = container.streams.video[0].codec_context
        if context.name != "h264" or context.has_b_frames:
            raise InvalidArgumentError(
                "H.264 without B pictures is needed, as cameras send it; right would be what "
                "`ffmpeg -i CLIP -an -c:v libx264 -bf 0 -g 50 -b:v 4M out.mp4` makes",
                name,
            )
        width, height = context.width, context.height
    frames = sum(1 for _ in read_units(clip.path)[1])
    if frames < 2:
        raise InvalidArgumentError("a clip of two pictures at least is needed", name)
    return Source(clip, name, width, height, frames, mbit_of(clip.path.stat().st_size, frames, clip.fps))


def mbit_of(size: int, frames: int, fps: float) -> float:
    """Mbit/s of so many bytes of an elementary stream."""
    return size * 8 / 1e6 / (frames / fps)


@dataclass(frozen=True)
class Published:
    """What an engine made of a clip's last playing: this process's CPU seconds a picture, and bytes in all."""

    cpu_s: float
    size: int


def mask_with_engine(source: Source, mask: Rectangle, target: Path) -> Published:
    """Writes what an engine publishes of the clip, all PLAYINGS one behind the other.

    The last one counts: by then the encoder's quantiser has found its place. Each
    picture is pushed, with its time in the clip, once the one before has come out. On a busy machine a lane may get its
    turn so late that it leaves a picture out; then all is done again, TRIES times at most.
    Raises: InvalidArgumentError when a picture did not come out each time.
    """
    for _ in range(TRIES):
        published = _try_to_mask(source, mask, target)
        if published is not None:
            return published
    raise InvalidArgumentError("the lane left pictures out each time; right would be a quieter machine", source.name)


def _try_to_mask(source: Source, mask: Rectangle, target: Path) -> Published | None:
    """As mask_with_engine, once; None when a picture was left out."""
    began, size, counts_from = 0.0, 0, source.frames * (PLAYINGS - 1)
    with vigie.Engine() as engine, target.open("wb") as out:
        engine.apply({"revision": 1, "cameras": [masked_camera("clip", "push:", mask.corners())]})
        with engine.subscribe("clip") as units:
            playings = (read_units(source.clip.path)[1] for _ in range(PLAYINGS))
            for index, unit in enumerate(chain.from_iterable(playings)):
                if index == counts_from:
                    began = time.process_time()
                data = b"".join(_START_CODE + nal for nal in unit.nals)
                engine.push_access_unit("clip", data, codec="H264", pts_90k=round(index * 90000 / source.clip.fps))
                published = units.next(5)
                if published is None:
                    return None
                with published:
                    data = bytes(published)
                out.write(data)
                size += len(data) if index >= counts_from else 0
        ended = time.process_time()
    return Published((ended - began) / source.frames, size)


def luma_of(path: Path) -> Iterator[Plane]:
    """The decoded luma planes of a file, in order; each until the next."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for frame in container.decode(stream):
            yield _luma(frame)


def _luma(frame: Any) -> Plane:
    plane = frame.planes[0]
    rows: Plane = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
    return rows[:, : frame.width]


@dataclass(frozen=True)
class Likeness:
    """SSIM of luma outside the mask, over the pictures compared."""

    mean: float
    least: float
    compared: int


def compare(source: Source, coded: Path, mask: Rectangle, pictures: int = 50, playings: int = 1) -> Likeness:
    """Compares pictures spread over the clip's last playing in `coded` with the source's of the same number.

    Raises: InvalidArgumentError when the coded stream has another number of pictures.
    """
    coded_units = sum(1 for _ in read_units(coded)[1])
    if coded_units != source.frames * playings:
        raise InvalidArgumentError(f"{coded_units} pictures were coded of {source.frames * playings}", source.name)
    step = max(1, source.frames // pictures)
    hidden = mask.filled(source.width, source.height)
    values = []
    numbers = 0
    last = islice(luma_of(coded), source.frames * (playings - 1), None)
    for before, after in zip(luma_of(source.clip.path), last, strict=False):
        if numbers % step == 0:
            values.append(ssim_outside(before, after, hidden))
        numbers += 1
    if numbers != source.frames:
        raise InvalidArgumentError(f"{numbers} pictures could be decoded of {source.frames}", source.name)
    return Likeness(statistics.fmean(values), min(values), len(values))


def ssim_outside(before: Plane, after: Plane, hidden: tuple[int, int, int, int]) -> float:
    """Mean SSIM (Wang 2004) over windows of 8 x 8, four samples apart, that touch no hidden sample.

    `hidden`: left, top, right, bottom; the last two are outside. Windows and constants are FFmpeg's and x264's.
    """
    height, width = (size // 4 * 4 for size in before.shape)
    a, b = (plane[:height, :width].astype(np.int64) for plane in (before, after))
    s1, s2 = _window_sums(a), _window_sums(b)
    squares, products = _window_sums(a * a + b * b), _window_sums(a * b)
    c1, c2 = 0.01**2 * 255**2 * 64, 0.03**2 * 255**2 * 64 * 63
    variances = squares * 64 - s1 * s1 - s2 * s2
    covariance = products * 64 - s1 * s2
    ssim = (2 * s1 * s2 + c1) * (2 * covariance + c2) / ((s1 * s1 + s2 * s2 + c1) * (variances + c2))
    left, top, right, bottom = hidden
    rows, columns = (4 * np.arange(size) for size in ssim.shape)
    touched = ((rows < bottom) & (rows + 8 > top))[:, None] & ((columns < right) & (columns + 8 > left))[None, :]
    return float(ssim[~touched].mean())


def _window_sums(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sums over 8 x 8 windows, four apart. Shape: (h, w) to (h / 4 - 1, w / 4 - 1)."""
    # Slices, because numpy's sum over short axes takes three times as long.
    rows = values[0::4] + values[1::4] + values[2::4] + values[3::4]
    blocks = rows[:, 0::4] + rows[:, 1::4] + rows[:, 2::4] + rows[:, 3::4]
    pairs = blocks[:-1] + blocks[1:]
    sums: NDArray[np.int64] = pairs[:, :-1] + pairs[:, 1:]
    return sums
