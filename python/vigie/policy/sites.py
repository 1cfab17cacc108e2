"""Sites and what their partners offer -> cameras and rights. Pure: an inventory is a value that comes in.

A site's camera is called `SITE.TOKEN`: a site's name has no dot, so what stands before the first one says whose it is,
and no partner can offer a name that is another's. What a partner says is checked as if it stood in a file; what is
wrong is left out and said, and touches no other camera.
"""

import fnmatch
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from pydantic import ValidationError

from vigie.forms import camera_of
from vigie.policy import texts
from vigie.policy.declared import Declared, Town
from vigie.policy.inventory import Inventory, OfferedCamera, OfferedStream, clean
from vigie.policy.masks import version_names
from vigie.policy.objects import Camera, Site, SiteCamera, StreamOptions
from vigie.policy.people_objects import Agent
from vigie.policy.problems import Path, Problem

_NOTHING_OWN = SiteCamera.model_validate({})
_OPTIONS = tuple(name for name in StreamOptions.model_fields if name not in ("pull", "username", "password"))


@dataclass(frozen=True)
class Planned:
    """What becomes of one offered camera. `camera` is None where it is left out, and `why` says why."""

    offered: OfferedCamera
    name: str
    state: Literal["taken", "not chosen", "refused"]
    camera: Declared[Camera] | None = None
    why: str = ""
    notes: Sequence[str] = ()


def plan_site(site: Declared[Site], inventory: Inventory) -> list[Planned]:
    """Every offered camera, in the partner's order."""
    spec = site.object.spec
    chosen = [camera for camera in inventory.cameras if _chosen(site, camera.token)]
    tokens = Counter(camera.token for camera in chosen)
    # A name of the file's beats one that is the token itself, and that beats one made of a token; equals are all
    # refused, so that the outcome never hangs on the partner's order.
    claims = {token: _part(token, spec.overrides) for token in tokens}
    holders: dict[str, list[int]] = {}
    for part, rank in claims.values():
        holders.setdefault(part, []).append(rank)
    planned = []
    for offered in inventory.cameras:
        token = offered.token
        part, rank = claims.get(token) or _part(token, spec.overrides)
        name = f"{site.object.name}.{part}"
        advice = f'right would be overrides: {{"{clean(token, 64)}": {{name: …}}}}'
        why = ""
        if tokens[token] > 1:
            why = "offered twice under one token"
        elif texts.CONTROL.search(token) or not 1 <= len(token) <= 64:
            why = "its token is not text of 1 to 64 characters"
        elif not part or texts.name_problem(name):
            why = f"its token makes no name; {advice}"
        elif token in tokens and (rank > min(holders[part]) or holders[part].count(rank) > 1):
            why = f"another one would have the name {name}; {advice}"
        if token not in tokens:
            planned.append(Planned(offered, name, "not chosen"))
        elif why:
            planned.append(Planned(offered, name, "refused", None, why))
        else:
            planned.append(_planned(site, offered, name))
    return planned


def _part(token: str, overrides: Mapping[str, SiteCamera]) -> tuple[str, int]:
    """The name behind the dot, and how firm it is: 0 by the file, 1 the token itself, 2 made of the token."""
    own = overrides.get(token)
    if own is not None and own.name is not None:
        return own.name, 0
    part = re.sub(r"[^A-Za-z0-9._-]+", "-", token).strip("-").lstrip("._-")
    return part, 1 if part == token else 2


def _chosen(site: Declared[Site], token: str) -> bool:
    return any(_matches(site, pattern, token) for pattern in site.object.spec.cameras)


def _matches(site: Declared[Site], pattern: str, token: str) -> bool:
    if pattern == token:
        return True
    # A dot in the name of another vigie's camera means that it relays it: such are taken only by a pattern that has the
    # dot too. Else two towns that list each other would hand the same cameras back and forth for ever.
    if site.object.spec.url.lower().startswith("rtsp") and pattern.count(".") != token.count("."):
        return False
    return fnmatch.fnmatchcase(token, pattern)


def _planned(site: Declared[Site], offered: OfferedCamera, name: str) -> Planned:
    spec = site.object.spec
    own = spec.overrides.get(offered.token, _NOTHING_OWN)
    notes: list[str] = []
    secrets: dict[Path, str] = {}
    streams: dict[str, dict[str, Any]] = {}
    for stream in offered.streams:
        options = {option: getattr(spec, option) for option in _OPTIONS}
        url = _url(site, stream)
        options |= {"url": url, "pull": own.pull or spec.pull}
        if (what := _not_for_us(url)) is not None:
            return Planned(offered, name, "refused", None, f"stream {clean(stream.name, 64)}: {what}")
        if spec.username is not None and _trusted(site, url):
            options |= {"username": spec.username, "password": spec.password}
            if ("spec", "password") in site.secrets:
                secrets["spec", "streams", stream.name, "password"] = site.secrets["spec", "password"]
        elif spec.username is not None:
            host = texts.host_and_port(url)[0]
            notes.append(
                f"stream {clean(stream.name, 64)} is at {clean(host, 80)}, which gets no credentials; "
                "credentials_for names hosts that do, rewrite_host asks the partner itself"
            )
        streams[stream.name] = options
    if len(streams) < len(offered.streams):
        return Planned(offered, name, "refused", None, "two of its streams have one name")
    decided = own if own.privacy is not None else spec
    made = {
        "number": own.number,
        "title": own.title if own.title is not None else clean(offered.title),
        "site": site.object.name,
        "owner": spec.owner,
        "operated_by": spec.operated_by,
        "commune": spec.commune,
        "regime": spec.regime,
        "streams": streams,
        "privacy": decided.privacy,
        "privacy_reason": decided.privacy_reason,
    }
    try:
        camera = Camera.model_validate({"kind": "Camera", "name": name, "spec": made})
    except ValidationError as errors:
        first = errors.errors(include_url=False, include_input=False)[0]
        context = first.get("ctx", {})
        what = str(context.get("what") or context.get("error") or first["msg"])
        field = ".".join(clean(str(step), 64) for step in first["loc"][1:])
        return Planned(offered, name, "refused", None, f"{field}: {what}")
    return Planned(offered, name, "taken", Declared(camera, site.document, secrets), "", notes)


def _url(site: Declared[Site], stream: OfferedStream) -> str:
    """The stream's URL, at the partner's own address where the file wants that."""
    if not site.object.spec.rewrite_host:
        return stream.url
    host, port = texts.host_and_port(stream.url)
    if not host:
        return stream.url
    at = texts.host_and_port(site.object.spec.url)[0] + (f":{port}" if port else "")
    return re.sub(r"://[^/?#]*", lambda _: f"://{at}", stream.url, count=1)


def _not_for_us(url: str) -> str | None:
    """Why a URL that a stranger gave is not followed: files of this machine are none of its business."""
    if texts.source_kind(url) != "rtsp":
        return "not an RTSP URL; right would be rtsp(s)://host/path"
    return texts.url_problem(url)


def _trusted(site: Declared[Site], url: str) -> bool:
    """Whether the site's credentials may go there."""
    host = texts.host_and_port(url)[0]
    trusted = {texts.host_and_port(site.object.spec.url)[0]}
    trusted |= {f"[{item}]" if ":" in item and item[0] != "[" else item for item in site.object.spec.credentials_for}
    return host in {item.lower() for item in trusted}


def expand_sites(town: Town, inventories: Mapping[str, Inventory]) -> tuple[Town, list[Problem]]:
    """The town with the cameras of its sites, and agents whose rights name cameras that are there.

    `inventories`: by the site's name; a site that has not answered yet has no cameras. Returns what was left out, too.
    """
    if not town.sites:
        return town, []
    cameras = list(town.cameras)
    problems: list[Problem] = []
    for site in town.sites:
        inventory = inventories.get(site.object.name)
        if inventory is None:
            continue
        plan = plan_site(site, inventory)
        cameras += [item.camera for item in plan if item.camera is not None]
        problems += _problems(site, plan)
    present = {camera.object.name for camera in cameras}
    versions = [name for name in version_names(town) if camera_of(name) in present]
    names = [camera.object.name for camera in cameras] + versions
    agents = [_with_rights(agent, names) for agent in town.agents]
    return replace(town, cameras=cameras, agents=agents), problems


def _problems(site: Declared[Site], plan: Sequence[Planned]) -> Iterator[Problem]:
    for item in plan:
        for what in [item.why, *item.notes] if item.state == "refused" else item.notes:
            yield site.problem(("spec", "cameras"), f'its camera "{clean(item.offered.token, 64)}": {what}')
    for index, pattern in enumerate(site.object.spec.cameras):
        if pattern != "*" and not any(_matches(site, pattern, item.offered.token) for item in plan):
            yield site.problem(("spec", "cameras", index), "matches no camera that the partner offers now")


def is_pattern(name: str) -> bool:
    """Whether an agent's `cameras` entry stands for several cameras of a site."""
    return "*" in name or "?" in name


def _with_rights(agent: Declared[Agent], names: Sequence[str]) -> Declared[Agent]:
    wanted = agent.object.spec.cameras
    if wanted is None or wanted == ["*"]:
        return agent
    present = set(names)
    found: list[str] = []
    for entry in wanted:
        if is_pattern(entry):
            site = entry.partition(".")[0]
            for name in names:
                # A version is another right than the camera: only a pattern that says so gives it.
                alike = ("@" in name) == ("@" in entry)
                if alike and name.startswith(f"{site}.") and fnmatch.fnmatchcase(name, entry):
                    found.append(name)
        elif entry in present:
            found.append(entry)
    spec = agent.object.spec.model_copy(update={"cameras": list(dict.fromkeys(found))})
    return replace(agent, object=agent.object.model_copy(update={"spec": spec}))
