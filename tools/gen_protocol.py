#!/usr/bin/env python3
"""Writes the operations of `docs/protocol.md` from `vigie.control.ops`, between its two markers; `--check` compares."""

import json
import sys
import types
import typing
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "python"))

PAGE = ROOT / "docs" / "protocol.md"
BEGIN = "<!-- operations: written by tools/gen_protocol.py -->\n"
END = "<!-- end of operations -->\n"
NAMES = {int: "integer", str: "text", bytes: "bytes", bool: "boolean", float: "number", type(None): "nil"}


def type_text(annotation: Any, models: dict[str, type]) -> str:
    """A type in the page's words; models it meets are noted."""
    from vigie.control.ops import Message

    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return type_text(args[0], models)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(type_text(each, models) for each in args)
    if origin is typing.Literal:
        return " or ".join(f"`{each}`" for each in args)
    if origin is list:
        return f"list of {type_text(args[0], models)}"
    if origin is dict:
        return "map" if args[1] is Any else f"map of {type_text(args[1], models)}"
    if isinstance(annotation, type) and issubclass(annotation, Message):
        models.setdefault(annotation.__name__, annotation)
        return annotation.__name__
    return NAMES.get(annotation, "any value")


def fields(model: Any, models: dict[str, type]) -> str:
    """`name` type = default, one after another."""
    found = []
    for name, info in model.model_fields.items():
        default = "" if info.is_required() else f" = {json.dumps(info.default)}".replace("null", "nil")
        found.append(f"`{name}` {type_text(info.annotation, models)}{default}")
    return "; ".join(found) or "nothing"


def about(model: Any) -> str:
    """The docstring in one line."""
    text = " ".join(model.__doc__.split())
    return "" if text == "No fields." else text


def operations() -> str:
    """The whole part between the markers."""
    from vigie.control.ops import OPS

    lines = ["| operation | who may | journaled | counts once by its id | what for |", "|---|---|---|---|---|"]
    for op in OPS.values():
        marks = ["yes" if mark else "no" for mark in (op.journaled, op.changes)]
        lines.append(f"| `{op.name}` | {op.who} | {marks[0]} | {marks[1]} | {op.about} |")
    lines.append("")
    models: dict[str, type] = {}
    for op in OPS.values():
        lines.append(f"**`{op.name}`** {about(op.request)}".rstrip())
        lines.append(f"* request: {fields(op.request, models)}")
        lines.append(f"* reply: {fields(op.reply, models)}. {about(op.reply)}".rstrip())
        lines.append("")
    lines.append("Maps that stand in these:")
    lines.append("")
    done: set[str] = set()
    while left := [name for name in models if name not in done]:
        for name in left:
            done.add(name)
            lines.append(f"* **{name}**: {fields(models[name], models)}. {about(models[name])}")
    return "\n".join(lines) + "\n"


def current(text: str) -> str:
    """The page with its operations as they are."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{operations()}\n{END}{after}"


def main() -> int:
    """Writes, or with `--check` compares."""
    text = PAGE.read_text(encoding="utf-8")
    if (new := current(text)) == text:
        return 0
    if "--check" in sys.argv:
        print("not current: docs/protocol.md")
        return 1
    PAGE.write_text(new, encoding="utf-8")
    print("written: docs/protocol.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
