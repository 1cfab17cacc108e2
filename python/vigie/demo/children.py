"""Child processes with bounded lives: each is ended by its own handle, never by name."""

import contextlib
import json
import os
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

TEXT_LINES = 200  # the newest kept of each child, for messages


class Child:
    """One child process; its output is read by threads, so that it never blocks on a full pipe."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        on_line: Callable[[str], None] | None = None,
        environ: Mapping[str, str] | None = None,
        stdin: bool = False,
    ) -> None:
        self.name = name
        self.errors: deque[str] = deque(maxlen=TEXT_LINES)
        self.output: deque[str] = deque(maxlen=TEXT_LINES)
        self._on_line = on_line
        self.process = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **(environ or {})},
            # Ctrl-C in the terminal reaches the demo alone; it ends its children in order.
            start_new_session=True,
        )
        self._threads = [
            threading.Thread(target=self._read, args=(self.process.stdout, self._on_output), daemon=True),
            threading.Thread(target=self._read, args=(self.process.stderr, self.errors.append), daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def _read(self, stream: Any, take: Callable[[str], None]) -> None:
        for line in stream:
            take(line.decode("utf-8", "replace").rstrip())

    def _on_output(self, line: str) -> None:
        self.output.append(line)
        if self._on_line is not None:
            self._on_line(line)

    def running(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None

    def send(self, line: str) -> None:
        """One line to its stdin."""
        if self.process.stdin is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.write(line.encode() + b"\n")
                self.process.stdin.flush()

    def wait(self, timeout_s: float) -> int | None:
        """Its exit code and all of its output read; None when it still runs after `timeout_s`."""
        try:
            code = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None
        for thread in self._threads:
            thread.join(2)
        return code

    def stop(self, timeout_s: float = 5) -> int:
        """SIGTERM, then SIGKILL; its exit code."""
        if self.running():
            self.process.terminate()
        code = self.wait(timeout_s)
        if code is None:
            self.process.kill()
            code = self.wait(5)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        return -9 if code is None else code

    def json_result(self) -> dict[str, Any]:
        """The last JSON object it printed; empty when there was none."""
        for line in reversed(self.output):
            if line.startswith("{"):
                result: dict[str, Any] = json.loads(line)
                return result
        return {}

    def cpu_seconds(self) -> float:
        """User and system time used so far; 0 when it has ended."""
        try:
            with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as stream:
                fields = stream.read().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / float(os.sysconf("SC_CLK_TCK"))

    def last_words(self) -> str:
        """The end of what it wrote to stderr."""
        return " | ".join(list(self.errors)[-3:]) or "it said nothing"


class Children:
    """Ends every child at the end, the newest first."""

    def __init__(self) -> None:
        self._all: list[Child] = []

    def start(self, name: str, command: Sequence[str], **options: Any) -> Child:
        """Starts one; options as for Child."""
        child = Child(name, command, **options)
        self._all.append(child)
        return child

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for child in reversed(self._all):
            child.stop(3)
