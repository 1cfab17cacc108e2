"""The demo itself, small and short: real cameras, server and viewers, judged by its own summary and by the picture."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from vigie._native import find_program
from vigie.demo.told import ORDER, clock
from vigie.errors import NotFoundError
from vigie.journal.keys import load_public
from vigie.journal.query import read_entries
from vigie.journal.sightings import who_saw
from vigie.journal.verify import verify

Start = Callable[..., Any]


@pytest.fixture
def programs(core: None) -> None:
    """Needs ffmpeg and the native programs; `core` says when their lack is a failure."""
    try:
        find_program("vigie-sim")
        find_program("vigie-load")
    except NotFoundError as error:
        pytest.fail(str(error))
    if shutil.which("ffmpeg") is None:
        pytest.fail("ffmpeg is not installed")


def picture(path: Path) -> Any:
    with av.open(str(path)) as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24")


@pytest.mark.slow
@pytest.mark.usefixtures("programs")
def test_demo_ends_well_and_leaves_real_pictures(tmp_path: Path, vigie_command: Start) -> None:
    out = tmp_path / "out"
    running = vigie_command("demo", "--cameras", "4", "--seconds", "10", "--out", out)
    assert running.wait_end(200) == 0, running.text()
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert summary["complaints"] == []
    assert summary["playing"] == summary["cameras"] == 4 + 3
    assert summary["stills"] == 4 + 4 + 3 + 3
    assert summary["units_published"] > 4 * 25 * 3
    assert summary["masked_units"] > 0
    assert summary["units_offered"] == summary["units_sent"] + summary["units_waiting"]
    assert summary["units_checked"] > 0
    assert summary["ffmpeg_frames"] > 0
    sheet = picture(out / "contact-sheet.png")
    tiles = [sheet[20:-20, 6 + i * 486 : 486 + i * 486] for i in range(4)]
    # Content, not one grey: every tile varies, and no two are alike.
    assert all(tile.std() > 10 for tile in tiles)
    for i in range(4):
        for j in range(i):
            assert np.abs(tiles[i].astype(int) - tiles[j].astype(int)).mean() > 5
    check_city(summary["city"], out / "city", running.text())
    before, during, after = (tile(sheet, 4 + 4 + 3 + i) for i in range(3))
    # Above the words that are written into each.
    assert during[:200].std() > 10
    assert before[:200].std() < 1
    assert after[:200].std() < 1


def tile(sheet: Any, index: int) -> Any:
    """The inner part of a picture of the sheet."""
    left, top = 6 + 486 * (index % 4), 6 + 276 * (index // 4)
    return sheet[top + 5 : top + 265, left + 5 : left + 475]


def check_city(city: dict[str, Any], folder: Path, text: str) -> None:
    """The police were refused, watched, and lost the picture with their right, as the journal tells."""
    assert (city["complaints"], city["left_out"]) == ([], "")
    assert "To ask: an administrator of rail-gares (hugo)." in city["refused"]
    assert city["pictures_read"] > 25
    assert city["player_ended_after_end_ms"] >= 0
    assert sorted(city["journal"]) == sorted([kind for kind, _ in ORDER])
    assert city["seen_by"] == "lea (commissariat-metz)"
    assert city["seen_first"]
    assert verify(folder / "journal", load_public(folder / "journal.key.pub")).ok
    (seen,) = who_saw(read_entries(folder / "journal"), city["camera"], 0, 2**63 - 1, 2**63 - 1, "auditor")
    assert (seen.actor.agent, seen.convention, seen.exact) == ("lea", "rail-police", True)
    assert clock(seen.until_ns, "milliseconds") == city["seen_last"]
    steps = ["vigie apply", "vigie route open", "error: ", "vigie apply", "vigie route open", "rtsp://", "holds: "]
    at = text.index("the city")
    for step in steps:
        at = text.index(step, at) + 1


@pytest.mark.slow
@pytest.mark.usefixtures("programs")
def test_demo_of_what_is_no_clip(tmp_path: Path, vigie_command: Start) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"this is no video" * 100)
    running = vigie_command("demo", "--clip", bad, "--seconds", "5", "--out", tmp_path / "out")
    assert running.wait_end(60) == 1
    assert "The file cannot be read as video" in running.text()
    assert "Traceback" not in running.text()
