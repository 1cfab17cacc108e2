"""Whom the control plane deals with: who asks, who decides what they may, where it is journaled, what carries it out.

`Rights`, `JournalSink` and `Gate` are all that the store and the service know of the rest. Behind them stand
`TownRights`, `state_journal.py` and `agent.py`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from vigie.alarms.audience import may_know_as_member, subject_of
from vigie.control.diff import Change
from vigie.control.ops import OPS
from vigie.forms import camera_of
from vigie.journal import Record
from vigie.policy.changes import RefusedChange, refused_changes
from vigie.policy.declared import Town, find_in
from vigie.policy.desk_objects import Incident
from vigie.policy.incidents import place_in
from vigie.policy.live_rights import LiveRights, Right
from vigie.policy.mask_objects import MaskSet
from vigie.policy.people_objects import Agent
from vigie.policy.routing import shows
from vigie.policy.windows import ns_of
from vigie.policy.world import World


@dataclass(frozen=True)
class Party:
    """Who asks. `name`: an agent's. `local`: over `ipc://`, as this machine's user. `on_behalf_of`: as a host says."""

    name: str
    administrator: bool = False
    trusted_host: bool = False
    local: bool = False
    on_behalf_of: str = ""

    @property
    def tag(self) -> str:
        """Whose commands and stages they are: the client, and for whom it speaks."""
        return f"{self.name} {self.on_behalf_of}"

    @property
    def speaker(self) -> str:
        """The agent whose rights count: the one it speaks for, else its own."""
        return self.on_behalf_of or self.name

    @property
    def may_all(self) -> bool:
        """Whether it is an administrator of this server, and speaks for itself."""
        return self.administrator and not self.on_behalf_of


# Whoever comes over `ipc://`: the user who runs the service.
LOCAL = Party("local", administrator=True, trusted_host=True, local=True)


@dataclass(frozen=True)
class Decision:
    """`why`: for the one who asks."""

    allowed: bool
    why: str = ""


@dataclass(frozen=True)
class ObjectRef:
    """An object, or a kind where `name` is empty. `owner`: who made it, where it is known."""

    kind: str
    name: str = ""
    owner: str = ""


class Rights(Protocol):
    """Who may do what. Called for every command, object and event: quick, and without I/O."""

    def may(self, party: Party, op: str, target: ObjectRef | None) -> Decision:
        """Whether the party may do this, on this object where the operation is on one."""

    def may_know(self, party: Party, target: ObjectRef) -> bool:
        """Whether the party may learn that this object is there."""

    def owner_of(self, party: Party) -> str:
        """Whose objects are those that the party makes; prune and rollback touch only these."""

    def refused(self, party: Party, before: Town, after: Town) -> Sequence[RefusedChange]:
        """What of a change of all objects the party may not do. Called by the writer alone; may take a while."""


@dataclass(frozen=True)
class Line:
    """What a journal is told of one command. `code`: 0 where it was done, else the error's, with its `text`.

    `camera`: that the command named. `rev`, `changes`, `document` (SHA-256 of the command), `rolled_back_to`: of a new
    revision. `still`: capture time and error bound (None: not known) of a picture given out, in nanoseconds.
    `records`: entries of a kind of their own, but for their actor.
    """

    op: str
    party: str
    on_behalf_of: str
    code: int = 0
    text: str = ""
    camera: str = ""
    rev: int = 0
    changes: Sequence[Change] = ()
    document: str | None = None
    rolled_back_to: int | None = None
    still: tuple[int, int | None] | None = None
    records: Sequence[Record] = ()


class JournalSink(Protocol):
    """Takes lines; what it has taken is on the disk."""

    def append(self, line: Line) -> None:
        """Raises: Error; the command is refused then."""


@dataclass(frozen=True)
class InForceNumbers:
    """What the engine has taken: its revision, and by camera and version ("" for its own) revision and regions."""

    revision: int
    mask_sets: Mapping[tuple[str, str], tuple[int, Any]] = field(default_factory=dict)


class Gate(Protocol):
    """What carries out a revision before it counts."""

    def check(self, town: Town) -> None:
        """Whether it could be put in force, as far as can be said without doing so. Raises: Error."""

    def put(self, town: Town) -> InForceNumbers:
        """Puts it in force. Raises: Error; nothing has changed then."""

    def put_back(self, town: Town) -> None:
        """What was put could not be kept: the town before is in force again, as far as masks allow."""

    def kept(self, town: Town) -> None:
        """What was put is on the disk."""


class NoGate:
    """For a store without an engine."""

    def check(self, town: Town) -> None: ...

    def put(self, town: Town) -> InForceNumbers:
        return InForceNumbers(0)

    def put_back(self, town: Town) -> None: ...

    def kept(self, town: Town) -> None: ...


class NoJournal:
    """For a store whose history is enough."""

    def append(self, line: Line) -> None: ...


# Objects that an operation makes after a check of its own; what the rules of changes say is asked all the same.
_CHECKED_BY_HANDLER = {"Incident": ("incident.open",), "Approval": ("approval.give",)}
# What an organisation's administrator may ask for, by whatever way he comes.
_JUDGED_BY_CHANGES = ("objects.apply", "objects.stage", "objects.commit")
# Objects whose name is a camera's, or a version's or a stream's of one.
_OF_CAMERA = ("Camera", "stream")


class TownRights:
    """Rights from the objects in force: administrators may all; an agent reads what is of the cameras it may watch.

    Which these are its list says, or, where objects decide (`Town.rules`), what the engine was told last.
    A host that is trusted speaks with the rights of the agent it names, not with its own, unless it names nobody.
    """

    def __init__(
        self,
        town: Callable[[], Town],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        decided: Callable[[], LiveRights | None] = lambda: None,
    ) -> None:
        self._town = town
        self._now = now
        self._decided = decided
        self._by_rules: _ByRules | None = None
        self._world = World.of(())  # the writer's

    def may(self, party: Party, op: str, target: ObjectRef | None) -> Decision:
        if party.may_all:
            return Decision(True)
        if op in _JUDGED_BY_CHANGES and self._administers(party.speaker):
            return Decision(True)
        if OPS[op].who == "administrators":
            return Decision(False, f"{op} is for administrators; ask one of this server's")
        speaker = party.speaker
        if target is None:
            return Decision(True)
        if op in _CHECKED_BY_HANDLER.get(target.kind, ()):
            return Decision(True)
        if op in ("camera.snapshot", "incident.open"):
            allowed = target.kind == "Camera" and self._covered(speaker, target.name, shows)
        else:
            allowed = self.may_know(party, target)
        return Decision(allowed, "" if allowed else f"no such {target.kind}, or not for {speaker}")

    def may_know(self, party: Party, target: ObjectRef) -> bool:
        if party.may_all:
            return True
        speaker = party.speaker
        if target.kind == "Agent":
            return target.name == speaker
        if target.kind == "MaskSet":
            item = find_in(self._town().kinds, "MaskSet", target.name)
            return isinstance(item, MaskSet) and self._covered(speaker, item.spec.camera, _covers)
        if target.kind in ("Incident", "bookmark"):
            return self._may_know_incident(speaker, target.name, as_shown=target.kind == "bookmark")
        if target.kind == "Alarm":
            return self._may_know_alarm(speaker, *target.name.partition("/")[::2])
        return target.kind in _OF_CAMERA and self._covered(speaker, target.name, _covers)

    def _administers(self, agent: str) -> bool:
        """Whether he is an organisation's administrator: each of his changes is then judged by `refused`."""
        kinds = self._town().kinds
        item = find_in(kinds, "Agent", agent)
        return "Organisation" in kinds and isinstance(item, Agent) and "administrator" in item.spec.roles

    def owner_of(self, party: Party) -> str:
        return party.name

    def refused(self, party: Party, before: Town, after: Town) -> Sequence[RefusedChange]:
        """By the roles of the agent that the party's key or name stands for, once an Organisation is declared."""
        was = self._world.following(before.kinds)
        self._world = was.following(after.kinds)  # where the next change most likely begins
        return refused_changes(was, self._world, party.speaker, ns_of(self._now())) if was.organisations else []

    def _may_know_alarm(self, agent: str, kind: str, about: str) -> bool:
        """Of a camera: who may watch it. Of what is an organisation's matter: its supervisors and administrators."""
        kinds = self._town().kinds
        subject = subject_of(kinds, kind, about)
        if subject.camera and self._covered(agent, subject.camera, _covers):
            return True
        return may_know_as_member(kinds, agent, subject, ns_of(self._now()))

    def _may_know_incident(self, agent: str, name: str, *, as_shown: bool) -> bool:
        """Whoever opened it and those who work with him; at the Post it was pushed to, who may see it live now.

        The latter are shown what `incident.list` shows, and not the object, which says who opened it.
        """
        kinds, now = self._town().kinds, ns_of(self._now())
        item = find_in(kinds, "Incident", name)
        if not isinstance(item, Incident):
            return False
        place = place_in(kinds, item, agent, now)
        watches = place == "watcher" or (place == "recipient" and as_shown)
        return place == "member" or (
            watches and any(self._covered(agent, camera, _covers) for camera in item.spec.cameras)
        )

    def _covered(self, agent: str, camera: str, by: Callable[[str, str], bool]) -> bool:
        """`camera`: a camera's or a version's name, or `camera/stream`."""
        name, town = camera.partition("/")[0], self._town()
        if town.rules:
            return any(by(entry, name) for entry in self._allowed(agent, name))
        item = find_in(town.kinds, "Agent", agent)
        if not isinstance(item, Agent):
            return False
        if item.spec.until is not None and datetime.fromisoformat(item.spec.until) <= self._now():
            return False
        return any(by(entry, name) for entry in item.spec.cameras or ())

    def _allowed(self, agent: str, name: str) -> Sequence[str]:
        """The camera and its versions, as far as the rules let the agent see them now."""
        rights, made = self._decided(), self._by_rules
        if rights is None:
            return ()
        if made is None or made.rights is not rights:
            made = self._by_rules = _ByRules(rights)
        return made.allowed(agent, camera_of(name), ns_of(self._now()))


class _ByRules:
    """Decided rights by agent and camera. Agents whose rights are alike share one index."""

    def __init__(self, rights: LiveRights) -> None:
        self.rights = rights
        self._made: dict[int, dict[str, list[Right]]] = {}

    def allowed(self, agent: str, camera: str, now_ns: int) -> list[str]:
        held = self.rights.by_agent.get(agent)
        if held is None or held.until <= now_ns:
            return []
        by_camera = self._made.get(id(held.shared))
        if by_camera is None:
            by_camera = self._made[id(held.shared)] = {}
            for right in held.rights:
                by_camera.setdefault(right.camera, []).append(right)
        return [right.published for right in by_camera.get(camera, ()) if right.until > now_ns]


def _covers(entry: str, name: str) -> bool:
    """Whether an entry lets him know of this one: of a camera, too, whose version he sees."""
    return shows(entry, name) or shows(camera_of(entry), name)
