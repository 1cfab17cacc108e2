"""Real time, as the system gives it to the processes of these tests."""

import os
import threading
import time
from pathlib import Path


def allowed() -> bool:
    """Whether a thread of this process may have it; asked in one that ends at once."""
    found: list[bool] = []

    def ask() -> None:
        try:
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
            found.append(True)
        except PermissionError:
            found.append(False)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    return found[0]


def threads_in(pid: int) -> set[str]:
    """The names of a process's threads that have it."""
    found = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        if os.sched_getscheduler(int(task.name)) & ~os.SCHED_RESET_ON_FORK == os.SCHED_RR:
            found.add((task / "comm").read_text(encoding="utf-8").strip())
    return found


def wait_in(pid: int, names: set[str]) -> None:
    """Until these threads of a process have it, and no others; where it is not allowed, none may in that time."""
    wanted = names if allowed() else set()
    if not wanted:
        time.sleep(0.3)  # longer than until the next look
    until = time.monotonic() + 10
    while (found := threads_in(pid)) != wanted:
        assert time.monotonic() < until, (found, wanted)
        time.sleep(0.02)
