"""What a dome sees, written a second time: by the camera's own axes and dense samples, with nothing of the engine's.

A camera is three axes (right, up, forward) in the world, turned one into another as a mechanic would: first the mount,
then pan about its own upright, then tilt. Angles are degrees. What the engine hides is asked of `vigie._core`.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
Polygon = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Camera:
    """One exact pose."""

    pan: float
    tilt: float
    hfov: float
    aspect: float = 16 / 9
    mount_roll: float = 0
    mount_tilt: float = 0

    def axes(self) -> Points:
        """Right, up and forward in the world. Shape: (3, 3), an axis a row."""
        right, up, forward = np.eye(3)
        for degrees, name in (
            (self.mount_tilt, "tilt"),
            (self.mount_roll, "roll"),
            (self.pan, "pan"),
            (self.tilt, "tilt"),
        ):
            c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
            if name == "pan":
                forward, right = c * forward + s * right, c * right - s * forward
            elif name == "tilt":
                forward, up = c * forward + s * up, c * up - s * forward
            else:
                up, right = c * up + s * right, c * right - s * up
        return np.array([right, up, forward])

    def see(self, world: Points) -> Points:
        """Picture coordinates of directions, NaN behind. Shape: (n, 2) to (n, 2)."""
        pan, tilt = np.radians(world).T
        directions = np.stack([np.sin(pan) * np.cos(tilt), np.sin(tilt), np.cos(pan) * np.cos(tilt)])
        x, y, depth = self.axes() @ directions
        depth = np.where(depth > 1e-9, depth, np.nan)
        half = np.tan(np.radians(self.hfov) / 2)
        return np.stack([(1 + x / depth / half) / 2, (1 - y / depth / half * self.aspect) / 2], axis=1)

    def look(self, picture: Points) -> Points:
        """The directions seen at picture coordinates. Shape: (n, 2) to (n, 2)."""
        half = np.tan(np.radians(self.hfov) / 2)
        rays = np.stack([(2 * picture[:, 0] - 1) * half, (1 - 2 * picture[:, 1]) * half / self.aspect])
        right, up, forward = self.axes()
        world = np.outer(right, rays[0]) + np.outer(up, rays[1]) + forward[:, None]
        world /= np.linalg.norm(world, axis=0)
        return np.degrees(np.stack([np.arctan2(world[0], world[2]), np.arcsin(np.clip(world[1], -1, 1))], axis=1))


def winding(polygon: Polygon | Points, points: Points) -> NDArray[np.int64]:
    """How often the polygon goes round each point: the sum of the angles under which its edges are seen."""
    corners = np.asarray(polygon, dtype=float)
    offsets = corners[None, :, :] - points[:, None, :]
    following = np.roll(offsets, -1, axis=1)
    crosses = offsets[:, :, 0] * following[:, :, 1] - offsets[:, :, 1] * following[:, :, 0]
    turned = np.arctan2(crosses, (offsets * following).sum(axis=2)).sum(axis=1)
    return np.rint(turned / (2 * np.pi)).astype(np.int64)


def hidden(polygons: Sequence[Polygon], points: Points) -> NDArray[np.bool_]:
    """Which points lie in the union of the polygons. Shape: (n, 2) to (n,)."""
    found = np.zeros(len(points), dtype=bool)
    for polygon in polygons:
        low, high = np.min(polygon, axis=0), np.max(polygon, axis=0)
        near = np.flatnonzero(~found & ((points >= low) & (points <= high)).all(axis=1))
        found[near] = winding(polygon, points[near]) != 0
    return found


def in_region(region: Polygon, world: Points) -> NDArray[np.bool_]:
    """Which directions lie in the region, whose edges are straight in (pan, tilt) and under 180 degrees wide."""
    pans = np.unwrap([pan for pan, _ in region], period=360)
    outline = np.stack([pans, [tilt for _, tilt in region]], axis=1)
    middle = (pans.min() + pans.max()) / 2
    near = np.stack([middle + (world[:, 0] - middle + 180) % 360 - 180, world[:, 1]], axis=1)
    return winding(outline, near) != 0


def edge_samples(region: Polygon, each: int = 40) -> Points:
    """Points along the outline, straight in (pan, tilt). Shape: (n, 2)."""
    pans = np.unwrap([pan for pan, _ in region], period=360)
    outline = np.stack([pans, [tilt for _, tilt in region]], axis=1)
    shares = np.linspace(0, 1, each, endpoint=False)[:, None]
    return np.concatenate([a + shares * (b - a) for a, b in itertools.pairwise([*outline, outline[0]])])


def cameras_of(estimate: dict[str, Any], random: np.random.Generator, count: int, **mount: float) -> list[Camera]:
    """Poses of the estimate's box: its corners, and `count` within it."""
    corners = list(itertools.product((-1.0, 1.0), repeat=3))
    within = [tuple(random.uniform(-1, 1, 3)) for _ in range(count)]
    low, high = estimate["hfov_min_deg"], estimate["hfov_max_deg"]
    return [
        Camera(
            estimate["pan_deg"] + pan * estimate["pan_error_deg"],
            estimate["tilt_deg"] + tilt * estimate["tilt_error_deg"],
            (low + high) / 2 + zoom * (high - low) / 2,
            **mount,
        )
        for pan, tilt, zoom in corners + within
    ]
