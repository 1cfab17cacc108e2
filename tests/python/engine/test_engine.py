"""The embedding API, from threads and from asyncio."""

import asyncio
import json
import os
import select
import threading
import time
from itertools import pairwise

import numpy as np
import pytest

import vigie
from vigie import errors

from .conftest import snapshot


def test_units_come_out_as_they_went_in(engine: vigie.Engine, pictures: list[bytes]) -> None:
    with engine.subscribe("cam") as units:
        for picture in pictures:
            engine.push_access_unit("cam", picture, codec="H264")
        got = []
        for _ in pictures:
            unit = units.next(5)
            assert unit is not None
            with unit:
                got.append(bytes(unit))
                assert unit.codec == "H264"
                assert (unit.width, unit.height) == (320, 240)
                assert unit.privacy == "clear"
                assert unit.policy_revision == 1
    # The engine writes every start code with four bytes; the NAL units are the very same.
    assert [nals(unit) for unit in got] == [nals(picture) for picture in pictures]


def nals(annexb: bytes) -> list[bytes]:
    """NAL units of an Annex B byte stream."""
    return [part.rstrip(b"\0") for part in annexb.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1") if part]


def test_facts_of_units(engine: vigie.Engine, pictures: list[bytes]) -> None:
    with engine.subscribe("cam") as units:
        for index, picture in enumerate(pictures):
            engine.push_access_unit(
                "cam", picture, codec="H264", pts_90k=5000 + 3600 * index, capture_time_ns=1_800_000_000 * 10**9 + index
            )
        taken = [units.next(5) for _ in pictures]
    assert [unit.keyframe for unit in taken if unit] == [index % 10 == 0 for index in range(30)]
    pts = [unit.pts_90k for unit in taken if unit]
    assert [b - a for a, b in pairwise(pts)] == [3600] * 29
    assert [unit.number for unit in taken if unit] == list(range(taken[0].number, taken[0].number + 30))
    assert [unit.capture_time_ns for unit in taken if unit] == [1_800_000_000 * 10**9 + i for i in range(30)]
    first = taken[0]
    assert [bytes(memoryview(first)[at : at + size])[0] & 0x1F for at, size in first.nal_units()][:2] == [7, 8]


def test_leases_are_read_only_zero_copy(engine: vigie.Engine, pictures: list[bytes]) -> None:
    engine.push_access_unit("cam", pictures[0], codec="H264")
    with engine.subscribe("cam") as units:
        unit = units.next(5)
    assert unit is not None
    view = memoryview(unit)
    assert view.readonly
    array = np.frombuffer(unit, dtype=np.uint8)
    assert array.ctypes.data == np.frombuffer(unit, dtype=np.uint8).ctypes.data, "the same memory each time"
    with pytest.raises(TypeError):
        view[0] = 1
    with pytest.raises(BufferError):
        unit.release()
    del array
    view.release()
    unit.release()
    assert unit.released
    with pytest.raises(errors.ClosedError):
        memoryview(unit)


def test_a_with_block_defers_the_release_to_the_last_view(engine: vigie.Engine, pictures: list[bytes]) -> None:
    engine.push_access_unit("cam", pictures[0], codec="H264")
    with engine.subscribe("cam") as units:
        unit = units.next(5)
    assert unit is not None
    with unit:
        view = memoryview(unit)
        expected = bytes(view)
    engine.close()
    assert bytes(view) == expected, "the view keeps the memory, after the block and after the engine"
    with pytest.raises(errors.ClosedError):
        memoryview(unit)


def test_no_decision_no_picture(pictures: list[bytes]) -> None:
    with vigie.Engine() as engine:
        engine.apply(snapshot(privacy="withheld"))
        engine.push_access_unit("cam", pictures[0], codec="H264")
        with pytest.raises(errors.WithheldError) as caught:
            engine.subscribe("cam")
        assert isinstance(caught.value, PermissionError)
        assert engine.stats()["cameras"]["cam"]["streams"]["main"]["published_units"] == 0


def test_withdrawal_ends_a_subscription_that_waits(engine: vigie.Engine) -> None:
    units = engine.subscribe("cam")
    caught: list[BaseException] = []

    def wait() -> None:
        try:
            units.next()
        except errors.Error as error:
            caught.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    engine.apply(snapshot(revision=2, privacy="withheld"))
    thread.join(5)
    assert not thread.is_alive()
    assert isinstance(caught[0], errors.WithheldError)


def test_an_invalid_policy_changes_nothing_and_names_the_field(engine: vigie.Engine) -> None:
    bad = snapshot(revision=2)
    bad["cameras"][0]["privcy"] = "clear"  # type: ignore[index]
    with pytest.raises(errors.PolicyFieldError) as caught:
        engine.apply(bad)
    assert caught.value.where == "/cameras/0/privcy"
    with pytest.raises(errors.PolicySyntaxError):
        engine.apply("{nonsense")
    with pytest.raises(errors.PolicyRevisionError):
        engine.apply(snapshot(revision=1))
    with pytest.raises(errors.PolicyRevisionError):
        engine.apply(snapshot(revision=2), expect_revision=7)
    assert engine.stats()["revision"] == 1
    assert engine.apply(json.dumps(snapshot(revision=2)), expect_revision=1) == 2


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda e: e.push_access_unit("nobody", b"\0\0\1\x65\x88", codec="H264"), errors.NotFoundError),
        (lambda e: e.push_access_unit("cam", b"", codec="H264"), errors.PayloadMalformedError),
        (lambda e: e.push_access_unit("cam", b"no start code", codec="H264"), errors.PayloadMalformedError),
        (lambda e: e.push_access_unit("cam", b"\0\0\1\x65", codec="VP8"), errors.InvalidArgumentError),
        (lambda e: e.subscribe("nobody"), errors.NotFoundError),
        (lambda e: e.subscribe("cam", "sub"), errors.NotFoundError),
        (lambda e: e.subscribe("cam", queue_units=0), errors.InvalidArgumentError),
        (lambda e: e.subscribe("cam", start="yesterday"), errors.InvalidArgumentError),
    ],
)
def test_misuse_has_a_clear_error(engine: vigie.Engine, call, error) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(error) as caught:
        call(engine)
    assert caught.value.what, "it says what was found"


def test_timeouts_and_close(engine: vigie.Engine) -> None:
    units = engine.subscribe("cam")
    assert units.next(0) is None
    started = time.monotonic()
    assert units.next(0.3) is None
    assert time.monotonic() - started >= 0.29
    engine.close()
    engine.close()
    with pytest.raises(errors.ClosedError):
        units.next()
    with pytest.raises(errors.ClosedError):
        engine.stats()
    assert list(units) == []


def test_events_tell_the_state(engine: vigie.Engine, pictures: list[bytes]) -> None:
    engine.push_access_unit("cam", pictures[0], codec="H264")
    seen = []
    for event in engine.events(timeout=5):
        seen.append((event.kind, event.object, event.state))
        if event.state == "playing":
            break
    assert ("policy_applied", "policy", "applied") in seen
    assert ("stream_state", "cam/main", "playing") in seen


def test_descriptors_poll_readable(engine: vigie.Engine, pictures: list[bytes]) -> None:
    units = engine.subscribe("cam")
    assert select.select([units], [], [], 0)[0] == []
    engine.push_access_unit("cam", pictures[0], codec="H264")
    assert select.select([units], [], [], 5)[0] == [units]
    assert units.next(0) is not None
    assert select.select([units], [], [], 0)[0] == []
    assert select.select([engine.event_fileno()], [], [], 5)[0]


def test_asyncio(engine: vigie.Engine, pictures: list[bytes]) -> None:
    async def consume(units: vigie.Subscription) -> list[int]:
        numbers = []
        async for unit in units:
            numbers.append(unit.number)
            if len(numbers) == len(pictures):
                break
        return numbers

    async def main() -> None:
        with engine.subscribe("cam") as units:
            task = asyncio.create_task(consume(units))
            for picture in pictures:
                await asyncio.sleep(0)
                engine.push_access_unit("cam", picture, codec="H264")
            assert await asyncio.wait_for(task, 10) == list(range(1, 31))
        async for event in engine.events_async():
            if event.state == "playing":
                break

    asyncio.run(main())


def test_the_gil_is_free_while_a_call_waits(engine: vigie.Engine) -> None:
    units = engine.subscribe("cam")
    counted = 0
    thread = threading.Thread(target=lambda: units.next(0.5))
    thread.start()
    while thread.is_alive():
        counted += 1
    assert counted > 1000, "this thread ran while the other waited in the core"


def test_several_engines(engine: vigie.Engine, pictures: list[bytes]) -> None:
    with vigie.Engine(shards=2) as other:
        other.apply(snapshot(revision=9))
        with engine.subscribe("cam") as mine, other.subscribe("cam") as theirs:
            other.push_access_unit("cam", pictures[0], codec="H264")
            assert theirs.next(5) is not None
            assert mine.next(0) is None


def test_use_after_fork_is_refused(engine: vigie.Engine) -> None:
    units = engine.subscribe("cam")
    child = os.fork()
    if child == 0:
        refused = 0
        for call in (engine.stats, lambda: engine.apply(snapshot(2)), lambda: units.next(0), engine.close):
            try:
                call()
            except errors.WrongProcessError:
                refused += 1
        os._exit(0 if refused == 4 else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert engine.stats()["revision"] == 1


def test_a_slow_consumer_loses_whole_gops_with_a_count(engine: vigie.Engine, pictures: list[bytes]) -> None:
    with engine.subscribe("cam", queue_units=5) as units:
        for picture in pictures:
            engine.push_access_unit("cam", picture, codec="H264")
        while engine.stats()["subscriptions"][0]["units_offered"] < 30:
            pass
        first = units.next(0)
        assert first is not None
        assert first.number == 21
        assert first.keyframe
        assert engine.stats()["subscriptions"][0]["units_dropped"] == {"consumer_slow": 25}
