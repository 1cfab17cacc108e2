"""`vigie bench kill`."""

import json
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from vigie.bench.kill.rounds import KillBench, KillRun


def kill(
    rounds: Annotated[int, typer.Option(min=1, max=10000, help="How often somebody dies.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="The same seed draws the same deaths.")] = 1,
    keep: Annotated[
        Path | None, typer.Option(help="Leave state and log in this new folder.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of the table.")] = False,
) -> None:
    """kill -9 of control, engine, supervisor, or all, at random instants, with viewers on and applies going on.

    Exit code 1 when an acknowledged revision was lost, somebody saw a camera after the end of his right, somebody who
    keeps his right was cut without the death of the engine, or the journal does not verify.
    """
    console = Console(stderr=True)
    with console.status("Starting") as status, tempfile.TemporaryDirectory(prefix="vigie-kill-") as temporary:
        if keep is not None:
            keep.mkdir(mode=0o700)
        run = KillBench(keep or Path(temporary), seed, status.update).measure(rounds)
    if as_json:
        print(json.dumps(run.as_json()))
    else:
        Console(width=None if console.is_terminal else 120).print(_table(run))
    for line in run.all_problems:
        console.print(line, style="red", markup=False, highlight=False)
    raise typer.Exit(0 if run.good else 1)


def _table(run: KillRun) -> Table:
    figures = run.as_json()
    table = Table(title=f"{figures['rounds']} rounds, {figures['acknowledged_applies']} applies acknowledged")
    for name in ("killed", "times", "back after s, median", "max"):
        table.add_column(name, justify="left" if name == "killed" else "right")
    for killed, back in figures["back_s"].items():
        table.add_row(killed, str(back["times"]), str(back["median"]), str(back["max"]))
    table.caption = (
        f"last bytes after the end of a right: {figures['last_bytes_after_end_ms_max']} ms at most, "
        f"after an acknowledged revocation: {figures['last_bytes_after_revocation_ms_max']} ms; "
        f"{figures['journal_lines']} lines of journal verified; {len(figures['problems'])} problems"
    )
    return table
