"""The simulated cameras as a child process."""

import json
import queue
from collections.abc import Sequence

from vigie._native import find_program
from vigie.demo.children import Child, Children
from vigie.demo.scenes import Clip
from vigie.errors import TimedOutError


def start_sim(
    children: Children, clips: Sequence[Clip], cameras: int, login: tuple[str, str] | None = None
) -> tuple[Child, int]:
    """`vigie-sim` at `rtsp://127.0.0.1:PORT/camNNN`; the clips are played in turn. `login`: user and password.

    Raises: TimedOutError.
    """
    ports: queue.SimpleQueue[int] = queue.SimpleQueue()

    def on_line(line: str) -> None:
        message = json.loads(line)
        if message.get("event") == "ready":
            ports.put(message["port"])

    command = [find_program("vigie-sim"), "--cameras", str(cameras), "--fps", f"{clips[0].fps:.6g}"]
    for clip in clips:
        command += ["--file", str(clip.path)]
    if clips[0].timing is not None:
        command += ["--timing", str(clips[0].timing)]
    if login is not None:
        command += ["--user", login[0], "--password", login[1]]
    sim = children.start("vigie-sim", command, on_line=on_line)
    try:
        return sim, ports.get(timeout=20)
    except queue.Empty:
        raise TimedOutError(f"vigie-sim did not start: {sim.last_words()}", "demo") from None
