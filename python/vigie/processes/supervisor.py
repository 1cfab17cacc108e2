"""The supervisor: starts engine and control, or finds those that a killed one left; watches them, and prints what they
say. It owns nothing: when it is killed the others go on, and the next one takes over.

Thread: the event loop; `ask` and `health` from any thread.
"""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from vigie._version import version
from vigie.errors import BindFailedError, StateUnreadableError
from vigie.events import Event
from vigie.processes import feed, run_folder
from vigie.processes.child import LONGEST_WAIT_S, Child
from vigie.processes.notify import Notify
from vigie.processes.run_folder import CONTROL, ENGINE

# How long each is given to end; what has not gone then is killed.
CONTROL_ENDS_S = 20.0
ENGINE_ENDS_S = 10.0
FACTS_S = 5.0
# From this many deaths in a row on it is said that it does not work.
MANY_DEATHS = 3


class Output(AbstractContextManager["Output"], Protocol):
    """Where `vigie serve` prints."""

    interval_s: float | None

    def say(self, text: str) -> None: ...

    def tell(self, text: str, fields: dict[str, Any]) -> None: ...

    def event(self, event: Any) -> None: ...

    def figures(self, stats: dict[str, Any], sites: dict[str, Any]) -> None: ...


@dataclass(frozen=True)
class Options:
    """As the command line says. `engine_environment`: of the engine process alone."""

    folder: Path
    endpoints: Sequence[str] = ()
    figures: str = ""
    server: str | None = None
    shards: int = 1
    mask_encoder: str = ""
    cpus: Sequence[int] = ()
    files: Sequence[Path] = ()
    journal_copy: Path | None = None
    engine_environment: Mapping[str, str] = field(default_factory=dict)

    def of(self, role: str) -> dict[str, Any]:
        """What a process is started with."""
        if role == ENGINE:
            return {
                "version": version(),
                "shards": self.shards,
                "cpus": list(self.cpus),
                "mask_encoder": self.mask_encoder,
            }
        return {
            "version": version(),
            "endpoints": list(self.endpoints),
            "figures": self.figures,
            "server": self.server,
            "files": [str(path.resolve()) for path in self.files],
            "journal_copy": None if self.journal_copy is None else str(self.journal_copy),
        }


@dataclass(frozen=True)
class Health:
    """`reasons`: what is wrong, for people; empty: nothing. `facts`: what control says, or None."""

    reasons: Sequence[str]
    facts: Mapping[str, Any] | None
    restarts: Mapping[str, int]
    alive: Mapping[str, bool]


class Supervisor:
    """`run` until SIGTERM or SIGINT. `serve_http`: entered while it runs, such as the server of `/health`."""

    def __init__(
        self,
        options: Options,
        out: Output,
        serve_http: Callable[["Supervisor"], AbstractContextManager[object]] | None = None,
    ) -> None:
        self._options = options
        self._out = out
        self._serve_http = serve_http
        self._notify = Notify()
        self._stop = asyncio.Event()
        self._code = 0
        self._ready = False
        self._fresh = True  # nothing was found running: what fails at the start ends the start
        self._apply_files = True
        self._ending = False
        self._to_control: asyncio.StreamWriter | None = None
        self._feeds: set[asyncio.Task[Any]] = set()
        self._asked: dict[int, asyncio.Future[Mapping[str, Any]]] = {}
        self._number = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._why: dict[str, str] = {}  # what is wrong with a role

    def run(self) -> int:
        """The exit code. Raises: StateUnreadableError (another supervisor), BindFailedError."""
        with ExitStack() as stack:
            lock = run_folder.hold(self._options.folder, run_folder.SUPERVISOR)
            stack.callback(os.close, lock)
            stack.enter_context(self._out)
            code = asyncio.run(self._run())
        if code == 0:
            self._out.say("closed")
        return code

    async def _run(self) -> int:
        self._loop = loop = asyncio.get_running_loop()
        path = feed.socket_path(self._options.folder)
        try:
            listener = feed.listen(path)
        except OSError as error:
            raise BindFailedError(error.strerror or str(error), str(path)) from None
        self._children = {role: Child(self._options.folder, role, self._on_death) for role in (ENGINE, CONTROL)}
        server = await asyncio.start_unix_server(self._on_feed, sock=listener, limit=feed.MAX_LINE)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_stop, number)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        with ExitStack() as stack:
            if self._serve_http is not None:
                stack.enter_context(self._serve_http(self))
            try:
                await self._begin()
                self._spawn(self._tick())
                await self._stop.wait()
            finally:
                self._notify.tell(STOPPING="1")
                for number in (signal.SIGTERM, signal.SIGINT):
                    loop.add_signal_handler(number, self._kill, number)
                await self._end()
                for task in self._tasks:
                    task.cancel()
                await asyncio.gather(*self._tasks, return_exceptions=True)
                server.close()
                path.unlink(missing_ok=True)
        return self._code

    # What there is to watch.

    async def _begin(self) -> None:
        found = {role: await asyncio.to_thread(run_folder.find, self._options.folder, role) for role in self._children}
        self._fresh = not any(found.values())
        for role, child in self._children.items():
            running = found[role]
            if running is None or not child.adopt(running):
                self._start(child)
                continue
            same = dict(running.options) == self._options.of(role)
            self._out.say(f"{role} is running already (process {running.pid}), and goes on")
            if role == CONTROL and not same:
                self._out.say("control was started otherwise: it is started anew")
                child.signal(signal.SIGTERM)
            elif role == CONTROL:
                self._give_files()
            elif not same:
                self._out.say("engine goes on as it was started; to change that, end vigie serve first")

    def _give_files(self) -> None:
        """A control that was found applies the files of this start: once it is known, and is connected."""
        if self._children[CONTROL].adopted and self._options.files and self._apply_files:
            self._apply_files = not self._tell({"do": "reload"})

    def _start(self, child: Child) -> None:
        options = self._options.of(child.role)
        environment = dict(os.environ)
        if child.role == CONTROL:
            options["apply_files"] = self._apply_files
            self._apply_files = False
        else:
            environment |= self._options.engine_environment
        try:
            child.start(options, environment)
        except StateUnreadableError as error:  # somebody has started one by hand
            running = run_folder.find(self._options.folder, child.role)
            if running is None or not child.adopt(running):
                raise error

    def _on_death(self, child: Child, how: str) -> None:
        self._echo(child)
        if self._ending:
            return
        if self._fresh and not self._ready and child.code is not None and child.code >= 0:
            # It has said why: files, an address, a folder that cannot be used.
            self._code = child.code or 1
            self._stop.set()
            return
        wait_s = child.wait_s()
        self._why[child.role] = f"{child.role} is not running ({how}); started again in {wait_s:g} s"
        self._out.say(f"{child.role} has ended ({how}): it is started again" + (f" in {wait_s:g} s" if wait_s else ""))
        if child.deaths >= MANY_DEATHS:
            self._out.say(f"{child.role} has ended {child.deaths} times in a row soon after its start; its last lines:")
            for line in child.last_lines():
                self._out.say(f"{child.role}: {line}")
        self._notify.tell(STATUS=self._why[child.role])
        self._spawn(self._restart(child, wait_s))

    async def _restart(self, child: Child, wait_s: float) -> None:
        await asyncio.sleep(wait_s)
        while not self._ending:
            try:
                self._start(child)
                break
            except OSError as error:  # no memory, no place for its lock
                self._why[child.role] = f"{child.role} cannot be started: {error}"
                self._out.say(f"{self._why[child.role]}; tried again in {LONGEST_WAIT_S:g} s")
                await asyncio.sleep(LONGEST_WAIT_S)
        if self._ending:
            return
        child.restarts += 1
        self._why.pop(child.role, None)
        self._notify.tell(STATUS=f"{child.role} was started again")

    async def _tick(self) -> None:
        """Output of children as it comes, and signs of life for systemd."""
        every_s = min(1.0, self._notify.watchdog_s or 1.0)
        while True:
            for child in self._children.values():
                self._echo(child)
            if self._notify.watchdog_s is not None:
                self._notify.tell(WATCHDOG="1")
            await asyncio.sleep(every_s)

    @staticmethod
    def _echo(child: Child) -> None:
        for line in child.new_output():
            print(line, file=sys.stderr, flush=True)

    # The feed.

    async def _on_feed(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._is_ours(writer):
            writer.close()
            return
        self._to_control = writer
        task = asyncio.current_task()
        if task is not None:
            self._feeds.add(task)
            task.add_done_callback(self._feeds.discard)
        if self._out.interval_s is not None:
            self._tell({"do": "interval", "interval_s": self._out.interval_s})
        self._give_files()
        try:
            while line := await reader.readline():
                self._on_record(json.loads(line))
        except (OSError, ValueError, LookupError, TypeError) as error:
            print(f"error: from control: {error!r}", file=sys.stderr, flush=True)
        finally:
            if self._to_control is writer:
                self._to_control = None
            writer.close()

    def _is_ours(self, writer: asyncio.StreamWriter) -> bool:
        peer = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        return int.from_bytes(peer[4:8], sys.byteorder) == os.getuid()

    def _on_record(self, record: Mapping[str, Any]) -> None:
        match record["type"]:
            case "note":
                self._out.say(record["text"])
            case "site":
                self._out.tell(record["text"], record["fields"])
            case "event":
                self._out.event(Event(**record["event"]))
            case "figures":
                self._out.figures(record["stats"], record["sites"])
            case "last words":
                self._children[CONTROL].last_words = record["text"]
            case "ready":
                self._ready = True
                self._notify.tell(READY="1", STATUS="serving")
            case "facts":
                waiting = self._asked.pop(record["number"], None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(record["facts"])

    def _tell(self, record: feed.Record) -> bool:
        if self._to_control is None:
            return False
        self._to_control.write(json.dumps(record).encode() + b"\n")
        return True

    def _reload(self) -> None:
        if not self._tell({"do": "reload"}):
            self._apply_files = True  # by the next one
            self._out.say("control is not there: it reads the files when it is")

    def say(self, text: str) -> None:
        """A line of its own."""
        self._out.say(text)

    # Health.

    def health(self) -> Health:
        """How things are. Thread: any but the loop's."""
        return asyncio.run_coroutine_threadsafe(self._health(), self._loop).result(FACTS_S + 1)

    async def _health(self) -> Health:
        facts = None
        reasons = []
        for role, child in self._children.items():
            if not child.is_alive:
                reasons.append(self._why.get(role, f"{role} is not running"))
        if self._children[CONTROL].is_alive:
            facts = await self._facts()
            if facts is None:
                reasons.append("control does not answer")
            elif not facts["engine"]:
                reasons.append("control has no engine")
            elif facts["stats"] is None:
                reasons.append("the engine does not answer")
            elif facts["revision"] and not facts["in_force"]:
                reasons.append("the state is not in force: vigie serve says why")
        restarts = {role: child.restarts for role, child in self._children.items()}
        alive = {role: child.is_alive for role, child in self._children.items()}
        return Health(reasons, facts, restarts, alive)

    async def _facts(self) -> Mapping[str, Any] | None:
        self._number += 1
        number = self._number
        waiting = self._asked[number] = self._loop.create_future()
        try:
            if not self._tell({"do": "facts", "number": number}):
                return None
            return await asyncio.wait_for(waiting, FACTS_S)
        except TimeoutError:
            return None
        finally:
            self._asked.pop(number, None)

    # The end.

    def _on_stop(self, _number: int) -> None:
        self._out.say("closing")
        self._ending = True
        self._stop.set()

    def _kill(self, number: int) -> None:
        """A second signal ends all at once."""
        for child in self._children.values():
            child.signal(signal.SIGKILL)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        os._exit(128 + number)  # the first process of a container is not ended by its own signal

    async def _end(self) -> None:
        """Control first, which ends the viewers and writes down that they were ended; then the engine."""
        self._ending = True
        engine, control = self._children[ENGINE], self._children[CONTROL]
        if control.is_alive:
            if not self._tell({"do": "stop", "with_engine": engine.is_alive}):
                control.signal(signal.SIGTERM)
            await control.end(CONTROL_ENDS_S)
        if self._feeds:  # what it said last
            await asyncio.wait(self._feeds, timeout=feed.FLUSH_S)
        if engine.is_alive:
            engine.signal(signal.SIGTERM)
            await engine.end(ENGINE_ENDS_S)
        for child in (engine, control):
            self._echo(child)

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
