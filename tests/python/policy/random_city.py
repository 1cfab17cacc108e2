"""Random small cities: few names, so that rules meet; days on which clocks are set.

Made from a seed, not drawn part by part: hypothesis would spend longer on drawing than the rules and their model on
thinking.
"""

from random import Random
from typing import Any

from vigie.policy.fields import DeclaredObject
from vigie.policy.fingerprint import fingerprint
from vigie.policy.objects import KINDS

ZONES = ["Europe/Paris", "Europe/Paris", "Atlantic/Azores", "America/Miquelon", "Indian/Reunion"]
DAYS = "2026-03-27 2026-03-28 2026-03-29 2026-03-30 2026-06-15 2026-10-24 2026-10-25 2026-10-26".split()
CLOCKS = "00:00 00:30 01:00 01:30 02:00 02:30 03:00 05:00 12:00 22:00 23:59".split()
EARLY = ["2025-07-01", "2025-07-01", "2026-03-28", "2026-03-29", "2026-03-29T00:30:00Z", "2026-10-24"]
WINDOWS = [
    ["24/7"],
    ["24/7"],
    ["00:00-24:00"],
    ["Mo-Fr 07:00-19:00"],
    ["Sa,Su 22:00-06:00"],
    ["Mo-Su 02:30-05:00"],
    ["Mo-Su 22:00-02:30"],
    ["Mo-Su 02:10-02:50"],
    ["Su 01:00-04:00", "Mo 00:00-24:00"],
    ["Fr-Mo 12:00-12:30,23:00-00:30"],
    ["00:00-12:00"],
    ["12:00-24:00"],
    ["Mo-Su 00:00-01:00", "Mo-Su 01:00-24:00"],
]
COMMUNES = ["57463", "57463", "57672", "97411", None]
PURPOSES = ["public-safety", "inquiry", "ticketing"]
ORGANISATIONS = ["ville-a", "ville-b", "pm-a", "csu", "police", "commissariat", "rail"]
ROLES = ["operator", "operator", "supervisor", "ticket", "requisition", "auditor"]
RANKS: list[Any] = [10, 80, {"operator": 20}, {"operator": 30, "supervisor": 90}]
CAMERAS = ["c1", "c2", "c3"]
AGENTS = ["ann", "bob", "eve"]
SELECTORS: list[dict[str, Any]] = [
    {"commune": "57463"},
    {"commune": ["57463", "57672"]},
    {"regime": "street"},
    {"regime": ["street", "building", "partner"]},
    {"owner": "ville-a"},
    {"names": ["c1", "c2"]},
    {"names": ["c1", "c2", "c3"], "regime": ["street", "building"]},
    {"names": ["c1", "c2", "c3"]},
]


def instant(r: Random) -> str:
    return f"{r.choice(DAYS)}T{r.choice(CLOCKS)}:00+00:00"


def late(r: Random) -> str:
    return r.choice(["2029-12-31", "2026-10-25", "2027-05-05", r.choice(DAYS), instant(r)])


def mostly(r: Random, usual: Any, values: list[Any]) -> Any:
    """What usually lets a right be, else anything: else nearly every question would be refused for several reasons."""
    return usual if r.random() < 0.9 else r.choice(values)


def some(r: Random, values: list[Any], least: int, most: int) -> list[Any]:
    return list(dict.fromkeys(r.choices(values, k=r.randint(least, most))))


def made(kind: str, name: str, **spec: Any) -> DeclaredObject | None:
    """The object, or None when these fields do not fit together."""
    given = {field.rstrip("_"): value for field, value in spec.items() if value is not None}
    try:
        return KINDS[kind].model_validate({"kind": kind, "name": name, "spec": given})
    except ValueError:
        return None


def organisations(r: Random) -> list[DeclaredObject | None]:
    return [
        made("Organisation", "ville-a", type="municipality", communes=["57463"]),
        made("Organisation", "ville-b", type="municipality", communes=["57672"], ptz_rank=r.choice(RANKS)),
        made("Organisation", "pm-a", type="municipality", parent=r.choice([None, "ville-a", "csu"])),
        made("Organisation", "csu", type="shared-centre", communes=["57463", "57672"]),
        made("Organisation", "police", type="police"),
        made("Organisation", "commissariat", type="police", parent=r.choice([None, "police"])),
        made("Organisation", "rail", type="rail"),
        made("Post", "post-csu", organisation="csu", addresses=["10.0.0.1"]),
        made("Post", "post-police", organisation="police", addresses=["10.0.0.2"]),
    ]


def agents(r: Random, name: str) -> DeclaredObject | None:
    until = mostly(r, None, [instant(r)])
    if r.randint(0, 7) == 0:
        listed = r.choice([["*"], ["c1"], ["c1@police", "c2"], ["c1", "c1@school"]])
        return made("Agent", name, password="x", cameras=listed, until=until, roles=some(r, ROLES, 0, 2))
    machine = r.randint(0, 7) == 0
    held = {
        "reference": "h",
        "from": mostly(r, "2025-07-01", EARLY),
        "until": mostly(r, "2029-12-31", [late(r)]),
        "zone": r.choice(ZONES),
        "departments": mostly(r, "*", [["57"], ["57", "974"], ["54"]]),
        "suspended": r.randint(0, 15) == 0,
    }
    return made(
        "Agent",
        name,
        password="x",
        organisation=mostly(r, {"ann": "ville-a", "bob": "police", "eve": "csu"}[name], ORGANISATIONS),
        machine=machine,
        roles=[] if machine else [*mostly(r, [r.choice(["operator", "supervisor"])], [[]]), *some(r, ROLES, 0, 1)],
        habilitation=None if machine else held,
        made_available_to=some(r, ["ville-a", "ville-b", "csu"], 0, 2),
        default_purpose=mostly(r, "inquiry", [None, *PURPOSES]),
        cameras=mostly(r, None, [["c1", "c2@police"], ["c1@police"], ["*"]]),
        until=until,
    )


def cameras(r: Random, name: str) -> DeclaredObject | None:
    owner = mostly(r, "ville-a", ["ville-b", "csu", "rail", None])
    inside = {"lat": 49.1, "lon": 6.15}
    return made(
        "Camera",
        name,
        streams={"main": {"url": "push:"}},
        owner=owner,
        operated_by=r.choice([None, "csu", "ville-a"]),
        commune=mostly(r, "57463", COMMUNES),
        regime=r.choice(["street", "street", "building", "partner", None]),
        ticketing=r.random() < 0.5,
        ptz=mostly(r, {}, [None]),
        position=r.choice([None, inside, {"lat": 10.0, "lon": 10.0}]),
    )


def authorisations(r: Random, name: str) -> DeclaredObject | None:
    triangle = [[6.0, 49.0], [6.3, 49.0], [6.15, 49.3]]
    by_place = r.randint(0, 4) == 0
    glass = {"reason": "late", "from": instant(r), "until": instant(r)}
    return made(
        "Authorisation",
        name,
        number=name,
        holder=r.choice([None, None, "ville-a"]),
        from_=mostly(r, "2025-07-01", EARLY),
        until=mostly(r, "2029-12-31", [late(r)]),
        zone=r.choice(ZONES),
        cameras=None if by_place else r.choice(SELECTORS),
        perimeter=triangle if by_place else None,
        purposes=mostly(r, PURPOSES, [some(r, PURPOSES, 1, 2)]),
        retention_days=30,
        recipients=some(r, ["police", "commissariat", "rail"], 0, 2),
        break_glass=r.choice([None, glass]),
    )


def conventions(r: Random, name: str) -> DeclaredObject | None:
    rights = mostly(r, ["live", "ptz", "playback", "export"], [["live"], ["live", "ptz"], ["playback"]])
    purposes = mostly(r, ["inquiry", "public-safety"], [some(r, PURPOSES, 1, 2)])
    return made(
        "Convention",
        name,
        from_=mostly(r, "ville-a", ["ville-b", "csu", "rail"]),
        to=mostly(r, "police", ["commissariat", "csu", "ville-b", "ville-a"]),
        cameras=mostly(r, SELECTORS[3], SELECTORS),
        rights=rights,
        ptz_rank=r.choice(RANKS) if "ptz" in rights else None,
        windows=r.choice(WINDOWS),
        zone=r.choice(ZONES),
        from_date=mostly(r, "2025-07-01", EARLY),
        until_date=r.choice([None, late(r)]),
        purposes=purposes,
        default_purpose=mostly(r, purposes[0], [None]),
        trigger=r.choice(["standing", "standing", "opening"]),
        max_opening_h=r.choice([2.0, 12.0, 5000.0 / 7]),
        posts=mostly(r, [], [["post-police"]]),
        extra_masks=r.choice([None, None, "police", "school"]),
        cut=mostly(r, None, [{"since": instant(r), "reason": "r"}]),
    )


def openings(r: Random, name: str) -> DeclaredObject | None:
    return made(
        "Opening",
        name,
        conventions=some(r, ["k1", "k2", "k3", "k4"], 1, 3),
        event=r.choice(["match", "Match ", "fire"]),
        motive="m",
        from_=instant(r),
        until=r.choice([None, instant(r)]),
    )


def mask_set(camera: str, version: str) -> DeclaredObject | None:
    region = {"name": "r", "points": [[0.1, 0.1], [0.2, 0.1], [0.1, 0.2]]}
    return made("MaskSet", f"{camera}-{version}", camera=camera, version=version, reason="r", regions=[region])


def city(seed: int) -> tuple[list[DeclaredObject], frozenset[str]]:
    """Objects, and the conventions whose cut is approved."""
    r = Random(seed)
    found: list[DeclaredObject | None] = organisations(r)
    found += [agents(r, name) for name in AGENTS]
    found += [cameras(r, name) for name in CAMERAS]
    found += [authorisations(r, f"a{k}") for k in range(mostly(r, 2, [0, 1, 3]))]
    made_conventions = [conventions(r, f"k{k}") for k in range(1, r.randint(2, 5))]
    found += made_conventions
    found += [openings(r, f"o{k}") for k in range(r.randint(0, 3))]
    found += [
        mask_set(camera, version) for camera in ("c1", "c2") for version in ("police", "school") if r.random() < 0.8
    ]
    if r.randint(0, 3) == 0:
        start = r.choice(["2025-07-01T00:00:00Z", instant(r)])
        end = r.choice(["2029-01-01T00:00:00Z", instant(r)])
        fields = {"from_": start, "until": end, "persons": r.choice([["ann"], ["eve"]])}
        found.append(made("WatchOrder", "w", organisation="police", reference="w", cameras=["c1", "c2"], **fields))
    approved = set()
    for item in made_conventions:
        if item is not None and r.random() < 0.5:
            fields = {"name": item.name, "change": "cut", "fingerprint": fingerprint(item), "reason": "r"}
            given = {"requested_by": "ann", "given_by": "bob", "given_at": "2026-01-01T00:00:00Z"}
            spec = {"kind": "Convention", **fields, **given}
            value = {"kind": "Approval", "name": f"yes-{item.name}", "spec": spec}
            found.append(KINDS["Approval"].model_validate(value))
            approved.add(item.name)
    return [item for item in found if item is not None], frozenset(approved)
