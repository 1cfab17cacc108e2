"""CURVE keys and what an agent may know: no event, object, mask or still of what is not his."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

import vigie.engine
from vigie.control import ops, wire
from vigie.control.client import Client
from vigie.control.keys import ClientKey, add_client, is_key, new_pair, revoke_client, write_private
from vigie.control.ops import OPS
from vigie.control.session import ClientKeys, State, load_keys
from vigie.control.targets import OF_ALARM, OF_INCIDENT, OF_NOBODY, OF_OBJECT, OF_STREAM, target_of
from vigie.control.wire import Event
from vigie.errors import (
    ControlRefusedError,
    ControlUnavailableError,
    InvalidArgumentError,
    NotFoundError,
    StateUnreadableError,
)
from vigie.policy.alarm_kinds import ALARM_KINDS

from .conftest import SERVER, agent, camera, masks
from .served import Served

TOWN = [
    SERVER,
    camera("a", "privacy: masked, "),
    camera("b", "privacy: masked, "),
    masks("ma", "a", 0.5),
    masks("mb", "b", 0.5),
    masks("va", "a", 0.7, "version: police, "),
    "kind: Incident\nname: ib\nspec: {cameras: [b], motive: x, at: '2026-01-01T00:00:00Z', opened_by: paul,"
    " opened_at: '2026-01-01T00:00:00Z'}\n",
    agent("jeanne", cameras="[a]"),
    agent("paul", cameras='["a@police"]'),
    agent("gone", cameras="[a]", more=', until: "2026-01-01T00:00:00Z"'),
]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    service = Served(tmp_path / "s", tcp=True)
    service.engine.states = {"a": "playing", "b": "playing", "gare.1": "playing"}
    with Client(service.endpoint) as local:
        local.apply(yaml=[ops.YamlSource(text="---\n".join(TOWN))])
    yield service
    service.close()


def keys_of(served: Served, name: str, **options: bool) -> ClientKeys:
    pair = new_pair()
    add_client(served.folder, ClientKey(name, pair.public, **options))
    return ClientKeys(pair.public, pair.secret, served.server_key)


def connect(served: Served, keys: ClientKeys, on_behalf_of: str = "") -> Client:
    return Client(served.tcp_endpoint, keys, timeout_s=10, on_behalf_of=on_behalf_of)


def pings(client: Client) -> bool:
    try:
        client.ping(timeout_s=0.7)
    except ControlUnavailableError:
        return False
    return True


def test_only_a_listed_key_is_answered(served: Served) -> None:
    keys = keys_of(served, "jeanne")
    with connect(served, keys) as client:
        assert client.ping().agent == "jeanne"
    pair = new_pair()
    with connect(served, ClientKeys(pair.public, pair.secret, served.server_key)) as client:
        assert not pings(client), "a key that nobody has"
    with connect(served, ClientKeys(pair.public, keys.secret_key, served.server_key)) as client:
        assert not pings(client), "somebody's secret with another's public key"
    with connect(served, ClientKeys(keys.public_key, keys.secret_key, new_pair().public)) as client:
        assert not pings(client), "not the service that was meant"
    context = zmq.Context()
    plain = context.socket(zmq.DEALER)
    plain.linger = 0
    plain.connect(served.tcp_endpoint)
    plain.send_multipart(wire.encode_request(wire.Request(bytes(16), "ping", 1, 1)))
    assert not plain.poll(500), "without a key"
    plain.close()
    context.term()


def test_a_revoked_key_gets_nothing_at_once(served: Served) -> None:
    with connect(served, keys_of(served, "jeanne")) as client:
        client.call("events.subscribe", {})
        served.publish("stream_state", "a/main")
        assert client._next_event(5) is not None
        revoke_client(served.folder, "jeanne")
        served.publish("stream_state", "a/main")
        event = client._next_event(0.5)
        assert event is None or event.kind == "heartbeat"
        with pytest.raises(ControlRefusedError, match="nobody has this key"):
            client.ping()
        served.publish("stream_state", "a/main")
        assert client._next_event(0.5) is None
    with pytest.raises(NotFoundError):
        revoke_client(served.folder, "jeanne")


def test_an_agent_whose_object_is_deleted_or_has_ended_knows_nothing(served: Served) -> None:
    with connect(served, keys_of(served, "gone")) as client:
        assert {item.kind for item in client.state().items} == {"Agent"}
        with pytest.raises(ControlRefusedError):
            client.snapshot(ops.CameraSnapshot(camera="a"))
    with connect(served, keys_of(served, "stranger")) as client:
        assert client.state().items == []


def test_an_agent_reads_what_is_his(served: Served) -> None:
    with connect(served, keys_of(served, "jeanne")) as client:
        names = {(item.kind, item.name) for item in client.state().items}
        assert names == {("Camera", "a"), ("MaskSet", "ma"), ("MaskSet", "va"), ("Agent", "jeanne")}
        assert {(item.kind, item.name) for item in client.get()} == names
        assert [item.version for item in client.masks()] == [
            "",
        ]
        assert client.snapshot(ops.CameraSnapshot(camera="a")).privacy == "masked"
        with pytest.raises(ControlRefusedError, match="no such Camera, or not for jeanne"):
            client.snapshot(ops.CameraSnapshot(camera="b"))
        with pytest.raises(NotFoundError) as hidden:
            client.get(ops.ObjectsGet(kind="Camera", name="b"))
        with pytest.raises(NotFoundError) as missing:
            client.get(ops.ObjectsGet(kind="Camera", name="c"))
        # Not even that it is there.
        assert str(hidden.value).replace("Camera/b", "X") == str(missing.value).replace("Camera/c", "X")
        with pytest.raises(NotFoundError):
            client.wait(ops.ObjectsWait(camera="b"))
    assert served.engine.snapshots == ["a"]


def test_who_sees_a_version_does_not_see_the_camera(served: Served) -> None:
    with connect(served, keys_of(served, "paul")) as client:
        assert ("Camera", "a") in {(item.kind, item.name) for item in client.state().items}
        with pytest.raises(ControlRefusedError):
            client.snapshot(ops.CameraSnapshot(camera="a"))
    assert served.engine.snapshots == []


@pytest.mark.parametrize("op", sorted(op.name for op in OPS.values() if op.who == "administrators"))
def test_an_agent_changes_nothing(served: Served, op: str) -> None:
    with (
        connect(served, keys_of(served, "jeanne")) as client,
        pytest.raises(ControlRefusedError, match="administrators"),
    ):
        client.call(op, {})


def test_an_administrators_key(served: Served) -> None:
    with connect(served, keys_of(served, "chief", administrator=True)) as client:
        assert client.apply(yaml=[ops.YamlSource(text=camera("c"))]).rev == 2
    assert served.store.state.objects["Camera", "c"].owner == "chief"
    assert served.journal.lines[-1].party == "chief"


def test_a_trusted_host_speaks_with_the_rights_of_whom_it_names(served: Served) -> None:
    keys = keys_of(served, "host", administrator=True, trusted_host=True)
    with connect(served, keys, on_behalf_of="jeanne") as client:
        assert ("Camera", "b") not in {(item.kind, item.name) for item in client.state().items}
        with pytest.raises(ControlRefusedError):
            client.apply(yaml=[ops.YamlSource(text=camera("c"))])
        client.snapshot(ops.CameraSnapshot(camera="a"))
        line = served.journal.lines[-1]
        assert (line.party, line.on_behalf_of, line.camera) == ("host", "jeanne", "a")
        with pytest.raises(ControlRefusedError, match="for the client itself"):
            client.call("events.subscribe", {})
    client = connect(served, keys_of(served, "jeanne"), on_behalf_of="chief")
    with client, pytest.raises(ControlRefusedError, match="not trusted to speak for others"):
        client.ping()


def engine_kinds() -> set[str]:
    """Every kind that the engine's documentation names."""
    text = (vigie.engine.Event.__doc__ or "").split("`kind`: ")[1].split(".")[0]
    return {kind.strip() for kind in text.replace("\n", " ").split(",")}


KINDS = sorted(engine_kinds() | OF_OBJECT | OF_STREAM | OF_NOBODY | OF_ALARM | OF_INCIDENT | {"never heard of"})


def test_no_event_of_any_kind_about_what_is_not_his(served: Served) -> None:
    names = [
        "b/main",
        "b",
        "Camera/b",
        "MaskSet/mb",
        "Agent/paul",
        "ib",
        "Incident/ib",
        "listener x",
        "viewer 3 a/main",
        "viewer 3 b/main",
    ]
    about = ["b/main", "b", "paul", "jeanne", "machine", "a.1"]
    names += [f"{kind}/{of}" for kind in ALARM_KINDS for of in about]
    with connect(served, keys_of(served, "jeanne")) as client:
        client.call("events.subscribe", {})
        for kind in KINDS:
            for name in names:
                served.publish(kind, name, {"text": "secret of b"})
        served.publish("stream_state", "a/main", {"last": True})
        event = client._next_event(5)
        while event is not None and event.kind == "heartbeat":
            event = client._next_event(5)
        assert event is not None
        assert (event.kind, event.object, event.seq) == ("stream_state", "a/main", 1), "not even a hole in seq"


def test_his_own_alarms_come(served: Served) -> None:
    with connect(served, keys_of(served, "jeanne")) as client, connect(served, keys_of(served, "paul")) as version:
        for one in (client, version):
            one.call("events.subscribe", {})
        for kind in sorted(OF_ALARM):
            served.publish(kind, "camera_silent/a/main")
            for one in (client, version):
                event = one._next_event(5)
                assert event is not None
                assert (event.kind, event.object) == (kind, "camera_silent/a/main")


def test_his_own_events_come(served: Served) -> None:
    with connect(served, keys_of(served, "jeanne")) as client:
        watching = client.watch(timeout_s=10)
        assert isinstance(next(watching), State)
        for kind in sorted(OF_STREAM):
            served.publish(kind, "a/main")
            event = next(watching)
            assert isinstance(event, Event)
            assert (event.kind, event.object) == (kind, "a/main")


def test_a_deleted_mask_set_is_told_to_whom_it_concerned(served: Served) -> None:
    with connect(served, keys_of(served, "jeanne")) as client, Client(served.endpoint) as local:
        watching = client.watch(timeout_s=10)
        next(watching)
        local.delete([("MaskSet", "mb")])
        local.delete([("MaskSet", "ma")])
        seen = [next(watching) for _ in range(3)]
        assert [(item.kind, item.object) for item in seen if isinstance(item, Event)] == [
            ("revision", ""),
            ("object_deleted", "MaskSet/ma"),
            ("revision", ""),
        ]


def test_viewers_are_for_administrators() -> None:
    target = target_of("viewer_opened", "viewer 3 a/main")
    assert target is not None
    assert target.kind == "engine"


# Key files.


def test_key_files(tmp_path: Path) -> None:
    pair = new_pair()
    path = tmp_path / "x.key"
    write_private(path, {"public_key": pair.public, "secret_key": pair.secret, "server_key": pair.public})
    assert path.stat().st_mode & 0o077 == 0
    assert load_keys(path) == ClientKeys(pair.public, pair.secret, pair.public)
    assert pair.secret not in repr(load_keys(path))
    path.write_text("[]")
    with pytest.raises(InvalidArgumentError, match="vigie keys add"):
        load_keys(path)


@pytest.mark.parametrize("text", ["", "x" * 39, "\\" * 40, "é" * 40, "x" * 41])
def test_what_is_no_key(tmp_path: Path, text: str) -> None:
    assert not is_key(text)
    with pytest.raises(InvalidArgumentError):
        add_client(tmp_path, ClientKey("a", text))


def test_one_key_a_client(tmp_path: Path) -> None:
    pair = new_pair()
    add_client(tmp_path, ClientKey("a", pair.public))
    with pytest.raises(InvalidArgumentError, match="revoke that first"):
        add_client(tmp_path, ClientKey("a", new_pair().public))
    with pytest.raises(InvalidArgumentError):
        add_client(tmp_path, ClientKey("b", pair.public))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"clients": [{}]}', '{"clients": 3}'])
def test_a_damaged_list_lets_nobody_in(served: Served, text: str) -> None:
    with connect(served, keys_of(served, "jeanne")) as client:
        assert pings(client)
        (served.folder / "clients.json").write_text(text)
        with pytest.raises(ControlRefusedError):
            client.ping()
        with pytest.raises(StateUnreadableError):
            add_client(served.folder, ClientKey("b", new_pair().public))


def test_the_list_is_what_it_says(tmp_path: Path) -> None:
    add_client(tmp_path, ClientKey("a", new_pair().public, trusted_host=True))
    listed = json.loads((tmp_path / "clients.json").read_text())["clients"]
    assert listed[0]["trusted_host"] is True
