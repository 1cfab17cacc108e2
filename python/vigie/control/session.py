"""What every client has in common, without I/O: commands and their retries, and whether events are whole."""

import hashlib
import json
import os
import secrets
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import zmq

from vigie.control import desk_ops, ops, wire
from vigie.control.wire import Event, Request
from vigie.errors import ControlTooLargeError, ControlUnavailableError, InvalidArgumentError, PolicyFieldError
from vigie.policy import ConfigurationError, Problem

T = TypeVar("T")
M = TypeVar("M", bound=ops.Message)
Steps = Generator[tuple[str, wire.Body], wire.Reply, T]
"""What a call asks, one operation after another, each as soon as the one before is answered; then its result."""

RETRY_S = 1.0
SILENT_BEATS = 3
_GRACE_S = 1.0
_STAGE_FROM = 900_000
_PART = 900_000


@dataclass(frozen=True)
class ClientKeys:
    """What a client on `tcp://` needs. `load_keys` reads it from the file that `vigie keys add` wrote."""

    public_key: str
    secret_key: str = field(repr=False)
    server_key: str = ""


def load_keys(path: str | os.PathLike[str]) -> ClientKeys:
    """Raises: InvalidArgumentError."""
    try:
        given = json.loads(Path(path).read_text(encoding="utf-8"))
        return ClientKeys(given["public_key"], given["secret_key"], given["server_key"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        what = f"not a client's key file ({type(error).__name__}); right would be what `vigie keys add` wrote"
        raise InvalidArgumentError(what, str(path)) from None


def prepare(socket: Any, endpoint: str, keys: ClientKeys | None) -> None:
    """Options of a client's DEALER socket, and the connection. Raises: InvalidArgumentError."""
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.IMMEDIATE, 1)  # nothing is queued for a service that is not there: it is asked again instead
    socket.setsockopt(zmq.RECONNECT_IVL, 50)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, 1000)
    socket.setsockopt(zmq.HEARTBEAT_IVL, 5000)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 15000)
    socket.setsockopt(zmq.MAXMSGSIZE, 2 * wire.MAX_MESSAGE_BYTES)
    try:
        if keys is not None:
            socket.curve_publickey = keys.public_key.encode()
            socket.curve_secretkey = keys.secret_key.encode()
            socket.curve_serverkey = keys.server_key.encode()
        elif not endpoint.startswith("ipc://"):
            raise InvalidArgumentError("without keys; right would be the file that `vigie keys add` wrote", endpoint)
        socket.connect(endpoint)
    except (zmq.ZMQError, ValueError) as error:
        raise InvalidArgumentError(f"cannot be used: {error}", endpoint) from None


@dataclass
class Command:
    """One command, and when it is to be sent again. Seconds: monotonic."""

    request: Request
    frames: list[bytes]
    until_s: float
    wait_s: float = RETRY_S
    sent: bool = False

    @classmethod
    def make(cls, op: str, body: wire.Body, timeout_s: float, on_behalf_of: str = "") -> "Command":
        """A new command, good for so long. Raises: ControlTooLargeError."""
        deadline_ms = min(wire.MAX_DEADLINE_MS, max(1, round(timeout_s * 1000)))
        request = Request(secrets.token_bytes(16), op, time.time_ns(), deadline_ms, body, on_behalf_of)
        return cls(request, wire.encode_request(request), time.monotonic() + deadline_ms / 1000)

    def left_s(self) -> float:
        """For how long an answer is waited for: a little longer than it is good for, as it may come late."""
        return self.until_s - time.monotonic() + (_GRACE_S if self.sent else 0.0)

    def next_wait_s(self) -> float:
        """It was sent: how long to wait before it is sent again."""
        self.sent = True
        wait, self.wait_s = self.wait_s, 2 * self.wait_s
        return wait

    def unanswered(self, endpoint: str) -> ControlUnavailableError:
        """The error when its time is over."""
        what = f"no answer within {self.request.deadline_ms / 1000:g} s: nobody serves there, or this key is not taken"
        return ControlUnavailableError(what, endpoint)


def accepted(reply: wire.Reply) -> wire.Reply:
    """The reply, or its refusal as an exception: ConfigurationError with every mistake, or the error of its code."""
    if reply.ok:
        return reply
    problems = reply.body.get("problems")
    if reply.code == PolicyFieldError.code and isinstance(problems, list) and problems:
        raise ConfigurationError(Problem(**item) for item in problems)
    raise reply.error()


@dataclass(frozen=True)
class State:
    """All that the client may know of, at one moment. What follows it are the events after that moment."""

    items: Sequence[ops.StateItem]
    rev: int
    epoch: str


@dataclass
class Following:
    """Whether the events that come are whole. `begin` after each subscription, `from_page` with the first page."""

    epoch: str = ""
    last: int = 0
    heartbeat_s: float = 1.0

    def begin(self, subscribed: ops.Subscribed) -> None:
        """A new subscription."""
        self.epoch, self.last = subscribed.epoch, subscribed.seq
        self.heartbeat_s = subscribed.heartbeat_ms / 1000

    def from_page(self, page: ops.StatePage) -> None:
        """The first page of the state: events up to its `seq` are in it."""
        self.last = max(self.last, page.seq)

    def judge(self, event: Event) -> Literal["deliver", "skip", "ask again"]:
        """What to do with an event."""
        if event.epoch != self.epoch:
            return "ask again"
        if event.kind == "heartbeat":
            return "ask again" if event.seq > self.last else "skip"
        if event.seq <= self.last:
            return "skip"
        if event.seq > self.last + 1:
            return "ask again"
        self.last = event.seq
        return "deliver"

    @property
    def silence_s(self) -> float:
        """Without even a heartbeat for so long: the service has forgotten the subscription."""
        return SILENT_BEATS * self.heartbeat_s


@dataclass(frozen=True)
class Staging:
    """A large apply in parts."""

    parts: Sequence[ops.ObjectsStage]
    commit: ops.ObjectsCommit


def staging(body: wire.Body) -> Staging | None:
    """How to send an apply that is too large for one message; None where it is not. Raises: ControlTooLargeError."""
    data = wire.pack(dict(body))
    if len(data) <= _STAGE_FROM:
        return None
    if len(data) > ops.MAX_STAGE_BYTES:
        raise ControlTooLargeError(f"an apply of {len(data)} bytes; the limit is {ops.MAX_STAGE_BYTES}")
    stage = secrets.token_bytes(16)
    cuts = [data[at : at + _PART] for at in range(0, len(data), _PART)]
    parts = [ops.ObjectsStage(stage=stage, part=number, data=part) for number, part in enumerate(cuts)]
    return Staging(parts, ops.ObjectsCommit(stage=stage, parts=len(parts), sha256=hashlib.sha256(data).digest()))


def asking(op: str, wanted: ops.Message, answer: type[M]) -> Steps[M]:
    """One operation."""
    reply = yield op, wanted.model_dump()
    return answer.model_validate(reply.body)


def applying(
    yaml: Sequence[ops.YamlSource],
    objects: Sequence[Mapping[str, Any]],
    folder: str,
    expect_rev: int | None,
    prune: bool,
    dry_run: bool,
) -> Steps[ops.Applied]:
    """An apply, in parts where it is too large for one message."""
    wanted = ops.ObjectsApply(
        yaml=list(yaml), objects=list(objects), folder=folder, expect_rev=expect_rev, prune=prune, dry_run=dry_run
    )
    if (staged := staging(wanted.model_dump())) is None:
        return (yield from asking("objects.apply", wanted, ops.Applied))
    for part in staged.parts:
        yield from asking("objects.stage", part, ops.Staged)
    return (yield from asking("objects.commit", staged.commit, ops.Applied))


def deleting(names: Sequence[tuple[str, str]], expect_rev: int | None, dry_run: bool) -> Steps[ops.Applied]:
    """The deletion of objects by kind and name."""
    objects = [ops.ObjectName(kind=kind, name=name) for kind, name in names]
    wanted = ops.ObjectsDelete(objects=objects, expect_rev=expect_rev, dry_run=dry_run)
    return (yield from asking("objects.delete", wanted, ops.Applied))


def listing(op: str, wanted: ops.Message, answer: type[M], items: str) -> Steps[list[Any]]:
    """All of a list that comes in pages; `items`: the field of a page that holds them."""
    found: list[Any] = []
    while True:
        page: Any = yield from asking(op, wanted, answer)
        found += getattr(page, items)
        if not page.next:
            return found
        wanted = wanted.model_copy(update={"after": page.next})


def acknowledging(ids: Sequence[str], note: str) -> Steps[list[desk_ops.AlarmOut]]:
    """The acknowledgement of alarms by their ids."""
    wanted = desk_ops.AlarmAck(ids=list(ids), note=note)
    reply = yield from asking("alarm.ack", wanted, desk_ops.AlarmsAcknowledged)
    return reply.alarms


def reading_state(kinds: Sequence[str], following: Following | None) -> Steps[State]:
    """All that the client may know of, page by page; its first page tells `following` where events go on."""
    items: list[ops.StateItem] = []
    after, rev, epoch = "", 0, ""
    while True:
        reply = yield "state.get", ops.StateGet(after=after, kinds=list(kinds)).model_dump()
        page = ops.StatePage.model_validate(reply.body)
        if not after:
            rev, epoch = reply.rev, page.epoch
            if following is not None:
                following.from_page(page)
        items += page.items
        if not page.next:
            return State(items, rev, epoch)
        after = page.next
