"""`vigie serve -f`: one engine in this process, driven by files and signals (with `--state`: `vigie.processes`)."""

import os
import select
import signal
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from vigie.cli import configuration, large_pages
from vigie.cli.output import Output
from vigie.cli.sites import Sites, take_over_sites
from vigie.control.in_force import InForce, refusal_lines
from vigie.control.rights_clock import CLOCK_S, RightsClock, clock_line
from vigie.errors import Error, PolicyFieldError
from vigie.policy import Compiled, ConfigurationError, Problem, load_town

if TYPE_CHECKING:
    from vigie.engine import Engine


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
    mask_encoder: str = ""


class Service:
    """Loads, applies, prints what happens, reloads on SIGHUP, closes on SIGTERM and SIGINT."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._stop = False
        self._reload = False
        self._out = Output(as_json=options.as_json, live=options.live, stats_interval_s=options.stats_interval_s)
        self._sites = Sites(self._out.tell)
        self._noted: frozenset[Problem] = frozenset()
        self._clock = RightsClock()
        self._in_doubt = False

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
            wanted = self._options
            engine = stack.enter_context(
                Engine(shards=wanted.shards, cpus=wanted.cpus, realtime_io=True, mask_encoder=wanted.mask_encoder)
            )
            policy = InForce(engine, self._options.server, also_ns=self._clock.also_ns)
            code = self._apply(policy)
            if code != 0:
                return code
            with self._out:
                self._serve(engine, policy, wake)
                self._out.say("closing")
        self._out.say("closed")
        return 0

    def _on_signal(self, number: int) -> None:
        if number == signal.SIGHUP:
            self._reload = True
        else:
            self._stop = True

    def _apply(self, policy: InForce) -> int:
        """Reads the files and puts them in force, or says why not and changes nothing; the exit code it would mean."""
        try:
            town = load_town(self._options.files)
            compiled = policy.put(town, self._sites.inventories(town))
        except Error as error:
            configuration.print_lines(refusal_lines(error))
            return 2 if isinstance(error, PolicyFieldError) else 1
        configuration.print_problems(town.warnings, "warning")
        self._note(compiled)
        self._out.say(f"revision {policy.revision} in force: {configuration.summary(town)}")
        self._sites.put_in_force(town)
        return 0

    def _note(self, compiled: Compiled) -> None:
        """Says what is left out of the sites' inventories, each finding once."""
        configuration.print_problems([note for note in compiled.notes if note not in self._noted], "warning")
        self._noted = frozenset(compiled.notes)

    def _hear(self, policy: InForce) -> None:
        """Takes over what partners have told, with the files as they were read last."""
        compiled = take_over_sites(policy, self._sites, self._out.say)
        if compiled is not None:
            self._note(compiled)

    def _renew_rights(self, policy: InForce) -> None:
        """Compiles anew what is in force, as a right has begun or ended."""
        assert policy.town is not None
        try:
            self._note(policy.renew(self._sites.inventories(policy.town)))
        except Error as error:
            configuration.print_lines(refusal_lines(error))

    def _clock_stepped(self) -> bool:
        """Whether the clock was set, or is back; says so."""
        also = self._clock.also_ns()
        if (also is not None) == self._in_doubt:
            return False
        self._in_doubt = also is not None
        self._out.say(clock_line(self._clock.now_ns(), also))
        return True

    def _serve(self, engine: "Engine", policy: InForce, wake: int) -> None:
        events, interval_s = engine.event_fileno(), self._out.interval_s
        next_stats = time.monotonic() + (interval_s or 0)
        while not self._stop:
            if self._reload:
                self._reload = False
                self._out.say("reading the files again")
                if self._apply(policy) != 0:
                    self._out.say(f"not taken over; revision {policy.revision} stays in force")
            if self._clock_stepped() or policy.until_next_change_s() == 0:
                self._renew_rights(policy)
            wait = min(CLOCK_S, policy.until_next_change_s())
            if interval_s is not None:
                wait = min(wait, max(0.0, next_stats - time.monotonic()))
            ready, _, _ = select.select([events, wake, self._sites.fileno()], [], [], wait)
            if wake in ready:
                os.read(wake, 4096)
            if self._sites.fileno() in ready:
                self._hear(policy)
            # Bounded, so that a flood of events does not keep signals and figures waiting.
            for _ in range(1000):
                event = engine.next_event(0)
                if event is None:
                    break
                self._out.event(event)
            if interval_s is not None and time.monotonic() >= next_stats:
                next_stats = time.monotonic() + interval_s
                self._out.figures(engine.stats(), self._sites.figures())


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


def serve_from_state(
    options: Options,
    folder: Path,
    endpoints: Sequence[str],
    figures: str,
    http: str | None,
    journal_copy: Path | None = None,
) -> int:
    """`vigie serve --state`; the exit code."""
    from vigie.processes import supervisor, web

    out = Output(as_json=options.as_json, live=options.live, stats_interval_s=options.stats_interval_s)
    wanted = supervisor.Options(
        folder=folder,
        endpoints=endpoints,
        figures=figures,
        server=options.server,
        shards=options.shards,
        cpus=options.cpus,
        mask_encoder=options.mask_encoder,
        files=options.files,
        journal_copy=journal_copy,
        engine_environment=large_pages.variables(),
    )
    return supervisor.Supervisor(wanted, out, None if http is None else web.server(http)).run()
