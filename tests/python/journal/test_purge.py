"""Retention by category: what is gone is gone, the rest verifies, and only an anchor makes it so (L-33)."""

import os
import shutil
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from python.journal.made import KEY, OPERATOR, Clock, fill, login, texts_of
from vigie.journal import FolderPlace, Journal, Limits, Retention, read_entries, verify
from vigie.journal.line import Chain, split_line
from vigie.journal.purge import apply_anchors, find_anchors, months_before, plan_purge, would_purge
from vigie.journal.records import CATEGORIES, Purge, PurgedUntil, record_bytes
from vigie.journal.segments import segment_files
from vigie.journal.texts import NS, instant_text

verify_module = sys.modules[verify.__module__]

Open = Callable[..., Journal]
PUBLIC = KEY.public_key()
MONTH_S = 31 * 86_400
LONG = Limits(segment_bytes=4000, checkpoint_lines=7, checkpoint_s=1e9)


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * NS


@pytest.mark.parametrize(
    ("now", "months", "then"),
    [
        ("2026-12-31T10:00:00", 12, "2025-12-31T10:00:00"),
        ("2026-03-31T10:00:00", 13, "2025-02-28T10:00:00"),
        ("2024-02-29T10:00:00", 12, "2023-02-28T10:00:00"),
        ("2026-01-15T00:00:00", 6, "2025-07-15T00:00:00"),
        ("2026-07-01T00:00:00", 36, "2023-07-01T00:00:00"),
    ],
)
def test_months_are_those_of_the_calendar(now: str, months: int, then: str) -> None:
    assert months_before(ns(now) + 7, months) == ns(then) + 7


@given(st.integers(ns("2000-01-01T00:00:00"), ns("2200-01-01T00:00:00")), st.integers(6, 36))
def test_months_before_is_never_too_short_by_more_than_three_days(now: int, months: int) -> None:
    days = (now - months_before(now, months)) / (86_400 * NS)
    assert 365.25 * months / 12 - 4 < days < 365.25 * months / 12 + 4


@pytest.mark.parametrize("months", [5, 37, 0, 12.5])
def test_retention_has_a_floor_and_a_ceiling(months: float) -> None:
    with pytest.raises(ValidationError):
        Retention(views=months)  # type: ignore[arg-type]
    assert all(Retention().months(category) == 12 for category in CATEGORIES)


def aged(open_journal: Open, clock: Clock, **options: object) -> Journal:
    """Three years of entries, a few each month, of the categories views and access in turns."""
    options.setdefault("limits", LONG)
    journal = open_journal(**options)
    for _ in range(36):
        fill(journal, 6)
        clock.after(MONTH_S)
    return journal


def categories_left(folder: Path) -> dict[str, int]:
    """How many entries each category still has, by the oldest's age in months."""
    left: dict[str, int] = {}
    for entry in read_entries(folder):
        left[entry.record.category] = left.get(entry.record.category, 0) + 1
    return left


def test_what_is_older_than_its_category_is_kept_goes_and_the_rest_verifies(open_journal: Open, clock: Clock) -> None:
    journal = aged(open_journal, clock)
    before = categories_left(journal.folder)
    heads = {line.seq: line.hash for text in texts_of(journal.folder) if (line := split_line(text))}
    gone = journal.purge(Retention(views=6, access=30, journal=36), OPERATOR)
    after = categories_left(journal.folder)
    assert gone.entries >= before["views"] - after["views"] + before["access"] - after["access"] > 0
    assert 0 < after["views"] < after["access"] < before["access"]
    floor = months_before(clock.now_ns, 6)
    kept = [entry for entry in read_entries(journal.folder) if entry.record.category == "views"]
    assert min(entry.at_ns for entry in kept) >= floor
    lines = [line for text in texts_of(journal.folder) if (line := split_line(text))]
    assert all(line.entry == b"null" for line in lines if line.category == "views" and line.at < instant_text(floor))
    found = verify(journal.folder, PUBLIC)
    assert found.ok, found.finding
    assert found.purged > 0
    for text in texts_of(journal.folder):
        line = split_line(text)
        assert line is not None
        assert heads.get(line.seq, line.hash) == line.hash


def test_what_is_gone_cannot_be_found_out_by_trying(open_journal: Open) -> None:
    """Two equal entries have nothing in common but their length."""
    journal = open_journal()
    one, other = journal.append_many([login(), login()])
    lines = {line.seq: line for text in texts_of(journal.folder) if (line := split_line(text))}
    assert lines[one].record_text() == lines[other].record_text() == record_bytes(login())
    assert lines[one].sha256 != lines[other].sha256
    assert lines[one].without_entry().count(b"op-12") == 0


def test_leading_segments_without_entries_go_as_a_whole(open_journal: Open, clock: Clock) -> None:
    journal = aged(open_journal, clock)
    files = segment_files(journal.folder)
    gone = journal.purge(Retention(), OPERATOR)
    assert gone.segments > 3
    assert segment_files(journal.folder)[0] == files[gone.segments]
    found = verify(journal.folder, PUBLIC)
    assert found.ok, found.finding
    assert found.first_seq == int(files[gone.segments].stem)
    fill(journal, 10)
    journal.close()
    open_journal().close()
    assert verify(journal.folder, PUBLIC).ok
    assert journal_id(journal.folder)


def journal_id(folder: Path) -> str:
    return verify(folder, PUBLIC).journal


def test_a_purge_may_be_repeated_and_goes_on_after_a_crash(
    open_journal: Open, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = aged(open_journal, clock)
    calls = 0

    def die(path: Path, text: bytes) -> None:
        nonlocal calls
        calls += 1
        raise OSError(5, "the lights went out")

    with monkeypatch.context() as patch:
        patch.setattr("vigie.journal.purge.replace_file", die)
        with pytest.raises(OSError, match="the next purge goes on"):
            journal.purge(Retention(views=6), OPERATOR)
    assert calls == 1
    assert verify(journal.folder, PUBLIC).ok
    journal.close()
    journal = open_journal()
    assert journal.purge(Retention(views=6), OPERATOR).entries > 0
    assert journal.purge(Retention(views=6), OPERATOR).entries == 0
    found = verify(journal.folder, PUBLIC)
    assert found.ok, found.finding
    assert min(e.at_ns for e in read_entries(journal.folder) if e.record.category == "views") >= months_before(
        clock(), 6
    )


def test_leading_segments_may_go_one_by_one(open_journal: Open, clock: Clock, tmp_path: Path) -> None:
    journal = aged(open_journal, clock)
    before = {file.name: file.read_bytes() for file in segment_files(journal.folder)}
    gone = journal.purge(Retention(), OPERATOR)
    journal.close()
    for name in sorted(before)[: gone.segments][::-1]:
        (journal.folder / name).write_bytes(before[name])
        found = verify(journal.folder, PUBLIC)
        assert found.ok, found.finding


def test_lines_that_the_second_place_lacks_are_not_dropped(open_journal: Open, clock: Clock, tmp_path: Path) -> None:
    away = tmp_path / "not-there"
    journal = aged(open_journal, clock, second=FolderPlace(away))
    gone = journal.purge(Retention(), OPERATOR)
    assert gone.segments == 0
    assert gone.entries > 0
    away.mkdir()
    journal.close()
    assert verify(journal.folder, PUBLIC, away).ok


def test_the_copy_is_purged_by_its_own_anchors(open_journal: Open, clock: Clock, tmp_path: Path) -> None:
    second = tmp_path / "second"
    second.mkdir()
    journal = aged(open_journal, clock, second=FolderPlace(second, 3000))
    journal.purge(Retention(), OPERATOR)
    fill(journal, 30)
    journal.close()
    found = verify(journal.folder, PUBLIC, second)
    assert found.ok, found.finding
    before = len(list(read_entries(second)))
    assert apply_anchors(second).entries > 0
    assert len(list(read_entries(second))) < before
    found = verify(journal.folder, PUBLIC, second)
    assert found.ok, found.finding


def test_the_segment_that_is_being_written_is_left_alone(open_journal: Open, clock: Clock, tmp_path: Path) -> None:
    """The copy's writer has it open: replaced, it would take lines that nobody finds."""
    second = tmp_path / "second"
    second.mkdir()
    journal = aged(open_journal, clock, second=FolderPlace(second))
    clock.after(13 * MONTH_S)
    journal.close()
    (file,) = segment_files(second)
    add_anchor(second, clock, months=12, signed=True)
    assert len(find_anchors(second)) == 1
    before = file.read_bytes()
    assert apply_anchors(second).entries == 0
    assert file.read_bytes() == before


def test_an_anchor_closes_the_segment_of_the_copy(open_journal: Open, clock: Clock, tmp_path: Path) -> None:
    """However small the copy is, its keeper can take out what the anchor names."""
    second = tmp_path / "second"
    second.mkdir()
    journal = aged(open_journal, clock, second=FolderPlace(second))
    journal.purge(Retention(), OPERATOR)
    journal.close()
    assert len(segment_files(second)) == 2
    assert apply_anchors(second).entries > 0
    oldest = next(read_entries(second))
    assert oldest.at_ns >= months_before(clock.now_ns, 12)
    found = verify(journal.folder, PUBLIC, second)
    assert found.ok, found.finding
    open_journal(second=FolderPlace(second)).close()  # it goes on behind that
    found = verify(journal.folder, PUBLIC, second)
    assert (found.finding, found.notes) == (None, [])
    assert texts_of(second)[-1] == texts_of(journal.folder)[-1]


def purged_copy(open_journal: Open, clock: Clock, tmp_path: Path) -> Path:
    journal = aged(open_journal, clock)
    journal.purge(Retention(views=6, journal=36), OPERATOR)
    fill(journal, 5)
    journal.close()
    copy = tmp_path / "copy"
    shutil.copytree(journal.folder, copy)
    return copy


def test_more_than_the_anchor_says_may_not_go(open_journal: Open, clock: Clock, tmp_path: Path) -> None:
    folder = purged_copy(open_journal, clock, tmp_path)
    for file in segment_files(folder):
        text = file.read_bytes()
        for raw in text.splitlines():
            line = split_line(raw)
            assert line is not None
            if line.category == "views" and not line.purged:
                file.write_bytes(text.replace(raw + b"\n", line.without_entry()))
                found = verify(folder, PUBLIC)
                assert found.finding is not None
                assert (found.finding.what, found.finding.seq) == ("removed", line.seq)
                file.write_bytes(text)
    first = segment_files(folder)[0]
    first.unlink()
    found = verify(folder, PUBLIC)
    assert found.finding is not None
    assert found.finding.what == "missing"


def test_a_changed_head_of_a_purged_line_is_named(open_journal: Open, clock: Clock, tmp_path: Path) -> None:
    folder = purged_copy(open_journal, clock, tmp_path)
    file = segment_files(folder)[0]
    lines = file.read_bytes().splitlines()
    index = next(i for i, raw in enumerate(lines) if raw.endswith(b'"entry":null}'))
    lines[index] = lines[index].replace(b'"category":"views"', b'"category":"access"')
    file.write_bytes(b"".join(line + b"\n" for line in lines))
    found = verify(folder, PUBLIC)
    assert found.finding is not None
    assert (found.finding.what, found.finding.number) == ("altered", index + 1)


@pytest.mark.parametrize("signed_after", [False, True])
def test_an_anchor_that_somebody_put_there_does_not_count(open_journal: Open, clock: Clock, signed_after: bool) -> None:
    """Added without the key, behind the newest checkpoint: not even when the writer goes on and signs what follows."""
    journal = aged(open_journal, clock)
    journal.close()
    folder = journal.folder
    add_anchor(folder, clock, months=12)
    assert verify(folder, PUBLIC).ok  # nothing is gone
    if signed_after:
        open_journal().close()
    assert apply_anchors(folder).entries == 0
    file = segment_files(folder)[1]
    text = file.read_bytes().splitlines()
    index, line = next(
        (i, line) for i, raw in enumerate(text) if (line := split_line(raw)) is not None and line.category == "views"
    )
    text[index] = line.without_entry()[:-1]
    file.write_bytes(b"".join(each + b"\n" for each in text))
    found = verify(folder, PUBLIC)
    assert found.finding is not None
    assert (found.finding.what, found.finding.seq) == ("removed", line.seq)


def test_an_anchor_below_the_floor_is_named(open_journal: Open, clock: Clock) -> None:
    journal = aged(open_journal, clock)
    journal.close()
    seq = add_anchor(journal.folder, clock, months=3)
    found = verify(journal.folder, PUBLIC)
    assert found.finding is not None
    assert (found.finding.what, found.finding.seq) == ("purged_early", seq)


def add_anchor(folder: Path, clock: Clock, months: int, *, signed: bool = False) -> int:
    """Its seq. `signed`: with what looks like a checkpoint behind it."""
    last = split_line(texts_of(folder)[-1])
    assert last is not None
    until = months_before(clock.now_ns, months)
    anchor = Purge(purged=(PurgedUntil(category="views", until=until),), begins=1)
    chain, text = Chain(last.seq, last.hash).add(clock.now_ns, "journal", record_bytes(anchor))
    if signed:
        text += chain.add(clock.now_ns, "journal", b'{"kind":"journal.checkpoint"}')[1]
    with segment_files(folder)[-1].open("ab") as out:
        out.write(text)
    return chain.seq


def test_a_later_purge_with_a_longer_retention_forgets_no_anchor(open_journal: Open, clock: Clock) -> None:
    journal = aged(open_journal, clock)
    journal.purge(Retention(views=6, journal=36), OPERATOR)
    journal.purge(Retention(views=24, journal=36), OPERATOR)
    assert len(find_anchors(journal.folder)) == 2
    found = verify(journal.folder, PUBLIC)
    assert found.ok, found.finding


def test_an_anchor_that_is_purged_itself_still_counts(open_journal: Open, clock: Clock) -> None:
    """What a short retention took out is gone, however long later ones are."""
    journal = aged(open_journal, clock)
    short = months_before(clock.now_ns, 6)
    journal.purge(Retention(views=6, journal=6), OPERATOR)
    for _ in range(14):
        fill(journal, 6)
        clock.after(MONTH_S)
    journal.purge(Retention(views=36, journal=6), OPERATOR)
    (anchor,) = find_anchors(journal.folder)
    assert anchor.until["views"] == instant_text(short)
    found = verify(journal.folder, PUBLIC)
    assert found.ok, found.finding


def test_no_anchor_carries_on_what_is_below_the_floor(open_journal: Open, clock: Clock) -> None:
    """Whoever put one there: the next one is signed."""
    journal = aged(open_journal, clock)
    journal.close()
    add_anchor(journal.folder, clock, months=3, signed=True)
    assert len(find_anchors(journal.folder)) == 1
    planned = plan_purge(journal.folder, Retention(views=36), clock.now_ns, OPERATOR, None)
    until = {each.category: each.until for each in planned.purged}
    assert until["views"] == months_before(clock.now_ns, 6)


def test_whether_anything_would_go(open_journal: Open, clock: Clock) -> None:
    journal = open_journal(limits=LONG)
    journal.append(login())
    begun = clock.now_ns
    folder = journal.folder
    assert not would_purge(folder, Retention(), begun + 6 * MONTH_S * NS)
    assert would_purge(folder, Retention(), begun + 13 * MONTH_S * NS)
    assert not would_purge(folder, Retention(access=36, journal=36), begun + 13 * MONTH_S * NS)
    assert would_purge(folder, Retention(access=36, journal=12), begun + 13 * MONTH_S * NS)
    with segment_files(folder)[-1].open("ab") as out:
        out.write(b'{"seq":99,"at"')  # on its way to the disk
    assert not would_purge(folder, Retention(access=36, journal=36), begun + 13 * MONTH_S * NS)
    os.truncate(segment_files(folder)[-1], segment_files(folder)[-1].stat().st_size - 14)
    clock.after(13 * MONTH_S)
    assert journal.purge(Retention(), OPERATOR).entries > 0
    assert not would_purge(folder, Retention(), clock.now_ns)


def test_it_is_old_by_the_instant_that_is_given(open_journal: Open, clock: Clock) -> None:
    """The writer's clock may have been set ahead; whoever purges knows which instant is believed."""
    journal = aged(open_journal, clock)
    believed = clock.now_ns
    clock.after(36 * MONTH_S)
    young = [each.seq for each in read_entries(journal.folder) if each.at_ns >= months_before(believed, 12)]
    journal.purge(Retention(), OPERATOR, believed)
    left = [each.seq for each in read_entries(journal.folder)]
    assert left[: len(young)] == young
    assert len(left) == len(young) + 2, "the anchor and its checkpoint"


def test_what_a_purge_that_died_was_about_to_keep_goes_too(open_journal: Open, clock: Clock) -> None:
    journal = aged(open_journal, clock)
    first = segment_files(journal.folder)[0]
    left = first.with_name(first.name + ".new")
    left.write_bytes(first.read_bytes())
    journal.purge(Retention(), OPERATOR)
    assert not first.exists()
    assert not left.exists()


@pytest.mark.parametrize("retention", [Retention(), Retention(views=6, access=36, journal=36)])
def test_what_is_purged_while_it_is_read_is_no_finding(
    open_journal: Open, clock: Clock, monkeypatch: pytest.MonkeyPatch, retention: Retention
) -> None:
    """Whole segments go before they are read, or entries of them."""
    journal = aged(open_journal, clock)
    read, gone, fifth = verify_module.raw_lines, [], segment_files(journal.folder)[4]

    def purge_before(file: Path) -> Any:
        if not gone and file == fifth:
            gone.append(journal.purge(retention, OPERATOR))
        return read(file)

    monkeypatch.setattr(verify_module, "raw_lines", purge_before)
    found = verify(journal.folder, PUBLIC)
    assert gone[0].entries > 0
    assert found.ok, found.finding
    assert (found.first_seq > 1, found.purged > 0) == (gone[0].segments > 0, retention.access > 12)


def test_what_waits_behind_an_anchor_is_written_behind_its_checkpoint(
    open_journal: Open, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write is held up until the anchor waits, and an entry behind it."""
    late: list[Future[range]] = []
    slow, writing = threading.Event(), threading.Event()

    def write(descriptor: int, text: bytes) -> int:
        if slow.is_set() and not late:
            writing.set()
            while not journal._jobs:
                time.sleep(0)
            late.append(journal.submit([login("late")]))
        return os.write(descriptor, text)

    def plan(*arguments: Any) -> Purge:
        slow.set()
        journal.submit([login("early")])
        assert writing.wait(20)
        return plan_purge(*arguments)

    monkeypatch.setattr("vigie.journal.writer.plan_purge", plan)
    journal = aged(open_journal, clock, write=write)
    gone = journal.purge(Retention(), OPERATOR)
    (seqs,) = [future.result() for future in late]
    kinds = {entry.seq: entry.record.kind for entry in read_entries(journal.folder)}
    assert [kinds[seqs[0] - back] for back in (2, 1, 0)] == ["journal.purge", "journal.checkpoint", "login"]
    assert gone.entries > 0
    assert verify(journal.folder, PUBLIC).ok
