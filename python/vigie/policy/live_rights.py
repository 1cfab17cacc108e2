"""Every agent's right to live pictures at an instant, for the engine's snapshot: what direct RTSP may show.

Agents whose rights are alike (`Actor`) and cameras that are alike (`Place`) are judged once; what a change does not
reach is taken from the result before.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from vigie.forms import camera_of, form_name
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
        return form_name(self.camera, self.version)


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


class _Judged(NamedTuple):
    """What an actor may see of cameras alike: nothing, where `until` is not later than now.

    `bound`: until when that stays so.
    """

    version: str | None
    until: int
    bound: int


@dataclass(frozen=True, slots=True, eq=False)
class _OfActor:
    groups: tuple[_Group, ...]
    shared: Shared  # of all groups, if nothing of the person's own matters
    watched: bool
    bound: int  # until when all of this stays so
    shares: tuple[tuple[Share, ...], ...]  # what it was made of
    judged: Mapping[tuple[int, int], _Judged]  # by spot, and by those of the shares that cover it


class _Groups:
    """Cameras alike, and which of them an actor can reach at all."""

    def __init__(self, world: World) -> None:
        found: dict[tuple[int, int], tuple[Place, list[str]]] = {}
        for camera, place in world.places.items():
            key = (id(place.spot), place.shares)
            if key not in found:
                found[key] = (place, [])
            found[key][1].append(camera)
        self.all = list(found.values())
        self._of_owner: dict[str | None, list[int]] = {}
        self._of_operator: dict[str | None, list[int]] = {}
        self._of_bit: dict[int, list[int]] = {}
        for index, ((spot, shares), _) in enumerate(self.all):
            self._of_owner.setdefault(spot.owner, []).append(index)
            self._of_operator.setdefault(spot.operated_by, []).append(index)
            while shares:
                bit = shares & -shares
                self._of_bit.setdefault(bit, []).append(index)
                shares ^= bit

    def of(self, actor: Actor, shares: Iterable[Share]) -> list[tuple[Place, list[str]]]:
        """Those to which a way may lead."""
        found: set[int] = set()
        for name in actor.acting:
            found.update(self._of_owner.get(name, ()))
        for name in actor.own:
            found.update(self._of_operator.get(name, ()))
        for share in shares:
            found.update(self._of_bit.get(share.bit, ()))
        return [self.all[index] for index in sorted(found)]


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

    What is taken from it may end earlier than it would anew, where its end is only as far ahead as grants are joined
    (`rights.CHAIN_NS`): that counts from the instant at which it was judged, which is again at its next bound.

    Source: as `rights.decide` for `live`, no purpose named and no Post; a test compares the two.
    """
    groups: _Groups | None = None
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
            groups = groups or _Groups(world)
            if person.actor.standing:
                rights, bound = _standing(world, groups.all, person, at)
                found[name] = Held(rights, end)
                bounds.append(bound)
                continue
            of_actor = _judged(world, groups, person.actor, at, before)
        actors[person.actor] = of_actor
        own, own_bound = _of_person(of_actor, person, at)
        bounds += (of_actor.bound, own_bound)
        found[name] = Held(own, end)
    change = min(bounds)
    return LiveRights(world, at, found, None if change == FOREVER else change, persons, actors)


def _persons(world: World, before: LiveRights | None) -> dict[str, Person]:
    if before is None or before.world.chains is not world.chains:
        return {name: person_of(world, agent) for name, agent in world.agents.items()}
    known = before._persons
    return {
        name: old if (old := known.get(name)) is not None and old.agent is agent else person_of(world, agent)
        for name, agent in world.agents.items()
    }


def _shares_of(world: World, actor: Actor) -> tuple[tuple[Share, ...], ...]:
    return tuple(world.shares_to.get(name, ()) for name in sorted(actor.acting))


def _kept(before: LiveRights | None, world: World, actor: Actor, at: int) -> _OfActor | None:
    """The former result, where nothing of it can have changed."""
    if before is None or before.world.cameras is not world.cameras or not before.at <= at:
        return None
    old = before._actors.get(actor)
    return old if old is not None and at < old.bound and old.shares == _shares_of(world, actor) else None


def _judged(world: World, groups: _Groups, actor: Actor, at: int, before: LiveRights | None) -> _OfActor:
    shares = _shares_of(world, actor)
    every = [share for of_organisation in shares for share in of_organisation]
    bits = 0
    for share in every:
        bits |= share.bit
    old = (
        None
        if before is None or before.world.chains is not world.chains or before.at > at
        else before._actors.get(actor)
    )
    kept = old.judged if old is not None and old.shares == shares else {}
    judged: dict[tuple[int, int], _Judged] = {}
    found: list[_Group] = []
    for (spot, covering), cameras in groups.of(actor, every):
        if not in_departments(actor, spot):
            continue
        covering &= bits
        key = (id(spot), covering)
        if key not in judged:
            one = kept.get(key)
            judged[key] = one if one is not None and at < one.bound else _judge(world, actor, Place(spot, covering), at)
        version, until, _ = judged[key]
        if until > at:
            found.append(_Group(cameras, spot, version, until))
    groups_of_it = tuple(found)
    if old is not None and old.groups == groups_of_it:
        rights = old.shared
    else:
        rights = shared_of(Right(camera, group.version, group.until) for group in found for camera in group.cameras)
    least = min((one.bound for one in judged.values()), default=FOREVER)
    return _OfActor(groups_of_it, rights, any(group.spot.watches for group in found), least, shares, judged)


def _judge(world: World, actor: Actor, place: Place, at: int) -> _Judged:
    grants, _ = ways(world, actor, place, _LIVE)
    bound = min((grant.bound(at) for grant in grants), default=FOREVER)
    settled = settle(grants, at)
    return _Judged(None, at, bound) if settled is None else _Judged(settled.grant.version, settled.end, bound)


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
        named = dict.fromkeys(map(camera_of, entries))
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
