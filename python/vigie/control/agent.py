"""`vigie serve --state`: the engine, the state and the service in one process. The only file where ZeroMQ and the core
meet. Each revision reaches the engine before it counts.

Threads: the event loop (sockets, events, signals) and one writer, in which everything that changes the engine's policy
runs, one after another: applies, and what partners of sites have told.
"""

import asyncio
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

from vigie.control.handlers import Handlers
from vigie.control.in_force import InForce, refusal_lines
from vigie.control.keys import Keys, server_pair
from vigie.control.parties import LOCAL, InForceNumbers, TownRights
from vigie.control.proposals import Source
from vigie.control.service import Service, new_epoch
from vigie.control.state_journal import StateJournal, open_journal
from vigie.control.store import Command, Store
from vigie.engine import Engine
from vigie.errors import Error
from vigie.journal import Alarm, Journal
from vigie.policy import Compiled, Inventory, Town

SOCKET = "control.sock"
FIGURES = "figures.sock"
FIGURES_S = 1.0
_NO_TOWN = Town([], [], [])


class Output(AbstractContextManager["Output"], Protocol):
    """Where `vigie serve` prints."""

    interval_s: float | None

    def say(self, text: str) -> None: ...

    def event(self, event: Any) -> None: ...

    def figures(self, stats: dict[str, Any], sites: dict[str, Any]) -> None: ...


class Sites(Protocol):
    """The partners of sites. All calls come from the writer."""

    def inventories(self, town: Town) -> dict[str, Inventory]: ...

    def put_in_force(self, town: Town) -> None: ...

    def figures(self) -> dict[str, Any]: ...

    def fileno(self) -> int: ...


@dataclass(frozen=True)
class Options:
    """`read_files`: what is applied at the start and on SIGHUP, if anything.

    `endpoints` and `figures`: where it listens; empty: sockets in the state folder.
    """

    folder: Path
    endpoints: Sequence[str] = ()
    figures: str = ""
    server: str | None = None
    shards: int = 1
    cpus: Sequence[int] = ()
    read_files: Callable[[], Sequence[Source]] | None = None


class EngineGate:
    """What the store calls a gate: the engine and the sites. Thread: the writer."""

    def __init__(self, policy: InForce, sites: Sites, say: Callable[[str], None]) -> None:
        self._policy = policy
        self._sites = sites
        self._say = say

    def check(self, town: Town) -> None:
        """As far as can be said without the engine: what it alone would refuse is not found."""
        self._policy.compile(town, self._sites.inventories(town))

    def put(self, town: Town) -> InForceNumbers:
        self._policy.put(town, self._sites.inventories(town))
        return self._policy.numbers

    def put_back(self, town: Town) -> None:
        try:
            self._policy.put_back(town, self._sites.inventories(town))
        except Error as error:
            self._say(f"what could not be stored stays in force until the next apply: {error}")

    def kept(self, town: Town) -> None:
        self._sites.put_in_force(town)


def serve_state(options: Options, out: Output, sites: Any, take_over: Callable[..., Compiled | None]) -> int:
    """Serves until SIGTERM or SIGINT; the exit code. `take_over`: puts in force what partners have told.

    A state that cannot be put in force (a secret that is gone, an address that is taken) is said, and shows nothing;
    the service answers all the same, so that it can be put right. Raises: StateUnreadableError, BindFailedError, and as
    `open_journal`.
    """
    with ExitStack() as stack:
        store = stack.enter_context(Store(options.folder))
        heard: list[Callable[[str, str], None]] = []

        def on_alarm(alarm: Alarm) -> None:
            out.say(f"journal: {alarm.what}: {alarm.text}")
            for hear in heard:
                hear(alarm.what, alarm.text)

        journal = stack.enter_context(open_journal(options.folder, on_alarm))
        stack.enter_context(sites)
        engine = stack.enter_context(Engine(shards=options.shards, cpus=options.cpus))
        with out:
            agent = _Agent(options, out, sites, store, journal, engine, take_over)
            heard.append(agent.on_journal)
            code = asyncio.run(agent.run())
            out.say("closing")
    out.say("closed")
    return code


class _Agent:
    def __init__(
        self,
        options: Options,
        out: Output,
        sites: Sites,
        store: Store,
        journal: Journal,
        engine: Engine,
        take_over: Callable[..., Any],
    ) -> None:
        self._options = options
        self._out = out
        self._sites = sites
        self._store = store
        self._engine = engine
        self._take_over = take_over
        self._put = asyncio.Event()
        self._policy = InForce(
            engine, options.server, store.engine_numbers(), on_put=lambda: self._on_loop(self._put.set)
        )
        self._stop = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        rights = TownRights(lambda: self._policy.town or _NO_TOWN, decided=lambda: self._policy.decided)
        lines = StateJournal(journal, store.body)
        store.set_parties(EngineGate(self._policy, sites, out.say), rights, lines)
        epoch = new_epoch()
        self._handlers = Handlers(store, engine, rights, epoch, version=_version())
        self._handlers.desk.alarms.server = options.server
        self.on_journal = self._handlers.desk.alarms.on_journal
        self._service = Service(self._handlers, rights, lines, epoch)

    async def run(self) -> int:
        self._loop = loop = asyncio.get_running_loop()
        try:
            self._bind()
            code = await self._handlers.in_writer(self._first)
            if code != 0:
                return code
            loop.add_signal_handler(signal.SIGHUP, lambda: self._spawn(self._reload()))
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, self._on_stop, number)
            loop.add_reader(self._engine.event_fileno(), self._pull)
            loop.add_reader(self._sites.fileno(), self._on_sites)
            self._service.start()
            self._spawn(self._figures())
            self._spawn(self._renewals())
            if self._out.interval_s is not None:
                self._spawn(self._lines(self._out.interval_s))
            await self._stop.wait()
            return 0
        finally:
            loop.remove_reader(self._engine.event_fileno())
            loop.remove_reader(self._sites.fileno())
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._service.close()

    def _bind(self) -> None:
        folder = self._options.folder.resolve()
        for endpoint in self._options.endpoints or [f"ipc://{folder / SOCKET}"]:
            self._out.say(f"control at {self._listen(self._service.bind, endpoint)}")
        self._listen(self._service.bind_figures, self._options.figures or f"ipc://{folder / FIGURES}")

    def _listen(self, bind: Callable[..., str], endpoint: str) -> str:
        if endpoint.startswith("ipc://"):
            return bind(endpoint)
        return bind(endpoint, Keys(self._options.folder), server_pair(self._options.folder))

    def _first(self) -> int:
        """The state as it was left, then the files; the exit code."""
        if self._store.state.rev:
            try:
                self._store.refresh()
                self._out.say(f"state at revision {self._store.state.rev}, {len(self._store.state.objects)} objects")
            except Error as error:
                self._complain(error)
                self._out.say("the state cannot be put in force: nothing is shown until it is put right")
        return self._apply_files()

    def _apply_files(self) -> int:
        if self._options.read_files is None:
            return 0
        try:
            applied = self._store.apply(Command(LOCAL), self._options.read_files())
        except Error as error:
            self._complain(error)
            return 2 if isinstance(error, ValueError) else 1
        for warning in applied.warnings:
            self._out.say(f"warning: {warning}")
        self._out.say(f"state at revision {applied.rev}, {len(applied.changes)} changes")
        self._on_loop(lambda: self._service.publish_applied(applied) if applied.changes else None)
        return 0

    def _complain(self, error: Error) -> None:
        for line in refusal_lines(error):
            self._out.say(line)

    async def _reload(self) -> None:
        def again() -> None:
            self._out.say("reading the files again")
            try:
                self._store.refresh()
            except Error as error:
                self._complain(error)
            if self._apply_files() != 0:
                self._out.say(f"not taken over; revision {self._store.state.rev} stays in force")

        await self._handlers.in_writer(again)

    def _on_stop(self, number: int) -> None:
        # A second one ends the process at once.
        asyncio.get_running_loop().remove_signal_handler(number)
        signal.signal(number, signal.SIG_DFL)
        self._stop.set()

    def _pull(self) -> None:
        # Bounded, so that a flood of events does not keep everything else waiting.
        for _ in range(200):
            event = self._engine.next_event(0)
            if event is None:
                return
            self._out.event(event)
            body = {"state": event.state, "code": event.code, "text": event.text, "merged": event.merged}
            self._service.publish(event.kind, event.object, body, event.time_ns)

    def _on_sites(self) -> None:
        loop, descriptor = asyncio.get_running_loop(), self._sites.fileno()
        loop.remove_reader(descriptor)  # until they have been heard

        async def hear() -> None:
            try:
                await self._handlers.in_writer(self._hear)
            finally:
                loop.add_reader(descriptor, self._on_sites)

        self._spawn(hear())

    def _hear(self) -> None:
        if self._take_over(self._policy, self._sites, self._out.say) is not None:
            try:
                self._store.keep_engine_numbers(self._policy.numbers)
            except Error as error:
                self._complain(error)

    async def _renewals(self) -> None:
        """Rights begin and end by the clock, whatever was put in force last."""
        while True:
            self._put.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._put.wait(), self._policy.until_next_change_s())
            if self._policy.until_next_change_s() == 0:
                await self._handlers.in_writer(self._renew)

    def _renew(self) -> None:
        town = self._policy.town
        if town is None or self._policy.until_next_change_s() > 0:
            return  # what was put in force meanwhile has the rights of now
        try:
            self._policy.renew(self._sites.inventories(town))
            self._store.keep_engine_numbers(self._policy.numbers)
        except Error as error:
            self._complain(error)

    async def _figures(self) -> None:
        while True:
            began = time.monotonic()
            self._service.publish_figures(sums(await asyncio.to_thread(self._engine.stats)))
            # With thousands of cameras the figures themselves take time: a twentieth of it at most.
            await asyncio.sleep(max(FIGURES_S, 20 * (time.monotonic() - began)))

    async def _lines(self, interval_s: float) -> None:
        while True:
            await asyncio.sleep(interval_s)
            stats = await asyncio.to_thread(self._engine.stats)
            sites = await self._handlers.in_writer(self._sites.figures)
            self._out.figures(stats, sites)

    def _on_loop(self, work: Callable[[], Any]) -> None:
        with suppress(RuntimeError):  # closing
            self._loop.call_soon_threadsafe(work)

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def sums(stats: Mapping[str, Any]) -> dict[str, Any]:
    """Figures without the name of a camera or a person."""
    streams = [stream for camera in stats["cameras"].values() for stream in camera["streams"].values()]
    return {
        "revision": stats["revision"],
        "streams": len(streams),
        "playing": sum(stream["state"] == "playing" for stream in streams),
        "viewers": len(stats["viewers"]),
        "bitrate_bps": sum(stream["bitrate_bps"] for stream in streams),
        "lost_packets": sum(stream["lost_packets"] for stream in streams),
        "events_lost": stats["events_lost"],
    }


def _version() -> str:
    try:
        return metadata.version("vigie")
    except metadata.PackageNotFoundError:
        return "from source"
