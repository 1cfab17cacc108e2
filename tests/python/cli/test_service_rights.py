"""`vigie serve` compiles anew when a right begins or ends; the clock is injected, the engine only remembers."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from python.control.test_rights_clock import HOUR, Fake, S
from vigie.cli import service
from vigie.control.in_force import InForce
from vigie.control.rights_clock import RightsClock
from vigie.policy.windows import ns_of

CITY = [
    'kind: Server\nname: here\nspec: {rtsp: [{listen: "127.0.0.1:0"}]}\n',
    "kind: Organisation\nname: ville\nspec: {type: municipality, communes: ['57463']}\n",
    "kind: Organisation\nname: police\nspec: {type: police}\n",
    "kind: Camera\nname: hall\nspec: {owner: ville, regime: building, streams: {m: {url: 'push:'}}}\n",
    "kind: Agent\nname: lea\nspec: {organisation: police, roles: [operator], password: x, habilitation:"
    " {reference: H-7, from: 2026-01-01, until: 2026-12-31, departments: '*'}}\n",
    "kind: Authorisation\nname: order\nspec: {number: a, from: 2026-01-01, until: 2030-12-31,"
    " cameras: {owner: ville}, purposes: [inquiry], retention_days: 30}\n",
    "kind: Convention\nname: share\nspec: {from: ville, to: police, cameras: {owner: ville}, rights: [live],"
    " windows: ['Mo-Fr 07:00-19:00'], from_date: 2026-01-01, purposes: [inquiry], default_purpose: inquiry}\n",
]


class Remembering:
    """Takes every snapshot."""

    def __init__(self) -> None:
        self.snapshots: list[dict[str, Any]] = []

    def apply(self, snapshot: dict[str, Any]) -> int:
        self.snapshots.append(snapshot)
        return int(snapshot["revision"])


def test_rights_begin_and_end_by_the_clock(town: Callable[..., Path]) -> None:
    clock = SimpleNamespace(now=0)
    options = service.Options([town(*CITY)], None, 1, [], None, False, False)
    engine: Any = Remembering()
    running = service.Service(options)
    policy = InForce(engine, None, now_ns=lambda: clock.now)

    def cameras_at(text: str) -> list[str]:
        clock.now = ns_of(datetime.fromisoformat(text))
        if policy.until_next_change_s() == 0:
            running._renew_rights(policy)
        return [camera for group in engine.snapshots[-1]["agents"][0].get("ending", []) for camera in group["cameras"]]

    with running._sites:
        clock.now = ns_of(datetime.fromisoformat("2026-06-01T18:00:00+02:00"))
        assert running._apply(policy) == 0
        assert engine.snapshots[-1]["agents"][0]["ending"][0]["until"] == "2026-06-01T17:00:00.000000Z"
        assert policy.until_next_change_s() == 60  # at most: the clock may be set
        assert cameras_at("2026-06-01T18:59:59.5+02:00") == ["hall"]
        assert policy.until_next_change_s() == pytest.approx(0.5)
        assert cameras_at("2026-06-01T19:00:00+02:00") == []
        assert cameras_at("2026-06-02T06:59:59+02:00") == []
        assert cameras_at("2026-06-02T07:00:00+02:00") == ["hall"]
        # A clock that was set far ahead: everything is over at once.
        assert cameras_at("2031-01-01T12:00:00+01:00") == []
    assert [snapshot["revision"] for snapshot in engine.snapshots] == [1, 2, 3, 4]


def test_a_clock_that_steps_lets_no_right_grow(town: Callable[..., Path]) -> None:
    fake = Fake()
    fake.wall = ns_of(datetime.fromisoformat("2026-06-01T18:30:00+02:00"))
    running = service.Service(service.Options([town(*CITY)], None, 1, [], None, False, False))
    running._clock = RightsClock(machine=fake.machine)
    engine: Any = Remembering()
    policy = InForce(engine, None, now_ns=running._clock.now_ns, also_ns=running._clock.also_ns)
    with running._sites:
        assert running._apply(policy) == 0
        assert not running._clock_stepped()
        fake.wall -= HOUR
        fake.after(31 * 60 * S)  # 19:01 by what has passed, 18:01 by what it shows
        assert running._clock_stepped()
        running._renew_rights(policy)
        assert engine.snapshots[-1]["agents"][0]["cameras"] == []
        assert not running._clock_stepped()
        fake.wall += HOUR
        assert running._clock_stepped()
