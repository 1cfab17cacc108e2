"""Which changes may show more than before. Pure, and stricter than the engine, which knows the areas of polygons.

For changes that nobody has written down as such: a rollback brings back old text, and its old reasons.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from vigie.control.diff import Body, Find, Key, canonical

_OPEN = ("clear", "masked_at_source")


def shows_more(before: Mapping[Key, Body], after: Mapping[Key, Body | None]) -> dict[Key, str]:
    """The objects of `after` that may show more than they do in `before`, and what. None: deleted, which shows less."""
    # By what they are of: a set under another name may take the place of a larger one.
    sets = {set_of(body): body for (kind, _), body in before.items() if kind == "MaskSet"}
    found = {}
    for key, body in after.items():
        if body is None:
            continue
        old = sets.get(set_of(body)) if key[0] == "MaskSet" else before.get(key)
        if why := next(_why(key[0], {} if old is None else old["spec"], body["spec"], old is None), None):
            found[key] = why
    return found


def set_of(body: Body) -> tuple[Any, Any]:
    """What a mask set is of: its camera and version."""
    return body["spec"].get("camera"), body["spec"].get("version")


def uncovers(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether a mask set that the engine took in another's place may hide less.

    Regions that would be smaller it takes only with the reason for that; without one they hide as much as before.
    """
    kept = {place_of(region) for region in new["regions"]}
    smaller = any(place_of(region) not in kept for region in old["regions"])
    reasoned = bool(new.get("removal_reason", "").strip(" "))
    unwatched = new.get("scene_watch", True) is False and old.get("scene_watch", True) is not False
    return (smaller and reasoned) or unwatched


def is_open(camera: str, find: Find) -> bool:
    """Whether pictures of a camera may be shown without masks of ours. Of a site's camera: any of that site's."""
    body = find("Camera", camera)
    if body is not None:
        return body["spec"].get("privacy") in _OPEN
    site = find("Site", camera.partition(".")[0]) if "." in camera else None
    if site is None:
        return False
    decided = [site["spec"], *site["spec"].get("overrides", {}).values()]
    return any(each.get("privacy") in _OPEN for each in decided)


def _why(kind: str, old: Mapping[str, Any], new: Mapping[str, Any], is_new: bool) -> Iterator[str]:
    if kind == "MaskSet" and not is_new:
        kept = {place_of(region) for region in new["regions"]}
        for region in old["regions"]:
            if place_of(region) not in kept:
                yield f'the region "{region["name"]}" would be smaller or gone'
        if new.get("scene_watch", True) is False and old.get("scene_watch", True) is not False:
            yield "the scene would not be watched any more"
    if kind in ("Camera", "Site"):
        privacy, was = new.get("privacy", "withheld"), old.get("privacy", "withheld")
        if privacy != was and privacy in _OPEN:
            yield f"it would turn from {was} to {privacy}"
        for token, own in new.get("overrides", {}).items():
            was = old.get("overrides", {}).get(token, {}).get("privacy")
            if own.get("privacy") in _OPEN and own["privacy"] != was:
                yield f'its camera "{token}" would turn {own["privacy"]}'
        if not is_new and canonical(old.get("dome")) != canonical(new.get("dome")):
            yield "its dome would be trusted in another way"


def place_of(region: Mapping[str, Any]) -> str:
    """What a region hides, and when."""
    points = [[float(number) for number in point] for point in region["points"]]
    return canonical([region.get("space", "picture"), points, region.get("from"), region.get("until")])
