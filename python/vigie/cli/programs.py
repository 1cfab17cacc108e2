"""Where the native programs are: `vigie-sim` and `vigie-load`."""

import shutil
from pathlib import Path

import vigie
from vigie.errors import NotFoundError


def native_program(name: str) -> str:
    """The path of a native program of this package. Raises: NotFoundError when it was not built."""
    inside = Path(vigie.__file__).parent / "bin" / name
    if inside.exists():
        return str(inside)
    found = shutil.which(name)
    if found is None:
        raise NotFoundError(f"{name} is neither in {inside.parent} nor on the PATH; `make build` builds it", name)
    return found
