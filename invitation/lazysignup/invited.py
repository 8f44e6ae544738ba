"""What guests have to do with invitations. Only a site that has both apps imports this module.

It is also the ``gate.Guests`` of the sign-up pages of ``invitation``.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from invitation import gate, keys
from invitation.backends.fields import HINT_FIELD, email_field_name, give_invited_address
from invitation.backends.passwords import hashed_password
from invitation.backends.plain import claiming
from invitation.exceptions import Busy
from invitation.flows import arriving
from invitation.keys import sites
from invitation.lazysignup import guests, late_login
from invitation.lazysignup.conf import conf
from invitation.lazysignup.exceptions import NotLazyError
from invitation.lazysignup.models import KNOWN, LazyUser

#: Key of the session with the channel and the locator of an invitation.
BOUND = "_lazysignup_invitation"

# Part of ``gate.Guests``

is_guest = guests.is_lazy_user
finish = LazyUser.objects.finish
leave = guests.leave_session
watch = late_login.watch


def find(request: HttpRequest) -> Any:
    """Return a fresh row of the account of a request's guest, or ``None``."""
    user = getattr(request, "user", None)
    return guests.fresh(user) if is_guest(user) else None


def hold(guest: Any) -> None:
    """Lock a guest in the transaction that signs them up. Raises ``Busy`` if it is gone."""
    try:
        LazyUser.objects.hold(guest)
    except NotLazyError as error:
        raise Busy() from error


def bound_key(request: HttpRequest, guest: Any) -> str:
    """Return the key of the invitation that a guest came with, or an empty string.

    The row has no signature. A link that was replaced has another locator, so the key is void. A
    guest who has logged in to another account has the invitation in the session, without a guest.
    """
    rows = LazyUser.objects.filter(user=guest and guest.pk).values_list("invitation", flat=True)
    bound = rows.first() if guest else request.session.get(BOUND)
    channel, _, locator = (bound or "").partition(":")
    return keys.make(locator, channel, sites.current_site_id(request)) if locator else ""


def take_for_member(sender: Any, request: Any, user: Any, **kwargs: Any) -> None:
    """Take an account for that of a member if its sign-up logs it in, before that is finished."""
    if gate.is_keeping(request, user):
        setattr(user, KNOWN, False)


def may_look_around(request: HttpRequest, invitation: Any) -> bool:
    """Return whether an invitation lets its holder look around as a guest."""
    rule = conf.LAZYSIGNUP_WITH_INVITATION
    return conf.LAZYSIGNUP_ENABLE and bool(rule(invitation) if callable(rule) else rule)


# Part of the pages of this app


def opened_by(request: HttpRequest) -> arriving.Opened | None:
    """Return the invitation that a request carries, or ``None``."""
    found = gate.carried(request)
    return found if isinstance(found, arriving.Opened) else None


def describe(request: HttpRequest, path: str) -> dict[str, Any]:
    """Return the site, and a path as its address, for emails: never by the Host of the request."""
    link = sites.absolute(path, sites.current_site_id(request))
    return {"link": link, **sites.describe_current(request)}


def bind(request: HttpRequest, opened: arriving.Opened) -> None:
    """Bind the guest of a request to an invitation; the last one counts."""
    request.session[BOUND] = f"{opened.channel}:{opened.invitation.locator}"
    LazyUser.objects.filter(user=request.user.pk).update(invitation=request.session[BOUND])


def convert(request: HttpRequest, form: Any) -> Any:
    """Save the account of a guest, and claim the invitation they carry, if any: both or neither.

    Raises what ``claiming`` raises: ``Busy`` because of ``NotLazyError`` for a guest who has signed
    up or expired in the meantime.
    """
    form.cleaned_data.pop(HINT_FIELD, None)
    give_invited_address(form, opened_by(request))
    name, account = email_field_name(), getattr(form, "instance", None)
    email = str(form.cleaned_data.get(name) or getattr(account, name, None) or "")
    with hashed_password(form), claiming(request, email) as claim:
        claim.user = user = form.save()
    return user
