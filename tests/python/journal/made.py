"""Clocks, keys, entries of every kind and journals of known content, for the tests of `vigie.journal`."""

import itertools
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from vigie.journal import Actor, Journal
from vigie.journal.records import Login, PurgedUntil, Record, ViewBegin, ViewEnd
from vigie.journal.segments import raw_lines, segment_files
from vigie.journal.texts import NS

START_NS = 1_767_225_600 * NS  # 2026-01-01T00:00:00Z
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OPERATOR = Actor(agent="op-12", organisation="csu-metz")
POLICE = Actor(agent="host-1", organisation="police-nationale", on_behalf_of="brigade-3")


class Clock:
    """Stands still unless it is told otherwise."""

    def __init__(self, now_ns: int = START_NS) -> None:
        self.now_ns = now_ns

    def __call__(self) -> int:
        return self.now_ns

    def after(self, seconds: float) -> "Clock":
        self.now_ns += int(seconds * NS)
        return self


# A right value for every field of every kind, by the field's name.
SAMPLES: dict[str, Any] = {
    "actor": Actor(agent="host-1", organisation="police-nationale", on_behalf_of="brigade-3", post="wall-2"),
    "objects": ("camera/place-armes-01",),
    "purpose": "public-safety",
    "reason": "vol de vélo",
    "visibility": "sealed",
    "people": ("p-" + "0a" * 10,),
    "alarm": "camera_silent/place-armes-01",
    "before": 3,
    "begins": 1,
    "camera": "place-armes-01",
    "authorisation": "metz-2026-031",
    "cameras": ("place-armes-01", "gare-02"),
    "captured": START_NS,
    "cause": "left",
    "changed": ("camera/gare-02",),
    "clean": True,
    "code": 205,
    "commune": "57463",
    "convention": "metz-commissariat",
    "created": ("camera/place-armes-01",),
    "cut_bytes": 12,
    "deleted": ("agent/op-9",),
    "document": "ab" * 32,
    "engine": "e1",
    "error_ms": 40,
    "export": "x-17",
    "fence": 4,
    "first_unit": START_NS,
    "format": 1,
    "given": True,
    "head": "cd" * 32,
    "hides_less": True,
    "hold": "h-1",
    "incident": "i-1",
    "journal": "0f" * 16,
    "key": "A" * 43 + "=",
    "last_unit": START_NS + 5,
    "lines": 9,
    "manifest": "ef" * 32,
    "mask_set": "place-armes-01",
    "mode": "live",
    "name": "e1",
    "now": 2,
    "op": "route.open",
    "opening": "match-1",
    "process": "engine",
    "purged": (PurgedUntil(category="views", until=START_NS),),
    "question": "who_saw",
    "requisition": "2026/1234",
    "revision": 7,
    "rolled_back_to": 5,
    "route": "r-1",
    "signature": "A" * 86 + "==",
    "since": START_NS,
    "source": "10.1.0.7",
    "stream": "main",
    "through": 8,
    "ticket": "t-1",
    "units": 125,
    "until": START_NS + 9,
    "version": "0.1.0",
    "view": "e1.5",
    "waits": "mask-set/place-armes-01",
    "way": "digest",
}
STEPS = {
    "ptz": "acquired",
    "recording": "started",
    "opening": "begin",
    "requisition": "received",
    "hold": "set",
    "alarm": "raised",
    "process": "began",
}


def example_of(model: type[Record]) -> Record:
    """An entry of a kind with all its fields."""
    kind = model.model_fields["kind"].default
    samples = SAMPLES | {"kind": kind, "step": STEPS.get(kind)}
    return model(**{name: samples[name] for name in model.model_fields})


_views = itertools.count(1)


def begin(camera: str = "place-armes-01", **fields: object) -> ViewBegin:
    """A view that begins."""
    given: dict[str, object] = {"actor": OPERATOR, "view": f"e1.{next(_views)}", "engine": "e1", "commune": "57463"}
    return ViewBegin(camera=camera, **(given | fields))  # type: ignore[arg-type]


def end(of: ViewBegin, first_ns: int, last_ns: int, units: int = 100, **fields: object) -> ViewEnd:
    """The end of a view."""
    given: dict[str, object] = {"actor": of.actor, "visibility": of.visibility, "cause": "left", "purpose": of.purpose}
    return ViewEnd(
        view=of.view,
        camera=of.camera,
        commune=of.commune,
        mode=of.mode,
        first_unit=first_ns,
        last_unit=last_ns,
        units=units,
        **(given | fields),  # type: ignore[arg-type]
    )


def login(agent: str = "op-12") -> Login:
    """Somebody comes in."""
    return Login(actor=Actor(agent=agent, organisation="csu-metz"), way="digest")


def fill(journal: Journal, count: int) -> None:
    """So many entries of several kinds, in pieces of several sizes."""
    records: list[Record] = []
    for index in range(count):
        records.append(login(f"op-{index}") if index % 3 else begin(purpose="public-safety", reason="vol de vélo"))
        if len(records) > index % 5:
            journal.append_many(records)
            records = []
    if records:
        journal.append_many(records)


def texts_of(folder: Path) -> list[bytes]:
    """Every line of a journal, without its line feed."""
    return [raw.text for file in segment_files(folder) for raw in raw_lines(file)]
