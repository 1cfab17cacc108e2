"""The list of alarms: one a thing, however often it comes; raised, acknowledged, over. Times: nanoseconds since 1970.

An alarm is *open* until it is over and somebody has acknowledged it. What comes again while it is open, or soon after,
is the same alarm, counted: a camera that comes and goes does not fill the list.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from typing import Literal

from vigie.policy.alarm_kinds import ALARM_KINDS, SEVERITIES, Severity

SECOND = 1_000_000_000
SAME_NS = 900 * SECOND
"""What comes again so soon after it was over is no new alarm, and stays acknowledged."""
KEPT_NS = 90 * 86_400 * SECOND
MAX_OPEN = 20_000
MAX_DONE = 10_000
MAX_TEXT = 500

Key = tuple[str, str]
"""Kind, and what it is about."""


@dataclass(frozen=True, slots=True)
class Found:
    """Something that is an alarm now. `severity` None: its kind's."""

    kind: str
    object: str
    text: str
    severity: Severity | None = None

    @property
    def key(self) -> Key:
        """By what it is told from others."""
        return self.kind, self.object


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm. `change` counts what happened to it; 0 in a time, or "": not yet."""

    id: str
    kind: str
    object: str
    severity: Severity
    text: str
    raised_ns: int
    last_ns: int
    count: int = 1
    acknowledged_ns: int = 0
    acknowledged_by: str = ""
    note: str = ""
    cleared_ns: int = 0
    change: int = 1

    @property
    def key(self) -> Key:
        """By what it is told from others."""
        return self.kind, self.object

    @property
    def active(self) -> bool:
        """Whether it is not over."""
        return self.cleared_ns == 0

    @property
    def open(self) -> bool:
        """Whether somebody has still to do with it."""
        return self.active or self.acknowledged_ns == 0


Did = Literal["raised", "acknowledged", "cleared", "counted", "forgotten"]


@dataclass(frozen=True, slots=True)
class Step:
    """What happened to an alarm. Nobody is told of `counted` and `forgotten`."""

    did: Did
    alarm: Alarm


class Book:
    """All alarms. Every change returns its steps, in order. Thread: one at a time."""

    def __init__(self, alarms: Iterable[Alarm] = (), new_id: Callable[[], str] = str) -> None:
        """`alarms`: those of before; `new_id`: makes names that were never given."""
        self.alarms: dict[str, Alarm] = {}
        self.dropped = 0  # not raised, for there were too many
        self._new_id = new_id
        self._latest: dict[Key, str] = {}
        self._absent: dict[Key, int] = {}
        for alarm in sorted(alarms, key=lambda one: one.raised_ns):
            self.alarms[alarm.id] = alarm
            self._latest[alarm.key] = alarm.id

    def latest(self, kind: str, about: str) -> Alarm | None:
        """The newest alarm of a kind about a thing, over or not."""
        known = self._latest.get((kind, about))
        return None if known is None else self.alarms[known]

    def open(self) -> list[Alarm]:
        """Those that somebody has still to do with."""
        return [alarm for alarm in self.alarms.values() if alarm.open]

    def occurred(self, found: Found, now: int) -> list[Step]:
        """It happened, or happened again."""
        return self._put(found, now, again=True)

    def standing(self, found: Collection[Found], kinds: Collection[str], now: int, settle_ns: int) -> list[Step]:
        """All that is so now, of these kinds. What is no longer among it is over when it was so for `settle_ns`."""
        steps: list[Step] = []
        here = {one.key: one for one in found}
        for key, one in here.items():
            flapped = self._absent.pop(key, None) is not None
            steps += self._put(one, now, again=flapped)
        for alarm in [alarm for alarm in self.alarms.values() if alarm.active and alarm.kind in kinds]:
            if alarm.key in here:
                continue
            since = min(self._absent.setdefault(alarm.key, now), now)  # the clock may have been set back
            self._absent[alarm.key] = since
            if now - since >= settle_ns:
                steps += self.over(alarm.kind, alarm.object, now)
        return steps

    def quiet(self, now: int) -> list[Step]:
        """What happened and has not happened again for the time of its kind is over."""
        steps: list[Step] = []
        for alarm in list(self.alarms.values()):
            limit = ALARM_KINDS[alarm.kind].quiet_s if alarm.kind in ALARM_KINDS else 0.0
            if alarm.active and limit is not None and now - alarm.last_ns >= limit * SECOND:
                steps += self.over(alarm.kind, alarm.object, now)
        return steps

    def over(self, kind: str, about: str, now: int) -> list[Step]:
        """It is no longer so."""
        alarm = self.latest(kind, about)
        self._absent.pop((kind, about), None)
        if alarm is None or not alarm.active:
            return []
        return [self._keep("cleared", replace(alarm, cleared_ns=max(now, alarm.raised_ns)))]

    def acknowledge(self, ids: Iterable[str], by: str, note: str, now: int) -> list[Step]:
        """Somebody has seen them. The first who did stays the one. Unknown ids are passed over."""
        steps = []
        for name in dict.fromkeys(ids):
            alarm = self.alarms.get(name)
            if alarm is not None and not alarm.acknowledged_ns:
                steps.append(
                    self._keep("acknowledged", replace(alarm, acknowledged_ns=now, acknowledged_by=by, note=note))
                )
        return steps

    def forget(self, now: int) -> list[Step]:
        """Those that nobody has to do with any more, and are old or too many."""
        done = sorted((alarm for alarm in self.alarms.values() if not alarm.open), key=lambda one: one.last_ns)
        old = [alarm for alarm in done if now - alarm.last_ns > KEPT_NS]
        gone = done[: max(len(old), len(done) - MAX_DONE)]
        for alarm in gone:
            del self.alarms[alarm.id]
            if self._latest.get(alarm.key) == alarm.id:
                del self._latest[alarm.key]
        return [Step("forgotten", alarm) for alarm in gone]

    def _put(self, found: Found, now: int, *, again: bool) -> list[Step]:
        alarm = self.latest(*found.key)
        severity = found.severity or ALARM_KINDS[found.kind].severity
        text = found.text[:MAX_TEXT]
        if alarm is None or not (alarm.open or 0 <= now - alarm.cleared_ns < SAME_NS):
            if len(self.alarms) >= MAX_OPEN + MAX_DONE:
                self.dropped += 1
                return []
            alarm = Alarm(self._new_id(), *found.key, severity, text, now, now)
            self._latest[found.key] = alarm.id
            self.alarms[alarm.id] = alarm
            return [Step("raised", alarm)]
        if not again and alarm.active and (alarm.severity, alarm.text) == (severity, text):
            return []  # thousands stand at every look
        graver = SEVERITIES.index(severity) > SEVERITIES.index(alarm.severity)
        came = again or not alarm.active
        new = replace(
            alarm,
            severity=severity,
            text=text,
            count=alarm.count + came,
            last_ns=max(now, alarm.last_ns) if came or graver else alarm.last_ns,
            cleared_ns=0,
        )
        if graver:  # it was acknowledged as something less
            new = replace(new, acknowledged_ns=0, acknowledged_by="", note="")
        if new == alarm:
            return []
        return [self._keep("raised" if graver or not alarm.active else "counted", new)]

    def _keep(self, did: Did, alarm: Alarm) -> Step:
        if did != "counted":
            alarm = replace(alarm, change=alarm.change + 1)
        self.alarms[alarm.id] = alarm
        return Step(did, alarm)
