"""What a route says: may this agent have this stream of a camera, under which name on the engine, until when and why.

Pure: objects and an instant in, a decision out. A route is decided when it is opened, and again whenever the policy or
the time has changed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from fnmatch import fnmatchcase

from vigie.forms import camera_of, version_of
from vigie.policy.moments import DEFAULT_ZONE, state
from vigie.policy.people_objects import AgentSpec
from vigie.policy.reasons import Decision, explain
from vigie.policy.rights import decide_alone
from vigie.policy.sites import is_pattern
from vigie.policy.windows import ns_of
from vigie.policy.world import World


@dataclass(frozen=True, slots=True)
class Wish:
    """Who wants to see what. `camera`: may name a version (`camera@version`). `stream`: a name of the camera's.

    `purpose` None: the default one. `post`: where the agent sits. `anybody`: an administrator, where no rules decide.
    """

    agent: str
    camera: str
    stream: str
    purpose: str | None = None
    post: str | None = None
    anybody: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """`form`: the name on the engine. `until`: nanoseconds since 1970, or None; `shown_until`: as people may know.

    `by`: how the right comes. `targeted`: it rests on a WatchOrder, of which nobody else may know (L-27).
    `grounds`: what decided it, for `why`, or a text.
    """

    allowed: bool
    form: str
    until: int | None = None
    shown_until: int | None = None
    purpose: str | None = None
    by: str | None = None
    targeted: bool = False
    grounds: Decision | str = ""

    @property
    def why(self) -> str:
        """A paragraph; of a refusal, with whom to ask."""
        return self.grounds if isinstance(self.grounds, str) else explain(self.grounds, DEFAULT_ZONE)

    @property
    def convention(self) -> str | None:
        """The Convention that gives the right, if one does."""
        kind, _, name = (self.by or "").partition(" ")
        return name if kind == "Convention" else None


def verdict_by_rules(world: World, wish: Wish, at: int) -> Verdict:
    """Where objects decide (L-1 to L-5, L-22 to L-29)."""
    camera, version = camera_of(wish.camera), version_of(wish.camera)
    decision = decide_alone(world, wish.agent, camera, "live", wish.purpose, at, wish.post)
    if decision.allowed and version and version != decision.version:
        theirs = f"{wish.agent} sees it as {decision.published}"
        return Verdict(False, wish.camera, grounds=f"{theirs}; right would be that, or {camera} alone")
    return Verdict(
        allowed=decision.allowed,
        form=decision.published,
        until=decision.until,
        shown_until=decision.shown_until,
        purpose=decision.purpose,
        by=decision.by,
        targeted=decision.allowed and _is_targeted(world, decision, at),
        grounds=decision,
    )


def verdict_by_lists(agents: Mapping[str, AgentSpec], wish: Wish, at: int) -> Verdict:
    """Where each agent has what it lists."""
    granted = Verdict(
        True, wish.camera, purpose=wish.purpose, by="standing", grounds=f"{wish.agent} lists {wish.camera}."
    )
    if wish.anybody:
        return replace(granted, by="administrator", grounds=f"{wish.agent} is an administrator.")
    spec = agents.get(wish.agent)
    if spec is None:
        return Verdict(False, wish.camera, grounds=f"no Agent is called {wish.agent}")
    until = None if spec.until is None else ns_of(datetime.fromisoformat(spec.until))
    if until is not None and until <= at:
        return Verdict(False, wish.camera, grounds=f"the right of {wish.agent} ended at {spec.until}")
    if not any(shows(entry, wish.camera) for entry in spec.cameras or ()):
        return Verdict(
            False, wish.camera, grounds=f"no such camera, or not for {wish.agent}: its cameras do not name it"
        )
    return replace(granted, until=until, shown_until=until)


def both(shown: Verdict, other: Verdict, ahead: int) -> Verdict:
    """What holds at both of two instants that may be now. `ahead`: by how much the other is later, nanoseconds."""
    if not shown.allowed or not other.allowed:
        return other if shown.allowed else shown
    if shown.form != other.form:
        return replace(shown, allowed=False, grounds=f"the clock is in doubt: it may be {other.form}")
    ends = [shown.until, None if other.until is None else other.until - ahead]
    return replace(shown, until=min((end for end in ends if end is not None), default=None))


def shows(entry: str, name: str) -> bool:
    """Whether an entry of an agent's cameras lets him see this one. A version is another right than its camera."""
    if entry in ("*", name):
        return True
    return is_pattern(entry) and ("@" in entry) == ("@" in name) and fnmatchcase(name, entry)


def _is_targeted(world: World, decision: Decision, at: int) -> bool:
    place = world.places.get(decision.camera)
    watches = () if place is None else place.spot.watches
    return any(decision.agent in watch.persons and state(watch.terms, at)[0] for watch in watches)
