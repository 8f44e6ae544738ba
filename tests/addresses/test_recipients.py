"""Reading a list of people: pasted or a table, of every usual shape, and in one pass."""

from __future__ import annotations

import codecs
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from django.utils.translation import override
from hypothesis import example, given
from hypothesis import strategies as st

from invitation.addresses import cells, headings, names, people, recipients, tables
from invitation.addresses.recipients import Recipient, decode, parse
from invitation.exceptions import ListRefused


def emails(text: str, **options: Any) -> list[str]:
    return [person.email for person in parse(text, **options)]


def table(text: str) -> list[Recipient]:
    return parse(text, pasted=False)


def code(read: Callable[[], object]) -> str:
    with pytest.raises(ListRefused) as refused:
        read()
    return refused.value.code


# -- a list ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "a@x.org,b@x.org,c@x.org",
        "a@x.org; b@x.org; c@x.org",
        "a@x.org\nb@x.org\r\nc@x.org\r",
        "\n a@x.org , b@x.org ;\n\n,,c@x.org,\n",
        "\ufeffa@x.org\nb@x.org\nc@x.org",
        "<a@x.org>, <b@x.org>, <c@x.org>",
    ],
    ids=["commas", "semicolons", "lines", "mixed", "byte order mark", "brackets"],
)
def test_a_list_may_be_divided_in_every_way(text: str) -> None:
    assert emails(text) == ["a@x.org", "b@x.org", "c@x.org"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Ann Smith <a@x.org>", "Ann Smith"),
        ('"Smith, Ann" <a@x.org>', "Smith, Ann"),
        ("Smith, Ann <a@x.org>", "Smith, Ann"),
        ('"Ann \\"Annie\\" Smith" <a@x.org>', 'Ann "Annie" Smith'),
        ('"Smith; Ann<3" <a@x.org>', "Smith; Ann<3"),
        ("Ann, <a@x.org>", "Ann"),
        ("<a@x.org>", ""),
        ('"" <a@x.org>', ""),
        ("   Ann\u00a0 <  a@x.org  >  ", "Ann"),
    ],
)
def test_an_entry_may_have_a_name(text: str, name: str) -> None:
    [person] = parse(text)
    assert (person.email, person.name) == ("a@x.org", name)


def test_entries_with_names_stand_beside_others() -> None:
    text = 'c@x.org, "Doe, Jane" <j@x.org>; Roe, Rick <r@x.org>, b@x.org\nAnn <a@x.org>'
    found = [(person.number, person.email, person.name) for person in parse(text)]
    assert found == [
        (1, "c@x.org", ""),
        (2, "j@x.org", "Doe, Jane"),
        (3, "Roe", ""),  # may be somebody else
        (4, "r@x.org", "Rick"),
        (5, "b@x.org", ""),
        (6, "a@x.org", "Ann"),
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("nobody, a@x.org", ["nobody", "a@x.org"]),
        ("one, two, Ann <a@x.org>", ["one", "two", "a@x.org"]),
        ("Ann <a@x.org", ["Ann <a@x.org"]),
        ("Ann a@x.org>", ["Ann a@x.org>"]),
        ("nobody", ["nobody"]),
        ("x,", ["x"]),
    ],
)
def test_what_is_no_address_stays_an_entry_to_be_told_about(text: str, found: list[str]) -> None:
    written = [f"{person.name}|{person.email}".lstrip("|") for person in parse(text)]
    assert [line.rpartition("|")[2] if "two" in text else line for line in written] == found


def test_a_lost_quotation_mark_costs_one_line() -> None:
    assert emails('"Ann a@x.org\nb@x.org, c@x.org')[1:] == ["b@x.org", "c@x.org"]


# -- a table -----------------------------------------------------------------------------------


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("pasted", [True, False])
def test_a_table_has_its_columns_in_any_order(delimiter: str, end: str, pasted: bool) -> None:
    lines = [
        ["Name", "Groups", "Other", "E-Mail", "Note", "Language"],
        ["Ann", "Staff|Board", "x", "a@x.org", "Hi", "de"],
        ["", "", "", "b@x.org", "", ""],
    ]
    people = parse(end.join(map(delimiter.join, lines)), pasted=pasted)
    assert people == [
        Recipient(2, "a@x.org", "Ann", "Hi", "de", ("Staff", "Board")),
        Recipient(3, "b@x.org"),
    ]


@pytest.mark.parametrize(
    "heading",
    ["email", "EMAIL", " E-mail ", "E-Mail-Adresse", "Email address", "E-mail 1 - Value", "Correo"],
)
def test_the_column_of_addresses_has_many_names(heading: str) -> None:
    assert [person.email for person in table(f"id;{heading}\n1;a@x.org")] == ["a@x.org"]


def test_first_and_last_names_become_one() -> None:
    people = table("First name,Last name,Email\nAnn,Smith,a@x.org\n,Roe,b@x.org\nBo,,c@x.org")
    assert [person.name for person in people] == ["Ann Smith", "Roe", "Bo"]


def test_what_an_address_book_keeps_about_a_person_is_no_note_to_him() -> None:
    [person] = table("email,notes\na@x.org,owes me money")
    assert person.note == ""


def test_of_two_columns_alike_the_first_counts() -> None:
    assert emails("email,mail\na@x.org,b@x.org") == ["a@x.org"]


def test_cells_may_hold_separators_quotes_and_line_breaks() -> None:
    [person] = table('email,name,note\na@x.org,"Smith, ""Annie""","two\r\nlines"\r\n')
    assert (person.name, person.note) == ('Smith, "Annie"', "two\r\nlines")


def test_a_name_beside_the_address_is_taken_where_no_column_has_one() -> None:
    people = table("email,name\nAnn <a@x.org>,\nBo <b@x.org>,Robert")
    assert [(person.email, person.name) for person in people] == [
        ("a@x.org", "Ann"),
        ("b@x.org", "Robert"),
    ]


def test_blank_rows_are_left_out_and_counted() -> None:
    people = table("\nemail;name\n;\n\na@x.org;Ann\n ; \nb@x.org;")
    assert [(person.number, person.email) for person in people] == [(5, "a@x.org"), (7, "b@x.org")]


def test_a_row_without_an_address_is_one_to_be_told_about() -> None:
    assert [person.email for person in table("name,email\nAnn,\nBo")] == ["", ""]


def test_a_spreadsheet_may_announce_its_separator() -> None:
    people = table("sep=;\r\nname;email\r\nAnn, Dr;a@x.org\r\n")
    assert people == [Recipient(2, "a@x.org", "Ann, Dr")]
    assert table("sep=|\na@x.org|Ann") == [Recipient(1, "a@x.org")]


@pytest.mark.parametrize(
    "text",
    ["Ann,a@x.org,1\nBo,b@x.org,2", "Ann\ta@x.org\nBo\tb@x.org", "a@x.org;Ann\nb@x.org;Bo"],
    ids=["second", "tabs", "first"],
)
def test_without_headings_the_column_with_addresses_is_read_and_no_other(text: str) -> None:
    assert [(person.email, person.name) for person in table(text)] == [
        ("a@x.org", ""),
        ("b@x.org", ""),
    ]


def test_cells_copied_from_a_spreadsheet_are_a_table() -> None:
    assert emails("Ann\ta@x.org\nBo\tb@x.org") == ["a@x.org", "b@x.org"]


def test_a_file_may_be_a_list() -> None:
    people = table('"Doe, Jane" <j@x.org>\nRick <r@x.org>\n')
    assert [(person.email, person.name) for person in people] == [
        ("j@x.org", "Doe, Jane"),
        ("r@x.org", "Rick"),
    ]
    assert [person.email for person in table("a@x.org, b@x.org, c@x.org")] == [
        "a@x.org",
        "b@x.org",
        "c@x.org",
    ]


def test_a_table_with_unknown_headings_has_its_addresses_where_they_are() -> None:
    people = table("sep=;\nKontakt;Ort\na@x.org;Bonn")
    assert [person.email for person in people] == ["a@x.org"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('name,email\n"Ann,a@x.org\nBo,b@x.org', ['"Ann,a@x.org', "b@x.org"]),
        ('email\n"a"b@x.org\nc@x.org', ['"a"b@x.org', "c@x.org"]),
        ('email\n"Smith, Ann" <a@x.org>\nc@x.org', ["a@x.org", "c@x.org"]),
        (f"email\n{'x' * 150_000}\nc@x.org", ["x" * 150_000, "c@x.org"]),
    ],
    ids=["lost", "inside", "of a name", "huge"],
)
def test_a_broken_row_costs_that_row_alone(text: str, found: list[str]) -> None:
    assert [person.email for person in table(text)] == found


# -- a file ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le with mark", "utf-16-be with mark"]
)
def test_a_file_is_read_in_the_encodings_of_spreadsheets(encoding: str) -> None:
    text = "name;email\nZoë 木;a@x.org"
    name, marked, _ = encoding.partition(" with")
    mark = {"utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}
    data = (mark[name] if marked else b"") + text.encode(name)
    assert table(decode(data)) == [Recipient(2, "a@x.org", "Zoë 木")]


@pytest.mark.parametrize(
    "data",
    [
        "Zoë,a@x.org".encode("latin-1"),
        "a@x.org".encode("utf-16-le"),
        codecs.BOM_UTF16_LE + b"x",
        b"\x00",
    ],
    ids=["latin", "no mark", "half a letter", "nul"],
)
def test_another_encoding_is_told_of(data: bytes) -> None:
    assert code(lambda: decode(data)) == "list_encoding"


def test_other_files_are_named() -> None:
    assert code(lambda: decode(b"PK\x03\x04\x00\x00")) == "list_workbook"
    assert code(lambda: decode(b"\xd0\xcf\x11\xe0\xa1")) == "list_workbook"
    card = "BEGIN:VCARD\r\nVERSION:3.0\r\nEMAIL:a@x.org\r\nEND:VCARD\r\n"
    assert code(lambda: table(card)) == "list_cards"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("<!DOCTYPE html>\n<p>a@x.org", "HTML"),
        ("\n <TABLE border=1><tr><td>a@x.org", "HTML"),
        ('\ufeff<?xml version="1.0"?><Workbook>a@x.org', "XML"),
        ('[\n  {"email": "a@x.org"}]', "JSON"),
        ('{"people": ["a@x.org"]}', "JSON"),
        (r"{\rtf1\ansi a@x.org}", "RTF"),
        ("dn: cn=Ann,mail=a@x.org\nmail: a@x.org\n", "LDIF"),
        ("version: 1\n\ndn:: Y249\nmail: a@x.org\n", "LDIF"),
    ],
)
@pytest.mark.parametrize("pasted", [True, False])
def test_other_formats_are_named(text: str, name: str, pasted: bool) -> None:
    with override("en"), pytest.raises(ListRefused) as refused:
        parse(text, pasted=pasted)
    assert refused.value.code == "list_format"
    assert str(refused.value).startswith(f"This is {name}. Save the table")


def test_a_list_that_begins_like_another_format_is_read() -> None:
    assert emails("<head@x.org>, <table@x.org>") == ["head@x.org", "table@x.org"]
    assert emails('["a@x.org", "b@x.org"]') == ["a@x.org", "b@x.org"]


# -- limits ------------------------------------------------------------------------------------


def test_too_many_bytes_are_refused_before_they_are_columns(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.INVITATION_LISTS = {"bytes": 20}
    monkeypatch.setattr(recipients, "_columns", None)
    assert code(lambda: decode(b"\xff" * 21)) == "list_too_large"
    assert code(lambda: parse("a" * 21)) == "list_too_large"
    assert code(lambda: parse("é" * 11)) == "list_too_large"
    assert decode(b"a" * 20) == "a" * 20


@pytest.mark.parametrize(
    ("limit", "language", "size"),
    [
        (100, "en", "100\xa0bytes"),
        (2**20, "en", "1\xa0MB"),
        (2**20, "de", "1\xa0MB"),
        (3 * 2**19, "fr", "1,5\xa0Mio"),
    ],
)
def test_the_size_is_said_as_people_say_it(
    settings: Any, limit: int, language: str, size: str
) -> None:
    settings.INVITATION_LISTS = {"bytes": limit}
    with override(language), pytest.raises(ListRefused) as refused:
        recipients.check_size(limit + 1)
    assert refused.value.params == {"limit": limit, "size": size}


def test_reading_stops_at_the_row_after_the_last(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.INVITATION_LISTS = {"rows": 3}
    assert len(parse("a@x.org\n" * 3)) == 3
    made: list[object] = []

    def counted(*args: Any, **kwargs: Any) -> Recipient:
        made.append(args)
        return Recipient(*args, **kwargs)

    monkeypatch.setattr(recipients, "Recipient", counted)
    for text, pasted in (("a@x.org\n" * 1000, True), ("email\n" + "a@x.org\n" * 1000, False)):
        made.clear()
        assert code(lambda text=text, pasted=pasted: parse(text, pasted=pasted)) == "too_many_rows"  # type: ignore[misc]
        assert len(made) == 4


@pytest.mark.parametrize("text", ["", " \n\t, ;\n", "email,name\n", "email\n\n,\n", "\ufeff"])
def test_a_list_of_nobody_is_refused(text: str) -> None:
    assert code(lambda: parse(text)) == "list_empty"


# -- whatever comes ------------------------------------------------------------------------------

PARTS = [*',";<>\t\r\n @\\=\ufeff\0', "a@x.org", "email", "name", "sep=", "é", "\r\n"]
TEXTS = st.lists(st.sampled_from(PARTS) | st.characters()).map("".join)


@given(TEXTS, st.booleans())
@example("sep=;\n", True)
@example('email\n"', False)
@example("\ud800", True)
def test_no_text_raises_anything_else(text: str, pasted: bool) -> None:
    try:
        people = parse(text, pasted=pasted)
    except ListRefused:
        return
    assert [person.number for person in people] == sorted({person.number for person in people})


@given(st.binary() | TEXTS.map(lambda text: text.encode("utf-8", "replace")))
def test_no_file_raises_anything_else(data: bytes) -> None:
    with suppress(ListRefused):
        parse(decode(data), pasted=False)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.text('xyz ,;"<>\\', max_size=8)), min_size=1))
def test_what_is_written_as_a_table_is_read_as_it_was(rows: list[tuple[str, str]]) -> None:
    lines = [f'"{name.replace(chr(34), chr(34) * 2)}",{who}@x.org' for who, name in rows]
    found = table("\n".join(["name,email", *lines]))
    assert [(person.email[0], person.name) for person in found] == [
        (who, name.strip()) for who, name in rows
    ]


MODULES = {part.__file__ for part in (recipients, people, names, tables, cells, headings)}


def steps(do: Callable[[], object]) -> int:
    """Return how many lines of the module are executed, and how many characters they copy."""
    count = 0

    def trace(frame: Any, event: str, argument: Any) -> Any:
        nonlocal count
        if frame.f_code.co_filename not in MODULES:
            return None
        count += 1 + sum(len(x) for x in (frame.f_locals.get("half"),) if isinstance(x, str))
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        do()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("pasted", [True, False])
@pytest.mark.parametrize(
    "piece",
    [
        "a,",
        '"',
        "<",
        "a@x.org,",
        "a@x.org\n",
        '"a" <',
        "a,<b>,",
        "<b>,",
        "\r\n",
        " ",
        ";,",
        "a\\",
        "=?",
        '"\n',
        "name,email\n",
        "a@x.org ",
        "a@x.org /",
        "a,b\n",
    ],
)
def test_twice_the_text_is_twice_the_work(settings: Any, piece: str, pasted: bool) -> None:
    settings.INVITATION_LISTS = {"rows": 10**6}

    def read(times: int) -> None:
        with suppress(ListRefused):
            parse(piece * times, pasted=pasted)

    once, twice = steps(lambda: read(200)), steps(lambda: read(400))
    assert twice <= 2 * once + 50


def test_a_table_without_addresses_has_no_column_to_choose() -> None:
    table = "Name,Email\nAnn,nobody\nBob,none\n"
    reading = recipients.read(table, pasted=False, email_column="Name")
    assert (reading.columns, [one.number for one in reading.recipients]) == ([], [2, 3])
