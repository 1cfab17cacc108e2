"""What the tests of the command line share."""

import importlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

import vigie
from python.processes.ending import kill_processes
from vigie.control import ops
from vigie.control.client import Client

# Whoever started the tests in the background may have had SIGINT ignored, and children would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

SERVER = 'kind: Server\nname: here\nspec: {rtsp: [{listen: "127.0.0.1:0", access: open}]}\n'


def camera(name: str, fields: str = "") -> str:
    """A camera whose pictures a host would push."""
    return f'kind: Camera\nname: {name}\nspec: {{{fields}streams: {{main: {{url: "push:"}}}}}}\n'


@pytest.fixture
def core() -> None:
    """Needs the native core; where it must be there (VIGIE_REQUIRE_CORE=1), its lack is a failure."""
    try:
        importlib.import_module("vigie._core")
    except ImportError as error:
        if os.environ.get("VIGIE_REQUIRE_CORE") == "1":
            pytest.fail(f"the native core is not built: {error}")
        pytest.skip(f"the native core is not built: {error}")


class Command:
    """One running `vigie …`; its lines are kept as they come."""

    def __init__(self, arguments: Sequence[str]) -> None:
        paths = [str(Path(vigie.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
        environ = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "NO_COLOR": "1", "PYTHONFAULTHANDLER": "1"}
        self.lines: list[str] = []
        # Of a `serve --state`, whose other processes outlive it.
        at = arguments.index("--state") + 1 if arguments[:1] == ["serve"] and "--state" in arguments else 0
        self.state = Path(arguments[at]) if at else None
        self.process = subprocess.Popen(
            [sys.executable, "-m", "vigie", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environ,
        )
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip())

    def wait_line(self, part: str, timeout_s: float = 20) -> str:
        """The first line that holds `part`; fails the test when it does not come."""
        deadline = time.monotonic() + timeout_s
        while True:
            ended = self.process.poll() is not None and not self._thread.is_alive()
            for line in list(self.lines):
                if part in line:
                    return line
            if ended or time.monotonic() > deadline:
                pytest.fail(f"no line with {part!r} in:\n" + "\n".join(self.lines))
            self._thread.join(0.02)

    def wait_end(self, timeout_s: float = 60) -> int:
        """The exit code; fails the test when it does not end, saying where it was."""
        try:
            code = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)
            self._thread.join(5)
            pytest.fail(f"it did not end within {timeout_s} s:\n{self.text()}")
        self._thread.join(5)
        return code

    def kill_all(self) -> None:
        """kill -9 of all processes of its state folder at once, as when the machine goes down."""
        assert self.state is not None
        self.process.kill()
        kill_processes(self.state)
        self.wait_end()

    def text(self) -> str:
        """All it has printed."""
        return "\n".join(self.lines)


@pytest.fixture
def vigie_command() -> Iterator[Callable[..., Command]]:
    """Starts `vigie …` in a process of its own and ends it with the test."""
    started: list[Command] = []

    def start(*arguments: str | Path) -> Command:
        command = Command([str(argument) for argument in arguments])
        started.append(command)
        return command

    yield start
    for command in started:
        if command.process.poll() is None:
            command.process.kill()
            command.process.wait()
    for folder in {folder for command in started if (folder := command.state) is not None}:
        kill_processes(folder)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state folder that is not there yet."""
    return tmp_path / "state"


@pytest.fixture(name="vigie")
def vigie_client(vigie_command: Callable[..., Command], state: Path) -> Callable[..., tuple[int, str]]:
    """Runs a client to its end: exit code and output."""

    def run(*arguments: str | Path) -> tuple[int, str]:
        command = vigie_command(*arguments, "--state", state, "--timeout", "20")
        return command.wait_end(60), command.text()

    return run


@pytest.fixture
def serve(vigie_command: Callable[..., Command], state: Path) -> Callable[..., Command]:
    """Starts `vigie serve` on the folder and waits until it answers."""

    def start(*more: str | Path) -> Command:
        running = vigie_command("serve", "--state", state, *more)
        running.wait_line("control at ipc://")
        return running

    return start


@pytest.fixture
def client(state: Path) -> Iterator[Client]:
    """Of whoever serves the folder."""
    with Client(f"ipc://{state}/control.sock", timeout_s=30) as made:
        yield made


def apply(client: Client, *documents: str) -> int:
    """The revision after an apply of these."""
    return client.apply(yaml=[ops.YamlSource(text="---\n".join(documents))]).rev


@pytest.fixture
def town(tmp_path: Path) -> Callable[..., Path]:
    """Writes documents into `town.yaml` and returns its path."""

    def write(*documents: str) -> Path:
        path = tmp_path / "town.yaml"
        path.write_text("---\n".join(documents), encoding="utf-8")
        return path

    return write
