"""Syslog, e-mail and webhook against real servers on this machine: what arrives, and every way to fail."""

import email
import email.policy
import hashlib
import hmac
import http.server
import json
import re
import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from vigie.alarms import Alarm
from vigie.outlets import Notice, OutletError
from vigie.outlets.mail import MailSender
from vigie.outlets.syslog import SyslogSender, line
from vigie.outlets.webhook import SIGNATURE, WebhookSender, signature
from vigie.policy.desk_objects import Mail, Syslog, Webhook

AT = 1_780_000_000_000_000_000
ALARM = Alarm(
    "0123456789abcdef", "camera_silent", "place/main", "warning", 'no picture "]\\ since noon', AT, AT, count=3
)
ACKED = Alarm(
    "2", "scene_moved", "quai/main", "critical", "moved", AT, AT, acknowledged_ns=AT + 5, acknowledged_by="léa"
)
OVER = Alarm("3", "disk_full", "machine", "critical", "1 % are free", AT, AT, cleared_ns=AT + 10**9)
NOTICES = [Notice(alarm, "csu-1") for alarm in (ALARM, ACKED, OVER)]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def server_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


@pytest.fixture(scope="module")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


# Syslog.

RFC5424 = re.compile(
    r"<(?P<pri>\d{1,3})>1 (?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) (?P<host>\S{1,255}) (?P<app>\S{1,48})"
    r" (?P<pid>\S{1,128}) (?P<id>\S{1,32})"
    r" \[(?P<sd>\S+@32473(?: \w+=\"(?:[^\"\\\]]|\\[\"\\\]])*\")*)\] \ufeff(?P<text>.*)",
    re.DOTALL,
)


def parsed(line: bytes) -> dict[str, str]:
    match = RFC5424.fullmatch(line.decode())
    assert match is not None, line
    return match.groupdict()


def check_lines(lines: list[bytes]) -> None:
    first, second, third = map(parsed, lines)
    assert (first["pri"], second["pri"], third["pri"]) == (str(16 * 8 + 4), str(16 * 8 + 5), str(16 * 8 + 5))
    assert (first["host"], first["app"], first["id"]) == ("csu-1", "vigie", "camera_silent")
    assert 'object="place/main"' in first["sd"]
    assert 'step="cleared"' in third["sd"]
    assert (
        first["text"]
        == 'warning raised: camera_silent place/main: no picture comes: no picture "]\\ since noon (3 times)'
    )
    assert "acknowledged by léa" in second["text"]


HOSTILE = Alarm("9", "foreign_login", 'a"]\\b\r\n<0>1 - forged', "critical", "x\nBcc: all@csu.example", AT, AT)


def test_what_somebody_called_a_thing_forges_no_line_and_no_header() -> None:
    text = line(Notice(HOSTILE, "csu-1"), 16, "a host\n", 7)
    assert b"\n" not in text
    found = parsed(text)
    assert found["host"] == "ahost"
    assert r'object="a\"\]\\b  <0>1 - forged"' in found["sd"]
    message = MailSender(mail(25), "", "/").message([Notice(HOSTILE, "csu-1")])
    assert message["Bcc"] is None
    assert message["Subject"] == '[vigie csu-1] raised: foreign_login a"]\\b  <0>1 - forged'
    assert len(message.get_content().splitlines()) == 1


@pytest.mark.parametrize("kind", ["udp", "local"])
def test_syslog_datagrams(kind: str, tmp_path: Path) -> None:
    family = socket.AF_INET if kind == "udp" else socket.AF_UNIX
    with socket.socket(family, socket.SOCK_DGRAM) as server:
        server.settimeout(5)
        server.bind(("127.0.0.1", 0) if kind == "udp" else str(tmp_path / "log"))
        spec = {"socket": str(tmp_path / "log")}
        if kind == "udp":
            spec = {"transport": "udp", "server": f"127.0.0.1:{server.getsockname()[1]}"}
        SyslogSender(Syslog.model_validate(spec), "/").send(NOTICES)
        check_lines([server.recv(4096) for _ in NOTICES])


def counted(data: bytes) -> list[bytes]:
    """Lines with octet counts, RFC 6587."""
    lines = []
    while data:
        size, _, rest = data.partition(b" ")
        lines.append(rest[: int(size)])
        data = rest[int(size) :]
    return lines


@contextmanager
def stream_server(context: ssl.SSLContext | None = None) -> Iterator[tuple[int, list[bytes]]]:
    """Takes one connection to its end; port, and what came."""
    got: list[bytes] = []

    def serve() -> None:
        try:
            connection, _ = server.accept()
            connection.settimeout(5)
            if context is not None:
                connection = context.wrap_socket(connection, server_side=True)
            while data := connection.recv(65536):
                got.append(data)
            if isinstance(connection, ssl.SSLSocket):
                connection.unwrap()
            connection.close()
        except OSError:
            return

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1], got
        thread.join(5)


def test_syslog_over_tcp() -> None:
    with stream_server() as (port, got):
        SyslogSender(Syslog.model_validate({"transport": "tcp", "server": f"127.0.0.1:{port}"}), "/").send(NOTICES)
    check_lines(counted(b"".join(got)))


def test_syslog_over_tls(server_context: ssl.SSLContext, ca_file: str) -> None:
    with stream_server(server_context) as (port, got):
        spec = {"transport": "tls", "server": f"localhost:{port}", "tls_ca": ca_file}
        SyslogSender(Syslog.model_validate(spec), "/").send(NOTICES)
    check_lines(counted(b"".join(got)))
    with stream_server(server_context) as (port, got):
        spec = {"transport": "tls", "server": f"localhost:{port}"}
        with pytest.raises(OutletError, match="certificate"):
            SyslogSender(Syslog.model_validate(spec), "/").send(NOTICES)
    assert got == [], "nothing goes to a server that is not known"
    with pytest.raises(OutletError, match="cannot be used"):
        SyslogSender(Syslog.model_validate(spec | {"tls_ca": "/none.pem"}), "/").send(NOTICES)


def test_syslog_that_is_not_there(tmp_path: Path) -> None:
    specs = [
        {"socket": str(tmp_path / "none")},
        {"transport": "tcp", "server": f"127.0.0.1:{free_port()}"},
        {"transport": "tcp", "server": "no-such-host.invalid:514"},
    ]
    for spec in specs:
        with pytest.raises(OutletError):
            SyslogSender(Syslog.model_validate(spec), "/").send(NOTICES)


# E-mail.


class Inbox:
    """Keeps what comes; refuses on demand."""

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []
        self.logins: list[tuple[bytes, bytes]] = []
        self.refuse = ""

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        if self.refuse and self.refuse in address:
            return "550 nobody of that name"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        self.messages.append(message)
        return "250 OK"

    def authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append((data.login, data.password))
        return AuthResult(success=data.password == b"right", handled=False)


@contextmanager
def mail_server(inbox: Inbox, context: ssl.SSLContext | None, implicit: bool = False) -> Iterator[int]:
    options: dict[str, Any] = {"hostname": "127.0.0.1", "port": free_port()}
    if implicit:
        options["ssl_context"] = context
    else:
        options |= {"tls_context": context, "require_starttls": context is not None}
    options |= {"authenticator": inbox.authenticate, "auth_require_tls": context is not None and not implicit}

    class Threaded(Controller):
        def factory(self) -> SMTP:
            return SMTP(self.handler, **self.SMTP_kwargs)

    controller = Threaded(inbox, **options)
    controller.start()
    try:
        yield options["port"]
    finally:
        controller.stop()


def mail(port: int, **more: Any) -> Mail:
    given = {"server": f"localhost:{port}", "from": "vigie@csu.example", "to": ["a@csu.example", "b@csu.example"]}
    return Mail.model_validate(given | more)


def test_mail_with_starttls_and_password(server_context: ssl.SSLContext, ca_file: str) -> None:
    inbox = Inbox()
    with mail_server(inbox, server_context) as port:
        spec = mail(port, tls_ca=ca_file, username="vigie", password="env:X")
        MailSender(spec, "right", "/").send(NOTICES)
        with pytest.raises(OutletError, match="username and password are refused"):
            MailSender(spec, "wrong", "/").send(NOTICES)
    assert set(inbox.logins) == {(b"vigie", b"right"), (b"vigie", b"wrong")}
    (message,) = inbox.messages
    assert message["Subject"] == "[vigie csu-1] raised: camera_silent place/main and 2 more"
    assert message["To"] == "a@csu.example, b@csu.example"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content().splitlines() == [notice.line for notice in NOTICES]


def test_mail_with_implicit_tls_and_without_a_known_certificate(server_context: ssl.SSLContext, ca_file: str) -> None:
    inbox = Inbox()
    with mail_server(inbox, server_context, implicit=True) as port:
        MailSender(mail(port, tls="implicit", tls_ca=ca_file), "", "/").send(NOTICES[:1])
        with pytest.raises(OutletError, match="certificate"):
            MailSender(mail(port, tls="implicit"), "", "/").send(NOTICES[:1])
    assert len(inbox.messages) == 1


def test_mail_in_cleartext_only_where_it_was_said() -> None:
    inbox = Inbox()
    with mail_server(inbox, None) as port:
        MailSender(mail(port, tls="none", trusted=True), "", "/").send(NOTICES[:1])
        with pytest.raises(OutletError, match="STARTTLS"):
            MailSender(mail(port), "", "/").send(NOTICES[:1])
    assert len(inbox.messages) == 1


def test_mail_that_one_recipient_does_not_get_is_not_told() -> None:
    inbox = Inbox()
    inbox.refuse = "b@"
    with mail_server(inbox, None) as port, pytest.raises(OutletError, match=r"refused for b@csu\.example"):
        MailSender(mail(port, tls="none", trusted=True), "", "/").send(NOTICES[:1])
    with pytest.raises(OutletError):
        MailSender(mail(free_port(), tls="none", trusted=True), "", "/").send(NOTICES[:1])


# Webhook.


class Hook(http.server.BaseHTTPRequestHandler):
    """Answers as its server says."""

    server: Any

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, dict(self.headers), body))
        if self.server.delay_s:
            time.sleep(self.server.delay_s)
        self.send_response(self.server.status)
        if self.server.status in (301, 302, 307, 308):
            self.send_header("Location", self.server.elsewhere)
        self.end_headers()

    def log_message(self, *given: object) -> None: ...


@contextmanager
def hook(context: ssl.SSLContext | None = None, **fields: Any) -> Iterator[Any]:
    class Threading(socketserver.ThreadingMixIn, http.server.HTTPServer):
        daemon_threads = True

    server: Any = Threading(("127.0.0.1", 0), Hook)
    server.got, server.status, server.delay_s, server.elsewhere = [], 204, 0.0, ""
    for name, value in fields.items():
        setattr(server, name, value)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def webhook(server: Any, ca: str | None = None, scheme: str = "http", **options: Any) -> WebhookSender:
    url = f"{scheme}://localhost:{server.server_address[1]}/alarms?token=hidden"
    spec = Webhook.model_validate({"url": url, "secret": "env:X", "tls_ca": ca})
    return WebhookSender(spec, "s3cret", "/", **options)


def test_webhook_is_signed_json() -> None:
    with hook() as server:
        webhook(server, now=lambda: 1_780_000_000.9).send(NOTICES)
    ((path, headers, body),) = server.got
    assert path == "/alarms?token=hidden"
    seconds, digest = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", headers[SIGNATURE]).groups()  # type: ignore[union-attr]
    assert seconds == "1780000000"
    assert digest == hmac.new(b"s3cret", seconds.encode() + b"." + body, hashlib.sha256).hexdigest()
    value = json.loads(body)
    assert value["source"] == "csu-1"
    first, second, third = value["alarms"]
    assert (first["id"], first["step"], first["count"], first["cleared_at"]) == (ALARM.id, "raised", 3, None)
    assert second["acknowledged_by"] == "léa"
    assert third["cleared_at"] == "2026-05-28T20:26:41.000000Z"
    assert signature("s3cret", 1, b"a") != signature("s3cret", 2, b"a") != signature("other", 2, b"a")


def test_webhook_over_tls(server_context: ssl.SSLContext, ca_file: str) -> None:
    with hook(server_context) as server:
        webhook(server, ca_file, "https").send(NOTICES)
        with pytest.raises(OutletError, match=r"certificate|CERTIFICATE"):
            webhook(server, None, "https").send(NOTICES)
    assert len(server.got) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_webhook_follows_no_redirect(status: int) -> None:
    with hook() as elsewhere:
        url = f"http://localhost:{elsewhere.server_address[1]}/"
        with hook(status=status, elsewhere=url) as server, pytest.raises(OutletError, match="not followed"):
            webhook(server).send(NOTICES)
        assert len(server.got) == 1
    assert elsewhere.got == [], "nothing goes where nobody has said that it may"


@pytest.mark.parametrize("status", [400, 401, 500, 503])
def test_webhook_that_is_refused(status: int) -> None:
    with hook(status=status) as server, pytest.raises(OutletError, match=f"status {status}") as refused:
        webhook(server).send(NOTICES)
    assert "hidden" not in str(refused.value), "what stands behind the question mark may be a secret"


def test_webhook_that_does_not_answer_is_not_waited_for() -> None:
    with hook(delay_s=2.0) as server, pytest.raises(OutletError, match="no answer"):
        webhook(server, timeout_s=0.2).send(NOTICES)


def test_webhook_takes_no_proxy_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    with hook() as server:
        webhook(server).send(NOTICES)
    assert len(server.got) == 1
