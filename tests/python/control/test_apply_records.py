"""Which lines of their own an apply has: masks with the numbers that pictures carry, Openings, break-glass."""

import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from vigie.control.in_force import InForce
from vigie.control.parties import InForceNumbers
from vigie.control.state_journal import FOLDER, StateJournal, open_journal
from vigie.control.store import Command, Store
from vigie.journal import Journal, make_key, read_entries, records, verify, yearly
from vigie.journal.records import BreakGlass, MaskChange, Opening
from vigie.policy import Town

from .conftest import LOCAL, SERVER, OwnTownRights, camera, masks, yaml

METZ, NANCY = "57463", "54395"
TOWN = f"""
kind: Organisation
name: ville
spec: {{type: municipality, communes: ["{METZ}"]}}
---
kind: Organisation
name: police
spec: {{type: police}}
---
kind: Convention
name: share
spec: {{from: ville, to: police, cameras: {{commune: "{METZ}"}}, rights: [live], from_date: 2026-01-01,
  purposes: [public-safety], trigger: opening}}
"""
OPENING = """
kind: Opening
name: match
spec: {{conventions: [share], event: match, motive: {motive}, from: "2026-06-01T18:00+02:00"}}
"""
ORDER = """
kind: Authorisation
name: order
spec: {{number: "1", from: 2026-01-01, until: 2026-12-31, cameras: {cameras}, purposes: [public-safety],
  retention_days: 30{glass}}}
"""
GLASS = ', break_glass: {reason: "the prefect, by telephone", from: "2027-01-01T00:00Z", until: "2027-01-02T00:00Z"}'


class TakingGate:
    """Compiles as the service does, for an engine that takes whatever it is given."""

    def __init__(self) -> None:
        self.policy = InForce(self, None)

    def apply(self, snapshot: Mapping[str, Any]) -> int:
        return int(snapshot["revision"])

    def check(self, town: Town) -> None: ...

    def put(self, town: Town) -> InForceNumbers:
        self.policy.put(town, {})
        return self.policy.numbers

    def put_back(self, town: Town) -> None: ...

    def kept(self, town: Town) -> None: ...


class Desk:
    """A store with its journal."""

    def __init__(self, folder: Path, journal: Journal) -> None:
        self.journal = journal
        gate = TakingGate()
        self.store = Store(folder, gate=gate, environ={})
        self.store.set_parties(gate, OwnTownRights(), StateJournal(journal, self.store.body))

    def apply(self, *documents: str) -> list[records.Record]:
        """What the journal has of it, besides the apply's line."""
        return self.lines_of(lambda: self.store.apply(Command(LOCAL), yaml(*documents)))

    def lines_of(self, work: Any) -> list[records.Record]:
        before = len(self.entries())
        work()
        apply, *others = self.entries()[before:]
        assert isinstance(apply, records.Apply)
        return others

    def entries(self) -> list[records.Record]:
        return [entry.record for entry in read_entries(self.journal.folder) if entry.record.category != "journal"]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    (tmp_path / "state").mkdir(mode=0o700)
    with open_journal(tmp_path / "state", lambda alarm: None) as journal:
        made = Desk(tmp_path / "state", journal)
        yield made
        made.store.close()
    result = verify(tmp_path / "state" / FOLDER)
    assert result.ok, result.finding


def masked(name: str) -> str:
    return camera(name, f'commune: "{METZ}", privacy: masked, ')


def mask_lines(found: list[records.Record]) -> list[tuple[Any, ...]]:
    assert all(isinstance(one, MaskChange) for one in found)
    return [
        (one.camera, one.mask_set, one.before, one.revision, one.hides_less, one.reason)
        for one in found
        if isinstance(one, MaskChange)
    ]


def test_masks_that_come_grow_shrink_and_go(desk: Desk) -> None:
    (came,) = desk.apply(SERVER, masked("a"), masks("m", "a", 0.5))
    assert mask_lines([came]) == [("a", "m", None, 1, False, "flats")]
    assert isinstance(came, MaskChange)
    assert (came.commune, came.actor.agent) == (METZ, "local")
    assert mask_lines(desk.apply(masks("m", "a", 0.6))) == [("a", "m", 1, 2, False, "flats")]
    smaller = masks("m", "a", 0.4, "removal_reason: the committee, ")
    assert mask_lines(desk.apply(smaller)) == [("a", "m", 2, 3, True, "the committee")]
    assert desk.apply(camera("b")) == []  # another object, no line
    assert mask_lines(desk.apply(smaller.replace("flats", "windows"))) == [("a", "m", 3, 3, False, "windows")]
    gone = desk.lines_of(lambda: desk.store.delete(Command(LOCAL, "objects.delete"), [("MaskSet", "m")]))
    assert mask_lines(gone) == [("a", "m", 3, None, False, None)]  # nothing is shown without masks


def test_masks_that_go_with_the_decision_to_show_all_hide_less(desk: Desk) -> None:
    desk.apply(SERVER, masked("a"), masked("b"), masks("m", "a", 0.5), masks("n", "b", 0.5))
    clear = camera("a", 'privacy: clear, privacy_reason: "a field", ')

    def only_a_clear() -> None:
        desk.store.apply(Command(LOCAL), yaml(SERVER, clear), prune=True)

    assert [(one[0], one[3], one[4]) for one in mask_lines(desk.lines_of(only_a_clear))] == [
        ("a", None, True),
        ("b", None, False),
    ]


def test_a_set_is_known_by_what_it_is_of_not_by_its_name(desk: Desk) -> None:
    desk.apply(SERVER, masked("a"), masked("b"), masks("m", "a", 0.5))

    def renamed() -> None:
        documents = yaml(SERVER, masked("a"), masked("b"), masks("other", "a", 0.6))
        desk.store.apply(Command(LOCAL), documents, prune=True)

    assert mask_lines(desk.lines_of(renamed)) == [("a", "other", 1, 2, False, "flats")]
    moved = mask_lines(desk.apply(masks("other", "b", 0.6)))
    assert [(one[0], one[2], one[3] is None) for one in moved] == [("a", 2, True), ("b", None, False)]


def test_a_version_has_its_own_number(desk: Desk) -> None:
    desk.apply(SERVER, masked("a"), masks("m", "a", 0.5))
    (version,) = desk.apply(masks("v", "a", 0.3, "version: police, "))
    assert isinstance(version, MaskChange)
    assert (version.mask_set, version.before, version.revision) == ("v", None, 2)
    assert version.objects == ("camera/a@police",)


def test_a_rollback_tells_of_masks_too(desk: Desk) -> None:
    desk.apply(SERVER, masked("a"), masks("m", "a", 0.4))
    desk.apply(masks("m", "a", 0.6))
    command = Command(LOCAL, "objects.rollback")
    found = desk.lines_of(lambda: desk.store.rollback(command, 1, removal_reason="the committee"))
    assert mask_lines(found) == [("a", "m", 2, 3, True, "the committee")]


def test_a_refused_apply_tells_of_no_masks(desk: Desk) -> None:
    desk.apply(SERVER, masked("a"), masks("m", "a", 0.5))
    before = len(desk.entries())
    with pytest.raises(ValueError, match="nowhere"):
        desk.store.apply(Command(LOCAL), yaml(masks("m", "a", 0.6), masks("n", "nowhere", 0.5)))
    desk.store.apply(Command(LOCAL), yaml(masks("m", "a", 0.6)), dry_run=True)
    assert len(desk.entries()) == before


def test_openings_begin_and_end_with_their_motive(desk: Desk) -> None:
    desk.apply(SERVER, *TOWN.split("---\n"))
    steps = desk.apply(OPENING.format(motive="a fight"))
    steps += desk.apply(OPENING.format(motive="a fire"))
    relabelled = OPENING.format(motive="a fire").replace("spec:", "labels: {a: b}\nspec:")
    assert desk.apply(relabelled) == []
    steps += desk.lines_of(lambda: desk.store.delete(Command(LOCAL, "objects.delete"), [("Opening", "match")]))
    found = [(one.opening, one.step, one.reason) for one in steps if isinstance(one, Opening)]
    assert found == [
        ("match", "begin", "a fight"),
        ("match", "end", "a fight"),
        ("match", "begin", "a fire"),
        ("match", "end", "a fire"),
    ]
    assert len(steps) == 4
    assert all(one.objects == ("convention/share",) for one in steps)


def test_break_glass_is_one_line_a_commune(desk: Desk) -> None:
    places = [camera(f"m{n}", f'commune: "{METZ}", ') for n in range(3)] + [camera("n", f'commune: "{NANCY}", ')]
    both, metz = f'{{commune: ["{METZ}", "{NANCY}"]}}', f'{{commune: "{METZ}"}}'
    assert desk.apply(SERVER, *places, ORDER.format(cameras=metz, glass="")) == []
    broken = desk.apply(ORDER.format(cameras=metz, glass=GLASS))
    wider = desk.apply(ORDER.format(cameras=both, glass=GLASS))
    assert desk.apply(ORDER.format(cameras=both, glass=GLASS).replace('number: "1"', 'number: "2"')) == []
    assert desk.apply(ORDER.format(cameras=both, glass="")) == []
    nowhere = desk.apply(ORDER.format(cameras='{commune: "75056"}', glass=GLASS))

    def communes(found: list[records.Record]) -> list[tuple[Any, ...]]:
        assert all(isinstance(one, BreakGlass) for one in found)
        return [(one.authorisation, one.commune, one.reason) for one in found if isinstance(one, BreakGlass)]

    why = "the prefect, by telephone"
    assert communes(broken) == [("order", METZ, why)]
    assert communes(wider) == [("order", NANCY, why), ("order", METZ, why)]
    assert communes(nowhere) == [("order", None, why)]
    (entry,) = [one for one in broken if isinstance(one, BreakGlass)]
    assert entry.until == 1_798_848_000 * 10**9  # 2027-01-02T00:00Z


def test_the_yearly_report_counts_what_was_applied(desk: Desk) -> None:
    desk.apply(SERVER, masked("a"), masks("m", "a", 0.5))
    desk.apply(masks("m", "a", 0.4, "removal_reason: the committee, "))
    desk.apply(ORDER.format(cameras=f'{{commune: "{METZ}"}}', glass=GLASS))
    entries = list(read_entries(desk.journal.folder))
    year = datetime.fromtimestamp(entries[-1].at_ns / 1e9, ZoneInfo("Europe/Paris")).year
    found = yearly(entries, (), METZ, year)
    assert (found.mask_changes, found.hides_less, found.break_glass) == (2, 1, 1)


def test_thousands_of_mask_sets_are_few_writes(tmp_path: Path) -> None:
    writes = []

    def write(descriptor: int, data: bytes) -> int:
        writes.append(len(data))
        return os.write(descriptor, data)

    count = 3000
    change = MaskChange(actor=records.SYSTEM, camera="c", mask_set="m", revision=1, reason="é" * 400)
    apply = records.Apply(actor=records.SYSTEM, revision=1)
    (tmp_path / "k").mkdir()
    with Journal(tmp_path / "k" / FOLDER, make_key(tmp_path / "k" / "key"), write=write) as journal:
        before = len(writes)
        journal.append_all([apply, *([change] * count)])
        assert 1 < len(writes) - before < 10
        kinds = [entry.record.kind for entry in read_entries(journal.folder)]
        own = [kind for kind in kinds if not kind.startswith("journal.")]
        assert own == ["apply"] + ["mask.change"] * count
    assert verify(tmp_path / "k" / FOLDER).ok
