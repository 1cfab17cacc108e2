"""Verification: every change of a line is found, and the first line that it touches is named."""

import base64
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from python.journal.made import KEY, START_NS, Clock, fill, login, texts_of
from vigie.errors import NotFoundError
from vigie.journal import Finding, FolderPlace, Journal, Limits, Verification, keys, verify
from vigie.journal.line import NO_LINE, Chain, split_line
from vigie.journal.records import Checkpoint, record_bytes
from vigie.journal.segments import segment_files
from vigie.journal.verify import What

PUBLIC = KEY.public_key()
LIMITS = Limits(segment_bytes=12_000, checkpoint_lines=9)


def make(folder: Path, count: int = 60, second: FolderPlace | None = None) -> Journal:
    with Journal(folder, KEY, clock=Clock(), limits=LIMITS, second=second) as journal:
        fill(journal, count)
    return journal


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal of several segments that nobody changed."""
    folder = tmp_path_factory.mktemp("whole") / "journal"
    make(folder)
    return folder


@pytest.fixture
def damaged(whole: Path, tmp_path: Path) -> "Damaged":
    return Damaged(whole, tmp_path / "damaged")


class Damaged:
    """A copy of a journal whose lines can be changed: as one list, put back into its files."""

    def __init__(self, whole: Path, folder: Path) -> None:
        shutil.copytree(whole, folder)
        self.folder = folder
        self.places = [
            (file, number) for file in segment_files(folder) for number in range(1, file.read_bytes().count(b"\n") + 1)
        ]
        self.lines = texts_of(folder)

    def write(self, lines: list[bytes]) -> Verification:
        """The lines, as many a file as there were; more or fewer of them are in the last."""
        files = segment_files(self.folder)
        begin = 0
        for file in files:
            count = sum(1 for place, _ in self.places if place == file)
            part = lines[begin:] if file == files[-1] else lines[begin : begin + count]
            file.write_bytes(b"".join(line + b"\n" for line in part))
            begin += count
        return verify(self.folder, PUBLIC)

    def change(self, index: int, change: Callable[[list[bytes]], list[bytes]]) -> Verification:
        """Changes the lines of the one file that holds a line; `change` gets them from that line on."""
        file, number = self.places[index]
        lines = file.read_bytes().splitlines()
        kept = lines[: number - 1] + change(lines[number - 1 :])
        file.write_bytes(b"".join(line + b"\n" for line in kept))
        return verify(self.folder, PUBLIC)

    def place(self, found: Verification) -> int:
        """The index of the line that was named."""
        assert found.finding is not None
        return self.index(found.finding)

    def index(self, finding: Finding) -> int:
        first = next(i for i, (file, _) in enumerate(self.places) if file == finding.file)
        return first + finding.number - 1


def sealed(chain: Chain, like: bytes, entry: bytes) -> bytes:
    """A line made anew, by somebody who knows the format but not the key."""
    line = split_line(like)
    assert line is not None
    text = chain.add(START_NS, line.category, entry)[1]  # type: ignore[arg-type]
    return text[:-1]


def chain_before(lines: list[bytes], index: int) -> Chain:
    if index == 0:
        return Chain(0, NO_LINE)
    line = split_line(lines[index - 1])
    assert line is not None
    return Chain(line.seq, line.hash)


def test_a_whole_journal_holds(whole: Path) -> None:
    found = verify(whole, PUBLIC)
    assert found.ok, found.finding
    assert found.segments > 2
    assert (found.first_seq, found.last_seq) == (1, found.lines)
    assert found.signed_through == found.last_seq - 1
    assert found.notes == []
    assert verify(whole).notes == ["no key was given: signatures were checked with the key that the journal names"]


def test_no_journal_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        verify(tmp_path / "none")


def flip(rng: random.Random, lines: list[bytes]) -> list[bytes]:
    at = rng.randrange(len(lines[0]))
    byte = lines[0][at] ^ (1 << rng.randrange(8))
    return [lines[0][:at] + bytes([byte]) + lines[0][at + 1 :], *lines[1:]]


def test_every_random_change_is_found_and_named(whole: Path, tmp_path: Path) -> None:
    """200 spots of a small journal; `benchmarks/journal.py` does 1 000 of a large one."""
    rng = random.Random(32)
    damage = Damaged(whole, tmp_path / "damaged")
    originals = {file: file.read_bytes() for file in segment_files(damage.folder)}
    for _ in range(200):
        for file, text in originals.items():
            file.write_bytes(text)
        lines = damage.lines
        index = rng.randrange(len(lines))
        how = rng.choice(["flip", "delete", "swap", "duplicate", "move"])
        if how == "flip":
            named = damage.place(damage.change(index, lambda rest: flip(rng, rest)))
            assert named == index
        elif how == "delete":
            found = damage.write(lines[:index] + lines[index + 1 :])
            assert found.finding is not None
            assert found.finding.seq == index + 1
            assert found.finding.what == ("missing" if index < len(lines) - 1 else "truncated")
        elif how == "swap":
            other = rng.randrange(len(lines) - 1)
            first, second = sorted({index, other} if index != other else {index, (index + 1) % len(lines)})
            changed = list(lines)
            changed[first], changed[second] = changed[second], changed[first]
            found = damage.write(changed)
            assert found.finding is not None
            assert (found.finding.what, damage.place(found)) == ("moved", first)
        elif how == "duplicate":
            later = rng.randrange(index + 1, len(lines) + 1)
            found = damage.write([*lines[:later], lines[index], *lines[later:]])
            assert found.finding is not None
            assert found.finding.what in ("repeated", "moved")
            if later == len(lines):
                assert found.finding.number > damage.places[-1][1]
            else:
                assert damage.place(found) == later
        else:
            later = rng.randrange(len(lines) - 1)
            changed = [line for line in lines if line != lines[index]]
            changed.insert(later, lines[index])
            found = damage.write(changed)
            if changed != lines:
                assert found.finding is not None
                assert found.finding.what == "moved"
                assert damage.place(found) == min(index, later)


def test_a_line_written_anew_is_named(damaged: Damaged) -> None:
    """Somebody who can hash: the line holds in itself, and the next one knows another."""
    index = 12
    line = damaged.lines[index]
    other = sealed(chain_before(damaged.lines, index), line, record_bytes(login("nobody")))
    changed = [*damaged.lines[:index], other, *damaged.lines[index + 1 :]]
    found = damaged.write(changed)
    assert found.finding is not None
    assert (found.finding.what, damaged.place(found), found.finding.seq) == ("rewritten", index, index + 1)


def test_an_inserted_line_is_named(damaged: Damaged) -> None:
    index = 12
    other = sealed(chain_before(damaged.lines, index), damaged.lines[index], record_bytes(login("nobody")))
    found = damaged.write([*damaged.lines[:index], other, *damaged.lines[index:]])
    assert found.finding is not None
    assert (found.finding.what, damaged.place(found)) == ("inserted", index)


def rewritten_from(lines: list[bytes], index: int, key: Ed25519PrivateKey | None) -> list[bytes]:
    """All lines from one on made anew, the first of them with another entry; checkpoints signed with a key, if any."""
    chain = chain_before(lines, index)
    made = list(lines[:index])
    for number, text in enumerate(lines[index:]):
        line = split_line(text)
        assert line is not None
        entry = record_bytes(login("nobody")) if number == 0 else line.record_text()
        if number and b'"journal.checkpoint"' in entry and key is not None:
            fields = json.loads(entry)
            message = keys.checkpoint_message(fields["journal"], chain.seq, chain.hash)
            fields |= {"through": chain.seq, "head": chain.hash, "signature": keys.sign(key, message)}
            fields["key"] = keys.public_text(key)
            entry = record_bytes(Checkpoint.model_validate_json(json.dumps(fields)))
        chain, whole = chain.add(START_NS, line.category, entry)  # type: ignore[arg-type]
        made.append(whole[:-1])
    return made


@pytest.mark.parametrize(
    ("key", "what"), [(None, "signature"), (Ed25519PrivateKey.from_private_bytes(b"x" * 32), "key"), (KEY, "differs")]
)
def test_a_chain_made_anew_needs_the_key(damaged: Damaged, key: Ed25519PrivateKey | None, what: What) -> None:
    """With the key, the note of the newest checkpoint still tells."""
    index = 14
    found = damaged.write(rewritten_from(damaged.lines, index, key))
    assert found.finding is not None
    assert found.finding.what == what


def test_a_signature_of_another_key_under_the_right_name_does_not_hold(damaged: Damaged) -> None:
    index = next(i for i, line in enumerate(damaged.lines) if i > 5 and b'"journal.checkpoint"' in line)
    line = split_line(damaged.lines[index])
    assert line is not None
    fields = json.loads(line.record_text())
    fields["signature"] = base64.b64encode(bytes(64)).decode()
    entry = record_bytes(Checkpoint.model_validate_json(json.dumps(fields)))
    other = sealed(chain_before(damaged.lines, index), damaged.lines[index], entry)
    found = damaged.write([*damaged.lines[:index], other, *damaged.lines[index + 1 :]])
    assert found.finding is not None
    assert (found.finding.what, damaged.place(found)) == ("signature", index)


def test_another_key_than_the_one_given_is_named(whole: Path) -> None:
    found = verify(whole, Ed25519PrivateKey.from_private_bytes(b"y" * 32).public_key())
    assert found.finding is not None
    assert (found.finding.what, found.finding.number) == ("key", 1)


def test_an_end_that_was_cut_off_is_seen_against_the_newest_checkpoint(damaged: Damaged) -> None:
    for lost in (1, 2, 8):
        found = damaged.write(damaged.lines[:-lost])
        assert found.finding is not None
        assert (found.finding.what, found.finding.seq) == ("truncated", len(damaged.lines) - lost + 1)
    (damaged.folder / "newest.json").unlink()
    found = damaged.write(damaged.lines)
    assert found.finding is not None
    assert "newest.json is missing" in found.finding.text


def test_an_end_that_was_cut_off_with_its_note_is_seen_against_one_kept_elsewhere(damaged: Damaged) -> None:
    kept = split_line((damaged.folder / "newest.json").read_bytes()[:-1])
    checkpoints = [i for i, line in enumerate(damaged.lines) if b'"journal.checkpoint"' in line]
    end = checkpoints[-2]
    (damaged.folder / "newest.json").write_bytes(damaged.lines[end] + b"\n")
    assert damaged.write(damaged.lines[: end + 1]).ok  # by itself nobody can tell
    found = verify(damaged.folder, PUBLIC, noted=kept)
    assert found.finding is not None
    assert (found.finding.what, found.finding.seq) == ("truncated", end + 2)


def test_a_torn_end_is_named(damaged: Damaged) -> None:
    file = segment_files(damaged.folder)[-1]
    file.write_bytes(file.read_bytes() + damaged.lines[-1][:100])
    found = verify(damaged.folder, PUBLIC)
    assert found.finding is not None
    assert (found.finding.what, found.finding.seq) == ("torn", len(damaged.lines) + 1)


@pytest.mark.parametrize("which", [0, 1, -1])
def test_a_whole_segment_that_is_gone_or_renamed_is_named(damaged: Damaged, which: int) -> None:
    file = segment_files(damaged.folder)[which]
    first = int(file.stem)
    text = file.read_bytes()
    file.unlink()
    found = verify(damaged.folder, PUBLIC)
    assert found.finding is not None
    assert found.finding.what == ("truncated" if which == -1 else "missing")
    assert found.finding.seq == first
    (damaged.folder / f"{first + 1:020d}.jsonl").write_bytes(text)
    found = verify(damaged.folder, PUBLIC)
    assert found.finding is not None
    assert found.finding.seq == first


def test_an_entry_that_was_taken_out_without_an_anchor_is_named(damaged: Damaged) -> None:
    line = split_line(damaged.lines[20])
    assert line is not None
    found = damaged.write([*damaged.lines[:20], line.without_entry()[:-1], *damaged.lines[21:]])
    assert found.finding is not None
    assert (found.finding.what, damaged.place(found)) == ("removed", 20)


def test_lines_of_another_journal_of_the_same_key_do_not_belong(whole: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    make(other, 5)
    damage = Damaged(whole, tmp_path / "damaged")
    theirs = next(line for line in texts_of(other) if b'"journal.checkpoint"' in line)
    record = split_line(theirs)
    assert record is not None
    index = next(i for i, line in enumerate(damage.lines) if i > 5 and b'"journal.checkpoint"' in line)
    forged = sealed(chain_before(damage.lines, index), damage.lines[index], record.record_text())
    found = damage.write([*damage.lines[:index], forged, *damage.lines[index + 1 :]])
    assert found.finding is not None
    assert found.finding.what == "signature"


def test_a_journal_may_be_verified_while_it_is_written(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal", KEY, clock=Clock(), limits=LIMITS) as journal:
        for _ in range(20):
            journal.append(login())
            assert verify(journal.folder, PUBLIC).ok
        with segment_files(journal.folder)[-1].open("ab") as out:
            out.write(b'{"seq":')
        found = verify(journal.folder, PUBLIC)
        assert found.ok
        assert any("not finished" in note for note in found.notes)


# Against the second place.


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    (tmp_path / "second").mkdir()
    make(tmp_path / "journal", 40, FolderPlace(tmp_path / "second", 9000))
    return tmp_path / "journal", tmp_path / "second"


def test_two_places_agree(pair: tuple[Path, Path]) -> None:
    found = verify(pair[0], PUBLIC, pair[1])
    assert found.ok, found.finding
    assert texts_of(pair[0]) == texts_of(pair[1])
    assert verify(pair[1], PUBLIC).ok


def test_who_holds_the_key_is_betrayed_by_the_second_place(pair: tuple[Path, Path], tmp_path: Path) -> None:
    damage = Damaged(pair[0], tmp_path / "damaged")
    changed = rewritten_from(damage.lines, 20, KEY)
    damage.write(changed)
    (damage.folder / "newest.json").write_bytes(changed[-1] + b"\n")
    assert verify(damage.folder, PUBLIC).ok
    found = verify(damage.folder, PUBLIC, pair[1])
    assert found.finding is not None
    assert (found.finding.what, damage.place(found)) == ("differs", 20)


def test_who_cuts_the_end_is_betrayed_by_the_second_place(pair: tuple[Path, Path], tmp_path: Path) -> None:
    damage = Damaged(pair[0], tmp_path / "damaged")
    end = [i for i, line in enumerate(damage.lines) if b'"journal.checkpoint"' in line][-2]
    (damage.folder / "newest.json").write_bytes(damage.lines[end] + b"\n")
    assert damage.write(damage.lines[: end + 1]).ok
    found = verify(damage.folder, PUBLIC, pair[1])
    assert found.finding is not None
    assert (found.finding.what, found.finding.seq) == ("truncated", end + 2)


def test_a_second_place_that_is_behind_is_a_note_and_a_damaged_one_a_finding(pair: tuple[Path, Path]) -> None:
    text = texts_of(pair[1])
    end = [i for i, line in enumerate(text) if b'"journal.checkpoint"' in line][-2]
    # How the lines lie in files hangs on when they were sent.
    left = end + 2
    for file in segment_files(pair[1]):
        lines = file.read_bytes().splitlines()[:left]
        left -= len(lines)
        if lines:
            last = file
            last.write_bytes(b"\n".join(lines) + b"\n")
        else:
            file.unlink()
    lines = last.read_bytes().splitlines()
    (pair[1] / "newest.json").write_bytes(text[end] + b"\n")
    found = verify(pair[0], PUBLIC, pair[1])
    assert found.ok, found.finding
    assert any(note.startswith("the second place holds lines up to seq") for note in found.notes)
    last.write_bytes(b"\n".join([*lines[:-1], lines[-1][:-5] + b"xxx}}"]) + b"\n")
    found = verify(pair[0], PUBLIC, pair[1])
    assert found.finding is not None
    assert found.finding.what == "second_place"
    assert found.finding.file == last


# Random histories and random damage.

STEP = st.one_of(
    st.tuples(st.just("append"), st.integers(1, 6)),
    st.tuples(st.just("clock"), st.integers(-7200, 7200)),
    st.tuples(st.just("reopen"), st.just(0)),
    st.tuples(st.just("sign"), st.just(0)),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, min_size=1, max_size=12), data=st.data())
def test_any_history_holds_and_any_change_is_named_at_or_before_its_effect(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("history") / "journal"
    clock = Clock()
    limits = Limits(segment_bytes=3000, checkpoint_lines=5)
    journal = Journal(folder, KEY, clock=clock, limits=limits)
    for step, number in steps:
        if step == "append":
            journal.append_many([login(f"op-{index}") for index in range(number)])
        elif step == "clock":
            clock.after(number)
        elif step == "sign":
            journal.checkpoint()
        else:
            journal.close()
            journal = Journal(folder, KEY, clock=clock, limits=limits)
    journal.close()
    assert verify(folder, PUBLIC).ok
    files = segment_files(folder)
    file = data.draw(st.sampled_from(files))
    text = file.read_bytes()
    start = data.draw(st.integers(0, len(text) - 1))
    stop = data.draw(st.integers(start, min(len(text), start + 900)))
    put = data.draw(st.binary(max_size=12) | st.sampled_from([b"\n", text[:200], text[-300:]]))
    changed = text[:start] + put + text[stop:]
    if changed == text:
        return
    file.write_bytes(changed)
    effect = next(
        (i for i, (a, b) in enumerate(zip(text, changed, strict=False)) if a != b), min(len(text), len(changed))
    )
    found = verify(folder, PUBLIC)
    assert found.finding is not None, (start, stop, put)
    # Lines are counted over all files: where the end of one is gone, the first line of the next is named.
    earlier = files[: files.index(found.finding.file)]
    named = sum(each.read_bytes().count(b"\n") for each in earlier) + found.finding.number
    untouched = files[: files.index(file)]
    first = sum(each.read_bytes().count(b"\n") for each in untouched) + text.count(b"\n", 0, effect) + 1
    assert named <= first, found.finding


def test_a_missing_end_of_a_segment_is_named_at_the_line_that_follows(damaged: Damaged) -> None:
    first, second, *_ = segment_files(damaged.folder)
    lines = first.read_bytes().splitlines(keepends=True)
    for kept in (len(lines) - 1, 0):
        first.write_bytes(b"".join(lines[:kept]))
        found = verify(damaged.folder, PUBLIC)
        assert found.finding is not None
        assert (found.finding.what, found.finding.file, found.finding.number) == ("missing", second, 1)
        assert found.finding.seq == kept + 1
