"""`vigie bench control`."""

import json
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from vigie.bench.control.city import CityFigures, measure_city
from vigie.bench.control.commands import measure_commands
from vigie.bench.control.cut import Cut, measure_cut, town
from vigie.bench.kill.service import ServiceUnderTest
from vigie.bench.servers import free_port
from vigie.control.client import Client
from vigie.sim.process import SimProcess


def control(
    cameras: Annotated[int, typer.Option(min=1, max=1000, help="Whose right is withdrawn.")] = 100,
    viewers: Annotated[int, typer.Option(min=2, max=2000, help="Half over TCP, half over UDP.")] = 500,
    stalled: Annotated[int, typer.Option(min=0, help="Of those over TCP: they do not read.")] = 25,
    rounds: Annotated[int, typer.Option(min=0, max=100, help="Withdrawals; 0: none.")] = 5,
    clients: Annotated[int, typer.Option(min=0, max=1000, help="That send commands; 0: none.")] = 100,
    seconds: Annotated[float, typer.Option(min=1, max=600, help="Of commands.")] = 20,
    pause: Annotated[
        float, typer.Option(min=0.01, max=10, help="Seconds between a client's commands, on average.")
    ] = 1,
    city: Annotated[
        list[Path] | None,
        typer.Option(help="Apply, edit and start this city: YAML files or folders.", show_default=False),
    ] = None,
    sim_cameras: Annotated[int, typer.Option(min=0, help="Of the city, that are simulated; 0: no cold start.")] = 0,
    sim_port: Annotated[int, typer.Option(min=1, max=65535, help="Where its cameras' addresses point.")] = 9554,
    edits: Annotated[int, typer.Option(min=1, help="Of one camera of the city each, and of a convention.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of tables.")] = False,
) -> None:
    """A right that is withdrawn in front of its viewers, commands of many clients, and a whole city.

    Exit code 1 when a viewer was not cut, or a city's streams did not all come up.
    """
    console = Console(stderr=True)
    out = Console(width=None if console.is_terminal else 120)
    values: dict[str, Any] = {}
    good = True
    with console.status("Starting") as status, tempfile.TemporaryDirectory(prefix="vigie-control-") as temporary:
        folder = Path(temporary)
        if rounds:
            cut = measure_cut(folder / "cut", cameras, viewers, stalled, rounds, status.update)
            values["cut"], good = _cut_values(cut), cut.good
        if clients:
            status.update("commands")
            values["commands"] = _commands(folder / "commands", cameras, clients, seconds, pause)
        if city:
            figures = measure_city(folder / "city", city, sim_cameras, sim_port, edits, status.update)
            values["city"] = _city_values(figures)
            good = good and (not sim_cameras or figures.start_s is not None)
    if as_json:
        print(json.dumps({"good": good, **values}))
    else:
        for table in _tables(values):
            out.print(table)
    raise typer.Exit(0 if good else 1)


def _commands(folder: Path, cameras: int, clients: int, seconds: float, pause: float) -> dict[str, Any]:
    folder.mkdir()
    service = ServiceUnderTest(folder / "state", folder / "serve.log")
    with SimProcess(cameras, options=["--bitrate", "0.2", "--fps", "10", "--gop", "10"]) as sim:
        service.start()
        try:
            with Client(service.endpoint, timeout_s=60) as client:
                client.ping()
                client.apply(objects=town(free_port(), sim, 1), timeout_s=60)
            found = measure_commands(service.endpoint, clients, seconds, pause, "hall-000")
        finally:
            service.stop()
    every = [value for values in found.values() for value in values]
    return {"clients": clients, **{name: spread(values) for name, values in {"all": every, **found}.items()}}


def spread(values: Sequence[float]) -> dict[str, float]:
    """Of milliseconds."""
    if not values:
        return {"count": 0}
    ordered = sorted(values)
    p99 = ordered[min(len(ordered) - 1, round(0.99 * (len(ordered) - 1)))]
    return {
        "count": len(ordered),
        "p50_ms": round(statistics.median(ordered), 2),
        "p99_ms": round(p99, 2),
        "max_ms": round(ordered[-1], 2),
    }


def _cut_values(cut: Cut) -> dict[str, Any]:
    return {
        **{
            name: getattr(cut, name)
            for name in ("cameras", "viewers", "rounds", "stalled", "stalled_bytes", "not_ended")
        },
        "good": cut.good,
        "after_acknowledgement": {transport: spread(values) for transport, values in cut.after_ms.items()},
        "since_sent": {transport: spread(values) for transport, values in cut.since_ms.items()},
        "delete": spread(cut.apply_ms),
        "route_open": spread(cut.opened_ms),
    }


def _city_values(city: CityFigures) -> dict[str, Any]:
    spreads = {"edit_ms": spread(city.edit_ms), "convention_ms": spread(city.convention_ms)}
    return {**asdict(city), "apply_s": round(city.apply_s, 2), **spreads}


def _tables(values: dict[str, Any]) -> list[Table]:
    tables = []
    if cut := values.get("cut"):
        table = _table(
            f"A right withdrawn before {cut['viewers']} viewers of {cut['cameras']} cameras, {cut['rounds']} times"
        )
        for transport in cut["since_sent"]:
            _row(
                table,
                f"last byte read over {transport.upper()}, since the command was sent",
                cut["since_sent"][transport],
            )
            _row(table, "... since it was acknowledged", cut["after_acknowledgement"][transport])
        _row(table, "the command itself", cut["delete"])
        _row(table, "route.open, one after another", cut["route_open"])
        table.caption = (
            f"{cut['stalled']} viewers that do not read: {cut['stalled_bytes']} bytes reached them after the cuts; "
            f"{cut['not_ended']} viewers were not cut"
        )
        tables.append(table)
    if commands := values.get("commands"):
        table = _table(f"Commands of {commands['clients']} clients")
        for name, found in commands.items():
            if isinstance(found, dict):
                _row(table, name, found)
        tables.append(table)
    if city := values.get("city"):
        table = _table(f"A city of {city['cameras']} cameras, {city['objects']} objects")
        _row(table, "one camera edited", city["edit_ms"])
        _row(table, "one convention edited", city["convention_ms"])
        started = "not measured" if city["start_s"] is None else f"{city['start_s']:.1f} s"
        table.caption = (
            f"applied in {city['apply_s']} s; started cold until {city['playing']} of {city['streams']} streams play: "
            f"{started}"
        )
        tables.append(table)
    return tables


def _table(title: str) -> Table:
    table = Table(title=title)
    table.add_column("what")
    for name in ("count", "p50 ms", "p99 ms", "max ms"):
        table.add_column(name, justify="right")
    return table


def _row(table: Table, what: str, found: dict[str, float]) -> None:
    table.add_row(what, *(str(found.get(name, "")) for name in ("count", "p50_ms", "p99_ms", "max_ms")))
