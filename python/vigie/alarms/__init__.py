"""What an alarm is, when it is over, and whom it concerns. Pure: no socket, no clock, no file.

| a change of | goes to |
|---|---|
| the kinds, how grave they are | `vigie.policy.alarm_kinds` |
| one alarm a thing, counted, acknowledged, over | `book.py` |
| what is known of streams, from events and figures of the engine | `streams.py` |
| when something is an alarm | `conditions.py` |
| who may know of one | `audience.py` |

`control/alarm_desk.py` keeps the book, feeds it and tells of it; `vigie.outlets` brings it elsewhere.
"""

from vigie.alarms.book import Alarm, Book, Found, Step

__all__ = ["Alarm", "Book", "Found", "Step"]
