"""Where objects decide who sees what: what the service lets an agent know, and when that ends."""

from datetime import datetime
from pathlib import Path

import pytest

from vigie.control.in_force import InForce
from vigie.control.parties import ObjectRef, Party, TownRights
from vigie.control.store import Command, Store
from vigie.policy import ConfigurationError, load_town
from vigie.policy.windows import ns_of

from .conftest import LOCAL, SERVER, agent, camera, masks, yaml

HELD = "habilitation: {reference: H-7, from: 2026-01-01, until: 2026-12-31, departments: '*'}"
CITY = [
    SERVER,
    "kind: Organisation\nname: ville\nspec: {type: municipality, communes: ['57463']}\n",
    "kind: Organisation\nname: police\nspec: {type: police}\n",
    camera("hall", "owner: ville, regime: building, privacy: masked, "),
    camera("yard", "owner: ville, regime: building, "),
    camera("free"),
    masks("m", "hall", 0.5),
    f"kind: Agent\nname: lea\nspec: {{organisation: police, roles: [operator], password: x, {HELD}}}\n",
    f"kind: Agent\nname: narrowed\nspec: {{organisation: police, roles: [operator], cameras: '*', {HELD}}}\n",
    agent("guard", password="x"),
    "kind: Authorisation\nname: order\nspec: {number: a, from: 2026-01-01, until: 2030-12-31,"
    " cameras: {owner: ville}, purposes: [inquiry], retention_days: 30}\n",
    "kind: Convention\nname: share\nspec: {from: ville, to: police, cameras: {names: [hall]}, rights: [live],"
    " windows: ['Mo-Fr 07:00-19:00'], from_date: 2026-01-01, purposes: [inquiry], default_purpose: inquiry}\n",
]


def test_a_state_keeps_every_kind(tmp_path: Path) -> None:
    documents = [
        *CITY,
        "kind: Post\nname: wall\nspec: {organisation: police, addresses: [10.2.0.7]}\n",
        "kind: Convention\nname: called\nspec: {from: ville, to: police, cameras: {names: [yard]}, rights: [live],"
        " trigger: opening, max_opening_h: 4, from_date: 2026-01-01, purposes: [inquiry], default_purpose: inquiry}\n",
        "kind: Opening\nname: match\nspec: {conventions: [called], event: match, motive: a fight,"
        " from: '2026-06-01T12:00:00+02:00', until: '2026-06-01T18:00:00+02:00'}\n",
    ]
    with Store(tmp_path / "state", environ={}) as store:
        store.apply(Command(LOCAL), yaml(*documents))
        before = {item.model_dump_json() for item in store.town().objects()}
        assert {"Organisation", "Authorisation", "Convention", "Post", "Opening"} < {
            kind for kind, _ in store.state.objects
        }
        assert store.apply(Command(LOCAL), yaml(*documents)).changes == [], "the same again is no change"
    with Store(tmp_path / "state", environ={}) as again:
        assert {item.model_dump_json() for item in again.town().objects()} == before
        with pytest.raises(ConfigurationError, match="ville"):
            again.delete(Command(LOCAL), [("Organisation", "ville")])


class Taking:
    """An engine that takes everything."""

    def apply(self, snapshot: object) -> int:
        return 1


class Clock:
    """Set by the tests."""

    def __init__(self) -> None:
        self.now = datetime.fromisoformat("2026-06-01T12:00:00+02:00")

    @property
    def ns(self) -> int:
        return ns_of(self.now)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def rights(tmp_path: Path, clock: Clock) -> TownRights:
    file = tmp_path / "city.yaml"
    file.write_text("---\n".join(CITY))
    town = load_town([file])
    policy = InForce(Taking(), None, now_ns=lambda: clock.ns)
    policy.put(town, {})
    return TownRights(lambda: town, lambda: clock.now, lambda: policy.decided)


def known(rights: TownRights, name: str) -> set[str]:
    asked = [("Camera", "hall"), ("Camera", "yard"), ("Camera", "free"), ("MaskSet", "m"), ("stream", "hall/main")]
    return {of for kind, of in asked if rights.may_know(Party(name), ObjectRef(kind, of))}


def stills(rights: TownRights, name: str) -> set[str]:
    return {
        of
        for of in ("hall", "yard", "free")
        if rights.may(Party(name), "camera.snapshot", ObjectRef("Camera", of)).allowed
    }


def test_an_agent_knows_what_the_convention_gives_and_nothing_by_its_own_list(rights: TownRights) -> None:
    for name in ("lea", "narrowed"):
        assert known(rights, name) == {"hall", "m", "hall/main"}
        assert stills(rights, name) == {"hall"}
    assert known(rights, "guard") == {"free"}, "what has an owner is not for a list"
    assert known(rights, "nobody") == set()


def test_it_ends_with_the_window_whoever_compiles_anew(rights: TownRights, clock: Clock) -> None:
    clock.now = datetime.fromisoformat("2026-06-01T18:59:59+02:00")
    assert stills(rights, "lea") == {"hall"}
    clock.now = datetime.fromisoformat("2026-06-01T19:00:00+02:00")
    assert stills(rights, "lea") == set()
    assert known(rights, "lea") == set()


def test_before_anything_was_decided_nobody_sees_anything(rights: TownRights, clock: Clock) -> None:
    undecided = TownRights(rights._town, lambda: clock.now)
    assert known(undecided, "lea") == set()
    assert known(undecided, "guard") == set()
