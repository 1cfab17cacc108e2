"""What the shell offers behind a tab: names of the service's objects, where one answers at once.

`vigie --install-completion` sets the shell up; the words themselves are typer's.
"""

import os
from collections.abc import Iterable
from pathlib import Path

import typer

TIMEOUT_S = 0.6
_MOST = 500


def cameras(context: typer.Context, incomplete: str) -> list[str]:
    """Names of cameras."""
    return _names(context, "Camera", incomplete)


def agents(context: typer.Context, incomplete: str) -> list[str]:
    """Names of agents."""
    return _names(context, "Agent", incomplete)


def objects(context: typer.Context, incomplete: str) -> list[str]:
    """`KIND/`, and behind it the names."""
    from vigie.policy.objects import KINDS

    kind, slash, name = incomplete.partition("/")
    if not slash:
        return [f"{known}/" for known in KINDS if known.lower().startswith(kind.lower())]
    return [f"{kind}/{known}" for known in _names(context, kind, name)] if kind in KINDS else []


def _names(context: typer.Context, kind: str, incomplete: str) -> list[str]:
    """Of the service that this command line, or the environment, leads to; nothing on any error: a tab says none."""
    try:
        return _asked(context, kind, incomplete)
    except Exception:  # noqa: BLE001 - a traceback in the middle of a command line helps nobody
        return []


def _asked(context: typer.Context, kind: str, incomplete: str) -> list[str]:
    given = context.params
    files: Iterable[Path] = given.get("files") or ()
    if files:
        return _of_files(files, kind, incomplete)
    control = str(given.get("control") or os.environ.get("VIGIE_CONTROL", ""))
    state = given.get("state") or os.environ.get("VIGIE_STATE")
    key = given.get("key") or os.environ.get("VIGIE_KEY")
    if not control and not state:
        return []
    from vigie.cli.answers import client_of
    from vigie.control import ops

    pattern = "".join(f"[{letter}]" if letter in "*?[" else letter for letter in incomplete) + "*"
    with client_of(control, Path(state) if state else None, Path(key) if key else None, TIMEOUT_S) as client:
        return [item.name for item in client.get(ops.ObjectsGet(kind=kind, name=pattern))][:_MOST]


def _of_files(files: Iterable[Path], kind: str, incomplete: str) -> list[str]:
    """Without checking them."""
    from vigie.policy.load import read_files

    documents = read_files([os.fspath(file) for file in files], [])
    named = (document.value for document in documents if isinstance(document.value, dict))
    names = [str(value.get("name")) for value in named if value.get("kind") == kind]
    return [name for name in names if name.startswith(incomplete)][:_MOST]
