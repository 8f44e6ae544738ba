"""Signal receivers for accounts that were created by invitation.

``apps.py`` connects them. This module imports nothing of redux that reads settings or the user
model.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.db.models.signals import post_save, pre_delete, pre_save

from invitation import gate
from invitation.flows import arriving, inviting, quota

#: Hosts with an activation email: redux, and django-registration 5.
TWO_STEP_HOSTS = ("registration", "django_registration")
#: Default of ACCOUNT_ACTIVATION_DAYS: the value in the hosts' documentation, and as many days as an
#: invitation stays pending.
ACTIVATION_DAYS = 7
#: App of allauth without which nobody signs up.
ALLAUTH = "allauth.account"


def connect() -> None:
    """Connect the receivers, including those for the hosts that are installed."""
    pre_delete.connect(
        release_invitation, sender=get_user_model(), dispatch_uid="invitation.release"
    )
    pre_save.connect(refuse_unclaimed, sender=get_user_model(), dispatch_uid="invitation.unclaimed")
    pre_delete.connect(close_invitations, sender=get_user_model(), dispatch_uid="invitation.close")
    post_save.connect(end_proofs, sender=get_user_model(), dispatch_uid="invitation.proofs")
    if apps.is_installed(ALLAUTH):
        from invitation.backends.allauth import confirmations

        confirmations.listen()
    for host in TWO_STEP_HOSTS:
        if apps.is_installed(host):
            supply_activation_days()
            signals = import_module(f"{host}.signals")
            signals.user_activated.connect(record_activation, dispatch_uid=f"invitation.{host}")
    if not apps.is_installed("registration"):
        return
    from registration.signals import user_approved

    user_approved.connect(record_activation, dispatch_uid="invitation.approved")
    for name in ("RegistrationProfile", "SupervisedRegistrationProfile"):
        profile = apps.get_model("registration", name)
        post_save.connect(record_profile, sender=profile, dispatch_uid=f"invitation.{name.lower()}")


def supply_activation_days() -> None:
    """Set ACCOUNT_ACTIVATION_DAYS, the hosts' one required setting, where the site has not set it.

    The hosts have no default for it. They fail in the middle of a registration, and again at the
    activation. Nothing else in this app writes to the settings.
    """
    if not hasattr(settings, "ACCOUNT_ACTIVATION_DAYS"):
        settings.ACCOUNT_ACTIVATION_DAYS = ACTIVATION_DAYS


def release_invitation(sender: Any, instance: Any, **kwargs: Any) -> None:
    """Give the invitation back when an account is deleted that was never usable."""
    if quota.is_guest(instance):
        return  # A guest has used no invitation, and has sent none.
    if apps.is_installed(ALLAUTH):
        from invitation.backends.allauth.confirmations import was_usable

        arriving.release(instance, usable=was_usable(instance))
    else:
        arriving.release(instance)


def refuse_unclaimed(sender: Any, instance: Any, raw: bool = False, **kwargs: Any) -> None:
    """Refuse an account that a gated view creates without a claim.

    Such a view would create any number of accounts with one invitation. Raises
    ``ImproperlyConfigured``.
    """
    if instance._state.adding and not raw and gate.forgets_claim():
        raise ImproperlyConfigured(
            "A gated view creates an account, but claims no invitation for it. In a function, "
            "create the account inside gate.claiming(request). In a class with "
            "InvitationRequiredMixin, create it in create_account(form)."
        )


def close_invitations(sender: Any, instance: Any, **kwargs: Any) -> None:
    """Revoke a member's pending invitations when their account is deleted."""
    if not quota.is_guest(instance):
        inviting.close_all_of(instance)


def record_activation(sender: Any, user: Any, **kwargs: Any) -> None:
    """Record that the account can be used, if it can; an unapproved account cannot be used yet."""
    arriving.activate(user)


def record_profile(sender: Any, instance: Any, **kwargs: Any) -> None:
    """Record an activation for which redux sends no signal, such as the one of its admin action."""
    if instance.activated:
        arriving.activate(instance.user)


def end_proofs(
    sender: Any,
    instance: Any,
    created: bool,
    raw: bool = False,
    update_fields: frozenset[str] | None = None,
    **kwargs: Any,
) -> None:
    """Delete the proofs of an account when it gets another address.

    They stay deleted if the account gets the old address back later. ``QuerySet.update`` sends no
    signal. After it, the proof counts again once the old address is back.
    """
    fields = update_fields
    changed = fields is None or instance.get_email_field_name() in fields
    if changed and not created and not raw:
        arriving.drop_outdated_proofs(instance)
