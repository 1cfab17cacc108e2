"""`vigie serve` as a process: start, reload, refuse, stop. Sockets on loopback only."""

import json
import re
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SERVER = 'kind: Server\nname: here\nspec: {rtsp: [{listen: "127.0.0.1:0", access: open}]}\n'
pytestmark = pytest.mark.usefixtures("core")
Start = Callable[..., Any]
Town = Callable[..., Path]


def camera(name: str, fields: str = "") -> str:
    return f'kind: Camera\nname: {name}\nspec: {{{fields}streams: {{main: {{url: "push:"}}}}}}\n'


def options_answer(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.settimeout(5)
        connection.sendall(f"OPTIONS rtsp://127.0.0.1:{port}/ RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode())
        return connection.recv(4096)


def port_of(running: Any) -> int:
    found = re.search(r"listening on 127\.0\.0\.1:(\d+)", running.wait_line("listening on"))
    assert found is not None
    return int(found[1])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_starts_serves_and_stops_cleanly(town: Town, vigie_command: Start, number: signal.Signals) -> None:
    running = vigie_command("serve", "-f", town(SERVER, camera("a", "privacy: clear, privacy_reason: test, ")))
    running.wait_line("revision 1 in force: 1 camera (1 clear), 0 agents, 1 server")
    port = port_of(running)
    assert options_answer(port).startswith(b"RTSP/1.0 200")
    running.process.send_signal(number)
    assert running.wait_end() == 0, running.text()
    assert running.lines[-1] == "vigie: closed"
    with pytest.raises(OSError):
        options_answer(port)


def test_reload_takes_over_what_changed_and_leaves_the_rest(town: Town, vigie_command: Start) -> None:
    file = town(SERVER, camera("a"), camera("b"))
    running = vigie_command("serve", "-f", file)
    port = port_of(running)
    before = len(running.lines)
    town(SERVER, camera("a"), camera("c"))
    running.process.send_signal(signal.SIGHUP)
    running.wait_line("revision 2 in force")
    running.wait_line("revision 2, 2 changes")
    assert options_answer(port).startswith(b"RTSP/1.0 200"), "the listener was touched"
    assert not [line for line in running.lines[before:] if " a/main" in line], "an unchanged camera was touched"
    running.process.terminate()
    assert running.wait_end() == 0


def test_a_reload_with_a_mistake_changes_nothing(town: Town, vigie_command: Start) -> None:
    file = town(SERVER, camera("a"))
    running = vigie_command("serve", "-f", file)
    port = port_of(running)
    town(SERVER, camera("a", "privcy: clear, "), camera("b"))
    running.process.send_signal(signal.SIGHUP)
    running.wait_line("not taken over; revision 1 stays in force")
    assert 'spec.privcy: unknown field; did you mean "privacy"?' in running.text()
    assert options_answer(port).startswith(b"RTSP/1.0 200")
    town(SERVER, camera("a"), camera("b"))
    running.process.send_signal(signal.SIGHUP)
    running.wait_line("revision 2 in force: 2 cameras")
    running.process.terminate()
    assert running.wait_end() == 0


def masks(size: float, more: str = "") -> str:
    region = f"{{name: r, points: [[0, 0], [{size}, 0], [{size}, {size}]]}}"
    return f"kind: MaskSet\nname: m\nspec:\n  {{camera: a, reason: flats, {more}regions: [{region}]}}\n"


def test_a_reload_that_hides_less_needs_a_reason(town: Town, vigie_command: Start) -> None:
    masked = camera("a", "privacy: masked, ")
    running = vigie_command("serve", "-f", town(SERVER, masked, masks(0.5)))
    running.wait_line("revision 1 in force")
    for number, (size, more, answer) in enumerate(
        [
            (0.4, "", "not taken over; revision 1 stays in force"),
            (0.6, "", "revision 2 in force"),
            (0.4, "removal_reason: agreed, ", "revision 3 in force"),
        ]
    ):
        town(SERVER, masked, masks(size, more))
        running.process.send_signal(signal.SIGHUP)
        running.wait_line(answer)
        if number == 0:
            said = 'MaskSet m spec.removal_reason: missing; part of the region "r" of revision 1 would be shown'
            assert said in running.text()
    # What does not change keeps its number: only the new camera is a change.
    town(SERVER, masked, masks(0.4, "removal_reason: agreed, "), camera("b"))
    running.process.send_signal(signal.SIGHUP)
    running.wait_line("revision 4, 1 changes")
    running.process.terminate()
    assert running.wait_end() == 0


def test_a_taken_address_is_said_and_ends_it(town: Town, vigie_command: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        running = vigie_command("serve", "-f", town(SERVER.replace("127.0.0.1:0", f"127.0.0.1:{port}")))
        assert running.wait_end() == 1, running.text()
    assert f"127.0.0.1:{port}" in running.text()
    assert "error: " in running.text()


def test_json_lines(town: Town, vigie_command: Start) -> None:
    running = vigie_command("serve", "-f", town(SERVER, camera("a")), "--json", "--stats-interval", "0.1")
    stats = json.loads(running.wait_line('"type": "stats"'))
    assert stats["revision"] == 1
    assert stats["cameras"]["a"]["streams"]["main"]["privacy"] == "withheld"
    running.process.terminate()
    assert running.wait_end() == 0
    kinds = {json.loads(line)["type"] for line in running.lines if line.startswith("{")}
    assert kinds == {"event", "note", "stats"}


def test_live_without_a_terminal_prints_lines(town: Town, vigie_command: Start) -> None:
    running = vigie_command("serve", "-f", town(SERVER, camera("a")), "--live", "--stats-interval", "0.1")
    running.wait_line("0/1 streams playing")
    running.process.terminate()
    assert running.wait_end() == 0


def test_signals_are_answered_at_once(town: Town, vigie_command: Start) -> None:
    running = vigie_command("serve", "-f", town(SERVER))
    running.wait_line("revision 1 in force")
    began = time.monotonic()
    running.process.terminate()
    assert running.wait_end() == 0
    assert time.monotonic() - began < 5
