"""The list of alarms of a service: fed by the engine's events and figures, the objects and the machine, kept on disk.

One thread looks every `look_s` and whenever something is raised; nothing here ever keeps the event loop, an apply or
the journal waiting: what these call takes no lock that is held over a write. Rules are in `vigie.alarms`.
"""

import os
import secrets
import socket
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Literal, Protocol

from vigie.alarms import Alarm, Book, Found, Step
from vigie.alarms.audience import organisation_may_know, subject_of
from vigie.alarms.conditions import (
    MACHINE,
    OF_MACHINE,
    OF_OBJECTS,
    OF_STREAMS,
    Machine,
    clock_stepped,
    limits_of,
    of_machine,
    of_objects,
    of_streams,
)
from vigie.alarms.streams import Streams
from vigie.control.desk_database import DeskDatabase
from vigie.control.lookups import commune_of
from vigie.control.outlet_threads import Outlets, OutletThread
from vigie.control.parties import JournalSink, Line, NoJournal
from vigie.control.store import State, Store
from vigie.control.world_now import WorldNow
from vigie.errors import Error, StateUnwritableError
from vigie.journal import records
from vigie.journal.records import SYSTEM
from vigie.policy.alarm_kinds import ALARM_KINDS, SEVERITIES, Severity
from vigie.policy.desk_objects import Outlet
from vigie.policy.objects import AlarmLimits
from vigie.policy.world import World

LOOK_S = 2.0
FIGURES_S = 60.0
SECOND = 1_000_000_000
MAX_RAISED = 10_000
_STEPS: Mapping[str, Literal["raised", "acknowledged", "over"]] = {
    "raised": "raised",
    "acknowledged": "acknowledged",
    "cleared": "over",
}
EVENTS = {"raised": "alarm_raised", "acknowledged": "alarm_acknowledged", "cleared": "alarm_cleared"}


class HasFigures(Protocol):
    """What of an engine is asked."""

    def stats(self) -> dict[str, Any]: ...


class AlarmDesk:
    """All alarms. Thread: any; `start` begins to look."""

    def __init__(
        self,
        store: Store,
        engine: HasFigures,
        world: WorldNow,
        database: DeskDatabase,
        *,
        now_ns: Callable[[], int] = time.time_ns,
        steady_ns: Callable[[], int] = time.monotonic_ns,
        look_s: float = LOOK_S,
    ) -> None:
        self.server: str | None = None  # whose limits count, where several are declared
        self.look_s = look_s
        self.counters: Counter[str] = Counter()
        self._store, self._engine, self._world = store, engine, world
        self._database = database
        self._now_ns, self._steady_ns = now_ns, steady_ns
        self._journal: JournalSink = NoJournal()
        self._publish: Callable[[Step], None] = lambda step: None
        self._lock = threading.Lock()  # the book and its file
        self._streams_lock = threading.Lock()
        self._book = Book(database.alarms(), lambda: secrets.token_hex(8))
        self._shown: Sequence[Alarm] = ()
        self._streams = Streams()
        self._unsaved: list[Step] = []
        self._raised: deque[Found | tuple[str, str]] = deque(maxlen=MAX_RAISED)
        self._journal_says: dict[str, str] = {}
        self._outlets_fail: dict[str, str] = {}
        self._wake = threading.Condition()
        self._woken = self._closing = False
        self._thread: threading.Thread | None = None
        self._figures_due = 0.0
        self._clocks: tuple[int, int] | None = None
        self._standing: tuple[World | None, int, list[Found]] = (None, 0, [])
        self._source = socket.gethostname()
        self._show()
        self._outlets = Outlets(self._outlet)
        self._declared: State | None = None  # whose outlets are there

    def start(self, publish: Callable[[Step], None], journal: JournalSink) -> None:
        """Looks from now on. `publish`: tells clients; called from the desk's thread."""
        self._publish, self._journal = publish, journal
        self._thread = threading.Thread(target=self._run, name="vigie-alarms", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Idempotent; what was raised is kept."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        if self._thread is not None:
            self._thread.join(5)
            self._thread = None
        self._outlets.close()

    # What comes in: quick, from any thread.

    def raise_(self, kind: str, about: str, text: str, severity: Severity | None = None) -> None:
        """Something happened. `kind`: of `ALARM_KINDS`; `about`: what its row says. Over by itself, or by `over`."""
        if kind not in ALARM_KINDS:
            raise ValueError(f"no alarm {kind}")
        self._feed(Found(kind, about, text, severity))

    def over(self, kind: str, about: str) -> None:
        """It is no longer so."""
        self._feed((kind, about))

    def on_event(self, kind: str, name: str, body: Mapping[str, Any], ts_ns: int) -> None:
        """An event on its way to clients."""
        with self._streams_lock:
            changed = self._streams.on_event(kind, name, body, ts_ns)
        if changed and kind != "stream_state":  # silence is a matter of time
            self._notify()

    def on_journal(self, what: str, text: str) -> None:
        """As the journal's `on_alarm` says; called from its threads, and does not wait for it."""
        if what == "second_place_away":
            self._journal_says["journal_away"] = text
        elif what == "second_place_differs":
            self._journal_says = {"journal_differs": text}
        elif what == "second_place_back":
            self._journal_says.pop("journal_away", None)
        else:
            self._feed(Found("journal_checkpoint", MACHINE, text))
        self._notify()

    def _feed(self, one: Found | tuple[str, str]) -> None:
        if len(self._raised) == MAX_RAISED:
            self.counters["alarms_lost"] += 1
        self._raised.append(one)
        self._notify()

    def _notify(self) -> None:
        with self._wake:
            self._woken = True
            self._wake.notify()

    # What is asked.

    def alarms(self) -> list[Alarm]:
        """All, the newest first."""
        return list(self._shown)

    def acknowledge(self, ids: Sequence[str], by: str, note: str, line: Line) -> list[Alarm]:
        """Somebody has seen them; as they are now. `line`: what the journal has of it, before it counts.

        Raises: Error (no line); nothing has changed then.
        """
        known = {alarm.id: alarm for alarm in self._shown if alarm.id in ids}
        entries = [self._record(alarm, "acknowledged") for alarm in known.values()]
        self._journal.append(replace(line, records=tuple(entries)))
        with self._lock:
            self._tell(self._book.acknowledge(known, by, note, self._now_ns()), journaled=True)
            return [self._book.alarms[name] for name in ids if name in self._book.alarms]

    # Looking.

    def look(self) -> list[Step]:
        """What is so now; what has changed by that."""
        now = self._now_ns()
        world = self._world()
        limits = limits_of(world, self.server)
        self._declare_outlets()
        figures = self._figures()
        machine = self._machine()
        if figures is not None:
            with self._streams_lock:
                self._streams.on_figures(figures.get("cameras", {}), now)
        with self._lock:
            steps: list[Step] = []
            while self._raised:
                one = self._raised.popleft()
                steps += self._book.occurred(one, now) if isinstance(one, Found) else self._book.over(*one, now)
            if (step := self._clock_step(limits)) is not None:
                steps += self._book.occurred(step, now)
            settle_ns = int(limits.settle_s * SECOND)
            if self._streams.known:
                active = [alarm for alarm in self._book.open() if alarm.active]
                silent = frozenset(alarm.object for alarm in active if alarm.kind == "camera_silent")
                with self._streams_lock:
                    found = list(of_streams(self._streams, int(limits.silent_s * SECOND), silent, now))
                steps += self._book.standing(found, OF_STREAMS, now, settle_ns)
            if self._standing[0] is not world or now - self._standing[1] >= FIGURES_S * SECOND:
                self._standing = (world, now, list(of_objects(world, limits, now)))
            # What somebody has declared does not come and go: it is over at once.
            steps += self._book.standing(self._standing[2], OF_OBJECTS, now, 0)
            steps += self._book.standing(list(of_machine(machine, limits)), OF_MACHINE, now, 0)
            steps += self._book.quiet(now)
            steps += self._book.forget(now)
            self.counters["alarms_open"] = len(self._book.open())
            self._tell(steps)
            return steps

    def _show(self) -> None:
        self._shown = sorted(self._book.alarms.values(), key=lambda one: (one.raised_ns, one.id), reverse=True)

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._woken or self._closing, self.look_s)
                self._woken = False
                if self._closing:
                    return
            try:
                self.look()
            except Exception:  # noqa: BLE001 - a fault of ours in one look must not end all further ones
                self.counters["alarms_faults"] += 1

    def _figures(self) -> Mapping[str, Any] | None:
        """The engine's, now and then: with thousands of cameras they take time."""
        began = time.monotonic()
        if began < self._figures_due:
            return None
        with self._streams_lock:
            self._streams.asking()
        try:
            return self._engine.stats()
        except Error:
            return None  # it is away; the next one
        finally:
            self._figures_due = began + max(min(FIGURES_S, 30 * self.look_s), 20 * (time.monotonic() - began))

    def _machine(self) -> Machine:
        percent = 100.0
        with suppress(OSError):
            disk = os.statvfs(self._store.folder)
            percent = 100.0 * disk.f_bavail / max(1, disk.f_blocks)
        return Machine(percent, dict(self._journal_says), dict(self._outlets_fail))

    def _clock_step(self, limits: AlarmLimits) -> Found | None:
        wall, steady = self._now_ns(), self._steady_ns()
        before, self._clocks = self._clocks, (wall, steady)
        return None if before is None else clock_stepped(wall - before[0], steady - before[1], limits)

    def _tell(self, steps: Sequence[Step], *, journaled: bool = False) -> None:
        """Keeps steps on disk, then tells clients, journal and outlets. What cannot be kept is tried again."""
        if steps:
            self._show()
        unsaved = [*self._unsaved, *steps]
        try:
            if unsaved:
                self._database.keep(unsaved)
            self._unsaved = []
        except StateUnwritableError:
            self._unsaved = unsaved[-MAX_RAISED:]
        told = [step for step in steps if step.did in EVENTS]
        for step in told:
            self._publish(step)
            if not journaled:
                record = self._record(step.alarm, step.did)
                with suppress(Error):  # the disk is full, say: the alarm stands all the same
                    self._journal.append(Line("alarm", SYSTEM.agent, "", records=(record,)))
        if told:
            self._outlets.wake()

    def _record(self, alarm: Alarm, did: str) -> records.Record:
        subject = subject_of(self._world().kinds, alarm.kind, alarm.object)
        return records.Alarm(
            actor=SYSTEM,
            alarm=alarm.id,
            step=_STEPS[did],
            reason=f"{alarm.kind} {alarm.object}: {alarm.text}",
            commune=commune_of(subject.camera, self._store.body),
        )

    # Outlets.

    def _declare_outlets(self) -> None:
        state = self._store.state
        if state is self._declared:
            return
        items = [item.declared for (kind, _), item in state.objects.items() if kind == "Outlet"]
        before = self._outlets.names()
        self._outlets.declare([item for item in items if item is not None])
        if self._outlets.names() != before:
            with suppress(StateUnwritableError):
                self._database.forget_outlets(self._outlets.names())
            for name in [name for name in self._outlets_fail if name not in self._outlets.names()]:
                self._outlets_fail.pop(name, None)
        self._declared = state

    def _outlet(self, item: Any) -> OutletThread:
        return OutletThread(
            item, self._database, self.chosen, self._source, self._outlet_failed, self._outlet_worked,
            now_ns=self._now_ns,
        )  # fmt: skip

    def _outlet_failed(self, name: str, text: str) -> None:
        self._outlets_fail[name] = text
        self._notify()

    def _outlet_worked(self, name: str) -> None:
        if self._outlets_fail.pop(name, None) is not None:
            self._notify()

    def chosen(self, outlet: Outlet) -> list[Alarm]:
        """The alarms that an outlet asks for and may hear of: an organisation's, only those of its matter."""
        spec, world, now = outlet.spec, self._world(), self._now_ns()
        least = SEVERITIES.index(spec.severity)
        found = []
        for alarm in self.alarms():
            if spec.kinds is not None and alarm.kind not in spec.kinds:
                continue
            if SEVERITIES.index(alarm.severity) < least or alarm.key == ("outlet_failing", outlet.name):
                continue
            if spec.organisation is not None:
                subject = subject_of(world.kinds, alarm.kind, alarm.object)
                if not organisation_may_know(world, spec.organisation, subject, now):
                    continue
            found.append(alarm)
        return found
