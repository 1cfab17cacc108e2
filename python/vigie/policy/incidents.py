"""Who may bookmark a camera, whom a bookmark is shown to at a Post, and who may know of one. Pure."""

from collections.abc import Iterator
from typing import Literal

from vigie.policy.declared import Kinds, find_in
from vigie.policy.desk_objects import Incident
from vigie.policy.moments import DEFAULT_ZONE, state, term
from vigie.policy.people_objects import Agent, Post
from vigie.policy.persons import person_of
from vigie.policy.reasons import Decision, explain
from vigie.policy.rights import decide
from vigie.policy.sharing_objects import WatchOrder
from vigie.policy.world import World

DESK_ROLES = frozenset({"operator", "supervisor", "administrator"})
Place = Literal["member", "watcher", "recipient", ""]


def sees_live(world: World, agent: str, camera: str, purpose: str | None, at: int) -> Decision:
    """Whether an agent may see the camera live at that instant, at a Post of his or without one; else why not."""
    refused = decide(world, agent, camera, "live", purpose, at)
    item = world.agents.get(agent)
    if refused.allowed or item is None:
        return refused
    acting = person_of(world, item).actor.acting
    for name, post in world.posts.items():
        if post.spec.organisation in acting:
            decision = decide(world, agent, camera, "live", purpose, at, name)
            if decision.allowed:
                return decision
    return refused


def people_at(world: World, post: Post) -> Iterator[Agent]:
    """The persons who act for the organisation whose Post it is."""
    for agent in world.agents.values():
        if not agent.spec.machine and post.spec.organisation in person_of(world, agent).actor.acting:
            yield agent


def why_nobody_sees(world: World, post: str, camera: str, purpose: str | None, at: int) -> str | None:
    """None where somebody at the Post may see the camera live at that instant; else why nobody may, and whom to ask."""
    item = world.posts[post]
    nearest: Decision | None = None
    for agent in people_at(world, item):
        decision = decide(world, agent.name, camera, "live", purpose, at, post)
        if decision.allowed:
            return None
        if nearest is None or len(decision.why) > len(nearest.why):
            nearest = decision
    head = f"nobody at {post} of {item.spec.organisation} may see {camera} now"
    if nearest is None:
        return f"{head}: no person acts for {item.spec.organisation}"
    return f"{head}; such as: {explain(nearest, DEFAULT_ZONE)}"


def place_in(kinds: Kinds, incident: Incident, agent: str, now: int) -> Place:
    """How an agent may know of an incident: as one of those who opened it, or where he may watch its cameras.

    `watcher`: of a town without organisations; `recipient`: of those whose Post it is; "": not at all. What is kept for
    a targeted watch is told to those named there alone (L-27).
    """
    spec = incident.spec
    me = find_in(kinds, "Agent", agent)
    if not isinstance(me, Agent) or not state(term(None, me.spec.until), now)[0]:
        return ""
    if _kept_from(kinds, incident, agent, now):
        return ""
    if spec.opened_by == agent:
        return "member"
    own = me.spec.organisation
    opener = find_in(kinds, "Agent", spec.opened_by)
    if own is None:
        return "watcher"  # a town without organisations: who may watch
    if isinstance(opener, Agent) and opener.spec.organisation == own:
        return "" if DESK_ROLES.isdisjoint(me.spec.roles) else "member"
    post = find_in(kinds, "Post", spec.post or "")
    if isinstance(post, Post) and post.spec.organisation in (own, *me.spec.made_available_to):
        return "recipient"
    return ""


def _kept_from(kinds: Kinds, incident: Incident, agent: str, now: int) -> bool:
    return any(
        isinstance(item, WatchOrder)
        and agent not in item.spec.persons
        and not set(item.spec.cameras).isdisjoint(incident.spec.cameras)
        and state(term(item.spec.from_, item.spec.until), now)[0]
        for item in kinds.get("WatchOrder", {}).values()
    )
