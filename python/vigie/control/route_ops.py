"""Operations about who watches what: routes, and the list of one's cameras. Thread: the event loop."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from vigie.control import ops
from vigie.control.addresses import chosen_ports, stream_urls
from vigie.control.handlers import Call, Handlers, page
from vigie.control.in_force import InForce
from vigie.control.lookups import commune_of, organisation_of, spec_of_camera
from vigie.control.parties import JournalSink, Line, ObjectRef, Party, Rights
from vigie.control.routes import Ended, Route, Routes
from vigie.control.tickets import Ticket, seal
from vigie.errors import ConnectionLostError, ControlLateError, NotFoundError
from vigie.forms import form_name
from vigie.journal import Actor
from vigie.journal.records import RouteClose, RouteOpen
from vigie.policy.compile import choose_server
from vigie.policy.routing import Wish

_SYSTEM = Party("vigie")


class RouteOps:
    """`by_op` goes beside that of `Handlers`. `sync`: makes sure that the engine works by what is on the disk.

    `renew`: tells the engine anew what is in force; both run in the writer. `publish`: an event, and whom it is about.
    """

    def __init__(
        self,
        handlers: Handlers,
        routes: Routes,
        policy: InForce,
        rights: Rights,
        journal: JournalSink,
        key: str,
        server: str | None,
        *,
        now_ns: Callable[[], int],
        sync: Callable[[], None],
        renew: Callable[[], None],
        publish: Callable[[str, str, Mapping[str, Any], ObjectRef], None],
    ) -> None:
        self._handlers = handlers
        self._routes = routes
        self._policy = policy
        self._rights = rights
        self._journal = journal
        self._key = key
        self._server = server
        self._now_ns = now_ns
        self._sync = sync
        self._renew = renew
        self._publish = publish
        self._bound: tuple[int, Mapping[str, str]] = -1, {}
        self.by_op: dict[str, Callable[[Call], Awaitable[ops.Message]]] = {
            "route.open": self._open,
            "route.close": self._close,
            "route.list": self._list,
            "camera.list": self._cameras,
        }

    async def sweep(self) -> None:
        """Takes out routes that have ended, with their lines and events."""
        for ended in await self._handlers.in_writer(self._swept):
            self._say_closed(ended)

    def _swept(self) -> list[Ended]:
        ended = self._routes.sweep()
        for each in ended:
            self._journal.append(_closing(each, _SYSTEM, self._commune(each.route.camera)))
        return ended

    async def _open(self, call: Call) -> ops.Message:
        route, why, revision = await self._handlers.in_writer(lambda: self._opened(call))
        ticket = seal(
            Ticket(
                route.id, revision, route.open_by_ns, route.until_ns or 0, route.agent, route.form, route.stream
            ),
            self._key,
        )  # fmt: skip
        urls = [f"{url}?ticket={ticket}" for url in await self._urls(f"{route.form}/{route.stream}")]
        body = {"camera": route.camera, "agent": route.agent, "until_ns": route.until_ns}
        self._publish("route_opened", f"route {route.id}", body, ObjectRef("Agent", route.agent))
        return ops.RouteOpened(
            route=route.id,
            url=urls[0] if urls else "",
            urls=urls,
            ticket=ticket,
            camera=route.form,
            stream=route.stream,
            agent=route.agent,
            purpose=route.purpose or "",
            convention=route.convention or "",
            open_by_ns=route.open_by_ns,
            until_ns=route.until_ns,
            why=why,
        )

    def _opened(self, call: Call) -> tuple[Route, str, int]:
        if self._now_ns() > call.deadline_ns:
            raise ControlLateError("its turn came after its deadline; no route was opened")
        self._sync()
        town, compiled = self._policy.town, self._policy.compiled
        if town is None or compiled is None:
            raise ConnectionLostError("nothing is in force there", "engine")
        asked, party = call.request, call.party
        agent = party.speaker
        wish = Wish(
            agent,
            asked.camera,
            asked.stream,
            asked.purpose or None,
            asked.post or None,
            anybody=party.may_all,
        )
        organisation = organisation_of(agent, self._handlers.store.body)
        ttl_ns = asked.ttl_ms * 1_000_000
        route, why = self._routes.open(town, compiled, wish, party.name, organisation, ttl_ns)
        try:
            self._journal.append(_opening(route, party, self._commune(route.camera), why))
        except Exception:
            self._routes.close([route.id])
            raise
        return route, why, self._policy.revision

    async def _urls(self, path: str) -> list[str]:
        town, compiled = self._policy.town, self._policy.compiled
        if town is None or compiled is None:
            return []
        listeners = compiled.snapshot["listeners"]
        bound: Mapping[str, str] = {}
        if chosen_ports(listeners):
            if self._bound[0] != self._policy.revision:
                stats = await self._handlers.in_worker(self._handlers.engine.stats)
                self._bound = self._policy.revision, stats.get("listeners", {})
            bound = self._bound[1]
        return stream_urls(choose_server(town, self._server).object.spec.rtsp, listeners, bound, path)

    async def _close(self, call: Call) -> ops.Message:
        self._say_closed(await self._handlers.in_writer(lambda: self._closed(call)))
        return ops.Nothing()

    def _closed(self, call: Call) -> Ended:
        party, wanted = call.party, call.request.route
        # Whoever may not close it may not know of it.
        route = self._routes.get(wanted)
        if route is None or not self._is_own(party, route):
            raise NotFoundError("it has ended already, or was never open", f"route {wanted}")
        (ended,) = self._routes.close([wanted])
        self._journal.append(_closing(ended, party, self._commune(route.camera)))
        self._renew()
        return ended

    def _commune(self, camera: str) -> str | None:
        return commune_of(camera, self._handlers.store.body)

    def _say_closed(self, ended: Ended) -> None:
        route = ended.route
        body = {"camera": route.camera, "agent": route.agent, "cause": ended.cause, "why": ended.why}
        self._publish("route_closed", f"route {route.id}", body, ObjectRef("Agent", route.agent))

    @staticmethod
    def _is_own(party: Party, route: Route) -> bool:
        if party.may_all:
            return True
        return route.agent == party.speaker

    async def _list(self, call: Call) -> ops.Message:
        asked, party = call.request, call.party
        routes = {f"{route.opened_ns:020} {route.id}": route for route in self._routes.standing()}

        def item(key: str) -> ops.RouteOut | None:
            route = routes[key]
            own = self._is_own(party, route)
            if asked.camera and asked.camera not in (route.camera, route.form):
                return None
            if not own and (route.targeted or not self._rights.may_know(party, ObjectRef("Camera", route.form))):
                return None
            return ops.RouteOut(
                route=route.id if own else "",
                camera=route.form,
                stream=route.stream,
                agent=route.agent if own else "",
                organisation=route.organisation or "",
                purpose=(route.purpose or "") if own else "",
                opened_ns=route.opened_ns,
                until_ns=route.until_ns if own else None,
                watching=self._routes.is_watched(route.id),
            )

        found, following = page(sorted(routes), asked.after, asked.limit, item)
        return ops.RoutePage(routes=found, next=following)

    async def _cameras(self, call: Call) -> ops.Message:
        asked, party = call.request, call.party
        states = await self._handlers.cameras(first=not asked.after)
        found = {f"{entry['number']:020} {entry['name']}": entry for entry in self._declared()}
        bodies = self._handlers.store.state.objects

        def item(key: str) -> ops.CameraOut | None:
            entry = found[key]
            name = entry["name"]
            stored = bodies.get(("Camera", name))
            labels = {} if stored is None else stored.body.get("labels", {})
            spec = spec_of_camera(name, self._handlers.store.body)
            commune = str(spec.get("commune") or "")
            if asked.number not in (0, entry["number"]) or (asked.commune and asked.commune != commune):
                return None
            texts = (name, entry["title"], *labels.values())
            if asked.text and not any(asked.text.casefold() in text.casefold() for text in texts):
                return None
            if not self._rights.may_know(party, ObjectRef("Camera", name)):
                return None
            streams = states.get(name, {}).get("streams", {})
            return ops.CameraOut(
                name=name,
                number=entry["number"],
                title=entry["title"],
                commune=commune,
                place=labels.get("place", ""),
                owner=spec.get("owner") or "",
                live=[form for form in _forms(entry) if self._shown_to(party, form)],
                streams={stream: figures["state"] for stream, figures in streams.items()},
            )

        cameras, following = page(sorted(found), asked.after, asked.limit, item)
        return ops.CameraPage(cameras=cameras, next=following)

    def _declared(self) -> Iterable[Mapping[str, Any]]:
        """What the engine has, those of sites too."""
        compiled = self._policy.compiled
        return () if compiled is None else compiled.snapshot["cameras"]

    def _shown_to(self, party: Party, form: str) -> bool:
        return self._rights.may(party, "camera.snapshot", ObjectRef("Camera", form)).allowed


def _forms(entry: Mapping[str, Any]) -> list[str]:
    return [entry["name"], *(form_name(entry["name"], version["name"]) for version in entry.get("versions", ()))]


def _opening(route: Route, party: Party, commune: str | None, why: str) -> Line:
    record = RouteOpen(
        actor=Actor(agent="vigie", post=route.wish.post),
        camera=route.camera,
        commune=commune,
        objects=(f"camera/{route.form}",),
        purpose=route.purpose,
        reason=why,
        visibility="targeted" if route.targeted else "normal",
        route=route.id,
        stream=route.stream,
        convention=route.convention,
        until=route.until_ns,
    )
    return Line("route.open", party.name, party.on_behalf_of, camera=route.form, records=[record])


def _closing(ended: Ended, party: Party, commune: str | None) -> Line:
    route = ended.route
    record = RouteClose(
        actor=Actor(agent="vigie", post=route.wish.post),
        camera=route.camera,
        commune=commune,
        reason=ended.why or None,
        visibility="targeted" if route.targeted else "normal",
        route=route.id,
        cause=ended.cause,
    )
    return Line("route.close", party.name, party.on_behalf_of, camera=route.form, records=[record])
