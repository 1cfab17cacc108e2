"""Declared objects and where they stand."""

import operator
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, TypeVar, cast

from vigie.policy.fields import DeclaredObject
from vigie.policy.mask_objects import MaskSet
from vigie.policy.objects import Camera, Server, Site
from vigie.policy.people_objects import Agent, Organisation, Post
from vigie.policy.problems import Path, Problem, dotted
from vigie.policy.sharing_objects import Approval, Authorisation, Convention, Opening, WatchOrder
from vigie.policy.yaml_marks import Document

T = TypeVar("T", bound=DeclaredObject)
R = TypeVar("R")

Kinds = Mapping[str, Mapping[str, DeclaredObject]]
"""Objects by kind, and by name in it."""

RULES: tuple[type[Any], ...] = (Organisation, Post, Authorisation, Convention, Opening, WatchOrder, Approval)
"""The kinds that say who may do what."""


@dataclass(frozen=True)
class Declared(Generic[T]):
    """An object, where it stands, and its secrets in clear (by path; never shown)."""

    object: T
    document: Document = field(repr=False)
    secrets: Mapping[Path, str] = field(default_factory=dict, repr=False)

    @property
    def folder(self) -> str:
        """Where the object's relative paths start."""
        return os.path.dirname(os.path.abspath(self.document.file))

    def problem(self, path: Path, what: str) -> Problem:
        """A problem of one of its fields."""
        return problem_at(self.document, path, what)

    def move_to(self, document: Document) -> None:
        """From now on errors about it name this one. It stays the same object, so that what is made of it stays too."""
        object.__setattr__(self, "document", document)


class Items(tuple[Declared[T], ...]):
    """Objects of one list of a town. A town after it that has the very same ones has this list too (`town_of`)."""

    def once(self, make: "Callable[[Items[Any]], R]") -> R:
        """What a function makes of the list alone: made at the first call, the same one ever after."""
        made: dict[Callable[..., Any], Any] = self.__dict__.setdefault("made", {})
        if make not in made:
            made[make] = make(self)
        return cast(R, made[make])


@dataclass(frozen=True)
class Town:
    """All declared objects of a run, by kind, in the order of the files. Its lists become `Items`.

    `rules`: the kinds that only say who may do what (Organisation, Post, Authorisation, Convention, Opening,
    WatchOrder, Approval). `others`: those of the desk and of evidence, which nobody's right hangs on. `warnings`: about
    what was checked when the town was assembled.
    """

    servers: Sequence[Declared[Server]]
    cameras: Sequence[Declared[Camera]]
    agents: Sequence[Declared[Agent]]
    warnings: Sequence[Problem] = ()
    sites: Sequence[Declared[Site]] = ()
    mask_sets: Sequence[Declared[MaskSet]] = ()
    rules: Sequence[Declared[Any]] = ()
    others: Sequence[Declared[Any]] = ()

    def __post_init__(self) -> None:
        for name in _LISTS:
            if not isinstance(items := getattr(self, name), Items):
                object.__setattr__(self, name, Items(items))

    @property
    def lists(self) -> Sequence[Items[Any]]:
        """Every list; an object's kind says in which one it is."""
        return [getattr(self, name) for name in _LISTS]

    def objects(self) -> Iterator[DeclaredObject]:
        """Every object, without where it stands."""
        return (item.object for items in self.lists for item in items)

    @cached_property
    def by_key(self) -> Mapping[tuple[str, str], Declared[Any]]:
        """Every object by kind and name."""
        found: dict[tuple[str, str], Declared[Any]] = {}
        for items in self.lists:
            found.update(items.once(by_key))
        return found

    @property
    def cameras_by_name(self) -> Mapping[str, Declared[Camera]]:
        """The cameras; of several of one name, which is a mistake, the last."""
        return _once(self.cameras, _by_name)

    @property
    def sets(self) -> "Mapping[str, Mapping[str | None, Declared[MaskSet]]]":
        """By camera: its own mask set under None, and those of its versions by their names, in their order."""
        return _once(self.mask_sets, _by_camera)

    @cached_property
    def kinds(self) -> Kinds:
        """Every object. Of a list that is the same, the mappings are the same."""
        return {kind: named for items in self.lists for kind, named in items.once(_by_kind).items()}


def town_of(items: Iterable[Declared[Any]], warnings: Sequence[Problem] = (), before: Town | None = None) -> Town:
    """The town of these objects, by kind. Nothing is checked. `before`: one whose lists it has where they are alike."""
    found: dict[str, list[Declared[Any]]] = {name: [] for name in _LISTS}
    for item in items:
        found[_LIST_OF.get(type(item.object), "others")].append(item)
    same: dict[str, Any] = {**found}
    for name, list_ in found.items():
        old: Items[Any] | tuple[()] = () if before is None else getattr(before, name)
        if len(old) == len(list_) and all(map(operator.is_, old, list_)):
            same[name] = old
    return Town(**same, warnings=warnings)


_LISTS = ("servers", "sites", "cameras", "mask_sets", "agents", "rules", "others")
_LIST_OF: dict[type[Any], str] = {
    Server: "servers",
    Site: "sites",
    Camera: "cameras",
    MaskSet: "mask_sets",
    Agent: "agents",
    **dict.fromkeys(RULES, "rules"),
}


def _once(items: Sequence[Declared[Any]], make: "Callable[[Items[Any]], R]") -> R:
    assert isinstance(items, Items)
    return items.once(make)


def by_key(items: Iterable[Declared[Any]]) -> dict[tuple[str, str], Declared[Any]]:
    """Objects by kind and name; of several of one name, the last."""
    return {(item.object.kind, item.object.name): item for item in items}


def _by_name(items: Iterable[Declared[Any]]) -> dict[str, Declared[Any]]:
    return {item.object.name: item for item in items}


def _by_camera(items: Iterable[Declared[Any]]) -> dict[str, dict[str | None, Declared[MaskSet]]]:
    found: dict[str, dict[str | None, Declared[MaskSet]]] = {}
    for item in items:
        found.setdefault(item.object.spec.camera, {}).setdefault(item.object.spec.version, item)
    return found


def _by_kind(items: Iterable[Declared[Any]]) -> Kinds:
    return kinds_of(item.object for item in items)


def kinds_of(objects: Iterable[DeclaredObject]) -> Kinds:
    """Of several of one kind and name, the last."""
    kinds: dict[str, dict[str, DeclaredObject]] = {}
    for item in objects:
        kinds.setdefault(item.kind, {})[item.name] = item
    return kinds


def find_in(kinds: Kinds, kind: str, name: str) -> DeclaredObject | None:
    """An object, or None."""
    return kinds.get(kind, {}).get(name)


def problem_at(document: Document, path: Path, what: str) -> Problem:
    """A problem of one field of a document."""
    value = document.value
    head = ""
    if isinstance(value, dict) and isinstance(value.get("kind"), str) and isinstance(value.get("name"), str):
        head = f"{value['kind'][:40]} {value['name'][:64]}"
    tail = dotted(path)
    return Problem(document.file, document.line_of(path), f"{head} {tail}".strip(), what)
