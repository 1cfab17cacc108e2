"""An ONVIF device's cameras: one for each video source, with its largest profile as `main` and its smallest as `sub`.

Media2 is asked first (Media 1 knows no H.265), then Media. A single camera is a device with one source.
"""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

from vigie import errors
from vigie.peer import Deadline, tls_context
from vigie.policy.inventory import Inventory, OfferedCamera, OfferedStream, clean
from vigie.site.partner import Partner
from vigie.soap import DEVICE, Device, Element

MEDIA = "http://www.onvif.org/ver10/media/wsdl"
MEDIA2 = "http://www.onvif.org/ver20/media/wsdl"
_SCHEMA = "http://www.onvif.org/ver10/schema"
# H.264 and H.265 before others of the same size; names as ONVIF has them, and as we do.
_CODECS = {"H264": "H264", "H265": "H265", "JPEG": "MJPEG"}


@dataclass(frozen=True, slots=True)
class _Profile:
    token: str
    source: str
    title: str
    codec: str
    width: int
    height: int

    @property
    def size(self) -> tuple[int, bool]:
        return self.width * self.height, self.codec in ("H264", "H265")


def list_onvif(partner: Partner, seconds: float) -> Inventory:
    """What the device offers. Raises: vigie.Error."""
    deadline = Deadline(seconds)
    tls = tls_context(partner.tls_ca, partner.tls_verify) if partner.url.lower().startswith("https") else None
    device = Device(partner.url, partner.username, partner.password, deadline, tls)
    device.learn_clock()
    about = device.call(device.url, DEVICE, "GetDeviceInformation")
    services = _services(device)
    namespace, url, profiles = _profiles(device, services)
    order = _order(device, services, profiles)
    if len(order) > partner.max_cameras:
        what = f"it offers {len(order)} cameras; max_cameras allows {partner.max_cameras}"
        raise errors.LimitExceededError(what, device.where)
    cameras = []
    for number, source in enumerate(order, 1):
        mine = [profile for profile in profiles if profile.source == source]
        streams = []
        for name, profile in _chosen(mine):
            address = _stream_url(device, namespace, url, profile.token)
            if address:
                streams.append(OfferedStream(name, address, profile.codec, profile.width, profile.height))
        title = next((profile.title for profile in mine if profile.title), "")
        cameras.append(OfferedCamera(source, title, number, tuple(streams)))
    said = " ".join(clean(about.say(name), 64) for name in ("Manufacturer", "Model", "FirmwareVersion"))
    return Inventory(said.strip() or "ONVIF device", tuple(cameras))


def _services(device: Device) -> dict[str, str]:
    """URL by namespace."""
    try:
        told = device.call(device.url, DEVICE, "GetServices", "<IncludeCapability>false</IncludeCapability>")
        found = {service.say("Namespace"): service.say("XAddr") for service in told.all("Service")}
    except errors.SiteFailedError:  # GetServices is younger than some devices
        told = device.call(device.url, DEVICE, "GetCapabilities", "<Category>All</Category>")
        found = {MEDIA: told.say("Media", "XAddr")}
    return {namespace: device.beside(address) for namespace, address in found.items() if address}


def _profiles(device: Device, services: dict[str, str]) -> tuple[str, str, list[_Profile]]:
    """The service that answered, where it is, and its profiles that have a picture."""
    failure: errors.Error | None = None
    for namespace, inner in ((MEDIA2, "<Type>VideoSource</Type><Type>VideoEncoder</Type>"), (MEDIA, "")):
        if namespace not in services:
            continue
        try:
            told = device.call(services[namespace], namespace, "GetProfiles", inner)
        except errors.SiteFailedError as error:
            failure = error
            continue
        if found := [profile for element in told.all("Profiles") if (profile := _profile(element))]:
            return namespace, services[namespace], found
    raise failure or errors.SiteFailedError("it has no profile with a video source", device.where)


def _profile(element: Element) -> _Profile | None:
    source = next(element.all("VideoSource", "VideoSourceConfiguration"), None)
    encoder = next(element.all("VideoEncoder", "VideoEncoderConfiguration"), None)
    token = element.attributes.get("token", "")
    if source is None or encoder is None or not token or not source.say("SourceToken"):
        return None
    encoding = clean(encoder.say("Encoding"), 16).upper()
    return _Profile(
        token=token,
        source=source.say("SourceToken"),
        title=clean(source.say("Name")),
        codec=_CODECS.get(encoding, encoding),
        width=_number(encoder.say("Resolution", "Width")),
        height=_number(encoder.say("Resolution", "Height")),
    )


def _number(text: str) -> int:
    return int(text) if re.fullmatch(r"[0-9]{1,5}", text) else 0


def _order(device: Device, services: dict[str, str], profiles: list[_Profile]) -> list[str]:
    """Tokens of the sources, as the device counts its channels; one that no profile shows has nothing to offer."""
    shown = dict.fromkeys(profile.source for profile in profiles)
    if MEDIA not in services:
        return list(shown)
    try:
        told = device.call(services[MEDIA], MEDIA, "GetVideoSources")
    except errors.SiteFailedError:
        return list(shown)
    counted = dict.fromkeys(source.attributes.get("token", "") for source in told.all("VideoSources"))
    return [token for token in counted if token in shown] + [token for token in shown if token not in counted]


def _chosen(profiles: list[_Profile]) -> list[tuple[str, _Profile]]:
    """`main` and, when there is a smaller one, `sub`; of equals the first."""
    main = max(profiles, key=lambda profile: profile.size)
    smaller = [profile for profile in profiles if 0 < profile.size[0] < main.size[0]]
    if not smaller:
        return [("main", main)]
    return [("main", main), ("sub", min(smaller, key=lambda profile: (profile.size[0], not profile.size[1])))]


def _stream_url(device: Device, namespace: str, url: str, token: str) -> str:
    """The URL without what credentials the device has put into it; "" when it has none to give for this profile."""
    profile = f"<ProfileToken>{escape(token)}</ProfileToken>"
    if namespace == MEDIA2:
        inner = f"<Protocol>RTSP</Protocol>{profile}"
    else:
        inner = (
            f'<StreamSetup><Stream xmlns="{_SCHEMA}">RTP-Unicast</Stream>'
            f'<Transport xmlns="{_SCHEMA}"><Protocol>RTSP</Protocol></Transport></StreamSetup>{profile}'
        )
    try:
        address = device.call(url, namespace, "GetStreamUri", inner).say("Uri")
    except errors.SiteFailedError:  # of one channel: the others are none of its business
        return ""
    try:
        parts = urlsplit(address)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    except ValueError:
        return address  # checked, and refused with its reason, like everything a partner says
