"""The clock is set: which instants are possible, and what is said of it."""

from pathlib import Path

import pytest

from vigie.control.rights_clock import FILE, TOLERANCE_NS, Machine, RightsClock, doubt, trust

S = 1_000_000_000
HOUR = 3600 * S


class Fake:
    """A machine whose clocks a test turns."""

    def __init__(self) -> None:
        self.wall = 1_800_000_000 * S
        self.since_boot = 500 * S
        self.boot = "one"

    def after(self, ns: int) -> None:
        self.wall += ns
        self.since_boot += ns

    def boots(self, off_ns: int) -> None:
        self.wall += off_ns
        self.since_boot, self.boot = 20 * S, self.boot + "x"

    @property
    def machine(self) -> Machine:
        return Machine(lambda: self.wall, lambda: self.since_boot, lambda: self.boot)


@pytest.fixture
def fake() -> Fake:
    return Fake()


def test_a_clock_that_goes_is_believed(fake: Fake, tmp_path: Path) -> None:
    clock = RightsClock(tmp_path, fake.machine)
    for step in (0, S, 60 * S, HOUR, 1000 * HOUR):
        fake.after(step)
        fake.wall += TOLERANCE_NS // 2  # it is slewed
        assert (clock.also_ns(), clock.now_ns(), clock.latest_ns()) == (None, fake.wall, fake.wall)


@pytest.mark.parametrize("step", [-HOUR, HOUR, -3 * S, 3 * S])
def test_a_step_leaves_two_instants_until_it_is_taken_back(fake: Fake, tmp_path: Path, step: int) -> None:
    clock = RightsClock(tmp_path, fake.machine)
    assert clock.also_ns() is None
    fake.after(10 * S)
    fake.wall += step
    expected = fake.wall - step
    assert clock.also_ns() == expected
    assert clock.latest_ns() == max(fake.wall, expected)
    fake.after(5 * HOUR)  # as long as it lasts
    assert clock.also_ns() == expected + 5 * HOUR
    fake.wall -= step
    assert clock.also_ns() is None


@pytest.mark.parametrize("step", [-HOUR, HOUR])
def test_a_restart_of_control_changes_nothing_of_it(fake: Fake, tmp_path: Path, step: int) -> None:
    assert RightsClock(tmp_path, fake.machine).also_ns() is None
    fake.after(10 * S)
    fake.wall += step
    for _ in range(2):
        assert RightsClock(tmp_path, fake.machine).also_ns() == fake.wall - step
        fake.after(S)


def test_after_a_boot_it_may_be_later_but_not_earlier(fake: Fake, tmp_path: Path) -> None:
    assert RightsClock(tmp_path, fake.machine).also_ns() is None
    last = fake.wall
    fake.boots(8 * HOUR)
    assert RightsClock(tmp_path, fake.machine).also_ns() is None
    last = fake.wall
    fake.boots(-2 * HOUR)
    clock = RightsClock(tmp_path, fake.machine)
    assert clock.also_ns() == last
    fake.after(S)
    assert clock.also_ns() == last + S
    fake.wall += 10 * HOUR  # the time service has set it
    assert clock.also_ns() is None
    fake.wall -= HOUR  # from now on it is known exactly again
    assert clock.also_ns() == fake.wall + HOUR


def test_where_the_run_of_the_machine_has_no_name_it_may_not_be_earlier(fake: Fake, tmp_path: Path) -> None:
    fake.boot = ""
    assert RightsClock(tmp_path, fake.machine).also_ns() is None
    fake.wall -= HOUR
    assert RightsClock(tmp_path, fake.machine).also_ns() == fake.wall + HOUR


def test_somebody_says_that_it_is_right(fake: Fake, tmp_path: Path) -> None:
    clock = RightsClock(tmp_path, fake.machine)
    assert (clock.also_ns(), clock.take_trust()) == (None, False)
    fake.wall -= HOUR
    assert clock.also_ns() == fake.wall + HOUR
    assert doubt(tmp_path, fake.machine) == -3600
    assert clock.also_ns() == fake.wall + HOUR, "asking has changed something"
    trust(tmp_path, fake.machine)
    assert (clock.also_ns(), clock.take_trust(), clock.take_trust()) == (None, True, False)
    assert doubt(tmp_path, fake.machine) is None
    fake.wall -= HOUR
    assert clock.also_ns() == fake.wall + HOUR


def test_it_is_not_written_all_the_time(fake: Fake, tmp_path: Path) -> None:
    clock = RightsClock(tmp_path, fake.machine)
    clock.also_ns()
    first = (tmp_path / FILE).stat().st_ino
    fake.after(30 * S)
    clock.also_ns()
    assert (tmp_path / FILE).stat().st_ino == first
    fake.after(31 * S)
    clock.also_ns()
    assert (tmp_path / FILE).stat().st_ino != first
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("text", ["", "{", "[]", '{"wall_ns": 1}'])
def test_a_file_that_is_not_ours_is_no_hindrance(fake: Fake, tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    assert RightsClock(tmp_path, fake.machine).also_ns() is None


def test_a_disk_that_is_full_is_no_hindrance(fake: Fake, tmp_path: Path) -> None:
    (tmp_path / (FILE + ".new")).mkdir()
    clock = RightsClock(tmp_path, fake.machine)
    assert clock.also_ns() is None
    fake.wall -= HOUR
    assert clock.also_ns() == fake.wall + HOUR
