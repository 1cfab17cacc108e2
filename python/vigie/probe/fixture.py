"""A recorded device: its RTSP messages and packets without secrets and pictures, saved and played again offline."""

import base64
import binascii
import json
import re
import select
import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from vigie.errors import InvalidArgumentError
from vigie.probe.dialogue import header

FORMAT = "vigie-probe/1"
# What the replaying client gives where the device wanted credentials: nobody checks them.
CREDENTIALS = ("replay", "replay")
_KINDS = ("rtp", "rtcp", "stray", "garbage", "line_ends")
_WAIT_S = 5.0
_MESSAGE = re.compile(r"RTSP/|[A-Z_]+ \S+ RTSP/")


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the dialogue."""

    at_s: float
    sent: bool
    text: str


@dataclass(frozen=True, slots=True)
class Packet:
    """What the device sent beside its messages. `kind`: rtp, rtcp (by the channel or port they came on); over TCP also
    stray (a frame on another `channel`), garbage and line_ends between frames. `early`: before PLAY was answered."""

    at_s: float
    kind: str
    data: bytes
    channel: int = 0
    early: bool = False

    @property
    def rtcp(self) -> bool:
        """Whether it belongs on the second channel or port."""
        return self.kind == "rtcp"


@dataclass(frozen=True, slots=True)
class Fixture:
    """A recorded run of one device."""

    url: str
    transport: str
    dialogue: tuple[Message, ...]
    packets: tuple[Packet, ...]

    @property
    def wants_credentials(self) -> bool:
        """Whether the device asked for some."""
        return any(not line.sent and re.match(r"RTSP/1\.0\s+401", line.text) for line in self.dialogue)


def save_fixture(path: Path, *, url: str, transport: str, source: dict[str, Any]) -> None:
    """Writes what `Engine.source_report` gave after `record_source`. Raises: InvalidArgumentError."""
    content = {
        "format": FORMAT,
        "url": url,
        "transport": transport,
        "dialogue": source.get("dialogue", []),
        "packets": source.get("packets", []),
    }
    try:
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise InvalidArgumentError(f"{path}: {error.strerror}", "--record") from None


def load_fixture(path: Path) -> Fixture:
    """Raises: InvalidArgumentError that says what is wrong with the file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidArgumentError(f"{path}: {error.strerror}", "--replay") from None
    except ValueError as error:
        raise InvalidArgumentError(f"{path}: not JSON ({error})", "--replay") from None
    try:
        if content["format"] != FORMAT:
            raise InvalidArgumentError(f"{path}: format {content['format']!r}; right would be {FORMAT}", "--replay")
        return Fixture(
            url=str(content["url"]),
            transport=str(content["transport"]),
            dialogue=tuple(
                Message(float(line["at_s"]), bool(line["sent"]), str(line["text"])) for line in content["dialogue"]
            ),
            packets=tuple(_packet(packet) for packet in content["packets"]),
        )
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise InvalidArgumentError(f"{path}: not a recording of vigie probe ({error!r})", "--replay") from None


def _packet(written: dict[str, Any]) -> Packet:
    kind = str(written.get("kind", "rtcp" if written["rtcp"] else "rtp"))
    if kind not in _KINDS:
        raise ValueError(f"a packet of kind {kind!r}; right would be one of {', '.join(_KINDS)}")
    channel = int(written.get("channel", 0))
    if not 0 <= channel <= 255:
        raise ValueError(f"channel {channel}; right would be 0 to 255")
    data = base64.b64decode(written["base64"], validate=True)
    if len(data) > 65535 and kind in ("rtp", "rtcp", "stray"):
        raise ValueError(f"a packet of {len(data)} bytes; right would be at most 65535")
    return Packet(written["at_us"] / 1e6, kind, data, channel, bool(written.get("before_play", False)))


class Replay:
    """Plays a recorded device on loopback, in a thread; a context manager. `url`: where it is.

    Each request gets the next recorded answer to one of its method. The first accepted PLAY starts the packets, in
    their recorded rhythm; those that came before its answer do so again.
    """

    def __init__(self, fixture: Fixture) -> None:
        self._fixture = fixture
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._port = self._listener.getsockname()[1]
        parts = urlsplit(fixture.url)
        self._host = parts.netloc
        path = fixture.url.partition("://")[2].partition("/")[2]
        self.url = f"rtsp://127.0.0.1:{self._port}/{path}"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="replay")
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while not self._stop.is_set():
            if not select.select([self._listener], [], [], 0.1)[0]:
                continue
            connection, _ = self._listener.accept()
            with connection:
                _Device(self._fixture, connection, self._host, self._port, self._stop).run()


class _Device:
    """One connection to the recorded device."""

    def __init__(
        self, fixture: Fixture, connection: socket.socket, host: str, port: int, stop: threading.Event
    ) -> None:
        # What the dialogue shows of garbage comes with the packets, where they have it, at its place.
        garbage = any(packet.kind == "garbage" for packet in fixture.packets)
        self._lines = [line for line in fixture.dialogue if not garbage or line.sent or _MESSAGE.match(line.text)]
        self._early = [packet for packet in fixture.packets if packet.early]
        self._packets = [packet for packet in fixture.packets if not packet.early]
        self._from_group = fixture.transport == "multicast"
        self._connection = connection
        self._host = host
        self._port = port
        self._stop = stop
        self._input = b""
        self._udp: tuple[socket.socket, socket.socket] | None = None
        self._udp_to: tuple[int, int] = (0, 0)
        self._channels = (0, 1)
        self._began: float | None = None

    def run(self) -> None:
        try:
            while not self._stop.is_set():
                due = self._send_due_packets()
                if not select.select([self._connection], [], [], min(0.05, due))[0]:
                    continue
                received = self._connection.recv(65536)
                if not received:
                    return
                self._input += received
                self._take_requests()
        except OSError:
            return  # the other side went away
        finally:
            for udp in self._udp or ():
                udp.close()

    def _take_requests(self) -> None:
        while self._input:
            if self._input[0] == 0x24:  # a receiver report
                size = 4 + int.from_bytes(self._input[2:4], "big") if len(self._input) >= 4 else 1 << 20
                if len(self._input) < size:
                    return
                self._input = self._input[size:]
                continue
            end = self._input.find(b"\r\n\r\n")
            if end < 0:
                return
            request = self._input[:end].decode("latin-1")
            self._input = self._input[end + 4 :]
            self._answer(request)

    def _answer(self, request: str) -> None:
        method = request.split(" ", 1)[0]
        cseq = header(request, "CSeq") or "0"
        at = next((i for i, line in enumerate(self._lines) if line.sent and line.text.startswith(method + " ")), None)
        if at is None:
            self._connection.sendall(f"RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\n\r\n".encode("latin-1"))
            return
        recorded = self._lines.pop(at)
        if method == "SETUP":
            self._open_udp(request)
        # Everything the device said until it was asked again.
        while at < len(self._lines) and not self._lines[at].sent:
            text = self._lines.pop(at).text
            self._learn_channels(text)
            if method == "PLAY" and self._early:
                while self._early:
                    self._send(self._early.pop(0))
                self._stop.wait(0.1)  # datagrams and the answer come on two sockets: read at once they have no order
            self._connection.sendall(self._renewed(text, recorded.text, cseq))
            if method == "PLAY" and re.match(r"RTSP/1\.0\s+2", text) and self._began is None:
                self._began = time.monotonic()

    def _renewed(self, text: str, request: str, cseq: str) -> bytes:
        """An answer as it would be now: our address, the present request's number, the length of its body."""
        recorded = int(header(request, "CSeq") or "0")
        answered = header(text, "CSeq")
        if answered.isdecimal():  # off by as much as it was (A12)
            number = str(int(cseq) + int(answered) - recorded)
            text = re.sub(r"^(CSeq[ \t]*:[ \t]*)\d+", rf"\g<1>{number}", text, count=1, flags=re.MULTILINE | re.I)
        if self._host:
            text = text.replace(self._host, f"127.0.0.1:{self._port}")
        if self._udp:
            ports = "-".join(str(udp.getsockname()[1]) for udp in self._udp)
            text = re.sub(r"(server_port=)\d+(-\d+)?", rf"\g<1>{ports}", text)
            text = re.sub(r"(client_port=)\d+(-\d+)?", rf"\g<1>{self._udp_to[0]}-{self._udp_to[1]}", text)
            text = re.sub(r"(source=)[0-9a-fA-F.:]+", r"\g<1>127.0.0.1", text)
        if self._from_group:  # its packets come over TCP now
            over_tcp = r"\1 RTP/AVP/TCP;unicast;interleaved=0-1"
            text = re.sub(r"^(Transport[ \t]*:)[^\r\n]*", over_tcp, text, count=1, flags=re.MULTILINE | re.I)
        head, blank, body = text.partition("\r\n\r\n")
        if not blank:
            head, blank, body = text.partition("\n\n")
        if blank and header(head, "Content-Length"):
            length = str(len(body.encode("utf-8")))
            head = re.sub(r"^(Content-Length[ \t]*:[ \t]*)\d+", rf"\g<1>{length}", head, flags=re.MULTILINE | re.I)
        return (head + blank + body).encode("utf-8")

    def _learn_channels(self, text: str) -> None:
        if found := re.search(r"interleaved=(\d+)(?:-(\d+))?", text):
            first = int(found[1])
            self._channels = (first, int(found[2]) if found[2] else first + 1)

    def _open_udp(self, request: str) -> None:
        if found := re.search(r"client_port=(\d+)-(\d+)", request):
            self._udp_to = (int(found[1]), int(found[2]))
            self._udp = tuple(socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))  # type: ignore[assignment]
            for udp in self._udp or ():
                udp.bind(("127.0.0.1", 0))

    def _send_due_packets(self) -> float:
        """Sends what is due and returns the seconds until the next one."""
        if self._began is None:
            return _WAIT_S
        while self._packets:
            packet = self._packets[0]
            wait = self._began + packet.at_s - time.monotonic()
            if wait > 0:
                return wait
            self._send(self._packets.pop(0))
        return _WAIT_S

    def _send(self, packet: Packet) -> None:
        if packet.kind == "garbage":
            self._connection.sendall(packet.data)
        elif packet.kind == "line_ends":
            self._connection.sendall(b"\r\n" * (len(packet.data) // 2) or b"\n")
        elif self._udp and packet.kind != "stray":
            self._udp[packet.rtcp].sendto(packet.data, ("127.0.0.1", self._udp_to[packet.rtcp]))
        else:
            channel = packet.channel if packet.kind == "stray" else self._channels[packet.rtcp]
            self._connection.sendall(b"$" + bytes([channel]) + len(packet.data).to_bytes(2, "big") + packet.data)
