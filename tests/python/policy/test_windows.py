"""Weekly windows, days and years, through both changes of the clock."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigie.policy.moments import begins_ns, ends_ns, meet, shown, state, union, years_later
from vigie.policy.windows import FOREVER, Calendar, datetime_of, ns_of, parse_windows, zone_of


def at(text: str) -> int:
    return ns_of(datetime.fromisoformat(text))


def calendar(*windows: str, zone: str = "Europe/Paris") -> Calendar:
    return Calendar(parse_windows(windows), zone_of(zone))


# windows, instant, open, until (open) or from (closed)
CASES = [
    (["Mo-Fr 07:00-19:00"], "2026-06-01T07:00:00+02:00", True, "2026-06-01T19:00:00+02:00"),  # exactly its beginning
    (["Mo-Fr 07:00-19:00"], "2026-06-01T19:00:00+02:00", False, "2026-06-02T07:00:00+02:00"),  # exactly its end
    (["Mo-Fr 07:00-19:00"], "2026-06-05T19:00:00+02:00", False, "2026-06-08T07:00:00+02:00"),  # over the weekend
    (["Fr 22:00-06:00"], "2026-06-05T23:59:59+02:00", True, "2026-06-06T06:00:00+02:00"),
    (["Fr 22:00-06:00"], "2026-06-06T00:00:00+02:00", True, "2026-06-06T06:00:00+02:00"),  # midnight
    (["Fr 22:00-06:00"], "2026-06-05T05:00:00+02:00", False, "2026-06-05T22:00:00+02:00"),
    (["Su 22:00-06:00"], "2026-06-08T05:59:59+02:00", True, "2026-06-08T06:00:00+02:00"),  # into the next week
    (["Mo-Fr 08:00-12:00,14:00-18:00"], "2026-06-01T13:00:00+02:00", False, "2026-06-01T14:00:00+02:00"),
    (["Fr-Mo 10:00-11:00"], "2026-06-02T10:30:00+02:00", False, "2026-06-05T10:00:00+02:00"),
    (["10:00-11:00"], "2026-06-02T10:30:00+02:00", True, "2026-06-02T11:00:00+02:00"),
    (["Mo-Fr 07:00-12:00", "Mo-Fr 11:00-19:00"], "2026-06-01T08:00:00+02:00", True, "2026-06-01T19:00:00+02:00"),
    (["Sa 22:00-24:00", "Su 00:00-03:00"], "2026-06-06T23:00:00+02:00", True, "2026-06-07T03:00:00+02:00"),
    # Spring, 29 March 2026: 02:00 +01:00 becomes 03:00 +02:00.
    (["Su 01:00-05:00"], "2026-03-29T01:00:00+01:00", True, "2026-03-29T05:00:00+02:00"),
    (["Su 02:30-05:00"], "2026-03-29T01:59:59+01:00", False, "2026-03-29T03:00:00+02:00"),  # begins at the jump
    (["Su 01:00-02:30"], "2026-03-29T01:30:00+01:00", True, "2026-03-29T03:00:00+02:00"),  # ends at the jump
    (["Su 02:10-02:50"], "2026-03-29T01:00:00+01:00", False, "2026-04-05T02:10:00+02:00"),  # never shown on that day
    # Autumn, 25 October 2026: 03:00 +02:00 becomes 02:00 +01:00.
    (["Su 01:00-05:00"], "2026-10-25T02:30:00+01:00", True, "2026-10-25T05:00:00+01:00"),
    (["Su 02:30-05:00"], "2026-10-25T02:30:00+02:00", False, "2026-10-25T02:30:00+01:00"),  # at the second 02:30
    (["Su 01:00-02:30"], "2026-10-25T01:00:00+02:00", True, "2026-10-25T02:30:00+02:00"),  # at the first 02:30
    (["Su 01:00-02:30"], "2026-10-25T02:10:00+01:00", False, "2026-11-01T01:00:00+01:00"),
    (["Su 02:10-02:50"], "2026-10-25T00:00:00+02:00", False, "2026-11-01T02:10:00+01:00"),  # none is left of it
    (["Sa 12:00-02:30", "Su 02:30-12:00"], "2026-10-25T02:40:00+02:00", True, "2026-10-25T12:00:00+01:00"),  # one
]


@pytest.mark.parametrize(("windows", "instant", "is_open", "bound"), CASES)
def test_windows(windows: list[str], instant: str, is_open: bool, bound: str) -> None:
    assert calendar(*windows).at(at(instant)) == (is_open, at(bound))


@pytest.mark.parametrize(
    "windows", [["24/7"], ["00:00-24:00"], ["Mo-Sa 00:00-24:00", "Su 00:00-24:00"], ["06:00-06:30", "06:30-06:00"]]
)
def test_a_full_week_has_no_end(windows: list[str]) -> None:
    for instant in ("2026-03-29T02:30:00+01:00", "2026-10-25T02:30:00+02:00", "2026-06-01T00:00:00+02:00"):
        assert calendar(*windows).at(at(instant)) == (True, FOREVER)


def test_a_midnight_that_comes_twice_is_no_break() -> None:
    every_day = calendar("00:00-24:00", zone="America/Havana")
    assert every_day.at(at("2026-11-01T00:30:00-04:00")) == (True, FOREVER)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("Mo-Fr 7:00-19:00", "not a window"),
        ("Mo-Fr", "not a window"),
        ("Mo-Fr 07:00-25:00", "no such time"),
        ("Mo-Fr 07:60-19:00", "no such time"),
        ("24:00-02:00", "no such time"),
        ("Lu-Ve 07:00-19:00", "not days"),
        ("PH 07:00-19:00", "not days"),
        ("Mo 07:00-07:00", "empty"),
        ("", "not a window"),
    ],
)
def test_wrong_windows_say_what_is_right(text: str, what: str) -> None:
    with pytest.raises(ValueError, match=what) as caught:
        parse_windows([text])
    assert "right would be" in str(caught.value)


def test_an_unknown_zone() -> None:
    for name in ("Europe/Pariss", "", "../etc/passwd", "/etc/localtime"):
        with pytest.raises(ValueError, match="right would be one such as Europe/Paris"):
            zone_of(name)


def test_a_day_counts_as_a_whole() -> None:
    assert begins_ns("2026-03-29", "Europe/Paris") == at("2026-03-29T00:00:00+01:00")
    assert ends_ns("2026-03-29", "Europe/Paris") == at("2026-03-30T00:00:00+02:00")
    assert ends_ns("2026-12-31", "Indian/Reunion") == at("2027-01-01T00:00:00+04:00")
    assert begins_ns("2026-12-31T12:00:00+01:00") == ends_ns("2026-12-31T12:00:00+01:00") == at("2026-12-31T11:00:00Z")
    assert (begins_ns(None), ends_ns(None)) == (-FOREVER, FOREVER)


def test_years_later() -> None:
    assert years_later("2026-01-01", 5, "Europe/Paris") == at("2031-01-01T00:00:00+01:00")
    assert years_later("2028-02-29", 5, "Europe/Paris") == at("2033-03-01T00:00:00+01:00")


def test_instants_are_shown_with_their_zone() -> None:
    assert shown(at("2026-06-01T17:00:00Z"), "Europe/Paris") == "2026-06-01 19:00:00 (Europe/Paris, UTC+02:00)"


SPANS = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9)).map(lambda s: (s[0], s[0] + s[1])), max_size=4)


@given(SPANS, SPANS, st.integers(-1, 45))
def test_terms_are_sets_of_instants(one: list[tuple[int, int]], other: list[tuple[int, int]], instant: int) -> None:
    a, b = union([tuple(one)]), union([tuple(other)])
    in_a, in_b = (any(start <= instant < end for start, end in spans) for spans in (one, other))
    assert state(union([a, b]), instant)[0] == (in_a or in_b)
    assert state(meet(a, b), instant)[0] == (in_a and in_b)
    inside, bound = state(a, instant)
    assert bound == FOREVER or state(a, bound)[0] != inside


@given(st.integers(0, 366 * 24 * 60), st.sampled_from(["Europe/Paris", "Atlantic/Azores", "Indian/Reunion"]))
def test_an_open_window_is_open_by_the_clock_on_the_wall(minute: int, zone: str) -> None:
    """Never longer than its clock says: open means that the wall shows a time inside it (the smallest right)."""
    instant = at("2026-01-01T00:00:00Z") + minute * 60 * 10**9
    wall = datetime_of(instant, zone_of(zone))
    found, bound = calendar("Sa 22:00-02:30", "Su 02:40-05:00", "Mo-Fr 00:30-01:30", zone=zone).at(instant)
    day, clock = wall.weekday(), (wall.hour, wall.minute)
    by_wall = (
        (day == 5 and clock >= (22, 0))
        or (day == 6 and (clock < (2, 30) or (2, 40) <= clock < (5, 0)))
        or (day < 5 and (0, 30) <= clock < (1, 30))
    )
    assert not found or by_wall
    before, after = (datetime_of(instant + hours * 3600 * 10**9, zone_of(zone)) for hours in (-4, 4))
    far_from_a_change = before.utcoffset() == after.utcoffset()
    assert found == by_wall or not far_from_a_change
    assert bound > instant
