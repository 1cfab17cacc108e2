"""Routes that are open: who may receive which stream until when, decided again with everything that the engine is told.

The engine lets a ticket of an earlier revision count only while its route stands in the snapshot. So `in_snapshot` is
asked for every snapshot, and whatever it leaves out has ended, whoever sleeps or has died meanwhile.

Thread: the writer, but where another is named.
"""

import json
import secrets
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

from vigie.errors import ControlRefusedError, LimitExceededError, NotFoundError
from vigie.forms import camera_of, form_name
from vigie.policy import Compiled, Town, texts
from vigie.policy.routing import Verdict, Wish, both, verdict_by_lists, verdict_by_rules
from vigie.policy.windows import FOREVER, datetime_of

MAX_ROUTES = 20_000
MAX_ROUTES_OF_AGENT = 256
# A player has begun by then, or never will: the engine takes its ticket no more.
_GRACE_NS = 15 * 10**9


class Rows(Protocol):
    """Where routes are kept, so that a new process knows them. Raises: StateUnwritableError."""

    def routes(self) -> list[str]: ...

    def keep_route(self, route: str, text: str) -> None: ...

    def drop_routes(self, routes: Iterable[str]) -> None: ...


@dataclass(frozen=True, slots=True)
class Route:
    """`agent`: who receives; `client`: who asked, which may be a host that speaks for him. `form`: as on the engine.

    Times: nanoseconds since 1970. `targeted`: rests on a WatchOrder (L-27).
    """

    id: str
    agent: str
    client: str
    organisation: str | None
    form: str
    stream: str
    wish: Wish
    opened_ns: int
    open_by_ns: int
    until_ns: int | None
    purpose: str | None = None
    convention: str | None = None
    targeted: bool = False

    @property
    def camera(self) -> str:
        """Without a version."""
        return camera_of(self.form)

    def text(self) -> str:
        """For `Rows`."""
        return json.dumps(asdict(self))

    @classmethod
    def of(cls, text: str) -> "Route":
        """From `text`."""
        values = json.loads(text)
        return cls(**{**values, "wish": Wish(**values["wish"])})


@dataclass(frozen=True, slots=True)
class Ended:
    """A route that is no more. `cause`: closed, right_ended, viewer_left, not_used."""

    route: Route
    cause: str
    why: str = ""


class Routes:
    """The book of one state folder. `key`: seals tickets."""

    def __init__(
        self, rows: Rows, key: str, now_ns: Callable[[], int], also_ns: Callable[[], int | None] = lambda: None
    ) -> None:
        """`also_ns`: the other instant that may be now (`rights_clock.py`)."""
        self._rows = rows
        self._key = key
        self._now_ns = now_ns
        self._also_ns = also_ns
        self._open = {route.id: route for route in map(Route.of, rows.routes())}
        # What the snapshot that was made last gives, and leaves out.
        self._made: tuple[list[Route], list[Ended]] = [], []
        self._forms: tuple[Compiled | None, Mapping[str, list[str]]] = None, {}
        self._refused: list[Ended] = []  # what the engine's leaves out, and nobody has been told of yet
        self._sessions: dict[str, set[int]] = {}  # the viewers of each route
        self._sessions_lock = threading.Lock()

    def standing(self) -> list[Route]:
        """All that are open. Thread: any."""
        return list(self._open.values())

    def get(self, route: str) -> Route | None:
        """One that is open, by its id. Thread: any."""
        return self._open.get(route)

    def open(
        self, town: Town, compiled: Compiled, wish: Wish, client: str, organisation: str | None, ttl_ns: int
    ) -> tuple[Route, str]:
        """Decides, keeps; the route, and what it rests on.

        Raises: ControlRefusedError (why, and whom to ask), NotFoundError (no such stream), LimitExceededError,
        StateUnwritableError.
        """
        verdict = self._judge(town, compiled)(wish)
        if not verdict.allowed:
            raise ControlRefusedError(verdict.why, wish.camera)
        streams = self._forms_of(compiled).get(verdict.form)
        if streams is None:
            raise NotFoundError("the engine has no such camera, or not in this form", verdict.form)
        stream = wish.stream or streams[0]
        if stream not in streams:
            raise NotFoundError(f"the camera has {', '.join(streams)}", f"{verdict.form}/{stream}")
        if len(self._open) >= MAX_ROUTES:
            raise LimitExceededError(f"{MAX_ROUTES} routes are open")
        if sum(route.agent == wish.agent for route in self._open.values()) >= MAX_ROUTES_OF_AGENT:
            what = f"{MAX_ROUTES_OF_AGENT} routes of {wish.agent} are open; right would be to close one"
            raise LimitExceededError(what)
        now = self._now_ns()
        route = Route(
            id=secrets.token_hex(8),
            agent=wish.agent,
            client=client,
            organisation=organisation,
            form=verdict.form,
            stream=stream,
            wish=replace(wish, stream=stream),
            opened_ns=now,
            open_by_ns=now + ttl_ns,
            until_ns=verdict.until,
            purpose=verdict.purpose,
            convention=verdict.convention,
            targeted=verdict.targeted,
        )
        self._rows.keep_route(route.id, route.text())
        self._open[route.id] = route
        return route, verdict.why

    def close(self, ids: Iterable[str], cause: str = "closed") -> list[Ended]:
        """Takes them out; they end when the engine is told next. Those that are not there are left out."""
        return self._take_out([Ended(self._open[each], cause) for each in ids if each in self._open])

    def in_snapshot(self, town: Town, compiled: Compiled) -> dict[str, Any]:
        """What the engine is to be told: the key, and every route whose right stands under this policy."""
        forms = self._forms_of(compiled) if self._open else {}
        judge = self._judge(town, compiled)
        given: list[Route] = []
        refused: list[Ended] = []
        for route in self._open.values():
            verdict = judge(route.wish)
            if verdict.allowed and verdict.form == route.form and route.stream in forms.get(route.form, ()):
                given.append(replace(route, until_ns=verdict.until, targeted=verdict.targeted))
            else:
                moved = f"it is {verdict.form} now, or has no such stream any more"
                refused.append(Ended(route, "right_ended", moved if verdict.allowed else verdict.why))
        self._made = given, refused
        return {"key": self._key, "routes": [_entry(route) for route in given]}

    def put_in_force(self) -> None:
        """The engine has taken what `in_snapshot` gave last."""
        given, refused = self._made
        self._open.update((route.id, route) for route in given if route.id in self._open)
        self._refused += refused
        self._made = [], []

    def sweep(self) -> list[Ended]:
        """Takes out what has ended: refused by the engine's snapshot, over, left by its viewer, or never used."""
        refused = {ended.route.id: ended for ended in self._refused}  # its ticket counts no more, whatever came since
        self._refused = []
        now = self._now_ns()
        ended = []
        for route in self._open.values():
            if route.id in refused:
                ended.append(refused[route.id])
            elif route.until_ns is not None and route.until_ns <= now:
                ended.append(Ended(route, "right_ended"))
            elif route.open_by_ns + _GRACE_NS <= now and not self.is_watched(route.id):
                ended.append(Ended(route, "viewer_left" if route.id in self._sessions else "not_used"))
        return self._take_out(ended)

    def session_began(self, route: str, viewer: int) -> None:
        """A viewer came with a ticket; saying so again changes nothing. Thread: any."""
        with self._sessions_lock:
            self._sessions.setdefault(route, set()).add(viewer)

    def session_ended(self, route: str, viewer: int) -> None:
        """It left. Thread: any."""
        with self._sessions_lock:
            self._sessions.get(route, set()).discard(viewer)

    def is_watched(self, route: str) -> bool:
        """Whether a viewer is there. Thread: any."""
        with self._sessions_lock:
            return bool(self._sessions.get(route))

    def forget_sessions(self) -> None:
        """Who is there will be said anew. Thread: any."""
        with self._sessions_lock:
            self._sessions.clear()

    def _take_out(self, ended: list[Ended]) -> list[Ended]:
        self._rows.drop_routes([each.route.id for each in ended])
        with self._sessions_lock:
            for each in ended:
                del self._open[each.route.id]
                self._sessions.pop(each.route.id, None)
        return ended

    def _forms_of(self, compiled: Compiled) -> Mapping[str, list[str]]:
        # Asked for at every opening: thousands of cameras are not walked through each time.
        if self._forms[0] is not compiled:
            self._forms = compiled, _forms(compiled)
        return self._forms[1]

    def _judge(self, town: Town, compiled: Compiled) -> Callable[[Wish], Verdict]:
        now, also = self._now_ns(), self._also_ns()
        shown = _judge(town, compiled, now)
        if also is None:
            return shown
        other = _judge(town, compiled, also)
        return lambda wish: both(shown(wish), other(wish), also - now)


def _judge(town: Town, compiled: Compiled, at: int) -> Callable[[Wish], Verdict]:
    rights = compiled.rights
    if rights is not None:
        return lambda wish: verdict_by_rules(rights.world, wish, at)
    if town.rules:  # an engine that was not told an instant gives no rights either
        return lambda wish: Verdict(False, wish.camera, grounds="rights have not been decided yet")
    agents = {item.object.name: item.object.spec for item in town.agents}
    return lambda wish: verdict_by_lists(agents, wish, at)


def _forms(compiled: Compiled) -> dict[str, list[str]]:
    """The streams of each form of each camera."""
    forms = {}
    for camera in compiled.snapshot["cameras"]:
        streams = [stream["name"] for stream in camera["streams"]]
        forms[camera["name"]] = streams
        for version in camera.get("versions", ()):
            forms[form_name(camera["name"], version["name"])] = streams
    return forms


def _entry(route: Route) -> dict[str, Any]:
    entry: dict[str, Any] = {"id": route.id}
    if route.until_ns is not None and route.until_ns != FOREVER:
        entry["until"] = texts.zulu(datetime_of(route.until_ns), "microseconds")
    return entry
