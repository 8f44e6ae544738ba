"""Check that the rows that PostgreSQL makes itself are like those that are written one by one.

tests/services/with-postgresql python -m tests.bench.repeated
"""

from __future__ import annotations

import os

import django
from django.core.management import call_command

SIZE, BLOCK = 4_500, 1_000
SAME = ("id", "email", "email_key", "from_user_id", "date_invited", "expires_at", "status", "uses")
SAME += ("ended_at", "mail_requested_at", "quota_held")


def check() -> None:
    """Compare each row with what it has to have; raise ``AssertionError`` at a difference."""
    from invitation.models import InvitationEmail, InvitationKey, QuotaEntry
    from tests.bench import stage as module
    from tests.bench.floor.models import Invitation

    module.BLOCK = BLOCK
    stage = module.Stage()
    stage.grow(BLOCK)
    stage.grow(SIZE)
    pks = [stage.pk_of(number) for number in range(SIZE)]
    rows = InvitationKey.objects.in_bulk(pks)
    for number, pk in enumerate(pks):
        row, expected = rows[pk], stage.invitation_of(number)
        for name in SAME:
            assert getattr(row, name) == expected[name], (number, name)
        assert len(row.locator) == len(expected["locator"])
        assert (row.pending_slot is None) == (expected["pending_slot"] is None)
        assert row.pending_slot is None or len(row.pending_slot) == len(expected["pending_slot"])
    for model in (InvitationEmail, QuotaEntry):
        found = model._default_manager.filter(pk__in=pks).values_list("pk", "invitation_id")
        assert sorted(found) == [(pk, pk) for pk in pks]
    for row in Invitation.objects.filter(pk__in=pks):
        assert row.email == rows[row.pk].email
        assert row.inviter_id == rows[row.pk].from_user_id
        assert len(row.key) == 43
    assert Invitation.objects.filter(pk__in=pks).count() == SIZE
    for key, _ in stage.pending(100):
        assert InvitationKey.objects.is_key_valid(key)


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.bench.settings"
    os.environ["INVITATION_BENCH_DATABASE"] = "postgres"
    django.setup()
    call_command("migrate", verbosity=0, run_syncdb=True)
    check()
