"""A camera's commune and an agent's organisation, as lines of the journal have them."""

from typing import Any

import pytest

from vigie.control.lookups import commune_of, organisation_of
from vigie.control.parties import Line
from vigie.control.state_journal import record_of

OBJECTS: dict[tuple[str, str], Any] = {
    ("Camera", "hall"): {"spec": {"commune": "57463"}},
    ("Camera", "gare.hall"): {"spec": {"commune": "57672"}},
    ("Camera", "nowhere"): {"spec": {}},
    ("Site", "gare"): {"spec": {"commune": "57480"}},
    ("Site", "gone"): {"spec": {"commune": "57000"}},
    ("Agent", "lea"): {"spec": {"organisation": "police"}},
    ("Agent", "free"): {"spec": {}},
}


def find(kind: str, name: str) -> Any:
    return OBJECTS.get((kind, name))


@pytest.mark.parametrize(
    ("camera", "commune"),
    [
        ("hall", "57463"),
        ("hall@police", "57463"),
        ("gare.quai-1", "57480"),
        ("gare.quai-1@police", "57480"),
        ("gare.hall", "57672"),
        ("gare.quai.1", "57480"),
        ("nowhere", None),
        ("gone", None),
        ("gare", None),
        ("", None),
        (".", None),
    ],
)
def test_a_camera_of_a_site_is_in_the_commune_of_the_site(camera: str, commune: str | None) -> None:
    assert commune_of(camera, find) == commune
    for line in (
        Line("camera.snapshot", "lea", "", camera=camera, still=(1, 2)),
        Line("camera.snapshot", "lea", "", code=203, text="no", camera=camera),
    ):
        if camera and camera != ".":
            assert record_of(line, find).commune == commune


def test_the_first_state_that_knows_a_camera_counts() -> None:
    before = {("Camera", "hall"): {"spec": {"commune": "57001"}}, ("Camera", "old"): {"spec": {"commune": "57002"}}}
    before[("Camera", "nowhere")] = {"spec": {"commune": "57003"}}
    states = (find, lambda *key: before.get(key))
    assert [commune_of(name, *states) for name in ("hall", "old", "nowhere", "never")] == ["57463", "57002", None, None]


def test_an_agents_organisation() -> None:
    assert [organisation_of(name, find) for name in ("lea", "free", "nobody", "")] == ["police", None, None, None]
