"""What of an apply is a line of its own in the journal, besides the apply's: masks, Openings, break-glass. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vigie.control.diff import Body, Change, Find, canonical
from vigie.control.lookups import commune_of
from vigie.control.loosening import is_open, set_of, uncovers
from vigie.forms import form_name
from vigie.journal.records import SYSTEM, BreakGlass, MaskChange, Opening, Record
from vigie.policy import Town
from vigie.policy.moments import ends_ns
from vigie.policy.sharing_objects import Authorisation
from vigie.policy.world import World

# Of mask sets, by camera and version ("": its own): the revision, and what the engine was told.
MaskSets = Mapping[tuple[str, str], tuple[int, Any]]
_OF_GLASS = ("break_glass", "cameras", "perimeter", "holder")


@dataclass(frozen=True)
class Applying:
    """An apply that the engine has taken. `before`, `after`: an object by kind and name, None where there is none."""

    changes: Sequence[Change]
    before: Find
    after: Find
    town: Town
    sets_before: MaskSets
    sets_after: MaskSets


def records_of_apply(apply: Applying) -> list[Record]:
    """The entries, but for their actor."""
    return [*_mask_changes(apply), *_openings(apply), *_break_glass(apply)]


def _changed(apply: Applying, kind: str) -> Iterator[tuple[str, Body | None, Body | None]]:
    for change in apply.changes:
        if change.kind == kind:
            key = (kind, change.name)
            yield change.name, apply.before(*key), apply.after(*key)


def _mask_changes(apply: Applying) -> Iterator[Record]:
    """One a camera and version: a set under another name, or of another camera, is told by what it hides."""
    old: dict[tuple[Any, Any], tuple[str, Body]] = {}
    new: dict[tuple[Any, Any], tuple[str, Body]] = {}
    for name, before, after in _changed(apply, "MaskSet"):
        if before is not None:
            old[set_of(before)] = name, before
        if after is not None:
            new[set_of(after)] = name, after
    for of in dict.fromkeys([*old, *new]):
        name, body = new.get(of) or old[of]
        camera, version = body["spec"]["camera"], body["spec"].get("version")
        spec = None if of not in new else body["spec"]
        was = None if of not in old else old[of][1]["spec"]
        if spec is None:
            less = version is None and is_open(camera, apply.after)
        else:
            less = was is not None and uncovers(was, spec)
        place = (camera, version or "")
        yield MaskChange(
            actor=SYSTEM,
            camera=camera,
            # Of a camera that goes with its masks, as it was.
            commune=commune_of(camera, apply.after, apply.before),
            mask_set=name,
            revision=apply.sets_after.get(place, (None,))[0],
            before=apply.sets_before.get(place, (None,))[0],
            hides_less=less,
            objects=(f"camera/{form_name(camera, version)}",) if version else (),
            reason=None if spec is None else spec.get("removal_reason") if less else spec["reason"],
        )


def _openings(apply: Applying) -> Iterator[Record]:
    """One that was changed has ended, and another has begun: whom it shows pictures, and why, may be others."""
    for name, before, after in _changed(apply, "Opening"):
        if before is not None and after is not None and canonical(before["spec"]) == canonical(after["spec"]):
            continue
        for body, step in ((before, "end"), (after, "begin")):
            if body is not None:
                yield Opening(
                    actor=SYSTEM,
                    opening=name,
                    step="end" if step == "end" else "begin",
                    objects=tuple(f"convention/{each}" for each in body["spec"]["conventions"]),
                    reason=body["spec"]["motive"],
                )


def _break_glass(apply: Applying) -> Iterator[Record]:
    """One a commune in which the Authorisation has cameras; one without, where it has none."""
    for name, before, after in _changed(apply, "Authorisation"):
        glass = None if after is None else after["spec"].get("break_glass")
        if after is None or glass is None:
            continue
        if before is not None and all(
            canonical(before["spec"].get(field)) == canonical(after["spec"].get(field)) for field in _OF_GLASS
        ):
            continue
        for commune in _communes(name, apply.town) or [None]:
            yield BreakGlass(
                actor=SYSTEM,
                authorisation=name,
                commune=commune,
                until=ends_ns(glass["until"]),
                objects=(f"authorisation/{name}",),
                reason=glass["reason"],
            )


def _communes(authorisation: str, town: Town) -> list[str | None]:
    item = town.by_key.get(("Authorisation", authorisation))
    if item is None or not isinstance(item.object, Authorisation):
        return []
    world = World.of([*(camera.object for camera in town.cameras), item.object])
    found = {spot.commune for spot in world.cameras.spots.values() if spot.authorities}
    return sorted(found, key=lambda commune: commune or "")
