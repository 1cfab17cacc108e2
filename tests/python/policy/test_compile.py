"""Objects -> snapshot: what the core is told, and the way back from its complaints."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import vigie.schema
from vigie.policy import ConfigurationError, Town, compile_snapshot
from vigie.policy.mask_objects import Dome
from vigie.policy.objects import Limits, Stream

SERVER = 'kind: Server\nname: here\nspec: {rtsp: [{listen: "127.0.0.1:8554", access: open}]}\n'
Load = Callable[..., Town]
SCHEMA = vigie.schema.policy_snapshot()

TOWN = [
    """
kind: Server
name: here
spec:
  rtsp:
    - {listen: "127.0.0.1:8554", access: open}
    - {listen: "[::]:322", tls: {certificate: c.pem, key: k.pem}, dscp: 34}
  limits: {sessions: 7}
""",
    """
kind: Camera
name: place
spec:
  number: 101
  title: Place d'Armes
  streams:
    main: {url: "rtsp://10.1.0.7/main", backup_url: "rtsp://h/b", transport: tcp, username: ops, password: "env:PW",
           silence_s: 2.5, tls_ca: c.pem}
    sub: {url: "rtsp://10.1.0.7/sub", pull: on_demand}
  privacy: clear
  privacy_reason: nothing private in view
""",
    "kind: Camera\nname: clip\nspec: {streams: {main: {url: clips/a.mp4, loop: false}, host: {url: 'push:'}}}\n",
    "kind: Agent\nname: post-1\nspec: {password: 'env:PW', cameras: [place], until: '2026-12-31T23:59:59+01:00'}\n",
    "kind: Agent\nname: chief@town\nspec: {password: 'env:PW', cameras: '*'}\n",
]


@pytest.fixture
def town(load: Load, tmp_path: Path) -> Town:
    for name in ("c.pem", "k.pem"):
        (tmp_path / name).write_text("x", encoding="utf-8")
    return load(*TOWN, PW="s3cret")


def test_the_whole_snapshot(town: Town, tmp_path: Path) -> None:
    snapshot = compile_snapshot(town, 5).snapshot
    jsonschema.Draft202012Validator(SCHEMA).validate(snapshot)
    assert snapshot["revision"] == 5
    assert snapshot["limits"]["sessions"] == 7
    assert [listener["name"] for listener in snapshot["listeners"]] == ["rtsp-127.0.0.1-8554", "rtsp-322"]
    assert snapshot["listeners"][1]["tls_key"] == str(tmp_path / "k.pem")
    assert not snapshot["listeners"][1]["udp"]
    main = snapshot["cameras"][0]["streams"][0]
    assert (main["username"], main["password"], main["silence_limit_s"]) == ("ops", "s3cret", 2.5)
    assert [stream["kind"] for stream in snapshot["cameras"][1]["streams"]] == ["file", "push"]
    assert snapshot["cameras"][1]["streams"][0]["url"] == str(tmp_path / "clips/a.mp4")
    assert snapshot["agents"][0]["until"] == "2026-12-31T22:59:59.000000Z"
    assert [agent["cameras"] for agent in snapshot["agents"]] == [["place"], "*"]


def test_compiling_is_pure_and_shows_no_secret(town: Town) -> None:
    first, second = compile_snapshot(town, 1), compile_snapshot(town, 1)
    assert json.dumps(first.snapshot) == json.dumps(second.snapshot)
    assert "s3cret" not in repr(first)


@pytest.mark.parametrize(
    ("pointer", "line", "field"),
    [
        ("/cameras/0/streams/0/backup_url", 17, "Camera place spec.streams.main.backup_url"),
        ("/cameras/0/streams/0/silence_limit_s", 18, "Camera place spec.streams.main.silence_s"),
        ("/cameras/0/privacy_reason", 21, "Camera place spec.privacy_reason"),
        ("/cameras/0/name", 12, "Camera place name"),
        ("/listeners/1/dscp", 7, "Server here spec.rtsp[1].dscp"),
        ("/limits/sessions", 8, "Server here spec.limits.sessions"),
        ("/agents/0/cameras/0", 29, "Agent post-1 spec.cameras[0]"),
    ],
)
def test_the_cores_complaints_lead_back_to_the_file(town: Town, pointer: str, line: int, field: str) -> None:
    problem = compile_snapshot(town, 1).problem(pointer, "wrong")
    assert problem is not None
    assert (problem.line, problem.field, problem.what) == (line, field, "wrong")


def test_a_pointer_without_origin(town: Town) -> None:
    assert compile_snapshot(town, 1).problem("/revision", "wrong") is None


def test_choosing_a_server(load: Load) -> None:
    two = load(SERVER, SERVER.replace("here", "there").replace("8554", "8555"))
    with pytest.raises(ConfigurationError, match="--server chooses"):
        compile_snapshot(two, 1)
    with pytest.raises(ConfigurationError, match='did you mean "there"'):
        compile_snapshot(two, 1, "ther")
    assert compile_snapshot(two, 1, "there").snapshot["listeners"][0]["listen"] == "127.0.0.1:8555"
    with pytest.raises(ConfigurationError, match="no object of kind Server"):
        compile_snapshot(load("kind: Agent\nname: a\nspec: {password: x, cameras: '*'}\n"), 1)


def test_listeners_on_one_address_get_names_of_their_own(load: Load) -> None:
    town = load('kind: Server\nname: s\nspec: {rtsp: [{listen: "127.0.0.1:0"}, {listen: "127.0.0.1:0"}]}\n')
    names = [listener["name"] for listener in compile_snapshot(town, 1).snapshot["listeners"]]
    assert names == ["rtsp-127.0.0.1-0", "rtsp-127.0.0.1-0-2"]


def _bounds(info: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for constraint in info.metadata:
        if hasattr(constraint, "ge"):
            found["minimum"] = constraint.ge
        if hasattr(constraint, "le"):
            found["maximum"] = constraint.le
    return found


NAMES = {"first_picture_s": "first_picture_deadline_s", "silence_s": "silence_limit_s", "loop": "file_loop"}


@pytest.mark.parametrize(("model", "definition"), [(Limits, "limits"), (Stream, "stream"), (Dome, "dome")])
def test_bounds_and_defaults_are_the_schemas(model: type[Limits] | type[Stream] | type[Dome], definition: str) -> None:
    fields = SCHEMA["$defs"][definition]["properties"]
    compared = 0
    for name, info in model.model_fields.items():
        field = fields.get(NAMES.get(name, name), {})
        if "minimum" not in field:
            continue
        compared += 1
        assert _bounds(info) == {"minimum": field["minimum"], "maximum": field["maximum"]}, name
        assert info.default == field["default"], name
    assert compared == sum("minimum" in field for field in fields.values())
