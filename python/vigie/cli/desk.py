"""What people at a desk do: `vigie alarms`, `vigie incident`, `vigie approve`.

Exit codes: 0 done; 1 refused, not found, or nobody answers; 2 what was given is wrong.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from vigie.cli.answers import AsJson, Control, Key, StateFolder, Timeout, answers, client_of, print_json, time_text
from vigie.errors import InvalidArgumentError

if TYPE_CHECKING:
    from vigie.control import desk_ops


incident = typer.Typer(help="Bookmarks cameras at an instant, and shows them to a Post.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command()(alarms)
    app.command()(approve)
    app.add_typer(incident, name="incident")


def alarms(
    words: Annotated[
        list[str] | None, typer.Argument(metavar="[ack ID…]", help="Acknowledges these; nothing: lists.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Those too that are over and acknowledged.")] = False,
    kinds: Annotated[list[str] | None, typer.Option("--kind", help="Only these; may be repeated.")] = None,
    note: Annotated[str, typer.Option(help="With ack: what is done about them.")] = "",
    control: Control = "",
    state: StateFolder = None,
    key: Key = None,
    timeout: Timeout = 30,
    as_json: AsJson = False,
) -> None:
    """Lists alarms, the newest first, or acknowledges some: `vigie alarms ack ID…`."""
    with answers(as_json):
        if words and (words[0] != "ack" or len(words) < 2):
            raise InvalidArgumentError(f'"{" ".join(words)[:60]}"; right would be nothing, or: ack ID…', "alarms")
        with client_of(control, state, key, timeout) as client:
            found = client.acknowledge(words[1:], note) if words else client.alarms(all=every, kinds=kinds or ())
        if as_json:
            print_json({"alarms": [item.model_dump() for item in found]})
            return
        for item in found:
            print("\n".join(_lines(item)))
        if not found:
            print("no alarm")


def _lines(item: "desk_ops.AlarmOut") -> list[str]:
    times = f" ({item.count} times)" if item.count > 1 else ""
    over = f", over since {time_text(item.cleared_ns)}" if item.cleared_ns else ""
    lines = [f"{item.id}  {item.severity:<8} {item.kind} {item.object}{times}"]
    lines.append(f"    {item.text}; since {time_text(item.raised_ns)}{over}")
    if item.acknowledged_ns:
        note = f": {item.note}" if item.note else ""
        lines.append(f"    acknowledged by {item.acknowledged_by} {time_text(item.acknowledged_ns)}{note}")
    return lines


def approve(
    what: Annotated[str, typer.Argument(help="KIND/NAME; nothing: lists what waits.")] = "",
    fingerprint: Annotated[str, typer.Argument(help="Of the change, or its first 8 digits or more.")] = "",
    reason: Annotated[str, typer.Option(help="Why.")] = "",
    control: Control = "",
    state: StateFolder = None,
    key: Key = None,
    timeout: Timeout = 60,
    as_json: AsJson = False,
) -> None:
    """Lists the changes that wait for a second person's yes, or gives it to one; whoever asked applies anew then."""
    from vigie.control import desk_ops

    with answers(as_json), client_of(control, state, key, timeout) as client:
        waiting = client.waiting()
        if not what:
            _print_waiting(waiting, as_json)
            return
        kind, _, name = what.partition("/")
        of = [item for item in waiting if (item.kind, item.name) == (kind, name)]
        prints = {item.fingerprint for item in of if len(fingerprint) >= 8 and item.fingerprint.startswith(fingerprint)}
        if len(prints) != 1:
            known = ", ".join(sorted({item.fingerprint[:12] for item in of})) or "nothing waits there"
            raise InvalidArgumentError(f'"{fingerprint[:64]}"; right would be one of: {known}', what)
        if not reason:
            raise InvalidArgumentError("missing; right would be why", "--reason")
        wanted = desk_ops.ApprovalGive(fingerprint=prints.pop(), kind=kind, name=name, reason=reason)
        given = client.approve(wanted)
        if as_json:
            print_json({"ok": True, **given.model_dump()})
        else:
            print(f"{what}: approved ({', '.join(given.names)}); {of[0].requested_by} applies it anew")


def _print_waiting(waiting: "list[desk_ops.Waiting]", as_json: bool) -> None:
    if as_json:
        print_json({"waiting": [item.model_dump() for item in waiting]})
        return
    for item in waiting:
        mine = "" if item.mine else " (not yours to approve)"
        print(f"{item.kind}/{item.name}  {item.fingerprint[:12]}  {item.change}, asked by {item.requested_by}{mine}")
        print(f"    {time_text(item.since_ns)}: {item.why}")
        for field in item.fields:
            print(f"    {field}")
    if not waiting:
        print("nothing waits")


@incident.command("open")
def open_(
    cameras: Annotated[list[str], typer.Argument(help="Names of cameras.", show_default=False)],
    motive: Annotated[str, typer.Option(help="What happens.", show_default=False)],
    at: Annotated[
        str | None, typer.Option(help="An instant such as 2026-12-31T12:00:00+01:00; now when left out.")
    ] = None,
    before: Annotated[int, typer.Option(min=0, max=86400, help="Seconds before it that are to be kept.")] = 600,
    after: Annotated[int, typer.Option(min=0, max=86400, help="Seconds after it that are to be kept.")] = 300,
    post: Annotated[str, typer.Option(help="The Post whose people are shown the cameras.")] = "",
    purpose: Annotated[str, typer.Option(help="Such as public-safety; the default purpose when left out.")] = "",
    control: Control = "",
    state: StateFolder = None,
    key: Key = None,
    timeout: Timeout = 60,
    as_json: AsJson = False,
) -> None:
    """Opens an incident: what was recorded around it is to be kept, and the people at a Post are shown the cameras."""
    from vigie.control import desk_ops

    with answers(as_json):
        wanted = desk_ops.IncidentOpen(
            cameras=cameras, motive=motive, at_ns=_ns(at), before_s=before, after_s=after, post=post, purpose=purpose
        )
        with client_of(control, state, key, timeout) as client:
            opened = client.open_incident(wanted)
        if as_json:
            print_json({"ok": True, **opened.model_dump()})
            return
        told = f"; {opened.told} told at {post}" if post else ""
        print(f"{opened.name}: {time_text(opened.since_ns)} to {time_text(opened.until_ns)} is to be kept{told}")


@incident.command("list")
def list_(
    every: Annotated[bool, typer.Option("--all", help="Closed ones too.")] = False,
    control: Control = "",
    state: StateFolder = None,
    key: Key = None,
    timeout: Timeout = 30,
    as_json: AsJson = False,
) -> None:
    """Lists incidents."""
    with answers(as_json):
        with client_of(control, state, key, timeout) as client:
            found = client.incidents(all=every)
        if as_json:
            print_json({"incidents": [item.model_dump() for item in found]})
            return
        for item in found:
            by = f" by {item.opened_by}" if item.opened_by else ""
            print(f"{item.name}  {', '.join(item.cameras)}: {item.motive}")
            kept = f"{time_text(item.since_ns)} to {time_text(item.until_ns)}"
            print(f"    {kept}, opened{by} {time_text(item.opened_ns)}")
            if item.post:
                print(f"    shown to {item.post}")
            if item.closed_ns:
                print(f"    closed by {item.closed_by} {time_text(item.closed_ns)}: {item.outcome}")
        if not found:
            print("no incident")


@incident.command("close")
def close(
    name: Annotated[str, typer.Argument(help="The incident's name.", show_default=False)],
    outcome: Annotated[str, typer.Option(help="What became of it.", show_default=False)],
    control: Control = "",
    state: StateFolder = None,
    key: Key = None,
    timeout: Timeout = 60,
    as_json: AsJson = False,
) -> None:
    """Closes an incident. What was to be kept stays so."""
    with answers(as_json):
        with client_of(control, state, key, timeout) as client:
            closed = client.close_incident(name, outcome)
        if as_json:
            print_json({"ok": True, **closed.model_dump()})
        else:
            print(f"{closed.name}: closed")


def _ns(at: str | None) -> int | None:
    from vigie.policy.texts import utc_text
    from vigie.policy.windows import ns_of

    if at is None:
        return None
    try:
        return ns_of(datetime.fromisoformat(utc_text(at)))
    except ValueError as error:
        raise InvalidArgumentError(str(error), "--at") from None
