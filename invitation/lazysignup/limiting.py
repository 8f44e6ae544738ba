"""Limits for the number of new guests, kept in the database."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address
from typing import Any

from django.utils import timezone
from django.utils.crypto import salted_hmac

from invitation.conf import conf as invitation_conf
from invitation.lazysignup.conf import conf
from invitation.lazysignup.exceptions import TooManyGuests
from invitation.lazysignup.models import WINDOW, GuestCounter

#: Emails that confirm an address: for one client, and to one mailbox.
EMAILS_PER_CLIENT, EMAILS_PER_MAILBOX = 20, 5
#: Scope of the counter for all clients.
ALL = "all"


def count(request: Any) -> None:
    """Count a new guest. Raises ``TooManyGuests``; then nothing is made.

    The counter of the client comes first, so that one client cannot use up the common limit.
    """
    take(hashed("client", client_of(request)), conf.LAZYSIGNUP_LIMIT_PER_CLIENT)
    take(ALL, conf.LAZYSIGNUP_LIMIT)


def count_email(request: Any, email: str) -> None:
    """Count an email that confirms an address. Raises ``TooManyGuests``; then none is sent."""
    take(hashed("sender", client_of(request)), EMAILS_PER_CLIENT)
    take(hashed("mailbox", email.lower()), EMAILS_PER_MAILBOX)


def take(scope: str, limit: int | None) -> None:
    """Count one more in a scope. Raises ``TooManyGuests`` beyond the limit."""
    now = timezone.now()
    if limit is not None and not GuestCounter.objects.take(scope, limit, now, WINDOW):
        begun = GuestCounter.objects.filter(scope=scope).values_list("begun", flat=True).first()
        left = (begun or now) + WINDOW - now
        raise TooManyGuests(max(1, round(left.total_seconds())))


def hashed(kind: str, text: str) -> str:
    """Return a keyed hash, from which nobody can tell the address."""
    return salted_hmac(f"lazysignup.{kind}", text, algorithm="sha256").hexdigest()[:32]


def client_of(request: Any) -> str:
    """Return a client's address; of an IPv6 address, its network of 64 bits."""
    rule = invitation_conf.client_address
    address = str((rule(request) if rule else request.META.get("REMOTE_ADDR")) or "")
    try:
        parsed = ip_address(address)
    except ValueError:
        pass
    else:
        if isinstance(parsed, IPv6Address):
            address = parsed.exploded[:19]
    return address
