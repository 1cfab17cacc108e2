"""The demo from top to bottom: clips, cameras, server, viewers, the city, contact sheet, summary."""

import json
import os
import queue
import re
import secrets
import shutil
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import yaml
from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from vigie._native import find_program
from vigie.cli import show
from vigie.demo import masks
from vigie.demo.cameras import start_sim
from vigie.demo.children import Child, Children
from vigie.demo.city import run_city
from vigie.demo.result import Result
from vigie.demo.scenes import Clip, font_file, make_clip, make_scene
from vigie.demo.stills import Stills
from vigie.errors import InvalidArgumentError, NoFirstPictureError, TimedOutError
from vigie.policy.secret import reference_problem

SIM_PASSWORD = "VIGIE_DEMO_SIM_PASSWORD"
CAMERA_PASSWORD = "VIGIE_DEMO_CAMERA_PASSWORD"


@dataclass(frozen=True)
class DemoOptions:
    """What the command line said."""

    clip: Path | None
    url: str | None
    username: str | None
    password: str | None
    seconds: float
    cameras: int
    out: Path


class Server:
    """`vigie serve --json` in a child process: its address, its newest figures and its events."""

    def __init__(self, children: Children, town: Path, environ: dict[str, str]) -> None:
        self.stats: dict[str, Any] | None = None
        self.port: int | None = None
        self.events: deque[str] = deque(maxlen=200)
        command = [sys.executable, "-m", "vigie", "serve", "-f", str(town), "--json", "--stats-interval", "0.5"]
        self.child: Child = children.start("vigie serve", command, on_line=self._on_line, environ=environ)

    def _on_line(self, line: str) -> None:
        try:
            message = json.loads(line)
        except ValueError:
            return
        if message.get("type") == "stats":
            self.stats = message
        elif message.get("type") == "event":
            self.events.append(f"{message['kind']} {message['object']}: {message['text']}")
            if message["kind"] == "listener_state" and (found := re.search(r":(\d+)$", message["text"])):
                self.port = int(found[1])

    def wait_playing(self, count: int, timeout_s: float) -> None:
        """Until `count` streams play and have given a keyframe, where a viewer can begin.

        Raises: NoFirstPictureError, with what the server said last.
        """
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline and self.child.running():
            if self.port is not None and self.stats is not None:
                streams = [camera["streams"]["main"] for camera in self.stats["cameras"].values()]
                if sum(stream["state"] == "playing" and stream["keyframes"] > 0 for stream in streams) >= count:
                    return
            time.sleep(0.1)
        rows = show.stream_rows(self.stats) if self.stats is not None else []
        absent = ", ".join(f"{row.camera} {row.state}" for row in rows if row.state != "playing")
        said = " | ".join([*self.events][-3:])
        what = f"not every camera plays after {timeout_s:.0f} s: {absent or self.child.last_words()}; {said}"
        raise NoFirstPictureError(what, "demo")


def run_demo(options: DemoOptions) -> int:
    """Runs the town; the exit code: 0 when every figure is good."""
    console = Console()
    options.out.mkdir(parents=True, exist_ok=True)
    result = Result()
    with tempfile.TemporaryDirectory(prefix="vigie-demo-") as folder, Children() as children:
        work = Path(folder)
        clips = _make_clips(options, work, console)
        environ = {SIM_PASSWORD: secrets.token_hex(8), **_camera_environ(options)}
        sim, sim_port = start_sim(children, clips, options.cameras, ("demo", environ[SIM_PASSWORD]))
        town = options.out / "town.yaml"
        town.write_text(_town_yaml(options, clips, sim_port), encoding="utf-8")
        console.print(f"cameras at rtsp://127.0.0.1:{sim_port}/cam000 …; the town is in {town}", highlight=False)
        server = Server(children, town, environ)
        server.wait_playing(options.cameras + masks.CAMERAS, 30)
        dome_port = _start_dome(children)
        console.print(f"watch along: ffplay -rtsp_transport tcp rtsp://127.0.0.1:{server.port}/cam000", highlight=False)
        stills = Stills(children, work)
        _choose_stills(stills, options, f"rtsp://127.0.0.1:{server.port}", f"rtsp://127.0.0.1:{dome_port}")
        _watch(options, children, server, stills, console, result, any(clip.reordered for clip in clips))
        if (code := server.child.stop(10)) != 0:
            result.complaints.append(f"vigie serve ended with {code}: {server.child.last_words()}")
        sim.stop()
        result.city = run_city(children, clips, work, options.out, stills, console)
        result.complaints += stills.complaints
        _contact_sheet(work, options.out, result, len(stills.names))
    return _report(options, result, console)


def _make_clips(options: DemoOptions, work: Path, console: Console) -> list[Clip]:
    if options.clip is not None:
        console.print(f"every camera plays {options.clip}", highlight=False)
        return [make_clip(options.clip, work)]
    font = font_file()
    clips = []
    columns = (TextColumn("making the scenes"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=min(options.cameras, 12))
        for number in range(1, min(options.cameras, 12) + 1):
            clips.append(make_scene(number, work, font))
            progress.update(task, advance=1, description=clips[-1].title)
            if not console.is_terminal:
                console.print(f"scene {number}: {clips[-1].title} ({clips[-1].codec})", highlight=False)
    return clips


def _start_dome(children: Children) -> int:
    """The host of the simulated dome; its RTSP port."""
    ports: queue.SimpleQueue[int] = queue.SimpleQueue()

    def on_line(line: str) -> None:
        ports.put(json.loads(line)["port"])

    command = [sys.executable, "-m", "vigie.demo.masks"]
    dome = children.start("the dome's host", command, on_line=on_line, stdin=True)
    try:
        return ports.get(timeout=30)
    except queue.Empty:
        raise TimedOutError(f"the dome's host did not start: {dome.last_words()}", "demo") from None


def _choose_stills(stills: Stills, options: DemoOptions, url: str, dome_url: str) -> None:
    """One of every camera and of every form of the masked one; the dome's are taken while it turns."""
    for name in _clear_names(options):
        stills.add(name, f"{url}/{name}")
    for name, caption in masks.VIEWS:
        stills.add(name, f"{url}/{name}", caption)
    stills.add_refused(masks.WITHHELD, f"{url}/{masks.WITHHELD}", "withheld: refused")
    for number in range(1, masks.DOME_STILLS + 1):
        caption = f"a dome turns, its mask follows ({number})"
        # It rests 3 s at each of its presets.
        stills.add(f"dome {number}", f"{dome_url}/dome", caption, after=10 + 45 * (number - 1))


def _clear_names(options: DemoOptions) -> list[str]:
    return [f"cam{number:03}" for number in range(options.cameras)] + (["real"] if options.url else [])


def _real_password(options: DemoOptions, url_has_one: bool) -> str | None:
    """The reference to the real camera's password, for the YAML. Raises: InvalidArgumentError for one in clear."""
    given = options.password
    if given is None:
        return f"env:{CAMERA_PASSWORD}" if url_has_one else None
    if given.startswith("file:"):
        return f"file:{os.path.abspath(given[5:])}"
    if problem := reference_problem(given):
        raise InvalidArgumentError(problem, "--password")
    return given


def _camera_environ(options: DemoOptions) -> dict[str, str]:
    """A password inside --url moves into the child's environment: in no file, no command line, no output."""
    parts = urlsplit(options.url or "")
    return {CAMERA_PASSWORD: unquote(parts.password)} if parts.password else {}


def _town_yaml(options: DemoOptions, clips: list[Clip], sim_port: int) -> str:
    objects: list[dict[str, Any]] = [
        {"kind": "Server", "name": "demo", "spec": {"rtsp": [{"listen": "127.0.0.1:0", "access": "open"}]}}
    ]
    for number in range(options.cameras):
        stream = {
            "url": f"rtsp://127.0.0.1:{sim_port}/cam{number:03}",
            "username": "demo",
            "password": f"env:{SIM_PASSWORD}",
            # Every fourth comes over UDP, the rest over TCP.
            "transport": "udp" if number % 4 == 3 else "tcp",
        }
        objects.append(_camera(f"cam{number:03}", number + 1, clips[number % len(clips)].title, stream))
    masked_stream = {
        "url": f"rtsp://127.0.0.1:{sim_port}/cam{min(1, options.cameras - 1):03}",
        "username": "demo",
        "password": f"env:{SIM_PASSWORD}",
    }
    objects += masks.objects(masked_stream)
    if options.url is not None:
        parts = urlsplit(options.url)
        real: dict[str, Any] = {"url": urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))}
        username = options.username or (unquote(parts.username) if parts.username else None)
        password = _real_password(options, bool(parts.password))
        if username is not None:
            real["username"] = username
        if password is not None:
            real["password"] = password
        objects.append(_camera("real", options.cameras + 1, "real camera", real))
    return yaml.safe_dump_all(objects, sort_keys=False, allow_unicode=True)


def _camera(name: str, number: int, title: str, stream: dict[str, Any]) -> dict[str, Any]:
    spec = {
        "number": number,
        "title": title,
        "streams": {"main": stream},
        "privacy": "clear",
        "privacy_reason": "a demonstration: nobody is in view, or whoever started it decided so",
    }
    return {"kind": "Camera", "name": name, "spec": spec}


def _watch(
    options: DemoOptions,
    children: Children,
    server: Server,
    stills: Stills,
    console: Console,
    result: Result,
    reordered: bool,
) -> None:
    """Viewers come, the table runs, stills are taken, viewers go."""
    url = f"rtsp://127.0.0.1:{server.port}"
    names = _clear_names(options)
    began, cpu = time.monotonic(), server.child.cpu_seconds()
    end = began + options.seconds
    window = max(2.0, options.seconds - 5)
    loads = [
        children.start(f"viewers over {name}", _load_command(url, options.cameras, name, viewers, window))
        for name, viewers in (("tcp", 2), ("udp", 1))
    ]
    watchers = [
        children.start(f"FFmpeg at {name} over {transport}", _ffmpeg_command(f"{url}/{name}", transport, window))
        for name, transport in _ffmpeg_choice(names)
    ]
    at_work = server.stats or {}
    with _live(console) as live:
        last_line = 0.0
        while time.monotonic() < end and server.child.running():
            elapsed = time.monotonic() - began
            if elapsed > options.seconds * 0.3:
                stills.step()
            stats = server.stats
            if stats is not None:
                title = f"vigie demo, {max(0, end - time.monotonic()):.0f} s to go"
                if live is not None:
                    live.update(show.live_table(stats, title), refresh=True)
                elif elapsed - last_line >= 5:
                    last_line = elapsed
                    console.print(show.stats_line(stats), highlight=False)
                # While everybody watches: after the viewers came, before they go.
                if elapsed < window:
                    at_work = stats
            time.sleep(0.25)
    wall = time.monotonic() - began
    result.server_cpu_cores = max(0.0, server.child.cpu_seconds() - cpu) / wall
    if not server.child.running():
        result.complaints.append(f"vigie serve ended: {server.child.last_words()}")
    result.take_stats(at_work, names)
    stills.finish(20)
    result.take_lanes(server.stats or {})
    for load in loads:
        load.wait(20)
        result.take_load(load.name, load.json_result(), reordered)
    for watcher in watchers:
        if watcher.wait(20) is None:
            result.complaints.append(f"{watcher.name} did not end")
        _take_ffmpeg(watcher, result)


def _load_command(url: str, cameras: int, transport: str, viewers: int, window: float) -> list[str]:
    return [
        *(find_program("vigie-load"), "--url-template", f"{url}/cam{{n:03d}}", "--cameras", str(cameras)),
        *("--viewers", str(viewers), "--transport", transport, "--ramp", "0.5", "--warm-up", "1"),
        *("--duration", str(window - 1), "--ready-timeout", "10"),
    ]


def _ffmpeg_choice(names: list[str]) -> list[tuple[str, str]]:
    """A few cameras for FFmpeg's viewers to decode all the time: the first, the H.265 one, the last."""
    chosen = dict.fromkeys([names[0], names[min(5, len(names) - 1)], names[-1]])
    return [(name, "udp" if index == 1 else "tcp") for index, name in enumerate(chosen)]


def _ffmpeg_command(url: str, transport: str, seconds: float) -> list[str]:
    return [
        *("ffmpeg", "-nostdin", "-loglevel", "warning", "-threads", "1", "-rtsp_transport", transport),
        # Pictures keep their own times: what counts here is decoding, not ffmpeg's conversion of the frame rate.
        *("-i", url, "-t", f"{seconds:.1f}", "-progress", "pipe:1"),
        *("-fps_mode", "passthrough", "-enc_time_base", "1:90000", "-f", "null", "-"),
    ]


def _take_ffmpeg(watcher: Child, result: Result) -> None:
    result.ffmpeg_viewers += 1
    frames = [int(line.removeprefix("frame=")) for line in watcher.output if re.fullmatch(r"frame=\s*\d+", line)]
    result.ffmpeg_frames += frames[-1] if frames else 0
    if not frames or frames[-1] == 0:
        result.complaints.append(f"{watcher.name} decoded nothing: {watcher.last_words()}")
    for line in watcher.errors:
        result.ffmpeg_errors.append(f"{watcher.name}: {line}")


@contextmanager
def _live(console: Console) -> Iterator[Live | None]:
    if not console.is_terminal:
        yield None
        return
    with Live(console=console, auto_refresh=False) as live:
        yield live


def _contact_sheet(work: Path, out: Path, result: Result, wanted: int) -> None:
    stills = [still for still in sorted(work.glob("still-*.png")) if still.stat().st_size > 0]
    result.stills = len(stills)
    if not stills:
        result.complaints.append("no viewer decoded a picture for the contact sheet")
        return
    if len(stills) < wanted:
        result.complaints.append(f"{len(stills)} of {wanted} pictures for the contact sheet")
    # Numbered without holes, as the tile filter reads them.
    for index, still in enumerate(stills):
        still.rename(work / f"tile-{index:03}.png")
    columns = min(4, len(stills))
    lines = -(-len(stills) // columns)
    sheet = out / "contact-sheet.png"
    command = [
        *("ffmpeg", "-nostdin", "-loglevel", "error", "-y", "-i", str(work / "tile-%03d.png")),
        *("-vf", f"tile={columns}x{lines}:padding=6:margin=6:color=0x303030", "-frames:v", "1", "-update", "1"),
        str(work / "sheet.png"),
    ]
    with Children() as children:
        child = children.start("contact sheet", command)
        if child.wait(30) != 0:
            result.complaints.append(f"the contact sheet could not be made: {child.last_words()}")
            return
    shutil.copyfile(work / "sheet.png", sheet)
    result.contact_sheet = os.fspath(sheet)


def _report(options: DemoOptions, result: Result, console: Console) -> int:
    summary = options.out / "summary.json"
    summary.write_text(json.dumps(result.as_json(), indent=2) + "\n", encoding="utf-8")
    table = Table(show_header=False, title="what the demo measured", title_justify="left")
    for name, value in result.rows():
        table.add_row(name, value)
    console.print(table)
    complaints = result.all_complaints()
    for complaint in complaints:
        console.print(f"not good: {complaint}", style="red", markup=False, highlight=False)
    if not complaints:
        console.print(f"all good; {result.contact_sheet}, {summary}", style="green", highlight=False)
    return 1 if complaints else 0
