"""The ZeroMQ service: commands in, replies and events out, on the event loop that calls `start`.

ROUTER sockets: `ipc://` without encryption, for this machine's user alone (permissions of folder and socket, and the
peer's user where the kernel tells it); `tcp://` with CURVE only, each key bound to an agent. A PUB socket carries sums
without names. A client cannot keep another waiting: each has a bounded queue, and what does not fit is dropped.
"""

import asyncio
import secrets
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import zmq
import zmq.auth.asyncio
from pydantic import ValidationError

from vigie.alarms import Step
from vigie.control import wire
from vigie.control.desk import event_of
from vigie.control.handlers import Call, Handlers, problem_values
from vigie.control.keys import Keys, Pair
from vigie.control.local_socket import bind_local, bind_private
from vigie.control.ops import OPS, Message, Still
from vigie.control.parties import JournalSink, Line, ObjectRef, Party, Rights
from vigie.control.peers import Peer
from vigie.control.router import Router, endpoint_of
from vigie.control.store import Applied, digest_of
from vigie.control.targets import camera_of_deleted_set, target_of
from vigie.control.wire import BadMessageError, Body, Reply, Request
from vigie.errors import (
    BindFailedError,
    ClosedError,
    ControlLateError,
    ControlMalformedError,
    ControlRefusedError,
    ControlReplayedError,
    ControlUnknownOpError,
    Error,
    InternalError,
    LimitExceededError,
)
from vigie.policy import ConfigurationError

HEARTBEAT_S = 1.0
PROBE_BEATS = 60  # to a client that has signed in and follows no events
FLUSH_S = 0.02
PEERS = 4096
AT_WORK = 2048
REPLIES_KEPT = 4096
REPLY_BYTES_KEPT = 32 << 20
MANY = 500
KEPT_OPS = frozenset(("events.subscribe", "session.challenge", "session.sign_in"))  # what a client is remembered for
CLOCK_AHEAD_NS = 60_000_000_000
DOMAIN = "vigie"


@dataclass
class _Done:
    """What became of a command: its reply, once there is one."""

    digest: bytes
    peer: Peer
    reply: list[bytes] | None = None


class Service:
    """Serves until `close`. Thread: the event loop's."""

    def __init__(
        self,
        handlers: Handlers,
        rights: Rights,
        journal: JournalSink,
        epoch: str,
        *,
        now_ns: Callable[[], int] = time.time_ns,
        max_events: int = 1000,
    ) -> None:
        self.epoch = epoch
        self.counters: Counter[str] = Counter()
        self._handlers = handlers
        handlers.counters = self.counters
        handlers.on_applied = self.publish_applied
        self._rights = rights
        self._journal = journal
        self._now_ns = now_ns
        self._max_events = max_events
        self._context = zmq.Context()
        self._routers: list[Router] = []
        self._pub: zmq.Socket[bytes] | None = None
        self._auth: zmq.auth.asyncio.AsyncioAuthenticator | None = None
        self._peers: dict[tuple[int, bytes], Peer] = {}
        self._done: OrderedDict[tuple[str, bytes], _Done] = OrderedDict()
        self._done_bytes = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._figures_seq = 0

    def bind(self, endpoint: str, keys: Keys | None = None, pair: Pair | None = None) -> str:
        """Listens; the endpoint with its port. `keys` and `pair` are needed for anything but `ipc://`.

        Raises: BindFailedError.
        """
        socket = self._socket(zmq.ROUTER, endpoint, keys, pair)
        socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        router = Router(socket, keys, len(self._routers), self._on_message)
        self._routers.append(router)
        return router.endpoint

    def bind_figures(self, endpoint: str, keys: Keys | None = None, pair: Pair | None = None) -> str:
        """Publishes sums without names. Raises: BindFailedError."""
        self._pub = self._socket(zmq.PUB, endpoint, keys, pair)
        return endpoint_of(self._pub)

    @property
    def clients(self) -> int:
        """How many are connected."""
        return len(self._peers)

    def start(self) -> None:
        """Begins to answer."""
        for router in self._routers:
            router.start()
        loop = asyncio.get_running_loop()

        def tell(step: Step) -> None:
            with suppress(RuntimeError):  # closing
                loop.call_soon_threadsafe(lambda: self.publish(*event_of(step)))

        self._handlers.desk.start(tell, self._journal, self)
        self._run(self._heartbeats())
        self._run(self._flushes())

    async def close(self) -> None:
        """Waits for the change at work, then lets go of sockets. Idempotent."""
        for router in self._routers:
            router.stop()
        for task in [task for task in self._tasks if task is not asyncio.current_task()]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.to_thread(self._handlers.close)
        if self._auth is not None:
            self._auth.stop()
        for router in self._routers:
            router.close()
        if self._pub is not None:
            self._pub.close(linger=0)
        self._context.destroy(linger=200)

    def publish(
        self, kind: str, name: str, body: Body, ts_ns: int | None = None, about: ObjectRef | None = None
    ) -> None:
        """An event, to every client that subscribed and may know of what it is about (`about`: not what it names)."""
        when = self._now_ns() if ts_ns is None else ts_ns
        self._handlers.desk.alarms.on_event(kind, name, body, when)
        target = about or target_of(kind, name)
        decided: dict[Party, bool] = {}
        for router in self._routers:
            router.refresh()
        for key, peer in list(self._peers.items()):
            if not peer.subscribed:
                continue
            if self._routers[key[0]].party(peer.user) != peer.party:
                self._forget(key)
                continue
            if peer.lapsed(self._now_ns()):
                peer.unsubscribe()
                continue
            acting = peer.acting
            if acting not in decided:
                decided[acting] = target is None or self._rights.may_know(acting, target)
            if decided[acting]:
                peer.event(self.epoch, when, kind, name, body)
        self._handlers.wake(kind, name)

    def listening(self) -> list[Peer]:
        """The clients that follow events and still are who they were."""
        for router in self._routers:
            router.refresh()
        peers = self._peers.items()
        same = [peer for key, peer in peers if self._routers[key[0]].party(peer.user) == peer.party]
        return [peer for peer in same if peer.subscribed and not peer.lapsed(self._now_ns())]

    def connected(self) -> list[Peer]:
        """All clients that are known now."""
        return list(self._peers.values())

    def publish_figures(self, figures: Mapping[str, Any]) -> None:
        """Sums for whoever listens on the PUB socket. Must hold no name of a camera or a person."""
        if self._pub is not None:
            self._figures_seq += 1
            event = wire.Event(self._figures_seq, self.epoch, self._now_ns(), "figures", "", figures)
            with suppress(zmq.Again):
                self._pub.send_multipart(wire.encode_event(event), zmq.NOBLOCK)

    def publish_applied(self, applied: Applied) -> None:
        """Events of a new revision: one for each object, then the revision. Of very many, the revision alone."""
        many = len(applied.changes) > MANY
        for change in () if many else applied.changes:
            name = f"{change.kind}/{change.name}"
            self.publish(f"object_{change.action}", name, {"rev": applied.rev}, about=camera_of_deleted_set(change))
        self.publish("revision", "", {"rev": applied.rev, "many": many})

    def _socket(self, kind: int, endpoint: str, keys: Keys | None, pair: Pair | None) -> "zmq.Socket[bytes]":
        socket = self._context.socket(kind)
        socket.setsockopt(zmq.SNDHWM, 256)
        socket.setsockopt(zmq.RCVHWM, 256)
        # Twice the limit, so that what is too large by a little still gets an answer that says so.
        socket.setsockopt(zmq.MAXMSGSIZE, 2 * wire.MAX_MESSAGE_BYTES)
        socket.setsockopt(zmq.LINGER, 200)
        socket.setsockopt(zmq.HEARTBEAT_IVL, 5000)
        socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 15000)
        if endpoint.startswith("ipc://"):
            bind_local(socket, endpoint)
            return socket
        try:
            if keys is None or pair is None:
                raise BindFailedError("without keys; right would be ipc://, or tcp:// with CURVE", endpoint)
            self._authenticate(keys)
            socket.curve_server = True
            socket.curve_secretkey = pair.secret.encode()
            socket.zap_domain = DOMAIN.encode()
            bind_private(socket, endpoint)
        except zmq.ZMQError as error:
            socket.close(linger=0)
            raise BindFailedError(str(error), endpoint) from None
        except Error:
            socket.close(linger=0)
            raise
        return socket

    def _authenticate(self, keys: Keys) -> None:
        if self._auth is None:
            self._auth = zmq.auth.asyncio.AsyncioAuthenticator(self._context)
            self._auth.start()
            self._auth.configure_curve_callback(DOMAIN, _Provider(keys))

    def _run(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _heartbeats(self) -> None:
        beats = 0
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            now = self._now_ns()
            beats += 1
            for key, peer in list(self._peers.items()):
                peer.heartbeat(self.epoch, now)
                if peer.session is not None and beats % PROBE_BEATS == 0:
                    peer.probe(self.epoch, now)
                if peer.gone or not peer.held(now):
                    self._forget(key)

    async def _flushes(self) -> None:
        """There is no word from ZeroMQ when one peer of many takes messages again."""
        while True:
            await asyncio.sleep(FLUSH_S)
            for key, peer in list(self._peers.items()):
                if peer.waiting:
                    peer.flush()
                if peer.gone:
                    self._forget(key)

    def _forget(self, key: tuple[int, bytes]) -> None:
        peer = self._peers.pop(key)
        self.counters["events_lost"] += peer.lost_events
        self.counters["replies_lost"] += peer.lost_replies

    # A message, from its frames to its handler.

    def _on_message(self, router: Router, identity: bytes, envelope: Sequence[bytes], frames: list[bytes],
                    user: str, address: str) -> None:  # fmt: skip
        self.counters["messages"] += 1
        peer = self._peer(router, identity, envelope, user, address)
        try:
            request = wire.decode_request(frames)
            if peer is None:
                raise BadMessageError(ControlRefusedError("nobody has this key any more"), request.id)
        except BadMessageError as bad:
            self.counters[bad.error.name] += 1
            if peer is None:
                peer = Peer(Party(""), router.sender(identity, envelope))
            self._answer(peer, _refusal(bad.id, bad.error, self._rev))
            return
        try:
            call = self._call(request, peer)
        except Error as error:
            self._refuse(request, peer, error)
            return
        if call is not None:
            self._run(self._carry_out(call))

    def _peer(self, router: Router, identity: bytes, envelope: Sequence[bytes], user: str, address: str) -> Peer | None:
        router.refresh()
        party = router.party(user)
        key = (router.number, identity)
        peer = self._peers.get(key)
        if peer is not None and peer.party == party:
            return peer
        if peer is not None:
            self._forget(key)
        if party is None:
            return None
        send = router.sender(identity, envelope)
        peer = Peer(party, send, user, address, bool(envelope), max_events=self._max_events)
        if len(self._peers) < PEERS:
            self._peers[key] = peer
        return peer

    @property
    def _rev(self) -> int:
        return self._handlers.store.state.rev

    def _call(self, request: Request, peer: Peer) -> Call | None:
        """The command, checked; None where it is at work or was answered. Raises: Error."""
        op = OPS.get(request.op)
        if op is None:
            raise ControlUnknownOpError(f'"{request.op}"; docs/protocol.md lists them')
        deadline_ns = request.ts_ns + request.deadline_ms * 1_000_000
        now = self._now_ns()
        if now > deadline_ns or request.ts_ns > now + CLOCK_AHEAD_NS:
            ahead = (request.ts_ns - now) / 1e9
            raise ControlLateError(f"given {-ahead:.1f} s ago by its own clock, for {request.deadline_ms} ms", op.name)
        party = peer.acting
        if peer.lapsed(now) and not (op.name.startswith("session.") or op.name == "ping"):
            raise ControlRefusedError("the session is over; right would be session.sign_in, or sign_out", op.name)
        if request.on_behalf_of and peer.session is not None:
            raise ControlRefusedError(
                f"{peer.session.agent} has signed in here, and speaks for himself", "on_behalf_of"
            )
        if request.on_behalf_of:
            if not party.trusted_host:
                raise ControlRefusedError("this client is not trusted to speak for others", "on_behalf_of")
            party = Party(party.name, party.administrator, party.trusted_host, party.local, request.on_behalf_of)
        decision = self._rights.may(party, op.name, None)
        if not decision.allowed:
            raise ControlRefusedError(decision.why, op.name)
        digest = digest_of(op.name.encode() + b"\0" + wire.pack(dict(request.body))) if op.changes else b""
        if op.changes and self._answered_before(request, party, peer, digest):
            return None
        try:
            wanted = op.request.model_validate(request.body)
        except ValidationError as errors:
            raise _malformed(errors) from None
        if len(self._tasks) >= AT_WORK:
            raise LimitExceededError(f"{AT_WORK} commands are at work; right would be to ask again later")
        if op.name in KEPT_OPS and len(self._peers) >= PEERS:
            raise LimitExceededError(f"{PEERS} clients are connected")
        if op.changes:
            self._done[_key(party, request.id)] = _Done(digest, peer)
        if op.name.startswith(("events.", "session.")) and peer.acting != party:
            raise ControlRefusedError("events and sessions are for the client itself", "on_behalf_of")
        return Call(party, peer, op, wanted, request.id, digest, deadline_ns)

    def _answered_before(self, request: Request, party: Party, peer: Peer, digest: bytes) -> bool:
        done = self._done.get(_key(party, request.id))
        if done is None:
            return False
        if done.digest != digest:
            raise ControlReplayedError("right would be a new id for a new command", request.id.hex())
        self.counters["retries"] += 1
        done.peer = peer  # it may have come over a new connection
        if done.reply is not None:
            peer.reply(done.reply)
        return True

    async def _carry_out(self, call: Call) -> None:
        call.peer.at_work += 1  # a client that is being answered is not forgotten
        try:
            await self._carry_out_held(call)
        finally:
            call.peer.at_work -= 1

    async def _carry_out_held(self, call: Call) -> None:
        try:
            body = await self._handlers.by_op[call.op.name](call)
            if call.op.journaled and not call.op.changes:
                line = self._line(call, 0, "", body)
                await self._handlers.in_writer(lambda: self._journal.append(line))
            reply = Reply(call.id, True, 0, "", self._rev, body.model_dump())
            frames = wire.encode_reply(reply)
        except asyncio.CancelledError:
            # A change that had begun is carried out all the same; the client asks again.
            self._answer_call(call, _refusal(call.id, ClosedError("the service is closing"), self._rev))
            raise
        except ValidationError as errors:
            await self._refuse_call(call, _malformed(errors))
            return
        except Error as error:
            await self._refuse_call(call, error)
            return
        except Exception as error:  # noqa: BLE001  one command's fault of ours must not end the service
            self.counters["internal"] += 1
            await self._refuse_call(call, InternalError(type(error).__name__, call.op.name))
            return
        self._keep(call, frames)

    @staticmethod
    def _line(call: Call, code: int, text: str, body: Message | None = None) -> Line:
        still = (body.capture_time_ns, body.error_bound_ns) if isinstance(body, Still) else None
        camera = getattr(call.request, "camera", "")
        speaker = call.notes.speaker or call.party.on_behalf_of
        return Line(call.op.name, call.party.name, speaker, code, text, camera, still=still, records=call.notes.records)

    async def _refuse_call(self, call: Call, error: Error) -> None:
        self.counters[error.name] += 1
        if call.op.journaled:
            await self._journal_refusal(self._line(call, error.code, str(error)))
        self._answer_call(call, _refusal(call.id, error, self._rev))

    def _answer_call(self, call: Call, reply: Reply) -> None:
        self._keep(call, wire.encode_reply(reply))

    def _keep(self, call: Call, frames: list[bytes]) -> None:
        """Answers, and remembers the answer for a client that has not received it."""
        done = self._done.get(_key(call.party, call.id)) if call.op.changes else None
        if done is None:
            call.peer.reply(frames)
            return
        done.reply = frames
        self._done_bytes += sum(map(len, frames))
        while len(self._done) > REPLIES_KEPT or self._done_bytes > REPLY_BYTES_KEPT:
            oldest = next((key for key, one in self._done.items() if one.reply is not None), None)
            if oldest is None:
                break
            self._done_bytes -= sum(map(len, self._done.pop(oldest).reply or []))
        done.peer.reply(frames)

    def _refuse(self, request: Request, peer: Peer, error: Error) -> None:
        self.counters[error.name] += 1
        op = OPS.get(request.op)
        if op is not None and op.journaled:
            line = Line(op.name, peer.party.name, request.on_behalf_of, error.code, str(error))
            self._run(self._journal_refusal(line))
        self._answer(peer, _refusal(request.id, error, self._rev))

    async def _journal_refusal(self, line: Line) -> None:
        with suppress(Error, RuntimeError):  # refused anyway; RuntimeError: closing
            await self._handlers.in_writer(lambda: self._journal.append(line))

    def _answer(self, peer: Peer, reply: Reply) -> None:
        peer.reply(wire.encode_reply(reply))


class _Provider:
    """Asks the list of clients for the authenticator."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def callback(self, domain: str, key: bytes) -> bool:
        """Whether somebody has this key."""
        self._keys.refresh()
        return self._keys.party(key.decode("ascii")) is not None


def new_epoch() -> str:
    """A name for one run of the service."""
    return secrets.token_hex(8)


def _key(party: Party, message_id: bytes) -> tuple[str, bytes]:
    return party.tag, message_id


def _refusal(message_id: bytes, error: Error, rev: int) -> Reply:
    body: dict[str, Any] = {"name": error.name, "what": error.what[:4000], "where": error.where[:1000]}
    if isinstance(error, ConfigurationError):
        body["problems"] = problem_values(error.problems)
    return Reply(message_id, False, error.code, str(error)[:1000], rev, body)


def _malformed(errors: ValidationError) -> Error:
    first = errors.errors(include_url=False, include_input=False)[0]
    field = ".".join(str(step) for step in first["loc"])[:200]
    return ControlMalformedError(f"body: {first['msg'][:200]}", field)
