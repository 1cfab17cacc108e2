"""`vigie serve --state` by itself: what it compiles anew when a right ends, and what it does with events."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from vigie.control import plane
from vigie.control.engine_link import Attached
from vigie.control.rights_clock import RightsClock, trust
from vigie.control.state_journal import open_journal
from vigie.control.store import Command, Store
from vigie.events import Event
from vigie.policy.windows import ns_of

from .conftest import LOCAL, yaml
from .test_renewal import Engine
from .test_rights_clock import HOUR, Fake, S
from .test_rule_rights import CITY


class Link:
    """An engine that is there, and remembers."""

    def __init__(self) -> None:
        self.engine = Engine()
        self.acknowledged = 0

    def attached(self, wait_s: float) -> Attached:
        return Attached("session", "instance", 0, b"", b"", 0)

    def use(self, session: str) -> None: ...

    def apply(self, snapshot: Mapping[str, Any], note: bytes = b"") -> int:
        return self.engine.apply(snapshot)

    def acknowledge(self, seq: int) -> None:
        self.acknowledged = seq

    def close(self) -> None: ...


class NoSites:
    """No partner has told anything."""

    def inventories(self, town: Any) -> Mapping[str, Any]:
        return {}

    def put_in_force(self, town: Any) -> None: ...

    def figures(self) -> dict[str, Any]:
        return {}


class Quiet:
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def event(self, event: Event) -> None: ...


def test_a_right_that_ends_is_taken_from_the_engine(tmp_path: Path) -> None:
    folder, link = tmp_path / "state", Link()
    engine = link.engine
    options = plane.Options(folder, "")

    async def session(store: Store, journal: Any) -> None:
        served = plane.Plane(options, Quiet(), NoSites(), store, journal, lambda *_: None, link)
        now = ns_of(datetime.fromisoformat("2026-06-01T18:59:59+02:00"))
        served._policy._now_ns = lambda: now
        served._policy._also_ns = lambda: None
        await served._handlers.in_writer(lambda: store.apply(Command(LOCAL), yaml(*CITY)))
        assert engine.cameras["lea"] == ["hall"]
        renewing = asyncio.create_task(served._renewals())
        now = ns_of(datetime.fromisoformat("2026-06-01T19:00:00+02:00"))
        async with asyncio.timeout(20):
            while len(engine.snapshots) < 2:
                await asyncio.sleep(0.01)
            await served._handlers.in_writer(lambda: None)
        renewing.cancel()
        await served._service.close()

    with Store(folder, environ={}) as store, open_journal(folder, lambda alarm: None) as journal:
        asyncio.run(session(store, journal))
        assert engine.cameras["lea"] == []
        assert (len(engine.snapshots), store.engine_numbers().revision, store.state.rev) == (2, 2, 1)


def test_a_step_of_the_clock_is_said_and_trust_is_journaled(tmp_path: Path) -> None:
    folder, link, fake, out = tmp_path / "state", Link(), Fake(), Quiet()
    fake.wall = ns_of(datetime.fromisoformat("2026-06-01T18:30:00+02:00"))
    clock = RightsClock(folder, fake.machine)

    async def session(store: Store, journal: Any) -> None:
        served = plane.Plane(plane.Options(folder, ""), out, NoSites(), store, journal, lambda *_: None, link, clock)
        await served._handlers.in_writer(lambda: store.apply(Command(LOCAL), yaml(*CITY)))
        assert link.engine.cameras["lea"] == ["hall"]

        async def look() -> None:
            if await served._handlers.in_writer(served._look_at_clock):
                await served._handlers.in_writer(lambda: served._renew(True))

        fake.wall -= HOUR
        fake.after(31 * 60 * S)  # 19:01 by what has passed, 18:01 by what it shows
        await look()
        assert "the clock has stepped by -3600 s" in out.said[-1]
        assert link.engine.cameras["lea"] == []
        trust(folder, fake.machine)
        await look()
        assert out.said[-1] == "the clock is believed again"
        assert link.engine.cameras["lea"] == ["hall"]
        await served._service.close()

    with Store(folder, environ={}) as store, open_journal(folder, lambda alarm: None) as journal:
        asyncio.run(session(store, journal))
    text = "".join(path.read_text() for path in sorted((folder / "journal").glob("*.jsonl")))
    assert '"op":"clock.trust"' in text


def test_events_go_on_after_a_fault_of_ours(tmp_path: Path, capfd: Any) -> None:
    folder, link, out = tmp_path / "state", Link(), Quiet()

    async def session(store: Store, journal: Any) -> None:
        served = plane.Plane(plane.Options(folder, ""), out, NoSites(), store, journal, lambda *_: None, link)
        # What only another version of the engine would say: its viewer has no facts.
        for seq, facts in ((1, {}), (2, None)):
            kind = "viewer_playing" if facts is not None else "stream_state"
            served._deal_with([Event(seq, seq, kind, "a/main", "playing", 0, "", 0, facts or {})], 0)
            async with asyncio.timeout(20):
                while link.acknowledged < seq:
                    await asyncio.sleep(0.01)
        assert served._service.counters["engine_events_lost"] == 1
        assert out.said == ["1 events of the engine are not in the journal: KeyError"]
        await served._service.close()

    with Store(folder, environ={}) as store, open_journal(folder, lambda alarm: None) as journal:
        asyncio.run(session(store, journal))
    assert "KeyError" in capfd.readouterr().err
