"""`vigie bench kill`, a short run: everybody dies once, with viewers on and applies going on; and its judgement."""

import time
from pathlib import Path
from typing import Any

import pytest

from vigie.processes.run_folder import CONTROL, ENGINE, SUPERVISOR

rounds = pytest.importorskip("vigie.bench.kill.rounds")
pytest.importorskip("vigie._core")
KILLS = [(CONTROL,), (ENGINE,), (SUPERVISOR,), (CONTROL, ENGINE, SUPERVISOR), (CONTROL, SUPERVISOR)]


def test_nothing_is_lost_and_nobody_sees_more_than_he_may(tmp_path: Path) -> None:
    run = rounds.KillBench(tmp_path / "run", 5).measure(len(KILLS), KILLS)
    log = (tmp_path / "run" / "serve.log").read_text(errors="replace")[-5000:]
    assert run.all_problems == [], log
    assert run.good
    assert (len(run.rounds), run.exit_code) == (len(KILLS), 0)
    assert run.applies > len(KILLS)
    assert run.journal_lines > run.applies
    assert len(run.over_ms) == len(run.revoked_ms) == len(KILLS), "nobody whose right ended had pictures before"
    assert set(run.as_json()["back_s"]) == {"+".join(killed) for killed in KILLS}


class Watched:
    """A viewer, as the judgement sees it."""

    def __init__(self, last_ns: int) -> None:
        self.last_ns = last_ns


@pytest.mark.parametrize(("late_s", "bad"), [(-1.0, 0), (0.5, 0), (3.0, 1)])
def test_pictures_after_the_end_are_a_problem(tmp_path: Path, late_s: float, bad: int) -> None:
    bench: Any = rounds.KillBench(tmp_path, 1)
    end_ns = time.time_ns()
    bench._ended = [(Watched(end_ns + int(late_s * 1e9)), end_ns, "x, after the end of its right")]
    bench._judge_ended()
    assert len(bench.run.all_problems) == bad
