"""One alarm a thing: counted, acknowledged once, over when it has settled; nothing fills the list."""

from hypothesis import given, settings
from hypothesis import strategies as st

from vigie.alarms import Alarm, Book, Found, Step
from vigie.alarms.book import KEPT_NS, MAX_DONE, SAME_NS, SECOND

SILENT = Found("camera_silent", "a/main", "no picture")
STEP = Found("clock_stepped", "machine", "by 3 s")
KINDS = ("camera_silent", "lane_overload")


def book(*alarms: Alarm) -> Book:
    numbers = iter(range(10**9))
    return Book(alarms, lambda: f"id{next(numbers)}")


def did(steps: list[Step]) -> list[str]:
    return [step.did for step in steps]


def test_what_stands_is_raised_once_and_is_over_when_it_has_settled() -> None:
    of = book()
    assert did(of.standing([SILENT], KINDS, 10, 60 * SECOND)) == ["raised"]
    for now in range(11, 40):
        assert of.standing([SILENT], KINDS, now, 60 * SECOND) == []
    assert of.standing([], KINDS, 40 * SECOND, 60 * SECOND) == []
    assert of.standing([], KINDS, 99 * SECOND, 60 * SECOND) == []
    (step,) = of.standing([], KINDS, 100 * SECOND, 60 * SECOND)
    assert (step.did, step.alarm.cleared_ns, step.alarm.count) == ("cleared", 100 * SECOND, 1)
    assert of.standing([], KINDS, 200 * SECOND, 60 * SECOND) == []


def test_what_comes_and_goes_is_one_alarm_and_no_storm() -> None:
    of = book()
    told: list[str] = []
    for second in range(0, 600, 10):  # ten seconds there, ten seconds away
        found = [SILENT] if second % 20 == 0 else []
        told += did(of.standing(found, KINDS, second * SECOND, 60 * SECOND))
    assert told.count("raised") == 1
    assert "cleared" not in told
    (alarm,) = of.open()
    assert alarm.count == 30


def test_of_other_kinds_nothing_is_over() -> None:
    of = book()
    of.occurred(STEP, 5)
    assert of.standing([], KINDS, 10**15, 0) == []
    assert [alarm.active for alarm in of.open()] == [True]


def test_the_first_who_acknowledges_stays_the_one() -> None:
    of = book()
    (raised,) = of.occurred(STEP, 5)
    (step,) = of.acknowledge([raised.alarm.id, raised.alarm.id, "unknown"], "lea", "called", 7)
    assert (step.alarm.acknowledged_by, step.alarm.acknowledged_ns, step.alarm.note) == ("lea", 7, "called")
    assert of.acknowledge([raised.alarm.id], "max", "me too", 8) == []
    assert of.alarms[raised.alarm.id].acknowledged_by == "lea"


def test_it_is_open_until_it_is_over_and_acknowledged() -> None:
    for first, second in (("over", "ack"), ("ack", "over")):
        of = book()
        (raised,) = of.occurred(STEP, 5)
        for action in (first, second):
            assert of.open()
            if action == "over":
                of.over(*STEP.key, 9)
            else:
                of.acknowledge([raised.alarm.id], "lea", "", 9)
        assert not of.open()


def test_soon_again_is_the_same_and_stays_acknowledged_later_it_is_another() -> None:
    of = book()
    (raised,) = of.occurred(STEP, 5)
    of.acknowledge([raised.alarm.id], "lea", "", 6)
    of.over(*STEP.key, 7)
    (again,) = of.occurred(STEP, 7 + SAME_NS - 1)
    assert (again.did, again.alarm.id, again.alarm.count) == ("raised", raised.alarm.id, 2)
    assert again.alarm.acknowledged_by == "lea"
    of.over(*STEP.key, 8 + SAME_NS)
    (other,) = of.occurred(STEP, 8 + 2 * SAME_NS)
    assert (other.did, other.alarm.count, other.alarm.acknowledged_by) == ("raised", 1, "")
    assert other.alarm.id != raised.alarm.id


def test_what_nobody_has_acknowledged_is_the_same_however_late() -> None:
    of = book()
    (raised,) = of.occurred(STEP, 5)
    of.over(*STEP.key, 7)
    (again,) = of.occurred(STEP, 100 * SAME_NS)
    assert again.alarm.id == raised.alarm.id


def test_what_becomes_graver_has_to_be_acknowledged_again() -> None:
    of = book()
    (raised,) = of.standing([SILENT], KINDS, 5, 0)
    of.acknowledge([raised.alarm.id], "lea", "", 6)
    (step,) = of.standing([Found(*SILENT.key, "worse", "critical")], KINDS, 7, 0)
    assert (step.did, step.alarm.severity, step.alarm.acknowledged_ns) == ("raised", "critical", 0)
    assert did(of.standing([SILENT], KINDS, 8, 0)) == ["counted"], "and milder, without a word"


def test_what_happened_is_over_when_it_was_quiet() -> None:
    of = book()
    of.occurred(STEP, 0)
    day = 86_400 * SECOND
    assert of.quiet(day - 1) == []
    of.occurred(STEP, day - 1)
    assert of.quiet(day) == []
    assert did(of.quiet(2 * day)) == ["cleared"]


def test_a_clock_that_goes_back_raises_and_ends_nothing_by_itself() -> None:
    of = book()
    of.standing([SILENT], KINDS, 10**12, 60 * SECOND)
    of.standing([], KINDS, 10**12 + 1, 60 * SECOND)
    assert of.standing([], KINDS, 5, 60 * SECOND) == []
    assert did(of.standing([], KINDS, 5 + 60 * SECOND, 60 * SECOND)) == ["cleared"]
    assert of.open()[0].cleared_ns >= of.open()[0].raised_ns


def test_what_is_done_is_forgotten_after_its_time_or_when_there_is_too_much() -> None:
    of = book()
    for number in range(1, MAX_DONE + 6):
        (step,) = of.occurred(Found("foreign_login", f"agent{number}", "x"), number)
        of.acknowledge([step.alarm.id], "lea", "", number)
        of.over("foreign_login", f"agent{number}", number)
    (kept,) = of.occurred(STEP, 1)
    gone = of.forget(MAX_DONE)
    assert [step.alarm.object for step in gone] == [f"agent{number}" for number in range(1, 6)]
    assert of.latest("foreign_login", "agent1") is None
    assert len(of.forget(MAX_DONE + KEPT_NS + 6)) == MAX_DONE
    assert list(of.alarms) == [kept.alarm.id], "what is open stays"


def test_a_book_goes_on_where_it_was() -> None:
    of = book()
    (raised,) = of.standing([SILENT], KINDS, 5, 0)
    again = Book(of.alarms.values(), lambda: "new")
    assert again.standing([SILENT], KINDS, 9, 0) == []
    assert again.latest(*SILENT.key) == raised.alarm


WHAT = st.sampled_from(["here", "away", "ack", "occurred", "quiet", "forget"])
EVENTS = st.lists(st.tuples(WHAT, st.integers(0, 10**12)), max_size=60)


def happen(of: Book, what: str, now: int) -> list[Step]:
    if what in ("here", "away"):
        return of.standing([SILENT] if what == "here" else [], KINDS, now, SECOND)
    if what == "ack":
        return of.acknowledge(list(of.alarms), "lea", "", now)
    return of.occurred(STEP, now) if what == "occurred" else of.quiet(now) if what == "quiet" else of.forget(now)


@settings(max_examples=300, deadline=None)
@given(EVENTS)
def test_whatever_happens_there_is_one_open_alarm_a_thing(events: list[tuple[str, int]]) -> None:
    of, now = book(), 1
    for what, after in events:
        now += after
        before = dict(of.alarms)
        steps = happen(of, what, now)
        keys = [alarm.key for alarm in of.open()]
        assert len(keys) == len(set(keys))
        for step in steps:
            if step.did == "forgotten":
                assert step.alarm.id not in of.alarms
                assert not step.alarm.open
                continue
            assert of.alarms[step.alarm.id] == step.alarm
            old = before.get(step.alarm.id)
            assert old is None or (step.alarm.change > old.change) == (step.did != "counted")
            assert step.alarm.cleared_ns == 0 or step.alarm.cleared_ns >= step.alarm.raised_ns
        changed = {name for name, alarm in of.alarms.items() if before.get(name) != alarm}
        assert changed == {step.alarm.id for step in steps if step.did != "forgotten"}, "no change without a step"
