"""The masked part of the demo's town: what each state of privacy looks like to whoever watches.

`python -m vigie.demo.masks` is the host of the demo's dome: an engine with a simulated dome whose private place it
hides, served over RTSP. It prints one JSON line when it listens, and ends with its standard input.
"""

import json
import sys
from typing import Any

OWN_REGION = {"name": "flat-3", "points": [[0.08, 0.30], [0.38, 0.24], [0.38, 0.72], [0.08, 0.78]]}
POLICE_REGION = {
    "name": "school-yard",
    "points": [[0.58, 0.40], [0.92, 0.34], [0.95, 0.80], [0.60, 0.84]],
    "fill": "#7a1f1f",
}
# Still by still: what is asked for, and the words under it. The withheld camera gives none.
VIEWS = (
    ("masked", "masked: a dwelling"),
    ("masked@police", "the same for the police: a school yard more"),
    ("covered", "covered: no mask set"),
)
WITHHELD = "withheld"
CAMERAS = 3  # that objects() declares
DOME_STILLS = 3
# Degrees of pan and tilt.
DOME_REGION = [(-8.0, -28.0), (8.0, -28.0), (8.0, -12.0), (-8.0, -12.0)]


def objects(stream: dict[str, Any]) -> list[dict[str, Any]]:
    """The cameras and mask sets, all at one simulated camera's stream."""

    def camera(name: str, title: str, **privacy: str) -> dict[str, Any]:
        spec = {"title": title, "streams": {"main": {**stream, "transport": "tcp"}}, **privacy}
        return {"kind": "Camera", "name": name, "spec": spec}

    return [
        camera("masked", "Rue des Jardins", privacy="masked"),
        {
            "kind": "MaskSet",
            "name": "masked",
            # A made-up scene that moves as a whole: no camera that somebody might knock.
            "spec": {"camera": "masked", "reason": "dwellings", "regions": [OWN_REGION], "scene_watch": False},
        },
        {
            "kind": "MaskSet",
            "name": "masked-police",
            "spec": {"camera": "masked", "version": "police", "reason": "a school", "regions": [POLICE_REGION]},
        },
        camera("covered", "Rue sans masque", privacy="masked"),
        camera(WITHHELD, "Cour du lycee"),
    ]


def main() -> int:
    """Serves the dome until standard input ends."""
    from vigie.engine import Engine
    from vigie.sim.dome import Dome, Presets, Report, TruePose
    from vigie.sim.dome_camera import DomeCamera, listening_port

    region = {"name": "flat-7", "space": "world", "reason": "dwellings", "points": [list(p) for p in DOME_REGION]}
    policy = {
        "revision": 1,
        "listeners": [{"name": "demo", "listen": "127.0.0.1:0", "access": "open"}],
        "cameras": [
            {
                "name": "dome",
                "title": "Dome de la gare",
                "privacy": "masked",
                "dome": {"calibration_error": 0.3, "zoom_error": 0.02, "max_speed": 30},
                "masks": {"revision": 1, "reason": "dwellings", "regions": [region]},
                "streams": [{"name": "main", "kind": "push", "url": "push:"}],
            }
        ],
    }
    presets = [TruePose(-12, -22, 45), TruePose(4, -18, 40), TruePose(14, -24, 50)]
    with Engine(codec_workers=1) as engine:
        engine.apply(json.dumps(policy))

        def push(report: Report, at_ns: int) -> None:
            engine.push_pose(
                "dome",
                pan=report.pan_deg,
                tilt=report.tilt_deg,
                hfov=report.hfov_deg,
                at=at_ns,
                moving=report.state != "idle",
            )

        dome = Dome(7, [DOME_REGION], trajectory=Presets(presets, seed=7, rest_s=3), width=640, height=360)
        camera = DomeCamera(engine, "dome", dome, on_report=push)
        camera.start()
        print(json.dumps({"event": "ready", "port": listening_port(engine, "demo")}), flush=True)
        sys.stdin.read()
        camera.stop()
    if camera.error is not None:
        print(camera.error, file=sys.stderr)
    return 0 if camera.error is None else 1


if __name__ == "__main__":
    sys.exit(main())
