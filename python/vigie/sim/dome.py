"""A simulated dome: true optics, a scene on a sphere, and the lies that its telemetry tells of it.

`Dome` has a trajectory (`Still`, `Sweep`, `Presets`), says where it truly looks, reports it with noise (M-10), and
draws what it truly sees: a public scene in greys, and private places in `PRIVATE_RGB`, which nothing public comes near.
So whoever finds that colour in what left the engine has found a leak. Needs numpy.

Angles are degrees: pan to the right, tilt up, field of view over the whole width. Times are seconds since the start.
The lens has no distortion. Written apart from the engine's projection, and meant to stay so.
"""

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from vigie.errors import InvalidArgumentError

PRIVATE_RGB = (255, 0, 255)
# How far the public scene's red, green and blue may lie apart: PRIVATE_RGB's lie 255 apart.
PUBLIC_TINT = 16
_TEXELS = 1024  # of the texture's side; it repeats
_TEXELS_PER_RADIAN = 300

State = Literal["idle", "moving", "unknown"]
Polygon = Sequence[tuple[float, float]]
Mask = NDArray[np.bool_]
Picture = NDArray[np.uint8]
_Floats = NDArray[np.float32]


class TruePose(NamedTuple):
    """Where a dome looks. Units: degrees."""

    pan_deg: float
    tilt_deg: float
    hfov_deg: float
    moving: bool = False


_AHEAD = TruePose(0, -20, 45)


class Report(NamedTuple):
    """What the dome says of itself. `time_s` is the instant it speaks of; it is known to others from `arrival_s` on."""

    pan_deg: float
    tilt_deg: float
    hfov_deg: float
    time_s: float
    state: State
    arrival_s: float


class Trajectory(Protocol):
    """Where a dome looks over time."""

    def at(self, t: float) -> TruePose:
        """The pose at `t`."""
        ...


@dataclass(frozen=True)
class Still:
    """A dome that does not move."""

    pan_deg: float = 0
    tilt_deg: float = -20
    hfov_deg: float = 45

    def at(self, t: float) -> TruePose:
        """The one pose."""
        return TruePose(self.pan_deg, self.tilt_deg, self.hfov_deg)


@dataclass(frozen=True)
class Sweep:
    """To and fro for ever: sines in pan, tilt and the logarithm of the field of view, out of step with each other.

    `pan_width`, `tilt_width` and `zoom_width` are half of the way from end to end.
    """

    centre: TruePose = _AHEAD
    pan_width: float = 30
    tilt_width: float = 8
    zoom_width: float = 0.3
    period_s: float = 12

    def at(self, t: float) -> TruePose:
        """The pose at `t`."""
        phase = 2 * math.pi * t / self.period_s
        return TruePose(
            self.centre.pan_deg + self.pan_width * math.sin(phase),
            self.centre.tilt_deg + self.tilt_width * math.sin(0.7 * phase + 1),
            self.centre.hfov_deg * math.exp(self.zoom_width * math.sin(0.6 * phase + 2)),
            moving=True,
        )


class _Leg(NamedTuple):
    start_s: float
    move_s: float
    origin: TruePose
    target: TruePose


@dataclass
class Presets:
    """From preset to preset in random order, with a rest at each; speeds up and slows down evenly on the way.

    Units: `max_speed` degrees a second of the axis with the longer way, `acceleration` its degrees a second squared,
    `zoom_speed` of the logarithm of the focal length a second. Pan takes the way that its numbers say, not the shorter.
    """

    presets: Sequence[TruePose]
    seed: int = 0
    rest_s: float = 2
    max_speed: float = 25
    acceleration: float = 60
    zoom_speed: float = 1
    _legs: list[_Leg] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        """Checks that there is somewhere to go."""
        if len(self.presets) < 2:
            raise InvalidArgumentError("at least two presets make a tour", "presets")
        self._random = np.random.default_rng(self.seed)

    def at(self, t: float) -> TruePose:
        """The pose at `t`."""
        while not self._legs or self._end(self._legs[-1]) <= t:
            self._add_leg()
        leg = self._legs[max(0, bisect.bisect_right(self._legs, t, key=lambda leg: leg.start_s) - 1)]
        elapsed = t - leg.start_s
        if elapsed >= leg.move_s:
            return leg.target._replace(moving=False)
        share = self._share(elapsed, leg.move_s, self._way(leg.origin, leg.target))
        focal = (1 - share) * _log_focal(leg.origin.hfov_deg) + share * _log_focal(leg.target.hfov_deg)
        return TruePose(
            leg.origin.pan_deg + share * (leg.target.pan_deg - leg.origin.pan_deg),
            leg.origin.tilt_deg + share * (leg.target.tilt_deg - leg.origin.tilt_deg),
            math.degrees(2 * math.atan(math.exp(-focal))),
            moving=True,
        )

    def _end(self, leg: _Leg) -> float:
        return leg.start_s + leg.move_s + self.rest_s

    def _add_leg(self) -> None:
        if not self._legs:
            self._legs.append(_Leg(0, 0, self.presets[0], self.presets[0]))
            return
        last = self._legs[-1]
        others = [preset for preset in self.presets if preset != last.target]
        target = others[int(self._random.integers(len(others)))]
        self._legs.append(_Leg(self._end(last), self._duration(last.target, target), last.target, target))

    def _way(self, origin: TruePose, target: TruePose) -> float:
        """Degrees of the longer axis; a zoom counts as if its speed were the axes'."""
        zoom = abs(_log_focal(target.hfov_deg) - _log_focal(origin.hfov_deg)) / self.zoom_speed * self.max_speed
        return max(abs(target.pan_deg - origin.pan_deg), abs(target.tilt_deg - origin.tilt_deg), zoom, 1e-6)

    def _duration(self, origin: TruePose, target: TruePose) -> float:
        way = self._way(origin, target)
        if way < self.max_speed**2 / self.acceleration:
            return 2 * math.sqrt(way / self.acceleration)
        return way / self.max_speed + self.max_speed / self.acceleration

    def _share(self, elapsed: float, duration: float, way: float) -> float:
        if elapsed > duration / 2:
            return 1 - self._share(duration - elapsed, duration, way)
        speeding_up = min(elapsed, self.max_speed / self.acceleration)
        return (self.acceleration * speeding_up**2 / 2 + self.max_speed * (elapsed - speeding_up)) / way


@dataclass(frozen=True)
class Noise:
    """How far telemetry strays, by default as M-10 says; every error stays within its bound.

    Half of the position error is the dome's for ever, half is each report's; the zoom error is a table's, smooth over
    the zoom. Reports come each `period_s`, some are dropped, and none overtakes another.
    """

    position_deg: float = 0.2
    zoom_share: float = 0.02
    latency_s: tuple[float, float] = (0, 0.4)
    dropped: float = 0.1
    period_s: float = 0.1


QUIET = Noise(position_deg=0, zoom_share=0, latency_s=(0, 0), dropped=0)


class Dome:
    """One simulated dome. Equal arguments give equal pictures and equal reports.

    Thread: one at a time.
    """

    def __init__(
        self,
        seed: int,
        regions: Sequence[Polygon],
        *,
        trajectory: Trajectory | None = None,
        noise: Noise | None = None,
        width: int = 320,
        height: int = 180,
        mount_roll: float = 0,
        mount_tilt: float = 0,
    ) -> None:
        """`regions` are the private places: polygons of (pan, tilt), straight there, each under 180 degrees wide."""
        self.regions = [[(float(pan), float(tilt)) for pan, tilt in region] for region in regions]
        self.trajectory = trajectory or Sweep()
        self.noise = noise or Noise()
        self.width, self.height = width, height
        self._seed = seed
        self._mount = _mounted(mount_roll, mount_tilt)
        self._places = [_make_place(region) for region in self.regions]
        self._texture = _make_texture(seed)
        self._columns = ((np.arange(width, dtype=np.float32) + 0.5) * 2 / width - 1).astype(np.float32)
        self._rows = ((1 - (np.arange(height, dtype=np.float32) + 0.5) * 2 / height) * height / width).astype(
            np.float32
        )
        bias = np.random.default_rng((seed, 1)).uniform(-1, 1, 3)
        self._pan_bias, self._tilt_bias, self._zoom_phase = (float(value) for value in bias)
        self._next_report = 0
        self._last_arrival = 0.0
        self._waiting: list[Report] = []
        self._seen: tuple[float, tuple[_Floats, _Floats, _Floats]] | None = None

    def pose_true(self, t: float) -> TruePose:
        """Where the dome truly looks at `t`."""
        return self.trajectory.at(t)

    def pose_claimed(self, t: float) -> TruePose:
        """What a report of `t` says but for its own noise: only the errors that are the dome's for ever are in it."""
        noise, pose = self.noise, self.pose_true(t)
        table_error = noise.zoom_share * math.sin(3 * math.log(pose.hfov_deg) + math.pi * self._zoom_phase)
        return TruePose(
            pose.pan_deg + noise.position_deg * self._pan_bias / 2,
            pose.tilt_deg + noise.position_deg * self._tilt_bias / 2,
            pose.hfov_deg / (1 + table_error),
            pose.moving,
        )

    def reports_until(self, t: float) -> list[Report]:
        """The reports that arrive until `t` and were not given before, in order."""
        while self._next_report * self.noise.period_s <= t:
            if (report := self._make_report(self._next_report)) is not None:
                self._waiting.append(report)
            self._next_report += 1
        arrived = [report for report in self._waiting if report.arrival_s <= t]
        self._waiting = self._waiting[len(arrived) :]
        return arrived

    def render(self, t: float) -> Picture:
        """The true picture at `t`.

        Shape: (height, width, 3), uint8, RGB, one's own.
        """
        x, y, z = self._directions(t)
        # The sphere as seen from its zenith: no angles are needed, and neither pole nor seam is in sight.
        scale = np.float32(_TEXELS_PER_RADIAN) / (np.sqrt(x * x + y * y + z * z) * np.float32(1.0001) - y)
        column = (x * scale).astype(np.int32) & (_TEXELS - 1)
        row = (z * scale).astype(np.int32) & (_TEXELS - 1)
        texels = self._texture.take(row * _TEXELS + column)
        texels[self.private_mask(t)] = _packed(*PRIVATE_RGB)
        return np.ascontiguousarray(texels.view(np.uint8).reshape(self.height, self.width, 4)[:, :, :3])

    def private_mask(self, t: float) -> Mask:
        """Which pixels of `render(t)` are private: their middle lies in a private place.

        Shape: (height, width), bool.
        """
        return self._private_among(*self._directions(t))

    def private_mask_of(self, pose: TruePose) -> Mask:
        """The same, were the dome to look so. Thread: any."""
        return self._private_among(*self._directions_of(pose))

    def _private_among(self, x: _Floats, y: _Floats, z: _Floats) -> Mask:
        mask = np.zeros(x.size, dtype=np.bool_)
        length = np.sqrt(x * x + y * y + z * z)
        for place in self._places:
            ahead = x * place.middle[0] + y * place.middle[1] + z * place.middle[2]
            near = np.flatnonzero(ahead >= length * place.cosine)
            if near.size == 0:
                continue
            nx, ny, nz = x.ravel()[near], y.ravel()[near], z.ravel()[near]
            # Pan from the middle of the outline, so that its seam lies on the other side.
            pan = np.degrees(np.arctan2(nx, nz)) - np.float32(place.middle_pan)
            pan -= 360 * np.round(pan / 360)
            tilt = np.degrees(np.arctan2(ny, np.sqrt(nx * nx + nz * nz)))
            mask[near] |= _inside(place.outline, pan, tilt)
        return mask.reshape(x.shape)

    def _directions(self, t: float) -> tuple[_Floats, _Floats, _Floats]:
        """What every pixel's middle looks at, in the world, of any length. Shape: (height, width) each."""
        if self._seen is None or self._seen[0] != t:
            self._seen = (t, self._directions_of(self.pose_true(t)))
        return self._seen[1]

    def _directions_of(self, pose: TruePose) -> tuple[_Floats, _Floats, _Floats]:
        right, up, forward = _turned(self._mount, pose.pan_deg, pose.tilt_deg)
        half_width = math.tan(math.radians(pose.hfov_deg) / 2)
        x, y, z = (
            (self._columns * np.float32(right[axis] * half_width))[None, :]
            + (self._rows * np.float32(up[axis] * half_width) + np.float32(forward[axis]))[:, None]
            for axis in range(3)
        )
        return x, y, z

    def _make_report(self, index: int) -> Report | None:
        noise = self.noise
        random = np.random.default_rng((self._seed, 2, index))
        lost, latency = random.random(2)
        pan_error, tilt_error = random.uniform(-1, 1, 2)
        if lost < noise.dropped:
            return None
        t = index * noise.period_s
        pose = self.pose_claimed(t)
        low, high = noise.latency_s
        self._last_arrival = max(self._last_arrival, t + low + (high - low) * float(latency))
        return Report(
            pose.pan_deg + noise.position_deg * float(pan_error) / 2,
            pose.tilt_deg + noise.position_deg * float(tilt_error) / 2,
            pose.hfov_deg,
            t,
            "moving" if pose.moving else "idle",
            self._last_arrival,
        )


_Vector = NDArray[np.float64]
_Axes = tuple[_Vector, _Vector, _Vector]


def _log_focal(hfov_deg: float) -> float:
    return -math.log(math.tan(math.radians(hfov_deg) / 2))


def _swing(a: _Vector, b: _Vector, degrees: float) -> tuple[_Vector, _Vector]:
    """Turns `a` towards `b`, and `b` away from `a`."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return c * a + s * b, c * b - s * a


def _mounted(roll: float, tilt: float) -> _Axes:
    """The camera's right, up and forward in the world, at pan 0 and tilt 0."""
    right, up, forward = np.eye(3)
    forward, up = _swing(forward, up, tilt)
    up, right = _swing(up, right, roll)
    return right, up, forward


def _turned(axes: _Axes, pan: float, tilt: float) -> _Axes:
    right, up, forward = axes
    forward, right = _swing(forward, right, pan)
    forward, up = _swing(forward, up, tilt)
    return right, up, forward


class _Place(NamedTuple):
    """A private place, ready for many pixels."""

    outline: _Floats  # pan from middle_pan, and tilt; each edge the shorter way round in pan
    middle_pan: float
    middle: tuple[np.float32, ...]  # a direction, in the world
    cosine: np.float32  # of the largest angle from there to the outline and a little more


def _make_place(region: Polygon) -> _Place:
    pans = [region[0][0]]
    for pan, _ in region[1:]:
        pans.append(pans[-1] + math.remainder(pan - pans[-1], 360))
    tilts = [tilt for _, tilt in region]
    middle_pan, middle_tilt = (min(pans) + max(pans)) / 2, (min(tilts) + max(tilts)) / 2
    outline = np.array([(pan - middle_pan, tilt) for pan, tilt in zip(pans, tilts, strict=True)])
    middle = _turned(_mounted(0, 0), middle_pan, middle_tilt)[2]
    # The farthest of a fine walk along the outline; what is inside is nearer.
    walk = np.concatenate([np.linspace(a, b, 64) for a, b in zip(outline, np.roll(outline, -1, axis=0), strict=True)])
    east, north = np.radians(walk[:, 0] + middle_pan), np.radians(walk[:, 1])
    flat = np.stack([np.sin(east) * np.cos(north), np.sin(north), np.cos(east) * np.cos(north)])
    reach = math.acos(float(np.clip((middle @ flat).min(), -1, 1))) + math.radians(2)
    cosine = math.cos(min(reach, math.pi))
    return _Place(outline.astype(np.float32), middle_pan, tuple(np.float32(v) for v in middle), np.float32(cosine))


def _inside(outline: NDArray[np.float32], pan: _Floats, tilt: _Floats) -> Mask:
    odd = np.zeros(pan.shape, dtype=np.bool_)
    for (ax, ay), (bx, by) in zip(outline, np.roll(outline, -1, axis=0), strict=True):
        if ay != by:
            odd ^= ((ay > tilt) != (by > tilt)) & (pan < (bx - ax) * ((tilt - ay) / (by - ay)) + ax)
    return odd


def _packed(red: int, green: int, blue: int) -> int:
    return red | green << 8 | blue << 16


def _make_texture(seed: int) -> NDArray[np.uint32]:
    """Blocks of several sizes in greys, flat. Red is in the lowest byte."""
    random = np.random.default_rng((seed, 0))
    grey = np.full((_TEXELS, _TEXELS), 40, dtype=np.int64)
    for size, weight in ((64, 70), (16, 60), (4, 40), (1, 30)):
        blocks = random.integers(0, weight, (_TEXELS // size, _TEXELS // size))
        grey += np.kron(blocks, np.ones((size, size), dtype=np.int64))
    tints = random.integers(0, PUBLIC_TINT + 1, (_TEXELS // 32, _TEXELS // 32, 3))
    rgb = np.minimum(grey[:, :, None] + np.kron(tints, np.ones((32, 32, 1), dtype=np.int64)), 255)
    packed: NDArray[np.uint32] = (rgb[:, :, 0] | rgb[:, :, 1] << 8 | rgb[:, :, 2] << 16).astype("<u4").ravel()
    return packed
