"""YAML files -> checked objects. Everything wrong in a run is listed; with one error nothing is taken over.

Secrets are fetched here (`env:NAME`, `file:PATH`) and are shown nowhere.
"""

import os
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Any

from pydantic import BaseModel, SecretStr, ValidationError

from vigie.policy.checks import assemble
from vigie.policy.declared import Declared, Town, problem_at
from vigie.policy.objects import KINDS
from vigie.policy.problems import Path, Problem, suggestion
from vigie.policy.secret import fetch_secret, secret_fields
from vigie.policy.yaml_marks import Document, read_documents

MAX_FILE_BYTES = 32 << 20
Fetch = Callable[[str, str], str]


def load_town(paths: Sequence[str | os.PathLike[str]], environ: Mapping[str, str] | None = None) -> Town:
    """Reads files, and folders of `*.yaml` and `*.yml`.

    Raises: ConfigurationError with all that is wrong.
    """
    environment = os.environ if environ is None else environ

    def fetch(reference: str, folder: str) -> str:
        return fetch_secret(reference, folder, environment)

    problems: list[Problem] = []
    declared = [declare(document, fetch, problems) for document in read_files(paths, problems)]
    return assemble([item for item in declared if item is not None], problems)


def read_texts(paths: Sequence[str | os.PathLike[str]], problems: list[Problem]) -> list[tuple[str, str]]:
    """Files and their texts, those of folders too; what cannot be read is added to `problems`."""
    found = [(file, _text(file, problems)) for file in _files(paths, problems)]
    return [(file, text) for file, text in found if text is not None]


def read_files(paths: Sequence[str | os.PathLike[str]], problems: list[Problem]) -> list[Document]:
    """The documents of files and folders, in their order; what cannot be read is added to `problems`."""
    documents: list[Document] = []
    for file, text in read_texts(paths, problems):
        read, found = read_documents(text, file)
        problems.extend(found)
        documents.extend(read)
    return documents


def _files(paths: Sequence[str | os.PathLike[str]], problems: list[Problem]) -> Iterator[str]:
    seen: set[str] = set()
    for given in paths:
        path = FilePath(given)
        if path.is_dir():
            files = sorted(child for child in path.iterdir() if child.suffix in (".yaml", ".yml") and child.is_file())
            if not files:
                problems.append(Problem(str(path), 0, "", "a folder without any .yaml file"))
        else:
            files = [path]
        for file in files:
            if str(file.resolve()) not in seen:
                seen.add(str(file.resolve()))
                yield str(file)


def _text(file: str, problems: list[Problem]) -> str | None:
    try:
        with open(file, "rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
        text = data.decode("utf-8")
    except OSError as error:
        problems.append(Problem(file, 0, "", f"cannot be read: {error.strerror}"))
        return None
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        problems.append(Problem(file, line, "", "not UTF-8; right would be a text file in UTF-8"))
        return None
    if len(data) > MAX_FILE_BYTES:
        problems.append(Problem(file, 0, "", f"larger than {MAX_FILE_BYTES >> 20} MiB"))
        return None
    return text


def declare(document: Document, fetch: Fetch, problems: list[Problem]) -> Declared[Any] | None:
    """A document as an object with its secrets, or None; what is wrong is added to `problems`.

    `fetch`: the secret behind a reference, which may start at a folder. Raises ValueError, whose text holds no secret.
    """
    value = document.value
    if not isinstance(value, dict):
        problems.append(problem_at(document, (), "not an object; right would be kind, name and spec"))
        return None
    kind = value.get("kind")
    if kind is None:
        problems.append(problem_at(document, (), f"no kind; known are {', '.join(KINDS)}"))
        return None
    if not isinstance(kind, str) or kind not in KINDS:
        what = f'unknown kind "{str(kind)[:40]}"; {suggestion(str(kind), KINDS)}'
        problems.append(problem_at(document, ("kind",), what))
        return None
    model = KINDS[kind]
    try:
        item = model.model_validate(value)
    except ValidationError as errors:
        problems.extend(_nearest([_translated(document, model, error) for error in errors.errors(include_url=False)]))
        return None
    secrets: dict[Path, str] = {}
    folder = os.path.dirname(os.path.abspath(document.file))
    for path, secret in secret_fields(item):
        try:
            secrets[path] = fetch(secret.get_secret_value(), folder)
        except ValueError as error:
            problems.append(problem_at(document, path, str(error)))
    return Declared(item, document, secrets)


def _plain(annotation: Any) -> Any:
    """The annotation without Optional and Annotated. A union of several stays one."""
    while typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    if _is_union(annotation):
        members = [arg for arg in typing.get_args(annotation) if arg is not type(None)]
        return _plain(members[0]) if len(members) == 1 else annotation
    return annotation


def _is_union(annotation: Any) -> bool:
    return typing.get_origin(annotation) in (typing.Union, types.UnionType)


def _fields(model: type[BaseModel]) -> dict[str, Any]:
    """A model's fields by their names in YAML."""
    return {info.alias or name: info for name, info in model.model_fields.items()}


def _place(model: Any, location: Path) -> tuple[Path, Any, str | None]:
    """What stands at a location of pydantic's: its path in YAML, the annotation there, and what would be right.

    The two differ behind a union, where pydantic's has a step more: the member that was tried.
    """
    path: Path = ()
    current, right, tag = model, None, False
    for step in location:
        if tag:
            tag, current = False, None
            continue
        if step == "[key]":
            continue
        path = (*path, step)
        if isinstance(current, type) and issubclass(current, BaseModel):
            info = _fields(current).get(str(step))
            current, right = (None, None) if info is None else (_plain(info.annotation), info.description)
        elif typing.get_origin(current) in (list, dict):
            current, right = _plain(typing.get_args(current)[-1]), None
        # Inside a member of a union what is right stays what is said of the whole.
        tag = _is_union(current)
    return path, current, right


def has_field(model: Any, path: Path) -> bool:
    """Whether a model has a field at a path; where a field may have several forms, any of them."""
    model = _plain(model)
    if not path:
        return True
    if _is_union(model):
        return any(has_field(member, path) for member in typing.get_args(model))
    if isinstance(model, type) and issubclass(model, BaseModel):
        info = _fields(model).get(str(path[0]))
        return info is not None and has_field(info.annotation, path[1:])
    return typing.get_origin(model) in (list, dict) and has_field(typing.get_args(model)[-1], path[1:])


def _nearest(problems: Sequence[Problem]) -> list[Problem]:
    """Without those that only say that a list or a mapping is not the other form that a field may have, where something
    inside it is wrong."""
    fields = {problem.field for problem in problems}
    return [
        problem
        for problem in problems
        if not problem.what.startswith(("found a list", "found a mapping"))
        or not any(field.startswith((f"{problem.field}.", f"{problem.field}[")) for field in fields)
    ]


def _translated(document: Document, model: type[BaseModel], error: Any) -> Problem:
    """One error of pydantic as a problem with file, line, field, what was found and what would be right."""
    path, annotation, right = _place(model, tuple(error["loc"]))
    kind: str = error["type"]
    found = error.get("input")
    context: dict[str, Any] = error.get("ctx", {})
    if kind == "between_fields":
        at = (*path, *context["path"])
        near = at if at[: len(path) + 1] in document.lines else (*path, context["near"])
        return replace(problem_at(document, at, context["what"]), line=document.line_of(near))
    if kind == "extra_forbidden":
        _, parent, _ = _place(model, tuple(error["loc"])[:-1])
        return problem_at(document, path, f"unknown field; {suggestion(str(path[-1]), _fields(parent))}")
    if kind == "missing":
        return problem_at(document, path, f"missing; right would be {right or 'a value'}")
    if kind == "value_error":
        return problem_at(document, path, str(context["error"]))
    shown = "this" if annotation is SecretStr else _shown(found)
    if kind in ("string_type", "string_sub_type") and isinstance(found, (int, float)) and not isinstance(found, bool):
        return problem_at(document, path, f"found {shown}, a number; right would be text: put it in quotes")
    if kind == "model_type" and right is None:
        right = "a mapping of fields"
    return problem_at(document, path, f"found {shown}; right would be {right or _reason(error)}")


def _reason(error: Any) -> str:
    words = {"string_type": "text", "list_type": "a list", "dict_type": "a mapping", "int_type": "a whole number"}
    return words.get(error["type"], str(error["msg"]).removeprefix("Input should be "))


def _shown(value: Any) -> str:
    """A found value, short; text longer than a word or two, and anything with parts, is only described."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)[:40]
    if isinstance(value, str):
        if "@" in value or "://" in value:
            return "a URL"
        return f'"{value}"' if len(value) <= 40 and value.isprintable() else f"text of {len(value)} characters"
    return "a list" if isinstance(value, list) else "a mapping"
