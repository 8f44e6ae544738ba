"""Name everything that can go wrong, each with a stable code and words for the person it meets.

Codes are part of the public API: templates, forms and tests may rely on them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
    #: Whether it is the key of a shared link, which is not for one person alone.
    shared: bool = False


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
    #: Of a shared link.
    shared_message = _(
        "This invitation has been used by as many people as it was for. If you are one of them, "
        "you can log in."
    )


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


class KeyPaused(KeyRefused):
    """Say that the owner of a shared link holds it back for now."""

    code = "paused_key"
    status = 403
    message = _(
        "This invitation is paused. Please try again later, or ask the person who gave it to you."
    )


class CodeNotFound(KeyNotFound):
    """Say that the text is neither the code nor the word of a shared link of this site."""

    code = "invalid_code"
    message = _(
        "We do not know this code. Please look at it again: it has twelve letters and digits."
    )


class TooManyAttempts(InvitationError):
    """Say that too many codes were wrong; ``seconds`` is how long to wait at most."""

    code = "too_many_attempts"
    message = _("Too many codes were wrong. Please wait a few minutes and try again.")

    def __init__(self, message: str | Promise | None = None, *, seconds: int = 0) -> None:
        super().__init__(message)
        self.seconds = seconds


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


class SharingForbidden(InvitingForbidden):
    """Say that this member may not make shared links, or none for any number of people."""

    code = "sharing_forbidden"
    message = _("You are not allowed to make links for several people.")


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


class AddressBlocked(AddressRefused):
    """Say that the site lets nobody invite this address (see ``blocklist``)."""

    code = "blocked_address"
    message = _(
        "Invitations to this address cannot be sent from here. Please use another address, or ask "
        "the people who run this site."
    )


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


class AddressNotAllowed(AddressMismatch):
    """Say that the account's address is of another domain than a shared link admits."""

    code = "domain_not_allowed"
    message = _("This invitation is for addresses of other domains.")


class WordRefused(InvitationError):
    """Say that a shared link cannot have this word; the code names the rule (see ``codes``)."""

    code = "invalid_word"
    message = _("Please use 3 to 64 letters, digits and hyphens, and begin and end with no hyphen.")


class AlreadyShared(InvitationError):
    """Say that this form has made its shared link before, as by a second click."""

    code = "already_shared"
    message = _("This link has been made already. You find it in the list of your links.")


class TooFewUses(InvitationError):
    """Say that a shared link cannot be for fewer people than have come through it."""

    code = "too_few_uses"
    message = _("More people than that have already come through this link.")


class TextRefused(InvitationError):
    """Say that a name or note holds what may not go into a mail; the code names the rule."""

    code = "text_refused"
    message = _("Please write plain text without links or addresses.")


class NoteForbidden(TextRefused):
    """Say that this member may not add a personal note."""

    code = "note_forbidden"
    message = _("You are not allowed to add a personal note.")


class GroupRefused(InvitationError):
    """Say that the member may not give one of the groups."""

    code = "group_refused"
    message = _("You cannot give this group to the people you invite.")


class ListRefused(InvitationError):
    """Say that a list of people cannot be read; the code names the rule (see ``recipients``)."""

    code = "list_refused"
    message = _("This list cannot be read.")


class ExpiryRefused(InvitationError):
    """Say that the site does not let an invitation be open for so long, or so short a time."""

    code = "expiry_refused"
    message = _("An invitation cannot be open for that time. Please choose one that is offered.")


class DestinationRefused(InvitationError):
    """Say that a newcomer cannot be led there: it is no page of this site."""

    code = "destination_refused"
    message = _("Newcomers cannot be led to this page. Please choose one that is offered.")


class NoPreview(InvitationError):
    """Say that the mail cannot be shown before it is sent."""

    code = "no_preview"
    message = _(
        "The mail cannot be shown before it is sent. Nothing has been sent yet; you can still send "
        "the invitation."
    )


class OwnInvitation(InvitationError):
    """Say that a member tried to accept an invitation of his own."""

    code = "own_invitation"
    message = _("You have made this invitation yourself. It is for somebody else.")


class AlreadyAccepted(InvitationError):
    """Say that this account has accepted the invitation before."""

    code = "already_accepted"
    message = _("You have already accepted this invitation.")


class AddressUnproven(InvitationError):
    """Say that nobody knows yet whether the invited address is the account holder's own."""

    code = "address_unproven"
    message = _(
        "This invitation is for the address of your account, but nobody knows yet that it is "
        "yours. Please stay logged in and open the link in the invitation mail."
    )


class NothingToJoin(InvitationError):
    """Say that an invitation for anybody has nothing for who has an account already."""

    code = "nothing_to_join"
    message = _("You have an account already. This invitation is for people who have none.")


class MailTooSoon(InvitationError):
    """Say that a mail was asked for a short time ago; ``params["moment"]``: until when it is so."""

    code = "mail_too_soon"
    message = _("The mail for this invitation is being sent at this moment. Please wait a little.")
    #: With that moment, in words, where it is known.
    until_message = _(
        "A mail for this invitation has been asked for already. You can ask for another one from "
        "%(moment)s on."
    )


class MailLimitReached(InvitationError):
    """Say that there may be no more mail for a while; the code names the limit (``limiting``)."""

    code = "mail_limit_reached"
    message = _("No more mail can be sent today. Please try again tomorrow.")


class NotPending(InvitationError):
    """Say that the invitation is no longer open, so this cannot be done with it."""

    code = "not_pending"
    message = _("This invitation is no longer open.")


class NotRenewable(InvitationError):
    """Say that there can be no new link for this invitation.

    It is open, or was used or declined, or is a shared link, or is addressed to nobody.
    """

    code = "not_renewable"
    message = _("This invitation cannot be renewed.")


class DeliveryFailed(InvitationError):
    """Say that a mail did not leave the house.

    ``permanent``: trying again is useless (RFC 5321, section 4.2.1: reply codes 5yz). ``codes``:
    those of the mail server, for the log. ``of_recipient``: it refused the recipient, before it saw
    the email. ``unconfirmed``: it got the whole email and did not answer, and may have taken it.
    """

    code = "delivery_failed"
    message = _("The mail could not be sent.")

    def __init__(
        self,
        message: str | Promise | None = None,
        *,
        permanent: bool = False,
        codes: Iterable[int] = (),
        of_recipient: bool = False,
        unconfirmed: bool = False,
    ) -> None:
        super().__init__(message)
        self.permanent, self.codes = permanent, tuple(codes)
        self.of_recipient, self.unconfirmed = of_recipient, unconfirmed


class DeliveryUnavailable(DeliveryFailed):
    """Say that no mail can leave at the moment, whoever it is for.

    The mail server cannot be reached or refuses the site, or the mail settings are of no use.
    """

    code = "delivery_unavailable"
    message = _("Mails cannot be sent at the moment.")
