"""WS-Discovery: which ONVIF devices answer on a network. One question, answers until the time is over.

The known libraries answer, cache and read XML with entities besides; this asks, and reads with `vigie.soap`.
Source: WS-Discovery (April 2005); ONVIF Core, 7.
"""

import select
import socket
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, ip_address
from urllib.parse import unquote, urlsplit

from vigie.errors import ConnectFailedError, InvalidArgumentError
from vigie.policy.inventory import clean
from vigie.soap import Element, parse

GROUP = "239.255.255.250"
PORT = 3702
MAX_HOSTS = 4096
MAX_DEVICES = 4096
MAX_DATAGRAM = 65_535
_AT_ONCE = 64
_SCOPE = "onvif://www.onvif.org/"
_PROBE = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"'
    ' xmlns:w="http://schemas.xmlsoap.org/ws/2004/08/addressing"'
    ' xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"'
    ' xmlns:dn="http://www.onvif.org/ver10/network/wsdl"><e:Header><w:MessageID>{id}</w:MessageID>'
    "<w:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</w:To>"
    "<w:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</w:Action></e:Header>"
    "<e:Body><d:Probe><d:Types>dn:NetworkVideoTransmitter</d:Types></d:Probe></e:Body></e:Envelope>"
)


@dataclass(frozen=True, slots=True)
class Found:
    """A device that answered. `url`: its device service, on the network that was asked."""

    url: str
    name: str
    hardware: str
    location: str


def discover(network: IPv4Network, seconds: float, *, port: int = PORT) -> list[Found]:
    """The devices of a network, in the order of their addresses.

    Asks each address, and all by multicast where this machine has an address in the network. Only devices whose
    service lies in the network are believed: an answer may come from anywhere.
    Raises: InvalidArgumentError (too large), ConnectFailedError (it cannot be asked from here).
    """
    if network.num_addresses > MAX_HOSTS:
        what = f"{network.num_addresses} addresses; right would be at most {MAX_HOSTS}, such as a /20"
        raise InvalidArgumentError(what, str(network))
    question = str(uuid.uuid4())
    probe = _PROBE.format(id=f"urn:uuid:{question}").encode()
    found: dict[str, Found] = {}
    with ExitStack() as stack:
        sockets = []
        if (own := _own_address(network)) is not None:
            sockets.append(stack.enter_context(_multicast_from(own)))
            with suppress(OSError):  # no route for multicast: each address is asked all the same
                sockets[-1].sendto(probe, (GROUP, port))
        one_by_one = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        sockets.append(one_by_one)
        waiting = [str(address) for address in network.hosts()] or [str(network.network_address)]
        refused: OSError | None = None
        reached = False
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            for address in waiting[:_AT_ONCE]:
                try:
                    one_by_one.sendto(probe, (address, port))
                    reached = True
                except ConnectionRefusedError:  # of an address before
                    reached = True
                except OSError as error:
                    refused = error
            del waiting[:_AT_ONCE]
            for answer in _answers(sockets, min(left, 0.02 if waiting else left)):
                for device in _matches(answer, question, network):
                    if len(found) < MAX_DEVICES:
                        found.setdefault(device.url, device)
        if refused is not None and not reached:
            raise ConnectFailedError(str(refused.strerror), str(network))
    return sorted(found.values(), key=lambda device: ip_address(urlsplit(device.url).hostname or "0.0.0.0"))


def _own_address(network: IPv4Network) -> str | None:
    """This machine's address in the network, if it has one: the one from which it would speak to it."""
    target = next(iter(network.hosts()), network.network_address)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, suppress(OSError):
        probe.connect((str(target), 9))  # sends nothing
        own = str(probe.getsockname()[0])
        return own if IPv4Address(own) in network else None
    return None


def _multicast_from(address: str) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))
    made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
    made.bind((address, 0))
    return made


def _answers(sockets: Sequence[socket.socket], seconds: float) -> Iterator[bytes]:
    ready, _, _ = select.select(sockets, [], [], seconds)
    for one in ready:
        with suppress(OSError):  # such as a port that nobody listens at
            yield one.recv(MAX_DATAGRAM, socket.MSG_DONTWAIT)


def _matches(answer: bytes, question: str, network: IPv4Network) -> Iterator[Found]:
    """The devices that an answer to our question names; none, where it is anything else."""
    try:
        envelope = parse(answer)
    except ValueError:
        return
    if not envelope.say("RelatesTo").lower().endswith(question):
        return
    for match in envelope.all("ProbeMatch"):
        url = next((url for url in match.say("XAddrs").split() if _is_in(url, network)), None)
        if url is not None:
            yield Found(url, *(_scope(match, kind) for kind in ("name", "hardware", "location")))


def _is_in(url: str, network: IPv4Network) -> bool:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises where it is none
        plain = parts.scheme in ("http", "https") and "@" not in parts.netloc
        return plain and IPv4Address(parts.hostname or "") in network
    except ValueError:
        return False


def _scope(match: Element, kind: str) -> str:
    """What a device says of itself: `onvif://www.onvif.org/name/Entry%20North`."""
    prefix = f"{_SCOPE}{kind}/"
    for scope in match.say("Scopes").split():
        if scope.lower().startswith(prefix):
            return clean(unquote(scope[len(prefix) :]), 128)
    return ""
