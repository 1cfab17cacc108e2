"""WS-Discovery on the loopback network: who is found, and what strangers may not do."""

from collections.abc import Callable
from ipaddress import IPv4Network

import pytest

from python.site.onvif_device import Discoverable
from vigie.errors import InvalidArgumentError
from vigie.site.discovery import Found, discover

NETWORK = IPv4Network("127.0.0.0/29")
SECONDS = 0.4


def test_a_device_is_found_once_and_says_its_name() -> None:
    with Discoverable("http://[fe80::1]/x http://127.0.0.3:8000/onvif/device_service", address="127.0.0.3") as device:
        found = discover(NETWORK, SECONDS, port=device.port)
        assert found == [Found("http://127.0.0.3:8000/onvif/device_service", "Entry North", "", "Metz")]
        assert device.asked == 1


def test_by_multicast_where_this_machine_is_in_the_network() -> None:
    with Discoverable("http://127.0.0.5/onvif/device_service", multicast=True) as device:
        found = discover(NETWORK, SECONDS, port=device.port)
    assert [one.url for one in found] == ["http://127.0.0.5/onvif/device_service"]
    assert device.asked == 1


def test_devices_come_in_the_order_of_their_addresses() -> None:
    with (
        Discoverable("http://127.0.0.6/", address="127.0.0.6") as first,
        Discoverable("http://127.0.0.2/", address="127.0.0.2", port=first.port),
    ):
        assert [one.url for one in discover(NETWORK, SECONDS, port=first.port)] == [
            "http://127.0.0.2/",
            "http://127.0.0.6/",
        ]


@pytest.mark.parametrize(
    "urls",
    ["http://192.0.2.9/", "http://ops:x@127.0.0.3/", "ftp://127.0.0.3/", "http://127.0.0.3:99999/", "http://host/", ""],
)
def test_who_is_elsewhere_is_not_believed(urls: str) -> None:
    with Discoverable(urls) as device:
        assert discover(NETWORK, SECONDS, port=device.port) == []
    assert device.asked == 1


LIES: list[Callable[[str], bytes]] = [
    lambda name: b"",
    lambda name: b"\xff\xfe no XML",
    lambda name: b"<a>" * 5000,
    lambda name: b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
    lambda name: (
        b"<e><RelatesTo>urn:uuid:another</RelatesTo><ProbeMatch><XAddrs>http://127.0.0.1/</XAddrs></ProbeMatch></e>"
    ),
    lambda name: f"<e><RelatesTo>{name}</RelatesTo></e>".encode(),
]


@pytest.mark.parametrize("lie", LIES)
def test_lies_find_nothing(lie: Callable[[str], bytes]) -> None:
    with Discoverable("", lie=lie) as device:
        assert discover(NETWORK, SECONDS, port=device.port) == []
    assert device.asked == 1


def test_a_network_that_is_too_large_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="right would be at most 4096"):
        discover(IPv4Network("10.0.0.0/8"), SECONDS)


def test_nobody_there_takes_no_longer_than_it_may() -> None:
    assert discover(IPv4Network("127.9.9.9/32"), 0.2, port=9) == []
