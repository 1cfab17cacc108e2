"""The yearly report: counted as declared, escaped, and honest about what was purged."""

import csv
import io
import re
from html.parser import HTMLParser
from zoneinfo import ZoneInfoNotFoundError

import pytest
from pydantic import ValidationError

from python.journal.made import OPERATOR, POLICE, START_NS, begin, end
from vigie.journal import CameraAvailability, Entry, Year, report_csv, report_html, yearly
from vigie.journal.records import (
    Alarm,
    BreakGlass,
    Export,
    Incident,
    MaskChange,
    Purge,
    PurgedUntil,
    Record,
    Refusal,
    Requisition,
    Still,
)
from vigie.journal.report import AVAILABILITY, year_bounds
from vigie.journal.texts import NS, instant_text

HOUR_NS = 3600 * NS
COMMUNE = "57463"


def of_2026(*records: Record) -> list[Entry]:
    """Entries of the middle of the year."""
    return [Entry(seq, START_NS + 4000 * HOUR_NS + seq, record) for seq, record in enumerate(records, 1)]


VIEW = begin("gare-02", actor=POLICE, purpose="inquiry")
DAY = [
    VIEW,
    end(VIEW, START_NS + 4000 * HOUR_NS, START_NS + 4002 * HOUR_NS),
    begin("gare-02", mode="playback", purpose="inquiry", actor=POLICE),
    begin("place-armes-01", actor=OPERATOR),
    begin("secret-09", visibility="targeted", actor=POLICE),
    begin("place-armes-01", commune="57001", actor=OPERATOR),
    Still(actor=OPERATOR, camera="gare-02", commune=COMMUNE, captured=START_NS, error_ms=4),
    MaskChange(actor=OPERATOR, camera="gare-02", commune=COMMUNE, mask_set="gare-02", revision=2),
    MaskChange(actor=OPERATOR, camera="gare-02", commune=COMMUNE, mask_set="gare-02", revision=3, hides_less=True),
    Requisition(
        actor=POLICE, requisition="r-1", step="received", commune=COMMUNE, cameras=("gare-02", "place-armes-01")
    ),
    Requisition(actor=POLICE, requisition="r-1", step="answered", commune=COMMUNE, cameras=("gare-02",)),
    Export(actor=POLICE, camera="gare-02", commune=COMMUNE, export="x", first_unit=1, last_unit=2, requisition="r-1"),
    Refusal(actor=POLICE, op="route.open", code=205, camera="gare-02", commune=COMMUNE),
    Incident(actor=OPERATOR, incident="i-1", camera="gare-02", commune=COMMUNE),
    Alarm(actor=OPERATOR, alarm="silent", step="raised", commune=COMMUNE),
    Alarm(actor=OPERATOR, alarm="silent", step="over", commune=COMMUNE),
    BreakGlass(actor=OPERATOR, camera="gare-02", commune=COMMUNE, until=START_NS),
]
AVAILABLE = CameraAvailability(
    camera="gare-02", commune=COMMUNE, title="Gare <b>sud</b>", expected_s=1000, delivered_s=995, longest_gap_s=3600
)
SILENT = CameraAvailability(camera="never-03", commune=COMMUNE, title="=cmd()", expected_s=0, delivered_s=0)


def of_year(*records: Record, audience: str = "others") -> Year:
    return yearly(of_2026(*records), [AVAILABLE, SILENT], COMMUNE, 2026, audience=audience)  # type: ignore[arg-type]


def test_a_year_is_counted() -> None:
    year = of_year(*DAY)
    assert year.views == {"live": 2, "playback": 1}
    assert year.organisations == {"police-nationale": 2, "csu-metz": 1}
    assert year.purposes == {"inquiry": 2, "(none)": 1}
    assert year.requisitions == {"received": 1, "answered": 1}
    assert (year.stills, year.exports, year.mask_changes, year.hides_less) == (1, 1, 2, 1)
    assert (year.refusals, year.incidents, year.alarms, year.break_glass) == (1, 1, 1, 1)
    station = year.cameras["gare-02"]
    assert (station.views, station.viewed_s, station.requisitions) == ({"live": 1, "playback": 1}, 7200.0, 1)
    assert year.cameras["place-armes-01"].requisitions == 1
    assert station.availability == AVAILABLE
    assert "secret-09" not in year.cameras
    assert year.incomplete_until_ns is None


def test_the_auditors_report_counts_what_is_hidden_too() -> None:
    year = of_year(*DAY, audience="auditor")
    assert year.views["live"] == 3
    assert "secret-09" in year.cameras


def test_the_year_is_that_of_the_place() -> None:
    begin_ns, end_ns = year_bounds(2026, "Europe/Paris")
    assert instant_text(begin_ns) == "2025-12-31T23:00:00.000000000Z"
    at = [begin_ns - 1, begin_ns, end_ns - 1, end_ns]
    made = [Entry(seq, at_ns, begin("c")) for seq, at_ns in enumerate(at, 1)]
    assert yearly(made, [], COMMUNE, 2026).views["live"] == 2
    with pytest.raises(ZoneInfoNotFoundError):
        yearly([], [], COMMUNE, 2026, "Europe/Nowhere")


def test_a_view_over_the_years_end_counts_its_time_in_both() -> None:
    _, end_ns = year_bounds(2026, "Europe/Paris")
    view = begin("c")
    made = [
        Entry(1, end_ns - HOUR_NS, view),
        Entry(2, end_ns + HOUR_NS, end(view, end_ns - HOUR_NS, end_ns + 2 * HOUR_NS)),
    ]
    years = [yearly(made, [], COMMUNE, year) for year in (2026, 2027)]
    assert [year.views["live"] for year in years] == [1, 0]
    assert [year.cameras["c"].viewed_s for year in years] == [3600.0, 7200.0]


def test_what_was_purged_makes_the_year_incomplete() -> None:
    until = START_NS + 2000 * HOUR_NS
    purge = Purge(purged=(PurgedUntil(category="views", until=until),), begins=1)
    year = of_year(purge, *DAY)
    assert year.incomplete_until_ns == until
    assert "Incomplete" in report_html(year, "verified")
    assert "commune,2026,commune" not in report_csv(year, "verified")
    assert f"purged_until,{instant_text(until)}" in report_csv(year, "verified")
    early = Purge(purged=(PurgedUntil(category="views", until=START_NS - 2000 * HOUR_NS),), begins=1)
    assert of_year(early).incomplete_until_ns is None


def test_csv_has_one_figure_a_row() -> None:
    rows = list(csv.DictReader(io.StringIO(report_csv(of_year(*DAY), "verified"))))
    assert all((row["commune"], row["year"]) == (COMMUNE, "2026") for row in rows)
    figures = {(row["about"], row["name"], row["figure"]): row["value"] for row in rows}
    assert len(figures) == len(rows)
    assert figures["commune", COMMUNE, "journal"] == "verified"
    assert figures["camera", "gare-02", "availability"] == "0.995"
    assert figures["camera", "gare-02", "live_hours"] == "2.0"
    assert figures["camera", "never-03", "availability"] == ""
    assert figures["organisation", "police-nationale", "views"] == "2"
    assert figures["commune", COMMUNE, "mask changes that hide less"] == "1"


def test_no_cell_is_a_formula() -> None:
    year = of_year(begin("c", purpose="x"))
    year.organisations["=1+1"] = 3
    rows = list(csv.reader(io.StringIO(report_csv(year, "verified"))))
    assert [row[3] for row in rows if row[3].endswith("=1+1")] == ["'=1+1"]


class Page(HTMLParser):
    """Collects tags and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def test_html_is_escaped_and_holds_nothing_from_elsewhere() -> None:
    year = of_year(*DAY)
    year.organisations['<script>alert("x")</script>'] = 1
    text = report_html(year, "verified & signed")
    page = Page(text)
    assert {"script", "b", "img", "link", "iframe"}.isdisjoint(page.tags)
    assert not [name for name, _ in page.attributes if name in ("src", "href", "style") or name.startswith("on")]
    assert "url(" not in text
    assert "@import" not in text
    assert "@media print" in text
    assert "Gare <b>sud</b>" in page.text
    assert "verified & signed" in page.text
    assert re.search(r"99\.50 %", page.text)
    assert "not known" in page.text


@pytest.mark.parametrize(
    "text",
    [
        '[{"camera":"c","commune":"57463","expected_s":-1,"delivered_s":0}]',
        '[{"camera":"c","commune":"574","expected_s":1,"delivered_s":0}]',
        '[{"camera":"c","commune":"57463","expected_s":1}]',
        '[{"camera":"c","commune":"57463","expected_s":1,"delivered_s":0,"more":1}]',
        '{"camera":"c"}',
    ],
)
def test_availability_is_checked(text: str) -> None:
    with pytest.raises(ValidationError):
        AVAILABILITY.validate_json(text)
    assert (
        AVAILABILITY.validate_json('[{"camera":"c","commune":"2A004","expected_s":2,"delivered_s":3}]')[0].share == 1.0
    )
