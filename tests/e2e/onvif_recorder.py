"""An ONVIF recorder of our own: a SOAP service that checks what it is told, and lies where a test wants it to."""

import base64
import hashlib
import re
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

USER, PASSWORD = "ops", "p@ss <word>"
TDS, TRT, TR2 = (f"http://www.onvif.org/{part}/wsdl" for part in ("ver10/device", "ver10/media", "ver20/media"))


@dataclass
class Channel:
    """One video source and its profiles: token, codec, width, height."""

    token: str
    title: str
    profiles: list[tuple[str, str, int, int]]


@dataclass
class Recorder:
    """A context manager. `seen`: methods it was asked for, and where; `refused`: how often credentials were wrong."""

    channels: list[Channel]
    media2: bool = True
    old: bool = False  # knows GetCapabilities only
    clock: timedelta = timedelta()
    http_digest: bool = False
    address: str = "127.0.0.1"
    inner_host: str = "192.168.1.108"  # what it takes its own address to be (L1)
    uri: str = "rtsp://{host}:554/{token}"  # of a profile
    answers: dict[str, str | bytes] = field(default_factory=dict)  # whole answers instead, by method
    seen: list[tuple[str, str]] = field(default_factory=list)
    bodies: list[str] = field(default_factory=list)
    refused: int = 0

    def __enter__(self) -> Self:
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                status, answer, challenge = recorder.answer(self.path, body, self.headers.get("Authorization", ""))
                self.send_response(status)
                if challenge:
                    self.send_header("WWW-Authenticate", challenge)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer((self.address, 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://{self.address}:{self._server.server_port}"

    def answer(self, path: str, body: str, authorization: str) -> tuple[int, bytes, str]:
        """Status, body and challenge for one request."""
        found = re.search(r'<s:Body><(\w+) xmlns="([^"]+)"', body)
        assert found, body
        method, space = found[1], found[2]
        self.seen.append((method, path))
        self.bodies.append(body)
        if method != "GetSystemDateAndTime":
            challenge = self._challenge(authorization) if self.http_digest else ""
            if challenge:
                return 401, b"", challenge
            if not self.http_digest and not self._knows(body):
                self.refused += 1
                return 400, self._fault("Sender", "ter:NotAuthorized", "Sender not Authorized"), ""
        if method in self.answers:
            given = self.answers[method]
            return 200, given if isinstance(given, bytes) else self._envelope(given), ""
        text = getattr(self, method, self._unknown)(space, body)
        return (500, text, "") if isinstance(text, bytes) else (200, self._envelope(text), "")

    def _challenge(self, authorization: str) -> str:
        fields = dict(re.findall(r'(\w+)="?([^",]*)"?', authorization))

        def md5(*parts: str) -> str:
            return hashlib.md5(":".join(parts).encode()).hexdigest()

        if fields:
            first, second = md5(USER, "recorder", PASSWORD), md5("POST", fields.get("uri", ""))
            parts = (first, fields["nonce"], fields["nc"], fields["cnonce"], fields["qop"], second)
            if fields["response"] == md5(*parts):
                return ""
            self.refused += 1
        return 'Digest realm="recorder", nonce="abc123", qop="auth", algorithm=MD5'

    def _knows(self, body: str) -> bool:
        """As real devices: the digest is right, and Created is within five seconds of the device's own clock (L2)."""
        parts = [
            re.search(rf"<\w+:{name}(?: [^>]*)?>([^<]*)<", body)
            for name in ("Username", "Password", "Nonce", "Created")
        ]
        if not all(parts):
            return False
        name, digest, nonce, created = (part[1] for part in parts if part)
        at = datetime.strptime(created, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        right = hashlib.sha1(base64.b64decode(nonce) + created.encode() + PASSWORD.encode()).digest()
        near = abs(at - (datetime.now(UTC) + self.clock)) < timedelta(seconds=5)
        return name == USER and base64.b64decode(digest) == right and near

    def _envelope(self, text: str) -> bytes:
        return (
            '<?xml version="1.0" encoding="UTF-8"?><env:Envelope xmlns:env="http://www.w3.org/2003/05/soap-envelope" '
            f'xmlns:tds="{TDS}" xmlns:trt="{TRT}" xmlns:tr2="{TR2}" xmlns:tt="http://www.onvif.org/ver10/schema" '
            f'xmlns:ter="http://www.onvif.org/ver10/error"><env:Body>{text}</env:Body></env:Envelope>'
        ).encode()

    def _fault(self, code: str, subcode: str, reason: str) -> bytes:
        return self._envelope(
            f"<env:Fault><env:Code><env:Value>env:{code}</env:Value><env:Subcode><env:Value>{subcode}</env:Value>"
            f'</env:Subcode></env:Code><env:Reason><env:Text xml:lang="en">{reason}</env:Text></env:Reason></env:Fault>'
        )

    def _unknown(self, *_: str) -> bytes:
        return self._fault("Receiver", "ter:ActionNotSupported", "no such method")

    def GetSystemDateAndTime(self, *_: str) -> str:  # noqa: N802 - methods have ONVIF's names
        now = datetime.now(UTC) + self.clock
        return (
            "<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime><tt:UTCDateTime>"
            f"<tt:Time><tt:Hour>{now.hour}</tt:Hour><tt:Minute>{now.minute}</tt:Minute><tt:Second>{now.second}</tt:Second>"
            f"</tt:Time><tt:Date><tt:Year>{now.year}</tt:Year><tt:Month>{now.month}</tt:Month><tt:Day>{now.day}</tt:Day>"
            "</tt:Date></tt:UTCDateTime></tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>"
        )

    def GetDeviceInformation(self, *_: str) -> str:  # noqa: N802
        facts = {"Manufacturer": "Acme", "Model": "NVR 16", "FirmwareVersion": "2.1"}
        inner = "".join(f"<tds:{name}>{value}</tds:{name}>" for name, value in facts.items())
        return f"<tds:GetDeviceInformationResponse>{inner}</tds:GetDeviceInformationResponse>"

    def GetServices(self, *_: str) -> str | bytes:  # noqa: N802
        if self.old:
            return self._unknown()
        services = {TDS: "device_service", TRT: "Media"} | ({TR2: "Media2"} if self.media2 else {})
        inner = "".join(
            f"<tds:Service><tds:Namespace>{space}</tds:Namespace>"
            f"<tds:XAddr>http://{self.inner_host}/onvif/{path}</tds:XAddr></tds:Service>"
            for space, path in services.items()
        )
        return f"<tds:GetServicesResponse>{inner}</tds:GetServicesResponse>"

    def GetCapabilities(self, *_: str) -> str:  # noqa: N802
        address = f"http://{self.inner_host}/onvif/Media"
        media = f"<tt:Media><tt:XAddr>{address}</tt:XAddr></tt:Media>"
        return (
            f"<tds:GetCapabilitiesResponse><tds:Capabilities>{media}</tds:Capabilities></tds:GetCapabilitiesResponse>"
        )

    def GetVideoSources(self, *_: str) -> str:  # noqa: N802
        inner = "".join(f'<trt:VideoSources token="{channel.token}"/>' for channel in self.channels)
        return f"<trt:GetVideoSourcesResponse>{inner}</trt:GetVideoSourcesResponse>"

    def GetProfiles(self, space: str, body: str) -> str:  # noqa: N802
        new = space == TR2
        assert not new or "<Type>VideoEncoder</Type>" in body, "Media2 gives no configuration that is not asked for"
        prefix, suffix = ("tr2", "") if new else ("trt", "Configuration")
        config = "tr2" if new else "tt"
        inner = ""
        # As devices do: grouped by profile, not by channel.
        for number in range(max(len(channel.profiles) for channel in self.channels)):
            for channel in self.channels:
                if number >= len(channel.profiles):
                    continue
                token, codec, width, height = channel.profiles[number]
                if codec == "H265" and not new:
                    continue
                picture = f"<tt:Width>{width}</tt:Width><tt:Height>{height}</tt:Height>"
                source = f"<tt:Name>{channel.title}</tt:Name><tt:SourceToken>{channel.token}</tt:SourceToken>"
                encoder = f"<tt:Encoding>{codec}</tt:Encoding><tt:Resolution>{picture}</tt:Resolution>"
                both = (
                    f'<{config}:VideoSource{suffix} token="s">{source}</{config}:VideoSource{suffix}>'
                    f'<{config}:VideoEncoder{suffix} token="e">{encoder}</{config}:VideoEncoder{suffix}>'
                )
                if new:
                    both = f"<tr2:Configurations>{both}</tr2:Configurations>"
                inner += (
                    f'<{prefix}:Profiles token="{token}"><{prefix}:Name>p</{prefix}:Name>{both}</{prefix}:Profiles>'
                )
        inner += f'<{prefix}:Profiles token="audio"><{prefix}:Name>sound alone</{prefix}:Name></{prefix}:Profiles>'
        return f"<{prefix}:GetProfilesResponse>{inner}</{prefix}:GetProfilesResponse>"

    def GetStreamUri(self, space: str, body: str) -> str | bytes:  # noqa: N802
        found = re.search(r"<ProfileToken>([^<]*)</ProfileToken>", body)
        assert found
        assert "<Protocol>RTSP</Protocol>" in body
        known = [profile[0] for channel in self.channels for profile in channel.profiles]
        if found[1] not in known or found[1] == "broken":
            return self._fault("Sender", "ter:NoProfile", "no such profile")
        uri = self.uri.format(host="127.0.0.1", token=found[1])
        inner = f"<tr2:Uri>{uri}</tr2:Uri>" if space == TR2 else f"<trt:MediaUri><tt:Uri>{uri}</tt:Uri></trt:MediaUri>"
        prefix = "tr2" if space == TR2 else "trt"
        return f"<{prefix}:GetStreamUriResponse>{inner}</{prefix}:GetStreamUriResponse>"


def recorder(channels: int = 3, **more: Any) -> Recorder:
    """A recorder with so many channels, each H.265 in 4K, H.264 in HD, MJPEG of the same size, and a small one."""
    made = []
    for number in range(1, channels + 1):
        profiles = [
            (f"p{number}_sub", "H264", 640, 360),
            (f"p{number}_jpeg", "JPEG", 1920, 1080),
            (f"p{number}_hd", "H264", 1920, 1080),
            (f"p{number}_4k", "H265", 3840, 2160),
        ]
        made.append(Channel(f"VideoSource_{number}", f"Quai {number}", profiles))
    return Recorder(made, **more)
