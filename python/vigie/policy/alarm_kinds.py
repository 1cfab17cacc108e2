"""The kinds of alarms: how grave each is, what it is about, and whether it is a state or something that happened."""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["notice", "warning", "critical"]
SEVERITIES: tuple[Severity, ...] = ("notice", "warning", "critical")
SEVERITY = "notice, warning or critical"
About = Literal["stream", "camera", "Agent", "Authorisation", "Convention", "Outlet", "machine"]


@dataclass(frozen=True, slots=True)
class AlarmKind:
    """`about`: what its object names. `quiet_s`: something that happened, over when it has not for so long."""

    severity: Severity
    about: About
    says: str
    quiet_s: float | None = None


_DAY = 86_400.0
ALARM_KINDS: dict[str, AlarmKind] = {
    "camera_silent": AlarmKind("warning", "stream", "no picture comes"),
    "camera_clock": AlarmKind("notice", "stream", "the camera's clock is off"),
    "scene_moved": AlarmKind("critical", "stream", "the view is another than its masks were drawn on"),
    "lane_overload": AlarmKind("warning", "stream", "the machine is late with masking"),
    "mask_missing": AlarmKind("warning", "camera", "a street camera without a decision, or without masks"),
    "authorisation_ending": AlarmKind("warning", "Authorisation", "an order ends, and cameras have no other"),
    "break_glass": AlarmKind("critical", "Authorisation", "live pictures without a valid order"),
    "share_cut": AlarmKind("critical", "Convention", "an owner has cut the police's share"),
    "foreign_login": AlarmKind("critical", "Agent", "one identity in two places", _DAY),
    "sign_in_refused": AlarmKind("warning", "Agent", "many refused attempts to sign in", 3600.0),
    "disk_full": AlarmKind("warning", "machine", "the state folder's disk is nearly full"),
    "clock_stepped": AlarmKind("warning", "machine", "the machine's clock has jumped", _DAY),
    "journal_away": AlarmKind("warning", "machine", "the journal's second place is not reached"),
    "journal_differs": AlarmKind("critical", "machine", "the journal's second place holds other lines"),
    "journal_checkpoint": AlarmKind("warning", "machine", "a checkpoint of the journal was not noted", _DAY),
    "journal_purge": AlarmKind("warning", "machine", "the journal holds what should have been purged", _DAY),
    "outlet_failing": AlarmKind("warning", "Outlet", "alarms are not told there"),
}
"""By name. A new kind: a row here; when it is raised is in `vigie.alarms`."""
