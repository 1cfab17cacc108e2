"""`vigie inspect`: what a recording says about its masks."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from vigie.errors import FileUnreadableError
from vigie.inspect.report import Change, Report, inspect_file

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def inspect(
    file: Annotated[Path, typer.Argument(help="Raw H.264 (Annex B), MP4, MPEG-TS or Matroska.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of the table.")] = False,
) -> None:
    """Says which masks the pictures of a recording were filled with, by the mark that each of them carries.

    The mark is not signed: it says what the engine wrote, not that nobody changed it since.

    Exit code 0: every picture is marked, and every change of masks begins with an IDR picture; 1: not so, or two IDR
    pictures in a row have one idr_pic_id; 2: the file cannot be read.
    """
    try:
        report = inspect_file(file)
    except FileUnreadableError as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(2) from None
    if as_json:
        print(json.dumps(report.as_json()))
    else:
        console = Console()
        console.print(make_table(report))
        for line in findings(report):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(0 if report.good else 1)


def make_table(report: Report) -> Table:
    """One row for each change of the mark."""
    table = Table(title=f"{report.file}: {report.codec}, {report.units} units, {report.idr_units} of them IDR")
    table.add_column("from unit", justify="right")
    table.add_column("time s", justify="right")
    table.add_column("state")
    for name in ("masks", "version", "policy"):
        table.add_column(name, justify="right")
    table.add_column("IDR")
    for change in report.changes:
        wrong = change.mark is None or (change.needs_idr and not change.idr)
        table.add_row(*_row(change), style="red" if wrong else None)
    return table


def _row(change: Change) -> list[str]:
    time = "" if change.time_s is None else f"{change.time_s:.3f}"
    idr = "yes" if change.idr else "missing" if change.needs_idr else "no"
    if change.mark is None:
        return [str(change.unit), time, "no mark", "", "", "", idr]
    mark = change.mark
    version = str(mark.version_revision or "")
    return [str(change.unit), time, mark.state, str(mark.mask_revision), version, str(mark.policy_revision), idr]


def findings(report: Report) -> list[str]:
    """The verdict in words, one line each."""
    lines = [", ".join(f"{count} {state}" for state, count in sorted(report.states.items()))]
    if report.unmarked == report.units and not report.unreadable_marks:
        lines.append("no picture carries a mark: passed on untouched by decision, or not written by vigie")
    elif report.unmarked:
        lines.append(f"{report.unmarked} units without a mark, the first is unit {report.first_unmarked}")
    if report.unreadable_marks:
        lines.append(f"{report.unreadable_marks} units with a mark that cannot be read, or with two that differ")
    if missing := report.changes_without_idr:
        lines.append(f"{len(missing)} changes of masks without an IDR picture, the first at unit {missing[0].unit}")
    if repeated := report.repeated_idr_pic_ids:
        lines.append(f"{len(repeated)} IDR pictures with the idr_pic_id of the one before, the first at {repeated[0]}")
    return lines
