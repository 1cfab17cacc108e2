"""Incidents: `incident.open`, `list`, `close`. Each is an object of the state; rules: `vigie.policy.incidents`."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from vigie.control import desk_ops
from vigie.control.lookups import commune_of, organisation_of
from vigie.control.op import Message
from vigie.control.parties import ObjectRef, Party, Rights
from vigie.control.peers import Peer
from vigie.control.store import Applied, Store, Stored
from vigie.control.world_now import WorldNow
from vigie.errors import ControlRefusedError, InvalidArgumentError, NotFoundError
from vigie.journal import records
from vigie.policy import texts
from vigie.policy.desk_objects import Incident
from vigie.policy.incidents import sees_live, why_nobody_sees
from vigie.policy.masks import may_come
from vigie.policy.moments import DEFAULT_ZONE, begins_ns
from vigie.policy.objects import Camera
from vigie.policy.persons import post_at
from vigie.policy.problems import suggestion
from vigie.policy.reasons import explain
from vigie.policy.rights import decide
from vigie.policy.texts import zulu
from vigie.policy.windows import datetime_of
from vigie.policy.world import World

if TYPE_CHECKING:
    from vigie.control.desk import Tools
    from vigie.control.handlers import Call

SECOND = 1_000_000_000
EVENT = "incident_opened"


class Clients(Protocol):
    """Who is connected. Thread: the event loop."""

    epoch: str

    def connected(self) -> list[Peer]: ...

    def listening(self) -> list[Peer]: ...


@dataclass(frozen=True)
class _Plan:
    """An incident that may be opened."""

    name: str
    body: Mapping[str, Any]
    at_ns: int
    records: Sequence[records.Record]


class Incidents:
    """The operations. Thread: the event loop; decisions are made in workers."""

    def __init__(
        self, store: Store, rights: Rights, world: WorldNow, tools: "Tools", now_ns: Callable[[], int]
    ) -> None:
        self.clients: Clients | None = None
        self._store, self._rights, self._world, self._tools, self._now_ns = store, rights, world, tools, now_ns
        self.by_op: dict[str, Callable[[Call], Awaitable[Message]]] = {
            "incident.open": self._open,
            "incident.list": self._list,
            "incident.close": self._close,
        }

    async def _open(self, call: "Call") -> Message:
        wanted = call.request
        before = await self._tools.in_worker(lambda: self._store.done_before(call.command))
        if before is not None:
            return await self._opened(before, 0)
        plan: _Plan = await self._tools.in_worker(lambda: self._plan(call))
        command = replace(call.command, records=plan.records)
        applied = await self._tools.change(call, False, lambda: self._store.apply(command, objects=[plan.body]))
        told = 0 if applied.again or not wanted.post else await self._tell(plan, wanted)
        return await self._opened(applied, told)

    async def _opened(self, applied: Applied, told: int) -> Message:
        name = applied.changes[0].name
        spec = self._spec(name)
        return desk_ops.IncidentOpened(
            name=name, rev=applied.rev, since_ns=spec.since_ns, until_ns=spec.until_ns, told=told, again=applied.again
        )

    def _plan(self, call: "Call") -> _Plan:
        """The incident that is wanted. Raises: NotFoundError, InvalidArgumentError, ControlRefusedError with why."""
        wanted, world, now = call.request, self._world(), self._now_ns()
        by = call.party.speaker
        if texts.name_problem(by, texts.AGENT_NAME) is not None:
            raise InvalidArgumentError("not the name of an Agent, so nobody has opened it", by[:64])
        if not wanted.motive.strip():
            raise InvalidArgumentError("blank; right would be what happens, in words", "motive")
        cameras = list(dict.fromkeys(wanted.cameras))
        purpose = wanted.purpose or None
        for camera in cameras:
            self._check_opener(world, call.party, by, camera, purpose, now)
        if wanted.post:
            self._check_post(world, wanted.post, cameras, purpose, now)
        at_ns = now if wanted.at_ns is None else wanted.at_ns
        at_ns -= at_ns % 1000  # as the object says it
        name = f"{datetime_of(at_ns):%Y%m%d-%H%M%S}-{call.id.hex()[:6]}"
        spec: dict[str, Any] = {
            "cameras": cameras,
            "at": _instant(at_ns),
            "before_s": wanted.before_s,
            "after_s": wanted.after_s,
            "motive": wanted.motive,
            "opened_by": by,
            "opened_at": _instant(now),
        }
        spec |= {key: value for key, value in (("post", wanted.post), ("purpose", wanted.purpose)) if value}
        since = max(0, at_ns - wanted.before_s * SECOND)
        entries = [
            records.Incident(
                actor=records.SYSTEM,
                incident=name,
                camera=camera,
                commune=commune_of(camera, self._store.body),
                since=since,
                purpose=purpose,
                reason=wanted.motive,
            )
            for camera in cameras
        ]
        return _Plan(name, {"kind": "Incident", "name": name, "spec": spec}, at_ns, entries)

    def _check_opener(self, world: World, party: Party, by: str, camera: str, purpose: str | None, now: int) -> None:
        known = camera in world.places or may_come(camera, set(world.kinds.get("Site", {})))
        hidden = NotFoundError(f"no such camera, or not for {by}", camera[:64])
        if not world.organisations:
            allowed = self._rights.may(party, "incident.open", ObjectRef("Camera", camera)).allowed
            if not known or not allowed:
                raise hidden
            return
        decision = sees_live(world, by, camera, purpose, now)
        if decision.allowed:
            return
        item, agent = world.get("Camera", camera), world.agents.get(by)
        own = None if agent is None else agent.spec.organisation
        of_own = isinstance(item, Camera) and own is not None and own in (item.spec.owner, item.spec.operated_by)
        if known and (of_own or self._rights.may_know(party, ObjectRef("Camera", camera))):
            raise ControlRefusedError(explain(decision, DEFAULT_ZONE), camera)
        raise hidden

    def _check_post(self, world: World, post: str, cameras: Sequence[str], purpose: str | None, now: int) -> None:
        if post not in world.posts:
            raise NotFoundError(f"no Post of this name; {suggestion(post, sorted(world.posts))}", post[:64])
        for camera in cameras:
            why = why_nobody_sees(world, post, camera, purpose, now)
            if why is not None:
                raise ControlRefusedError(why, post)

    async def _tell(self, plan: _Plan, wanted: Any) -> int:
        """Shows it to the people at the Post, each the cameras that he may see now; how many were told."""
        if self.clients is None:
            return 0
        peers = self.clients.listening()
        now = self._now_ns()

        def chosen() -> list[tuple[Peer, list[str]]]:
            world = self._world()
            post = world.posts.get(wanted.post)
            found = []
            for peer in peers if post is not None else ():
                if peer_post(world, peer) == wanted.post:
                    found.append((peer, self._shown(world, peer, wanted, now)))
            return found

        told = 0
        for peer, cameras in await self._tools.in_worker(chosen):
            if cameras:
                body = {
                    "cameras": cameras,
                    "motive": wanted.motive,
                    "at_ns": plan.at_ns,
                    "since_ns": plan.at_ns - wanted.before_s * SECOND,
                    "until_ns": plan.at_ns + wanted.after_s * SECOND,
                    "post": wanted.post,
                }
                peer.event(self.clients.epoch, now, EVENT, plan.name, body)
                told += 1
        return told

    @staticmethod
    def _shown(world: World, peer: Peer, wanted: Any, now: int) -> list[str]:
        agent, purpose = peer.acting.speaker, wanted.purpose or None
        return [
            camera
            for camera in dict.fromkeys(wanted.cameras)
            if decide(world, agent, camera, "live", purpose, now, wanted.post).allowed
        ]

    async def _list(self, call: "Call") -> Message:
        wanted = call.request
        stored = {item.name: item for (kind, _), item in self._store.state.objects.items() if kind == "Incident"}

        def item(name: str) -> desk_ops.IncidentOut | None:
            one = stored[name]
            if not self._may_know(call.party, one) or not isinstance(incident := _object(one), Incident):
                return None
            if incident.spec.closed is not None and not wanted.all:
                return None
            return self._out(call.party, incident)

        found, following = self._tools.page(sorted(stored), wanted.after, wanted.limit, item)
        return desk_ops.IncidentPage(incidents=found, next=following)

    def _out(self, party: Party, incident: Incident) -> desk_ops.IncidentOut:
        spec = incident.spec
        mine = spec.opened_by == party.speaker
        cameras = [
            camera
            for camera in spec.cameras
            if mine or self._rights.may_know(party, ObjectRef("Camera", camera)) or self._is_colleague(party, spec)
        ]
        return desk_ops.IncidentOut(
            name=incident.name,
            cameras=cameras,
            motive=spec.motive,
            at_ns=begins_ns(spec.at),
            since_ns=spec.since_ns,
            until_ns=spec.until_ns,
            post=spec.post or "",
            opened_by=spec.opened_by if mine or self._is_colleague(party, spec) else "",
            opened_ns=begins_ns(spec.opened_at),
            closed_by="" if spec.closed is None else spec.closed.by,
            closed_ns=0 if spec.closed is None else begins_ns(spec.closed.at),
            outcome="" if spec.closed is None else spec.closed.outcome,
        )

    def _is_colleague(self, party: Party, spec: Any) -> bool:
        """Of the opener: the same organisation, or this server's administrators."""
        if party.may_all:
            return True
        own = organisation_of(party.speaker, self._store.body)
        return own is not None and organisation_of(spec.opened_by, self._store.body) == own

    async def _close(self, call: "Call") -> Message:
        wanted, name = call.request, call.request.name
        before = await self._tools.in_worker(lambda: self._store.done_before(call.command))
        if before is not None:
            return desk_ops.IncidentClosed(name=name, rev=before.rev, again=True)
        stored = self._store.state.objects.get(("Incident", name))
        if stored is None or not self._may_know(call.party, stored):
            raise NotFoundError("no such incident, or not for you; `incident.list` says them", name[:64])
        if not wanted.outcome.strip():
            raise InvalidArgumentError("blank; right would be what became of it, in words", "outcome")
        body = dict(stored.body)
        if body["spec"].get("closed") is not None:
            raise InvalidArgumentError(f"{body['spec']['closed']['by']} has closed it before", name)
        closed = {"by": call.party.speaker, "at": _instant(self._now_ns()), "outcome": wanted.outcome}
        body["spec"] = {**body["spec"], "closed": closed}
        record = records.Incident(actor=records.SYSTEM, incident=name, reason=f"closed: {wanted.outcome}")
        command = replace(call.command, records=(record,))
        applied = await self._tools.change(
            call, False, lambda: self._store.apply(command, objects=[body], expect_rev=None)
        )
        return desk_ops.IncidentClosed(name=name, rev=applied.rev, again=applied.again)

    def _may_know(self, party: Party, stored: Stored) -> bool:
        return self._rights.may_know(party, ObjectRef("bookmark", stored.name))

    def _spec(self, name: str) -> Any:
        item = self._store.state.objects.get(("Incident", name))
        incident = None if item is None else _object(item)
        if not isinstance(incident, Incident):
            raise NotFoundError("deleted since", name)
        return incident.spec


def peer_post(world: World, peer: Peer) -> str | None:
    """The Post where a client stands: as whoever signed in there has said, or by its address."""
    if peer.session is not None and peer.session.post:
        return peer.session.post
    try:
        return post_at(world, peer.address) if peer.address else None
    except ValueError:
        return None


def _object(stored: Stored) -> Any:
    return None if stored.declared is None else stored.declared.object


def _instant(ns: int) -> str:
    return zulu(datetime_of(ns), "microseconds")
