"""Incidents over the wire: who may bookmark what, whom a Post shows it to, who hears of it, and what is journaled."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from vigie.control import desk_ops, ops
from vigie.control.client import Client
from vigie.control.session import Command
from vigie.control.wire import Reply
from vigie.errors import ControlMalformedError, ControlRefusedError, InvalidArgumentError, NotFoundError

from .conftest import SERVER, agent, camera
from .served import Served
from .test_rights_on_the_wire import connect, keys_of

YEAR = datetime.now(UTC).year
TERM = f"from: {YEAR - 1}-01-01, until: {YEAR + 1}-12-31"
HELD = f"habilitation: {{reference: H-7, {TERM}, departments: ['57']}}"


def person(name: str, organisation: str, role: str = "operator") -> str:
    spec = f"organisation: {organisation}, roles: [{role}], password: env:POST, default_purpose: inquiry, {HELD}"
    return f"kind: Agent\nname: {name}\nspec: {{{spec}}}\n"


CITY = [
    SERVER,
    "kind: Organisation\nname: ville\nspec: {type: police, communes: ['57463']}\n",
    "kind: Organisation\nname: police\nspec: {type: police}\n",
    "kind: Organisation\nname: rail\nspec: {type: police}\n",
    "kind: Post\nname: wall\nspec: {organisation: police, addresses: [127.0.0.1]}\n",
    "kind: Post\nname: quay\nspec: {organisation: rail, addresses: [192.0.2.1]}\n",
    camera("square", "owner: ville, commune: '57463', regime: building, privacy: clear, privacy_reason: x, "),
    camera("hall", "owner: ville, commune: '57463', regime: building, privacy: clear, privacy_reason: x, "),
    camera("track", "owner: rail, regime: building, privacy: clear, privacy_reason: x, "),
    f"kind: Authorisation\nname: order\nspec: {{number: a, {TERM}, cameras: {{regime: building}},"
    " purposes: [inquiry], retention_days: 30}\n",
    "kind: Convention\nname: share\nspec: {from: ville, to: police, cameras: {names: [square]}, rights: [live],"
    " from_date: 2020-01-01, purposes: [inquiry], default_purpose: inquiry}\n",
    person("ann", "ville"),
    person("bob", "ville"),
    person("boss", "ville", "administrator"),
    person("lea", "police"),
    person("tom", "rail"),
]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    service = Served(tmp_path / "s", tcp=True)
    with Client(service.endpoint, timeout_s=20) as local:
        local.apply(yaml=[ops.YamlSource(text="---\n".join(CITY))])
    yield service
    service.close()


def wanted(*cameras: str, **fields: object) -> desk_ops.IncidentOpen:
    return desk_ops.IncidentOpen.model_validate({"cameras": list(cameras), "motive": "a fight", **fields})


def test_it_is_pushed_to_a_post_whose_people_may_see_it(served: Served) -> None:
    with (
        connect(served, keys_of(served, "ann")) as ann,
        connect(served, keys_of(served, "lea")) as lea,
        connect(served, keys_of(served, "tom")) as tom,
    ):
        for one in (lea, tom):
            one.call("events.subscribe", {"kinds": ["incident_opened"]})
        at_ns = 1_780_000_000_123_456_000
        opened = ann.open_incident(wanted("square", at_ns=at_ns, before_s=120, after_s=60, post="wall"))
        assert (opened.told, opened.again, opened.rev) == (1, False, 2)
        assert (at_ns - opened.since_ns, opened.until_ns - at_ns) == (120 * 10**9, 60 * 10**9)
        event = lea._next_event(5)
        assert event is not None
        assert (event.kind, event.object, event.body["cameras"]) == ("incident_opened", opened.name, ["square"])
        assert (event.body["since_ns"], event.body["until_ns"]) == (opened.since_ns, opened.until_ns)
        assert "ann" not in str(event.body), "another organisation is told what, not who"
        late = tom._next_event(0.5)
        assert late is None or late.kind == "heartbeat"
    stored = served.store.state.objects["Incident", opened.name].body["spec"]
    assert (stored["opened_by"], stored["post"], stored["cameras"]) == ("ann", "wall", ["square"])
    (line,) = [line for line in served.journal.lines if line.op == "incident.open"]
    assert (line.party, line.rev) == ("ann", 2)
    assert [(record.kind, record.camera, record.commune) for record in line.records] == [
        ("incident", "square", "57463")
    ]


def test_a_post_whose_people_may_not_see_it_is_refused_with_why_and_whom_to_ask(served: Served) -> None:
    with connect(served, keys_of(served, "ann")) as ann:
        with pytest.raises(ControlRefusedError) as refused:
            ann.open_incident(wanted("square", "hall", post="wall"))
        assert "nobody at wall of police may see hall now" in str(refused.value)
        assert "To ask: an administrator of ville (boss)" in str(refused.value)
        with pytest.raises(ControlRefusedError, match="nobody at quay of rail may see square now"):
            ann.open_incident(wanted("square", post="quay"))
        with pytest.raises(NotFoundError, match='did you mean "wall"'):
            ann.open_incident(wanted("square", post="wal"))
        assert ann.incidents(all=True) == []
    refusals = [line for line in served.journal.lines if line.op == "incident.open"]
    assert [line.code for line in refusals] == [907, 907, 102]


def test_who_may_not_see_a_camera_may_not_bookmark_it(served: Served) -> None:
    with connect(served, keys_of(served, "lea")) as lea:
        assert lea.open_incident(wanted("square")).told == 0
        with pytest.raises(NotFoundError) as hidden:
            lea.open_incident(wanted("track"))
        with pytest.raises(NotFoundError) as missing:
            lea.open_incident(wanted("trick"))
        assert str(hidden.value).replace("track", "x") == str(missing.value).replace("trick", "x")
    with connect(served, keys_of(served, "boss")) as boss, pytest.raises(ControlRefusedError, match="boss may not see"):
        boss.open_incident(wanted("square"))
    with connect(served, keys_of(served, "ann")) as ann:
        with pytest.raises(ControlRefusedError, match="for public-safety"):
            ann.open_incident(wanted("square", purpose="public-safety"))
        with pytest.raises(ControlMalformedError):
            ann.call("incident.open", {"cameras": ["square"], "motive": ""})
        with pytest.raises(InvalidArgumentError, match="in words"):
            ann.open_incident(wanted("square", motive="  "))


def test_who_hears_of_it(served: Served) -> None:
    with connect(served, keys_of(served, "ann")) as ann:
        pushed = ann.open_incident(wanted("square", post="wall")).name
        own = ann.open_incident(wanted("hall", "square")).name

    keys = {name: keys_of(served, name) for name in ("bob", "lea", "tom")}
    keys["boss"] = keys_of(served, "boss", administrator=True)

    def listed(name: str) -> dict[str, tuple[list[str], str]]:
        with connect(served, keys[name]) as client:
            objects = {item.name for item in client.get(ops.ObjectsGet(kind="Incident"))}
            found = {item.name: (item.cameras, item.opened_by) for item in client.incidents()}
        assert objects == {name for name, (_, by) in found.items() if by}, "the object says who opened it"
        return found

    both = {pushed: (["square"], "ann"), own: (["hall", "square"], "ann")}
    assert listed("bob") == both, "a colleague"
    assert listed("boss") == both
    assert listed("lea") == {pushed: (["square"], "")}, "the Post it was shown to, and not who opened it"
    assert listed("tom") == {}
    with connect(served, keys["boss"]) as chief:
        chief.delete([("Convention", "share")])
    with connect(served, keys["lea"]) as lea:
        assert lea.incidents() == [], "nobody shows it any more"


def test_closing(served: Served) -> None:
    with connect(served, keys_of(served, "ann")) as ann, connect(served, keys_of(served, "bob")) as bob:
        name = ann.open_incident(wanted("square", post="wall")).name
        with (
            connect(served, keys_of(served, "lea")) as lea,
            pytest.raises(ControlRefusedError, match="no such Incident"),
        ):
            lea.close_incident(name, "not mine to close")
        with connect(served, keys_of(served, "tom")) as tom, pytest.raises(NotFoundError):
            tom.close_incident(name, "none of his")
        assert bob.close_incident(name, "two people, gone").again is False
        (item,) = ann.incidents(all=True)
        assert (item.closed_by, item.outcome, item.closed_ns > item.opened_ns) == ("bob", "two people, gone", True)
        assert ann.incidents() == []
        with pytest.raises(InvalidArgumentError, match="bob has closed it before"):
            ann.close_incident(name, "again")
        assert served.store.state.objects["Incident", name].body["spec"]["cameras"] == ["square"], "still to be kept"


def test_a_targeted_watch_hides_it_from_all_but_its_persons(served: Served) -> None:
    watch = (
        f"kind: WatchOrder\nname: w\nspec: {{organisation: ville, reference: r, persons: [ann], cameras: [square],"
        f" from: '{YEAR - 1}-01-01T00:00:00Z', until: '{YEAR + 1}-01-01T00:00:00Z'}}\n"
    )
    with connect(served, keys_of(served, "ann")) as ann, connect(served, keys_of(served, "bob")) as bob:
        name = ann.open_incident(wanted("square", post="wall")).name
        with connect(served, keys_of(served, "boss", administrator=True)) as chief:
            chief.apply(yaml=[ops.YamlSource(text=watch)])
        assert [item.name for item in ann.incidents()] == [name]
        assert bob.incidents() == []
        with pytest.raises(NotFoundError):
            bob.close_incident(name, "x")
        with pytest.raises(ControlRefusedError) as refused:
            ann.open_incident(wanted("square", post="wall"))
        assert "it is reserved" in str(refused.value).lower()
        assert "WatchOrder" not in str(refused.value)


def test_it_counts_once_by_its_id_over_a_restart_too(served: Served) -> None:
    command = Command.make("incident.open", wanted("square", post="wall").model_dump(), 20)
    with connect(served, keys_of(served, "ann")) as ann:
        assert ann.ping()
        names = []
        for _ in range(2):
            ann._socket.send_multipart(command.frames)
            reply = next(one for one in iter(lambda: ann._receive(5), None) if isinstance(one, Reply))
            assert reply.ok, reply.text
            names.append((reply.body["name"], reply.body["again"]))
            served.service._done.clear()  # as after a restart
        assert names == [(names[0][0], False), (names[0][0], True)]
    assert sum(kind == "Incident" for kind, _ in served.store.state.objects) == 1


def test_neither_prune_nor_rollback_takes_an_incident_back(tmp_path: Path) -> None:
    served = Served(tmp_path / "s")
    with Client(served.endpoint, timeout_s=10) as local:
        text = SERVER + "---\n" + camera("a")
        local.apply(yaml=[ops.YamlSource(text=text)])
        name = local.open_incident(wanted("a")).name
        local.apply(yaml=[ops.YamlSource(text=text)], prune=True)
        local.rollback(ops.ObjectsRollback(to_rev=1))
        assert [item.name for item in local.incidents()] == [name]
        local.delete([("Camera", "a")])
        assert [item.cameras for item in local.incidents()] == [["a"]], "a bookmark outlives what it names"
    served.close()


def test_a_town_without_organisations(tmp_path: Path) -> None:
    served = Served(tmp_path / "s", tcp=True)
    with Client(served.endpoint, timeout_s=10) as local:
        documents = [SERVER, camera("a"), camera("b"), agent("jeanne", cameras="[a]"), agent("paul", cameras="[b]")]
        local.apply(yaml=[ops.YamlSource(text="---\n".join(documents))])
        with connect(served, keys_of(served, "jeanne")) as jeanne, connect(served, keys_of(served, "paul")) as paul:
            name = jeanne.open_incident(wanted("a")).name
            with pytest.raises(NotFoundError):
                jeanne.open_incident(wanted("b"))
            with pytest.raises(NotFoundError):
                jeanne.open_incident(wanted("a", post="wall"))
            assert paul.incidents() == []
            assert jeanne.close_incident(name, "over").rev == 3
        assert local.open_incident(wanted("b")).name
        with pytest.raises(NotFoundError):
            local.open_incident(wanted("c"))
    served.close()
