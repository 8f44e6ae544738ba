"""What an inviter sees of an email: not who wants none, and nothing that is not so."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from invitation.exceptions import MailTooSoon
from invitation.flows import inviting, mail
from invitation.models import DeliveryPause, InvitationEmail, InvitationKey
from tests.factories import DAY, make_invitation, make_mail, make_user

pytestmark = pytest.mark.django_db

#: One who wants no invitations, and one who does not mind.
UNWILLING, WILLING = "no@example.org", "yes@example.org"
State = InvitationEmail.State


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not let emails that nobody wants take as long as others: no test here looks at a watch."""
    monkeypatch.setattr("invitation.flows.mail.timing.wait", lambda *spent, **kind: None)


@pytest.fixture
def outage(settings: Any) -> Iterator[None]:
    """Let there be no mail server where the site looks for one."""
    settings.INVITATION_DELIVERY = "invitation.delivery.email.EmailDelivery"
    backend = "django.core.mail.backends.smtp.EmailBackend"
    with socket.socket() as deaf:
        # Taken, so that nobody else listens there, but it does not listen either.
        deaf.bind(("127.0.0.1", 0))
        host, port = deaf.getsockname()
        if hasattr(settings, "MAILERS"):
            options = {"host": host, "port": port}
            settings.MAILERS = {"default": {"BACKEND": backend, "OPTIONS": options}}
        else:
            settings.EMAIL_BACKEND = backend
            settings.EMAIL_HOST, settings.EMAIL_PORT = host, port
        yield


def state_after_inviting(inviter: Any, email: str, commit: Any) -> str:
    """Return what an inviter sees of the email right after they have asked for it."""
    with commit():
        invitation = inviting.invite(inviter, email).invitation
    return InvitationEmail.state_for_inviter(
        InvitationEmail.objects.get(invitation=invitation).state
    )


@pytest.mark.usefixtures("hasty", "outage")
@pytest.mark.parametrize("known", [False, True])
def test_in_an_outage_who_wants_no_invitations_looks_like_the_others(
    commit: Any, known: bool
) -> None:
    """Whether it was known before that no email can leave, or is found out by this one."""
    ann = make_user("ann")
    mail.suppress(UNWILLING, "unsubscribed")
    seen = []
    for email in (UNWILLING, WILLING):
        DeliveryPause.objects.all().delete()
        if known:
            now = timezone.now()
            DeliveryPause.objects.create(
                failures=1, since=now, until=now - timedelta(seconds=1), reason="down"
            )
        seen.append(state_after_inviting(ann, email, commit))
    assert seen[0] == seen[1]


def answer_to_resending(invitation: InvitationKey) -> str:
    try:
        inviting.resend(invitation)
    except MailTooSoon:
        return "too soon"
    return "sent again"


@pytest.mark.usefixtures("hasty")
def test_after_a_reminder_resending_does_not_show_who_wants_no_invitations(
    settings: Any, commit: Any
) -> None:
    settings.INVITATION_DELIVERY = "invitation.delivery.dummy.DummyDelivery"
    settings.INVITATION_REMINDER_DAYS = 3
    # It would show for as long as the cool-down lasts, which is 5 minutes by default.
    settings.INVITATION_RESEND_COOLDOWN = DAY
    ann, now = make_user("ann"), timezone.now()
    mail.suppress(UNWILLING, "unsubscribed")
    invitations = []
    for email in (UNWILLING, WILLING):
        with commit():
            invitations.append(inviting.invite(ann, email).invitation)
    past = now - 5 * DAY
    InvitationKey.objects.update(mail_requested_at=past, date_invited=past, expires_at=now + DAY)
    InvitationEmail.objects.filter(state=State.SENT).update(sent_at=past)
    mail.remind()
    mail.deliver_due()
    unwilling, willing = [answer_to_resending(invitation) for invitation in invitations]
    assert unwilling == willing


def test_news_that_come_back_are_not_taken_for_the_invitation_their_reader_once_got() -> None:
    """Else whoever invited her would be told that their email came back, which had arrived."""
    accepted = InvitationKey.Status.ACCEPTED
    root, ann = make_user("root"), make_user("ann", email="ann@example.com")
    sent = {"state": State.SENT, "sent_at": timezone.now()}
    own = make_invitation(root, "ann@example.com", status=accepted, uses=1)
    arrived = make_mail(own, message_id="<old@example.com>", **sent)
    hers = make_invitation(ann, "bob@example.org", status=accepted, uses=1)
    make_mail(hers, kind=InvitationEmail.Kind.ACCEPTED, message_id="<news@example.com>", **sent)
    mail.report_bounce("ann@example.com", "<news@example.com>")
    arrived.refresh_from_db()
    assert (arrived.state, arrived.failure) == (State.SENT, "")
