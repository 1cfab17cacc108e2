"""JSON Schema (draft 2020-12) of the kinds, for editors: what a document of YAML may hold. Pure."""

from typing import Any

from pydantic.json_schema import models_json_schema

from vigie.policy.objects import KINDS

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def objects_schema() -> dict[str, Any]:
    """Any document: one of the kinds, told apart by `kind`."""
    _, found = models_json_schema([(model, "validation") for model in KINDS.values()])
    definitions = found["$defs"]
    for name, model in KINDS.items():
        _fix_kind(definitions[model.__name__], name)
    return {
        "$schema": DIALECT,
        "title": "An object of vigie",
        "oneOf": [{"$ref": f"#/$defs/{model.__name__}"} for model in KINDS.values()],
        "$defs": definitions,
    }


def kind_schema(kind: str) -> dict[str, Any]:
    """A document of one kind."""
    found = KINDS[kind].model_json_schema()
    _fix_kind(found, kind)
    return {"$schema": DIALECT, **found}


def _fix_kind(schema: dict[str, Any], kind: str) -> None:
    schema["properties"]["kind"] = {"const": kind, "title": "Kind", "description": "what it is"}
