#!/usr/bin/env python3
"""Cameras with random sets of deviations beside as many that have none, watched and measured at the same time.

    .venv/bin/python benchmarks/quirk_soak.py [--minutes 10] [--cameras 100] [--quirks 5] [--seed 1]

Each odd camera must give pictures or say why not; the others may lose nothing. Exit code 1 when that is not so.
"""

import argparse
import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "python"), str(ROOT / "tests")]

import vigie  # noqa: E402
from e2e.odd_cameras import CREDENTIALS, REFUSALS, sim_options  # noqa: E402
from vigie.bench.servers import free_port  # noqa: E402
from vigie.load import FAULTS, run_load  # noqa: E402
from vigie.sim.process import SimProcess  # noqa: E402


def policy(port: int, odd: SimProcess, plain: SimProcess, cameras: int) -> dict[str, Any]:
    """Both towns in one engine: `odd000` … and `cam000` …."""

    def camera(name: str, url: str) -> dict[str, Any]:
        stream = {"name": "main", "url": url, "username": CREDENTIALS[0], "password": CREDENTIALS[1]}
        reason = {"privacy": "clear", "privacy_reason": "nobody is in a simulated picture"}
        return {"name": name, "streams": [stream], **reason}

    return {
        "revision": 1,
        "listeners": [{"name": "local", "listen": f"127.0.0.1:{port}", "access": "open"}],
        "cameras": [camera(f"odd{n:03d}", odd.url(n)) for n in range(cameras)]
        + [camera(f"cam{n:03d}", plain.url(n)) for n in range(cameras)],
    }


def main() -> int:
    """Runs it and prints what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--cameras", type=int, default=100, help="with deviations, and as many without")
    parser.add_argument("--quirks", type=int, default=5, help="of each odd camera")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    random = ["--random-quirks", str(options.quirks), "--seed", str(options.seed), "--session-timeout", "10"]
    port = free_port()
    with (
        SimProcess(options.cameras, options=sim_options((), *random, "--sr-seconds", "1")) as odd,
        SimProcess(options.cameras, options=sim_options()) as plain,
        vigie.Engine() as engine,
    ):
        engine.apply(policy(port, odd, plain, options.cameras))
        playing: dict[str, float] = dict.fromkeys(odd.quirks, 0.0)
        faults: dict[str, str] = {}
        units: dict[str, int] = {}
        stop = threading.Event()

        def watch() -> None:
            while not stop.wait(1):
                figures = engine.stats()["cameras"]
                for name in playing:
                    stream = figures[name.replace("cam", "odd")]["streams"]["main"]
                    if stream["units"] > units.get(name, 0):
                        playing[name] += 1
                    units[name] = stream["units"]
                    faults[name] = stream["fault"] or faults.get(name, "")

        watcher = threading.Thread(target=watch)
        watcher.start()
        began = time.monotonic()
        load = run_load(
            f"rtsp://127.0.0.1:{port}/cam{{n:03d}}", cameras=options.cameras, warm_up=10, seconds=options.minutes * 60
        )
        seconds = time.monotonic() - began
        stop.set()
        watcher.join()

    print(f"{seconds:.0f} s, {options.cameras} cameras with {options.quirks} deviations each, seed {options.seed}")
    silent = {name for name, count in playing.items() if count == 0}
    for name in sorted(silent):
        print(f"no picture: {name} {','.join(odd.quirks[name])}: {faults.get(name, '')}")
    unsteady = {name: count for name, count in playing.items() if name not in silent and count < 0.8 * seconds}
    for name, count in sorted(unsteady.items()):
        print(
            f"pictures in {count:.0f} of {seconds:.0f} s: {name} {','.join(odd.quirks[name])}: {faults.get(name, '')}"
        )
    unexplained = [name for name in silent if not faults.get(name) or not REFUSALS.keys() & set(odd.quirks[name])]
    found = {fault: load[fault] for fault in FAULTS if load.get(fault)}
    steady = options.cameras - len(silent) - len(unsteady)
    print(
        f"{steady} give pictures steadily, {len(unsteady)} with breaks, {len(silent)} none ({len(unexplained)} wrongly)"
    )
    print(f"the others: {load['units']} units, {json.dumps(found) if found else 'nothing lost'}")
    return 1 if unexplained or found else 0


if __name__ == "__main__":
    sys.exit(main())
