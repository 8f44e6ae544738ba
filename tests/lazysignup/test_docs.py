"""The code of the pages about guests runs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.urls import include, path

from invitation.lazysignup.models import LazyUser
from tests.documented import DOCS, code_blocks

pytestmark = pytest.mark.django_db


def code(page: str, caption: str = "", **known: Any) -> dict[str, Any]:
    """Run a block of code, and return the names that it makes."""
    exec(dict(code_blocks(DOCS / f"{page}.rst"))[caption], known)  # noqa: S102 (it is our own)
    return known


def test_the_set_up_is_that_of_this_site() -> None:
    middleware = [x for x in settings.MIDDLEWARE if "lazysignup" not in x]
    made = code("howto/guests", "club/settings.py", INSTALLED_APPS=[], MIDDLEWARE=middleware)
    assert made["INSTALLED_APPS"] == ["invitation.lazysignup"]
    assert middleware == list(settings.MIDDLEWARE)
    code("howto/guests", "club/urls.py", path=path, include=include)


@pytest.mark.django_db(transaction=True)  # MariaDB ends a transaction when a table is made.
def test_guests_of_guest_user_are_copied(account: Any) -> None:
    LazyUser.objects.all().delete()
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE guest_user_guest (user_id bigint, created_at timestamp)")
        values = [account.pk, "2023-01-01 00:00:00"]
        cursor.execute("INSERT INTO guest_user_guest VALUES (%s, %s)", values)
    code("reference/guests")["copy_guests"](None, SimpleNamespace(connection=connection))
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE guest_user_guest")
    row = LazyUser.objects.get()
    assert (row.user, row.created.year) == (account, 2023)
    assert LazyUser.objects.delete_expired() == 0
