"""How the demo judges and tells its city's journal, and what it says when the city does not come to life."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from vigie.bench.kill.service import ROLES
from vigie.demo import city
from vigie.demo.children import Child, Children
from vigie.demo.result import CityResult, Result
from vigie.demo.scenes import Clip
from vigie.demo.stills import Stills
from vigie.demo.told import complaints, gist, told
from vigie.journal import Actor, Record
from vigie.journal.query import Entry
from vigie.journal.records import Apply, Process, Refusal, RouteClose, RouteOpen, ViewBegin, ViewEnd
from vigie.processes import run_folder

LEA = Actor(agent="lea", organisation="commissariat-metz")
VIGIE = Actor(agent="vigie")
WHY = (
    "No: lea may not see live pictures of hall at 2026-06-01 12:00:00 (Europe/Paris, UTC+02:00). "
    "The habilitation 2026-3 of lea of commissariat-metz holds until 2029-01-01 00:00:00 (Europe/Paris, UTC+01:00). "
    "No Opening opens Convention rail-police. To ask: an administrator of rail-gares (hugo)."
)
VIEW: dict[str, Any] = {"actor": LEA, "camera": "hall", "view": "v1"}
RECORDS: list[Record] = [
    Process(actor=VIGIE, process="engine", name="engine", step="began"),
    Apply(actor=Actor(agent="local"), revision=1, created=tuple(f"camera/c{n}" for n in range(5))),
    Refusal(actor=LEA, op="route.open", code=907, camera="hall", reason=f"{WHY} (hall)"),
    Apply(actor=Actor(agent="hugo", organisation="rail-gares"), revision=2, created=("opening/fight",)),
    RouteOpen(actor=LEA, camera="hall", route="r1", convention="rail-police", until=9 * 10**9, purpose="public-safety"),
    ViewBegin(**VIEW, engine="engine", first_unit=4 * 10**9),
    ViewEnd(**VIEW, first_unit=4 * 10**9, last_unit=8_960_000_000, units=125, cause="error-205"),
    RouteClose(actor=VIGIE, camera="hall", route="r1", cause="right_ended", reason=WHY),
]


# A generator that fails once the service runs.
BROKEN = """
import os, sys, time
end = time.monotonic() + 20
while not os.path.exists({!r}) and time.monotonic() < end:
    time.sleep(0.05)
sys.exit("no streets left")
"""


def entries(records: list[Record]) -> list[Entry]:
    return [Entry(seq, seq * 10**9, record) for seq, record in enumerate(records, 1)]


def test_every_line_is_told_in_order_with_who_what_and_why() -> None:
    rows = told(entries(RECORDS))
    assert [row.kind for row in rows] == [record.kind for record in RECORDS[1:]]
    assert (rows[0].what, rows[2].what) == ("makes 5 objects", "makes opening/fight")
    assert rows[1].who == "lea\n(commissariat-metz)"
    assert rows[1].why == "No Opening opens Convention rail-police. To ask: an administrator of rail-gares (hugo)."
    assert rows[3].why.startswith("Convention rail-police until ")
    assert rows[5].what.startswith("sees it no more: 125 pictures, the last of ")
    assert rows[5].what.endswith(".960")
    assert rows[5].why == "No right lets this viewer see this camera (error 205)"
    assert rows[6].why == "right ended. No Opening opens Convention rail-police."
    assert gist("It is full.") == "It is full."


def test_the_journal_is_accepted_as_it_has_to_be_and_in_no_other_form() -> None:
    assert complaints(entries(RECORDS)) == []
    # Engine and control end independently of each other.
    assert complaints(entries([*RECORDS[:-2], RECORDS[-1], RECORDS[-2]])) == []
    for index in range(1, len(RECORDS)):
        assert complaints(entries(RECORDS[:index] + RECORDS[index + 1 :])), f"without {RECORDS[index].kind}"
    for index in range(1, len(RECORDS) - 2):
        swapped = [*RECORDS[:index], RECORDS[index + 1], RECORDS[index], *RECORDS[index + 2 :]]
        assert complaints(entries(swapped)), f"{RECORDS[index].kind} after {RECORDS[index + 1].kind}"
    assert complaints([])


@pytest.mark.parametrize(("at", "cause"), [(-1, "viewer_left"), (-2, "left")])
def test_a_picture_that_ended_for_another_reason_is_a_complaint(at: int, cause: str) -> None:
    records = list(RECORDS)
    records[at] = records[at].model_copy(update={"cause": cause})
    assert complaints(entries(records)) == [f"{records[at].kind} names as its cause: {cause}"]


def test_a_complaint_of_the_city_is_one_of_the_demo() -> None:
    result = replace(Result(), city=CityResult(complaints=["the route is open for ever"]))
    assert result.all_complaints() == ["the city: the route is open for ever"]


class Run:
    """The city alone, with what it printed."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(city, "start_sim", self._no_cameras)
        printed = io.StringIO()
        out = folder / "out"
        out.mkdir()
        with Children() as children:
            clips = [Clip(folder / "none.h264", "none", "h264")]
            stills = Stills(children, folder)
            self.result = city.run_city(children, clips, folder, out, stills, Console(file=printed, width=200))
        self.text = printed.getvalue()

    @staticmethod
    def _no_cameras(children: Children, clips: list[Clip], cameras: int) -> tuple[Child, int]:
        return children.start("no cameras", ["sleep", "60"]), 1


def test_without_the_source_tree_it_says_that_the_city_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(city, "_GENERATOR", tmp_path / "absent.py")
    run = Run(tmp_path, monkeypatch)
    assert run.result.complaints == []
    assert "examples/city" in run.result.left_out
    assert run.result.left_out in run.text
    assert run.result.rows() == [("city", f"left out: {run.result.left_out}")]


@pytest.mark.usefixtures("core")
def test_a_city_that_cannot_be_made_is_said_and_leaves_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text(BROKEN.format(str(tmp_path / "state" / "control.sock")), encoding="utf-8")
    monkeypatch.setattr(city, "_GENERATOR", broken)
    run = Run(tmp_path, monkeypatch)
    assert (tmp_path / "state" / "state.db").exists(), "the service never ran"
    (said,) = run.result.complaints
    assert "broken.py" in said
    assert "ended with 1: no streets left" in said
    assert [role for role in ROLES if run_folder.find(tmp_path / "state", role)] == []
