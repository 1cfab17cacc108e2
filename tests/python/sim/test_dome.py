"""The simulated dome: what it draws, what it says, and that the oracle sees the same."""

import math
import time

import numpy as np
import pytest

from python.mask.dome_oracle import Camera, in_region
from vigie.errors import InvalidArgumentError
from vigie.sim.dome import PRIVATE_RGB, PUBLIC_TINT, QUIET, Dome, Noise, Presets, Still, Sweep, TruePose

REGIONS = [
    [(-10.0, -30.0), (10.0, -30.0), (10.0, -15.0), (-10.0, -15.0)],
    [(20.0, -50.0), (45.0, -30.0), (30.0, -5.0), (28.0, -30.0)],
    [(170.0, -40.0), (-165.0, -40.0), (-165.0, -10.0), (170.0, -10.0)],
    [(-100.0, -90.0), (60.0, -90.0), (60.0, -70.0), (-100.0, -70.0)],
]


def pixel_middles(width: int, height: int) -> np.ndarray:
    x, y = np.meshgrid((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
    return np.stack([x, y], axis=-1).reshape(-1, 2)


@pytest.mark.parametrize(
    ("pose", "mount"),
    [
        (Still(0, -20, 45), {}),
        (Still(33, -30, 20), {}),
        (Still(175, -20, 60), {}),
        (Still(-178, -25, 10), {}),
        (Still(10, -85, 70), {}),
        (Still(-5, -22, 3), {}),
        (Still(5, -25, 50), {"mount_roll": 7.0, "mount_tilt": -5.0}),
    ],
)
def test_private_pixels_are_where_the_oracle_sees_them(pose: Still, mount: dict[str, float]) -> None:
    dome = Dome(1, REGIONS, trajectory=pose, **mount)
    camera = Camera(pose.pan_deg, pose.tilt_deg, pose.hfov_deg, **mount)
    world = camera.look(pixel_middles(320, 180))
    expected = np.zeros(len(world), dtype=bool)
    for region in REGIONS:
        expected |= in_region(region, world)
    mask = dome.private_mask(0)
    assert expected.any()
    # Single precision decides otherwise only on the very edge.
    assert (mask.ravel() != expected).sum() <= 12
    picture = dome.render(0)
    assert ((picture == PRIVATE_RGB).all(axis=2) == mask).all()


def test_a_pose_can_be_looked_from_without_going_there() -> None:
    dome = Dome(1, REGIONS, trajectory=Still(5, -25, 50))
    there = Dome(1, REGIONS, trajectory=Still(0, -20, 45)).private_mask(0)
    here = dome.private_mask(0)
    assert (dome.private_mask_of(TruePose(0, -20, 45)) == there).all()
    assert (dome.private_mask(0) == here).all()
    assert (here != there).any()


def test_reports_stray_from_what_the_dome_claims_by_their_own_noise_alone() -> None:
    noise = Noise(dropped=0)
    for seed in range(5):
        dome = Dome(seed, [], noise=noise)
        reports = dome.reports_until(10)
        errors = []
        for report in reports:
            claimed, true = dome.pose_claimed(report.time_s), dome.pose_true(report.time_s)
            assert report.hfov_deg == claimed.hfov_deg
            assert abs(claimed.hfov_deg / true.hfov_deg - 1) <= noise.zoom_share / (1 - noise.zoom_share)
            assert abs(claimed.pan_deg - true.pan_deg) <= noise.position_deg / 2
            errors.append((report.pan_deg - claimed.pan_deg, report.tilt_deg - claimed.tilt_deg))
        assert np.abs(errors).max() <= noise.position_deg / 2 + 1e-9
        assert np.abs(np.mean(errors, axis=0)).max() < 0.03, "to either side alike"


def test_the_public_scene_is_grey_textured_and_follows_the_pose() -> None:
    dome = Dome(5, [], trajectory=Sweep())
    picture = dome.render(0).astype(int)
    assert picture.shape == (180, 320, 3)
    assert (picture.max(axis=2) - picture.min(axis=2)).max() <= PUBLIC_TINT
    assert picture.std() > 15
    assert (dome.render(1.0) != dome.render(0)).mean() > 0.5
    assert (dome.render(0) == picture).all(), "one pose, one picture"
    assert (Dome(6, []).render(0) != picture).mean() > 0.5, "another seed, another scene"
    # A world point keeps its colour when the dome turns: the middle of the picture reappears where the oracle says.
    there, here = TruePose(4, -22, 40), TruePose(0, -20, 40)
    seen = Camera(*there[:3]).see(np.array([[0.0, -20.0]]))[0] * (320, 180)
    first = Dome(5, [], trajectory=Still(*here[:3])).render(0)[88:93, 158:163].astype(int)
    row, column = int(seen[1]), int(seen[0])
    second = Dome(5, [], trajectory=Still(*there[:3])).render(0)[row - 2 : row + 3, column - 2 : column + 3].astype(int)
    assert abs(first.mean() - second.mean()) < 12


def test_reports_stay_within_their_noise_and_arrive_in_order() -> None:
    noise = Noise()
    presets = Presets([TruePose(0, -20, 50), TruePose(40, -35, 8), TruePose(-30, -10, 30)], seed=2)
    dome = Dome(9, [], trajectory=presets, noise=noise)
    reports = [report for step in range(1, 601) for report in dome.reports_until(step / 10)]
    assert 0.85 * 600 < len(reports) < 0.95 * 600
    assert [report.time_s for report in reports] == sorted(report.time_s for report in reports)
    assert [report.arrival_s for report in reports] == sorted(report.arrival_s for report in reports)
    off = []
    for report in reports:
        truth = dome.pose_true(report.time_s)
        off.append(abs(report.pan_deg - truth.pan_deg))
        assert max(off[-1], abs(report.tilt_deg - truth.tilt_deg)) <= noise.position_deg
        assert abs(truth.hfov_deg / report.hfov_deg - 1) <= noise.zoom_share + 1e-9
        assert report.time_s <= report.arrival_s
        assert report.state == ("moving" if truth.moving else "idle")
    assert max(off) > 0.1
    assert max(report.arrival_s - report.time_s for report in reports) > 0.3
    assert {report.state for report in reports} == {"idle", "moving"}
    again = Dome(9, [], trajectory=presets, noise=noise)
    assert again.reports_until(60) == reports, "equal seeds say the same, however they are asked"
    assert again.reports_until(60) == []


def test_quiet_telemetry_is_the_truth() -> None:
    dome = Dome(3, [], noise=QUIET)
    for report in dome.reports_until(5):
        assert report[:3] == pytest.approx(dome.pose_true(report.time_s)[:3])
        assert report.arrival_s == report.time_s


def test_presets_speed_up_turn_and_rest() -> None:
    corners = [TruePose(0, -20, 50), TruePose(80, -35, 8), TruePose(2, -21, 45)]
    presets = Presets(corners, seed=1, rest_s=1, max_speed=25, acceleration=60, zoom_speed=1)
    step = 0.01
    poses = [presets.at(number * step) for number in range(6000)]
    speeds = np.diff([pose.pan_deg for pose in poses]) / step
    assert 24 < np.abs(speeds).max() < 25.01
    assert np.abs(np.diff(speeds) / step).max() < 61
    focal = [-math.log(math.tan(math.radians(pose.hfov_deg) / 2)) for pose in poses]
    assert np.abs(np.diff(focal) / step).max() < 1.01
    rested = {pose[:3] for pose in poses if not pose.moving}
    assert rested == {corner[:3] for corner in corners}
    assert presets.at(3.21) == poses[321], "asked again, out of order"
    with pytest.raises(InvalidArgumentError):
        Presets([TruePose(0, 0, 40)])


def test_it_draws_fast_enough_to_judge_many_pictures() -> None:
    dome = Dome(1, REGIONS)
    dome.render(0)
    best = math.inf
    for round_ in range(4):
        started = time.process_time()
        for number in range(25):
            dome.render((25 * round_ + number) / 25)
        best = min(best, (time.process_time() - started) / 25)
    assert best < 1 / 100, "aimed at is 1/200 s on an idle machine"
