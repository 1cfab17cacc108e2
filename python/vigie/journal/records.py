"""The kinds of entries: one frozen model each, with the fields it may have and no other (L-18, L-34).

A new kind: a class here with its `kind` and `category`; the registry, the documentation's table and the tests find it.
"""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from vigie.journal.texts import (
    STORED,
    AgentName,
    Code,
    Commune,
    Count,
    Digest,
    FreeText,
    Instant,
    Name,
    ObjectRef,
    Pseudonym,
)

Category = Literal["views", "decisions", "access", "evidence", "operation", "journal"]
CATEGORIES: tuple[Category, ...] = ("views", "decisions", "access", "evidence", "operation", "journal")
Visibility = Literal["normal", "sealed", "targeted"]
Mode = Literal["live", "playback", "tap"]
MAX_OBJECTS = 10_000


class Fields(BaseModel):
    """Strict, closed and frozen."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Actor(Fields):
    """Who did it. `on_behalf_of`: the person that a trusted host named; `post`: the workstation."""

    agent: AgentName
    organisation: Name | None = None
    on_behalf_of: AgentName | None = None
    post: Name | None = None


SYSTEM = Actor(agent="vigie")


class Record(Fields):
    """What every kind has. Seq, time and hashes are not here: the journal gives them.

    `visibility`: `sealed` (L-28) and `targeted` (L-27) are shown to the auditor alone.
    `people`: pseudonyms of people shown, never names (L-34).
    """

    category: ClassVar[Category]

    kind: str
    actor: Actor
    objects: Annotated[tuple[ObjectRef, ...], Field(max_length=MAX_OBJECTS)] = ()
    purpose: Code | None = None
    reason: FreeText | None = None
    visibility: Visibility = "normal"
    people: Annotated[tuple[Pseudonym, ...], Field(max_length=100)] = ()


class OfCamera(Record):
    """What concerns one camera. `commune`: the camera's, at that time."""

    camera: Name
    commune: Commune | None = None


class View(OfCamera):
    """Pixels that one viewer receives, without a seek in between.

    `view` is unique in the journal, and drawn, not counted, as the ids of routes, exports and requisitions: a hole in
    them would tell others of what is hidden from them.
    """

    category: ClassVar[Category] = "views"
    view: Code
    mode: Mode = "live"
    stream: Name = "main"


class ViewBegin(View):
    """A view began. `engine`: the engine that serves it, which ends it when it begins anew."""

    kind: Literal["view.begin"] = "view.begin"
    engine: Name
    route: Code | None = None
    convention: Name | None = None
    first_unit: Instant | None = None


class ViewProgress(View):
    """How far a view has come: what is known of it if its end is never written."""

    kind: Literal["view.progress"] = "view.progress"
    first_unit: Instant
    last_unit: Instant


class ViewEnd(View):
    """A view ended. The capture times of the first and the last unit; none: nothing was sent."""

    kind: Literal["view.end"] = "view.end"
    first_unit: Instant | None
    last_unit: Instant | None
    units: Count
    cause: Code
    route: Code | None = None
    convention: Name | None = None


class Still(OfCamera):
    """One picture given out (L-29, L-30): its capture time and that time's error bound (none: not known)."""

    kind: Literal["still"] = "still"
    category: ClassVar[Category] = "views"
    captured: Instant
    error_ms: Count | None = None
    ticket: Code | None = None


class Refusal(Record):
    """Somebody was refused. `objects`: those whose rules refused; `code`: of docs/errors.md."""

    kind: Literal["refusal"] = "refusal"
    category: ClassVar[Category] = "decisions"
    op: Code
    code: Count
    camera: Name | None = None
    commune: Commune | None = None


class RouteOpen(OfCamera):
    """A route was opened: who may receive which stream until when."""

    kind: Literal["route.open"] = "route.open"
    category: ClassVar[Category] = "decisions"
    route: Code
    stream: Name = "main"
    convention: Name | None = None
    until: Instant | None = None


class RouteClose(OfCamera):
    """A route was closed."""

    kind: Literal["route.close"] = "route.close"
    category: ClassVar[Category] = "decisions"
    route: Code
    cause: Code


class Apply(Record):
    """Objects were changed; one line a revision. `document`: SHA-256 of what was applied.

    `revision` is always written; none where it is hidden: the auditor alone is shown it, for it counts.
    """

    kind: Literal["apply"] = "apply"
    category: ClassVar[Category] = "decisions"
    revision: Count | None
    document: Digest | None = None
    created: Annotated[tuple[ObjectRef, ...], Field(max_length=MAX_OBJECTS)] = ()
    changed: Annotated[tuple[ObjectRef, ...], Field(max_length=MAX_OBJECTS)] = ()
    deleted: Annotated[tuple[ObjectRef, ...], Field(max_length=MAX_OBJECTS)] = ()
    rolled_back_to: Count | None = None


class MaskChange(OfCamera):
    """The masks of a camera are others. `hides_less`: something that was hidden no longer may be.

    `revision`: as its pictures carry it from now on, `before`: until now; none where they carried or carry none.
    """

    kind: Literal["mask.change"] = "mask.change"
    category: ClassVar[Category] = "decisions"
    mask_set: Name
    revision: Count | None = None
    before: Count | None = None
    hides_less: bool = False


class Approval(Record):
    """A second person's yes or no to what waits."""

    kind: Literal["approval"] = "approval"
    category: ClassVar[Category] = "decisions"
    waits: ObjectRef
    given: bool


class Opening(Record):
    """An event that opens conventions begins or ends (L-23); its motive is the reason."""

    kind: Literal["opening"] = "opening"
    category: ClassVar[Category] = "decisions"
    opening: Name
    step: Literal["begin", "end"]


class BreakGlass(Record):
    """Live view without a valid authorisation, as a decision (L-2). Of all its cameras in one commune, or of one."""

    kind: Literal["break_glass"] = "break_glass"
    category: ClassVar[Category] = "decisions"
    authorisation: Name | None = None
    camera: Name | None = None
    commune: Commune | None = None
    until: Instant


class Login(Record):
    """Somebody came in. `source`: the address."""

    kind: Literal["login"] = "login"
    category: ClassVar[Category] = "access"
    way: Code
    source: Code | None = None


class LoginRefused(Record):
    """Somebody did not come in. The actor is who he said he was."""

    kind: Literal["login.refused"] = "login.refused"
    category: ClassVar[Category] = "access"
    way: Code
    source: Code | None = None
    code: Count


class Logout(Record):
    """Somebody left."""

    kind: Literal["logout"] = "logout"
    category: ClassVar[Category] = "access"
    cause: Code


class JournalQueried(Record):
    """Somebody read the journal: for what he asked, and how many lines he got."""

    kind: Literal["journal.query"] = "journal.query"
    category: ClassVar[Category] = "access"
    question: Literal["entries", "who_saw", "report"]
    camera: Name | None = None
    since: Instant | None = None
    until: Instant | None = None
    lines: Count


class Requisition(Record):
    """A step of a requisition (L-26)."""

    kind: Literal["requisition"] = "requisition"
    category: ClassVar[Category] = "evidence"
    requisition: Code
    step: Literal["received", "answered", "refused", "acknowledged"]
    commune: Commune | None = None
    cameras: Annotated[tuple[Name, ...], Field(max_length=MAX_OBJECTS)] = ()
    since: Instant | None = None
    until: Instant | None = None


class Export(OfCamera):
    """Recorded pictures of one camera were given out. `manifest`: SHA-256 of the export's manifest."""

    kind: Literal["export"] = "export"
    category: ClassVar[Category] = "evidence"
    export: Code
    requisition: Code | None = None
    first_unit: Instant
    last_unit: Instant
    manifest: Digest | None = None


class Hold(Record):
    """Recordings are kept beyond their time, or no longer."""

    kind: Literal["hold"] = "hold"
    category: ClassVar[Category] = "evidence"
    hold: Code
    step: Literal["set", "released"]
    camera: Name | None = None
    since: Instant | None = None
    until: Instant | None = None


class Deletion(OfCamera):
    """Recordings were deleted."""

    kind: Literal["deletion"] = "deletion"
    category: ClassVar[Category] = "evidence"
    since: Instant
    until: Instant
    cause: Code


class Ptz(OfCamera):
    """A dome's control changed hands (P-11)."""

    kind: Literal["ptz"] = "ptz"
    category: ClassVar[Category] = "operation"
    step: Literal["acquired", "kept", "released", "expired", "pre_empted", "refused"]
    fence: Count | None = None


class Recording(OfCamera):
    """A recording was started or stopped."""

    kind: Literal["recording"] = "recording"
    category: ClassVar[Category] = "operation"
    step: Literal["started", "stopped"]
    cause: Code


class Incident(Record):
    """A bookmark for somebody; `since`: from when on pictures are kept."""

    kind: Literal["incident"] = "incident"
    category: ClassVar[Category] = "operation"
    incident: Name
    camera: Name | None = None
    commune: Commune | None = None
    since: Instant | None = None


class Alarm(Record):
    """An alarm was raised, acknowledged or is over."""

    kind: Literal["alarm"] = "alarm"
    category: ClassVar[Category] = "operation"
    alarm: Code
    step: Literal["raised", "acknowledged", "over"]
    commune: Commune | None = None


class Operation(Record):
    """Any other operation: no operation is without a line. `code`: 0, or the error's."""

    kind: Literal["operation"] = "operation"
    category: ClassVar[Category] = "operation"
    op: Code
    code: Count = 0


class Process(Record):
    """A process began or ended. An engine that began has ended every view it had before."""

    kind: Literal["process"] = "process"
    category: ClassVar[Category] = "operation"
    process: Literal["supervisor", "engine", "control", "ptz"]
    name: Name
    step: Literal["began", "ended", "died"]
    version: Code | None = None


class OfJournal(Record):
    """What the journal writes about itself. Shown to the auditor alone: it tells how many lines there are."""

    category: ClassVar[Category] = "journal"
    actor: Actor = SYSTEM


class JournalCreated(OfJournal):
    """The first line. `key`: the public key in base64, as it was when the journal began."""

    kind: Literal["journal.created"] = "journal.created"
    journal: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    key: Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{43}=$")]
    format: Literal[1] = 1


class JournalOpened(OfJournal):
    """A writer took over. `clean`: the one before had closed; `cut_bytes`: of a line it had not finished."""

    kind: Literal["journal.opened"] = "journal.opened"
    clean: bool
    cut_bytes: Count = 0


class JournalClosed(OfJournal):
    """The writer closed in good order."""

    kind: Literal["journal.closed"] = "journal.closed"


class ClockStep(OfJournal):
    """The clock went back: lines after this one may bear earlier times than lines before it."""

    kind: Literal["journal.clock"] = "journal.clock"
    before: Instant
    now: Instant


class Checkpoint(OfJournal):
    """A signature over the chain up to the line before. What is signed: `keys.checkpoint_message`."""

    kind: Literal["journal.checkpoint"] = "journal.checkpoint"
    journal: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    key: Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{43}=$")]
    through: Count
    head: Digest
    signature: Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{86}==$")]


class PurgedUntil(Fields):
    """Of one category, what is older than this is gone."""

    category: Category
    until: Instant


class Purge(OfJournal):
    """The anchor "purged until". `begins`: the first seq whose line is still there, if only as its head."""

    kind: Literal["journal.purge"] = "journal.purge"
    purged: Annotated[tuple[PurgedUntil, ...], Field(max_length=len(CATEGORIES))]
    begins: Annotated[int, Field(ge=1)]


class Unknown(Record):
    """A kind that a later version wrote: only what every kind has can be read."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)
    category: ClassVar[Category] = "operation"


def _leaves(of: type[Record]) -> list[type[Record]]:
    """The classes of a kind, in the order in which they were written down."""
    found = [of] if "kind" in of.__annotations__ and of not in (Record, Unknown) else []
    for below in of.__subclasses__():
        found.extend(_leaves(below))
    return found


KINDS: dict[str, type[Record]] = {leaf.model_fields["kind"].default: leaf for leaf in _leaves(Record)}


def parse_record(text: bytes, kind: str | None = None) -> Record:
    """The record of an entry. Raises pydantic.ValidationError."""
    if kind is None:
        kind = _JustKind.model_validate_json(text).kind
    model: type[Record] = KINDS.get(kind, Unknown)
    return model.model_validate_json(text, context=STORED)


class _JustKind(BaseModel):
    kind: str


def record_bytes(record: Record) -> bytes:
    """The entry as it is written: JSON on one line, the kind first, nothing that is left out."""
    return record.__pydantic_serializer__.to_json(record, exclude_none=True)


def fields_of(record: Record) -> dict[str, Any]:
    """The entry as it is shown: what the journal's line holds, as Python's JSON values."""
    shown: dict[str, Any] = record.model_dump(mode="json", exclude_none=True)
    return shown
