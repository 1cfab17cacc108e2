"""The results of `vigie bench masks` as tables."""

from collections.abc import Sequence

from rich.table import Table

from vigie.bench.masked_quality import Likeness
from vigie.bench.masks import ClipResult


def make_cost_table(results: Sequence[ClipResult]) -> Table:
    """Two rows a clip: ours and FFmpeg's."""
    table = Table(title="Masked streams: the engine with its network, FFmpeg from file to nothing, in one run")
    for name in ("clip", "by"):
        table.add_column(name)
    for name in (
        "CPU ms/frame",
        "alone",
        "streams/core",
        "ratio",
        "Mbit/s",
        "SSIM",
        "least",
        "decode",
        "mask",
        "encode ms",
    ):
        table.add_column(name, justify="right")
    for result in results:
        source = result.source
        middle = sorted(result.runs, key=lambda run: run.cpu_ms)[len(result.runs) // 2]
        parts = [f"{value:.2f}" for value in (middle.decode_ms, middle.mask_ms, middle.encode_ms)]
        style = None if result.valid else "red"
        alone, ratio = f"{result.lane_cpu_ms:.2f}", f"{result.ratio:.2f}"
        row = _row(result, (result.cpu_ms, alone, ratio), result.mbit_per_s, result.likeness)
        table.add_row(f"{source.name}, {source.mbit_per_s:.2f} Mbit/s", "vigie", *row, *parts, style=style)
        row = _row(result, (result.ffmpeg_cpu_ms, "", ""), result.ffmpeg_mbit_per_s, result.ffmpeg_likeness)
        table.add_row("", "FFmpeg", *row, "", "", "")
        table.add_section()
    return table


def _row(result: ClipResult, cost: tuple[float, str, str], mbit: float, likeness: Likeness | None) -> list[str]:
    cpu_ms, alone, ratio = cost
    alike = (f"{likeness.mean:.4f}", f"{likeness.least:.4f}") if likeness else ("", "")
    return [f"{cpu_ms:.2f}", alone, f"{result.streams_per_core(cpu_ms):.2f}", ratio, f"{mbit:.2f}", *alike]


def make_growth_table(result: ClipResult) -> Table:
    """One row a number of streams."""
    found = (
        f"{result.fit} streams fit"
        if any(not run.whole for run in result.growth)
        else f"{result.fit} streams fit at least"
    )
    table = Table(title=f"{result.source.name}: {found} on this machine beside cameras and viewers")
    for name in ("streams", "p50 ms", "p99 ms", "max ms", "CPU ms/frame", "published", "of", "thinned", "skipped"):
        table.add_column(name, justify="right")
    for run in result.growth:
        table.add_row(
            str(run.streams),
            *(f"{value:.1f}" for value in (run.latency_p50_ms, run.latency_p99_ms, run.latency_max_ms)),
            f"{run.cpu_ms:.2f}",
            *(str(value) for value in (run.published, run.expected, run.thinned, run.skipped)),
            style=None if run.whole else "red",
        )
    return table


def remarks(result: ClipResult) -> list[str]:
    """What a reader of the tables must know."""
    lines = []
    source = result.source
    for run in result.runs:
        if run.problem:
            lines.append(f"{source.name}: {run.problem}")
        elif not run.whole:
            left_out = (
                f"{run.published} of {run.expected} pictures came out, {run.thinned} thinned, {run.skipped} skipped"
            )
            lines.append(f"{source.name}: not valid: {left_out}; right would be fewer --streams, or a quiet machine")
        if run.sim_late_units > 0.01 * run.expected:
            lines.append(f"{source.name}: {run.sim_late_units} units left the cameras late: the load's CPU is too slow")
    bars = ", ".join(f"{name} {'met' if met else 'missed'}" for name, met in result.bars.items())
    lines.append(f"{source.name}: bars: {bars}")
    return lines
