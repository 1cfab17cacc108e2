"""What the engine says of its viewers, taken over: lines of the journal, routes in use, one person in two places.

Thread: the event loop; the journal is written beside it.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from vigie.control.diff import Find
from vigie.control.presence import Presence
from vigie.control.routes import Routes
from vigie.control.views import Views
from vigie.errors import Error
from vigie.events import Event
from vigie.journal import Record
from vigie.policy.live_rights import LiveRights
from vigie.policy.persons import post_at
from vigie.policy.routing import Verdict, Wish, verdict_by_rules

RETRY_S = 1.0


class Journal(Protocol):
    """What of `StateJournal` is used."""

    def write(self, records: Sequence[Record]) -> None: ...


class Watching:
    """`secret`: names views. `find`: an object by kind and name. `decided`: the rights in force.

    `raise_alarm`: with a kind, whom it is about, and a text.
    """

    def __init__(
        self,
        secret: str,
        find: Find,
        routes: Routes,
        journal: Journal,
        decided: Callable[[], LiveRights | None],
        *,
        now_ns: Callable[[], int],
        say: Callable[[str], None],
        raise_alarm: Callable[[str, str, str], None],
    ) -> None:
        self._views = Views(secret, find, routes.get, self._standing_right)
        self._presence = Presence(self._place, self._is_person)
        self._find = find
        self._routes = routes
        self._journal = journal
        self._decided = decided
        self._now_ns = now_ns
        self._say = say
        self._raise_alarm = raise_alarm
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
            text = f"{found.agent} watches at {found.here} and at {found.there}"
            self._say(f"alarm: {text}")
            self._raise_alarm("foreign_login", found.agent, text)

    def _standing_right(self, agent: str, form: str) -> Verdict | None:
        rights = self._decided()
        return None if rights is None else verdict_by_rules(rights.world, Wish(agent, form, ""), self._now_ns())

    def _place(self, address: str) -> str:
        rights = self._decided()
        post = None if rights is None else post_at(rights.world, address)
        return f"Post {post}" if post else address

    def _is_person(self, agent: str) -> bool:
        body = self._find("Agent", agent)
        return body is not None and not body["spec"].get("machine")

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
