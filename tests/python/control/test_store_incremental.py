"""What the store takes over from before: order, checks, and the numbers of mask sets on the disk."""

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vigie.control.memory import MANY, reading, settle
from vigie.control.parties import InForceNumbers
from vigie.control.store import Applied, Command, Store
from vigie.errors import StateUnwritableError
from vigie.policy import ConfigurationError, Town

from .conftest import LOCAL, SERVER, RecordingGate, agent, camera, masks, yaml

Apply = Callable[..., Applied]


class NumberingGate(RecordingGate):
    """With an engine's numbers of the mask sets."""

    def put(self, town: Town) -> InForceNumbers:
        super().put(town)
        sets = {(item.object.spec.camera, ""): (self.revision, [item.object.spec.reason]) for item in town.mask_sets}
        return InForceNumbers(self.revision, sets)


@pytest.fixture
def gate() -> RecordingGate:
    return NumberingGate()


@pytest.fixture
def collector() -> Iterator[None]:
    """As it was."""
    yield
    gc.enable()
    gc.unfreeze()


def names(town: Town) -> list[str]:
    return [item.object.name for item in town.cameras]


def test_an_object_that_is_changed_stays_where_it_was(apply: Apply, gate: RecordingGate, store: Store) -> None:
    apply(SERVER, camera("a"), camera("b"), camera("c"))
    apply(camera("a", "title: new, "), camera("d"))
    assert names(gate.towns[-1]) == ["a", "b", "c", "d"]
    assert [key[1] for key in store.state.objects if key[0] == "Camera"] == ["a", "b", "c", "d"]
    store.delete(Command(LOCAL), [("Camera", "b")])
    assert names(gate.towns[-1]) == ["a", "c", "d"]


def test_what_is_given_twice_is_a_mistake_also_where_it_is_known(apply: Apply) -> None:
    apply(SERVER, camera("a"))
    with pytest.raises(ConfigurationError, match="the same name as at"):
        apply(camera("a", "title: one, "), camera("a", "title: two, "))


def test_what_others_name_cannot_go_after_any_number_of_changes(apply: Apply, store: Store) -> None:
    apply(SERVER, camera("a"), camera("b"), agent("lea", cameras="[a]"))
    apply(camera("b", "title: new, "))
    with pytest.raises(ConfigurationError, match='no camera "a"'):
        store.delete(Command(LOCAL), [("Camera", "a")])
    with pytest.raises(ConfigurationError, match='no camera "x"'):
        apply(agent("lea", cameras="[x]"))
    apply(agent("lea", cameras="[b]"))
    store.delete(Command(LOCAL), [("Camera", "a")])


def test_a_camera_that_no_longer_fits_its_masks_is_refused(apply: Apply) -> None:
    clear = "privacy: clear, privacy_reason: the square alone, "
    apply(SERVER, camera("a", "privacy: masked, "), masks("m", "a", 0.5), camera("b"))
    apply(camera("b", "title: new, "))
    with pytest.raises(ConfigurationError, match="a camera that is clear"):
        apply(camera("a", clear))


def test_a_refused_change_leaves_nothing_that_a_later_check_builds_on(apply: Apply, gate: RecordingGate) -> None:
    apply(SERVER, camera("a"))
    gate.error = StateUnwritableError("no room")
    with pytest.raises(StateUnwritableError):
        apply(camera("b"))
    gate.error = None
    with pytest.raises(ConfigurationError, match='no camera "b"'):
        apply(agent("lea", cameras="[b]"))


def test_numbers_on_the_disk_are_those_of_the_gate(apply: Apply, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def of(camera_name: str) -> Any:
        assert store.engine_numbers() == store._numbers_on_disk()
        return store.engine_numbers().mask_sets.get((camera_name, ""))

    apply(SERVER, camera("a", "privacy: masked, "), camera("b", "privacy: masked, "), masks("m", "a", 0.5))
    assert of("a") == (1, ["flats"])
    apply(masks("n", "b", 0.5))
    assert (of("a"), of("b")) == ((2, ["flats"]), (2, ["flats"]))

    class Broken:
        def append(self, line: Any) -> None:
            raise StateUnwritableError("no journal line")

    whole = store._journal
    store._journal = Broken()
    with pytest.raises(StateUnwritableError):
        apply(camera("b", "privacy: masked, title: new, "))
    assert of("b") == (2, ["flats"])
    store._journal = whole
    apply(camera("b", "privacy: masked, title: new, "))
    assert (of("a"), of("b")) == ((4, ["flats"]), (4, ["flats"]))
    store.delete(Command(LOCAL), [("MaskSet", "n")])
    assert of("b") is None


def test_numbers_go_on_from_what_another_process_left(tmp_path: Path) -> None:
    with Store(tmp_path / "s", gate=NumberingGate()) as first:
        first.apply(Command(LOCAL), yaml(SERVER, camera("a", "privacy: masked, "), masks("m", "a", 0.5)))
    with Store(tmp_path / "s", gate=NumberingGate()) as second:
        second.refresh()
        assert second.engine_numbers().mask_sets == {("a", ""): (1, ["flats"])}
        second.delete(Command(LOCAL), [("MaskSet", "m")])
        assert second.engine_numbers().mask_sets == {}


def test_the_collector_rests_while_many_are_read_and_is_as_it_was_after(collector: None) -> None:
    with reading(True):
        assert not gc.isenabled()
    assert gc.isenabled()
    with reading(False):
        assert gc.isenabled()
    with pytest.raises(KeyError), reading(True):
        raise KeyError
    assert gc.isenabled()
    gc.disable()
    with reading(True):
        pass
    assert not gc.isenabled()


def test_only_many_objects_are_left_out_of_its_rounds(collector: None) -> None:
    gc.unfreeze()
    settle(MANY - 1)
    assert gc.get_freeze_count() == 0
    settle(MANY)
    assert gc.get_freeze_count() > 0
