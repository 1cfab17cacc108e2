"""What a device says of itself through ONVIF: make, model, firmware, clock. Two requests, short deadlines."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from vigie import errors
from vigie.peer import Deadline
from vigie.probe.run import Target
from vigie.soap import DEVICE, envelope_of, post, read_utc, security_of

_MOST_BYTES = 64 * 1024
_TIMEOUT_S = 2.0
_FIELDS = ("Manufacturer", "Model", "FirmwareVersion", "SerialNumber", "HardwareId")


def ask(target: Target, *, port: int = 80) -> dict[str, Any] | None:
    """The facts, or None where no ONVIF service answers at `port`.

    `clock_offset_s`: the device's clock less ours, to the second; asked for without credentials, because devices whose
    clock is off refuse them (L2).
    """
    host = urlsplit(target.url).hostname or ""
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}/onvif/device_service"
    answer = _call(url, "GetSystemDateAndTime", "")
    if answer is None or "Envelope" not in answer:
        return None
    facts: dict[str, Any] = {}
    device_time = read_utc(answer)
    offset = timedelta()
    if device_time is not None:
        offset = device_time - datetime.now(UTC)
        facts["clock_offset_s"] = round(offset.total_seconds())
    security = security_of(target.username, target.password, datetime.now(UTC) + offset) if target.username else ""
    information = _call(url, "GetDeviceInformation", security) or ""
    for name in _FIELDS:
        if found := re.search(rf"<(?:\w+:)?{name}>([^<]*)<", information):
            facts[name] = found[1].strip()
    return facts


def _call(url: str, method: str, security: str) -> str | None:
    """The answer's text, that of a fault included; None when nobody answers in SOAP."""
    # No element of a stranger's XML is expanded or followed: the few that are wanted are found by name.
    try:
        answer = post(url, envelope_of(DEVICE, method, "", security), Deadline(_TIMEOUT_S), most=_MOST_BYTES)
    except errors.Error:
        return None
    return answer.body.decode("utf-8", "replace")
