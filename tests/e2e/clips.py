"""Clips that ffmpeg makes at test time: moving pictures with noise, so that no two units are equal."""

import subprocess
from pathlib import Path

FPS = 25
GOP = 4 * FPS

_ENCODERS = {
    "h264": ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-x264-params"],
    "h265": ["-c:v", "libx265", "-preset", "ultrafast", "-tune", "zerolatency", "-x265-params"],
}
_FORMATS = {"h264": "h264", "h265": "hevc"}


def make_clip(path: Path, codec: str, *, size: str = "640x360", frames: int = GOP, gop: int = GOP) -> Path:
    """An elementary stream whose units begin with a delimiter and whose keyframes carry the parameter sets."""
    options = f"aud=1:repeat-headers=1:keyint={gop}:min-keyint={gop}:scenecut=0:bframes=0"
    if codec == "h265":
        options += ":log-level=error"
    picture = f"testsrc2=size={size}:rate={FPS},noise=alls=12:allf=t,format=yuv420p"
    command = ["ffmpeg", "-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", picture, "-frames:v", str(frames)]
    command += [*_ENCODERS[codec], options, "-b:v", "800k", "-maxrate", "800k", "-bufsize", "400k"]
    subprocess.run([*command, "-f", _FORMATS[codec], str(path)], check=True, stdin=subprocess.DEVNULL)
    return path


def make_two_sizes(folder: Path, codec: str) -> Path:
    """One GOP of 4 s in one size, then one in another: every loop changes the resolution twice."""
    parts = [make_clip(folder / f"{codec}-{size}", codec, size=size) for size in ("640x360", "480x272")]
    path = folder / f"two-sizes.{codec}"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path
