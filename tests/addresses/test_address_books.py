"""Lists that people have: exports of address books, spreadsheets and class lists."""

from __future__ import annotations

import random
import time
from contextlib import suppress
from typing import Any

import pytest
from django.utils.translation import override

from invitation.addresses import people, recipients, sheets
from invitation.addresses.recipients import decode, parse
from invitation.exceptions import ListRefused

Found = list[tuple[int, str, str]]


def read(text: str, **options: Any) -> Found:
    return [(row.number, row.email, row.name) for row in parse(text, **options)]


A, B, C = "ann@example.org", "bob@example.org", "cid@example.org"

#: Each file as its program writes it, and who is in it.
FILES: dict[str, tuple[str, Found]] = {
    "google": (
        "Name,Given Name,Additional Name,Family Name,Notes,Group Membership,"
        "E-mail 1 - Type,E-mail 1 - Value,E-mail 2 - Type,E-mail 2 - Value\n"
        f"Ann Smith,Ann,,Smith,rich,* My,* Work,{A} ::: ann@home.example.org,Home,a2@example.org\n"
        f"Bob,Bob,,,,* My,,,Home,{B}\n",
        [(2, A, "Ann Smith"), (3, B, "Bob")],
    ),
    "google of 2024": (
        "First Name,Middle Name,Last Name,Phonetic First Name,Labels,E-mail 1 - Label,"
        f"E-mail 1 - Value,Phone 1 - Value\nAnn,,Smith,,* myContacts,*,{A},+49 1\n"
        f"Bob,,,,* myContacts,*,{B},\n",
        [(2, A, "Ann Smith"), (3, B, "Bob")],
    ),
    "outlook": (
        '"Title","First Name","Middle Name","Last Name","Company","E-mail Address","E-mail Type",'
        '"E-mail Display Name","E-mail 2 Address","Language","Manager\'s Name","Notes"\r\n'
        f'"","Ann","","Smith","ACME","{A}","SMTP","Ann Smith ({A})","a2@x.org","","Eve","x"\r\n'
        f'"","Bob","","Roe","","","","","{B}","","",""\r\n',
        [(2, A, "Ann Smith"), (3, B, "Bob Roe")],
    ),
    "outlook, German": (
        '"Anrede","Vorname","Weitere Vornamen","Nachname","Firma","Ort geschäftlich",'
        '"E-Mail-Adresse","E-Mail-Typ","E-Mail: Angezeigter Name","E-Mail 2: Adresse","Notizen"\n'
        f'"Frau","Änne","","Groß","ACME","Köln","{A}","SMTP","Änne Groß","","geheim"\n',
        [(2, A, "Änne Groß")],
    ),
    "outlook, French": (
        '"Titre","Prénom","Deuxième prénom","Nom","Société","Adresse de messagerie",'
        '"Type de messagerie","Nom complet de l\'adresse de messagerie"\n'
        f'"","Zoé","","Petit","ACME","{A}","SMTP","Zoé Petit ({A})"\n',
        [(2, A, "Zoé Petit")],
    ),
    "outlook, Spanish": (
        "Título;Nombre;Segundo nombre;Apellidos;Organización;Dirección de correo electrónico;"
        f"Tipo de correo electrónico\n;Ana;;Gómez;ACME;{A};SMTP\n",
        [(2, A, "Ana Gómez")],
    ),
    "outlook, Italian": (
        f"Nome,Cognome,Società,Indirizzo posta elettronica,Note\nAnna,Rossi,ACME,{A},privato\n",
        [(2, A, "Anna Rossi")],
    ),
    "apple": (
        "First name\tLast name\tHome email\tWork email\tPhone\n"
        f"Ann\tSmith\t{A}\t\t1\nBob\tRoe\t\t{B}\t2\n",
        [(2, A, "Ann Smith"), (3, B, "Bob Roe")],
    ),
    "mailchimp": (
        '"Email Address","First Name","Last Name","Address","Phone Number",MEMBER_RATING,TAGS\n'
        f'{A},Ann,Smith,"1 Main St, York",1,2,"""VIP"",""New"""\n{B},,,,,2,\n',
        [(2, A, "Ann Smith"), (3, B, "")],
    ),
    "moodle": (
        "username,firstname,lastname,email,course1,group1\n"
        f"asmith,Ann,Smith,{A},c1,g1\nbroe,Bob,Roe,{B},c1,g1\n",
        [(2, A, "Ann Smith"), (3, B, "Bob Roe")],
    ),
    "class list with a title": (
        f"Class 7b 2025/26,,\n,,\nStudent,Student Email,Parent Email\nAnn,{A},mum@x.org\n"
        f"Bob,,\nCid,{C},dad@x.org\nTotal: 3,,\n",
        [(4, A, "Ann"), (5, "", "Bob"), (6, C, "Cid"), (7, "", "Total: 3")],
    ),
    "class list, German": (
        f"\ufeffsep=;\r\nName;Vorname;Klasse;E-Mail (Schule)\r\nGroß;Änne;7b;{A}\r\n",
        [(2, A, "Änne Groß")],
    ),
    "class list with the parents alone": (
        "Name,Parent Email\nAnn,mum@example.org\n",
        [(2, "mum@example.org", "")],
    ),
    "libreoffice, all quoted": (
        f'"Name";"E-mail\naddress"\n"Ann";"{A}"\n"Smith, Bob";"{B}"\n',
        [(2, A, "Ann"), (3, B, "Smith, Bob")],
    ),
    "excel with quoted announcement": (
        f'"sep=;"\nNom;Prénom;Courriel\nPetit;Zoé;{A}\n',
        [(2, A, "Zoé Petit")],
    ),
    "a note with commas": (
        f"name;email;note\nAnn;{A};one, two, three, four\nBob;{B};five, six\n",
        [(2, A, "Ann"), (3, B, "Bob")],
    ),
    "dutch": (f"Naam;E-mailadres\nAnn;{A}\n", [(2, A, "Ann")]),
    "polish": (f"Imię i nazwisko;Adres e-mail\nŁucja Żak;{A}\n", [(2, A, "Łucja Żak")]),
    "swedish": (f"Förnamn;Efternamn;E-postadress\nÅsa;Ek;{A}\n", [(2, A, "Åsa Ek")]),
    "russian": (f"Имя;Фамилия;Электронная почта\nИван;Петров;{A}\n", [(2, A, "Иван Петров")]),
    "japanese": (f"氏名,メールアドレス\n山田 花子,{A}\n", [(2, A, "山田 花子")]),
    "full-width heading": (f"Ｎａｍｅ,Ｅｍａｉｌ\nAnn,{A}\n", [(2, A, "Ann")]),
    "required": (f"Full name,Email Address (required)\nAnn,{A}\n", [(2, A, "Ann")]),
    "work email": (f"Name,Department,Work email\nAnn,IT,{A}\n", [(2, A, "Ann")]),
    "unknown headings": (f"Uczeń;Telefon;Skrzynka\nAnn;1;{A}\n", [(2, A, "")]),
    "an unknown name beside": (f"Uczeń;Skrzynka\nAnn;{A}\n", [(2, A, "Ann")]),
    "a town beside": (f"Miasto;E-mail\nPoznań;{A}\n", [(2, A, "")]),
    "the same owner in each row": (
        f"Owner,Email\nus@x.org,{A}\nus@x.org,{B}\n",
        [(2, A, ""), (3, B, "")],
    ),
    "a title with an address": (
        f"Contacts of us@example.org,\nName,Email\nAnn,{A}\n",
        [(1, "Contacts of us@example.org", ""), (3, A, "Ann")],
    ),
    "marks around addresses": (
        f"name,email\nAnn,\u200e{A}\u200f\nBob,mailto:{B}\nCid,\u00a0{C};\n",
        [(2, A, "Ann"), (3, B, "Bob"), (4, C, "Cid")],
    ),
    "quotation marks and full stops": (
        f"name,email\nAnn,'{A}'\nBob,{B}.\n",
        [(2, A, "Ann"), (3, B, "Bob")],
    ),
    "the address in the name": (
        f"Email,Name\n{A},Ann Smith ({A})\n{B},Bob {B}\n",
        [(2, A, "Ann Smith"), (3, B, "")],
    ),
    "yahoo": (f"First,Middle,Last,Email,Category\nAnn,,Smith,{A},\n", [(2, A, "Ann Smith")]),
    "czech": (f"Jméno;Příjmení;E-mail\nJan;Novák;{A}\n", [(2, A, "Jan Novák")]),
    "the address as its own name": (
        f"Email,Name\n{A} <{A}>,\n{B},{B}\n",
        [(2, A, ""), (3, B, "")],
    ),
    "a name in quotation marks in a cell": (
        f'Class,Email\n"7b","Smith, Ann" <{A}>\n7b,Bob <{B}>\n',
        [(2, A, "Smith, Ann"), (3, B, "Bob")],
    ),
    "a list with names and commas": (
        f"Doe, Jane <{A}>\nRoe, Bob <{B}>\n",
        [(1, A, "Doe, Jane"), (2, B, "Roe, Bob")],
    ),
    "thunderbird, German": (
        "Vorname,Nachname,Anzeigename,Primäre E-Mail-Adresse,Sekundäre E-Mail-Adresse\n"
        f"Ann,Smith,Ann Smith,{A},a2@x.org\n,,Bob Roe,,{B}\n",
        [(2, A, "Ann Smith"), (3, B, "Bob Roe")],
    ),
    "a form": (
        f"Timestamp,Email Address,Your full name,Will you come?\n2026/01/01,{A},Ann Roe,yes\n",
        [(2, A, "Ann Roe")],
    ),
    "headings divided by another mark": (
        f"Name, email\nAnn; {A}\nBob; {B}\n",
        [(2, A, "Ann"), (3, B, "Bob")],
    ),
    "a line break in a name": (
        f'"Name","Email"\r\n"Ann\r\nSmith","{A}"\r\n"Bob","{B}"\r\n',
        [(2, A, "Ann\r\nSmith"), (3, B, "Bob")],
    ),
    "a table in Markdown": (
        f"| Name | Email |\n|---|---|\n| Ann | {A} |\n",
        [(3, A, "Ann")],
    ),
    "escaped marks in cells": (
        f"Name;Email\nAnn &amp; Bob;&lt;{A}&gt;\n",
        [(2, A, "Ann & Bob")],
    ),
    "two unknown names": (f"Wer,Wohin,Mail\nAnn,Bonn,{A}\n", [(2, A, "")]),
    "turkish": (f"Ad\u0131;Soyad\u0131;E-posta\nAyşe;Ak;{A}\n", [(2, A, "Ayşe Ak")]),
    "hungarian": (f"Vezetéknév;Keresztnév;E-mail cím\nNagy;Éva;{A}\n", [(2, A, "Éva Nagy")]),
    "ukrainian": (f"Ім'я;Прізвище;Електронна пошта\nІван;Ко;{A}\n", [(2, A, "Іван Ко")]),
    "greek": (f"Όνομα;Επώνυμο;Email\nΆννα;Ρίζου;{A}\n", [(2, A, "Άννα Ρίζου")]),
    "hebrew": (f"שם פרטי;שם משפחה;דואר אלקטרוני\nנעה;לוי;{A}\n", [(2, A, "נעה לוי")]),
    "arabic": (f"الاسم الأول;اسم العائلة;البريد الإلكتروني\nليلى;علي;{A}\n", [(2, A, "ليلى علي")]),
    "catalan": (f"Nom;Cognoms;Correu electrònic\nNúria;Puig;{A}\n", [(2, A, "Núria Puig")]),
    "korean": (f"성;이름;이메일 주소\n김;민수;{A}\n", [(2, A, "민수 김")]),
    "many blank rows": (
        "name,email\n" + ",\n" * 5000 + f"Ann,{A}\n",
        [(5002, A, "Ann")],
    ),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("pasted", [False, True])
def test_a_file_of_each_program_is_read(name: str, pasted: bool) -> None:
    text, found = FILES[name]
    assert read(decode(text.encode()), pasted=pasted) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"Both,Ann <{A}> Bob <{B}>", [(2, f"Ann <{A}> Bob <{B}>", "Both"), (3, C, "Cid")]),
        (f"Ann,{A},{B}", [(2, f"{A} {B}", ""), (3, C, "Cid")]),
        (f"{A},{B}", [(2, f"{A} {B}", ""), (3, C, "Cid")]),
        (f"Doe, Bob,{B}", [(2, f"Bob {B}", ""), (3, C, "Cid")]),
        (f'"Ann,{A}', [(2, f'"Ann,{A}', ""), (3, C, "Cid")]),
        (f'Ann,"{A}\nBob,{B}"', [(2, f'Ann,"{A}', ""), (3, f'Bob,{B}"', ""), (4, C, "Cid")]),
        (
            f"Ann <ann example org> Bob,Bob <{B}",
            [(2, f"Bob <{B}", "Ann <ann example org> Bob"), (3, C, "Cid")],
        ),
    ],
    ids=["two", "beyond", "swapped", "shifted", "lost mark", "swallowed", "lost bracket"],
)
def test_nobody_is_dropped_or_greeted_with_the_name_of_another(text: str, found: Found) -> None:
    assert read(f"name,email\n{text}\nCid,{C}\n", pasted=False) == found


@pytest.mark.parametrize(
    "between",
    [
        *(" ", " / ", " | ", " and ", " AND ", " und ", " & ", " \u2022 ", ",", ";", "\t"),
        *(
            " - ",
            " \u2013 ",
            " \u2014 ",
            " \u2192 ",
            " * ",
            " : ",
            " ~ ",
            " # ",
            " oder ",
            " or ",
            " + ",
        ),
        *(", and ", " e ", " y ", " et ", " og ", " \u00b7 ", "<br>", "<br />\n", "\n---\n"),
        *("\uff0c", "\uff1b", "\u3001", "\u060c", "\u061b", "\u2028", "\v", "\f", "\x85"),
        *("\u00a0", "\u3000", "\u200b"),
    ],
)
def test_two_people_may_have_anything_between_them(between: str) -> None:
    assert read(f"{A}{between}{B}") == [(1, A, ""), (2, B, "")]
    assert read(f"Ann Smith <{A}>{between}E Roe <{B}>") == [(1, A, "Ann Smith"), (2, B, "E Roe")]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"Ann <{A}, Bob <{B}>", [(A, "Ann"), (B, "Bob")]),
        (f"Ann <{A} Bob <{B}>", [(A, "Ann"), (B, "Bob")]),
        (f'"Ann <{A}>, Bob <{B}>', [(A, "Ann"), (B, "Bob")]),
        (f'"Doe, Ann" <{A}> "Roe, Bob" <{B}>', [(A, "Doe, Ann"), (B, "Roe, Bob")]),
        (f"Ann {A}> Bob <{B}>", [(f"Ann {A}> Bob <{B}>", "")]),
        (f"Ann <ann example org> Bob <{B}>", [(f"Ann <ann example org> Bob <{B}>", "")]),
        (f"Ann <{A}> Bob {B} Cid", [(f"Ann <{A}> Bob {B} Cid", "")]),
        (f"{A} <{A}>", [(A, "")]),
        (f"'{A}' <{A}>; 'Bob' <{B}>", [(A, ""), (B, "Bob")]),
        (f'"Smith, Ann <{A}>\n"Doe, Bob" <{B}>', [(A, "Smith, Ann"), (B, "Doe, Bob")]),
        (f'"Ann <ann example org> Bob <{B}>', [(f'"Ann <ann example org> Bob <{B}>', "")]),
        (f'"Ann" <ann example org> "Bob" <{B}>', [(f'"Ann" <ann example org> "Bob" <{B}>', "")]),
        (f"1. {A}\n2) Bob <{B}>\n\u2022 {C}", [(A, ""), (B, "Bob"), (C, "")]),
        (f'"{A}","{B}"', [(A, ""), (B, "")]),
        (f"mailto:{A}?subject=Hi", [(A, "")]),
        (f"mailto:{A}?cc={B}", [(f"mailto:{A}?cc={B}", "")]),
        (f"Ann <mailto:{A}>\u200f", [(A, "Ann")]),
        (f"mailto:ann%40example.org, mailto:{B}", [(A, ""), (B, "")]),
        (f"Ann <{A}<mailto:{A}>>\nBob <{B}<mailto:{C}>>", [(A, "Ann"), (B, "Bob"), (C, "")]),
        (f"[Ann Roe](mailto:{A}), [{B}](mailto:{B})", [(A, "Ann Roe"), (B, "")]),
        (f"Ann &lt;{A}&gt;; &quot;Roe, Bob&quot; &LT;{B}&gt;", [(A, "Ann"), (B, "Roe, Bob")]),
        (f"Ann <<{A}>>, Bob \uff1c{B}\uff1e", [(A, "Ann"), (B, "Bob")]),
        (f"Ann Roe ({A}); Bob [{B}]", [(A, "Ann Roe"), (B, "Bob")]),
        (f"{A} (Ann Roe), {B} (Bob)\n{C} - Cid,", [(A, "Ann Roe"), (B, "Bob"), (C, "Cid")]),
        (
            f"Ann - {A}\nBob van Roe: {B}\nCid Roe  {C}",
            [(A, "Ann"), (B, "Bob van Roe"), (C, "Cid Roe")],
        ),
        (
            f"Ann: {A}\nPlease invite: {B}\n{C} (at work)",
            [(f"Ann: {A}", ""), (f"Please invite: {B}", ""), (f"{C} (at work)", "")],
        ),
        (
            f"Ann {A} Roe\nBob Roe/{B}\nAnn {A}, {B}(Bob Roe)",
            [
                *((f"Ann {A} Roe", ""), (f"Bob Roe/{B}", ""), (f"Ann {A}", "")),
                (f"{B}(Bob Roe)", ""),
            ],
        ),
        (f"To: Ann <{A}>\nCC: {B}\nE-Mail-Adresse: {C}", [(A, "Ann"), (B, ""), (C, "")]),
        (f"Friends: Ann <{A}>, Bob: <{B}>;", [(A, "Ann"), (B, "Bob")]),
        (f'["{A}", "{B}"]', [(A, ""), (B, "")]),
        (f'"email": "{A}"\nmail={B}', [(A, ""), (B, "")]),
        (f"\u201c{A}\u201d, \u2018{B}\u2019", [(A, ""), (B, "")]),
        (f"\u2709\ufe0f {A}, \U0001f4e7{B}", [(A, ""), (B, "")]),
        (f"{A}\ufe0f, Ann \u2764\ufe0f <{B}\U000e0041>", [(A, ""), (B, "Ann \u2764\ufe0f")]),
        (f"(1) Ann <{A}>\n\u25aa Bob <{B}>\n- [x] {C}", [(A, "Ann"), (B, "Bob"), (C, "")]),
        (f"1. Ann <{A}> 2. Bob <{B}>", [(A, "Ann"), (B, "Bob")]),
        (f"1.\tAnn <{A}>\no\tBob\t<{B}>", [(A, "Ann"), (B, "Bob")]),
        (f"Ann <{A}>. Or Levy <{B}>.", [(A, "Ann"), (B, "Or Levy")]),
        (f"Ann <{A}>\\nBob <{B}>", [(f"Ann <{A}>\\nBob <{B}>", "")]),
        (f"Ann; <{A}>\n=====\n{B}", [("Ann", ""), (A, ""), (B, "")]),
        # Between two people, a name may be that of the other one.
        (f"Ann Roe, {A} - Bob Roe, {B}", [("Ann Roe", ""), (f"{A} - Bob Roe", ""), (B, "")]),
        (f"{A}, Ann Roe - {B}, Bob", [(A, ""), (f"Ann Roe - {B}", ""), ("Bob", "")]),
        (f"{A} (Ann) - <{B}>", [(f"{A} (Ann) - <{B}>", "")]),
        (f"{A} - Ann und Bob <{B}>", [(f"{A} - Ann und Bob <{B}>", "")]),
        (f"<{A}> Ann Roe, Bob Doe <{B}>", [(f"<{A}> Ann Roe", ""), (B, "Bob Doe")]),
        (f'Ann" <{A}>, Bob Roe, Cid Doe <{C}>', [(f'Ann" <{A}>, Bob Roe, Cid Doe <{C}>', "")]),
        (
            f"Ann / Bob <{A}>\nAnn; x\tBob <{B}>",
            [(f"Ann / Bob <{A}>", ""), ("Ann", ""), ("x", ""), (B, "Bob")],
        ),
        (f"Ann <{A}>, Bob Roe, Cid Doe <{C}>", [(A, "Ann"), ("Bob Roe", ""), (C, "Cid Doe")]),
        (f"Ann <{A}>, Roe, Cid <{C}>", [(A, "Ann"), ("Roe", ""), (C, "Cid")]),
        (f"Doe, Ann <{A}>, Roe, Cid <{C}>", [(A, "Doe, Ann"), (C, "Roe, Cid")]),
        (f"{A}, Roe, Cid <{C}>", [(A, ""), ("Roe", ""), (C, "Cid")]),
        (f"Ann Roe, Bob Doe <{B}>; {A}", [("Ann Roe", ""), (B, "Bob Doe"), (A, "")]),
        (f"Ann, and Bob <{B}>", [("Ann", ""), (B, "Bob")]),
        (f"{A}<x>", [(f"{A}<x>", "")]),
        (f"{A} Bob <{B}>", [(f"{A} Bob <{B}>", "")]),
        (f"{A} / Bob <{B}>", [(A, ""), (B, "Bob")]),
        (f"{A} and Bob <{B}>", [(A, ""), (B, "Bob")]),
        (f"{A} - Ann \u00b7 <{B}>", [(f"{A} - Ann \u00b7 <{B}>", "")]),
        (f"<{A}> Bob and <{B}>", [(f"<{A}> Bob and <{B}>", "")]),
        (f"<{A}> Ann / <{B}>", [(f"<{A}> Ann / <{B}>", "")]),
        (f'Ann and "Bob" <{B}>', [(f'Ann and "Bob" <{B}>', "")]),
        (f"Ann) Bob <{B}>", [(f"Ann) Bob <{B}>", "")]),
        (f"Email addresses of all:\n{A}, {B}", [("Email addresses of all:", ""), (A, ""), (B, "")]),
        (
            f"Hello team, please find\n{A}, {B}",
            [("Hello team", ""), ("please find", ""), (A, ""), (B, "")],
        ),
        (f"Hello, all,\n{A}\n{B}", [("Hello", ""), ("all", ""), (A, ""), (B, "")]),
        (f"Email\n{A}, {B}, {C}", [("Email", ""), (A, ""), (B, ""), (C, "")]),
    ],
)
def test_a_list_keeps_everybody(text: str, found: list[tuple[str, str]]) -> None:
    assert [row[1:] for row in read(text)] == found


def test_a_list_with_several_in_some_lines_is_no_table() -> None:
    assert [row[1] for row in read(f"{A}\n{B}, {C}\nd@x.org", pasted=False)] == [A, B, C, "d@x.org"]


def test_a_table_without_headings_keeps_whoever_stands_elsewhere() -> None:
    text = f"Ann,{A}\nBob,{B}\n{C},\nDee,d@x.org,e@x.org\nF,7b,f@x.org"
    found = [row[1] for row in read(text, pasted=False)]
    assert found == [A, B, C, "d@x.org e@x.org", "7b f@x.org"]
    assert [row[1] for row in read(f"{A},{B}\n{C}\n", pasted=False)] == [f"{A} {B}", C]


@pytest.mark.parametrize(
    ("row", "found"),
    [
        (f"{B},Bob / Cid <{C}> / Dee / d@x.org", f"{B} Bob / Cid <{C}> / Dee / d@x.org"),
        (f"{B},Cid [{C}]", f"{B} Cid [{C}]"),
        (f"Bob,{B}", f"Bob {B}"),
    ],
)
def test_a_row_that_is_a_list_is_not_cut(row: str, found: str) -> None:
    text = f"Name,Email\n{A},Ann\nd@x.org,Dee\n{row}\n"
    assert [one[1] for one in read(text, pasted=False)] == [A, "d@x.org", found]


def test_an_address_beyond_the_headings_is_told_about() -> None:
    assert read(f"Email\nann@\nx,{B}\n", pasted=False) == [(2, "", ""), (3, B, "")]


def test_the_column_of_the_addresses_may_be_named() -> None:
    text = f"Student,Student Email,Parent-Email\nAnn,{A},mum@x.org\n"
    assert read(text, email_column="parent email") == [(2, "mum@x.org", "")]
    with pytest.raises(ListRefused) as refused:
        read(text, email_column="Work")
    assert refused.value.code == "list_column"
    assert "Student, Student Email, Parent-Email" in str(refused.value)


def test_the_columns_of_a_list_cannot_be_named() -> None:
    with pytest.raises(ListRefused) as refused:
        read(f"{A}\n{B}", email_column="Email")
    assert refused.value.code == "list_column"


@pytest.mark.parametrize("language", ["en", "de", "es", "fr"])
def test_what_is_exported_is_read_back(language: str) -> None:
    with override(language):
        lines = list(sheets.lines([["Adresse (email)", "x (name)"], [A, "-Ann; =1, +2"], [B, ""]]))
    assert (";" in lines[0]) == (language != "en")
    assert read("".join(lines), pasted=False) == [(2, A, "-Ann; '=1, '+2"), (3, B, "")]


def test_a_heading_has_the_plain_name_of_its_column_in_other_languages() -> None:
    assert sheets.labelled("Mail", "mail_state") == "Mail"
    with override("fr"):
        assert sheets.labelled("Nom", "name") == "Nom (name)"
        assert sheets.labelled("Name", "name") == "Name"


@pytest.mark.parametrize("pasted", [False, True])
def test_a_long_text_before_a_comma_is_read_in_seconds(pasted: bool) -> None:
    words = " ".join(f"w{number:x}" for number in range(60_000))
    start = time.process_time()
    found = parse(f"{words}, X <{'q' * 300_000}@x.org>", pasted=pasted)
    assert time.process_time() - start < 6
    assert [row.name for row in found] == ["", "X"]


@pytest.mark.long
@pytest.mark.parametrize(
    "piece",
    [
        *(
            " ",
            "a@x.org ",
            '"',
            "<",
            "a@x.org|",
            "a@x.org,b@x.org\n",
            '"a\n',
            'a,"b\n\n',
            "((",
            "@",
        ),
        *("name,email\n", "a@x.org>", "\u200b", "a@x.org" + " " * 1000 + "z\n", "\n", ",", '","'),
        *(
            "[",
            "[a](a@x.org)",
            "<mailto:a@x.org>",
            "a@x.org<mailto:",
            "&lt;",
            " - ",
            "<br ",
            "To: ",
        ),
        *("A (a@x.org) ", "<<", "a: ", "[a](", "\u2022", "- [ ] ", "Ann Roe a@x.org\n"),
        *("MD,", "Smith. ", "Ann: "),
        *("Ann <a@x.org> and ", "email\n", ":::", "mailto:", "(a", '"\n""\n', "Ann,a@x.org\n"),
    ],
)
@pytest.mark.parametrize("pasted", [False, True])
def test_a_megabyte_of_anything_is_read_in_seconds(settings: Any, piece: str, pasted: bool) -> None:
    settings.INVITATION_LISTS = {"rows": 10_000}
    start = time.process_time()
    with suppress(ListRefused):
        parse(
            "name,email\n"[: 11 * (not pasted)] + piece * (1_000_000 // len(piece.encode())),
            pasted=pasted,
        )
    assert time.process_time() - start < 6


def test_people_in_the_same_row_are_a_choice() -> None:
    text = f"Name 1,Email 1,Name 2,Email 2\nAnn,{A},Bob,{B}\nCid,{C},,\n"
    reading = recipients.read(text, pasted=False)
    assert (reading.column, reading.columns) == ("Email 1", ["Email 1", "Email 2"])
    assert read(text, email_column="Email 2") == [(2, B, "Bob"), (3, "", "")]


def test_a_row_that_is_not_understood_is_shown_once() -> None:
    both = f"{A} {B}"
    assert read(f"Name,Email\n{both},{both}\n", pasted=False) == [(2, both, "")]


def test_one_address_is_counted_as_one() -> None:
    assert [people.count(text) for text in ("", "@ann", A, f"{A} {B}", "a @ b")] == [0, 0, 1, 2, 0]


FORMS = (
    *(
        "{n} <{a}>",
        '"{n}" <{a}>',
        "{a}",
        "<{a}>",
        "{n} ({a})",
        "{n}: {a}",
        "{n} - {a}",
        "{a} ({n})",
    ),
    *("{n} {a}", "{n} <{a}", "{n} {a}>", "{n} <mailto:{a}>", "[{n}]({a})", "{n} &lt;{a}&gt;"),
    *(
        "1. {n} <{a}>",
        "\u2022 {n} <{a}>",
        "{n}\t{a}",
        "{n},{a}",
        "{n};{a}",
        "'{n}' <{a}>",
        "{a},{n}",
    ),
    *(
        "{n} <<{a}>>",
        "{n} <{a}<mailto:{a}>>",
        "To: {n} <{a}>",
        '"{n} <{a}>',
        '{n}" <{a}>',
        "{n}|{a}",
    ),
)
BETWEEN = (
    *(", ", "; ", "\n", " ", "\t", " and ", " \u00b7 ", " | ", "\r\n", "\u060c ", "\u2028", " - "),
    *(",\n", " / ", ";", ",", "<br>", " und ", " > ", "\n\n", ", and "),
)
PEOPLE = {
    "ann@a.org": "Ann Smith",
    "bob@b.org": "Bob van Doe",
    C: "Cid",
    "eve@x.org": "O'Neil, Eve",
}


@pytest.mark.parametrize("seed", range(4))
def test_however_a_list_is_written_no_address_is_dropped(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 (a test that is the same each time)
    for _ in range(500):
        text = chance.choice(("", "", "Name,Email\n", "Email\n", "Name;Email\n"))
        for address, name in PEOPLE.items():
            text += chance.choice(FORMS).format(n=name, a=address) + chance.choice(BETWEEN)
        for pasted in (True, False):
            reading = recipients.read(text, pasted=pasted)
            found = " ".join(row.email for row in reading.recipients)
            # If columns are offered, the page shows that there are others.
            assert reading.columns or all(address in found for address in PEOPLE), text
