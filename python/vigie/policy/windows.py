"""Weekly windows such as `Mo-Fr 07:00-19:00` in a time zone: whether one is open at an instant, and until when.

The syntax is a part of OpenStreetMap's opening hours. Instants are nanoseconds since 1970 in UTC, as everywhere in
`policy/`. Daylight saving, by the smallest right: in the hour that comes twice a window begins at its second showing
and ends at the first; a time that the clock skips is the instant of the jump.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

FOREVER = 2**63 - 1
"""The end of what has none."""

SECOND = 1_000_000_000
_DAY = 24 * 60
_WEEK = 7 * _DAY
_DAYS = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")
_RIGHT = 'right would be one such as "Mo-Fr 07:00-19:00", "Sa,Su 22:00-06:00" or "24/7"'
_DAY_PART = re.compile(r"([A-Z][a-z])(?:-([A-Z][a-z]))?\Z")
_TIME_PART = re.compile(r"([0-9]{2}):([0-9]{2})-([0-9]{2}):([0-9]{2})\Z")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Week = tuple[tuple[int, int], ...]
"""Disjoint windows in minutes since Monday 00:00 by the clock on the wall, in order; one may run into the next week."""


@lru_cache(maxsize=64)
def zone_of(name: str) -> ZoneInfo:
    """The time zone of a name such as Europe/Paris. Raises: ValueError with what would be right."""
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):  # the error of an unknown one is a KeyError
        right = "right would be one such as Europe/Paris or Indian/Reunion"
        raise ValueError(f'no time zone "{name[:40]}"; {right}') from None


def parse_windows(texts: Sequence[str]) -> Week:
    """The union of the windows. Raises: ValueError with what would be right."""
    found = [window for text in texts for window in _parse(text)]
    return _merged(found)


def _parse(text: str) -> list[tuple[int, int]]:
    if text == "24/7":
        return [(0, _WEEK)]
    days_text, _, times_text = text.rpartition(" ")
    days = _days(text, days_text) if days_text else list(range(7))
    found = []
    for part in times_text.split(","):
        match = _TIME_PART.match(part)
        if match is None:
            raise ValueError(f'not a window: "{text[:60]}"; {_RIGHT}')
        hours_1, minutes_1, hours_2, minutes_2 = map(int, match.groups())
        start, end = hours_1 * 60 + minutes_1, hours_2 * 60 + minutes_2
        if max(minutes_1, minutes_2) > 59 or start >= _DAY or end > _DAY:
            raise ValueError(f'no such time: "{part[:20]}"; right would be 00:00 to 23:59, and 24:00 as an end')
        if start == end:
            raise ValueError(f'empty: "{part[:20]}"; right would be 00:00-24:00 for the whole day')
        length = end - start if end > start else end - start + _DAY  # over midnight
        found += [(day * _DAY + start, day * _DAY + start + length) for day in days]
    return found


def _days(text: str, days_text: str) -> list[int]:
    days: list[int] = []
    for part in days_text.split(","):
        match = _DAY_PART.match(part)
        names = [name for name in match.groups() if name] if match else []
        if not names or any(name not in _DAYS for name in names):
            raise ValueError(
                f'not days: "{days_text[:40]}" in "{text[:60]}"; right would be {", ".join(_DAYS)}, or Mo-Fr'
            )
        first, last = _DAYS.index(names[0]), _DAYS.index(names[-1])
        days += [(first + step) % 7 for step in range((last - first) % 7 + 1)]
    return days


def _merged(windows: list[tuple[int, int]]) -> Week:
    """Union on the circle of a week: adjacent windows are one, a full week is `((0, _WEEK),)`."""
    pieces = sorted(
        piece
        for start, end in windows
        for piece in ([(start, end)] if end <= _WEEK else [(start, _WEEK), (0, end - _WEEK)])
    )
    merged: list[tuple[int, int]] = []
    for start, end in pieces:
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    if len(merged) > 1 and merged[0][0] == 0 and merged[-1][1] == _WEEK:
        merged[-1] = (merged[-1][0], _WEEK + merged.pop(0)[1])
    return tuple(merged)


def ns_of(instant: datetime) -> int:
    """An aware time as nanoseconds since 1970."""
    past = instant.astimezone(UTC) - _EPOCH
    return ((past.days * 86400 + past.seconds) * 1_000_000 + past.microseconds) * 1000


def datetime_of(ns: int, zone: ZoneInfo | None = None) -> datetime:
    """Nanoseconds since 1970 as an aware time, in UTC or a zone; what is below a microsecond is cut off."""
    return (_EPOCH + timedelta(microseconds=ns // 1000)).astimezone(zone or UTC)


@lru_cache(maxsize=4096)
def wall_ns(wall: datetime, zone: ZoneInfo, which: Literal["first", "last"]) -> int:
    """The instant at which the clock on the wall of a zone shows a (naive) time, the first or the last one where it
    comes twice; that of the jump where it never comes."""
    early, late = (ns_of(wall.replace(tzinfo=zone, fold=fold)) for fold in (0, 1))
    if early <= late:
        return early if which == "first" else late
    # Skipped: fold 1 counts by the offset after the jump and lies before it. The clock jumps between the two.
    low, high = late // SECOND, early // SECOND
    after = datetime_of(early, zone).utcoffset()
    while high - low > 1:
        middle = (low + high) // 2
        if datetime_of(middle * SECOND, zone).utcoffset() == after:
            high = middle
        else:
            low = middle
    return high * SECOND


@dataclass(frozen=True, slots=True)
class Calendar:
    """Weekly windows in a zone."""

    week: Week
    zone: ZoneInfo

    def at(self, ns: int) -> tuple[bool, int]:
        """Whether a window is open, and until when (FOREVER: always); when none is, the next opening."""
        if self.week == ((0, _WEEK),):
            return True, FOREVER
        local = datetime_of(ns, self.zone)
        monday = local.date() - timedelta(days=local.weekday())
        # A window of the week before may run into this one; the next one's first follows this one's last.
        for weeks in (-1, 0, 1, 2):
            for start, end in _windows_of_week(self.week, self.zone, monday + timedelta(weeks=weeks)):
                if ns < start:
                    return False, start
                if ns < end:
                    return True, end
        return False, FOREVER


@lru_cache(maxsize=4096)
def _windows_of_week(week: Week, zone: ZoneInfo, monday: date) -> tuple[tuple[int, int], ...]:
    midnight = datetime(monday.year, monday.month, monday.day)
    found = []
    for start, end in week:
        opens = wall_ns(midnight + timedelta(minutes=start), zone, "last")
        closes = wall_ns(midnight + timedelta(minutes=end), zone, "first")
        if opens < closes:
            found.append((opens, closes))
    return tuple(found)
