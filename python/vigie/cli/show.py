"""Events and figures as lines and tables. Nothing here holds a credential: the core's texts never do."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from rich.box import SIMPLE_HEAD
from rich.table import Table

STATE_STYLE = {"playing": "green", "idle": "dim", "stopped": "dim", "silent": "red", "backing_off": "red"}


class EventLike(Protocol):
    """The fields of `vigie.Event` that are shown."""

    @property
    def time_ns(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def object(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def merged(self) -> int: ...


@dataclass(frozen=True)
class StreamRow:
    """One stream's figures, with those of its viewers summed up. `lag_ms`: of the viewer furthest behind."""

    camera: str
    stream: str
    state: str
    privacy: str
    codec: str
    width: int
    height: int
    fps: float
    bitrate_bps: float
    units: int
    lost_packets: int
    viewers: int
    dropped_units: int
    lag_ms: float


def event_line(event: EventLike) -> str:
    """`2026-01-31T12:34:56.789Z stream_state    place/main: connecting -> playing`."""
    at = datetime.fromtimestamp(event.time_ns / 1e9, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    times = f" (and {event.merged} more alike)" if event.merged else ""
    text = event.text or event.state
    return f"{at} {event.kind:<15} {event.object}: {text}{times}"


def stream_rows(stats: Mapping[str, Any]) -> list[StreamRow]:
    """The rows of all streams, in the order of their names."""
    dropped: dict[tuple[str, str], int] = {}
    lag: dict[tuple[str, str], float] = {}
    for viewer in stats.get("viewers", []):
        key = (viewer["camera"], viewer["stream"])
        dropped[key] = dropped.get(key, 0) + sum(viewer["units_dropped"].values())
        lag[key] = max(lag.get(key, 0.0), viewer["queue_ms"] + viewer["kernel_ms"])
    rows = []
    for camera, stream, figures in _streams(stats):
        key = (camera, stream)
        rows.append(
            StreamRow(
                camera=camera,
                stream=stream,
                state=figures["state"],
                privacy=figures["privacy"],
                codec=figures["codec"] or "",
                width=figures["width"],
                height=figures["height"],
                fps=figures["fps"],
                bitrate_bps=figures["bitrate_bps"],
                units=figures["units"],
                lost_packets=figures["lost_packets"],
                viewers=figures["viewers"],
                dropped_units=dropped.get(key, 0),
                lag_ms=lag.get(key, 0.0),
            )
        )
    return rows


def _streams(stats: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for camera, entry in sorted(stats.get("cameras", {}).items()):
        for stream, figures in sorted(entry.get("streams", {}).items()):
            yield camera, stream, figures


def stats_line(stats: Mapping[str, Any]) -> str:
    """All of the engine in one line."""
    rows = stream_rows(stats)
    playing = sum(row.state == "playing" for row in rows)
    viewers = stats.get("viewers", [])
    return (
        f"{playing}/{len(rows)} streams playing, {sum(row.fps for row in rows):.0f} pictures/s, "
        f"{sum(row.bitrate_bps for row in rows) / 1e6:.1f} Mbit/s in, {len(viewers)} viewers, "
        f"{sum(row.lost_packets for row in rows)} packets lost before us, "
        f"{sum(row.dropped_units for row in rows)} units dropped, "
        f"worst lag {max((row.lag_ms for row in rows), default=0):.0f} ms"
    )


def sites_text(sites: Mapping[str, Any]) -> str:
    """What to add to the line of figures about sites whose list is old: nothing while all answer."""
    old = [
        f"site {name}: " + ("no list yet" if site["list_age_s"] is None else f"list {site['list_age_s']:.0f} s old")
        for name, site in sites.items()
        if site["error"]
    ]
    return "".join(f"; {text}" for text in old)


def live_table(stats: Mapping[str, Any], title: str = "") -> Table:
    """The table of `--live`: one row a stream, the sum at the foot."""
    rows = stream_rows(stats)
    table = Table(
        title=title or None,
        caption=stats_line(stats),
        caption_justify="left",
        title_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    streams = Counter(row.camera for row in rows)
    for name in ("camera", "state", "picture"):
        table.add_column(name, no_wrap=True)
    for name in ("fps", "Mbit/s", "view", "lost", "drop", "lag ms"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        style = STATE_STYLE.get(row.state, "yellow")
        state = row.state if row.privacy == "clear" else f"{row.state}, {row.privacy}"
        table.add_row(
            f"{row.camera}/{row.stream}" if streams[row.camera] > 1 else row.camera,
            f"[{style}]{state}[/]",
            f"{row.codec} {row.width}x{row.height}" if row.width else row.codec,
            f"{row.fps:.0f}",
            f"{row.bitrate_bps / 1e6:.2f}",
            str(row.viewers),
            _alarm(row.lost_packets),
            _alarm(row.dropped_units),
            f"{row.lag_ms:.0f}",
        )
    return table


def _alarm(count: int) -> str:
    return f"[red]{count}[/]" if count else "0"
