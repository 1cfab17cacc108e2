"""What our own small clients share when they talk to a stranger: deadlines that hold, TLS, errors without secrets."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from vigie import errors


class Deadline:
    """An instant by which an exchange is over, however slowly the other side drips."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end = time.monotonic() + seconds

    def left(self, where: str) -> float:
        """Seconds until then. Raises: TimedOutError when it has passed."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise errors.TimedOutError(f"not done within {self._seconds:g} s", where)
        return left

    @contextmanager
    def cutting(self, connection: socket.socket, where: str) -> Iterator[None]:
        """Shuts the connection down when the instant comes; what fails inside by then is a TimedOutError."""

        def cut() -> None:
            with suppress(OSError):
                # The plain method, so that a TLS object another thread reads from is not touched.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)

        timer = threading.Timer(self.left(where), cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        except Exception:
            self.left(where)
            raise
        finally:
            timer.cancel()


def tls_context(ca: str, verify: bool) -> ssl.SSLContext:
    """Certificates by a PEM file or the system's store, or none checked at all. Raises: TlsFailedError."""
    try:
        context = ssl.create_default_context(cafile=ca or None)
    except (OSError, ssl.SSLError) as error:
        raise errors.TlsFailedError(f"{type(error).__name__} while reading the CA file", ca) from None
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def connect(host: str, port: int, tls: ssl.SSLContext | None, deadline: Deadline) -> socket.socket:
    """A connection, with TLS where a context is given; `host` without brackets.

    Raises: ResolveFailedError, ConnectFailedError, TlsFailedError, TimedOutError.
    """
    where = where_text(host, port)
    try:
        connection = socket.create_connection((host, port), min(10.0, deadline.left(where)))
    except socket.gaierror as error:
        raise errors.ResolveFailedError(str(error.strerror), where) from None
    except TimeoutError:
        deadline.left(where)  # the whole time is over, not only that for connecting
        raise errors.ConnectFailedError("no answer", where) from None
    except OSError as error:
        raise errors.ConnectFailedError(str(error.strerror or error), where) from None
    if tls is None:
        return connection
    try:
        with deadline.cutting(connection, where):
            return tls.wrap_socket(connection, server_hostname=host)
    except (ssl.SSLError, OSError, ValueError) as error:
        connection.close()
        if isinstance(error, errors.Error):
            raise
        raise errors.TlsFailedError(getattr(error, "verify_message", "") or str(error)[:200], where) from None


def where_text(host: str, port: int) -> str:
    """`host:port`, as errors name it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
