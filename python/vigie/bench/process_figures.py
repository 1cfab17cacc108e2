"""CPU time and memory of a process, from /proc."""

import os
from collections.abc import Sequence
from pathlib import Path

from vigie.errors import NotFoundError

_TICKS = os.sysconf("SC_CLK_TCK")


def _read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text(encoding="utf-8")
    except OSError:
        raise NotFoundError("no such process, or it has ended", f"process {pid}") from None


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads of a process so far, to the kernel's tick (10 ms)."""
    fields = _read(pid, "stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def rss_bytes(pid: int) -> int:
    """Resident memory."""
    for line in _read(pid, "status").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


def growth_bytes(samples: Sequence[int]) -> int:
    """Of memory over a run: the last quarter's mean less the second quarter's, so that warm-up does not count."""
    quarter = max(1, len(samples) // 4)
    early, late = samples[quarter : 2 * quarter] or samples, samples[-quarter:]
    return round(sum(late) / max(1, len(late)) - sum(early) / max(1, len(early)))


def cpus_of(pid: int) -> set[int]:
    """The CPUs a process may use."""
    try:
        return os.sched_getaffinity(pid)
    except ProcessLookupError:
        raise NotFoundError("no such process, or it has ended", f"process {pid}") from None
