"""Digest authentication as a client (RFC 7616; RFC 2069 where no qop is offered), for RTSP and HTTP alike."""

import hashlib
import os
import re
from collections.abc import Sequence

_HASHES = {"SHA-256": hashlib.sha256, "MD5": hashlib.md5}


class DigestLogin:
    """One account towards one server: keeps the challenge that the next request is answered by."""

    def __init__(self, username: str, password: str) -> None:
        self._username = username
        self._password = password
        self._fields: dict[str, str] = {}
        self._algorithm = ""
        self._count = 0

    @property
    def ready(self) -> bool:
        """Whether there is a challenge."""
        return bool(self._fields)

    def challenge(self, offers: Sequence[str]) -> bool:
        """Takes the strongest of the WWW-Authenticate values; False when there is none.

        Basic is never answered: it would give the password away.
        """
        best: dict[str, str] = {}
        for algorithm in _HASHES:
            for offer in offers:
                fields = _fields(offer)
                if not best and fields.get("algorithm", "MD5").upper() == algorithm and "nonce" in fields:
                    best = fields
                    chosen = algorithm
        if not best:
            return False
        self._fields, self._algorithm, self._count = best, chosen, 0
        return True

    def authorization(self, method: str, uri: str) -> str:
        """The value of the Authorization header."""

        def hashed(*parts: str) -> str:
            return _HASHES[self._algorithm](":".join(parts).encode()).hexdigest()

        fields = self._fields
        realm, nonce = fields.get("realm", ""), fields["nonce"]
        first = hashed(self._username, realm, self._password)
        second = hashed(method, uri)
        user = self._username.replace("\\", "\\\\").replace('"', '\\"')
        answer = f'Digest username="{user}", realm="{realm}", nonce="{nonce}", uri="{uri}"'
        if "auth" in re.split(r"\s*,\s*", fields.get("qop", "")):
            self._count += 1
            count, own = f"{self._count:08x}", os.urandom(8).hex()
            proof = hashed(first, nonce, count, own, "auth", second)
            answer += f', qop=auth, nc={count}, cnonce="{own}", response="{proof}"'
        else:
            answer += f', response="{hashed(first, nonce, second)}"'
        if "opaque" in fields:
            answer += f', opaque="{fields["opaque"]}"'
        return answer + (f", algorithm={self._algorithm}" if "algorithm" in fields else "")


def _fields(offer: str) -> dict[str, str]:
    """The parameters of a Digest challenge; {} of any other. Quoted text is kept as it stands between its quotes."""
    scheme, _, rest = offer.strip().partition(" ")
    if scheme.lower() != "digest" or len(offer) > 2048 or re.search(r"[\x00-\x1f\x7f]", offer):
        return {}
    found = re.findall(r'([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))', rest)
    return {name.lower(): quoted or plain for name, quoted, plain in found}
