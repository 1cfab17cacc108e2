"""What people at a desk work with: `Incident`, `Outlet`, `IdentityProvider`."""

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from vigie.policy import texts
from vigie.policy.alarm_kinds import ALARM_KINDS, SEVERITY, Severity
from vigie.policy.fields import (
    SECRET_HELP,
    AgentName,
    DeclaredObject,
    FilePath,
    Line,
    Name,
    Reason,
    Secret,
    Spec,
    at_field,
)
from vigie.policy.moments import Instant, begins_ns
from vigie.policy.people_objects import ORGANISATION, PURPOSE, DatedSpec
from vigie.policy.sharing_objects import INSTANT, words

Second = Annotated[int, Field(ge=0, le=24 * 3600)]
_HOST = r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?)"
_SERVER = re.compile(rf"{_HOST}:([0-9]{{1,5}})\Z")


def server_of(text: str) -> tuple[str, int] | None:
    """Host (an IPv6 address without brackets) and port of `host:port`, or None."""
    match = _SERVER.match(text)
    if match is None or not 1 <= int(match[2]) <= 65535:
        return None
    return match[1].strip("[]"), int(match[2])


class Closed(Spec):
    """That an incident is dealt with."""

    by: AgentName = Field(description="the name of an Agent")
    at: Instant = Field(description=INSTANT)
    outcome: Reason = Field(description="text: what became of it")

    _outcome = field_validator("outcome")(words)


class IncidentSpec(Spec):
    """A bookmark of cameras at an instant. What was recorded from `before_s` to `after_s` around it is to be kept.

    Made by `vigie incident open`; the recorder, which keeps it, comes later.
    """

    cameras: list[Line] = Field(min_length=1, max_length=64, description="a list of camera names")
    at: Instant = Field(description=INSTANT)
    before_s: Second = Field(600, description="seconds, 0 to 86400")
    after_s: Second = Field(300, description="seconds, 0 to 86400")
    motive: Reason = Field(description="text: what happens")
    post: Line | None = Field(None, description="the name of a Post, whose people are shown the cameras")
    purpose: Name | None = Field(None, description=PURPOSE)
    opened_by: AgentName = Field(description="the name of an Agent")
    opened_at: Instant = Field(description=INSTANT)
    closed: Closed | None = Field(None, description="a mapping {by, at, outcome}")

    _motive = field_validator("motive")(words)

    @model_validator(mode="after")
    def _order(self) -> "IncidentSpec":
        if self.closed is not None and begins_ns(self.closed.at) < begins_ns(self.opened_at):
            raise at_field(("closed", "at"), "before opened_at; right would be a later time", "closed")
        return self

    @property
    def since_ns(self) -> int:
        """From when on it is to be kept."""
        return begins_ns(self.at) - self.before_s * 1_000_000_000

    @property
    def until_ns(self) -> int:
        """Until when it is to be kept."""
        return begins_ns(self.at) + self.after_s * 1_000_000_000


class Incident(DeclaredObject):
    """`kind: Incident`."""

    spec: IncidentSpec = Field(description="a mapping")


SERVER = "host:port such as mail.example:587"


def _server(text: str) -> str:
    if server_of(text) is None:
        raise ValueError(f"not a server; right would be {SERVER}")
    return text


class Syslog(Spec):
    """Lines of RFC 5424: to this machine's socket, over UDP (RFC 5426), TCP (RFC 6587) or TLS (RFC 5425)."""

    transport: Literal["local", "udp", "tcp", "tls"] = Field("local", description="local, udp, tcp or tls")
    server: Line | None = Field(None, description="host:port such as logs.example:6514")
    socket: Annotated[Line, Field(pattern="^/", max_length=100)] = Field(
        "/dev/log", description="the absolute path of a socket such as /dev/log"
    )
    facility: Annotated[int, Field(ge=0, le=23)] = Field(16, description="a whole number from 0 to 23; 16 is local0")
    tls_ca: FilePath | None = Field(None, description="a PEM file")

    _server = field_validator("server")(lambda text: None if text is None else _server(text))

    @model_validator(mode="after")
    def _fits(self) -> "Syslog":
        if (self.transport == "local") != (self.server is None):
            what = "without use beside transport: local" if self.server is not None else "missing"
            raise at_field("server", f"{what}; right would be host:port such as logs.example:6514 with udp, tcp or tls")
        if self.tls_ca is not None and self.transport != "tls":
            raise at_field("tls_ca", "without use; right would be transport: tls")
        return self


_ADDRESS = re.compile(r"[^@\s<>\",;:\\()\[\]]{1,64}@[A-Za-z0-9.-]{1,190}\Z")


def _address(text: str) -> str:
    if not _ADDRESS.match(text):
        raise ValueError(f'"{text[:60]}" is no e-mail address; right would be one such as csu@example.fr')
    return text


Address = Annotated[Line, Field(max_length=254)]


class Mail(DatedSpec):
    """E-mail; several alarms that wait go in one."""

    server: Line = Field(description=SERVER)
    tls: Literal["starttls", "implicit", "none"] = Field("starttls", description="starttls, implicit or none")
    trusted: bool = Field(False, description="true or false: whether cleartext may go to this server")
    tls_ca: FilePath | None = Field(None, description="a PEM file")
    username: Annotated[Line, Field(min_length=1, max_length=256)] | None = Field(None, description="text in quotes")
    password: Secret | None = Field(None, description=SECRET_HELP)
    from_: Address = Field(alias="from", description="an e-mail address")
    to: list[Address] = Field(min_length=1, max_length=64, description="a list of e-mail addresses")

    _server = field_validator("server")(_server)
    _from = field_validator("from_")(_address)

    @field_validator("to")
    @classmethod
    def _to(cls, to: list[str]) -> list[str]:
        return [_address(text) for text in to]

    @model_validator(mode="after")
    def _fits(self) -> "Mail":
        if (self.username is None) != (self.password is None):
            missing = "password" if self.password is None else "username"
            raise at_field(missing, "missing; right would be both or none", "username")
        if self.tls == "none" and not self.trusted:
            raise at_field("tls", "none: names of cameras in cleartext; right would be starttls, or trusted: true")
        if self.tls == "none" and self.password is not None:
            raise at_field("password", "would go in cleartext; right would be tls: starttls or implicit")
        return self


class Webhook(Spec):
    """POST of JSON, signed: `X-Vigie-Signature: t=SECONDS,v1=HEX`, HMAC-SHA-256 of `SECONDS.BODY`."""

    url: Annotated[Line, Field(max_length=2048)] = Field(description="https://host[:port]/path")
    secret: Secret = Field(description=SECRET_HELP)
    trusted: bool = Field(False, description="true or false: whether cleartext may go to this server")
    tls_ca: FilePath | None = Field(None, description="a PEM file")

    @model_validator(mode="after")
    def _url(self) -> "Webhook":
        if problem := http_url_problem(self.url, self.trusted):
            raise at_field("url", problem)
        return self


def http_url_problem(url: str, cleartext: bool) -> str | None:
    """What is wrong with an address of a web service."""
    right = "right would be https://host[:port]/path"
    match = re.match(rf"(https?)://{_HOST}(?::([0-9]{{1,5}}))?(/[^\s#]*)?\Z", url)
    if match is None:
        return f"not an address that can be used; {right}"
    if match[3] is not None and not 1 <= int(match[3]) <= 65535:
        return f"not a port; {right}"
    loopback = match[2] in ("127.0.0.1", "[::1]", "localhost")
    if match[1] == "http" and not cleartext and not loopback:
        return f"cleartext; {right}, or trusted: true where only trusted machines are on the way"
    return None


class OutletSpec(Spec):
    """Where alarms are told. One that fails keeps nothing waiting, and is an alarm itself."""

    organisation: Line | None = Field(
        None, description=f"{ORGANISATION}, whose alarms alone are told; of the installation: all"
    )
    kinds: list[Line] | None = Field(
        None, min_length=1, max_length=64, description="a list of kinds of alarms such as [camera_silent]"
    )
    severity: Severity = Field("notice", description=f"{SEVERITY}: the least that is told")
    again_s: Annotated[int, Field(ge=0, le=86400)] = Field(
        300, description="seconds, 0 to 86400: between two messages about one alarm"
    )
    syslog: Syslog | None = Field(None, description='a mapping such as {transport: tls, server: "logs.example:6514"}')
    mail: Mail | None = Field(None, description="a mapping {server, username, password, from, to}")
    webhook: Webhook | None = Field(None, description="a mapping {url, secret}")

    @field_validator("kinds")
    @classmethod
    def _kinds(cls, kinds: list[str] | None) -> list[str] | None:
        for kind in kinds or ():
            if kind not in ALARM_KINDS:
                raise ValueError(f'no alarm "{kind[:40]}"; right would be {texts.one_of(ALARM_KINDS)}')
        return kinds

    @model_validator(mode="after")
    def _one(self) -> "OutletSpec":
        if sum(way is not None for way in (self.syslog, self.mail, self.webhook)) != 1:
            raise ValueError("syslog, mail or webhook: exactly one of the three would be right")
        return self


class Outlet(DeclaredObject):
    """`kind: Outlet`."""

    spec: OutletSpec = Field(description="a mapping")


Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]
ALGORITHMS: tuple[Algorithm, ...] = ("RS256", "ES256")


class Oidc(Spec):
    """ID tokens of an OpenID provider, whose address and keys come from its discovery document."""

    issuer: Annotated[Line, Field(max_length=2048)] = Field(description="https://host[:port][/path], as in its tokens")
    client_id: Annotated[Line, Field(min_length=1, max_length=256)] = Field(description="text: ours there")
    claim: Annotated[Line, Field(min_length=1, max_length=64)] = Field(
        "sub", description="the name of the claim that says who it is, such as sub, email or preferred_username"
    )
    nonce: bool = Field(True, description="true or false: whether a token must answer a session.challenge")
    algorithms: list[Algorithm] = Field(
        default_factory=lambda: list(ALGORITHMS),
        min_length=1,
        max_length=9,
        description="a list such as [RS256, ES256]",
    )
    tls_ca: FilePath | None = Field(None, description="a PEM file")

    @field_validator("issuer")
    @classmethod
    def _issuer(cls, issuer: str) -> str:
        if (problem := http_url_problem(issuer, False)) or "?" in issuer:
            raise ValueError(problem or "a query; right would be https://host[:port][/path]")
        return issuer


class Ldap(Spec):
    """A directory that is asked with the person's own password, over TLS alone."""

    server: Line = Field(description="host:port such as ldap.example:636")
    tls: Literal["implicit", "starttls"] = Field("implicit", description="implicit or starttls")
    tls_ca: FilePath | None = Field(None, description="a PEM file")
    bind_dn: Annotated[Line, Field(min_length=1, max_length=512)] | None = Field(
        None, description="the account that searches, such as cn=vigie,dc=example,dc=fr"
    )
    password: Secret | None = Field(None, description=SECRET_HELP)
    base: Annotated[Line, Field(min_length=1, max_length=512)] = Field(
        description="where persons are, such as ou=people,dc=example,dc=fr"
    )
    user_attribute: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,63}$")] = Field(
        "uid", description="the attribute that people type, such as uid, mail or sAMAccountName"
    )
    filter: Annotated[Line, Field(max_length=512)] = Field(
        "(objectClass=person)", description="an LDAP filter such as (objectClass=person)"
    )
    attribute: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,63}$")] = Field(
        "uid", description="the attribute that says who it is, such as uid or mail"
    )

    _server = field_validator("server")(_server)

    @model_validator(mode="after")
    def _fits(self) -> "Ldap":
        if (self.bind_dn is None) != (self.password is None):
            missing = "password" if self.password is None else "bind_dn"
            raise at_field(missing, "missing; right would be both or none", "base")
        whole = self.filter.startswith("(") and self.filter.endswith(")")
        if not whole or self.filter.count("(") != self.filter.count(")"):
            raise at_field("filter", "no filter; right would be one such as (objectClass=person)")
        return self


class Local(Spec):
    """The passwords of the Agents themselves."""


class IdentityProviderSpec(Spec):
    """Who says who somebody is. It gives nobody a right: those are the Agent's."""

    organisation: Line | None = Field(None, description=f"{ORGANISATION}, whose Agents alone may sign in so")
    agents: dict[str, AgentName] = Field(
        default_factory=dict,
        max_length=65536,
        description="a mapping of what the provider says to names of Agents, where the two differ",
    )
    session_minutes: Annotated[int, Field(ge=1, le=720)] = Field(
        480, description="minutes, 1 to 720: how long a session may last"
    )
    oidc: Oidc | None = Field(None, description="a mapping {issuer, client_id}")
    ldap: Ldap | None = Field(None, description="a mapping {server, base}")
    local: Local | None = Field(None, description="{}")

    @model_validator(mode="after")
    def _one(self) -> "IdentityProviderSpec":
        if sum(way is not None for way in (self.oidc, self.ldap, self.local)) != 1:
            raise ValueError("oidc, ldap or local: exactly one of the three would be right")
        return self


class IdentityProvider(DeclaredObject):
    """`kind: IdentityProvider`."""

    spec: IdentityProviderSpec = Field(description="a mapping")
