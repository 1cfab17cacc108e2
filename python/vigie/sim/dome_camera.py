"""A simulated dome on air: its true pictures go into an engine in real time, its reports to whoever asks.

Needs numpy and av, as `vigie.sim.dome`.
"""

import json
import threading
import time
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import av
import numpy as np

from vigie.engine import Engine
from vigie.errors import ClosedError, Error
from vigie.sim.dome import Dome, Report

GOP_S = 2


class DomeCamera:
    """Renders, encodes and pushes a dome's pictures from a thread of its own, each with its capture time.

    `on_report` is called in that thread for each report, with the Unix time in ns that it speaks of.
    """

    def __init__(
        self,
        engine: Engine,
        camera: str,
        dome: Dome,
        *,
        fps: float = 12.5,
        on_report: Callable[[Report, int], None] | None = None,
    ) -> None:
        self._engine, self._camera, self._dome, self._fps = engine, camera, dome, fps
        self._on_report = on_report
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"dome {camera}", daemon=True)
        self.error: Error | None = None

    def start(self) -> None:
        """Begins; once."""
        self._thread.start()

    def stop(self) -> None:
        """Ends; the camera is silent afterwards."""
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._push_pictures()
        except ClosedError:
            pass  # the engine was closed first
        except Error as error:
            self.error = error

    def _push_pictures(self) -> None:
        codec = av.CodecContext.create("libx264", "w")
        codec.width, codec.height, codec.pix_fmt = self._dome.width, self._dome.height, "yuv420p"
        codec.framerate = Fraction(self._fps).limit_denominator(1000)
        codec.gop_size = round(self._fps * GOP_S)
        codec.options = {"preset": "ultrafast", "tune": "zerolatency", "crf": "20", "x264-params": "repeat-headers=1"}
        began, began_ns = time.monotonic(), time.time_ns()
        number = 0
        while not self._ending.wait(max(0.0, began + number / self._fps - time.monotonic())):
            t = number / self._fps
            if self._on_report is not None:
                for report in self._dome.reports_until(t):
                    self._on_report(report, began_ns + int(report.time_s * 1e9))
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(self._dome.render(t)), format="rgb24")
            frame.pts = number
            for packet in codec.encode(frame.reformat(format="yuv420p")):
                self._engine.push_access_unit(
                    self._camera,
                    bytes(packet),
                    codec="H264",
                    pts_90k=round(t * 90000),
                    capture_time_ns=began_ns + int(t * 1e9),
                )
            number += 1


def report_line(report: Report, at_ns: int) -> str:
    """A report as a line of JSON, for other programs."""
    return json.dumps(
        {
            "event": "pose",
            "pan_deg": report.pan_deg,
            "tilt_deg": report.tilt_deg,
            "hfov_deg": report.hfov_deg,
            "state": report.state,
            "time_ns": at_ns,
        }
    )


def listening_port(engine: Engine, listener: str) -> int:
    """The port that a listener really has."""
    address: Any = engine.stats()["listeners"][listener]
    return int(str(address).rpartition(":")[2])
