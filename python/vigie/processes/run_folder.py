"""`DIR/run`: which processes of a state folder are there. Found by their locks, never by a name.

A process holds `ROLE.lock` for as long as it lives (the kernel sees to that), and says in `ROLE.json` who it is. A pid
counts only with the start time of its process, so that a number that was given anew is nobody.
"""

import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vigie.durable import lock_file, replace_file
from vigie.errors import StateUnreadableError

ENGINE, CONTROL, SUPERVISOR = "engine", "control", "supervisor"
_TOLD_WITHIN_S = 5.0


@dataclass(frozen=True)
class Running:
    """A process. `started`: in clock ticks since boot, as the kernel says; `options`: what it was started with."""

    pid: int
    started: int
    options: Mapping[str, Any]
    ready: bool = False


def run_folder(state: Path) -> Path:
    """Makes the state folder and the one inside where they are missing. Raises: StateUnreadableError."""
    folder = state / "run"
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise StateUnreadableError(str(error.strerror), str(folder)) from None
    return folder


def engine_endpoint(state: Path) -> str:
    """Where the engine process listens for control."""
    return f"ipc://{(state / 'run' / 'engine.sock').resolve()}"


def output_of(state: Path, role: str) -> Path:
    """What a process writes where it should not: errors of libraries, the traces of its death."""
    return state / "run" / f"{role}.out"


def hold(state: Path, role: str) -> int:
    """Takes a role until this process ends; the descriptor. Raises: StateUnreadableError (another has it)."""
    path = run_folder(state) / f"{role}.lock"
    try:
        return lock_file(path)
    except BlockingIOError:
        what = f"another {role} process uses it; right would be a folder of its own"
        raise StateUnreadableError(what, str(state)) from None
    except OSError as error:
        raise StateUnreadableError(str(error.strerror), str(path)) from None


def announce(state: Path, role: str, options: Mapping[str, Any], *, ready: bool = False) -> None:
    """Says who has the role, for `find`. Called by whoever holds it.

    On a full disk this goes into the file as it stands; where even that fails, a later supervisor cannot find this one.
    """
    pid = os.getpid()
    content = json.dumps(asdict(Running(pid, start_time(pid) or 0, options, ready))).encode()
    path = run_folder(state) / f"{role}.json"
    try:
        replace_file(path, content)
    except OSError as error:
        try:
            path.write_bytes(content)
        except OSError:
            print(f"warning: {role} cannot say who it is: {error}", file=sys.stderr, flush=True)


def find(state: Path, role: str) -> Running | None:
    """Who has a role, or None. Raises: StateUnreadableError, when somebody has it and does not say who he is."""
    until = time.monotonic() + _TOLD_WITHIN_S
    while True:
        try:
            os.close(hold(state, role))
            return None
        except StateUnreadableError:
            running = _told(state, role)
        if running is not None and start_time(running.pid) == running.started:
            return running
        if time.monotonic() > until:
            what = f"its {role} process does not say who it is; right would be to end it"
            raise StateUnreadableError(what, str(state))
        time.sleep(0.02)


def start_time(pid: int) -> int | None:
    """When a process was started, or None where there is none, or only its remains."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def _told(state: Path, role: str) -> Running | None:
    try:
        value = json.loads((state / "run" / f"{role}.json").read_text(encoding="utf-8"))
        return Running(**value)
    except (OSError, ValueError, TypeError):
        return None
