"""`vigie can`: asks the rules, and says the answer in one paragraph."""

import json
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from vigie.cli.configuration import print_problems
from vigie.policy import ConfigurationError, load_town
from vigie.policy.problems import suggestion
from vigie.policy.reasons import Decision, explain
from vigie.policy.rights import decide
from vigie.policy.sharing_objects import Action
from vigie.policy.texts import utc_text, zulu
from vigie.policy.windows import datetime_of, ns_of, zone_of
from vigie.policy.world import World


def can(
    files: Sequence[Path],
    agent: str,
    camera: str,
    action: Action,
    purpose: str | None,
    at: str | None,
    post: str | None,
    zone: str,
    as_json: bool,
) -> int:
    """Prints the answer; the exit code: 0 yes, 1 no, 2 what was given is wrong."""
    try:
        instant = time.time_ns() if at is None else ns_of(datetime.fromisoformat(utc_text(at)))
        zone_of(zone)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    try:
        town = load_town(files)
    except ConfigurationError as error:
        print_problems(error.problems)
        return 2
    world = World.of(town.objects())
    for kind, name, known in (("Agent", agent, world.agents), ("Camera", camera, world.places)):
        if name not in known:
            print(f'error: no {kind} "{name[:64]}"; {suggestion(name, known)}', file=sys.stderr)
            return 2
    decision = decide(world, agent, camera, action, purpose, instant, post)
    hidden = [item.object.spec.privacy == "withheld" for item in town.cameras if item.object.name == camera]
    if as_json:
        print(json.dumps(decision_json(decision), indent=2))
    else:
        print(explain(decision, zone) + (" The camera is withheld: nobody sees its pictures." if any(hidden) else ""))
    return 0 if decision.allowed else 1


def decision_json(decision: Decision) -> dict[str, object]:
    """A decision for whoever asked, without what is sealed. Instants in UTC."""
    until = decision.shown_until
    return {
        "allowed": decision.allowed,
        "code": decision.code,
        "agent": decision.agent,
        "camera": decision.camera,
        "action": decision.action,
        "purpose": decision.purpose,
        "at": _text(decision.at),
        "until": None if until is None else _text(until),
        "published": decision.published if decision.allowed else None,
        "rights": list(decision.rights),
        "ptz_rank": decision.ptz_rank,
        "by": decision.by,
        "break_glass": decision.break_glass,
        "why": [
            {"object": fact.object, "code": fact.code, "says": fact.says, "allows": fact.allows}
            for fact in decision.why
            if not fact.sealed
        ],
        "ask": list(decision.ask),
    }


def _text(ns: int) -> str:
    return zulu(datetime_of(ns), "seconds")
