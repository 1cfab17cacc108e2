"""Figures -> sentences for whoever sets the camera up. Pure functions."""

from collections.abc import Mapping
from typing import Any

from vigie.probe.measure import CameraClock, Figures

_LONG_GOP_S = 4.0
_FPS_SHARE = 0.1
_CLOCK_OFF_MS = 1000.0
_DRIFT_PPM = 100.0
# Time zones are whole quarters of an hour apart, up to 14 h from UTC.
_ZONE_STEP_S = 900
_ZONE_MOST_S = 14 * 3600
_ZONE_SLACK_S = 5.0
# A report is due at least every five seconds.
_REPORT_DUE_S = 6.0


def advise(
    figures: Figures,
    *,
    declared_fps: float,
    transport: str,
    lost_packets: int,
    marker_proven: bool | None,
    reports: Mapping[str, Any] | None = None,
) -> list[str]:
    """What to change at the camera, the gravest first; empty when nothing is wrong.

    `declared_fps`: 0 when the description says nothing. `marker_proven`: None where it is not known. `reports`: the
    `clock` of a source report; None where it is not known.
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
    out += _about_clock(figures.clock, figures.seconds, reports or {})
    if marker_proven is False:
        interval = 1000 / figures.fps if figures.fps > 0 else 0
        out.append(
            f"its marker cannot be trusted: each picture leaves {interval:.0f} ms later, when the next one begins"
        )
    if len(figures.sizes) > 1:
        text = ", ".join(f"{width} x {height}" for width, height in figures.sizes)
        out.append(f"the picture's size changed during the run ({text}): decoders start anew each time")
    return out


def _about_clock(clock: CameraClock, seconds: float, reports: Mapping[str, Any]) -> list[str]:
    unproven = "capture times are arrival times, and nothing proves when a picture was taken"
    if clock.offset_ms is None:
        if since_1970 := reports.get("reports_since_1970", 0):
            return [
                f"its sender reports ({since_1970}) count seconds from 1970 where NTP counts from 1900: {unproven}; "
                "newer firmware may mend it (F12)"
            ]
        if timeless := reports.get("reports_without_time", 0):
            return [
                f"its sender reports ({timeless}) carry no time of day: {unproven}; let it follow an NTP server (F12)"
            ]
        return [f"sends no sender reports within {seconds:.0f} s: {unproven}"]
    out: list[str] = []
    if clock.first_s is not None and clock.first_s > _REPORT_DUE_S:
        out.append(
            f"its first sender report came {clock.first_s:.1f} s after its first picture: until then capture times are "
            "arrival times"
        )
    if steps := reports.get("steps", 0):
        times = "once" if steps == 1 else f"{steps} times"
        out.append(
            f"its clock was set to another time {times} during the run (by {reports['last_step_ms'] / 1000:+.1f}"
            " s at last): let it follow one NTP server that corrects it in small steps (I3)"
        )
    offset_s = clock.offset_ms / 1000
    if zone := time_zone(offset_s):
        out.append(
            f"its clock is off by {offset_s:+.1f} s, which is {zone}: set its time zone, or let it report in UTC"
        )
    elif abs(clock.offset_ms) > _CLOCK_OFF_MS:
        out.append(f"its clock is off by {offset_s:+.1f} s: let it follow an NTP server")
    if clock.drift_ppm is not None and abs(clock.drift_ppm) > _DRIFT_PPM:
        out.append(
            f"its clock drifts by {clock.drift_ppm:+.0f} ppm ({clock.drift_ppm * 0.0864:+.1f} s a day): "
            "let it follow an NTP server"
        )
    return out


def time_zone(offset_s: float) -> str:
    """An offset that a wrong time zone makes, as "time zone +02:00"; else empty."""
    nearest = round(offset_s / _ZONE_STEP_S) * _ZONE_STEP_S
    if nearest == 0 or abs(nearest) > _ZONE_MOST_S or abs(offset_s - nearest) > _ZONE_SLACK_S:
        return ""
    return f"time zone {'+' if nearest > 0 else '-'}{abs(nearest) // 3600:02d}:{abs(nearest) % 3600 // 60:02d}"
