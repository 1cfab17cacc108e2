"""What a decision says: values, and the paragraph that a newcomer understands."""

from dataclasses import dataclass

from vigie.forms import form_name
from vigie.policy.moments import shown
from vigie.policy.sharing_objects import Action


@dataclass(frozen=True, slots=True)
class Fact:
    """One object, or one rule, that allows or refuses. `code` is for programs, `says` for people.

    `sealed`: for the auditor alone (L-27); the one who asks is told `reserved` instead.
    """

    object: str
    code: str
    says: str
    allows: bool
    sealed: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """Who may do what to which camera, until when, and why.

    `purpose`: the one that counts, asked for or by default. `rights`: all that would be allowed for the same purpose.
    `version`: of the picture, where further masks make a second one; `published` is its name on the engine.
    `until`: the first instant, nanoseconds since 1970, at which something that the decision rests on ends, or something
    begins that makes it smaller; None: no end is known. `shown_until` leaves out what nobody may know of (L-27).
    `by`: how the right comes: "Convention x", "owner", "operator", "standing". `break_glass`: allowed only by one,
    to be journaled and alarmed. `ask`: who could change a refusal.
    """

    allowed: bool
    agent: str
    camera: str
    action: Action
    purpose: str | None
    at: int
    rights: tuple[Action, ...] = ()
    version: str | None = None
    until: int | None = None
    shown_until: int | None = None
    ptz_rank: int | None = None
    by: str | None = None
    break_glass: bool = False
    why: tuple[Fact, ...] = ()
    ask: tuple[str, ...] = ()

    @property
    def published(self) -> str:
        """The camera's name on the engine, `camera@version` where there is one."""
        return form_name(self.camera, self.version)

    @property
    def code(self) -> str:
        """`allowed`, or that of the first fact that refuses."""
        return next((fact.code for fact in self.why if not fact.allows and not fact.sealed), "allowed")


_DOING = {"live": "see live pictures of", "playback": "play back", "export": "export", "ptz": "steer"}


def explain(decision: Decision, zone: str) -> str:
    """One paragraph for whoever asked. Sealed facts never stand in it."""
    what = f"{decision.agent} may {'' if decision.allowed else 'not '}{_DOING[decision.action]} {decision.camera}"
    purpose = "" if decision.purpose is None else f" for {decision.purpose}"
    head = f"{'Yes' if decision.allowed else 'No'}: {what}{purpose} at {shown(decision.at, zone)}."
    sentences = [head]
    facts = [fact for fact in decision.why if not fact.sealed]
    sentences += [f"{_capital(fact.says)}." for fact in facts]
    if decision.allowed:
        if decision.version is not None:
            sentences.append(f"The picture is {decision.published}, with further masks.")
        if decision.ptz_rank is not None:
            sentences.append(f"The rank in steering is {decision.ptz_rank}.")
        if decision.break_glass:
            sentences.append("This is a break-glass: it is journaled and raises an alarm.")
        end = decision.shown_until
        sentences.append("No end is known." if end is None else f"This ends at {shown(end, zone)}.")
    elif decision.ask:
        sentences.append(f"To ask: {'; '.join(decision.ask)}.")
    return " ".join(sentences)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
