"""Where a journal stands when a writer takes it over, and the cutting of what a crash left unfinished.

What may be cut was never acknowledged: lines are acknowledged when they are durable, and the next ones are written only
then. A process that dies leaves whole lines and at most one without its end. A machine that loses power may also leave
zeros in the place of the last write. Whatever else does not hold is not repaired: somebody has to look at it.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from vigie.errors import JournalDamagedError
from vigie.journal.line import MAX_LINE_BYTES, Chain, Line, split_line
from vigie.journal.records import Checkpoint, parse_record
from vigie.journal.segments import NEWEST, RawLine, raw_lines, read_newest, segment_files
from vigie.journal.texts import parse_instant


@dataclass(frozen=True)
class Standing:
    """What the writer goes on from. `checkpoint`: the newest."""

    chain: Chain
    clean: bool
    cut_bytes: int
    checkpoint: Checkpoint
    checkpoint_seq: int


def recover(folder: Path, batch_bytes: int, *, is_copy: bool = False) -> Standing | None:
    """Reads the end of a journal and cuts an unfinished line off; None: the journal has no line.

    Checked is the last segment alone, and that it reaches the newest checkpoint: `verify` checks the rest.
    Parameters: `batch_bytes`: the longest write, beyond which nothing can be unfinished; `is_copy`: the folder is a
    second place, which may be without the note of its newest checkpoint.
    Raises: JournalDamagedError, which names the file and the line; nothing was changed then.
    """
    newest = read_newest(folder)
    end = _End()
    cuts: list[tuple[Path, int, int]] = []
    for file in reversed(segment_files(folder)):
        end = _read_segment(file, newest, batch_bytes)
        size = file.stat().st_size
        if end.offset < size:
            cuts.append((file, end.offset, size - end.offset))
        if end.last is not None:
            break
    last = end.last
    if newest is not None and (last is None or last.seq < newest.seq):
        ends = 0 if last is None else last.seq
        what = f"the journal ends at seq {ends}; its newest checkpoint stands at seq {newest.seq}"
        raise JournalDamagedError(what, str(folder / NEWEST))
    if newest is None and last is not None:
        newest = _find_checkpoint(folder, is_copy)
        if newest is None:
            _forget_first_write(folder, last, cuts)
            last = None
    checkpoint = None if newest is None else _checkpoint(newest)
    for file, offset, _ in cuts:
        _cut(file, offset)
    if last is None or newest is None or checkpoint is None:
        return None
    return Standing(
        chain=Chain(last.seq, last.hash, parse_instant(last.at)),
        # A writer that closes in good order writes that it does, and signs it.
        clean=end.before_last is not None and b'"kind":"journal.closed"' in end.before_last.entry,
        cut_bytes=sum(count for _, _, count in cuts),
        checkpoint=checkpoint,
        checkpoint_seq=newest.seq,
    )


@dataclass(slots=True)
class _End:
    """The last two whole lines of a segment, and the offset behind them."""

    before_last: Line | None = None
    last: Line | None = None
    offset: int = 0


def _read_segment(file: Path, newest: Line | None, batch_bytes: int) -> _End:
    end = _End()
    for raw in raw_lines(file):
        line = split_line(raw.text) if raw.whole else None
        fault = "it does not have the form of a line" if line is None else line.fault()
        last = end.last
        if line is not None and not fault and last is not None and (line.seq, line.prev) != (last.seq + 1, last.hash):
            fault = "it does not follow the line before"
        if (
            line is not None
            and not fault
            and newest is not None
            and line.seq == newest.seq
            and line.hash != newest.hash
        ):
            fault = f"it is not the checkpoint that stands in {NEWEST}"
        if fault and _is_unfinished(raw, batch_bytes):
            return end
        if line is None or fault:
            raise JournalDamagedError(fault, f"{file}:{raw.number}")
        end = _End(last, line, raw.offset + len(raw.text) + 1)
    return end


def _is_unfinished(raw: RawLine, batch_bytes: int) -> bool:
    """Whether what begins here is what a crash leaves: the end of the file, cut off or with zeros in it."""
    rest = raw.file.stat().st_size - raw.offset
    if not raw.whole and rest == len(raw.text):
        return True
    return rest <= batch_bytes and b"\0" in raw.text


def _forget_first_write(folder: Path, last: Line, cuts: list[tuple[Path, int, int]]) -> None:
    """A journal begins with a checkpoint in its first write; whoever began this one died before, and told nobody."""
    files = segment_files(folder)
    if last.seq > 2 or files[0].stat().st_size > MAX_LINE_BYTES:
        raise JournalDamagedError(f"no checkpoint in {last.seq} lines", str(folder))
    cuts[:] = [(file, 0, file.stat().st_size) for file in files]


def _cut(file: Path, end: int) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.ftruncate(descriptor, end)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _find_checkpoint(folder: Path, is_copy: bool) -> Line | None:
    """The newest checkpoint where none is noted: a writer died right behind its first one, or notes none there."""
    found: Line | None = None
    for file in segment_files(folder):
        for raw in raw_lines(file):
            if b'"journal.checkpoint"' in raw.text and (line := split_line(raw.text)) and line.category == "journal":
                if found is not None and not is_copy:
                    raise JournalDamagedError("the note of the newest checkpoint is missing", str(folder / NEWEST))
                found = line
    return found


def _checkpoint(line: Line) -> Checkpoint:
    try:
        record = parse_record(line.record_text())
    except ValueError:
        record = None
    if not isinstance(record, Checkpoint):
        raise JournalDamagedError("no checkpoint", f"seq {line.seq}")
    return record
