"""Whether points make a polygon that can be filled, and which point is wrong if not.

The core checks the same (`src/engine/policy/polygon.cc`); here it is said with the file's line. Pure.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

Point = Sequence[float]
Space = Literal["picture", "world"]
MAX_POINTS = 256
_SAME = 1e-12  # two coordinates apart by less mean the same place


class PolygonProblem(NamedTuple):
    """What is wrong, and the index of the point; None when it is no single point's."""

    point: int | None
    what: str


def polygon_problem(points: Sequence[Point], space: Space) -> PolygonProblem | None:
    """What keeps points [x, y] from being a simple polygon inside its space, or None.

    Points on the line between their neighbours are fine, and so is either direction.
    """
    if len(points) < 3:
        return PolygonProblem(None, f"found {len(points)} points; right would be at least 3")
    if len(points) > MAX_POINTS:
        return PolygonProblem(None, f"found {len(points)} points; right would be at most {MAX_POINTS}")
    if problem := _problem_of_points(points, space):
        return problem
    if _on_one_line(points):
        return PolygonProblem(None, "all on one line, which hides nothing; right would be a polygon")
    return _problem_of_edges(points)


def _problem_of_points(points: Sequence[Point], space: Space) -> PolygonProblem | None:
    for index, (x, y) in enumerate(points):
        # Not a number is not inside either.
        if space == "picture" and not (0 <= x <= 1 and 0 <= y <= 1):
            what = f"found ({x:g}, {y:g}), outside the picture; right would be x and y from 0 to 1"
            return PolygonProblem(index, what)
        if space == "world" and not (-360 <= x <= 360 and -90 <= y <= 90):
            right = "pan from -360 to 360 and tilt from -90 to 90"
            return PolygonProblem(index, f"found ({x:g}, {y:g}), which is no direction; right would be {right}")
    for index, (before, point) in enumerate(pairwise(points), 1):
        if _same(before, point):
            what = f"the same place as {_named(points, index - 1)}; right would be to leave one of them out"
            return PolygonProblem(index, what)
    if _same(points[0], points[-1]):
        right = "to leave it out, as the last edge leads back by itself"
        return PolygonProblem(len(points) - 1, f"the same place as {_named(points, 0)}; right would be {right}")
    return None


def _problem_of_edges(points: Sequence[Point]) -> PolygonProblem | None:
    count = len(points)
    for i in range(count):
        a, b, c = points[i], points[(i + 1) % count], points[(i + 2) % count]
        if _side(a, b, c) == 0 and (b[0] - a[0]) * (c[0] - b[0]) + (b[1] - a[1]) * (c[1] - b[1]) < 0:
            edges = f"{_edge(points, (i + 1) % count)} runs back over {_edge(points, i)}"
            return PolygonProblem((i + 1) % count, f"{edges}; right would be to leave one out")
        for j in range(i + 2, count):
            if i == 0 and j == count - 1:
                continue  # neighbours, over the end of the list
            if _meet(a, b, points[j], points[(j + 1) % count]):
                right = "points in the order in which they stand around the place"
                edges = f"{_edge(points, j)} crosses or touches {_edge(points, i)}"
                return PolygonProblem(j, f"{edges}; right would be {right}")
    return None


def _named(points: Sequence[Point], index: int) -> str:
    x, y = points[index]
    return f"point {index} ({x:g}, {y:g})"


def _edge(points: Sequence[Point], edge: int) -> str:
    return f"the edge from {_named(points, edge)} to {_named(points, (edge + 1) % len(points))}"


def _same(a: Point, b: Point) -> bool:
    return abs(a[0] - b[0]) < _SAME and abs(a[1] - b[1]) < _SAME


def _side(a: Point, b: Point, c: Point) -> float:
    """Twice the area of the triangle; its sign says on which side of a -> b the point c is."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _within_box(a: Point, b: Point, p: Point) -> bool:
    return min(a[0], b[0]) <= p[0] <= max(a[0], b[0]) and min(a[1], b[1]) <= p[1] <= max(a[1], b[1])


def _meet(a: Point, b: Point, c: Point, d: Point) -> bool:
    """Whether two edges without a common point of the list have a place in common."""
    for axis in (0, 1):
        if max(a[axis], b[axis]) < min(c[axis], d[axis]) or max(c[axis], d[axis]) < min(a[axis], b[axis]):
            return False
    c_side, d_side, a_side, b_side = _side(a, b, c), _side(a, b, d), _side(c, d, a), _side(c, d, b)
    if (c_side < 0 < d_side or d_side < 0 < c_side) and (a_side < 0 < b_side or b_side < 0 < a_side):
        return True
    return (
        (c_side == 0 and _within_box(a, b, c))
        or (d_side == 0 and _within_box(a, b, d))
        or (a_side == 0 and _within_box(c, d, a))
        or (b_side == 0 and _within_box(c, d, b))
    )


def _on_one_line(points: Sequence[Point]) -> bool:
    first = points[0]
    far = max(points, key=lambda point: (point[0] - first[0]) ** 2 + (point[1] - first[1]) ** 2)
    return all(abs(_side(first, far, point)) < _SAME for point in points)
