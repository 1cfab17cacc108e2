"""What every command keeps: `--json` for scripts, honest exit codes, completion by the shell."""

import importlib
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import vigie
from python.control.conftest import SERVER, agent, camera, yaml
from python.control.served import Served
from vigie.cli import app as cli
from vigie.control.parties import LOCAL
from vigie.control.store import Command

# `vigie NAME …` that is another module's app.
PASSED_ON = dict(re.findall(r'_pass_on\("(\w+)", "([\w.]+)"', inspect.getsource(cli)))
# JSON already; a server of its own, with JSON lines on stdin and stdout; a show, which leaves summary.json.
WITHOUT_JSON = {("schema",), ("sim",), ("demo",)}


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that does something, and its words."""
    commands = getattr(command, "commands", None)
    if not commands:
        yield path, command
        return
    for name, child in commands.items():
        if not path and name in PASSED_ON:
            yield from leaves(typer.main.get_command(importlib.import_module(PASSED_ON[name]).app), (name,))
        else:
            yield from leaves(child, (*path, name))


COMMANDS = dict(leaves(typer.main.get_command(cli.app)))


def test_all_commands_are_walked() -> None:
    assert {("apply",), ("keys", "add"), ("journal", "verify"), ("cameras", "import"), ("top",)} <= COMMANDS.keys()
    assert set(PASSED_ON) == {"sim", "load", "site", "probe", "inspect", "journal", "bench"}


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_has_json(path: tuple[str, ...]) -> None:
    options = [option for parameter in COMMANDS[path].params for option in parameter.opts]
    assert ("--json" in options) == (path not in WITHOUT_JSON), path


AS_INSTALLED = "import sys; sys.argv[0] = 'vigie'; from vigie.cli import main; sys.exit(main())"


def run_vigie(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """`vigie …` in a process of its own, with nothing of the service in its environment."""
    paths = [str(Path(vigie.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    known = {name: value for name, value in os.environ.items() if not name.startswith("VIGIE_")}
    return subprocess.run(
        [sys.executable, "-c", AS_INSTALLED, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env=known | {"PYTHONPATH": os.pathsep.join(paths), "NO_COLOR": "1"} | environ,
        check=False,
    )


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_an_unknown_option_is_exit_code_2(path: tuple[str, ...]) -> None:
    app = importlib.import_module(PASSED_ON[path[0]]).app if path[0] in PASSED_ON else cli.app
    words = path[1:] if path[0] in PASSED_ON else path
    result = CliRunner().invoke(app, [*words, "--no-such-option"])
    assert result.exit_code == 2, (path, result.output)


# What is enough of each client for it to ask.
CLIENTS: dict[tuple[str, ...], list[str]] = {
    ("get",): [],
    ("describe",): ["Camera/a"],
    ("delete",): ["Camera/a"],
    ("export",): [],
    ("history",): [],
    ("rollback",): ["0"],
    ("wait",): ["a"],
    ("events",): [],
    ("top",): ["--once"],
    ("alarms",): [],
    ("incident", "open"): ["a", "--motive", "a fight"],
    ("incident", "list"): [],
    ("incident", "close"): ["i", "--outcome", "nothing"],
    ("approve",): [],
    ("route", "open"): ["a"],
    ("route", "list"): [],
    ("route", "close"): ["r"],
}


@pytest.mark.parametrize("path", CLIENTS, ids=" ".join)
@pytest.mark.parametrize("json_too", [[], ["--json"]], ids=["lines", "json"])
def test_nobody_answers_is_exit_code_1(path: tuple[str, ...], json_too: list[str], tmp_path: Path) -> None:
    to = ["--control", f"ipc://{tmp_path}/nobody.sock", "--timeout", "0.2"]
    result = CliRunner().invoke(cli.app, [*path, *CLIENTS[path], *to, *json_too])
    assert result.exit_code == 1, result.output
    assert result.stderr.strip()
    assert bool(json_too) == result.stdout.startswith('{"ok": false')


def test_all_clients_are_asked() -> None:
    clients = {path for path, command in COMMANDS.items() if "--control" in [o for p in command.params for o in p.opts]}
    assert clients == CLIENTS.keys() | {("serve",), ("sim",), ("apply",), ("cameras", "import")}


def test_what_was_without_json_has_it(tmp_path: Path) -> None:
    runner = CliRunner()
    town = tmp_path / "town.yaml"
    town.write_text(SERVER, encoding="utf-8")
    assert '"ok": true' in runner.invoke(cli.app, ["check", "-f", str(town), "--json"]).stdout
    town.write_text(SERVER.replace("access", "acess"), encoding="utf-8")
    wrong = runner.invoke(cli.app, ["check", "-f", str(town), "--json"])
    assert (wrong.exit_code, '"line": 3' in wrong.stdout) == (2, True)
    assert '"core"' in runner.invoke(cli.app, ["version", "--json"]).stdout


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    made = Served(tmp_path / "state")
    town = yaml(SERVER, camera("place-01"), camera("place-02"), camera("quai"), agent("lea"))
    made.store.apply(Command(LOCAL), town)
    yield made
    made.close()


def completed(line: str, shell: str = "bash", **environ: str) -> list[str]:
    """What the shell offers behind a line; a blank at its end begins a new word."""
    words = line.split(" ")
    asked = {"_VIGIE_COMPLETE": f"complete_{shell}"}
    if shell == "bash":
        asked |= {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    else:
        asked |= {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    done = run_vigie(**asked, **environ)
    assert not done.stderr, done.stderr
    return [line for line in done.stdout.splitlines() if line]


def test_commands_are_completed() -> None:
    assert completed("vigie ca") == ["can", "cameras"]
    assert completed("vigie keys re") == ["revoke"]
    assert completed("vigie top --o") == ["--once"]
    assert completed("vigie top --sort bit") == ["bitrate"]
    assert [line.split()[0] for line in completed("vigie rol", "fish")] == ["rollback"]
    assert '"rollback"' in "".join(completed("vigie rol", "zsh"))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_scripts_of_the_shells(shell: str) -> None:
    done = run_vigie(_VIGIE_COMPLETE=f"source_{shell}")
    assert done.returncode == 0, done.stderr
    assert f"complete_{shell}" in done.stdout
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=done.stdout, text=True, check=True, timeout=10)


def test_names_come_from_a_running_service(served: Served) -> None:
    to = {"VIGIE_CONTROL": served.endpoint}
    assert completed("vigie wait place", **to) == ["place-01", "place-02"]
    assert completed(f"vigie describe --control {served.endpoint} Camera/q") == ["Camera/quai"]
    assert completed("vigie describe Agent/", **to) == ["Agent/lea"]
    assert completed("vigie get Cam", **to) == ["Camera/"]
    assert completed("vigie get Camera/[", **to) == []
    assert completed("vigie get Nothing/", **to) == []


def test_names_come_from_files_too(tmp_path: Path) -> None:
    town = tmp_path / "town.yaml"
    town.write_text("---\n".join([camera("place-01"), camera("quai"), agent("lea"), "kind: [", ""]), encoding="utf-8")
    assert completed(f"vigie can -f {town} l") == ["lea"]
    assert completed(f"vigie can -f {town} lea q") == ["quai"]


def test_without_a_service_nothing_is_offered_and_nothing_said(tmp_path: Path) -> None:
    assert completed("vigie wait p") == []
    assert completed("vigie wait p", VIGIE_CONTROL=f"ipc://{tmp_path}/nobody.sock") == []
    assert completed("vigie wait p", VIGIE_CONTROL="nonsense") == []
