"""The golden messages mean what they say, in both directions."""

import json
from pathlib import Path
from typing import Any

import pytest

from vigie.control import wire
from vigie.control.wire import BadMessageError, Event, Reply, Request

CASES = json.loads((Path(__file__).parent / "wire_golden.json").read_text(encoding="utf-8"))["cases"]


def message(case: dict[str, Any]) -> Request | Reply | Event:
    header = {key: value for key, value in case["header"].items() if key != "v"}
    if "id" in header:
        header["id"] = bytes.fromhex(header["id"])
    kind = {"request": Request, "reply": Reply, "event": Event}[case["is"]]
    made: Request | Reply | Event = kind(**header, body=case["body"])
    return made


def frames(case: dict[str, Any]) -> list[bytes]:
    return [bytes.fromhex(frame) for frame in case["frames"]]


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_golden(case: dict[str, Any]) -> None:
    if case["is"] == "refused":
        with pytest.raises(BadMessageError) as bad:
            wire.decode_request(frames(case))
        assert bad.value.error.code == case["code"]
        return
    decode = wire.decode_request if case["is"] == "request" else wire.decode_answer
    assert decode(frames(case)) == message(case)
    encode = {"request": wire.encode_request, "reply": wire.encode_reply, "event": wire.encode_event}[case["is"]]
    assert encode(message(case)) == frames(case)  # type: ignore[operator]
