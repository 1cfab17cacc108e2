"""Published JSON Schemas. A change of `policy_snapshot.json` goes with `src/engine/policy/` and the cases in
`tests/contract/policy_cases.json`."""

import json
from importlib import resources
from typing import Any


def policy_snapshot() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of what `Engine.apply` takes."""
    text = resources.files(__name__).joinpath("policy_snapshot.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema
