"""Where the native programs are, and how they are run as children that never outlive their parent."""

import ctypes
import os
import shutil
import signal
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Any

from vigie.errors import NotFoundError

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


def find_program(name: str) -> str:
    """The path of `vigie-sim` or `vigie-load`: in the package's bin/, `VIGIE_BIN_DIR`, a build tree, the PATH.

    Raises: NotFoundError that names where it looked.
    """
    package = Path(__file__).resolve().parent
    folders = [package / "bin"]
    if named := os.environ.get("VIGIE_BIN_DIR"):
        folders.append(Path(named))
    root = package.parent.parent
    folders += [root / "build" / "python" / "vigie" / "bin", root / "build" / "bin"]
    for folder in folders:
        if os.access(folder / name, os.X_OK):
            return str(folder / name)
    if found := shutil.which(name):
        return found
    looked = ", ".join(str(folder) for folder in folders)
    raise NotFoundError(f"{name} is neither in {looked} nor on the PATH; `make build` builds it", name)


def start(
    command: Sequence[str],
    *,
    cpus: Iterable[int] | None = None,
    stdin: int | IO[Any] | None = subprocess.DEVNULL,
    stdout: int | IO[Any] | None = subprocess.PIPE,
    stderr: int | IO[Any] | None = None,
    environment: dict[str, str] | None = None,
) -> subprocess.Popen[str]:
    """Starts a child on the given CPUs that gets SIGTERM when its parent's thread dies. Text pipes."""
    wanted = None if cpus is None else set(cpus)

    def prepare() -> None:
        if wanted is not None:
            os.sched_setaffinity(0, wanted)
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

    return subprocess.Popen(
        list(command),
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        env=environment,
        text=True,
        preexec_fn=prepare,
    )


def stop(process: subprocess.Popen[str], grace_s: float = 5) -> int:
    """Ends a child: SIGTERM, and SIGKILL when it has not gone after `grace_s`. Returns its exit code."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(grace_s)
        except subprocess.TimeoutExpired:
            process.kill()
    code = process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
    return code
