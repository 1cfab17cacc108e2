"""The command `vigie load`, and what it says of streams that are not sound."""

import json

import pytest
from typer.testing import CliRunner

from vigie.errors import InvalidArgumentError
from vigie.load import app, run_load
from vigie.sim import SimProcess

OPTIONS = ["--ramp", "0.1", "--warm-up", "0.2", "--seconds", "1", "--json"]


def test_it_succeeds_on_a_sound_camera_and_fails_on_loss() -> None:
    with SimProcess(2, options=["--bitrate", "1"]) as sim:
        good = CliRunner().invoke(app, [sim.url_template, "--cameras", "2", "--viewers", "2", *OPTIONS])
        assert good.exit_code == 0, good.output
        result = json.loads(good.stdout)
        assert result["viewers"] == 4
        assert result["with_picture"] == 4
        sim.fault("loss", percent=5)
        bad = CliRunner().invoke(app, [sim.url_template, "--cameras", "2", *OPTIONS])
        assert bad.exit_code == 1
        assert json.loads(bad.stdout)["lost_packets"] > 0


def test_another_cameras_picture_is_noticed() -> None:
    with SimProcess(2, options=["--bitrate", "1"]) as sim:
        result = run_load(sim.url(1), ramp=0, warm_up=0.2, seconds=0.5)
        assert result["wrong_camera_units"] == result["units"] > 0
        result = run_load(sim.url(1), ramp=0, warm_up=0.2, seconds=0.5, options=["--any-camera"])
        assert result["wrong_camera_units"] == 0


def test_events_come_in_order() -> None:
    seen: list[str] = []
    with SimProcess(1, options=["--bitrate", "1"]) as sim:
        run_load(sim.url_template, ramp=0, warm_up=0.2, seconds=0.5, on_event=lambda e: seen.append(e["event"]))
    told = [event for event in seen if event != "progress"]
    assert told == ["warm-up", "window-begin", "window-end"]


@pytest.mark.parametrize(("template", "options"), [("", []), ("rtsp://127.0.0.1:1/x", ["--transport", "pigeon"])])
def test_wrong_options_say_why(template: str, options: list[str]) -> None:
    with pytest.raises(InvalidArgumentError, match=r"--url-template|--transport"):
        run_load(template, options=options)


def test_an_absent_server_is_a_result_not_a_crash() -> None:
    result = run_load("rtsp://127.0.0.1:9/cam", ramp=0, warm_up=0, seconds=0.3, options=["--ready-timeout", "0.2"])
    assert not result["all_ready"]
    assert "connect" in result["last_failure"]
    result = run_load("rtsp://localhost/cam", ramp=0, warm_up=0, seconds=0.3, options=["--ready-timeout", "0.2"])
    assert "numeric" in result["last_failure"]
