"""Runs the live cases: simulated cameras -> server under test -> simulated viewers."""

import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from vigie.bench.process_figures import cpu_seconds, rss_bytes
from vigie.bench.servers import Running, Server, wait_until
from vigie.errors import Error, InvalidArgumentError
from vigie.load import run_load
from vigie.sim.process import SimProcess


@dataclass(frozen=True)
class Case:
    """So many cameras, so many viewers of each."""

    cameras: int
    viewers: int

    def __str__(self) -> str:
        return f"{self.cameras} x {self.viewers}"


@dataclass(frozen=True)
class Load:
    """What every case has in common. Rates of one camera."""

    transport: str = "tcp"
    bitrate_mbit: float = 4
    fps: float = 25
    gop: int = 50
    codec: str = "h264"
    pace_mbit: float = 100
    seconds: float = 20
    warm_up: float = 3
    ramp_per_s: float = 200  # viewers
    ready_timeout: float = 30
    rounds: int = 1
    sim_port: int = 0
    load_cpus: tuple[int, ...] = ()
    seed: int = 1

    def sim_options(self) -> list[str]:
        """For `vigie-sim`."""
        return [
            *("--synthetic", "--codec", self.codec, "--bitrate", str(self.bitrate_mbit), "--fps", str(self.fps)),
            *("--gop", str(self.gop), "--pace-mbit", str(self.pace_mbit), "--seed", str(self.seed)),
        ]


@dataclass
class Measurement:
    """One server in one case. Milliseconds, cores and bytes as the names say."""

    server: str
    cameras: int
    viewers: int
    cpu_cores: float = 0
    rss_bytes: int = 0
    rss_per_camera: float | None = None
    rss_per_viewer: float | None = None
    latency_p50_ms: float = 0
    latency_p99_ms: float = 0
    latency_max_ms: float = 0
    first_picture_p50_ms: float = 0
    first_picture_max_ms: float = 0
    live_edge_p50_ms: float | None = None
    live_edge_max_ms: float | None = None
    cameras_up_s: float | None = None
    offered_units: int = 0  # that left the cameras inside the window, times the viewers of each
    received_units: int = 0
    lost_units: int = 0  # holes in the numbers that the cameras gave them
    damaged_units: int = 0
    other_faults: int = 0  # repeated, out of order, of another camera, timestamps that do not follow
    ready: bool = True
    sim_late_units: int = 0
    sim_cpu_cores: float = 0
    load_cpu_cores: float = 0
    mbit_per_s: float = 0
    problem: str = ""
    raw: dict[str, Any] = field(default_factory=dict)


Progress = Callable[[str], None]


def run_cases(
    cases: Sequence[Case], servers: Sequence[Server], load: Load, progress: Progress
) -> list[list[Measurement]]:
    """Every case with every server, the servers in turn within each round; per case one median per server.

    Only one server is under load at a time, all on the same cameras of the same simulator.
    """
    results = []
    cameras = max(case.cameras for case in cases)
    with SimProcess(cameras, port=load.sim_port, cpus=load.load_cpus or None, options=load.sim_options()) as sim:
        for case in cases:
            rounds: dict[str, list[Measurement]] = {server.name: [] for server in servers}
            for turn, server in itertools.product(range(load.rounds), servers):
                where = f"{case} {server.name}, round {turn + 1} of {load.rounds}: "
                rounds[server.name].append(_measure(case, server, load, sim, _prefixed(progress, where)))
                _wait_for_quiet(sim)
            results.append([median_of(measurements) for measurements in rounds.values()])
    return results


def _prefixed(progress: Progress, where: str) -> Progress:
    return lambda text: progress(where + text)


def _wait_for_quiet(sim: SimProcess, timeout_s: float = 15) -> None:
    """Lets an on-demand server give up its cameras, so that the next one has the machine to itself."""
    deadline = time.monotonic() + timeout_s
    while sim.stats()["sessions"] and time.monotonic() < deadline:
        time.sleep(0.1)


def _measure(case: Case, server: Server, load: Load, sim: SimProcess, progress: Progress) -> Measurement:
    found = Measurement(server.name, case.cameras, case.viewers)
    try:
        with server.serving(sim.url_template, case.cameras, load.transport) as running:
            _watch(case, running, load, sim, progress, found, own=server.name == "vigie")
    except Error as error:
        found.ready = False
        found.problem = str(error)
    return found


def _watch(
    case: Case, running: Running, load: Load, sim: SimProcess, progress: Progress, found: Measurement, *, own: bool
) -> None:
    viewers = case.cameras * case.viewers
    rss_start = rss_bytes(running.pid)
    if own:
        progress("cameras connect")
        began = time.monotonic()
        wanted = case.cameras
        wait_until(lambda: sim.stats()["playing"] >= wanted, None, load.ready_timeout, "not every camera is pulled")
        found.cameras_up_s = time.monotonic() - began
        # Logs are as full as they get after two GOPs: what memory grows by from then on is the viewers'.
        time.sleep(2 * load.gop / load.fps + 2)
    rss_cameras = rss_bytes(running.pid)
    begin: dict[str, Any] = {}
    end: dict[str, Any] = {}

    def sample() -> dict[str, Any]:
        return {"at": time.monotonic(), "cpu": cpu_seconds(running.pid), "sim": sim.stats()}

    def on_event(event: dict[str, Any]) -> None:
        if event["event"] == "window-begin":
            begin.update(sample())
        elif event["event"] == "window-end":
            end.update(sample(), rss=rss_bytes(running.pid))
        ready = f"{event['with_picture']} of {viewers} viewers with a picture"
        progress(f"{event['event']}, {ready}, {event['seconds']:.0f} s")

    result = run_load(
        running.url_template,
        cameras=case.cameras,
        viewers=case.viewers,
        transport=load.transport,
        ramp=max(1, viewers / load.ramp_per_s),
        warm_up=load.warm_up,
        seconds=load.seconds,
        cpus=load.load_cpus or None,
        options=["--ready-timeout", str(load.ready_timeout)],
        on_event=on_event,
    )
    if not begin or not end:
        raise InvalidArgumentError("the viewers ended before their time", "vigie-load")
    window = end["at"] - begin["at"]
    found.cpu_cores = (end["cpu"] - begin["cpu"]) / window
    found.rss_bytes = end["rss"]
    if own:
        found.rss_per_camera = max(0, rss_cameras - rss_start) / case.cameras
        found.rss_per_viewer = max(0, end["rss"] - rss_cameras) / viewers
    found.offered_units = (end["sim"]["units"] - begin["sim"]["units"]) * case.viewers
    found.sim_late_units = end["sim"]["late_units"] - begin["sim"]["late_units"]
    found.sim_cpu_cores = (end["sim"]["cpu_seconds"] - begin["sim"]["cpu_seconds"]) / window
    take_result(found, result)


def take_result(found: Measurement, result: dict[str, Any]) -> None:
    """Copies what the viewers saw."""
    latency, first, edge = result["latency_ms"], result["first_picture_ms"], result["live_edge_lag_ms"]
    found.latency_p50_ms, found.latency_p99_ms, found.latency_max_ms = latency["p50"], latency["p99"], latency["max"]
    found.first_picture_p50_ms, found.first_picture_max_ms = first["p50"], first["max"]
    if edge["count"]:
        found.live_edge_p50_ms, found.live_edge_max_ms = edge["p50"], edge["max"]
    found.received_units = result["units"]
    found.lost_units = result["missing_units"]
    found.damaged_units = result["damaged_units"]
    found.other_faults = sum(
        result[name]
        for name in ("repeated_units", "out_of_order_units", "wrong_camera_units", "timestamps_not_following")
    )
    found.ready = result["all_ready"]
    found.load_cpu_cores = result["cpu_cores"]
    found.mbit_per_s = result["mbit_per_s"]
    found.raw = result
    if latency["negative"]:
        found.problem = f"{latency['negative']} latencies below zero: the measurement is wrong"
    elif not result["all_ready"]:
        found.problem = f"not every viewer had a picture in time; {result['last_failure']}"
    elif result["disconnects"]:
        found.problem = f"{result['disconnects']} viewers were cut; {result['last_failure']}"


def median_of(measurements: Sequence[Measurement]) -> Measurement:
    """The round with the middle CPU figure, whole, but with the losses and problems of all rounds."""
    ordered = sorted(measurements, key=lambda each: each.cpu_cores)
    chosen = ordered[(len(ordered) - 1) // 2]
    if len(ordered) > 1:
        chosen.cpu_cores = statistics.median(each.cpu_cores for each in ordered)
        summed = ("lost_units", "damaged_units", "other_faults", "offered_units", "received_units")
        for name in (*summed, "sim_late_units"):
            setattr(chosen, name, sum(getattr(each, name) for each in ordered))
        chosen.ready = all(each.ready for each in ordered)
        chosen.problem = "; ".join(dict.fromkeys(each.problem for each in ordered if each.problem))
    return chosen


def as_json(results: Sequence[Sequence[Measurement]], load: Load) -> dict[str, Any]:
    """Everything measured, and under which load."""
    return {"load": asdict(load), "cases": [[asdict(each) for each in case] for case in results]}
