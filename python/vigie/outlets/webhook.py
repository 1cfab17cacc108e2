"""Alarms as signed JSON over HTTP: `POST`, no redirect followed, no proxy of the environment, any 2xx is taken.

`X-Vigie-Signature: t=SECONDS,v1=HEX`: HMAC-SHA-256 with the secret over `SECONDS.BODY`, so that neither the text nor
the time can be changed, and an old message cannot be sent again unnoticed.
"""

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Sequence

import urllib3

from vigie.outlets.notice import TIMEOUT_S, Notice, OutletError
from vigie.outlets.tls import client_context
from vigie.policy.desk_objects import Webhook

SIGNATURE = "X-Vigie-Signature"


def signature(secret: str, seconds: int, body: bytes) -> str:
    """The value of the header."""
    digest = hmac.new(secret.encode(), b"%d." % seconds + body, hashlib.sha256).hexdigest()
    return f"t={seconds},v1={digest}"


class WebhookSender:
    """One connection for each batch."""

    def __init__(
        self,
        spec: Webhook,
        secret: str,
        folder: str,
        now: Callable[[], float] = time.time,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._spec = spec
        self._secret = secret
        self._folder = folder
        self._now = now
        self._timeout_s = timeout_s

    def send(self, notices: Sequence[Notice]) -> None:
        """Raises: OutletError for whatever is no 2xx."""
        value = {"source": notices[0].source, "alarms": [one.value() for one in notices]}
        body = json.dumps(value, ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json", SIGNATURE: signature(self._secret, int(self._now()), body)}
        where = self._spec.url.partition("?")[0]
        try:
            context = client_context(self._spec.tls_ca, self._folder)
            with urllib3.PoolManager(ssl_context=context, retries=False, timeout=self._timeout_s) as pool:
                answer = pool.request(
                    "POST", self._spec.url, body=body, headers=headers, redirect=False, preload_content=False
                )
                status = answer.status  # the body of the answer is not read
                answer.close()
        except urllib3.exceptions.ReadTimeoutError:
            raise OutletError(f"{where}: no answer") from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise OutletError(f"{where}: {type(error).__name__}: {_reason(error)}"[:300]) from None
        if not 200 <= status < 300:
            more = "; it is not followed elsewhere" if 300 <= status < 400 else ""
            raise OutletError(f"{where}: status {status}{more}")


def _reason(error: Exception) -> str:
    """What went wrong, without the address, whose query may be a secret."""
    inner = error.__context__ or error.__cause__
    return str(inner if inner is not None else error).partition("?")[0]
