"""What the engine says of its viewers, taken over: by what right, at which Post, and who is at two places."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from vigie.control.routes import Routes
from vigie.control.watching import Watching
from vigie.events import Event
from vigie.journal import Record
from vigie.journal.records import ViewBegin
from vigie.policy import load_town
from vigie.policy.live_rights import live_rights
from vigie.policy.windows import ns_of
from vigie.policy.world import World

from .test_routes import Rows
from .test_rule_rights import CITY

NOON = ns_of(datetime.fromisoformat("2026-06-01T12:00:00+02:00"))
MORE = [
    "kind: Post\nname: wall\nspec: {organisation: police, addresses: [10.2.0.7, 10.2.0.8]}\n",
    "kind: Agent\nname: recorder\nspec: {organisation: police, password: x, machine: true}\n",
]


class Seen:
    """What a `Watching` over a city writes and raises."""

    def __init__(self, file: Path) -> None:
        self.lines: list[Record] = []
        self.said: list[str] = []
        self.alarms: list[tuple[str, str, str]] = []
        self.rights: Any = None
        file.write_text("---\n".join([*CITY, *MORE]), encoding="utf-8")
        objects = list(load_town([file]).objects())
        self.decided = live_rights(World.of(objects), NOON)
        bodies = {(item.kind, item.name): item.model_dump(by_alias=True, mode="json") for item in objects}
        self.watching = Watching(
            "s" * 43,
            lambda kind, name: bodies.get((kind, name)),
            Routes(Rows(), "k" * 43, lambda: NOON),
            self,
            lambda: self.rights,
            now_ns=lambda: NOON,
            say=self.said.append,
            raise_alarm=lambda *alarm: self.alarms.append(alarm),
        )
        self.watching.attached("run-1")

    def write(self, records: Sequence[Record]) -> None:
        self.lines += records

    def plays(self, viewer: int, agent: str, address: str) -> None:
        facts = {"viewer": viewer, "agent": agent, "route": "", "peer": f"{address}:4711", "listener": "main"}
        facts |= {"camera": "hall", "stream": "main", "version": "", "first_unit_ns": 1, "last_unit_ns": 1}
        event = Event(viewer, 5, "viewer_playing", f"viewer {viewer} hall/main", "", 0, "", 0, facts)
        asyncio.run(self.watching.deal_with([event]))


@pytest.fixture
def seen(tmp_path: Path) -> Any:
    made = Seen(tmp_path / "city.yaml")
    yield made
    made.watching.close()


def test_a_view_without_a_route_rests_on_the_right_that_stands(seen: Seen) -> None:
    seen.plays(1, "lea", "10.2.0.7")
    seen.rights = seen.decided
    seen.plays(2, "lea", "10.2.0.7")
    seen.plays(3, "guard", "10.2.0.9")
    found = [(line.convention, line.purpose) for line in seen.lines if isinstance(line, ViewBegin)]
    assert found == [(None, None), ("share", "inquiry"), (None, None)]


def test_a_person_at_two_places_is_an_alarm_and_a_machine_is_none(seen: Seen) -> None:
    seen.rights = seen.decided
    seen.plays(1, "lea", "10.2.0.7")
    seen.plays(2, "lea", "10.2.0.8")
    for viewer, address in enumerate(("10.2.0.7", "10.3.0.1"), 3):
        seen.plays(viewer, "recorder", address)
        seen.plays(viewer + 10, "nobody", address)
    assert seen.alarms == []
    seen.plays(5, "lea", "10.3.0.1")
    assert seen.alarms == [("foreign_login", "lea", "lea watches at 10.3.0.1 and at Post wall")]
    assert seen.said == ["alarm: lea watches at 10.3.0.1 and at Post wall"]
