"""A copy of a state folder while it is in use: objects, alarms, secrets, keys and journal that fit together."""

import json
import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from vigie.control import database, desk_database, secret_store, tickets
from vigie.control.keys import CLIENTS, SERVER
from vigie.control.proposals import references
from vigie.control.state_journal import FOLDER, KEY
from vigie.durable import sync_folder
from vigie.errors import Error, InvalidArgumentError, NotFoundError, StateUnreadableError, StateUnwritableError
from vigie.journal import load_public, verify
from vigie.journal.segments import NEWEST, segment_files

ATTEMPTS = 5
_WHOLE = (CLIENTS, SERVER, KEY, KEY + ".pub", tickets.FILE)


@dataclass(frozen=True)
class BackedUp:
    """What a copy holds; `lines`: of the journal, which was verified."""

    revision: int
    objects: int
    lines: int


def back_up(state: Path, to: Path) -> BackedUp:
    """Copies a state folder into a new folder of its user's alone. What was changed meanwhile is copied again.

    Raises: NotFoundError, InvalidArgumentError (`to` exists), StateUnreadableError, StateUnwritableError.
    """
    if not (state / database.FILE).is_file():
        raise NotFoundError("no state is kept there", str(state))
    if to.exists():
        raise InvalidArgumentError("exists already; right would be a new folder", str(to))
    partial = to.with_name(to.name + ".partial")
    problem = ""
    try:
        for _ in range(ATTEMPTS):
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(mode=0o700)
            try:
                made = _copied(state, partial)
            except _Changed as changed:
                problem = str(changed)
                continue
            _make_durable(partial)
            partial.rename(to)
            sync_folder(to.parent)
            return made
    except sqlite3.Error as error:
        raise StateUnreadableError(str(error), str(state)) from None
    except OSError as error:
        if isinstance(error, Error):
            raise
        raise StateUnwritableError(error.strerror or str(error), str(error.filename or to)) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    raise StateUnreadableError(f"it does not fit together: {problem}", str(state))


class _Changed(Exception):  # noqa: N818 - no error: it is tried again
    """Something changed between two files of one copy."""


def _copied(state: Path, to: Path) -> BackedUp:
    # Secrets are there before the objects that name them; the journal has a line before its revision counts.
    _copy(state / secret_store.FILE, to / secret_store.FILE)
    _copy_database(state / database.FILE, to / database.FILE)
    revision, objects = _fits_together(to)
    if (state / desk_database.FILE).exists():
        _copy_database(state / desk_database.FILE, to / desk_database.FILE)
    for name in _WHOLE:
        _copy(state / name, to / name)
    lines = _copy_journal(state / FOLDER, to)
    return BackedUp(revision, objects, lines)


def _copy_database(path: Path, to: Path) -> None:
    os.close(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with (
        closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(to)) as copy,
    ):
        source.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")  # one file
        if (found := copy.execute("PRAGMA integrity_check").fetchone()[0]) != "ok":
            raise StateUnreadableError(f"damaged: {found}", str(path))


def _fits_together(copied: Path) -> tuple[int, int]:
    """The newest revision and how many objects it has, when every secret that they name was copied."""
    with closing(sqlite3.connect(copied / database.FILE)) as copy:
        revision = copy.execute("SELECT coalesce(max(rev), 0) FROM revisions").fetchone()[0]
        bodies = [json.loads(text) for (text,) in copy.execute("SELECT body FROM objects")]
    secrets = copied / secret_store.FILE
    kept = set(json.loads(secrets.read_text("utf-8"))) if secrets.exists() else set()
    for body in bodies:
        for reference in references(body):
            if reference.removeprefix("state:") not in kept:
                raise _Changed(f"a secret of {body['kind']}/{body['name']} is missing")
    return revision, len(bodies)


def _copy_journal(journal: Path, to: Path) -> int:
    folder = to / FOLDER
    folder.mkdir(mode=0o700)
    # The note first: it may not name a checkpoint that the copy does not have.
    _copy(journal / NEWEST, folder / NEWEST)
    for segment in segment_files(journal):
        try:
            text = segment.read_bytes()
        except FileNotFoundError:
            raise _Changed("the journal was purged meanwhile") from None
        _write(folder / segment.name, text[: text.rfind(b"\n") + 1])
    result = verify(folder, load_public(to / (KEY + ".pub")))
    if result.finding is not None:
        raise _Changed(str(result.finding))
    return result.lines


def _copy(source: Path, target: Path) -> None:
    if source.exists():
        _write(target, source.read_bytes())


def _write(path: Path, content: bytes) -> None:
    with open(path, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as out:
        out.write(content)


def _make_durable(folder: Path) -> None:
    for path in [*folder.rglob("*"), folder]:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
