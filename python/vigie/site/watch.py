"""Asks every partner again and again, each in a thread of its own: one that is slow or lies keeps nobody waiting."""

import os
import random
import socket
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from vigie.errors import Error
from vigie.policy.inventory import Inventory
from vigie.site.partner import Ask, Partner, list_cameras

_FIRST_RETRY_S = 2.0
_LAST_RETRY_S = 60.0


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of asking once: an inventory, or an error. `again_s`: until it is asked the next time."""

    partner: Partner
    inventory: Inventory | None
    error: str
    again_s: float


# Seconds until a partner is asked again, after so many failures in a row.
Wait = Callable[[Partner, int], float]


def wait_before(partner: Partner, failures: int, rng: Callable[[], float] = random.random) -> float:
    """Seconds until a partner is asked again, after so many failures in a row. `rng`: from 0 up to 1.

    Spread by a tenth, or by half after a failure, so that many sites do not ask one partner in the same moment.
    """
    if failures == 0:
        return partner.refresh_s * (0.9 + 0.2 * rng())
    longest = max(_FIRST_RETRY_S, min(_LAST_RETRY_S, partner.refresh_s))
    return float(min(longest, _FIRST_RETRY_S * 2 ** min(failures - 1, 16)) * (0.5 + rng()))


class SiteWatch:
    """The threads and what they have heard. A context manager.

    Thread: all methods from one thread. `ask` runs in others.
    """

    def __init__(self, ask: Ask = list_cameras, wait: Wait = wait_before) -> None:
        self._ask = ask
        self._wait = wait
        self._asking: dict[str, tuple[Partner, threading.Event]] = {}
        self._heard: deque[Heard] = deque()
        self._read, self._write = socket.socketpair()
        self._read.setblocking(False)
        self._write.setblocking(False)

    def __enter__(self) -> "SiteWatch":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def fileno(self) -> int:
        """Polls readable when `take` has something."""
        return self._read.fileno()

    def set_partners(self, partners: Sequence[Partner]) -> None:
        """From now on these are asked, new and changed ones at once; unchanged ones are not disturbed."""
        wanted = {partner.name: partner for partner in partners}
        for name, (partner, stop) in list(self._asking.items()):
            if wanted.get(name) != partner:
                stop.set()
                del self._asking[name]
        for name, partner in wanted.items():
            if name not in self._asking:
                stop = threading.Event()
                self._asking[name] = (partner, stop)
                # A thread may still wait for an answer when the process ends: daemon, and nothing hangs on it.
                threading.Thread(target=self._run, args=(partner, stop), name=f"site {name}", daemon=True).start()

    def take(self) -> list[Heard]:
        """What was heard since the last call, of partners that are still wanted."""
        with suppress(BlockingIOError):
            while os.read(self._read.fileno(), 4096):
                pass
        heard = []
        while self._heard:
            one = self._heard.popleft()
            if self._asking.get(one.partner.name, (None,))[0] == one.partner:
                heard.append(one)
        return heard

    def close(self) -> None:
        """Asks nobody any more. A question on its way ends by itself."""
        self.set_partners([])
        self._read.close()
        self._write.close()

    def _run(self, partner: Partner, stop: threading.Event) -> None:
        failures = 0
        while not stop.is_set():
            inventory, error = None, ""
            try:
                inventory = self._ask(partner)
                failures = 0
            except Error as failed:
                error = str(failed)
            except Exception as failed:  # noqa: BLE001 - a fault of ours that a partner found must not end the asking
                error = f"asking it failed: {type(failed).__name__}"
            if inventory is None:
                failures += 1
            again_s = self._wait(partner, failures)
            if stop.is_set():
                return
            self._heard.append(Heard(partner, inventory, error, again_s))
            with suppress(OSError):  # full: it is readable anyway; closed: nobody listens
                self._write.send(b"\0")
            stop.wait(again_s)
