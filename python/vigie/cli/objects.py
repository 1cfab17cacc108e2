"""Clients of the service: `vigie apply get describe delete export history rollback wait events`.

Exit codes: 0 done; 1 refused, not found, or nobody answers; 2 what was given is wrong (options, YAML).
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vigie.cli import completion
from vigie.cli.answers import AsJson, Control, Key, StateFolder, Timeout, answers, client_of, print_json, time_text
from vigie.errors import InvalidArgumentError

if TYPE_CHECKING:
    from vigie.control import ops

Names = Annotated[
    list[str],
    typer.Argument(
        help="KIND/NAME, such as Camera/place-armes-01.", show_default=False, autocompletion=completion.objects
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")]
ExpectRev = Annotated[
    int | None, typer.Option("--expect-rev", help="Refuse if the state is at another one.", show_default=False)
]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    for command in (apply, get, describe, delete, export, history, rollback, wait, events):
        app.command()(command)


def apply(
    files: Annotated[
        list[Path], typer.Option("--file", "-f", help="YAML file, or folder; may be repeated.", show_default=False)
    ],
    dry_run: DryRun = False,
    prune: Annotated[bool, typer.Option("--prune", help="Delete own objects that are not in the files.")] = False,
    expect_rev: ExpectRev = None,
    control: Control = "",
    state: StateFolder = None,
    key: Key = None,
    timeout: Timeout = 60,
    as_json: AsJson = False,
) -> None:
    """Makes the objects of YAML files so: all of them in one revision, or none."""
    from vigie.cli.sources import read_sources
    from vigie.control import ops

    with answers(as_json):
        sources = [
            ops.YamlSource(text=one.text, file=one.file[-1024:], folder=one.folder) for one in read_sources(files)
        ]
        with client_of(control, state, key, timeout) as client:
            applied = client.apply(yaml=sources, prune=prune, dry_run=dry_run, expect_rev=expect_rev)
        print_applied(applied, as_json)


def get(
    what: Annotated[
        str, typer.Argument(help="KIND, KIND/NAME or KIND/PATTERN; nothing: all.", autocompletion=completion.objects)
    ] = "",
    labels: Annotated[list[str] | None, typer.Option("-l", "--label", help="NAME=VALUE; may be repeated.")] = None,
    fields: Annotated[
        list[str] | None, typer.Option("--field", help="PATH=VALUE, such as spec.commune=57463; may be repeated.")
    ] = None,
    control: Control = "",
    state: StateFolder = None,
    key: Key = None,
    timeout: Timeout = 30,
    as_json: AsJson = False,
) -> None:
    """Lists objects."""
    with answers(as_json):
        found = _objects(what, labels, fields, (control, state, key, timeout))
        if as_json:
            print_json({"objects": [item.model_dump() for item in found]})
            return
        width = max((len(f"{item.kind}/{item.name}") for item in found), default=0)
        for item in found:
            title = str(item.body.get("spec", {}).get("title", ""))
            print(f"{item.kind + '/' + item.name:<{width}}  revision {item.rev}  {title}".rstrip())


def describe(
    what: Annotated[str, typer.Argument(help="KIND/NAME.", show_default=False, autocompletion=completion.objects)],
    control: Control = "",
    state: StateFolder = None,
    key: Key = None,
    timeout: Timeout = 30,
    as_json: AsJson = False,
) -> None:
    """Shows one object: what was applied, what its streams do, who changed it."""
    from vigie.cli.yaml_text import yaml_of
    from vigie.control import ops

    with answers(as_json):
        kind, name = _name(what)
        with client_of(control, state, key, timeout) as client:
            (found,) = client.get(ops.ObjectsGet(kind=kind, name=name))
            items = client.state([kind]).items
            revisions = client.history(ops.ObjectsHistory(kind=kind, name=name, limit=10)).revisions
        streams = next((item.streams for item in items if (item.kind, item.name) == (kind, name)), {})
        if as_json:
            past = [item.model_dump() for item in revisions]
            print_json({**found.model_dump(), "streams": streams, "history": past})
            return
        print(yaml_of([found.body]), end="")
        print(f"# revision {found.rev}, owner {found.owner}")
        for stream, now in streams.items():
            print(f"# stream {stream}: {now}")
        for revision in revisions:
            for line in _revision_lines(revision, (kind, name)):
                print(f"# {line}")


def delete(
    names: Names,
    dry_run: DryRun = False,
    expect_rev: ExpectRev = None,
    control: Control = "",
    state: StateFolder = None,
    key: Key = None,
    timeout: Timeout = 30,
    as_json: AsJson = False,
) -> None:
    """Deletes objects: all that are named in one revision, or none."""
    with answers(as_json):
        keys = [_name(name) for name in names]
        with client_of(control, state, key, timeout) as client:
            applied = client.delete(keys, expect_rev=expect_rev, dry_run=dry_run)
        print_applied(applied, as_json)


def export(
    what: Annotated[
        str, typer.Argument(help="KIND, KIND/NAME or KIND/PATTERN; nothing: all.", autocompletion=completion.objects)
    ] = "",
    labels: Annotated[list[str] | None, typer.Option("-l", "--label", help="NAME=VALUE; may be repeated.")] = None,
    fields: Annotated[list[str] | None, typer.Option("--field", help="PATH=VALUE; may be repeated.")] = None,
    control: Control = "",
    state: StateFolder = None,
    key: Key = None,
    timeout: Timeout = 30,
    as_json: AsJson = False,
) -> None:
    """Prints objects as YAML that applies again. Secrets given in clear stand as references into this state."""
    from vigie.cli.yaml_text import yaml_of

    with answers(as_json):
        found = _objects(what, labels, fields, (control, state, key, timeout))
        if as_json:
            print_json({"objects": [item.body for item in found]})
        else:
            print(yaml_of([item.body for item in found]), end="")


def history(
    what: Annotated[
        str, typer.Argument(help="KIND or KIND/NAME; nothing: all.", autocompletion=completion.objects)
    ] = "",
    limit: Annotated[int, typer.Option("-n", min=1, max=1000, help="How many revisions.")] = 20,
    before: Annotated[int | None, typer.Option(help="Only older ones.", show_default=False)] = None,
    control: Control = "",
    state: StateFolder = None,
    key: Key = None,
    timeout: Timeout = 30,
    as_json: AsJson = False,
) -> None:
    """Who changed what, and when; the newest first."""
    from vigie.control import ops

    with answers(as_json):
        kind, _, name = what.partition("/")
        with client_of(control, state, key, timeout) as client:
            page = client.history(ops.ObjectsHistory(kind=kind, name=name, before=before, limit=limit))
        if as_json:
            print_json(page.model_dump())
            return
        for revision in page.revisions:
            print("\n".join(_revision_lines(revision)))


def rollback(
    to_rev: Annotated[int, typer.Argument(min=0, help="The revision to go back to.", show_default=False)],
    removal_reason: Annotated[
        str, typer.Option("--removal-reason", help="Who agreed, and why, where more is shown than now.")
    ] = "",
    dry_run: DryRun = False,
    expect_rev: ExpectRev = None,
    control: Control = "",
    state: StateFolder = None,
    key: Key = None,
    timeout: Timeout = 60,
    as_json: AsJson = False,
) -> None:
    """Makes your own objects as they were, as a new revision."""
    from vigie.control import ops

    with answers(as_json):
        wanted = ops.ObjectsRollback(
            to_rev=to_rev, removal_reason=removal_reason, expect_rev=expect_rev, dry_run=dry_run
        )
        with client_of(control, state, key, timeout) as client:
            applied = client.rollback(wanted)
        print_applied(applied, as_json)


def wait(
    camera: Annotated[str, typer.Argument(help="CAMERA or CAMERA/STREAM.", autocompletion=completion.cameras)] = "",
    rev: Annotated[
        int | None, typer.Option("--rev", help="Until the state has reached it.", show_default=False)
    ] = None,
    until: Annotated[str, typer.Option("--for", help="The state of the stream.")] = "playing",
    control: Control = "",
    state: StateFolder = None,
    key: Key = None,
    timeout: Timeout = 60,
    as_json: AsJson = False,
) -> None:
    """Waits until a stream is in a state, or the state at a revision; exit code 1 when the time is over."""
    from vigie.control import ops

    with answers(as_json):
        name, _, stream = camera.partition("/")
        wanted = ops.ObjectsWait(rev=rev, camera=name, stream=stream, state=until)
        with client_of(control, state, key, timeout) as client:
            waited = client.wait(wanted, timeout_s=timeout)
        if as_json:
            print_json(waited.model_dump())
        else:
            print(f"{camera}: {waited.state}" if camera else f"revision {waited.rev}")


def events(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Every event from now on, until Ctrl-C.")] = False,
    kinds: Annotated[list[str] | None, typer.Option("--kind", help="Only these; may be repeated.")] = None,
    control: Control = "",
    state: StateFolder = None,
    key: Key = None,
    timeout: Timeout = 30,
    as_json: AsJson = False,
) -> None:
    """What is there now, one line each; with -f every event after it, also over restarts of the service."""
    from vigie.control.session import State

    with answers(as_json), client_of(control, state, key, timeout) as client:
        if not follow:
            _print_state(client.state(), as_json)
            return
        client.ping()  # somebody is there, or the exit code says so
        try:
            for item in client.watch(kinds or ()):
                if isinstance(item, State):
                    _print_state(item, as_json)
                elif as_json:
                    print_json({"type": "event", **_event_fields(item)})
                else:
                    text = item.body.get("text") or item.body.get("state") or ""
                    rev = f"revision {item.body['rev']}" if "rev" in item.body else ""
                    print(f"{time_text(item.ts_ns)} {item.kind:<15} {item.object}: {text or rev}", flush=True)
        except KeyboardInterrupt:
            return


def _name(text: str) -> tuple[str, str]:
    kind, slash, name = text.partition("/")
    if not slash or not kind or not name:
        raise InvalidArgumentError(f'"{text}"; right would be KIND/NAME', "name")
    return kind, name


def _pairs(texts: Sequence[str] | None) -> dict[str, str]:
    found = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InvalidArgumentError(f'"{text}"; right would be NAME=VALUE', "selector")
        found[name] = value
    return found


def _objects(what: str, labels: Sequence[str] | None, fields: Sequence[str] | None, to: Any) -> "list[ops.Object]":
    from vigie.control import ops

    kind, _, name = what.partition("/")
    wanted = ops.ObjectsGet(kind=kind, name=name, labels=_pairs(labels), fields=_pairs(fields))
    with client_of(*to) as client:
        return client.get(wanted)


def print_applied(applied: "ops.Applied", as_json: bool) -> None:
    """What an apply or a deletion has changed, or would change."""
    if as_json:
        print_json({"ok": True, **applied.model_dump()})
        return
    for warning in applied.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    for change in applied.changes:
        print("\n".join(_change_lines(change)))
    if len(applied.changes) < applied.total:
        print(f"… and {applied.total - len(applied.changes)} more")
    for name in applied.left:
        print(f"left alone: {name}, which is somebody else's")
    count = f"{applied.total} change{'' if applied.total == 1 else 's'}"
    print(f"revision {applied.rev}: {count} would be made" if applied.dry_run else f"revision {applied.rev}: {count}")


def _change_lines(change: "ops.ObjectChanged") -> Iterator[str]:
    from vigie.control.diff import Change, FieldChange

    fields = tuple(FieldChange(item.path, item.before, item.after) for item in change.fields)
    return Change(change.action, change.kind, change.name, fields).lines()


def _revision_lines(revision: "ops.RevisionOut", only: tuple[str, str] | None = None) -> Iterator[str]:
    who = revision.client + (f" for {revision.on_behalf_of}" if revision.on_behalf_of else "")
    why = f" ({revision.reason})" if revision.reason else ""
    yield f"revision {revision.rev}  {time_text(revision.ts_ns)}  {who}{why}"
    for change in revision.changes:
        if only is None or (change.kind, change.name) == only:
            yield from (f"    {line}" for line in _change_lines(change))
    if len(revision.changes) < revision.total:
        yield f"    … and {revision.total - len(revision.changes)} more"


def _print_state(state: Any, as_json: bool) -> None:
    if as_json:
        items = [item.model_dump() for item in state.items]
        print_json({"type": "state", "rev": state.rev, "epoch": state.epoch, "items": items})
        return
    print(f"revision {state.rev}, {len(state.items)} objects", flush=True)
    for item in state.items:
        streams = ", ".join(f"{name} {now}" for name, now in item.streams.items())
        print(f"{item.kind}/{item.name}{': ' if streams else ''}{streams}", flush=True)


def _event_fields(event: Any) -> dict[str, Any]:
    return {name: getattr(event, name) for name in ("seq", "epoch", "ts_ns", "kind", "object", "body")}
