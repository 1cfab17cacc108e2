"""What the embedding API costs a host: units in and out, leases, figures, applies.

    .venv/bin/python -m pytest benchmarks/test_embedding.py --benchmark-only

Each benchmark asserts what it did. Compare figures of one run only.
"""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import vigie

UNIT_BYTES = 20_000
UNITS = 200


def snapshot(revision: int, cameras: int) -> dict[str, Any]:
    """A policy with so many pushed cameras that may be seen."""
    return {
        "revision": revision,
        "cameras": [
            {
                "name": f"cam{number:05d}",
                "privacy": "clear",
                "privacy_reason": "a benchmark",
                "streams": [{"name": "main", "kind": "push"}],
            }
            for number in range(cameras)
        ],
    }


@pytest.fixture
def engine() -> Iterator[vigie.Engine]:
    """An engine with one pushed camera."""
    with vigie.Engine() as made:
        made.apply(snapshot(1, 1))
        yield made


@pytest.fixture(scope="module")
def unit() -> bytes:
    """One H.264 keyframe of the size of a 4 Mbit/s camera's picture, without start codes inside."""
    sets = bytes.fromhex("00000001 6742c00ada083640 00000001 68cb83cb20 00000001 658884")
    return sets + np.random.default_rng(1).integers(1, 255, UNIT_BYTES - len(sets), dtype=np.uint8).tobytes()


def test_push_and_take(benchmark: Any, engine: vigie.Engine, unit: bytes) -> None:
    """Two hundred units through the engine, from `push_access_unit` to a released lease."""

    def run() -> int:
        taken = 0
        with engine.subscribe("cam00000", start="next-keyframe") as units:
            for _ in range(UNITS):
                engine.push_access_unit("cam00000", unit, codec="H264")
                got = units.next(5)
                assert got is not None
                with got:
                    taken += len(memoryview(got))
        return taken

    assert benchmark(run) == UNITS * len(unit)


def test_views_are_free(benchmark: Any, engine: vigie.Engine, unit: bytes) -> None:
    """A numpy view of a unit: no copy, whatever its size."""
    engine.push_access_unit("cam00000", unit, codec="H264")
    with engine.subscribe("cam00000") as units:
        taken = units.next(5)
    assert taken is not None
    assert benchmark(lambda: np.frombuffer(taken, dtype=np.uint8).size) == len(unit)


def test_stats_of_500_cameras(benchmark: Any, engine: vigie.Engine) -> None:
    """All figures of five hundred cameras as Python objects."""
    engine.apply(snapshot(2, 500))
    assert len(benchmark(engine.stats)["cameras"]) == 500


def test_apply_one_change_among_5000(benchmark: Any, engine: vigie.Engine) -> None:
    """One camera's reason changes among five thousand: parsed, compared, put in force."""
    revision = 2
    state = snapshot(revision, 5000)
    engine.apply(state)

    def run() -> int:
        nonlocal revision
        revision += 1
        state["revision"] = revision
        state["cameras"][revision % 5000]["privacy_reason"] = f"reason {revision}"
        return engine.apply(json.dumps(state))

    assert benchmark(run) == revision
