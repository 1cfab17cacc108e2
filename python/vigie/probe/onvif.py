"""What a device says of itself through ONVIF: make, model, firmware, clock. Two requests, short deadlines."""

import base64
import hashlib
import os
import re
import urllib.error
import urllib.request
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

from vigie.probe.run import Target

_DEVICE = "http://www.onvif.org/ver10/device/wsdl"
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
    answer = _call(url, "<GetSystemDateAndTime/>", "")
    if answer is None or "Envelope" not in answer:
        return None
    facts: dict[str, Any] = {}
    device_time = _read_utc(answer)
    now = datetime.now(UTC)
    if device_time is not None:
        facts["clock_offset_s"] = round((device_time - now).total_seconds())
        now = device_time
    security = _security(target, now) if target.username else ""
    information = _call(url, "<GetDeviceInformation/>", security) or ""
    for name in _FIELDS:
        if found := re.search(rf"<(?:\w+:)?{name}>([^<]*)<", information):
            facts[name] = found[1].strip()
    return facts


def _call(url: str, body: str, header: str) -> str | None:
    """The answer's text, that of a fault included; None when nobody answers in SOAP."""
    # No element of a stranger's XML is expanded or followed: the few that are wanted are found by name.
    method = body.replace("/>", f' xmlns="{_DEVICE}"/>')
    envelope = (
        '<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope">'
        f"<s:Header>{header}</s:Header><s:Body>{method}</s:Body></s:Envelope>"
    )
    request = urllib.request.Request(url, envelope.encode(), {"Content-Type": "application/soap+xml; charset=utf-8"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirects())
    try:
        with opener.open(request, timeout=_TIMEOUT_S) as answer:
            return str(answer.read(_MOST_BYTES).decode("utf-8", "replace"))
    except urllib.error.HTTPError as error:
        with error:
            return str(error.read(_MOST_BYTES).decode("utf-8", "replace"))
    except (OSError, ValueError):
        return None


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """The credentials in a request are for this host only."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _read_utc(answer: str) -> datetime | None:
    block = re.search(r"<(?:\w+:)?UTCDateTime>(.*?)</(?:\w+:)?UTCDateTime>", answer, re.DOTALL)
    if not block:
        return None
    values = {}
    for name in ("Year", "Month", "Day", "Hour", "Minute", "Second"):
        found = re.search(rf"<(?:\w+:)?{name}>\s*(\d+)\s*<", block[1])
        if not found:
            return None
        values[name.lower()] = int(found[1])
    try:
        return datetime(**values, tzinfo=UTC)
    except ValueError:
        return None


def _security(target: Target, created: datetime) -> str:
    """A UsernameToken with digest (WS-Security 1.0), stamped by the device's clock (L2)."""
    nonce = os.urandom(16)
    stamp = created.strftime("%Y-%m-%dT%H:%M:%SZ")
    digest = hashlib.sha1(nonce + stamp.encode() + target.password.encode(), usedforsecurity=False).digest()
    space = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
    return (
        f'<w:Security xmlns:w="{space}wssecurity-secext-1.0.xsd" xmlns:u="{space}wssecurity-utility-1.0.xsd">'
        f"<w:UsernameToken><w:Username>{escape(target.username)}</w:Username>"
        f'<w:Password Type="{space}username-token-profile-1.0#PasswordDigest">'
        f"{base64.b64encode(digest).decode()}</w:Password><w:Nonce>{base64.b64encode(nonce).decode()}</w:Nonce>"
        f"<u:Created>{stamp}</u:Created></w:UsernameToken></w:Security>"
    )
