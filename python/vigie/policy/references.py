"""Names that objects call each other by: every one leads to an object of the right kind. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from vigie.policy.declared import Declared, Town
from vigie.policy.desk_objects import Incident
from vigie.policy.masks import may_come
from vigie.policy.people_objects import STATE, Agent, Organisation, Post
from vigie.policy.problems import Path, Problem, suggestion
from vigie.policy.sharing_objects import Approval, Authorisation, Convention, Opening, Selector, WatchOrder


def reference_problems(town: Town, part: Town) -> Iterator[Problem]:
    """What is wrong with objects of a part of the town about organisations, people and rights."""
    names = Names(town)
    for item in part.rules:
        yield from _CHECKS[type(item.object)](names, item)
    yield from _shared_addresses([item for item in part.rules if isinstance(item.object, Post)])
    for agent in part.agents:
        yield from _of_agent(names, agent)
    for item in part.others:
        yield from _of_other(names, item)
    # A town that declares no organisation may call owners what it likes: nothing hangs on them.
    if names.of["Organisation"]:
        holders: list[Declared[Any]] = [*part.cameras, *part.sites]
        for holder in holders:
            for field in ("owner", "operated_by"):
                yield from names.check(holder, ("spec", field), "Organisation", getattr(holder.object.spec, field))


class Names:
    """All names by kind."""

    def __init__(self, town: Town) -> None:
        self.of: Mapping[str, Mapping[str, Any]] = {"Organisation": {}, "Post": {}, "Convention": {}, **town.kinds}
        self.cameras = town.cameras_by_name
        self.sites = set(self.of.get("Site", ()))
        self._town = town

    @cached_property
    def versions(self) -> set[str]:
        """The names of all versions."""
        return {item.object.spec.version or "" for item in self._town.mask_sets} - {""}

    def check(self, item: Declared[Any], path: Path, kind: str, name: str | None) -> Iterator[Problem]:
        """One field that names an object of a kind, or nothing."""
        if name is not None and name not in self.of.get(kind, {}):
            yield item.problem(path, f'no {kind} "{name[:64]}"; {suggestion(name, self.of.get(kind, {}))}')

    def check_all(self, item: Declared[Any], path: Path, kind: str, names: Sequence[str]) -> Iterator[Problem]:
        """A list of such names."""
        for index, name in enumerate(names):
            yield from self.check(item, (*path, index), kind, name)

    def check_cameras(self, item: Declared[Any], path: Path, names: Sequence[str]) -> Iterator[Problem]:
        """A list of names of cameras; those of a site are known once its partner has answered."""
        for index, name in enumerate(names):
            if name not in self.cameras and not may_come(name, self.sites):
                what = f'no camera "{name[:64]}"; {suggestion(name, sorted(self.cameras))}'
                yield item.problem((*path, index), what)

    def check_selector(self, item: Declared[Any], path: Path, selector: Selector | None) -> Iterator[Problem]:
        """What a selector names."""
        if selector is None:
            return
        for field, kind in (("owner", "Organisation"), ("site", "Site")):
            value = getattr(selector, field)
            if isinstance(value, list):
                yield from self.check_all(item, (*path, field), kind, value)
            else:
                yield from self.check(item, (*path, field), kind, value)
        yield from self.check_cameras(item, (*path, "names"), selector.names or ())

    def type_of(self, organisation: str | None) -> str | None:
        """An organisation's type, where it is declared."""
        item = self.of["Organisation"].get(organisation or "")
        return None if item is None else item.spec.type


def _of_organisation(names: Names, item: Declared[Organisation]) -> Iterator[Problem]:
    spec = item.object.spec
    yield from names.check(item, ("spec", "parent"), "Organisation", spec.parent)
    yield from names.check(item, ("spec", "approvals_by"), "Organisation", spec.approvals_by)
    seen = [item.object.name]
    above = spec.parent
    while above is not None and above in names.of["Organisation"]:
        seen.append(above)
        if above == item.object.name:
            yield item.problem(("spec", "parent"), f"a circle: {' -> '.join(seen)}; right would be one without")
        if above in seen[:-1]:
            return
        above = names.of["Organisation"][above].spec.parent


def _of_agent(names: Names, item: Declared[Agent]) -> Iterator[Problem]:
    spec = item.object.spec
    yield from names.check(item, ("spec", "organisation"), "Organisation", spec.organisation)
    yield from names.check_all(item, ("spec", "made_available_to"), "Organisation", spec.made_available_to)
    kind = names.type_of(spec.organisation)
    if spec.habilitation is not None and spec.habilitation.departments == "*" and kind not in {None, *STATE}:
        what = f'"*" for an agent of a {kind}; right would be the departments of the agrément such as ["57"] (L-5)'
        yield item.problem(("spec", "habilitation", "departments"), what)


def _of_post(names: Names, item: Declared[Post]) -> Iterator[Problem]:
    yield from names.check(item, ("spec", "organisation"), "Organisation", item.object.spec.organisation)


def _shared_addresses(posts: Sequence[Declared[Post]]) -> Iterator[Problem]:
    """An address is at one Post: else nobody could say which place somebody sits at (L-3)."""
    taken: list[tuple[IPv4Network | IPv6Network, str]] = []
    for item in posts:
        for index, address in enumerate(item.object.spec.addresses):
            network = ip_network(address)
            for other, post in taken:
                if other.version == network.version and other.overlaps(network):
                    what = f"{address} is of the Post {post} already ({other}); right would be an address of its own"
                    yield item.problem(("spec", "addresses", index), what)
            taken.append((network, item.object.name))


def _of_authorisation(names: Names, item: Declared[Authorisation]) -> Iterator[Problem]:
    spec = item.object.spec
    yield from names.check(item, ("spec", "holder"), "Organisation", spec.holder)
    yield from names.check_all(item, ("spec", "recipients"), "Organisation", spec.recipients)
    yield from names.check_selector(item, ("spec", "cameras"), spec.cameras)


def _of_convention(names: Names, item: Declared[Convention]) -> Iterator[Problem]:
    spec = item.object.spec
    yield from names.check(item, ("spec", "from"), "Organisation", spec.from_)
    yield from names.check(item, ("spec", "to"), "Organisation", spec.to)
    yield from names.check_all(item, ("spec", "posts"), "Post", spec.posts)
    yield from names.check_selector(item, ("spec", "cameras"), spec.cameras)
    if names.type_of(spec.from_) == "landlord" and spec.trigger == "standing":
        what = "standing, from a landlord; right would be opening: dwellings are shared only at an event (L-23)"
        yield item.problem(("spec", "trigger"), what)
    if spec.extra_masks is not None and spec.extra_masks not in names.versions:
        what = f'no MaskSet of the version "{spec.extra_masks}"; {suggestion(spec.extra_masks, sorted(names.versions))}'
        yield item.problem(("spec", "extra_masks"), what)


def _of_opening(names: Names, item: Declared[Opening]) -> Iterator[Problem]:
    path: Path = ("spec", "conventions")
    yield from names.check_all(item, path, "Convention", item.object.spec.conventions)
    for index, name in enumerate(item.object.spec.conventions):
        convention = names.of["Convention"].get(name)
        if convention is not None and convention.spec.trigger != "opening":
            what = f"{name} is a standing convention; right would be one with trigger: opening"
            yield item.problem((*path, index), what)


def _of_watch_order(names: Names, item: Declared[WatchOrder]) -> Iterator[Problem]:
    spec = item.object.spec
    yield from names.check(item, ("spec", "organisation"), "Organisation", spec.organisation)
    yield from names.check_all(item, ("spec", "persons"), "Agent", spec.persons)
    yield from names.check_cameras(item, ("spec", "cameras"), spec.cameras)


def _of_approval(names: Names, item: Declared[Approval]) -> Iterator[Problem]:
    # What is approved may be that an object goes: its name is not looked for.
    for field in ("requested_by", "given_by"):
        yield from names.check(item, ("spec", field), "Agent", getattr(item.object.spec, field))


# Fields of the other kinds that name objects, wherever they have them.
_FIELDS = {"organisation": "Organisation", "post": "Post", "server": "Server", "requisition": "Requisition"}


def _of_other(names: Names, item: Declared[Any]) -> Iterator[Problem]:
    spec = item.object.spec
    if isinstance(item.object, Incident):
        return  # a bookmark outlives what it names
    for field, kind in _FIELDS.items():
        if isinstance(name := getattr(spec, field, None), str):
            yield from names.check(item, ("spec", field), kind, name)
    cameras = getattr(spec, "cameras", None)
    if isinstance(cameras, Selector):
        yield from names.check_selector(item, ("spec", "cameras"), cameras)
    elif cameras is not None:
        yield from names.check_cameras(item, ("spec", "cameras"), cameras)
    yield from names.check_all(item, ("spec", "volumes"), "Volume", getattr(spec, "volumes", ()))
    for said, agent in getattr(spec, "agents", {}).items():
        yield from names.check(item, ("spec", "agents", said), "Agent", agent)


_CHECKS: Mapping[type, Any] = {
    Organisation: _of_organisation,
    Post: _of_post,
    Authorisation: _of_authorisation,
    Convention: _of_convention,
    Opening: _of_opening,
    WatchOrder: _of_watch_order,
    Approval: _of_approval,
}
