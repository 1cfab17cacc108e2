"""`vigie demo`: a small town of simulated cameras, `vigie serve`, viewers of two houses, and the proof as a picture;
then a city whose police lose a picture with their right, under `vigie serve --state`.

`scenes.py` makes the clips, `cameras.py` plays them, `children.py` runs and ends the child processes, `town.py` is the
demo from top to bottom, `city.py` its second part, `told.py` tells and judges the city's journal, `result.py` judges
what was measured. Needs ffmpeg and the native `vigie-sim` and `vigie-load`; no engine runs in this
process.
"""
