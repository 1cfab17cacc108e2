"""YAML in, objects or a full list of problems out."""

from collections.abc import Callable
from pathlib import Path

import pytest

from vigie.policy import ConfigurationError, Town, load_town

SERVER = 'kind: Server\nname: here\nspec: {rtsp: [{listen: "127.0.0.1:8554", access: open}]}\n'
CAMERA = 'kind: Camera\nname: place\nspec: {streams: {main: {url: "rtsp://10.1.0.7/main"}}}\n'
Load = Callable[..., Town]
EXAMPLE = Path(__file__).parents[3] / "examples" / "town.yaml"


def stream(fields: str) -> str:
    return f"kind: Camera\nname: c\nspec:\n  streams:\n    main:\n      {{{fields}}}\n"


def spec(kind: str, fields: str) -> str:
    return f"kind: {kind}\nname: c\nspec:\n  {{{fields}}}\n"


URL = 'url: "rtsp://h/"'
# document, line, tail of the field, part of the text
WRONG = [
    ("kind: Camra\nname: c\n", 1, "kind", 'did you mean "Camera"?'),
    ("name: c\n", 1, "", "no kind"),
    ("- a\n- b\n", 1, "", "not an object"),
    ("kind: Camera\nspec: {streams: {main: {url: 'rtsp://h/'}}}\n", 1, "name", "missing"),
    ("kind: Camera\nname: c\n", 1, "spec", "missing"),
    ("kind: Camera\nname: c\nspec:\n", 3, "spec", "found nothing; right would be a mapping"),
    ("kind: Camera\nname: a/b\nspec: {streams: {main: {url: 'rtsp://h/'}}}\n", 2, "name", "not a name"),
    ("kind: Camera\nname: 101\nspec: {streams: {main: {url: 'rtsp://h/'}}}\n", 2, "name", "put it in quotes"),
    ("kind: Camera\nname: c\nname: d\n", 3, "", "stands twice, first in line 2"),
    ("kind: Camera\nname: c\nmetadata: {}\nspec: {streams: {m: {url: 'rtsp://h/'}}}", 3, "metadata", "unknown field"),
    ("kind: Camera\nname: c\nspec: {streams: [\n", 4, "", "not well-formed YAML"),
    ("kind: Camera\nname: !!python/object:os.system c\n", 2, "", "has no place here"),
    (
        "kind: Camera\nname: c\nspec: {streams: {}}\n",
        3,
        "spec.streams",
        "found a mapping; right would be a mapping such",
    ),
    (stream("ulr: x"), 6, "spec.streams.main.ulr", 'unknown field; did you mean "url"?'),
    (stream("transport: tcp"), 5, "spec.streams.main.url", "missing; right would be rtsp(s)://"),
    (stream('url: "ftp://h/"'), 6, "spec.streams.main.url", "rtsp(s)://host/path"),
    (stream('url: "rtsp://ops:s3cret@h/"'), 6, "spec.streams.main.url", "username and password"),
    (stream('url: "rtsp://h/", backup_url: "rtsp://ops:s3cret@h/"'), 6, "main.backup_url", "username and password"),
    (stream('url: "rtsp://h/", backup_url: "file:x"'), 6, "main.backup_url", "not a URL that can be used"),
    (stream('url: "rtsp://h:0/"'), 6, "main.url", "65535"),
    (stream('url: "rtsp:///x"'), 6, "main.url", "no host"),
    (stream('url: "rtsp:/h/x"'), 6, "main.url", "not a URL that can be used"),
    (stream('url: "file://host/x"'), 6, "main.url", "not a file of this machine"),
    (
        stream(f"{URL}, transport: tpc"),
        6,
        "main.transport",
        'found "tpc"; right would be auto, tcp, udp, http or multicast',
    ),
    (stream(f"{URL}, pull: true"), 6, "main.pull", "found true; right would be always or on_demand"),
    (stream(f"{URL}, password: 'env:X'"), 6, "main.password", "without username"),
    (stream(f"{URL}, username: u, password: 73571357"), 6, "main.password", "put it in quotes"),
    (stream(f"{URL}, username: u, password: 'env:ABSENT'"), 6, "main.password", "ABSENT is not set"),
    (stream(f"{URL}, username: u, password: 'file:absent'"), 6, "main.password", "cannot be read"),
    (stream(f"{URL}, username: u, password: 'env:'"), 6, "main.password", "is not set"),
    (stream(f"{URL}, username: 'u:v'"), 6, "main.username", "colon"),
    (stream('url: "sdp://host/x.sdp"'), 6, "main.url", "not a file of this machine; right would be sdp:path"),
    (stream('url: "sdp:"'), 6, "main.url", "empty"),
    (stream('url: "sdp:file:x.sdp"'), 6, "main.url", "two kinds in one"),
    (stream('url: "sdp:x.sdp", username: u'), 6, "main.username", "beside a sdp url"),
    (stream('url: "rtsps://h/", transport: multicast'), 6, "main.transport", "rtsps cannot encrypt"),
    (stream('url: "rtsp://h/", interface: eth1'), 6, "main.interface", "only for multicast"),
    (stream('url: "sdp:x.sdp", interface: "eth 1"'), 6, "main.interface", "not the name of a network interface"),
    (stream("url: 'push:', username: u"), 6, "main.username", "beside a push url"),
    (stream("url: clip.mp4, backup_url: 'rtsp://h/'"), 6, "main.backup_url", "beside a file url"),
    (stream(f"{URL}, silence_s: 0"), 6, "main.silence_s", "found 0; right would be seconds, 0.1 to 3600"),
    (stream(f"{URL}, silence_s: '5'"), 6, "main.silence_s", 'found "5"; right would be seconds'),
    (stream(f"{URL}, silence_s: .nan"), 6, "main.silence_s", "right would be seconds"),
    (stream(f"{URL}, tls_ca: absent.pem"), 6, "main.tls_ca", "cannot be read"),
    (stream(f'{URL}, title: "a\\nb"'), 6, "main.title", "unknown field"),
    (spec("Camera", f"privacy: clear, streams: {{main: {{{URL}}}}}"), 4, "privacy_reason", "needs the reason"),
    (spec("Camera", f"privcy: clear, streams: {{main: {{{URL}}}}}"), 4, "spec.privcy", 'did you mean "privacy"?'),
    (
        spec("Camera", f"privacy: public, streams: {{main: {{{URL}}}}}"),
        4,
        "spec.privacy",
        "clear, masked, masked_at_source or",
    ),
    (spec("Camera", f"commune: 57463, streams: {{main: {{{URL}}}}}"), 4, "spec.commune", "found 57463, a number"),
    (spec("Camera", f"azimuth: 400, streams: {{main: {{{URL}}}}}"), 4, "spec.azimuth", "0 to 360"),
    (spec("Camera", f"streams: {{a/b: {{{URL}}}}}"), 4, "spec.streams.a/b", "not a name"),
    (spec("Server", "rtsp: []"), 4, "spec.rtsp", "right would be a list such as"),
    (spec("Server", "rtsp: [{listen: 'example.org:8554'}]"), 4, "spec.rtsp[0].listen", "not an address to listen on"),
    (spec("Server", "rtsp: [{listen: '0.0.0.0:8554', access: open}]"), 4, "spec.rtsp[0].access", "trusted: true"),
    (spec("Server", "rtsp: [{listen: '0.0.0.0:8554'}]"), 4, "spec.rtsp[0].listen", "cleartext"),
    (spec("Server", "rtsp: [{listen: '[::]:1', tls: {certificate: c, key: k}}]"), 4, "tls.key", "cannot be read"),
    (
        spec("Server", "rtsp: [{listen: '[::]:1', tls: {certificate: c}}]"),
        4,
        "tls.key",
        "missing; right would be a PEM",
    ),
    (spec("Server", "rtsp: [{listen: '127.0.0.1:1', dscp: 64}]"), 4, "rtsp[0].dscp", "from 0 to 63"),
    (spec("Server", "rtsp: [{listen: '127.0.0.1:1'}], limits: {sesions: 1}"), 4, "sesions", 'did you mean "sessions"?'),
    (spec("Agent", "password: 'x', cameras: all"), 4, "spec.cameras", 'or "*" for all'),
    (spec("Agent", "password: 'x', cameras: [plce]"), 4, "spec.cameras[0]", 'did you mean "place"?'),
    (spec("Agent", "password: 'x', cameras: ['*', place]"), 4, "spec.cameras", "alone"),
    (spec("Agent", "password: 'x', cameras: '*', until: 2026-12-31"), 4, "spec.until", "without its zone"),
    (spec("Agent", "password: 'x', cameras: '*', until: soon"), 4, "spec.until", "not a time"),
    (spec("Agent", "cameras: '*'"), 3, "spec.password", "missing; right would be env:NAME"),
    (spec("Agent", "password: 73571357, cameras: '*'"), 4, "spec.password", "put it in quotes"),
]


@pytest.mark.parametrize(("document", "line", "field", "what"), WRONG, ids=[f"{w[2]}: {w[3]}" for w in WRONG])
def test_every_mistake_names_line_field_and_what_is_right(
    load: Load, tmp_path: Path, document: str, line: int, field: str, what: str
) -> None:
    (tmp_path / "good.yaml").write_text(f"{SERVER}---\n{CAMERA}", encoding="utf-8")
    (tmp_path / "town.yaml").write_text(document, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_town([tmp_path], {})
    hits = [
        problem
        for problem in caught.value.problems
        if problem.line == line and problem.field.endswith(field) and what in problem.what
    ]
    assert hits, [str(problem) for problem in caught.value.problems]
    assert all(problem.file.endswith("town.yaml") for problem in caught.value.problems)
    for secret in ("s3cret", "73571357"):
        assert secret not in str(caught.value)
        assert not any(secret in str(problem) for problem in caught.value.problems)


def test_all_mistakes_of_a_run_are_listed(load: Load) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(SERVER.replace("listen", "lisen"), stream("ulr: x"), "kind: Nothing\n")
    assert [(problem.line, problem.what.split(";")[0]) for problem in caught.value.problems] == [
        (3, "unknown field"),
        (3, "missing"),
        (9, "missing"),
        (10, "unknown field"),
        (12, 'unknown kind "Nothing"'),
    ]


def test_same_name_twice_says_where_the_first_one_is(load: Load) -> None:
    with pytest.raises(ConfigurationError, match=r"town.yaml:6") as caught:
        load(SERVER, CAMERA, CAMERA)
    assert caught.value.problems[0].line == 10


def test_a_server_and_a_camera_may_share_a_name(load: Load) -> None:
    town = load(SERVER, CAMERA.replace("place", "here"))
    assert town.cameras[0].object.name == town.servers[0].object.name == "here"


def test_secrets_come_from_environment_and_files_and_show_nowhere(load: Load, tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("from-file\n", encoding="utf-8")
    town = load(
        SERVER,
        CAMERA,
        stream("url: 'rtsp://h/', username: u, password: 'file:pw'"),
        spec("Agent", "password: 'env:POST', cameras: [c]").replace("name: c", "name: a"),
        POST="from-environment",
    )
    assert town.cameras[1].secrets == {("spec", "streams", "main", "password"): "from-file"}
    assert town.agents[0].secrets == {("spec", "password"): "from-environment"}
    assert not town.warnings or all("clear" not in warning.what.split(";")[0] for warning in town.warnings)
    for text in (repr(town), str(town.agents[0].object)):
        assert "from-file" not in text
        assert "from-environment" not in text


def test_a_password_in_clear_is_warned_about_once_a_file_and_not_shown(load: Load) -> None:
    town = load(
        SERVER,
        stream("url: 'rtsp://h/', username: u, password: 'hunter2'"),
        spec("Agent", "password: 'hunter3', cameras: [c]"),
    )
    warnings = [str(warning) for warning in town.warnings if "password in clear" in warning.what]
    assert len(warnings) == 1
    assert "1 more" in warnings[0]
    assert "hunter" not in repr(town) + "".join(map(str, town.warnings))


def test_what_is_withheld_is_said(load: Load) -> None:
    town = load(SERVER, CAMERA, CAMERA.replace("place", "b").replace("{streams", "{privacy: masked, streams"))
    assert [warning.what.split(":")[0].split(",")[0] for warning in town.warnings] == ["withheld", "masked"]


def test_a_missing_clip_is_a_warning(load: Load, tmp_path: Path) -> None:
    assert any("gone.mp4" in warning.what for warning in load(SERVER, stream("url: gone.mp4")).warnings)
    (tmp_path / "here.mp4").write_bytes(b"x")
    assert not any("here.mp4" in warning.what for warning in load(SERVER, stream("url: here.mp4")).warnings)


def test_yaml_1_1_surprises_stay_text(load: Load) -> None:
    town = load(SERVER, spec("Camera", f"title: 12:30, site: no, owner: 2026-01-01, streams: {{on: {{{URL}}}}}"))
    camera = town.cameras[0].object.spec
    assert (camera.title, camera.site, camera.owner, list(camera.streams)) == ("12:30", "no", "2026-01-01", ["on"])


def test_anchors_and_merges(load: Load) -> None:
    document = (
        "kind: Camera\nname: c\nspec:\n  streams:\n"
        "    main: &base {url: 'rtsp://h/a', silence_s: 2}\n    sub: {<<: *base, url: 'rtsp://h/b'}\n"
    )
    streams = load(SERVER, document).cameras[0].object.spec.streams
    assert (streams["sub"].url, streams["sub"].silence_s) == ("rtsp://h/b", 2)


@pytest.mark.parametrize(
    "text",
    [
        "a: &a ["
        + "x, " * 9
        + "]\n"
        + "".join(f"{chr(98 + i)}: &{chr(98 + i)} [" + f"*{chr(97 + i)}, " * 9 + "]\n" for i in range(9)),
        "a: &a [*a]\n",
        "[" * 200 + "]" * 200,
        "&a {<<: *a}\n",
    ],
    ids=["many aliases of aliases", "an alias of itself", "deep", "a merge of itself"],
)
def test_hostile_yaml_is_an_error_and_ends(load: Load, text: str) -> None:
    with pytest.raises(ConfigurationError):
        load(text)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "latin.yaml").write_bytes(b"kind: Camera\nname: \xe9\n")
    with pytest.raises(ConfigurationError) as caught:
        load_town([tmp_path / "absent.yaml", tmp_path / "empty", tmp_path / "latin.yaml"], {})
    assert [(problem.line, problem.what.split(":")[0].split(";")[0]) for problem in caught.value.problems] == [
        (0, "cannot be read"),
        (0, "a folder without any .yaml file"),
        (2, "not UTF-8"),
    ]


def test_a_folder_is_read_in_order_and_a_file_only_once(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text(CAMERA, encoding="utf-8")
    (tmp_path / "a.yml").write_text(CAMERA.replace("place", "first"), encoding="utf-8")
    (tmp_path / "notes.txt").write_text("not: yaml: at all", encoding="utf-8")
    town = load_town([tmp_path, tmp_path / "b.yaml"], {})
    assert [camera.object.name for camera in town.cameras] == ["first", "place"]


def test_the_example_is_right() -> None:
    town = load_town([EXAMPLE], {})
    assert [camera.object.name for camera in town.cameras] == ["place-armes-01", "rue-serpenoise-02"]
