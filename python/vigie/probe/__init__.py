"""`vigie probe`: takes one camera in for some seconds and says what it does, what it should not, and what to change.

`run` plays it through an engine of its own; `measure` turns access units into figures and `advice` figures into
sentences, both pure; `report` is the result as a value, as text and as JSON; `onvif` asks the device itself.
"""
