"""Exceptions of this app, each with a message for people and a stable code: the public API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
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
    message = _("You need an invitation. Open the link in your invitation email.")


class KeyNotFound(KeyRefused):
    """Refusal of a text that is not a key of this site: blank, changed, forged or from another."""

    code = "invalid_key"
    status = 404
    message = _(
        "This invitation link is not valid. Open the link in the email again, and check that it is "
        "complete."
    )


class KeyExpired(KeyRefused):
    """Refusal of an invitation that expired before it was used."""

    code = "expired_key"
    message = _("This invitation expired. Ask the person who invited you for a new one.")
    #: Time at which it expired, if known.
    expired_at: datetime | None = None


class KeyUsedUp(KeyRefused):
    """Refusal of an invitation that has no uses left."""

    code = "no_uses_left_key"
    message = _("This invitation was already used. If you used it, log in.")
    #: Message for a shared link.
    shared_message = _("This invitation has no uses left. If you used it, log in.")


class KeyRevoked(KeyRefused):
    """Refusal of an invitation that the inviter or the site has revoked."""

    code = "revoked_key"
    message = _("This invitation was revoked. Ask the person who invited you for a new one.")


class KeyDeclined(KeyRefused):
    """Refusal of an invitation that the invited person has declined."""

    code = "declined_key"
    message = _(
        "This invitation was declined. If you changed your mind, ask the person who invited you "
        "for a new one."
    )


class KeyPaused(KeyRefused):
    """Refusal of a shared link that its owner has paused."""

    code = "paused_key"
    status = 403
    message = _("This invitation is paused. Try again later, or ask the person who shared it.")


class CodeNotFound(KeyNotFound):
    """Refusal of a text that is neither the code nor the custom code of a shared link here."""

    code = "invalid_code"
    message = _("We do not know this code. Check it again.")


class TooManyAttempts(InvitationError):
    """Error after too many wrong codes; ``seconds`` is the time to wait."""

    code = "too_many_attempts"
    message = _("Too many codes were wrong. Wait a few minutes, then try again.")

    def __init__(self, message: Text = None, *, seconds: int = 0) -> None:
        super().__init__(message)
        self.seconds = seconds


class InviterInactive(KeyRefused):
    """Refusal of an invitation while its inviter's account is not active."""

    code = "inviter_inactive_key"
    message = _(
        "The account of the person who invited you is not active. This invitation works again when "
        "it is."
    )


class InvitingForbidden(InvitationError):
    """Error for a member who may not invite."""

    code = "inviting_forbidden"
    message = _("You may not invite people.")


class GuestForbidden(InvitingForbidden):
    """Error for a guest, who must sign up before they may invite or accept."""

    code = "guest_forbidden"
    message = _("You are a guest here. Sign up first.")


class SharingForbidden(InvitingForbidden):
    """Error for a member who may not create shared links, or only ones with a limit."""

    code = "sharing_forbidden"
    message = _("You may not create shared links.")


class AccountTooNew(InvitingForbidden):
    """Error for a member who may not invite before ``params["moment"]``, a time in words."""

    code = "account_too_new"
    message = _("Your account is too new to invite people. You can invite from %(moment)s.")


class QuotaExceeded(InvitationError):
    """Error for a member who has no invitations left."""

    code = "no_invitations_left"
    message = _("You have no invitations left.")


class AddressRefused(InvitationError):
    """Error for an address that cannot be invited; the code names the rule (see ``addresses``)."""

    code = "invalid_address"
    message = _("Enter a valid email address.")


class OwnAddress(AddressRefused):
    """Error for a member who tried to invite themselves."""

    code = "own_address"
    message = _("This is your own email address. Enter another one.")


class AddressBlocked(AddressRefused):
    """Error for an address that nobody may invite (see ``blocklist``)."""

    code = "blocked_address"
    message = _(
        "This site sends no invitations to this address. Use another one, or ask the people who "
        "run this site."
    )


class AlreadyInvited(AddressRefused):
    """Error for a member whose invitation to this address is pending, or was declined."""

    code = "already_invited"
    message = _("You already invited this address.")


class AddressMismatch(InvitationError):
    """Error for an account whose address is not the invited one, where the policy requires it."""

    code = "address_mismatch"
    message = _(
        "This invitation was sent to %(email)s. Sign up with that address, or ask for an "
        "invitation to another one."
    )


class AddressNotAllowed(AddressMismatch):
    """Error for an account whose address is not in a domain of the shared link."""

    code = "domain_not_allowed"
    message = _("This invitation is for addresses in other domains. Use another address.")


class WordRefused(InvitationError):
    """Error for a custom code that is not allowed; the code names the rule (see ``codes``)."""

    code = "invalid_word"
    message = _("Use 3 to 64 letters, digits and hyphens. Begin and end with a letter or a digit.")


class AlreadyShared(InvitationError):
    """Error for a form that has already created its shared link, as after a second click."""

    code = "already_shared"
    message = _("This link was already created. Find it in “My invitations”.")


class TooFewUses(InvitationError):
    """Error for a number of uses that is smaller than the number already used."""

    code = "too_few_uses"
    message = _("More people than that already used this link.")


class TextRefused(InvitationError):
    """Error for a name or note that may not go into an email; the code names the rule."""

    code = "text_refused"
    message = _("Write plain text without links or addresses.")


class NoteForbidden(TextRefused):
    """Error for a member who may not add a personal note."""

    code = "note_forbidden"
    message = _("You may not add a personal note.")


class GroupRefused(InvitationError):
    """Error for a group that the member may not give."""

    code = "group_refused"
    message = _("You may not give this group to people you invite.")


class ListRefused(InvitationError):
    """Error for a list of people that cannot be read; the code names the rule (``recipients``)."""

    code = "list_refused"
    message = _("This list cannot be read.")


class ExpiryRefused(InvitationError):
    """Error for a period that the site does not allow: too long or too short."""

    code = "expiry_refused"
    message = _("An invitation cannot last that long. Choose one of the times in the list.")


class DestinationRefused(InvitationError):
    """Error for a destination that is not a page of this site."""

    code = "destination_refused"
    message = _("This cannot be the first page. Choose one of the pages in the list.")


class NoPreview(InvitationError):
    """Error for an email that cannot be shown before it is sent."""

    code = "no_preview"
    message = _(
        "There is no preview of this email. Nothing was sent. You can still send the invitation."
    )


class OwnInvitation(InvitationError):
    """Error for a member who tried to accept their own invitation."""

    code = "own_invitation"
    message = _("You sent this invitation yourself. It is for another person.")


class AlreadyAccepted(InvitationError):
    """Error for an account that has accepted the invitation before."""

    code = "already_accepted"
    message = _("You already accepted this invitation.")


class AddressUnproven(InvitationError):
    """Error for an invited address that the account holder has not proven yet."""

    code = "address_unproven"
    message = _(
        "You have not confirmed yet that this email address is yours. Stay logged in, and open the "
        "link in the invitation email."
    )


class NothingToJoin(InvitationError):
    """Error for a member, if an invitation for anybody has no groups for them to join."""

    code = "nothing_to_join"
    message = _("You already have an account. This invitation is for people without one.")


class MailTooSoon(InvitationError):
    """Error for an email requested too soon; ``params["moment"]`` is the end of the wait."""

    code = "mail_too_soon"
    message = _("The email for this invitation is being sent. Wait a moment.")
    #: Message with that time, in words, where it is known.
    until_message = _(
        "An email for this invitation was just sent. You can resend it from %(moment)s."
    )


class MailLimitReached(InvitationError):
    """Error for an email over a limit; the code names the limit (see ``limiting``)."""

    code = "mail_limit_reached"
    message = _("No more emails can be sent today. Try again tomorrow.")


class Busy(InvitationError, OperationalError):
    """Error after the database undid an action again and again; nothing has changed."""

    code = "busy"
    message = _("Many people are using this site. Try again in a few seconds.")


class NotPending(InvitationError):
    """Error for an action on an invitation that is no longer pending."""

    code = "not_pending"
    message = _("This invitation is no longer pending.")


class NotRenewable(InvitationError):
    """Error for an invitation that cannot get a new link, for example a pending one."""

    code = "not_renewable"
    message = _("Only expired and revoked invitations can be renewed.")


class DeliveryFailed(InvitationError):
    """Error for an email that was not sent.

    ``permanent``: trying again is useless (RFC 5321, section 4.2.1: reply codes 5yz). ``codes``:
    its reply codes, for the log. ``of_recipient``: the server refused the recipient, before it saw
    the email. ``unconfirmed``: it got the whole email and did not answer. It may have accepted it.
    """

    code = "delivery_failed"
    message = _("The email was not sent.")

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
    message = _("No email can be sent at the moment.")
