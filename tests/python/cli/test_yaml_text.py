"""Objects as YAML read back as the same values."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from vigie.cli.yaml_text import yaml_of
from vigie.policy.yaml_marks import read_documents

# What YAML can carry: no control characters, no lone surrogates.
texts = st.text(st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\ufffe\uffff\u2028\u2029"))
odd = st.sampled_from(
    ["010", "1e5", "yes", "no", "on", "~", "null", "", "true", "0x1F", "<<", "12:30", "-", "=", ".5", "+1"]
)
leaves = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e6, 1e6) | texts | odd
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts | odd, inner, max_size=3), max_leaves=12
)


@given(st.lists(st.dictionaries(texts.filter(bool), values, min_size=1, max_size=4), min_size=1, max_size=3))
def test_what_is_written_reads_back(bodies: list[dict[str, Any]]) -> None:
    documents, problems = read_documents(yaml_of(bodies), "x")
    assert problems == []
    assert [json.dumps(document.value, sort_keys=True) for document in documents] == [
        json.dumps(body, sort_keys=True) for body in bodies
    ]
