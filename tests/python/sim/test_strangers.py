"""Simulated cameras read by FFmpeg: what they play must decode without a complaint."""

import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from vigie.errors import InvalidArgumentError
from vigie.sim import SCENES, Picture, SimProcess, convert_clip, make_scene

pytestmark = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")


def decode(url: str, transport: str, frames: int = 40) -> tuple[int, str]:
    """Decodes some pictures; returns how many came out and every complaint."""
    command = ["ffmpeg", "-nostdin", "-v", "warning", "-rtsp_transport", transport, "-i", url]
    command += ["-frames:v", str(frames), "-f", "framemd5", "-"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    pictures = [line for line in done.stdout.splitlines() if line and not line.startswith("#")]
    complaints = [line for line in done.stderr.splitlines() if not _harmless(line)]
    return len(pictures), "\n".join(complaints)


def _harmless(line: str) -> bool:
    """Warnings that ffmpeg 5 gives for any live input, about its own muxer or pixel format."""
    return any(
        part in line for part in ("deprecated pixel format", "Timestamps are unset", "max delay reached", "Stream #0")
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clips")


SMALL = {"size": "320x240", "seconds": 3, "gop": 25, "bitrate_mbit": 0.5}


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("codec", ["h264", "h265", "mjpeg"])
def test_a_generated_scene_decodes(folder: Path, codec: str, transport: str) -> None:
    clip = make_scene("street", folder, Picture(codec=codec, **SMALL))  # type: ignore[arg-type]
    with SimProcess(1, clips=[clip], options=["--idr-on-play"]) as sim:
        pictures, complaints = decode(sim.url(0), transport)
    assert complaints == ""
    assert pictures == 40


def test_stamps_do_not_change_the_picture(folder: Path) -> None:
    """The pictures of one whole loop, in any order of start, are those of the file."""
    clip = make_scene("bars", folder, Picture(**SMALL))  # type: ignore[arg-type]
    count = 75

    def hashes(source: list[str], frames: int) -> list[str]:
        command = ["ffmpeg", "-nostdin", "-v", "error", *source, "-frames:v", str(frames), "-f", "framemd5", "-"]
        text = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
        return [line.split(",")[-1].strip() for line in text.splitlines() if not line.startswith("#")]

    wanted = hashes(["-i", str(clip.path)], count)
    assert len(wanted) == count
    with SimProcess(1, clips=[clip], options=["--idr-on-play"]) as sim:
        seen = hashes(["-rtsp_transport", "tcp", "-i", sim.url(0)], 60)
    assert len(set(wanted)) > 70
    assert set(seen) <= set(wanted)
    first = wanted.index(seen[0])
    assert seen == [wanted[(first + i) % count] for i in range(60)]


def test_a_clip_with_b_pictures_keeps_its_times(folder: Path) -> None:
    source = folder / "reordered.mp4"
    command = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25"]
    command += ["-frames:v", "75", "-c:v", "libx264", "-preset", "veryfast", "-bf", "2", "-g", "25", str(source)]
    subprocess.run(command, check=True, timeout=60)
    clip = convert_clip(source, folder)
    assert clip.codec == "h264"
    assert clip.fps == 25
    assert clip.timing is not None
    times = [tuple(map(int, line.split())) for line in clip.timing.read_text().splitlines()]
    assert len(times) == 75
    assert any(pts > dts + 3600 for pts, dts in times)
    with SimProcess(1, clips=[clip], options=["--idr-on-play"]) as sim:
        pictures, complaints = decode(sim.url(0), "tcp")
    assert pictures == 40
    assert "error" not in complaints.lower()


def test_other_codecs_are_encoded_anew_and_nonsense_is_refused(folder: Path) -> None:
    source = folder / "old.avi"
    command = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=size=160x120:rate=10"]
    subprocess.run([*command, "-frames:v", "10", "-c:v", "mpeg4", str(source)], check=True, timeout=60)
    clip = convert_clip(source, folder)
    assert (clip.codec, clip.fps, clip.timing) == ("h264", 10, None)
    nonsense = folder / "nonsense.mp4"
    nonsense.write_bytes(b"no clip" * 100)
    for path in (nonsense, folder / "absent.mp4"):
        with pytest.raises(InvalidArgumentError):
            convert_clip(path, folder)
    with pytest.raises(InvalidArgumentError):
        make_scene("nowhere", folder)


@pytest.mark.parametrize("name", list(SCENES))
def test_every_scene_can_be_made(folder: Path, name: str) -> None:
    clip = make_scene(name, folder, Picture(size="160x120", fps=5, seconds=1))
    assert clip.path.stat().st_size > 500


def test_digest_against_ffmpeg(folder: Path) -> None:
    clip = make_scene("street", folder, Picture(**SMALL))  # type: ignore[arg-type]
    options = ["--user", "ops", "--password", "right", "--idr-on-play"]
    with SimProcess(1, clips=[clip], options=options) as sim:
        with_password = sim.url(0).replace("rtsp://", "rtsp://ops:right@")
        assert decode(with_password, "tcp", 5)[0] == 5
        assert decode(sim.url(0).replace("rtsp://", "rtsp://ops:wrong@"), "tcp", 5)[0] == 0


def test_a_lying_description(folder: Path) -> None:
    """What the SDP says under each lie, next to the truth."""
    with SimProcess(1, options=["--bitrate", "1"]) as sim:

        def describe() -> str:
            request = f"DESCRIBE {sim.url(0)} RTSP/1.0\r\nCSeq: 1\r\n\r\n"
            with socket.create_connection(("127.0.0.1", sim.port), timeout=5) as connection:
                connection.sendall(request.encode())
                return connection.recv(65536).decode()

        truth = describe()
        assert "a=framerate:25\r\n" in truth
        assert "sprop-parameter-sets=" in truth
        assert "RTP/AVP 96" in truth
        lies = {}
        for lie in ("fps", "sprop", "no-sprop", "payload"):
            sim.fault("sdp", text=lie)
            lies[lie] = describe()
        assert "a=framerate:120\r\n" in lies["fps"]
        assert "sprop-parameter-sets=" in lies["sprop"]
        assert lies["sprop"] != truth
        assert "sprop-parameter-sets=" not in lies["no-sprop"]
        assert "RTP/AVP 97" in lies["payload"]
        sim.clear("sdp")
        assert describe() == truth
