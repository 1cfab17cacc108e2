"""The rules a second time, slowly: every rule is a question about one way and one instant, and ends are found by asking
again at every instant at which anything could change. Shares nothing with the rules but the classes of the objects."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
EIGHT_DAYS = 8 * 86400 * 10**9
DAYS = ["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"]


def to_ns(when: datetime) -> int:
    return round((when - EPOCH) / timedelta(microseconds=1)) * 1000


def to_wall(ns: int, zone: str) -> datetime:
    return (EPOCH + timedelta(microseconds=ns // 1000)).astimezone(ZoneInfo(zone))


@cache
def showings(wall: datetime, zone: str) -> set[int]:
    """The instants at which a clock shows a time: one, two, or that at which it jumps over it."""
    first = wall.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) - 3 * timedelta(hours=1)
    walls = [(first + k * MINUTE, (first + k * MINUTE).astimezone(ZoneInfo(zone))) for k in range(6 * 60 + 1)]
    found = {to_ns(real) for real, shown in walls if shown.replace(tzinfo=None) == wall}
    if not found:
        found = {to_ns(real) for real, shown in walls if shown.replace(tzinfo=None) > wall and real > first}
        found = {min(found)}
    return found


def shown_again(ns: int, zone: str, fits: Callable[[datetime], bool]) -> bool:
    """Whether, within three hours and after the clock was set back, it shows a time that fits."""
    here = to_wall(ns, zone)
    if to_wall(ns + 3 * 3600 * 10**9, zone).utcoffset() == here.utcoffset():
        return False
    start = here.astimezone(UTC).replace(second=0, microsecond=0)
    later = [(start + k * MINUTE).astimezone(ZoneInfo(zone)) for k in range(1, 181)]
    return any(fits(clock) for clock in later if clock.utcoffset() != here.utcoffset())


def shown_before(ns: int, zone: str, fits: Callable[[datetime], bool]) -> bool:
    """The same of the three hours before."""
    here = to_wall(ns, zone)
    if to_wall(ns - 3 * 3600 * 10**9, zone).utcoffset() == here.utcoffset():
        return False
    start = here.astimezone(UTC).replace(second=0, microsecond=0)
    earlier = [(start - k * MINUTE).astimezone(ZoneInfo(zone)) for k in range(181)]
    return any(fits(clock) for clock in earlier if clock.utcoffset() != here.utcoffset())


def minute_of_week(clock: datetime) -> int:
    return clock.weekday() * 1440 + clock.hour * 60 + clock.minute


@cache
def minutes_of(windows: tuple[str, ...]) -> tuple[bool, ...]:
    """The minutes of a week that any of the windows holds."""
    week = [False] * 10080
    for text in windows:
        if text == "24/7":
            return (True,) * 10080
        days, _, hours = text.rpartition(" ")
        chosen: list[int] = []
        for part in (days or "Mo-Su").split(","):
            first, last = DAYS.index(part[:2]), DAYS.index(part[-2:])
            day = first
            chosen.append(day)
            while day != last:
                day = (day + 1) % 7
                chosen.append(day)
        for span in hours.split(","):
            start, end = (int(text[:2]) * 60 + int(text[3:]) for text in span.split("-"))
            length = (end - start - 1) % 1440 + 1
            for day in chosen:
                for minute in range(length):
                    week[(day * 1440 + start + minute) % 10080] = True
    return tuple(week)


@cache
def run_around(week: tuple[bool, ...], minute: int) -> tuple[int, int]:
    start = end = minute
    while week[(start - 1) % 10080]:
        start -= 1
    while week[end % 10080]:
        end += 1
    return start, end


def window_open(week: tuple[bool, ...], zone: str, ns: int) -> bool:
    if all(week):
        return True
    now = minute_of_week(to_wall(ns, zone))
    if not week[now]:
        return False
    start, end = run_around(week, now)
    # The hour that comes twice: a window begins at the second showing of its start, and ends at the first of its end.
    if shown_again(ns, zone, lambda clock: minute_of_week(clock) == start % 10080):
        return False
    return not shown_before(ns, zone, lambda clock: minute_of_week(clock) == end % 10080)


def is_day(moment: str) -> bool:
    return len(moment) == 10


def begun(moment: str | None, zone: str, ns: int) -> bool:
    if moment is None:
        return True
    if not is_day(moment):
        return ns >= to_ns(datetime.fromisoformat(moment))
    day = date.fromisoformat(moment)
    if to_wall(ns, zone).date() < day:
        return False
    return not shown_again(ns, zone, lambda clock: (clock.date(), clock.hour, clock.minute) == (day, 0, 0))


def over(moment: str | None, zone: str, ns: int) -> bool:
    if moment is None:
        return False
    if not is_day(moment):
        return ns >= to_ns(datetime.fromisoformat(moment))
    day = date.fromisoformat(moment)
    next_day = day + timedelta(days=1)
    if to_wall(ns, zone).date() > day:
        return True
    return shown_before(ns, zone, lambda clock: clock.date() == next_day)


@dataclass
class Way:
    by: str
    convention: Any
    purpose: str | None
    version: str | None
    ranks: Any


@dataclass
class Answer:
    allowed: bool
    version: str | None = None
    rank: int | None = None
    by: frozenset[str] = frozenset()
    until: int | None = None
    shown_until: int | None = None
    glass: bool = False
    reserved: bool = False


class Model:
    """A city and one question at a time."""

    def __init__(self, objects: Iterable[Any], cut_approved: frozenset[str] = frozenset()) -> None:
        self.all: dict[str, dict[str, Any]] = {}
        for item in objects:
            self.all.setdefault(item.kind, {})[item.name] = item.spec
        self.cut_approved = cut_approved
        self.known_instants: dict[int, list[int]] = {}

    def of(self, kind: str) -> dict[str, Any]:
        return self.all.get(kind, {})

    def type_of(self, organisation: str | None) -> str | None:
        found = self.of("Organisation").get(organisation)
        return None if found is None else found.type

    def services(self, organisation: str) -> set[str]:
        """Those whose people act for an organisation: itself, and its services of the same type, theirs too."""
        found = {organisation}
        while True:
            more = {
                name
                for name, spec in self.of("Organisation").items()
                if spec.parent in found and spec.type == self.type_of(spec.parent)
            }
            if more <= found:
                return found
            found |= more

    def acts_for(self, organisation: str | None, only_own: bool = False) -> bool:
        if organisation is None or self.agent.organisation is None:
            return False
        lent = [] if only_own else self.agent.made_available_to
        return bool(self.services(organisation) & {self.agent.organisation, *lent})

    # One question

    def ask(self, agent: str, camera: str, action: str, purpose: str | None, at: int, post: str | None) -> Answer:
        self.agent_name, self.agent = agent, self.of("Agent")[agent]
        self.camera_name, self.camera = camera, self.of("Camera")[camera]
        self.action, self.purpose, self.post = action, purpose, post
        self.authorisations = {
            name: spec for name, spec in self.of("Authorisation").items() if self.covers_camera(spec, spec.holder)
        }
        instants = self.known_instants.setdefault(at, []) or self.instants(at)
        self.known_instants[at] = instants
        if not self.person_may(at):
            return Answer(False)
        ways = list(self.ways())
        now = [way for way in ways if self.holds(way, at)]
        if not now:
            return Answer(False)
        smallest = min(self.size(way) for way in now)
        if not self.listed(smallest[1] or None if not smallest[0] else None):
            return Answer(False)
        if self.watched(at):
            return Answer(False, reserved=True)
        alike = [way for way in ways if self.size(way) == smallest]
        end = self.joined_end(alike, at, instants)
        for instant in instants:
            if (end is None or instant < end) and any(
                self.size(way) < smallest and self.holds(way, instant) for way in ways
            ):
                end = instant
        for instant in instants:
            if (end is None or instant < end) and not self.person_may(instant):
                end = instant
        shown = end
        for instant in instants:
            if (end is None or instant < end) and self.watched(instant):
                end = instant
        best = [way for way in alike if self.holds(way, at)]
        return Answer(
            True,
            best[0].version,
            self.rank(best[0]) if action == "ptz" else None,
            frozenset(way.by for way in best),
            end,
            shown,
            all(self.only_by_glass(way, at) for way in best),
        )

    def joined_end(self, alike: list[Way], at: int, instants: list[int]) -> int | None:
        alone: list[int | None] = []
        for way in alike:
            if self.holds(way, at):
                alone.append(next((instant for instant in instants if not self.holds(way, instant)), None))
        if None in alone:
            return None
        longest = max(end for end in alone if end is not None)
        horizon = at + EIGHT_DAYS
        for instant in instants:
            if instant >= horizon:
                break
            if not any(self.holds(way, instant) for way in alike):
                return max(instant, longest)
        return max(horizon, longest)

    # Everything that could change the answer

    def instants(self, at: int) -> list[int]:
        found: set[int] = set()
        for kind, specs in self.all.items():
            for spec in specs.values():
                zone = getattr(spec, "zone", "Europe/Paris")
                for field in ("from_" if kind != "Convention" else "from_date", "until", "until_date"):
                    found |= self.instants_of(getattr(spec, field, None), zone)
                for part in ("habilitation", "break_glass", "cut"):
                    inner = getattr(spec, part, None)
                    for field in ("from_", "until", "since"):
                        found |= self.instants_of(getattr(inner, field, None), getattr(inner, "zone", zone))
        for spec in self.of("Opening").values():
            for convention in self.of("Convention").values():
                found.add(to_ns(datetime.fromisoformat(spec.from_)) + int(convention.max_opening_h * 3600 * 10**9))
        anchors = sorted(found | {at})
        for spec in self.of("Convention").values():
            week = minutes_of(tuple(spec.windows))
            edges = [minute for minute in range(10080) if week[minute] != week[minute - 1]]
            for anchor in anchors if edges else []:
                if anchor >= at - 86400 * 10**9:
                    found |= self.edges_near(edges, spec.zone, anchor)
        return sorted(instant for instant in found if instant > at)

    def edges_near(self, edges: list[int], zone: str, anchor: int) -> set[int]:
        found: set[int] = set()
        today = to_wall(anchor, zone).date()
        for step in range(-1, 10):
            day = today + timedelta(days=step)
            for edge in edges:
                if edge // 1440 == day.weekday():
                    wall = datetime(day.year, day.month, day.day) + timedelta(minutes=edge % 1440)
                    found |= showings(wall, zone)
        return found

    def instants_of(self, moment: str | None, zone: str) -> set[int]:
        if moment is None:
            return set()
        if not is_day(moment):
            return {to_ns(datetime.fromisoformat(moment))}
        midnight = datetime.fromisoformat(moment)
        return showings(midnight, zone) | showings(midnight + timedelta(days=1), zone)

    # The person

    def person_may(self, ns: int) -> bool:
        spec = self.agent
        if over(spec.until, "UTC", ns):
            return False
        if self.action == "ptz" and self.camera.ptz is None and self.camera.dome is None:
            return False
        if self.post is not None:
            post = self.of("Post").get(self.post)
            if post is None or not self.acts_for(post.organisation):
                return False
        if spec.organisation is None or spec.machine:
            return True
        held = spec.habilitation
        if held is None or held.suspended or not begun(held.from_, held.zone, ns) or over(held.until, held.zone, ns):
            return False
        if held.departments == "*":
            return True
        commune = self.camera.commune
        return commune is not None and any(commune.startswith(department) for department in held.departments)

    def listed(self, version: str | None) -> bool:
        names = self.agent.cameras
        if names is None or self.agent.organisation is None:
            return True
        return bool({"*", self.camera_name, f"{self.camera_name}@{version}"} & set(names))

    def watched(self, ns: int) -> bool:
        return any(
            self.camera_name in spec.cameras
            and self.agent_name not in spec.persons
            and begun(spec.from_, "UTC", ns)
            and not over(spec.until, "UTC", ns)
            for spec in self.of("WatchOrder").values()
        )

    # Ways and their rules

    def ways(self) -> Iterable[Way]:
        owner, default = self.of("Organisation").get(self.camera.owner), self.agent.default_purpose
        own = self.purpose or default
        if self.agent.organisation is None:
            names = self.agent.cameras or []
            ranks = {"operator": 40, "supervisor": 60}
            for version in [None, *self.versions()]:
                name = self.camera_name if version is None else f"{self.camera_name}@{version}"
                if name in names or (version is None and "*" in names):
                    yield Way("standing", None, own, version, ranks)
            return
        if owner is not None:
            yield Way("owner", None, own, None, owner.ptz_rank)
            yield Way("operator", None, own, None, owner.ptz_rank)
        for name, spec in self.of("Convention").items():
            yield Way(f"Convention {name}", spec, self.purpose or spec.default_purpose, spec.extra_masks, spec.ptz_rank)

    def holds(self, way: Way, ns: int) -> bool:
        return all(rule(self, way, ns) for rule in RULES)

    def size(self, way: Way) -> tuple[bool, str, int]:
        rank = (self.rank(way) or 0) if self.action == "ptz" else 0
        return way.version is None, way.version or "", rank

    def rank(self, way: Way) -> int | None:
        if not isinstance(way.ranks, dict):
            return way.ranks  # type: ignore[no-any-return]
        ranks = [way.ranks[role] for role in self.agent.roles if role in way.ranks]
        return max(ranks) if ranks else None

    def versions(self) -> list[str]:
        sets = self.of("MaskSet").values()
        return sorted({spec.version for spec in sets if spec.camera == self.camera_name and spec.version})

    def covers_camera(self, spec: Any, owner: str | None) -> bool:
        """Whether the selector or perimeter of an object holds the camera."""
        camera, selector = self.camera, spec.cameras
        if owner is not None and camera.owner != owner:
            return False
        if selector is None:
            return inside(spec.perimeter, camera.position)
        for field in ("commune", "regime", "owner", "site"):
            wanted = getattr(selector, field)
            if wanted is not None and getattr(camera, field) not in (wanted if isinstance(wanted, list) else [wanted]):
                return False
        return selector.names is None or self.camera_name in selector.names

    def rule_parties(self, way: Way, ns: int) -> bool:
        owner = self.camera.owner
        if way.by == "standing":
            return owner is None
        if way.by == "owner":
            return self.acts_for(owner)
        if way.by == "operator":
            return self.acts_for(self.camera.operated_by, only_own=True)
        return way.convention.from_ == owner and owner is not None and self.acts_for(way.convention.to)

    def rule_territory(self, way: Way, ns: int) -> bool:
        if way.by not in ("owner", "operator") or self.camera.regime in ("building", "partner"):
            return True
        if way.by == "owner" and self.type_of(self.camera.owner) not in ("municipality", "shared-centre"):
            return True
        return any(
            self.camera.commune in spec.communes and spec.type == "municipality" and self.acts_for(name)
            for name, spec in self.of("Organisation").items()
        )

    def rule_convention(self, way: Way, ns: int) -> bool:
        spec = way.convention
        if spec is None:
            return True
        return (
            self.covers_camera(spec, spec.from_)
            and self.action in spec.rights
            and (way.purpose is None or way.purpose in spec.purposes)
            and (not spec.posts or self.post in spec.posts)
            and (spec.extra_masks is None or spec.extra_masks in self.versions())
        )

    def rule_dates(self, way: Way, ns: int) -> bool:
        spec = way.convention
        return spec is None or (begun(spec.from_date, spec.zone, ns) and not over(spec.until_date, spec.zone, ns))

    def rule_window(self, way: Way, ns: int) -> bool:
        spec = way.convention
        return spec is None or window_open(minutes_of(tuple(spec.windows)), spec.zone, ns)

    def rule_opening(self, way: Way, ns: int) -> bool:
        spec = way.convention
        if spec is None or spec.trigger == "standing":
            return True
        name = way.by.removeprefix("Convention ")
        openings = [item for item in self.of("Opening").values() if name in item.conventions]
        for item in openings:
            event = " ".join(item.event.split()).casefold()
            first = min(o.from_ for o in openings if " ".join(o.event.split()).casefold() == event)
            last = to_ns(datetime.fromisoformat(first)) + int(spec.max_opening_h * 3600 * 10**9)
            if begun(item.from_, "UTC", ns) and not over(item.until, "UTC", ns) and ns < last:
                return True
        return False

    def rule_cut(self, way: Way, ns: int) -> bool:
        spec = way.convention
        if spec is None or spec.cut is None or not begun(spec.cut.since, "UTC", ns):
            return True
        if way.by.removeprefix("Convention ") in self.cut_approved:
            return False
        police = {"police", "gendarmerie"}
        return self.type_of(spec.to) in police and any(
            any(spec.to in self.services(recipient) for recipient in order.recipients) and self.in_force(order, ns)
            for order in self.authorisations.values()
        )

    def rule_purpose(self, way: Way, ns: int) -> bool:
        return way.purpose is not None or (self.camera.owner is None and not self.authorisations)

    def rule_role(self, way: Way, ns: int) -> bool:
        roles = set(self.agent.roles)
        if way.purpose == "ticketing":
            return "ticket" in roles and self.camera.ticketing and self.action == "live"
        if self.action == "live" and (self.agent.machine or self.agent.organisation is None):
            return True
        who = {
            "live": {"operator", "supervisor"},
            "ptz": {"operator", "supervisor"},
            "playback": {"operator", "supervisor", "requisition"},
            "export": {"supervisor", "requisition"},
        }
        return bool(roles & who[self.action])

    def rule_rank(self, way: Way, ns: int) -> bool:
        return self.action != "ptz" or self.rank(way) is not None

    def in_force(self, order: Any, ns: int) -> bool:
        return begun(order.from_, order.zone, ns) and not over(order.until, order.zone, ns)

    def glass(self, order: Any, ns: int) -> bool:
        glass = order.break_glass
        return glass is not None and begun(glass.from_, "UTC", ns) and not over(glass.until, "UTC", ns)

    def rule_authorisation(self, way: Way, ns: int) -> bool:
        if not self.authorisations:
            return self.camera.owner is None or self.camera.regime == "partner"
        return any(
            way.purpose in order.purposes
            and (self.in_force(order, ns) or (self.action == "live" and self.glass(order, ns)))
            for order in self.authorisations.values()
        )

    def only_by_glass(self, way: Way, ns: int) -> bool:
        orders = [order for order in self.authorisations.values() if way.purpose in order.purposes]
        return bool(self.authorisations) and not any(self.in_force(order, ns) for order in orders)


RULES = [rule for name, rule in vars(Model).items() if name.startswith("rule_")]


def inside(perimeter: Any, position: Any) -> bool:
    """Whether a position lies in a polygon, by the sum of the angles under which it sees the edges."""
    if position is None:
        return False
    import cmath
    import math

    here = complex(position.lon, position.lat)
    corners = [complex(x, y) - here for x, y in perimeter]
    turned = sum(cmath.phase(b / a) for a, b in zip(corners, corners[1:] + corners[:1], strict=True))
    return abs(turned) > math.pi
