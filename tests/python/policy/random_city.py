"""Random small cities: few names and, in each, few instants, so that rules meet; days on which clocks are set.

Made from a seed, not drawn part by part: hypothesis would spend longer on drawing than the rules and their model on
thinking. How often a part of a right is there is balanced: with too many of them every question would be refused for
several reasons, and a rule that is broken would hide behind the others.
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


class Dice(Random):
    """A seed, the few instants at which things begin and end in its city, and the owner of most of its cameras.

    So ends meet beginnings, and conventions cover cameras.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        near = self.choice(DAYS)
        # Where the clocks are set back at midnight, this comes twice.
        self.turning = self.random() < 0.3
        # Where nobody owns the cameras, agents list them.
        self.plain = self.random() < 0.12
        self.owner = self.choice(["ville-a", "ville-a", "ville-a", "rail", "csu"])
        self.instants = [f"{self.choice([near, near, *DAYS])}T{self.choice(CLOCKS)}:00+00:00" for _ in range(4)]


def instant(r: Dice) -> str:
    return r.choice(r.instants) if r.random() < 0.85 else f"{r.choice(DAYS)}T{r.choice(CLOCKS)}:00+00:00"


def zone(r: Dice) -> str:
    return "Atlantic/Azores" if r.turning and r.random() < 0.7 else r.choice(ZONES)


def early(r: Dice) -> str:
    """A beginning that is over, else one of the days and instants."""
    if r.turning and r.random() < 0.25:
        return "2026-10-25"
    return mostly(r, "2025-07-01", EARLY)


def span(r: Dice) -> tuple[str, str]:
    """From an instant until a later one, or the next hour."""
    first, second = sorted([instant(r), instant(r)])
    return first, second if first < second else f"{first[:10]}T23:59:30+00:00"


def late(r: Dice) -> str:
    if r.turning and r.random() < 0.6:
        return "2026-10-24"
    return r.choice(["2029-12-31", "2026-10-25", "2027-05-05", r.choice(DAYS), instant(r), instant(r)])


def mostly(r: Dice, usual: Any, values: list[Any], how: float = 0.92) -> Any:
    """What usually lets a right be, else anything."""
    return usual if r.random() < how else r.choice(values)


def some(r: Dice, values: list[Any], least: int, most: int) -> list[Any]:
    return list(dict.fromkeys(r.choices(values, k=r.randint(least, most))))


def made(kind: str, name: str, **spec: Any) -> DeclaredObject | None:
    """The object, or None when these fields do not fit together."""
    given = {field.rstrip("_"): value for field, value in spec.items() if value is not None}
    try:
        return KINDS[kind].model_validate({"kind": kind, "name": name, "spec": given})
    except ValueError:
        return None


def organisations(r: Dice) -> list[DeclaredObject | None]:
    return [
        made("Organisation", "ville-a", type="municipality", communes=["57463"]),
        made("Organisation", "ville-b", type="municipality", communes=["57672"], ptz_rank=r.choice(RANKS)),
        made("Organisation", "pm-a", type="municipality", parent=r.choice([None, "ville-a", "ville-a", "csu"])),
        made("Organisation", "csu", type="shared-centre", communes=["57463", "57672"]),
        made("Organisation", "police", type="police"),
        made("Organisation", "commissariat", type="police", parent=r.choice([None, "police", "police"])),
        made("Organisation", "rail", type="rail"),
        made("Post", "post-csu", organisation="csu", addresses=["10.0.0.1"]),
        made("Post", "post-police", organisation="police", addresses=["10.0.0.2"]),
    ]


def agents(r: Dice, name: str) -> DeclaredObject | None:
    until = mostly(r, None, [instant(r)])
    if r.random() < (0.6 if r.plain else 0.05):
        listed = r.choice([["*"], ["c1"], ["c1@police", "c2"], ["c1@police", "c1@school"]])
        return made("Agent", name, password="x", cameras=listed, until=until, roles=some(r, ROLES, 0, 2))
    machine = r.randint(0, 11) == 0
    held = {
        "reference": "h",
        "from": early(r),
        "until": mostly(r, "2029-12-31", [late(r)]),
        "zone": zone(r),
        "departments": mostly(r, "*", [["57"], ["57", "974"], ["54"]]),
        "suspended": r.randint(0, 24) == 0,
    }
    return made(
        "Agent",
        name,
        password="x",
        organisation=mostly(r, {"ann": "ville-a", "bob": "police", "eve": "csu"}[name], ORGANISATIONS, 0.8),
        machine=machine,
        roles=[] if machine else [*mostly(r, [r.choice(["operator", "supervisor"])], [[]]), *some(r, ROLES, 0, 2)],
        habilitation=None if machine else held,
        made_available_to=some(r, ["ville-a", "ville-b", "csu"], 0, 2),
        default_purpose=mostly(r, "inquiry", [None, *PURPOSES]),
        cameras=mostly(r, None, [["c1", "c2@police"], ["c1@police"], ["c2", "c3"], ["*"]]),
        until=until,
    )


def cameras(r: Dice, name: str) -> DeclaredObject | None:
    owner = mostly(r, None if r.plain else r.owner, ["ville-a", "ville-b", "csu", "rail", None], 0.75)
    inside = {"lat": 49.1, "lon": 6.15}
    return made(
        "Camera",
        name,
        streams={"main": {"url": "push:"}},
        owner=owner,
        operated_by=r.choice([None, "csu", "ville-a", "police", "ville-b"]),
        commune=mostly(r, "57463", COMMUNES, 0.75),
        regime=r.choice(["street", "street", "building", "partner", None]),
        ticketing=r.random() < 0.5,
        ptz=mostly(r, {}, [None]),
        position=r.choice([None, inside, {"lat": 10.0, "lon": 10.0}]),
    )


def authorisations(r: Dice, name: str, begins: str | None = None, ends: str | None = None) -> DeclaredObject | None:
    triangle = [[6.0, 49.0], [6.3, 49.0], [6.15, 49.3]]
    by_place = r.randint(0, 7) == 0
    since, until = span(r)
    glass = None if since[:7] != until[:7] else {"reason": "late", "from": since, "until": until}  # 31 days at most
    return made(
        "Authorisation",
        name,
        number=name,
        provisional=r.random() < 0.3,
        holder=mostly(r, None, ["ville-a"], 0.75),
        from_=begins or early(r),
        until=ends or mostly(r, "2029-12-31", [late(r)], 0.75),
        zone=zone(r),
        cameras=None if by_place else mostly(r, SELECTORS[7], SELECTORS, 0.5),
        perimeter=triangle if by_place else None,
        purposes=mostly(r, PURPOSES, [some(r, PURPOSES, 1, 2)], 0.7),
        retention_days=30,
        recipients=some(r, ["police", "commissariat", "rail", "csu"], 0, 3),
        break_glass=r.choice([None, glass]),
    )


def conventions(r: Dice, name: str, windows: list[str] | None = None) -> DeclaredObject | None:
    rights = mostly(r, ["live", "ptz", "playback", "export"], [["live"], ["live", "ptz"], ["playback"]])
    purposes = mostly(r, ["inquiry", "public-safety"], [some(r, PURPOSES, 1, 2)])
    return made(
        "Convention",
        name,
        from_=mostly(r, r.owner, ["ville-a", "ville-b", "csu", "rail"], 0.8),
        to=mostly(r, r.choice(["police", "police", "csu", "ville-a"]), ["commissariat", "ville-b"], 0.85),
        cameras=mostly(r, SELECTORS[3], SELECTORS, 0.75),
        rights=rights,
        ptz_rank=r.choice(RANKS) if "ptz" in rights else None,
        windows=windows or mostly(r, ["24/7"], WINDOWS, 0.4),
        zone=zone(r),
        from_date=early(r),
        until_date=mostly(r, None, [late(r)], 0.6),
        purposes=purposes,
        default_purpose=mostly(r, purposes[0], [None]),
        trigger=mostly(r, "standing", ["opening"], 0.7),
        max_opening_h=r.choice([2.0, 12.0, 5000.0 / 7]),
        posts=mostly(r, [], [["post-police"], ["post-csu", "post-police"]], 0.88),
        extra_masks=r.choice([None, None, "police", "school"]),
        cut=mostly(r, None, [{"since": instant(r), "reason": "r"}], 0.75),
    )


def openings(r: Dice, name: str) -> DeclaredObject | None:
    since, until = span(r)
    return made(
        "Opening",
        name,
        conventions=some(r, ["k1", "k2", "k3", "k4", "k5", "k6"], 2, 5),
        event=r.choice(["match", "Match ", "fire"]),
        motive="m",
        from_=since,
        until=r.choice([None, until]),
    )


def watch_order(r: Dice, name: str) -> DeclaredObject | None:
    since, until = span(r)
    return made(
        "WatchOrder",
        name,
        organisation="police",
        reference=name,
        persons=some(r, AGENTS, 1, 2),
        cameras=some(r, CAMERAS, 1, 2),
        from_=mostly(r, since, ["2025-07-01T00:00:00Z"], 0.7),
        until=mostly(r, until, ["2029-01-01T00:00:00Z"], 0.5),
    )


def mask_set(camera: str, version: str) -> DeclaredObject | None:
    region = {"name": "r", "points": [[0.1, 0.1], [0.2, 0.1], [0.1, 0.2]]}
    return made("MaskSet", f"{camera}-{version}", camera=camera, version=version, reason="r", regions=[region])


def city(seed: int) -> tuple[list[DeclaredObject], frozenset[str]]:
    """Objects, and the conventions whose cut is approved."""
    r = Dice(seed)
    found: list[DeclaredObject | None] = organisations(r)
    found += [agents(r, name) for name in AGENTS]
    found += [cameras(r, name) for name in CAMERAS]
    found += [authorisations(r, f"a{k}") for k in range(mostly(r, 2, [0, 1, 3], 0.7))]
    if r.random() < 0.15:  # one order follows the other
        meeting = instant(r)
        found += [authorisations(r, "a0", ends=meeting), authorisations(r, "a1", begins=meeting)]
    made_conventions = [conventions(r, f"k{k}") for k in range(1, r.randint(4, 7))]
    if r.random() < 0.25:  # one of the night and one of the day make no break
        alike = r.getstate()
        for k, half in enumerate(["00:00-12:00", "12:00-24:00"]):
            r.setstate(alike)
            made_conventions[k] = conventions(r, f"k{k + 1}", [half])
    found += made_conventions
    found += [openings(r, f"o{k}") for k in range(r.randint(0, 4))]
    found += [
        mask_set(camera, version) for camera in ("c1", "c2") for version in ("police", "school") if r.random() < 0.8
    ]
    found += [watch_order(r, f"w{k}") for k in range(r.choice([0, 0, 1, 2]))]
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
