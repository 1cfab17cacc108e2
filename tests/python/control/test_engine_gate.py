"""Engine and disk say the same: whatever engine is attached, whoever died in the middle of what."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from vigie.control.engine_gate import EngineGate
from vigie.control.engine_link import Attached, away
from vigie.control.store import Command, Store
from vigie.errors import BindFailedError, ConnectionLostError, Error, PolicyFieldError
from vigie.policy import ConfigurationError, Inventory
from vigie.policy.inventory import OfferedCamera, OfferedStream
from vigie.policy.windows import ns_of

from .conftest import LOCAL, SERVER, agent, camera, masks, yaml
from .test_rule_rights import CITY

NOON_NS = ns_of(datetime.fromisoformat("2026-06-01T12:00:00+02:00"))  # a Monday
MASKED = camera("a", "privacy: masked, ")
SITE = 'kind: Site\nname: s\nspec: {url: "rtsp://192.0.2.1", privacy: clear, privacy_reason: theirs}\n'


class EngineProcess:
    """What an engine process has in force. Refuses masks that shrink, as the core does (it compares areas)."""

    def __init__(self) -> None:
        self.snapshots: list[dict[str, Any]] = []
        self.note = b""
        self.error: Error | None = None

    def apply(self, snapshot: Mapping[str, Any], note: bytes) -> int:
        if self.error is not None:
            raise self.error
        value = json.loads(json.dumps(snapshot))
        if self.snapshots:
            assert value["revision"] > self.snapshots[-1]["revision"]
        for index, one in enumerate(value["cameras"]):
            if self._size(one["name"]) > _size(one) and not one["masks"]["removal_reason"]:
                raise PolicyFieldError("part of it would be shown", f"/cameras/{index}/masks/removal_reason")
        self.snapshots.append(value)
        self.note = note
        return int(value["revision"])

    def _size(self, name: str) -> float:
        before = self.snapshots[-1]["cameras"] if self.snapshots else []
        return next((_size(one) for one in before if one["name"] == name), 0.0)


def _size(entry: Mapping[str, Any]) -> float:
    return float(entry["masks"]["regions"][0]["points"][1][0]) if "masks" in entry else 0.0


class Link:
    """Sees one engine process, or none."""

    def __init__(self, process: EngineProcess | None = None) -> None:
        self.process = process
        self._sessions = 0
        self._session = ""
        self.attach(process)

    def attach(self, process: EngineProcess | None) -> None:
        self._sessions += 1
        self.process = process

    def attached(self, wait_s: float) -> Attached:
        if self.process is None:
            raise away()
        of = self.process
        last = json.dumps(of.snapshots[-1]).encode() if of.snapshots else b""
        revision = of.snapshots[-1]["revision"] if of.snapshots else 0
        return Attached(str(self._sessions), "i", revision, last, of.note, 0)

    def use(self, session: str) -> None:
        self._session = session

    def apply(self, snapshot: Mapping[str, Any], note: bytes = b"") -> int:
        if self.process is None or self._session != str(self._sessions):
            raise away()
        return self.process.apply(snapshot, note)


class Sites:
    """One partner, who has told something or not."""

    def __init__(self) -> None:
        self.told: dict[str, Inventory] = {}
        self.remembered: list[Any] = []
        self.asked = 0

    def inventories(self, town: Any) -> dict[str, Inventory]:
        return self.told

    def put_in_force(self, town: Any) -> None:
        self.asked += 1

    def remember(self, inventories: Any, taken: Any, ages_s: Any) -> None:
        self.remembered.append((inventories, dict(taken), ages_s))

    def figures(self) -> dict[str, Any]:
        return {name: {"list_age_s": 12.5} for name in self.told}

    def fileno(self) -> int:
        return -1


class Control:
    """A control process on a folder: its store and its gate."""

    def __init__(self, folder: Path, link: Link) -> None:
        self.store = Store(folder, environ={"POST": "of-post"})
        self.said: list[str] = []
        self.sites = Sites()
        self.now_ns = NOON_NS
        self.also_ns: int | None = None
        clocks: Any = {"now_ns": lambda: self.now_ns, "also_ns": lambda: self.also_ns}
        self.new_engines = 0
        clocks["on_new_engine"] = self._on_new_engine
        self.gate = EngineGate(link, self.sites, self.store, None, self.said.append, **clocks)
        self.store._gate = self.gate

    def _on_new_engine(self) -> None:
        self.new_engines += 1

    def apply(self, *documents: str) -> int:
        return self.store.apply(Command(LOCAL), yaml(*documents)).rev

    def die(self) -> None:
        self.store.close()


def ending(agent: dict[str, Any]) -> list[str]:
    """The cameras of an agent's rights that end."""
    return [camera for group in agent.get("ending", []) for camera in group["cameras"]]


@pytest.fixture
def control(tmp_path: Path) -> Callable[[Link], Control]:
    return lambda link: Control(tmp_path / "state", link)


def test_an_engine_that_is_new_gets_what_is_on_the_disk(control: Any) -> None:
    link = Link(EngineProcess())
    one = control(link)
    assert one.apply(SERVER, MASKED, masks("m", "a", 0.5)) == 1
    first = link.process.snapshots[-1]
    link.attach(EngineProcess())
    assert one.gate.in_force
    one.gate.sync()
    again = link.process.snapshots[-1]
    assert (again["cameras"], again["revision"]) == (first["cameras"], first["revision"] + 1)
    assert one.store.engine_numbers().revision == again["revision"]
    one.gate.sync()
    assert (len(link.process.snapshots), one.new_engines) == (1, 2)


def test_whoever_comes_after_a_dead_control_touches_nothing(control: Any) -> None:
    link = Link(EngineProcess())
    one = control(link)
    one.apply(SERVER, MASKED, masks("m", "a", 0.5))
    one.die()
    link.attach(link.process)
    next_one = control(link)
    next_one.gate.sync()
    assert len(link.process.snapshots) == 1
    assert (next_one.gate.in_force, next_one.said, next_one.new_engines) == (True, [], 0)
    # Numbers go on, and what hides less is compared with what is in force.
    with pytest.raises(ConfigurationError, match="would be shown"):
        next_one.apply(masks("m", "a", 0.4))
    next_one.apply(masks("m", "a", 0.6))
    revisions = [snapshot["cameras"][0]["masks"]["revision"] for snapshot in link.process.snapshots]
    assert revisions == [1, 2]


def test_rights_that_the_clock_has_changed_are_sent_anew(control: Any) -> None:
    link = Link(EngineProcess())
    one = control(link)
    one.apply(*CITY)
    one.die()
    link.attach(link.process)
    next_one = control(link)
    next_one.now_ns += 8 * 3600 * 10**9
    next_one.gate.sync()
    before, after = ({item["name"]: item for item in one["agents"]} for one in link.process.snapshots)
    assert (ending(before["lea"]), ending(after["lea"])) == (["hall"], [])


@pytest.mark.parametrize("step_h", [-1, 1])
def test_a_clock_that_steps_lets_no_right_grow(control: Any, step_h: int) -> None:
    """The window ends at 19:00, seven hours after noon. Seen by the time that passes, not by what the clock shows."""
    link = Link(EngineProcess())
    one = control(link)
    one.apply(*CITY)
    step = step_h * 3600 * 10**9
    one.now_ns += step
    one.also_ns = one.now_ns - step
    one.gate.policy.renew({})
    lea = next(agent for agent in link.process.snapshots[-1]["agents"] if agent["name"] == "lea")
    left_s = (ns_of(datetime.fromisoformat(lea["ending"][0]["until"])) - one.now_ns) / 1e9
    assert (ending(lea), left_s) == (["hall"], 6 * 3600 if step_h > 0 else 7 * 3600)
    # What begins by one of the clocks alone has not begun.
    night = -(5 * 3600 + 1800) * 10**9  # 06:30, or 07:30 by the other
    one.now_ns, one.also_ns = NOON_NS + night + max(step, 0), NOON_NS + night + max(-step, 0)
    one.gate.policy.renew({})
    lea = next(agent for agent in link.process.snapshots[-1]["agents"] if agent["name"] == "lea")
    assert ending(lea) == []


def test_the_order_of_objects_is_no_difference(control: Any) -> None:
    link = Link(EngineProcess())
    one = control(link)
    one.apply(*CITY)
    one.die()
    link.attach(link.process)
    control(link).gate.sync()
    assert len(link.process.snapshots) == 1


@pytest.mark.parametrize("larger", [False, True], ids=["smaller", "larger masks"])
def test_a_revision_that_never_reached_the_disk_is_taken_back(control: Any, larger: bool) -> None:
    link = Link(EngineProcess())
    one = control(link)
    one.apply(SERVER, MASKED, masks("m", "a", 0.5))
    # It dies between the engine's yes and the commit.
    size, more = (0.6, "") if larger else (0.4, "removal_reason: agreed, ")
    one.store._journal.append = lambda line: 1 // 0
    one.gate.put_back = lambda town: None
    with pytest.raises(ZeroDivisionError):
        one.apply(masks("m", "a", size, more))
    one.die()
    assert _size(link.process.snapshots[-1]["cameras"][0]) == size
    link.attach(link.process)
    next_one = control(link)
    next_one.gate.sync()
    last = link.process.snapshots[-1]["cameras"][0]["masks"]
    assert (_size({"masks": last}), last["revision"]) == (0.5, 3)
    assert ("could not be stored" in last["removal_reason"]) is larger
    assert next_one.store.engine_numbers().mask_sets["a", ""][0] == 3


def test_a_state_that_is_older_than_what_is_in_force_shows_nothing_more(control: Any, tmp_path: Path) -> None:
    """A back-up was put in place while the engine went on: that is no reason to hide less."""
    link = Link(EngineProcess())
    one = control(link)
    one.apply(SERVER, MASKED, masks("m", "a", 0.5))
    one.die()
    old = (tmp_path / "state" / "state.db").read_bytes()
    one = control(link)
    for size in (0.6, 0.7):
        one.apply(masks("m", "a", size))
    one.die()
    (tmp_path / "state" / "state.db").write_bytes(old)
    link.attach(link.process)
    next_one = control(link)
    next_one.gate.sync()
    assert _size(link.process.snapshots[-1]["cameras"][0]) == 0.7
    assert "what was in force stays until it is put right" in next_one.said[-1]


def test_without_an_engine_an_apply_is_refused_and_nothing_is_kept(
    control: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = Link(EngineProcess())
    one = control(link)
    one.apply(SERVER, camera("a"))
    process = link.process
    link.attach(None)
    with pytest.raises(ConnectionLostError, match="nothing was changed"):
        one.apply(camera("b"))
    assert (one.store.rev, ("Camera", "b") in one.store.state.objects) == (1, False)
    # It comes back in the middle: first what is stored, then what is new.
    link.attach(EngineProcess())
    assert one.apply(camera("b")) == 2
    assert [len(snapshot["cameras"]) for snapshot in link.process.snapshots] == [1, 2]
    assert len(process.snapshots) == 1


def test_an_engine_that_goes_between_the_check_and_the_apply_refuses_it(control: Any) -> None:
    link = Link(EngineProcess())
    one = control(link)
    one.apply(SERVER, camera("a"))
    process = link.process
    process.error = away()
    with pytest.raises(ConnectionLostError):
        one.apply(camera("b"))
    assert (one.store.rev, len(process.snapshots)) == (1, 1)
    link.attach(EngineProcess())
    one.gate.sync()
    assert [item["name"] for item in link.process.snapshots[-1]["cameras"]] == ["a"]


def test_what_cannot_be_taken_back_at_once_is_taken_back_later(control: Any) -> None:
    link = Link(EngineProcess())
    one = control(link)
    one.apply(SERVER, camera("a"))
    process = link.process

    def breaks(line: Any) -> None:
        process.error = away()
        raise BindFailedError("any error")

    one.store._journal.append = breaks
    with pytest.raises(BindFailedError):
        one.apply(camera("b"))
    assert len(process.snapshots[-1]["cameras"]) == 2
    assert "until the engine answers" in one.said[-1]
    process.error = None
    link.attach(process)
    one.gate.sync()
    assert [item["name"] for item in process.snapshots[-1]["cameras"]] == ["a"]


def test_a_refused_state_is_said_and_can_be_put_right(control: Any) -> None:
    link = Link(EngineProcess())
    one = control(link)
    one.apply(SERVER, camera("a"))
    link.attach(EngineProcess())
    link.process.error = BindFailedError("taken", "127.0.0.1:1")
    one.gate.sync()
    assert "nothing is shown until it is put right" in one.said[-1]
    assert not one.gate.in_force
    link.process.error = None
    assert one.apply(camera("b")) == 2
    assert one.gate.in_force


def test_masks_do_not_shrink_in_an_engine_that_is_new(control: Any) -> None:
    """It has nothing to compare with: what was in force by the disk counts."""
    link = Link(EngineProcess())
    one = control(link)
    one.apply(SERVER, MASKED, masks("m", "a", 0.5))
    link.attach(EngineProcess())
    link.process.error = BindFailedError("taken", "127.0.0.1:1")
    one.gate.sync()
    link.process.error = None
    with pytest.raises(ConfigurationError, match="removal_reason"):
        one.apply(masks("m", "a", 0.4))
    assert link.process.snapshots == []


def test_what_partners_have_told_outlives_control(control: Any) -> None:
    link = Link(EngineProcess())
    one = control(link)
    one.apply(SERVER, SITE)
    one.sites.told = {
        "s": Inventory("theirs", (OfferedCamera("1", "One", 1, (OfferedStream("m", "rtsp://192.0.2.1/x"),)),))
    }
    one.gate.policy.put(one.gate.policy.town, one.sites.told)
    names = [item["name"] for item in link.process.snapshots[-1]["cameras"]]
    assert len(names) == 1
    one.die()
    link.attach(link.process)
    next_one = control(link)
    next_one.now_ns += 3 * 10**9
    next_one.gate.sync()
    assert len(link.process.snapshots) == 2  # nothing was sent: no viewer of theirs is touched
    assert next_one.sites.remembered == [(one.sites.told, {"s": 1}, {"s": 15.5})]


def test_a_dry_run_needs_no_engine(control: Any) -> None:
    one = control(Link(None))
    applied = one.store.apply(Command(LOCAL), yaml(SERVER, camera("a"), agent("x")), dry_run=True)
    assert (len(applied.changes), one.store.rev) == (3, 0)
