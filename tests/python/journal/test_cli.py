"""`vigie journal …`: answers, exit codes, and that what is wrong is said."""

import json
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from python.journal.made import KEY, OPERATOR, POLICE, START_NS, Clock, begin, end, login, texts_of
from vigie.journal import FolderPlace, Journal, Limits, Retention, load_private, load_public, make_key, verify
from vigie.journal.cli import app
from vigie.journal.keys import public_text
from vigie.journal.records import Requisition
from vigie.journal.segments import segment_files

Run = Callable[..., Result]


@pytest.fixture
def run() -> Run:
    def call(*arguments: str | Path) -> Result:
        return CliRunner().invoke(app, [str(each) for each in arguments])

    return call


@pytest.fixture
def town(tmp_path: Path) -> Path:
    """A journal with a second place, and the keys beside it."""
    key = make_key(tmp_path / "journal.key")
    (tmp_path / "second").mkdir()
    clock = Clock()
    second = FolderPlace(tmp_path / "second")
    with Journal(tmp_path / "journal", key, clock=clock, limits=Limits(checkpoint_lines=5), second=second) as journal:
        view = begin("gare-02", actor=POLICE, purpose="inquiry", first_unit=START_NS, view="v-1")
        journal.append_many([login(), view, end(view, START_NS, START_NS + 1500_000_001), begin("gare-02", view="v-2")])
        journal.append(begin("gare-02", visibility="targeted", first_unit=START_NS, view="v-3"))
        clock.after(60)
        journal.append(Requisition(actor=POLICE, requisition="r-1", step="received", commune="57463"))
    return tmp_path


def test_verify_says_that_it_holds(run: Run, town: Path) -> None:
    result = run("verify", town / "journal", "--key", town / "journal.key.pub", "--against", town / "second")
    assert result.exit_code == 0
    assert result.stdout.startswith("holds: 1")
    assert "note" not in result.stdout
    found = json.loads(run("verify", town / "journal", "--json").stdout)
    assert (found["ok"], found["finding"], found["key_given"]) == (True, None, False)
    assert found["key"] == public_text(load_public(town / "journal.key.pub"))


def test_verify_names_the_line(run: Run, town: Path) -> None:
    (file,) = segment_files(town / "journal")
    text = file.read_bytes()
    file.write_bytes(text.replace(b"inquiry", b"enquiry", 1))
    result = run("verify", town / "journal")
    assert result.exit_code == 1
    number = next(i for i, line in enumerate(text.splitlines(), 1) if b"inquiry" in line)
    assert result.stdout.startswith(f"{file}:{number}: seq {number}: altered: its entry")
    found = json.loads(run("verify", town / "journal", "--json").stdout)
    assert (found["finding"]["what"], found["finding"]["line"], found["finding"]["seq"]) == ("altered", number, number)


def test_verify_against_the_second_place_and_a_kept_checkpoint(run: Run, town: Path) -> None:
    shutil.copy(town / "journal" / "newest.json", town / "kept.json")
    (file,) = segment_files(town / "journal")
    lines = file.read_bytes().splitlines()
    end_of_it = [i for i, line in enumerate(lines) if b'"journal.checkpoint"' in line][-2]
    file.write_bytes(b"".join(line + b"\n" for line in lines[: end_of_it + 1]))
    (town / "journal" / "newest.json").write_bytes(lines[end_of_it] + b"\n")
    assert run("verify", town / "journal").exit_code == 0
    for option, given in (("--against", town / "second"), ("--checkpoint", town / "kept.json")):
        result = run("verify", town / "journal", option, given)
        assert result.exit_code == 1
        assert "truncated" in result.stdout


def test_verify_says_what_cannot_be_read(run: Run, town: Path) -> None:
    other = make_key(town / "other.key")
    assert other
    assert run("verify", town / "journal", "--key", town / "other.key.pub").exit_code == 1
    for arguments, said in (
        (("verify", town / "nothing"), "no journal"),
        (("verify", town / "journal", "--key", town / "nothing"), "cannot be read"),
        (("verify", town / "journal", "--key", town / "journal.key"), "public key"),
        (("verify", town / "journal", "--checkpoint", town / "journal.key"), "not a checkpoint"),
        (("verify", town / "journal", "--against", town / "nothing"), "no journal"),
        (("show", town / "nothing"), "no journal"),
    ):
        result = run(*arguments)
        assert result.exit_code == 2
        assert said in result.stderr


def test_show_hides_from_others_what_the_auditor_sees(run: Run, town: Path) -> None:
    rows = [json.loads(line) for line in run("show", town / "journal", "--json").stdout.splitlines()]
    assert [row["kind"] for row in rows] == ["login", "view.begin", "view.end", "view.begin", "requisition"]
    assert [row["number"] for row in rows] == [1, 2, 3, 4, 5]
    assert not any("seq" in row or "v-3" in json.dumps(row) for row in rows)
    audited = [json.loads(line) for line in run("show", town / "journal", "--json", "--auditor").stdout.splitlines()]
    assert len(audited) == len(texts_of(town / "journal"))
    assert [row["seq"] for row in audited] == list(range(1, len(audited) + 1))
    text = run("show", town / "journal", "--camera", "gare-02", "--kind", "view.end").stdout
    assert text.strip().startswith(
        "1 2026-01-01T00:00:00.000Z view.end brigade-3 by host-1 (police-nationale) gare-02: view=v-1"
    )


def test_show_is_paged_and_filtered(run: Run, town: Path) -> None:
    result = run("show", town / "journal", "--limit", "2")
    assert len(result.stdout.splitlines()) == 2
    assert "--offset 2" in result.stderr
    assert len(run("show", town / "journal", "--offset", "2").stdout.splitlines()) == 3
    late = run("show", town / "journal", "--from", "2026-01-01T01:01:00+01:00", "--json").stdout.splitlines()
    assert [json.loads(line)["kind"] for line in late] == ["requisition"]
    assert run("show", town / "journal", "--until", "2026-01-01T00:00Z").stdout == ""


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--kind", "view.begins", 'did you mean "view.begin"?'),
        ("--from", "yesterday", "right would be"),
        ("--until", "2026-01-01T00:00:00", "time with its zone"),
        ("--camera", "a b", "--camera"),
    ],
)
def test_show_says_what_is_wrong(run: Run, town: Path, option: str, value: str, said: str) -> None:
    result = run("show", town / "journal", option, value)
    assert result.exit_code == 2
    assert said in result.stderr


def test_who_saw(run: Run, town: Path) -> None:
    asked = ("who-saw", "gare-02", "--journal", town / "journal", "--from", "2026-01-01T00:00Z")
    result = run(*asked, "--until", "2026-01-01T00:00:01Z")
    assert result.exit_code == 0
    first = "2026-01-01T00:00:00.000000000Z to 2026-01-01T00:00:01.000000000Z live brigade-3 by host-1"
    assert result.stdout.startswith(first)
    assert "1 found" not in result.stdout
    found = json.loads(run(*asked, "--until", "2026-01-01T00:00:10Z", "--json").stdout)["sightings"]
    assert [each["state"] for each in found] == ["ended", "open"]
    assert (found[0]["last"], found[0]["exact"]) == ("2026-01-01T00:00:01.500000001Z", True)
    assert (
        len(json.loads(run(*asked, "--until", "2026-01-01T00:00:10Z", "--json", "--auditor").stdout)["sightings"]) == 3
    )
    assert run(*asked, "--until", "2026-01-01T00:00Z").exit_code == 2


def test_report(run: Run, town: Path) -> None:
    available = town / "available.json"
    available.write_text('[{"camera":"gare-02","commune":"57463","expected_s":10,"delivered_s":9}]')
    asked = ("report", "--journal", town / "journal", "--commune", "57463", "--year", "2026")
    files = ("--csv", town / "r.csv", "--html", town / "r.html")
    result = run(*asked, *files, "--availability", available, "--key", town / "journal.key.pub")
    assert result.exit_code == 0, result.stderr
    assert "camera,gare-02,availability,0.9" in (town / "r.csv").read_text()
    assert "verified, signed up to 2026-01-01" in (town / "r.html").read_text()
    (file,) = segment_files(town / "journal")
    file.write_bytes(file.read_bytes().replace(b"inquiry", b"enquiry", 1))
    assert run(*asked, *files).exit_code == 1
    assert "DOES NOT HOLD" in (town / "r.html").read_text()
    for wrong, said in (
        ((), "nothing to write"),
        ((*files, "--zone", "Mars"), "no time zone"),
        ((*files, "--availability", town / "r.csv"), "--availability"),
        ((*files, "--availability", town / "nothing"), "No such file"),
        (("--csv", town / "no" / "r.csv"), "No such file"),
    ):
        result = run(*asked, *wrong)
        assert result.exit_code in (1, 2)
        assert said in result.stderr


def test_a_copy_is_purged(run: Run, tmp_path: Path) -> None:
    clock = Clock()
    second = tmp_path / "second"
    second.mkdir()
    with Journal(tmp_path / "j", KEY, clock=clock, second=FolderPlace(second, 2000)) as journal:
        for _ in range(10):
            journal.append(login())
        clock.after(86_400 * 400)
        journal.purge(Retention(), OPERATOR)
    result = run("purge", second)
    assert result.exit_code == 0
    assert "entries and" in result.stdout
    assert json.loads(run("purge", second, "--json").stdout) == {"entries": 0, "segments": 0}
    assert verify(tmp_path / "j", KEY.public_key(), second).ok
    file = segment_files(second)[-1]
    file.write_bytes(file.read_bytes()[:-9])
    assert run("purge", second).exit_code == 1


def test_a_key_is_made_once(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "journal.key"
    result = run("key", path)
    assert result.exit_code == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert public_text(load_private(path)) == public_text(load_public(tmp_path / "journal.key.pub"))
    assert public_text(load_private(path)) in result.stdout
    before = path.read_bytes()
    assert run("key", path).exit_code == 2
    assert path.read_bytes() == before
