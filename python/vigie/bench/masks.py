"""Masked streams: what one costs, next to FFmpeg's way in the same run, and how many fit.

For each clip, `--rounds` times in turn, on the same CPU:

* the engine, in a process of its own, pulls the clip from `--streams` simulated cameras in real time (phases apart),
  masks it and serves one RTSP viewer of each: CPU time of that whole process a published picture, network and fan-out
  included;
* FFmpeg decodes the same file as fast as it goes, fills the same pixels and codes with libx264 ultrafast zerolatency
  on one thread into nothing: CPU time of that process a picture, without its start.

Streams a core = 1 / (frames a second x CPU seconds a picture). A measurement in which a lane left pictures out is not
valid. What counts begins after `--warm-up`, in which the engine's quantiser finds its place. Pictures and bits are
compared on the whole clip as each codes it (`masked_quality.py`), and the CPU time of the engine in that pass says what
a picture costs without a network. Then the engine, on every CPU beside the cameras and viewers, gets more and more
streams until one is not whole: the latency at each number, and how many fit.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from vigie.bench import masked_ffmpeg
from vigie.bench.masked_engine import EngineProcess, masked_camera
from vigie.bench.masked_quality import (
    PLAYINGS,
    Likeness,
    Rectangle,
    Source,
    compare,
    load_source,
    mask_with_engine,
    mbit_of,
)
from vigie.errors import InvalidArgumentError
from vigie.load import run_load
from vigie.sim.clips import Clip, Picture, convert_clip, make_scene
from vigie.sim.process import SimProcess

Progress = Callable[[str], None]

# Design section 6: what a masked stream must reach.
BAR_RATIO, BAR_SSIM = 1.5, 0.98


@dataclass(frozen=True)
class MaskLoad:
    """What every measurement has in common. `engine_cpus` and `load_cpus` hold for figures per core."""

    mask: Rectangle
    streams: int = 2
    seconds: float = 10
    warm_up: float = 10
    rounds: int = 3
    most: int = 64
    capacity: bool = True
    engine_cpus: tuple[int, ...] = ()
    load_cpus: tuple[int, ...] = ()


@dataclass
class StreamsRun:
    """So many masked streams for a while. Times of a picture are of those published; `*_ms` of a lane are wall time.

    `thinned`, `skipped`: what lanes left out because they were late.
    """

    streams: int
    expected: int = 0
    published: int = 0
    thinned: int = 0
    skipped: int = 0
    sim_late_units: int = 0
    cpu_ms: float = 0  # a published picture
    decode_ms: float = 0
    mask_ms: float = 0
    encode_ms: float = 0
    latency_p50_ms: float = 0
    latency_p99_ms: float = 0
    latency_max_ms: float = 0
    viewer_mbit_per_s: float = 0  # of one viewer, RTP headers included
    problem: str = ""

    @property
    def whole(self) -> bool:
        """Whether every picture came out, of every stream."""
        return not (self.problem or self.thinned or self.skipped) and self.published >= 0.98 * self.expected > 0


@dataclass
class ClipResult:
    """One clip. CPU figures are the medians of the rounds."""

    source: Source
    runs: list[StreamsRun] = field(default_factory=list)
    ffmpeg_cpu_ms_of_rounds: list[float] = field(default_factory=list)
    lane_cpu_ms: float = 0  # a picture pushed from memory and taken in the same process: no network
    mbit_per_s: float = 0
    ffmpeg_mbit_per_s: float = 0
    likeness: Likeness | None = None
    ffmpeg_likeness: Likeness | None = None
    growth: list[StreamsRun] = field(default_factory=list)
    fit: int | None = None  # no number of streams was tried: None

    @property
    def cpu_ms(self) -> float:
        """The engine's, a picture."""
        return statistics.median(run.cpu_ms for run in self.runs)

    @property
    def ffmpeg_cpu_ms(self) -> float:
        """FFmpeg's, a picture."""
        return statistics.median(self.ffmpeg_cpu_ms_of_rounds)

    @property
    def ratio(self) -> float:
        """Our streams per core over FFmpeg's."""
        return self.ffmpeg_cpu_ms / self.cpu_ms

    def streams_per_core(self, cpu_ms: float) -> float:
        """At the clip's own frame rate."""
        return 1000 / (self.source.clip.fps * cpu_ms)

    @property
    def valid(self) -> bool:
        """Whether the figures per core were taken while every picture came out."""
        return all(run.whole for run in self.runs)

    @property
    def bars(self) -> dict[str, bool]:
        """Which demands of a masked stream this clip meets."""
        likeness = self.likeness
        return {
            "speed": self.ratio >= BAR_RATIO,
            "bits": self.mbit_per_s <= self.ffmpeg_mbit_per_s,
            "ssim": likeness is not None and likeness.mean >= BAR_SSIM,
        }

    def as_json(self) -> dict[str, Any]:
        """Everything measured."""
        source = self.source
        return {
            "clip": source.name,
            "width": source.width,
            "height": source.height,
            "fps": source.clip.fps,
            "frames": source.frames,
            "source_mbit_per_s": source.mbit_per_s,
            "vigie": _side(self, self.cpu_ms, self.mbit_per_s, self.likeness) | {"lane_cpu_ms": self.lane_cpu_ms},
            "ffmpeg": _side(self, self.ffmpeg_cpu_ms, self.ffmpeg_mbit_per_s, self.ffmpeg_likeness)
            | {"cpu_ms_of_rounds": self.ffmpeg_cpu_ms_of_rounds},
            "ratio": self.ratio,
            "bars": self.bars,
            "valid": self.valid,
            "rounds": [asdict(run) | {"whole": run.whole} for run in self.runs],
            "growth": [asdict(run) | {"whole": run.whole} for run in self.growth],
            "fit": self.fit,
        }


def _side(result: ClipResult, cpu_ms: float, mbit: float, likeness: Likeness | None) -> dict[str, Any]:
    return {
        "cpu_ms": cpu_ms,
        "streams_per_core": result.streams_per_core(cpu_ms),
        "mbit_per_s": mbit,
        "ssim_mean": likeness.mean if likeness else None,
        "ssim_least": likeness.least if likeness else None,
    }


def prepare(clips: Sequence[Path], scene: str | None, folder: Path) -> list[Source]:
    """The clips as elementary streams; without any, a generated scene of the size `scene`, such as 320x180.

    Raises: InvalidArgumentError for what is no camera-like H.264.
    """
    made: list[tuple[Clip, str]] = []
    for index, path in enumerate(clips):
        own = folder / str(index)  # clips of two folders may have one name
        own.mkdir()
        made.append((convert_clip(path, own), path.name))
    if scene is not None:
        width, height = (int(part) for part in scene.split("x"))
        rate = round(4 * width * height / (1920 * 1080), 3)
        made.append(
            (make_scene("street", folder, Picture(size=scene, bitrate_mbit=rate, seconds=6)), f"street {scene}")
        )
    return [load_source(Clip(clip.path, clip.codec, clip.fps), name) for clip, name in made]


def measure_clip(source: Source, load: MaskLoad, progress: Progress) -> ClipResult:
    """All of one clip."""
    result = ClipResult(source)
    progress(f"{source.name}: pictures and bits")
    _take_quality(result, load.mask)
    for turn in range(load.rounds):
        progress(f"{source.name}: round {turn + 1} of {load.rounds}, the engine")
        result.runs.append(
            run_streams(source, load.streams, load, engine_cpus=load.engine_cpus, load_cpus=load.load_cpus)
        )
        progress(f"{source.name}: round {turn + 1} of {load.rounds}, FFmpeg")
        cost = masked_ffmpeg.cpu_per_frame(source, load.mask, load.engine_cpus or None)
        result.ffmpeg_cpu_ms_of_rounds.append(cost * 1000)
    if load.capacity:
        _raise_streams(result, load, progress)
    return result


def _take_quality(result: ClipResult, mask: Rectangle) -> None:
    source = result.source
    with tempfile.TemporaryDirectory(prefix="vigie-bench-") as folder:
        ours, theirs = Path(folder) / "vigie.h264", Path(folder) / "ffmpeg.h264"
        published = mask_with_engine(source, mask, ours)
        result.lane_cpu_ms = published.cpu_s * 1000
        masked_ffmpeg.mask_with_ffmpeg(source, mask, theirs)
        result.likeness, result.ffmpeg_likeness = (
            compare(source, ours, mask, playings=PLAYINGS),
            compare(source, theirs, mask),
        )
        result.mbit_per_s = mbit_of(published.size, source.frames, source.clip.fps)
        result.ffmpeg_mbit_per_s = mbit_of(theirs.stat().st_size, source.frames, source.clip.fps)


def _raise_streams(result: ClipResult, load: MaskLoad, progress: Progress) -> None:
    """Doubles the streams until they are not whole, then halves the step between the last two."""

    def fits(streams: int) -> bool:
        progress(f"{result.source.name}: {streams} streams")
        result.growth.append(run_streams(result.source, streams, load))
        return result.growth[-1].whole

    good, bad, tried = 0, load.most + 1, 1
    while tried < bad:
        if fits(tried):
            good, tried = tried, min(tried * 2, load.most) if tried < load.most else bad
        else:
            bad = tried
    while bad - good > 1:
        tried = (good + bad) // 2
        good, bad = (tried, bad) if fits(tried) else (good, tried)
    result.growth.sort(key=lambda run: run.streams)
    result.fit = good


def run_streams(
    source: Source,
    streams: int,
    load: MaskLoad,
    *,
    engine_cpus: Sequence[int] = (),
    load_cpus: Sequence[int] = (),
) -> StreamsRun:
    """Serves the clip in real time from so many cameras, each masked and watched by one viewer."""
    run = StreamsRun(streams)
    begin: dict[str, Any] = {}
    end: dict[str, Any] = {}
    with SimProcess(streams, clips=[source.clip], cpus=load_cpus or None, options=["--no-stamp"]) as sim:
        names = [f"cam{number:03d}" for number in range(streams)]
        cameras = [masked_camera(name, sim.url(number), load.mask.corners()) for number, name in enumerate(names)]
        with EngineProcess(cameras, names[:1], engine_cpus or None) as engine:

            def on_event(event: dict[str, Any]) -> None:
                moment = {"window-begin": begin, "window-end": end}.get(event["event"])
                if moment is not None:
                    moment.update(at=time.monotonic(), cpu=engine.cpu_seconds(), sim=sim.stats(), **engine.figures())

            seen = run_load(
                engine.url("cam{n:03d}"),
                cameras=streams,
                warm_up=load.warm_up,
                seconds=load.seconds,
                cpus=load_cpus or None,
                options=["--any-camera", "--ready-timeout", "20"],
                on_event=on_event,
            )
    if not begin or not end:
        raise InvalidArgumentError("the viewers ended before their time", "vigie-load")
    if not seen["all_ready"]:
        run.problem = f"not every viewer had a picture in time; {seen['last_failure']}"
    run.viewer_mbit_per_s = seen["mbit_per_s"] / streams
    _take(run, source, begin, end)
    return run


def _take(run: StreamsRun, source: Source, begin: dict[str, Any], end: dict[str, Any]) -> None:
    window = end["at"] - begin["at"]
    change = {name: value - lane_sums(begin["stats"])[name] for name, value in lane_sums(end["stats"]).items()}
    run.expected = round(window * source.clip.fps * run.streams)
    run.published = round(change["published_units"])
    run.thinned, run.skipped = round(change["thinned_pictures"]), round(change["skipped_units"])
    run.sim_late_units = end["sim"]["late_units"] - begin["sim"]["late_units"]
    pictures = max(1, run.published)
    run.cpu_ms = (end["cpu"] - begin["cpu"]) * 1000 / pictures
    run.decode_ms, run.mask_ms, run.encode_ms = (
        change[name] * 1000 / pictures for name in ("decode_s", "mask_s", "encode_s")
    )
    if latencies := sorted(end["latencies_ms"]):
        run.latency_p50_ms, run.latency_p99_ms = quantile(latencies, 0.5), quantile(latencies, 0.99)
        run.latency_max_ms = latencies[-1]


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value that so large a share does not exceed."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


_LANE_SUMS = ("thinned_pictures", "skipped_units", "decode_s", "mask_s", "encode_s")


def lane_sums(stats: dict[str, Any]) -> dict[str, float]:
    """Figures of all masked streams together."""
    streams = [stream for camera in stats["cameras"].values() for stream in camera["streams"].values()]
    masked = [stream for stream in streams if "lane" in stream]
    sums = {name: float(sum(stream["lane"][name] for stream in masked)) for name in _LANE_SUMS}
    return sums | {"published_units": float(sum(stream["published_units"] for stream in masked))}
