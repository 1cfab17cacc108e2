"""Declared objects and where they stand."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, TypeVar

from vigie.policy.fields import DeclaredObject
from vigie.policy.mask_objects import MaskSet
from vigie.policy.objects import Camera, Server, Site
from vigie.policy.people_objects import Agent, Organisation, Post
from vigie.policy.problems import Path, Problem, dotted
from vigie.policy.sharing_objects import Approval, Authorisation, Convention, Opening, WatchOrder
from vigie.policy.yaml_marks import Document

T = TypeVar("T", bound=DeclaredObject)

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


@dataclass(frozen=True)
class Town:
    """All declared objects of a run, by kind, in the order of the files.

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

    @property
    def items(self) -> Iterator[Declared[Any]]:
        """Every object, and where it stands."""
        for items in (self.servers, self.sites, self.cameras, self.mask_sets, self.agents, self.rules, self.others):
            yield from items

    def objects(self) -> Iterator[DeclaredObject]:
        """Every object, without where it stands."""
        return (item.object for item in self.items)

    @cached_property
    def by_key(self) -> Mapping[tuple[str, str], Declared[Any]]:
        """Every object by kind and name."""
        return {(item.object.kind, item.object.name): item for item in self.items}

    @cached_property
    def cameras_by_name(self) -> Mapping[str, Declared[Camera]]:
        """The cameras; of several of one name, which is a mistake, the last."""
        return {item.object.name: item for item in self.cameras}

    @cached_property
    def sets(self) -> "Mapping[str, Mapping[str | None, Declared[MaskSet]]]":
        """By camera: its own mask set under None, and those of its versions by their names, in their order."""
        found: dict[str, dict[str | None, Declared[MaskSet]]] = {}
        for item in self.mask_sets:
            found.setdefault(item.object.spec.camera, {}).setdefault(item.object.spec.version, item)
        return found


def town_of(items: Iterable[Declared[Any]], warnings: Sequence[Problem] = ()) -> Town:
    """The town of these objects, by kind. Nothing is checked."""
    found: dict[type[Any] | None, list[Declared[Any]]] = {kind: [] for kind in (*_OWN_LISTS, None)}
    rules: list[Declared[Any]] = []
    for item in items:
        kind = type(item.object)
        (rules if kind in RULES else found[kind if kind in found else None]).append(item)
    servers, cameras, agents, sites, mask_sets, others = found.values()
    return Town(servers, cameras, agents, warnings, sites, mask_sets, rules, others)


_OWN_LISTS: tuple[type[Any], ...] = (Server, Camera, Agent, Site, MaskSet)


def problem_at(document: Document, path: Path, what: str) -> Problem:
    """A problem of one field of a document."""
    value = document.value
    head = ""
    if isinstance(value, dict) and isinstance(value.get("kind"), str) and isinstance(value.get("name"), str):
        head = f"{value['kind'][:40]} {value['name'][:64]}"
    tail = dotted(path)
    return Problem(document.file, document.line_of(path), f"{head} {tail}".strip(), what)
