"""Where viewers find the listeners of a server."""

import socket
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vigie.policy.objects import Listener


def stream_urls(
    listeners: Sequence[Listener], compiled: Sequence[Mapping[str, Any]], bound: Mapping[str, str], path: str
) -> list[str]:
    """`path` on each listener, in the order of the object. `compiled`: the same in the snapshot.

    `bound`: by name, where those are whose port the system chose.

    A listener on every address, or on an interface, is named as its `public` says, else by this machine's name.
    """
    return list(_urls(listeners, compiled, bound, path))


def chosen_ports(compiled: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the system has chosen a port."""
    return any(entry["listen"].endswith(":0") for entry in compiled)


def _urls(
    listeners: Sequence[Listener], compiled: Sequence[Mapping[str, Any]], bound: Mapping[str, str], path: str
) -> Iterator[str]:
    for listener, entry in zip(listeners, compiled, strict=True):
        host, _, port = listener.listen.rpartition(":")
        if port == "0":
            port = bound.get(entry["name"], "").rpartition(":")[2]
            if not port:
                continue
        if listener.public is not None:
            host = listener.public
        elif host.startswith("%") or host in ("0.0.0.0", "[::]"):
            host = socket.gethostname()
        scheme = "rtsp" if listener.tls is None else "rtsps"
        yield f"{scheme}://{host}:{port}/{path}"
