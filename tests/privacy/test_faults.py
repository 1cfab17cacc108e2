"""Every exit under every fault, on decoded pictures: the leak meter, with the C interface's exits beside its own."""

import io
from collections.abc import Callable
from contextlib import closing

import av
import pytest

import vigie
from privacy.c_host import CHost
from vigie.bench.leak.eyes import Eye, Form, Tally, UnitDecoder, count_colours, count_frame
from vigie.bench.leak.fleet import Fleet
from vigie.bench.leak.run import KINDS, run_leak

WAIT_MS = 500


class CEye(Eye):
    """One exit of the C interface."""

    def __init__(self, form: Form, tally: Tally, fault: Callable[[], str], engine: vigie.Engine) -> None:
        super().__init__(form, tally, fault)
        self._host = CHost(engine, wait_ms=WAIT_MS)


class CUnitsEye(CEye):
    """`vigie_subscription_next`."""

    exit_name = "C subscription"

    def _watch(self) -> None:
        decoder = UnitDecoder(self.tally)
        with closing(self._host.units(self.form.name, self.form.stream)) as units:
            for unit in units:
                for frame in decoder.decode(unit):
                    self._count(count_frame(frame))
                if self._ends.is_set():
                    return


class CTapEye(CEye):
    """`vigie_tap_next`."""

    exit_name = "C tap"

    def _watch(self) -> None:
        with closing(self._host.chroma(self.form.name, self.form.stream)) as frames:
            for u, v in frames:
                self._count(count_colours(u, v, u.size * 4))
                if self._ends.is_set():
                    return


class CSnapshotEye(CEye):
    """`vigie_engine_snapshot`."""

    exit_name = "C snapshot"

    def _watch(self) -> None:
        while not self._ends.wait(0.2):
            image = io.BytesIO(self._host.snapshot(self.form.name, self.form.stream))
            with av.open(image, "r") as container:
                for frame in container.decode(video=0):
                    self._count(count_frame(frame))


def c_eyes(fleet: Fleet, tally: Tally, fault: Callable[[], str]) -> list[Eye]:
    """Of every form, one at each exit of the C interface."""
    kinds: tuple[type[CEye], ...] = (CUnitsEye, CTapEye, CSnapshotEye)
    return [kind(form, tally, fault, fleet.engine) for form in fleet.forms() for kind in kinds]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["fixed", "dome"])
def test_nothing_leaks_under_any_fault(kind: str) -> None:
    """Every fault at every exit; for longer: `vigie bench leak`."""
    result = run_leak(kind, 1000, seed=7, more_eyes=c_eyes)
    assert result.problems == []
    assert result.leaks_of_ours() == {}
    assert len(result.cells) == (16 if kind == "fixed" else 8), result.cells.keys()
    for exit_name, cells in result.cells.items():
        assert cells.keys() >= set(KINDS[kind].faults), f"{exit_name}: not under every fault"


@pytest.mark.parametrize("kind", ["fixed", "dome"])
def test_the_meter_finds_what_is_there(kind: str) -> None:
    """With masks drawn elsewhere every exit leaks, or the meter is blind."""
    result = run_leak(kind, 1500, seed=3, self_test=True)
    assert result.good, result.as_json()
    assert all(result.exit_total(name).private_pixels > 0 for name in result.cells)
