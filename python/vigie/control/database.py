"""The SQLite files of a state folder: opened, brought to the newest layout, and errors of the disk as errors of vigie.

WAL with `synchronous=FULL`: a commit that has returned is on the disk. One process holds a folder at a time.
"""

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from vigie.durable import lock_file
from vigie.errors import StateUnreadableError, StateUnwritableError

FILE = "state.db"
# What came with each layout: a file gets what it has not when it is opened. One with a greater number is refused.
LAYOUTS = {
    1: """
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
""",
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
        return lock_file(folder / "lock")
    except BlockingIOError:
        raise StateUnreadableError("another process uses it; right would be a folder of its own", str(folder)) from None
    except OSError as error:
        raise StateUnreadableError(str(error.strerror), str(folder)) from None


def open_database(path: Path, layouts: Mapping[int, str]) -> sqlite3.Connection:
    """Opens a file, and makes it where it is missing. Raises: StateUnreadableError."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        _prepare(connection, path, layouts)
    except (OSError, sqlite3.Error) as error:
        raise StateUnreadableError(str(error), str(path)) from None
    return connection


def _prepare(connection: sqlite3.Connection, path: Path, layouts: Mapping[int, str]) -> None:
    newest = max(layouts)
    connection.execute("BEGIN IMMEDIATE")
    schema = connection.execute("PRAGMA user_version").fetchone()[0]
    if schema > newest:
        connection.execute("ROLLBACK")
        connection.close()
        what = (
            f"written by a newer vigie (layout {schema}, this one knows {newest}); right would be that one or a newer"
        )
        raise StateUnreadableError(what, str(path))
    steps = [text for layout, text in sorted(layouts.items()) if layout > schema]
    for statement in ";\n".join(steps).split(";\n"):
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version={newest}")
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
