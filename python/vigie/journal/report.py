"""The yearly figures of one commune, for its ethics committee. Nothing here reads a clock or a file."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import Field, TypeAdapter

from vigie.journal.query import Audience, Entry, visible
from vigie.journal.records import (
    Alarm,
    BreakGlass,
    Export,
    Fields,
    Incident,
    MaskChange,
    Purge,
    Refusal,
    Requisition,
    Still,
    ViewBegin,
    ViewEnd,
)
from vigie.journal.texts import NS, Commune, Name


class CameraAvailability(Fields):
    """How much of a year's time a camera gave pictures. `expected_s`: how long it was to give them."""

    camera: Name
    commune: Commune
    title: Annotated[str, Field(max_length=200)] = ""
    expected_s: Annotated[float, Field(ge=0)]
    delivered_s: Annotated[float, Field(ge=0)]
    longest_gap_s: Annotated[float, Field(ge=0)] = 0.0

    @property
    def share(self) -> float | None:
        """From 0 to 1; None, if it was not to give any."""
        return min(1.0, self.delivered_s / self.expected_s) if self.expected_s else None


AVAILABILITY = TypeAdapter(tuple[CameraAvailability, ...])


@dataclass
class CameraYear:
    """The figures of one camera."""

    camera: str
    views: Counter[str] = field(default_factory=Counter)  # by mode
    viewed_s: float = 0.0
    stills: int = 0
    exports: int = 0
    requisitions: int = 0
    mask_changes: int = 0
    hides_less: int = 0
    availability: CameraAvailability | None = None


@dataclass
class Year:
    """The figures of one commune. `incomplete_until_ns`: entries before this were purged, and are not counted."""

    commune: str
    year: int
    zone: str
    from_ns: int
    until_ns: int
    cameras: dict[str, CameraYear] = field(default_factory=dict)
    views: Counter[str] = field(default_factory=Counter)  # by mode
    organisations: Counter[str] = field(default_factory=Counter)  # views by who viewed
    purposes: Counter[str] = field(default_factory=Counter)  # views by purpose
    requisitions: Counter[str] = field(default_factory=Counter)  # by step
    refusals: int = 0
    exports: int = 0
    stills: int = 0
    mask_changes: int = 0
    hides_less: int = 0
    incidents: int = 0
    alarms: int = 0
    break_glass: int = 0
    incomplete_until_ns: int | None = None

    def camera(self, name: str) -> CameraYear:
        """The camera's figures, begun where there are none."""
        return self.cameras.setdefault(name, CameraYear(name))


def year_bounds(year: int, zone: str) -> tuple[int, int]:
    """The year as it is counted where the commune lies, [from, until) in ns since 1970 UTC."""
    there = ZoneInfo(zone)
    first, last = (int(datetime(each, 1, 1, tzinfo=there).astimezone(UTC).timestamp()) for each in (year, year + 1))
    return first * NS, last * NS


def yearly(
    entries: Iterable[Entry],
    availability: Iterable[CameraAvailability],
    commune: str,
    year: int,
    zone: str = "Europe/Paris",
    audience: Audience = "others",
) -> Year:
    """Counts a year. Sealed and targeted entries count for the auditor's report alone.

    A view counts in the year in which it began, and its time by what of it lies in the year.
    Raises: zoneinfo.ZoneInfoNotFoundError.
    """
    begin_ns, end_ns = year_bounds(year, zone)
    found = Year(commune, year, zone, begin_ns, end_ns)
    for each in availability:
        if each.commune == commune:
            found.camera(each.camera).availability = each
    counted: set[str] = set()
    for entry in visible(_once(_noting_purges(entries, found)), audience):
        record = entry.record
        if isinstance(record, ViewEnd) and record.commune == commune:
            _add_time(found, record)
        if not begin_ns <= entry.at_ns < end_ns:
            continue
        if getattr(record, "commune", None) == commune:
            _count(found, entry, counted)
    return found


def _noting_purges(entries: Iterable[Entry], found: Year) -> Iterable[Entry]:
    for entry in entries:
        if isinstance(entry.record, Purge):
            until = [each.until for each in entry.record.purged if each.category != "journal"]
            newest = max(until, default=0)
            if newest > found.from_ns:
                found.incomplete_until_ns = max(found.incomplete_until_ns or 0, newest)
        yield entry


def _once(entries: Iterable[Entry]) -> Iterable[Entry]:
    """Leaves out lines of a view that were written again around a death of control."""
    seen: set[tuple[str, str]] = set()
    for entry in entries:
        record = entry.record
        if isinstance(record, (ViewBegin, ViewEnd)):
            if (record.kind, record.view) in seen:
                continue
            seen.add((record.kind, record.view))
        yield entry


def _add_time(found: Year, record: ViewEnd) -> None:
    if record.mode == "playback" or record.first_unit is None or record.last_unit is None:
        return
    within = min(record.last_unit, found.until_ns) - max(record.first_unit, found.from_ns)
    if within > 0:
        found.camera(record.camera).viewed_s += within / NS


def _count(found: Year, entry: Entry, counted: set[str]) -> None:
    record = entry.record
    if isinstance(record, ViewBegin):
        found.views[record.mode] += 1
        found.organisations[record.actor.organisation or "(none)"] += 1
        found.purposes[record.purpose or "(none)"] += 1
        found.camera(record.camera).views[record.mode] += 1
    elif isinstance(record, Still):
        found.stills += 1
        found.camera(record.camera).stills += 1
    elif isinstance(record, Export):
        found.exports += 1
        found.camera(record.camera).exports += 1
    elif isinstance(record, MaskChange):
        camera = found.camera(record.camera)
        found.mask_changes += 1
        camera.mask_changes += 1
        found.hides_less += record.hides_less
        camera.hides_less += record.hides_less
    elif isinstance(record, Requisition):
        found.requisitions[record.step] += 1
        if record.requisition not in counted:
            counted.add(record.requisition)
            for name in record.cameras:
                found.camera(name).requisitions += 1
    elif isinstance(record, Refusal):
        found.refusals += 1
    elif isinstance(record, Incident):
        found.incidents += 1
    elif isinstance(record, Alarm):
        found.alarms += record.step == "raised"
    elif isinstance(record, BreakGlass):
        found.break_glass += 1
