#!/usr/bin/env python3
"""Writes `docs/objects.md`, every kind with its fields, from the models of `vigie.policy`; `--check` compares."""

import json
import sys
import types
import typing
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "python"))

PAGE = ROOT / "docs" / "objects.md"
HEAD = """# Objects: every kind and its fields

Written by `tools/gen_objects.py` from the models; a test compares. What the kinds are for, and examples:
[policy.md](policy.md), [rights.md](rights.md), [masks.md](masks.md),
[alarms.md](alarms.md), [signing-in.md](signing-in.md).

Every document has `kind`, `name` (letters, digits, `.`, `_` and `-`), `spec`, and optionally `labels`, a mapping of
texts. Unknown fields are mistakes. Times have a zone; days count as a whole. A secret is `env:NAME`, `file:PATH` or the
secret itself ([control.md](control.md)).

**In an editor** with a YAML language server: write the schema of all kinds once, and name it in the first line of each
file.

```
vigie schema objects > vigie.schema.json
```

```yaml
# yaml-language-server: $schema=./vigie.schema.json
kind: Organisation
name: ville-de-metz
spec: {type: municipality, communes: ["57463"]}
```

It knows fields, forms and ranges. What only several fields or objects together show, `vigie check -f FILE` says.
"""


def nested(annotation: Any) -> list[type]:
    """The models that a field may hold, in their order."""
    from pydantic import BaseModel

    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if typing.get_origin(annotation) in (typing.Literal,):
        return []
    return [model for each in typing.get_args(annotation) for model in nested(each)]


def default_text(info: Any) -> str:
    """What stands there when nothing is said."""
    from pydantic import BaseModel

    if info.is_required():
        return "**needed**"
    value = info.get_default(call_default_factory=True)
    if value is None or value == "":
        return ""
    return "" if isinstance(value, BaseModel) else f"`{json.dumps(value, ensure_ascii=False)}`"


def cell(text: str) -> str:
    """Text of a table."""
    return text.replace("|", "\\|").replace("<", "&lt;")


def one_line(text: str | None) -> str:
    """A docstring in one line."""
    return " ".join((text or "").split())


def table(model: Any, done: set[str]) -> list[str]:
    """A model's fields, then the models inside it that were not shown yet."""
    lines = ["| field | what | else |", "|---|---|---|"]
    inside: list[type] = []
    for name, info in model.model_fields.items():
        models = [each for each in nested(info.annotation) if each is not model]
        inside += models
        more = "".join(f" → {each.__name__}" for each in models)
        lines.append(f"| `{info.alias or name}` | {cell(info.description or '')}{more} | {default_text(info)} |")
    lines.append("")
    for each in inside:
        if each.__name__ not in done:
            done.add(each.__name__)
            lines += [f"**{each.__name__}.** {one_line(each.__doc__)}", "", *table(each, done)]
    return lines


def page() -> str:
    """The whole page."""
    from vigie.policy.objects import KINDS

    lines = [HEAD]
    done: set[str] = set()
    for kind, model in KINDS.items():
        spec = typing.cast(Any, model.model_fields["spec"].annotation)
        if isinstance(spec, types.UnionType):
            raise TypeError(f"{kind}: a spec of several forms")
        lines += [f"## {kind}", "", one_line(spec.__doc__), "", *table(spec, done)]
    return "\n".join(lines).rstrip("\n") + "\n"


def main() -> int:
    """Writes, or with `--check` compares."""
    new = page()
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == new:
        return 0
    if "--check" in sys.argv:
        print("not current: docs/objects.md")
        return 1
    PAGE.write_text(new, encoding="utf-8")
    print("written: docs/objects.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
