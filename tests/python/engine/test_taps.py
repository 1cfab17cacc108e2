"""Taps, snapshots and poses from Python: pictures with a private place in a colour found nowhere else."""

import asyncio
import io
import os
import select
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise
from typing import Any

import av
import numpy as np
import pytest

import vigie
from python.processes import real_time
from vigie import errors
from vigie.colour import rgb_from_yuv

WIDTH, HEIGHT = 320, 192
# Of the private place, in shares of the picture.
BOX = (0.25, 0.25, 0.5, 0.5)
CAPTURE = 1_800_000_000 * 10**9
FRAME_NS = 40_000_000


def masks(revision: int = 1, margin: float = 0.02) -> dict[str, Any]:
    """A mask over the private place and `margin` around it."""
    x0, y0, x1, y1 = BOX[0] - margin, BOX[1] - margin, BOX[2] + margin, BOX[3] + margin
    region = {"name": "flat", "points": [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]}
    return {"revision": revision, "regions": [region]}


def policy(revision: int = 1, privacy: str = "masked", **fields: Any) -> dict[str, Any]:
    """A policy with one pushed camera called "cam"."""
    camera = {"name": "cam", "privacy": privacy, "streams": [{"name": "main", "kind": "push"}], **fields}
    if privacy == "clear":
        camera["privacy_reason"] = "a test picture"
    return {"revision": revision, "cameras": [camera]}


@pytest.fixture(scope="session")
def clip() -> list[bytes]:
    """Fifty H.264 units, a keyframe every ten: a grey scene that moves, and the private place in magenta."""
    codec = av.CodecContext.create("libx264", "w")
    codec.width, codec.height, codec.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    codec.framerate, codec.time_base = Fraction(25), Fraction(1, 25)
    codec.options = {"preset": "ultrafast", "tune": "zerolatency", "x264-params": "keyint=10:min-keyint=10:scenecut=0"}
    columns, rows = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    x0, y0, x1, y1 = (round(share * side) for share, side in zip(BOX, (WIDTH, HEIGHT) * 2, strict=True))
    out = []
    for index in range(50):
        rgb = np.repeat((60 + (columns + rows + 2 * index) % 120).astype(np.uint8)[:, :, None], 3, axis=2)
        rgb[y0:y1, x0:x1] = (230, 20, 230)
        frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
        frame.pts = index
        out += [bytes(packet) for packet in codec.encode(frame.reformat(format="yuv420p"))]
    out += [bytes(packet) for packet in codec.encode(None)]
    assert len(out) == 50
    return out


class Camera:
    """Pushes the clip, picture after picture, each with its time."""

    def __init__(self, engine: vigie.Engine, clip: list[bytes]) -> None:
        self.engine, self.clip, self.pushed = engine, clip, 0

    def push(self, count: int = 1) -> None:
        """The next pictures."""
        for _ in range(count):
            self.engine.push_access_unit(
                "cam",
                self.clip[self.pushed % len(self.clip)],
                codec="H264",
                pts_90k=3600 * self.pushed,
                capture_time_ns=CAPTURE + FRAME_NS * self.pushed,
            )
            self.pushed += 1

    def wait_for_frames(self, count: int) -> None:
        """Until so many frames have come to the taps, thinned ones included."""
        deadline = time.monotonic() + 20
        while True:
            taps = self.engine.stats()["taps"]
            if taps["frames_offered"] + taps["frames_thinned"] >= count:
                return
            assert time.monotonic() < deadline, taps


@pytest.fixture
def masked() -> Iterator[vigie.Engine]:
    """An engine in which "cam" is masked."""
    with vigie.Engine(codec_workers=1) as made:
        made.apply(policy(masks=masks()))
        yield made


@pytest.fixture
def camera(masked: vigie.Engine, clip: list[bytes]) -> Camera:
    """The masked engine's camera."""
    return Camera(masked, clip)


def private_pixels(rgb: Any) -> int:
    """Pixels that are more magenta than anything else here."""
    red, green, blue = (rgb[..., channel].astype(int) for channel in range(3))
    return int(((red > green + 60) & (blue > green + 60)).sum())


def take(frames: vigie.FrameTap, timeout: float = 10) -> vigie.FrameLease:
    """The next frame, which must come."""
    frame = frames.next(timeout)
    assert frame is not None
    return frame


@pytest.mark.parametrize("wanted", ["", "vigie", "libx264"])
def test_the_host_chooses_what_codes_masked_pictures(clip: list[bytes], wanted: str) -> None:
    assert {"vigie", "libx264"} <= set(vigie.engine.mask_encoders())
    decoder = av.CodecContext.create("h264", "r")
    with vigie.Engine(codec_workers=1, mask_encoder=wanted) as engine:
        engine.apply(policy(masks=masks()))
        camera = Camera(engine, clip)
        camera.push()
        with engine.subscribe("cam") as units:
            camera.push(12)
            pictures = []
            for _ in range(10):
                unit = units.next(10)
                assert unit is not None
                assert unit.privacy == "masked"
                pictures += decoder.decode(av.Packet(bytes(unit)))
            lane = engine.stats()["cameras"]["cam"]["streams"]["main"]["lane"]
            assert lane["encoder"] == (wanted or "vigie")
    pictures += decoder.decode(None)
    assert len(pictures) == 10
    for picture in pictures:
        rgb = picture.to_ndarray(format="rgb24")
        assert private_pixels(rgb) == 0
        assert rgb[:20].std() > 3, "the rest is there"


@pytest.mark.parametrize("wanted", [False, True])
def test_shards_are_in_real_time_while_pictures_are_masked(clip: list[bytes], wanted: bool) -> None:
    with vigie.Engine(shards=2, codec_workers=1, realtime_io=wanted) as engine:
        engine.apply(policy(masks=masks()))
        time.sleep(0.3)
        assert not real_time.threads_in(os.getpid()), "nothing is masked yet"
        with engine.tap_frames("cam") as frames:
            Camera(engine, clip).push(3)
            take(frames).close()
            real_time.wait_in(os.getpid(), {"vigie-io-0", "vigie-io-1"} if wanted else set())
            until = time.monotonic() + 10  # beside others a shard may be busy for a while, and not have it then
            while [shard["realtime"] for shard in engine.stats()["shards"]] != 2 * [wanted and real_time.allowed()]:
                assert time.monotonic() < until
        real_time.wait_in(os.getpid(), set())


def test_frames_are_masked_and_say_so(masked: vigie.Engine, camera: Camera) -> None:
    with masked.tap_frames("cam") as frames:
        camera.push(3)
        with take(frames) as frame:
            assert (frame.width, frame.height) == (WIDTH, HEIGHT)
            assert (frame.privacy, frame.policy_revision, frame.mask_revision, frame.version_revision) == (
                "masked",
                1,
                1,
                0,
            )
            assert frame.clock_quality == "reported"
            assert (frame.capture_time_ns - CAPTURE) % FRAME_NS == 0
            assert private_pixels(frame.rgb()) == 0
    figures = masked.stats()
    assert figures["cameras"]["cam"]["streams"]["main"]["lane"]["coded_units"] == 0
    assert figures["taps"]["open"] == figures["taps"]["frames_leased"] == 0
    assert figures["taps"]["frames_taken"] == 1


def test_a_version_has_its_own_masks_on_every_exit_of_frames(clip: list[bytes]) -> None:
    corner = {"revision": 5, "regions": [{"name": "corner", "points": [[0.75, 0.75], [1, 0.75], [1, 1], [0.75, 1]]}]}
    with vigie.Engine() as engine:
        engine.apply(policy(masks=masks(), versions=[{"name": "police", "masks": corner}]))
        with engine.tap_frames("cam") as own, engine.tap_frames("cam@police") as theirs:
            Camera(engine, clip).push()
            with take(own) as frame, take(theirs) as other:
                assert (frame.mask_revision, frame.version_revision) == (1, 0)
                assert (other.mask_revision, other.version_revision) == (1, 5)
                assert private_pixels(frame.rgb()) == private_pixels(other.rgb()) == 0
                differ = np.argwhere(frame.planes[0] != other.planes[0])
                assert (differ >= (0.75 * HEIGHT - 16, 0.75 * WIDTH - 16)).all(), "the corner, widened by a block"
                assert len(differ) > 1000
            del differ
        still = engine.snapshot("cam@police")
        assert (still.mask_revision, still.version_revision) == (1, 5)
        with pytest.raises(errors.NotFoundError):
            engine.tap_frames("cam@nobody")


def test_the_search_finds_what_is_not_masked(clip: list[bytes]) -> None:
    with vigie.Engine() as engine:
        engine.apply(policy(privacy="clear"))
        with engine.tap_frames("cam") as frames:
            Camera(engine, clip).push()
            frame = take(frames)
            assert frame.privacy == "clear"
            assert frame.privacy_reason == "a test picture"
            assert private_pixels(frame.rgb()) > 2000


def test_planes_are_read_only_and_zero_copy(masked: vigie.Engine, camera: Camera) -> None:
    frames = masked.tap_frames("cam")
    camera.push()
    frame = take(frames)
    planes = frame.planes
    assert [plane.shape for plane in planes] == [(HEIGHT, WIDTH), (HEIGHT // 2, WIDTH // 2), (HEIGHT // 2, WIDTH // 2)]
    for plane, again in zip(planes, frame.planes, strict=True):
        assert plane.dtype == np.uint8
        assert plane.ctypes.data == again.ctypes.data, "the same memory each time"
        assert plane.strides[0] % 32 == 0
        assert not plane.flags.writeable
        with pytest.raises(ValueError, match="read-only"):
            plane[0, 0] = 1
        with pytest.raises(ValueError, match="WRITEABLE"):
            plane.flags.writeable = True


def test_close_while_a_view_lives_is_refused(masked: vigie.Engine, camera: Camera) -> None:
    frames = masked.tap_frames("cam")
    camera.push()
    frame = take(frames)
    luma = frame.planes[0]
    part = luma[10:20]
    del luma
    with pytest.raises(BufferError, match="1 view"):
        frame.close()
    del part
    frame.close()
    frame.close()
    assert frame.closed
    for call in (lambda: frame.planes, frame.rgb):
        with pytest.raises(errors.ClosedError):
            call()
    assert frames.stats().leased == 0


def test_a_with_block_defers_to_the_last_view(masked: vigie.Engine, camera: Camera) -> None:
    frames = masked.tap_frames("cam")
    camera.push()
    with take(frames) as frame:
        luma = frame.planes[0]
        expected = luma.copy()
    assert frame.closed
    assert frames.stats().leased == 1
    masked.close()
    assert np.array_equal(luma, expected), "after the block and after the engine"
    del luma
    assert frames.stats().leased == 0


@pytest.mark.parametrize(("asked", "size"), [(0, (320, 192)), (160, (160, 96)), (101, (100, 60)), (640, (320, 192))])
def test_frames_come_at_the_size_asked_for(
    masked: vigie.Engine, camera: Camera, asked: int, size: tuple[int, int]
) -> None:
    with masked.tap_frames("cam", width=asked) as frames:
        camera.push()
        frame = take(frames)
        assert (frame.width, frame.height) == size
        assert frame.rgb().shape == (size[1], size[0], 3)
        assert private_pixels(frame.rgb()) == 0


def test_the_rate_is_thinned_evenly(masked: vigie.Engine, camera: Camera) -> None:
    with masked.tap_frames("cam", fps=5, queue=64) as frames:
        camera.push(50)
        camera.wait_for_frames(50)
        stats = frames.stats()
        assert (stats.offered, stats.thinned) == (10, 40)
        times = []
        for _ in range(8):
            with take(frames, 0) as frame:
                times.append(frame.capture_time_ns)
        assert [b - a for a, b in pairwise(times)] == [5 * FRAME_NS] * 7


def test_a_slow_consumer_loses_frames_and_delays_nobody(masked: vigie.Engine, camera: Camera) -> None:
    with masked.tap_frames("cam") as frames, masked.subscribe("cam") as units:
        for _ in range(20):
            camera.push()
            unit = units.next(10)
            assert unit is not None, "each unit comes without a wait for who takes frames"
            assert unit.privacy == "masked"
        camera.wait_for_frames(20)
        stats = frames.stats()
        assert (stats.offered, stats.taken, stats.dropped) == (20, 0, 18)
        assert take(frames, 0).capture_time_ns == CAPTURE + 18 * FRAME_NS
        assert masked.stats()["taps"]["frames_dropped"] == 18


def test_leases_are_bounded(masked: vigie.Engine, camera: Camera) -> None:
    with masked.tap_frames("cam", queue=20) as frames:
        camera.push(12)
        held = [take(frames) for _ in range(8)]
        with pytest.raises(errors.LimitExceededError, match="give some of them back"):
            frames.next()
        assert masked.stats()["taps"]["frames_leased"] == 8
        held.pop().close()
        assert take(frames).privacy == "masked"


def test_no_frame_of_an_older_revision_after_apply(masked: vigie.Engine, camera: Camera) -> None:
    with masked.tap_frames("cam", width=160, queue=10) as frames:
        for revision in range(2, 30):
            camera.push(4)
            masked.apply(policy(revision, masks=masks(revision, 0.02 + 0.002 * revision)))
            camera.push()
            with take(frames) as frame:
                assert frame.mask_revision == revision


def test_the_end_of_a_right_ends_a_tap_that_waits(masked: vigie.Engine) -> None:
    frames = masked.tap_frames("cam")
    caught: list[BaseException] = []

    def wait() -> None:
        try:
            frames.next()
        except errors.Error as error:
            caught.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    masked.apply(policy(2, privacy="withheld"))
    thread.join(5)
    assert not thread.is_alive()
    assert isinstance(caught[0], errors.WithheldError)
    with pytest.raises(errors.WithheldError):
        masked.tap_frames("cam")


def test_leases_outlive_tap_and_engine_and_go_on_any_thread(masked: vigie.Engine, camera: Camera) -> None:
    frames = masked.tap_frames("cam", queue=6)
    camera.push(6)
    camera.wait_for_frames(6)
    held = [take(frames) for _ in range(6)]
    masked.close()
    with pytest.raises(errors.ClosedError):
        frames.next()
    assert list(frames) == []
    found: list[int] = []
    threads = [threading.Thread(target=lambda lease=lease: found.append(look(lease))) for lease in held]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [0] * 6
    assert frames.stats().leased == 0


def look(lease: vigie.FrameLease) -> int:
    """Private pixels of a frame, which is given back."""
    with lease:
        return private_pixels(lease.rgb())


def test_many_threads_share_a_tap_while_it_closes(masked: vigie.Engine, camera: Camera) -> None:
    frames = masked.tap_frames("cam", width=64, queue=8)
    taken: list[int] = []

    def pull() -> None:
        for frame in frames:
            with frame:
                taken.append(private_pixels(frame.rgb()))

    threads = [threading.Thread(target=pull) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        camera.push(4)
        camera.wait_for_frames(camera.pushed)
    masked.close()
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()
    assert taken
    assert set(taken) == {0}


def test_descriptor_asyncio_and_the_gil(masked: vigie.Engine, camera: Camera) -> None:
    async def consume(frames: vigie.FrameTap) -> int:
        count = 0
        async for frame in frames:
            with frame:
                count += 1
            if count == 5:
                break
        return count

    async def main() -> int:
        with masked.tap_frames("cam", queue=16) as frames:
            task = asyncio.create_task(consume(frames))
            await asyncio.sleep(0)
            camera.push(5)
            return await asyncio.wait_for(task, 10)

    assert asyncio.run(main()) == 5
    with masked.tap_frames("cam") as frames:
        while frames.next(0.2) is not None:
            pass
        assert select.select([frames], [], [], 0)[0] == []
        thread = threading.Thread(target=lambda: frames.next(0.5))
        thread.start()
        counted = 0
        while thread.is_alive():
            counted += 1
        assert counted > 1000, "this thread ran while the other waited in the core"
        camera.push()
        assert select.select([frames], [], [], 10)[0] == [frames]


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda e: e.tap_frames("nobody"), errors.NotFoundError),
        (lambda e: e.tap_frames("cam", "sub"), errors.NotFoundError),
        (lambda e: e.tap_frames("c\0m"), errors.InvalidArgumentError),
        (lambda e: e.tap_frames("cam", width=1), errors.InvalidArgumentError),
        (lambda e: e.tap_frames("cam", fps=-1), errors.InvalidArgumentError),
        (lambda e: e.tap_frames("cam", queue=0), errors.InvalidArgumentError),
        (lambda e: e.snapshot("nobody"), errors.NotFoundError),
        (lambda e: e.snapshot("cam", timeout=0), errors.TimedOutError),
        (lambda e: e.push_pose("cam", pan=0, tilt=0, hfov=0, at=1, moving=False), errors.InvalidArgumentError),
        (lambda e: e.push_pose("nobody", pan=0, tilt=0, hfov=60, at=1, moving=False), errors.NotFoundError),
        (lambda e: e.distrust_pose("cam", "boredom"), errors.InvalidArgumentError),
        (lambda e: e.trust_pose("nobody"), errors.NotFoundError),
        (lambda _: vigie.Engine(codec_workers=1000), errors.InvalidArgumentError),
        (lambda _: vigie.Engine(mask_encoder="libx265"), errors.InvalidArgumentError),
    ],
)
def test_misuse_has_a_clear_error(
    masked: vigie.Engine, call: Callable[[vigie.Engine], object], error: type[errors.Error]
) -> None:
    with pytest.raises(error) as caught:
        call(masked)
    assert caught.value.what, "it says what was found"


def test_use_after_fork_is_refused(masked: vigie.Engine) -> None:
    frames = masked.tap_frames("cam")
    child = os.fork()
    if child == 0:
        refused = 0
        for call in (
            lambda: frames.next(0),
            frames.stats,
            lambda: masked.snapshot("cam"),
            lambda: masked.tap_frames("cam"),
        ):
            try:
                call()
            except errors.WrongProcessError:
                refused += 1
        os._exit(0 if refused == 4 else 1)
    assert os.waitpid(child, 0)[1] == 0


# ---- snapshots


def decoded(jpeg: bytes) -> Any:
    """The image as RGB."""
    with av.open(io.BytesIO(jpeg), mode="r", format="mjpeg") as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24")


def test_a_snapshot_is_masked_and_carries_its_facts(masked: vigie.Engine, camera: Camera) -> None:
    camera.push(15)
    still = masked.snapshot("cam")
    assert (still.width, still.height) == (WIDTH, HEIGHT)
    assert decoded(still.jpeg).shape == (HEIGHT, WIDTH, 3)
    assert private_pixels(decoded(still.jpeg)) == 0
    assert (still.privacy, still.mask_revision, still.version_revision, still.policy_revision) == ("masked", 1, 0, 1)
    assert still.capture_time_ns == CAPTURE + 14 * FRAME_NS, "the newest picture"
    assert still.clock_quality == "reported"
    assert still.error_bound_ns is None


def test_a_time_that_is_the_arrivals_has_the_widest_bound(clip: list[bytes]) -> None:
    with vigie.Engine() as engine:
        engine.apply(policy(privacy="clear"))
        before = time.time_ns()
        engine.push_access_unit("cam", clip[0], codec="H264")
        still = engine.snapshot("cam")
        assert before <= still.capture_time_ns == still.arrival_time_ns <= time.time_ns()
        assert (still.clock_quality, still.error_bound_ns) == ("none", 2_000_000_000)
        assert private_pixels(decoded(still.jpeg)) > 2000


def test_a_snapshot_of_a_covered_camera_is_its_card(clip: list[bytes]) -> None:
    with vigie.Engine() as engine:
        engine.apply(policy())  # masked, and no mask set
        Camera(engine, clip).push()
        still = engine.snapshot("cam")
        assert still.privacy == "covered"
        assert still.privacy_reason
        assert private_pixels(decoded(still.jpeg)) == 0


def test_a_snapshot_of_a_withheld_camera_is_refused(clip: list[bytes]) -> None:
    with vigie.Engine() as engine:
        engine.apply(policy(privacy="withheld"))
        Camera(engine, clip).push()
        with pytest.raises(errors.WithheldError):
            engine.snapshot("cam")


# ---- poses


def test_a_dome_is_covered_until_its_pose_is_known_and_believed(clip: list[bytes]) -> None:
    region = {"name": "flat", "space": "world", "points": [[-40, 10], [0, 10], [0, -10], [-40, -10]]}
    with vigie.Engine() as engine:
        engine.apply(policy(masks={"revision": 1, "regions": [region]}, dome={"max_age_idle_s": 60}))
        camera = Camera(engine, clip)
        camera.push(10)
        assert engine.snapshot("cam").privacy == "covered"

        def look_at() -> None:
            engine.push_pose("cam", pan=0, tilt=0, hfov=60, at=CAPTURE + FRAME_NS * camera.pushed, moving=False)
            camera.push()

        look_at()
        assert engine.snapshot("cam").privacy == "masked"
        engine.distrust_pose("cam", "reboot")
        look_at()
        still = engine.snapshot("cam")
        assert (still.privacy, still.privacy_reason) == ("covered", "the camera was restarted")
        engine.trust_pose("cam")
        look_at()
        assert engine.snapshot("cam").privacy == "masked"


# ---- colour


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("matrix", [1, 4, 5, 6, 7, 9])
def test_rgb_is_within_one_of_the_formula(matrix: int, full_range: bool) -> None:
    weights = {1: (0.2126, 0.0722), 4: (0.3, 0.11), 7: (0.212, 0.087), 9: (0.2627, 0.0593)}
    red_weight, blue_weight = weights.get(matrix, (0.299, 0.114))
    random = np.random.default_rng(matrix)
    y = random.integers(0, 256, (64, 96), np.uint8)
    u, v = (random.integers(0, 256, (32, 48), np.uint8) for _ in range(2))
    luma = y / 255.0 if full_range else (y - 16.0) / 219
    cb, cr = (((plane - 128.0) / (255 if full_range else 224)).repeat(2, axis=0).repeat(2, axis=1) for plane in (u, v))
    red = luma + 2 * (1 - red_weight) * cr
    blue = luma + 2 * (1 - blue_weight) * cb
    green = (luma - red_weight * red - blue_weight * blue) / (1 - red_weight - blue_weight)
    expected = np.clip(np.stack([red, green, blue], axis=-1) * 255, 0, 255)
    got = rgb_from_yuv(y, u, v, matrix=matrix, full_range=full_range)
    assert got.dtype == np.uint8
    assert np.abs(got - expected).max() <= 1


def test_rgb_where_the_matrix_is_not_said_or_not_known() -> None:
    planes = [np.full(shape, 77, np.uint8) for shape in ((720, 2), (360, 1), (360, 1))]
    low = [plane[:90] for plane in planes]
    low[0] = planes[0][:180]
    assert np.array_equal(
        rgb_from_yuv(*planes, matrix=2, full_range=False), rgb_from_yuv(*planes, matrix=1, full_range=False)
    )
    assert np.array_equal(
        rgb_from_yuv(*low, matrix=2, full_range=False), rgb_from_yuv(*low, matrix=6, full_range=False)
    )
    with pytest.raises(errors.CodecUnsupportedError):
        rgb_from_yuv(*low, matrix=8, full_range=False)
