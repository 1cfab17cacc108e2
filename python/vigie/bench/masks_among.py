"""A few masked cameras among many clear ones: do they disturb them?

The clear cameras are the synthetic ones of `vigie bench live`, their latency measured alike. In turn, `--rounds` times:
the clear cameras alone, then the same with the masked ones beside them in the same engine, each pulled from a camera
that plays the clip and taken by a subscriber. Nothing is pinned: codec workers and I/O threads must get along by
themselves. The clear cameras and their viewers are in real time where the system allows it: else their own wait for a
processor would be measured.
"""

import statistics
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.table import Table

from vigie.bench.live import Load, Measurement, Progress, take_result
from vigie.bench.masked_engine import EngineProcess, clear_camera, masked_camera
from vigie.bench.masked_quality import Source
from vigie.bench.masks import MaskLoad, lane_sums
from vigie.load import run_load
from vigie.sim.process import SimProcess


@dataclass(frozen=True)
class Among:
    """So many cameras, so many of them masked."""

    cameras: int
    masked: int

    @property
    def clear(self) -> int:
        """The others, at least one."""
        return max(1, self.cameras - self.masked)


@dataclass
class AmongRun:
    """One measurement of the clear cameras; `masked` of the others ran beside them."""

    masked: int
    clear: Measurement
    masked_published: int = 0
    thinned: int = 0
    skipped: int = 0


@dataclass
class AmongResult:
    """All rounds."""

    among: Among
    seconds: float
    fps: float
    runs: list[AmongRun] = field(default_factory=list)

    def of(self, masked: int) -> list[AmongRun]:
        """The runs with so many masked cameras."""
        return [run for run in self.runs if run.masked == masked]

    def median(self, masked: int, name: str) -> float:
        """Of one figure of the clear cameras."""
        return float(statistics.median(getattr(run.clear, name) for run in self.of(masked)))

    @property
    def valid(self) -> bool:
        """Whether no clear camera's viewer missed anything, and every masked one was masked all the time."""
        due = 0.98 * self.among.masked * self.fps * self.seconds
        clear_good = all(
            not (run.clear.problem or run.clear.lost_units or run.clear.damaged_units) for run in self.runs
        )
        return clear_good and all(run.masked_published >= due for run in self.of(self.among.masked))

    def as_json(self) -> dict[str, Any]:
        """Everything measured."""
        names = ("latency_p50_ms", "latency_p99_ms", "latency_max_ms")
        return {
            "cameras": self.among.cameras,
            "masked": self.among.masked,
            "seconds": self.seconds,
            "valid": self.valid,
            "without": {name: self.median(0, name) for name in names},
            "with": {name: self.median(self.among.masked, name) for name in names},
            "rounds": [asdict(run) for run in self.runs],
        }


def run_among(source: Source, among: Among, load: MaskLoad, progress: Progress) -> AmongResult:
    """Clear cameras without and with masked ones beside them, in turn."""
    result = AmongResult(among, load.seconds, source.clip.fps)
    synthetic = SimProcess(among.clear, options=[*Load().sim_options(), "--realtime"])
    playing = SimProcess(among.masked, clips=[source.clip], options=["--no-stamp"])
    with synthetic as many, playing as few:
        for turn in range(load.rounds):
            for masked in (0, among.masked):
                progress(f"round {turn + 1} of {load.rounds}: {among.clear} clear cameras, {masked} masked")
                result.runs.append(_run(many, few, masked, load))
    return result


def _run(many: SimProcess, few: SimProcess, masked: int, load: MaskLoad) -> AmongRun:
    names = [f"masked{number:03d}" for number in range(masked)]
    cameras = [clear_camera(f"cam{number:03d}", many.url(number)) for number in range(many.cameras)]
    cameras += [masked_camera(name, few.url(number), load.mask.corners()) for number, name in enumerate(names)]
    run = AmongRun(masked, Measurement("vigie", many.cameras, 1))
    sums: dict[str, dict[str, float]] = {}
    units: dict[str, int] = {}
    with EngineProcess(cameras, names) as engine:

        def on_event(event: dict[str, Any]) -> None:
            if event["event"] in ("window-begin", "window-end"):
                sums[event["event"]] = lane_sums(engine.figures()["stats"])
                units[event["event"]] = many.stats()["units"]

        seen = run_load(
            engine.url("cam{n:03d}"),
            cameras=many.cameras,
            warm_up=load.warm_up,
            seconds=load.seconds,
            options=["--realtime"],
            on_event=on_event,
        )
    take_result(run.clear, seen)
    run.clear.raw = {}
    begin, end = sums["window-begin"], sums["window-end"]
    run.clear.offered_units = units["window-end"] - units["window-begin"]
    run.masked_published = round(end["published_units"] - begin["published_units"])
    run.thinned = round(end["thinned_pictures"] - begin["thinned_pictures"])
    run.skipped = round(end["skipped_units"] - begin["skipped_units"])
    return run


def make_among_table(result: AmongResult) -> Table:
    """One row a run, and the medians."""
    table = Table(
        title=f"{result.among.clear} clear cameras, without and with {result.among.masked} masked beside them"
    )
    table.add_column("run")
    for name in ("p50 ms", "p99 ms", "max ms", "lost", "masked pictures", "thinned", "skipped"):
        table.add_column(name, justify="right")
    figures = ("latency_p50_ms", "latency_p99_ms", "latency_max_ms")
    for run in result.runs:
        clear = run.clear
        table.add_row(
            f"with {run.masked}" if run.masked else "without",
            *(f"{getattr(clear, name):.2f}" for name in figures),
            str(clear.lost_units + clear.damaged_units + clear.other_faults),
            *(str(value) if run.masked else "" for value in (run.masked_published, run.thinned, run.skipped)),
        )
    table.add_section()
    for masked in (0, result.among.masked):
        medians = (f"{result.median(masked, name):.2f}" for name in figures)
        table.add_row(f"median with {masked}" if masked else "median without", *medians)
    return table


def among_remarks(result: AmongResult) -> list[str]:
    """What a reader of the table must know."""
    lines = [run.clear.problem for run in result.runs if run.clear.problem]
    if not result.valid:
        lines.append("not valid: units of clear cameras were lost, or masked cameras lost pictures")
    before, after = (result.median(masked, "latency_p99_ms") for masked in (0, result.among.masked))
    spread = [f"{run.clear.latency_p99_ms:.2f}" for run in result.of(0)]
    lines.append(f"p99 of the clear cameras: {before:.2f} ms without ({', '.join(spread)}), {after:.2f} ms with")
    return lines
