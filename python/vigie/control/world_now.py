"""The objects in force as a world that rules are asked of; made anew where they have changed, as far as they have."""

import threading

from vigie.control.store import State, Store
from vigie.policy.declared import Town, town_of
from vigie.policy.world import World


class WorldNow:
    """Called, it is the world of now. Thread: any; the first call after an apply takes a while."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._state: State | None = None
        self._town: Town | None = None
        self._world = World.of(())

    def __call__(self) -> World:
        state = self._store.state
        with self._lock:
            if state is not self._state:
                self._town = town_of(state.usable(), before=self._town)
                self._world = self._world.following(self._town.kinds)
                self._state = state
            return self._world
