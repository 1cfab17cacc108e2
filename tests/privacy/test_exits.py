"""A camera without a decision is visible on no exit: each is tried, and the search is shown to find what is there."""

import inspect
import json
import re
import select
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import vigie
from e2e import clips, nal
from e2e.raw_rtsp import RawClient
from privacy.world import CARD_ONLY, DECISIONS, MARKER, NEVER, PASSWORD, World, camera, listener_ports, make_world
from vigie import errors
from vigie.sim import SimProcess

TCP = "RTP/AVP/TCP;unicast;interleaved=0-1"
# Each public method of the engine and the test that shows what it gives of a withheld camera. A new method fails here.
ENGINE_EXITS = {
    "apply": "test_the_engine_gives_nothing",
    "push_access_unit": "test_the_engine_gives_nothing",
    "subscribe": "test_the_engine_gives_nothing",
    "tap_frames": "test_the_engine_gives_nothing",
    "snapshot": "test_the_engine_gives_nothing",
    "scene_reference": "test_the_engine_gives_nothing",
    "push_pose": "gives nothing back",
    "distrust_pose": "gives nothing back",
    "trust_pose": "gives nothing back",
    "events": "test_the_engine_gives_nothing",
    "next_event": "test_the_engine_gives_nothing",
    "events_async": "the same queue as events",
    "event_fileno": "a descriptor that polls; test_the_engine_gives_nothing reads it",
    "stats": "test_the_engine_gives_nothing",
    "record_source": "test_the_engine_gives_nothing, test_a_recording_goes_with_the_decision",
    "source_report": "test_the_engine_gives_nothing, test_a_recording_goes_with_the_decision",
    "close": "gives nothing back",
}
# Each method the RTSP server says it has.
RTSP_EXITS = {
    "OPTIONS",
    "DESCRIBE",
    "SETUP",
    "PLAY",
    "PAUSE",
    "TEARDOWN",
    "GET_PARAMETER",
    "SET_PARAMETER",
}
# The functions of the C interface; Python's exits are made of them (what a report of a withheld camera lacks, and that
# none of its packets is recorded: CapiTest).
C_EXITS = set(
    """
    vigie_abi_version vigie_version vigie_code_name vigie_engine_options_init vigie_engine_create vigie_engine_close
    vigie_engine_free vigie_engine_apply vigie_engine_stats vigie_text_free vigie_engine_source_report
    vigie_engine_record_source vigie_push_init vigie_engine_push vigie_subscribe_options_init vigie_engine_subscribe
    vigie_subscription_next vigie_subscription_fd vigie_subscription_close vigie_subscription_free
    vigie_unit_info_init vigie_unit_get_info vigie_unit_get_nal vigie_unit_release vigie_tap_options_init
    vigie_engine_tap vigie_tap_next vigie_tap_fd vigie_tap_close vigie_tap_free vigie_tap_stats_init
    vigie_tap_get_stats vigie_frame_info_init vigie_frame_get_info vigie_frame_release vigie_engine_snapshot
    vigie_snapshot_info_init vigie_snapshot_get_info vigie_snapshot_release vigie_pose_init vigie_engine_push_pose
    vigie_engine_distrust_pose vigie_engine_trust_pose vigie_event_info_init vigie_engine_next_event
    vigie_engine_event_fd vigie_event_get_info vigie_event_release vigie_engine_scene_reference
    """.split()
)
# And those of the standard that it must not serve.
OTHER_METHODS = ("ANNOUNCE", "RECORD", "REDIRECT", "GET", "POST", "PULL")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One world for all: nothing here changes it."""
    with make_world(tmp_path_factory.mktemp("world"), shards=2) as made:
        yield made


def spellings(name: str) -> list[str]:
    """Paths by which somebody may hope to reach a camera."""
    quoted = "".join(f"%{ord(letter):02x}" for letter in name)
    twice = quoted.replace("%", "%25")
    found = [name, f"{name}/main", f"{name}/sub", f"{name}/", f"{name}//", f"/{name}", f"//{name}/main//", f"./{name}"]
    found += [name.upper(), name.title(), quoted, twice, f"{quoted}/main", f"%2f{name}", f"{name}%2fmain", f"{name}%00"]
    found += [f"seen/../{name}", f"seen/%2e%2e/{name}", f"../{name}", f"seen/{name}", f"{name}/../{name}", f"{name}/."]
    found += [f"seen/../{name}/main", f"seen%2f..%2f{name}", f"{name};seen", f"{name}#seen", f"seen#{name}"]
    found += [f"{name}?start=next-key", f"{name}?camera=seen", f"seen?camera={name}", f"{name}@seen", f"@{name}"]
    found += [f"{name}/trackID=0", f"{name}/main/trackID=0", f"{name}/trackID=1", f"{name}/streamid=0"]
    found += [
        f"{name}\\main",
        f"{name}%20",
        f" {name}",
        f"{name}.",
        f"{name}/raw",
        f"{name}/main/raw",
        f"*/{name}",
        f"{name}*",
        "*",
        "",
        "/",
        "*/main",
    ]
    return found


def unmarked(client: RawClient) -> bool:
    """No marker, and no packet of pictures, in all that came."""
    return MARKER not in client.received and not any(packet.channel == 0 for packet in client.packets)


def names_another(path: str) -> bool:
    """Whether a spelling leads to the camera that is clear, by the rules of paths (a query does not count)."""
    return path.partition("?")[0].strip("/") == "seen"


def test_every_exit_of_the_engine_is_in_the_table() -> None:
    public = {name for name, _ in inspect.getmembers(vigie.Engine, inspect.isfunction) if not name.startswith("_")}
    assert public == set(ENGINE_EXITS), "a method of the engine is new or gone: say here how it is tested"


def test_every_function_of_the_c_interface_is_in_the_table() -> None:
    """Units, frames and snapshots are where pictures leave; test_masked_pictures looks at each in each state."""
    header = Path(__file__).parents[2] / "include" / "vigie" / "vigie.h"
    functions = set(re.findall(r"^VIGIE_EXPORT.*?\b(vigie_\w+)\(", header.read_text(encoding="utf-8"), re.MULTILINE))
    assert functions == C_EXITS, "a function of the C interface is new or gone: say here that no picture leaves by it"


def test_every_method_of_the_server_is_in_the_table(world: World) -> None:
    with RawClient(world.ports["open"]) as client:
        offered = client.ask("OPTIONS", "*").header("Public")
    assert {method.strip() for method in offered.split(",")} == RTSP_EXITS
    assert set(world.ports) == {"open", "digest", "tls"}


@pytest.mark.parametrize("listener", ["open", "digest", "tls"])
def test_the_search_finds_a_clear_camera(world: World, listener: str) -> None:
    user = {} if listener == "open" else {"user": "all", "password": PASSWORD}
    with RawClient(world.ports[listener], tls=listener == "tls", **user) as client:
        assert client.watch("seen").status == 200
        client.read_for(0.5)
    assert client.received.count(MARKER) > 5
    assert not unmarked(client)


@pytest.mark.parametrize("listener", ["open", "digest", "tls"])
@pytest.mark.parametrize("name", NEVER)
def test_describe_says_why_and_nothing_follows(world: World, name: str, listener: str) -> None:
    user = {} if listener == "open" else {"user": "all", "password": PASSWORD}
    with RawClient(world.ports[listener], tls=listener == "tls", **user) as client:
        reply = client.ask("DESCRIBE", client.url(name), Accept="application/sdp")
        assert reply.status == 403
        assert "withheld" in reply.reason
        assert name.encode() in reply.body
        assert b"m=video" not in reply.body
        assert b"sprop" not in reply.body
        assert client.ask("SETUP", client.url(f"{name}/trackID=0"), Transport=TCP).status == 403
        assert client.ask("SETUP", client.url(name), Transport=TCP).status == 403
        assert client.ask("PLAY", client.url(name)).status in (454, 455)
        assert client.ask("PLAY", client.url(name), Session="12345678").status == 454
        assert client.ask("PAUSE", client.url(name)).status in (454, 455)
        assert client.ask("GET_PARAMETER", client.url(name)).body == b""
        assert client.ask("SET_PARAMETER", client.url(name)).body == b""
        client.ask("TEARDOWN", client.url(name))
        client.read_for(0.2)
    assert unmarked(client)


@pytest.mark.parametrize(("listener", "user"), [("open", ""), ("digest", "all"), ("digest", "one"), ("tls", "all")])
def test_the_list_of_cameras_names_only_what_may_be_seen(world: World, listener: str, user: str) -> None:
    port = world.ports[listener]
    with RawClient(port, tls=listener == "tls", user=user, password=PASSWORD) as client:
        reply = client.ask("GET_PARAMETER", client.url(""), body="vigie.cameras")
    assert reply.status == 200
    page = json.loads(reply.body.removeprefix(b"vigie.cameras: "))
    expected = ["seen"] if user == "one" else [CARD_ONLY, "seen"]
    assert [camera["name"] for camera in page["cameras"]] == expected
    assert not page["more"]
    for name in NEVER:
        assert name.encode() not in reply.body


@pytest.mark.parametrize("name", NEVER)
def test_no_spelling_leads_there(world: World, name: str) -> None:
    for path in spellings(name):
        if names_another(path):
            continue
        for method in ("DESCRIBE", "SETUP"):
            with RawClient(world.ports["open"]) as client:
                try:
                    reply = client.ask(method, client.url(path), Transport=TCP)
                except ConnectionError:
                    continue
                assert reply.status != 200, f"{method} {path!r}"
                assert b"m=video" not in client.received, f"{method} {path!r}"
                assert unmarked(client)


def test_a_query_does_not_change_the_camera(world: World) -> None:
    with RawClient(world.ports["open"]) as client:
        reply = client.ask("DESCRIBE", client.url("seen?camera=absent&stream=main"))
        assert reply.status == 200
        assert b"absent" not in reply.body


@pytest.mark.parametrize("method", OTHER_METHODS)
def test_other_methods_are_refused(world: World, method: str) -> None:
    with RawClient(world.ports["open"]) as client:
        assert client.ask(method, client.url("absent")).status in (400, 405, 501)
        client.read_for(0.1)
        assert unmarked(client)


@pytest.mark.parametrize("name", NEVER)
def test_a_session_of_another_camera_opens_nothing(world: World, name: str) -> None:
    with RawClient(world.ports["open"]) as client, RawClient(world.ports["open"]) as other:
        setup = client.ask("SETUP", client.url("seen/trackID=0"), Transport=TCP)
        assert setup.status == 200
        # A second SETUP in the same session, aggregate or not, and under the first one's URL.
        for uri in (f"{name}/trackID=0", f"{name}", f"seen/../{name}/trackID=0"):
            assert client.ask("SETUP", client.url(uri), Transport=TCP, Session=setup.session).status != 200
            assert client.ask("SETUP", client.url(uri), Transport="RTP/AVP/TCP;unicast;interleaved=2-3").status != 200
        # The session id in somebody else's hands.
        assert other.ask("SETUP", other.url(f"{name}/trackID=0"), Transport=TCP, Session=setup.session).status != 200
        assert other.ask("PLAY", other.url(name), Session=setup.session).status in (403, 454, 455, 459)
        # PLAY with the other camera's URL plays the session's own camera or nothing.
        published = world.engine.stats()["cameras"][name]["streams"]["main"]["viewers"]
        assert published == 0
        client.ask("PLAY", client.url(name), Session=setup.session)
        client.read_for(0.3)
        figures = world.engine.stats()
    assert unmarked(other)
    assert all(viewer["camera"] == "seen" for viewer in figures["viewers"])
    assert all(stream["published_units"] == 0 for stream in figures["cameras"][name]["streams"].values())


@pytest.mark.parametrize("name", ["seen", *NEVER])
def test_udp(world: World, name: str) -> None:
    """Over UDP a camera that is clear comes, the others do not."""
    received = bytearray()
    with socket.socket(type=socket.SOCK_DGRAM) as rtp, socket.socket(type=socket.SOCK_DGRAM) as rtcp:
        for each in (rtp, rtcp):
            each.bind(("127.0.0.1", 0))
        ports = f"{rtp.getsockname()[1]}-{rtcp.getsockname()[1]}"
        with RawClient(world.ports["open"]) as client:
            uri = client.url(f"{name}/trackID=0")
            reply = client.ask("SETUP", uri, Transport=f"RTP/AVP;unicast;client_port={ports}")
            assert reply.status == (200 if name == "seen" else 403)
            if reply.session:
                client.ask("PLAY", client.url(name), Session=reply.session)
            deadline = time.monotonic() + 0.5
            while (left := deadline - time.monotonic()) > 0:
                for each in select.select([rtp, rtcp], [], [], left)[0]:
                    received += each.recv(65536)
        received += client.received
    assert (received.count(MARKER) > 5) == (name == "seen")
    assert (MARKER in received) == (name == "seen")


def test_an_agent_sees_its_own_cameras_only(world: World) -> None:
    """Rights and privacy are two questions; both must be answered yes."""
    with RawClient(world.ports["digest"], user="one", password=PASSWORD) as client:
        assert client.watch("seen").status == 200
    for name in NEVER:
        for listener in ("digest", "tls"):
            with RawClient(world.ports[listener], tls=listener == "tls", user="one", password=PASSWORD) as client:
                assert client.watch(name).status == 403
                assert unmarked(client)
    for user, password in (("one", "wrong"), ("nobody", PASSWORD), ("", "")):
        for name in DECISIONS:
            with RawClient(world.ports["digest"], user=user, password=password) as client:
                assert client.watch(name).status == 401
                assert unmarked(client)
    with RawClient(world.ports["tls"]) as client:
        client.socket.sendall(f"DESCRIBE {client.url('seen')} RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode())
        assert client.read_to_end(5) in ("end", "reset"), "cleartext on a TLS listener"
        assert unmarked(client)


@pytest.mark.parametrize("name", ["seen", *NEVER])
# Inside TLS FFmpeg takes TCP, whatever it is told.
@pytest.mark.parametrize(
    ("listener", "transport"), [("open", "tcp"), ("open", "udp"), ("digest", "tcp"), ("digest", "udp"), ("tls", "tcp")]
)
def test_ffmpeg(world: World, listener: str, transport: str, name: str, tmp_path: Path) -> None:
    scheme = "rtsps" if listener == "tls" else "rtsp"
    who = "" if listener == "open" else f"all:{PASSWORD.replace(' ', '%20')}@"
    out = tmp_path / "out"
    command = ["ffmpeg", "-v", "error", "-nostdin", "-y", "-rtsp_transport", transport, "-analyzeduration", "300000"]
    command += ["-i", f"{scheme}://{who}127.0.0.1:{world.ports[listener]}/{name}", "-map", "0:v", "-c", "copy"]
    command += ["-frames:v", "20", "-f", "data", str(out)]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    got = out.read_bytes() if out.exists() else b""
    if name == "seen":
        assert got.count(MARKER) >= 10, done.stderr.decode()
    else:
        assert got == b""
        assert done.returncode != 0
        assert b"403" in done.stderr


@pytest.mark.parametrize("name", ["seen", *NEVER])
def test_the_engine_gives_nothing(world: World, name: str) -> None:
    engine = world.engine
    clear = name == "seen"
    for stream in ("", "main", "sub"):
        if clear:
            with engine.subscribe(name, stream) as units:
                unit = units.next(5)
                assert unit is not None
                assert MARKER in bytes(unit)
        else:
            for call in (engine.subscribe, engine.tap_frames, engine.snapshot, engine.scene_reference):
                with pytest.raises(errors.WithheldError):
                    call(name, stream)
    for spelling in (name.upper(), f"{name}/main", f"{name}/", f"{name}\0", f" {name}", f"seen/../{name}"):
        for call in (engine.subscribe, engine.tap_frames, engine.snapshot):
            with pytest.raises(errors.Error):
                call(spelling)
        if clear:
            engine.record_source(name, stream)
        else:
            with pytest.raises(errors.WithheldError):
                engine.record_source(name, stream)
        report = engine.source_report(name, stream)
        assert MARKER.decode() not in json.dumps(report)
        assert "packets" not in report, "what a host pushes has no packets"
    figures = engine.stats()["cameras"][name]["streams"]
    for stream in figures.values():
        assert (stream["published_units"] > 0) == clear
        assert (stream["log_units"] > 0) == clear
        assert (stream["log_bytes"] > 0) == clear
        assert (stream["withheld_units"] > 0) != clear
    told = json.dumps(engine.stats()) + "".join(str(event) for event in engine.events(timeout=0.1))
    assert MARKER.decode() not in told


@pytest.mark.parametrize("listener", ["open", "digest", "tls"])
def test_without_a_mask_set_only_a_card_comes(world: World, listener: str) -> None:
    """Masked, and nobody has said what: pictures come, and nothing of the camera's is in them (M-1)."""
    user = {} if listener == "open" else {"user": "all", "password": PASSWORD}
    with RawClient(world.ports[listener], tls=listener == "tls", **user) as client:
        assert client.watch(CARD_ONLY).status == 200
        client.read_for(0.5)
    assert any(packet.channel == 0 for packet in client.packets)
    assert MARKER not in client.received
    with world.engine.subscribe(CARD_ONLY) as units:
        for _ in range(5):
            unit = units.next(10)
            assert unit is not None
            assert unit.privacy == "covered"
            assert MARKER not in bytes(unit)


def test_a_recording_goes_with_the_decision() -> None:
    """Packets show no picture even so (`tests/native/source/tape_test.cc`); without a decision they are not given."""
    with SimProcess() as sim, vigie.Engine() as engine:
        streams = [{"name": "main", "url": sim.url(0), "pull": "on_demand"}]
        seen = {"name": "cam", "privacy": "clear", "privacy_reason": "simulated", "streams": streams}
        engine.apply({"revision": 1, "cameras": [seen]})
        engine.record_source("cam")
        with engine.subscribe("cam") as units:
            assert units.next(10) is not None
        assert engine.source_report("cam")["packets"]
        engine.apply({"revision": 2, "cameras": [{"name": "cam", "streams": streams}]})
        assert "packets" not in engine.source_report("cam")
        with pytest.raises(errors.WithheldError):
            engine.record_source("cam")


@pytest.mark.parametrize("pull", ["always", "on_demand"])
@pytest.mark.parametrize("kind", ["rtsp", "file"])
def test_every_kind_of_source_is_behind_the_gate(kind: str, pull: str, tmp_path: Path) -> None:
    """Pictures that come from a camera or a file, and a stream that waits for somebody to watch it."""
    clip = clips.make_clip(tmp_path / "clip.h264", "h264", frames=25, gop=25, size="320x180")
    with SimProcess(1, options=("--gop", "10")) as sim:
        url = sim.url(0) if kind == "rtsp" else str(clip)
        stream = {"name": "main", "kind": kind, "url": url, "pull": pull}
        found = {}
        for number, decision in enumerate(("clear", None, "masked")):
            entry: dict[str, object] = {"name": "cam", "streams": [stream], "privacy": decision or "withheld"}
            if decision == "clear":
                entry["privacy_reason"] = "a test picture"
            with vigie.Engine() as engine:
                listeners = [{"name": "open", "listen": "127.0.0.1:0", "access": "open"}]
                engine.apply({"revision": number + 1, "listeners": listeners, "cameras": [entry]})
                with RawClient(listener_ports(engine)["open"]) as client:
                    status = client.watch("cam").status
                    client.read_for(1)
                published = engine.stats()["cameras"]["cam"]["streams"]["main"]["published_units"]
            pictures = sum(packet.channel == 0 for packet in client.packets)
            found[decision] = (status, pictures > 10, published > 10)
    # What is masked and has no masks is covered; that it shows nothing, test_masked_pictures sees.
    assert found == {"clear": (200, True, True), None: (403, False, False), "masked": (200, True, True)}


def test_clear_needs_a_reason() -> None:
    """Neither an absent reason nor an empty one makes a camera clear, and the policy before it stays."""
    with vigie.Engine() as engine:
        engine.apply({"revision": 1, "cameras": [camera("cam", None)]})
        for reason in ({}, {"privacy_reason": ""}, {"privacy_reason": "  "}, {"privacy_reason": None}):
            entry = {**camera("cam", None), "privacy": "clear", **reason}
            with pytest.raises(errors.PolicyFieldError):
                engine.apply({"revision": 2, "cameras": [entry]})
        for decision in ("CLEAR", "Clear", "", None, True, "clear "):
            entry = {**camera("cam", None), "privacy": decision, "privacy_reason": "a test"}
            with pytest.raises(errors.PolicyFieldError):
                engine.apply({"revision": 2, "cameras": [entry]})
        with pytest.raises(errors.WithheldError):
            engine.subscribe("cam")
        assert engine.stats()["revision"] == 1


def test_what_came_before_a_decision_stays_hidden(tmp_path: Path) -> None:
    """A decision for clear does not bring out pictures from before it."""
    with make_world(tmp_path) as world:
        before = world.number
        while world.number < before + 60:
            time.sleep(0.02)
        decided = world.number  # the unit of this number may be on its way
        world.apply(cameras={"absent": "clear"})
        with world.engine.subscribe("absent") as units:
            unit = units.next(5)
            assert unit is not None
            data = bytes(unit)
        stamp = nal.find_stamp(data)
        assert stamp is not None
        assert stamp.number >= decided


def test_many_at_once_find_no_gap(world: World) -> None:
    """Twenty at a time ask for all cameras while a decision is taken back and given again; none gets a withheld one."""
    found: list[bytes] = []
    stop = threading.Event()

    def hammer(path: str) -> None:
        while not stop.is_set():
            with RawClient(world.ports["open"]) as client:
                try:
                    client.watch(path)
                    client.read_for(0.02)
                except OSError:
                    pass
                if not unmarked(client):
                    found.append(path.encode())

    threads = [threading.Thread(target=hammer, args=(name,)) for name in NEVER for _ in range(6)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        world.apply()
        time.sleep(0.05)
    stop.set()
    for thread in threads:
        thread.join()
    assert found == []
