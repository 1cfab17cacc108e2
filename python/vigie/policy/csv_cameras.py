"""A table of cameras (CSV) -> Camera objects as YAML would hold them. Pure; every mistake has its line and column."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from vigie.policy.declared import problem_at
from vigie.policy.load import declare
from vigie.policy.problems import Path, Problem, suggestion
from vigie.policy.yaml_marks import Document

MAX_ROWS = 20_000
_STREAM = ("spec", "streams", "main")
_YES_NO = "true or false, yes or no, 1 or 0"


class _NotSuchError(ValueError):
    """A cell that is not of its column's type; the text says what would be right."""


def _whole(text: str) -> int:
    if not text.removeprefix("-").isdecimal():
        raise _NotSuchError("a whole number")
    return int(text)


def _decimal(text: str) -> float:
    try:
        return float(text.replace(",", "."))
    except ValueError:
        raise _NotSuchError("a number such as 49.1203") from None


def _truth(text: str) -> bool:
    known = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if text.lower() not in known:
        raise _NotSuchError(_YES_NO)
    return known[text.lower()]


def _mapping_if(text: str) -> Any:
    return {} if _truth(text) else None


# Where each column's cells stand in the object, and what makes a value of their text.
COLUMNS: dict[str, tuple[Path, Callable[[str], Any]]] = {
    "name": (("name",), str),
    "url": ((*_STREAM, "url"), str),
    "number": (("spec", "number"), _whole),
    "title": (("spec", "title"), str),
    "owner": (("spec", "owner"), str),
    "operated_by": (("spec", "operated_by"), str),
    "site": (("spec", "site"), str),
    "commune": (("spec", "commune"), str),
    "regime": (("spec", "regime"), str),
    "lat": (("spec", "position", "lat"), _decimal),
    "lon": (("spec", "position", "lon"), _decimal),
    "height_m": (("spec", "position", "height_m"), _decimal),
    "azimuth": (("spec", "azimuth"), _decimal),
    "ptz": (("spec", "ptz"), _mapping_if),
    "dome": (("spec", "dome"), _mapping_if),
    "ticketing": (("spec", "ticketing"), _truth),
    "privacy": (("spec", "privacy"), str),
    "privacy_reason": (("spec", "privacy_reason"), str),
    "transport": ((*_STREAM, "transport"), str),
    "backup_url": ((*_STREAM, "backup_url"), str),
    "username": ((*_STREAM, "username"), str),
    "password": ((*_STREAM, "password"), str),
    "pull": ((*_STREAM, "pull"), str),
    "sub_url": (("spec", "streams", "sub", "url"), str),
}
NEEDED = ("name", "url")
LABEL = "label."


def cameras_of_csv(text: str, file: str) -> tuple[list[dict[str, Any]], list[Problem]]:
    """The bodies of the cameras, and all that is wrong; with anything wrong the bodies are not to be used.

    Columns are separated by commas or, where the first line has more of them, semicolons; an empty cell leaves the
    field out. A `sub_url` has the user and password of `url`. Not checked: what the objects name.
    """
    text = text.removeprefix("\ufeff")
    head = text.partition("\n")[0]
    delimiter = ";" if head.count(";") > head.count(",") else ","
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    problems: list[Problem] = []
    documents: list[Document] = []
    columns: list[str] | None = None
    line = 1
    try:
        for cells in rows:
            began, line = line, rows.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if columns is None:
                columns = [cell.strip().lower() for cell in cells]
                problems.extend(_wrong_columns(columns, file, began))
                if problems:
                    return [], problems
                continue
            if len(documents) >= MAX_ROWS:
                problems.append(Problem(file, began, "", f"more than {MAX_ROWS} cameras in one file"))
                break
            documents.append(_document(columns, cells, file, began, problems))
    except csv.Error as error:
        problems.append(Problem(file, line, "", f"not well-formed CSV: {error}"))
    if columns is None:
        problems.append(Problem(file, 1, "", f"empty; right would be a first line such as {','.join(NEEDED)},title"))
    wrong = {problem.line for problem in problems}
    for document in documents:
        if document.line not in wrong:
            problems.extend(_checked(document))
    problems.extend(_twice(documents, file))
    return [document.value for document in documents], sorted(problems, key=lambda problem: problem.line)


def _wrong_columns(columns: Sequence[str], file: str, line: int) -> Iterator[Problem]:
    for index, column in enumerate(columns):
        if column in columns[:index]:
            yield Problem(file, line, f"column {column}", "stands twice; right would be once")
        elif not column:
            yield Problem(file, line, f"column {index + 1}", "has no name")
        elif column not in COLUMNS and not (column.startswith(LABEL) and column != LABEL):
            yield Problem(file, line, f"column {column[:40]}", f"unknown; {suggestion(column, COLUMNS)}, or label.NAME")
    for needed in NEEDED:
        if needed not in columns:
            yield Problem(file, line, f"column {needed}", "missing; every camera needs one")


def _document(columns: Sequence[str], cells: Sequence[str], file: str, line: int, problems: list[Problem]) -> Document:
    value: dict[str, Any] = {"kind": "Camera", "name": "", "spec": {}}
    document = Document(file, line, value)
    if len(cells) != len(columns):
        what = f"{len(cells)} cells; right would be {len(columns)}, as in the first line"
        problems.append(Problem(file, line, "", what))
        return document
    for column, cell in zip(columns, (cell.strip() for cell in cells), strict=True):
        if not cell:
            if column in NEEDED:
                problems.append(Problem(file, line, f"column {column}", "empty; every camera needs one"))
            continue
        if column.startswith(LABEL):
            value.setdefault("labels", {})[column.removeprefix(LABEL)] = cell
            continue
        path, made = COLUMNS[column]
        try:
            content = made(cell)
        except _NotSuchError as right:
            what = f'found "{cell[:40]}"; right would be {right}'
            problems.append(Problem(file, line, f"column {column}", what))
            continue
        if content is not None:
            _put(value, path, content)
    streams = value["spec"].get("streams", {})
    if "sub" in streams and "main" in streams:
        login = {field: streams["main"][field] for field in ("username", "password") if field in streams["main"]}
        streams["sub"] |= {"pull": "on_demand", **login}
    return document


def _put(value: dict[str, Any], path: Path, content: Any) -> None:
    for step in path[:-1]:
        value = value.setdefault(str(step), {})
    value[str(path[-1])] = content


def _checked(document: Document) -> Iterator[Problem]:
    """What the model of a camera says. Secrets are fetched by whoever applies the object."""
    problems: list[Problem] = []
    declare(document, lambda reference, folder: reference, problems)
    whole = problem_at(document, (), "").field
    by_field = {problem_at(document, path, "").field: column for column, (path, _) in COLUMNS.items()}
    for problem in problems:
        column = by_field.get(problem.field)
        name = document.value["name"]
        shown = f"{name[:64]} column {column}" if column else problem.field or whole
        yield replace(problem, line=document.line, field=shown)


def _twice(documents: Sequence[Document], file: str) -> Iterator[Problem]:
    """The same name, number or address in two lines."""
    for column in ("name", "number", "url", "sub_url"):
        path = COLUMNS[column][0]
        seen: dict[Any, int] = {}
        for document in documents:
            value: Any = document.value
            for step in path:
                value = value.get(step) if isinstance(value, dict) else None
            if not value:
                continue
            first = seen.setdefault(value, document.line)
            if first != document.line:
                what = f"the same as in line {first}; right would be another"
                yield Problem(file, document.line, f"column {column}", what)
