"""Sites: what a partner offers becomes cameras, and what it must not become."""

import json
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest

import vigie.schema
from vigie.policy import ConfigurationError, Inventory, Town, compile_snapshot
from vigie.policy.inventory import OfferedCamera, OfferedStream, clean
from vigie.policy.sites import plan_site

SERVER = 'kind: Server\nname: here\nspec: {rtsp: [{listen: "127.0.0.1:8554", access: open}]}\n'
Load = Callable[..., Town]


def site(fields: str = "", url: str = "http://10.9.0.1", name: str = "gare") -> str:
    return f'kind: Site\nname: {name}\nspec: {{url: "{url}"{fields and ", "}{fields}}}\n'


def offered(*tokens: str, host: str = "10.9.0.1", **more: Any) -> Inventory:
    return Inventory(
        "Acme",
        tuple(
            OfferedCamera(t, streams=(OfferedStream("main", f"rtsp://{host}/{n}"),), **more)
            for n, t in enumerate(tokens)
        ),
    )


def states(town: Town, inventory: Inventory) -> dict[str, str]:
    """Name or the reason why not, by token."""
    return {
        item.offered.token: item.name if item.camera else item.why or item.state
        for item in plan_site(town.sites[0], inventory)
    }


def test_an_offered_camera_becomes_one_of_ours(load: Load) -> None:
    fields = "username: ops, password: 'env:PW', transport: tcp, silence_s: 7, tls_verify: false, strict: [A8]"
    fields += ", privacy: clear, privacy_reason: platforms alone"
    town = load(SERVER, site(fields), PW="s3cret")
    camera = OfferedCamera(
        "VideoSource 1", "Quai\x00 1\n", 4, (OfferedStream("main", "rtsp://10.9.0.1:554/a?b=c", "H264", 1920, 1080),)
    )
    compiled = compile_snapshot(town, 3, None, {"gare": Inventory("Acme", (camera,))})
    jsonschema.Draft202012Validator(vigie.schema.policy_snapshot()).validate(compiled.snapshot)
    (made,) = compiled.snapshot["cameras"]
    assert (made["name"], made["title"], made["number"]) == ("gare.VideoSource-1", "Quai 1", 0), "numbers are theirs"
    assert (made["privacy"], made["privacy_reason"]) == ("clear", "platforms alone")
    (stream,) = made["streams"]
    assert (stream["url"], stream["pull"], stream["transport"]) == ("rtsp://10.9.0.1:554/a?b=c", "on_demand", "tcp")
    assert (stream["username"], stream["password"]) == ("ops", "s3cret")
    assert (stream["silence_limit_s"], stream["tls_verify"], stream["strict"]) == (7, False, ["A8"])
    assert compiled.notes == []
    assert "s3cret" not in repr(compiled) + repr(town) + repr(plan_site(town.sites[0], Inventory("", (camera,))))


def test_nothing_is_shown_without_a_decision(load: Load) -> None:
    town = load(SERVER, site("overrides: {b: {privacy: clear, privacy_reason: the square alone}}"))
    made = compile_snapshot(town, 1, None, {"gare": offered("a", "b")}).snapshot["cameras"]
    assert [camera["privacy"] for camera in made] == ["withheld", "clear"]
    town = load(SERVER, site("privacy: clear, privacy_reason: platforms, overrides: {b: {privacy: withheld}}"))
    made = compile_snapshot(town, 1, None, {"gare": offered("a", "b")}).snapshot["cameras"]
    assert [(camera["privacy"], camera["privacy_reason"]) for camera in made] == [
        ("clear", "platforms"),
        ("withheld", ""),
    ]
    with pytest.raises(ConfigurationError, match="missing; a camera shown without masks needs the reason"):
        load(SERVER, site("privacy: clear"))
    with pytest.raises(ConfigurationError, match="missing; a camera shown without masks needs the reason"):
        load(SERVER, site("privacy: clear, privacy_reason: x, overrides: {b: {privacy: clear}}"))


def test_overrides_of_one_camera(load: Load) -> None:
    own = "{b: {name: gate, title: The gate, number: 7, pull: always}}"
    town = load(SERVER, site(f"overrides: {own}"))
    a, b = compile_snapshot(town, 1, None, {"gare": offered("a", "b", title="theirs")}).snapshot["cameras"]
    assert (a["name"], a["title"], a["streams"][0]["pull"]) == ("gare.a", "theirs", "on_demand")
    assert (b["name"], b["title"], b["number"], b["streams"][0]["pull"]) == ("gare.gate", "The gate", 7, "always")


def test_which_cameras_are_chosen(load: Load) -> None:
    town = load(SERVER, site("cameras: ['quai-*', hall, absent]"))
    inventory = offered("quai-1", "quai-2", "hall", "office")
    assert states(town, inventory) == {
        "quai-1": "gare.quai-1",
        "quai-2": "gare.quai-2",
        "hall": "gare.hall",
        "office": "not chosen",
    }
    (note,) = compile_snapshot(town, 1, None, {"gare": inventory}).notes
    assert note.field == "Site gare spec.cameras[2]"
    assert "matches no camera" in note.what


def test_what_another_vigie_relays_itself_is_taken_only_when_named(load: Load) -> None:
    inventory = offered("place", "metz.place", "metz.hall")
    relay = "rtsp://10.9.0.1:8554/"
    assert states(load(SERVER, site("", relay)), inventory) == {
        "place": "gare.place",
        "metz.place": "not chosen",
        "metz.hall": "not chosen",
    }
    town = load(SERVER, site("cameras: ['*', 'metz.p*']", relay))
    assert states(town, inventory)["metz.place"] == "gare.metz.place"
    assert states(town, inventory)["metz.hall"] == "not chosen"
    assert states(load(SERVER, site()), inventory)["metz.place"] == "gare.metz.place", "a dot means nothing in ONVIF"


@pytest.mark.parametrize("turned", [False, True])
def test_names_never_hang_on_the_partners_order(load: Load, turned: bool) -> None:
    town = load(SERVER, site("overrides: {z: {name: x}}"))
    tokens = ["a b", "a-b", "c d", "c.d", "c?d", "e f", "e?f", "x", "z", "///", "é"]
    found = states(town, offered(*(reversed(tokens) if turned else tokens)))
    assert found["a-b"] == "gare.a-b", "a token that is the name itself keeps it"
    assert found["c.d"] == "gare.c.d"
    for loser in ("a b", "e f", "e?f", "c d", "c?d"):
        assert "another one would have the name" in found[loser], loser
        assert f'overrides: {{"{loser}": {{name: …}}}}' in found[loser]
    assert found["z"] == "gare.x", "what the file says goes before what a partner says"
    assert "another one" in found["x"]
    for nameless in ("///", "é"):
        assert "makes no name" in found[nameless]


def test_tokens_that_cannot_be(load: Load) -> None:
    town = load(SERVER, site())
    found = states(town, offered("twice", "good", "x" * 60, "twice", "y" * 65, "line\nbreak", ""))
    assert found["good"] == "gare.good"
    assert found["twice"] == "offered twice under one token"
    assert "makes no name" in found["x" * 60], "with the site's name it is too long"
    for token in ("y" * 65, "line\nbreak", ""):
        assert "not text of 1 to 64" in found[token]


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("file:/etc/passwd", "not an RTSP URL"),
        ("/etc/passwd", "not an RTSP URL"),
        ("http://169.254.169.254/latest", "not an RTSP URL"),
        ("push:", "not an RTSP URL"),
        ("rtsp://ops:s3cret@10.9.0.1/", "credentials inside the URL"),
        ("rtsp://10.9.0.1:99999/", "not a port"),
        ("rtsp://", "no host"),
        ("rtsp://h/a b", "a space"),
        ("rtsp://h/\r\nSession: 1", "a control character"),
        ("rtsp://h/" + "x" * 3000, "at most 2048"),
    ],
)
def test_urls_that_are_not_followed(load: Load, url: str, says: str) -> None:
    town = load(SERVER, site("privacy: clear, privacy_reason: x"))
    bad = OfferedCamera("bad", streams=(OfferedStream("main", url),))
    inventory = Inventory("", (bad, *offered("good").cameras))
    compiled = compile_snapshot(town, 1, None, {"gare": inventory})
    assert [camera["name"] for camera in compiled.snapshot["cameras"]] == ["gare.good"]
    (note,) = compiled.notes
    assert says in note.what
    assert note.field == "Site gare spec.cameras"
    assert "s3cret" not in note.what


def test_streams_that_cannot_be(load: Load) -> None:
    town = load(SERVER, site())
    url = "rtsp://10.9.0.1/"
    cameras = [
        OfferedCamera("none"),
        OfferedCamera("twin", streams=(OfferedStream("main", url), OfferedStream("main", url))),
        OfferedCamera("many", streams=tuple(OfferedStream(f"s{n}", url) for n in range(17))),
        OfferedCamera("name", streams=(OfferedStream("../../x\x1b[2J", url),)),
    ]
    found = states(town, Inventory("", tuple(cameras)))
    assert "at least 1" in found["none"]
    assert "one name" in found["twin"]
    assert "at most 16" in found["many"]
    assert "not a name" in found["name"]
    assert "\x1b" not in found["name"]


def test_credentials_go_to_the_partner_alone(load: Load) -> None:
    account = "username: ops, password: word"

    def compiled(fields: str, url: str) -> tuple[dict[str, Any], list[str]]:
        camera = OfferedCamera("a", streams=(OfferedStream("main", url),))
        made = compile_snapshot(load(SERVER, site(fields)), 1, None, {"gare": Inventory("", (camera,))})
        return made.snapshot["cameras"][0]["streams"][0], [note.what for note in made.notes]

    for near in ("rtsp://10.9.0.1/", "rtsp://10.9.0.1:1554/x", "rtsps://10.9.0.1"):
        stream, notes = compiled(account, near)
        assert (stream["username"], stream["password"], notes) == ("ops", "word", []), near
    for far in ("rtsp://10.9.0.2/", "rtsp://10.9.0.1.evil/", "rtsp://10.9.0.1\\.evil/", "rtsp://[fe80::1]/x"):
        stream, notes = compiled(account, far)
        assert (stream["username"], stream["password"]) == ("", ""), far
        assert "gets no credentials" in notes[0]
    stream, notes = compiled(account + ", credentials_for: [CAM-7.lan, 'fe80::1']", "rtsp://cam-7.LAN:554/x")
    assert (stream["password"], notes) == ("word", [])
    assert compiled(account + ", credentials_for: ['fe80::1']", "rtsp://[FE80::1]/x")[0]["password"] == "word"
    stream, notes = compiled(account + ", rewrite_host: true", "rtsp://192.168.1.7:1554/x?y=z#1")
    assert (stream["url"], stream["password"], notes) == ("rtsp://10.9.0.1:1554/x?y=z#1", "word", [])
    assert compiled("", "rtsp://10.9.0.2/")[1] == [], "without credentials there is nothing to say"


def test_rights_may_name_cameras_before_they_are_known(load: Load) -> None:
    agent = "kind: Agent\nname: p\nspec: {password: 'env:PW', cameras: [own, gare.hall, 'gare.quai-?', gare.hall]}\n"
    own = "kind: Camera\nname: own\nspec: {streams: {main: {url: 'push:'}}}\n"
    town = load(SERVER, site(), own, agent, PW="w")

    def rights(*tokens: str) -> Any:
        inventories = {"gare": offered(*tokens)} if tokens else {}
        return compile_snapshot(town, 1, None, inventories).snapshot["agents"][0]["cameras"]

    assert rights() == ["own"]
    assert rights("hall", "quai-1", "quai-22", "office") == ["own", "gare.hall", "gare.quai-1"]
    assert rights("office") == ["own"], "what has gone is nobody's"


@pytest.mark.parametrize(
    "entry", ["gar.hall", "gare.", "gare", "gare.ha ll", "gare.[ab]", "*.hall", "ga*.hall", "own.x"]
)
def test_rights_that_name_nothing(load: Load, entry: str) -> None:
    agent = f"kind: Agent\nname: p\nspec: {{password: 'env:PW', cameras: ['{entry}']}}\n"
    with pytest.raises(ConfigurationError, match="no camera"):
        load(SERVER, site(), agent, PW="w")


def test_a_pattern_of_one_site_is_not_anothers(load: Load) -> None:
    agent = "kind: Agent\nname: p\nspec: {password: 'env:PW', cameras: ['a.*']}\n"
    town = load(SERVER, site(name="a"), site(name="a-b"), agent, PW="w")
    made = compile_snapshot(town, 1, None, {"a": offered("x"), "a-b": offered("x")})
    assert made.snapshot["agents"][0]["cameras"] == ["a.x"]


def test_a_camera_of_ours_is_never_a_sites(load: Load) -> None:
    with pytest.raises(ConfigurationError) as raised:
        load(SERVER, site(), "kind: Camera\nname: gare.quai\nspec: {streams: {main: {url: 'push:'}}}\n")
    (problem,) = raised.value.problems
    assert "those of the Site gare" in problem.what
    assert problem.field == "Camera gare.quai name"
    load(SERVER, site(), "kind: Camera\nname: hall.quai\nspec: {streams: {main: {url: 'push:'}}}\n")


@pytest.mark.parametrize(
    ("fields", "url", "says"),
    [
        ("", "ftp://h/", "right would be rtsp"),
        ("", "rtsp://h/place", "a path in the URL"),
        ("", "http://h/x?y=1", "a query"),
        ("", "http://ops:s3cret@h/", "credentials inside the URL"),
        ("", "http://h:0/", "not a port"),
        ("password: 'env:PW'", "http://h/", "without username"),
        ("cameras: []", "http://h/", "cameras"),
        ("cameras: some", "http://h/", "all, or a list"),
        ("refresh_s: 0", "http://h/", "seconds, 1 to 86400"),
        ("max_cameras: 5000", "http://h/", "1 to 4096"),
        ("overrides: {a: {name: x}, b: {name: x}}", "http://h/", "the same name as of a"),
        ("overrides: {a: {nme: x}}", "http://h/", 'did you mean "name"'),
        ("tls_ca: absent.pem", "https://h/", "cannot be read"),
    ],
)
def test_mistakes_in_a_site(load: Load, fields: str, url: str, says: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        load(SERVER, site(fields, url), PW="w")
    assert says in "\n".join(map(str, raised.value.problems))
    assert "s3cret" not in "\n".join(map(str, raised.value.problems))


@pytest.mark.parametrize("name", ["a.b", "x" * 41, "-a"])
def test_names_that_no_site_has(load: Load, name: str) -> None:
    with pytest.raises(ConfigurationError, match="name"):
        load(SERVER, site(name=name))


def test_warnings(load: Load) -> None:
    def warned(fields: str) -> str:
        return "\n".join(map(str, load(SERVER, site(fields)).warnings))

    assert "nobody sees every camera of the site" not in warned("privacy: clear, privacy_reason: x")
    assert "withheld: nobody sees" in warned("")
    assert "no MaskSet names it: every camera of the site is covered" in warned("privacy: masked")
    assert "a password in clear" in warned("username: a, password: b")
    assert warned("overrides: {a: {privacy: clear, privacy_reason: x}}") == ""


def test_the_cores_complaint_leads_to_the_site(load: Load) -> None:
    town = load(SERVER, site())
    compiled = compile_snapshot(town, 1, None, {"gare": offered("a")})
    problem = compiled.problem("/cameras/0/streams/0/url", "wrong")
    assert problem is not None
    assert problem.field.startswith("Site gare")
    assert json.dumps(compiled.snapshot) == json.dumps(compile_snapshot(town, 1, None, {"gare": offered("a")}).snapshot)


def test_clean() -> None:
    assert clean(" a\x1b[2J\u202e  b\r\n") == "a [2J b"
    assert clean("x" * 1000, 10) == "x" * 10
