"""A client of the control service, for threads; `aclient.py` has the same for asyncio.

    with Client("ipc:///var/lib/vigie/control.sock") as client:
        client.apply(yaml=[ops.YamlSource(text=text, file="town.yaml", folder="/etc/vigie")])
        for item in client.watch():      # first a State, then Events; a State again whenever events may be missing
            …

A command that is not answered is sent again under its id until its time is over; the service carries it out once.
"""

import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

import zmq

from vigie.control import ops, wire
from vigie.control.session import ClientKeys, Command, Following, State, accepted, prepare, staging
from vigie.control.wire import BadMessageError, Event, Reply
from vigie.errors import ControlUnavailableError

M = TypeVar("M", bound=ops.Message)
TIMEOUT_S = 30.0
MAX_WAITING = 10_000


class Client:
    """One connection. Thread: one at a time. A context manager.

    Every call raises the error that the service answered with (vigie.errors; ConfigurationError with each mistake), or
    ControlUnavailableError when nobody answers in time.
    """

    def __init__(
        self, endpoint: str, keys: ClientKeys | None = None, *, timeout_s: float = TIMEOUT_S, on_behalf_of: str = ""
    ) -> None:
        """Connects in the background, and again whenever it must. Raises: InvalidArgumentError."""
        self._endpoint = endpoint
        self._timeout_s = timeout_s
        self._on_behalf_of = on_behalf_of
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._events: deque[Event] = deque()
        try:
            prepare(self._socket, endpoint, keys)
        except BaseException:
            self.close()
            raise

    def call(self, op: str, body: wire.Body, *, timeout_s: float | None = None) -> Reply:
        """Any operation, in plain values; the reply, which is ok."""
        command = Command.make(op, body, self._timeout_s if timeout_s is None else timeout_s, self._on_behalf_of)
        send_at = time.monotonic()
        while (left := command.left_s()) > 0:
            now = time.monotonic()
            if now >= send_at:
                try:
                    self._socket.send_multipart(command.frames, zmq.NOBLOCK)
                    send_at = now + command.next_wait_s()
                except zmq.Again:  # not connected
                    send_at = now + 0.02
            answer = self._receive(min(left, max(0.0, send_at - now)))
            if isinstance(answer, Reply) and answer.id == command.request.id:
                return accepted(answer)
            if isinstance(answer, Event):
                self._keep(answer)
        raise command.unanswered(self._endpoint)

    def ping(self, *, timeout_s: float | None = None) -> ops.Pong:
        """Whether it is there, and as whom it knows us."""
        return self._do("ping", ops.Nothing(), ops.Pong, timeout_s)

    def apply(
        self,
        *,
        yaml: Sequence[ops.YamlSource] = (),
        objects: Sequence[Mapping[str, Any]] = (),
        folder: str = "/",
        expect_rev: int | None = None,
        prune: bool = False,
        dry_run: bool = False,
        timeout_s: float | None = None,
    ) -> ops.Applied:
        """Makes objects so, in parts where they are too large for one message."""
        wanted = ops.ObjectsApply(
            yaml=list(yaml), objects=list(objects), folder=folder, expect_rev=expect_rev, prune=prune, dry_run=dry_run
        )
        if (staged := staging(wanted.model_dump())) is None:
            return self._do("objects.apply", wanted, ops.Applied, timeout_s)
        for part in staged.parts:
            self._do("objects.stage", part, ops.Staged, timeout_s)
        return self._do("objects.commit", staged.commit, ops.Applied, timeout_s)

    def get(self, wanted: ops.ObjectsGet | None = None) -> list[ops.Object]:
        """All objects that fit, however many pages they are."""
        asked = wanted or ops.ObjectsGet()
        found: list[ops.Object] = []
        while True:
            page = self._do("objects.get", asked, ops.ObjectsPage)
            found += page.objects
            if not page.next:
                return found
            asked = asked.model_copy(update={"after": page.next})

    def delete(
        self, names: Sequence[tuple[str, str]], *, expect_rev: int | None = None, dry_run: bool = False
    ) -> ops.Applied:
        """Deletes objects by kind and name."""
        objects = [ops.ObjectName(kind=kind, name=name) for kind, name in names]
        wanted = ops.ObjectsDelete(objects=objects, expect_rev=expect_rev, dry_run=dry_run)
        return self._do("objects.delete", wanted, ops.Applied)

    def rollback(self, wanted: ops.ObjectsRollback) -> ops.Applied:
        """Own objects as they were."""
        return self._do("objects.rollback", wanted, ops.Applied)

    def history(self, wanted: ops.ObjectsHistory | None = None) -> ops.HistoryPage:
        """One page of revisions, the newest first."""
        return self._do("objects.history", wanted or ops.ObjectsHistory(), ops.HistoryPage)

    def wait(self, wanted: ops.ObjectsWait, *, timeout_s: float | None = None) -> ops.Waited:
        """Until it is so. Raises: TimedOutError."""
        return self._do("objects.wait", wanted, ops.Waited, timeout_s)

    def masks(self, camera: str = "") -> list[ops.MaskOut]:
        """Mask sets in force."""
        found: list[ops.MaskOut] = []
        after = ""
        while True:
            page = self._do("mask.list", ops.MaskList(camera=camera, after=after), ops.MaskPage)
            found += page.masks
            if not page.next:
                return found
            after = page.next

    def snapshot(self, wanted: ops.CameraSnapshot) -> ops.Still:
        """A still of a camera."""
        return self._do("camera.snapshot", wanted, ops.Still)

    def stats(self, wanted: ops.StatsGet | None = None) -> ops.Stats:
        """Figures, one page of cameras."""
        return self._do("stats.get", wanted or ops.StatsGet(), ops.Stats)

    def state(self, kinds: Sequence[str] = (), following: Following | None = None) -> State:
        """All that this client may know of."""
        items: list[ops.StateItem] = []
        after, rev, epoch = "", 0, ""
        while True:
            reply = self.call("state.get", ops.StateGet(after=after, kinds=list(kinds)).model_dump())
            page = ops.StatePage.model_validate(reply.body)
            if not after:
                rev, epoch = reply.rev, page.epoch
                if following is not None:
                    following.from_page(page)
            items += page.items
            if not page.next:
                return State(items, rev, epoch)
            after = page.next

    def watch(self, kinds: Sequence[str] = (), *, timeout_s: float | None = None) -> Iterator[State | Event]:
        """A State, then every event after it; a State again whenever events may be missing (overflow, restart).

        Goes on through restarts of the service. Ends when nothing came for `timeout_s` (None: never).
        """
        following = Following()
        quiet_since = time.monotonic()
        stale = True
        while timeout_s is None or time.monotonic() - quiet_since < timeout_s:
            if stale:
                self._events.clear()
                left = self._timeout_s if timeout_s is None else timeout_s
                wanted = ops.Subscribe(kinds=list(kinds))
                try:
                    following.begin(self._do("events.subscribe", wanted, ops.Subscribed, left))
                    state = self.state(following=following)
                except ControlUnavailableError:
                    if timeout_s is not None:
                        raise
                    continue
                yield state
                stale, heard, quiet_since = False, time.monotonic(), time.monotonic()
            event = self._next_event(0.2)
            if event is None:
                stale = time.monotonic() - heard > following.silence_s
                continue
            heard = time.monotonic()
            verdict = following.judge(event)
            stale = verdict == "ask again"
            if verdict == "deliver":
                yield event
                heard = quiet_since = time.monotonic()  # what the caller did meanwhile is no silence

    def close(self) -> None:
        """Lets the connection go. Idempotent."""
        self._socket.close(linger=0)
        self._context.term()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _do(self, op: str, wanted: ops.Message, answer: type[M], timeout_s: float | None = None) -> M:
        return answer.model_validate(self.call(op, wanted.model_dump(), timeout_s=timeout_s).body)

    def _receive(self, wait_s: float) -> Reply | Event | None:
        if not self._socket.poll(max(1, round(wait_s * 1000))):
            return None
        try:
            return wire.decode_answer(self._socket.recv_multipart(zmq.NOBLOCK))
        except (BadMessageError, zmq.Again):
            return None

    def _keep(self, event: Event) -> None:
        # Dropping one leaves a hole in seq, which `watch` notices.
        if len(self._events) < MAX_WAITING:
            self._events.append(event)

    def _next_event(self, wait_s: float) -> Event | None:
        if self._events:
            return self._events.popleft()
        answer = self._receive(wait_s)
        return answer if isinstance(answer, Event) else None
