"""Access units -> figures. Pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from vigie.engine import Unit

_S = 1_000_000_000
# Below this a slope says more of the network than of a clock.
_DRIFT_SPAN_S = 20.0
# From one picture to the next: more than a report may move the clock at once.
_STEP_MS = 500.0


@dataclass(frozen=True, slots=True)
class UnitFacts:
    """What is kept of one access unit. Times in nanoseconds: `arrival_ns` monotonic, the others Unix time."""

    arrival_ns: int
    arrival_wall_ns: int
    capture_ns: int
    clock_quality: str
    pts_90k: int
    size: int
    keyframe: bool
    gap: bool
    damaged: bool
    width: int
    height: int

    @classmethod
    def of(cls, unit: "Unit") -> Self:
        """The facts of a unit that is held."""
        return cls(
            arrival_ns=unit.arrival_mono_ns,
            arrival_wall_ns=unit.arrival_time_ns,
            capture_ns=unit.capture_time_ns,
            clock_quality=unit.clock_quality,
            pts_90k=unit.pts_90k,
            size=len(unit),
            keyframe=unit.keyframe,
            gap=unit.gap,
            damaged=unit.damaged,
            width=unit.width,
            height=unit.height,
        )


@dataclass(frozen=True, slots=True)
class Gop:
    """Distances between keyframes: units and seconds. All 0 before the second keyframe."""

    count: int
    units_median: float
    units_least: int
    units_most: int
    seconds_median: float
    seconds_most: float


@dataclass(frozen=True, slots=True)
class CameraClock:
    """The camera's clock against ours, by its sender reports.

    `offset_ms`: camera less ours, median; `quality`: the worst seen (none: no report came, so there is no offset).
    `drift_ppm`: None when the run was too short to tell, or capture times were `stepped` against media time in it.
    `first_s`: from the first picture to the first one with a time; None: it never came.
    """

    quality: str
    offset_ms: float | None
    drift_ppm: float | None
    first_s: float | None = None
    stepped: bool = False


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured over `seconds`.

    `jitter_ms`: how much later than the earliest ones units arrive, against media time, 95th percentile.
    `media_drift_ppm`: media clock against ours; None as for CameraClock.
    """

    seconds: float
    units: int
    keyframes: int
    fps: float
    media_fps: float
    bitrate_bps: float
    keyframe_bytes: int
    unit_bytes: int
    gop: Gop
    jitter_ms: float
    media_drift_ppm: float | None
    gaps: int
    damaged: int
    sizes: tuple[tuple[int, int], ...]
    clock: CameraClock


def measure(units: Sequence[UnitFacts]) -> Figures | None:
    """The figures of a run; None for fewer than two units."""
    if len(units) < 2:
        return None
    first, last = units[0], units[-1]
    seconds = max((last.arrival_ns - first.arrival_ns) / _S, 1e-9)
    media_seconds = (last.pts_90k - first.pts_90k) / 90_000
    keyframes = [unit.size for unit in units if unit.keyframe]
    others = [unit.size for unit in units if not unit.keyframe]
    sizes = tuple(dict.fromkeys((unit.width, unit.height) for unit in units if unit.width))
    late = [(unit.arrival_ns - first.arrival_ns) / 1e6 - (unit.pts_90k - first.pts_90k) / 90 for unit in units]
    slope = _slope([(unit.pts_90k - first.pts_90k) / 90_000 for unit in units], late)
    # A media clock that runs slow would look like lateness that grows.
    level = (
        late
        if slope is None
        else [x - slope * (u.pts_90k - first.pts_90k) / 90_000 for x, u in zip(late, units, strict=True)]
    )
    return Figures(
        seconds=seconds,
        units=len(units),
        keyframes=len(keyframes),
        fps=(len(units) - 1) / seconds,
        media_fps=(len(units) - 1) / media_seconds if media_seconds > 0 else 0.0,
        # The last unit's bytes belong to the interval after it.
        bitrate_bps=sum(unit.size for unit in units[:-1]) * 8 / seconds,
        keyframe_bytes=round(median(keyframes)) if keyframes else 0,
        unit_bytes=round(median(others)) if others else 0,
        gop=_gop(units),
        jitter_ms=_quantile(level, 0.95) - min(level),
        # Milliseconds a second are thousands of ppm; later arrival means a slower media clock.
        media_drift_ppm=None if slope is None else -slope * 1000,
        gaps=sum(unit.gap for unit in units[1:]),
        damaged=sum(unit.damaged for unit in units),
        sizes=sizes,
        clock=_clock(units),
    )


def _gop(units: Sequence[UnitFacts]) -> Gop:
    at = [index for index, unit in enumerate(units) if unit.keyframe]
    if len(at) < 2:
        return Gop(0, 0, 0, 0, 0, 0)
    lengths = [later - earlier for earlier, later in pairwise(at)]
    seconds = [(units[later].arrival_ns - units[earlier].arrival_ns) / _S for earlier, later in pairwise(at)]
    return Gop(len(lengths), median(lengths), min(lengths), max(lengths), median(seconds), max(seconds))


def _clock(units: Sequence[UnitFacts]) -> CameraClock:
    known = [unit for unit in units if unit.clock_quality != "none"]
    if not known:
        return CameraClock("none", None, None)
    quality = "suspect" if any(unit.clock_quality == "suspect" for unit in known) else "reported"
    errors = [(unit.capture_ns - unit.arrival_wall_ns) / 1e6 for unit in known]
    media = [unit.capture_ns / 1e6 - unit.pts_90k / 90 for unit in known]
    stepped = any(abs(later - earlier) > _STEP_MS for earlier, later in pairwise(media))
    slope = None if stepped else _slope([(unit.arrival_ns - known[0].arrival_ns) / _S for unit in known], errors)
    return CameraClock(
        quality,
        median(errors),
        None if slope is None else slope * 1000,
        first_s=(known[0].arrival_ns - units[0].arrival_ns) / _S,
        stepped=stepped,
    )


def _slope(x: Sequence[float], y: Sequence[float]) -> float | None:
    """The least-squares slope; None when `x` (seconds) spans too little."""
    if len(x) < 2 or x[-1] - x[0] < _DRIFT_SPAN_S:
        return None
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    square = sum((value - mean_x) ** 2 for value in x)
    return sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / square


def _quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
