"""A running `vigie serve`, and what it says."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import vigie

DEADLINE_S = 30


class Serve:
    """`vigie serve --json` in a process of its own. `events`: all so far; `stats`: the newest figures."""

    def __init__(self, folder: Path, documents: list[dict[str, Any]]) -> None:
        self.path = folder / "town.yaml"
        self.write(documents)
        self.events: list[dict[str, Any]] = []
        self.stats: dict[str, Any] = {}
        self.notes: list[str] = []
        self._changed = threading.Condition()
        command = [sys.executable, "-m", "vigie", "serve", "-f", str(self.path), "--json", "--stats-interval", "0.2"]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(vigie.__file__).parents[1])},
        )
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def write(self, documents: list[dict[str, Any]]) -> None:
        """JSON is YAML."""
        self.path.write_text("\n---\n".join(json.dumps(document) for document in documents) + "\n", encoding="utf-8")

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            try:
                value = json.loads(line)
            except ValueError:
                value = {"type": "note", "text": line.strip()}
            with self._changed:
                if value["type"] == "event":
                    self.events.append(value)
                elif value["type"] == "stats":
                    self.stats = value
                else:
                    self.notes.append(value["text"])
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    def wait(self, what: str, found: Callable[[], Any], timeout_s: float = DEADLINE_S) -> Any:
        """Waits until `found` gives something and returns that; fails the test when it does not."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while not (value := found()):
                left = deadline - time.monotonic()
                if left <= 0 or not self._thread.is_alive():
                    raise AssertionError(
                        f"{what}: not seen.\n" + "\n".join([*self.notes, *map(str, self.events[-30:])])
                    )
                self._changed.wait(left)
        return value

    def port(self, listener: str = "") -> int:
        """The port on which a listener really is."""

        def look() -> int | None:
            for event in self.events:
                if event["kind"] == "listener_state" and listener in event["object"]:
                    match = re.search(r"listening on \S*:(\d+)", event["text"])
                    if match:
                        return int(match[1])
            return None

        return int(self.wait(f"listener {listener}", look))

    def wait_playing(self, *cameras: str, timeout_s: float = DEADLINE_S) -> None:
        """Waits until every camera named gives pictures."""
        for camera in cameras:
            self.wait(
                f"{camera} playing",
                lambda camera=camera: any(
                    stream["published_units"] > 0
                    for stream in self.stats.get("cameras", {}).get(camera, {}).get("streams", {}).values()
                ),
                timeout_s,
            )

    def rss_bytes(self) -> int:
        """Resident memory of the process."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("the process is gone")

    def reload(self, documents: list[dict[str, Any]]) -> None:
        """Puts other objects in force."""
        self.write(documents)
        before = sum("in force" in note for note in self.notes)
        self.process.send_signal(signal.SIGHUP)
        self.wait("the new revision", lambda: sum("in force" in note for note in self.notes) > before)

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


@contextmanager
def serving(folder: Path, documents: list[dict[str, Any]]) -> Iterator[Serve]:
    """A running `vigie serve`; at the end it must go with exit code 0."""
    served = Serve(folder, documents)
    try:
        yield served
    finally:
        code = served.stop()
    assert code == 0, "\n".join(served.notes)


def server(*listeners: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """A Server document; by default with an open listener on a free port of loopback."""
    return {
        "kind": "Server",
        "name": "here",
        "spec": {"rtsp": list(listeners) or [{"listen": "127.0.0.1:0", "access": "open"}], **spec},
    }


def camera(name: str, **stream: Any) -> dict[str, Any]:
    """A Camera document that everybody may see."""
    return {
        "kind": "Camera",
        "name": name,
        "spec": {"streams": {"main": stream}, "privacy": "clear", "privacy_reason": "a test picture"},
    }
