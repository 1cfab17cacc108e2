"""YAML documents as plain values that remember their lines.

A subset on purpose: keys are text, a key stands once, no dates (they stay text), `yes`, `no`, `on`, `off` and numbers
such as `12:30` or `010` stay text too (YAML 1.1 would turn them into something nobody meant).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from vigie.policy.problems import Path, Problem

MAX_DEPTH = 16
MAX_NODES = 500_000


_Base: type[yaml.SafeLoader] = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader  # type: ignore[assignment]


class _Loader(_Base):  # type: ignore[misc, valid-type]
    """SafeLoader with the scalars of the YAML 1.2 core schema; libyaml's where PyYAML has it, ten times as fast."""


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", "~nN\0"),
    ("int", r"[-+]?(0|[1-9][0-9]*)|0x[0-9a-fA-F]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("merge", "<<", "<"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), list(_first))
_Loader.yaml_implicit_resolvers[""] = _Loader.yaml_implicit_resolvers.pop("\0")


@dataclass
class Document:
    """One YAML document: its value, and the line of every path in it."""

    file: str
    line: int
    value: Any = None
    lines: dict[Path, int] = field(default_factory=dict)

    def line_of(self, path: Path) -> int:
        """The line of the path, or of the nearest thing above it that stands in the file."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.lines:
                return self.lines[path[:end]]
        return self.line


class _Reader:
    """Turns nodes into values, noting lines; keeps the problems it meets."""

    def __init__(self, loader: _Loader, file: str) -> None:
        self.loader = loader
        self.file = file
        self.problems: list[Problem] = []
        self.nodes = 0

    def problem(self, node: yaml.Node, what: str) -> None:
        self.problems.append(Problem(self.file, node.start_mark.line + 1, "", what))

    def value(self, node: yaml.Node, path: Path, document: Document) -> Any:
        self.nodes += 1
        if len(path) > MAX_DEPTH or self.nodes > MAX_NODES:
            if self.nodes <= MAX_NODES:
                self.problem(node, f"nested deeper than {MAX_DEPTH} levels")
            return None
        document.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path, document)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(child, (*path, i), document) for i, child in enumerate(node.value)]
        try:
            return self.loader.construct_object(node)
        except (yaml.YAMLError, ValueError):
            self.problem(node, f"a value of the type {node.tag}, which has no place here; right would be plain text")
            return None

    def mapping(self, node: yaml.MappingNode, path: Path, document: Document) -> dict[str, Any]:
        seen: dict[str, int] = {}
        for key_node, _ in node.value:
            key, line = key_node.value, key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self.problem(key_node, "a key that is not text")
            elif key in seen and key_node.tag != "tag:yaml.org,2002:merge":
                self.problem(key_node, f'"{key}" stands twice, first in line {seen[key]}; right would be once')
            seen[str(key)] = line
        try:
            self.loader.flatten_mapping(node)  # "<<: *anchor"
        except (yaml.YAMLError, RecursionError):
            self.problem(node, "a merge (<<) of something that is not a mapping")
            return {}
        result = {}
        for key_node, value_node in node.value:
            if isinstance(key_node, yaml.ScalarNode):
                child = (*path, key_node.value)
                document.lines[child] = key_node.start_mark.line + 1
                result[key_node.value] = self.value(value_node, child, document)
        return result


def read_documents(text: str, file: str) -> tuple[list[Document], list[Problem]]:
    """The documents of one file that could be read, and what is wrong with the rest. Empty documents are left out."""
    documents: list[Document] = []
    try:
        loader = _Loader(text)
    except (yaml.YAMLError, UnicodeError) as error:  # characters YAML does not allow
        return [], [Problem(file, 0, "", f"not well-formed YAML: {str(error).splitlines()[0]}")]
    reader = _Reader(loader, file)
    try:
        for node in _nodes(loader):
            document = Document(file, node.start_mark.line + 1)
            document.value = reader.value(node, (), document)
            if document.value is not None:
                documents.append(document)
            if reader.nodes > MAX_NODES:
                reader.problem(node, f"more than {MAX_NODES} values in one file (aliases count every time)")
                break
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = f"not well-formed YAML: {error.problem or error.context or 'unreadable'}"
        reader.problems.append(Problem(file, mark.line + 1 if mark else 0, "", what))
    except yaml.YAMLError as error:  # characters YAML does not allow
        reader.problems.append(Problem(file, 0, "", f"not well-formed YAML: {str(error).splitlines()[0]}"))
    except RecursionError:
        reader.problems.append(Problem(file, 0, "", f"nested deeper than {MAX_DEPTH} levels"))
    finally:
        loader.dispose()
    return documents, reader.problems


def _nodes(loader: _Loader) -> Iterator[yaml.Node]:
    while loader.check_node():
        node = loader.get_node()
        if node is not None:
            yield node
