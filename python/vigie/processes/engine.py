"""The engine process of a state folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vigie.processes import run_folder


def run(state: Path, options: Mapping[str, Any]) -> int:
    """Until SIGTERM; the exit code. `options`: shards, cpus, mask_encoder."""
    run_folder.announce(state, run_folder.ENGINE, options)
    from vigie.control.agent import serve_engine

    def on_ready() -> None:
        run_folder.announce(state, run_folder.ENGINE, options, ready=True)

    endpoint = run_folder.engine_endpoint(state)
    return serve_engine(
        endpoint,
        shards=options["shards"],
        cpus=options["cpus"],
        mask_encoder=options["mask_encoder"],
        on_ready=on_ready,
    )
