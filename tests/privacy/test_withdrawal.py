"""What is taken away ends while somebody watches, and what waits in any buffer does not come out afterwards."""

import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from e2e import nal
from e2e.raw_rtsp import RawClient
from privacy.world import MARKER, PASSWORD, World, make_units, make_world
from vigie import errors

BOUND_NS = 100_000_000
# A moment in which this machine had other things to do is no finding: one of these tries must hold.
TRIES = 3

Cut = Callable[[World], None]


def _agents(world: World, *, cameras: list[str] | None = None, **changes: Any) -> None:
    kept = [agent for agent in world.snapshot["agents"] if agent["name"] != "all"]
    made = [] if cameras is None else [{"name": "all", "password": PASSWORD, "cameras": cameras, **changes}]
    world.apply(agents=kept + made)


CUTS: dict[str, Cut] = {
    "withheld": lambda world: world.apply(cameras={"seen": "withheld"}),
    "undecided": lambda world: world.apply(cameras={"seen": None}),
    "camera removed": lambda world: world.apply(
        cameras={"seen": "removed"},
        agents=[{**agent, "cameras": "*"} for agent in world.snapshot["agents"]],
    ),
    "agent removed": lambda world: _agents(world),
    "agent sees other cameras": lambda world: _agents(world, cameras=["absent"]),
    "agent's right over": lambda world: _agents(world, cameras=["seen"], until="2020-01-01T00:00:00Z"),
    "listeners closed": lambda world: world.apply(listeners=[]),
}
OF_AGENTS = {name for name in CUTS if name.startswith("agent")}


@pytest.fixture(params=[1, 2], ids=["1 shard", "2 shards"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A world for each test, with big pictures: 2.5 MB/s."""
    with make_world(tmp_path, request.param) as made:
        made.units = make_units(25, 50_000)
        yield made


def newest_ns(data: bytes) -> int:
    """The latest stamp in what was read; 0: there is none."""
    newest, at = 0, data.find(MARKER)
    while at >= 0:
        if len(data) >= at + 48:
            newest = max(newest, int(data[at + 28 : at + 48]))
        at = data.find(MARKER, at + 1)
    return newest


def connect(world: World, listener: str, *, receive_buffer: int = 0) -> RawClient:
    """A viewer of camera "seen" that plays."""
    user = {} if listener == "open" else {"user": "all", "password": PASSWORD}
    client = RawClient(world.ports[listener], receive_buffer=receive_buffer, tls=listener == "tls", **user)
    assert client.watch("seen").status == 200
    return client


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("listener", ["digest", "tls"])
def test_a_viewer_who_reads(world: World, cut: str, listener: str) -> None:
    """Nothing pushed after the cut is read, and the last byte comes within 100 ms; then the connection is reset."""
    with connect(world, listener) as client:
        ended: list[tuple[str, int]] = []
        reader = threading.Thread(target=lambda: ended.append((client.read_to_end(10), time.monotonic_ns())))
        client.read_for(0.3)
        assert newest_ns(client.received), "it watches"
        reader.start()
        begun = time.monotonic_ns()
        CUTS[cut](world)
        returned = time.monotonic_ns()
        reader.join()
    assert returned - begun < 1_000_000_000
    how, when = ended[0]
    assert how in ("reset", "end")
    assert newest_ns(client.received) <= returned, "a picture from after the cut was read"
    assert when - returned < 5 * BOUND_NS, f"the connection went on for {(when - returned) / 1e6:.0f} ms"


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("listener", ["digest", "tls"])
def test_a_viewer_who_does_not_read(world: World, cut: str, listener: str) -> None:
    """However full the buffers on the way were: what comes out of them is from before the cut, then a reset."""
    with connect(world, listener, receive_buffer=4096) as client:
        # Until the server's own buffers are full.
        deadline = time.monotonic() + 15
        while not (viewers := _viewers(world)) or viewers[0]["units_waiting"] == 0:
            assert time.monotonic() < deadline, f"its buffers never filled: {viewers}"
            time.sleep(0.05)
        CUTS[cut](world)
        returned = time.monotonic_ns()
        time.sleep(0.3)  # pictures go on being pushed
        before = len(client.received)
        assert client.read_to_end(10) in ("reset", "end")
    newest = newest_ns(client.received)
    assert newest, f"the buffers had held something ({len(client.received) - before} bytes came)"
    assert newest <= returned, f"a picture from {(newest - returned) / 1e6:.0f} ms after the cut was read"


def _viewers(world: World) -> list[dict[str, Any]]:
    return [viewer for viewer in world.engine.stats()["viewers"] if viewer["camera"] == "seen"]


@pytest.mark.parametrize("cut", list(CUTS))
def test_udp_stops(world: World, cut: str) -> None:
    """No datagram with a picture from after the cut, and no session left."""
    world.units = make_units(25, 2_000)
    received: list[bytes] = []
    with socket.socket(type=socket.SOCK_DGRAM) as rtp, socket.socket(type=socket.SOCK_DGRAM) as rtcp:
        for each in (rtp, rtcp):
            each.bind(("127.0.0.1", 0))
        ports = f"{rtp.getsockname()[1]}-{rtcp.getsockname()[1]}"
        with RawClient(world.ports["digest"], user="all", password=PASSWORD) as client:
            uri = client.url("seen/trackID=0")
            reply = client.ask("SETUP", uri, Transport=f"RTP/AVP;unicast;client_port={ports}")
            assert client.ask("PLAY", client.url("seen"), Session=reply.session).status == 200
            _drain([rtp, rtcp], received, 0.4)
            assert newest_ns(b"".join(received)), "it watches"
            CUTS[cut](world)
            returned = time.monotonic_ns()
            _drain([rtp, rtcp], received, 0.5)
    newest = newest_ns(b"".join(received))
    assert newest <= returned, f"a picture from {(newest - returned) / 1e6:.0f} ms after the cut was read"
    assert _viewers(world) == []


def _drain(sockets: list[socket.socket], into: list[bytes], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        for each in select.select(sockets, [], [], left)[0]:
            into.append(each.recv(65536))


@pytest.mark.parametrize("cut", [cut for cut in CUTS if cut not in OF_AGENTS and "listener" not in cut])
def test_a_subscription_ends(world: World, cut: str) -> None:
    """One that waits and one with a full queue: neither gives a picture from after the cut, both say why."""
    with world.engine.subscribe("seen") as reading, world.engine.subscribe("seen", queue_units=1000) as lazy:
        newest = 0
        failed: list[errors.Error] = []

        def read() -> None:
            nonlocal newest
            try:
                while unit := reading.next(5):
                    newest = max(newest, newest_ns(bytes(unit)))
            except errors.Error as error:
                failed.append(error)

        thread = threading.Thread(target=read)
        thread.start()
        time.sleep(0.4)
        CUTS[cut](world)
        returned = time.monotonic_ns()
        thread.join()
        assert newest
        assert newest <= returned
        expected = errors.NotFoundError if cut == "camera removed" else errors.WithheldError
        assert isinstance(failed[0], expected)
        time.sleep(0.2)
        try:
            while unit := lazy.next(1):
                assert newest_ns(bytes(unit)) <= returned
            pytest.fail("it did not end")
        except expected:
            pass
        with pytest.raises(expected):
            world.engine.subscribe("seen")


@pytest.mark.parametrize("reads", [True, False], ids=["reads", "does not read"])
@pytest.mark.parametrize("listener", ["open", "tls"])
def test_masking_takes_the_pictures_away(world: World, listener: str, reads: bool) -> None:
    """Who watches may stay and gets cards; no picture that left after the decision is one of the camera's own."""
    with connect(world, listener, receive_buffer=0 if reads else 4096) as client:
        if reads:
            client.read_for(0.4)
        else:
            deadline = time.monotonic() + 15
            while not (viewers := _viewers(world)) or viewers[0]["units_waiting"] == 0:
                assert time.monotonic() < deadline, f"its buffers never filled: {viewers}"
                time.sleep(0.05)
        world.apply(cameras={"seen": "masked"})
        returned = time.monotonic_ns()
        assert client.read_to_end(1.5) in ("reset", "end", "open")
    newest = newest_ns(client.received)
    assert newest, "it watched"
    assert newest <= returned, f"a picture from {(newest - returned) / 1e6:.0f} ms after the decision was read"
    with world.engine.subscribe("seen") as units:
        unit = units.next(10)
        assert unit is not None
        assert unit.privacy == "covered"


def test_others_go_on(tmp_path: Path) -> None:
    """One agent's right is taken away; the other's viewer of the same camera loses nothing."""
    with (
        make_world(tmp_path) as world,
        connect(world, "digest") as cut,
        RawClient(world.ports["digest"], user="one", password=PASSWORD) as kept,
    ):
        assert kept.watch("seen").status == 200
        kept.read_for(0.3)
        CUTS["agent removed"](world)
        assert cut.read_to_end(5) in ("reset", "end")
        kept.read_for(0.5)
        at, numbers = 0, []
        payload = b"".join(packet.data[12:] for packet in kept.packets if packet.channel == 0)
        while (at := payload.find(MARKER, at)) >= 0:
            numbers.append(int(payload[at + 16 : at + 28]))
            at += 1
        assert len(numbers) > 30
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


@pytest.mark.parametrize("reads", [True, False], ids=["reads", "does not read"])
def test_until_is_kept_by_the_engine_itself(tmp_path: Path, reads: bool) -> None:
    """A right with an end ends then, with nobody calling the engine."""
    late = []
    with make_world(tmp_path) as world:
        world.units = make_units(25, 50_000)
        for _ in range(TRIES):
            end = datetime.now(UTC) + timedelta(seconds=2)
            wall_minus_mono = time.time_ns() - time.monotonic_ns()
            _agents(world, cameras=["seen"], until=end.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
            with connect(world, "digest", receive_buffer=0 if reads else 4096) as client:
                if not reads:
                    time.sleep(2.5)
                assert client.read_to_end(5) in ("reset", "end"), "the session went on"
                ended = time.time_ns()
            end_ns = int(end.timestamp() * 1e9)
            newest = newest_ns(client.received) + wall_minus_mono
            assert newest > end_ns - 5e9, "it watched"
            late.append(max(newest - end_ns, ended - end_ns if reads else 0))
            with RawClient(world.ports["digest"], user="all", password=PASSWORD) as client:
                assert client.watch("seen").status == 403, "the right is over"
            if late[-1] <= BOUND_NS:
                return
    pytest.fail(f"ended {[round(ns / 1e6) for ns in late]} ms after its end")


def test_a_right_given_again_works(tmp_path: Path) -> None:
    """Cut, then clear again: new viewers see only what came since."""
    with make_world(tmp_path) as world:
        with connect(world, "open") as client:
            client.read_for(0.2)
            CUTS["withheld"](world)
            assert client.read_to_end(5) in ("reset", "end")
        time.sleep(0.2)
        again = world.number
        world.apply(cameras={"seen": "clear"})
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with RawClient(world.ports["open"]) as client:
                if client.watch("seen").status == 200:
                    client.read_for(1.5)  # the next keyframe is at most a second away
                    break
            time.sleep(0.1)
        stamp = nal.find_stamp(bytes(client.received))
        assert stamp is not None
        assert stamp.number >= again
