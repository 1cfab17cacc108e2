"""ONVIF recorders: what they offer, wrong clocks, inner addresses, hostile answers."""

import socket
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from e2e.onvif_recorder import PASSWORD, USER, Channel, Recorder, recorder
from vigie import errors
from vigie.site.onvif import list_onvif
from vigie.site.partner import Partner
from vigie.soap import MAX_ANSWER_BYTES, parse


def partner(url: str, **more: Any) -> Partner:
    return Partner("gare", url, **{"username": USER, "password": PASSWORD} | more)


@pytest.mark.parametrize("media2", [True, False])
@pytest.mark.parametrize("old", [False, True])
def test_every_channel_with_its_largest_and_its_smallest_profile(media2: bool, old: bool) -> None:
    with recorder(3, media2=media2, old=old) as device:
        inventory = list_onvif(partner(device.url), 30)
        assert device.refused == 0
    assert inventory.partner == "Acme NVR 16 2.1"
    assert [camera.token for camera in inventory.cameras] == ["VideoSource_1", "VideoSource_2", "VideoSource_3"]
    assert [camera.title for camera in inventory.cameras] == ["Quai 1", "Quai 2", "Quai 3"]
    assert [camera.number for camera in inventory.cameras] == [1, 2, 3]
    main, sub = inventory.cameras[1].streams
    if media2 and not old:
        assert (main.name, main.codec, main.width, main.height) == ("main", "H265", 3840, 2160)
        assert main.url == "rtsp://127.0.0.1:554/p2_4k"
        assert ("GetProfiles", "/onvif/Media2") in device.seen
    else:
        assert (main.codec, main.width, main.url) == ("H264", 1920, "rtsp://127.0.0.1:554/p2_hd"), (
            "and not the MJPEG one"
        )
        assert ("GetProfiles", "/onvif/Media") in device.seen
    assert (sub.name, sub.codec, sub.width, sub.height) == ("sub", "H264", 640, 360)


@pytest.mark.parametrize("clock", [timedelta(hours=-7), timedelta(days=400), timedelta(seconds=-40)])
def test_a_wrong_clock_of_the_device(clock: timedelta) -> None:
    with recorder(1, clock=clock) as device:
        assert len(list_onvif(partner(device.url), 30).cameras) == 1
        assert device.refused == 0, "it refuses everything that is not stamped by its own clock"
    assert all(PASSWORD not in body and "p@ss" not in body for body in device.bodies)


def test_http_digest() -> None:
    with recorder(1, http_digest=True) as device:
        assert len(list_onvif(partner(device.url), 30).cameras) == 1
        assert device.refused == 0
        with pytest.raises(errors.SiteRefusedError, match="are wrong"):
            list_onvif(partner(device.url, password="other"), 30)
        assert device.refused == 1, "asked once, not for ever"


def test_wrong_and_no_credentials() -> None:
    with recorder(1) as device:
        with pytest.raises(errors.SiteRefusedError, match="are wrong") as raised:
            list_onvif(partner(device.url, password="not the one"), 30)
        assert "not the one" not in str(raised.value)
        with pytest.raises(errors.SiteRefusedError, match="it wants"):
            list_onvif(partner(device.url, username="", password=""), 30)


def test_every_question_goes_to_the_address_that_was_given() -> None:
    """L1: behind NAT a device gives its inner address; and a device that lies gets no credentials sent elsewhere."""
    with recorder(1, address="127.0.0.2") as stranger, recorder(1, inner_host=stranger.url[7:]) as device:
        assert len(list_onvif(partner(device.url), 30).cameras) == 1
        assert stranger.seen == []
        paths = {path for _, path in device.seen}
    assert paths == {"/onvif/device_service", "/onvif/Media", "/onvif/Media2"}


@pytest.mark.parametrize(
    "address", ["http://[", "http://127.0.0.1:99999/x", "", "javascript:1", "http://h/a b\r\nX: y"]
)
def test_addresses_that_are_none(address: str) -> None:
    space = "http://www.onvif.org/ver10/media/wsdl"
    told = f"<Service><Namespace>{space}</Namespace><XAddr>{address}</XAddr></Service>"
    with recorder(1, answers={"GetServices": told}) as device:
        if address:
            assert len(list_onvif(partner(device.url), 30).cameras) == 1, "asked at the address that is known"
        else:
            with pytest.raises(errors.SiteFailedError, match="no profile"):
                list_onvif(partner(device.url), 30)


def test_a_device_of_its_own_path() -> None:
    with recorder(1) as device:
        list_onvif(partner(f"{device.url}/soap/device"), 30)
        assert device.seen[0] == ("GetSystemDateAndTime", "/soap/device")


def test_credentials_that_the_device_puts_into_urls_are_dropped() -> None:
    with recorder(1, uri="rtsp://admin:12345@{host}:554/{token}?a=b") as device:
        (camera,) = list_onvif(partner(device.url), 30).cameras
    assert camera.streams[0].url == "rtsp://127.0.0.1:554/p1_4k?a=b"


def test_one_broken_channel_costs_no_other() -> None:
    channels = [Channel("a", "A", [("broken", "H264", 1920, 1080)]), Channel("b", "B", [("fine", "H264", 0, 0)])]
    with Recorder(channels) as device:
        broken, fine = list_onvif(partner(device.url), 30).cameras
    assert broken.streams == ()
    assert [stream.url for stream in fine.streams] == ["rtsp://127.0.0.1:554/fine"]


def test_the_devices_own_order_and_what_no_profile_shows() -> None:
    channels = [Channel(token, "", [(f"p{token}", "H264", 640, 360)]) for token in ("3", "1", "2")]
    sources = "".join(f'<VideoSources token="{token}"/>' for token in ("1", "2", "9"))
    with Recorder(channels, answers={"GetVideoSources": sources}) as device:
        assert [camera.token for camera in list_onvif(partner(device.url), 30).cameras] == ["1", "2", "3"]
    with Recorder(channels, answers={"GetVideoSources": "<Fault><Reason><Text>no</Text></Reason></Fault>"}) as device:
        assert [camera.token for camera in list_onvif(partner(device.url), 30).cameras] == ["3", "1", "2"]


def test_more_than_is_allowed() -> None:
    with recorder(5) as device:
        with pytest.raises(errors.LimitExceededError, match="5 cameras; max_cameras allows 4"):
            list_onvif(partner(device.url, max_cameras=4), 30)
        assert "GetStreamUri" not in {method for method, _ in device.seen}


BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    b"<Envelope><Body>&b;</Body></Envelope>"
)
OUTSIDE = b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><Envelope><Body><Manufacturer>&a;</Manufacturer></Body></Envelope>'


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        (BOMB, errors.SiteMalformedError, "DOCTYPE"),
        (OUTSIDE, errors.SiteMalformedError, "DOCTYPE"),
        (b"<a>" * 1000 + b"</a>" * 1000, errors.SiteMalformedError, "deeper"),
        (b"<a>" + b"<b/>" * 300_000 + b"</a>", errors.SiteMalformedError, "elements"),
        (b"<a" * 100, errors.SiteMalformedError, "well-formed"),
        (b"", errors.SiteMalformedError, "well-formed"),
        (b"\xff\xfe\x00", errors.SiteMalformedError, "well-formed"),
        (b"<html/>", errors.SiteMalformedError, "no SOAP envelope"),
        (b"x" * (MAX_ANSWER_BYTES + 1), errors.LimitExceededError, "more than"),
        ("<Fault><Reason><Text>sorry \x1b[2J</Text></Reason></Fault>", errors.SiteMalformedError, "well-formed"),
        ("<Fault><Reason><Text>the disk\n is full</Text></Reason></Fault>", errors.SiteFailedError, "the disk is full"),
    ],
)
def test_hostile_answers(answer: str | bytes, error: type[Exception], says: str) -> None:
    with recorder(1, answers={"GetDeviceInformation": answer}) as device, pytest.raises(error, match=says):
        list_onvif(partner(device.url), 30)


def test_profiles_without_sense_are_passed_over() -> None:
    source = "<VideoSource><SourceToken>s</SourceToken></VideoSource>"
    profiles = [
        f"<Profiles>{source}<VideoEncoder/></Profiles>",
        '<Profiles token="a"><VideoSource/><VideoEncoder/></Profiles>',
        f'<Profiles token="b">{source}</Profiles>',
    ]
    with recorder(1, answers={"GetProfiles": "".join(profiles)}) as device:
        with pytest.raises(errors.SiteFailedError, match="no profile with a video source"):
            list_onvif(partner(device.url), 30)
        size = "<Resolution><Width>-5</Width><Height>99999999</Height></Resolution>"
        odd = (
            f'<Profiles token="c">{source}<VideoEncoder><Encoding>\u202eVP9</Encoding>{size}</VideoEncoder></Profiles>'
        )
        device.answers["GetProfiles"] = odd
        device.answers["GetStreamUri"] = "<Uri>rtsp://[</Uri>"
        (camera,) = list_onvif(partner(device.url), 30).cameras
    assert (camera.streams[0].codec, camera.streams[0].width, camera.streams[0].height) == ("VP9", 0, 0)


@pytest.fixture
def talker() -> Any:
    """A TCP server that does one thing with its connections; gives its port."""
    servers: list[socket.socket] = []

    def start(act: Callable[[socket.socket], None]) -> int:
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                    with connection:
                        act(connection)
                except OSError:
                    return

        threading.Thread(target=serve, daemon=True).start()
        return int(server.getsockname()[1])

    yield start
    for server in servers:
        server.shutdown(socket.SHUT_RDWR)
        server.close()


def test_a_device_that_drips_is_cut_off_in_time(talker: Any) -> None:
    def drip(connection: socket.socket) -> None:
        connection.settimeout(0.05)
        connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        while True:
            connection.sendall(b"x")
            try:
                connection.recv(4096)
            except TimeoutError:
                continue

    with pytest.raises(errors.TimedOutError, match=r"not done within 0\.5 s"):
        list_onvif(partner(f"http://127.0.0.1:{talker(drip)}"), 0.5)


@pytest.mark.parametrize("answer", [b"", b"RTSP/1.0 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nx"])
def test_what_is_no_http(talker: Any, answer: bytes) -> None:
    def act(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(answer)

    with pytest.raises((errors.SiteMalformedError, errors.ConnectionLostError)):
        list_onvif(partner(f"http://127.0.0.1:{talker(act)}"), 10)


def test_nobody_there() -> None:
    with pytest.raises(errors.ConnectFailedError, match=r"127\.0\.0\.1:1"):
        list_onvif(partner("http://127.0.0.1:1"), 10)
    with pytest.raises(errors.ResolveFailedError):
        list_onvif(partner("http://no-such-host.invalid"), 10)


def test_elements_by_name() -> None:
    root = parse(b'<x:a z:t="1"><b> one </b><c><b>two</b></c><unbound:b>three</unbound:b></x:a>')
    assert [element.text.strip() for element in root.all("b")] == ["one", "two", "three"]
    assert root.say("c", "b") == "two"
    assert root.say("b", "c") == ""
    assert root.find("a") is not None
    assert root.children[0].attributes == {"t": "1"}
