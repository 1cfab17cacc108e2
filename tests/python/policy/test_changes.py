"""Who may change which objects, and what takes a second person."""

from typing import Any

import pytest

from python.policy.small_city import CITY, HELD, NOON, agent, authorisation, camera, convention, made, ns
from vigie.policy.changes import RefusedChange, refused_changes
from vigie.policy.fields import DeclaredObject
from vigie.policy.fingerprint import fingerprint
from vigie.policy.objects import KINDS
from vigie.policy.world import World

TRIANGLE = {"name": "flat", "points": [[0.1, 0.1], [0.4, 0.1], [0.1, 0.4]]}
OTHER = {"name": "yard", "points": [[0.6, 0.6], [0.9, 0.6], [0.6, 0.9]]}


def masks(*regions: dict[str, Any], **spec: Any) -> DeclaredObject:
    return made("MaskSet", "m", **({"camera": "a-street", "reason": "flats", "regions": list(regions)} | spec))


def person(name: str, organisation: str | None, *roles: str, **spec: Any) -> DeclaredObject:
    if organisation is None:
        return made("Agent", name, password="x", cameras=[], roles=list(roles))
    return made("Agent", name, organisation=organisation, roles=list(roles), **spec)


PEOPLE = [
    person("adm", "ville-a", "administrator"),
    person("sup", "ville-a", "supervisor"),
    person("adm-b", "ville-b", "administrator"),
    person("adm-csu", "csu", "administrator"),
    person("root", None, "administrator"),
]
BEFORE = [
    *CITY,
    *PEOPLE,
    camera("a-street", privacy="masked"),
    masks(TRIANGLE, OTHER),
    authorisation(holder="ville-a"),
]


def refused(by: str, *put: DeclaredObject, removed: Any = (), more: Any = (), at: str = NOON) -> list[RefusedChange]:
    before = World.of([*BEFORE, *more])
    return refused_changes(before, before.replacing(put, removed), by, ns(at))


def codes(*given: Any, **named: Any) -> list[str]:
    return [item.code for item in refused(*given, **named)]


def test_nothing_changed_takes_nobody() -> None:
    assert refused("nobody") == []


@pytest.mark.parametrize(
    ("by", "item", "expected"),
    [
        ("adm", camera("a-new"), []),
        ("adm", camera("b-street", "ville-b", title="x"), ["not-yours"]),
        ("adm", camera("b-street", "ville-a"), ["not-yours"]),  # taking another's
        ("adm", camera("a-hall", "ville-b"), ["not-yours"]),  # giving one away
        ("adm", agent("ann", "ville-a", roles=["supervisor"]), []),
        ("adm", agent("ben", "ville-b", roles=["supervisor"]), ["not-yours"]),
        ("adm", agent("new", "police"), ["not-yours"]),
        ("adm", made("Post", "p", organisation="ville-a", addresses=["10.0.0.1"]), []),
        ("adm", made("Post", "wall", organisation="csu", addresses=["10.0.0.1"]), ["not-yours"]),
        ("adm", convention("a-rail", to="rail"), []),
        ("adm", convention("b-a", from_="ville-b", to="ville-a"), ["not-yours"]),  # nobody gives himself another's
        ("adm", authorisation(holder="ville-a", purposes=["inquiry"]), []),
        ("adm", authorisation("all"), ["not-yours"]),  # of no holder: the installation's
        ("root", authorisation("all"), []),
        ("adm", made("Organisation", "ville-a", type="municipality", communes=["57463", "57672"]), ["not-yours"]),
        ("root", made("Organisation", "ville-c", type="municipality", communes=["57001"]), []),
        ("root", agent("adm-c", "ville-a", roles=["administrator"]), []),  # the first administrators
        ("root", agent("ann", "ville-a", roles=["supervisor"]), ["not-yours"]),
        ("root", camera("a-new"), ["not-yours"]),
        ("sup", camera("a-new"), ["not-yours"]),
        ("ann", camera("a-new"), ["not-yours"]),
        ("nobody", camera("a-new"), ["no-agent"]),
    ],
)
def test_an_administrator_changes_his_organisations_objects(by: str, item: DeclaredObject, expected: list[str]) -> None:
    assert codes(by, item) == expected


def test_taking_out_what_is_another_s() -> None:
    assert codes("adm", removed=[("Camera", "b-street"), ("Camera", "a-hall")]) == ["not-yours"]


def test_roles_are_those_in_force() -> None:
    """Nobody makes himself administrator in the same step."""
    promoted = agent("ann", "ville-a", roles=["administrator"])
    assert codes("ann", promoted, camera("a-new")) == ["not-yours", "not-yours"]


def test_an_account_that_has_ended() -> None:
    ended = person("adm", "ville-a", "administrator", until="2026-06-01T10:00:00Z")
    assert codes("adm", camera("a-new"), more=[ended]) == ["no-agent"]


def test_the_first_apply_needs_nobody() -> None:
    empty = World.of([])
    assert refused_changes(empty, World.of(BEFORE), "anybody", ns(NOON)) == []


def test_openings_are_made_by_the_owners_supervisors() -> None:
    spec = {"conventions": ["homes-ville"], "event": "fire", "motive": "m", "from": "2026-06-01T10:00:00Z"}
    share = convention("homes-ville", from_="homes", to="ville-a", trigger="opening")
    keeper = person("keeper", "homes", "supervisor")
    opening = made("Opening", "o", **spec)
    assert codes("keeper", opening, more=[share, keeper]) == []
    assert codes("sup", opening, more=[share, keeper]) == ["not-yours"]  # the recipient does not open to himself


# What takes a second person


def approval(item: DeclaredObject | None, kind: str, name: str, change: str, /, **spec: Any) -> DeclaredObject:
    fields = {
        "kind": kind,
        "name": name,
        "change": change,
        "fingerprint": fingerprint(item),
        "requested_by": "adm",
        "given_by": "sup",
        "given_at": "2026-06-01T08:00:00Z",
        "reason": "seen and agreed",
    }
    return KINDS["Approval"].model_validate({"kind": "Approval", "name": "yes", "spec": fields | spec})


HIDES_LESS = [
    masks(TRIANGLE),
    masks(TRIANGLE, OTHER | {"points": [[0.6, 0.6], [0.8, 0.6], [0.6, 0.9]]}),
    masks(TRIANGLE, OTHER | {"until": "2026-07-01T00:00:00Z"}),
    masks(TRIANGLE, OTHER, camera="a-hall"),
    masks(TRIANGLE, OTHER, scene_watch=False),
    camera("a-street", privacy="clear", privacy_reason="nothing private"),
    camera("a-street", privacy="masked_at_source"),
    camera("a-street", privacy="masked", dome={"calibration_error": 0.1}),
]


@pytest.mark.parametrize("item", HIDES_LESS)
def test_m8_hiding_less_takes_a_second_person(item: DeclaredObject) -> None:
    [found] = refused("adm", item)
    assert (found.code, found.needs, found.fingerprint) == ("needs-approval", "hide-less", fingerprint(item))
    assert "second person of ville-a" in found.says
    assert refused("adm", item, more=[approval(item, item.kind, item.name, "hide-less")]) == []


@pytest.mark.parametrize(
    "item",
    [
        masks(TRIANGLE, OTHER, TRIANGLE | {"name": "more"}),
        masks(TRIANGLE | {"name": "renamed", "fill": "#000000"}, OTHER),
        camera("a-street", privacy="withheld"),
        camera("a-street", privacy="masked", title="x"),
    ],
)
def test_hiding_more_or_the_same_takes_nobody_else(item: DeclaredObject) -> None:
    assert refused("adm", item) == []


def test_taking_masks_away_takes_a_second_person() -> None:
    gone = [("MaskSet", "m")]
    assert codes("adm", removed=gone) == ["needs-approval"]
    assert codes("adm", removed=gone, more=[approval(None, "MaskSet", "m", "hide-less")]) == []


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"fingerprint": "0" * 64}, "of something else"),
        ({"name": "m2"}, "of another object"),
        ({"change": "give-back"}, "of another change"),
        ({"requested_by": "ann"}, "asked for by another"),
        ({"given_by": "ann"}, "by an operator"),
        ({"given_by": "adm-b"}, "by another organisation"),
        ({"given_by": "gone"}, "by nobody"),
        ({"given_at": "2026-04-30T08:00:00Z"}, "too long ago"),
        ({"given_at": "2026-06-01T10:00:01Z"}, "in the future"),
    ],
)
def test_an_approval_that_does_not_fit(spec: dict[str, Any], why: str) -> None:
    item = masks(TRIANGLE)
    assert codes("adm", item, more=[approval(item, "MaskSet", "m", "hide-less", **spec)]) == ["needs-approval"], why


def test_an_approval_is_given_by_its_giver_and_before() -> None:
    item = masks(TRIANGLE)
    yes = approval(item, "MaskSet", "m", "hide-less")
    assert codes("adm", item, yes) == ["not-yours", "needs-approval"]  # one's own second person
    assert codes("sup", yes) == []
    assert codes("root", yes) == ["not-yours"]


def test_the_second_person_may_have_to_come_from_elsewhere() -> None:
    small = made("Organisation", "ville-a", type="municipality", communes=["57463"], approvals_by="csu")
    item = masks(TRIANGLE)
    yes = approval(item, "MaskSet", "m", "hide-less")
    assert codes("adm", item, more=[small, yes]) == ["needs-approval"]
    from_centre = approval(item, "MaskSet", "m", "hide-less", given_by="adm-csu")
    assert codes("adm", item, more=[small, from_centre]) == []


def test_a_withdrawn_right_comes_back_by_two() -> None:
    suspended = agent("ann", "ville-a", habilitation=HELD | {"suspended": True})
    for back in (agent("ann", "ville-a"), agent("ann", "ville-a", habilitation=None)):
        assert codes("adm", back, more=[suspended]) == ["needs-approval"]
        assert codes("adm", back, more=[suspended, approval(back, "Agent", "ann", "give-back")]) == []
    assert codes("adm", removed=[("Agent", "ann")], more=[suspended]) == ["needs-approval"]
    assert codes("adm", suspended) == []  # taking away is for one


def test_a_cut_convention_comes_back_by_two() -> None:
    cut = convention(cut={"since": "2026-06-01T08:00:00Z", "reason": "r"})
    later = convention(cut={"since": "2026-06-02T08:00:00Z", "reason": "r"})
    assert codes("adm", convention(), more=[cut]) == codes("adm", later, more=[cut]) == ["needs-approval"]
    assert codes("adm", cut) == []


def test_l25_the_owner_alone_does_not_cut_what_the_order_gives_the_police() -> None:
    order = authorisation(holder="ville-a", recipients=["police"])
    cut = convention(cut={"since": NOON, "reason": "r"})
    for put, removed in (
        ([cut], []),
        ([convention(windows=["Mo 07:00-08:00"])], []),
        ([], [("Convention", "a-police")]),
    ):
        [found] = refused("adm", *put, removed=removed, more=[order])
        assert found.needs == "cut"
        yes = approval(put[0] if put else None, "Convention", "a-police", "cut")
        assert refused("adm", *put, removed=removed, more=[order, yes]) == []
    assert codes("adm", convention("a-rail", to="rail", cut={"since": NOON, "reason": "r"}), more=[order]) == []


def test_who_lends_his_people_needs_the_yes_of_whom_they_will_see() -> None:
    lent = agent("carl", "csu", made_available_to=["ville-a"])
    [found] = refused("adm-csu", lent)
    assert (found.needs, "ville-a" in found.says) == ("make-available", True)
    yes = approval(lent, "Agent", "carl", "make-available", requested_by="adm-csu", given_by="adm")
    assert refused("adm-csu", lent, more=[yes]) == []


def test_further_masks_of_a_convention_are_masks() -> None:
    masked = convention(extra_masks="school")
    assert codes("adm", convention(), more=[masked]) == ["needs-approval"]
    assert codes("adm", masked) == []
