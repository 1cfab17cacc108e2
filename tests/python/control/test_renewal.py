"""Rights begin and end by the clock: when a renewal is due, and what a refused one means."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from vigie.control.in_force import LONGEST_WAIT_S, RETRY_S, InForce
from vigie.errors import BindFailedError, Error
from vigie.policy import load_town
from vigie.policy.windows import ns_of

from .conftest import SERVER, camera
from .test_rule_rights import CITY


class Engine:
    """Remembers snapshots, or refuses them."""

    def __init__(self) -> None:
        self.snapshots: list[Mapping[str, Any]] = []
        self.error: Error | None = None

    def apply(self, snapshot: Mapping[str, Any]) -> int:
        if self.error is not None:
            raise self.error
        self.snapshots.append(snapshot)
        return int(snapshot["revision"])

    @property
    def cameras(self) -> dict[str, list[str]]:
        return {
            item["name"]: item["cameras"] + [name for group in item.get("ending", []) for name in group["cameras"]]
            for item in self.snapshots[-1]["agents"]
        }


def ns(text: str) -> int:
    return ns_of(datetime.fromisoformat(text))


def test_a_refused_renewal_is_tried_again_later_and_not_at_once(tmp_path: Path) -> None:
    file = tmp_path / "city.yaml"
    file.write_text("---\n".join(CITY))
    now = ns("2026-06-01T18:59:30+02:00")
    engine, told = Engine(), []
    policy = InForce(engine, None, now_ns=lambda: now, on_put=lambda: told.append(now))
    assert policy.until_next_change_s() == LONGEST_WAIT_S
    policy.put(load_town([file]), {})
    assert policy.until_next_change_s() == pytest.approx(30)
    assert engine.cameras["lea"] == ["hall"]
    now = ns("2026-06-01T19:00:00+02:00")
    assert policy.until_next_change_s() == 0
    engine.error = BindFailedError("taken", "127.0.0.1:1")
    with pytest.raises(BindFailedError):
        policy.renew({})
    assert policy.until_next_change_s() == pytest.approx(RETRY_S)
    now += int(RETRY_S * 1e9)
    assert policy.until_next_change_s() == 0
    engine.error = None
    policy.renew({})
    assert engine.cameras["lea"] == []
    assert policy.until_next_change_s() == LONGEST_WAIT_S
    assert (len(told), policy.revision) == (2, 2)


def test_without_rules_nothing_is_ever_due(tmp_path: Path) -> None:
    file = tmp_path / "town.yaml"
    file.write_text("---\n".join([SERVER, camera("a")]))
    policy = InForce(Engine(), None, now_ns=lambda: ns("2026-06-01T12:00:00+02:00"))
    policy.put(load_town([file]), {})
    assert policy.until_next_change_s() == LONGEST_WAIT_S
