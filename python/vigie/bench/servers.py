"""The servers under test: our engine, started for each case, and others that already run."""

import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from vigie import _native
from vigie.errors import InvalidArgumentError, TimedOutError


@dataclass(frozen=True)
class Running:
    """A server that can be watched now. `memory_base` is its resident memory without cameras, where known."""

    name: str
    url_template: str
    pid: int
    memory_base: int | None = None


class Server(Protocol):
    """Something that pulls the simulated cameras and serves them."""

    @property
    def name(self) -> str:
        """What the table calls it."""

    def serving(self, source_template: str, cameras: int, transport: str) -> AbstractContextManager[Running]:
        """Runs, or is found running, for as long as the context lasts."""


class OwnEngine:
    """`vigie serve` on the given CPUs, with every camera pulled always."""

    name = "vigie"

    def __init__(self, cpus: Iterable[int], log: Path | None = None) -> None:
        self._cpus = set(cpus)
        self._log = log

    @contextmanager
    def serving(self, source_template: str, cameras: int, transport: str):  # type: ignore[no-untyped-def]
        """Starts the engine; it is ended with the context."""
        port = free_port()
        with tempfile.TemporaryDirectory(prefix="vigie-bench-") as folder:
            town = Path(folder) / "town.yaml"
            town.write_text(engine_yaml(port, source_template, cameras, transport), encoding="utf-8")
            log = (self._log or Path(folder) / "engine.log").open("w", encoding="utf-8")
            command = [sys.executable, "-m", "vigie", "serve", "-f", str(town)]
            process = _native.start(command, cpus=self._cpus, stdout=log, stderr=subprocess.STDOUT)
            try:
                wait_until(lambda: is_listening(port), process, 30, "the engine does not listen")
                yield Running(self.name, f"rtsp://127.0.0.1:{port}/cam{{n:03d}}", process.pid)
            except TimedOutError as error:
                log.flush()
                tail = Path(log.name).read_text(encoding="utf-8").strip()[-500:]
                raise TimedOutError(f"{error.what}: {tail}", "vigie serve") from None
            finally:
                _native.stop(process, grace_s=10)
                log.close()


@dataclass(frozen=True)
class OtherServer:
    """A server that somebody else started and configured to pull from the simulator's port."""

    name: str
    url_template: str
    pid: int

    @contextmanager
    def serving(self, source_template: str, cameras: int, transport: str):  # type: ignore[no-untyped-def]
        """Only checks that it is there: it is neither started nor ended."""
        if not Path(f"/proc/{self.pid}").is_dir():
            raise InvalidArgumentError(f"process {self.pid} does not run", f"--against {self.name}")
        yield Running(self.name, self.url_template, self.pid)


def parse_against(text: str) -> OtherServer:
    """Reads NAME=URL_TEMPLATE@PID. Raises: InvalidArgumentError that says what would be right."""
    match = re.fullmatch(r"([\w.+-]+)=(rtsp://(127\.\d+\.\d+\.\d+|\[::1\]):\d+/[^@\s]*)@(\d+)", text)
    if not match or "{n" not in match[2]:
        raise InvalidArgumentError(
            "right would be NAME=rtsp://127.0.0.1:PORT/cam{n:03d}@PID: a numeric loopback address and {n} in the path",
            f"--against {text}",
        )
    return OtherServer(match[1], match[2], int(match[4]))


def engine_yaml(port: int, source_template: str, cameras: int, transport: str) -> str:
    """The objects for `vigie serve`: one open listener on loopback, every camera clear."""
    parts = [
        "kind: Server\nname: bench\nspec:\n"
        f'  rtsp: [{{listen: "127.0.0.1:{port}", access: open}}]\n'
        "  limits: {sessions: 100000, sessions_per_peer: 100000, sessions_per_stream: 100000, half_open: 10000}\n"
    ]
    parts += [
        f"---\nkind: Camera\nname: cam{number:03d}\nspec:\n  number: {number}\n"
        f'  streams: {{main: {{url: "{source_template.format(n=number)}", transport: {transport}}}}}\n'
        "  privacy: clear\n  privacy_reason: generated pictures of a benchmark\n"
        for number in range(cameras)
    ]
    return "".join(parts)


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port of 127.0.0.1 that was free a moment ago."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_listening(port: int) -> bool:
    """Whether a connection to 127.0.0.1:port is accepted."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(
    condition: Callable[[], bool], process: "subprocess.Popen[str] | None", timeout_s: float, what: str
) -> None:
    """Asks every 50 ms. Raises: TimedOutError when the time is over or the process has ended."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if process is not None and process.poll() is not None:
            raise TimedOutError(f"{what}: it ended with code {process.returncode}")
        if time.monotonic() > deadline:
            raise TimedOutError(f"{what} after {timeout_s:g} s")
        time.sleep(0.05)
