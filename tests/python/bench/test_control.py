"""The benchmark of the control plane, at its smallest: everybody is cut, and what it counts is there."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("vigie._core", reason="the native core is not built")

CITY = """
kind: Server
name: here
spec: {rtsp: [{listen: "127.0.0.1:0"}]}
---
kind: Camera
name: a
spec: {streams: {main: {url: "push:"}}}
"""


def test_everybody_is_cut_and_counted(tmp_path: Path) -> None:
    (tmp_path / "city.yaml").write_text(CITY, encoding="utf-8")
    options = [
        "--cameras",
        "2",
        "--viewers",
        "8",
        "--stalled",
        "1",
        "--rounds",
        "2",
        "--clients",
        "3",
        "--seconds",
        "1",
    ]
    options += ["--pause", "0.05", "--city", str(tmp_path / "city.yaml"), "--edits", "2", "--json"]
    command = [sys.executable, "-m", "vigie", "bench", "control", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    cut = found["cut"]
    assert (cut["not_ended"], cut["delete"]["count"], cut["route_open"]["count"]) == (0, 2, 16)
    assert {name: one["count"] for name, one in cut["since_sent"].items()} == {"tcp": 6, "udp": 8}
    assert found["commands"]["all"]["count"] > 0
    assert (found["city"]["objects"], found["city"]["cameras"], found["city"]["edit_ms"]["count"]) == (2, 1, 2)
