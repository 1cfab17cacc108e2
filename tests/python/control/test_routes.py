"""Routes: what the engine is told of them, when they end, what of them others may know, and what the journal has."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from vigie.control import ops
from vigie.control.client import Client
from vigie.control.keys import ClientKey, add_client, new_pair
from vigie.control.presence import Presence
from vigie.control.routes import MAX_ROUTES_OF_AGENT, Routes
from vigie.control.session import ClientKeys
from vigie.control.tickets import Ticket, seal, ticket_key
from vigie.control.views import Views
from vigie.control.wire import Event as WireEvent
from vigie.errors import ControlRefusedError, Error, LimitExceededError, NotFoundError, StateUnreadableError
from vigie.events import Event
from vigie.journal.records import ViewBegin, ViewEnd
from vigie.policy import Compiled, Inventory, Town, compile_snapshot
from vigie.policy.inventory import OfferedCamera, OfferedStream
from vigie.policy.routing import Verdict, Wish
from vigie.policy.windows import ns_of

from .conftest import SERVER, agent, camera, masks
from .served import Served
from .test_rule_rights import CITY

NOON = ns_of(datetime.fromisoformat("2026-06-01T12:00:00+02:00"))
HOUR = 3600 * 10**9


class Rows:
    """In memory."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    def routes(self) -> list[str]:
        return list(self.kept.values())

    def keep_route(self, route: str, text: str) -> None:
        self.kept[route] = text

    def drop_routes(self, routes: Any) -> None:
        for route in routes:
            del self.kept[route]


class Book:
    """Routes over a town that a test loads, and a clock that it sets."""

    def __init__(self, load: Any, *documents: str) -> None:
        self.now, self.also = NOON, None
        self.rows = Rows()
        self._load = load
        self.town: Town
        self.compiled: Compiled
        self.apply(*documents)
        self.again()

    def apply(self, *documents: str) -> None:
        self.town = self._load(*documents)
        self.compiled = compile_snapshot(self.town, 7, at=self.now)

    def again(self) -> None:
        """A new process."""
        self.routes = Routes(self.rows, "k" * 43, lambda: self.now, lambda: self.also)

    def open(self, agent: str = "lea", camera: str = "hall", **wish: Any) -> Any:
        wanted = Wish(agent, camera, wish.pop("stream", ""), **wish)
        return self.routes.open(self.town, self.compiled, wanted, agent, "police", 30 * 10**9)[0]

    def told(self, *, taken: bool = True) -> dict[str, str | None]:
        """What the engine is told, and takes."""
        self.compiled = compile_snapshot(self.town, 8, at=self.now)
        entries = self.routes.in_snapshot(self.town, self.compiled)["routes"]
        if taken:
            self.routes.put_in_force()
        return {entry["id"]: entry.get("until") for entry in entries}

    def swept(self) -> dict[str, str]:
        return {ended.route.id: ended.cause for ended in self.routes.sweep()}


@pytest.fixture
def load(tmp_path: Path) -> Any:
    from vigie.policy import load_town

    def load(*documents: str) -> Town:
        file = tmp_path / "town.yaml"
        file.write_text("---\n".join(documents), encoding="utf-8")
        return load_town([file])

    return load


def test_the_engine_is_told_what_stands_and_until_when(load: Any) -> None:
    book = Book(load, *CITY)
    route = book.open()
    assert (route.convention, route.purpose, route.until_ns) == ("share", "inquiry", NOON + 7 * HOUR)
    assert book.told() == {route.id: "2026-06-01T17:00:00.000000Z"}
    book.apply(*(text for text in CITY if "name: share" not in text))
    assert book.told(taken=False) == {}, "that engine refused the snapshot"
    assert book.swept() == {}
    assert book.told() == {}
    assert book.swept() == {route.id: "right_ended"}
    assert book.rows.kept == {}


def test_what_was_refused_once_stays_ended(load: Any) -> None:
    """Its ticket counts no more in the engine, so the book must not say otherwise."""
    book = Book(load, *CITY)
    route = book.open()
    book.apply(*(text for text in CITY if "name: share" not in text))
    book.told()
    book.apply(*CITY)
    book.told()
    assert book.swept() == {route.id: "right_ended"}


def test_a_window_that_closes_ends_it_and_a_longer_one_prolongs_it(load: Any) -> None:
    book = Book(load, *CITY)
    route = book.open()
    book.apply(*(text.replace("07:00-19:00", "07:00-21:00") for text in CITY))
    assert book.told() == {route.id: "2026-06-01T19:00:00.000000Z"}
    book.routes.session_began(route.id, 1)
    book.now += 7 * HOUR
    assert book.swept() == {}
    book.now += 2 * HOUR
    assert book.told() == {}
    assert book.swept() == {route.id: "right_ended"}


def test_while_the_clock_is_in_doubt_a_right_must_hold_at_both_instants(load: Any) -> None:
    book = Book(load, *CITY)
    route = book.open()
    book.also = book.now + HOUR
    assert book.told() == {route.id: "2026-06-01T16:00:00.000000Z"}
    book.also = book.now + 8 * HOUR
    with pytest.raises(ControlRefusedError):
        book.open()
    assert book.told() == {}


def test_a_route_that_nobody_uses_ends(load: Any) -> None:
    book = Book(load, *CITY)
    never, left, watched = book.open(), book.open(), book.open()
    for viewer, route in enumerate((left, watched)):
        book.routes.session_began(route.id, viewer)
        book.routes.session_began(route.id, viewer)
    book.routes.session_ended(left.id, 0)
    book.now += 44 * 10**9
    assert book.swept() == {}
    book.now += 10**9
    assert book.swept() == {never.id: "not_used", left.id: "viewer_left"}
    assert [route.id for route in book.routes.standing()] == [watched.id]


def test_a_new_process_knows_them(load: Any) -> None:
    book = Book(load, *CITY)
    route = book.open(purpose="inquiry")
    book.again()
    assert book.routes.standing() == [route]
    assert list(book.told()) == [route.id]
    assert [ended.cause for ended in book.routes.close([route.id, "never there"])] == ["closed"]
    book.again()
    assert book.routes.standing() == []


def test_refusals_and_limits(load: Any) -> None:
    book = Book(load, *CITY)
    for wish, error in (
        ({"camera": "yard"}, ControlRefusedError),
        ({"agent": "nobody"}, ControlRefusedError),
        ({"purpose": "traffic"}, ControlRefusedError),
        ({"camera": "hall@police"}, ControlRefusedError),
        ({"stream": "sub"}, NotFoundError),
    ):
        with pytest.raises(error):
            book.open(**wish)
    for _ in range(MAX_ROUTES_OF_AGENT):
        book.open()
    with pytest.raises(LimitExceededError, match="close one"):
        book.open()


def test_a_camera_that_came_since_the_last_opening_has_its_streams(load: Any) -> None:
    documents = [SERVER, camera("a"), agent("x", cameras="['*']", password="w")]
    book = Book(load, *documents)
    assert book.open("x", "a").stream == "main"
    with pytest.raises(NotFoundError):
        book.open("x", "late")
    book.apply(*documents, camera("late"))
    assert book.open("x", "late").stream == "main"
    book.apply(*documents)
    with pytest.raises(NotFoundError):
        book.open("x", "late")


def test_where_agents_list_cameras_the_list_decides(load: Any) -> None:
    documents = [SERVER, camera("a", "privacy: masked, "), camera("b"), agent("x", cameras="[a]", password="w")]
    book = Book(load, *documents)
    route = book.open("x", "a")
    with pytest.raises(ControlRefusedError, match="its cameras do not name it"):
        book.open("x", "b")
    assert book.open("chief", "b", anybody=True).agent == "chief"
    book.apply(*documents[:-1])
    assert route.id not in book.told()


# Tickets.


def test_a_ticket_is_the_agreed_text() -> None:
    """The same line stands in tests/native/rtsp/ticket_test.cc."""
    ticket = Ticket(
        "a1b2", 41, 1_800_000_000_000_000_001, 1_800_000_100_000_000_002, "m.weber@police",
        "place-armes-01@police", "sub",
    )  # fmt: skip
    assert seal(ticket, "0123456789abcdef0123456789abcdef").endswith(".X8VRzaU7k-uZMUqKIzoRmpw4pVMzOxkrdYle_DQ176M")


def test_the_key_of_a_folder(tmp_path: Path) -> None:
    key = ticket_key(tmp_path)
    assert ticket_key(tmp_path) == key
    assert (tmp_path / "ticket.key").stat().st_mode & 0o777 == 0o600
    (tmp_path / "ticket.key").write_text("short")
    with pytest.raises(StateUnreadableError, match="right would be 43, or no file"):
        ticket_key(tmp_path)


# On the wire.


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    service = Served(tmp_path / "s", tcp=True)
    with Client(service.endpoint) as local:
        local.apply(
            yaml=[
                ops.YamlSource(text=text)
                for text in (
                    SERVER,
                    camera("a", "privacy: masked, number: 7, title: Place d'Armes, commune: '57463', "),
                    camera("b", "privacy: masked, "),
                    masks("m", "a", 0.5, "version: police, "),
                    agent("jeanne", cameras="[a]"),
                    agent("paul", cameras='["a@police"]'),
                    agent("lou", cameras="[b]"),
                )
            ]
        )
    yield service
    service.close()


def connected(served: Served, name: str) -> Client:
    pair = new_pair()
    add_client(served.folder, ClientKey(name, pair.public))
    return Client(served.tcp_endpoint, ClientKeys(pair.public, pair.secret, served.server_key), timeout_s=10)


def test_whose_route_it_is_and_what_others_know(served: Served) -> None:
    served.engine.stats = lambda: {"cameras": {}, "listeners": {"rtsp-127.0.0.1-0": "127.0.0.1:8554"}}
    with (
        connected(served, "jeanne") as jeanne,
        connected(served, "paul") as paul,
        connected(served, "lou") as lou,
        Client(served.endpoint) as local,
    ):
        mine = jeanne.open_route(ops.RouteOpen(camera="a"))
        assert mine.url.startswith("rtsp://127.0.0.1:8554/a/main?ticket=")
        assert jeanne.routes()[0].route == mine.route
        (seen,) = paul.routes()
        assert (seen.route, seen.agent, seen.camera) == ("", "", "a"), "that somebody watches, not who"
        assert lou.routes() == []
        for other in (paul, lou):
            with pytest.raises(NotFoundError):
                other.close_route(mine.route)
        with pytest.raises(ControlRefusedError):
            paul.open_route(ops.RouteOpen(camera="a"))
        assert paul.open_route(ops.RouteOpen(camera="a@police")).camera == "a@police"
        jeanne.close_route(mine.route)
        assert served.renewed == 1, "the engine was told"
        assert [route.camera for route in local.routes("a")] == ["a@police"]


def test_events_of_a_route_are_its_agents_and_administrators(served: Served) -> None:
    heard: dict[str, list[str]] = {}
    clients = {name: connected(served, name) for name in ("jeanne", "paul", "lou")}
    clients["local"] = Client(served.endpoint)
    watching = {name: client.watch(["route_opened", "route_closed"], timeout_s=1) for name, client in clients.items()}
    for each in watching.values():
        next(each)
    host = Client(served.endpoint, on_behalf_of="jeanne")
    route = host.open_route(ops.RouteOpen(camera="a")).route
    host.close_route(route)
    host.close()
    for name, each in watching.items():
        heard[name] = [event.kind for event in each if isinstance(event, WireEvent)]
        clients[name].close()
    both = ["route_opened", "route_closed"]
    assert heard == {"jeanne": both, "local": both, "paul": [], "lou": []}


def test_my_cameras_by_number_commune_and_text(served: Served) -> None:
    served.engine.states["a"] = "playing"
    with connected(served, "jeanne") as jeanne, connected(served, "paul") as paul, Client(served.endpoint) as local:
        (mine,) = jeanne.cameras()
        assert (mine.name, mine.number, mine.live, mine.streams) == ("a", 7, ["a"], {"main": "playing"})
        assert paul.cameras()[0].live == ["a@police"]
        assert [one.name for one in local.cameras()] == ["b", "a"]
        for wanted, names in (
            (ops.CameraList(number=7), ["a"]),
            (ops.CameraList(commune="57463"), ["a"]),
            (ops.CameraList(text="ARMES"), ["a"]),
            (ops.CameraList(text="gare"), []),
            (ops.CameraList(limit=1), ["b", "a"]),
        ):
            assert [one.name for one in local.cameras(wanted)] == names, wanted


def test_a_sites_camera_has_the_owner_and_the_commune_of_its_site(served: Served) -> None:
    quay = OfferedCamera("quai-1", streams=(OfferedStream("main", "rtsp://10.9.0.1/1"),))
    served.compiling.inventories["gare"] = Inventory("Acme", (quay,))
    with Client(served.endpoint) as local:
        local.apply(
            yaml=[
                ops.YamlSource(
                    text="kind: Site\nname: gare\nspec: {url: 'http://10.9.0.1', owner: sncf, commune: '57480'}\n"
                )
            ]
        )
        (found,) = local.cameras(ops.CameraList(commune="57480"))
        assert (found.name, found.owner, found.place) == ("gare.quai-1", "sncf", "")
        assert [one.name for one in local.cameras(ops.CameraList(commune="57463"))] == ["a"]
        local.open_route(ops.RouteOpen(camera="gare.quai-1"))
    line = next(line for line in served.journal.lines if line.op == "route.open")
    assert [record.commune for record in line.records] == ["57480"]


def test_without_a_line_in_the_journal_there_is_no_route(served: Served) -> None:
    with Client(served.endpoint) as local:
        served.journal.broken = True
        with pytest.raises(Error, match="no journal line"):
            local.open_route(ops.RouteOpen(camera="a"))
        served.journal.broken = False
        assert local.routes() == []


# Views.


def event(kind: str, code: int = 0, **facts: Any) -> Event:
    whole = {"viewer": 3, "agent": "lea", "route": "", "peer": "10.0.0.7:4711", "listener": "main", "transport": "tcp"}
    whole |= {"camera": "hall", "stream": "main", "version": "", "units": 0, **facts}
    return Event(1, 5, kind, "viewer 3 hall/main", "", code, "", 0, whole)


def views(instance: str = "run-1") -> Views:
    objects = {
        ("Camera", "hall"): {"spec": {"commune": "57463"}},
        ("Site", "gare"): {"spec": {"commune": "57480"}},
        ("Agent", "lea"): {"spec": {"organisation": "police"}},
    }
    standing = Verdict(True, "hall", purpose="inquiry", by="Convention share")
    made = Views("s" * 43, lambda *key: objects.get(key), lambda name: None, lambda agent, form: standing)
    made.attached(instance)
    return made


def test_a_view_has_a_beginning_and_an_end_with_the_times_of_its_pictures() -> None:
    made = views()
    playing = event("viewer_playing", first_unit_ns=10, last_unit_ns=10, units=1)
    closed = event("viewer_closed", 205, first_unit_ns=10, last_unit_ns=90, units=5)
    begin, end = made.records([event("viewer_opened"), playing, closed])
    assert isinstance(begin, ViewBegin)
    assert isinstance(end, ViewEnd)
    assert (begin.actor.organisation, begin.convention, begin.purpose, begin.commune) == (
        "police", "share", "inquiry", "57463",
    )  # fmt: skip
    assert (begin.view, begin.first_unit) == (end.view, end.first_unit)
    assert (end.last_unit, end.units, end.cause, end.convention) == (90, 5, "error-205", "share")
    assert made.records([event("viewer_closed")]) == [], "it had no picture"


def test_a_view_of_a_sites_camera_counts_in_the_commune_of_the_site() -> None:
    facts = {"camera": "gare.quai-1", "first_unit_ns": 10, "last_unit_ns": 10}
    begin, end = views().records([event("viewer_playing", **facts), event("viewer_closed", **facts)])
    assert isinstance(begin, ViewBegin)
    assert isinstance(end, ViewEnd)
    assert (begin.commune, end.commune) == ("57480", "57480")


def test_a_view_is_called_the_same_after_a_death_of_control_and_otherwise_in_another_run() -> None:
    playing = event("viewer_playing", first_unit_ns=10, last_unit_ns=10)
    (one,) = views().records([playing])
    assert views().records([playing]) == [one]
    (end,) = views().records([event("viewer_closed", first_unit_ns=10, last_unit_ns=90)])
    assert isinstance(one, ViewBegin)
    assert isinstance(end, ViewEnd)
    assert end.view == one.view, "its beginning was written by the process before"
    (other,) = views("run-2").records([playing])
    assert isinstance(other, ViewBegin)
    assert other.view != one.view


def test_progress_is_that_of_views_that_began() -> None:
    made = views()
    made.records([event("viewer_playing", first_unit_ns=10**18, last_unit_ns=10**18)])
    figures = [{"viewer": 3, "first_unit_s": 1e9, "last_unit_s": 1e9 + 5}, {"viewer": 4, "first_unit_s": 1e9}]
    (line,) = made.progress(figures)
    assert json.loads(line.model_dump_json())["last_unit"] > json.loads(line.model_dump_json())["first_unit"]


# One person in two places.


def test_one_person_in_two_places_is_found_and_a_post_is_one_place() -> None:
    posts = {"10.0.0.7": "Post wall", "10.0.0.8": "Post wall"}
    presence = Presence(lambda address: posts.get(address, address), lambda agent: agent != "robot")

    def began(viewer: int, agent: str, peer: str) -> Any:
        return presence.began({"viewer": viewer, "agent": agent, "peer": peer})

    assert began(1, "lea", "10.0.0.7:1") is None
    assert began(2, "lea", "10.0.0.8:2") is None
    assert began(3, "rob", "10.0.0.9:3") is None
    found = began(4, "lea", "[2001:db8::9]:4")
    assert (found.agent, found.here, found.there) == ("lea", "2001:db8::9", "Post wall")
    for viewer in (1, 2):
        presence.ended({"viewer": viewer})
    assert began(5, "lea", "[2001:db8::9]:9") is None, "it has left the other place"
    assert began(6, "robot", "10.0.0.1:1") is began(7, "robot", "10.0.0.2:1") is None
    assert began(8, "", "10.0.0.3:1") is None, "nobody knows who it is"
