"""Half of the cameras die again and again, under load, beside viewers that never read: what may not happen to the rest.

`tests/e2e/test_resilience.py` runs it for a minute, `benchmarks/soak.py` for as long as it is told.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from e2e.raw_rtsp import RawClient
from e2e.serving import Serve, camera, server, serving
from vigie.bench.process_figures import growth_bytes
from vigie.load import FAULTS, run_load
from vigie.sim import SimProcess

# A stalled viewer's small window, so that the server's own buffers fill soon.
SMALL_WINDOW = 4096


@dataclass
class Report:
    """What came of it. `problems`: empty when all is well."""

    kills: int = 0
    seconds: float = 0
    load: dict[str, Any] = field(default_factory=dict)
    rss_bytes: list[int] = field(default_factory=list)
    recovery_s: list[float] = field(default_factory=list)
    events: int = 0
    state_changes: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def growth_bytes(self) -> int:
        """Of resident memory."""
        return growth_bytes(self.rss_bytes)


def check_state_changes(events: list[dict[str, Any]]) -> tuple[int, list[str]]:
    """How many state changes the events tell, and where they do not follow from each other: one is missing there."""
    problems = []
    state: dict[str, str] = {}
    count = 0
    numbers = [event["seq"] for event in events]
    if numbers != list(range(1, len(numbers) + 1)):
        problems.append("the numbers of the events have a hole")
    for event in events:
        if event["kind"] != "stream_state":
            continue
        count += 1
        before, arrow, after = event["text"].partition(":")[0].partition(" -> ")
        if not arrow or after != event["state"]:
            problems.append(f"{event['object']}: the event does not say from what to what: {event['text']!r}")
        elif state.get(event["object"], "idle") != before:
            problems.append(
                f"{event['object']}: was {state.get(event['object'])}, the next event says {event['text']!r}"
            )
        state[event["object"]] = event["state"]
        if after in ("silent", "backing_off") and ":" not in event["text"]:
            problems.append(f"{event['object']}: no reason in {event['text']!r}")
    return count, problems


def soak(
    folder: Path,
    *,
    cameras: int = 20,
    kills: int = 3,
    load_s: float = 45,
    viewers: int = 2,
    stalled: int = 2,
    bitrate_mbit: float = 1,
    down_s: float = 1.5,
    tell: Callable[[str, Report], None] = lambda text, report: None,
) -> Report:
    """Runs it. `load_s`: how long the viewers of the steady half count; kills are spread over that time.

    `stalled`: viewers that never read, half of them on the steady cameras.
    """
    report = Report()
    half = cameras // 2
    steady_numbers, mortal_numbers = range(half), range(half, cameras)
    pace = ("--bitrate", str(bitrate_mbit), "--transport", "tcp")
    with SimProcess(half, options=("--first", "0", *pace)) as steady:
        mortal = SimProcess(cameras - half, options=("--first", str(half), *pace))
        try:
            port = mortal.port
            sources = [steady if number in steady_numbers else mortal for number in range(cameras)]
            documents = [
                camera(f"cam{number:03d}", url=sim.url(number), transport="tcp") for number, sim in enumerate(sources)
            ]
            with serving(folder, [server(), *documents]) as served:
                served.wait_playing(*(document["name"] for document in documents), timeout_s=60 + cameras / 5)
                tell("all cameras play", report)
                lazy = [_stalled(served, number % half if number % 2 else half) for number in range(stalled)]
                loading = threading.Thread(target=_load, args=(report, served.port(), half, viewers, load_s))
                loading.start()
                begun = time.monotonic()
                # The load's own start takes a while; the first kill comes when it counts.
                interval = load_s / (kills + 0.5)
                for kill in range(kills):
                    time.sleep(max(0.0, begun + 3 + kill * interval - time.monotonic()))
                    report.rss_bytes.append(served.rss_bytes())
                    since = len(served.events)
                    mortal.stop()
                    time.sleep(down_s)
                    mortal = SimProcess(cameras - half, port=port, options=("--first", str(half), *pace))
                    report.kills += 1
                    _wait_back(served, since, mortal_numbers, report)
                    tell(f"kill {report.kills}", report)
                while loading.is_alive():
                    loading.join(5)
                    report.rss_bytes.append(served.rss_bytes())
                    tell("going on", report)
                report.seconds = time.monotonic() - begun
                _check(served, report, steady_numbers, mortal_numbers)
                for client in lazy:
                    client.socket.close()
        finally:
            mortal.stop()
    return report


def _stalled(served: Serve, number: int) -> RawClient:
    client = RawClient(served.port(), receive_buffer=SMALL_WINDOW)
    assert client.watch(f"cam{number:03d}").status == 200
    return client


def _load(report: Report, port: int, half: int, viewers: int, load_s: float) -> None:
    template = f"rtsp://127.0.0.1:{port}/cam{{n:03d}}"
    report.load = run_load(template, cameras=half, viewers=viewers, seconds=load_s)


def _wait_back(served: Serve, since: int, mortal: range, report: Report) -> None:
    """Waits until every mortal camera plays again; each must have said that it had stopped, too."""
    begun = time.monotonic()
    for number in mortal:
        name = f"cam{number:03d}/main"

        def back(name: str = name) -> bool:
            states = [
                event["state"]
                for event in served.events[since:]
                if event["kind"] == "stream_state" and event["object"] == name
            ]
            return len(states) >= 2 and states[-1] == "playing"

        # The back-off doubles up to a minute for a camera that did not play 10 s in between.
        served.wait(f"{name} back after kill {report.kills}", back, 90)
    report.recovery_s.append(time.monotonic() - begun)


def _check(served: Serve, report: Report, steady: range, mortal: range) -> None:
    served.wait("a last line of figures", lambda: served.stats)
    for fault in FAULTS:
        if report.load.get(fault, 0):
            report.problems.append(f"viewers of the steady half: {report.load[fault]} {fault}")
    if not report.load.get("all_ready"):
        report.problems.append(f"viewers of the steady half never began: {report.load.get('last_failure')}")
    report.events = len(served.events)
    report.state_changes, problems = check_state_changes(served.events)
    report.problems += problems
    for number in steady:
        changes = sum(
            event["kind"] == "stream_state" and event["object"] == f"cam{number:03d}/main" for event in served.events
        )
        if changes > 3:  # connecting, waiting, playing
            report.problems.append(f"cam{number:03d}, which nobody killed, changed its state {changes} times")
    for number in mortal:
        lost = sum(
            event["kind"] == "stream_state"
            and event["object"] == f"cam{number:03d}/main"
            and event["text"].startswith("playing -> ")
            for event in served.events
        )
        if lost < report.kills:
            report.problems.append(f"cam{number:03d} was killed {report.kills} times and said so {lost} times")
