"""`vigie bench live`: options, figures from /proc, the table, and a small run against the cameras themselves."""

import json
import os
import time
from pathlib import Path

import pytest
import yaml
from rich.console import Console
from typer.testing import CliRunner

from vigie.bench import live, odd, servers, table
from vigie.bench.cli import app, parse_case
from vigie.bench.process_figures import cpu_seconds, cpus_of, rss_bytes
from vigie.errors import InvalidArgumentError, NotFoundError
from vigie.sim.process import SimProcess


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


def camera(quirks: str, picture_s: int, reason: str = "") -> odd.OddCamera:
    return odd.OddCamera("odd000", quirks.split(","), seconds=100, picture_s=picture_s, reason=reason)


NO_PICTURE = "waiting -> backing_off: No picture came before the first-picture deadline: none within 10.0 s"


@pytest.mark.parametrize(
    ("found", "outcome", "right"),
    [
        (camera("A1,F1", 100), "steady", True),
        (camera("A1,F1", 95), "steady", True),
        (camera("A1,F1", 94), "breaks", False),
        (camera("A1,I7", 80), "breaks", True),
        (camera("A1,D14", 0, NO_PICTURE), "none", True),
        (camera("A1,D14", 0, "connection refused"), "none", False),
        (camera("A1,D14", 0), "none", False),
        (camera("A1,F1", 0, NO_PICTURE), "none", False),
        (camera("A1,D14", 100), "steady", False),
        (camera("D14,I7", 80), "breaks", False),
    ],
)
def test_an_odd_camera_is_as_its_set_allows_or_not(found: odd.OddCamera, outcome: str, right: bool) -> None:
    assert (found.outcome, found.right) == (outcome, right)


def test_the_report_of_odd_cameras_says_why() -> None:
    plain = dict.fromkeys(odd.FAULTS, 0) | {"units": 250, "all_ready": True}
    run = odd.OddRun(100.0, 2, 7, [camera("A1,D14", 0, NO_PICTURE), camera("A1,I7", 80)], plain)
    assert run.good
    console = Console(width=250, record=True, file=open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    console.print(odd.make_odd_table(run))
    text = console.export_text()
    assert "first-picture deadline" in text
    assert "I7: 0.8 pictures a second" in text
    assert odd.odd_summary(run) == [
        "0 give pictures all the time, 1 with breaks, 1 none; all as their sets allow",
        "the plain cameras' viewers: 250 units, nothing lost",
    ]
    found = json.loads(json.dumps(run.as_json()))
    assert [(each["outcome"], each["by_nature"]) for each in found["odd"]] == [("none", []), ("breaks", ["I7"])]
    for disturbed in ({"missing_units": 3}, {"all_ready": False}):
        assert not odd.OddRun(100.0, 2, 7, run.cameras, plain | disturbed).good
    wrong = odd.OddRun(100.0, 2, 7, [camera("A1,F1", 50)], plain)
    assert not wrong.good
    assert "odd000" in odd.odd_summary(wrong)[0]


def seed_that_allows_pictures() -> int:
    """The first seed by which none of four cameras is silent or slow: those take longer than a test."""
    user, word = odd.CREDENTIALS
    for seed in range(1, 50):
        options = ["--user", user, "--password", word, "--random-quirks", "3", "--seed", str(seed)]
        with SimProcess(4, options=options) as sim:
            drawn = {quirk for ids in sim.quirks.values() for quirk in ids}
        if not drawn & (odd.REFUSALS.keys() | odd.PAUSES.keys()):
            return seed
    raise AssertionError("no seed within fifty")


def test_odd_cameras_beside_plain_ones() -> None:
    cpu, seed = str(min(os.sched_getaffinity(0))), str(seed_that_allows_pictures())
    options = ["live", "--random-quirks", "3", "--seed", seed, "--cameras", "4", "--seconds", "3", "--warm-up", "1"]
    options += ["--bitrate", "0.5", "--gop", "25", "--engine-cpus", cpu, "--load-cpus", cpu, "--json"]
    ended = CliRunner().invoke(app, options)
    assert ended.exit_code == 0, ended.output
    found = json.loads(ended.stdout)
    assert [each["name"] for each in found["odd"]] == ["odd000", "odd001", "odd002", "odd003"]
    assert all(len(each["quirks"]) == 3 for each in found["odd"])
    assert all(each["picture_s"] >= 2.5 for each in found["odd"]), found["odd"]
    assert any(each["named"] for each in found["odd"])
    assert found["disturbed"] == {}
    assert found["plain"]["units"] == pytest.approx(4 * 25 * 3, rel=0.1)


@pytest.mark.parametrize("other", [["--case", "3x1"], ["--rounds", "2"], ["--no-own"], ["--quick"]])
def test_odd_cameras_do_not_go_with_comparisons(other: list[str]) -> None:
    ended = CliRunner().invoke(app, ["live", "--random-quirks", "3", *other])
    assert isinstance(ended.exception, InvalidArgumentError)
    assert other[0] in str(ended.exception)
