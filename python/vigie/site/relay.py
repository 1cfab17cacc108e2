"""Another vigie's cameras: GET_PARAMETER `vigie.cameras` on its RTSP server (docs/serve.md says what it answers)."""

import json
from typing import Annotated
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vigie import errors
from vigie.peer import Deadline
from vigie.policy.inventory import Inventory, OfferedCamera, OfferedStream, clean
from vigie.site.partner import Partner
from vigie.site.rtsp import Reply, RtspConnection

PARAMETER = "vigie.cameras"


class _Told(BaseModel):
    # A later version may say more.
    model_config = ConfigDict(strict=True, extra="ignore")


class _Stream(_Told):
    name: Annotated[str, Field(max_length=64)]
    codec: Annotated[str, Field(max_length=16)] | None = None
    width: Annotated[int, Field(ge=0, le=65536)] = 0
    height: Annotated[int, Field(ge=0, le=65536)] = 0


class _Camera(_Told):
    name: Annotated[str, Field(min_length=1, max_length=64)]
    title: Annotated[str, Field(max_length=1024)] = ""
    number: Annotated[int, Field(ge=0, le=2**53)] = 0
    streams: Annotated[list[_Stream], Field(max_length=16)]


class _Page(_Told):
    cameras: Annotated[list[_Camera], Field(max_length=1024)]
    more: bool


def list_relay(partner: Partner, seconds: float) -> Inventory:
    """What the other vigie lets this account see. Raises: vigie.Error."""
    base = partner.url.rstrip("/")
    cameras: list[OfferedCamera] = []
    with RtspConnection(
        base,
        Deadline(seconds),
        username=partner.username,
        password=partner.password,
        tls_ca=partner.tls_ca,
        tls_verify=partner.tls_verify,
    ) as connection:
        after = ""
        while True:
            uri = f"{base}/?after={quote(after, safe='')}" if after else f"{base}/"
            page = _page(connection.ask("GET_PARAMETER", uri, f"{PARAMETER}\r\n"), connection.where)
            cameras += [_offered(base, camera) for camera in page.cameras]
            if len(cameras) > partner.max_cameras:
                what = f"it offers more than {partner.max_cameras} cameras; max_cameras allows more"
                raise errors.LimitExceededError(what, connection.where)
            if not page.more:
                return Inventory("vigie", tuple(cameras))
            last = page.cameras[-1].name if page.cameras else ""
            if last <= after:
                raise errors.SiteMalformedError("its list of cameras goes round in circles", connection.where)
            after = last


def _page(reply: Reply, where: str) -> _Page:
    if reply.status != 200:
        raise errors.SiteFailedError(f"{reply.status} {reply.reason}", where)
    name, _, value = reply.body.decode("utf-8", "replace").partition(":")
    if name.strip() != PARAMETER:
        raise errors.SiteFailedError("it speaks RTSP but lists no cameras: no vigie, or an older one", where)
    try:
        return _Page.model_validate(json.loads(value))
    except ValidationError as wrong:
        first = wrong.errors(include_url=False, include_input=False)[0]
        at = ".".join(str(step) for step in first["loc"])
        raise errors.SiteMalformedError(f"its list of cameras: {clean(at, 80)}: {first['msg']}", where) from None
    except (ValueError, RecursionError):
        raise errors.SiteMalformedError("its list of cameras is not JSON", where) from None


def _offered(base: str, camera: _Camera) -> OfferedCamera:
    streams = []
    for stream in camera.streams:
        # Only names are taken over, never an address: what the partner says stays at the partner.
        path = f"{quote(camera.name, safe='')}/{quote(stream.name, safe='')}"
        streams.append(
            OfferedStream(stream.name, f"{base}/{path}", clean(stream.codec or "", 16), stream.width, stream.height)
        )
    return OfferedCamera(camera.name, clean(camera.title), camera.number, tuple(streams))
