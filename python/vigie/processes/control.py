"""The control process of a state folder: the plane, with its output and its questions on the feed."""

import threading
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vigie.errors import Error
from vigie.events import Event
from vigie.processes import feed, run_folder


def run(state: Path, options: Mapping[str, Any]) -> int:
    """Until it is told to stop; the exit code.

    `options`: endpoints, figures, server, files, apply_files, journal_copy.
    """
    kept = {name: value for name, value in options.items() if name != "apply_files"}
    run_folder.announce(state, run_folder.CONTROL, kept)
    from vigie.cli.sites import Sites, take_over_sites
    from vigie.cli.sources import read_sources
    from vigie.control import plane

    files = [Path(name) for name in options["files"]]
    wanted = plane.Options(
        folder=state,
        engine=run_folder.engine_endpoint(state),
        endpoints=options["endpoints"],
        figures=options["figures"],
        server=options["server"],
        read_files=(lambda: read_sources(files)) if files else None,
        apply_files=options["apply_files"],
        journal_copy=None if options["journal_copy"] is None else Path(options["journal_copy"]),
    )
    with feed.Feed(feed.socket_path(state)) as to_supervisor:
        out = _Output(to_supervisor, lambda: run_folder.announce(state, run_folder.CONTROL, kept, ready=True))

        def on_made(made: plane.Plane) -> None:
            to_supervisor.greeting = lambda: _greeting(made, out)
            to_supervisor.hear(lambda record: _wanted(made, to_supervisor, record))

        try:
            return plane.serve_plane(wanted, out, Sites(out.tell), take_over_sites, on_made)
        except Error as error:  # where the disk is full this is the one way to say it
            to_supervisor.put({"type": "last words", "text": f"error: {error}"})
            raise


class _Output:
    """What the plane says, as records of the feed."""

    def __init__(self, to: feed.Feed, on_ready: Any) -> None:
        self._to = to
        self._on_ready = on_ready
        self.is_ready = False

    def say(self, text: str) -> None:
        self._to.put({"type": "note", "text": text})

    def tell(self, text: str, fields: Mapping[str, Any]) -> None:
        """What happened to a site."""
        self._to.put({"type": "site", "text": text, "fields": fields})

    def event(self, event: Event) -> None:
        self._to.put({"type": "event", "event": asdict(event)})

    def figures(self, stats: dict[str, Any], sites: dict[str, Any]) -> None:
        self._to.put({"type": "figures", "stats": stats, "sites": sites})

    def ready(self) -> None:
        self.is_ready = True
        self._on_ready()
        self._to.put({"type": "ready"})


def _greeting(made: Any, out: _Output) -> list[feed.Record]:
    lines: list[feed.Record] = [{"type": "note", "text": line} for line in made.standing()]
    return [*lines, {"type": "ready"}] if out.is_ready else lines


def _wanted(made: Any, to: feed.Feed, record: feed.Record) -> None:
    """What the supervisor asks for."""
    match record.get("do"):
        case "stop":
            made.stop(with_engine=record["with_engine"])
        case "reload":
            made.reload()
        case "interval":
            made.set_interval(record["interval_s"])
        case "facts":
            # The engine may take its time: lines are not to wait for it. The supervisor asks for few at once.
            threading.Thread(target=_give_facts, args=(made, to, record["number"]), daemon=True).start()


def _give_facts(made: Any, to: feed.Feed, number: int) -> None:
    to.put({"type": "facts", "number": number, "facts": made.facts()})
