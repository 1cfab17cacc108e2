"""`vigie site list`."""

import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from vigie.errors import Error, NotFoundError
from vigie.policy import ConfigurationError, Inventory, Town, load_town
from vigie.policy.declared import Declared
from vigie.policy.inventory import OfferedStream, clean
from vigie.policy.objects import Site
from vigie.policy.problems import suggestion
from vigie.policy.sites import Planned, plan_site
from vigie.site.partner import list_cameras, make_partner

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)
_TOGETHER = 8


@app.callback()
def main() -> None:
    """Sites: partners that are asked for their cameras."""


@app.command("list")
def list_sites(
    files: Annotated[
        list[Path],
        typer.Option("--file", "-f", help="YAML file, or folder of YAML files; may be repeated.", show_default=False),
    ],
    name: Annotated[str, typer.Argument(help="One site; all when left out.", show_default=False)] = "",
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """Asks the partners now, and shows their cameras, what each would be called here and why one is left out.

    Changes nothing. Exit code 0: every partner answered; 1: one did not; 2: the files are wrong.
    """
    from vigie.cli.configuration import print_problems

    try:
        town = load_town(files)
    except ConfigurationError as error:
        print_problems(error.problems)
        raise typer.Exit(2) from None
    sites = _chosen(town, name)
    with ThreadPoolExecutor(_TOGETHER) as pool:
        heard = list(pool.map(_ask, sites))
    if as_json:
        json.dump(
            {"sites": [_json(site, answer) for site, answer in zip(sites, heard, strict=True)]}, sys.stdout, indent=2
        )
        print()
    else:
        console = Console()
        for site, answer in zip(sites, heard, strict=True):
            _print(console, site, answer)
    raise typer.Exit(1 if any(isinstance(answer, Error) for answer in heard) else 0)


def _chosen(town: Town, name: str) -> Sequence[Declared[Site]]:
    sites = [site for site in town.sites if not name or site.object.name == name]
    if not sites:
        names = [site.object.name for site in town.sites]
        what = suggestion(name, names) if name else "the files declare no Site"
        raise NotFoundError(what, f"Site {name}".strip())
    return sites


def _ask(site: Declared[Site]) -> Inventory | Error:
    try:
        return list_cameras(make_partner(site))
    except Error as error:
        return error


def _json(site: Declared[Site], answer: Inventory | Error) -> dict[str, Any]:
    head: dict[str, Any] = {"site": site.object.name, "url": site.object.spec.url}
    if isinstance(answer, Error):
        return head | {"error": str(answer), "partner": None, "cameras": []}
    plan = plan_site(site, answer)
    return head | {"error": None, "partner": answer.partner, "cameras": [_camera_json(item) for item in plan]}


def _camera_json(item: Planned) -> dict[str, Any]:
    return {
        "token": item.offered.token,
        "name": item.name,
        "state": item.state,
        "why": item.why,
        "notes": list(item.notes),
        "title": item.offered.title,
        "number": item.offered.number,
        "privacy": item.camera.object.spec.privacy if item.camera else None,
        "pull": next(iter(item.camera.object.spec.streams.values())).pull if item.camera else None,
        "streams": [asdict(stream) for stream in item.offered.streams],
    }


def _print(console: Console, site: Declared[Site], answer: Inventory | Error) -> None:
    if isinstance(answer, Error):
        console.print(Text(f"{site.object.name}: {answer}", style="red"))
        return
    plan = plan_site(site, answer)
    taken = sum(item.state == "taken" for item in plan)
    table = Table(
        title=Text(f"{site.object.name}: {answer.partner}, {len(plan)} cameras, {taken} taken"),
        title_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
    )
    for column in ("there", "here", "title", "number", "streams", "privacy", "remark"):
        table.add_column(column, overflow="fold")
    # Text, not markup: half of it is a stranger's.
    for item in plan:
        remark = "; ".join([item.why, *item.notes] if item.why else item.notes)
        table.add_row(
            Text(clean(item.offered.token, 64)),
            Text(item.name if item.state == "taken" else "-"),
            Text(item.offered.title),
            Text(str(item.offered.number or "")),
            Text(", ".join(_stream_text(stream) for stream in item.offered.streams)),
            Text(item.camera.object.spec.privacy if item.camera else ""),
            Text(remark or (item.state if item.state != "taken" else "")),
        )
    console.print(table)


def _stream_text(stream: OfferedStream) -> str:
    size = f" {stream.width}x{stream.height}" if stream.width else ""
    return clean(f"{stream.name} {stream.codec}", 80).strip() + size
