"""`vigie probe` against simulated cameras and a small ONVIF service."""

import base64
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from vigie.errors import InvalidArgumentError
from vigie.probe import onvif
from vigie.probe.cli import app
from vigie.probe.fixture import FORMAT
from vigie.probe.run import Target, make_target
from vigie.sim.process import SimProcess

SECRET = "p%40ss word"


def probe(*arguments: str) -> tuple[int, dict[str, object], str]:
    """Exit code, report and everything that was printed."""
    result = CliRunner().invoke(app, [*arguments, "--json", "--no-onvif"])
    start = result.stdout.index("{")
    return result.exit_code, json.loads(result.stdout[start:]), result.output


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_camera_that_plays(transport: str) -> None:
    with SimProcess(options=["--fps", "20", "--gop", "10"]) as sim:
        code, report, _ = probe(sim.url(0), "--seconds", "2", "--transport", transport)
    assert code == 0
    assert report["good"] is True
    assert report["transport"] == transport
    figures = report["figures"]
    assert isinstance(figures, dict)
    assert figures["fps"] == pytest.approx(20, rel=0.1)
    assert figures["gop"]["units_median"] == 10
    assert report["track"]["codec"] == "H264"  # type: ignore[index]
    assert report["quirks"] == {}


def test_a_camera_that_is_not_there_is_a_result_too() -> None:
    code, report, _ = probe("rtsp://127.0.0.1:1/none", "--seconds", "1")
    assert code == 1
    assert report["good"] is False
    assert "Connection refused" in str(report["fault"])
    assert report["figures"] is None


def test_credentials_are_taken_out_of_the_url_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    target = make_target("rtsp://ops:p%2540ss%20word@127.0.0.1:1/x?y=1")
    assert (target.url, target.username, target.password) == ("rtsp://127.0.0.1:1/x?y=1", "ops", SECRET)
    monkeypatch.setenv("PROBE_PASSWORD", SECRET)
    _, report, output = probe("rtsp://127.0.0.1:1/x", "--username", "ops", "--password", "env:PROBE_PASSWORD")
    assert SECRET not in output + json.dumps(report)


def test_wrong_arguments_say_what_would_be_right() -> None:
    with pytest.raises(InvalidArgumentError, match=r"network source.*right would be rtsp\(s\)://host/path or sdp:path"):
        make_target("http://camera/")
    with pytest.raises(InvalidArgumentError) as raised:
        make_target("rtsp://ops:hidden@host:99999/")
    assert "hidden" not in str(raised.value)
    refused = CliRunner().invoke(app, ["rtsp://h/", "--password", "hidden"])
    assert isinstance(refused.exception, InvalidArgumentError)
    assert "env:NAME" in str(refused.exception)
    assert "hidden" not in str(refused.exception)


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_what_was_recorded_can_be_probed_offline(
    transport: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "device.json"
    monkeypatch.setenv("PROBE_PASSWORD", SECRET)
    options = ["--fps", "20", "--gop", "10", "--user", "ops", "--password", SECRET]
    with SimProcess(options=options) as sim:
        arguments = [
            "--seconds",
            "2",
            "--transport",
            transport,
            "--username",
            "ops",
            "--password",
            "env:PROBE_PASSWORD",
        ]
        _, first, _ = probe(sim.url(0), *arguments, "--record", str(path))
    assert first["good"] is True
    text = path.read_text(encoding="utf-8")
    assert SECRET not in text
    code, again, _ = probe("--replay", str(path))
    assert code == 0
    assert again["transport"] == transport
    for field in ("track", "quirks", "url"):
        assert again[field] == first[field]
    for field in ("methods", "timeout_s", "authentication"):
        assert again["session"][field] == first["session"][field]  # type: ignore[index]
    assert again["figures"]["gop"]["units_median"] == 10  # type: ignore[index]
    assert again["figures"]["fps"] == pytest.approx(20, rel=0.15)  # type: ignore[index]


@pytest.mark.parametrize("quirk", ["E1", "E2", "E3", "E4", "E5", "E6", "E9", "E1,E6", "E2,E4", "J1"])
def test_a_recording_holds_errors_of_framing(quirk: str, tmp_path: Path) -> None:
    path = tmp_path / "device.json"
    options = ["--quirk", quirk, "--sr-seconds", "1", "--bitrate", "0.5", "--gop", "25"]
    with SimProcess(options=options) as sim:
        transport = "udp" if quirk == "J1" else "tcp"
        _, first, _ = probe(sim.url(0), "--seconds", "3.5", "--transport", transport, "--record", str(path))
    assert set(first["quirks"]) == set(quirk.split(","))  # type: ignore[call-overload]
    code, again, _ = probe("--replay", str(path))
    assert code == 0
    assert again["quirks"] == first["quirks"]
    assert again["figures"]["units"] == pytest.approx(first["figures"]["units"], abs=15)  # type: ignore[index]
    # Of what is no packet of the track only the length is there.
    for packet in json.loads(path.read_text(encoding="utf-8"))["packets"]:
        if packet.get("kind"):
            assert set(base64.b64decode(packet["base64"])) == {0xAA}


def test_a_recording_shows_no_picture(tmp_path: Path) -> None:
    path = tmp_path / "device.json"
    with SimProcess() as sim:
        probe(sim.url(0), "--seconds", "1", "--record", str(path))
    packets = json.loads(path.read_text(encoding="utf-8"))["packets"]
    media = [base64.b64decode(packet["base64"]) for packet in packets if not packet["rtcp"]]
    large = [packet for packet in media if len(packet) > 500]
    assert large
    assert all(packet.count(0xAA) >= len(packet) - 12 - 32 for packet in large)


def recording(packet: dict[str, object]) -> str:
    """A recording of one packet."""
    return json.dumps({"format": FORMAT, "url": "rtsp://h/", "transport": "tcp", "dialogue": [], "packets": [packet]})


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "No such file"),
        ("{", "not JSON"),
        ('{"format": "x"}', "vigie-probe/1"),
        ('{"format": 1}', "vigie-probe/1"),
        (recording({"at_us": 0, "rtcp": False, "base64": "", "kind": "noise"}), "kind 'noise'"),
        (recording({"at_us": 0, "rtcp": False, "base64": "", "kind": "stray", "channel": 256}), "channel 256"),
        (recording({"at_us": 0, "rtcp": False, "base64": "AAAA" * 22000}), "66000 bytes"),
    ],
)
def test_a_recording_that_is_none_says_so(content: str | None, says: str, tmp_path: Path) -> None:
    path = tmp_path / "device.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    result = CliRunner().invoke(app, ["--replay", str(path)])
    assert isinstance(result.exception, InvalidArgumentError)
    assert says in str(result.exception)


class Device(BaseHTTPRequestHandler):
    """Answers as an ONVIF device whose clock is two minutes slow; wants credentials for all but its clock."""

    offset = timedelta(minutes=-2)
    seen: list[str]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.seen.append(body)
        if "GetSystemDateAndTime" in body:
            now = datetime.now(UTC) + self.offset
            date = f"<tt:Year>{now.year}</tt:Year><tt:Month>{now.month}</tt:Month><tt:Day>{now.day}</tt:Day>"
            clock = (
                f"<tt:Hour>{now.hour}</tt:Hour><tt:Minute>{now.minute}</tt:Minute><tt:Second>{now.second}</tt:Second>"
            )
            self._answer(200, f"<tt:UTCDateTime><tt:Time>{clock}</tt:Time><tt:Date>{date}</tt:Date></tt:UTCDateTime>")
        elif "UsernameToken" in body:
            self._answer(200, "<tds:Manufacturer>Acme</tds:Manufacturer><tds:Model>Dome 7</tds:Model>")
        else:
            self._answer(400, "<s:Fault>NotAuthorized</s:Fault>")

    def log_message(self, *_: object) -> None:
        """Says nothing."""

    def _answer(self, status: int, body: str) -> None:
        text = f"<s:Envelope><s:Body>{body}</s:Body></s:Envelope>".encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


@pytest.fixture
def device() -> Iterator[tuple[int, list[str]]]:
    """The port of such a device, and what it was asked."""
    Device.seen = []
    server = HTTPServer(("127.0.0.1", 0), Device)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port, Device.seen
    server.shutdown()
    thread.join()
    server.server_close()


def test_onvif_facts_and_the_devices_clock(device: tuple[int, list[str]]) -> None:
    port, seen = device
    facts = onvif.ask(Target("rtsp://127.0.0.1/x", "ops", SECRET), port=port)
    assert facts is not None
    assert facts["Model"] == "Dome 7"
    assert facts["clock_offset_s"] == pytest.approx(-120, abs=2)
    assert SECRET not in "".join(seen), "the password itself never leaves"
    stamp = (datetime.now(UTC) + Device.offset).strftime("%Y-%m-%dT%H:%M")
    assert stamp in seen[1] or (datetime.now(UTC) + Device.offset - timedelta(seconds=5)).strftime("T%H:%M") in seen[1]


def test_without_credentials_only_the_clock_is_known(device: tuple[int, list[str]]) -> None:
    facts = onvif.ask(Target("rtsp://127.0.0.1/x"), port=device[0])
    assert facts is not None
    assert set(facts) == {"clock_offset_s"}


def test_no_onvif_service_is_nothing() -> None:
    assert onvif.ask(Target("rtsp://127.0.0.1/x"), port=1) is None
