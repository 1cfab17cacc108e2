"""Whom an alarm concerns: the camera it is of, and the organisations whose matter it is."""

from dataclasses import dataclass

from vigie.alarms.conditions import MACHINE
from vigie.forms import camera_of
from vigie.policy.alarm_kinds import ALARM_KINDS
from vigie.policy.declared import Kinds, find_in
from vigie.policy.desk_objects import Outlet
from vigie.policy.moments import state, term
from vigie.policy.objects import Camera, Site
from vigie.policy.people_objects import Agent
from vigie.policy.sharing_objects import Authorisation, Convention
from vigie.policy.windows import FOREVER
from vigie.policy.world import World

DESK_ROLES = frozenset({"supervisor", "administrator"})
"""Who of an organisation is told of what is its matter, beside those who may watch the camera."""


@dataclass(frozen=True, slots=True)
class Subject:
    """`camera`: whose picture one would see; "" where it is of none. No organisation: the installation's alone."""

    camera: str
    organisations: frozenset[str]


def subject_of(kinds: Kinds, kind: str, about: str) -> Subject:
    """What an alarm is about. What is not declared any more is the installation's."""
    known = ALARM_KINDS.get(kind)
    of = "machine" if known is None or about == MACHINE else known.about
    if of in ("camera", "stream"):
        camera = camera_of(about.partition("/")[0])
        item = find_in(kinds, "Camera", camera) or find_in(kinds, "Site", camera.partition(".")[0])
        owners = {item.spec.owner, item.spec.operated_by} if isinstance(item, (Camera, Site)) else set()
        return Subject(camera, frozenset(owner for owner in owners if owner))
    item = find_in(kinds, of, about)
    owner = None
    if isinstance(item, (Agent, Outlet)):
        owner = item.spec.organisation
    elif isinstance(item, Authorisation):
        owner = item.spec.holder
    elif isinstance(item, Convention):
        owner = item.spec.from_
    return Subject("", frozenset((owner,) if owner else ()))


def may_know_as_member(kinds: Kinds, agent: str, subject: Subject, now: int) -> bool:
    """Whether an agent is told because it is its organisation's matter: supervisors and administrators."""
    item = find_in(kinds, "Agent", agent)
    if not isinstance(item, Agent) or item.spec.organisation not in subject.organisations:
        return False
    return not DESK_ROLES.isdisjoint(item.spec.roles) and _in_force(item, now)


def _in_force(agent: Agent, now: int) -> bool:
    return state(term(None, agent.spec.until), now)[0]


def organisation_may_know(world: World, organisation: str, subject: Subject, now: int) -> bool:
    """Whether an organisation is told: it is its matter, or a convention shows it the camera live at that instant.

    A camera that is kept for a targeted watch (L-27) is not told to those it is shared with.
    """
    if organisation in subject.organisations:
        return True
    place = world.places.get(subject.camera)
    if place is None or any(state(watch.terms, now)[0] for watch in place.spot.watches):
        return False
    chain = world.chains.get(organisation, (organisation,))
    for name in chain:
        for share in world.shares_to.get(name, ()):
            if not place.shares & share.bit or "live" not in share.convention.spec.rights:
                continue
            open_now = share.calendar is None or share.calendar.at(now)[0]
            cut = share.cut != FOREVER and share.cut <= now
            if state(share.terms, now)[0] and state(share.openings, now)[0] and open_now and not cut:
                return True
    return False
