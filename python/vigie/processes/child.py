"""One process that the supervisor watches: started by it, or found."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from vigie.processes import run_folder
from vigie.processes.run_folder import Running

FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 10.0
# A process that has lived so long was all right: the next death is a new story.
SETTLED_S = 30.0
LAST_LINES = 5
MAX_OUTPUT = 1 << 20


class Child:
    """A role of a state folder, and the process that has it. Thread: the event loop's."""

    def __init__(self, state: Path, role: str, on_death: Callable[["Child", str], None]) -> None:
        """`on_death`: the process has gone, and how."""
        self.role = role
        self.deaths = 0  # in a row, each soon after its start
        self.restarts = 0
        self.adopted = False
        self.last_words = ""  # of one that could not write them
        self.pid = 0
        self.code: int | None = None  # of the last one that died: negative for a signal; None: not known
        self._state = state
        self._on_death = on_death
        self._pidfd = -1
        self._process: subprocess.Popen[bytes] | None = None
        self._began = 0.0
        self._shown = 0  # of its output
        self._ended = asyncio.Event()
        self._ended.set()

    @property
    def is_alive(self) -> bool:
        """Whether there is a process."""
        return self._pidfd >= 0

    def start(self, options: Mapping[str, Any], environment: Mapping[str, str]) -> None:
        """Starts one, in a session of its own: what ends the terminal or the supervisor does not end it.

        It is given the lock of its role, so that at no instant it is there and cannot be found.
        Raises: StateUnreadableError (another process has the role).
        """
        lock = run_folder.hold(self._state, self.role)
        output = run_folder.output_of(self._state, self.role)
        output.unlink(missing_ok=True)
        self._shown = 0
        command = [sys.executable, "-m", "vigie.processes", self.role]
        command += ["--state", str(self._state), "--lock", str(lock), json.dumps(options)]
        try:
            descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError:  # a full disk keeps nobody from starting
            descriptor = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=descriptor,
                stderr=descriptor,
                env=dict(environment),
                start_new_session=True,
                pass_fds=(lock,),
            )
        finally:
            os.close(descriptor)
            os.close(lock)
        self.adopted = False
        self._watch(self._process.pid)

    def adopt(self, running: Running) -> bool:
        """Watches one that is there already; whether it still was."""
        output = run_folder.output_of(self._state, self.role)
        with suppress(OSError):
            self._shown = output.stat().st_size
        try:
            self._watch(running.pid)
        except OSError:
            return False
        if run_folder.start_time(running.pid) != running.started:  # asked again: now the number cannot be given anew
            self._forget()
            return False
        self.adopted = True
        return True

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to this very process, if it is there."""
        if self._pidfd >= 0:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    async def end(self, grace_s: float) -> None:
        """Waits until it has gone: of its own within the grace, else killed."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ended.wait(), grace_s)
        self.signal(signal.SIGKILL)
        await self._ended.wait()

    def wait_s(self) -> float:
        """How long to wait before the next one is started."""
        return 0.0 if self.deaths <= 1 else min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** (self.deaths - 1))

    def new_output(self) -> list[str]:
        """What it has written since the last call; a file that grew large is emptied."""
        path = run_folder.output_of(self._state, self.role)
        try:
            with path.open("rb") as opened:
                opened.seek(self._shown)
                data = opened.read(MAX_OUTPUT)
            self._shown += len(data)
            if self._shown >= MAX_OUTPUT:
                os.truncate(path, 0)
                self._shown = 0
        except OSError:
            return []
        return data.decode(errors="replace").splitlines()

    def last_lines(self) -> list[str]:
        """The end of what it wrote."""
        with suppress(OSError):
            text = run_folder.output_of(self._state, self.role).read_bytes()[-8192:]
            if lines := [line for line in text.decode(errors="replace").splitlines() if line.strip()]:
                return lines[-LAST_LINES:]
        return [self.last_words or "(it has written nothing)"]

    def _watch(self, pid: int) -> None:
        self._pidfd = os.pidfd_open(pid)
        self.pid = pid
        self.code = None
        self._began = time.monotonic()
        self._ended.clear()
        asyncio.get_running_loop().add_reader(self._pidfd, self._died)

    def _forget(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._pidfd = -1
        self._ended.set()

    def _died(self) -> None:
        self._forget()
        lived_s = time.monotonic() - self._began
        self.deaths = 1 if lived_s >= SETTLED_S else self.deaths + 1
        how = "it ended; another supervisor had started it, so nobody knows its exit code"
        if self._process is not None and self._process.pid == self.pid:
            self.code = self._process.wait()
            how = f"exit code {self.code}"
            if self.code < 0:
                with suppress(ValueError):
                    how = f"killed by {signal.Signals(-self.code).name}"
        self._process = None
        self._on_death(self, how)
