"""`vigie keys`: which clients may connect over `tcp://`. Works on the state folder; a running service takes it over."""

import json
from pathlib import Path
from typing import Annotated

import typer

from vigie.errors import InvalidArgumentError

app = typer.Typer(help="Keys of clients that connect over tcp://.", no_args_is_help=True)
StateFolder = Annotated[Path, typer.Option("--state", envvar="VIGIE_STATE", help="The state folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object.")]


@app.command()
def add(
    agent: Annotated[str, typer.Argument(help="The agent that it is of.", show_default=False)],
    state: StateFolder,
    out: Annotated[Path | None, typer.Option(help="File for the client's new keys.", show_default=False)] = None,
    public_key: Annotated[
        str | None, typer.Option(help="The client's own public key, where it has one.", show_default=False)
    ] = None,
    administrator: Annotated[bool, typer.Option("--administrator", help="May change objects.")] = False,
    trusted_host: Annotated[bool, typer.Option("--trusted-host", help="May speak for others.")] = False,
    as_json: AsJson = False,
) -> None:
    """Lets a client in, with a new key (in a file that only you can read) or its own."""
    from vigie.control import keys

    if (out is None) == (public_key is None):
        raise InvalidArgumentError("right would be either --out FILE or --public-key KEY", "--out")
    if out is not None and out.exists():
        raise InvalidArgumentError("exists already; right would be a new file", str(out))
    pair = keys.new_pair() if public_key is None else keys.Pair(public_key, "")
    server = keys.server_pair(state).public
    keys.add_client(state, keys.ClientKey(agent, pair.public, administrator, trusted_host))
    if out is not None:
        value = {"agent": agent, "public_key": pair.public, "secret_key": pair.secret, "server_key": server}
        keys.write_private(out, value)
    if as_json:
        print(json.dumps({"agent": agent, "public_key": pair.public, "server_key": server}))
    else:
        print(f"{agent} is let in with {pair.public}; the service's key is {server}")


@app.command("list")
def list_(state: StateFolder, as_json: AsJson = False) -> None:
    """Shows who is let in."""
    from vigie.control import keys

    clients = keys.read_clients(state / keys.CLIENTS)
    if as_json:
        print(json.dumps({"clients": [vars(client) for client in clients]}))
        return
    for client in clients:
        marks = [name for name in ("administrator", "trusted_host") if getattr(client, name)]
        print(f"{client.agent:<20} {client.public_key} {' '.join(marks)}".rstrip())


@app.command()
def revoke(
    agent: Annotated[str, typer.Argument(show_default=False)], state: StateFolder, as_json: AsJson = False
) -> None:
    """Lets a client in no more; what it still has open ends at once."""
    from vigie.control import keys

    keys.revoke_client(state, agent)
    print(json.dumps({"agent": agent, "revoked": True}) if as_json else f"{agent} is let in no more")
