"""Frames: limits, errors, and that no bytes whatever make anything but a message or a coded error."""

from collections.abc import Callable, Sequence
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vigie.control import wire
from vigie.control.wire import BadMessageError, Event, Reply, Request
from vigie.errors import (
    ControlMalformedError,
    ControlTooLargeError,
    ControlVersionError,
    Error,
)

ID = bytes(range(16))
HEADER: dict[str, Any] = {"v": 1, "id": ID, "op": "ping", "ts_ns": 5, "deadline_ms": 1000}


def frames(body: Any = None, raw: bytes | None = None, **header: Any) -> list[bytes]:
    merged = {key: value for key, value in {**HEADER, **header}.items() if value is not ...}
    return [b"VIGIE1", msgpack.packb(merged), msgpack.packb({} if body is None else body) if raw is None else raw]


def nested(depth: int) -> Any:
    """A body with so many levels, itself included."""
    value: Any = 1
    for _ in range(depth - 1):
        value = [value]
    return {"x": value}


def test_unknown_keys_are_ignored() -> None:
    request = wire.decode_request(frames({"y": 1}, later="thing", on_behalf_of="jeanne"))
    assert request == Request(ID, "ping", 5, 1000, {"y": 1}, "jeanne")


BAD: list[tuple[str, Sequence[bytes], type[Error]]] = [
    ("no frames", [], ControlMalformedError),
    ("two frames", frames()[:2], ControlMalformedError),
    ("four frames", [*frames(), b""], ControlMalformedError),
    ("other magic", [b"HELLO", *frames()[1:]], ControlMalformedError),
    ("newer magic", [b"VIGIE2", *frames()[1:]], ControlVersionError),
    ("unknown v", frames(v=2), ControlVersionError),
    ("v is true", frames(v=True), ControlVersionError),
    ("no v", frames(v=...), ControlVersionError),
    ("no id", frames(id=...), ControlMalformedError),
    ("short id", frames(id=b"1"), ControlMalformedError),
    ("id is text", frames(id="0123456789abcdef"), ControlMalformedError),
    ("op is a number", frames(op=7), ControlMalformedError),
    ("long op", frames(op="x" * 65), ControlMalformedError),
    ("negative time", frames(ts_ns=-1), ControlMalformedError),
    ("deadline is true", frames(deadline_ms=True), ControlMalformedError),
    ("deadline too far", frames(deadline_ms=600_001), ControlMalformedError),
    ("header is a list", [b"VIGIE1", msgpack.packb([1]), b"\x80"], ControlMalformedError),
    ("header is no msgpack", [b"VIGIE1", b"\xc1", b"\x80"], ControlMalformedError),
    ("header is too long", frames(padding="x" * 5000), ControlTooLargeError),
    ("body is a list", frames([1]), ControlMalformedError),
    ("body is cut", frames(raw=b"\x81\xa1"), ControlMalformedError),
    ("body and more", frames(raw=b"\x80\x80"), ControlMalformedError),
    ("body is empty", frames(raw=b""), ControlMalformedError),
    ("not UTF-8", frames(raw=b"\x81\xa1x\xa1\xff"), ControlMalformedError),
    ("a number as key", frames(raw=b"\x81\x01\x01"), ControlMalformedError),
    ("bytes as key", frames(raw=b"\x81\xc4\x01x\x01"), ControlMalformedError),
    ("an extension", frames(raw=b"\x81\xa1x" + msgpack.packb(msgpack.ExtType(5, b"x"))), ControlTooLargeError),
    ("a timestamp", frames(raw=b"\x81\xa1x" + msgpack.packb(msgpack.Timestamp(1, 0))), ControlTooLargeError),
    ("too deep", frames(nested(17)), ControlTooLargeError),
    ("far too deep", frames(raw=b"\x91" * 100_000 + b"\x01"), ControlTooLargeError),
    ("too many", frames({"x": [0] * 16_385}), ControlTooLargeError),
    ("promises too much", frames(raw=b"\xdd\xff\xff\xff\xff"), ControlTooLargeError),
    ("too large", frames({"x": "y" * (1 << 20)}), ControlTooLargeError),
]


@pytest.mark.parametrize(("name", "given_frames", "error"), BAD, ids=[name for name, *_ in BAD])
def test_every_bad_message_is_a_coded_error(name: str, given_frames: Sequence[bytes], error: type[Error]) -> None:
    with pytest.raises(BadMessageError) as bad:
        wire.decode_request(given_frames)
    assert type(bad.value.error) is error, name


def test_the_limits_are_those_that_are_said() -> None:
    assert wire.decode_request(frames(nested(16))).body == nested(16)
    assert len(wire.decode_request(frames({"x": [0] * 16_384})).body["x"]) == 16_384
    room = (1 << 20) - sum(map(len, frames({"x": "y" * 70_000}))) + 70_000
    assert wire.decode_request(frames({"x": "y" * room}))
    with pytest.raises(BadMessageError):
        wire.decode_request(frames({"x": "y" * (room + 1)}))


def test_an_error_says_which_command() -> None:
    with pytest.raises(BadMessageError) as bad:
        wire.decode_request(frames(nested(17)))
    assert bad.value.id == ID
    with pytest.raises(BadMessageError) as bad:
        wire.decode_request(frames(id=b"1"))
    assert bad.value.id == bytes(16)


@pytest.mark.parametrize("body", [{"x": object()}, {"x": 2**70}, {"x": "\ud800"}, {"x": "y" * (1 << 20)}])
def test_what_cannot_be_sent_is_said_before(body: Any) -> None:
    with pytest.raises((ControlMalformedError, ControlTooLargeError)):
        wire.encode_request(Request(ID, "ping", 1, 1, body))


def outcome(decode: Callable[[Sequence[bytes]], Any], given_frames: Sequence[bytes]) -> Any:
    try:
        return decode(given_frames)
    except BadMessageError as bad:
        return bad


leaves = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text() | st.binary() | st.floats()
values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4))
bodies = st.dictionaries(st.text(), values, max_size=4)
numbers = st.integers(0, 2**63 - 1)


@given(st.binary(min_size=16, max_size=16), st.text(max_size=64), numbers, st.integers(0, 600_000), bodies)
def test_requests_come_back(message_id: bytes, op: str, ts_ns: int, deadline_ms: int, body: dict[str, Any]) -> None:
    request = Request(message_id, op, ts_ns, deadline_ms, body)
    try:
        encoded = wire.encode_request(request)
    except ControlMalformedError:  # lone surrogates
        return
    again = outcome(wire.decode_request, encoded)
    if isinstance(again, BadMessageError):
        assert isinstance(again.error, ControlTooLargeError)  # deeper than allowed
        return
    assert repr(again) == repr(request)
    assert repr(again.body) == repr(request.body)


@given(st.binary(min_size=16, max_size=16), st.booleans(), numbers, st.text(max_size=500), numbers)
def test_answers_come_back(message_id: bytes, ok: bool, code: int, text: str, rev: int) -> None:
    try:
        reply = Reply(message_id, ok, code, text, rev, {"a": 1})
        assert wire.decode_answer(wire.encode_reply(reply)) == reply
        event = Event(rev, text[:100], code, text, text, {"b": [2]})
        assert wire.decode_answer(wire.encode_event(event)) == event
    except ControlMalformedError:
        assert any(0xD800 <= ord(letter) <= 0xDFFF for letter in text)


def decodes_or_says_why(given_frames: Sequence[bytes]) -> None:
    for decode in (wire.decode_request, wire.decode_answer):
        came = outcome(decode, given_frames)
        if isinstance(came, BadMessageError):
            assert came.error.code in (901, 902, 903)
            assert len(came.id) == 16


@settings(max_examples=400)
@given(st.lists(st.binary(max_size=200), max_size=5))
def test_fuzz_any_frames(given_frames: list[bytes]) -> None:
    decodes_or_says_why(given_frames)


@settings(max_examples=400)
@given(st.binary(max_size=300), st.binary(max_size=300))
def test_fuzz_any_header_and_body(header: bytes, body: bytes) -> None:
    decodes_or_says_why([b"VIGIE1", header, body])


@settings(max_examples=400)
@given(bodies, st.integers(0, 10_000), st.integers(0, 255), st.booleans())
def test_fuzz_one_wrong_byte(body: dict[str, Any], at: int, value: int, cut: bool) -> None:
    try:
        good = wire.encode_request(Request(ID, "objects.apply", 1, 1, body))
    except ControlMalformedError:
        return
    which = 1 + at % 2
    part = bytearray(good[which])
    if cut:
        del part[at % len(part) :]
    else:
        part[at % len(part)] = value
    good[which] = bytes(part)
    decodes_or_says_why(good)


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from(["v", "id", "op", "ts_ns", "deadline_ms", "seq", "ok", "text"]), values), bodies)
def test_fuzz_headers_of_other_types(header: dict[str, Any], body: dict[str, Any]) -> None:
    for version in (header.get("v"), 1):
        try:
            packed = wire.pack({**header, "v": version}), wire.pack(body)
        except ControlMalformedError:
            return
        decodes_or_says_why([b"VIGIE1", *packed])
