"""What a line may hold: cleaned texts, instants, and types without room for pictures, plates and secrets (L-34)."""

import json
import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from python.journal.made import KEY, Clock, begin, example_of, login
from vigie.journal import Journal, read_entries
from vigie.journal.records import (
    CATEGORIES,
    KINDS,
    Actor,
    Apply,
    Login,
    PurgedUntil,
    Record,
    ViewBegin,
    parse_record,
    record_bytes,
)
from vigie.journal.texts import clean_text, instant_text, parse_instant, pseudonym

ACTOR = Actor(agent="op-12")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("vol de vélo place d'Armes", "vol de vélo place d'Armes"),
        ("au 112 de la rue, 2 hommes", "au 112 de la rue, 2 hommes"),
        ("procédure 2026/1234", "procédure 2026/1234"),
        ("camera place-armes-01, caméra 101", "camera place-armes-01, caméra 101"),
        ("le secret professionnel", "le secret professionnel"),
        ("voiture AB-123-CD rouge", "voiture [removed: plate] rouge"),
        ("voiture ab123cd", "voiture [removed: plate]"),
        ("voiture AB 123 CD", "voiture [removed: plate]"),
        ("1234 AB 57", "[removed: plate]"),
        ("password: hunter2 donné", "[removed: secret] donné"),
        ("mot de passe=x", "[removed: secret]"),
        ("rtsp://ops:geheim@10.1.0.7/main", "rtsp://[removed: secret]10.1.0.7/main"),
        ("data:image/png;base64,iVBOR", "[removed: data]"),
        ("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ", "[removed: data]"),
        ("-----BEGIN X-----\nabc\n-----END X-----", "[removed: secret]"),
        ("zwei\nZeilen\x00\u2028und\ud800", "zwei Zeilen und"),
    ],
)
def test_texts_are_cleaned(given: str, kept: str) -> None:
    assert clean_text(given) == kept


@given(st.text(max_size=1500))
def test_a_cleaned_text_is_short_and_on_one_line(text: str) -> None:
    cleaned = clean_text(text)
    assert len(cleaned) <= 500
    assert not re.search(r"[\x00-\x1f\u2028\u2029]", cleaned)
    cleaned.encode()


@given(st.integers(0, 9_214_646_399 * 10**9 + 999_999_999), st.integers(0, 9_214_646_399 * 10**9))
def test_instants_keep_every_nanosecond_and_sort(one: int, other: int) -> None:
    assert parse_instant(instant_text(one)) == one
    assert (one < other) == (instant_text(one) < instant_text(other))


@pytest.mark.parametrize("text", ["", "2026-01-31", "2026-01-31T12:34:56Z", "2026-01-31T12:34:56.123456789+01:00"])
def test_other_forms_are_no_instants(text: str) -> None:
    with pytest.raises(ValueError, match="right would be"):
        parse_instant(text)


def test_a_pseudonym_is_the_same_for_one_secret_alone() -> None:
    assert pseudonym(b"one", "Martin") == pseudonym(b"one", "Martin")
    assert pseudonym(b"one", "Martin") != pseudonym(b"two", "Martin")
    Login(actor=ACTOR, way="digest", people=(pseudonym(b"one", "Martin"),))
    with pytest.raises(ValidationError):
        Login(actor=ACTOR, way="digest", people=("Martin",))


def plain_types(annotation: Any) -> set[Any]:
    """The innermost types of a field, models opened up."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {inner for each in annotation.model_fields.values() for inner in plain_types(each.annotation)}
    if typing.get_origin(annotation) is typing.Literal:
        return {type(each) for each in typing.get_args(annotation)}
    if typing.get_origin(annotation) is typing.Annotated:
        return plain_types(typing.get_args(annotation)[0])
    arguments = [each for each in typing.get_args(annotation) if each is not ...]
    if arguments:
        return {inner for each in arguments for inner in plain_types(each)}
    return {annotation}


PICTURE = "iVBORw0KGgoAAAANSUhEUgAA" * 100
HOSTILE = [PICTURE, PICTURE[:600], "AB 123 CD", "mot de passe: x", "-----BEGIN X-----", "two\nlines"]


def with_text(value: Any, text: str) -> Iterator[Any]:
    """A value with each of its texts, one after the other, replaced."""
    if isinstance(value, str):
        yield text
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from ([*value[:index], other, *value[index + 1 :]] for other in with_text(each, text))
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from (value | {name: other} for other in with_text(each, text))


@pytest.mark.parametrize("kind", KINDS)
def test_no_kind_has_room_for_a_picture_a_plate_or_a_secret(kind: str) -> None:
    """Fields are numbers, or texts that are bounded by a pattern or a list; the one free text is cleaned."""
    model = KINDS[kind]
    assert model.category in CATEGORIES
    for name, field in model.model_fields.items():
        assert plain_types(field.annotation) <= {str, int, bool, type(None)}, name
    fields = json.loads(record_bytes(example_of(model)))
    for hostile in HOSTILE:
        for other in with_text(fields, hostile):
            try:
                taken = model.model_validate_json(json.dumps(other))
            except ValidationError:
                continue
            assert other["reason"] == hostile, other
            assert hostile.encode() not in record_bytes(taken)


def test_the_reason_is_cleaned_when_made_and_left_alone_when_read() -> None:
    record = Login(actor=ACTOR, way="digest", reason="AB-123-CD")
    assert record.reason == "[removed: plate]"
    written = record_bytes(record).replace(b"[removed: plate]", b"AB-123-CD")
    assert parse_record(written).reason == "AB-123-CD"


def test_a_scan_of_a_journal_finds_no_plate_no_secret_and_no_picture(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal", KEY, clock=Clock()) as journal:
        for hostile in HOSTILE:
            journal.append_many([begin(reason=f"x {hostile} y"), login()])
    entries = [entry.record for entry in read_entries(journal.folder) if entry.record.category != "journal"]
    for record in entries:
        text = record_bytes(record).decode()
        assert not re.search(r"AB.?123.?CD|BEGIN X|mot de passe: x|[A-Za-z0-9+/]{40,}", text), text


def test_fields_that_no_kind_has_are_refused() -> None:
    with pytest.raises(ValidationError):
        ViewBegin(actor=ACTOR, camera="c", view="v", engine="e", thumbnail=b"\x89PNG")  # type: ignore[call-arg]
    with pytest.raises(ValidationError):
        Apply(actor=ACTOR, revision=1, created=("camera/a b",))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_comes_back_as_it_was(kind: str) -> None:
    record = example_of(KINDS[kind])
    text = record_bytes(record)
    assert b"\n" not in text
    assert parse_record(text) == record
    assert text.startswith(b'{"kind":"%b"' % kind.encode())


def test_a_kind_of_a_later_version_can_be_read() -> None:
    record = parse_record(b'{"kind":"telepathy","actor":{"agent":"op"},"objects":["camera/a"],"strength":3}')
    assert type(record).__name__ == "Unknown"
    assert (record.kind, record.objects) == ("telepathy", ("camera/a",))


def test_every_record_class_is_in_the_registry() -> None:
    def below(of: type[Record]) -> set[type[Record]]:
        return {of} | {each for sub in of.__subclasses__() for each in below(sub)}

    concrete = {
        each for each in below(Record) if typing.get_origin(each.model_fields["kind"].annotation) is typing.Literal
    }
    assert concrete == set(KINDS.values())
    assert PurgedUntil not in concrete
