"""What the leak meter counts as a leak of the engine's."""

from collections.abc import Callable

from vigie.bench.leak.eyes import Colours, Eye, Form, Tally
from vigie.bench.leak.fleet import QUIET, SET_APART, SETTLING
from vigie.bench.leak.run import Leaks


class ToldEye(Eye):
    """Sees what it is told."""

    exit_name = "told"

    def see(self, *, magenta: int = 0, flag: bool = False) -> None:
        self._count(Colours(magenta, 0, flag))

    def _watch(self) -> None:
        raise NotImplementedError


def eye_of(tally: Tally, fault: Callable[[], str] = lambda: QUIET) -> ToldEye:
    return ToldEye(Form("camera", "main"), tally, fault)


def test_the_flag_has_gone_only_after_it_was_seen() -> None:
    eye = eye_of(Tally())
    eye.see()
    assert not eye.saw_flag
    assert not eye.saw_flag_go
    eye.see(flag=True)
    assert eye.saw_flag
    assert not eye.saw_flag_go
    eye.see()
    assert eye.saw_flag_go


def test_private_pixels_are_set_apart_while_bits_are_flipped_and_until_that_has_settled() -> None:
    tally = Tally()
    for fault in (SET_APART, SETTLING, QUIET, "garbage"):
        eye_of(tally, lambda fault=fault: fault).see(magenta=4)
    result = Leaks("fixed", 1, self_test=False)
    for (exit_name, fault), cell in tally.cells().items():
        result.cells.setdefault(exit_name, {})[fault] = cell
    assert result.set_apart_pixels == 8
    assert result.leaked_pixels == 8
    assert not result.good
