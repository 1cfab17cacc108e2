"""Who says who somebody is: OpenID tokens, a directory, or the passwords of the Agents themselves.

| a change of | goes to |
|---|---|
| what a way is given and answers | `backend.py` |
| ID tokens: discovery, keys, claims | `oidc.py` |
| a directory | `ldap.py` |
| passwords of Agents | `local.py` |
| how often somebody may try | `limits.py` |

None of them gives a right: what they say is mapped to an Agent, whose rights the objects decide (`signed_in.py`).
Called in threads of their own; no text made here holds a password or a token.
"""

from vigie.control.signin.backend import Attempt, Backend, RefusedError, Said, UnreachableError, backend_of

__all__ = ["Attempt", "Backend", "RefusedError", "Said", "UnreachableError", "backend_of"]
