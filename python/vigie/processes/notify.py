"""What systemd is told: one datagram each, to the socket it names (sd_notify(3)). Without systemd: nothing."""

import os
import socket
from collections.abc import Mapping, MutableMapping
from contextlib import suppress


class Notify:
    """Speaks to the service manager that started this process. Takes the variables out, so that children do not."""

    def __init__(self, environment: MutableMapping[str, str] = os.environ) -> None:
        self._address = environment.pop("NOTIFY_SOCKET", "")
        self.watchdog_s = _watchdog_s(environment)
        for name in ("WATCHDOG_USEC", "WATCHDOG_PID"):
            environment.pop(name, None)

    def tell(self, **fields: str) -> None:
        """Such as `READY="1", STATUS="…"`. A manager that does not listen is no fault of ours."""
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        text = "\n".join(f"{name}={value}" for name, value in fields.items())
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
            to.setblocking(False)
            to.sendto(text.encode(), address)


def _watchdog_s(environment: Mapping[str, str]) -> float | None:
    """How often it wants a sign of life: half of what it allows. None: not at all."""
    allowed, of = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if not allowed.isdecimal() or int(allowed) == 0 or (of and of != str(os.getpid())):
        return None
    return int(allowed) / 2e6
