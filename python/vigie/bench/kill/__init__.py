"""`vigie bench kill`: the processes of a state folder killed again and again, with viewers on and applies going on.

`viewer.py` is a viewer that notes when it received pictures, `service.py` the processes under test, `rounds.py` the run
and its judgement, `cli.py` the command. The judgement is of what happened, never of how fast.
"""
