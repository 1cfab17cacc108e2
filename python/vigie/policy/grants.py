"""The ways by which a right can come to an actor: what each rests on, and when. Nothing here knows the present.

A grant is a right that holds while all of its parts do. Several grants stand beside each other; within one, the
smallest part wins.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vigie.forms import camera_of, version_of
from vigie.policy.moments import ALWAYS, DEFAULT_ZONE, Terms, state, union
from vigie.policy.people_objects import OWN_RANKS, Ranks
from vigie.policy.persons import Actor
from vigie.policy.sharing_objects import Action
from vigie.policy.texts import one_of
from vigie.policy.windows import FOREVER, Calendar
from vigie.policy.world import Authority, Place, Share, Spot, World

TERRITORIAL = frozenset({"municipality", "shared-centre"})
"""Types whose people reach street cameras of their communes only (L-4)."""
_POLICE = frozenset({"police", "gendarmerie"})


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that a grant rests on: `dates`, `window`, `opening`, `not cut` or `authorisation`."""

    code: str
    object: str
    when: Terms | Calendar
    zone: str = DEFAULT_ZONE
    authorities: tuple[Authority, ...] = ()

    def at(self, ns: int) -> tuple[bool, int]:
        """Whether it holds, and until when; else from when, or FOREVER."""
        return self.when.at(ns) if isinstance(self.when, Calendar) else state(self.when, ns)


@dataclass(frozen=True, slots=True)
class Grant:
    """A right that may hold now or later. `by`: "owner", "operator", "standing" or "Convention x"."""

    by: str
    purpose: str | None
    version: str | None
    rank: int | None
    parts: tuple[Part, ...]
    share: Share | None = None

    def at(self, ns: int) -> tuple[bool, int]:
        """Whether it holds, and the earliest end of its parts; else a bound before which it does not, or FOREVER."""
        end = FOREVER
        for part in self.parts:
            holds, bound = part.at(ns)
            if not holds:
                return False, bound
            end = min(end, bound)
        return True, end

    def bound(self, ns: int) -> int:
        """The next instant at which any of its parts ends or begins, or FOREVER."""
        return min((part.at(ns)[1] for part in self.parts), default=FOREVER)

    def begins_after(self, ns: int, before: int) -> int:
        """The first instant from `ns` on at which it holds, if that is before `before`; else `before`."""
        while ns < before:
            holds, bound = self.at(ns)
            if holds:
                return ns
            ns = bound
        return before


@dataclass(frozen=True, slots=True)
class Refusal:
    """A way that leads nowhere, at any time. `ask`: the organisation that could change it."""

    object: str
    code: str
    says: str
    ask: str | None = None


def rank_of(ranks: Ranks | None, actor: Actor) -> int | None:
    """The rank in steering of the actor's highest role, or None where no role has one."""
    if ranks is None or isinstance(ranks, int):
        return ranks
    return max((rank for role, rank in ranks.items() if role in actor.roles), default=None)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, but for who, which camera and when."""

    action: Action
    purpose: str | None = None
    post: str | None = None


Ways = tuple[tuple[Grant, ...], tuple[Refusal, ...]]


def ways(world: World, actor: Actor, place: Place, question: Question) -> Ways:
    """Every way of an actor with an organisation to a camera, and those that lead nowhere."""
    found = [*_own(world, actor, place.spot, question)]
    for organisation in sorted(actor.acting):
        for share in world.shares_to.get(organisation, ()):
            if place.shares & share.bit:
                found.append(_by_convention(world, actor, place.spot, share, question))
    if not found:
        found.append(_nothing(actor, place.spot))
    return (
        tuple(way for way in found if isinstance(way, Grant)),
        tuple(way for way in found if isinstance(way, Refusal)),
    )


def _nothing(actor: Actor, spot: Spot) -> Refusal:
    if spot.owner is None:
        return Refusal("Camera", "no-owner", "the camera has no owner: only agents without organisation reach it")
    to = one_of(sorted(actor.acting))
    what = f"the camera belongs to {spot.owner}, and no convention from {spot.owner} to {to} covers it"
    return Refusal(f"Organisation {spot.owner}", "no-convention", what, spot.owner)


def _own(world: World, actor: Actor, spot: Spot, question: Question) -> Iterator[Grant | Refusal]:
    owner = world.organisations.get(spot.owner or "")
    if owner is None:
        return
    ranks = owner.spec.ptz_rank
    if spot.owner in actor.acting:
        territorial = owner.spec.type in TERRITORIAL
        yield _own_way(actor, spot, question, "owner", owner.name, ranks, territorial)
    if spot.operated_by in actor.own:
        yield _own_way(actor, spot, question, "operator", str(spot.operated_by), ranks, True)


def _own_way(
    actor: Actor, spot: Spot, question: Question, by: str, name: str, ranks: Ranks, territorial: bool
) -> Grant | Refusal:
    if territorial and spot.regime == "street" and spot.commune not in actor.competence:
        where = "in no declared commune" if spot.commune is None else f"in the commune {spot.commune}"
        among = f" (only for {', '.join(sorted(actor.competence))})" if actor.competence else ""
        what = f"the street camera stands {where}, for which the agent is not competent{among}"
        return Refusal(f"Organisation {name}", "territory", what, spot.owner)
    return _grant(actor, spot, question, by, question.purpose or actor.default_purpose, rank_of(ranks, actor))


def _by_convention(world: World, actor: Actor, spot: Spot, share: Share, question: Question) -> Grant | Refusal:
    spec = share.convention.spec
    name = f"Convention {share.name}"

    def refusal(code: str, says: str) -> Refusal:
        return Refusal(name, code, f"{name} {says}", spec.from_)

    purpose = question.purpose or spec.default_purpose
    if question.action not in spec.rights:
        return refusal("not-in-convention", f"gives {one_of(spec.rights)} only")
    if purpose is not None and purpose not in spec.purposes:
        return refusal("purpose", f"is not for the purpose {purpose}, only for {one_of(spec.purposes)}")
    if spec.posts and question.post not in spec.posts:
        return refusal("post", f"holds at {one_of(spec.posts)} only")
    if spec.extra_masks is not None and spec.extra_masks not in spot.versions:
        return refusal("version", f"wants the version {spec.extra_masks}, which this camera does not have")
    parts = [Part("dates", name, share.terms, spec.zone)]
    if share.openings is not ALWAYS:
        parts.append(Part("opening", name, share.openings, spec.zone))
    if share.calendar is not None:
        parts.append(Part("window", name, share.calendar, spec.zone))
    if share.cut != FOREVER:
        parts.append(Part("not cut", name, _not_cut(world, spot, share), spec.zone))
    rank = rank_of(spec.ptz_rank, actor)
    return _grant(actor, spot, question, name, purpose, rank, spec.extra_masks, parts, share)


def _not_cut(world: World, spot: Spot, share: Share) -> Terms:
    """Until the owner's cut. Where an order makes the police recipient, the cut waits for a second person (L-25)."""
    before: Terms = ((-FOREVER, share.cut),)
    recipients = world.chains.get(share.convention.spec.to, ())
    if share.cut_approved or not any(world.organisations[name].spec.type in _POLICE for name in recipients):
        return before
    ordered = [item.terms for item in spot.authorities if not item.recipients.isdisjoint(recipients)]
    return union([before, *ordered])


def _grant(
    actor: Actor,
    spot: Spot,
    question: Question,
    by: str,
    purpose: str | None,
    rank: int | None,
    version: str | None = None,
    parts: Sequence[Part] = (),
    share: Share | None = None,
) -> Grant | Refusal:
    """What every way goes through: purpose, role, rank, authorisation."""
    if purpose is None and (spot.owner is not None or spot.authorities):
        of, whose = (by, by) if share else ("Agent", "the agent")
        return Refusal(of, "no-purpose", f"no purpose is named, and {whose} has no default purpose")
    if not actor.may(question.action, purpose, spot.ticketing):
        return Refusal("Agent", "role", f"no role of the agent gives {_for(question.action, purpose)} of this camera")
    if question.action == "ptz" and rank is None:
        return Refusal(by, "rank", f"{by}: no role of the agent has a rank in steering")
    permit = _authorised(spot, question.action, purpose)
    if isinstance(permit, Refusal):
        return permit
    parts = [*parts, *([] if permit is None else [permit])]
    return Grant(by, purpose, version, rank if question.action == "ptz" else None, tuple(parts), share)


def _for(action: Action, purpose: str | None) -> str:
    return action if purpose is None else f"{action} for {purpose}"


def _authorised(spot: Spot, action: Action, purpose: str | None) -> Part | Refusal | None:
    """The prefect's orders that cover the camera and permit the purpose (L-1, L-2). None: none is needed."""
    if not spot.authorities:
        if spot.owner is None or spot.regime == "partner":
            return None
        return Refusal("Camera", "no-authorisation", "no Authorisation covers this camera", spot.owner)
    permitting = tuple(item for item in spot.authorities if purpose in item.purposes)
    names = ", ".join(f"Authorisation {item.name}" for item in permitting or spot.authorities)
    if not permitting:
        known = one_of(sorted(frozenset().union(*(item.purposes for item in spot.authorities))))
        return Refusal(names, "purpose", f"{names} permits {known}, not {purpose}", spot.owner)
    terms = [item.terms for item in permitting]
    if action == "live":
        terms += [item.glass for item in permitting]
    return Part("authorisation", names, union(terms), permitting[0].zone, permitting)


def standing_ways(actor: Actor, spot: Spot, entries: Sequence[str], camera: str, question: Question) -> Ways:
    """Those of an agent without organisation: the cameras it lists, as long as they have no owner."""
    if spot.owner is not None:
        what = f"the camera belongs to {spot.owner}: only agents of an organisation reach it"
        return (), (Refusal(f"Organisation {spot.owner}", "owned", what, spot.owner),)
    versions = [version_of(entry) for entry in entries if camera_of(entry) == camera and entry != camera]
    listed: list[str | None] = [version for version in versions if version in spot.versions]
    if camera in entries or "*" in entries:
        listed.append(None)
    if not listed:
        return (), (Refusal("Agent", "not-listed", "the agent does not list this camera"),)
    purpose, rank = question.purpose or actor.default_purpose, rank_of(OWN_RANKS, actor)
    found = [_grant(actor, spot, question, "standing", purpose, rank, version) for version in listed]
    return (
        tuple(way for way in found if isinstance(way, Grant)),
        tuple(way for way in found if isinstance(way, Refusal)),
    )
