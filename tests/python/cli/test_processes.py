"""`vigie serve --state` as processes: who dies, who goes on, who is found again, and what is said of it."""

import json
import os
import re
import resource
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from python.processes import real_time
from python.processes.ending import kill_process, kill_processes, pids_of
from vigie.bench.kill import viewer as kill_viewer
from vigie.bench.servers import free_port
from vigie.control import ops, rights_clock
from vigie.control.client import Client
from vigie.errors import ConnectionLostError, JournalWriteFailedError, StateUnwritableError
from vigie.processes import run_folder
from vigie.processes.run_folder import CONTROL, ENGINE
from vigie.sim.process import SimProcess

from .conftest import SERVER, apply, camera

pytestmark = pytest.mark.usefixtures("core")
Start = Callable[..., Any]


def gone(pid: int) -> bool:
    until = time.monotonic() + 10
    while run_folder.start_time(pid) is not None:
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


def in_engine(running: Any) -> int:
    """How often the engine has taken a policy, by what is printed."""
    return sum(" policy_applied " in line for line in running.lines)


def test_a_clean_end_ends_all(serve: Start, client: Client, state: Path) -> None:
    running = serve()
    apply(client, SERVER, camera("a"))
    pids = pids_of(state)
    assert set(pids) == {ENGINE, CONTROL}
    running.process.terminate()
    assert running.wait_end() == 0, running.text()
    assert (running.lines[-2].split()[-1], running.lines[-1]) == ("stopped", "vigie: closed")
    assert all(gone(pid) for pid in pids.values())


def test_what_receives_and_sends_goes_before_what_masks(serve: Start, client: Client, state: Path) -> None:
    free = free_port()
    server = f'kind: Server\nname: here\nspec: {{rtsp: [{{listen: "127.0.0.1:{free}"}}]}}\n'
    corners = "[[0.1, 0.1], [0.4, 0.1], [0.4, 0.4]]"
    region = f"{{name: flats, reason: dwellings, points: {corners}}}"
    hidden = f"kind: MaskSet\nname: m\nspec: {{camera: w, reason: dwellings, regions: [{region}]}}\n"
    with SimProcess(1, options=["--bitrate", "0.5", "--gop", "25"]) as sim:
        serve()
        watched = f'kind: Camera\nname: w\nspec: {{privacy: masked, streams: {{main: {{url: "{sim.url(0)}"}}}}}}\n'
        apply(client, server, watched, hidden, "kind: Agent\nname: eye\nspec: {password: x, cameras: [w]}\n")
        pids = pids_of(state)
        assert not real_time.threads_in(pids[ENGINE]), "nothing is masked yet"
        viewer = kill_viewer.Viewer(free, "eye", "x", "w")
        assert viewer.wait_pictures(0, 20)
        real_time.wait_in(pids[ENGINE], {"vigie-io-0"})
        assert not real_time.threads_in(pids[CONTROL])
        viewer.stop()


def test_figures_come_from_the_start(serve: Start, client: Client) -> None:
    running = serve("--stats-interval", "0.1")
    apply(client, SERVER, camera("a"))
    running.wait_line("0/1 streams playing")


@pytest.mark.parametrize("part", ["", "control at"])
def test_an_end_at_the_start_does_not_take_long(vigie_command: Start, state: Path, part: str) -> None:
    running = vigie_command("serve", "--state", state)
    if part:
        running.wait_line(part)
    else:
        until = time.monotonic() + 20
        while not (state / "run" / "supervisor.sock").exists():  # it handles signals from now on
            assert time.monotonic() < until
            time.sleep(0.001)
        time.sleep(0.1)
    running.process.terminate()
    assert running.wait_end(15) in (0, -signal.SIGTERM), running.text()
    assert pids_of(state) == {}


def test_a_second_signal_ends_all_at_once(serve: Start, state: Path) -> None:
    running = serve()
    pids = pids_of(state)
    os.kill(pids[CONTROL], signal.SIGSTOP)  # it would be waited for
    running.process.send_signal(signal.SIGTERM)
    running.wait_line("closing")
    running.process.send_signal(signal.SIGTERM)
    assert running.wait_end(5) == -signal.SIGTERM
    assert all(gone(pid) for pid in pids.values())


def test_control_that_is_killed_comes_back_and_touches_nothing(serve: Start, client: Client, state: Path) -> None:
    running = serve()
    apply(client, SERVER, camera("a"))
    engine = pids_of(state)[ENGINE]
    running.wait_line("policy: revision 1")
    kill_process(state, CONTROL)
    assert client.call("ping", {}).rev == 1
    running.wait_line("control has ended (killed by SIGKILL)")
    assert pids_of(state)[ENGINE] == engine
    assert client.call("stats.get", {}).body["engine"]["revision"] == 1
    assert in_engine(running) == 1, "a policy was put in force once more"
    assert apply(client, camera("b")) == 2
    assert client.call("stats.get", {}).body["engine"]["revision"] == 2


def test_an_engine_that_is_killed_gets_what_was_in_force(serve: Start, client: Client, state: Path) -> None:
    running = serve()
    apply(client, SERVER, camera("a"))
    kill_process(state, ENGINE)
    running.wait_line("engine has ended (killed by SIGKILL)")
    running.wait_line("policy: revision 2")
    assert list(client.call("stats.get", {}).body["cameras"]) == ["a"]
    assert apply(client, camera("b")) == 2


def test_while_the_engine_is_away_changes_are_refused_and_reading_goes_on(
    serve: Start, client: Client, state: Path
) -> None:
    running = serve()
    apply(client, SERVER, camera("a"))
    os.kill(running.process.pid, signal.SIGSTOP)  # nobody starts the next one
    try:
        kill_process(state, ENGINE)
        with pytest.raises(ConnectionLostError, match="nothing was changed"):
            apply(client, camera("b"))
        assert [item.name for item in client.get(ops.ObjectsGet(kind="Camera"))] == ["a"]
        assert [item.name for item in client.state().items] == ["a", "here"]
        with pytest.raises(ConnectionLostError):
            client.call("stats.get", {})
    finally:
        os.kill(running.process.pid, signal.SIGCONT)
    assert apply(client, camera("b")) == 2


def test_the_others_go_on_without_a_supervisor_and_the_next_one_finds_them(
    serve: Start, client: Client, state: Path
) -> None:
    running = serve()
    apply(client, SERVER, camera("a"))
    pids = pids_of(state)
    running.process.kill()
    running.process.wait()
    assert apply(client, camera("b")) == 2
    again = serve("--json", "--stats-interval", "0.1")
    again.wait_line(f"engine is running already (process {pids[ENGINE]})")
    again.wait_line("state at revision 2, 3 objects")
    again.wait_line("listening on 127.0.0.1:")
    assert json.loads(again.wait_line('"type": "stats"'))["revision"] == 2
    assert pids_of(state) == pids
    # Those that it has found it watches as its own.
    kill_process(state, CONTROL)
    again.wait_line("control has ended (")
    assert client.call("ping", {}).rev == 2
    again.process.terminate()
    assert again.wait_end() == 0, again.text()
    assert gone(pids[ENGINE])


def test_what_was_said_without_a_supervisor_is_said_to_the_next(serve: Start, client: Client, state: Path) -> None:
    running = serve()
    apply(client, SERVER)
    running.process.kill()
    running.process.wait()
    apply(client, camera("a"))
    again = serve()
    again.wait_line("a/main: connecting -> waiting")


def test_files_and_options_of_a_new_supervisor_count(serve: Start, client: Client, state: Path, tmp_path: Path) -> None:
    file = tmp_path / "town.yaml"
    file.write_text(SERVER)
    first = serve("-f", file)
    first.wait_line("state at revision 1, 1 changes")
    pids = pids_of(state)
    first.process.kill()
    first.process.wait()
    file.write_text(SERVER + "---\n" + camera("a"))
    again = serve("-f", file)
    again.wait_line("state at revision 2, 1 changes")
    assert pids_of(state) == pids
    again.process.kill()
    again.process.wait()
    third = serve("-f", file, "--control", f"ipc://{state}/other.sock", "--control", f"ipc://{state}/control.sock")
    third.wait_line("control was started otherwise")
    with Client(f"ipc://{state}/other.sock", timeout_s=30) as other:
        assert other.call("ping", {}).rev == 2
    assert pids_of(state)[ENGINE] == pids[ENGINE]
    assert not [line for line in third.lines if " policy_applied " in line], "the engine was touched"


def test_one_supervisor_a_folder(serve: Start, vigie_command: Start, state: Path) -> None:
    serve()
    second = vigie_command("serve", "--state", state)
    assert second.wait_end() == 1
    assert "another supervisor process uses it" in second.text()


def test_an_engine_that_cannot_start_ends_the_start(vigie_command: Start, state: Path) -> None:
    running = vigie_command("serve", "--state", state, "--pin", "4000")
    assert running.wait_end() == 1
    assert "error: An argument is not acceptable" in running.text()
    assert pids_of(state) == {}


def test_what_dies_again_and_again_is_said_with_its_last_lines(serve: Start, client: Client, state: Path) -> None:
    running = serve("--http", "127.0.0.1:0")
    apply(client, SERVER, camera("a"))
    engine = pids_of(state)[ENGINE]
    good = (state / "state.db").read_bytes()
    wal = (state / "state.db-wal").read_bytes()
    (state / "state.db-wal").unlink()
    (state / "state.db").write_bytes(b"no database" * 1000)
    kill_process(state, CONTROL)
    running.wait_line("control has ended 3 times in a row soon after its start; its last lines:")
    running.wait_line("control: error: The state folder cannot be used: file is not a database")
    status, body = fetch(running, "/health")
    assert status == 503
    assert any("control" in reason for reason in json.loads(body)["reasons"])
    assert "vigie_up 0.0" in fetch(running, "/metrics")[1]
    assert pids_of(state).get(ENGINE) == engine
    (state / "state.db").write_bytes(good)
    (state / "state.db-wal").write_bytes(wal)
    assert client.call("ping", {}).rev == 1
    until = time.monotonic() + 20
    while fetch(running, "/health")[0] != 200:
        assert time.monotonic() < until, fetch(running, "/health")
        time.sleep(0.05)


def fetch(running: Any, path: str) -> tuple[int, str]:
    base = re.search(r"http://\S+", running.wait_line("health and metrics at"))
    assert base is not None
    try:
        with urllib.request.urlopen(base[0] + path, timeout=15) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_health_and_metrics(serve: Start, client: Client, state: Path) -> None:
    running = serve("--http", "127.0.0.1:0")
    secret = 'kind: Agent\nname: jeanne\nspec: {password: "hidden-word", cameras: [a]}\n'
    apply(client, SERVER, camera("a"), secret)
    status, body = fetch(running, "/health")
    assert (status, json.loads(body)["reasons"], json.loads(body)["revision"]) == (200, [], 1)
    status, text = fetch(running, "/metrics")
    assert status == 200
    assert "vigie_up 1.0" in text
    assert 'vigie_stream_privacy{camera="a",privacy="withheld",stream="main"} 1.0' in text
    assert "jeanne" not in text
    assert "hidden-word" not in text
    assert fetch(running, "/")[0] == 404
    os.kill(running.process.pid, signal.SIGSTOP)
    try:
        kill_process(state, ENGINE)
    finally:
        os.kill(running.process.pid, signal.SIGCONT)
    running.wait_line("engine has ended")
    until = time.monotonic() + 20
    while 'vigie_process_restarts_total{process="engine"} 1.0' not in fetch(running, "/metrics")[1]:
        assert time.monotonic() < until
        time.sleep(0.05)


def test_health_says_which_process_does_not_answer(serve: Start, client: Client, state: Path) -> None:
    running = serve("--http", "127.0.0.1:0")
    apply(client, SERVER, camera("a"))
    control = pids_of(state)[CONTROL]
    os.kill(control, signal.SIGSTOP)
    try:
        status, body = fetch(running, "/health")
    finally:
        os.kill(control, signal.SIGCONT)
    assert (status, json.loads(body)["reasons"]) == (503, ["control does not answer"])


def test_health_says_that_the_engine_does_not_answer(serve: Start, client: Client, state: Path) -> None:
    running = serve("--http", "127.0.0.1:0")
    apply(client, SERVER, camera("a"))
    engine = pids_of(state)[ENGINE]
    os.kill(engine, signal.SIGSTOP)
    try:
        status, body = fetch(running, "/health")
    finally:
        os.kill(engine, signal.SIGCONT)
    assert (status, json.loads(body)["reasons"]) == (503, ["the engine does not answer"])
    assert apply(client, camera("b")) == 2


@pytest.mark.parametrize("listen", ["nowhere", "127.0.0.1", "127.0.0.1:x", "name:80", "127.0.0.1:99999"])
def test_a_wrong_address_for_http(vigie_command: Start, state: Path, listen: str) -> None:
    running = vigie_command("serve", "--state", state, "--http", listen)
    assert running.wait_end() == 2, running.text()
    assert "right would be ADDRESS:PORT" in " ".join(running.text().split())


def test_a_taken_address_for_http_is_said(vigie_command: Start, state: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        running = vigie_command("serve", "--state", state, "--http", address)
        assert running.wait_end() == 1, running.text()
    assert address in running.text()
    assert pids_of(state) == {}


def test_systemd_is_told(vigie_command: Start, state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "notify.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        monkeypatch.setenv("WATCHDOG_USEC", "200000")
        running = vigie_command("serve", "--state", state)
        told: list[str] = []

        def wait(field: str) -> None:
            while field not in "\n".join(told).splitlines():
                told.append(manager.recv(4096).decode())

        wait("READY=1")
        told.clear()
        wait("WATCHDOG=1")
        for pid in pids_of(state).values():
            assert b"NOTIFY_SOCKET" not in Path(f"/proc/{pid}/environ").read_bytes()
        running.process.terminate()
        wait("STOPPING=1")
        assert running.wait_end() == 0


def test_the_terminal_ends_nobody_but_the_supervisor(serve: Start, state: Path) -> None:
    running = serve()
    for pid in pids_of(state).values():
        assert os.getsid(pid) == pid != os.getsid(running.process.pid)


def test_what_lies_in_the_folder_is_its_users_alone(serve: Start, state: Path) -> None:
    serve()
    for path in [state, *state.rglob("*")]:
        if path.suffix != ".pub" and path.exists():
            assert path.stat().st_mode & 0o077 == 0, path


def test_a_full_disk_refuses_changes_and_streams_go_on(
    serve: Start, client: Client, state: Path, tmp_path: Path
) -> None:
    free = free_port()
    server = f'kind: Server\nname: here\nspec: {{rtsp: [{{listen: "127.0.0.1:{free}"}}]}}\n'
    with SimProcess(1, options=["--bitrate", "0.5", "--gop", "25"]) as sim:
        running = serve()
        shown = f'privacy: clear, privacy_reason: test, streams: {{main: {{url: "{sim.url(0)}"}}}}'
        watched = f"kind: Camera\nname: w\nspec: {{{shown}}}\n"
        apply(client, server, watched, "kind: Agent\nname: eye\nspec: {password: x, cameras: [w]}\n")
        viewer = kill_viewer.Viewer(free, "eye", "x", "w")
        assert viewer.wait_pictures(0, 20)
        # As a full disk: no file of control's may grow.
        control = pids_of(state)[CONTROL]
        full = (state / "state.db-wal").stat().st_size
        _, hard = resource.prlimit(control, resource.RLIMIT_FSIZE, (full, resource.RLIM_INFINITY))
        try:
            with pytest.raises((StateUnwritableError, JournalWriteFailedError)):
                apply(client, *(camera(f"c{number}", f"title: {'x' * 200}, ") for number in range(50)))
            assert client.call("ping", {}).rev == 1
            assert [item.name for item in client.get(ops.ObjectsGet(kind="Camera"))] == ["w"]
            assert viewer.wait_pictures(time.time_ns(), 20)
            assert list(client.call("stats.get", {}).body["cameras"]) == ["w"]
        finally:
            resource.prlimit(control, resource.RLIMIT_FSIZE, (hard, hard))
        assert apply(client, camera("c")) == 2
        assert len(viewer.seen) == 1, "the viewer was cut"
        viewer.stop()
        running.process.terminate()
        assert running.wait_end() == 0, running.text()


def test_the_clock_is_shown_and_trusted(vigie_command: Start, serve: Start, state: Path) -> None:
    running = serve()
    shown = vigie_command("clock", "show", "--state", state, "--json")
    assert shown.wait_end() == 0, shown.text()
    until = time.monotonic() + 20
    while not (state / "clock.json").exists():
        assert time.monotonic() < until
        time.sleep(0.01)
    believed = json.loads((state / "clock.json").read_text())
    rights_clock.write_believed(
        state / "clock.json", rights_clock.Believed(**{**believed, "wall_ns": believed["wall_ns"] + 3600 * 10**9})
    )
    running.wait_line("the clock has stepped by -3600 s")
    shown = vigie_command("clock", "show", "--state", state)
    assert (shown.wait_end(), "stepped by -3600 s" in shown.text()) == (1, True)
    trusted = vigie_command("clock", "trust", "--state", state)
    assert trusted.wait_end() == 0, trusted.text()
    running.wait_line("the clock is believed again")
    assert vigie_command("clock", "show", "--state", state / "nowhere").wait_end() == 1


def test_viewers_of_a_partners_cameras_are_not_cut_by_the_death_of_control(
    serve: Start, vigie_command: Start, client: Client, state: Path, tmp_path: Path
) -> None:
    """The next control does not know yet what the partner offers; the engine's process has it beside the snapshot."""
    there, here = free_port(), free_port()
    shown = "privacy: clear, privacy_reason: test"
    with SimProcess(1, options=["--bitrate", "0.5", "--gop", "25"]) as sim:
        file = tmp_path / "there.yaml"
        open_server = f'kind: Server\nname: x\nspec: {{rtsp: [{{listen: "127.0.0.1:{there}", access: open}}]}}\n'
        offered = f'kind: Camera\nname: w\nspec: {{{shown}, streams: {{main: {{url: "{sim.url(0)}"}}}}}}\n'
        file.write_text(open_server + "---\n" + offered)
        partner = vigie_command("serve", "-f", file)
        partner.wait_line("w/main: waiting -> playing")
        running = serve()
        server = f'kind: Server\nname: here\nspec: {{rtsp: [{{listen: "127.0.0.1:{here}"}}]}}\n'
        site = f'kind: Site\nname: s\nspec: {{url: "rtsp://127.0.0.1:{there}", {shown}}}\n'
        apply(client, server, site, "kind: Agent\nname: eye\nspec: {password: x, cameras: ['s.*']}\n")
        running.wait_line("1 cameras offered by")
        viewer = kill_viewer.Viewer(here, "eye", "x", "s.w")
        assert viewer.wait_pictures(0, 20)
        os.kill(partner.process.pid, signal.SIGSTOP)  # it tells nobody anything
        try:
            kill_process(state, CONTROL)
            assert client.call("ping", {}).rev == 1
            assert list(client.call("stats.get", {}).body["cameras"]) == ["s.w"]
        finally:
            os.kill(partner.process.pid, signal.SIGCONT)
        assert viewer.wait_pictures(time.time_ns(), 20)
        assert len(viewer.seen) == 1, viewer.seen
        viewer.stop()


def test_a_right_ends_while_control_is_dead(serve: Start, client: Client, state: Path) -> None:
    free = free_port()
    server = f'kind: Server\nname: here\nspec: {{rtsp: [{{listen: "127.0.0.1:{free}"}}]}}\n'
    with SimProcess(1, options=["--bitrate", "0.5", "--gop", "25"]) as sim:
        running = serve()
        shown = f'privacy: clear, privacy_reason: test, streams: {{main: {{url: "{sim.url(0)}"}}}}'
        ends_s = time.time() + 4
        until = datetime.fromtimestamp(ends_s, UTC).isoformat()
        eye = f'kind: Agent\nname: eye\nspec: {{password: x, cameras: [w], until: "{until}"}}\n'
        apply(client, server, f"kind: Camera\nname: w\nspec: {{{shown}}}\n", eye)
        viewer = kill_viewer.Viewer(free, "eye", "x", "w")
        assert viewer.wait_pictures(0, 20)
        os.kill(running.process.pid, signal.SIGSTOP)  # nobody starts another one
        try:
            kill_process(state, CONTROL)
            assert viewer.wait_pictures(time.time_ns(), 3), "it was cut by the death of control"
            time.sleep(max(0.0, ends_s + 1.5 - time.time()))
            assert viewer.seen[-1].ended, "it still watches"
            assert viewer.last_ns / 1e9 < ends_s + 1
        finally:
            os.kill(running.process.pid, signal.SIGCONT)
        assert client.call("ping", {}).rev == 1
        assert not viewer.wait_pictures(int((ends_s + 1) * 1e9), 1)
        viewer.stop()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small disk is not allowed here")
    yield folder
    kill_processes(folder / "state")
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_control_that_dies_on_a_full_disk_waits_for_room_and_viewers_go_on(
    vigie_command: Start, small_disk: Path
) -> None:
    state, free = small_disk / "state", free_port()
    server = f'kind: Server\nname: here\nspec: {{rtsp: [{{listen: "127.0.0.1:{free}"}}]}}\n'
    with SimProcess(1, options=["--bitrate", "0.5", "--gop", "25"]) as sim:
        running = vigie_command("serve", "--state", state)
        shown = f'privacy: clear, privacy_reason: test, streams: {{main: {{url: "{sim.url(0)}"}}}}'
        with Client(f"ipc://{state}/control.sock", timeout_s=30) as client:
            watched = f"kind: Camera\nname: w\nspec: {{{shown}}}\n"
            apply(client, server, watched, "kind: Agent\nname: eye\nspec: {password: x, cameras: [w]}\n")
            viewer = kill_viewer.Viewer(free, "eye", "x", "w")
            assert viewer.wait_pictures(0, 20)
            with suppress(OSError), (small_disk / "fill").open("wb", buffering=0) as fill:
                while True:
                    fill.write(b"x" * 4096)
            with pytest.raises((StateUnwritableError, JournalWriteFailedError)):
                apply(client, *(camera(f"c{number}", f"title: {'x' * 200}, ") for number in range(20)))
            kill_process(state, CONTROL)
            running.wait_line("control: error: ")  # it has nowhere to write it, and says it all the same
            assert viewer.wait_pictures(time.time_ns(), 20)
            (small_disk / "fill").unlink()
            assert client.call("ping", {}).rev == 1
            assert len(viewer.seen) == 1, "the viewer was cut"
            viewer.stop()
        running.process.terminate()
        assert running.wait_end() == 0, running.text()
