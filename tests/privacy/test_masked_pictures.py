"""Every exit in every state, on what a decoder of somebody else's makes of it."""

import io
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any

import av
import pytest

import vigie
from privacy.c_host import CHost
from vigie.bench.leak.eyes import Colours, UnitDecoder, count_colours, count_frame
from vigie.bench.leak.fleet import LISTENER
from vigie.bench.leak.run import listener_port
from vigie.bench.leak.scene import PRIVATE_PLACES, VERSION_PLACE, Clip, Coder, clip_of, fixed_pictures, grown, make_clip
from vigie.errors import Error, WithheldError
from vigie.inspect.h264 import Mark, mark_of_unit

FPS = 50
LOOKS = 8  # pictures that are looked at
STATES = ("clear", "masked", "covered", "withheld")
FORMS = (("", "main"), ("", "sub"), ("@police", "main"))


def sets(revision: int) -> dict[str, Any]:
    """The masks of a camera and of its second version."""
    own = [{"name": f"flat-{i}", "points": grown(points, 176, 108)} for i, points in enumerate(PRIVATE_PLACES)]
    extra = [{"name": "school", "points": grown(VERSION_PLACE, 176, 108)}]
    # A scene that moves as a whole would be covered.
    common = {"revision": revision, "scene_watch": False}
    version = {"name": "police", "masks": {**common, "regions": extra}}
    return {"masks": {**common, "regions": own}, "versions": [version]}


def camera(name: str, state: str) -> dict[str, Any]:
    """A camera with a main and a sub stream, both pushed, in one of STATES."""
    made: dict[str, Any] = {"name": name, "streams": [{"name": which, "kind": "push"} for which in ("main", "sub")]}
    if state == "clear":
        made |= {"privacy": "clear", "privacy_reason": "a test", "versions": sets(1)["versions"]}
    elif state == "masked":
        made |= {"privacy": "masked", **sets(1)}
    elif state == "covered":
        made |= {"privacy": "masked"}
    return made


@dataclass
class Studio:
    """An engine with a camera in each state, filmed without end."""

    engine: vigie.Engine
    port: int

    def film(self, clips: dict[str, Clip], ends: threading.Event) -> None:
        """The thread that pushes."""
        begun, number = time.monotonic(), 0
        while not ends.wait(max(0.0, begun + number / FPS - time.monotonic())):
            for stream, clip in clips.items():
                for state in STATES:
                    with suppress(Error):
                        unit = clip.units[number % len(clip.units)]
                        self.engine.push_access_unit(
                            state, unit, codec=clip.codec, stream=stream, pts_90k=number * 90000 // FPS
                        )
            number += 1


@pytest.fixture(scope="module")
def studio() -> Iterator[Studio]:
    """One for all that changes nothing."""
    with vigie.Engine() as engine:
        cameras = [camera(state, state) for state in STATES]
        engine.apply({"revision": 1, "listeners": [LISTENER], "cameras": cameras})
        made = Studio(engine, listener_port(engine))
        ends = threading.Event()
        clips = {"main": make_clip("H264"), "sub": make_clip("H264", 192, 108)}
        thread = threading.Thread(target=made.film, args=(clips, ends))
        thread.start()
        yield made
        ends.set()
        thread.join()


Counts = list[Colours]


def decoded(units: list[bytes]) -> Counts:
    """What each of the pictures shows of both colours."""
    decoder = UnitDecoder()
    return [count_frame(frame) for unit in units for frame in decoder.decode(unit)]


def of_jpeg(data: bytes) -> Counts:
    """Likewise of one image."""
    with av.open(io.BytesIO(data), "r") as container:
        return [count_frame(frame) for frame in container.decode(video=0)]


def by_rtsp(transport: str) -> Callable[[Studio, str, str], Counts]:
    """An exit: FFmpeg's RTSP client."""

    def look(studio: Studio, name: str, stream: str) -> Counts:
        found: Counts = []
        url = f"rtsp://127.0.0.1:{studio.port}/{name}/{stream}"
        options = {"rtsp_transport": transport, "analyzeduration": "100000"}
        try:
            with av.open(url, options=options, timeout=15) as container:
                for frame in container.decode(video=0):
                    found.append(count_frame(frame))
                    if len(found) == LOOKS:
                        break
        except av.error.HTTPForbiddenError as error:
            raise PermissionError(str(error)) from None
        return found

    return look


def by_subscription(studio: Studio, name: str, stream: str) -> Counts:
    """An exit."""
    with studio.engine.subscribe(name, stream) as units:
        return decoded([bytes(unit) for unit in (units.next(15) for _ in range(LOOKS)) if unit is not None])


def by_tap(studio: Studio, name: str, stream: str) -> Counts:
    """An exit. Of a card a tap gives one a second: two are looked at."""
    found: Counts = []
    with studio.engine.tap_frames(name, stream) as frames:
        for _ in range(2):
            frame = frames.next(15)
            assert frame is not None
            with frame:
                found.append(count_colours(frame.planes[1], frame.planes[2], frame.width * frame.height))
    return found


EXITS: dict[str, Callable[[Studio, str, str], Counts]] = {
    "TCP": by_rtsp("tcp"),
    "UDP": by_rtsp("udp"),
    "subscribe": by_subscription,
    "tap": by_tap,
    "snapshot": lambda studio, name, stream: of_jpeg(studio.engine.snapshot(name, stream, timeout=15).jpeg),
    "C subscription": lambda studio, name, stream: decoded(
        list(islice(CHost(studio.engine).units(name, stream), LOOKS))
    ),
    "C tap": lambda studio, name, stream: [
        count_colours(u, v, u.size * 4) for u, v in islice(CHost(studio.engine).chroma(name, stream), 2)
    ],
    "C snapshot": lambda studio, name, stream: of_jpeg(CHost(studio.engine).snapshot(name, stream)),
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("exit_name", EXITS)
def test_every_exit_in_every_state(studio: Studio, exit_name: str, state: str) -> None:
    """Clear shows all, masked hides what its masks say, covered shows nothing, withheld does not come."""
    for version, stream in FORMS:
        if version and state in ("covered", "withheld"):
            continue  # these have none
        name = state + version
        if state == "withheld":
            with pytest.raises((WithheldError, PermissionError)):
                EXITS[exit_name](studio, name, stream)
            continue
        counts = EXITS[exit_name](studio, name, stream)
        assert counts, f"no picture of {name}/{stream}"
        shows_places = state == "clear"
        shows_school = state != "covered" and not version
        # Where the other colour shows, its edges look like this one here and there.
        edges = 50 if shows_places else 0
        for private, school, _ in counts:
            assert (private > 0) == shows_places, f"{name}/{stream}: {private} private pixels"
            assert (school > edges) == shows_school, f"{name}/{stream}: {school} pixels that only versions hide"


def test_units_say_what_was_masked(studio: Studio) -> None:
    """Every re-encoded unit, to everybody who has nothing but its bytes."""
    expected = {
        "masked": Mark("masked", 1, 1, 0),
        "masked@police": Mark("masked", 1, 1, 1),
        "covered": Mark("covered", 1, 0, 0),
    }
    for name, mark in expected.items():
        with studio.engine.subscribe(name) as units:
            for _ in range(LOOKS):
                unit = units.next(15)
                assert unit is not None
                assert mark_of_unit(bytes(unit)) == mark


@pytest.mark.parametrize("name", ["masked", "masked@police", "covered"])
def test_strangers_play_it_without_a_complaint(studio: Studio, name: str) -> None:
    """ffprobe decodes, GStreamer decodes (PyAV: every other test here). Not tried: a browser."""
    url = f"rtsp://127.0.0.1:{studio.port}/{name}/main"
    command = ["ffprobe", "-v", "warning", "-rtsp_transport", "tcp", "-show_entries", "frame=width,height"]
    done = subprocess.run(
        [*command, "-read_intervals", "%+#60", "-of", "csv=p=0", url],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0
    assert done.stderr == ""
    assert len(done.stdout.split()) >= 50
    assert {line.rstrip(",") for line in done.stdout.split()} == {"320,180"}  # a comma stands before side data
    pipeline = f"rtspsrc location={url} protocols=tcp ! rtph264depay ! h264parse ! avdec_h264 ! fakesink num-buffers=60"
    done = subprocess.run(
        ["gst-launch-1.0", "-q", *pipeline.split()],
        env={**os.environ, "GST_DEBUG": "h264parse:2,libav:2,rtph264depay:2", "GST_DEBUG_NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "ERROR" not in done.stderr
    assert "WARN" not in done.stderr


def odd_clip(pixel_format: str, width: int = 320, height: int = 180) -> Clip:
    """H.264 in another sample format; only 8 bits 4:2:0 goes through, so chroma is repeated where it is finer."""
    coder = Coder("H264", width, height, pixel_format=pixel_format)
    coded: list[tuple[bytes, bool]] = []
    for y, u, v in fixed_pictures(width, height, 50, 1):
        frame = av.VideoFrame(width, height, "yuv420p")
        for plane, samples in zip(frame.planes, (y, u, v), strict=True):
            rows = bytearray(plane.height * plane.line_size)
            for row, line in enumerate(samples):
                rows[row * plane.line_size : row * plane.line_size + len(line)] = line.tobytes()
            plane.update(bytes(rows))
        coded += coder.encode_frame(frame.reformat(format=pixel_format))
    return clip_of("H264", width, height, [*coded, *coder.finish()])


@pytest.mark.parametrize("pixel_format", ["yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "gray", "yuvj420p"])
def test_other_sample_formats_are_masked_or_covered(pixel_format: str) -> None:
    """And what comes after one is masked as before."""
    plain, odd = make_clip("H264", pictures=50), odd_clip(pixel_format)
    with vigie.Engine() as engine:
        engine.apply({"revision": 1, "cameras": [camera("masked", "masked")]})
        decoder, counts, pts = UnitDecoder(), [], 0
        with engine.subscribe("masked") as units:
            for clip in (plain, odd, plain):
                seen = 0
                for data in (*clip.units, *clip.units):
                    pts += 1800
                    engine.push_access_unit("masked", data, codec="H264", pts_90k=pts)
                    while (unit := units.next(0.01)) is not None:
                        with unit:
                            found = [count_frame(frame) for frame in decoder.decode(bytes(unit))]
                            counts += found
                            seen += len(found)
                assert seen > 20 or clip is odd, "nothing came"
    assert [seen.magenta for seen in counts if seen.magenta] == []
    assert any(seen.blue for seen in counts)
