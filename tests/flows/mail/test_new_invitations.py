"""An email that leaves right after its invitation was made: what others change meanwhile counts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from invitation.flows import inviting, mail, upkeep
from invitation.models import DeliveryPause, InvitationEmail, InvitationKey
from invitation.models.managers import InvitationEmailManager
from tests import scenes
from tests.factories import ADDRESS

pytestmark = [pytest.mark.django_db, pytest.mark.anywhere]

#: Something that another process does between the commit and the sending.
Change = Callable[[], Any]


@pytest.fixture(autouse=True)
def _by_email(settings: Any) -> None:
    settings.INVITATION_DELIVERY = "invitation.delivery.email.EmailDelivery"


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Change], None]:
    """Return what lets something happen right before the email is looked at again."""
    look_again = InvitationEmailManager.look_again

    def let(change: Change) -> None:
        def look(self: Any, held: InvitationEmail, digests: Any) -> bool | None:
            change()
            return look_again(self, held, digests)

        monkeypatch.setattr(InvitationEmailManager, "look_again", look)

    return let


def invite(member: Any, commit: Any, **fields: Any) -> tuple[InvitationKey, InvitationEmail]:
    with commit():
        invitation = inviting.invite(member, ADDRESS, **fields).invitation
    return invitation, InvitationEmail.objects.get()


def rows() -> Any:
    return InvitationKey.objects.all()


@pytest.mark.parametrize("days", ["default", None])
def test_its_rows_are_not_read_again(
    member: Any, commit: Any, settings: Any, mailoutbox: list[Any], days: Any
) -> None:
    settings.INVITATION_EXPIRY_CHOICES = [None]
    with commit(), scenes.statements() as asked:
        inviting.invite(member, ADDRESS, days=days)
    assert len(mailoutbox) == 1
    assert InvitationEmail.objects.get().state == "sent"
    assert not [sql for sql in asked if sql.startswith("SELECT") and 'recipient_name",' in sql]


def test_one_that_was_revoked_is_not_sent(
    member: Any, commit: Any, meanwhile: Any, mailoutbox: list[Any]
) -> None:
    meanwhile(lambda: inviting.revoke(rows().get()))
    assert invite(member, commit)[1].failure == "pointless"
    assert mailoutbox == []


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("note", "Come soon", "Come soon"),
        ("recipient_name", "Kim", "Kim"),
        ("locator", "x" * 22, "x" * 22),
        ("language", "de", "Guten Tag"),
        ("uses", 0, ""),
    ],
)
def test_it_says_what_is_true_by_then(
    member: Any,
    commit: Any,
    meanwhile: Any,
    mailoutbox: list[Any],
    field: str,
    value: Any,
    words: str,
) -> None:
    meanwhile(lambda: rows().update(**{field: value}))
    assert invite(member, commit, note="Come")[1].state == "sent"
    assert words in str(mailoutbox[0].body)


@pytest.mark.parametrize("expires_at", [None, timezone.now() + timedelta(days=400)])
def test_its_end_is_that_of_the_row(
    member: Any, commit: Any, meanwhile: Any, mailoutbox: list[Any], expires_at: Any
) -> None:
    meanwhile(lambda: rows().update(expires_at=expires_at))
    invite(member, commit)
    year = timezone.localtime(expires_at).year if expires_at else "expires"
    assert (str(year) in str(mailoutbox[0].body)) == (expires_at is not None)


def test_it_waits_while_the_delivery_is_paused(
    member: Any, commit: Any, meanwhile: Any, mailoutbox: list[Any]
) -> None:
    meanwhile(lambda: DeliveryPause.objects.close("no mail server", timezone.now()))
    _invitation, waiting = invite(member, commit)
    assert (waiting.state, waiting.attempts, mailoutbox) == ("queued", 0, [])


def test_a_suppressed_address_gets_none(
    member: Any, commit: Any, meanwhile: Any, mailoutbox: list[Any]
) -> None:
    meanwhile(lambda: mail.suppress(ADDRESS))
    assert invite(member, commit)[1].state == "suppressed"
    assert mailoutbox == []


def test_an_email_that_another_sender_has_is_left_to_it(
    member: Any, commit: Any, meanwhile: Any, mailoutbox: list[Any]
) -> None:
    later = timezone.now() + timedelta(hours=1)
    meanwhile(lambda: InvitationEmail.objects.update(lease_until=later))
    assert invite(member, commit)[1].state == "sending"
    assert mailoutbox == []


@pytest.mark.parametrize("required", [True, False])
def test_an_inviter_who_may_no_longer_invite_sends_none(
    member: Any,
    commit: Any,
    settings: Any,
    meanwhile: Any,
    mailoutbox: list[Any],
    required: bool,
) -> None:
    settings.INVITATION_REQUIRE_ACTIVE_INVITER = required
    accounts = get_user_model()._default_manager
    meanwhile(lambda: accounts.filter(pk=member.pk).update(is_active=False))
    invite(member, commit)
    assert len(mailoutbox) == (0 if required else 1)


def test_an_invitation_that_is_gone_is_not_sent(
    member: Any, commit: Any, meanwhile: Any, mailoutbox: list[Any]
) -> None:
    meanwhile(lambda: rows().delete())
    with commit():
        inviting.invite(member, ADDRESS)
    assert (mailoutbox, upkeep.expire()) == ([], 0)


def test_each_signing_key_may_have_hashed_an_address(
    member: Any, commit: Any, settings: Any, mailoutbox: list[Any]
) -> None:
    mail.suppress(ADDRESS)
    first = settings.SECRET_KEY
    settings.INVITATION_SIGNING_KEYS = ["another key of at least thirty-two characters", first]
    assert invite(member, commit)[1].state == "suppressed"
    assert mailoutbox == []
