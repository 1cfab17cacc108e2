"""What the real engine is given: numbers go on, masks do not shrink, what cannot be stored is taken back."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vigie.control.in_force import InForce, refusal_lines
from vigie.control.parties import InForceNumbers
from vigie.errors import BindFailedError
from vigie.policy import ConfigurationError, Town, load_town

from .conftest import SERVER, camera, masks

vigie_engine = pytest.importorskip("vigie.engine")
MASKED = camera("a", "privacy: masked, ")
Towns = Callable[..., Town]


@pytest.fixture
def town(tmp_path: Path) -> Towns:
    def load(*documents: str) -> Town:
        file = tmp_path / "town.yaml"
        file.write_text("---\n".join(documents))
        return load_town([file])

    return load


@pytest.fixture
def policy() -> Iterator[InForce]:
    with vigie_engine.Engine() as engine:
        yield InForce(engine, None)


def test_a_refusal_names_file_and_line_and_changes_nothing(policy: InForce, town: Towns) -> None:
    first = town(SERVER, MASKED, masks("m", "a", 0.5))
    policy.put(first, {})
    with pytest.raises(ConfigurationError) as refused:
        policy.put(town(SERVER, MASKED, masks("m", "a", 0.4)), {})
    assert "MaskSet m spec.removal_reason: missing; part of the region" in refusal_lines(refused.value)[0]
    assert (policy.town, policy.revision) == (first, 1)


def test_an_address_that_is_taken_is_no_mistake_of_the_files(policy: InForce, town: Towns) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = SERVER.replace("127.0.0.1:0", f"127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(BindFailedError):
            policy.put(town(server), {})
    assert policy.compiled is None


def test_put_back_shows_again_what_was_shown_before(policy: InForce, town: Towns) -> None:
    before = town(SERVER, MASKED, masks("m", "a", 0.4))
    policy.put(before, {})
    policy.put(town(SERVER, MASKED, masks("m", "a", 0.6)), {})
    policy.put_back(before, {})
    assert policy.compiled is not None
    (camera_in_force,) = policy.compiled.snapshot["cameras"]
    assert camera_in_force["masks"]["regions"][0]["points"][1] == [0.4, 0]
    assert camera_in_force["masks"]["revision"] == 3
    assert policy.town is before
    # The reason that let them shrink is the engine's alone: it does not stay for a later change.
    assert camera_in_force["masks"]["removal_reason"] == ""
    policy.put(before, {})
    assert policy.compiled.snapshot["cameras"][0]["masks"]["removal_reason"] == ""


def test_numbers_go_on_in_an_engine_of_its_own(policy: InForce, town: Towns) -> None:
    policy.put(town(SERVER), {})
    policy.put(town(SERVER, MASKED, masks("m", "a", 0.5)), {})
    numbers = policy.numbers
    assert (numbers.revision, numbers.mask_sets["a", ""][0]) == (2, 2)
    with vigie_engine.Engine() as engine:
        again = InForce(engine, None, numbers)
        again.put(town(SERVER, MASKED, masks("m", "a", 0.5)), {})
        assert again.revision == 3
        assert again.numbers.mask_sets["a", ""][0] == 2, "the same mask keeps its number"
        again.put(town(SERVER, MASKED, masks("m", "a", 0.6)), {})
        assert again.numbers.mask_sets["a", ""][0] == 4


@pytest.mark.parametrize(
    ("documents", "says"),
    [
        ((MASKED, masks("m", "a", 0.4)), 'the region "r" would be changed'),
        ((MASKED, masks("m", "a", 0.4, "removal_reason: agreed, ")), ""),
        ((MASKED, masks("other", "a", 0.5)), ""),
        ((MASKED,), ""),  # without a set it is covered
        ((), ""),
    ],
)
def test_masks_do_not_shrink_when_the_engine_forgot_them(
    policy: InForce, town: Towns, documents: tuple[str, ...], says: str
) -> None:
    policy.put(town(SERVER, MASKED, masks("m", "a", 0.5)), {})
    numbers = InForceNumbers(policy.numbers.revision, policy.numbers.mask_sets)
    with vigie_engine.Engine() as engine:
        again = InForce(engine, None, numbers)
        if says:
            with pytest.raises(ConfigurationError, match=says):
                again.put(town(SERVER, *documents), {})
            assert again.compiled is None
        else:
            again.put(town(SERVER, *documents), {})
