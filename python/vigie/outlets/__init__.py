"""Where alarms are told outside: syslog, e-mail, webhook. Sockets, and no rule: what is told is decided elsewhere.

| a change of | goes to |
|---|---|
| what stands in a message | `notice.py` |
| RFC 5424 and its ways | `syslog.py` |
| e-mail | `mail.py` |
| POST of signed JSON | `webhook.py` |

Each sender's `send` returns when the other side has taken all, and raises `OutletError` when it has not; it may take
several times `TIMEOUT_S`.
Called from a thread of the outlet's own (`control/outlet_threads.py`), which tries again.
"""

from vigie.outlets.notice import Notice, OutletError, Sender, sender_of

__all__ = ["Notice", "OutletError", "Sender", "sender_of"]
