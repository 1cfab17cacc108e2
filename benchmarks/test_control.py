"""What changes of objects cost, from the YAML to the engine: 3 000 cameras of a department, 5 000 with 203 conventions.

    .venv/bin/python -m pytest benchmarks/test_control.py --benchmark-only

`…-engine`: with an engine of the process, which takes every snapshot; without: all but that. Each benchmark asserts
what it did. Compare figures of one run only.
"""

import copy
import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import vigie
from city import department
from city.parts import Choice, City
from vigie.control.in_force import InForce
from vigie.control.parties import LOCAL, InForceNumbers
from vigie.control.proposals import Source
from vigie.control.snapshot_text import SnapshotText
from vigie.control.store import Applied, Command, Store
from vigie.policy import Town, compile_snapshot, load_town
from vigie.policy.yaml_marks import read_documents

CHOICE = Choice(address="push:", sub_address="", listen="127.0.0.1:0")
COMMAND = Command(LOCAL)


class Gate:
    """As `vigie serve` has it, without sites."""

    def __init__(self, engine: Any) -> None:
        self._policy = InForce(engine, None)

    def check(self, town: Town) -> None:
        self._policy.compile(town, {})

    def put(self, town: Town) -> InForceNumbers:
        self._policy.put(town, {})
        return self._policy.numbers

    def put_back(self, town: Town) -> None:
        self._policy.put_back(town, {})

    def kept(self, town: Town) -> None: ...


class Fed:
    """An engine, given its snapshots as the control process gives them to the engine process."""

    def __init__(self) -> None:
        self._engine = vigie.Engine()
        self._text = SnapshotText()

    def apply(self, snapshot: Mapping[str, Any]) -> int:
        return self._engine.apply(self._text.of(snapshot).decode())

    def close(self) -> None:
        self._engine.close()


class NoEngine:
    """Takes everything at once."""

    def apply(self, snapshot: Mapping[str, Any]) -> int:
        return int(snapshot["revision"])

    def close(self) -> None: ...


@pytest.fixture(scope="module")
def city() -> City:
    """150 communes, 3 000 cameras, a third of them with masks."""
    return department.build(City(CHOICE))


@pytest.fixture(scope="module")
def sources(city: City, tmp_path_factory: pytest.TempPathFactory) -> list[Source]:
    """Its YAML."""
    folder = tmp_path_factory.mktemp("department")
    return [Source(str(file), file.read_text(encoding="utf-8"), str(folder)) for file in city.write(folder)]


@pytest.fixture(scope="module", params=["state", "state-engine"])
def store(
    request: pytest.FixtureRequest, sources: list[Source], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    """A state of all of it."""
    engine: Any = Fed() if request.param.endswith("engine") else NoEngine()
    with Store(tmp_path_factory.mktemp("state") / "s", gate=Gate(engine)) as made:
        made.apply(COMMAND, sources)
        yield made
    engine.close()


def changed(store: Store, body: dict[str, Any], change: Callable[[dict[str, Any], int], None]) -> Callable[[], Applied]:
    """An edit of one object, another one each time."""
    numbers = itertools.count(1)

    def edit() -> Applied:
        new = copy.deepcopy(body)
        change(new["spec"], next(numbers))
        return store.apply(COMMAND, objects=[new])

    return edit


def one(city: City, kind: str, **fields: Any) -> dict[str, Any]:
    """An object whose spec has these."""
    return next(
        body for body in city.bodies if body["kind"] == kind and fields.items() <= {**body["spec"]}.items()
    )  # fmt: skip


def test_read_yaml_of_3000_cameras(benchmark: Any, sources: list[Source]) -> None:
    found = benchmark.pedantic(lambda: [read_documents(one.text, one.file)[0] for one in sources], rounds=3)
    assert sum(map(len, found)) > 4000


@pytest.mark.parametrize("kind", ["state", "state-engine"])
def test_apply_3000_cameras(benchmark: Any, sources: list[Source], kind: str, tmp_path: Path) -> None:
    engines: list[Any] = []
    numbers = itertools.count()

    def empty() -> tuple[tuple[Store], dict[str, Any]]:
        engines.append(Fed() if kind.endswith("engine") else NoEngine())
        return (Store(tmp_path / str(next(numbers)), gate=Gate(engines[-1])),), {}

    applied = benchmark.pedantic(lambda store: store.apply(COMMAND, sources), setup=empty, rounds=3)
    assert applied.total > 4000
    for engine in engines:
        engine.close()


def test_edit_a_title(benchmark: Any, store: Store, city: City) -> None:
    edit = changed(store, one(city, "Camera", privacy="clear"), lambda spec, n: spec.update(title=f"title {n}"))
    assert benchmark.pedantic(edit, rounds=10).total == 1


def test_edit_the_regions_of_a_mask(benchmark: Any, store: Store, city: City) -> None:
    def wider(spec: dict[str, Any], n: int) -> None:
        spec["removal_reason"] = "a benchmark"
        spec["regions"][0]["points"][1][0] = round(0.15 + n % 10 / 100, 3)

    assert benchmark.pedantic(changed(store, one(city, "MaskSet"), wider), rounds=10).total == 1


def test_edit_what_rights_hang_on(benchmark: Any, store: Store, city: City) -> None:
    body = one(city, "Camera", privacy="clear", regime="street")
    edit = changed(store, body, lambda spec, n: spec.update(regime=("building", "street")[n % 2]))
    assert benchmark.pedantic(edit, rounds=10).total == 1


def test_edit_a_convention(benchmark: Any, store: Store, city: City) -> None:
    hours = ["08:00-12:00", "24/7"]
    edit = changed(store, one(city, "Convention"), lambda spec, n: spec.update(windows=[hours[n % 2]]))
    assert benchmark.pedantic(edit, rounds=10).total == 1


def test_delete_and_make_a_camera(benchmark: Any, store: Store, city: City) -> None:
    body = one(city, "Camera", privacy="clear")

    def both() -> int:
        gone = store.delete(COMMAND, [("Camera", body["name"])])
        return gone.total + store.apply(COMMAND, objects=[body]).total

    assert benchmark.pedantic(both, rounds=5) == 2


def test_start_with_3000_cameras(benchmark: Any, sources: list[Source], tmp_path: Path) -> None:
    with Store(tmp_path / "s", gate=Gate(NoEngine())) as made:
        made.apply(COMMAND, sources)

    def start() -> int:
        with Store(tmp_path / "s", gate=Gate(NoEngine())) as again:
            return len(again.refresh().cameras)

    assert benchmark.pedantic(start, rounds=3) == 3000


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Town:
    """5 000 cameras in 190 communes, 203 conventions."""
    folder = tmp_path_factory.mktemp("large")
    department.build(City(CHOICE), communes=190, cameras=5000).write(folder)
    town = load_town([folder])
    assert sum(item.object.kind == "Convention" for item in town.rules) == 203
    return town


def test_compile_5000_cameras_and_203_conventions(benchmark: Any, large: Town) -> None:
    now = time.time_ns()
    compiled = benchmark.pedantic(lambda: compile_snapshot(large, 1, None, {}, None, now), rounds=3)
    assert len(compiled.snapshot["cameras"]) == 5000


def test_compile_one_changed_convention_of_203(benchmark: Any, large: Town) -> None:
    now = time.time_ns()
    before = compile_snapshot(large, 1, None, {}, None, now)
    position, item = next((at, item) for at, item in enumerate(large.rules) if item.object.kind == "Convention")
    spec = item.object.spec.model_copy(update={"windows": ["03:00-03:01"]})
    rules = list(large.rules)
    rules[position] = copy.copy(item)
    object.__setattr__(rules[position], "object", item.object.model_copy(update={"spec": spec}))
    town = Town(large.servers, large.cameras, large.agents, (), large.sites, large.mask_sets, rules)
    compiled = benchmark.pedantic(lambda: compile_snapshot(town, 2, None, {}, before, now), rounds=10)
    assert compiled.snapshot["agents"] != before.snapshot["agents"]
