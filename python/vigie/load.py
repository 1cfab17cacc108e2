"""Simulated viewers: one running `vigie-load`, and the command `vigie load`."""

import json
import subprocess
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from vigie import _native
from vigie.errors import InvalidArgumentError

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

# What a perfect run has none of.
FAULTS = (
    "missing_units",
    "repeated_units",
    "out_of_order_units",
    "damaged_units",
    "wrong_camera_units",
    "lost_packets",
    "timestamps_not_following",
    "disconnects",
    "failures",
)


def run_load(
    url_template: str,
    *,
    cameras: int = 1,
    viewers: int = 1,
    transport: str = "tcp",
    ramp: float = 1,
    warm_up: float = 2,
    seconds: float = 10,
    cpus: Iterable[int] | None = None,
    options: Sequence[str] = (),
    on_event: Callable[[dict[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """Runs viewers and returns the result of `vigie-load`.

    `on_event` gets every progress line: event is progress, warm-up, window-begin or window-end.
    Raises: InvalidArgumentError when the program ends without a result.
    """
    command = [_native.find_program("vigie-load"), "--url-template", url_template]
    command += ["--cameras", str(cameras), "--viewers", str(viewers), "--transport", transport]
    command += ["--ramp", str(ramp), "--warm-up", str(warm_up), "--duration", str(seconds), *options]
    process = _native.start(command, cpus=cpus, stderr=subprocess.PIPE)
    complaint = ""
    try:
        for line in process.stderr or []:
            try:
                event = json.loads(line)
            except ValueError:
                complaint = line.strip()
                continue
            if on_event:
                on_event(event)
        text = process.stdout.read() if process.stdout else ""
    finally:
        _native.stop(process)
    if not text:
        raise InvalidArgumentError(complaint or "it ended without a result", "vigie-load")
    result: dict[str, Any] = json.loads(text)
    return result


class Transport(StrEnum):
    """How viewers want their packets."""

    tcp = "tcp"
    udp = "udp"


@app.command()
def load(
    url_template: Annotated[str, typer.Argument(help="rtsp://127.0.0.1:8554/cam{n:03d}; {n} is the camera's number.")],
    cameras: Annotated[int, typer.Option(min=1)] = 1,
    first: Annotated[int, typer.Option(min=0, help="Number of the first camera.")] = 0,
    viewers: Annotated[int, typer.Option(min=1, help="Of each camera.")] = 1,
    transport: Annotated[Transport, typer.Option()] = Transport.tcp,
    user: Annotated[str, typer.Option(show_default=False)] = "",
    password: Annotated[str, typer.Option(show_default=False)] = "",
    ramp: Annotated[float, typer.Option(min=0, help="Seconds over which the viewers come.")] = 1,
    warm_up: Annotated[float, typer.Option(min=0, help="Seconds that do not count.")] = 2,
    seconds: Annotated[float, typer.Option(min=0.1, help="Seconds that count.")] = 10,
    stalled: Annotated[float, typer.Option(min=0, max=1, help="Share of viewers that never read.")] = 0,
    churn: Annotated[float, typer.Option(min=0, help="Mean seconds between a viewer's reconnects; 0: none.")] = 0,
    any_camera: Annotated[bool, typer.Option("--any-camera", help="Do not check whose picture it is.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The result as one JSON object.")] = False,
) -> None:
    """Runs viewers that check continuity and measure latency. Exit code 1 when anything was missing."""
    console = Console(stderr=True)
    options = ["--first", str(first), "--stalled", str(stalled), "--churn", str(churn)]
    if user or password:
        options += ["--user", user, "--password", password]
    if any_camera:
        options.append("--any-camera")
    with console.status("Connecting") as status:

        def show(event: dict[str, Any]) -> None:
            status.update(
                f"{event['event']}: {event['with_picture']} of {cameras * viewers} with a picture, "
                f"{event['units']} units {event['last_failure']}"
            )

        result = run_load(
            url_template,
            cameras=cameras,
            viewers=viewers,
            transport=transport.value,
            ramp=ramp,
            warm_up=warm_up,
            seconds=seconds,
            options=options,
            on_event=show,
        )
    if as_json:
        print(json.dumps(result))
    else:
        Console().print(_table(result))
    good = result["all_ready"] and all(result[name] == 0 for name in FAULTS)
    raise typer.Exit(0 if good else 1)


def _table(result: dict[str, Any]) -> Table:
    table = Table("what", "figure", title=f"{result['viewers']} viewers, {result['window_s']:.1f} s")
    for name in ("latency_ms", "first_picture_ms", "live_edge_lag_ms"):
        figures = result[name]
        text = "  ".join(f"{key} {figures[key]:.2f}" for key in ("p50", "p99", "max"))
        table.add_row(name.replace("_", " "), text if figures["count"] else "–")
    table.add_row("Mbit/s", f"{result['mbit_per_s']:.1f}")
    for name in ("units", *FAULTS):
        table.add_row(name.replace("_", " "), str(result[name]))
    if result["last_failure"]:
        table.add_row("last failure", result["last_failure"])
    return table
