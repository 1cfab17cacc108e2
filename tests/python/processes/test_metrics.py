"""`/metrics`: well-formed, with units in its names, and without persons."""

from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from vigie.processes.metrics import metrics_text
from vigie.processes.supervisor import Health

STREAM = {
    "state": "playing", "fault": "", "privacy": "masked", "fps": 25.0, "bitrate_bps": 4e6, "viewers": 2, "units": 100,
    "bytes": 5000, "lost_packets": 3, "damaged_units": 1, "published_units": 99, "withheld_units": 0, "connects": 1,
    "failures": 0, "newest_unit_age_ms": 40.0, "camera_clock_error_ms": None, "log_bytes": 1024,
}  # fmt: skip
VIEWER = {
    "viewer": 1, "peer": "192.0.2.7:5555", "agent": "jeanne.dupont", "camera": "a", "stream": "main",
    "queue_ms": 100.0, "kernel_ms": 20.0, "units_dropped": {"lag_limit": 4, "paused": 1},
}  # fmt: skip
STATS = {
    "revision": 7, "events_lost": 0, "listeners": {"rtsp": "192.0.2.1:8554"},
    "shards": [{"realtime": True, "busy_s": 1.5, "slow_callbacks": 2, "pool_bytes_in_use": 64}],
    "server": {"connections_accepted": 9, "connections_open": 2, "sessions_open": 2, "refused_admission": 0,
               "refused_authentication": 5, "accept_pauses": 0},
    "cameras": {"place-armes": {"streams": {"main": STREAM, "sub": {**STREAM, "state": "silent", "fps": 0.0}}}},
    "viewers": [VIEWER, {**VIEWER, "viewer": 2, "queue_ms": 0.0}],
}  # fmt: skip
FACTS = {
    "stats": STATS, "engine": True, "in_force": True, "revision": 3, "objects": 12, "clients": 4,
    "counters": {"messages": 10, "control_late": 1}, "version": "1.2",
    "journal": {"lines": 41, "unconfirmed_lines": 5},
}  # fmt: skip


def page(health: Health) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(metrics_text(health).decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def health(facts: Any, *reasons: str) -> Health:
    return Health(reasons, facts, {"engine": 2, "control": 0}, {"engine": True, "control": facts is not None})


def test_what_is_there() -> None:
    found = page(health(FACTS))
    camera = (("camera", "place-armes"), ("stream", "main"))
    for name, labels, value in [
        ("vigie_up", (), 1),
        ("vigie_process_restarts_total", (("process", "engine"),), 2),
        ("vigie_state_revision", (), 3),
        ("vigie_engine_revision", (), 7),
        ("vigie_control_clients", (), 4),
        ("vigie_shard_realtime", (("shard", "0"),), 1),
        ("vigie_control_events_total", (("event", "control_late"),), 1),
        ("vigie_stream_bits_per_second", camera, 4e6),
        ("vigie_stream_newest_unit_age_seconds", camera, 0.04),
        ("vigie_stream_playing", camera, 1),
        ("vigie_stream_playing", (("camera", "place-armes"), ("stream", "sub")), 0),
        ("vigie_stream_privacy", (*camera[:1], ("privacy", "masked"), *camera[1:]), 1),
        ("vigie_viewers", (), 2),
        ("vigie_viewer_lag_seconds_max", (), 0.12),
        ("vigie_viewer_dropped_units", (("reason", "lag_limit"),), 8),
        ("vigie_rtsp_refused_authentication_total", (), 5),
        ("vigie_shard_busy_seconds_total", (("shard", "0"),), 1.5),
    ]:
        assert found[name, labels] == pytest.approx(value), name
    assert ("vigie_stream_camera_clock_error_seconds", camera) not in found


def test_how_far_the_journals_copy_is() -> None:
    assert page(health(FACTS))["vigie_journal_lines_total", ()] == 41
    assert page(health(FACTS))["vigie_journal_unconfirmed_lines", ()] == 5
    alone = page(health({**FACTS, "journal": {"lines": 41, "unconfirmed_lines": None}}))
    assert alone["vigie_journal_lines_total", ()] == 41
    assert ("vigie_journal_unconfirmed_lines", ()) not in alone


def test_no_person_and_no_address() -> None:
    text = metrics_text(health(FACTS)).decode()
    assert not [word for word in ("jeanne", "dupont", "192.0.2.") if word in text]


def test_without_control_it_says_that_it_is_down() -> None:
    found = page(health(None, "control does not answer"))
    assert found["vigie_up", ()] == 0
    assert found["vigie_process_up", (("process", "control"),)] == 0
    assert not [name for name, _ in found if name.startswith(("vigie_stream", "vigie_state"))]


def test_without_an_engine_what_control_knows_is_there() -> None:
    found = page(health({**FACTS, "stats": None}, "control has no engine"))
    assert found["vigie_state_revision", ()] == 3
    assert not [name for name, _ in found if name.startswith("vigie_stream")]
