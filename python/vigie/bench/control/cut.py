"""A convention is deleted in front of hundreds of viewers: how long until the last of them has read its last byte."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vigie.bench.control.viewers import Watching
from vigie.bench.kill.service import ServiceUnderTest
from vigie.bench.servers import free_port
from vigie.control import ops
from vigie.control.client import Client
from vigie.sim.process import SimProcess

PER_AGENT = 100
HELD = {"reference": "H-1", "from": "2026-01-01", "until": "2030-12-31", "departments": "*"}


@dataclass
class Cut:
    """`after_ms`: last byte read less the deletion's acknowledgement; `since_ms`: less its sending. By transport."""

    cameras: int
    viewers: int
    rounds: int = 0
    after_ms: dict[str, list[float]] = field(default_factory=dict)
    since_ms: dict[str, list[float]] = field(default_factory=dict)
    apply_ms: list[float] = field(default_factory=list)
    opened_ms: list[float] = field(default_factory=list)  # route.open, one after another
    stalled: int = 0
    stalled_bytes: int = 0  # that lay before a viewer that does not read, and reached it after the cut
    not_ended: int = 0  # TCP viewers whose connection stood half a second later

    @property
    def good(self) -> bool:
        """Whether everybody was cut."""
        return self.not_ended == 0


def document(kind: str, name: str, **spec: Any) -> dict[str, Any]:
    """An object as a value."""
    return {"kind": kind, "name": name, "spec": spec}


SHARE = document(
    "Convention",
    "share",
    **{"from": "city", "to": "police", "cameras": {"regime": "building"}, "rights": ["live"]},
    from_date="2026-01-01",
    purposes=["inquiry"],
    default_purpose="inquiry",
)


def town(port: int, sim: SimProcess, agents: int) -> list[dict[str, Any]]:
    """A city whose halls the police see by one convention."""
    halls = [
        document(
            "Camera",
            f"hall-{number:03}",
            owner="city",
            commune="57463",
            regime="building",
            privacy="clear",
            privacy_reason="a hall",
            streams={"main": {"url": sim.url(number), "transport": "tcp"}},
        )
        for number in range(sim.cameras)
    ]
    return [
        document("Server", "here", rtsp=[{"listen": f"127.0.0.1:{port}"}]),
        document("Organisation", "city", type="municipality", communes=["57463"]),
        document("Organisation", "police", type="police"),
        document(
            "Authorisation",
            "order",
            number="57-1",
            cameras={"owner": "city"},
            purposes=["inquiry"],
            retention_days=30,
            **{"from": "2026-01-01", "until": "2030-12-31"},
        ),
        *(
            document("Agent", f"officer-{number:02}", organisation="police", roles=["operator"], habilitation=HELD)
            for number in range(agents)
        ),
        *halls,
        SHARE,
    ]


def measure_cut(
    folder: Path, cameras: int, viewers: int, stalled: int, rounds: int, tell: Callable[[str], None]
) -> Cut:
    """Half of the viewers over TCP, of which `stalled` do not read, and half over UDP; each by a route of its own."""
    found = Cut(cameras, viewers, rounds, stalled=stalled)
    port = free_port()
    agents = -(-viewers // PER_AGENT)
    with ExitStack() as stack:
        sim = stack.enter_context(SimProcess(cameras, options=["--bitrate", "0.2", "--fps", "10", "--gop", "10"]))
        folder.mkdir()
        service = ServiceUnderTest(folder / "state", folder / "serve.log")
        stack.callback(service.stop)
        service.start()
        client = stack.enter_context(Client(service.endpoint, timeout_s=60))
        client.ping()
        client.apply(objects=town(port, sim, agents), timeout_s=60)
        for number in range(cameras):
            tell(f"waiting for cameras: {number} of {cameras}")
            client.wait(ops.ObjectsWait(camera=f"hall-{number:03}"), timeout_s=60)
        for number in range(rounds):
            tell(f"a right that is withdrawn: round {number + 1} of {rounds}")
            if number:
                client.apply(objects=[SHARE], timeout_s=60)
            watching = Watching(_viewers(service.endpoint, found))
            stack.callback(watching.close)
            time.sleep(1)
            sent = time.monotonic_ns()
            client.delete([("Convention", "share")])
            acknowledged = time.monotonic_ns()
            found.apply_ms.append((acknowledged - sent) / 1e6)
            time.sleep(1)
            _count(found, watching.report(), sent, acknowledged)
            watching.close()
    return found


def _viewers(endpoint: str, found: Cut) -> list[dict[str, Any]]:
    wanted = []
    for agent in range(-(-found.viewers // PER_AGENT)):
        with Client(endpoint, timeout_s=30, on_behalf_of=f"officer-{agent:02}") as client:
            for number in range(agent * PER_AGENT, min(found.viewers, (agent + 1) * PER_AGENT)):
                began = time.monotonic()
                asked = ops.RouteOpen(camera=f"hall-{number % found.cameras:03}", ttl_ms=120_000)
                url = client.open_route(asked).url
                found.opened_ms.append((time.monotonic() - began) * 1e3)
                transport = "tcp" if number % 2 == 0 else "udp"
                is_stalled = transport == "tcp" and number // 2 < found.stalled
                wanted.append({"url": url, "transport": transport, "stalled": is_stalled})
    return wanted


def _count(found: Cut, reports: list[dict[str, Any]], sent: int, acknowledged: int) -> None:
    for viewer in reports:
        found.not_ended += viewer["transport"] == "tcp" and not viewer["ended"]
        if viewer["stalled"]:
            found.stalled_bytes += viewer["bytes"]
            continue
        for name, since in (("after_ms", acknowledged), ("since_ms", sent)):
            getattr(found, name).setdefault(viewer["transport"], []).append((viewer["last_ns"] - since) / 1e6)
