"""The journal: one line for every action, which nobody can change, remove or move unnoticed (L-18, L-32 to L-35).

`README.md` here says which file holds what, and what it may import; `docs/journal.md` what is written and how it is
proved. Hosts and the service use, with the kinds of `vigie.journal.records`:

    with Journal(folder, load_private(key), second=FolderPlace(copy), on_alarm=tell) as journal:
        journal.append(Login(actor=Actor(agent="op-12", organisation="csu-metz"), way="digest"))
"""

from vigie.journal.keys import load_private, load_public, make_key
from vigie.journal.purge import Purged, Retention
from vigie.journal.query import Audience, Entry, Page, Query, Row, ask, read_entries, visible
from vigie.journal.records import CATEGORIES, KINDS, Actor, Record
from vigie.journal.report import CameraAvailability, Year, yearly
from vigie.journal.report_files import report_csv, report_html
from vigie.journal.ship import Alarm, FolderPlace, Held, SecondPlace
from vigie.journal.sightings import Sighting, who_saw
from vigie.journal.verify import Finding, Verification, verify
from vigie.journal.writer import Journal, Limits

__all__ = [
    "CATEGORIES",
    "KINDS",
    "Actor",
    "Alarm",
    "Audience",
    "CameraAvailability",
    "Entry",
    "Finding",
    "FolderPlace",
    "Held",
    "Journal",
    "Limits",
    "Page",
    "Purged",
    "Query",
    "Record",
    "Retention",
    "Row",
    "SecondPlace",
    "Sighting",
    "Verification",
    "Year",
    "ask",
    "load_private",
    "load_public",
    "make_key",
    "read_entries",
    "report_csv",
    "report_html",
    "verify",
    "visible",
    "who_saw",
    "yearly",
]
