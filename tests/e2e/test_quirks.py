"""Every known deviation that simulated cameras can show, taken in by the engine: pictures come from each of them."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

import vigie
from e2e.odd_cameras import IDS, REFUSALS, expected, sim_options, transport
from vigie.sim import SimProcess

# One GOP of the longest (G15: ten seconds) and a first-picture deadline of ten seconds.
PATIENCE_S = 60.0
LONG_ENOUGH = 200  # units: all deviations that come now and then have come, and signs of life were due


@dataclass
class Town:
    """One camera for each id, by its name, as the engine saw it at its best."""

    streams: dict[str, dict[str, Any]]
    sent: dict[str, int]
    lost: dict[str, int]


def _ready(name: str, stream: dict[str, Any]) -> bool:
    if name in REFUSALS:
        return bool(stream["fault"])
    # Less than a picture a second is the point of I7.
    enough = stream["units"] >= (3 if name == "I7" else LONG_ENOUGH)
    # Some show late: a sign of life that stays unanswered, an SSRC that changes.
    named = expected(name) <= set(stream.get("quirks", ()))
    return stream["state"] == "playing" and enough and stream["keyframes"] > 0 and named


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    options = sim_options(IDS, "--sr-seconds", "1", "--session-timeout", "10")
    with SimProcess(len(IDS), options=options) as sim, vigie.Engine(shards=1) as engine:
        assert sim.quirks == {f"cam{number:03d}": [name] for number, name in enumerate(IDS)}
        cameras = []
        for number, name in enumerate(IDS):
            stream = {"name": "main", "url": sim.url(number), "username": "ops", "password": "right"}
            stream["transport"] = transport(name)
            cameras.append(
                {
                    "name": name,
                    "privacy": "clear",
                    "privacy_reason": "nobody is in a simulated picture",
                    "streams": [stream],
                }
            )
        engine.apply({"revision": 1, "cameras": cameras})
        streams: dict[str, dict[str, Any]] = {}
        nothing = {"fault": "", "state": "", "units": 0, "keyframes": 0}
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            stats = engine.stats()["cameras"]
            # A refusal's fault is kept as it was seen: the next attempt begins without.
            for name in IDS:
                if not _ready(name, streams.get(name, nothing)):
                    streams[name] = stats[name]["streams"]["main"]
            if all(_ready(name, streams[name]) for name in IDS):
                break
            time.sleep(0.2)
        per_camera = sim.stats(per_camera=True)["per_camera"]
        yield Town(
            streams,
            {name: per_camera[number]["units"] for number, name in enumerate(IDS)},
            {name: stats[name]["streams"]["main"]["lost_packets"] for name in IDS},
        )


@pytest.mark.slow
@pytest.mark.parametrize("name", IDS)
def test_pictures_come_from_a_camera_with(name: str, town: Town) -> None:
    stream = town.streams[name]
    if name in REFUSALS:
        assert REFUSALS[name] in stream["fault"]
        assert stream["units"] == 0
        return
    assert stream["state"] == "playing", stream["fault"]
    assert stream["units"] > 0
    assert stream["keyframes"] > 0
    assert (stream["width"], stream["height"]) == (1920, 1080)
    assert _ready(name, stream), f"only {stream['units']} units of {town.sent[name]}"
    assert town.lost[name] == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", IDS)
def test_the_engine_says_that_it_saw(name: str, town: Town) -> None:
    assert set(town.streams[name]["quirks"]) == expected(name)


# Sets in which one deviation once hid what another needs.
HARD_SETS = ["A21,A23", "C3,C8", "E5,F10", "B15,E5,G4", "E1,E6,E7", "A3,A6,F6,I4"]


@pytest.mark.slow
def test_sets_that_once_gave_no_picture() -> None:
    with SimProcess(len(HARD_SETS), options=sim_options(HARD_SETS)) as sim, vigie.Engine(shards=1) as engine:
        reason = {"privacy": "clear", "privacy_reason": "simulated"}
        cameras = [
            {
                "name": f"cam{number:03d}",
                "streams": [{"name": "main", "url": sim.url(number), "username": "ops", "password": "right"}],
                **reason,
            }
            for number in range(len(HARD_SETS))
        ]
        engine.apply({"revision": 1, "cameras": cameras})
        deadline = time.monotonic() + 30
        missing = set(range(len(HARD_SETS)))
        while missing and time.monotonic() < deadline:
            time.sleep(0.2)
            stats = engine.stats()["cameras"]
            missing = {n for n in missing if stats[f"cam{n:03d}"]["streams"]["main"]["keyframes"] < 2}
    assert not missing, {HARD_SETS[n]: stats[f"cam{n:03d}"]["streams"]["main"]["fault"] for n in missing}


@pytest.mark.slow
def test_cameras_with_several_at_once() -> None:
    options = ["--bitrate", "0.5", "--gop", "25", "--random-quirks", "4", "--seed", "3", "--sr-seconds", "1"]
    options += [word for number in range(12) for word in ("--quirk", f"cam{number:03d}:A10")]
    with SimProcess(12, options=options) as sim, vigie.Engine(shards=1) as engine:
        assert all(4 <= len(ids) <= 5 for ids in sim.quirks.values())
        silent = {camera for camera, ids in sim.quirks.items() if REFUSALS.keys() & set(ids)}
        streams = [[{"name": "main", "url": sim.url(number)}] for number in range(12)]
        engine.apply(
            {
                "revision": 1,
                "cameras": [
                    {"name": f"cam{number:03d}", "privacy": "clear", "privacy_reason": "simulated", "streams": stream}
                    for number, stream in enumerate(streams)
                ],
            }
        )
        deadline = time.monotonic() + 30
        missing = set(sim.quirks) - silent
        while missing and time.monotonic() < deadline:
            time.sleep(0.2)
            stats = engine.stats()["cameras"]
            missing = {name for name in missing if stats[name]["streams"]["main"]["units"] < 3}
        assert not missing, {name: (sim.quirks[name], stats[name]["streams"]["main"]["fault"]) for name in missing}
