"""YAML files as the control service takes them: their texts, with the folder where relative paths start."""

from collections.abc import Sequence
from pathlib import Path

from vigie.control.proposals import Source
from vigie.policy import ConfigurationError, Problem
from vigie.policy.load import read_texts


def read_sources(files: Sequence[Path]) -> list[Source]:
    """Files, and folders of `*.yaml` and `*.yml`. Raises: ConfigurationError (what cannot be read)."""
    problems: list[Problem] = []
    texts = read_texts(files, problems)
    if problems:
        raise ConfigurationError(problems)
    return [Source(file, text, str(Path(file).resolve().parent)) for file, text in texts]
