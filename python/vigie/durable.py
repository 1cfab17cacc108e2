"""Small files that a crash leaves whole, and that only their owner can read (0600)."""

import os
from pathlib import Path


def replace_file(path: Path, content: bytes) -> None:
    """Puts content in a file's place: after a crash there is the old one or the new one, whole. Raises: OSError."""
    other = path.with_name(path.name + ".new")
    with open(other, "wb", opener=_private) as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    os.replace(other, path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder durable. Raises: OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
