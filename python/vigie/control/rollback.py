"""What a rollback brings back, and what it must not: a secret that was changed, a mask that hides less. Pure."""

from collections.abc import Mapping
from typing import Any

from vigie.control.diff import Body, Key, same_body
from vigie.control.loosening import set_of, shows_more
from vigie.control.proposals import texts_of, with_value
from vigie.policy.problems import Problem


def restored(
    current: Mapping[Key, Body], wanted: Mapping[Key, Body | None], removal_reason: str
) -> tuple[dict[Key, Body | None], list[Problem]]:
    """The bodies to put in force, and what forbids it."""
    bodies = {key: _with_secrets_of(current.get(key), body) for key, body in wanted.items()}
    looser = shows_more(current, bodies)
    problems = []
    for (kind, name), why in looser.items():
        if not removal_reason.strip():
            what = f"{why} than now; right would be a removal reason: who agreed to that, and why"
            problems.append(Problem("rollback", 0, f"{kind} {name}", what))
    sets = {set_of(body): body for (kind, _), body in current.items() if kind == "MaskSet"}
    domes = {name for kind, name in looser if kind == "Camera"}
    # A dome that is trusted in another way moves what its sets hide: they say why, though they do not change.
    moved = {key: body for key, body in current.items() if key[0] == "MaskSet" and body["spec"]["camera"] in domes}
    for key, body in {**moved, **bodies}.items():
        if key[0] != "MaskSet" or body is None:
            continue
        spec = dict(body["spec"])
        # A reason that somebody gave then is no reason now.
        spec.pop("removal_reason", None)
        if removal_reason and (key in looser or spec["camera"] in domes):
            spec["removal_reason"] = removal_reason
        now = sets.get(set_of(body))
        if now is not None and "revision" in spec and not same_body(now["spec"]["regions"], spec["regions"]):
            spec["revision"] = max(spec["revision"], now["spec"].get("revision", 0)) + 1
        bodies[key] = {**body, "spec": spec}
    return {key: body for key, body in bodies.items() if not same_body(body, current.get(key))}, problems


def _with_secrets_of(now: Body | None, body: Body | None) -> Body | None:
    """With today's secrets: what was changed since may have been changed because it was known."""
    if now is None or body is None:
        return body
    result: Any = body
    for path, text in texts_of(body):
        if not text.startswith("state:"):
            continue
        value: Any = now
        for step in path:
            value = value.get(step) if isinstance(value, Mapping) else None
        if isinstance(value, str):
            result = with_value(result, path, value)
    rolled: Body = result
    return rolled
