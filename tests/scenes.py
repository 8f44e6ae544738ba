"""Set the stage: invitations, how they end, who comes with them, and what goes wrong."""

from __future__ import annotations

import re
import smtplib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import django
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.db import connection
from django.dispatch import Signal
from django.test import Client, override_settings
from django.utils import timezone

from invitation import keys
from invitation.conf import LIMITS
from invitation.flows import arriving, inviting
from invitation.models import InvitationKey

NEWCOMER = "new@example.com"
PASSWORD = "correct-horse-battery"

INVITE = "/accounts/invite/"
COMPLETE = "/accounts/invite/complete/"
INVITATIONS = "/accounts/invitations/"
LANDING = "/accounts/invited/"
DECLINE = "/accounts/invited/decline/"
RENEWAL = "/accounts/invited/renewal/"
REGISTER = "/accounts/register/"
RESEND = "/accounts/activate/resend/"

#: How an invitation ends: the flag of the page that says so, and its status.
ENDS = {
    "expired": ("expired_key", 410),
    "used": ("no_uses_left_key", 410),
    "revoked": ("revoked_key", 410),
    "declined": ("declined_key", 410),
    "inactive": ("inviter_inactive_key", 410),
    "deleted": ("invalid_key", 404),
}


def invite(inviter: Any, email: str = NEWCOMER, **fields: Any) -> InvitationKey:
    """Let a member invite; in a test without commits no email leaves."""
    return inviting.invite(inviter, email, **fields).invitation


def end(invitation: InvitationKey, how: str) -> None:
    """Bring an invitation to one of its ends."""
    rows = InvitationKey.objects.filter(pk=invitation.pk)
    if how == "expired":
        rows.update(expires_at=timezone.now() - timedelta(seconds=1))
    elif how == "used":
        InvitationKey.objects.claim_use(invitation.pk, invitation.locator, timezone.now())
    elif how == "revoked":
        inviting.revoke(invitation)
    elif how == "declined":
        arriving.decline(arriving.open_invitation(invitation.key))
    elif how == "inactive":
        inviters = get_user_model()._default_manager.filter(pk=invitation.from_user_id)
        inviters.update(is_active=False)
    else:
        rows.delete()


def no_limits(settings: Any) -> None:
    """Let there be as many emails as anybody likes."""
    settings.INVITATION_LIMITS = dict.fromkeys(LIMITS)


def link(key: str) -> str:
    """Return the address of the link with this key."""
    return f"/accounts/invited/{key}/"


def visit(invitation: InvitationKey, *, channel: str = keys.MAIL, **options: Any) -> Client:
    """Return the browser of somebody who has followed the link of an invitation."""
    client = Client(**options)
    key = keys.make(invitation.locator, channel, invitation.site_id)
    response = client.get(link(key))
    assert response.status_code == 302, response.content.decode()
    return client


def answers(email: str = NEWCOMER, name: str = "newcomer", **more: Any) -> dict[str, Any]:
    """Return what a newcomer types into the registration form, whatever the login name is."""
    login_name = get_user_model().USERNAME_FIELD
    typed = {login_name: name, "email": email, "password1": PASSWORD, "password2": PASSWORD}
    return typed | ({"email": email} if login_name == "email" else {}) | more


def accounts(email: str = NEWCOMER) -> Any:
    """Return the accounts with this address."""
    return get_user_model()._default_manager.filter(email__iexact=email)


def make_user(name: str, **fields: Any) -> Any:
    """Make an account of whichever user model the site has; the password is "secret"."""
    model = get_user_model()
    fields = {"email": f"{name}@example.com", "password": "secret"} | fields
    if model.USERNAME_FIELD != "email":
        fields[model.USERNAME_FIELD] = name
    return model._default_manager.create_user(**fields)


def may_share(user: Any) -> Any:
    """Let a member make shared links, and return them; without permissions, as a superuser."""
    if hasattr(user, "user_permissions"):
        user.user_permissions.add(Permission.objects.get(codename="create_shared_link"))
    else:
        type(user)._default_manager.filter(pk=user.pk).update(is_superuser=True)
    return type(user)._default_manager.get(pk=user.pk)


def may_not_share(user: Any) -> None:
    """Take that right back."""
    if hasattr(user, "user_permissions"):
        user.user_permissions.clear()
    type(user)._default_manager.filter(pk=user.pk).update(is_superuser=False)


def dump() -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of every table."""
    rows = {}
    with connection.cursor() as cursor:
        for table in sorted(connection.introspection.table_names(cursor)):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")  # noqa: S608
            rows[table] = sorted(cursor.fetchall(), key=repr)
    return rows


def path_in(mail: EmailMessage, *, part: str = "") -> str:
    """Return the path of the first link in an email that holds ``part``, without the host."""
    found = re.search(rf"https?://[^/\s]+(/\S*{part}\S*)", str(mail.body))
    assert found is not None, mail.body
    return found.group(1)


def activate(browser: Client, link: str, password: str = PASSWORD) -> Any:
    """Open the link of an activation email, and do what its page asks for."""
    page = browser.get(link)
    if page.status_code != 200 or "activate_confirm" not in str([t.name for t in page.templates]):
        return page
    typed = {"new_password1": password, "new_password2": password}
    return browser.post(link, typed if page.context["form"] else {})


def flags(response: Any) -> set[str]:
    """Return the reasons that a page of refusal shows, by their flags in its context."""
    codes = ("no_key", "invalid_key", "expired_key", "no_uses_left_key", "revoked_key")
    codes = (*codes, "declined_key", "inviter_inactive_key")
    return {code for code in codes if response.context.get(code)}


@contextmanager
def received(signal: Signal) -> Iterator[list[dict[str, Any]]]:
    """Collect what a signal is sent with."""
    sent: list[dict[str, Any]] = []

    def receiver(**arguments: Any) -> None:
        sent.append(arguments)

    signal.connect(receiver)
    try:
        yield sent
    finally:
        signal.disconnect(receiver)


@contextmanager
def statements() -> Iterator[list[str]]:
    """Collect what is asked of the database, transaction control aside."""
    asked: list[str] = []

    def note(execute: Any, sql: str, *args: Any) -> Any:
        if not sql.startswith(("SAVEPOINT", "RELEASE", "ROLLBACK")):
            asked.append(sql)
        return execute(sql, *args)

    with connection.execute_wrapper(note):
        yield asked


class Crash(Exception):
    """Stand for whatever may go wrong in a site's own code."""


@contextmanager
def crashing(signal: Signal, error: type[Exception] = Crash, **connected: Any) -> Iterator[None]:
    """Let a receiver of this signal raise."""

    def receiver(**arguments: Any) -> None:
        raise error("in a receiver")

    signal.connect(receiver, **connected)
    try:
        yield
    finally:
        signal.disconnect(receiver, **{k: v for k, v in connected.items() if k != "weak"})


class BrokenBackend(BaseEmailBackend):
    """Be a mail server that is down."""

    def send_messages(self, messages: Sequence[EmailMessage]) -> int:
        raise smtplib.SMTPServerDisconnected("Connection unexpectedly closed")


@contextmanager
def broken_mail() -> Iterator[None]:
    """Let the site have a mail server that is down."""
    backend = "tests.scenes.BrokenBackend"
    name, value = ("EMAIL_BACKEND", backend)
    if django.VERSION >= (6, 1):
        name, value = ("MAILERS", {"default": {"BACKEND": backend}})
    with override_settings(**{name: value}):
        yield
