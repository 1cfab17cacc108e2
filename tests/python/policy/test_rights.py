"""Who may do what to which camera, until when and why: one table a requirement."""

from typing import Any

import pytest

from python.policy.small_city import CITY, HELD, NOON, agent, authorisation, camera, convention, made, ns
from vigie.policy.fields import DeclaredObject
from vigie.policy.fingerprint import fingerprint
from vigie.policy.objects import KINDS
from vigie.policy.persons import post_at
from vigie.policy.reasons import Decision, explain
from vigie.policy.rights import decide
from vigie.policy.world import World


def asked(
    agent_name: str,
    camera_name: str,
    action: Any = "live",
    *more: DeclaredObject,
    purpose: str | None = "public-safety",
    at: str = NOON,
    post: str | None = None,
) -> Decision:
    return decide(World.of([*CITY, *more]), agent_name, camera_name, action, purpose, ns(at), post)


def code(*given: Any, **named: Any) -> str:
    return asked(*given, **named).code


# L-1: purposes


@pytest.mark.parametrize(
    ("who", "what", "purpose", "expected"),
    [
        ("ann", "a-street", None, "no-purpose"),
        ("ann", "a-street", "public-safety", "allowed"),
        ("ann", "a-street", "traffic", "purpose"),  # not one of the order's
        ("lea", "a-street", None, "allowed"),  # the convention's default
        ("lea", "a-street", "inquiry", "allowed"),
        ("lea", "a-street", "ticketing", "purpose"),  # one of the order's, not of the convention's
        ("rob", "rail-hall", "public-safety", "allowed"),
    ],
)
def test_l1_every_view_has_a_purpose_that_is_listed(who: str, what: str, purpose: str | None, expected: str) -> None:
    assert code(who, what, purpose=purpose) == expected


def test_l1_the_default_purpose_is_the_one_that_counts() -> None:
    assert asked("lea", "a-street", purpose=None).purpose == "public-safety"
    assert asked("tic", "a-ticket", purpose=None).purpose == "ticketing"
    without = convention(default_purpose=None)
    assert code("lea", "a-street", "live", without, purpose=None) == "no-purpose"


# L-2: the prefect's order

GLASS = {
    "reason": "the renewal is late: the mayor",
    "from": "2027-01-02T00:00:00+01:00",
    "until": "2027-01-05T00:00:00Z",
}


@pytest.mark.parametrize(
    ("at", "action", "orders", "expected"),
    [
        ("2026-12-31T23:59:59.999999+01:00", "live", [], "allowed"),
        ("2027-01-01T00:00:00+01:00", "live", [], "authorisation"),  # the day after its end
        ("2025-12-31T23:59:59+01:00", "live", [], "habilitation-term"),
        ("2027-01-03T12:00:00+01:00", "live", [authorisation(break_glass=GLASS)], "allowed"),
        ("2027-01-03T12:00:00+01:00", "playback", [authorisation(break_glass=GLASS)], "authorisation"),  # live only
        ("2027-01-01T12:00:00+01:00", "live", [authorisation(break_glass=GLASS)], "authorisation"),
        ("2027-01-05T01:00:00+01:00", "live", [authorisation(break_glass=GLASS)], "authorisation"),
        (
            "2027-01-03T12:00:00+01:00",
            "playback",
            [authorisation("late", provisional=True, from_="2027-01-01", until="2027-03-31")],
            "allowed",
        ),
    ],
)
def test_l2_dates_provisional_orders_and_break_glass(at: str, action: str, orders: list[Any], expected: str) -> None:
    assert code("ann", "a-street", action, *orders, at=at) == expected


def test_l2_break_glass_is_said_and_ends() -> None:
    decision = asked("ann", "a-street", "live", authorisation(break_glass=GLASS), at="2027-01-03T12:00:00+01:00")
    assert decision.break_glass
    assert decision.until == ns("2027-01-05T00:00:00Z")
    assert "break-glass" in explain(decision, "Europe/Paris")
    assert not asked("ann", "a-street").break_glass


def test_l2_no_order_covers_the_camera() -> None:
    assert code("ann", "a-street", "live", authorisation(cameras={"regime": "building"})) == "no-authorisation"
    assert code("ann", "a-street", "live", authorisation(holder="ville-b")) == "no-authorisation"
    assert code("ann", "a-hall", "live", authorisation(cameras={"regime": "building"})) == "allowed"


def test_l2_a_perimeter_covers_what_stands_inside() -> None:
    square = [[6.0, 49.0], [6.3, 49.0], [6.3, 49.2], [6.0, 49.2]]
    order = authorisation(cameras=None, perimeter=square)
    inside = camera("a-street", position={"lat": 49.1, "lon": 6.1})
    outside = camera("a-street", position={"lat": 49.3, "lon": 6.1})
    assert [code("ann", "a-street", "live", order, each) for each in (inside, outside, camera("a-street"))] == [
        "allowed",
        "no-authorisation",
        "no-authorisation",
    ]


def test_l2_an_order_and_its_renewal_are_one_right() -> None:
    renewal = authorisation("renewal", from_="2027-01-01", until="2027-06-30")
    assert asked("ann", "a-street", "live", renewal).until == ns("2027-07-01T00:00:00+02:00")
    later = authorisation("renewal", from_="2027-01-02", until="2027-06-30")
    assert asked("ann", "a-street", "live", later).until == ns("2027-01-01T00:00:00+01:00")


# L-3: habilitation and Posts


@pytest.mark.parametrize(
    ("who", "at", "expected"),
    [
        (agent("ann", "ville-a", habilitation=None), NOON, "no-habilitation"),
        (agent("ann", "ville-a", habilitation=HELD | {"suspended": True}), NOON, "suspended"),
        (
            agent("ann", "ville-a", habilitation=HELD | {"until": "2026-06-01T12:00:00+02:00"}),
            NOON,
            "habilitation-term",
        ),
        (
            agent("ann", "ville-a", habilitation=HELD | {"until": "2026-06-01T12:00:00+02:00"}),
            "2026-06-01T11:59:59.999999+02:00",
            "allowed",
        ),
        (agent("ann", "ville-a", until="2026-06-01T10:00:00Z"), NOON, "agent-ended"),
        (agent("ann", "ville-a", roles=[]), NOON, "role"),
        (agent("ann", "ville-a", roles=["auditor", "administrator"]), NOON, "role"),
        (agent("ann", "ville-a", machine=True, roles=[], habilitation=None), NOON, "allowed"),
    ],
)
def test_l3_one_person_with_a_habilitation(who: DeclaredObject, at: str, expected: str) -> None:
    assert code("ann", "a-street", "live", who, at=at) == expected


def test_l3_a_habilitation_that_ends_is_the_end_of_the_right() -> None:
    short = agent("ann", "ville-a", habilitation=HELD | {"until": "2026-06-01T12:00:01+02:00"})
    assert asked("ann", "a-street", "live", short).until == ns(NOON) + 10**9


@pytest.mark.parametrize(
    ("who", "post", "expected"),
    [
        ("lea", "station-desk", "allowed"),
        ("lea", "wall", "post"),  # of another organisation
        ("lea", "walll", "post"),
        ("cleo", "wall", "allowed"),
        ("ann", "wall", "post"),
    ],
)
def test_l3_a_post_is_of_the_agents_organisation(who: str, post: str, expected: str) -> None:
    assert code(who, "a-street", post=post) == expected


@pytest.mark.parametrize(
    ("address", "post"),
    [("10.2.0.7", "wall"), ("10.3.0.15", "station-desk"), ("10.3.0.16", None), ("::1", None)],
)
def test_l3_a_workstation_and_its_wall_are_one_place(address: str, post: str | None) -> None:
    assert post_at(World.of(CITY), address) == post


def test_l22_a_convention_may_hold_at_some_posts_only() -> None:
    at_desk = convention(posts=["station-desk"])
    assert code("lea", "a-street", "live", at_desk) == "post"
    assert code("lea", "a-street", "live", at_desk, post="station-desk") == "allowed"


@pytest.mark.parametrize(
    ("who", "action", "expected"),
    [
        ("ann", "playback", "allowed"),
        ("ann", "export", "role"),
        ("req", "export", "allowed"),
        ("req", "live", "role"),
        ("adm", "live", "role"),
        ("lea", "playback", "not-in-convention"),
        ("rob", "ptz", "allowed"),
    ],
)
def test_roles_and_actions(who: str, action: str, expected: str) -> None:
    assert code(who, "rail-hall" if who == "rob" else "a-street", action) == expected


def test_a_machine_sees_live_pictures_only() -> None:
    wall = agent("wall-1", "ville-a", machine=True, roles=[], habilitation=None, default_purpose="public-safety")
    assert asked("wall-1", "a-street", "live", wall, purpose=None).rights == ("live",)


# L-4: territory

TO_B = convention("b-a", from_="ville-b", to="ville-a", cameras={"commune": "57672"})


@pytest.mark.parametrize(
    ("who", "what", "more", "expected"),
    [
        ("ann", "a-street", [], "allowed"),
        ("ann", "b-street", [], "no-convention"),
        ("ann", "b-street", [TO_B], "allowed"),  # with a convention, and an agrément
        ("ann", "b-street", [TO_B, agent("ann", "ville-a", habilitation=None)], "no-habilitation"),
        ("cleo", "a-street", [], "allowed"),  # of the centre, made available to both
        ("cleo", "b-street", [], "allowed"),
        ("carl", "a-street", [], "territory"),  # of the centre, made available to nobody
        ("carl", "a-hall", [], "allowed"),  # a building follows its owner, who has it operated by the centre
        ("ben", "a-hall", [], "no-convention"),
        ("ann", "a-street", [camera("a-street", commune="57672")], "territory"),  # stands in another commune
        ("ann", "a-street", [camera("a-street", commune=None)], "department"),
        ("ann", "a-street", [camera("a-street", regime=None)], "no-authorisation"),  # no regime: no order names it
        ("carl", "a-hall", [camera("a-hall", regime=None, operated_by="csu")], "territory"),
    ],
)
def test_l4_territory(who: str, what: str, more: list[Any], expected: str) -> None:
    assert code(who, what, "live", *more) == expected


def test_l4_a_commune_is_no_service_of_the_centre_but_a_station_is_one_of_the_police() -> None:
    member = made("Organisation", "ville-b", type="municipality", parent="csu", communes=["57672"])
    to_centre = convention("a-csu", to="csu")
    assert code("carl", "a-street", "live", to_centre) == "allowed"
    assert code("ben", "a-street", "live", to_centre, member) == "no-convention"
    assert code("lea", "a-street") == "allowed"  # the convention is with `police`, its parent


# L-5: the agrément's department


@pytest.mark.parametrize(
    ("departments", "commune", "expected"),
    [
        (["57"], "57463", "allowed"),
        (["54"], "57463", "department"),
        (["54", "57"], "57463", "allowed"),
        ("*", "57463", "allowed"),
        (["97"], "97411", "department"),
        (["974"], "97411", "allowed"),
        (["2A"], "2A004", "allowed"),
    ],
)
def test_l5_departments(departments: Any, commune: str, expected: str) -> None:
    who = agent("ann", "ville-a", habilitation=HELD | {"departments": departments})
    where = made("Organisation", "ville-a", type="municipality", communes=[commune])
    assert code("ann", "a-street", "live", who, where, camera("a-street", commune=commune)) == expected


# L-22: conventions


@pytest.mark.parametrize(
    ("at", "expected", "until"),
    [
        ("2026-06-01T07:00:00+02:00", "allowed", "2026-06-01T19:00:00+02:00"),
        ("2026-06-01T19:00:00+02:00", "window", None),
        ("2026-06-06T12:00:00+02:00", "window", None),
        ("2026-12-31T18:59:59+01:00", "allowed", "2026-12-31T19:00:00+01:00"),
        ("2027-01-01T12:00:00+01:00", "dates", None),
    ],
)
def test_l22_windows_and_dates(at: str, expected: str, until: str | None) -> None:
    decision = asked("lea", "a-street", at=at)
    assert (decision.code, decision.until) == (expected, until and ns(until))


def test_l22_cameras_are_the_owners_by_typed_fields() -> None:
    assert code("lea", "a-street", "live", convention(cameras={"regime": "building"})) == "no-convention"
    assert code("lea", "a-hall", "live", convention(cameras={"names": ["a-hall", "b-street"]})) == "allowed"
    # A selector that would fit another owner's camera gives nothing: nobody gives what is not his.
    assert code("lea", "b-street", "live", convention(cameras={"names": ["b-street"]})) == "no-convention"


def test_l22_extra_masks_make_another_version() -> None:
    region = {"name": "yard", "points": [[0.1, 0.1], [0.2, 0.1], [0.1, 0.2]]}
    masks = made("MaskSet", "m", camera="a-street", version="school", reason="yard", regions=[region])
    masked = convention(extra_masks="school")
    assert code("lea", "a-street", "live", masked) == "version"  # there is none: closed
    decision = asked("lea", "a-street", "live", masked, masks)
    assert (decision.allowed, decision.published) == (True, "a-street@school")


def test_where_two_conventions_meet_the_smaller_right_wins() -> None:
    region = {"name": "yard", "points": [[0.1, 0.1], [0.2, 0.1], [0.1, 0.2]]}
    masks = made("MaskSet", "m", camera="a-street", version="school", reason="yard", regions=[region])
    evening = convention("evening", windows=["12:00-22:00"], extra_masks="school", ptz_rank=10)
    morning = asked("lea", "a-street", "live", masks, evening, at="2026-06-01T08:00:00+02:00")
    assert (morning.published, morning.until) == ("a-street", ns("2026-06-01T12:00:00+02:00"))  # then it is smaller
    both = asked("lea", "a-street", "ptz", masks, evening, at=NOON)
    assert (both.published, both.ptz_rank, both.until) == ("a-street@school", 10, ns("2026-06-01T22:00:00+02:00"))


def test_conventions_that_follow_each_other_are_one_right() -> None:
    night = convention("night", windows=["19:00-07:00"])
    weekend = convention("weekend", windows=["Sa,Su 00:00-24:00"])
    decision = asked("lea", "a-street", "live", night, weekend)
    assert decision.until == ns(NOON) + 8 * 24 * 3600 * 10**9  # followed for eight days
    assert asked("lea", "a-street", "live", night).until == ns("2026-06-06T07:00:00+02:00")  # Saturday morning


# L-23: Openings


def opening(name: str, event: str, start: str, end: str | None = None) -> DeclaredObject:
    fields = {"conventions": ["homes-police"], "event": event, "motive": "a fire", "from": start}
    return made("Opening", name, **(fields if end is None else fields | {"until": end}))


HOMES = convention(
    "homes-police",
    from_="homes",
    cameras={"owner": "homes"},
    trigger="opening",
    max_opening_h=2,
    windows=["24/7"],
)
FIRST = "2026-06-01T11:00:00+02:00"


@pytest.mark.parametrize(
    ("openings", "at", "until"),
    [
        ([], NOON, None),
        ([opening("o", "fire", FIRST)], NOON, "2026-06-01T13:00:00+02:00"),  # the default maximum
        ([opening("o", "fire", FIRST, "2026-06-01T12:30:00+02:00")], NOON, "2026-06-01T12:30:00+02:00"),
        ([opening("o", "fire", FIRST, "2026-06-02T12:30:00+02:00")], NOON, "2026-06-01T13:00:00+02:00"),
        ([opening("o", "fire", FIRST)], "2026-06-01T13:00:00+02:00", None),  # by itself
        # Another Opening of the same event keeps nothing open.
        ([opening("o", "fire", FIRST), opening("p", "Fire ", NOON)], NOON, "2026-06-01T13:00:00+02:00"),
        ([opening("o", "fire", FIRST), opening("p", "fire", NOON)], "2026-06-01T13:00:00+02:00", None),
        # Another event is one of its own, with its own motive and its own end.
        ([opening("o", "fire", FIRST), opening("p", "theft", NOON)], NOON, "2026-06-01T14:00:00+02:00"),
        ([opening("o", "fire", "2026-06-01T12:00:01+02:00")], NOON, None),
    ],
)
def test_l23_openings(openings: list[DeclaredObject], at: str, until: str | None) -> None:
    decision = asked("lea", "homes-door", "live", HOMES, *openings, at=at)
    assert decision.allowed == (until is not None)
    assert decision.until == (until and ns(until))
    if until is None:
        assert decision.code == "opening"


# L-25: the owner's cut

CUT = {"since": "2026-06-01T10:00:00+02:00", "reason": "the mayor"}


def test_l25_the_owner_may_cut() -> None:
    assert code("lea", "a-street", "live", convention(cut=CUT)) == "not cut"
    assert asked("lea", "a-street", at="2026-06-01T09:00:00+02:00").allowed
    before = asked("lea", "a-street", "live", convention(cut=CUT), at="2026-06-01T09:00:00+02:00")
    assert before.until == ns(CUT["since"])


def cut_approval(as_it_will_be: DeclaredObject) -> DeclaredObject:
    spec = {
        "kind": "Convention",
        "name": "a-police",
        "change": "cut",
        "fingerprint": fingerprint(as_it_will_be),
        "requested_by": "adm",
        "given_by": "ann",
        "given_at": "2026-06-01T09:00:00Z",
        "reason": "agreed",
    }
    return KINDS["Approval"].model_validate({"kind": "Approval", "name": "yes", "spec": spec})


def test_l25_where_the_order_makes_the_police_recipient_a_cut_takes_a_second_person() -> None:
    order, cut = authorisation(recipients=["police"]), convention(cut=CUT)
    assert code("lea", "a-street", "live", order, cut) == "allowed"
    assert code("lea", "a-street", "live", order, cut, cut_approval(cut)) == "not cut"
    assert code("lea", "a-street", "live", order, cut, cut_approval(convention())) == "allowed"
    to_rail = authorisation(recipients=["rail"])
    assert code("lea", "a-street", "live", to_rail, cut) == "not cut"


# L-27: targeted watch


def watch(start: str = "2026-06-01T00:00:00Z", end: str = "2026-06-02T00:00:00Z") -> DeclaredObject:
    fields = {"organisation": "police", "reference": "JI-7", "persons": ["lea"], "cameras": ["a-street"]}
    return made("WatchOrder", "op-nightingale", from_=start, until=end, **fields)


def test_l27_others_are_told_reserved_and_nothing_else() -> None:
    decision = asked("ann", "a-street", "live", watch())
    assert decision.code == "reserved"
    assert decision.until is None
    text = explain(decision, "Europe/Paris")
    assert "reserved" in text
    for secret in ("nightingale", "WatchOrder", "lea", "police", "JI-7", "2026-06-02"):
        assert secret not in text
    assert any(fact.sealed and "nightingale" in fact.says for fact in decision.why)  # for the auditor
    assert decision.rights == ()


def test_l27_named_persons_go_on_and_one_without_a_right_learns_nothing() -> None:
    assert code("lea", "a-street", "live", watch()) == "allowed"
    assert code("ben", "a-street", "live", watch()) == code("ben", "a-street", "live") == "no-convention"
    assert code("ann", "a-street", "live", watch(end="2026-06-01T10:00:00Z")) == "allowed"


def test_l27_a_watch_to_come_ends_the_right_and_is_not_shown() -> None:
    decision = asked("ann", "a-street", "live", watch(start="2026-06-01T11:00:00Z"))
    assert decision.until == ns("2026-06-01T11:00:00Z")
    assert decision.shown_until == ns("2027-01-01T00:00:00+01:00")
    assert "2026-06-01 13" not in explain(decision, "Europe/Paris")


# L-29: tickets


@pytest.mark.parametrize(
    ("who", "what", "action", "purpose", "expected"),
    [
        ("tic", "a-ticket", "live", "ticketing", "allowed"),
        ("tic", "a-ticket", "live", None, "allowed"),
        ("tic", "a-street", "live", "ticketing", "role"),  # not flagged
        ("tic", "a-ticket", "playback", "ticketing", "role"),  # no look back
        ("tic", "a-ticket", "export", "ticketing", "role"),
        ("tic", "a-ticket", "ptz", "ticketing", "role"),
        ("tic", "a-ticket", "live", "public-safety", "role"),
        ("ann", "a-ticket", "live", "ticketing", "role"),  # an operator writes none
    ],
)
def test_l29_tickets(who: str, what: str, action: str, purpose: str | None, expected: str) -> None:
    assert code(who, what, action, purpose=purpose) == expected


# Steering: ranks


@pytest.mark.parametrize(
    ("ranks", "roles", "expected"),
    [
        (80, ["operator"], 80),
        ({"operator": 30, "supervisor": 60}, ["operator"], 30),
        ({"operator": 30, "supervisor": 60}, ["operator", "supervisor"], 60),
        ({"supervisor": 60}, ["operator"], None),
    ],
)
def test_p1_ranks(ranks: Any, roles: list[str], expected: int | None) -> None:
    who = agent("lea", "station", roles=roles, habilitation=HELD)
    decision = asked("lea", "a-street", "ptz", who, convention(ptz_rank=ranks))
    assert (decision.ptz_rank, decision.code) == (expected, "rank" if expected is None else "allowed")


def test_a_camera_that_does_not_turn() -> None:
    assert code("ann", "a-street", "ptz", camera("a-street", ptz=None)) == "cannot-turn"
    assert asked("ann", "a-street").rights == ("live", "playback", "ptz")


# Standing rights of small towns


def test_agents_without_organisation_reach_what_they_list_and_has_no_owner() -> None:
    post = made("Agent", "post-1", password="x", cameras=["free", "a-street"], until="2026-06-01T20:00:00Z")
    decision = asked("post-1", "free", "live", post, purpose=None)
    assert (decision.allowed, decision.by, decision.until) == (True, "standing", ns("2026-06-01T20:00:00Z"))
    assert code("post-1", "a-street", "live", post, purpose=None) == "owned"
    assert code("post-1", "free", "ptz", post, purpose=None) == "role"
    assert code("ann", "free") == "no-owner"


def test_a_list_of_cameras_narrows_an_agent_of_an_organisation() -> None:
    narrowed = agent("ann", "ville-a", cameras=["a-hall", "b-street"])
    assert code("ann", "a-street", "live", narrowed) == "narrowed"
    assert code("ann", "a-hall", "live", narrowed) == "allowed"
    assert code("ann", "b-street", "live", narrowed) == "no-convention"  # it gives nothing


def test_unknown_names_are_refused() -> None:
    assert (code("nobody", "a-street"), code("ann", "nothing")) == ("no-agent", "no-camera")


def test_a_refusal_says_whom_to_ask() -> None:
    assert asked("lea", "a-street", at="2026-06-06T12:00:00+02:00").ask == ("an administrator of ville-a (adm)",)
    text = explain(asked("lea", "a-street", at="2026-06-06T12:00:00+02:00"), "Europe/Paris")
    assert text.startswith("No: lea may not see live pictures of a-street for public-safety at 2026-06-06 12:00:00")
    assert "No window of Convention a-police is open; it does from 2026-06-08 07:00:00" in text
    assert text.endswith("To ask: an administrator of ville-a (adm).")
