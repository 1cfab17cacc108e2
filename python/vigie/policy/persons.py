"""Who asks: an agent with all that holds for every camera (L-3, L-5), and the actor whose rights it shares."""

from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from vigie.policy.moments import ALWAYS, Terms, meet, shown, state, term
from vigie.policy.people_objects import Agent
from vigie.policy.reasons import Fact
from vigie.policy.sharing_objects import Action
from vigie.policy.windows import FOREVER
from vigie.policy.world import Spot, World

ROLE_ACTIONS: dict[str, frozenset[Action]] = {
    "operator": frozenset({"live", "playback", "ptz"}),
    "supervisor": frozenset({"live", "playback", "export", "ptz"}),
    "requisition": frozenset({"playback", "export"}),
    "ticket": frozenset({"live"}),
    "auditor": frozenset(),
    "administrator": frozenset(),
}
"""What each role may do to pictures at all. `ticket` counts for the purpose `ticketing` alone (L-29)."""

TICKETING = "ticketing"


@dataclass(frozen=True, slots=True)
class Actor:
    """What agents with the same rights have in common. Hashable: results are kept by it.

    `own`: its organisation and those it is a service of; `acting`: these, and those it is made available to;
    `competence`: the communes of the municipalities among `acting` (L-4); `departments`: None where nothing limits
    them.
    """

    own: frozenset[str]
    acting: frozenset[str]
    competence: frozenset[str]
    departments: frozenset[str] | None
    roles: frozenset[str]
    machine: bool
    default_purpose: str | None

    @property
    def standing(self) -> bool:
        """Whether it has no organisation, and so only its standing rights."""
        return not self.own

    def may(self, action: Action, purpose: str | None, ticketing: bool) -> bool:
        """Whether a role gives the action for a purpose, to a camera that is flagged for tickets or not."""
        if purpose == TICKETING:
            return "ticket" in self.roles and ticketing and action == "live"
        if action == "live" and (self.machine or self.standing):
            return True
        return any(action in ROLE_ACTIONS[role] for role in self.roles if role != "ticket")


@dataclass(frozen=True, slots=True)
class Person:
    """An agent, ready to be asked."""

    agent: Agent
    actor: Actor
    ends: Terms  # until the agent's own end
    habilitation: Terms  # ALWAYS where none is needed, nothing where it is suspended or missing

    @property
    def terms(self) -> Terms:
        """When it may do anything at all, if nothing else forbids it."""
        return meet(self.ends, self.habilitation)


def person_of(world: World, agent: Agent) -> Person:
    """The agent as the rules see it."""
    spec = agent.spec
    own = frozenset[str]()
    if spec.organisation is not None:
        own = frozenset(world.chains.get(spec.organisation, (spec.organisation,)))
    acting = own.union(*(world.chains.get(name, (name,)) for name in spec.made_available_to)) if own else own
    known = [world.organisations[name].spec for name in acting if name in world.organisations]
    competence = frozenset(commune for of in known if of.type == "municipality" for commune in of.communes)
    departments: frozenset[str] | None = None
    habilitation = ALWAYS
    if own and not spec.machine:
        held = spec.habilitation
        habilitation = () if held is None or held.suspended else term(held.from_, held.until, held.zone)
        if held is not None and held.departments != "*":
            departments = frozenset(held.departments)
    actor = Actor(own, acting, competence, departments, frozenset(spec.roles), spec.machine, spec.default_purpose)
    return Person(agent, actor, term(None, spec.until), habilitation)


def gate(person: Person, spot: Spot | None, at: int) -> tuple[list[Fact], int]:
    """What holds for the agent whatever the right (L-3, L-5): facts, of which the last may refuse, and the end.

    `spot`: None leaves out whether its department fits.
    """
    name, spec = person.agent.name, person.agent.spec
    inside, end = state(person.ends, at)
    if not inside:
        return [Fact(f"Agent {name}", "agent-ended", f"the account {name} has ended", False)], end
    if person.actor.standing:
        return [], end
    if spec.organisation is not None and spec.machine:
        return [Fact(f"Agent {name}", "machine", f"{name} is a machine of {spec.organisation}", True)], end
    held = spec.habilitation
    of = f"{name} of {spec.organisation}"
    if held is None:
        return [Fact(f"Agent {name}", "no-habilitation", f"{of} has no habilitation", False)], end
    which = f"habilitation {held.reference}"
    if held.suspended:
        return [Fact(f"Agent {name}", "suspended", f"the {which} of {of} is suspended", False)], end
    inside, habilitation_end = state(person.habilitation, at)
    if not inside:
        what = "has ended" if habilitation_end == FOREVER else f"begins at {shown(habilitation_end, held.zone)}"
        return [Fact(f"Agent {name}", "habilitation-term", f"the {which} of {of} {what}", False)], end
    until = shown(habilitation_end, held.zone)
    if spot is not None and not in_departments(person.actor, spot):
        place = "a place that is not declared" if spot.department is None else f"the department {spot.department}"
        what = f"the {which} of {of} holds in {', '.join(held.departments)}, and the camera stands in {place}"
        return [Fact(f"Agent {name}", "department", what, False)], end
    return [Fact(f"Agent {name}", "habilitation", f"the {which} of {of} holds until {until}", True)], min(
        end, habilitation_end
    )


def post_at(world: World, address: str) -> str | None:
    """The Post at an address: its workstations and wall decoders are one place (L-3). Raises: ValueError."""
    here = ip_address(address)
    for name, post in world.posts.items():
        if any(here in ip_network(held) for held in post.spec.addresses):
            return name
    return None


def in_departments(actor: Actor, spot: Spot) -> bool:
    """Whether the actor's agrément reaches the camera (L-5)."""
    return actor.departments is None or spot.department in actor.departments
