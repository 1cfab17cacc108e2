"""kill -9 at any instant loses no acknowledged apply; a full disk refuses with a reason and leaves reading alone."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import vigie
from vigie.control.store import Command, Store
from vigie.errors import StateUnwritableError

from .conftest import LOCAL, SERVER, RecordingGate, agent, camera, yaml

CHILD = """
import sys
from pathlib import Path
from vigie.control.parties import Party
from vigie.control.proposals import Source
from vigie.control.store import Command, Store
SERVER = 'kind: Server\\nname: here\\nspec: {rtsp: [{listen: "127.0.0.1:0", access: open}]}\\n'
with Store(Path(sys.argv[1]), environ={}) as store:
    print("open", store.state.rev, flush=True)
    number = store.state.rev
    while True:
        number += 1
        text = SERVER + "---\\n"
        text += f'kind: Camera\\nname: a\\nspec: {{number: {number}, streams: {{main: {{url: "push:"}}}}}}\\n---\\n'
        text += f'kind: Agent\\nname: x\\nspec: {{password: pass-{number}, cameras: [a]}}\\n'
        applied = store.apply(Command(Party("p"), id=number.to_bytes(16, "big")), [Source("t", text)])
        print("applied", applied.rev, flush=True)
"""
ROUNDS = 25


def test_kill_at_any_instant_loses_no_acknowledged_apply(tmp_path: Path) -> None:
    rng = random.Random(7)
    environ = {**os.environ, "PYTHONPATH": str(Path(vigie.__file__).parents[1])}
    acknowledged = 0
    for _ in range(ROUNDS):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(tmp_path / "state")], stdout=subprocess.PIPE, text=True, env=environ
        )
        assert child.stdout is not None
        opened = child.stdout.readline().split()
        assert opened[:1] == ["open"]
        assert int(opened[1]) >= acknowledged, "an acknowledged apply is gone"
        # Somewhere inside one of the next few applies.
        for _ in range(rng.randrange(4)):
            child.stdout.readline()
        until = time.monotonic() + rng.random() * 0.02
        while time.monotonic() < until:
            pass
        child.send_signal(signal.SIGKILL)
        said = [line.split() for line in child.stdout.read().splitlines()]
        child.wait()
        acknowledged = max([int(opened[1]), *(int(words[1]) for words in said if len(words) == 2)])
        with Store(tmp_path / "state", environ={}) as store:
            assert store.state.rev >= acknowledged
            number = store.state.bodies["Camera", "a"]["spec"]["number"] if store.state.rev else 0
            assert number == store.state.rev, "half a revision"
            if number:
                town = store.town()
                assert town.agents[0].secrets["spec", "password"] == f"pass-{number}"
            acknowledged = store.state.rev
    assert acknowledged > ROUNDS / 2, "it was never killed at work"


def test_a_full_database_refuses_and_goes_on_reading(store: Store, gate: RecordingGate) -> None:
    store.apply(Command(LOCAL), yaml(SERVER, camera("a")))
    pages = store._db.execute("PRAGMA page_count").fetchone()[0]
    store._db.execute(f"PRAGMA max_page_count={pages}")
    many = [camera(f"c{number}", f"title: {'x' * 200}, ") for number in range(100)]
    with pytest.raises(StateUnwritableError, match="full; nothing was changed"):
        store.apply(Command(LOCAL), yaml(*many))
    assert (store.state.rev, len(store.state.objects), len(store.history()), len(gate.towns)) == (1, 2, 1, 1)
    store._db.execute("PRAGMA max_page_count=1000000")
    assert store.apply(Command(LOCAL), yaml(*many)).rev == 2


LIMITED = """
import resource, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from conftest import LOCAL, SERVER, RecordingGate, OwnTownRights, agent, camera, yaml
from vigie.control.store import Command, Store
from vigie.errors import StateUnwritableError
gate = RecordingGate()
store = Store(Path(sys.argv[1]), gate=gate, rights=OwnTownRights(), environ={})
store.apply(Command(LOCAL), yaml(SERVER, camera("a")))
size = (Path(sys.argv[1]) / "state.db-wal").stat().st_size
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 5000, size + 5000))
try:
    store.apply(Command(LOCAL), yaml(*(camera(f"c{n}", f"title: {'x' * 200}, ") for n in range(40))))
except StateUnwritableError as error:
    print("refused:", error)
print(store.state.rev, len(store.history()), len(gate.towns), len(gate.put_back_to), len(gate.put_back_to[0].cameras))
"""


def test_a_commit_that_fails_puts_the_engine_back(tmp_path: Path) -> None:
    """The disk is full only once the engine has taken the revision: it gets the one before again."""
    environ = {**os.environ, "PYTHONPATH": str(Path(vigie.__file__).parents[1])}
    ended = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path / "state"), str(Path(__file__).parent)],
        capture_output=True,
        text=True,
        env=environ,
        check=False,
    )
    lines = ended.stdout.splitlines()
    assert lines[0].startswith("refused: The state cannot be written: "), ended.stdout + ended.stderr
    assert lines[1] == "1 1 2 1 1"
    with Store(tmp_path / "state", environ={}) as store:
        assert (store.state.rev, len(store.state.objects)) == (1, 2)


def test_a_secret_that_cannot_be_written_refuses_the_apply(tmp_path: Path, store: Store) -> None:
    store.apply(Command(LOCAL), yaml(SERVER))
    (tmp_path / "state" / "secrets.json.new").mkdir()
    with pytest.raises(StateUnwritableError, match=r"secrets\.json"):
        store.apply(Command(LOCAL), yaml(agent("x", "given")))
    assert store.state.rev == 1
