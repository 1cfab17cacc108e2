"""A control service in a thread, with a made-up engine behind it."""

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vigie.control.handlers import Handlers
from vigie.control.keys import Keys, server_pair
from vigie.control.parties import Line, TownRights
from vigie.control.route_ops import RouteOps
from vigie.control.routes import Routes
from vigie.control.service import Service, new_epoch
from vigie.control.store import Store, assemble_quietly
from vigie.errors import StateUnwritableError, TimedOutError
from vigie.policy import Compiled, Inventory, Town, compile_snapshot
from vigie.policy.live_rights import LiveRights, live_rights
from vigie.policy.world import World
from vigie.snapshot import Snapshot

from .conftest import RecordingGate

NO_TOWN = Town([], [], [])


# What the made-up engine gives.
STILL = Snapshot(
    jpeg=b"\xff\xd8jpeg",
    width=64,
    height=36,
    capture_time_ns=1,
    arrival_time_ns=2,
    error_bound_ns=None,
    clock_quality="none",
    privacy="masked",
    privacy_reason="",
    policy_revision=1,
    mask_revision=1,
    version_revision=0,
)


class FakeEngine:
    """Streams by camera, as a test sets them."""

    def __init__(self) -> None:
        self.states: dict[str, str] = {}
        self.snapshots: list[str] = []

    def stats(self) -> dict[str, Any]:
        cameras = {name: {"streams": {"main": {"state": state}}} for name, state in self.states.items()}
        return {"revision": 1, "cameras": cameras, "viewers": [{"agent": "a person"}], "server": {"sessions_open": 1}}

    def snapshot(self, camera: str, stream: str, timeout: float) -> Snapshot:
        self.snapshots.append(camera)
        if camera not in self.states:
            raise TimedOutError("no picture", camera)
        return STILL


class ListJournal:
    """Lines in memory."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.broken = False

    def append(self, line: Line) -> None:
        if self.broken:
            raise StateUnwritableError("no journal line")
        self.lines.append(line)


class Compiling:
    """As InForce, of a store whose objects are all in force."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.inventories: dict[str, Inventory] = {}

    @property
    def town(self) -> Town | None:
        return assemble_quietly(self._store.state)

    @property
    def revision(self) -> int:
        return self._store.rev or 1

    @property
    def compiled(self) -> Compiled | None:
        town = self.town
        if town is None or not town.servers:
            return None
        return compile_snapshot(town, self.revision, inventories=self.inventories, at=time.time_ns())


@dataclass
class Served:
    """A running service. `call` runs something on its loop."""

    folder: Path
    max_events: int = 1000
    tcp: bool = False
    look_s: float = 3600  # a test that wants alarms has them looked for
    epoch: str = field(default_factory=new_epoch)

    def __post_init__(self) -> None:
        self.gate = RecordingGate()
        self.engine = FakeEngine()
        self.journal = ListJournal()
        self.now_ns: Callable[[], int] | None = None
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.store = Store(self.folder, environ={"POST": "of-post"})
        self.rights = rights = TownRights(lambda: assemble_quietly(self.store.state) or NO_TOWN, decided=self.decided)
        self.store.set_parties(self.gate, rights, self.journal)
        self.compiling = Compiling(self.store)
        self.routes = Routes(self.store, "k" * 43, time.time_ns)
        self.renewed = 0
        self.endpoint = f"ipc://{self.folder}/c.sock"
        self.tcp_endpoint = ""

        async def begin() -> Service:
            handlers = Handlers(self.store, self.engine, rights, self.epoch, version="test")
            handlers.desk.alarms.look_s = self.look_s
            service = Service(handlers, rights, self.journal, self.epoch, max_events=self.max_events)
            route_ops = RouteOps(
                handlers,
                self.routes,
                self.compiling,
                rights,
                self.journal,
                "k" * 43,
                None,
                now_ns=time.time_ns,
                sync=lambda: None,
                renew=self.renew,
                publish=lambda kind, name, body, about: service.publish(kind, name, body, about=about),
            )
            handlers.by_op |= route_ops.by_op
            service.bind(self.endpoint)
            if self.tcp:
                self.server_key = server_pair(self.folder).public
                self.tcp_endpoint = service.bind("tcp://127.0.0.1:*", Keys(self.folder), server_pair(self.folder))
            self.figures = service.bind_figures(f"ipc://{self.folder}/f.sock")
            service.start()
            return service

        self.service = asyncio.run_coroutine_threadsafe(begin(), self.loop).result(10)

    def renew(self) -> None:
        self.renewed += 1

    def decided(self) -> LiveRights:
        """As an engine would have been told."""
        return live_rights(World.of(self.store.town().objects()), time.time_ns())

    def call(self, work: Callable[[], Any]) -> Any:
        async def run() -> Any:
            return work()

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(10)

    def publish(self, kind: str, name: str, body: dict[str, Any] | None = None) -> None:
        self.call(lambda: self.service.publish(kind, name, body or {}))

    def close(self) -> None:
        if self.thread.is_alive():
            asyncio.run_coroutine_threadsafe(self.service.close(), self.loop).result(10)
            self.loop.call_soon_threadsafe(self.loop.stop)
            self.thread.join(10)
            self.loop.close()
            self.store.close()
