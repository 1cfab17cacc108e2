"""`vigie route open|list|close`: who watches what. Exit codes as `vigie get`."""

from typing import Annotated

import typer

from vigie.cli.answers import AsJson, Control, Key, StateFolder, Timeout, answers, client_of, print_json, time_text


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(no_args_is_help=True, help="Opens, lists and closes routes: who watches what.")
    group.command("open")(open_)
    group.command("list")(list_)
    group.command("close")(close)
    app.add_typer(group, name="route")


def open_(
    camera: Annotated[str, typer.Argument(help="Its name, or CAMERA@VERSION.", show_default=False)],
    stream: Annotated[str, typer.Option("--stream", help="Of the camera; nothing: the first.")] = "",
    purpose: Annotated[str, typer.Option("--purpose", help="What for; nothing: the default purpose.")] = "",
    post: Annotated[str, typer.Option("--post", help="The Post where the viewer sits.")] = "",
    agent: Annotated[str, typer.Option("--for", help="The agent who watches; nothing: this client itself.")] = "",
    begin: Annotated[
        float, typer.Option("--begin-within", min=1, max=300, help="Seconds; a player has to begin.")
    ] = 30,
    control: Control = "",
    state: StateFolder = None,
    key: Key = None,
    timeout: Timeout = 10,
    as_json: AsJson = False,
) -> None:
    """A URL to watch a camera by, or why not and whom to ask."""
    from vigie.control import ops

    wanted = ops.RouteOpen(camera=camera, stream=stream, purpose=purpose, post=post, ttl_ms=round(begin * 1000))
    with answers(as_json):
        with client_of(control, state, key, timeout, on_behalf_of=agent) as client:
            opened = client.open_route(wanted)
        if as_json:
            print_json(opened.model_dump())
            return
        print(opened.url)
        until = "no end is known" if opened.until_ns is None else f"until {time_text(opened.until_ns)}"
        print(f"route {opened.route}, {opened.camera}/{opened.stream} for {opened.agent}, {until}")
        print(opened.why)


def list_(
    camera: Annotated[str, typer.Argument(help="Its name; nothing: all.", show_default=False)] = "",
    control: Control = "",
    state: StateFolder = None,
    key: Key = None,
    timeout: Timeout = 10,
    as_json: AsJson = False,
) -> None:
    """Routes that are open: one's own whole, of others which organisation watches."""
    with answers(as_json):
        with client_of(control, state, key, timeout) as client:
            routes = client.routes(camera)
        if as_json:
            print_json({"routes": [route.model_dump() for route in routes]})
            return
        for route in routes:
            who = route.agent or route.organisation or "-"
            since = f"since {time_text(route.opened_ns)}{', watching' if route.watching else ''}"
            print(f"{route.route or '-':16}  {route.camera}/{route.stream}  {who}  {since}")


def close(
    route: Annotated[str, typer.Argument(help="Its name, as `vigie route list` says.", show_default=False)],
    control: Control = "",
    state: StateFolder = None,
    key: Key = None,
    timeout: Timeout = 30,
    as_json: AsJson = False,
) -> None:
    """Ends a route, and whoever watches by it."""
    with answers(as_json):
        with client_of(control, state, key, timeout) as client:
            client.close_route(route)
        if as_json:
            print_json({"closed": route})
        else:
            print(f"closed {route}")
