"""What a line of the journal may hold: names, numbers, instants, digests, and short texts that were cleaned (L-34).

There is no type here for bytes, for an open mapping or for a long text: an image, a key or a password has no field to
stand in. Where a person types, the type is `FreeText`, which cleans what it is given instead of refusing it: a line of
the journal is never lost because of its text.
"""

import hashlib
import hmac
import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, ValidationInfo

from vigie.policy.fields import AgentName, Name

__all__ = [
    "AgentName",
    "Code",
    "Commune",
    "Count",
    "Digest",
    "FreeText",
    "Instant",
    "Name",
    "ObjectRef",
    "Pseudonym",
    "clean_text",
    "instant_text",
    "parse_instant",
    "pseudonym",
]

MAX_TEXT = 500
STORED = "stored"  # the context in which an entry that was written is read
NS = 1_000_000_000
LAST_SECOND = 9_214_646_400  # 2262-01-01: later does not fit the core's signed nanoseconds
_INSTANT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d{9})Z", re.ASCII)

# Order counts: a secret is named before its long run is.
_CLEANED = (
    ("secret", re.compile(r"-----BEGIN.*", re.DOTALL)),
    ("secret", re.compile(r"(?<=://)[^/\s@]+@")),
    (
        "secret",
        re.compile(
            r"(?:pass(?:word|wd|phrase)?|pwd|secret|token|api[ _-]?key|authorization|bearer|mot de passe|mdp)"
            r"\s*[:=]\s*\S+",
            re.IGNORECASE,
        ),
    ),
    ("data", re.compile(r"data:[\w/+.-]*[;,]\S*", re.IGNORECASE)),
    ("data", re.compile(r"[A-Za-z0-9+/=_-]{40,}")),
    # Registration plates: French since 2009 (AA-123-AA), French before (1234 AB 57).
    ("plate", re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}[-.·]?[0-9]{3}[-.·]?[A-Za-z]{2}(?![A-Za-z0-9])")),
    ("plate", re.compile(r"(?<![A-Z0-9])[A-Z]{2}[ -][0-9]{3}[ -][A-Z]{2}(?![A-Z0-9])")),
    ("plate", re.compile(r"(?<![A-Za-z0-9])[0-9]{2,4}[ -]?[A-Z]{2,3}[ -]?(?:[0-9]{2,3}|2[AB])(?![A-Za-z0-9])")),
)
# What cannot be encoded, is not seen, or breaks a line for somebody's tool.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]+")


def clean_text(text: str) -> str:
    """One line of at most 500 characters without what looks like a plate, a secret or data.

    Each is replaced by `[removed: plate]` and so on. Not checked: what cannot be recognised by its form, such as the
    name of a person shown, or a plate of most other countries.
    """
    text = _UNSEEN.sub(" ", text[: 8 * MAX_TEXT]).strip()
    for what, pattern in _CLEANED:
        text = pattern.sub(f"[removed: {what}]", text)
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def pseudonym(secret: bytes, person: str) -> str:
    """The pseudonymous id of a person shown: the same for the same secret, which is kept outside the journal."""
    return "p-" + hmac.digest(secret, person.encode(), hashlib.sha256)[:10].hex()


@lru_cache(maxsize=64)
def _second_text(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def instant_text(time_ns: int) -> str:
    """`2026-01-31T12:34:56.123456789Z`: always 30 characters until 9999, and texts sort as their instants do."""
    second, ns = divmod(time_ns, NS)
    return f"{_second_text(second)}.{ns:09d}Z"


@lru_cache(maxsize=256)
def _second_of(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def parse_instant(text: str) -> int:
    """The nanoseconds since 1970 of `instant_text`. Raises ValueError."""
    match = _INSTANT.fullmatch(text)
    if match is None:
        raise ValueError("not an instant; right would be such as 2026-01-31T12:34:56.123456789Z")
    return _second_of(match[1]) * NS + int(match[2])


def _read_instant(given: Any) -> Any:
    return parse_instant(given) if isinstance(given, str) else given


def _check_object(text: str) -> str:
    kind, slash, name = text.partition("/")
    if not slash or not _KIND.fullmatch(kind) or not _OBJECT_NAME.fullmatch(name):
        raise ValueError("not an object; right would be kind/name such as camera/place-armes-01")
    return text


def _clean(given: Any, info: ValidationInfo) -> Any:
    # What stands in the journal was cleaned when it was written, and is shown as it stands.
    return clean_text(given) if isinstance(given, str) and info.context != STORED else given


_KIND = re.compile(r"[a-z][a-z0-9-]{0,31}", re.ASCII)
_OBJECT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@/-]{0,127}", re.ASCII)

Instant = Annotated[
    int,
    BeforeValidator(_read_instant),
    Field(ge=0, lt=LAST_SECOND * NS),
    PlainSerializer(instant_text, return_type=str, when_used="json"),
]
"""Nanoseconds since 1970 UTC in Python; a text in the journal, which every tool reads without rounding."""

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Commune = Annotated[str, Field(pattern=r"^[0-9][0-9AB][0-9]{3}$")]
Pseudonym = Annotated[str, Field(pattern=r"^p-[0-9a-f]{20}$")]
Code = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,63}$")]
Count = Annotated[int, Field(ge=0, lt=2**63)]
ObjectRef = Annotated[str, AfterValidator(_check_object)]
FreeText = Annotated[str, BeforeValidator(_clean)]
"""What a person typed, cleaned by `clean_text`."""
