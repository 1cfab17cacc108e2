"""`vigie serve` starts itself anew, once, where that gives it large pages."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vigie.cli import large_pages
from vigie.cli.large_pages import TUNABLES, VARIABLE, worthwhile

SERVER = 'kind: Server\nname: here\nspec: {rtsp: [{listen: "127.0.0.1:0", access: open}]}\n'


@pytest.mark.parametrize(
    ("environment", "modes", "libc", "expected"),
    [
        ({}, "always [madvise] never", "glibc 2.36", True),
        ({}, "[always] madvise never", "glibc 2.35", True),
        ({}, "always madvise [never]", "glibc 2.36", False),
        ({}, "always [madvise] never", "glibc 2.34", False),
        ({}, "always [madvise] never", "glibc 3.0", True),
        ({}, "always [madvise] never", "musl 1.2.5", False),
        ({}, "", "glibc 2.36", False),
        ({VARIABLE: ""}, "always [madvise] never", "glibc 2.36", False),
        ({VARIABLE: TUNABLES}, "always [madvise] never", "glibc 2.36", False),
    ],
)
def test_it_is_worthwhile_only_where_it_changes_something(
    environment: dict[str, str], modes: str, libc: str, expected: bool
) -> None:
    assert worthwhile(environment, modes, libc) is expected


def test_the_same_command_is_started_with_the_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    modes = tmp_path / "enabled"
    modes.write_text("always [madvise] never\n")
    started: list[tuple[str, list[str], dict[str, str]]] = []
    monkeypatch.setattr(large_pages, "_MODES", modes)
    monkeypatch.setattr(os, "confstr", lambda _: "glibc 2.36")
    monkeypatch.setattr(os, "execve", lambda *call: started.append(call))
    monkeypatch.setattr("sys.executable", "/usr/bin/python3")
    monkeypatch.setattr("sys.orig_argv", ["python", "-m", "vigie", "serve", "-f", "a town.yaml"])
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("KEPT", "yes")

    large_pages.start_anew_if_worthwhile()
    ((program, arguments, environment),) = started
    assert program == "/usr/bin/python3"
    assert arguments == ["/usr/bin/python3", "-m", "vigie", "serve", "-f", "a town.yaml"]
    assert environment["KEPT"] == "yes"
    assert environment[VARIABLE] == TUNABLES

    monkeypatch.setenv(VARIABLE, TUNABLES)  # as the new process finds it
    large_pages.start_anew_if_worthwhile()
    assert len(started) == 1


def test_a_kernel_without_large_pages_is_no_hindrance(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(large_pages, "_MODES", tmp_path / "missing")
    monkeypatch.setattr(os, "execve", lambda *_: pytest.fail("started anew"))
    large_pages.start_anew_if_worthwhile()


@pytest.mark.usefixtures("core")
def test_serve_runs_with_the_variable_where_it_is_worthwhile(
    town: Callable[..., Path], vigie_command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    modes = large_pages._MODES.read_text() if large_pages._MODES.exists() else ""
    expected = worthwhile(os.environ, modes, os.confstr("CS_GNU_LIBC_VERSION") or "")
    running = vigie_command("serve", "-f", town(SERVER))
    running.wait_line("revision 1 in force")
    environment = Path(f"/proc/{running.process.pid}/environ").read_bytes()
    # The C library cuts its own copy at the colons while it reads it.
    assert (f"{VARIABLE}={TUNABLES.partition(':')[0]}".encode() in environment) is expected
    running.process.terminate()
    assert running.wait_end() == 0
