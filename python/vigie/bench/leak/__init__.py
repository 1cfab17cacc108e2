"""`vigie bench leak`: cameras whose private places have a colour found nowhere else, and an eye at every exit.

Needs numpy and PyAV, which the package itself does not: nothing here is imported before the command runs.
"""
