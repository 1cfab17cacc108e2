"""The embedding API: an engine in this process.

    with vigie.Engine() as engine:
        engine.apply({"revision": 1, "cameras": [...], "listeners": [...]})
        with engine.subscribe("place-armes-01") as units:
            for unit in units:            # or: async for unit in units
                with unit:
                    decoder.feed(memoryview(unit))
        with engine.tap_frames("place-armes-01", width=640, fps=5) as frames:
            for frame in frames:          # decoded, and masked
                with frame:
                    detector.look(frame.rgb())

Thread: every method may be called from any thread, and the GIL is released wherever one waits. For asyncio, iterate
with `async for` (one at a time on each subscription, and on an engine's events), or watch `fileno()`. After `fork()`
the child must not use an engine of its parent: it gets WrongProcessError.
"""

import json
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, Self

from vigie import _core, _views
from vigie._aio import readable
from vigie._views import Unit
from vigie.errors import ClosedError, InvalidArgumentError
from vigie.events import Event
from vigie.snapshot import Snapshot
from vigie.taps import FrameLease, FrameTap

__all__ = ["Engine", "Event", "FrameLease", "FrameTap", "Snapshot", "Subscription", "Unit", "mask_encoders"]

_CODECS = {"H264": 1, "H265": 2, "JPEG": 3}
_DOUBTS = {"unknown": 1, "reboot": 2, "homing": 3, "e-flip": 4, "digital-zoom": 5, "bounds-changed": 6}
# Waits inside the core are cut into pieces, so that Ctrl-C reaches the main thread.
_SLICE_S = 0.2


class Subscription:
    """Published units of one stream, in order, as leases; iterate it, or call `next`.

    A consumer that does not keep up loses units, whole GOPs at a time, and delays nobody: a jump in `Unit.number` shows
    it, and the next unit is a keyframe.
    """

    def __init__(self, native: _views.Subscription) -> None:
        self._native = native

    def next(self, timeout: float | None = None) -> Unit | None:
        """The next unit; None when `timeout` seconds are over (None: waits for ever, 0: not at all).

        Raises ClosedError after close() of this or of the engine, WithheldError or NotFoundError when policy ended it.
        """
        return self._native.next(-1 if timeout is None else max(0, round(timeout * 1000)))

    def fileno(self) -> int:
        """A descriptor that polls readable while `next(0)` would give something."""
        return self._native.fileno()

    def close(self) -> None:
        """Ends the subscription; a `next` that waits in another thread raises ClosedError. Units taken stay valid."""
        self._native.close()

    def __iter__(self) -> Iterator[Unit]:
        while True:
            try:
                unit = self.next()
            except ClosedError:
                return
            if unit is not None:
                yield unit

    async def __aiter__(self) -> AsyncIterator[Unit]:
        while True:
            try:
                unit = self._native.next(0)
            except ClosedError:
                return
            if unit is None:
                await readable(self.fileno())
            else:
                yield unit

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def mask_encoders() -> list[str]:
    """What can code masked pictures here (`Engine(mask_encoder=…)`), first choice first."""
    return _core.mask_encoders()


class Engine:
    """The core in this process: sources in, published pictures out. Several engines may live side by side.

    Parameters: `shards`: I/O threads (1 to 256); `cpus`: shard i is pinned to cpus[i % len]; `event_capacity`: events
    kept for a host that does not pull; `codec_workers`: threads that mask pictures (0 to 256; 0: one a processor);
    `realtime_io`: I/O threads in real time while pictures are masked, where the system allows it (docs/operations.md);
    `mask_encoder`: codes masked pictures; "vigie" is the engine's own, "libx264" one of libavcodec's (docs/masks.md).

    Raises: InvalidArgumentError, with the encoders that there are.
    """

    def __init__(
        self,
        *,
        shards: int = 1,
        cpus: Sequence[int] = (),
        event_capacity: int = 4096,
        codec_workers: int = 0,
        realtime_io: bool = False,
        mask_encoder: str = "",
    ) -> None:
        self._native = _core.Engine(shards, list(cpus), event_capacity, codec_workers, realtime_io, mask_encoder)

    def apply(self, snapshot: Mapping[str, Any] | str, *, expect_revision: int | None = None) -> int:
        """Puts a whole policy snapshot in force and returns its revision.

        `snapshot`: as python/vigie/schema/policy_snapshot.json says, as a mapping or JSON text. When this returns,
        rights that it takes away have ended. An invalid one changes nothing.

        Raises: PolicySyntaxError, PolicyFieldError (`where` is the JSON pointer), PolicyRevisionError (not greater than
        the one in force, or `expect_revision` is not in force), BindFailedError, TlsFailedError.
        """
        text = snapshot if isinstance(snapshot, str) else json.dumps(snapshot)
        return self._native.apply(text, expect_revision)

    def push_access_unit(
        self,
        camera: str,
        data: Any,
        *,
        codec: Literal["H264", "H265", "JPEG"],
        stream: str = "",
        pts_90k: int | None = None,
        capture_time_ns: int | None = None,
        gap: bool = False,
        length_prefixed: bool = False,
    ) -> None:
        """Gives one coded picture to a stream whose url is "push:"; the bytes are copied.

        `data`: anything with a buffer: Annex B (or 4-byte lengths with `length_prefixed`), or one JPEG image.
        `pts_90k`: 1/90000 s from any origin, forward; without it the moment of the call counts.
        `capture_time_ns`: Unix time.
        `gap`: something is missing before this picture.

        Raises: NotFoundError, InvalidArgumentError, PayloadMalformedError, UnitTooLargeError, LimitExceededError.
        """
        if codec not in _CODECS:
            raise InvalidArgumentError(f"{codec!r} was given; H264, H265 and JPEG exist", "codec")
        self._native.push(camera, stream, _CODECS[codec], data, length_prefixed, pts_90k, capture_time_ns, gap)

    def subscribe(
        self,
        camera: str,
        stream: str = "",
        *,
        start: Literal["last-keyframe", "next-keyframe"] = "last-keyframe",
        queue_units: int = 256,
        queue_bytes: int = 32 << 20,
    ) -> Subscription:
        """Subscribes to the published units of a stream (default: the camera's first); a stream on demand starts.

        Raises: NotFoundError, WithheldError (no privacy decision lets this camera be shown).
        """
        if start not in ("last-keyframe", "next-keyframe"):
            raise InvalidArgumentError(f"{start!r} was given; last-keyframe and next-keyframe exist", "start")
        return Subscription(
            _views.Subscription(
                self._native.capsule(), camera, stream, start == "next-keyframe", queue_units, queue_bytes
            )
        )

    def tap_frames(
        self, camera: str, stream: str = "", *, width: int = 0, fps: float = 0.0, queue: int = 2
    ) -> FrameTap:
        """Taps the decoded frames of a stream (default: the camera's first), masked as its units are.

        `width`: of the frames in pixels, the shape kept and never enlarged (0: as the camera sends them). `fps`: frames
        a second at most (0: all). `queue`: frames kept for a host that is slow (1 to 64); a new one takes the oldest
        one's place. The stream is decoded while a tap is open, and coded only where somebody else wants units.

        Raises: NotFoundError, WithheldError, InvalidArgumentError.
        """
        return FrameTap(_views.FrameTap(self._native.capsule(), camera, stream, width, fps, queue))

    def snapshot(self, camera: str, stream: str = "", *, timeout: float = 5.0) -> Snapshot:
        """The newest picture that may be shown, as JPEG with its facts; waits `timeout` seconds at most for one.

        A covered camera gives its card (`privacy` is "covered"). Each call decodes a group of pictures up to the newest
        where nobody else keeps the decoder awake: for a picture a second, open a tap.

        Raises: TimedOutError (no picture came), NotFoundError, WithheldError.
        """
        return Snapshot(**self._native.snapshot(camera, stream, max(0, round(timeout * 1000))))

    def push_pose(self, camera: str, *, pan: float, tilt: float, hfov: float, at: int, moving: bool) -> None:
        """Where a dome looked at the time `at` (Unix ns, by the clock that stamps its pictures), for all its streams.

        Degrees: pan to the right and tilt up, in the dome's own axes; `hfov` is the field of view of the whole width.
        `moving`: also True when that is not known. Times go forward.

        Raises: NotFoundError, InvalidArgumentError (not finite, out of range, or older than the newest report).
        """
        self._native.push_pose(camera, pan, tilt, hfov, at, moving)

    def distrust_pose(
        self,
        camera: str,
        doubt: Literal["unknown", "reboot", "homing", "e-flip", "digital-zoom", "bounds-changed"] = "unknown",
    ) -> None:
        """The dome's poses are not to be believed: world masks hide the whole picture until `trust_pose`.

        Streams that a later policy brings are in doubt as well. Raises: NotFoundError.
        """
        if doubt not in _DOUBTS:
            raise InvalidArgumentError(f"{doubt!r} was given; {', '.join(_DOUBTS)} exist", "doubt")
        self._native.distrust_pose(camera, _DOUBTS[doubt])

    def trust_pose(self, camera: str) -> None:
        """A calibration check has passed: poses pushed from now on count. Raises: NotFoundError."""
        self._native.trust_pose(camera)

    def events(self, timeout: float | None = None) -> Iterator[Event]:
        """Events as they come; ends when none came for `timeout` seconds (None: never) or the engine was closed."""
        while True:
            try:
                event = self.next_event(timeout)
            except ClosedError:
                return
            if event is None:
                return
            yield event

    def next_event(self, timeout: float | None = None) -> Event | None:
        """The next event; None when `timeout` seconds are over. Raises ClosedError."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            wait = _SLICE_S if deadline is None else min(_SLICE_S, max(0.0, deadline - time.monotonic()))
            found = self._native.next_event(round(wait * 1000))
            if found is not None:
                return Event.of(found)
            if deadline is not None and time.monotonic() >= deadline:
                return None

    async def events_async(self) -> AsyncIterator[Event]:
        """Events as they come, for asyncio; ends when the engine was closed."""
        while True:
            try:
                found = self._native.next_event(0)
            except ClosedError:
                return
            if found is None:
                await readable(self.event_fileno())
            else:
                yield Event.of(found)

    def event_fileno(self) -> int:
        """A descriptor that polls readable while an event waits."""
        return self._native.event_fd()

    def stats(self) -> dict[str, Any]:
        """All figures, as docs/statistics.md lists them; every name carries its unit."""
        figures: dict[str, Any] = json.loads(self._native.stats())
        return figures

    def record_source(self, camera: str, stream: str = "", *, max_bytes: int = 4 << 20) -> None:
        """Keeps the packets of an RTSP stream from now on for `source_report`, without anything that shows a picture.

        For a probe of one camera: it takes memory for each packet. Raises: NotFoundError, WithheldError.
        """
        self._native.record_source(camera, stream, max_bytes)

    def source_report(self, camera: str, stream: str = "") -> dict[str, Any]:
        """What one stream's device has shown of itself, as docs/statistics.md lists it: for whoever looks after it.

        Holds no credential. Raises: NotFoundError.
        """
        report: dict[str, Any] = json.loads(self._native.source_report(camera, stream))
        return report

    def scene_reference(self, camera: str, stream: str = "") -> bytes:
        """The still of the view that a stream's masks belong to, as learned or as the policy brought it.

        The policy carries it back as `masks.scene_reference`, in Base64. It shows nothing of what is hidden.

        Raises: NotFoundError (also before there is one), WithheldError.
        """
        return self._native.scene_reference(camera, stream)

    def close(self) -> None:
        """Ends viewers, subscriptions, sources and threads, in that order; within about a second. Idempotent.

        Units and frames already taken stay valid until they are given back.
        """
        self._native.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
