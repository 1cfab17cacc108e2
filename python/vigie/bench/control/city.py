"""A city from its YAML files: applied to a running service, started cold, a camera and a convention of it edited."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vigie.bench.kill.service import ServiceUnderTest
from vigie.cli.sources import read_sources
from vigie.control import ops
from vigie.control.client import Client
from vigie.errors import Error, TimedOutError
from vigie.sim.process import SimProcess

UP_S = 300.0
WINDOWS = ("08:00-12:00", "13:00-17:00")


@dataclass
class CityFigures:
    """`start_s`: from the start of `vigie serve` on a folder that holds the city until all streams play."""

    objects: int = 0
    cameras: int = 0
    apply_s: float = 0
    edit_ms: list[float] = field(default_factory=list)
    convention_ms: list[float] = field(default_factory=list)
    start_s: float | None = None
    playing: int = 0
    streams: int = 0


def measure_city(
    folder: Path, files: Sequence[Path], sim_cameras: int, sim_port: int, edits: int, tell: Callable[[str], None]
) -> CityFigures:
    """`sim_cameras`: so many are simulated at `sim_port`, and the cold start is measured; 0: none, and it is not."""
    found = CityFigures()
    with ExitStack() as stack:
        if sim_cameras:
            options = ["--bitrate", "0.2", "--fps", "10", "--gop", "10"]
            stack.enter_context(SimProcess(sim_cameras, port=sim_port, options=options))
        folder.mkdir()
        service = ServiceUnderTest(folder / "state", folder / "serve.log")
        stack.callback(service.stop)
        service.start()
        with Client(service.endpoint, timeout_s=60) as client:
            client.ping()
            sources = [
                ops.YamlSource(text=one.text, file=one.file[-1024:], folder=one.folder) for one in read_sources(files)
            ]
            tell("applying the city")
            began = time.monotonic()
            found.objects = client.apply(yaml=sources, timeout_s=300).total
            found.apply_s = time.monotonic() - began
            bodies = [one.body for one in client.get(ops.ObjectsGet(kind="Camera"))]
            found.cameras = len(bodies)
            tell(f"{edits} edits of a camera each")
            found.edit_ms = [
                _edited_ms(client, bodies[number % len(bodies)], title=f"edited {number}") for number in range(edits)
            ]
            tell(f"{edits} edits of a convention")
            for convention in client.get(ops.ObjectsGet(kind="Convention"))[:1]:
                found.convention_ms = [
                    _edited_ms(client, convention.body, windows=[WINDOWS[number % 2]]) for number in range(edits)
                ]
        if sim_cameras:
            service.stop()
            tell("starting cold")
            began = time.monotonic()
            service.start()
            if _all_play(service.endpoint, found, began + UP_S):
                found.start_s = time.monotonic() - began
    return found


def _edited_ms(client: Client, body: Mapping[str, Any], **fields: Any) -> float:
    began = time.monotonic()
    client.apply(objects=[{**body, "spec": {**body["spec"], **fields}}], timeout_s=60)
    return (time.monotonic() - began) * 1e3


def _all_play(endpoint: str, found: CityFigures, until: float) -> bool:
    with Client(endpoint, timeout_s=30) as client:
        while time.monotonic() < until:
            with suppress(Error, TimedOutError):
                states = [state for item in client.state(["Camera"]).items for state in item.streams.values()]
                found.streams, found.playing = len(states), states.count("playing")
                if found.streams >= found.cameras and found.playing == found.streams:
                    return True
            time.sleep(0.25)
    return False
