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

from vigie.policy import texts
from vigie.policy.declared import Declared, Town, problem_at
from vigie.policy.mask_objects import MaskSet
from vigie.policy.masks import mask_problems, sets_of, version_names
from vigie.policy.objects import KINDS, Camera, Server, Site
from vigie.policy.people_objects import Agent
from vigie.policy.problems import ConfigurationError, Path, Problem, suggestion
from vigie.policy.references import RULES, reference_problems
from vigie.policy.secret import fetch_secret
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


def assemble(declared: Sequence[Declared[Any]], problems: list[Problem]) -> Town:
    """Objects -> a town, checked against one another. `problems`: those found so far.

    Raises: ConfigurationError with all that is wrong.
    """
    warnings: list[Problem] = []
    _check_names(declared, problems)
    town = Town(
        [item for item in declared if isinstance(item.object, Server)],
        [item for item in declared if isinstance(item.object, Camera)],
        [item for item in declared if isinstance(item.object, Agent)],
        warnings,
        [item for item in declared if isinstance(item.object, Site)],
        [item for item in declared if isinstance(item.object, MaskSet)],
        [item for item in declared if isinstance(item.object, RULES)],
        [item for item in declared if not isinstance(item.object, (Server, Camera, Agent, Site, MaskSet, *RULES))],
    )
    _check_names_of_sites(town, problems)
    if not problems:  # with errors elsewhere a camera may be missing only because its own document is wrong
        problems.extend(mask_problems(town))
        problems.extend(reference_problems(town))
    _check_cameras_of_agents(town, problems)
    _check_files(town, problems, warnings)
    _warn(town, warnings)
    if problems:
        raise ConfigurationError(problems)
    return town


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


def secret_fields(value: Any, path: Path = ()) -> Iterator[tuple[Path, SecretStr]]:
    """Every secret of an object, as it was given: a reference or the secret itself."""
    if isinstance(value, SecretStr):
        yield path, value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from secret_fields(getattr(value, name), (*path, name))
    elif isinstance(value, dict):
        for key, child in value.items():
            yield from secret_fields(child, (*path, key))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from secret_fields(child, (*path, index))


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


def _check_names(declared: Sequence[Declared[Any]], problems: list[Problem]) -> None:
    seen: dict[tuple[str, str], Declared[Any]] = {}
    for item in declared:
        key = (item.object.kind, item.object.name)
        first = seen.setdefault(key, item)
        if first is not item:
            place = f"{first.document.file}:{first.document.line_of(('name',))}"
            problems.append(item.problem(("name",), f"the same name as at {place}; right would be another"))


def _check_names_of_sites(town: Town, problems: list[Problem]) -> None:
    """`SITE.…` is a site's alone, so that no partner's camera is ever taken for one of ours."""
    sites = {item.object.name for item in town.sites}
    for item in town.cameras:
        site, dot, _ = item.object.name.partition(".")
        if dot and site in sites:
            what = f"names that begin with {site}. are those of the Site {site}; right would be another"
            problems.append(item.problem(("name",), what))


def _check_cameras_of_agents(town: Town, problems: list[Problem]) -> None:
    # With errors elsewhere a camera may be missing only because its own document is wrong.
    if problems:
        return
    names = {item.object.name for item in town.cameras} | set(version_names(town))
    sites = {item.object.name for item in town.sites}
    for item in town.agents:
        for index, name in enumerate(item.object.spec.cameras or ()):
            # A site's cameras are known once its partner has answered; rights may name them before.
            site, dot, rest = name.partition(".")
            if dot and rest and site in sites and texts.CAMERAS_OF_SITE.match(name):
                continue
            if name != "*" and name not in names:
                what = f'no camera "{name[:64]}"; {suggestion(name, sorted(names | {f"{site}.*" for site in sites}))}'
                problems.append(item.problem(("spec", "cameras", index), what))


def _check_files(town: Town, problems: list[Problem], warnings: list[Problem]) -> None:
    for server in town.servers:
        for index, listener in enumerate(server.object.spec.rtsp):
            if listener.tls is None:
                continue
            for name, path in (("certificate", listener.tls.certificate), ("key", listener.tls.key)):
                full = os.path.join(server.folder, path)
                if not os.access(full, os.R_OK):
                    at: Path = ("spec", "rtsp", index, "tls", name)
                    problems.append(server.problem(at, f"the file {full} cannot be read; right would be a PEM file"))
    for site in town.sites:
        ca = site.object.spec.tls_ca
        if ca is not None and not os.access(os.path.join(site.folder, ca), os.R_OK):
            problems.append(
                site.problem(("spec", "tls_ca"), f"the file {os.path.join(site.folder, ca)} cannot be read")
            )
    for camera in town.cameras:
        for name, stream in camera.object.spec.streams.items():
            at = ("spec", "streams", name)
            if stream.tls_ca is not None and not os.access(os.path.join(camera.folder, stream.tls_ca), os.R_OK):
                full = os.path.join(camera.folder, stream.tls_ca)
                problems.append(camera.problem((*at, "tls_ca"), f"the file {full} cannot be read"))
            if texts.source_kind(stream.url) == "file":
                full = os.path.join(camera.folder, texts.file_path(stream.url))
                if not os.access(full, os.R_OK):
                    # A clip may come later, and one that is missing must not keep the other cameras from starting.
                    warnings.append(camera.problem((*at, "url"), f"the file {full} cannot be read now"))


def _warn(town: Town, warnings: list[Problem]) -> None:
    literal: dict[str, list[Problem]] = {}
    holders: list[Declared[Any]] = [*town.cameras, *town.sites, *town.agents]
    for item in holders:
        # Most cameras have none, and there are thousands of them.
        for path, secret in secret_fields(item.object) if item.secrets else ():
            if not secret.get_secret_value().startswith(("env:", "file:", "state:")):
                problem = item.problem(path, "a password in clear; env:NAME or file:PATH keeps it out of this file")
                literal.setdefault(problem.file, []).append(problem)
    for found in literal.values():
        more = f" (and {len(found) - 1} more in this file)" if len(found) > 1 else ""
        warnings.append(Problem(found[0].file, found[0].line, found[0].field, found[0].what + more))
    masked = [name for name, of in sets_of(town).items() if None in of]
    for camera in town.cameras:
        privacy = camera.object.spec.privacy
        if not (privacy.startswith("masked") and camera.object.name in masked):
            _warn_of_privacy(camera, ("spec", "privacy"), privacy, "the camera", warnings)
    for site in town.sites:
        if any(name.startswith(f"{site.object.name}.") for name in masked):
            continue  # which of its cameras is which is known once its partner has answered
        overrides = site.object.spec.overrides
        for token, own in overrides.items():
            if own.privacy is not None:
                at: Path = ("spec", "overrides", token, "privacy")
                _warn_of_privacy(site, at, own.privacy, "the camera", warnings)
        if not any(own.privacy == "clear" for own in overrides.values()):
            _warn_of_privacy(site, ("spec", "privacy"), site.object.spec.privacy, "every camera of the site", warnings)


def _warn_of_privacy(item: Declared[Any], at: Path, privacy: str, which: str, warnings: list[Problem]) -> None:
    if privacy.startswith("masked"):
        warnings.append(item.problem(at, f"{privacy}, but no MaskSet names it: {which} is covered"))
    elif privacy == "withheld":
        this = which.replace("the camera", "this camera")
        warnings.append(item.problem(at, f"withheld: nobody sees {this}; clear (with privacy_reason) would show it"))
