"""Writes the YAML of a made-up city: `python examples/city/generate.py metropolis --out DIR`.

The same options give the same files. What is in each city stands in the README beside this file.
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # this folder is the package `city`

from city import department, metropolis, small
from city.parts import Choice, City


def parser() -> argparse.ArgumentParser:
    """What can be chosen."""
    known = argparse.ArgumentParser(description="Writes the YAML of a made-up city.")
    cities = known.add_subparsers(dest="city", required=True, metavar="CITY")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--out", type=Path, required=True, metavar="DIR", help="where to write; made if missing")
    common.add_argument("--seed", type=int, default=1, help="the same seed gives the same city (%(default)s)")
    fields = "with {n} (counts from 0; {n:03d}), {name}, {commune}, {ip}"
    common.add_argument("--address", default=Choice.address, help=f"of main streams, {fields} (%(default)s)")
    common.add_argument(
        "--sub-address", default=Choice.sub_address, help='of sub streams, or "" for none (%(default)s)'
    )
    common.add_argument("--listen", default=Choice.listen, help="where viewers are served (%(default)s)")
    common.add_argument("--masked", type=float, default=Choice.masked, help="share of cameras with masks (%(default)s)")
    common.add_argument("--year", type=int, default=Choice.year, help="in which the orders begin (%(default)s)")
    common.add_argument(
        "--no-administrators", action="store_true", help="whoever runs the service may change everything"
    )
    one = cities.add_parser("metropolis", parents=[common], help="27 communes, a shared centre, many owners")
    one.add_argument("--communes", type=int, default=27)
    one.add_argument("--street", type=int, default=430, help="cameras in streets (%(default)s)")
    one.add_argument("--buildings", type=int, default=336, help="cameras in public buildings (%(default)s)")
    one = cities.add_parser("department", parents=[common], help="150 small communes, one shared centre")
    one.add_argument("--communes", type=int, default=150)
    one.add_argument("--cameras", type=int, default=3000)
    one.add_argument("--operators", type=int, default=40, help="of the centre (%(default)s)")
    one = cities.add_parser("small", parents=[common], help="a town, its police station, a rail company")
    one.add_argument("--cameras", type=int, default=10)
    one.add_argument(
        "--window", action="append", help='when the police may look, such as "Mo-Fr 07:00-19:00"; may be repeated'
    )
    return known


def made(given: argparse.Namespace) -> City:
    """The city of these options. Raises: ValueError, KeyError (a pattern with an unknown field)."""
    fields = (given.seed, given.address, given.sub_address, given.listen, given.masked, given.year)
    choice = Choice(*fields, administrators=not given.no_administrators)
    city = City(choice)
    if given.city == "metropolis":
        return metropolis.build(city, given.communes, given.street, given.buildings)
    if given.city == "department":
        return department.build(city, given.communes, given.cameras, operators=given.operators)
    return small.build(city, given.cameras, tuple(given.window or ("Mo-Fr 07:00-19:00",)))


def main() -> int:
    """Writes; the exit code."""
    given = parser().parse_args()
    if not 0 <= given.masked <= 1:
        print(f"--masked: {given.masked}; right would be 0 to 1", file=sys.stderr)
        return 2
    try:
        city = made(given)
    except (ValueError, KeyError, IndexError) as error:
        what = f"no such field {error} in an address; right would be n, name, commune or ip"
        print(f"error: {what if isinstance(error, LookupError) else error}", file=sys.stderr)
        return 2
    city.write(given.out)
    counts = Counter(body["kind"] for body in city.bodies)
    print(f"{given.out}: " + ", ".join(f"{count} {kind}" for kind, count in counts.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
