"""`vigie cameras import`: from a table and from devices, to YAML and into a state."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from e2e.onvif_recorder import PASSWORD, USER, recorder
from python.control.served import Served
from python.site.onvif_device import Discoverable
from vigie.cli import app as cli
from vigie.policy import load_town
from vigie.site import discovery

TABLE = "name,url,number,username,password\na-1,rtsp://10.1.0.7/main,1,,\na-2,rtsp://10.1.0.8/main,2,ops,{secret}\n"


def run(*arguments: str | Path) -> Any:
    return CliRunner().invoke(cli.app, ["cameras", "import", *map(str, arguments)])


@pytest.fixture
def table(tmp_path: Path) -> Callable[[str], Path]:
    def write(secret: str = "env:CAM") -> Path:
        file = tmp_path / "cameras.csv"
        file.write_text(TABLE.format(secret=secret), encoding="utf-8")
        return file

    return write


def test_yaml_that_can_be_served(table: Callable[..., Path], tmp_path: Path) -> None:
    result = run(table(), "--commune", "57463", "--regime", "street")
    assert result.exit_code == 0, result.output
    out = tmp_path / "cameras.yaml"
    out.write_text(result.stdout, encoding="utf-8")
    town = load_town([out], {"CAM": "secret"})
    assert [(item.object.name, item.object.spec.commune) for item in town.cameras] == [
        ("a-1", "57463"),
        ("a-2", "57463"),
    ]


def test_mistakes_are_all_said_and_nothing_is_printed(tmp_path: Path) -> None:
    file = tmp_path / "cameras.csv"
    file.write_text("name,url\na/b,rtsp://h/1\nc,ftp://h/2\n", encoding="utf-8")
    result = run(file)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"{file}:2: a/b column name" in result.stderr
    assert f"{file}:3: c column url" in result.stderr
    told = json.loads(run(file, "--json").stdout)
    assert (told["ok"], [problem["line"] for problem in told["problems"]]) == (False, [2, 3])


def test_a_password_in_clear_is_never_printed(table: Callable[..., Path]) -> None:
    result = run(table("hunter2"))
    assert result.exit_code == 2
    assert "hunter2" not in result.output + result.stderr
    assert "would be printed" in result.stderr


@pytest.mark.parametrize(
    "arguments", [[], ["--dry-run", "x.csv"], ["--network", "10.1.0"], ["--regime", "road", "x.csv"]]
)
def test_wrong_options(arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x.csv").write_text("name,url\na,rtsp://h/1\n", encoding="utf-8")
    assert run(*arguments).exit_code == 2


def test_applied_and_dry(table: Callable[..., Path], served: Served) -> None:
    to = ["--apply", "--control", served.endpoint]
    dry = run(table("hunter2"), *to, "--dry-run")
    assert dry.exit_code == 0, dry.output + dry.stderr
    assert "2 changes would be made" in dry.stdout
    assert served.store.body("Camera", "a-2") is None
    done = run(table("hunter2"), *to)
    assert done.exit_code == 0
    body = served.store.body("Camera", "a-2")
    assert body is not None
    assert body["spec"]["streams"]["main"]["password"].startswith("state:")
    again = json.loads(run(table("hunter2"), *to, "--json").stdout)
    assert (again["ok"], again["total"]) == (True, 0)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    made = Served(tmp_path / "state")
    yield made
    made.close()


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Has the command ask at the port of a device of the test."""

    def ask_at(port: int) -> None:
        real = discovery.discover
        monkeypatch.setattr(discovery, "discover", lambda network, seconds: real(network, seconds, port=port))

    return ask_at


def test_cameras_of_the_devices_of_a_network(
    found: Callable[[int], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ONVIF", PASSWORD)
    with recorder(2) as device, Discoverable(f"{device.url}/onvif/device_service", name="Gare%20Nord") as answering:
        found(answering.port)
        result = run("--network", "127.0.0.0/30", "--username", USER, "--password", "env:ONVIF", "--seconds", "0.5")
    assert result.exit_code == 0, result.output + result.stderr
    assert PASSWORD not in result.output
    out = tmp_path / "found.yaml"
    out.write_text(result.stdout, encoding="utf-8")
    town = load_town([out])
    names = [item.object.name for item in town.cameras]
    assert names == ["gare-nord-127-0-0-1-1", "gare-nord-127-0-0-1-2"]
    streams = town.cameras[0].object.spec.streams
    assert (streams["main"].url, streams["main"].username) == ("rtsp://127.0.0.1:554/p1_4k", USER)
    assert (streams["sub"].pull, town.cameras[0].object.spec.privacy) == ("on_demand", "withheld")
    assert town.cameras[0].secrets["spec", "streams", "main", "password"] == PASSWORD


def test_a_device_that_does_not_tell_is_said_and_an_exit_code(
    found: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with recorder(1) as device, Discoverable(f"{device.url}/onvif/device_service") as answering:
        found(answering.port)
        result = run("--network", "127.0.0.0/30", "--seconds", "0.5", "--json")
    told = json.loads(result.stdout)
    assert (result.exit_code, told["ok"], told["objects"]) == (1, False, [])
    assert "Entry North" in told["warnings"][0]


def test_a_stream_that_leads_elsewhere_gets_no_credentials(
    found: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONVIF", PASSWORD)
    with (
        recorder(1, uri="rtsp://192.0.2.66/{token}") as device,
        Discoverable(f"{device.url}/onvif/device_service") as answering,
    ):
        found(answering.port)
        result = run(
            "--network", "127.0.0.0/30", "--username", USER, "--password", "env:ONVIF", "--seconds", "0.5", "--json"
        )
    told = json.loads(result.stdout)
    assert result.exit_code == 1
    assert told["objects"][0]["spec"]["streams"]["main"] == {"url": "rtsp://192.0.2.66/p1_4k"}
    assert "another host" in told["warnings"][0]
