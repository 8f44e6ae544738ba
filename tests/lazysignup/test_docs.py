"""The code of the pages about guests runs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import RequestFactory
from django.urls import include, path

from invitation.lazysignup import late_login
from invitation.lazysignup.models import LazyUser
from tests.documented import DOCS, code_blocks
from tests.lazysignup.people import PERSON, make_member
from tests.lazysignup.shop.models import Item

pytestmark = pytest.mark.django_db


def code(page: str, number: int, **known: Any) -> dict[str, Any]:
    """Run a block of code, and return the names that it makes."""
    blocks = [text for _, text in code_blocks(DOCS / f"{page}.rst")]
    exec(blocks[number], known)  # noqa: S102 (it is our own)
    return known


def test_the_set_up_is_that_of_this_site() -> None:
    apps: list[str] = []
    middleware = [x for x in settings.MIDDLEWARE if "lazysignup" not in x]
    code("guests", 1, INSTALLED_APPS=apps, MIDDLEWARE=middleware)
    assert apps == ["invitation.lazysignup"]
    assert middleware == list(settings.MIDDLEWARE)
    code("guests", 2, path=path, include=include)


def test_the_view_makes_a_guest(rf: RequestFactory) -> None:
    view = code("guests", 0)["put_into_basket"]
    request = rf.post("/", headers=PERSON)
    from django.contrib.auth.models import AnonymousUser
    from django.contrib.sessions.backends.db import SessionStore

    request.session, request.user = SessionStore(), AnonymousUser()
    view(request)
    assert LazyUser.objects.get().user == request.user


def test_asking_works(account: Any) -> None:
    code("guests", 3, user=account)


def test_the_handler_moves_the_basket(account: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(late_login, "_handlers", {})
    code("guests", 4, __name__="basket")
    member = make_member()
    assert late_login.merge(account, member) == ["1 items"]
    assert Item.objects.get().owner == member


@pytest.mark.django_db(transaction=True)  # MariaDB ends a transaction when a table is made.
def test_guests_of_guest_user_are_copied(account: Any) -> None:
    LazyUser.objects.all().delete()
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE guest_user_guest (user_id bigint, created_at timestamp)")
        values = [account.pk, "2023-01-01 00:00:00"]
        cursor.execute("INSERT INTO guest_user_guest VALUES (%s, %s)", values)
    code("guests_moving", 0)["copy_guests"](None, SimpleNamespace(connection=connection))
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE guest_user_guest")
    row = LazyUser.objects.get()
    assert (row.user, row.created.year) == (account, 2023)
    assert LazyUser.objects.delete_expired() == 0
