#!/usr/bin/env python3
"""Probes one simulated camera for each deviation that the simulator can show: which ids does the probe name?

    .venv/bin/python benchmarks/probe_quirks.py [--write docs/cameras.md] [--workers 8]

Exit code 1 when a tolerance is not named, or anything else is.
"""

import argparse
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from vigie import _native
from vigie.probe.report import make_report
from vigie.probe.run import make_target, run_probe
from vigie.quirks import QUIRKS
from vigie.sim.process import SimProcess

BEGIN, END = "<!-- made by benchmarks/probe_quirks.py -->", "<!-- end of the probe's table -->"
UDP = {"A24": "udp", "F11": "udp", "J1": "udp", "J2": "udp", "J4": "udp"}
# Beyond the ids themselves: what such a device cannot help showing too, and why.
WITH = {"E7": {"E3": "its answer to PLAY comes between packets, so some come before it"}}
SECONDS = 14.0  # signs of life are due after five, one is late after ten, and what comes now and then has come


def emulated() -> list[str]:
    """The ids that the simulator can show."""
    command = [_native.find_program("vigie-sim"), "--list-quirks"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [line.split()[0] for line in lines]


def main() -> int:
    """Runs the probes and prints or writes the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=Path, help="replace the table between the marks in this file")
    parser.add_argument("--workers", type=int, default=8)
    options = parser.parse_args()
    ids = emulated()
    arguments = ["--user", "ops", "--password", "right", "--bitrate", "0.5", "--gop", "25"]
    arguments += ["--sr-seconds", "1", "--session-timeout", "10"]
    for number, name in enumerate(ids):
        arguments += ["--quirk", f"cam{number:03d}:{name}"]
    with SimProcess(len(ids), options=arguments) as sim:

        def probe(number: int) -> dict[str, object]:
            name = ids[number]
            seconds = 25.0 if name == "G15" else SECONDS
            target = make_target(sim.url(number), username="ops", password="right", transport=UDP.get(name, "tcp"))
            print(f"\r{number + 1} of {len(ids)} ", end="", file=sys.stderr, flush=True)
            return make_report(run_probe(target, seconds))

        with ThreadPoolExecutor(options.workers) as pool:
            reports = list(pool.map(probe, range(len(ids))))
    print(file=sys.stderr)

    wrong = 0
    rows = [BEGIN, "", "| the camera shows | the probe names | pictures | |", "|---|---|---|---|"]
    for name, report in zip(ids, reports, strict=True):
        named = list(report["quirks"])  # type: ignore[call-overload]
        own = {name} if QUIRKS[name].kind == "tolerance" else set()
        beside = WITH.get(name, {})
        good = own <= set(named) and set(named) <= {name} | set(beside)
        wrong += not good
        remark = "" if good else "**wrong**"
        remark = "; ".join(f"{other}: {why}" for other, why in beside.items() if other in named) or remark
        if good and not own:
            remark = remark or "a practice: nothing to name"
        rows.append(f"| {name} | {', '.join(named) or '–'} | {'yes' if report['good'] else 'no'} | {remark} |")
    rows += ["", f"{len(ids) - wrong} of {len(ids)} as they should be.", END]
    table = "\n".join(rows)
    if options.write:
        text = options.write.read_text(encoding="utf-8")
        begin, end = text.index(BEGIN), text.index(END) + len(END)
        options.write.write_text(text[:begin] + table + text[end:], encoding="utf-8")
    else:
        print(table)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
