"""Check that everything that is written adds up, over the whole database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from django.db.models import Count

from invitation.models import Acceptance, InvitationEmail, InvitationKey, InvitationQuota


def check(kept: Mapping[int, int] | None = None) -> None:
    """Check each invitation, acceptance, quota and email.

    ``kept`` says how much of a member's quota is held by invitations that are deleted.
    """
    check_invitations()
    check_quotas(kept or {})


def check_invitations() -> None:
    """Check each invitation against its own fields and its acceptances."""
    status = InvitationKey.Status
    for row in InvitationKey.objects.annotate(accepted=Count("acceptances")):
        assert row.uses == row.accepted, f"{row!r}: {row.uses} uses, {row.accepted} acceptances"
        if row.max_uses is not None:
            assert row.uses <= row.max_uses, f"{row!r}: used too often"
        if row.status in (status.PENDING, status.ACCEPTED):
            assert (row.uses == row.max_uses) == (row.status == status.ACCEPTED), repr(row)
        if row.status == status.PENDING:
            assert (row.pending_slot, row.ended_at) == (row.slot(), None), repr(row)
        else:
            assert row.pending_slot is None, repr(row)
            assert row.ended_at is not None, repr(row)
        assert row.quota_held in (0, 1) or row.shared, repr(row)
    open_rows = InvitationKey.objects.pending().exclude(email_key="")
    places = Counter(open_rows.values_list("from_user", "email_key", "site_id"))
    assert [place for place, number in places.items() if number > 1] == []
    assert not Acceptance.objects.filter(invitation=None).exists()
    assert not InvitationEmail.objects.filter(invitation=None).exists()


def check_quotas(kept: Mapping[int, int]) -> None:
    """Check that what members have spent is what their invitations hold."""
    held: Counter[int] = Counter(kept)
    for inviter, amount in InvitationKey.objects.values_list("from_user", "quota_held"):
        if inviter is not None:
            held[inviter] += amount
    spent = dict(InvitationQuota.objects.values_list("inviter", "spent"))
    assert {who: much for who, much in spent.items() if much} == {
        who: much for who, much in held.items() if much
    }
