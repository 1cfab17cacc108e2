"""What is allowed: `Authorisation`, `Convention`, `Opening`, `WatchOrder`, `Approval`.

Rights hang on typed fields of cameras, never on labels.
"""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from vigie.policy import texts
from vigie.policy.fields import AgentName, DeclaredObject, Line, Name, Reason, Spec, at_field
from vigie.policy.moments import (
    DEFAULT_ZONE,
    MOMENT,
    WINDOWS,
    ZONE,
    Instant,
    Moment,
    Windows,
    Zone,
    begins_ns,
    ends_ns,
    years_later,
)
from vigie.policy.people_objects import COMMUNE, ORGANISATION, PURPOSE, RANKS, Commune, DatedSpec, Ranks
from vigie.policy.polygons import polygon_problem

Action = Literal["live", "playback", "export", "ptz"]
ACTIONS: tuple[Action, ...] = ("live", "playback", "export", "ptz")
Regime = Literal["street", "building", "partner"]
REGIME = "street, building or partner"
Purposes = Annotated[list[Name], Field(min_length=1, max_length=64)]
PURPOSES = "a list of purposes such as [public-safety, inquiry]"
INSTANT = "a time with its zone such as 2026-12-31T12:00:00+01:00"
_LISTED = "or a list of such"


def words(reason: str) -> str:
    """A reason that says something. Raises ValueError."""
    if not reason.strip(" "):
        raise ValueError("blank; right would be the reason, in words")
    return reason


class Selector(Spec):
    """Cameras by typed fields: every field that is given has to fit; of a list, one."""

    commune: Commune | list[Commune] | None = Field(None, description=f"{COMMUNE}, {_LISTED}")
    regime: Regime | list[Regime] | None = Field(None, description=f"{REGIME}, {_LISTED}")
    owner: Line | list[Line] | None = Field(None, description=f"{ORGANISATION}, {_LISTED}")
    site: Line | list[Line] | None = Field(None, description=f"a site's name, {_LISTED}")
    names: list[Line] | None = Field(None, max_length=65536, description="a list of camera names")

    @model_validator(mode="after")
    def _something(self) -> "Selector":
        if not self.model_fields_set:
            right = 'right would be at least one of commune, regime, owner, site and names, such as {commune: "57463"}'
            raise ValueError(f"no field, which would be every camera; {right}")
        for field in type(self).model_fields:
            if getattr(self, field) == []:
                raise at_field(
                    field, "an empty list, which no camera fits; right would be to leave it out or to fill it"
                )
        return self


SELECTOR = 'a mapping such as {commune: "57463", regime: street}'


class BreakGlass(DatedSpec):
    """Live pictures without a valid order: a decision, journaled and alarmed (L-2)."""

    reason: Reason = Field(description="text: who decided, and why")
    from_: Instant = Field(alias="from", description=INSTANT)
    until: Instant = Field(description=INSTANT)

    _reason = field_validator("reason")(words)

    @model_validator(mode="after")
    def _term(self) -> "BreakGlass":
        hours = (ends_ns(self.until) - begins_ns(self.from_)) / 3600e9
        if not 0 < hours <= 31 * 24:
            raise at_field("until", "not within 31 days after from; right would be a time after from and soon")
        return self


class AuthorisationSpec(DatedSpec):
    """The prefect's order (L-2). It limits; it gives nobody a right by itself."""

    number: Annotated[Line, Field(min_length=1, max_length=64)] = Field(description="the order's number in quotes")
    holder: Line | None = Field(None, description=f"{ORGANISATION} that it was given to, whose cameras alone it covers")
    from_: Moment = Field(alias="from", description=MOMENT)
    until: Moment = Field(description=f"{MOMENT}, at most five years after from")
    zone: Zone = Field(DEFAULT_ZONE, description=ZONE)
    provisional: bool = Field(False, description="true or false")
    cameras: Selector | None = Field(None, description=SELECTOR)
    perimeter: list[Annotated[list[float], Field(min_length=2, max_length=2)]] | None = Field(
        None, description="a list of at least 3 points [longitude, latitude]"
    )
    purposes: Purposes = Field(description=PURPOSES)
    retention_days: int = Field(ge=0, le=31, description="a whole number from 0 to 31")
    minimum_retention_days: int = Field(0, ge=0, le=31, description="a whole number from 0 to 31")
    recipients: list[Line] = Field(default_factory=list, max_length=256, description="a list of names of Organisations")
    break_glass: BreakGlass | None = Field(None, description="a mapping {reason, from, until}")

    @model_validator(mode="after")
    def _fits(self) -> "AuthorisationSpec":
        if begins_ns(self.from_, self.zone) >= ends_ns(self.until, self.zone):
            raise at_field("until", "not after from; right would be a later day or time")
        if ends_ns(self.until, self.zone) > years_later(self.from_, 5, self.zone):
            raise at_field("until", "more than five years after from; right would be an earlier end (L252-4)")
        if self.minimum_retention_days > self.retention_days:
            raise at_field("minimum_retention_days", "more than retention_days; right would be at most as many")
        if (self.cameras is None) == (self.perimeter is None):
            raise at_field("cameras", f"cameras or perimeter, one of the two; right would be {SELECTOR}")
        if self.perimeter is not None and (problem := polygon_problem(self.perimeter, "world")):
            raise at_field("perimeter" if problem.point is None else ("perimeter", problem.point), problem.what)
        return self


class Authorisation(DeclaredObject):
    """`kind: Authorisation`."""

    spec: AuthorisationSpec = Field(description="a mapping")


class Cut(Spec):
    """The owner's cut of a convention (L-25)."""

    since: Instant = Field(description=INSTANT)
    reason: Reason = Field(description="text: why")

    _reason = field_validator("reason")(words)


class ConventionSpec(DatedSpec):
    """What an owner lets another organisation do with his cameras (L-22)."""

    from_: Line = Field(alias="from", description=f"{ORGANISATION}, the owner of the cameras")
    to: Line = Field(description=f"{ORGANISATION}, the recipient")
    cameras: Selector = Field(description=SELECTOR)
    rights: list[Action] = Field(min_length=1, max_length=4, description="a list of live, playback, export and ptz")
    ptz_rank: Ranks | None = Field(None, description=RANKS)
    windows: Windows = Field(default_factory=lambda: ["24/7"], description=WINDOWS)
    zone: Zone = Field(DEFAULT_ZONE, description=ZONE)
    from_date: Moment = Field(description=MOMENT)
    until_date: Moment | None = Field(None, description=MOMENT)
    purposes: Purposes = Field(description=PURPOSES)
    default_purpose: Name | None = Field(None, description=f"{PURPOSE}, one of purposes")
    trigger: Literal["standing", "opening"] = Field("standing", description="standing or opening")
    max_opening_h: float = Field(12, gt=0, le=31 * 24, description="hours, at most 744")
    posts: list[Line] = Field(default_factory=list, max_length=256, description="a list of names of Posts")
    retention_days: int | None = Field(
        None, ge=0, le=31, description="of the recipient's own copy: a whole number from 0 to 31"
    )
    extra_masks: Name | None = Field(None, description="the version of a MaskSet, such as police")
    cut: Cut | None = Field(None, description="a mapping {since, reason}")

    @model_validator(mode="after")
    def _fits(self) -> "ConventionSpec":
        if self.from_ == self.to:
            raise at_field("to", "the same as from; right would be another organisation")
        if self.until_date is not None and begins_ns(self.from_date, self.zone) >= ends_ns(self.until_date, self.zone):
            raise at_field("until_date", "not after from_date; right would be a later day or time")
        if "ptz" in self.rights and "live" not in self.rights:
            raise at_field("rights", "ptz without live; right would be [live, ptz]")
        if ("ptz" in self.rights) != (self.ptz_rank is not None):
            what = "missing beside ptz" if self.ptz_rank is None else "without use: rights has no ptz"
            raise at_field("ptz_rank", f"{what}; right would be both or none", "rights")
        if self.default_purpose is not None and self.default_purpose not in self.purposes:
            raise at_field("default_purpose", f"not one of purposes; right would be {texts.one_of(self.purposes)}")
        return self


class Convention(DeclaredObject):
    """`kind: Convention`."""

    spec: ConventionSpec = Field(description="a mapping")


class OpeningSpec(DatedSpec):
    """An event that opens conventions with `trigger: opening` (L-23).

    It ends at `until`, and at the latest `max_opening_h` of the convention after the first Opening of this event began:
    another Opening of the same event makes it no longer.
    """

    conventions: list[Line] = Field(min_length=1, max_length=256, description="a list of names of Conventions")
    event: Annotated[Line, Field(min_length=1, max_length=128)] = Field(description="what happens, in words")
    motive: Reason = Field(description="text: why the pictures are needed")
    from_: Instant = Field(alias="from", description=INSTANT)
    until: Instant | None = Field(None, description=INSTANT)

    _motive = field_validator("motive")(words)

    @model_validator(mode="after")
    def _term(self) -> "OpeningSpec":
        if self.until is not None and self.from_ >= self.until:
            raise at_field("until", "not after from; right would be a later time")
        return self


class Opening(DeclaredObject):
    """`kind: Opening`."""

    spec: OpeningSpec = Field(description="a mapping")


class WatchOrderSpec(DatedSpec):
    """A targeted watch (L-27): it gives nobody a right, and keeps all but the named persons out."""

    organisation: Line = Field(description=f"{ORGANISATION} that keeps it")
    reference: Annotated[Line, Field(min_length=1, max_length=128)] = Field(description="the order's number in quotes")
    persons: list[AgentName] = Field(min_length=1, max_length=256, description="a list of names of Agents")
    cameras: list[Line] = Field(min_length=1, max_length=256, description="a list of camera names")
    sector: Annotated[list[float], Field(min_length=4, max_length=4)] | None = Field(
        None, description="[least pan, greatest pan, least tilt, greatest tilt] in degrees"
    )
    from_: Instant = Field(alias="from", description=INSTANT)
    until: Instant = Field(description=INSTANT)

    @model_validator(mode="after")
    def _fits(self) -> "WatchOrderSpec":
        if self.from_ >= self.until:
            raise at_field("until", "not after from; right would be a later time")
        if self.sector is not None:
            left, right, low, high = self.sector
            if not (-360 <= left < right <= 360 and right - left <= 360 and -90 <= low < high <= 90):
                raise at_field("sector", "no sector; right would be such as [-30, 45, -60, 0]")
        return self


class WatchOrder(DeclaredObject):
    """`kind: WatchOrder`."""

    spec: WatchOrderSpec = Field(description="a mapping")


Change = Literal["hide-less", "give-back", "make-available", "cut"]
CHANGE = "hide-less, give-back, make-available or cut"


class ApprovalSpec(Spec):
    """A second person's yes to one change of one object, as it will be (M-8, L-25)."""

    kind: Literal["MaskSet", "Camera", "Agent", "Convention"] = Field(
        description="MaskSet, Camera, Agent or Convention: what is changed"
    )
    name: AgentName = Field(description="the name of the object that is changed")
    change: Change = Field(description=CHANGE)
    fingerprint: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] = Field(
        description="64 hexadecimal digits: that of the object as it will be"
    )
    requested_by: AgentName = Field(description="the name of an Agent")
    given_by: AgentName = Field(description="the name of another Agent")
    given_at: Instant = Field(description=INSTANT)
    reason: Reason = Field(description="text: why")

    _reason = field_validator("reason")(words)

    @model_validator(mode="after")
    def _two(self) -> "ApprovalSpec":
        if self.given_by == self.requested_by:
            raise at_field("given_by", "who requested it; right would be a second person")
        return self


class Approval(DeclaredObject):
    """`kind: Approval`."""

    spec: ApprovalSpec = Field(description="a mapping")
