"""vigie: the video stream engine for city supervision centres.

`Engine` embeds the core in this process; `vigie.policy` makes policy snapshots from YAML objects; `vigie.cli` is the
`vigie` command; `vigie.sim`, `vigie.load` and `vigie.bench` are simulated cameras, viewers and measurements. Errors are
in `vigie.errors`, and all derive from `Error`.

The native core is loaded when `Engine` is first asked for, so the parts in pure Python work without it.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from vigie.errors import Error

if TYPE_CHECKING:
    from vigie.engine import Engine, Event, FrameLease, FrameTap, Snapshot, Subscription, Unit

__all__ = [
    "Engine",
    "Error",
    "Event",
    "FrameLease",
    "FrameTap",
    "Snapshot",
    "Subscription",
    "Unit",
    "cmake_dir",
    "include_dir",
]

_FROM_ENGINE = frozenset({"Engine", "Event", "FrameLease", "FrameTap", "Snapshot", "Subscription", "Unit"})


def __getattr__(name: str) -> Any:
    if name in _FROM_ENGINE:
        from vigie import engine

        return getattr(engine, name)
    if name == "__version__":
        from vigie import _core

        return _core.version()
    raise AttributeError(f"module 'vigie' has no attribute {name!r}")


def include_dir() -> str:
    """The folder that holds `vigie/vigie.h` in an installed package."""
    return str(Path(__file__).parent / "include")


def cmake_dir() -> str:
    """What CMake needs as `vigie_DIR`, so that a C or C++ host can `find_package(vigie)`."""
    return str(Path(__file__).parent / "lib" / "cmake" / "vigie")
