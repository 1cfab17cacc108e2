"""What an engine says of itself, as a value: the same in the engine's process and out of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

__all__ = ["Event"]


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened, by value.

    `kind`: stream_state, stream_track, stream_fault, viewer_opened, viewer_closed, viewer_dropped, viewer_refused,
    policy_applied, listener_state, engine_warning, privacy_state, scene_reference, scene_alarm, lane_overload,
    viewer_playing (its first picture).
    `object`: "camera/stream", "listener NAME", "viewer N camera/stream". `state`: the new one where the kind has one.
    `code`: 0, or the number of the error (vigie.errors.BY_CODE).
    `merged`: equal events of the same second folded into this one. A hole in `seq`: events were lost, nobody pulled.
    `facts`: of viewer_opened, viewer_playing and viewer_closed: `viewer` (its number), `agent` ("" on an open
    listener), `route`, `peer`, `listener`, `transport`, `camera`, `stream`, `version`, `units`, and once there was one
    `first_unit_ns` and `last_unit_ns`, the capture times of the first and last unit that it was sent.
    """

    seq: int
    time_ns: int
    kind: str
    object: str
    state: str
    code: int
    text: str
    merged: int
    facts: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, native: tuple[int, int, str, str, str, int, str, int, str]) -> Self:
        """From what the core hands over."""
        return cls(*native[:-1], json.loads(native[-1]) if native[-1] else {})
