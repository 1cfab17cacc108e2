"""MaskSets in YAML: what is wrong with them, and what the core is told."""

from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

import vigie.schema
from vigie.policy import Compiled, ConfigurationError, Inventory, Town, compile_snapshot
from vigie.policy.inventory import OfferedCamera, OfferedStream

Load = Callable[..., Town]
SERVER = 'kind: Server\nname: here\nspec: {rtsp: [{listen: "127.0.0.1:8554", access: open}]}\n'
TRIANGLE = "[[0.1, 0.2], [0.4, 0.2], [0.4, 0.55]]"
REGION = f"{{name: flat-3, points: {TRIANGLE}}}"
WORLD = "{name: flat-3, space: world, points: [[-20, 5], [20, 5], [0, -30]]}"


def camera(fields: str = "privacy: masked", name: str = "place") -> str:
    return f"kind: Camera\nname: {name}\nspec: {{streams: {{main: {{url: 'push:'}}}}, {fields}}}\n"


def masks(fields: str = "", regions: str = REGION, name: str = "place", of: str = "place") -> str:
    more = f"{fields}, " if fields else ""
    return f"kind: MaskSet\nname: {name}\nspec:\n  {{camera: {of}, reason: dwellings, {more}regions: [{regions}]}}\n"


def region(fields: str) -> str:
    return f"{{name: flat-3, {fields}}}"


CLEAR = "privacy: clear, privacy_reason: x"
# camera, mask set, tail of the field, part of the text
WRONG = [
    (camera(), masks(of="plce"), "spec.camera", 'no camera "plce"; did you mean "place"?'),
    (camera(), masks(regions=""), "spec.regions", "right would be 1 to 256 regions"),
    (camera(), masks(regions=f"{REGION}, {REGION}"), "spec.regions[1].name", "the same name as of regions[0]"),
    (camera(), masks().replace("reason: dwellings, ", ""), "spec.reason", "missing; right would be text: why"),
    (camera(), masks().replace("dwellings", "' '"), "spec.reason", "blank"),
    (camera(), masks("revision: 0"), "spec.revision", "found 0; right would be a whole number"),
    (camera(), masks("version: a@b"), "spec.version", "not a name"),
    (camera(), masks("removal_reson: x"), "spec.removal_reson", 'did you mean "removal_reason"?'),
    (camera(), masks(regions=region("points: [[0, 0], [1, 1]]")), "regions[0].points", "found 2 points"),
    (camera(), masks(regions=region("points: [[0, 0], [1, 1], 5]")), "regions[0].points[2]", "found 5"),
    (camera(), masks(regions=region("points: [[0, 0], [1, 1], [0]]")), "regions[0].points[2]", "found a list"),
    (camera(), masks(regions=region("points: [[0, 0], [1, 1], [0, '1']]")), "points[2][1]", "a valid number"),
    (
        camera(),
        masks(regions=region("points: [[0, 0], [1, 1], [1, 0], [0, 1]]")),
        "spec.regions[0].points[2]",
        "the edge from point 2 (1, 0) to point 3 (0, 1) crosses or touches the edge from point 0 (0, 0) to point 1",
    ),
    (camera(), masks(regions=region("points: [[0, 0], [1, 0], [1, 1.5]]")), "points[2]", "outside the picture"),
    (camera(), masks(regions=region(f"points: {TRIANGLE}, fill: '#222'")), "regions[0].fill", '"#222"; right would be'),
    (camera(), masks(regions=region(f"points: {TRIANGLE}, fill: 202020")), "regions[0].fill", "put it in quotes"),
    (camera(), masks(regions=region(f"points: {TRIANGLE}, space: sky")), "regions[0].space", "picture or world"),
    (camera(), masks(regions=region(f"points: {TRIANGLE}, from: 2026-01-01")), "regions[0].from", "without its zone"),
    (camera(), masks(regions=region(f"points: {TRIANGLE}, form: x")), "regions[0].form", 'did you mean "from"?'),
    (
        camera(),
        masks(regions=region(f"points: {TRIANGLE}, from: '2026-01-01T02:00:00+01:00', until: '2026-01-01T01:00:00Z'")),
        "regions[0].until",
        "not after from",
    ),
    (
        camera(CLEAR),
        masks(),
        "spec.camera",
        "a camera that is clear; right would be privacy: masked there, or a version",
    ),
    (camera("privacy: masked_at_source"), masks("version: police"), "spec.version", "passed on"),
    (camera(), masks(regions=WORLD), "spec.regions[0].space", "the camera place has no dome"),
    (camera("privacy: masked_at_source, dome: {}"), masks(regions=WORLD), "regions[0].space", "right would be picture"),
    (camera("privacy: masked, dome: {max_speed: -1}"), masks(), "spec.dome.max_speed", "0 to 720"),
]


@pytest.mark.parametrize(("of", "document", "field", "what"), WRONG, ids=[f"{w[2]}: {w[3]}" for w in WRONG])
def test_every_mistake_names_field_and_what_is_right(load: Load, of: str, document: str, field: str, what: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(SERVER, of, document)
    problems = list(caught.value.problems)
    assert any(problem.field.endswith(field) and what in problem.what for problem in problems), problems
    assert all(problem.line > 0 for problem in problems)


def test_two_sets_of_one_picture_are_both_named(load: Load) -> None:
    second = masks(name="again")
    with pytest.raises(ConfigurationError) as caught:
        load(SERVER, camera(), masks(name="first"), second, masks("version: police", name="third"))
    (problem,) = caught.value.problems
    assert problem.field == "MaskSet again spec.camera"
    assert "the camera has the MaskSet first already" in problem.what
    assert "town.yaml:12)" in problem.what
    with pytest.raises(ConfigurationError, match="the version police has the MaskSet a already"):
        load(SERVER, camera(), masks("version: police", name="a"), masks("version: police", name="b"))


def test_the_watch_of_the_view_can_be_switched_off(load: Load) -> None:
    for fields, told in (("scene_watch: false", {"scene_watch": False}), ("scene_watch: true", {}), ("", {})):
        town = load(SERVER, camera(), masks(fields))
        compiled = valid(compile_snapshot(town, 7)).snapshot["cameras"][0]["masks"]
        assert {key: compiled[key] for key in compiled if key == "scene_watch"} == told


def test_more_versions_than_the_core_takes(load: Load) -> None:
    sets = [masks(f"version: v{index}", name=f"m{index}") for index in range(17)]
    with pytest.raises(ConfigurationError, match="more than 16 versions of the camera place"):
        load(SERVER, camera(), *sets)


def valid(compiled: Compiled) -> Compiled:
    jsonschema.Draft202012Validator(vigie.schema.policy_snapshot()).validate(compiled.snapshot)
    return compiled


def test_the_whole_of_it(load: Load) -> None:
    dated = f"{{name: w, reason: r, points: {TRIANGLE}, fill: '#0A0b0C', from: '2026-01-01T00:00:00+01:00'}}"
    town = load(
        SERVER,
        camera("privacy: masked, dome: {calibration_error: 1}"),
        masks("removal_reason: agreed", f"{WORLD}, {dated}"),
        camera(CLEAR, "other"),
        masks("version: police, revision: 40", name="for-police", of="other"),
        "kind: Agent\nname: a\nspec: {password: 'env:PW', cameras: [place, other@police]}\n",
        PW="p",
    )
    place, other = valid(compile_snapshot(town, 7)).snapshot["cameras"]
    assert place["masks"] == {
        "revision": 7,
        "reason": "dwellings",
        "removal_reason": "agreed",
        "regions": [
            {
                "name": "flat-3",
                "reason": "",
                "space": "world",
                "points": [[-20, 5], [20, 5], [0, -30]],
                "fill": "#202020",
            },
            {
                "name": "w",
                "reason": "r",
                "space": "picture",
                "points": [[0.1, 0.2], [0.4, 0.2], [0.4, 0.55]],
                "fill": "#0A0b0C",
                "from": "2025-12-31T23:00:00.000000Z",
            },
        ],
    }
    assert place["dome"]["calibration_error"] == 1
    assert place["dome"]["max_age_moving_s"] == 0.3
    assert "versions" not in place
    assert "masks" not in other
    assert [(version["name"], version["masks"]["revision"]) for version in other["versions"]] == [("police", 40)]


def revisions(compiled: Compiled) -> list[int]:
    (made,) = compiled.snapshot["cameras"]
    return [made["masks"]["revision"], *(version["masks"]["revision"] for version in made["versions"])]


def test_a_set_keeps_its_number_until_a_region_changes(load: Load) -> None:
    police = masks("version: police", name="p")
    first = compile_snapshot(load(SERVER, camera(), masks(), police), 3)
    assert revisions(first) == [3, 3]
    reworded = load(SERVER, camera(), masks().replace("dwellings", "flats"), police)
    assert revisions(compile_snapshot(reworded, 4, previous=first)) == [3, 3]
    larger = load(SERVER, camera(), masks().replace("0.55", "0.6"), police)
    second = compile_snapshot(larger, 5, previous=first)
    assert revisions(second) == [5, 3]
    # A declared number counts; the next one that is not declared is greater than it.
    declared = compile_snapshot(load(SERVER, camera(), masks("revision: 90"), police), 6, previous=second)
    assert revisions(declared) == [90, 3]
    assert revisions(compile_snapshot(larger, 7, previous=declared)) == [91, 3]
    assert revisions(compile_snapshot(larger, 1)) == [1, 1]


@pytest.mark.parametrize(
    ("pointer", "line", "field"),
    [
        ("/cameras/0/masks/removal_reason", 12, "MaskSet place spec.removal_reason"),
        ("/cameras/0/masks/regions/0/points/2", 12, "MaskSet place spec.regions[0].points[2]"),
        ("/cameras/0/versions/0/masks/revision", 16, "MaskSet p spec.revision"),
        ("/cameras/0/versions/0/name", 17, "MaskSet p spec.version"),
    ],
)
def test_the_cores_complaints_lead_back_to_the_file(load: Load, pointer: str, line: int, field: str) -> None:
    town = load(SERVER, camera(), masks("removal_reason: x"), masks("version: police", name="p"))
    problem = compile_snapshot(town, 1).problem(pointer, "wrong")
    assert problem is not None
    assert (problem.line, problem.field) == (line, field)


def test_what_a_server_forbids(load: Load) -> None:
    forbids = SERVER.replace("]}", "], limits: {allow_masked_at_source: false}}")
    town = load(forbids, camera("privacy: masked_at_source"), masks())
    with pytest.raises(ConfigurationError, match="which the Server here forbids; right would be masked"):
        compile_snapshot(town, 1)
    allowed = valid(compile_snapshot(load(SERVER, camera("privacy: masked_at_source"), masks()), 1))
    assert allowed.snapshot["cameras"][0]["privacy"] == "masked_at_source"


def test_only_a_camera_without_a_set_is_warned_about(load: Load) -> None:
    def warned(*documents: str) -> list[str]:
        return [warning.what for warning in load(SERVER, *documents).warnings]

    assert warned(camera(), masks()) == []
    assert warned(camera()) == ["masked, but no MaskSet names it: the camera is covered"]
    assert warned(camera(), masks("version: police")) == ["masked, but no MaskSet names it: the camera is covered"]
    assert len(warned(camera("privacy: withheld"), masks())) == 1


SITE = "kind: Site\nname: gare\nspec: {url: 'rtsp://10.9.0.2', PRIVACY}\n"


def inventory(*tokens: str) -> dict[str, Inventory]:
    cameras = (OfferedCamera(token, streams=(OfferedStream("main", "rtsp://10.9.0.2/a"),)) for token in tokens)
    return {"gare": Inventory("Acme", tuple(cameras))}


def test_sets_of_a_sites_cameras_wait_for_them(load: Load) -> None:
    agent = "kind: Agent\nname: a\nspec: {password: 'env:PW', cameras: ENTRIES}\n"
    documents = [
        SERVER,
        SITE.replace("PRIVACY", "privacy: masked"),
        masks(of="gare.hall"),
        masks("version: police", name="p", of="gare.hall"),
    ]

    def cameras_of(entries: str, *tokens: str) -> list[str]:
        town = load(*documents, agent.replace("ENTRIES", entries), PW="p")
        compiled = valid(compile_snapshot(town, 1, None, inventory(*tokens)))
        found: list[str] = compiled.snapshot["agents"][0]["cameras"]
        return found

    assert cameras_of('["gare.*"]') == []
    assert cameras_of('["gare.*"]', "hall", "quai") == ["gare.hall", "gare.quai"]
    assert cameras_of('["gare.*@police"]', "hall", "quai") == ["gare.hall@police"]
    assert cameras_of('["gare.*@*", gare.quai]', "hall", "quai") == ["gare.hall@police", "gare.quai"]
    assert cameras_of('["gare.hall@police"]', "hall") == ["gare.hall@police"]
    assert cameras_of('["gare.hall@police"]', "quai") == []
    town = load(*documents)
    made = compile_snapshot(town, 1, None, inventory("quai", "hall")).snapshot["cameras"]
    assert [("masks" in made_of, made_of["name"]) for made_of in made] == [(False, "gare.quai"), (True, "gare.hall")]


def test_a_sites_clear_camera_with_a_set_is_refused_once_it_is_known(load: Load) -> None:
    town = load(SERVER, SITE.replace("PRIVACY", CLEAR), masks(of="gare.hall"))
    compile_snapshot(town, 1)
    with pytest.raises(ConfigurationError, match="a camera that is clear"):
        compile_snapshot(town, 1, None, inventory("hall"))


def test_an_agents_version_must_be_declared(load: Load) -> None:
    agent = "kind: Agent\nname: a\nspec: {password: 'env:PW', cameras: [place@polise]}\n"
    with pytest.raises(ConfigurationError, match=r'no camera "place@polise"; did you mean "place@police"\?'):
        load(SERVER, camera(), masks("version: police"), agent, PW="p")


def test_a_folder_with_the_documents_in_any_order(load: Load, tmp_path: Path) -> None:
    town = load(masks(), SERVER, camera())
    assert town.mask_sets[0].folder == str(tmp_path)
    assert valid(compile_snapshot(town, 1)).snapshot["cameras"][0]["masks"]["regions"]
