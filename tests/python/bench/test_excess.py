"""How the leak meter measures what is hidden beyond need (M-10)."""

import itertools

import numpy as np
import pytest

import vigie
from python.mask.dome_oracle import hidden
from vigie import _core
from vigie.bench.leak.dome_fleet import DomeFleet
from vigie.bench.leak.excess import BLOCK_PX, Areas, ErrorBox, StillFigures, whole_samples, widened
from vigie.sim.dome import Dome, Still, TruePose

PLACE = [(-12.0, -28.0), (4.0, -28.0), (4.0, -14.0), (-12.0, -14.0)]
LOOKING = Still(-2, -20, 45)


def test_a_mask_is_widened_by_a_square_and_cut_at_the_sides() -> None:
    mask = np.zeros((8, 10), dtype=np.bool_)
    mask[2, 7] = True
    expected = np.zeros_like(mask)
    expected[0:6, 4:10] = True
    assert (widened(mask, 3) == expected).all()
    assert mask.sum() == 1
    assert (widened(mask, 0) == mask).all()


def test_masks_grow_to_whole_chroma_samples() -> None:
    mask = np.zeros((4, 6), dtype=np.bool_)
    mask[1, 3] = True
    grown = whole_samples(mask)
    assert grown[0:2, 2:4].all()
    assert grown.sum() == 4


@pytest.mark.parametrize("pose", [LOOKING, Still(8, -18, 30), Still(-8, -22, 25)])
def test_the_error_box_holds_what_its_poses_see_and_no_more_than_the_engine_hides(pose: Still) -> None:
    dome = Dome(3, [PLACE], trajectory=pose)
    claimed, true = dome.pose_claimed(0), dome.private_mask(0)
    box = ErrorBox(dome, 0.2, 0.02).mask(claimed, true)
    assert true.any()
    assert (box | true).sum() == box.sum() > true.sum()
    seen = np.zeros_like(box)
    for pan, tilt, zoom in itertools.product((-0.7, 0.0, 0.7), repeat=3):
        inner = TruePose(
            claimed.pan_deg + 0.2 * pan, claimed.tilt_deg + 0.2 * tilt, claimed.hfov_deg * (1 + 0.02 * zoom)
        )
        seen |= dome.private_mask_of(inner)
    assert (seen & ~box).mean() < 0.001
    estimate = {
        "pan_deg": claimed.pan_deg,
        "tilt_deg": claimed.tilt_deg,
        "hfov_deg": claimed.hfov_deg,
        "pan_error_deg": 0.2,
        "tilt_error_deg": 0.2,
        "hfov_min_deg": claimed.hfov_deg * 0.98,
        "hfov_max_deg": claimed.hfov_deg * 1.02,
    }
    rows, columns = np.nonzero(box)
    middles = np.stack([(columns + 0.5) / dome.width, (rows + 0.5) / dome.height], axis=1)
    assert hidden(_core.project_region(PLACE, estimate, dome.width / dome.height), middles).all()


def test_a_dome_that_stands_still_costs_one_box() -> None:
    dome = Dome(3, [PLACE], trajectory=LOOKING)
    box = ErrorBox(dome, 0.2, 0.02)
    first = box.mask(dome.pose_claimed(0), dome.private_mask(0))
    assert box.mask(dome.pose_claimed(7), dome.private_mask(7)) is first
    moved = dome.pose_claimed(0)._replace(pan_deg=3)
    assert (box.mask(moved, dome.private_mask_of(moved)) != first).any()


def test_shares_are_of_sums() -> None:
    areas = Areas(pictures=4, covered=1)
    mask = np.zeros((100, 100), dtype=np.bool_)
    mask[40:60, 40:60] = True
    allowed = widened(mask, 1)
    areas.add(mask, allowed, 4000)
    assert (areas.true, areas.needful) == (400, (20 + 2 * BLOCK_PX) ** 2)
    assert areas.allowed == (22 + 2 * BLOCK_PX + 2) ** 2, "odd at both ends"
    assert areas.as_json() == {
        "pictures": 4,
        "covered_share": 0.25,
        "measured": 1,
        "excess": round(4000 / 52**2 - 1, 4),
        "excess_over_true": 9.0,
        "excess_allowed": round(56**2 / 52**2 - 1, 4),
        "excess_over_allowed": round(4000 / 56**2 - 1, 4),
    }
    assert Areas().as_json()["excess"] == 0.0


def test_a_picture_counts_in_one_situation_and_in_its_view() -> None:
    figures = StillFigures()
    pose = TruePose(20, -18, 30)
    name = "pan 20, tilt -18, field of view 30"
    still = figures.of(pose, still=True, silent=False)
    assert still[0] is figures.still
    assert still[1] is figures.views[name]
    assert figures.of(pose, still=True, silent=False)[1] is still[1]
    assert figures.of(pose, still=False, silent=False) == [figures.moving]
    assert figures.of(pose, still=True, silent=True)[0] is figures.silent
    assert list(figures.as_json()["views"]) == [name]


def test_silence_counts_by_when_a_picture_was_filmed_and_waited() -> None:
    with vigie.Engine(shards=1) as engine, DomeFleet(engine, 1, misplaced=False) as fleet:
        camera = fleet._cameras[0]
        for tick in range(150):
            camera.push("silent telemetry" if 50 <= tick < 100 else "none", tick / 50, 0)
        times = [0.3, 0.39, 0.41, 0.9, 1.5, 1.98, 2.0, 2.5]
        assert [camera.was_silent(t) for t in times] == [False, False, True, True, True, True, False, False]
        assert len(camera._silences) == 1
