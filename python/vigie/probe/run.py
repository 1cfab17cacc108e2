"""Plays one camera through an engine of its own and gathers what it shows."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import vigie
from vigie.errors import InvalidArgumentError
from vigie.policy.texts import file_path, rtsp_url_problem, source_kind, url_problem
from vigie.probe.measure import UnitFacts

CAMERA = "camera"


@dataclass(frozen=True, slots=True)
class Target:
    """What to probe: an RTSP URL, or `sdp:` and a path. `strict`: ids of tolerances that are off."""

    url: str
    username: str = ""
    password: str = ""
    transport: str = "auto"
    interface: str = ""
    tls_ca: Path | None = None
    tls_verify: bool = True
    strict: tuple[str, ...] = ()


@dataclass(slots=True)
class Run:
    """What one run brought. Times in seconds from its start; None: it did not come to that."""

    url: str  # without credentials
    transport: str = ""
    playing_s: float | None = None
    keyframe_s: float | None = None
    fault: str = ""
    states: list[tuple[float, str, str]] = field(default_factory=list)
    units: list[UnitFacts] = field(default_factory=list)
    stream: dict[str, Any] = field(default_factory=dict)
    source: dict[str, Any] = field(default_factory=dict)


def make_target(url: str, *, username: str = "", password: str = "", **more: Any) -> Target:
    """A target from what a user types; credentials inside the URL are taken out of it.

    Raises: InvalidArgumentError, which never quotes a password.
    """
    if source_kind(url) == "sdp":
        if problem := url_problem(url):
            raise InvalidArgumentError(problem, "URL")
        if username or password:
            raise InvalidArgumentError("credentials, which a session description has no use for", "URL")
        return Target(url, **more)
    if source_kind(url) != "rtsp":
        what = f"a {source_kind(url)} source, which shows the probe nothing of itself"
        raise InvalidArgumentError(f"{what}; right would be rtsp(s)://host/path or sdp:path", "URL")
    parts = urlsplit(url)
    if parts.username is not None or parts.password is not None:
        username = username or unquote(parts.username or "")
        password = password or unquote(parts.password or "")
        url = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    if problem := rtsp_url_problem(url):
        raise InvalidArgumentError(problem, "URL")
    return Target(url, username, password, **more)


def run_probe(
    target: Target, seconds: float, *, record: bool = False, on_progress: Callable[[str], None] = lambda _: None
) -> Run:
    """Takes the camera in until `seconds` of pictures have come, or it fails. `record`: packets come in `source` too.

    A camera that gives no picture within its deadline and one more attempt is a result too: `fault` says why.
    """
    result = Run(target.url)
    with vigie.Engine() as engine:
        began = time.monotonic()
        engine.apply({"revision": 1, "cameras": [_camera(target)]})
        if record:
            engine.record_source(CAMERA)
        _watch(engine, result, began, seconds, on_progress)
        result.stream = engine.stats()["cameras"][CAMERA]["streams"]["main"]
        result.source = engine.source_report(CAMERA)
    result.transport = _transport(result)
    return result


def _camera(target: Target) -> dict[str, Any]:
    return {
        "name": CAMERA,
        "privacy": "clear",
        "privacy_reason": "a probe: pictures are measured here and shown to nobody",
        "streams": [
            {
                "name": "main",
                "kind": source_kind(target.url),
                "pull": "on_demand",  # so that it starts when everything is ready to watch it
                "url": file_path(target.url),
                "username": target.username,
                "password": target.password,
                "transport": target.transport,
                "interface": target.interface,
                "tls_ca_file": "" if target.tls_ca is None else str(target.tls_ca),
                "tls_verify": target.tls_verify,
                "strict": list(target.strict),
            }
        ],
    }


def _watch(engine: vigie.Engine, result: Run, began: float, seconds: float, on_progress: Callable[[str], None]) -> None:
    # Two attempts: a device may refuse the first one for a session that somebody left behind.
    attempts, deadline = 0, began + 30
    with engine.subscribe(CAMERA) as units:
        while time.monotonic() < deadline:
            while event := engine.next_event(0):
                now = time.monotonic() - began
                if event.kind == "stream_state":
                    result.states.append((now, event.state, event.text))
                    on_progress(f"{event.state}: {event.text}" if event.text else event.state)
                    if event.state == "waiting" and result.playing_s is None:
                        result.playing_s = now
                    if event.state == "backing_off":
                        attempts += 1
                        result.fault = event.text
                elif event.kind == "stream_fault":
                    on_progress(event.text)
            if attempts >= 2:
                return
            unit = units.next(0.1)
            if unit is None:
                continue
            with unit:
                result.units.append(UnitFacts.of(unit))
            if result.keyframe_s is None and result.units[-1].keyframe:
                result.keyframe_s = time.monotonic() - began
                deadline = time.monotonic() + seconds
                result.fault = ""


def _transport(result: Run) -> str:
    """How the media came, by the words of the state change: udp, tcp, tls, http, https, multicast; rtp without RTSP."""
    for _, state, text in reversed(result.states):
        if state in ("waiting", "playing") and text:
            if "session description" in text:
                return "rtp"
            if "multicast" in text:
                return "multicast"
            if "UDP" in text:
                return "udp"
            if "HTTP" in text:
                return "https" if "HTTPS" in text else "http"
            if "RTSPS" in text:
                return "tls"
            if "TCP" in text:
                return "tcp"
    return ""
