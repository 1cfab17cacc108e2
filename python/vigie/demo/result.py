"""What a run of the demo measured, and whether that is good."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

# A viewer of ours must have found none of these.
FAULTS = (
    "missing_units",
    "repeated_units",
    "out_of_order_units",
    "damaged_units",
    "wrong_camera_units",
    "lost_packets",
    "timestamps_not_following",
)


@dataclass
class CityResult:
    """What happened in the city; `complaints` is empty when all of it did. Milliseconds after the right's end."""

    camera: str = ""
    left_out: str = ""  # why nothing of it was shown
    refused: str = ""
    pictures_read: int = 0
    first_picture_ms: float = 0.0  # after asking for it
    last_picture_after_end_ms: float = 0.0
    player_ended_after_end_ms: float = 0.0
    journal: list[str] = field(default_factory=list)
    journal_verified: str = ""
    seen_by: str = ""
    seen_first: str = ""
    seen_last: str = ""
    complaints: list[str] = field(default_factory=list)

    def rows(self) -> list[tuple[str, str]]:
        """Rows of the summary."""
        if self.left_out:
            return [("city", f"left out: {self.left_out}")]
        if not self.pictures_read:
            return [("the police watched", "nothing")]
        last = self.last_picture_after_end_ms
        about = f"{abs(last):.0f} ms {'before' if last < 0 else 'after'} the right's end"
        return [
            (
                "the police watched",
                f"{self.pictures_read} pictures, the first {self.first_picture_ms:.0f} ms after asking",
            ),
            ("their last picture", f"read {about}; the player ended {self.player_ended_after_end_ms:.0f} ms after it"),
            ("who saw the camera", f"{self.seen_by or 'nobody'}, {self.seen_first} to {self.seen_last}"),
            ("journal", f"{self.journal_verified}; in order: {', '.join(self.journal)}"),
        ]


@dataclass
class Result:
    """The figures of one run; `complaints` is empty when all is well."""

    cameras: int = 0
    playing: int = 0
    units_in: int = 0
    units_published: int = 0
    units_offered: int = 0
    units_sent: int = 0
    units_waiting: int = 0
    units_dropped: int = 0
    drop_reasons: dict[str, int] = field(default_factory=dict)
    packets_lost_before_us: int = 0
    viewers_seen: int = 0
    units_checked: int = 0
    latency_ms: dict[str, Any] = field(default_factory=dict)
    first_picture_ms: dict[str, Any] = field(default_factory=dict)
    ffmpeg_viewers: int = 0
    ffmpeg_frames: int = 0
    ffmpeg_errors: list[str] = field(default_factory=list)
    stills: int = 0
    masked_units: int = 0
    masked_dropped: int = 0
    masked_ms: float = 0.0
    server_cpu_cores: float = 0.0
    contact_sheet: str = ""
    city: CityResult = field(default_factory=CityResult)
    complaints: list[str] = field(default_factory=list)

    def take_stats(self, stats: Mapping[str, Any], shown: Sequence[str]) -> None:
        """Figures of the engine while all viewers watched. `shown`: the cameras that must play."""
        self.cameras = len(stats["cameras"])
        for name, camera in stats["cameras"].items():
            for stream in camera.get("streams", {}).values():
                self.playing += stream["state"] == "playing"
                self.units_in += stream["units"]
                self.units_published += stream["published_units"]
                self.packets_lost_before_us += stream["lost_packets"]
                if stream["state"] != "playing":
                    self.complaints.append(f"{name} is {stream['state']}: {stream['fault'] or 'no reason given'}")
                elif name in shown and stream["units"] != stream["published_units"]:
                    self.complaints.append(
                        f"{name}: {stream['units']} units came in, {stream['published_units']} went on"
                    )
        for viewer in stats["viewers"]:
            self.viewers_seen += 1
            dropped = sum(viewer["units_dropped"].values())
            self.units_offered += viewer["units_offered"]
            self.units_sent += viewer["units_sent"]
            self.units_waiting += viewer["units_waiting"]
            self.units_dropped += dropped
            for reason, count in viewer["units_dropped"].items():
                if count:
                    key = f"{viewer['transport']} {viewer['camera']} {reason}"
                    self.drop_reasons[key] = self.drop_reasons.get(key, 0) + count
        if self.units_dropped:
            reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(self.drop_reasons.items()))
            self.complaints.append(f"{self.units_dropped} units were dropped: {reasons}")
        if self.packets_lost_before_us:
            self.complaints.append(f"{self.packets_lost_before_us} packets were lost before the engine")

    def take_lanes(self, stats: Mapping[str, Any]) -> None:
        """What masking has cost in all, and whether it kept up."""
        streams = [stream for camera in stats.get("cameras", {}).values() for stream in camera["streams"].values()]
        for lane in [stream["lane"] for stream in streams if stream.get("lane", {}).get("coded_units")]:
            self.masked_units += lane["coded_units"]
            self.masked_dropped += lane["thinned_pictures"] + lane["skipped_units"]
            spent = lane["decode_s"] + lane["mask_s"] + lane["encode_s"]
            self.masked_ms = max(self.masked_ms, 1000 * spent / lane["coded_units"])

    def take_load(self, name: str, load: Mapping[str, Any], reordered: bool = False) -> None:
        """What viewers of ours found. `reordered`: the pictures' times go back and forth by right (B pictures)."""
        if not load:
            self.complaints.append(f"{name} gave no result")
            return
        self.units_checked += load["units"]
        if not self.latency_ms:
            self.latency_ms = dict(load["latency_ms"])
            self.first_picture_ms = dict(load["first_picture_ms"])
        if not load["all_ready"]:
            self.complaints.append(f"{name}: {load['with_picture']} of {load['viewers']} viewers had a picture")
        if not load["units"]:
            self.complaints.append(f"{name} received nothing")
        for fault in FAULTS:
            if load[fault] and not (reordered and fault == "timestamps_not_following"):
                self.complaints.append(f"{name}: {load[fault]} {fault.replace('_', ' ')}")
        if load["failures"] or load["disconnects"]:
            self.complaints.append(f"{name}: {load['disconnects']} disconnects, {load['last_failure'] or 'no reason'}")

    def rows(self) -> list[tuple[str, str]]:
        """The summary, one row a figure."""
        rows = [
            ("cameras playing", f"{self.playing} of {self.cameras}"),
            ("access units in -> published", f"{self.units_in} -> {self.units_published}"),
            (
                "offered to viewers -> sent",
                f"{self.units_offered} -> {self.units_sent} ({self.units_waiting} under way, "
                f"{self.units_dropped} dropped)",
            ),
            ("checked by our viewers", f"{self.units_checked} units, one after the other"),
        ]
        if self.latency_ms:
            rows.append(
                ("camera to viewer", f"p50 {self.latency_ms['p50']:.2f} ms, p99 {self.latency_ms['p99']:.2f} ms")
            )
            rows.append(
                (
                    "first picture",
                    f"p50 {self.first_picture_ms['p50']:.1f} ms, worst {self.first_picture_ms['max']:.1f} ms",
                )
            )
        rows.append(
            (
                "FFmpeg's viewers",
                f"{self.ffmpeg_viewers} watched, {self.ffmpeg_frames} pictures decoded, "
                f"{len(self.ffmpeg_errors)} complaints",
            )
        )
        rows.append(
            (
                "masked",
                f"{self.masked_units} pictures filled and coded anew, {self.masked_ms:.1f} ms each at most, "
                f"{self.masked_dropped} left out because the machine was busy",
            )
        )
        rows.append(("server's CPU", f"{self.server_cpu_cores:.2f} core"))
        rows += self.city.rows()
        rows.append(("contact sheet", self.contact_sheet or "none"))
        return rows

    def all_complaints(self) -> list[str]:
        """The city's too."""
        return self.complaints + [f"the city: {complaint}" for complaint in self.city.complaints]

    def as_json(self) -> dict[str, Any]:
        """For `summary.json`."""
        return asdict(self)
