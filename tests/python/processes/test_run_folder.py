"""Who has a role of a state folder: by the lock and the start of its process, never by a number alone."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import vigie
from python.processes.ending import kill_process
from vigie.errors import StateUnreadableError
from vigie.processes import run_folder
from vigie.processes.run_folder import ENGINE

HOLDER = """
import sys, time
from pathlib import Path
from vigie.processes import run_folder
state = Path(sys.argv[1])
lock = run_folder.hold(state, run_folder.ENGINE)
if sys.argv[2] == "says":
    run_folder.announce(state, run_folder.ENGINE, {"shards": 2}, ready=True)
print("holds", flush=True)
time.sleep(60)
"""


def holder(state: Path, says: str = "says") -> "subprocess.Popen[str]":
    environ = {**os.environ, "PYTHONPATH": str(Path(vigie.__file__).parents[1])}
    command = [sys.executable, "-c", HOLDER, str(state), says]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ)
    assert process.stdout is not None
    assert process.stdout.readline() == "holds\n"
    return process


def test_nobody_and_somebody_and_nobody_again(tmp_path: Path) -> None:
    assert run_folder.find(tmp_path, ENGINE) is None
    process = holder(tmp_path)
    try:
        found = run_folder.find(tmp_path, ENGINE)
        assert found is not None
        assert (found.pid, found.options, found.ready) == (process.pid, {"shards": 2}, True)
        with pytest.raises(StateUnreadableError, match="another engine process"):
            run_folder.hold(tmp_path, ENGINE)
        assert kill_process(tmp_path, ENGINE)
    finally:
        process.kill()
        process.wait()
    assert run_folder.find(tmp_path, ENGINE) is None, "what it had said of itself was believed without it"


@pytest.mark.parametrize("told", [None, "", "{}", '{"pid": 1, "started": 1, "options": {}}'])
def test_whoever_holds_it_and_is_not_who_is_named_is_not_touched(
    tmp_path: Path, told: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_folder, "_TOLD_WITHIN_S", 0.1)
    process = holder(tmp_path, "silent")
    try:
        if told is not None:
            (tmp_path / "run" / "engine.json").write_text(told)
        with pytest.raises(StateUnreadableError, match="does not say who it is"):
            run_folder.find(tmp_path, ENGINE)
    finally:
        process.kill()
        process.wait()


def test_a_number_that_was_given_anew_is_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_folder, "_TOLD_WITHIN_S", 0.1)
    process = holder(tmp_path)
    try:
        path = tmp_path / "run" / "engine.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "started": 1}))
        with pytest.raises(StateUnreadableError):
            run_folder.find(tmp_path, ENGINE)
    finally:
        process.kill()
        process.wait()


def test_the_start_of_a_process(tmp_path: Path) -> None:
    own = run_folder.start_time(os.getpid())
    assert own is not None
    assert 0 < own <= time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK") + 1
    process = subprocess.Popen([sys.executable, "-c", ""])
    until = time.monotonic() + 10
    while run_folder.start_time(process.pid) is not None:  # its remains are not it
        assert time.monotonic() < until
        time.sleep(0.01)
    process.wait()


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateUnreadableError, match=r"Not a directory|File exists"):
        run_folder.hold(tmp_path / "file", ENGINE)


def test_a_new_state_folder_is_its_users_alone(tmp_path: Path) -> None:
    os.close(run_folder.hold(tmp_path / "a" / "state", ENGINE))
    for path in (tmp_path / "a" / "state", tmp_path / "a" / "state" / "run"):
        assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("kind", ["new", "both"])
def test_a_full_disk_keeps_nobody_from_starting(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = run_folder.hold(tmp_path, ENGINE)
    run_folder.announce(tmp_path, ENGINE, {"shards": 1})

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(run_folder, "replace_file", full)
    monkeypatch.setattr(run_folder, "_TOLD_WITHIN_S", 0.1)
    if kind == "both":
        monkeypatch.setattr(Path, "write_bytes", full)
    run_folder.announce(tmp_path, ENGINE, {"shards": 2})
    found = run_folder.find(tmp_path, ENGINE)
    assert found is not None
    assert found.options == {"shards": 1 if kind == "both" else 2}
    assert ("cannot say who it is" in capsys.readouterr().err) is (kind == "both")
    os.close(lock)
