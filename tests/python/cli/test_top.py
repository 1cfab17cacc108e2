"""`vigie top`: rows, sums and their order from what the service says."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from python.control.conftest import SERVER, camera, yaml
from python.control.served import Served
from vigie.cli import app as cli
from vigie.cli.top import SORTS, Row, Sample, View, rows_of, sum_line, table_of, totals
from vigie.control.handlers import with_drops
from vigie.control.parties import LOCAL
from vigie.control.store import Command


def figures(**fields: Any) -> dict[str, Any]:
    """A stream's, as docs/statistics.md has them."""
    usual = {
        "state": "playing", "privacy": "clear", "mask_revision": 0, "fps": 25.0, "bitrate_bps": 4e6, "viewers": 1,
        "lost_packets": 0, "withheld_units": 0, "stale_units": 0, "fault": "",
    }  # fmt: skip
    return usual | fields


def sample(time_s: float, busy_s: float, **streams: dict[str, Any]) -> Sample:
    cameras = {name: {"number": 7, "streams": {"main": one}} for name, one in streams.items()}
    engine = {"time_s": time_s, "revision": 3, "events_lost": 0, "shards": [{"busy_s": busy_s}, {"busy_s": 0.5}]}
    return Sample(time_s, engine, cameras, {})


def lane(seconds: float) -> dict[str, Any]:
    return {"decode_s": seconds, "mask_s": seconds, "encode_s": 2 * seconds}


BEFORE = sample(100.0, 1.0, a=figures(), b=figures(lane=lane(1.0)))
NOW = sample(
    102.0,
    1.5,
    a=figures(viewers=9, viewers_dropped_units=3, viewers_lag_ms=40.0),
    b=figures(lane=lane(1.25), privacy="masked", mask_revision=4, bitrate_bps=2e6),
    c=figures(state="silent", fault="no picture for 5 s", fps=0.0, bitrate_bps=0.0, viewers=0, lost_packets=2),
)


def test_cores_are_differences_between_two_looks() -> None:
    rows = {row.camera: row for row in rows_of(NOW, BEFORE)}
    assert (rows["a"].cpu, rows["b"].cpu) == (None, 0.5)
    assert rows_of(NOW, None)[1].cpu is None
    # A lane that was made anew meanwhile counts from nothing, never below it.
    again = sample(104.0, 2.0, b=figures(lane=lane(0.1)))
    assert rows_of(again, NOW)[0].cpu == pytest.approx(0.2)
    sums = totals(NOW, list(rows.values()), BEFORE)
    assert (sums["shards_cpu"], sums["masks_cpu"], sums["viewers"], sums["dropped"]) == (0.25, 0.5, 10, 3)
    assert sum_line(sums).startswith("revision 3: 2/3 streams playing, 50 pictures/s, 6.0 Mbit/s in, 10 viewers")
    assert "cores" not in sum_line(totals(NOW, list(rows.values()), None))


@pytest.mark.parametrize(
    ("view", "order"),
    [
        (View(), "abc"),
        (View(reverse=True), "cba"),
        (View("viewers"), "abc"),
        (View("bitrate"), "abc"),
        (View("cpu"), "bac"),
        (View("state"), "cab"),
        (View("lost"), "cab"),
        (View("lag"), "abc"),
        (View(problems=True), "ac"),
        (View(cameras=["[ab]"]), "ab"),
        (View(states=["silent"]), "c"),
        (View(privacies=["masked"]), "b"),
    ],
)
def test_rows_are_chosen_and_sorted(view: View, order: str) -> None:
    assert "".join(row.camera for row in view.of(rows_of(NOW, BEFORE))) == order


def test_every_sort_is_offered() -> None:
    assert {name.value for name in cli.SortName} == set(SORTS)


def shown(rows: list[Row], most: int | None = None) -> str:
    console = Console(width=160, record=True, file=open("/dev/null", "w", encoding="utf-8"))  # noqa: SIM115
    console.print(table_of(rows, totals(NOW, rows, BEFORE), most))
    return console.export_text()


def test_the_table_says_it_all_and_what_it_leaves_out() -> None:
    text = shown(rows_of(NOW, BEFORE))
    for part in ("a/main", "masked 4", "silent", "no picture for 5 s", "2/3 streams playing"):
        assert part in text
    few = shown(rows_of(NOW, BEFORE), 1)
    assert "c/main" not in few
    assert "2 more rows" in few


def test_a_name_is_no_markup() -> None:
    row = rows_of(sample(1, 0, **{"[red]x": figures(fault="[/]")}), None)[0]
    assert "[red]x/main" in shown([row])


def test_what_viewers_missed_is_summed_without_them() -> None:
    viewers = [
        {
            "agent": "p",
            "camera": "a",
            "stream": "main",
            "units_dropped": {"lag_limit": 2},
            "queue_ms": 5,
            "kernel_ms": 2,
        },
        {"agent": "q", "camera": "a@police", "stream": "main", "units_dropped": {"paused": 1}, "queue_ms": 1},
    ]
    told = with_drops({"cameras": {"a": {"streams": {"main": figures()}}, "b": {"streams": {}}}, "viewers": viewers})
    main = told["a"]["streams"]["main"]
    assert (main["viewers_dropped_units"], main["viewers_lag_ms"]) == (3, 7)
    assert "agent" not in json.dumps(told)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    made = Served(tmp_path / "state")
    made.store.apply(Command(LOCAL), yaml(SERVER, camera("place-01"), camera("quai")))
    made.engine.states = {"place-01": "playing", "quai": "silent"}
    yield made
    made.close()


def top(served: Served, *arguments: str) -> Any:
    options = ["--control", served.endpoint, "--once", "--interval", "0.2", *arguments]
    return CliRunner().invoke(cli.app, ["top", *options])


def test_once_through_the_service(served: Served) -> None:
    result = top(served)
    assert result.exit_code == 0, result.output + result.stderr
    assert "place-01/main" in result.stdout
    assert "1/2 streams playing" in result.stdout
    told = json.loads(top(served, "--json", "--problems").stdout)
    assert [row["camera"] for row in told["streams"]] == ["quai"]
    assert top(served, "--sort", "colour").exit_code == 2
