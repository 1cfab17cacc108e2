"""`vigie top`: what the cameras do now, as a table that is kept current, asked of the service."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from vigie.cli.show import STATE_STYLE
from vigie.errors import ControlUnavailableError

if TYPE_CHECKING:
    from vigie.control.client import Client

_LANE_S = ("decode_s", "mask_s", "encode_s")
_PAGE = 1000


@dataclass(frozen=True)
class Sample:
    """All figures at one instant, by the engine's clock."""

    time_s: float
    engine: Mapping[str, Any]
    cameras: Mapping[str, Any]
    service: Mapping[str, int]


@dataclass(frozen=True)
class Row:
    """A stream. `cpu`: cores that its masks took since the sample before, None where it has none or there was none.

    `dropped`: units that its viewers missed for their own slowness; `held`: those that the publish gate kept back.
    """

    camera: str
    stream: str
    number: int
    state: str
    privacy: str
    mask_revision: int
    fps: float
    bitrate_bps: float
    viewers: int
    lost: int
    dropped: int
    held: int
    lag_ms: float
    cpu: float | None
    fault: str


def _least(row: Row) -> tuple[Any, ...]:
    return row.camera, row.stream


# The largest first, names and states as they are read.
SORTS: dict[str, Callable[[Row], Any]] = {
    "camera": _least,
    "number": lambda row: (row.number, _least(row)),
    "state": lambda row: (row.state == "playing", row.state, _least(row)),
    "fps": lambda row: (-row.fps, _least(row)),
    "bitrate": lambda row: (-row.bitrate_bps, _least(row)),
    "viewers": lambda row: (-row.viewers, _least(row)),
    "lost": lambda row: (-row.lost, _least(row)),
    "dropped": lambda row: (-row.dropped - row.held, _least(row)),
    "lag": lambda row: (-row.lag_ms, _least(row)),
    "cpu": lambda row: (-(row.cpu or 0.0), _least(row)),
}


@dataclass(frozen=True)
class View:
    """Which rows, and in which order. `problems`: only those that do not play, or have lost or dropped something."""

    sort: str = "camera"
    reverse: bool = False
    cameras: Sequence[str] = ()
    states: Sequence[str] = ()
    privacies: Sequence[str] = ()
    problems: bool = False

    def of(self, rows: Sequence[Row]) -> list[Row]:
        """The rows of it."""
        chosen = [
            row
            for row in rows
            if (not self.cameras or any(fnmatchcase(row.camera, pattern) for pattern in self.cameras))
            and (not self.states or row.state in self.states)
            and (not self.privacies or row.privacy in self.privacies)
            and (not self.problems or row.state not in ("playing", "idle") or row.lost or row.dropped or row.held)
        ]
        return sorted(chosen, key=SORTS[self.sort], reverse=self.reverse)


def take(client: "Client") -> Sample:
    """Asks for all pages. Raises: as the client."""
    from vigie.control import ops

    cameras: dict[str, Any] = {}
    page = client.stats(ops.StatsGet(limit=_PAGE))
    cameras |= page.cameras
    while page.next:
        page = client.stats(ops.StatsGet(after=page.next, limit=_PAGE))
        cameras |= page.cameras
    return Sample(page.engine.get("time_s", 0.0), page.engine, cameras, page.service)


def rows_of(sample: Sample, before: Sample | None) -> list[Row]:
    """One row a stream."""
    rows = []
    for camera, entry in sample.cameras.items():
        for stream, figures in entry.get("streams", {}).items():
            old = None if before is None else before.cameras.get(camera, {}).get("streams", {}).get(stream)
            rows.append(
                Row(
                    camera=camera,
                    stream=stream,
                    number=entry.get("number", 0),
                    state=figures["state"],
                    privacy=figures.get("privacy", ""),
                    mask_revision=figures.get("mask_revision", 0),
                    fps=figures.get("fps", 0.0),
                    bitrate_bps=figures.get("bitrate_bps", 0.0),
                    viewers=figures.get("viewers", 0),
                    lost=figures.get("lost_packets", 0),
                    dropped=figures.get("viewers_dropped_units", 0),
                    held=figures.get("withheld_units", 0) + figures.get("stale_units", 0),
                    lag_ms=figures.get("viewers_lag_ms", 0.0),
                    cpu=_rate(_lane_s(figures), _lane_s(old), sample, before),
                    fault=figures.get("fault", ""),
                )
            )
    return rows


def _lane_s(figures: Mapping[str, Any] | None) -> float | None:
    lane = None if figures is None else figures.get("lane")
    return None if not lane else sum(float(lane.get(name, 0.0)) for name in _LANE_S)


def _rate(now: float | None, old: float | None, sample: Sample, before: Sample | None) -> float | None:
    """Cores. A lane that was made anew meanwhile counts from nothing."""
    if before is None or now is None or sample.time_s <= before.time_s:
        return None
    return max(0.0, now - old if old is not None and old <= now else now) / (sample.time_s - before.time_s)


def totals(sample: Sample, rows: Sequence[Row], before: Sample | None) -> dict[str, Any]:
    """Of all streams. `shards_cpu`: cores that receiving and sending took; `masks_cpu`: all lanes."""
    busy = [sum(shard["busy_s"] for shard in one.engine.get("shards", ())) if one else None for one in (sample, before)]
    return {
        "revision": sample.engine.get("revision", 0),
        "streams": len(rows),
        "playing": sum(row.state == "playing" for row in rows),
        "fps": sum(row.fps for row in rows),
        "bitrate_bps": sum(row.bitrate_bps for row in rows),
        "viewers": sum(row.viewers for row in rows),
        "dropped": sum(row.dropped for row in rows),
        "shards_cpu": _rate(busy[0], busy[1], sample, before),
        "masks_cpu": None if before is None else sum(row.cpu or 0.0 for row in rows),
        "events_lost": sample.engine.get("events_lost", 0),
    }


def sum_line(sums: Mapping[str, Any]) -> str:
    """For people."""
    line = (
        f"revision {sums['revision']}: {sums['playing']}/{sums['streams']} streams playing, "
        f"{sums['fps']:.0f} pictures/s, {sums['bitrate_bps'] / 1e6:.1f} Mbit/s in, "
        f"{sums['viewers']} viewers, {sums['dropped']} units dropped"
    )
    if sums["shards_cpu"] is None:
        return line
    return f"{line}; cores: {sums['shards_cpu']:.2f} streams, {sums['masks_cpu']:.2f} masks"


def table_of(rows: Sequence[Row], sums: Mapping[str, Any], most: int | None = None) -> Table:
    """At most so many rows; the sums at the foot say how many there are."""
    shown = rows if most is None else rows[: max(1, most)]
    more = f"; {len(rows) - len(shown)} more rows" if len(shown) < len(rows) else ""
    caption = Text(sum_line(sums) + more)
    table = Table(caption=caption, caption_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("camera", "state", "privacy"):
        table.add_column(name, no_wrap=True)
    for name in ("fps", "Mbit/s", "view", "lost", "drop", "held", "lag ms", "cpu"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("fault", no_wrap=True, overflow="ellipsis")
    for row in shown:
        masks = f" {row.mask_revision}" if row.mask_revision else ""
        table.add_row(
            Text(f"{row.camera}/{row.stream}"),
            Text(row.state, STATE_STYLE.get(row.state, "yellow")),
            Text(f"{row.privacy}{masks}"),
            f"{row.fps:.0f}",
            f"{row.bitrate_bps / 1e6:.2f}",
            str(row.viewers),
            _alarm(row.lost),
            _alarm(row.dropped),
            _alarm(row.held),
            f"{row.lag_ms:.0f}",
            "" if row.cpu is None else f"{row.cpu:.2f}",
            Text(row.fault),
        )
    return table


def _alarm(count: int) -> Text:
    return Text(str(count), "red" if count else "")


def top(client: "Client", view: View, interval_s: float, *, once: bool, as_json: bool) -> None:
    """Shows samples until Ctrl-C, or one. Raises: as the client, for the first one; later it waits until it is back."""
    before = take(client)
    if once:
        time.sleep(interval_s)
        _show(take(client), before, view, as_json, Console())
        return
    try:
        if as_json or not sys.stdout.isatty():
            for sample in _samples(client, interval_s):
                if sample is not None:
                    _show(sample, before, view, as_json, Console())
                    before = sample
            return
        with Live(screen=True, auto_refresh=False) as live:
            for sample in _samples(client, interval_s):
                if sample is None:
                    live.update(Text("nobody answers; asking again"), refresh=True)
                    continue
                rows = view.of(rows_of(sample, before))
                sums = totals(sample, rows, before)
                live.update(table_of(rows, sums, live.console.height - 6), refresh=True)
                before = sample
    except KeyboardInterrupt:
        return


def _samples(client: "Client", interval_s: float) -> Iterator[Sample | None]:
    """One every so often; None where nobody answers."""
    while True:
        time.sleep(interval_s)
        try:
            yield take(client)
        except ControlUnavailableError:
            yield None


def _show(sample: Sample, before: Sample, view: View, as_json: bool, console: Console) -> None:
    rows = view.of(rows_of(sample, before))
    sums = totals(sample, rows, before)
    if as_json:
        value = {"time_s": sample.time_s, "totals": sums, "streams": [asdict(row) for row in rows]}
        print(json.dumps(value, ensure_ascii=False), flush=True)
    elif console.is_terminal:
        console.print(table_of(rows, sums))
    else:  # as wide as it is: nothing is cut for whoever reads it from a file
        Console(width=max(200, console.width), no_color=True).print(table_of(rows, sums))
