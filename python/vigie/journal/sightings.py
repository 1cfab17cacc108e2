"""Who saw a camera between two instants, exact to the picture (L-35)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from vigie.journal.query import Audience, Entry, visible
from vigie.journal.records import Actor, Export, Process, Record, Still, View, ViewBegin, ViewEnd, ViewProgress

State = Literal["ended", "open", "end_not_written"]


@dataclass(frozen=True)
class Sighting:
    """Pictures of one camera that somebody received.

    `first_ns`, `last_ns`: capture times of the first and the last picture of the whole view, None where not known.
    `from_ns`, `until_ns`: what of it lies within the interval asked for. `exact`: both bounds are pictures' times or
    the interval's own; else they are the widest that the journal allows.
    """

    actor: Actor
    mode: str
    camera: str
    stream: str
    purpose: str | None
    convention: str | None
    first_ns: int | None
    last_ns: int | None
    from_ns: int
    until_ns: int
    state: State
    exact: bool
    text: str


@dataclass(frozen=True)
class _Begun:
    begin: ViewBegin
    at_ns: int
    first_ns: int | None
    last_known_ns: int | None = None


def who_saw(
    entries: Iterable[Entry], camera: str, since_ns: int, until_ns: int, now_ns: int, audience: Audience
) -> list[Sighting]:
    """Everybody who received pictures captured in [since, until), live, replayed, as a still or as an export.

    In the order of their first picture. Parameters: `now_ns`: until when views that are open can have gone on.
    Not checked: what was shown of a tap by the host that holds it.
    """
    found = [
        sighting
        for whole in _all(visible(entries, audience), camera, now_ns)
        if (sighting := _clip(whole, since_ns, until_ns)) is not None
    ]
    return sorted(found, key=lambda sighting: (sighting.from_ns, sighting.until_ns, sighting.actor.agent))


def needles(camera: str) -> tuple[str, str]:
    """What the lines contain that this question needs, for `read_entries`."""
    return f'"camera":"{camera}"', '"kind":"process"'


def _all(entries: Iterable[Entry], camera: str, now_ns: int) -> Iterator[Sighting]:
    """Every sighting of a camera; `from_ns` and `until_ns` are still those of the whole view."""
    begun: dict[str, _Begun] = {}
    ended: set[str] = set()  # a line that was written again around a death of control counts once
    for entry in entries:
        record = entry.record
        if isinstance(record, Process) and record.process == "engine":
            for view in [view for view, each in begun.items() if each.begin.engine == record.name]:
                yield _without_end(begun.pop(view), "end_not_written", entry.at_ns)
        if getattr(record, "camera", None) != camera:
            continue
        if isinstance(record, View) and record.view in ended:
            continue
        if isinstance(record, ViewBegin):
            begun[record.view] = _Begun(record, entry.at_ns, record.first_unit)
        elif isinstance(record, ViewProgress) and (before := begun.get(record.view)):
            begun[record.view] = replace(before, first_ns=record.first_unit, last_known_ns=record.last_unit)
        elif isinstance(record, ViewEnd):
            before = begun.pop(record.view, None)
            ended.add(record.view)
            if record.first_unit is not None and record.last_unit is not None:
                convention = record.convention or (before.begin.convention if before else None)
                purpose = record.purpose or (before.begin.purpose if before else None)
                whole = record.model_copy(update={"purpose": purpose})
                yield _exact(whole, whole, record.first_unit, record.last_unit, convention)
        elif isinstance(record, Still):
            yield _exact(record, None, record.captured, record.captured, None)
        elif isinstance(record, Export):
            yield _exact(record, None, record.first_unit, record.last_unit, None)
    for each in begun.values():
        yield _without_end(each, "open", now_ns)


def _exact(record: Record, view: View | None, first_ns: int, last_ns: int, convention: str | None) -> Sighting:
    return Sighting(
        actor=record.actor,
        mode=record.kind if view is None else view.mode,
        camera=str(getattr(record, "camera", "")),
        stream="" if view is None else view.stream,
        purpose=record.purpose,
        convention=convention,
        first_ns=first_ns,
        last_ns=last_ns,
        from_ns=first_ns,
        until_ns=last_ns,
        state="ended",
        exact=True,
        text="",
    )


def _without_end(begun: _Begun, state: State, bound_ns: int) -> Sighting:
    begin = begun.begin
    known = begun.last_known_ns
    text = "still open" if state == "open" else "its end was never written: the engine began anew or died"
    if begun.first_ns is None:
        text += "; the time of its first picture is not written"
    first = begun.at_ns if begun.first_ns is None else begun.first_ns
    return Sighting(
        actor=begin.actor,
        mode=begin.mode,
        camera=begin.camera,
        stream=begin.stream,
        purpose=begin.purpose,
        convention=begin.convention,
        first_ns=begun.first_ns,
        last_ns=known,
        from_ns=first,
        until_ns=max(bound_ns, first, known or 0),
        state=state,
        exact=False,
        text=text,
    )


def _clip(whole: Sighting, since_ns: int, until_ns: int) -> Sighting | None:
    if whole.from_ns >= until_ns or whole.until_ns < since_ns:
        return None
    # A bound that the interval cuts is exact if pictures are known to lie beyond it.
    first_known = whole.first_ns is not None
    last_known = whole.state == "ended" or (whole.last_ns is not None and whole.last_ns >= until_ns)
    return replace(
        whole,
        from_ns=max(whole.from_ns, since_ns),
        until_ns=min(whole.until_ns, until_ns),
        exact=first_known and last_known,
    )
