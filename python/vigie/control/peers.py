"""One connected client each: his subscription, his bounded queue, and what he is sent. Owned by the event loop."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from vigie.control.parties import Party
from vigie.control.wire import Body, Event, encode_event

# Sends frames to the peer: True when taken, False when its pipe is full, None when it is gone.
Send = Callable[[Sequence[bytes]], bool | None]

MAX_EVENTS = 1000
MAX_REPLIES = 256


@dataclass(frozen=True, slots=True)
class Session:
    """Who signed in on a connection, and until when. `post`: where he sits, where that is known."""

    agent: str
    until_ns: int
    post: str = ""


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a token has to hold that somebody signs in with."""

    nonce: str = field(repr=False)
    until_ns: int


@dataclass
class Peer:
    """`user`: his key, where he has one. `seq`: of the last event made for this subscription, sent or lost."""

    party: Party
    send: Send
    user: str = ""
    address: str = ""  # where it is, where that is known
    asks_only: bool = False  # a REQ socket: it takes answers and nothing else
    session: Session | None = None
    challenge: Challenge | None = None
    at_work: int = 0  # its commands that are being carried out
    kinds: frozenset[str] = frozenset()
    subscribed: bool = False
    seq: int = 0
    gone: bool = False
    lost_events: int = 0
    lost_replies: int = 0
    max_events: int = MAX_EVENTS
    _replies: deque[Sequence[bytes]] = field(default_factory=deque)
    _events: deque[Sequence[bytes]] = field(default_factory=deque)

    @property
    def waiting(self) -> bool:
        """Whether something has not been sent yet."""
        return bool(self._replies or self._events)

    @property
    def acting(self) -> Party:
        """Whose rights it has: those of whoever has signed in, else those of its key."""
        if self.session is None:
            return self.party
        return replace(self.party, on_behalf_of=self.session.agent)

    def held(self, now_ns: int) -> bool:
        """Whether there is anything to remember of it."""
        challenged = self.challenge is not None and self.challenge.until_ns > now_ns
        return bool(self.subscribed or self.waiting or self.at_work or self.session is not None or challenged)

    def lapsed(self, now_ns: int) -> bool:
        """Whether somebody had signed in, and his session is over."""
        return self.session is not None and self.session.until_ns <= now_ns

    def subscribe(self, kinds: frozenset[str]) -> None:
        """Events from now on; `seq` counts on, so that what is on its way of a subscription before is known as such."""
        self.kinds, self.subscribed = kinds, True
        self._events.clear()

    def unsubscribe(self) -> None:
        """No events any more."""
        self.subscribed = False
        self._events.clear()

    def reply(self, frames: Sequence[bytes]) -> None:
        """Sends an answer, before any event that waits."""
        if len(self._replies) >= MAX_REPLIES:  # it asks and does not read: it will ask again
            self._replies.popleft()
            self.lost_replies += 1
        self._replies.append(frames)
        self.flush()

    def event(self, epoch: str, ts_ns: int, kind: str, name: str, body: Body) -> None:
        """Sends an event where it is subscribed. When too many wait the oldest goes, and leaves a hole in `seq`."""
        if not self.subscribed or (self.kinds and kind not in self.kinds):
            return
        self.seq += 1
        if len(self._events) >= self.max_events:
            self._events.popleft()
            self.lost_events += 1
        self._events.append(encode_event(Event(self.seq, epoch, ts_ns, kind, name, body)))
        self.flush()

    def heartbeat(self, epoch: str, ts_ns: int) -> None:
        """Says that it is there, and the last `seq`, so that a lost last event is seen too."""
        if self.subscribed and not self.waiting:
            self._put(encode_event(Event(self.seq, epoch, ts_ns, "heartbeat", "", {})))

    def probe(self, epoch: str, ts_ns: int) -> None:
        """A heartbeat without a subscription: whether a client that has signed in is still there."""
        if not self.subscribed and not self.waiting and not self.asks_only:
            self._put(encode_event(Event(self.seq, epoch, ts_ns, "heartbeat", "", {})))

    def flush(self) -> None:
        """Sends what waits, as far as the peer takes it."""
        for queue in (self._replies, self._events):
            while queue:
                if not self._put(queue[0]):
                    return
                queue.popleft()

    def _put(self, frames: Sequence[bytes]) -> bool:
        taken = self.send(frames)
        if taken is None:
            self.gone = True
            self.unsubscribe()
            self._replies.clear()
        return bool(taken)
