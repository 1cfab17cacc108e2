"""rtspsrc over RTSPS with a certificate to trust.

    /usr/bin/python3 gst_tls.py URL CERTIFICATE USER PASSWORD

Ends with code 0 and "20 units" once they have come, with code 1 and the error otherwise.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib, Gst  # noqa: E402


def main() -> int:
    """Watches 20 units."""
    url, certificate, user, password = sys.argv[1:]
    Gst.init(None)
    pipeline = Gst.parse_launch(
        "rtspsrc name=source latency=0 protocols=tcp ! rtph264depay "
        "! video/x-h264,stream-format=byte-stream,alignment=au ! fakesink name=units signal-handoffs=true sync=false"
    )
    source = pipeline.get_by_name("source")
    source.set_property("location", url)
    source.set_property("user-id", user)
    source.set_property("user-pw", password)
    source.set_property("tls-database", Gio.TlsFileDatabase.new(certificate))
    loop = GLib.MainLoop()
    count = 0
    code = 1

    def on_unit(_element, _buffer, _pad) -> None:
        nonlocal count, code
        count += 1
        if count == 20:
            code = 0
            print("20 units", flush=True)
            loop.quit()

    def on_error(_bus, message) -> None:
        print(message.parse_error(), flush=True)
        loop.quit()

    pipeline.get_by_name("units").connect("handoff", on_unit)
    pipeline.get_bus().add_signal_watch()
    pipeline.get_bus().connect("message::error", on_error)
    pipeline.set_state(Gst.State.PLAYING)
    GLib.timeout_add_seconds(30, loop.quit)
    loop.run()
    pipeline.set_state(Gst.State.NULL)
    return code


if __name__ == "__main__":
    sys.exit(main())
