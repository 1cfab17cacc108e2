"""Small files that a crash leaves whole, and locks; only their owner can read them (0600)."""

import fcntl
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


def lock_file(path: Path) -> int:
    """The descriptor that holds a file's lock, made where it is missing; the lock is free when it is closed.

    Raises: OSError; BlockingIOError where another process holds it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
