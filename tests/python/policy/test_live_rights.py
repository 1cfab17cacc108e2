"""What the core is told of agents' rights where objects decide."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jsonschema
import pytest

import vigie.schema
from python.policy.small_city import CITY, HELD, NOON, PEOPLE, agent, convention, made, ns
from vigie.policy import Compiled, Inventory, Town, compile_snapshot
from vigie.policy.declared import Declared
from vigie.policy.fields import DeclaredObject
from vigie.policy.inventory import OfferedCamera, OfferedStream
from vigie.policy.live_rights import live_rights
from vigie.policy.objects import Camera, Server, Site
from vigie.policy.people_objects import Agent
from vigie.policy.world import World
from vigie.policy.yaml_marks import Document

HERE = made("Server", "here", rtsp=[{"listen": "127.0.0.1:8554"}])
SIGN_IN = {"password": "env:X"}


def town_of(*objects: DeclaredObject) -> Town:
    """A town of objects, as if they had been read; a later one replaces an earlier one of the same name."""
    newest = {(item.kind, item.name): item for item in objects}.values()
    secrets = {("spec", "password"): "s3cret"}
    items = [Declared(item, Document("town.yaml", 1), secrets if isinstance(item, Agent) else {}) for item in newest]

    def of(kind: type[Any]) -> list[Any]:
        return [item for item in items if isinstance(item.object, kind)]

    known = (Server, Camera, Agent, Site)
    rules = [item for item in items if not isinstance(item.object, known)]
    return Town(of(Server), of(Camera), of(Agent), (), of(Site), (), rules)


LEA = agent("lea", "station", habilitation=HELD | {"departments": "*"}, **SIGN_IN)
TOWN = town_of(HERE, *CITY, LEA)


def entry(compiled: Compiled, name: str) -> dict[str, Any]:
    return next(item for item in compiled.snapshot["agents"] if item["name"] == name)


def test_rights_and_their_end_are_in_the_snapshot() -> None:
    compiled = compile_snapshot(TOWN, 1, at=ns(NOON))
    jsonschema.Draft202012Validator(vigie.schema.policy_snapshot()).validate(compiled.snapshot)
    assert entry(compiled, "lea") == {
        "name": "lea",
        "password": "s3cret",
        "cameras": [],
        "ending": [{"until": "2026-06-01T17:00:00.000000Z", "cameras": ["a-street", "a-ticket", "a-hall"]}],
        "until": "2027-12-31T23:00:00.000000Z",
    }
    assert compiled.next_change_ns == ns("2026-06-01T19:00:00+02:00")
    # Who has no password does not sign in to the engine.
    assert [item["name"] for item in compiled.snapshot["agents"]] == ["lea"]


def test_at_the_next_change_the_rights_are_others() -> None:
    noon = compile_snapshot(TOWN, 1, at=ns(NOON))
    evening = compile_snapshot(TOWN, 2, previous=noon, at=noon.next_change_ns)
    assert entry(evening, "lea") == {"name": "lea", "password": "s3cret", "cameras": []}
    assert evening.next_change_ns == ns("2026-06-02T07:00:00+02:00")
    morning = compile_snapshot(TOWN, 3, previous=evening, at=evening.next_change_ns)
    assert len(entry(morning, "lea")["ending"][0]["cameras"]) == 3


def test_without_an_instant_nobody_has_a_right() -> None:
    assert entry(compile_snapshot(TOWN, 1), "lea") == {"name": "lea", "password": "s3cret", "cameras": []}


def test_every_camera_has_its_own_end() -> None:
    hall = convention("hall", cameras={"regime": "building"}, windows=["24/7"])
    street = convention(cameras={"regime": "street"}, windows=["Mo 12:00-12:30"])
    compiled = compile_snapshot(town_of(HERE, *CITY, LEA, hall, street), 1, at=ns(NOON))
    assert entry(compiled, "lea")["ending"] == [
        {"until": "2026-06-01T10:30:00.000000Z", "cameras": ["a-street", "a-ticket"]},
        {"until": "2026-12-31T23:00:00.000000Z", "cameras": ["a-hall"]},
    ]
    later = compile_snapshot(town_of(HERE, *CITY, LEA, hall, street), 2, previous=compiled, at=compiled.next_change_ns)
    assert entry(later, "lea")["ending"] == [{"until": "2026-12-31T23:00:00.000000Z", "cameras": ["a-hall"]}]


def test_all_cameras_are_not_all_where_owners_are() -> None:
    everybody = made("Agent", "post", password="x", cameras=["*"])
    compiled = compile_snapshot(town_of(HERE, *CITY, everybody), 1, at=ns(NOON))
    assert entry(compiled, "post")["cameras"] == ["free"]


def test_a_town_without_rules_is_as_it_always_was(load: Callable[..., Town]) -> None:
    server = 'kind: Server\nname: here\nspec: {rtsp: [{listen: "127.0.0.1:8554"}]}\n'
    town = load(server, "kind: Agent\nname: a\nspec: {password: x, cameras: '*', until: '2026-01-01T00:00:00Z'}\n")
    compiled = compile_snapshot(town, 1, at=ns(NOON))
    assert entry(compiled, "a")["cameras"] == "*"
    assert entry(compiled, "a")["until"] == "2026-01-01T00:00:00.000000Z"
    assert compiled.next_change_ns is None


def test_cameras_of_a_site_are_their_owners() -> None:
    site = made(
        "Site",
        "hall",
        url="http://10.0.0.9",
        owner="rail",
        commune="57463",
        regime="building",
        privacy="clear",
        privacy_reason="halls",
    )
    rob = agent("rob", "rail", default_purpose="inquiry", **SIGN_IN)
    offered = Inventory("box", (OfferedCamera("t1", streams=(OfferedStream("main", "rtsp://10.0.0.9/1"),)),))
    town = town_of(HERE, *CITY, site, rob)
    compiled = compile_snapshot(town, 1, inventories={"hall": offered}, at=ns(NOON))
    assert [group["cameras"] for group in entry(compiled, "rob")["ending"]] == [["rail-hall", "hall.t1"]]


@pytest.mark.parametrize("kind", ["Convention", "Agent", "Authorisation", "Organisation"])
def test_what_is_taken_out_is_gone(kind: str) -> None:
    before = live_rights(World.of([*CITY, LEA]), ns(NOON))
    names = {"Convention": "a-police", "Agent": "lea", "Authorisation": "order-a", "Organisation": "police"}
    after = live_rights(before.world.replacing((), [(kind, names[kind])]), ns(NOON), before)
    assert len(before.by_agent["lea"].rights) == 3
    assert "lea" not in after.by_agent or not after.by_agent["lea"].rights


@pytest.mark.parametrize(
    "held",
    [
        None,
        HELD | {"suspended": True},
        HELD | {"until": "2026-06-01T12:00:00+02:00"},
        HELD | {"departments": ["54"]},
    ],
)
def test_l3_l5_nobody_without_a_habilitation_that_holds_here(held: Any) -> None:
    rights = live_rights(World.of([*CITY, agent("lea", "station", habilitation=held)]), ns(NOON))
    assert rights.by_agent["lea"].rights == ()


def test_agents_alike_share_what_was_judged_once() -> None:
    twin = agent("lou", "station", habilitation=HELD | {"departments": "*", "reference": "H-2"})
    rights = live_rights(World.of([*CITY, LEA, twin]), ns(NOON))
    assert rights.by_agent["lea"].shared is rights.by_agent["lou"].shared
    assert len(PEOPLE) + 1 == len(rights.by_agent)


def test_a_camera_that_is_the_same_is_not_made_again_and_one_that_is_not_is() -> None:
    before = compile_snapshot(TOWN, 1, at=ns(NOON))
    renamed = town_of(HERE, *CITY, LEA, made("Camera", "free", streams={"main": {"url": "push:"}}, title="new"))
    again = compile_snapshot(replace(renamed, cameras=[*TOWN.cameras[:-1], renamed.cameras[-1]]), 2, previous=before)
    assert [old is new for old, new in zip(before.snapshot["cameras"], again.snapshot["cameras"], strict=True)] == [
        *[True] * 6,
        False,
    ]
    assert again.snapshot["cameras"][-1]["title"] == "new"
