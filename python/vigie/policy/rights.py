"""May this agent do this to this camera at this instant, until when, and why? Pure functions of a `World`.

The order of the code is that of `docs/rights.md`: who asks (`persons`), the post, the ways by which a right can come
(`grants`), the smallest of those that hold, and last what keeps everybody out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from vigie.forms import form_name
from vigie.policy.grants import Grant, Part, Question, Refusal, Ways, standing_ways, ways
from vigie.policy.moments import shown, state
from vigie.policy.persons import Person, gate, person_of
from vigie.policy.reasons import Decision, Fact
from vigie.policy.sharing_objects import ACTIONS, Action
from vigie.policy.texts import one_of
from vigie.policy.windows import FOREVER, SECOND
from vigie.policy.world import Place, Spot, World

CHAIN_NS = 8 * 24 * 3600 * SECOND
"""How far ahead one grant's end is joined to the next one's beginning; a longer end is one grant's own."""


@dataclass(frozen=True, slots=True)
class Settled:
    """The right that grants give together. `end`: FOREVER, or when it ends or becomes smaller."""

    grant: Grant
    end: int


def _size(grant: Grant) -> tuple[bool, str, int]:
    """Sorts smaller rights first: pictures with further masks, then lower ranks."""
    return grant.version is None, grant.version or "", grant.rank or 0


def settle(grants: Sequence[Grant], at: int) -> Settled | None:
    """The smallest right of those that hold; its end is that of the last grant that gives the same without a break."""
    holding = [(grant, end) for grant in grants for holds, end in [grant.at(at)] if holds]
    if not holding:
        return None
    size = min(_size(grant) for grant, _ in holding)
    alike = [(grant, end) for grant, end in holding if _size(grant) == size]
    chosen, own_end = max(alike, key=lambda item: (item[1], item[0].by))
    end = own_end
    if len(grants) > 1:
        same = [grant for grant in grants if _size(grant) == size]
        horizon = at + CHAIN_NS
        while end < horizon:
            further = max((bound for grant in same for holds, bound in [grant.at(end)] if holds), default=end)
            if further == end:
                break
            end = further
        end = max(min(end, horizon), own_end) if end > own_end else end
        for grant in grants:
            if _size(grant) < size:
                end = grant.begins_after(at, end)
    return Settled(chosen, end)


def reserved(spot: Spot, person: Person, at: int) -> tuple[str | None, int]:
    """The WatchOrder that keeps the agent out now, or None; and when one begins that will (L-27)."""
    begins = FOREVER
    for watch in spot.watches:
        if person.agent.name not in watch.persons:
            inside, bound = state(watch.terms, at)
            if inside:
                return watch.name, at
            begins = min(begins, bound)
    return None, begins


def decide(
    world: World, agent: str, camera: str, action: Action, purpose: str | None, at: int, post: str | None = None
) -> Decision:
    """Whether, until when and why.

    Parameters: `purpose`: None takes the default purpose of the convention, or of the agent for its own cameras; `at`:
    nanoseconds since 1970; `post`: the Post where the agent sits. Unknown names are refused, not raised.
    Not checked: whether a camera shows anything (`privacy`), and that the agent is who it says.
    Source: L-1 to L-5, L-22, L-23, L-25, L-27, L-29.
    """
    asked = Question(action, purpose, post)
    decision = _decide(world, agent, camera, asked, at)
    if decision.code in ("no-agent", "no-camera"):
        return decision
    rights = tuple(
        each
        for each in ACTIONS
        if (decision if each == action else _decide(world, agent, camera, replace(asked, action=each), at)).allowed
    )
    return replace(decision, rights=rights)


def decide_alone(
    world: World, agent: str, camera: str, action: Action, purpose: str | None, at: int, post: str | None = None
) -> Decision:
    """As `decide`, without what else would be allowed (`rights` is empty): a fifth of the work."""
    return _decide(world, agent, camera, Question(action, purpose, post), at)


def _decide(world: World, agent_name: str, camera: str, asked: Question, at: int) -> Decision:
    refused = Decision(False, agent_name, camera, asked.action, asked.purpose, at)
    agent, place = world.agents.get(agent_name), world.places.get(camera)
    if agent is None:
        return replace(
            refused, why=(Fact(f"Agent {agent_name}", "no-agent", f"no Agent is called {agent_name}", False),)
        )
    if place is None:
        return replace(refused, why=(Fact(f"Camera {camera}", "no-camera", f"no Camera is called {camera}", False),))
    person = person_of(world, agent)
    own = _administrators(world, agent.spec.organisation)
    facts, person_end = gate(person, place.spot, at)
    facts += _of_post(world, person, asked)
    if asked.action == "ptz" and not place.spot.turns:
        facts.append(Fact(f"Camera {camera}", "cannot-turn", f"{camera} is not declared to turn", False))
    if any(not fact.allows for fact in facts):
        ask = own if any(fact.code not in ("cannot-turn",) for fact in facts if not fact.allows) else ()
        return replace(refused, why=tuple(facts), ask=ask)
    grants, dead_ends = ways_of(world, person, camera, place, asked)
    settled = settle(grants, at)
    if settled is None:
        facts += [_why_not(grant, at) for grant in grants]
        facts += [Fact(item.object, item.code, item.says, False) for item in _distinct(dead_ends)]
        askable = {grant.share.convention.spec.from_ for grant in grants if grant.share}
        askable |= {item.ask for item in dead_ends if item.ask is not None}
        askable |= {place.spot.owner} if grants and place.spot.owner else set()
        ask = tuple(entry for name in sorted(askable) for entry in _administrators(world, name))
        return replace(refused, why=tuple(facts), ask=ask or own)
    grant = settled.grant
    if not listed(person, camera, grant.version):
        what = f"the Agent {agent_name} is narrowed to cameras of which this is none"
        return replace(refused, why=(*facts, Fact(f"Agent {agent_name}", "narrowed", what, False)), ask=own)
    order, watched_from = reserved(place.spot, person, at)
    if order is not None:
        hidden = Fact(f"WatchOrder {order}", "watch-order", f"WatchOrder {order} keeps it", False, sealed=True)
        said = Fact("", "reserved", "it is reserved", False)
        return replace(refused, why=(hidden, said))
    end = min(person_end, settled.end)
    facts += _why(world, place, grant, at)
    glass = _is_glass(grant, at)
    return replace(
        refused,
        allowed=True,
        purpose=grant.purpose,
        version=grant.version,
        until=_or_none(min(end, watched_from)),
        shown_until=_or_none(end),
        ptz_rank=grant.rank,
        by=grant.by,
        break_glass=glass,
        why=tuple(facts),
    )


def ways_of(world: World, person: Person, camera: str, place: Place, asked: Question) -> Ways:
    """The ways of an agent to a camera, by its organisation or by what it lists."""
    if person.actor.standing:
        return standing_ways(person.actor, place.spot, person.agent.spec.cameras or (), camera, asked)
    return ways(world, person.actor, place, asked)


def listed(person: Person, camera: str, version: str | None) -> bool:
    """Whether what the agent lists leaves room for this picture; one that lists nothing is not narrowed."""
    cameras = person.agent.spec.cameras
    return cameras is None or "*" in cameras or camera in cameras or form_name(camera, version) in cameras


def _or_none(end: int) -> int | None:
    return None if end == FOREVER else end


def _is_glass(grant: Grant, at: int) -> bool:
    return any(
        part.authorities and not any(state(item.terms, at)[0] for item in part.authorities) for part in grant.parts
    )


def _distinct(refusals: Sequence[Refusal]) -> list[Refusal]:
    return list(dict.fromkeys(refusals))


def _of_post(world: World, person: Person, asked: Question) -> Iterator[Fact]:
    if asked.post is None:
        return
    name = f"Post {asked.post}"
    item = world.posts.get(asked.post)
    if item is None:
        yield Fact(name, "post", f"no Post is called {asked.post}", False)
    elif item.spec.organisation not in person.actor.acting:
        yield Fact(name, "post", f"{name} is one of {item.spec.organisation}, for which the agent does not act", False)
    else:
        yield Fact(name, "post", f"the agent sits at {name} of {item.spec.organisation}", True)


def _administrators(world: World, organisation: str | None) -> tuple[str, ...]:
    """Whom to ask at an organisation."""
    if organisation is None:
        return ()
    names = sorted(
        name
        for name, agent in world.agents.items()
        if agent.spec.organisation == organisation and "administrator" in agent.spec.roles
    )
    who = f" ({one_of(names)})" if names else ""
    return (f"an administrator of {organisation}{who}",)


def _why_not(grant: Grant, at: int) -> Fact:
    """The first part of a grant that does not hold."""
    part, bound = next((part, bound) for part in grant.parts for holds, bound in [part.at(at)] if not holds)
    later = "" if bound == FOREVER else f"; it does from {shown(bound, part.zone)}"
    says = {
        "dates": f"{part.object} does not hold on this day",
        "window": f"no window of {part.object} is open",
        "opening": f"no Opening opens {part.object}",
        "not cut": f"the owner has cut {part.object}",
        "authorisation": f"{part.object} is not in force",
    }[part.code]
    return Fact(part.object, part.code, says + later, False)


def _why(world: World, place: Place, grant: Grant, at: int) -> Iterator[Fact]:
    """What an allowed right rests on."""
    spot = place.spot
    if grant.share is not None:
        spec = grant.share.convention.spec
        what = f"{grant.by} from {spec.from_}, the owner, to {spec.to} gives {', '.join(spec.rights)}"
        yield Fact(grant.by, "convention", what, True)
    elif grant.by == "standing":
        yield Fact("Agent", "standing", "the agent lists the camera, which has no owner: a standing right", True)
    else:
        whose = "owns" if grant.by == "owner" else "operates"
        name = spot.owner if grant.by == "owner" else spot.operated_by
        where = f", in the commune {spot.commune}" if spot.commune else ""
        what = f"{name}, for which the agent acts, {whose} this camera of the regime {spot.regime}{where}"
        yield Fact(f"Organisation {name}", grant.by, what, True)
    for part in grant.parts:
        yield _of_part(grant, part, at)


def _of_part(grant: Grant, part: Part, at: int) -> Fact:
    bound = part.at(at)[1]
    until = "without an end" if bound == FOREVER else f"until {shown(bound, part.zone)}"
    if part.code == "authorisation":
        now = [item for item in part.authorities if state(item.terms, at)[0]]
        kinds = ", ".join(f"{'provisional ' if item.provisional else ''}order {item.number}" for item in now)
        what = f"{part.object} ({kinds or 'break-glass'}) permits {grant.purpose} {until}"
    else:
        says = {
            "dates": "it holds",
            "window": "its window is open",
            "opening": "an Opening opens it",
            "not cut": "the owner's cut does not stop it",
        }[part.code]
        what = f"{says} {until}"
    return Fact(part.object, part.code, what, True)
