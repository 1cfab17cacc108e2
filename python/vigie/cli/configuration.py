"""Loading YAML for the command line: what is wrong goes to stderr, one line a problem."""

import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from vigie.policy import ConfigurationError, Problem, Town, compile_snapshot, load_town
from vigie.policy.compile import choose_server


def print_problems(problems: Iterable[Problem], level: str = "error") -> None:
    """One line a problem."""
    print_lines(f"{level}: {problem}" for problem in problems)


def print_lines(lines: Iterable[str]) -> None:
    """Lines on stderr, at once."""
    for line in lines:
        print(line, file=sys.stderr)
    sys.stderr.flush()


def summary(town: Town) -> str:
    """`2 cameras (1 clear, 1 withheld), 0 agents, 1 server`."""
    privacy = Counter(camera.object.spec.privacy for camera in town.cameras)
    states = ", ".join(f"{count} {state}" for state, count in sorted(privacy.items()))
    parts = [
        f"{len(town.cameras)} camera{_s(town.cameras)}{f' ({states})' if states else ''}",
        f"{len(town.agents)} agent{_s(town.agents)}",
        f"{len(town.servers)} server{_s(town.servers)}",
    ]
    if town.sites:
        parts.insert(1, f"{len(town.sites)} site{_s(town.sites)}")
    return ", ".join(parts)


def _s(items: Sequence[object]) -> str:
    return "" if len(items) == 1 else "s"


def check(files: Sequence[Path], server: str | None, as_json: bool = False) -> int:
    """Checks files, prints the outcome; the exit code. With `as_json`, an object on stdout besides."""
    try:
        town = load_town(files)
        if len(town.servers) > 1 and server is None:
            for each in town.servers:
                compile_snapshot(town, 1, each.object.name)
        else:
            choose_server(town, server)
            compile_snapshot(town, 1, server)
    except ConfigurationError as error:
        print_problems(error.problems)
        count = len(error.problems)
        print(f"{count} mistake{'' if count == 1 else 's'}", file=sys.stderr)
        if as_json:
            print(json.dumps({"ok": False, "problems": [vars(one) for one in error.problems], "warnings": []}))
        return 2
    print_problems(town.warnings, "warning")
    if as_json:
        warnings = [vars(one) for one in town.warnings]
        print(json.dumps({"ok": True, "problems": [], "warnings": warnings, "summary": summary(town)}))
    else:
        print(f"ok: {summary(town)}")
    return 0
