"""`vigie bench`: capacity figures from the command line."""

import json
import os
import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from vigie.bench.control.cli import control
from vigie.bench.kill.cli import kill
from vigie.bench.leak.cli import leak
from vigie.bench.live import Case, Load, as_json, run_cases
from vigie.bench.masks_cli import masks
from vigie.bench.odd import make_odd_table, odd_summary, run_odd
from vigie.bench.process_figures import cpus_of
from vigie.bench.servers import OwnEngine, Server, parse_against
from vigie.bench.table import make_table, problems, sound
from vigie.errors import InvalidArgumentError
from vigie.load import Transport

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)
app.command()(masks)
app.command()(leak)
app.command()(kill)
app.command()(control)

_FULL = ["100x1", "100x2", "100x5", "500x1"]
_QUICK = ["20x1", "20x5"]


class Codec(StrEnum):
    """What the cameras send."""

    h264 = "h264"
    h265 = "h265"


@app.callback()
def bench() -> None:
    """Measures how many streams this machine carries."""


@app.command()
def live(
    case: Annotated[
        list[str] | None, typer.Option(help="CAMERASxVIEWERS, repeatable.", show_default=", ".join(_FULL))
    ] = None,
    cameras: Annotated[int | None, typer.Option(min=1, help="One case: cameras …", show_default=False)] = None,
    viewers: Annotated[int, typer.Option(min=1, help="… and viewers of each.")] = 1,
    transport: Annotated[Transport, typer.Option()] = Transport.tcp,
    bitrate: Annotated[float, typer.Option(min=0.05, help="Mbit/s of a camera.")] = 4,
    fps: Annotated[float, typer.Option(min=1, max=1000)] = 25,
    gop: Annotated[int, typer.Option(min=1, help="Units from keyframe to keyframe.")] = 50,
    codec: Annotated[Codec, typer.Option()] = Codec.h264,
    seconds: Annotated[float, typer.Option(min=1, max=3600, help="That count, per measurement.")] = 20,
    warm_up: Annotated[float, typer.Option(min=0, max=600)] = 3,
    rounds: Annotated[int, typer.Option(min=1, max=100, help="Servers in turn; the median counts.")] = 1,
    against: Annotated[
        list[str] | None,
        typer.Option(help="NAME=URL_TEMPLATE@PID: a server that runs and pulls from --sim-port.", show_default=False),
    ] = None,
    own: Annotated[bool, typer.Option(help="Measure vigie itself.")] = True,
    sim_port: Annotated[int, typer.Option(min=0, max=65535, help="Where the cameras are; 0: any.")] = 0,
    engine_cpus: Annotated[str, typer.Option(help="CPUs of the engine, such as 0 or 0,1.")] = "0",
    load_cpus: Annotated[str, typer.Option(help="CPUs of cameras and viewers.")] = "1",
    random_quirks: Annotated[
        int,
        typer.Option(min=0, help="Instead: so many known deviations in each of --cameras (100), plain ones beside."),
    ] = 0,
    seed: Annotated[int, typer.Option(min=0, help="The same seed draws the same deviations and rates.")] = 1,
    engine_log: Annotated[Path | None, typer.Option(help="Where the engine's output goes.", show_default=False)] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Two small cases of 5 seconds.")] = False,
    as_json_option: Annotated[bool, typer.Option("--json", help="One JSON object instead of the table.")] = False,
) -> None:
    """Live viewing: CPU, memory, latency and loss, next to other servers in the same run.

    Exit code 1 when vigie lost anything or a viewer had no picture. With --random-quirks: when a camera is not as its
    deviations allow, or a viewer of a plain camera missed anything.
    """
    console = Console(stderr=True)
    if random_quirks:
        others: dict[str, object] = {"--case": case, "--against": against, "--no-own": not own, "--sim-port": sim_port}
        others |= {"--quick": quick, "--engine-log": engine_log, "--rounds": rounds > 1}
        if wrong := [name for name, given in others.items() if given]:
            raise InvalidArgumentError(
                f"it does not go with {', '.join(wrong)}; right would be --cameras, --viewers, --seconds, --seed "
                "and the options of the load",
                "--random-quirks",
            )
    texts = case or ([f"{cameras}x{viewers}"] if cameras else _QUICK if quick else _FULL)
    cases = [parse_case(text) for text in texts]
    if against and not sim_port:
        raise InvalidArgumentError("--against needs --sim-port, where the other server pulls from", "--sim-port")
    engine = _cpu_list(engine_cpus, "--engine-cpus")
    load = Load(
        transport=transport.value,
        bitrate_mbit=bitrate,
        fps=fps,
        gop=gop,
        codec=codec.value,
        seconds=5 if quick and seconds == 20 else seconds,
        warm_up=warm_up,
        rounds=rounds,
        sim_port=sim_port,
        load_cpus=_cpu_list(load_cpus, "--load-cpus"),
        seed=seed,
    )
    if random_quirks:
        _run_odd(cameras or 100, random_quirks, load, console, viewers, engine, as_json_option)
    servers: list[Server] = [OwnEngine(engine, engine_log)] if own else []
    for text in against or []:
        other = parse_against(text)
        if cpus_of(other.pid) != set(engine):
            theirs = sorted(cpus_of(other.pid))
            console.print(f"{other.name} runs on CPUs {theirs}, not on {list(engine)}: unequal terms")
        servers.append(other)
    if not servers:
        raise InvalidArgumentError("nothing to measure; right would be --own or --against", "--no-own")
    with console.status("Starting") as status:
        results = run_cases(cases, servers, load, status.update)
    if as_json_option:
        print(json.dumps(as_json(results, load)))
    else:
        Console(width=None if console.is_terminal else 180).print(make_table(results, load))
    for line in problems(results):
        console.print(line, style="red", markup=False, highlight=False)
    ours = [each for measured in results for each in measured if each.server == "vigie"]
    raise typer.Exit(0 if all(sound(each) for each in ours) else 1)


def _run_odd(
    cameras: int, quirks: int, load: Load, console: Console, viewers: int, cpus: tuple[int, ...], json_wanted: bool
) -> NoReturn:
    with console.status("Starting") as status:
        run = run_odd(cameras, quirks, load, status.update, viewers=viewers, cpus=cpus)
    if json_wanted:
        print(json.dumps(run.as_json()))
    else:
        Console(width=None if console.is_terminal else 180).print(make_odd_table(run))
    for line in odd_summary(run):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(0 if run.good else 1)


def parse_case(text: str) -> Case:
    """Reads 100x5. Raises: InvalidArgumentError."""
    match = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text.strip())
    if not match:
        raise InvalidArgumentError("right would be CAMERASxVIEWERS, such as 100x5", f"--case {text}")
    return Case(int(match[1]), int(match[2]))


def _cpu_list(text: str, where: str) -> tuple[int, ...]:
    available = os.sched_getaffinity(0)
    try:
        cpus = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise InvalidArgumentError("right would be numbers such as 0 or 0,1", where) from None
    if not set(cpus) <= available:
        raise InvalidArgumentError(f"this process may use only CPUs {sorted(available)}", where)
    return cpus
