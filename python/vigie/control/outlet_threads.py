"""One thread an outlet: tells what it has not told yet, tries again, and never keeps anybody waiting.

There is no queue: what is due is read from the list of alarms and from what the outlet was told last of each. So a
place that was away for a night is told how things are, not how they were.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from vigie.alarms import Alarm
from vigie.control.desk_database import DeskDatabase, Told
from vigie.errors import Error
from vigie.outlets import Notice, OutletError, Sender, sender_of
from vigie.policy.declared import Declared
from vigie.policy.desk_objects import Outlet

BATCH = 100
FIRST_S = 1.0
LONGEST_S = 60.0
FAILING = 2  # attempts in a row, until it is an alarm
SECOND = 1_000_000_000

Choose = Callable[[Outlet], Sequence[Alarm]]
"""The alarms that an outlet may hear of, of those it asks for."""


@dataclass(frozen=True)
class Due:
    """What is to be told now, and in how many seconds more will be; None: nothing is known to come."""

    alarms: Sequence[Alarm]
    wait_s: float | None


def due(alarms: Sequence[Alarm], told: Mapping[str, Told], again_s: float, now_ns: int) -> Due:
    """What has changed since it was told, and was not told too recently. Pure."""
    now: list[Alarm] = []
    later: list[float] = []
    for alarm in alarms:
        last = told.get(alarm.id)
        if last is None:
            if alarm.open:
                now.append(alarm)
        elif alarm.change > last.change:
            left_s = again_s - (now_ns - last.ts_ns) / SECOND
            if 0 < left_s <= again_s:
                later.append(left_s)
            else:  # a clock that was set back holds nothing up
                now.append(alarm)
    return Due(now, min(later, default=None))


class OutletThread:
    """Tells one outlet. `failed` and `worked` are called from its thread."""

    def __init__(
        self,
        item: Declared[Outlet],
        database: DeskDatabase,
        choose: Choose,
        source: str,
        failed: Callable[[str, str], None],
        worked: Callable[[str], None],
        *,
        sender: Sender | None = None,
        now_ns: Callable[[], int] = time.time_ns,
        first_s: float = FIRST_S,
    ) -> None:
        self.item = item
        self.name = item.object.name
        self._database = database
        self._choose = choose
        self._source = source
        self._failed, self._worked = failed, worked
        self._sender = sender
        self._now_ns = now_ns
        self._first_s = first_s
        self._told = database.told(self.name)
        self._wake = threading.Condition()
        self._woken = False
        self._stopping = False
        self._failures = 0
        self._thread = threading.Thread(target=self._run, name=f"vigie-outlet-{self.name}", daemon=True)

    def start(self) -> None:
        """Begins with what it was not told before."""
        self._thread.start()

    def wake(self) -> None:
        """Something has changed."""
        with self._wake:
            self._woken = True
            self._wake.notify()

    def stop(self, wait_s: float = 0.2) -> None:
        """Ends; a place that does not answer is not waited for."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        self._thread.join(wait_s)

    def _run(self) -> None:
        wait_s: float | None = 0.0
        while True:
            with self._wake:
                if not self._woken or self._failures:  # after a failure only time helps
                    self._wake.wait_for(lambda: self._stopping or (self._woken and not self._failures), wait_s)
                self._woken = False
                if self._stopping:
                    return
            wait_s = self._tell()

    def _tell(self) -> float | None:
        """Tells what is due; in how many seconds to look again."""
        try:
            found = due(self._choose(self.item.object), self._told, self.item.object.spec.again_s, self._now_ns())
            for at in range(0, len(found.alarms), BATCH):
                self._send(found.alarms[at : at + BATCH])
        except Exception as error:  # noqa: BLE001 - whatever a place or a library does, the others go on
            self._failures += 1
            if self._failures >= FAILING:
                known = isinstance(error, (OutletError, Error))
                self._failed(self.name, str(error) if known else f"a fault of ours: {type(error).__name__}")
            return min(LONGEST_S, self._first_s * 2.0 ** min(self._failures - 1, 16))
        return found.wait_s

    def _send(self, alarms: Sequence[Alarm]) -> None:
        if self._sender is None:
            self._sender = sender_of(self.item)
        self._sender.send([Notice(alarm, self._source) for alarm in alarms])
        now = self._now_ns()
        told = {alarm.id: Told(alarm.change, now) for alarm in alarms}
        self._told |= told
        with suppress(Error):  # told twice after a restart, then
            self._database.keep_told(self.name, told)
        self._failures = 0
        self._worked(self.name)


class Outlets:
    """The threads of all declared outlets. Thread: one at a time."""

    def __init__(self, make: Callable[[Declared[Outlet]], OutletThread]) -> None:
        self._make = make
        self._threads: dict[str, OutletThread] = {}

    def declare(self, items: Sequence[Declared[Any]]) -> None:
        """Those that are there now; one that is other than before begins anew with its new address or secret."""
        wanted = {item.object.name: item for item in items}
        for name, thread in list(self._threads.items()):
            if name not in wanted or not _same(wanted[name], thread.item):
                self._threads.pop(name).stop(0.0)
        for name, item in wanted.items():
            if name not in self._threads:
                self._threads[name] = self._make(item)
                self._threads[name].start()

    def wake(self) -> None:
        """Something has changed."""
        for thread in self._threads.values():
            thread.wake()

    def names(self) -> list[str]:
        """Those that are there."""
        return sorted(self._threads)

    def close(self) -> None:
        """Ends all."""
        for thread in self._threads.values():
            thread.stop()
        self._threads.clear()


def _same(one: Declared[Outlet], other: Declared[Outlet]) -> bool:
    return one.object == other.object and one.secrets == other.secrets
