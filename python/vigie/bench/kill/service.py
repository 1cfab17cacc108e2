"""The processes under test: `vigie serve --state`, its engine and its control."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from vigie import _native
from vigie.control.client import Client
from vigie.errors import ControlUnavailableError, Error
from vigie.processes import run_folder
from vigie.processes.run_folder import CONTROL, ENGINE, SUPERVISOR

ROLES = (CONTROL, ENGINE, SUPERVISOR)


class ServiceUnderTest:
    """A state folder that is served. A supervisor that was killed is started again, as systemd would."""

    def __init__(self, folder: Path, log: Path, options: Sequence[str] = ()) -> None:
        self.folder = folder
        self._log = log
        self._options = options
        self._process: subprocess.Popen[str] | None = None

    @property
    def endpoint(self) -> str:
        """Where control answers."""
        return f"ipc://{self.folder}/control.sock"

    def start(self) -> None:
        """Starts the supervisor."""
        with self._log.open("a", encoding="utf-8") as log:
            command = [sys.executable, "-m", "vigie", "serve", "--state", str(self.folder), *self._options]
            self._process = _native.start(command, stdout=log, stderr=subprocess.STDOUT)

    def kill(self, roles: Sequence[str]) -> None:
        """kill -9 of these, one directly after the other. Those that are not there at the moment cannot be killed."""
        pids = [pid for role in roles if (pid := self._pid(role))]
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if SUPERVISOR in roles and self._process is not None:
            _native.stop(self._process)
            self.start()

    def wait_answers(self, timeout_s: float) -> int:
        """Waits until control answers and the engine works by the state; the revision.

        Raises: ControlUnavailableError.
        """
        until = time.monotonic() + timeout_s
        with Client(self.endpoint, timeout_s=2) as client:
            while True:
                with suppress(Error):
                    if client.call("stats.get", {}).body["engine"]["revision"]:
                        return client.call("ping", {}).rev
                if time.monotonic() > until:
                    raise ControlUnavailableError(f"it does not come back within {timeout_s:g} s", self.endpoint)
                time.sleep(0.02)

    def stop(self) -> int:
        """SIGTERM, and the exit code (0 where it was stopped before); whatever is left then is killed."""
        process, self._process = self._process, None
        code = 0 if process is None else _native.stop(process, 40)
        for role in (CONTROL, ENGINE):
            if pid := self._pid(role):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        return code

    def _pid(self, role: str) -> int:
        if role == SUPERVISOR:
            return 0 if self._process is None else self._process.pid
        with suppress(Error):
            running = run_folder.find(self.folder, role)
            return 0 if running is None else running.pid
        return 0


def until(condition: Callable[[], bool], timeout_s: float) -> bool:
    """Whether it came to be so, in the time given."""
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True
