"""Measures what one machine carries.

`live.py` runs the cases, `odd.py` cameras with known deviations beside plain ones, `servers.py` holds the servers under
test (our engine as a child; others that already run), `process_figures.py` reads CPU and memory from /proc, `table.py`
prints, `cli.py` is `vigie bench`. Masked streams: `masks.py` measures their cost, `masks_among.py` what they do to
others, `masked_engine.py` is the engine under test, `masked_ffmpeg.py` the yardstick, `masked_quality.py` compares bits
and pictures, `masks_table.py` and `masks_cli.py` print and are the command. `leak/` counts private pixels, `kill/` ends
the processes of a state folder again and again. Cameras and viewers are native (src/engine/loadgen). How and what is
measured: benchmarks/README.md.
"""
