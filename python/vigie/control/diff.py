"""What differs between two versions of objects, field by field. Bodies hold references to secrets, never secrets."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from vigie.policy.problems import Path, dotted

Body = Mapping[str, Any]
Key = tuple[str, str]
Find = Callable[[str, str], Body | None]
"""An object by kind and name, None where there is none."""
MISSING = object()
# `json.dumps` makes one of its own each time.
_CANONICAL = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
_PLAIN = json.JSONEncoder(ensure_ascii=False)


@dataclass(frozen=True)
class FieldChange:
    """One field, by its dotted path. None: it was not there, or is not any more. Values as JSON."""

    path: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Change:
    """One object that is made, changed or deleted."""

    action: Literal["created", "changed", "deleted"]
    kind: str
    name: str
    fields: tuple[FieldChange, ...] = field(default=())

    def lines(self) -> Iterator[str]:
        """For people: `~ Camera place`, then one line a field."""
        yield f"{ {'created': '+', 'changed': '~', 'deleted': '-'}[self.action] } {self.kind} {self.name}"
        for item in self.fields:
            if item.before is None:
                yield f"    {item.path}: + {item.after}"
            elif item.after is None:
                yield f"    {item.path}: - {item.before}"
            else:
                yield f"    {item.path}: {item.before} -> {item.after}"


def changes(before: Find, after: Mapping[Key, Body | None]) -> list[Change]:
    """What putting `after` over `before` changes; None deletes. In the order of kinds and names."""
    found = []
    for (kind, name), body in sorted(after.items(), key=lambda item: item[0]):
        old = before(kind, name)
        if same_body(old, body):
            continue
        action: Literal["created", "changed", "deleted"] = (
            "created" if old is None else "deleted" if body is None else "changed"
        )
        found.append(Change(action, kind, name, tuple(_fields(old, body))))
    return found


def same_body(one: Body | None, other: Body | None) -> bool:
    """Whether they are the same as JSON; `==` would take 1 for true."""
    return one is other or canonical(one) == canonical(other)


def canonical(value: Any) -> str:
    """JSON with its keys in order. Raises: TypeError, ValueError (what JSON cannot hold)."""
    return _CANONICAL.encode(value)


def _fields(before: Body | None, after: Body | None) -> Iterator[FieldChange]:
    old = {} if before is None else dict(_leaves(before, ()))
    new = {} if after is None else dict(_leaves(after, ()))
    for path in [*old, *(path for path in new if path not in old)]:
        if path[:1] in (("kind",), ("name",)):
            continue
        one, other = old.get(path, MISSING), new.get(path, MISSING)
        if (shown := _shown(one)) != _shown(other):
            yield FieldChange(dotted(path), shown, _shown(other))


def _leaves(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """Fields of mappings; lists of mappings too, other lists as a whole."""
    if isinstance(value, Mapping) and value:
        for key, child in value.items():
            yield from _leaves(child, (*path, key))
    elif isinstance(value, list) and value and all(isinstance(child, Mapping) for child in value):
        for index, child in enumerate(value):
            yield from _leaves(child, (*path, index))
    else:
        yield path, value


def _shown(value: Any) -> str | None:
    if value is MISSING:
        return None
    if isinstance(value, str) and value.startswith("state:"):
        return f"(secret {value[6:10]}…)"
    return _PLAIN.encode(value)
