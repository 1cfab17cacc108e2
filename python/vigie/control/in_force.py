"""What the engine has been given: the town in force, the snapshot made of it, and how both go on. No ZeroMQ, no core.

Used by `vigie serve` with files alone, and by `agent.py` for a state. Thread: one at a time.
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Protocol

from vigie.control.loosening import place_of
from vigie.control.parties import InForceNumbers
from vigie.errors import Error, PolicyFieldError
from vigie.policy import Compiled, ConfigurationError, Inventory, Town, compile_snapshot
from vigie.policy.live_rights import LiveRights
from vigie.policy.masks import sets_in_force
from vigie.policy.problems import Problem

LONGEST_WAIT_S = 60.0
RETRY_S = 10.0
_TAKEN_BACK = "a revision that could not be stored is taken back"


class TakesSnapshots(Protocol):
    """What of `vigie.Engine` is used."""

    def apply(self, snapshot: Mapping[str, Any]) -> int: ...


class Routes(Protocol):
    """What of `routes.Routes` is used."""

    def in_snapshot(self, town: Town, compiled: Compiled) -> dict[str, Any]: ...

    def put_in_force(self) -> None: ...


class InForce:
    """The last town that the engine has taken. `server`: which one it runs, where several are declared."""

    def __init__(
        self,
        engine: TakesSnapshots,
        server: str | None,
        before: InForceNumbers | None = None,
        *,
        now_ns: Callable[[], int] = time.time_ns,
        also_ns: Callable[[], int | None] = lambda: None,
        on_put: Callable[[], None] = lambda: None,
        routes: Routes | None = None,
    ) -> None:
        """`before`: what an engine that is gone had in force; numbers go on from there, and masks do not shrink.

        `also_ns`: another instant that may be now, where the clock has stepped (`RightsClock`).
        `on_put`: told whenever the engine has taken something, in the thread of that call. `routes`: those that are
        open, where there can be any.
        """
        self.town: Town | None = None
        self.compiled: Compiled | None = None
        self.inventories: Mapping[str, Inventory] = {}  # of the sites: what was given to the engine last
        self._held: Compiled | None = None  # what an engine had in force when it was attached, as far as masks go
        self._engine = engine
        self._server = server
        self._before = before or InForceNumbers(0)
        self._now_ns = now_ns
        self._also_ns = also_ns
        self._on_put = on_put
        self._routes = routes
        self._not_before_ns = 0  # when a renewal that failed may be tried again
        self.revision = self._before.revision

    @property
    def decided(self) -> LiveRights | None:
        """The rights that the engine was told last, where objects decide."""
        return None if self.compiled is None else self.compiled.rights

    @property
    def numbers(self) -> InForceNumbers:
        """What to remember of it."""
        if self.compiled is None:
            return self._before
        sets = sets_in_force(self.compiled.snapshot)
        return InForceNumbers(
            self.revision, {(camera, of or ""): (one["revision"], one["regions"]) for (camera, of), one in sets.items()}
        )

    def compile(self, town: Town, inventories: Mapping[str, Inventory]) -> Compiled:
        """The snapshot that `put` would apply. Raises: ConfigurationError."""
        previous = self.compiled or self._held or _remembered(self._before)
        compiled = compile_snapshot(
            town, self.revision + 1, self._server, inventories, previous, self._now_ns(), self._also_ns()
        )
        if self.compiled is None and self._held is None:  # the engine has nothing to compare with
            shrunk = list(_shrunk(self._before, compiled))
            if shrunk:
                raise ConfigurationError(shrunk)
        return compiled

    def put(self, town: Town, inventories: Mapping[str, Inventory]) -> Compiled:
        """Puts a town in force. Raises: ConfigurationError, Error (an address is taken); nothing has changed then."""
        compiled = self._with_routes(town, self.compile(town, inventories))
        before, self.inventories = self.inventories, inventories
        try:
            self.revision = self._engine.apply(compiled.snapshot)
        except PolicyFieldError as error:
            self.inventories = before
            problem = compiled.problem(error.where, error.what)
            if problem is None:
                raise
            raise ConfigurationError([problem]) from None
        except Error:
            self.inventories = before
            raise
        self._keep(town, compiled)
        return compiled

    def attach(self, revision: int, snapshot: Mapping[str, Any] | None, stored: InForceNumbers) -> None:
        """Another engine is there, or the same one again, with a snapshot in force (None: with nothing).

        `stored`: what was in force by the last revision that is on the disk. Numbers go on from the greatest of all.
        """
        self.revision = max(self.revision, revision, stored.revision)
        self._before = InForceNumbers(self.revision, stored.mask_sets)
        self.compiled = None
        self._held = None if snapshot is None else _with_masks(snapshot)

    def takes_up(self, town: Town, inventories: Mapping[str, Inventory], snapshot: Mapping[str, Any]) -> bool:
        """Whether the town is what the engine has in force already (its `snapshot`): then it is known to be, and the
        engine is not asked. Raises: ConfigurationError.
        """
        compiled = self._with_routes(town, self.compile(town, inventories))
        number = int(snapshot["revision"])
        if _in_order({**compiled.snapshot, "revision": number}) != _in_order(snapshot):
            return False
        compiled.snapshot["revision"] = number
        self.inventories = inventories
        self._keep(town, compiled)
        return True

    def until_next_change_s(self) -> float:
        """Seconds until a right begins or ends, and `renew` is due; at most a minute: the clock may be set."""
        due = None if self.compiled is None else self.compiled.next_change_ns
        if due is None:
            return LONGEST_WAIT_S
        return min(max(0.0, (max(due, self._not_before_ns) - self._now_ns()) / 1e9), LONGEST_WAIT_S)

    def renew(self, inventories: Mapping[str, Inventory]) -> Compiled:
        """Puts the same town in force with the rights of now. Raises as `put`; then it is due again a little later."""
        assert self.town is not None  # nothing is due before
        try:
            return self.put(self.town, inventories)
        except Error:
            self._not_before_ns = self._now_ns() + int(RETRY_S * 1e9)
            raise

    def put_back(self, town: Town, inventories: Mapping[str, Inventory]) -> None:
        """Puts the town before the last one in force again, masks that hide less than the last one's included.

        Raises: ConfigurationError, Error; the last one stays in force then.
        """
        compiled = self._with_routes(town, self.compile(town, inventories))
        snapshot = {**compiled.snapshot, "cameras": [_shrinking(camera) for camera in compiled.snapshot["cameras"]]}
        self.inventories = inventories
        self.revision = self._engine.apply(snapshot)
        self._keep(town, compiled)

    def _with_routes(self, town: Town, compiled: Compiled) -> Compiled:
        if self._routes is not None:
            compiled.snapshot["tickets"] = self._routes.in_snapshot(town, compiled)
        return compiled

    def _keep(self, town: Town, compiled: Compiled) -> None:
        self.town, self.compiled, self._held = town, compiled, None
        if self._routes is not None:
            self._routes.put_in_force()
        self._not_before_ns = 0
        self._on_put()


def taken_of_sites(compiled: Compiled) -> Counter[str]:
    """How many cameras each site has become."""
    names = [camera["name"] for camera in compiled.snapshot["cameras"]]
    return Counter(name.partition(".")[0] for name in names if "." in name)


def refusal_lines(error: Error) -> list[str]:
    """An error of `put` as lines for people."""
    if isinstance(error, ConfigurationError):
        return [f"error: {problem}" for problem in error.problems]
    return [f"error: {error}"]


def _in_order(snapshot: Mapping[str, Any]) -> Any:
    """A snapshot as JSON gives it back, without the order of what is found by its name."""
    value = json.loads(json.dumps(snapshot))
    for kind in ("listeners", "agents", "cameras"):
        value[kind].sort(key=itemgetter("name"))
    for agent in value["agents"]:
        if isinstance(agent.get("cameras"), list):
            agent["cameras"].sort()
        agent.get("ending", []).sort(key=itemgetter("until"))
        for group in agent.get("ending", []):
            group["cameras"].sort()
    value.get("tickets", {}).get("routes", []).sort(key=itemgetter("id"))
    return value


def _with_masks(snapshot: Mapping[str, Any]) -> Compiled:
    """Of a snapshot whose objects are not known: what numbers of mask sets are counted on from."""
    cameras = [camera for camera in snapshot["cameras"] if "masks" in camera or "versions" in camera]
    return Compiled({"cameras": cameras}, None)


def _shrinking(camera: Mapping[str, Any]) -> Mapping[str, Any]:
    """A camera whose masks may hide less: entries are shared by snapshots, so it is another one."""

    def reasoned(masks: Mapping[str, Any]) -> Mapping[str, Any]:
        return masks if masks["removal_reason"].strip() else {**masks, "removal_reason": _TAKEN_BACK}

    changed: dict[str, Any] = {}
    if "masks" in camera:
        changed["masks"] = reasoned(camera["masks"])
    if "versions" in camera:
        changed["versions"] = [{**version, "masks": reasoned(version["masks"])} for version in camera["versions"]]
    return {**camera, **changed} if changed else camera


def _remembered(before: InForceNumbers) -> Compiled | None:
    cameras: dict[str, dict[str, Any]] = {}
    for (name, version), (revision, regions) in before.mask_sets.items():
        camera = cameras.setdefault(name, {"name": name})
        masks = {"revision": revision, "regions": regions}
        if version:
            camera.setdefault("versions", []).append({"name": version, "masks": masks})
        else:
            camera["masks"] = masks
    return Compiled({"cameras": list(cameras.values())}, None) if cameras else None


def _shrunk(before: InForceNumbers, compiled: Compiled) -> Sequence[Problem]:
    """Mask sets that lack a region of before, without a reason. Stricter than the engine, which compares areas."""
    found = []
    for index, camera in enumerate(compiled.snapshot["cameras"]):
        places = [("", f"/cameras/{index}/masks", camera.get("masks"))]
        for at, version in enumerate(camera.get("versions", ())):
            places.append((version["name"], f"/cameras/{index}/versions/{at}/masks", version["masks"]))
        for version, pointer, masks in places:
            _, regions = before.mask_sets.get((camera["name"], version), (0, ()))
            if masks is None or masks["removal_reason"].strip():
                continue
            kept = [place_of(region) for region in masks["regions"]]
            for region in regions:
                if place_of(region) not in kept:
                    what = (
                        f'missing; the region "{region["name"]}" would be changed; right would be who agreed, and why'
                    )
                    problem = compiled.problem(f"{pointer}/removal_reason", what)
                    found.append(problem or Problem("state", 0, pointer, what))
    return found
