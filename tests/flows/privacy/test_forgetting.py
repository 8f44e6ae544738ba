"""Whom an invitation was for is forgotten: after a while, or when they ask for it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from invitation.exceptions import InvitationError, NotPending, NotRenewable
from invitation.flows import arriving, inviting, privacy, quota, upkeep
from invitation.flows.mail import deliver_due, is_suppressed, suppress
from invitation.models import Acceptance, DeliveryPause, InvitationEmail, InvitationKey
from tests import scenes
from tests.factories import ADDRESS, DAY, make_acceptance, make_invitation, make_mail, make_user
from tests.flows.conftest import Heard

pytestmark = pytest.mark.django_db(transaction=True)

MONTH = 30 * DAY
IDNA = "Bob@xn--mnchen-3ya.example.org"
READABLE = "bob@münchen.example.org"
NAME, NOTE = "Robert Canary", "Dear Bob, the canary sings."
ENDED = ["accepted", "declined", "revoked", "expired"]


def ended(
    inviter: Any = None,
    email: str = ADDRESS,
    status: str = "revoked",
    age: Any = MONTH,
    **more: Any,
) -> InvitationKey:
    """Return an invitation that ended so long ago, with everything that names somebody."""
    fields = {"recipient_name": NAME, "note": NOTE, "data": {"who": NAME}, "label": "list:1"}
    moment = timezone.now() - age
    return make_invitation(inviter, email, status=status, ended_at=moment, **(fields | more))


def log(row: Any, text: str = "", age: Any = MONTH) -> LogEntry:
    """Return an entry of the admin's log about a row."""
    entry = LogEntry.objects.create(
        user=make_user(f"boss{LogEntry.objects.count()}"),
        content_type=ContentType.objects.get_for_model(type(row)),
        object_id=str(row.pk),
        object_repr=text or str(row),
        action_flag=CHANGE,
    )
    LogEntry.objects.filter(pk=entry.pk).update(action_time=timezone.now() - age)
    return entry


def stored(row: Any) -> Any:
    return type(row)._default_manager.get(pk=row.pk)


def hits(*texts: str) -> list[str]:
    """Return in which tables of this app, or of the admin's log, one of these texts stands."""
    tables = {
        name: repr(rows).lower() + json.dumps(rows, default=str).lower()
        for name, rows in scenes.dump().items()
        if name.startswith(("invitation_", "django_admin_log"))
    }
    assert len(tables) > 8
    return [name for name, rows in tables.items() if any(text.lower() in rows for text in texts)]


# After a while


@pytest.mark.anywhere
@pytest.mark.parametrize("status", ENDED)
def test_an_invitation_that_ended_long_ago_names_nobody_any_more(status: str) -> None:
    row = ended(make_user(), IDNA, status)
    make_mail(row, state="failed", last_error=f"550 <{IDNA}> unknown", message_id="<1@x>")
    log(row)
    assert hits(IDNA, READABLE, "münchen", NAME, NOTE, "canary")
    assert privacy.forget_ended(MONTH) == 1
    assert hits(IDNA, READABLE, "xn--mnchen", "münchen", NAME, NOTE, "canary") == []
    now = stored(row)
    assert now.forgotten_at is not None
    assert (now.status, now.ended_at, now.from_user) == (status, row.ended_at, row.from_user)
    assert (now.data, now.label) == ({}, "")


def test_who_came_and_when_stays() -> None:
    row = ended(make_user("inviter"), status="accepted", uses=1)
    account = make_user("bob", email=ADDRESS)
    acceptance = make_acceptance(account, row)
    privacy.forget_ended(MONTH)
    assert stored(acceptance).user == account
    assert Acceptance.objects.get().claimed_at == acceptance.claimed_at


@pytest.mark.parametrize(("age", "count"), [(30 * DAY, 1), (29 * DAY, 0)])
def test_it_waits_for_the_time_that_is_given(age: timedelta, count: int) -> None:
    row = ended(age=age)
    assert privacy.count_forgettable(MONTH, timezone.now()) == 0  # it would be deleted before
    assert privacy.forget_ended(MONTH, row.ended_at + age) == count
    assert bool(stored(row).forgotten_at) is bool(count)


def test_by_the_clock_that_is_given() -> None:
    ended(age=timedelta(0))
    assert privacy.forget_ended(MONTH) == 0
    assert privacy.forget_ended(MONTH, timezone.now() + MONTH) == 1
    assert privacy.forget_ended(MONTH, timezone.now() + MONTH) == 0


def test_what_is_open_stays_however_old_it_is() -> None:
    row = make_invitation(date_invited=timezone.now() - 400 * DAY, left=None)
    overdue = make_invitation(email="late@example.org", left=-400 * DAY)
    assert privacy.forget_ended(timedelta(0)) == 0
    assert (stored(row).email, stored(overdue).email) == (ADDRESS, "late@example.org")


def test_what_somebody_has_just_asked_to_renew_stays() -> None:
    ended(status="expired", renewal_requested_at=timezone.now() - DAY)
    assert privacy.forget_ended(MONTH) == 0
    assert privacy.forget_ended(MONTH, timezone.now() + 7 * DAY) == 1


def test_what_has_opened_or_ended_anew_since_it_was_picked_stays() -> None:
    now = timezone.now()
    pks = [make_invitation().pk, ended(email="new@example.org", age=DAY).pk]
    with transaction.atomic():
        assert InvitationKey.objects.forget(pks, now, now - MONTH) == []
        assert InvitationKey.objects.forget(pks, now) == pks[1:]
    assert InvitationKey.objects.get(pk=pks[0]).email == ADDRESS


def test_shared_links_stay_as_they_name_nobody() -> None:
    row = ended(email="", shared=True, label="Spring")
    assert privacy.forget_ended(MONTH) == 0
    assert stored(row).label == "Spring"


def test_the_count_leaves_out_what_would_be_deleted(settings: Any) -> None:
    settings.INVITATION_RETENTION_DAYS = 60
    ended()
    ended(email="old@example.org", age=90 * DAY)
    ended(email="old2@example.org", age=90 * DAY, status="accepted", uses=1)
    assert privacy.count_forgettable(MONTH) == 2


def test_it_works_in_batches_of_few_statements() -> None:
    costs = []
    for many in (10, 40):
        for number in range(many):
            make_mail(ended(email=f"b{number}@example.org"), state="sent")
        with CaptureQueriesContext(connection) as queries:
            assert privacy.forget_ended(MONTH, batch_size=10) == many
        costs.append(len(queries))
    assert costs[1] - costs[0] <= 3 * 12


def test_a_mail_that_waits_is_stopped(heard: Heard, outbox: list[Any]) -> None:
    mail = make_mail(ended(make_user()), kind="renewal")
    privacy.forget_ended(MONTH)
    assert deliver_due() == (0, 0)
    assert (stored(mail).state, outbox) == ("cancelled", [])
    assert heard.last("mail_settled")["state"] == "cancelled"


def test_nothing_is_written_about_him_by_who_is_sending_meanwhile() -> None:
    make_mail(ended(make_user()), kind="renewal")
    leased = InvitationEmail.objects.lease(InvitationEmail.objects.get().pk, timezone.now())
    assert leased is not None
    privacy.forget_ended(MONTH)
    assert not InvitationEmail.objects.mark_ended(leased, "failed", "refused", f"550 {ADDRESS}")
    assert hits(ADDRESS) == []


def test_what_was_sent_stays_sent(heard: Heard) -> None:
    mail = make_mail(ended(make_user()), state="sent", sent_at=timezone.now())
    privacy.forget_ended(MONTH)
    assert (stored(mail).state, heard) == ("sent", [])


def test_the_admins_log_forgets_what_was_deleted_as_long_ago() -> None:
    gone, fresh, kept = (
        ended(),
        ended(email="a@example.org"),
        make_invitation(email="b@example.org"),
    )
    old, new, alive = log(gone), log(fresh, age=DAY), log(kept)
    InvitationKey.objects.filter(pk__in=[gone.pk, fresh.pk]).delete()
    exported = LogEntry.objects.create(
        user=old.user, content_type=old.content_type, object_repr="invitations", action_flag=CHANGE
    )
    other = log(make_user("carol"), "carol")
    privacy.forget_ended(MONTH)
    words = [stored(entry).object_repr for entry in (old, new, alive, exported, other)]
    assert words == ["(forgotten)", str(fresh), str(kept), "invitations", "carol"]
    assert "a@example.org" in words[1]


def test_the_log_of_what_is_forgotten_is_forgotten_however_new_it_is() -> None:
    entry = log(ended(), age=timedelta(0))
    privacy.forget_ended(MONTH)
    assert stored(entry).object_repr == "(forgotten)"


def test_a_site_without_the_admin_has_no_log(monkeypatch: Any) -> None:
    ended()
    monkeypatch.setattr("django.apps.apps.is_installed", lambda name: False)
    assert privacy.forget_ended(MONTH) == 1
    make_invitation(email=ADDRESS)
    assert privacy.forget(ADDRESS).invitations == 1


# What a forgotten invitation can still do: nothing


@pytest.fixture
def forgotten(member: Any) -> InvitationKey:
    row = ended(member, status="expired")
    privacy.forget_ended(MONTH)
    return InvitationKey.objects.select_related("from_user").get(pk=row.pk)


@pytest.mark.parametrize(
    "verb", [inviting.extend, inviting.resend, inviting.revoke, inviting.change_link]
)
def test_no_verb_opens_it(forgotten: InvitationKey, outbox: list[Any], verb: Any) -> None:
    with pytest.raises(NotPending):
        verb(forgotten)
    assert stored(forgotten).status == "expired"
    assert outbox == []


def test_nor_where_it_was_forgotten_in_the_meantime(forgotten: InvitationKey) -> None:
    before = make_invitation(forgotten.from_user, status="expired")
    InvitationKey.objects.filter(pk=before.pk).update(email="", email_key="", forgotten_at=DAY_AGO)
    with pytest.raises(NotPending):
        inviting.resend(before)
    assert not InvitationKey.objects.revive(before.pk, b"slot", None, 1)


DAY_AGO = timezone.now() - DAY


def test_it_is_not_renewed_nor_does_anybody_ask_for_it(
    forgotten: InvitationKey, outbox: list[Any]
) -> None:
    assert not inviting.is_renewable(forgotten)
    with pytest.raises(NotRenewable):
        inviting.renew(forgotten)
    assert inviting.ask_for_renewal(forgotten.mail_key, forgotten.site_id) is False
    assert outbox == []


def test_its_link_says_what_it_said_before(forgotten: InvitationKey) -> None:
    with pytest.raises(InvitationError) as refusal:
        arriving.open_invitation(forgotten.mail_key, forgotten.site_id)
    assert refusal.value.code == "expired_key"


def test_it_is_addressed_to_nobody_else(forgotten: InvitationKey) -> None:
    with pytest.raises(NotPending):
        inviting.send_to(forgotten, "carol@example.org")


def test_a_mail_that_is_queued_for_it_all_the_same_does_not_leave(
    forgotten: InvitationKey, outbox: list[Any]
) -> None:
    mails = [make_mail(forgotten, kind=kind) for kind in InvitationEmail.Kind]
    deliver_due()
    assert outbox == []
    assert {stored(mail).failure for mail in mails} == {"pointless"}


def test_the_use_of_an_account_that_goes_does_not_open_it_to_anybody(member: Any) -> None:
    row = ended(member, status="accepted", uses=1, expires_at=None)
    account = make_user("bob", email=ADDRESS, is_active=False)
    make_acceptance(account, row)
    privacy.forget_ended(MONTH)
    arriving.release(account)
    now = stored(row)
    assert (now.status, now.uses, now.pending_slot) == ("expired", 0, None)


def test_a_use_of_an_open_one_is_given_back_as_ever(member: Any) -> None:
    row = make_invitation(member, email="", max_uses=2, uses=1)
    account = make_user("bob", is_active=False)
    make_acceptance(account, row)
    arriving.release(account)
    assert (stored(row).status, stored(row).uses) == ("pending", 0)


def test_cleanup_gives_back_and_deletes_it_as_ever(settings: Any, member: Any) -> None:
    row = ended(member, status="expired", quota_held=1)
    privacy.forget_ended(MONTH)
    upkeep.expire()
    assert stored(row).quota_held == 0
    assert upkeep.purge() == 1


def test_it_is_found_by_nothing_that_it_was(forgotten: InvitationKey) -> None:
    rows = InvitationKey.objects.get_queryset()
    for text in (ADDRESS, NAME):
        assert not rows.matching(text).exists()
    assert str(forgotten).startswith("(forgotten)")


# One who asks for it


@pytest.mark.anywhere
def test_one_person_is_erased_everywhere(heard: Heard) -> None:
    ann, carol = make_user("ann"), make_user("carol")
    open_one = make_invitation(ann, IDNA, recipient_name=NAME, note=NOTE, data={"x": IDNA})
    old = ended(carol, IDNA, "accepted")
    for row in (open_one, old):
        make_mail(row, state="failed", last_error=f"550 {IDNA}")
        log(row, age=timedelta(0))
    assert privacy.forget(READABLE.upper()) == privacy.Forgotten(2, 1, 2)
    assert hits(IDNA, READABLE, "münchen", "xn--mnchen", NAME, NOTE, "canary") == []
    assert (stored(open_one).status, stored(open_one).pending_slot) == ("revoked", None)
    assert stored(old).status == "accepted"
    assert heard.names() == ["invitation_revoked"]
    # Whoever listens learns whom they have to forget themselves.
    assert heard.last("invitation_revoked")["invitation"].email == IDNA


def test_others_stay(heard: Heard) -> None:
    others = [
        make_invitation(email=email)
        for email in ("jimbob@example.org", "bob@example.org.example.net", "bob+x@example.org")
    ]
    others.append(make_invitation(email="c@example.org", note=f"From jim{ADDRESS}"))
    mail = make_mail(others[0], last_error=f"550 jim{ADDRESS}")
    assert privacy.forget(ADDRESS) == privacy.Forgotten(0, 0, 0)
    assert (stored(others[-1]).note, stored(mail).last_error) == (
        f"From jim{ADDRESS}",
        f"550 jim{ADDRESS}",
    )
    assert [stored(row).email for row in others] == [row.email for row in others]
    assert heard == []


@pytest.mark.parametrize("email", ["", " "])
def test_nobody_is_no_address(email: str) -> None:
    make_invitation(email="")
    with pytest.raises(ValueError, match="no address"):
        privacy.forget(email)
    with pytest.raises(ValueError, match="no address"):
        privacy.export(email)


def test_the_address_is_taken_out_of_what_others_have_written() -> None:
    text = f"Ask <{ADDRESS.upper()}>, not jim{ADDRESS} or {ADDRESS}.au; {ADDRESS}."
    row = make_invitation(
        email="carol@example.org",
        note=text,
        recipient_name="(bob@example.org)" + 43 * "x",
        label=ADDRESS,
        data={"by": ["x", {ADDRESS: 1}], "n": 1},
    )
    mail = make_mail(row, last_error=f"450 {ADDRESS}: later")
    now = timezone.now()
    pause = DeliveryPause.objects.create(until=now, since=now, reason=f"550 {ADDRESS}")
    change = json.dumps([{"changed": {"name": "Ö", "object": ADDRESS}}])
    entry = log(make_user("dave"), f"{ADDRESS} (dave)")
    LogEntry.objects.filter(pk=entry.pk).update(change_message=change)
    assert privacy.forget(ADDRESS) == privacy.Forgotten(0, 0, 5)
    was = stored(row)
    gone = "(forgotten)"
    assert was.note == f"Ask <{gone}>, not jim{ADDRESS} or {ADDRESS}.au; {gone}."
    assert was.recipient_name == f"({gone})" + 43 * "x"
    assert (was.label, was.email) == (gone, "carol@example.org")
    assert was.data == {"by": ["x", {gone: 1}], "n": 1}
    assert stored(mail).last_error == f"450 {gone}: later"
    assert stored(pause).reason == f"550 {gone}"
    assert stored(entry).object_repr == f"{gone} (dave)"
    assert json.loads(stored(entry).change_message) == [{"changed": {"name": "Ö", "object": gone}}]


def test_a_text_that_grows_by_it_still_fits_its_column() -> None:
    row = make_invitation(email="c@example.org", recipient_name="a@b.co" + 54 * ".")
    privacy.forget("a@b.co")
    assert len(stored(row).recipient_name) == 60


def test_one_that_has_run_out_ends_as_expired_and_is_given_back(heard: Heard) -> None:
    inviter = make_user()
    row = scenes.invite(inviter, ADDRESS)
    InvitationKey.objects.update(expires_at=timezone.now() - DAY)
    heard.clear()
    assert privacy.forget(ADDRESS).revoked == 0
    assert (stored(row).status, heard.names()) == ("expired", ["invitations_expired"])
    upkeep.expire()
    assert quota.remaining_invitations(inviter) == 10


def test_what_is_withdrawn_keeps_its_price_as_ever() -> None:
    inviter = make_user()
    scenes.invite(inviter, ADDRESS)
    privacy.forget(ADDRESS)
    upkeep.expire()
    assert quota.remaining_invitations(inviter) == 9


def test_a_mail_on_its_way_to_him_is_stopped(outbox: list[Any]) -> None:
    mail = make_mail(make_invitation(make_user()))
    privacy.forget(ADDRESS)
    deliver_due()
    assert (stored(mail).state, outbox) == ("cancelled", [])


def test_that_he_wants_no_mail_is_remembered_unless_it_is_to_be_forgotten() -> None:
    suppress(ADDRESS)
    privacy.forget(ADDRESS)
    assert is_suppressed(ADDRESS)
    assert privacy.forget(ADDRESS, drop_unsubscribe=True).unsubscribe_dropped
    assert not is_suppressed(ADDRESS)
    assert not privacy.forget(ADDRESS, drop_unsubscribe=True).unsubscribe_dropped


def test_a_rehearsal_counts_the_same_and_changes_nothing(heard: Heard) -> None:
    log(make_invitation(make_user(), ADDRESS, note=ADDRESS))
    suppress(ADDRESS)
    heard.clear()
    before = scenes.dump()
    rehearsed = privacy.forget(ADDRESS, drop_unsubscribe=True, dry_run=True)
    assert (scenes.dump(), heard) == (before, [])
    assert (
        privacy.forget(ADDRESS, drop_unsubscribe=True)
        == rehearsed
        == privacy.Forgotten(1, 1, 1, True)
    )


def test_many_invitations_to_one_person_are_forgotten_batch_by_batch(monkeypatch: Any) -> None:
    monkeypatch.setattr("invitation.flows.privacy.forgetting.BATCH_SIZE", 2)
    for number in range(5):
        make_invitation(make_user(f"n{number}"), note=f"{ADDRESS}")
        make_mail(make_invitation(email=""), last_error=ADDRESS)
    assert privacy.forget(ADDRESS) == privacy.Forgotten(5, 5, 5)
    assert hits(ADDRESS) == []


def test_an_address_that_could_not_be_invited_any_more_is_forgotten_all_the_same() -> None:
    row = make_invitation()
    InvitationKey.objects.update(email="Odd!One@localhost", email_key="odd!one@localhost")
    assert privacy.forget("odd!one@LOCALHOST").invitations == 1
    assert stored(row).email == ""


def test_he_can_be_invited_again() -> None:
    inviter = make_user()
    make_invitation(inviter)
    privacy.forget(ADDRESS)
    assert inviting.invite(inviter, ADDRESS).created
