"""Exceptions of this app, each with a message for people and a stable code: the public API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import OperationalError
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Text = str | Promise | None
Params = Mapping[str, Any] | None


class InvitationError(Exception):
    """Base class of all errors about invitations.

    ``message`` is for people, ``code`` for programs; ``params`` fills the ``%(name)s`` places. All
    three have a default on the class. ``str()`` returns the translated sentence.
    """

    code: str = "invitation_error"
    message: str | Promise = _("Something is wrong with this invitation.")

    def __init__(
        self, message: Text = None, *, code: str | None = None, params: Params = None
    ) -> None:
        self.message = self.message if message is None else message
        self.code, self.params = code or self.code, dict(params or {})
        # One argument only: copying and pickling call the class with these arguments.
        super().__init__(self.message)

    def __str__(self) -> str:
        return str(self.message) % self.params if self.params else str(self.message)


class KeyRefused(InvitationError):
    """Refusal of a key that opens nothing; ``status`` is that of the page that explains it."""

    code = "refused_key"
    status: int = 410
    #: Whether it is the key of a shared link, which is for several people.
    shared: bool = False


class NoKey(KeyRefused):
    """Refusal of a visitor who has no key at all."""

    code = "no_key"
    status = 404
    message = _(
        "You need an invitation to register here. Please open the link in your invitation mail."
    )


class KeyNotFound(KeyRefused):
    """Refusal of a text that is not a key of this site: blank, changed, forged or from another."""

    code = "invalid_key"
    status = 404
    message = _(
        "This invitation link is not valid. Please open the link from the mail again, "
        "and make sure that it is complete."
    )


class KeyExpired(KeyRefused):
    """Refusal of an invitation that expired before it was used."""

    code = "expired_key"
    message = _("This invitation has expired. Please ask the person who invited you for a new one.")


class KeyUsedUp(KeyRefused):
    """Refusal of an invitation that has no uses left."""

    code = "no_uses_left_key"
    message = _("This invitation has already been used. If it was you who used it, you can log in.")
    #: Message for a shared link.
    shared_message = _(
        "This invitation has been used by as many people as it was for. If you are one of them, "
        "you can log in."
    )


class KeyRevoked(KeyRefused):
    """Refusal of an invitation that the inviter or the site has revoked."""

    code = "revoked_key"
    message = _("This invitation was withdrawn. Please ask the person who invited you.")


class KeyDeclined(KeyRefused):
    """Refusal of an invitation that the invited person has declined."""

    code = "declined_key"
    message = _(
        "This invitation was declined. If you have changed your mind, please ask the person "
        "who invited you for a new one."
    )


class KeyPaused(KeyRefused):
    """Refusal of a shared link that its owner has paused."""

    code = "paused_key"
    status = 403
    message = _(
        "This invitation is paused. Please try again later, or ask the person who gave it to you."
    )


class CodeNotFound(KeyNotFound):
    """Refusal of a text that is neither the code nor the custom code of a shared link here."""

    code = "invalid_code"
    message = _(
        "We do not know this code. Please look at it again: it has twelve letters and digits."
    )


class TooManyAttempts(InvitationError):
    """Error after too many wrong codes; ``seconds`` is the time to wait."""

    code = "too_many_attempts"
    message = _("Too many codes were wrong. Please wait a few minutes and try again.")

    def __init__(self, message: Text = None, *, seconds: int = 0) -> None:
        super().__init__(message)
        self.seconds = seconds


class InviterInactive(KeyRefused):
    """Refusal of an invitation while its inviter's account is not active."""

    code = "inviter_inactive_key"
    message = _(
        "The account of the person who invited you is not active at the moment. "
        "This invitation works again as soon as it is."
    )


class InvitingForbidden(InvitationError):
    """Error for a member who may not invite."""

    code = "inviting_forbidden"
    message = _("You are not allowed to invite people.")


class GuestForbidden(InvitingForbidden):
    """Error for a guest, who must sign up before they may invite or accept."""

    code = "guest_forbidden"
    message = _("You are here as a guest. Sign up first.")


class SharingForbidden(InvitingForbidden):
    """Error for a member who may not create shared links, or only ones with a limit."""

    code = "sharing_forbidden"
    message = _("You are not allowed to make links for several people.")


class AccountTooNew(InvitingForbidden):
    """Error for a member who may not invite before ``params["moment"]``, a time in words."""

    code = "account_too_new"
    message = _("Your account is too new to invite people. You can do it from %(moment)s on.")


class QuotaExceeded(InvitationError):
    """Error for a member who has no invitations left."""

    code = "no_invitations_left"
    message = _("You have no invitations left.")


class AddressRefused(InvitationError):
    """Error for an address that cannot be invited; the code names the rule (see ``addresses``)."""

    code = "invalid_address"
    message = _("Please enter a valid e-mail address.")


class OwnAddress(AddressRefused):
    """Error for a member who tried to invite themselves."""

    code = "own_address"
    message = _("This is your own e-mail address. Please enter the address of somebody else.")


class AddressBlocked(AddressRefused):
    """Error for an address that nobody may invite (see ``blocklist``)."""

    code = "blocked_address"
    message = _(
        "Invitations to this address cannot be sent from here. Please use another address, or ask "
        "the people who run this site."
    )


class AlreadyInvited(AddressRefused):
    """Error for a member whose invitation to this address is pending, or was declined."""

    code = "already_invited"
    message = _("You have already invited this address.")


class AddressMismatch(InvitationError):
    """Error for an account whose address is not the invited one, where the policy requires it."""

    code = "address_mismatch"
    message = _(
        "This invitation was sent to %(email)s. Please register with that address, "
        "or ask for an invitation to the address you want to use."
    )


class AddressNotAllowed(AddressMismatch):
    """Error for an account whose address is not in a domain of the shared link."""

    code = "domain_not_allowed"
    message = _("This invitation is for addresses of other domains.")


class WordRefused(InvitationError):
    """Error for a custom code that is not allowed; the code names the rule (see ``codes``)."""

    code = "invalid_word"
    message = _("Please use 3 to 64 letters, digits and hyphens, and begin and end with no hyphen.")


class AlreadyShared(InvitationError):
    """Error for a form that has already created its shared link, as after a second click."""

    code = "already_shared"
    message = _("This link has been made already. You find it in the list of your links.")


class TooFewUses(InvitationError):
    """Error for a number of uses that is smaller than the number already used."""

    code = "too_few_uses"
    message = _("More people than that have already come through this link.")


class TextRefused(InvitationError):
    """Error for a name or note that may not go into an email; the code names the rule."""

    code = "text_refused"
    message = _("Please write plain text without links or addresses.")


class NoteForbidden(TextRefused):
    """Error for a member who may not add a personal note."""

    code = "note_forbidden"
    message = _("You are not allowed to add a personal note.")


class GroupRefused(InvitationError):
    """Error for a group that the member may not give."""

    code = "group_refused"
    message = _("You cannot give this group to the people you invite.")


class ListRefused(InvitationError):
    """Error for a list of people that cannot be read; the code names the rule (``recipients``)."""

    code = "list_refused"
    message = _("This list cannot be read.")


class ExpiryRefused(InvitationError):
    """Error for a period that the site does not allow: too long or too short."""

    code = "expiry_refused"
    message = _("An invitation cannot be open for that time. Please choose one that is offered.")


class DestinationRefused(InvitationError):
    """Error for a destination that is not a page of this site."""

    code = "destination_refused"
    message = _("Newcomers cannot be led to this page. Please choose one that is offered.")


class NoPreview(InvitationError):
    """Error for an email that cannot be shown before it is sent."""

    code = "no_preview"
    message = _(
        "The mail cannot be shown before it is sent. Nothing has been sent yet; you can still send "
        "the invitation."
    )


class OwnInvitation(InvitationError):
    """Error for a member who tried to accept their own invitation."""

    code = "own_invitation"
    message = _("You have made this invitation yourself. It is for somebody else.")


class AlreadyAccepted(InvitationError):
    """Error for an account that has accepted the invitation before."""

    code = "already_accepted"
    message = _("You have already accepted this invitation.")


class AddressUnproven(InvitationError):
    """Error for an invited address that the account holder has not proven yet."""

    code = "address_unproven"
    message = _(
        "This invitation is for the address of your account, but nobody knows yet that it is "
        "yours. Please stay logged in and open the link in the invitation mail."
    )


class NothingToJoin(InvitationError):
    """Error for a member, if an invitation for anybody has no groups for them to join."""

    code = "nothing_to_join"
    message = _("You have an account already. This invitation is for people who have none.")


class MailTooSoon(InvitationError):
    """Error for an email requested too soon; ``params["moment"]`` is the end of the wait."""

    code = "mail_too_soon"
    message = _("The mail for this invitation is being sent at this moment. Please wait a little.")
    #: Message with that time, in words, where it is known.
    until_message = _(
        "A mail for this invitation has been asked for already. You can ask for another one from "
        "%(moment)s on."
    )


class MailLimitReached(InvitationError):
    """Error for an email over a limit; the code names the limit (see ``limiting``)."""

    code = "mail_limit_reached"
    message = _("No more mail can be sent today. Please try again tomorrow.")


class Busy(InvitationError, OperationalError):
    """Error after the database undid an action again and again; nothing has changed."""

    code = "busy"
    message = _("Many people are using this site at the moment. Please try again in a few seconds.")


class NotPending(InvitationError):
    """Error for an action on an invitation that is no longer pending."""

    code = "not_pending"
    message = _("This invitation is no longer open.")


class NotRenewable(InvitationError):
    """Error for an invitation that cannot get a new link, for example a pending one."""

    code = "not_renewable"
    message = _("This invitation cannot be renewed.")


class DeliveryFailed(InvitationError):
    """Error for an email that was not sent.

    ``permanent``: trying again is useless (RFC 5321, section 4.2.1: reply codes 5yz). ``codes``:
    its reply codes, for the log. ``of_recipient``: the server refused the recipient, before it saw
    the email. ``unconfirmed``: it got the whole email and did not answer. It may have accepted it.
    """

    code = "delivery_failed"
    message = _("The mail could not be sent.")

    def __init__(
        self,
        message: Text = None,
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
    """Error for a mail server or mail settings that let no email leave at all."""

    code = "delivery_unavailable"
    message = _("Mails cannot be sent at the moment.")
