"""What the database says of the past: revisions with their changes, and all bodies at one of them."""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from vigie.control.diff import Body, Change, Key, changes

MAX_REVISIONS = 1001


@dataclass(frozen=True)
class Revision:
    """One change of the state. `reason`: what was given with a rollback."""

    rev: int
    ts_ns: int
    client: str
    on_behalf_of: str
    reason: str
    changes: Sequence[Change]


def stored_rows(db: sqlite3.Connection) -> tuple[int, list[tuple[str, str, int, str, Body]]]:
    """The revision in force, and kind, name, revision, owner and body of all objects."""
    rev = db.execute("SELECT coalesce(max(rev), 0) FROM revisions").fetchone()[0]
    rows = db.execute("SELECT kind, name, rev, owner, body FROM objects ORDER BY kind, name")
    return rev, [(kind, name, at, owner, json.loads(body)) for kind, name, at, owner, body in rows]


def bodies_at(db: sqlite3.Connection, rev: int) -> dict[Key, tuple[str, Body | None]]:
    """Every object that ever was, with its owner and its body at a revision (None: it was not there)."""
    rows = db.execute("SELECT DISTINCT kind, name FROM versions").fetchall()
    found: dict[Key, tuple[str, Body | None]] = {}
    for kind, name in rows:
        owner = db.execute(
            "SELECT owner FROM versions WHERE kind = ? AND name = ? ORDER BY rev DESC LIMIT 1", (kind, name)
        ).fetchone()[0]
        found[kind, name] = (owner, _body_at(db, rev, kind, name))
    return found


def _body_at(db: sqlite3.Connection, rev: int, kind: str, name: str) -> Body | None:
    row = db.execute(
        "SELECT body FROM versions WHERE kind = ? AND name = ? AND rev <= ? ORDER BY rev DESC LIMIT 1",
        (kind, name, rev),
    ).fetchone()
    if row is None or row[0] is None:
        return None
    body: Body = json.loads(row[0])
    return body


def revisions(db: sqlite3.Connection, kind: str, name: str, before: int | None, limit: int) -> list[Revision]:
    """Revisions, the newest first, with what each changed."""
    where = ["1"]
    values: list[str | int] = []
    if kind:
        where.append(f"kind = ?{' AND name = ?' if name else ''}")
        values += [kind, name] if name else [kind]
    if before is not None:
        where.append("rev < ?")
        values.append(before)
    chosen = f"SELECT DISTINCT rev FROM versions WHERE {' AND '.join(where)} ORDER BY rev DESC LIMIT ?"
    found = []
    for (rev,) in db.execute(chosen, (*values, min(limit, MAX_REVISIONS))).fetchall():
        head = "SELECT ts_ns, client, on_behalf_of, reason FROM revisions WHERE rev = ?"
        ts_ns, client, on_behalf_of, reason = db.execute(head, (rev,)).fetchone()
        now: dict[Key, Body | None] = {}
        for one_kind, one_name, text in db.execute("SELECT kind, name, body FROM versions WHERE rev = ?", (rev,)):
            now[one_kind, one_name] = None if text is None else json.loads(text)
        was = partial(_body_at, db, rev - 1)
        found.append(Revision(rev, ts_ns, client, on_behalf_of, reason, changes(was, now)))
    return found
