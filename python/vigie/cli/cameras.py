"""`vigie cameras import`: cameras from a table, or from the ONVIF devices of a network.

Exit codes: 0 done; 1 refused, nobody answers, or a device did not say its cameras; 2 what was given is wrong.
"""

import re
import sys
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Network
from pathlib import Path
from typing import Annotated, Any

import typer

from vigie.cli.answers import AsJson, Control, Key, StateFolder, Timeout, answers, client_of, print_json
from vigie.cli.objects import DryRun, print_applied
from vigie.errors import Error, InvalidArgumentError

app = typer.Typer(help="Cameras from elsewhere.", no_args_is_help=True)
_TOGETHER = 16


@app.callback()
def main() -> None:
    """Cameras from elsewhere."""


@app.command("import")
def import_(
    table: Annotated[Path | None, typer.Argument(help="A CSV file (docs/control.md).", show_default=False)] = None,
    network: Annotated[
        str | None,
        typer.Option(help="Ask the ONVIF devices of this network, such as 10.1.0.0/24.", show_default=False),
    ] = None,
    username: Annotated[str, typer.Option(help="Of the devices.", show_default=False)] = "",
    password: Annotated[str, typer.Option(help="Of the devices: env:NAME or file:PATH.", show_default=False)] = "",
    seconds: Annotated[float, typer.Option(min=0.2, max=60, help="How long devices may take to answer.")] = 3,
    owner: Annotated[str | None, typer.Option(help="Of cameras without one.", show_default=False)] = None,
    operated_by: Annotated[str | None, typer.Option(help="Of cameras without one.", show_default=False)] = None,
    commune: Annotated[str | None, typer.Option(help="Of cameras without one.", show_default=False)] = None,
    regime: Annotated[str | None, typer.Option(help="Of cameras without one.", show_default=False)] = None,
    apply: Annotated[
        bool, typer.Option("--apply", help="Apply through the service, instead of printing YAML.")
    ] = False,
    dry_run: DryRun = False,
    control: Control = "",
    state: StateFolder = None,
    key: Key = None,
    timeout: Timeout = 60,
    as_json: AsJson = False,
) -> None:
    """Cameras of a table or a network, as YAML on stdout or, with --apply, in the state. Withheld unless they say more.

    With any mistake nothing is printed or applied, and every mistake is said with its line.
    """
    with answers(as_json):
        if (table is None) == (network is None):
            raise InvalidArgumentError("right would be either a CSV file or --network", "import")
        if dry_run and not apply:
            raise InvalidArgumentError("without --apply; right would be --apply --dry-run", "--dry-run")
        silent: list[str] = []
        if table is not None:
            bodies = _of_table(table, clear_secrets=apply)
        else:
            bodies, silent = _of_network(str(network), username, password, seconds, apply)
        given = {"owner": owner, "operated_by": operated_by, "commune": commune, "regime": regime}
        for body in bodies:
            body["spec"] |= {
                name: value for name, value in given.items() if value is not None and name not in body["spec"]
            }
        _check(bodies)
        for line in silent:
            print(f"warning: {line}", file=sys.stderr)
        if apply:
            with client_of(control, state, key, timeout) as client:
                applied = client.apply(objects=bodies, folder=str(Path.cwd()), dry_run=dry_run)
            print_applied(applied, as_json)
        elif as_json:
            print_json({"ok": not silent, "objects": bodies, "warnings": silent})
        else:
            from vigie.cli.yaml_text import yaml_of

            print(yaml_of(bodies), end="")
    if silent:
        raise typer.Exit(1)


def _of_table(file: Path, *, clear_secrets: bool) -> list[dict[str, Any]]:
    from vigie.policy import ConfigurationError, Problem
    from vigie.policy.csv_cameras import cameras_of_csv
    from vigie.policy.load import read_texts

    problems: list[Problem] = []
    texts = [] if file.is_dir() else read_texts([file], problems)
    if file.is_dir():
        problems.append(Problem(str(file), 0, "", "a folder; right would be a CSV file"))
    if problems:
        raise ConfigurationError(problems)
    bodies, problems = cameras_of_csv(texts[0][1], str(file))
    if not problems and not clear_secrets:
        for body in bodies:
            secret = body["spec"]["streams"]["main"].get("password", "env:")
            if not secret.startswith(("env:", "file:")):
                what = "a password in clear, which would be printed; right would be env:NAME, file:PATH, or --apply"
                problems.append(Problem(str(file), 0, f"{body['name']} column password", what))
    if problems:
        raise ConfigurationError(problems)
    return bodies


def _of_network(
    network: str, username: str, password: str, seconds: float, apply: bool
) -> tuple[list[dict[str, Any]], list[str]]:
    """The cameras of the devices that answer, and why those of others are missing."""
    import os

    from vigie.policy.secret import fetch_secret, reference_problem
    from vigie.site.discovery import Found, discover
    from vigie.site.onvif import list_onvif
    from vigie.site.partner import Partner

    try:
        asked = IPv4Network(network)
    except ValueError:
        raise InvalidArgumentError(f'"{network[:60]}"; right would be one such as 10.1.0.0/24', "--network") from None
    secret = ""
    if password:
        if problem := reference_problem(password):
            raise InvalidArgumentError(problem, "--password")
        try:
            secret = fetch_secret(password, os.getcwd(), os.environ)
        except ValueError as error:
            raise InvalidArgumentError(str(error), "--password") from None
    devices = discover(asked, seconds)

    def ask(device: Found) -> Any:
        try:
            return list_onvif(Partner(device.name, device.url, username, secret, tls_verify=False), 20.0)
        except Error as error:
            return f"{device.url} ({device.name or device.hardware or 'no name'}): {error}"

    with ThreadPoolExecutor(_TOGETHER) as pool:
        told = list(pool.map(ask, devices))
    login = ({"username": username} if username else {}) | ({"password": _absolute(password)} if password else {})
    names: set[str] = set()
    warnings = [one for one in told if isinstance(one, str)]
    bodies = [
        body
        for device, one in zip(devices, told, strict=True)
        if not isinstance(one, str)
        for body in _bodies(device, one, login, names, warnings)
    ]
    return bodies, warnings


def _absolute(password: str) -> str:
    return f"file:{Path(password[5:]).resolve()}" if password.startswith("file:") else password


def _bodies(
    device: Any, inventory: Any, login: Mapping[str, str], names: set[str], warnings: list[str]
) -> Iterator[dict[str, Any]]:
    """One camera a video source that has a stream. Named after the device, and its source where it has several.

    A stream on another host gets no credentials: a device could lead them anywhere.
    """
    from urllib.parse import urlsplit

    host = str(urlsplit(device.url).hostname)
    called = device.name or device.hardware or "camera"
    cameras = [camera for camera in inventory.cameras if camera.streams]
    for camera in cameras:
        base = _name(f"{called}-{host.replace('.', '-')}" + (f"-{camera.number}" if len(cameras) > 1 else ""))
        name, number = base, 2
        while name in names:
            name, number = f"{base[:60]}-{number}", number + 1
        names.add(name)
        streams: dict[str, Any] = {}
        for index, stream in enumerate(camera.streams):
            near = urlsplit(stream.url).hostname == host
            if login and not near:
                warnings.append(f"{name}: {stream.name} is on another host, so without username and password")
            on_demand = {"pull": "on_demand"} if index else {}
            streams[stream.name] = {"url": stream.url, **(login if near else {}), **on_demand}
        title = ", ".join(part for part in (called, camera.title, device.location) if part)
        yield {"kind": "Camera", "name": name, "spec": {"title": title[:256], "streams": streams}}


def _name(text: str) -> str:
    """A stranger's text as a name."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60].strip("-") or "camera"


def _check(bodies: Sequence[Mapping[str, Any]]) -> None:
    """What the options have added, and what devices have said. Raises: ConfigurationError."""
    from vigie.policy import ConfigurationError, Problem
    from vigie.policy.load import declare
    from vigie.policy.yaml_marks import Document

    problems: list[Problem] = []
    for body in bodies:
        declare(Document("import", 0, body), lambda reference, folder: reference, problems)
    if problems:
        raise ConfigurationError(problems)
