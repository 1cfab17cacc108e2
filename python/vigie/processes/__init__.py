"""The processes of `vigie serve --state`: who starts whom, how they find one another, what each says.

| file | |
|---|---|
| `run_folder.py` | what lies in `DIR/run` while they run: locks, who they are, sockets |
| `supervisor.py` | starts, adopts, watches and restarts the others, prints what they say; owns nothing |
| `child.py` | one process that is watched: its start, its death, its last lines |
| `feed.py` | from control to the supervisor: lines, and answers to questions |
| `engine.py`, `control.py` | what runs in the other two (`python -m vigie.processes engine \\| control …`) |
| `web.py`, `metrics.py` | `/health` and `/metrics` |
| `notify.py` | what systemd is told |

The supervisor imports neither `zmq` nor the core: it must go on whatever becomes of them.
"""
