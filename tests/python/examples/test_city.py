"""The cities of `examples/city`: right, the same for the same seed, and their people may what the README says."""

import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from city import department, metropolis, small
from city.parts import Choice, City
from vigie.cli import app as cli
from vigie.policy import compile_snapshot, load_town
from vigie.policy.live_rights import live_rights
from vigie.policy.rights import decide
from vigie.policy.sharing_objects import Action
from vigie.policy.windows import ns_of
from vigie.policy.world import World

SCRIPT = Path(__file__).parents[3] / "examples" / "city" / "generate.py"
Builder = Callable[[City], City]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("metropolis")
    metropolis.build(City(Choice())).write(folder)
    return folder


@pytest.fixture(scope="module")
def world(written: Path) -> World:
    return World.of(load_town([written]).objects())


def generated(tmp_path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *options, "--out", str(tmp_path)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("options", [["small"], ["department", "--cameras", "60", "--communes", "12"]])
def test_what_is_written_passes_the_check(tmp_path: Path, options: list[str]) -> None:
    done = generated(tmp_path, *options)
    assert done.returncode == 0, done.stderr
    result = CliRunner().invoke(cli.app, ["check", "-f", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert "warning" not in result.output + result.stderr


def test_the_metropolis_has_what_was_promised(written: Path) -> None:
    result = CliRunner().invoke(cli.app, ["check", "-f", str(written)])
    assert (result.exit_code, "766 cameras" in result.output) == (0, True), result.output
    town = load_town([written])
    regimes = Counter(item.object.spec.regime == "street" for item in town.cameras)
    assert (regimes[True], regimes[False]) == (430, 336)
    communes = {item.object.spec.commune for item in town.cameras if item.object.spec.regime == "street"}
    assert len(communes) == 27
    types = {item.object.spec.type for item in town.rules if item.object.kind == "Organisation"}
    assert types == {
        "municipality", "police", "gendarmerie", "justice", "fire", "rail", "transit", "landlord", "venue",
        "prefecture", "shared-centre",
    }  # fmt: skip
    # Snapshots of it are made, masks and rights included.
    at = ns_of(datetime.fromisoformat("2026-06-01T12:00:00+02:00"))
    compiled = compile_snapshot(town, 1, None, {}, None, at)
    assert len(compiled.snapshot["cameras"]) == 766


NOON, NIGHT = "2026-06-01T12:00:00+02:00", "2026-06-01T23:00:00+02:00"  # a Monday
ANSWERS = [
    ("csu-05", "metz-place-de-la-mairie-01", "live", NOON, 0, "the owner"),
    ("csu-06", "la-maxe-place-de-la-mairie-01", "live", NOON, 1, "territory"),
    ("csu-suspended", "metz-place-de-la-mairie-01", "live", NOON, 1, "suspended"),
    ("commissariat-metz-1", "metz-place-de-la-mairie-01", "live", NOON, 0, "a towns share day and night"),
    ("brigade-ars-1", "plappeville-place-de-la-mairie-01", "live", NOON, 1, "villages share the night"),
    ("brigade-ars-1", "plappeville-place-de-la-mairie-01", "live", NIGHT, 0, "villages share the night"),
    ("commissariat-metz-1", "metz-gare-hall-01", "live", NOON, 0, "rail, standing"),
    ("commissariat-metz-1", "metz-gare-hall-01", "live", "2026-06-09T12:00:00+02:00", 1, "kept for a watch"),
    ("police-nationale-1", "metz-gare-hall-01", "live", "2026-06-09T12:00:00+02:00", 0, "named in the watch"),
    ("police-nationale-2", "metz-tribune-nord-01", "live", NOON, 1, "no match"),
    ("police-nationale-2", "metz-tribune-nord-01", "live", "2026-08-15T18:00:00+02:00", 0, "match"),
    ("metz-requisitions", "metz-place-de-la-mairie-01", "live", NOON, 1, "a role without live pictures"),
    ("metz-requisitions", "metz-place-de-la-mairie-01", "export", NOON, 0, "a role for exports"),
    ("metropole-auditor", "metz-place-de-la-mairie-01", "live", NOON, 1, "sees no picture"),
    ("metropole-auditor", "metz-mairie-01", "playback", NOON, 1, "sees no picture"),
]


@pytest.mark.parametrize(("agent", "camera", "action", "at", "code", "why"), ANSWERS)
def test_rights_in_the_metropolis(
    world: World, agent: str, camera: str, action: Action, at: str, code: int, why: str
) -> None:
    decision = decide(world, agent, camera, action, None, ns_of(datetime.fromisoformat(at)))
    assert decision.allowed == (code == 0), (why, decision)
    assert decision.code not in ("no-agent", "no-camera")


def test_vigie_can_says_the_same(written: Path) -> None:
    for agent, camera, action, at, code, why in ANSWERS[:2]:
        exact = CliRunner().invoke(cli.app, ["can", agent, camera, action, "-f", str(written), "--at", at])
        assert exact.exit_code == code, (why, exact.output)


def test_the_stadium_is_seen_with_further_masks(written: Path) -> None:
    arguments = ["can", "police-nationale-2", "metz-tribune-nord-01", "live", "-f", str(written), "--json"]
    answer = CliRunner().invoke(cli.app, [*arguments, "--at", "2026-08-15T18:00:00+02:00"]).output
    assert '"published": "metz-tribune-nord-01@police"' in answer


def test_a_commune_of_the_department_sees_its_own_cameras_alone(tmp_path: Path) -> None:
    department.build(City(Choice()), communes=20, cameras=120).write(tmp_path)
    world = World.of(load_town([tmp_path]).objects())
    rights = live_rights(world, ns_of(datetime.fromisoformat(NOON)))
    owners = {name: world.places[name].spot.owner for name in world.places}
    people = [name for name, item in world.agents.items() if (item.spec.organisation or "").startswith("commune-")]
    seeing = 0
    for name in people:
        organisation = world.agents[name].spec.organisation
        seen = {right.camera for right in rights.by_agent[name].rights}
        operator = "operator" in world.agents[name].spec.roles
        assert seen == ({camera for camera, owner in owners.items() if owner == organisation} if operator else set())
        seeing += operator
    assert seeing == 20
    assert len(rights.by_agent["centre-06"].rights) == 120  # the first team sees all
    assert 0 < len(rights.by_agent["centre-02"].rights) < 120


def test_the_whole_department_is_right(tmp_path: Path) -> None:
    department.build(City(Choice())).write(tmp_path)
    town = load_town([tmp_path])
    municipalities = [item for item in town.rules if getattr(item.object.spec, "type", "") == "municipality"]
    assert (len(town.cameras), len(municipalities)) == (3000, 150)


@pytest.mark.parametrize("build", [small.build, metropolis.build, lambda city: department.build(city, 20, 100)])
def test_the_same_seed_is_the_same_city(build: Builder) -> None:
    one, same, other = (build(City(Choice(seed=seed))) for seed in (5, 5, 6))
    assert (one.files, one.secrets) == (same.files, same.secrets)
    assert one.files != other.files


def test_addresses_for_simulated_cameras(tmp_path: Path) -> None:
    pattern = "rtsp://127.0.0.1:9554/cam{n:03d}"
    done = generated(tmp_path, "small", "--address", pattern, "--sub-address", "", "--cameras", "12")
    assert done.returncode == 0, done.stderr
    cameras = sorted(load_town([tmp_path]).cameras, key=lambda item: item.object.spec.number)
    urls = [stream.url for item in cameras for stream in item.object.spec.streams.values()]
    assert urls == [f"rtsp://127.0.0.1:9554/cam{n:03d}" for n in range(12)]


def test_when_the_police_of_the_small_city_may_look(tmp_path: Path) -> None:
    done = generated(tmp_path, "small", "--window", "Mo-Su 11:58-12:03")
    assert done.returncode == 0, done.stderr
    arguments = ["can", "lea", "metz-place-de-la-mairie-01", "live", "-f", str(tmp_path), "--at"]
    codes = [
        CliRunner().invoke(cli.app, [*arguments, f"2026-06-01T12:0{minute}:00+02:00"]).exit_code for minute in (2, 3)
    ]
    assert codes == [0, 1]


@pytest.mark.parametrize("city", ["small", "metropolis"])
def test_without_administrators_nobody_is_one(tmp_path: Path, city: str) -> None:
    done = generated(tmp_path, city, "--no-administrators")
    assert done.returncode == 0, done.stderr
    assert not any("administrator" in item.object.spec.roles for item in load_town([tmp_path]).agents)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["small", "--address", "rtsp://{host}/x"], "host"),
        (["small", "--cameras", "1"], "right would be at least 2"),
        (["metropolis", "--communes", "99"], "right would be 1 to 27"),
        (["department", "--cameras", "3"], "right would be one each"),
        (["small", "--masked", "2"], "right would be 0 to 1"),
    ],
)
def test_a_wrong_option_is_said(tmp_path: Path, options: list[str], said: str) -> None:
    done = generated(tmp_path / "none", *options)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    assert not (tmp_path / "none").exists()
