"""What hosts take of decoded pictures: taps and leases. `vigie.Engine` makes them."""

from collections.abc import AsyncIterator, Iterator
from typing import NamedTuple, Self

from vigie import _views
from vigie._aio import readable
from vigie._views import FrameLease
from vigie.errors import ClosedError

__all__ = ["FrameLease", "FrameTap", "TapStats"]


class TapStats(NamedTuple):
    """Frames of one tap. `offered`: that the rate let through; they were taken, dropped, or wait.

    `leased`: held now. `dropped`: the host was slow, or the masks changed before they were taken. `thinned`: beyond the
    rate that was asked for.
    """

    leased: int
    offered: int
    taken: int
    dropped: int
    thinned: int


class FrameTap:
    """Decoded, masked frames of one stream, in order, as leases; iterate it, or call `next`.

    A consumer that does not keep up loses the oldest frames, with a count, and delays nobody. Scaling is done by the
    thread that calls `next`. At most eight frames of a tap can be held: then `next` raises LimitExceededError.
    """

    def __init__(self, native: _views.FrameTap) -> None:
        self._native = native

    def next(self, timeout: float | None = None) -> FrameLease | None:
        """The next frame; None when `timeout` seconds are over (None: waits for ever, 0: not at all).

        After `Engine.apply` has returned, no frame filled under the masks of before is given out.

        Raises ClosedError after close() of this or of the engine, WithheldError or NotFoundError when policy ended it,
        LimitExceededError while too many frames are held.
        """
        return self._native.next(-1 if timeout is None else max(0, round(timeout * 1000)))

    def stats(self) -> TapStats:
        """What became of the frames so far; after close() too."""
        return TapStats(*self._native.stats())

    def fileno(self) -> int:
        """A descriptor that polls readable while `next(0)` would give something."""
        return self._native.fileno()

    def close(self) -> None:
        """Ends the tap; a `next` that waits in another thread raises ClosedError. Frames taken stay valid."""
        self._native.close()

    def __iter__(self) -> Iterator[FrameLease]:
        while True:
            try:
                frame = self.next()
            except ClosedError:
                return
            if frame is not None:
                yield frame

    async def __aiter__(self) -> AsyncIterator[FrameLease]:
        while True:
            try:
                frame = self._native.next(0)
            except ClosedError:
                return
            if frame is None:
                await readable(self.fileno())
            else:
                yield frame

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
