"""A second person's yes: what waits for one, `approval.list`, and `approval.give`. The rules are `policy.changes`."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vigie.control import desk_ops
from vigie.control.desk_database import DeskDatabase, Waits
from vigie.control.op import Message
from vigie.control.parties import Party
from vigie.control.store import Applied, RefusedChangesError, Store
from vigie.control.world_now import WorldNow
from vigie.errors import ControlRefusedError, InvalidArgumentError, NotFoundError, StateUnwritableError
from vigie.journal import records
from vigie.policy.changes import APPROVAL_NS
from vigie.policy.fingerprint import fingerprint
from vigie.policy.moments import state
from vigie.policy.persons import person_of
from vigie.policy.sharing_objects import Approval
from vigie.policy.texts import zulu
from vigie.policy.windows import datetime_of
from vigie.policy.world import World

if TYPE_CHECKING:
    from vigie.control.desk import Tools
    from vigie.control.handlers import Call

GIVERS = frozenset({"administrator", "supervisor"})
MAX_WAITING = 2000
FIELDS = 50
FIELD = 300


class Approvals:
    """The operations, and the changes that wait. Thread: the event loop; `note` in a worker."""

    def __init__(
        self, store: Store, database: DeskDatabase, world: WorldNow, tools: "Tools", now_ns: Callable[[], int]
    ) -> None:
        self._store, self._database, self._world = store, database, world
        self._tools, self._now_ns = tools, now_ns
        self.by_op: dict[str, Callable[[Call], Awaitable[Message]]] = {
            "approval.list": self._list,
            "approval.give": self._give,
        }

    def note(self, party: Party, error: RefusedChangesError) -> None:
        """A change was refused: where nothing but a second person's yes is missing, it waits for that."""
        if not all(one.needs for one in error.refused):
            return
        shown = {(change.kind, change.name): list(change.lines())[1:] for change in error.found}
        now = self._now_ns()
        put = []
        for one in error.refused:
            assert one.needs is not None  # checked above
            assert one.fingerprint is not None  # comes with it
            lines = tuple(line.strip()[:FIELD] for line in shown.get(one.key, ())[:FIELDS])
            by = party.speaker
            put.append(Waits(one.fingerprint, *one.key, one.needs, by, one.of, one.says, now, lines))
        with suppress(StateUnwritableError):  # it is refused all the same, and can be asked again
            waiting = self._database.waiting()
            self._database.keep_waiting(put, waiting[: max(0, len(waiting) + len(put) - MAX_WAITING)])

    def waiting(self, world: World) -> list[Waits]:
        """What waits now, without what was done meanwhile, has a yes, or is too old. In a worker."""
        now = self._now_ns()
        approved = {
            (item.spec.kind, item.spec.name, item.spec.change, item.spec.fingerprint, item.spec.requested_by)
            for item in world.kinds.get("Approval", {}).values()
            if isinstance(item, Approval)
        }
        kept, gone = [], []
        for one in self._database.waiting():
            done = fingerprint(world.get(one.kind, one.name)) == one.fingerprint
            if done or not 0 <= now - one.since_ns <= APPROVAL_NS:
                gone.append(one)
            elif (one.kind, one.name, one.change, one.fingerprint, one.requested_by) not in approved:
                kept.append(one)
        if gone:
            with suppress(StateUnwritableError):
                self._database.keep_waiting((), gone)
        return kept

    async def _list(self, call: "Call") -> Message:
        wanted = call.request

        def found() -> dict[str, desk_ops.Waiting]:
            world, now = self._world(), self._now_ns()
            return {
                _key(one): _shown(world, one, call, now)
                for one in self.waiting(world)
                if _may_know(world, one, call.party)
            }

        waiting: dict[str, desk_ops.Waiting] = await self._tools.in_worker(found)
        page, following = self._tools.page(sorted(waiting), wanted.after, wanted.limit, waiting.get)
        return desk_ops.WaitingPage(waiting=page, next=following)

    async def _give(self, call: "Call") -> Message:
        wanted = call.request
        before = await self._tools.in_worker(lambda: self._store.done_before(call.command))
        if before is not None:
            return _given(before)
        if not wanted.reason.strip():
            raise InvalidArgumentError("blank; right would be why, in words", "reason")
        chosen: Sequence[Waits] = await self._tools.in_worker(lambda: self._chosen(call))
        now = self._now_ns()
        bodies = [_approval(one, call, index, now) for index, one in enumerate(chosen)]
        waits = f"{wanted.kind.lower()}/{wanted.name}"
        record = records.Approval(actor=records.SYSTEM, waits=waits, given=True, reason=wanted.reason)
        command = replace(call.command, records=(record,))
        return _given(await self._tools.change(call, False, lambda: self._store.apply(command, objects=bodies)))

    def _chosen(self, call: "Call") -> list[Waits]:
        """What the yes is to. Raises: NotFoundError, ControlRefusedError with why and whom to ask."""
        wanted, world, now = call.request, self._world(), self._now_ns()
        asked = (wanted.kind, wanted.name, wanted.fingerprint)
        found = [one for one in self.waiting(world) if (one.kind, one.name, one.fingerprint) == asked]
        visible = [one for one in found if _may_know(world, one, call.party)]
        if not visible:
            what = "nothing waits for a yes there, or not for yours; `approval.list` says what does"
            raise NotFoundError(what, f"{wanted.kind}/{wanted.name}"[:200])
        mine = [one for one in visible if _why_not(world, one, call.party.speaker, now) is None]
        if not mine:
            raise ControlRefusedError(_why_not(world, visible[0], call.party.speaker, now) or "", "approval.give")
        return mine


def _key(one: Waits) -> str:
    """Sorts the oldest first."""
    return f"{one.since_ns:020d} {one.kind}/{one.name} {one.change} {one.fingerprint} {one.requested_by}"


def _why_not(world: World, one: Waits, by: str, now: int) -> str | None:
    """Why an agent cannot give this yes, and whom to ask; None where it can."""
    agent = world.agents.get(by)
    names = ", ".join(sorted(_givers(world, one, now))) or "nobody who has such a role"
    whose = "this server's installation" if one.of is None else one.of
    ask = f"right would be an administrator or supervisor of {whose}: {names}"
    if by == one.requested_by:
        return f"{by} has asked for it himself; {ask}"
    if agent is None or by not in _givers(world, one, now):
        return f"{by} cannot give it; {ask}"
    return None


def _givers(world: World, one: Waits, now: int) -> Iterator[str]:
    for name, agent in world.agents.items():
        if name == one.requested_by or agent.spec.organisation != one.of or GIVERS.isdisjoint(agent.spec.roles):
            continue
        if state(person_of(world, agent).ends, now)[0]:
            yield name


def _may_know(world: World, one: Waits, party: Party) -> bool:
    """Whoever asked for it, whoever could give it, and this server's administrators."""
    if party.may_all:
        return True
    agent = world.agents.get(party.speaker)
    if agent is None:
        return False
    return agent.name == one.requested_by or (
        agent.spec.organisation == one.of and not GIVERS.isdisjoint(agent.spec.roles)
    )


def _shown(world: World, one: Waits, call: "Call", now: int) -> desk_ops.Waiting:
    return desk_ops.Waiting(
        kind=one.kind,
        name=one.name,
        change=one.change,
        fingerprint=one.fingerprint,
        requested_by=one.requested_by,
        of=one.of or "",
        why=one.why,
        since_ns=one.since_ns,
        fields=list(one.fields),
        mine=_why_not(world, one, call.party.speaker, now) is None,
    )


def _approval(one: Waits, call: "Call", index: int, now: int) -> dict[str, Any]:
    at = datetime_of(now)
    spec = {
        "kind": one.kind,
        "name": one.name,
        "change": one.change,
        "fingerprint": one.fingerprint,
        "requested_by": one.requested_by,
        "given_by": call.party.speaker,
        "given_at": zulu(at, "microseconds"),
        "reason": call.request.reason,
    }
    return {"kind": "Approval", "name": f"{at:%Y%m%d-%H%M%S}-{call.id.hex()[:6]}-{index}", "spec": spec}


def _given(applied: Applied) -> Message:
    return desk_ops.ApprovalGiven(
        names=[change.name for change in applied.changes], rev=applied.rev, again=applied.again
    )
