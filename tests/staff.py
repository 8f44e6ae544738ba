"""Let people of every rank come to the admin, with browsers of their own."""

from __future__ import annotations

from html import unescape
from typing import Any

from django.contrib.auth.models import Permission
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext

from invitation.models import QuotaEntry
from tests.factories import make_user

INVITATIONS = "/admin/invitation/invitationkey/"
ACCEPTANCES = "/admin/invitation/acceptance/"
QUOTAS = "/admin/invitation/invitationquota/"
LEDGER = "/admin/invitation/quotaentry/"


def log_in(user: Any) -> Client:
    """Return the browser of somebody who is logged in."""
    client = Client()
    client.force_login(user)
    return client


def boss() -> Client:
    """Return the browser of a superuser."""
    return log_in(make_user("boss", is_staff=True, is_superuser=True))


def staff(*codenames: str, name: str = "clerk") -> Client:
    """Return the browser of a member of the staff with these permissions."""
    user = make_user(name, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    assert user.user_permissions.count() == len(codenames)
    return log_in(user)


def text_of(response: Any) -> str:
    """Return what a page says."""
    assert response.status_code == 200, response
    return unescape(response.content.decode())


def act(client: Client, address: str, action: str, *rows: Any, **more: Any) -> Any:
    """Choose an action for these rows of a list and return the answer."""
    data = {"action": action, "_selected_action": [row.pk for row in rows], **more}
    return client.post(address, data)


def said(client: Client, address: str, action: str, *rows: Any) -> list[str]:
    """Choose an action and return what the list says then."""
    response = client.get(act(client, address, action, *rows)["Location"])
    return [str(message) for message in response.context["messages"]]


def asked(client: Client, address: str) -> tuple[HttpResponse, int]:
    """Return a page, and how many statements it cost."""
    with CaptureQueriesContext(connection) as queries:
        response = client.get(address)
    return response, sum("SAVEPOINT" not in query["sql"] for query in queries)


def note(member: Any, change: int, **fields: Any) -> QuotaEntry:
    """Write an entry of the ledger."""
    fields = {"reason": QuotaEntry.Reason.GRANTED} | fields
    return QuotaEntry.objects.create(inviter=member, change=change, **fields)
