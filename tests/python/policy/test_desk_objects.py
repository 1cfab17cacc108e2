"""The kinds of the desk and of evidence: every mistake is named; who may change them; the schema, and the page."""

import copy
import json
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest
import yaml
from typer.testing import CliRunner

import gen_objects
from vigie.cli.app import SchemaName, app
from vigie.policy import ConfigurationError, Town
from vigie.policy.alarm_kinds import ALARM_KINDS
from vigie.policy.changes import refused_changes
from vigie.policy.json_schema import objects_schema
from vigie.policy.objects import KINDS
from vigie.policy.world import World

from .small_city import HELD, NOON, agent, authorisation, camera, convention, made, ns

Load = Callable[..., Town]
BASE = [
    "kind: Server\nname: here\nspec: {rtsp: [{listen: '127.0.0.1:0', access: open}]}\n",
    "kind: Organisation\nname: ville\nspec: {type: municipality, communes: ['57463']}\n",
    "kind: Camera\nname: place\nspec: {owner: ville, streams: {main: {url: 'push:'}}}\n",
    "kind: Volume\nname: disk\nspec: {server: here, path: /srv/1, size_gib: 100}\n",
    "kind: Requisition\nname: r1\nspec: {organisation: ville, article: 60-1 CPP, requester: OPJ, service: PN,"
    " procedure: '1', cameras: [place], interval: {from: '2026-01-01T00:00:00Z', until: '2026-01-01T02:00:00Z'},"
    " received_at: '2026-01-02T00:00:00Z'}\n",
]
GOOD: dict[str, dict[str, Any]] = {
    "Incident": {
        "cameras": ["place"],
        "at": "2026-06-01T12:00:00Z",
        "motive": "a fight",
        "opened_by": "lea",
        "opened_at": "2026-06-01T12:01:00Z",
    },
    "Outlet": {"webhook": {"url": "https://a.example/x", "secret": "s"}, "kinds": ["camera_silent"]},
    "IdentityProvider": {"ldap": {"server": "a:636", "base": "ou=p", "bind_dn": "cn=v", "password": "s"}},
    "RecordingPolicy": {"cameras": {"owner": "ville"}, "retention_days": 30, "volumes": ["disk"]},
    "Volume": {"server": "here", "path": "/srv/1", "size_gib": 100},
    "Requisition": {
        "organisation": "ville",
        "article": "60-1 CPP",
        "requester": "OPJ",
        "service": "PN",
        "procedure": "1",
        "cameras": ["place"],
        "interval": {"from": "2026-01-01T00:00:00Z", "until": "2026-01-01T02:00:00Z"},
        "received_at": "2026-01-02T00:00:00Z",
        "answer": {"at": "2026-01-03T00:00:00Z", "by": "lea", "hashes": ["0" * 64]},
    },
    "Hold": {
        "organisation": "ville",
        "reference": "a",
        "requester": "OPJ",
        "reason": "inquiry",
        "cameras": ["place"],
        "interval": {"from": "2026-01-01T00:00:00Z", "until": "2026-01-01T02:00:00Z"},
        "set_at": "2026-01-02T00:00:00Z",
        "review_at": "2026-07-01T00:00:00Z",
        "requisition": "r1",
    },
}
MAIL = {"server": "a:25", "from": "a@b", "to": ["c@d"]}
OIDC = {"issuer": "https://a", "client_id": "v"}
WRONG: list[tuple[str, dict[str, Any], str, str]] = [
    ("Incident", {"cameras": []}, "spec.cameras", "a list of camera names"),
    ("Incident", {"motive": "  "}, "spec.motive", "in words"),
    ("Incident", {"before_s": 90_000}, "spec.before_s", "0 to 86400"),
    ("Incident", {"closed": {"by": "a", "at": "2026-01-01T00:00:00Z", "outcome": "x"}}, "spec.closed.at", "later"),
    ("Outlet", {"webhook": None}, "spec", "exactly one of the three"),
    ("Outlet", {"syslog": {}}, "spec", "exactly one of the three"),
    ("Outlet", {"kinds": ["camera_gone"]}, "spec.kinds", "right would be camera_silent"),
    ("Outlet", {"organisation": "vile"}, "spec.organisation", 'did you mean "ville"?'),
    ("Outlet", {"webhook": {"url": "http://a.example/x", "secret": "s"}}, "spec.webhook.url", "cleartext"),
    ("Outlet", {"webhook": {"url": "https://u:p@a.example/", "secret": "s"}}, "spec.webhook.url", "not an address"),
    ("Outlet", {"webhook": {"url": "https://a:99999/", "secret": "s"}}, "spec.webhook.url", "not a port"),
    ("Outlet", {"webhook": None, "syslog": {"transport": "udp"}}, "spec.syslog.server", "missing"),
    ("Outlet", {"webhook": None, "syslog": {"server": "a:1"}}, "spec.syslog.server", "without use"),
    ("Outlet", {"webhook": None, "syslog": {"tls_ca": "x"}}, "spec.syslog.tls_ca", "transport: tls"),
    ("Outlet", {"webhook": None, "mail": MAIL | {"server": "a"}}, "spec.mail.server", "host:port"),
    ("Outlet", {"webhook": None, "mail": MAIL | {"tls": "none"}}, "spec.mail.tls", "starttls"),
    ("Outlet", {"webhook": None, "mail": MAIL | {"username": "x"}}, "spec.mail.password", "both or none"),
    ("Outlet", {"webhook": None, "mail": MAIL | {"to": ["x"]}}, "spec.mail.to", "no e-mail address"),
    ("Outlet", {"webhook": None, "mail": MAIL | {"from": "a@b\r\nBcc: c@d"}}, "spec.mail.from", "control character"),
    ("IdentityProvider", {"local": {}}, "spec", "exactly one of the three"),
    ("IdentityProvider", {"agents": {"lea@a.example": "lae"}}, "spec.agents", 'no Agent "lae"'),
    ("IdentityProvider", {"ldap": None, "oidc": OIDC | {"issuer": "http://a"}}, "spec.oidc.issuer", "cleartext"),
    ("IdentityProvider", {"ldap": None, "oidc": OIDC | {"algorithms": ["HS256"]}}, "spec.oidc.algorithms", "RS256"),
    ("IdentityProvider", {"ldap": {"server": "a:636", "base": "o", "bind_dn": "x"}}, "spec.ldap.password", "both"),
    ("IdentityProvider", {"ldap": {"server": "a:636", "base": "o", "filter": "(a"}}, "spec.ldap.filter", "no filter"),
    ("IdentityProvider", {"ldap": {"server": "a:636", "base": "o", "tls": "none"}}, "spec.ldap.tls", "starttls"),
    ("RecordingPolicy", {"retention_days": 32}, "spec.retention_days", "1 to 31"),
    ("RecordingPolicy", {"minimum_fps": 5}, "spec.minimum_fps", "6 to 120"),
    ("RecordingPolicy", {"volumes": ["dsk"]}, "spec.volumes[0]", 'did you mean "disk"?'),
    ("RecordingPolicy", {"windows": ["Mo 25:00"]}, "spec.windows", "right would be"),
    ("Volume", {"path": "srv/1"}, "spec.path", "absolute path"),
    ("Volume", {"path": "/srv/../etc"}, "spec.path", "absolute path"),
    ("Volume", {"server": "her"}, "spec.server", 'did you mean "here"?'),
    ("Requisition", {"cameras": ["plac"]}, "spec.cameras[0]", 'did you mean "place"?'),
    ("Requisition", {"interval": {"from": "2026-01-02T00:00:00Z", "until": "2026-01-02T00:00:00Z"}}, "until", "later"),
    ("Requisition", {"answer": {"at": "2026-01-01T00:00:00Z", "by": "lea"}}, "spec.answer.at", "later"),
    ("Hold", {"review_at": "2026-01-02T00:00:00Z"}, "spec.review_at", "later"),
    ("Hold", {"requisition": "r2"}, "spec.requisition", "known are r1"),
]


def text(kind: str, spec: dict[str, Any]) -> str:
    given = {key: value for key, value in spec.items() if value is not None}
    return json.dumps({"kind": kind, "name": "new", "spec": given}) + "\n"


@pytest.mark.parametrize("kind", sorted(GOOD))
def test_what_is_right_is_taken_and_decides_nothing(load: Load, kind: str) -> None:
    town = load(*BASE, text(kind, GOOD[kind]))
    assert kind in {item.object.kind for item in town.others}
    plain = load("kind: Camera\nname: c\nspec: {streams: {main: {url: 'push:'}}}\n", text("Outlet", GOOD["Outlet"]))
    assert not plain.rules, "an outlet alone does not make objects decide who sees what"


@pytest.mark.parametrize(("kind", "change", "field", "right"), WRONG)
def test_what_is_wrong_says_where_and_what_would_be_right(
    load: Load, kind: str, change: dict[str, Any], field: str, right: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(text(kind, GOOD[kind] | change), *BASE)
    assert any(field in problem.field and right in problem.what for problem in refused.value.problems), str(
        refused.value
    )


@pytest.mark.parametrize("secret", ["webhook", "mail", "ldap"])
def test_no_secret_is_shown(load: Load, secret: str) -> None:
    spec: dict[str, Any] = {
        "webhook": GOOD["Outlet"] | {"webhook": {"url": "https://a.example/", "secret": "hush-hush"}},
        "mail": {"mail": MAIL | {"username": "u", "password": "hush-hush"}},
        "ldap": {"ldap": {"server": "a:636", "base": "o", "bind_dn": "x", "password": "hush-hush"}},
    }[secret]
    kind = "IdentityProvider" if secret == "ldap" else "Outlet"
    (item,) = [item for item in load(*BASE, text(kind, spec)).others if item.object.kind == kind]
    assert list(item.secrets.values()) == ["hush-hush"]
    assert "hush" not in repr(item) + repr(item.object)


# Who may change them.

CITY = World.of(
    [
        *[made("Organisation", name, type=kind) for name, kind in (("ville-a", "municipality"), ("police", "police"))],
        camera("square", regime="building"),
        camera("hall", regime="building"),
        authorisation(),
        convention(cameras={"names": ["square"]}, windows=["24/7"], rights=["live"], ptz_rank=None),
        agent("chief", "ville-a", roles=["administrator"], default_purpose="inquiry"),
        agent("ann", "ville-a", default_purpose="inquiry"),
        agent("clerk", "ville-a", roles=["requisition"]),
        agent("lea", "police"),
        agent("pol-chief", "police", roles=["administrator"], habilitation=HELD),
    ]
)


def incident(by: str, **spec: Any) -> Any:
    fields = GOOD["Incident"] | {"opened_by": by, "cameras": ["square"]}
    return made("Incident", "i", **(fields | spec))


def refusals(put: Any, by: str, before: World = CITY) -> list[str]:
    return [item.says for item in refused_changes(before, before.replacing([put]), by, ns(NOON))]


def test_an_incident_is_of_what_its_opener_may_see() -> None:
    assert refusals(incident("ann"), "ann") == []
    assert refusals(incident("lea"), "lea") == [], "a recipient, of a camera that is shared"
    (why,) = refusals(incident("lea", cameras=["square", "hall"]), "lea")
    assert "lea may not see live pictures of hall" in why
    assert "To ask" in why
    assert refusals(incident("lea"), "ann") == ["Incident i: it belongs to police, not to ville-a"]
    assert "opened_by: ann" in refusals(incident("bob"), "ann", CITY.replacing([agent("bob", "ville-a")]))[0]
    assert refusals(incident("clerk"), "clerk"), "no role that sees"


def test_an_incident_is_closed_and_not_rewritten() -> None:
    opened = CITY.replacing([incident("ann")])
    closed = {"by": "ann", "at": "2026-06-01T13:00:00Z", "outcome": "nothing"}
    assert refusals(incident("ann", closed=closed), "ann", opened) == []
    assert refusals(incident("ann", closed=closed | {"by": "chief"}), "chief", opened) == []
    assert refusals(incident("ann", closed=closed), "chief", opened), "in another's name"
    assert refusals(incident("ann", closed=closed), "lea", opened), "another organisation's"
    assert refusals(incident("ann", motive="something else", closed=closed), "ann", opened)
    again = opened.replacing([incident("ann", closed=closed)])
    assert refusals(incident("ann", closed=closed | {"outcome": "other"}), "ann", again)


@pytest.mark.parametrize("kind", ["Outlet", "IdentityProvider", "RecordingPolicy", "Requisition", "Hold"])
def test_other_objects_are_their_organisations(kind: str) -> None:
    item = made(kind, "x", **(GOOD[kind] | {"organisation": "ville-a"}))
    assert refusals(item, "chief") == []
    assert refusals(item, "ann")
    assert refusals(item, "pol-chief"), "another's administrator"
    assert (refusals(item, "clerk") == []) == (kind in ("Requisition", "Hold"))


# The schema of all kinds, and the page.

VALIDATOR = jsonschema.Draft202012Validator(objects_schema())


def test_the_schema_of_all_kinds_is_one_of_them() -> None:
    schema = objects_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert len(schema["oneOf"]) == len(KINDS)
    for definition in schema["$defs"].values():
        for name, field in definition.get("properties", {}).items():
            assert field.get("description"), name
    for document in map(yaml.safe_load, BASE):
        assert not list(VALIDATOR.iter_errors(document)), document
    for kind, spec in GOOD.items():
        document = {"kind": kind, "name": "new", "spec": spec}
        assert not list(VALIDATOR.iter_errors(document)), kind
        misspelt = copy.deepcopy(document)
        misspelt["spec"]["owners"] = "x"
        assert list(VALIDATOR.iter_errors(misspelt)), kind
    assert list(VALIDATOR.iter_errors({"kind": "Cammera", "name": "a", "spec": {}}))
    wrong_kind = {"kind": "Volume", "name": "new", "spec": GOOD["Hold"]}
    assert list(VALIDATOR.iter_errors(wrong_kind)), "kind and spec belong together"


@pytest.mark.parametrize("name", [member.value for member in SchemaName])
def test_vigie_schema_prints_each(name: str) -> None:
    result = CliRunner().invoke(app, ["schema", name])
    assert result.exit_code == 0
    jsonschema.Draft202012Validator.check_schema(json.loads(result.output))


def test_the_page_of_objects_is_current() -> None:
    assert gen_objects.PAGE.read_text(encoding="utf-8") == gen_objects.page(), "run tools/gen_objects.py"
    for kind in KINDS:
        assert f"\n## {kind}\n" in gen_objects.page()


def test_every_alarm_says_what_it_is() -> None:
    for name, kind in ALARM_KINDS.items():
        assert kind.says, name
