"""What a site's partner offers: values, whoever asked for them. All texts in them are a stranger's."""

import re
from dataclasses import dataclass

MAX_TITLE = 256


@dataclass(frozen=True, slots=True)
class OfferedStream:
    """One stream. `codec` "" and sizes 0: not known."""

    name: str
    url: str
    codec: str = ""
    width: int = 0
    height: int = 0


@dataclass(frozen=True, slots=True)
class OfferedCamera:
    """One camera. `token`: what it is called over there, for as long as it is there."""

    token: str
    title: str = ""
    number: int = 0
    streams: tuple[OfferedStream, ...] = ()


@dataclass(frozen=True, slots=True)
class Inventory:
    """All that a partner offers, in its order. `partner`: what it says it is."""

    partner: str = ""
    cameras: tuple[OfferedCamera, ...] = ()


def clean(text: str, most: int = MAX_TITLE) -> str:
    """A stranger's text on one line, without what cannot be printed, at most `most` characters."""
    shown = "".join(letter if letter.isprintable() else " " for letter in text[: 4 * most])
    return re.sub(r" +", " ", shown).strip()[:most]
