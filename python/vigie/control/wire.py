"""Frames on the wire: `["VIGIE1", header, body]`, header and body in msgpack. No I/O, no clock.

Bytes from anybody come in here: whatever they are, the outcome is a message or one of the errors below, and what is
made of them is bounded. Layout and limits: `docs/protocol.md`; examples: `tests/contract/wire_golden.json`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgpack

from vigie.errors import (
    ControlMalformedError,
    ControlTooLargeError,
    ControlVersionError,
    Error,
    make_error,
)

MAGIC = b"VIGIE1"
VERSION = 1
MAX_MESSAGE_BYTES = 1 << 20
MAX_HEADER_BYTES = 4096
MAX_DEPTH = 16
MAX_ITEMS = 16_384  # of one list or mapping
MAX_DEADLINE_MS = 600_000
ID_BYTES = 16
MAX_OP = 64
MAX_NAME = 128

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """A command. `ts_ns`: Unix time when it was given; it is void `deadline_ms` later."""

    id: bytes
    op: str
    ts_ns: int
    deadline_ms: int
    body: Body = field(default_factory=dict, repr=False)
    on_behalf_of: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """`code`: 0, or the number of an error (docs/errors.md). `rev`: of the state when it was made."""

    id: bytes
    ok: bool
    code: int
    text: str
    rev: int
    body: Body = field(default_factory=dict, repr=False)

    def error(self) -> Error:
        """The refusal as an exception."""
        return make_error(self.code, str(self.body.get("where", "")), str(self.body.get("what", self.text)))


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened. `seq` counts per subscription; a hole means that events were lost."""

    seq: int
    epoch: str
    ts_ns: int
    kind: str
    object: str
    body: Body = field(default_factory=dict, repr=False)


class BadMessageError(Exception):
    """A message that cannot be taken. `id`: of the command, where it could be read, else 16 zero bytes."""

    def __init__(self, error: Error, message_id: bytes = bytes(ID_BYTES)) -> None:
        super().__init__(str(error))
        self.error = error
        self.id = message_id


def encode_request(request: Request) -> list[bytes]:
    """Raises: ControlTooLargeError, ControlMalformedError (a body that msgpack cannot hold)."""
    header = {
        "v": VERSION,
        "id": request.id,
        "op": request.op,
        "ts_ns": request.ts_ns,
        "deadline_ms": request.deadline_ms,
    }
    if request.on_behalf_of:
        header["on_behalf_of"] = request.on_behalf_of
    return _frames(header, request.body)


def encode_reply(reply: Reply) -> list[bytes]:
    """Raises: as `encode_request`."""
    header = {
        "v": VERSION,
        "id": reply.id,
        "ok": reply.ok,
        "code": reply.code,
        "text": reply.text[:1000],
        "rev": reply.rev,
    }
    return _frames(header, reply.body)


def encode_event(event: Event) -> list[bytes]:
    """Raises: as `encode_request`."""
    header = {
        "v": VERSION,
        "seq": event.seq,
        "epoch": event.epoch,
        "ts_ns": event.ts_ns,
        "kind": event.kind,
        "object": event.object,
    }
    return _frames(header, event.body)


def decode_request(frames: Sequence[bytes]) -> Request:
    """A command. Raises: BadMessageError."""
    header, body = _parts(frames)
    reader = _Header(header)
    return Request(
        reader.id,
        reader.text("op", MAX_OP),
        reader.number("ts_ns"),
        reader.number("deadline_ms", MAX_DEADLINE_MS),
        _body(body, reader.id),
        reader.text("on_behalf_of", MAX_NAME) if "on_behalf_of" in header else "",
    )


def decode_answer(frames: Sequence[bytes]) -> Reply | Event:
    """What a client receives. Raises: BadMessageError."""
    header, raw = _parts(frames)
    if "seq" in header:
        reader = _Header(header, needs_id=False)
        body = _body(raw, reader.id)
        texts = (reader.text("epoch", MAX_NAME), reader.number("ts_ns"), reader.text("kind"), reader.text("object"))
        return Event(reader.number("seq"), *texts, body)
    reader = _Header(header)
    if not isinstance(header.get("ok"), bool):
        raise reader.bad("ok", header.get("ok"), "true or false")
    numbers = reader.number("code"), reader.text("text"), reader.number("rev")
    return Reply(reader.id, header["ok"], *numbers, _body(raw, reader.id))


def pack(value: Any) -> bytes:
    """msgpack. Raises: ControlMalformedError."""
    try:
        packed: bytes = msgpack.packb(value, use_bin_type=True)
    except (TypeError, ValueError, OverflowError) as error:
        raise ControlMalformedError(f"not a value of msgpack: {type(error).__name__}") from None
    return packed


def unpack(data: bytes, max_depth: int = MAX_DEPTH) -> Any:
    """Plain values: nothing, true, false, numbers, text, bytes, lists, mappings with text as keys.

    Raises: ControlMalformedError, ControlTooLargeError.
    """
    try:
        value = msgpack.unpackb(
            data, raw=False, strict_map_key=True, max_array_len=MAX_ITEMS, max_map_len=MAX_ITEMS, max_ext_len=0
        )
    except msgpack.exceptions.StackError:
        raise ControlTooLargeError(f"nested deeper than {max_depth} levels") from None
    except (ValueError, TypeError, RecursionError, msgpack.exceptions.UnpackException) as error:
        if "max_" in str(error):
            raise ControlTooLargeError(f"a list or mapping with more than {MAX_ITEMS} items, or an extension") from None
        raise ControlMalformedError(f"not well-formed msgpack: {type(error).__name__}") from None
    _check(value, max_depth)
    return value


def _check(value: Any, max_depth: int) -> None:
    level = [value]
    for depth in range(max_depth + 1):
        children: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                if not all(isinstance(key, str) for key in item):
                    raise ControlMalformedError("a mapping with a key that is not text")
                children.extend(item.values())
            elif isinstance(item, list):
                children.extend(item)
            elif not (item is None or isinstance(item, (bool, int, float, str, bytes))):
                raise ControlMalformedError("an extension type of msgpack; right would be a plain value")
            if depth == max_depth and isinstance(item, (dict, list)):
                raise ControlTooLargeError(f"nested deeper than {max_depth} levels")
        level = children
        if not level:
            return


def _frames(header: Mapping[str, Any], body: Body) -> list[bytes]:
    frames = [MAGIC, pack(header), pack(dict(body))]
    if (size := sum(map(len, frames))) > MAX_MESSAGE_BYTES:
        raise ControlTooLargeError(f"a message of {size} bytes; the limit is {MAX_MESSAGE_BYTES}")
    return frames


def _parts(frames: Sequence[bytes]) -> tuple[dict[str, Any], bytes]:
    """The header, and the body's bytes. Raises: BadMessageError."""
    if (size := sum(map(len, frames))) > MAX_MESSAGE_BYTES:
        what = f"a message of {size} bytes; the limit is {MAX_MESSAGE_BYTES}, larger applies are staged"
        raise BadMessageError(ControlTooLargeError(what))
    if frames and frames[0][:5] == MAGIC[:5] and frames[0] != MAGIC:
        raise BadMessageError(ControlVersionError(f"the first frame is {frames[0][:16]!r}; right would be {MAGIC!r}"))
    if len(frames) != 3 or frames[0] != MAGIC:
        raise BadMessageError(ControlMalformedError(f"{len(frames)} frames; right would be {MAGIC!r}, header, body"))
    if len(frames[1]) > MAX_HEADER_BYTES:
        raise BadMessageError(ControlTooLargeError(f"a header of more than {MAX_HEADER_BYTES} bytes"))
    try:
        header = unpack(frames[1])
    except Error as error:
        raise BadMessageError(type(error)(f"header: {error.what}")) from None
    if not isinstance(header, dict):
        raise BadMessageError(ControlMalformedError("the header is not a mapping"))
    return header, frames[2]


def _body(data: bytes, message_id: bytes) -> Body:
    try:
        body = unpack(data)
    except Error as error:
        raise BadMessageError(type(error)(f"body: {error.what}"), message_id) from None
    if not isinstance(body, dict):
        raise BadMessageError(ControlMalformedError("the body is not a mapping"), message_id)
    return body


class _Header:
    """Reads fields of a header; unknown keys are not looked at."""

    def __init__(self, header: Mapping[str, Any], needs_id: bool = True) -> None:
        self._header = header
        given = header.get("id")
        known = isinstance(given, bytes) and len(given) == ID_BYTES
        self.id = given if isinstance(given, bytes) and known else bytes(ID_BYTES)
        version = header.get("v")
        if version is True or version != VERSION:
            what = f"v is {str(version)[:16]}; right would be {VERSION}"
            raise BadMessageError(ControlVersionError(what), self.id)
        if needs_id and not known:
            raise self.bad("id", given, f"{ID_BYTES} bytes")

    def bad(self, key: str, value: Any, right: str) -> BadMessageError:
        """The error of one field."""
        found = "is missing" if value is None else f"is {type(value).__name__} {str(value)[:32]!r}"
        return BadMessageError(ControlMalformedError(f"header: {key} {found}; right would be {right}"), self.id)

    def text(self, key: str, most: int = 1024) -> str:
        """A text."""
        value = self._header.get(key)
        if not isinstance(value, str) or len(value) > most:
            raise self.bad(key, value, f"text of at most {most} characters")
        return value

    def number(self, key: str, most: int = 2**63 - 1) -> int:
        """A whole number from 0."""
        value = self._header.get(key)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
            raise self.bad(key, value, f"a whole number from 0 to {most}")
        return value
