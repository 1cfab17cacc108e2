"""Events of the engine stay until they are acknowledged; where there is no room, those that matter stay longest."""

from vigie.control.event_buffer import MINOR, EventBuffer
from vigie.events import Event


def event(seq: int, kind: str = "viewer_opened") -> Event:
    return Event(seq, seq, kind, "viewer 1 a/main", "", 0, "", 0)


def seqs(buffer: EventBuffer) -> list[int]:
    return [one.seq for one in buffer.first(1000)]


def test_they_come_again_until_they_are_acknowledged() -> None:
    buffer = EventBuffer()
    for seq in range(1, 6):
        buffer.add(event(seq))
    assert [one.seq for one in buffer.first(2)] == [1, 2]
    assert seqs(buffer) == [1, 2, 3, 4, 5]
    buffer.acknowledge(3)
    buffer.acknowledge(2)  # late
    assert (seqs(buffer), buffer.acknowledged, buffer.lost) == ([4, 5], 3, 0)
    buffer.acknowledge(9)
    assert (len(buffer), buffer.acknowledged) == (0, 9)


def test_minor_ones_go_first_then_the_oldest() -> None:
    buffer = EventBuffer(capacity=4)
    for seq, kind in enumerate(["viewer_opened", "stream_fault", "viewer_closed", "viewer_dropped"], 1):
        buffer.add(event(seq, kind))
    buffer.add(event(5))
    assert seqs(buffer) == [1, 3, 4, 5]
    buffer.add(event(6))
    assert seqs(buffer) == [1, 3, 5, 6]
    buffer.add(event(7))
    assert (seqs(buffer), buffer.lost) == ([3, 5, 6, 7], 3)


def test_what_was_acknowledged_is_not_dropped_once_more() -> None:
    buffer = EventBuffer(capacity=3)
    buffer.add(event(1, "stream_fault"))
    buffer.add(event(2))
    buffer.acknowledge(1)
    for seq in (3, 4, 5):
        buffer.add(event(seq))
    assert (seqs(buffer), buffer.lost) == ([3, 4, 5], 1)


def test_what_says_who_views_is_never_minor() -> None:
    assert not any(kind in MINOR for kind in ("viewer_opened", "viewer_closed", "viewer_refused", "view_began"))
