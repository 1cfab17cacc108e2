"""Who may change which objects, and which changes need a second person's yes. Pure.

Whoever keeps the objects asks before a change is taken over; a rollback and a `--prune` are changes as any other.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from vigie.policy.desk_objects import IdentityProvider, Incident, Outlet
from vigie.policy.evidence_objects import Hold, RecordingPolicy, Requisition, Volume
from vigie.policy.fields import DeclaredObject
from vigie.policy.fingerprint import fingerprint
from vigie.policy.incidents import sees_live
from vigie.policy.mask_objects import MaskSet
from vigie.policy.moments import DEFAULT_ZONE, begins_ns, state
from vigie.policy.objects import Camera, Site
from vigie.policy.people_objects import Agent, Post
from vigie.policy.persons import person_of
from vigie.policy.reasons import explain
from vigie.policy.sharing_objects import Approval, Authorisation, Change, Convention, Opening, WatchOrder
from vigie.policy.texts import one_of
from vigie.policy.windows import SECOND
from vigie.policy.world import Key, World

ROLES_BESIDE: Mapping[type, set[str]] = {
    Opening: {"supervisor"},
    Incident: {"operator", "supervisor"},
    Requisition: {"requisition"},
    Hold: {"requisition"},
}
"""Who of an organisation may change its objects of a kind, besides its administrators."""

APPROVAL_NS = 30 * 24 * 3600 * SECOND
"""How long an Approval waits for its change."""


OF_ORGANISATION = (Outlet, IdentityProvider, RecordingPolicy, Volume, Requisition, Hold)


@dataclass(frozen=True, slots=True)
class RefusedChange:
    """A change that is not taken over. `needs`: what a second person would have to approve, with `fingerprint`.

    `of`: whose person it takes; None: the installation's.
    """

    key: Key
    code: str
    says: str
    needs: Change | None = None
    fingerprint: str | None = None
    of: str | None = None


@dataclass(frozen=True, slots=True)
class _Need:
    change: Change
    of: str | None  # the organisation whose person it takes; None: the installation's
    why: str


def refused_changes(before: World, after: World, by: str, at: int) -> list[RefusedChange]:
    """What of the step from one world to the next an agent may not do; empty: all of it may be done.

    Parameters: `before`: what is in force; the agent's roles and all Approvals are read there, so that nobody gives
    himself either. While it has no administrator at all, everything may be done. `at`: nanoseconds since 1970.
    Not checked: that the agent is who it says; whether the objects fit each other.
    Source: design 4 (objects), M-8, L-4, L-25.
    """
    if not any("administrator" in agent.spec.roles for agent in before.agents.values()):
        return []
    agent = before.agents.get(by)
    found: list[RefusedChange] = []
    for key in changed_keys(before, after):
        old, new = before.get(*key), after.get(*key)
        name = f"{key[0]} {key[1]}"
        if agent is None or not state(person_of(before, agent).ends, at)[0]:
            found.append(RefusedChange(key, "no-agent", f"{name}: {by} is nobody who may change anything"))
            continue
        foreign = [item for item in (_lacks(before, agent, old), _lacks(after, agent, new)) if item is not None]
        if foreign:
            found.append(RefusedChange(key, "not-yours", f"{name}: {foreign[0]}"))
            continue
        if isinstance(new, Incident) and (why := _not_his_incident(after, old, new, agent, at)) is not None:
            found.append(RefusedChange(key, "not-yours", f"{name}: {why}"))
            continue
        print_ = fingerprint(new)
        for need in _needs(before, after, old, new):
            if not _approved(before, key, need, print_, by, at):
                whose = "the installation" if need.of is None else need.of
                says = f"{name}: {need.why}; right would be an Approval ({need.change}) by a second person of {whose}"
                found.append(RefusedChange(key, "needs-approval", says, need.change, print_, need.of))
    return found


def changed_keys(before: World, after: World) -> list[Key]:
    """The objects that are not the same in both, in order."""
    found = []
    for was, now in before.others(after.kinds):
        item = was or now
        if item is not None and was != now:
            found.append((item.kind, item.name))
    return sorted(found)


def _lacks(world: World, agent: Agent, item: DeclaredObject | None) -> str | None:
    """What the agent lacks to change an object as it is in a world, or None."""
    if item is None:
        return None
    if isinstance(item, Approval):
        giver = item.spec.given_by
        return None if giver == agent.name else f"an Approval is given and taken back by {giver} alone"
    roles = ROLES_BESIDE.get(type(item), set()) | {"administrator"}
    if roles.isdisjoint(agent.spec.roles):
        return f"{agent.name} is no {one_of(sorted(roles))}"
    own = agent.spec.organisation
    owners = owners_of(world, item)
    if own is None:
        # Whoever sets the installation up also names each organisation's first administrators.
        first = isinstance(item, Agent) and "administrator" in item.spec.roles
        return None if owners == {None} or first else f"it belongs to {_named(owners)}, not to the installation"
    return None if owners == {own} else f"it belongs to {_named(owners)}, not to {own}"


def _named(owners: set[str | None]) -> str:
    return one_of(sorted("the installation" if owner is None else owner for owner in owners))


def owners_of(world: World, item: DeclaredObject) -> set[str | None]:
    """The organisations whose object it is; None stands for the installation as a whole.

    Organisations themselves are the installation's: one that named its own communes would choose its own territory.
    """
    if isinstance(item, (Agent, Post, WatchOrder, *OF_ORGANISATION)):
        return {item.spec.organisation}
    if isinstance(item, Incident):
        opener = world.agents.get(item.spec.opened_by)
        return {None if opener is None else opener.spec.organisation}
    if isinstance(item, (Camera, Site)):
        return {item.spec.owner}
    if isinstance(item, MaskSet):
        camera = world.get("Camera", item.spec.camera)
        site = world.get("Site", item.spec.camera.partition(".")[0])
        return {holder.spec.owner for holder in (camera, site) if isinstance(holder, (Camera, Site))} or {None}
    if isinstance(item, Authorisation):
        return {item.spec.holder}
    if isinstance(item, Convention):
        return {item.spec.from_}
    if isinstance(item, Opening):
        shares = [world.shares.get(name) for name in item.spec.conventions]
        return {None if share is None else share.convention.spec.from_ for share in shares}
    return {None}


def _not_his_incident(after: World, old: Any, new: Incident, agent: Agent, at: int) -> str | None:
    """A bookmark is of pictures that whoever makes it may see; later it is only closed."""
    if old is not None:
        same = old.spec.model_copy(update={"closed": None}) == new.spec.model_copy(update={"closed": None})
        by = None if new.spec.closed is None else new.spec.closed.by
        if not same or old.spec.closed is not None or by != agent.name:
            return f"an Incident stays as it was opened; right would be closed, by {agent.name}"
        return None
    if new.spec.opened_by != agent.name or new.spec.closed is not None:
        return f"an Incident is opened by whoever makes it; right would be opened_by: {agent.name}"
    for camera in new.spec.cameras:
        decision = sees_live(after, agent.name, camera, new.spec.purpose, at)
        if not decision.allowed:
            return explain(decision, DEFAULT_ZONE)
    return None


def _needs(before: World, after: World, old: Any, new: Any) -> Iterator[_Need]:
    """The second persons that a change takes."""
    item = old if new is None else new
    owner = min((name for name in owners_of(before if new is None else after, item) if name), default=None)
    holder = before.organisations.get(owner or "")
    second = owner if holder is None or holder.spec.approvals_by is None else holder.spec.approvals_by
    if old is not None and (why := hides_less(before, old, new)) is not None:
        yield _Need("hide-less", second, why)
    if isinstance(item, Agent):
        yield from _of_agent(old, new, second)
    if isinstance(old, Convention):
        cut, later = old.spec.cut, None if new is None else new.spec.cut
        if cut is not None and new is not None and (later is None or begins_ns(later.since) > begins_ns(cut.since)):
            yield _Need("give-back", second, "a convention that was cut is given back")
        elif _police_by_order(before, old):
            why = "the authorisation makes the police recipient: the owner alone may not change this share (L-25)"
            yield _Need("cut", second, why)


def _of_agent(old: Agent | None, new: Agent | None, second: str | None) -> Iterator[_Need]:
    held = None if old is None else old.spec.habilitation
    now = None if new is None else new.spec.habilitation
    if held is not None and held.suspended and (now is None or not now.suspended):
        yield _Need("give-back", second, "a suspended habilitation is given back or forgotten")
    if new is not None:
        known = () if old is None else old.spec.made_available_to
        for name in new.spec.made_available_to:
            if name not in known:
                yield _Need("make-available", name, f"the agent is made available to {name}, which has to agree")


def hides_less(before: World, old: DeclaredObject, new: Any) -> str | None:
    """Why a change may show more than before, or None. When in doubt it may: a region counts as kept only as it was."""
    if isinstance(old, MaskSet):
        if new is None:
            return None if old.spec.version is not None else "a mask set is taken away"
        if (old.spec.camera, old.spec.version) != (new.spec.camera, new.spec.version):
            return "a mask set is moved elsewhere"
        kept = [_place(region) for region in new.spec.regions]
        if any(_place(region) not in kept for region in old.spec.regions):
            return "a region is taken away or changed"
        return "the view is no longer watched" if old.spec.scene_watch and not new.spec.scene_watch else None
    if isinstance(old, Camera) and new is not None:
        masked = old.spec.privacy in ("masked", "masked_at_source")
        if masked and new.spec.privacy == "clear":
            return "a masked camera is shown without masks"
        if old.spec.privacy == "masked" and new.spec.privacy == "masked_at_source":
            return "the camera is trusted to mask by itself"
        if masked and old.spec.dome != new.spec.dome:
            return "a masked camera's dome is trusted otherwise"
    if isinstance(old, Convention) and new is not None and old.spec.extra_masks not in (None, new.spec.extra_masks):
        return "the recipient's further masks are taken away or changed"
    return None


def _place(region: Any) -> Mapping[str, Any]:
    return region.model_dump(include={"space", "points", "from_", "until"})  # type: ignore[no-any-return]


def _police_by_order(world: World, convention: Convention) -> bool:
    """Whether an authorisation of a camera of the convention names its recipient, and that is the police (L-25)."""
    to = world.chains.get(convention.spec.to, ())
    if not any(world.organisations[name].spec.type in ("police", "gendarmerie") for name in to):
        return False
    return any(
        not authority.recipients.isdisjoint(to)
        for camera in world.covered.get(convention.name, ())
        for authority in world.places[camera].spot.authorities
    )


def _approved(before: World, key: Key, need: _Need, print_: str, by: str, at: int) -> bool:
    for item in before.kinds.get("Approval", {}).values():
        assert isinstance(item, Approval)
        spec = item.spec
        if (spec.kind, spec.name, spec.change, spec.fingerprint) != (*key, need.change, print_):
            continue
        giver = before.agents.get(spec.given_by)
        waits = 0 <= at - begins_ns(spec.given_at) <= APPROVAL_NS
        if waits and giver is not None and spec.given_by != by and spec.requested_by == by:
            fits = not {"administrator", "supervisor"}.isdisjoint(giver.spec.roles)
            if fits and giver.spec.organisation == need.of and state(person_of(before, giver).ends, at)[0]:
                return True
    return False
