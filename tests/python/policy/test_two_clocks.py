"""While two instants are possible: what holds at both, and no right lasts longer than without the step."""

import random
from datetime import datetime
from pathlib import Path

import pytest

from python.policy.test_rights_model import case_of
from vigie.policy import compile_snapshot, load_town
from vigie.policy.live_rights import LiveRights, live_rights
from vigie.policy.two_clocks import both
from vigie.policy.windows import FOREVER, ns_of
from vigie.policy.world import World

HOUR = 3600 * 10**9


def ends(rights: LiveRights, agent: str) -> dict[str, int]:
    return {right.published: right.until for right in rights.by_agent[agent].each()}


def test_it_is_the_smaller_of_both() -> None:
    kinds = {"kept": 0, "lost": 0, "shorter": 0}
    for seed in range(300):
        case, rng = case_of(seed), random.Random(seed)
        world, at = World.of(case.objects), case.at
        ahead = rng.choice([-1, 1]) * rng.choice([1, 3600, 40_000, 10_000_000]) * 10**9
        shown, other = live_rights(world, at), live_rights(world, at + ahead)
        found = both(shown, other)
        for agent in shown.by_agent:
            here, there, joint = ends(shown, agent), ends(other, agent), ends(found, agent)
            assert set(joint) == set(here) & set(there)
            for name, end in joint.items():
                # Time until then, by either clock.
                left = min(here[name] - at if here[name] != FOREVER else FOREVER, there[name] - at - ahead)
                assert min(end - at, FOREVER - at - abs(ahead)) == min(left, FOREVER - at - abs(ahead))
                kinds["shorter" if end < here[name] else "kept"] += 1
            kinds["lost"] += len(here) - len(joint)
        changes = [shown.next_change, None if other.next_change is None else other.next_change - ahead]
        assert found.next_change == min((change for change in changes if change is not None), default=None)
    assert all(count > 20 for count in kinds.values()), kinds


TOWN = """
kind: Server
name: here
spec: {rtsp: [{listen: "127.0.0.1:0"}]}
---
kind: Camera
name: a
spec: {streams: {main: {url: "push:"}}}
---
kind: Agent
name: lea
spec: {password: x, cameras: [a], until: "2026-06-01T20:00:00+02:00"}
"""


@pytest.mark.parametrize(("step_h", "until"), [(0, "20:00"), (-1, "19:00"), (1, "20:00")])
def test_an_end_that_is_listed_comes_when_it_would_have_come(tmp_path: Path, step_h: int, until: str) -> None:
    """The clock was at 18:00; the core enforces the end by the clock as it is now."""
    file = tmp_path / "town.yaml"
    file.write_text(TOWN)
    expected = ns_of(datetime.fromisoformat("2026-06-01T18:00:00+02:00"))
    also = expected if step_h else None
    compiled = compile_snapshot(load_town([file]), 1, at=expected + step_h * HOUR, also=also)
    end = datetime.fromisoformat(compiled.snapshot["agents"][0]["until"])
    assert end == datetime.fromisoformat(f"2026-06-01T{until}:00+02:00")
