"""The city's journal: told to a newcomer in the order in which it was written, and judged."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from vigie.errors import BY_CODE
from vigie.journal.query import Entry
from vigie.journal.records import Apply, Record, Refusal, RouteClose, RouteOpen, ViewBegin, ViewEnd

# What has to be there, and by whom. Of the last two either may come first.
ORDER = (
    ("apply", "local"),
    ("refusal", "lea"),
    ("apply", "hugo"),
    ("route.open", "lea"),
    ("view.begin", "lea"),
    ("view.end", "lea"),
    ("route.close", "vigie"),
)
_KINDS = {kind for kind, _ in ORDER}


@dataclass(frozen=True)
class Told:
    """One line of the journal in words."""

    at: str
    kind: str
    who: str
    what: str
    why: str


def told(entries: Sequence[Entry]) -> list[Told]:
    """Those lines that are about the city, in order."""
    return [
        Told(clock(entry.at_ns, "milliseconds"), entry.record.kind, _who(entry.record), *_words(entry.record))
        for entry in entries
        if entry.record.kind in _KINDS
    ]


def complaints(entries: Sequence[Entry]) -> list[str]:
    """What the journal lacks, or has in another order, of what happened."""
    found = [(entry.record.kind, entry.record.actor.agent) for entry in entries if entry.record.kind in _KINDS]
    if found[:-2] != list(ORDER[:-2]) or sorted(found[-2:]) != sorted(ORDER[-2:]):
        return ["the journal tells " + ", ".join(f"{kind} of {agent}" for kind, agent in found)]
    records = [entry.record for entry in entries]
    return [
        f"{record.kind} names as its cause: {record.cause}"
        for record in records
        if (isinstance(record, RouteClose) and record.cause != "right_ended")
        or (isinstance(record, ViewEnd) and not record.cause.startswith("error-"))
    ]


def clock(at_ns: int, timespec: str = "seconds") -> str:
    """The time of day where this runs; what is below `timespec` is cut off."""
    seconds, rest = divmod(at_ns, 10**9)
    return datetime.fromtimestamp(seconds).replace(microsecond=rest // 1000).time().isoformat(timespec)


def gist(text: str) -> str:
    """What decided, and whom to ask; without the question and what held."""
    sentences = re.split(r"(?<=\.) (?=[A-Z])", re.sub(r"\. \([^()]*\)$", ".", text))
    said = [each for each in sentences[1:] if " holds until " not in each]
    return " ".join(said) or text


def _who(record: Record) -> str:
    actor = record.actor
    return actor.agent + (f"\n({actor.organisation})" if actor.organisation else "")


def _words(record: Record) -> tuple[str, str]:
    """What, and why."""
    match record:
        case Apply():
            made = [*record.created, *record.changed, *record.deleted]
            few = len(made) <= 2
            return f"makes {', '.join(made)}" if few else f"makes {len(made)} objects", f"revision {record.revision}"
        case Refusal():
            return f"may not see {record.camera}", gist(record.reason or "")
        case RouteOpen():
            until = f" until {clock(record.until)}" if record.until else ""
            return f"may see {record.camera}", f"Convention {record.convention}{until}, for {record.purpose}"
        case ViewBegin():
            first = f"its first picture is of {_instant(record.first_unit)}"
            return f"begins to see {record.camera}", first
        case ViewEnd():
            last = f"{record.units} pictures, the last of {_instant(record.last_unit)}"
            return f"sees it no more: {last}", _cause(record.cause)
        case RouteClose():
            why = gist(record.reason).partition(" To ask: ")[0] if record.reason else ""
            return "ends the route", f"{record.cause.replace('_', ' ')}. {why}".rstrip()
    return record.kind, record.reason or ""


def _instant(at_ns: int | None) -> str:
    return "an unknown time" if at_ns is None else clock(at_ns, "milliseconds")


def _cause(cause: str) -> str:
    """`error-205` in words."""
    error = BY_CODE.get(int(code)) if (code := cause.removeprefix("error-")).isdecimal() else None
    return cause if error is None else f"{error.sentence} (error {error.code})"
