"""The engine process: the core, and this thin agent. The only file where ZeroMQ and the core meet.

It listens in the state folder for the control process, puts in force what that sends, answers its questions, and keeps
the engine's events until they are acknowledged, control's death included. It decides nothing: without a snapshot the
engine shows nothing, and what a snapshot allows ends by the core's own timers. One control at a time: each attaches
with a session of its own, and what comes of an earlier session is refused.

Threads: the event loop (sockets, events, signals), one writer (attachments and snapshots, one after another), workers.
"""

import asyncio
import json
import secrets
import signal
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any, Protocol

import zmq

from vigie.control.engine_wire import (
    EVENTS_AT_ONCE,
    EVENTS_WAIT_S,
    MAX_FRAME_BYTES,
    VERSION,
    Answer,
    Ask,
    decode_ask,
    encode_answer,
    event_values,
)
from vigie.control.event_buffer import EventBuffer
from vigie.control.local_socket import bind_local
from vigie.control.router import Router
from vigie.engine import Engine
from vigie.errors import ClosedError, ConnectionLostError, ControlUnknownOpError, Error, InternalError
from vigie.events import Event

# Of the core's own queue: this process takes events out at once, unless it gets no processor for a while.
EVENT_CAPACITY = 32_768
WORKERS = 6
# How long an engine that was shut down waits for its last events to be taken.
LAST_EVENTS_S = 5.0


class EngineLike(Protocol):
    """What of `vigie.Engine` is used."""

    def apply(self, snapshot: str) -> int: ...

    def next_event(self, timeout: float) -> Event | None: ...

    def event_fileno(self) -> int: ...

    def stats(self) -> dict[str, Any]: ...

    def snapshot(self, camera: str, stream: str, *, timeout: float) -> Any: ...

    def source_report(self, camera: str, stream: str) -> dict[str, Any]: ...

    def scene_reference(self, camera: str, stream: str) -> bytes: ...

    def close(self) -> None: ...


Send = Callable[[Sequence[bytes]], bool | None]


def serve_engine(
    endpoint: str,
    *,
    shards: int = 1,
    cpus: Sequence[int] = (),
    mask_encoder: str = "",
    on_ready: Callable[[], None],
) -> int:
    """Runs an engine for whoever attaches at `endpoint`, until SIGTERM or SIGINT; the exit code.

    Raises: BindFailedError, InvalidArgumentError (shards, cpus, mask_encoder).
    """
    with Engine(
        shards=shards, cpus=cpus, event_capacity=EVENT_CAPACITY, realtime_io=True, mask_encoder=mask_encoder
    ) as engine:
        agent = EngineAgent(engine, endpoint, on_ready)

        async def run() -> None:
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, agent.stop)
            await agent.run()

        asyncio.run(run())
    return 0


class EngineAgent:
    """Answers one control process for one engine."""

    def __init__(self, engine: EngineLike, endpoint: str, on_ready: Callable[[], None] = lambda: None) -> None:
        self.instance = secrets.token_hex(8)
        self.events = EventBuffer()
        self._engine = engine
        self._on_ready = on_ready
        self._context = zmq.Context()
        self._router = Router(_listening(self._context, endpoint), None, 0, self._on_message)
        self._stop = asyncio.Event()
        self._ended = False  # the engine has been closed, and no event comes any more
        self._tasks: set[asyncio.Task[None]] = set()
        self._writer = ThreadPoolExecutor(1, "vigie-apply")
        self._workers = ThreadPoolExecutor(WORKERS, "vigie-engine")
        # Of the writer: whose session it is, and what is in force.
        self._session = ""
        self._revision = 0
        self._snapshot = b""
        self._note = b""
        self._shut_down = False
        # Of the loop: whoever waits for events.
        self._waiting: tuple[Ask, Send, asyncio.TimerHandle] | None = None

    async def run(self) -> None:
        """Until `stop`."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._engine.event_fileno(), self._pull)
        try:
            self._router.start()
            self._on_ready()
            await self._stop.wait()
        finally:
            loop.remove_reader(self._engine.event_fileno())
            self._router.stop()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await asyncio.to_thread(self._writer.shutdown, cancel_futures=True)
            self._workers.shutdown(wait=False, cancel_futures=True)
            self._router.close()
            self._context.destroy(linger=200)

    def stop(self) -> None:
        """Ends `run`."""
        self._stop.set()

    def _on_message(self, _router: Router, identity: bytes, envelope: Sequence[bytes], frames: list[bytes],
                    _user: str, _address: str) -> None:  # fmt: skip
        try:
            ask = decode_ask(frames)
        except Error:
            return  # nobody of ours
        send = self._router.sender(identity, envelope)
        if ask.op == "events":
            self._on_events(ask, send)
            return
        task = asyncio.get_running_loop().create_task(self._carry_out(ask, send))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry_out(self, ask: Ask, send: Send) -> None:
        pool = self._writer if ask.op in _IN_WRITER else self._workers
        try:
            work = _OPS.get(ask.op)
            if work is None:
                raise ControlUnknownOpError(f'"{ask.op}": control and engine are of different versions; restart both')
            answer = await asyncio.get_running_loop().run_in_executor(pool, work, self, ask)
        except Error as error:
            answer = Answer(ask.id, error.code, error.where, error.what)
        except Exception as error:  # noqa: BLE001  a fault of ours must not leave control waiting
            answer = Answer(ask.id, InternalError.code, ask.op, type(error).__name__)
        send(encode_answer(answer))

    # In the writer.

    def _attach(self, ask: Ask) -> Answer:
        if self._shut_down:
            raise ClosedError("it was shut down, and is about to end", "engine")
        self._session = ask.session
        body = {
            "version": VERSION,
            "instance": self.instance,
            "revision": self._revision,
            "note": self._note,
            "acknowledged": self.events.acknowledged,
        }
        return Answer(ask.id, body=body, blob=self._snapshot)

    def _apply(self, ask: Ask) -> Answer:
        self._check_session(ask)
        revision = self._engine.apply(ask.blob.decode())
        self._revision, self._snapshot, self._note = revision, ask.blob, bytes(ask.body.get("note", b""))
        return Answer(ask.id, body={"revision": revision})

    def _shutdown(self, ask: Ask) -> Answer:
        """Ends viewers and sources. Their last events can still be asked for."""
        self._check_session(ask)
        self._shut_down = True
        self._engine.close()
        return Answer(ask.id)

    def _check_session(self, ask: Ask) -> None:
        if ask.session != self._session:
            raise ConnectionLostError("this attachment is over: there is a newer one; nothing was changed", "engine")

    # In workers.

    def _stats(self, ask: Ask) -> Answer:
        return Answer(ask.id, blob=json.dumps(self._engine.stats()).encode())

    def _still(self, ask: Ask) -> Answer:
        return Answer(ask.id, body=asdict(self._engine.snapshot(**ask.body)))

    def _source_report(self, ask: Ask) -> Answer:
        return Answer(ask.id, blob=json.dumps(self._engine.source_report(**ask.body)).encode())

    def _scene_reference(self, ask: Ask) -> Answer:
        return Answer(ask.id, blob=self._engine.scene_reference(**ask.body))

    # On the loop: events.

    def _pull(self) -> None:
        # Bounded, so that a flood of events does not keep everything else waiting.
        for _ in range(1000):
            try:
                event = self._engine.next_event(0)
            except Error:  # closed, and all taken
                loop = asyncio.get_running_loop()
                loop.remove_reader(self._engine.event_fileno())
                self._ended = True
                loop.call_later(LAST_EVENTS_S, self.stop)  # whoever shut it down may be gone
                break
            if event is None:
                break
            self.events.add(event)
        self._answer_waiting()

    def _on_events(self, ask: Ask, send: Send) -> None:
        if ask.session != self._session:
            send(encode_answer(Answer(ask.id, ConnectionLostError.code, "engine", "this attachment is over")))
            return
        self.events.acknowledge(int(ask.body.get("after", 0)))
        self._forget_waiting()
        timer = asyncio.get_running_loop().call_later(EVENTS_WAIT_S, self._give_events)
        self._waiting = (ask, send, timer)
        self._answer_waiting()

    def _answer_waiting(self) -> None:
        if len(self.events) or self._ended:
            self._give_events()

    def _give_events(self) -> None:
        if self._waiting is None:
            return
        ask, send, _ = self._waiting
        self._forget_waiting()
        found = [event_values(event) for event in self.events.first(EVENTS_AT_ONCE)]
        body = {"events": found, "lost": self.events.lost, "ended": self._ended and not found}
        send(encode_answer(Answer(ask.id, body=body)))

    def _forget_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting[2].cancel()
            self._waiting = None


_OPS: Mapping[str, Callable[[EngineAgent, Ask], Answer]] = {
    "attach": EngineAgent._attach,
    "apply": EngineAgent._apply,
    "shutdown": EngineAgent._shutdown,
    "stats": EngineAgent._stats,
    "snapshot": EngineAgent._still,
    "source_report": EngineAgent._source_report,
    "scene_reference": EngineAgent._scene_reference,
}
_IN_WRITER = frozenset(("attach", "apply", "shutdown"))


def _listening(context: "zmq.Context[Any]", endpoint: str) -> "zmq.Socket[bytes]":
    socket: zmq.Socket[bytes] = context.socket(zmq.ROUTER)
    socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
    socket.setsockopt(zmq.MAXMSGSIZE, MAX_FRAME_BYTES)
    socket.setsockopt(zmq.LINGER, 200)
    bind_local(socket, endpoint)
    return socket
