"""Whatever is asked for in whatever order: nobody gets more emails than allowed in any 24 hours."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import time_machine
from django.db import transaction
from django.test import TestCase, override_settings
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from invitation.addresses.recipients import Recipient
from invitation.delivery.dummy import DummyDelivery
from invitation.exceptions import InvitationError, MailLimitReached
from invitation.flows import inviting, lists, upkeep
from invitation.flows.mail import queue as queue_mail
from invitation.models import InvitationEmail, InvitationKey
from tests.factories import make_user

NOON = datetime(2026, 3, 28, 12, 40, tzinfo=timezone.utc)
LIMITS = {"inviter": 6, "recipient": 3, "domain": 5, "site": 10}
NAMES = ("ann", "zoe", "eve")
Kind = InvitationEmail.Kind

places = st.integers(min_value=0, max_value=20)
#: The mailbox that each address leads to; those of members, too.
MAILBOXES = {
    "kim@gmail.com": "kim",
    "k.im@gmail.com": "kim",
    "kim+a@gmail.com": "kim",
    "K.i.m+b@googlemail.com": "kim",
    "lou@gmail.com": "lou",
    "lou+1@gmail.com": "lou",
    "kim@example.org": "another kim",
    **{f"{name}@example.com": name for name in NAMES},
}
emails = st.sampled_from(sorted(MAILBOXES))


class Mails(RuleBasedStateMachine):
    """Let members ask for emails, and note when each is written, by whom and to whom."""

    def __init__(self) -> None:
        super().__init__()
        self.atomic = transaction.atomic()
        self.atomic.__enter__()
        self.clock = time_machine.travel(NOON, tick=False)
        self.hands = self.clock.start()
        self.members = [make_user(name) for name in NAMES]
        self.seen = 0
        #: When emails were written, by what they count for.
        self.written: dict[tuple[str, Any], list[datetime]] = defaultdict(list)

    def teardown(self) -> None:
        DummyDelivery.outbox.clear()
        self.clock.stop()
        transaction.set_rollback(True)
        self.atomic.__exit__(None, None, None)

    def do(self, verb: Callable[[], Any], *, leave: bool = True) -> None:
        """Do it, perhaps with what follows the commit, and note which emails it has written."""
        refusal: InvitationError | None = None
        try:
            with TestCase.captureOnCommitCallbacks(execute=leave):
                verb()
        except InvitationError as error:
            refusal = error
        now, rows = datetime.now(timezone.utc), InvitationEmail.objects.filter(pk__gt=self.seen)
        mails = list(rows.select_related("invitation__from_user").order_by("pk"))
        for mail in mails:
            self.seen, invitation = mail.pk, mail.invitation
            own = mail.kind in (Kind.INVITATION, Kind.REMINDER)
            to = invitation.email if own else invitation.from_user.email
            if mail.kind == Kind.INVITATION:
                self.written["inviter", invitation.from_user_id].append(now)
            self.written["recipient", MAILBOXES[to]].append(now)
            self.written["domain", to.rpartition("@")[2]].append(now)
            self.written["site", invitation.site_id].append(now)
        if isinstance(refusal, MailLimitReached):
            assert not mails
            self.check_was_full(refusal.code.removesuffix("_limit_reached"), now)

    def check_was_full(self, name: str, now: datetime) -> None:
        """Check that nobody is refused long after the emails that filled a limit."""
        recent = [
            sum(moment > now - timedelta(hours=25) for moment in moments)
            for scope, moments in self.written.items()
            if scope[0] == name
        ]
        assert max(recent) >= LIMITS[name]

    def invitation(self, place: int) -> InvitationKey:
        rows = InvitationKey.objects.select_related("from_user").order_by("pk")
        return rows[place % len(rows)]

    def some(self) -> bool:
        return InvitationKey.objects.exists()

    @invariant()
    def nobody_gets_more_in_any_24_hours(self) -> None:
        for (name, _whom), moments in self.written.items():
            most = LIMITS[name]
            for first, last in zip(moments, moments[most:], strict=False):
                assert last - first > timedelta(hours=24)

    @rule(minutes=st.sampled_from([1, 61, 60 * 11, 60 * 24 - 1, 60 * 24, 60 * 25, 60 * 24 * 8]))
    def wait(self, minutes: int) -> None:
        self.hands.shift(timedelta(minutes=minutes))

    @rule(place=places, email=emails, leave=st.booleans())
    def invite(self, place: int, email: str, leave: bool) -> None:
        self.do(lambda: inviting.invite(self.members[place % 3], email), leave=leave)

    @rule(place=places, some=st.lists(emails, min_size=1, max_size=9))
    def invite_many(self, place: int, some: list[str]) -> None:
        rows = [Recipient(number, email) for number, email in enumerate(some, start=1)]
        self.do(lambda: lists.invite_many(self.members[place % 3], rows))

    @precondition(some)
    @rule(place=places, times=st.integers(1, 3), leave=st.booleans())
    def resend(self, place: int, times: int, leave: bool) -> None:
        for _time in range(times):
            self.do(lambda: inviting.resend(self.invitation(place)), leave=leave)

    @precondition(some)
    @rule(place=places)
    def resend_with_a_new_link(self, place: int) -> None:
        self.do(lambda: inviting.change_link(self.invitation(place)))
        self.do(lambda: inviting.resend(self.invitation(place)))

    @precondition(some)
    @rule(place=places, email=emails)
    def send_to(self, place: int, email: str) -> None:
        row = self.invitation(place)
        self.do(lambda: inviting.send_to(row, email))

    @precondition(some)
    @rule(place=places)
    def withdraw_and_renew(self, place: int) -> None:
        self.do(lambda: inviting.revoke(self.invitation(place)))
        self.do(lambda: inviting.renew(self.invitation(place)))

    @precondition(some)
    @rule(place=places)
    def withdraw_and_ask(self, place: int) -> None:
        self.do(lambda: inviting.revoke(self.invitation(place)))
        self.do(lambda: inviting.ask_for_renewal(self.invitation(place).key))

    @precondition(some)
    @rule(place=places, kind=st.sampled_from([Kind.REMINDER, Kind.ACCEPTED, Kind.EXPIRED]))
    def tell(self, place: int, kind: Kind) -> None:
        self.do(lambda: queue_mail(self.invitation(place), kind))

    @rule()
    def clean_up(self) -> None:
        upkeep.expire()
        upkeep.purge()
        upkeep.forget_mail_counts()

    @precondition(some)
    @rule(place=places)
    def delete(self, place: int) -> None:
        self.invitation(place).delete()


@pytest.mark.django_db
@pytest.mark.parametrize("lives", [2, pytest.param(25, marks=pytest.mark.exhaustive)])
def test_no_mailbox_gets_more_than_its_limit_whatever_the_order(lives: int) -> None:
    with override_settings(
        INVITATIONS_PER_USER=None, INVITATION_RESEND_COOLDOWN=timedelta(), INVITATION_LIMITS=LIMITS
    ):
        run_state_machine_as_test(
            Mails, settings=hypothesis_settings(max_examples=lives, stateful_step_count=40)
        )
