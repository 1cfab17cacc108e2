"""What an engine says of itself, as a value: the same in the engine's process and out of it."""

from dataclasses import dataclass

__all__ = ["Event"]


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened, by value.

    `kind`: stream_state, stream_track, stream_fault, viewer_opened, viewer_closed, viewer_dropped, viewer_refused,
    policy_applied, listener_state, engine_warning, privacy_state, scene_reference, scene_alarm, lane_overload.
    `object`: "camera/stream", "listener NAME", "viewer N camera/stream". `state`: the new one where the kind has one.
    `code`: 0, or the number of the error (vigie.errors.BY_CODE).
    `merged`: equal events of the same second folded into this one. A hole in `seq`: events were lost, nobody pulled.
    """

    seq: int
    time_ns: int
    kind: str
    object: str
    state: str
    code: int
    text: str
    merged: int
