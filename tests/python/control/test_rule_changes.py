"""Where an Organisation is declared, the roles in the objects say who may change which, whatever the key allows."""

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from vigie.control.parties import Party, TownRights
from vigie.control.store import Applied, Command, Store
from vigie.errors import ControlRefusedError
from vigie.policy import Town
from vigie.policy.fingerprint import fingerprint

from .conftest import LOCAL, SERVER, RecordingGate, camera, masks, yaml

NOW = datetime.fromisoformat("2026-06-01T12:00:00+02:00")
HELD = "habilitation: {reference: H-7, from: 2026-01-01, until: 2026-12-31, departments: ['57']}"
CITY = [
    SERVER,
    "kind: Organisation\nname: ville\nspec: {type: municipality, communes: ['57463']}\n",
    camera("hall", "owner: ville, privacy: masked, "),
    masks("m", "hall", 0.5),
]


def person(name: str, role: str, organisation: str = "ville") -> str:
    return f"kind: Agent\nname: {name}\nspec: {{organisation: {organisation}, roles: [{role}], {HELD}}}\n"


def installation(name: str, role: str = "administrator") -> str:
    return f"kind: Agent\nname: {name}\nspec: {{password: x, cameras: [], roles: [{role}]}}\n"


PEOPLE = [person("adm", "administrator"), person("sup", "supervisor"), person("op", "operator"), installation("local")]
Apply = Callable[..., Applied]


@pytest.fixture
def store(tmp_path: Path, gate: RecordingGate) -> Iterator[Store]:
    with Store(tmp_path / "state", gate=gate, environ={}) as opened:
        rights = TownRights(lambda: Town([], [], []), lambda: NOW)
        opened.set_parties(gate, rights, _NoLines())
        yield opened


class _NoLines:
    def append(self, line: Any) -> None: ...


@pytest.fixture
def apply(store: Store) -> Apply:
    def call(who: str, *documents: str, **options: Any) -> Applied:
        return store.apply(Command(by(who)), yaml(*documents), **options)

    return call


def by(who: str) -> Party:
    return LOCAL if who == "local" else Party(who, administrator=True)


def refusal(apply: Apply, who: str, *documents: str, **options: Any) -> str:
    with pytest.raises(ControlRefusedError) as refused:
        apply(who, *documents, **options)
    return str(refused.value)


def test_until_there_is_an_administrator_everybody_with_such_a_key_may_all(apply: Apply) -> None:
    apply("local", *CITY, person("op", "operator"))
    assert apply("stranger", camera("hall", "owner: ville, privacy: masked, number: 7, ")).rev == 2
    apply("local", person("adm", "administrator"))
    assert "local is nobody who may change anything" in refusal(apply, "local", camera("more"))


def test_without_an_organisation_roles_do_not_count(apply: Apply) -> None:
    apply("local", SERVER, installation("chief"))
    assert apply("stranger", camera("a")).rev == 2


def test_each_changes_what_is_his(apply: Apply, store: Store) -> None:
    apply("local", *CITY, *PEOPLE)
    renumbered = camera("hall", "owner: ville, privacy: masked, number: 7, ")
    organisation = "kind: Organisation\nname: police\nspec: {type: police}\n"
    for who, document, says in (
        ("local", renumbered, "Camera hall: it belongs to ville, not to the installation"),
        ("adm", organisation, "Organisation police: it belongs to the installation, not to ville"),
        ("op", renumbered, "op is no administrator"),
        ("nobody", renumbered, "nobody is nobody who may change anything"),
    ):
        for dry_run in (True, False):
            assert says in refusal(apply, who, document, dry_run=dry_run)
    assert store.state.rev == 1
    assert apply("adm", renumbered).rev == 2
    assert apply("local", organisation).rev == 3
    assert apply("nobody", organisation).rev == 3, "what changes nothing needs nothing"


def test_prune_delete_and_rollback_are_changes_too(apply: Apply, store: Store) -> None:
    apply("local", *CITY)
    apply("local", *PEOPLE)
    assert "it belongs to ville" in refusal(apply, "local", SERVER, prune=True)
    with pytest.raises(ControlRefusedError, match="op is no administrator"):
        store.delete(Command(by("op")), [("MaskSet", "m")])
    with pytest.raises(ControlRefusedError, match="it belongs to ville"):
        store.rollback(Command(LOCAL), 1)
    assert store.state.rev == 2


def test_a_mask_goes_with_a_second_persons_yes(apply: Apply, store: Store) -> None:
    apply("local", *CITY, *PEOPLE)
    delete = Command(by("adm")), [("MaskSet", "m")]
    with pytest.raises(ControlRefusedError) as refused:
        store.delete(*delete)
    assert "right would be an Approval (hide-less) by a second person of ville" in str(refused.value)
    assert f"with the fingerprint {fingerprint(None)}" in str(refused.value)
    assert refused.value.where == "MaskSet/m"
    approval = (
        "kind: Approval\nname: agreed\nspec: {kind: MaskSet, name: m, change: hide-less,"
        f" fingerprint: {fingerprint(None)},"
        " requested_by: adm, given_by: sup, given_at: '2026-06-01T11:00:00+02:00', reason: the flats are gone}\n"
    )
    assert "given and taken back by sup alone" in refusal(apply, "adm", approval)
    apply("sup", approval)
    assert store.delete(*delete).rev == 3


def test_nobody_gives_himself_a_role(apply: Apply) -> None:
    apply("local", *CITY, *PEOPLE)
    assert "sup is no administrator" in refusal(
        apply, "sup", person("sup", "administrator"), camera("hall", "owner: ville, privacy: masked, number: 7, ")
    )


def test_very_many_reasons_are_shortened(apply: Apply) -> None:
    apply("local", *CITY, *PEOPLE)
    says = refusal(apply, "op", *(camera(f"c{number}") for number in range(12)))
    assert says.count("op is no administrator") == 10
    assert "; and 2 more" in says


def test_an_administrator_whom_a_host_or_a_key_without_rights_names_changes_what_is_his(
    store: Store, apply: Apply
) -> None:
    """By whatever way he comes: spoken for by a trusted host, or by a key of his own."""
    apply("local", *CITY, *PEOPLE)
    store.set_parties(RecordingGate(), TownRights(store.town, lambda: NOW), _NoLines())
    ways = [lambda who: Party("host", trusted_host=True, on_behalf_of=who), Party]
    for number, way in enumerate(ways, 1):
        own = camera("hall", f"owner: ville, privacy: masked, number: {number}, ")
        assert store.apply(Command(way("adm")), yaml(own)).total == 1
        with pytest.raises(ControlRefusedError, match="it belongs to the installation, not to ville"):
            store.apply(Command(way("adm")), yaml(SERVER.replace("open", "digest")))
        for other in ("op", "sup", "nobody"):
            with pytest.raises(ControlRefusedError, match="is for administrators"):
                store.apply(Command(way(other)), yaml(own.replace(f"number: {number}", "number: 99")))
        for op in ("objects.history", "stats.get"):
            assert not TownRights(store.town, lambda: NOW).may(way("adm"), op, None).allowed


def test_without_organisations_only_the_key_counts(store: Store, apply: Apply) -> None:
    apply("local", SERVER, camera("a"), installation("chief"))
    rights = TownRights(store.town, lambda: NOW)
    assert not rights.may(Party("host", trusted_host=True, on_behalf_of="chief"), "objects.apply", None).allowed
