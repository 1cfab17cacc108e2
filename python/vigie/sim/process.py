"""One running `vigie-sim`."""

import json
import subprocess
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any, Self

from vigie import _native
from vigie.errors import InvalidArgumentError
from vigie.sim.clips import Clip


class SimProcess:
    """Simulated cameras `rtsp://127.0.0.1:port/camNNN` in a process of their own; a context manager.

    `quirks` says which known deviations a camera shows, by its name `camNNN`; cameras without are not in it.
    `clips`: what they play, in turn; none: synthetic units that no decoder can read, for load.
    `options`: more options of `vigie-sim`, as they are.
    """

    def __init__(
        self,
        cameras: int = 1,
        *,
        clips: Sequence[Clip] = (),
        port: int = 0,
        cpus: Iterable[int] | None = None,
        options: Sequence[str] = (),
    ) -> None:
        command = [_native.find_program("vigie-sim"), "--control", "--cameras", str(cameras), "--port", str(port)]
        command += clip_options(clips)
        self._process = _native.start([*command, *options], cpus=cpus, stdin=subprocess.PIPE)
        self.cameras = cameras
        try:
            ready = self._answer()
            self.port: int = ready["port"]
            self.quirks: dict[str, list[str]] = {
                camera: ids.split(",") for camera, ids in ready.get("quirks", {}).items()
            }
        except InvalidArgumentError:
            _native.stop(self._process)
            raise InvalidArgumentError("it ended at once; its reason stands above", "vigie-sim") from None

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def url(self, number: int) -> str:
        """Where camera `number` is."""
        return f"rtsp://127.0.0.1:{self.port}/cam{number:03d}"

    @property
    def url_template(self) -> str:
        """The cameras' URL with `{n:03d}` for the number."""
        return f"rtsp://127.0.0.1:{self.port}/cam{{n:03d}}"

    def fault(self, kind: str, **fields: Any) -> None:
        """Asks for a fault: `fault("loss", percent=1, cameras=[0])`. Fields as in src/engine/loadgen/fault.h.

        Raises: InvalidArgumentError when the program refuses.
        """
        self._command({"fault": kind, **fields})

    def clear(self, kind: str = "all", **fields: Any) -> None:
        """Ends a fault, or all."""
        self._command({"clear": kind, **fields})

    def stats(self, *, per_camera: bool = False) -> dict[str, Any]:
        """What was sent since the start, summed over the cameras."""
        return self._command({"stats": True, "per_camera": per_camera})

    def stop(self) -> None:
        """Ends the program; twice is once."""
        _native.stop(self._process)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _command(self, command: dict[str, Any]) -> dict[str, Any]:
        if self._process.stdin is None or self._process.poll() is not None:
            raise InvalidArgumentError("the program has ended", "vigie-sim")
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise InvalidArgumentError("the program has ended", "vigie-sim")
        answer: dict[str, Any] = json.loads(line)
        if answer.get("event") == "error":
            raise InvalidArgumentError("the command was refused; the reason stands in its error output", "vigie-sim")
        return answer


def clip_options(clips: Sequence[Clip]) -> list[str]:
    """The options of `vigie-sim` that make it play these clips.

    Raises: InvalidArgumentError for several clips of different rates: the program has one clock for all.
    """
    if not clips:
        return []
    if len(clips) > 1 and len({clip.fps for clip in clips}) > 1:
        raise InvalidArgumentError("clips that are played together must have one frame rate", "clips")
    options = ["--fps", repr(clips[0].fps)]
    for clip in clips:
        options += ["--file", str(clip.path)]
    if len(clips) == 1 and clips[0].timing is not None:
        options += ["--timing", str(clips[0].timing)]
    return options
