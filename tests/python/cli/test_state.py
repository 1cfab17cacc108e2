"""`vigie serve --state` and its clients as processes, with the real engine: what is acknowledged is in force."""

import json
import random
import re
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("core")
SERVER = 'kind: Server\nname: here\nspec: {rtsp: [{listen: "127.0.0.1:0", access: open}]}\n'
Start = Callable[..., Any]
Town = Callable[..., Path]


def camera(name: str, fields: str = "", labels: str = "") -> str:
    head = f"kind: Camera\nname: {name}\n" + (f"labels: {{{labels}}}\n" if labels else "")
    return f'{head}spec: {{{fields}streams: {{main: {{url: "push:"}}}}}}\n'


def masks(size: float, more: str = "") -> str:
    region = f"{{name: r, points: [[0, 0], [{size}, 0], [{size}, {size}]]}}"
    return f"kind: MaskSet\nname: m\nspec:\n  {{camera: a, reason: flats, {more}regions: [{region}]}}\n"


def port_of(running: Any) -> int:
    found = re.search(r"listening on 127\.0\.0\.1:(\d+)", running.wait_line("listening on"))
    assert found is not None
    return int(found[1])


def describes(port: int, camera_name: str) -> str:
    """The status line of a DESCRIBE."""
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.settimeout(5)
        connection.sendall(f"DESCRIBE rtsp://127.0.0.1:{port}/{camera_name} RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode())
        return connection.recv(4096).split(b"\r\n")[0].decode()


def test_apply_reaches_the_engine_and_survives_kill(serve: Start, vigie: Any, town: Town, state: Path) -> None:
    running = serve()
    code, text = vigie("apply", "-f", town(SERVER, camera("a", labels="zone: north"), camera("b")))
    assert (code, text.splitlines()[-1]) == (0, "revision 1: 3 changes"), text
    port = port_of(running)
    withheld, absent = describes(port, "a"), describes(port, "nobody")
    assert withheld != absent, "the camera is not in the engine"
    running.kill_all()
    again = serve()
    again.wait_line("state at revision 1, 3 objects")
    assert describes(port_of(again), "a") == withheld
    code, text = vigie("get", "Camera", "-l", "zone=north", "--json")
    assert code == 0
    assert [item["name"] for item in json.loads(text)["objects"]] == ["a"]
    again.process.terminate()
    assert again.wait_end() == 0, again.text()
    assert again.lines[-1] == "vigie: closed"
    code, text = vigie("get", "--timeout", "0.3")
    assert code == 1
    assert "no answer within" in text


def test_the_journal_of_a_session_holds(
    serve: Start, vigie_command: Start, vigie: Any, town: Town, state: Path
) -> None:
    running = serve()
    assert vigie("apply", "-f", town(SERVER, camera("a")))[0] == 0
    assert vigie("rollback", "99")[0] == 1
    running.kill_all()
    again = serve()
    assert vigie("delete", "Camera/a")[0] == 0
    again.process.terminate()
    assert again.wait_end() == 0, again.text()
    verify = vigie_command("journal", "verify", state / "journal", "--key", state / "journal.key.pub")
    assert verify.wait_end() == 0, verify.text()
    show = vigie_command("journal", "show", state / "journal", "--json", "--auditor")
    assert show.wait_end() == 0, show.text()
    text = show.text()
    kinds = [
        kind
        for kind in re.findall(r'"kind": ?"([a-z.]+)"', text)
        if kind != "alarm" and not kind.startswith("journal.")
    ]
    assert kinds == ["process", "apply", "refusal", "process", "apply"], text


def test_the_engine_refuses_and_nothing_is_kept(serve: Start, vigie: Any, town: Town) -> None:
    serve()
    masked = camera("a", "privacy: masked, ")
    assert vigie("apply", "-f", town(SERVER, masked, masks(0.5)))[0] == 0
    file = town(SERVER, masked, masks(0.4))
    code, text = vigie("apply", "-f", file, "--json")
    assert code == 2, text
    assert f"{file}:11: MaskSet m spec.removal_reason: missing; part of the region" in text
    refusal = json.loads(text.splitlines()[-1])
    assert (refusal["ok"], refusal["name"], refusal["problems"][0]["line"]) == (False, "policy_field", 11)
    assert "revision 1" in vigie("history", "-n", "1")[1]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, text = vigie("apply", "-f", town(SERVER.replace("127.0.0.1:0", f"127.0.0.1:{port}"), masked))
    assert code == 1, text
    assert f"127.0.0.1:{port}" in text
    assert vigie("apply", "-f", town(SERVER, masked, masks(0.6)))[1].splitlines()[-1] == "revision 2: 1 change"


def test_masks_do_not_shrink_over_a_restart(serve: Start, vigie: Any, town: Town, state: Path) -> None:
    running = serve()
    file = town(SERVER, camera("a", "privacy: masked, "), masks(0.5), agent("given"))
    assert vigie("apply", "-f", file)[0] == 0
    running.kill_all()
    # The secret is gone: the state cannot be used, and the engine knows no mask to compare with.
    (state / "secrets.json").unlink()
    running = serve()
    running.wait_line("nothing is shown until it is put right")
    assert "not a secret of this field" in running.text()
    code, text = vigie("apply", "-f", town(SERVER, camera("a", "privacy: masked, "), masks(0.4), agent("new")))
    assert code == 2, text
    assert "spec.removal_reason: missing" in text
    code, text = vigie("apply", "-f", town(SERVER, camera("a", "privacy: masked, "), masks(0.5), agent("new")))
    assert code == 0, text
    running.wait_line("listening on")


def agent(password: str) -> str:
    return f'kind: Agent\nname: jeanne\nspec: {{password: "{password}", cameras: [a]}}\n'


def test_files_are_applied_at_the_start_and_on_sighup(serve: Start, vigie: Any, town: Town, state: Path) -> None:
    file = town(SERVER, camera("a"))
    running = serve("-f", file)
    running.wait_line("state at revision 1, 2 changes")
    town(SERVER, camera("a", "privcy: clear, "))
    running.process.send_signal(signal.SIGHUP)
    running.wait_line("not taken over; revision 1 stays in force")
    assert f'{file}:7: Camera a spec.privcy: unknown field; did you mean "privacy"?' in running.text()
    town(SERVER, camera("b"))
    running.process.send_signal(signal.SIGHUP)
    running.wait_line("state at revision 2, 1 changes")
    assert [line.split()[0] for line in vigie("get")[1].splitlines()] == ["Camera/a", "Camera/b", "Server/here"]


def test_a_mistake_in_the_files_ends_the_start(vigie_command: Start, town: Town, state: Path) -> None:
    running = vigie_command("serve", "--state", state, "-f", town(SERVER, camera("a", "privcy: clear, ")))
    assert running.wait_end() == 2, running.text()
    assert "did you mean" in running.text()


def test_dry_run_prune_and_expected_revision(serve: Start, vigie: Any, town: Town, state: Path) -> None:
    serve("-f", town(SERVER, camera("a"), camera("b"))).wait_line("state at revision 1")
    file = town(SERVER, camera("a", "number: 7, "))
    code, text = vigie("apply", "-f", file, "--prune", "--dry-run")
    assert code == 0
    assert text.splitlines()[1:4] == ["~ Camera a", "    spec.number: + 7", "- Camera b"]
    assert "revision 1: 2 changes would be made" in text
    assert vigie("apply", "-f", file, "--expect-rev", "7")[0] == 1
    assert "revision 2: 2 changes" in vigie("apply", "-f", file, "--prune", "--expect-rev", "1")[1]
    assert vigie("get", "Camera/b")[0] == 1
    code, text = vigie("rollback", "1")
    assert (code, "revision 3: 2 changes" in text) == (0, True)
    code, text = vigie("describe", "Camera/b")
    assert code == 0
    assert "# stream main: waiting" in text
    assert "# revision 3, owner local" in text
    code, text = vigie("delete", "Camera/b", "Camera/a")
    assert "revision 4: 2 changes" in text
    code, text = vigie("wait", "--rev", "4", "--json")
    assert json.loads(text)["rev"] == 4


def test_export_applies_again(serve: Start, vigie: Any, town: Town, state: Path, tmp_path: Path) -> None:
    strange = camera("a", 'title: "010", commune: "57463", ', labels='yes: "true", empty: ""')
    serve("-f", town(SERVER, strange, agent("secret-word"))).wait_line("state at")
    code, text = vigie("export")
    assert code == 0
    assert "secret-word" not in text
    file = tmp_path / "exported.yaml"
    file.write_text(text)
    assert "revision 1: 0 changes" in vigie("apply", "-f", file, "--prune")[1]


def test_events_are_followed_over_a_restart(
    serve: Start, vigie_command: Start, vigie: Any, town: Town, state: Path
) -> None:
    running = serve("-f", town(SERVER, camera("a")))
    following = vigie_command("events", "-f", "--state", state)
    following.wait_line("Camera/a: main waiting")
    assert vigie("apply", "-f", town(camera("b")))[0] == 0
    following.wait_line("object_created  Camera/b: revision 2")
    running.kill_all()
    serve()
    following.wait_line("revision 2, 3 objects")
    assert vigie("apply", "-f", town(camera("c")))[0] == 0
    following.wait_line("object_created  Camera/c: revision 3")
    following.process.send_signal(signal.SIGINT)
    assert following.wait_end() == 0, following.text()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["get"], "--state DIR, or --control"),
        (["get", "-l", "x", "--control", "ipc:///x"], "NAME=VALUE"),
        (["describe", "Camera", "--control", "ipc:///x"], "KIND/NAME"),
        (["serve"], "a YAML file, or --state"),
        (["get", "--control", "tcp://127.0.0.1:1"], "without keys"),
        (["apply", "-f", "/nowhere.yaml", "--control", "ipc:///x"], "cannot be read"),
    ],
)
def test_what_is_given_wrong_is_exit_code_2(vigie_command: Start, arguments: list[str], says: str) -> None:
    command = vigie_command(*arguments)
    assert command.wait_end() == 2, command.text()
    assert says in " ".join(command.text().split())


def test_keys_over_tcp(vigie_command: Start, town: Town, state: Path, tmp_path: Path) -> None:
    running = vigie_command("serve", "--state", state, "--control", "tcp://127.0.0.1:*", "-f", town(SERVER))
    endpoint = running.wait_line("control at ").split()[-1]
    key = tmp_path / "chief.key"
    made = vigie_command("keys", "add", "chief", "--state", state, "--administrator", "--out", key)
    assert made.wait_end() == 0, made.text()
    file = tmp_path / "more.yaml"
    file.write_text(camera("a"))
    applied = vigie_command("apply", "-f", file, "--control", endpoint, "--key", key)
    assert applied.wait_end() == 0, applied.text()
    revoked = vigie_command("keys", "revoke", "chief", "--state", state)
    assert revoked.wait_end() == 0
    refused = vigie_command("get", "--control", endpoint, "--key", key, "--timeout", "1")
    assert refused.wait_end() == 1, refused.text()


ROUNDS = 6


def test_kill_under_load_loses_no_acknowledged_revision(serve: Start, town: Town, state: Path) -> None:
    """The whole: service, store and engine, killed while a client applies without pause and retries by id."""
    from vigie.control import ops
    from vigie.control.client import Client
    from vigie.errors import ControlUnavailableError

    rng = random.Random(3)
    acknowledged = 0
    number = 0
    with Client(f"ipc://{state}/control.sock", timeout_s=30) as client:
        for _ in range(ROUNDS):
            running = serve()
            until = time.monotonic() + 0.3 + rng.random()
            while time.monotonic() < until:
                number += 1
                text = SERVER + "---\n" + camera("a", f"number: {number}, ")
                try:
                    acknowledged = client.apply(yaml=[ops.YamlSource(text=text)], timeout_s=2).rev
                except ControlUnavailableError:
                    break
            running.kill_all()
        serve()
        rev = client.call("ping", {}).rev
        (found,) = client.get(ops.ObjectsGet(kind="Camera", name="a"))
    assert rev >= acknowledged > ROUNDS
    assert found.body["spec"]["number"] in (number, number - 1)
