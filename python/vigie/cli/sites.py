"""What `vigie serve` knows of its sites: who is asked, which inventories are in force, how old they are."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from vigie.control.in_force import InForce, refusal_lines, taken_of_sites
from vigie.errors import Error
from vigie.policy import Compiled, Inventory, Town
from vigie.site.partner import Ask, Partner, list_cameras, make_partner
from vigie.site.watch import SiteWatch, Wait, wait_before

# Says what happened to a site: the text, and the same as fields.
Tell = Callable[[str, dict[str, Any]], None]


@dataclass(slots=True)
class _Site:
    partner: Partner
    inventory: Inventory | None = None  # the one in force
    listed_at: float = 0.0  # monotonic, when the partner last said so
    error: str = ""  # of the newest question
    taken: int = 0  # cameras it has become


class Sites:
    """Keeps the partners asked and remembers the last good answers. A context manager.

    An inventory counts from when the engine has taken it: the caller applies what `hear` gives and then says `adopt`.
    """

    def __init__(self, tell: Tell, ask: Ask = list_cameras, wait: Wait = wait_before) -> None:
        self._tell = tell
        self._watch = SiteWatch(ask, wait)
        self._sites: dict[str, _Site] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._watch.close()

    def fileno(self) -> int:
        """Polls readable when `hear` should be called."""
        return self._watch.fileno()

    def inventories(self, town: Town) -> dict[str, Inventory]:
        """What is known of a town's sites. One that became another partner, or another account there, has to answer."""
        known: dict[str, Inventory] = {}
        for declared in town.sites:
            site, partner = self._sites.get(declared.object.name), make_partner(declared)
            if site is not None and site.inventory is not None and _same(site.partner, partner):
                known[partner.name] = site.inventory
        return known

    def put_in_force(self, town: Town) -> None:
        """The town is in force, with the inventories that `inventories` gave for it: asks its partners from now on."""
        before, self._sites = self._sites, {}
        for declared in town.sites:
            partner = make_partner(declared)
            site = before.get(partner.name)
            if site is None or not _same(site.partner, partner):
                site = _Site(partner)
            site.partner = partner
            self._sites[partner.name] = site
        self._watch.set_partners([site.partner for site in self._sites.values()])

    def remember(
        self, inventories: Mapping[str, Inventory], taken: Mapping[str, int], ages_s: Mapping[str, float]
    ) -> None:
        """What a process before this one was told, and is in force: it stands until the partners answer anew."""
        for name, inventory in inventories.items():
            site = self._sites[name]
            if site.inventory is None:
                site.inventory, site.taken = inventory, taken.get(name, 0)
                site.listed_at = time.monotonic() - ages_s.get(name, 0.0)

    def hear(self) -> dict[str, Inventory]:
        """Inventories that differ from those in force. Failures are told, each once, and change nothing."""
        changed: dict[str, Inventory] = {}
        for heard in self._watch.take():
            name = heard.partner.name
            site = self._sites[name]
            if heard.inventory is None:
                if heard.error != site.error:
                    site.error = heard.error
                    old = "it has told no cameras yet"
                    if site.inventory is not None:
                        age = time.monotonic() - site.listed_at
                        old = f"its list of {age:.0f} s ago is kept ({site.taken} cameras)"
                    self._say(name, f"{heard.error}; {old}, asked again in {heard.again_s:.0f} s")
                continue
            again, site.error = bool(site.error), ""
            site.listed_at = time.monotonic()
            if heard.inventory != site.inventory:
                changed[name] = heard.inventory
                continue
            changed.pop(name, None)
            if again:
                self._say(name, f"answers again, and offers what it did ({site.taken} cameras)")
        return changed

    def adopt(self, inventories: Mapping[str, Inventory], taken: Mapping[str, int]) -> None:
        """These are in force. `taken`: cameras that each has become."""
        for name, inventory in inventories.items():
            site = self._sites[name]
            site.inventory, site.taken = inventory, taken.get(name, 0)
            what = f"{len(inventory.cameras)} cameras offered by {inventory.partner}, {site.taken} taken"
            self._say(name, what)

    def refuse(self, name: str, why: str) -> None:
        """The engine did not take an inventory."""
        site = self._sites[name]
        if why != site.error:
            site.error = why
            self._say(name, f"its new list is not taken over: {why}")

    def figures(self) -> dict[str, Any]:
        """Each site's state, as figures."""
        now = time.monotonic()
        return {
            name: {
                "state": "failing" if site.error else "asking" if site.inventory is None else "listed",
                "offered": len(site.inventory.cameras) if site.inventory is not None else 0,
                "cameras": site.taken,
                "list_age_s": None if site.inventory is None else round(now - site.listed_at, 1),
                "error": site.error,
            }
            for name, site in self._sites.items()
        }

    def _say(self, name: str, text: str) -> None:
        self._tell(f"site {name}: {text}", {"site": name, **self.figures()[name]})


def _same(one: Partner, other: Partner) -> bool:
    """Whether what one has told holds for the other: the same account at the same place."""
    return (one.url, one.username) == (other.url, other.username)


def take_over_sites(policy: InForce, sites: Sites, say: Callable[[str], None]) -> Compiled | None:
    """Puts what partners have told in force, with the town as it is; what came of it, or None where nothing did."""
    changed = sites.hear()
    # Together; one at a time only if they are refused, so that one site's list costs no other's.
    if len(changed) > 1 and _take_over(policy, sites, changed, say) is None:
        return policy.compiled
    taken = None
    for name, inventory in changed.items():
        why = _take_over(policy, sites, {name: inventory}, say)
        if why is None:
            taken = policy.compiled
        else:
            sites.refuse(name, why)
    return taken


def _take_over(
    policy: InForce, sites: Sites, changed: Mapping[str, Inventory], say: Callable[[str], None]
) -> str | None:
    """Why not, or None: taken."""
    assert policy.town is not None  # no partner is asked before
    try:
        compiled = policy.put(policy.town, {**sites.inventories(policy.town), **changed})
    except Error as error:
        return "; ".join(refusal_lines(error))
    sites.adopt(changed, taken_of_sites(compiled))
    say(f"revision {policy.revision}: {len(compiled.snapshot['cameras'])} cameras, those of sites included")
    return None
