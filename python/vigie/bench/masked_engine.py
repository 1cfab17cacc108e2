"""An engine with masked cameras in a process of its own, so that its CPU time can be read alone."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any, Self

from vigie import _native
from vigie.bench.process_figures import cpu_seconds
from vigie.cli import large_pages
from vigie.errors import ClosedError, InvalidArgumentError

Policy = dict[str, Any]


def masked_camera(name: str, url: str, points: Sequence[tuple[float, float]]) -> Policy:
    """One camera of a policy with one region. `points`: its corners, 0 to 1."""
    region = {"name": "private", "points": [list(point) for point in points]}
    return {
        "name": name,
        "privacy": "masked",
        "streams": [{"name": "main", "kind": "push" if url == "push:" else "rtsp", "url": url}],
        "masks": {"revision": 1, "regions": [region], "scene_watch": False},
    }


def clear_camera(name: str, url: str) -> Policy:
    """One camera that is passed on."""
    return {
        "name": name,
        "privacy": "clear",
        "privacy_reason": "generated pictures of a benchmark",
        "streams": [{"name": "main", "kind": "rtsp", "url": url}],
    }


class EngineProcess:
    """The engine with these cameras and an open RTSP listener on loopback; a context manager.

    `watched`: cameras that the process itself subscribes to. For units of the first it measures the time from the
    arrival of the source's last packet to the moment its subscriber has the published unit.
    """

    def __init__(self, cameras: Sequence[Policy], watched: Sequence[str], cpus: Iterable[int] | None = None) -> None:
        # The same memory as `vigie serve` gives itself.
        environment = {**os.environ}
        environment.setdefault(large_pages.VARIABLE, large_pages.TUNABLES)
        command = [sys.executable, "-m", "vigie.bench.masked_engine"]
        self._process = _native.start(command, cpus=cpus, stdin=subprocess.PIPE, environment=environment)
        try:
            self._address = str(self._ask({"cameras": list(cameras), "watched": list(watched)})["address"])
        except InvalidArgumentError:
            _native.stop(self._process)
            raise

    def url(self, camera: str) -> str:
        """Where viewers find a camera; `camera` may hold `{n:03d}`."""
        return f"rtsp://{self._address}/{camera}"

    def cpu_seconds(self) -> float:
        """User and system time so far, all threads."""
        return cpu_seconds(self._process.pid)

    def figures(self) -> dict[str, Any]:
        """`stats`, and `latencies_ms` of the first watched camera since the last question, in order of time."""
        return self._ask({"figures": True})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _native.stop(self._process, grace_s=10)

    def _ask(self, command: Policy) -> Policy:
        process = self._process
        line = ""
        if process.stdin is not None and process.stdout is not None and process.poll() is None:
            process.stdin.write(json.dumps(command) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        if not line:
            raise InvalidArgumentError("it has ended; its reason stands above", "engine process")
        answer: Policy = json.loads(line)
        return answer


class _Watcher(threading.Thread):
    """Takes the units of one camera as they come."""

    def __init__(self, units: Any) -> None:
        super().__init__(daemon=True)
        self._units = units
        self._lock = threading.Lock()
        self._latencies_ms: list[float] = []

    def run(self) -> None:
        while True:
            try:
                unit = self._units.next()
            except ClosedError:
                return
            now = time.monotonic_ns()
            with unit, self._lock:
                self._latencies_ms.append((now - unit.arrival_mono_ns) / 1e6)

    def take(self) -> list[float]:
        with self._lock:
            taken, self._latencies_ms = self._latencies_ms, []
        return taken


def _serve() -> None:
    """The child: one policy, then an answer for each question, until stdin ends."""
    import vigie

    wanted = json.loads(sys.stdin.readline())
    listener = {"name": "bench", "listen": "127.0.0.1:0", "access": "open"}
    limits = dict.fromkeys(("sessions", "sessions_per_peer", "sessions_per_stream"), 10000)
    with vigie.Engine(realtime_io=True) as engine:
        engine.apply({"revision": 1, "cameras": wanted["cameras"], "listeners": [listener], "limits": limits})
        watchers = [_Watcher(engine.subscribe(name)) for name in wanted["watched"]]
        for watcher in watchers:
            watcher.start()
        print(json.dumps({"address": engine.stats()["listeners"]["bench"]}), flush=True)
        for _ in sys.stdin:
            latencies = [watcher.take() for watcher in watchers]
            print(json.dumps({"stats": engine.stats(), "latencies_ms": (latencies or [[]])[0]}), flush=True)


if __name__ == "__main__":
    _serve()
