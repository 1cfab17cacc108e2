"""One run of the leak meter: cameras, faults in a seeded order, an eye at every exit, and what they counted."""

import os
import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from random import Random
from typing import Any

import vigie
from vigie.bench.leak.dome_fleet import DomeFleet
from vigie.bench.leak.excess import StillFigures
from vigie.bench.leak.eyes import (
    Cell,
    Eye,
    RtspEye,
    SnapshotEye,
    SubscribeEye,
    Tally,
    TapEye,
    end_eyes,
)
from vigie.bench.leak.fleet import QUIET, SET_APART, SETTLING, FixedFleet, Fleet
from vigie.bench.process_figures import growth_bytes, rss_bytes

KINDS: dict[str, type[Fleet]] = {"fixed": FixedFleet, "dome": DomeFleet}
_SEGMENT_S = 0.8
# A run that lasts at least so long must keep its memory: later than its first quarter it may grow by so much.
_SOAK_S = 600
_GROWTH_LIMIT = 16 << 20
# A machine that cannot do it all must not measure for ever.
_LEAST_PICTURES_PER_S = 40


@dataclass
class Leaks:
    """What one kind of camera let out. `cells`: exit -> fault -> counts."""

    kind: str
    seed: int
    self_test: bool
    seconds: float = 0
    source_units: int = 0
    cells: dict[str, dict[str, Cell]] = field(default_factory=dict)
    complaints: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    # "path, fault" -> pictures with private pixels.
    leaks: dict[str, int] = field(default_factory=dict)
    dome: StillFigures | None = None
    # Of this process, which holds the engine, the cameras and the eyes: one for each fault that was played.
    rss_bytes: list[int] = field(default_factory=list)
    leases_given: int = 0

    @property
    def growth_bytes(self) -> int:
        """Of resident memory."""
        return growth_bytes(self.rss_bytes)

    def exit_total(self, exit_name: str, *, apart: bool = False) -> Cell:
        """An exit's counts, summed; `apart`: of bit flips alone, else of all but these."""
        total = Cell()
        for fault, cell in self.cells[exit_name].items():
            if (fault in (SET_APART, SETTLING)) == apart:
                for name, value in vars(cell).items():
                    setattr(total, name, getattr(total, name) + value)
        return total

    def _total(self, name: str, *, apart: bool = False) -> int:
        return sum(getattr(self.exit_total(exit_name, apart=apart), name) for exit_name in self.cells)

    @property
    def pictures(self) -> int:
        """Decoded in all, at all exits."""
        return self._total("pictures") + self._total("pictures", apart=True)

    @property
    def leaked_pixels(self) -> int:
        """Private pixels seen, but for those of bit flips in the source."""
        return self._total("private_pixels")

    @property
    def set_apart_pixels(self) -> int:
        """Private pixels seen while bits of the source were flipped."""
        return self._total("private_pixels", apart=True)

    def leaks_of_ours(self) -> dict[str, int]:
        """Where private pixels were seen, but for bit flips in the source: pictures by path and fault."""
        apart = (f", {SET_APART}", f", {SETTLING}")
        return {where: count for where, count in self.leaks.items() if not where.endswith(apart)}

    @property
    def good(self) -> bool:
        """Nothing leaked; in the self-test, everything did."""
        if self.problems:
            return False
        if not self.self_test:
            return self.leaked_pixels == 0
        return all(self.exit_total(exit_name).private_pixels > 0 for exit_name in self.cells)

    def as_json(self) -> dict[str, Any]:
        """Everything, for machines."""
        cells = [
            {"exit": exit_name, "fault": fault, **asdict(cell)}
            for exit_name, faults in self.cells.items()
            for fault, cell in faults.items()
        ]
        return {
            "kind": self.kind,
            "seed": self.seed,
            "self_test": self.self_test,
            "good": self.good,
            "pictures": self.pictures,
            "source_units": self.source_units,
            "seconds": round(self.seconds, 1),
            "pictures_per_s": round(self.pictures / max(self.seconds, 1e-9), 1),
            "leaked_pixels": self.leaked_pixels,
            "set_apart_pixels": self.set_apart_pixels,
            "cells": cells,
            "leaks": self.leaks,
            "rss_bytes": [self.rss_bytes[0], self.rss_bytes[-1]] if self.rss_bytes else [],
            "growth_bytes": self.growth_bytes,
            "leases_given": self.leases_given,
            "complaints": self.complaints,
            "problems": self.problems,
            "dome": None if self.dome is None else self.dome.as_json(),
        }


def listener_port(engine: vigie.Engine) -> int:
    """Where the engine's one listener is."""
    for event in engine.events(timeout=2):
        if event.kind == "listener_state" and (match := re.search(r"listening on \S*:(\d+)", event.text)):
            return int(match[1])
    raise RuntimeError("the listener did not come up")


def make_eyes(fleet: Fleet, tally: Tally, fault: Callable[[], str], port: int) -> list[Eye]:
    """One at each exit of each form."""
    eyes: list[Eye] = []
    for form in fleet.forms():
        on_unit = partial(fleet.on_unit, form.camera) if isinstance(fleet, DomeFleet) else None
        eyes += [RtspEye(form, tally, fault, port, transport) for transport in ("tcp", "udp")]
        eyes.append(SubscribeEye(form, tally, fault, fleet.engine, on_unit))
        eyes.append(TapEye(form, tally, fault, fleet.engine))
        eyes.append(SnapshotEye(form, tally, fault, fleet.engine))
    return eyes


# Given the cameras, the tally and who names the fault at work.
MoreEyes = Callable[[Fleet, Tally, Callable[[], str]], list[Eye]]


class _Run:
    def __init__(
        self, fleet: Fleet, pictures: int, seconds: float, more_eyes: MoreEyes, progress: Callable[[str], None]
    ) -> None:
        self._fleet = fleet
        self._pictures = pictures
        self._seconds = seconds
        self._more_eyes = more_eyes
        self._progress = progress
        self._tally = Tally()
        self._fault = QUIET
        self._units = 0
        self._next_s = 0.0

    def run(self, result: Leaks, seed: int) -> None:
        """Everything, from the first picture to the last."""
        fleet = self._fleet
        fleet.apply()
        eyes = make_eyes(fleet, self._tally, lambda: self._fault, listener_port(fleet.engine))
        eyes += self._more_eyes(fleet, self._tally, lambda: self._fault)
        for eye in eyes:
            eye.start()
        begun = self._next_s = time.monotonic()
        self._until_all_see(eyes, result)
        self._play(eyes, Random(seed), result, begun)
        self._until_all_see(eyes, result)
        result.seconds = time.monotonic() - begun
        for eye in eyes:
            eye.stop()
        self._balance(eyes, result)
        fleet.engine.close()
        end_eyes(eyes)
        self._collect(result)

    def _play(self, eyes: list[Eye], random: Random, result: Leaks, begun: float) -> None:
        deadline = begun + 60 + self._seconds + self._pictures / _LEAST_PICTURES_PER_S
        faults: list[str] = []
        wanted = set() if result.self_test else {(eye.label, fault) for eye in eyes for fault in self._fleet.faults}
        while (
            self._tally.pictures < self._pictures
            or time.monotonic() < begun + self._seconds
            or not self._tally.cells().keys() >= wanted
        ):
            if time.monotonic() > deadline:
                result.problems.append(f"only {self._tally.pictures} pictures came of {self._pictures} in time")
                unseen = sorted(f"{label} ({fault})" for label, fault in wanted - self._tally.cells().keys())
                result.problems += [f"nothing was looked at: {', '.join(unseen)}"] if unseen else []
                return
            if not faults:
                faults = [QUIET] if result.self_test else list(self._fleet.faults)
                random.shuffle(faults)
            fault = faults.pop()
            self._segment(fault)
            result.rss_bytes.append(rss_bytes(os.getpid()))
            if fault == SET_APART:
                self._settle(eyes, result)

    def _segment(self, fault: str) -> None:
        self._fault = fault
        self._progress(f"{self._fleet.__class__.__name__}: {self._tally.pictures} of {self._pictures} ({fault})")
        self._fleet.begin(fault)
        for _ in range(round(_SEGMENT_S * self._fleet.fps)):
            self._tick()
        self._fleet.end()

    def _tick(self, pace: float = 1) -> None:
        self._next_s += pace / self._fleet.fps
        delay = self._next_s - time.monotonic()
        if delay > 0:
            time.sleep(delay)
        elif delay < -1:
            self._next_s = time.monotonic()  # the machine is slower: the cameras are, too
        self._fleet.tick()
        self._units += 1

    def _until_all_see(self, eyes: list[Eye], result: Leaks) -> None:
        """Pictures without a fault until every eye has seen some: at the beginning, and at the end, after recovery.

        They come slowly, so that a busy machine admits every lane.
        """
        self._fault = QUIET
        self._fleet.begin(QUIET)
        before = {eye: eye.pictures for eye in eyes}
        blind = self._until(eyes, lambda eye: eye.pictures >= before[eye] + 3)
        if blind:
            result.problems.append(f"no pictures come to {', '.join(blind)}: nothing is proved there")

    def _settle(self, eyes: list[Eye], result: Leaks) -> None:
        """Until nothing is left of flipped bits in what any eye sees: it may be seconds behind on a busy machine.

        First until it has seen the flag, filmed after them. But an encoder keeps what differs too little from the
        picture before, and so a sample of a colour that came of flipped bits: hence a revision, which forces an IDR
        picture, and then until the flag has gone.
        """
        self._fault = SETTLING
        self._fleet.begin(SETTLING)
        waiting = [eye for eye in eyes if eye.form.camera in self._fleet.flagged()]
        for eye in waiting:
            eye.saw_flag = eye.saw_flag_go = False
        blind = self._until(waiting, lambda eye: eye.saw_flag)
        self._fleet.apply()
        self._fleet.begin(QUIET)
        blind = blind or self._until(waiting, lambda eye: eye.saw_flag_go)
        if blind:
            result.problems.append(f"no new pictures come to {', '.join(blind)} after bit flips")
        self._fleet.end()

    def _until(self, eyes: list[Eye], happy: Callable[[Eye], bool]) -> list[str]:
        """Films slowly until all are happy; the names of those who are not after a minute."""
        begun = time.monotonic()
        while (waited := time.monotonic() - begun) < 60:
            self._tick(pace=5 if waited < 15 else 25)
            if all(map(happy, eyes)):
                return []
        return [eye.name for eye in eyes if not happy(eye)]

    def _balance(self, eyes: list[Eye], result: Leaks) -> None:
        """Whatever was lent has come back, and a long run has not grown."""
        for eye in eyes:
            if not isinstance(eye, RtspEye):  # those wait for FFmpeg
                eye.join(10)
        taps = self._fleet.engine.stats()["taps"]
        result.leases_given = taps["frames_taken"]
        if taps["frames_leased"] or taps["open"]:
            result.problems.append(f"{taps['frames_leased']} leases and {taps['open']} taps are still out at the end")
        if result.seconds >= _SOAK_S and result.growth_bytes > _GROWTH_LIMIT:
            result.problems.append(f"memory grew by {result.growth_bytes / (1 << 20):.1f} MiB after the first quarter")

    def _collect(self, result: Leaks) -> None:
        result.source_units = self._units
        for (exit_name, fault), cell in sorted(self._tally.cells().items()):
            result.cells.setdefault(exit_name, {})[fault] = cell
        result.complaints = dict(self._tally.complaints)
        result.leaks = {f"{path}, {fault}": count for (path, fault), count in sorted(self._tally.leaks.items())}
        for exit_name, faults in result.cells.items():
            quiet = faults.get(QUIET, Cell())
            if result.kind == "fixed" and "version" not in exit_name and quiet.allowed_pixels == 0:
                result.problems.append(f"{exit_name}: what may be seen was not seen either: it looked at nothing")
        if isinstance(self._fleet, DomeFleet):
            result.dome = self._fleet.figures


def run_leak(
    kind: str,
    pictures: int,
    seed: int,
    *,
    seconds: float = 0,
    self_test: bool = False,
    more_eyes: MoreEyes = lambda fleet, tally, fault: [],
    progress: Callable[[str], None] = lambda _: None,
) -> Leaks:
    """Films with one kind (`fixed`, `dome`) until so many pictures were decoded and every exit saw every fault.

    `seconds`: and at least for so long. `more_eyes`: makes those for exits that this module does not know.
    `self_test`: masks are drawn elsewhere, and every exit must leak: a meter that finds nothing then is broken.
    """
    result = Leaks(kind, seed, self_test)
    # One worker for all lanes: a burst overloads it.
    with vigie.Engine(shards=2, codec_workers=1) as engine, KINDS[kind](engine, seed, misplaced=self_test) as fleet:
        _Run(fleet, pictures, seconds, more_eyes, progress).run(result, seed)
    return result
