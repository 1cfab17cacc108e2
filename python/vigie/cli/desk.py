"""What people at a desk do: `vigie alarms`.

Exit codes: 0 done; 1 refused, not found, or nobody answers; 2 what was given is wrong.
"""

from typing import TYPE_CHECKING, Annotated

import typer

from vigie.cli.answers import AsJson, Control, Key, StateFolder, Timeout, answers, client_of, print_json, time_text
from vigie.errors import InvalidArgumentError

if TYPE_CHECKING:
    from vigie.control import desk_ops


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command()(alarms)


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
