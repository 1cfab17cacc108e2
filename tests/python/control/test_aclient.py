"""The client for asyncio: calls side by side, events, a restart."""

import asyncio
from pathlib import Path

import pytest

from vigie.control import ops
from vigie.control.aclient import AsyncClient
from vigie.control.client import Client
from vigie.control.session import State
from vigie.control.wire import Event
from vigie.errors import ClosedError, ControlUnavailableError, StateConflictError

from .conftest import SERVER, camera
from .served import Served


def names(client: type) -> set[str]:
    return {name for name in vars(client) if not name.startswith("_")}


def test_both_clients_have_the_same_calls() -> None:
    assert names(Client) == names(AsyncClient)


def test_calls_side_by_side_and_events_over_a_restart(tmp_path: Path) -> None:
    served = Served(tmp_path / "s")
    again: list[Served] = []

    async def use() -> None:
        async with AsyncClient(served.endpoint, timeout_s=20) as client:
            waiting = asyncio.create_task(client.wait(ops.ObjectsWait(rev=1)))
            pongs = await asyncio.gather(*(client.ping() for _ in range(50)))
            assert {pong.agent for pong in pongs} == {"local"}
            watching = client.watch()
            assert isinstance(await anext(watching), State)
            applied = await client.apply(yaml=[ops.YamlSource(text="---\n".join([SERVER, camera("a")]))])
            assert applied.rev == (await waiting).rev == 1
            first = await anext(watching)
            assert isinstance(first, Event)
            assert first.object == "Camera/a"
            with pytest.raises(StateConflictError):
                await client.delete([("Camera", "a")], expect_rev=7)
            await asyncio.to_thread(served.close)
            again.append(await asyncio.to_thread(Served, tmp_path / "s"))
            item: State | Event = first
            while not isinstance(item, State):
                item = await anext(watching)
            assert item.epoch == again[0].epoch
            assert [found.name for found in await client.get(ops.ObjectsGet(limit=1))] == ["a", "here"]

    asyncio.run(use())
    again[0].close()


def test_a_client_that_was_closed_says_so(tmp_path: Path) -> None:
    async def use() -> None:
        async with AsyncClient(f"ipc://{tmp_path}/none") as client:
            waiting = asyncio.create_task(client.ping())
            await asyncio.sleep(0.1)
        with pytest.raises((asyncio.CancelledError, ClosedError)):
            await waiting
        with pytest.raises(ClosedError):
            await client.ping()

    asyncio.run(use())


def test_nobody_there(tmp_path: Path) -> None:
    async def use() -> None:
        async with AsyncClient(f"ipc://{tmp_path}/none", timeout_s=0.2) as client:
            with pytest.raises(ControlUnavailableError):
                await client.ping()

    asyncio.run(use())
