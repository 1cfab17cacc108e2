"""Every operation of the wire: name, who may, whether it is journaled, what it takes and gives.

`OPS` is the one list: the service serves exactly these, a test walks it, and `docs/protocol.md` is tested against it.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from vigie.control import desk_ops
from vigie.control.op import Message as Message
from vigie.control.op import Nothing as Nothing
from vigie.control.op import Op as Op
from vigie.control.op import Page, Text

# What one reply carries at most, before its headers: the rest comes with the next page.
MAX_PAGE_BYTES = 600_000
MAX_STAGE_PARTS = 64
MAX_STAGE_BYTES = 32 << 20
MAX_PART_BYTES = 1_000_000

StageId = Annotated[bytes, Field(min_length=16, max_length=16)]


class Pong(Message):
    """`agent`: as whom the service knows the client. `time_ns`: its clock."""

    epoch: str
    time_ns: int
    version: str
    agent: str


class StateGet(Message):
    """`after`: the `next` of the page before. `kinds`: none means all."""

    after: Text = ""
    limit: Page = 200
    kinds: list[Text] = []


class StateItem(Message):
    """An object: the revision that changed it last, and, of a camera, its streams' states."""

    kind: str
    name: str
    rev: int
    streams: dict[str, str] = {}


class StatePage(Message):
    """`seq`: of the subscription when the page was made; events up to it are in the page. `next` "": the last page."""

    items: list[StateItem]
    next: str
    seq: int
    epoch: str


class YamlSource(Message):
    """A YAML text. `file`: how errors name it; `folder`: where its relative paths start, on the service's machine."""

    text: str
    file: Text = "yaml"
    folder: Text = "/"


class ObjectsApply(Message):
    """YAML texts, objects as values, or both: one revision, or none where nothing changes."""

    yaml: list[YamlSource] = []
    objects: list[Any] = []
    folder: Text = "/"
    expect_rev: int | None = None
    prune: bool = False
    dry_run: bool = False


class FieldChanged(Message):
    """A field by its path; its values as JSON text, nil where it is not there."""

    path: str
    before: str | None
    after: str | None


class ObjectChanged(Message):
    """An object."""

    action: Literal["created", "changed", "deleted"]
    kind: str
    name: str
    fields: list[FieldChanged]


class Applied(Message):
    """`changes`: the first of `total`. `left`: objects of others that were not touched.

    `again`: it was done before, when this command came the first time; `changes` have no fields then.
    """

    rev: int
    changes: list[ObjectChanged]
    total: int
    warnings: list[str]
    left: list[str]
    again: bool
    dry_run: bool


class ObjectsStage(Message):
    """One part of the packed body of an `objects.apply` that is larger than a message."""

    stage: StageId
    part: int = Field(ge=0, lt=MAX_STAGE_PARTS)
    data: bytes = Field(max_length=MAX_PART_BYTES)


class Staged(Message):
    """What is there of the stage."""

    parts: int
    bytes: int


class ObjectsCommit(Message):
    """Applies what was staged. `sha256`: of all parts together."""

    stage: StageId
    parts: int = Field(ge=1, le=MAX_STAGE_PARTS)
    sha256: bytes = Field(min_length=32, max_length=32)


class ObjectsGet(Message):
    """`name` may be a pattern with * and ?. `fields`: path -> value as text, such as {"spec.commune": "57463"}."""

    kind: Text = ""
    name: Text = ""
    labels: dict[str, str] = {}
    fields: dict[str, str] = {}
    after: Text = ""
    limit: Page = 200


class Object(Message):
    """An object as it was applied: `body` is what a document of YAML holds. Secrets are references."""

    kind: str
    name: str
    rev: int
    owner: str
    body: dict[str, Any]


class ObjectsPage(Message):
    """`next` "": the last page."""

    objects: list[Object]
    next: str


class ObjectName(Message):
    """Which object."""

    kind: Text
    name: Text


class ObjectsDelete(Message):
    """All of them, or none."""

    objects: list[ObjectName] = Field(min_length=1)
    expect_rev: int | None = None
    dry_run: bool = False


class ObjectsRollback(Message):
    """`removal_reason`: who agreed, and why, where something would be shown that is hidden now."""

    to_rev: int = Field(ge=0)
    removal_reason: Text = ""
    expect_rev: int | None = None
    dry_run: bool = False


class ObjectsHistory(Message):
    """`before`: only older revisions."""

    kind: Text = ""
    name: Text = ""
    before: int | None = None
    limit: Page = 50


class RevisionOut(Message):
    """`changes`: the first 100 of `total`."""

    rev: int
    ts_ns: int
    client: str
    on_behalf_of: str
    reason: str
    changes: list[ObjectChanged]
    total: int


class HistoryPage(Message):
    """The newest first. `next` 0: the last page; else the `before` of the next one."""

    revisions: list[RevisionOut]
    next: int


class ObjectsWait(Message):
    """Until the state has reached `rev`, or a camera's stream a state: until the command's deadline."""

    rev: int | None = None
    camera: Text = ""
    stream: Text = ""
    state: Text = "playing"


class Waited(Message):
    """What was reached."""

    rev: int
    state: str


class MaskList(Message):
    """`camera` "": all that may be known."""

    camera: Text = ""
    after: Text = ""
    limit: Page = 200


class MaskOut(Message):
    """A mask set in force. `revision`: as the pictures carry it."""

    camera: str
    version: str
    name: str
    revision: int
    regions: int
    reason: str


class MaskPage(Message):
    """`next` "": the last page."""

    masks: list[MaskOut]
    next: str


class CameraSnapshot(Message):
    """`stream` "": the first."""

    camera: Text
    stream: Text = ""
    timeout_ms: int = Field(5000, ge=0, le=60_000)


class Still(Message):
    """One masked picture, as docs/embedding.md says of Snapshot."""

    jpeg: bytes
    width: int
    height: int
    capture_time_ns: int
    arrival_time_ns: int
    error_bound_ns: int | None
    clock_quality: str
    privacy: str
    privacy_reason: str
    policy_revision: int
    mask_revision: int
    version_revision: int


class RouteOpen(Message):
    """`camera`: its name, or `camera@version`. `stream` "": the first. `purpose` "": the default one.

    `post`: where the viewer sits. `ttl_ms`: for how long a player may begin.
    """

    camera: Text
    stream: Text = ""
    purpose: Text = ""
    post: Text = ""
    ttl_ms: int = Field(30_000, ge=1000, le=300_000)


class RouteOpened(Message):
    """`urls`: for RTSP players, one for each listener of the server, with the ticket in it; `url`: the first.

    `camera`: as the engine calls it, which names the version where further masks make one. `until_ns`: when the right
    ends, as far as is known now; nil: no end is known. `why`: what it rests on.
    """

    route: str
    url: str
    urls: list[str]
    ticket: str
    camera: str
    stream: str
    agent: str
    purpose: str
    convention: str
    open_by_ns: int
    until_ns: int | None
    why: str


class RouteClose(Message):
    """A route of one's own; administrators close any."""

    route: Text


class RouteList(Message):
    """`camera` "": all."""

    camera: Text = ""
    after: Text = ""
    limit: Page = 200


class RouteOut(Message):
    """`agent` and `purpose` are "" in routes of others: nobody but their organisation may be known (L-24)."""

    route: str
    camera: str
    stream: str
    agent: str
    organisation: str
    purpose: str
    opened_ns: int
    until_ns: int | None
    watching: bool


class RoutePage(Message):
    """`next` "": the last page."""

    routes: list[RouteOut]
    next: str


class CameraList(Message):
    """One's cameras. `number` 0: any. `text`: stands in name, title or a label's value, whatever the letters' case."""

    number: int = Field(default=0, ge=0)
    commune: Text = ""
    text: Text = ""
    after: Text = ""
    limit: Page = 200


class CameraOut(Message):
    """`place`: the label of that name. `live`: under which names it may be seen now. `streams`: their states."""

    name: str
    number: int
    title: str
    commune: str
    place: str
    owner: str
    live: list[str]
    streams: dict[str, str]


class CameraPage(Message):
    """By number, then by name. `next` "": the last page."""

    cameras: list[CameraOut]
    next: str


class StatsGet(Message):
    """Cameras in pages."""

    after: Text = ""
    limit: Page = 100


class Stats(Message):
    """As docs/statistics.md says, without viewers (they are persons); `service`: the counters of the service itself."""

    engine: dict[str, Any]
    cameras: dict[str, Any]
    service: dict[str, int]
    next: str


class Subscribe(Message):
    """`kinds`: of events; none means all. One subscription a client: again replaces it."""

    kinds: list[Text] = []


class Subscribed(Message):
    """`seq`: of the last event before."""

    seq: int
    epoch: str
    heartbeat_ms: int


_TABLE = (
    Op("ping", "everybody", False, False, Nothing, Pong, "is it there, and who am I"),
    Op(
        "state.get",
        "agents",
        False,
        False,
        StateGet,
        StatePage,
        "objects and streams, for a client that follows events",
    ),
    Op("events.subscribe", "agents", False, False, Subscribe, Subscribed, "events from now on"),
    Op("events.unsubscribe", "agents", False, False, Nothing, Nothing, "no more"),
    Op("objects.apply", "administrators", True, True, ObjectsApply, Applied, "makes objects so"),
    Op("objects.stage", "administrators", False, False, ObjectsStage, Staged, "a part of a large apply"),
    Op("objects.commit", "administrators", True, True, ObjectsCommit, Applied, "applies what was staged"),
    Op("objects.get", "agents", False, False, ObjectsGet, ObjectsPage, "objects as they were applied"),
    Op("objects.delete", "administrators", True, True, ObjectsDelete, Applied, "deletes objects"),
    Op("objects.rollback", "administrators", True, True, ObjectsRollback, Applied, "own objects as they were"),
    Op("objects.history", "administrators", False, False, ObjectsHistory, HistoryPage, "who changed what, when"),
    Op("objects.wait", "agents", False, False, ObjectsWait, Waited, "until a revision or a stream is there"),
    Op("mask.list", "agents", False, False, MaskList, MaskPage, "mask sets in force"),
    Op("camera.snapshot", "agents", True, False, CameraSnapshot, Still, "a still of a camera"),
    Op("camera.list", "agents", False, False, CameraList, CameraPage, "which cameras are mine"),
    Op("route.open", "agents", True, True, RouteOpen, RouteOpened, "a URL to watch a camera by"),
    Op("route.close", "agents", True, True, RouteClose, Nothing, "ends a route, and whoever watches by it"),
    Op("route.list", "agents", False, False, RouteList, RoutePage, "routes that are open"),
    Op("stats.get", "administrators", False, False, StatsGet, Stats, "figures"),
)
OPS: dict[str, Op] = {op.name: op for op in (*_TABLE, *desk_ops.TABLE)}
