"""The rules against an independent, slow model (`rights_model.py`), over random cities and instants.

`VIGIE_MODEL_EXAMPLES=10000` makes it long.
"""

import os
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from python.policy.random_city import AGENTS, CAMERAS, city
from python.policy.rights_model import Model
from vigie.policy.declared import kinds_of
from vigie.policy.live_rights import LiveRights, Right, live_rights
from vigie.policy.rights import decide
from vigie.policy.world import World

EXAMPLES = int(os.environ.get("VIGIE_MODEL_EXAMPLES", "200"))
SLOW = settings(max_examples=EXAMPLES, deadline=None)
pytestmark = pytest.mark.timeout(max(300, EXAMPLES // 4))
SEEDS = st.integers(0, 2**32 - 1)
# Mostly one of an organisation for which the agent may act.
POSTS: dict[str, list[str | None]] = {
    "bob": [None, None, None, None, None, None, None, "post-police", "post-police", "post-csu"],
    "eve": [None, None, None, None, None, None, None, "post-csu", "post-csu", "post-police"],
}
MARCH_2026 = 1_774_000_000 * 10**9
JANUARY_2027 = 1_798_758_000 * 10**9


@dataclass(frozen=True)
class Case:
    """A city, an instant on one of its bounds or beside it, and what is asked."""

    objects: list[Any]
    approved: frozenset[str]
    bounds: list[int]
    at: int
    asked: list[tuple[str, str, Any, str | None, str | None]]


def case_of(seed: int) -> Case:
    objects, approved = city(seed)
    r = Random(seed + 1)
    bounds = Model(objects).instants(MARCH_2026)
    near = [bound for bound in bounds if bound < JANUARY_2027 or r.random() < 0.1]
    at = (r.choice(near) if near else MARCH_2026) + r.choice([0, 0, -1, 1, 10**9, 37 * 60 * 10**9])
    asked = [
        (
            agent,
            camera,
            r.choice(["live", "live", "ptz", "playback", "export"]),
            r.choice([None, None, None, "inquiry", "inquiry", "public-safety", "ticketing"]),
            r.choice(POSTS.get(agent, [None])),
        )
        for agent in AGENTS
        for camera in CAMERAS
        for _ in range(2)
    ]
    return Case(objects, approved, bounds, at, asked)


@SLOW
@given(SEEDS)
def test_rules_and_model_agree(seed: int) -> None:
    case = case_of(seed)
    at = case.at
    world, model = World.of(case.objects), Model(case.objects, case.approved)
    for agent, camera, action, purpose, post in case.asked:
        if agent not in world.agents or camera not in world.places:
            continue
        fast = decide(world, agent, camera, action, purpose, at, post)
        slow = model.ask(agent, camera, action, purpose, at, post)
        where = (agent, camera, action, purpose, post, at, fast)
        assert fast.allowed == slow.allowed, where
        assert (fast.code == "reserved") == slow.reserved, where
        if not fast.allowed:
            assert fast.until is None
            event(f"refused: {fast.code}")
            continue
        event(f"allowed by {(fast.by or '').split()[0]}, {'endless' if fast.until is None else 'with an end'}")
        assert fast.by in slow.by, where
        assert (fast.version, fast.ptz_rank) == (slow.version, slow.rank), where
        assert (fast.until, fast.shown_until) == (slow.until, slow.shown_until), (where, slow)
        if fast.break_glass:
            assert slow.glass or len(slow.by) > 1, where


@SLOW
@given(SEEDS)
def test_a_right_holds_to_its_end_and_the_snapshot_says_the_same(seed: int) -> None:
    case = case_of(seed)
    world, at, bounds = World.of(case.objects), case.at, case.bounds
    rights = live_rights(world, at)
    for agent in world.agents:
        named = {right.camera: right for right in rights.by_agent[agent].each()}
        for camera in world.places:
            decision = decide(world, agent, camera, "live", None, at)
            right = named.get(camera)
            assert decision.allowed == (right is not None), (agent, camera, decision)
            if right is None:
                continue
            assert (decision.version, decision.until or 2**63 - 1) == (right.version, right.until)
            last = right.until - 1 if decision.until else at + 1000 * 86400 * 10**9
            inside = [bound for bound in bounds if at < bound < right.until][:: max(1, len(bounds) // 8)]
            for later in [*inside, last]:
                then = decide(world, agent, camera, "live", None, later)
                assert (then.allowed, then.version) == (True, decision.version), (agent, camera, at, later, then)
    # Nothing changes before it is said to.
    change = rights.next_change
    if change is not None:
        assert change > at
        before = live_rights(world, change - 1)
        for agent, held in rights.by_agent.items():
            assert {r.published for r in held.rights} == {r.published for r in before.by_agent[agent].rights}


@SLOW
@given(SEEDS)
def test_a_changed_world_is_the_world_made_anew(seed: int) -> None:
    case = case_of(seed)
    at, objects = case.at, case.objects
    full = World.of(objects)
    r = Random(seed + 2)
    # Mostly kinds that leave the index of cameras as it is.
    dull = [] if r.random() < 0.3 else ["Camera", "MaskSet", "Organisation", "Authorisation", "WatchOrder"]
    part = [item for item in objects if item.kind in dull or r.random() < 0.7]
    before = live_rights(World.of(part), at)
    world = before.world.following(kinds_of(objects))
    kept, anew = live_rights(world, at, before), live_rights(full, at)
    assert in_order(kept) == in_order(anew)
    assert kept.next_change == anew.next_change
    less = live_rights(world.following(kinds_of(part)), at, kept)
    assert in_order(less) == in_order(before)


def in_order(rights: LiveRights) -> dict[str, list[Right]]:
    return {
        agent: sorted(held.each(), key=lambda right: right.camera) for agent, held in sorted(rights.by_agent.items())
    }
