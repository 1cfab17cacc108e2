"""Commands of many clients at once, each after a pause of its own: how long each waits for its answer."""

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

from vigie.control import ops
from vigie.control.aclient import AsyncClient


def measure_commands(
    endpoint: str, clients: int, seconds: float, pause_s: float, camera: str
) -> dict[str, list[float]]:
    """Milliseconds by operation. Raises: what a command is refused with."""
    return asyncio.run(_measure(endpoint, clients, seconds, pause_s, camera))


async def _measure(endpoint: str, clients: int, seconds: float, pause_s: float, camera: str) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    wishes: list[tuple[str, Callable[[AsyncClient], Any]]] = [
        ("ping", lambda client: client.ping()),
        ("objects.get", lambda client: client.get(ops.ObjectsGet(kind="Camera", name=camera))),
        ("mask.list", lambda client: client.masks(camera)),
    ]
    async with AsyncExitStack() as stack:
        made = [await stack.enter_async_context(AsyncClient(endpoint, timeout_s=30)) for _ in range(clients)]
        for client in made:
            await client.ping()
        until = time.monotonic() + seconds

        async def work(client: AsyncClient, seed: int) -> None:
            rng = random.Random(seed)
            while time.monotonic() < until:
                await asyncio.sleep(rng.expovariate(1 / pause_s))
                name, ask = rng.choice(wishes)
                began = time.monotonic()
                await ask(client)
                found.setdefault(name, []).append((time.monotonic() - began) * 1e3)

        await asyncio.gather(*(work(client, seed) for seed, client in enumerate(made)))
    return found
