"""`vigie can`: the answer in one paragraph, and as JSON."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from vigie.cli import app as cli

CITY = [
    "kind: Organisation\nname: ville\nspec: {type: municipality, communes: ['57463']}\n",
    "kind: Organisation\nname: police\nspec: {type: police}\n",
    "kind: Camera\nname: place\nspec: {owner: ville, commune: '57463', regime: street, streams: {m: {url: 'push:'}}}\n",
    "kind: Agent\nname: lea\nspec: {organisation: police, roles: [operator], habilitation: {reference: H-7, from: "
    "2026-01-01, until: 2026-12-31, departments: '*'}}\n",
    "kind: Authorisation\nname: order\nspec: {number: a, from: 2026-01-01, until: 2030-12-31,"
    " cameras: {commune: '57463'}, purposes: [inquiry], retention_days: 30}\n",
    "kind: Convention\nname: share\nspec: {from: ville, to: police, cameras: {owner: ville}, rights: [live],"
    " windows: ['Mo-Fr 07:00-19:00'], from_date: 2026-01-01, purposes: [inquiry], default_purpose: inquiry}\n",
    "kind: WatchOrder\nname: nightingale\nspec: {organisation: police, reference: JI-7, persons: [other], cameras:"
    " [place], from: '2026-07-01T00:00:00Z', until: '2026-07-02T00:00:00Z'}\n",
    "kind: Agent\nname: other\nspec: {organisation: police}\n",
]
Town = Callable[..., Path]


def can(file: Path, *arguments: str) -> Any:
    return CliRunner().invoke(cli.app, ["can", *arguments, "-f", str(file)])


@pytest.fixture
def city(town: Town) -> Path:
    return town(*CITY)


def test_yes_with_its_end_and_its_reasons(city: Path) -> None:
    result = can(city, "lea", "place", "live", "--at", "2026-06-01T12:00:00+02:00")
    assert result.exit_code == 0, result.output
    assert result.output.startswith("Yes: lea may see live pictures of place for inquiry")
    for part in ("habilitation H-7", "Convention share from ville", "order a", "ends at 2026-06-01 19:00:00"):
        assert part in result.output
    assert result.output.rstrip().endswith("The camera is withheld: nobody sees its pictures.")
    assert result.output.count("\n") == 1


def test_no_is_another_exit_code(city: Path) -> None:
    result = can(city, "lea", "place", "ptz", "--at", "2026-06-01T12:00:00+02:00", "--purpose", "inquiry")
    assert result.exit_code == 1
    assert "not declared to turn" in result.output


def test_as_json(city: Path) -> None:
    answer = json.loads(can(city, "lea", "place", "live", "--at", "2026-06-01T12:00:00+02:00", "--json").output)
    assert (answer["allowed"], answer["until"], answer["rights"]) == (True, "2026-06-01T17:00:00Z", ["live"])
    assert [fact["code"] for fact in answer["why"]] == [
        "habilitation",
        "convention",
        "dates",
        "window",
        "authorisation",
    ]
    answer = json.loads(can(city, "lea", "place", "live", "--at", "2026-06-06T12:00:00+02:00", "--json").output)
    assert (answer["allowed"], answer["code"], answer["published"]) == (False, "window", None)


def test_a_watch_is_not_shown(city: Path) -> None:
    for more in ([], ["--json"]):
        result = can(city, "lea", "place", "live", "--at", "2026-07-01T12:00:00+02:00", *more)
        assert result.exit_code == 1
        assert "reserved" in result.output
        assert "nightingale" not in result.output
    coming = can(city, "lea", "place", "live", "--at", "2026-06-30T18:59:00+02:00", "--json")
    assert json.loads(coming.output)["until"] == "2026-06-30T17:00:00Z"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["le", "place", "live"], 'no Agent "le"; did you mean "lea"?'),
        (["lea", "plaza", "live"], 'no Camera "plaza"'),
        (["lea", "place", "live", "--at", "noon"], "not a time"),
        (["lea", "place", "live", "--zone", "Paris"], 'no time zone "Paris"'),
    ],
)
def test_what_was_given_is_wrong(city: Path, arguments: list[str], text: str) -> None:
    result = can(city, *arguments)
    assert result.exit_code == 2
    assert text in result.output


def test_wrong_files(town: Town) -> None:
    result = can(town(CITY[0].replace("type", "typ")), "lea", "place", "live")
    assert result.exit_code == 2
    assert 'did you mean "type"?' in result.output
