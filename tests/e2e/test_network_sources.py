"""Cameras that speak no RTSP, played by FFmpeg: every coded slice arrives, in order, with times that grow."""

import contextlib
import functools
import http.server
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import vigie
from e2e import clips
from e2e.taking import UNITS, check, ffmpeg, make_sources, play, snapshot
from vigie.bench.servers import free_port


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A clip a codec."""
    return make_sources(tmp_path_factory.mktemp("clips"))


@contextlib.contextmanager
def web_server(folder: Path) -> Iterator[int]:
    """The port of an HTTP server for a folder."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_mpegts_over_udp(codec: str, sources: dict[str, Path]) -> None:
    url = f"udp://127.0.0.1:{free_port(socket.SOCK_DGRAM)}"
    with ffmpeg(sources[codec], "-f", "mpegts", f"{url}?pkt_size=1316"):
        check(play("network", url, codec), sources[codec], codec)


def test_mpegts_over_multicast(sources: dict[str, Path]) -> None:
    url = f"udp://239.255.77.77:{free_port(socket.SOCK_DGRAM)}?localaddr=127.0.0.1"
    with ffmpeg(sources["h264"], "-f", "mpegts", f"{url}&pkt_size=1316&ttl=0"):
        check(play("network", url, "h264"), sources["h264"], "h264")


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_srt_with_a_passphrase(codec: str, sources: dict[str, Path]) -> None:
    url = f"srt://127.0.0.1:{free_port(socket.SOCK_DGRAM)}"
    output = f"{url}?mode=listener&passphrase=a%20long%20passphrase".replace("%20", "-")
    with ffmpeg(sources[codec], "-f", "mpegts", output):
        check(play("network", url, codec, password="a-long-passphrase"), sources[codec], codec)


def test_rtmp(sources: dict[str, Path]) -> None:
    url = f"rtmp://127.0.0.1:{free_port()}/live/cam"
    with ffmpeg(sources["h264"], "-f", "flv", "-listen", "1", url):
        played = play("network", url, "h264")
    check(played, sources["h264"], "h264")


def test_hls(sources: dict[str, Path], tmp_path: Path) -> None:
    output = ["-f", "hls", "-hls_time", "1", "-hls_list_size", "6", "-hls_flags", "delete_segments"]
    with ffmpeg(sources["h264"], *output, str(tmp_path / "live.m3u8")), web_server(tmp_path) as port:
        deadline = time.monotonic() + 15
        while not (tmp_path / "live.m3u8").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        played = play("network", f"http://127.0.0.1:{port}/live.m3u8", "h264")
    check(played, sources["h264"], "h264")


def test_a_file_behind_http_is_played_in_real_time(sources: dict[str, Path]) -> None:
    with web_server(sources["h264"].parent) as port:
        began = time.monotonic()
        played = play("network", f"http://127.0.0.1:{port}/clip.mp4", "h264")
    assert time.monotonic() - began > (UNITS - 10) / clips.FPS
    check(played, sources["h264"], "h264")


def test_a_playlist_leads_into_no_file_of_this_machine(tmp_path: Path, sources: dict[str, Path]) -> None:
    secret = tmp_path / "secret.ts"
    command = ["ffmpeg", "-v", "error", "-nostdin", "-r", str(clips.FPS), "-i", str(sources["h264"]), "-c", "copy"]
    subprocess.run([*command, str(secret)], check=True)
    web = tmp_path / "web"
    web.mkdir()
    (web / "trap.m3u8").write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nfile://{secret}\n#EXT-X-ENDLIST\n", encoding="ascii"
    )
    with web_server(web) as port, vigie.Engine() as engine:
        engine.apply(snapshot("network", f"http://127.0.0.1:{port}/trap.m3u8"))
        first = next(event for event in engine.events(30) if event.state in ("playing", "backing_off"))
    assert first.state == "backing_off"


def test_who_does_not_answer_is_a_fault_that_shows_no_secret() -> None:
    url = f"rtmp://127.0.0.1:{free_port()}/live?key=s3cret"
    with vigie.Engine() as engine:
        engine.apply(snapshot("network", url, username="ops", password="hidden-word"))
        fault = next(event for event in engine.events(30) if event.state == "backing_off")
        texts = str(fault) + str(engine.stats()) + str(engine.source_report("cam"))
    assert "127.0.0.1" in fault.text
    assert "s3cret" not in texts
    assert "hidden-word" not in texts


def test_closing_does_not_wait_for_a_peer_that_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        engine = vigie.Engine()
        engine.apply(snapshot("network", f"http://127.0.0.1:{silent.getsockname()[1]}/live.ts"))
        time.sleep(0.5)
        began = time.monotonic()
        engine.close()
        assert time.monotonic() - began < 3
