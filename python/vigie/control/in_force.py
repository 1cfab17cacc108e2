"""What the engine has been given: the town in force, the snapshot made of it, and how both go on. No ZeroMQ, no core.

Used by `vigie serve` with files alone, and by `agent.py` for a state. Thread: one at a time.
"""

import time
from collections.abc import Callable, Mapping, Sequence
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


class InForce:
    """The last town that the engine has taken. `server`: which one it runs, where several are declared."""

    def __init__(
        self,
        engine: TakesSnapshots,
        server: str | None,
        before: InForceNumbers | None = None,
        *,
        now_ns: Callable[[], int] = time.time_ns,
        on_put: Callable[[], None] = lambda: None,
    ) -> None:
        """`before`: what an engine that is gone had in force; numbers go on from there, and masks do not shrink.

        `on_put`: told whenever the engine has taken something, in the thread of that call.
        """
        self.town: Town | None = None
        self.compiled: Compiled | None = None
        self._engine = engine
        self._server = server
        self._before = before or InForceNumbers(0)
        self._now_ns = now_ns
        self._on_put = on_put
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
        previous = self.compiled or _remembered(self._before)
        compiled = compile_snapshot(town, self.revision + 1, self._server, inventories, previous, self._now_ns())
        if self.compiled is None:  # the engine has nothing to compare with
            shrunk = list(_shrunk(self._before, compiled))
            if shrunk:
                raise ConfigurationError(shrunk)
        return compiled

    def put(self, town: Town, inventories: Mapping[str, Inventory]) -> Compiled:
        """Puts a town in force. Raises: ConfigurationError, Error (an address is taken); nothing has changed then."""
        compiled = self.compile(town, inventories)
        try:
            self.revision = self._engine.apply(compiled.snapshot)
        except PolicyFieldError as error:
            problem = compiled.problem(error.where, error.what)
            if problem is None:
                raise
            raise ConfigurationError([problem]) from None
        self._keep(town, compiled)
        return compiled

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
        compiled = self.compile(town, inventories)
        snapshot = {**compiled.snapshot, "cameras": [_shrinking(camera) for camera in compiled.snapshot["cameras"]]}
        self.revision = self._engine.apply(snapshot)
        self._keep(town, compiled)

    def _keep(self, town: Town, compiled: Compiled) -> None:
        self.town, self.compiled = town, compiled
        self._not_before_ns = 0
        self._on_put()


def refusal_lines(error: Error) -> list[str]:
    """An error of `put` as lines for people."""
    if isinstance(error, ConfigurationError):
        return [f"error: {problem}" for problem in error.problems]
    return [f"error: {error}"]


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
