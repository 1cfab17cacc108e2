"""The clips of the simulated cameras: generated scenes with names burned in, or one given clip; made by ffmpeg."""

import json
import subprocess
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from vigie.errors import FileUnreadableError

FPS = 25
SECONDS = 8
GOP = 50


@dataclass(frozen=True)
class Scene:
    """One generated scene: an ffmpeg source that moves, its picture size and codec."""

    title: str
    source: str
    size: str
    codec: str = "h264"


SCENES = (
    Scene("Place d Armes", "testsrc2=s={size}:r={fps}", "1280x720"),
    Scene("Rue Serpenoise", "mandelbrot=s={size}:r={fps}:maxiter=400:end_scale=0.05", "640x360"),
    Scene("Quai Felix", "life=s=320x180:r={fps}:mold=10:ratio=0.15:life_color=#C83232:death_color=#101020", "640x360"),
    Scene("Gare Nord", "cellauto=s=320x180:r={fps}:rule=110:scroll=1", "640x360"),
    Scene("Parc Seille", "gradients=s={size}:r={fps}:speed=0.02:n=6", "704x576"),
    Scene("Marche couvert", "testsrc2=s={size}:r={fps}", "960x540", "h265"),
    Scene("Pont des Morts", "color=c=slategray:s={size}:r={fps},noise=alls=40:allf=t", "640x480"),
    Scene("Esplanade", "smptehdbars=s={size}:r={fps}", "1280x720"),
    Scene(
        "Porte Allemands",
        "mandelbrot=s={size}:r={fps}:maxiter=300:start_x=-0.16:start_y=1.04:end_scale=0.02",
        "640x360",
    ),
    Scene("Avenue Foch", "sierpinski=s={size}:r={fps}:type=carpet", "640x360"),
    Scene("Boulevard Paixhans", "testsrc=s={size}:r={fps}", "800x600"),
    Scene("Stade", "life=s=240x180:r={fps}:ratio=0.3:rule=S23/B36:life_color=#30D060:death_color=#102010", "640x480"),
)


@dataclass(frozen=True)
class Clip:
    """What one simulated camera plays: an Annex B file, and its timing when pictures are stored out of order."""

    path: Path
    title: str
    codec: str
    fps: float = FPS
    timing: Path | None = None
    reordered: bool = False  # has B pictures: shown in another order than sent


def font_file() -> str | None:
    """Some font for the names; None when the machine has none (then they are left out)."""
    fonts = sorted(Path("/usr/share/fonts").glob("**/*.ttf"))
    good = [font for font in fonts if font.name in ("DejaVuSans-Bold.ttf", "DejaVuSans.ttf", "LiberationSans-Bold.ttf")]
    chosen = (good or fonts)[:1]
    return str(chosen[0]) if chosen else None


def scene_command(scene: Scene, number: int, path: Path, font: str | None, seconds: float = SECONDS) -> list[str]:
    """The ffmpeg command that makes one scene's clip."""
    source = scene.source.format(size=scene.size, fps=FPS)
    filters = [f"scale={scene.size.replace('x', ':')}:flags=neighbor", "format=yuv420p"]
    if font is not None:
        box = f"fontfile={font}:fontcolor=white:box=1:boxcolor=black@0.6:boxborderw=8"
        filters.append(f"drawtext={box}:fontsize=h/14:x=16:y=16:text='{number} {scene.title}'")
        filters.append(f"drawtext={box}:fontsize=h/18:x=16:y=h-th-16:text='%{{pts\\:hms}}'")
    encoder = {
        "h264": ["libx264", "-preset", "veryfast", "-x264-params", f"keyint={GOP}:scenecut=0:bframes=0:log-level=none"],
        "h265": ["libx265", "-preset", "ultrafast", "-x265-params", f"keyint={GOP}:bframes=0:log-level=none"],
    }[scene.codec]
    return [
        *("ffmpeg", "-nostdin", "-loglevel", "error", "-y", "-f", "lavfi", "-i", source),
        *("-t", str(seconds), "-vf", ",".join(filters), "-an", "-c:v", *encoder),
        *("-b:v", "1500k", "-maxrate", "2500k", "-bufsize", "2500k"),
        *("-f", "hevc" if scene.codec == "h265" else "h264", str(path)),
    ]


def make_scene(number: int, folder: Path, font: str | None) -> Clip:
    """The clip of camera `number` (from 1); scenes repeat when there are more cameras. Raises: FileUnreadableError."""
    scene = SCENES[(number - 1) % len(SCENES)]
    path = folder / f"scene-{number:02}.{scene.codec}"
    _run(scene_command(scene, number, path, font), scene.title)
    return Clip(path, scene.title, scene.codec)


def make_clip(source: Path, folder: Path) -> Clip:
    """A given clip as an elementary stream, untouched when it is H.264 or H.265. Raises: FileUnreadableError."""
    probe = _run(
        [
            *("ffprobe", "-loglevel", "error", "-select_streams", "v:0", "-show_entries"),
            *("stream=codec_name,avg_frame_rate,time_base:packet=pts,dts", "-of", "json", str(source)),
        ],
        str(source),
    )
    found = json.loads(probe)
    if not found.get("streams"):
        raise FileUnreadableError("no video in it; right would be a clip such as an MP4 file", str(source))
    stream = found["streams"][0]
    fps = float(Fraction(stream["avg_frame_rate"])) if stream["avg_frame_rate"] not in ("0/0", "0") else float(FPS)
    codec = {"h264": "h264", "hevc": "h265"}.get(stream["codec_name"])
    path = folder / f"clip.{codec or 'h264'}"
    command = ["ffmpeg", "-nostdin", "-loglevel", "error", "-y", "-i", str(source), "-map", "0:v:0", "-an"]
    if codec is None:
        encoder = ["-c:v", "libx264", "-preset", "veryfast", "-bf", "0", "-g", str(GOP), "-pix_fmt", "yuv420p"]
        _run([*command, *encoder, "-f", "h264", str(path)], str(source))
        return Clip(path, source.stem, "h264", fps)
    _run([*command, "-c:v", "copy", "-f", "hevc" if codec == "h265" else "h264", str(path)], str(source))
    ticks = Fraction(stream["time_base"]) * 90000
    times = [(packet.get("pts"), packet.get("dts")) for packet in found.get("packets", [])]
    timing, reordered = None, False
    if times and all(pts is not None and dts is not None for pts, dts in times):
        timing = folder / "clip.timing"
        first = min(dts for _, dts in times)
        lines = [f"{round((pts - first) * ticks)} {round((dts - first) * ticks)}\n" for pts, dts in times]
        timing.write_text("".join(lines), encoding="ascii")
        shown = [pts for pts, _ in times]
        reordered = shown != sorted(shown)
    return Clip(path, source.stem, codec, fps, timing, reordered)


def _run(command: list[str], what: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    except FileNotFoundError:
        raise FileUnreadableError(f"{command[0]} is not installed; right would be: apt install ffmpeg", what) from None
    if done.returncode != 0:
        raise FileUnreadableError(f"{command[0]}: {done.stderr.strip().splitlines()[-1:] or ['failed']}", what)
    return done.stdout
