"""Mask sets and the cameras they are of: the checks between the two, and what the core is told. Pure.

A camera of a site is known only once its partner has answered: sets that name one wait until then.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vigie.forms import form_name
from vigie.policy import texts
from vigie.policy.declared import Declared, Town
from vigie.policy.mask_objects import MaskRegion, MaskSet
from vigie.policy.objects import Camera
from vigie.policy.problems import Problem, suggestion

MAX_VERSIONS = 16
Sets = Mapping[str | None, Declared[MaskSet]]


def version_names(town: Town) -> list[str]:
    """`camera@version` of every declared version."""
    return [form_name(camera, version) for camera, sets in town.sets.items() for version in sets if version is not None]


def mask_problems(town: Town, part: Town | None = None) -> Iterator[Problem]:
    """What is wrong between mask sets and cameras; with a part of the town, those of its mask sets alone."""
    wanted = town.mask_sets if part is None else part.mask_sets
    if not wanted:
        return
    sites = {item.object.name for item in town.sites}
    for item in wanted:
        spec = item.object.spec
        first = town.sets[spec.camera][spec.version]
        if first is not item:
            of = "the camera" if spec.version is None else f"the version {spec.version}"
            place = f"{first.document.file}:{first.document.line_of(('spec', 'camera'))}"
            what = f"{of} has the MaskSet {first.object.name} already ({place}); right would be one with all regions"
            yield item.problem(("spec", "camera"), what)
        if (camera := town.cameras_by_name.get(spec.camera)) is not None:
            yield from _problems_of_set(item, camera.object)
        elif not may_come(spec.camera, sites):
            what = f'no camera "{spec.camera[:64]}"; {suggestion(spec.camera, sorted(town.cameras_by_name))}'
            yield item.problem(("spec", "camera"), what)
    for camera_name in dict.fromkeys(item.object.spec.camera for item in wanted):
        versions = [item for version, item in town.sets[camera_name].items() if version is not None]
        for item in versions[MAX_VERSIONS:]:
            what = f"more than {MAX_VERSIONS} versions of the camera {camera_name}"
            yield item.problem(("spec", "version"), what)


def may_come(camera: str, sites: set[str]) -> bool:
    """Whether a name is one that a camera of one of these sites could have."""
    site, dot, _ = camera.partition(".")
    return bool(dot) and site in sites and texts.name_problem(camera) is None


def _problems_of_set(item: Declared[MaskSet], camera: Camera) -> Iterator[Problem]:
    spec, privacy = item.object.spec, camera.spec.privacy
    if spec.version is None and privacy == "clear":
        what = "a camera that is clear; right would be privacy: masked there, or a version of it here"
        yield item.problem(("spec", "camera"), what)
    if spec.version is not None and privacy == "masked_at_source":
        what = "of a camera whose pictures are passed on (masked_at_source); right would be privacy: masked there"
        yield item.problem(("spec", "version"), what)
    for index, region in enumerate(spec.regions):
        if region.space != "world":
            continue
        if camera.spec.dome is None:
            what = f"world, though the camera {camera.name} has no dome; right would be picture, or dome: {{}} there"
            yield item.problem(("spec", "regions", index, "space"), what)
        elif privacy == "masked_at_source":
            what = "world, which cannot be looked for in the camera's own pictures; right would be picture"
            yield item.problem(("spec", "regions", index, "space"), what)


def compiled_set(item: Declared[MaskSet], revision: int, before: Mapping[str, Any] | None) -> dict[str, Any]:
    """A set as the core takes it.

    Its number is the declared one; else the one of `before`, the set in force, while no region changes, and greater
    than that and at least `revision`, the snapshot's own, when one does.
    """
    spec = item.object.spec
    regions = [_region(region) for region in spec.regions]
    if spec.revision is not None:
        revision = spec.revision
    elif before is not None:
        same = before["regions"] == regions
        revision = before["revision"] if same else max(revision, before["revision"] + 1)
    compiled: dict[str, Any] = {
        "revision": revision,
        "reason": spec.reason,
        "removal_reason": spec.removal_reason,
        "regions": regions,
    }
    if not spec.scene_watch:
        compiled["scene_watch"] = False
    return compiled


def sets_in_force(snapshot: Mapping[str, Any]) -> dict[tuple[str, str | None], Mapping[str, Any]]:
    """The mask sets of a compiled snapshot, by camera and version."""
    found: dict[tuple[str, str | None], Mapping[str, Any]] = {}
    cameras: Sequence[Mapping[str, Any]] = snapshot["cameras"]
    for camera in cameras:
        if "masks" in camera:
            found[camera["name"], None] = camera["masks"]
        for version in camera.get("versions", ()):
            found[camera["name"], version["name"]] = version["masks"]
    return found


def _region(region: MaskRegion) -> dict[str, Any]:
    compiled: dict[str, Any] = {
        "name": region.name,
        "reason": region.reason,
        "space": region.space,
        "points": region.points,
        "fill": region.fill,
    }
    if region.from_ is not None:
        compiled["from"] = region.from_
    if region.until is not None:
        compiled["until"] = region.until
    return compiled
