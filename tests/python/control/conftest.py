"""What the tests of the control plane share."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vigie.control.parties import InForceNumbers, Party
from vigie.control.proposals import Source
from vigie.control.store import Applied, Command, Store
from vigie.policy import Town

SERVER = 'kind: Server\nname: here\nspec: {rtsp: [{listen: "127.0.0.1:0", access: open}]}\n'
LOCAL = Party("local", administrator=True, local=True)


def camera(name: str, fields: str = "", labels: str = "") -> str:
    """A camera whose pictures a host would push."""
    head = f"kind: Camera\nname: {name}\n" + (f"labels: {{{labels}}}\n" if labels else "")
    return f'{head}spec: {{{fields}streams: {{main: {{url: "push:"}}}}}}\n'


def masks(name: str, of: str, size: float, more: str = "") -> str:
    """A mask set with one triangle of a size."""
    region = f"{{name: r, points: [[0, 0], [{size}, 0], [{size}, {size}]]}}"
    return f"kind: MaskSet\nname: {name}\nspec: {{camera: {of}, reason: flats, {more}regions: [{region}]}}\n"


def agent(name: str, password: str = "env:POST", cameras: str = '"*"', more: str = "") -> str:
    """An agent that may watch."""
    return f'kind: Agent\nname: {name}\nspec: {{password: "{password}", cameras: {cameras}{more}}}\n'


def yaml(*documents: str, file: str = "town.yaml", folder: str = "/etc/vigie") -> list[Source]:
    """Documents as one source."""
    return [Source(file, "---\n".join(documents), folder)]


class RecordingGate:
    """Takes what an engine would, and refuses or breaks on demand."""

    def __init__(self) -> None:
        self.towns: list[Town] = []
        self.put_back_to: list[Town] = []
        self.error: BaseException | None = None
        self.revision = 0

    def check(self, town: Town) -> None: ...

    def put(self, town: Town) -> InForceNumbers:
        if self.error is not None:
            raise self.error
        self.towns.append(town)
        self.revision += 1
        return InForceNumbers(self.revision)

    def put_back(self, town: Town) -> None:
        self.put_back_to.append(town)

    def kept(self, town: Town) -> None: ...


class OwnTownRights:
    """Everybody may all; what each makes is his own."""

    def may(self, party: Party, op: str, target: Any) -> Any:
        from vigie.control.parties import Decision

        return Decision(party.name != "nobody", "not for you")

    def may_know(self, party: Party, target: Any) -> bool:
        return True

    def owner_of(self, party: Party) -> str:
        return party.name

    def refused(self, party: Party, before: Any, after: Any) -> Any:
        return []


@pytest.fixture
def gate() -> RecordingGate:
    """What the store's revisions reach."""
    return RecordingGate()


@pytest.fixture
def store(tmp_path: Path, gate: RecordingGate) -> Iterator[Store]:
    """A new store with a gate and owners."""
    with Store(tmp_path / "state", gate=gate, rights=OwnTownRights(), environ={"POST": "of-post"}) as opened:
        yield opened


@pytest.fixture
def apply(store: Store) -> Callable[..., Applied]:
    """Applies documents to the store."""

    def call(*documents: str, party: Party = LOCAL, **options: Any) -> Applied:
        return store.apply(Command(party), yaml(*documents), **options)

    return call
