"""Measures what one machine carries.

`live.py` runs the cases, `odd.py` cameras with known deviations beside plain ones, `servers.py` holds the servers under
test (our engine as a child; others that already run), `process_figures.py` reads CPU and memory from /proc, `table.py`
prints, `cli.py` is `vigie bench`. The cameras and viewers are native (src/engine/loadgen). How and what is measured:
benchmarks/README.md.
"""
