"""What a `MaskSet` and the `dome` of a camera hold. Limits are those of the schema; a test compares them."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from vigie.policy import texts
from vigie.policy.fields import DeclaredObject, Line, Name, Reason, Spec, at_field
from vigie.policy.polygons import polygon_problem

MAX_REGIONS = 256
_INSTANT = "a time with its zone such as 2026-12-31T23:59:59Z"


class Dome(Spec):
    """How far the reports of a camera that turns are trusted; every field as in the policy snapshot. Degrees."""

    calibration_error: float = Field(0.5, ge=0, le=45, description="degrees, 0 to 45")
    zoom_error: float = Field(0.02, ge=0, le=0.5, description="a share of the field of view, 0 to 0.5")
    max_speed: float = Field(30, ge=0, le=720, description="degrees a second, 0 to 720")
    max_age_moving_s: float = Field(0.3, ge=0.01, le=10, description="seconds, 0.01 to 10")
    max_age_idle_s: float = Field(2, ge=0.01, le=60, description="seconds, 0.01 to 60")
    mount_roll: float = Field(0, ge=-180, le=180, description="degrees, -180 to 180")
    mount_tilt: float = Field(0, ge=-90, le=90, description="degrees, -90 to 90")


class MaskRegion(Spec):
    """One private place: a simple polygon."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, validate_by_name=False, validate_by_alias=True)

    name: Name = Field(description="a name such as flat-3")
    reason: Reason = Field("", description="text: why it is hidden")
    space: Literal["picture", "world"] = Field("picture", description="picture or world")
    points: list[Annotated[list[float], Field(min_length=2, max_length=2)]] = Field(
        description="a list of at least 3 points such as [[0.1, 0.2], [0.4, 0.2], [0.4, 0.55]]"
    )
    fill: Line = Field("#202020", description='a colour in quotes such as "#202020"')
    from_: str | None = Field(None, alias="from", description=_INSTANT)
    until: str | None = Field(None, description=_INSTANT)

    @field_validator("fill")
    @classmethod
    def _fill(cls, fill: str) -> str:
        if not texts.COLOUR.fullmatch(fill):
            raise ValueError(f'"{fill[:40]}"; right would be a colour in quotes such as "#202020"')
        return fill

    @field_validator("from_", "until")
    @classmethod
    def _instant(cls, text: str | None) -> str | None:
        return None if text is None else texts.utc_text(text)

    @model_validator(mode="after")
    def _shape(self) -> "MaskRegion":
        if problem := polygon_problem(self.points, self.space):
            where = ("points",) if problem.point is None else ("points", problem.point)
            raise at_field(where, problem.what)
        if self.from_ is not None and self.until is not None and self.from_ >= self.until:
            raise at_field("until", "not after from; right would be a later time")
        return self


class MaskSetSpec(Spec):
    """What is hidden of one camera, or, with `version`, besides that in the streams published as camera@version."""

    camera: Line = Field(description="a camera's name")
    version: Name | None = Field(None, description="a name such as police")
    reason: Reason = Field(description="text: why these places are hidden")
    removal_reason: Reason = Field("", description="text: who agreed that less is hidden than before, and why")
    revision: int | None = Field(
        None, ge=1, le=2**53, description="a whole number that grows whenever a region changes"
    )
    scene_watch: bool = Field(
        True, description="true or false: whether the picture is covered while the camera shows another view"
    )
    regions: list[MaskRegion] = Field(
        min_length=1,
        max_length=MAX_REGIONS,
        description="1 to 256 regions such as [{name: flat-3, points: [[0.1, 0.2], [0.4, 0.2], [0.4, 0.55]]}]",
    )

    @field_validator("reason")
    @classmethod
    def _reason(cls, reason: str) -> str:
        if not reason.strip(" "):
            raise ValueError("blank; right would be why these places are hidden, in words")
        return reason

    @model_validator(mode="after")
    def _names(self) -> "MaskSetSpec":
        taken: dict[str, int] = {}
        for index, region in enumerate(self.regions):
            first = taken.setdefault(region.name, index)
            if first != index:
                raise at_field(
                    ("regions", index, "name"), f"the same name as of regions[{first}]; right would be another"
                )
        return self


class MaskSet(DeclaredObject):
    """`kind: MaskSet`."""

    spec: MaskSetSpec = Field(description="a mapping")
