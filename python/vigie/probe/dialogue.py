"""What the RTSP dialogue says of a device. Pure functions over the messages that the engine recorded."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Session:
    """`keepalive`: the method that is used; `timeout_s`: None where none was announced."""

    server: str
    methods: tuple[str, ...]
    keepalive: str
    timeout_s: int | None
    authentication: str
    description: str


def read_dialogue(lines: Iterable[Mapping[str, Any]]) -> Session:
    """Reads the messages (`sent`, `text`) in order; what is missing stays empty."""
    server = authentication = description = ""
    methods: tuple[str, ...] = ()
    timeout: int | None = None
    for line in lines:
        if line["sent"]:
            continue
        head, _, body = str(line["text"]).replace("\r\n", "\n").partition("\n\n")
        server = header(head, "Server") or server
        if public := header(head, "Public"):
            methods = tuple(re.findall(r"[A-Z_]+", public.upper()))
        if found := re.search(r"timeout\s*=\s*(\d+)", header(head, "Session")):
            timeout = int(found[1])
        if challenge := header(head, "WWW-Authenticate"):
            scheme = challenge.split(" ", 1)[0]
            algorithm = re.search(r"algorithm\s*=\s*\"?([\w-]+)", challenge)
            authentication = f"{scheme} {algorithm[1]}" if algorithm else scheme
        if body.lstrip().startswith("v="):
            description = body
    keepalive = "GET_PARAMETER" if "GET_PARAMETER" in methods else "OPTIONS"
    return Session(server, methods, keepalive, timeout, authentication, description)


def header(message: str, name: str) -> str:
    """The value of a message's first header of that name; empty when there is none."""
    found = re.search(rf"^{re.escape(name)}[ \t]*:[ \t]*(.*?)[ \t\r]*$", message, re.MULTILINE | re.IGNORECASE)
    return found[1] if found else ""
