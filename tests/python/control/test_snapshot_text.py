"""The text of a snapshot is that of `json.dumps`, whatever was written before."""

import json
from random import Random
from typing import Any

from vigie.control.snapshot_text import SnapshotText


def test_every_text_is_the_whole_snapshot() -> None:
    random = Random(7)
    writer = SnapshotText()
    lists: dict[str, list[dict[str, Any]]] = {"agents": [], "cameras": []}
    for revision in range(1, 400):
        for name in lists:
            match random.randrange(6):
                case 0:
                    entry = {"name": f"é{revision}", "streams": [{"url": 'a"b'}]}
                    lists[name] = [*lists[name], entry]
                case 1 if lists[name]:
                    lists[name] = random.sample(lists[name], len(lists[name]) - 1)
                case 2 if lists[name]:
                    changed = random.randrange(len(lists[name]))
                    lists[name] = [
                        {**entry, "title": revision} if at == changed else entry for at, entry in enumerate(lists[name])
                    ]
                case 3:
                    lists[name] = random.choices(lists[name], k=3) if lists[name] else []  # one may stand there twice
        snapshot = {"revision": revision, "listeners": [{"name": "a"}], **lists, "limits": {"sessions": 1}}
        assert writer.of(snapshot) == json.dumps(snapshot, separators=(",", ":")).encode()
