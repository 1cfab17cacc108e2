"""What is taken over from before changes nothing: checks and snapshots are those that are made from nothing.

Random edits of random cities, right and wrong ones, in any order; the clock goes on meanwhile.
"""

import os
from datetime import datetime
from random import Random
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from python.policy import random_city
from vigie.policy import Compiled, ConfigurationError, Town, compile_snapshot
from vigie.policy.checks import assemble
from vigie.policy.declared import Declared
from vigie.policy.fields import DeclaredObject
from vigie.policy.objects import KINDS
from vigie.policy.people_objects import Agent
from vigie.policy.rights import CHAIN_NS
from vigie.policy.windows import FOREVER, SECOND, ns_of
from vigie.policy.yaml_marks import Document

EXAMPLES = int(os.environ.get("VIGIE_MODEL_EXAMPLES", "150"))
pytestmark = pytest.mark.timeout(max(300, EXAMPLES // 4))
SERVER = {"kind": "Server", "name": "here", "spec": {"rtsp": [{"listen": "127.0.0.1:8554"}]}}
START = 1_774_000_000 * SECOND  # March 2026
Objects = dict[tuple[str, str], Declared[Any]]


FIELDS: dict[str, list[dict[str, list[Any]]]] = {
    "Camera": [
        {"title": ["a", "b", "c"]},
        {"privacy": ["masked", "withheld", "clear"], "privacy_reason": ["the square alone"]},
        {"ticketing": [True, False]},
        {"commune": ["57463", "57672", "97411"]},
        {"owner": ["ville-a", "ville-b", "csu"]},
        {"operated_by": ["ville-a", "csu", "ville-b"]},
        {"regime": ["street", "building"]},
    ],
    "Organisation": [
        {"communes": [["57463"], ["57672"], ["57463", "57672"]]},
        {"parent": [None, "csu", "police", "ville-a"]},
        {"type": ["municipality", "police", "landlord"]},
    ],
    "MaskSet": [{"version": ["police", "school"]}, {"camera": ["c1", "c2"]}, {"removal_reason": ["agreed", "and so"]}],
    "Convention": [{"trigger": ["standing", "opening"]}, {"windows": [["24/7"], ["00:00-12:00"]]}],
}


def declared(item: DeclaredObject) -> Declared[Any]:
    secrets = {("spec", "password"): "x"} if isinstance(item, Agent) and item.spec.password else {}
    return Declared(item, Document("city.yaml", 1, {"kind": item.kind, "name": item.name}), secrets)


def some_of(seed: int) -> list[DeclaredObject]:
    """The objects of a city, with mask sets of cameras' own too."""
    objects, _ = random_city.city(seed)
    r = Random(seed)
    for camera in random_city.CAMERAS:
        if r.random() < 0.5:
            region = {"name": "r", "points": [[0.1, 0.1], [round(0.2 + r.random() / 2, 1), 0.1], [0.1, 0.2]]}
            spec = {"camera": camera, "reason": "r", "regions": [region], "removal_reason": "agreed"}
            if r.random() < 0.2:
                spec |= {"version": "school"}
            name = r.choice([f"{camera}-own", f"{camera}-own", f"{camera}-more"])
            objects.append(KINDS["MaskSet"].model_validate({"kind": "MaskSet", "name": name, "spec": spec}))
    return [KINDS["Server"].model_validate(SERVER), *map(_in_departments, objects)]


def _in_departments(item: DeclaredObject) -> DeclaredObject:
    """With departments that agents of a municipality may have."""
    if isinstance(item, Agent) and item.spec.habilitation is not None:
        held = item.spec.habilitation.model_copy(update={"departments": ["57", "974"]})
        return item.model_copy(update={"spec": item.spec.model_copy(update={"habilitation": held})})
    return item


def edited(r: Random, objects: Objects) -> Objects:
    """After a few changes: other fields, objects of another city, objects that go, those that only look changed."""
    objects = dict(objects)
    for _ in range(r.choice([1, 1, 1, 2, 4])):
        key = r.choice(list(objects)) if objects else ("", "")
        if r.random() < 0.5 and key[0] in FIELDS:
            old = objects[key].object
            # As little as one field: what does not hang on the others is left as it was.
            fields = r.choice(FIELDS[key[0]])
            chosen = {name: r.choice(values) for name, values in fields.items()}
            item = old.model_copy(update={"spec": old.spec.model_copy(update=chosen)})
            objects[key] = declared(KINDS[key[0]].model_validate(item.model_dump(by_alias=True, exclude_unset=True)))
        elif r.random() < 0.2 and objects:
            objects.pop(key)
        else:
            item = r.choice(some_of(r.randrange(2**32)))
            objects[item.kind, item.name] = declared(item)
    return objects


def checked(objects: Objects, before: Town | None) -> tuple[Town | None, set[str]]:
    try:
        return assemble(list(objects.values()), [], before), set()
    except ConfigurationError as error:
        return None, {str(problem) for problem in error.problems}


def in_order(snapshot: dict[str, Any]) -> dict[str, Any]:
    """Rights have no order, and agents share them by name; they are compared by themselves."""
    agents = [{name: agent[name] for name in ("name", "password")} for agent in snapshot["agents"]]
    return {**snapshot, "agents": agents}


def ends_of(snapshot: dict[str, Any]) -> dict[str, dict[str, int]]:
    """What each agent may see, and until when."""
    found: dict[str, dict[str, int]] = {}
    for agent in snapshot["agents"]:
        if "like" in agent:
            own = dict(found[f"rights of {agent['like']}"])
        elif agent["cameras"] == "*":
            own = {"*": FOREVER}
        else:
            own = dict.fromkeys(agent["cameras"], FOREVER)
            for group in agent.get("ending", []):
                own |= dict.fromkeys(group["cameras"], instant(group["until"]))
        found[f"rights of {agent['name']}"] = own
        until = instant(agent["until"]) if "until" in agent else FOREVER
        found[agent["name"]] = {camera: min(end, until) for camera, end in own.items()}
    return found


def instant(text: str) -> int:
    return ns_of(datetime.fromisoformat(text))


def compare_ends(found: dict[str, Any], anew: dict[str, Any], at: int, goes_on: bool) -> None:
    """Those of grants that were joined at an earlier instant may be earlier."""
    ones, others = ends_of(found), ends_of(anew)
    for agent, own in ones.items():
        assert own.keys() == others[agent].keys()
        for camera, end in own.items():
            if end != others[agent][camera]:
                assert goes_on  # where the clock stands still they are the same
                assert at < end < min(others[agent][camera], at + CHAIN_NS), (agent, camera)


def mended(objects: Objects) -> Objects:
    """Without the objects that are wrong."""
    for _ in range(20):
        _, said = checked(objects, None)
        heads = {tuple(text.split(" ")[1:3]) for text in said}
        if not heads & objects.keys():
            break
        objects = {key: item for key, item in objects.items() if key not in heads}
    return objects


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_edits_are_checked_and_compiled_as_from_nothing(seed: int) -> None:
    r = Random(seed)
    objects: Objects = {}
    town: Town | None = None
    compiled: Compiled | None = None
    at, goes_on = START + r.randrange(200 * 86400) * SECOND, r.random() < 0.5
    for revision in range(1, 9):
        wanted = {(i.kind, i.name): declared(i) for i in some_of(seed)} if not objects else edited(r, objects)
        wanted = mended(wanted) if not objects or r.random() < 0.8 else wanted
        anew, wrong = checked(wanted, None)
        after, said = checked(wanted, town)
        assert said == wrong
        event("refused" if wrong else "taken")
        if anew is None or after is None:
            if not objects:
                return
            continue
        at += r.choice([0, 0, 60, 3600, 86400 * 3]) * SECOND if goes_on else 0
        plain = None if compiled is None else Compiled(compiled.snapshot, None)
        assert list(after.by_key) == list(anew.by_key)
        try:
            expected = compile_snapshot(anew, revision, None, {}, plain, at)
        except ConfigurationError:  # the server is gone
            assert not anew.servers
            continue
        compiled = compile_snapshot(after, revision, None, {}, compiled, at)
        compare_ends(compiled.snapshot, expected.snapshot, at, goes_on)
        assert in_order(compiled.snapshot) == in_order(expected.snapshot)
        assert compiled.next_change_ns == expected.next_change_ns
        for index, camera in enumerate(compiled.snapshot["cameras"]):
            for pointer in (f"/cameras/{index}/name", f"/cameras/{index}/streams/0/url", f"/cameras/{index}/masks"):
                where, there = compiled.problem(pointer, "x"), expected.problem(pointer, "x")
                assert where == there, (camera["name"], pointer)
        town, objects = after, wanted
