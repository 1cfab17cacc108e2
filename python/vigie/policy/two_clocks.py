"""Rights while it is not known which of two instants is now: only what holds at both. Pure."""

from dataclasses import replace

from vigie.policy.live_rights import Held, LiveRights, Right, shared_of
from vigie.policy.windows import FOREVER


def both(shown: LiveRights, other: LiveRights) -> LiveRights:
    """The rights at the instant that the clock shows, as far as they hold at the other instant too.

    Ends are instants of the clock that shows `shown`, and so are enforced by it: each is the one that comes first.
    """
    ahead = other.at - shown.at
    by_agent = {
        name: _both(held, theirs, ahead)
        for name, held in shown.by_agent.items()
        if (theirs := other.by_agent.get(name)) is not None
    }
    changes = [shown.next_change, None if other.next_change is None else other.next_change - ahead]
    return replace(
        shown, by_agent=by_agent, next_change=min((change for change in changes if change is not None), default=None)
    )


def _both(held: Held, theirs: Held, ahead: int) -> Held:
    ends = {right.published: right.until for right in theirs.each()}
    rights: list[Right] = []
    for right in held.each():
        end = ends.get(right.published)
        if end is not None:
            rights.append(right._replace(until=min(right.until, _shown(end, ahead))))
    return Held(shared_of(rights), min(held.until, _shown(theirs.until, ahead)))


def _shown(end: int, ahead: int) -> int:
    """An end by the other instant, as the clock shows it."""
    return FOREVER if end == FOREVER else end - ahead
