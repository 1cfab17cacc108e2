"""Queries: filters, pages, and that others than the auditor cannot infer what is hidden from them (L-27, L-28)."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from python.journal.made import KEY, OPERATOR, POLICE, START_NS, Clock, begin, end, login, texts_of
from vigie.errors import JournalDamagedError
from vigie.journal import Entry, Journal, Page, Query, ask, read_entries, visible
from vigie.journal.records import Apply, JournalClosed, MaskChange, Operation, Record, Requisition, RouteOpen
from vigie.journal.segments import segment_files

Open = Callable[..., Journal]


def entries(*records: Record, step_ns: int = 10) -> list[Entry]:
    return [Entry(seq, START_NS + seq * step_ns, record) for seq, record in enumerate(records, 1)]


MASK = MaskChange(actor=OPERATOR, camera="gare-02", mask_set="gare-02", revision=3)
MANY = entries(
    login("op-1"),
    begin("gare-02", actor=POLICE),
    begin("place-armes-01"),
    MASK,
    Operation(actor=OPERATOR, op="camera.probe", objects=("camera/gare-02",)),
    Requisition(actor=POLICE, requisition="2026/1", step="received", cameras=("gare-02", "x")),
    login("op-1"),
)


@pytest.mark.parametrize(
    ("asked", "seqs"),
    [
        ({}, [1, 2, 3, 4, 5, 6, 7]),
        ({"camera": "gare-02"}, [2, 4, 5, 6]),
        ({"camera": "gare"}, []),
        ({"agent": "op-1"}, [1, 7]),
        ({"agent": "brigade-3"}, [2, 6]),
        ({"agent": "host-1"}, [2, 6]),
        ({"organisation": "police-nationale"}, [2, 6]),
        ({"kinds": ("login", "mask.change")}, [1, 4, 7]),
        ({"since": START_NS + 20, "until": START_NS + 50}, [2, 3, 4]),
        ({"camera": "gare-02", "organisation": "csu-metz", "kinds": ("mask.change",)}, [4]),
    ],
)
def test_filters(asked: dict[str, Any], seqs: list[int]) -> None:
    page = ask(MANY, Query(**asked), "auditor")
    assert [row.seq for row in page.rows] == seqs
    assert page.next_offset is None


def test_pages_hold_everything_once() -> None:
    rows = []
    offset: int | None = 0
    while offset is not None:
        page = ask(MANY, Query(offset=offset, limit=3), "others")
        rows += page.rows
        offset = page.next_offset
    assert [row.number for row in rows] == [1, 2, 3, 4, 5, 6, 7]
    assert [row.at_ns for row in rows] == [entry.at_ns for entry in MANY]
    assert all(row.seq is None for row in rows)
    assert ask(MANY, Query(offset=7), "others") == Page((), None)


def test_the_journals_own_entries_are_the_auditors() -> None:
    mixed = entries(login(), JournalClosed(), login())
    assert [row.number for row in ask(mixed, Query(), "others").rows] == [1, 2]
    assert [row.seq for row in ask(mixed, Query(), "auditor").rows] == [1, 2, 3]


def test_what_belongs_to_a_hidden_view_is_hidden_with_it() -> None:
    """Whoever wrote the end forgot that it was targeted."""
    hidden = begin(visibility="targeted")
    careless = end(hidden, START_NS, START_NS + 5, visibility="normal")
    route = RouteOpen(actor=OPERATOR, camera="c", route="r-1", visibility="sealed")
    found = list(visible(entries(hidden, careless, route, begin(route="r-1"), login()), "others"))
    assert [entry.record.kind for entry in found] == ["login"]


def test_revisions_are_the_auditors_for_they_count() -> None:
    applied = [
        Apply(actor=OPERATOR, revision=number, visibility=how)
        for number, how in ((7, "normal"), (8, "targeted"), (9, "normal"))
    ]
    shown = ask(entries(*applied), Query(), "others").rows
    assert [row.record.revision for row in shown] == [None, None]  # type: ignore[attr-defined]
    audited = ask(entries(*applied), Query(), "auditor").rows
    assert [row.record.revision for row in audited] == [7, 8, 9]  # type: ignore[attr-defined]


KIND_OF = st.sampled_from(["login", "begin", "end", "own"])
HISTORY = st.lists(st.tuples(KIND_OF, st.sampled_from(["normal", "sealed", "targeted"])), max_size=30)


@given(HISTORY, st.integers(1, 5))
def test_others_see_exactly_what_they_would_see_without_the_hidden_entries(
    history: list[tuple[str, str]], limit: int
) -> None:
    """The answers are the same, page by page, as from a journal in which the hidden entries never were."""
    made: list[tuple[Record, bool]] = []
    views: list[tuple[Any, bool]] = []
    for number, (kind, visibility) in enumerate(history):
        hidden = visibility != "normal"
        if kind == "login":
            record: Record = login(f"op-{number}").model_copy(update={"visibility": visibility})
        elif kind == "begin" or not views:
            record = begin(view=f"v-{number}", visibility=visibility)
            views.append((record, hidden))
        elif kind == "own":
            record, hidden = JournalClosed(), True
        else:
            opened, hidden = views.pop()
            record = end(opened, START_NS, START_NS + 1)
        made.append((record, hidden))
    all_of_them = [Entry(seq, START_NS + seq, record) for seq, (record, _) in enumerate(made, 1)]
    kept = [
        Entry(999, entry.at_ns, entry.record)
        for entry, (_, hidden) in zip(all_of_them, made, strict=True)
        if not hidden
    ]
    for offset in itertools.count(0, limit):
        query = Query(limit=limit, offset=offset)
        answer = ask(all_of_them, query, "others")
        assert answer == ask(kept, query, "others")
        if answer.next_offset is None:
            break
    assert len(ask(all_of_them, Query(limit=1000), "auditor").rows) == len(made)


def test_entries_are_read_back_as_they_were_written(open_journal: Open) -> None:
    journal = open_journal()
    records = [login("op-1"), begin("gare-02"), MASK]
    seqs = journal.append_many(records)
    assert [(e.seq, e.record) for e in read_entries(journal.folder) if e.seq in seqs] == list(
        zip(seqs, records, strict=True)
    )
    some = list(read_entries(journal.folder, ('"camera":"gare-02"',)))
    assert [entry.record for entry in some] == records[1:]
    with segment_files(journal.folder)[-1].open("ab") as out:
        out.write(texts_of(journal.folder)[0][:50])  # a line that is just being written
    assert len(list(read_entries(journal.folder))) == seqs[-1]


def test_a_line_that_cannot_be_read_is_named(open_journal: Open) -> None:
    journal = open_journal()
    journal.append(login())
    journal.close()
    file = segment_files(journal.folder)[0]
    lines = file.read_bytes().splitlines()
    for wrong in (b"nonsense", lines[1].replace(b'"kind":"', b'"kind":7,"x":"')):
        file.write_bytes(b"\n".join([lines[0], wrong, *lines[2:], b""]))
        with pytest.raises(JournalDamagedError) as caught:
            list(read_entries(journal.folder))
        assert caught.value.where.endswith(f"{file.name}:2")


def test_the_clock_of_the_journal_does_not_order_the_answers(tmp_path: Any) -> None:
    clock = Clock()
    with Journal(tmp_path / "j", KEY, clock=clock) as journal:
        journal.append(login("first"))
        clock.after(-60)
        journal.append(login("second"))
    rows = ask(read_entries(journal.folder), Query(kinds=("login",)), "others").rows
    assert [row.record.actor.agent for row in rows] == ["first", "second"]
    assert rows[0].at_ns > rows[1].at_ns
