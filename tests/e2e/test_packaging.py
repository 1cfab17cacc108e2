"""The systemd unit and the container file: what they name is there, and what they start says that it is ready."""

import importlib.machinery
import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

import vigie
from python.processes.ending import kill_processes, pids_of

PACKAGING = Path(__file__).parents[2] / "packaging"
UNIT = (PACKAGING / "vigie.service").read_text(encoding="utf-8")


def setting(name: str) -> str:
    """The one value of a setting of the unit."""
    (value,) = re.findall(rf"(?m)^{name}=(.*)$", UNIT)
    return str(value)


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    program = tmp_path / "vigie"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = tmp_path / "vigie.service"
    unit.write_text(UNIT.replace("/opt/vigie/bin/vigie", str(program)))
    verified = subprocess.run([analyze, "verify", str(unit)], capture_output=True, text=True, check=False)
    assert (verified.returncode, verified.stdout, verified.stderr) == (0, "", "")


def test_what_the_unit_starts_is_ready_and_ends_in_order(tmp_path: Path) -> None:
    pytest.importorskip("vigie._core")
    state = tmp_path / "state"
    words = setting("ExecStart").replace("${VIGIE_STATE}", str(state)).replace(":9464", ":0").split()
    assert words[0] == "/opt/vigie/bin/vigie"
    environ = {
        **os.environ,
        "PYTHONPATH": str(Path(vigie.__file__).parents[1]),
        "NOTIFY_SOCKET": str(tmp_path / "notify"),
        "WATCHDOG_USEC": str(int(setting("WatchdogSec")) * 1_000_000),
    }
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(environ["NOTIFY_SOCKET"])
        manager.settimeout(float(setting("TimeoutStartSec")))
        process = subprocess.Popen(
            [sys.executable, "-m", "vigie", *words[1:]], env=environ, stdout=subprocess.PIPE, text=True
        )
        try:
            assert process.stdout is not None
            told = ""
            while "READY=1" not in told:
                told = manager.recv(4096).decode()
            pids = pids_of(state)
            assert set(pids) == {"control", "engine"}
            base = process.stdout.readline().split()[-1]
            with urllib.request.urlopen(f"{base}/health", timeout=20) as answer:
                assert answer.status == 200
            # What systemd does: KillMode=process signals this one alone.
            assert setting("KillMode") == "process"
            process.send_signal(signal.SIGTERM)
            assert process.wait(float(setting("TimeoutStopSec"))) == 0
            assert pids_of(state) == {}
        finally:
            process.kill()
            process.wait()
            kill_processes(state)


def test_the_container_file_has_what_a_build_needs() -> None:
    text = (PACKAGING / "Containerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    build, run = re.findall(r"apt-get install -y --no-install-recommends\s+([^&]+)&&", text)
    loader = importlib.machinery.SourceFileLoader("bootstrap", str(PACKAGING.parent / "tools" / "bootstrap"))
    spec = importlib.util.spec_from_loader("bootstrap", loader)
    assert spec is not None
    bootstrap = importlib.util.module_from_spec(spec)
    loader.exec_module(bootstrap)
    assert set(bootstrap.BUILD) - set(build.split()) == {"ccache"}
    assert {"python3", "ca-certificates", "tzdata"} < set(run.split())
    for path in re.findall(r"(?m)^COPY ((?!--)[^/].*) /src", text):
        for name in path.split():
            assert (PACKAGING.parent / name).exists(), name
