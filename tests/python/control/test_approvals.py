"""A second person's yes over the wire: what waits, who may give it, that nobody gives it to himself, what follows."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from vigie.control import desk_ops, ops
from vigie.control.client import Client
from vigie.control.desk_database import Waits
from vigie.errors import ControlRefusedError, NotFoundError
from vigie.policy.changes import APPROVAL_NS
from vigie.policy.windows import SECOND

from .conftest import SERVER, camera, masks
from .served import Served
from .test_incidents import person
from .test_rights_on_the_wire import connect, keys_of

CITY = [
    SERVER,
    "kind: Organisation\nname: ville\nspec: {type: municipality, communes: ['57463']}\n",
    "kind: Organisation\nname: centre\nspec: {type: shared-centre}\n",
    "kind: Organisation\nname: far\nspec: {type: municipality, approvals_by: centre}\n",
    camera("hall", "owner: ville, regime: building, privacy: masked, "),
    camera("away", "owner: far, regime: building, privacy: masked, "),
    masks("m", "hall", 0.5),
    masks("n", "away", 0.5),
    person("adm", "ville", "administrator"),
    person("sup", "ville", "supervisor"),
    person("ann", "ville"),
    person("far-adm", "far", "administrator"),
    person("far-sup", "far", "supervisor"),
    person("second", "centre", "supervisor"),
]
LESS = masks("m", "hall", 0.4, "removal_reason: agreed, ")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    service = Served(tmp_path / "s", tcp=True)
    with Client(service.endpoint, timeout_s=20) as local:
        local.apply(yaml=[ops.YamlSource(text="---\n".join(CITY))])
    yield service
    service.close()


@pytest.fixture
def people(served: Served) -> Iterator[dict[str, Client]]:
    keys = {name: keys_of(served, name, administrator=name in ("adm", "far-adm")) for name in NAMES}
    opened = {name: connect(served, key) for name, key in keys.items()}
    yield opened
    for client in opened.values():
        client.close()


NAMES = ("adm", "sup", "ann", "far-adm", "far-sup", "second")


def apply(client: Client, *documents: str, **options: bool) -> ops.Applied:
    return client.apply(yaml=[ops.YamlSource(text="---\n".join(documents))], **options)


def yes(one: desk_ops.Waiting, reason: str = "the flats are gone") -> desk_ops.ApprovalGive:
    return desk_ops.ApprovalGive(fingerprint=one.fingerprint, kind=one.kind, name=one.name, reason=reason)


def test_a_change_waits_is_approved_and_goes(served: Served, people: dict[str, Client]) -> None:
    assert people["sup"].waiting() == []
    with pytest.raises(ControlRefusedError, match="right would be an Approval"):
        apply(people["adm"], LESS)
    (mine,) = people["sup"].waiting()
    assert (mine.kind, mine.name, mine.change) == ("MaskSet", "m", "hide-less")
    assert (mine.requested_by, mine.of, mine.mine) == ("adm", "ville", True)
    assert any("spec.regions[0].points" in line for line in mine.fields), mine.fields
    (asked,) = people["adm"].waiting()
    assert not asked.mine
    given = people["sup"].approve(yes(mine))
    assert (len(given.names), given.again, given.rev) == (1, False, 2)
    spec = served.store.state.objects["Approval", given.names[0]].body["spec"]
    assert (spec["given_by"], spec["requested_by"], spec["fingerprint"]) == ("sup", "adm", mine.fingerprint)
    (line,) = [line for line in served.journal.lines if line.op == "approval.give"]
    assert [(record.kind, record.waits, record.given) for record in line.records] == [("approval", "maskset/m", True)]
    assert people["sup"].waiting() == [], "it has its yes"
    assert apply(people["adm"], LESS).rev == 3
    assert people["adm"].waiting() == []


def test_nobody_gives_it_to_himself_nor_without_the_role(served: Served, people: dict[str, Client]) -> None:
    with pytest.raises(ControlRefusedError):
        apply(people["adm"], LESS)
    (one,) = people["adm"].waiting()
    with pytest.raises(ControlRefusedError, match=r"adm has asked for it himself; right would be .* of ville: sup"):
        people["adm"].approve(yes(one))
    for name in ("ann", "far-sup", "second"):
        assert people[name].waiting() == []
        with pytest.raises(NotFoundError):
            people[name].approve(yes(one))
    with Client(served.endpoint, timeout_s=10) as local:
        assert [item.mine for item in local.waiting()] == [False]
        with pytest.raises(ControlRefusedError, match="local cannot give it"):
            local.approve(yes(one))
    assert not [kind for kind, _ in served.store.state.objects if kind == "Approval"]
    assert [line.code for line in served.journal.lines if line.op == "approval.give"] == [907, 102, 102, 102, 907]


def test_it_may_have_to_come_from_elsewhere(people: dict[str, Client]) -> None:
    less = masks("n", "away", 0.4, "removal_reason: agreed, ")
    with pytest.raises(ControlRefusedError):
        apply(people["far-adm"], less)
    assert people["far-sup"].waiting() == [], "not his to give"
    (one,) = people["second"].waiting()
    assert one.of == "centre"
    people["second"].approve(yes(one))
    assert apply(people["far-adm"], less).total == 1


def test_a_yes_is_to_one_change_alone(people: dict[str, Client]) -> None:
    with pytest.raises(ControlRefusedError):
        apply(people["adm"], LESS)
    (one,) = people["sup"].waiting()
    people["sup"].approve(yes(one))
    with pytest.raises(ControlRefusedError):
        apply(people["adm"], masks("m", "hall", 0.3, "removal_reason: agreed, "))
    (other,) = people["sup"].waiting()
    assert other.fingerprint != one.fingerprint
    with pytest.raises(NotFoundError, match="nothing waits"):
        people["sup"].approve(yes(other.model_copy(update={"fingerprint": "0" * 64})))


def test_what_does_not_wait(served: Served, people: dict[str, Client]) -> None:
    with pytest.raises(ControlRefusedError):
        apply(people["adm"], LESS, dry_run=True)
    assert people["sup"].waiting() == [], "a dry run asks nobody"
    with pytest.raises(ControlRefusedError):
        apply(people["adm"], LESS, camera("away", "owner: far, regime: building, privacy: masked, number: 3, "))
    assert people["sup"].waiting() == [], "a yes alone would not help"
    database = served.service._handlers.desk._database
    long_ago = served.store._now_ns() - APPROVAL_NS - SECOND
    old = Waits("1" * 64, "MaskSet", "m", "hide-less", "adm", "ville", "x", long_ago)
    database.keep_waiting([old])
    assert people["sup"].waiting() == []
    assert database.waiting() == [], "and is forgotten"


def test_what_waits_outlives_a_restart(tmp_path: Path) -> None:
    served = Served(tmp_path / "s", tcp=True)
    with Client(served.endpoint, timeout_s=20) as local:
        apply(local, *CITY)
    with connect(served, keys_of(served, "adm", administrator=True)) as adm, pytest.raises(ControlRefusedError):
        adm.delete([("MaskSet", "m")])
    key = keys_of(served, "sup")
    served.close()
    again = Served(tmp_path / "s", tcp=True)
    with connect(again, key) as sup:
        (one,) = sup.waiting()
        assert sup.approve(yes(one)).names
        again.service._done.clear()
    again.close()
