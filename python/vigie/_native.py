"""Where the native programs are, and how they are run as children that never outlive their parent."""

import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Any

from vigie.errors import NotFoundError


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
    # Nothing of ours runs between fork and exec: in a process with threads that can wait for ever.
    setpriv = shutil.which("setpriv")
    leash = [setpriv, "--pdeathsig", "TERM"] if setpriv else []
    before = os.sched_getaffinity(0)
    try:
        if cpus is not None:
            os.sched_setaffinity(0, set(cpus))  # of this thread alone; the child inherits it
        return subprocess.Popen(
            [*leash, *command],
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env=environment,
            text=True,
        )
    finally:
        if cpus is not None:
            os.sched_setaffinity(0, before)


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
