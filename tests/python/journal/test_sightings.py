"""Who saw a camera, exact to the picture (L-35): against a slow model, and with every way an end can be missing."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from python.journal.made import OPERATOR, POLICE, START_NS, begin, end, login
from vigie.journal import Entry, Sighting, who_saw
from vigie.journal.records import Actor, Export, Process, Record, Still, ViewBegin, ViewProgress

CAMERA = "place-armes-01"
NOW_NS = START_NS + 1_000_000
DIED = Process(actor=OPERATOR, process="engine", name="e1", step="began")


def entries(*records: Record) -> list[Entry]:
    return [Entry(seq, START_NS + seq * 1000, record) for seq, record in enumerate(records, 1)]


def ask(made: list[Entry], since: int = 0, until: int = 10**15, audience: str = "others") -> list[Sighting]:
    return who_saw(made, CAMERA, START_NS + since, START_NS + until, NOW_NS, audience)  # type: ignore[arg-type]


def span(sighting: Sighting) -> tuple[int, int]:
    return sighting.from_ns - START_NS, sighting.until_ns - START_NS


VIEW = begin(first_unit=START_NS + 100, purpose="inquiry", convention="metz", actor=POLICE)
ENDED = end(VIEW, START_NS + 100, START_NS + 500)


def test_an_ended_view_is_told_as_it_was() -> None:
    (found,) = ask(entries(login(), VIEW, ENDED, begin("gare-02")))
    assert (found.actor, found.mode, found.purpose, found.convention) == (POLICE, "live", "inquiry", "metz")
    assert (found.first_ns, found.last_ns) == (START_NS + 100, START_NS + 500)
    assert (span(found), found.state, found.exact, found.text) == ((100, 500), "ended", True, "")


@pytest.mark.parametrize(
    ("since", "until", "clipped"),
    [
        (0, 1000, (100, 500)),
        (200, 300, (200, 300)),
        (500, 600, (500, 500)),  # the last picture is within
        (501, 600, None),
        (0, 100, None),  # the interval is half open
        (0, 101, (100, 101)),
        (100, 101, (100, 101)),
    ],
)
def test_intervals_are_cut_to_what_was_asked(since: int, until: int, clipped: tuple[int, int] | None) -> None:
    found = ask(entries(VIEW, ENDED), since, until)
    assert [span(each) for each in found] == ([] if clipped is None else [clipped])
    assert all((each.first_ns, each.last_ns) == (START_NS + 100, START_NS + 500) for each in found)


def test_a_view_that_is_open_goes_on_until_now() -> None:
    (found,) = ask(entries(VIEW))
    assert (found.state, found.exact, found.last_ns) == ("open", False, None)
    assert span(found) == (100, 1_000_000)
    assert found.text == "still open"
    (cut,) = ask(entries(VIEW), 200, 300)
    assert (span(cut), cut.exact) == ((200, 300), False)


def progress(last: int) -> ViewProgress:
    return ViewProgress(
        actor=POLICE, view=VIEW.view, camera=CAMERA, first_unit=START_NS + 100, last_unit=START_NS + last
    )


def test_what_is_known_of_an_open_view_makes_the_answer_exact() -> None:
    (found,) = ask(entries(VIEW, progress(400)), 200, 300)
    assert (span(found), found.exact, found.state) == ((200, 300), True, "open")
    (found,) = ask(entries(VIEW, progress(400)), 200, 600)
    assert (found.exact, found.last_ns) == (False, START_NS + 400)


@pytest.mark.parametrize("step", ["began", "died", "ended"])
def test_an_end_that_a_crash_left_out_is_said_so(step: str) -> None:
    died = DIED.model_copy(update={"step": step})
    (found,) = ask(entries(VIEW, progress(400), died))
    assert (found.state, found.exact, found.last_ns) == ("end_not_written", False, START_NS + 400)
    assert span(found) == (100, 3000)
    assert "never written" in found.text
    assert ask(entries(VIEW, died), 2001, 9000) == []


def test_another_engine_that_begins_ends_nothing() -> None:
    other = DIED.model_copy(update={"name": "e2"})
    control = DIED.model_copy(update={"process": "control"})
    (found,) = ask(entries(VIEW, other, control))
    assert found.state == "open"
    (found,) = ask(entries(VIEW, other, ENDED))
    assert found.state == "ended"


def test_a_view_without_a_picture_was_none() -> None:
    nothing = begin()
    closed = end(nothing, 0, 0, units=0).model_copy(update={"first_unit": None, "last_unit": None})
    assert ask(entries(nothing, closed)) == []
    (found,) = ask(entries(nothing))
    assert found.first_ns is None
    assert "first picture is not written" in found.text


def test_an_end_whose_beginning_was_purged_still_tells() -> None:
    (found,) = ask(entries(ENDED))
    assert (span(found), found.exact) == ((100, 500), True)


def test_replays_stills_and_exports_count_by_their_capture_times() -> None:
    replay = begin(mode="playback", first_unit=START_NS - 5000)
    still = Still(actor=OPERATOR, camera=CAMERA, captured=START_NS - 4000, error_ms=40)
    export = Export(actor=POLICE, camera=CAMERA, export="x-1", first_unit=START_NS - 4500, last_unit=START_NS - 3000)
    made = entries(replay, end(replay, START_NS - 5000, START_NS - 4200), still, export)
    found = ask(made, -10_000, 0)
    assert [(each.mode, span(each)) for each in found] == [
        ("playback", (-5000, -4200)),
        ("export", (-4500, -3000)),
        ("still", (-4000, -4000)),
    ]
    assert [each.mode for each in ask(made, -4100, -3900)] == ["export", "still"]


def test_targeted_and_sealed_views_are_the_auditors() -> None:
    hidden = begin(visibility="targeted", first_unit=START_NS + 5)
    sealed = Export(
        actor=POLICE, camera=CAMERA, export="x", first_unit=START_NS, last_unit=START_NS + 9, visibility="sealed"
    )
    made = entries(hidden, VIEW, end(hidden, START_NS + 5, START_NS + 9), sealed, ENDED)
    assert ask(made) == ask(entries(VIEW, ENDED))
    assert len(ask(made, audience="auditor")) == 3


@dataclass
class Truth:
    """One viewer in a simulated town: the pictures that he received, every 40 ms."""

    view: ViewBegin
    frames: list[int]
    state: str


FRAME_NS = 40_000_000


@st.composite
def towns(draw: st.DrawFn) -> tuple[list[Entry], list[Truth]]:
    """Viewers who come, go, stay, or lose their engine, as the journal tells it."""
    truths: list[Truth] = []
    events: list[tuple[int, Record]] = []
    restart = draw(st.none() | st.integers(1, 400))
    for number in range(draw(st.integers(0, 6))):
        first = draw(st.integers(0, 300))
        last = first + draw(st.integers(0, 200))
        stays = draw(st.booleans())
        view = begin(view=f"v-{number}", actor=Actor(agent=f"op-{number}"), first_unit=START_NS + first * FRAME_NS)
        lost = restart is not None and first < restart and (stays or last >= restart)
        if lost and restart is not None:
            last = restart - 1
        events.append((first, view))
        state = "end_not_written" if lost else "open" if stays else "ended"
        if state == "open":
            last = 599
        if state == "ended":
            frames = (START_NS + first * FRAME_NS, START_NS + last * FRAME_NS)
            events.append((last, end(view, *frames)))
        truths.append(Truth(view, list(range(first, last + 1)), state))
    if restart is not None:
        events.append((restart, DIED))
    events.sort(key=lambda event: (event[0], event[1] is not DIED))
    made = [Entry(seq, START_NS + at * FRAME_NS, record) for seq, (at, record) in enumerate(events, 1)]
    return made, truths


@given(towns(), st.integers(0, 600), st.integers(1, 300))
def test_the_answer_is_that_of_a_model_that_counts_pictures(
    town: tuple[list[Entry], list[Truth]], since: int, length: int
) -> None:
    made, truths = town
    since_ns, until_ns = START_NS + since * FRAME_NS, START_NS + (since + length) * FRAME_NS
    now_ns = START_NS + 599 * FRAME_NS
    found = {each.actor.agent: each for each in who_saw(made, CAMERA, since_ns, until_ns, now_ns, "others")}
    for truth in truths:
        seen = [frame for frame in truth.frames if since <= frame < since + length]
        sighting = found.pop(truth.view.actor.agent, None)
        if not seen:
            # Without an end the bound is the restart's line, at most one picture too late here.
            assert sighting is None or truth.state == "end_not_written"
            continue
        assert sighting is not None
        assert sighting.state == truth.state
        assert abs(sighting.from_ns - (START_NS + seen[0] * FRAME_NS)) <= FRAME_NS
        assert abs(sighting.until_ns - (START_NS + seen[-1] * FRAME_NS)) <= FRAME_NS
    assert not found
