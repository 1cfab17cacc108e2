"""The yearly report as CSV, for a spreadsheet, and as one HTML page, to read and to print."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from html import escape

from vigie.journal.report import CameraYear, Year
from vigie.journal.texts import instant_text

_MODES = ("live", "playback", "tap")
_STYLE = """
body{font:15px/1.45 sans-serif;max-width:62em;margin:2em auto;padding:0 1em;color:#111;background:#fff}
h1{font-size:1.5em;margin-bottom:.1em}h2{font-size:1.1em;margin-top:1.8em}
table{border-collapse:collapse;width:100%}
th,td{padding:.25em .6em;border-bottom:1px solid #ccc;text-align:right;font-variant-numeric:tabular-nums}
th:first-child,td:first-child{text-align:left}thead th{border-bottom:2px solid #111;vertical-align:bottom}
thead{display:table-header-group}tr{break-inside:avoid}
.warn{border-left:4px solid #b00;padding:.4em .8em;background:#fdf0f0}
@media print{body{margin:0;max-width:none;font-size:10pt}.warn{background:none}}
"""


def summary(year: Year) -> list[tuple[str, int]]:
    """The figures of the whole commune, in words."""
    return [
        ("live views", year.views["live"]),
        ("playbacks", year.views["playback"]),
        ("views by programs (taps)", year.views["tap"]),
        ("stills given out", year.stills),
        ("requisitions received", year.requisitions["received"]),
        ("requisitions answered", year.requisitions["answered"]),
        ("requisitions refused", year.requisitions["refused"]),
        ("exports", year.exports),
        ("mask changes", year.mask_changes),
        ("mask changes that hide less", year.hides_less),
        ("refused requests", year.refusals),
        ("live views without authorisation (break-glass)", year.break_glass),
        ("incidents", year.incidents),
        ("alarms", year.alarms),
    ]


def camera_figures(camera: CameraYear) -> dict[str, int | float | None]:
    """The figures of one camera. Availability from 0 to 1; None: not known."""
    known = camera.availability
    return {
        "live_views": camera.views["live"],
        "live_hours": round(camera.viewed_s / 3600, 2),
        "playbacks": camera.views["playback"],
        "tap_views": camera.views["tap"],
        "stills": camera.stills,
        "exports": camera.exports,
        "requisitions": camera.requisitions,
        "mask_changes": camera.mask_changes,
        "mask_changes_that_hide_less": camera.hides_less,
        "availability": None if known is None or known.share is None else round(known.share, 5),
        "longest_gap_s": None if known is None else known.longest_gap_s,
    }


def report_csv(year: Year, verified: str) -> str:
    """One figure a row: `commune,year,about,name,figure,value`. What is not known has no value.

    `verified`: what a verification of the journal said, in words.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(["commune", "year", "about", "name", "figure", "value"])
    writer.writerow([year.commune, year.year, "commune", year.commune, "journal", verified])
    for about, name, figure, value in _figures(year):
        writer.writerow([year.commune, year.year, about, _cell(name), figure, "" if value is None else value])
    return out.getvalue()


def _figures(year: Year) -> Iterator[tuple[str, str, str, int | float | str | None]]:
    incomplete = year.incomplete_until_ns
    yield "commune", year.commune, "purged_until", None if incomplete is None else instant_text(incomplete)
    for figure, count in summary(year):
        yield "commune", year.commune, figure, count
    for name, count in sorted(year.organisations.items()):
        yield "organisation", name, "views", count
    for name, count in sorted(year.purposes.items()):
        yield "purpose", name, "views", count
    for name, camera in sorted(year.cameras.items()):
        for figure, value in camera_figures(camera).items():
            yield "camera", name, figure, value


def _cell(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return "'" + text if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def report_html(year: Year, verified: str) -> str:
    """One page without anything from elsewhere. `verified`: what a verification of the journal said, in words."""
    title = f"Video protection of commune {escape(year.commune)}, {year.year}"
    incomplete = ""
    if year.incomplete_until_ns is not None:
        until = instant_text(year.incomplete_until_ns)[:10]
        incomplete = (
            f'<p class="warn">Incomplete: entries from before {until} were deleted at the end of their retention and '
            "are not counted.</p>"
        )
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style></head><body>
<h1>{title}</h1>
<p>1 January to 31 December {year.year}, time of {escape(year.zone)}. Counted from the journal: {escape(verified)}.</p>
{incomplete}
<h2>The year</h2>
{_table(["", "number"], [[name, str(count)] for name, count in summary(year)])}
<h2>Who viewed</h2>
{_table(["organisation", "views"], _counts(year.organisations))}
<h2>For which purpose</h2>
{_table(["purpose", "views"], _counts(year.purposes))}
<h2>Cameras</h2>
{_table(_COLUMNS, [_row(name, camera) for name, camera in sorted(year.cameras.items())])}
</body></html>
"""


_COLUMNS = (
    "camera",
    "live views",
    "live hours",
    "playbacks",
    "stills",
    "exports",
    "requisitions",
    "mask changes",
    "of these hiding less",
    "availability",
    "longest gap",
)


def _row(name: str, camera: CameraYear) -> list[str]:
    figures = camera_figures(camera)
    known = camera.availability
    share, gap = figures["availability"], figures["longest_gap_s"]
    return [
        f"{name} ({known.title})" if known is not None and known.title else name,
        str(figures["live_views"]),
        f"{figures['live_hours']:.1f}",
        str(figures["playbacks"]),
        str(figures["stills"]),
        str(figures["exports"]),
        str(figures["requisitions"]),
        str(figures["mask_changes"]),
        str(figures["mask_changes_that_hide_less"]),
        "not known" if share is None else f"{share * 100:.2f} %",
        "" if gap is None else f"{gap / 3600:.1f} h",
    ]


def _counts(counts: Mapping[str, int]) -> list[list[str]]:
    return [[name, str(count)] for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return "<p>None.</p>"
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    body = "\n".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table>"
