"""RTSPS and digest with players we did not write."""

import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import vigie
from privacy import world as worlds
from privacy.world import MARKER, PASSWORD, World, make_certificate, make_world

USER = "all"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Listeners "digest" and "tls", agents with a password, one camera that is clear."""
    with make_world(tmp_path_factory.mktemp("world")) as made:
        yield made


def ffmpeg(url: str, out: Path, *options: str) -> tuple[int, str, bytes]:
    """Exit code, complaints and what was copied."""
    command = ["ffmpeg", "-v", "error", "-nostdin", "-y", "-rtsp_transport", "tcp", "-analyzeduration", "300000"]
    command += [*options, "-i", url, "-map", "0:v", "-c", "copy", "-frames:v", "20", "-f", "data", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr, out.read_bytes() if out.exists() else b""


def url(world: World, listener: str, password: str = PASSWORD, user: str = USER, camera: str = "seen") -> str:
    """A URL with credentials, as a person would give it to a player."""
    scheme = "rtsps" if listener == "tls" else "rtsp"
    return f"{scheme}://{user}:{password.replace(' ', '%20')}@127.0.0.1:{world.ports[listener]}/{camera}"


@pytest.mark.parametrize("listener", ["digest", "tls"])
def test_ffmpeg_with_the_right_password(world: World, listener: str, tmp_path: Path) -> None:
    code, complaints, got = ffmpeg(url(world, listener), tmp_path / "out")
    assert code == 0, complaints
    assert got.count(MARKER) >= 20


@pytest.mark.parametrize("listener", ["digest", "tls"])
@pytest.mark.parametrize(
    ("user", "password", "camera", "status"),
    [
        (USER, "battery staple", "seen", "401"),
        ("nobody", PASSWORD, "seen", "401"),
        ("one", PASSWORD, "absent", "403"),
        (USER, PASSWORD, "nowhere", "404"),
    ],
)
def test_ffmpeg_is_refused(
    world: World, listener: str, user: str, password: str, camera: str, status: str, tmp_path: Path
) -> None:
    code, complaints, got = ffmpeg(url(world, listener, password, user, camera), tmp_path / "out")
    assert code != 0
    assert status in complaints
    assert got == b""
    told = str(world.engine.stats()) + "".join(str(event) for event in world.engine.events(timeout=0.1))
    assert "refused" in told
    assert password not in told, "a password was told"


@pytest.mark.parametrize("allowed", [True, False])
def test_ffmpeg_needs_md5(allowed: bool, tmp_path: Path) -> None:
    """FFmpeg knows no digest but MD5: it comes in where MD5 is allowed and nowhere else."""
    certificate, key = make_certificate(tmp_path)
    tls = {"tls": True, "tls_certificate": str(certificate), "tls_key": str(key)}
    listeners = [
        {"name": "digest", "listen": "127.0.0.1:0", "allow_md5": allowed},
        {"name": "tls", "listen": "127.0.0.1:0", "allow_md5": allowed, **tls},
    ]
    agents = [{"name": USER, "password": PASSWORD, "cameras": "*"}]
    snapshot = {
        "revision": 1,
        "listeners": listeners,
        "agents": agents,
        "cameras": [worlds.camera("seen", "clear")],
    }
    with vigie.Engine() as engine:
        engine.apply(snapshot)
        with World(engine, worlds.listener_ports(engine), snapshot) as world:
            for listener in ("digest", "tls"):
                code, complaints, got = ffmpeg(url(world, listener), tmp_path / listener)
                if allowed:
                    assert code == 0, complaints
                    assert got.count(MARKER) >= 20
                else:
                    assert code != 0
                    assert "401" in complaints
                    assert got == b""


@pytest.mark.parametrize(("trusts", "works"), [("the server's certificate", True), ("another certificate", False)])
def test_gstreamer_checks_the_certificate(world: World, trusts: str, works: bool, tmp_path: Path) -> None:
    """rtspsrc over RTSPS: with the certificate given as its authority it plays, with another it refuses."""
    if trusts == "another certificate":
        certificate, _ = make_certificate(tmp_path)
    else:
        certificate = Path(next(entry["tls_certificate"] for entry in world.snapshot["listeners"] if "tls" in entry))
    script = Path(__file__).with_name("gst_tls.py")
    command = ["/usr/bin/python3", str(script), f"rtsps://127.0.0.1:{world.ports['tls']}/seen", str(certificate)]
    done = subprocess.run([*command, USER, PASSWORD], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode == 0) == works, done.stdout + done.stderr
    assert ("20 units" in done.stdout) == works


def test_a_renewed_certificate_is_taken_up_by_the_next_apply(tmp_path: Path) -> None:
    """Certificates are renewed under the same names; one that cannot be used changes nothing but an event."""
    certificate, key = make_certificate(tmp_path)
    files = {"tls_certificate": str(certificate), "tls_key": str(key)}
    snapshot = {"revision": 1, "listeners": [{"name": "tls", "listen": "127.0.0.1:0", "tls": True, **files}]}
    with vigie.Engine() as engine:
        engine.apply(snapshot)
        address = ("127.0.0.1", worlds.listener_ports(engine)["tls"])
        assert ssl.get_server_certificate(address) == certificate.read_text()
        make_certificate(tmp_path)
        renewed = certificate.read_text()
        assert ssl.get_server_certificate(address) != renewed
        engine.apply({**snapshot, "revision": 2})
        assert ssl.get_server_certificate(address) == renewed

        key.write_text("half of a k")
        engine.apply({**snapshot, "revision": 3})
        assert ssl.get_server_certificate(address) == renewed
        told = [event for event in engine.events(timeout=0.3) if event.kind == "listener_state"]
        assert [str(key) in event.text for event in told] == [True], told
