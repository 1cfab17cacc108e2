"""`/health` and `/metrics` over HTTP, from the supervisor: they answer also when engine or control do not.

Without authentication, and so for loopback or a network of its own; nothing there names a person.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from typing import Any

from vigie.errors import BindFailedError, InvalidArgumentError
from vigie.processes.metrics import metrics_text
from vigie.processes.supervisor import Health, Supervisor

REQUEST_S = 10.0
AT_ONCE = 8


def server(listen: str) -> Callable[[Supervisor], AbstractContextManager[object]]:
    """What serves both at `ADDRESS:PORT` while it is entered. Raises: InvalidArgumentError."""
    address, port = parsed(listen)

    @contextmanager
    def serve(supervisor: Supervisor) -> Iterator[object]:
        try:
            http = _Server((address, port), supervisor.health)
        except OSError as error:
            raise BindFailedError(error.strerror or str(error), listen) from None
        thread = threading.Thread(target=http.serve_forever, name="vigie-http", daemon=True)
        thread.start()
        host, bound = http.server_address[:2]
        supervisor.say(f"health and metrics at http://{host!s}:{bound}")
        try:
            yield http
        finally:
            http.shutdown()
            http.server_close()

    return serve


def parsed(listen: str) -> tuple[str, int]:
    """`ADDRESS:PORT`. Raises: InvalidArgumentError."""
    host, colon, port = listen.rpartition(":")
    try:
        if not colon or not port.isdecimal() or int(port) > 65535:
            raise ValueError
        return str(ip_address(host.strip("[]"))), int(port)
    except ValueError:
        raise InvalidArgumentError(
            f"{listen!r}; right would be ADDRESS:PORT such as 127.0.0.1:9464", "--http"
        ) from None


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], health: Callable[[], Health]) -> None:
        self.health = health
        self.free = threading.Semaphore(AT_ONCE)
        if ":" in address[0]:
            import socket

            self.address_family = socket.AF_INET6
        super().__init__(address, _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = REQUEST_S
    server_version = "vigie"
    sys_version = ""

    def do_GET(self) -> None:
        """Both pages."""
        path = self.path.partition("?")[0]
        if path not in ("/health", "/metrics"):
            self._answer(404, "text/plain; charset=utf-8", b"there are /health and /metrics\n")
            return
        if not self.server.free.acquire(blocking=False):
            self._answer(503, "text/plain; charset=utf-8", b"too many at once\n")
            return
        try:
            health = self.server.health()
        except (TimeoutError, RuntimeError):  # it is closing, or has had no processor for seconds
            self._answer(503, "text/plain; charset=utf-8", b"the supervisor does not answer\n")
            return
        finally:
            self.server.free.release()
        if path == "/metrics":
            self._answer(200, "text/plain; version=0.0.4; charset=utf-8", metrics_text(health))
            return
        body = {
            "status": "down" if health.reasons else "ok",
            "reasons": list(health.reasons),
            "processes": dict(health.alive),
            "restarts": dict(health.restarts),
            "revision": None if health.facts is None else health.facts["revision"],
        }
        self._answer(503 if health.reasons else 200, "application/json", json.dumps(body).encode() + b"\n")

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not logged."""

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
