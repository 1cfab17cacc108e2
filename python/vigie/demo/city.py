"""The demo's second part: a town, its police and a rail company share cameras, and a right ends in front of a viewer.

All through `vigie serve --state` and the commands that an operator types. Lea is of the police, hugo of the rail
company; both come with keys of their own. The city is made by `examples/city`.
"""

import shlex
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml
from rich.console import Console
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from vigie.bench.kill.service import ServiceUnderTest, until
from vigie.bench.servers import free_port
from vigie.control import ops
from vigie.control.client import Client
from vigie.demo.cameras import start_sim
from vigie.demo.children import Child, Children
from vigie.demo.result import CityResult
from vigie.demo.scenes import Clip
from vigie.demo.stills import Stills
from vigie.demo.told import clock, complaints, gist, told
from vigie.demo.watching import Watching
from vigie.errors import Error
from vigie.journal.query import Entry, read_entries
from vigie.journal.sightings import who_saw
from vigie.policy import texts

CAMERAS = 5  # the last one is the rail company's
RAIL, CONVENTION = "rail-gares", "rail-police"
STATION_SCENE = "Gare Nord"
OPEN_S = 10
STILL_AFTER = 40  # pictures
# What was decided did not count at once.
LATE_S = 3.0
_GENERATOR = Path(__file__).resolve().parents[3] / "examples" / "city" / "generate.py"


def run_city(
    children: Children, clips: Sequence[Clip], work: Path, out: Path, stills: Stills, console: Console
) -> CityResult:
    """Runs it, says what happens, judges. It never raises for what goes wrong in the city."""
    console.print(Rule("the city", align="left", style="none"))
    if not _GENERATOR.exists():
        result = CityResult(left_out="the city is made by examples/city of the source tree, which is not here")
        console.print(result.left_out, highlight=False)
        return result
    city = _City(children, work, out, stills, console)
    try:
        city.run(clips)
    except (Error, OSError, _WentWrongError) as error:
        city.result.complaints.append(str(error))
    return city.result


class _WentWrongError(Exception):
    """Nothing after it can be shown."""


class _City:
    def __init__(self, children: Children, work: Path, out: Path, stills: Stills, console: Console) -> None:
        self.result = CityResult()
        self._children, self._work, self._out = children, work, out / "city"
        self._stills, self._console = stills, console
        self._control = f"tcp://127.0.0.1:{free_port()}"
        state = work / "state"
        endpoint = f"ipc://{state}/control.sock"
        self._service = ServiceUnderTest(state, work / "city.log", ["--control", endpoint, "--control", self._control])
        # None of the caller's own.
        self._here = {"VIGIE_STATE": str(state), "VIGIE_CONTROL": endpoint, "VIGIE_KEY": ""}
        self._there = {"VIGIE_STATE": "", "VIGIE_CONTROL": self._control, "VIGIE_KEY": ""}

    def run(self, clips: Sequence[Clip]) -> None:
        """Raises: Error, OSError, _WentWrongError."""
        sim, port = start_sim(self._children, _clips_of(clips), CAMERAS)
        self._service.start()
        try:
            self._found(port)
            self._refused()
            self._watched(self._opened())
        finally:
            code = self._service.stop()
            sim.stop()
        if code != 0:
            self.result.complaints.append(f"vigie serve --state ended with {code}")
        self._journal()

    def _found(self, port: int) -> None:
        """The city is made and applied."""
        folder = self._out / "objects"
        made = self._run(
            [
                *(sys.executable, str(_GENERATOR), "small", "--cameras", str(CAMERAS), "--out", str(folder)),
                *("--address", f"rtsp://127.0.0.1:{port}/cam{{n:03d}}", "--sub-address", "", "--masked", "0"),
                *("--listen", "127.0.0.1:0", "--year", str((datetime.now(UTC) - timedelta(days=1)).year)),
            ],
            {},
        )
        cameras = [
            body["name"]
            for path in sorted(folder.glob("cameras-*.yaml"))
            for body in yaml.safe_load_all(path.read_text(encoding="utf-8"))
            if body["kind"] == "Camera" and body["spec"]["owner"] == RAIL
        ]
        if not cameras:
            raise _WentWrongError(f"the rail company has no camera in {folder}")
        self.result.camera = cameras[0]
        self._say(
            "A town, its police station and a rail company share one service. The police may watch the rail company's "
            f"camera {self.result.camera} only while the rail company opens their convention."
        )
        self._say("The commands are real; where the service answers stands in VIGIE_STATE and VIGIE_CONTROL.")
        self._detail(" ".join(made.output))
        with self._client() as client:
            client.ping()
        self._detail(self._vigie("apply", "-f", str(folder), of=self._here).output[-1])
        for name, options in (("lea", []), ("hugo", ["--administrator"])):
            self._vigie("keys", "add", name, *options, "--out", str(self._work / f"{name}.key"), of=self._here)
        with self._client() as client:
            client.wait(ops.ObjectsWait(camera=self.result.camera), timeout_s=30)

    def _refused(self) -> None:
        """Lea asks too early."""
        self._now("Nothing has happened yet. Lea of the police asks for the camera all the same:")
        child = self._vigie("route", "open", self.result.camera, "--key", self._key("lea"), of=self._there, expected=1)
        words = " ".join(child.errors)
        self.result.refused = gist(words)
        self._detail(words)
        if "To ask: " not in words:
            self.result.complaints.append(f"the refusal does not say whom to ask: {words}")
        self._stills.add_drawn("before", "before: lea of the police is refused")

    def _opened(self) -> datetime:
        """Hugo opens the convention; until when."""
        now = datetime.now().astimezone()
        ends = (now + timedelta(seconds=OPEN_S + 1)).replace(microsecond=0)
        spec = {
            "conventions": [CONVENTION],
            "event": "a fight on platform 1",
            "motive": "the police are on their way",
            # It began before anybody could open it.
            "from": (now - timedelta(minutes=1)).isoformat(timespec="seconds"),
            "until": ends.isoformat(timespec="seconds"),
        }
        path = self._out / "opening.yaml"
        path.write_text(yaml.safe_dump({"kind": "Opening", "name": "fight", "spec": spec}, sort_keys=False), "utf-8")
        self._now(f"A fight on platform 1. Hugo of the rail company opens the convention until {ends:%H:%M:%S}:")
        self._detail(self._vigie("apply", "-f", str(path), "--key", self._key("hugo"), of=self._there).output[-1])
        return ends

    def _watched(self, ends: datetime) -> None:
        """Lea watches until her right ends, which is enforced by nobody here."""
        camera, end_s = self.result.camera, ends.timestamp()
        self._now("Lea asks again, and gets an address:")
        child = self._vigie("route", "open", camera, "--key", self._key("lea"), of=self._there)
        url, route = list(child.output)[:2]
        self._detail(f"{url[: url.index('ticket=') + 14]}…")
        self._detail(f"{route.partition(', until')[0]}, until {ends:%H:%M:%S}")
        if texts.zulu(ends, "milliseconds") not in route:
            self.result.complaints.append(f"the route does not end with the Opening at {ends:%H:%M:%S}: {route}")
        caption = "during: lea watches the station"
        still = self._stills.add_from_viewer("during", caption, STILL_AFTER)
        watching = Watching(self._children, "lea's player", url, still)
        if not watching.wait_first(OPEN_S):
            raise _WentWrongError(f"no picture came to lea: {watching.last_words()}")
        first = watching.read[0]
        self.result.first_picture_ms = 1000 * (first - watching.began)
        self._say(f"{_clock(first)} Her player (FFmpeg) has the first picture: Lea sees the station.")
        ended = watching.wait_end(max(0.0, end_s - time.time()) + 10)
        last = watching.read[-1]
        self.result.pictures_read = len(watching.read)
        self.result.last_picture_after_end_ms = 1000 * (last - end_s)
        if ended is None:
            raise _WentWrongError(f"lea's player goes on after {ends:%H:%M:%S}, its last picture is of {_clock(last)}")
        self.result.player_ended_after_end_ms = 1000 * (ended - end_s)
        if ended < end_s:
            raise _WentWrongError(f"lea's player ended before her right did: {watching.last_words()}")
        self._say(
            f"{_clock(last)} The picture stops in front of her: her right has ended, and nobody had to do anything."
        )
        if last - end_s > LATE_S:
            self.result.complaints.append(f"pictures came for {last - end_s:.1f} s after the right's end")
        self._stills.add_refused("after", url, "after: the right has ended, refused")
        self._stills.finish(15)
        if not self._stills.complaints:
            self._now("Her player tries the same address once more, and is refused.")
        with self._client() as client:
            if not until(lambda: not client.routes(), 10):
                self.result.complaints.append("the route is open for ever")

    def _journal(self) -> None:
        """What was written of it: verified, told, asked."""
        folder, key = self._out / "journal", self._out / "journal.key.pub"
        shutil.copytree(self._service.folder / "journal", folder, dirs_exist_ok=True)
        shutil.copyfile(self._service.folder / "journal.key.pub", key)
        self._say("All of it stands in the journal. Has anybody changed a line since?")
        verified = self._vigie("journal", "verify", str(folder), "--key", str(key), of={})
        self.result.journal_verified = verified.output[0].partition(" (")[0]
        self._detail(self.result.journal_verified)
        entries = list(read_entries(folder))
        self.result.complaints += complaints(entries)
        table = Table(title="the journal, in order", title_justify="left")
        for column in ("at", "who", "what", "why"):
            table.add_column(column, no_wrap=column in ("at", "who"))
        for row in told(entries):
            table.add_row(row.at, row.who, f"{row.kind}: {row.what}", row.why)
            self.result.journal.append(row.kind)
        self._console.print(table)
        self._say("local is whoever runs the service on this machine, vigie the service itself.")
        self._seen(entries)
        self._say(f"All lines: vigie journal show {folder}")

    def _seen(self, entries: Sequence[Entry]) -> None:
        camera, now = self.result.camera, time.time_ns()
        found = who_saw(entries, camera, 0, now, now, "auditor")
        self._say(f"Who saw {camera}?")
        for each in found:
            self.result.seen_by = f"{each.actor.agent} ({each.actor.organisation})"
            self.result.seen_first = clock(each.from_ns, "milliseconds")
            self.result.seen_last = clock(each.until_ns, "milliseconds")
            self._detail(
                f"{self.result.seen_by}: pictures of {self.result.seen_first} to {self.result.seen_last}, "
                f"for {each.purpose}, by Convention {each.convention}"
            )
            self._detail("The first is older than her asking: a new viewer begins with the keyframe before.")
        if [(each.actor.agent, each.convention, each.exact) for each in found] != [("lea", CONVENTION, True)]:
            self.result.complaints.append(f"the journal names {len(found)} views of {camera}; right would be lea's one")

    def _client(self) -> Client:
        return Client(self._here["VIGIE_CONTROL"], timeout_s=30)

    def _key(self, name: str) -> str:
        return str(self._work / f"{name}.key")

    def _vigie(self, *arguments: str, of: Mapping[str, str], expected: int = 0) -> Child:
        """A command of vigie, as somebody types it."""
        typed = shlex.join(["vigie", *arguments]).replace(f"{self._work}/", "")
        self._say(f"$ {typed}", "bold")
        return self._run([sys.executable, "-m", "vigie", *arguments], of, expected)

    def _run(self, command: Sequence[str], environ: Mapping[str, str], expected: int = 0) -> Child:
        """A command that has ended. Raises: _WentWrongError (also for another exit code)."""
        child = self._children.start(command[2], command, environ=environ)
        code = child.wait(60)
        if code is None:
            raise _WentWrongError(f"{shlex.join(command[1:])} did not end")
        if code != expected:
            raise _WentWrongError(f"{shlex.join(command[1:])} ended with {code}: {child.last_words()}")
        return child

    def _now(self, text: str) -> None:
        self._say(f"{clock(time.time_ns())} {text}")

    def _say(self, text: str, style: str = "") -> None:
        self._console.print(Text(text, style, overflow="fold"))

    def _detail(self, text: str) -> None:
        self._console.print(Padding(Text(text, overflow="fold"), (0, 0, 0, 2), expand=False))


def _clips_of(clips: Sequence[Clip]) -> list[Clip]:
    """The town's cameras play any, the rail company's the station where there is one."""
    station = next((clip for clip in clips if clip.title == STATION_SCENE), clips[-1])
    others = [clip for clip in clips if clip is not station] or [station]
    return [*(others * CAMERAS)[: CAMERAS - 1], station] if len(clips) > 1 else [station]


def _clock(at_s: float) -> str:
    return clock(round(at_s * 1e9), "milliseconds")
