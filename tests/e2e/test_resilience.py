"""Cameras that die, lie or flood, and viewers that do not read or send rubbish, cost nobody else anything."""

import contextlib
import random
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.raw_rtsp import RawClient
from e2e.serving import Serve, camera, server, serving
from e2e.soaking import check_state_changes, soak
from vigie.load import FAULTS, run_load
from vigie.sim import SimProcess

MIB = 1 << 20
GOOD = 3  # cameras that behave, numbers 0 to 2
# One hostile camera for each, from number 3 on: the fault as src/engine/loadgen/fault.h has it, and the figure of its
# stream that must move, so that the fault is known to have been there.
CAMERA_FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"kind": "garbage", "bytes": 200_000}, "lost_packets"),
    ({"kind": "huge_length", "text": "frame"}, "lost_packets"),
    ({"kind": "huge_length", "text": "body"}, "failures"),
    ({"kind": "endless_unit"}, "units"),
    ({"kind": "restart"}, "connects"),
    ({"kind": "silence"}, "failures"),
    ({"kind": "sdp", "text": "sprop"}, "failures"),
    ({"kind": "sdp", "text": "no-sprop"}, "failures"),
    ({"kind": "sdp", "text": "payload"}, "failures"),
    ({"kind": "sdp", "text": "fps"}, "failures"),
    ({"kind": "clock_jump", "ticks": 1_000_000_000, "wall_seconds": -3600}, "units"),
    ({"kind": "loss", "percent": 30}, "lost_packets"),
    ({"kind": "reorder", "every": 3}, "lost_packets"),
    ({"kind": "duplicate", "every": 2}, "duplicate_packets"),
    ({"kind": "status", "status": 454}, "failures"),
    ({"kind": "slow", "delay_ms": 3000}, "failures"),
    ({"kind": "auth"}, "failures"),
]
# What shows only when the camera is connected to anew.
ON_CONNECT = ("sdp", "status", "slow", "auth")


def faults_in(result: dict[str, Any]) -> dict[str, int]:
    """What a perfect run has none of."""
    return {fault: result[fault] for fault in FAULTS if result.get(fault)} | (
        {} if result["all_ready"] else {"not ready": 1}
    )


@pytest.mark.slow
def test_half_of_the_cameras_die_again_and_again(tmp_path: Path) -> None:
    report = soak(tmp_path, cameras=20, kills=3, load_s=40)
    assert report.problems == []
    assert report.kills == 3
    assert report.load["units"] > 10 * 2 * 25 * 30
    # Three connections a camera and two viewers that never read leave nothing behind.
    assert report.growth_bytes < 12 * MIB, [round(rss / MIB) for rss in report.rss_bytes]


def test_the_check_of_events_can_fail() -> None:
    def event(seq: int, state: str, text: str) -> dict[str, Any]:
        return {"seq": seq, "kind": "stream_state", "object": "a/main", "state": state, "text": text}

    good = [event(1, "connecting", "idle -> connecting: started"), event(2, "playing", "connecting -> playing: first")]
    assert check_state_changes(good) == (2, [])
    assert check_state_changes(good[1:])[1], "a hole in the numbers, and a change that was not told"
    assert check_state_changes([good[0], event(2, "playing", "waiting -> playing: first")])[1]


@pytest.fixture(scope="module")
def sims() -> Iterator[tuple[SimProcess, SimProcess]]:
    """Cameras that behave, and those that show faults."""
    pace = ("--bitrate", "1", "--gop", "25")
    first = ("--first", str(GOOD))
    with SimProcess(GOOD, options=pace) as good, SimProcess(len(CAMERA_FAULTS), options=(*first, *pace)) as bad:
        yield good, bad


@pytest.fixture(scope="module")
def served(sims: tuple[SimProcess, SimProcess], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """`vigie serve` over all of them, one shard."""
    good, bad = sims
    documents = [
        camera(f"cam{number:03d}", url=(good if number < GOOD else bad).url(number), transport="tcp", silence_s=2)
        for number in range(GOOD + len(CAMERA_FAULTS))
    ]
    with serving(tmp_path_factory.mktemp("serve"), [server(), *documents]) as running:
        running.wait_playing(*(document["name"] for document in documents))
        yield running


@pytest.fixture
def good_viewers(served: Serve) -> Iterator[dict[str, Any]]:
    """Two viewers of each good camera while the test runs; afterwards they must have lost nothing."""
    result: dict[str, Any] = {}
    began, finish = threading.Event(), threading.Event()
    template = f"rtsp://127.0.0.1:{served.port()}/cam{{n:03d}}"

    def watch() -> None:
        def note(event: dict[str, Any]) -> None:
            if event["event"] == "window-begin":
                began.set()

        try:
            result.update(run_load(template, cameras=GOOD, viewers=2, ramp=0.1, warm_up=0.3, seconds=6, on_event=note))
        finally:
            began.set()
            finish.set()

    thread = threading.Thread(target=watch)
    thread.start()
    assert began.wait(30)
    yield result
    thread.join()
    assert faults_in(result) == {}
    assert result["units"] > GOOD * 2 * 25 * 5


def stream(served: Serve, name: str) -> dict[str, Any]:
    """The newest figures of a camera's stream."""
    figures: dict[str, Any] = served.stats["cameras"][name]["streams"]["main"]
    return figures


@pytest.mark.slow
def test_hostile_cameras_cost_their_own_streams_only(
    sims: tuple[SimProcess, SimProcess], served: Serve, good_viewers: dict[str, Any]
) -> None:
    """All faults at once, each on a camera of its own; `good_viewers` holds the others to losing nothing."""
    _, bad = sims
    memory = served.rss_bytes()
    names = [f"cam{GOOD + index:03d}" for index in range(len(CAMERA_FAULTS))]
    before = {name: stream(served, name) for name in names}
    for index, (fault, _moves) in enumerate(CAMERA_FAULTS):
        only = [GOOD + index]
        fields = {name: value for name, value in fault.items() if name != "kind"}
        if fault["kind"] in ON_CONNECT or fault.get("text") == "body":
            bad.fault("restart", cameras=only, seconds=0.2)
        bad.fault(fault["kind"], cameras=only, **fields)
    for name, (fault, moves) in zip(names, CAMERA_FAULTS, strict=True):
        served.wait(f"{name} with {fault}: {moves}", lambda n=name, m=moves: stream(served, n)[m] > before[n][m], 20)
    time.sleep(2)
    assert served.process.poll() is None, served.notes
    assert served.rss_bytes() - memory < 64 * MIB
    # They behave again, and come back; but the one that refused us is left alone for a minute.
    bad.clear()
    for name, (fault, _moves) in zip(names, CAMERA_FAULTS, strict=True):
        if fault["kind"] != "auth":
            units = stream(served, name)["published_units"]
            back = lambda n=name, u=units: stream(served, n)["published_units"] > u + 25  # noqa: E731
            served.wait(f"{name} back after {fault}", back, 90)
    assert check_state_changes(served.events)[1] == []


def rubbish(kind: int, dice: random.Random) -> bytes:
    """What one hostile viewer sends."""
    lines = [
        dice.randbytes(dice.randrange(1, 3000)),
        b"DESCRIBE rtsp://127.0.0.1/cam000 RTSP/1.0\r\nCSeq: 1\r\nX-Half: ",
        b"GET / HTTP/1.1\r\nHost: here\r\n\r\n",
        b"DESCRIBE rtsp://127.0.0.1/cam000 RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 4294967295\r\n\r\n",
        b"SETUP rtsp://127.0.0.1/cam000 RTSP/1.0\r\nCSeq: 1\r\n" + b"X: " + b"a" * 70_000,
        b"$\x00\xff\xff" + b"\0" * 70_000,
        b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n" * 300,
        b"\r\n" * 5000,
        b"PLAY rtsp://127.0.0.1/cam000 RTSP/1.0\r\nCSeq: -1\r\nSession: " + b"9" * 900 + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + dice.randbytes(500),
        b"",
    ]
    return lines[kind % len(lines)]


def test_hostile_viewers_cost_nobody_anything(served: Serve, good_viewers: dict[str, Any]) -> None:
    """2000 connections with rubbish, half headers or nothing; 20 that ask for pictures and never read."""
    dice = random.Random(3)
    before = served.rss_bytes()
    accepted = served.stats["server"]["connections_accepted"]
    kept: list[socket.socket] = []
    lazy = [RawClient(served.port(), receive_buffer=4096) for _ in range(20)]
    for client in lazy:
        assert client.watch("cam000").status == 200
    for number in range(2000):
        hostile = socket.create_connection(("127.0.0.1", served.port()), 10)
        hostile.setblocking(False)
        with contextlib.suppress(OSError):  # cut while it sends, as it should be
            hostile.send(rubbish(number, dice))
        kept.append(hostile)
        if len(kept) > 400:
            kept.pop(0).close()
    with RawClient(served.port()) as client:
        assert client.watch("cam001").status == 200, "a decent viewer still comes in"
    assert served.process.poll() is None, served.notes
    assert served.rss_bytes() - before < 64 * MIB
    for each in kept:
        each.close()
    for client in lazy:
        client.socket.close()
    # On a fast machine the figures may be those of before.
    all_of_them = accepted + 2020
    served.wait("the figures with them", lambda: served.stats["server"]["connections_accepted"] >= all_of_them, 30)
    served.wait("the figures without them", lambda: served.stats["server"]["connections_open"] <= 2 * GOOD, 30)
    served.wait("nobody half open", lambda: served.stats["server"]["half_open"] == 0, 30)
