"""`python -m vigie.processes engine|control --state DIR OPTIONS`: what the supervisor starts. OPTIONS: JSON."""

import argparse
import faulthandler
import importlib
import json
import os
import sys
from pathlib import Path

from vigie.errors import Error


def main() -> int:
    """Runs one process of a state folder; the exit code."""
    parser = argparse.ArgumentParser(prog="vigie.processes")
    parser.add_argument("role", choices=("engine", "control"))
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--lock", type=int, required=True, help="the descriptor that holds the role")
    parser.add_argument("options", type=json.loads)
    given = parser.parse_args()
    os.set_inheritable(given.lock, False)  # held until this process is gone
    faulthandler.enable()
    try:
        code: int = importlib.import_module(f"vigie.processes.{given.role}").run(given.state, given.options)
    except ImportError as error:
        print(f"error: not built or not installed: {error}", file=sys.stderr)
        return 1
    except Error as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return code


if __name__ == "__main__":
    sys.exit(main())
