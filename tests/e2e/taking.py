"""Takes pictures in by an engine of its own and compares them with the clip that was sent."""

import contextlib
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import vigie
from e2e import clips, nal

UNITS = 45


@dataclass(frozen=True)
class Played:
    """What was received: coded slices in order and the units' times."""

    slices: list[bytes]
    pts: list[int]
    keyframes: int
    events: list[str]
    stats: dict[str, Any]


def make_sources(folder: Path) -> dict[str, Path]:
    """A clip a codec, a keyframe each second: codec -> elementary stream; an MP4 of the same lies beside it."""
    for codec in ("h264", "h265"):
        (folder / codec).mkdir()
    made = {
        codec: clips.make_clip(folder / codec / f"clip.{codec}", codec, gop=clips.FPS) for codec in ("h264", "h265")
    }
    for path in made.values():
        command = ["ffmpeg", "-v", "error", "-nostdin", "-r", str(clips.FPS), "-i", str(path), "-c", "copy"]
        subprocess.run([*command, "-movflags", "+faststart", str(path.with_suffix(".mp4"))], check=True)
    return made


@contextlib.contextmanager
def ffmpeg(clip: Path, *output: str) -> Iterator[None]:
    """FFmpeg playing a clip in real time, over and over."""
    command = ["ffmpeg", "-v", "error", "-nostdin", "-re", "-stream_loop", "-1", "-i", str(clip.with_suffix(".mp4"))]
    command += ["-c", "copy", *output]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def snapshot(kind: str, url: str, **more: Any) -> dict[str, Any]:
    """A snapshot with one camera; `more` fields of its stream."""
    stream = {"name": "main", "kind": kind, "url": url, **more}
    reason = {"privacy": "clear", "privacy_reason": "a test picture"}
    return {"revision": 1, "cameras": [{"name": "cam", "streams": [stream], **reason}]}


def knows_clock(engine: vigie.Engine) -> bool:
    """Whether a sender report has come."""
    stream = engine.stats()["cameras"]["cam"]["streams"]["main"]
    return stream["camera_clock_error_ms"] is not None


def play(kind: str, url: str, codec: str, *, units: int = UNITS, clock: bool = False, **more: Any) -> Played:
    """Takes so many units, none of them damaged; with `clock` until the sender's is known too."""
    slices: list[bytes] = []
    pts: list[int] = []
    keyframes = 0
    deadline = time.monotonic() + 40
    with vigie.Engine() as engine:
        engine.apply(snapshot(kind, url, **({"first_picture_deadline_s": 15} | more)))
        with engine.subscribe("cam") as subscription:
            while (len(pts) < units or (clock and not knows_clock(engine))) and time.monotonic() < deadline:
                unit = subscription.next(0.5)
                if unit is None:
                    continue
                with unit:
                    assert not unit.damaged
                    keyframes += unit.keyframe
                    pts.append(unit.pts_90k)
                    slices += nal.vcl(nal.split_nals(bytes(memoryview(unit))), codec)
        stats = engine.stats()["cameras"]["cam"]["streams"]["main"]
        events = [f"{event.state} {event.text}" for event in engine.events(0)]
    assert len(pts) >= units, events
    return Played(slices, pts, keyframes, events, stats)


def check(played: Played, clip: Path, codec: str) -> None:
    """The slices are the clip's, in its order, from a keyframe on; times grow by one picture."""
    put_in = nal.vcl(nal.split_nals(clip.read_bytes()), codec)
    first = put_in.index(played.slices[0])
    assert played.slices == [put_in[(first + index) % len(put_in)] for index in range(len(played.slices))]
    assert all(after > before for before, after in zip(played.pts, played.pts[1:], strict=False))
    assert played.keyframes >= 2
    steps = [after - before for before, after in zip(played.pts, played.pts[1:], strict=False)]
    assert sorted(steps)[len(steps) // 2] == pytest.approx(3600, abs=90)
