"""The repository keeps its rules."""

from collections.abc import Callable
from pathlib import Path

import pytest

import gen_errors
import gen_quirks
from lint import rules

ROOT = Path(__file__).resolve().parents[2]

SKIPPED = {".git", ".venv", ".cache", "build", "dist", "__pycache__", "node_modules", "demo-out"}
BINARY = {".png", ".mp4", ".mkv", ".h264", ".h265", ".so", ".bin", ".pcap", ".jpg", ".raw"}


def tree() -> dict[str, str]:
    """Every text file that belongs to the repository."""
    files = {}
    for top in sorted(ROOT.iterdir()):
        if top.name in SKIPPED or top.name.startswith(("build-", ".pytest", ".mypy", ".ruff", ".hypothesis")):
            continue
        for path in [top] if top.is_file() else sorted(top.rglob("*")):
            name = path.relative_to(ROOT)
            ours = not SKIPPED & set(name.parts) and not name.as_posix().startswith("tests/fuzz/corpus/")
            if ours and path.is_file() and not path.is_symlink() and path.suffix not in BINARY:
                try:
                    files[name.as_posix()] = path.read_text(encoding="utf-8")
                except UnicodeDecodeError:
                    continue
    return files


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    return tree()


def test_the_tree_was_read(files: dict[str, str]) -> None:
    assert "src/engine/base/result.h" in files
    assert "pyproject.toml" in files


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_rule_holds(rule: Callable[[rules.Files], list[str]], files: dict[str, str]) -> None:
    complaints = rule(files)
    assert not complaints, "\n".join(complaints)


def test_generated_files_are_current(files: dict[str, str]) -> None:
    for name, text in gen_errors.outputs(files[gen_errors.TABLE]).items():
        assert files.get(name) == text, f"{name} is not current: run tools/gen_errors.py"


def test_the_corpus_of_quirks_is_current() -> None:
    for path, text in gen_quirks.outputs(gen_quirks.ROOT).items():
        assert path.read_text() == text, f"{path.name} is not current: run tools/gen_quirks.py"


def test_every_error_builtin_is_one(files: dict[str, str]) -> None:
    import builtins

    rows, _ = gen_errors.read_table(files[gen_errors.TABLE])
    assert rows
    for row in rows:
        assert issubclass(getattr(builtins, row.base), Exception), row
