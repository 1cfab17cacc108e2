"""Alarms as lines of RFC 5424: to a local socket, over UDP (RFC 5426), TCP with counts (RFC 6587), TLS (RFC 5425)."""

import os
import re
import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress

from vigie.outlets.notice import TIMEOUT_S, Notice, OutletError, instant, plain
from vigie.outlets.tls import client_context
from vigie.policy.desk_objects import Syslog, server_of

SEVERITY = {"notice": 5, "warning": 4, "critical": 2}
# The number of private enterprises that RFC 5612 keeps for documentation: this one has none of its own.
SD_ID = "vigie@32473"
MAX_UDP = 2048
_PRINTABLE = re.compile(r"[^!-~]")
_ESCAPED = re.compile(r'(["\\\]])')


def line(notice: Notice, facility: int, host: str, pid: int) -> bytes:
    """One message."""
    alarm = notice.alarm
    severity = SEVERITY[alarm.severity] if notice.step == "raised" else SEVERITY["notice"]
    fields = {
        "id": alarm.id,
        "step": notice.step,
        "kind": alarm.kind,
        "object": alarm.object,
        "severity": alarm.severity,
        "count": str(alarm.count),
    }
    data = "".join(f' {name}="{_escaped(value)}"' for name, value in fields.items())
    place = f"{_name(host, 255)} vigie {pid} {_name(alarm.kind, 32)}"
    return f"<{facility * 8 + severity}>1 {instant(notice.at_ns)} {place} [{SD_ID}{data}] \ufeff{notice.line}".encode()


def _escaped(value: str) -> str:
    """As RFC 5424, 6.3.3 wants it."""
    return _ESCAPED.sub(r"\\\1", plain(value))


def _name(text: str, longest: int) -> str:
    return _PRINTABLE.sub("", text)[:longest] or "-"


class SyslogSender:
    """One connection for each batch: a server that was restarted is found again, and one that is gone is noticed."""

    def __init__(self, spec: Syslog, folder: str) -> None:
        self._spec = spec
        self._folder = folder

    def send(self, notices: Sequence[Notice]) -> None:
        """Raises: OutletError. Of datagrams nobody says whether they were taken."""
        lines = [line(one, self._spec.facility, one.source, os.getpid()) for one in notices]
        where = self._spec.server or self._spec.socket
        try:
            with self._connect() as connection:
                if connection.type == socket.SOCK_DGRAM:
                    for one in lines:
                        connection.send(one[:MAX_UDP])
                    return
                connection.sendall(b"".join(b"%d %s" % (len(one), one) for one in lines))
                _close_orderly(connection)
        except OSError as error:
            raise OutletError(f"{where}: {error.strerror or error}") from None

    def _connect(self) -> socket.socket:
        spec = self._spec
        if spec.transport == "local":
            return _local(spec.socket)
        target = server_of(spec.server or "")
        assert target is not None  # checked when it was declared
        context = client_context(spec.tls_ca, self._folder) if spec.transport == "tls" else None
        try:
            if spec.transport == "udp":
                family, kind, _, _, address = socket.getaddrinfo(*target, type=socket.SOCK_DGRAM)[0]
                connection = socket.socket(family, kind)
                connection.connect(address)
                return connection
            plain = socket.create_connection(target, TIMEOUT_S)
        except OSError as error:
            raise OutletError(f"{spec.server}: {error.strerror or error}") from None
        if context is None:
            return plain
        try:
            return context.wrap_socket(plain, server_hostname=target[0])
        except OSError:
            plain.close()
            raise


def _local(path: str) -> socket.socket:
    """A datagram socket, or where the machine has that instead, a stream."""
    error: OSError | None = None
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        connection = socket.socket(socket.AF_UNIX, kind)
        connection.settimeout(TIMEOUT_S)
        try:
            connection.connect(path)
        except OSError as failed:
            connection.close()
            error = failed
        else:
            return connection
    raise OutletError(f"{path}: {error.strerror if error is not None else None}")


def _close_orderly(connection: socket.socket) -> None:
    """Ends the stream and waits for the other side's end, so that what was sent is not cut off unseen.

    A server that keeps its side open is waited for a second: what the kernel has taken counts then.
    """
    if isinstance(connection, ssl.SSLSocket):
        connection.settimeout(1.0)
        with suppress(TimeoutError, ssl.SSLError, OSError):
            connection.unwrap().close()
        return
    connection.shutdown(socket.SHUT_WR)
    connection.settimeout(1.0)
    with suppress(TimeoutError):
        while connection.recv(4096):
            pass
