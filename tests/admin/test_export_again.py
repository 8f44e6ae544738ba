"""What staff export is read back as a list, in each language that the site speaks."""

from __future__ import annotations

import csv
import io

import pytest
from django.conf import settings as site
from django.utils.translation import override

from invitation import addresses
from invitation.addresses import recipients
from invitation.flows import lists
from invitation.models import InvitationKey
from tests import staff
from tests.factories import make_invitation, make_user
from tests.staff import INVITATIONS

pytestmark = pytest.mark.django_db

PEOPLE = ["ann@example.org", "bob@xn--bcher-kva.example", "o'hara+1@example.org"]
LANGUAGES = ["en", "de", "fr", "es"]


def exported(language: str) -> str:
    """Return the file that the admin makes in a language."""
    with override(language):  # and leave the language as it was
        response = staff.boss().post(
            INVITATIONS,
            {"action": "export", "select_across": "1", "_selected_action": ["0"]},
            headers={"accept-language": language},
        )
        return b"".join(response.streaming_content).decode()


def test_these_are_the_languages_that_are_shipped() -> None:
    assert set(LANGUAGES) <= {code for code, _ in site.LANGUAGES}


@pytest.fixture(params=["name", "address"])
def _invited(request: pytest.FixtureRequest) -> None:
    """Invite people, each by another member, whose login name may be an address as well."""
    for number, email in enumerate(PEOPLE):
        login = f"in{number}viter" + ("@example.com" if request.param == "address" else "")
        make_invitation(make_user(login), email, recipient_name="Ann; Smith", note="Hi; there")


@pytest.mark.usefixtures("_invited")
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("pasted", [True, False])
def test_an_export_of_the_admin_is_read_back(language: str, pasted: bool) -> None:
    text = exported(language)
    delimiter = "," if language == "en" else ";"
    table = list(csv.reader(io.StringIO(text.lstrip("\ufeff"), newline=""), delimiter=delimiter))
    assert {len(cells) for cells in table} == {len(table[0])}
    found = recipients.parse(recipients.decode(text.encode()), pasted=pasted)
    # The newest comes first. The export has no names, and none of the inviters becomes one.
    assert [addresses.canonical(row.email) for row in found] == PEOPLE[::-1]
    assert {row[2:] for row in found} == {("", "", "", (), False)}
    assert [row.number for row in found] == [2, 3, 4]


@pytest.mark.usefixtures("_invited")
@pytest.mark.parametrize("language", LANGUAGES)
def test_so_another_member_can_invite_them(language: str) -> None:
    other = make_user("other")
    batch = lists.invite_many(other, recipients.parse(exported(language), pasted=False))
    assert [(row.verdict, row.reason) for row in batch.rows] == [("invited", "")] * len(PEOPLE)
    invited = InvitationKey.objects.filter(from_user=other).values_list("email", flat=True)
    assert set(invited) == set(PEOPLE)
