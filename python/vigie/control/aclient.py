"""The client for asyncio; see `client.py`, whose calls it has under the same names."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

import zmq

from vigie.control import desk_ops, ops, wire
from vigie.control.client import MAX_WAITING, TIMEOUT_S
from vigie.control.inbox import Inbox
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
from vigie.errors import ClosedError, ControlUnavailableError

M = TypeVar("M", bound=ops.Message)
T = TypeVar("T")


class _Waiting:
    """For one reply. `woken`: it is there, or its time is over."""

    def __init__(self) -> None:
        self.reply: Reply | None = None
        self.woken: asyncio.Future[None]

    async def wait(self, wait_s: float) -> Reply | None:
        """What has come within so many seconds, or None."""
        loop = asyncio.get_running_loop()
        self.woken = loop.create_future()
        timer = loop.call_later(wait_s, self.wake)
        try:
            await self.woken
        finally:
            timer.cancel()
        return self.reply

    def wake(self) -> None:
        """Ends the wait. Harmless after it."""
        if not self.woken.done():
            self.woken.set_result(None)


class AsyncClient:
    """One connection; calls may run side by side. An asynchronous context manager, which starts and ends it."""

    def __init__(
        self, endpoint: str, keys: ClientKeys | None = None, *, timeout_s: float = TIMEOUT_S, on_behalf_of: str = ""
    ) -> None:
        """Raises: InvalidArgumentError."""
        self._endpoint = endpoint
        self._timeout_s = timeout_s
        self._on_behalf_of = on_behalf_of
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._inbox = Inbox(self._socket, self._on_message)
        self._waiting: dict[bytes, _Waiting] = {}
        self._events: asyncio.Queue[Event] = asyncio.Queue(MAX_WAITING)
        try:
            prepare(self._socket, endpoint, keys)
        except BaseException:
            self._socket.close(linger=0)
            self._context.term()
            raise

    async def __aenter__(self) -> Self:
        self._inbox.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Lets the connection go; calls that wait are cancelled. Idempotent."""
        self._inbox.stop()
        for waiting in self._waiting.values():
            waiting.woken.cancel()
        self._socket.close(linger=0)
        self._context.term()

    async def call(self, op: str, body: wire.Body, *, timeout_s: float | None = None) -> Reply:
        """Any operation, in plain values; the reply, which is ok."""
        command = Command.make(op, body, self._timeout_s if timeout_s is None else timeout_s, self._on_behalf_of)
        waiting = self._waiting[command.request.id] = _Waiting()
        try:
            while (left := command.left_s()) > 0:
                if self._socket.closed:
                    raise ClosedError("the client was closed", op)
                wait = 0.02  # not connected
                try:
                    self._socket.send_multipart(command.frames, zmq.NOBLOCK)
                    wait = command.next_wait_s()
                except zmq.Again:
                    pass
                self._inbox.touched()
                if (reply := await waiting.wait(min(left, wait))) is not None:
                    return accepted(reply)
        finally:
            self._waiting.pop(command.request.id, None)
        raise command.unanswered(self._endpoint)

    async def ping(self, *, timeout_s: float | None = None) -> ops.Pong:
        """Whether it is there, and as whom it knows us."""
        return await self._do("ping", ops.Nothing(), ops.Pong, timeout_s)

    async def apply(
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
        return await self._run(applying(yaml, objects, folder, expect_rev, prune, dry_run), timeout_s)

    async def get(self, wanted: ops.ObjectsGet | None = None) -> list[ops.Object]:
        """All objects that fit, however many pages they are."""
        return await self._run(listing("objects.get", wanted or ops.ObjectsGet(), ops.ObjectsPage, "objects"))

    async def delete(
        self, names: Sequence[tuple[str, str]], *, expect_rev: int | None = None, dry_run: bool = False
    ) -> ops.Applied:
        """Deletes objects by kind and name."""
        return await self._run(deleting(names, expect_rev, dry_run))

    async def rollback(self, wanted: ops.ObjectsRollback) -> ops.Applied:
        """Own objects as they were."""
        return await self._do("objects.rollback", wanted, ops.Applied)

    async def history(self, wanted: ops.ObjectsHistory | None = None) -> ops.HistoryPage:
        """One page of revisions, the newest first."""
        return await self._do("objects.history", wanted or ops.ObjectsHistory(), ops.HistoryPage)

    async def wait(self, wanted: ops.ObjectsWait, *, timeout_s: float | None = None) -> ops.Waited:
        """Until it is so. Raises: TimedOutError."""
        return await self._do("objects.wait", wanted, ops.Waited, timeout_s)

    async def masks(self, camera: str = "") -> list[ops.MaskOut]:
        """Mask sets in force."""
        return await self._run(listing("mask.list", ops.MaskList(camera=camera), ops.MaskPage, "masks"))

    async def snapshot(self, wanted: ops.CameraSnapshot) -> ops.Still:
        """A still of a camera."""
        return await self._do("camera.snapshot", wanted, ops.Still)

    async def cameras(self, wanted: ops.CameraList | None = None) -> list[ops.CameraOut]:
        """This client's cameras, by number."""
        return await self._run(listing("camera.list", wanted or ops.CameraList(), ops.CameraPage, "cameras"))

    async def open_route(self, wanted: ops.RouteOpen) -> ops.RouteOpened:
        """A URL to watch a camera by. Raises: ControlRefusedError, with the reason and whom to ask."""
        return await self._do("route.open", wanted, ops.RouteOpened)

    async def close_route(self, route: str) -> None:
        """Ends a route, and whoever watches by it. Raises: NotFoundError."""
        await self._do("route.close", ops.RouteClose(route=route), ops.Nothing)

    async def routes(self, camera: str = "") -> list[ops.RouteOut]:
        """Routes that are open."""
        return await self._run(listing("route.list", ops.RouteList(camera=camera), ops.RoutePage, "routes"))

    async def alarms(self, *, all: bool = False, kinds: Sequence[str] = ()) -> list[desk_ops.AlarmOut]:
        """Alarms, the newest first; `all`: those too that are over and acknowledged."""
        return await self._run(
            listing("alarm.list", desk_ops.AlarmList(all=all, kinds=list(kinds)), desk_ops.AlarmPage, "alarms")
        )

    async def acknowledge(self, ids: Sequence[str], note: str = "") -> list[desk_ops.AlarmOut]:
        """Somebody has seen these alarms."""
        return await self._run(acknowledging(ids, note))

    async def open_incident(self, wanted: desk_ops.IncidentOpen) -> desk_ops.IncidentOpened:
        """Bookmarks cameras, and shows them to a Post."""
        return await self._do("incident.open", wanted, desk_ops.IncidentOpened)

    async def incidents(self, *, all: bool = False) -> list[desk_ops.IncidentOut]:
        """Incidents that this client may know of; `all`: closed ones too."""
        return await self._run(
            listing("incident.list", desk_ops.IncidentList(all=all), desk_ops.IncidentPage, "incidents")
        )

    async def close_incident(self, name: str, outcome: str) -> desk_ops.IncidentClosed:
        """It is dealt with."""
        wanted = desk_ops.IncidentClose(name=name, outcome=outcome)
        return await self._do("incident.close", wanted, desk_ops.IncidentClosed)

    async def waiting(self) -> list[desk_ops.Waiting]:
        """Changes that wait for a second person, as far as this client may know of them."""
        return await self._run(listing("approval.list", desk_ops.ApprovalList(), desk_ops.WaitingPage, "waiting"))

    async def approve(self, wanted: desk_ops.ApprovalGive) -> desk_ops.ApprovalGiven:
        """The second person's yes."""
        return await self._do("approval.give", wanted, desk_ops.ApprovalGiven)

    async def challenge(self) -> desk_ops.Challenge:
        """How to sign in: the providers, and the nonce for an ID token."""
        return await self._do("session.challenge", ops.Nothing(), desk_ops.Challenge)

    async def sign_in(self, wanted: desk_ops.SignIn) -> desk_ops.SignedIn:
        """From now on this connection is a person's. Signed in again after a reconnection: it is another then."""
        return await self._do("session.sign_in", wanted, desk_ops.SignedIn)

    async def sign_out(self) -> None:
        """It is no longer; it has the rights of its key again."""
        await self._do("session.sign_out", ops.Nothing(), ops.Nothing)

    async def stats(self, wanted: ops.StatsGet | None = None) -> ops.Stats:
        """Figures, one page of cameras."""
        return await self._do("stats.get", wanted or ops.StatsGet(), ops.Stats)

    async def state(self, kinds: Sequence[str] = (), following: Following | None = None) -> State:
        """All that this client may know of."""
        return await self._run(reading_state(kinds, following))

    async def watch(self, kinds: Sequence[str] = ()) -> AsyncIterator[State | Event]:
        """A State, then every event after it; a State again whenever events may be missing. One at a time."""
        following = Following()
        stale = True
        heard = 0.0
        while True:
            if stale:
                while not self._events.empty():
                    self._events.get_nowait()
                wanted = ops.Subscribe(kinds=list(kinds))
                try:
                    following.begin(await self._do("events.subscribe", wanted, ops.Subscribed))
                    state = await self.state(following=following)
                except ControlUnavailableError:
                    continue
                yield state
                stale, heard = False, time.monotonic()
            try:
                event = await asyncio.wait_for(self._events.get(), 0.2)
            except TimeoutError:
                stale = time.monotonic() - heard > following.silence_s
                continue
            heard = time.monotonic()
            verdict = following.judge(event)
            stale = verdict == "ask again"
            if verdict == "deliver":
                yield event

    async def _do(self, op: str, wanted: ops.Message, answer: type[M], timeout_s: float | None = None) -> M:
        return await self._run(asking(op, wanted, answer), timeout_s)

    async def _run(self, steps: Steps[T], timeout_s: float | None = None) -> T:
        try:
            op, body = next(steps)
            while True:
                op, body = steps.send(await self.call(op, body, timeout_s=timeout_s))
        except StopIteration as done:
            result: T = done.value
            return result

    def _on_message(self, parts: Sequence[zmq.Frame]) -> None:
        try:
            answer = wire.decode_answer([part.bytes for part in parts])
        except BadMessageError:
            return
        if isinstance(answer, Event):
            # What finds no place leaves a hole in seq, which `watch` notices.
            if not self._events.full():
                self._events.put_nowait(answer)
        elif (waiting := self._waiting.get(answer.id)) is not None:
            waiting.reply = answer
            waiting.wake()
