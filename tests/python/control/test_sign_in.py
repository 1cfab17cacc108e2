"""Signing in: an OpenID provider and a directory (real servers on this machine), and the Agents' own passwords."""

import base64
import hmac
import json
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import trustme
import urllib3
import zmq
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from vigie.control import desk_ops, ops
from vigie.control.client import Client
from vigie.control.peers import Session
from vigie.control.signin import Attempt, RefusedError, UnreachableError
from vigie.control.signin.ldap import LdapBackend
from vigie.control.signin.limits import FREE, FREE_PLACE, LONGEST_S, MAX_KEPT, Limits, key_of_name, key_of_place
from vigie.control.signin.local import LocalBackend
from vigie.control.signin.oidc import OidcBackend
from vigie.errors import ControlRefusedError, ControlUnavailableError, LimitExceededError, NotFoundError
from vigie.policy.desk_objects import Ldap, Oidc

from .conftest import SERVER, agent, camera
from .served import Served
from .test_incidents import person
from .test_rights_on_the_wire import connect, keys_of
from .test_service import Raw, request

# The Agents' own passwords, and sessions.

TOWN = [
    SERVER,
    camera("a"),
    camera("b"),
    agent("jeanne", "right", "[a]"),
    agent("paul", "right too", "[b]"),
    agent("gone", "right", "[a]", ", until: '2026-01-01T00:00:00Z'"),
    agent("robot", "right", "[a]", ", machine: true"),
    agent("desk", "unused", "[]"),
    "kind: IdentityProvider\nname: own\nspec: {local: {}}\n",
]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    service = Served(tmp_path / "s", tcp=True)
    service.engine.states = {"a": "playing", "b": "playing"}
    service.service._handlers.desk.sessions.least_s = 0.0
    with Client(service.endpoint, timeout_s=20) as local:
        local.apply(yaml=[ops.YamlSource(text="---\n".join(TOWN))])
    yield service
    service.close()


def cameras(client: Client) -> set[str]:
    return {item.name for item in client.state(["Camera"]).items}


def own(user: str, password: str, **more: str) -> desk_ops.SignIn:
    return desk_ops.SignIn(user=user, password=password, **more)


def test_a_session_has_the_rights_of_whoever_signed_in_and_only_on_its_connection(served: Served) -> None:
    keys = keys_of(served, "desk")
    with connect(served, keys) as desk, connect(served, keys) as other:
        assert cameras(desk) == set()
        signed = desk.sign_in(own("jeanne", "right"))
        assert (signed.agent, signed.post) == ("jeanne", "")
        assert abs(signed.until_ns - time.time_ns() - 480 * 60 * 10**9) < 60 * 10**9
        assert cameras(desk) == {"a"}
        assert cameras(other) == set(), "another connection with the same key"
        desk.sign_in(own("paul", "right too"))
        assert cameras(desk) == {"b"}
        desk.sign_out()
        assert cameras(desk) == set()
        with pytest.raises(ControlRefusedError, match="nobody has signed in"):
            desk.sign_out()
    lines = [(line.op, line.party, line.on_behalf_of, line.code) for line in served.journal.lines[-4:]]
    assert lines == [
        ("session.sign_in", "desk", "jeanne", 0),
        ("session.sign_in", "desk", "paul", 0),
        ("session.sign_out", "desk", "paul", 0),
        ("session.sign_out", "desk", "", 907),
    ]
    kinds = [[record.kind for record in line.records] for line in served.journal.lines[-4:]]
    assert kinds == [["login"], ["login"], ["logout"], []]


def test_signing_in_narrows_an_administrator_too(served: Served) -> None:
    with Client(served.endpoint, timeout_s=10) as local:
        local.sign_in(own("jeanne", "right"))
        assert cameras(local) == {"a"}
        with pytest.raises(ControlRefusedError, match="administrators"):
            local.apply(yaml=[ops.YamlSource(text=camera("c"))])
        served.call(lambda: lapse(served))
        with pytest.raises(ControlRefusedError, match="the session is over"):
            local.apply(yaml=[ops.YamlSource(text=camera("c"))])
        assert local.ping().agent == "local"
        local.sign_in(own("jeanne", "right"))
        assert cameras(local) == {"a"}
        local.sign_out()
        assert local.apply(yaml=[ops.YamlSource(text=camera("c"))]).total == 1


def lapse(served: Served) -> None:
    for peer in served.service._peers.values():
        if peer.session is not None:
            peer.session = Session(peer.session.agent, 1, peer.session.post)


def test_events_are_those_of_whoever_signed_in_and_end_with_the_session(served: Served) -> None:
    with connect(served, keys_of(served, "desk")) as desk:
        desk.call("events.subscribe", {})
        desk.sign_in(own("jeanne", "right"))
        served.publish("stream_state", "a/main")
        assert desk._next_event(0.3) is None, "what it followed before was another's"
        desk.call("events.subscribe", {})
        served.publish("stream_state", "b/main")
        served.publish("stream_state", "a/main")
        event = desk._next_event(5)
        assert event is not None
        assert event.object == "a/main"
        served.call(lambda: lapse(served))
        served.publish("stream_state", "a/main")
        late = desk._next_event(0.3)
        assert late is None or late.kind == "heartbeat"


WRONG = [
    ("jeanne", "wr0ng"),
    ("jeanne", ""),
    ("nobody", "right"),
    ("", ""),
    ("gone", "right"),
    ("robot", "right"),
    ("jeanne\x00", "right"),
    ("../etc", "right"),
]


def test_every_refusal_reads_the_same(served: Served) -> None:
    says = set()
    with connect(served, keys_of(served, "desk")) as desk:
        for user, password in WRONG:
            with pytest.raises(ControlRefusedError) as refused:
                desk.sign_in(own(user, password))
            says.add(str(refused.value))
        assert len(says) == 1, says
        assert cameras(desk) == set()
    lines = served.journal.lines[-len(WRONG) :]
    assert {line.records[0].kind for line in lines} == {"login.refused"}
    named = {line.on_behalf_of for line in lines}
    assert named == {"", "jeanne", "gone", "robot"}, "what nobody is called may be a password: it is not written down"
    assert "wr0ng" not in repr(served.journal.lines)
    assert "etc" not in repr(served.journal.lines)


def test_a_password_stands_in_no_text() -> None:
    wanted = desk_ops.SignIn(user="jeanne", password="hush-hush", token="tok-en")
    assert "hush" not in repr(wanted)
    assert "tok-en" not in repr(wanted)
    assert "hush" not in repr(Attempt(password="hush-hush", token="x", nonce="y"))


def test_too_many_attempts_have_to_wait_whoever_is_meant(served: Served) -> None:
    with connect(served, keys_of(served, "desk")) as desk:
        for user in ("jeanne", "nobody"):
            for _ in range(FREE):
                with pytest.raises(ControlRefusedError):
                    desk.sign_in(own(user, "wrong"))
            with pytest.raises(LimitExceededError, match="too many attempts"):
                desk.sign_in(own(user, "right"))
        assert desk.sign_in(own("paul", "right too")).agent == "paul", "others go on"


def test_many_attempts_for_one_name_are_an_alarm(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vigie.control.signin.limits.FREE", 100)
    alarms = served.service._handlers.desk.alarms
    with connect(served, keys_of(served, "desk")) as desk:
        for user in ("jeanne", "nobody"):
            for _ in range(10):
                with pytest.raises(ControlRefusedError):
                    desk.sign_in(own(user, "wrong"))
    alarms.look()
    assert [(one.kind, one.object) for one in alarms.alarms() if one.kind == "sign_in_refused"] == [
        ("sign_in_refused", "jeanne")
    ]


def test_limits() -> None:
    limits, name, place = Limits(), key_of_name("own", "Jeanne"), key_of_place("10.0.0.1")
    assert name == key_of_name("own", "jeanne")
    for number in range(FREE):
        assert limits.wait_s((name, place), 100.0) == 0
        assert limits.failed((name, place), 100.0) == number + 1
    assert limits.wait_s((name,), 100.0) == 1.0
    assert limits.wait_s((name,), 101.0) == 0
    assert limits.wait_s((place,), 100.0) == 0, "where many people sit"
    for _ in range(40):
        limits.failed((name, place), 101.0)
    assert limits.wait_s((name,), 101.0) == LONGEST_S
    limits.worked(name)
    assert limits.wait_s((name,), 101.0) == 0
    assert limits.wait_s((place,), 101.0) > 0
    assert limits.wait_s((place,), 101.0 + 3600) == 0
    assert FREE_PLACE > FREE
    for number in range(MAX_KEPT + 10):
        limits.failed((f"name own {number}",), 200.0)
    assert len(limits._failures) == MAX_KEPT


def test_local_compares_whatever_there_is() -> None:
    backend = LocalBackend({"jeanne": "right", "empty": ""}.get)
    assert backend.check(Attempt("jeanne", "right")).subject == "jeanne"
    for user, password in (("jeanne", "Right"), ("empty", ""), ("nobody", "right"), ("jeanne", "right ")):
        with pytest.raises(RefusedError):
            backend.check(Attempt(user, password))


def test_a_provider_that_takes_long_keeps_the_session_and_nobody_else(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = LocalBackend.check

    def slow(self: LocalBackend, attempt: Attempt) -> Any:
        time.sleep(2.5)  # longer than a client of which there is nothing to remember is kept
        return check(self, attempt)

    monkeypatch.setattr(LocalBackend, "check", slow)
    with connect(served, keys_of(served, "desk")) as desk, Client(served.endpoint, timeout_s=10) as local:
        signing = threading.Thread(target=lambda: desk.sign_in(own("jeanne", "right")))
        signing.start()
        assert local.ping(timeout_s=1).agent == "local"
        signing.join(20)
        assert cameras(desk) == {"a"}


def test_a_req_socket_may_sign_in_too(served: Served) -> None:
    raw = Raw(served.endpoint, zmq.REQ)
    assert raw.ask(request("session.sign_in", {"user": "jeanne", "password": "right"})).ok
    (peer,) = served.call(lambda: [peer for peer in served.service._peers.values() if peer.session is not None])
    served.call(lambda: peer.probe("epoch", 1))
    assert raw.ask(request("ping", id=b"z" * 16)).id == b"z" * 16, "no heartbeat is taken for the answer"
    answer = raw.ask(request("state.get", {"kinds": ["Camera"]}, id=b"y" * 16))
    assert [item["name"] for item in answer.body["items"]] == ["a"]
    raw.close()


def test_two_places_are_an_alarm_and_a_post_is_where_the_client_stands(served: Served) -> None:
    documents = [
        "kind: Organisation\nname: ville\nspec: {type: police}\n",
        "kind: Post\nname: wall\nspec: {organisation: ville, addresses: [127.0.0.1]}\n",
        "kind: Post\nname: quay\nspec: {organisation: ville, addresses: [192.0.2.1]}\n",
        person("ann", "ville"),
    ]
    with Client(served.endpoint, timeout_s=10) as local:
        local.apply(yaml=[ops.YamlSource(text="---\n".join(documents))])
        alarms = served.service._handlers.desk.alarms
        with connect(served, keys_of(served, "desk")) as desk, connect(served, keys_of(served, "host")) as second:
            assert desk.sign_in(own("ann", "of-post")).post == "wall"
            with pytest.raises(ControlRefusedError, match="does not stand there"):
                second.sign_in(own("ann", "of-post", post="quay"))
            second.sign_in(own("ann", "of-post"))
            alarms.look()
            assert not [one for one in alarms.alarms() if one.kind == "foreign_login"], "one Post is one place"
            assert local.sign_in(own("ann", "of-post", post="quay")).post == "quay", (
                "this machine's user, who is trusted"
            )
            alarms.look()
            (alarm,) = [one for one in alarms.alarms() if one.kind == "foreign_login"]
            assert (alarm.object, alarm.text) == ("ann", "signed in at quay while signed in at wall")


def test_sessions_of_one_agent_are_bounded(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vigie.control.signed_in.PER_AGENT", 2)
    keys = keys_of(served, "desk")
    with connect(served, keys) as first, connect(served, keys) as second, connect(served, keys) as third:
        for client in (first, second, third):
            client.sign_in(own("jeanne", "right"))
        with pytest.raises(ControlRefusedError, match="the session is over"):
            cameras(first)
        assert cameras(second) == cameras(third) == {"a"}


def test_providers_are_named_and_chosen(served: Served) -> None:
    oidc = "kind: IdentityProvider\nname: far\nspec: {oidc: {issuer: 'https://127.0.0.1:1', client_id: vigie}}\n"
    with Client(served.endpoint, timeout_s=10) as local, connect(served, keys_of(served, "desk")) as desk:
        local.apply(yaml=[ops.YamlSource(text=oidc)])
        challenge = desk.challenge()
        assert [(item.name, item.way, item.issuer) for item in challenge.providers] == [
            ("far", "oidc", "https://127.0.0.1:1"),
            ("own", "local", ""),
        ]
        assert len(challenge.nonce) >= 32
        assert challenge.nonce != desk.challenge().nonce
        with pytest.raises(ControlRefusedError, match="right would be one of: far, own"):
            desk.sign_in(own("jeanne", "right"))
        with pytest.raises(ControlUnavailableError, match="far cannot be asked"):
            desk.sign_in(desk_ops.SignIn(provider="far", token="x.y.z"))
        assert desk.sign_in(own("jeanne", "right", provider="own")).agent == "jeanne"
        with pytest.raises(ControlRefusedError, match="administrators"):
            desk.call("stats.get", {})


# An OpenID provider: oidc-provider-mock, in a process of its own.


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(port)
        yield f"http://localhost:{port}"
    finally:
        process.kill()
        process.wait()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait_for(port: int) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail("the server did not come up")


def id_token(issuer: str, subject: str, nonce: str, client: str = "vigie") -> str:
    """The code flow, as a client's browser and a client do it."""
    pool = urllib3.PoolManager(retries=False)
    found = pool.request("GET", f"{issuer}/.well-known/openid-configuration").json()
    back = "http://localhost/back"
    query = {"response_type": "code", "client_id": client, "redirect_uri": back, "scope": "openid", "nonce": nonce}
    asked = f"{found['authorization_endpoint']}?{urllib.parse.urlencode(query)}"
    answer = pool.request("POST", asked, fields={"sub": subject}, encode_multipart=False, redirect=False)
    code = urllib.parse.parse_qs(urllib.parse.urlparse(answer.headers["location"]).query)["code"][0]
    fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": back}
    login = urllib3.make_headers(basic_auth=f"{client}:any")
    tokens = pool.request("POST", found["token_endpoint"], fields=fields, encode_multipart=False, headers=login)
    return str(tokens.json()["id_token"])


def test_a_token_of_a_real_provider(served: Served, issuer: str) -> None:
    spec = f"oidc: {{issuer: '{issuer}', client_id: vigie}}, agents: {{'marie@mairie.example': jeanne}}"
    with Client(served.endpoint, timeout_s=20) as local, connect(served, keys_of(served, "desk")) as desk:
        local.apply(yaml=[ops.YamlSource(text=f"kind: IdentityProvider\nname: idp\nspec: {{{spec}}}\n")])

        def sign_in(subject: str, nonce: str | None = None, client: str = "vigie") -> desk_ops.SignedIn:
            asked = desk.challenge().nonce if nonce is None else nonce
            token = id_token(issuer, subject, asked, client)
            return desk.sign_in(desk_ops.SignIn(provider="idp", token=token))

        assert sign_in("paul").agent == "paul"
        assert cameras(desk) == {"b"}
        signed = sign_in("marie@mairie.example")
        assert signed.agent == "jeanne", "by what the provider says of her"
        assert signed.until_ns <= time.time_ns() + 3_601 * 10**9, "no longer than the token"
        assert cameras(desk) == {"a"}
        for subject, nonce, client in (
            ("nobody", None, "vigie"),
            ("gone", None, "vigie"),
            ("paul", "made-up", "vigie"),
            ("paul", None, "other"),
        ):
            with pytest.raises(ControlRefusedError, match="another user, password or token"):
                sign_in(subject, nonce, client)
        token = id_token(issuer, "paul", desk.challenge().nonce)
        assert desk.sign_in(desk_ops.SignIn(provider="idp", token=token)).agent == "paul"
        with pytest.raises(ControlRefusedError):
            desk.sign_in(desk_ops.SignIn(provider="idp", token=token))  # the nonce has counted
        with pytest.raises(NotFoundError):
            local.get(ops.ObjectsGet(kind="Agent", name="marie@mairie.example"))


KEY = RSAKey.generate_key(2048, {"kid": "one"}, auto_kid=False)
OTHER = RSAKey.generate_key(2048, {"kid": "one"}, auto_kid=False)
SPEC = Oidc.model_validate({"issuer": "https://idp.example", "client_id": "vigie"})
NOW = 1_780_000_000


def claims(**more: Any) -> dict[str, Any]:
    given = {"iss": "https://idp.example", "aud": "vigie", "sub": "lea", "nonce": "n", "iat": NOW - 5, "exp": NOW + 300}
    return {name: value for name, value in (given | more).items() if value is not None}


def token_of(given: dict[str, Any], key: Any = KEY, algorithm: str = "RS256") -> str:
    return jwt.encode({"alg": algorithm, "kid": "one"}, given, key, algorithms=[algorithm])


class Provider:
    """Its two documents, as a test wants them; counts how often they are read."""

    def __init__(self, *keys: Any, **document: Any) -> None:
        self.keys = KeySet(list(keys or (KEY,))).as_dict(private=False)
        self.document = {"issuer": "https://idp.example", "jwks_uri": "https://idp.example/keys"} | document
        self.reads = 0

    def __call__(self, address: str) -> Any:
        self.reads += 1
        return self.document if address.endswith("openid-configuration") else self.keys


def check(token: str, provider: Provider | None = None, spec: Oidc = SPEC, nonce: str = "n") -> Any:
    backend = OidcBackend(spec, "/", provider or Provider())
    return backend.check(Attempt(token=token, nonce=nonce, now=NOW))


def test_a_good_token() -> None:
    said = check(token_of(claims()))
    assert (said.subject, said.until) == ("lea", NOW + 300)
    mail = SPEC.model_copy(update={"claim": "email"})
    assert check(token_of(claims(email="lea@a.example", email_verified=True)), spec=mail).subject == "lea@a.example"
    assert check(token_of(claims(aud=["vigie", "b"], azp="vigie"))).subject == "lea"
    without = SPEC.model_copy(update={"nonce": False})
    assert check(token_of(claims(nonce=None)), spec=without, nonce="").subject == "lea"


def by_hand(given: dict[str, Any], algorithm: str, sign: Callable[[bytes], bytes]) -> str:
    header, body = (json.dumps(part).encode() for part in ({"alg": algorithm, "kid": "one"}, given))
    signed = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in (header, body))
    return (signed + b"." + base64.urlsafe_b64encode(sign(signed)).rstrip(b"=")).decode()


def unsigned(given: dict[str, Any]) -> str:
    return by_hand(given, "none", lambda signed: b"")


def shared_secret(given: dict[str, Any]) -> str:
    """The old trick: the public key taken for the secret of HS256."""
    return by_hand(given, "HS256", lambda signed: hmac.digest(KEY.as_pem(private=False), signed, "sha256"))


BAD: list[tuple[str, Callable[[], str]]] = [
    ("another issuer", lambda: token_of(claims(iss="https://evil.example"))),
    ("another audience", lambda: token_of(claims(aud="other"))),
    ("several audiences, for another", lambda: token_of(claims(aud=["vigie", "other"], azp="other"))),
    ("several audiences, for nobody", lambda: token_of(claims(aud=["vigie", "other"]))),
    ("ended", lambda: token_of(claims(exp=NOW - 120))),
    ("without an end", lambda: token_of(claims(exp=None))),
    ("not yet", lambda: token_of(claims(nbf=NOW + 300))),
    ("issued later", lambda: token_of(claims(iat=NOW + 600))),
    ("another nonce", lambda: token_of(claims(nonce="m"))),
    ("no nonce", lambda: token_of(claims(nonce=None))),
    ("a nonce that is no text", lambda: token_of(claims(nonce=["n"]))),
    ("no subject", lambda: token_of(claims(sub=None))),
    ("a subject that is no text", lambda: token_of(claims(sub=7))),
    ("another's signature", lambda: token_of(claims(), OTHER)),
    ("no signature", lambda: unsigned(claims())),
    ("the public key as a secret", lambda: shared_secret(claims())),
    ("an algorithm that is not listed", lambda: token_of(claims(), KEY, "RS512")),
    ("cut", lambda: token_of(claims())[:-10]),
    ("nothing", lambda: ""),
    ("dots", lambda: "..."),
    ("text", lambda: "x" * 2000),
]


@pytest.mark.parametrize(("what", "make"), BAD, ids=[what for what, _ in BAD])
def test_a_bad_token(what: str, make: Callable[[], str]) -> None:
    with pytest.raises(RefusedError):
        check(make())


def test_a_challenge_has_to_be_there_and_an_address_verified() -> None:
    with pytest.raises(RefusedError, match="nonce"):
        check(token_of(claims()), nonce="")
    mail = SPEC.model_copy(update={"claim": "email"})
    for given in (claims(), claims(email="lea@a.example", email_verified=False), claims(email="")):
        with pytest.raises(RefusedError):
            check(token_of(given), spec=mail)


def test_keys_are_kept_and_read_again_when_a_token_names_another() -> None:
    clock = [0.0]
    provider = Provider()
    backend = OidcBackend(SPEC, "/", provider, lambda: clock[0])

    def good(key: Any) -> bool:
        try:
            return backend.check(Attempt(token=token_of(claims(), key), nonce="n", now=NOW)).subject == "lea"
        except RefusedError:
            return False

    assert good(KEY)
    assert good(KEY)
    assert provider.reads == 2, "the document and the keys, once"
    provider.keys = Provider(OTHER).keys
    assert not good(OTHER), "read a moment ago"
    clock[0] = 61.0
    assert good(OTHER), "the provider has changed its keys"
    assert not good(KEY)
    assert provider.reads == 4
    clock[0] = 4000.0
    assert good(OTHER)
    assert provider.reads == 6


@pytest.mark.parametrize(
    "document", [{"issuer": "https://evil.example"}, {"jwks_uri": "http://idp.example/keys"}, {"jwks_uri": 7}]
)
def test_a_provider_that_is_another(document: dict[str, Any]) -> None:
    with pytest.raises(UnreachableError):
        check(token_of(claims()), Provider(**document))
    broken = Provider()
    broken.keys = {"keys": "none"}  # type: ignore[assignment]
    with pytest.raises(UnreachableError):
        check(token_of(claims()), broken)


def test_a_provider_that_does_not_answer() -> None:
    spec = Oidc.model_validate({"issuer": f"http://127.0.0.1:{free_port()}", "client_id": "vigie"})
    with pytest.raises(UnreachableError, match="NewConnectionError"):
        OidcBackend(spec, "/").check(Attempt(token="x", nonce="n", now=NOW))


# A directory: OpenLDAP's slapd.

SLAPD = shutil.which("slapd") or next((path for path in ("/usr/sbin/slapd",) if Path(path).exists()), None)
LDIF = """dn: dc=example,dc=fr
objectClass: dcObject
objectClass: organization
o: example
dc: example

dn: ou=people,dc=example,dc=fr
objectClass: organizationalUnit
ou: people

dn: cn=vigie,dc=example,dc=fr
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: vigie
userPassword: searches

dn: uid=lea,ou=people,dc=example,dc=fr
objectClass: inetOrgPerson
uid: lea
cn: Lea
sn: L
mail: lea@csu.example
userPassword: secret of lea

dn: uid=two,ou=people,dc=example,dc=fr
objectClass: inetOrgPerson
uid: two
cn: Two
sn: T
mail: a@csu.example
mail: b@csu.example
userPassword: secret of two

dn: cn=twin 1,ou=people,dc=example,dc=fr
objectClass: inetOrgPerson
cn: twin 1
uid: twin
sn: T
userPassword: twin

dn: cn=twin 2,ou=people,dc=example,dc=fr
objectClass: inetOrgPerson
cn: twin 2
uid: twin
sn: T
userPassword: twin
"""
CONF = """include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {folder}/pid
TLSCertificateFile {folder}/cert.pem
TLSCertificateKeyFile {folder}/key.pem
TLSCACertificateFile {folder}/ca.pem
database mdb
suffix "dc=example,dc=fr"
rootdn "cn=admin,dc=example,dc=fr"
rootpw admin
directory {folder}/db
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="cn=vigie,dc=example,dc=fr" read by anonymous auth by * none
"""


class Directory:
    """A running slapd: its ports and its authority's file."""

    def __init__(self, plain: int, tls: int, ca: str) -> None:
        self.plain, self.tls, self.ca = plain, tls, ca

    def spec(self, **more: Any) -> Ldap:
        given = {
            "server": f"localhost:{self.tls}",
            "tls_ca": self.ca,
            "bind_dn": "cn=vigie,dc=example,dc=fr",
            "password": "env:X",
            "base": "ou=people,dc=example,dc=fr",
        }
        return Ldap.model_validate({name: value for name, value in (given | more).items() if value is not None})


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Directory]:
    if SLAPD is None:
        pytest.skip("needs OpenLDAP's slapd (Debian, Ubuntu: apt-get install slapd)")
    folder = tmp_path_factory.mktemp("ldap")
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    certificate.private_key_pem.write_to_path(str(folder / "key.pem"))
    certificate.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
    (folder / "db").mkdir()
    (folder / "slapd.conf").write_text(CONF.format(folder=folder))
    (folder / "data.ldif").write_text(LDIF)
    add = [SLAPD, "-T", "add", "-f", str(folder / "slapd.conf"), "-l", str(folder / "data.ldif")]
    subprocess.run(add, check=True, capture_output=True, timeout=60)
    plain, tls = free_port(), free_port()
    listens = f"ldap://127.0.0.1:{plain} ldaps://127.0.0.1:{tls}"
    log = (folder / "log").open("wb")
    process = subprocess.Popen([SLAPD, "-d", "0", "-f", str(folder / "slapd.conf"), "-h", listens], stderr=log)
    try:
        wait_for(plain)
        wait_for(tls)
        yield Directory(plain, tls, str(folder / "ca.pem"))
    finally:
        process.kill()
        process.wait()
        log.close()


def ask(spec: Ldap, user: str, password: str, account: str = "searches") -> str:
    return LdapBackend(spec, account, "/").check(Attempt(user, password)).subject


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
def test_a_real_directory(directory: Directory, tls: str) -> None:
    port = directory.tls if tls == "implicit" else directory.plain
    spec = directory.spec(server=f"localhost:{port}", tls=tls)
    assert ask(spec, "lea", "secret of lea") == "lea"
    assert ask(spec.model_copy(update={"attribute": "mail"}), "lea", "secret of lea") == "lea@csu.example"
    by_mail = spec.model_copy(update={"user_attribute": "mail"})
    assert ask(by_mail, "lea@csu.example", "secret of lea") == "lea"


REFUSED: Sequence[tuple[str, str]] = [
    ("lea", "wrong"),
    ("lea", ""),
    ("", "secret of lea"),
    ("nobody", "secret of lea"),
    ("*", "secret of lea"),
    ("le*", "secret of lea"),
    ("lea)(uid=*", "secret of lea"),
    ("lea\x00", "secret of lea"),
    ("twin", "twin"),
]


@pytest.mark.parametrize(("user", "password"), REFUSED)
def test_a_directory_refuses(directory: Directory, user: str, password: str) -> None:
    with pytest.raises(RefusedError):
        ask(directory.spec(), user, password)


def test_who_is_several_is_nobody(directory: Directory) -> None:
    with pytest.raises(RefusedError, match="no single mail"):
        ask(directory.spec(attribute="mail"), "two", "secret of two")


def test_a_directory_that_is_not_the_one(directory: Directory, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    for spec in (
        directory.spec(tls_ca=str(other)),
        directory.spec(tls_ca=None),
        directory.spec(server=f"127.0.0.1:{directory.tls}"),  # not the name in its certificate
        directory.spec(server=f"localhost:{free_port()}"),
        directory.spec(server=f"localhost:{directory.plain}"),  # no TLS there
    ):
        with pytest.raises(UnreachableError):
            ask(spec, "lea", "secret of lea")
    with pytest.raises(UnreachableError, match="account that searches"):
        ask(directory.spec(), "lea", "secret of lea", "wrong")
    with pytest.raises(RefusedError):
        ask(directory.spec(bind_dn=None, password=None), "lea", "secret of lea")  # nobody may search without an account


def test_signing_in_by_a_directory(served: Served, directory: Directory) -> None:
    spec = directory.spec()
    given: dict[str, Any] = {"server": spec.server, "tls_ca": spec.tls_ca, "bind_dn": spec.bind_dn, "base": spec.base}
    given |= {"password": "searches", "attribute": "mail"}
    of = {"ldap": given, "agents": {"lea@csu.example": "jeanne"}}
    provider = {"kind": "IdentityProvider", "name": "ad", "spec": of}
    with Client(served.endpoint, timeout_s=20) as local, connect(served, keys_of(served, "desk")) as desk:
        local.apply(objects=[provider])
        stored = local.get(ops.ObjectsGet(kind="IdentityProvider", name="ad"))[0].body["spec"]["ldap"]["password"]
        assert stored.startswith("state:"), "the account's password is kept apart"
        signed = desk.sign_in(desk_ops.SignIn(provider="ad", user="lea", password="secret of lea"))
        assert signed.agent == "jeanne"
        assert cameras(desk) == {"a"}
        with pytest.raises(ControlRefusedError, match="another user, password or token"):
            desk.sign_in(desk_ops.SignIn(provider="ad", user="lea", password="wrong"))
        assert cameras(desk) == {"a"}, "whoever had signed in before still sits there"
