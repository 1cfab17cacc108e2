"""When something begins and ends: a day, which counts as a whole, or a time with its zone. Pure."""

import re
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator, Field

from vigie.policy import texts
from vigie.policy.fields import Line
from vigie.policy.windows import FOREVER, datetime_of, ns_of, parse_windows, wall_ns, zone_of

MOMENT = "a day such as 2026-12-31, or a time with its zone such as 2026-12-31T12:00:00+01:00"
DEFAULT_ZONE = "Europe/Paris"
ZONE = "a time zone such as Europe/Paris"
WINDOWS = 'a list of windows such as ["Mo-Fr 07:00-19:00"]'
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")

Terms = tuple[tuple[int, int], ...]
"""Disjoint stretches of time in order: from (included) and until (not included), nanoseconds since 1970."""

ALWAYS: Terms = ((-FOREVER, FOREVER),)


def _moment(text: str) -> str:
    if not _DAY.match(text):
        return texts.utc_text(text)
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"no such day; right would be {MOMENT}") from None
    if not 1970 < day.year < 2261:
        raise ValueError("out of range; right would be a year from 1971 to 2260")
    return text


def _zone(name: str) -> str:
    zone_of(name)
    return name


Moment = Annotated[str, AfterValidator(_moment)]
Instant = Annotated[str, AfterValidator(texts.utc_text)]


def _windows(windows: list[str]) -> list[str]:
    parse_windows(windows)
    return windows


Zone = Annotated[str, AfterValidator(_zone)]
Windows = Annotated[list[Line], Field(min_length=1, max_length=64), AfterValidator(_windows)]


def begins_ns(moment: str | None, zone: str = DEFAULT_ZONE) -> int:
    """When what is declared `from` a moment begins: a day with its first instant in the zone; None: ever since."""
    if moment is None:
        return -FOREVER
    if _DAY.match(moment):
        return wall_ns(datetime.fromisoformat(moment), zone_of(zone), "last")
    return ns_of(datetime.fromisoformat(moment))


def ends_ns(moment: str | None, zone: str = DEFAULT_ZONE) -> int:
    """When what is declared `until` a moment has ended: a day is over at the next midnight; None: never."""
    if moment is None:
        return FOREVER
    if _DAY.match(moment):
        return wall_ns(datetime.fromisoformat(moment) + timedelta(days=1), zone_of(zone), "first")
    return ns_of(datetime.fromisoformat(moment))


def term(begins: str | None, ends: str | None, zone: str = DEFAULT_ZONE) -> Terms:
    """From a moment until another; empty when it ends before it begins."""
    start, end = begins_ns(begins, zone), ends_ns(ends, zone)
    return ((start, end),) if start < end else ()


def years_later(moment: str, years: int, zone: str) -> int:
    """The same day and hour so many years later; 1 March where there is no 29 February."""
    local = datetime_of(begins_ns(moment, zone), zone_of(zone)).replace(tzinfo=None)
    try:
        later = local.replace(year=local.year + years)
    except ValueError:
        later = local.replace(year=local.year + years, month=3, day=1)
    return wall_ns(later, zone_of(zone), "first")


def union(parts: Iterable[Terms]) -> Terms:
    """What lies in any of them; stretches that touch are one."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(stretch for part in parts for stretch in part):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)


def meet(one: Terms, other: Terms) -> Terms:
    """What lies in both."""
    if one is ALWAYS:
        return other
    if other is ALWAYS:
        return one
    both = [(max(a, c), min(b, d)) for a, b in one for c, d in other]
    return tuple((start, end) for start, end in sorted(both) if start < end)


def state(terms: Terms, at: int) -> tuple[bool, int]:
    """Whether an instant lies in one of them, and its end; else the next beginning, or FOREVER."""
    for start, end in terms:
        if at < start:
            return False, start
        if at < end:
            return True, end
    return False, FOREVER


def shown(ns: int, zone: str = DEFAULT_ZONE) -> str:
    """An instant for people: `2026-12-31 19:00:00 (Europe/Paris, UTC+01:00)`."""
    local = datetime_of(ns, zone_of(zone))
    offset = local.strftime("%z")
    return f"{local.replace(tzinfo=None).isoformat(' ', 'seconds')} ({zone}, UTC{offset[:3]}:{offset[3:5]})"
