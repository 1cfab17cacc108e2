#!/usr/bin/env python3
"""Probes one simulated camera for each deviation that the simulator can show: which ids does the probe name?

    .venv/bin/python benchmarks/probe_quirks.py [--write docs/cameras.md] [--workers 8]

Exit code 1 when a tolerance is not named, or anything else is.
"""

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "python"), str(ROOT / "tests")]

from e2e.odd_cameras import CREDENTIALS, IDS, expected, sim_options, transport  # noqa: E402
from vigie.probe.report import make_report  # noqa: E402
from vigie.probe.run import make_target, run_probe  # noqa: E402
from vigie.sim.process import SimProcess  # noqa: E402

BEGIN, END = "<!-- made by benchmarks/probe_quirks.py -->", "<!-- end of the probe's table -->"
SECONDS = 14.0  # signs of life are due after five, one is late after ten, and what comes now and then has come


def main() -> int:
    """Runs the probes and prints or writes the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=Path, help="replace the table between the marks in this file")
    parser.add_argument("--workers", type=int, default=8)
    options = parser.parse_args()
    arguments = sim_options(IDS, "--sr-seconds", "1", "--session-timeout", "10")
    with SimProcess(len(IDS), options=arguments) as sim:

        def probe(number: int) -> dict[str, object]:
            name = IDS[number]
            seconds = 25.0 if name == "G15" else SECONDS
            user, word = CREDENTIALS
            target = make_target(sim.url(number), username=user, password=word, transport=transport(name))
            print(f"\r{number + 1} of {len(IDS)} ", end="", file=sys.stderr, flush=True)
            return make_report(run_probe(target, seconds))

        with ThreadPoolExecutor(options.workers) as pool:
            reports = list(pool.map(probe, range(len(IDS))))
    print(file=sys.stderr)

    wrong = 0
    rows = [BEGIN, "", "| the camera shows | the probe names | pictures | |", "|---|---|---|---|"]
    for name, report in zip(IDS, reports, strict=True):
        named = set(report["quirks"])  # type: ignore[call-overload]
        good = named == expected(name)
        wrong += not good
        remark = "" if good else "**wrong**"
        if good and named != {name}:
            remark = "what it does cannot but show this" if named else "a practice: nothing to name"
        rows.append(f"| {name} | {', '.join(sorted(named)) or '–'} | {'yes' if report['good'] else 'no'} | {remark} |")
    rows += ["", f"{len(IDS) - wrong} of {len(IDS)} as they should be.", END]
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
