"""What somebody wants applied -> objects as the state keeps them: paths absolute, secrets by reference, pure JSON."""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from vigie.control.diff import Body, Find, Key, canonical
from vigie.control.secret_store import Kept, SecretStore, new_id
from vigie.policy import texts
from vigie.policy.declared import Declared
from vigie.policy.load import MAX_FILE_BYTES, declare
from vigie.policy.objects import KINDS
from vigie.policy.problems import Path, Problem, dotted
from vigie.policy.secret import fetch_secret, secret_fields
from vigie.policy.yaml_marks import Document, read_documents

# Fields that name a file of this machine, in whichever kind; a test compares them with the models.
PATH_FIELDS = frozenset({"certificate", "key", "tls_ca"})
_LOOKS_SECRET = re.compile(r"pass(word|wd|phrase)?|secret", re.IGNORECASE)
STATE = "state"


@dataclass(frozen=True)
class Source:
    """A text of YAML. `file`: how errors name it; `folder`: where its relative paths start."""

    file: str
    text: str = field(repr=False)
    folder: str = "/"


@dataclass(frozen=True)
class Proposal:
    """An object and how the state keeps it."""

    declared: Declared[Any] = field(repr=False)
    body: Body = field(repr=False)

    @property
    def key(self) -> Key:
        """Kind and name."""
        return self.declared.object.kind, self.declared.object.name


class Proposer:
    """Reads what one apply brings. `new_secrets` are to be kept before its objects are."""

    def __init__(self, kept: SecretStore, environ: Mapping[str, str], current: Find) -> None:
        """`current`: an object as it is in force."""
        self.problems: list[Problem] = []
        self.new_secrets: dict[str, Kept] = {}
        self._kept = kept
        self._environ = environ
        self._current = current

    def from_yaml(self, sources: Sequence[Source]) -> list[Proposal]:
        """The objects of texts that could be read; the rest is in `problems`."""
        found = []
        for source in sources:
            if len(source.text) > MAX_FILE_BYTES:
                self.problems.append(Problem(source.file, 0, "", f"larger than {MAX_FILE_BYTES >> 20} MiB"))
                continue
            documents, problems = read_documents(source.text, source.file)
            self.problems.extend(problems)
            found += [self._proposal(document, source.folder) for document in documents]
        return [item for item in found if item is not None]

    def from_values(self, objects: Sequence[Any], folder: str = "/") -> list[Proposal]:
        """The objects of plain values; errors name the place in the list."""
        documents = [Document(f"objects[{index}]", 0, value) for index, value in enumerate(objects)]
        found = [self._proposal(document, folder) for document in documents]
        return [item for item in found if item is not None]

    def from_state(self, body: Body) -> Declared[Any] | None:
        """An object that the state keeps. Its secrets are fetched anew."""
        return declare(Document(STATE, 0, body), self._fetch(STATE, body), self.problems)

    def _fetch(self, folder: str, body: Any) -> Callable[[str, str], str]:
        of = _owner_text(body)

        def fetch(reference: str, _: str) -> str:
            if reference.startswith("state:"):
                for path in [path for path, text in texts_of(body) if text == reference]:
                    if (secret := self._kept.get(reference, f"{of} {dotted(path)}")) is not None:
                        return secret
                raise ValueError(
                    "not a secret of this field; right would be env:NAME, file:PATH or the password itself"
                )
            return fetch_secret(reference, folder, self._environ)

        return fetch

    def _proposal(self, document: Document, folder: str) -> Proposal | None:
        document.value = value = _absolute(document.value, (), folder)
        before = len(self.problems)
        item = declare(document, self._fetch(folder, value), self.problems)
        for path in _unprotected(value, item):
            what = "a secret in a field that is not kept as one; right would be env:NAME or file:PATH"
            self.problems.append(Problem(document.file, document.line_of(path), dotted(path), what))
        if item is None or len(self.problems) > before:
            return None
        body = self._without_secrets(item, value, folder)
        try:
            canonical(body)
        except (TypeError, ValueError):
            what = "a value that JSON cannot hold; right would be text, numbers, lists and mappings"
            self.problems.append(item.problem((), what))
            return None
        if body is not value:  # what is in force is what a restart would read
            item = replace(item, object=KINDS[item.object.kind].model_validate(body))
        return Proposal(item, body)

    def _without_secrets(self, item: Declared[Any], value: Any, folder: str) -> Body:
        body = value
        for path, secret in secret_fields(item.object):
            given = secret.get_secret_value()
            if given.startswith("file:"):
                given = "file:" + os.path.normpath(os.path.join(folder, given[5:]))
            elif not given.startswith(("env:", "state:")):
                of = f"{_owner_text(value)} {dotted(path)}"
                known = _at(self._current(item.object.kind, item.object.name), path)
                if isinstance(known, str) and known.startswith("state:") and self._kept.get(known, of) == given:
                    given = known  # the same as before is no change
                else:
                    reference = new_id()
                    self.new_secrets[reference.removeprefix("state:")] = Kept(of, given)
                    given = reference
            body = with_value(body, path, given)
        result: Body = body
        return result


def references(body: Any) -> Iterator[str]:
    """Every `state:ID` in a body."""
    return (text for _, text in texts_of(body) if text.startswith("state:"))


def _owner_text(value: Any) -> str:
    return f"{value.get('kind')}/{value.get('name')}" if isinstance(value, Mapping) else ""


def _at(value: Any, path: Path) -> Any:
    at: Any = value
    for step in path:
        try:
            at = at[step]
        except (TypeError, LookupError):
            return None
    return at


def with_value(value: Any, path: Path, leaf: Any) -> Any:
    """A copy with another value at a path that is there."""
    if not path:
        return leaf
    step, rest = path[0], path[1:]
    if isinstance(value, Mapping):
        return {**value, step: with_value(value[step], rest, leaf)}
    return [with_value(child, rest, leaf) if index == step else child for index, child in enumerate(value)]


def _absolute(value: Any, path: Path, folder: str) -> Any:
    """With relative paths made absolute, as the state knows no file that they could start at."""
    if isinstance(value, Mapping):
        return {key: _absolute(child, (*path, key), folder) for key, child in value.items()}
    if isinstance(value, list):
        return [_absolute(child, (*path, index), folder) for index, child in enumerate(value)]
    if not isinstance(value, str) or not value or path[:1] != ("spec",):
        return value
    if path[-1] in PATH_FIELDS:
        return os.path.normpath(os.path.join(folder, value))
    if path[-1] == "url" and texts.source_kind(value) in ("file", "sdp") and texts.url_problem(value) is None:
        kind = "sdp:" if texts.source_kind(value) == "sdp" else "file:"
        return kind + os.path.normpath(os.path.join(folder, texts.file_path(value)))
    return value


def _unprotected(value: Any, item: Declared[Any] | None) -> Iterator[Path]:
    """Texts under a name like password that no model takes for a secret: a free mapping such as `ptz`."""
    if item is None:
        return
    known = {path for path, _ in secret_fields(item.object)}
    for path, text in texts_of(value):
        named_so = path[:1] == ("spec",) and _LOOKS_SECRET.fullmatch(str(path[-1]))
        if named_so and path not in known and not text.startswith(("env:", "file:")):
            yield path


def texts_of(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every text of a body, and where it stands."""
    if isinstance(value, Mapping):
        for key, child in value.items():
            yield from texts_of(child, (*path, key))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from texts_of(child, (*path, index))
    elif isinstance(value, str):
        yield path, value
