"""Secrets given in clear, kept apart from the state, in one file of its folder that only the owner can read (0600).

Not encrypted: the key would have to lie beside it for the service to start unattended, and would protect nothing. What
it gives: the database, its back-ups, exports and differences hold `state:ID` and never a secret.
An ID is bound to one field of one object, so that nobody can point another object at it. It is never given to another
secret: a revision that was refused leaves those in force as they are.
"""

import json
import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from vigie.durable import replace_file
from vigie.errors import StateUnreadableError, StateUnwritableError

FILE = "secrets.json"


@dataclass(frozen=True)
class Kept:
    """One secret and the field it is of, such as `Camera/place spec.streams.main.password`."""

    of: str
    secret: str = field(repr=False)


class SecretStore:
    """The secrets of a state folder. Thread: one at a time (the store's lock)."""

    def __init__(self, folder: Path) -> None:
        """Raises: StateUnreadableError."""
        self._path = folder / FILE
        self._kept: dict[str, Kept] = {}
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return
        except (OSError, UnicodeDecodeError) as error:
            raise StateUnreadableError(type(error).__name__, str(self._path)) from None
        try:
            self._kept = {key: Kept(str(of), str(secret)) for key, (of, secret) in json.loads(text).items()}
        except (ValueError, AttributeError, TypeError):
            raise StateUnreadableError(
                "not what was written there; right would be a back-up", str(self._path)
            ) from None

    def get(self, reference: str, of: str) -> str | None:
        """The secret behind `state:ID`, or None when there is none of this field."""
        kept = self._kept.get(reference.removeprefix("state:"))
        return kept.secret if kept is not None and kept.of == of else None

    def add(self, new: dict[str, Kept]) -> None:
        """Keeps more, on the disk when it returns. Raises: StateUnwritableError; nothing has changed then."""
        if new:
            self._write({**self._kept, **new})

    def keep_only(self, references: Collection[str]) -> None:
        """Forgets all others. Raises: StateUnwritableError."""
        ids = {reference.removeprefix("state:") for reference in references}
        if left := {key: kept for key, kept in self._kept.items() if key not in ids}:
            self._write({key: kept for key, kept in self._kept.items() if key not in left})

    def _write(self, kept: dict[str, Kept]) -> None:
        text = json.dumps({key: [item.of, item.secret] for key, item in kept.items()}, indent=0)
        try:
            replace_file(self._path, text.encode())
        except OSError as error:
            raise StateUnwritableError(str(error.strerror), str(self._path)) from None
        self._kept = kept


def new_id() -> str:
    """An ID for a secret, as it stands in an object: `state:…`."""
    return f"state:{secrets.token_hex(8)}"
