"""The form of a line, and how lines hang together.

    {"seq":41,"at":"…Z","category":"views","prev":"…","sha256":"…","hash":"…","entry":{"salt":"…",…}}

The *head* is the text before `,"hash"`. `sha256` is that of the entry's bytes, `hash` that of the head's, `prev` the
hash of the line before (64 zeros in the first). A purge puts `null` in the entry's place; the head stays, and with it
the chain. An entry begins with a random salt: without it, who knows the agents could find out by trying which entry had
the `sha256` that outlives it. All hashes are over bytes as they stand: nothing is written anew to check them.
"""

import hashlib
import os
import re
from dataclasses import dataclass, replace

from vigie.errors import LimitExceededError
from vigie.journal.records import Category
from vigie.journal.texts import instant_text

NO_LINE = "0" * 64  # the hash before the first line
MAX_LINE_BYTES = 2 << 20
PURGED = b"null"
_SALT_BYTES = 16
_BEHIND_SALT = len('{"salt":"') + 2 * _SALT_BYTES + len('",')
_LINE = re.compile(
    rb'(\{"seq":([1-9][0-9]{0,17}),"at":"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{9}Z)",'
    rb'"category":"([a-z]{1,16})","prev":"([0-9a-f]{64})","sha256":"([0-9a-f]{64})"),"hash":"([0-9a-f]{64})",'
    rb'"entry":(\{"salt":"[0-9a-f]{32}",.*\}|null)\}',
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Line:
    """A line taken apart; what it says of itself, not yet what is true. `at`: `instant_text`."""

    seq: int
    at: str
    category: str
    prev: str
    sha256: str
    hash: str
    head: bytes
    entry: bytes

    @property
    def purged(self) -> bool:
        """Whether its entry is gone."""
        return self.entry == PURGED

    def fault(self) -> str:
        """What is altered within the line, or ""."""
        if hashlib.sha256(self.head).hexdigest() != self.hash:
            return "its head does not have the hash that stands behind it"
        if not self.purged and hashlib.sha256(self.entry).hexdigest() != self.sha256:
            return "its entry does not have the sha256 that stands in the head"
        return ""

    def record_text(self) -> bytes:
        """The entry without its salt; nothing, where it is gone."""
        return b"" if self.purged else b"{" + self.entry[_BEHIND_SALT:]

    def text(self) -> bytes:
        """The line as it stands, with its line feed."""
        return _text(self.head, self.hash, self.entry)

    def without_entry(self) -> bytes:
        """The line after a purge, with its line feed."""
        return replace(self, entry=PURGED).text()


def _text(head: bytes, own: str, entry: bytes) -> bytes:
    return b'%b,"hash":"%b","entry":%b}\n' % (head, own.encode(), entry)


def split_line(text: bytes) -> Line | None:
    """Takes a line apart, given without its line feed; None: it does not have the form."""
    match = _LINE.fullmatch(text)
    if match is None:
        return None
    head, seq, at, category, prev, sha256, own, entry = match.groups()
    return Line(int(seq), at.decode(), category.decode(), prev.decode(), sha256.decode(), own.decode(), head, entry)


@dataclass(frozen=True, slots=True)
class Chain:
    """Where a journal stands: its last line's seq, hash and time."""

    seq: int = 0
    hash: str = NO_LINE
    at_ns: int = 0

    def add(self, at_ns: int, category: Category, record: bytes) -> tuple["Chain", bytes]:
        """The next line, with its line feed, and where the journal stands with it. Raises LimitExceededError."""
        if len(record) > MAX_LINE_BYTES - 512:
            raise LimitExceededError(f"an entry of {len(record)} bytes; right would be at most 2 MiB", "journal")
        entry = b'{"salt":"%b",%b' % (os.urandom(_SALT_BYTES).hex().encode(), record[1:])
        seq = self.seq + 1
        head = (
            f'{{"seq":{seq},"at":"{instant_text(at_ns)}","category":"{category}","prev":"{self.hash}",'
            f'"sha256":"{hashlib.sha256(entry).hexdigest()}"'
        ).encode()
        own = hashlib.sha256(head).hexdigest()
        return Chain(seq, own, at_ns), _text(head, own, entry)
