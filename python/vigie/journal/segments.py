"""The files of a journal's folder.

`00000000000000000001.jsonl` and so on: segments, named by the seq of their first line. `newest.json`: the newest
checkpoint, as the line that it is. `second-place.json`: what the second place has confirmed. `lock`: held by the one
who writes.
"""

import contextlib
import fcntl
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from vigie.durable import lock_file, sync_folder
from vigie.errors import JournalBusyError, JournalDamagedError, NotFoundError
from vigie.journal.line import MAX_LINE_BYTES, Line, split_line

NEWEST = "newest.json"
SECOND = "second-place.json"
_SEGMENT = re.compile(r"[0-9]{20}\.jsonl")


def segment_name(first_seq: int) -> str:
    """The file that begins with this line."""
    return f"{first_seq:020d}.jsonl"


def segment_files(folder: Path) -> list[Path]:
    """The segments, in order. Raises NotFoundError where there is no folder."""
    try:
        names = sorted(name for name in os.listdir(folder) if _SEGMENT.fullmatch(name))
    except OSError as error:
        raise NotFoundError(f"no journal: {error.strerror}", str(folder)) from None
    return [folder / name for name in names]


@dataclass(frozen=True, slots=True)
class RawLine:
    """A line as it stands, without its line feed. `number` counts from 1 in its file; `whole`: a line feed ends it."""

    file: Path
    number: int
    offset: int
    text: bytes
    whole: bool


def raw_lines(file: Path) -> Iterator[RawLine]:
    """The lines of a segment. A line beyond the limit is cut there: it cannot be right."""
    with file.open("rb") as stream:
        number = offset = 0
        while text := stream.readline(MAX_LINE_BYTES + 1):
            number += 1
            whole = text.endswith(b"\n")
            yield RawLine(file, number, offset, text[:-1] if whole else text, whole)
            offset += len(text)


def read_newest(folder: Path) -> Line | None:
    """The newest checkpoint that was noted; None: there is no such file. Raises JournalDamagedError."""
    path = folder / NEWEST
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    line = split_line(text.removesuffix(b"\n")) if len(text) <= MAX_LINE_BYTES else None
    fault = "not a line of a journal" if line is None else line.fault()
    if line is None or fault:
        raise JournalDamagedError(fault, str(path))
    return line


def take_lock(folder: Path) -> int:
    """The descriptor that holds the right to write; closing it gives it back. Raises JournalBusyError."""
    for pause_s in (0.01, 0.02, 0.05, None):  # whoever verifies holds it too, for an instant
        with contextlib.suppress(BlockingIOError):
            return lock_file(folder / "lock")
        if pause_s is not None:
            time.sleep(pause_s)
    raise JournalBusyError("right would be one writer a folder", str(folder))


def is_written(folder: Path) -> bool:
    """Whether somebody holds the right to write now. Changes nothing, and works where nothing may be written."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder / "lock", os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
    return False


Write = Callable[[int, bytes], int]


class SegmentWriter:
    """Appends to the last segment, and begins another where that one is large.

    Thread: one at a time. After an error that leaves unknown what is on the disk, `broken` says so, and nothing is
    written any more.
    """

    def __init__(self, folder: Path, limit_bytes: int, write: Write = os.write) -> None:
        self._folder = folder
        self._limit = limit_bytes
        self._write = write
        self._path = folder
        self._file: int | None = None
        self._size = 0
        self.broken = False
        if files := segment_files(folder):
            self._open(files[-1])

    def _open(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._path = path
        self._size = os.fstat(self._file).st_size

    def append(self, first_seq: int, text: bytes) -> None:
        """Appends whole lines and returns when they are durable. Raises OSError; nothing is kept then."""
        if self._file is None or self._size >= self._limit:
            self._begin(first_seq)
        assert self._file is not None
        done = 0
        try:
            while done < len(text):
                done += self._write(self._file, text[done:] if done else text)
        except OSError:
            self._take_back()
            raise
        try:
            os.fdatasync(self._file)
        except OSError:
            self.broken = True  # the system may have dropped the pages: what is on the disk is not known
            raise
        self._size += len(text)

    def is_in_place(self) -> bool:
        """Whether what is written is what a reader of the folder finds: neither moved nor unmounted meanwhile."""
        try:
            return self._file is None or os.path.samestat(os.stat(self._path), os.fstat(self._file))
        except OSError:
            return False

    def rotate(self, next_seq: int) -> None:
        """What comes next stands in another segment, unless this one is empty."""
        if self._size:
            self._begin(next_seq)

    def _begin(self, first_seq: int) -> None:
        self.close()
        self._open(self._folder / segment_name(first_seq))
        sync_folder(self._folder)

    def _take_back(self) -> None:
        assert self._file is not None
        try:
            os.ftruncate(self._file, self._size)
        except OSError:
            self.broken = True

    def close(self) -> None:
        """Gives the file back."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
            self._size = 0
