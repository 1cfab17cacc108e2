"""Alarms of a running service: raised, told to whom they concern, acknowledged, kept over restarts, told outside."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from vigie.alarms import Alarm
from vigie.control import ops
from vigie.control.alarm_desk import AlarmDesk
from vigie.control.client import Client
from vigie.control.desk_database import FILE, DeskDatabase, Told
from vigie.control.outlet_threads import Outlets, OutletThread, due
from vigie.errors import ControlRefusedError, NotFoundError, StateUnreadableError, StateUnwritableError
from vigie.outlets import Notice, OutletError
from vigie.policy.declared import Declared
from vigie.policy.desk_objects import Outlet
from vigie.policy.yaml_marks import Document

from .conftest import SERVER, agent, camera, masks
from .served import Served
from .test_rights_on_the_wire import connect, keys_of

FAST = SERVER.replace("}]}", "}], alarms: {silent_s: 1, settle_s: 0}}")
TOWN = [FAST, camera("a", "privacy: masked, "), camera("b"), masks("ma", "a", 0.5), agent("jeanne", cameras="[a]")]


def desk(served: Served) -> AlarmDesk:
    return served.service._handlers.desk.alarms


def until(what: Callable[[], Any], timeout_s: float = 10) -> Any:
    """What it gives, as soon as it gives something."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.01)
    pytest.fail("it did not come")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    service = Served(tmp_path / "s", tcp=True, look_s=0.05)
    service.engine.states = {"a": "playing", "b": "playing"}
    yield service
    service.close()


@pytest.fixture
def client(served: Served) -> Iterator[Client]:
    with Client(served.endpoint, timeout_s=10) as opened:
        opened.apply(yaml=[ops.YamlSource(text="---\n".join(TOWN))])
        yield opened


def open_kinds(client: Client) -> set[tuple[str, str]]:
    return {(item.kind, item.object) for item in client.alarms()}


def test_a_silent_camera_is_raised_told_and_over(served: Served, client: Client) -> None:
    until(lambda: open_kinds(client) == {("mask_missing", "b")})
    with connect(served, keys_of(served, "jeanne")) as jeanne:
        jeanne.call("events.subscribe", {"kinds": ["alarm_raised", "alarm_acknowledged", "alarm_cleared"]})
        served.engine.states["a"] = "backing_off"
        served.publish("stream_state", "a/main", {"state": "backing_off"})
        served.publish("stream_state", "b/main", {"state": "backing_off"})
        (alarm,) = until(jeanne.alarms)
        assert (alarm.kind, alarm.object, alarm.severity, alarm.count) == ("camera_silent", "a/main", "warning", 1)
        assert alarm.acknowledged_by == ""
        (acknowledged,) = jeanne.acknowledge([alarm.id], "the mast is down")
        assert (acknowledged.acknowledged_by, acknowledged.note) == ("jeanne", "the mast is down")
        (line,) = [line for line in served.journal.lines if line.op == "alarm.ack"]
        assert (line.party, [record.kind for record in line.records]) == ("jeanne", ["alarm"])
        again = client.acknowledge([alarm.id])
        assert again[0].acknowledged_by == "jeanne", "who was first stays the one"
        served.engine.states["a"] = "playing"
        served.publish("stream_state", "a/main", {"state": "playing"})
        until(lambda: jeanne.alarms() == [])
        assert [item.cleared_ns > 0 for item in jeanne.alarms(all=True)] == [True]
        events = [event for event in iter(lambda: jeanne._next_event(0.3), None) if event.kind != "heartbeat"]
        assert [(event.kind, event.object, event.seq) for event in events] == [
            ("alarm_raised", "camera_silent/a/main", 1),
            ("alarm_acknowledged", "camera_silent/a/main", 2),
            ("alarm_cleared", "camera_silent/a/main", 3),
        ], "and nothing of b, not even a hole"
        assert events[0].body["id"] == alarm.id


def test_an_agent_acknowledges_what_it_may_know_of(served: Served, client: Client) -> None:
    (other,) = until(client.alarms)
    with connect(served, keys_of(served, "jeanne")) as jeanne:
        assert jeanne.alarms() == []
        with pytest.raises(NotFoundError) as hidden:
            jeanne.acknowledge([other.id])
        with pytest.raises(NotFoundError) as missing:
            jeanne.acknowledge(["0" * 16])
        assert str(hidden.value).replace(other.id, "x") == str(missing.value).replace("0" * 16, "x")
    assert client.alarms()[0].acknowledged_ns == 0


def test_without_a_journal_line_nothing_is_acknowledged(served: Served, client: Client) -> None:
    (alarm,) = until(client.alarms)
    served.journal.broken = True
    with pytest.raises(StateUnwritableError):
        client.acknowledge([alarm.id])
    assert client.alarms()[0].acknowledged_ns == 0


def test_an_engines_flood_is_one_alarm(served: Served, client: Client) -> None:
    for number in range(500):
        state = "late" if number % 2 == 0 else "in_time"
        served.publish("lane_overload", "a/main", {"state": state})
    served.publish("lane_overload", "a/main", {"state": "below_floor"})
    until(lambda: ("lane_overload", "a/main") in open_kinds(client))
    (alarm,) = client.alarms(kinds=["lane_overload"])
    until(lambda: client.alarms(kinds=["lane_overload"])[0].severity == "critical")
    assert len(client.alarms(all=True, kinds=["lane_overload"])) == 1
    assert alarm.id == client.alarms(kinds=["lane_overload"])[0].id


def test_pages_and_kinds(served: Served, client: Client) -> None:
    until(client.alarms)
    for number in range(7):
        desk(served).raise_("foreign_login", f"agent{number}", "at two Posts")
    until(lambda: len(client.alarms()) == 8)
    reply = client.call("alarm.list", {"limit": 3})
    seen = [item["object"] for item in reply.body["alarms"]]
    desk(served).raise_("foreign_login", "newer", "comes in between")
    until(lambda: len(client.alarms()) == 9)
    while reply.body["next"]:
        reply = client.call("alarm.list", {"limit": 3, "after": reply.body["next"]})
        seen += [item["object"] for item in reply.body["alarms"]]
    assert len(seen) == len(set(seen)) == 8, "what comes meanwhile moves nothing"
    assert {item.kind for item in client.alarms(kinds=["mask_missing"])} == {"mask_missing"}
    with pytest.raises(ValueError, match="no alarm"):
        desk(served).raise_("no_such", "x", "")


def test_over_by_whoever_raised_it(served: Served, client: Client) -> None:
    until(client.alarms)
    desk(served).raise_("foreign_login", "jeanne", "at two Posts")
    until(lambda: ("foreign_login", "jeanne") in open_kinds(client))
    desk(served).over("foreign_login", "jeanne")
    until(lambda: client.alarms(kinds=["foreign_login"])[0].cleared_ns)


def test_a_restart_loses_none_and_raises_none_anew(tmp_path: Path) -> None:
    served = Served(tmp_path / "s", look_s=0.05)
    served.engine.states = {"a": "backing_off", "b": "playing"}
    with Client(served.endpoint, timeout_s=20) as client:
        client.apply(yaml=[ops.YamlSource(text="---\n".join(TOWN))])
        until(lambda: ("camera_silent", "a/main") in open_kinds(client))
        desk(served).raise_("foreign_login", "jeanne", "at two Posts")
        until(lambda: len(client.alarms()) == 3)
        client.acknowledge([client.alarms(kinds=["foreign_login"])[0].id])
        before = client.alarms()
        served.close()
        again = Served(tmp_path / "s", look_s=0.05)
        again.engine.states = {"a": "backing_off", "b": "playing"}
        looks = desk(again).counters
        assert client.alarms() == before
        until(lambda: looks["alarms_open"] == 3)
        time.sleep(0.2)
        assert client.alarms() == before, "looked at again, and the same"
        assert not [line for line in again.journal.lines if line.op == "alarm"]
        again.close()


def test_the_journal_has_a_line_for_each_step(served: Served, client: Client) -> None:
    until(client.alarms)
    desk(served).on_journal("second_place_away", "no route")
    until(lambda: ("journal_away", "machine") in open_kinds(client))
    desk(served).on_journal("second_place_back", "it holds all")
    until(lambda: client.alarms(kinds=["journal_away"])[0].cleared_ns)
    desk(served).on_journal("second_place_differs", "another hash")
    desk(served).on_journal("checkpoint_not_noted", "no space")
    until(lambda: {("journal_differs", "machine"), ("journal_checkpoint", "machine")} <= open_kinds(client))
    told = [record for line in served.journal.lines if line.op == "alarm" for record in line.records]
    steps = [(record.step, record.reason.split(":")[0]) for record in told]
    assert ("raised", "journal_away machine") in steps
    assert ("over", "journal_away machine") in steps
    assert {line.party for line in served.journal.lines if line.op == "alarm"} == {"vigie"}


def test_an_alarm_stands_though_the_disk_is_full_and_is_kept_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = Served(tmp_path / "s")
    alarms, keep = desk(served), DeskDatabase.keep

    def full(self: DeskDatabase, steps: Any) -> None:
        raise StateUnwritableError("no space")

    monkeypatch.setattr(DeskDatabase, "keep", full)
    alarms.raise_("clock_stepped", "machine", "by an hour")
    alarms.look()
    assert [one.kind for one in alarms.alarms()] == ["clock_stepped"]
    kept = served.service._handlers.desk._database
    assert kept.alarms() == []
    monkeypatch.setattr(DeskDatabase, "keep", keep)
    alarms.look()
    assert [one.kind for one in kept.alarms()] == ["clock_stepped"]
    served.close()


def test_a_newer_file_is_left_alone(tmp_path: Path) -> None:
    database = DeskDatabase(tmp_path)
    database._db.execute("PRAGMA user_version=99")
    database.close()
    before = (tmp_path / FILE).read_bytes()
    with pytest.raises(StateUnreadableError, match="newer vigie"):
        DeskDatabase(tmp_path)
    assert (tmp_path / FILE).read_bytes() == before
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0


# Outlets.


@dataclass
class Place:
    """A sender that takes, refuses or hangs as a test wants."""

    refuse: bool = False
    got: list[Notice] = field(default_factory=list)
    tries: int = 0
    hold: threading.Event = field(default_factory=threading.Event)

    def send(self, notices: Any) -> None:
        self.tries += 1
        if self.refuse:
            raise OutletError("place: refused")
        self.got += notices


def ignore(*given: str) -> None: ...


def outlet(name: str = "o", **spec: Any) -> Declared[Outlet]:
    given = {"kind": "Outlet", "name": name, "spec": {"syslog": {}} | spec}
    return Declared(Outlet.model_validate(given), Document("x", 0, given))


def alarm(number: int, **fields: Any) -> Alarm:
    given = {"kind": "camera_silent", "object": f"c{number}/main", "severity": "warning", "text": "", "raised_ns": 1}
    return Alarm(**{"id": str(number), "last_ns": 1} | given | fields)


def test_what_is_due() -> None:
    new, open_, done = alarm(1), alarm(2, change=2), alarm(3, acknowledged_ns=2, cleared_ns=3, change=3)
    second = 10**9
    assert due([new, open_, done], {}, 60, second).alarms == [new, open_], "what is done was never told: it stays so"
    told = {"1": Told(1, 0), "2": Told(1, 0), "3": Told(2, 0)}
    found = due([new, open_, done], told, 60, 10 * second)
    assert (found.alarms, found.wait_s) == ([], 50.0), "nothing new; too soon; too soon"
    assert due([new, open_, done], told, 60, 60 * second).alarms == [open_, done], "its end is told"
    assert due([open_], told, 60, -second).alarms == [open_], "a clock that was set back"
    assert due([open_], told, 0, 1).alarms == [open_]


def test_an_outlet_tells_tries_again_and_says_that_it_fails(tmp_path: Path) -> None:
    database = DeskDatabase(tmp_path)
    alarms = [alarm(number) for number in range(250)]
    place, failed, worked = Place(refuse=True), [], []
    thread = OutletThread(
        outlet(), database, lambda _: alarms, "csu", lambda *given: failed.append(given), worked.append, sender=place,
        first_s=0.01,
    )  # fmt: skip
    thread.start()
    until(lambda: failed)
    assert failed[0] == ("o", "place: refused")
    assert place.tries >= 2
    assert worked == []
    place.refuse = False
    until(lambda: worked == ["o"] * 3)  # in batches
    assert len(place.got) == 250
    thread.stop(5)
    more = [*alarms, alarm(999)]
    other = Place()
    again = OutletThread(outlet(), database, lambda _: more, "csu", ignore, worked.append, sender=other)
    again.start()
    until(lambda: other.got)
    assert [one.alarm.id for one in other.got] == ["999"], "after a restart only what was not told"
    again.stop()
    database.close()


def test_a_fault_of_ours_in_one_outlet_ends_no_thread(tmp_path: Path) -> None:
    database, failed = DeskDatabase(tmp_path), []

    def choose(_: Outlet) -> list[Alarm]:
        raise RuntimeError("a fault")

    thread = OutletThread(outlet(), database, choose, "csu", lambda *given: failed.append(given), print, first_s=0.01)
    thread.start()
    until(lambda: len(failed) >= 2)
    assert failed[0] == ("o", "a fault of ours: RuntimeError")
    thread.stop()
    database.close()


def test_an_outlet_that_is_changed_begins_anew_and_one_that_is_gone_ends(tmp_path: Path) -> None:
    database, made = DeskDatabase(tmp_path), []

    def make(item: Declared[Outlet]) -> OutletThread:
        made.append(item)
        return OutletThread(item, database, lambda _: [], "csu", ignore, ignore, sender=Place())

    outlets = Outlets(make)
    first = outlet("o")
    outlets.declare([first])
    outlets.declare([outlet("o")])
    assert len(made) == 1, "the same"
    secret = Declared(first.object, first.document, {("spec", "x"): "new"})
    outlets.declare([secret])
    outlets.declare([outlet("o", again_s=5)])
    assert len(made) == 3
    outlets.declare([])
    assert outlets.names() == []
    outlets.close()
    database.close()


HOOK = (
    "kind: Outlet\nname: {name}\nspec: {{again_s: 0, {more}syslog: {{transport: udp, server: '127.0.0.1:{port}'}}}}\n"
)


def test_outlets_hear_what_is_theirs_and_one_that_fails_is_an_alarm(served: Served, client: Client) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.settimeout(10)
        good = HOOK.format(name="good", more="kinds: [outlet_failing, foreign_login], ", port=taken.getsockname()[1])
        bad = "kind: Outlet\nname: bad\nspec: {syslog: {transport: tcp, server: '127.0.0.1:1'}}\n"
        client.apply(yaml=[ops.YamlSource(text=f"{good}---\n{bad}")])
        desk(served).raise_("foreign_login", "jeanne", "at two Posts")
        seen: set[str] = set()
        while not {"foreign_login jeanne", "outlet_failing bad"} <= seen:
            line = taken.recv(4096).decode()
            seen.add(line.split("\ufeff")[1].split(": ")[1])
        assert seen == {"foreign_login jeanne", "outlet_failing bad"}, "and not mask_missing, which it did not ask for"
        assert client.ping(timeout_s=1), "nobody waits for an outlet"
        client.delete([("Outlet", "bad")])
        until(lambda: client.alarms(kinds=["outlet_failing"])[0].cleared_ns)


CITY = [
    FAST,
    "kind: Organisation\nname: ville\nspec: {type: municipality, communes: ['57463']}\n",
    "kind: Organisation\nname: rail\nspec: {type: rail}\n",
    camera("square", "owner: ville, commune: '57463', regime: street, "),
    camera("quay", "owner: rail, regime: street, "),
    "kind: Agent\nname: boss\nspec: {organisation: ville, roles: [supervisor], password: env:POST}\n",
    "kind: Agent\nname: clerk\nspec: {organisation: ville, roles: [auditor], password: env:POST}\n",
    HOOK.format(name="of-ville", more="organisation: ville, ", port=9),
    HOOK.format(name="of-all", more="severity: critical, ", port=9),
]


def test_an_organisation_hears_of_its_own(served: Served) -> None:
    with Client(served.endpoint, timeout_s=10) as client:
        client.apply(yaml=[ops.YamlSource(text="---\n".join(CITY))])
        until(lambda: {("mask_missing", "square"), ("mask_missing", "quay")} <= open_kinds(client))
        alarms = desk(served)
        alarms.raise_("foreign_login", "boss", "at two Posts")
        alarms.raise_("clock_stepped", "machine", "by an hour")
        until(lambda: len(client.alarms()) == 4)

        def heard(name: str) -> set[tuple[str, str]]:
            item = served.store.state.objects["Outlet", name].declared
            assert item is not None
            return {one.key for one in alarms.chosen(item.object)}

        assert heard("of-ville") == {("mask_missing", "square"), ("foreign_login", "boss")}
        assert heard("of-all") == {("foreign_login", "boss")}
        with connect(served, keys_of(served, "boss")) as boss:
            assert open_kinds(boss) == heard("of-ville"), "as its supervisor does"
            boss.acknowledge([boss.alarms()[0].id])
        with connect(served, keys_of(served, "clerk")) as clerk:
            assert clerk.alarms() == []
            with pytest.raises(ControlRefusedError, match="no operator, supervisor or administrator"):
                clerk.acknowledge([client.alarms()[0].id])


def test_events_and_lists_agree_in_their_fields(served: Served, client: Client) -> None:
    with Client(served.endpoint, timeout_s=10) as other:
        other.call("events.subscribe", {"kinds": ["alarm_raised"]})
        desk(served).raise_("clock_stepped", "machine", "by an hour")
        events = iter(lambda: other._next_event(5), None)
        event = next(one for one in events if one.body.get("kind") == "clock_stepped")
        (listed,) = client.alarms(kinds=["clock_stepped"])
        assert json.loads(listed.model_dump_json()) == event.body
