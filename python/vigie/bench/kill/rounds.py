"""Rounds of kill -9, and what must be so after each.

In each round somebody's right ends by its time and somebody's is revoked, a client applies without pause, one or all
processes are killed at a random instant, and everything comes back. What is judged:

* no revision that was acknowledged is lost, and what the state holds is the newest that was applied;
* nobody receives a picture after the end of his right, and after the acknowledged revocation, then or ever later;
* who keeps his right is cut by the death of the engine alone;
* in the end all of it ends cleanly, and the journal verifies.
"""

import random
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vigie.bench.kill.service import ROLES, ServiceUnderTest
from vigie.bench.kill.viewer import Viewer
from vigie.bench.servers import free_port
from vigie.control import ops
from vigie.control.client import Client
from vigie.control.store import Store
from vigie.errors import Error, NotFoundError
from vigie.journal import load_public, verify
from vigie.processes.run_folder import ENGINE
from vigie.sim.process import SimProcess

PASSWORD = "of-the-bench"
BACK_S = 60.0
ENDS_IN_S = 2.0
# A viewer notes what it reads: on a busy machine that is later than it came. Far below the length of a round.
READ_LATE_S = 1.0


@dataclass
class Round:
    """`back_s`: until control answered and the engine worked by the state again."""

    killed: Sequence[str]
    back_s: float
    acknowledged: int
    problems: list[str] = field(default_factory=list)


@dataclass
class KillRun:
    """What came of all rounds."""

    rounds: list[Round] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    applies: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    over_ms: list[float] = field(default_factory=list)  # last bytes less the end of the right
    revoked_ms: list[float] = field(default_factory=list)  # last bytes less the acknowledgement
    journal_lines: int = 0
    exit_code: int = 0

    @property
    def good(self) -> bool:
        """Whether everything was as it must be."""
        return not self.all_problems

    @property
    def all_problems(self) -> list[str]:
        """Of rounds too."""
        found = [f"round {number}: {text}" for number, one in enumerate(self.rounds, 1) for text in one.problems]
        return found + self.problems

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        back: dict[str, list[float]] = {}
        for one in self.rounds:
            back.setdefault("+".join(one.killed), []).append(one.back_s)
        return {
            "rounds": len(self.rounds),
            "problems": self.all_problems,
            "acknowledged_applies": self.applies,
            "refused_applies": dict(self.refused),
            "back_s": {
                killed: {"times": len(all_s), "median": round(statistics.median(all_s), 2), "max": round(max(all_s), 2)}
                for killed, all_s in sorted(back.items())
            },
            "last_bytes_after_end_ms_max": round(max(self.over_ms, default=0.0), 1),
            "last_bytes_after_revocation_ms_max": round(max(self.revoked_ms, default=0.0), 1),
            "journal_lines": self.journal_lines,
            "exit_code": self.exit_code,
        }


class Applier:
    """Gives one camera a new number, again and again: the newest that was acknowledged, and that was tried."""

    def __init__(self, endpoint: str, run: KillRun) -> None:
        self.acknowledged = self.tried = self.rev = 0
        self._endpoint = endpoint
        self._run = run
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="applier", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """After the one at work."""
        self._stop.set()
        self._thread.join(30)

    def _work(self) -> None:
        with Client(self._endpoint) as client:
            while not self._stop.is_set():
                self.tried += 1
                text = camera_text("counted", "push:", f"number: {self.tried}, ")
                try:
                    self.rev = client.apply(yaml=[ops.YamlSource(text=text)], timeout_s=3).rev
                    self.acknowledged = self.tried
                    self._run.applies += 1
                except Error as error:
                    self._run.refused[error.name] += 1
                    self._stop.wait(0.02)


def camera_text(name: str, url: str, fields: str = "") -> str:
    """A camera that everybody with a right may see."""
    shown = "privacy: clear, privacy_reason: a test picture, "
    return f'kind: Camera\nname: {name}\nspec: {{{fields}{shown}streams: {{main: {{url: "{url}"}}}}}}\n'


def agent_text(name: str, until: str = "") -> str:
    """An agent that may watch the camera."""
    end = f', until: "{until}"' if until else ""
    return f'kind: Agent\nname: {name}\nspec: {{password: "{PASSWORD}", cameras: [watched]{end}}}\n'


class KillBench:
    """One run in a folder. `tell`: progress, for people."""

    def __init__(self, folder: Path, seed: int, tell: Callable[[str], None] = lambda text: None) -> None:
        self.run = KillRun()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._rng = random.Random(seed)
        self._tell = tell
        self._port = free_port()
        self._service = ServiceUnderTest(folder / "state", folder / "serve.log")
        self._viewers: list[Viewer] = []
        self._ended: list[tuple[Viewer, int, str]] = []  # nobody may see anything after this instant

    def measure(self, rounds: int, kills: Sequence[Sequence[str]] = ()) -> KillRun:
        """Runs so many rounds. `kills`: who dies in each; beyond these it is drawn."""
        with ExitStack() as stack:
            sim = stack.enter_context(SimProcess(1, options=["--bitrate", "0.5", "--gop", "25"]))
            stack.callback(self._service.stop)
            stack.callback(self._stop_viewers)
            self._service.start()
            self._service_is_there()
            server = f'kind: Server\nname: here\nspec: {{rtsp: [{{listen: "127.0.0.1:{self._port}"}}]}}\n'
            self._apply(
                server, camera_text("watched", sim.url(0)), camera_text("counted", "push:"), agent_text("keeper")
            )
            keeper = self._watch("keeper")
            if not keeper.wait_pictures(0, BACK_S):
                self.run.problems.append("no picture at the start")
                return self.run
            applier = Applier(self._service.endpoint, self.run)
            stack.callback(applier.stop)
            for number in range(rounds):
                killed = kills[number] if number < len(kills) else self._draw()
                self._tell(f"round {number + 1}: {', '.join(killed)}")
                self.run.rounds.append(self._round(number, killed, keeper, applier))
            applier.stop()
            self._judge_ended()
            self.run.exit_code = self._service.stop()
        if self.run.exit_code != 0:
            self.run.problems.append(f"vigie serve ended with exit code {self.run.exit_code}")
        self._judge_disk(applier)
        self._judge_journal()
        return self.run

    def _stop_viewers(self) -> None:
        for viewer in self._viewers:
            viewer.stop()

    def _draw(self) -> Sequence[str]:
        return self._rng.choice([*((role,) for role in ROLES), ROLES])

    def _service_is_there(self) -> None:
        with Client(self._service.endpoint, timeout_s=BACK_S) as client:
            client.ping()

    def _apply(self, *documents: str, delete: str = "") -> int:
        """Until it is acknowledged; the Unix time in nanoseconds directly after."""
        until = time.monotonic() + BACK_S
        with Client(self._service.endpoint, timeout_s=5) as client:
            while True:
                try:
                    if delete:
                        client.delete([("Agent", delete)])
                    else:
                        client.apply(yaml=[ops.YamlSource(text="---\n".join(documents))])
                    return time.time_ns()
                except NotFoundError:  # deleted by the attempt before, whose answer was lost
                    return time.time_ns()
                except Error:
                    if time.monotonic() > until:
                        raise
                    time.sleep(0.05)

    def _watch(self, agent: str) -> Viewer:
        viewer = Viewer(self._port, agent, PASSWORD, "watched")
        self._viewers.append(viewer)
        return viewer

    def _round(self, number: int, killed: Sequence[str], keeper: Viewer, applier: Applier) -> Round:
        ends_ns = time.time_ns() + int(ENDS_IN_S * 1e9)
        ends = datetime.fromtimestamp(ends_ns / 1e9, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        ending, revoked = f"ending-{number}", f"revoked-{number}"
        self._apply(agent_text(ending, ends), agent_text(revoked))
        self._ended.append((self._watch(ending), ends_ns, f"{ending}, after the end of its right"))
        of_revoked = self._watch(revoked)
        sessions = len(keeper.seen)
        time.sleep(self._rng.uniform(0.1, ENDS_IN_S + 0.3))
        result = Round(killed, 0.0, applier.rev)
        # Half of the time the right is taken away right before, so that the kill falls into what follows.
        early = self._rng.random() < 0.5
        at = self._apply(delete=revoked) if early else 0
        acknowledged, number_before = applier.rev, applier.acknowledged
        killed_ns = time.time_ns()
        self._service.kill(killed)
        try:
            rev = self._service.wait_answers(BACK_S)
        except Error as error:
            result.problems.append(str(error))
            return result
        result.back_s = (time.time_ns() - killed_ns) / 1e9
        result.acknowledged = acknowledged
        at = at or self._apply(delete=revoked)
        self._ended.append((of_revoked, at, f"{revoked}, after it was revoked"))
        if rev < acknowledged:
            result.problems.append(f"revision {acknowledged} was acknowledged, {rev} is there")
        self._judge_state(result, applier, number_before)
        if not keeper.wait_pictures(time.time_ns(), BACK_S):
            result.problems.append("who keeps his right has no pictures any more")
        if ENGINE not in killed and len(keeper.seen) != sessions:
            result.problems.append(f"who keeps his right was cut: {keeper.seen[-2].ended}")
        # Of the viewers without a right a few go on trying.
        for viewer in self._viewers[1:-6]:
            viewer.stop()
        return result

    def _judge_state(self, result: Round, applier: Applier, number_before: int) -> None:
        with Client(self._service.endpoint, timeout_s=BACK_S) as client:
            (found,) = client.get(ops.ObjectsGet(kind="Camera", name="counted"))
        number = found.body["spec"].get("number", 0)
        if not number_before <= number <= applier.tried:
            result.problems.append(f"{number_before} was acknowledged, the state has {number} of {applier.tried}")

    def _judge_ended(self) -> None:
        time.sleep(READ_LATE_S)
        for viewer, at_ns, what in self._ended:
            after_ms = (viewer.last_ns - at_ns) / 1e6
            if viewer.last_ns:
                (self.run.over_ms if "end of" in what else self.run.revoked_ms).append(after_ms)
            if after_ms > READ_LATE_S * 1e3:
                self.run.problems.append(f"{what}: pictures {after_ms:.0f} ms later")

    def _judge_disk(self, applier: Applier) -> None:
        """What is there when nobody is left who could remember it."""
        with Store(self._folder / "state", environ={}) as store:
            rev, body = store.rev, store.body("Camera", "counted")
        number = 0 if body is None else body["spec"].get("number", 0)
        if rev < applier.rev or not applier.acknowledged <= number <= applier.tried:
            acknowledged = f"revision {applier.rev} with {applier.acknowledged}"
            self.run.problems.append(f"{acknowledged} was acknowledged, the disk has {rev} with {number}")

    def _judge_journal(self) -> None:
        state = self._folder / "state"
        result = verify(state / "journal", load_public(state / "journal.key.pub"))
        self.run.journal_lines = result.lines
        if result.finding is not None:
            self.run.problems.append(f"journal: {result.finding}")
