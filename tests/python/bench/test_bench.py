"""`vigie bench live`: options, figures from /proc, the table, and a small run against the cameras themselves."""

import json
import os
import time
from pathlib import Path

import pytest
import yaml
from rich.console import Console
from typer.testing import CliRunner

from vigie.bench import live, servers, table
from vigie.bench.cli import app, parse_case
from vigie.bench.process_figures import cpu_seconds, cpus_of, rss_bytes
from vigie.errors import InvalidArgumentError, NotFoundError


def test_cases_are_read_or_refused() -> None:
    assert parse_case("100x5") == live.Case(100, 5)
    for text in ("", "100", "0x5", "5x0", "-1x2", "100x5x2", "axb"):
        with pytest.raises(InvalidArgumentError):
            parse_case(text)


def test_against_is_read_or_refused() -> None:
    other = servers.parse_against("peer=rtsp://127.0.0.1:8654/cam{n:03d}@4711")
    assert other == servers.OtherServer("peer", "rtsp://127.0.0.1:8654/cam{n:03d}", 4711)
    for text in (
        "rtsp://127.0.0.1:8654/cam{n}@1",
        "peer=rtsp://127.0.0.1:8654/cam@1",
        "peer=rtsp://127.0.0.1:8654/cam{n}",
        "peer=rtsp://192.0.2.1:8654/cam{n}@1",
        "peer=rtsp://camera.example:8654/cam{n}@1",
    ):
        with pytest.raises(InvalidArgumentError):
            servers.parse_against(text)


def test_cpu_and_memory_of_a_process() -> None:
    before = cpu_seconds(os.getpid())
    end = time.process_time() + 0.2
    while time.process_time() < end:
        pass
    assert cpu_seconds(os.getpid()) - before == pytest.approx(0.2, abs=0.1)
    assert 5e6 < rss_bytes(os.getpid()) < 5e9
    assert cpus_of(os.getpid()) == os.sched_getaffinity(0)
    for read in (cpu_seconds, rss_bytes, cpus_of):
        with pytest.raises(NotFoundError):
            read(2**22 + 1)  # type: ignore[operator]


def test_the_engines_objects_are_what_the_policy_accepts() -> None:
    from vigie.policy.objects import Camera, Server

    text = servers.engine_yaml(8554, "rtsp://127.0.0.1:9000/cam{n:03d}", 3, "udp")
    server, *cameras = yaml.safe_load_all(text)
    Server.model_validate(server)
    assert [Camera.model_validate(camera).name for camera in cameras] == ["cam000", "cam001", "cam002"]
    assert cameras[2]["spec"]["streams"]["main"] == {"url": "rtsp://127.0.0.1:9000/cam002", "transport": "udp"}


def measured(server: str, cpu: float, **fields: float) -> live.Measurement:
    found = live.Measurement(server, 100, 5, cpu_cores=cpu, offered_units=1000, received_units=1000)
    for name, value in fields.items():
        setattr(found, name, value)
    return found


def test_the_median_keeps_every_rounds_losses() -> None:
    rounds = [measured("a", 0.5, lost_units=3), measured("a", 0.1), measured("a", 0.3, damaged_units=1)]
    chosen = live.median_of(rounds)
    assert chosen.cpu_cores == 0.3
    assert (chosen.lost_units, chosen.damaged_units, chosen.received_units) == (3, 1, 3000)
    assert live.median_of([measured("a", 0.2)]).cpu_cores == 0.2


def test_the_table_shows_the_ratio_and_what_is_wrong() -> None:
    results = [[measured("vigie", 0.2), measured("peer", 0.5, lost_units=7)]]
    console = Console(width=200, record=True, file=open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    console.print(table.make_table(results, live.Load()))
    text = console.export_text()
    peer = next(line for line in text.splitlines() if "peer" in line)
    assert "0.40" in peer
    assert " 7 " in peer
    assert table.sound(results[0][0])
    assert not table.sound(results[0][1])
    assert not table.sound(measured("vigie", 0.2, received_units=900))
    assert not table.sound(measured("vigie", 0.2, received_units=0, offered_units=0))
    late = measured("vigie", 0.2, sim_late_units=50)
    assert "late" in table.problems([[late]])[0]


def test_a_run_against_a_server_that_already_runs(tmp_path: Path) -> None:
    """The cameras' own program stands in for the other server: the figures must be those of a perfect relay."""
    port = servers.free_port()
    cpu = str(min(os.sched_getaffinity(0)))
    options = ["live", "--no-own", "--case", "3x2", "--seconds", "1", "--warm-up", "0.3", "--bitrate", "1"]
    options += ["--sim-port", str(port), "--engine-cpus", cpu, "--load-cpus", cpu, "--json"]
    options += ["--against", f"cameras=rtsp://127.0.0.1:{port}/cam{{n:03d}}@{os.getpid()}"]
    ended = CliRunner().invoke(app, options)
    assert ended.exit_code == 0, ended.output
    found = json.loads(ended.stdout)["cases"][0][0]
    assert (found["server"], found["cameras"], found["viewers"]) == ("cameras", 3, 2)
    assert found["ready"]
    assert found["lost_units"] == found["damaged_units"] == found["other_faults"] == 0
    assert found["received_units"] == pytest.approx(3 * 2 * 25, rel=0.1)
    assert found["received_units"] == pytest.approx(found["offered_units"], abs=12)
    assert found["rss_bytes"] > 0


def test_against_needs_to_know_where_the_cameras_are() -> None:
    ended = CliRunner().invoke(app, ["live", "--against", f"x=rtsp://127.0.0.1:1/c{{n}}@{os.getpid()}"])
    assert isinstance(ended.exception, InvalidArgumentError)
