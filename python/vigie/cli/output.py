"""What `vigie serve` prints: events, figures and notes, as lines, as JSON, or as a table that is kept current."""

import json
from contextlib import AbstractContextManager
from dataclasses import asdict
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.live import Live

from vigie.cli import show

LIVE_INTERVAL_S = 0.5


class Output(AbstractContextManager["Output"]):
    """Entering shows the table, where there is to be one and a terminal for it. Thread: any, a line at a time."""

    def __init__(self, *, as_json: bool, live: bool, stats_interval_s: float | None) -> None:
        self._as_json = as_json
        # A table needs a terminal; without one its figures come as lines.
        self._console = Console() if live and not as_json else None
        self._table = self._console is not None and self._console.is_terminal
        self._live: Live | None = None
        if stats_interval_s is None and live:
            stats_interval_s = LIVE_INTERVAL_S if self._table else 5.0
        self.interval_s = stats_interval_s

    def __enter__(self) -> Self:
        if self._table:
            self._live = Live(console=self._console, auto_refresh=False)
            self._live.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._live is not None:
            self._live.__exit__(kind, error, at)
            self._live = None

    def figures(self, stats: dict[str, Any], sites: dict[str, Any]) -> None:
        """Figures of the engine and of its sites."""
        if self._as_json:
            self._line(json.dumps({"type": "stats", **stats, "sites": sites}))
        elif self._live is not None:
            title = f"vigie, revision {stats['revision']}"
            self._live.update(show.live_table(stats, title), refresh=True)
        else:
            self._line(show.stats_line(stats) + show.sites_text(sites))

    def event(self, event: Any) -> None:
        """An event of the engine."""
        self._line(json.dumps({"type": "event", **asdict(event)}) if self._as_json else show.event_line(event))

    def say(self, text: str) -> None:
        """A note."""
        self._line(json.dumps({"type": "note", "text": text}) if self._as_json else f"vigie: {text}")

    def tell(self, text: str, fields: dict[str, Any]) -> None:
        """What happened to a site."""
        line = {"type": "site", "text": text, **fields}
        self._line(json.dumps(line) if self._as_json else f"vigie: {text}")

    def _line(self, text: str) -> None:
        if self._live is not None and self._console is not None:
            self._console.print(text, markup=False, highlight=False)
        else:
            print(text, flush=True)
