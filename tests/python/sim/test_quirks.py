"""Which simulated camera shows which known deviation, as the command line says it."""

import subprocess

import pytest
from typer.testing import CliRunner

from vigie import _native
from vigie.quirks import QUIRKS
from vigie.sim import SimProcess
from vigie.sim.cli import app


def run(*options: str) -> subprocess.CompletedProcess[str]:
    program = _native.find_program("vigie-sim")
    return subprocess.run([program, "--duration", "0.01", *options], capture_output=True, text=True, check=False)


def test_the_list_has_ids_of_the_registry_and_sentences() -> None:
    lines = run("--list-quirks").stdout.splitlines()
    assert len(lines) > 100
    for line in lines:
        name, sentence = line.split(maxsplit=1)
        assert name in QUIRKS
        assert len(sentence) > 10


def test_one_camera_or_all_and_the_later_wins() -> None:
    options = ["--quirk", "A1,F1", "--quirk", "cam001:A2", "--quirk", "cam002:G1,B19"]
    with SimProcess(3, options=options) as sim:
        # A2 and A1 are both about Content-Base; G1 leaves no packet for F1's markers.
        assert sim.quirks == {"cam000": ["A1", "F1"], "cam001": ["A2", "F1"], "cam002": ["A1", "B19", "G1"]}
        stats = sim.stats(per_camera=True)
        assert stats["per_camera"][1]["quirks"] == ["A2", "F1"]
    with SimProcess(1) as sim:
        assert sim.quirks == {}


def test_drawn_by_seed_and_camera() -> None:
    def drawn(seed: int) -> dict[str, list[str]]:
        with SimProcess(5, options=["--random-quirks", "3", "--seed", str(seed)]) as sim:
            return sim.quirks

    first = drawn(7)
    assert first == drawn(7) != drawn(8)
    assert all(len(ids) == 3 for ids in first.values())
    assert len({tuple(ids) for ids in first.values()}) > 1
    assert not any(name.startswith("C") for ids in first.values() for name in ids), "no password, none about passwords"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--quirk", "A99"], "is not known; nearest are A34"),
        (["--quirk", "a4"], "nearest are A4"),
        (["--quirk", "C4"], "is known, but no simulated camera shows it; nearest are C"),
        (["--quirk", "door:A4"], "cam003"),
        (["--quirk", "cam009:A4"], "camera 9"),
        (["--quirk", "C1"], "--user and --password"),
        (["--quirk", "G1", "--codec", "mjpeg", "--quirk", "cam000:A1"], ""),
    ],
)
def test_what_is_wrong_is_said(options: list[str], said: str) -> None:
    done = run(*options)
    assert said in done.stderr
    assert (done.returncode == 2) == bool(said)


def test_the_command_passes_them_on_and_says_who_has_which() -> None:
    result = CliRunner().invoke(
        app, ["--synthetic", "--cameras", "2", "--port", "0", "--seconds", "0.1", "--quirk", "cam001:A4,F1"]
    )
    assert result.exit_code == 0
    assert '"cam001":"A4,F1"' in result.output
    assert "cam001: A4,F1" in result.output
