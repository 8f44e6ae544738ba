"""Write the mails of invitations, in the language of whom each is for."""

from __future__ import annotations

from collections.abc import Callable
from email.header import Header
from email.policy import default as default_policy
from typing import Any

import django
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import NoReverseMatch, reverse
from django.utils import translation
from django.utils.translation import get_language

from invitation import addresses, keys, optouts, sites, texts
from invitation.conf import conf
from invitation.delivery import headers, wording
from invitation.delivery.base import MailPreview
from invitation.delivery.members import MemberKnowledge
from invitation.exceptions import DeliveryFailed
from invitation.models import InvitationEmail, InvitationKey

#: So that no encoded word is longer with the blank before it.
SUBJECT_LINE_MAX = 75

#: What stands for the key in the preview of a mail: the link is long enough and opens nothing.
SAMPLE_KEY = "this-is-a-preview"


class InvitationMessage(EmailMultiAlternatives):
    """Be a mail whose links stay whole in what is sent.

    From Django 6.0 on, a text with a line of more than 78 characters is sent as quoted-printable,
    which breaks the line in the middle of the link. Mail programs put it together again, but who
    develops a site reads the mail in a terminal or in a file, and copies half of a key.
    """

    def message(self, **options: Any) -> Any:
        """Return the mail with lines as long as SMTP allows (RFC 5321, 4.5.3.1.6: 998)."""
        policy = options.get("policy", default_policy)
        modern = django.VERSION >= (6, 0)
        wide = {"policy": headers.whole(policy).clone(max_line_length=998)} if modern else {}
        message: Any = super().message(**options | wide)
        if not modern and not str(self.subject).isascii():
            # There, encoded words are longer than the 75 characters that they may have (RFC 2047,
            # 2), and the first of them is not on the line of the header's name.
            subject = Header(str(self.subject), "utf-8", SUBJECT_LINE_MAX, "Subject").encode()
            message.replace_header("Subject", subject)
        headers.keep_whole(message)
        # The other headers are folded later, and as ever.
        message.policy = policy if modern else message.policy
        return message


class MessageWriter(MemberKnowledge):
    """Make the message of a row of the outbox; override what your mails should say.

    The names of the three templates of each mail begin with what stands here; ``_subject.txt``,
    ``.txt`` and ``.html`` follow.
    """

    invitation_templates = "invitation/invitation_email"
    #: Of an invitation to somebody who has an account here already.
    member_templates = "invitation/invitation_member_email"
    reminder_templates = "invitation/invitation_reminder_email"
    #: Of the mails to an inviter.
    renewal_templates = "invitation/invitation_renewal_email"
    accepted_templates = "invitation/invitation_accepted_email"
    expired_templates = "invitation/invitation_expired_email"

    #: How many invitations the mail about expired ones names; it counts the others.
    names_in_mail = 20

    def preview(self, invitation: InvitationKey) -> MailPreview:
        """Return the very mail, with a link that opens nothing.

        It is the one for people without an account, whoever is invited: what the site knows of
        an address is not for the inviter.
        """
        message = self.get_message(InvitationEmail(invitation=invitation))
        parts = {kind: str(content) for content, kind in message.alternatives}
        return MailPreview(
            subject=str(message.subject),
            sender=message.from_email,
            recipient=", ".join(message.to),
            # What a template has made counts as HTML, and would stand in a page as it is.
            text=str(message.body) + "",
            html=parts.get("text/html", ""),
            reply_to=", ".join(message.reply_to),
        )

    def get_message(self, mail: InvitationEmail) -> EmailMultiAlternatives:
        """Return the finished message in the language of whom it is for.

        For a preview, neither the mail nor its invitation is saved.
        """
        if mail.kind in (mail.Kind.INVITATION, mail.Kind.REMINDER):
            return self.get_invitation_message(mail)
        return self.get_inviter_message(mail)

    def get_invitation_message(self, mail: InvitationEmail) -> EmailMultiAlternatives:
        """Return the message to an invited person: the invitation, or the reminder of it."""
        invitation = mail.invitation
        member = None if mail._state.adding else self.get_member(invitation.email)
        templates = self.invitation_templates if member is None else self.member_templates
        if mail.kind == mail.Kind.REMINDER:
            templates = self.reminder_templates
        with translation.override(_supported(self.language_of(member) or invitation.language)):
            context = self.get_context(invitation) | {"has_account": member is not None}
            message = self.compose(mail, context, templates)
        message.to = [invitation.email]
        message.reply_to = self.get_reply_to(invitation)
        url = context.get("opt_out_url") or opt_out_url(invitation)
        message.extra_headers |= self.get_opt_out_headers(url)
        return message

    def get_inviter_message(self, mail: InvitationEmail) -> EmailMultiAlternatives:
        """Return the message to an inviter: what became of an invitation, or is asked for.

        It goes to the inviter's own address and holds no key: what it leads to needs a login. A
        reply to it goes to the site.
        """
        inviter = mail.invitation.from_user
        address = addresses.of_member(inviter)
        if not address:
            raise DeliveryFailed("The inviter has no address any more.", permanent=True)
        parts: dict[str, tuple[str, Callable[[], dict[str, Any]]]] = {
            mail.Kind.RENEWAL: (
                self.renewal_templates,
                lambda: self.get_renewal_context(mail.invitation),
            ),
            mail.Kind.ACCEPTED: (
                self.accepted_templates,
                lambda: self.get_accepted_context(mail.invitation),
            ),
            mail.Kind.EXPIRED: (self.expired_templates, lambda: self.get_expired_context(mail)),
        }
        templates, get_context = parts[mail.kind]
        with translation.override(_supported(self.language_of(inviter))):
            message = self.compose(mail, get_context(), templates)
        message.to = [address]
        return message

    def compose(
        self, mail: InvitationEmail, context: dict[str, Any], templates: str
    ) -> EmailMultiAlternatives:
        """Return the message that three templates make, to nobody yet."""
        subject = render_to_string(f"{templates}_subject.txt", context)
        message = InvitationMessage(
            # A subject is one line, whatever a template, a setting or a site's name makes of it.
            subject=" ".join(f"{conf.INVITATION_SUBJECT_PREFIX}{subject}".split()),
            body=render_to_string(f"{templates}.txt", context),
            from_email=self.get_sender(),
            headers={"Content-Language": get_language() or "en", **self.get_headers(mail)},
        )
        html = render_to_string(f"{templates}.html", context)
        message.attach_alternative(html, "text/html")
        return message

    def get_sender(self) -> str:
        """Return whom the mails come from: the site's DEFAULT_FROM_EMAIL."""
        return str(settings.DEFAULT_FROM_EMAIL)

    def get_headers(self, mail: InvitationEmail) -> dict[str, str]:
        """Return the extra headers; a mail keeps its Message-ID over all attempts."""
        # RFC 3834, section 5: keeps vacation responders from answering. Exchange has its own way,
        # by which it is to be quiet about everything but that a mail cannot be delivered.
        headers = {
            "Auto-Submitted": "auto-generated",
            "X-Auto-Response-Suppress": "DR, RN, NRN, OOF, AutoReply",
        }
        if mail.message_id:
            headers["Message-ID"] = mail.message_id
        return headers

    def get_opt_out_headers(self, url: str) -> dict[str, str]:
        """Return what lets a mail program offer a button by which to get no more invitations.

        RFC 2369 and RFC 8058: only an address with TLS may be posted to unasked. No headers where
        there is no address: a site may have left that page out of its URLconf.
        """
        if not url:
            return {}
        headers = {"List-Unsubscribe": f"<{url}>"}
        if url.startswith("https:"):
            headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        return headers

    def get_reply_to(self, invitation: InvitationKey) -> list[str]:
        """Return the inviter's address if the site wants it shown and it can take mail."""
        if not conf.INVITATION_REPLY_TO_INVITER or invitation.from_user is None:
            return []
        address = addresses.of_member(invitation.from_user)
        return [address] if address else []

    def get_context(self, invitation: InvitationKey) -> dict[str, Any]:
        """Return what the three templates may use; ``docs/templates.rst`` lists it."""
        # An invitation that is only looked at has no key, and gets none.
        key = SAMPLE_KEY if invitation._state.adding else invitation.mail_key
        path = reverse("invitation_invited", kwargs={"invitation_key": key})
        url = keys.Secret(sites.absolute(path, invitation.site_id))
        return {
            "invitation": invitation,
            "invitation_key": key,
            "invitation_url": url,
            "decline_url": keys.Secret(f"{url}?answer=no"),
            "opt_out_url": opt_out_url(invitation),
            "inviter_name": texts.inviter_name(invitation.from_user),
            "recipient_name": texts.plain_name(invitation.recipient_name),
            "note": invitation.note,
            "expires_at": invitation.expires_at,
            "expiration_date": wording.moment_in_words(invitation.expires_at),
            "expiration_days": wording.days_left(invitation.expires_at),
            **wording.site_context(invitation.site_id),
        }

    def get_renewal_context(self, invitation: InvitationKey) -> dict[str, Any]:
        """Return what the templates of a request may use; ``docs/templates.rst`` lists it."""
        path = reverse("invitation_renew", kwargs={"pk": invitation.pk})
        return {
            "renew_url": sites.absolute(path, invitation.site_id),
            "withdrawn": invitation.status == invitation.Status.REVOKED,
            "ended_on": wording.day_in_words(invitation.over_since),
            **self._parties(invitation),
        }

    def get_accepted_context(self, invitation: InvitationKey) -> dict[str, Any]:
        """Return what the templates of good news may use; ``docs/templates.rst`` lists it.

        Nothing of the account: which one it is, or whether it was there before, is not told.
        """
        path = reverse("invitation_detail", kwargs={"pk": invitation.pk})
        return {
            "detail_url": sites.absolute(path, invitation.site_id),
            "invited_on": wording.day_in_words(invitation.date_invited),
            **self._parties(invitation),
        }

    def get_expired_context(self, mail: InvitationEmail) -> dict[str, Any]:
        """Return what the templates of bad news may use; ``docs/templates.rst`` lists it."""
        invitation, limit = mail.invitation, self.names_in_mail
        expired = InvitationKey.objects.get_queryset().told_by(mail)
        named = list(expired.order_by("pk")[:limit])
        for one in named:  # as texts, whatever wrote the row
            one.recipient_name = texts.plain_name(one.recipient_name)
        number = expired.count() if len(named) == limit else len(named)
        kept = conf.INVITATION_RETENTION_DAYS > 0
        path = reverse("invitation_list" if kept else "invitation_invite")
        query = f"?state={InvitationKey.Status.EXPIRED}" if kept else ""
        return {
            "invitations": named,
            "number": number,
            "others": number - len(named),
            "kept": kept,
            "next_url": sites.absolute(path, invitation.site_id) + query,
            "inviter_name": texts.inviter_name(invitation.from_user),
            **wording.site_context(invitation.site_id),
        }

    def _parties(self, invitation: InvitationKey) -> dict[str, Any]:
        """Return what a mail to an inviter says of him, of whom he has invited, and of the site."""
        return {
            "invitation": invitation,
            "inviter_name": texts.inviter_name(invitation.from_user),
            "recipient_name": texts.plain_name(invitation.recipient_name),
            **wording.site_context(invitation.site_id),
        }


def opt_out_url(invitation: InvitationKey) -> str:
    """Return where the invited person can say that he wants no more invitations at all.

    Empty where a site has left that page out of its URLconf.
    """
    # Who only looks at the mail shall not find the way to say so for somebody else.
    adding = invitation._state.adding
    token = SAMPLE_KEY if adding else optouts.make_token(invitation.email)
    try:
        path = reverse("invitation_opt_out", kwargs={"token": token})
    except NoReverseMatch:
        return ""
    return keys.Secret(sites.absolute(path, invitation.site_id))


def _supported(language: str) -> str:
    """Return a language if the site has it, else the site's own."""
    try:
        return translation.get_supported_language_variant(language)
    except LookupError:
        return settings.LANGUAGE_CODE
