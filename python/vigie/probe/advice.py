"""Figures -> sentences for whoever sets the camera up. Pure functions."""

from vigie.probe.measure import Figures

_LONG_GOP_S = 4.0
_FPS_SHARE = 0.1
_CLOCK_OFF_MS = 1000.0
_DRIFT_PPM = 100.0


def advise(
    figures: Figures, *, declared_fps: float, transport: str, lost_packets: int, marker_proven: bool | None
) -> list[str]:
    """What to change at the camera, the gravest first; empty when nothing is wrong.

    `declared_fps`: 0 when the description says nothing. `marker_proven`: None where it is not known.
    """
    out: list[str] = []
    if lost_packets or figures.damaged:
        cure = (
            "set `transport: tcp`, or mend the network"
            if transport in ("udp", "multicast")
            else "the device or its network drops them"
        )
        out.append(f"{lost_packets} packets lost, {figures.damaged} pictures damaged: {cure}")
    if figures.gop.count and figures.gop.seconds_median > _LONG_GOP_S:
        out.append(
            f"a keyframe comes every {figures.gop.seconds_median:.1f} s only: set the GOP to 2 s, or every jump and "
            "every repair of damage waits that long"
        )
    elif figures.gop.count == 0 and figures.seconds > _LONG_GOP_S:
        out.append(f"no second keyframe within {figures.seconds:.0f} s: set the GOP to 2 s (G15)")
    if declared_fps > 0 and abs(figures.fps - declared_fps) > _FPS_SHARE * declared_fps:
        out.append(f"declares {declared_fps:g} fps, ships {figures.fps:.1f}: L-14")
    clock = figures.clock
    if clock.quality == "none":
        out.append(
            "sends no sender reports: capture times are arrival times, and nothing proves when a picture was taken"
        )
    elif clock.offset_ms is not None and abs(clock.offset_ms) > _CLOCK_OFF_MS:
        out.append(f"its clock is off by {clock.offset_ms / 1000:+.1f} s: let it follow an NTP server")
    if clock.drift_ppm is not None and abs(clock.drift_ppm) > _DRIFT_PPM:
        out.append(
            f"its clock drifts by {clock.drift_ppm:+.0f} ppm ({clock.drift_ppm * 0.0864:+.1f} s a day): "
            "let it follow an NTP server"
        )
    if marker_proven is False:
        interval = 1000 / figures.fps if figures.fps > 0 else 0
        out.append(
            f"its marker cannot be trusted: each picture leaves {interval:.0f} ms later, when the next one begins"
        )
    if len(figures.sizes) > 1:
        text = ", ".join(f"{width} x {height}" for width, height in figures.sizes)
        out.append(f"the picture's size changed during the run ({text}): decoders start anew each time")
    return out
