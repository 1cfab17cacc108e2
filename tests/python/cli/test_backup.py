"""`vigie backup` of a folder that is in use, and the way back, as docs/operations.md walks it."""

import json
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vigie.control import ops
from vigie.control.client import Client
from vigie.control.desk_database import DeskDatabase
from vigie.control.session import load_keys
from vigie.control.tickets import ticket_key
from vigie.errors import InvalidArgumentError, NotFoundError, StateUnreadableError

pytestmark = pytest.mark.usefixtures("core")
SERVER = 'kind: Server\nname: here\nspec: {rtsp: [{listen: "127.0.0.1:0", access: open}]}\n'
Start = Callable[..., Any]


def camera(name: str, fields: str = "") -> str:
    return f'kind: Camera\nname: {name}\nspec: {{{fields}streams: {{main: {{url: "push:"}}}}}}\n'


def agent(password: str) -> str:
    return f'kind: Agent\nname: jeanne\nspec: {{password: "{password}", cameras: [a]}}\n'


def test_the_way_back(vigie_command: Start, state: Path, tmp_path: Path) -> None:
    running = vigie_command("serve", "--state", state, "--control", f"ipc://{state}/control.sock", "--control",
                            "tcp://127.0.0.1:*")  # fmt: skip
    running.wait_line("control at tcp://")
    key = tmp_path / "chief.key"
    assert vigie_command("keys", "add", "chief", "--administrator", "--out", key, "--state", state).wait_end() == 0
    stop = threading.Event()
    applied: list[int] = []

    def without_pause() -> None:
        with Client(f"ipc://{state}/control.sock", timeout_s=30) as client:
            number = 0
            while not stop.is_set():
                number += 1
                text = "---\n".join([SERVER, camera("a", f"number: {number}, "), agent(f"word-{number}")])
                applied.append(client.apply(yaml=[ops.YamlSource(text=text)]).rev)

    thread = threading.Thread(target=without_pause)
    thread.start()
    try:
        while len(applied) < 5:
            thread.join(0.01)
        before = applied[-1]
        made = vigie_command("backup", tmp_path / "copy", "--state", state, "--json")
        assert made.wait_end() == 0, made.text()
        after = applied[-1]
    finally:
        stop.set()
        thread.join(30)
    told = json.loads(made.lines[-1])
    assert before <= told["revision"] <= after + 1
    assert (told["objects"], told["lines"] >= told["revision"]) == (3, True)
    with Client(f"ipc://{state}/control.sock", timeout_s=30) as client:
        client.delete([("Agent", "jeanne")])
    running.process.terminate()
    assert running.wait_end() == 0
    # The disk is lost.
    shutil.rmtree(state)
    shutil.copytree(tmp_path / "copy", state)
    again = vigie_command("serve", "--state", state, "--control", f"ipc://{state}/control.sock", "--control",
                          "tcp://127.0.0.1:*")  # fmt: skip
    endpoint = again.wait_line("control at tcp://").split()[-1]
    again.wait_line(f"state at revision {told['revision']}, 3 objects")
    again.wait_line("listening on")
    with Client(endpoint, load_keys(key), timeout_s=30) as client:  # keys are those of before
        (found,) = client.get(ops.ObjectsGet(kind="Camera", name="a"))
        assert found.body["spec"]["number"] == told["revision"]
        assert client.apply(yaml=[ops.YamlSource(text=camera("b"))]).rev == told["revision"] + 1
    again.process.terminate()
    assert again.wait_end() == 0
    verified = vigie_command("journal", "verify", state / "journal", "--key", state / "journal.key.pub")
    assert verified.wait_end() == 0, verified.text()


def test_a_copy_is_whole_or_not_there(vigie_command: Start, state: Path, tmp_path: Path) -> None:
    from vigie.control.backup import back_up

    with pytest.raises(NotFoundError):
        back_up(state, tmp_path / "copy")
    running = vigie_command("serve", "--state", state)
    running.wait_line("control at")
    quick = SERVER.replace("}]}", "}], alarms: {silent_s: 1, settle_s: 0}}")
    with Client(f"ipc://{state}/control.sock", timeout_s=30) as client:
        client.apply(yaml=[ops.YamlSource(text="---\n".join([quick, camera("a"), agent("hidden-72")]))])
        while not (raised := [alarm for alarm in client.alarms() if alarm.kind == "camera_silent"]):
            time.sleep(0.05)
        client.acknowledge([raised[0].id], "the mast is down")
    (tmp_path / "there").mkdir()
    with pytest.raises(InvalidArgumentError, match="exists already"):
        back_up(state, tmp_path / "there")
    made = back_up(state, tmp_path / "copy")
    assert (made.revision, made.objects) == (1, 3)
    for path in [tmp_path / "copy", *(tmp_path / "copy").rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0, path
    assert b"hidden-72" not in (tmp_path / "copy" / "state.db").read_bytes()
    assert ticket_key(tmp_path / "copy") == ticket_key(state)
    desk = DeskDatabase(tmp_path / "copy")
    assert [alarm.note for alarm in desk.alarms() if alarm.id == raised[0].id] == ["the mast is down"]
    desk.close()
    # What does not fit together is no back-up.
    secrets = (state / "secrets.json").read_text()
    (state / "secrets.json").write_text("{}")
    with pytest.raises(StateUnreadableError, match="a secret of Agent/jeanne is missing"):
        back_up(state, tmp_path / "second")
    (state / "secrets.json").write_text(secrets)
    (segment,) = (state / "journal").glob("*.jsonl")
    text = segment.read_bytes()
    running.kill_all()
    segment.write_bytes(text.replace(b"apply", b"oppla", 1))
    with pytest.raises(StateUnreadableError, match="does not fit together"):
        back_up(state, tmp_path / "second")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "state", "there"]


def test_the_copy_is_read_with_standard_tools(vigie_command: Start, state: Path, tmp_path: Path) -> None:
    sqlite = shutil.which("sqlite3")
    if sqlite is None:
        pytest.skip("sqlite3 is not installed")
    running = vigie_command("serve", "--state", state)
    running.wait_line("control at")
    assert vigie_command("backup", tmp_path / "copy", "--state", state).wait_end() == 0
    query = [sqlite, str(tmp_path / "copy" / "state.db"), "PRAGMA integrity_check"]
    assert subprocess.run(query, capture_output=True, text=True, check=True).stdout == "ok\n"
