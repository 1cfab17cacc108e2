"""The interface of all ways to sign in, and which one an `IdentityProvider` is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from vigie.policy.declared import Declared
from vigie.policy.desk_objects import IdentityProvider

TIMEOUT_S = 5.0
Passwords = Callable[[str], str | None]
"""The password of an Agent by name, as it is kept; None where there is none."""


class RefusedError(Exception):
    """He is not who he says, or cannot be. The text is for the journal of this server, never for him."""


class UnreachableError(Exception):
    """The provider did not answer, or not as one does."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What somebody brings. `nonce`: of this connection's challenge, "" where it has none."""

    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    nonce: str = field(default="", repr=False)
    now: float = 0.0


@dataclass(frozen=True, slots=True)
class Said:
    """Who he is, in the provider's words. `until`: Unix time at which what he brought ends, where it does."""

    subject: str
    until: float | None = None


class Backend(Protocol):
    """One way to sign in. Thread: any, several at a time."""

    way: str

    def check(self, attempt: Attempt) -> Said:
        """Raises: RefusedError, UnreachableError."""


def backend_of(item: Declared[IdentityProvider], passwords: Passwords) -> Backend:
    """The way of a provider, with its secrets."""
    from vigie.control.signin.ldap import LdapBackend
    from vigie.control.signin.local import LocalBackend
    from vigie.control.signin.oidc import OidcBackend

    spec, secrets = item.object.spec, item.secrets
    if spec.oidc is not None:
        return OidcBackend(spec.oidc, item.folder)
    if spec.ldap is not None:
        return LdapBackend(spec.ldap, _secret(secrets), item.folder)
    return LocalBackend(passwords)


def _secret(secrets: Mapping[Any, str]) -> str:
    return secrets.get(("spec", "ldap", "password"), "")
