"""What a member is told of the emails of his invitations, and what they are not."""

from __future__ import annotations

import csv
import re
from datetime import datetime, timedelta, timezone
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.template import Context, Template
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone as clock
from django.utils import translation

from invitation.addresses.recipients import Recipient
from invitation.flows import lists, privacy
from invitation.keys import sites
from invitation.models import DeliveryPause, InvitationEmail, InvitationKey
from tests.factories import DAY, make_acceptance, make_invitation, make_mail, make_user
from tests.scenes import COMPLETE, INVITE, NEWCOMER

pytestmark = pytest.mark.django_db

LIST = "/accounts/invitations/"
NOW = datetime(2026, 5, 5, 12, 0, tzinfo=timezone.utc)
DELAYED = "We keep trying."


def words(response: Any) -> str:
    """Return what a page says, in one line."""
    assert response.status_code == 200, response
    return " ".join(re.sub(r"<[^>]*>", " ", response.content.decode()).split())


@pytest.fixture
def batch(member: Any, settings: Any) -> lists.ListResult:
    """Return a list of two people whose emails wait."""
    settings.INVITATION_DELIVERY = "invitation.delivery.outbox.OutboxDelivery"
    people = [Recipient(number=n, email=f"guest{n}@example.org") for n in (1, 2)]
    return lists.invite_many(member, people)


def pages(batch: lists.ListResult) -> list[str]:
    """Return the addresses at which the state of the first one's email is told."""
    first = InvitationKey.objects.order_by("pk")[0]
    return [LIST, f"{LIST}{first.pk}/", f"/accounts/invite/list/{batch.id}/"]


def outcome(client: Client, batch: lists.ListResult) -> list[list[str]]:
    """Return the rows of the file, email and reason."""
    response: Any = client.get(f"/accounts/invite/list/{batch.id}/outcome.csv")
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    return [row[4:] for row in csv.reader(StringIO(text))][1:]


def without_tokens(response: Any) -> bytes:
    return re.sub(rb'name="csrfmiddlewaretoken" value="[^"]*"', b"", response.content)


@pytest.mark.parametrize("failure", ["unsubscribed", "complained"])
def test_that_somebody_wants_no_invitations_is_told_nowhere(
    batch: lists.ListResult, member_client: Client, failure: str
) -> None:
    """Each page, and the file, are byte by byte those of an email that was sent."""
    InvitationEmail.objects.update(state="sent", attempts=1)
    addresses = [*pages(batch), COMPLETE]
    sent = [without_tokens(member_client.get(address)) for address in addresses]
    file = outcome(member_client, batch)
    counts = member_client.get(pages(batch)[2]).context["mails"]
    for everybody in (False, True):
        some = InvitationEmail.objects.order_by("pk")[: 2 if everybody else 1]
        pks = [mail.pk for mail in some]
        InvitationEmail.objects.filter(pk__in=pks).update(state="suppressed", failure=failure)
        seen = [without_tokens(member_client.get(address)) for address in addresses]
        assert seen == sent
        assert outcome(member_client, batch) == file == [["sent", ""], ["sent", ""]]
        assert member_client.get(pages(batch)[2]).context["mails"] == counts
        assert counts == {"sent": 2, "waiting": 0, "failed": 0, "cancelled": 0, "total": 2}


@pytest.mark.parametrize("failure", ["unsubscribed", "complained"])
def test_not_even_where_such_a_mail_counts_as_failed(
    batch: lists.ListResult, member_client: Client, failure: str
) -> None:
    InvitationEmail.objects.update(state="failed", failure=failure)
    label = str(InvitationEmail.Failure(failure).label)
    for address in [*pages(batch), COMPLETE]:
        assert label not in words(member_client.get(address))
    assert outcome(member_client, batch)[0] == ["failed", ""]


@pytest.mark.parametrize(
    ("failure", "error", "reason"),
    [
        ("refused", "550 5.1.1 no such user", "550 5.1.1 no such user"),
        ("bounced", "diagnostics", "It bounced: nobody reads email at this address."),
        ("given_up", "535 relayuser", "It could not be delivered after several tries."),
        ("blocked", "", "Nobody may invite this address."),
    ],
)
def test_why_a_mail_failed_is_told_in_plain_words(
    batch: lists.ListResult, member_client: Client, failure: str, error: str, reason: str
) -> None:
    InvitationEmail.objects.update(state="failed", failure=failure, last_error=error)
    for address in pages(batch):
        told = words(member_client.get(address))
        assert reason in told
        assert (error in told) is (error == reason or not error)
    assert outcome(member_client, batch)[0] == ["failed", reason]


def test_the_file_speaks_the_language_of_who_asked_for_it(
    batch: lists.ListResult, member_client: Client
) -> None:
    InvitationEmail.objects.update(state="failed", failure="bounced")
    response: Any = member_client.get(f"/accounts/invite/list/{batch.id}/outcome.csv")
    with translation.override("de"):
        text = b"".join(response.streaming_content).decode()
    assert "It bounced" in text


def test_a_mail_that_did_not_go_says_when_it_is_tried_again(
    batch: lists.ListResult, member_client: Client
) -> None:
    with time_machine.travel(NOW, tick=False):
        later = clock.now() + timedelta(minutes=5)
        InvitationEmail.objects.update(attempts=1, not_before=later)
        InvitationKey.objects.update(date_invited=clock.now(), expires_at=None)
        for address in pages(batch)[:2]:
            told = words(member_client.get(address))
            assert "The email is delayed. We try again on May 5, 2026 at 12:05 p.m. UTC." in told
    InvitationEmail.objects.update(not_before=clock.now())
    assert "We'll send the email in a moment." in words(member_client.get(LIST))


def test_a_site_without_time_zones_names_none_and_ends_the_sentence_once(settings: Any) -> None:
    settings.USE_TZ = False
    template = Template("{% load invitation_tags %}{{ moment|invitation_time }}.")
    assert template.render(Context({"moment": datetime(2026, 5, 5, 17, 16)})) == "5:16 p.m."


def test_what_has_no_end_shows_none() -> None:
    template = Template("{% load invitation_tags %}[{{ moment|invitation_end }}]")
    assert template.render(Context({"moment": None})) == "[]"


def test_behind_the_words_of_a_server_begins_a_new_sentence(
    batch: lists.ListResult, member_client: Client
) -> None:
    InvitationEmail.objects.update(state="failed", failure="refused", last_error="550 no")
    assert "The mailbox answered: 550 no Created" in words(member_client.get(LIST))


def test_the_file_says_when_a_mail_is_tried_again(
    batch: lists.ListResult, member_client: Client
) -> None:
    later = clock.now() + timedelta(minutes=5)
    InvitationEmail.objects.update(attempts=1, not_before=later)
    said = f"Next try: {later:%Y-%m-%d %H:%M:%S}+00:00"
    assert outcome(member_client, batch) == [["waiting", said]] * 2
    InvitationEmail.objects.update(attempts=0)
    assert outcome(member_client, batch) == [["waiting", ""]] * 2


# No email can leave


@pytest.fixture
def pause() -> DeliveryPause:
    now = clock.now()
    return DeliveryPause.objects.create(
        until=now + DAY, since=now, failures=1, reason="535 relayuser"
    )


def test_while_no_mail_can_leave_it_is_said_wherever_one_waits(
    batch: lists.ListResult, pause: DeliveryPause, member_client: Client
) -> None:
    for address in pages(batch):
        told = words(member_client.get(address))
        assert DELAYED in told
        assert "relayuser" not in told
    assert outcome(member_client, batch)[0] == [
        "waiting",
        "No email can be sent at the moment.",
    ]


def test_whoever_waits_for_no_mail_hears_nothing_of_it_and_it_costs_nothing(
    batch: lists.ListResult, pause: DeliveryPause, member_client: Client
) -> None:
    InvitationEmail.objects.update(state="sent")
    for address in [*pages(batch), COMPLETE]:
        with CaptureQueriesContext(connection) as queries:
            assert DELAYED not in words(member_client.get(address))
        assert not any("deliverypause" in query["sql"] for query in queries)


@pytest.mark.parametrize("many", [1, 1000])
def test_it_is_asked_once_for_a_page(member: Any, member_client: Client, many: int) -> None:
    site_id = sites.current_site_id()
    rows = [
        InvitationKey(from_user=member, email=f"n{number}@example.org", site_id=site_id)
        for number in range(many)
    ]
    InvitationKey.objects.bulk_create(rows)
    mails = [InvitationEmail(invitation=row) for row in InvitationKey.objects.all()]
    InvitationEmail.objects.bulk_create(mails)
    member_client.get(LIST)
    with CaptureQueriesContext(connection) as queries:
        assert "We'll send the email" in words(member_client.get(LIST))
    assert sum("deliverypause" in query["sql"] for query in queries) == 1
    assert len(queries) <= 9


# Right after inviting


def test_a_mail_that_somebody_else_sends_is_no_fault(member_client: Client, settings: Any) -> None:
    settings.INVITATION_DELIVERY = "invitation.delivery.outbox.OutboxDelivery"
    told = words(member_client.post(INVITE, {"email": NEWCOMER}, follow=True))
    assert "We'll send the email in a moment." in told
    assert "delayed" not in told


def test_the_address_is_shown_as_people_read_it(member_client: Client) -> None:
    told = words(member_client.post(INVITE, {"email": "jo@bücher.de"}, follow=True))
    assert "jo@bücher.de" in told
    assert "xn--" not in told


def test_after_a_while_it_is_said_to_be_late(member_client: Client, settings: Any) -> None:
    settings.INVITATION_DELIVERY = "invitation.delivery.outbox.OutboxDelivery"
    member_client.post(INVITE, {"email": NEWCOMER})
    InvitationEmail.objects.update(created_at=clock.now() - timedelta(hours=1))
    assert "We keep trying" in words(member_client.get(COMPLETE))


def test_that_the_mail_system_is_out_of_order_is_said_at_once(
    member_client: Client, settings: Any, pause: DeliveryPause
) -> None:
    settings.INVITATION_DELIVERY = "invitation.delivery.outbox.OutboxDelivery"
    member_client.post(INVITE, {"email": NEWCOMER})
    for attempts in (0, 1):  # whether or not it was tried
        InvitationEmail.objects.update(attempts=attempts)
        told = words(member_client.get(COMPLETE))
        assert DELAYED in told
        assert "You need not do anything." in told
        assert "in a moment." not in told


@pytest.mark.parametrize("paused", [True, False], ids=["paused", "open"])
def test_the_report_on_a_list_says_so_too(
    member_client: Client, settings: Any, request: pytest.FixtureRequest, paused: bool
) -> None:
    settings.INVITATION_DELIVERY = "invitation.delivery.outbox.OutboxDelivery"
    if paused:
        request.getfixturevalue("pause")
    shown: Any = member_client.post("/accounts/invite/list/", {"people": NEWCOMER})
    payload = shown.context["payload"]
    confirm = {"payload": payload, "confirmed": "on"}
    told = words(member_client.post("/accounts/invite/list/confirm/", confirm))
    assert (DELAYED in told) is paused
    assert ("We are sending the emails." in told) is not paused


def test_a_mail_that_failed_says_why(member_client: Client) -> None:
    member_client.post(INVITE, {"email": NEWCOMER})
    InvitationEmail.objects.update(state="failed", failure="bounced")
    told = words(member_client.get(COMPLETE))
    assert "It bounced: nobody reads email at this address. Check the address." in told


# Invitations whose people were forgotten


@pytest.fixture
def forgotten(member: Any) -> InvitationKey:
    """Return an expired invitation, and let an accepted one be forgotten, too."""
    old = {"ended_at": clock.now() - 40 * DAY, "site_id": sites.current_site_id()}
    row = make_invitation(member, status="expired", recipient_name="Canary", **old)
    make_mail(row, state="sent")
    came = make_invitation(member, "c@example.org", status="accepted", uses=1, **old)
    make_acceptance(make_user("came"), came)
    assert privacy.forget_ended(30 * DAY) == 2
    return row


def test_who_was_forgotten_is_called_so_everywhere(
    forgotten: InvitationKey, member_client: Client
) -> None:
    for address in (LIST, f"{LIST}{forgotten.pk}/"):
        told = words(member_client.get(address))
        assert "(forgotten)" in told
        assert "Canary" not in told
    assert "Accepted by came" in words(member_client.get(LIST))


def test_nothing_can_be_done_with_it(forgotten: InvitationKey, member_client: Client) -> None:
    page = f"{LIST}{forgotten.pk}/"
    told = words(member_client.get(page))
    for button in ("Extend", "Resend", "Invite again", "Copy link", "Replace link"):
        assert button not in told
    assert "You cannot extend it." in told
    for action in ("resend", "extend", "change-link", "revoke"):
        assert member_client.post(f"{page}{action}/").status_code == 409
    assert member_client.get(f"{page}renew/").status_code == 302
    assert member_client.post(f"{page}renew/").status_code == 409
    assert member_client.get(f"{page}link/").status_code == 409
    forgotten.refresh_from_db()
    assert (forgotten.status, forgotten.email) == ("expired", "")
    assert InvitationEmail.objects.count() == 1


def test_of_a_list_those_who_are_left_are_shown(
    batch: lists.ListResult, member_client: Client
) -> None:
    privacy.forget("guest1@example.org")
    told = words(member_client.get(f"/accounts/invite/list/{batch.id}/"))
    assert "guest2@example.org" in told
    assert "guest1" not in told
    assert len(outcome(member_client, batch)) == 1


@pytest.mark.parametrize("state", ["accepted", "expired"])
def test_only_of_what_could_be_is_it_said_that_it_is_not_opened_again(
    forgotten: InvitationKey, member_client: Client, state: str
) -> None:
    row = InvitationKey.objects.get(status=state)
    told = words(member_client.get(f"{LIST}{row.pk}/"))
    assert "We no longer keep whom this invitation was for." in told
    assert ("You cannot extend it." in told) is (state == "expired")
