"""Which points make a polygon: the core's table, and polygons at random."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vigie.policy.polygons import polygon_problem

TABLE = json.loads((Path(__file__).parents[2] / "contract" / "policy_cases.json").read_text(encoding="utf-8"))


def _polygons() -> list[tuple[str, Any, str | None, str]]:
    """The regions of the core's table that are wrong in a point, or right: name, region, where below points, says."""
    found = []
    for case in TABLE["cases"]:
        for pointer, value in case.get("set", {}).items():
            if not pointer.endswith("/masks") or not isinstance(value, dict) or not value.get("regions"):
                continue
            at = f"{pointer}/regions/0/points"
            where = case.get("where", "")
            if case["ok"] or where.startswith(at):
                found.append((case["name"], value["regions"][0], where.removeprefix(at), case.get("says", "")))
    return [item for item in found if "two numbers" not in item[3] and "missing" not in item[3]]


@pytest.mark.parametrize(("name", "region", "where", "says"), _polygons(), ids=[item[0] for item in _polygons()])
def test_the_core_and_the_files_say_the_same(name: str, region: Any, where: str, says: str) -> None:
    problem = polygon_problem(region["points"], region.get("space", "picture"))
    if not says:
        assert problem is None
        return
    assert problem is not None
    assert says.split("found 257 elements; ")[-1] in problem.what
    assert problem.point == (int(where[1:]) if where else None)


@st.composite
def stars(draw: st.DrawFn) -> list[list[float]]:
    """Points around a centre in the order of their angles: simple, whatever their distances."""
    count = draw(st.integers(4, 40))
    points = []
    for index in range(count):
        angle = 2 * math.pi * (index + draw(st.floats(0.1, 0.9))) / count
        away = draw(st.floats(0.05, 0.49))
        points.append([0.5 + away * math.cos(angle), 0.5 + away * math.sin(angle)])
    return points


@settings(deadline=None)
@given(stars(), st.booleans(), st.integers(0, 39))
def test_stars_are_right_in_either_direction_from_any_point_on(
    points: list[list[float]], backwards: bool, first: int
) -> None:
    first %= len(points)
    points = points[first:] + points[:first]
    assert polygon_problem(points[::-1] if backwards else points, "picture") is None


@settings(deadline=None)
@given(st.integers(4, 40), st.integers(0, 39), st.floats(0.1, 0.5))
def test_two_points_swapped_cross_and_are_named(count: int, swapped: int, radius: float) -> None:
    around = [2 * math.pi * index / count for index in range(count)]
    points = [[0.5 + radius * math.cos(angle), 0.5 + radius * math.sin(angle)] for angle in around]
    one, other = sorted((swapped % count, (swapped + 1) % count))
    points[one], points[other] = points[other], points[one]
    problem = polygon_problem(points, "picture")
    assert problem is not None
    assert "crosses or touches" in problem.what
    # The two edges that cross are those on both sides of the swapped pair: each has one of the two as an end.
    assert f"point {one} (" in problem.what
    assert f"point {other} (" in problem.what
    assert problem.point is not None


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("space", ["picture", "world"])
def test_what_is_no_number_is_outside(bad: float, space: Any) -> None:
    problem = polygon_problem([[0, 0], [1, 0], [1, bad]], space)
    assert problem is not None
    assert problem.point == 2
