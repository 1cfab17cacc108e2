"""The leak meter's results for people."""

from collections.abc import Iterable

from rich.table import Table

from vigie.bench.leak.excess import StillFigures
from vigie.bench.leak.fleet import SET_APART, SETTLING
from vigie.bench.leak.revisions import Restarts, Revisions
from vigie.bench.leak.run import Leaks


def leak_table(result: Leaks) -> Table:
    """Private pixels by exit and fault; nothing stands where no picture came."""
    faults = sorted({fault for cells in result.cells.values() for fault in cells})
    what = "self-test: masks are elsewhere" if result.self_test else "private pixels seen"
    rate = result.pictures / max(result.seconds, 1e-9)
    table = Table(
        "exit",
        title=f"{result.kind} cameras, {what}: {result.pictures} pictures in {result.seconds:.0f} s ({rate:.0f}/s)",
    )
    for fault in faults:
        apart = fault in (SET_APART, SETTLING)
        table.add_column(f"({fault})" if apart else fault, justify="right", style="dim" if apart else None)
    table.add_column("pictures", justify="right")
    table.add_column("leaked", justify="right", style="bold")
    for exit_name, cells in result.cells.items():
        total = result.exit_total(exit_name)
        texts = [str(cells[fault].private_pixels) if fault in cells else "" for fault in faults]
        pictures = sum(cell.pictures for cell in cells.values())
        bad = total.private_pixels == 0 if result.self_test else total.private_pixels > 0
        table.add_row(exit_name, *texts, str(pictures), str(total.private_pixels), style="red" if bad else None)
    return table


def leak_lines(result: Leaks) -> Iterable[str]:
    """What else a reader must know."""
    if result.set_apart_pixels:
        yield f"{result.set_apart_pixels} private pixels while bits of the source were flipped: no leak of ours (M-4)"
    if result.dome is not None and not result.self_test:
        yield from _dome_lines(result.dome)
    if result.rss_bytes:
        first, last = result.rss_bytes[0] / 2**20, result.rss_bytes[-1] / 2**20
        yield (
            f"{result.kind} cameras: memory {first:.0f} MiB at first, {last:.0f} at the end, "
            f"{result.growth_bytes / 2**20:+.1f} MiB after the first quarter; {result.leases_given} frames lent"
        )
    for where, count in result.leaks.items():
        if not result.self_test:
            yield f"{count} pictures with private pixels: {where}"
    for text, count in result.complaints.items():
        yield f"{count} x {text}"
    yield from result.problems


def _dome_lines(dome: StillFigures) -> Iterable[str]:
    situations = [("still", dome.still), ("moving", dome.moving), ("telemetry silent", dome.silent)]
    situations += [(f"still, {name}", areas) for name, areas in sorted(dome.views.items()) if areas.measured]
    for name, areas in situations:
        figures = areas.as_json()
        yield (
            f"dome, {name}: {figures['excess']:.1%} more hidden than must be"
            f" ({figures['excess_over_true']:.1%} over the true area, coding blocks included);"
            f" a report's errors make {figures['excess_allowed']:.1%} of it needful,"
            f" and {figures['excess_over_allowed']:.1%} more than that is hidden;"
            f" {figures['covered_share']:.1%} of {figures['pictures']} pictures wholly covered"
        )


def revisions_table(result: Revisions) -> Table:
    """What was found at changes of masks."""
    table = Table(
        "viewer", "revisions seen", "older units", title=f"{result.revisions} revisions in {result.seconds:.0f} s"
    )
    for name, older in result.older.items():
        table.add_row(name, str(result.seen.get(name, "")), str(older), style="red" if older else None)
    table.caption = (
        f"{result.units} units, {result.not_idr} revisions begun without an IDR picture, {result.unmarked} unmarked, "
        f"{result.resets} connections reset; apply {result.apply_ms_p50} ms (p99 {result.apply_ms_p99} ms)"
    )
    return table


def restarts_table(result: Restarts) -> Table:
    """What the first pictures showed."""
    table = Table(
        "restarts", "pictures", "private pixels", title=f"First pictures after restarts, {result.seconds:.0f} s"
    )
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(result.kinds.items()))
    table.add_row(kinds, str(result.pictures), str(result.private_pixels), style=None if result.good else "red")
    return table
