"""Who watches from where: one identity in two places at once is an alarm (L-3). No clock, no sockets."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class TwoPlaces:
    """An agent that watches here while it watches there."""

    agent: str
    here: str
    there: str


class Presence:
    """Of the viewers of one engine. `place`: names the place of an address: a Post with its workstations and wall
    decoders is one, any other address is one by itself. `is_person`: machines may be in many places.
    """

    def __init__(self, place: Callable[[str], str], is_person: Callable[[str], bool]) -> None:
        self._place = place
        self._is_person = is_person
        self._viewers: dict[int, tuple[str, str]] = {}
        self._at: dict[str, dict[int, str]] = {}

    def began(self, facts: Mapping[str, Any]) -> TwoPlaces | None:
        """A viewer has pictures."""
        agent, viewer = facts["agent"], facts["viewer"]
        if not agent or not self._is_person(agent):
            return None
        here = self._place(host_of(facts["peer"]))
        others = self._at.setdefault(agent, {})
        there = next((place for place in others.values() if place != here), None)
        others[viewer] = here
        self._viewers[viewer] = agent, here
        return None if there is None else TwoPlaces(agent, here, there)

    def ended(self, facts: Mapping[str, Any]) -> None:
        """It has none any more."""
        agent, _ = self._viewers.pop(facts["viewer"], ("", ""))
        if agent:
            places = self._at[agent]
            places.pop(facts["viewer"], None)
            if not places:
                del self._at[agent]

    def clear(self) -> None:
        """Another engine is there, with none of them."""
        self._viewers.clear()
        self._at.clear()


def host_of(peer: str) -> str:
    """The address in "192.0.2.7:51234" or "[2001:db8::7]:51234"."""
    return peer.rpartition(":")[0].strip("[]")
