"""A copy of the database opens nothing: no column of any table holds a key or leads to one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection
from django.test import Client

from invitation import keys
from invitation.exceptions import KeyNotFound
from invitation.flows import arriving, inviting
from invitation.models import InvitationKey
from tests.conftest import Sink
from tests.factories import DAY, make_invitation

REGISTER = "/accounts/register/"
FORM = {
    "username": "bob",
    "password1": "correct-horse-battery",
    "password2": "correct-horse-battery",
}


def values() -> Iterator[tuple[str, str]]:
    """Yield every value of every column of every table, and where it stands."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")  # noqa: S608
            names = [column[0] for column in cursor.description]
            for row in cursor.fetchall():
                for name, value in zip(names, row, strict=True):
                    yield f"{table}.{name}", str(value)


@pytest.fixture
def walked(smtp: Sink, member_client: Client, member: Any, commit: Any) -> list[str]:
    """Walk through invitations of every kind, and return the keys that were emailed or shown."""
    smtp.refuse = {"full@": "452 4.2.2 later", "gone@": "550 5.1.1 gone"}
    for name in ("bob", "open", "full", "gone", "away", "no"):
        with commit():
            member_client.post("/accounts/invite/", {"email": f"{name}@example.org"})
    known = [key for row in InvitationKey.objects.all() for key in (row.mail_key, row.key)]
    for address, recipients, message in smtp.got:
        assert (address, len(recipients)) == ("site@example.com", 1)
        [key] = set(keys.PATTERN.findall(message.as_string().replace("=\n", "")))
        assert key in known
    by_name = {row.email.partition("@")[0]: row for row in InvitationKey.objects.all()}
    visitor = Client()
    visitor.get(f"/accounts/invited/{by_name['bob'].mail_key}/")
    visitor.get("/accounts/invited/")
    with commit():
        answer = visitor.post(REGISTER, FORM | {"email": "bob@example.org"})
    assert answer.status_code == 302
    assert get_user_model()._default_manager.filter(email="bob@example.org").exists()
    inviting.revoke(by_name["away"])
    arriving.decline(arriving.open_invitation(by_name["no"].key))
    make_invitation(member, "late@example.org", left=-DAY)
    call_command("cleanupinvitation", verbosity=0)
    with commit():
        call_command("sendinvitations", verbosity=0)
    return known


@pytest.mark.django_db
def test_no_key_is_in_any_column(walked: list[str]) -> None:
    signatures = {key.partition(".")[2] for key in walked}
    for place, value in values():
        assert not any(signature in value for signature in signatures), place
        assert not keys.PATTERN.search(value), place


@pytest.mark.django_db
def test_no_value_of_any_column_works_as_a_key(walked: list[str]) -> None:
    still_open = InvitationKey.objects.get(email="open@example.org")
    assert arriving.open_invitation(still_open.mail_key).key in walked
    texts = {value for _, value in values()}
    locators = {value for value in texts if re.fullmatch(r"[A-Za-z0-9_-]{22}", value)}
    assert locators >= set(InvitationKey.objects.values_list("locator", flat=True))
    digests = {text for text in texts if re.fullmatch(r"[A-Za-z0-9_-]{43,64}", text)}
    guesses = texts | {
        f"{locator}.{(guess * 43)[:43]}"
        for locator in locators
        for guess in {"A", "x", *locators, *digests}
    }
    for guess in guesses:
        with pytest.raises(KeyNotFound):
            arriving.open_invitation(guess)


@pytest.mark.django_db
def test_the_signing_key_of_another_site_makes_no_key(walked: list[str], settings: Any) -> None:
    rows = list(InvitationKey.objects.all())
    right = settings.INVITATION_SIGNING_KEYS = ["the site's own"]
    for guess in ("", "secret", "the site's own ", settings.SECRET_KEY):
        settings.INVITATION_SIGNING_KEYS = [guess]
        forged = [row.mail_key for row in rows]
        settings.INVITATION_SIGNING_KEYS = right
        for key in forged:
            with pytest.raises(KeyNotFound):
                arriving.open_invitation(key)
