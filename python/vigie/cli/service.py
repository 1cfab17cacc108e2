"""`vigie serve`: one engine in this process, driven by files and signals. No other file of the CLI holds an engine."""

import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.live import Live

from vigie.cli import configuration, show
from vigie.errors import Error, PolicyFieldError
from vigie.policy import ConfigurationError, compile_snapshot, load_town

if TYPE_CHECKING:
    from vigie.engine import Engine

LIVE_INTERVAL_S = 0.5


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
        revision = self._revision + 1
        try:
            town = load_town(self._options.files)
            compiled = compile_snapshot(town, revision, self._options.server)
        except ConfigurationError as error:
            configuration.print_problems(error.problems)
            return 2
        configuration.print_problems(town.warnings, "warning")
        try:
            self._revision = engine.apply(compiled.snapshot)
        except PolicyFieldError as error:
            problem = compiled.problem(error.where, error.what)
            print(f"error: {problem or error}", file=sys.stderr, flush=True)
            return 2
        except Error as error:  # an address that is taken, a certificate that does not fit
            print(f"error: {error}", file=sys.stderr, flush=True)
            return 1
        self._say(f"revision {self._revision} in force: {configuration.summary(town)}")
        return 0

    def _serve(self, engine: "Engine", wake: int) -> None:
        events = engine.event_fileno()
        next_stats = time.monotonic() + (self._interval_s or 0)
        while not self._stop:
            if self._reload:
                self._reload = False
                self._say("reading the files again")
                if self._apply(engine) != 0:
                    self._say(f"not taken over; revision {self._revision} stays in force")
            wait = 60.0
            if self._interval_s is not None:
                wait = max(0.0, next_stats - time.monotonic())
            ready, _, _ = select.select([events, wake], [], [], wait)
            if wake in ready:
                os.read(wake, 4096)
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
            self._line(json.dumps({"type": "stats", **stats}))
        elif self._live is not None:
            title = f"vigie, revision {stats['revision']}"
            self._live.update(show.live_table(stats, title), refresh=True)
        else:
            self._line(show.stats_line(stats))

    def _print(self, event: Any) -> None:
        if self._options.as_json:
            self._line(json.dumps({"type": "event", **asdict(event)}))
        else:
            self._line(show.event_line(event))

    def _say(self, text: str) -> None:
        self._line(json.dumps({"type": "note", "text": text}) if self._options.as_json else f"vigie: {text}")

    def _line(self, text: str) -> None:
        if self._live is not None and self._console is not None:
            self._console.print(text, markup=False, highlight=False)
        else:
            print(text, flush=True)


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
