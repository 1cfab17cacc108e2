"""A viewer we did not write: rtspsrc, a decoder, and a sink that shows each picture when its time has come.

    /usr/bin/python3 gst_viewer.py URL tcp|udp CODEC SECONDS

Prints "U PTS_90K MONO_NS HEX" for each unit as it comes, "D PTS_NS MONO_NS" for each picture shown, "P PTS_90K PTS_NS"
as the link between both clocks, and "E TEXT" for each error or warning.
"""

import sys
import time

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst  # noqa: E402


def main() -> None:
    """Watches for SECONDS after the first unit."""
    url, transport, codec, seconds = sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4])
    Gst.init(None)
    tls = "tls-validation-flags=0" if url.startswith("rtsps") else ""
    pipeline = Gst.parse_launch(
        f'rtspsrc location="{url}" protocols={transport} latency=0 {tls} ! rtp{codec}depay '
        f"! video/x-{codec},stream-format=byte-stream,alignment=au "
        f"! identity name=units signal-handoffs=true silent=true "
        f"! {codec}parse ! avdec_{codec} ! fakesink name=screen sync=true signal-handoffs=true silent=true"
    )
    loop = GLib.MainLoop()
    out = sys.stdout
    begun = False

    def on_unit(_element, buffer) -> None:
        nonlocal begun
        now = time.monotonic_ns()
        if not begun:
            begun = True
            GLib.timeout_add(int(seconds * 1000), loop.quit)
        data = buffer.extract_dup(0, buffer.get_size())
        out.write(f"U {buffer.pts * 9 // 100000} {now} {data.hex()}\nP {buffer.pts * 9 // 100000} {buffer.pts}\n")
        out.flush()

    def on_shown(_element, buffer, _pad) -> None:
        out.write(f"D {buffer.pts} {time.monotonic_ns()}\n")
        out.flush()

    def on_message(_bus, message) -> None:
        if message.type in (Gst.MessageType.ERROR, Gst.MessageType.WARNING):
            error, debug = message.parse_error() if message.type == Gst.MessageType.ERROR else message.parse_warning()
            out.write(f"E {error.message} {debug!r}\n")
            out.flush()
            if message.type == Gst.MessageType.ERROR:
                loop.quit()
        elif message.type == Gst.MessageType.EOS:
            out.write("E the stream ended\n")
            loop.quit()

    pipeline.get_by_name("units").connect("handoff", on_unit)
    pipeline.get_by_name("screen").connect("handoff", on_shown)
    bus = pipeline.get_bus()
    bus.add_signal_watch()
    bus.connect("message", on_message)
    pipeline.set_state(Gst.State.PLAYING)
    GLib.timeout_add(int((seconds + 20) * 1000), loop.quit)
    loop.run()
    pipeline.set_state(Gst.State.NULL)


if __name__ == "__main__":
    main()
