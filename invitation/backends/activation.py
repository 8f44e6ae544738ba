"""Account activation with the link in an activation email, after a page that shows the account.

The person who registered knows the password of the account. Another person may read the email. So
the page of the link says who created the account and when, and asks for a new password. It asks for
no password if the account was created with a key from the invitation email. Opening the page
changes nothing.
"""

from __future__ import annotations

import re
import secrets
from functools import partial
from typing import Any

from django import forms
from django.contrib.auth import get_backends
from django.contrib.auth.forms import SetPasswordForm
from django.core.exceptions import ObjectDoesNotExist
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from invitation import gate
from invitation.conf import conf
from invitation.flows import arriving
from invitation.flows.after_commit import in_transaction, retrying
from invitation.gate.atomic_requests import OwnTransactionsMixin
from invitation.keys import sites, unsubscribing

CONFIRM_TEMPLATE = "registration/activate_confirm.html"
DISOWNED_TEMPLATE = "registration/activate_disowned.html"
#: Name of the button for a person who did not create the account.
NOT_ME = "not_me"

NONCE_LENGTH = 32
#: Keys that redux accepts. Its table contains no others.
KEY = re.compile(r"[a-f0-9]{40,64}")
_SALT = "invitation:activation"


# -- the key -----------------------------------------------------------------------------------


@sensitive_variables()
def new_key(email: str) -> str:
    """Return a new activation key that is bound to the address it will be sent to.

    It looks like redux's own key: 32 random hexadecimal digits, then 32 digits of an HMAC over them
    and the address. So the link itself proves which address it was sent to. No row stores that.
    """
    nonce = secrets.token_hex(NONCE_LENGTH // 2)
    return nonce + _binding(conf.INVITATION_SIGNING_KEYS[0], nonce, email)


@sensitive_variables()
def is_bound(key: str, email: str) -> bool:
    """Return whether an activation key was made for this address."""
    nonce, binding = key[:NONCE_LENGTH], key[NONCE_LENGTH:]
    return any(
        constant_time_compare(binding, _binding(signer, nonce, email))
        for signer in conf.INVITATION_SIGNING_KEYS
    )


@sensitive_variables()
def _binding(signer: str, nonce: str, email: str) -> str:
    text = f"{nonce}:{unsubscribing.comparable(email)}"
    mac = salted_hmac(_SALT, text, secret=signer, algorithm="sha256").hexdigest()
    return mac[:NONCE_LENGTH]


def bind(profile: Any) -> None:
    """Make the link in the next activation email prove the address that it is sent to.

    A link that was sent earlier to another address stops working.
    """
    email = arriving.own_address(profile.user)
    if not is_bound(profile.activation_key, email):
        profile.activation_key = new_key(email)
        profile.save(update_fields=["activation_key"])


# -- the page ----------------------------------------------------------------------------------


def is_closed(account: Any) -> bool:
    """Return whether an account was usable at some time and is not any more.

    An activation link stays valid for days, also if staff made the account active themselves. It
    must not open an account again that they closed.
    """
    if account.is_active:
        return False
    logged_in = account.last_login is not None and not _may_log_in(account)
    return logged_in or arriving.was_activated(account)


def _may_log_in(account: Any) -> bool:
    """Return whether the site lets an account like this log in, though it is not active."""
    asked = (getattr(backend, "user_can_authenticate", None) for backend in get_backends())
    return any(may(account) for may in asked if may is not None)


def must_choose(account: Any) -> bool:
    """Return whether the holder of a waiting account must choose a password."""
    return bool(account.has_usable_password()) and not arriving.has_proven(account)


def confirm_form(account: Any, data: Any = None) -> forms.Form | None:
    """Return the form that asks for the password, or ``None`` where a click is enough."""
    if account is None or not must_choose(account):
        return None
    form: forms.Form = SetPasswordForm(account, data)
    form.fields["new_password1"].label = _("Password")
    form.fields["new_password2"].label = _("Password again")
    return form


def show(
    request: HttpRequest, account: Any, form: forms.Form | None, **context: Any
) -> HttpResponseBase:
    """Return the page that says whose account it is, and what a click will do."""
    context |= {
        "form": form,
        "account": account,
        "account_email": arriving.own_address(account) if account is not None else "",
        "not_me": NOT_ME,
        **sites.describe_current(request),
    }
    response = render(request, CONFIRM_TEMPLATE, context)
    gate.protect(response)
    return response


def disown(request: HttpRequest, account: Any) -> HttpResponseBase | None:
    """Delete an account that the owner of its address did not create; return the page about it.

    Returns ``None`` if the account was usable before.
    """
    if not arriving.disown(account):
        return None
    response = render(request, DISOWNED_TEMPLATE, sites.describe_current(request))
    gate.protect(response)
    return response


@sensitive_variables()
def admit(account: Any, form: Any, key: str) -> None:
    """Set the password chosen by the reader of the email, and record that the address is proven.

    ``form`` is the valid form, which has hashed the password, or ``None``. Call this in a
    transaction, before the activation. Then nobody can log in with the old password. The proof is
    recorded only if the key is bound to the account's address.
    """
    if form is not None:
        account.password, account._password = form.user.password, form.user._password
        account.save(update_fields=["password"])
    if is_bound(key, arriving.own_address(account)):
        arriving.prove(account)


# -- an account that is being deleted -------------------------------------------------------------


def hold(profiles: Any) -> Any:
    """Lock the account of these profiles, then its profile: the order in which they are deleted.

    Returns the profile, or ``None`` if it no longer waits. Redux writes the account and then its
    profile. Without these locks, an activation and a deletion could wait for each other. And
    writing an account after its deletion would create it again.
    """
    account = profiles.values_list("user_id", flat=True).first()
    if account is None or not arriving.lock_account(account):
        return None
    return profiles.select_for_update().filter(activated=False).first()


def activate_account(profiles: Any, key: str, site: Any) -> tuple[Any, bool]:
    """Activate the account of an activation key with redux, and return what redux returns.

    That is a pair: the account or ``False``, and whether it was activated now. If the account is
    being deleted, this waits for the deletion and then finds no account.
    """
    return in_transaction(partial(_activate, profiles, key, site))


def _activate(profiles: Any, key: str, site: Any) -> tuple[Any, bool]:
    hold(profiles.filter(activation_key=key))
    user, activated = profiles.activate_user(key, site)
    return user, activated


class MailingActivationMixin(OwnTransactionsMixin):
    """An ``ActivationView`` of redux that sends an email outside any transaction."""

    registration_profile: Any

    @retrying
    def activate(self, *args: Any, **kwargs: Any) -> Any:
        """Activate the account, and return it or ``False``.

        Redux reads the profile, then its account, and then writes the profile. The account may be
        deleted before either step.
        """
        try:
            return super().activate(*args, **kwargs)  # type: ignore[misc]
        except (IntegrityError, ObjectDoesNotExist):
            key = kwargs.get("activation_key", "")
            if self.registration_profile.objects.filter(activation_key=key).exists():
                raise
            return False  # It was deleted in the meantime.
