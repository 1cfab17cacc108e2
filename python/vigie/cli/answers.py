"""What commands that ask the service share: where it is, and how its answers and refusals are shown."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vigie.errors import Error, InvalidArgumentError

if TYPE_CHECKING:
    from vigie.control.client import Client

Control = Annotated[
    str, typer.Option("--control", envvar="VIGIE_CONTROL", help="Where it answers.", show_default=False)
]
StateFolder = Annotated[
    Path | None,
    typer.Option("--state", envvar="VIGIE_STATE", help="The folder it was started with.", show_default=False),
]
Key = Annotated[
    Path | None, typer.Option("--key", envvar="VIGIE_KEY", help="This client's key file.", show_default=False)
]
Timeout = Annotated[float, typer.Option("--timeout", min=0.1, max=600, help="Seconds to wait for it.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object.")]


@contextmanager
def answers(as_json: bool) -> Iterator[None]:
    """Errors as lines on stderr (with --json also as an object on stdout), and the exit code."""
    from vigie.control.in_force import refusal_lines
    from vigie.policy import ConfigurationError

    try:
        yield
    except Error as error:
        for line in refusal_lines(error):
            print(line, file=sys.stderr)
        if as_json:
            values = [vars(problem) for problem in error.problems] if isinstance(error, ConfigurationError) else []
            print_json({"ok": False, "code": error.code, "name": error.name, "text": str(error), "problems": values})
        raise typer.Exit(2 if isinstance(error, (ConfigurationError, InvalidArgumentError)) else 1) from None


def client_of(control: str, state: Path | None, key: Path | None, timeout: float, on_behalf_of: str = "") -> "Client":
    """`on_behalf_of`: the agent for whom a trusted host speaks. Raises: InvalidArgumentError."""
    from vigie.control.client import Client
    from vigie.control.session import load_keys

    if not control and state is not None:
        control = f"ipc://{state.resolve() / 'control.sock'}"
    if not control:
        raise InvalidArgumentError("missing; right would be --state DIR, or --control with an endpoint", "--control")
    keys = None if key is None else load_keys(key)
    return Client(control, keys, timeout_s=timeout, on_behalf_of=on_behalf_of)


def print_json(value: Mapping[str, Any]) -> None:
    """One object, one line."""
    print(json.dumps(value, ensure_ascii=False), flush=True)


def time_text(ts_ns: int) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    return datetime.fromtimestamp(ts_ns / 1e9, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
