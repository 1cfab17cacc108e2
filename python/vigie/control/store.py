"""The state: objects by revision, on the disk before anybody is told, with who changed what and when.

An apply is one revision, all or nothing: its objects are checked together with all others, the gate (the engine) takes
the whole, the journal has its line, then it is committed. A command id that has been applied is not applied again.
"""

import hashlib
import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from vigie.control.apply_records import Applying, records_of_apply
from vigie.control.database import FILE, LAYOUTS, hold_folder, open_database, transaction
from vigie.control.diff import Body, Change, Key, canonical, changes, same_body
from vigie.control.history import Revision, bodies_at, revisions, stored_rows
from vigie.control.memory import MANY, MANY_BYTES, reading, settle
from vigie.control.parties import (
    Gate,
    InForceNumbers,
    JournalSink,
    Line,
    NoGate,
    NoJournal,
    ObjectRef,
    Party,
    Rights,
)
from vigie.control.proposals import STATE, Proposer, Source, references
from vigie.control.rollback import restored
from vigie.control.secret_store import SecretStore
from vigie.errors import (
    ControlRefusedError,
    ControlReplayedError,
    Error,
    NotFoundError,
    StateConflictError,
    StateUnreadableError,
    StateUnwritableError,
)
from vigie.journal import Record
from vigie.policy import ConfigurationError, Problem, Town
from vigie.policy.changes import RefusedChange
from vigie.policy.checks import assemble
from vigie.policy.declared import Declared, town_of
from vigie.policy.yaml_marks import Document

COMMANDS_KEPT = 20_000
NAMES_KEPT = 200  # of one command
REASONS_SHOWN = 10
# What somebody did at an instant: no file that lacks it, and no state of before, takes it back.
BY_OPERATIONS = frozenset({"Incident", "Approval"})


@dataclass(frozen=True)
class Stored:
    """An object as it is kept. `rev`: the revision that last changed it."""

    kind: str
    name: str
    rev: int
    owner: str
    body: Body = field(repr=False)
    declared: Declared[Any] | None = field(repr=False)  # None: it cannot be used now, such as for a missing secret

    @property
    def ref(self) -> ObjectRef:
        """What rights are asked about."""
        return ObjectRef(self.kind, self.name, self.owner)


@dataclass(frozen=True)
class State:
    """All objects at one revision. Immutable: readers need no lock."""

    rev: int
    objects: Mapping[Key, Stored]

    @property
    def bodies(self) -> dict[Key, Body]:
        """What the objects say."""
        return {key: item.body for key, item in self.objects.items()}

    def usable(self) -> list[Declared[Any]]:
        """The objects that can be used now."""
        return [item.declared for item in self.objects.values() if item.declared is not None]


@dataclass(frozen=True)
class Applied:
    """What an apply did, or with a dry run would do. `left`: objects of others that prune or rollback did not touch.

    `again`: this command had been applied before; `changes` are the first of `total` then, without their fields.
    """

    rev: int
    changes: Sequence[Change]
    total: int
    warnings: Sequence[str] = ()
    left: Sequence[str] = ()
    again: bool = False


@dataclass(frozen=True)
class Command:
    """Who wants it, and the id under which it counts once."""

    party: Party
    op: str = "objects.apply"
    id: bytes | None = None
    digest: bytes = b""
    records: Sequence[Record] = ()  # further entries of the journal, but for their actor


class RefusedChangesError(ControlRefusedError):
    """A change that rules refuse: what of it and why, and what it would have changed."""

    def __init__(self, refused: Sequence[RefusedChange], found: Sequence[Change]) -> None:
        super().__init__(_reasons(refused), "/".join(refused[0].key))
        self.refused = refused
        self.found = found


class Store:
    """A state folder, held by this process alone. A context manager.

    Thread: any; changes wait for one another, `state` never waits.
    """

    def __init__(
        self,
        folder: Path,
        *,
        gate: Gate | None = None,
        rights: Rights | None = None,
        journal: JournalSink | None = None,
        environ: Mapping[str, str] | None = None,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """Opens the folder, and makes it where it is missing. `rights` None: whoever calls may all.

        Raises: StateUnreadableError (no folder, another process, a newer layout).
        """
        self.folder = folder
        self._gate: Gate = gate or NoGate()
        self._rights = rights
        self._journal: JournalSink = journal or NoJournal()
        self._environ = os.environ if environ is None else environ
        self._now_ns = now_ns
        self._lock = threading.RLock()  # the gate asks while a change is at work
        self._hold = hold_folder(folder)
        try:
            self._db = open_database(folder / FILE, LAYOUTS)
            self._secrets = SecretStore(folder)
            self._state, self.problems = self._read()
            self._checked: Town | None = None  # the town in force, where it has passed every check
            self._numbers = self._numbers_on_disk()
        except sqlite3.Error as error:
            os.close(self._hold)
            raise StateUnreadableError(str(error), str(folder)) from None
        except Error:
            os.close(self._hold)
            raise

    @property
    def state(self) -> State:
        """What is in force."""
        return self._state

    @property
    def rev(self) -> int:
        """The revision in force."""
        return self._state.rev

    def body(self, kind: str, name: str) -> Body | None:
        """An object in force as it was applied, or None."""
        stored = self._state.objects.get((kind, name))
        return None if stored is None else stored.body

    def set_parties(self, gate: Gate, rights: Rights, journal: JournalSink) -> None:
        """For parties that need the store themselves."""
        self._gate, self._rights, self._journal = gate, rights, journal

    def town(self) -> Town:
        """The objects in force, checked together. Raises: ConfigurationError (such as a secret that is not there)."""
        return assemble(self._state.usable(), list(self.problems))

    def engine_numbers(self) -> InForceNumbers:
        """What the engine was last told, as it is on the disk: revisions go on counting from there. Never waits."""
        return self._numbers

    def keep_engine_numbers(self, numbers: InForceNumbers) -> None:
        """Notes what the engine was told without a change of objects. Raises: StateUnwritableError."""
        with self._lock:
            if self._db.in_transaction:  # of a change at work: it notes later numbers, or nothing stays
                return
            with transaction(self._db):
                noted = self._note_numbers(numbers)
            self._numbers = noted

    def apply(
        self,
        command: Command,
        sources: Sequence[Source] = (),
        objects: Sequence[Any] = (),
        *,
        folder: str = "/",
        expect_rev: int | None = None,
        prune: bool = False,
        dry_run: bool = False,
    ) -> Applied:
        """Makes the objects of YAML texts and plain values so; one revision, or none where nothing changes.

        `prune`: deletes the party's own objects that are not among them.
        Raises: ConfigurationError, PolicyFieldError and what else the engine says, ControlRefusedError,
        StateConflictError, StateUnwritableError, ControlReplayedError. Nothing has changed then.
        """
        with self._lock, reading(sum(len(source.text) for source in sources) > MANY_BYTES):
            if (before := self._begin(command, expect_rev)) is not None:
                return before
            proposer = Proposer(self._secrets, self._environ, self.body)
            proposals = [*proposer.from_yaml(sources), *proposer.from_values(objects, folder)]
            wanted: dict[Key, Body | None] = {item.key: item.body for item in proposals}
            left: list[str] = []
            if prune and not proposer.problems:
                wanted |= self._pruned(command.party, wanted, left)
            items = [item.declared for item in proposals]
            return self._change(command, wanted, items, proposer, dry_run=dry_run, left=left)

    def delete(
        self, command: Command, keys: Sequence[Key], *, expect_rev: int | None = None, dry_run: bool = False
    ) -> Applied:
        """Deletes objects; all of them, or none. Raises: NotFoundError, and as `apply`."""
        with self._lock:
            if (before := self._begin(command, expect_rev)) is not None:
                return before
            for kind, name in keys:
                if (kind, name) not in self._state.objects or not self._may_know(command.party, kind, name):
                    raise NotFoundError("deleted already, or never there", f"{kind}/{name}")
            proposer = Proposer(self._secrets, self._environ, self.body)
            return self._change(command, dict.fromkeys(keys), [], proposer, dry_run=dry_run)

    def rollback(
        self,
        command: Command,
        to_rev: int,
        *,
        removal_reason: str = "",
        expect_rev: int | None = None,
        dry_run: bool = False,
    ) -> Applied:
        """Makes the party's own objects as they were at a revision, as a new revision.

        What would show more than now needs `removal_reason` (who agreed, and why), whatever reason stood there then.
        A secret that was changed since stays as it is now. Raises: NotFoundError, and as `apply`.
        """
        with self._lock:
            if (before := self._begin(command, expect_rev)) is not None:
                return before
            if not 0 <= to_rev <= self._state.rev:
                raise NotFoundError(f"revisions are 0 to {self._state.rev}", f"revision {to_rev}")
            then = bodies_at(self._db, to_rev)
            current = self._state.bodies
            left: list[str] = []
            wanted: dict[Key, Body | None] = {}
            for key, (owner, body) in then.items():
                if same_body(body, current.get(key)) or key[0] in BY_OPERATIONS:
                    continue
                if self._owner(command.party) not in (None, owner):
                    left.append(f"{key[0]}/{key[1]}")
                else:
                    wanted[key] = body
            wanted, refused = restored(current, wanted, removal_reason)
            if refused:
                raise ConfigurationError(refused)
            proposer = Proposer(self._secrets, self._environ, self.body)
            items = [proposer.from_state(body) for body in wanted.values() if body is not None]
            found = [item for item in items if item is not None]
            return self._change(
                command, wanted, found, proposer, dry_run=dry_run, left=left, reason=removal_reason, to_rev=to_rev
            )

    def refresh(self) -> Town:
        """Fetches secrets behind references again and puts the same revision in force. Raises as `apply`."""
        with self._lock:
            self._checked = None
            self._state, self.problems = self._read()
            town = self.town()
            numbers = self._gate.put(town)
            with transaction(self._db):
                noted = self._note_numbers(numbers)
            self._numbers, self._checked = noted, town
            self._gate.kept(town)
            settle(len(self._state.objects))
            return town

    def history(self, *, kind: str = "", name: str = "", before: int | None = None, limit: int = 100) -> list[Revision]:
        """Revisions, the newest first; `before`: only older ones; with a kind, or kind and name, those of it."""
        with self._lock:
            return revisions(self._db, kind, name, before, limit)

    def done_before(self, command: Command) -> Applied | None:
        """What a command did, where it has been applied. Raises: ControlReplayedError (another one of that id)."""
        with self._lock:
            return self._replayed(command)

    def routes(self) -> list[str]:
        """What `keep_route` was given, and nobody has dropped."""
        with self._lock:
            return [body for (body,) in self._db.execute("SELECT body FROM routes")]

    def keep_route(self, route: str, text: str) -> None:
        """Raises: StateUnwritableError."""
        with self._lock, transaction(self._db):
            self._db.execute("INSERT OR REPLACE INTO routes VALUES (?, ?)", (route, text))

    def drop_routes(self, routes: Iterable[str]) -> None:
        """Raises: StateUnwritableError."""
        gone = [(route,) for route in routes]
        if gone:
            with self._lock, transaction(self._db):
                self._db.executemany("DELETE FROM routes WHERE id = ?", gone)

    def close(self) -> None:
        """Lets the folder go. Idempotent."""
        with self._lock:
            if self._hold >= 0:
                self._db.close()
                os.close(self._hold)
                self._hold = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    # Below: with the lock held.

    def _read(self) -> tuple[State, list[Problem]]:
        rev, rows = stored_rows(self._db)
        proposer = Proposer(self._secrets, self._environ, lambda *key: None)
        with reading(len(rows) >= MANY):
            objects = {
                (kind, name): Stored(kind, name, at, owner, body, proposer.from_state(body))
                for kind, name, at, owner, body in rows
            }
        return State(rev, objects), proposer.problems

    def _begin(self, command: Command, expect_rev: int | None) -> Applied | None:
        """What the command did when it came before, or None. Raises: StateConflictError."""
        before = self._replayed(command)
        if before is None and expect_rev not in (None, self._state.rev):
            what = f"revision {expect_rev} was expected; {self._state.rev} is in force"
            raise StateConflictError(what, "expect_rev")
        return before

    def _replayed(self, command: Command) -> Applied | None:
        if command.id is None:
            return None
        row = self._db.execute("SELECT client, digest, reply FROM commands WHERE id = ?", (command.id,)).fetchone()
        if row is None:
            return None
        if row[:2] != (command.party.tag, command.digest):
            raise ControlReplayedError("right would be a new id for a new command", command.id.hex())
        return _applied_from(json.loads(row[2]))

    def _owner(self, party: Party) -> str | None:
        return None if self._rights is None else self._rights.owner_of(party)

    def _may_know(self, party: Party, kind: str, name: str) -> bool:
        stored = self._state.objects.get((kind, name))
        ref = ObjectRef(kind, name) if stored is None else stored.ref
        return self._rights is None or self._rights.may_know(party, ref)

    def _pruned(self, party: Party, wanted: Mapping[Key, Any], left: list[str]) -> dict[Key, Body | None]:
        gone: dict[Key, Body | None] = {}
        for key, item in self._state.objects.items():
            if key in wanted or item.kind in BY_OPERATIONS:
                continue
            if self._owner(party) in (None, item.owner):
                gone[key] = None
            elif self._may_know(party, item.kind, item.name):
                left.append(f"{item.kind}/{item.name}")
        return gone

    def _change(
        self,
        command: Command,
        wanted: Mapping[Key, Body | None],
        items: Sequence[Declared[Any]],
        proposer: Proposer,
        *,
        dry_run: bool,
        left: Sequence[str] = (),
        reason: str = "",
        to_rev: int | None = None,
    ) -> Applied:
        """What all changes have in common, from the check of the whole to the commit."""
        problems = [*proposer.problems, *(p for p in self.problems if not _is_of(p, wanted))]
        town = assemble(self._following(wanted, items), problems, self._checked)
        found = changes(self.body, wanted)
        self._authorize(command, found, town)
        warnings = [str(problem) for problem in town.warnings if problem.file != STATE]
        if dry_run:
            self._gate.check(town)
            return Applied(self._state.rev, found, len(found), warnings, left)
        rev = self._state.rev + bool(found)
        applied = Applied(rev, found, len(found), warnings, left)
        if not found:
            with transaction(self._db):
                self._note_command(command, applied)
            return applied
        self._secrets.add(proposer.new_secrets)
        owner = self._owner(command.party) or ""
        by_key = {(item.object.kind, item.object.name): item for item in items}
        rows = {}
        for change in found:
            key = (change.kind, change.name)
            old = self._state.objects.get(key)
            rows[key] = (owner if old is None else old.owner, wanted[key], by_key.get(key))
        numbers = self._commit(command, applied, rows, town, reason, to_rev)
        objects = dict(self._state.objects)
        for key, (whose, body, item) in rows.items():
            if body is None:
                objects.pop(key, None)
            else:
                if item is not None:
                    item.move_to(Document(STATE, 0, body))  # the file may be gone or changed
                objects[key] = Stored(*key, rev, whose, body, item)
        self._state, self._numbers = State(rev, objects), numbers
        self.problems = []  # the whole was checked
        self._checked = town
        self._gate.kept(town)
        if proposer.new_secrets:
            self._forget_secrets()
        settle(len(found))
        return applied

    def _following(self, wanted: Mapping[Key, Body | None], items: Sequence[Declared[Any]]) -> list[Declared[Any]]:
        """The objects after a change, in the order of before; new ones, and all of those given twice, at the end."""
        given = {(item.object.kind, item.object.name): item for item in items}
        changing = (
            {} if len(given) < len(items) else {key: item for key, item in given.items() if key in self._state.objects}
        )
        kept = [changing.get(key) if key in wanted else item.declared for key, item in self._state.objects.items()]
        new = [item for item in items if (item.object.kind, item.object.name) not in changing]
        return [*(item for item in kept if item is not None), *new]

    def _commit(
        self,
        command: Command,
        applied: Applied,
        rows: Mapping[Key, tuple[str, Body | None, Any]],
        town: Town,
        reason: str,
        to_rev: int | None,
    ) -> InForceNumbers:
        party, rev = command.party, applied.rev
        put = False
        try:
            with transaction(self._db):
                self._db.execute(
                    "INSERT INTO revisions VALUES (?, ?, ?, ?, ?)",
                    (rev, self._now_ns(), party.name, party.on_behalf_of, reason),
                )
                for (kind, name), (owner, body, _) in rows.items():
                    text = None if body is None else canonical(body)
                    self._db.execute("INSERT INTO versions VALUES (?, ?, ?, ?, ?)", (kind, name, rev, owner, text))
                    self._db.execute("DELETE FROM objects WHERE kind = ? AND name = ?", (kind, name))
                    if text is not None:
                        self._db.execute("INSERT INTO objects VALUES (?, ?, ?, ?, ?)", (kind, name, rev, owner, text))
                self._note_command(command, applied)
                numbers = self._gate.put(town)
                put = True
                noted = self._note_numbers(numbers)
                applying = Applying(
                    applied.changes,
                    before=self.body,
                    after=lambda *key: rows[key][1] if key in rows else self.body(*key),
                    town=town,
                    sets_before=self._numbers.mask_sets,
                    sets_after=numbers.mask_sets,
                )
                self._journal.append(_line(command, applied, to_rev, records_of_apply(applying)))
            return noted
        except BaseException:
            if put and (before := assemble_quietly(self._state)) is not None:
                self._gate.put_back(before)
            raise

    def _authorize(self, command: Command, found: Sequence[Change], town: Town) -> None:
        if self._rights is None or not found:
            return
        for change in found:
            stored = self._state.objects.get((change.kind, change.name))
            ref = ObjectRef(change.kind, change.name) if stored is None else stored.ref
            decision = self._rights.may(command.party, command.op, ref)
            if not decision.allowed:
                raise ControlRefusedError(decision.why, f"{change.kind}/{change.name}")
        before = self._checked or town_of(self._state.usable())
        refused = self._rights.refused(command.party, before, town)
        if refused:
            raise RefusedChangesError(refused, found)

    def _note_command(self, command: Command, applied: Applied) -> None:
        if command.id is None:
            return
        names = [(change.action, change.kind, change.name) for change in applied.changes[:NAMES_KEPT]]
        reply = canonical([applied.rev, names, applied.total, applied.left[:NAMES_KEPT]])
        values = (command.id, command.party.tag, command.digest, reply)
        self._db.execute("INSERT INTO commands SELECT ?, coalesce(max(number), 0) + 1, ?, ?, ? FROM commands", values)
        self._db.execute(
            "DELETE FROM commands WHERE number <= (SELECT max(number) FROM commands) - ?", (COMMANDS_KEPT,)
        )

    def _numbers_on_disk(self) -> InForceNumbers:
        revision = self._db.execute("SELECT revision FROM engine").fetchone()[0]
        rows = self._db.execute("SELECT camera, version, revision, regions FROM mask_sets").fetchall()
        sets = {(camera, version): (number, json.loads(text)) for camera, version, number, text in rows}
        return InForceNumbers(revision, sets)

    def _note_numbers(self, numbers: InForceNumbers) -> InForceNumbers:
        """In a transaction; what is on the disk after it."""
        before, after = self._numbers.mask_sets, numbers.mask_sets
        revision = max(self._numbers.revision, numbers.revision)
        self._db.execute("UPDATE engine SET revision = ?", (revision,))
        self._db.executemany("DELETE FROM mask_sets WHERE camera = ? AND version = ?", before.keys() - after.keys())
        for key, one in after.items():
            if before.get(key) != one:
                self._db.execute(
                    "INSERT OR REPLACE INTO mask_sets VALUES (?, ?, ?, ?)", (*key, one[0], canonical(one[1]))
                )
        return InForceNumbers(revision, after)

    def _forget_secrets(self) -> None:
        """Keeps those of all objects, and the last of each deleted one, so that a rollback can bring it back."""
        last = self._db.execute(
            "SELECT body FROM versions AS v WHERE body IS NOT NULL AND rev = (SELECT max(rev) FROM versions AS w"
            " WHERE w.kind = v.kind AND w.name = v.name AND w.body IS NOT NULL) AND body LIKE '%\"state:%'"
        )
        used = {reference for (text,) in last for reference in references(json.loads(text))}
        with suppress(StateUnwritableError):  # the next one tries again
            self._secrets.keep_only(used)


def assemble_quietly(state: State) -> Town | None:
    """The town of a state, or None where it cannot be used as it is."""
    try:
        return assemble(state.usable(), [])
    except ConfigurationError:
        return None


def digest_of(data: bytes) -> bytes:
    """What tells one command's content from another's under the same id."""
    return hashlib.sha256(data).digest()


def _is_of(problem: Problem, wanted: Mapping[Key, Any]) -> bool:
    """Whether a problem found in the state is of an object that is about to change."""
    return tuple(problem.field.split(" ")[:2]) in wanted


def _line(command: Command, applied: Applied, to_rev: int | None, records: Sequence[Record]) -> Line:
    party = command.party
    return Line(
        command.op,
        party.name,
        party.on_behalf_of,
        rev=applied.rev,
        changes=applied.changes,
        document=command.digest.hex() or None,
        rolled_back_to=to_rev,
        records=[*command.records, *records],
    )


def _reasons(refused: Sequence[RefusedChange]) -> str:
    lines = [one.says + (f" with the fingerprint {one.fingerprint}" if one.needs else "") for one in refused]
    return "; ".join(lines[:REASONS_SHOWN]) + (
        f"; and {len(lines) - REASONS_SHOWN} more" if len(lines) > REASONS_SHOWN else ""
    )


def _applied_from(value: Any) -> Applied:
    rev, names, total, left = value
    return Applied(rev, [Change(*each) for each in names], total, (), left, again=True)
