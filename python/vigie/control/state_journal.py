"""The journal of a state folder: what each command becomes there, and the key that signs it."""

from collections.abc import Callable, Sequence
from pathlib import Path

from vigie.control.diff import Change, Find
from vigie.control.lookups import commune_of, organisation_of
from vigie.control.parties import Line
from vigie.errors import Error, StateUnwritableError
from vigie.forms import camera_of
from vigie.journal import Actor, Alarm, FolderPlace, Journal, Purged, Record, Retention, load_private, make_key
from vigie.journal.purge import would_purge
from vigie.journal.records import SYSTEM, Apply, Operation, Process, Refusal, Still
from vigie.policy import texts

FOLDER = "journal"
KEY = "journal.key"
# Of objects named in each list of a line: three such lists of the longest names stay below the longest line.
NAMED = 8000
# A state folder has one engine: its views and its beginnings are those of this name.
ENGINE_NAME = "engine"


class StateJournal:
    """Writes lines as records. `find`: an object of the state as it is, by kind and name. Thread: any."""

    def __init__(self, journal: Journal, find: Find) -> None:
        self._journal = journal
        self._find = find

    def append(self, line: Line) -> None:
        """Durable when it returns. Raises: JournalWriteFailedError, LimitExceededError, ClosedError."""
        self._journal.append_all(records_of(line, self._find))

    def write(self, records: Sequence[Record]) -> None:
        """What no command asked for. Durable when it returns. Raises as `append`."""
        if records:
            self._journal.append_many(records)

    def engine_began(self, version: str | None) -> None:
        """A new engine is there: the views of the one before have ended. Raises: as `append`."""
        self._journal.append(Process(actor=SYSTEM, process="engine", name=ENGINE_NAME, step="began", version=version))

    def purge(self, retention: Retention, at_ns: int) -> Purged | None:
        """Takes out what is older than that at an instant, ns since 1970 UTC; None: nothing is, and there is no line.

        Raises: as `Journal.purge`.
        """
        if not would_purge(self._journal.folder, retention, at_ns):
            return None
        return self._journal.purge(retention, SYSTEM, at_ns)

    def figures(self) -> dict[str, int | None]:
        """How many lines were written, and how many of them the second place lacks; None: there is none."""
        return {"lines": self._journal.seq, "unconfirmed_lines": self._journal.unconfirmed_lines}


def open_journal(folder: Path, on_alarm: Callable[[Alarm], None], copy: Path | None = None) -> Journal:
    """The journal of a state folder; folder and key are made at the first start. `copy`: a folder as second place.

    Raises: JournalDamagedError, InvalidArgumentError (another key), StateUnwritableError, JournalWriteFailedError.
    """
    key = folder / KEY
    try:
        signing = load_private(key) if key.exists() else make_key(key)
        second = None if copy is None else FolderPlace(copy)
        return Journal(folder / FOLDER, signing, second=second, on_alarm=on_alarm)
    except Error:
        raise
    except OSError as error:
        raise StateUnwritableError(f"no journal: {error.strerror}", str(folder)) from None


def records_of(line: Line, find: Find) -> list[Record]:
    """All that a line says: what it was, and the entries of a kind of their own, by the same actor (at their own Post).

    A refusal that has such entries is told by them alone.
    """
    actor = _actor(line, find)
    own = [
        record.model_copy(update={"actor": actor.model_copy(update={"post": record.actor.post})})
        for record in line.records
    ]
    return own if own and not line.rev else [record_of(line, find), *own]


def record_of(line: Line, find: Find) -> Record:
    """The record of a line. A name that no object can have is left out: it stands in the text of its refusal."""
    actor = _actor(line, find)
    if line.code:
        named = line.camera if texts.name_problem(line.camera) is None else None
        return Refusal(
            actor=actor,
            op=line.op,
            code=line.code,
            camera=named,
            commune=commune_of(line.camera, find),
            reason=line.text,
        )
    if line.still is not None:
        captured, bound_ns = line.still
        return Still(
            actor=actor,
            camera=camera_of(line.camera),
            commune=commune_of(line.camera, find),
            captured=captured,
            error_ms=None if bound_ns is None else -(-bound_ns // 1_000_000),
            objects=(f"camera/{line.camera}",),
        )
    if not line.rev:
        return Operation(actor=actor, op=line.op)
    left = 0
    lists: dict[str, tuple[str, ...]] = {}
    for action in ("created", "changed", "deleted"):
        refs = _refs(line.changes, action)
        lists[action] = refs[:NAMED]
        left += len(refs) - len(lists[action])
    return Apply(
        actor=actor,
        revision=line.rev,
        document=line.document,
        rolled_back_to=line.rolled_back_to,
        reason=f"and {left} more objects: vigie history names them" if left else None,
        created=lists["created"],
        changed=lists["changed"],
        deleted=lists["deleted"],
    )


def _refs(changes: Sequence[Change], action: str) -> tuple[str, ...]:
    return tuple(f"{change.kind.lower()}/{change.name}" for change in changes if change.action == action)


def _actor(line: Line, find: Find) -> Actor:
    agent, person = (
        name if texts.name_problem(name, texts.AGENT_NAME) is None else None for name in (line.party, line.on_behalf_of)
    )
    return Actor(
        agent=agent or "unnamed",
        on_behalf_of=person,
        organisation=organisation_of(person or agent or "", find),
    )
