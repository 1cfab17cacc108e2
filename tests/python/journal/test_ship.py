"""The second place: copied as the journal grows, away and caught up with, never written to where it differs."""

import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from python.journal.made import KEY, Clock, fill, login, texts_of
from vigie.journal import Alarm, FolderPlace, Held, Journal, Limits, verify
from vigie.journal.line import split_line
from vigie.journal.segments import SECOND, segment_files

Open = Callable[..., Journal]
PUBLIC = KEY.public_key()
WAIT_S = 20.0


class Place:
    """Keeps lines in memory; can be away, or hold something else."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.fault: Exception | None = None
        self.grown = threading.Condition()
        self.asked = 0

    def held(self) -> Held:
        self.asked += 1
        if self.fault:
            raise self.fault
        if not self.lines:
            return Held()
        line = split_line(self.lines[-1])
        assert line is not None
        return Held(line.seq, line.hash)

    def send(self, lines: bytes) -> None:
        if self.fault:
            raise self.fault
        with self.grown:
            self.lines += lines.splitlines()
            self.grown.notify_all()

    def close(self) -> None:
        pass

    def wait_for(self, count: int) -> None:
        with self.grown:
            assert self.grown.wait_for(lambda: len(self.lines) >= count, WAIT_S)


class Alarms:
    """Collects what is told."""

    def __init__(self) -> None:
        self.heard: list[Alarm] = []
        self.news = threading.Condition()

    def __call__(self, alarm: Alarm) -> None:
        with self.news:
            self.heard.append(alarm)
            self.news.notify_all()

    def wait_for(self, count: int) -> list[str]:
        with self.news:
            assert self.news.wait_for(lambda: len(self.heard) >= count, WAIT_S)
        return [alarm.what for alarm in self.heard]


@pytest.fixture
def place() -> Place:
    return Place()


@pytest.fixture
def alarms() -> Alarms:
    return Alarms()


def test_every_line_is_sent_as_it_stands(open_journal: Open, place: Place, alarms: Alarms) -> None:
    journal = open_journal(second=place, on_alarm=alarms)
    for count in range(5, 30):
        place.wait_for(journal.append(login()))
        assert len(place.lines) >= count - 1
    journal.close()
    assert place.lines == texts_of(journal.folder)
    assert alarms.heard == []
    assert place.asked == 1


def test_a_place_that_is_away_is_told_once_and_caught_up_with(open_journal: Open, place: Place, alarms: Alarms) -> None:
    limits = Limits(segment_bytes=4000, retry_s=0.01)
    journal = open_journal(second=place, on_alarm=alarms, limits=limits)
    place.wait_for(journal.append(login()))
    place.fault = OSError("no route to host")
    fill(journal, 40)  # over several segments
    assert alarms.wait_for(1) == ["second_place_away"]
    assert "no route to host" in alarms.heard[0].text
    place.fault = None
    assert alarms.wait_for(2) == ["second_place_away", "second_place_back"]
    journal.close()
    assert place.lines == texts_of(journal.folder)
    assert len(alarms.heard) == 2


def test_a_fault_that_a_host_made_does_not_end_the_copying(open_journal: Open, place: Place, alarms: Alarms) -> None:
    place.fault = RuntimeError("a mistake")
    journal = open_journal(second=place, on_alarm=alarms, limits=Limits(retry_s=0.01))
    assert alarms.wait_for(1) == ["second_place_away"]
    place.fault = None
    assert alarms.wait_for(2)[-1] == "second_place_back"
    place.wait_for(journal.append(login()))


def test_a_place_that_hangs_holds_nobody_up(open_journal: Open, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    hangs = threading.Event()
    monkeypatch.setattr(place, "send", lambda lines: hangs.wait(WAIT_S) and None)
    journal = open_journal(second=place, limits=Limits(close_s=0.01))
    fill(journal, 20)
    journal.close()
    hangs.set()
    assert verify(journal.folder, PUBLIC).ok


def test_what_was_not_sent_is_sent_at_the_next_start(open_journal: Open, place: Place, alarms: Alarms) -> None:
    place.fault = OSError("down")
    journal = open_journal(second=place, on_alarm=alarms)
    fill(journal, 30)
    journal.close()
    place.fault = None
    journal = open_journal(second=place, on_alarm=alarms)
    journal.close()
    assert place.lines == texts_of(journal.folder)


@pytest.mark.parametrize("how", ["fewer", "more", "other"])
def test_a_place_that_holds_something_else_is_told_and_left_alone(
    open_journal: Open, place: Place, alarms: Alarms, how: str
) -> None:
    journal = open_journal(second=place)
    fill(journal, 12)
    journal.close()
    assert len(place.lines) == len(texts_of(journal.folder))
    line = split_line(place.lines[-1])
    assert line is not None
    if how == "fewer":
        del place.lines[-3:]
    elif how == "more":
        place.lines += [place.lines[-1].replace(b'"seq":%d,' % line.seq, b'"seq":%d,' % (line.seq + 9))]
    else:
        place.lines[-1] = place.lines[-1].replace(line.hash.encode(), b"0" * 64)
    before = list(place.lines)
    journal = open_journal(second=place, on_alarm=alarms)
    assert alarms.wait_for(1) == ["second_place_differs"]
    fill(journal, 5)
    journal.close()
    assert place.lines == before
    assert verify(journal.folder, PUBLIC).ok


def test_a_folder_is_a_journal_of_its_own_right(open_journal: Open, tmp_path: Path, alarms: Alarms) -> None:
    second = tmp_path / "second"
    second.mkdir()
    for _ in range(3):
        journal = open_journal(second=FolderPlace(second, 3000), on_alarm=alarms)
        fill(journal, 20)
        journal.close()
    assert texts_of(second) == texts_of(journal.folder)
    assert len(segment_files(second)) > 3
    assert verify(second, PUBLIC).ok
    assert verify(journal.folder, PUBLIC, second).ok
    assert alarms.heard == []


@pytest.mark.parametrize("forgotten", [False, True])
def test_another_folder_begins_anew_only_where_somebody_wants_it(
    open_journal: Open, tmp_path: Path, alarms: Alarms, forgotten: bool
) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    journal = open_journal(second=FolderPlace(one))
    fill(journal, 10)
    journal.close()
    if forgotten:
        (journal.folder / SECOND).unlink()
    journal = open_journal(second=FolderPlace(other), on_alarm=alarms)
    journal.close()
    assert [alarm.what for alarm in alarms.heard] == ([] if forgotten else ["second_place_differs"])
    assert texts_of(other) == (texts_of(journal.folder) if forgotten else [])


def test_a_place_where_files_can_only_grow(
    open_journal: Open, tmp_path: Path, alarms: Alarms, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = tmp_path / "second"
    second.mkdir()
    replace = os.replace

    def refuse(source: Path, target: Path) -> None:
        if target.parent == second:
            raise PermissionError(1, "append only")
        replace(source, target)

    monkeypatch.setattr(os, "replace", refuse)
    for _ in range(2):
        journal = open_journal(second=FolderPlace(second), on_alarm=alarms)
        fill(journal, 20)
        journal.close()
    assert alarms.heard == []
    assert not (second / "newest.json").exists()
    assert verify(journal.folder, PUBLIC, second).ok
    assert verify(second, PUBLIC, is_copy=True).ok
    assert not verify(second, PUBLIC).ok


def test_a_torn_end_of_the_copy_is_cut_and_sent_anew(open_journal: Open, tmp_path: Path, alarms: Alarms) -> None:
    second = tmp_path / "second"
    second.mkdir()
    journal = open_journal(second=FolderPlace(second))
    fill(journal, 10)
    journal.close()
    (file,) = segment_files(second)
    with file.open("ab") as out:
        out.write(b'{"seq":99,"at"')
    journal = open_journal(second=FolderPlace(second), on_alarm=alarms)
    journal.close()
    assert alarms.heard == []
    assert texts_of(second) == texts_of(journal.folder)


def test_a_folder_that_is_not_mounted_is_away(tmp_path: Path, alarms: Alarms) -> None:
    limits = Limits(retry_s=0.01)
    second = tmp_path / "second"
    with Journal(
        tmp_path / "j", KEY, clock=Clock(), limits=limits, second=FolderPlace(second), on_alarm=alarms
    ) as journal:
        journal.append(login())
        assert alarms.wait_for(1) == ["second_place_away"]
        assert not second.exists()
        second.mkdir()
        assert alarms.wait_for(2)[-1] == "second_place_back"
    assert verify(journal.folder, PUBLIC, second).ok


@pytest.mark.parametrize("how", ["moved", "deleted"])
def test_a_folder_that_goes_while_lines_come_is_away(
    open_journal: Open, tmp_path: Path, alarms: Alarms, how: str
) -> None:
    """Its files are open, and take lines that nobody would find there."""
    second, elsewhere = tmp_path / "second", tmp_path / "elsewhere"
    second.mkdir()
    journal = open_journal(second=FolderPlace(second), on_alarm=alarms, limits=Limits(retry_s=0.01))
    journal.append(login())
    wait_until(lambda: journal.unconfirmed_lines == 0)
    second.rename(elsewhere)
    if how == "deleted":
        shutil.copytree(elsewhere, second)  # for later: as it was
        second.rename(tmp_path / "kept")
        shutil.rmtree(elsewhere)
        elsewhere = tmp_path / "kept"
    journal.append(login())
    assert alarms.wait_for(1) == ["second_place_away"]
    assert journal.unconfirmed_lines
    elsewhere.rename(second)
    assert alarms.wait_for(2)[-1] == "second_place_back"
    wait_until(lambda: journal.unconfirmed_lines == 0)
    assert texts_of(second) == texts_of(journal.folder)
    assert journal.seq == len(texts_of(journal.folder))


def wait_until(what: Callable[[], bool]) -> None:
    until = time.monotonic() + WAIT_S
    while not what():
        assert time.monotonic() < until
        time.sleep(0.005)


def test_without_a_second_place_nothing_waits(open_journal: Open) -> None:
    assert open_journal().unconfirmed_lines is None


def test_a_folder_takes_no_lines_that_do_not_follow(tmp_path: Path) -> None:
    with Journal(tmp_path / "j", KEY, clock=Clock()) as journal:
        fill(journal, 3)
    second = tmp_path / "second"
    second.mkdir()
    place = FolderPlace(second)
    lines = [text + b"\n" for text in texts_of(journal.folder)]
    assert place.held() == Held()
    place.send(lines[0])
    for wrong in (lines[0], lines[2], b"nonsense\n"):
        with pytest.raises(ValueError, match="do not follow"):
            place.send(wrong)
    place.send(lines[1])
    place.close()
    assert texts_of(second) == [line[:-1] for line in lines[:2]]
