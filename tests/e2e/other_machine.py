"""Another machine on a wire of its own: a network namespace and a pair of virtual interfaces."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import Self

import pytest


@dataclass(frozen=True)
class Wire:
    """Our end of it, and the other machine's addresses."""

    interface: str
    interface_there: str
    there: str
    there_too: str  # a second address of the other machine
    there_v6: str
    there_v6_too: str


class OtherMachine:
    """A context manager. Skips the test where nobody may make a network namespace.

    The wire is no default route, and no route for multicast leads to it. `run`: what a command begins with that is to
    run there.
    """

    def __init__(self) -> None:
        number = os.getpid() % 10000
        net = f"10.213.{number % 250}"
        self._name = f"vigie-{number}"
        self.run = ["ip", "netns", "exec", self._name]
        self._here = f"{net}.1"
        self.wire = Wire(
            f"vgh{number}", f"vgt{number}", f"{net}.2", f"{net}.3", f"fd00:213:{number}::2", f"fd00:213:{number}::3"
        )

    def __enter__(self) -> Self:
        if not shutil.which("ip") or os.geteuid() != 0:
            pytest.skip("needs the right to make a network namespace")
        wire = self.wire
        self._ip("netns", "add", self._name)
        try:
            self._ip("link", "add", wire.interface, "type", "veth", "peer", "name", wire.interface_there)
            self._ip("link", "set", wire.interface_there, "netns", self._name)
            self._ip("addr", "add", f"{self._here}/24", "dev", wire.interface)
            self._ip("-6", "addr", "add", wire.there_v6[:-1] + "1/64", "dev", wire.interface, "nodad")
            self._ip("link", "set", wire.interface, "up")
            there = ["-n", self._name]
            self._ip(*there, "addr", "add", f"{wire.there}/24", "dev", wire.interface_there)
            self._ip(*there, "addr", "add", f"{wire.there_too}/24", "dev", wire.interface_there)
            # A packet without a bound address leaves with the one that is not deprecated.
            self._ip(*there, "-6", "addr", "add", f"{wire.there_v6}/64", "dev", wire.interface_there, "nodad")
            second = [f"{wire.there_v6_too}/64", "dev", wire.interface_there, "nodad", "preferred_lft", "0"]
            self._ip(*there, "-6", "addr", "add", *second)
            self._ip(*there, "link", "set", "lo", "up")
            self._ip(*there, "link", "set", wire.interface_there, "up")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        # Both ends of the wire go with the namespace.
        subprocess.run(["ip", "netns", "delete", self._name], check=False)
        subprocess.run(["ip", "link", "delete", self.wire.interface], check=False, stderr=subprocess.DEVNULL)

    @staticmethod
    def _ip(*arguments: str) -> None:
        done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
        if done.returncode != 0 and "Operation not permitted" in done.stderr:
            pytest.skip("needs the right to make a network namespace")
        assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"
