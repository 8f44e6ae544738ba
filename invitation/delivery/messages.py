"""Write the mails of invitations, in the language of whom each is for."""

from __future__ import annotations

from datetime import timedelta
from email.policy import default as default_policy
from typing import Any

import django
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import NoReverseMatch, reverse
from django.utils import formats, timezone, translation
from django.utils.translation import get_language

from invitation import addresses, optouts, sites, texts
from invitation.conf import conf
from invitation.delivery import headers
from invitation.delivery.base import MailPreview
from invitation.exceptions import DeliveryFailed
from invitation.models import InvitationEmail, InvitationKey

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
        headers.keep_whole(message)
        # The other headers are folded later, and as ever.
        message.policy = policy if modern else message.policy
        return message


class MessageWriter:
    """Make the message of a row of the outbox; override what your mails should say."""

    subject_template_name = "invitation/invitation_email_subject.txt"
    text_template_name = "invitation/invitation_email.txt"
    html_template_name = "invitation/invitation_email.html"

    #: Of the mail to an inviter whose invitation is asked for again.
    renewal_subject_template_name = "invitation/invitation_renewal_email_subject.txt"
    renewal_text_template_name = "invitation/invitation_renewal_email.txt"
    renewal_html_template_name = "invitation/invitation_renewal_email.html"
    #: What the user model calls the language of a member, if it knows it: a code such as "de".
    member_language_field = "language"

    def preview(self, invitation: InvitationKey) -> MailPreview:
        """Return the very mail, with a link that opens nothing."""
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
        if mail.kind == mail.Kind.RENEWAL:
            return self.get_renewal_message(mail)
        invitation = mail.invitation
        with translation.override(_supported(invitation.language)):
            message = self.compose(
                mail,
                self.get_context(invitation),
                self.subject_template_name,
                self.text_template_name,
                self.html_template_name,
            )
        message.to = [invitation.email]
        message.reply_to = self.get_reply_to(invitation)
        message.extra_headers |= self.get_opt_out_headers(invitation)
        return message

    def get_renewal_message(self, mail: InvitationEmail) -> EmailMultiAlternatives:
        """Return the message that asks an inviter to renew an invitation.

        It goes to the inviter's own address and holds no key: what it leads to needs a login.
        Nobody knows who asked, so that a reply goes to the site.
        """
        inviter = mail.invitation.from_user
        address = addresses.of_member(inviter)
        if not address:
            raise DeliveryFailed("The inviter has no address any more.", permanent=True)
        language = getattr(inviter, self.member_language_field, "")
        with translation.override(_supported(str(language or ""))):
            message = self.compose(
                mail,
                self.get_renewal_context(mail.invitation),
                self.renewal_subject_template_name,
                self.renewal_text_template_name,
                self.renewal_html_template_name,
            )
        message.to = [address]
        return message

    def compose(
        self, mail: InvitationEmail, context: dict[str, Any], subject: str, text: str, html: str
    ) -> EmailMultiAlternatives:
        """Return the message that these three templates make, to nobody yet."""
        message = InvitationMessage(
            # A subject is one line, whatever a template or a site's name makes of it.
            subject=" ".join(render_to_string(subject, context).split()),
            body=render_to_string(text, context),
            headers={"Content-Language": get_language() or "en", **self.get_headers(mail)},
        )
        message.attach_alternative(render_to_string(html, context), "text/html")
        return message

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

    def get_opt_out_headers(self, invitation: InvitationKey) -> dict[str, str]:
        """Return what lets a mail program offer a button by which to get no more invitations.

        RFC 2369 and RFC 8058: only an address with TLS may be posted to unasked.
        """
        url = opt_out_url(invitation)
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
        url = sites.absolute(path, invitation.site_id)
        return {
            "invitation": invitation,
            "invitation_key": key,
            "invitation_url": url,
            "decline_url": f"{url}?answer=no",
            "opt_out_url": opt_out_url(invitation),
            "inviter_name": texts.inviter_name(invitation.from_user),
            "recipient_name": texts.plain_name(invitation.recipient_name),
            "note": invitation.note,
            "expires_at": invitation.expires_at,
            "expiration_date": _date_in_words(invitation),
            "expiration_days": _days_left(invitation),
            **_site_context(invitation),
        }

    def get_renewal_context(self, invitation: InvitationKey) -> dict[str, Any]:
        """Return what the templates to an inviter may use; ``docs/templates.rst`` lists it."""
        path = reverse("invitation_renew", kwargs={"pk": invitation.pk})
        return {
            "invitation": invitation,
            "renew_url": sites.absolute(path, invitation.site_id),
            "inviter_name": texts.inviter_name(invitation.from_user),
            "recipient_name": texts.plain_name(invitation.recipient_name),
            "withdrawn": invitation.status == invitation.Status.REVOKED,
            "ended_on": _day_in_words(invitation),
            **_site_context(invitation),
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
    return sites.absolute(path, invitation.site_id)


def _site_context(invitation: InvitationKey) -> dict[str, Any]:
    site = sites.get_site(invitation.site_id)
    base_url = sites.base_url(invitation.site_id)
    return {"site": site, "site_name": site.name, "base_url": base_url}


def _supported(language: str) -> str:
    """Return a language if the site has it, else the site's own."""
    try:
        return translation.get_supported_language_variant(language)
    except LookupError:
        return settings.LANGUAGE_CODE


def _date_in_words(invitation: InvitationKey) -> str:
    """Return the exact end in the active language, with the site's time zone."""
    moment = invitation.expires_at
    if moment is None:
        return ""
    if timezone.is_naive(moment):
        return formats.date_format(moment, "DATETIME_FORMAT")
    local = timezone.localtime(moment, timezone.get_default_timezone())
    return f"{formats.date_format(local, 'DATETIME_FORMAT')} ({local.tzname()})"


def _day_in_words(invitation: InvitationKey) -> str:
    """Return the day of the end in the active language, with the site's time zone."""
    moment = invitation.over_since
    if moment is not None and timezone.is_aware(moment):
        moment = timezone.localtime(moment, timezone.get_default_timezone())
    return formats.date_format(moment, "DATE_FORMAT") if moment is not None else ""


def _days_left(invitation: InvitationKey) -> int | None:
    """Return how many days remain, a begun one as a whole one."""
    if invitation.expires_at is None:
        return None
    left = invitation.expires_at - timezone.now()
    return max(0, -(-left // timedelta(days=1)))
