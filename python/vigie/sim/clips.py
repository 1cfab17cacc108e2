"""What simulated cameras play, as elementary streams that `vigie-sim` reads."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from vigie.errors import InvalidArgumentError, NotFoundError

Codec = Literal["h264", "h265", "mjpeg"]

# Generated scenes by name: lavfi sources in which every frame differs from the last.
SCENES = {
    "street": "testsrc2=size={size}:rate={fps}",
    "square": "mandelbrot=size={size}:rate={fps}",
    "garden": "life=size={size}:rate={fps}:mold=10:ratio=0.1:death_color=#803020:life_color=#40c040",
    "bars": "smptehdbars=size={size}:rate={fps},noise=alls=20:allf=t",
}
_ENCODERS: dict[str, list[str]] = {
    "h264": ["-c:v", "libx264", "-preset", "veryfast", "-tune", "zerolatency", "-profile:v", "baseline"],
    "h265": ["-c:v", "libx265", "-preset", "ultrafast", "-tune", "zerolatency", "-x265-params", "log-level=error"],
    "mjpeg": ["-c:v", "mjpeg", "-huffman", "default", "-q:v", "5"],
}
_ENDINGS = {"h264": ".h264", "h265": ".h265", "mjpeg": ".mjpeg"}
_FORMATS = {"h264": "h264", "h265": "hevc", "mjpeg": "mjpeg"}


@dataclass(frozen=True)
class Clip:
    """An elementary stream on disk. `timing`, where there is one, holds "pts dts" lines in 90 kHz ticks."""

    path: Path
    codec: Codec
    fps: float
    timing: Path | None = None


def _tool(name: str) -> str:
    if found := shutil.which(name):
        return found
    raise NotFoundError(f"{name} is needed to make clips and is not on the PATH; the package ffmpeg has it", name)


def _run(command: list[str], about: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        reason = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise InvalidArgumentError(f"ffmpeg could not read or write it: {reason[0]}", about)
    return done.stdout


def _probe(path: Path, *what: str) -> dict[str, Any]:
    command = [_tool("ffprobe"), "-v", "error", "-select_streams", "v:0", *what, "-of", "json", str(path)]
    found: dict[str, Any] = json.loads(_run(command, str(path)) or "{}")
    return found


def convert_clip(path: Path, folder: Path, *, codec: Codec | None = None, gop: int = 50) -> Clip:
    """Makes an elementary stream of a clip's first video track, copied where its codec allows, else encoded.

    `codec` forces one. Raises: InvalidArgumentError for what ffmpeg cannot read.
    """
    if not path.is_file():
        raise InvalidArgumentError("there is no such file", str(path))
    streams = _probe(path, "-show_entries", "stream=codec_name,avg_frame_rate,r_frame_rate").get("streams", [])
    if not streams:
        raise InvalidArgumentError("the file has no video track", str(path))
    name = {"hevc": "h265"}.get(streams[0]["codec_name"], streams[0]["codec_name"])
    fps = _rate(streams[0].get("avg_frame_rate"), _rate(streams[0].get("r_frame_rate"), 25.0))
    copied = name in ("h264", "h265") and codec in (None, name)
    result: Codec = name if copied else codec or "h264"
    target = folder / (path.stem + _ENDINGS[result])
    command = [_tool("ffmpeg"), "-v", "error", "-y", "-i", str(path), "-map", "0:v:0", "-an"]
    if copied:
        filters = "h264_mp4toannexb" if result == "h264" else "hevc_mp4toannexb"
        command += ["-c", "copy", "-bsf:v", filters]
    else:
        command += _encoder(result, gop)
    _run([*command, "-f", _FORMATS[result], str(target)], str(path))
    return Clip(target, result, fps, _write_timing(path, target) if copied else None)


def _write_timing(path: Path, target: Path) -> Path | None:
    """When each access unit is shown and sent, from the container; None where it does not say (raw streams)."""
    found = _probe(path, "-show_entries", "packet=pts,dts:stream=time_base")
    base = Fraction(found["streams"][0].get("time_base", "0"))
    lines, last = [], None
    for packet in found.get("packets", []):
        if "pts" not in packet or "dts" not in packet or base == 0:
            return None
        pts, dts = (round(packet[key] * base * 90000) for key in ("pts", "dts"))
        if last is not None and dts <= last:
            return None
        last = dts
        lines.append(f"{pts} {dts}\n")
    timing = target.with_suffix(".timing")
    timing.write_text("".join(lines), encoding="ascii")
    return timing


@dataclass(frozen=True)
class Picture:
    """How a generated scene is encoded, without B pictures."""

    codec: Codec = "h264"
    size: str = "1280x720"
    fps: float = 25
    gop: int = 50
    bitrate_mbit: float = 2
    seconds: float = 8


def make_scene(name: str, folder: Path, picture: Picture | None = None) -> Clip:
    """Encodes some seconds of a generated scene. Raises: InvalidArgumentError for an unknown one."""
    picture = picture or Picture()
    codec = picture.codec
    if name not in SCENES:
        raise InvalidArgumentError(f"no such scene; right would be one of {', '.join(SCENES)}", name)
    target = folder / f"{name}-{codec}{_ENDINGS[codec]}"
    source = SCENES[name].format(size=picture.size, fps=f"{picture.fps:g}")
    frames = str(max(1, round(picture.seconds * picture.fps)))
    command = [_tool("ffmpeg"), "-v", "error", "-y", "-f", "lavfi", "-i", source, "-frames:v", frames]
    command += _encoder(codec, picture.gop)
    if codec != "mjpeg":
        rate = f"{picture.bitrate_mbit}M"
        command += ["-b:v", rate, "-maxrate", rate, "-bufsize", rate]
    _run([*command, "-f", _FORMATS[codec], str(target)], name)
    return Clip(target, codec, picture.fps)


def _encoder(codec: Codec, gop: int) -> list[str]:
    if codec == "mjpeg":
        return [*_ENCODERS[codec], "-pix_fmt", "yuvj420p"]
    return [*_ENCODERS[codec], "-pix_fmt", "yuv420p", "-bf", "0", "-g", str(gop)]


def _rate(text: str | None, fallback: float = 25.0) -> float:
    try:
        rate = float(Fraction(text or "0"))
    except (ValueError, ZeroDivisionError):
        return fallback
    return rate if rate > 0 else fallback
