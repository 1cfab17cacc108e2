"""The published schema and the core's parser say the same (the core reads the same table in tests/native/policy)."""

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import vigie.schema

TABLE = json.loads((Path(__file__).parents[2] / "contract" / "policy_cases.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(vigie.schema.policy_snapshot())


def _steps(pointer: str) -> list[str]:
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def _parent(document: Any, pointer: str) -> tuple[Any, Any]:
    *path, last = _steps(pointer)
    for step in path:
        document = document[int(step)] if isinstance(document, list) else document[step]
    return document, int(last) if isinstance(document, list) else last


def case_document(case: dict[str, Any]) -> Any:
    """The base of the table with one case's changes."""
    document = copy.deepcopy(TABLE["base"])
    for pointer, value in case.get("set", {}).items():
        if pointer == "":
            return value
        parent, key = _parent(document, pointer)
        parent[key] = value
    for pointer in case.get("remove", []):
        parent, key = _parent(document, pointer)
        del parent[key]
    return document


def test_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(vigie.schema.policy_snapshot())


@pytest.mark.parametrize("case", TABLE["cases"], ids=[case["name"] for case in TABLE["cases"]])
def test_schema_agrees(case: dict[str, Any]) -> None:
    errors = [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(case_document(case))]
    accepted = case["ok"] or not case.get("schema_sees", True)
    assert (not errors) == accepted, errors
