"""A number that stands for one object as it is, so that a yes to it is a yes to nothing else. Pure."""

import hashlib
import json

from vigie.policy.fields import DeclaredObject


def fingerprint(item: DeclaredObject | None) -> str:
    """64 hexadecimal digits, of kind, name and spec; None stands for an object that is taken out.

    Labels do not count, nor do secrets, nor fields that are left at their defaults.
    """
    value = None
    if item is not None:
        value = item.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude={"labels"})
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
