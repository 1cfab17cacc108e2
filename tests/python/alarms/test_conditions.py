"""When something is an alarm: streams, orders, masks, the machine; and whom it concerns."""

from dataclasses import replace
from typing import Any

import pytest

from python.policy.small_city import NOON, ORGANISATIONS, agent, authorisation, camera, convention, made, ns
from vigie.alarms import Found
from vigie.alarms.audience import Subject, may_know_as_member, organisation_may_know, subject_of
from vigie.alarms.book import SECOND
from vigie.alarms.conditions import (
    OF_MACHINE,
    OF_OBJECTS,
    OF_STREAMS,
    Machine,
    clock_stepped,
    limits_of,
    of_machine,
    of_objects,
    of_streams,
)
from vigie.alarms.streams import Streams
from vigie.policy.alarm_kinds import ALARM_KINDS
from vigie.policy.declared import kinds_of
from vigie.policy.objects import AlarmLimits
from vigie.policy.world import World

LIMITS = AlarmLimits.model_validate({})
DAY = 86_400 * SECOND


def kinds(streams: Streams, now: int, already: frozenset[str] = frozenset()) -> set[tuple[str, str]]:
    return {one.key for one in of_streams(streams, 30 * SECOND, already, now)}


@pytest.mark.parametrize("state", ["connecting", "waiting", "silent", "backing_off"])
def test_a_stream_that_wants_pictures_and_has_none_is_an_alarm_after_its_time(state: str) -> None:
    streams = Streams()
    streams.on_event("stream_state", "a/main", {"state": state}, 10 * SECOND)
    assert kinds(streams, 39 * SECOND) == set()
    streams.on_event("stream_state", "a/main", {"state": "connecting"}, 38 * SECOND)
    assert kinds(streams, 40 * SECOND) == {("camera_silent", "a/main")}, "an attempt more is no picture"
    streams.on_event("stream_state", "a/main", {"state": "playing"}, 41 * SECOND)
    assert kinds(streams, 10**15) == set()


@pytest.mark.parametrize("state", ["idle", "stopped", "playing"])
def test_a_stream_that_nobody_wants_is_none(state: str) -> None:
    streams = Streams()
    streams.on_event("stream_state", "a/main", {"state": state}, 0)
    assert kinds(streams, 10**15) == set()


def test_over_a_restart_a_silent_camera_stays_an_alarm_until_a_picture_comes() -> None:
    streams = Streams()
    streams.on_figures({"a": {"streams": {"main": {"state": "backing_off"}}}}, 5)
    assert kinds(streams, 6, frozenset({"a/main"})) == {("camera_silent", "a/main")}
    streams.on_figures({"a": {"streams": {"main": {"state": "playing"}}}}, 7)
    assert kinds(streams, 8, frozenset({"a/main"})) == set()


def test_an_event_is_newer_than_figures_that_were_asked_for_before() -> None:
    streams = Streams()
    figures = {"a": {"streams": {"main": {"state": "backing_off"}}}}
    streams.asking()
    streams.on_figures(figures, 1)
    streams.asking()
    streams.on_event("stream_state", "a/main", {"state": "playing"}, 2)
    streams.on_figures(figures, 3)
    assert kinds(streams, 10**15) == set(), "the figures were made before"
    streams.asking()
    streams.on_figures(figures, 4)
    assert kinds(streams, 10**15) == {("camera_silent", "a/main")}


EVENTS = [
    ("scene_alarm", {"state": "moved"}, {"state": "in_place"}, "scene_moved", None),
    ("scene_alarm", {"state": "cannot_tell"}, {"state": "in_place"}, "scene_moved", "warning"),
    ("lane_overload", {"state": "late"}, {"state": "in_time"}, "lane_overload", None),
    ("lane_overload", {"state": "below_floor"}, {"state": "in_time"}, "lane_overload", "critical"),
]


@pytest.mark.parametrize(("event", "begins", "ends", "kind", "severity"), EVENTS)
def test_events_of_the_engine(
    event: str, begins: dict[str, Any], ends: dict[str, Any], kind: str, severity: str | None
) -> None:
    streams = Streams()
    assert streams.on_event(event, "a/main", begins, 1)
    assert not streams.on_event(event, "a/main", begins, 2), "nothing new"
    (found,) = of_streams(streams, SECOND, frozenset(), 3)
    assert (found.key, found.severity) == ((kind, "a/main"), severity)
    assert streams.on_event(event, "a/main", ends, 4)
    assert kinds(streams, 5) == set()


def test_a_cameras_clock_is_an_alarm_until_the_figures_trust_it() -> None:
    streams = Streams()
    assert not streams.on_event("stream_fault", "a/main", {"code": 301, "text": "no such host"}, 1)
    streams.on_event("stream_fault", "a/main", {"code": 605, "text": "it differs by +3600.0 s"}, 1)
    streams.asking()
    figures = {"state": "playing", "clock_quality": "suspect", "camera_clock_error_ms": 3_600_000}
    streams.on_figures({"a": {"streams": {"main": figures}}}, 2)
    assert [one.text for one in of_streams(streams, 1, frozenset(), 3)] == ["it differs by +3600.0 s"]
    streams.on_figures({"a": {"streams": {"main": figures | {"clock_quality": "reported"}}}}, 4)
    assert kinds(streams, 5) == set()
    streams.on_figures({"a": {"streams": {"main": figures}}}, 6)
    assert [one.text for one in of_streams(streams, 1, frozenset(), 7)] == ["it differs by +3600.0 s from ours"]


def test_figures_say_the_same_as_events_and_forget_what_is_gone() -> None:
    streams = Streams()
    figures = {
        "state": "playing",
        "scene": {"covers": True, "alarm": True},
        "lane": {"overload": "late"},
    }
    streams.on_figures({"a": {"streams": {"main": figures, "sub": {"state": "playing", "scene": None}}}}, 1)
    assert kinds(streams, 2) == {("scene_moved", "a/main"), ("lane_overload", "a/main")}
    streams.on_figures({}, 3)
    assert kinds(streams, 4) == set()


# Objects.

CITY = [*ORGANISATIONS, camera("square"), camera("hall", regime="building")]


def found(*objects: Any, at: str = NOON, limits: AlarmLimits = LIMITS) -> dict[tuple[str, str], Found]:
    return {one.key: one for one in of_objects(World.of([*CITY, *objects]), limits, ns(at))}


def test_an_order_that_ends_is_an_alarm_four_months_before() -> None:
    order = authorisation(until="2026-12-31")
    masks = {("mask_missing", "square")}
    assert set(found(order, at="2026-08-30T12:00:00+02:00")) == masks
    alarm = found(order, at="2026-08-31T12:00:00+02:00")["authorisation_ending", "order-a"]
    assert alarm.severity is None
    assert "order 57-2026-031 ends at 2027-01-01 00:00:00" in alarm.text
    assert "2 cameras have no other" in alarm.text
    assert found(order, at="2026-12-20T12:00:00+01:00")["authorisation_ending", "order-a"].severity == "critical"
    assert "has ended" in found(order, at="2027-03-01T12:00:00+01:00")["authorisation_ending", "order-a"].text
    later = LIMITS.model_copy(update={"authorisation_days": 10})
    assert set(found(order, at="2026-12-20T12:00:00+01:00", limits=later)) == masks


def test_a_provisional_order_is_one_sooner() -> None:
    order = authorisation(until="2026-10-31", provisional=True)
    at = "2026-06-01T12:00:00+02:00"  # five months before
    assert ("authorisation_ending", "order-a") in found(order, at=at)
    assert ("authorisation_ending", "order-a") not in found(authorisation(until="2026-10-31"), at=at)
    assert "provisional order" in found(order, at=at)["authorisation_ending", "order-a"].text


def test_an_order_that_another_follows_is_none() -> None:
    order = authorisation(until="2026-07-31")
    after = authorisation("order-b", from_="2026-08-01", until="2030-12-31")
    gap = authorisation("order-b", from_="2026-08-02", until="2030-12-31")
    less = authorisation("order-b", from_="2026-08-01", until="2030-12-31", purposes=["inquiry"])
    part = authorisation("order-b", from_="2026-08-01", until="2030-12-31", cameras={"names": ["hall"]})
    key = ("authorisation_ending", "order-a")
    assert key not in found(order, after)
    assert key in found(order, gap)
    assert key in found(order, less), "not for every purpose"
    assert "1 camera has" in found(order, part)[key].text
    assert key not in found(authorisation(until="2026-07-31", cameras={"names": ["elsewhere"]})), "it covers nothing"


def test_break_glass_is_an_alarm_while_it_lasts() -> None:
    glass = {"reason": "flood", "from": "2026-06-01T00:00:00+02:00", "until": "2026-06-02T00:00:00+02:00"}
    order = authorisation(until="2026-05-31", break_glass=glass)
    assert "flood" in found(order)["break_glass", "order-a"].text
    assert ("break_glass", "order-a") not in found(order, at="2026-06-02T00:00:00+02:00")


def test_a_street_camera_without_decision_or_masks() -> None:
    def of(**fields: Any) -> set[tuple[str, str]]:
        return set(found(camera("new", **fields))) - {("mask_missing", "square")}

    fields: dict[str, Any] = {"reason": "flats", "regions": [{"name": "r", "points": [[0, 0], [1, 0], [1, 1]]}]}
    masks = made("MaskSet", "m", camera="new", **fields)
    version = made("MaskSet", "m", camera="new", version="police", **fields)
    missing = {("mask_missing", "new")}
    assert of() == missing
    assert of(regime=None) == missing, "no regime counts as a street"
    assert of(privacy="masked") == missing
    assert of(privacy="masked_at_source") == missing
    assert of(privacy="withheld") == set(), "somebody has decided so"
    assert of(privacy="clear", privacy_reason="the square alone") == set()
    assert of(regime="building") == set()
    assert set(found(camera("new", privacy="masked"), masks)) == {("mask_missing", "square")}
    assert ("mask_missing", "new") in found(camera("new", privacy="masked"), version), "a recipient's masks are more"


def test_limits_are_those_of_the_server() -> None:
    def server(name: str, **alarms: Any) -> Any:
        return made("Server", name, rtsp=[{"listen": "127.0.0.1:0", "access": "open"}], alarms=alarms)

    one = World.of([server("one", silent_s=5.0)])
    two = World.of([server("one", silent_s=5.0), server("two", silent_s=9.0)])
    assert limits_of(one, None).silent_s == 5
    assert limits_of(two, "two").silent_s == 9
    assert limits_of(two, None).silent_s == LIMITS.silent_s, "nobody said which"
    assert limits_of(World.of(()), "gone") == LIMITS


# The machine.


def test_the_machine() -> None:
    def of(**fields: Any) -> dict[str, str | None]:
        return {one.kind: one.severity for one in of_machine(replace(Machine(), **fields), LIMITS)}

    assert of() == {}
    assert of(disk_free_percent=5.0) == {}
    assert of(disk_free_percent=4.9) == {"disk_full": None}
    assert of(disk_free_percent=0.9) == {"disk_full": "critical"}
    assert of(journal={"journal_away": "x"}) == {"journal_away": None}
    assert of(outlets={"mail": "refused"}) == {"outlet_failing": None}


@pytest.mark.parametrize(("wall_s", "steady_s", "jumped"), [(2.9, 2, False), (3602, 2, True), (-5, 2, True)])
def test_a_clock_that_jumps(wall_s: float, steady_s: float, jumped: bool) -> None:
    assert (clock_stepped(int(wall_s * SECOND), int(steady_s * SECOND), LIMITS) is not None) == jumped


def test_every_kind_is_a_state_or_happens() -> None:
    standing = {*OF_STREAMS, *OF_OBJECTS, *OF_MACHINE}
    assert {kind for kind, row in ALARM_KINDS.items() if row.quiet_s is None} == standing


# Whom it concerns.

EVERY = [
    *ORGANISATIONS,
    camera("square", owner="ville-a", operated_by="csu"),
    agent("boss", "ville-a", roles=["supervisor"]),
    agent("chief", "csu", roles=["administrator"], until="2026-06-01T12:00:00+02:00"),
    agent("ann", "ville-a"),
    agent("pol", "police", roles=["supervisor"]),
    authorisation(holder="ville-a"),
    convention(),
    made("Outlet", "mail", organisation="csu", syslog={}),
]
OBJECTS = kinds_of(EVERY)
SUBJECTS = [
    ("camera_silent", "square/main", Subject("square", frozenset({"ville-a", "csu"}))),
    ("mask_missing", "square", Subject("square", frozenset({"ville-a", "csu"}))),
    ("camera_silent", "gone/main", Subject("gone", frozenset())),
    ("authorisation_ending", "order-a", Subject("", frozenset({"ville-a"}))),
    ("share_cut", "a-police", Subject("", frozenset({"ville-a"}))),
    ("foreign_login", "ann", Subject("", frozenset({"ville-a"}))),
    ("outlet_failing", "mail", Subject("", frozenset({"csu"}))),
    ("disk_full", "machine", Subject("", frozenset())),
    ("no such kind", "square", Subject("", frozenset())),
]


@pytest.mark.parametrize(("kind", "about", "subject"), SUBJECTS)
def test_subjects(kind: str, about: str, subject: Subject) -> None:
    assert subject_of(OBJECTS, kind, about) == subject


def test_supervisors_and_administrators_know_what_is_their_organisations() -> None:
    subject = subject_of(OBJECTS, "authorisation_ending", "order-a")
    at = ns("2026-06-01T11:00:00+02:00")
    names = ("boss", "ann", "pol", "chief", "nobody")
    assert [name for name in names if may_know_as_member(OBJECTS, name, subject, at)] == ["boss"]
    camera_ = subject_of(OBJECTS, "camera_silent", "square/main")
    assert may_know_as_member(OBJECTS, "chief", camera_, at)
    assert not may_know_as_member(OBJECTS, "chief", camera_, ns(NOON)), "his account has ended"
    assert not may_know_as_member(OBJECTS, "boss", subject_of(OBJECTS, "disk_full", "machine"), at)


def test_an_organisation_knows_of_its_own_and_of_what_it_is_shown_then() -> None:
    subject = subject_of(OBJECTS, "camera_silent", "square/main")

    def may(organisation: str, at: str = NOON, *more: Any) -> bool:
        return organisation_may_know(World.of([*EVERY, *more]), organisation, subject, ns(at))

    assert may("ville-a")
    assert may("csu")
    assert not may("rail")
    assert may("police")
    assert may("station"), "through its parent"
    assert not may("police", "2026-06-06T12:00:00+02:00"), "the window is closed"
    cut = convention(cut={"since": "2026-01-02T00:00:00Z", "reason": "a dispute"})
    assert not may("police", NOON, cut)
    assert not may("police", NOON, convention(rights=["playback"], ptz_rank=None))
    watch = made("WatchOrder", "w", organisation="ville-a", reference="r", persons=["ann"], cameras=["square"],
                 from_="2026-06-01T00:00:00+02:00", until="2026-06-02T00:00:00+02:00")  # fmt: skip
    assert not may("police", NOON, watch), "kept for a targeted watch"
    assert may("ville-a", NOON, watch)
    assert not organisation_may_know(World.of(EVERY), "police", Subject("", frozenset()), ns(NOON)), "the machine's"
