"""`vigie site list`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from e2e.onvif_recorder import PASSWORD, USER, recorder
from vigie.errors import NotFoundError
from vigie.site.cli import app


@pytest.fixture
def town(tmp_path: Path) -> Callable[..., Path]:
    """Writes documents into `town.yaml` and returns its path."""

    def write(*documents: dict[str, Any]) -> Path:
        path = tmp_path / "town.yaml"
        path.write_text("\n---\n".join(json.dumps(document) for document in documents), encoding="utf-8")
        return path

    return write


def site(name: str, url: str, **spec: Any) -> dict[str, Any]:
    account = {"username": USER, "password": "env:SITE_PASSWORD"}
    return {"kind": "Site", "name": name, "spec": {"url": url, **account, **spec}}


def says(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, ["list", *map(str, arguments)], env={"COLUMNS": "200"})


def test_what_a_partner_offers(town: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SITE_PASSWORD", PASSWORD)
    clear = {"VideoSource_2": {"name": "hall", "privacy": "clear", "privacy_reason": "the hall alone"}}
    with recorder(3) as device:
        device.channels[0].title = "Quai &#27;[2J[red]1[/]"
        device.answers["GetStreamUri"] = "<Uri>rtsp://10.0.0.9/x</Uri>"
        gare = site("gare", device.url, cameras=["VideoSource_[23]", "nothing"], overrides=clear)
        file = town(gare, site("down", "rtsp://127.0.0.1:1"))
        table = says("-f", file, "gare")
        told = says("-f", file, "--json")
    # An escape for an escape sequence makes it no XML: a refusal, not a terminal that is wiped.
    assert table.exit_code == 1
    assert "\x1b[2J" not in table.output
    assert told.exit_code == 1, "one partner does not answer"
    sites = json.loads(told.stdout)["sites"]
    assert "connection could not be opened" in sites[1]["error"]
    assert PASSWORD not in table.output + told.output


def test_the_table_and_json_say_the_same(town: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SITE_PASSWORD", PASSWORD)
    clear = {"VideoSource_2": {"name": "hall", "privacy": "clear", "privacy_reason": "the hall alone"}}
    with recorder(3) as device:
        device.channels[0].title = "[red]Quai[/] 1"
        device.answers["GetStreamUri"] = "<Uri>rtsp://10.0.0.9/x</Uri>"
        file = town(site("gare", device.url, cameras=["VideoSource_[23]"], overrides=clear))
        table = says("-f", file)
        told = says("-f", file, "gare", "--json")
    assert (table.exit_code, told.exit_code) == (0, 0), table.output
    assert "Acme NVR 16 2.1, 3 cameras, 2 taken" in table.output
    assert "[red]Quai[/] 1" in table.output, "a stranger's text is no markup"
    assert "gare.hall" in table.output
    assert "main H265 3840x2160" in table.output
    (found,) = json.loads(told.stdout)["sites"]
    assert [(camera["token"], camera["name"], camera["state"]) for camera in found["cameras"]] == [
        ("VideoSource_1", "gare.VideoSource_1", "not chosen"),
        ("VideoSource_2", "gare.hall", "taken"),
        ("VideoSource_3", "gare.VideoSource_3", "taken"),
    ]
    assert [camera["privacy"] for camera in found["cameras"]] == [None, "clear", "withheld"]
    assert found["cameras"][1]["pull"] == "on_demand"
    assert "gets no credentials" in found["cameras"][1]["notes"][0]
    assert PASSWORD not in table.output + told.output


def test_wrong_files_and_names(town: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SITE_PASSWORD", PASSWORD)
    wrong = says("-f", town(site("gare", "ftp://h")))
    assert wrong.exit_code == 2
    assert "spec.url" in wrong.output
    file = town(site("gare", "rtsp://h"))
    missing = says("-f", file, "gar")
    assert isinstance(missing.exception, NotFoundError)
    assert 'did you mean "gare"' in str(missing.exception)
