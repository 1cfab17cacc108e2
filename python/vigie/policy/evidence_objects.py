"""What is recorded, where, and what is asked for: `RecordingPolicy`, `Volume`, `Requisition`, `Hold`.

Declared, checked and kept; the recorder, which works by them, comes later.
"""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from vigie.policy.fields import AgentName, DeclaredObject, Line, Reason, Spec, at_field
from vigie.policy.moments import DEFAULT_ZONE, WINDOWS, ZONE, Instant, Windows, Zone
from vigie.policy.people_objects import ORGANISATION, DatedSpec
from vigie.policy.sharing_objects import INSTANT, SELECTOR, Selector, words

Reference = Annotated[Line, Field(min_length=1, max_length=128)]
Words = Annotated[Line, Field(min_length=1, max_length=128)]
REFERENCE = "the act's number in quotes"


class RecordingPolicySpec(Spec):
    """What is recorded, how long, by whom. An Authorisation's `retention_days` is never exceeded.

    Declared and kept; the recorder, which works by it, comes later.
    """

    organisation: Line | None = Field(None, description=f"{ORGANISATION}, whose cameras are recorded")
    cameras: Selector = Field(description=SELECTOR)
    streams: list[Line] = Field(
        default_factory=lambda: ["main"], min_length=1, max_length=16, description="a list of streams such as [main]"
    )
    windows: Windows = Field(default_factory=lambda: ["24/7"], description=WINDOWS)
    zone: Zone = Field(DEFAULT_ZONE, description=ZONE)
    retention_days: Annotated[int, Field(ge=1, le=31)] = Field(description="a whole number from 1 to 31")
    minimum_fps: Annotated[int, Field(ge=6, le=120)] = Field(
        12, description="pictures a second, 6 to 120; 12 where persons are narrow and fast (L-14)"
    )
    before_s: Annotated[int, Field(ge=0, le=300)] = Field(
        10, description="seconds, 0 to 300: kept from before an incident"
    )
    volumes: list[Line] = Field(min_length=1, max_length=16, description="a list of names of Volumes")


class RecordingPolicy(DeclaredObject):
    """`kind: RecordingPolicy`."""

    spec: RecordingPolicySpec = Field(description="a mapping")


class VolumeSpec(Spec):
    """A place on a machine's disks for recordings. Declared and kept; the recorder, which works by it, comes later."""

    organisation: Line | None = Field(None, description=f"{ORGANISATION}, whose recordings alone it takes")
    server: Line = Field(description="the name of a Server")
    path: Annotated[Line, Field(max_length=4096)] = Field(description="an absolute path such as /srv/vigie/1")
    size_gib: Annotated[int, Field(ge=1, le=10_000_000)] = Field(description="GiB, a whole number from 1")
    reserve_percent: Annotated[int, Field(ge=1, le=50)] = Field(5, description="percent, 1 to 50: left free")

    @field_validator("path")
    @classmethod
    def _path(cls, path: str) -> str:
        if not path.startswith("/") or "/../" in f"{path}/":
            raise ValueError("not an absolute path; right would be one such as /srv/vigie/1")
        return path


class Volume(DeclaredObject):
    """`kind: Volume`."""

    spec: VolumeSpec = Field(description="a mapping")


class Interval(DatedSpec):
    """From an instant (included) until another (not included)."""

    from_: Instant = Field(alias="from", description=INSTANT)
    until: Instant = Field(description=INSTANT)

    @model_validator(mode="after")
    def _order(self) -> "Interval":
        if self.from_ >= self.until:
            raise at_field("until", "not after from; right would be a later time")
        return self


class Answer(Spec):
    """What a requisition was answered with (L-26). `hashes`: SHA-256 of what was handed over."""

    at: Instant = Field(description=INSTANT)
    by: AgentName = Field(description="the name of an Agent")
    refused: bool = Field(False, description="true or false")
    medium: Annotated[Line, Field(max_length=128)] = Field("", description="text: the medium's id")
    hashes: list[Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]] = Field(
        default_factory=list, max_length=4096, description="a list of 64 hexadecimal digits each"
    )
    acknowledged_at: Instant | None = Field(None, description=INSTANT)

    @model_validator(mode="after")
    def _order(self) -> "Answer":
        if self.acknowledged_at is not None and self.acknowledged_at < self.at:
            raise at_field("acknowledged_at", "before at; right would be a later time")
        return self


class RequisitionSpec(Spec):
    """Recordings that a magistrate or an officer asks for (L-26).

    Declared and kept; the recorder, which answers it, comes later.
    """

    organisation: Line = Field(description=f"{ORGANISATION} that is asked")
    article: Annotated[Line, Field(min_length=1, max_length=64)] = Field(
        description='the article in quotes such as "60-1 CPP"'
    )
    requester: Words = Field(description="magistrate or officer, in words")
    service: Words = Field(description="the requester's service, in words")
    procedure: Reference = Field(description="the procedure's number in quotes")
    cameras: list[Line] = Field(min_length=1, max_length=256, description="a list of camera names")
    interval: Interval = Field(description="a mapping {from, until}")
    received_at: Instant = Field(description=INSTANT)
    sealed: bool = Field(False, description="true or false: whether the auditor alone is shown it (L-28)")
    answer: Answer | None = Field(None, description="a mapping {at, by, medium, hashes}")

    @model_validator(mode="after")
    def _order(self) -> "RequisitionSpec":
        if self.answer is not None and self.answer.at < self.received_at:
            raise at_field(("answer", "at"), "before received_at; right would be a later time", "answer")
        return self


class Requisition(DeclaredObject):
    """`kind: Requisition`."""

    spec: RequisitionSpec = Field(description="a mapping")


class HoldSpec(Spec):
    """Named recordings that are not destroyed at their time (L-10).

    Declared and kept; the recorder, which works by it, comes later.
    """

    organisation: Line = Field(description=f"{ORGANISATION} that keeps them")
    reference: Reference = Field(description=REFERENCE)
    requester: Words = Field(description="magistrate or officer, in words")
    reason: Reason = Field(description="text: why")
    cameras: list[Line] = Field(min_length=1, max_length=256, description="a list of camera names")
    interval: Interval = Field(description="a mapping {from, until}")
    set_at: Instant = Field(description=INSTANT)
    review_at: Instant = Field(description=f"{INSTANT}: when it is looked at again")
    requisition: Line | None = Field(None, description="the name of a Requisition")
    mode: Literal["suspend", "released"] = Field("suspend", description="suspend or released")

    _reason = field_validator("reason")(words)

    @model_validator(mode="after")
    def _order(self) -> "HoldSpec":
        if self.review_at <= self.set_at:
            raise at_field("review_at", "not after set_at; right would be a later time")
        return self


class Hold(DeclaredObject):
    """`kind: Hold`."""

    spec: HoldSpec = Field(description="a mapping")
