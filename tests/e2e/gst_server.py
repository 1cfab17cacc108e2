"""A camera we did not write: GStreamer's RTSP server, playing clips for ever in real time.

    /usr/bin/python3 gst_server.py [--tls CERTIFICATE KEY] [--savp | --savpf]
        [--group OWN_ADDRESS INTERFACE ADDRESS PORT] MOUNT=CODEC:CLIP…

Prints "ready PORT", and "key MOUNT NUMBER" whenever a keyframe has been handed over. Every unit gets a stamp: its
number (the clip's unit is number modulo length) and the moment. Ends with its standard input. With a group it gives
all by multicast alone, by that interface, the first mount to ADDRESS and PORT, each other one ten ports on.
`--savp`: SRTP with keys by MIKEY.
"""

import sys
import time
from pathlib import Path

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gio, GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402
from nal import annexb, is_keyframe, split_units, with_stamp  # noqa: E402

INTERVAL_NS = 40_000_000


class Mount:
    """One clip under one path; all clients share it."""

    def __init__(self, name: str, codec: str, clip: Path) -> None:
        self.name = name
        self.codec = codec
        self.units = split_units(clip.read_bytes(), codec)
        self.number = 0
        self.appsrc = None
        self.first_number = 0
        self.first_pts = None
        self.next_ns = time.monotonic_ns()
        parser = "h264" if codec == "h264" else "h265"
        self.factory = GstRtspServer.RTSPMediaFactory()
        self.factory.set_launch(
            f"( appsrc name=units is-live=true format=time block=false max-bytes=8000000 "
            f"caps=video/x-{parser},stream-format=byte-stream,alignment=au "
            # The clip carries its parameter sets in band; a payloader that repeats them would put some between slices.
            f"! rtp{parser}pay name=pay0 pt=96 config-interval=0 )"
        )
        self.factory.set_shared(True)
        self.factory.set_latency(0)
        self.factory.connect("media-configure", self.configure)

    def to_group(self, interface: str, address: str, port: int) -> None:
        """By multicast alone."""
        pool = GstRtspServer.RTSPAddressPool()
        pool.add_range(address, address, port, port + 1, 1)
        self.factory.set_address_pool(pool)
        self.factory.set_protocols(GstRtsp.RTSPLowerTrans.UDP_MCAST)
        self.factory.set_multicast_iface(interface)

    def configure(self, _factory, media) -> None:
        """A new pipeline takes over."""
        self.appsrc = media.get_element().get_by_name("units")
        self.first_pts = None

    def step(self) -> None:
        """Hands over what is due."""
        while time.monotonic_ns() >= self.next_ns:
            self.next_ns += INTERVAL_NS
            self.push(self.units[self.number % len(self.units)])
            self.number += 1

    def push(self, unit: list[bytes]) -> None:
        """Hands one unit to the pipeline, if one plays."""
        clock = self.appsrc.get_clock() if self.appsrc else None
        if clock is None or self.appsrc.get_base_time() == 0:
            return
        if self.first_pts is None:
            # A pipeline begins with a keyframe, at once.
            while not is_keyframe(unit, self.codec):
                self.number += 1
                unit = self.units[self.number % len(self.units)]
            self.first_pts = max(0, clock.get_time() - self.appsrc.get_base_time())
            self.first_number = self.number
        data = annexb(with_stamp(unit, self.number, time.monotonic_ns(), self.codec))
        buffer = Gst.Buffer.new_wrapped(data)
        buffer.pts = self.first_pts + (self.number - self.first_number) * INTERVAL_NS
        buffer.dts = buffer.pts
        self.appsrc.emit("push-buffer", buffer)
        if is_keyframe(unit, self.codec):
            print(f"key {self.name} {self.number}", flush=True)


def main() -> None:
    """Serves until standard input ends."""
    Gst.init(None)
    mounts = []
    server = GstRtspServer.RTSPServer()
    arguments = sys.argv[1:]
    group: list[str] = []
    profile = None
    while arguments[0].startswith("--"):
        option = arguments.pop(0)
        if option == "--group":
            group, arguments = arguments[:4], arguments[4:]
        elif option == "--tls":
            auth = GstRtspServer.RTSPAuth()
            auth.set_tls_certificate(Gio.TlsCertificate.new_from_files(arguments.pop(0), arguments.pop(0)))
            server.set_auth(auth)
            anonymous = GstRtspServer.RTSPToken()
            anonymous.set_string("media.factory.role", "anyone")
            auth.set_default_token(anonymous)
        else:
            profile = GstRtsp.RTSPProfile.SAVPF if option == "--savpf" else GstRtsp.RTSPProfile.SAVP
    server.set_address(group[0] if group else "127.0.0.1")
    server.set_service("0")
    for argument in arguments:
        name, _, rest = argument.partition("=")
        codec, _, clip = rest.partition(":")
        mount = Mount(name, codec, Path(clip))
        if profile is not None:
            mount.factory.set_profiles(profile)
        role = GstRtspServer.RTSPPermissions()
        role.add_permission_for_role("anyone", "media.factory.access", True)
        role.add_permission_for_role("anyone", "media.factory.construct", True)
        mount.factory.set_permissions(role)
        if group:
            mount.to_group(group[1], group[2], int(group[3]) + 10 * len(mounts))
        server.get_mount_points().add_factory(f"/{name}", mount.factory)
        mounts.append(mount)
    server.attach(None)
    loop = GLib.MainLoop()

    def tick() -> bool:
        for mount in mounts:
            mount.step()
        return True

    GLib.timeout_add(4, tick)
    GLib.io_add_watch(0, GLib.PRIORITY_DEFAULT, GLib.IO_HUP | GLib.IO_IN, lambda *_: loop.quit())
    print(f"ready {server.get_bound_port()}", flush=True)
    loop.run()


if __name__ == "__main__":
    main()
