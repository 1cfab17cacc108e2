"""Starts viewers and gathers what they wrote: units, their times, when they came, complaints."""

import os
import re
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from e2e import nal

NO_TIME = -1
HERE = Path(__file__).resolve().parent
DEBIAN_PYTHON = "/usr/bin/python3"
# A line of ffprobe's hex dump; the bytes stand in columns 10 to 50.
_HEX = re.compile(r"^[0-9a-f]{8}: ")


@dataclass
class Unit:
    """One access unit as a viewer wrote it out. `shown_ns`: when a player that keeps time would show it."""

    pts_90k: int
    came_ns: int
    nals: list[bytes]
    shown_ns: int = 0

    @property
    def stamp(self) -> nal.Stamp:
        """The source's stamp."""
        found = nal.find_stamp(b"".join(self.nals))
        assert found is not None, f"a unit without stamp: {[part[:2].hex() for part in self.nals]}"
        return found


@dataclass
class Viewer:
    """One running viewer. `complaints`: what it said on its error output, or as errors and warnings."""

    name: str
    codec: str
    process: subprocess.Popen[bytes]
    raw: Path | None = None
    units: list[Unit] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    decoded: int = 0
    times: list[tuple[int, int]] = field(default_factory=list)
    shown: dict[int, int] = field(default_factory=dict)
    clock: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._threads = [threading.Thread(target=self._read_out), threading.Thread(target=self._read_complaints)]
        for thread in self._threads:
            thread.start()

    def finish(self, timeout_s: float) -> None:
        """Waits for the end and puts the units together."""
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            self.complaints.append(f"did not end within {timeout_s} s")
        for thread in self._threads:
            thread.join(10)
        if self.raw is not None:
            self._join_raw()
        self._show()

    def _read_complaints(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.complaints.append(line.decode(errors="replace").rstrip())

    def _read_out(self) -> None:
        raise NotImplementedError

    def _join_raw(self) -> None:
        """Units from the raw stream, times from the lines that came along."""
        assert self.raw is not None
        units = nal.group_units(nal.split_nals(self.raw.read_bytes()), self.codec)
        form = "hevc" if self.codec == "h265" else "h264"
        command = ["ffmpeg", "-v", "error", "-nostdin", "-y", "-f", form, "-i", str(self.raw)]
        command += ["-f", "rawvideo", "/dev/null"]
        decoded = subprocess.run(command, capture_output=True, text=True, check=False)
        self.complaints += decoded.stderr.splitlines()
        if len(units) != len(self.times):
            self.complaints.append(f"{len(units)} units in the file, {len(self.times)} packets")
        for (pts, came), nals in zip(self.times, units, strict=False):
            self.units.append(Unit(pts, came, nals))

    def _show(self) -> None:
        """When each unit is shown: as seen where there is a screen, else by a clock that starts with the first unit."""
        first = next((unit for unit in self.units if unit.pts_90k != NO_TIME), None)
        for unit in self.units if first else []:
            due = first.came_ns + (unit.pts_90k - first.pts_90k) * 100_000 // 9
            seen = self.shown.get(self.clock.get(unit.pts_90k, -1), 0) if self.clock else max(unit.came_ns, due)
            unit.shown_ns = seen


class _Ffmpeg(Viewer):
    def _read_out(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            now = time.monotonic_ns()
            parts = line.decode().split(",")
            if not line.startswith(b"#") and len(parts) >= 5:
                self.times.append((int(parts[2]), now))


class _Ffprobe(Viewer):
    def _read_out(self) -> None:
        assert self.process.stdout is not None
        pts, data = None, bytearray()
        for raw in self.process.stdout:
            line = raw.decode().rstrip("\n")
            if line.startswith("pts="):
                # FFmpeg's parser gives the first packet no time, whatever the server.
                pts = None if line == "pts=N/A" else int(line[4:])
            elif _HEX.match(line):
                data += bytes.fromhex(line[10:51])
            elif line == "[/PACKET]":
                unit = Unit(pts if pts is not None else NO_TIME, time.monotonic_ns(), nal.split_nals(bytes(data)))
                self.units.append(unit)
                data.clear()


class _Lines(Viewer):
    """Programs of ours around a player, with lines as gst_viewer.py says."""

    def _read_out(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            kind, _, rest = line.decode().rstrip("\n").partition(" ")
            if kind == "E":
                self.complaints.append(rest)
            elif kind == "N":
                self.decoded = int(rest)
            else:
                first, second, *data = rest.split(" ")
                if kind == "U":
                    self.units.append(Unit(int(first), int(second), nal.split_nals(bytes.fromhex(data[0]))))
                elif kind == "P":
                    self.clock[int(first)] = int(second)
                elif kind == "D":
                    self.shown[int(first)] = int(second)
                    self.decoded += 1


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    )


def ffmpeg(url: str, transport: str, codec: str, seconds: float, folder: Path) -> Viewer:
    """ffmpeg that copies to a file and prints a line a packet; what it wrote is decoded afterwards."""
    raw = folder / f"ffmpeg-{transport}.{codec}"
    command = ["ffmpeg", "-v", "error", "-nostdin", "-y", "-rtsp_transport", transport, "-t", str(seconds), "-i", url]
    command += ["-map", "0:v", "-c", "copy", "-flush_packets", "1", "-f", "framecrc", "pipe:1"]
    command += ["-map", "0:v", "-c", "copy", "-copytb", "1", "-f", "data", str(raw)]
    return _Ffmpeg(f"ffmpeg {transport}", codec, _start(command), raw)


def ffprobe(url: str, transport: str, codec: str, seconds: float, _folder: Path) -> Viewer:
    """ffprobe that prints every packet."""
    command = ["stdbuf", "-oL", "ffprobe", "-v", "error", "-rtsp_transport", transport, "-select_streams", "v"]
    command += ["-read_intervals", f"%+{seconds:g}", "-show_packets", "-show_data", "-show_entries", "packet=pts,data"]
    return _Ffprobe(f"ffprobe {transport}", codec, _start([*command, url]))


def gstreamer(url: str, transport: str, codec: str, seconds: float, _folder: Path) -> Viewer:
    """GStreamer with rtspsrc, a decoder and a screen that keeps time."""
    script = str(HERE / "gst_viewer.py")
    return _Lines(f"gstreamer {transport}", codec, _start([DEBIAN_PYTHON, script, url, transport, codec, str(seconds)]))


def pyav(url: str, transport: str, codec: str, seconds: float, _folder: Path) -> Viewer:
    """PyAV, which demuxes and decodes."""
    command = [sys.executable, str(HERE / "av_viewer.py"), url, transport, str(seconds)]
    return _Lines(f"pyav {transport}", codec, _start(command))


PLAYERS = (ffmpeg, ffprobe, gstreamer, pyav)
