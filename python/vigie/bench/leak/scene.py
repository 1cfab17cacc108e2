"""What the leak meter's cameras film: greys, and private places in colours that nothing else has.

`MAGENTA` places are everybody's secret; `BLUE` ones are hidden in the second version alone, so that the camera's own
form shows them: whoever sees no blue there has looked at nothing. Needs numpy and PyAV.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import av
import numpy as np
from numpy.typing import NDArray

Codec = Literal["H264", "H265", "JPEG"]
Points = tuple[tuple[float, float], ...]
Plane = NDArray[np.uint8]

# Y, U, V. Neither is the other's complement: a residual that damage adds to the wrong picture turns one colour into its
# complement, which must not look like a leak.
MAGENTA = (105, 202, 222)
# Grey in V, where MAGENTA is not: the planes are coded apart, so no ringing at its edges comes near MAGENTA.
BLUE = (120, 200, 128)
# Grey in U: shown on purpose, so that an eye can tell that what it sees is new.
FLAG = (120, 128, 56)
# How far both chroma samples must lie from grey to count: two fifths of the way that MAGENTA lies, as coding and
# scaling take away some at an edge. Public greys come to within 8, and what rings beside other colours to within 27.
FAR = 30
# Everybody's secrets (a tall and a slanted one), and what only the second version hides. Picture coordinates.
PRIVATE_PLACES: tuple[Points, ...] = (
    ((0.08, 0.15), (0.26, 0.12), (0.24, 0.62), (0.06, 0.55)),
    ((0.42, 0.55), (0.60, 0.50), (0.66, 0.86), (0.50, 0.92)),
)
VERSION_PLACE: Points = ((0.74, 0.12), (0.92, 0.12), (0.92, 0.42), (0.74, 0.42))
FLAG_PLACE: Points = ((0.76, 0.58), (0.96, 0.58), (0.96, 0.94), (0.76, 0.94))
# The camera shakes by so much either way, and regions are drawn with that in mind.
SHAKE_PX = 2


@dataclass(frozen=True)
class Clip:
    """Coded pictures that can be played in a circle; the first is a keyframe."""

    codec: Codec
    width: int
    height: int
    units: tuple[bytes, ...]
    keyframes: frozenset[int]

    def annexb(self) -> bytes:
        """All of it as one elementary stream."""
        return b"".join(self.units)


def inside(points: Points, width: int, height: int) -> NDArray[np.bool_]:
    """Which pixels' middles lie in a polygon. Shape: (height, width)."""
    x = (np.arange(width) + 0.5)[None, :] / width
    y = (np.arange(height) + 0.5)[:, None] / height
    odd = np.zeros((height, width), dtype=np.bool_)
    for (ax, ay), (bx, by) in zip(points, (*points[1:], points[0]), strict=True):
        if ay != by:
            odd ^= ((ay > y) != (by > y)) & (x < (bx - ax) * ((y - ay) / (by - ay)) + ax)
    return odd


def grown(points: Points, width: int, height: int, pixels: float = SHAKE_PX) -> list[list[float]]:
    """The polygon with every corner moved away from its middle by so many pixels both ways, inside the picture."""
    middle_x = sum(x for x, _ in points) / len(points)
    middle_y = sum(y for _, y in points) / len(points)
    made = []
    for x, y in points:
        made.append(
            [
                min(1.0, max(0.0, x + math.copysign(2 * pixels / width, x - middle_x))),
                min(1.0, max(0.0, y + math.copysign(2 * pixels / height, y - middle_y))),
            ]
        )
    return made


def fixed_pictures(
    width: int, height: int, count: int, seed: int, *, flag: bool = False
) -> Iterator[tuple[Plane, Plane, Plane]]:
    """A street seen by a camera that trembles: noise that drifts, and grey things that pass before the private places.

    `flag`: something of the colour FLAG stands in the street. Yields: the planes of 4:2:0 pictures.
    """
    random = np.random.default_rng((seed, width, height))
    texture = random.integers(40, 200, (height, width * 2), dtype=np.uint8)
    texture = np.kron(texture[::4, ::4], np.ones((4, 4), dtype=np.uint8))[:height, : width * 2]
    places = [(inside(points, width, height), MAGENTA) for points in PRIVATE_PLACES]
    places.append((inside(VERSION_PLACE, width, height), BLUE))
    if flag:
        places.append((inside(FLAG_PLACE, width, height), FLAG))
    for number in range(count):
        phase = 2 * math.pi * number / count
        planes = [np.ascontiguousarray(np.roll(texture, number * 2, axis=1)[:, :width])]
        planes += [np.full((height, width), 128, dtype=np.uint8) for _ in range(2)]
        for where, colour in places:
            for plane, value in zip(planes, colour, strict=True):
                plane[where] = value
        planes[0] = np.minimum(planes[0], 235)
        # A thing that passes: it uncovers private pixels anew, behind itself.
        left = int((number / count * 1.4 - 0.2) * width)
        for plane, value in zip(planes, (90, 128, 128), strict=True):
            plane[height // 3 : height // 3 + height // 8, max(0, left) : max(0, left + width // 6)] = value
        shift = (round(SHAKE_PX * math.sin(5 * phase)), round(SHAKE_PX * math.sin(3 * phase)))
        planes = [np.roll(plane, shift, axis=(0, 1)) for plane in planes]
        yield planes[0], planes[1][::2, ::2], planes[2][::2, ::2]


def video_frame(planes: Sequence[Plane], pixel_format: str = "yuv420p") -> Any:
    """PyAV's picture of these planes (8 bits; their sizes as the format says)."""
    height, width = planes[0].shape
    frame = av.VideoFrame(width, height, pixel_format)
    for plane, samples in zip(frame.planes, planes, strict=True):
        rows = np.zeros((plane.height, plane.line_size), dtype=np.uint8)
        rows[:, : samples.shape[1]] = samples
        plane.update(rows.tobytes())
    return frame


_ENCODERS = {"H264": "libx264", "H265": "libx265", "JPEG": "mjpeg"}


class Coder:
    """Codes pictures as a camera does: no B pictures, parameter sets with every keyframe.

    `quality`: the constant rate factor; a poor one makes private colours bleed, as real cameras do.
    """

    def __init__(
        self, codec: Codec, width: int, height: int, *, gop: int = 25, quality: int = 30, pixel_format: str = ""
    ) -> None:
        self.codec = codec
        self.gop = gop
        context: Any = av.CodecContext.create(_ENCODERS[codec], "w")
        context.width, context.height = width, height
        context.time_base = Fraction(1, 25)
        context.framerate = 25
        context.pix_fmt = pixel_format or ("yuvj420p" if codec == "JPEG" else "yuv420p")
        context.thread_count = 1
        if codec == "H264":
            context.options = {
                "preset": "ultrafast",
                "tune": "zerolatency",
                "crf": str(quality),
                "x264-params": f"keyint={gop}:min-keyint={gop}:scenecut=0:repeat-headers=1:slices=1",
            }
        elif codec == "H265":
            context.options = {
                "preset": "ultrafast",
                "tune": "zerolatency",
                "crf": str(quality),
                "x265-params": f"keyint={gop}:min-keyint={gop}:scenecut=0:repeat-headers=1:bframes=0:log-level=none"
                ":pools=none:frame-threads=1",
            }
        else:
            context.options = {"huffman": "default"}
            context.qmin = context.qmax = 6
        self._context = context
        self._number = 0

    def encode(self, planes: Sequence[Plane]) -> list[tuple[bytes, bool]]:
        """Coded units and whether each is a keyframe; one for each picture, once the encoder has begun."""
        return self.encode_frame(video_frame(planes, self._context.pix_fmt))

    def encode_frame(self, frame: Any) -> list[tuple[bytes, bool]]:
        """The same of PyAV's picture, in the format that was asked for."""
        frame.pts = self._number
        self._number += 1
        return [(bytes(packet), packet.is_keyframe) for packet in self._context.encode(frame)]

    def finish(self) -> list[tuple[bytes, bool]]:
        """What the encoder still held."""
        return [(bytes(packet), packet.is_keyframe) for packet in self._context.encode(None)]


def make_clip(
    codec: Codec,
    width: int = 320,
    height: int = 180,
    *,
    pictures: int = 75,
    gop: int = 25,
    seed: int = 1,
    quality: int = 30,
    flag: bool = False,
) -> Clip:
    """A coded clip of the fixed scene."""
    coder = Coder(codec, width, height, gop=gop, quality=quality)
    coded: list[tuple[bytes, bool]] = []
    for planes in fixed_pictures(width, height, pictures, seed, flag=flag):
        coded += coder.encode(planes)
    return clip_of(codec, width, height, [*coded, *coder.finish()])


def clip_of(codec: Codec, width: int, height: int, coded: Iterable[tuple[bytes, bool]]) -> Clip:
    """A clip of coded units."""
    units = list(coded)
    keyframes = frozenset(i for i, (_, key) in enumerate(units) if key or codec == "JPEG")
    return Clip(codec, width, height, tuple(data for data, _ in units), keyframes)
