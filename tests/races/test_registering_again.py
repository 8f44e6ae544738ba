"""Many people register one address through shared links at once, and ask for its emails."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from django.core import mail

from invitation.flows import sharing
from invitation.flows.mail import account_mails
from invitation.models import InvitationKey
from tests.factories import make_user
from tests.races.arena import Arena
from tests.races.people import User
from tests.races.wire import Answer, Site
from tests.scenes import REGISTER, RESEND, answers

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody wait."""
    for place in ("invitation.flows.mail", "invitation.flows.mail.timing"):
        monkeypatch.setattr(f"{place}.wait", lambda *spent, **kind: None)


def links(number: int) -> list[InvitationKey]:
    owner = make_user(f"owner{number}", is_superuser=True)
    terms: dict[str, Any] = {"label": "Fair", "max_uses": None, "expires_at": None}
    return [sharing.share(owner, **terms) for _link in range(2)]


def test_one_address_has_one_account_whichever_links_it_takes(
    short_arena: Arena, site: Site, atomic_requests: bool
) -> None:
    def register(shared: list[InvitationKey], number: int) -> Answer:
        link = shared[number % 2]
        typed = answers(f"new{link.from_user_id}@example.org", f"user{number}-of-{link.pk}")
        return site.post(REGISTER, typed, {"invitation_key": link.key})

    def after(shared: list[InvitationKey], got: list[Answer]) -> None:
        address = f"new{shared[0].from_user_id}@example.org"
        assert User.objects.filter(email=address).count() == 1
        # Neither counts for who came first, nor for those who came again.
        uses = InvitationKey.objects.filter(pk__in=[link.pk for link in shared])
        assert sum(uses.values_list("uses", flat=True)) == 1
        sent = [found for found in mail.outbox if found.to == [address]]
        statuses = Counter(answer.status for answer in got)
        assert len(sent) == statuses[302] == min(len(got), account_mails.RECIPIENT_LIMIT)
        assert set(statuses) <= {302, 429}

    short_arena.race([register], before=links, after=after)


def test_so_many_emails_and_no_more_are_sent_again(
    short_arena: Arena, site: Site, atomic_requests: bool
) -> None:
    def before(number: int) -> str:
        [link, _other] = links(number)
        address = f"new{link.from_user_id}@example.org"
        typed = answers(address, f"user-of-{link.pk}")
        assert site.post(REGISTER, typed, {"invitation_key": link.key}).status == 302
        return address

    def resend(address: str, number: int) -> None:
        for _again in range(2):
            assert site.post(RESEND, {"email": address}).status == 200

    def after(address: str, got: list[Any]) -> None:
        sent = [found for found in mail.outbox if found.to == [address]]
        assert len(sent) == account_mails.RECIPIENT_LIMIT

    short_arena.race([resend], before=before, after=after)
