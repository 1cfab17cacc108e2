"""Operations of people at a desk: alarms."""

from pydantic import Field

from vigie.control.op import Message, Op, Page, Text


class AlarmList(Message):
    """`all`: those that are over and acknowledged too. `kinds`: none means all."""

    all: bool = False
    kinds: list[Text] = []
    after: Text = ""
    limit: Page = 200


class AlarmOut(Message):
    """`object`: what it is about. `count`: how often it was raised. 0 or "": not yet.

    It stands in the list until it is over (`cleared_ns`) and acknowledged.
    """

    id: str
    kind: str
    object: str
    severity: str
    text: str
    raised_ns: int
    last_ns: int
    count: int
    acknowledged_ns: int
    acknowledged_by: str
    note: str
    cleared_ns: int


class AlarmPage(Message):
    """The newest first. `next` "": the last page."""

    alarms: list[AlarmOut]
    next: str


class AlarmAck(Message):
    """By their ids. `note`: what is done about them."""

    ids: list[Text] = Field(min_length=1, max_length=200)
    note: Text = ""


class AlarmsAcknowledged(Message):
    """As they are now: who acknowledged first, and when, stays so."""

    alarms: list[AlarmOut]


TABLE = (
    Op("alarm.list", "agents", False, False, AlarmList, AlarmPage, "alarms"),
    Op("alarm.ack", "agents", True, True, AlarmAck, AlarmsAcknowledged, "somebody has seen them"),
)
