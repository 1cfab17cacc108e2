"""What each operation does. The service has checked the message, the deadline and whether the party may at all."""

import asyncio
import functools
import hashlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Protocol, TypeVar

from vigie.control import ops
from vigie.control.desk import Desk, Tools
from vigie.control.diff import Change
from vigie.control.parties import ObjectRef, Party, Rights
from vigie.control.peers import Peer
from vigie.control.proposals import Source
from vigie.control.store import Applied, Command, RefusedChangesError, Store, Stored
from vigie.control.wire import MAX_DEPTH, pack, unpack
from vigie.errors import (
    ConnectionLostError,
    ControlLateError,
    ControlRefusedError,
    InvalidArgumentError,
    LimitExceededError,
    NotFoundError,
    TimedOutError,
)
from vigie.forms import camera_of, form_name
from vigie.journal import Record
from vigie.policy.load import has_field
from vigie.policy.objects import KINDS
from vigie.policy.problems import Problem, suggestion

T = TypeVar("T")
CHANGES_SHOWN = 200
STAGES_PER_PARTY = 4
STAGE_KEPT_S = 600.0
# A packed apply lies in the stage one level deeper than its message would.
_STAGED_DEPTH = MAX_DEPTH


class EnginePort(Protocol):
    """What the service asks of an engine. Thread: any."""

    def stats(self) -> dict[str, Any]: ...

    def snapshot(self, camera: str, stream: str, *, timeout: float) -> Any: ...


@dataclass
class Notes:
    """What a handler has for the journal's line: for whom the client turned out to speak, entries of their own kind."""

    speaker: str = ""
    records: Sequence[Record] = ()


@dataclass(frozen=True)
class Call:
    """One command. `deadline_ns`: Unix time."""

    party: Party
    peer: Peer
    op: ops.Op
    request: Any
    id: bytes
    digest: bytes
    deadline_ns: int
    notes: Notes = field(default_factory=Notes)

    @property
    def command(self) -> Command:
        """As the store counts it."""
        return Command(self.party, self.op.name, self.id, self.digest)


@dataclass
class _Stage:
    began_s: float
    parts: dict[int, bytes]

    @property
    def size(self) -> int:
        return sum(map(len, self.parts.values()))


class Handlers:
    """All operations. Thread: the event loop; what takes time runs in threads, changes one after another."""

    def __init__(
        self,
        store: Store,
        engine: EnginePort,
        rights: Rights,
        epoch: str,
        *,
        version: str = "",
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.store = store
        self.counters: Mapping[str, int] = {}
        self.on_applied: Callable[[Applied], None] = lambda applied: None
        self.engine = engine
        self._rights = rights
        self._epoch = epoch
        self._version = version
        self._now_ns = now_ns
        self._writer = ThreadPoolExecutor(1, "vigie-apply")
        self._workers = ThreadPoolExecutor(4, "vigie-control")
        self._stages: dict[tuple[str, bytes], _Stage] = {}
        self._wakers: dict[asyncio.Event, str] = {}  # and the camera, or "" where a revision is waited for
        self._figures: Mapping[str, Any] | None = None
        self.by_op: dict[str, Callable[[Call], Awaitable[ops.Message]]] = {
            "ping": self._ping,
            "state.get": self._state,
            "events.subscribe": self._subscribe,
            "events.unsubscribe": self._unsubscribe,
            "objects.apply": self._apply,
            "objects.stage": self._stage,
            "objects.commit": self._commit,
            "objects.get": self._get,
            "objects.delete": self._delete,
            "objects.rollback": self._rollback,
            "objects.history": self._history,
            "objects.wait": self._wait,
            "mask.list": self._masks,
            "camera.snapshot": self._snapshot,
            "stats.get": self._stats,
        }
        self.desk = Desk(store, engine, rights, Tools(self.in_worker, self._change, page), now_ns)
        self.by_op |= self.desk.by_op

    def wake(self, kind: str, name: str) -> None:
        """An event came that somebody may wait for."""
        for waker, camera in self._wakers.items():
            if (kind == "stream_state" and name.partition("/")[0] == camera) or (kind == "revision" and not camera):
                waker.set()

    async def in_writer(self, work: Callable[[], T]) -> T:
        """Runs after all changes before it, and before all after it."""
        return await asyncio.get_running_loop().run_in_executor(self._writer, work)

    def close(self) -> None:
        """Waits for the change at work; those behind it are not begun."""
        self._writer.shutdown(cancel_futures=True)
        self._workers.shutdown(cancel_futures=True)
        self.desk.close()

    async def in_worker(self, work: Callable[[], T]) -> T:
        """Runs beside changes."""
        return await asyncio.get_running_loop().run_in_executor(self._workers, work)

    async def _change(self, call: Call, dry_run: bool, work: Callable[[], Applied]) -> Applied:
        def when_its_turn_comes() -> Applied:
            if self._now_ns() > call.deadline_ns:
                raise ControlLateError("its turn came after its deadline; nothing was changed")
            return work()

        try:
            applied = await self.in_writer(when_its_turn_comes)
        except RefusedChangesError as refused:
            if not dry_run:
                await self.in_worker(functools.partial(self.desk.approvals.note, call.party, refused))
            raise
        if applied.changes and not applied.again and not dry_run:
            self.on_applied(applied)
        return applied

    def _may_know(self, call: Call, kind: str, name: str, owner: str = "") -> bool:
        return self._rights.may_know(call.party, ObjectRef(kind, name, owner))

    async def _ping(self, call: Call) -> ops.Message:
        return ops.Pong(epoch=self._epoch, time_ns=self._now_ns(), version=self._version, agent=call.party.name)

    async def _subscribe(self, call: Call) -> ops.Message:
        call.peer.subscribe(frozenset(call.request.kinds))
        return ops.Subscribed(seq=call.peer.seq, epoch=self._epoch, heartbeat_ms=1000)

    async def _unsubscribe(self, call: Call) -> ops.Message:
        call.peer.unsubscribe()
        return ops.Nothing()

    async def _state(self, call: Call) -> ops.Message:
        seq = call.peer.seq  # before anything is read: an event from now on is not in the page
        cameras = await self.cameras(first=not call.request.after)
        items = {f"{kind}/{name}": item for (kind, name), item in self.store.state.objects.items()}
        # A site's cameras are no objects, but are there.
        names = sorted({*items, *(f"Camera/{name}" for name in cameras)})

        def item(key: str) -> ops.StateItem | None:
            kind, _, name = key.partition("/")
            stored = items.get(key)
            if call.request.kinds and kind not in call.request.kinds:
                return None
            if not self._may_know(call, kind, name, "" if stored is None else stored.owner):
                return None
            streams = cameras.get(name, {}).get("streams", {}) if kind == "Camera" else {}
            states = {stream: figures["state"] for stream, figures in streams.items()}
            return ops.StateItem(kind=kind, name=name, rev=0 if stored is None else stored.rev, streams=states)

        found, following = page(names, call.request.after, call.request.limit, item)
        return ops.StatePage(items=found, next=following, seq=seq, epoch=self._epoch)

    async def cameras(self, first: bool) -> Mapping[str, Any]:
        """What the engine says of cameras: for a first page now, for those after it what a first page has had.

        Events since then come to whoever asks for pages; with thousands of cameras the figures take long to make.
        """
        if first or self._figures is None:
            try:
                self._figures = (await self.in_worker(self.engine.stats)).get("cameras", {})
            except ConnectionLostError:  # no engine: what is stored can be read all the same
                return {}
        return self._figures

    async def _apply(self, call: Call) -> ops.Message:
        return await self._apply_request(call, call.request)

    async def _apply_request(self, call: Call, wanted: ops.ObjectsApply) -> ops.Message:
        applied = await self._change(
            call,
            wanted.dry_run,
            lambda: self.store.apply(
                call.command,
                [Source(item.file, item.text, item.folder) for item in wanted.yaml],
                wanted.objects,
                folder=wanted.folder,
                expect_rev=wanted.expect_rev,
                prune=wanted.prune,
                dry_run=wanted.dry_run,
            ),
        )
        return _applied(applied, wanted.dry_run)

    async def _stage(self, call: Call) -> ops.Message:
        wanted, now = call.request, time.monotonic()
        self._stages = {key: one for key, one in self._stages.items() if now - one.began_s < STAGE_KEPT_S}
        key = (call.party.tag, wanted.stage)
        if key not in self._stages and sum(who == key[0] for who, _ in self._stages) >= STAGES_PER_PARTY:
            raise LimitExceededError(f"{STAGES_PER_PARTY} stages are open; right would be to commit one")
        stage = self._stages.setdefault(key, _Stage(now, {}))
        if stage.size - len(stage.parts.get(wanted.part, b"")) + len(wanted.data) > ops.MAX_STAGE_BYTES:
            raise LimitExceededError(f"a stage of more than {ops.MAX_STAGE_BYTES} bytes")
        stage.parts[wanted.part] = wanted.data
        return ops.Staged(parts=len(stage.parts), bytes=stage.size)

    async def _commit(self, call: Call) -> ops.Message:
        wanted = call.request
        key = (call.party.tag, wanted.stage)
        stage = self._stages.get(key)
        if stage is None:
            # The commit may have been carried out, and its reply lost.
            applied = await self.in_writer(lambda: self.store.done_before(call.command))
            if applied is not None:
                return _applied(applied, False)
            raise NotFoundError("no such stage; right would be to stage its parts again", wanted.stage.hex())
        if sorted(stage.parts) != list(range(wanted.parts)):
            raise InvalidArgumentError(f"parts {sorted(stage.parts)} are there; right would be 0 to {wanted.parts - 1}")
        data = b"".join(stage.parts[part] for part in range(wanted.parts))
        if hashlib.sha256(data).digest() != wanted.sha256:
            raise InvalidArgumentError(
                "another sum than of what was staged; right would be to stage it again", "sha256"
            )
        inner = ops.ObjectsApply.model_validate(await self.in_worker(lambda: unpack(data, _STAGED_DEPTH)))
        reply = await self._apply_request(call, inner)
        self._stages.pop(key, None)
        return reply

    async def _delete(self, call: Call) -> ops.Message:
        wanted = call.request
        keys = [(item.kind, item.name) for item in wanted.objects]
        applied = await self._change(
            call,
            wanted.dry_run,
            lambda: self.store.delete(call.command, keys, expect_rev=wanted.expect_rev, dry_run=wanted.dry_run),
        )
        return _applied(applied, wanted.dry_run)

    async def _rollback(self, call: Call) -> ops.Message:
        wanted = call.request
        applied = await self._change(
            call,
            wanted.dry_run,
            lambda: self.store.rollback(
                call.command,
                wanted.to_rev,
                removal_reason=wanted.removal_reason,
                expect_rev=wanted.expect_rev,
                dry_run=wanted.dry_run,
            ),
        )
        return _applied(applied, wanted.dry_run)

    async def _get(self, call: Call) -> ops.Message:
        wanted = call.request
        _check_fields(wanted.kind, wanted.fields)
        every = self.store.state.objects
        if wanted.kind and wanted.name and not any(letter in wanted.name for letter in "*?["):
            stored = every.get((wanted.kind, wanted.name))
            if stored is None or not self._may_know(call, stored.kind, stored.name, stored.owner):
                known = [one.name for one in every.values() if self._may_know(call, one.kind, one.name, one.owner)]
                raise NotFoundError(suggestion(wanted.name, sorted(known)), f"{wanted.kind}/{wanted.name}")
            every = {(wanted.kind, wanted.name): stored}
        objects = {f"{kind}/{name}": item for (kind, name), item in every.items()}

        def item(key: str) -> ops.Object | None:
            stored = objects[key]
            if not _matches(stored, wanted) or not self._may_know(call, stored.kind, stored.name, stored.owner):
                return None
            return ops.Object(
                kind=stored.kind, name=stored.name, rev=stored.rev, owner=stored.owner, body=dict(stored.body)
            )

        found, following = page(sorted(objects), wanted.after, wanted.limit, item)
        return ops.ObjectsPage(objects=found, next=following)

    async def _history(self, call: Call) -> ops.Message:
        wanted = call.request
        found = await self.in_worker(
            lambda: self.store.history(kind=wanted.kind, name=wanted.name, before=wanted.before, limit=wanted.limit + 1)
        )
        shown: list[ops.RevisionOut] = []
        size = 0
        for revision in found[: wanted.limit]:
            changes = [_changed(change) for change in revision.changes[:100]]
            out = ops.RevisionOut(
                **{key: getattr(revision, key) for key in ("rev", "ts_ns", "client", "on_behalf_of", "reason")},
                changes=changes,
                total=len(revision.changes),
            )
            size += len(pack(out.model_dump()))
            if shown and size > ops.MAX_PAGE_BYTES:
                break
            shown.append(out)
        return ops.HistoryPage(revisions=shown, next=shown[-1].rev if len(shown) < len(found) else 0)

    async def _wait(self, call: Call) -> ops.Message:
        wanted = call.request
        if (wanted.rev is None) == (not wanted.camera):
            raise InvalidArgumentError("right would be either rev or camera", "rev")
        if wanted.camera and not self._may_know(call, "Camera", wanted.camera):
            raise NotFoundError("no such camera, or not for you", wanted.camera)
        waker = asyncio.Event()
        self._wakers[waker] = wanted.camera
        try:
            while True:
                waker.clear()
                state = await self.in_worker(lambda: self._state_of(wanted.camera, wanted.stream))
                rev = self.store.state.rev
                if (wanted.rev is not None and rev >= wanted.rev) or (wanted.camera and state == wanted.state):
                    return ops.Waited(rev=rev, state=state)
                left = (call.deadline_ns - self._now_ns()) / 1e9
                try:
                    await asyncio.wait_for(waker.wait(), max(0.0, left))
                except TimeoutError:
                    what = f"revision {rev} is in force" if wanted.rev is not None else f"it is {state or 'not there'}"
                    raise TimedOutError(what, wanted.camera) from None
        finally:
            del self._wakers[waker]

    def _state_of(self, camera: str, stream: str) -> str:
        if not camera:
            return ""
        try:
            streams = self.engine.stats().get("cameras", {}).get(camera, {}).get("streams", {})
        except ConnectionLostError:
            return ""
        if not streams or (stream and stream not in streams):
            return ""
        chosen = stream or next(iter(streams))
        return str(streams[chosen]["state"])

    async def _masks(self, call: Call) -> ops.Message:
        wanted = call.request
        numbers = self.store.engine_numbers().mask_sets
        sets = {}
        for (kind, name), stored in self.store.state.objects.items():
            spec = stored.body["spec"]
            if kind == "MaskSet" and (not wanted.camera or spec["camera"] == wanted.camera):
                sets[f"{spec['camera']}@{spec.get('version') or ''}"] = (name, spec)

        def item(key: str) -> ops.MaskOut | None:
            name, spec = sets[key]
            camera, version = spec["camera"], spec.get("version") or ""
            if not self._may_know(call, "Camera", form_name(camera, version)):
                return None
            number = numbers.get((camera, version), (0, None))[0]
            return ops.MaskOut(
                camera=camera, version=version, name=name, revision=number, regions=len(spec["regions"]),
                reason=spec["reason"],
            )  # fmt: skip

        found, following = page(sorted(sets), wanted.after, wanted.limit, item)
        return ops.MaskPage(masks=found, next=following)

    async def _snapshot(self, call: Call) -> ops.Message:
        wanted = call.request
        decision = self._rights.may(call.party, call.op.name, ObjectRef("Camera", wanted.camera))
        if not decision.allowed:
            raise ControlRefusedError(decision.why, wanted.camera)
        left_s = (call.deadline_ns - self._now_ns()) / 1e9
        timeout = max(0.0, min(wanted.timeout_ms / 1000, left_s))
        still = await self.in_worker(lambda: self.engine.snapshot(wanted.camera, wanted.stream, timeout=timeout))
        return ops.Still(**{name: getattr(still, name) for name in ops.Still.model_fields})

    async def _stats(self, call: Call) -> ops.Message:
        figures = await self.in_worker(self.engine.stats)
        cameras = with_drops(figures)
        whole = ("cameras", "viewers", "subscriptions")
        found, following = page(
            sorted(cameras), call.request.after, call.request.limit, lambda name: (name, cameras[name])
        )
        engine = {name: value for name, value in figures.items() if name not in whole}
        service = {**self.counters, **self.desk.alarms.counters}
        return ops.Stats(engine=engine, cameras=dict(found), service=service, next=following)


def with_drops(figures: Mapping[str, Any]) -> Mapping[str, Any]:
    """The cameras' figures with what their viewers together missed: viewers themselves are persons, and not shown."""
    cameras: Mapping[str, Any] = figures.get("cameras", {})
    sums: dict[tuple[str, str], tuple[int, float]] = {}
    for viewer in figures.get("viewers", ()):
        key = (camera_of(str(viewer.get("camera", ""))), str(viewer.get("stream", "")))
        dropped, lag_ms = sums.get(key, (0, 0.0))
        dropped += sum(viewer.get("units_dropped", {}).values())
        sums[key] = (dropped, max(lag_ms, viewer.get("queue_ms", 0.0) + viewer.get("kernel_ms", 0.0)))
    found = {}
    for name, camera in cameras.items():
        streams = {}
        for stream, one in camera.get("streams", {}).items():
            dropped, lag_ms = sums.get((name, stream), (0, 0.0))
            streams[stream] = {**one, "viewers_dropped_units": dropped, "viewers_lag_ms": lag_ms}
        found[name] = {**camera, "streams": streams}
    return found


def page(keys: Sequence[str], after: str, limit: int, make: Callable[[str], T | None]) -> tuple[list[T], str]:
    """Items of a page, and the key to go on after ("": that was all)."""
    found: list[T] = []
    size = 0
    last = ""
    for key in keys:
        if key <= after or (item := make(key)) is None:
            continue
        size += len(pack(item.model_dump() if isinstance(item, ops.Message) else item))
        if found and (len(found) >= limit or size > ops.MAX_PAGE_BYTES):
            return found, last
        found.append(item)
        last = key
    return found, ""


def _matches(stored: Stored, wanted: ops.ObjectsGet) -> bool:
    if wanted.kind and stored.kind != wanted.kind:
        return False
    if wanted.name and not fnmatchcase(stored.name, wanted.name):
        return False
    labels = stored.body.get("labels", {})
    if any(labels.get(key) != value for key, value in wanted.labels.items()):
        return False
    return all(_text_at(stored.body, path) == value for path, value in wanted.fields.items())


def _text_at(body: Any, path: str) -> str | None:
    value = body
    for step in path.split("."):
        if not isinstance(value, Mapping) or step not in value:
            return None
        value = value[step]
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (str, int, float)) else None


def _check_fields(kind: str, fields: Mapping[str, str]) -> None:
    """A misspelt field is said, instead of matching nothing."""
    if kind and kind not in KINDS:
        raise NotFoundError(suggestion(kind, KINDS), f"kind {kind}")
    for path in fields:
        steps = tuple(path.split("."))
        models = [KINDS[kind]] if kind else list(KINDS.values())
        if not any(has_field(model, steps) for model in models):
            known = [f"spec.{name}" for model in models for name in _spec_fields(model)]
            raise InvalidArgumentError(f"no such field; {suggestion(path, sorted(set(known)))}", path)


def _spec_fields(model: Any) -> list[str]:
    return list(model.model_fields["spec"].annotation.model_fields)


def _changed(change: Change) -> ops.ObjectChanged:
    fields = [ops.FieldChanged(**asdict(item)) for item in change.fields[:50]]
    return ops.ObjectChanged(action=change.action, kind=change.kind, name=change.name, fields=fields)


def _applied(applied: Applied, dry_run: bool) -> ops.Applied:
    shown: list[ops.ObjectChanged] = []
    size = 0
    for change in applied.changes[:CHANGES_SHOWN]:
        out = _changed(change)
        size += len(pack(out.model_dump()))
        if shown and size > ops.MAX_PAGE_BYTES:
            break
        shown.append(out)
    return ops.Applied(
        rev=applied.rev,
        changes=shown,
        total=applied.total,
        warnings=list(applied.warnings[:100]),
        left=list(applied.left[:100]),
        again=applied.again,
        dry_run=dry_run,
    )


def problem_values(problems: Sequence[Problem]) -> list[dict[str, Any]]:
    """Mistakes, for the body of a refusal."""
    return [asdict(problem) for problem in problems[:200]]
