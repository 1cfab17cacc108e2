"""`vigie journal …`: for auditors, and for whoever looks after the folders. All but `purge` and `key` only read."""

import json
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar
from zoneinfo import ZoneInfoNotFoundError

import typer
from pydantic import ValidationError

from vigie.errors import Error, InvalidArgumentError
from vigie.journal import keys
from vigie.journal.line import MAX_LINE_BYTES, Line, split_line
from vigie.journal.purge import apply_anchors
from vigie.journal.query import Audience, Query, Row, ask, read_entries
from vigie.journal.records import KINDS, fields_of
from vigie.journal.report import AVAILABILITY, CameraAvailability, yearly
from vigie.journal.report_files import report_csv, report_html
from vigie.journal.sightings import Sighting, needles, who_saw
from vigie.journal.texts import instant_text
from vigie.journal.verify import Verification, verify
from vigie.policy.problems import suggestion
from vigie.policy.windows import ns_of

Answer = TypeVar("Answer")

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(help="The journal's folder.", show_default=False)]
FolderOption = Annotated[Path, typer.Option("--journal", help="The journal's folder.", show_default=False)]
PublicKey = Annotated[
    Path | None, typer.Option("--key", help="PEM file of the public key that is to have signed.", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="As JSON.")]
Auditor = Annotated[bool, typer.Option("--auditor", help="Sealed and targeted entries too, with their seq.")]
SINCE_HELP = "An instant with its zone, such as 2026-01-31T08:00+01:00."


@app.callback()
def main() -> None:
    """The journal: proves that nobody changed it, and answers from it."""


@app.command("verify")
def verify_command(
    path: Folder,
    key: PublicKey = None,
    against: Annotated[
        Path | None, typer.Option("--against", help="The second place, a folder.", show_default=False)
    ] = None,
    noted: Annotated[
        Path | None,
        typer.Option("--checkpoint", help="A newest.json that was kept elsewhere.", show_default=False),
    ] = None,
    is_copy: Annotated[
        bool, typer.Option("--copy", help="PATH is a second place, which may be without newest.json.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Says whether every line is as it was written, and else names the first that is not.

    Exit code 0: all holds; 1: it does not; 2: there is no journal, or a file given cannot be read.
    """
    public = _or_exit(lambda: None if key is None else keys.load_public(key))
    kept = _or_exit(lambda: _noted(noted))
    result = _or_exit(lambda: verify(path, public, against, kept, is_copy=is_copy))
    if as_json:
        print(json.dumps(_verification_json(result), indent=2))
    else:
        for line in verification_lines(result):
            print(line)
    raise typer.Exit(0 if result.ok else 1)


def _noted(path: Path | None) -> Line | None:
    if path is None:
        return None
    with path.open("rb") as stream:
        line = split_line(stream.read(MAX_LINE_BYTES).removesuffix(b"\n"))
    if line is None or line.fault():
        raise InvalidArgumentError("not a checkpoint; right would be the newest.json of this journal", str(path))
    return line


def verification_lines(result: Verification) -> list[str]:
    """The verdict in words."""
    lines = [str(result.finding)] if result.finding else []
    span = (
        f"seq {result.first_seq} to {result.last_seq}, {result.first_at} to {result.last_at}"
        if result.lines
        else "none"
    )
    if result.finding:
        lines.append(f"does not hold; lines that hold before it: {span}")
    else:
        lines.append(f"holds: {result.lines} lines ({span})")
    signed = f"{result.checkpoints} checkpoints, signed through seq {result.signed_through}"
    lines.append(f"{signed}; {result.purged} entries purged; key {result.key or 'none'}")
    return lines + [f"note: {note}" for note in result.notes]


def _verification_json(result: Verification) -> dict[str, Any]:
    found = result.finding
    return {
        "folder": str(result.folder),
        "ok": result.ok,
        "finding": found
        and {"what": found.what, "file": str(found.file), "line": found.number, "seq": found.seq, "text": found.text},
        "notes": result.notes,
        "segments": result.segments,
        "lines": result.lines,
        "purged": result.purged,
        "checkpoints": result.checkpoints,
        "first_seq": result.first_seq,
        "last_seq": result.last_seq,
        "first_at": result.first_at,
        "last_at": result.last_at,
        "signed_through": result.signed_through,
        "journal": result.journal,
        "key": result.key,
        "key_given": result.key_given,
    }


@app.command()
def show(
    path: Folder,
    camera: Annotated[str | None, typer.Option(show_default=False)] = None,
    agent: Annotated[str | None, typer.Option(show_default=False)] = None,
    organisation: Annotated[str | None, typer.Option(show_default=False)] = None,
    kind: Annotated[list[str] | None, typer.Option(help="May be repeated.", show_default=False)] = None,
    since: Annotated[str | None, typer.Option("--from", help=SINCE_HELP, show_default=False)] = None,
    until: Annotated[str | None, typer.Option(help="The instant itself is outside.", show_default=False)] = None,
    offset: Annotated[int, typer.Option(min=0, help="How many answers to skip.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 100,
    auditor: Auditor = False,
    as_json: Json = False,
) -> None:
    """Shows entries, oldest first. With --json: one object a line."""
    for each in kind or []:
        if each not in KINDS:
            _wrong("--kind", f'no kind "{each}"; {suggestion(each, KINDS)}')
    given: dict[str, Any] = {"camera": camera, "agent": agent, "organisation": organisation}
    given |= {"since": _instant("--from", since), "until": _instant("--until", until)}
    try:
        query = Query(**given, kinds=tuple(kind or ()), offset=offset, limit=limit)
    except ValidationError as error:
        first = error.errors()[0]
        _wrong(f"--{first['loc'][0]}", str(first["msg"]))
    page = _or_exit(lambda: ask(read_entries(path), query, _audience(auditor)))
    if as_json:
        for row in page.rows:
            print(json.dumps(_row_json(row), ensure_ascii=False))
    else:
        for row in page.rows:
            print(_row_line(row))
    if page.next_offset is not None:
        print(f"more with --offset {page.next_offset}", file=sys.stderr)


def _row_json(row: Row) -> dict[str, Any]:
    own = {"number": row.number} | ({} if row.seq is None else {"seq": row.seq})
    return own | {"at": instant_text(row.at_ns)} | fields_of(row.record)


_COMMON = {"kind", "actor", "objects", "purpose", "reason", "visibility", "people", "camera", "commune"}


def _row_line(row: Row) -> str:
    """`   17 2026-01-31T12:34:56.789Z view.begin op-12 (csu-metz) place-armes-01: view=e1.5 mode=live …`."""
    fields = fields_of(row.record)
    what = [f"{name}={_short(value)}" for name, value in fields.items() if name not in _COMMON]
    what += [_short(fields[name]) for name in ("objects", "purpose", "people", "reason") if fields.get(name)]
    if row.record.visibility != "normal":
        what.append(f"[{row.record.visibility}]")
    number = row.number if row.seq is None else row.seq
    camera = f" {fields['camera']}" if "camera" in fields else ""
    at = instant_text(row.at_ns)[:23]
    return f"{number:>8} {at}Z {row.record.kind} {_who(fields['actor'])}{camera}: {' '.join(what)}"


def _short(value: Any) -> str:
    if isinstance(value, list):
        more = f" and {len(value) - 5} more" if len(value) > 5 else ""
        return ",".join(_short(each) for each in value[:5]) + more
    if isinstance(value, dict):
        return "/".join(_short(each) for each in value.values())
    return str(value)


def _who(actor: dict[str, Any]) -> str:
    who = str(actor["agent"])
    if actor.get("on_behalf_of"):
        who = f"{actor['on_behalf_of']} by {who}"
    return who + (f" ({actor['organisation']})" if actor.get("organisation") else "")


@app.command("who-saw")
def who_saw_command(
    camera: Annotated[str, typer.Argument(help="The camera's name.", show_default=False)],
    journal: FolderOption,
    since: Annotated[str, typer.Option("--from", help=SINCE_HELP, show_default=False)],
    until: Annotated[str, typer.Option(help="The instant itself is outside.", show_default=False)],
    auditor: Auditor = False,
    as_json: Json = False,
) -> None:
    """Says who received pictures of a camera that were captured in an interval, exact to the picture."""
    begin, end = _instant("--from", since), _instant("--until", until)
    if begin is None or end is None or begin >= end:
        _wrong("--until", "not after --from")
    entries = read_entries(journal, needles(camera))
    found = _or_exit(lambda: who_saw(entries, camera, begin, end, time.time_ns(), _audience(auditor)))
    if as_json:
        print(json.dumps({"camera": camera, "sightings": [_sighting_json(each) for each in found]}, indent=2))
        return
    for each in found:
        print(_sighting_line(each))
    print(f"{len(found)} found")


def _sighting_line(each: Sighting) -> str:
    """`2026-…Z to 2026-…Z live op-12 (csu-metz) for public-safety; still open`."""
    who = _who(each.actor.model_dump(exclude_none=True))
    purpose = f" for {each.purpose}" if each.purpose else ""
    about = "" if each.exact else "at the most "
    remark = f"; {each.text}" if each.text else ""
    return f"{about}{instant_text(each.from_ns)} to {instant_text(each.until_ns)} {each.mode} {who}{purpose}{remark}"


def _sighting_json(each: Sighting) -> dict[str, Any]:
    def instant(time_ns: int | None) -> str | None:
        return None if time_ns is None else instant_text(time_ns)

    return {
        **each.actor.model_dump(exclude_none=True),
        "mode": each.mode,
        "stream": each.stream,
        "purpose": each.purpose,
        "convention": each.convention,
        "first": instant(each.first_ns),
        "last": instant(each.last_ns),
        "from": instant(each.from_ns),
        "until": instant(each.until_ns),
        "state": each.state,
        "exact": each.exact,
        "text": each.text,
    }


@app.command()
def report(
    journal: FolderOption,
    commune: Annotated[str, typer.Option(help="INSEE code.", show_default=False)],
    year: Annotated[int, typer.Option(min=1970, max=2261, show_default=False)],
    csv: Annotated[Path | None, typer.Option("--csv", help="File to write.", show_default=False)] = None,
    html: Annotated[Path | None, typer.Option("--html", help="File to write.", show_default=False)] = None,
    availability: Annotated[
        Path | None,
        typer.Option(help="JSON: how much of the year each camera gave pictures.", show_default=False),
    ] = None,
    zone: Annotated[str, typer.Option(help="Time zone in which the year is counted.")] = "Europe/Paris",
    key: PublicKey = None,
    auditor: Auditor = False,
    as_json: Json = False,
) -> None:
    """Writes the yearly figures of a commune, for its ethics committee. The journal is verified first.

    Exit code 1: the journal does not hold; the report is written all the same, and says so.
    """
    if csv is None and html is None:
        _wrong("--csv", "nothing to write; right would be --csv FILE, --html FILE or both")
    cameras = _availability(availability)
    public = _or_exit(lambda: None if key is None else keys.load_public(key))
    checked = _or_exit(lambda: verify(journal, public))
    try:
        found = _or_exit(
            lambda: yearly(read_entries(journal), cameras, commune, year, zone, _audience(auditor)),
        )
    except ZoneInfoNotFoundError:
        _wrong("--zone", f'no time zone "{zone}"; right would be such as Europe/Paris')
    if csv is not None:
        _write(csv, report_csv(found, _verified(checked)))
    if html is not None:
        _write(html, report_html(found, _verified(checked)))
    if as_json:
        written = [str(path) for path in (csv, html) if path is not None]
        print(json.dumps({"written": written, "verified": checked.finding is None, "cameras": len(found.cameras)}))
    if checked.finding is not None:
        print(f"error: the journal does not hold: {checked.finding}", file=sys.stderr)
        raise typer.Exit(1)


def _verified(result: Verification) -> str:
    if result.finding is not None:
        return f"DOES NOT HOLD ({result.finding.what})"  # no seq: how many lines there are is the auditor's
    through = f"verified, signed up to {result.last_at[:10]}" if result.signed_through else "verified, not signed"
    return through + ("" if result.key_given else " (with the key that it names itself)")


def _availability(path: Path | None) -> tuple[CameraAvailability, ...]:
    if path is None:
        return ()
    try:
        return AVAILABILITY.validate_json(path.read_bytes())
    except OSError as error:
        _wrong("--availability", f"{path}: {error.strerror}")
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"])
        _wrong("--availability", f"{path}: {where}: {first['msg']}")


@app.command()
def purge(path: Folder, key: PublicKey = None, as_json: Json = False) -> None:
    """Takes out of a copy what the journal's own signed anchors name. For whoever looks after the second place.

    The journal itself is purged by the program that writes it. The copy is verified first.

    Exit code 1: it does not hold, and nothing was taken out.
    """
    result = _or_exit(lambda: verify(path, None if key is None else keys.load_public(key), is_copy=True))
    if result.finding is not None:
        print(f"error: nothing is taken out of a journal that does not hold: {result.finding}", file=sys.stderr)
        raise typer.Exit(1)
    gone = _or_exit(lambda: apply_anchors(path))
    if as_json:
        print(json.dumps({"entries": gone.entries, "segments": gone.segments}))
    else:
        print(f"{gone.entries} entries and {gone.segments} whole segments taken out")


@app.command("key")
def make_key_command(
    path: Annotated[Path, typer.Argument(help="File to write; FILE.pub gets the public key.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Makes a key that signs a journal. An existing file is never overwritten."""
    try:
        made = keys.make_key(path)
    except OSError as error:
        print(f"error: {error.filename}: {error.strerror}", file=sys.stderr)
        raise typer.Exit(2) from None
    text = keys.public_text(made)
    print(json.dumps({"file": str(path), "public_key": text}) if as_json else f"{path}.pub: {text}")


def _audience(auditor: bool) -> Audience:
    return "auditor" if auditor else "others"


def _instant(option: str, text: str | None) -> int | None:
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None or not 1970 <= instant.year <= 2261:
        _wrong(option, f'"{text}" is not a time with its zone; right would be such as 2026-01-31T08:00:00+01:00')
    return ns_of(instant)


def _wrong(option: str, what: str) -> NoReturn:
    print(f"error: {option}: {what}", file=sys.stderr)
    raise typer.Exit(2)


def _or_exit(call: Callable[[], Answer]) -> Answer:
    """The answer, or exit code 2 for what cannot be read."""
    try:
        return call()
    except (Error, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(2) from None


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        print(f"error: {path}: {error.strerror}", file=sys.stderr)
        raise typer.Exit(1) from None
