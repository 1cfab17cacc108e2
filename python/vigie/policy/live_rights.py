"""Every agent's right to live pictures at an instant, for the engine's snapshot: what direct RTSP may show.

Agents whose rights are alike (`Actor`) and cameras that are alike (`Place`) are judged once; what a change does not
reach is taken from the result before.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from vigie.policy.grants import Question, standing_ways, ways
from vigie.policy.moments import state
from vigie.policy.persons import Actor, Person, in_departments, person_of
from vigie.policy.rights import listed, reserved, settle
from vigie.policy.windows import FOREVER
from vigie.policy.world import Place, Share, Spot, World

_LIVE = Question("live")


class Right(NamedTuple):
    """One camera's live pictures. `until`: nanoseconds since 1970, or FOREVER."""

    camera: str
    version: str | None
    until: int

    @property
    def published(self) -> str:
        """The name on the engine."""
        return self.camera if self.version is None else f"{self.camera}@{self.version}"


class Shared(NamedTuple):
    """Rights that many agents have alike, and their names on the engine by when they end."""

    rights: tuple[Right, ...]
    names: Mapping[int, Sequence[str]]


class Held(NamedTuple):
    """An agent's rights, of which none lasts longer than `until`."""

    shared: Shared
    until: int

    @property
    def rights(self) -> tuple[Right, ...]:
        """As they would be without the agent's own end."""
        return self.shared.rights

    def each(self) -> Iterator[Right]:
        """Every right with its own end."""
        for right in self.rights:
            yield right if right.until <= self.until else right._replace(until=self.until)


def shared_of(rights: Iterable[Right]) -> Shared:
    """Rights, with what many ask of them."""
    all_of_them = tuple(rights)
    names: dict[int, list[str]] = {}
    for right in all_of_them:
        names.setdefault(right.until, []).append(right.published)
    return Shared(all_of_them, names)


_NOTHING = Held(shared_of(()), FOREVER)


class _Group(NamedTuple):
    """Cameras alike, and an actor's right to them."""

    cameras: Sequence[str]
    spot: Spot
    version: str | None
    until: int


@dataclass(frozen=True, slots=True, eq=False)
class _OfActor:
    groups: tuple[_Group, ...]
    shared: Shared  # of all groups, if nothing of the person's own matters
    watched: bool
    bound: int  # until when all of this stays so
    shares: tuple[tuple[Share, ...], ...]  # what it was made of


@dataclass(frozen=True, eq=False)
class LiveRights:
    """The rights of all agents at an instant.

    `next_change`: the next instant at which something that they rest on ends or begins, or None: make them anew then.
    """

    world: World = field(repr=False)
    at: int
    by_agent: Mapping[str, Held]
    next_change: int | None
    _persons: Mapping[str, Person] = field(repr=False)
    _actors: Mapping[Actor, _OfActor] = field(repr=False)


def live_rights(world: World, at: int, before: LiveRights | None = None) -> LiveRights:
    """The rights at an instant. Pure: `before` only saves work.

    Source: as `rights.decide` for `live`, no purpose named and no Post; a test compares the two.
    """
    groups: list[tuple[Place, list[str]]] = []
    actors: dict[Actor, _OfActor] = {}
    found: dict[str, Held] = {}
    persons = _persons(world, before)
    bounds = [FOREVER]
    for name, person in persons.items():
        inside, end = state(person.terms, at)
        bounds.append(end)
        if not inside:
            found[name] = _NOTHING
            continue
        of_actor = actors.get(person.actor)
        if of_actor is None and not person.actor.standing:
            of_actor = _kept(before, world, person.actor, at)
        if of_actor is None:
            groups = groups or _grouped(world)
            if person.actor.standing:
                rights, bound = _standing(world, groups, person, at)
                found[name] = Held(rights, end)
                bounds.append(bound)
                continue
            of_actor = _judged(world, groups, person.actor, at)
        actors[person.actor] = of_actor
        own, own_bound = _of_person(of_actor, person, at)
        bounds += (of_actor.bound, own_bound)
        found[name] = Held(own, end)
    change = min(bounds)
    return LiveRights(world, at, found, None if change == FOREVER else change, persons, actors)


def _persons(world: World, before: LiveRights | None) -> dict[str, Person]:
    if before is None or before.world.cameras is not world.cameras:
        return {name: person_of(world, agent) for name, agent in world.agents.items()}
    known = before._persons
    return {
        name: old if (old := known.get(name)) is not None and old.agent is agent else person_of(world, agent)
        for name, agent in world.agents.items()
    }


def _grouped(world: World) -> list[tuple[Place, list[str]]]:
    groups: dict[tuple[int, int], tuple[Place, list[str]]] = {}
    for camera, place in world.places.items():
        spot, shares = place
        key = (id(spot), shares)
        if key not in groups:
            groups[key] = (place, [])
        groups[key][1].append(camera)
    return list(groups.values())


def _shares_of(world: World, actor: Actor) -> tuple[tuple[Share, ...], ...]:
    return tuple(world.shares_to.get(name, ()) for name in sorted(actor.acting))


def _kept(before: LiveRights | None, world: World, actor: Actor, at: int) -> _OfActor | None:
    """The former result, where nothing of it can have changed."""
    if before is None or before.world.cameras is not world.cameras or not before.at <= at:
        return None
    old = before._actors.get(actor)
    return old if old is not None and at < old.bound and old.shares == _shares_of(world, actor) else None


def _judged(world: World, groups: Iterable[tuple[Place, list[str]]], actor: Actor, at: int) -> _OfActor:
    shares = _shares_of(world, actor)
    bits = 0
    for of_organisation in shares:
        for share in of_organisation:
            bits |= share.bit
    known: dict[tuple[int, int], tuple[str | None, int]] = {}
    found: list[_Group] = []
    least = FOREVER
    for (spot, covering), cameras in groups:
        covering &= bits
        if not covering and spot.owner not in actor.acting and spot.operated_by not in actor.own:
            continue
        if not in_departments(actor, spot):
            continue
        key = (id(spot), covering)
        if key not in known:
            grants, _ = ways(world, actor, Place(spot, covering), _LIVE)
            least = min([least, *(grant.bound(at) for grant in grants)])
            settled = settle(grants, at)
            known[key] = (None, at) if settled is None else (settled.grant.version, settled.end)
        version, until = known[key]
        if until > at:
            found.append(_Group(cameras, spot, version, until))
    rights = shared_of(Right(camera, group.version, group.until) for group in found for camera in group.cameras)
    return _OfActor(tuple(found), rights, any(group.spot.watches for group in found), least, shares)


def _of_person(of_actor: _OfActor, person: Person, at: int) -> tuple[Shared, int]:
    """The actor's rights without what the person is narrowed to, and what is kept for others."""
    if not of_actor.watched and person.agent.spec.cameras is None:
        return of_actor.shared, FOREVER
    found: list[Right] = []
    least = FOREVER
    for group in of_actor.groups:
        until, bound = _unwatched(group.spot, person, at)
        least = min(least, bound)
        until = min(until, group.until)
        if until > at:
            found += [
                Right(camera, group.version, until) for camera in group.cameras if listed(person, camera, group.version)
            ]
    return shared_of(found), least


def _unwatched(spot: Spot, person: Person, at: int) -> tuple[int, int]:
    """Until when no WatchOrder keeps the agent out (`at`: one does), and the next bound of any."""
    order, begins = reserved(spot, person, at)
    bound = min((state(watch.terms, at)[1] for watch in spot.watches), default=FOREVER)
    return (at if order is not None else begins), bound


def _standing(world: World, groups: Iterable[tuple[Place, list[str]]], person: Person, at: int) -> tuple[Shared, int]:
    entries = person.agent.spec.cameras or []
    if "*" not in entries:
        named = dict.fromkeys(entry.partition("@")[0] for entry in entries)
        groups = [(world.places[camera], [camera]) for camera in named if camera in world.places]
    found: list[Right] = []
    least = FOREVER
    for place, cameras in groups:
        grants, _ = standing_ways(person.actor, place.spot, entries, cameras[0], _LIVE)
        settled = settle(grants, at)
        least = min([least, *(grant.bound(at) for grant in grants)])
        if settled is None:
            continue
        until, bound = _unwatched(place.spot, person, at)
        least = min(least, bound)
        until = min(until, settled.end)
        if until > at:
            found += [Right(camera, settled.grant.version, until) for camera in cameras]
    return shared_of(found), least
