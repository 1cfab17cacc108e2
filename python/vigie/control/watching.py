"""What the engine says of its viewers, taken over: lines of the journal, routes in use, one person in two places.

Thread: the event loop; the journal is written beside it.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from vigie.control.presence import Presence, TwoPlaces
from vigie.control.routes import Routes
from vigie.control.views import Views
from vigie.errors import Error
from vigie.events import Event
from vigie.journal import Record

RETRY_S = 1.0


class Journal(Protocol):
    """What of `StateJournal` is used."""

    def write(self, records: Sequence[Record]) -> None: ...


class Watching:
    """`on_two_places`: told of an identity that watches from two places."""

    def __init__(
        self,
        views: Views,
        presence: Presence,
        routes: Routes,
        journal: Journal,
        *,
        say: Callable[[str], None],
        on_two_places: Callable[[TwoPlaces], None],
    ) -> None:
        self._views = views
        self._presence = presence
        self._routes = routes
        self._journal = journal
        self._say = say
        self._on_two_places = on_two_places
        self._owed: list[Record] = []
        self._writer = ThreadPoolExecutor(1, "vigie-views")

    def attached(self, instance: str) -> None:
        """An engine is there; before anything of what it says."""
        self._views.attached(instance)
        self._presence.clear()
        self._routes.forget_sessions()

    def viewers(self, viewers: Iterable[Mapping[str, Any]]) -> None:
        """Those that are there, of which nothing will be said but that they left."""
        for viewer in viewers:
            self._began(viewer)

    async def deal_with(self, events: Sequence[Event]) -> None:
        """Returns when what these say is on the disk."""
        for event in events:
            if event.kind == "viewer_opened" and event.facts["route"]:
                self._routes.session_began(event.facts["route"], event.facts["viewer"])
            elif event.kind == "viewer_playing":
                self._began(event.facts)
            elif event.kind == "viewer_closed":
                self._presence.ended(event.facts)
                self._routes.session_ended(event.facts["route"], event.facts["viewer"])
        self._owed += self._views.records(events)
        await self._write()

    async def progress(self, viewers: Sequence[Mapping[str, Any]]) -> None:
        """Writes down how far views have come."""
        self._owed += self._views.progress(viewers)
        await self._write()

    def close(self) -> None:
        """What is being written is written."""
        self._writer.shutdown()

    def _began(self, facts: Mapping[str, Any]) -> None:
        if facts["route"]:
            self._routes.session_began(facts["route"], facts["viewer"])
        found = self._presence.began(facts)
        if found is not None:
            self._on_two_places(found)

    async def _write(self) -> None:
        owed, self._owed = self._owed, []
        said = False
        while owed:
            try:
                await asyncio.get_running_loop().run_in_executor(self._writer, self._journal.write, owed)
                return
            except Error as error:
                if not said:
                    self._say(f"views are not in the journal yet: {error}")
                said = True
                await asyncio.sleep(RETRY_S)
