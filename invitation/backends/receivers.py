"""Follow what becomes of the accounts that came by invitation.

Connected by ``apps.py``. Imports nothing of redux that reads settings or the user model.
"""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db.models.signals import post_save, pre_delete

from invitation import flows

#: What redux's documentation uses, and as long as an invitation lives.
ACTIVATION_DAYS = 7


def connect() -> None:
    """Connect the receivers, those of redux where it is installed."""
    pre_delete.connect(
        release_invitation, sender=get_user_model(), dispatch_uid="invitation.release"
    )
    pre_delete.connect(close_invitations, sender=get_user_model(), dispatch_uid="invitation.close")
    post_save.connect(end_proofs, sender=get_user_model(), dispatch_uid="invitation.proofs")
    if not apps.is_installed("registration"):
        return
    from registration import signals

    supply_activation_days()
    for signal, uid in ((signals.user_activated, "activated"), (signals.user_approved, "approved")):
        signal.connect(record_activation, dispatch_uid=f"invitation.{uid}")
    for name in ("RegistrationProfile", "SupervisedRegistrationProfile"):
        profile = apps.get_model("registration", name)
        post_save.connect(record_profile, sender=profile, dispatch_uid=f"invitation.{name.lower()}")


def supply_activation_days() -> None:
    """Give redux's one obligatory setting a value where the site has given it none.

    Redux has no default for it and fails in the middle of a registration, and again at the
    activation. Nothing else of ours ever writes into the settings.
    """
    if not hasattr(settings, "ACCOUNT_ACTIVATION_DAYS"):
        settings.ACCOUNT_ACTIVATION_DAYS = ACTIVATION_DAYS


def release_invitation(sender: Any, instance: Any, **kwargs: Any) -> None:
    """Give the invitation back when an account is deleted that was never usable."""
    flows.release(instance)


def close_invitations(sender: Any, instance: Any, **kwargs: Any) -> None:
    """Revoke what a member has open when his account is deleted."""
    flows.close_all_of(instance)


def record_activation(sender: Any, user: Any, **kwargs: Any) -> None:
    """Note that the account can be used, if it can: an unapproved one cannot yet."""
    flows.activate(user)


def record_profile(sender: Any, instance: Any, **kwargs: Any) -> None:
    """Note an activation that redux sends no signal for, such as its admin action's."""
    if instance.activated:
        flows.activate(instance.user)


def end_proofs(
    sender: Any,
    instance: Any,
    created: bool,
    raw: bool = False,
    update_fields: frozenset[str] | None = None,
    **kwargs: Any,
) -> None:
    """End what an account has proven when it gets another address, also if it gets it back later.

    ``QuerySet.update`` sends no signal: then the proof counts again once the address is back.
    """
    fields = update_fields
    changed = fields is None or instance.get_email_field_name() in fields
    if changed and not created and not raw:
        flows.drop_outdated_proofs(instance)
