"""The objects that rights hang on, indexed: what every decision reads. Frozen, and cheap to change by one object.

`World.of` takes checked objects (`load_town`). What a camera's rights hang on is its `Spot`; cameras that are alike in
all of it share one, so that thousands of cameras make a few hundred decisions.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeGuard

from vigie.policy.declared import Kinds, find_in, kinds_of
from vigie.policy.fields import DeclaredObject
from vigie.policy.fingerprint import fingerprint
from vigie.policy.mask_objects import MaskSet
from vigie.policy.moments import ALWAYS, Terms, begins_ns, ends_ns, term, union
from vigie.policy.objects import Camera
from vigie.policy.people_objects import Agent, Organisation, Post, department_of
from vigie.policy.sharing_objects import Approval, Authorisation, Convention, Opening, Selector, WatchOrder
from vigie.policy.windows import FOREVER, Calendar, parse_windows, zone_of

Key = tuple[str, str]
"""Kind and name."""


@dataclass(frozen=True, slots=True)
class Authority:
    """An Authorisation, ready to be asked."""

    name: str
    number: str
    provisional: bool
    zone: str
    purposes: frozenset[str]
    recipients: frozenset[str]
    terms: Terms
    glass: Terms  # break-glass


@dataclass(frozen=True, slots=True)
class Watch:
    """A WatchOrder, ready to be asked."""

    name: str
    persons: frozenset[str]
    terms: Terms


@dataclass(frozen=True, slots=True)
class Spot:
    """All of a camera that a right may hang on, but for conventions. No regime: as a street, the strictest."""

    owner: str | None
    operated_by: str | None
    commune: str | None
    regime: str
    ticketing: bool
    turns: bool
    versions: frozenset[str]
    authorities: tuple[Authority, ...]
    watches: tuple[Watch, ...]

    @property
    def department(self) -> str | None:
        """The department it stands in, where its commune is known."""
        return None if self.commune is None else department_of(self.commune)


class Place(NamedTuple):
    """A camera's spot, and the conventions that cover it: one bit each."""

    spot: Spot
    shares: int


@dataclass(frozen=True, slots=True, eq=False)
class Share:
    """A Convention, ready to be asked."""

    name: str
    bit: int
    convention: Convention
    terms: Terms
    calendar: Calendar | None  # None: always
    openings: Terms  # ALWAYS for a standing one
    cut: int  # since when the owner has cut it, or FOREVER
    cut_approved: bool


@dataclass(frozen=True, eq=False)
class Cameras:
    """Cameras by what selectors and decisions ask for.

    `known`: every spot by what it is made of; `ready`: by kind and name, authorities and watches with their objects.
    """

    by: Mapping[str, Mapping[str, frozenset[str]]]
    names: frozenset[str]
    spots: Mapping[str, Spot]
    known: Mapping[Any, Spot]
    ready: Mapping[Key, tuple[DeclaredObject, Any]]

    def selected(self, selector: Selector, owner: str | None = None) -> frozenset[str]:
        """The names of the cameras that fit, of one owner where that is given."""
        sets = [] if owner is None else [self.by["owner"].get(owner, _NONE)]
        for field in ("owner", "site", "regime", "commune"):
            value = getattr(selector, field)
            if value is not None:
                values = value if isinstance(value, list) else [value]
                sets.append(_NONE.union(*(self.by[field].get(item, _NONE) for item in values)))
        if selector.names is not None:
            sets.append(self.names.intersection(selector.names))
        sets.sort(key=len)
        return sets[0].intersection(*sets[1:])


_NONE: frozenset[str] = frozenset()
_OF_INDEX = (Authorisation, WatchOrder)
_SELECTED_BY = ("owner", "site", "regime", "commune", "position")


@dataclass(frozen=True, eq=False)
class World:
    """All objects of a moment. Made by `World.of`, changed by `replacing`; every field is read only."""

    kinds: Kinds
    organisations: Mapping[str, Organisation]
    chains: Mapping[str, tuple[str, ...]]  # an organisation and those it is a service of
    agents: Mapping[str, Agent]
    posts: Mapping[str, Post]
    cameras: Cameras
    places: Mapping[str, Place]
    shares: Mapping[str, Share]
    covered: Mapping[str, frozenset[str]]  # by convention: its cameras
    shares_to: Mapping[str, tuple[Share, ...]]  # by recipient

    @staticmethod
    def of(objects: Iterable[DeclaredObject]) -> "World":
        """Indexes objects; a later one of the same kind and name replaces an earlier one."""
        return _build(kinds_of(objects), None, ())

    def replacing(self, put: Iterable[DeclaredObject] = (), removed: Iterable[Key] = ()) -> "World":
        """The world with some objects put in and others taken out. What does not hang on them is not made anew."""
        put = list(put)
        taken = [item for key in removed if (item := self.get(*key)) is not None]
        if not put and not taken:
            return self
        former = [item for new in put if (item := self.get(new.kind, new.name)) is not None]
        kinds = {kind: dict(self.kinds.get(kind, {})) for kind in {item.kind for item in (*put, *taken)}}
        for item in taken:
            del kinds[item.kind][item.name]
        for item in put:
            kinds[item.kind][item.name] = item
        return _build({**self.kinds, **kinds}, self, (*put, *taken, *former))

    def following(self, kinds: Kinds) -> "World":
        """The world of these objects, as `kinds_of` or `Town.kinds` gives them.

        Objects that are the very ones of this world are not looked at again, nor kinds that are.
        """
        other = [*self.others(kinds)]
        return _build(kinds, self, [item for pair in other for item in pair if item is not None]) if other else self

    def others(self, kinds: Kinds) -> Iterator[tuple[DeclaredObject | None, DeclaredObject | None]]:
        """The objects that are not the very same in other kinds: as they are here, as they are there; None: missing."""
        for kind in self.kinds.keys() | kinds.keys():
            here, there = self.kinds.get(kind, {}), kinds.get(kind, {})
            if here is not there:
                yield from ((was, now) for name, now in there.items() if (was := here.get(name)) is not now)
                yield from ((was, None) for name, was in here.items() if name not in there)

    def get(self, kind: str, name: str) -> DeclaredObject | None:
        """An object, or None."""
        return find_in(self.kinds, kind, name)


def _build(kinds: Kinds, before: World | None, changed: Sequence[DeclaredObject]) -> World:
    """`before`: the world that differs in `changed` alone, as they were and as they are."""
    organisations = _named(kinds, Organisation)
    if before is not None and any(isinstance(item, Organisation) for item in changed):
        before = None  # chains, territories and cuts may all hang on it
    cameras = _cameras_after(kinds, before, changed)
    shares = _shares(kinds, {} if before is None else before.shares)
    places: dict[str, Place]
    if before is None or (cameras.by is not before.cameras.by):
        covered = {name: _covered(cameras, share) for name, share in shares.items()}
        masks = dict.fromkeys(cameras.spots, 0)
        for name, share in shares.items():
            for camera in covered[name]:
                masks[camera] |= share.bit
        places = {camera: Place(spot, masks[camera]) for camera, spot in cameras.spots.items()}
    else:
        covered, places = dict(before.covered), dict(before.places)
        if cameras is not before.cameras:
            for camera, spot in cameras.spots.items():
                if places[camera].spot is not spot:
                    places[camera] = Place(spot, places[camera].shares)
        for name, share in before.shares.items():
            if shares.get(name) is not share:
                _mark(places, covered.pop(name), ~share.bit, 0)
        for name, share in shares.items():
            if before.shares.get(name) is not share:
                covered[name] = _covered(cameras, share)
                _mark(places, covered[name], -1, share.bit)
    shares_to: dict[str, list[Share]] = {}
    for name in sorted(shares):
        shares_to.setdefault(shares[name].convention.spec.to, []).append(shares[name])
    return World(
        kinds,
        organisations,
        _chains(organisations) if before is None else before.chains,
        _named(kinds, Agent),
        _named(kinds, Post),
        cameras,
        places,
        shares,
        covered,
        {name: tuple(items) for name, items in shares_to.items()},
    )


def _mark(places: dict[str, Place], cameras: Iterable[str], keep: int, add: int) -> None:
    for camera in cameras:
        place = places[camera]
        places[camera] = Place(place.spot, place.shares & keep | add)


def _named(kinds: Kinds, kind: type[Any]) -> dict[str, Any]:
    return dict(kinds.get(kind.__name__, {}))


def _covered(cameras: Cameras, share: Share) -> frozenset[str]:
    spec = share.convention.spec
    return cameras.selected(spec.cameras, spec.from_)


def _chains(organisations: Mapping[str, Organisation]) -> dict[str, tuple[str, ...]]:
    """A service acts for its parent only where both are of one type: a commune is no service of a shared centre."""
    chains = {}
    for name, item in organisations.items():
        chain = [name]
        above = organisations.get(item.spec.parent or "")
        while above is not None and above.name not in chain and above.spec.type == item.spec.type:
            chain.append(above.name)
            above = organisations.get(above.spec.parent or "")
        chains[name] = tuple(chain)
    return chains


def _cameras_after(kinds: Kinds, before: World | None, changed: Sequence[DeclaredObject]) -> Cameras:
    """The index, with as much of the former one as the changed objects leave."""
    if before is None:
        return _cameras(kinds, None)
    if any(isinstance(item, _OF_INDEX) for item in changed):
        return _cameras(kinds, before.cameras)
    old, found = before.cameras, _named(kinds, Camera)
    names = {item.name if isinstance(item, Camera) else item.spec.camera for item in changed if _is_of_camera(item)}
    for name in names:
        one, other = before.kinds.get("Camera", {}).get(name), found.get(name)
        if one is not other and not (one and other and _selected_alike(one, other)):
            return _cameras(kinds, old)
    if not names:
        return old
    versions = _versions(kinds, names)
    known = dict(old.known)
    spots = {}
    for name in names & old.spots.keys():
        spot = old.spots[name]
        spot = _spot(known, found[name], versions.get(name, ()), spot.authorities, spot.watches)
        if spot is not old.spots[name]:
            spots[name] = spot
    return replace(old, spots={**old.spots, **spots}, known=known) if spots else old


def _is_of_camera(item: DeclaredObject) -> TypeGuard[Camera | MaskSet]:
    return isinstance(item, (Camera, MaskSet))


def _selected_alike(one: Any, other: Any) -> bool:
    return all(getattr(one.spec, field) == getattr(other.spec, field) for field in _SELECTED_BY)


def _versions(kinds: Kinds, cameras: Set[str] | None = None) -> dict[str, set[str]]:
    """The versions of cameras, or of some of them."""
    versions: dict[str, set[str]] = {}
    for mask_set in _named(kinds, MaskSet).values():
        spec = mask_set.spec
        if spec.version is not None and (cameras is None or spec.camera in cameras):
            versions.setdefault(spec.camera, set()).add(spec.version)
    return versions


def _cameras(kinds: Kinds, before: Cameras | None) -> Cameras:
    """The index made anew; spots that are alike in all are those of before."""
    found: dict[str, Camera] = _named(kinds, Camera)
    by: dict[str, dict[str, set[str]]] = {"owner": {}, "site": {}, "regime": {}, "commune": {}}
    versions = _versions(kinds)
    for name, camera in found.items():
        for field, names in by.items():
            value = getattr(camera.spec, field)
            if value is not None:
                names.setdefault(value, set()).add(name)
    frozen = {field: {value: frozenset(names) for value, names in of.items()} for field, of in by.items()}
    index = Cameras(frozen, frozenset(found), {}, {}, {})
    old = {} if before is None else before.ready
    ready: dict[Key, tuple[DeclaredObject, Any]] = {}
    for kind, make in ((Authorisation, _authority), (WatchOrder, _watch)):
        for name, item in _named(kinds, kind).items():
            kept = old.get((item.kind, name))
            ready[item.kind, name] = kept if kept is not None and kept[0] is item else (item, make(item))
    authorities = _per_camera(kinds, Authorisation, ready, lambda item: _authorised(index, item, found))
    watches = _per_camera(kinds, WatchOrder, ready, lambda item: frozenset(item.spec.cameras))
    known: dict[Any, Spot] = {} if before is None else dict(before.known)
    spots = {
        name: _spot(
            known, camera, versions.get(name, ()), tuple(authorities.get(name, ())), tuple(watches.get(name, ()))
        )
        for name, camera in found.items()
    }
    used = {id(spot) for spot in spots.values()}
    return replace(index, spots=spots, known={key: one for key, one in known.items() if id(one) in used}, ready=ready)


def _spot(
    known: dict[Any, Spot],
    camera: Camera,
    versions: Iterable[str],
    authorities: tuple[Authority, ...],
    watches: tuple[Watch, ...],
) -> Spot:
    spec = camera.spec
    turns = spec.ptz is not None or spec.dome is not None
    facts = (spec.owner, spec.operated_by, spec.commune, spec.regime or "street", spec.ticketing, turns)
    # By identity: contents would be compared for thousands of cameras. A spot keeps them, so no number comes twice.
    key = (facts, frozenset(versions), tuple(map(id, authorities)), tuple(map(id, watches)))
    if key not in known:
        known[key] = Spot(*facts, key[1], authorities, watches)
    return known[key]


def _per_camera(
    kinds: Kinds, kind: type[Any], ready: Mapping[Key, tuple[DeclaredObject, Any]], cameras: Callable[[Any], Any]
) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for name, item in sorted(_named(kinds, kind).items()):
        for camera in cameras(item):
            found.setdefault(camera, []).append(ready[item.kind, name][1])
    return found


def _authority(item: Authorisation) -> Authority:
    spec = item.spec
    return Authority(
        item.name,
        spec.number,
        spec.provisional,
        spec.zone,
        frozenset(spec.purposes),
        frozenset(spec.recipients),
        term(spec.from_, spec.until, spec.zone),
        () if spec.break_glass is None else term(spec.break_glass.from_, spec.break_glass.until),
    )


def _watch(item: WatchOrder) -> Watch:
    return Watch(item.name, frozenset(item.spec.persons), term(item.spec.from_, item.spec.until))


def _authorised(index: Cameras, item: Authorisation, cameras: Mapping[str, Camera]) -> frozenset[str]:
    spec = item.spec
    if spec.cameras is not None:
        return index.selected(spec.cameras, spec.holder)
    names = cameras if spec.holder is None else index.by["owner"].get(spec.holder, _NONE)
    return frozenset(name for name in names if _inside(cameras[name], spec.perimeter or []))


def _inside(camera: Camera, perimeter: list[list[float]]) -> bool:
    """Whether a camera stands inside a polygon of [longitude, latitude]; one without position stands nowhere."""
    if camera.spec.position is None:
        return False
    x, y = camera.spec.position.lon, camera.spec.position.lat
    inside = False
    for (x1, y1), (x2, y2) in zip(perimeter, perimeter[1:] + perimeter[:1], strict=True):
        if (y1 > y) != (y2 > y) and x < x1 + (y - y1) / (y2 - y1) * (x2 - x1):
            inside = not inside
    return inside


def _shares(kinds: Kinds, before: Mapping[str, Share]) -> dict[str, Share]:
    """The conventions; one whose objects are those of before is the same share."""
    openings: dict[str, list[Opening]] = {}
    for opening in _named(kinds, Opening).values():
        for name in opening.spec.conventions:
            openings.setdefault(name, []).append(opening)
    approved = {
        (item.spec.kind, item.spec.name, item.spec.change, item.spec.fingerprint)
        for item in _named(kinds, Approval).values()
    }
    conventions = _named(kinds, Convention)
    taken = {share.bit for name, share in before.items() if name in conventions}
    shares = {}
    bit = 1
    for name, item in conventions.items():
        old = before.get(name)
        if old is None:
            while bit in taken:
                bit <<= 1
            taken.add(bit)
        spec = item.spec
        opened = opened_terms(item, openings.get(name, ())) if spec.trigger == "opening" else ALWAYS
        cut = FOREVER if spec.cut is None else begins_ns(spec.cut.since)
        agreed = spec.cut is not None and ("Convention", name, "cut", fingerprint(item)) in approved
        if old is not None and old.convention is item:
            same = old.openings == opened and old.cut_approved == agreed
            shares[name] = old if same else replace(old, openings=opened, cut_approved=agreed)
            continue
        week = parse_windows(spec.windows)
        calendar = Calendar(week, zone_of(spec.zone))
        terms = term(spec.from_date, spec.until_date, spec.zone)
        shares[name] = Share(
            name,
            bit if old is None else old.bit,
            item,
            terms,
            None if calendar.at(0) == (True, FOREVER) else calendar,
            opened,
            cut,
            agreed,
        )
    return shares


def opened_terms(convention: Convention, openings: Iterable[Opening]) -> Terms:
    """When its Openings open a convention. All of one event count from the first: none makes it longer (L-23)."""
    longest = int(convention.spec.max_opening_h * 3600 * 1e9)
    events: dict[str, list[Opening]] = {}
    for opening in openings:
        events.setdefault(" ".join(opening.spec.event.casefold().split()), []).append(opening)
    found: list[Terms] = []
    for of_event in events.values():
        last = min(begins_ns(opening.spec.from_) for opening in of_event) + longest
        for opening in of_event:
            start, end = begins_ns(opening.spec.from_), min(ends_ns(opening.spec.until), last)
            found.append(((start, end),) if start < end else ())
    return union(found)
