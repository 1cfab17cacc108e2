"""Routes: a ticket lets FFmpeg and GStreamer in, and a right that ends does so in front of the viewer, as the journal
tells.
"""

import os
import signal
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import av
import pytest

from e2e import viewers
from vigie.bench.kill.service import ServiceUnderTest, until
from vigie.bench.servers import free_port
from vigie.control import ops
from vigie.control.client import Client
from vigie.errors import ControlRefusedError, NotFoundError
from vigie.journal.query import read_entries
from vigie.journal.records import Record
from vigie.journal.sightings import Sighting, who_saw
from vigie.processes import run_folder
from vigie.processes.run_folder import CONTROL
from vigie.sim import SimProcess

HELD = {"reference": "H-7", "from": "2026-01-01", "until": "2030-12-31", "departments": "*"}
OF_VILLE = HELD | {"departments": ["57"]}


def document(kind: str, name: str, **spec: Any) -> dict[str, Any]:
    return {"kind": kind, "name": name, "spec": spec}


def convention(name: str, camera: str, **spec: Any) -> dict[str, Any]:
    return document(
        "Convention",
        name,
        **{"from": "ville", "to": "police", "cameras": {"names": [camera]}, "rights": ["live"]},
        **{"from_date": "2026-01-01", "purposes": ["inquiry"], "default_purpose": "inquiry", **spec},
    )


class City:
    """A served state folder with a city, a police station, and three simulated cameras."""

    def __init__(self, folder: Path, sim: SimProcess) -> None:
        self.port = free_port()
        self.service = ServiceUnderTest(folder / "state", folder / "log")
        self.service.start()
        with self.client() as client:
            client.ping()
        cameras = [
            document(
                "Camera",
                name,
                owner="ville",
                commune="57463",
                regime="building",
                privacy="clear",
                privacy_reason="a hall",
                streams={"main": {"url": sim.url(number), "transport": "tcp"}},
            )
            for number, name in enumerate(("hall", "yard", "gate"))
        ]
        self.apply(
            document("Server", "here", rtsp=[{"listen": f"127.0.0.1:{self.port}"}]),
            document("Organisation", "ville", type="municipality", communes=["57463"]),
            document("Organisation", "police", type="police"),
            document("Agent", "lea", organisation="police", roles=["operator"], habilitation=HELD),
            document("Agent", "local", organisation="ville", roles=["administrator"], habilitation=OF_VILLE),
            document("Agent", "chief", organisation="police", roles=["administrator"], habilitation=HELD),
            document(
                "Authorisation",
                "order",
                number="a",
                cameras={"owner": "ville"},
                purposes=["inquiry", "public-safety"],
                retention_days=30,
                **{"from": "2026-01-01", "until": "2030-12-31"},
            ),
            *cameras,
            convention("share", "hall"),
        )
        for name in ("hall", "yard", "gate"):
            with self.client() as client:
                client.wait(ops.ObjectsWait(camera=name), timeout_s=60)

    def client(self, on_behalf_of: str = "") -> Client:
        return Client(self.service.endpoint, timeout_s=30, on_behalf_of=on_behalf_of)

    def apply(self, *documents: dict[str, Any]) -> None:
        with self.client() as client:
            client.apply(objects=list(documents))

    def open(self, camera: str = "hall", **wanted: Any) -> ops.RouteOpened:
        with self.client("lea") as client:
            return client.open_route(ops.RouteOpen(camera=camera, **wanted))

    def lines(self) -> list[Record]:
        """What the journal says, without its own lines."""
        entries = read_entries(self.service.folder / "journal")
        return [entry.record for entry in entries if not entry.record.kind.startswith("journal.")]

    def saw(self, camera: str) -> list[Sighting]:
        now = time.time_ns()
        return who_saw(read_entries(self.service.folder / "journal"), camera, 0, now, now, "auditor")

    def kill_control(self) -> None:
        running = run_folder.find(self.service.folder, CONTROL)
        assert running is not None
        os.kill(running.pid, signal.SIGKILL)


class Watching(threading.Thread):
    """FFmpeg's own RTSP client. `last`: when the last picture came, Unix time."""

    def __init__(self, url: str, transport: str = "tcp") -> None:
        super().__init__(daemon=True)
        self.pictures = 0
        self.last = 0.0
        self.error = ""
        self._url, self._transport = url, transport
        self._stop_now = False
        self.start()

    def run(self) -> None:
        options = {"rtsp_transport": self._transport, "analyzeduration": "100000", "probesize": "100000"}
        try:
            with av.open(self._url, options=options, timeout=5.0) as container:
                for packet in container.demux(video=0):
                    if packet.size and not self._stop_now:
                        self.pictures += 1
                        self.last = time.time()
                    if self._stop_now:
                        return
        except (av.error.FFmpegError, OSError) as error:
            self.error = str(error)

    def wait_pictures(self, more: int = 10) -> None:
        wanted = self.pictures + more
        assert until(lambda: self.pictures >= wanted, 20), self.error or "no pictures"

    def wait_end(self) -> None:
        self.join(10)
        assert not self.is_alive(), "it was not ended"

    def leave(self) -> None:
        self._stop_now = True
        self.join(10)


@pytest.fixture(scope="module")
def sim() -> Iterator[SimProcess]:
    with SimProcess(3) as made:
        yield made


@pytest.fixture
def city(tmp_path: Path, sim: SimProcess) -> Iterator[City]:
    made = City(tmp_path, sim)
    try:
        yield made
    finally:
        made.service.stop()


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_convention_that_is_deleted_ends_the_picture_and_the_journal_tells_it_in_order(
    city: City, transport: str
) -> None:
    route = city.open()
    assert (route.convention, route.purpose, route.agent, route.stream) == ("share", "inquiry", "lea", "main")
    watching = Watching(route.url, transport)
    watching.wait_pictures()
    with city.client("lea") as lea:
        (own,) = lea.routes()
        assert (own.route, own.watching, own.agent) == (route.route, True, "lea")
    with city.client() as client:
        client.delete([("Convention", "share")])
        deleted_at = time.time()
        watching.wait_end()
        assert watching.last <= deleted_at + 3, "what was decided did not count at once"
        assert until(lambda: not client.routes(), 10)
    assert until(lambda: city.lines()[-1].kind in ("view.end", "route.close"), 10)
    kinds = [line.kind for line in city.lines() if line.kind in ("route.open", "view.begin", "view.end", "route.close")]
    assert sorted(kinds[:2]) == ["route.open", "view.begin"]
    assert sorted(kinds[2:]) == ["route.close", "view.end"]
    (seen,) = city.saw("hall")
    assert (seen.actor.on_behalf_of, seen.actor.organisation, seen.convention) == ("lea", "police", "share")
    assert seen.exact
    assert seen.purpose == "inquiry"


def test_a_refusal_says_why_and_whom_to_ask(city: City) -> None:
    with city.client("lea") as lea:
        with pytest.raises(ControlRefusedError, match=r"no convention from ville to police covers it.*To ask: .*ville"):
            lea.open_route(ops.RouteOpen(camera="yard"))
        with pytest.raises(ControlRefusedError, match="public-safety"):
            lea.open_route(ops.RouteOpen(camera="hall", purpose="public-safety"))
        with pytest.raises(NotFoundError, match="main"):
            lea.open_route(ops.RouteOpen(camera="hall", stream="sub"))
        assert [camera.name for camera in lea.cameras()] == ["hall"]
        assert lea.routes() == []
    assert [line.kind for line in city.lines()].count("refusal") == 3


def test_a_ticket_is_for_one_stream_and_for_a_while(city: City) -> None:
    city.apply(convention("more", "yard"))
    route = city.open(ttl_ms=1000)
    elsewhere = Watching(route.url.replace("/hall/", "/yard/"))
    elsewhere.wait_end()
    assert elsewhere.pictures == 0
    forged = Watching(route.url[:-3] + ("AAA" if not route.url.endswith("AAA") else "BBB"))
    forged.wait_end()
    assert forged.pictures == 0
    time.sleep(max(0.0, route.open_by_ns / 1e9 - time.time()) + 0.1)
    late = Watching(route.url)
    late.wait_end()
    assert late.pictures == 0


def test_control_that_is_killed_cuts_nobody_and_finds_its_routes_again(city: City) -> None:
    city.apply(convention("more", "yard"))
    kept, closed = city.open(), city.open("yard")
    one, other = Watching(kept.url), Watching(closed.url)
    one.wait_pictures()
    other.wait_pictures()
    city.kill_control()
    one.wait_pictures(25)
    with city.client() as client:
        assert {route.route for route in client.routes()} == {kept.route, closed.route}
        client.close_route(closed.route)
        other.wait_end()
        assert until(lambda: [route.route for route in client.routes()] == [kept.route], 10)
    one.wait_pictures(10)
    one.leave()
    assert until(lambda: len(city.saw("hall")) == 1 and city.saw("hall")[0].state == "ended", 15)
    assert [seen.state for seen in city.saw("yard")] == ["ended"]


def test_a_right_ends_by_its_time_with_control_dead(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    ends = datetime.now(UTC) + timedelta(seconds=6)
    began = datetime.now(UTC) - timedelta(minutes=1)
    city.apply(
        convention("called", "gate", trigger="opening", max_opening_h=4),
        document(
            "Opening",
            "match",
            conventions=["called"],
            event="match",
            motive="a fight",
            **{"from": began.isoformat(timespec="seconds"), "until": ends.isoformat(timespec="seconds")},
        ),
    )
    route = city.open("gate")
    assert route.until_ns == int(ends.replace(microsecond=0).timestamp()) * 10**9
    watching = Watching(route.url)
    watching.wait_pictures()
    # Killed again and again, so that none is there when the right ends.
    while time.time() < route.until_ns / 1e9 + 0.5:
        if run_folder.find(city.service.folder, CONTROL) is not None:
            city.kill_control()
        time.sleep(0.05)
    watching.wait_end()
    assert watching.pictures > 0
    assert watching.last <= route.until_ns / 1e9 + 3, "what was decided did not count at once"


def test_gstreamer_comes_in_by_a_ticket(city: City, tmp_path: Path) -> None:
    viewer = viewers.gstreamer(city.open().url, "tcp", "h264", 3, tmp_path)
    viewer.finish(30)
    assert len(viewer.units) >= 10, viewer.complaints
