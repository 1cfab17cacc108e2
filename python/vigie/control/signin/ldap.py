"""A directory (RFC 4511): the person is looked for, then the directory itself is asked whether the password is right.

Always over TLS with a certificate that is checked. A name that nobody has is asked for just as often as one that
somebody has, so that the time tells nothing.
"""

import os
import ssl
from typing import Any

from vigie.control.signin.backend import TIMEOUT_S, Attempt, RefusedError, Said, UnreachableError
from vigie.policy.desk_objects import Ldap, server_of

NOBODY = "vigie-nobody-of-this-name"


class LdapBackend:
    """One directory. Needs the library ldap3 (`pip install vigie[ldap]`)."""

    way = "ldap"

    def __init__(self, spec: Ldap, password: str, folder: str) -> None:
        self._spec = spec
        self._password = password
        self._folder = folder

    def check(self, attempt: Attempt) -> Said:
        """`user`: what `user_attribute` holds."""
        if not attempt.user or not attempt.password:
            raise RefusedError("without user or password")  # a bind without password is one as nobody, and works
        try:
            import ldap3
            from ldap3.core.exceptions import LDAPException
        except ImportError:
            raise UnreachableError("the library ldap3 is not installed; right would be vigie[ldap]") from None
        try:
            entry = self._found(ldap3, attempt.user)
            dn, subject = (f"{self._spec.user_attribute}={NOBODY},{self._spec.base}", "") if entry is None else entry
            bound = self._bind(ldap3, dn, attempt.password)
        except (LDAPException, OSError, ssl.SSLError) as error:
            raise UnreachableError(f"{self._spec.server}: {type(error).__name__}: {str(error)[:150]}") from None
        if not bound or entry is None:
            raise RefusedError("nobody of that name, several, or another password")
        if not subject:
            raise RefusedError(f"the entry has no single {self._spec.attribute}")
        return Said(subject)

    def _found(self, ldap3: Any, user: str) -> tuple[str, str] | None:
        """The one entry of a name: its DN, and what it says who it is ("": nothing, or several things)."""
        from ldap3.utils.conv import escape_filter_chars

        spec = self._spec
        connection = self._connection(ldap3, spec.bind_dn, self._password)
        try:
            if not connection.bind():
                raise OSError("the account that searches is refused")
            wanted = f"(&{spec.filter}({spec.user_attribute}={escape_filter_chars(user)}))"
            connection.search(spec.base, wanted, ldap3.SUBTREE, attributes=[spec.attribute], size_limit=2, time_limit=5)
            entries = [one for one in connection.response or () if one.get("type") == "searchResEntry"]
        finally:
            connection.unbind()
        if len(entries) != 1:
            return None
        values = entries[0]["attributes"].get(spec.attribute)
        values = values if isinstance(values, list) else [values]
        return entries[0]["dn"], str(values[0]) if len(values) == 1 and values[0] else ""

    def _bind(self, ldap3: Any, dn: str, password: str) -> bool:
        connection = self._connection(ldap3, dn, password)
        try:
            return bool(connection.bind())
        finally:
            connection.unbind()

    def _connection(self, ldap3: Any, dn: str | None, password: str) -> Any:
        spec = self._spec
        target = server_of(spec.server)
        assert target is not None  # checked when it was declared
        ca = None if spec.tls_ca is None else os.path.join(self._folder, spec.tls_ca)
        tls = ldap3.Tls(validate=ssl.CERT_REQUIRED, version=ssl.PROTOCOL_TLS_CLIENT, ca_certs_file=ca)
        server = ldap3.Server(
            target[0],
            target[1],
            use_ssl=spec.tls == "implicit",
            tls=tls,
            connect_timeout=TIMEOUT_S,
            get_info=ldap3.NONE,
        )
        connection = ldap3.Connection(
            server,
            user=dn,
            password=password if dn is not None else None,
            authentication=ldap3.ANONYMOUS if dn is None else ldap3.SIMPLE,
            receive_timeout=int(TIMEOUT_S),  # the library takes no fraction
            auto_referrals=False,
            read_only=True,
        )
        connection.open()
        if spec.tls == "starttls" and not connection.start_tls():
            raise OSError("STARTTLS is refused")
        return connection
