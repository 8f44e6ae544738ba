"""Messages of the emails about invitations, in the language of their readers."""

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

from invitation import addresses, keys
from invitation.conf import conf
from invitation.delivery import headers, texts, wording
from invitation.delivery.base import MailPreview
from invitation.delivery.members import MemberKnowledge
from invitation.exceptions import DeliveryFailed
from invitation.keys import sites, unsubscribing
from invitation.models import InvitationEmail, InvitationKey

#: Length of a subject line that keeps every encoded word, with the blank before it, short enough.
SUBJECT_LINE_MAX = 75

#: Text in place of the key in a preview. The link looks complete and opens nothing.
SAMPLE_KEY = "this-is-a-preview"


class InvitationMessage(EmailMultiAlternatives):
    """Email whose links are never broken across lines.

    From Django 6.0 on, a text with a line of more than 78 characters is sent as quoted-printable.
    This breaks the line in the middle of the link. Email programs join it again. A developer who
    reads the email in a terminal or a file would copy half of a key.
    """

    def message(self, **options: Any) -> Any:
        """Return the email with lines as long as SMTP allows (RFC 5321, 4.5.3.1.6: 998)."""
        policy = options.get("policy", default_policy)
        modern = django.VERSION >= (6, 0)
        wide = {"policy": headers.whole(policy).clone(max_line_length=998)} if modern else {}
        message: Any = super().message(**options | wide)
        if not modern and not str(self.subject).isascii():
            # Before Django 6.0, encoded words are longer than the allowed 75 characters (RFC 2047,
            # 2). Also, the first one is not on the line of the header's name.
            subject = Header(str(self.subject), "utf-8", SUBJECT_LINE_MAX, "Subject").encode()
            message.replace_header("Subject", subject)
        headers.keep_whole(message)
        # The other headers are folded later, with the usual policy.
        message.policy = policy if modern else message.policy
        return message


class MessageWriter(MemberKnowledge):
    """Writer of the message of an outbox row; override it to change the emails.

    Each email has three templates. Their names begin with the values here and end with
    ``_subject.txt``, ``.txt`` and ``.html``. If a site overrides only ``.txt``, the email is plain
    text.
    """

    invitation_templates = "invitation/invitation_email"
    #: For an invited person who already has an account here.
    member_templates = "invitation/invitation_member_email"
    reminder_templates = "invitation/invitation_reminder_email"
    #: For emails to an inviter.
    renewal_templates = "invitation/invitation_renewal_email"
    accepted_templates = "invitation/invitation_accepted_email"
    declined_templates = "invitation/invitation_declined_email"
    expired_templates = "invitation/invitation_expired_email"

    #: Maximum number of names in the email about expired invitations. The others are only counted.
    names_in_mail = 20

    def preview(self, invitation: InvitationKey) -> MailPreview:
        """Return the same email, with a link that opens nothing.

        It is always the email for people without an account. The inviter must not learn what the
        site knows about an address.
        """
        message = self.get_message(InvitationEmail(invitation=invitation))
        parts = {kind: str(content) for content, kind in message.alternatives}
        return MailPreview(
            subject=str(message.subject),
            sender=message.from_email,
            recipient=", ".join(message.to),
            # The output of a template counts as safe HTML. A page would print it without escaping.
            text=str(message.body) + "",
            html=parts.get("text/html", ""),
            reply_to=", ".join(message.reply_to),
        )

    def get_message(self, mail: InvitationEmail) -> EmailMultiAlternatives:
        """Return the finished message in the language of its recipient.

        For a preview, neither the email nor its invitation is saved.
        """
        if mail.kind in (mail.Kind.INVITATION, mail.Kind.REMINDER):
            return self.get_invitation_message(mail)
        return self.get_inviter_message(mail)

    def get_invitation_message(self, mail: InvitationEmail) -> EmailMultiAlternatives:
        """Return the message to an invited person: the invitation or the reminder."""
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
        url = context.get("unsubscribe_url") or unsubscribe_url(invitation)
        message.extra_headers |= self.get_unsubscribe_headers(url)
        return message

    def get_inviter_message(self, mail: InvitationEmail) -> EmailMultiAlternatives:
        """Return the message to an inviter about an answered, expired or requested invitation.

        It goes to the inviter's own address and contains no key. Its link needs a login. A reply
        goes to the site. Raises ``DeliveryFailed`` if the inviter no longer has an address.
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
            mail.Kind.DECLINED: (
                self.declined_templates,
                lambda: self.get_declined_context(mail.invitation),
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
        """Return the message from three templates, without a recipient."""
        subject = render_to_string(f"{templates}_subject.txt", context)
        message = InvitationMessage(
            # A subject must be one line. Templates, settings and the names of sites may contain
            # line breaks.
            subject=" ".join(f"{conf.INVITATION_SUBJECT_PREFIX}{subject}".split()),
            body=render_to_string(f"{templates}.txt", context),
            from_email=self.get_sender(),
            headers={"Content-Language": get_language() or "en", **self.get_headers(mail)},
        )
        if self.sends_html(templates):
            html = render_to_string(f"{templates}.html", context)
            message.attach_alternative(html, "text/html")
        return message

    def sends_html(self, templates: str) -> bool:
        """Return whether the email has an HTML part.

        It has none if the site overrides only the text template.
        """
        return wording.sends_html(f"{templates}.txt", f"{templates}.html")

    def get_sender(self) -> str:
        """Return the sender of the emails: the site's DEFAULT_FROM_EMAIL."""
        return str(settings.DEFAULT_FROM_EMAIL)

    def get_headers(self, mail: InvitationEmail) -> dict[str, str]:
        """Return the extra headers; an email keeps its Message-ID in all attempts."""
        # RFC 3834, section 5: vacation responders do not answer. Exchange has its own header. With
        # these values, it only reports emails that it cannot deliver.
        headers = {
            "Auto-Submitted": "auto-generated",
            "X-Auto-Response-Suppress": "DR, RN, NRN, OOF, AutoReply",
        }
        if mail.header_id:
            headers["Message-ID"] = mail.header_id
        return headers

    def get_unsubscribe_headers(self, url: str) -> dict[str, str]:
        """Return the headers for the unsubscribe button of an email program.

        Sources: RFC 2369 and RFC 8058. A program may post without asking only to an address with
        TLS. Without an address there are no headers: a site may have left the page out of its
        URLconf.
        """
        if not url:
            return {}
        headers = {"List-Unsubscribe": f"<{url}>"}
        if url.startswith("https:"):
            headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        return headers

    def get_reply_to(self, invitation: InvitationKey) -> list[str]:
        """Return the inviter's address in a list, if the site shows it and it can receive email."""
        if not conf.INVITATION_REPLY_TO_INVITER or invitation.from_user is None:
            return []
        address = addresses.of_member(invitation.from_user)
        return [address] if address else []

    def get_context(self, invitation: InvitationKey) -> dict[str, Any]:
        """Return the context of the email to an invited person.

        ``docs/reference/templates.rst`` lists it.
        """
        # An invitation in a preview has no key, and gets none.
        key = SAMPLE_KEY if invitation._state.adding else invitation.mail_key
        path = reverse("invitation_invited", kwargs={"invitation_key": key})
        url = keys.Secret(sites.absolute(path, invitation.site_id))
        return {
            "invitation": invitation,
            "invitation_key": key,
            "invitation_url": url,
            "decline_url": keys.Secret(f"{url}?answer=no"),
            "unsubscribe_url": unsubscribe_url(invitation),
            "inviter_name": texts.inviter_name(invitation.from_user),
            "recipient_name": texts.plain_name(invitation.recipient_name),
            "note": invitation.note,
            "expires_at": invitation.expires_at,
            "expires_on": wording.end_in_words(invitation.expires_at),
            "expiration_date": wording.moment_in_words(invitation.expires_at),
            "expiration_days": wording.days_left(invitation.expires_at),
            **wording.site_context(invitation.site_id),
        }

    def get_renewal_context(self, invitation: InvitationKey) -> dict[str, Any]:
        """Return the context of the email about a requested link.

        ``docs/reference/templates.rst`` lists it.
        """
        path = reverse("invitation_renew", kwargs={"pk": invitation.pk})
        return {
            "renew_url": sites.absolute(path, invitation.site_id),
            "revoked": invitation.status == invitation.Status.REVOKED,
            "ended_on": wording.day_in_words(invitation.over_since),
            **self._parties(invitation),
        }

    def get_accepted_context(self, invitation: InvitationKey) -> dict[str, Any]:
        """Return the context of the email about an accepted invitation.

        ``docs/reference/templates.rst`` lists it. It contains nothing about the account: not which
        one it is, nor whether it is new.
        """
        path = reverse("invitation_detail", kwargs={"pk": invitation.pk})
        return {
            "detail_url": sites.absolute(path, invitation.site_id),
            "invited_on": wording.day_in_words(invitation.date_invited),
            **self._parties(invitation),
        }

    def get_declined_context(self, invitation: InvitationKey) -> dict[str, Any]:
        """Return the context of the email about a declined invitation.

        ``docs/reference/templates.rst`` lists it.
        """
        return self.get_accepted_context(invitation)

    def get_expired_context(self, mail: InvitationEmail) -> dict[str, Any]:
        """Return the context of the email about expired invitations.

        ``docs/reference/templates.rst`` lists it.
        """
        invitation, limit = mail.invitation, self.names_in_mail
        expired = InvitationKey.objects.get_queryset().told_by(mail)
        named = list(expired.order_by("pk")[:limit])
        for one in named:  # the row may contain an unsafe name
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
        """Return the context about the inviter, the invited person and the site."""
        return {
            "invitation": invitation,
            "inviter_name": texts.inviter_name(invitation.from_user),
            "recipient_name": texts.plain_name(invitation.recipient_name),
            **wording.site_context(invitation.site_id),
        }


def unsubscribe_url(invitation: InvitationKey) -> str:
    """Return the address of the page where the invited person can unsubscribe.

    It is empty if a site has left that page out of its URLconf.
    """
    # An inviter who previews the email must not be able to unsubscribe the invited person.
    adding = invitation._state.adding
    token = SAMPLE_KEY if adding else unsubscribing.make_token(invitation.email)
    try:
        path = reverse("invitation_unsubscribe", kwargs={"token": token})
    except NoReverseMatch:
        return ""
    return keys.Secret(sites.absolute(path, invitation.site_id))


def _supported(language: str) -> str:
    """Return the language if the site supports it, else the site's default."""
    try:
        return translation.get_supported_language_variant(language)
    except LookupError:
        return settings.LANGUAGE_CODE
