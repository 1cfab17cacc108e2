"""Objects as YAML that reads back as the same values."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

# What the reader (YAML 1.2, policy/yaml_marks.py) or others (1.1) could take for something that is not text.
_NOT_PLAIN = re.compile(r"[-+.~<0-9]|(?:true|false|null|yes|no|on|off|y|n)\Z", re.IGNORECASE)
_ORDER = ("kind", "name", "labels", "spec")


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    style = '"' if not text or _NOT_PLAIN.match(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def yaml_of(bodies: Sequence[Mapping[str, Any]]) -> str:
    """Documents, in their order."""
    ordered = [{key: body[key] for key in (*_ORDER, *sorted({*body} - {*_ORDER})) if key in body} for body in bodies]
    return yaml.dump_all(ordered, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
