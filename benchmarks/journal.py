#!/usr/bin/env python3
"""The journal's figures: lines written a second, time to verify them, and whether every damage is found and named.

    .venv/bin/python benchmarks/journal.py [--lines 100000] [--damages 1000] [--seed 1] [--folder DIR]

Writes a journal of its own, then flips a bit, deletes, swaps or repeats a line at random spots, one at a time, and
verifies each time. Exit code 1 when one damage is not found, or another line than the first that it touches is named.
"""

import argparse
import random
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "python")]

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: E402

from vigie.journal import Actor, FolderPlace, Journal, verify  # noqa: E402
from vigie.journal.query import read_entries  # noqa: E402
from vigie.journal.records import Record, ViewBegin, ViewEnd  # noqa: E402
from vigie.journal.segments import segment_files  # noqa: E402
from vigie.journal.sightings import needles, who_saw  # noqa: E402

KEY = Ed25519PrivateKey.generate()


def views(count: int) -> list[Record]:
    """Begins and ends of views of 430 cameras by 60 agents."""
    made: list[Record] = []
    for index in range(count // 2):
        actor = Actor(agent=f"op-{index % 60}", organisation="csu-metz")
        camera, view = f"place-{index % 430}", f"e1.{index}"
        at = 1_767_225_600_000_000_000 + index * 1_000_000_000
        made.append(ViewBegin(actor=actor, camera=camera, commune="57463", view=view, engine="e1", purpose="inquiry"))
        made.append(
            ViewEnd(actor=actor, camera=camera, view=view, first_unit=at, last_unit=at + 1, units=9, cause="left")
        )
    return made


def write(folder: Path, lines: int) -> None:
    """Writes them, and says how fast: whole batches, alone, and from many threads, with a second place beside."""
    records = views(lines - 600)
    second = folder.parent / "second"
    second.mkdir()
    with Journal(folder, KEY, second=FolderPlace(second)) as journal:
        start = time.perf_counter()
        waiting = [journal.submit(records[index : index + 100]) for index in range(0, len(records), 100)]
        for each in waiting:
            each.result()
        print(f"written in batches of 100, many under way: {len(records) / (time.perf_counter() - start):,.0f} lines/s")
        start = time.perf_counter()
        for record in records[:100]:
            journal.append(record)
        print(f"one at a time, each durable: {100 / (time.perf_counter() - start):,.0f} lines/s")
        threads = [threading.Thread(target=lambda: [journal.append(each) for each in records[:10]]) for _ in range(50)]
        start = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print(f"one at a time from 50 threads, each durable: {500 / (time.perf_counter() - start):,.0f} lines/s")


def damage(rng: random.Random, lines: list[bytes]) -> tuple[str, int, list[bytes]]:
    """What was done, the first line that it touches (from 0), and the lines with it."""
    index = rng.randrange(len(lines) - 1)
    how = rng.choice(["flip", "delete", "swap", "repeat"])
    changed = list(lines)
    if how == "flip":
        at = rng.randrange(len(lines[index]))
        changed[index] = lines[index][:at] + bytes([lines[index][at] ^ 1 << rng.randrange(8)]) + lines[index][at + 1 :]
    elif how == "delete":
        del changed[index]
    elif how == "swap":
        other = rng.randrange(index + 1, len(lines))
        changed[index], changed[other] = changed[other], changed[index]
    else:
        changed.insert(index + 1, lines[index])
        index += 1
    return how, index, changed


def damages(folder: Path, count: int, seed: int) -> bool:
    """Does as many damages, one at a time; whether each was found and named."""
    rng = random.Random(seed)
    files = segment_files(folder)
    named = 0
    start = time.perf_counter()
    for number in range(count):
        file = rng.choice(files)
        text = file.read_bytes()
        how, index, changed = damage(rng, text.splitlines())
        file.write_bytes(b"".join(line + b"\n" for line in changed))
        found = verify(folder, KEY.public_key()).finding
        right = found is not None and (found.file, found.number) == (file, index + 1)
        named += right
        if not right:
            print(f"damage {number}: {how} of {file.name}:{index + 1}: {found}", file=sys.stderr)
        file.write_bytes(text)
    print(f"{named} of {count} damages found and named, {time.perf_counter() - start:.0f} s")
    return named == count


def main() -> int:
    """Runs all of it in a folder that is removed again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=100_000)
    parser.add_argument("--damages", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1, help="of the damages")
    parser.add_argument("--folder", type=Path, help="on the disk that is to be measured")
    options = parser.parse_args()
    top = Path(tempfile.mkdtemp(dir=options.folder))
    try:
        folder = top / "journal"
        write(folder, options.lines)
        for against in (None, top / "second"):
            start, cpu = time.perf_counter(), time.process_time()
            found = verify(folder, KEY.public_key(), against)
            assert found.ok, found.finding
            what = "verified" if against is None else "verified against the second place"
            took = f"{time.perf_counter() - start:.2f} s, {time.process_time() - cpu:.2f} s of CPU"
            print(f"{what}: {found.lines} lines in {took}")
        start = time.perf_counter()
        seen = who_saw(read_entries(folder, needles("place-7")), "place-7", 0, 2**62, time.time_ns(), "auditor")
        print(f"who saw one of 430 cameras: {len(seen)} views in {time.perf_counter() - start:.2f} s")
        return 0 if damages(folder, options.damages, options.seed) else 1
    finally:
        shutil.rmtree(top)


if __name__ == "__main__":
    sys.exit(main())
