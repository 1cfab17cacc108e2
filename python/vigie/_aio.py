"""Waiting for the core's descriptors in asyncio."""

import asyncio


async def readable(descriptor: int) -> None:
    """Waits in the running loop until the descriptor polls readable."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    def on_readable() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(descriptor, on_readable)
    try:
        await ready
    finally:
        loop.remove_reader(descriptor)
