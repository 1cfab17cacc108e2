"""What each command becomes in the journal of the state folder, and that the journal holds."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest

from vigie.control.diff import Change
from vigie.control.parties import Line
from vigie.control.state_journal import FOLDER, KEY, NAMED, StateJournal, open_journal, record_of
from vigie.control.store import Command, Store
from vigie.errors import Error, InvalidArgumentError, JournalWriteFailedError, StateUnwritableError
from vigie.journal import Journal, load_public, make_key, read_entries, records, verify
from vigie.journal.line import MAX_LINE_BYTES
from vigie.journal.records import SYSTEM, Apply, Record, Refusal, Still, record_bytes

from .conftest import LOCAL, SERVER, OwnTownRights, RecordingGate, camera, yaml

BODIES = {
    ("Agent", "lea"): {"spec": {"organisation": "police"}},
    ("Camera", "hall"): {"spec": {"commune": "57463"}},
}


def record(**fields: Any) -> Record:
    line = Line("camera.snapshot", "host", "lea", **fields)
    return record_of(line, lambda kind, name: BODIES.get((kind, name)))


def test_a_still_says_who_for_whom_of_what_and_when() -> None:
    still = record(camera="hall@police", still=(1_000_000_000, 1_500_000))
    assert isinstance(still, Still)
    assert (still.actor.agent, still.actor.on_behalf_of, still.actor.organisation) == ("host", "lea", "police")
    assert (still.camera, still.commune, still.objects) == ("hall", "57463", ("camera/hall@police",))
    assert (still.captured, still.error_ms) == (1_000_000_000, 2)
    unknown = record(camera="free", still=(1, None))
    assert isinstance(unknown, Still)
    assert (unknown.error_ms, unknown.commune) == (None, None)


@pytest.mark.parametrize(("given", "named"), [("hall", "hall"), ("../etc", None), ("x" * 200, None), ("", None)])
def test_a_refusal_is_written_whatever_was_asked_for(given: str, named: str | None) -> None:
    refusal = record(code=907, text="not for you", camera=given)
    assert isinstance(refusal, Refusal)
    assert (refusal.op, refusal.code, refusal.camera, refusal.reason) == ("camera.snapshot", 907, named, "not for you")


def test_a_name_that_no_agent_can_have_does_not_keep_a_line_out() -> None:
    refusal = record_of(Line("objects.apply", "a b", "c\nd", code=1, text="no"), lambda kind, name: None)
    assert (refusal.actor.agent, refusal.actor.on_behalf_of) == ("unnamed", None)


def test_a_revision_names_its_objects_and_the_longest_fits_in_a_line() -> None:
    actions: tuple[Literal["created", "changed", "deleted"], ...] = ("created", "changed", "deleted")
    changes = [Change(action, "Authorisation", f"{number:064d}") for action in actions for number in range(NAMED + 1)]
    line = Line("objects.rollback", "x" * 64, "", rev=7, changes=changes, document="0" * 64, rolled_back_to=3)
    apply = record_of(line, lambda kind, name: None)
    assert isinstance(apply, Apply)
    assert (apply.revision, apply.rolled_back_to, apply.document) == (7, 3, "0" * 64)
    assert apply.created[0] == "authorisation/" + "0" * 64
    assert [len(names) for names in (apply.created, apply.changed, apply.deleted)] == [NAMED] * 3
    assert apply.reason == "and 3 more objects: vigie history names them"
    assert len(record_bytes(apply)) < MAX_LINE_BYTES - 1024


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    (tmp_path / "state").mkdir(mode=0o700)
    with open_journal(tmp_path / "state", lambda alarm: None) as opened:
        yield opened


def test_the_key_is_made_once_and_for_the_owner_alone(journal: Journal, tmp_path: Path) -> None:
    key = tmp_path / "state" / KEY
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    text = key.read_bytes()
    journal.close()
    open_journal(tmp_path / "state", lambda alarm: None).close()
    assert key.read_bytes() == text
    result = verify(tmp_path / "state" / FOLDER, load_public(key.with_name(KEY + ".pub")))
    assert result.ok, result.finding
    key.unlink()
    key.with_name(KEY + ".pub").unlink()
    make_key(key)
    with pytest.raises(InvalidArgumentError, match="another key"):
        open_journal(tmp_path / "state", lambda alarm: None)


def test_a_folder_that_cannot_hold_a_journal_is_said(tmp_path: Path) -> None:
    (tmp_path / FOLDER).write_text("a file")
    with pytest.raises(StateUnwritableError, match="no journal"):
        open_journal(tmp_path, lambda alarm: None)


def test_a_revision_and_its_line_come_together(journal: Journal, tmp_path: Path, gate: RecordingGate) -> None:
    with Store(tmp_path / "state", gate=gate, environ={}) as store:
        store.set_parties(gate, OwnTownRights(), StateJournal(journal, store.body))
        store.apply(Command(LOCAL, digest=b"\1" * 32), yaml(SERVER, camera("a")))
        store.rollback(Command(LOCAL, "objects.rollback"), 0)
        journal.close()
        with pytest.raises(Error):
            store.apply(Command(LOCAL), yaml(SERVER))
        assert store.state.rev == 2
    found = [entry.record for entry in read_entries(tmp_path / "state" / FOLDER)]
    applies = [item for item in found if isinstance(item, Apply)]
    assert [(item.revision, item.created, item.deleted, item.rolled_back_to) for item in applies] == [
        (1, ("camera/a", "server/here"), (), None),
        (2, (), ("camera/a", "server/here"), 0),
    ]
    assert [item.document for item in applies] == ["01" * 32, None]


def test_entries_of_a_kind_of_their_own(journal: Journal, tmp_path: Path) -> None:
    lines = StateJournal(journal, lambda kind, name: {"spec": {"organisation": "ville"}} if name == "lea" else None)
    login = records.Login(actor=SYSTEM, way="oidc", source="10.0.0.1")
    refused = records.LoginRefused(actor=SYSTEM, way="ldap", code=907)
    alarm = records.Alarm(actor=SYSTEM, alarm="0" * 16, step="raised", reason="disk_full machine: 3 %")
    incident = records.Incident(actor=SYSTEM, incident="i", camera="a", since=5)
    approval = records.Approval(actor=SYSTEM, waits="maskset/m", given=True, reason="agreed")
    lines.append(Line("session.sign_in", "desk", "lea", records=(login,)))
    lines.append(Line("session.sign_in", "desk", "", 907, "not taken", records=(refused,)))
    lines.append(Line("alarm", "vigie", "", records=(alarm,)))
    lines.append(Line("incident.open", "lea", "", rev=3, records=(incident, incident)))
    lines.append(Line("approval.give", "lea", "", rev=4, records=(approval,)))
    lines.append(Line("session.sign_in", "desk", "", 102, "no such provider"))
    journal.close()
    found = [entry.record for entry in read_entries(tmp_path / "state" / FOLDER)]
    kinds = [(one.kind, one.actor.agent, one.actor.organisation) for one in found if one and one.category != "journal"]
    assert kinds == [
        ("login", "desk", "ville"),
        ("login.refused", "desk", None),
        ("alarm", "vigie", None),
        ("apply", "lea", "ville"),
        ("incident", "lea", "ville"),
        ("incident", "lea", "ville"),
        ("apply", "lea", "ville"),
        ("approval", "lea", "ville"),
        ("refusal", "desk", None),
    ]


def test_a_full_disk_refuses_the_revision(tmp_path: Path, gate: RecordingGate) -> None:
    full = False

    def write(descriptor: int, data: bytes) -> int:
        if full:
            raise OSError(28, "No space left on device")
        return os.write(descriptor, data)

    (tmp_path / "k").mkdir()
    key = make_key(tmp_path / "k" / KEY)
    journal = Journal(tmp_path / "k" / FOLDER, key, write=write)
    with Store(tmp_path / "state", gate=gate, environ={}) as store:
        store.set_parties(gate, OwnTownRights(), StateJournal(journal, store.body))
        store.apply(Command(LOCAL), yaml(SERVER))
        full = True
        with pytest.raises(JournalWriteFailedError, match="No space left"):
            store.apply(Command(LOCAL), yaml(camera("a")))
        assert (store.state.rev, len(gate.put_back_to)) == (1, 1)
        full = False
    journal.close()
    result = verify(tmp_path / "k" / FOLDER)
    assert result.ok, result.finding
