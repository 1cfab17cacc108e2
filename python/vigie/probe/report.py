"""The result of a probe as one value, as JSON and as text."""

import dataclasses
from typing import Any

from rich.console import Console

from vigie.probe.advice import advise, time_zone
from vigie.probe.dialogue import read_dialogue
from vigie.probe.measure import measure
from vigie.probe.run import Run
from vigie.quirks import QUIRKS

VERSION = 1
_H264_PROFILES = {
    66: "Baseline",
    77: "Main",
    88: "Extended",
    100: "High",
    110: "High 10",
    122: "High 4:2:2",
    244: "High 4:4:4",
}
_H265_PROFILES = {1: "Main", 2: "Main 10", 3: "Main Still Picture", 4: "Range Extensions"}


def make_report(run: Run, onvif: dict[str, Any] | None = None) -> dict[str, Any]:
    """Everything that was found, as docs/cameras.md lists it. Holds no credential."""
    figures = measure(run.units)
    session = read_dialogue(run.source.get("dialogue", []))
    track = run.source.get("track")
    media = run.source.get("media") or {}
    lost = run.stream.get("lost_packets", 0)
    advice: list[str] = []
    if figures is not None:
        advice = advise(
            figures,
            declared_fps=(track or {}).get("declared_fps", 0),
            transport=run.transport,
            lost_packets=lost,
            marker_proven=media.get("marker_proven"),
            reports=media.get("clock"),
        )
    return {
        "version": VERSION,
        "url": run.url,
        "good": figures is not None,
        "fault": run.fault,
        "transport": run.transport,
        "playing_s": run.playing_s,
        "first_keyframe_s": run.keyframe_s,
        "session": dataclasses.asdict(session),
        "track": _track(track),
        "figures": None if figures is None else dataclasses.asdict(figures),
        "lost_packets": lost,
        "reordered_packets": run.stream.get("reordered_packets", 0),
        "malformed_packets": run.stream.get("malformed_packets", 0),
        "media": media,
        "quirks": {
            quirk: {"device": QUIRKS[quirk].device, "cure": QUIRKS[quirk].cure}
            for quirk in run.stream.get("quirks", [])
        },
        "advice": advice,
        "onvif": onvif,
        "states": [{"at_s": at, "state": state, "text": text} for at, state, text in run.states],
        "dialogue": run.source.get("dialogue", []),
    }


def _track(track: dict[str, Any] | None) -> dict[str, Any] | None:
    if track is None:
        return None
    names = _H264_PROFILES if track["codec"] == "H264" else _H265_PROFILES
    scale = 10 if track["codec"] == "H264" else 30
    level = track.get("level_idc", 0) / scale
    return track | {"profile": names.get(track.get("profile_idc", 0), ""), "level": f"{level:.1f}" if level else ""}


def print_report(report: dict[str, Any], console: Console, *, dialogue: bool = True) -> None:
    """The report for people."""
    if dialogue:
        console.rule("dialogue, credentials blanked")
        for line in report["dialogue"]:
            console.print(f"{line['at_s']:8.3f} s {'->' if line['sent'] else '<-'}", style="dim")
            console.print(line["text"].replace("\r\n", "\n").rstrip(), markup=False, highlight=False, soft_wrap=True)
    console.rule(report["url"])
    for name, value in _lines(report):
        console.print(f"{name:>16}  {value}", markup=False, highlight=False, soft_wrap=True)
    console.rule("what it does that it should not")
    for quirk, text in report["quirks"].items():
        console.print(f"{quirk:>16}  {text['device']}: {text['cure']}", markup=False, highlight=False, soft_wrap=True)
    if not report["quirks"]:
        console.print("nothing that is known by name")
    console.rule("advice")
    for sentence in report["advice"]:
        console.print(f"- {sentence}", markup=False, highlight=False, soft_wrap=True)
    if not report["advice"]:
        console.print("none" if report["good"] else "no pictures came, so there is nothing to advise on")


def _lines(report: dict[str, Any]) -> list[tuple[str, str]]:
    session, track, figures, media = report["session"], report["track"], report["figures"], report["media"]
    out: list[tuple[str, str]] = []
    if report["fault"]:
        out.append(("fault", report["fault"]))
    if report["playing_s"] is not None:
        text = f"{'listening' if report['transport'] == 'rtp' else 'PLAY accepted'} after {report['playing_s']:.2f} s"
        if report["first_keyframe_s"] is not None:
            text += f", first keyframe after {report['first_keyframe_s']:.2f} s"
        out.append(("start", f"{text}, over {report['transport'] or '?'}"))
    if session["server"]:
        out.append(("server", session["server"]))
    if session["authentication"]:
        out.append(("authentication", session["authentication"]))
    timeout = f", session timeout {session['timeout_s']} s" if session["timeout_s"] else ""
    keepalive = "" if report["transport"] == "rtp" else f"{session['keepalive']} and "
    out.append(("signs of life", f"{keepalive}receiver reports{timeout}"))
    if track:
        text = f"{track['codec']} {track['profile']} {track['level']}".strip()
        declared = f", declares {track['declared_fps']:g} fps" if track["declared_fps"] else ""
        sets = track["parameter_sets"]
        count = ", ".join(f"{len(sets[kind])} {kind.upper()}" for kind in ("vps", "sps", "pps") if sets[kind])
        out.append(("track", f"{text}, {track['width']} x {track['height']}{declared}; {count or 'no parameter sets'}"))
    if figures:
        out += _measured_lines(report, figures)
    if media:
        out.append(("marker", "trusted" if media.get("marker_proven") else "not trusted"))
    if report["onvif"]:
        out.append(("ONVIF", ", ".join(f"{key} {value}" for key, value in report["onvif"].items())))
    return out


def _measured_lines(report: dict[str, Any], figures: dict[str, Any]) -> list[tuple[str, str]]:
    gop = figures["gop"]
    rate = f"{figures['fps']:.2f} fps (by its own clock {figures['media_fps']:.2f})"
    range_ = f"{gop['units_least']} to {gop['units_most']}"
    lost, reordered = report["lost_packets"], report["reordered_packets"]
    return [
        ("measured", f"{figures['units']} pictures in {figures['seconds']:.1f} s"),
        ("rate", f"{rate}, {figures['bitrate_bps'] / 1e6:.2f} Mbit/s"),
        (
            "picture sizes",
            f"keyframes {figures['keyframe_bytes'] / 1000:.1f} kB, others {figures['unit_bytes'] / 1000:.1f} kB",
        ),
        (
            "GOP",
            f"{gop['units_median']:g} pictures ({range_}), {gop['seconds_median']:.2f} s"
            if gop["count"]
            else "only one keyframe came",
        ),
        ("jitter", f"{figures['jitter_ms']:.1f} ms (95 % of pictures)"),
        ("loss", f"{lost} packets lost, {reordered} reordered, {figures['damaged']} pictures damaged"),
        ("clock", _clock_text(figures["clock"])),
    ]


def _clock_text(clock: dict[str, Any]) -> str:
    if clock["offset_ms"] is None:
        return "no sender report with a time came: arrival times are used"
    if clock["stepped"]:
        drift = "set to another time in mid-run"
    elif clock["drift_ppm"] is None:
        drift = "drift not known (a longer run tells)"
    else:
        drift = f"drift {clock['drift_ppm']:+.0f} ppm"
    zone = time_zone(clock["offset_ms"] / 1000)
    return (
        f"{clock['offset_ms']:+.0f} ms against ours (network delay included){f', {zone}' if zone else ''}, {drift}, "
        f"quality {clock['quality']}"
    )
