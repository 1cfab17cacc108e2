"""Declared objects and where they stand."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from vigie.policy.fields import DeclaredObject
from vigie.policy.mask_objects import MaskSet
from vigie.policy.objects import Camera, Server, Site
from vigie.policy.people_objects import Agent
from vigie.policy.problems import Path, Problem, dotted
from vigie.policy.yaml_marks import Document

T = TypeVar("T", bound=DeclaredObject)


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
    WatchOrder, Approval). `others`: those of the desk and of evidence, which nobody's right hangs on.
    """

    servers: Sequence[Declared[Server]]
    cameras: Sequence[Declared[Camera]]
    agents: Sequence[Declared[Agent]]
    warnings: Sequence[Problem] = ()
    sites: Sequence[Declared[Site]] = ()
    mask_sets: Sequence[Declared[MaskSet]] = ()
    rules: Sequence[Declared[Any]] = ()
    others: Sequence[Declared[Any]] = ()

    def objects(self) -> Iterator[DeclaredObject]:
        """Every object, without where it stands."""
        for items in (self.servers, self.sites, self.cameras, self.mask_sets, self.agents, self.rules, self.others):
            for item in items:
                yield item.object


def problem_at(document: Document, path: Path, what: str) -> Problem:
    """A problem of one field of a document."""
    value = document.value
    head = ""
    if isinstance(value, dict) and isinstance(value.get("kind"), str) and isinstance(value.get("name"), str):
        head = f"{value['kind'][:40]} {value['name'][:64]}"
    tail = dotted(path)
    return Problem(document.file, document.line_of(path), f"{head} {tail}".strip(), what)
