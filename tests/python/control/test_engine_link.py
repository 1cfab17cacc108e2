"""The inner socket: what control asks of an engine that comes and goes, and what both know of each other."""

import asyncio
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import zmq

from vigie.control import engine_link
from vigie.control.engine_link import EngineLink
from vigie.errors import ConnectionLostError, NotFoundError, PolicyFieldError
from vigie.events import Event
from vigie.snapshot import Snapshot

from .served import STILL

agent = pytest.importorskip("vigie.control.agent")


@dataclass
class FakeEngine:
    """Takes what a test lets it."""

    applied: list[str] = field(default_factory=list)
    before_apply: Callable[[], None] = lambda: None
    closed: bool = False

    def __post_init__(self) -> None:
        self._queue: list[Event] = []
        self._read, self._write = os.pipe()

    def apply(self, snapshot: str) -> int:
        value = json.loads(snapshot)
        if "wrong" in value:
            raise PolicyFieldError("not so", "/wrong")
        self.before_apply()
        self.applied.append(snapshot)
        return int(value["revision"])

    def say(self, *events: Event) -> None:
        self._queue += events
        os.write(self._write, b"\0")

    def next_event(self, timeout: float) -> Event | None:
        if self._queue:
            return self._queue.pop(0)
        os.set_blocking(self._read, False)
        with suppress(BlockingIOError):
            os.read(self._read, 4096)
        if self.closed:
            raise agent.ConnectionLostError("closed")
        return None

    def event_fileno(self) -> int:
        return self._read

    def stats(self) -> dict[str, Any]:
        return {"revision": len(self.applied), "cameras": {}}

    def snapshot(self, camera: str, stream: str, *, timeout: float) -> Snapshot:
        if camera != "a":
            raise NotFoundError("no camera has this name", camera)
        return STILL

    def source_report(self, camera: str, stream: str) -> dict[str, Any]:
        return {"state": "playing"}

    def scene_reference(self, camera: str, stream: str) -> bytes:
        return b"\xff\xd8still"

    def close(self) -> None:
        self.closed = True
        self.say(event(1000, "viewer_closed"))


class Running:
    """An agent in a thread: an engine process without the process."""

    def __init__(self, endpoint: str) -> None:
        self.engine = FakeEngine()
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, args=(endpoint,), daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    def _run(self, endpoint: str) -> None:
        async def run() -> None:
            self.agent = agent.EngineAgent(self.engine, endpoint, self._ready.set)
            await self.agent.run()

        self._loop.run_until_complete(run())

    def say(self, *events: Event) -> None:
        self.engine.say(*events)

    def drop_socket(self) -> None:
        """As the kernel does when a process dies."""

        def drop() -> None:
            self.agent._router.stop()
            self.agent._router.close()

        self._loop.call_soon_threadsafe(drop)

    def stop(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self.agent.stop)
            self._thread.join(10)


def event(seq: int, kind: str = "viewer_opened") -> Event:
    return Event(seq, 5, kind, "viewer 1 a/main", "", 0, "text", 0)


@pytest.fixture
def endpoint(tmp_path: Path) -> str:
    return f"ipc://{tmp_path}/engine.sock"


@pytest.fixture
def run(endpoint: str) -> Iterator[Callable[[], Running]]:
    started: list[Running] = []

    def start() -> Running:
        started.append(Running(endpoint))
        return started[-1]

    yield start
    for one in started:
        one.stop()


class Linked:
    """A link, and what it told. `link` deals with events at once where `deals` is true."""

    def __init__(self, endpoint: str, deals: bool = True) -> None:
        self.changes: list[bool] = []
        self.events: list[int] = []
        self.lost = 0
        self.deals = deals
        self.link = EngineLink(
            endpoint, on_change=lambda attached: self.changes.append(attached is not None), on_events=self._on_events
        )
        self.link.start()

    def _on_events(self, events: Any, lost: int) -> None:
        self.events += [one.seq for one in events]
        self.lost += lost
        if self.deals:
            self.link.acknowledge(events[-1].seq)

    def use(self) -> Any:
        attached = self.link.attached(10)
        self.link.use(attached.session)
        return attached

    def wait(self, condition: Callable[[], bool]) -> None:
        until = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < until, (self.changes, self.events)
            time.sleep(0.005)


@pytest.fixture
def linked(endpoint: str) -> Iterator[Callable[..., Linked]]:
    made: list[Linked] = []

    def make(deals: bool = True) -> Linked:
        made.append(Linked(endpoint, deals))
        return made[-1]

    yield make
    for one in made:
        one.link.close()


def test_it_is_asked_and_answers(run: Any, linked: Any) -> None:
    run()
    one = linked()
    attached = one.use()
    assert (attached.revision, attached.snapshot, attached.note) == (0, b"", b"")
    assert one.link.apply({"revision": 7, "cameras": []}, b"note") == 7
    assert one.link.stats() == {"revision": 1, "cameras": {}}
    assert one.link.snapshot("a", timeout=1).jpeg == b"\xff\xd8jpeg"
    assert one.link.source_report("a") == {"state": "playing"}
    assert one.link.scene_reference("a") == b"\xff\xd8still"
    with pytest.raises(NotFoundError) as missing:
        one.link.snapshot("b")
    assert (missing.value.where, missing.value.what) == ("b", "no camera has this name")
    with pytest.raises(PolicyFieldError) as refused:
        one.link.apply({"revision": 8, "wrong": 1})
    assert refused.value.where == "/wrong"


def test_whoever_attaches_next_finds_what_is_in_force(run: Any, linked: Any) -> None:
    run()
    first = linked()
    first.use()
    first.link.apply({"revision": 3, "cameras": []}, b"note")
    first.link.close()
    attached = linked().use()
    assert (attached.revision, json.loads(attached.snapshot), attached.note) == (
        3,
        {"revision": 3, "cameras": []},
        b"note",
    )


def test_an_attachment_that_is_over_changes_nothing(run: Any, linked: Any) -> None:
    running = run()
    old, new = linked(), None
    old.use()
    new = linked()
    new.use()
    with pytest.raises(ConnectionLostError, match="a newer one"):
        old.link.apply({"revision": 1})
    assert new.link.apply({"revision": 1}) == 1
    assert len(running.engine.applied) == 1


def test_without_an_engine_it_says_so_at_once_and_finds_the_next(run: Any, linked: Any) -> None:
    one = linked()
    with pytest.raises(ConnectionLostError, match="nothing was changed"):
        one.link.attached(0.05)
    with pytest.raises(ConnectionLostError):
        one.link.stats()
    running = run()
    first = one.use()
    running.stop()
    one.wait(lambda: one.changes == [True, False])
    with pytest.raises(ConnectionLostError):
        one.link.apply({"revision": 1})
    run()
    second = one.link.attached(10)
    assert (one.changes, second.instance != first.instance) == ([True, False, True], True)
    # What was meant for the one before is not for this one.
    with pytest.raises(ConnectionLostError):
        one.link.apply({"revision": 1})


def test_what_an_engine_was_doing_when_it_went_is_not_known_to_be_done(run: Any, linked: Any) -> None:
    running = run()
    one = linked()
    one.use()
    at_work, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        at_work.set()
        go_on.wait(10)

    running.engine.before_apply = wait
    failed: list[BaseException] = []

    def apply() -> None:
        try:
            one.link.apply({"revision": 1})
        except ConnectionLostError as error:
            failed.append(error)

    thread = threading.Thread(target=apply)
    thread.start()
    assert at_work.wait(10)
    running.drop_socket()
    thread.join(10)
    assert len(failed) == 1
    go_on.set()


def test_an_engine_that_is_silent_is_attached_anew_and_tells_what_it_did(
    run: Any, linked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_link, "APPLY_S", 0.1)
    running = run()
    one = linked()
    before = one.use()
    go_on = threading.Event()
    running.engine.before_apply = lambda: (go_on.wait(10), None)[1]
    with pytest.raises(ConnectionLostError):
        one.link.apply({"revision": 5})
    go_on.set()
    one.wait(lambda: one.link.is_attached and one.link.attached(0).session != before.session)
    # The attachment was answered after what had been at work: it is known to be in force.
    assert one.link.attached(0).revision == 5


def test_events_come_until_they_are_dealt_with(run: Any, linked: Any) -> None:
    running = run()
    dying = linked(deals=False)
    dying.use()
    running.say(event(1), event(2), event(3))
    dying.wait(lambda: dying.events == [1, 2, 3])
    dying.link.close()  # before it has acknowledged any
    running.say(event(4))
    next_one = linked()
    next_one.wait(lambda: next_one.events == [1, 2, 3, 4])
    next_one.link.close()
    last = linked()
    last.use()
    running.say(event(7))
    last.wait(lambda: len(last.events) >= 1 and last.events[-1] == 7)
    assert set(last.events) <= {4, 7}  # 4: its acknowledgement may not have left any more
    assert last.lost == 2  # 5 and 6 never came


def test_nothing_more_comes_before_what_came_is_dealt_with(run: Any, linked: Any) -> None:
    running = run()
    slow = linked(deals=False)
    slow.use()
    running.say(event(1))
    slow.wait(lambda: slow.events == [1])
    running.say(event(2))
    slow.link.stats()  # a round trip
    assert slow.events == [1]
    slow.link.acknowledge(1)
    slow.wait(lambda: slow.events == [1, 2])


def test_the_last_events_of_an_engine_that_is_shut_down_are_dealt_with(run: Any, linked: Any) -> None:
    running = run()
    one = linked()
    one.use()
    one.link.shut_down(10)
    assert running.engine.closed
    assert one.events == [1000]
    # Nobody takes it for one that shows something.
    late = linked()
    with pytest.raises(ConnectionLostError):
        late.link.attached(0.3)


def test_an_engine_that_was_shut_down_ends_by_itself(run: Any, linked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent, "LAST_EVENTS_S", 0.1)
    running = run()
    one = linked(deals=False)  # it dies before it has dealt with the last events
    one.use()
    one.link._call("shutdown")
    one.link.close()
    running._thread.join(10)
    assert not running._thread.is_alive()


def test_what_nobody_of_ours_sends_is_dropped(run: Any, linked: Any, endpoint: str) -> None:
    run()
    one = linked()
    one.use()
    with zmq.Context() as context, context.socket(zmq.DEALER) as stranger:
        stranger.connect(endpoint)
        for frames in ([b""], [b"x"] * 4, [b"VIGIE-ENGINE1", b"\xc1", b"\x80", b""], [b"VIGIE-ENGINE1"] * 9):
            stranger.send_multipart(frames)
        assert one.link.stats() == {"revision": 0, "cameras": {}}
        assert stranger.poll(50) == 0


def test_the_socket_is_its_users_alone(run: Any, endpoint: str) -> None:
    run()
    assert Path(endpoint.removeprefix("ipc://")).stat().st_mode & 0o077 == 0
