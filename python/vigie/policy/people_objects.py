"""Who: `Organisation`, `Agent`, `Post`."""

import ipaddress
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from vigie.policy import texts
from vigie.policy.fields import SECRET_HELP, AgentName, DeclaredObject, Line, Name, Secret, Spec, at_field
from vigie.policy.moments import DEFAULT_ZONE, MOMENT, ZONE, Moment, Zone, begins_ns, ends_ns, years_later

Role = Literal["operator", "supervisor", "ticket", "requisition", "auditor", "administrator"]
ROLES = "operator, supervisor, ticket, requisition, auditor or administrator"
ORGANISATION = "the name of an Organisation"
Commune = Annotated[str, Field(pattern=texts.COMMUNE)]
COMMUNE = 'the INSEE code in quotes, such as "57463"'
Department = Annotated[str, Field(pattern=texts.DEPARTMENT)]
DEPARTMENTS = 'a list of departments in quotes such as ["57"], or "*" where no agrément limits them'
PURPOSE = "a purpose such as public-safety"

Rank = Annotated[int, Field(ge=1, le=1000)]
Ranks = Rank | dict[Literal["operator", "supervisor"], Rank]
OWN_RANKS: Ranks = {"operator": 40, "supervisor": 60}
RANKS = "a whole number from 1 to 1000, or one a role such as {operator: 40, supervisor: 60}"

OrganisationType = Literal[
    "municipality",
    "police",
    "gendarmerie",
    "justice",
    "fire",
    "rail",
    "transit",
    "landlord",
    "venue",
    "prefecture",
    "shared-centre",
]
STATE = frozenset({"police", "gendarmerie", "justice", "fire", "prefecture"})
"""Types whose people need no prefect's agrément."""


class DatedSpec(Spec):
    """With a field called `from`, which Python cannot have by this name."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, validate_by_name=False, validate_by_alias=True)


class OrganisationSpec(Spec):
    """A body that has cameras, people, or both."""

    type: OrganisationType = Field(
        description="municipality, police, gendarmerie, justice, fire, rail, transit, landlord, venue, prefecture or "
        "shared-centre"
    )
    title: Annotated[Line, Field(max_length=256)] = Field("", description="text")
    parent: Line | None = Field(None, description=f"{ORGANISATION} of which this one is a service")
    communes: list[Commune] = Field(
        default_factory=list, max_length=4096, description='a list of INSEE codes such as ["57463"]'
    )
    departments: list[Department] = Field(
        default_factory=list, max_length=128, description='a list of departments in quotes such as ["57"]'
    )
    ptz_rank: Ranks = Field(default_factory=lambda: OWN_RANKS, description=RANKS)
    approvals_by: Line | None = Field(None, description=f"{ORGANISATION} that has to give the second person's yes")


class Organisation(DeclaredObject):
    """`kind: Organisation`."""

    spec: OrganisationSpec = Field(description="a mapping")


class Habilitation(DatedSpec):
    """One person's right to view (L-3), and the prefect's agrément behind it (L-5)."""

    reference: Annotated[Line, Field(min_length=1, max_length=128)] = Field(description="the act's number in quotes")
    from_: Moment = Field(alias="from", description=MOMENT)
    until: Moment = Field(description=MOMENT)
    zone: Zone = Field(DEFAULT_ZONE, description=ZONE)
    departments: list[Department] | Literal["*"] = Field(description=DEPARTMENTS)
    suspended: bool = Field(False, description="true or false")

    @model_validator(mode="after")
    def _term(self) -> "Habilitation":
        if begins_ns(self.from_, self.zone) >= ends_ns(self.until, self.zone):
            raise at_field("until", "not after from; right would be a later day or time")
        if ends_ns(self.until, self.zone) > years_later(self.from_, 5, self.zone):
            raise at_field(
                "until", "more than five years after from; right would be an earlier end: it is examined anew"
            )
        return self


class AgentSpec(Spec):
    """A person or a machine account.

    Without an organisation it has the standing right to see `cameras`, as long as those have no owner. With one, what
    it may see follows from the objects, and `cameras` can only narrow that.
    """

    password: Secret | None = Field(None, description=SECRET_HELP)
    cameras: list[str] | None = Field(
        None, description='a list of camera names, versions and patterns such as "gare.*", or "*" for all'
    )
    until: str | None = Field(None, description="a time with its zone such as 2026-12-31T23:59:59Z")
    organisation: Line | None = Field(None, description=ORGANISATION)
    roles: list[Role] = Field(default_factory=list, max_length=6, description=f"a list of {ROLES}")
    machine: bool = Field(False, description="true or false")
    habilitation: Habilitation | None = Field(
        None,
        description='such as {reference: "2026-12", from: 2026-01-01, until: 2028-12-31, departments: ["57"]}',
    )
    made_available_to: list[Line] = Field(
        default_factory=list, max_length=1024, description="a list of names of Organisations"
    )
    default_purpose: Name | None = Field(None, description=PURPOSE)

    @field_validator("cameras", mode="before")
    @classmethod
    def _all(cls, cameras: Any) -> Any:
        return ["*"] if cameras == "*" else cameras

    @field_validator("cameras")
    @classmethod
    def _star_alone(cls, cameras: list[str] | None) -> list[str] | None:
        if cameras is not None and "*" in cameras and len(cameras) > 1:
            raise ValueError('"*" among other names; right would be cameras: "*" alone')
        return cameras

    @field_validator("until")
    @classmethod
    def _until(cls, until: str | None) -> str | None:
        return None if until is None else texts.utc_text(until)

    @model_validator(mode="after")
    def _fits(self) -> "AgentSpec":
        if self.organisation is None:
            for field, value in (("password", self.password), ("cameras", self.cameras)):
                if value is None:
                    right = type(self).model_fields[field].description
                    raise at_field(field, f"missing; right would be {right}; or an organisation")
            for field in ("habilitation", "made_available_to"):
                if getattr(self, field):
                    raise at_field(field, "without organisation; right would be the organisation of the agent")
        if self.machine and self.habilitation is not None:
            raise at_field("habilitation", "of a machine; right would be to leave it out: only persons have one")
        if self.machine and self.roles:
            raise at_field("roles", "of a machine, which only sees live pictures; right would be to leave them out")
        return self


class Agent(DeclaredObject):
    """`kind: Agent`."""

    name: AgentName = Field(description="a name of its own")
    spec: AgentSpec = Field(description="a mapping")


class PostSpec(Spec):
    """A workstation and its wall decoders: one place (L-3)."""

    organisation: Line = Field(description=ORGANISATION)
    addresses: list[Line] = Field(
        min_length=1, max_length=256, description='a list of addresses and networks such as ["10.2.0.7", "10.2.1.0/28"]'
    )
    title: Annotated[Line, Field(max_length=256)] = Field("", description="text")

    @field_validator("addresses")
    @classmethod
    def _addresses(cls, addresses: list[str]) -> list[str]:
        for address in addresses:
            try:
                ipaddress.ip_network(address)
            except ValueError:
                right = "right would be one such as 10.2.0.7, or a network such as 10.2.1.0/28"
                raise ValueError(f'"{address[:60]}" is no address; {right}') from None
        return addresses


class Post(DeclaredObject):
    """`kind: Post`."""

    spec: PostSpec = Field(description="a mapping")


def department_of(commune: str) -> str:
    """The department of an INSEE code: two characters, three overseas."""
    return commune[:3] if commune.startswith(("97", "98")) else commune[:2]
