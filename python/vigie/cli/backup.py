"""`vigie backup`: a copy of a state folder that fits together, made while it is in use."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer


def backup(
    to: Annotated[Path, typer.Argument(help="A new folder.", show_default=False)],
    state: Annotated[Path, typer.Option("--state", envvar="VIGIE_STATE", help="The state folder.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Copies objects, secrets, keys and the verified journal of a folder that may be in use.

    To restore: end vigie serve, and put the copy in the place of the folder.
    """
    from vigie.control.backup import back_up

    made = back_up(state, to)
    if as_json:
        print(json.dumps({"folder": str(to), **asdict(made)}))
    else:
        print(f"{to}: revision {made.revision}, {made.objects} objects, {made.lines} lines of journal, verified")
