"""The emails that tell an inviter what became of their invitations: what they say, and what not."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest
from django.core.mail import EmailMultiAlternatives

from invitation import keys
from invitation.delivery.email import EmailDelivery
from invitation.exceptions import DeliveryFailed
from invitation.models import InvitationEmail, InvitationKey
from tests.factories import make_acceptance, make_invitation, make_mail, make_user

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 29, 12, tzinfo=timezone.utc)


@pytest.fixture
def ann() -> Any:
    """Return a member with a name."""
    return make_user("ann", first_name="Ann", last_name="Smith")


def accepted(inviter: Any, **fields: Any) -> InvitationEmail:
    fields = {
        "status": "accepted",
        "uses": 1,
        "recipient_name": "Bob",
        "date_invited": NOON,
    } | fields
    return make_mail(make_invitation(inviter, **fields), kind="accepted")


def declined(inviter: Any) -> InvitationEmail:
    return make_mail(make_invitation(inviter, status="declined"), kind="declined")


def expired(inviter: Any, number: int = 1, **fields: Any) -> InvitationEmail:
    fields = {"status": "expired", "ended_at": NOON} | fields
    rows = [make_invitation(inviter, f"g{one:02}@example.org", **fields) for one in range(number)]
    return make_mail(rows[0], kind="expired", created_at=NOON)


def whole(message: EmailMultiAlternatives) -> str:
    return f"{message.subject}\n{message.body}\n{message.alternatives[0][0]}"


MAILS = [accepted, expired]


@pytest.mark.parametrize("make", MAILS)
def test_it_goes_to_the_inviter_alone_and_replies_go_to_the_site(
    ann: Any, settings: Any, make: Any
) -> None:
    settings.INVITATION_REPLY_TO_INVITER = True
    message = EmailDelivery().get_message(make(ann))
    assert message.recipients() == message.to == ["ann@example.com"]
    assert (message.from_email, message.reply_to) == (settings.DEFAULT_FROM_EMAIL, [])


@pytest.mark.parametrize("make", MAILS)
def test_it_holds_no_key(ann: Any, make: Any) -> None:
    assert keys.PATTERN.findall(whole(EmailDelivery().get_message(make(ann)))) == []


@pytest.mark.parametrize("make", MAILS)
@pytest.mark.parametrize("address", ["", "a@b", "x\ny@a.com"])
def test_an_inviter_who_can_get_no_mail_gets_none(make: Any, address: str) -> None:
    mail = make(make_user("eve", email=address))
    with pytest.raises(DeliveryFailed, match="no address") as failed:
        EmailDelivery().get_message(mail)
    assert failed.value.permanent


@pytest.mark.parametrize("make", MAILS)
def test_it_is_in_the_inviters_language(ann: Any, make: Any) -> None:
    ann.language = "de"
    assert str(EmailDelivery().get_message(make(ann, language="fr")).body).startswith("Guten Tag")


def test_good_news_name_whom_he_has_invited_and_not_the_account(ann: Any) -> None:
    mail = accepted(ann)
    bob = make_user("other", email="secret@example.net", first_name="Robert")
    make_acceptance(bob, mail.invitation)
    message = EmailDelivery().get_message(mail)
    assert message.subject == "Bob accepted your invitation to example.com"
    told = "Bob (bob@example.org) accepted the invitation that you sent on March 29, 2026."
    assert told in str(message.body)
    assert f"/accounts/invitations/{mail.invitation.pk}/" in str(message.body)
    for secret in ("secret@", "Robert", "other"):
        assert secret not in whole(message)


def test_good_news_are_the_same_for_old_and_new_accounts(ann: Any) -> None:
    mail = accepted(ann)
    acceptance = make_acceptance(make_user("bob"), mail.invitation)
    before = whole(EmailDelivery().get_message(mail))
    acceptance.new_account = False
    acceptance.save()
    assert whole(EmailDelivery().get_message(mail)) == before


def test_an_invitation_without_address_is_named_by_its_day(ann: Any) -> None:
    message = EmailDelivery().get_message(accepted(ann, email="", recipient_name=""))
    assert message.subject == "Your invitation to example.com was accepted"
    told = "Someone accepted the invitation that you created on March 29, 2026."
    assert told in str(message.body)


def test_bad_news_name_all_that_expired_since_they_were_asked_for(ann: Any) -> None:
    mail = expired(ann, 3)
    make_invitation(ann, "before@example.org", status="expired", ended_at=NOON.replace(hour=11))
    make_invitation(ann, "later@example.org", status="expired", ended_at=NOON.replace(hour=13))
    make_invitation(make_user("eve"), "hers@example.org", status="expired", ended_at=NOON)
    body = str(EmailDelivery().get_message(mail).body)
    for name in ("g00@", "g01@", "g02@", "later@"):
        assert f"- {name}example.org\n" in body
    assert "before@" not in body
    assert "hers@" not in body
    assert "4 of your invitations have expired" in body


@pytest.mark.parametrize(("number", "others"), [(1, 0), (20, 0), (21, 1), (25, 5)])
def test_they_name_twenty_and_count_the_others(ann: Any, number: int, others: int) -> None:
    mail = expired(ann, number)
    context = EmailDelivery().get_expired_context(mail)
    assert len(context["invitations"]) == min(number, 20)
    assert (context["number"], context["others"]) == (number, others)
    body = str(EmailDelivery().get_message(mail).body)
    assert (f"and {others} more" in body) is bool(others)


@pytest.mark.parametrize(
    ("days", "link"), [(0, "/accounts/invite/"), (30, "/accounts/invitations/?state=expired")]
)
def test_they_lead_to_where_something_can_be_done(
    ann: Any, settings: Any, days: int, link: str
) -> None:
    settings.INVITATION_RETENTION_DAYS = days
    body = str(EmailDelivery().get_message(expired(ann)).body)
    assert f"\nhttps://example.com{link}\n" in body


def test_a_name_in_the_list_is_text_without_links(ann: Any) -> None:
    mail = expired(ann)
    InvitationKey.objects.update(recipient_name="<b>Bob</b>\nhttp://evil.example")
    said = whole(EmailDelivery().get_message(mail))
    assert "evil.example" not in said
    assert "<b>Bob" not in str(EmailDelivery().get_message(mail).alternatives[0][0])


def test_templates_get_what_is_documented(ann: Any) -> None:
    site = {"site", "site_name", "site_blurb", "base_url", "inviter_name"}
    context = EmailDelivery().get_accepted_context(accepted(ann).invitation)
    assert set(context) == site | {"detail_url", "invited_on", "invitation", "recipient_name"}
    context = EmailDelivery().get_expired_context(expired(ann, 2))
    assert set(context) == site | {"invitations", "kept", "next_url", "number", "others"}


def test_a_site_may_name_templates_of_its_own(ann: Any) -> None:
    class Delivery(EmailDelivery):
        accepted_templates = "invitation/invitation_renewal_email"

    assert "requested" in Delivery().get_message(accepted(ann)).subject


def test_a_refusal_is_told_in_text_and_html(ann: Any) -> None:
    message = EmailDelivery().get_message(declined(ann))
    assert "declined your invitation" in message.subject
    assert whole(message).count("Invite them again only if they ask for it.") == 2
