"""When something is an alarm: functions of what is declared, what is known, and an instant."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from vigie.alarms.book import SECOND, Found
from vigie.alarms.streams import WANTED, Streams
from vigie.policy.mask_objects import MaskSet
from vigie.policy.moments import shown, state
from vigie.policy.objects import AlarmLimits, Camera, Server
from vigie.policy.sharing_objects import Authorisation
from vigie.policy.windows import FOREVER
from vigie.policy.world import Authority, World

DAY = 86_400 * SECOND
CRITICAL_NS = 14 * DAY
MACHINE = "machine"
OF_STREAMS = ("camera_silent", "camera_clock", "scene_moved", "lane_overload")
OF_OBJECTS = ("mask_missing", "authorisation_ending", "break_glass", "share_cut")
OF_MACHINE = ("disk_full", "journal_away", "journal_differs", "outlet_failing")


def limits_of(world: World, server: str | None) -> AlarmLimits:
    """Those of the server by that name, or of the only one; else as they are when nothing is said."""
    chosen = server_of(world, server)
    return AlarmLimits.model_validate({}) if chosen is None else chosen.spec.alarms


def server_of(world: World, name: str | None) -> Server | None:
    """The server by that name, or the only one; None: it cannot be told."""
    servers = world.kinds.get("Server", {})
    chosen = servers.get(name) if name else next(iter(servers.values()), None) if len(servers) == 1 else None
    return chosen if isinstance(chosen, Server) else None


def of_streams(streams: Streams, silent_ns: int, already: frozenset[str], now: int) -> Iterator[Found]:
    """`already`: streams whose silence is an alarm: it stays one until a picture comes, also over a restart."""
    for name, stream in streams:
        if stream.state in WANTED and (name in already or now - stream.since_ns >= silent_ns):
            yield Found("camera_silent", name, f"no picture for {silent_ns / SECOND:g} s")
        if stream.clock:
            yield Found("camera_clock", name, stream.clock)
        if stream.scene == "moved":
            yield Found("scene_moved", name, "the camera has moved: its masks no longer fit, and it is covered")
        elif stream.scene:
            yield Found("scene_moved", name, "too little is seen to tell whether the camera has moved", "warning")
        if stream.overload == "below_floor":
            yield Found("lane_overload", name, "fewer pictures than the law asks for (L-14)", "critical")
        elif stream.overload:
            yield Found("lane_overload", name, "masking takes longer than the pictures last")


def of_objects(world: World, limits: AlarmLimits, now: int) -> Iterator[Found]:
    """What the declared objects themselves say."""
    yield from _masks(world)
    yield from _orders(world, limits, now)
    for name, share in world.shares.items():
        cut = share.convention.spec.cut
        if share.cut_approved and share.cut <= now and cut is not None:
            yield Found("share_cut", name, f"{share.convention.spec.from_} has cut it: {cut.reason}")


def _masks(world: World) -> Iterator[Found]:
    masked = {
        item.spec.camera
        for item in world.kinds.get("MaskSet", {}).values()
        if isinstance(item, MaskSet) and item.spec.version is None
    }
    for name, camera in world.kinds.get("Camera", {}).items():
        if not isinstance(camera, Camera) or (camera.spec.regime or "street") != "street":
            continue
        if camera.spec.privacy.startswith("masked") and name not in masked:
            yield Found("mask_missing", name, f"{camera.spec.privacy}, but no MaskSet names it: it is covered")
        elif "privacy" not in camera.spec.model_fields_set:
            yield Found("mask_missing", name, "nobody has decided about its privacy: it is withheld")


def _orders(world: World, limits: AlarmLimits, now: int) -> Iterator[Found]:
    covered: dict[str, list[tuple[Authority, ...]]] = {}
    for place in world.places.values():
        for authority in place.spot.authorities:
            covered.setdefault(authority.name, []).append(place.spot.authorities)
    for name, item in world.kinds.get("Authorisation", {}).items():
        if not isinstance(item, Authorisation) or name not in covered:
            continue
        own = next(one for one in covered[name][0] if one.name == name)
        glass = item.spec.break_glass
        if glass is not None and state(own.glass, now)[0]:
            yield Found("break_glass", name, f"until {shown(own.glass[-1][1], own.zone)}: {glass.reason}")
        if not own.terms or own.terms[-1][1] == FOREVER:
            continue
        end = own.terms[-1][1]
        days = limits.provisional_days if own.provisional else limits.authorisation_days
        left = end - now
        if left > days * DAY:
            continue
        bare = sum(not _goes_on(others, own, max(end, now)) for others in covered[name])
        if bare:
            many = "1 camera has" if bare == 1 else f"{bare} cameras have"
            what = "ends" if left > 0 else "has ended"
            which = "provisional order" if own.provisional else "order"
            text = f"{which} {own.number} {what} at {shown(end, own.zone)}; {many} no other after it"
            yield Found("authorisation_ending", name, text, "critical" if left <= CRITICAL_NS else None)


def _goes_on(authorities: Sequence[Authority], ending: Authority, at: int) -> bool:
    """Whether another order permits the same purposes at an instant, together with others."""
    left = set(ending.purposes)
    for other in authorities:
        if other.name != ending.name and state(other.terms, at)[0]:
            left -= other.purposes
    return not left


@dataclass(frozen=True, slots=True)
class Machine:
    """What is known of the machine. `journal`: what its second place says, by kind of alarm; `outlets` that fail."""

    disk_free_percent: float = 100.0
    journal: Mapping[str, str] | None = None
    outlets: Mapping[str, str] | None = None


def of_machine(machine: Machine, limits: AlarmLimits) -> Iterator[Found]:
    """The disk, the journal's second place, outlets."""
    if machine.disk_free_percent < limits.disk_free_percent:
        text = f"{machine.disk_free_percent:.0f} % are free where the state is kept"
        grave = machine.disk_free_percent < limits.disk_free_percent / 5
        yield Found("disk_full", MACHINE, text, "critical" if grave else None)
    for kind, text in (machine.journal or {}).items():
        yield Found(kind, MACHINE, text)
    for name, text in (machine.outlets or {}).items():
        yield Found("outlet_failing", name, text)


def clock_stepped(wall_ns: int, steady_ns: int, limits: AlarmLimits) -> Found | None:
    """Whether the clock went on otherwise than time did. Both: since the last look."""
    off = (wall_ns - steady_ns) / SECOND
    if abs(off) < limits.clock_step_s:
        return None
    return Found("clock_stepped", MACHINE, f"the machine's clock has jumped by {off:+.1f} s")
