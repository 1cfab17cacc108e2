"""The commands that need no engine."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer
from typer.testing import CliRunner

import vigie.schema
from vigie.cli import app as cli
from vigie.policy.objects import KINDS
from vigie.processes import supervisor

SERVER = 'kind: Server\nname: here\nspec: {rtsp: [{listen: "127.0.0.1:0", access: open}]}\n'
EXAMPLE = Path(__file__).parents[3] / "examples" / "town.yaml"
Town = Callable[..., Path]


def vigie_says(*arguments: str | Path) -> Any:
    return CliRunner().invoke(cli.app, [str(argument) for argument in arguments])


@pytest.mark.parametrize("command", [["check"], ["serve", "--check"]])
def test_check_of_what_is_right(command: list[str]) -> None:
    result = vigie_says(*command, "-f", EXAMPLE)
    assert result.exit_code == 0, result.output
    assert "ok: 2 cameras (1 clear, 1 withheld), 0 agents, 1 server" in result.output
    assert "warning: " in result.output


@pytest.mark.parametrize("command", [["check"], ["serve", "--check"], ["serve"]])
def test_mistakes_are_all_said_with_their_lines(town: Town, command: list[str], core: None) -> None:
    file = town(
        SERVER.replace("access", "acess"), 'kind: Camera\nname: c\nspec: {streams: {m: {url: "rtsp://a:b@h/"}}}\n'
    )
    result = vigie_says(*command, "-f", file)
    assert result.exit_code == 2, result.output
    assert f'{file}:3: Server here spec.rtsp[0].acess: unknown field; did you mean "access"?' in result.output
    assert f"{file}:7: Camera c spec.streams.m.url: credentials inside the URL" in result.output
    assert "a:b" not in result.output


def test_a_missing_file_is_a_mistake(tmp_path: Path) -> None:
    result = vigie_says("check", "-f", tmp_path / "absent.yaml")
    assert result.exit_code == 2
    assert "cannot be read" in result.output


def test_every_server_of_several_is_checked(town: Town) -> None:
    result = vigie_says("check", "-f", town(SERVER, SERVER.replace("here", "there")))
    assert result.exit_code == 0, result.output
    assert "2 servers" in result.output
    assert vigie_says("check", "-f", town(SERVER), "--server", "there").exit_code == 2


@pytest.mark.parametrize("name", list(cli.SchemaName))
def test_schemas_are_schemas(name: str) -> None:
    result = vigie_says("schema", name)
    assert result.exit_code == 0
    jsonschema.Draft202012Validator.check_schema(json.loads(result.output))


def test_every_kind_has_a_schema() -> None:
    assert {name.value for name in cli.SchemaName} == {"snapshot", "objects", *(kind.lower() for kind in KINDS)}


def test_the_default_schema_is_the_snapshots() -> None:
    assert json.loads(vigie_says("schema").output) == vigie.schema.policy_snapshot()


def test_version() -> None:
    assert vigie_says("version").output.startswith("vigie ")


@pytest.mark.parametrize(
    ("text", "cpus"), [(None, []), ("", []), ("0", [0]), ("0,2", [0, 2]), ("0-2,5", [0, 1, 2, 5]), ("7-7", [7])]
)
def test_lists_of_cpus(text: str | None, cpus: list[int]) -> None:
    assert cli._cpus(text) == cpus


@pytest.mark.parametrize("text", ["x", "0,", "1-", "-1", "0;1", "3-1"])
def test_what_is_no_list_of_cpus(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        cli._cpus(text)


def test_an_encoder_that_is_not_there_is_refused_at_once(tmp_path: Path, core: None) -> None:
    said = vigie_says("serve", "--state", tmp_path / "state", "--mask-encoder", "pencil")
    assert said.exit_code == 2
    assert "'pencil' is not here; right would be vigie or libx264" in " ".join(said.output.replace("│", " ").split())
    assert not (tmp_path / "state").exists()


def test_the_engine_process_is_told_its_encoder() -> None:
    wanted = supervisor.Options(folder=Path("state"), mask_encoder="libx264")
    assert wanted.of("engine")["mask_encoder"] == "libx264"


def test_sub_commands_of_other_packages_get_their_options(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[list[str]] = []

    class Module:
        @staticmethod
        def app(args: list[str], prog_name: str) -> None:
            called.append([prog_name, *args])

    monkeypatch.setattr(cli.importlib, "import_module", lambda name: Module)
    assert vigie_says("bench", "live", "--quick", "--help").exit_code == 0
    assert called == [["vigie bench", "live", "--quick", "--help"]]


def test_a_sub_command_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(cli.importlib, "import_module", absent)
    result = vigie_says("load")
    assert result.exit_code == 1
    assert "not part of this installation" in result.output


def test_help_names_every_command() -> None:
    result = vigie_says("--help")
    for command in ("serve", "check", "schema", "version", "demo", "sim", "load", "site", "probe", "bench"):
        assert command in result.output


def test_demo_refuses_a_password_on_the_command_line() -> None:
    from vigie.demo.town import DemoOptions, _real_password
    from vigie.errors import InvalidArgumentError

    options = DemoOptions(None, "rtsp://h/", "u", "hunter2", 30, 12, Path("out"))
    with pytest.raises(InvalidArgumentError) as caught:
        _real_password(options, False)
    assert "hunter2" not in str(caught.value)


def test_demo_keeps_a_password_of_the_url_out_of_the_file() -> None:
    from vigie.demo.scenes import Clip
    from vigie.demo.town import CAMERA_PASSWORD, DemoOptions, _camera_environ, _town_yaml

    options = DemoOptions(None, "rtsp://ops:hunt%40er2@[::1]:554/a?b=c", None, None, 30, 2, Path("out"))
    text = _town_yaml(options, [Clip(Path("x"), "x", "h264")], 1)
    assert "hunt" not in text
    assert "url: rtsp://[::1]:554/a?b=c" in text
    assert f"password: env:{CAMERA_PASSWORD}" in text
    assert _camera_environ(options) == {CAMERA_PASSWORD: "hunt@er2"}
