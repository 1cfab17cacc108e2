"""What the service keeps beside the objects: alarms, what outlets were told, changes that wait for a second person.

A file of its own, `desk.db`: an alarm must not wait for an apply, which holds the state's as long as the engine takes.
"""

import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

from vigie.alarms import Alarm, Step
from vigie.control.database import open_database, transaction

FILE = "desk.db"
_COLUMNS = tuple(field.name for field in fields(Alarm))
_LAYOUTS = {
    1: f"""
CREATE TABLE alarms ({", ".join(_COLUMNS)}, PRIMARY KEY (id)) WITHOUT ROWID;
CREATE TABLE told (outlet TEXT NOT NULL, alarm TEXT NOT NULL, change INTEGER NOT NULL, ts_ns INTEGER NOT NULL,
    PRIMARY KEY (outlet, alarm)) WITHOUT ROWID;
CREATE TABLE waiting (fingerprint TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, change TEXT NOT NULL,
    requested_by TEXT NOT NULL, organisation TEXT, why TEXT NOT NULL, since_ns INTEGER NOT NULL, fields TEXT NOT NULL,
    PRIMARY KEY (kind, name, change, fingerprint, requested_by)) WITHOUT ROWID;
"""
}


@dataclass(frozen=True, slots=True)
class Waits:
    """A change that was refused for want of a second person's yes. `of`: whose; None: the installation's."""

    fingerprint: str
    kind: str
    name: str
    change: str
    requested_by: str
    of: str | None
    why: str
    since_ns: int
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """What an outlet was told last of an alarm, and when."""

    change: int
    ts_ns: int


class DeskDatabase:
    """The file. Thread: any."""

    def __init__(self, folder: Path) -> None:
        """Opens it, and makes it where it is missing. Raises: StateUnreadableError."""
        self._lock = threading.Lock()
        self._db = open_database(folder / FILE, _LAYOUTS)

    def alarms(self) -> list[Alarm]:
        """All that are kept."""
        with self._lock:
            return [Alarm(*row) for row in self._db.execute(f"SELECT {', '.join(_COLUMNS)} FROM alarms")]

    def keep(self, steps: Sequence[Step]) -> None:
        """On the disk when it returns. Raises: StateUnwritableError."""
        places = ", ".join("?" * len(_COLUMNS))
        with self._lock, transaction(self._db):
            for step in steps:
                if step.did == "forgotten":
                    self._db.execute("DELETE FROM alarms WHERE id = ?", (step.alarm.id,))
                    self._db.execute("DELETE FROM told WHERE alarm = ?", (step.alarm.id,))
                else:
                    self._db.execute(f"INSERT OR REPLACE INTO alarms VALUES ({places})", astuple(step.alarm))

    def told(self, outlet: str) -> dict[str, Told]:
        """By alarm."""
        with self._lock:
            rows = self._db.execute("SELECT alarm, change, ts_ns FROM told WHERE outlet = ?", (outlet,))
            return {alarm: Told(change, ts_ns) for alarm, change, ts_ns in rows}

    def keep_told(self, outlet: str, told: Mapping[str, Told]) -> None:
        """Raises: StateUnwritableError."""
        rows = [(outlet, alarm, one.change, one.ts_ns) for alarm, one in told.items()]
        with self._lock, transaction(self._db):
            self._db.executemany("INSERT OR REPLACE INTO told VALUES (?, ?, ?, ?)", rows)

    def forget_outlets(self, but: Iterable[str]) -> None:
        """An outlet that was deleted is another when it comes again. Raises: StateUnwritableError."""
        known = set(but)
        with self._lock, transaction(self._db):
            gone = [name for (name,) in self._db.execute("SELECT DISTINCT outlet FROM told") if name not in known]
            self._db.executemany("DELETE FROM told WHERE outlet = ?", [(name,) for name in gone])

    def waiting(self) -> list[Waits]:
        """All that wait, the oldest first."""
        with self._lock:
            rows = self._db.execute("SELECT * FROM waiting ORDER BY since_ns, kind, name").fetchall()
        return [Waits(*(*row[:8], tuple(json.loads(row[8])))) for row in rows]

    def keep_waiting(self, put: Iterable[Waits], gone: Iterable[Waits] = ()) -> None:
        """Raises: StateUnwritableError."""
        with self._lock, transaction(self._db):
            for one in gone:
                self._db.execute(
                    "DELETE FROM waiting WHERE kind = ? AND name = ? AND change = ? AND fingerprint = ?"
                    " AND requested_by = ?",
                    (one.kind, one.name, one.change, one.fingerprint, one.requested_by),
                )
            for one in put:
                row: tuple[Any, ...] = (*astuple(one)[:-1], json.dumps(one.fields))
                self._db.execute(f"INSERT OR REPLACE INTO waiting VALUES ({', '.join('?' * len(row))})", row)

    def close(self) -> None:
        """Idempotent."""
        with self._lock, closing(self._db):
            pass
