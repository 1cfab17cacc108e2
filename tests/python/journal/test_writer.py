"""The writer: order, durability, crashes at any byte, failing disks, many callers at once."""

import asyncio
import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from python.journal.made import KEY, Clock, begin, fill, login, texts_of
from vigie.errors import (
    ClosedError,
    InvalidArgumentError,
    JournalBusyError,
    JournalDamagedError,
    JournalWriteFailedError,
    LimitExceededError,
)
from vigie.journal import Journal, Limits, read_entries, verify
from vigie.journal.line import Line, split_line
from vigie.journal.records import JournalOpened
from vigie.journal.segments import segment_files
from vigie.journal.texts import parse_instant

Open = Callable[..., Journal]
PUBLIC = KEY.public_key()


def lines_of(folder: Path) -> list[Line]:
    lines = [split_line(text) for text in texts_of(folder)]
    assert None not in lines
    return [line for line in lines if line is not None]


def kinds_of(folder: Path) -> list[str]:
    return [entry.record.kind for entry in read_entries(folder)]


def test_entries_stand_in_order_with_their_seq(open_journal: Open) -> None:
    journal = open_journal()
    first = journal.append(login("op-1"))
    more = journal.append_many([login("op-2"), login("op-3")])
    assert (first, list(more)) == (4, [5, 6])  # created, opened and signed before
    entries = {entry.seq: entry for entry in read_entries(journal.folder)}
    assert [entries[seq].record.actor.agent for seq in (4, 5, 6)] == ["op-1", "op-2", "op-3"]
    journal.close()
    assert kinds_of(journal.folder)[-2:] == ["journal.closed", "journal.checkpoint"]
    assert verify(journal.folder, PUBLIC).ok


def test_segments_and_checkpoints_follow_their_limits(open_journal: Open) -> None:
    journal = open_journal()
    for index in range(40):
        journal.append(login(f"op-{index}"))
    files = segment_files(journal.folder)
    assert len(files) > 3
    assert all(file.stat().st_size < 4000 + 3000 for file in files)
    kinds = kinds_of(journal.folder)
    gaps = "".join("c" if kind == "journal.checkpoint" else "." for kind in kinds).split("c")
    assert max(map(len, gaps)) <= 7


def test_a_checkpoint_comes_with_time(open_journal: Open, clock: Clock) -> None:
    journal = open_journal(limits=Limits(checkpoint_s=300))
    journal.append(login())
    assert kinds_of(journal.folder)[-1] == "login"
    clock.after(301)
    journal.append(login())
    assert kinds_of(journal.folder)[-1] == "journal.checkpoint"


def test_a_checkpoint_comes_without_a_further_entry(open_journal: Open, clock: Clock, tmp_path: Path) -> None:
    journal = open_journal(limits=Limits(checkpoint_s=0.01))
    before = verify(tmp_path / "journal", PUBLIC).signed_through
    seq = journal.append(login())
    clock.after(1)
    done = threading.Event()
    for _ in range(1000):
        if verify(tmp_path / "journal", PUBLIC).signed_through >= seq > before:
            return
        done.wait(0.01)
    pytest.fail("no checkpoint")


def test_a_clock_that_steps_back_is_written_down(open_journal: Open, clock: Clock) -> None:
    journal = open_journal()
    journal.append(login())
    clock.after(-3600)
    seq = journal.append(login())
    entries = list(read_entries(journal.folder))
    step = next(entry for entry in entries if entry.record.kind == "journal.clock")
    assert step.seq == seq - 1
    assert (step.record.before - step.record.now) == 3600 * 10**9  # type: ignore[attr-defined]
    journal.append(login())
    assert kinds_of(journal.folder).count("journal.clock") == 1
    assert verify(journal.folder, PUBLIC).ok


def test_many_threads_share_the_writes(tmp_path: Path, clock: Clock) -> None:
    syncs = 0
    plain = os.write

    def write(descriptor: int, text: bytes) -> int:
        nonlocal syncs
        syncs += 1
        return plain(descriptor, text)

    seqs: list[int] = []
    with Journal(tmp_path / "journal", KEY, clock=clock, write=write) as journal:
        gate = threading.Barrier(20)

        def call(number: int) -> None:
            gate.wait()
            seqs.extend(journal.append(login(f"op-{number}")) for _ in range(20))

        threads = [threading.Thread(target=call, args=(number,)) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(set(seqs)) == 400
    assert syncs < 300
    assert verify(journal.folder, PUBLIC).ok


def test_asyncio_waits_without_a_thread_of_its_own(open_journal: Open) -> None:
    journal = open_journal()

    async def many() -> list[range]:
        return await asyncio.gather(*(asyncio.wrap_future(journal.submit([login(), begin()])) for _ in range(50)))

    seqs = [seq for each in asyncio.run(many()) for seq in each]
    assert len(set(seqs)) == 100
    assert all(each.stop - each.start == 2 for each in asyncio.run(many()))


def test_a_task_that_is_cancelled_disturbs_nobody(open_journal: Open) -> None:
    journal = open_journal()

    async def cancelled() -> None:
        waits = asyncio.ensure_future(asyncio.wrap_future(journal.submit([login("cancelled")])))
        waits.cancel()
        await asyncio.gather(waits, return_exceptions=True)

    asyncio.run(cancelled())
    journal.append(login("after"))
    who = [entry.record.actor.agent for entry in read_entries(journal.folder) if entry.record.kind == "login"]
    assert who == ["cancelled", "after"]


def test_a_fault_of_the_clock_is_answered(open_journal: Open, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = open_journal()
    now, clock.now_ns = clock.now_ns, -(10**30)
    with pytest.raises((ValueError, OverflowError)):
        journal.append(login())
    clock.now_ns = now
    journal.append(login())
    assert verify(journal.folder, PUBLIC).ok


def test_one_writer_a_folder(open_journal: Open) -> None:
    open_journal()
    with pytest.raises(JournalBusyError):
        open_journal()


def test_another_key_is_refused(open_journal: Open, tmp_path: Path) -> None:
    open_journal().close()
    with pytest.raises(InvalidArgumentError, match="another key"):
        Journal(tmp_path / "journal", Ed25519PrivateKey.generate())
    open_journal().close()  # the lock was given back


def test_limits_are_named(open_journal: Open) -> None:
    journal = open_journal(limits=Limits(waiting_lines=10))
    with pytest.raises(LimitExceededError, match="wait for the disk"):
        journal.submit([login()] * 11)
    large = begin(objects=tuple(f"camera/{index:0120d}" for index in range(10_000)))
    journal.append(large)
    with pytest.raises(LimitExceededError, match="fewer entries"):
        journal.submit([large, large])
    journal.close()
    with pytest.raises(ClosedError):
        journal.append(login())
    assert verify(journal.folder, PUBLIC).ok


class FailingDisk:
    """Writes part of what it is given, and fails."""

    def __init__(self) -> None:
        self.left: int | None = None

    def write(self, descriptor: int, text: bytes) -> int:
        if self.left is None:
            return os.write(descriptor, text)
        if not self.left:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        done = os.write(descriptor, text[: self.left])
        self.left -= done
        return done


@pytest.mark.parametrize("left", [0, 1, 200, 700])
def test_a_full_disk_fails_those_who_wait_and_leaves_nothing_behind(open_journal: Open, left: int) -> None:
    disk = FailingDisk()
    journal = open_journal(write=disk.write)
    journal.append(login("before"))
    text = texts_of(journal.folder)
    disk.left = left
    with pytest.raises(JournalWriteFailedError, match="No space left"):
        journal.append_many([login("lost"), login("lost")])
    assert texts_of(journal.folder) == text
    disk.left = None
    journal.append(login("after"))
    journal.close()
    who = [entry.record.actor.agent for entry in read_entries(journal.folder) if entry.record.kind == "login"]
    assert who == ["before", "after"]
    assert verify(journal.folder, PUBLIC).ok


def test_after_a_failed_sync_nothing_is_written_any_more(open_journal: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = open_journal()

    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, "bad disk")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", fail)
        with pytest.raises(JournalWriteFailedError, match="bad disk"):
            journal.append(login())
    with pytest.raises(JournalWriteFailedError, match="open it anew"):
        journal.append(login())
    with pytest.raises(JournalWriteFailedError):
        journal.close()
    open_journal().append(login())


def test_a_journal_that_was_cut_at_any_byte_goes_on(tmp_path: Path, clock: Clock) -> None:
    """What stood whole stays, and what follows verifies: around the ends of lines at every byte, else at every 19th."""
    with Journal(tmp_path / "whole", KEY, clock=clock) as journal:
        signed = journal.checkpoint()
        journal.append_many([login("op-1"), begin(), login("op-2")])
        copy = tmp_path / "copy"
        shutil.copytree(journal.folder, copy)
    (file,) = segment_files(copy)
    whole = file.read_bytes()
    kept = sum(len(text) + 1 for text in texts_of(copy)[:signed])
    ends = {at for at in range(kept, len(whole)) if whole[at : at + 1] == b"\n"}
    near = {end + off for end in ends for off in (-2, -1, 0, 1, 2)}
    for size in sorted(near | set(range(kept, len(whole), 19))):
        if size >= len(whole):
            break
        file.write_bytes(whole[:size])
        with Journal(copy, KEY, clock=clock) as reopened:
            opened = [entry.record for entry in read_entries(copy) if isinstance(entry.record, JournalOpened)][-1]
            end = whole.rfind(b"\n", 0, size) + 1
            assert (opened.clean, opened.cut_bytes) == (False, size - end)
            assert file.read_bytes().startswith(whole[:end])
            reopened.append(login())
        assert verify(copy, PUBLIC).ok, size
        shutil.rmtree(copy)
        copy.mkdir()
        (copy / "newest.json").write_bytes(texts_of(journal.folder)[signed - 1] + b"\n")
    assert kept < len(whole)


def test_what_a_crash_cannot_have_done_is_not_repaired(open_journal: Open) -> None:
    journal = open_journal(limits=Limits())
    fill(journal, 20)
    journal.close()
    (file,) = segment_files(journal.folder)
    whole = file.read_bytes()
    newest = (journal.folder / "newest.json").read_bytes()
    cases = {
        "a signed line cut off": whole[: whole.rfind(b"\n", 0, -1) + 1],
        "a byte in the middle": whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:],
        "a line left out": b"".join(line + b"\n" for i, line in enumerate(whole.splitlines()) if i != 9),
    }
    for name, text in cases.items():
        file.write_bytes(text)
        with pytest.raises(JournalDamagedError):
            open_journal()
        assert file.read_bytes() == text, name
    file.write_bytes(whole)
    (journal.folder / "newest.json").write_bytes(newest[:-30])
    with pytest.raises(JournalDamagedError, match="newest"):
        open_journal()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(counts=st.lists(st.integers(1, 5), max_size=6), data=st.data())
def test_a_journal_that_was_cut_goes_on_or_is_left_as_it_is(
    tmp_path_factory: pytest.TempPathFactory, counts: list[int], data: st.DataObject
) -> None:
    """Cut anywhere: nothing that is signed is given up, and nothing that is not is made up."""
    top = tmp_path_factory.mktemp("cut")
    clock = Clock()
    limits = Limits(segment_bytes=3000, checkpoint_lines=6)
    with Journal(top / "journal", KEY, clock=clock, limits=limits) as journal:
        for count in counts:
            journal.append_many([login(f"op-{index}") for index in range(count)])
        shutil.copytree(journal.folder, top / "crashed")
    folder = top / "crashed"
    file = segment_files(folder)[-1]
    whole = file.read_bytes()
    before = texts_of(folder)
    size = data.draw(st.integers(0, len(whole)))
    file.write_bytes(whole[:size])
    try:
        Journal(folder, KEY, clock=clock, limits=limits).close()
    except JournalDamagedError:
        assert file.read_bytes() == whole[:size]
        newest = (folder / "newest.json").read_bytes()
        assert newest not in whole[:size]
        return
    assert verify(folder, PUBLIC).ok
    kept = len(before) - whole[size:].count(b"\n")
    assert texts_of(folder)[:kept] == before[:kept]


def test_a_journal_whose_first_write_was_torn_begins_anew(tmp_path: Path, clock: Clock) -> None:
    folder = tmp_path / "journal"
    Journal(folder, KEY, clock=clock).close()
    (file,) = segment_files(folder)
    whole = file.read_bytes()
    first = len(b"\n".join(whole.split(b"\n")[:3])) + 1
    for size in [*range(0, first, 97), first - 1, first]:
        shutil.rmtree(folder)
        folder.mkdir()
        file.write_bytes(whole[:size])
        with Journal(folder, KEY, clock=clock) as journal:
            journal.append(login())
        found = verify(folder, PUBLIC)
        assert found.ok, (size, found.finding)
    (folder / "newest.json").unlink()
    file.write_bytes(b"".join(line for line in whole.splitlines(keepends=True) if b"journal.checkpoint" not in line))
    with pytest.raises(JournalDamagedError):
        Journal(folder, KEY, clock=clock)


def test_an_alarm_that_fails_fails_nobody_else(open_journal: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(alarm: object) -> None:
        raise RuntimeError(alarm)

    def full(path: Path, text: bytes) -> None:
        raise OSError(errno.ENOSPC, "full")

    journal = open_journal(on_alarm=fail)
    monkeypatch.setattr("vigie.journal.writer.replace_file", full)
    journal.append_many([login()] * 10)
    journal.append(login())
    assert verify(journal.folder, PUBLIC).ok


def test_an_unsigned_line_that_was_altered_is_not_cut_off(open_journal: Open, tmp_path: Path, clock: Clock) -> None:
    """It was answered, and no crash alters a byte."""
    journal = open_journal(limits=Limits())
    journal.append_many([login("op-1"), login("op-2")])
    shutil.copytree(journal.folder, tmp_path / "crashed")
    (file,) = segment_files(tmp_path / "crashed")
    text = file.read_bytes().replace(b"op-1", b"op-9")
    file.write_bytes(text)
    with pytest.raises(JournalDamagedError, match="sha256"):
        Journal(tmp_path / "crashed", KEY, clock=clock)
    assert file.read_bytes() == text


def test_zeros_of_a_lost_write_are_taken_off(open_journal: Open) -> None:
    journal = open_journal(limits=Limits())
    journal.append(login())
    journal.close()
    (file,) = segment_files(journal.folder)
    with file.open("ab") as out:
        out.write(b'{"seq":7,' + b"\0" * 4096 + b'"}\n{"seq":8,"at"\n')
    reopened = open_journal()
    assert verify(reopened.folder, PUBLIC).ok
    assert any(isinstance(e.record, JournalOpened) and e.record.cut_bytes for e in read_entries(reopened.folder))


def test_an_empty_last_segment_is_used(open_journal: Open) -> None:
    journal = open_journal(limits=Limits())
    journal.append(login())
    journal.close()
    last = len(texts_of(journal.folder))
    (journal.folder / f"{last + 1:020d}.jsonl").touch()
    open_journal().close()
    assert verify(journal.folder, PUBLIC).ok
    assert len(segment_files(journal.folder)) == 2


WRITER = """
import sys
from pathlib import Path
from python.journal.made import KEY, login
from vigie.journal import Journal, Limits
with Journal(Path(sys.argv[1]), KEY, limits=Limits(segment_bytes=20_000, checkpoint_lines=50)) as journal:
    while True:
        print(journal.append_many([login(), login()])[-1], flush=True)
"""


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.integers(1, 40))
def test_a_killed_writer_lost_nothing_that_it_acknowledged(tmp_path: Path, lines: int) -> None:
    folder = tmp_path / "journal"
    tests = Path(__file__).parents[2]
    paths = [str(tests), str(tests.parent / "python"), *sys.path]
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
    )
    assert process.stdout is not None
    told = [process.stdout.readline() for _ in range(lines)]
    process.send_signal(signal.SIGKILL)
    told += process.stdout.read().splitlines(keepends=True)
    acknowledged = [int(line) for line in told if line.endswith("\n")]
    process.wait()
    process.stdout.close()
    with Journal(folder, KEY) as journal:
        journal.append(login())
    verified = verify(folder, PUBLIC)
    assert verified.ok, verified.finding
    assert verified.last_seq > acknowledged[-1]
    assert len(lines_of(folder)) == verified.last_seq


def test_times_are_the_clocks(open_journal: Open, clock: Clock) -> None:
    journal = open_journal()
    seq = journal.append(login())
    line = next(line for line in lines_of(journal.folder) if line.seq == seq)
    assert parse_instant(line.at) == clock.now_ns
