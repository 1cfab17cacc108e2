"""Simulated cameras.

`process.py` runs the native program `vigie-sim` and speaks its control channel, `clips.py` makes what the cameras play
(clips of any format and generated scenes become elementary streams, by ffmpeg), `cli.py` is `vigie sim`. The cameras
themselves are native: src/engine/loadgen. A new fault goes there and needs nothing here. `dome.py`
is apart from these: a dome's optics, scene and telemetry as numpy arrays, for masks that follow it (not imported here,
since it alone needs numpy). `dome_camera.py` puts such a dome on air through an engine: `vigie sim --dome`.
"""

from vigie.sim.clips import SCENES, Clip, Picture, convert_clip, make_scene
from vigie.sim.process import SimProcess

__all__ = ["SCENES", "Clip", "Picture", "SimProcess", "convert_clip", "make_scene"]
