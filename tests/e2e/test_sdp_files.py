"""RTP without RTSP, by a session description: FFmpeg and GStreamer send, every coded slice arrives."""

import base64
import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

import vigie
from e2e import clips
from e2e.taking import check, ffmpeg, make_sources, play, snapshot
from vigie.bench.servers import free_port
from vigie.policy import compile_snapshot, load_town
from vigie.probe.cli import app

GROUP = "239.255.79.1"


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A clip a codec."""
    return make_sources(tmp_path_factory.mktemp("clips"))


def port_pair() -> int:
    """An even port that is free."""
    return free_port(socket.SOCK_DGRAM) & ~1


def describe(path: Path, connection: str, port: int, codec: str, *more: str) -> Path:
    """A session description as one writes it by hand."""
    lines = ["v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=by hand", f"c=IN IP4 {connection}", "t=0 0"]
    lines += [f"m=video {port} RTP/AVP 96", f"a=rtpmap:96 {codec.upper()}/90000", *more]
    path.write_text("\n".join(lines) + "\n", encoding="ascii")
    return path


def wait_for(path: Path) -> Path:
    """The description that FFmpeg writes when it begins."""
    deadline = time.monotonic() + 20
    while not (path.exists() and "m=video" in path.read_text(encoding="utf-8")) and time.monotonic() < deadline:
        time.sleep(0.05)
    return path


@contextlib.contextmanager
def gstreamer(clip: Path, codec: str, host: str, port: int) -> Iterator[None]:
    """GStreamer sending a clip in real time, with its own reports."""
    near = "bind-address=127.0.0.1 ttl-mc=1"
    pipeline = (
        f"rtpbin name=bin filesrc location={clip.with_suffix('.mp4')} ! qtdemux ! {codec}parse config-interval=-1 "
        f"! rtp{codec}pay pt=96 mtu=1300 ! bin.send_rtp_sink_0 "
        f"bin.send_rtp_src_0 ! udpsink host={host} port={port} {near} sync=true "
        f"bin.send_rtcp_src_0 ! udpsink host={host} port={port + 1} {near} sync=false async=false"
    )
    process = subprocess.Popen(["gst-launch-1.0", "-q", *pipeline.split()], stdin=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_ffmpeg_unicast(codec: str, sources: dict[str, Path], tmp_path: Path) -> None:
    sdp = tmp_path / "cam.sdp"
    port = port_pair()
    with ffmpeg(sources[codec], "-f", "rtp", "-sdp_file", str(sdp), f"rtp://127.0.0.1:{port}?pkt_size=1300"):
        played = play("sdp", str(wait_for(sdp)), codec, clock=True)
    check(played, sources[codec], codec)
    assert played.stats["camera_clock_error_ms"] is not None, "sender reports came"
    assert abs(played.stats["camera_clock_error_ms"]) < 1000
    assert played.stats["lost_packets"] == played.stats["malformed_packets"] == played.stats["foreign_packets"] == 0
    assert any(f"port 127.0.0.1:{port}" in event for event in played.events)


def test_ffmpeg_multicast(sources: dict[str, Path], tmp_path: Path) -> None:
    sdp = tmp_path / "cam.sdp"
    url = f"rtp://{GROUP}:{port_pair()}?pkt_size=1300&ttl=1&localaddr=127.0.0.1"
    with ffmpeg(sources["h264"], "-f", "rtp", "-sdp_file", str(sdp), url):
        played = play("sdp", str(wait_for(sdp)), "h264", interface="lo")
    check(played, sources["h264"], "h264")
    assert any(f"group {GROUP}" in event for event in played.events)


def srtp_ffmpeg(key: bytes, port: int) -> list[str]:
    """FFmpeg's output options for SRTP under a key."""
    text = base64.b64encode(key).decode()
    return [
        *("-f", "rtp", "-srtp_out_suite", "AES_CM_128_HMAC_SHA1_80", "-srtp_out_params", text),
        f"srtp://127.0.0.1:{port}?pkt_size=1300",
    ]


def test_srtp_with_the_key_in_the_file(sources: dict[str, Path], tmp_path: Path) -> None:
    key = bytes(range(40, 70))
    port = port_pair()
    with ffmpeg(sources["h264"], "-sdp_file", str(tmp_path / "cam.sdp"), *srtp_ffmpeg(key, port)):
        sdp = wait_for(tmp_path / "cam.sdp")
        assert "RTP/AVP" in sdp.read_text(), "FFmpeg encrypts, whatever the profile says"
        assert "a=crypto" in sdp.read_text()
        played = play("sdp", str(sdp), "h264", clock=True)
    check(played, sources["h264"], "h264")
    assert played.stats["lost_packets"] == played.stats["malformed_packets"] == 0
    assert played.stats["camera_clock_error_ms"] is not None, "its reports were opened too"
    assert not any(base64.b64encode(key).decode() in event for event in played.events)


def test_srtp_with_another_key_than_the_files_is_said(sources: dict[str, Path], tmp_path: Path) -> None:
    port = port_pair()
    line = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + base64.b64encode(bytes(range(30))).decode()
    sdp = describe(tmp_path / "cam.sdp", "127.0.0.1", port, "h264", line)
    sdp.write_text(sdp.read_text().replace("RTP/AVP", "RTP/SAVP"))
    with vigie.Engine() as engine, ffmpeg(sources["h264"], *srtp_ffmpeg(bytes(range(50, 80)), port)):
        engine.apply(snapshot("sdp", str(sdp), first_picture_deadline_s=30))
        for event in engine.events(60):
            assert event.state != "playing"
            if "encrypts with another key" in event.text and event.state == "backing_off":
                break
        else:
            pytest.fail("nobody said that the key is wrong")


@pytest.mark.parametrize("host", ["127.0.0.1", GROUP])
def test_gstreamer(host: str, sources: dict[str, Path], tmp_path: Path) -> None:
    port = port_pair()
    more = [f"a=source-filter: incl IN IP4 {host} 127.0.0.1"] if host == GROUP else []
    sdp = describe(tmp_path / "cam.sdp", host, port, "h264", *more)
    with gstreamer(sources["h264"], "h264", host, port):
        played = play("sdp", str(sdp), "h264", clock=True, **({"interface": "lo"} if host == GROUP else {}))
    check(played, sources["h264"], "h264")
    assert played.stats["camera_clock_error_ms"] is not None


def test_a_sender_that_comes_late_and_comes_back(sources: dict[str, Path], tmp_path: Path) -> None:
    port = port_pair()
    sdp = describe(tmp_path / "cam.sdp", "127.0.0.1", port, "h264")
    output = ["-f", "rtp", f"rtp://127.0.0.1:{port}?pkt_size=1300"]
    with vigie.Engine() as engine:
        engine.apply(snapshot("sdp", str(sdp), first_picture_deadline_s=1, silence_limit_s=1))
        states = (event.state for event in engine.events(60))
        assert "backing_off" in states
        for _ in range(2):
            with ffmpeg(sources["h264"], *output):
                assert "playing" in states
            assert "silent" in states


def test_the_yaml_and_the_probe_know_the_form(sources: dict[str, Path], tmp_path: Path) -> None:
    port = port_pair()
    describe(tmp_path / "cam.sdp", "127.0.0.1", port, "h264")
    (tmp_path / "town.yaml").write_text(
        'kind: Server\nname: here\nspec: {rtsp: [{listen: "127.0.0.1:0", access: open}]}\n---\n'
        'kind: Camera\nname: cam\nspec: {streams: {main: {url: "sdp:cam.sdp"}}}\n',
        encoding="utf-8",
    )
    stream = compile_snapshot(load_town([tmp_path / "town.yaml"]), 1).snapshot["cameras"][0]["streams"][0]
    assert (stream["kind"], stream["url"]) == ("sdp", str(tmp_path / "cam.sdp"))
    with ffmpeg(sources["h264"], "-f", "rtp", f"rtp://127.0.0.1:{port}?pkt_size=1300"):
        result = CliRunner().invoke(app, [f"sdp:{tmp_path / 'cam.sdp'}", "--seconds", "2"])
    assert result.exit_code == 0, result.output
    assert "over rtp" in result.output
    refused = CliRunner().invoke(app, [f"sdp:{tmp_path / 'cam.sdp'}", "--record", str(tmp_path / "x.json")])
    assert refused.exit_code == 2
    assert "no dialogue" in refused.output
    missing = CliRunner().invoke(app, [f"sdp:{tmp_path / 'none.sdp'}"])
    assert missing.exit_code == 1
    assert "none.sdp" in missing.output


def test_frames_per_second_are_the_clips(sources: dict[str, Path], tmp_path: Path) -> None:
    port = port_pair()
    sdp = describe(tmp_path / "cam.sdp", "0.0.0.0", port, "h265", "a=rtcp-mux")
    url = f"rtp://127.0.0.1:{port}?pkt_size=1300&rtcpport={port}"
    with ffmpeg(sources["h265"], "-f", "rtp", url):
        played = play("sdp", str(sdp), "h265", units=2 * clips.FPS, clock=True)
    check(played, sources["h265"], "h265")
    assert played.stats["camera_clock_error_ms"] is not None, "reports came to the same port"
    assert played.stats["quirks"] == []
