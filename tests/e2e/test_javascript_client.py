"""The client in JavaScript, written from docs/protocol.md alone: applies, reads, follows events, survives kill -9.

Needs node, and the packages of examples/javascript/package.json: `make test` installs them where there is npm;
otherwise `npm install` there, or NODE_PATH.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import vigie
from python.processes.ending import kill_processes

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "javascript"
SERVER = 'kind: Server\nname: here\nspec: {rtsp: [{listen: "127.0.0.1:0", access: open}]}\n'


def camera(name: str, fields: str = "") -> str:
    return f'kind: Camera\nname: {name}\nspec: {{{fields}streams: {{main: {{url: "push:"}}}}}}\n'


@pytest.fixture(scope="module", autouse=True)
def node() -> Iterator[str]:
    found = shutil.which("node")
    if found is None:
        pytest.skip("node is not installed")
    pytest.importorskip("vigie._core")
    asks = "require('zeromq'); require('@msgpack/msgpack')"
    paths = [str(ROOT / ".cache" / "javascript" / "node_modules"), *filter(None, [os.environ.get("NODE_PATH")])]
    with pytest.MonkeyPatch.context() as environ:
        environ.setenv("NODE_PATH", os.pathsep.join(paths))
        if subprocess.run([found, "-e", asks], cwd=EXAMPLE, capture_output=True, check=False).returncode != 0:
            pytest.skip("the packages of examples/javascript are not installed")
        yield found


class Lines:
    """A process whose lines are kept as they come."""

    def __init__(self, command: list[str], **options: Any) -> None:
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip())

    def wait(self, fits: Callable[[str], bool], after: int = 0, timeout_s: float = 30) -> str:
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            for line in self.lines[after:]:
                if fits(line):
                    return line
            time.sleep(0.01)
        pytest.fail("it did not come; there are:\n" + "\n".join(self.lines))

    def wait_json(self, after: int = 0, **wanted: Any) -> Any:
        def fits(line: str) -> bool:
            if not line.startswith("{"):
                return False
            value = json.loads(line)
            return all(key in value and (each is ... or value[key] == each) for key, each in wanted.items())

        return json.loads(self.wait(fits, after))

    def tell(self, line: str | Path) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


@pytest.fixture
def run() -> Iterator[Callable[..., Lines]]:
    started: list[Lines] = []

    def start(*command: str | Path, **options: Any) -> Lines:
        started.append(Lines([str(part) for part in command], **options))
        return started[-1]

    yield start
    for process in started:
        process.end()


@pytest.fixture
def serve(run: Callable[..., Lines], tmp_path: Path) -> Iterator[Callable[..., Lines]]:
    paths = [str(Path(vigie.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    started: list[Lines] = []

    def start(*more: str) -> Lines:
        running = run(sys.executable, "-m", "vigie", "serve", "--state", tmp_path / "state", *more, env=environ)
        started.append(running)
        running.wait(lambda line: "control at" in line)
        return running

    yield start
    for process in started:
        process.end()
    kill_processes(tmp_path / "state")


def test_applies_follows_and_survives_a_restart(
    run: Callable[..., Lines], serve: Callable[..., Lines], node: str, tmp_path: Path
) -> None:
    service = serve()
    client = run(node, EXAMPLE / "follow.js", f"ipc://{tmp_path}/state/control.sock")
    first = client.wait_json(rev=0, epoch=...)
    file = tmp_path / "town.yaml"
    file.write_text("---\n".join([SERVER, camera("gare"), camera("b")]))
    client.tell(file)
    applied = client.wait_json(applied=1)
    assert applied["changes"] == ["created Camera/b", "created Camera/gare", "created Server/here"]
    assert client.wait_json(event="object_created", object="Camera/gare")["body"] == {"rev": 1}
    file.write_text(camera("b", "privcy: clear, "))
    client.tell(file)
    refused = client.wait_json(refused="policy_field")
    assert refused["code"] == 202
    assert (refused["problems"][0]["file"], refused["problems"][0]["line"]) == (str(file), 3)
    client.tell("watch gare")
    opened = client.wait_json(opened=...)["opened"]
    assert re.fullmatch(r"rtsp://127\.0\.0\.1:\d+/gare/main\?ticket=[\w.-]+", opened["url"])
    assert client.wait_json(event="route_opened")["body"]["camera"] == "gare"
    client.tell("watch nowhere")
    assert client.wait_json(refused="not_found")["code"] == 102
    before = len(client.lines)
    service.end()
    kill_processes(tmp_path / "state")
    file.write_text(camera("c"))
    client.tell(file)  # while nobody is there: it is sent until somebody answers
    serve()
    assert client.wait_json(before, applied=2)["changes"] == ["created Camera/c"]
    again = client.wait_json(before, epoch=...)
    assert again["epoch"] != first["epoch"]
    file.write_text(camera("d"))
    client.tell(file)
    client.wait_json(before, event="object_created", object="Camera/d")


def test_over_tcp_with_keys(run: Callable[..., Lines], serve: Callable[..., Lines], node: str, tmp_path: Path) -> None:
    from vigie.control import keys

    state = tmp_path / "state"
    pair = keys.new_pair()
    keys.add_client(state, keys.ClientKey("chief", pair.public, administrator=True))
    file = tmp_path / "chief.json"
    server_key = keys.server_pair(state).public
    keys.write_private(file, {"public_key": pair.public, "secret_key": pair.secret, "server_key": server_key})
    service = serve("--control", "tcp://127.0.0.1:*")
    endpoint = service.wait(lambda line: "control at" in line).split()[-1]
    client = run(node, EXAMPLE / "follow.js", endpoint, file)
    client.wait_json(rev=0, epoch=...)
    (tmp_path / "town.yaml").write_text("---\n".join([SERVER, camera("a")]))
    client.tell(tmp_path / "town.yaml")
    client.wait_json(applied=1)
