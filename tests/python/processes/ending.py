"""Ends the processes of a state folder, as they are found there."""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from vigie.processes import run_folder


def pids_of(state: Path) -> dict[str, int]:
    """Which processes of a state folder are there, by role."""
    found = {}
    for role in (run_folder.SUPERVISOR, run_folder.CONTROL, run_folder.ENGINE):
        running = run_folder.find(state, role) if role != run_folder.SUPERVISOR else None
        if running is not None:
            found[role] = running.pid
    return found


def kill_process(state: Path, role: str) -> bool:
    """kill -9 of one, and waits until it has gone; whether it was there."""
    if not (state / "run").is_dir() or (running := run_folder.find(state, role)) is None:
        return False
    with suppress(ProcessLookupError):
        os.kill(running.pid, signal.SIGKILL)
    until = time.monotonic() + 10
    while run_folder.start_time(running.pid) == running.started and time.monotonic() < until:
        time.sleep(0.005)
    return True


def kill_processes(state: Path) -> None:
    """kill -9 of engine and control, of whichever there are. The supervisor is to be gone already."""
    for role in (run_folder.CONTROL, run_folder.ENGINE):
        kill_process(state, role)
