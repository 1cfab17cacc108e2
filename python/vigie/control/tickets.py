"""Tickets: what lets a viewer in instead of a password. The core opens them (`src/engine/rtsp/ticket.h`)."""

import hmac
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from pathlib import Path

from vigie.durable import replace_file
from vigie.errors import StateUnreadableError

FILE = "ticket.key"
_KEY_CHARACTERS = 43


@dataclass(frozen=True, slots=True)
class Ticket:
    """`revision`: of the snapshot by which it was decided. Times: nanoseconds since 1970; `until_ns` 0: no end.

    `form`: `camera` or `camera@version`.
    """

    route: str
    revision: int
    open_by_ns: int
    until_ns: int
    agent: str
    form: str
    stream: str


def seal(ticket: Ticket, key: str) -> str:
    """The text that stands in a URL."""
    fields = ("1", ticket.route, ticket.revision, ticket.open_by_ns, ticket.until_ns, ticket.agent, ticket.form)
    text = "~".join(map(str, (*fields, ticket.stream))).encode()
    return f"{_url_text(text)}.{_url_text(hmac.digest(key.encode(), text, 'sha256'))}"


def ticket_key(folder: Path) -> str:
    """What seals the tickets of a state folder; made at the first start.

    Raises: StateUnreadableError, OSError (it cannot be made).
    """
    path = folder / FILE
    try:
        key = path.read_text("ascii").strip()
    except FileNotFoundError:
        key = secrets.token_urlsafe(32)
        replace_file(path, key.encode())
    except (OSError, UnicodeDecodeError) as error:
        raise StateUnreadableError(str(error), str(path)) from None
    if len(key) < _KEY_CHARACTERS:
        what = f"{len(key)} characters; right would be {_KEY_CHARACTERS}, or no file: a new one is made then"
        raise StateUnreadableError(what, str(path))
    return key


def _url_text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
