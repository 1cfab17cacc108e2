"""Asking ONVIF services: SOAP 1.2 over HTTP, credentials as a digest only, answers read without trusting their XML."""

import base64
import hashlib
import http.client
import os
import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import SplitResult, urlsplit
from xml.parsers import expat
from xml.sax.saxutils import escape

from vigie import errors
from vigie.digest import DigestLogin
from vigie.peer import Deadline, connect, where_text
from vigie.policy.inventory import clean

DEVICE = "http://www.onvif.org/ver10/device/wsdl"
MAX_ANSWER_BYTES = 8 << 20
MAX_ELEMENTS = 200_000
MAX_DEPTH = 64


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, that of a fault included. `challenges`: its WWW-Authenticate values."""

    status: int
    challenges: list[str]
    body: bytes


def _host_and_port(parts: SplitResult) -> tuple[str, int]:
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def post(
    url: str,
    envelope: str,
    deadline: Deadline,
    *,
    tls: ssl.SSLContext | None = None,
    authorization: str = "",
    most: int = MAX_ANSWER_BYTES,
) -> Answer:
    """Sends an envelope. No proxy, no redirect: the credentials in it are for this host only.

    Raises: ConnectFailedError and its like, TimedOutError, SiteMalformedError, LimitExceededError.
    """
    parts = urlsplit(url)
    host, port = _host_and_port(parts)
    where = where_text(host, port)
    connection = http.client.HTTPConnection(host, port)
    connection.sock = connect(host, port, tls if parts.scheme == "https" else None, deadline)
    headers = {"Content-Type": b"application/soap+xml; charset=utf-8", "Connection": b"close"}
    if authorization:
        headers["Authorization"] = authorization.encode()
    try:
        with deadline.cutting(connection.sock, where):
            connection.sock.settimeout(deadline.left(where))
            connection.request("POST", parts.path or "/", envelope.encode(), headers)
            answer = connection.getresponse()
            body = answer.read(most + 1)
    except http.client.HTTPException as error:
        raise errors.SiteMalformedError(f"no HTTP answer: {type(error).__name__}", where) from None
    except OSError as error:
        if isinstance(error, errors.Error):
            raise
        raise errors.ConnectionLostError(str(error.strerror or error), where) from None
    finally:
        connection.close()
    if len(body) > most:
        raise errors.LimitExceededError(f"an answer of more than {most} bytes", where)
    return Answer(answer.status, answer.headers.get_all("WWW-Authenticate", []), body)


@dataclass(slots=True)
class Element:
    """An element by its local name: devices get namespaces wrong, and none that is asked for here is ambiguous."""

    name: str
    attributes: dict[str, str]
    text: str = ""
    children: list["Element"] = field(default_factory=list)

    def walk(self) -> Iterator["Element"]:
        """This and all below, in the order of the document."""
        waiting = [self]
        while waiting:
            element = waiting.pop()
            yield element
            waiting.extend(reversed(element.children))

    def all(self, *names: str) -> Iterator["Element"]:
        """Every element below with one of these names."""
        return (element for element in self.walk() if element is not self and element.name in names)

    def find(self, *path: str) -> "Element | None":
        """The first element below with the first name, in it the first with the second, and so on."""
        current: Element | None = self
        for name in path:
            if current is None:
                return None
            current = next(current.all(name), None)
        return current

    def say(self, *path: str) -> str:
        """The text of `find`, or ""."""
        found = self.find(*path)
        return "" if found is None else found.text.strip()


def parse(text: bytes) -> Element:
    """XML as elements.

    Raises: ValueError for what is not well-formed, has a DOCTYPE (so no entity is ever expanded), or is larger or
    deeper than any honest answer.
    """
    root = Element("", {})
    stack = [root]
    count = 0

    def local(name: str) -> str:
        return name.rpartition(":")[2]

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal count
        count += 1
        if count > MAX_ELEMENTS or len(stack) > MAX_DEPTH:
            raise ValueError(f"more than {MAX_ELEMENTS} elements, or deeper than {MAX_DEPTH}")
        element = Element(local(name), {local(key): value for key, value in attributes.items()})
        stack[-1].children.append(element)
        stack.append(element)

    def end(_: str) -> None:
        stack.pop()

    def characters(data: str) -> None:
        if len(stack[-1].text) < 4096:
            stack[-1].text += data

    def doctype(*_: object) -> None:
        raise ValueError("a DOCTYPE, which SOAP forbids")

    parser = expat.ParserCreate()  # without namespaces: prefixes that were never declared are common
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = characters
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        raise ValueError(f"not well-formed XML: {error}") from None
    return root


def envelope_of(namespace: str, method: str, inner: str = "", security: str = "") -> str:
    """A request's envelope."""
    return (
        '<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope">'
        f'<s:Header>{security}</s:Header><s:Body><{method} xmlns="{namespace}">{inner}</{method}></s:Body></s:Envelope>'
    )


def security_of(username: str, password: str, created: datetime) -> str:
    """A UsernameToken with digest (WS-Security 1.0). `created`: by the device's clock, else it refuses (L2)."""
    nonce = os.urandom(16)
    stamp = created.strftime("%Y-%m-%dT%H:%M:%SZ")
    digest = hashlib.sha1(nonce + stamp.encode() + password.encode(), usedforsecurity=False).digest()
    space = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
    return (
        f'<w:Security xmlns:w="{space}wssecurity-secext-1.0.xsd" xmlns:u="{space}wssecurity-utility-1.0.xsd">'
        f"<w:UsernameToken><w:Username>{escape(username)}</w:Username>"
        f'<w:Password Type="{space}username-token-profile-1.0#PasswordDigest">'
        f"{base64.b64encode(digest).decode()}</w:Password><w:Nonce>{base64.b64encode(nonce).decode()}</w:Nonce>"
        f"<u:Created>{stamp}</u:Created></w:UsernameToken></w:Security>"
    )


def read_utc(answer: str) -> datetime | None:
    """The device's UTC in an answer to GetSystemDateAndTime. Read by name, not as XML: it is the first thing asked of a
    device, and some that break their XML still tell the time.
    """
    block = re.search(r"<(?:\w+:)?UTCDateTime>(.*?)</(?:\w+:)?UTCDateTime>", answer, re.DOTALL)
    if not block:
        return None
    values = {}
    for name in ("Year", "Month", "Day", "Hour", "Minute", "Second"):
        found = re.search(rf"<(?:\w+:)?{name}>\s*([0-9]{{1,9}})\s*<", block[1])
        if not found:
            return None
        values[name.lower()] = int(found[1])
    try:
        return datetime(**values, tzinfo=UTC)
    except ValueError:
        return None


class Device:
    """An ONVIF device: its clock, its services, its answers. Every address is on the host of `url` (L1)."""

    def __init__(
        self, url: str, username: str, password: str, deadline: Deadline, tls: ssl.SSLContext | None = None
    ) -> None:
        parts = urlsplit(url)
        self.url = url if parts.path not in ("", "/") else f"{parts.scheme}://{parts.netloc}/onvif/device_service"
        self.where = where_text(*_host_and_port(parts))
        self.clock_offset: timedelta | None = None
        self._username = username
        self._password = password
        self._deadline = deadline
        self._tls = tls
        self._login = DigestLogin(username, password) if username else None

    def learn_clock(self) -> None:
        """Asks for the device's time, without credentials. A device that does not tell is taken to be right."""
        answer = post(self.url, envelope_of(DEVICE, "GetSystemDateAndTime"), self._deadline, tls=self._tls)
        told = read_utc(answer.body.decode("utf-8", "replace"))
        self.clock_offset = None if told is None else told - datetime.now(UTC)

    def beside(self, address: str) -> str:
        """The URL of another of its services. Its host and scheme are ours whatever the device says (L1): behind NAT it
        knows only its inner address, and credentials must not follow a stranger's word.
        """
        ours = urlsplit(self.url)
        try:
            theirs = urlsplit(address)
            known = theirs.hostname == ours.hostname and theirs.scheme == ours.scheme and theirs.port != 0
        except ValueError:  # no address at all
            return self.url
        netloc = theirs.netloc.rpartition("@")[2] if known else ours.netloc
        path = theirs.path if re.fullmatch(r"/[!-~]*", theirs.path) else ours.path
        return f"{ours.scheme}://{netloc}{path}"

    def call(self, url: str, namespace: str, method: str, inner: str = "") -> Element:
        """The Body of an answer.

        Raises: SiteRefusedError, SiteFailedError (a fault), SiteMalformedError, and what `post` raises.
        """
        answer = self._post(url, namespace, method, inner)
        if answer.status == 401 and self._login is not None and self._login.challenge(answer.challenges):
            answer = self._post(url, namespace, method, inner)
        try:
            body = parse(answer.body).find("Envelope", "Body")
        except ValueError as error:
            if answer.status == 200:
                raise errors.SiteMalformedError(f"{method}: {clean(str(error), 120)}", self.where) from None
            body = None
        fault = body.find("Fault") if body is not None else None
        reason = "" if fault is None else clean(fault.say("Text") or fault.say("faultstring") or fault.say("Value"))
        codes = "" if fault is None else " ".join(value.text for value in fault.all("Value"))
        if answer.status in (401, 403) or "NotAuthorized" in codes + reason:
            what = "username and password are wrong" if self._username else "it wants a username and a password"
            raise errors.SiteRefusedError(f"{what} (asked for {method})", self.where)
        if fault is not None:
            raise errors.SiteFailedError(f"{method}: {reason or 'a fault without a reason'}", self.where)
        if answer.status != 200:
            raise errors.SiteFailedError(f"{method}: HTTP status {answer.status}", self.where)
        if body is None:
            raise errors.SiteMalformedError(f"{method}: no SOAP envelope", self.where)
        return body

    def _post(self, url: str, namespace: str, method: str, inner: str) -> Answer:
        security = authorization = ""
        if self._username:
            security = security_of(
                self._username, self._password, datetime.now(UTC) + (self.clock_offset or timedelta())
            )
        if self._login is not None and self._login.ready:
            authorization = self._login.authorization("POST", urlsplit(url).path or "/")
        envelope = envelope_of(namespace, method, inner, security)
        return post(url, envelope, self._deadline, tls=self._tls, authorization=authorization)
