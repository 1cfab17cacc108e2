"""`vigie serve`: one engine in this process, driven by files and signals. No other file of the CLI holds an engine."""

import json
import os
import select
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.live import Live

from vigie.cli import configuration, show
from vigie.cli.sites import Sites
from vigie.errors import Error, PolicyFieldError
from vigie.policy import Compiled, ConfigurationError, Inventory, Problem, Town, compile_snapshot, load_town

if TYPE_CHECKING:
    from vigie.engine import Engine

LIVE_INTERVAL_S = 0.5
_LONGEST_WAIT_S = 60.0


@dataclass(frozen=True)
class Options:
    """What the command line said."""

    files: Sequence[Path]
    server: str | None
    shards: int
    cpus: Sequence[int]
    stats_interval_s: float | None
    live: bool
    as_json: bool


class Service:
    """Loads, applies, prints what happens, reloads on SIGHUP, closes on SIGTERM and SIGINT."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._revision = 0
        self._stop = False
        self._reload = False
        self._sites = Sites(self._tell)
        self._town: Town | None = None  # in force, and
        self._compiled: Compiled | None = None  # what was made of it
        self._noted: frozenset[Problem] = frozenset()
        # A table needs a terminal; without one its figures come as lines.
        self._console = Console() if options.live and not options.as_json else None
        self._table = self._console is not None and self._console.is_terminal
        self._live: Live | None = None
        interval = options.stats_interval_s
        if interval is None and options.live:
            interval = LIVE_INTERVAL_S if self._table else 5.0
        self._interval_s = interval

    def run(self) -> int:
        """Serves until told to stop; the exit code."""
        try:
            from vigie.engine import Engine
        except ImportError as error:
            print(f"error: the native core is not built: {error}", file=sys.stderr)
            return 1
        # Mistakes in the files are found before any thread starts.
        try:
            load_town(self._options.files)
        except ConfigurationError as error:
            configuration.print_problems(error.problems)
            return 2
        with ExitStack() as stack:
            wake = stack.enter_context(_Signals(self._on_signal))
            stack.enter_context(self._sites)
            engine = stack.enter_context(Engine(shards=self._options.shards, cpus=self._options.cpus))
            code = self._apply(engine)
            if code != 0:
                return code
            if self._table:
                self._live = stack.enter_context(Live(console=self._console, auto_refresh=False))
            self._serve(engine, wake)
            self._say("closing")
        self._say("closed")
        return 0

    def _on_signal(self, number: int) -> None:
        if number == signal.SIGHUP:
            self._reload = True
        else:
            self._stop = True

    def _apply(self, engine: "Engine") -> int:
        """Reads the files and puts them in force, or says why not and changes nothing; the exit code it would mean."""
        try:
            town = load_town(self._options.files)
        except ConfigurationError as error:
            configuration.print_problems(error.problems)
            return 2
        try:
            compiled = self._put(engine, town, self._sites.inventories(town))
        except _RefusedError as refused:
            configuration.print_lines(refused.lines)
            return refused.code
        configuration.print_problems(town.warnings, "warning")
        self._note(compiled)
        self._town = town
        self._say(f"revision {self._revision} in force: {configuration.summary(town)}")
        self._sites.put_in_force(town)
        return 0

    def _put(self, engine: "Engine", town: Town, inventories: Mapping[str, Inventory]) -> Compiled:
        """Puts a town in force. Raises: _RefusedError; nothing has changed then."""
        try:
            now = time.time_ns()
            compiled = compile_snapshot(
                town, self._revision + 1, self._options.server, inventories, self._compiled, now
            )
        except ConfigurationError as error:
            raise _RefusedError(2, [f"error: {problem}" for problem in error.problems]) from None
        try:
            self._revision = engine.apply(compiled.snapshot)
        except PolicyFieldError as error:
            raise _RefusedError(2, [f"error: {compiled.problem(error.where, error.what) or error}"]) from None
        except Error as error:  # an address that is taken, a certificate that does not fit
            raise _RefusedError(1, [f"error: {error}"]) from None
        self._compiled = compiled
        return compiled

    def _note(self, compiled: Compiled) -> None:
        """Says what is left out of the sites' inventories, each finding once."""
        configuration.print_problems([note for note in compiled.notes if note not in self._noted], "warning")
        self._noted = frozenset(compiled.notes)

    def _hear(self, engine: "Engine") -> None:
        """Takes over what partners have told, with the files as they were read last."""
        changed = self._sites.hear()
        # Together; one at a time only if they are refused, so that one site's list costs no other's.
        if changed and not self._take_over(engine, changed, alone=len(changed) == 1):
            for name, inventory in changed.items():
                self._take_over(engine, {name: inventory}, alone=True)

    def _take_over(self, engine: "Engine", changed: Mapping[str, Inventory], *, alone: bool) -> bool:
        assert self._town is not None
        try:
            compiled = self._put(engine, self._town, {**self._sites.inventories(self._town), **changed})
        except _RefusedError as refused:
            if alone:
                self._sites.refuse(next(iter(changed)), "; ".join(refused.lines))
            return alone
        self._note(compiled)
        names = [camera["name"] for camera in compiled.snapshot["cameras"]]
        taken = Counter(name.partition(".")[0] for name in names if "." in name)
        self._sites.adopt(changed, taken)
        self._say(f"revision {self._revision}: {len(names)} cameras, those of sites included")
        return True

    def _until_next_change(self) -> float:
        """Seconds until a right begins or ends; at most a minute: the clock may be set."""
        due = None if self._compiled is None else self._compiled.next_change_ns
        return _LONGEST_WAIT_S if due is None else min(max(0.0, (due - time.time_ns()) / 1e9), _LONGEST_WAIT_S)

    def _renew_rights(self, engine: "Engine") -> None:
        """Compiles anew what is in force, as a right has begun or ended."""
        assert self._town is not None
        try:
            self._note(self._put(engine, self._town, self._sites.inventories(self._town)))
        except _RefusedError as refused:
            configuration.print_lines(refused.lines)

    def _serve(self, engine: "Engine", wake: int) -> None:
        events = engine.event_fileno()
        next_stats = time.monotonic() + (self._interval_s or 0)
        while not self._stop:
            if self._reload:
                self._reload = False
                self._say("reading the files again")
                if self._apply(engine) != 0:
                    self._say(f"not taken over; revision {self._revision} stays in force")
            wait = self._until_next_change()
            if wait == 0:
                self._renew_rights(engine)
                wait = self._until_next_change()
            if self._interval_s is not None:
                wait = min(wait, max(0.0, next_stats - time.monotonic()))
            ready, _, _ = select.select([events, wake, self._sites.fileno()], [], [], wait)
            if wake in ready:
                os.read(wake, 4096)
            if self._sites.fileno() in ready:
                self._hear(engine)
            # Bounded, so that a flood of events does not keep signals and figures waiting.
            for _ in range(1000):
                event = engine.next_event(0)
                if event is None:
                    break
                self._print(event)
            if self._interval_s is not None and time.monotonic() >= next_stats:
                next_stats = time.monotonic() + self._interval_s
                self._figures(engine.stats())

    def _figures(self, stats: dict[str, Any]) -> None:
        if self._options.as_json:
            self._line(json.dumps({"type": "stats", **stats, "sites": self._sites.figures()}))
        elif self._live is not None:
            title = f"vigie, revision {stats['revision']}"
            self._live.update(show.live_table(stats, title), refresh=True)
        else:
            self._line(show.stats_line(stats) + show.sites_text(self._sites.figures()))

    def _print(self, event: Any) -> None:
        if self._options.as_json:
            self._line(json.dumps({"type": "event", **asdict(event)}))
        else:
            self._line(show.event_line(event))

    def _say(self, text: str) -> None:
        self._line(json.dumps({"type": "note", "text": text}) if self._options.as_json else f"vigie: {text}")

    def _tell(self, text: str, fields: dict[str, Any]) -> None:
        line = {"type": "site", "text": text, **fields}
        self._line(json.dumps(line) if self._options.as_json else f"vigie: {text}")

    def _line(self, text: str) -> None:
        if self._live is not None and self._console is not None:
            self._console.print(text, markup=False, highlight=False)
        else:
            print(text, flush=True)


class _RefusedError(Exception):
    """What was not put in force: lines that say why, and the exit code it would mean."""

    def __init__(self, code: int, lines: Sequence[str]) -> None:
        super().__init__(*lines)
        self.code = code
        self.lines = lines


class _Signals(AbstractContextManager[int]):
    """Hands SIGTERM, SIGINT and SIGHUP to `on_signal`; a second SIGTERM or SIGINT ends the process at once.

    Entering gives a descriptor that polls readable when one came.
    """

    NUMBERS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

    def __init__(self, on_signal: Any) -> None:
        self._on_signal = on_signal
        self._read, self._write = socket.socketpair()

    def __enter__(self) -> int:
        self._read.setblocking(False)
        self._write.setblocking(False)
        self._old = {number: signal.signal(number, self._handle) for number in self.NUMBERS}
        self._old_wakeup = signal.set_wakeup_fd(self._write.fileno(), warn_on_full_buffer=False)
        return self._read.fileno()

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if number != signal.SIGHUP:
            signal.signal(number, signal.SIG_DFL)
        self._on_signal(number)

    def __exit__(self, *exc: object) -> None:
        signal.set_wakeup_fd(self._old_wakeup)
        for number, handler in self._old.items():
            signal.signal(number, handler)
        self._read.close()
        self._write.close()
