"""What is known of each stream: from the engine's events at once, from its figures now and then."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

CAMERA_CLOCK = 605  # the error of a camera's clock, docs/errors.md
WANTED = frozenset({"connecting", "waiting", "silent", "backing_off"})
"""States in which a picture is wanted and none comes."""


@dataclass(frozen=True, slots=True)
class Stream:
    """`since_ns`: when it began to lack pictures; 0: it does not. `scene`: moved or cannot_tell, else "".

    `overload`: late or below_floor, else "". `clock`: its error as a text, else "".
    """

    state: str = ""
    since_ns: int = 0
    scene: str = ""
    overload: str = ""
    clock: str = ""


class Streams:
    """By `camera/stream`. Thread: one at a time."""

    def __init__(self) -> None:
        self._by_name: dict[str, Stream] = {}
        self.known = False  # whether the engine's figures were seen
        self._newer: set[str] = set()  # streams with an event since the figures were asked for

    def __iter__(self) -> Iterator[tuple[str, Stream]]:
        return iter(self._by_name.items())

    def on_event(self, kind: str, name: str, body: Mapping[str, Any], at_ns: int) -> bool:
        """An event of the engine; whether it changed anything."""
        stream = self._by_name.get(name, Stream())
        state, text = str(body.get("state", "")), str(body.get("text", ""))
        if kind == "stream_state":
            new = _in_state(stream, state, at_ns)
        elif kind == "scene_alarm":
            new = replace(stream, scene="" if state == "in_place" else state)
        elif kind == "lane_overload":
            new = replace(stream, overload="" if state == "in_time" else state)
        elif kind == "stream_fault" and body.get("code") == CAMERA_CLOCK:
            new = replace(stream, clock=text or "it is off")
        else:
            return False
        self._newer.add(name)
        self._by_name[name] = new
        return new != stream

    def asking(self) -> None:
        """Figures are asked for now. They take time: what an event says meanwhile is newer."""
        self._newer.clear()

    def on_figures(self, cameras: Mapping[str, Any], at_ns: int) -> None:
        """All streams as the engine's figures have them; those that are not there are gone."""
        before, self._by_name = self._by_name, {}
        for camera, figures in cameras.items():
            for stream, of in figures.get("streams", {}).items():
                name = f"{camera}/{stream}"
                if name in self._newer and name in before:
                    self._by_name[name] = before[name]
                    continue
                self._by_name[name] = _of_figures(before.get(name, Stream()), of, at_ns)
        self.known = True


def _in_state(stream: Stream, state: str, at_ns: int) -> Stream:
    if state not in WANTED:
        return replace(stream, state=state, since_ns=0)
    return replace(stream, state=state, since_ns=stream.since_ns or at_ns)


def _of_figures(stream: Stream, of: Mapping[str, Any], at_ns: int) -> Stream:
    stream = _in_state(stream, str(of.get("state", "")), at_ns)
    scene = of.get("scene") or {}
    overload = str((of.get("lane") or {}).get("overload", "in_time"))
    clock = ""
    if of.get("clock_quality") == "suspect":
        error_ms = of.get("camera_clock_error_ms")
        clock = "it is off" if error_ms is None else f"it differs by {error_ms / 1000:+.1f} s from ours"
    return replace(
        stream,
        scene="moved" if scene.get("covers") else "cannot_tell" if scene.get("alarm") else "",
        overload="" if overload == "in_time" else overload,
        clock=(stream.clock or clock) if clock else "",
    )
