"""`vigie serve --state` and its journal: copied to a second place (L-32), purged by itself (L-33)."""

import json
import re
import shutil
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from python.journal.made import Clock, login, texts_of
from python.processes.ending import kill_process, pids_of
from vigie.control import rights_clock
from vigie.control.client import Client
from vigie.journal import Entry, Journal, load_private, make_key, read_entries, verify
from vigie.journal.purge import months_before
from vigie.journal.segments import segment_files
from vigie.processes.run_folder import CONTROL

from .conftest import SERVER, apply, camera

pytestmark = pytest.mark.usefixtures("core")
Start = Callable[..., Any]
DEADLINE_S = 40.0


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    folder = tmp_path / "mount" / "copy"
    folder.mkdir(parents=True)
    return folder


def until(what: Callable[[], Any]) -> Any:
    """What it gives, as soon as it gives something."""
    end = time.monotonic() + DEADLINE_S
    while not (found := what()):
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)
    return found


def figure(running: Any, name: str) -> float:
    base = re.search(r"http://\S+", running.wait_line("health and metrics at"))
    assert base is not None
    with urllib.request.urlopen(base[0] + "/metrics", timeout=15) as answer:
        found = re.search(rf"^{name} (\S+)$", answer.read().decode(), re.MULTILINE)
    assert found is not None, name
    return float(found[1])


def active(client: Client, kind: str) -> bool:
    return any(not alarm.cleared_ns for alarm in client.alarms(all=True, kinds=[kind]))


def same(state: Path, copy: Path) -> bool:
    """Whether both hold the same lines, each once and in order."""
    ours = texts_of(state / "journal")
    return texts_of(copy) == ours == texts_of(state / "journal")


def holds(vigie_command: Start, state: Path, copy: Path) -> None:
    """Both agree, for whoever looks with the command line, while the journal is being written."""
    key = state / "journal.key.pub"
    for arguments in ([state / "journal", "--against", copy], [copy, "--copy"]):
        said = vigie_command("journal", "verify", *arguments, "--key", key, "--json")
        assert said.wait_end() == 0, said.text()
        assert json.loads(said.text())["lines"] > 0


# The second place.


def test_lines_arrive_at_the_copy(vigie_command: Start, serve: Start, client: Client, state: Path, copy: Path) -> None:
    running = serve("--journal-copy", copy, "--http", "127.0.0.1:0")
    running.wait_line(f"journal is copied to {copy}")
    apply(client, SERVER, camera("a"))
    until(lambda: figure(running, "vigie_journal_unconfirmed_lines") == 0)
    assert figure(running, "vigie_journal_lines_total") >= len(texts_of(copy)) > 0
    assert any(b'"kind":"apply"' in text and b"camera/a" in text for text in texts_of(copy))
    holds(vigie_command, state, copy)
    assert client.alarms(all=True, kinds=["journal_away", "journal_differs"]) == []
    running.process.terminate()
    assert running.wait_end() == 0, running.text()
    assert same(state, copy)
    assert b'"journal.closed"' in texts_of(copy)[-2]


def test_a_copy_that_is_away_is_an_alarm_and_caught_up_with(
    vigie_command: Start, serve: Start, client: Client, state: Path, copy: Path
) -> None:
    elsewhere = copy.parent.with_name("elsewhere")
    copy.parent.rename(elsewhere)  # as if it were not mounted
    running = serve("--journal-copy", copy, "--http", "127.0.0.1:0")
    running.wait_line("second_place_away")
    until(lambda: active(client, "journal_away"))
    assert apply(client, SERVER, camera("a")) == 1
    assert figure(running, "vigie_journal_unconfirmed_lines") == figure(running, "vigie_journal_lines_total")
    assert not copy.exists()
    elsewhere.rename(copy.parent)
    until(lambda: not active(client, "journal_away"))
    until(lambda: same(state, copy))
    copy.parent.rename(elsewhere)  # while it is copied to
    assert apply(client, camera("b")) == 2
    until(lambda: active(client, "journal_away"))
    assert apply(client, camera("c")) == 3
    assert not copy.exists()
    assert len(texts_of(elsewhere / "copy")) < len(texts_of(state / "journal"))
    elsewhere.rename(copy.parent)
    until(lambda: not active(client, "journal_away"))
    until(lambda: same(state, copy))
    holds(vigie_command, state, copy)


def test_a_copy_that_holds_other_lines_is_left_alone(serve: Start, client: Client, tmp_path: Path, copy: Path) -> None:
    with Journal(tmp_path / "other", make_key(tmp_path / "other.key")) as other:
        for _ in range(20):  # more than the service writes at its start, so that it cannot be older
            other.append(login())
    shutil.copytree(tmp_path / "other", copy, dirs_exist_ok=True)
    before = {path.name: path.read_bytes() for path in copy.iterdir()}
    running = serve("--journal-copy", copy, "--http", "127.0.0.1:0")
    running.wait_line("second_place_differs")
    until(lambda: active(client, "journal_differs"))
    for number in range(30):
        apply(client, SERVER if number == 0 else camera(f"c{number}"))
    assert figure(running, "vigie_journal_unconfirmed_lines") == figure(running, "vigie_journal_lines_total") > 30
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == before
    assert active(client, "journal_differs")


def test_after_the_death_of_control_the_copy_goes_on_without_a_gap(
    vigie_command: Start, serve: Start, client: Client, state: Path, copy: Path
) -> None:
    running = serve("--journal-copy", copy)
    apply(client, SERVER)
    for number in range(3):
        apply(client, camera(f"a{number}"))
        kill_process(state, CONTROL)
        running.wait_line("control has ended (killed by SIGKILL)")
        assert apply(client, camera(f"b{number}")) == 2 * number + 3
    until(lambda: same(state, copy))
    seqs = [int(text.split(b":", 1)[1].split(b",")[0]) for text in texts_of(copy)]
    assert seqs == list(range(1, len(seqs) + 1))
    holds(vigie_command, state, copy)
    assert client.alarms(all=True, kinds=["journal_differs"]) == []


def test_a_new_supervisor_may_begin_to_copy(serve: Start, client: Client, state: Path, copy: Path) -> None:
    first = serve()
    apply(client, SERVER)
    pids = pids_of(state)
    first.process.kill()
    first.process.wait()
    again = serve("--journal-copy", copy)
    again.wait_line("control was started otherwise")
    until(lambda: same(state, copy))
    assert pids_of(state)[CONTROL] != pids[CONTROL]
    again.process.kill()
    again.process.wait()
    third = serve("--journal-copy", copy)
    third.wait_line(f"journal is copied to {copy}")  # by a control that was found


@pytest.mark.parametrize(
    ("folder", "says"),
    [
        ("state", "lies in the state folder"),
        ("state/journal/copy", "lies in the state folder"),
        ("link", "lies in the state folder"),
        ("file", "is not a folder"),
    ],
)
def test_a_wrong_folder_is_a_wrong_option(
    vigie_command: Start, state: Path, tmp_path: Path, folder: str, says: str
) -> None:
    state.mkdir()
    (tmp_path / "link").symlink_to(state)
    (tmp_path / "file").touch()
    running = vigie_command("serve", "--state", state, "--journal-copy", tmp_path / folder)
    assert running.wait_end() == 2, running.text()
    for part in ("--journal-copy", f"{tmp_path / folder}", says, "right would be a folder on another disk or machine"):
        assert part.replace(" ", "") in unwrapped(running), running.text()
    assert list(state.iterdir()) == []


def test_a_copy_needs_a_state(vigie_command: Start, town: Callable[..., Path], copy: Path) -> None:
    running = vigie_command("serve", "-f", town(SERVER), "--journal-copy", copy)
    assert running.wait_end() == 2, running.text()
    for part in ("--journal-copy", "without --state; right would be --state DIR"):
        assert part.replace(" ", "") in unwrapped(running), running.text()


def unwrapped(running: Any) -> str:
    """What it has printed, without blanks and the frame around errors."""
    return "".join(character for character in running.text() if character not in " │\n")


# The purge.


@pytest.fixture
def soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Purges come every instant, in the processes that are started."""
    folder = tmp_path / "soon"
    folder.mkdir()
    text = "from vigie.control import retention\nretention.FIRST_S = retention.EVERY_S = retention.DOUBT_S = 0.2\n"
    (folder / "sitecustomize.py").write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(folder))


def months(**each: int) -> str:
    """The server, with months for each category."""
    return SERVER.replace("}]}", f"}}], journal_months: {json.dumps(each)}}}")


def old(state: Path, *ages: int) -> None:
    """Writes the journal that a service would have, with a sign-in so many months ago, one after another."""
    state.mkdir(exist_ok=True)
    key = state / "journal.key"
    signing = load_private(key) if key.exists() else make_key(key)
    clock = Clock()
    for age in ages:
        clock.now_ns = months_before(time.time_ns(), age)
        with Journal(state / "journal", signing, clock=clock) as journal:
            journal.append(login(f"old-{age}"))


def agents(state: Path) -> set[str]:
    """Whose sign-ins the journal still knows, by its entries."""
    return {each.record.actor.agent for each in entries(state) if each.record.kind == "login"}


def entries(state: Path) -> list[Entry]:
    while True:
        try:
            return list(read_entries(state / "journal"))
        except FileNotFoundError:  # a segment has gone meanwhile
            continue


def verified(state: Path) -> int:
    """How many entries were purged of a journal that holds."""
    key = load_private(state / "journal.key").public_key()
    found = verify(state / "journal", key)
    assert found.ok, found.finding
    return found.purged


def anchors(state: Path) -> int:
    return sum(each.record.kind == "journal.purge" for each in entries(state))


@pytest.mark.usefixtures("soon")
def test_what_is_old_is_purged_and_the_rest_verifies(
    vigie_command: Start, serve: Start, client: Client, state: Path, town: Callable[..., Path], copy: Path
) -> None:
    old(state, 30, 13, 11)
    files = segment_files(state / "journal")
    running = serve("-f", town(months(journal=36)), "--journal-copy", copy)
    line = running.wait_line("journal: purged ")
    assert re.search(r"purged 2 entries and 0 whole segments$", line), line
    assert agents(state) == {"old-11"}
    assert verified(state) == 2
    assert not any(b"old-13" in path.read_bytes() for path in (state / "journal").iterdir())
    assert segment_files(state / "journal")[0] == files[0], "heads stay"
    (anchor,) = [each.record for each in entries(state) if each.record.kind == "journal.purge"]
    assert anchor.actor.agent == "vigie"
    # It goes on, copied and all, and says nothing where nothing goes.
    until(lambda: same_heads(state, copy))
    assert any(b"old-13" in text for text in texts_of(copy))
    keeper = vigie_command("journal", "purge", copy, "--key", state / "journal.key.pub")
    assert keeper.wait_end() == 0, keeper.text()
    assert not any(b"old-13" in text for text in texts_of(copy))
    holds(vigie_command, state, copy)
    running.process.terminate()
    assert running.wait_end() == 0, running.text()
    assert same_heads(state, copy)
    assert anchors(state) == 1
    assert verified(state) == 2


def same_heads(state: Path, copy: Path) -> bool:
    """Whether both hold the same lines; the copy may still have entries that were purged."""
    ours, theirs = ([text.split(b',"entry"')[0] for text in texts_of(at)] for at in (state / "journal", copy))
    return ours == theirs


@pytest.mark.usefixtures("soon")
def test_months_that_are_applied_are_those_in_force(serve: Start, client: Client, state: Path) -> None:
    old(state, 40, 30, 20, 5)
    running = serve()
    running.wait_line("journal: purged ")  # without a Server, the ceiling
    assert agents(state) == {"old-30", "old-20", "old-5"}
    apply(client, months(access=24, journal=36))
    until(lambda: agents(state) == {"old-20", "old-5"})
    apply(client, months(access=18, journal=36))
    until(lambda: agents(state) == {"old-5"})
    until(lambda: sum("journal: purged" in line for line in running.lines) == 3)
    assert anchors(state) == 3
    assert verified(state) > 3


@pytest.mark.usefixtures("soon")
def test_a_clock_that_is_ahead_purges_nothing_until_somebody_trusts_it(
    vigie_command: Start, serve: Start, state: Path, town: Callable[..., Path]
) -> None:
    old(state, 13)
    believed = rights_clock.RightsClock(state)
    assert believed.also_ns() is None
    kept = json.loads((state / "clock.json").read_text())
    year_ns = 366 * 86_400 * 10**9
    behind = rights_clock.Believed(**{**kept, "wall_ns": kept["wall_ns"] - year_ns})
    rights_clock.write_believed(state / "clock.json", behind)
    running = serve("-f", town(months()))
    running.wait_line("the clock has stepped by +31622400 s")
    running.wait_line("journal: not purged while the clock is in doubt")
    assert (agents(state), anchors(state)) == ({"old-13"}, 0)
    trusted = vigie_command("clock", "trust", "--state", state)
    assert trusted.wait_end() == 0, trusted.text()
    running.wait_line("journal: purged ")
    assert (agents(state), anchors(state)) == (set(), 1)
    assert not any("journal: purged" in line for line in running.lines[: running.lines.index(doubt(running))])


def doubt(running: Any) -> str:
    return str(running.wait_line("journal: not purged while the clock is in doubt"))
