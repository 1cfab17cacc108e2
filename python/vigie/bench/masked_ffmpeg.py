"""The yardstick: FFmpeg decodes, paints a rectangle and codes with libx264, on one thread."""

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from vigie import _native
from vigie.bench.masked_quality import Rectangle, Source
from vigie.errors import InvalidArgumentError, NotFoundError

_COLOUR = "0x202020"  # the engine's own


def bitrate_bps(source: Source) -> int:
    """4 Mbit/s at 1080p25, in proportion elsewhere."""
    return round(4e6 * source.width * source.height / (1920 * 1080) * source.clip.fps / 25)


def command_of(source: Source, mask: Rectangle, frames: int, target: Path | None) -> list[str]:
    """FFmpeg's command for the clip's first pictures; the box fills the pixels that the engine fills."""
    program = shutil.which("ffmpeg")
    if program is None:
        raise NotFoundError("it is needed for comparison and is not on the PATH; the package ffmpeg has it", "ffmpeg")
    left, top, right, bottom = mask.filled(source.width, source.height)
    box = f"drawbox=x={left}:y={top}:w={right - left}:h={bottom - top}:color={_COLOUR}:t=fill"
    rate = str(bitrate_bps(source))
    gop = str(max(1, round(2 * source.clip.fps)))
    return [
        *(program, "-nostdin", "-v", "error", "-y", "-threads", "1", "-framerate", f"{source.clip.fps:g}"),
        *("-f", "h264", "-i", str(source.clip.path), "-frames:v", str(frames), "-fps_mode", "passthrough"),
        *("-filter_threads", "1", "-vf", box, "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency"),
        *("-threads", "1", "-b:v", rate, "-maxrate", rate, "-bufsize", rate, "-g", gop),
        *(("-f", "null", "-") if target is None else ("-f", "h264", str(target))),
    ]


def mask_with_ffmpeg(source: Source, mask: Rectangle, target: Path) -> None:
    """Writes what FFmpeg makes of the whole clip."""
    _cpu_seconds(command_of(source, mask, source.frames, target), None)


def cpu_per_frame(source: Source, mask: Rectangle, cpus: Iterable[int] | None) -> float:
    """Seconds of user and system time a picture: the whole clip less its first tenth, so that starting up is out."""
    few = max(1, source.frames // 10)
    short, whole = (_cpu_seconds(command_of(source, mask, count, None), cpus) for count in (few, source.frames))
    return (whole - short) / (source.frames - few)


def _cpu_seconds(command: list[str], cpus: Iterable[int] | None) -> float:
    process = _native.start(command, cpus=cpus, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise InvalidArgumentError(f"it ended with code {process.returncode}; its reason stands above", "ffmpeg")
    return usage.ru_utime + usage.ru_stime
