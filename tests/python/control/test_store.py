"""The state store: revisions, differences, ownership, secrets, history, rollback."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from vigie.control.database import LAYOUTS
from vigie.control.parties import Party
from vigie.control.proposals import PATH_FIELDS, Source
from vigie.control.store import Command, Store
from vigie.errors import (
    ControlRefusedError,
    ControlReplayedError,
    NotFoundError,
    PolicyFieldError,
    StateConflictError,
    StateUnreadableError,
    StateUnwritableError,
)
from vigie.policy import ConfigurationError
from vigie.policy.objects import KINDS

from .conftest import LOCAL, SERVER, OwnTownRights, RecordingGate, agent, camera, masks, yaml
from .served import ListJournal

Apply = Callable[..., Any]
OTHER = Party("other", administrator=True)


def files_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.name != "secrets.json")


def test_an_apply_is_one_revision_and_equal_objects_are_none(store: Store, apply: Apply, gate: RecordingGate) -> None:
    first = apply(SERVER, camera("a"))
    assert (first.rev, [(c.action, c.kind, c.name) for c in first.changes]) == (
        1,
        [("created", "Camera", "a"), ("created", "Server", "here")],
    )
    assert apply(SERVER, camera("a")).rev == 1
    assert len(gate.towns) == 1
    second = apply(camera("a", "number: 7, "))
    assert second.rev == 2
    assert list(second.changes[0].lines()) == ["~ Camera a", "    spec.number: + 7"]
    assert store.state.objects["Camera", "a"].rev == 2
    assert store.state.objects["Server", "here"].rev == 1


def test_one_mistake_and_nothing_is_taken(store: Store, apply: Apply) -> None:
    apply(SERVER, camera("a"))
    with pytest.raises(ConfigurationError) as refused:
        apply(camera("b"), camera("c", "privcy: clear, "), agent("x", cameras="[nowhere]"))
    problem = refused.value.problems[0]
    assert (problem.file, problem.line) == ("town.yaml", 7)
    assert str(problem) == 'town.yaml:7: Camera c spec.privcy: unknown field; did you mean "privacy"?'
    assert store.state.rev == 1
    assert set(store.state.objects) == {("Server", "here"), ("Camera", "a")}


def test_objects_are_checked_against_those_in_the_state(apply: Apply) -> None:
    apply(SERVER, camera("a"), agent("x", cameras="[a]"))
    with pytest.raises(ConfigurationError, match="no camera"):
        apply(masks("m", "b", 0.5))
    apply(masks("m", "a", 0.5))


def test_what_others_need_is_not_deleted(store: Store, apply: Apply) -> None:
    apply(SERVER, camera("a"), camera("b"), agent("x", cameras="[a]"))
    with pytest.raises(ConfigurationError, match='no camera "a"') as refused:
        store.delete(Command(LOCAL), [("Camera", "a")])
    assert str(refused.value.problems[0]).startswith("state: Agent x spec.cameras[0]")
    assert store.delete(Command(LOCAL), [("Camera", "a"), ("Agent", "x")]).rev == 2
    with pytest.raises(NotFoundError):
        store.delete(Command(LOCAL), [("Camera", "b"), ("Camera", "a")])
    assert ("Camera", "b") in store.state.objects


def test_expected_revision(store: Store, apply: Apply) -> None:
    apply(SERVER, expect_rev=0)
    with pytest.raises(StateConflictError, match="revision 0 was expected; 1 is in force"):
        apply(camera("a"), expect_rev=0)
    assert apply(camera("a"), expect_rev=1).rev == 2


def test_a_command_is_applied_once(tmp_path: Path, store: Store) -> None:
    command = Command(LOCAL, id=b"1" * 16, digest=b"d")
    first = store.apply(command, yaml(SERVER, camera("a")))
    store.apply(Command(LOCAL), yaml(camera("a", "number: 7, ")))
    again = store.apply(command, yaml(SERVER, camera("a")))
    assert (again.rev, again.total, again.again) == (first.rev, first.total, True)
    assert [(c.action, c.name) for c in again.changes] == [(c.action, c.name) for c in first.changes]
    assert store.state.bodies["Camera", "a"]["spec"]["number"] == 7
    with pytest.raises(ControlReplayedError):
        store.apply(Command(LOCAL, id=b"1" * 16, digest=b"e"), yaml(SERVER))
    with pytest.raises(ControlReplayedError):
        store.apply(Command(OTHER, id=b"1" * 16, digest=b"d"), yaml(SERVER))
    store.close()
    with Store(tmp_path / "state", environ={}) as after:
        assert after.apply(command, yaml(SERVER, camera("a"))).again


def test_a_dry_run_changes_nothing(store: Store, apply: Apply, gate: RecordingGate) -> None:
    apply(SERVER, camera("a"))
    dry = apply(camera("a", "number: 7, "), camera("b"), dry_run=True, prune=True)
    assert (dry.rev, len(dry.changes), store.state.rev, len(gate.towns)) == (1, 3, 1, 1)
    assert {(c.action, c.name) for c in dry.changes} == {("changed", "a"), ("created", "b"), ("deleted", "here")}


def test_the_engine_refuses_and_the_revision_is_not_kept(store: Store, apply: Apply, gate: RecordingGate) -> None:
    apply(SERVER)
    gate.error = PolicyFieldError("no such thing", "/cameras/0")
    with pytest.raises(PolicyFieldError):
        apply(camera("a", "privacy: withheld, "))
    assert (store.state.rev, store.history()[0].rev, gate.put_back_to) == (1, 1, [])
    gate.error = None
    assert apply(camera("a")).rev == 2


def test_rights_decide_each_object(store: Store, apply: Apply) -> None:
    with pytest.raises(ControlRefusedError, match=r"not for you.*Server/here"):
        apply(SERVER, party=Party("nobody"))
    assert store.state.rev == 0


def test_prune_deletes_the_partys_own_objects_only(store: Store, apply: Apply) -> None:
    apply(SERVER, camera("a"), camera("b"))
    apply(camera("theirs"), party=OTHER)
    applied = apply(SERVER, camera("a"), prune=True)
    assert [(c.action, c.name) for c in applied.changes] == [("deleted", "b")]
    assert applied.left == ["Camera/theirs"]
    # Who changes another's object does not become its owner.
    apply(camera("theirs", "number: 1, "))
    assert store.state.objects["Camera", "theirs"].owner == "other"


def test_rollback_touches_own_objects_and_is_a_new_revision(store: Store, apply: Apply) -> None:
    apply(SERVER, camera("a"))
    apply(camera("a", "number: 7, "), camera("b"))
    apply(camera("theirs"), party=OTHER)
    back = store.rollback(Command(LOCAL), 1)
    assert back.rev == 4
    assert {(c.action, c.name) for c in back.changes} == {("changed", "a"), ("deleted", "b")}
    assert back.left == ["Camera/theirs"]
    assert "number" not in store.state.bodies["Camera", "a"]["spec"]
    again = store.rollback(Command(LOCAL), 3)
    assert store.state.bodies["Camera", "b"]["name"] == "b"
    assert again.rev == 5
    with pytest.raises(NotFoundError, match="revisions are 0 to 5"):
        store.rollback(Command(LOCAL), 6)


@pytest.mark.parametrize(
    ("before", "after", "needs"),
    [
        ([masks("m", "a", 0.4, "removal_reason: agreed then, ")], [masks("m", "a", 0.6)], True),
        ([masks("m", "a", 0.6)], [masks("m", "a", 0.6, "scene_watch: true, ")], False),
        ([masks("small", "a", 0.4, "removal_reason: old, ")], [masks("large", "a", 0.6)], True),
        ([camera("a", "privacy: clear, privacy_reason: a square, ")], [camera("a")], True),
        ([camera("a")], [camera("a", "privacy: clear, privacy_reason: a square, ")], False),
    ],
    ids=["smaller", "same place", "another name", "clear again", "withheld again"],
)
def test_rollback_never_shows_more_without_a_reason(
    store: Store, apply: Apply, before: list[str], after: list[str], needs: bool
) -> None:
    base = [] if "kind: Camera" in before[0] else [camera("a", "privacy: masked, ")]
    apply(SERVER, *base, *before)
    apply(SERVER, *base, *after, prune=True)
    if needs:
        with pytest.raises(ConfigurationError, match="removal reason: who agreed"):
            store.rollback(Command(LOCAL), 1)
        assert store.state.rev == 2
    assert store.rollback(Command(LOCAL), 1, removal_reason="the prefect, today" if needs else "").rev == 3
    sets = [body for (kind, _), body in store.state.bodies.items() if kind == "MaskSet"]
    given = [body["spec"].get("removal_reason") for body in sets]
    assert given == (["the prefect, today"] if needs and sets else [None] * len(sets))


def test_rollback_counts_declared_mask_revisions_on(store: Store, apply: Apply) -> None:
    apply(SERVER, camera("a", "privacy: masked, "), masks("m", "a", 0.6, "revision: 3, "))
    apply(masks("m", "a", 0.4, "revision: 4, removal_reason: agreed, "))
    store.rollback(Command(LOCAL), 1, removal_reason="agreed")
    spec = store.state.bodies["MaskSet", "m"]["spec"]
    assert (spec["revision"], spec["regions"][0]["points"][1]) == (5, [0.6, 0])


def test_history_tells_who_when_and_what(store: Store, apply: Apply) -> None:
    apply(SERVER)
    apply(camera("a"), party=Party("host", True, True, on_behalf_of="jeanne"))
    store.delete(Command(LOCAL), [("Camera", "a")])
    newest, second, _first = store.history()
    assert (second.client, second.on_behalf_of, second.rev) == ("host", "jeanne", 2)
    assert [(c.action, c.name) for c in newest.changes] == [("deleted", "a")]
    assert [item.rev for item in store.history(kind="Camera", name="a")] == [3, 2]
    assert [item.rev for item in store.history(before=3, limit=1)] == [2]


# Secrets.


def test_secrets_in_clear_are_in_no_file_but_their_own(tmp_path: Path, store: Store, apply: Apply) -> None:
    cam = 'kind: Camera\nname: a\nspec: {streams: {main: {url: "rtsp://h/", username: u, password: hunter-two}}}\n'
    applied = apply(SERVER, cam, agent("x", "correct-horse"))
    folder = tmp_path / "state"
    assert b"hunter-two" not in files_of(folder)
    assert b"correct-horse" not in files_of(folder)
    shown = (
        repr(applied)
        + repr(store.state)
        + repr(store.history())
        + "".join(line for change in applied.changes for line in change.lines())
    )
    assert "hunter-two" not in shown
    assert "correct-horse" not in shown
    assert (folder / "secrets.json").stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    town = store.town()
    assert town.agents[0].secrets == {("spec", "password"): "correct-horse"}
    assert apply(SERVER, cam, agent("x", "correct-horse")).rev == 1, "the same secret is no change"
    assert apply(agent("x", "battery-staple")).rev == 2, "an agent gained a password without a restart"
    assert "correct-horse" not in (folder / "secrets.json").read_text()
    store.close()
    with Store(folder, environ={}) as after:
        assert after.town().agents[0].secrets == {("spec", "password"): "battery-staple"}


def test_a_refused_revision_leaves_secrets_as_they_are(store: Store, apply: Apply, gate: RecordingGate) -> None:
    apply(SERVER, agent("x", "one"))
    gate.error = PolicyFieldError("no", "/agents/0")
    with pytest.raises(PolicyFieldError):
        apply(agent("x", "two"))
    assert store.town().agents[0].secrets[("spec", "password")] == "one"


def test_export_applies_again_and_rollback_keeps_todays_secret(store: Store, apply: Apply) -> None:
    apply(SERVER, agent("x", "leaked"), camera("a"))
    bodies = list(store.state.bodies.values())
    assert store.apply(Command(LOCAL), objects=bodies).rev == 1
    apply(agent("x", "changed"), camera("b"))
    store.rollback(Command(LOCAL), 1)
    assert store.town().agents[0].secrets[("spec", "password")] == "changed"
    store.delete(Command(LOCAL), [("Agent", "x")])
    store.rollback(Command(LOCAL), 3)
    assert store.town().agents[0].secrets[("spec", "password")] == "changed"


def test_a_kept_secret_is_of_one_field(store: Store, apply: Apply) -> None:
    apply(SERVER, agent("x", "mine"))
    reference = store.state.bodies["Agent", "x"]["spec"]["password"]
    with pytest.raises(ConfigurationError, match="not a secret of this field"):
        apply(agent("y", reference))


def test_references_are_kept_as_references_and_read_again(tmp_path: Path) -> None:
    secret = tmp_path / "pass"
    secret.write_text("from-file\n")
    environ = {"POST": "from-env"}
    gate = RecordingGate()
    with Store(tmp_path / "state", gate=gate, environ=environ) as store:
        store.apply(Command(LOCAL), yaml(SERVER, agent("x"), agent("y", "file:pass"), folder=str(tmp_path)))
        assert store.state.bodies["Agent", "y"]["spec"]["password"] == f"file:{secret}"
        environ["POST"] = "new"
        store.refresh()
        assert [item.secrets[("spec", "password")] for item in gate.towns[-1].agents] == ["new", "from-file"]
        with pytest.raises(ConfigurationError, match="the environment variable NONE is not set"):
            store.apply(Command(LOCAL), yaml(agent("z", "env:NONE")))
    with Store(tmp_path / "state", environ={}) as store:
        assert [str(problem) for problem in store.problems] == [
            "state: Agent x spec.password: the environment variable POST is not set"
        ]
        with pytest.raises(ConfigurationError):
            store.town()
        # What is wrong can be put right, and nothing else can be changed before.
        with pytest.raises(ConfigurationError, match="POST"):
            store.apply(Command(LOCAL), yaml(camera("a")))
        store.apply(Command(LOCAL), yaml(agent("x", "given")))
        assert len(store.town().agents) == 2


def test_a_password_in_a_free_mapping_is_refused(apply: Apply) -> None:
    with pytest.raises(ConfigurationError, match="not kept as one"):
        apply(SERVER, camera("a", "ptz: {password: oops}, "))
    apply(SERVER, camera("a", 'ptz: {password: "env:PTZ"}, '))


# Paths.


def test_relative_paths_start_at_the_file_they_stood_in(tmp_path: Path, store: Store) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"")
    (tmp_path / "ca.pem").write_bytes(b"")
    cam = 'kind: Camera\nname: {}\nspec: {{streams: {{main: {{url: "{}"{}}}}}}}\n'
    store.apply(
        Command(LOCAL),
        yaml(
            SERVER,
            cam.format("a", "clip.mp4", ""),
            cam.format("b", "sdp:x/y.sdp", ""),
            cam.format("c", "rtsps://h/", ", tls_ca: ca.pem"),
            folder=str(tmp_path),
        ),
    )
    streams = {name: body["spec"]["streams"]["main"] for (_, name), body in store.state.bodies.items() if name in "abc"}
    assert streams["a"]["url"] == f"file:{tmp_path}/clip.mp4"
    assert streams["b"]["url"] == f"sdp:{tmp_path}/x/y.sdp"
    assert streams["c"] == {"url": "rtsps://h/", "tls_ca": str(tmp_path / "ca.pem")}


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


def _path_fields(model: type[BaseModel]) -> set[str]:
    found = set()
    for name, info in model.model_fields.items():
        text = f"{info.annotation} {info.metadata}"
        bounds = "MaxLen(max_length=4096)" in text and "MinLen(min_length=1)" in text
        if bounds and not any(other in text for other in ("SecretStr", "list", "dict")):
            found.add(name)
        for child in _models(info.annotation):
            found |= _path_fields(child)
    return found


def test_every_path_of_every_kind_is_known() -> None:
    found = set().union(*(_path_fields(kind) for kind in KINDS.values()))
    assert found == PATH_FIELDS


# The folder.


def test_a_newer_layout_is_refused_untouched(tmp_path: Path, store: Store, apply: Apply) -> None:
    apply(SERVER)
    store.close()
    file = tmp_path / "state" / "state.db"
    with sqlite3.connect(file) as db:
        db.execute(f"PRAGMA user_version={max(LAYOUTS) + 1}")
    with pytest.raises(StateUnreadableError, match=f"newer vigie .layout {max(LAYOUTS) + 1}"):
        Store(tmp_path / "state")
    with sqlite3.connect(file) as db:
        assert db.execute("SELECT count(*) FROM objects").fetchone()[0] == 1


def test_two_processes_do_not_share_a_folder(tmp_path: Path, store: Store) -> None:
    with pytest.raises(StateUnreadableError, match="another process"):
        Store(tmp_path / "state")
    store.close()
    Store(tmp_path / "state").close()


@pytest.mark.parametrize("content", [b"\x00" * 4096, b"not a database at all, though it is long enough to be one" * 40])
def test_a_damaged_database_is_said(tmp_path: Path, content: bytes) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    (folder / "state.db").write_bytes(content)
    if content.strip(b"\x00"):
        with pytest.raises(StateUnreadableError):
            Store(folder)
    # After any outcome the folder is free.
    (folder / "state.db").unlink()
    Store(folder).close()


def test_the_journal_has_a_line_before_a_revision_counts(tmp_path: Path, gate: RecordingGate) -> None:
    journal = ListJournal()
    with Store(tmp_path / "state", gate=gate, rights=OwnTownRights(), journal=journal) as store:
        store.apply(Command(LOCAL), yaml(SERVER))
        (line,) = journal.lines
        assert (line.rev, [(change.action, change.kind) for change in line.changes]) == (1, [("created", "Server")])
        journal.broken = True
        with pytest.raises(StateUnwritableError, match="no journal line"):
            store.apply(Command(LOCAL), yaml(camera("a")))
        assert store.state.rev == 1
        assert [len(town.cameras) for town in gate.put_back_to] == [0]


def test_two_objects_of_one_name_in_one_apply(apply: Apply) -> None:
    with pytest.raises(ConfigurationError, match="the same name as at"):
        apply(camera("a"), camera("a", "number: 7, "))


@pytest.mark.parametrize(
    "value", [None, 7, "text", [], {"kind": 3}, {"kind": "Camera"}, {"kind": "Camera", "name": "a", "spec": b"x"}]
)
def test_values_that_are_no_objects(store: Store, value: Any) -> None:
    with pytest.raises(ConfigurationError):
        store.apply(Command(LOCAL), objects=[value])
    with pytest.raises(ConfigurationError):
        store.apply(Command(LOCAL), objects=[{"kind": "Camera", "name": "a", "spec": {"ptz": {"x": value or b"\xff"}}}])


def test_a_source_that_is_no_yaml(store: Store) -> None:
    with pytest.raises(ConfigurationError, match="not well-formed YAML"):
        store.apply(Command(LOCAL), [Source("x.yaml", "{", "/")])


def test_a_reason_of_then_is_no_reason_now(store: Store, apply: Apply) -> None:
    region = "{{name: {0}, points: [[0, 0], [{1}, 0], [{1}, {1}]]}}"
    two = masks("m", "a", 0.5, "removal_reason: agreed then, ").replace("]]}]", f"]]}}, {region.format('s', 0.9)}]")
    apply(SERVER, camera("a", "privacy: masked, "), two)
    apply(masks("m", "a", 0.5, "removal_reason: agreed later, "))
    store.rollback(Command(LOCAL), 1)  # more is hidden again
    spec = store.state.bodies["MaskSet", "m"]["spec"]
    assert (len(spec["regions"]), spec.get("removal_reason")) == (2, None)
