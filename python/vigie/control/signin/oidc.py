"""ID tokens of an OpenID provider (OpenID Connect Core 1.0, 3.1.3.7): signature, issuer, audience, times, nonce.

The provider's address of keys comes from its discovery document; both are read over HTTPS, bounded in size and time,
without redirects, and kept for an hour. A token that names a key which is not known has them read again, once a minute.
"""

import hmac
import json
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import urllib3
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from vigie.control.signin.backend import TIMEOUT_S, Attempt, RefusedError, Said, UnreachableError
from vigie.errors import TlsFailedError
from vigie.outlets.tls import client_context
from vigie.policy.desk_objects import Oidc, http_url_problem

DISCOVERY = "/.well-known/openid-configuration"
MAX_BYTES = 256 << 10
KEPT_S = 3600.0
AGAIN_S = 60.0
LEEWAY_S = 60

Fetch = Callable[[str], Any]
"""JSON behind an address. Raises: UnreachableError."""


class OidcBackend:
    """One provider."""

    way = "oidc"

    def __init__(
        self, spec: Oidc, folder: str, fetch: Fetch | None = None, steady: Callable[[], float] = time.monotonic
    ) -> None:
        self._spec = spec
        self._folder = folder
        self._fetch = fetch or self._read
        self._steady = steady
        self._lock = threading.Lock()
        self._keys: tuple[float, KeySet] | None = None

    def check(self, attempt: Attempt) -> Said:
        """A token alone counts; user and password do not."""
        if not attempt.token:
            raise RefusedError("without a token")
        claims = self._claims(attempt.token)
        self._check(claims, attempt)
        subject = claims.get(self._spec.claim)
        if not isinstance(subject, str) or not subject:
            raise RefusedError(f"the token has no claim {self._spec.claim}")
        if self._spec.claim == "email" and claims.get("email_verified") is False:
            raise RefusedError("the provider has not verified the address")
        return Said(subject, float(claims["exp"]))

    def _claims(self, token: str) -> Mapping[str, Any]:
        keys, fresh = self._known()
        try:
            return self._decoded(token, keys)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            newer = None if fresh else self._newer()
            if newer is None:
                raise RefusedError(f"the token's signature: {type(error).__name__}") from None
        try:
            return self._decoded(token, newer)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise RefusedError(f"the token's signature: {type(error).__name__}") from None

    def _decoded(self, token: str, keys: KeySet) -> Mapping[str, Any]:
        return jwt.decode(token, keys, algorithms=list(self._spec.algorithms)).claims

    def _check(self, claims: Mapping[str, Any], attempt: Attempt) -> None:
        spec = self._spec
        registry = jwt.JWTClaimsRegistry(
            now=int(attempt.now),
            leeway=LEEWAY_S,
            iss={"essential": True, "value": spec.issuer},
            aud={"essential": True, "value": spec.client_id},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
        )
        try:
            registry.validate(dict(claims))
        except (JoseError, ValueError, TypeError) as error:
            raise RefusedError(f"the token's claims: {error}"[:200]) from None
        audience = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
        if claims.get("azp", spec.client_id) != spec.client_id or (len(audience) > 1 and "azp" not in claims):
            raise RefusedError("the token is for another client too (azp)")
        if spec.nonce:
            nonce = claims.get("nonce")
            if not attempt.nonce or not isinstance(nonce, str):
                raise RefusedError("without a nonce")
            if not hmac.compare_digest(nonce.encode(), attempt.nonce.encode()):
                raise RefusedError("another nonce than this connection's")

    def _known(self) -> tuple[KeySet, bool]:
        """The provider's keys, and whether they were read just now. Raises: UnreachableError."""
        with self._lock:
            now = self._steady()
            if self._keys is not None and now - self._keys[0] < KEPT_S:
                return self._keys[1], False
            self._keys = (now, self._read_keys())
            return self._keys[1], True

    def _newer(self) -> KeySet | None:
        """Keys read again, unless that was a moment ago."""
        with self._lock:
            now = self._steady()
            if self._keys is not None and now - self._keys[0] < AGAIN_S:
                return None
            self._keys = (now, self._read_keys())
            return self._keys[1]

    def _read_keys(self) -> KeySet:
        issuer = self._spec.issuer
        found = self._fetch(issuer.rstrip("/") + DISCOVERY)
        if not isinstance(found, dict) or found.get("issuer") != issuer:
            raise UnreachableError(f"{issuer}: its discovery document names another issuer")
        address = found.get("jwks_uri")
        if not isinstance(address, str) or http_url_problem(address, False) is not None:
            raise UnreachableError(f"{issuer}: it names no address of its keys that can be used")
        keys = self._fetch(address)
        try:
            # Keys that both sides would share have no business in a public list.
            public = [key for key in keys["keys"] if key.get("kty") in ("RSA", "EC", "OKP")]
            return KeySet.import_key_set({"keys": public})
        except (JoseError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise UnreachableError(f"{issuer}: its keys cannot be read ({type(error).__name__})") from None

    def _read(self, address: str) -> Any:
        until = self._steady() + TIMEOUT_S
        try:
            context = client_context(self._spec.tls_ca, self._folder)
            with urllib3.PoolManager(ssl_context=context, retries=False, timeout=TIMEOUT_S) as pool:
                answer = pool.request("GET", address, redirect=False, preload_content=False)
                data = bytearray()
                try:
                    if answer.status != 200:
                        raise UnreachableError(f"{address}: status {answer.status}")
                    while chunk := answer.read(16384):
                        data += chunk
                        if len(data) > MAX_BYTES or self._steady() > until:
                            raise UnreachableError(f"{address}: too large, or too slow")
                finally:
                    answer.close()
            return json.loads(data)
        except (urllib3.exceptions.HTTPError, OSError, TlsFailedError) as error:
            raise UnreachableError(f"{address}: {type(error).__name__}") from None
        except ValueError:
            raise UnreachableError(f"{address}: no JSON") from None
