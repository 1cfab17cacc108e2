"""What people at a desk work with, and its operations: alarms here, the others in files of their own."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from vigie.alarms import Alarm, Step
from vigie.control import desk_ops
from vigie.control.alarm_desk import EVENTS, AlarmDesk
from vigie.control.approvals import Approvals
from vigie.control.desk_database import DeskDatabase
from vigie.control.incidents import Clients, Incidents
from vigie.control.op import Message
from vigie.control.parties import JournalSink, Line, ObjectRef, Party, Rights
from vigie.control.signed_in import Sessions
from vigie.control.store import Applied, Store
from vigie.control.world_now import WorldNow
from vigie.errors import ControlRefusedError, NotFoundError

if TYPE_CHECKING:
    from vigie.control.handlers import Call

T = TypeVar("T")
ACK_ROLES = frozenset({"operator", "supervisor", "administrator"})
Publish = Callable[[str, str, dict[str, Any], int], None]


@dataclass(frozen=True)
class Tools:
    """What handlers share: threads to work in, changes one after another, and pages."""

    in_worker: Callable[[Callable[[], Any]], Awaitable[Any]]
    change: Callable[["Call", bool, Callable[[], Applied]], Awaitable[Applied]]
    page: Callable[[Sequence[str], str, int, Callable[[str], Any]], tuple[list[Any], str]]


class Desk:
    """The operations of `desk_ops`. Thread: the event loop; what takes time runs in workers."""

    def __init__(self, store: Store, engine: Any, rights: Rights, tools: Tools, now_ns: Callable[[], int]) -> None:
        self.world = WorldNow(store)
        self._rights = rights
        self._tools = tools
        self._database = DeskDatabase(store.folder)
        self.alarms = AlarmDesk(store, engine, self.world, self._database, now_ns=now_ns)
        self.by_op: dict[str, Callable[[Call], Awaitable[Message]]] = {
            "alarm.list": self._alarm_list,
            "alarm.ack": self._alarm_ack,
        }
        self.incidents = Incidents(store, rights, self.world, tools, now_ns)
        self.approvals = Approvals(store, self._database, self.world, tools, now_ns)
        self.sessions = Sessions(store, self.world, self.alarms, tools.in_worker, now_ns)
        self.by_op |= self.incidents.by_op | self.approvals.by_op | self.sessions.by_op

    def start(self, publish: Callable[[Step], None], journal: JournalSink, clients: Clients) -> None:
        """Looks for alarms from now on. `clients`: those who are told of incidents."""
        self.incidents.clients = self.sessions.clients = clients
        self.alarms.start(publish, journal)

    def close(self) -> None:
        """Idempotent."""
        self.sessions.close()
        self.alarms.close()
        self._database.close()

    def _may_know(self, party: Party, alarm: Alarm) -> bool:
        return self._rights.may_know(party, ObjectRef("Alarm", f"{alarm.kind}/{alarm.object}"))

    async def _alarm_list(self, call: "Call") -> Message:
        wanted = call.request
        alarms = {_sorted_key(alarm): alarm for alarm in self.alarms.alarms()}

        def item(key: str) -> desk_ops.AlarmOut | None:
            alarm = alarms[key]
            if not (wanted.all or alarm.open) or (wanted.kinds and alarm.kind not in wanted.kinds):
                return None
            return alarm_out(alarm) if self._may_know(call.party, alarm) else None

        found, following = self._tools.page(sorted(alarms), wanted.after, wanted.limit, item)
        return desk_ops.AlarmPage(alarms=found, next=following)

    async def _alarm_ack(self, call: "Call") -> Message:
        wanted, party = call.request, call.party
        await self._tools.in_worker(lambda: self._check_role(party))
        known = {alarm.id: alarm for alarm in self.alarms.alarms()}
        for name in wanted.ids:
            if name not in known or not self._may_know(party, known[name]):
                raise NotFoundError("no such alarm, or not for you; `alarm.list` says them", name[:64])
        line = Line(call.op.name, party.name, party.on_behalf_of)
        by = party.speaker
        found = await self._tools.in_worker(lambda: self.alarms.acknowledge(wanted.ids, by, wanted.note, line))
        return desk_ops.AlarmsAcknowledged(alarms=[alarm_out(alarm) for alarm in found])

    def _check_role(self, party: Party) -> None:
        """Of an organisation's people those acknowledge who work at a desk."""
        if party.may_all:
            return
        agent = self.world().agents.get(party.speaker)
        if agent is not None and agent.spec.organisation is not None and ACK_ROLES.isdisjoint(agent.spec.roles):
            what = f"{agent.name} is no operator, supervisor or administrator; ask one of {agent.spec.organisation}"
            raise ControlRefusedError(what, "alarm.ack")


def _sorted_key(alarm: Alarm) -> str:
    """Sorts the newest first, so that pages go on where they were."""
    return f"{2**63 - alarm.raised_ns:020d}{alarm.id}"


def alarm_out(alarm: Alarm) -> desk_ops.AlarmOut:
    """For the wire."""
    return desk_ops.AlarmOut(**{name: value for name, value in asdict(alarm).items() if name != "change"})


def event_of(step: Step) -> tuple[str, str, dict[str, Any], int]:
    """Kind, object, body and time of the event that tells of a step."""
    alarm = step.alarm
    at = {"raised": alarm.last_ns, "acknowledged": alarm.acknowledged_ns, "cleared": alarm.cleared_ns}[step.did]
    return EVENTS[step.did], f"{alarm.kind}/{alarm.object}", alarm_out(alarm).model_dump(), at
