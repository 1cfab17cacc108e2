"""The journal is purged by itself (L-33): soon after the start, then once a day, by the months that are in force then.

What is gone cannot be had back, so nothing is purged by a clock that is in doubt, and where no Server says how long,
everything is kept as long as it may be.
"""

import threading
from collections.abc import Callable

from vigie.alarms.conditions import MACHINE, server_of
from vigie.control.rights_clock import RightsClock
from vigie.journal import CATEGORIES, Purged, Retention
from vigie.policy.objects import CEILING_MONTHS
from vigie.policy.world import World

FIRST_S = 300.0  # a machine that has just been started may have to set its clock first
EVERY_S = 86_400.0
AGAIN_S = 3600.0  # after one that failed
DOUBT_S = 60.0  # how often to look whether the clock is believed again
KIND = "journal_purge"


def retention_of(world: World, server: str | None) -> Retention:
    """What the server of this process says, by its name or as the only one."""
    chosen = server_of(world, server)
    if chosen is None:
        return Retention(**dict.fromkeys(CATEGORIES, CEILING_MONTHS))
    return Retention(**chosen.spec.journal_months.model_dump())


class Purges:
    """Purges again and again. Thread: one of its own, from `start` to `close`; it keeps nobody waiting."""

    def __init__(
        self,
        purge: Callable[[Retention, int], Purged | None],
        retention: Callable[[], Retention],
        clock: RightsClock,
        say: Callable[[str], None],
        raise_alarm: Callable[[str, str, str], None],
        over: Callable[[str, str], None],
    ) -> None:
        """`purge`: takes out what is older than that at an instant (ns since 1970 UTC); None: nothing is."""
        self._purge, self._retention, self._clock = purge, retention, clock
        self._say, self._raise_alarm, self._over = say, raise_alarm, over
        self._closing = threading.Event()
        self._in_doubt = False
        # A daemon: one that is ended in the middle of a purge leaves what the next one takes out.
        self._thread = threading.Thread(target=self._run, name="vigie-retention", daemon=True)

    def start(self) -> None:
        """Begins to wait for the first one."""
        self._thread.start()

    def close(self) -> None:
        """Begins no other one. Idempotent; does not wait for one that runs."""
        self._closing.set()

    def once(self) -> float:
        """Purges, if anything is old enough; after how many seconds to look again."""
        at_ns = self._clock.believed_ns()
        if at_ns is None:
            if not self._in_doubt:
                self._say("journal: not purged while the clock is in doubt")
            self._in_doubt = True
            return DOUBT_S
        self._in_doubt = False
        try:
            purged = self._purge(self._retention(), at_ns)
        except Exception as error:  # noqa: BLE001 - whatever it was, the next one may work
            if not self._closing.is_set():
                self._say(f"journal: not purged: {error}; tried again in {AGAIN_S / 60:g} min")
                self._raise_alarm(KIND, MACHINE, str(error))
            return AGAIN_S
        self._over(KIND, MACHINE)
        if purged is not None:
            self._say(f"journal: purged {purged.entries} entries and {purged.segments} whole segments")
        return EVERY_S

    def _run(self) -> None:
        wait_s = FIRST_S
        while not self._closing.wait(wait_s):
            wait_s = self.once()
