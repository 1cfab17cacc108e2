"""The passwords of the Agents: the ones that viewers' digests are made with, and so kept as they are."""

import hashlib
import hmac
import os

from vigie.control.signin.backend import Attempt, Passwords, RefusedError, Said


class LocalBackend:
    """Compares in constant time, and as long for a name that nobody has."""

    way = "local"

    def __init__(self, passwords: Passwords) -> None:
        self._passwords = passwords
        self._nobody = os.urandom(32).hex()

    def check(self, attempt: Attempt) -> Said:
        """`user`: the Agent's name."""
        kept = self._passwords(attempt.user)
        given, right = (
            hashlib.sha256(text.encode()).digest()
            for text in (attempt.password, self._nobody if kept is None else kept)
        )
        if not hmac.compare_digest(given, right) or kept is None or not attempt.password:
            raise RefusedError("no such Agent, none with a password, or another password")
        return Said(attempt.user)
