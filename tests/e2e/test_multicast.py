"""RTSP by multicast from a server we did not write: every unit arrives, whoever else sends to the group."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import vigie
from e2e import clips, nal
from e2e.gst_camera import Group, GstCamera
from e2e.other_machine import OtherMachine

CODECS = ("h264", "h265")
UNITS = 60
GROUPS = {"ipv4": "239.255.78.1", "ipv6": "ff15::78:1"}
PORT = 15000


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The clips put in."""
    folder = tmp_path_factory.mktemp("clips")
    for codec in CODECS:
        clips.make_two_sizes(folder, codec)
    return {codec: folder / f"two-sizes.{codec}" for codec in CODECS}


@pytest.fixture(scope="module")
def machine() -> Iterator[OtherMachine]:
    """Where the camera is: GStreamer's server shares a group's port with nobody on its own machine."""
    with OtherMachine() as other:
        yield other


@pytest.fixture(scope="module", params=list(GROUPS))
def gst(request: pytest.FixtureRequest, sources: dict[str, Path], machine: OtherMachine) -> Iterator[GstCamera]:
    """GStreamer's server, which gives multicast alone."""
    host = machine.wire.there if request.param == "ipv4" else machine.wire.there_v6
    group = Group(machine.run, host, machine.wire.interface_there, GROUPS[request.param], PORT)
    with GstCamera({codec: (codec, sources[codec]) for codec in CODECS}, group=group) as running:
        yield running


INTRUDER = """
import socket, sys, time
address, port, source, interface = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
index = socket.if_nametoindex(interface)
if ":" in address:
    out = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    out.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
    to = (address, port, 0, index)
else:
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    out.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(source))
    to = (address, port)
out.bind((source, 0))
for number in range(1 << 16):
    packet = b"\\x80\\xe0" + number.to_bytes(2, "big") + bytes(4) + b"\\0\\0\\xba\\xad" + b"\\x65\\x88" + bytes(200)
    out.sendto(packet, to)
    out.sendto(b"rubbish", to)
    time.sleep(0.005)
"""


@contextlib.contextmanager
def intruder(machine: OtherMachine, group: Group, port: int) -> Iterator[str]:
    """Sends pictures and rubbish of its own into the group; gives its address."""
    wire = machine.wire
    source = wire.there_too if ":" not in group.address else wire.there_v6_too
    command = [*machine.run, sys.executable, "-c", INTRUDER, group.address, str(port), source, wire.interface_there]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        yield source
    finally:
        assert process.poll() is None, "the intruder died"
        process.kill()
        process.wait()


def cameras(*streams: dict[str, Any]) -> dict[str, Any]:
    """A snapshot with one camera a stream: cam0, cam1 …"""
    return {
        "revision": 1,
        "cameras": [
            {
                "name": f"cam{index}",
                "streams": [{"name": "main", "kind": "rtsp", "transport": "multicast", **stream}],
                "privacy": "clear",
                "privacy_reason": "a test picture",
            }
            for index, stream in enumerate(streams)
        ],
    }


def take(engine: vigie.Engine, name: str, codec: str, put_in: list[list[bytes]]) -> None:
    """Takes units of a camera: a contiguous run of what was put in."""
    deadline = time.monotonic() + 40
    taken = 0
    expected = -1
    with engine.subscribe(name) as units:
        while taken < UNITS and time.monotonic() < deadline:
            unit = units.next(0.5)
            if unit is None:
                continue
            with unit:
                if unit.damaged or unit.gap:  # a busy machine loses datagrams: the run begins anew
                    taken, expected = 0, -1
                    continue
                nals = nal.split_nals(bytes(memoryview(unit)))
            stamp = nal.find_stamp(b"".join(nals))
            assert stamp is not None
            assert expected in (-1, stamp.number)
            assert nal.vcl(nals, codec) == nal.vcl(put_in[stamp.number % len(put_in)], codec)
            expected = stamp.number + 1
            taken += 1
    assert taken == UNITS, [f"{event.state} {event.text}" for event in engine.events(0)]


def wait_for_clock(engine: vigie.Engine, name: str) -> None:
    """Until a sender report has come."""
    deadline = time.monotonic() + 15
    while engine.stats()["cameras"][name]["streams"]["main"]["camera_clock_error_ms"] is None:
        assert time.monotonic() < deadline, "no sender report came"
        time.sleep(0.1)


@pytest.mark.parametrize("codec", CODECS)
def test_every_unit_arrives_at_every_hub_of_the_group(
    codec: str, gst: GstCamera, sources: dict[str, Path], machine: OtherMachine
) -> None:
    assert gst.group
    put_in = nal.split_units(sources[codec].read_bytes(), codec)
    port = PORT + 10 * CODECS.index(codec)
    with vigie.Engine() as engine, intruder(machine, gst.group, port) as stranger:
        engine.apply(cameras({"url": gst.url(codec)}, {"url": gst.url(codec)}))
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda name: take(engine, name, codec, put_in), ("cam0", "cam1")))
        # GStreamer's first report comes up to 5 s after its first packet.
        for name in ("cam0", "cam1"):
            wait_for_clock(engine, name)
        report = engine.source_report("cam0")
        stats = engine.stats()["cameras"]
        texts = [event.text for event in engine.events(0)]
    for name in ("cam0", "cam1"):
        stream = stats[name]["streams"]["main"]
        assert stream["malformed_packets"] == 0
        assert stream["foreign_packets"] > 20
        assert stream["quirks"] == []
        assert stream["camera_clock_error_ms"] is not None
    assert any("multicast group" in text and gst.group.address in text for text in texts)
    assert any(stranger in text for text in texts), "the intruder is told"
    answers = "".join(line["text"] for line in report["dialogue"])
    assert "RTP/AVP;multicast" in answers
    assert f"destination={gst.group.address}" in answers


def test_auto_takes_no_multicast_and_says_so(gst: GstCamera) -> None:
    with vigie.Engine() as engine:
        engine.apply(cameras({"url": gst.url("h264"), "transport": "auto"}))
        # GStreamer answers 503 while it takes down what was played before.
        faults = (event.text for event in engine.events(60) if event.state == "backing_off")
        fault = next(text for text in faults if "503" not in text)
        dialogue = "".join(line["text"] for line in engine.source_report("cam0")["dialogue"] if line["sent"])
    assert "461" in fault
    assert "multicast" not in dialogue


def test_a_server_without_multicast_is_a_clear_fault(sources: dict[str, Path]) -> None:
    with GstCamera({"h264": ("h264", sources["h264"])}) as unicast, vigie.Engine() as engine:
        engine.apply(cameras({"url": unicast.url("h264")}))
        fault = next(event for event in engine.events(30) if event.state == "backing_off")
    assert "refuses multicast (461)" in fault.text


def test_the_probe_tells_the_group(gst: GstCamera, tmp_path: Path) -> None:
    from vigie.probe.fixture import Replay, load_fixture, save_fixture
    from vigie.probe.run import make_target, run_probe

    run = run_probe(make_target(gst.url("h264"), transport="multicast"), 2, record=True)
    assert run.transport == "multicast"
    assert len(run.units) > clips.FPS
    save_fixture(tmp_path / "group.json", url=run.url, transport=run.transport, source=run.source)
    with Replay(load_fixture(tmp_path / "group.json")) as device:
        again = run_probe(make_target(device.url, transport="tcp"), 1)
    assert again.transport == "tcp"
    assert len(again.units) > clips.FPS / 2
    assert again.stream["quirks"] == []
