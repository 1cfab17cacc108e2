"""What lines and answers say of a name, from the objects of a state: a camera's commune, an agent's organisation."""

from collections.abc import Mapping
from typing import Any

from vigie.control.diff import Find
from vigie.forms import camera_of


def spec_of_camera(camera: str, *states: Find) -> Mapping[str, Any]:
    """Of a camera or a form of it; of its site, where only that is declared. The first state that knows it counts."""
    name = camera_of(camera)
    site, dot, _ = name.partition(".")
    for find in states:
        body = find("Camera", name) or (find("Site", site) if dot else None)
        if body is not None:
            spec: Mapping[str, Any] = body["spec"]
            return spec
    return {}


def commune_of(camera: str, *states: Find) -> str | None:
    """As `spec_of_camera` has it."""
    return spec_of_camera(camera, *states).get("commune")


def organisation_of(agent: str, find: Find) -> str | None:
    """None also where there is no such agent."""
    body = find("Agent", agent)
    organisation: str | None = None if body is None else body["spec"].get("organisation")
    return organisation
