"""Objects -> a town, checked against one another.

Each check looks at a part of the town: all of it, or what may have become wrong since a town that has passed.
"""

import os
from collections.abc import Sequence
from typing import Any

from vigie.policy import texts
from vigie.policy.declared import Declared, Town, by_key, town_of
from vigie.policy.fields import DeclaredObject
from vigie.policy.mask_objects import MaskSet
from vigie.policy.masks import mask_problems, version_names
from vigie.policy.objects import Camera, Site
from vigie.policy.people_objects import Organisation, Post
from vigie.policy.problems import ConfigurationError, Path, Problem, suggestion
from vigie.policy.references import reference_problems
from vigie.policy.secret import secret_fields
from vigie.policy.sharing_objects import Convention, Opening

# What objects of other kinds are judged by, beyond its name: with such a change everything is looked at again.
_FOR_ALL = (Organisation, Post, Site)


def assemble(declared: Sequence[Declared[Any]], problems: list[Problem], before: Town | None = None) -> Town:
    """Objects -> a town, checked against one another. `problems`: those found so far.

    `before`: a town that has passed; what cannot have become wrong since is not checked again.
    Raises: ConfigurationError with all that is wrong.
    """
    warnings: list[Problem] = []
    town = town_of(declared, warnings, before)
    part = town if before is None else _touched(before, town)
    _check_names(declared, town, problems)
    _check_names_of_sites(town, part, problems)
    if not problems:  # with errors elsewhere a camera may be missing only because its own document is wrong
        problems.extend(mask_problems(town, part))
        problems.extend(reference_problems(town, part))
    _check_cameras_of_agents(town, part, problems)
    _check_files(part, problems, warnings)
    _warn(town, part, warnings)
    if problems:
        raise ConfigurationError(problems)
    return town


def _touched(before: Town, town: Town) -> Town:
    """What a step may have made wrong: the objects that are not the former ones, and those that are judged by them."""
    changed: list[tuple[Declared[Any], Declared[Any] | None]] = []
    for items, were in zip(town.lists, before.lists, strict=True):
        if items is were:
            continue
        new, old = items.once(by_key), were.once(by_key)
        if not old.keys() <= new.keys():
            return town  # whoever names something that is gone is wrong now
        for key, item in new.items():
            was = old.get(key)
            if was is None or was.object is not item.object:
                changed.append((item, was))
    cameras: set[str] = set()
    openings = False
    for item, was in changed:
        if isinstance(item.object, _FOR_ALL) or (was is not None and _names_another(was.object, item.object)):
            return town
        if isinstance(item.object, Camera):
            cameras.add(item.object.name)
        elif isinstance(item.object, MaskSet):
            cameras.add(item.object.spec.camera)
        openings = openings or isinstance(item.object, Convention)
    found = by_key(item for item, _ in changed)
    for name in cameras:
        held = [*town.sets.get(name, {}).values(), town.cameras_by_name.get(name)]
        found |= by_key(item for item in held if item is not None)
    if openings:
        found |= by_key(item for item in town.rules if isinstance(item.object, Opening))
    return town_of(found.values())


def _names_another(was: DeclaredObject, now: DeclaredObject) -> bool:
    """Whether a version of a camera may be gone, which agents and conventions name."""
    if not isinstance(was, MaskSet) or not isinstance(now, MaskSet):
        return False
    return (was.spec.camera, was.spec.version) != (now.spec.camera, now.spec.version)


def _check_names(declared: Sequence[Declared[Any]], town: Town, problems: list[Problem]) -> None:
    if len(town.by_key) == len(declared):
        return
    seen: dict[tuple[str, str], Declared[Any]] = {}
    for item in declared:
        key = (item.object.kind, item.object.name)
        first = seen.setdefault(key, item)
        if first is not item:
            place = f"{first.document.file}:{first.document.line_of(('name',))}"
            problems.append(item.problem(("name",), f"the same name as at {place}; right would be another"))


def _check_names_of_sites(town: Town, part: Town, problems: list[Problem]) -> None:
    """`SITE.…` is a site's alone, so that no partner's camera is ever taken for one of ours."""
    sites = {item.object.name for item in town.sites}
    for item in part.cameras if sites else ():
        site, dot, _ = item.object.name.partition(".")
        if dot and site in sites:
            what = f"names that begin with {site}. are those of the Site {site}; right would be another"
            problems.append(item.problem(("name",), what))


def _check_cameras_of_agents(town: Town, part: Town, problems: list[Problem]) -> None:
    # With errors elsewhere a camera may be missing only because its own document is wrong.
    listing = [item for item in part.agents if item.object.spec.cameras]
    if problems or not listing:
        return
    names = town.cameras_by_name.keys() | set(version_names(town))
    sites = {item.object.name for item in town.sites}
    for item in listing:
        for index, name in enumerate(item.object.spec.cameras or ()):
            # A site's cameras are known once its partner has answered; rights may name them before.
            site, dot, rest = name.partition(".")
            if dot and rest and site in sites and texts.CAMERAS_OF_SITE.match(name):
                continue
            if name != "*" and name not in names:
                what = f'no camera "{name[:64]}"; {suggestion(name, sorted(names | {f"{site}.*" for site in sites}))}'
                problems.append(item.problem(("spec", "cameras", index), what))


def _check_files(part: Town, problems: list[Problem], warnings: list[Problem]) -> None:
    for server in part.servers:
        for index, listener in enumerate(server.object.spec.rtsp):
            if listener.tls is None:
                continue
            for name, path in (("certificate", listener.tls.certificate), ("key", listener.tls.key)):
                full = os.path.join(server.folder, path)
                if not os.access(full, os.R_OK):
                    at: Path = ("spec", "rtsp", index, "tls", name)
                    problems.append(server.problem(at, f"the file {full} cannot be read; right would be a PEM file"))
    for site in part.sites:
        ca = site.object.spec.tls_ca
        if ca is not None and not os.access(os.path.join(site.folder, ca), os.R_OK):
            problems.append(
                site.problem(("spec", "tls_ca"), f"the file {os.path.join(site.folder, ca)} cannot be read")
            )
    for camera in part.cameras:
        for name, stream in camera.object.spec.streams.items():
            at = ("spec", "streams", name)
            if stream.tls_ca is not None and not os.access(os.path.join(camera.folder, stream.tls_ca), os.R_OK):
                full = os.path.join(camera.folder, stream.tls_ca)
                problems.append(camera.problem((*at, "tls_ca"), f"the file {full} cannot be read"))
            if texts.source_kind(stream.url) == "file":
                full = os.path.join(camera.folder, texts.file_path(stream.url))
                if not os.access(full, os.R_OK):
                    # A clip may come later, and one that is missing must not keep the other cameras from starting.
                    warnings.append(camera.problem((*at, "url"), f"the file {full} cannot be read now"))


def _warn(town: Town, part: Town, warnings: list[Problem]) -> None:
    literal: dict[str, list[Problem]] = {}
    holders: list[Declared[Any]] = [*part.cameras, *part.sites, *part.agents]
    for item in holders:
        # Most cameras have none, and there are thousands of them.
        for path, secret in secret_fields(item.object) if item.secrets else ():
            if not secret.get_secret_value().startswith(("env:", "file:", "state:")):
                problem = item.problem(path, "a password in clear; env:NAME or file:PATH keeps it out of this file")
                literal.setdefault(problem.file, []).append(problem)
    for found in literal.values():
        more = f" (and {len(found) - 1} more in this file)" if len(found) > 1 else ""
        warnings.append(Problem(found[0].file, found[0].line, found[0].field, found[0].what + more))
    for camera in part.cameras:
        privacy = camera.object.spec.privacy
        if not (privacy.startswith("masked") and None in town.sets.get(camera.object.name, ())):
            _warn_of_privacy(camera, ("spec", "privacy"), privacy, "the camera", warnings)
    masked = [name for name, of in town.sets.items() if None in of] if part.sites else []
    for site in part.sites:
        if any(name.startswith(f"{site.object.name}.") for name in masked):
            continue  # which of its cameras is which is known once its partner has answered
        overrides = site.object.spec.overrides
        for token, own in overrides.items():
            if own.privacy is not None:
                at: Path = ("spec", "overrides", token, "privacy")
                _warn_of_privacy(site, at, own.privacy, "the camera", warnings)
        if not any(own.privacy == "clear" for own in overrides.values()):
            _warn_of_privacy(site, ("spec", "privacy"), site.object.spec.privacy, "every camera of the site", warnings)


def _warn_of_privacy(item: Declared[Any], at: Path, privacy: str, which: str, warnings: list[Problem]) -> None:
    if privacy.startswith("masked"):
        warnings.append(item.problem(at, f"{privacy}, but no MaskSet names it: {which} is covered"))
    elif privacy == "withheld":
        this = which.replace("the camera", "this camera")
        warnings.append(item.problem(at, f"withheld: nobody sees {this}; clear (with privacy_reason) would show it"))
