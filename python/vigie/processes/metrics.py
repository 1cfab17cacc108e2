"""`/metrics`: figures as Prometheus takes them. Names carry their unit; no person and no address is among them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from vigie.processes.supervisor import Health


class _Figure(NamedTuple):
    """A field of the engine's figures. `grows`: it never falls."""

    field: str
    name: str
    help: str
    grows: bool = False
    scale: float = 1.0


_OF_STREAM = (
    _Figure("fps", "frames_per_second", "Pictures a second, as they come"),
    _Figure("bitrate_bps", "bits_per_second", "As they come"),
    _Figure("viewers", "viewers", "Who takes it now"),
    _Figure("units", "units", "Pictures that came", True),
    _Figure("bytes", "bytes", "That came", True),
    _Figure("lost_packets", "lost_packets", "Lost before us", True),
    _Figure("damaged_units", "damaged_units", "Pictures that were damaged", True),
    _Figure("published_units", "published_units", "Pictures that the publish gate let out", True),
    _Figure("withheld_units", "withheld_units", "Pictures that the publish gate held back", True),
    _Figure("connects", "connects", "Connections to the camera", True),
    _Figure("failures", "failures", "Connections that failed or broke", True),
    _Figure("newest_unit_age_ms", "newest_unit_age_seconds", "Since the newest picture", scale=1e-3),
    _Figure("camera_clock_error_ms", "camera_clock_error_seconds", "The camera's clock less ours", scale=1e-3),
    _Figure("log_bytes", "log_bytes", "Kept for new viewers"),
)
_OF_SERVER = (
    _Figure("connections_accepted", "rtsp_connections", "RTSP connections", True),
    _Figure("connections_open", "rtsp_connections_open", "RTSP connections now"),
    _Figure("sessions_open", "rtsp_sessions_open", "RTSP sessions now"),
    _Figure("refused_admission", "rtsp_refused_admission", "Viewers refused for want of room", True),
    _Figure("refused_authentication", "rtsp_refused_authentication", "Logins refused", True),
    _Figure("accept_pauses", "rtsp_accept_pauses", "Times without a free descriptor", True),
)
_OF_SHARD = (
    _Figure("realtime", "shard_realtime", "1 while it runs in real time"),
    _Figure("busy_s", "shard_busy_seconds", "Time at work", True),
    _Figure("slow_callbacks", "shard_slow_callbacks", "Turns longer than 1 ms", True),
    _Figure("pool_bytes_in_use", "shard_pool_bytes", "Memory of pictures"),
)


def metrics_text(health: Health) -> bytes:
    """The page. What control cannot tell is left out, and `vigie_up` says so."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(health))
    return generate_latest(registry)


class _Collector(Collector):
    def __init__(self, health: Health) -> None:
        self._health = health

    def collect(self) -> Iterable[Metric]:
        """All figures."""
        health = self._health
        yield GaugeMetricFamily("vigie_up", "1 when nothing is wrong; /health says what is", value=not health.reasons)
        yield _by("vigie_process_up", "1 while the process is there", "process", health.alive)
        yield _by("vigie_process_restarts", "Times it was started again", "process", health.restarts, count=True)
        if health.facts is None:
            return
        facts = health.facts
        yield GaugeMetricFamily("vigie_state_revision", "Of the objects on the disk", value=facts["revision"])
        yield GaugeMetricFamily("vigie_state_objects", "On the disk", value=facts["objects"])
        yield GaugeMetricFamily("vigie_control_clients", "Connected now", value=facts["clients"])
        counters = {name.replace(".", "_"): value for name, value in facts["counters"].items()}
        yield _by("vigie_control_events", "What the control service has counted", "event", counters, count=True)
        journal = facts["journal"]
        yield CounterMetricFamily("vigie_journal_lines", "Lines of the journal", value=journal["lines"])
        if (lines := journal["unconfirmed_lines"]) is not None:
            text = "Lines that the second place has not confirmed yet"
            yield GaugeMetricFamily("vigie_journal_unconfirmed_lines", text, value=lines)
        info = GaugeMetricFamily("vigie_info", "Versions", labels=["version"])
        info.add_metric([facts["version"]], 1)
        yield info
        if facts["stats"] is not None:
            yield from _of_engine(facts["stats"])


def _of_engine(stats: Mapping[str, Any]) -> Iterator[Metric]:
    yield GaugeMetricFamily("vigie_engine_revision", "Of the policy in force", value=stats["revision"])
    yield CounterMetricFamily("vigie_engine_events_lost", "Events nobody took in time", value=stats["events_lost"])
    yield from _family("", _OF_SERVER, [], [((), stats["server"])])
    shards = [((str(number),), shard) for number, shard in enumerate(stats["shards"])]
    yield from _family("", _OF_SHARD, ["shard"], shards)
    streams = [
        ((camera, stream), figures)
        for camera, entry in stats["cameras"].items()
        for stream, figures in entry["streams"].items()
    ]
    yield from _family("stream_", _OF_STREAM, ["camera", "stream"], streams)
    playing = GaugeMetricFamily("vigie_stream_playing", "1 while pictures come", labels=["camera", "stream"])
    shown = GaugeMetricFamily("vigie_stream_privacy", "1: what is shown now", labels=["camera", "stream", "privacy"])
    for labels, figures in streams:
        playing.add_metric(labels, figures["state"] == "playing")
        shown.add_metric([*labels, figures["privacy"]], 1)
    yield playing
    yield shown
    # Viewers are persons: their sums alone.
    viewers = stats["viewers"]
    dropped: dict[str, int] = {}
    for viewer in viewers:
        for reason, count in viewer["units_dropped"].items():
            dropped[reason] = dropped.get(reason, 0) + count
    yield GaugeMetricFamily("vigie_viewers", "Who view now", value=len(viewers))
    lag_s = max((viewer["queue_ms"] + viewer["kernel_ms"] for viewer in viewers), default=0.0) / 1e3
    yield GaugeMetricFamily("vigie_viewer_lag_seconds_max", "Of the viewer furthest behind", value=lag_s)
    yield _by("vigie_viewer_dropped_units", "Of those who view now", "reason", dropped)


def _family(
    prefix: str,
    figures: Sequence[_Figure],
    labels: Sequence[str],
    rows: Sequence[tuple[tuple[str, ...], Mapping[str, Any]]],
) -> Iterator[Metric]:
    for figure in figures:
        kind = CounterMetricFamily if figure.grows else GaugeMetricFamily
        family = kind(f"vigie_{prefix}{figure.name}", figure.help, labels=list(labels))
        for names, values in rows:
            if values.get(figure.field) is not None:
                family.add_metric(list(names), values[figure.field] * figure.scale)
        yield family


def _by(name: str, text: str, label: str, values: Mapping[str, Any], count: bool = False) -> Metric:
    family = (CounterMetricFamily if count else GaugeMetricFamily)(name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], float(value))
    return family
