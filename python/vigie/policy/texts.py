"""What names, addresses, URLs and secrets may look like: functions that return what is wrong, or None.

The core checks the same (`src/engine/policy/validate.cc`); here it is said with the file's line. No answer ever repeats
a URL, which may hold a password.
"""

import ipaddress
import re
from collections.abc import Iterable
from datetime import UTC, datetime

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
AGENT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}\Z")
# Names, or patterns of them, of a site's cameras and of their versions.
CAMERAS_OF_SITE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}\.[A-Za-z0-9._*?-]{1,63}(@[A-Za-z0-9._*?-]{1,64})?\Z")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
SCHEMES = (
    "rtsp(s)://host/path, http(s)://, rtmp(s)://, srt:// or udp://…, file:path (or the path alone), sdp:path or push:"
)
SITE_URLS = "rtsp(s)://host[:port] of another vigie, or http(s)://host[:port][/path] of an ONVIF device"
COMMUNE = r"^(?:[0-9]{2}|2[AB])[0-9]{3}$"  # INSEE
DEPARTMENT = r"^(?:[0-9]{2}|2[AB]|9[78][0-9])$"
COLOUR = re.compile(r"#[0-9A-Fa-f]{6}")
INTERFACE = re.compile(r"[A-Za-z0-9._@-]{1,15}")
_RTSP = r"rtsps?"
_NETWORK = r"https?|rtmps?|srt|udp"


def name_problem(name: str, pattern: re.Pattern[str] = NAME) -> str | None:
    """What is wrong with the name of an object or a stream."""
    if pattern.match(name):
        return None
    more = "., _, @ and -" if pattern is AGENT_NAME else "., _ and -"
    return (
        "not a name; right would be 1 to 64 of the letters a-z, A-Z, the digits, "
        f"{more}, beginning with a letter or digit"
    )


def rtsp_url_problem(url: str) -> str | None:
    """What is wrong with an RTSP URL."""
    return _remote_url_problem(url, _RTSP)


def _remote_url_problem(url: str, schemes: str, right: str = SCHEMES) -> str | None:
    match = re.match(rf"(?:{schemes})://([^/?#]*)", url, re.IGNORECASE)
    if not match:
        return f"not a URL that can be used; right would be {right}"
    authority = match[1]
    if "@" in authority:
        return "credentials inside the URL, where they would be logged; right would be the fields username and password"
    if " " in url:
        return "a space inside the URL; right would be %20"
    parts = re.match(r"(\[[^\]]+\]|[^:\[\]]+)(?::(.*))?\Z", authority)
    if not parts:
        return "no host in the URL; right would be scheme://host[:port]/path"
    port = parts[2]
    if port is not None and not (re.fullmatch(r"[0-9]{1,5}", port) and 1 <= int(port) <= 65535):
        return "not a port; right would be a number from 1 to 65535 after the host"
    return None


def remote_url_problem(url: str) -> str | None:
    """What is wrong with the URL of a camera in the network, of whichever kind it is."""
    return _remote_url_problem(url, _NETWORK if source_kind(url) == "network" else _RTSP)


def site_url_problem(url: str) -> str | None:
    """What is wrong with the URL of a site."""
    if CONTROL.search(url):
        return "a control character in the URL; right would be text of one line"
    if problem := _remote_url_problem(url, rf"{_RTSP}|https?", SITE_URLS):
        return problem
    if "?" in url or "#" in url:
        return f"a query in the URL; right would be {SITE_URLS}"
    if url.lower().startswith("rtsp") and not re.fullmatch(r"\w+://[^/]*/?", url):
        return f"a path in the URL; right would be {SITE_URLS}"
    return None


def host_and_port(url: str) -> tuple[str, str]:
    """The host, in small letters and with the brackets of an IPv6 address, and the port or "", of a remote URL."""
    parts = re.match(r"\w+://(\[[^\]/?#]+\]|[^:\[\]/?#]+)(?::([0-9]+))?(?=[/?#]|\Z)", url)
    return (parts[1].lower(), parts[2] or "") if parts else ("", "")


def source_kind(url: str) -> str:
    """`rtsp`, `network`, `file`, `sdp` or `push`, by the form of a stream's url."""
    if url == "push:":
        return "push"
    if url.lower().startswith("sdp:"):
        return "sdp"
    if re.match(rf"(?:{_NETWORK})://", url, re.IGNORECASE):
        return "network"
    if "://" in url and not url.lower().startswith("file:"):
        return "rtsp"
    return "file"


def url_problem(url: str) -> str | None:
    """What is wrong with a stream's url."""
    if CONTROL.search(url):
        return "a control character in the URL; right would be text of one line"
    kind = source_kind(url)
    if kind in ("rtsp", "network"):
        return remote_url_problem(url)
    if kind in ("file", "sdp"):
        path = file_path(url)
        if not path:
            return f"empty; right would be {SCHEMES}"
        if "://" in path or re.match(r"(file|sdp)://(?!/)", url, re.IGNORECASE):
            return f"not a file of this machine; right would be {kind}:path"
        if re.match(r"(file|sdp):", path, re.IGNORECASE):
            return f"two kinds in one; right would be {kind}:path"
        if re.match(r"(rtsps?|https?|push):", url, re.IGNORECASE):
            return f"not a URL that can be used; right would be {SCHEMES}"
    return None


def file_path(url: str) -> str:
    """The path in `file:path`, `file:///path`, the same with `sdp:`, or a path alone."""
    kind, colon, path = url.partition(":")
    if not colon or kind.lower() not in ("file", "sdp"):
        return url
    return path[2:] if path.startswith("///") else path


def listen_address(text: str) -> tuple[str, bool] | None:
    """The address without its port, and whether only this machine can reach it; None when it is not acceptable."""
    match = re.fullmatch(r"(.+):([0-9]{1,5})", text)
    if not match or int(match[2]) > 65535:
        return None
    host = match[1]
    if host == "localhost":
        return host, True
    if host.startswith("%") and INTERFACE.fullmatch(host[1:]):
        return host, host == "%lo"
    try:
        if host.startswith("[") and host.endswith("]") and "%" not in host:
            ipaddress.IPv6Address(host[1:-1])
            return host, host == "[::1]"
        return host, ipaddress.IPv4Address(host).is_loopback
    except ValueError:
        return None


def zulu(instant: datetime, timespec: str) -> str:
    """An aware time in UTC, as RFC 3339 with a Z. `timespec`: as of `datetime.isoformat`."""
    return instant.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")


def utc_text(text: str) -> str:
    """An instant with its zone as RFC 3339 in UTC, for the core. Raises ValueError with what would be right."""
    right = "right would be a time with its zone such as 2026-12-31T23:59:59Z or 2026-12-31T23:59:59+01:00"
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"not a time; {right}") from None
    if instant.tzinfo is None:
        raise ValueError(f"a time without its zone; {right}")
    instant = instant.astimezone(UTC)
    if not 1970 <= instant.year <= 2261:
        raise ValueError("out of range; right would be a year from 1970 to 2261")
    return zulu(instant, "microseconds")


def one_of(words: Iterable[str]) -> str:
    """`a, b or c`."""
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last
