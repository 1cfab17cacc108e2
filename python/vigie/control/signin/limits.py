"""How often somebody may try: by the name he tries, and from where. The same for names that nobody has. Pure."""

from collections import OrderedDict
from dataclasses import dataclass

FREE = 5  # of one name
FREE_PLACE = 30  # of one place, where many people may sit
LONGEST_S = 300.0
FORGOTTEN_S = 900.0
MANY = 10  # failures of one name, until it is an alarm
MAX_KEPT = 10_000


@dataclass(slots=True)
class _Failures:
    count: int = 0
    last_s: float = 0.0


class Limits:
    """Failures by key. Thread: one at a time. Seconds: monotonic."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, _Failures] = OrderedDict()

    def wait_s(self, keys: tuple[str, ...], now: float) -> float:
        """How long nobody may try by these keys; 0: now."""
        return max((self._wait_s(key, now) for key in keys), default=0.0)

    def _wait_s(self, key: str, now: float) -> float:
        known = self._failures.get(key)
        if known is None or now - known.last_s > FORGOTTEN_S or known.count < _free(key):
            return 0.0
        return max(0.0, known.last_s + min(LONGEST_S, 2.0 ** min(known.count - _free(key), 16)) - now)

    def failed(self, keys: tuple[str, ...], now: float) -> int:
        """Counts a failure; how many the first key has had lately."""
        for key in keys:
            known = self._failures.setdefault(key, _Failures())
            if now - known.last_s > FORGOTTEN_S:
                known.count = 0
            known.count, known.last_s = known.count + 1, now
            self._failures.move_to_end(key)
        while len(self._failures) > MAX_KEPT:
            self._failures.popitem(last=False)
        return self._failures[keys[0]].count

    def worked(self, key: str) -> None:
        """He is who he says: his own failures are forgotten, those of the place are not."""
        self._failures.pop(key, None)


def key_of_name(provider: str, user: str) -> str:
    """The key of whoever is tried."""
    return f"name {provider} {user.casefold()}"


def key_of_place(place: str) -> str:
    """The key of where it is tried from."""
    return f"place {place}"


def _free(key: str) -> int:
    return FREE_PLACE if key.startswith("place ") else FREE
