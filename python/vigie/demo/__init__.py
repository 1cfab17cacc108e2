"""`vigie demo`: a small town of simulated cameras, `vigie serve`, viewers of two houses, and the proof as a picture.

`scenes.py` makes the clips, `children.py` runs and ends the child processes, `town.py` is the demo from top to bottom,
`result.py` judges what was measured. Needs ffmpeg and the native `vigie-sim` and `vigie-load`; no engine runs in this
process.
"""
