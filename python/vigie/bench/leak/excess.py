"""How much more of a dome's pictures is hidden than must be, and how much of that no mask could show (M-10).

Four areas of a picture are compared. `true` is private. `needful` is that and what lies within a coding block of it
(M-7): what a mask must hide that knows the pose exactly. `allowed` is what a mask must hide, its block too, that knows
one report of that instant and that its errors stay within M-10's. `hidden` is what was hidden. All but the last are
drawn by the simulated dome's own optics, which share nothing with the engine's projection.
"""

import itertools
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vigie.sim.dome import Dome, Mask, TruePose

# Of the picture's coding block, on each side, that masks of H.264 are widened by (M-7).
BLOCK_PX = 16


@dataclass
class Areas:
    """Sums over pictures of one situation. Areas in luma pixels; pictures that were wholly covered are in none."""

    pictures: int = 0
    covered: int = 0
    measured: int = 0
    true: int = 0
    needful: int = 0
    allowed: int = 0
    hidden: int = 0

    def add(self, mask: Mask, allowed: Mask, hidden: int) -> None:
        """One more picture was measured.

        `mask`: what is private. `allowed`: what is private from some pose that the errors allow.
        """
        self.measured += 1
        self.true += int(mask.sum())
        self.needful += int(widened(mask, BLOCK_PX).sum())
        self.allowed += int(whole_samples(widened(allowed, BLOCK_PX)).sum())
        self.hidden += hidden

    def as_json(self) -> dict[str, float | int]:
        """Shares. `excess_over_true`: what coding blocks need is in it; `excess`: it is not; `excess_allowed`: so much
        of `excess` the errors of one report make needful; `excess_over_allowed`: what is hidden beyond both."""
        return {
            "pictures": self.pictures,
            "covered_share": round(self.covered / max(1, self.pictures), 4),
            "measured": self.measured,
            "excess": _over(self.hidden, self.needful),
            "excess_over_true": _over(self.hidden, self.true),
            "excess_allowed": _over(self.allowed, self.needful),
            "excess_over_allowed": _over(self.hidden, self.allowed),
        }


@dataclass
class StillFigures:
    """How much is hidden, and how often all of it: while a dome stands still (a second at least), while it moves, and
    while its telemetry is silent, which M-10 does not ask.

    `views`: what stood still, by where it looked; which views a short run sees, and so its sum, hangs on the seed.
    """

    still: Areas = field(default_factory=Areas)
    moving: Areas = field(default_factory=Areas)
    silent: Areas = field(default_factory=Areas)
    views: dict[str, Areas] = field(default_factory=dict)

    def of(self, pose: TruePose, *, still: bool, silent: bool) -> list[Areas]:
        """Those that a picture counts in."""
        if silent:
            return [self.silent]
        if not still:
            return [self.moving]
        name = f"pan {pose.pan_deg:g}, tilt {pose.tilt_deg:g}, field of view {pose.hfov_deg:g}"
        return [self.still, self.views.setdefault(name, Areas())]

    def as_json(self) -> dict[str, Any]:
        """All."""
        return {
            "still": self.still.as_json(),
            "moving": self.moving.as_json(),
            "silent": self.silent.as_json(),
            "views": {name: areas.as_json() for name, areas in sorted(self.views.items())},
        }


class ErrorBox:
    """What is private from some pose that one report's errors allow. Units: degrees; `zoom_error` is a share.

    The box lies round what the dome claims, not round the truth: a mask knows no more. A report's own noise is left
    out, since it shifts the box to either side alike. A mask that takes two reports and that nothing moved between them
    may hide less; the engine may not, as an operator may nudge a dome that says it is idle.
    Thread: one at a time.
    """

    def __init__(self, dome: Dome, calibration_error_deg: float, zoom_error: float) -> None:
        self._dome = dome
        self._error, self._zoom = calibration_error_deg, zoom_error
        self._last: tuple[TruePose, Mask] | None = None

    def mask(self, claimed: TruePose, true: Mask) -> Mask:
        """Seen from the box's eight corners and from the true pose: no more than must be, and hardly less.

        Shape: (height, width), bool. Not to be changed: a dome that stands still is given the same one again.
        """
        if self._last is not None and self._last[0] == claimed:
            return self._last[1]
        union = true.copy()
        for pan, tilt, zoom in itertools.product((-1, 1), repeat=3):
            corner = TruePose(
                claimed.pan_deg + pan * self._error,
                claimed.tilt_deg + tilt * self._error,
                claimed.hfov_deg * (1 + zoom * self._zoom),
            )
            union |= self._dome.private_mask_of(corner)
        self._last = (claimed, union)
        return union


def widened(mask: Mask, pixels: int) -> Mask:
    """What lies at most so many pixels beside the mask, both ways."""
    for axis in (0, 1):
        grown = mask.copy()
        for by in range(1, pixels + 1):
            ahead, behind = [slice(None)] * 2, [slice(None)] * 2
            ahead[axis], behind[axis] = slice(by, None), slice(None, -by)
            grown[tuple(ahead)] |= mask[tuple(behind)]
            grown[tuple(behind)] |= mask[tuple(ahead)]
        mask = grown
    return mask


def whole_samples(mask: Mask) -> Mask:
    """The mask grown to whole chroma samples of 4:2:0, which are hidden or not as one. Both sides must be even."""
    height, width = mask.shape
    samples = mask.reshape(height // 2, 2, width // 2, 2).any(axis=(1, 3))
    return np.repeat(np.repeat(samples, 2, axis=0), 2, axis=1)


def _over(area: int, of: int) -> float:
    return round(area / of - 1, 4) if of else 0.0
