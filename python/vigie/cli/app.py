"""The sub-commands and their options."""

import importlib
import json
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from vigie.cli import answers, cameras, clock, completion, desk, keys, objects, routes
from vigie.cli.backup import backup

# Locals in a traceback would show passwords.
app = typer.Typer(
    name="vigie",
    help="Video engine for supervision centres: takes cameras in, hides private places, serves every viewer.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Files = Annotated[
    list[Path],
    typer.Option("--file", "-f", help="YAML file, or folder of YAML files; may be repeated.", show_default=False),
]
ServerName = Annotated[
    str | None, typer.Option("--server", help="Which Server to run, where several are declared.", show_default=False)
]


def run() -> None:
    """Runs the command line; every error of vigie is one line and exit code 1."""
    from vigie.errors import Error

    try:
        app()
    except Error as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:  # `vigie … | head`
        sys.stderr.close()
        sys.exit(0)


@app.command()
def serve(
    files: Annotated[
        list[Path] | None,
        typer.Option("--file", "-f", help="YAML file, or folder of them; may be repeated.", show_default=False),
    ] = None,
    state: Annotated[
        Path | None, typer.Option(help="Keep the objects in this folder, and answer `vigie apply`.", show_default=False)
    ] = None,
    control: Annotated[
        list[str] | None,
        typer.Option(
            help="Where to answer: ipc://PATH, or tcp://ADDRESS:PORT for clients with keys.", show_default=False
        ),
    ] = None,
    figures: Annotated[str, typer.Option(help="Where to publish figures.", show_default=False)] = "",
    check: Annotated[bool, typer.Option("--check", help="Only check the files.")] = False,
    server: ServerName = None,
    shards: Annotated[int, typer.Option(min=1, max=256, help="I/O threads: one per core given.")] = 1,
    pin: Annotated[
        str | None, typer.Option(help="CPUs for the I/O threads, such as 0,2 or 0-3.", show_default=False)
    ] = None,
    mask_encoder: Annotated[
        str, typer.Option(help="What codes masked pictures: vigie, libx264 …", show_default="vigie")
    ] = "",
    stats_interval: Annotated[
        float | None, typer.Option(min=0.1, help="Seconds between two lines of figures.", show_default=False)
    ] = None,
    live: Annotated[bool, typer.Option("--live", help="A table of the cameras that is kept current.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Events and figures as one JSON object a line.")] = False,
    http: Annotated[
        str | None, typer.Option(help="Where /health and /metrics are, such as 127.0.0.1:9464.", show_default=False)
    ] = None,
    journal_copy: Annotated[
        Path | None,
        typer.Option(help="Copy the journal to this folder, on another disk or machine.", show_default=False),
    ] = None,
) -> None:
    """Takes the cameras in and serves viewers, until SIGTERM or Ctrl-C. SIGHUP reads the files again.

    A reload touches only what changed; with any mistake in the files the running policy stays. With --state the objects
    are kept there, files that are given are applied at the start and on SIGHUP, and engine and control are processes
    of their own: when one dies, the others go on and it is started again.
    """
    from vigie.cli import configuration
    from vigie.cli.service import Options, Service, serve_from_state

    if not files and (check or state is None):
        raise typer.BadParameter("missing; right would be a YAML file, or --state DIR", param_hint="--file")
    of_state = {"--control": control, "--figures": figures, "--http": http, "--journal-copy": journal_copy}
    for option, given in of_state.items():
        if state is None and given:
            raise typer.BadParameter("without --state; right would be --state DIR", param_hint=option)
    if check:
        raise typer.Exit(configuration.check(files or [], server))
    if http:
        _address(http)
    cpus = _cpus(pin)
    _known_encoder(mask_encoder)
    options = Options(files or [], server, shards, cpus, stats_interval, live, as_json, mask_encoder)
    if state is not None:
        copy = None if journal_copy is None else _second_place(journal_copy, state)
        raise typer.Exit(serve_from_state(options, state, control or [], figures, http, copy))
    raise typer.Exit(Service(options).run())


@app.command()
def check(
    files: Files,
    server: ServerName = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object with all mistakes.")] = False,
) -> None:
    """Checks the files and says every mistake: file, line, field, what is wrong and what would be right."""
    from vigie.cli import configuration

    raise typer.Exit(configuration.check(files, server, as_json))


class SchemaName(StrEnum):
    """What `vigie schema` prints: kinds in small letters; `objects`: all of them."""

    snapshot = "snapshot"
    server = "server"
    site = "site"
    camera = "camera"
    maskset = "maskset"
    organisation = "organisation"
    agent = "agent"
    post = "post"
    authorisation = "authorisation"
    convention = "convention"
    opening = "opening"
    watchorder = "watchorder"
    approval = "approval"
    incident = "incident"
    outlet = "outlet"
    identityprovider = "identityprovider"
    recordingpolicy = "recordingpolicy"
    volume = "volume"
    requisition = "requisition"
    hold = "hold"
    objects = "objects"


@app.command()
def schema(
    name: Annotated[SchemaName, typer.Argument(help="The engine's policy snapshot, or a kind of the YAML.")] = (
        SchemaName.snapshot
    ),
) -> None:
    """Prints a JSON Schema. `objects`: of a YAML document of any kind, for an editor."""
    from vigie.policy.json_schema import kind_schema, objects_schema
    from vigie.policy.objects import KINDS
    from vigie.schema import policy_snapshot

    kind = next((known for known in KINDS if known.lower() == name.value), None)
    whole = objects_schema if name is SchemaName.objects else policy_snapshot
    print(json.dumps(whole() if kind is None else kind_schema(kind), indent=2))


class ActionName(StrEnum):
    """What an agent may want to do."""

    live = "live"
    playback = "playback"
    export = "export"
    ptz = "ptz"


@app.command()
def can(
    agent: Annotated[str, typer.Argument(help="The agent's name.", autocompletion=completion.agents)],
    camera: Annotated[str, typer.Argument(help="The camera's name.", autocompletion=completion.cameras)],
    action: Annotated[ActionName, typer.Argument(help="What it wants to do.")],
    files: Files,
    purpose: Annotated[
        str | None, typer.Option(help="Such as public-safety; the default purpose when left out.", show_default=False)
    ] = None,
    at: Annotated[
        str | None, typer.Option(help="An instant such as 2026-12-31T12:00:00+01:00; now when left out.")
    ] = None,
    post: Annotated[str | None, typer.Option(help="The Post where the agent sits.", show_default=False)] = None,
    zone: Annotated[str, typer.Option(help="The time zone of the answer's times.")] = "Europe/Paris",
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object; times in UTC.")] = False,
) -> None:
    """Says whether an agent may do something to a camera, until when, and why.

    Exit code 0: yes; 1: no; 2: what was given is wrong.
    """
    from vigie.cli.can import can as ask

    raise typer.Exit(ask(files, agent, camera, action.value, purpose, at, post, zone, as_json))


class SortName(StrEnum):
    """What `vigie top` sorts by."""

    camera = "camera"
    number = "number"
    state = "state"
    fps = "fps"
    bitrate = "bitrate"
    viewers = "viewers"
    lost = "lost"
    dropped = "dropped"
    lag = "lag"
    cpu = "cpu"


@app.command()
def top(
    sort: Annotated[SortName, typer.Option(help="What the rows are sorted by.")] = SortName.camera,
    reverse: Annotated[bool, typer.Option("--reverse", help="The other way round.")] = False,
    camera: Annotated[
        list[str] | None,
        typer.Option(help="Only cameras of this pattern; may be repeated.", autocompletion=completion.cameras),
    ] = None,
    stream_state: Annotated[
        list[str] | None, typer.Option(help="Only streams in this state, such as silent; may be repeated.")
    ] = None,
    privacy: Annotated[
        list[str] | None, typer.Option(help="Only streams that are clear, masked, covered…; may be repeated.")
    ] = None,
    problems: Annotated[
        bool, typer.Option("--problems", help="Only streams that do not play, or have lost or dropped something.")
    ] = False,
    interval: Annotated[float, typer.Option(min=0.2, max=3600, help="Seconds between two looks.")] = 1,
    once: Annotated[bool, typer.Option("--once", help="One table, after one interval.")] = False,
    control: answers.Control = "",
    state: answers.StateFolder = None,
    key: answers.Key = None,
    timeout: answers.Timeout = 10,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a look.")] = False,
) -> None:
    """All streams, kept current until Ctrl-C: state, masks, fps, bit rate, viewers, what was lost or dropped, cores."""
    from vigie.cli.top import View
    from vigie.cli.top import top as show

    view = View(sort.value, reverse, camera or (), stream_state or (), privacy or (), problems)
    with answers.answers(as_json), answers.client_of(control, state, key, timeout) as client:
        show(client, view, interval, once=once, as_json=as_json)


@app.command()
def version(as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False) -> None:
    """Prints the versions of the package and of its native core."""
    from importlib import metadata

    try:
        package = metadata.version("vigie")
    except metadata.PackageNotFoundError:
        package = "from source"
    try:
        core = importlib.import_module("vigie._core").version()
    except ImportError as error:
        core = f"not built ({error})"
    print(json.dumps({"vigie": package, "core": core}) if as_json else f"vigie {package}, core {core}")


@app.command()
def demo(
    clip: Annotated[Path | None, typer.Option(help="Every camera plays this clip.", show_default=False)] = None,
    url: Annotated[str | None, typer.Option(help="A real camera joins: rtsp://….", show_default=False)] = None,
    username: Annotated[str | None, typer.Option(help="Of that camera.", show_default=False)] = None,
    password: Annotated[
        str | None, typer.Option(help="Of that camera: env:NAME or file:PATH.", show_default=False)
    ] = None,
    seconds: Annotated[float, typer.Option(min=5, max=3600, help="How long the town runs.")] = 30,
    cameras: Annotated[int, typer.Option(min=1, max=64, help="How many simulated cameras.")] = 12,
    out: Annotated[Path, typer.Option(help="Folder for the contact sheet and the summary.")] = Path("demo-out"),
) -> None:
    """Runs a small simulated town with viewers, then a city in which a right ends in front of a viewer.

    Leaves a contact sheet of what viewers received, figures, and the city's journal. Exit code 1: not all went well.
    """
    from vigie.demo.town import DemoOptions, run_demo

    raise typer.Exit(run_demo(DemoOptions(clip, url, username, password, seconds, cameras, out)))


def _pass_on(name: str, module: str, help_text: str) -> None:
    """Adds a sub-command whose own typer app is imported only when it is called."""

    @app.command(
        name,
        help=help_text,
        add_help_option=False,
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    )
    def call(context: typer.Context) -> None:
        try:
            found = importlib.import_module(module)
        except ModuleNotFoundError as error:
            print(f"error: vigie {name} is not part of this installation ({error})", file=sys.stderr)
            raise typer.Exit(1) from None
        found.app(args=context.args, prog_name=f"vigie {name}")


objects.register(app)
desk.register(app)
routes.register(app)
app.command()(backup)
app.add_typer(keys.app, name="keys")
app.add_typer(clock.app, name="clock")
app.add_typer(cameras.app, name="cameras")
_pass_on("sim", "vigie.sim.cli", "Simulated RTSP cameras, with faults on demand.")
_pass_on("load", "vigie.load", "Simulated viewers that check continuity and measure latency.")
_pass_on("site", "vigie.site.cli", "Shows what the partners of the declared sites offer.")
_pass_on("probe", "vigie.probe.cli", "Takes one camera in and says what it does, should not, and what to change.")
_pass_on("inspect", "vigie.inspect.cli", "Says which masks the pictures of a recording were filled with.")
_pass_on("journal", "vigie.journal.cli", "Proves that the journal is whole, and answers from it.")
_pass_on("bench", "vigie.bench.cli", "Measures how many streams this machine carries.")


def _address(text: str) -> None:
    """Whether it is `ADDRESS:PORT`."""
    from vigie.errors import InvalidArgumentError
    from vigie.processes.web import parsed

    try:
        parsed(text)
    except InvalidArgumentError as error:
        raise typer.BadParameter(error.what, param_hint="--http") from None


def _second_place(copy: Path, state: Path) -> Path:
    """The folder that the journal is copied to, absolute. Not checked: that it is there."""
    if Path(os.path.realpath(copy)).is_relative_to(os.path.realpath(state)):
        what = f"{copy} lies in the state folder {state}, and would be lost with it"
    elif os.path.exists(copy) and not os.path.isdir(copy):
        what = f"{copy} is not a folder"
    else:
        return Path(os.path.abspath(copy))
    raise typer.BadParameter(f"{what}; right would be a folder on another disk or machine", param_hint="--journal-copy")


def _known_encoder(name: str) -> None:
    """Refuses what is not there, before a process is started that would."""
    if not name:
        return
    from vigie.engine import mask_encoders

    if name not in (known := mask_encoders()):
        raise typer.BadParameter(
            f"{name!r} is not here; right would be {' or '.join(known)}", param_hint="--mask-encoder"
        )


def _cpus(text: str | None) -> list[int]:
    """`0,2` or `0-3` as a list."""
    cpus: list[int] = []
    for part in text.split(",") if text else []:
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()) or int(last or first) < int(first):
            raise typer.BadParameter(f"{text!r} is not a list of CPUs; right would be 0,2 or 0-3", param_hint="--pin")
        cpus.extend(range(int(first), int(last or first) + 1))
    return cpus
