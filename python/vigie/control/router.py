"""One ROUTER socket on the event loop: messages in, with whom they are from; frames out to one peer."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import zmq

from vigie.control.inbox import Inbox
from vigie.control.keys import Keys
from vigie.control.parties import LOCAL, Party


class Router:
    """One ROUTER socket on the event loop."""

    def __init__(self, socket: "zmq.Socket[bytes]", keys: Keys | None, number: int, on_message: Any) -> None:
        self.number = number
        self.endpoint = endpoint_of(socket)
        self._socket = socket
        self._keys = keys
        self._on_message = on_message
        self._inbox = Inbox(socket, self._on_parts)

    def start(self) -> None:
        """Reads from now on."""
        self._inbox.start()

    def stop(self) -> None:
        """Reads no more; answers can still be sent."""
        self._inbox.stop()

    def close(self) -> None:
        """Sends what has been taken, for 200 ms at most."""
        self._socket.close()

    def refresh(self) -> None:
        """Before every message and event: a key that was revoked ends at once."""
        if self._keys is not None:
            self._keys.refresh()

    def party(self, user: str) -> Party | None:
        """Who is behind a key, as of the last `refresh`."""
        return LOCAL if self._keys is None else self._keys.party(user)

    def sender(self, identity: bytes, envelope: Sequence[bytes]) -> Callable[[Sequence[bytes]], bool | None]:
        """Sends to one peer, as `peers.Send` says."""

        def send(frames: Sequence[bytes]) -> bool | None:
            try:
                self._socket.send_multipart([identity, *envelope, *frames], zmq.NOBLOCK)
            except zmq.Again:
                return False
            except zmq.ZMQError:
                return None
            finally:
                self._inbox.touched()
            return True

        return send

    def _on_parts(self, parts: Sequence[zmq.Frame]) -> None:
        identity = parts[0].bytes
        # A name that a client chose could be taken over by another, and with it what waits for the first.
        if identity[:1] != b"\0":
            return
        frames = [part.bytes for part in parts[1:]]
        envelope = [b""] if frames[:1] == [b""] else []
        user = address = ""
        if self._keys is not None:
            with suppress(zmq.ZMQError):
                user = str(parts[-1].get("User-Id"))
                address = str(parts[-1].get("Peer-Address"))
        self._on_message(self, identity, envelope, frames[len(envelope) :], user, address)


def endpoint_of(socket: "zmq.Socket[bytes]") -> str:
    """Where a socket listens, with its port."""
    given = socket.getsockopt(zmq.LAST_ENDPOINT)
    return given.rstrip(b"\0").decode() if isinstance(given, bytes) else str(given)
