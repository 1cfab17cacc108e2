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

from vigie.control import desk_ops, ops, wire
from vigie.control.session import (
    ClientKeys,
    Command,
    Following,
    State,
    Steps,
    accepted,
    acknowledging,
    applying,
    asking,
    deleting,
    listing,
    prepare,
    reading_state,
)
from vigie.control.wire import BadMessageError, Event, Reply
from vigie.errors import ControlUnavailableError

M = TypeVar("M", bound=ops.Message)
T = TypeVar("T")
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
        return self._run(applying(yaml, objects, folder, expect_rev, prune, dry_run), timeout_s)

    def get(self, wanted: ops.ObjectsGet | None = None) -> list[ops.Object]:
        """All objects that fit, however many pages they are."""
        return self._run(listing("objects.get", wanted or ops.ObjectsGet(), ops.ObjectsPage, "objects"))

    def delete(
        self, names: Sequence[tuple[str, str]], *, expect_rev: int | None = None, dry_run: bool = False
    ) -> ops.Applied:
        """Deletes objects by kind and name."""
        return self._run(deleting(names, expect_rev, dry_run))

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
        return self._run(listing("mask.list", ops.MaskList(camera=camera), ops.MaskPage, "masks"))

    def snapshot(self, wanted: ops.CameraSnapshot) -> ops.Still:
        """A still of a camera."""
        return self._do("camera.snapshot", wanted, ops.Still)

    def cameras(self, wanted: ops.CameraList | None = None) -> list[ops.CameraOut]:
        """This client's cameras, by number."""
        return self._run(listing("camera.list", wanted or ops.CameraList(), ops.CameraPage, "cameras"))

    def open_route(self, wanted: ops.RouteOpen) -> ops.RouteOpened:
        """A URL to watch a camera by. Raises: ControlRefusedError, with the reason and whom to ask."""
        return self._do("route.open", wanted, ops.RouteOpened)

    def close_route(self, route: str) -> None:
        """Ends a route, and whoever watches by it. Raises: NotFoundError."""
        self._do("route.close", ops.RouteClose(route=route), ops.Nothing)

    def routes(self, camera: str = "") -> list[ops.RouteOut]:
        """Routes that are open."""
        return self._run(listing("route.list", ops.RouteList(camera=camera), ops.RoutePage, "routes"))

    def alarms(self, *, all: bool = False, kinds: Sequence[str] = ()) -> list[desk_ops.AlarmOut]:
        """Alarms, the newest first; `all`: those too that are over and acknowledged."""
        return self._run(
            listing("alarm.list", desk_ops.AlarmList(all=all, kinds=list(kinds)), desk_ops.AlarmPage, "alarms")
        )

    def acknowledge(self, ids: Sequence[str], note: str = "") -> list[desk_ops.AlarmOut]:
        """Somebody has seen these alarms."""
        return self._run(acknowledging(ids, note))

    def open_incident(self, wanted: desk_ops.IncidentOpen) -> desk_ops.IncidentOpened:
        """Bookmarks cameras, and shows them to a Post."""
        return self._do("incident.open", wanted, desk_ops.IncidentOpened)

    def incidents(self, *, all: bool = False) -> list[desk_ops.IncidentOut]:
        """Incidents that this client may know of; `all`: closed ones too."""
        wanted = desk_ops.IncidentList(all=all)
        return self._run(listing("incident.list", wanted, desk_ops.IncidentPage, "incidents"))

    def close_incident(self, name: str, outcome: str) -> desk_ops.IncidentClosed:
        """It is dealt with."""
        wanted = desk_ops.IncidentClose(name=name, outcome=outcome)
        return self._do("incident.close", wanted, desk_ops.IncidentClosed)

    def waiting(self) -> list[desk_ops.Waiting]:
        """Changes that wait for a second person, as far as this client may know of them."""
        return self._run(listing("approval.list", desk_ops.ApprovalList(), desk_ops.WaitingPage, "waiting"))

    def approve(self, wanted: desk_ops.ApprovalGive) -> desk_ops.ApprovalGiven:
        """The second person's yes."""
        return self._do("approval.give", wanted, desk_ops.ApprovalGiven)

    def challenge(self) -> desk_ops.Challenge:
        """How to sign in: the providers, and the nonce for an ID token."""
        return self._do("session.challenge", ops.Nothing(), desk_ops.Challenge)

    def sign_in(self, wanted: desk_ops.SignIn) -> desk_ops.SignedIn:
        """From now on this connection is a person's. Signed in again after a reconnection: it is another then."""
        return self._do("session.sign_in", wanted, desk_ops.SignedIn)

    def sign_out(self) -> None:
        """It is no longer; it has the rights of its key again."""
        self._do("session.sign_out", ops.Nothing(), ops.Nothing)

    def stats(self, wanted: ops.StatsGet | None = None) -> ops.Stats:
        """Figures, one page of cameras."""
        return self._do("stats.get", wanted or ops.StatsGet(), ops.Stats)

    def state(self, kinds: Sequence[str] = (), following: Following | None = None) -> State:
        """All that this client may know of."""
        return self._run(reading_state(kinds, following))

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
        return self._run(asking(op, wanted, answer), timeout_s)

    def _run(self, steps: Steps[T], timeout_s: float | None = None) -> T:
        try:
            op, body = next(steps)
            while True:
                op, body = steps.send(self.call(op, body, timeout_s=timeout_s))
        except StopIteration as done:
            result: T = done.value
            return result

    def _receive(self, wait_s: float) -> Reply | Event | None:
        if not self._socket.poll(max(1, round(wait_s * 1000))):
            return None
        try:
            return wire.decode_answer(self._socket.recv_multipart(zmq.NOBLOCK))
        except (BadMessageError, zmq.Again):
            return None

    def _keep(self, event: Event) -> None:
        # Dropping one leaves a hole in seq, which `watch` notices.
        if len(self._events) < MAX_WAITING and event.kind != "heartbeat":
            self._events.append(event)

    def _next_event(self, wait_s: float) -> Event | None:
        if self._events:
            return self._events.popleft()
        answer = self._receive(wait_s)
        return answer if isinstance(answer, Event) else None
