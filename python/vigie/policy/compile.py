"""Objects -> the policy snapshot the core takes (layout: `vigie/schema/policy_snapshot.json`). A pure function."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

from vigie.policy import texts
from vigie.policy.declared import Declared, Town
from vigie.policy.inventory import Inventory
from vigie.policy.live_rights import LiveRights, live_rights
from vigie.policy.mask_objects import MaskSet
from vigie.policy.masks import Sets, compiled_set, mask_problems, sets_in_force
from vigie.policy.objects import Camera, Listener, Server, Stream
from vigie.policy.people_objects import Agent
from vigie.policy.problems import ConfigurationError, Path, Problem, suggestion
from vigie.policy.sites import expand_sites
from vigie.policy.two_clocks import both
from vigie.policy.windows import FOREVER, datetime_of, ns_of
from vigie.policy.world import World


@dataclass(frozen=True)
class Origins:
    """What the parts of a snapshot were made of, in its order."""

    server: Declared[Server]
    cameras: Sequence[Declared[Camera]]
    sets: Mapping[str, Sets]  # as `Town.sets`
    agents: Sequence[Declared[Agent]]

    def of(self, steps: Sequence[str]) -> tuple[Declared[Any], Path] | None:
        """The object behind a JSON pointer's steps, and the path in it."""
        match steps:
            case ["listeners", index, *rest] if int(index) < len(self.server.object.spec.rtsp):
                return self.server, ("spec", "rtsp", int(index), *_yaml_path(rest))
            case ["limits", *rest]:
                return self.server, ("spec", "limits", *_yaml_path(rest))
            case ["agents", index, *rest] if int(index) < len(self.agents):
                return self.agents[int(index)], _in_object(rest)
            case ["cameras", index, *rest] if int(index) < len(self.cameras):
                camera = self.cameras[int(index)]
                return self._of_camera(camera, self.sets.get(camera.object.name, _NO_SETS), rest)
        return None

    def _of_camera(self, camera: Declared[Camera], sets: Sets, steps: Sequence[str]) -> tuple[Declared[Any], Path]:
        streams, versions = list(camera.object.spec.streams), _versions(sets)
        match steps:
            case ["streams", index, *rest] if int(index) < len(streams):
                return camera, ("spec", "streams", streams[int(index)], *_yaml_path(rest))
            case ["masks", *rest] if None in sets:
                return sets[None], ("spec", *_yaml_path(rest))
            case ["versions", index, "masks", *rest] if int(index) < len(versions):
                return versions[int(index)][1], ("spec", *_yaml_path(rest))
            case ["versions", index, "name"] if int(index) < len(versions):
                return versions[int(index)][1], ("spec", "version")
        return camera, _in_object(steps)


@dataclass(frozen=True)
class Compiled:
    """A snapshot and where its parts come from. `snapshot` holds passwords: it is for the engine alone.

    `origins`: None of what is only remembered. `notes`: what was left out of the inventories of sites. `rights`: what
    agents' rights were made of, where objects decide; None where each agent has what it lists.
    """

    snapshot: dict[str, Any] = field(repr=False)
    origins: Origins | None = field(repr=False)
    notes: Sequence[Problem] = ()
    rights: LiveRights | None = field(default=None, repr=False)

    @property
    def next_change_ns(self) -> int | None:
        """When the snapshot has to be compiled anew, nanoseconds since 1970, because a right begins or ends."""
        return None if self.rights is None else self.rights.next_change

    def problem(self, pointer: str, what: str) -> Problem | None:
        """The core's complaint about a JSON pointer as a problem with file and line; None when it has no origin."""
        origin = None if self.origins is None else self.origins.of(pointer.split("/")[1:])
        return None if origin is None else origin[0].problem(origin[1], what)


def _in_object(steps: Sequence[str]) -> Path:
    return ("name",) if list(steps) == ["name"] else ("spec", *_yaml_path(steps))


def _yaml_path(steps: Sequence[str]) -> Path:
    return tuple(int(step) if step.isdigit() else _YAML_NAMES.get(step, step) for step in steps)


# The core's field names where the YAML has others.
_YAML_NAMES = {
    "tls_ca_file": "tls_ca",
    "first_picture_deadline_s": "first_picture_s",
    "silence_limit_s": "silence_s",
    "file_loop": "loop",
}
_NO_SETS: Sets = {}


def compile_snapshot(
    town: Town,
    revision: int,
    server: str | None = None,
    inventories: Mapping[str, Inventory] | None = None,
    previous: Compiled | None = None,
    at: int | None = None,
    also: int | None = None,
) -> Compiled:
    """The snapshot for one server of the town; `server` is needed where several are declared.

    `inventories`: of the sites that have answered, by their names. `previous`: what is in force; mask sets without a
    declared revision go on counting from there. `at`: nanoseconds since 1970; where objects decide (`Town.rules`),
    agents get the rights that they have then, and without it none. `also`: another instant that may be now, where the
    clock has stepped: they get what holds at both, and every end comes by whichever is there first.
    Raises: ConfigurationError when there is no such server, or masks do not fit their cameras.
    """
    chosen = choose_server(town, server)
    checked = town
    town, notes = expand_sites(town, inventories or {})
    problems = [] if town is checked else [*mask_problems(town)]
    if problems := [*problems, *_forbidden(town, chosen)]:
        raise ConfigurationError(problems)
    listeners: list[dict[str, Any]] = []
    for listener in chosen.object.spec.rtsp:
        listeners.append(_listener(chosen, listener, {taken["name"] for taken in listeners}))
    cameras = _cameras(town, revision, previous)
    rights = _rights(town, at, also, previous)
    ahead = max(0, also - at) if also is not None and at is not None else 0
    signing_in = [agent for agent in town.agents if agent.object.spec.password is not None]
    if town.rules:  # so that the same town names the same ones
        signing_in.sort(key=lambda agent: agent.object.name)
    first: dict[int, str] = {}  # by what many have alike, the one who has it written down
    agents = [
        _sign_in(agent) | (_rights_by_rules(agent, rights, first) if town.rules else _rights_listed(agent, ahead))
        for agent in signing_in
    ]
    if previous is not None and previous.origins is not None:
        agents = _as_before(agents, previous.snapshot["agents"])
    snapshot = {
        "revision": revision,
        "listeners": listeners,
        "agents": agents,
        "cameras": cameras,
        "limits": chosen.object.spec.limits.model_dump(),
    }
    return Compiled(snapshot, Origins(chosen, town.cameras, town.sets, signing_in), notes, rights)


def _cameras(town: Town, revision: int, previous: Compiled | None) -> list[dict[str, Any]]:
    """The cameras' entries; those of before, where they are made of the same."""
    old = None if previous is None else previous.origins
    entries: list[dict[str, Any]] = [] if previous is None else previous.snapshot["cameras"]
    if old is not None and old.cameras is town.cameras and old.sets is town.sets:
        return entries
    before: dict[str, tuple[Declared[Camera], dict[str, Any]]] = {}
    if old is not None:
        before = {item.object.name: (item, entry) for item, entry in zip(old.cameras, entries, strict=True)}
    in_force: Mapping[tuple[str, str | None], Mapping[str, Any]] | None = None
    found = []
    for camera in town.cameras:
        name = camera.object.name
        sets = town.sets.get(name, _NO_SETS)
        made_of, entry = before.get(name, (None, {}))
        if old is None or made_of is not camera or [*old.sets.get(name, _NO_SETS).values()] != [*sets.values()]:
            if in_force is None:
                in_force = {} if previous is None else sets_in_force(previous.snapshot)
            entry = _camera(camera) | _masks(camera, sets, revision, in_force)
        found.append(entry)
    return found


def _as_before(entries: list[dict[str, Any]], before: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Entries, each the very one of before where it says the same."""
    known = {entry["name"]: entry for entry in before}
    return [old if (old := known.get(entry["name"])) == entry else entry for entry in entries]


def choose_server(town: Town, name: str | None) -> Declared[Server]:
    """The server to run. Raises: ConfigurationError."""
    if name is not None:
        for server in town.servers:
            if server.object.name == name:
                return server
        names = [server.object.name for server in town.servers]
        raise ConfigurationError([Problem("--server", 0, name, f"no such Server; {suggestion(name, names)}")])
    if not town.servers:
        right = 'right would be {kind: Server, name: here, spec: {rtsp: [{listen: "127.0.0.1:8554", access: open}]}}'
        raise ConfigurationError([Problem("configuration", 0, "", f"no object of kind Server; {right}")])
    if len(town.servers) > 1:
        what = f"one of several servers; --server chooses ({', '.join(s.object.name for s in town.servers)})"
        raise ConfigurationError([server.problem(("name",), what) for server in town.servers[1:]])
    return town.servers[0]


def _path(item: Declared[Any], path: str) -> str:
    return os.path.normpath(os.path.join(item.folder, path))


def _listener(server: Declared[Server], listener: Listener, taken: set[str]) -> dict[str, Any]:
    # Named after its address, so that a listener put before it does not make it another one.
    base = "rtsp-" + re.sub(r"[^A-Za-z0-9.]+", "-", listener.listen).strip("-")
    name = listener.name or base
    number = 2
    while listener.name is None and name in taken:
        name, number = f"{base}-{number}", number + 1
    compiled: dict[str, Any] = {
        "name": name,
        "listen": listener.listen,
        "access": listener.access,
        "trusted": listener.trusted,
        "allow_md5": listener.allow_md5,
        "udp": listener.tls is None if listener.udp is None else listener.udp,
        "dscp": listener.dscp,
    }
    if listener.tls is not None:
        compiled["tls"] = True
        compiled["tls_certificate"] = _path(server, listener.tls.certificate)
        compiled["tls_key"] = _path(server, listener.tls.key)
    return compiled


def _camera(camera: Declared[Camera]) -> dict[str, Any]:
    spec = camera.object.spec
    return {
        "name": camera.object.name,
        "number": spec.number,
        "title": spec.title,
        "privacy": spec.privacy,
        "privacy_reason": spec.privacy_reason,
        "streams": [_stream(camera, name, stream) for name, stream in spec.streams.items()],
    }


def _forbidden(town: Town, server: Declared[Server]) -> Iterator[Problem]:
    if server.object.spec.limits.allow_masked_at_source:
        return
    for camera in town.cameras:
        if camera.object.spec.privacy == "masked_at_source":
            what = f"masked_at_source, which the Server {server.object.name} forbids; right would be masked"
            yield camera.problem(("spec", "privacy"), what)


def _versions(sets: Sets) -> list[tuple[str, Declared[MaskSet]]]:
    return [(version, item) for version, item in sets.items() if version is not None]


def _masks(
    camera: Declared[Camera],
    sets: Sets,
    revision: int,
    in_force: Mapping[tuple[str, str | None], Mapping[str, Any]],
) -> dict[str, Any]:
    name = camera.object.name
    compiled: dict[str, Any] = {}
    if None in sets:
        compiled["masks"] = compiled_set(sets[None], revision, in_force.get((name, None)))
    if versions := _versions(sets):
        compiled["versions"] = [
            {"name": version, "masks": compiled_set(item, revision, in_force.get((name, version)))}
            for version, item in versions
        ]
    if camera.object.spec.dome is not None:
        compiled["dome"] = camera.object.spec.dome.model_dump()
    return compiled


def _stream(camera: Declared[Camera], name: str, stream: Stream) -> dict[str, Any]:
    kind = texts.source_kind(stream.url)
    compiled: dict[str, Any] = {
        "name": name,
        "kind": kind,
        "transport": stream.transport,
        "pull": stream.pull,
        "first_picture_deadline_s": stream.first_picture_s,
        "silence_limit_s": stream.silence_s,
        "linger_s": stream.linger_s,
        "log_bytes": stream.log_bytes,
        "strict": stream.strict,
    }
    if stream.interface is not None:
        compiled["interface"] = stream.interface
    if kind in ("file", "sdp"):
        compiled["url"] = _path(camera, texts.file_path(stream.url))
        compiled["file_loop"] = stream.loop
    elif kind != "push":
        compiled["url"] = stream.url
        compiled["backup_url"] = stream.backup_url or ""
        compiled["username"] = stream.username or ""
        compiled["password"] = camera.secrets.get(("spec", "streams", name, "password"), "")
        compiled["tls_ca_file"] = "" if stream.tls_ca is None else _path(camera, stream.tls_ca)
        compiled["tls_verify"] = stream.tls_verify
    return compiled


def _sign_in(agent: Declared[Agent]) -> dict[str, Any]:
    return {"name": agent.object.name, "password": agent.secrets[("spec", "password")]}


def _rights_listed(agent: Declared[Agent], ahead: int) -> dict[str, Any]:
    spec = agent.object.spec
    compiled: dict[str, Any] = {"cameras": "*" if spec.cameras == ["*"] else spec.cameras}
    if spec.until is not None:
        compiled["until"] = spec.until if not ahead else _until(ns_of(datetime.fromisoformat(spec.until)) - ahead)
    return compiled


def _rights(town: Town, at: int | None, also: int | None, previous: Compiled | None) -> LiveRights | None:
    if not town.rules or at is None:
        return None
    before = None if previous is None else previous.rights
    world = World.of(town.objects()) if before is None else before.world.following(town.kinds)
    rights = live_rights(world, at, before)
    return rights if also is None else both(rights, live_rights(world, also))


def _rights_by_rules(agent: Declared[Agent], rights: LiveRights | None, first: dict[int, str]) -> dict[str, Any]:
    """Every right with its own end: the core keeps to it, also when nothing compiles anew."""
    if rights is None:
        return {"cameras": []}
    held = rights.by_agent[agent.object.name]
    alike = first.setdefault(id(held.shared), agent.object.name)
    compiled: dict[str, Any] = {"like": alike}
    if alike == agent.object.name:
        compiled = {"cameras": held.shared.names.get(FOREVER, [])}
        ending = [(until, names) for until, names in held.shared.names.items() if until != FOREVER]
        if ending:
            compiled["ending"] = [{"until": _until(until), "cameras": names} for until, names in ending]
    if held.rights and held.until != FOREVER:
        compiled["until"] = _until(held.until)
    return compiled


@lru_cache(4096)
def _until(end: int) -> str:
    return texts.zulu(datetime_of(end), "microseconds")
