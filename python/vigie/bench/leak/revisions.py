"""What must hold at every change of masks and at every beginning: `vigie bench leak --revisions N --restarts N`."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import vigie
from vigie.bench.leak.eyes import UnitDecoder, count_frame
from vigie.bench.leak.fleet import LISTENER
from vigie.bench.leak.raw_viewer import RawViewer
from vigie.bench.leak.run import listener_port
from vigie.bench.leak.scene import PRIVATE_PLACES, VERSION_PLACE, Clip, grown, make_clip
from vigie.errors import Error
from vigie.inspect.h264 import mark_of_unit
from vigie.sim import SimProcess
from vigie.sim.clips import Clip as SimClip

_FPS = 100
_FIRST_PICTURES = 50  # M-9


@dataclass
class Revisions:
    """What was found at changes of masks. `older`: units or frames of a revision that was over, by exit."""

    revisions: int
    seconds: float = 0
    apply_ms_p50: float = 0
    apply_ms_p99: float = 0
    units: int = 0
    older: dict[str, int] = field(default_factory=dict)
    not_idr: int = 0
    unmarked: int = 0
    resets: int = 0
    # How many different revisions each viewer saw: a viewer that saw one has shown nothing.
    seen: dict[str, int] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        """Whether nothing older came, every revision began with an IDR picture, and the viewers really saw changes."""
        return not (sum(self.older.values()) or self.not_idr or self.unmarked) and all(
            count > self.revisions // 20 for name, count in self.seen.items() if "stalled" not in name
        )

    def as_json(self) -> dict[str, Any]:
        """Everything, for machines."""
        return {"good": self.good, **asdict(self)}


def policy(revision: int, random: Random, *, stream: dict[str, Any], regions: bool = True) -> dict[str, Any]:
    """One camera, and a second version of it, under masks that hide the private places and something else each time."""
    more = [[random.uniform(0.0, 0.2), random.uniform(0.7, 0.9)] for _ in range(3)]
    own = [{"name": f"flat-{i}", "points": grown(points, 176, 108)} for i, points in enumerate(PRIVATE_PLACES)]
    own.append({"name": "more", "points": [more[0], [0.3, 0.95], [0.25, more[1][1]]]})
    extra = [{"name": "school", "points": grown(VERSION_PLACE, 176, 108)}]
    common = {"revision": revision, "removal_reason": "a test", "scene_watch": False}
    sets = [{**common, "regions": found} for found in (own, extra)]
    camera: dict[str, Any] = {"name": "camera", "privacy": "masked", "streams": [stream]}
    if regions:
        camera |= {"masks": sets[0], "versions": [{"name": "police", "masks": sets[1]}]}
    return {"revision": revision, "listeners": [LISTENER], "cameras": [camera]}


class Pump(threading.Thread):
    """Pushes a clip in a circle, in real time, until it is stopped."""

    def __init__(self, engine: vigie.Engine, clip: Clip, fps: float = _FPS) -> None:
        super().__init__(daemon=True)
        self._engine, self._clip, self._fps = engine, clip, fps
        self._ends = threading.Event()

    def run(self) -> None:
        """The thread."""
        number = 0
        begun = time.monotonic()
        while not self._ends.wait(max(0.0, begun + number / self._fps - time.monotonic())):
            unit = self._clip.units[number % len(self._clip.units)]
            number += 1
            with suppress(Error):
                pts = round(number * 90000 / self._fps)
                self._engine.push_access_unit("camera", unit, codec=self._clip.codec, pts_90k=pts)

    def stop(self) -> None:
        """Ends it."""
        self._ends.set()
        self.join()


def run_revisions(count: int, seed: int, progress: Callable[[str], None] = lambda _: None) -> Revisions:
    """Changes masks so often at random moments, watched by viewers over TCP, one of them stalled, and by a host."""
    random = Random(seed)
    result = Revisions(count)
    stream = {"name": "main", "kind": "push"}
    with vigie.Engine(shards=2) as engine:
        engine.apply(policy(1, random, stream=stream))
        port = listener_port(engine)
        pump = Pump(engine, make_clip("H264", seed=seed))
        viewers = {
            "TCP": RawViewer(port, "camera"),
            "TCP, version": RawViewer(port, "camera@police"),
            "TCP, stalled": RawViewer(port, "camera", stalled=True),
        }
        pump.start()
        for viewer in viewers.values():
            viewer.start()
        taken: list[float] = []
        result.older = dict.fromkeys([*viewers, "subscribe", "tap"], 0)
        begun = time.monotonic()
        with engine.subscribe("camera", queue_units=512) as units, engine.tap_frames("camera", queue=4) as frames:
            for revision in range(2, count + 2):
                time.sleep(random.uniform(0, 0.02))
                asked = time.monotonic()
                engine.apply(policy(revision, random, stream=stream))
                for viewer in viewers.values():
                    viewer.acknowledged(revision)
                taken.append(time.monotonic() - asked)
                _look(units, frames, revision, result)
                if revision % 50 == 0:
                    progress(f"{revision} of {count} revisions")
        time.sleep(0.3)
        result.seconds = time.monotonic() - begun
        pump.stop()
        for viewer in viewers.values():
            viewer.stop()
        engine.close()
        for viewer in viewers.values():
            viewer.join(10)
    for name, viewer in viewers.items():
        _add(result, name, viewer)
    taken.sort()
    result.apply_ms_p50 = round(1000 * taken[len(taken) // 2], 2)
    result.apply_ms_p99 = round(1000 * taken[len(taken) * 99 // 100], 2)
    return result


def _look(units: Any, frames: Any, revision: int, result: Revisions) -> None:
    """What a host finds that has not looked for a while: nothing of before."""
    while (unit := units.next(0)) is not None:
        with unit:
            mark = mark_of_unit(bytes(unit))
            result.units += 1
            result.unmarked += mark is None
            result.older["subscribe"] += mark is not None and mark.mask_revision < revision
    while (frame := frames.next(0)) is not None:
        with frame:
            result.older["tap"] += frame.mask_revision < revision


def _add(result: Revisions, name: str, viewer: RawViewer) -> None:
    found = viewer.findings
    result.units += found.units
    result.older[name] += found.older
    result.not_idr += found.not_idr
    result.unmarked += found.unmarked
    result.resets += found.resets
    result.seen[name] = len(found.revisions)


@dataclass
class Restarts:
    """What the first pictures showed after so many beginnings of each kind."""

    kinds: dict[str, int] = field(default_factory=dict)
    pictures: int = 0
    private_pixels: int = 0
    seconds: float = 0
    problems: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether pictures came each time, and none showed anything."""
        return not self.problems and self.private_pixels == 0

    def as_json(self) -> dict[str, Any]:
        """Everything, for machines."""
        return {"good": self.good, **asdict(self)}


def run_restarts(
    count: int, seed: int, progress: Callable[[str], None] = lambda _: None, *, pictures: int = _FIRST_PICTURES
) -> Restarts:
    """New engines, streams taken away and given back, and cameras that were cut off: the first pictures of each."""
    random = Random(seed)
    result = Restarts()
    begun = time.monotonic()
    clips = [make_clip(codec, seed=seed) for codec in ("H264", "H265", "JPEG")]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "clip.h264"
        path.write_bytes(clips[0].annexb())
        with SimProcess(1, clips=[SimClip(path, "h264", _FPS)]) as sim:
            for number in range(count):
                progress(f"{number} of {count} restarts")
                kind = random.choice(("engine", "stream", "connection"))
                result.kinds[kind] = result.kinds.get(kind, 0) + 1
                form = random.choice(("camera", "camera@police"))
                if kind == "connection":
                    _cut_off(sim, random, form, pictures, result)
                else:
                    _pushed_anew(random, kind, form, random.choice(clips), pictures, result)
    result.seconds = time.monotonic() - begun
    return result


def _cut_off(sim: SimProcess, random: Random, form: str, pictures: int, result: Restarts) -> None:
    """The connection is lost while pictures come, and made anew. Of its own engine, or each back-off were longer."""
    with vigie.Engine() as engine:
        engine.apply(policy(1, random, stream={"name": "main", "url": sim.url(0)}))
        with engine.subscribe(form) as units:
            _see(units, form, 3, result)
            sim.fault("restart", seconds=0.05)
            for event in engine.events(timeout=10):
                if event.kind == "stream_state" and event.state == "backing_off":
                    break
            else:
                result.problems.append("a connection that was cut went on")
            while units.next(0) is not None:
                pass
            _see(units, form, pictures, result)


def _pushed_anew(random: Random, kind: str, form: str, clip: Clip, pictures: int, result: Restarts) -> None:
    """A host's pictures begin anywhere in a group of pictures, in a new engine, or in a stream that was away."""
    stream = {"name": "main", "kind": "push"}
    begins = random.randrange(len(clip.units))
    turned = Clip(clip.codec, clip.width, clip.height, clip.units[begins:] + clip.units[:begins], frozenset())
    with vigie.Engine() as engine:
        engine.apply(policy(1, random, stream=stream))
        pump = Pump(engine, turned)
        pump.start()
        if kind == "stream":
            _first_pictures(engine, form, 3, result)
            engine.apply({"revision": 2, "listeners": [LISTENER], "cameras": []})
            engine.apply(policy(3, random, stream=stream))
        _first_pictures(engine, form, pictures, result)
        pump.stop()


def _first_pictures(engine: vigie.Engine, form: str, pictures: int, result: Restarts) -> None:
    with engine.subscribe(form) as units:
        _see(units, form, pictures, result)


def _see(units: vigie.Subscription, form: str, pictures: int, result: Restarts) -> None:
    decoder = UnitDecoder()
    seen = 0
    deadline = time.monotonic() + 15
    while seen < pictures and time.monotonic() < deadline:
        unit = units.next(1)
        if unit is None:
            continue
        with unit:
            if not seen and not unit.keyframe:
                continue  # a straggler from before
            for frame in decoder.decode(bytes(unit)):
                magenta, blue, _ = count_frame(frame)
                result.private_pixels += magenta + (blue if "@" in form else 0)
                seen += 1
    result.pictures += seen
    if seen < pictures:
        result.problems.append(f"only {seen} pictures came after a restart")
