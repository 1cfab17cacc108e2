"""What the tests of `vigie.journal` share: a clock of their own, and journals that are closed again."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from python.journal.made import KEY, Clock
from vigie.journal import Journal, Limits


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def open_journal(tmp_path: Path, clock: Clock) -> Iterator[Callable[..., Journal]]:
    """Opens `tmp_path/journal` with small limits; what a test leaves open is closed."""
    opened: list[Journal] = []

    def call(**options: object) -> Journal:
        options.setdefault("limits", Limits(segment_bytes=4000, checkpoint_lines=7))
        journal = Journal(tmp_path / "journal", KEY, clock=clock, **options)  # type: ignore[arg-type]
        opened.append(journal)
        return journal

    yield call
    for journal in opened:
        journal.close()
