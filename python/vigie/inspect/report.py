"""Which mark stands where, and what is wrong about it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from vigie.errors import FileUnreadableError
from vigie.inspect import h264
from vigie.inspect.h264 import Mark
from vigie.inspect.units import FileUnit, read_units

UNMARKED = "unmarked"


@dataclass(frozen=True, slots=True)
class Change:
    """From this unit on another mark stands; None: none. `needs_idr`: other masks, so decoding must begin anew."""

    unit: int
    time_s: float | None
    mark: Mark | None
    idr: bool
    needs_idr: bool


@dataclass
class Report:
    """What one file holds. Units are numbered from 0, in decoding order."""

    file: str
    codec: str
    units: int = 0
    idr_units: int = 0
    first_s: float | None = None
    last_s: float | None = None
    states: Counter[str] = field(default_factory=Counter)
    changes: list[Change] = field(default_factory=list)
    first_unmarked: int | None = None
    first_unmarked_s: float | None = None
    unreadable_marks: int = 0  # another layout, damaged, or two in one unit that differ; these units count as unmarked
    repeated_idr_pic_ids: list[int] = field(default_factory=list)  # IDR units with the id of the IDR unit before them

    @property
    def unmarked(self) -> int:
        """Units without a mark."""
        return self.states[UNMARKED]

    @property
    def changes_without_idr(self) -> list[Change]:
        """Changes of masks in the middle of a GOP: pictures under the new mark may refer to ones under the old."""
        return [change for change in self.changes if change.needs_idr and not change.idr]

    @property
    def good(self) -> bool:
        """Every unit marked, every change of masks an IDR picture, no idr_pic_id twice in a row (7.4.3)."""
        return not (self.unmarked or self.changes_without_idr or self.repeated_idr_pic_ids)

    def as_json(self) -> dict[str, Any]:
        """For `vigie inspect --json`."""
        first = {"unit": self.first_unmarked, "time_s": self.first_unmarked_s} if self.unmarked else None
        return {
            "file": self.file,
            "codec": self.codec,
            "good": self.good,
            "units": self.units,
            "idr_units": self.idr_units,
            "first_s": self.first_s,
            "last_s": self.last_s,
            "states": dict(self.states),
            "unmarked": {"count": self.unmarked, "first": first},
            "unreadable_marks": self.unreadable_marks,
            "changes": [asdict(change) for change in self.changes],
            "changes_without_idr": len(self.changes_without_idr),
            "repeated_idr_pic_ids": self.repeated_idr_pic_ids,
        }


def inspect_file(path: Path) -> Report:
    """Reads a whole file. Raises: FileUnreadableError for what cannot be read or holds no picture."""
    codec, units = read_units(path)
    report = Report(str(path), codec)
    take_units(report, units)
    if not report.units:
        raise FileUnreadableError("it holds no coded picture", str(path))
    return report


def take_units(report: Report, units: Iterable[FileUnit]) -> None:
    """Adds units to a report, in decoding order."""
    parameters = h264.Parameters()
    before: Mark | None = None
    id_before: int | None = None  # of the unit just before, where that was an IDR unit
    for unit in units:
        idr_slice = _take_nals(unit, parameters)
        mark, readable = _mark_of(unit)
        idr = idr_slice is not None
        number = report.units
        report.units += 1
        report.idr_units += idr
        report.states[UNMARKED if mark is None else mark.state] += 1
        report.unreadable_marks += not readable
        if unit.time_s is not None:
            report.first_s = unit.time_s if report.first_s is None else report.first_s
            report.last_s = unit.time_s
        if mark is None and report.first_unmarked is None:
            report.first_unmarked, report.first_unmarked_s = number, unit.time_s
        if number == 0 or mark != before:
            masks_differ = mark is not None and before is not None and not mark.same_picture(before)
            report.changes.append(Change(number, unit.time_s, mark, idr, number > 0 and masks_differ))
        this_id = parameters.idr_pic_id(idr_slice) if idr_slice is not None else None
        if this_id is not None and this_id == id_before:
            report.repeated_idr_pic_ids.append(number)
        before, id_before = mark, this_id


def _take_nals(unit: FileUnit, parameters: h264.Parameters) -> bytes | None:
    """Keeps the unit's parameter sets; its first IDR slice, if it is an IDR picture."""
    for nal in unit.nals:
        parameters.take(nal)
    return next((nal for nal in unit.nals if h264.nal_type(nal) == h264.IDR), None)


def _mark_of(unit: FileUnit) -> tuple[Mark | None, bool]:
    """The unit's mark, and whether what there is can be read and says one thing."""
    marks = {mark for nal in unit.nals for mark in h264.marks_of(nal)}
    if len(marks) > 1 or None in marks:
        return None, False
    return next(iter(marks), None), True
