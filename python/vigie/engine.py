"""The embedding API: an engine in this process.

    with vigie.Engine() as engine:
        engine.apply({"revision": 1, "cameras": [...], "listeners": [...]})
        with engine.subscribe("place-armes-01") as units:
            for unit in units:            # or: async for unit in units
                with unit:
                    decoder.feed(memoryview(unit))

Thread: every method may be called from any thread, and the GIL is released wherever one waits. For asyncio, iterate
with `async for` (one at a time on each subscription, and on an engine's events), or watch `fileno()`. After `fork()`
the child must not use an engine of its parent: it gets WrongProcessError.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self

from vigie import _core, _views
from vigie._views import Unit
from vigie.errors import ClosedError, InvalidArgumentError

__all__ = ["Engine", "Event", "Subscription", "Unit"]

_CODECS = {"H264": 1, "H265": 2, "JPEG": 3}
# Waits inside the core are cut into pieces, so that Ctrl-C reaches the main thread.
_SLICE_S = 0.2


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened, by value.

    `kind`: stream_state, stream_track, stream_fault, viewer_opened, viewer_closed, viewer_dropped, viewer_refused,
    policy_applied, listener_state, engine_warning.
    `object`: "camera/stream", "listener NAME", "viewer N camera/stream". `state`: the new one where the kind has one.
    `code`: 0, or the number of the error (vigie.errors.BY_CODE).
    `merged`: equal events of the same second folded into this one. A hole in `seq`: events were lost, nobody pulled.
    """

    seq: int
    time_ns: int
    kind: str
    object: str
    state: str
    code: int
    text: str
    merged: int


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
                await _readable(self.fileno())
            else:
                yield unit

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class Engine:
    """The core in this process: sources in, published pictures out. Several engines may live side by side.

    Parameters: `shards`: I/O threads (1 to 256); `cpus`: shard i is pinned to cpus[i % len]; `event_capacity`: events
    kept for a host that does not pull.
    """

    def __init__(self, *, shards: int = 1, cpus: Sequence[int] = (), event_capacity: int = 4096) -> None:
        self._native = _core.Engine(shards, list(cpus), event_capacity)

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
                return Event(*found)
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
                await _readable(self.event_fileno())
            else:
                yield Event(*found)

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

    def close(self) -> None:
        """Ends viewers, subscriptions, sources and threads, in that order; within about a second. Idempotent.

        Units already taken stay valid until they are released.
        """
        self._native.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


async def _readable(descriptor: int) -> None:
    """Waits in the running loop until the descriptor polls readable."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    def on_readable() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(descriptor, on_readable)
    try:
        await ready
    finally:
        loop.remove_reader(descriptor)
