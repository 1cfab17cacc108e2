"""From control to the supervisor: nothing is lost while there is none, as far as it is kept, and nobody waits."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vigie.processes import feed
from vigie.processes.feed import Feed


class Listening:
    """A supervisor's end."""

    def __init__(self, path: Path) -> None:
        self._listener = feed.listen(path)
        self._listener.settimeout(10)
        self.socket: socket.socket | None = None

    def take(self) -> Any:
        self.socket = self._listener.accept()[0]
        self.socket.settimeout(10)
        self._lines = self.socket.makefile("r")
        return self

    def next(self) -> Any:
        line = self._lines.readline()
        return json.loads(line) if line else None

    def tell(self, record: Any) -> None:
        assert self.socket is not None
        self.socket.sendall(json.dumps(record).encode() + b"\n")

    def close(self) -> None:
        if self.socket is not None:
            self._lines.close()
            self.socket.close()
        self._listener.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "supervisor.sock"


@pytest.fixture
def to(path: Path) -> Iterator[Feed]:
    with Feed(path) as made:
        yield made


def note(text: str) -> dict[str, str]:
    return {"type": "note", "text": text}


def test_what_is_said_before_anybody_listens_comes_first(path: Path, to: Feed) -> None:
    to.greeting = lambda: [note("how things are")]
    for number in range(3):
        to.put(note(str(number)))
    time.sleep(2 * feed.RETRY_S)  # it has tried
    one = Listening(path).take()
    assert [one.next()["text"] for _ in range(4)] == ["how things are", "0", "1", "2"]
    to.put(note("3"))
    assert one.next() == note("3")
    one.close()


def test_the_first_is_not_greeted(path: Path) -> None:
    one = Listening(path)
    with Feed(path, greeting=lambda: [note("how things are")]) as to:
        to.put(note("new"))
        one.take()
        assert one.next() == note("new")
        one.close()
        next_one = Listening(path).take()
        assert next_one.next() == note("how things are")
        next_one.close()


def test_what_is_wanted_is_heard(path: Path, to: Feed) -> None:
    heard: list[Any] = []
    came = threading.Event()
    one = Listening(path).take()
    one.tell({"do": "early"})
    time.sleep(0.05)  # before anybody hears; later it would be heard all the same
    to.hear(lambda record: (heard.append(record), came.set() if len(heard) == 2 else None)[1])
    one.tell({"do": "reload"})
    assert came.wait(10)
    assert heard == [{"do": "early"}, {"do": "reload"}]
    one.close()


def test_too_much_is_left_out_with_its_count(path: Path, to: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "KEPT", 10)
    for number in range(25):
        to.put(note(str(number)))
    one = Listening(path).take()
    assert one.next()["text"] == "15 lines were left out: nobody took them"
    assert [one.next()["text"] for _ in range(10)] == [str(number) for number in range(15, 25)]
    one.close()


def test_closing_sends_what_waits_and_does_not_wait_for_nobody(path: Path) -> None:
    one = Listening(path)
    to = Feed(path)
    to.put(note("last words"))
    to.close()
    one.take()
    assert (one.next(), one.next()) == (note("last words"), None)
    one.close()
    path.unlink()
    alone = Feed(path)
    alone.put(note("nobody"))
    began = time.monotonic()
    alone.close()
    assert time.monotonic() - began < feed.FLUSH_S


def test_the_socket_is_its_users_alone(path: Path) -> None:
    one = Listening(path)
    assert path.stat().st_mode & 0o077 == 0
    one.close()
