"""The clock that rights go by, when it is set: no right grows by it, whoever sets it and in which direction.

The machine's wall clock may step; the time since the machine was started does not. As long as both agree the wall clock
is believed. Where it has stepped, two instants are possible, the one it shows and the one it would show without the
step, and a right must hold at both, until the clock is back or somebody who knows says that it is right
(`vigie clock trust`). The last instant that was believed is kept in the state folder, so that neither a restart nor a
machine that was off for a while lets the clock go back.
"""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from vigie.durable import replace_file

FILE = "clock.json"
TOLERANCE_NS = 2_000_000_000
# How often what is believed is written down.
KEEP_NS = 60_000_000_000
CLOCK_S = 1.0  # how often to look at the clock


@dataclass(frozen=True)
class Believed:
    """The wall clock was right at `wall_ns`, so long after the start of the machine (`boot`, by its id)."""

    wall_ns: int
    boot_ns: int
    boot: str


def _boot_id() -> str:
    """Of this run of the machine; empty where it cannot be told."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


@dataclass(frozen=True)
class Machine:
    """The machine's clocks."""

    wall_ns: Callable[[], int] = time.time_ns
    boot_ns: Callable[[], int] = lambda: time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    boot: Callable[[], str] = _boot_id


class RightsClock:
    """`folder`: where it is remembered; None: nowhere. Thread: any, one at a time makes no difference."""

    def __init__(self, folder: Path | None = None, machine: Machine | None = None) -> None:
        self._path = None if folder is None else folder / FILE
        self._machine = machine or Machine()
        self._boot = self._machine.boot()
        self._seen: tuple[int, int] | None = None
        self._kept: Believed | None = None
        self._at_least = False  # what is believed is only that it was not earlier: the machine was off meanwhile
        self._believed: Believed | None = None
        self._trusted = False
        self._load()

    def now_ns(self) -> int:
        """What the wall clock shows."""
        return self._machine.wall_ns()

    def also_ns(self) -> int | None:
        """The other instant that may be now; None: the wall clock is believed."""
        self._load()
        wall, boot = self._machine.wall_ns(), self._machine.boot_ns()
        before = self._believed
        if before is not None:
            expected = before.wall_ns + boot - before.boot_ns
            ahead = wall - expected
            if ahead < -TOLERANCE_NS or (ahead > TOLERANCE_NS and not self._at_least):
                return expected
        self._at_least = False
        self._believed = Believed(wall, boot, self._boot)
        self._keep(self._believed)
        return None

    def believed_ns(self) -> int | None:
        """What the wall clock shows, where it is believed; None: it is in doubt."""
        if self.also_ns() is not None or self._believed is None:
            return None
        return self._believed.wall_ns

    def latest_ns(self) -> int:
        """The later of the two."""
        return max(self.now_ns(), self.also_ns() or 0)

    def take_trust(self) -> bool:
        """Whether somebody has said since the last call that the clock is right."""
        taken, self._trusted = self._trusted, False
        return taken

    def _load(self) -> None:
        """What another process has left, or `vigie clock trust`."""
        if self._path is None:
            return
        try:
            status = self._path.stat()
            if (status.st_ino, status.st_mtime_ns) == self._seen:
                return
            first = self._seen is None
            self._seen = (status.st_ino, status.st_mtime_ns)
            kept = Believed(**json.loads(self._path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return
        except (OSError, ValueError, TypeError):
            return  # it was never half written by us
        self._kept = kept
        self._trusted = not first
        if kept.boot == self._boot != "":
            self._believed, self._at_least = kept, False
        else:
            self._believed, self._at_least = Believed(kept.wall_ns, self._machine.boot_ns(), self._boot), True

    def _keep(self, believed: Believed) -> None:
        if self._path is None:
            return
        kept = self._kept
        if kept is not None and kept.boot == believed.boot and 0 <= believed.boot_ns - kept.boot_ns < KEEP_NS:
            return
        with suppress(OSError):  # a full disk: the one before is as good, but for the drift of a minute
            write_believed(self._path, believed)
            status = self._path.stat()
            self._seen, self._kept = (status.st_ino, status.st_mtime_ns), believed


def clock_line(now_ns: int, also_ns: int | None) -> str:
    """What is said when the clock was set, or is back."""
    if also_ns is None:
        return "the clock is believed again"
    return (
        f"the clock has stepped by {(now_ns - also_ns) / 1e9:+.0f} s: rights must hold at both times until it is back, "
        "or vigie clock trust says that it is right"
    )


def write_believed(path: Path, believed: Believed) -> None:
    """Raises: OSError."""
    replace_file(path, json.dumps(asdict(believed)).encode())


def trust(folder: Path, machine: Machine | None = None) -> None:
    """From now on the clock is believed as it is, by a service that runs too. Raises: OSError."""
    of = machine or Machine()
    write_believed(folder / FILE, Believed(of.wall_ns(), of.boot_ns(), of.boot()))


def doubt(folder: Path, machine: Machine | None = None) -> float | None:
    """By how many seconds the clock is ahead of what it would be without its step (less than 0: behind); None: in no
    doubt. Changes nothing.
    """
    clock = RightsClock(folder, machine)
    clock._path = None
    also = clock.also_ns()
    return None if also is None else (clock.now_ns() - also) / 1e9
