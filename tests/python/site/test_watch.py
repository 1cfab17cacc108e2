"""When partners are asked, and what `vigie serve` keeps of their answers."""

import select
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vigie.cli.sites import Sites
from vigie.errors import ConnectFailedError
from vigie.policy import Inventory, Town, load_town
from vigie.policy.inventory import OfferedCamera, OfferedStream
from vigie.site.partner import Partner
from vigie.site.watch import SiteWatch, wait_before


def inventory(*tokens: str) -> Inventory:
    streams = (OfferedStream("main", "rtsp://h/"),)
    return Inventory("Acme", tuple(OfferedCamera(token, streams=streams) for token in tokens))


def test_waits_grow_are_spread_and_end_somewhere() -> None:
    partner = Partner("gare", "rtsp://h", refresh_s=60)
    assert [wait_before(partner, 0, lambda at=at: at) for at in (0.0, 0.5)] == [54, 60]
    middle = [wait_before(partner, failures, lambda: 0.5) for failures in range(1, 9)]
    assert middle == [2, 4, 8, 16, 32, 60, 60, 60]
    assert wait_before(partner, 3, lambda: 0.0) == 4
    assert wait_before(partner, 3, lambda: 0.999) < 12
    assert wait_before(partner, 10**6, lambda: 0.5) == 60
    assert wait_before(Partner("g", "rtsp://h", refresh_s=10), 9, lambda: 0.5) == 10
    assert wait_before(Partner("g", "rtsp://h", refresh_s=86400), 9, lambda: 0.5) == 60
    assert wait_before(Partner("g", "rtsp://h", refresh_s=1), 9, lambda: 0.5) == 2


def heard(watch: SiteWatch, count: int = 1) -> list[Any]:
    """Waits for so many answers."""
    out: list[Any] = []
    while len(out) < count:
        assert select.select([watch], [], [], 20)[0]
        out += watch.take()
    return out


def test_one_that_hangs_keeps_nobody_waiting_and_unchanged_ones_are_not_asked_again() -> None:
    asked: list[str] = []
    hanging = threading.Event()

    def ask(partner: Partner) -> Inventory:
        asked.append(partner.url)
        if partner.name == "slow":
            hanging.wait(20)
        if partner.name == "gone":
            raise ConnectFailedError("refused", "h:1")
        if partner.name == "bug":
            raise KeyError("secret")
        return inventory(partner.url)

    slow, fast = Partner("slow", "rtsp://s"), Partner("fast", "rtsp://f", refresh_s=9999)
    gone, bug = Partner("gone", "rtsp://g", refresh_s=9999), Partner("bug", "rtsp://b", refresh_s=9999)
    with SiteWatch(ask) as watch:
        watch.set_partners([slow, fast, gone, bug])
        answers = {answer.partner.name: answer for answer in heard(watch, 3)}
        assert answers["fast"].inventory == inventory("rtsp://f")
        assert answers["gone"].inventory is None
        assert "refused" in answers["gone"].error
        assert answers["bug"].error == "asking it failed: KeyError", "and its thread lives on"
        watch.set_partners([slow, fast, Partner("gone", "rtsp://new", refresh_s=9999)])
        heard(watch)
        assert asked.count("rtsp://f") == 1
        assert asked.count("rtsp://new") == 1
        watch.set_partners([fast])
        hanging.set()
        time.sleep(0.1)
        assert watch.take() == [], "what comes from a partner that is no longer wanted counts for nothing"


def test_it_asks_again() -> None:
    count = 0

    def ask(partner: Partner) -> Inventory:
        nonlocal count
        count += 1
        return inventory(str(count))

    with SiteWatch(ask) as watch:
        watch.set_partners([Partner("a", "rtsp://h", refresh_s=0.01)])
        answers = heard(watch, 3)
    assert [answer.inventory for answer in answers[:3]] == [inventory("1"), inventory("2"), inventory("3")]


class World:
    """A `Sites` whose partners answer what the test says, at once and as often as `turn` is called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, Any] = {}
        self._gate = threading.Semaphore(0)
        self.sites = Sites(lambda text, fields: self.told.append((text, fields)), self._ask, lambda *_: 0.001)

    def _ask(self, partner: Partner) -> Inventory:
        self._gate.acquire()
        answer = self.answers[partner.name]
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, Inventory)
        return answer

    def town(self, **urls: str) -> Town:
        file = self.folder / "town.yaml"
        server = 'kind: Server\nname: s\nspec: {rtsp: [{listen: "127.0.0.1:0", access: open}]}\n'
        sites = [f"kind: Site\nname: {name}\nspec: {{url: '{url}', refresh_s: 1}}\n" for name, url in urls.items()]
        file.write_text("---\n".join([server, *sites]), encoding="utf-8")
        return load_town([file])

    def turn(self) -> dict[str, Inventory]:
        self._gate.release()
        assert select.select([self.sites], [], [], 20)[0]
        return self.sites.hear()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    with made.sites:
        yield made


def test_the_last_good_list_stays_and_is_said_to_be_old(world: World) -> None:
    town = world.town(a="rtsp://h")
    world.sites.put_in_force(town)
    assert world.sites.figures()["a"]["state"] == "asking"
    world.answers["a"] = ConnectFailedError("nobody", "h:554")
    assert world.turn() == {}
    assert "it has told no cameras yet" in world.told[-1][0]
    world.answers["a"] = inventory("x", "y")
    assert world.turn() == {"a": inventory("x", "y")}
    assert world.sites.inventories(town) == {}, "not before the engine has taken it"
    world.sites.adopt({"a": inventory("x", "y")}, {"a": 2})
    assert world.sites.inventories(town) == {"a": inventory("x", "y")}
    assert world.told[-1][1]["state"] == "listed"
    world.answers["a"] = ConnectFailedError("gone", "h:554")
    assert world.turn() == {}
    text, fields = world.told[-1]
    assert "gone" in text
    assert "is kept (2 cameras)" in text
    assert (fields["state"], fields["cameras"]) == ("failing", 2)
    assert fields["list_age_s"] >= 0
    assert world.sites.inventories(town) == {"a": inventory("x", "y")}
    count = len(world.told)
    assert world.turn() == {}
    assert len(world.told) == count, "the same error is said once"
    world.answers["a"] = inventory("x", "y")
    assert world.turn() == {}
    assert "answers again" in world.told[-1][0]


def test_another_partner_has_to_answer_first_the_same_one_has_not(world: World) -> None:
    world.sites.put_in_force(world.town(a="rtsp://h", b="rtsp://h"))
    world.answers = {"a": inventory("x"), "b": inventory("y")}
    changed = world.turn() | world.turn()
    world.sites.adopt(changed, {"a": 1, "b": 1})
    town = world.town(a="rtsp://h", b="rtsp://elsewhere")
    assert world.sites.inventories(town) == {"a": inventory("x")}
    world.sites.put_in_force(town)
    assert world.sites.figures()["b"]["state"] == "asking"
    assert set(world.sites.inventories(world.town(b="rtsp://h"))) == set()


def test_a_list_the_engine_refuses(world: World) -> None:
    town = world.town(a="rtsp://h")
    world.sites.put_in_force(town)
    world.answers["a"] = inventory("x")
    world.sites.adopt(world.turn(), {"a": 1})
    world.answers["a"] = inventory("x", "y")
    assert set(world.turn()) == {"a"}
    world.sites.refuse("a", "error: no")
    assert world.sites.inventories(town) == {"a": inventory("x")}
    assert "not taken over: error: no" in world.told[-1][0]
