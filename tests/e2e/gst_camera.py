"""Starts gst_server.py and follows what it prints."""

import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from e2e.viewers import DEBIAN_PYTHON, HERE


@dataclass(frozen=True)
class Group:
    """A multicast group and from where it is sent; each mount takes ten ports on from the one before."""

    run: list[str]  # what a command there begins with
    host: str
    interface: str
    address: str
    port: int


class GstCamera:
    """GStreamer's RTSP server with one clip a mount; a context manager.

    `clips`: mount -> (codec, elementary stream). `tls`: certificate and key. `profile`: --savp or --savpf for SRTP.
    `group`: gives multicast alone.
    """

    def __init__(
        self,
        clips: dict[str, tuple[str, Path]],
        tls: tuple[Path, Path] | None = None,
        profile: str | None = None,
        *,
        group: Group | None = None,
    ) -> None:
        options = ["--tls", *map(str, tls)] if tls else []
        options += [profile] if profile else []
        self._scheme = "rtsps" if tls else "rtsp"
        mounts = [f"{mount}={codec}:{path}" for mount, (codec, path) in clips.items()]
        command = [DEBIAN_PYTHON, str(HERE / "gst_server.py")]
        self.group = group
        self._host = "127.0.0.1"
        if group:
            self._host = group.host
            command = [*group.run, *command, "--group", group.host, group.interface, group.address, str(group.port)]
        self._process = subprocess.Popen(
            [*command, *options, *mounts],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        words = self._process.stdout.readline().split()
        assert words[:1] == ["ready"], "GStreamer's RTSP server did not start"
        self.port = int(words[1])
        self._changed = threading.Condition()
        self._keyframes: dict[str, int] = {}
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def url(self, mount: str) -> str:
        """Where a mount is."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{self._scheme}://{host}:{self.port}/{mount}"

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            kind, mount, number = line.split()
            if kind == "key":
                with self._changed:
                    self._keyframes[mount] = int(number)
                    self._changed.notify_all()

    def wait_keyframe(self, mount: str, timeout_s: float = 20) -> int:
        """Waits for the next keyframe; its number."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            before = self._keyframes.get(mount)
            while self._keyframes.get(mount) == before:
                left = deadline - time.monotonic()
                assert left > 0, f"no keyframe of {mount} within {timeout_s} s"
                self._changed.wait(left)
            return self._keyframes[mount]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._thread.join(10)
