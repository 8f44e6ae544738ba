"""Name everything that can go wrong, each with a stable code and words for the person it meets.

Codes are part of the public API: templates, forms and tests may rely on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class InvitationError(Exception):
    """Say that an invitation could not be made, opened, claimed or changed.

    ``message`` is shown to people, ``code`` is for programs, ``params`` fills the message's
    ``%(name)s`` places. All three have a default on the class. ``str()`` gives the finished
    sentence in the active language.
    """

    code: str = "invitation_error"
    message: str | Promise = _("Something is wrong with this invitation.")

    def __init__(
        self,
        message: str | Promise | None = None,
        *,
        code: str | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> None:
        if message is not None:
            self.message = message
        if code is not None:
            self.code = code
        self.params = dict(params or {})
        # One argument, as copying and pickling call the class with what stands here.
        super().__init__(self.message)

    def __str__(self) -> str:
        return str(self.message) % self.params if self.params else str(self.message)


class KeyRefused(InvitationError):
    """Say that a key opens nothing; ``status`` is the HTTP status of the page that says so."""

    code = "refused_key"
    status: int = 410


class NoKey(KeyRefused):
    """Say that the visitor carries no key at all."""

    code = "no_key"
    status = 404
    message = _(
        "You need an invitation to register here. Please open the link in your invitation mail."
    )


class KeyNotFound(KeyRefused):
    """Say that the text is not a key of this site: blank, mutated, forged or from elsewhere."""

    code = "invalid_key"
    status = 404
    message = _(
        "This invitation link is not valid. Please open the link from the mail again, "
        "and make sure that it is complete."
    )


class KeyExpired(KeyRefused):
    """Say that the invitation ran out before it was used."""

    code = "expired_key"
    message = _("This invitation has expired. Please ask the person who invited you for a new one.")


class KeyUsedUp(KeyRefused):
    """Say that the invitation was accepted as often as it may be."""

    code = "no_uses_left_key"
    message = _("This invitation has already been used. If it was you who used it, you can log in.")


class KeyRevoked(KeyRefused):
    """Say that the inviter or the site took the invitation back."""

    code = "revoked_key"
    message = _("This invitation was withdrawn. Please ask the person who invited you.")


class KeyDeclined(KeyRefused):
    """Say that the invited person said no."""

    code = "declined_key"
    message = _(
        "This invitation was declined. If you have changed your mind, please ask the person "
        "who invited you for a new one."
    )


class InviterInactive(KeyRefused):
    """Say that the invitation waits until its inviter's account is active again."""

    code = "inviter_inactive_key"
    message = _(
        "The account of the person who invited you is not active at the moment. "
        "This invitation works again as soon as it is."
    )


class InvitingForbidden(InvitationError):
    """Say that this member may not invite."""

    code = "inviting_forbidden"
    message = _("You are not allowed to invite people.")


class AccountTooNew(InvitingForbidden):
    """Say that this member may not invite yet; ``params["moment"]`` is from when, in words."""

    code = "account_too_new"
    message = _("Your account is too new to invite people. You can do it from %(moment)s on.")


class QuotaExceeded(InvitationError):
    """Say that the member has no invitation left."""

    code = "no_invitations_left"
    message = _("You have no invitations left.")


class AddressRefused(InvitationError):
    """Say that an address cannot be invited; the code names the rule (see ``addresses``)."""

    code = "invalid_address"
    message = _("Please enter a valid e-mail address.")


class OwnAddress(AddressRefused):
    """Say that the member tried to invite himself."""

    code = "own_address"
    message = _("This is your own e-mail address. Please enter the address of somebody else.")


class AlreadyInvited(AddressRefused):
    """Say that the member has another open invitation to this address."""

    code = "already_invited"
    message = _("You have already invited this address.")


class AddressMismatch(InvitationError):
    """Say that the account's address is not the invited one, where the policy asks for that."""

    code = "address_mismatch"
    message = _(
        "This invitation was sent to %(email)s. Please register with that address, "
        "or ask for an invitation to the address you want to use."
    )


class TextRefused(InvitationError):
    """Say that a name or note holds what may not go into a mail; the code names the rule."""

    code = "text_refused"
    message = _("Please write plain text without links or addresses.")


class GroupRefused(InvitationError):
    """Say that the member may not give one of the groups."""

    code = "group_refused"
    message = _("You cannot give this group to the people you invite.")


class MailTooSoon(InvitationError):
    """Say that a mail for this invitation was asked for a moment ago."""

    code = "mail_too_soon"
    message = _("A mail for this invitation was sent a moment ago. Please wait a little.")


class NotPending(InvitationError):
    """Say that the invitation is no longer open, so this cannot be done with it."""

    code = "not_pending"
    message = _("This invitation is no longer open.")


class DeliveryFailed(InvitationError):
    """Say that a mail did not leave the house.

    ``permanent`` tells that trying again is useless, because the mail server refused this very
    recipient or message (RFC 5321, section 4.2.1: reply codes 5yz).
    """

    code = "delivery_failed"
    message = _("The mail could not be sent.")

    def __init__(self, message: str | Promise | None = None, *, permanent: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent
