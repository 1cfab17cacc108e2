"""What systemd is told: datagrams, to the socket that it names."""

import os
import socket
from pathlib import Path

import pytest

from vigie.processes.notify import Notify


@pytest.mark.parametrize("abstract", [False, True], ids=["path", "abstract"])
def test_it_is_told(tmp_path: Path, abstract: bool) -> None:
    name = f"@vigie-test-{os.getpid()}" if abstract else str(tmp_path / "n.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + name[1:] if abstract else name)
        manager.settimeout(10)
        environment = {"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid()), "A": "b"}
        notify = Notify(environment)
        assert (environment, notify.watchdog_s) == ({"A": "b"}, 1.5)
        notify.tell(READY="1", STATUS="serving")
        assert manager.recv(4096) == b"READY=1\nSTATUS=serving"


@pytest.mark.parametrize(
    "environment", [{}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "x"}, {"WATCHDOG_USEC": "1", "WATCHDOG_PID": "1"}]
)
def test_nobody_wants_to_know(environment: dict[str, str]) -> None:
    notify = Notify(environment)
    notify.tell(READY="1")
    assert notify.watchdog_s is None


def test_a_manager_that_is_gone_is_no_hindrance(tmp_path: Path) -> None:
    Notify({"NOTIFY_SOCKET": str(tmp_path / "gone")}).tell(READY="1")
