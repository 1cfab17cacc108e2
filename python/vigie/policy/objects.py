"""The kinds of machines and cameras, `Server`, `Site` and `Camera`, and the table of all kinds.

A field's `description` says what would be right; it stands in the error when the field is missing or wrong.
Limits are those of `vigie/schema/policy_snapshot.json`; a test compares them.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from vigie.policy import texts
from vigie.policy.desk_objects import IdentityProvider, Incident, Outlet
from vigie.policy.evidence_objects import Hold, RecordingPolicy, Requisition, Volume
from vigie.policy.fields import (
    SECRET_HELP,
    DeclaredObject,
    FilePath,
    Line,
    Name,
    Reason,
    Secret,
    SiteName,
    Spec,
    at_field,
)
from vigie.policy.mask_objects import Dome, MaskSet
from vigie.policy.people_objects import COMMUNE, ORGANISATION, Agent, Commune, Organisation, Post
from vigie.policy.sharing_objects import (
    REGIME,
    Approval,
    Authorisation,
    Convention,
    Opening,
    Regime,
    WatchOrder,
)
from vigie.quirks import QUIRKS


class Tls(Spec):
    """PEM files; relative paths start at the YAML file."""

    certificate: FilePath = Field(description="a PEM file")
    key: FilePath = Field(description="a PEM file")


Host = Annotated[str, Field(pattern=r"^([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]+\])$")]


class Listener(Spec):
    """An address on which viewers are served."""

    name: Name | None = Field(None, description="a name of its own")
    listen: Line = Field(description="an address such as 127.0.0.1:8554, [::1]:8554, localhost:8554 or %eth0:8554")
    public: Host | None = Field(
        None, description="the name or address by which viewers reach it, such as csu.metz.example"
    )
    access: Literal["open", "digest"] = Field("digest", description="open or digest")
    trusted: bool = Field(False, description="true or false")
    tls: Tls | None = Field(None, description="{certificate: file, key: file}")
    allow_md5: bool = Field(True, description="true or false")
    udp: bool | None = Field(None, description="true or false")
    dscp: int = Field(0, ge=0, le=63, description="a whole number from 0 to 63")

    @field_validator("listen")
    @classmethod
    def _listen(cls, listen: str) -> str:
        if texts.listen_address(listen) is None:
            raise ValueError(
                "not an address to listen on; right would be 127.0.0.1:8554, [::1]:8554, localhost:8554 or %eth0:8554"
            )
        return listen

    @model_validator(mode="after")
    def _reach(self) -> "Listener":
        address = texts.listen_address(self.listen)
        near = self.trusted or (address is not None and address[1])
        if self.access == "open" and not near:
            raise at_field(
                "access",
                "open on an address that others can reach; right would be digest, or trusted: true if everybody on "
                "that network may see every camera",
            )
        if self.tls is None and not near:
            raise at_field(
                "listen",
                "cleartext on an address that others can reach; right would be tls: {certificate, key}, or "
                "trusted: true",
            )
        if self.tls is not None and self.udp:
            raise at_field("udp", "true beside tls, though UDP delivery is cleartext; right would be false")
        return self


_MANY = 1_000_000
_COUNT = f"a whole number from 1 to {_MANY}"


class Limits(Spec):
    """What one engine allows; every field as in the policy snapshot."""

    sessions: int = Field(4096, ge=1, le=_MANY, description=_COUNT)
    sessions_per_peer: int = Field(1024, ge=1, le=_MANY, description=_COUNT)
    sessions_per_stream: int = Field(2048, ge=1, le=_MANY, description=_COUNT)
    half_open: int = Field(1024, ge=1, le=_MANY, description=_COUNT)
    half_open_timeout_s: float = Field(10, ge=0.1, le=300, description="seconds, 0.1 to 300")
    session_timeout_s: float = Field(60, ge=1, le=3600, description="seconds, 1 to 3600")
    lag_limit_s: float = Field(1, ge=0.05, le=60, description="seconds, 0.05 to 60")
    send_buffer_bytes: int = Field(512 << 10, ge=16 << 10, le=64 << 20, description="bytes, 16384 to 67108864")
    packet_bytes: int = Field(1400, ge=256, le=65000, description="bytes, 256 to 65000")
    header_bytes: int = Field(16 << 10, ge=1 << 10, le=1 << 20, description="bytes, 1024 to 1048576")
    allow_masked_at_source: bool = Field(True, description="true or false")


class AlarmLimits(Spec):
    """From when on something is an alarm."""

    silent_s: float = Field(30, ge=1, le=86400, description="seconds, 1 to 86400: without a picture")
    settle_s: float = Field(60, ge=0, le=3600, description="seconds, 0 to 3600: an alarm is over when it was so long")
    authorisation_days: int = Field(123, ge=1, le=1826, description="days, 1 to 1826: before an order ends (L-2)")
    provisional_days: int = Field(183, ge=1, le=1826, description="days, 1 to 1826: before a provisional order ends")
    disk_free_percent: float = Field(5, ge=0.1, le=90, description="percent, 0.1 to 90: free where the state is kept")
    clock_step_s: float = Field(1, ge=0.1, le=3600, description="seconds, 0.1 to 3600: how far the clock may jump")


FLOOR_MONTHS, CEILING_MONTHS = 6, 36
Months = Annotated[int, Field(ge=FLOOR_MONTHS, le=CEILING_MONTHS)]


class JournalMonths(Spec):
    """How many months the journal keeps what (L-33). Once a day what is older is taken out for good."""

    views: Months = Field(12, description="months, 6 to 36: views and stills")
    decisions: Months = Field(12, description="months, 6 to 36: refusals, routes, changes of objects and masks")
    access: Months = Field(12, description="months, 6 to 36: who signed in, who read the journal")
    evidence: Months = Field(12, description="months, 6 to 36: requisitions, exports, holds, deletions")
    operation: Months = Field(12, description="months, 6 to 36: domes, recordings, alarms, processes")
    journal: Months = Field(12, description="months, 6 to 36: checkpoints and what was purged")


class ServerSpec(Spec):
    """An engine machine."""

    rtsp: list[Listener] = Field(
        min_length=1, max_length=64, description='a list such as [{listen: "127.0.0.1:8554", access: open}]'
    )
    limits: Limits = Field(default_factory=lambda: Limits.model_validate({}), description="a mapping of limits")
    alarms: AlarmLimits = Field(
        default_factory=lambda: AlarmLimits.model_validate({}), description="a mapping such as {silent_s: 30}"
    )
    journal_months: JournalMonths = Field(
        default_factory=lambda: JournalMonths.model_validate({}), description="a mapping such as {views: 24}"
    )


class StreamOptions(Spec):
    """How a stream is got, whatever its URL."""

    transport: Literal["auto", "tcp", "udp", "http", "multicast"] = Field(
        "auto", description="auto, tcp, udp, http or multicast"
    )
    pull: Literal["always", "on_demand"] = Field("always", description="always or on_demand")
    username: Annotated[Line, Field(min_length=1, max_length=256)] | None = Field(None, description="text in quotes")
    password: Secret | None = Field(None, description=SECRET_HELP)
    tls_ca: FilePath | None = Field(None, description="a PEM file")
    tls_verify: bool = Field(True, description="true or false")
    first_picture_s: float = Field(10, ge=0.1, le=300, description="seconds, 0.1 to 300")
    silence_s: float = Field(5, ge=0.1, le=3600, description="seconds, 0.1 to 3600")
    linger_s: float = Field(10, ge=0, le=86400, description="seconds, 0 to 86400")
    log_bytes: int = Field(16 << 20, ge=64 << 10, le=1 << 30, description="bytes, 65536 to 1073741824")
    strict: list[str] = Field(
        default_factory=list, max_length=140, description='ids of tolerances to switch off, such as ["A8"]'
    )

    @field_validator("strict")
    @classmethod
    def _strict(cls, ids: list[str]) -> list[str]:
        for quirk in ids:
            if quirk not in QUIRKS or QUIRKS[quirk].kind != "tolerance":
                raise ValueError(f"{quirk!r}; right would be the id of a tolerance, such as A8 (docs/cameras.md)")
        return ids

    @field_validator("username")
    @classmethod
    def _username(cls, username: str | None) -> str | None:
        if username is not None and ":" in username:
            raise ValueError("a colon, which neither Basic nor Digest can carry")
        return username


class Stream(StreamOptions):
    """One stream of a camera and how to get it."""

    url: Annotated[str, Field(max_length=2048)] = Field(description=texts.SCHEMES)
    backup_url: Annotated[str, Field(max_length=2048)] | None = Field(None, description="a URL of the same kind")
    interface: Line | None = Field(None, description="the name of a network interface such as eth1")
    loop: bool = Field(True, description="true or false")

    @field_validator("url")
    @classmethod
    def _url(cls, url: str) -> str:
        if problem := texts.url_problem(url):
            raise ValueError(problem)
        return url

    @field_validator("backup_url")
    @classmethod
    def _backup_url(cls, url: str | None) -> str | None:
        if url is None:
            return None
        if problem := texts.url_problem(url) or texts.remote_url_problem(url):
            raise ValueError(problem)
        return url

    @field_validator("interface")
    @classmethod
    def _interface(cls, name: str | None) -> str | None:
        if name is not None and not texts.INTERFACE.fullmatch(name):
            raise ValueError("not the name of a network interface; right would be one such as eth1")
        return name

    @model_validator(mode="after")
    def _fits_kind(self) -> "Stream":
        kind = texts.source_kind(self.url)
        if kind not in ("rtsp", "network"):
            for field in ("backup_url", "username", "password", "tls_ca"):
                if getattr(self, field) is not None:
                    raise at_field(field, f"without use beside a {kind} url; right would be to leave it out")
        elif self.password is not None and self.username is None and not self.url.lower().startswith("srt:"):
            raise at_field("password", "without username; right would be the camera's user as username")
        elif self.backup_url is not None and texts.source_kind(self.backup_url) != kind:
            raise at_field("backup_url", f"of another kind than url; right would be one that is {kind} too")
        multicast = kind == "rtsp" and self.transport == "multicast"
        if multicast and any(url.lower().startswith("rtsps:") for url in (self.url, self.backup_url or "")):
            raise at_field("transport", "multicast, which rtsps cannot encrypt; right would be auto or tcp")
        if self.interface is not None and not multicast and kind != "sdp":
            raise at_field("interface", "only for multicast and an sdp: url; right would be to leave it out")
        return self


class Position(Spec):
    """WGS 84."""

    lat: float = Field(ge=-90, le=90, description="degrees, -90 to 90")
    lon: float = Field(ge=-180, le=180, description="degrees, -180 to 180")
    height_m: float | None = Field(None, ge=-500, le=9000, description="metres above ground")


Privacy = Literal["clear", "masked", "masked_at_source", "withheld"]
PRIVACY = "clear, masked, masked_at_source or withheld"


def _needs_reason(privacy: Privacy | None, reason: str) -> None:
    if privacy == "clear" and not reason.strip(" "):
        raise at_field("privacy_reason", "missing; a camera shown without masks needs the reason, in words", "privacy")


class CameraSpec(Spec):
    """A device with one or more streams, and the decision about its pictures. Absent privacy: withheld."""

    number: int = Field(0, ge=0, le=2**53, description="the operator's number")
    title: Annotated[Line, Field(max_length=256)] = Field("", description="text")
    owner: Line | None = Field(None, description=ORGANISATION)
    operated_by: Line | None = Field(None, description=ORGANISATION)
    site: Line | None = Field(None, description="a site's name")
    commune: Commune | None = Field(None, description=COMMUNE)
    position: Position | None = Field(None, description="{lat: 49.12, lon: 6.17}")
    azimuth: float | None = Field(None, ge=0, lt=360, description="degrees clockwise from north, 0 to 360")
    regime: Regime | None = Field(None, description=REGIME)
    ticketing: bool = Field(False, description="true or false: whether tickets may be written from its pictures")
    ptz: dict[str, Any] | None = Field(None, description="a mapping")
    dome: Dome | None = Field(
        None, description="a mapping such as {calibration_error: 0.5}, or {} for a dome of defaults"
    )
    streams: dict[str, Stream] = Field(
        min_length=1, max_length=16, description='a mapping such as {main: {url: "rtsp://host/path"}}'
    )
    privacy: Privacy = Field("withheld", description=PRIVACY)
    privacy_reason: Reason = Field("", description="text: why no mask is needed")

    @field_validator("streams")
    @classmethod
    def _streams(cls, streams: dict[str, Stream]) -> dict[str, Stream]:
        for name in streams:
            if problem := texts.name_problem(name):
                raise at_field(name, problem)
        return streams

    @model_validator(mode="after")
    def _reason(self) -> "CameraSpec":
        _needs_reason(self.privacy, self.privacy_reason)
        return self


class SiteCamera(Spec):
    """What one camera of a site has of its own; the rest is as the site says."""

    name: Name | None = Field(None, description="its name behind the site's and a dot")
    title: Annotated[Line, Field(max_length=256)] | None = Field(None, description="text")
    number: int = Field(0, ge=0, le=2**53, description="the operator's number")
    privacy: Privacy | None = Field(None, description=PRIVACY)
    privacy_reason: Reason = Field("", description="text: why no mask is needed")
    pull: Literal["always", "on_demand"] | None = Field(None, description="always or on_demand")

    @model_validator(mode="after")
    def _reason(self) -> "SiteCamera":
        _needs_reason(self.privacy, self.privacy_reason)
        return self


Token = Annotated[Line, Field(min_length=1, max_length=64)]


class SiteSpec(StreamOptions):
    """A partner that is asked for its cameras: another vigie, or an ONVIF device. Absent privacy: all withheld."""

    url: Annotated[str, Field(max_length=2048)] = Field(description=texts.SITE_URLS)
    pull: Literal["always", "on_demand"] = Field("on_demand", description="always or on_demand")
    cameras: list[Token] = Field(
        ["*"], min_length=1, max_length=4096, description='all, or a list of tokens and patterns such as ["quai-*"]'
    )
    overrides: dict[Token, SiteCamera] = Field(
        default_factory=dict, max_length=4096, description='a mapping such as {"VideoSource_2": {name: gate}}'
    )
    owner: Line | None = Field(None, description=f"{ORGANISATION}, of all its cameras")
    operated_by: Line | None = Field(None, description=ORGANISATION)
    commune: Commune | None = Field(None, description=COMMUNE)
    regime: Regime | None = Field(None, description=REGIME)
    privacy: Privacy = Field("withheld", description=PRIVACY)
    privacy_reason: Reason = Field("", description="text: why no mask is needed")
    refresh_s: float = Field(60, ge=1, le=86400, description="seconds, 1 to 86400")
    max_cameras: int = Field(1024, ge=1, le=4096, description="a whole number from 1 to 4096")
    credentials_for: list[Token] = Field(
        default_factory=list, max_length=4096, description='a list of host names and addresses such as ["10.1.0.7"]'
    )
    rewrite_host: bool = Field(False, description="true or false")

    @field_validator("url")
    @classmethod
    def _url(cls, url: str) -> str:
        if problem := texts.site_url_problem(url):
            raise ValueError(problem)
        return url

    @field_validator("cameras", mode="before")
    @classmethod
    def _all(cls, cameras: Any) -> Any:
        return ["*"] if cameras == "all" else cameras

    @field_validator("overrides")
    @classmethod
    def _names(cls, overrides: dict[str, SiteCamera]) -> dict[str, SiteCamera]:
        taken: dict[str, str] = {}
        for token, camera in overrides.items():
            if camera.name is not None and taken.setdefault(camera.name, token) != token:
                raise at_field(token, f"the same name as of {taken[camera.name]}; right would be another")
        return overrides

    @model_validator(mode="after")
    def _fits(self) -> "SiteSpec":
        if self.password is not None and self.username is None:
            raise at_field("password", "without username; right would be the partner's account as username")
        _needs_reason(self.privacy, self.privacy_reason)
        return self


class Server(DeclaredObject):
    """`kind: Server`."""

    spec: ServerSpec = Field(description="a mapping")


class Site(DeclaredObject):
    """`kind: Site`. Its name and a dot begin the names of its cameras."""

    name: SiteName = Field(description="a name of its own, without a dot")
    spec: SiteSpec = Field(description="a mapping")


class Camera(DeclaredObject):
    """`kind: Camera`."""

    spec: CameraSpec = Field(description="a mapping")


KINDS: dict[str, type[DeclaredObject]] = {
    "Server": Server,
    "Site": Site,
    "Camera": Camera,
    "MaskSet": MaskSet,
    "Organisation": Organisation,
    "Agent": Agent,
    "Post": Post,
    "Authorisation": Authorisation,
    "Convention": Convention,
    "Opening": Opening,
    "WatchOrder": WatchOrder,
    "Approval": Approval,
    "Incident": Incident,
    "Outlet": Outlet,
    "IdentityProvider": IdentityProvider,
    "RecordingPolicy": RecordingPolicy,
    "Volume": Volume,
    "Requisition": Requisition,
    "Hold": Hold,
}
