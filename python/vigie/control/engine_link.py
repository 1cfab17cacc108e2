"""The engine as the control process sees it: what is used of `vigie.Engine`, over the inner socket.

One thread owns the socket. It attaches whenever an engine is there, under a new session each time, and tells when that
has changed; what was asked of an engine that is gone fails at once. Nothing is sent again by itself: whether an engine
that went away has carried out the last thing it was asked is known from what the next attachment finds in force.
"""

import json
import secrets
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import zmq
import zmq.utils.monitor

from vigie.control.engine_wire import MAX_FRAME_BYTES, VERSION, Answer, Ask, decode_answer, encode_ask
from vigie.control.snapshot_text import SnapshotText
from vigie.control.wire import Body
from vigie.errors import ConnectionLostError, Error
from vigie.events import Event
from vigie.snapshot import Snapshot

# Of an engine that is there and does not answer. A snapshot may wait for viewers that are cut, and for listeners.
APPLY_S = 120.0
ASK_S = 15.0
SILENT_S = 10.0
_TICK_MS = 250
_READ_AT_ONCE = 64
_SAYS_IT_LIVES = frozenset(("apply", "attach", "events"))


@dataclass(frozen=True, slots=True)
class Attached:
    """What an engine has in force. `snapshot`: JSON, empty where it has none; `note`: what came with it."""

    session: str
    instance: str
    revision: int
    snapshot: bytes = field(repr=False)
    note: bytes = field(repr=False)
    acknowledged: int


@dataclass(slots=True)
class _Pending:
    ask: Ask
    until: float
    future: "Future[Answer]" = field(default_factory=Future)


def away() -> ConnectionLostError:
    """What is refused while there is no engine."""
    return ConnectionLostError("it is not there, and is being started; nothing was changed", "engine")


class EngineLink:
    """`on_change`: an engine was attached or has gone; `on_events`: what it says, each batch until it is acknowledged.
    Both are called in the link's thread and may not wait.

    Thread: every other method from any thread.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        on_change: Callable[[Attached | None], None] = lambda attached: None,
        on_events: Callable[[Sequence[Event], int], None] | None = None,
        on_broken: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_events`: events, and how many were lost before them; None: nobody asks for any.

        `on_broken`: told in an `except` that a fault of ours has ended the link.
        """
        self._endpoint = endpoint
        self._text = SnapshotText()
        self._on_change = on_change
        self._on_events = on_events
        self._on_broken = on_broken
        self._changed = threading.Condition()
        self._attached: Attached | None = None
        self._instance = ""
        self._used = ""  # the session under which snapshots are sent
        self._ended = threading.Event()  # the engine was shut down, and its last event is here
        self._outbox: deque[_Pending] = deque()
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)
        self._closing = False
        # Of the thread.
        self._pending: dict[int, _Pending] = {}
        self._number = 0
        self._connected = False
        self._attaching: _Pending | None = None
        self._polling: _Pending | None = None
        self._acknowledged = 0
        self._handled = 0
        self._thread = threading.Thread(target=self._run, name="vigie-engine-link", daemon=True)

    def start(self) -> None:
        """Looks for an engine from now on."""
        self._thread.start()

    def close(self) -> None:
        """Lets the engine go, which goes on by itself. Idempotent."""
        self._closing = True
        self._wake()
        if self._thread.is_alive():
            self._thread.join()

    # What there is of an engine.

    @property
    def is_attached(self) -> bool:
        """Whether there is an engine."""
        return self._attached is not None

    def attached(self, wait_s: float) -> Attached:
        """The engine as it was attached. Raises: ConnectionLostError, when none is there within so many seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._attached is not None or self._closing, wait_s)
            if self._attached is None:
                raise away()
            return self._attached

    @property
    def instance(self) -> str:
        """Of the engine that was attached last: numbers of events count within it."""
        return self._instance

    def use(self, session: str) -> None:
        """Snapshots are meant for the engine of this session from now on, and for no other."""
        self._used = session

    def acknowledge(self, seq: int) -> None:
        """Events up to `seq` have been dealt with: the engine may forget them, and further ones come."""
        self._handled = max(self._handled, seq)
        self._wake()

    # What is used of an engine. Each raises what the engine raises, and ConnectionLostError where there is none.

    def apply(self, snapshot: Mapping[str, Any], note: bytes = b"") -> int:
        """Puts a snapshot in force; its revision. `note` is given back by `attached`. One at a time."""
        return int(self._call("apply", {"note": note}, self._text.of(snapshot), wait_s=APPLY_S).body["revision"])

    def stats(self, *, wait_s: float = ASK_S) -> dict[str, Any]:
        """All figures."""
        figures: dict[str, Any] = json.loads(self._call("stats", wait_s=wait_s).blob)
        return figures

    def snapshot(self, camera: str, stream: str = "", *, timeout: float = 5.0) -> Snapshot:
        """A still."""
        body = {"camera": camera, "stream": stream, "timeout": timeout}
        return Snapshot(**self._call("snapshot", body, wait_s=ASK_S + timeout).body)

    def source_report(self, camera: str, stream: str = "") -> dict[str, Any]:
        """What a stream's device has shown of itself."""
        report: dict[str, Any] = json.loads(self._call("source_report", {"camera": camera, "stream": stream}).blob)
        return report

    def scene_reference(self, camera: str, stream: str = "") -> bytes:
        """The still of a view."""
        return self._call("scene_reference", {"camera": camera, "stream": stream}).blob

    def shut_down(self, wait_s: float) -> None:
        """Ends viewers and sources, and waits until the last event was handed over and acknowledged."""
        self._call("shutdown", wait_s=wait_s)
        self._ended.wait(wait_s)

    def _call(self, op: str, body: Body | None = None, blob: bytes = b"", wait_s: float = ASK_S) -> Answer:
        session = self._used or (self._attached.session if self._attached else "")
        pending = _Pending(Ask(0, op, session, body or {}, blob), time.monotonic() + wait_s)
        if self._attached is None or self._closing:
            raise away()
        self._outbox.append(pending)
        self._wake()
        try:
            answer = pending.future.result(wait_s + 5)
        except FutureTimeoutError:
            raise ConnectionLostError("it does not answer", "engine") from None
        if answer.code:
            raise answer.error()
        return answer

    def _wake(self) -> None:
        with suppress(OSError):
            self._wake_write.send(b"\0")

    # In the thread.

    def _run(self) -> None:
        try:
            self._serve()
        except Exception:
            self._on_broken()
            raise

    def _serve(self) -> None:
        context = zmq.Context()
        try:
            dealer = context.socket(zmq.DEALER)
            dealer.setsockopt(zmq.LINGER, 0)
            dealer.setsockopt(zmq.IMMEDIATE, 1)
            dealer.setsockopt(zmq.RECONNECT_IVL, 20)
            dealer.setsockopt(zmq.RECONNECT_IVL_MAX, 200)
            dealer.setsockopt(zmq.MAXMSGSIZE, MAX_FRAME_BYTES)
            monitor = dealer.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)
            dealer.connect(self._endpoint)
            poller = zmq.Poller()
            for one in (dealer, monitor, self._wake_read):
                poller.register(one, zmq.POLLIN)
            while not self._closing:
                poller.poll(_TICK_MS)
                with suppress(BlockingIOError):
                    while self._wake_read.recv(4096):
                        pass
                # What it said before it went is heard before that it went.
                self._read(dealer)
                self._look(monitor, dealer)
                self._send_all(dealer)
                self._look_at_clock(dealer)
        finally:
            self._lose()
            context.destroy(linger=0)

    def _look(self, monitor: Any, dealer: Any) -> None:
        while monitor.poll(0):
            told = zmq.utils.monitor.recv_monitor_message(monitor, zmq.NOBLOCK)
            self._connected = told["event"] != zmq.EVENT_DISCONNECTED
            self._lose()
            if self._connected:
                self._attach(dealer)

    def _attach(self, dealer: Any) -> None:
        ask = Ask(0, "attach", secrets.token_hex(8))
        self._attaching = self._send(dealer, _Pending(ask, time.monotonic() + SILENT_S))

    def _lose(self) -> None:
        """There is no engine any more, or none that can be trusted to be as it was known."""
        self._attaching = self._polling = None
        waiting = [*self._pending.values(), *self._outbox]
        self._pending.clear()
        self._outbox.clear()
        was = self._attached is not None
        with self._changed:
            self._attached = None
            self._changed.notify_all()
        for pending in waiting:
            pending.future.set_exception(away())
        if was:
            self._on_change(None)

    def _send(self, dealer: Any, pending: _Pending) -> _Pending | None:
        self._number += 1
        ask = pending.ask
        frames = encode_ask(Ask(self._number, ask.op, ask.session, ask.body, ask.blob))
        try:
            dealer.send_multipart(frames, zmq.NOBLOCK)
        except zmq.ZMQError:
            pending.future.set_exception(away())
            return None
        self._pending[self._number] = pending
        return pending

    def _send_all(self, dealer: Any) -> None:
        while self._outbox:
            self._send(dealer, self._outbox.popleft())
        attached = self._attached
        if attached is None or self._polling is not None or self._on_events is None:
            return
        if self._handled >= self._acknowledged:  # all that came has been dealt with
            ask = Ask(0, "events", attached.session, {"after": self._acknowledged})
            self._polling = self._send(dealer, _Pending(ask, time.monotonic() + SILENT_S))

    def _read(self, dealer: Any) -> None:
        for _ in range(_READ_AT_ONCE):
            try:
                frames = dealer.recv_multipart(zmq.NOBLOCK)
            except zmq.ZMQError:
                return
            try:
                answer = decode_answer(frames)
            except Error:
                continue
            pending = self._pending.pop(answer.id, None)
            if pending is None:
                continue
            if pending is self._attaching:
                self._on_attached(pending, answer)
            elif pending is self._polling:
                self._on_polled(answer)
            else:
                pending.future.set_result(answer)

    def _on_attached(self, pending: _Pending, answer: Answer) -> None:
        self._attaching = None
        body = answer.body
        if answer.code or body.get("version") != VERSION:
            return  # asked again at the next tick
        attached = Attached(
            pending.ask.session,
            body["instance"],
            body["revision"],
            answer.blob,
            body["note"],
            body["acknowledged"],
        )
        self._acknowledged = self._handled = attached.acknowledged
        self._ended.clear()
        self._instance = attached.instance
        with self._changed:
            self._attached = attached
            self._changed.notify_all()
        self._on_change(attached)

    def _on_polled(self, answer: Answer) -> None:
        self._polling = None
        if answer.code or self._on_events is None:
            return
        events = [Event(*values) for values in answer.body["events"]]
        if events:
            # Numbers count what the core gave: a hole is what it, or its agent, had no room for.
            lost = events[-1].seq - self._acknowledged - len(events)
            self._acknowledged = events[-1].seq
            self._on_events(events, lost)
        elif answer.body["ended"]:
            self._ended.set()

    def _look_at_clock(self, dealer: Any) -> None:
        now = time.monotonic()
        for number, pending in list(self._pending.items()):
            if pending.until >= now:
                continue
            if pending.ask.op in _SAYS_IT_LIVES:
                # It is there and silent: what it does in the end is found out by attaching to it anew.
                self._lose()
                break
            del self._pending[number]  # one slow answer is no sign of anything
            pending.future.set_exception(ConnectionLostError("it does not answer", "engine"))
        if self._connected and self._attached is None and self._attaching is None:
            self._attach(dealer)
