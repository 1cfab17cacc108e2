"""Organisations, people, posts and what is allowed, in YAML: every mistake names its line and what would be right."""

from collections.abc import Callable

import jsonschema
import pytest

from vigie.policy import ConfigurationError, Town
from vigie.policy.fingerprint import fingerprint
from vigie.policy.objects import KINDS

Load = Callable[..., Town]

GOOD = {
    "ville": "kind: Organisation\nname: ville\nspec: {type: municipality, communes: ['57463']}\n",
    "police": "kind: Organisation\nname: police\nspec: {type: police}\n",
    "homes": "kind: Organisation\nname: homes\nspec: {type: landlord}\n",
    "desk": "kind: Post\nname: desk\nspec: {organisation: police, addresses: [10.0.0.1]}\n",
    "place": "kind: Camera\nname: place\nspec: {owner: ville, streams: {main: {url: 'push:'}}}\n",
    "lea": "kind: Agent\nname: lea\nspec: {organisation: police, roles: [operator]}\n",
    "order": "kind: Authorisation\nname: order\nspec: {number: a, from: 2026-01-01, until: 2030-12-31,"
    " cameras: {commune: '57463'}, purposes: [inquiry], retention_days: 30}\n",
    "share": "kind: Convention\nname: share\nspec: {from: ville, to: police, cameras: {owner: ville}, rights: [live],"
    " from_date: 2026-01-01, purposes: [inquiry], trigger: opening}\n",
}


def given(name: str, old: str, new: str) -> list[str]:
    """The good documents with one change in one of them, which comes first."""
    assert old in GOOD[name]
    return [GOOD[name].replace(old, new), *(text for key, text in GOOD.items() if key != name)]


def document(kind: str, fields: str) -> list[str]:
    """A document more, which comes first."""
    return [f"kind: {kind}\nname: new\nspec: {{{fields}}}\n", *GOOD.values()]


HELD = "organisation: ville, habilitation: {{reference: r, from: {}, until: {}, departments: {}}}"
APPROVAL = "kind: MaskSet, name: m, change: hide-less, requested_by: lea, given_at: '2026-01-01T00:00:00Z', reason: r"
SPEC = 3  # the line of `spec:`

WRONG = [
    (given("ville", "municipality", "municipalty"), "spec.type", "right would be municipality, police"),
    (given("ville", "57463", "5746"), "spec.communes[0]", "found"),
    (given("ville", "type", "typ"), "spec.typ", 'did you mean "type"?'),
    (given("ville", "type: municipality", "type: municipality, parent: vile"), "spec.parent", 'did you mean "ville"?'),
    (given("ville", "type: municipality", "type: municipality, parent: ville"), "spec.parent", "a circle"),
    (given("ville", "type: municipality", "type: municipality, ptz_rank: 0"), "spec.ptz_rank", "from 1 to 1000"),
    (
        given("ville", "type: municipality", "type: municipality, ptz_rank: {auditor: 3}"),
        "spec.ptz_rank.auditor",
        "one a role such as",
    ),
    (given("desk", "police", "polic"), "spec.organisation", 'no Organisation "polic"; did you mean "police"?'),
    (given("desk", "10.0.0.1", "10.0.0.1/24"), "spec.addresses", "is no address"),
    (given("place", "owner: ville", "owner: vile"), "spec.owner", 'did you mean "ville"?'),
    (given("place", "owner: ville", "owner: ville, commune: '7'"), "spec.commune", "INSEE code"),
    (given("lea", "police", "polce"), "spec.organisation", 'did you mean "police"?'),
    (given("lea", "operator", "operater"), "spec.roles[0]", 'found "operater"'),
    (given("lea", "roles: [operator]", "made_available_to: [vill]"), "spec.made_available_to[0]", '"ville"?'),
    (given("lea", "organisation: police,", ""), "spec.password", "or an organisation"),
    (
        document("Agent", "password: x, cameras: [place], made_available_to: [ville]"),
        "made_available_to",
        "without organ",
    ),
    (document("Agent", "organisation: ville, machine: true, roles: [operator]"), "spec.roles", "of a machine"),
    (document("Agent", HELD.format("2026-01-01", "2031-01-02", "['57']")), "habilitation.until", "five years"),
    (document("Agent", HELD.format("2026-01-02", "2026-01-01", "['57']")), "habilitation.until", "not after from"),
    (document("Agent", HELD.format("2026-01-01", "2026-02-30", "['57']")), "habilitation.until", "no such day"),
    (
        document("Agent", HELD.format("2026-01-01", "2027-01-01", "['5']")),
        "habilitation.departments[0]",
        'or "*" where',
    ),
    (document("Agent", HELD.format("2026-01-01", "2027-01-01", "'*'")), "habilitation.departments", "of the agrément"),
    (given("order", "2030-12-31", "2031-01-01"), "spec.until", "five years"),
    (given("order", "retention_days: 30", "retention_days: 32"), "spec.retention_days", "from 0 to 31"),
    (
        given("order", "retention_days: 30", "retention_days: 30, minimum_retention_days: 31"),
        "minimum_retention_days",
        "at most as many",
    ),
    (given("order", "purposes: [inquiry]", "purposes: []"), "spec.purposes", "a list of purposes"),
    (given("order", "cameras: {commune: '57463'},", ""), "spec.cameras", "one of the two"),
    (given("order", "cameras: {commune: '57463'}", "cameras: {}"), "spec.cameras", "which would be every camera"),
    (given("order", "commune: '57463'", "labels: {a: b}"), "spec.cameras.labels", "unknown field"),
    (given("order", "commune: '57463'", "names: [plce]"), "spec.cameras.names[0]", 'did you mean "place"?'),
    (given("order", "commune: '57463'", "site: gare"), "spec.cameras.site", 'no Site "gare"'),
    (
        given("order", "cameras: {commune: '57463'}", "perimeter: [[6, 49], [7, 50], [7, 49], [6, 50]]"),
        "spec.perimeter[2]",
        "crosses",
    ),
    (
        given("order", "number: a", "number: a, recipients: [ville, polic]"),
        "spec.recipients[1]",
        'did you mean "police"?',
    ),
    (
        given(
            "order",
            "number: a",
            "number: a, break_glass: {reason: r, from: 2026-01-01T00:00:00Z, until: 2026-02-02T00:00:00Z}",
        ),
        "spec.break_glass.until",
        "31 days",
    ),
    (given("share", "from: ville", "from: vile"), "spec.from", 'did you mean "ville"?'),
    (given("share", "to: police", "to: ville"), "spec.to", "the same as from"),
    (given("share", "rights: [live]", "rights: [ptz], ptz_rank: 3"), "spec.rights", "ptz without live"),
    (given("share", "rights: [live]", "rights: [live, ptz]"), "spec.ptz_rank", "missing beside ptz"),
    (given("share", "rights: [live]", "rights: [life]"), "spec.rights[0]", 'found "life"'),
    (given("share", "rights: [live]", "rights: [live], windows: ['Mo-Fri 07:00-19:00']"), "spec.windows", "not days"),
    (given("share", "rights: [live]", "rights: [live], zone: Europe/Pari"), "spec.zone", "Europe/Paris"),
    (given("share", "rights: [live]", "rights: [live], until_date: 2025-12-31"), "spec.until_date", "not after"),
    (
        given("share", "rights: [live]", "rights: [live], default_purpose: x"),
        "default_purpose",
        "right would be inquiry",
    ),
    (given("share", "rights: [live]", "rights: [live], extra_masks: school"), "spec.extra_masks", "no MaskSet"),
    (given("share", "rights: [live]", "rights: [live], posts: [dek]"), "spec.posts[0]", 'did you mean "desk"?'),
    (document("Opening", "conventions: [shar], event: e, motive: m, from: '2026-01-01T00:00:00Z'"), "[0]", '"share"?'),
    (
        document("Opening", "conventions: [share], event: e, motive: ' ', from: '2026-01-01T00:00:00Z'"),
        "motive",
        "blank",
    ),
    (
        document("Opening", "conventions: [share], event: e, motive: m, from: 2026-01-01"),
        "spec.from",
        "without its zone",
    ),
    (
        document(
            "WatchOrder",
            "organisation: police, reference: r, persons: [lee], cameras: [place], from: "
            "'2026-01-01T00:00:00Z', until: '2026-01-02T00:00:00Z'",
        ),
        "spec.persons[0]",
        'did you mean "lea"?',
    ),
    (
        document(
            "WatchOrder",
            "organisation: police, reference: r, persons: [lea], cameras: [place], sector: [3, 1, 0, 1],"
            " from: '2026-01-01T00:00:00Z', until: '2026-01-02T00:00:00Z'",
        ),
        "spec.sector",
        "no sector",
    ),
    (document("Approval", f"{APPROVAL}, given_by: lea, fingerprint: {'0' * 64}"), "spec.given_by", "a second person"),
    (document("Approval", f"{APPROVAL}, given_by: max, fingerprint: {'0' * 64}"), "spec.given_by", 'no Agent "max"'),
    (document("Approval", f"{APPROVAL}, given_by: max, fingerprint: abc"), "spec.fingerprint", "64 hexadecimal"),
]


@pytest.mark.parametrize(("documents", "field", "what"), WRONG, ids=[f"{w[1]}: {w[2]}" for w in WRONG])
def test_every_mistake_names_line_field_and_what_is_right(
    load: Load, documents: list[str], field: str, what: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(*documents)
    problems = caught.value.problems
    assert any(p.line == SPEC and p.field.endswith(field) and what in p.what for p in problems), list(
        map(str, problems)
    )


def test_the_good_ones_are_good(load: Load) -> None:
    town = load(*GOOD.values())
    assert [item.object.name for item in town.rules] == ["ville", "police", "homes", "desk", "order", "share"]
    assert len(list(town.objects())) == len(GOOD)


def test_dwellings_are_shared_at_events_only(load: Load) -> None:
    standing = GOOD["share"].replace("from: ville", "from: homes").replace("trigger: opening", "trigger: standing")
    with pytest.raises(ConfigurationError, match="L-23") as caught:
        load(standing, *(text for key, text in GOOD.items() if key != "share"))
    assert (caught.value.problems[0].line, caught.value.problems[0].field) == (3, "Convention share spec.trigger")


def test_an_address_is_at_one_post(load: Load) -> None:
    other = "kind: Post\nname: wall\nspec: {organisation: ville, addresses: ['::1', 10.0.1.0/24, 10.0.0.0/28]}\n"
    with pytest.raises(ConfigurationError) as caught:
        load(*GOOD.values(), other)
    [problem] = caught.value.problems
    assert (problem.field, problem.what.split(";")[0]) == (
        "Post wall spec.addresses[2]",
        "10.0.0.0/28 is of the Post desk already (10.0.0.1/32)",
    )


def test_an_opening_opens_conventions_that_wait_for_one(load: Load) -> None:
    opening = (
        "kind: Opening\nname: o\nspec: {conventions: [share], event: e, motive: m, from: '2026-01-01T00:00:00Z'}\n"
    )
    load(opening, *GOOD.values())
    with pytest.raises(ConfigurationError, match="a standing convention"):
        load(opening, *given("share", "trigger: opening", "trigger: standing"))


def test_a_town_without_organisations_may_name_owners_freely(load: Load) -> None:
    town = load("kind: Camera\nname: c\nspec: {owner: anybody, streams: {main: {url: 'push:'}}}\n")
    assert town.cameras[0].object.spec.owner == "anybody"


def test_one_of_a_field_that_takes_a_list_or_one(load: Load) -> None:
    several = given("order", "commune: '57463'", "commune: ['57463', '57672'], regime: street")
    selector = load(*several).rules[0].object.spec.cameras
    assert (selector.commune, selector.regime) == (["57463", "57672"], "street")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_schema_that_says_what_is_right(kind: str) -> None:
    schema = KINDS[kind].model_json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    for definition in schema["$defs"].values():
        for name, field in definition.get("properties", {}).items():
            assert field.get("description"), f"{kind}: {name}"


def test_a_schema_takes_what_the_loader_takes(load: Load) -> None:
    for item in load(*GOOD.values()).rules:
        jsonschema.Draft202012Validator(KINDS[item.object.kind].model_json_schema()).validate(item.document.value)


def test_a_fingerprint_is_of_one_object_as_it_is(load: Load) -> None:
    share = load(*GOOD.values()).rules[-1].object
    assert fingerprint(share) == fingerprint(load(*GOOD.values()).rules[-1].object)
    assert fingerprint(share) == fingerprint(share.model_copy(update={"labels": {"a": "b"}}))
    changed = load(*given("share", "[inquiry]", "[inquiry, public-safety]")).rules[0].object
    assert len({fingerprint(share), fingerprint(changed), fingerprint(None)}) == 3
