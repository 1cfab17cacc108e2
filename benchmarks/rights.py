"""How long rights take to compile: 5 000 cameras, 200 conventions, 400 agents.

    .venv/bin/python benchmarks/rights.py [--cameras 5000] [--conventions 200] [--agents 400] [--rounds 5]

Prints, in milliseconds, the least and the median of the rounds: indexing all objects and compiling everybody's rights;
the same after one changed convention; one decision. The objects are made before, as if they had been read. Asserts that
a changed convention changes what it should. Compare figures of one run only.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from random import Random
from typing import Any

from vigie.policy.fields import DeclaredObject
from vigie.policy.live_rights import LiveRights, live_rights
from vigie.policy.objects import KINDS
from vigie.policy.rights import decide
from vigie.policy.windows import SECOND
from vigie.policy.world import World

NOON = 1_780_308_000 * SECOND  # a Monday, 10:00 UTC
COMMUNES = [f"57{number:03d}" for number in range(100, 127)]
WINDOWS = [["24/7"], ["Mo-Fr 07:00-19:00"], ["Fr-Su 20:00-06:00"], ["08:00-18:00"]]


def made(kind: str, name: str, **spec: Any) -> DeclaredObject:
    """A checked object; a trailing _ of a field is dropped."""
    fields = {field.rstrip("_"): value for field, value in spec.items()}
    return KINDS[kind].model_validate({"kind": kind, "name": name, "spec": fields})


def city(cameras: int, conventions: int, agents: int) -> list[DeclaredObject]:
    """27 communes with a shared centre, ten other owners, eight stations."""
    r = Random(1)
    towns = [f"ville-{commune}" for commune in COMMUNES]
    others = [f"owner-{number}" for number in range(10)]
    stations = [f"station-{number}" for number in range(8)]
    found = [
        made("Organisation", town, type="municipality", communes=[commune])
        for town, commune in zip(towns, COMMUNES, strict=True)
    ]
    found += [made("Organisation", other, type=r.choice(["rail", "transit", "venue"])) for other in others]
    found += [made("Organisation", "police", type="police"), made("Organisation", "centre", type="shared-centre")]
    found += [made("Organisation", station, type="police", parent="police") for station in stations]
    for number in range(cameras):
        commune = r.choice(COMMUNES)
        ours = r.random() < 0.8
        found.append(
            made(
                "Camera",
                f"cam-{number:05d}",
                streams={"main": {"url": f"rtsp://10.0.{number // 256}.{number % 256}/main"}},
                owner=f"ville-{commune}" if ours else r.choice(others),
                operated_by="centre",
                commune=commune,
                regime="street" if ours and r.random() < 0.6 else "building",
                privacy="clear",
                privacy_reason="a benchmark",
            )
        )
    for owner in [*towns, *others]:
        fields = {"number": owner, "holder": owner, "cameras": {"owner": owner}, "retention_days": 30}
        dates = {"from_": "2026-01-01", "until": "2030-12-31"}
        found.append(made("Authorisation", owner, purposes=["public-safety"], **fields, **dates))
    found += [convention(r, f"convention-{number:03d}", [*towns, *others], stations) for number in range(conventions)]
    found += [agent(r, f"agent-{number:03d}", number, towns, stations) for number in range(agents)]
    return found


def convention(r: Random, name: str, owners: list[str], stations: list[str]) -> DeclaredObject:
    """One that covers a part of its owner's cameras."""
    return made(
        "Convention",
        name,
        from_=r.choice(owners),
        to=r.choice(["police", *stations, "centre"]),
        cameras={"commune": r.sample(COMMUNES, 14), "regime": r.choice([["street"], ["street", "building"]])},
        rights=["live"],
        windows=r.choice(WINDOWS),
        from_date="2026-01-01",
        until_date=r.choice(["2026-12-31", "2027-06-30"]),
        purposes=["public-safety"],
        default_purpose="public-safety",
    )


def agent(r: Random, name: str, number: int, towns: list[str], stations: list[str]) -> DeclaredObject:
    """Half of them of the stations, the others of the centre and the communes."""
    of = r.choice(stations) if number % 2 else r.choice(["centre", *towns])
    held = {"reference": name, "from": "2026-01-01", "until": f"2028-0{1 + number % 9}-15", "departments": ["57"]}
    lent = r.sample(towns, 9) if of == "centre" else []
    return made(
        "Agent",
        name,
        password="env:X",
        organisation=of,
        roles=["operator"],
        habilitation=held,
        made_available_to=lent,
        default_purpose="public-safety",
    )


def timed(rounds: int, work: Callable[[int], Any]) -> tuple[float, float]:
    """The least and the median of the rounds, milliseconds."""
    took = []
    for number in range(rounds):
        start = time.perf_counter()
        work(number)
        took.append((time.perf_counter() - start) * 1e3)
    return min(took), statistics.median(took)


def count(rights: LiveRights) -> int:
    """How many rights all agents have together."""
    return sum(len(held.rights) for held in rights.by_agent.values())


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser()
    for option, default in (("cameras", 5000), ("conventions", 200), ("agents", 400), ("rounds", 5)):
        parser.add_argument(f"--{option}", type=int, default=default)
    given = parser.parse_args()
    objects = city(given.cameras, given.conventions, given.agents)
    whole = timed(given.rounds, lambda _: live_rights(World.of(objects), NOON))
    world = World.of(objects)
    rights = live_rights(world, NOON)
    changed = [share.convention for share in world.shares.values() if world.covered[share.name]]
    widest = max(changed, key=lambda item: len(world.covered[item.name]))
    versions = [
        widest.model_copy(update={"spec": widest.spec.model_copy(update={"windows": windows})})
        for windows in (["Su 03:00-04:00"], ["24/7"])
    ]
    after = [live_rights(world.replacing([version]), NOON, rights) for version in versions]
    assert count(after[0]) < count(after[1])
    assert (
        after[0].by_agent
        == live_rights(
            World.of(item for items in after[0].world.kinds.values() for item in items.values()), NOON
        ).by_agent
    )
    one = timed(given.rounds, lambda number: live_rights(world.replacing([versions[number % 2]]), NOON, rights))
    person = next(name for name, item in world.agents.items() if item.spec.organisation == "station-0")
    camera = next(iter(world.covered[widest.name]))
    question = timed(given.rounds, lambda _: decide(world, person, camera, "live", None, NOON))
    given_all = f"{given.cameras} cameras, {given.conventions} conventions, {given.agents} agents"
    print(f"{given_all}; {count(rights)} rights")
    for name, (least, median) in (("all", whole), ("one convention changed", one), ("one decision", question)):
        print(f"{name:<24} {least:9.2f} ms least, {median:9.2f} ms median")


if __name__ == "__main__":
    main()
