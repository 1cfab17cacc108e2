"""The garbage collector beside thousands of objects that come to stay.

None of them is part of a circle, so their count of references frees them; but each full round walks through all: with
3000 cameras it takes 0.1 s, and comes again and again while they are read and with every change later.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

MANY = 1000
MANY_BYTES = 1 << 20


@contextmanager
def reading(many: bool) -> Iterator[None]:
    """While many objects are read there are no rounds. For the whole process; not for two threads at once."""
    rest = many and gc.isenabled()
    if rest:
        gc.disable()
    try:
        yield
    finally:
        if rest:
            gc.enable()


def settle(count: int) -> None:
    """After so many objects have come: rounds from now on leave out what is there now."""
    if count >= MANY:
        gc.collect()
        gc.freeze()
