"""The control process: the state, the rules, the journal, the ZeroMQ service, the partners of sites. The engine is
another process, seen through an `EngineLink`; each revision reaches it before it counts.

Threads: the event loop (sockets, events, signals) and one writer, in which everything that changes the engine's policy
runs, one after another: applies, and what partners of sites have told.
"""

import asyncio
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from vigie._version import installed_version, version
from vigie.control.engine_gate import ENGINE_WAIT_S, EngineGate, Sites
from vigie.control.engine_link import Attached, EngineLink
from vigie.control.handlers import Handlers
from vigie.control.in_force import InForce, refusal_lines
from vigie.control.keys import Keys, server_pair
from vigie.control.parties import LOCAL, Line, TownRights
from vigie.control.proposals import Source
from vigie.control.retention import Purges, retention_of
from vigie.control.rights_clock import CLOCK_S, RightsClock, clock_line
from vigie.control.route_ops import RouteOps
from vigie.control.routes import Routes
from vigie.control.service import Service, new_epoch
from vigie.control.state_journal import StateJournal, open_journal
from vigie.control.store import Command, Store
from vigie.control.tickets import ticket_key
from vigie.control.watching import Watching
from vigie.errors import ConnectionLostError, Error
from vigie.events import Event
from vigie.journal import Alarm, Journal
from vigie.policy import Compiled, Town
from vigie.policy.windows import datetime_of

SOCKET = "control.sock"
FIGURES = "figures.sock"
FIGURES_S = 1.0
SWEEP_S = 5.0
PROGRESS_ROUNDS = 12  # of SWEEP_S
ENGINE_START_S = 10.0
SHUT_DOWN_S = 10.0
FACTS_S = 3.0
_NO_TOWN = Town([], [], [])
# Puts in force what partners have told; None where nothing came of it.
TakeOver = Callable[[InForce, Any, Callable[[str], None]], Compiled | None]


class Output(Protocol):
    """Where the control process says what happens. Thread: any."""

    def say(self, text: str) -> None: ...

    def event(self, event: Event) -> None: ...

    def figures(self, stats: dict[str, Any], sites: dict[str, Any]) -> None: ...

    def ready(self) -> None: ...


@dataclass(frozen=True)
class Options:
    """`read_files`: what is applied on SIGHUP, if anything; `apply_files`: at the start too.

    `endpoints` and `figures`: where it listens; empty: sockets in the state folder. `journal_copy`: the second place.
    """

    folder: Path
    engine: str
    endpoints: Sequence[str] = ()
    figures: str = ""
    server: str | None = None
    read_files: Callable[[], Sequence[Source]] | None = None
    apply_files: bool = True
    journal_copy: Path | None = None


class Plane:
    """The control process, made on the event loop that runs it. `run` once; `ask` and the rest from any thread."""

    def __init__(
        self,
        options: Options,
        out: Output,
        sites: Sites,
        store: Store,
        journal: Journal,
        take_over: TakeOver,
        link: Any = None,
        clock: RightsClock | None = None,
    ) -> None:
        """`link`: the engine; by default the one at `options.engine`. `clock`: by default the machine's."""
        self._options = options
        self._out = out
        self._sites = sites
        self._store = store
        self._take_over = take_over
        self._link = link or EngineLink(
            options.engine, on_change=self._on_engine, on_events=self._on_events, on_broken=_end_broken
        )
        self._put = asyncio.Event()
        key = ticket_key(options.folder)
        self._clock = clock or RightsClock(options.folder)
        self._in_doubt = False
        self._routes = Routes(store, key, self._clock.now_ns, self._clock.also_ns)
        self._gate = EngineGate(
            self._link,
            sites,
            store,
            options.server,
            out.say,
            now_ns=self._clock.now_ns,
            also_ns=self._clock.also_ns,
            on_put=lambda: self._on_loop(self._after_put),
            routes=self._routes,
            on_new_engine=self._engine_began,
        )
        self._policy = self._gate.policy
        self._stop = asyncio.Event()
        self._with_engine = False
        self._interval_s: float | None = None
        self._lines: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[Any]] = set()
        rights = TownRights(
            lambda: self._policy.town or _NO_TOWN,
            now=lambda: datetime_of(self._clock.latest_ns()),
            decided=lambda: self._policy.decided,
        )
        lines = self._journal = StateJournal(journal, store.body)
        store.set_parties(self._gate, rights, lines)
        epoch = new_epoch()
        self._handlers = Handlers(store, self._link, rights, epoch, version=version())
        self._service = Service(self._handlers, rights, lines, epoch)
        self._route_ops = RouteOps(
            self._handlers,
            self._routes,
            self._policy,
            rights,
            lines,
            key,
            options.server,
            now_ns=self._clock.now_ns,
            sync=lambda: self._gate.sync(ENGINE_WAIT_S),
            renew=self._renew_now,
            publish=lambda kind, name, body, about: self._service.publish(kind, name, body, about=about),
        )
        self._handlers.by_op |= self._route_ops.by_op
        alarms, world = self._handlers.desk.alarms, self._handlers.desk.world
        alarms.server = options.server
        self.on_journal = alarms.on_journal
        self._purges = Purges(
            lines.purge, lambda: retention_of(world(), options.server), self._clock, out.say, alarms.raise_, alarms.over
        )
        self._watching = Watching(
            key,
            store.body,
            self._routes,
            lines,
            lambda: self._policy.decided,
            now_ns=self._clock.now_ns,
            say=out.say,
            raise_alarm=alarms.raise_,
        )
        self._endpoints: list[str] = []

    async def run(self) -> int:
        """Until SIGTERM, SIGINT or `stop`; the exit code."""
        loop = self._loop
        try:
            self._bind()
            for line in self._copied():
                self._out.say(line)
            loop.add_signal_handler(signal.SIGHUP, self.reload)
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, self._stop.set)
            self._link.start()
            code = await self._handlers.in_writer(self._first)
            if code != 0:
                return code
            loop.add_reader(self._sites.fileno(), self._on_sites)
            self._service.start()
            self._spawn(self._figures())
            self._spawn(self._renewals())
            self._spawn(self._sweeps())
            self._purges.start()
            self._out.ready()
            await self._stop.wait()
            if self._with_engine:
                with suppress(Error):
                    await asyncio.to_thread(self._link.shut_down, SHUT_DOWN_S)
            return 0
        finally:
            self._purges.close()
            loop.remove_reader(self._sites.fileno())
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._service.close()
            await asyncio.to_thread(self._link.close)
            await asyncio.to_thread(self._watching.close)

    # What the supervisor wants: from any thread.

    def stop(self, *, with_engine: bool) -> None:
        """Ends `run`. `with_engine`: viewers and sources are ended before, and their last events are dealt with."""

        def now() -> None:
            self._with_engine = with_engine
            self._stop.set()

        self._on_loop(now)

    def reload(self) -> None:
        """Reads secrets, certificates and files again."""
        self._on_loop(lambda: self._spawn(self._reload()))

    def set_interval(self, interval_s: float | None) -> None:
        """Gives figures every so many seconds, or no more."""

        def now() -> None:
            if self._lines is not None:
                self._lines.cancel()
            self._lines = None if interval_s is None else self._spawn(self._give_figures(interval_s))

        self._on_loop(now)

    def standing(self) -> list[str]:
        """How things are, as lines for somebody who comes later."""
        lines = [f"control at {endpoint}" for endpoint in self._endpoints] + self._copied()
        state = self._store.state
        lines.append(f"state at revision {state.rev}, {len(state.objects)} objects")
        with suppress(Error):
            listeners = self._link.stats(wait_s=FACTS_S).get("listeners", {})
            lines += [f"listener {name}: listening on {address}" for name, address in listeners.items()]
        return lines

    def facts(self) -> dict[str, Any]:
        """Figures for `/metrics` and `/health`. `stats`: None where the engine does not answer at once."""
        try:
            stats = self._link.stats(wait_s=FACTS_S)
        except Error:
            stats = None
        return {
            "stats": stats,
            "engine": self._link.is_attached,
            "in_force": self._gate.in_force,
            "revision": self._store.state.rev,
            "objects": len(self._store.state.objects),
            "clients": self._service.clients,
            "counters": dict(self._service.counters),
            "journal": self._journal.figures(),
            "version": version(),
        }

    def _bind(self) -> None:
        folder = self._options.folder.resolve()
        for endpoint in self._options.endpoints or [f"ipc://{folder / SOCKET}"]:
            self._endpoints.append(self._listen(self._service.bind, endpoint))
            self._out.say(f"control at {self._endpoints[-1]}")
        self._listen(self._service.bind_figures, self._options.figures or f"ipc://{folder / FIGURES}")

    def _copied(self) -> list[str]:
        copy = self._options.journal_copy
        return [] if copy is None else [f"journal is copied to {copy}"]

    def _listen(self, bind: Callable[..., str], endpoint: str) -> str:
        if endpoint.startswith("ipc://"):
            return bind(endpoint)
        return bind(endpoint, Keys(self._options.folder), server_pair(self._options.folder))

    def _first(self) -> int:
        """The state as it was left, then the files; the exit code."""
        try:
            self._gate.sync(ENGINE_START_S)
        except ConnectionLostError as error:
            self._complain(error)
        if self._store.state.rev:
            self._out.say(f"state at revision {self._store.state.rev}, {len(self._store.state.objects)} objects")
        return self._apply_files() if self._options.apply_files else 0

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

    # The engine.

    def _on_engine(self, attached: Attached | None) -> None:
        self._on_loop(lambda: self._engine_changed(attached))

    def _engine_changed(self, attached: Attached | None) -> None:
        self._service.publish("engine_state", "engine", {"state": "away" if attached is None else "attached"})
        if attached is not None:
            self._watching.attached(attached.instance)
            self._spawn(self._handlers.in_writer(self._sync))
            self._spawn(self._hear_of_viewers())

    async def _hear_of_viewers(self) -> None:
        with suppress(ConnectionLostError):
            self._watching.viewers(await self._viewers())

    async def _viewers(self) -> Sequence[Mapping[str, Any]]:
        viewers: Sequence[Mapping[str, Any]] = (await asyncio.to_thread(self._link.stats)).get("viewers", ())
        return viewers

    def _engine_began(self) -> None:
        try:
            self._journal.engine_began(installed_version())
        except Error as error:  # pictures go on without the line: of a full disk they are not the cause
            self._complain(error)

    def _sync(self) -> None:
        with suppress(ConnectionLostError):  # then the next attachment does it
            self._gate.sync()

    def _on_events(self, events: Sequence[Event], lost: int) -> None:
        self._on_loop(lambda: self._deal_with(events, lost))

    def _deal_with(self, events: Sequence[Event], lost: int) -> None:
        """Each is acknowledged once it has been dealt with: after a death of this process it comes again."""
        if lost > 0:
            self._out.say(f"{lost} events of the engine were lost: there was no room for them")
            self._service.counters["engine_events_lost"] += lost
        for event in events:
            self._out.event(event)
            body = {"state": event.state, "code": event.code, "text": event.text, "merged": event.merged}
            self._service.publish(event.kind, event.object, body, event.time_ns)
        self._spawn(self._written_down(events))

    async def _written_down(self, events: Sequence[Event]) -> None:
        try:
            await self._watching.deal_with(events)
        except Exception as error:  # noqa: BLE001 - a fault of ours must not keep back all that comes after
            traceback.print_exc()
            self._out.say(f"{len(events)} events of the engine are not in the journal: {type(error).__name__}")
            self._service.counters["engine_events_lost"] += len(events)
        self._link.acknowledge(events[-1].seq)

    # Who watches what.

    def _after_put(self) -> None:
        self._put.set()
        self._spawn(self._route_ops.sweep())

    async def _sweeps(self) -> None:
        """Routes that nobody uses, and how far views have come."""
        rounds = 0
        while True:
            await asyncio.sleep(SWEEP_S)
            rounds += 1
            with suppress(Error):
                await self._route_ops.sweep()
            if rounds % PROGRESS_ROUNDS == 0:
                with suppress(ConnectionLostError):
                    await self._watching.progress(await self._viewers())

    # The partners of sites, and the clock.

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
        self._sync()
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
                await asyncio.wait_for(self._put.wait(), min(CLOCK_S, self._policy.until_next_change_s()))
            stepped = await self._handlers.in_writer(self._look_at_clock)
            if stepped or self._policy.until_next_change_s() == 0:
                await self._handlers.in_writer(partial(self._renew, stepped))

    def _look_at_clock(self) -> bool:
        """Says when the clock was set, or is believed again; whether either is so."""
        also = self._clock.also_ns()
        if self._clock.take_trust():
            with suppress(Error):
                self._journal.append(Line("clock.trust", LOCAL.name, ""))
        if (also is not None) == self._in_doubt:
            return False
        self._in_doubt = also is not None
        self._out.say(clock_line(self._clock.now_ns(), also))
        state = {"state": "believed" if also is None else "in_doubt"}
        self._on_loop(lambda: self._service.publish("clock_state", "clock", state))
        return True

    def _renew(self, stepped: bool = False) -> None:
        self._sync()
        if not stepped and self._policy.until_next_change_s() > 0:
            return  # what was put in force meanwhile has the rights of now
        try:
            self._renew_now()
        except ConnectionLostError:
            return  # said by others; whoever attaches next gets the rights of then
        except Error as error:
            self._complain(error)

    def _renew_now(self) -> None:
        """Raises: Error; the engine goes on as before then."""
        town = self._policy.town
        if town is not None:
            self._policy.renew(self._sites.inventories(town))
            self._store.keep_engine_numbers(self._policy.numbers)

    async def _figures(self) -> None:
        while True:
            began = time.monotonic()
            with suppress(Error):
                self._service.publish_figures(sums(await asyncio.to_thread(self._link.stats)))
            # With thousands of cameras the figures themselves take time: a twentieth of it at most.
            await asyncio.sleep(max(FIGURES_S, 20 * (time.monotonic() - began)))

    async def _give_figures(self, interval_s: float) -> None:
        while True:
            await asyncio.sleep(interval_s)
            with suppress(ConnectionLostError):
                stats = await asyncio.to_thread(self._link.stats)
                sites = await self._handlers.in_writer(self._sites.figures)
                self._out.figures(stats, sites)

    def _on_loop(self, work: Callable[[], Any]) -> None:
        with suppress(RuntimeError):  # closing
            self._loop.call_soon_threadsafe(work)

    def _spawn(self, work: Any) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _end_broken() -> None:
    """Without a link this process is of no use: the next one has one."""
    traceback.print_exc()
    os._exit(70)


class _Told:
    """What the journal tells: said at once, and kept until somebody hears it, for it tells each thing once.

    Thread: any. In order: whoever hears may take no lock that is held over a write.
    """

    def __init__(self, out: Output) -> None:
        self._out = out
        self._lock = threading.Lock()
        self._kept: list[Alarm] = []
        self._hear: Callable[[str, str], None] | None = None

    def __call__(self, alarm: Alarm) -> None:
        self._out.say(f"journal: {alarm.what}: {alarm.text}")
        with self._lock:
            if self._hear is None:
                self._kept.append(alarm)
            else:
                self._hear(alarm.what, alarm.text)

    def pass_on(self, hear: Callable[[str, str], None]) -> None:
        """To whom, from now on; what was told before too."""
        with self._lock:
            self._hear = hear
            for alarm in self._kept:
                hear(alarm.what, alarm.text)


def serve_plane(
    options: Options, out: Output, sites: Any, take_over: TakeOver, on_made: Callable[[Plane], None]
) -> int:
    """Runs the control process of a state folder; the exit code. `on_made`: told before it runs.

    A state that cannot be put in force (a secret that is gone, an address that is taken) is said, and shows nothing;
    the service answers all the same, so that it can be put right. Raises: StateUnreadableError, BindFailedError, and as
    `open_journal`.
    """
    told = _Told(out)
    with ExitStack() as stack:
        store = stack.enter_context(Store(options.folder))
        journal = stack.enter_context(open_journal(options.folder, told, options.journal_copy))
        stack.enter_context(sites)

        async def run() -> int:
            plane = Plane(options, out, sites, store, journal, take_over)
            told.pass_on(plane.on_journal)
            on_made(plane)
            return await plane.run()

        return asyncio.run(run())


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
