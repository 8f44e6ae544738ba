"""Who has a dead link asks for a new one; the inviter gets an email and gives it, or does not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from invitation import keys
from invitation.exceptions import (
    AlreadyInvited,
    InvitingForbidden,
    MailTooSoon,
    NotRenewable,
    QuotaExceeded,
)
from invitation.flows import arriving, inviting, upkeep
from invitation.flows.inviting import renewing
from invitation.flows.inviting.renewing import (
    REQUEST_PAUSE,
    REQUESTS_PER_INVITATION,
    REQUESTS_PER_INVITER,
)
from invitation.flows.mail import deliver, suppress
from invitation.keys import sites
from invitation.models import InvitationEmail, InvitationKey, InvitationQuota, SuppressedAddress
from invitation.models.querysets import RENEWAL_KEPT
from tests.factories import ADDRESS, DAY, make_invitation, make_mail, make_user, spent
from tests.flows.conftest import Heard

pytestmark = [pytest.mark.django_db, pytest.mark.anywhere]
Status = InvitationKey.Status
SECOND = timedelta(seconds=1)


def site_id() -> int:
    """Return the id of this site, which is another one where contrib.sites is not installed."""
    return sites.current_site_id()


def dead(inviter: Any, status: str = Status.EXPIRED, **fields: Any) -> InvitationKey:
    """Return an invitation that has ended."""
    return make_invitation(inviter, site_id=site_id(), status=status, **fields)


def requests() -> int:
    """Return how many emails ask for a new link."""
    return InvitationEmail.objects.filter(kind="renewal").count()


# -- who may ask --


@pytest.mark.parametrize("status", [Status.EXPIRED, Status.REVOKED])
@pytest.mark.parametrize("channel", keys.CHANNELS)
def test_the_inviter_gets_one_mail(
    member: Any, commit: Any, outbox: list[InvitationEmail], status: str, channel: str
) -> None:
    row = dead(member, status)
    with commit():
        assert inviting.ask_for_renewal(keys.make(row.locator, channel, row.site_id))
    [mail] = outbox
    assert (mail.kind, mail.invitation, mail.invitation.from_user) == ("renewal", row, member)
    row.refresh_from_db()
    assert row.renewal_requested_at is not None
    assert InvitationEmail.objects.get().state == "sent"


def test_one_that_ran_out_is_marked_first_as_cleanup_would(member: Any, heard: Heard) -> None:
    row = make_invitation(member, site_id=site_id(), left=-DAY, quota_held=1)
    assert inviting.ask_for_renewal(row.mail_key)
    row.refresh_from_db()
    assert (row.status, row.pending_slot, row.quota_held) == ("expired", None, 1)
    assert requests() == 1


def test_that_it_was_marked_is_told(member: Any, commit: Any, heard: Heard) -> None:
    row = make_invitation(member, site_id=site_id(), left=-DAY)
    with commit():
        inviting.ask_for_renewal(row.mail_key)
    assert heard.names() == [
        "invitations_expired",
        "invitation_renewal_requested",
        "mail_settled",
    ]
    assert heard.last("invitations_expired")["invitation_ids"] == [row.pk]


@pytest.mark.parametrize(
    "fields",
    [
        {"status": Status.PENDING},
        {"status": Status.PENDING, "left": None},
        {"status": Status.DECLINED},
        {"status": Status.ACCEPTED, "uses": 1},
        {"status": Status.EXPIRED, "email": ""},
        {"status": Status.EXPIRED, "shared": True},
    ],
    ids=["open", "open for ever", "declined", "used", "to nobody", "shared"],
)
def test_for_others_nobody_is_asked(member: Any, fields: dict[str, Any]) -> None:
    row = make_invitation(member, site_id=site_id(), **fields)
    before = InvitationKey.objects.values().get()
    assert not inviting.ask_for_renewal(row.mail_key)
    assert InvitationKey.objects.values().get() == before
    assert requests() == 0
    assert InvitationQuota.objects.count() == 0


@pytest.mark.parametrize("fault", ["gone", "inactive", "may not", "no address", "bad address"])
def test_nor_is_an_inviter_who_could_not_do_it(member: Any, settings: Any, fault: str) -> None:
    row = dead(None if fault == "gone" else member)
    if fault == "inactive":
        member.is_active = False
    elif fault == "may not":
        settings.INVITATION_PERMISSION = "invitation.add_invitationkey"
    elif fault in ("no address", "bad address"):
        setattr(member, member.get_email_field_name(), "" if fault == "no address" else "x@y")
    member.save()
    assert not inviting.ask_for_renewal(row.mail_key)
    row.refresh_from_db()
    assert (requests(), row.renewal_requested_at) == (0, None)


@pytest.mark.parametrize("text", ["", "x", None, 7, "x" * keys.KEY_LENGTH, "none"])
def test_what_is_no_key_asks_nobody_and_costs_no_query(
    django_assert_num_queries: Any, text: object
) -> None:
    with django_assert_num_queries(0):
        assert not inviting.ask_for_renewal(text, 1)


def test_nor_does_a_forged_one(member: Any, django_assert_num_queries: Any) -> None:
    forged = f"{dead(member).locator}.{'x' * keys.SIGNATURE_LENGTH}"
    with django_assert_num_queries(0):
        assert not inviting.ask_for_renewal(forged, site_id())


def test_nor_does_that_of_an_invitation_that_is_deleted(member: Any) -> None:
    row = dead(member)
    InvitationKey.objects.all().delete()
    assert not inviting.ask_for_renewal(row.mail_key)


def test_nor_does_that_of_another_site(member: Any) -> None:
    row = dead(member)
    assert not inviting.ask_for_renewal(row.mail_key, site_id() + 1)


# -- how often --


def test_once_a_day_for_one_invitation(member: Any) -> None:
    row = dead(member)
    with time_machine.travel(timezone.now(), tick=False) as clock:
        assert inviting.ask_for_renewal(row.mail_key)
        clock.shift(DAY - SECOND)
        assert not inviting.ask_for_renewal(row.mail_key)
        clock.shift(SECOND)
        assert inviting.ask_for_renewal(row.mail_key)
    assert requests() == 2


def test_so_many_times_in_all_for_one_invitation(member: Any) -> None:
    row = dead(member)
    with time_machine.travel(timezone.now(), tick=False) as clock:
        for _ in range(REQUESTS_PER_INVITATION):
            assert inviting.ask_for_renewal(row.mail_key)
            clock.shift(REQUEST_PAUSE)
        row.refresh_from_db()
        last = row.renewal_requested_at
        assert not inviting.ask_for_renewal(row.mail_key)
    row.refresh_from_db()
    # Whoever asks once too often does not keep the row from being deleted either.
    assert (requests(), row.renewal_requested_at) == (REQUESTS_PER_INVITATION, last)


def test_so_many_mails_a_day_for_one_inviter(member: Any, settings: Any) -> None:
    settings.INVITATION_LIMITS = {"recipient": None}
    rows = [dead(member, email=f"{n}@example.org") for n in range(REQUESTS_PER_INVITER + 1)]
    other = dead(make_user("ann"))
    with time_machine.travel(timezone.now(), tick=False) as clock:
        asked = [inviting.ask_for_renewal(row.mail_key) for row in rows]
        assert asked == [True] * REQUESTS_PER_INVITER + [False]
        assert inviting.ask_for_renewal(other.mail_key)
        clock.shift(REQUEST_PAUSE - SECOND)
        assert not inviting.ask_for_renewal(rows[-1].mail_key)
        clock.shift(SECOND)
        assert inviting.ask_for_renewal(rows[-1].mail_key)


def test_a_mail_that_cannot_be_written_leaves_no_request(
    member: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Crash(Exception):
        pass

    def crash(*arguments: Any) -> None:
        raise Crash

    row = dead(member)
    monkeypatch.setattr(renewing, "queue_mail", crash)
    with pytest.raises(Crash):
        inviting.ask_for_renewal(row.mail_key)
    row.refresh_from_db()
    assert row.renewal_requested_at is None


# -- the email in the outbox --


def leased(invitation: InvitationKey) -> InvitationEmail:
    mail = make_mail(invitation, kind="renewal")
    held = InvitationEmail.objects.lease(mail.pk, timezone.now())
    assert held is not None
    return held


@pytest.mark.parametrize("status", [Status.EXPIRED, Status.REVOKED])
def test_it_leaves_though_its_invitation_has_ended_and_is_no_invitation_sent(
    member: Any, commit: Any, heard: Heard, outbox: list[InvitationEmail], status: str
) -> None:
    mail = leased(dead(member, status))
    with commit():
        assert deliver(mail)
    assert len(outbox) == 1
    assert "invitation_sent" not in heard.names()


@pytest.mark.parametrize("why", ["open again", "used", "declined", "inactive", "gone"])
def test_it_does_not_leave_once_it_is_pointless(
    member: Any, outbox: list[InvitationEmail], why: str
) -> None:
    row = dead(member)
    rows = InvitationKey.objects.filter(pk=row.pk)
    if why == "open again":
        inviting.extend(row)
    elif why == "inactive":
        member.is_active = False
        member.save()
    elif why == "gone":
        rows.update(from_user=None)
    else:
        rows.update(status={"used": Status.ACCEPTED, "declined": Status.DECLINED}[why])
    assert not deliver(leased(row))
    assert outbox == []
    mail = InvitationEmail.objects.get()
    assert (mail.state, mail.last_error) == (
        "failed",
        "Only expired and revoked invitations can be renewed.",
    )


@pytest.mark.parametrize(
    ("reason", "sent"), [("bounced", 0), ("complained", 0), ("unsubscribed", 1), ("admin", 1)]
)
def test_it_does_not_leave_to_an_address_that_takes_no_mail(
    member: Any, outbox: list[InvitationEmail], reason: str, sent: int
) -> None:
    mail = leased(dead(member))
    suppress(member.email, SuppressedAddress.Reason(reason))
    assert deliver(mail) == sent == len(outbox)
    mail.refresh_from_db()
    assert (mail.state, mail.failure) == (("sent", "") if sent else ("failed", reason))


def test_a_mail_to_the_invited_still_stays_once_it_has_ended(
    member: Any, outbox: list[InvitationEmail]
) -> None:
    mail = make_mail(dead(member))
    held = InvitationEmail.objects.lease(mail.pk, timezone.now())
    assert held is not None
    assert not deliver(held)
    assert outbox == []


def test_resending_queues_the_mail_to_the_invited_and_not_that_to_the_inviter(
    member: Any, commit: Any, outbox: list[InvitationEmail]
) -> None:
    row = make_invitation(member, site_id=site_id())
    later = timezone.now() + DAY
    waiting = make_mail(row, kind="renewal", not_before=later)
    failed = make_mail(row, kind="renewal", state="failed")
    with commit():
        inviting.resend(row)
    assert [mail.kind for mail in outbox] == ["invitation"]
    waiting.refresh_from_db()
    failed.refresh_from_db()
    assert (waiting.state, waiting.not_before, failed.state) == ("queued", later, "failed")


def test_that_to_the_inviter_waits_for_its_own_turn(
    member: Any, commit: Any, outbox: list[InvitationEmail]
) -> None:
    row = make_invitation(member, site_id=site_id())
    asking = make_mail(row, kind="renewal")
    make_mail(row, state="failed")
    with commit():
        inviting.resend(row)
    asking.refresh_from_db()
    assert ([mail.kind for mail in outbox], asking.state) == (["invitation"], "queued")


def test_what_a_member_is_shown_of_his_mails_are_those_to_the_invited(member: Any) -> None:
    row = dead(member)
    make_mail(row, state="sent")
    make_mail(row, kind="renewal", state="failed", failure="refused", last_error="550 no")
    shown: Any = InvitationKey.objects.with_latest_mail().get()
    assert (shown.latest_mail_state, shown.mail_refusal) == ("sent", "")


def test_an_invitation_with_no_other_mail_is_not_mailed(member: Any) -> None:
    make_mail(dead(member), kind="renewal")
    shown: Any = InvitationKey.objects.with_latest_mail().get()
    assert shown.latest_mail_state is None


# -- giving a new link --


@pytest.fixture
def mailed(member: Any, commit: Any) -> InvitationKey:
    """Return an invitation that was made and emailed an hour ago."""
    with time_machine.travel(timezone.now() - timedelta(hours=1), tick=False), commit():
        return inviting.invite(member, ADDRESS, recipient_name="Bob", note="Come!").invitation


def ran_out(invitation: InvitationKey) -> InvitationKey:
    InvitationKey.objects.update(expires_at=timezone.now() - SECOND)
    upkeep.expire()
    invitation.refresh_from_db()
    return invitation


def test_an_expired_one_opens_again_with_the_link_that_is_out(
    member: Any, mailed: InvitationKey, commit: Any, outbox: list[InvitationEmail]
) -> None:
    key = mailed.mail_key
    with commit():
        renewed = inviting.renew(ran_out(mailed))
    assert (renewed.invitation, renewed.created, renewed.mailed) == (mailed, False, True)
    assert arriving.open_invitation(key).invitation == mailed
    assert ([mail.kind for mail in outbox], spent(member)) == (["invitation"] * 2, 1)


def test_one_that_ran_out_unmarked_opens_again_too(mailed: InvitationKey) -> None:
    InvitationKey.objects.update(expires_at=timezone.now() - SECOND)
    mailed.refresh_from_db()
    inviting.renew(mailed)
    assert mailed.is_usable()


def test_one_that_was_withdrawn_stays_dead_and_the_person_is_invited_anew(
    member: Any, mailed: InvitationKey, commit: Any, outbox: list[InvitationEmail]
) -> None:
    InvitationKey.objects.update(data={"plan": "gold"}, language="fr")
    mailed.refresh_from_db()
    inviting.revoke(mailed)
    with commit():
        renewed = inviting.renew(mailed)
    new = renewed.invitation
    assert (renewed.created, new.pk != mailed.pk, new.locator != mailed.locator) == (True,) * 3
    assert (new.email, new.recipient_name, new.note) == (ADDRESS, "Bob", "Come!")
    assert (new.data, new.language, new.site_id) == ({"plan": "gold"}, "fr", mailed.site_id)
    mailed.refresh_from_db()
    assert (mailed.status, spent(member), len(outbox)) == ("revoked", 2, 2)


def test_a_second_click_makes_no_second_one(member: Any, mailed: InvitationKey) -> None:
    inviting.revoke(mailed)
    first = inviting.renew(mailed)
    second = inviting.renew(mailed)
    assert (second.invitation, second.created, second.mailed) == (first.invitation, False, False)
    assert spent(member) == 2


@pytest.mark.parametrize(
    "fields",
    [
        {"status": Status.PENDING},
        {"status": Status.DECLINED},
        {"status": Status.ACCEPTED, "uses": 1},
        {"status": Status.EXPIRED, "email": ""},
        {"status": Status.REVOKED, "shared": True},
    ],
    ids=["open", "declined", "used", "to nobody", "shared"],
)
def test_others_cannot_be_renewed(member: Any, fields: dict[str, Any]) -> None:
    row = make_invitation(member, site_id=site_id(), **fields)
    assert not inviting.is_renewable(row)
    with pytest.raises(NotRenewable):
        inviting.renew(row)


@pytest.mark.parametrize("status", [Status.EXPIRED, Status.REVOKED])
def test_without_quota_it_stays_as_it_is(member: Any, settings: Any, status: str) -> None:
    settings.INVITATIONS_PER_USER = 0
    row = dead(member, status)
    with pytest.raises(QuotaExceeded):
        inviting.renew(row)
    assert InvitationKey.objects.get().status == status


def test_nor_can_an_expired_one_beside_an_open_one(member: Any) -> None:
    row = dead(member)
    make_invitation(member, site_id=site_id())
    with pytest.raises(AlreadyInvited):
        inviting.renew(row)


def test_nor_one_that_was_mailed_a_moment_ago(mailed: InvitationKey) -> None:
    InvitationKey.objects.update(mail_requested_at=timezone.now())
    with pytest.raises(MailTooSoon):
        inviting.renew(ran_out(mailed))
    assert mailed.status == "expired"


def test_nor_by_who_may_not_invite(member: Any) -> None:
    row = dead(member, Status.REVOKED)
    member.is_active = False
    with pytest.raises(InvitingForbidden):
        inviting.renew(row)


# -- what it costs --


@pytest.mark.parametrize("refund", [True, False])
def test_one_that_expired_costs_what_it_gave_back(
    member: Any, mailed: InvitationKey, settings: Any, refund: bool
) -> None:
    settings.INVITATION_REFUND_EXPIRED = refund
    ran_out(mailed)
    before = spent(member)
    assert inviting.renewal_costs(mailed) is refund
    inviting.renew(mailed)
    assert spent(member) - before == int(refund)


def test_one_that_is_not_cleaned_up_costs_nothing(member: Any, mailed: InvitationKey) -> None:
    InvitationKey.objects.update(expires_at=timezone.now() - SECOND)
    mailed.refresh_from_db()
    assert not inviting.renewal_costs(mailed)
    inviting.ask_for_renewal(mailed.mail_key)
    mailed.refresh_from_db()
    assert not inviting.renewal_costs(mailed)
    inviting.renew(mailed)
    assert spent(member) == 1


def test_one_that_was_withdrawn_costs_one_unless_the_address_has_an_open_one(
    member: Any, mailed: InvitationKey
) -> None:
    inviting.revoke(mailed)
    assert inviting.renewal_costs(mailed)
    inviting.invite(member, ADDRESS)
    assert not inviting.renewal_costs(mailed)


def test_so_does_one_to_nobody(member: Any) -> None:
    assert inviting.renewal_costs(dead(member, Status.REVOKED, email=""))


# -- cleanup --


@pytest.mark.usefixtures("no_retention")
@pytest.mark.parametrize("status", [Status.EXPIRED, Status.REVOKED])
def test_one_that_is_asked_for_is_kept_a_week_for_its_inviter(member: Any, status: str) -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock:
        row = dead(member, status)
        inviting.ask_for_renewal(row.mail_key)
        dead(member, status, email="other@example.org")
        assert upkeep.purge() == 1
        clock.shift(RENEWAL_KEPT - SECOND)
        assert (upkeep.count_cleanup(), upkeep.purge()) == ((0, 0), 0)
        clock.shift(SECOND)
        assert (upkeep.count_cleanup(), upkeep.purge()) == ((0, 1), 1)
    assert InvitationEmail.objects.count() == 0


@pytest.mark.usefixtures("no_retention")
def test_a_time_that_is_passed_counts_for_that_too(member: Any) -> None:
    inviting.ask_for_renewal(dead(member).mail_key)
    assert upkeep.purge(now=timezone.now() + RENEWAL_KEPT - DAY) == 0
    assert upkeep.purge(now=timezone.now() + RENEWAL_KEPT + SECOND) == 1


def test_one_that_is_asked_for_as_cleanup_comes_stays(member: Any) -> None:
    row = dead(member)
    now = timezone.now()
    InvitationKey.objects.request_renewal(row.pk, now, REQUEST_PAUSE)
    assert InvitationKey.objects.purge([row.pk], now, now) == 0


@pytest.mark.usefixtures("no_retention")
def test_the_count_knows_that_what_was_asked_for_expires_but_stays(member: Any) -> None:
    asked = make_invitation(member, site_id=site_id(), left=-DAY)
    make_invitation(member, "other@example.org", site_id=site_id(), left=-DAY)
    InvitationKey.objects.filter(pk=asked.pk).update(renewal_requested_at=timezone.now())
    assert upkeep.count_cleanup() == (2, 1)
    assert (upkeep.expire(), upkeep.purge()) == (2, 1)
    assert InvitationKey.objects.get() == asked


@pytest.mark.usefixtures("no_retention")
def test_a_request_that_waits_goes_with_the_invitation(member: Any) -> None:
    row = dead(member)
    make_mail(row, kind="renewal")
    assert upkeep.purge() == 1
    assert InvitationEmail.objects.count() == 0
