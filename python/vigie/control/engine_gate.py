"""What the store calls a gate: the engine's process and the sites. It keeps what the engine has in force, and what is
on the disk, the same: whenever an engine is attached, before anything else is sent to it. Thread: the writer.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from vigie.control.engine_link import Attached
from vigie.control.in_force import InForce, Routes, refusal_lines, taken_of_sites
from vigie.control.parties import InForceNumbers
from vigie.errors import ConnectionLostError, Error
from vigie.policy import ConfigurationError, Inventory, Town
from vigie.policy.inventory import OfferedCamera, OfferedStream

# A command waits so long for an engine that is being started.
ENGINE_WAIT_S = 5.0


class Link(Protocol):
    """What of `EngineLink` is used."""

    def attached(self, wait_s: float) -> Attached: ...

    def use(self, session: str) -> None: ...

    def apply(self, snapshot: Mapping[str, Any], note: bytes = b"") -> int: ...


class Sites(Protocol):
    """The partners of sites. All calls come from the writer."""

    def inventories(self, town: Town) -> dict[str, Inventory]: ...

    def put_in_force(self, town: Town) -> None: ...

    def remember(
        self, inventories: Mapping[str, Inventory], taken: Mapping[str, int], ages_s: Mapping[str, float]
    ) -> None: ...

    def figures(self) -> dict[str, Any]: ...

    def fileno(self) -> int: ...


class Stored(Protocol):
    """What of the store is used."""

    @property
    def rev(self) -> int: ...

    def town(self) -> Town: ...

    def engine_numbers(self) -> InForceNumbers: ...

    def keep_engine_numbers(self, numbers: InForceNumbers) -> None: ...


class EngineGate:
    """`stored`: asked in the writer alone. `on_synced`: the engine works by what is on the disk."""

    def __init__(
        self,
        link: Link,
        sites: Sites,
        stored: Stored,
        server: str | None,
        say: Callable[[str], None],
        *,
        now_ns: Callable[[], int] = time.time_ns,
        also_ns: Callable[[], int | None] = lambda: None,
        on_put: Callable[[], None] = lambda: None,
        routes: Routes | None = None,
        on_new_engine: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_new_engine`: told in the writer of an engine that has shown nothing yet, before it gets anything."""
        before = stored.engine_numbers()
        self.policy = InForce(self, server, before, now_ns=now_ns, also_ns=also_ns, on_put=on_put, routes=routes)
        self._link = link
        self._sites = sites
        self._stored = stored
        self._say = say
        self._now_ns = now_ns
        self._on_new_engine = on_new_engine
        self._session = ""

    @property
    def in_force(self) -> bool:
        """Whether the engine that was attached last works by what is on the disk."""
        return self._session != "" and self.policy.compiled is not None

    def apply(self, snapshot: Mapping[str, Any]) -> int:
        """Sends a snapshot, with what a control process after this one needs to know of it."""
        return self._link.apply(snapshot, self._note())

    def check(self, town: Town) -> None:
        """As far as can be said without the engine: what it alone would refuse is not found."""
        self.policy.compile(town, self._sites.inventories(town))

    def put(self, town: Town) -> InForceNumbers:
        """As `parties.Gate`. Raises: ConnectionLostError where there is no engine."""
        self.sync(ENGINE_WAIT_S)
        self.policy.put(town, self._sites.inventories(town))
        return self.policy.numbers

    def put_back(self, town: Town) -> None:
        """As `parties.Gate`."""
        try:
            self.policy.put_back(town, self._sites.inventories(town))
        except Error as error:
            self._session = ""  # the next sync finds out what is in force, and puts it right
            self._say(f"what could not be stored may stay in force until the engine answers: {error}")

    def kept(self, town: Town) -> None:
        """As `parties.Gate`."""
        self._sites.put_in_force(town)

    def sync(self, wait_s: float = 0.0) -> None:
        """Makes sure that the engine works by what is on the disk. Says what it refuses of that.

        Raises: ConnectionLostError, when there is no engine within so many seconds.
        """
        attached = self._link.attached(wait_s)
        if attached.session == self._session:
            return
        self._link.use(attached.session)
        snapshot = json.loads(attached.snapshot) if attached.snapshot else None
        self.policy.attach(attached.revision, snapshot, self._stored.engine_numbers())
        if snapshot is None:
            self._on_new_engine()
        rev = self._stored.rev
        try:
            town = self._stored.town() if rev else None
        except Error as error:
            self._refused(error, snapshot is not None)
            town = None
        if town is None:
            self._session = attached.session
            return
        noted = _Noted.of(attached.note)
        sites = {site.object.name for site in town.sites}
        told_before = {name: one for name, one in noted.inventories.items() if name in sites}
        inventories = {**told_before, **self._sites.inventories(town)}
        try:
            if snapshot is None or not self.policy.takes_up(town, inventories, snapshot):
                self._put_again(town, inventories, taken_back=noted.rev == rev)
                self._stored.keep_engine_numbers(self.policy.numbers)
            self._sites.put_in_force(town)
            if self.policy.compiled is not None:
                ages_s = noted.ages_s(self._now_ns())
                self._sites.remember(told_before, taken_of_sites(self.policy.compiled), ages_s)
        except Error as error:
            if isinstance(error, ConnectionLostError):
                raise
            self._refused(error, snapshot is not None)
        self._session = attached.session

    def _put_again(self, town: Town, inventories: Mapping[str, Inventory], taken_back: bool) -> None:
        """`taken_back`: what the engine has may be a revision that never reached the disk, with larger masks."""
        try:
            self.policy.put(town, inventories)
        except ConfigurationError:
            if not taken_back:
                raise
            self.policy.put_back(town, inventories)

    def _refused(self, error: Error, shows: bool) -> None:
        for line in refusal_lines(error):
            self._say(line)
        what = "what was in force stays" if shows else "nothing is shown"
        self._say(f"the state cannot be put in force: {what} until it is put right")

    def _note(self) -> bytes:
        rev, inventories = self._stored.rev, self.policy.inventories
        ages = {name: site["list_age_s"] or 0.0 for name, site in self._sites.figures().items()} if inventories else {}
        return _Noted(rev, inventories, ages, self._now_ns()).packed()


@dataclass(frozen=True)
class _Noted:
    """What lies beside a snapshot in the engine's process. `rev`: of the state on the disk when it was sent."""

    rev: int
    inventories: Mapping[str, Inventory]
    _ages_s: Mapping[str, float]
    _at_ns: int

    @classmethod
    def of(cls, note: bytes) -> "_Noted":
        """Reads what `packed` gave, or nothing."""
        if not note:
            return cls(-1, {}, {}, 0)
        value = json.loads(note)
        inventories = {name: _inventory(one) for name, one in value["inventories"].items()}
        return cls(value["rev"], inventories, value["ages_s"], value["at_ns"])

    def ages_s(self, now_ns: int) -> dict[str, float]:
        """How old each inventory is."""
        return {name: age + max(0.0, (now_ns - self._at_ns) / 1e9) for name, age in self._ages_s.items()}

    def packed(self) -> bytes:
        """As bytes."""
        inventories = {name: asdict(one) for name, one in self.inventories.items()}
        value = {"rev": self.rev, "inventories": inventories, "ages_s": dict(self._ages_s), "at_ns": self._at_ns}
        return json.dumps(value).encode()


def _inventory(value: Mapping[str, Any]) -> Inventory:
    cameras = (
        OfferedCamera(**{**camera, "streams": tuple(OfferedStream(**stream) for stream in camera["streams"])})
        for camera in value["cameras"]
    )
    return Inventory(value["partner"], tuple(cameras))
