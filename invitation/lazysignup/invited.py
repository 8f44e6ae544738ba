"""What guests have to do with invitations, where the site has both apps.

Nothing here imports the app ``invitation`` unless it is installed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.db import transaction
from django.http import HttpRequest, HttpResponseBase

from invitation.lazysignup.conf import conf
from invitation.lazysignup.exceptions import NotLazyError
from invitation.lazysignup.models import LazyUser


def is_on() -> bool:
    """Return whether the site has invitations."""
    return apps.is_installed("invitation")


def looks() -> dict[str, str]:
    """Return the templates that give this app's pages the look of those of ``invitation``."""
    if not is_on():
        return {}
    return {
        "base_template": "invitation/base.html",
        "fields_template": "invitation/includes/form.html",
    }


def bind(request: HttpRequest, opened: Any) -> None:
    """Bind the guest of a request to an invitation; the last one counts."""
    bound = f"{opened.channel}:{opened.invitation.locator}"
    LazyUser.objects.filter(user=request.user.pk).update(invitation=bound)


def may_look_around(invitation: Any) -> bool:
    """Return whether an invitation lets its holder look around as a guest."""
    rule = conf.LAZYSIGNUP_WITH_INVITATION
    return conf.LAZYSIGNUP_ENABLE and bool(rule(invitation) if callable(rule) else rule)


def bound_key(request: HttpRequest, user: Any) -> str:
    """Return the key of the invitation that a guest came with, or an empty string.

    The row has no signature. A link that was replaced has another locator, so the key is void.
    """
    from invitation import keys
    from invitation.keys import sites

    bound = LazyUser.objects.filter(user=user.pk).values_list("invitation", flat=True).first()
    if not bound:
        return ""
    channel, _, locator = bound.partition(":")
    return keys.make(locator, channel, sites.current_site_id(request))


def refusal(request: HttpRequest) -> HttpResponseBase | None:
    """Return the page for a guest who may not sign up, or ``None``. It says how to get in."""
    if not is_on():
        return None
    from invitation import gate

    return None if gate.may_sign_up(request) else answer(request, gate.carried(request))


@contextmanager
def signing_up(request: HttpRequest, form: Any) -> Iterator[Any]:
    """Run the block in a transaction that makes a member of the guest of a request.

    It also claims the invitation that the guest carries, if any. The block sets ``user`` of what it
    gets to the saved account. The guest is logged out after the commit.

    Raises ``NotLazyError`` for a guest who has signed up or expired in the meantime, and what
    ``refusals`` names.
    """
    if not is_on():
        with transaction.atomic():
            LazyUser.objects.hold(request.user)
            nothing = _Nothing()
            yield nothing
            LazyUser.objects.finish(nothing.user)
        return
    from invitation.backends.passwords import hashed_password
    from invitation.backends.plain import claiming
    from invitation.exceptions import Busy

    email = str(form.cleaned_data.get(get_user_model().get_email_field_name()) or "")
    try:
        with hashed_password(form), claiming(request, email) as claim:
            yield claim
    except Busy as error:
        if isinstance(error.__cause__, NotLazyError):
            raise error.__cause__ from error
        raise


class _Nothing:
    """Claim of nothing."""

    user: Any = None


def refusals() -> tuple[type[Exception], ...]:
    """Return the errors that say why a guest does not become a member now."""
    if not is_on():
        return ()
    from invitation.exceptions import AddressMismatch, Busy, KeyRefused

    return (AddressMismatch, Busy, KeyRefused)


def answer(request: HttpRequest, error: Any) -> HttpResponseBase:
    """Return the page about one of these errors. The guest stays a guest."""
    from invitation import gate
    from invitation.exceptions import AddressMismatch, KeyRefused, NoKey

    if isinstance(error, AddressMismatch):
        return gate.refuse_address(request, error)
    if isinstance(error, KeyRefused):
        return gate.refuse(request, error, status=403 if isinstance(error, NoKey) else None)
    return gate.answer_busy(request, error)


def opened_by(request: HttpRequest) -> Any:
    """Return the invitation that a request carries, or ``None``."""
    if not is_on():
        return None
    from invitation import gate
    from invitation.flows import arriving

    found = gate.carried(request)
    return found if isinstance(found, arriving.Opened) else None
