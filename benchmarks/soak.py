#!/usr/bin/env python3
"""Half of the cameras die and come back again and again, under load, beside viewers that never read.

    .venv/bin/python benchmarks/soak.py [--minutes 60] [--cameras 100] [--kills 10] [--viewers 1] [--json PATH]

The other half may lose nothing, every state change must be an event, memory must stay flat: what is checked is what
tests/e2e/test_resilience.py checks in a minute. Exit code 1 when anything is not so.
"""

import argparse
import dataclasses
import json
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "python"), str(ROOT / "tests")]

from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from e2e.soaking import Report, soak  # noqa: E402
from vigie.load import FAULTS  # noqa: E402

MIB = 1 << 20


def show(report: Report, limit_bytes: int) -> Table:
    """The result as a table."""
    table = Table(title=f"{report.kills} kills in {report.seconds / 60:.1f} minutes")
    table.add_column("what")
    table.add_column("figure", justify="right")
    table.add_column("bar", justify="right")
    load = report.load
    rows = [("units received by the steady half", f"{load.get('units', 0)}", "")]
    rows += [(f"steady half: {fault}", f"{load.get(fault, 0)}", "0") for fault in FAULTS]
    latency = load.get("latency_ms", {})
    rows += [
        ("latency p50 / p99", f"{latency.get('p50', 0):.2f} / {latency.get('p99', 0):.2f} ms", ""),
        ("all killed cameras back, slowest", f"{max(report.recovery_s, default=0):.1f} s", ""),
        ("state changes told / events", f"{report.state_changes} / {report.events}", "no gap"),
        ("memory at first / at the end", f"{report.rss_bytes[0] / MIB:.1f} / {report.rss_bytes[-1] / MIB:.1f} MiB", ""),
        ("growth after the first quarter", f"{report.growth_bytes / MIB:.2f} MiB", f"{limit_bytes / MIB:.0f} MiB"),
        ("problems", f"{len(report.problems)}", "0"),
    ]
    for row in rows:
        table.add_row(*row)
    return table


def main() -> int:
    """Runs it and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--cameras", type=int, default=100)
    parser.add_argument("--kills", type=int, default=10, help="spread over the time")
    parser.add_argument("--viewers", type=int, default=1, help="of each steady camera")
    parser.add_argument("--stalled", type=int, default=2, help="viewers that never read")
    parser.add_argument("--bitrate", type=float, default=2, help="Mbit/s of each camera")
    parser.add_argument("--growth-mib", type=float, default=16, help="bar for memory")
    parser.add_argument("--json", type=Path, help="the report as JSON as well")
    options = parser.parse_args()
    console = Console()
    begun = time.monotonic()

    def tell(text: str, report: Report) -> None:
        rss = f", {report.rss_bytes[-1] / MIB:.1f} MiB" if report.rss_bytes else ""
        console.print(f"{time.monotonic() - begun:7.0f} s  {text}{rss}", highlight=False)

    limit_bytes = round(options.growth_mib * MIB)
    with tempfile.TemporaryDirectory() as folder:
        report = soak(
            Path(folder),
            cameras=options.cameras,
            kills=options.kills,
            load_s=options.minutes * 60,
            viewers=options.viewers,
            stalled=options.stalled,
            bitrate_mbit=options.bitrate,
            tell=tell,
        )
    if report.growth_bytes > limit_bytes:
        report.problems.append(f"memory grew by {report.growth_bytes / MIB:.1f} MiB")
    console.print(show(report, limit_bytes))
    for problem in report.problems:
        console.print(f"- {problem}", highlight=False)
    if options.json:
        options.json.write_text(json.dumps(dataclasses.asdict(report), indent=1) + "\n", encoding="utf-8")
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
