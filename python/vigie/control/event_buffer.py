"""Events of the engine on their way to the journal: kept until control has dealt with them."""

from collections import deque
from itertools import islice

from vigie.events import Event

CAPACITY = 50_000
# They repeat without end and are nobody's right: where there is no room they go before all others.
MINOR = frozenset("stream_fault stream_track viewer_dropped lane_overload engine_warning".split())


class EventBuffer:
    """Events in the order of their `seq`, bounded. What had no room is missing in `seq`, and counted in `lost`."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self.acknowledged = 0
        self.lost = 0
        self._capacity = capacity
        self._events: dict[int, Event] = {}
        self._minor: deque[int] = deque()

    def __len__(self) -> int:
        return len(self._events)

    def add(self, event: Event) -> None:
        """Keeps an event; where there is no room, the oldest minor one goes, else the oldest."""
        if len(self._events) >= self._capacity:
            self._drop()
        self._events[event.seq] = event
        if event.kind in MINOR:
            self._minor.append(event.seq)

    def first(self, limit: int) -> list[Event]:
        """The oldest that nobody has acknowledged; asking again gives them again."""
        return list(islice(self._events.values(), limit))

    def acknowledge(self, seq: int) -> None:
        """Events up to `seq` have been dealt with."""
        while self._events and (oldest := next(iter(self._events))) <= seq:
            del self._events[oldest]
        while self._minor and self._minor[0] <= seq:
            self._minor.popleft()
        self.acknowledged = max(self.acknowledged, seq)

    def _drop(self) -> None:
        self.lost += 1
        while self._minor:
            if self._events.pop(self._minor.popleft(), None) is not None:
                return
        del self._events[next(iter(self._events))]
