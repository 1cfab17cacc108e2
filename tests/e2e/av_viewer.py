"""A viewer we did not write: PyAV.

    python av_viewer.py URL tcp|udp SECONDS

Prints "U PTS_90K MONO_NS HEX" for each unit, and "E TEXT" for whatever the demuxer or decoder complains of.
"""

import sys
import time

import av
import av.logging


def main() -> None:
    """Watches for SECONDS after the first unit, and decodes."""
    url, transport, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    av.logging.set_level(av.logging.ERROR)
    # The library's log lines come to standard error when Python does not take them.
    av.logging.restore_default_callback()
    decoded = 0
    begun = None
    try:
        with av.open(url, options={"rtsp_transport": transport}, timeout=20) as container:
            stream = container.streams.video[0]
            for packet in container.demux(stream):
                if packet.size == 0:
                    continue
                # FFmpeg's parser gives the first packet no time, whatever the server.
                pts = -1 if packet.pts is None else round(packet.pts * packet.time_base * 90000)
                now = time.monotonic_ns()
                begun = begun or now
                sys.stdout.write(f"U {pts} {now} {bytes(packet).hex()}\n")
                sys.stdout.flush()
                decoded += len(packet.decode())
                if now - begun > seconds * 1e9:
                    break
    except av.error.FFmpegError as error:
        print(f"E {error}", flush=True)
    print(f"N {decoded}", flush=True)


if __name__ == "__main__":
    main()
