"""Messages between the control process and the engine process, on a socket of the state folder. No I/O.

Four frames: `VIGIE-ENGINE1`, a header and a body in msgpack, and a blob (a snapshot, figures) as it is. Both ends are
of one user and one version; whatever else comes is dropped.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from vigie.control.wire import Body, pack, unpack
from vigie.errors import ControlMalformedError, Error, make_error
from vigie.events import Event

MAGIC = b"VIGIE-ENGINE1"
# Of what is asked and answered: processes of different ones do not speak with each other.
VERSION = 1
MAX_FRAME_BYTES = 128 << 20
EVENTS_AT_ONCE = 500
# An empty answer to a request for events comes after so long: it says that the engine is there.
EVENTS_WAIT_S = 1.0


@dataclass(frozen=True, slots=True)
class Ask:
    """What control wants. `session`: of the attachment that it believes in; the engine refuses any other."""

    id: int
    op: str
    session: str = ""
    body: Body = field(default_factory=dict, repr=False)
    blob: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of it. `code`: 0, or an error's, with its `where` and `what`."""

    id: int
    code: int = 0
    where: str = ""
    what: str = ""
    body: Body = field(default_factory=dict, repr=False)
    blob: bytes = field(default=b"", repr=False)

    def error(self) -> Error:
        """The refusal as an exception."""
        return make_error(self.code, self.where, self.what)


def encode_ask(ask: Ask) -> list[bytes]:
    """As frames."""
    header = {"id": ask.id, "op": ask.op, "session": ask.session}
    return [MAGIC, pack(header), pack(dict(ask.body)), ask.blob]


def encode_answer(answer: Answer) -> list[bytes]:
    """As frames."""
    header = {"id": answer.id, "code": answer.code, "where": answer.where, "what": answer.what}
    return [MAGIC, pack(header), pack(dict(answer.body)), answer.blob]


def decode_ask(frames: Sequence[bytes]) -> Ask:
    """Raises: ControlMalformedError, ControlTooLargeError."""
    header, body, blob = _parts(frames)
    return Ask(_of(header, "id", int), _of(header, "op", str), _of(header, "session", str), body, blob)


def decode_answer(frames: Sequence[bytes]) -> Answer:
    """Raises: as `decode_ask`."""
    header, body, blob = _parts(frames)
    texts = _of(header, "where", str), _of(header, "what", str)
    return Answer(_of(header, "id", int), _of(header, "code", int), *texts, body, blob)


def event_values(event: Event) -> list[Any]:
    """An event as plain values."""
    return [getattr(event, name) for name in Event.__dataclass_fields__]


def _parts(frames: Sequence[bytes]) -> tuple[dict[str, Any], Body, bytes]:
    if len(frames) != 4 or frames[0] != MAGIC:
        raise ControlMalformedError(f"{len(frames)} frames; right would be {MAGIC!r}, header, body, blob")
    header, body = unpack(frames[1]), unpack(frames[2])
    if not isinstance(header, dict) or not isinstance(body, dict):
        raise ControlMalformedError("header or body is not a mapping")
    return header, body, frames[3]


def _of(header: dict[str, Any], key: str, kind: type[Any]) -> Any:
    value = header.get(key)
    if type(value) is not kind:
        raise ControlMalformedError(f"header: {key} is {type(value).__name__}; right would be {kind.__name__}")
    return value
