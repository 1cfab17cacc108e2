"""Simulated cameras, one for each known deviation that they can show, and what is to be said of each."""

import subprocess
from collections.abc import Sequence

from vigie import _native
from vigie.bench.odd import CREDENTIALS, REFUSALS
from vigie.quirks import QUIRKS

__all__ = ["CREDENTIALS", "IDS", "REFUSALS", "expected", "sim_options", "transport"]

IDS = [
    line.split()[0]
    for line in subprocess.run(
        [_native.find_program("vigie-sim"), "--list-quirks"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
]
# Those that show over UDP only.
_UDP = {"A24", "F11", "J1", "J2", "J4"}
# What is to be named for an id, where it is not just the id itself of a tolerance and nothing for a practice.
_EXPECTED = {
    "A28": {"A28"},  # noted, though nothing depends on it
    "E7": {"E3"},  # its answer to PLAY comes between packets, so some come before it
}


def transport(name: str) -> str:
    """The transport over which an id shows."""
    return "udp" if name in _UDP else "tcp"


def expected(name: str) -> set[str]:
    """The ids that are to be named for a camera that shows `name`."""
    return _EXPECTED.get(name, {name} if QUIRKS[name].kind == "tolerance" else set())


def sim_options(sets: Sequence[str] = (), *more: str) -> list[str]:
    """Options of `vigie-sim` for cameras with credentials, camera n with the ids of `sets[n]`."""
    options = ["--user", CREDENTIALS[0], "--password", CREDENTIALS[1], "--bitrate", "0.5", "--gop", "25", *more]
    for number, ids in enumerate(sets):
        options += ["--quirk", f"cam{number:03d}:{ids}"]
    return options
