"""What is told of an alarm, and who brings it where."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from vigie.alarms import Alarm
from vigie.policy.alarm_kinds import ALARM_KINDS
from vigie.policy.declared import Declared
from vigie.policy.desk_objects import Outlet
from vigie.policy.texts import CONTROL, zulu
from vigie.policy.windows import datetime_of

TIMEOUT_S = 10.0


class OutletError(Exception):
    """The other side has not taken it. The text holds no secret."""


@dataclass(frozen=True, slots=True)
class Notice:
    """An alarm as it is now. `source`: the server that tells."""

    alarm: Alarm
    source: str

    @property
    def step(self) -> str:
        """raised, acknowledged or cleared: what happened to it last."""
        if self.alarm.cleared_ns:
            return "cleared"
        return "acknowledged" if self.alarm.acknowledged_ns else "raised"

    @property
    def at_ns(self) -> int:
        """When that was."""
        alarm = self.alarm
        return {"cleared": alarm.cleared_ns, "acknowledged": alarm.acknowledged_ns, "raised": alarm.last_ns}[self.step]

    @property
    def line(self) -> str:
        """For people, in one line."""
        alarm = self.alarm
        says = ALARM_KINDS[alarm.kind].says if alarm.kind in ALARM_KINDS else alarm.kind
        times = f" ({alarm.count} times)" if alarm.count > 1 else ""
        by = f" by {alarm.acknowledged_by}" if self.step == "acknowledged" else ""
        return plain(f"{alarm.severity} {self.step}{by}: {alarm.kind} {alarm.object}: {says}: {alarm.text}{times}")

    def value(self) -> dict[str, Any]:
        """For programs. Times as RFC 3339 in UTC."""
        alarm = self.alarm
        return {
            "id": alarm.id,
            "step": self.step,
            "kind": alarm.kind,
            "object": alarm.object,
            "severity": alarm.severity,
            "text": alarm.text,
            "count": alarm.count,
            "change": alarm.change,
            "raised_at": instant(alarm.raised_ns),
            "last_at": instant(alarm.last_ns),
            "acknowledged_at": instant(alarm.acknowledged_ns) if alarm.acknowledged_ns else None,
            "acknowledged_by": alarm.acknowledged_by or None,
            "cleared_at": instant(alarm.cleared_ns) if alarm.cleared_ns else None,
        }


class Sender(Protocol):
    """Brings notices to one place."""

    def send(self, notices: Sequence[Notice]) -> None:
        """Raises: OutletError; then all of them are sent again later."""


def plain(text: str) -> str:
    """One line, whatever somebody called a thing: no log is forged, no header is added."""
    return CONTROL.sub(" ", text)


def instant(ns: int) -> str:
    """RFC 3339 in UTC."""
    return zulu(datetime_of(ns), "microseconds")


def sender_of(item: Declared[Outlet]) -> Sender:
    """The sender of an outlet, with its secrets."""
    from vigie.outlets.mail import MailSender
    from vigie.outlets.syslog import SyslogSender
    from vigie.outlets.webhook import WebhookSender

    spec, secrets = item.object.spec, item.secrets
    if spec.syslog is not None:
        return SyslogSender(spec.syslog, item.folder)
    if spec.mail is not None:
        return MailSender(spec.mail, _secret(secrets, "mail", "password"), item.folder)
    assert spec.webhook is not None  # one of the three
    return WebhookSender(spec.webhook, _secret(secrets, "webhook", "secret"), item.folder)


def _secret(secrets: Mapping[Any, str], way: str, field: str) -> str:
    return secrets.get(("spec", way, field), "")
