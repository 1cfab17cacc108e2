"""`vigie serve --state` compiles anew by itself when a right ends, and remembers what the engine was told."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from vigie.control import plane
from vigie.control.engine_link import Attached
from vigie.control.state_journal import open_journal
from vigie.control.store import Command, Store
from vigie.policy.windows import ns_of

from .conftest import LOCAL, yaml
from .test_renewal import Engine
from .test_rule_rights import CITY


class Link:
    """An engine that is there, and remembers."""

    def __init__(self) -> None:
        self.engine = Engine()

    def attached(self, wait_s: float) -> Attached:
        return Attached("session", "instance", 0, b"", b"", 0)

    def use(self, session: str) -> None: ...

    def apply(self, snapshot: Mapping[str, Any], note: bytes = b"") -> int:
        return self.engine.apply(snapshot)

    def close(self) -> None: ...


class NoSites:
    """No partner has told anything."""

    def inventories(self, town: Any) -> Mapping[str, Any]:
        return {}

    def put_in_force(self, town: Any) -> None: ...

    def figures(self) -> dict[str, Any]:
        return {}


class Quiet:
    """Prints nothing."""

    interval_s = None

    def say(self, text: str) -> None: ...


def test_a_right_that_ends_is_taken_from_the_engine(tmp_path: Path) -> None:
    folder, link = tmp_path / "state", Link()
    engine = link.engine
    options = plane.Options(folder, "")

    async def session(store: Store, journal: Any) -> None:
        served = plane.Plane(options, Quiet(), NoSites(), store, journal, lambda *_: None, link)
        served._loop = asyncio.get_running_loop()
        now = ns_of(datetime.fromisoformat("2026-06-01T18:59:59+02:00"))
        served._policy._now_ns = lambda: now
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
