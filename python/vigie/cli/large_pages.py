"""Memory of `vigie serve` in pages of 2 MiB.

With hundreds of cameras hardly anything that a picture needs is still in the processor's caches when the next one
comes, and finding a page costs as much as fetching what is in it. The C library takes its memory in large pages only
when told so by an environment variable before it starts; so the command starts itself anew, once. With `--state` the
engine is a process of its own, and gets the variable alone.
"""

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

VARIABLE = "GLIBC_TUNABLES"
# A large page is only given where its whole 2 MiB are asked for at once, hence the steps of 60 MiB.
TUNABLES = "glibc.malloc.hugetlb=1:glibc.malloc.top_pad=62914560:glibc.malloc.mmap_threshold=33554432"
_MODES = Path("/sys/kernel/mm/transparent_hugepage/enabled")
_FIRST_GLIBC = (2, 35)  # knows hugetlb


def worthwhile(environment: Mapping[str, str], modes: str, libc: str) -> bool:
    """Whether starting anew would give large pages that this process does not have.

    `modes`: the kernel's line, such as `always [madvise] never`; `libc`: such as `glibc 2.36`. False where the variable
    is set to anything, also to nothing: then somebody has decided.
    """
    version = re.fullmatch(r"glibc (\d+)\.(\d+).*", libc)
    if VARIABLE in environment or version is None:
        return False
    return (int(version[1]), int(version[2])) >= _FIRST_GLIBC and re.search(r"\[(always|madvise)\]", modes) is not None


def variables() -> dict[str, str]:
    """What a child needs in its environment to have large pages; empty where that would change nothing."""
    try:
        modes = _MODES.read_text(encoding="ascii")
        libc = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (OSError, ValueError):
        return {}
    return {VARIABLE: TUNABLES} if worthwhile(os.environ, modes, libc) else {}


def start_anew_if_worthwhile() -> None:
    """Replaces this process by the same command with the variable set; returns where that would change nothing."""
    if not (needed := variables()):
        return
    try:
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, **needed})
    except OSError:
        return  # it runs as well without
