"""The email: headers, words and context, and what cannot be smuggled into it."""

from __future__ import annotations

import smtplib
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import time_machine
from django.contrib.sites.models import Site
from django.core import mail as django_mail
from django.core.mail import EmailMultiAlternatives
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from invitation import keys
from invitation.delivery.email import EmailDelivery
from invitation.exceptions import DeliveryFailed, TextRefused
from invitation.flows import inviting
from invitation.flows.mail import deliver_due
from invitation.models import InvitationEmail, InvitationKey
from tests.factories import ADDRESS, DAY, make_invitation, make_mail, make_user

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 29, 12, tzinfo=timezone.utc)
CONTEXT = {
    "base_url",
    "decline_url",
    "expiration_date",
    "expiration_days",
    "expires_at",
    "expires_on",
    "invitation",
    "invitation_key",
    "invitation_url",
    "inviter_name",
    "note",
    "unsubscribe_url",
    "recipient_name",
    "site",
    "site_blurb",
    "site_name",
}


@pytest.fixture(autouse=True)
def _site() -> Any:
    Site.objects.clear_cache()
    yield
    Site.objects.clear_cache()


@pytest.fixture
def ann() -> Any:
    """Return a member with a name."""
    return make_user("ann", first_name="Ann", last_name="Smith")


def message_of(invitation: InvitationKey, **fields: Any) -> EmailMultiAlternatives:
    return EmailDelivery().get_message(make_mail(invitation, **fields))


def html_of(message: EmailMultiAlternatives) -> str:
    return str(message.alternatives[0][0])


def both_of(message: EmailMultiAlternatives) -> str:
    return f"{message.body}\n{html_of(message)}"


# -- the raw email --


@pytest.mark.parametrize("note", ["See you!", "Schön, ça va? 见"], ids=["ASCII", "Unicode"])
def test_the_link_stays_whole_in_the_raw_mail(ann: Any, note: str) -> None:
    invitation = make_invitation(ann, note=note)
    raw = message_of(invitation).message().as_bytes()
    path = f"/accounts/invited/{invitation.mail_key}/"
    # Once in the text alone, once with the answer, and several times in the HTML.
    assert raw.count(f"{path}\n".encode()) == 1
    assert raw.count(f"{path}?answer=no".encode()) == 2


def test_no_line_of_the_raw_mail_is_longer_than_the_standards_allow(ann: Any) -> None:
    ann.first_name = "Ännchen" * 8
    invitation = make_invitation(ann, note="Wörter " * 70)
    Site.objects.update(name="Blåbærhøsten " * 3)
    Site.objects.clear_cache()
    raw = message_of(invitation).message().as_bytes()
    lines = raw.splitlines()
    assert max(map(len, lines)) <= 998
    # RFC 5322, 2.1.1: 78 for headers, but for an address, which cannot be broken.
    headers = lines[: lines.index(b"")]
    assert max(len(line) for line in headers if b"/unsubscribe/" not in line) <= 78


# -- headers --


def test_it_goes_to_the_address_of_the_invitation_alone(ann: Any) -> None:
    message = message_of(make_invitation(ann))
    assert message.recipients() == message.to == [ADDRESS]


def test_it_comes_from_the_site_whoever_invites(ann: Any, settings: Any) -> None:
    assert message_of(make_invitation(ann)).from_email == settings.DEFAULT_FROM_EMAIL


def test_it_keeps_vacation_responders_quiet(ann: Any) -> None:
    assert message_of(make_invitation(ann)).extra_headers["Auto-Submitted"] == "auto-generated"


def test_it_keeps_its_message_id(ann: Any) -> None:
    headers = message_of(make_invitation(ann), message_id="<1@example.com>").extra_headers
    assert headers["Message-ID"] == "<1@example.com>"


def test_without_a_row_it_gets_one_from_django(ann: Any) -> None:
    message = EmailDelivery().get_message(InvitationEmail(invitation=make_invitation(ann)))
    assert "Message-ID" not in message.extra_headers
    assert message.message()["Message-ID"]


def test_replies_go_to_the_site(ann: Any) -> None:
    assert message_of(make_invitation(ann)).reply_to == []


def test_replies_go_to_the_inviter_where_the_site_wants_it(ann: Any, settings: Any) -> None:
    settings.INVITATION_REPLY_TO_INVITER = True
    assert message_of(make_invitation(ann)).reply_to == ["ann@example.com"]


@pytest.mark.parametrize("address", ["", "a@b", "=?utf-8?q?a=40evil.com?=@good.com", "x\ny@a.com"])
def test_but_not_to_an_address_that_takes_no_mail(settings: Any, address: str) -> None:
    settings.INVITATION_REPLY_TO_INVITER = True
    assert message_of(make_invitation(make_user("eve", email=address))).reply_to == []


def test_nor_to_an_inviter_who_is_gone(settings: Any) -> None:
    settings.INVITATION_REPLY_TO_INVITER = True
    assert message_of(make_invitation(None)).reply_to == []


def test_the_inviters_address_is_nowhere_in_it(ann: Any) -> None:
    message = message_of(make_invitation(ann))
    assert "ann@example.com" not in f"{message.message()}{both_of(message)}{message.subject}"


# -- words --


def test_the_subject_says_who_invites_to_what(ann: Any) -> None:
    Site.objects.update(name="Tea Club")
    assert message_of(make_invitation(ann)).subject == "Ann Smith invites you to join Tea Club"
    assert message_of(make_invitation(None)).subject == "You are invited to join Tea Club"


def test_the_subject_is_one_line(ann: Any) -> None:
    Site.objects.update(name="Tea\r\nBcc: eve@example.org\r\n\r\nClub")
    message = message_of(make_invitation(ann))
    assert "\n" not in message.subject
    assert message.message()["Bcc"] is None


def test_text_and_html_say_the_same(ann: Any) -> None:
    invitation = make_invitation(ann, recipient_name="Bob", note="See you\non Monday")
    message = message_of(invitation)
    for part in (str(message.body), html_of(message)):
        for words in ("Bob", "Ann Smith invites you", "See you", "on Monday"):
            assert words in part
        assert set(keys.PATTERN.findall(part)) == {invitation.mail_key}
        assert "?answer=no" in part


def test_it_says_until_when_in_the_time_of_the_site(ann: Any, settings: Any) -> None:
    settings.TIME_ZONE = "Europe/Berlin"
    message = message_of(make_invitation(ann, expires_at=NOON))
    # Once in the text and once in the HTML. The list of emails shows it, too.
    assert both_of(message).count("expires on March 29, 2026, 2 p.m. CEST.") == 3
    context = EmailDelivery().get_context(make_invitation(ann, "eve@example.org", expires_at=NOON))
    assert context["expiration_date"] == "March 29, 2026, 2 p.m. (CEST)"


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (datetime(2026, 3, 28, 22, 59, 59, tzinfo=timezone.utc), "March 28, 2026"),
        (datetime(2026, 3, 28, 23, 0, tzinfo=timezone.utc), "March 28, 2026"),
        (datetime(2026, 3, 28, 23, 1, tzinfo=timezone.utc), "March 29, 2026, 12:01 a.m. CET"),
        (datetime(2026, 3, 29, 22, 0, tzinfo=timezone.utc), "March 29, 2026"),
    ],
)
def test_it_names_a_time_only_where_that_is_not_the_end_of_the_day(
    ann: Any, settings: Any, end: datetime, words: str
) -> None:
    settings.TIME_ZONE = "Europe/Berlin"
    context = EmailDelivery().get_context(make_invitation(ann, expires_at=end))
    assert context["expires_on"] == words


def test_it_says_so_in_the_language_of_the_invitation(ann: Any, settings: Any) -> None:
    settings.LANGUAGE_CODE = "fr"
    german = message_of(make_invitation(ann, expires_at=NOON, language="de"))
    assert "29. März 2026, 12:00 UTC" in str(german.body)
    french = message_of(make_invitation(ann, "eve@example.org", expires_at=NOON))
    assert "29 mars 2026" in str(french.body)


def test_a_naive_time_is_said_as_it_is(ann: Any, settings: Any) -> None:
    settings.USE_TZ = False
    invitation = make_invitation(ann, expires_at=datetime(2026, 3, 29, 12))
    context = EmailDelivery().get_context(invitation)
    assert context["expiration_date"] == context["expires_on"] == "March 29, 2026, noon"


def test_one_that_never_ends_says_no_date(ann: Any) -> None:
    invitation = make_invitation(ann, left=None)
    context = EmailDelivery().get_context(invitation)
    assert (context["expiration_date"], context["expiration_days"]) == ("", None)
    assert "None" not in both_of(message_of(invitation))


@pytest.mark.parametrize(
    ("left", "days"),
    [
        (7 * DAY, 7),
        (6 * DAY + timedelta(seconds=1), 6),
        (timedelta(seconds=1), 1),
        (timedelta(0), 0),
        (-9 * DAY, 0),
    ],
)
def test_whole_days_count_and_the_last_one(ann: Any, left: timedelta, days: int) -> None:
    with time_machine.travel(NOON, tick=False):
        invitation = make_invitation(ann, expires_at=NOON + left)
        assert EmailDelivery().get_context(invitation)["expiration_days"] == days


def test_the_link_begins_where_the_site_says(ann: Any, settings: Any) -> None:
    settings.INVITATION_BASE_URL = "https://join.example.org"
    invitation = make_invitation(ann)
    context = EmailDelivery().get_context(invitation)
    url = f"https://join.example.org/accounts/invited/{invitation.mail_key}/"
    assert (context["invitation_url"], context["decline_url"]) == (url, f"{url}?answer=no")


def test_templates_get_these_names_and_no_others(ann: Any) -> None:
    assert set(EmailDelivery().get_context(make_invitation(ann))) == CONTEXT


# -- what cannot be smuggled in --


@pytest.mark.parametrize("name", ["<b>Ann</b>", '"><img src=x>', "Ann & Bob"])
def test_markup_in_a_name_is_text(name: str) -> None:
    message = message_of(make_invitation(make_user("ann", first_name=name), recipient_name=name))
    assert "<b>" not in html_of(message)
    assert "<img src=x" not in html_of(message)


def test_a_name_that_is_an_address_is_cut(ann: Any) -> None:
    message = message_of(make_invitation(make_user("eve@evil.example", email="eve@evil.example")))
    assert "evil.example" not in both_of(message) + message.subject


@pytest.mark.exhaustive
@hypothesis_settings(max_examples=300)
@given(name=st.text(max_size=60), first=st.text(max_size=60), note=st.text(max_size=200))
def test_no_text_adds_a_header_a_recipient_a_link_or_a_tag(
    ann: Any, settings: Any, name: str, first: str, note: str
) -> None:
    settings.INVITATIONS_PER_USER = None
    settings.INVITATION_LIMITS = {"inviter": None, "recipient": None}
    InvitationKey.objects.all().delete()
    plain = message_of(make_invitation(ann, recipient_name="Bob", note="See you"))
    InvitationKey.objects.all().delete()
    ann.first_name = first
    try:
        invitation = inviting.invite(ann, ADDRESS, recipient_name=name, note=note).invitation
    except TextRefused:
        return
    message = message_of(invitation)
    parsed = message.message()
    assert sorted(parsed.keys()) == sorted(plain.message().keys())
    assert message.recipients() == [ADDRESS]
    assert html_of(message).count("href=") == html_of(plain).count("href=")
    assert html_of(message).count("<img") == html_of(plain).count("<img")
    assert both_of(message).count("://") == both_of(plain).count("://")


# -- the connection --


def test_a_site_without_timeout_gets_ours(smtp: Any) -> None:
    assert EmailDelivery().get_connection().timeout == EmailDelivery.timeout == 10


def test_the_timeout_of_the_site_stays(smtp: Any, settings: Any) -> None:
    if hasattr(settings, "MAILERS"):
        settings.MAILERS["default"]["OPTIONS"]["timeout"] = 3
    else:
        settings.EMAIL_TIMEOUT = 3
    assert EmailDelivery().get_connection().timeout == 3


def test_a_backend_without_timeout_is_left_alone() -> None:
    assert not hasattr(EmailDelivery().get_connection(), "timeout")


def test_a_backend_that_sends_nothing_has_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = "django.core.mail.backends.locmem.EmailBackend.send_messages"
    monkeypatch.setattr(backend, lambda self, messages: None)
    with pytest.raises(DeliveryFailed, match="sent nothing"):
        EmailDelivery().send(make_mail())
    assert django_mail.outbox == []


# -- what a refusal means --

REFUSALS: list[tuple[Exception, bool, str]] = [
    (smtplib.SMTPDataError(550, b"5.7.1 spam"), True, "550 5.7.1 spam"),
    (smtplib.SMTPDataError(452, b"4.2.2 full"), False, "452 4.2.2 full"),
    (smtplib.SMTPDataError(550, "as text\r\nof two lines"), True, "550 as text of two lines"),
    (smtplib.SMTPRecipientsRefused({ADDRESS: (550, b"unknown")}), True, "550 unknown"),
    (smtplib.SMTPRecipientsRefused({ADDRESS: (451, b"later")}), False, "451 later"),
    (smtplib.SMTPRecipientsRefused({"a": (550, b"x"), "b": (450, b"y")}), False, "550 x; 450 y"),
    (smtplib.SMTPSenderRefused(550, b"not you", "from@example.com"), False, "550 not you"),
    (smtplib.SMTPAuthenticationError(535, b"password"), False, "535 password"),
    (smtplib.SMTPConnectError(554, b"closed"), False, "554 closed"),
    (smtplib.SMTPHeloError(554, b"who"), False, "554 who"),
    (smtplib.SMTPServerDisconnected("gone"), False, "SMTPServerDisconnected: gone"),
    (smtplib.SMTPDataError(550, b"\xff\xfe"), True, "550 \ufffd\ufffd"),
    (TimeoutError("timed out"), False, "TimeoutError: timed out"),
    (OSError(101, "Network is unreachable"), False, "OSError: [Errno 101] Network is unreachable"),
]


@pytest.mark.parametrize(("error", "permanent", "words"), REFUSALS)
def test_a_refusal_is_lasting_only_if_it_is_about_this_mail(
    monkeypatch: pytest.MonkeyPatch, error: Exception, permanent: bool, words: str
) -> None:
    def refuse(*args: Any) -> int:
        raise error

    monkeypatch.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", refuse)
    with pytest.raises(DeliveryFailed) as failed:
        EmailDelivery().send(make_mail())
    assert (failed.value.permanent, str(failed.value)) == (permanent, words)
    assert failed.value.__cause__ is error


LOGGED: list[tuple[Exception | None, str]] = [
    (smtplib.SMTPRecipientsRefused({ADDRESS: (451, b"later, Bob")}), "SMTPRecipientsRefused 451"),
    (smtplib.SMTPRecipientsRefused({ADDRESS: (550, b"unknown")}), "SMTPRecipientsRefused 550"),
    (
        smtplib.SMTPRecipientsRefused({"a": (550, b"x"), "b": (450, b"y")}),
        "SMTPRecipientsRefused 450 550",
    ),
    (smtplib.SMTPDataError(552, b"too large"), "SMTPDataError 552"),
    (smtplib.SMTPServerDisconnected("gone"), "SMTPServerDisconnected"),
    (None, "DeliveryFailed"),
]


@pytest.mark.parametrize(("error", "words"), LOGGED, ids=[words for _, words in LOGGED])
def test_the_log_tells_one_refusal_from_another_and_quotes_nobody(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception | None,
    words: str,
) -> None:
    def refuse(*args: Any) -> None:
        if error is not None:
            raise error

    monkeypatch.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", refuse)
    mail = make_mail()
    deliver_due()
    logged = [record for record in caplog.records if record.name == "invitation.flows.mail.sending"]
    assert [record.getMessage() for record in logged] == [
        f"Invitation email {mail.pk} was not sent: {words}"
    ]


def test_a_refusal_that_quotes_the_link_is_told_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    mail = make_mail()

    def refuse(*args: Any) -> int:
        raise smtplib.SMTPDataError(550, f"spam {mail.invitation.mail_key} spam".encode())

    monkeypatch.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", refuse)
    with pytest.raises(DeliveryFailed) as failed:
        EmailDelivery().send(mail)
    assert str(failed.value) == f"550 spam {mail.invitation.key_hint} spam"


# -- the email that asks an inviter for a new link --


def asking(invitation: InvitationKey, **fields: Any) -> EmailMultiAlternatives:
    return message_of(invitation, kind="renewal", message_id="<1@example.com>", **fields)


def test_a_request_goes_to_the_inviter_alone_and_comes_from_the_site(
    ann: Any, settings: Any
) -> None:
    settings.INVITATION_REPLY_TO_INVITER = True
    message = asking(make_invitation(ann, status="expired"))
    assert message.recipients() == message.to == ["ann@example.com"]
    assert (message.from_email, message.reply_to) == (settings.DEFAULT_FROM_EMAIL, [])


def test_it_has_the_headers_of_the_others(ann: Any) -> None:
    headers = asking(make_invitation(ann, status="expired")).extra_headers
    assert headers == {
        "Auto-Submitted": "auto-generated",
        "Content-Language": "en",
        "Message-ID": "<1@example.com>",
        "X-Auto-Response-Suppress": "DR, RN, NRN, OOF, AutoReply",
    }


@pytest.mark.parametrize("address", ["", "a@b", "x\ny@a.com"])
def test_an_inviter_who_can_get_no_mail_gets_none(address: str) -> None:
    invitation = make_invitation(make_user("eve", email=address), status="expired")
    with pytest.raises(DeliveryFailed, match="no address") as failed:
        asking(invitation)
    assert failed.value.permanent


def test_it_leads_to_the_page_that_renews(ann: Any) -> None:
    invitation = make_invitation(ann, status="expired")
    link = f"https://example.com/accounts/invitations/{invitation.pk}/renew/"
    message = asking(invitation)
    assert str(message.body).count(f"\n{link}\n") == 1
    assert f'href="{link}"' in html_of(message)


def test_it_says_to_whom_who_is_invited_and_when_it_ended(ann: Any) -> None:
    ended = datetime(2026, 3, 28, 23, 30, tzinfo=timezone.utc)
    invitation = make_invitation(
        ann,
        "bob@xn--mnchen-3ya.example.org",
        recipient_name="Bob example.com",
        status="revoked",
        ended_at=ended,
    )
    message = asking(invitation)
    for words in (
        "Hello Ann Smith,",
        "for Bob example com (bob@münchen.example.org) and requested a new one.",
        "That invitation was revoked on March 28, 2026.",
    ):
        assert words in both_of(message)
    assert message.subject == "New invitation to example.com requested: Bob example com"


@pytest.mark.parametrize(("zone", "day"), [("Asia/Tokyo", "March 29"), ("UTC", "March 28")])
def test_the_day_is_that_of_the_site(ann: Any, settings: Any, zone: str, day: str) -> None:
    settings.TIME_ZONE = zone
    ended = datetime(2026, 3, 28, 23, 30, tzinfo=timezone.utc)
    message = asking(make_invitation(ann, status="revoked", ended_at=ended))
    assert f"That invitation was revoked on {day}, 2026." in str(message.body)


def test_one_that_still_is_open_ended_on_no_day(ann: Any) -> None:
    context = EmailDelivery().get_renewal_context(make_invitation(ann, left=None))
    assert context["ended_on"] == ""


@pytest.mark.parametrize(
    ("language", "greeting"),
    [("de", "Guten Tag Ann Smith!"), ("xx", "Hello"), ("", "Hello"), (None, "Hello"), (7, "Hello")],
    ids=str,
)
def test_it_is_in_the_inviters_language_where_the_site_knows_it(
    ann: Any, language: Any, greeting: str
) -> None:
    ann.language = language
    invitation = make_invitation(ann, status="expired", language="fr")
    assert str(asking(invitation).body).startswith(greeting)


def test_a_site_says_which_field_has_the_language(ann: Any) -> None:
    class Delivery(EmailDelivery):
        member_language_field = "tongue"

    ann.tongue = "de"
    mail = make_mail(make_invitation(ann, status="expired"), kind="renewal")
    assert str(Delivery().get_message(mail).body).startswith("Guten Tag Ann Smith!")


def test_its_templates_get_what_is_documented(ann: Any) -> None:
    context = EmailDelivery().get_renewal_context(make_invitation(ann, status="expired"))
    assert set(context) == {
        "base_url",
        "ended_on",
        "invitation",
        "inviter_name",
        "recipient_name",
        "renew_url",
        "revoked",
        "site",
        "site_blurb",
        "site_name",
    }


def test_no_address_smuggles_a_header_into_it(ann: Any) -> None:
    ann.first_name = "Ann\r\nBcc: eve@example.com"
    invitation = make_invitation(ann, status="expired", recipient_name="Bob\nBcc: eve@example.com")
    sent = asking(invitation).message()
    assert "Bcc" not in sent
    assert sent.get_all("To") == ["ann@example.com"]
