"""`vigie bench leak`."""

import importlib.util
import json
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console

from vigie.errors import NotFoundError


class Kind(StrEnum):
    """Which cameras."""

    fixed = "fixed"
    dome = "dome"
    both = "both"


def leak(
    frames: Annotated[int, typer.Option(min=100, help="Pictures to decode, at all exits together.")] = 20_000,
    minutes: Annotated[float, typer.Option(min=0, help="And at least for so long; memory must stay flat.")] = 0,
    kind: Annotated[
        Kind, typer.Option(help="Cameras that stand still, that turn, or half of the pictures and of the time each.")
    ] = Kind.both,
    seed: Annotated[int, typer.Option(min=0, help="The same seed draws the same faults.")] = 1,
    self_test: Annotated[
        bool, typer.Option("--self-test", help="Masks are drawn elsewhere: every exit must be found leaking.")
    ] = False,
    revisions: Annotated[int, typer.Option(min=0, help="Instead: so many changes of masks, watched to the byte.")] = 0,
    restarts: Annotated[int, typer.Option(min=0, help="Instead: the first 50 pictures after so many restarts.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of the table.")] = False,
) -> None:
    """Counts private pixels in everything that leaves, while cameras, masks and decisions are ill-treated.

    Exit code 1 when there is one, when an exit could not be looked at, or when the self-test finds none.
    """
    for module in ("numpy", "av"):
        if importlib.util.find_spec(module) is None:
            raise NotFoundError(f"the leak meter needs it; pip install {module}", f"the Python package {module}")
    console = Console(stderr=True)
    with console.status("Making clips") as status:
        good, found, shown, lines = _run(frames, minutes, kind, seed, self_test, revisions, restarts, status.update)
    if as_json:
        print(json.dumps(found))
    else:
        out = Console(width=None if console.is_terminal else 200)
        for table in shown:
            out.print(table)
    for line in lines:
        console.print(line, style=None if good else "red", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(0 if good else 1)


def _run(
    frames: int, minutes: float, kind: Kind, seed: int, self_test: bool, revisions: int, restarts: int, progress: Any
) -> tuple[bool, dict[str, Any], list[Any], list[str]]:
    """Whether all is well, the figures, the tables, and what else is to be said."""
    from vigie.bench.leak import table
    from vigie.bench.leak.revisions import run_restarts, run_revisions
    from vigie.bench.leak.run import run_leak

    if revisions or restarts:
        good, found, shown, lines = True, {}, [], []
        if revisions:
            changes = run_revisions(revisions, seed, progress)
            good, found["revisions"] = changes.good, changes.as_json()
            shown.append(table.revisions_table(changes))
        if restarts:
            begun = run_restarts(restarts, seed, progress)
            good, found["restarts"] = good and begun.good, begun.as_json()
            shown.append(table.restarts_table(begun))
            lines += begun.problems
        return good, found, shown, lines
    kinds = ["fixed", "dome"] if kind is Kind.both else [kind.value]
    share, seconds = frames // len(kinds), 60 * minutes / len(kinds)
    results = [run_leak(each, share, seed, seconds=seconds, self_test=self_test, progress=progress) for each in kinds]
    good = all(result.good for result in results)
    return (
        good,
        {"good": good, "runs": [result.as_json() for result in results]},
        [table.leak_table(result) for result in results],
        [line for result in results for line in table.leak_lines(result)],
    )
