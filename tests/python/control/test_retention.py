"""Who purges the journal, when, by which months, and what becomes of one that fails."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from vigie.control.plane import _Told
from vigie.control.retention import AGAIN_S, DOUBT_S, EVERY_S, FIRST_S, Purges, retention_of
from vigie.control.rights_clock import RightsClock
from vigie.control.state_journal import StateJournal
from vigie.journal import CATEGORIES, Alarm, Journal, Purged, Retention, make_key, read_entries, verify
from vigie.journal.records import SYSTEM, Login
from vigie.policy.objects import JournalMonths, Server
from vigie.policy.world import World

from .test_rights_clock import HOUR, Fake, S

MONTH = 31 * 24 * HOUR


class Made:
    """Purges of a clock that a test turns; what was asked for, said and raised."""

    def __init__(self, folder: Path) -> None:
        self.fake = Fake()
        self.asked: list[tuple[Retention, int]] = []
        self.said: list[str] = []
        self.alarms: list[tuple[str, ...]] = []
        self.answer: Callable[[], Purged | None] = lambda: None
        self.months = Retention()
        self.purges = Purges(
            self._purge,
            lambda: self.months,
            RightsClock(folder, self.fake.machine),
            self.said.append,
            lambda *one: self.alarms.append(("raised", *one)),
            lambda *one: self.alarms.append(("over", *one)),
        )

    def _purge(self, months: Retention, at_ns: int) -> Purged | None:
        self.asked.append((months, at_ns))
        return self.answer()


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path)


def server(name: str = "here", **months: int) -> Server:
    body = {"kind": "Server", "name": name, "spec": {"rtsp": [{"listen": "127.0.0.1:0"}], "journal_months": months}}
    return Server.model_validate(body)


def test_the_months_are_those_of_this_server() -> None:
    one, other = server(views=24), server("there", views=7, access=6)
    assert retention_of(World.of([one]), None) == Retention(views=24)
    assert retention_of(World.of([one, other]), "there") == Retention(views=7, access=6)
    assert retention_of(World.of([server()]), None) == Retention()


@pytest.mark.parametrize("world", [World.of([]), World.of([server(), server("there")])])
def test_where_it_cannot_be_told_all_is_kept_as_long_as_it_may_be(world: World) -> None:
    assert {retention_of(world, None).months(category) for category in CATEGORIES} == {36}


def test_the_server_knows_what_the_journal_knows() -> None:
    assert tuple(JournalMonths.model_fields) == CATEGORIES
    assert JournalMonths().model_dump() == Retention().model_dump()
    for category in CATEGORIES:
        for right in (6, 36):
            assert getattr(server(**{category: right}).spec.journal_months, category) == right
        for wrong in (5, 37):
            with pytest.raises(ValidationError):
                server(**{category: wrong})
    with pytest.raises(ValidationError):
        server(pictures=12)


def test_it_goes_by_the_instant_that_is_believed_and_says_what_went(made: Made) -> None:
    made.months = Retention(views=6)
    made.answer = lambda: Purged(17, 2)
    assert made.purges.once() == EVERY_S
    assert made.asked == [(Retention(views=6), made.fake.wall)]
    assert made.said == ["journal: purged 17 entries and 2 whole segments"]
    made.answer = lambda: None
    made.fake.after(24 * HOUR)
    assert made.purges.once() == EVERY_S
    assert len(made.asked) == 2
    assert len(made.said) == 1, "nothing went, and nothing is said"


@pytest.mark.parametrize("step", [-MONTH, 13 * MONTH, 3 * S])
def test_a_clock_in_doubt_purges_nothing(made: Made, step: int) -> None:
    made.purges.once()
    made.fake.after(HOUR)
    made.fake.wall += step
    assert (made.purges.once(), made.purges.once()) == (DOUBT_S, DOUBT_S)
    assert len(made.asked) == 1
    assert made.said == ["journal: not purged while the clock is in doubt"]
    made.fake.wall -= step
    assert made.purges.once() == EVERY_S
    assert made.asked[1][1] == made.fake.wall


def test_one_that_fails_is_said_alarmed_and_tried_again(made: Made) -> None:
    def full() -> Purged:
        raise OSError(28, "No space left on device")

    made.answer = full
    assert made.purges.once() == AGAIN_S
    (said,) = made.said
    assert "not purged: [Errno 28] No space left on device; tried again in 60 min" in said
    assert made.alarms == [("raised", "journal_purge", "machine", "[Errno 28] No space left on device")]
    made.answer = lambda: Purged(1, 0)
    assert made.purges.once() == EVERY_S
    assert made.alarms[1:] == [("over", "journal_purge", "machine")]


def test_one_that_the_end_cuts_short_is_no_fault(made: Made) -> None:
    def closed() -> Purged:
        made.purges.close()
        raise ValueError("closed")

    made.answer = closed
    made.purges.once()
    assert (made.said, made.alarms) == ([], [])


def test_the_first_comes_soon_and_not_at_once_and_others_follow(made: Made) -> None:
    waited: list[tuple[float, int]] = []

    class Closing(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            assert timeout is not None
            waited.append((timeout, len(made.asked)))
            return len(waited) == 3

    made.purges._closing = Closing()
    made.purges.start()
    made.purges._thread.join(20)
    assert waited == [(FIRST_S, 0), (EVERY_S, 1), (EVERY_S, 2)]
    assert 0 < FIRST_S < EVERY_S


def test_nothing_to_purge_makes_no_line(tmp_path: Path) -> None:
    fake = Fake()
    key = make_key(tmp_path / "key")
    with Journal(tmp_path / "j", key, clock=lambda: fake.wall) as journal:
        lines = StateJournal(journal, lambda _: None)
        journal.append(Login(actor=SYSTEM, way="digest"))
        written = journal.seq
        assert lines.purge(Retention(), fake.wall) is None
        assert journal.seq == written
        assert lines.figures() == {"lines": written, "unconfirmed_lines": None}
        fake.after(13 * MONTH)
        purged = lines.purge(Retention(), fake.wall)
        assert purged is not None
        assert purged.entries == written
        (anchor,) = [each.record for each in read_entries(tmp_path / "j") if each.record.kind == "journal.purge"]
        assert anchor.actor == SYSTEM
        assert lines.purge(Retention(), fake.wall) is None
    assert verify(tmp_path / "j", key.public_key()).ok


def test_what_the_journal_told_before_anybody_heard_is_heard() -> None:
    said: list[str] = []
    heard: list[tuple[str, str]] = []

    class Out:
        def say(self, text: str) -> None:
            said.append(text)

    told = _Told(Out())  # type: ignore[arg-type]
    told(Alarm("second_place_away", "no such folder"))
    told.pass_on(lambda what, text: heard.append((what, text)))
    told(Alarm("second_place_back", "it holds all"))
    assert heard == [("second_place_away", "no such folder"), ("second_place_back", "it holds all")]
    assert said[0] == "journal: second_place_away: no such folder"
