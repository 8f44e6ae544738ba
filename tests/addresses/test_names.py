"""Names beside addresses: nobody gets the name of somebody else."""

from __future__ import annotations

from itertools import product

import pytest

from invitation.addresses import names
from invitation.addresses.recipients import parse

A, B = "ann@example.org", "bob@example.org"

#: What may stand between two people.
WORDS = (
    *("and", "AND", "And", "und", "Und", "et", "y", "e", "i", "и", "oder", "or", "with", "via"),
    *("mit", "ve", "és", "a", "o", "u", "sowie", "c/o"),
)
SIGNS = (
    *("/", "|", "&", "+", "\u2022", "\u00b7", "-", "\u2013", "\u2014", "\u2192", "*", "~", "#"),
    *("=", "\\", "//", "\uff0f", "\uff5c", "\uff06", "\u2605", "\u2764", "\u2027", "\u30fb", "--"),
    *("::", "|||", ":::", "...", "\u2026", "\u00a6"),
)
TIGHT = ("/", "|", "&", "+", "\uff0f", "\uff06", "\\", "\u2026", "\u30fb", " &", "& ", "\u2014 ")
LISTED = (";", "\n", "\uff0c", "\uff1b", "\u3001", "\u060c", "\u2028", "\v", "<br>")
ENDS = frozenset((";", "\n", "\u2028", "\v", "<br>"))
BETWEEN = (*(f" {sign} " for sign in (*WORDS, *SIGNS)), *TIGHT, *LISTED)

#: "Cid" has no address. There is one mark after them, or two different ones around them.
ONE = (
    *(f"Cid%sBob <{B}>", f"Cid Roe%sBob Doe <{B}>", f"Cid%sBob ({B})", f"Cid%sBob: {B}"),
    *(f"Cid Roe%sBob Doe {B}", f"Cid Roe%sBob Doe - {B}", f"{B} Bob%sCid", f'"Cid%sBob <{B}>'),
    *(f"'Cid%sBob' Doe <{B}>", f"'Cid'%s'Bob' <{B}>", f'"Cid"%s"Bob" <{B}>', f"«Cid»%s«Bob» <{B}>"),
)
TWO = (
    *(f"Ann <{A}>%sCid%sBob <{B}>", f"Cid%sAnn <{A}>%sBob <{B}>", f"<{A}>%sCid%sBob <{B}>"),
    *(f'"Ann <{A}>%sCid%sBob <{B}>"', f"Ann <{A}>%sBob <{B}>%sCid", f"{A}, Cid%sBob%s<{B}>"),
)
OTHERS = {A: ("Bob", "Cid"), B: ("Ann", "Cid")}


def check(text: str) -> None:
    """Everybody is in a row, and nobody has the name of another one."""
    rows = parse(text)
    everything = " ".join(f"{row.email} {row.name}" for row in rows)
    missing = [word for word in ("Ann", "Bob", "Cid", A, B) if word in text.split() * 2]
    assert [word for word in missing if word not in everything] == [], text
    for row in rows:
        wrong = [name for name in OTHERS.get(row.email, ()) if name in row.name]
        assert not wrong, (text, rows)


@pytest.mark.parametrize("form", ONE)
def test_a_neighbour_without_address_is_in_no_greeting(form: str) -> None:
    for mark in BETWEEN:
        check(form % mark)


@pytest.mark.parametrize("form", TWO)
def test_a_neighbour_between_two_is_in_no_greeting(form: str) -> None:
    for mark in BETWEEN:
        check(form % (mark, mark))
    check(form % (", ", ", "))


@pytest.mark.parametrize("word", ["AND", "And", "Und", "SOWIE"])
def test_no_name_begins_with_the_word_between_two(word: str) -> None:
    assert parse(f"{B} {word} Cid Doe")[0].name == ""
    assert parse(f"Cid Doe {word} {B}")[0].name == ""


@pytest.mark.exhaustive
@pytest.mark.parametrize("form", TWO)
def test_any_two_marks_keep_names_apart(form: str) -> None:
    for marks in product((*BETWEEN, ", "), repeat=2):
        if ", " not in marks or not ENDS.intersection(marks):  # else a family name may stand first
            check(form % marks)


@pytest.mark.parametrize(
    "name",
    [
        *("Ann", "Ann Smith", "Jean-Luc Picard", "Jean\u2013Luc", "J. R. R. Tolkien", "O'Neil"),
        *("D\u2019Arcy", "AT&T", "R&D Team", "Marcel\u00b7lí Riu", "アン・スミス", "Dr. Ann Smith"),
        *("María José de la Cruz", "Or Levy", "Dan Brown", "John E Smith", "Ann \U0001f338"),
        *('Ann "Annie" Smith', "Ann Smith (ACME)", "محمد بن سلمان", "Nguyễn Văn A", "अनीता शर्मा"),
        *("שרה ד\u05f4ר", "Ann_Smith", "Li En Chen", "Smith, Ann", "", "!", "\u2764"),
    ],
)
def test_a_name_of_one_person_is_kept(name: str) -> None:
    assert not names.may_be_two(name)


@pytest.mark.parametrize("name", ["Ann and Bob", "Johnson & Johnson", "José Ortega y Gasset"])
def test_quotation_marks_say_that_a_name_is_one(name: str) -> None:
    assert parse(f'"{name}" <{A}>')[0][1:3] == (A, name)
    assert parse(f"'{name}' <{A}>")[0][1:3] == (A, name)
    assert parse(f"{name} <{A}>")[0][1:3] == (f"{name} <{A}>", "")
    both = parse(f'"{name}" <{A}> "Bob" <{B}>')
    assert [row[1:3] for row in both] == [(A, name), (B, "Bob")]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Smith, Ann <ann@x.org>", [("ann@x.org", "Smith, Ann")]),
        ("van der Roe, Ann <ann@x.org>", [("ann@x.org", "van der Roe, Ann")]),
        ("García Márquez, Eva <evagarcia@x.org>", [("evagarcia@x.org", "García Márquez, Eva")]),
        ("Ann Roe, PhD <ann.roe@x.org>", [("ann.roe@x.org", "Ann Roe, PhD")]),
        ("Ann Roe, Bob <bob@x.org>", [("Ann Roe", ""), ("bob@x.org", "Bob")]),
        ("« Smith, Ann » <ann@x.org>", [("ann@x.org", "Smith, Ann")]),
        ("„Doe Roe, Bob“ <x@x.org>", [("x@x.org", "Doe Roe, Bob")]),
        ("Bob Doe, Cid <bob@x.org>", [("Bob Doe", ""), ("bob@x.org", "Cid")]),
        ("Ann,<ann@x.org>", [("ann@x.org", "Ann")]),
        ("Ann, Bob, Cid <cid@x.org>", [("Ann", ""), ("Bob", ""), ("cid@x.org", "Cid")]),
        ("Cid, Ann <ann@x.org> Bob", [("Cid, Ann <ann@x.org> Bob", "")]),
    ],
)
def test_a_family_name_may_stand_first(text: str, found: list[tuple[str, str]]) -> None:
    assert [row[1:3] for row in parse(text)] == found


def test_a_cell_with_several_names_is_no_name() -> None:
    rows = parse('Who\n"Ann Roe, Bob <bob@x.org>"\n"Ann, Bob, Cid <cid@x.org>"', pasted=False)
    assert not any(row.name for row in rows)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        # What stands before a colon may be somebody, unless it is a word of an email's head.
        (f"Cid: Bob <{B}>", [("Cid", ""), (B, "Bob")]),
        (f"Cid Roe: Bob <{B}> Ann <{A}>", [("Cid Roe", ""), (B, "Bob"), (A, "Ann")]),
        (f"Cid: Dan: Bob <{B}>", [("Cid", ""), (f"Dan: Bob <{B}>", "")]),
        (f"Cid: Bob <{B}>, Ann <{A}>", [("Cid", ""), (B, "Bob"), (A, "Ann")]),
        (f"Team: Bob <{B}>, Ann <{A}>;", [(B, "Bob"), (A, "Ann")]),
        (f"Von: Bob <{B}>\nКому: Ann <{A}>\nName: Bob <{B}>", [(B, "Bob"), (A, "Ann"), (B, "Bob")]),
        # Nobody is called "PhD".
        (f"Dr. Ann Roe, PhD <{B}>", [(B, "Dr. Ann Roe, PhD")]),
        (f"Ann Roe, MD, Ph.D. <{A}>, Bob <{B}>", [(A, "Ann Roe, MD, Ph.D."), (B, "Bob")]),
        (f"Roe, Ann, Jr. <{A}>; ACME, Inc. <{B}>", [(A, "Roe, Ann, Jr."), (B, "ACME, Inc.")]),
        (f"Cid Doe, MD, Bob <{B}>", [("Cid Doe, MD", ""), (B, "Bob")]),
        (f"Cid Doe, Ann Roe, MD <{A}>", [("Cid Doe", ""), (A, "Ann Roe, MD")]),
        (f"{A}, MD <{B}>", [(A, ""), (B, "MD")]),
        (f"MD, MD, {A}", [("MD, MD", ""), (A, "")]),
        # What is in quotation marks is a whole name.
        (f'Cid, "Bob Doe" <{B}>', [("Cid", ""), (B, "Bob Doe")]),
        (f'Cid "Bob Doe" <{B}>', [(f'Cid "Bob Doe" <{B}>', "")]),
        (f'{A} Cid. "Bob Doe" <{B}>', [(f'{A} Cid. "Bob Doe" <{B}>', "")]),
        (f'<{A}> Cid. "Bob Doe" <{B}>', [(f'<{A}> Cid. "Bob Doe" <{B}>', "")]),
        (f'Bob "Bobby" Doe <{B}>', [(B, 'Bob "Bobby" Doe')]),
        # A mark or a word at the end.
        (f"Cid/<{B}>", [(f"Cid/<{B}>", "")]),
        (f"Cid et <{B}>", [(f"Cid et <{B}>", "")]),
        (f"Cid\u2022 {B}", [(f"Cid\u2022 {B}", "")]),
        (f"Cid + <{B}> / Ann <{A}>", [(f"Cid + <{B}> / Ann <{A}>", "")]),
        (f"Cid Miller. Bob Doe <{B}>", [(f"Cid Miller. Bob Doe <{B}>", "")]),
        (f"{B}. Cid Miller", [(f"{B}. Cid Miller", "")]),
        (f"{B} (Bob). Cid Miller", [(f"{B} (Bob). Cid Miller", "")]),
        (f"Prof. Assoc. Bob Doe <{B}>", [(B, "Prof. Assoc. Bob Doe")]),
        # A mark at the end of each line makes no table.
        (f"Cid Roe,\nBob <{B}>,\n{A},", [("Cid Roe", ""), (B, "Bob"), (A, "")]),
        (f"Cid Roe;\r\nBob <{B}>;\r\n{A};", [("Cid Roe", ""), (B, "Bob"), (A, "")]),
        (f"Cid Roe\t-\nBob\t{B}", [("Cid Roe, -", ""), (B, "Bob")]),
    ],
)
def test_whoever_has_no_address_keeps_a_row(text: str, found: list[tuple[str, str]]) -> None:
    assert [row[1:3] for row in parse(text)] == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"Cid Roe, Bob <{B}>\n1,{A}", [(f"Cid Roe, Bob <{B}>", ""), (A, "")]),
        (f"7b, Bob <{B}>\n1,{A}", [(B, "Bob"), (A, "")]),
        (f"{B} (Bob); Cid Roe", [(f"{B} (Bob), Cid Roe", "")]),
        (f"Cid,\n1. Dan,\nBob,{B}\nAnn,{A}", [("Cid", ""), ("1. Dan", ""), (B, "Bob"), (A, "Ann")]),
        (
            f'Cid und "Doe, Bob" <{B}>\n1,{A}',
            [(f'Cid und "Doe, Bob" <{B}>', ""), ("1", ""), (A, "")],
        ),
        (f'Email\n"Cid Doe, Ann {A}"', [(f"Cid Doe, Ann {A}", "")]),
        (f'Email\n"Doe, Bob {B}"', [(B, "Doe, Bob")]),
        (f"Wer,Was,Mail\nCid,Roe,\nBob,Doe,{B}", [("Cid Roe", ""), (B, "")]),
    ],
)
def test_nobody_in_a_row_of_a_file_is_lost(text: str, found: list[tuple[str, str]]) -> None:
    assert [row[1:3] for row in parse(text, pasted=False)] == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"Ann, {A}\n1. Bob\t{B}", [(A, "Ann"), (B, "Bob")]),
        ("Zoë Roe, zoe.roe@x.org", [("zoe.roe@x.org", "Zoë Roe")]),
        ("Roe Eva, Eva Roe, evaroe1+a@x.org", [("Roe Eva", ""), ("evaroe1+a@x.org", "Eva Roe")]),
        ("Cid, Eva Roe, roeeva@x.org", [("Cid", ""), ("roeeva@x.org", "Eva Roe")]),
        (
            "Ann, joann@x.org, Al, al@x.org",
            [("Ann", ""), ("joann@x.org", ""), ("Al", ""), ("al@x.org", "")],
        ),
        (f"Ann; {A}", [("Ann", ""), (A, "")]),
        ("Ann/Bob, annbob@x.org", [("Ann/Bob", ""), ("annbob@x.org", "")]),
        (
            f"Eva Roe (she/her) <{A}>; Roe, Ida [Sie / Ihr] <{B}>",
            [(A, "Eva Roe (she/her)"), (B, "Roe, Ida [Sie / Ihr]")],
        ),
        (f"Ann (Bob/Cid) <{A}>", [(f"Ann (Bob/Cid) <{A}>", "")]),
        (f"Eva Roe, R.N. <{A}>", [(A, "Eva Roe, R.N.")]),
    ],
)
def test_an_address_that_has_the_whole_name_is_of_that_person(
    text: str, found: list[tuple[str, str]]
) -> None:
    assert [row[1:3] for row in parse(text)] == found


def test_without_headings_a_name_is_taken_if_the_address_has_it() -> None:
    text = f"Eva Roe,7b,eva.roe@x.org\nCid,Ann,{A}\nBob Doe,8a,{B}"
    found = [("eva.roe@x.org", "Eva Roe"), (A, "Ann"), (B, "")]
    assert [row[1:3] for row in parse(text, pasted=False)] == found
