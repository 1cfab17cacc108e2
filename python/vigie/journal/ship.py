"""Copies the journal to a second place as it grows (L-32)."""

import contextlib
import json
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from vigie.durable import replace_file
from vigie.errors import InvalidArgumentError, NotFoundError
from vigie.journal.line import MAX_LINE_BYTES, NO_LINE, Chain, split_line
from vigie.journal.purge import anchor_of
from vigie.journal.recover import recover
from vigie.journal.segments import (
    NEWEST,
    SECOND,
    SegmentWriter,
    raw_lines,
    segment_files,
    take_lock,
)

SEND_BYTES = 1 << 20
REMEMBER_LINES = 1000


@dataclass(frozen=True)
class Alarm:
    """What somebody should know of the journal."""

    what: Literal["second_place_away", "second_place_back", "second_place_differs", "checkpoint_not_noted"]
    text: str


@dataclass(frozen=True)
class Held:
    """The newest line that a place holds; seq 0: none."""

    seq: int = 0
    hash: str = NO_LINE


class SecondPlace(Protocol):
    """Somewhere else, to which lines can only be added. Called from one thread; whatever it raises means: away."""

    def held(self) -> Held:
        """What it holds, asked anew whenever it has been away."""

    def send(self, lines: bytes) -> None:
        """Adds whole lines behind those it holds; returns when they are durable there."""

    def close(self) -> None:
        """No more comes for now; `held` may be asked again."""


class FolderPlace:
    """A folder on another machine's file system, or on another disk. It must exist: one that is not mounted is away.

    What it holds is a journal of its own right: `vigie journal verify --copy` reads it, a torn end is cut as there.
    Best is a file system that lets files grow and appear but not shrink, go or be replaced (`chattr +a`): the note of
    the newest checkpoint is left out there, and a torn end has to be cut by whoever looks after the place.
    """

    def __init__(self, folder: Path, segment_bytes: int = 16 << 20) -> None:
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._lock: int | None = None
        self._segments: SegmentWriter | None = None
        self._held = Held()

    def held(self) -> Held:
        """Opens the folder."""
        self.close()
        if not self._folder.is_dir():
            raise NotFoundError("no such folder; it is made by whoever sets the second place up", str(self._folder))
        self._lock = take_lock(self._folder)
        standing = recover(self._folder, SEND_BYTES + MAX_LINE_BYTES, is_copy=True)
        self._held = Held() if standing is None else Held(standing.chain.seq, standing.chain.hash)
        self._segments = SegmentWriter(self._folder, self._segment_bytes)
        return self._held

    def send(self, lines: bytes) -> None:
        """Appends to the folder's segments, and notes the newest checkpoint there as well.

        Raises: OSError; NotFoundError where the folder was moved or unmounted meanwhile.
        """
        parts = [split_line(text) for text in lines.splitlines()]
        first, last = parts[0], parts[-1]
        if (
            self._segments is None
            or first is None
            or last is None
            or (first.seq, first.prev)
            != (
                self._held.seq + 1 if self._held.seq else first.seq,
                self._held.hash if self._held.seq else first.prev,
            )
        ):
            raise InvalidArgumentError("lines that do not follow those it holds", str(self._folder))
        self._segments.append(first.seq, lines)
        if not self._segments.is_in_place():
            raise NotFoundError("the folder was there, and is not any more", str(self._folder))
        self._held = Held(last.seq, last.hash)
        if any(part is not None and anchor_of(part) for part in parts):
            self._segments.rotate(last.seq + 1)  # what the anchor names can be taken out of closed segments alone
        for part in reversed(parts):
            if part is not None and part.category == "journal" and b'"kind":"journal.checkpoint"' in part.entry:
                with contextlib.suppress(OSError):  # where nothing can be replaced, nothing can be cut off either
                    replace_file(self._folder / NEWEST, part.text())
                break

    def close(self) -> None:
        """Gives the folder back."""
        if self._segments is not None:
            self._segments.close()
            self._segments = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


class Shipper:
    """Brings a second place up to the journal, from the journal's own files, on a thread of its own.

    A place that is away is tried again every `retry_s` and caught up with; the alarm comes once, and again when it is
    back. A place that holds other lines than the journal, or fewer than it once confirmed, is never written to.
    """

    def __init__(self, folder: Path, place: SecondPlace, on_alarm: Callable[[Alarm], None], retry_s: float) -> None:
        self._folder, self._place, self._on_alarm, self._retry_s = folder, place, on_alarm, retry_s
        self._wake = threading.Condition()
        self._told = Chain()
        self._closing = False
        self._in_step = False
        self._away = False
        self._differs = False
        self.held = self._remembered = _remembered(folder)
        self._cursor = _Cursor(folder)
        self._thread = threading.Thread(target=self._run, name="vigie-journal-ship", daemon=True)
        self._thread.start()

    def tell(self, chain: Chain) -> None:
        """The journal is durable up to here."""
        with self._wake:
            self._told = chain
            self._wake.notify()

    def close(self, wait_s: float) -> None:
        """Tries once more, if something is missing there, and ends; a place that does not answer is not waited for."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join(wait_s)

    def _run(self) -> None:
        while True:
            with self._wake:
                if not self._closing and (self._away or self._differs or self._told.seq <= self.held):
                    self._wake.wait(self._retry_s if self._away else None)
                told, closing = self._told, self._closing
            if not self._differs and told.seq > 0:
                self._bring_up_to(told)
            if closing:
                self._remember()
                self._close_place()
                return

    def _bring_up_to(self, told: Chain) -> None:
        try:
            if not self._in_step:
                self._in_step = self._compare(told)
            while self._in_step and self.held < told.seq:
                last, lines = self._cursor.read(self.held + 1, told.seq)
                self._place.send(lines)
                self.held = last
        except Exception as error:  # noqa: BLE001 - a fault of a place that a host made must not end the copying unseen
            self._in_step = False
            self._remember()
            self._close_place()
            if not self._away:
                self._away = True
                self._alarm(Alarm("second_place_away", str(error)))
            return
        if self._away and self._in_step:
            self._away = False
            self._alarm(Alarm("second_place_back", f"it holds all up to seq {self.held}"))
        if self.held - self._remembered >= REMEMBER_LINES:
            self._remember()

    def _alarm(self, alarm: Alarm) -> None:
        with contextlib.suppress(Exception):  # a fault of a host that hears it must not end the copying
            self._on_alarm(alarm)

    def _remember(self) -> None:
        """Keeps what the place has confirmed; less often than it confirms, for it costs two writes of the disk."""
        if self.held > self._remembered:
            with contextlib.suppress(OSError):  # the next time, then
                replace_file(self._folder / SECOND, json.dumps({"held": self.held}).encode())
                self._remembered = self.held

    def _compare(self, told: Chain) -> bool:
        """Whether the place holds what the journal holds, or less than it that was never confirmed."""
        there = self._place.held()
        fault = ""
        if there.seq < self.held:
            fault = f"it holds lines up to seq {there.seq}, and has confirmed seq {self.held}"
        elif there.seq > told.seq:
            fault = f"it holds lines up to seq {there.seq}, the journal only up to seq {told.seq}"
        elif there.seq and (ours := _hash_at(self._folder, there.seq)) not in ("", there.hash):
            fault = f"its line of seq {there.seq} has the hash {there.hash}, the journal's {ours}"
        if fault:
            self._differs, self._away = True, False
            self._close_place()
            self._alarm(Alarm("second_place_differs", fault))
            return False
        self.held = there.seq
        return True

    def _close_place(self) -> None:
        with contextlib.suppress(Exception):
            self._place.close()


def _remembered(folder: Path) -> int:
    try:
        held = json.loads((folder / SECOND).read_bytes())["held"]
    except (OSError, ValueError, KeyError, TypeError):
        return 0
    return held if isinstance(held, int) else 0


class _Cursor:
    """Reads the journal's lines in order, and remembers where it was."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._next_seq = 0
        self._file: Path | None = None
        self._inode = self._offset = 0

    def read(self, first: int, last: int) -> tuple[int, bytes]:
        """Lines from `first` on, up to the limit of one sending, and the seq of the last of them."""
        lines = bytearray()
        end = first - 1
        for file, offset in self._places(first):
            with file.open("rb") as stream:
                stream.seek(offset)
                inode = os.fstat(stream.fileno()).st_ino
                while end < last and len(lines) < SEND_BYTES:
                    line = split_line(stream.readline(MAX_LINE_BYTES + 1).removesuffix(b"\n"))
                    if line is None:
                        break
                    if line.seq >= first:
                        lines += line.text()
                        end = line.seq
                self._next_seq, self._file, self._inode, self._offset = end + 1, file, inode, stream.tell()
            if end == last or len(lines) >= SEND_BYTES:
                break
        if end < first:
            raise NotFoundError(f"the journal's line of seq {first} is not there", str(self._folder))
        return end, bytes(lines)

    def _places(self, first: int) -> Iterator[tuple[Path, int]]:
        """Where to read: on from where it was, unless a purge has put another file there."""
        files = segment_files(self._folder)
        begin = max((index for index, file in enumerate(files) if int(file.stem) <= first), default=0)
        offset = 0
        if self._next_seq == first and self._file in files and self._file.stat().st_ino == self._inode:
            begin, offset = files.index(self._file), self._offset
        for file in files[begin:]:
            yield file, offset
            offset = 0


def _hash_at(folder: Path, seq: int) -> str:
    """The hash of a line of the journal, "" where it is not there any more."""
    for file in reversed(segment_files(folder)):
        if int(file.stem) <= seq:
            for raw in raw_lines(file):
                line = split_line(raw.text)
                if line is not None and line.seq == seq:
                    return line.hash
            break
    return ""
