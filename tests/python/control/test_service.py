"""The service over real sockets: commands, retries, deadlines, events, rights, faults."""

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vigie.control import desk_ops, ops, wire
from vigie.control.client import Client
from vigie.control.desk_database import Waits
from vigie.control.ops import OPS
from vigie.control.session import State
from vigie.control.wire import Event, Reply, Request
from vigie.errors import (
    BindFailedError,
    ControlLateError,
    ControlMalformedError,
    ControlRefusedError,
    ControlReplayedError,
    ControlTooLargeError,
    ControlUnavailableError,
    ControlUnknownOpError,
    InvalidArgumentError,
    LimitExceededError,
    NotFoundError,
    StateConflictError,
    TimedOutError,
)
from vigie.policy import ConfigurationError

from .conftest import SERVER, agent, camera, masks
from .served import Served

ID = bytes(range(16))


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    service = Served(tmp_path / "s")
    yield service
    service.close()


@pytest.fixture
def client(served: Served) -> Iterator[Client]:
    with Client(served.endpoint, timeout_s=10) as opened:
        yield opened


class Raw:
    """A DEALER or REQ socket that sends whatever it is given."""

    def __init__(self, endpoint: str, kind: int = zmq.DEALER, **options: Any) -> None:
        self.context = zmq.Context()
        self.socket = self.context.socket(kind)
        for name, value in options.items():
            setattr(self.socket, name, value)
        self.socket.linger = 0
        self.socket.connect(endpoint)

    def ask(self, frames: list[bytes]) -> Reply:
        self.socket.send_multipart(frames)
        return self.answer()

    def answer(self) -> Reply:
        while True:
            assert self.socket.poll(10_000), "no answer"
            answer = wire.decode_answer(self.socket.recv_multipart())
            if isinstance(answer, Reply):
                return answer

    def close(self) -> None:
        self.socket.close()
        self.context.term()


@pytest.fixture
def raw(served: Served) -> Iterator[Raw]:
    opened = Raw(served.endpoint)
    yield opened
    opened.close()


def request(op: str = "ping", body: dict[str, Any] | None = None, **fields: Any) -> list[bytes]:
    given = {"id": ID, "op": op, "ts_ns": time.time_ns(), "deadline_ms": 10_000, "body": body or {}, **fields}
    return wire.encode_request(Request(**given))


def yaml(*documents: str) -> list[ops.YamlSource]:
    return [ops.YamlSource(text="---\n".join(documents), file="town.yaml", folder="/etc/vigie")]


def events(client: Client, count: int) -> list[Event]:
    """The next events of a client that has subscribed."""
    found: list[Event] = []
    until = time.monotonic() + 10
    while len(found) < count and time.monotonic() < until:
        event = client._next_event(0.2)
        if event is not None and event.kind != "heartbeat":
            found.append(event)
    return found


# Commands.


def test_ping_says_who_and_what(served: Served, client: Client) -> None:
    pong = client.ping()
    assert (pong.agent, pong.epoch, pong.version) == ("local", served.epoch, "test")


def test_apply_get_delete(client: Client) -> None:
    applied = client.apply(yaml=yaml(SERVER, camera("a", labels="zone: north"), camera("b", 'commune: "57463", ')))
    assert (applied.rev, applied.total) == (1, 3)
    assert [item.name for item in client.get()] == ["a", "b", "here"]
    assert [item.name for item in client.get(ops.ObjectsGet(labels={"zone": "north"}))] == ["a"]
    assert [item.name for item in client.get(ops.ObjectsGet(kind="Camera", fields={"spec.commune": "57463"}))] == ["b"]
    assert [item.name for item in client.get(ops.ObjectsGet(name="*e*"))] == ["here"]
    assert client.get(ops.ObjectsGet(limit=1)) == client.get(), "pages are put together"
    with pytest.raises(InvalidArgumentError, match=r'did you mean "spec\.commune"'):
        client.get(ops.ObjectsGet(kind="Camera", fields={"spec.comune": "57463"}))
    with pytest.raises(NotFoundError, match='did you mean "Camera"'):
        client.get(ops.ObjectsGet(kind="Cammera"))
    with pytest.raises(NotFoundError, match="Camera/c"):
        client.get(ops.ObjectsGet(kind="Camera", name="c"))
    assert client.delete([("Camera", "b")]).rev == 2
    with pytest.raises(StateConflictError):
        client.delete([("Camera", "a")], expect_rev=1)
    assert client.rollback(ops.ObjectsRollback(to_rev=1)).rev == 3
    history = client.history(ops.ObjectsHistory(limit=2))
    assert ([item.rev for item in history.revisions], history.next) == ([3, 2], 2)
    assert history.revisions[0].client == "local"


def test_mistakes_come_with_file_and_line(client: Client) -> None:
    with pytest.raises(ConfigurationError) as refused:
        client.apply(yaml=yaml(SERVER, camera("a", "privcy: clear, ")))
    assert str(refused.value.problems[0]).startswith("town.yaml:7: Camera a spec.privcy: unknown field")


def test_a_dry_run_has_no_event(served: Served, client: Client) -> None:
    client.call("events.subscribe", {})
    dry = client.apply(yaml=yaml(SERVER), dry_run=True)
    assert (dry.rev, dry.dry_run, dry.total) == (0, True, 1)
    client.apply(yaml=yaml(SERVER))
    assert [event.kind for event in events(client, 2)] == ["object_created", "revision"]


def test_a_large_apply_is_staged(served: Served, client: Client) -> None:
    text = "---\n".join(camera(f"c{number}", f"title: {'x' * 200}, ") for number in range(4000))
    sources = [ops.YamlSource(text=SERVER), ops.YamlSource(text=text, file="many.yaml")]
    applied = client.apply(yaml=sources, timeout_s=60)
    assert (applied.total, len(applied.changes)) == (4001, 200)
    assert len(client.get()) == 4001
    assert len(client.state().items) == 4001
    wrong = [ops.YamlSource(text=text + "---\nkind: Camera\nname: bad\nspec: {}\n", file="many.yaml")]
    with pytest.raises(ConfigurationError, match=r"spec\.streams|streams"):
        client.apply(yaml=wrong, timeout_s=60)


def test_stages_are_bounded_and_checked(client: Client) -> None:
    stage = {"stage": ID, "part": 0, "data": b"abc"}
    client.call("objects.stage", stage)
    with pytest.raises(InvalidArgumentError, match="another sum"):
        client.call("objects.commit", {"stage": ID, "parts": 1, "sha256": bytes(32)})
    with pytest.raises(InvalidArgumentError, match=r"parts \[0\] are there"):
        client.call("objects.commit", {"stage": ID, "parts": 2, "sha256": bytes(32)})
    with pytest.raises(NotFoundError):
        client.call("objects.commit", {"stage": bytes(16), "parts": 1, "sha256": bytes(32)})
    for number in range(3):
        client.call("objects.stage", {**stage, "stage": bytes([number]) * 16})
    with pytest.raises(LimitExceededError, match="stages are open"):
        client.call("objects.stage", {**stage, "stage": b"x" * 16})
    data = bytes(1_000_000)
    for part in range(33):
        client.call("objects.stage", {"stage": ID, "part": part, "data": data})
    with pytest.raises(LimitExceededError, match="a stage of more than"):
        client.call("objects.stage", {"stage": ID, "part": 33, "data": data})


def test_a_command_counts_once_by_its_id(served: Served, raw: Raw) -> None:
    body = {"yaml": [{"text": SERVER}]}
    first = raw.ask(request("objects.apply", body))
    second = raw.ask(request("objects.apply", body))
    assert first.ok
    assert second == first
    assert len(served.gate.towns) == 1
    assert served.service.counters["retries"] == 1
    other = raw.ask(request("objects.apply", {"yaml": [{"text": camera("a")}]}))
    assert other.code == ControlReplayedError.code
    # Another service, after a restart: the state remembers.
    served.service._done.clear()
    third = raw.ask(request("objects.apply", body))
    assert (third.ok, third.body["again"], third.rev) == (True, True, 1)
    assert raw.ask(request("objects.apply", {"yaml": [{"text": camera("a")}]})).code == ControlReplayedError.code
    assert len(served.gate.towns) == 1


def test_the_memory_of_replies_is_bounded(served: Served, raw: Raw, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vigie.control.service.REPLIES_KEPT", 10)
    for number in range(40):
        raw.ask(request("objects.apply", {"dry_run": True}, id=bytes([number]) * 16))
    assert len(served.service._done) == 10


LATE = [
    ({"ts_ns": 1, "deadline_ms": 1000}, ControlLateError.code),
    ({"ts_ns": time.time_ns() + 3_600_000_000_000}, ControlLateError.code),
    ({"op": "objects.aply"}, ControlUnknownOpError.code),
    ({"op": "objects.apply", "body": {"yaml": "text"}}, ControlMalformedError.code),
    ({"op": "objects.apply", "body": {"prune": 1}}, ControlMalformedError.code),
    ({"op": "state.get", "body": {"limit": 1001}}, ControlMalformedError.code),
]


@pytest.mark.parametrize(("fields", "code"), LATE)
def test_what_is_refused_changes_nothing_and_is_counted(
    served: Served, raw: Raw, fields: dict[str, Any], code: int
) -> None:
    answer = raw.ask(request(**fields))
    assert (answer.ok, answer.code, answer.id) == (False, code, ID)
    assert served.service.counters[answer.body["name"]] == 1
    assert served.store.state.rev == 0


def test_oversized_and_too_deep_messages_get_an_answer(served: Served, raw: Raw) -> None:
    good = request()
    assert raw.ask([*good[:2], b"\x81\xa1x\xc6\x00\x11\x00\x00" + bytes(0x110000)]).code == ControlTooLargeError.code
    assert raw.ask([*good[:2], b"\x81\xa1x" + b"\x91" * 20 + b"\x01"]).code == ControlTooLargeError.code
    assert raw.ask([good[0], good[1]]).code == ControlMalformedError.code
    assert raw.ask(good).ok
    counters = served.service.counters
    assert (counters["control_too_large"], counters["control_malformed"]) == (2, 1)


def test_a_req_client_is_answered(served: Served) -> None:
    raw = Raw(served.endpoint, zmq.REQ)
    assert raw.ask(request()).ok
    raw.close()


def test_a_client_that_names_itself_is_not_heard(served: Served) -> None:
    raw = Raw(served.endpoint, routing_id=b"ops")
    raw.socket.send_multipart(request())
    assert not raw.socket.poll(300)
    raw.close()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=100), max_size=5))
def test_fuzz_the_socket(raw: Raw, frames: list[bytes]) -> None:
    raw.socket.send_multipart([b"VIGIE1", *frames] if frames else [b"x"])
    answer = raw.ask(request(id=b"p" * 16))
    while answer.id != b"p" * 16:
        assert not answer.ok
        answer = raw.answer()
    assert answer.ok


bodies = st.dictionaries(
    st.sampled_from(["yaml", "objects", "kind", "name", "stage", "part", "data", "camera", "rev", "to_rev", "after"]),
    st.none() | st.integers(-1, 3) | st.text(max_size=5) | st.binary(max_size=16) | st.lists(st.text(max_size=3)),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(sorted(OPS)), bodies, st.binary(min_size=16, max_size=16))
def test_fuzz_every_operation(served: Served, raw: Raw, op: str, body: dict[str, Any], message_id: bytes) -> None:
    answer = raw.ask(request(op, body, id=message_id, deadline_ms=100))
    assert answer.ok or answer.code
    assert served.service.counters["internal"] == 0, answer.text


# Waiting.


def test_wait_for_a_revision_and_for_a_stream(served: Served, client: Client) -> None:
    client.apply(yaml=yaml(SERVER, camera("a")))
    assert client.wait(ops.ObjectsWait(rev=1)).rev == 1
    with pytest.raises(TimedOutError, match="revision 1 is in force"):
        client.wait(ops.ObjectsWait(rev=2), timeout_s=0.2)
    served.engine.states["a"] = "waiting"
    with pytest.raises(TimedOutError, match="it is waiting"):
        client.wait(ops.ObjectsWait(camera="a"), timeout_s=0.2)
    raw = Raw(served.endpoint)
    raw.socket.send_multipart(request("objects.wait", {"camera": "a"}))
    assert client.ping(), "a command that waits keeps nobody waiting"
    served.engine.states["a"] = "playing"
    served.publish("stream_state", "a/main", {"state": "playing"})
    answer = raw.ask(request("ping", id=b"z" * 16))
    assert answer.ok
    raw.close()
    with pytest.raises(InvalidArgumentError, match="either rev or camera"):
        client.wait(ops.ObjectsWait())


# Events.


def test_events_follow_the_state_without_a_gap(served: Served, client: Client) -> None:
    client.apply(yaml=yaml(SERVER, camera("a")))
    served.engine.states["a"] = "playing"
    watching = client.watch(timeout_s=10)
    first = next(watching)
    assert isinstance(first, State)
    assert [(item.kind, item.name, item.streams) for item in first.items] == [
        ("Camera", "a", {"main": "playing"}),
        ("Server", "here", {}),
    ]
    with Client(served.endpoint) as other:
        other.apply(yaml=yaml(camera("b")))
    got = [next(watching), next(watching)]
    assert [(item.kind, item.object, item.seq) for item in got if isinstance(item, Event)] == [
        ("object_created", "Camera/b", 1),
        ("revision", "", 2),
    ]
    served.publish("stream_state", "b/main", {"state": "playing"})
    event = next(watching)
    assert isinstance(event, Event)
    assert (event.object, event.body) == ("b/main", {"state": "playing"})


def test_kinds_choose_events(served: Served, client: Client) -> None:
    client.call("events.subscribe", {"kinds": ["stream_state"]})
    served.publish("stream_fault", "a/main")
    served.publish("stream_state", "a/main")
    assert [(event.kind, event.seq) for event in events(client, 1)] == [("stream_state", 1)]
    client.call("events.unsubscribe", {})
    served.publish("stream_state", "a/main")
    assert client.ping()
    assert not client._events


def test_an_overflow_is_a_hole_and_the_state_is_read_again(tmp_path: Path) -> None:
    served = Served(tmp_path / "s", max_events=5)
    with Client(served.endpoint, timeout_s=10) as client:
        watching = client.watch(timeout_s=10)
        next(watching)

        def flood() -> None:
            # More than queue, pipe and socket take while nobody reads, all in one turn of the loop.
            for number in range(20_000):
                served.service.publish("stream_state", f"c{number}/main", {"text": "x" * 500})

        served.call(flood)
        seen: list[Any] = []
        states = 0
        while not states:
            item = next(watching)
            states += isinstance(item, State)
            seen.append(item)
        assert len(seen) < 20_000, "nothing was lost"
        assert served.call(lambda: sum(peer.lost_events for peer in served.service._peers.values())) > 0
        served.publish("stream_state", "last/main")
        last = next(watching)
        while isinstance(last, Event) and last.object != "last/main":
            last = next(watching)
        assert isinstance(last, Event), "events go on after the state"
    served.close()


def test_a_client_that_does_not_read_keeps_nobody_waiting(served: Served, client: Client) -> None:
    raw = Raw(served.endpoint)
    assert raw.ask(request("events.subscribe")).ok
    served.call(lambda: [served.service.publish("stream_state", "a/main", {"t": "x" * 1000}) for _ in range(5000)])
    for _ in range(20):
        client.ping(timeout_s=5)
    raw.close()


def test_a_restart_is_a_new_epoch_and_the_client_goes_on(tmp_path: Path) -> None:
    served = Served(tmp_path / "s")
    client = Client(served.endpoint, timeout_s=20)
    client.apply(yaml=yaml(SERVER, camera("a")))
    watching = client.watch(timeout_s=20)
    first = next(watching)
    assert isinstance(first, State)
    served.close()
    again = Served(tmp_path / "s")
    second = next(watching)
    assert isinstance(second, State)
    assert second.epoch == again.epoch != first.epoch
    assert [item.name for item in second.items] == ["a", "here"]
    assert client.apply(yaml=yaml(camera("b"))).rev == 2
    event = next(watching)
    assert isinstance(event, Event)
    assert event.object == "Camera/b"
    client.close()
    again.close()


def test_nobody_there_is_said_in_time(tmp_path: Path) -> None:
    with Client(f"ipc://{tmp_path}/none.sock", timeout_s=0.2) as client, pytest.raises(ControlUnavailableError):
        client.ping()
    with pytest.raises(InvalidArgumentError, match="without keys"):
        Client("tcp://127.0.0.1:1")


def test_figures_hold_no_names(served: Served) -> None:
    context = zmq.Context()
    socket = context.socket(zmq.SUB)
    socket.subscribe(b"")
    socket.connect(served.figures)
    until = time.monotonic() + 10
    while not socket.poll(50) and time.monotonic() < until:
        served.call(lambda: served.service.publish_figures({"streams": 3}))
    event = wire.decode_answer(socket.recv_multipart())
    assert isinstance(event, Event)
    assert (event.kind, event.object, event.body) == ("figures", "", {"streams": 3})
    socket.close(linger=0)
    context.term()


# The local socket.


def test_the_socket_is_its_owners_alone(served: Served) -> None:
    mode = Path(served.endpoint.removeprefix("ipc://")).stat().st_mode
    assert mode & 0o077 == 0


@pytest.mark.parametrize(
    ("endpoint", "says"), [("ipc:///tmp/" + "x" * 120, "longer than"), ("tcp://127.0.0.1:*", "without keys")]
)
def test_endpoints_that_cannot_be(served: Served, endpoint: str, says: str) -> None:
    with pytest.raises(BindFailedError, match=says):
        served.call(lambda: served.service.bind(endpoint))


# Journal.


WRONG = {
    "expect_rev": 99,
    "to_rev": 99,
    "stage": b"y" * 16,
    "camera": "none",
    "ids": ["none"],
    "cameras": ["none"],
    "name": "none",
    "provider": "none",
}
OWN = "kind: IdentityProvider\nname: own\nspec: {local: {}}\n"


def raised_alarm(served: Served) -> str:
    """The id of an alarm that is there."""
    alarms = served.service._handlers.desk.alarms
    alarms.raise_("clock_stepped", "machine", "by an hour")
    alarms.look()
    return next(alarm.id for alarm in alarms.alarms() if alarm.kind == "clock_stepped")


def approval_wanted(served: Served) -> dict[str, Any]:
    """A yes to a change that waits for it."""
    waits = Waits("0" * 64, "MaskSet", "m", "hide-less", "other", None, "a region goes", time.time_ns())
    served.service._handlers.desk._database.keep_waiting([waits])
    return {"kind": waits.kind, "name": waits.name, "fingerprint": waits.fingerprint, "reason": "agreed"}


def opened_incident(client: Client) -> str:
    """The name of an incident that is there."""
    return client.open_incident(desk_ops.IncidentOpen(cameras=["a"], motive="a fight")).name


def test_every_journaled_operation_leaves_one_line(served: Served, client: Client) -> None:
    """Walks the registry: who adds an operation that is journaled has to say here how it is called."""
    chief = agent("local", more=", roles: [administrator]")
    client.apply(yaml=yaml(SERVER, camera("a"), chief, agent("other"), OWN))
    served.engine.states["a"] = "playing"
    packed = wire.pack({"yaml": [{"text": camera("c")}]})
    client.call("objects.stage", {"stage": ID, "part": 0, "data": packed})
    bodies = {
        "objects.apply": {"yaml": [{"text": camera("b")}]},
        "objects.commit": {"stage": ID, "parts": 1, "sha256": hashlib.sha256(packed).digest()},
        "objects.delete": {"objects": [{"kind": "Camera", "name": "b"}]},
        "objects.rollback": {"to_rev": 1},
        "camera.snapshot": {"camera": "a"},
        "route.open": {"camera": "a"},
        "route.close": {"route": client.call("route.open", {"camera": "a"}).body["route"]},
        "alarm.ack": {"ids": [raised_alarm(served)]},
        "incident.open": {"cameras": ["a"], "motive": "a fight"},
        "approval.give": approval_wanted(served),
        "session.sign_in": {"provider": "own", "user": "other", "password": "of-post"},
        "session.sign_out": {},
        "incident.close": {"name": opened_incident(client), "outcome": "nothing"},
    }
    assert set(bodies) == {op.name for op in OPS.values() if op.journaled}
    for name, body in bodies.items():
        served.journal.lines.clear()
        client.call(name, body)
        assert [(line.op, line.party, line.code) for line in served.journal.lines] == [(name, "local", 0)]
        served.journal.lines.clear()
        with pytest.raises(
            (NotFoundError, ControlMalformedError, ControlRefusedError, TimedOutError, StateConflictError)
        ):
            client.call(name, {**body, **WRONG})
        assert [(line.op, line.code > 0) for line in served.journal.lines] == [(name, True)]


def test_without_a_journal_line_there_is_no_picture(served: Served, client: Client) -> None:
    served.engine.states["a"] = "playing"
    served.journal.broken = True
    with pytest.raises(Exception, match="no journal line"):
        client.call("camera.snapshot", {"camera": "a"})


def test_reads_what_the_engine_says(served: Served, client: Client) -> None:
    client.apply(yaml=yaml(SERVER, camera("a", "privacy: masked, "), masks("m", "a", 0.5), agent("x")))
    served.engine.states["a"] = "playing"
    assert client.snapshot(ops.CameraSnapshot(camera="a")).jpeg == b"\xff\xd8jpeg"
    assert [(item.camera, item.name, item.regions) for item in client.masks()] == [("a", "m", 1)]
    stats = client.stats()
    assert list(stats.cameras) == ["a"]
    assert "viewers" not in stats.engine, "viewers are persons"
    assert stats.service["messages"] > 0


def test_the_registry_and_the_service_are_the_same(served: Served) -> None:
    assert set(served.service._handlers.by_op) == set(OPS)
    assert not [op.name for op in OPS.values() if op.changes and not op.journaled]
