"""The YAML in the documentation is right, and its example says what it is said to."""

import re
from datetime import datetime
from pathlib import Path

import pytest

from vigie.policy import load_town
from vigie.policy.objects import KINDS
from vigie.policy.reasons import explain
from vigie.policy.rights import decide
from vigie.policy.windows import ns_of
from vigie.policy.world import World
from vigie.policy.yaml_marks import read_documents

DOCS = Path(__file__).parents[3] / "docs"
BLOCK = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)
BLOCKS = [
    pytest.param(match[1], id=f"{page.name}:{page.read_text(encoding='utf-8')[: match.start()].count(chr(10)) + 2}")
    for page in sorted(DOCS.glob("*.md"))
    for match in BLOCK.finditer(page.read_text(encoding="utf-8"))
    if "kind:" in match[1]
]


@pytest.mark.parametrize("text", BLOCKS)
def test_objects_in_the_documentation_are_objects(text: str) -> None:
    documents, problems = read_documents(text, "page")
    assert not problems
    for document in documents:
        KINDS[document.value["kind"]].model_validate(document.value)


def test_the_example_of_rights(tmp_path: Path) -> None:
    page = (DOCS / "rights.md").read_text(encoding="utf-8")
    file = tmp_path / "city.yaml"
    file.write_text(BLOCK.findall(page)[0], encoding="utf-8")
    world = World.of(load_town([file], {}).objects())
    quoted = [
        " ".join(line[2:] for line in block.splitlines()) for block in re.findall(r"(?:^> .*\n)+", page, re.MULTILINE)
    ]
    said = [
        explain(decide(world, "lea", "place-armes-01", "live", None, ns_of(datetime.fromisoformat(at))), "Europe/Paris")
        for at in ("2026-06-01T12:00:00+02:00", "2026-06-06T12:00:00+02:00")
    ]
    assert said == quoted
