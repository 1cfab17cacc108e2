"""Says whether a journal is as it was written, and else the first line that is not."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from vigie.errors import JournalDamagedError
from vigie.journal import keys
from vigie.journal.line import NO_LINE, Line, split_line
from vigie.journal.purge import Anchor, anchor_of, find_anchors, latest, months_before
from vigie.journal.records import Checkpoint, JournalCreated, parse_record
from vigie.journal.segments import NEWEST, RawLine, is_written, raw_lines, read_newest, segment_files
from vigie.journal.texts import NS, instant_text, parse_instant
from vigie.policy.objects import FLOOR_MONTHS

What = Literal[
    "altered",  # within the line
    "rewritten",  # the line holds in itself, and the next one follows another
    "missing",
    "moved",
    "repeated",
    "inserted",
    "removed",  # its entry is gone, and no anchor says so
    "purged_early",  # an anchor below the floor of retention
    "signature",
    "key",
    "truncated",
    "torn",
    "differs",  # from the second place
    "second_place",
]


@dataclass(frozen=True)
class Finding:
    """What is wrong first. `number`: the line in the file, from 1; 0: the file as a whole."""

    what: What
    file: Path
    number: int
    seq: int
    text: str

    def __str__(self) -> str:
        line = f":{self.number}" if self.number else ""
        return f"{self.file}{line}: seq {self.seq}: {self.what}: {self.text}"


@dataclass
class Verification:
    """What a verification found. `finding`: None, if all holds. `notes`: what one should know all the same."""

    folder: Path
    finding: Finding | None = None
    notes: list[str] = field(default_factory=list)
    segments: int = 0
    lines: int = 0
    purged: int = 0
    checkpoints: int = 0
    first_seq: int = 0
    last_seq: int = 0
    first_at: str = ""
    last_at: str = ""
    signed_through: int = 0
    journal: str = ""
    key: str = ""
    key_given: bool = False

    @property
    def ok(self) -> bool:
        """Whether all holds."""
        return self.finding is None


_CLOCK_NS = 86_400 * NS  # a clock that went back between the plan of a purge and its line makes no finding


class _Found(Exception):  # noqa: N818 - it ends the reading, and is no error
    def __init__(self, finding: Finding) -> None:
        self.finding = finding


def verify(
    folder: Path,
    key: Ed25519PublicKey | None = None,
    against: Path | None = None,
    noted: Line | None = None,
    *,
    is_copy: bool = False,
) -> Verification:
    """Reads a whole journal, line by line.

    Parameters: `key`: of the one who is to have signed; without it the journal's own word is taken, which proves only
    that it agrees with itself. `against`: the second place. `noted`: a checkpoint that somebody kept elsewhere.
    `is_copy`: the folder is a second place, which may be without the note of its newest checkpoint.
    A journal that is being written may be verified. One that is purged meanwhile is read again.
    Raises: NotFoundError where there is no journal; OSError.
    """
    while True:
        begins = segment_files(folder)[:1]
        try:
            result, anchors = _verify_once(folder, key, against, noted, is_copy=is_copy)
            if result.finding is None or find_anchors(folder) == anchors:
                return result
        except FileNotFoundError:
            if segment_files(folder)[:1] == begins:
                raise


def _verify_once(
    folder: Path, key: Ed25519PublicKey | None, against: Path | None, noted: Line | None, *, is_copy: bool
) -> tuple[Verification, list[Anchor]]:
    """Also the anchors that it went by."""
    result = Verification(folder, key_given=key is not None, key="" if key is None else keys.public_text(key))
    copy = None
    if against is not None:
        copy = verify(against, key, is_copy=True)
        # Before ours is read: what comes in between must not look as if it were missing here.
        sizes = {file: file.stat().st_size for file in segment_files(against)}
    reader = _Reader(result, noted, is_copy)
    if copy is not None and against is not None:
        reader.compare_with(_lines_within(sizes))
    try:
        reader.read()
    except _Found as found:
        result.finding = found.finding
    if copy is not None:
        _judge_copy(result, copy)
    return result, reader.anchors


def _judge_copy(result: Verification, copy: Verification) -> None:
    if result.finding is not None:
        return
    if copy.finding is not None:
        first = copy.finding
        text = f"the second place does not hold: {first.what}: {first.text}"
        result.finding = Finding("second_place", first.file, first.number, first.seq, text)
    elif copy.journal != result.journal:
        text = f"it holds the journal {copy.journal or 'of nobody'}, this one is {result.journal}"
        result.finding = Finding("second_place", copy.folder, 0, 0, text)
    elif copy.last_seq < result.last_seq:
        result.notes.append(f"the second place holds lines up to seq {copy.last_seq}, this one up to {result.last_seq}")


def _lines_within(sizes: dict[Path, int]) -> Iterator[tuple[RawLine, Line]]:
    for file, size in sizes.items():
        for raw in raw_lines(file):
            line = split_line(raw.text)
            if raw.offset >= size or line is None:
                break
            yield raw, line


class _Reader:
    """One reading of a journal."""

    def __init__(self, result: Verification, noted: Line | None, is_copy: bool) -> None:
        self._result = result
        self._folder = result.folder
        self._noted = noted
        self._is_copy = is_copy
        self._live = is_written(self._folder)
        self._newest_fault: Finding | None = None
        self._newest = self._read_newest()
        self._files = segment_files(self._folder)
        self.anchors = find_anchors(self._folder)
        self._until = latest(self.anchors)
        self._before: tuple[RawLine, Line] | None = None
        self._copy: Iterator[tuple[RawLine, Line]] | None = None
        self._copy_next: tuple[RawLine, Line] | None = None

    def _read_newest(self) -> Line | None:
        try:
            return read_newest(self._folder)
        except JournalDamagedError as error:
            self._newest_fault = Finding("altered", self._folder / NEWEST, 1, 0, error.what)
            return None

    def compare_with(self, lines: Iterator[tuple[RawLine, Line]]) -> None:
        """The lines of the second place, beside which ours are laid."""
        self._copy = lines
        self._copy_next = next(lines, None)

    def read(self) -> None:
        """Reads all. Raises _Found at the first line that does not hold."""
        self._result.segments = len(self._files)
        for file in self._files:
            for raw in raw_lines(file):
                if not raw.whole and self._is_end(raw):
                    self._torn(raw)
                    break
                self._take(raw)
        self._finish()

    def _is_end(self, raw: RawLine) -> bool:
        return raw.file == self._files[-1] and raw.offset + len(raw.text) >= raw.file.stat().st_size

    def _torn(self, raw: RawLine) -> None:
        if self._live:
            self._result.notes.append("the journal is being written: its last line is not finished")
            return
        expected = self._result.last_seq + 1
        text = (
            f"{len(raw.text)} bytes of a line without its end: a crash left them, or somebody cut the file; the next "
            "start takes them off"
        )
        self._found("torn", raw, expected, text)

    def _found(self, what: What, raw: RawLine, seq: int, text: str) -> None:
        raise _Found(Finding(what, raw.file, raw.number, seq, text))

    def _take(self, raw: RawLine) -> None:
        expected = self._result.last_seq + 1 if self._before else 0
        line = split_line(raw.text)
        if line is None:
            self._found("altered", raw, expected, "it does not have the form of a line")
            return
        if fault := line.fault():
            self._found("altered", raw, expected or line.seq, fault)
        self._follows(raw, line, expected)
        if raw.number == 1 and int(raw.file.stem) != line.seq:
            self._found("altered", raw, line.seq, "the file's name does not say the seq of its first line")
        if line.purged:
            self._take_purged(raw, line)
        elif line.category == "journal":
            self._take_own(raw, line)
        self._lay_beside(raw, line)
        self._is_noted(raw, line)
        self._before = (raw, line)
        result = self._result
        result.lines += 1
        result.last_seq, result.last_at = line.seq, line.at

    def _follows(self, raw: RawLine, line: Line, expected: int) -> None:
        """Raises where the line does not follow the one before."""
        if self._before is None:
            self._begin(raw, line)
            return
        before_raw, before = self._before
        if line.seq == expected and line.prev == before.hash:
            return
        if line.seq == expected:
            self._found(
                "rewritten", before_raw, before.seq, f"the line of seq {line.seq} follows another line than this"
            )
        if line.seq > expected:
            if place := self._find(expected, raw):
                self._found("moved", raw, expected, f"seq {line.seq} stands here; seq {expected} stands in {place}")
            missing = f"seq {expected}" if line.seq == expected + 1 else f"seq {expected} to {line.seq - 1}"
            self._found("missing", raw, expected, f"{missing} is not there; seq {line.seq} follows")
        if line.seq == before.seq and line.hash != before.hash:
            text = f"seq {line.seq} stands in this line and in {raw.file.name}:{raw.number}, and they differ"
            self._found("inserted", before_raw, before.seq, text)
        if place := self._find(expected, raw):
            self._found("moved", raw, expected, f"seq {line.seq} stands here; seq {expected} stands in {place}")
        self._found("repeated", raw, line.seq, f"seq {line.seq} stands here a second time; seq {expected} belongs here")

    def _find(self, seq: int, after: RawLine) -> str:
        """Where a seq stands further on, or ""."""
        start = b'{"seq":%d,' % seq
        for file in self._files[self._files.index(after.file) :]:
            for raw in raw_lines(file):
                if raw.text.startswith(start) and (file != after.file or raw.number > after.number):
                    return f"{file.name}:{raw.number}"
        return ""

    def _begin(self, raw: RawLine, line: Line) -> None:
        self._result.first_seq, self._result.first_at = line.seq, line.at
        if line.seq == 1 and line.prev != NO_LINE:
            self._found("rewritten", raw, 1, "the first line follows another line")
        if line.seq > 1 and (place := self._find(1, raw)):
            self._found("moved", raw, 1, f"seq {line.seq} stands here; seq 1 stands in {place}")
        if line.seq > 1 and line.seq > max((anchor.begins for anchor in self.anchors), default=1):
            self._found(
                "missing", raw, 1, f"seq 1 to {line.seq - 1} is not there, and no anchor says that it was purged"
            )

    def _take_purged(self, raw: RawLine, line: Line) -> None:
        self._result.purged += 1
        if line.at >= self._until.get(line.category, ""):
            self._found(
                "removed", raw, line.seq, f"its entry is gone, and no anchor purges {line.category} of {line.at}"
            )

    def _take_own(self, raw: RawLine, line: Line) -> None:
        try:
            record = parse_record(line.record_text())
        except ValueError:
            self._found("altered", raw, line.seq, "an entry of the journal's own that cannot be read")
            return
        if isinstance(record, JournalCreated):
            self._same_journal(raw, line, record.journal, record.key)
        elif isinstance(record, Checkpoint):
            self._take_checkpoint(raw, line, record)
        elif anchor := anchor_of(line):
            floor = instant_text(max(0, months_before(parse_instant(line.at), FLOOR_MONTHS) + _CLOCK_NS))
            early = [category for category, until in anchor.until.items() if until > floor]
            if early:
                text = f"{', '.join(early)} was purged up to less than {FLOOR_MONTHS} months before"
                self._found("purged_early", raw, line.seq, text)

    def _same_journal(self, raw: RawLine, line: Line, journal: str, key: str) -> None:
        result = self._result
        result.journal = result.journal or journal
        result.key = result.key or key
        if journal != result.journal:
            self._found(
                "signature", raw, line.seq, f"it belongs to the journal {journal}, this one is {result.journal}"
            )
        if key != result.key:
            whose = "the key given" if result.key_given else "the key of the lines before"
            self._found("key", raw, line.seq, f"it names the key {key}, {whose} is {result.key}")

    def _take_checkpoint(self, raw: RawLine, line: Line, record: Checkpoint) -> None:
        self._same_journal(raw, line, record.journal, record.key)
        if (record.through, record.head) != (line.seq - 1, line.prev):
            self._found("signature", raw, line.seq, f"the checkpoint signs another place: seq {record.through}")
        message = keys.checkpoint_message(record.journal, record.through, record.head)
        if not keys.holds(self._result.key, message, record.signature):
            self._found("signature", raw, line.seq, "the checkpoint's signature does not hold")
        self._result.checkpoints += 1
        self._result.signed_through = record.through

    def _lay_beside(self, raw: RawLine, line: Line) -> None:
        """Compares with the second place, which may begin earlier: it is purged by itself."""
        while self._copy is not None and self._copy_next is not None and self._copy_next[1].seq < line.seq:
            self._copy_next = next(self._copy, None)
        if self._copy_next is None or self._copy_next[1].seq != line.seq:
            return
        copy_raw, copy = self._copy_next
        if copy.hash != line.hash:
            self._found(
                "differs", raw, line.seq, f"the second place holds another line: {copy_raw.file}:{copy_raw.number}"
            )

    def _is_noted(self, raw: RawLine, line: Line) -> None:
        for noted, name in ((self._newest, NEWEST), (self._noted, "the checkpoint given")):
            if noted is not None and noted.seq == line.seq and noted.hash != line.hash:
                self._found("differs", raw, line.seq, f"it is not the checkpoint that stands in {name}")

    def _finish(self) -> None:
        """What can be said only at the end."""
        if self._newest_fault is not None:
            raise _Found(self._newest_fault)
        self._reaches(self._newest, f"the newest checkpoint ({NEWEST})")
        self._reaches(self._noted, "the checkpoint given")
        if self._copy is not None and self._copy_next is not None:
            self._reaches(next(self._later_copies(), None), "the second place")
        noted_late = self._live and self._result.checkpoints <= 1
        if self._newest is None and self._result.lines and not noted_late and not self._is_copy:
            self._end("truncated", f"{NEWEST} is missing: a cut of the end would not be seen")
        unsigned = self._result.last_seq - self._result.signed_through
        if unsigned > 1:
            self._result.notes.append(f"the last {unsigned} lines are not signed yet")
        if not self._result.key_given:
            self._result.notes.append("no key was given: signatures were checked with the key that the journal names")
        if not self._result.lines:
            self._result.notes.append("the journal is empty")

    def _later_copies(self) -> Iterator[Line]:
        assert self._copy is not None
        assert self._copy_next is not None
        for _, line in (self._copy_next, *self._copy):
            if line.seq > self._result.last_seq:
                yield line

    def _reaches(self, line: Line | None, what: str) -> None:
        last = self._result.last_seq
        if line is not None and line.seq > last:
            self._end("truncated", f"the journal ends at seq {last}; {what} knows seq {line.seq}")

    def _end(self, what: What, text: str) -> None:
        if self._before is None:
            raise _Found(Finding(what, self._folder, 0, 1, text))
        self._found(what, self._before[0], self._result.last_seq + 1, text)
