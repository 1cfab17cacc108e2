"""Cameras whose clocks are wrong in every known way, from the sender report to whoever reads a time (R-1, R-2)."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

import vigie
from e2e.raw_rtsp import RawClient
from vigie.bench.servers import free_port
from vigie.probe.measure import UnitFacts
from vigie.probe.report import make_report
from vigie.probe.run import make_target, run_probe
from vigie.sim import SimProcess

SECONDS = 12.0
LATE_S = 7.0
JUMP_AT_S, JUMP_S = 5.0, -90.0
_NTP_1970 = 2_208_988_800
_S = 1_000_000_000

# The camera's number -> its clock, as the simulator's faults.
CLOCKS: dict[str, dict[str, Any] | None] = {
    "right": None,
    "drift": {"kind": "clock", "ppm": 2000},
    "zone": {"kind": "clock_jump", "wall_seconds": 2 * 3600},
    "slow": {"kind": "clock_jump", "wall_seconds": -7.5},
    "unix": {"kind": "clock", "text": "since-1970"},
    "zero": {"kind": "clock", "text": "zero"},
    "never": {"kind": "no_reports"},
    "late": {"kind": "no_reports"},
    "jump": None,
}
NAMES = list(CLOCKS)


@dataclass
class Seen:
    """What came of one camera. `reports`: NTP time (ns since 1970) in a viewer's sender reports, and when they came."""

    units: list[UnitFacts] = field(default_factory=list)
    reports: list[tuple[int, int]] = field(default_factory=list)
    stats: dict[str, Any] = field(default_factory=dict)
    source: dict[str, Any] = field(default_factory=dict)
    alarms: list[str] = field(default_factory=list)
    probe: dict[str, Any] = field(default_factory=dict)

    @property
    def offsets_s(self) -> list[float]:
        """Capture time less arrival time, of each unit."""
        return [(unit.capture_ns - unit.arrival_wall_ns) / _S for unit in self.units]

    @property
    def qualities(self) -> set[str]:
        """Of all units."""
        return {unit.clock_quality for unit in self.units}


def _take(subscription: vigie.Subscription, seen: Seen, deadline: float) -> None:
    while (left := deadline - time.monotonic()) > 0:
        unit = subscription.next(left)
        if unit is None:
            return
        with unit:
            facts = UnitFacts.of(unit)
        seen.units.append(facts)


def _view(port: int, name: str, seen: Seen, deadline: float) -> None:
    with RawClient(port) as viewer:
        assert viewer.watch(name).status == 200
        viewer.read_for(deadline - time.monotonic())
        offset = time.time_ns() - time.monotonic_ns()
        for packet in viewer.packets:
            if packet.channel == 1 and packet.data[1] == 200:
                ntp = int.from_bytes(packet.data[8:16], "big")
                nanoseconds = ((ntp >> 32) - _NTP_1970) * _S + ((ntp & 0xFFFFFFFF) * _S >> 32)
                seen.reports.append((nanoseconds, packet.came_ns + offset))


@pytest.fixture(scope="module")
def town() -> dict[str, Seen]:
    """All cameras in one engine, and each under a probe of its own meanwhile."""
    town = {name: Seen() for name in NAMES}
    port = free_port()
    options = ["--bitrate", "0.5", "--gop", "25", "--sr-seconds", "0.5"]
    with SimProcess(len(NAMES), options=options) as sim, vigie.Engine() as engine:
        for number, clock in enumerate(CLOCKS.values()):
            if clock is not None:
                sim.fault(cameras=[number], **clock)
        sim.clear("no_reports", cameras=[NAMES.index("late")], after=LATE_S)
        sim.fault("clock_jump", cameras=[NAMES.index("jump")], wall_seconds=JUMP_S, after=JUMP_AT_S)
        reason = {"privacy": "clear", "privacy_reason": "nobody is in a simulated picture"}
        streams = [[{"name": "main", "url": sim.url(number)}] for number in range(len(NAMES))]
        engine.apply(
            {
                "revision": 1,
                "listeners": [{"name": "local", "listen": f"127.0.0.1:{port}", "access": "open"}],
                "cameras": [
                    {"name": name, "streams": stream, **reason} for name, stream in zip(NAMES, streams, strict=True)
                ],
            }
        )
        deadline = time.monotonic() + SECONDS
        with ThreadPoolExecutor(3 * len(NAMES)) as pool:
            # The drift of a clock takes longer to see than anything else.
            probes = {
                name: pool.submit(run_probe, make_target(sim.url(number)), 24.0 if name == "drift" else SECONDS - 1)
                for number, name in enumerate(NAMES)
            }
            subscriptions = {name: engine.subscribe(name) for name in NAMES}
            waiting = [pool.submit(_take, subscriptions[name], town[name], deadline) for name in NAMES]
            waiting += [pool.submit(_view, port, name, town[name], deadline) for name in NAMES]
            for each in waiting:
                each.result()
            stats = engine.stats()["cameras"]
            for name, seen in town.items():
                seen.stats = stats[name]["streams"]["main"]
                seen.source = engine.source_report(name)
            while event := engine.next_event(0):
                if event.code == vigie.errors.CameraClockError.code:
                    town[event.object.partition("/")[0]].alarms.append(event.text)
            for name, probe in probes.items():
                town[name].probe = make_report(probe.result())
    return town


# What a camera's clock shows against ours, where it shows anything all the time.
OFFSETS = {"right": 0.0, "drift": 0.0, "zone": 7200.0, "slow": -7.5}


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_units_carry_the_cameras_time_and_how_far_to_trust_it(name: str, town: dict[str, Seen]) -> None:
    seen = town[name]
    assert len(seen.units) > 150
    last = [unit for unit in seen.units if unit.arrival_ns > seen.units[-1].arrival_ns - 2 * _S]
    offsets = [(unit.capture_ns - unit.arrival_wall_ns) / _S for unit in last]
    qualities = {unit.clock_quality for unit in last}
    if name in OFFSETS:
        assert offsets == pytest.approx([OFFSETS[name]] * len(offsets), abs=0.2)
        assert qualities == {"reported" if abs(OFFSETS[name]) < 1 else "suspect"}
    elif name in ("unix", "zero", "never"):
        assert offsets == pytest.approx([0] * len(offsets), abs=0.001), "the arrival is what is known"
        assert seen.qualities == {"none"}
    elif name == "late":
        assert qualities == {"reported"}
        assert seen.units[0].clock_quality == "none"
        first = next(unit for unit in seen.units if unit.clock_quality != "none")
        assert (first.arrival_ns - seen.units[0].arrival_ns) / _S == pytest.approx(LATE_S, abs=2)
    else:
        assert offsets == pytest.approx([JUMP_S] * len(offsets), abs=0.2)
        assert qualities == {"suspect"}
        assert seen.qualities >= {"reported", "suspect"}
    # Whatever the clock does, media time does not care.
    steps = [later.pts_90k - earlier.pts_90k for earlier, later in zip(seen.units, seen.units[1:], strict=False)]
    assert min(steps) > 0
    assert max(steps) < 2 * 3600


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_viewers_are_told_the_capture_time(name: str, town: dict[str, Seen]) -> None:
    seen = town[name]
    captured = sorted(unit.capture_ns for unit in seen.units)
    assert len(seen.reports) >= 2
    for ntp, came in seen.reports:
        nearest = min(captured, key=lambda capture: abs(capture - ntp))
        # NTP counts in steps of a quarter of a nanosecond; the report names a unit that the subscription had too.
        assert abs(nearest - ntp) < 1000, f"{(nearest - ntp) / _S} s from any picture's capture time"
        offset = (ntp - came) / _S
        if name in OFFSETS:
            assert offset == pytest.approx(OFFSETS[name], abs=1.5)
        elif name != "jump":
            assert offset == pytest.approx(0, abs=1.5)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_figures_say_how_far_the_clock_is_off(name: str, town: dict[str, Seen]) -> None:
    stream, clock = town[name].stats, town[name].source["media"]["clock"]
    assert stream["clock_quality"] == town[name].units[-1].clock_quality
    if name in ("unix", "zero", "never"):
        assert stream["camera_clock_error_ms"] is None
        assert clock["error_ms"] is None
        assert (clock["reports"] > 5) == (name != "never")
        assert clock["reports_without_time"] == clock["reports"]
        assert clock["reports_since_1970"] == (clock["reports"] if name == "unix" else 0)
        assert ("F12" in stream["quirks"]) == (name != "never")
        return
    expected = {"late": 0, "jump": JUMP_S * 1000} | {key: 1000 * value for key, value in OFFSETS.items()}
    assert stream["camera_clock_error_ms"] == pytest.approx(expected[name], abs=100)
    assert clock["quality"] == stream["clock_quality"]
    assert clock["steps"] == (1 if name == "jump" else 0)
    if name == "jump":
        assert clock["last_step_ms"] == pytest.approx(JUMP_S * 1000, abs=100)
        assert clock["rejected_reports"] == 2, "the third that agrees is believed"
        assert "I3" in stream["quirks"]
    assert stream["quirks"] == (["I3"] if name == "jump" else [])


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_clock_that_is_more_than_a_second_off_is_an_alarm(name: str, town: dict[str, Seen]) -> None:
    told = {"zone": "+7200.", "slow": "-7.", "jump": "-90."}
    assert len(town[name].alarms) == (name in told), town[name].alarms
    if name in told:
        assert told[name] in town[name].alarms[0]


# One sentence of the probe's advice; None: there is none about the clock.
ADVICE = {
    "right": None,
    "drift": "drifts by +",
    "zone": "time zone +02:00",
    "slow": "off by -7.",
    "unix": "from 1970 where NTP counts from 1900",
    "zero": "carry no time of day",
    "never": "sends no sender reports within",
    "late": "after its first picture",
    "jump": "set to another time once during the run (by -90.",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_probe_says_what_to_do_about_it(name: str, town: dict[str, Seen]) -> None:
    report = town[name].probe
    advice = " | ".join(report["advice"])
    if (wanted := ADVICE[name]) is None:
        assert "clock" not in advice
        assert "report" not in advice
    else:
        assert wanted in advice
    assert ("time zone" in advice) == (name == "zone")
    clock = report["figures"]["clock"]
    if name == "drift":
        assert clock["drift_ppm"] == pytest.approx(2000, rel=0.25)
    if name in ("right", "drift", "late"):
        assert clock["quality"] == "reported"
        assert clock["offset_ms"] == pytest.approx(0, abs=100)
