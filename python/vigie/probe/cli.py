"""`vigie probe URL`."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from vigie.errors import InvalidArgumentError
from vigie.policy.secret import fetch_secret, reference_problem

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    url: Annotated[
        str,
        typer.Argument(
            help="rtsp://… or rtsps://…; credentials in it are taken out and never shown. Or sdp:FILE.",
            show_default=False,
        ),
    ] = "",
    username: Annotated[str, typer.Option(help="Of the camera.")] = "",
    password: Annotated[str, typer.Option(help="Of the camera: env:NAME or file:PATH.", show_default=False)] = "",
    seconds: Annotated[
        float, typer.Option(min=1, max=86400, help="Of pictures; 30 and more show a clock's drift.")
    ] = 10,
    transport: Annotated[str, typer.Option(help="auto, tcp, udp, http or multicast.")] = "auto",
    interface: Annotated[str, typer.Option(help="To hear multicast or sdp: on, such as eth1.")] = "",
    tls_ca: Annotated[Path | None, typer.Option(help="PEM file, for rtsps.", show_default=False)] = None,
    no_tls_verify: Annotated[bool, typer.Option("--no-tls-verify", help="Take any certificate.")] = False,
    strict: Annotated[str, typer.Option(help="Tolerances to switch off, such as A8,F1.")] = "",
    onvif: Annotated[bool, typer.Option("--onvif/--no-onvif", help="Ask the device's ONVIF service too.")] = True,
    dialogue: Annotated[bool, typer.Option("--dialogue/--no-dialogue", help="Show the RTSP messages.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="The report as one JSON object.")] = False,
    record: Annotated[
        Path | None,
        typer.Option(
            help="Save messages and packets, without secrets and pictures, to send them on.", show_default=False
        ),
    ] = None,
    replay: Annotated[
        Path | None, typer.Option(help="Probe what --record saved instead of a device.", show_default=False)
    ] = None,
) -> None:
    """Takes one camera in and says what it does, what it should not, and what to change.

    Exit code 0: pictures came; 1: none did, and the report says why.
    """
    from vigie.policy.texts import source_kind
    from vigie.probe import onvif as onvif_service
    from vigie.probe.fixture import CREDENTIALS, Replay, load_fixture, save_fixture
    from vigie.probe.report import make_report, print_report
    from vigie.probe.run import make_target, run_probe

    if transport not in ("auto", "tcp", "udp", "http", "multicast"):
        right = "right would be auto, tcp, udp, http or multicast"
        raise typer.BadParameter(f"{transport!r}; {right}", param_hint="--transport")
    if record and source_kind(url) == "sdp":
        right = "right would be to send the file and a capture of the packets"
        raise typer.BadParameter(f"a session description has no dialogue to replay; {right}", param_hint="--record")
    if bool(url) == bool(replay):
        raise typer.BadParameter("right would be a URL, or --replay FILE", param_hint="URL")
    ids = tuple(part.strip() for part in strict.split(",") if part.strip())
    progress = Console(stderr=True)

    def show(text: str) -> None:
        progress.print(text, markup=False, highlight=False, soft_wrap=True, style="dim")

    if replay:
        fixture = load_fixture(replay)
        user, word = CREDENTIALS if fixture.wants_credentials else ("", "")
        over = "udp" if fixture.transport == "udp" else "tcp"
        length = fixture.packets[-1].at_s if fixture.packets else 1
        with Replay(fixture) as device:
            target = make_target(device.url, username=user, password=word, transport=over, strict=ids)
            run = run_probe(target, min(seconds, max(0.5, length - 0.5)), on_progress=show)
        run.url = fixture.url
        report = make_report(run)
    else:
        target = make_target(
            url,
            username=username,
            password=_secret(password),
            transport=transport,
            interface=interface,
            tls_ca=tls_ca,
            tls_verify=not no_tls_verify,
            strict=ids,
        )
        run = run_probe(target, seconds, record=record is not None, on_progress=show)
        asked = onvif and source_kind(url) == "rtsp"
        report = make_report(run, onvif_service.ask(target) if asked else None)
    if record and not replay:
        save_fixture(record, url=run.url, transport=run.transport, source=run.source)
        show(f"saved to {record}: messages without secrets, packets without pictures; look at it before you send it")
    if as_json:
        json.dump(report, sys.stdout, indent=2)
        print()
    else:
        print_report(report, Console(), dialogue=dialogue)
    raise typer.Exit(0 if report["good"] else 1)


def _secret(reference: str) -> str:
    """The password behind a reference. Raises: InvalidArgumentError."""
    if not reference:
        return ""
    if problem := reference_problem(reference):
        raise InvalidArgumentError(problem, "--password")
    try:
        return fetch_secret(reference, os.curdir, os.environ)
    except ValueError as error:
        raise InvalidArgumentError(str(error), "--password") from None
