"""Operations of people at a desk: alarms, incidents, approvals, and who sits there."""

from typing import Annotated

from pydantic import Field

from vigie.control.op import Message, Nothing, Op, Page, Text

MAX_SPAN_S = 24 * 3600
Reason = Annotated[str, Field(min_length=1, max_length=1000)]
Span = Annotated[int, Field(ge=0, le=MAX_SPAN_S)]
SignInText = Annotated[str, Field(max_length=256)]


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


class IncidentOpen(Message):
    """`at_ns` nil: now. `before_s`, `after_s`: what is to be kept. `post`: whose people are shown the cameras."""

    cameras: list[Text] = Field(min_length=1, max_length=64)
    motive: Reason
    at_ns: int | None = Field(None, ge=0, lt=9_000_000_000_000_000_000)
    before_s: Span = 600
    after_s: Span = 300
    post: Text = ""
    purpose: Text = ""


class IncidentOpened(Message):
    """`told`: how many people at the Post are connected and were told. `again`: it was opened before."""

    name: str
    rev: int
    since_ns: int
    until_ns: int
    told: int
    again: bool


class IncidentList(Message):
    """`all`: closed ones too."""

    all: bool = False
    after: Text = ""
    limit: Page = 200


class IncidentOut(Message):
    """Those of its cameras that the client may know of. `closed_ns` 0: open."""

    name: str
    cameras: list[str]
    motive: str
    at_ns: int
    since_ns: int
    until_ns: int
    post: str
    opened_by: str
    opened_ns: int
    closed_by: str
    closed_ns: int
    outcome: str


class IncidentPage(Message):
    """`next` "": the last page."""

    incidents: list[IncidentOut]
    next: str


class IncidentClose(Message):
    """`outcome`: what became of it. What was to be kept stays so."""

    name: Text
    outcome: Reason


class IncidentClosed(Message):
    """`again`: it was closed before."""

    name: str
    rev: int
    again: bool


class ApprovalList(Message):
    """What waits for a second person."""

    after: Text = ""
    limit: Page = 100


class Waiting(Message):
    """A change that was refused for want of a yes. `of`: the organisation whose person it takes, "": this server's.

    `fields`: what would change. `mine`: the client may give the yes.
    """

    kind: str
    name: str
    change: str
    fingerprint: str
    requested_by: str
    of: str
    why: str
    since_ns: int
    fields: list[str]
    mine: bool


class WaitingPage(Message):
    """`next` "": the last page."""

    waiting: list[Waiting]
    next: str


class ApprovalGive(Message):
    """To one change of one object, as `approval.list` shows it."""

    fingerprint: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    kind: Text
    name: Text
    reason: Reason


class ApprovalGiven(Message):
    """`names`: of the Approvals, one a change. Whoever asked applies anew. `again`: it was given before."""

    names: list[str]
    rev: int
    again: bool


class Provider(Message):
    """`way`: oidc, ldap or local. `issuer`, `client_id`: of oidc, for the client's own dialogue with it."""

    name: str
    way: str
    issuer: str
    client_id: str


class Challenge(Message):
    """`nonce`: to be asked for in the next ID token of this connection; it counts once, until `until_ns`."""

    nonce: str
    until_ns: int
    providers: list[Provider]


class SignIn(Message):
    """With an ID token (oidc), or with user and password (ldap, local). `provider` "": the only one.

    `post`: the Post where the client stands, checked against its address where that is known.
    """

    provider: Text = ""
    user: SignInText = Field("", repr=False)
    password: SignInText = Field("", repr=False)
    token: Annotated[str, Field(max_length=16_384)] = Field("", repr=False)
    post: Text = ""


class SignedIn(Message):
    """Until then this connection, and no other, has the rights of `agent`; sign in again to go on."""

    agent: str
    until_ns: int
    post: str


TABLE = (
    Op("alarm.list", "agents", False, False, AlarmList, AlarmPage, "alarms"),
    Op("alarm.ack", "agents", True, True, AlarmAck, AlarmsAcknowledged, "somebody has seen them"),
    Op("incident.open", "agents", True, True, IncidentOpen, IncidentOpened, "bookmarks cameras, shows them to a Post"),
    Op("incident.list", "agents", False, False, IncidentList, IncidentPage, "incidents"),
    Op("incident.close", "agents", True, True, IncidentClose, IncidentClosed, "it is dealt with"),
    Op("approval.list", "agents", False, False, ApprovalList, WaitingPage, "changes that wait for a second person"),
    Op("approval.give", "agents", True, True, ApprovalGive, ApprovalGiven, "a second person's yes"),
    Op("session.challenge", "everybody", False, False, Nothing, Challenge, "how to sign in"),
    Op("session.sign_in", "everybody", True, False, SignIn, SignedIn, "this connection is a person's"),
    Op("session.sign_out", "everybody", True, False, Nothing, Nothing, "no longer"),
)
