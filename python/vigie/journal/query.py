"""Questions to the journal, as functions over its entries: no clock, no socket; only `read_entries` reads files.

Sealed (L-28) and targeted (L-27) entries, and what the journal writes about itself, are shown to the auditor alone.
Others cannot infer that they exist: the entries shown to them are numbered anew, without seq, hashes and revisions, and
what belongs to a hidden view, route, requisition, export, hold or incident is hidden with it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from vigie.errors import JournalDamagedError
from vigie.journal.line import split_line
from vigie.journal.records import Apply, Fields, Record, parse_record
from vigie.journal.segments import raw_lines, segment_files
from vigie.journal.texts import AgentName, Instant, Name, parse_instant

Audience = Literal["auditor", "others"]
MAX_PAGE = 1000
_LINKS = ("view", "route", "requisition", "export", "hold", "incident")


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry as it stands in the journal."""

    seq: int
    at_ns: int
    record: Record


class Query(Fields):
    """What is asked; what is left out does not restrict. `agent`: the agent, or whom it acted for.

    Times are half open, [since, until), and those of the lines. `offset`: how many of the matching entries to skip.
    """

    camera: Name | None = None
    agent: AgentName | None = None
    organisation: Name | None = None
    kinds: tuple[str, ...] = ()
    since: Instant | None = None
    until: Instant | None = None
    offset: Annotated[int, Field(ge=0)] = 0
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = 100


@dataclass(frozen=True, slots=True)
class Row:
    """One answer. `number`: of those that match and may be seen, from 1; `seq`: for the auditor alone."""

    number: int
    seq: int | None
    at_ns: int
    record: Record


@dataclass(frozen=True, slots=True)
class Page:
    """Answers in the order of the journal. `next_offset`: None, if there are no more."""

    rows: tuple[Row, ...]
    next_offset: int | None


def read_entries(folder: Path, containing: Sequence[str] = ()) -> Iterator[Entry]:
    """The entries that are still there, in order. `containing`: only of lines that hold one of these texts.

    Not checked: whether the chain holds; `verify` does that. A line that is not finished is left out.
    Raises: NotFoundError, JournalDamagedError.
    """
    needles = [text.encode() for text in containing]
    for file in segment_files(folder):
        for raw in raw_lines(file):
            if not raw.whole or (needles and not any(needle in raw.text for needle in needles)):
                continue
            line = split_line(raw.text)
            if line is None:
                raise JournalDamagedError("it does not have the form of a line", f"{file}:{raw.number}")
            if line.purged:
                continue
            try:
                yield Entry(line.seq, parse_instant(line.at), parse_record(line.record_text()))
            except ValueError:
                raise JournalDamagedError("an entry that cannot be read", f"{file}:{raw.number}") from None


def visible(entries: Iterable[Entry], audience: Audience) -> Iterator[Entry]:
    """What may be shown to somebody."""
    if audience == "auditor":
        yield from entries
        return
    hidden: set[tuple[str, str]] = set()
    for entry in entries:
        record = entry.record
        if record.category == "journal":
            continue
        links = [(name, value) for name in _LINKS if (value := getattr(record, name, None)) is not None]
        if record.visibility != "normal" or any(link in hidden for link in links):
            hidden.update(links)
        elif isinstance(record, Apply):
            yield replace(entry, record=record.model_copy(update={"revision": None, "rolled_back_to": None}))
        else:
            yield entry


def concerns_camera(record: Record, camera: str) -> bool:
    """Whether an entry names a camera."""
    return (
        getattr(record, "camera", None) == camera
        or camera in getattr(record, "cameras", ())
        or f"camera/{camera}" in record.objects
    )


def matches(entry: Entry, query: Query) -> bool:
    """Whether an entry is asked for."""
    record = entry.record
    return (
        (query.camera is None or concerns_camera(record, query.camera))
        and (query.agent is None or query.agent in (record.actor.agent, record.actor.on_behalf_of))
        and (query.organisation is None or query.organisation == record.actor.organisation)
        and (not query.kinds or record.kind in query.kinds)
        and (query.since is None or entry.at_ns >= query.since)
        and (query.until is None or entry.at_ns < query.until)
    )


def ask(entries: Iterable[Entry], query: Query, audience: Audience) -> Page:
    """One page of the answer."""
    rows: list[Row] = []
    number = 0
    for entry in visible(entries, audience):
        if not matches(entry, query):
            continue
        number += 1
        if number <= query.offset:
            continue
        if len(rows) == query.limit:
            return Page(tuple(rows), query.offset + len(rows))
        rows.append(Row(number, entry.seq if audience == "auditor" else None, entry.at_ns, entry.record))
    return Page(tuple(rows), None)
