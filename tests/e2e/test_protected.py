"""GStreamer's RTSP server through HTTP and HTTPS, SRTP by MIKEY, and FFmpeg's by SDES: NAL units in = out."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import vigie
from e2e import clips, nal
from e2e.gst_camera import GstCamera
from e2e.sdes_camera import SdesCamera
from privacy.world import make_certificate

UNITS = 60
CODECS = ("h264", "h265")


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate and its key."""
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, Path]]:
    """A clip a codec, with a keyframe each second."""
    folder = tmp_path_factory.mktemp("clips")
    return {codec: (codec, clips.make_clip(folder / f"clip.{codec}", codec, gop=clips.FPS)) for codec in CODECS}


@pytest.fixture(scope="module")
def cameras(sources: dict[str, tuple[str, Path]], tls: tuple[Path, Path]) -> Iterator[dict[str, GstCamera]]:
    """Servers by profile."""
    with (
        GstCamera(sources) as plain,
        GstCamera(sources, tls) as avp,
        GstCamera(sources, tls, "--savp") as savp,
        GstCamera(sources, tls, "--savpf") as savpf,
    ):
        yield {"plain": plain, "avp": avp, "savp": savp, "savpf": savpf}


def take(url: str, transport: str, ca: Path, give_up: int = 600) -> tuple[list[list[bytes]], list[str], dict[str, int]]:
    """Units as NAL units, events' texts, and the stream's counters."""
    stream = {"name": "main", "kind": "rtsp", "url": url, "transport": transport, "tls_ca_file": str(ca)}
    camera = {"name": "gst", "privacy": "clear", "privacy_reason": "a test picture", "streams": [stream]}
    units: list[list[bytes]] = []
    with vigie.Engine() as engine:
        engine.apply({"revision": 1, "cameras": [camera]})
        with engine.subscribe("gst") as subscription:
            for _ in range(give_up):
                unit = subscription.next(0.05)
                if unit is None:
                    continue
                with unit:
                    units.append(nal.split_nals(bytes(unit)))
                if len(units) >= UNITS:
                    break
        counters = engine.stats()["cameras"]["gst"]["streams"]["main"]
        texts = [event.text for event in engine.events(timeout=0.1)]
    return units, texts, counters


def check(units: list[list[bytes]], texts: list[str], codec: str, clip: Path) -> None:
    """A contiguous run of what was put in."""
    put_in = nal.split_units(clip.read_bytes(), codec)
    assert len(units) >= UNITS, texts
    got = [nal.vcl(unit, codec) for unit in units]
    expected = [nal.vcl(unit, codec) for unit in put_in]
    first = expected.index(got[0])
    for offset, slices in enumerate(got):
        assert slices == expected[(first + offset) % len(expected)], f"unit {offset}"


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize(
    ("profile", "transport", "how"),
    [
        ("plain", "http", "RTSP over HTTP"),
        ("avp", "http", "RTSP over HTTPS"),
        ("savp", "tcp", "RTSPS, interleaved"),
        ("savp", "udp", "RTSP over UDP"),
        ("savp", "http", "RTSP over HTTPS"),
        ("savpf", "tcp", "RTSPS, interleaved"),
    ],
)
def test_every_unit_arrives(
    cameras: dict[str, GstCamera],
    sources: dict[str, tuple[str, Path]],
    tls: tuple[Path, Path],
    codec: str,
    profile: str,
    transport: str,
    how: str,
) -> None:
    units, texts, counters = take(cameras[profile].url(codec), transport, tls[0])
    check(units, texts, codec, sources[codec][1])
    assert any(how in text for text in texts), texts
    assert not any("authenticate" in text for text in texts), texts
    assert counters["malformed_packets"] == 0


@pytest.fixture(scope="module")
def streams(sources: dict[str, tuple[str, Path]]) -> dict[str, Path]:
    """The same clips as MPEG-TS, which FFmpeg sends with times."""
    made = {}
    for codec, (_, clip) in sources.items():
        made[codec] = clip.with_name(f"{codec}.ts")
        command = ["ffmpeg", "-v", "error", "-nostdin", "-r", str(clips.FPS), "-i", str(clip), "-c", "copy"]
        subprocess.run([*command, str(made[codec])], check=True)
    return made


@pytest.mark.parametrize("suite", ["AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32"])
@pytest.mark.parametrize("codec", CODECS)
def test_ffmpeg_encrypts_with_the_key_of_sdes(
    sources: dict[str, tuple[str, Path]], streams: dict[str, Path], tls: tuple[Path, Path], codec: str, suite: str
) -> None:
    with SdesCamera(streams[codec], codec, tls, suite) as camera:
        units, texts, counters = take(camera.url, "udp", tls[0])
    check(units, texts, codec, sources[codec][1])
    # With _32 FFmpeg gives its reports a tag of 32 bits too, where RFC 4568 6.2 has 80: these do not authenticate.
    assert counters["malformed_packets"] <= (3 if suite.endswith("_32") else 0)
    assert counters["lost_packets"] == 0
    assert not any(camera.key in text for text in texts)


def test_another_key_than_was_given_is_said(
    sources: dict[str, tuple[str, Path]], streams: dict[str, Path], tls: tuple[Path, Path]
) -> None:
    with SdesCamera(streams["h264"], "h264", tls, "AES_CM_128_HMAC_SHA1_80", lie=True) as camera:
        units, texts, counters = take(camera.url, "udp", tls[0], give_up=200)
    assert units == []
    assert any("SRTP packets do not authenticate" in text for text in texts), texts
    assert counters["malformed_packets"] > 0
    assert not any(camera.key in text for text in texts)
