"""A vigie that takes in what another one lists, and a recorder's channels, pulled on demand and watched with FFmpeg."""

import dataclasses
import json
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.onvif_recorder import PASSWORD as RECORDER_PASSWORD
from e2e.onvif_recorder import USER as RECORDER_USER
from e2e.onvif_recorder import Channel, Recorder
from e2e.raw_rtsp import RawClient
from e2e.serving import Serve, camera, server, serving
from privacy.world import PASSWORD as WORLD_PASSWORD
from privacy.world import make_world
from vigie.errors import SiteRefusedError, TlsFailedError
from vigie.sim import SimProcess
from vigie.site.partner import Partner, list_cameras

PASSWORD = "p@ss word 7"


@pytest.fixture(scope="module")
def sim() -> Iterator[SimProcess]:
    """Four cameras."""
    with SimProcess(4, options=("--bitrate", "1", "--gop", "25")) as made:
        yield made


def agent(name: str, *cameras: str) -> dict[str, Any]:
    return {"kind": "Agent", "name": name, "spec": {"password": PASSWORD, "cameras": list(cameras)}}


def site(url: str, **spec: Any) -> dict[str, Any]:
    decided = {"privacy": "clear", "privacy_reason": "a test picture", "refresh_s": 1, "linger_s": 0.2}
    return {"kind": "Site", "name": "first", "spec": {"url": url, **decided, **spec}}


def pictures(url: str, count: int = 20) -> str:
    """What ffprobe counts in two seconds of a stream; empty when it got nothing."""
    command = ["ffprobe", "-v", "error", "-rtsp_transport", "tcp", "-count_packets", "-read_intervals", f"%+#{count}"]
    command += ["-show_entries", "stream=codec_name,width,height,nb_read_packets", "-of", "csv=p=0", url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout.strip()


def listed(running: Serve) -> list[str]:
    """Names of the cameras in the newest figures."""
    return sorted(running.stats.get("cameras", {}))


def wait_listed(running: Serve, *names: str) -> None:
    running.wait(f"cameras {names}", lambda: listed(running) == sorted(names))


def url(running: Serve, path: str, user: str = "") -> str:
    login = f"{user}:{PASSWORD.replace(' ', '%20').replace('@', '%40')}@" if user else ""
    return f"rtsp://{login}127.0.0.1:{running.port()}/{path}"


def fixed(running: Serve) -> dict[str, Any]:
    """A Server on the port it has now, so that it can be found again."""
    return server({"listen": f"127.0.0.1:{running.port()}", "access": "digest"})


def test_one_vigie_relays_what_another_lets_it_see(sim: SimProcess, tmp_path: Path) -> None:
    there, here = tmp_path / "there", tmp_path / "here"
    there.mkdir()
    here.mkdir()
    cameras = [camera(f"cam{n}", url=sim.url(n), pull="on_demand", linger_s=0.2) for n in range(3)]
    cameras[1]["spec"] |= {"title": "Pont neuf", "number": 7}
    digest = server({"listen": "127.0.0.1:0", "access": "digest"})
    rights = [agent("second", "cam0", "cam1"), agent("chief", "*")]
    with serving(there, [digest, *cameras, *rights]) as first:
        source = site(f"rtsp://127.0.0.1:{first.port()}", username="second", password=PASSWORD, overrides={"cam0": {}})
        viewer = agent("viewer", "first.*")
        with serving(here, [digest, source, viewer, agent("other", "first.cam1")]) as second:
            wait_listed(second, "first.cam0", "first.cam1")
            assert "first.cam2" not in listed(second), "what the account may not see there does not exist here"

            # Nobody watches: nothing is pulled, on either side.
            time.sleep(0.5)
            assert {stream["state"] for stream in streams(second)} == {"idle"}
            assert {stream["state"] for stream in streams(first)} == {"idle"}
            assert re.match(r"h264,\d+,\d+,[1-9]", pictures(url(second, "first.cam0", "viewer")))
            assert pictures(url(second, "first.cam0", "other")) == "", "and rights here are ours"
            assert pictures(url(second, "first.cam1", "other")) != ""
            first.wait("let go again", lambda: {stream["state"] for stream in streams(first)} == {"idle"})

            # A camera more over there is one more here, and a viewer who watches sees no difference.
            with RawClient(second.port(), user="viewer", password=PASSWORD) as watching:
                assert watching.watch("first.cam1").status == 200
                watching.read_for(1)
                before = len(second.events)
                first.reload([digest, *cameras, agent("second", "cam0", "cam1", "cam2"), rights[1]])
                wait_listed(second, "first.cam0", "first.cam1", "first.cam2")
                packets = len(watching.packets)
                watching.read_for(1)
                assert len(watching.packets) > packets + 20
                assert not [event for event in second.events[before:] if event["object"].startswith("first.cam1")]
                assert pictures(url(second, "first.cam2", "viewer")) != ""

                # And one less is one less; what else is watched goes on.
                first.reload([digest, *cameras[1:], agent("second", "cam1"), rights[1]])
                wait_listed(second, "first.cam1")
                packets = len(watching.packets)
                watching.read_for(1)
                assert len(watching.packets) > packets + 20
            assert pictures(url(second, "first.cam2", "viewer")) == ""
            state = second.stats["sites"]["first"]
            assert (state["state"], state["cameras"], state["offered"]) == ("listed", 1, 1)
            assert PASSWORD not in "\n".join([*second.notes, *map(str, second.events), *first.notes])


def streams(running: Serve) -> list[dict[str, Any]]:
    return [stream for entry in running.stats["cameras"].values() for stream in entry["streams"].values()]


def test_the_other_vigie_dies_and_comes_back(sim: SimProcess, tmp_path: Path) -> None:
    there, here = tmp_path / "there", tmp_path / "here"
    there.mkdir()
    here.mkdir()
    rights = agent("second", "*")
    own = camera("own", url=sim.url(3), pull="on_demand")
    first = Serve(
        there, [server({"listen": "127.0.0.1:0", "access": "digest"}), camera("cam0", url=sim.url(0)), rights]
    )
    try:
        again = fixed(first)
        source = site(f"rtsp://127.0.0.1:{first.port()}", username="second", password=PASSWORD)
        with serving(here, [server(), source, own]) as second:
            wait_listed(second, "first.cam0", "own")
            assert pictures(url(second, "first.cam0")) != ""
            assert first.stop() == 0
            second.wait("its silence", lambda: second.stats["sites"]["first"]["state"] == "failing")
            assert listed(second) == ["first.cam0", "own"], "the last good list is kept"
            assert any("is kept (1 cameras)" in note for note in second.notes)
            assert pictures(url(second, "own")) != "", "and nobody else is touched"
            first = Serve(there, [again, camera("cam0", url=sim.url(0)), camera("cam1", url=sim.url(1)), rights])
            wait_listed(second, "first.cam0", "first.cam1", "own")
            assert second.stats["sites"]["first"]["state"] == "listed"
            assert pictures(url(second, "first.cam1")) != ""

            # Another password over there: the list is kept here, but no picture comes any more.
            other = agent("second", "*")
            other["spec"]["password"] = "changed"
            first.reload([again, camera("cam0", url=sim.url(0)), other])
            second.wait("the refusal", lambda: "are wrong" in second.stats["sites"]["first"]["error"])
            assert listed(second) == ["first.cam0", "first.cam1", "own"]
            # A reload here of something else asks nobody anew and forgets nothing.
            second.reload(
                [server({"listen": "127.0.0.1:0", "access": "open"}), source, own, camera("more", url="push:")]
            )
            second.wait("the new camera", lambda: "more" in listed(second))
            assert "first.cam0" in listed(second)
    finally:
        first.stop()


def test_a_recorders_channels(sim: SimProcess, tmp_path: Path) -> None:
    channels = [Channel(f"VideoSource_{n}", f"Quai {n}", [(f"c{n}", "H264", 1920, 1080)]) for n in range(3)]
    with Recorder(channels, uri=sim.url(0).replace("cam000", "{token}")) as device:
        # The recorder's profiles are the simulator's cameras.
        device.answers["GetStreamUri"] = f"<Uri>{sim.url(1)}</Uri>"
        source = site(device.url, username=RECORDER_USER, password=RECORDER_PASSWORD, cameras=["VideoSource_[12]"])
        with serving(tmp_path, [server(), source]) as running:
            wait_listed(running, "first.VideoSource_1", "first.VideoSource_2")
            assert re.match(r"h264,\d+,\d+,[1-9]", pictures(url(running, "first.VideoSource_1")))
            # It lies from now on: its cameras stay as they are, and it is said.
            device.answers["GetProfiles"] = b"<!DOCTYPE x>"
            running.wait("what is wrong", lambda: "DOCTYPE" in running.stats["sites"]["first"]["error"])
            assert len(listed(running)) == 2
            device.answers["GetProfiles"] = "<Profiles/>" * 10
            running.wait("the next", lambda: "no profile" in running.stats["sites"]["first"]["error"])
            del device.answers["GetProfiles"]
            channels.pop(2)
            wait_listed(running, "first.VideoSource_1")
            assert RECORDER_PASSWORD not in "\n".join(running.notes)


def test_two_that_list_each_other_do_not_grow(sim: SimProcess, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("a", "b")]
    for folder in folders:
        folder.mkdir()
    with serving(folders[0], [server(), camera("cam0", url=sim.url(0), pull="on_demand")]) as a:
        listener = {"listen": f"127.0.0.1:{a.port()}", "access": "open"}
        with serving(folders[1], [server(), site(url(a, "")), camera("cam1", url=sim.url(1), pull="on_demand")]) as b:
            back = site(url(b, ""))
            back["name"] = "second"
            a.reload([server(listener), back, camera("cam0", url=sim.url(0), pull="on_demand")])
            wait_listed(a, "cam0", "second.cam1")
            wait_listed(b, "cam1", "first.cam0")
            asked = 3
            time.sleep(asked * 1.2)
            assert (listed(a), listed(b)) == (["cam0", "second.cam1"], ["cam1", "first.cam0"])
            assert pictures(url(b, "first.cam0")) != ""


def test_a_list_longer_than_a_page(tmp_path: Path) -> None:
    there, here = tmp_path / "there", tmp_path / "here"
    there.mkdir()
    here.mkdir()
    many = [camera(f"cam{n:04}", url="push:") for n in range(300)]
    with serving(there, [server(), *many]) as first, serving(here, [server(), site(url(first, ""))]) as second:
        wait_listed(second, *(f"first.cam{n:04}" for n in range(300)))
        assert json.loads(json.dumps(second.stats["sites"]["first"]))["offered"] == 300


def test_over_tls_with_a_certificate_to_trust(tmp_path: Path) -> None:
    with make_world(tmp_path) as world:
        certificate = str(tmp_path / "certificate.pem")
        there = Partner("first", f"rtsps://127.0.0.1:{world.ports['tls']}", "one", WORLD_PASSWORD, certificate)
        (seen,) = list_cameras(there).cameras
        assert seen.token == "seen"
        assert seen.streams[0].url == f"{there.url}/seen/main"
        assert len(list_cameras(dataclasses.replace(there, tls_ca="", tls_verify=False)).cameras) == 1
        with pytest.raises(TlsFailedError):
            list_cameras(dataclasses.replace(there, tls_ca=""))
        with pytest.raises(SiteRefusedError):
            list_cameras(dataclasses.replace(there, password="other"))
        cleartext = f"rtsp://127.0.0.1:{world.ports['digest']}"
        everything = list_cameras(dataclasses.replace(there, url=cleartext, username="all")).cameras
        assert [camera.token for camera in everything] == ["masked", "seen"]
