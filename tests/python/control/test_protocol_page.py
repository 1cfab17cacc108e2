"""docs/protocol.md says what the code does: operations, error codes, limits."""

import re
from pathlib import Path

import gen_protocol
from vigie.control import ops, wire
from vigie.control.targets import OF_ALARM, OF_INCIDENT, OF_OBJECT, OF_STREAM
from vigie.errors import BY_CODE

PAGE = (Path(__file__).parents[3] / "docs" / "protocol.md").read_text(encoding="utf-8")
WORDS = " ".join(PAGE.split())


def test_the_operations_are_those_of_the_code() -> None:
    assert gen_protocol.current(PAGE) == PAGE, "not current: run tools/gen_protocol.py"
    for name in ops.OPS:
        assert f"**`{name}`**" in PAGE


def test_every_error_of_the_page_exists() -> None:
    codes = {int(code) for code in re.findall(r"^\| (\d{3}) \|", PAGE, re.MULTILINE)}
    assert codes <= set(BY_CODE)
    assert {code for code in BY_CODE if 901 <= code <= 907} <= codes


def test_limits() -> None:
    for number in (wire.MAX_MESSAGE_BYTES, wire.MAX_HEADER_BYTES, wire.MAX_ITEMS, wire.MAX_DEADLINE_MS):
        assert str(number) in WORDS
    assert f"{wire.MAX_DEPTH} levels" in WORDS
    assert f"at most {ops.MAX_PART_BYTES} bytes" in WORDS
    assert f"{ops.MAX_STAGE_BYTES >> 20} MiB a stage, {ops.MAX_STAGE_PARTS} parts" in WORDS


def test_kinds_of_events() -> None:
    for kind in OF_OBJECT | OF_STREAM | OF_ALARM | OF_INCIDENT:
        assert f"`{kind}`" in PAGE


def test_the_first_exchange_is_a_golden_message() -> None:
    block = re.findall(r"```\n(5649.*?)```", PAGE, re.DOTALL)[0]
    golden = (Path(__file__).parents[2] / "contract" / "wire_golden.json").read_text(encoding="utf-8")
    lines = "".join(block.split())
    assert lines.startswith(wire.MAGIC.hex())
    assert f'"{lines.removeprefix(wire.MAGIC.hex()).removesuffix("80")}"' in golden
