"""The leak meter's cameras that stand still, and what is done to them."""

import tempfile
from abc import ABC, abstractmethod
from contextlib import ExitStack, suppress
from pathlib import Path
from random import Random
from typing import Any, Literal, Self

import vigie
from vigie.bench.leak.eyes import Form
from vigie.bench.leak.scene import PRIVATE_PLACES, VERSION_PLACE, Clip, grown, make_clip
from vigie.errors import Error
from vigie.sim import SimProcess
from vigie.sim.clips import Clip as SimClip

LISTENER = {"name": "open", "listen": "127.0.0.1:0", "access": "open"}
# Faults whose leaks are the source's own doing: what no decoder can tell may move private pixels in the source (M-4).
SET_APART = "bit flips"
SETTLING = "after bit flips"
QUIET = "none"
_SMALL = ((192, 108), (176, 144))
# Where the self-test's masks are: not over the private places.
_ELSEWHERE = [[0.97, 0.96], [1.0, 0.96], [1.0, 1.0], [0.97, 1.0]]


class Fleet(ABC):
    """Cameras of one kind, in one engine. `misplaced`: their masks are drawn elsewhere, so that everything leaks."""

    fps: float = 25
    faults: tuple[str, ...] = ()

    def __init__(self, engine: vigie.Engine, seed: int, *, misplaced: bool) -> None:
        self.engine = engine
        self.random = Random(seed)
        self.misplaced = misplaced
        self.revision = 0
        self.ticks = 0  # of the fault at work
        self.fault = QUIET
        self.privacy = "masked"
        self.resources = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.resources.close()

    @abstractmethod
    def cameras(self) -> list[dict[str, Any]]:
        """The policy of each, under the decision of this moment."""

    @abstractmethod
    def forms(self) -> list[Form]:
        """What can be watched."""

    def flagged(self) -> frozenset[str]:
        """Cameras that show the flag while they settle."""
        return frozenset()

    @abstractmethod
    def push(self) -> None:
        """The next pictures of all cameras, under the fault at work."""

    def apply(self) -> None:
        """Puts a new revision in force."""
        self.revision += 1
        self.engine.apply({"revision": self.revision, "listeners": [LISTENER], "cameras": self.cameras()})

    def begin(self, fault: str) -> None:
        """Another fault from now on."""
        self.fault = fault
        self.ticks = 0

    def tick(self) -> None:
        """One picture's time: changes of policy that belong to the fault, then the pictures."""
        if self.fault == "revisions" and self.ticks % 5 == 0:
            self.apply()
        if self.fault == "decisions" and self.ticks % 10 == 0:
            self.privacy = ("withheld", "masked", "covered", "masked")[self.ticks // 10 % 4]
            self.apply()
        self.push()
        self.ticks += 1

    def end(self) -> None:
        """The fault is over, and what it changed is put back."""
        if self.privacy != "masked":
            self.privacy = "masked"
            self.apply()

    def decided(self, entry: dict[str, Any], regions: list[dict[str, Any]], extra: list[dict[str, Any]]) -> None:
        """Writes the decision into a camera's policy: `covered` is masked without a mask set (M-1)."""
        if self.privacy == "withheld":
            return
        entry["privacy"] = "masked"
        if self.privacy == "covered":
            return
        entry["masks"] = self._mask_set(regions)
        if extra:
            entry["versions"] = [{"name": "police", "masks": self._mask_set(extra)}]

    def _mask_set(self, regions: list[dict[str, Any]]) -> dict[str, Any]:
        # Scenes that move as a whole would be covered, and a card proves nothing of the masks.
        return {
            "revision": self.revision,
            "reason": "a test",
            "removal_reason": "a test",
            "regions": regions,
            "scene_watch": False,
        }


class PushedStream:
    """One stream that a host pushes, from clips of several sizes; `flagged` is the first one, with the flag."""

    def __init__(self, fleet: Fleet, camera: str, stream: str, clips: list[Clip], flagged: Clip) -> None:
        self._fleet = fleet
        self._random = Random(fleet.random.random())
        self.camera, self.stream = camera, stream
        self._clips = clips
        self._flagged = flagged
        self._clip = clips[0]
        self._at = 0
        self._pts = 0
        self._owed = 0  # units that came too early
        self._gap = False

    def push(self, fault: str) -> None:
        """The unit of this tick, as the fault leaves it."""
        if self._owed > 0:
            self._owed -= 1
            return
        due = self._random.random() < 0.12
        if fault == "told loss" and due:
            self._skip(1 + self._random.randrange(3))
            self._gap = True
        elif fault == "untold loss" and due:
            self._skip(1 + self._random.randrange(3))
        elif fault == "restarts" and self._random.random() < 0.06:
            self.restart()
        elif fault == "sizes" and self._random.random() < 0.06:
            self._clip = self._random.choice(self._clips)
            self.restart()
        elif fault == "garbage" and due:
            self._garbage()
        elif fault == "overload" and self._random.random() < 0.1:
            for _ in range(12):
                self._next()
            self._owed = 12
            return
        self._next(truncated=fault == "truncation" and due, flipped=fault == SET_APART)

    def restart(self) -> None:
        """Goes on at the clip's keyframe, some seconds later, as a camera that was switched off and on."""
        self._at = self._random.choice(sorted(self._clip.keyframes))
        self._pts += 90000 * self._random.randrange(1, 3)
        self._gap = True

    def settle(self) -> None:
        """Shows the flag from now on, until `resume`."""
        self._clip = self._flagged
        self.restart()

    def resume(self) -> None:
        """Shows what it is for."""
        self._clip = self._clips[0]
        self.restart()

    def _skip(self, units: int) -> None:
        self._at += units
        self._pts += round(units * 90000 / self._fleet.fps)

    def _next(self, *, truncated: bool = False, flipped: bool = False) -> None:
        data = self._clip.units[self._at % len(self._clip.units)]
        self._at += 1
        self._pts += round(90000 / self._fleet.fps)
        # Of H.265 a unit cut short in its last blocks is not told from a whole one: it belongs to what is set apart.
        if (truncated and self._clip.codec != "H265") or (flipped and self._random.random() < 0.02):
            data = data[: self._random.randrange(6, len(data))]
        if flipped:
            data = self._flip(data)
        self._give(data)

    def _flip(self, data: bytes) -> bytes:
        """One bit in a hundred packets' worth of bytes, as of 1400 bytes each."""
        if self._random.random() > 0.01 * max(1, len(data) / 1400) * 4:
            return data
        bits = bytearray(data)
        for _ in range(1 + self._random.randrange(3)):
            bits[self._random.randrange(min(8, len(bits) - 1), len(bits))] ^= 1 << self._random.randrange(8)
        return bytes(bits)

    def _garbage(self) -> None:
        """What no camera sends: noise as a slice, as parameter sets, or as nothing at all."""
        noise = self._random.randbytes(self._random.randrange(4, 4000))
        if self._clip.codec != "JPEG":
            kinds = (0x41, 0x65, 0x67, 0x68, 0x06) if self._clip.codec == "H264" else (0x02, 0x26, 0x42, 0x44, 0x4E)
            noise = b"\0\0\0\1" + bytes([self._random.choice(kinds)]) + noise
        self._give(noise)

    def _give(self, data: bytes) -> None:
        with suppress(Error):  # a refused unit is no unit
            self._fleet.engine.push_access_unit(
                self.camera, data, codec=self._clip.codec, stream=self.stream, pts_90k=self._pts, gap=self._gap
            )
            self._gap = False


class FixedFleet(Fleet):
    """H.264 (main and sub), H.265 and MJPEG that a host pushes, and cameras behind RTSP; each with a second version."""

    fps = 50
    faults = (
        QUIET,
        "told loss",
        "untold loss",
        "truncation",
        "restarts",
        "sizes",
        "garbage",
        "overload",
        "revisions",
        "decisions",
        SET_APART,
    )

    def __init__(self, engine: vigie.Engine, seed: int, *, misplaced: bool) -> None:
        super().__init__(engine, seed, misplaced=misplaced)
        h264, h265, jpeg = (make_clip(codec, seed=seed) for codec in ("H264", "H265", "JPEG"))
        self._pushed = [
            self._stream_of("h264", "main", [h264, make_clip("H264", 352, 200, seed=seed)], seed),
            self._stream_of("h264", "sub", [make_clip("H264", *size, seed=seed) for size in _SMALL], seed),
            self._stream_of("h265", "main", [h265, make_clip("H265", 256, 144, seed=seed)], seed),
            self._stream_of("mjpeg", "main", [jpeg, make_clip("JPEG", 256, 144, seed=seed)], seed),
        ]
        folder = Path(self.resources.enter_context(tempfile.TemporaryDirectory()))
        clips = []
        kinds: tuple[tuple[Clip, Literal["h264", "h265"]], ...] = ((h264, "h264"), (h265, "h265"))
        for clip, kind in kinds:
            path = folder / f"clip.{kind}"
            path.write_bytes(clip.annexb())
            clips.append(SimClip(path, kind, self.fps))
        self._sim = self.resources.enter_context(SimProcess(2, clips=clips))
        self._streams = {"h264": ["main", "sub"], "h265": ["main"], "mjpeg": ["main"], "rtsp-0": ["main"]}
        self._streams["rtsp-1"] = ["main"]
        self._extra: list[dict[str, Any]] = []

    def _stream_of(self, camera: str, stream: str, clips: list[Clip], seed: int) -> PushedStream:
        first = clips[0]
        flagged = make_clip(first.codec, first.width, first.height, pictures=25, seed=seed, flag=True)
        return PushedStream(self, camera, stream, clips, flagged)

    def flagged(self) -> frozenset[str]:
        """Those whose bits are flipped."""
        return frozenset(stream.camera for stream in self._pushed)

    def forms(self) -> list[Form]:
        """Every stream, in the camera's own form and in the second version."""
        streams = [(camera, stream) for camera, streams in self._streams.items() for stream in streams]
        return [Form(camera, stream, version) for camera, stream in streams for version in ("", "police")]

    def cameras(self) -> list[dict[str, Any]]:
        """Every revision hides the private places, and something else besides."""
        own = [self._region(f"flat-{i}", points) for i, points in enumerate(PRIVATE_PLACES)]
        extra = [self._region("school", VERSION_PLACE)]
        if self.revision > 1:
            left, top = self.random.uniform(0, 0.25), self.random.uniform(0.65, 0.85)
            corner = [[left, top], [left + 0.1, top], [left + 0.1, top + 0.1], [left, top + 0.1]]
            own.append({"name": "more", "reason": "a test", "points": corner})
        found = []
        for name, streams in self._streams.items():
            entry: dict[str, Any] = {"name": name, "streams": [self._stream(name, stream) for stream in streams]}
            self.decided(entry, own, extra)
            found.append(entry)
        return found

    def _region(self, name: str, points: Any) -> dict[str, Any]:
        # Of the smallest size that is filmed: two pixels there are the largest share of a picture.
        drawn = _ELSEWHERE if self.misplaced else grown(points, 176, 108, 2 + self.random.uniform(0, 3))
        return {"name": name, "reason": "dwelling", "points": drawn}

    def _stream(self, camera: str, stream: str) -> dict[str, Any]:
        if camera.startswith("rtsp"):
            return {"name": stream, "url": self._sim.url(int(camera[-1])), "transport": "tcp"}
        return {"name": stream, "kind": "push"}

    def begin(self, fault: str) -> None:
        """Cameras behind RTSP lose packets or their connection instead."""
        for stream in self._pushed:
            if fault == SETTLING:
                stream.settle()
            elif self.fault == SETTLING:
                stream.resume()
        super().begin(fault)
        if fault in ("told loss", "untold loss", "truncation"):
            self._sim.fault("loss", percent=3)
        elif fault == "garbage":
            self._sim.fault("garbage", bytes=3000)
        elif fault == "restarts":
            self._sim.fault("restart", seconds=0.1)

    def end(self) -> None:
        """The fault is over."""
        super().end()
        self._sim.clear()

    def push(self) -> None:
        """One unit of every pushed stream."""
        for stream in self._pushed:
            stream.push(self.fault)
