"""A shared centre for two communes, a station, a landlord and a rail company: what the tables of rights are about."""

from datetime import datetime
from typing import Any

from vigie.policy.fields import DeclaredObject
from vigie.policy.objects import KINDS
from vigie.policy.texts import utc_text
from vigie.policy.windows import ns_of

NOON = "2026-06-01T12:00:00+02:00"  # a Monday


def ns(text: str) -> int:
    return ns_of(datetime.fromisoformat(utc_text(text)))


def made(kind: str, name: str, **spec: Any) -> DeclaredObject:
    """A checked object; a trailing _ of a field is dropped."""
    given = {field.rstrip("_"): value for field, value in spec.items()}
    return KINDS[kind].model_validate({"kind": kind, "name": name, "spec": given})


HELD: dict[str, Any] = {"reference": "H-1", "from": "2026-01-01", "until": "2027-12-31", "departments": ["57"]}


def agent(name: str, organisation: str, **spec: Any) -> DeclaredObject:
    fields: dict[str, Any] = {"roles": ["operator"], "habilitation": HELD, "organisation": organisation}
    return made("Agent", name, **(fields | spec))


def camera(name: str, owner: str | None = "ville-a", **spec: Any) -> DeclaredObject:
    fields: dict[str, Any] = {
        "streams": {"main": {"url": "push:"}},
        "owner": owner,
        "commune": "57463",
        "regime": "street",
        "ptz": {},
    }
    return made("Camera", name, **{key: value for key, value in (fields | spec).items() if value is not None})


def authorisation(name: str = "order-a", **spec: Any) -> DeclaredObject:
    fields: dict[str, Any] = {
        "number": "57-2026-031",
        "from": "2026-01-01",
        "until": "2026-12-31",
        "cameras": {"regime": ["street", "building"]},
        "purposes": ["public-safety", "inquiry", "ticketing"],
        "retention_days": 30,
    }
    return made("Authorisation", name, **(fields | spec))


def convention(name: str = "a-police", **spec: Any) -> DeclaredObject:
    fields: dict[str, Any] = {
        "from": "ville-a",
        "to": "police",
        "cameras": {"commune": "57463"},
        "rights": ["live", "ptz"],
        "ptz_rank": 80,
        "windows": ["Mo-Fr 07:00-19:00"],
        "from_date": "2026-01-01",
        "until_date": "2026-12-31",
        "purposes": ["public-safety", "inquiry"],
        "default_purpose": "public-safety",
    }
    given = {key: value for key, value in (fields | spec).items() if value is not None}
    return made("Convention", name, **given)


ORGANISATIONS = [
    made("Organisation", "ville-a", type="municipality", communes=["57463"]),
    made("Organisation", "ville-b", type="municipality", communes=["57672"]),
    made("Organisation", "csu", type="shared-centre", communes=["57463", "57672"]),
    made("Organisation", "police", type="police"),
    made("Organisation", "station", type="police", parent="police"),
    made("Organisation", "rail", type="rail"),
    made("Organisation", "homes", type="landlord"),
    made("Post", "wall", organisation="csu", addresses=["10.2.0.7"]),
    made("Post", "station-desk", organisation="station", addresses=["10.3.0.0/28"]),
]

PEOPLE = [
    agent("ann", "ville-a"),
    agent("ben", "ville-b"),
    agent("cleo", "csu", made_available_to=["ville-a", "ville-b"]),
    agent("carl", "csu"),
    agent("lea", "station", habilitation=HELD | {"departments": "*"}),
    agent("rob", "rail"),
    agent("tic", "ville-a", roles=["ticket"], default_purpose="ticketing"),
    agent("req", "ville-a", roles=["requisition"]),
    agent("adm", "ville-a", roles=["administrator"]),
]

CAMERAS = [
    camera("a-street", operated_by="csu"),
    camera("a-ticket", ticketing=True),
    camera("a-hall", regime="building", operated_by="csu"),
    camera("b-street", "ville-b", commune="57672", operated_by="csu"),
    camera("rail-hall", "rail", regime="building"),
    camera("homes-door", "homes", regime="partner"),
    camera("free", None, regime=None),
]

CITY = [*ORGANISATIONS, *PEOPLE, *CAMERAS, authorisation(), convention()]
