"""Messages of one socket on the event loop: each once, whatever becomes of those before it."""

import asyncio
from collections.abc import Sequence

import zmq

from vigie.control.inbox import AT_ONCE, Inbox


def received(count: int, bad: Sequence[int] = ()) -> tuple[list[int], int]:
    """What comes of so many messages that wait, and one more later, and how many errors the loop was told of."""
    found: list[int] = []
    errors: list[object] = []

    async def use() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: errors.append(context))
        context = zmq.Context()
        here, there = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
        here.bind("inproc://inbox")
        there.connect("inproc://inbox")

        def take(parts: Sequence[zmq.Frame]) -> None:
            number = int(parts[0].bytes)
            if number in bad:
                raise ValueError(number)
            found.append(number)

        for number in range(count):
            there.send(b"%d" % number)
        inbox = Inbox(here, take)
        inbox.start()
        await asyncio.sleep(0.1)
        there.send(b"%d" % count)
        for _ in range(200):
            if found and found[-1] == count:
                break
            await asyncio.sleep(0.01)
        inbox.stop()
        inbox.stop()
        there.send(b"0")
        await asyncio.sleep(0.05)
        here.close(linger=0)
        there.close(linger=0)
        context.term()

    asyncio.run(use())
    return found, len(errors)


def test_all_come_in_order() -> None:
    assert received(2 * AT_ONCE + 5) == ([*range(2 * AT_ONCE + 6)], 0)


def test_a_fault_in_one_holds_up_none_behind_it() -> None:
    assert received(6, bad=(0, 1, 2, 4)) == ([3, 5, 6], 4)
