"""Another vigie's list, as this side reads it: pages, digest, and what a partner that lies gets."""

import hashlib
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from vigie import errors
from vigie.digest import DigestLogin
from vigie.policy.inventory import OfferedCamera, OfferedStream
from vigie.site.partner import Partner
from vigie.site.relay import list_relay

# What to answer to a request: status, headers, body.
Act = Callable[[str, str, dict[str, str]], tuple[int, dict[str, str], bytes] | bytes]


class Server:
    """Speaks RTSP as a test says. `asked`: method and URI of each request."""

    def __init__(self, act: Act) -> None:
        self.asked: list[tuple[str, str]] = []
        self._act = act
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                try:
                    self._talk(connection)
                except OSError:
                    continue

    def _talk(self, connection: socket.socket) -> None:
        buffer = b""
        while True:
            while b"\r\n\r\n" not in buffer:
                data = connection.recv(4096)
                if not data:
                    return
                buffer += data
            head, _, buffer = buffer.partition(b"\r\n\r\n")
            lines = head.decode().split("\r\n")
            method, uri, _ = lines[0].split(" ")
            headers = dict(line.split(": ", 1) for line in lines[1:])
            length = int(headers.get("Content-Length", 0))
            while len(buffer) < length:
                buffer += connection.recv(4096)
            assert buffer[:length] == b"vigie.cameras\r\n"
            buffer = buffer[length:]
            self.asked.append((method, uri))
            answer = self._act(method, uri, headers)
            if isinstance(answer, bytes):
                connection.sendall(answer)
                return
            status, more, body = answer
            more = {"CSeq": headers["CSeq"], "Content-Length": str(len(body))} | more
            text = "".join(f"{name}: {value}\r\n" for name, value in more.items() if value)
            connection.sendall(f"RTSP/1.0 {status} X\r\n{text}\r\n".encode() + body)

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@pytest.fixture
def server() -> Iterator[Callable[[Act], Server]]:
    """Starts servers."""
    started: list[Server] = []

    def start(act: Act) -> Server:
        started.append(Server(act))
        return started[-1]

    yield start
    for each in started:
        each.close()


def partner(server: Server, **more: Any) -> Partner:
    return Partner("gare", f"rtsp://127.0.0.1:{server.port}", **more)


def page(*names: str, more: bool = False) -> bytes:
    cameras = [{"name": name, "title": "", "number": 0, "streams": [{"name": "main"}]} for name in names]
    return b"vigie.cameras: " + json.dumps({"revision": 1, "cameras": cameras, "more": more}).encode() + b"\r\n"


def test_everything_that_is_told(server: Any) -> None:
    camera = {
        "name": "place",
        "title": "La\u202e place\x07",
        "number": 101,
        "later": "what a later version says more",
        "streams": [{"name": "main", "codec": "H265", "width": 1920, "height": 1080}, {"name": "sub", "codec": None}],
    }
    body = b"vigie.cameras: " + json.dumps({"revision": 1, "cameras": [camera], "more": False, "x": 1}).encode()
    there = server(lambda *_: (200, {}, body))
    base = f"rtsp://127.0.0.1:{there.port}"
    inventory = list_relay(partner(there), 10)
    streams = (
        OfferedStream("main", f"{base}/place/main", "H265", 1920, 1080),
        OfferedStream("sub", f"{base}/place/sub"),
    )
    assert inventory.cameras == (OfferedCamera("place", "La place", 101, streams),)
    assert there.asked == [("GET_PARAMETER", f"{base}/")]


def test_pages(server: Any) -> None:
    pages = {"": page("a", "b", more=True), "?after=b": page("c d", more=True), "?after=c%20d": page()}
    there = server(lambda method, uri, headers: (200, {}, pages[uri.rpartition("/")[2]]))
    assert [camera.token for camera in list_relay(partner(there), 10).cameras] == ["a", "b", "c d"]
    with pytest.raises(errors.LimitExceededError, match="more than 2 cameras; max_cameras"):
        list_relay(partner(there, max_cameras=2), 10)


@pytest.mark.parametrize("names", [["a"], [], ["z", "a"]])
def test_a_list_without_end(server: Any, names: list[str]) -> None:
    there = server(lambda *_: (200, {}, page(*names, more=True)))
    with pytest.raises(errors.Error, match=r"round in circles|more than"):
        list_relay(partner(there), 10)
    assert len(there.asked) <= 3


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        ((200, {}, b""), errors.SiteFailedError, "no vigie"),
        ((200, {}, b"other: 1"), errors.SiteFailedError, "no vigie"),
        ((451, {}, b""), errors.SiteFailedError, "451"),
        ((403, {}, b"x"), errors.SiteFailedError, "403"),
        ((200, {}, b"vigie.cameras: {"), errors.SiteMalformedError, "not JSON"),
        ((200, {}, b"vigie.cameras: " + b"[" * 100_000), errors.SiteMalformedError, "not JSON"),
        ((200, {}, b"vigie.cameras: 7"), errors.SiteMalformedError, "list of cameras"),
        ((200, {}, b'vigie.cameras: {"cameras": [{"name": 5}], "more": false}'), errors.SiteMalformedError, "0.name"),
        ((200, {}, page("x" * 65)), errors.SiteMalformedError, "at most 64"),
        ((200, {}, page(*map(str, range(2000)))), errors.SiteMalformedError, "at most 1024"),
        ((200, {"Content-Length": "999999999"}, b""), errors.RtspTooLargeError, "999999999"),
        ((200, {"Content-Length": "-1"}, b""), errors.RtspMalformedError, "no number"),
        ((200, {"CSeq": "77"}, page()), errors.RtspMalformedError, "another request"),
        ((200, {"X": "y" * 20_000}, page()), errors.RtspTooLargeError, "header"),
        (b"HTTP/1.1 200 OK\r\n\r\n", errors.RtspMalformedError, "HTTP/1.1 200"),
        (b"\x00\x1b[2J\r\n\r\n", errors.RtspMalformedError, "begins with"),
        (b"$\x00\x00\x04abcd\r\n\r\n", errors.RtspMalformedError, "begins with"),
        (b"", errors.ConnectionLostError, "closed before"),
        (b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 50\r\n\r\nxx", errors.ConnectionLostError, "closed before"),
    ],
)
def test_a_partner_that_lies(server: Any, answer: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says) as raised:
        list_relay(partner(server(lambda *_: answer)), 10)
    assert str(raised.value).isprintable()


def test_one_that_never_answers(server: Any) -> None:
    gone = threading.Event()

    def act(*_: Any) -> bytes:
        gone.wait(20)
        return b""

    there = server(act)
    with pytest.raises(errors.TimedOutError, match=r"0\.3 s"):
        list_relay(partner(there), 0.3)
    gone.set()


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
@pytest.mark.parametrize("qop", [True, False])
def test_digest(server: Any, algorithm: str, qop: bool) -> None:
    """The proof is computed again here, by the formulas of RFC 7616 3.4.1 and RFC 2069."""

    def hashed(*parts: str) -> str:
        made = hashlib.sha256 if algorithm == "SHA-256" else hashlib.md5
        return made(":".join(parts).encode()).hexdigest()

    def act(method: str, uri: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        fields = {
            n: q or p for n, q, p in re.findall(r'(\w+)=(?:"([^"]*)"|([^", ]+))', headers.get("Authorization", ""))
        }
        more = ', qop="auth"' if qop else ""
        offer = f'Digest realm="here, there", nonce="n0", opaque="o", algorithm={algorithm}{more}'
        if not fields:
            return 401, {"WWW-Authenticate": offer}, b""
        first, second = hashed("ops", "here, there", "p:w"), hashed(method, uri)
        parts = [first, "n0", fields["nc"], fields["cnonce"], "auth", second] if qop else [first, "n0", second]
        right = fields["response"] == hashed(*parts) and fields["uri"] == uri and fields["opaque"] == "o"
        return (200, {}, page("a")) if right else (401, {"WWW-Authenticate": offer}, b"")

    there = server(act)
    assert len(list_relay(partner(there, username="ops", password="p:w"), 10).cameras) == 1
    before = len(there.asked)
    with pytest.raises(errors.SiteRefusedError, match="are wrong") as raised:
        list_relay(partner(there, username="ops", password="secret"), 10)
    assert len(there.asked) == before + 2, "asked once, not for ever"
    assert "secret" not in str(raised.value) + repr(partner(there, password="secret"))
    with pytest.raises(errors.SiteRefusedError, match="it wants"):
        list_relay(partner(there), 10)


@pytest.mark.parametrize(
    "offer",
    ["", "Basic realm=x", 'Digest realm="x"', 'Digest nonce="x", algorithm=SHA-512-256', "Digest " + "x" * 5000],
)
def test_a_password_is_never_given_away(server: Any, offer: str) -> None:
    sent: list[str] = []

    def act(method: str, uri: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        sent.append(headers.get("Authorization", ""))
        return 401, {"WWW-Authenticate": offer}, b""

    with pytest.raises(errors.SiteRefusedError):
        list_relay(partner(server(act), username="ops", password="secret"), 10)
    assert sent == [""]


def test_the_strongest_challenge_is_taken() -> None:
    login = DigestLogin("ops", "word")
    assert not login.challenge(['Digest realm="r", nonce="a\rb"', "Basic x"])
    assert login.challenge(['Digest realm="r", nonce="m"', "Basic x", 'Digest realm="r", nonce="s", algorithm=SHA-256'])
    assert 'nonce="s"' in login.authorization("OPTIONS", "*")
    assert login.authorization("OPTIONS", "*").endswith("algorithm=SHA-256")


def test_who_is_not_there() -> None:
    with pytest.raises(errors.ConnectFailedError):
        list_relay(Partner("gare", "rtsp://127.0.0.1:1"), 10)


def test_a_server_that_speaks_no_tls(server: Any) -> None:
    there = server(lambda *_: b"no TLS")
    with pytest.raises(errors.TimedOutError):  # it waits for the end of a request that never comes
        list_relay(Partner("gare", f"rtsps://127.0.0.1:{there.port}"), 0.3)
    with pytest.raises(errors.TlsFailedError, match="CA file"):
        list_relay(Partner("gare", f"rtsps://127.0.0.1:{there.port}", tls_ca="/absent.pem"), 5)
