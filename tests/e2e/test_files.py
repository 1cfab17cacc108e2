"""Files with B pictures, played in real time and looped: every unit in its order, times as the file has them."""

import json
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from e2e import clips, nal, viewers
from e2e.raw_rtsp import RawClient
from e2e.serving import camera, server, serving

FRAMES = 50
SECONDS = 4.0
ENCODERS = {
    "h264": ["libx264", "-x264-params", "bframes=2:keyint=25:min-keyint=25:b-adapt=0:scenecut=0"],
    "h265": ["libx265", "-x265-params", "bframes=2:keyint=25:min-keyint=25:b-adapt=0:scenecut=0:log-level=error"],
}


def times_90k(path: Path) -> list[int]:
    """When each unit of a container is shown, in the order of decoding."""
    command = ["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "packet=pts_time", "-of", "json"]
    found = subprocess.run([*command, str(path)], capture_output=True, check=True)
    return [round(float(packet["pts_time"]) * 90000) for packet in json.loads(found.stdout)["packets"]]


@pytest.mark.parametrize("container", ["mp4", "mkv"])
@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_a_file_with_b_pictures(codec: str, container: str, tmp_path: Path) -> None:
    raw = tmp_path / f"clip.{codec}"
    path = tmp_path / f"clip.{container}"
    form = "hevc" if codec == "h265" else "h264"
    command = ["ffmpeg", "-v", "error", "-nostdin", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25,format=yuv420p"]
    command += ["-frames:v", str(FRAMES), "-c:v", *ENCODERS[codec], "-preset", "veryfast", "-b:v", "500k", str(path)]
    subprocess.run(command, check=True)
    command = ["ffmpeg", "-v", "error", "-nostdin", "-y", "-i", str(path), "-c", "copy", "-f", form, str(raw)]
    subprocess.run(command, check=True)
    expected = times_90k(path)
    assert any(after < before for before, after in pairwise(expected)), "there are pictures out of order"

    with serving(tmp_path, [server(), camera("file", url=str(path))]) as served:
        served.wait_playing("file")
        player = viewers.pyav(f"rtsp://127.0.0.1:{served.port()}/file", "tcp", codec, SECONDS, tmp_path)
        with RawClient(served.port()) as client:
            assert client.watch("file").status == 200
            client.read_for(SECONDS)
        player.finish(30)
    assert player.complaints == []
    assert player.decoded > SECONDS * clips.FPS * 0.6

    # The times on the wire, one of each unit, from the live edge on: those of the file, whatever the loop.
    times = [packet.timestamp for packet in client.packets if packet.channel == 0 and packet.data[1] & 0x80]
    steps = [(after - before + (1 << 31)) % (1 << 32) - (1 << 31) for before, after in pairwise(times)]
    assert len(steps) > SECONDS * clips.FPS * 0.8
    loop = [after - before for before, after in pairwise([*expected, expected[0] + FRAMES * 3600])]
    live = steps[-FRAMES - 10 :]
    assert any(
        all(abs(step - loop[(start + index) % FRAMES]) <= 90 for index, step in enumerate(live))
        for start in range(FRAMES)
    ), f"{live} is no part of {loop}"

    # And the units are those of the file, in its order.
    source = nal.split_nals(raw.read_bytes())
    put_in = nal.vcl(source, codec)
    got = [part for unit in player.units for part in nal.vcl(unit.nals, codec)]
    first = put_in.index(got[0])
    assert got == [put_in[(first + index) % len(put_in)] for index in range(len(got))]
