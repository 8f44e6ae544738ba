"""The outbox in the admin: what staff see of it, and what they may do."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone

from invitation.models import DeliveryPause, InvitationEmail
from tests import staff
from tests.factories import make_invitation, make_mail, make_user
from tests.staff import INVITATIONS, act, asked, said, text_of

pytestmark = pytest.mark.django_db

MAILS = "/admin/invitation/invitationemail/"
PAUSES = "/admin/invitation/deliverypause/"
State = InvitationEmail.State


@pytest.fixture
def boss() -> Client:
    return staff.boss()


def write(state: str = State.QUEUED, **fields: Any) -> InvitationEmail:
    return make_mail(make_invitation(email=""), state=state, **fields)


def state_of(mail: InvitationEmail) -> str:
    return InvitationEmail.objects.get(pk=mail.pk).state


def test_the_list_says_in_words_why_a_mail_failed(boss: Client) -> None:
    write(State.FAILED, failure="bounced")
    assert "It bounced: nobody reads email at this address." in text_of(boss.get(MAILS))


def test_the_list_says_when_a_mail_that_waits_is_tried(boss: Client) -> None:
    write(not_before=timezone.now().replace(2031, 2, 3, 4, 5))
    write(State.SENT, not_before=timezone.now().replace(2032, 2, 3))
    page = text_of(boss.get(MAILS))
    assert "Feb. 3, 2031, 4:05 a.m." in page
    assert "2032" not in page


@pytest.mark.parametrize("kind", ["renewal", "accepted", "expired"])
def test_a_mail_to_the_inviter_has_his_address(boss: Client, kind: str) -> None:
    make_mail(make_invitation(make_user("ann"), "bob@example.org"), kind=kind)
    page = text_of(boss.get(MAILS))
    assert "ann@example.com" in page
    assert "bob@example.org" not in page


@pytest.mark.parametrize("query", ["state__exact=failed", "failure=refused", "q=bob"])
def test_the_list_can_be_filtered_and_searched(boss: Client, query: str) -> None:
    make_mail(make_invitation(email="bob@example.org"), state=State.FAILED, failure="refused")
    make_mail(make_invitation(email="carol@example.org"))
    page = text_of(boss.get(f"{MAILS}?{query}"))
    assert "bob@example.org" in page
    assert "carol@example.org" not in page


@pytest.mark.parametrize("rows", [1, 100])
def test_the_list_costs_five_statements(boss: Client, rows: int) -> None:
    for number in range(rows):
        make_mail(make_invitation(make_user(f"n{number}"), f"n{number}@example.org"))
    page, cost = asked(boss, MAILS)
    assert page.status_code == 200
    assert cost <= 5


def test_a_page_of_a_mail_has_nothing_to_change(boss: Client) -> None:
    page = boss.get(f"{MAILS}{write(State.FAILED, last_error='550 no').pk}/change/")
    assert "550 no" in text_of(page)
    assert 'name="_save"' not in text_of(page)


def test_the_page_of_an_invitation_shows_its_mails_and_leads_to_them(boss: Client) -> None:
    mail = write(State.FAILED, failure="refused", last_error="550 no")
    page = text_of(boss.get(f"{INVITATIONS}{mail.invitation_id}/change/"))
    assert "The recipient's email server refused it." in page
    assert f"{MAILS}{mail.pk}/change/" in page


@pytest.mark.parametrize(
    ("state", "said"), [(State.QUEUED, "Feb. 3, 2031, 4:05 a.m."), (State.SENT, "-")]
)
def test_the_page_of_an_invitation_says_when_its_mail_is_tried(
    boss: Client, state: str, said: str
) -> None:
    mail = write(state, not_before=timezone.now().replace(2031, 2, 3, 4, 5))
    page = text_of(boss.get(f"{INVITATIONS}{mail.invitation_id}/change/"))
    assert f'<td class="field-next_try">{said}</td>' in "".join(
        line.strip() for line in page.splitlines()
    ).replace("<p>", "").replace("</p>", "")


def test_mails_are_queued_again_and_it_says_which_were_left_alone(
    boss: Client, settings: Any
) -> None:
    settings.INVITATION_DELIVERY = "invitation.delivery.outbox.OutboxDelivery"
    failed, stopped, sent = write(State.FAILED), write(State.CANCELLED), write(State.SENT)
    unwanted = write(State.SUPPRESSED, failure="unsubscribed")
    assert said(boss, MAILS, "retry", failed, stopped, sent, unwanted) == [
        "2 emails are queued again.",
        "2 emails were not changed. Only failed and cancelled emails can be sent again.",
    ]
    assert [state_of(mail) for mail in (failed, stopped, sent, unwanted)] == [
        "queued",
        "queued",
        "sent",
        "suppressed",
    ]


def test_mails_are_stopped_and_it_says_which_were_left_alone(boss: Client) -> None:
    waiting, leased = (
        write(),
        write(State.SENDING, lease_until=timezone.now() + timedelta(minutes=1)),
    )
    assert said(boss, MAILS, "cancel", waiting, leased) == [
        "1 email was cancelled.",
        "1 email was not changed. It is no longer waiting.",
    ]
    assert (state_of(waiting), state_of(leased)) == ("cancelled", "sending")


def test_nothing_done_is_no_success(boss: Client) -> None:
    assert said(boss, MAILS, "cancel", write(State.SENT)) == [
        "1 email was not changed. It is no longer waiting."
    ]


def test_the_log_of_the_admin_keeps_who_has_stopped_which_mail(boss: Client) -> None:
    mail = write()
    said(boss, MAILS, "cancel", mail)
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.change_message) == (str(mail.pk), "Cancelled.")


@pytest.mark.parametrize("action", ["retry", "cancel"])
def test_who_may_only_look_has_no_actions(action: str) -> None:
    mail = write(State.FAILED if action == "retry" else State.QUEUED)
    clerk = staff.staff("view_invitationemail")
    assert f'value="{action}"' not in text_of(clerk.get(MAILS))
    act(clerk, MAILS, action, mail)
    assert state_of(mail) == ("failed" if action == "retry" else "queued")


def test_who_may_change_mails_has_them() -> None:
    mail = write()
    clerk = staff.staff("view_invitationemail", "change_invitationemail")
    assert said(clerk, MAILS, "cancel", mail) == ["1 email was cancelled."]


def test_who_may_see_invitations_alone_sees_no_mails() -> None:
    assert staff.staff("view_invitationkey").get(MAILS).status_code == 403


# The pause


@pytest.fixture
def pause() -> DeliveryPause:
    now = timezone.now()
    until = now + timedelta(minutes=20)
    return DeliveryPause.objects.create(until=until, since=now, failures=2, reason="535 no")


def test_staff_see_that_all_is_paused_and_why(boss: Client, pause: DeliveryPause) -> None:
    page = text_of(boss.get(PAUSES))
    assert "535 no" in page
    assert 'alt="True"' in page
    assert 'name="_save"' not in text_of(boss.get(f"{PAUSES}{pause.pk}/change/"))


def test_staff_see_that_a_pause_is_over(boss: Client, pause: DeliveryPause) -> None:
    DeliveryPause.objects.update(until=timezone.now())
    for page in (PAUSES, f"{PAUSES}{pause.pk}/change/"):
        shown = text_of(boss.get(page))
        assert 'alt="False"' in shown
        assert 'alt="True"' not in shown


def test_a_pause_that_was_ended_is_no_longer_shown_as_one(
    boss: Client, pause: DeliveryPause
) -> None:
    act(boss, PAUSES, "reopen", pause)
    assert 'alt="False"' in text_of(boss.get(PAUSES))


def test_a_way_that_is_open_is_shown_as_such(boss: Client, pause: DeliveryPause) -> None:
    DeliveryPause.objects.update(failures=0)
    assert 'alt="False"' in text_of(boss.get(PAUSES))


def test_staff_let_mails_be_tried_at_once(boss: Client, pause: DeliveryPause) -> None:
    assert said(boss, PAUSES, "reopen", pause) == ["The next email is tried at once."]
    pause.refresh_from_db()
    assert pause.until <= timezone.now()
    assert LogEntry.objects.get().change_message == "Opened."
    assert said(boss, PAUSES, "reopen", pause) == ["Nothing is paused."]


def test_who_may_only_look_at_the_pause_does_not_end_it(pause: DeliveryPause) -> None:
    act(staff.staff("view_deliverypause"), PAUSES, "reopen", pause)
    pause.refresh_from_db()
    assert pause.until > timezone.now()
