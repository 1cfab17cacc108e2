"""Retention by category, and the purge that leaves the chain whole (L-33).

First the anchor "purged until" is written, with a checkpoint right behind it; then the entries that it names are taken
out of the closed segments, their heads stay; leading segments without any entry left go as a whole. Whoever verifies
accepts a missing entry or a missing beginning only where such an anchor says so.
"""

import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from vigie.durable import replace_file, sync_folder
from vigie.errors import JournalDamagedError
from vigie.journal.line import Line, split_line
from vigie.journal.records import CATEGORIES, Actor, Category, Purge, PurgedUntil, parse_record
from vigie.journal.segments import raw_lines, segment_files
from vigie.journal.texts import NS, instant_text, parse_instant
from vigie.policy.objects import FLOOR_MONTHS, JournalMonths

_ANCHOR = re.compile(rb'"kind":"journal\.purge"')


class Retention(JournalMonths):
    """How many months each category is kept."""

    def months(self, category: Category) -> int:
        """Of one category."""
        months: int = getattr(self, category)
        return months


def months_before(time_ns: int, months: int) -> int:
    """The instant so many calendar months earlier, in UTC; at the month's end where it is shorter."""
    second, rest = divmod(time_ns, NS)
    then = datetime.fromtimestamp(second, UTC)
    total = then.year * 12 + then.month - 1 - months
    year, month = divmod(total, 12)
    for day in range(then.day, 0, -1):
        try:
            earlier = then.replace(year=year, month=month + 1, day=day)
        except ValueError:
            continue
        return int(earlier.timestamp()) * NS + rest
    raise AssertionError("every month has a first day")


@dataclass(frozen=True)
class Anchor:
    """A line that says what was purged."""

    seq: int
    at: str
    until: dict[str, str]  # by category, as texts: they sort as instants do
    begins: int


def find_anchors(folder: Path) -> list[Anchor]:
    """Every anchor of a journal. One counts only with a checkpoint in the very next line: they are written together.

    So no later checkpoint makes an anchor good that somebody else put there. Not checked: the signature.
    """
    found = []
    before: Anchor | None = None
    for file in segment_files(folder):
        if before is None and not _ANCHOR.search(file.read_bytes()):
            continue
        for raw in raw_lines(file):
            if before is not None and b'"kind":"journal.checkpoint"' in raw.text:
                found.append(before)
            line = split_line(raw.text) if _ANCHOR.search(raw.text) else None
            before = None if line is None else anchor_of(line)
    return found


def anchor_of(line: Line) -> Anchor | None:
    """The anchor that a line is, if it is one. Not checked: its hashes."""
    if line.category != "journal" or line.purged:
        return None
    try:
        record = parse_record(line.record_text())
    except ValueError:
        return None
    if not isinstance(record, Purge):
        return None
    return Anchor(line.seq, line.at, {each.category: instant_text(each.until) for each in record.purged}, record.begins)


def latest(anchors: list[Anchor]) -> dict[str, str]:
    """Until when each category is purged, by all anchors together."""
    until: dict[str, str] = {}
    for anchor in anchors:
        for category, instant in anchor.until.items():
            until[category] = max(until.get(category, ""), instant)
    return until


def is_gone(line: Line, until: dict[str, str]) -> bool:
    """Whether a line's entry is to be taken out."""
    return line.at < until.get(line.category, "")


def would_purge(folder: Path, retention: Retention, now_ns: int) -> bool:
    """Whether a purge at an instant would take out any entry.

    Raises: OSError, JournalDamagedError for a line that is none.
    """
    until = _until(retention, now_ns)
    *closed, written = segment_files(folder)
    if any(not line.purged and is_gone(line, until) for file in closed for line in _lines(file)):
        return True
    for raw in raw_lines(written):
        line = split_line(raw.text)
        if line is None:  # it is on its way to the disk
            break
        if not line.purged and is_gone(line, until):
            return True
    return False


def plan_purge(folder: Path, retention: Retention, now_ns: int, actor: Actor, shipped: int | None) -> Purge:
    """The anchor of a purge. `shipped`: what the second place has confirmed; lines beyond it keep their heads.

    It says what the anchors before it have said too, for they are purged in their turn; below the floor it says
    nothing, whoever did. The last segment, which is being written, is left as it is.
    Raises: OSError, JournalDamagedError for a line that is none.
    """
    until = _until(retention, now_ns)
    floor = instant_text(max(0, months_before(now_ns, FLOOR_MONTHS)))
    for category, instant in latest(find_anchors(folder)).items():
        until[category] = max(until.get(category, ""), min(instant, floor))
    *closed, written = segment_files(folder)
    begins = int(written.stem)
    for file in closed:
        first, last, empty = _extent(file, until)
        if first and (not empty or (shipped is not None and last > shipped)):
            begins = first
            break
    purged = tuple(PurgedUntil(category=each, until=parse_instant(until[each])) for each in CATEGORIES)
    return Purge(actor=actor, purged=purged, begins=begins)


def _until(retention: Retention, now_ns: int) -> dict[str, str]:
    return {each: instant_text(max(0, months_before(now_ns, retention.months(each)))) for each in CATEGORIES}


def _extent(file: Path, until: dict[str, str]) -> tuple[int, int, bool]:
    """The first and the last seq of a segment, and whether no entry stays in it."""
    first = last = 0
    empty = True
    for line in _lines(file):
        first = first or line.seq
        last = line.seq
        empty = empty and (line.purged or is_gone(line, until))
    return first, last, empty and bool(first)


@dataclass(frozen=True)
class Purged:
    """What a purge took out."""

    entries: int
    segments: int


def apply_anchors(folder: Path) -> Purged:
    """Takes out what the anchors name, from every segment but the last. May be repeated, and may die anywhere.

    For a copy: verify it first; what its anchors name goes, whoever wrote them.
    Raises: OSError, JournalDamagedError for a line that is none.
    """
    for left in folder.glob("*.jsonl.new"):  # a purge that died: what it was about to keep may be gone by now
        left.unlink()
    anchors = find_anchors(folder)
    until, begins = latest(anchors), max((anchor.begins for anchor in anchors), default=1)
    entries = segments = 0
    for file in segment_files(folder)[:-1]:
        kept = bytearray()
        gone, last = 0, 0
        for line in _lines(file):
            take_out = not line.purged and is_gone(line, until)
            gone += take_out
            last = line.seq
            kept += line.without_entry() if take_out else line.text()
        entries += gone
        if last < begins:
            os.unlink(file)
            sync_folder(folder)
            segments += 1
        elif gone:
            replace_file(file, bytes(kept))
    return Purged(entries, segments)


def _lines(file: Path) -> Iterator[Line]:
    for raw in raw_lines(file):
        if raw.number % 64 == 0:
            time.sleep(0)  # lets other threads of the writer's process go on: it is theirs too
        line = split_line(raw.text)
        if line is None:
            raise JournalDamagedError("it does not have the form of a line", f"{file}:{raw.number}")
        yield line
