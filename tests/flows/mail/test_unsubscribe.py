"""Unsubscribing, bounces and complaints: what is kept, what is told, and that no email leaves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from invitation.flows import arriving, inviting, privacy
from invitation.flows.mail import (
    deliver_due,
    is_suppressed,
    lift,
    report_bounce,
    report_complaint,
    suppress,
    unsubscribe,
)
from invitation.keys import unsubscribing
from invitation.models import InvitationEmail, InvitationKey, SuppressedAddress
from tests import scenes
from tests.factories import (
    ADDRESS,
    DAY,
    make_invitation,
    make_mail,
    make_user,
    rolled_back,
    spent,
)
from tests.flows.conftest import Heard

pytestmark = pytest.mark.django_db(transaction=True)
Reason = SuppressedAddress.Reason
State = InvitationEmail.State
OLD, NEW = "o" * 50, "n" * 50
ID = "<1@example.com>"


def rows() -> int:
    return SuppressedAddress.objects.count()


def token(email: str = ADDRESS) -> str:
    return unsubscribing.make_token(email)


# -- unsubscribing --


def test_who_opts_out_is_suppressed() -> None:
    assert unsubscribe(token()) is True
    assert is_suppressed(ADDRESS) is Reason.UNSUBSCRIBED


def test_nothing_of_the_address_is_kept() -> None:
    unsubscribe(token())
    suppress("carol@example.org")
    assert "example" not in repr(scenes.dump()["invitation_suppressedaddress"])


def test_who_does_so_again_changes_nothing(heard: Heard) -> None:
    assert [unsubscribe(token()) for _ in range(3)] == [True] * 3
    assert rows() == 1
    assert heard.names() == ["address_suppressed"]
    assert heard.last("address_suppressed")["reason"] == "unsubscribed"


@pytest.mark.parametrize("text", ["", "x", "x" * 66, f"{'x' * 43}.{'x' * 22}", "\0" * 66])
def test_garbage_costs_no_query(django_assert_num_queries: Any, text: str) -> None:
    with django_assert_num_queries(0):
        assert unsubscribe(text) is False


def test_it_works_when_the_invitation_is_gone(member: Any) -> None:
    invitation = make_invitation(member)
    given = token(invitation.email)
    invitation.delete()
    assert unsubscribe(given)
    assert is_suppressed(ADDRESS)


def test_it_holds_for_everybody_who_invites(member: Any, outbox: list[Any]) -> None:
    inviting.invite(member, ADDRESS)
    unsubscribe(token())
    for name in ("ann", "carl"):
        inviting.invite(make_user(name), ADDRESS.upper())
    assert len(outbox) == 1


def test_others_go_on_to_get_mail(member: Any, outbox: list[Any]) -> None:
    unsubscribe(token())
    inviting.invite(member, "bob+club@example.org")
    inviting.invite(member, "carol@example.org")
    assert len(outbox) == 2


# -- keys that change --


def test_it_outlives_a_new_key(settings: Any) -> None:
    settings.INVITATION_SIGNING_KEYS = [OLD]
    given = token()
    unsubscribe(given)
    settings.INVITATION_SIGNING_KEYS = [NEW, OLD]
    assert is_suppressed(ADDRESS)
    unsubscribe(given)
    assert suppress(ADDRESS) is False
    assert rows() == 1
    settings.INVITATION_SIGNING_KEYS = [NEW]
    assert is_suppressed(ADDRESS) is None


def test_a_link_of_before_still_opts_out(settings: Any) -> None:
    settings.INVITATION_SIGNING_KEYS = [OLD]
    given = token()
    settings.INVITATION_SIGNING_KEYS = [NEW, OLD]
    assert unsubscribe(given)
    row = SuppressedAddress.objects.get()
    assert row.key_id == unsubscribing.key_id(OLD)
    assert is_suppressed(ADDRESS)


def test_two_rows_of_two_keys_are_lifted_together(settings: Any) -> None:
    settings.INVITATION_SIGNING_KEYS = [OLD]
    given = token()
    settings.INVITATION_SIGNING_KEYS = [NEW, OLD]
    suppress(ADDRESS, Reason.BOUNCED)
    unsubscribe(given)
    assert rows() == 2
    # What its owner wants counts more.
    assert is_suppressed(ADDRESS) is Reason.UNSUBSCRIBED
    assert lift(ADDRESS) is True
    assert (rows(), is_suppressed(ADDRESS)) == (0, None)


# -- suppressing and lifting --


def test_lifting_allows_invitations_again(member: Any, outbox: list[Any]) -> None:
    unsubscribe(token())
    assert lift(ADDRESS.upper()) is True
    assert lift(ADDRESS) is False
    inviting.invite(member, ADDRESS)
    assert len(outbox) == 1


def test_who_opts_out_after_that_is_heard_again(heard: Heard) -> None:
    unsubscribe(token())
    lift(ADDRESS)
    unsubscribe(token())
    assert is_suppressed(ADDRESS)
    assert heard.names() == ["address_suppressed"] * 2


@pytest.mark.parametrize("reason", [Reason.UNSUBSCRIBED, Reason.COMPLAINED, Reason.ADMIN])
def test_what_people_want_outranks_a_bounce(heard: Heard, reason: str) -> None:
    assert suppress(ADDRESS, Reason.BOUNCED) is True
    assert suppress(ADDRESS, reason) is True
    assert suppress(ADDRESS, Reason.BOUNCED) is False
    assert is_suppressed(ADDRESS) == reason
    assert suppress(ADDRESS, Reason.ADMIN) is False
    assert is_suppressed(ADDRESS) == reason
    assert heard.names() == ["address_suppressed"]


def test_asking_costs_one_query(django_assert_num_queries: Any, settings: Any) -> None:
    settings.SECRET_KEY_FALLBACKS = [OLD, NEW]
    suppress(ADDRESS)
    with django_assert_num_queries(1):
        assert is_suppressed(ADDRESS)
    with django_assert_num_queries(1):
        assert is_suppressed("carol@example.org") is None


def test_who_comes_second_writes_nothing(monkeypatch: pytest.MonkeyPatch, heard: Heard) -> None:
    suppress(ADDRESS)
    manager = type(SuppressedAddress.objects)
    monkeypatch.setattr(manager, "reason", lambda self, digests: None)
    with transaction.atomic():
        assert suppress(ADDRESS) is False
        assert suppress("carol@example.org") is True  # the transaction goes on
    assert rows() == 2


def test_the_table_holds_an_address_once() -> None:
    known = unsubscribing.digests(ADDRESS)[0]
    fields = {"digest": known.digest, "key_id": known.key_id, "reason": Reason.ADMIN}
    SuppressedAddress.objects.create(**fields)
    with pytest.raises(IntegrityError):
        SuppressedAddress.objects.create(**fields)


def test_nothing_is_left_of_what_is_rolled_back(heard: Heard) -> None:
    with rolled_back():
        unsubscribe(token())
    assert (rows(), heard) == (0, [])


# -- before an email leaves (T30) --


@pytest.mark.parametrize(
    ("reason", "state", "failure"),
    [
        (Reason.UNSUBSCRIBED, "suppressed", "unsubscribed"),
        (Reason.COMPLAINED, "suppressed", "complained"),
        (Reason.ADMIN, "suppressed", "unsubscribed"),
        (Reason.BOUNCED, "failed", "bounced"),
    ],
)
@pytest.mark.parametrize("when", ["before", "after"])
def test_who_is_suppressed_before_or_after_it_is_queued_gets_no_mail(
    outbox: list[Any], heard: Heard, when: str, reason: str, state: str, failure: str
) -> None:
    if when == "before":
        suppress(ADDRESS, reason)
    mail = make_mail()
    if when == "after":
        suppress(ADDRESS, reason)
    assert deliver_due() == (0, 1)
    assert outbox == []
    mail.refresh_from_db()
    assert (mail.state, mail.failure, mail.sent_at) == (state, failure, None)
    assert "invitation_sent" not in heard.names()
    settled = heard.last("mail_settled")
    assert (settled["state"], settled["failure"]) == (state, failure)


def test_a_mail_that_is_tried_again_asks_again(outbox: list[Any]) -> None:
    mail = make_mail(attempts=3)
    unsubscribe(token())
    deliver_due()
    mail.refresh_from_db()
    assert (mail.state, outbox) == ("suppressed", [])


def test_one_that_was_suppressed_is_not_tried_again(outbox: list[Any]) -> None:
    unsubscribe(token())
    make_mail()
    deliver_due()
    lift(ADDRESS)
    assert deliver_due() == (0, 0)
    assert outbox == []


def test_a_mail_to_an_inviter_is_no_invitation(outbox: list[Any]) -> None:
    """Who wants no invitations goes on to hear of those that they make themselves."""
    inviter = make_user("inviter")
    unsubscribe(token(inviter.email))
    make_mail(make_invitation(inviter, left=-DAY), kind="renewal")
    assert deliver_due() == (1, 0)


def test_the_quota_is_spent_as_for_anybody(member: Any) -> None:
    unsubscribe(token())
    inviting.invite(member, ADDRESS)
    assert spent(member) == 1


def told(invited: inviting.Invited) -> tuple[Any, ...]:
    invitation = invited.invitation
    return (invited.created, invited.mailed, invitation.status, invitation.is_usable())


def test_the_inviter_is_told_the_same_for_the_same_statements(member: Any) -> None:
    unsubscribe(token())
    answers, costs = [], []
    for email in ("warm@example.org", ADDRESS, "carol@example.org"):
        with CaptureQueriesContext(connection) as asked:
            answers.append(told(inviting.invite(member, email)))
        costs.append([query["sql"].split(" ")[:3] for query in asked.captured_queries])
    assert answers[1] == answers[2]
    # The sender reads the row, finds it suppressed and asks why, where it would go on to send. It
    # asks once what has become of others.
    asked_for = [[" ".join(sql) for sql in cost] for cost in costs]
    assert [len([sql for sql in cost if "tried_at" in sql]) for cost in asked_for] == [0, 1, 0]
    ours = [
        [sql for sql in cost if "suppressedaddress" not in sql and "tried_at" not in sql]
        for cost in asked_for
    ]
    assert ours[1] == ours[2]


def test_a_mail_that_is_asked_for_again_is_queued_as_for_anybody(
    settings: Any, member: Any
) -> None:
    settings.INVITATION_RESEND_COOLDOWN = 0 * DAY
    unsubscribe(token())
    for email in (ADDRESS, "carol@example.org"):
        invitation = inviting.invite(member, email).invitation
        inviting.resend(invitation)
        assert invitation.mails.count() == 2


def test_the_link_goes_on_to_work(member: Any) -> None:
    """It was not taken from them: they may have got it in another way."""
    unsubscribe(token())
    invitation = inviting.invite(member, ADDRESS).invitation
    assert arriving.open_invitation(invitation.key).invitation == invitation


# -- bounces --


@pytest.fixture
def mail() -> InvitationEmail:
    return make_mail(make_invitation(make_user("inviter")), state="sent", message_id=ID)


def test_a_mail_that_comes_back_has_failed_and_its_address_is_suppressed(
    mail: InvitationEmail, heard: Heard
) -> None:
    assert report_bounce(ADDRESS, ID, details="550 5.1.1 no such user") is True
    mail.refresh_from_db()
    assert (mail.state, mail.failure) == ("failed", "bounced")
    assert mail.last_error == "550 5.1.1 no such user"
    assert is_suppressed(ADDRESS) is Reason.BOUNCED
    assert heard.names() == ["mail_settled", "address_suppressed", "invitation_bounced"]
    assert heard.last("invitation_bounced")["mail"] == mail
    assert heard.last("invitation_bounced")["email"] == ADDRESS
    settled = heard.last("mail_settled")
    assert (settled["state"], settled["failure"]) == ("failed", "bounced")


def test_it_may_be_reported_again(mail: InvitationEmail, heard: Heard) -> None:
    report_bounce(ADDRESS, ID)
    before = list(heard)
    assert report_bounce(ADDRESS, ID) is False
    assert heard == before


def test_a_mail_that_is_only_late_is_no_matter(mail: InvitationEmail, heard: Heard) -> None:
    assert report_bounce(ADDRESS, ID, permanent=False) is False
    mail.refresh_from_db()
    assert (mail.state, is_suppressed(ADDRESS), heard) == ("sent", None, [])


@pytest.mark.parametrize("written", [ID, ID.strip("<>"), f" {ID} "])
def test_it_is_found_by_its_message_id(mail: InvitationEmail, written: str) -> None:
    later = make_mail(mail.invitation, state="sent", message_id="<2@example.com>")
    report_bounce(ADDRESS, written)
    mail.refresh_from_db()
    later.refresh_from_db()
    assert (mail.state, later.state) == ("failed", "sent")


@pytest.mark.parametrize("message_id", ["", "42", "<>", "\0"])
def test_or_it_is_the_latest_that_was_sent(mail: InvitationEmail, message_id: str) -> None:
    first = make_mail(make_invitation(make_user("carl")), state="sent", message_id="<0@a.b>")
    make_mail(make_invitation(make_user("dan")), state="queued", message_id="<3@a.b>")
    assert report_bounce(ADDRESS.upper(), message_id)
    states = InvitationEmail.objects.order_by("pk").values_list("state", flat=True)
    assert list(states) == ["sent", "failed", "queued"]
    assert first.pk > mail.pk


def test_a_reminder_comes_back_too(mail: InvitationEmail) -> None:
    reminder = make_mail(mail.invitation, kind="reminder", state="sent", message_id="<2@a.b>")
    report_bounce(ADDRESS, "<2@a.b>")
    reminder.refresh_from_db()
    assert reminder.failure == "bounced"


def test_that_of_another_address_is_left_alone(mail: InvitationEmail) -> None:
    report_bounce("carol@example.org", ID)
    mail.refresh_from_db()
    assert mail.state == "sent"
    assert is_suppressed("carol@example.org")


def test_a_bounce_that_is_faster_than_the_note_of_the_sending_stands(
    mail: InvitationEmail,
) -> None:
    InvitationEmail.objects.filter(pk=mail.pk).update(
        state="sending", attempts=1, lease_until=mail.created_at
    )
    mail.refresh_from_db()
    report_bounce(ADDRESS, ID)
    assert InvitationEmail.objects.mark_sent([mail], mail.created_at) == []
    mail.refresh_from_db()
    assert mail.state == "failed"


@pytest.mark.parametrize("email", ["", "  ", None])
@pytest.mark.parametrize("verb", [report_bounce, report_complaint, suppress, lift])
def test_nobody_is_refused_and_none_who_was_forgotten_is_meant(
    mail: InvitationEmail, verb: Callable[[Any], bool], email: Any
) -> None:
    privacy.forget(ADDRESS)
    with pytest.raises(ValueError, match="There is no address"):
        verb(email)
    mail.refresh_from_db()
    assert mail.state == "sent"
    assert not SuppressedAddress.objects.exists()


@pytest.mark.parametrize("email", ["bob", "a\0b@example.org", "x" * 300])
def test_a_bounce_of_no_address_does_no_harm(mail: InvitationEmail, email: str) -> None:
    report_bounce(email, ID)
    mail.refresh_from_db()
    assert mail.state == "sent"


def test_what_a_mail_server_quotes_is_cut(mail: InvitationEmail) -> None:
    report_bounce(ADDRESS, details=f"550 \0 {mail.invitation.mail_key} {token()} {'x' * 999}")
    mail.refresh_from_db()
    assert mail.invitation.mail_key not in mail.last_error
    assert token() not in mail.last_error
    assert "\0" not in mail.last_error
    assert len(mail.last_error) == 500


def test_who_has_unsubscribed_stays_so_when_his_mail_comes_back(mail: InvitationEmail) -> None:
    unsubscribe(token())
    assert report_bounce(ADDRESS, ID) is True
    assert is_suppressed(ADDRESS) is Reason.UNSUBSCRIBED


# -- complaints --


def test_who_complains_gets_no_more_and_the_inviter_is_not_told(
    mail: InvitationEmail, heard: Heard
) -> None:
    assert report_complaint(ADDRESS, ID) is True
    mail.refresh_from_db()
    assert (mail.state, mail.failure) == ("sent", "")
    assert is_suppressed(ADDRESS) is Reason.COMPLAINED
    assert heard.names() == ["address_suppressed", "invitation_complained"]
    assert heard.last("invitation_complained")["mail"] == mail
    assert report_complaint(ADDRESS, ID) is False
    assert len(heard) == 2


def test_a_complaint_needs_no_mail_that_we_know(heard: Heard) -> None:
    assert report_complaint(ADDRESS) is True
    assert heard.last("invitation_complained")["mail"] is None


def test_no_invitation_is_changed_by_any_of_this(mail: InvitationEmail) -> None:
    before = InvitationKey.objects.values().get()
    report_bounce(ADDRESS, ID)
    report_complaint(ADDRESS, ID)
    unsubscribe(token())
    assert InvitationKey.objects.values().get() == before
