"""Confirmation of a guest's address before the guest signs up: the link, its email, its answer."""

from __future__ import annotations

from typing import Any

from django.core import signing
from django.core.mail import send_mail
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse

#: Salt of the link, and the seconds for which it works.
SALT, SECONDS = "lazysignup.confirm", 86_400
#: Key of the session: the guest, and the address that it has confirmed.
CONFIRMED = "lazysignup_confirmed"


def send_link(request: HttpRequest, email: str, to: str) -> None:
    """Send the link with which the guest of a request confirms an address, and the page after."""
    token = signing.dumps([str(request.user.pk), email, to], salt=SALT)
    link = request.build_absolute_uri(reverse("lazysignup_confirm", args=[token]))
    context = {"link": link, "hours": SECONDS // 3600}
    subject = render_to_string("lazysignup/confirm_email_subject.txt", context, request)
    body = render_to_string("lazysignup/confirm_email.txt", context, request)
    send_mail(" ".join(subject.split()), body, None, [email])


def read(token: str) -> list[str] | None:
    """Return the guest, the address and the page of a link; ``None`` if it is old or changed."""
    try:
        found: list[str] = signing.loads(token, salt=SALT, max_age=SECONDS)
    except signing.BadSignature:
        return None
    return found


def confirm(request: HttpRequest, email: str) -> None:
    """Remember that the guest of a request has confirmed an address."""
    request.session[CONFIRMED] = [str(request.user.pk), email]


def confirmed_address(request: HttpRequest) -> str:
    """Return the address that the guest of a request has confirmed, or an empty string."""
    kept: Any = request.session.get(CONFIRMED)
    return str(kept[1]) if kept and kept[0] == str(request.user.pk) else ""


def forget(request: HttpRequest) -> None:
    """Forget the confirmed address: the guest has signed up."""
    request.session.pop(CONFIRMED, None)
