"""Figures, advice and dialogue of a probe: pure functions."""

import dataclasses

import pytest

from vigie.probe.advice import advise, time_zone
from vigie.probe.dialogue import read_dialogue
from vigie.probe.measure import Figures, UnitFacts, measure

MS = 1_000_000
WALL = 1_790_000_000_000 * MS


def units(
    count: int = 1001,
    *,
    fps: float = 25,
    gop: int = 50,
    late_ms: float = 0,
    clock_off_ms: float = 0,
    clock_ppm: float = 0,
    media_ppm: float = 0,
    quality: str = "reported",
) -> list[UnitFacts]:
    """A camera that ships `fps`; every seventh unit comes `late_ms` late."""
    out = []
    for index in range(count):
        at_ms = index * 1000 / fps
        arrival_ms = at_ms + (late_ms if index % 7 == 3 else 0)
        capture_ms = at_ms * (1 + clock_ppm / 1e6) + clock_off_ms
        out.append(
            UnitFacts(
                arrival_ns=round(arrival_ms * MS),
                arrival_wall_ns=WALL + round(arrival_ms * MS),
                capture_ns=WALL + round(capture_ms * MS),
                clock_quality=quality,
                pts_90k=round(at_ms * 90 * (1 + media_ppm / 1e6)),
                size=100_000 if index % gop == 0 else 10_000,
                keyframe=index % gop == 0,
                gap=False,
                damaged=False,
                width=1920,
                height=1080,
            )
        )
    return out


def measured(**options: float) -> Figures:
    """The figures of such a camera."""
    figures = measure(units(**options))  # type: ignore[arg-type]
    assert figures is not None
    return figures


def advice(figures: Figures, **facts: object) -> list[str]:
    """Advice where all else is well."""
    good: dict[str, object] = {"declared_fps": 0, "transport": "tcp", "lost_packets": 0, "marker_proven": True}
    return advise(figures, **(good | facts))  # type: ignore[arg-type]


def test_rates_and_sizes() -> None:
    figures = measured()
    assert figures.fps == pytest.approx(25)
    assert figures.media_fps == pytest.approx(25)
    # Per 50 units: one of 100 kB and 49 of 10 kB, in two seconds.
    assert figures.bitrate_bps == pytest.approx((100_000 + 49 * 10_000) * 8 / 2)
    assert (figures.keyframe_bytes, figures.unit_bytes) == (100_000, 10_000)
    assert (figures.gop.units_least, figures.gop.units_most, figures.gop.seconds_median) == (50, 50, 2)
    assert figures.sizes == ((1920, 1080),)


def test_lateness_is_jitter_and_a_slow_media_clock_is_not() -> None:
    assert measured().jitter_ms == pytest.approx(0, abs=0.01)
    assert measured(late_ms=30).jitter_ms == pytest.approx(30, abs=0.5)
    drifting = measured(media_ppm=-300)
    assert drifting.jitter_ms == pytest.approx(0, abs=0.2)
    assert drifting.media_drift_ppm == pytest.approx(-300, abs=2)


def test_the_cameras_clock() -> None:
    figures = measured(clock_off_ms=-3600_000, clock_ppm=150)
    assert figures.clock.offset_ms == pytest.approx(-3600_000, abs=5)
    assert figures.clock.drift_ppm == pytest.approx(150, abs=1)
    assert measured(count=100).clock.drift_ppm is None, "four seconds say nothing of drift"
    unknown = measure(units(quality="none"))
    assert unknown is not None
    assert (unknown.clock.quality, unknown.clock.offset_ms) == ("none", None)


def test_too_little_is_nothing() -> None:
    assert measure([]) is None
    assert measure(units(1)) is None
    one_gop = measured(count=40)
    assert one_gop.gop.count == 0


@pytest.mark.parametrize(
    ("options", "facts", "says"),
    [
        ({"gop": 250}, {}, "every 10.0 s only"),
        ({"gop": 5000}, {}, "G15"),
        ({"fps": 21}, {"declared_fps": 25}, "declares 25 fps, ships 21.0: L-14"),
        ({"clock_off_ms": 5000}, {}, "+5.0 s: let it follow an NTP server"),
        ({"clock_off_ms": 2 * 3600_000 + 300}, {}, "+7200.3 s, which is time zone +02:00"),
        ({"clock_off_ms": 3600_000 + 30_000}, {}, "+3630.0 s: let it follow an NTP server"),
        ({"quality": "none"}, {}, "no sender reports within 40 s"),
        ({"quality": "none"}, {"reports": {"reports_without_time": 3, "reports_since_1970": 3}}, "from 1970 where"),
        ({"quality": "none"}, {"reports": {"reports_without_time": 3, "reports_since_1970": 0}}, "no time of day"),
        ({"clock_ppm": 200}, {}, "+200 ppm (+17.3 s a day)"),
        ({}, {"lost_packets": 7, "transport": "udp"}, "7 packets lost, 0 pictures damaged: set `transport: tcp`"),
        ({}, {"marker_proven": False}, "40 ms later"),
    ],
)
def test_advice_names_what_is_wrong(options: dict[str, float], facts: dict[str, object], says: str) -> None:
    sentences = advice(measured(**options), **facts)
    assert len(sentences) == 1, sentences
    assert says in sentences[0]


@pytest.mark.parametrize(
    ("offset_s", "zone"),
    [
        (0, ""),
        (4, ""),
        (3600, "time zone +01:00"),
        (-3601.5, "time zone -01:00"),
        (20_700 - 2, "time zone +05:45"),
        (-9.5 * 3600, "time zone -09:30"),
        (14 * 3600 + 1, "time zone +14:00"),
        (15 * 3600, ""),
        (3590, ""),
        (1800 + 6, ""),
    ],
)
def test_a_time_zone_is_told_from_a_clock_that_is_off(offset_s: float, zone: str) -> None:
    assert time_zone(offset_s) == zone


def test_a_clock_that_is_set_in_mid_run_has_no_drift() -> None:
    run = units()
    stepped = [
        unit if index < 600 else dataclasses.replace(unit, capture_ns=unit.capture_ns - 90_000 * MS)
        for index, unit in enumerate(run)
    ]
    figures = measure(stepped)
    assert figures is not None
    assert figures.clock.stepped
    assert figures.clock.drift_ppm is None
    told = advice(figures, reports={"steps": 1, "last_step_ms": -90_000.0})
    assert "set to another time once during the run (by -90.0 s at last)" in told[0]
    assert not measured(late_ms=1500).clock.stepped, "a network that stalls is no clock"


def test_a_first_report_that_comes_late_is_told() -> None:
    run = [
        dataclasses.replace(unit, clock_quality="none") if index < 200 else unit for index, unit in enumerate(units())
    ]
    figures = measure(run)
    assert figures is not None
    assert (figures.clock.first_s, figures.clock.quality) == (pytest.approx(8), "reported")
    assert "8.0 s after its first picture" in advice(figures)[0]


def test_no_advice_where_nothing_is_wrong() -> None:
    assert advice(measured(), declared_fps=25) == []


def test_advice_on_reports_that_never_come_and_a_size_that_changes() -> None:
    figures = measured()
    silent = dataclasses.replace(figures, clock=dataclasses.replace(figures.clock, quality="none", offset_ms=None))
    assert "no sender reports" in advice(silent)[0]
    changing = dataclasses.replace(figures, sizes=((1920, 1080), (640, 360)))
    assert "1920 x 1080, 640 x 360" in advice(changing)[0]


def test_the_dialogue_tells_server_methods_timeout_and_authentication() -> None:
    session = read_dialogue(
        [
            {"sent": True, "text": "OPTIONS rtsp://h/ RTSP/1.0\r\nCSeq: 1\r\n\r\n"},
            {"sent": False, "text": "RTSP/1.0 200 OK\r\nServer: Cam/2\r\nPublic: OPTIONS, PLAY, GET_PARAMETER\r\n\r\n"},
            {"sent": False, "text": 'RTSP/1.0 401 No\r\nWWW-Authenticate: Digest realm="x", algorithm=SHA-256\r\n\r\n'},
            {"sent": False, "text": "RTSP/1.0 200 OK\r\n\r\nv=0\r\ns=x\r\n"},
            {"sent": False, "text": "RTSP/1.0 200 OK\r\nSession: 7;timeout = 15\r\n\r\n"},
        ]
    )
    assert session.server == "Cam/2"
    assert session.methods == ("OPTIONS", "PLAY", "GET_PARAMETER")
    assert session.keepalive == "GET_PARAMETER"
    assert session.timeout_s == 15
    assert session.authentication == "Digest SHA-256"
    assert session.description == "v=0\ns=x\n"
    empty = read_dialogue([])
    assert (empty.keepalive, empty.timeout_s) == ("OPTIONS", None)
