"""`vigie inspect`: streams built by hand, and what a real engine gave out."""

import json
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from typer.testing import CliRunner

import vigie
from vigie.errors import FileUnreadableError
from vigie.inspect import h264
from vigie.inspect.cli import app, findings
from vigie.inspect.report import inspect_file

START = b"\x00\x00\x00\x01"


class Bits:
    """Writes an RBSP."""

    def __init__(self) -> None:
        self.text = ""

    def u(self, count: int, value: int) -> "Bits":
        self.text += f"{value:0{count}b}"
        return self

    def ue(self, *values: int) -> "Bits":
        for value in values:
            digits = f"{value + 1:b}"
            self.text += "0" * (len(digits) - 1) + digits
        return self

    def nal(self, header: int) -> bytes:
        text = self.text + "1"
        text += "0" * (-len(text) % 8)
        return bytes([header]) + escaped(int(text, 2).to_bytes(len(text) // 8))


def escaped(rbsp: bytes) -> bytes:
    """Emulation prevention (7.3.1), byte by byte."""
    out = bytearray()
    for byte in rbsp:
        if byte <= 3 and out[-2:] == b"\0\0":
            out.append(3)
        out.append(byte)
    return bytes(out)


def sps(frame_num_bits: int = 9) -> bytes:
    bits = Bits().u(8, 66).u(16, 30).ue(0, frame_num_bits - 4, 2, 1).u(1, 0).ue(19, 14)
    return bits.u(4, 0b1100).nal(0x67)  # frames only, direct 8x8, no cropping, no VUI


PPS = Bits().ue(0, 0).u(2, 0).ue(0, 0, 0).nal(0x68)


def sei(state: int = 2, policy: int = 1, mask: int = 1, version: int = 0, layout: int = 1, cut: int = 0) -> bytes:
    mark = uuid.UUID("8e5b1f6a-27c4-4d0e-a190-3c6fd27751b9").bytes + bytes([layout, state])
    mark += b"".join(number.to_bytes(8) for number in (policy, mask, version))
    mark = mark[: len(mark) - cut]
    return b"\x06" + escaped(bytes([5, len(mark)]) + mark + b"\x80")


def idr(number: int, frame_num_bits: int = 9) -> bytes:
    """An IDR slice with its idr_pic_id."""
    return Bits().ue(0, 7, 0).u(frame_num_bits, 0).ue(number).u(40, 0x1234567890).nal(0x65)


def picture(first: int = 0) -> bytes:
    """A slice that is none of an IDR picture."""
    return Bits().ue(first, 5, 0).u(9, 3).u(40, 0x1234567890).nal(0x41)


def key(number: int = 0, **mark: int) -> list[bytes]:
    return [sps(), PPS, sei(**mark), idr(number)]


def write(path: Path, units: Sequence[Sequence[bytes]]) -> Path:
    path.write_bytes(b"".join(START + nal for unit in units for nal in unit))
    return path


P = [sei(), picture()]
M2 = {"mask": 2, "policy": 2}

CASES = {
    "marked throughout": ([key(), P, P, key(), P], 0, {"masked": 5}, [(0, True)]),
    "another mask with an IDR picture": (
        [key(), P, key(**M2), [sei(**M2), picture()]],
        0,
        {"masked": 4},
        [(0, True), (2, True)],
    ),
    "another mask in the middle": ([key(), P, [sei(**M2), picture()]], 1, {"masked": 3}, [(0, True), (2, False)]),
    "another policy, the same masks": ([key(), [sei(policy=9), picture()]], 0, {"masked": 2}, [(0, True), (1, False)]),
    "covered in the middle": (
        [key(), [sei(state=3), picture()]],
        1,
        {"masked": 1, "covered": 1},
        [(0, True), (1, False)],
    ),
    "another version's masks": ([key(), [sei(version=4), picture()]], 1, {"masked": 2}, [(0, True), (1, False)]),
    "a unit without mark": (
        [key(), [picture()], P],
        1,
        {"masked": 2, "unmarked": 1},
        [(0, True), (1, False), (2, False)],
    ),
    "none at all": ([[sps(), PPS, idr(0)], [picture()]], 1, {"unmarked": 2}, [(0, True)]),
    "another layout": ([key(), [sei(layout=2), picture()]], 1, {"masked": 1, "unmarked": 1}, [(0, True), (1, False)]),
    "an unknown state": ([key(), [sei(state=1), picture()]], 1, {"masked": 1, "unmarked": 1}, [(0, True), (1, False)]),
    "a mark cut short": ([key(), [sei(cut=3), picture()]], 1, {"masked": 1, "unmarked": 1}, [(0, True), (1, False)]),
    "two that differ": (
        [key(), [sei(), sei(mask=3), picture()]],
        1,
        {"masked": 1, "unmarked": 1},
        [(0, True), (1, False)],
    ),
    "IDR after IDR, other ids": ([key(0), key(1), key(0)], 0, {"masked": 3}, [(0, True)]),
    "IDR after IDR, one id": ([key(4), key(4)], 1, {"masked": 2}, [(0, True)]),
    "several slices": ([key(), [*P, picture(20), picture(40)], P], 0, {"masked": 3}, [(0, True)]),
    "begins in the middle": ([P, P, key()], 0, {"masked": 3}, [(0, False)]),
}


@pytest.mark.parametrize("name", CASES)
def test_what_stands_in_a_stream(name: str, tmp_path: Path) -> None:
    units, code, states, changes = CASES[name]
    path = write(tmp_path / "a.h264", units)
    ended = CliRunner().invoke(app, [str(path), "--json"])
    found = json.loads(ended.stdout)
    assert ended.exit_code == code, found
    assert found["good"] == (code == 0)
    assert found["states"] == states
    assert found["units"] == sum(states.values()) == len(units)
    assert [(change["unit"], change["idr"]) for change in found["changes"]] == changes


def test_every_number_comes_back_through_emulation_prevention(tmp_path: Path) -> None:
    numbers = (0, 1, 2, 3, 255, 256, 0x030000, 0x03000003, 2**53, 0x0102030000000300)
    for policy in numbers:
        for mask in numbers:
            (mark,) = h264.marks_of(sei(policy=policy, mask=mask, version=mask ^ 3))
            assert mark == h264.Mark("masked", policy, mask, mask ^ 3)
    assert b"\x00\x00\x03" in sei()


def test_a_mark_behind_other_messages_of_one_sei() -> None:
    mark = h264.rbsp_of(sei(mask=7))[:-1]
    other = bytes([4, 255, 3]) + b"\0" * 258
    found = h264.marks_of(b"\x06" + escaped(other + mark + bytes([1, 2, 0, 0]) + b"\x80"))
    assert found == [h264.Mark("masked", 1, 7, 0)]
    assert h264.marks_of(b"\x06" + escaped(other + b"\x80")) == []


@pytest.mark.parametrize("frame_num_bits", [4, 9, 16])
def test_idr_pic_id_is_found_behind_frame_num(frame_num_bits: int) -> None:
    parameters = h264.Parameters()
    assert parameters.idr_pic_id(idr(5, frame_num_bits)) is None
    parameters.take(sps(frame_num_bits))
    parameters.take(PPS)
    for number in (0, 1, 5, 65535):
        assert parameters.idr_pic_id(idr(number, frame_num_bits)) == number


@pytest.mark.parametrize("content", [None, b"", b"no video at all, but some text", START + sps() + START + PPS])
def test_what_cannot_be_read(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    if content is not None:
        path.write_bytes(content)
    ended = CliRunner().invoke(app, [str(path)])
    assert ended.exit_code == 2
    with pytest.raises(FileUnreadableError):
        inspect_file(path)


def test_the_verdict_in_words(tmp_path: Path) -> None:
    units = [key(1), key(1), [picture()], P, [sei(**M2), picture()], [sei(layout=3), picture()]]
    lines = findings(inspect_file(write(tmp_path / "a.h264", units)))
    assert lines == [
        "4 masked, 2 unmarked",
        "2 units without a mark, the first is unit 2",
        "1 units with a mark that cannot be read, or with two that differ",
        "1 changes of masks without an IDR picture, the first at unit 4",
        "1 IDR pictures with the idr_pic_id of the one before, the first at 1",
    ]
    ended = CliRunner().invoke(app, [str(tmp_path / "a.h264")])
    assert ended.exit_code == 1
    assert "missing" in ended.stdout


def pictures() -> Iterator[bytes]:
    codec = av.CodecContext.create("libx264", "w")
    codec.width, codec.height, codec.pix_fmt = 320, 192, "yuv420p"
    codec.framerate, codec.time_base = 25, Fraction(1, 25)
    codec.options = {"preset": "ultrafast", "tune": "zerolatency", "x264-params": "keyint=20:min-keyint=20:scenecut=0"}
    noise = np.random.default_rng(3)
    for index in range(60):
        frame = av.VideoFrame.from_ndarray(noise.integers(0, 255, (288, 320), dtype=np.uint8), format="yuv420p")
        frame.pts = index
        yield from (bytes(packet) for packet in codec.encode(frame))


def masked_policy(revision: int, mask: int, size: float) -> dict[str, object]:
    points = [[0.1, 0.1], [0.1 + size, 0.1], [0.1 + size, 0.1 + size]]
    camera = {
        "name": "cam",
        "privacy": "masked",
        "streams": [{"name": "main", "kind": "push", "url": "push:"}],
        "masks": {"revision": mask, "regions": [{"name": "flat", "points": points}]},
    }
    return {"revision": revision, "cameras": [camera]}


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty pictures of a masked camera, its masks changed at unit 33, by an engine."""
    path = tmp_path_factory.mktemp("recording") / "masked.h264"
    with vigie.Engine() as engine, path.open("wb") as out:
        engine.apply(masked_policy(1, 1, 0.3))
        with engine.subscribe("cam") as units:
            for index, data in enumerate(pictures()):
                if index == 33:
                    engine.apply(masked_policy(2, 2, 0.5))
                # Ten a second: at twice that, a lane that waits long for its turn leaves pictures out.
                engine.push_access_unit("cam", data, codec="H264", pts_90k=9000 * index)
                unit = units.next(60)
                assert unit is not None, f"nothing came of picture {index}"
                with unit:
                    out.write(memoryview(unit))
    return path


@pytest.mark.parametrize("container", ["h264", "mp4", "mkv", "ts"])
def test_a_recording_of_an_engine(recording: Path, container: str, tmp_path: Path) -> None:
    path = recording
    if container != "h264":
        path = tmp_path / f"a.{container}"
        command = ["ffmpeg", "-v", "error", "-r", "25", "-i", str(recording), "-c", "copy", str(path)]
        subprocess.run(command, check=True, timeout=60)
    report = inspect_file(path)
    assert report.good, findings(report)
    assert report.codec == "h264"
    assert report.states == {"masked": 60}
    assert [(change.unit, change.idr) for change in report.changes] == [(0, True), (33, True)]
    assert [change.mark for change in report.changes] == [h264.Mark("masked", n, n, 0) for n in (1, 2)]
    if container == "h264":
        assert report.last_s is None
    else:
        assert report.first_s is not None
        assert report.last_s == pytest.approx(report.first_s + 59 / 25, abs=0.01)
    # A tool that passes a stream on without its SEI takes the marks away, and that shows.
    stripped = tmp_path / "stripped.h264"
    nals = [nal for nal in h264.split_annexb(recording.read_bytes()) if h264.nal_type(nal) != h264.SEI]
    write(stripped, [nals])
    assert inspect_file(stripped).unmarked == 60
