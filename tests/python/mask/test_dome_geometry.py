"""The engine's geometry of domes against the oracle, on whatever hypothesis comes up with (M-2, M-10, M-14)."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from python.mask.dome_oracle import Camera, cameras_of, edge_samples, hidden, in_region, winding
from vigie import _core
from vigie.errors import InvalidArgumentError
from vigie.sim.dome import Dome, Noise, Presets, Still, Sweep, TruePose

DETERMINED = settings(max_examples=50, deadline=None, derandomize=True)
ASPECT = 16 / 9
GRID = np.stack(np.meshgrid((np.arange(40) + 0.5) / 40, (np.arange(24) + 0.5) / 24), axis=-1).reshape(-1, 2)


def angles(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False, allow_infinity=False)


@st.composite
def regions(draw: st.DrawFn) -> list[tuple[float, float]]:
    """Stars round a middle, over the seam too."""
    pan, tilt, size = draw(angles(-180, 180)), draw(angles(-75, 40)), draw(angles(1, 35))
    radii = draw(st.lists(angles(0.3, 1), min_size=3, max_size=7))
    corners = []
    for number, radius in enumerate(radii):
        angle = 2 * math.pi * number / len(radii)
        corner = pan + size * radius * math.cos(angle), tilt + size * radius * math.sin(angle)
        corners.append((math.remainder(corner[0], 360), min(90.0, max(-90.0, corner[1]))))
    return corners


def middle_of(region: list[tuple[float, float]]) -> tuple[float, float]:
    pans = np.unwrap([pan for pan, _ in region], period=360)
    return float(pans.mean()), float(np.mean([tilt for _, tilt in region]))


@DETERMINED
@given(
    pan=angles(-180, 180),
    tilt=angles(-90, 90),
    hfov=angles(1, 120),
    roll=angles(-20, 20),
    lean=angles(-20, 20),
    u=angles(0.05, 0.95),
    v=angles(0.05, 0.95),
)
def test_the_engine_sees_a_direction_where_the_oracle_does(
    pan: float, tilt: float, hfov: float, roll: float, lean: float, u: float, v: float
) -> None:
    camera = Camera(pan, tilt, hfov, mount_roll=roll, mount_tilt=lean)
    world = camera.look(np.array([(u, v)]))
    assert np.abs(camera.see(world) - (u, v)).max() < 1e-6
    # A speck of a region, seen by the engine: its polygons lie round the point and no farther than the speck reaches.
    size = hfov / 1000
    east = size / max(0.01, math.cos(math.radians(float(world[0, 1]))))
    if abs(world[0, 1]) + size > 89:
        return
    pan_there, tilt_there = (float(value) for value in world[0])
    speck = [
        (pan_there - east, tilt_there - size),
        (pan_there + east, tilt_there - size),
        (pan_there, tilt_there + size),
    ]
    pose = {"pan_deg": pan, "tilt_deg": tilt, "hfov_deg": hfov}
    polygons = _core.project_region(speck, pose, ASPECT, mount_roll=roll, mount_tilt=lean)
    assert hidden(polygons, np.array([(u, v)])).all()
    reach = max(abs(x - u) + abs(y - v) for polygon in polygons for x, y in polygon)
    assert reach < 0.02


@DETERMINED
@given(
    region=regions(),
    aside=angles(-25, 25),
    above=angles(-20, 20),
    hfov=angles(3, 90),
    error=st.sampled_from([0.0, 0.2, 1.0, 4.0, 12.0]),
    zoom=st.sampled_from([0.0, 0.02, 0.2]),
    roll=angles(-8, 8),
    lean=angles(-8, 8),
    seed=st.integers(0, 2**32),
)
def test_the_region_is_hidden_for_every_pose_of_the_box(
    region: list[tuple[float, float]],
    aside: float,
    above: float,
    hfov: float,
    error: float,
    zoom: float,
    roll: float,
    lean: float,
    seed: int,
) -> None:
    pan, tilt = middle_of(region)
    estimate = {
        "pan_deg": pan + aside,
        "tilt_deg": tilt + above,
        "hfov_deg": hfov,
        "pan_error_deg": error,
        "tilt_error_deg": error,
        "hfov_min_deg": hfov * (1 - zoom),
        "hfov_max_deg": hfov * (1 + zoom),
    }
    mount = {"mount_roll": roll, "mount_tilt": lean}
    polygons = _core.project_region(region, estimate, ASPECT, **mount)
    assert all(abs(value) < 3 for polygon in polygons for point in polygon for value in point)
    edge = edge_samples(region)
    inwards = edge + 1e-4 * (np.array([middle_of(region)]) - edge)
    inwards = inwards[in_region(region, inwards)]
    for camera in cameras_of(estimate, np.random.default_rng(seed), 4, **mount):
        seen = camera.see(inwards)
        seen = seen[((seen >= 0) & (seen <= 1)).all(axis=1)]
        assert hidden(polygons, seen).all()
        assert hidden(polygons, GRID[in_region(region, camera.look(GRID))]).all()


@DETERMINED
@given(region=regions(), aside=angles(-20, 20), above=angles(-20, 20), hfov=angles(3, 90))
def test_an_exact_pose_hides_little_more_than_the_region(
    region: list[tuple[float, float]], aside: float, above: float, hfov: float
) -> None:
    pan, tilt = middle_of(region)
    camera = Camera(pan + aside, tilt + above, hfov)
    pose = {"pan_deg": camera.pan, "tilt_deg": camera.tilt, "hfov_deg": hfov}
    polygons = _core.project_region(region, pose, ASPECT)
    needless = hidden(polygons, GRID) & ~in_region(region, camera.look(GRID))
    outline = camera.see(edge_samples(region, 400))
    outline = outline[~np.isnan(outline).any(axis=1)]
    for point in GRID[needless]:
        assert len(outline), "nothing of it is in front, and something is hidden"
        assert np.abs(outline - point).max(axis=1).min() < 0.02


@DETERMINED
@given(region=regions(), turn=st.sampled_from([-720.0, -360.0, 360.0]), hfov=angles(5, 80))
def test_whole_turns_make_no_difference(region: list[tuple[float, float]], turn: float, hfov: float) -> None:
    pan, tilt = middle_of(region)
    pose = {"pan_deg": pan + 3, "tilt_deg": tilt - 2, "hfov_deg": hfov, "pan_error_deg": 0.5, "tilt_error_deg": 0.5}
    points = [
        GRID[hidden(_core.project_region(region, dict(pose, pan_deg=p), ASPECT), GRID)]
        for p in (pan + 3, pan + 3 + turn)
    ]
    assert len(points[0]) == len(points[1])


def truth_is_in(estimate: dict[str, Any], truth: TruePose) -> bool:
    pan = math.remainder(truth.pan_deg - estimate["pan_deg"], 360)
    return (
        abs(pan) <= estimate["pan_error_deg"] + 1e-9
        and abs(truth.tilt_deg - estimate["tilt_deg"]) <= estimate["tilt_error_deg"] + 1e-9
        and estimate["hfov_min_deg"] - 1e-9 <= truth.hfov_deg <= estimate["hfov_max_deg"] + 1e-9
    )


TRAJECTORIES = {
    "still": Still(),
    "sweep": Sweep(pan_width=40, tilt_width=15, zoom_width=0.5, period_s=10),
    "presets": Presets([TruePose(170, -30, 50), TruePose(190, -10, 12), TruePose(120, -60, 30)], seed=4, rest_s=1),
}


@pytest.mark.parametrize("name", TRAJECTORIES)
@pytest.mark.parametrize("wait_s", [0.0, 0.7])
def test_the_true_pose_is_in_the_box_at_every_picture(name: str, wait_s: float) -> None:
    policy = {"calibration_error": 0.2, "zoom_error": 0.02, "max_speed": 30}
    boxes = pictures = 0
    for seed in range(6):
        dome = Dome(seed, [], trajectory=TRAJECTORIES[name], noise=Noise(dropped=0.2))
        samples: list[tuple[float, float, float, int, str]] = []
        for number in range(25, 400):
            t = number / 25
            samples += [
                (report.pan_deg, report.tilt_deg, report.hfov_deg, round(report.time_s * 1e9), report.state)
                for report in dome.reports_until(t + wait_s)
            ]
            estimate = _core.estimate_pose(samples[-60:], round(t * 1e9), **policy)
            pictures += 1
            if not estimate["whole_picture"]:
                boxes += 1
                assert truth_is_in(estimate, dome.pose_true(t)), (seed, t)
            else:
                assert estimate["reason"]
    assert boxes > (0.9 if wait_s else 0.3) * pictures


@pytest.mark.parametrize(
    ("samples", "dome", "where"),
    [
        ([(0, 0, 40, 5, "idle"), (0, 0, 40, 4, "idle")], {}, "at"),
        ([(0, 0, 0.01, 5, "idle")], {}, "hfov_deg"),
        ([(0, 0, 40, 5, "asleep")], {}, "state"),
        ([], {"max_sped": 3.0}, "max_sped"),
    ],
)
def test_what_is_wrong_is_named(
    samples: list[tuple[float, float, float, int, str]], dome: dict[str, float], where: str
) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        _core.estimate_pose(samples, 0, **dome)
    assert caught.value.where == where


def test_the_oracle_knows_inside_from_outside() -> None:
    square = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]
    points = np.array([(0.5, 0.5), (1.5, 0.5), (0.01, 0.99), (-0.01, 0.5)])
    assert (winding(square, points) != 0).tolist() == [True, False, True, False]
    assert in_region(
        [(175, -5), (-175, -5), (-175, 5), (175, 5)], np.array([(180.0, 0), (-178, 0), (0, 0)])
    ).tolist() == [
        True,
        True,
        False,
    ]
