"""Search finds a text in any case and any normal form, on each database."""

from __future__ import annotations

import re
import unicodedata
from itertools import product
from typing import Any

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from invitation.models import InvitationKey
from invitation.models.alike import LENGTH_MAX, fold, pattern
from tests import staff
from tests.factories import make_invitation, make_user

pytestmark = pytest.mark.django_db

FORMS = ("NFC", "NFD")
#: Texts in a row, and what people type for them.
SAME = {
    "Zoë Ångström": ["zoë", "ZOË", "Zoë Å", "ångström", "ÅNGSTRÖM", "\u212bngström"],
    "BÜCHER & Söhne": ["bücher", "Bücher", "söhne", "SÖHNE", "& s"],
    "Straße": ["straße", "STRASSE", "strasse", "STRAẞE", "ße"],
    "Masse": ["masse", "maße", "MASSE"],
    "Σίσυφος": ["σίσυφος", "ΣΊΣΥΦΟΣ", "σίσυφοσ"],
    "Łukasz Żółć": ["łukasz", "ŻÓŁĆ", "żółć"],
    "Иван Йошкин": ["иван", "ИВАН", "йошкин", "ЙОШКИН"],
    "İpek Işık": ["İpek", "ışık", "IŞıK"],
    "Nguyễn Ệ": ["nguyễn", "NGUYỄN", "ệ"],
    "한국": ["한국", "국"],
    "ガク": ["ガク", "ガ"],
    "Ann+é.*[x]": ["é.*[x]", "+É", "n+é"],
    "O'Brién \\ %_": ["'brién", "É", "én \\", "én \\ %_"],
    "𐐀é": ["𐐨É"],
    "x\u0302é": ["X\u0302É"],
}
OTHERS = ["zoê", "bucherü", "é.x", "çé", "ŋ", "ё"]


def found(text: str) -> bool:
    return InvitationKey.objects.get_queryset().matching(text).exists()


@pytest.mark.parametrize("name", SAME)
def test_a_name_is_found_in_any_case_and_form(name: str) -> None:
    for form in FORMS:
        InvitationKey.objects.get_queryset().delete()
        make_invitation(make_user(f"u{form}"), recipient_name=unicodedata.normalize(form, name))
        for text, typed in product(SAME[name], FORMS):
            assert found(unicodedata.normalize(typed, text)), (form, text, typed)
        assert [text for text in OTHERS if found(text)] == []


@pytest.mark.parametrize(
    "text",
    [
        "bücher",
        "Bücher",
        "bu\u0308cher",
        "BÜCHER.example",
        "@shop.bücher",
        "ann@shop.bücher",
        "Ann@Shop.Bücher.Ex",
        "shop.bücher",
        "xn--bcher-kva",
        "XN--BCHER-KVA.example",
        "@shop.xn--bcher-kva.example",
    ],
)
@pytest.mark.parametrize("stored", ["ann@shop.xn--bcher-kva.example", "ann@shop.bücher.example"])
def test_a_domain_is_found_in_either_form(text: str, stored: str) -> None:
    row = make_invitation(make_user("inviter"), "ann@shop.xn--bcher-kva.example")
    InvitationKey.objects.filter(pk=row.pk).update(email=stored)
    make_invitation(make_user("other"), "ann@shop.bucher.example")
    rows = InvitationKey.objects.get_queryset().matching(text)
    assert list(rows) == [row]


@pytest.mark.each_case
@pytest.mark.parametrize("text", ["ü☃", "ü@☃.example", "xn--", "xn--ü", "xn--zzzzzzzzzzz99", "é ü"])
def test_what_is_no_part_of_a_domain_finds_nothing(text: str) -> None:
    make_invitation(make_user("inviter"), "ann@xn--bcher-kva.example")
    assert found(text) is (text == "xn--")


@pytest.mark.parametrize("size", [LENGTH_MAX, LENGTH_MAX + 1, 3_000])
def test_a_long_text_breaks_nothing(size: int) -> None:
    make_invitation(make_user("inviter"), recipient_name="é")
    assert not found("é" * size)
    assert not found("ǖ" * size)
    assert not found("(" * size + "é")


@given(st.text(min_size=1, max_size=30))
def test_each_text_finds_itself(text: str) -> None:
    for form, change in product(FORMS, (str, str.upper, str.lower, str.casefold)):
        written = unicodedata.normalize(form, change(text))
        typed = pattern(fold(text))
        if fold(written) == fold(text):
            assert re.search(typed, written), (form, change)


def test_the_page_finds_it(member: Any, member_client: Client) -> None:
    make_invitation(member, recipient_name="Zoe\u0308 Smith")
    make_invitation(member, "zoe@example.com", recipient_name="Zoe Smith")
    response = member_client.get("/accounts/invitations/", {"q": "ZOË"})
    assert [one.recipient_name for one in response.context["invitations"]] == ["Zoe\u0308 Smith"]


TYPED = ["ZOE\u0308", "zoë", "bücher", "ANN@BÜCHER", "Fe\u0302TE", "größe"]


@pytest.mark.parametrize("text", TYPED)
def test_the_admin_finds_it(text: str) -> None:
    inviter = make_user("inviter")
    rows = {
        "zoë": make_invitation(inviter, "z@example.org", recipient_name="Zoë"),
        "bücher": make_invitation(inviter, "ann@xn--bcher-kva.example"),
        "fête": make_invitation(inviter, "", shared=True, label="La fête", word="größe"),
    }
    make_invitation(inviter, "x@example.org", label="zoë bücher fête")  # names a list
    response = staff.boss().get(staff.INVITATIONS, {"q": text})
    [shown] = response.context["cl"].result_list
    meant = {"ann@bücher": "bücher", "grösse": "fête"}.get(fold(text), fold(text))
    assert shown.pk == rows[meant].pk


@pytest.mark.parametrize("text", ["ZOË", "oe\u0308", "OË"])
def test_the_admin_finds_an_inviter(text: str) -> None:
    invitation = make_invitation(make_user("zoë", email="z@example.org"))
    make_invitation(make_user("other"), "x@example.org")
    [shown] = staff.boss().get(staff.INVITATIONS, {"q": text}).context["cl"].result_list
    assert shown.pk == invitation.pk
