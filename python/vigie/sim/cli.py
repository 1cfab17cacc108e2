"""`vigie sim`: simulated cameras from the command line."""

import contextlib
import json
import shlex
import subprocess
import sys
import tempfile
import threading
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from vigie import _native
from vigie.sim.clips import SCENES, Clip, Codec, Picture, convert_clip, make_scene
from vigie.sim.process import clip_options

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class CodecName(StrEnum):
    """Codecs that cameras can send."""

    h264 = "h264"
    h265 = "h265"
    mjpeg = "mjpeg"


class Transport(StrEnum):
    """What cameras accept."""

    both = "both"
    tcp = "tcp"
    udp = "udp"


@app.command()
def sim(
    cameras: Annotated[int, typer.Option(min=1, max=20000, help="How many cameras.")] = 4,
    host: Annotated[str, typer.Option(help="Numeric address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any.")] = 9554,
    clip: Annotated[
        list[Path] | None, typer.Option(help="A clip that ffmpeg can read; repeated: in turn.", show_default=False)
    ] = None,
    scene: Annotated[
        list[str] | None, typer.Option(help=f"Generated: {', '.join(SCENES)}.", show_default=False)
    ] = None,
    synthetic: Annotated[bool, typer.Option(help="Units of the right size that nobody can decode: for load.")] = False,
    codec: Annotated[CodecName | None, typer.Option(help="Force a codec.", show_default=False)] = None,
    size: Annotated[str, typer.Option(help="Of generated scenes.")] = "1280x720",
    bitrate: Annotated[float, typer.Option(min=0.01, help="Mbit/s, generated and synthetic.")] = 4,
    fps: Annotated[float, typer.Option(min=0.1, max=1000, help="Generated and synthetic.")] = 25,
    gop: Annotated[int, typer.Option(min=1, help="Units from keyframe to keyframe.")] = 50,
    transport: Annotated[Transport, typer.Option(help="What the cameras accept.")] = Transport.both,
    pace_mbit: Annotated[float, typer.Option(min=0, help="Rate at which a unit leaves; 0: at once.")] = 100,
    user: Annotated[str, typer.Option(help="Digest user name; none: open.", show_default=False)] = "",
    password: Annotated[str, typer.Option(help="Digest password.", show_default=False)] = "",
    fault: Annotated[
        list[str] | None,
        typer.Option(help='A fault from the start: \'{"fault": "loss", "percent": 1}\'.', show_default=False),
    ] = None,
    quirk: Annotated[
        list[str] | None,
        typer.Option(
            help="Known deviations that the cameras show: A4,F1; one camera: cam003:A4,F1.", show_default=False
        ),
    ] = None,
    random_quirks: Annotated[int, typer.Option(min=0, help="So many more for each camera, drawn by the seed.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="The same seed draws the same quirks.")] = 1,
    dome: Annotated[
        bool,
        typer.Option(
            "--dome", help="One camera that turns, at /dome; what it reports of its pose goes to stdout as JSON lines."
        ),
    ] = False,
    list_quirks: Annotated[
        bool, typer.Option("--list-quirks", help="Say which quirks there are, and what the cameras do.")
    ] = False,
    control: Annotated[bool, typer.Option(help="Commands as JSON lines on stdin; ends with stdin.")] = False,
    seconds: Annotated[float, typer.Option(min=0, help="How long; 0: until Ctrl-C.")] = 0,
    option: Annotated[
        list[str] | None, typer.Option(help="More for vigie-sim, such as '--idr-on-play'.", show_default=False)
    ] = None,
) -> None:
    """Runs simulated RTSP cameras, paced and out of phase as real ones are, with faults on demand."""
    console = Console(stderr=True)
    if dome:
        raise typer.Exit(_run_dome(host, port, size, fps, seed, seconds, console))
    if list_quirks:
        raise typer.Exit(subprocess.run([_native.find_program("vigie-sim"), "--list-quirks"], check=False).returncode)
    with tempfile.TemporaryDirectory(prefix="vigie-sim-") as folder:
        clips: list[Clip] = []
        if not synthetic:
            with console.status("Making the clips"):
                forced = _codec(codec)
                clips = [convert_clip(path, Path(folder), codec=forced, gop=gop) for path in clip or []]
                names = scene or ([] if clips else list(SCENES)[: min(cameras, len(SCENES))])
                picture = Picture(forced or "h264", size, fps, gop, bitrate)
                clips += [make_scene(name, Path(folder), picture) for name in names]
        command = [_native.find_program("vigie-sim"), "--host", host, "--port", str(port), "--cameras", str(cameras)]
        command += ["--transport", transport.value, "--pace-mbit", str(pace_mbit), "--duration", str(seconds)]
        if clips:
            command += clip_options(clips)
        else:
            command += ["--codec", codec.value if codec else "h264", "--bitrate", str(bitrate)]
            command += ["--fps", str(fps), "--gop", str(gop)]
        if user or password:
            command += ["--user", user, "--password", password]
        for each in fault or []:
            command += ["--fault", each]
        for each in quirk or []:
            command += ["--quirk", each]
        command += ["--random-quirks", str(random_quirks), "--seed", str(seed)]
        for each in option or []:
            command += shlex.split(each)
        if control:
            command.append("--control")
        process = _native.start(command, stdin=None if control else subprocess.DEVNULL)
        try:
            raise typer.Exit(_follow(process, console, cameras, host))
        finally:
            _native.stop(process)


def _run_dome(host: str, port: int, size: str, fps: float, seed: int, seconds: float, console: Console) -> int:
    """A dome on air, with its private places unhidden: a simulated camera, not an exit."""
    from vigie.engine import Engine
    from vigie.sim.dome import Dome
    from vigie.sim.dome_camera import DomeCamera, listening_port, report_line

    width, height = (int(side) for side in size.split("x"))
    where = f"[{host}]" if ":" in host else host
    policy = {
        "revision": 1,
        "listeners": [{"name": "sim", "listen": f"{where}:{port}", "access": "open", "trusted": True}],
        "cameras": [
            {
                "name": "dome",
                "privacy": "clear",
                "privacy_reason": "a simulated scene",
                "streams": [{"name": "main", "kind": "push", "url": "push:"}],
            }
        ],
    }
    with Engine() as engine:
        engine.apply(json.dumps(policy))
        camera = DomeCamera(
            engine,
            "dome",
            Dome(seed, [[(-8, -28), (8, -28), (8, -12), (-8, -12)]], width=width, height=height),
            fps=fps,
            on_report=lambda report, at_ns: print(report_line(report, at_ns), flush=True),
        )
        camera.start()
        listening = listening_port(engine, "sim")
        print(json.dumps({"event": "ready", "port": listening}), flush=True)
        console.print(f"rtsp://{where}:{listening}/dome", highlight=False, markup=False)
        with contextlib.suppress(KeyboardInterrupt):
            time.sleep(seconds if seconds > 0 else threading.TIMEOUT_MAX)
        camera.stop()
    if camera.error is not None:
        console.print(str(camera.error), highlight=False, markup=False)
    return 0 if camera.error is None else 1


def _codec(name: CodecName | None) -> Codec | None:
    return None if name is None else name.value


def _follow(process: subprocess.Popen[str], console: Console, cameras: int, host: str) -> int:
    """Passes the program's lines on and says where the cameras are."""
    try:
        for line in process.stdout or []:
            print(line, end="", flush=True)
            answer = json.loads(line)
            if answer.get("event") == "ready":
                where = f"[{host}]" if ":" in host else host
                base = f"rtsp://{where}:{answer['port']}/cam"
                last = f" … {base}{cameras - 1:03d}" if cameras > 1 else ""
                console.print(f"{base}000{last}", highlight=False, markup=False)
                for camera, quirks in answer.get("quirks", {}).items():
                    console.print(f"{camera}: {quirks}", highlight=False, markup=False)
    except KeyboardInterrupt:
        return 0
    return process.wait()


if __name__ == "__main__":
    sys.exit(app())
