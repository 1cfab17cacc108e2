"""`vigie bench masks`."""

import json
import os
import re
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from vigie.bench.masked_quality import Rectangle
from vigie.bench.masks import MaskLoad, measure_clip, prepare
from vigie.bench.masks_among import Among, among_remarks, make_among_table, run_among
from vigie.bench.masks_table import make_cost_table, make_growth_table, remarks
from vigie.errors import InvalidArgumentError


def masks(
    clips: Annotated[
        list[Path] | None, typer.Argument(help="Camera-like H.264, without B pictures.", show_default=False)
    ] = None,
    scene: Annotated[
        str | None, typer.Option(help="A generated scene of this size as a clip, such as 320x180.", show_default=False)
    ] = None,
    streams: Annotated[int, typer.Option(min=1, max=256, help="While the cost is measured.")] = 2,
    seconds: Annotated[float, typer.Option(min=1, max=3600, help="That count, per measurement.")] = 10,
    warm_up: Annotated[float, typer.Option(min=0, max=600, help="Seconds before that.")] = 10,
    rounds: Annotated[int, typer.Option(min=1, max=100, help="Engine and FFmpeg in turn; the median counts.")] = 3,
    capacity: Annotated[bool, typer.Option(help="Find out how many streams fit on this machine.")] = True,
    most: Annotated[int, typer.Option(min=1, max=256, help="Try no more streams than this.")] = 64,
    mask: Annotated[str, typer.Option(help="Left, top, right, bottom as shares of the picture.")] = "0.1,0.2,0.4,0.55",
    among: Annotated[
        int, typer.Option(min=0, max=10000, help="Instead: do masked cameras disturb the others of so many?")
    ] = 0,
    masked: Annotated[int, typer.Option(min=1, max=256, help="How many of --among are masked.")] = 4,
    engine_cpus: Annotated[
        str, typer.Option(help="CPUs of the engine and FFmpeg while the cost is measured.", show_default="the first")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of the tables.")] = False,
) -> None:
    """Masked streams: CPU, bits and likeness next to FFmpeg's in one run, latency, and how many fit.

    Exit code 1 when pictures were left out while the cost was measured (then its figures say nothing), or when a clear
    camera of --among lost anything. Whether the bars are met is printed and in the JSON.
    """
    console = Console(stderr=True)
    if not clips and scene is None:
        raise InvalidArgumentError("nothing to measure; right would be CLIP… or --scene 1920x1080", "CLIP")
    if scene is not None and not re.fullmatch(r"[1-9]\d{1,3}x[1-9]\d{1,3}", scene):
        raise InvalidArgumentError("right would be a size such as 320x180", f"--scene {scene}")
    available = sorted(os.sched_getaffinity(0))
    ours = _cpus(engine_cpus, available) if engine_cpus else (available[0],)
    others = tuple(cpu for cpu in available if cpu not in ours) or tuple(available)
    load = MaskLoad(_rectangle(mask), streams, seconds, warm_up, rounds, most, capacity, ours, others)
    with tempfile.TemporaryDirectory(prefix="vigie-bench-") as folder, console.status("Preparing clips") as status:
        sources = prepare(clips or [], scene, Path(folder))
        if among:
            shared = run_among(sources[0], Among(among, masked), load, status.update)
        else:
            results = [measure_clip(source, load, status.update) for source in sources]
    out = Console(width=None if console.is_terminal else 180)
    if among:
        if as_json:
            print(json.dumps(shared.as_json()))
        else:
            out.print(make_among_table(shared))
        lines, good = among_remarks(shared), shared.valid
    else:
        if as_json:
            print(json.dumps({"clips": [result.as_json() for result in results]}))
        else:
            out.print(make_cost_table(results))
            for result in results:
                if result.growth:
                    out.print(make_growth_table(result))
        lines, good = [line for result in results for line in remarks(result)], all(result.valid for result in results)
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(0 if good else 1)


def _rectangle(text: str) -> Rectangle:
    try:
        left, top, right, bottom = (float(part) for part in text.split(","))
    except ValueError:
        left = top = right = bottom = -1
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1) or (right - left) * (bottom - top) > 0.9:
        raise InvalidArgumentError("right would be four shares, of a part of the picture: 0.1,0.2,0.4,0.55", "--mask")
    return Rectangle(left, top, right, bottom)


def _cpus(text: str, available: list[int]) -> tuple[int, ...]:
    cpus = tuple(int(part) if part.isdecimal() else -1 for part in text.split(","))
    if not set(cpus) <= set(available):
        raise InvalidArgumentError(f"right would be some of {available}, such as {available[0]}", "--engine-cpus")
    return cpus
