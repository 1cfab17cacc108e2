"""An engine with cameras in each state of privacy, and a pump that pushes marked pictures into all of them."""

import re
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import vigie
from e2e import nal
from vigie.errors import Error

MARKER = nal.STAMP_UUID
PASSWORD = "correct horse"
# Names of cameras, and the decision about each; None: none was ever taken.
DECISIONS: dict[str, str | None] = {"seen": "clear", "absent": None, "withheld": "withheld", "masked": "masked"}
NEVER = tuple(name for name, decision in DECISIONS.items() if decision in (None, "withheld"))
# Masked, and no mask set is there: a card is all that may come (M-1).
CARD_ONLY = "masked"


def camera(name: str, privacy: str | None) -> dict[str, Any]:
    """A camera with a main and a sub stream, both pushed."""
    made: dict[str, Any] = {"name": name, "streams": [{"name": which, "kind": "push"} for which in ("main", "sub")]}
    if privacy is not None:
        made["privacy"] = privacy
    if privacy == "clear":
        made["privacy_reason"] = "a test picture"
    return made


def make_units(count: int = 50, padding: int = 3000) -> list[list[bytes]]:
    """H.264 units of real parameter sets and padded slices: what is in them matters to nobody here but their marker."""
    sets = [bytes.fromhex("6742c01eda0280bfe5c044000003000400000300ca3c58ba80"), bytes.fromhex("68ce3c80")]
    key = [*sets, b"\x65\x88\x84" + b"\x55" * padding * 3]
    return [key, *([b"\x41\x9a" + b"\x55" * padding] for _ in range(count - 1))]


@dataclass
class World:
    """The engine, its ports, and the pump. `pushed`: number -> CLOCK_MONOTONIC of the last push that began."""

    engine: vigie.Engine
    ports: dict[str, int]
    snapshot: dict[str, Any]
    units: list[list[bytes]] = field(default_factory=make_units)
    fps: float = 50

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self.number = 0
        self._thread = threading.Thread(target=self._pump)

    def __enter__(self) -> Self:
        self._thread.start()
        deadline = time.monotonic() + 20
        while self.engine.stats()["cameras"]["seen"]["streams"]["main"]["published_units"] < 3:
            assert time.monotonic() < deadline, "the pump does not run"
            time.sleep(0.01)
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()

    def apply(self, **changes: Any) -> None:
        """The snapshot with other parts, one revision on. `cameras`: name -> decision."""
        cameras = changes.pop("cameras", None)
        self.snapshot = {**self.snapshot, **changes, "revision": self.snapshot["revision"] + 1}
        if cameras is not None:
            kept = [entry for entry in self.snapshot["cameras"] if entry["name"] not in cameras]
            made = [camera(name, decision) for name, decision in cameras.items() if decision != "removed"]
            self.snapshot["cameras"] = kept + made
        self.engine.apply(self.snapshot)

    def _pump(self) -> None:
        while not self._stop.wait(1 / self.fps):
            unit = self.units[self.number % len(self.units)]
            self.number += 1
            marked = nal.annexb(nal.with_stamp(unit, self.number, time.monotonic_ns(), "h264"))
            for name in [entry["name"] for entry in self.snapshot["cameras"]]:
                for stream in ("main", "sub"):
                    try:
                        self.engine.push_access_unit(name, marked, codec="H264", stream=stream)
                    except Error:
                        continue  # it was removed a moment ago


def listener_ports(engine: vigie.Engine) -> dict[str, int]:
    """Where the listeners really are."""
    ports: dict[str, int] = {}
    for event in engine.events(timeout=0.3):
        match = re.search(r"listening on \S*:(\d+)", event.text)
        if event.kind == "listener_state" and match:
            ports[event.object.removeprefix("listener ")] = int(match[1])
    return ports


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", str(key), "-out", str(certificate), "-days", "2", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    return certificate, key


@contextmanager
def make_world(folder: Path, shards: int = 1, **limits: Any) -> Iterator[World]:
    """The world, running: listeners "open", "digest" and "tls"; agents "all" (every camera), "one" (camera "seen")."""
    certificate, key = make_certificate(folder)
    snapshot: dict[str, Any] = {
        "revision": 1,
        "listeners": [
            {"name": "open", "listen": "127.0.0.1:0", "access": "open"},
            {"name": "digest", "listen": "127.0.0.1:0"},
            {
                "name": "tls",
                "listen": "127.0.0.1:0",
                "tls": True,
                "tls_certificate": str(certificate),
                "tls_key": str(key),
            },
        ],
        "agents": [
            {"name": "all", "password": PASSWORD, "cameras": "*"},
            {"name": "one", "password": PASSWORD, "cameras": ["seen"]},
        ],
        "cameras": [camera(name, decision) for name, decision in DECISIONS.items()],
    }
    if limits:
        snapshot["limits"] = limits
    with vigie.Engine(shards=shards) as engine:
        engine.apply(snapshot)
        with World(engine, listener_ports(engine), snapshot) as world:
            yield world
