"""Events and figures as text."""

import io
from typing import Any

from rich.console import Console

from vigie.cli import show
from vigie.demo.result import Result


class Event:
    time_ns = 1_769_862_896_789_000_000
    kind = "stream_state"
    object = "place/main"
    state = "playing"
    text = "waiting -> playing: first picture"
    merged = 0


STREAM: dict[str, Any] = {
    "state": "playing",
    "fault": "",
    "privacy": "clear",
    "codec": "H264",
    "width": 1280,
    "height": 720,
    "fps": 25.0,
    "bitrate_bps": 2_000_000,
    "units": 100,
    "published_units": 100,
    "lost_packets": 0,
    "viewers": 2,
}


def viewer(**changes: Any) -> dict[str, Any]:
    base = {
        "camera": "place",
        "stream": "main",
        "transport": "tcp",
        "units_dropped": {"lag_limit": 0, "paused": 0},
        "queue_ms": 1.0,
        "kernel_ms": 2.0,
        "units_offered": 50,
        "units_sent": 50,
        "units_waiting": 0,
    }
    return base | changes


def stats() -> dict[str, Any]:
    silent = STREAM | {"state": "silent", "privacy": "withheld", "codec": None, "width": 0, "height": 0, "fps": 0.0}
    return {
        "revision": 3,
        "cameras": {
            "place": {"streams": {"main": dict(STREAM)}},
            "quai": {"streams": {"main": silent | {"viewers": 0, "bitrate_bps": 0, "fault": "no picture"}}},
        },
        "viewers": [viewer(), viewer(units_dropped={"lag_limit": 7, "paused": 1}, queue_ms=40.0)],
    }


def drawn(table: Any) -> str:
    console = Console(file=io.StringIO(), width=80)
    console.print(table)
    text = console.file
    assert isinstance(text, io.StringIO)
    return text.getvalue()


def test_event_line() -> None:
    line = show.event_line(Event())
    assert line == "2026-01-31T12:34:56.789Z stream_state    place/main: waiting -> playing: first picture"


def test_merged_events_say_how_many() -> None:
    event = Event()
    event.merged = 4
    assert show.event_line(event).endswith("first picture (and 4 more alike)")


def test_rows_sum_up_the_viewers() -> None:
    place, quai = show.stream_rows(stats())
    assert (place.camera, place.dropped_units, place.lag_ms, place.viewers) == ("place", 8, 42.0, 2)
    assert (quai.state, quai.codec, quai.dropped_units, quai.lag_ms) == ("silent", "", 0, 0.0)


def test_stats_line() -> None:
    assert show.stats_line(stats()) == (
        "1/2 streams playing, 25 pictures/s, 2.0 Mbit/s in, 2 viewers, 0 packets lost before us, 8 units dropped, "
        "worst lag 42 ms"
    )


def test_stats_of_an_empty_engine() -> None:
    assert show.stats_line({"cameras": {}, "viewers": []}).startswith("0/0 streams playing")


def test_live_table() -> None:
    text = drawn(show.live_table(stats(), "vigie, revision 3"))
    assert "revision 3" in text
    assert "place " in text
    assert "H264 1280x720" in text
    assert "silent, withheld" in text


LOAD: dict[str, Any] = {
    "units": 500,
    "viewers": 2,
    "with_picture": 2,
    "all_ready": True,
    "missing_units": 0,
    "repeated_units": 0,
    "out_of_order_units": 0,
    "damaged_units": 0,
    "wrong_camera_units": 0,
    "lost_packets": 0,
    "timestamps_not_following": 0,
    "failures": 0,
    "disconnects": 0,
    "last_failure": "",
    "latency_ms": {"p50": 0.2, "p99": 1.0},
    "first_picture_ms": {"p50": 10.0, "max": 20.0},
}


def test_a_good_demo_has_no_complaint() -> None:
    result, figures = Result(), stats()
    figures["cameras"].pop("quai")
    figures["viewers"] = [viewer()]
    result.take_stats(figures, ["place"])
    result.take_load("ours", LOAD)
    assert result.complaints == []
    assert dict(result.rows())["access units in -> published"] == "100 -> 100"


def test_every_fault_is_a_complaint() -> None:
    result = Result()
    figures = stats()
    figures["cameras"]["place"]["streams"]["main"] |= {"published_units": 99, "lost_packets": 3}
    result.take_stats(figures, ["place", "quai"])
    result.take_load("ours", LOAD | {"missing_units": 2, "all_ready": False, "with_picture": 1, "units": 0})
    result.take_load("others", {})
    assert len(result.complaints) == 8, result.complaints


def test_times_that_go_back_are_no_fault_of_a_clip_with_b_pictures() -> None:
    odd = LOAD | {"timestamps_not_following": 5}
    by_right, wrong = Result(), Result()
    by_right.take_load("ours", odd, reordered=True)
    wrong.take_load("ours", odd)
    assert by_right.complaints == []
    assert len(wrong.complaints) == 1
