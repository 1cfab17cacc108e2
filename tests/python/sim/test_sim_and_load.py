"""Simulated cameras watched by simulated viewers, directly: the two must agree to the packet."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from vigie.errors import InvalidArgumentError
from vigie.load import FAULTS, run_load
from vigie.sim import SimProcess

QUICK = ["--bitrate", "1"]


def watch(sim: SimProcess, **more: Any) -> dict[str, Any]:
    values: dict[str, Any] = {"cameras": sim.cameras, "ramp": 0.2, "warm_up": 0.3, "seconds": 2, **more}
    return run_load(sim.url_template, **values)


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("codec", ["h264", "h265", "mjpeg"])
def test_a_sound_camera_is_perfect(transport: str, codec: str) -> None:
    with SimProcess(3, options=[*QUICK, "--codec", codec]) as sim:
        result = watch(sim, viewers=2, transport=transport)
        stats = sim.stats()
    assert result["all_ready"]
    assert {name: result[name] for name in FAULTS} == dict.fromkeys(FAULTS, 0)
    assert result["units"] == result["stamped_units"]
    assert result["units"] == pytest.approx(3 * 2 * 25 * result["window_s"], rel=0.05)
    assert result["latency_ms"]["negative"] == 0
    assert 0 < result["latency_ms"]["p50"] < 50
    assert stats["units"] >= result["units"] / 2
    if codec != "mjpeg":
        assert result["keyframes"] < result["units"] / 10


def test_lost_packets_are_counted_exactly() -> None:
    with SimProcess(2, options=[*QUICK, "--fault", '{"fault": "loss", "every": 37}']) as sim:
        result = watch(sim, transport="udp")
        # Over TCP the same packets are left out before they are sent.
        over_tcp = watch(sim)
        stats = sim.stats()
    for each in (result, over_tcp):
        # What came and what did not are consecutive numbers, of which every 37th is missing.
        offered = each["packets"] + each["lost_packets"]
        assert each["lost_packets"] == pytest.approx(offered / 37, abs=4)
        assert each["damaged_units"] + each["units_without_marker"] > 0
    assert stats["dropped_packets"] == pytest.approx(stats["packets"] / 37, abs=4)


def test_reordered_and_repeated_packets_lose_nothing() -> None:
    with SimProcess(1, options=QUICK) as sim:
        sim.fault("reorder", every=11)
        sim.fault("duplicate", every=50)
        result = watch(sim, transport="udp")
        stats = sim.stats()
    assert stats["reordered_packets"] > 10
    assert stats["duplicated_packets"] > 2
    assert result["reordered_packets"] == pytest.approx(result["packets"] / 11, rel=0.3)
    assert result["repeated_packets"] > 0
    assert result["lost_packets"] == 0
    assert result["missing_units"] == 0
    assert result["damaged_units"] == 0


def test_silence_ends_and_nothing_is_missing() -> None:
    with SimProcess(2, options=QUICK) as sim:
        sim.fault("silence", seconds=1.5, after=1, cameras=[1])
        result = watch(sim, seconds=3)
        stats = sim.stats(per_camera=True)
    units = [camera["units"] for camera in stats["per_camera"]]
    # The second viewer came 0.1 s after the first.
    assert units[0] - units[1] == pytest.approx(1.6 * 25, abs=5)
    assert result["missing_units"] == 0
    assert result["disconnects"] == 0


def test_a_restarted_camera_comes_back() -> None:
    with SimProcess(2, options=QUICK) as sim:
        sim.fault("restart", seconds=0.5, after=1.2, cameras=[0])
        result = watch(sim, seconds=4)
        stats = sim.stats()
    assert result["disconnects"] == 1
    assert result["connects"] >= 3
    assert result["playing"] == 2
    assert stats["connections"] == result["connects"]


@pytest.mark.parametrize("auth", ["md5", "sha256", "both"])
def test_digest(auth: str) -> None:
    options = [*QUICK, "--user", "ops", "--password", "right", "--auth", auth]
    with SimProcess(1, options=options) as sim:
        good = watch(sim, seconds=0.5, options=["--user", "ops", "--password", "right"])
        bad = watch(sim, seconds=0.3, options=["--user", "ops", "--password", "wrong", "--ready-timeout", "0.5"])
        stats = sim.stats()
    assert good["all_ready"]
    assert not bad["all_ready"]
    assert "401" in bad["last_failure"]
    assert stats["unauthorized"] >= 3


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"kind": "status", "status": 453}, "453"),
        ({"kind": "auth"}, "401"),
        ({"kind": "slow", "delay_ms": 60000}, ""),
        ({"kind": "huge_length", "text": "body"}, "no RTSP"),
    ],
)
def test_a_faulty_camera_refuses_only_its_own_viewers(fault: dict[str, Any], said: str) -> None:
    kind = fault.pop("kind")
    with SimProcess(2, options=QUICK) as sim:
        sim.fault(kind, cameras=[1], **fault)
        result = watch(sim, seconds=1, options=["--ready-timeout", "1"])
        assert not result["all_ready"]
        assert result["with_picture"] == 1
        assert said in result["last_failure"]
        sim.clear(kind)
        assert watch(sim, seconds=0.5)["all_ready"]


def test_garbage_and_huge_frames_are_seen_by_the_viewer() -> None:
    with SimProcess(2, options=QUICK) as sim:
        sim.fault("huge_length", text="frame", cameras=[0], after=1)
        sim.fault("garbage", bytes=5000, cameras=[1], after=1)
        result = watch(sim, seconds=3)
    # 65535 bytes of media went into one frame that is no packet of the row; the garbage broke the framing.
    assert result["lost_packets"] + result["missing_units"] + result["disconnects"] > 0


def test_an_endless_unit_never_completes() -> None:
    with SimProcess(1, options=QUICK) as sim:
        sim.fault("endless_unit")
        result = watch(sim, seconds=0.5, options=["--ready-timeout", "1"])
    assert not result["all_ready"]
    assert result["units"] == 0
    assert result["packets"] > 0


def test_a_clock_jump_shows_as_time_that_does_not_follow() -> None:
    with SimProcess(1, options=QUICK) as sim:
        sim.fault("clock_jump", ticks=-900000, after=1)
        result = watch(sim, seconds=2)
    assert result["timestamps_not_following"] == 1
    assert result["missing_units"] == 0


def test_stalled_viewers_do_not_disturb_the_others() -> None:
    with SimProcess(1, options=["--bitrate", "8"]) as sim:
        result = watch(sim, viewers=4, seconds=4, options=["--stalled", "0.25"])
        stats = sim.stats()
    assert result["stalled_viewers"] == 1
    assert result["with_picture"] == 3
    assert result["missing_units"] == 0
    assert result["units"] == pytest.approx(3 * 25 * result["window_s"], rel=0.05)
    assert stats["sessions"] == 0


def test_churn_reconnects_and_stays_sound() -> None:
    with SimProcess(4, options=[*QUICK, "--idr-on-play"]) as sim:
        result = watch(sim, seconds=3, options=["--churn", "0.5"])
    assert result["connects"] > 10
    assert result["missing_units"] == 0
    assert result["failures"] == 0


def test_a_viewer_starts_with_a_keyframe_only_where_the_camera_makes_one() -> None:
    with SimProcess(8, options=[*QUICK, "--idr-on-play"]) as sim:
        assert watch(sim, seconds=0.2)["began_without_keyframe"] == 0
    with SimProcess(8, options=QUICK) as sim:
        assert watch(sim, seconds=0.2)["began_without_keyframe"] > 0


def test_a_silent_session_times_out_and_keep_alives_hold_it() -> None:
    with SimProcess(1, options=[*QUICK, "--session-timeout", "0"]) as sim:
        kept = watch(sim, seconds=7, options=["--keep-alive", "1"])
        cut = watch(sim, seconds=7, options=["--keep-alive", "60"])
    assert kept["disconnects"] == 0
    assert cut["disconnects"] >= 1


def test_commands_that_are_wrong_are_refused() -> None:
    with SimProcess(1, options=QUICK) as sim:
        with pytest.raises(InvalidArgumentError):
            sim.fault("flood")
        assert sim.stats()["cameras"] == 1
    with pytest.raises(InvalidArgumentError):
        sim.stats()


@pytest.mark.parametrize("options", [["--colour", "red"], ["--fps", "x"], ["--file", "/nowhere.h264"]])
def test_options_that_are_wrong_end_the_program(options: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InvalidArgumentError):
        SimProcess(1, options=options)
    assert "error:" in capfd.readouterr().err


def test_the_simulator_ends_with_its_parents_pipe() -> None:
    sim = SimProcess(1, options=QUICK)
    process = sim._process
    assert process.stdin is not None
    process.stdin.close()
    process.stdin = None
    deadline = time.monotonic() + 5
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert process.poll() == 0
    sim.stop()


def runs(pid: int) -> bool:
    """Whether a process runs; one that ended and that whoever takes over orphans has left unburied does not."""
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except OSError:  # also while it is read
        return False


def test_children_do_not_outlive_a_parent_that_is_killed() -> None:
    # A child that would not notice by itself: the simulator ends with its pipe anyway.
    code = (
        "import time; from vigie import _native\n"
        "child = _native.start(['sh', '-c', 'echo; exec sleep 60']); child.stdout.readline()\n"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert runs(child)
        parent.kill()
    deadline = time.monotonic() + 5
    while runs(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not runs(child)


def test_cpus_are_the_childs_alone() -> None:
    before = os.sched_getaffinity(0)
    one = {min(before)}
    with SimProcess(1, options=QUICK, cpus=one) as sim:
        assert os.sched_getaffinity(sim._process.pid) == one
        assert os.sched_getaffinity(0) == before
