"""Which object an event is about: who may know of that may have it. What is not listed is for administrators alone."""

import json

from vigie.control.diff import Change
from vigie.control.parties import ObjectRef

# Kinds of the engine whose object is `camera/stream`.
OF_STREAM = frozenset(
    "stream_state stream_track stream_fault privacy_state scene_reference scene_alarm lane_overload".split()
)
# Kinds whose object is `Kind/name`.
OF_OBJECT = frozenset("object_created object_changed object_deleted".split())
# Kinds whose object is `ALARM/what it is about`.
OF_ALARM = frozenset("alarm_raised alarm_acknowledged alarm_cleared".split())
# Kinds whose object is an Incident's name.
OF_INCIDENT = frozenset(("incident_opened",))
# Kinds that name nothing and nobody.
OF_NOBODY = frozenset(("revision",))


def target_of(kind: str, name: str) -> ObjectRef | None:
    """The object, or None where everybody may know. Viewers are persons: their events are for administrators."""
    if kind in OF_NOBODY and not name:
        return None
    if kind in OF_STREAM:
        return ObjectRef("stream", name)
    if kind in OF_OBJECT:
        object_kind, _, object_name = name.partition("/")
        return ObjectRef(object_kind, object_name)
    if kind in OF_ALARM:
        return ObjectRef("Alarm", name)
    if kind in OF_INCIDENT:
        return ObjectRef("bookmark", name)
    return ObjectRef("engine", name)


def camera_of_deleted_set(change: Change) -> ObjectRef | None:
    """What a deleted mask set was of: nobody can be asked about the set itself any more."""
    if change.kind != "MaskSet" or change.action != "deleted":
        return None
    of = next((item.before for item in change.fields if item.path == "spec.camera"), None)
    return None if of is None else ObjectRef("Camera", str(json.loads(of)))
