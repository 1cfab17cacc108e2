"""`vigie clock`: whether rights go by the machine's clock as it is. Works on the state folder."""

import json
from pathlib import Path
from typing import Annotated

import typer

from vigie.errors import NotFoundError, StateUnwritableError

app = typer.Typer(help="Whether the machine's clock is believed, after it was set.", no_args_is_help=True)
StateFolder = Annotated[Path, typer.Option("--state", envvar="VIGIE_STATE", help="The state folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object.")]


@app.command()
def show(state: StateFolder, as_json: AsJson = False) -> None:
    """Says whether the clock is believed. Exit code 1: it is not."""
    from vigie.control.rights_clock import doubt

    ahead_s = doubt(_there(state))
    if as_json:
        print(json.dumps({"believed": ahead_s is None, "stepped_by_s": ahead_s}))
    elif ahead_s is None:
        print("the clock is believed")
    else:
        print(f"the clock has stepped by {ahead_s:+.0f} s: rights must hold at both times")
    raise typer.Exit(0 if ahead_s is None else 1)


@app.command()
def trust(state: StateFolder, as_json: AsJson = False) -> None:
    """Says that the clock is right as it is now. A service that runs takes it over within a second or so."""
    from vigie.control import rights_clock

    try:
        rights_clock.trust(_there(state))
    except OSError as error:
        raise StateUnwritableError(str(error.strerror), str(state)) from None
    print(json.dumps({"believed": True}) if as_json else "the clock is believed")


def _there(state: Path) -> Path:
    if not state.is_dir():
        raise NotFoundError("no such folder; right would be that of vigie serve --state", str(state))
    return state
