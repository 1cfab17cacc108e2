"""A camera that masks itself, and the still of a view: what a Python host sees of both."""

import base64
from collections.abc import Callable
from fractions import Fraction

import av
import numpy as np
import pytest

import vigie
from vigie import errors

from .conftest import snapshot
from .test_engine import nals

REGION = {"name": "flat-3", "points": [[0.25, 0.25], [0.75, 0.25], [0.75, 0.75], [0.25, 0.75]]}
Coder = Callable[[int], list[bytes]]


@pytest.fixture
def coder() -> Coder:
    """Codes seconds of a still view with a black mask on it: five units each, the first a keyframe."""
    codec = av.CodecContext.create("libx264", "w")
    codec.width, codec.height, codec.pix_fmt = 320, 240, "yuv420p"
    codec.framerate, codec.time_base = 5, Fraction(1, 5)
    codec.options = {"preset": "ultrafast", "tune": "zerolatency", "x264-params": "keyint=5:min-keyint=5:scenecut=0"}
    boxes = np.random.default_rng(7).integers(30, 220, (15, 20, 1), dtype=np.uint8)
    view = np.repeat(np.repeat(np.repeat(boxes, 16, 0), 16, 1), 3, 2)
    view[60:180, 80:240] = 0
    count = 0

    def code(seconds: int) -> list[bytes]:
        nonlocal count
        out: list[bytes] = []
        for _ in range(5 * seconds):
            frame = av.VideoFrame.from_ndarray(view, format="rgb24")
            frame.pts = count
            count += 1
            out += [bytes(packet) for packet in codec.encode(frame.reformat(format="yuv420p"))]
        return out

    return code


def policy(revision: int, privacy: str, **masks: object) -> dict[str, object]:
    made = snapshot(revision, privacy)
    made["cameras"][0]["masks"] = {"revision": 1, "regions": [REGION], **masks}  # type: ignore[index]
    return made


def push(engine: vigie.Engine, units: list[bytes], first: int = 0) -> None:
    for number, unit in enumerate(units, first):
        engine.push_access_unit("cam", unit, codec="H264", pts_90k=number * 18000)


def test_proved_units_say_so_and_are_the_cameras_own(coder: Coder) -> None:
    units = coder(2)
    with vigie.Engine() as engine:
        engine.apply(policy(1, "masked_at_source"))
        with engine.subscribe("cam") as subscription:
            for number, sent in enumerate(units):
                push(engine, [sent], first=number)
                unit = subscription.next(10)
                assert unit is not None
                with unit:
                    assert nals(bytes(unit)) == nals(sent)
                    assert (unit.privacy, unit.mask_revision) == ("masked_at_source", 1)
        assert engine.stats()["cameras"]["cam"]["streams"]["main"]["source_check"]["state"] == "passing"


def test_the_still_of_a_view_goes_out_and_comes_back(coder: Coder) -> None:
    with vigie.Engine() as engine:
        engine.apply(policy(1, "masked_at_source"))
        with pytest.raises(errors.NotFoundError, match="no view has been learned yet"):
            engine.scene_reference("cam")
        push(engine, coder(1))
        while engine.stats()["cameras"]["cam"]["streams"]["main"]["source_check"]["keyframes"] < 1:
            pass
        push(engine, coder(1), first=5)
        assert any(event.kind == "scene_reference" for event in engine.events(10))
        still = engine.scene_reference("cam")
        engine.apply(policy(2, "masked_at_source", scene_reference=base64.b64encode(still).decode()))
        with pytest.raises(errors.PolicyFieldError, match="scene_reference"):
            engine.apply(policy(3, "masked_at_source", scene_reference=base64.b64encode(still[:-1]).decode()))
