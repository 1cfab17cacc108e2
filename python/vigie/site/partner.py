"""Who is asked: a site of the files with its secrets, as one value."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field

from vigie.policy.declared import Declared
from vigie.policy.inventory import Inventory
from vigie.policy.objects import Site

LISTING_S = 60.0  # within which a partner has told everything, or it is an error


@dataclass(frozen=True, slots=True)
class Partner:
    """Equal partners give the same inventory. `tls_ca`: a path, or ""."""

    name: str
    url: str
    username: str = ""
    password: str = field(default="", repr=False)
    tls_ca: str = ""
    tls_verify: bool = True
    max_cameras: int = 1024
    refresh_s: float = 60


def make_partner(site: Declared[Site]) -> Partner:
    """The partner of a declared site."""
    spec = site.object.spec
    return Partner(
        name=site.object.name,
        url=spec.url,
        username=spec.username or "",
        password=site.secrets.get(("spec", "password"), ""),
        tls_ca="" if spec.tls_ca is None else os.path.normpath(os.path.join(site.folder, spec.tls_ca)),
        tls_verify=spec.tls_verify,
        max_cameras=spec.max_cameras,
        refresh_s=spec.refresh_s,
    )


Ask = Callable[[Partner], Inventory]


def list_cameras(partner: Partner) -> Inventory:
    """Asks the partner, whatever it is; waits for it, at most `LISTING_S`.

    Raises: vigie.Error, whose text holds no credential and of the partner's words only what can be printed.
    """
    from vigie.site.onvif import list_onvif
    from vigie.site.relay import list_relay

    if partner.url.lower().startswith("rtsp"):
        return list_relay(partner, LISTING_S)
    return list_onvif(partner, LISTING_S)
