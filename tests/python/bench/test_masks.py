"""`vigie bench masks`: its yardsticks, its search for how many streams fit, and small runs."""

import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from vigie.bench import masked_ffmpeg, masks
from vigie.bench.cli import app
from vigie.bench.masked_quality import (
    PLAYINGS,
    Rectangle,
    Source,
    compare,
    load_source,
    luma_of,
    mask_with_engine,
    ssim_outside,
)
from vigie.errors import InvalidArgumentError
from vigie.sim.clips import Clip, Picture, make_scene

MASK = Rectangle(0.25, 0.25, 0.625, 0.75)
NOTHING = (0, 0, 0, 0)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """Two seconds of a noisy scene."""
    clip = make_scene("bars", tmp_path_factory.mktemp("clip"), Picture(size="320x180", bitrate_mbit=1, seconds=2))
    return load_source(clip, "bars")


@pytest.fixture(scope="module")
def coded(source: Source, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The clip masked by either side."""
    folder = tmp_path_factory.mktemp("coded")
    paths = {name: folder / f"{name}.h264" for name in ("vigie", "ffmpeg")}
    mask_with_engine(source, MASK, paths["vigie"])
    masked_ffmpeg.mask_with_ffmpeg(source, MASK, paths["ffmpeg"])
    return paths


def test_a_source_is_measured(source: Source) -> None:
    assert (source.width, source.height, source.frames, source.clip.fps) == (320, 180, 50, 25)
    assert source.mbit_per_s == pytest.approx(1, rel=0.3)


@pytest.mark.parametrize("side", ["vigie", "ffmpeg"])
def test_both_sides_fill_the_same_pixels_and_no_more(side: str, source: Source, coded: dict[str, Path]) -> None:
    left, top, right, bottom = MASK.filled(source.width, source.height)
    assert (left, top, right, bottom) == (64, 28, 218, 152)
    picture = next(iter(luma_of(coded[side]))).astype(int)
    whole = next(iter(luma_of(source.clip.path))).astype(int)
    filled = np.abs(picture[top:bottom, left:right] - 43)  # "#202020" in limited range
    assert filled.max() <= 20
    assert filled.mean() < 4
    for edge in np.s_[top:bottom, left - 2], np.s_[top:bottom, right + 1], np.s_[top - 2, left:right]:
        assert np.abs(picture[edge] - whole[edge]).mean() < 12
        assert np.abs(picture[edge] - 43).mean() > 15


def test_ssim_is_that_of_ffmpeg(source: Source, coded: dict[str, Path]) -> None:
    pairs = list(zip(luma_of(source.clip.path), luma_of(coded["ffmpeg"]), strict=True))
    ours = np.mean([ssim_outside(before, after, NOTHING) for before, after in pairs])
    command = ["ffmpeg", "-nostdin", "-i", str(source.clip.path), "-i", str(coded["ffmpeg"]), "-lavfi", "ssim"]
    said = subprocess.run([*command, "-f", "null", "-"], capture_output=True, text=True, check=True).stderr
    found = re.search(r"SSIM Y:([\d.]+)", said)
    assert found is not None
    assert ours == pytest.approx(float(found[1]), abs=2e-4)


def test_ssim_looks_outside_the_mask_only() -> None:
    before = np.random.default_rng(1).integers(0, 255, (64, 96), dtype=np.uint8)
    inside, outside = before.copy(), before.copy()
    inside[16:32, 24:48] = 43
    outside[33:40, 50:60] = 43
    hidden = (24, 16, 48, 32)
    assert ssim_outside(before, inside, hidden) == pytest.approx(1)
    assert ssim_outside(before, inside, NOTHING) < 0.95
    assert ssim_outside(before, outside, hidden) < 0.99


def test_pictures_are_compared_with_those_of_their_number(source: Source, coded: dict[str, Path]) -> None:
    for side, path in coded.items():
        likeness = compare(source, path, MASK, pictures=10, playings=PLAYINGS if side == "vigie" else 1)
        assert likeness.compared == 10
        assert 0.5 < likeness.least <= likeness.mean < 1
    short = coded["vigie"].with_name("short.h264")
    data = coded["vigie"].read_bytes()
    short.write_bytes(data[: data.rfind(b"\0\0\0\1")])
    with pytest.raises(InvalidArgumentError, match="99 pictures"):
        compare(source, short, MASK, playings=PLAYINGS)


def test_reordered_pictures_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "b.h264"
    encode = ["-frames:v", "20", "-c:v", "libx264", "-bf", "2", "-pix_fmt", "yuv420p", str(path)]
    subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=320x180", *encode], check=True)
    with pytest.raises(InvalidArgumentError, match="-bf 0"):
        load_source(Clip(path, "h264", 25), "b")


@pytest.mark.parametrize(
    ("change", "whole"),
    [
        ({}, True),
        ({"published": 97}, False),
        ({"thinned": 1}, False),
        ({"skipped": 1}, False),
        ({"problem": "cut"}, False),
        ({"published": 0, "expected": 0}, False),
    ],
)
def test_a_run_is_whole_or_not(change: dict[str, object], whole: bool) -> None:
    assert masks.StreamsRun(**{"streams": 2, "expected": 100, "published": 99, **change}).whole == whole  # type: ignore[arg-type]


@pytest.mark.parametrize("capacity", [0, 1, 2, 5, 8, 11, 16, 40])
def test_the_most_streams_that_fit_are_found(capacity: int, source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    def pretend(_source: Source, streams: int, _load: masks.MaskLoad) -> masks.StreamsRun:
        return masks.StreamsRun(streams, expected=100, published=100, thinned=int(streams > capacity))

    monkeypatch.setattr(masks, "run_streams", pretend)
    result = masks.ClipResult(source)
    masks._raise_streams(result, masks.MaskLoad(MASK, most=16), lambda text: None)
    assert result.fit == min(capacity, 16)
    tried = [run.streams for run in result.growth]
    assert tried == sorted(set(tried))
    assert len(tried) <= 9


def test_the_bars() -> None:
    clip = Clip(Path("a.h264"), "h264", 25)
    result = masks.ClipResult(Source(clip, "a", 1920, 1080, 500, 4))
    result.runs = [masks.StreamsRun(2, cpu_ms=cpu) for cpu in (9, 4, 5)]
    result.ffmpeg_cpu_ms_of_rounds = [10, 8, 11]
    result.mbit_per_s, result.ffmpeg_mbit_per_s = 3.9, 4
    result.likeness = masks.Likeness(0.985, 0.97, 50)
    assert (result.cpu_ms, result.ffmpeg_cpu_ms, result.ratio) == (5, 10, 2)
    assert result.streams_per_core(5) == 8
    assert result.bars == {"speed": True, "bits": True, "ssim": True}
    result.runs = [masks.StreamsRun(2, cpu_ms=7)]
    result.mbit_per_s, result.likeness = 4.1, masks.Likeness(0.97, 0.97, 50)
    assert result.bars == {"speed": False, "bits": False, "ssim": False}


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--scene", "320"],
        ["--scene", "320x180", "--mask", "0.1,0.2,0.3"],
        ["--scene", "320x180", "--mask", "0.5,0.2,0.4,0.6"],
        ["--scene", "320x180", "--mask", "0,0,1,1"],
        ["--scene", "320x180", "--engine-cpus", "4711"],
        ["--scene", "320x180", "--engine-cpus", "a"],
    ],
)
def test_options_that_are_refused(options: list[str]) -> None:
    assert isinstance(CliRunner().invoke(app, ["masks", *options]).exception, InvalidArgumentError)


def test_a_small_run() -> None:
    options = ["masks", "--scene", "320x180", "--seconds", "2", "--warm-up", "0.5", "--rounds", "1", "--most", "1"]
    ended = CliRunner().invoke(app, [*options, "--streams", "1", "--json"])
    assert ended.exception is None or isinstance(ended.exception, SystemExit), ended.output
    (found,) = json.loads(ended.stdout)["clips"]
    assert ended.exit_code == (0 if found["valid"] else 1), ended.output
    assert (found["clip"], found["width"], found["height"], found["frames"]) == ("street 320x180", 320, 180, 150)
    for side in (found["vigie"], found["ffmpeg"]):
        assert all(side[name] > 0 for name in ("cpu_ms", "streams_per_core", "mbit_per_s"))
        assert 0.5 < side["ssim_least"] <= side["ssim_mean"] < 1
    assert found["vigie"]["lane_cpu_ms"] > 0
    assert found["ratio"] == pytest.approx(found["ffmpeg"]["cpu_ms"] / found["vigie"]["cpu_ms"])
    for run in (*found["rounds"], *found["growth"]):
        assert run["streams"] == 1
        assert run["expected"] == pytest.approx(50, abs=10)
        assert 0 < run["published"] <= run["expected"] + 2
        assert run["decode_ms"] + run["encode_ms"] > 0
        assert 0 < run["latency_p50_ms"] <= run["latency_p99_ms"] <= run["latency_max_ms"]
        assert run["viewer_mbit_per_s"] > 0
    assert len(found["rounds"]) == len(found["growth"]) == 1
    assert found["fit"] in (0, 1)


def test_a_small_run_among_clear_cameras() -> None:
    options = ["masks", "--scene", "320x180", "--seconds", "2", "--warm-up", "0.5", "--rounds", "1"]
    ended = CliRunner().invoke(app, [*options, "--among", "4", "--masked", "1", "--json"])
    assert ended.exception is None or isinstance(ended.exception, SystemExit), ended.output
    found = json.loads(ended.stdout)
    assert ended.exit_code == (0 if found["valid"] else 1), ended.output
    assert [(run["masked"], run["clear"]["cameras"]) for run in found["rounds"]] == [(0, 3), (1, 3)]
    alone, beside = found["rounds"]
    assert alone["masked_published"] == 0
    assert 0 < beside["masked_published"] <= 60
    for run, name in ((alone, "without"), (beside, "with")):
        assert run["clear"]["received_units"] == pytest.approx(150, abs=15)
        assert run["clear"]["lost_units"] == 0
        assert found[name]["latency_p99_ms"] == run["clear"]["latency_p99_ms"] > 0
