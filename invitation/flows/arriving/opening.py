"""Opening, claiming and declining an invitation with its key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import connections, router
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from invitation import addresses, keys, signals
from invitation.conf import conf
from invitation.exceptions import (
    AddressMismatch,
    AddressNotAllowed,
    KeyNotFound,
    KeyRefused,
    KeyUsedUp,
    NotPending,
)
from invitation.flows.after_commit import (
    announce,
    catch_up,
    database,
    retrying,
    writing,
)
from invitation.flows.inviting import end
from invitation.flows.upkeep import release_all
from invitation.keys import destinations, sites
from invitation.models import Acceptance, InvitationKey
from invitation.models.managers import InvitationKeyManager

User = TypeVar("User", bound=AbstractBaseUser)


@dataclass(frozen=True)
class Opened:
    """Invitation that was opened with a valid key."""

    invitation: InvitationKey
    channel: str
    key: str = field(repr=False)

    def proves(self, email: str) -> bool:
        """Return whether this key proves that its holder can read this mailbox."""
        if self.invitation.shared:
            return False
        return self.channel == keys.MAIL and addresses.same(self.invitation.email, email)

    def admits(self, email: str) -> bool:
        """Return whether an account with this address can be created with this invitation."""
        domains = self.invitation.allowed_domains
        if domains and addresses.domain_of(email) not in domains:
            return False
        # Fail closed: a misspelt policy counts as "exact". Only "any" admits any address.
        if conf.INVITATION_EMAIL_POLICY == "any" or not self.invitation.email:
            return True
        return addresses.same(self.invitation.email, email)

    def mismatch(self) -> AddressMismatch:
        """Return the error that says which addresses are admitted."""
        invitation = self.invitation
        if invitation.allowed_domains:
            message = _("This invitation is for addresses at %(domains)s.")
            params = {"domains": ", ".join(invitation.domains)}
            return AddressNotAllowed(message, params=params)
        return AddressMismatch(params={"email": addresses.display(invitation.email)})


def open_invitation(text: object, site_id: int | None = None, *, may_lag: bool = False) -> Opened:
    """Return the invitation that a key opens now; one query, and none for a forged key.

    ``may_lag`` is for a page that changes nothing. The invitation may then come from a replica that
    the router reads from. What the replica does not open is looked up again where it is written.

    Raises the ``KeyRefused`` that says why the key opens nothing. Changes nothing.
    """
    site_id = sites.current_site_id() if site_id is None else site_id
    text = keys.trim(text) if isinstance(text, str) else text
    resolved = keys.resolve(text, partial(_find, _whole, may_lag), site_id)
    if resolved is None:
        raise KeyNotFound()
    refusal = resolved.row.refusal()
    if refusal is not None:
        raise refusal
    return Opened(resolved.row, resolved.channel, keys.Secret(text))


def refusal_to_open(text: object, site_id: int) -> KeyRefused | None:
    """Return why a key opens nothing now, or ``None`` if it opens an invitation.

    It makes one query, and none for a forged key. The query reads only what decides. It may ask a
    replica, as ``open_invitation`` with ``may_lag`` does.
    """
    text = keys.trim(text) if isinstance(text, str) else text
    resolved = keys.resolve(text, partial(_find, _state, True), site_id)
    return KeyNotFound() if resolved is None else resolved.row.refusal()


def _whole(rows: InvitationKeyManager, locator: str, site_id: int) -> InvitationKey | None:
    return rows.find(locator, site_id, noting_groups=True)


def _state(rows: InvitationKeyManager, locator: str, site_id: int) -> InvitationKey | None:
    return rows.find_state(locator, site_id)


def _find(
    look_up: Callable[[InvitationKeyManager, str, int], InvitationKey | None],
    may_lag: bool,
    locator: str,
    site_id: int,
) -> InvitationKey | None:
    """Return the invitation, or ``None``.

    A replica's answer counts only if the invitation opens there. Otherwise the database for writes
    decides. If a node of a cluster does not know the invitation yet, it looks once more.
    """
    reader = router.db_for_read(InvitationKey) if may_lag else database()
    if reader != database():
        row = look_up(InvitationKey.objects.db_manager(reader), locator, site_id)
        if row is not None and row.locator == locator and row.refusal() is None:
            return row
    found = look_up(InvitationKey.objects, locator, site_id)
    if found is None and catch_up():
        found = look_up(InvitationKey.objects, locator, site_id)
    return found


def refusal_now(invitation: InvitationKey) -> KeyRefused:
    """Return why an invitation that was pending a moment ago cannot be claimed now."""
    rows = InvitationKey.objects.select_related("from_user")
    now = rows.filter(pk=invitation.pk, locator=invitation.locator).first()
    if now is None:
        return KeyNotFound()
    # Usable again: the person who was faster has given the use back.
    return now.refusal() or KeyUsedUp()


def decline(opened: Opened | InvitationKey) -> None:
    """Decline an invitation.

    Raises the ``KeyRefused`` that says why it is too late. A caller that passes an
    ``InvitationKey`` must check that the invited person asks for it. A shared link stays open for
    the others.
    """
    invitation = opened.invitation if isinstance(opened, Opened) else opened
    if invitation.shared:
        return
    try:
        end(invitation, InvitationKey.Status.DECLINED, signals.invitation_declined)
    except NotPending as error:
        raise refusal_now(invitation) from error


@retrying
def activate(user: Any) -> None:
    """Record that an account that came by invitation can now be used; repeated calls are safe."""
    if not user.is_active:
        return
    for acceptance in (
        Acceptance.objects.unactivated().filter(user=user).select_related("invitation")
    ):
        now = timezone.now()
        if Acceptance.objects.activate(acceptance.pk, now):
            acceptance.activated_at = now
            announce(
                signals.invitation_activated,
                invitation=acceptance.invitation,
                acceptance=acceptance,
                user=user,
            )


def was_activated(user: Any) -> bool:
    """Return whether an account that came by invitation could be used at some time; one query."""
    activated = Acceptance.objects.filter(user=user, new_account=True, activated_at__isnull=False)
    return activated.exists()


def destination_of(user: Any) -> str:
    """Return the page that the invitation of an active account leads to; one query.

    Returns an empty string if the account is not active, or if the invitation has no destination.
    """
    if not user.is_active:
        return ""
    came = Acceptance.objects.filter(user=user, new_account=True).order_by("pk")
    return destinations.safe(came.values_list("invitation__destination", flat=True).first() or "")


def refusal_of_address(user: Any, email: str) -> AddressMismatch | None:
    """Return why an account that is not usable yet cannot get another address, or ``None``.

    Otherwise the holder of a copied link could sign up with the invited address, and confirm
    another one. It makes one query.
    """
    came = Acceptance.objects.unactivated().filter(user=user, new_account=True)
    acceptance = came.select_related("invitation").first()
    if acceptance is None:
        return None
    opened = Opened(acceptance.invitation, keys.COPY, "")
    return None if opened.admits(email) else opened.mismatch()


def lock_account(pk: Any) -> bool:
    """Lock an account until the end of the transaction; return whether it exists."""
    rows: Any = get_user_model()._base_manager
    features = connections[router.db_for_write(rows.model)].features
    locked = rows.select_for_update(no_key=features.has_select_for_no_key_update)
    return bool(list(locked.filter(pk=pk).values_list("pk")))


@retrying
def release(user: Any, *, usable: bool | None = None) -> None:
    """Give back the uses of an account that is about to be deleted and was never usable.

    ``usable`` says whether its holder could log in; ``None`` asks ``is_active``.
    """
    usable = user.is_active if usable is None else usable
    with writing():
        if not usable:
            # Activation locks the account first, too. An active account may be inviting, and
            # inviting locks other rows before this one.
            lock_account(user.pk)
        _release(user, usable)


def _release(user: Any, usable: bool) -> None:
    acceptances = Acceptance.objects.unactivated().filter(user=user)
    if usable or user.last_login is not None:
        # The account was usable at some time, so its invitation stays used.
        acceptances.update(activated_at=timezone.now())
    # Changes nothing, but begins with a write. The transaction that deletes the account has read
    # before, and SQLite may then refuse a write.
    elif acceptances.update(claimed_at=F("claimed_at")):
        release_all(acceptances)
