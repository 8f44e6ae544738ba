"""What a site's own tests get: invitations, their links, and what was sent."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.core import mail as django_mail
from django.test import Client, TestCase, TransactionTestCase
from django.urls import reverse

from invitation import keys, signals, testing
from invitation.exceptions import AddressRefused
from invitation.flows import arriving, mail, sharing
from invitation.models import InvitationKey
from invitation.testing.pytest import invitation_link, make_invitation, sent_invitations
from tests.factories import make_user
from tests.processes import run_in

__all__ = ["invitation_link", "make_invitation", "sent_invitations"]

ROOT = Path(__file__).parents[1]
LATER = "invitation.delivery.outbox.OutboxDelivery"
Made = Callable[..., InvitationKey]
Sent = Callable[[], list[testing.SentInvitation]]


def channel(link: str) -> str | None:
    return keys.channel_of(link.rstrip("/").rsplit("/", 1)[1], 1)


class Heard:
    """Count how often an invitation was announced."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, **_: Any) -> None:
        self.times += 1


@pytest.fixture
def heard() -> Any:
    heard = Heard()
    signals.invitation_created.connect(heard)
    yield heard
    signals.invitation_created.disconnect(heard)


class WithMixinTests(testing.InvitationTestMixin, TestCase):
    def test_an_invited_person_signs_up(self) -> None:
        invitation = self.make_invitation("bob@example.org", make_user())
        self.client.get(self.invitation_link(invitation))
        password = "correct-horse-battery"
        typed = {"username": "bob", "email": "bob@example.org"}
        typed |= {"password1": password, "password2": password}
        self.client.post(reverse("registration_register"), typed)
        invitation.refresh_from_db()
        assert invitation.status == InvitationKey.Status.ACCEPTED

    def test_what_a_view_sends_is_seen_without_a_commit(self) -> None:
        self.client.force_login(make_user())
        self.client.post(reverse("invitation_invite"), {"email": "bob@example.org"})
        assert django_mail.outbox == []
        (sent,) = self.sent_invitations()
        assert (sent.email, sent.invitation.email) == ("bob@example.org", "bob@example.org")
        assert sent.message is django_mail.outbox[0]
        assert sent.link in sent.message.body
        assert self.sent_invitations() == [sent]
        assert len(django_mail.outbox) == 1

    def test_nothing_is_done_twice(self) -> None:
        heard = Heard()
        signals.invitation_created.connect(heard)
        with self.captureOnCommitCallbacks(execute=True):
            self.make_invitation("bob@example.org", make_user())
        self.sent_invitations()
        assert (heard.times, len(django_mail.outbox)) == (1, 1)

    def test_what_was_committed_is_not_sent_again(self) -> None:
        self.client.force_login(make_user())
        with self.captureOnCommitCallbacks(execute=True):
            self.client.post(reverse("invitation_invite"), {"email": "bob@example.org"})
        assert len(self.sent_invitations()) == len(django_mail.outbox) == 1


class CommittingTests(testing.InvitationTestMixin, TransactionTestCase):
    def test_it_works_where_things_are_committed(self) -> None:
        self.make_invitation("bob@example.org", make_user())
        assert len(django_mail.outbox) == 1
        assert [sent.email for sent in self.sent_invitations()] == ["bob@example.org"]


def test_a_signal_is_sent_as_after_the_commit(make_invitation: Made, heard: Heard, db: Any) -> None:
    make_invitation("bob@example.org", make_user())
    assert heard.times == 1


def test_the_link_is_the_mailed_one_or_the_copied_one(
    make_invitation: Made, invitation_link: Callable[..., str], client: Client
) -> None:
    invitation = make_invitation(inviter=make_user())
    assert invitation.email == "invited@example.com"
    assert channel(invitation_link(invitation)) == keys.MAIL
    assert channel(invitation_link(invitation, copied=True)) == keys.COPY
    assert client.get(invitation_link(invitation), follow=True).status_code == 200


def test_a_shared_link_is_a_copied_one(
    admin_user: Any, invitation_link: Callable[..., str]
) -> None:
    link = sharing.share(admin_user, label="Class", max_uses=3, expires_at=None)
    assert channel(invitation_link(link)) == keys.COPY


def test_options_and_errors_are_those_of_inviting(make_invitation: Made) -> None:
    inviter = make_user()
    invitation = make_invitation(inviter=inviter, recipient_name="Bob", mail=False)
    assert invitation.recipient_name == "Bob"
    with pytest.raises(AddressRefused):
        make_invitation("nobody", inviter)


def test_without_an_inviter_the_site_invites(make_invitation: Made, sent_invitations: Sent) -> None:
    invitation = make_invitation()
    assert (invitation.from_site, invitation.from_user) == (True, None)
    assert [sent.invitation for sent in sent_invitations()] == [invitation]


def test_what_was_not_mailed_is_not_sent(make_invitation: Made, sent_invitations: Sent) -> None:
    make_invitation(inviter=make_user(), mail=False)
    assert sent_invitations() == []


def test_who_has_unsubscribed_gets_nothing(make_invitation: Made, sent_invitations: Sent) -> None:
    mail.suppress("bob@example.org")
    make_invitation("bob@example.org", make_user())
    assert sent_invitations() == []


def test_what_a_worker_would_send_is_sent(
    make_invitation: Made, sent_invitations: Sent, settings: Any
) -> None:
    settings.INVITATION_DELIVERY = LATER
    make_invitation("bob@example.org", make_user())
    assert django_mail.outbox == []
    (sent,) = sent_invitations()
    assert sent.message is django_mail.outbox[0]


def test_without_django_mail_there_is_no_message(
    make_invitation: Made, sent_invitations: Sent, settings: Any
) -> None:
    settings.INVITATION_DELIVERY = "invitation.delivery.dummy.DummyDelivery"
    make_invitation("bob@example.org", make_user())
    (sent,) = sent_invitations()
    assert sent.message is None
    assert arriving.open_invitation(sent.link.rstrip("/").rsplit("/", 1)[1]).invitation.pk


# Processes of a site


run = partial(run_in, ROOT)


SITE = """
def test_sign_up(client, django_user_model, make_invitation, invitation_link, sent_invitations):
    ann = django_user_model.objects.create_user("ann", "ann@example.com")
    response = client.get(invitation_link(make_invitation("bob@example.org", ann)), follow=True)
    assert response.status_code == 200
    assert [sent.email for sent in sent_invitations()] == ["bob@example.org"]
"""


@pytest.mark.long
def test_the_plugin_needs_no_django_that_is_set_up(tmp_path: Path) -> None:
    """A plugin on the command line is imported first of all."""
    (tmp_path / "test_site.py").write_text(SITE)
    command = ["-m", "pytest", "-q", "-p", "invitation.testing.pytest", "-p", "no:cacheprovider"]
    said = run(*command, "-c", str(ROOT / "pyproject.toml"), f"--rootdir={ROOT}", str(tmp_path))
    assert "1 passed" in said
