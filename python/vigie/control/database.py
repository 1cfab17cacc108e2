"""The SQLite file of a state folder: its layout, and errors of the disk as errors of vigie.

WAL with `synchronous=FULL`: a commit that has returned is on the disk. One process holds a folder at a time.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vigie.errors import StateUnreadableError, StateUnwritableError

# Raised with every change of the layout, together with a step in _LATER. A file with a greater one is refused.
SCHEMA = 2
FILE = "state.db"
_LAYOUT = """
CREATE TABLE revisions (
    rev INTEGER PRIMARY KEY, ts_ns INTEGER NOT NULL, client TEXT NOT NULL, on_behalf_of TEXT NOT NULL,
    reason TEXT NOT NULL);
CREATE TABLE versions (
    kind TEXT NOT NULL, name TEXT NOT NULL, rev INTEGER NOT NULL, owner TEXT NOT NULL, body TEXT,
    PRIMARY KEY (kind, name, rev)) WITHOUT ROWID;
CREATE INDEX versions_by_rev ON versions (rev);
CREATE TABLE objects (
    kind TEXT NOT NULL, name TEXT NOT NULL, rev INTEGER NOT NULL, owner TEXT NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (kind, name)) WITHOUT ROWID;
CREATE TABLE commands (
    id BLOB PRIMARY KEY, number INTEGER NOT NULL, client TEXT NOT NULL, digest BLOB NOT NULL, reply TEXT NOT NULL)
    WITHOUT ROWID;
CREATE INDEX commands_by_number ON commands (number);
CREATE TABLE mask_sets (
    camera TEXT NOT NULL, version TEXT NOT NULL, revision INTEGER NOT NULL, regions TEXT NOT NULL,
    PRIMARY KEY (camera, version)) WITHOUT ROWID;
CREATE TABLE engine (only_one INTEGER PRIMARY KEY CHECK (only_one = 1), revision INTEGER NOT NULL);
INSERT INTO engine VALUES (1, 0);
"""
# What came with each later layout: an older file gets it when it is opened.
_LATER = {
    2: """
CREATE TABLE routes (id TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
""",
}


def hold_folder(folder: Path) -> int:
    """Makes the folder (0700) where it is missing and takes its lock; the descriptor that holds it, until it is closed.

    Raises: StateUnreadableError.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StateUnreadableError(str(error.strerror), str(folder)) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise StateUnreadableError("another process uses it; right would be a folder of its own", str(folder)) from None
    return lock


def open_database(folder: Path) -> sqlite3.Connection:
    """Opens, and makes where it is missing, the folder's database. Raises: StateUnreadableError."""
    path = folder / FILE
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        _prepare(connection, path)
    except (OSError, sqlite3.Error) as error:
        raise StateUnreadableError(str(error), str(path)) from None
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("BEGIN IMMEDIATE")
    schema = connection.execute("PRAGMA user_version").fetchone()[0]
    if schema > SCHEMA:
        connection.execute("ROLLBACK")
        connection.close()
        what = (
            f"written by a newer vigie (layout {schema}, this one knows {SCHEMA}); right would be that one or a newer"
        )
        raise StateUnreadableError(what, str(path))
    steps = [*([_LAYOUT] if schema == 0 else []), *(text for layout, text in _LATER.items() if layout > schema)]
    for statement in ";\n".join(steps).split(";\n"):
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version={SCHEMA}")
    connection.execute("COMMIT")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing, on the disk when it is left; an exception keeps nothing. Raises: StateUnwritableError."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        raise StateUnwritableError(f"{error}; nothing was changed, and what is stored can be read") from None
    finally:
        if connection.in_transaction:
            with suppress(sqlite3.Error):  # SQLite has rolled back by itself, or will when the file is opened again
                connection.execute("ROLLBACK")
