"""A host in Python: takes one camera (or a file) in, writes the published access units to a file, prints events.

python host.py URL-or-file OUT.h264 UNITS
"""

import asyncio
import sys

import vigie


def policy(url: str) -> dict[str, object]:
    """One camera that may be shown, because it is an example on a test picture."""
    kind = "rtsp" if url.startswith("rtsp") else "file"
    camera = {
        "name": "camera",
        "privacy": "clear",
        "privacy_reason": "an example on a test picture",
        "streams": [{"name": "main", "kind": kind, "url": url}],
    }
    return {"revision": 1, "cameras": [camera]}


async def print_events(engine: vigie.Engine) -> None:
    """Prints what happens until the engine is closed."""
    async for event in engine.events_async():
        print(f"{event.kind} {event.object}: {event.text}")


async def copy_units(engine: vigie.Engine, path: str, wanted: int) -> None:
    """Writes `wanted` units; each is a lease on the engine's own memory, given back at the end of its `with`."""
    got = 0
    with open(path, "wb") as out, engine.subscribe("camera") as units:
        async for unit in units:
            with unit:
                if got == 0:
                    print(f"first unit: {unit.width}x{unit.height}, {'keyframe' if unit.keyframe else 'no keyframe'}")
                out.write(unit)
            got += 1
            if got == wanted:
                break
    print(f"{got} units written")


async def main(url: str, path: str, wanted: int) -> None:
    """Runs the engine beside an asyncio loop: both wait on descriptors, no thread is made here."""
    with vigie.Engine() as engine:
        engine.apply(policy(url))
        events = asyncio.create_task(print_events(engine))
        await asyncio.wait_for(copy_units(engine, path, wanted), timeout=60)
        events.cancel()


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(f"use: {sys.argv[0]} URL-or-file OUT UNITS")
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
