"""What guests have to do with invitations, where the site has both apps.

Nothing here imports the app ``invitation`` unless it is installed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.apps import apps
from django.db import transaction
from django.http import HttpRequest, HttpResponseBase

from invitation.lazysignup.conf import conf
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


def bind(request: HttpRequest, user: Any) -> None:
    """Bind a new guest to the invitation that the visitor carries."""
    from invitation import gate
    from invitation.flows import arriving

    opened = gate.carried(request)
    if isinstance(opened, arriving.Opened):
        bound = f"{opened.channel}:{opened.invitation.locator}"
        LazyUser.objects.filter(user=user.pk).update(invitation=bound)


def may_look_around(request: HttpRequest) -> bool:
    """Return whether the invitation of a request lets its holder look around as a guest."""
    if not is_on() or not conf.LAZYSIGNUP_ENABLE:
        return False
    from invitation import gate
    from invitation.flows import arriving

    opened = gate.carried(request)
    if not isinstance(opened, arriving.Opened):
        return False
    chosen = opened.invitation.data.get("guests") if opened.invitation.data else None
    return conf.LAZYSIGNUP_WITH_INVITATION if chosen is None else bool(chosen)


def carry(request: HttpRequest, user: Any) -> None:
    """Let a guest's request carry the invitation that the guest came with, if it carries none."""
    from invitation import gate, keys
    from invitation.exceptions import KeyRefused
    from invitation.keys import sites

    if not isinstance(gate.carried(request), KeyRefused):
        return
    bound = LazyUser.objects.filter(user=user.pk).values_list("invitation", flat=True).first()
    if bound:
        channel, _, locator = bound.partition(":")
        gate.carry(request, keys.make(locator, channel, sites.current_site_id(request)))


def refusal(request: HttpRequest) -> HttpResponseBase | None:
    """Return the page for a guest who may not sign up, or ``None``."""
    if not is_on():
        return None
    from invitation import gate
    from invitation.conf import conf as invitation_conf
    from invitation.exceptions import KeyRefused

    carry(request, request.user)
    found = gate.carried(request)
    if invitation_conf.INVITE_MODE and isinstance(found, KeyRefused):
        return gate.refuse(request, found, status=403)
    return None


@contextmanager
def claiming(request: HttpRequest, email: str) -> Iterator[Any]:
    """Run the block in a transaction that also claims the invitation of the request, if any.

    The block sets ``user`` of what it gets.
    """
    if is_on():
        from invitation import gate

        with gate.claiming(request, email) as claim:
            yield claim
    else:
        with transaction.atomic():
            yield _Nothing()


class _Nothing:
    """Claim of nothing."""

    user: Any = None


def opened_by(request: HttpRequest) -> Any:
    """Return the invitation that a request carries, or ``None``."""
    if not is_on():
        return None
    from invitation import gate
    from invitation.flows import arriving

    found = gate.carried(request)
    return found if isinstance(found, arriving.Opened) else None
