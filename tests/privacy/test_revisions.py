"""At every change of masks nothing of before is read; at every beginning the first pictures are masked."""

from random import Random

import pytest

from vigie.bench.leak.revisions import policy, run_restarts, run_revisions
from vigie.bench.leak.scene import PRIVATE_PLACES


@pytest.mark.slow
def test_nothing_of_an_older_revision_comes_after_the_acknowledgement() -> None:
    """Random changes; TCP viewers, one stalled, and a host. 10 000: `vigie bench leak --revisions 10000`."""
    result = run_revisions(1000, seed=5)
    assert sum(result.older.values()) == 0, result.as_json()
    assert result.not_idr == 0
    assert result.unmarked == 0
    assert result.good, result.as_json()
    assert result.resets > 0, "the stalled viewer was never cut: what it would have read later was not looked at"


def test_the_first_pictures_after_every_beginning_are_masked() -> None:
    """M-9. 100 restarts: `vigie bench leak --restarts 100`."""
    result = run_restarts(9, seed=2, pictures=50)
    assert result.good, result.as_json()
    assert result.pictures >= 9 * 50


def test_a_policy_hides_every_place_in_every_revision() -> None:
    """What the two tests above rest on."""
    made = policy(3, Random(1), stream={"name": "main", "kind": "push"})
    regions = made["cameras"][0]["masks"]["regions"]
    for points, region in zip(PRIVATE_PLACES, regions, strict=False):
        assert min(x for x, _ in region["points"]) <= min(x for x, _ in points)
        assert max(y for _, y in region["points"]) >= max(y for _, y in points)
