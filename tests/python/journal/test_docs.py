"""docs/journal.md says what is so: every kind is in its table, and its shell commands prove a journal."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from python.journal.made import OPERATOR, Clock, fill
from vigie.journal import CATEGORIES, KINDS, Journal, Limits, Retention, make_key
from vigie.journal.segments import segment_files
from vigie.journal.verify import What

TEXT = (Path(__file__).parents[3] / "docs" / "journal.md").read_text(encoding="utf-8")
CHAIN, SIGNATURE = re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)


def test_every_kind_and_every_field_is_in_the_table() -> None:
    table = TEXT[TEXT.index("| category | kind |") : TEXT.index("Instants inside an entry")]
    for kind, model in KINDS.items():
        assert f"`{kind}`" in table, kind
        for name in set(model.model_fields) - {"kind", "actor", "objects", "purpose", "reason", "visibility", "people"}:
            assert name in table, f"{kind}.{name}"
    for category in CATEGORIES:
        assert f"| {category} |" in table


def test_every_word_of_a_finding_is_explained() -> None:
    words = TEXT[TEXT.index("| word | means |") : TEXT.index("Without `--key`")]
    for word in What.__args__:  # type: ignore[attr-defined]
        assert word in words, word


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A journal of a year and a half, purged, with its key beside it."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    clock = Clock()
    key = make_key(tmp_path / "key")
    limits = Limits(segment_bytes=4000, checkpoint_lines=9, checkpoint_s=1e9)
    with Journal(tmp_path / "journal", key, clock=clock, limits=limits) as journal:
        for _ in range(18):
            fill(journal, 3)
            clock.after(86_400 * 31)
        assert journal.purge(Retention(views=6, access=36, journal=36), OPERATOR).entries
    return tmp_path / "journal"


def shell(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"TMPDIR": str(folder.parent), "KEY": str(folder.parent / "key.pub")}
    return subprocess.run(
        ["sh", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_a_shell_proves_the_chain(folder: Path) -> None:
    result = shell(CHAIN, folder)
    assert (result.stdout, result.stderr) == ("", "")
    file = segment_files(folder)[1]
    text = file.read_bytes()
    at = text.index(b'"agent":"op-') + 12
    file.write_bytes(text[:at] + b"x" + text[at + 1 :])
    assert "does not hold" in shell(CHAIN, folder).stdout
    lines = text.splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:2] + lines[3:]))
    assert "does not hold" in shell(CHAIN, folder).stdout


def test_openssl_proves_the_signature(folder: Path) -> None:
    result = shell(SIGNATURE, folder)
    assert "Verified Successfully" in result.stdout, result.stderr
    file = segment_files(folder)[-1]
    text = file.read_bytes()
    at = text.rindex(b'"head":"') + 8
    file.write_bytes(text[:at] + (b"0" if text[at : at + 1] != b"0" else b"1") + text[at + 1 :])
    assert "Verified Successfully" not in shell(SIGNATURE, folder).stdout
