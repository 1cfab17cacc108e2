"""Writes the journal: one thread takes what waits, writes it at once and makes it durable, then answers everybody."""

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from vigie.durable import replace_file
from vigie.errors import ClosedError, Error, InvalidArgumentError, JournalWriteFailedError, LimitExceededError
from vigie.journal import keys
from vigie.journal.line import MAX_LINE_BYTES, Chain
from vigie.journal.purge import Purged, Retention, apply_anchors, plan_purge
from vigie.journal.records import (
    Actor,
    Category,
    Checkpoint,
    ClockStep,
    JournalClosed,
    JournalCreated,
    JournalOpened,
    Record,
    record_bytes,
)
from vigie.journal.recover import Standing, recover
from vigie.journal.segments import NEWEST, SegmentWriter, Write, take_lock
from vigie.journal.ship import Alarm, SecondPlace, Shipper

__all__ = ["Journal", "Limits"]


@dataclass(frozen=True)
class Limits:
    """How a journal is written. A checkpoint comes after so many lines, or so much time after a line without one.

    `retry_s`: between two attempts at a second place that is away; `close_s`: how long `close` waits for it.
    """

    segment_bytes: int = 16 << 20
    batch_bytes: int = 1 << 20
    waiting_lines: int = 100_000
    checkpoint_lines: int = 1000
    checkpoint_s: float = 300.0
    retry_s: float = 5.0
    close_s: float = 10.0


def longest_write(batch_bytes: int) -> int:
    """The most that one write holds: a batch that was nearly full, what came last, and a checkpoint."""
    return 2 * batch_bytes + 2 * MAX_LINE_BYTES


@dataclass(slots=True)
class _Job:
    """What one caller wants written together, as (category, entry), and what it waits for."""

    entries: Sequence[tuple[Category, bytes]]
    future: Future[range] = field(default_factory=Future)
    sign: bool = False
    rotate: bool = False

    def __post_init__(self) -> None:
        # An asyncio task that is cancelled would cancel this future too; the line is written all the same.
        self.future.set_running_or_notify_cancel()


class Journal:
    """The writer of one folder. A context manager.

    `append` returns when the line is durable; calls that come together share one write and one fsync. Times come from
    `clock` (ns since 1970 UTC): a step back is recorded, and seq is the order in any case.
    Parameters: `key` signs; `second` gets a copy as the journal grows; `on_alarm` hears of what needs somebody, from a
    thread of the journal's, and may not wait for the journal there: the second place is away, is back, or holds
    something else; a checkpoint was not noted.
    Errors: JournalBusyError, JournalDamagedError (nothing is changed then), InvalidArgumentError for another key.
    Thread: everything may be called from any thread; for asyncio `await asyncio.wrap_future(journal.submit([record]))`.
    """

    def __init__(
        self,
        folder: Path,
        key: Ed25519PrivateKey,
        *,
        clock: Callable[[], int] = time.time_ns,
        limits: Limits | None = None,
        second: SecondPlace | None = None,
        on_alarm: Callable[[Alarm], None] = lambda alarm: None,
        write: Write = os.write,
    ) -> None:
        self.folder = folder
        self._key, self._public = key, keys.public_text(key)
        self._clock = clock
        self._limits = limits or Limits()
        self._on_alarm = on_alarm
        self._wake = threading.Condition()
        self._jobs: deque[_Job] = deque()
        self._waiting = 0
        self._closing = False
        self._purging = threading.Lock()
        self._shipper: Shipper | None = None
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = take_lock(folder)
        try:
            standing = self._take_over(recover(folder, longest_write(self._limits.batch_bytes)))
            self._segments = SegmentWriter(folder, self._limits.segment_bytes, write)
            opening = self._opening(standing)
            self._commit([opening])
            opening.future.result()
            self._shipper = None if second is None else Shipper(folder, second, on_alarm, self._limits.retry_s)
        except BaseException:
            os.close(self._lock)
            raise
        if self._shipper is not None:
            self._shipper.tell(self._chain)
        self._thread = threading.Thread(target=self._run, name="vigie-journal", daemon=True)
        self._thread.start()

    def _take_over(self, standing: Standing | None) -> Standing | None:
        self._chain = Chain() if standing is None else standing.chain
        self._signed_seq, self._signed_at = 0, self._chain.at_ns
        self._id = os.urandom(16).hex()
        if standing is not None:
            if standing.checkpoint.key != self._public:
                raise InvalidArgumentError(
                    "the journal was signed with another key; right would be that one, or a new folder",
                    str(self.folder),
                )
            self._id = standing.checkpoint.journal
            self._signed_seq = standing.checkpoint_seq
        return standing

    def _opening(self, standing: Standing | None) -> _Job:
        records: list[Record] = []
        if standing is None:
            records.append(JournalCreated(journal=self._id, key=self._public))
        clean = standing is None or standing.clean
        records.append(JournalOpened(clean=clean, cut_bytes=0 if standing is None else standing.cut_bytes))
        return _Job(_encoded(records), sign=standing is None)

    def append(self, record: Record) -> int:
        """Writes one entry; its seq, when it is durable. Raises as `submit`, and JournalWriteFailedError."""
        return self.append_many([record])[0]

    def append_many(self, records: Sequence[Record]) -> range:
        """Writes entries that belong together: in one piece, and in this order. Their seqs, when they are durable.

        Raises as `submit`, and JournalWriteFailedError, where none of them was written.
        """
        return self.submit(records).result()

    def append_all(self, records: Sequence[Record]) -> None:
        """As `append_many`, for any number of entries: in this order, in as few pieces as the limits allow.

        Raises as `append_many`; pieces before the one that failed may be written then.
        """
        limit = max(self._limits.batch_bytes, MAX_LINE_BYTES)
        pieces: list[list[tuple[Category, bytes]]] = [[]]
        size = 0
        for entry in _encoded(records):
            if pieces[-1] and size + len(entry[1]) > limit:
                pieces.append([])
                size = 0
            pieces[-1].append(entry)
            size += len(entry[1])
        for future in [self._submit(_Job(piece)) for piece in pieces]:
            future.result()

    def submit(self, records: Sequence[Record]) -> Future[range]:
        """As `append_many`, without waiting. Raises ClosedError, LimitExceededError where too many lines wait."""
        return self._submit(_Job(_encoded(records)))

    def checkpoint(self) -> int:
        """Signs now what was written before; the seq of the newest checkpoint."""
        self._submit(_Job((), sign=True)).result()
        return self._signed_seq

    @property
    def seq(self) -> int:
        """Of the newest line."""
        return self._chain.seq

    @property
    def unconfirmed_lines(self) -> int | None:
        """How many lines the second place has not confirmed yet; None: there is no second place."""
        if self._shipper is None:
            return None
        held = self._shipper.held  # first: it follows the chain
        return self._chain.seq - held

    def purge(self, retention: Retention, actor: Actor, at_ns: int | None = None) -> Purged:
        """Takes out what is older than its category is kept (L-33); the anchor is written and signed before.

        `at_ns`: the instant by which it is old, ns since 1970 UTC; by default that of the journal's clock.
        A crash in between leaves lines that the next purge takes out.
        Raises: JournalWriteFailedError, JournalDamagedError, OSError, ClosedError.
        """
        with self._purging:
            self._submit(_Job((), rotate=True)).result()
            shipped = None if self._shipper is None else self._shipper.held
            anchor = plan_purge(self.folder, retention, self._clock() if at_ns is None else at_ns, actor, shipped)
            self._submit(_Job(_encoded([anchor]), sign=True)).result()
            try:
                return apply_anchors(self.folder)
            except OSError as error:
                raise JournalWriteFailedError(f"{error.strerror}; the next purge goes on", str(self.folder)) from None

    def close(self) -> None:
        """Writes and signs the last line, brings the second place up to it if it answers, and gives the folder back.

        Raises: JournalWriteFailedError where that line could not be written; it is closed all the same.
        """
        with self._wake:
            if self._closing:
                return
            self._closing = True
            closing = _Job(_encoded([JournalClosed()]), sign=True)
            self._jobs.append(closing)
            self._wake.notify()
        self._thread.join()
        if self._shipper is not None:
            self._shipper.close(self._limits.close_s)
        self._segments.close()
        os.close(self._lock)
        closing.future.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _submit(self, job: _Job) -> Future[range]:
        size = sum(len(entry) for _, entry in job.entries)
        if size > max(self._limits.batch_bytes, MAX_LINE_BYTES):
            raise LimitExceededError(f"{size} bytes at once; right would be fewer entries", str(self.folder))
        with self._wake:
            if self._closing:
                raise ClosedError("the journal", str(self.folder))
            if self._waiting + len(job.entries) > self._limits.waiting_lines:
                raise LimitExceededError(f"{self._waiting} lines wait for the disk", str(self.folder))
            self._waiting += len(job.entries)
            self._jobs.append(job)
            self._wake.notify()
        return job.future

    def _run(self) -> None:
        while True:
            with self._wake:
                if not self._jobs and not self._closing:
                    self._wake.wait(None if self._signed_seq == self._chain.seq else self._limits.checkpoint_s)
                jobs = self._take()
                last = self._closing and not self._jobs
            try:
                if jobs or self._is_due(self._chain, self._clock()):
                    self._commit(jobs)
            except Exception as error:  # noqa: BLE001 - a fault of a host's clock or alarm must not leave callers waiting
                for job in jobs:
                    if not job.future.done():
                        job.future.set_exception(error)
            if last:
                return

    def _take(self) -> list[_Job]:
        """What fits in one write. A job that rotates comes first in it, one that signs last: an anchor needs that."""
        jobs: list[_Job] = []
        size = 0
        while self._jobs and size < self._limits.batch_bytes and not (jobs and (jobs[-1].sign or self._jobs[0].rotate)):
            job = self._jobs.popleft()
            size += sum(len(entry) + 512 for _, entry in job.entries)
            self._waiting -= len(job.entries)
            jobs.append(job)
        return jobs

    def _commit(self, jobs: Sequence[_Job]) -> None:
        """Writes jobs with one fsync and answers them. A job that cannot be written is answered with why."""
        writing = _Writing(self._chain, self._clock())
        answers: list[tuple[Future[range], range]] = []
        for job in jobs:
            try:
                answers.append((job.future, writing.add_all(job.entries)))
            except Error as error:
                job.future.set_exception(error)
        if any(job.sign for job in jobs) or self._is_due(writing.chain, writing.now_ns):
            self._sign(writing)
        try:
            if self._segments.broken:
                raise OSError(
                    0, "an earlier write failed in a way that cannot be undone; right would be to open it anew"
                )
            if any(job.rotate for job in jobs):
                self._segments.rotate(self._chain.seq + 1)
            if writing.text:
                self._segments.append(self._chain.seq + 1, bytes(writing.text))
        except OSError as error:
            for future, _ in answers:
                future.set_exception(JournalWriteFailedError(error.strerror or str(error), str(self.folder)))
            return
        self._chain = writing.chain
        if writing.checkpoint:
            self._note(writing)
        for future, seqs in answers:
            future.set_result(seqs)
        if self._shipper is not None:
            self._shipper.tell(self._chain)

    def _is_due(self, chain: Chain, now_ns: int) -> bool:
        if chain.seq == self._signed_seq:
            return False
        elapsed_s = (now_ns - self._signed_at) / 1e9
        return chain.seq - self._signed_seq >= self._limits.checkpoint_lines or not (
            0 <= elapsed_s < self._limits.checkpoint_s
        )

    def _sign(self, writing: "_Writing") -> None:
        writing.note_step()
        through, head = writing.chain.seq, writing.chain.hash
        signature = keys.sign(self._key, keys.checkpoint_message(self._id, through, head))
        record = Checkpoint(journal=self._id, key=self._public, through=through, head=head, signature=signature)
        writing.add(record.category, record_bytes(record))
        writing.checkpoint = writing.last

    def _note(self, writing: "_Writing") -> None:
        """Puts the checkpoint where a cut of the journal's end is seen against it."""
        self._signed_seq, self._signed_at = writing.chain.seq, writing.chain.at_ns
        try:
            replace_file(self.folder / NEWEST, writing.checkpoint)
        except OSError as error:
            with contextlib.suppress(Exception):  # the line is written, whatever a host makes of the alarm
                self._on_alarm(Alarm("checkpoint_not_noted", error.strerror or str(error)))


class _Writing:
    """Lines on their way to one write, all of one instant."""

    def __init__(self, chain: Chain, now_ns: int) -> None:
        self.chain = chain
        self.now_ns = now_ns
        self.text = bytearray()
        self.last = b""
        self.checkpoint = b""

    def add_all(self, entries: Sequence[tuple[Category, bytes]]) -> range:
        """Adds what belongs together, or nothing of it where one line is too long. Their seqs: they are in a row."""
        before, size = self.chain, len(self.text)
        try:
            self.note_step()
            first = self.chain.seq + 1
            for category, entry in entries:
                self.add(category, entry)
        except LimitExceededError:
            self.chain = before
            del self.text[size:]
            raise
        return range(first, self.chain.seq + 1)

    def note_step(self) -> None:
        """A line about the clock, where it has gone back since the line before."""
        if self.now_ns < self.chain.at_ns:
            step = ClockStep(before=self.chain.at_ns, now=self.now_ns)
            self.add(step.category, record_bytes(step))

    def add(self, category: Category, entry: bytes) -> None:
        """Adds one line."""
        self.chain, self.last = self.chain.add(self.now_ns, category, entry)
        self.text += self.last


def _encoded(records: Sequence[Record]) -> list[tuple[Category, bytes]]:
    return [(record.category, record_bytes(record)) for record in records]
