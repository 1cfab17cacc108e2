"""The results as a table, with the ratio to each other server in the same run."""

from collections.abc import Sequence

from rich.table import Table

from vigie.bench.live import Load, Measurement


def make_table(results: Sequence[Sequence[Measurement]], load: Load) -> Table:
    """One row a server and case; `of …` is our CPU over theirs."""
    table = Table(
        title=f"{load.bitrate_mbit:g} Mbit/s, {load.fps:g} fps, GOP {load.gop}, {load.codec}, {load.transport}, "
        f"{load.seconds:g} s" + (f", median of {load.rounds}" if load.rounds > 1 else "")
    )
    for name in ("cameras x viewers", "server"):
        table.add_column(name)
    for name in (
        "CPU cores",
        "ours / theirs",
        "p50 ms",
        "p99 ms",
        "max ms",
        "1st picture ms",
        "lag 5 s ms",
        "RSS MB",
        "KB / camera",
        "KB / viewer",
        "units",
        "lost",
        "Mbit/s",
    ):
        table.add_column(name, justify="right")
    for case in results:
        own = next((each for each in case if each.server == "vigie"), None)
        for each in case:
            table.add_row(*_row(each, own), style=None if sound(each) else "red")
        table.add_section()
    return table


def sound(each: Measurement) -> bool:
    """Whether nothing was lost and nothing went wrong."""
    return (
        each.ready
        and not each.problem
        and not (each.lost_units or each.damaged_units or each.other_faults)
        and received_enough(each)
    )


def received_enough(each: Measurement) -> bool:
    """At least 98 % of what was offered: the two ends of the window differ by the units under way."""
    return each.received_units >= 0.98 * each.offered_units > 0


def problems(results: Sequence[Sequence[Measurement]]) -> list[str]:
    """What a reader of the table must know: failures, and a load that was not what it should have been."""
    lines = []
    for each in (measurement for case in results for measurement in case):
        where = f"{each.cameras} x {each.viewers} {each.server}"
        if each.problem:
            lines.append(f"{where}: {each.problem}")
        if each.offered_units and each.sim_late_units > 0.01 * each.offered_units / max(1, each.viewers):
            lines.append(f"{where}: {each.sim_late_units} units left the cameras late: the load's CPU is too slow")
        if each.sim_cpu_cores + each.load_cpu_cores > 0.9:
            lines.append(f"{where}: cameras and viewers took {each.sim_cpu_cores + each.load_cpu_cores:.2f} cores")
    return lines


def _row(each: Measurement, own: Measurement | None) -> list[str]:
    ratio = ""
    if own is not None and own is not each and each.cpu_cores > 0:
        ratio = f"{own.cpu_cores / each.cpu_cores:.2f}"
    kilobytes = [f"{x / 1024:.0f}" if x is not None else "" for x in (each.rss_per_camera, each.rss_per_viewer)]
    return [
        f"{each.cameras} x {each.viewers}",
        each.server,
        f"{each.cpu_cores:.3f}",
        ratio,
        f"{each.latency_p50_ms:.2f}",
        f"{each.latency_p99_ms:.2f}",
        f"{each.latency_max_ms:.1f}",
        f"{each.first_picture_p50_ms:.1f}",
        "" if each.live_edge_p50_ms is None else f"{each.live_edge_p50_ms:.1f}",
        f"{each.rss_bytes / 2**20:.0f}",
        *kilobytes,
        f"{each.received_units}",
        f"{each.lost_units + each.damaged_units + each.other_faults}",
        f"{each.mbit_per_s:.0f}",
    ]
