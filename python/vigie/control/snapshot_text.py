"""Snapshots as the JSON that the engine is given; what has not changed since the one before is not written again."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

_LONG = ("agents", "cameras")


class SnapshotText:
    """Writes one snapshot after another. Entries of agents and cameras that were in the one before, the very same
    mappings, are taken to say the same: nobody changes an entry that was compiled. Thread: one at a time.
    """

    def __init__(self) -> None:
        # By list: the list, each entry by its identity with its text, and all of them joined.
        self._before: dict[str, tuple[Sequence[Any], dict[int, tuple[Any, str]], str]] = {}

    def of(self, snapshot: Mapping[str, Any]) -> bytes:
        """The text of a snapshot; it holds passwords."""
        fields = (
            f"{_json(name)}:{self._list(name, value) if name in _LONG else _json(value)}"
            for name, value in snapshot.items()
        )
        return f"{{{','.join(fields)}}}".encode()

    def _list(self, name: str, entries: Sequence[Any]) -> str:
        was, known, text = self._before.get(name, ((), {}, ""))
        if was is entries:
            return text
        said = [known.get(id(entry)) or (entry, _json(entry)) for entry in entries]
        text = f"[{','.join([text for _, text in said])}]"
        self._before[name] = entries, {id(entry): (entry, text) for entry, text in said}, text
        return text


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
