"""An engine with one pushed camera, and real coded pictures to push."""

from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np
import pytest

import vigie


def snapshot(revision: int = 1, privacy: str = "clear", **more: object) -> dict[str, object]:
    """A policy with one pushed camera called "cam"."""
    camera: dict[str, object] = {
        "name": "cam",
        "privacy": privacy,
        "streams": [{"name": "main", "kind": "push", "url": "push:"}],
    }
    if privacy == "clear":
        camera["privacy_reason"] = "a test picture"
    return {"revision": revision, "cameras": [camera], **more}


@pytest.fixture
def engine() -> Iterator[vigie.Engine]:
    """An engine in which "cam" may be seen."""
    with vigie.Engine() as made:
        made.apply(snapshot())
        yield made


@pytest.fixture(scope="session")
def pictures() -> list[bytes]:
    """Thirty H.264 access units in Annex B, a keyframe every ten, encoded from moving noise."""
    codec = av.CodecContext.create("libx264", "w")
    codec.width, codec.height, codec.pix_fmt = 320, 240, "yuv420p"
    codec.framerate, codec.time_base = 25, Fraction(1, 25)
    codec.options = {"preset": "ultrafast", "tune": "zerolatency", "x264-params": "keyint=10:min-keyint=10:scenecut=0"}
    noise = np.random.default_rng(7)
    out = []
    for index in range(30):
        frame = av.VideoFrame.from_ndarray(noise.integers(0, 255, (240, 320, 3), dtype=np.uint8), format="rgb24")
        frame.pts = index
        out += [bytes(packet) for packet in codec.encode(frame.reformat(format="yuv420p"))]
    out += [bytes(packet) for packet in codec.encode(None)]
    assert len(out) == 30
    return out
