"""Who received pictures, as the journal has it: a line when a view began, now and then one that says how far it has
come, and one when it ended, all from what the engine says (L-18, L-35).

The engine's events come again after a death of this process. A view's name follows from the engine's run and the
viewer's number, so that a line which is written a second time says the same; readers count a view once.

Thread: one at a time.
"""

import hmac
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vigie.control.diff import Find
from vigie.control.lookups import commune_of, organisation_of
from vigie.control.routes import Route
from vigie.control.state_journal import ENGINE_NAME
from vigie.events import Event
from vigie.forms import form_name
from vigie.journal import Actor, Record
from vigie.journal.records import ViewBegin, ViewEnd, ViewProgress
from vigie.policy.routing import Verdict

MAX_OPEN = 65_536


@dataclass(frozen=True, slots=True)
class Sight:
    """By what right somebody sees a form of a camera."""

    purpose: str | None = None
    convention: str | None = None
    targeted: bool = False


class Views:
    """Makes lines of the events of one engine."""

    def __init__(
        self,
        secret: str,
        find: Find,
        route: Callable[[str], Route | None],
        judge: Callable[[str, str], Verdict | None],
    ) -> None:
        """`find`: an object by kind and name. `route`: by its id. `judge`: an agent's standing right to a form, now."""
        self._secret = secret.encode()
        self._find = find
        self._route = route
        self._judge = judge
        self._instance = ""
        self._begun: dict[str, ViewBegin] = {}

    def attached(self, instance: str) -> None:
        """The engine of this run is there. Views of another have ended, which the line of its beginning says."""
        if instance != self._instance:
            self._instance = instance
            self._begun.clear()

    def records(self, events: Iterable[Event]) -> list[Record]:
        """The lines that these make."""
        found: list[Record] = []
        for event in events:
            if event.kind == "viewer_playing":
                found.append(self._began(event.facts))
            elif event.kind == "viewer_closed" and "first_unit_ns" in event.facts:
                found.append(self._end(event.facts, event.code))
        return found

    def progress(self, viewers: Sequence[Mapping[str, Any]]) -> list[Record]:
        """How far those have come that the engine's figures name."""
        found: list[Record] = []
        for viewer in viewers:
            begun = self._begun.get(self._name(viewer["viewer"]))
            if begun is None or not viewer["first_unit_s"]:
                continue
            first = begun.first_unit if begun.first_unit is not None else _ns(viewer["first_unit_s"])
            found.append(
                ViewProgress(
                    **_shared(begun),
                    first_unit=first,
                    last_unit=max(first, _ns(viewer["last_unit_s"])),
                )
            )
        return found

    def _began(self, facts: Mapping[str, Any]) -> ViewBegin:
        begin = self._begin(facts)
        if len(self._begun) < MAX_OPEN:
            self._begun[begin.view] = begin
        return begin

    def _begin(self, facts: Mapping[str, Any]) -> ViewBegin:
        route = self._route(facts["route"]) if facts["route"] else None
        form = form_name(facts["camera"], facts["version"])
        sight = self._sight(facts["agent"], form, route)
        host = None if route is None or route.client == facts["agent"] else route.client
        return ViewBegin(
            actor=Actor(
                agent=(facts["agent"] if host is None else host) or "unnamed",
                on_behalf_of=None if host is None else facts["agent"],
                organisation=organisation_of(facts["agent"], self._find),
                post=None if route is None else route.wish.post,
            ),
            camera=facts["camera"],
            commune=commune_of(facts["camera"], self._find),
            objects=(f"camera/{form}",) if facts["version"] else (),
            purpose=sight.purpose,
            reason=f"from {facts['peer']} through the listener {facts['listener']}",
            visibility="targeted" if sight.targeted else "normal",
            view=self._name(facts["viewer"]),
            stream=facts["stream"],
            engine=ENGINE_NAME,
            route=facts["route"] or None,
            convention=sight.convention,
            first_unit=facts.get("first_unit_ns"),
        )

    def _end(self, facts: Mapping[str, Any], code: int) -> ViewEnd:
        # One that a process before this has written is made again, but for what may have changed since.
        begin = self._begun.pop(self._name(facts["viewer"]), None) or self._begin(facts)
        return ViewEnd(
            **_shared(begin),
            first_unit=facts["first_unit_ns"],
            last_unit=facts["last_unit_ns"],
            units=facts["units"],
            cause=f"error-{code}" if code else "left",
            route=begin.route,
            convention=begin.convention,
        )

    def _sight(self, agent: str, form: str, route: Route | None) -> Sight:
        if route is not None:
            return Sight(route.purpose, route.convention, route.targeted)
        verdict = self._judge(agent, form) if agent else None
        if verdict is None or not verdict.allowed:
            return Sight()
        return Sight(verdict.purpose, verdict.convention, verdict.targeted)

    def _name(self, viewer: int) -> str:
        return "v" + hmac.digest(self._secret, f"{self._instance} {viewer}".encode(), "sha256").hex()[:24]


def _shared(begin: ViewBegin) -> dict[str, Any]:
    names = ("actor", "objects", "purpose", "visibility", "camera", "commune", "view", "stream")
    return {name: getattr(begin, name) for name in names}


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
