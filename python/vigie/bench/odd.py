"""Cameras with random sets of known deviations beside as many plain ones, all in one engine of this process.

Each odd camera must give pictures or say why not, and the viewers of the plain ones may lose nothing.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from rich.table import Table

from vigie.bench.live import Load, Progress
from vigie.bench.servers import free_port
from vigie.engine import Engine
from vigie.load import FAULTS, run_load
from vigie.sim.process import SimProcess

CREDENTIALS = ("ops", "right")
# What the engine's reason must say where a set allows no picture.
REFUSALS = {"D14": "first-picture deadline"}
# What has pauses by nature, however well it is taken in.
PAUSES = {"D1": "the first GET_PARAMETER costs the connection", "I7": "0.8 pictures a second"}
# A camera that gave pictures in so many of the seconds counts as steady.
_STEADY_SHARE = 0.95

Outcome = Literal["steady", "breaks", "none"]


@dataclass
class OddCamera:
    """What became of one camera with deviations.

    `picture_s`: of the `seconds` since the first picture (or all, when none came), so many brought one; looked at about
    once a second. `reason`: the engine's own words for the last failure, empty without one. `failures`: attempts that
    ended.
    """

    name: str
    quirks: list[str]
    seconds: float = 0.0
    picture_s: float = 0.0
    longest_break_s: float = 0.0
    failures: int = 0
    reason: str = ""
    named: list[str] = field(default_factory=list)  # the ids that the engine saw

    @property
    def outcome(self) -> Outcome:
        """Pictures all the time, with breaks, or none."""
        if self.picture_s == 0:
            return "none"
        return "steady" if self.picture_s >= _STEADY_SHARE * self.seconds else "breaks"

    @property
    def right(self) -> bool:
        """Whether it is as its set allows: pictures, or none and the reason that this set must have."""
        refusal = next((REFUSALS[quirk] for quirk in self.quirks if quirk in REFUSALS), None)
        if self.outcome == "none":
            return refusal is not None and refusal in self.reason
        return refusal is None and (self.outcome == "steady" or bool(self.by_nature))

    @property
    def by_nature(self) -> list[str]:
        """The ids of its set that make pauses, whatever is done about them."""
        return [quirk for quirk in self.quirks if quirk in PAUSES]

    def explained(self) -> str:
        """Why there were breaks or no picture: by nature, and the engine's reason."""
        if self.outcome == "steady":
            return ""
        natural = [f"{quirk}: {PAUSES[quirk]}" for quirk in self.by_nature if self.outcome == "breaks"]
        return "; ".join([*natural, *([self.reason] if self.reason else [])])


@dataclass
class OddRun:
    """The whole run; `plain` is the result of `vigie-load` over the plain cameras."""

    seconds: float
    quirks: int
    seed: int
    cameras: list[OddCamera]
    plain: dict[str, Any]

    @property
    def disturbed(self) -> dict[str, int]:
        """What the viewers of the plain cameras missed; empty when nothing."""
        found = {name: int(self.plain[name]) for name in FAULTS if self.plain.get(name)}
        return found if self.plain["all_ready"] else found | {"viewers_without_picture": 1}

    @property
    def good(self) -> bool:
        """Whether every odd camera is as it should be and nobody else was disturbed."""
        return not self.disturbed and all(camera.right for camera in self.cameras)

    def as_json(self) -> dict[str, Any]:
        """Everything, as plain values."""
        cameras = [
            asdict(each) | {"outcome": each.outcome, "by_nature": each.by_nature, "right": each.right}
            for each in self.cameras
        ]
        head = {"seconds": self.seconds, "random_quirks": self.quirks, "seed": self.seed, "good": self.good}
        return head | {"odd": cameras, "plain": self.plain, "disturbed": self.disturbed}


def run_odd(
    cameras: int, quirks: int, load: Load, progress: Progress, *, viewers: int = 1, cpus: Sequence[int] = ()
) -> OddRun:
    """`cameras` with `quirks` deviations each, drawn by the load's seed, beside as many without, for its `seconds`.

    Only the plain ones have `viewers`. `cpus`: of the engine.
    """
    credentials = ["--user", CREDENTIALS[0], "--password", CREDENTIALS[1]]
    # Signs of life and reports often enough for the deviations that show in them.
    random = ["--random-quirks", str(quirks), "--session-timeout", "10", "--sr-seconds", "1"]
    pinned, port = load.load_cpus or None, free_port()
    with (
        SimProcess(cameras, cpus=pinned, options=[*load.sim_options(), *credentials, *random]) as odd,
        SimProcess(cameras, cpus=pinned, options=[*load.sim_options(), *credentials]) as plain,
        Engine(cpus=cpus) as engine,
    ):
        found = [OddCamera(f"odd{n:03d}", odd.quirks.get(f"cam{n:03d}", [])) for n in range(cameras)]
        engine.apply(_policy(port, odd, plain, cameras, load.transport))
        stop = threading.Event()
        watcher = threading.Thread(target=_watch, args=(engine, found, stop.wait), name="odd-cameras")
        watcher.start()
        began = time.monotonic()
        try:
            result = run_load(
                f"rtsp://127.0.0.1:{port}/cam{{n:03d}}",
                cameras=cameras,
                viewers=viewers,
                transport=load.transport,
                ramp=max(1, cameras * viewers / load.ramp_per_s),
                warm_up=load.warm_up,
                seconds=load.seconds,
                cpus=pinned,
                options=["--ready-timeout", str(load.ready_timeout)],
                on_event=lambda event: progress(_progress_text(event, found)),
            )
        finally:
            stop.set()
            watcher.join()
        return OddRun(time.monotonic() - began, quirks, load.seed, found, result)


def _policy(port: int, odd: SimProcess, plain: SimProcess, cameras: int, transport: str) -> dict[str, Any]:
    def camera(name: str, url: str) -> dict[str, Any]:
        login = {"username": CREDENTIALS[0], "password": CREDENTIALS[1]}
        stream = {"name": "main", "url": url, "transport": transport, **login}
        reason = "generated pictures of a benchmark"
        return {"name": name, "streams": [stream], "privacy": "clear", "privacy_reason": reason}

    numbers = range(cameras)
    both = [camera(f"odd{n:03d}", odd.url(n)) for n in numbers] + [camera(f"cam{n:03d}", plain.url(n)) for n in numbers]
    limits = dict.fromkeys(("sessions", "sessions_per_peer", "sessions_per_stream"), 100000)
    return {
        "revision": 1,
        "listeners": [{"name": "bench", "listen": f"127.0.0.1:{port}", "access": "open"}],
        "cameras": both,
        "limits": limits | {"half_open": 10000},
    }


def _watch(engine: Engine, cameras: Sequence[OddCamera], ended: Callable[[float], bool]) -> None:
    """Notes once a second which cameras brought pictures, and every reason that the engine gives."""
    by_object = {f"{camera.name}/main": camera for camera in cameras}
    units, breaks = dict.fromkeys(by_object, 0), dict.fromkeys(by_object, 0.0)
    before = time.monotonic()
    while not ended(1):
        while event := engine.next_event(0):
            if event.state == "backing_off" and (camera := by_object.get(event.object)):
                camera.failures += 1
                camera.reason = event.text
        streams = engine.stats()["cameras"]
        now = time.monotonic()
        span, before = now - before, now
        for name, camera in by_object.items():
            stream = streams[camera.name]["streams"]["main"]
            came, units[name] = stream["units"] > units[name], stream["units"]
            camera.named = stream["quirks"]
            if came and camera.picture_s == 0:
                camera.seconds = 0.0
            breaks[name] = 0.0 if came else breaks[name] + span
            camera.seconds += span
            camera.picture_s += span if came else 0.0
            if camera.picture_s > 0:
                camera.longest_break_s = max(camera.longest_break_s, breaks[name])


def _progress_text(event: dict[str, Any], cameras: Sequence[OddCamera]) -> str:
    with_picture = sum(camera.picture_s > 0 for camera in cameras)
    return f"{event['event']}, {event['seconds']:.0f} s, {with_picture} of {len(cameras)} odd cameras with a picture"


def make_odd_table(run: OddRun) -> Table:
    """One row a camera."""
    title = f"{len(run.cameras)} cameras with {run.quirks} deviations each, seed {run.seed}, {run.seconds:.0f} s"
    table = Table("camera", "deviations", "pictures", title=title)
    for name in ("seconds with", "longest break s"):
        table.add_column(name, justify="right")
    table.add_column("why not all the time")
    for camera in run.cameras:
        row = (camera.name, ",".join(camera.quirks), camera.outcome, f"{camera.picture_s:.0f} of {camera.seconds:.0f}")
        style = None if camera.right else "red"
        table.add_row(*row, f"{camera.longest_break_s:.0f}", camera.explained(), style=style)
    return table


def odd_summary(run: OddRun) -> list[str]:
    """The result in two sentences."""
    count = {
        outcome: sum(camera.outcome == outcome for camera in run.cameras) for outcome in ("steady", "breaks", "none")
    }
    wrong = [camera.name for camera in run.cameras if not camera.right]
    lost = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in run.disturbed.items())
    return [
        f"{count['steady']} give pictures all the time, {count['breaks']} with breaks, {count['none']} none; "
        + (f"not as they should be: {', '.join(wrong)}" if wrong else "all as their sets allow"),
        f"the plain cameras' viewers: {run.plain['units']} units, {lost or 'nothing lost'}",
    ]
