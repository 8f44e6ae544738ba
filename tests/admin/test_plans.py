"""PostgreSQL reads no whole table for a list or a search of the admin, nor for monitoring."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from invitation.flows import mail
from tests import staff
from tests.factories import make_user

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="asks PostgreSQL for its plans"),
]

SEED = """
INSERT INTO invitation_invitationkey
    (locator, from_user_id, email, email_key, recipient_name, note, language, date_invited,
     expires_at, max_uses, uses, status, ended_at, quota_held, data, site_id)
SELECT 'x' || lpad(i::text, 21, '0'), %s, 'p' || i || '@example.org', 'p' || i || '@example.org',
    '', '', '', now(), now() + interval '1 day' * (i - 19000) , 1, 0,
    CASE WHEN i > 18500 THEN 'pending' WHEN i %% 3 = 0 THEN 'revoked' ELSE 'accepted' END,
    CASE WHEN i > 18500 THEN NULL ELSE now() END, 0, '{}', 1
FROM generate_series(1, 20000) AS i;
INSERT INTO invitation_invitationemail
    (invitation_id, kind, state, attempts, not_before, last_error, created_at)
SELECT id, 'invitation', 'sent', 1, now(), '', now() FROM invitation_invitationkey;
INSERT INTO invitation_quotaentry (invitation_id, inviter_id, change, reason, created_at)
SELECT id, from_user_id, -1, 'invited', now() FROM invitation_invitationkey;
INSERT INTO invitation_acceptance (invitation_id, claimed_at) SELECT id, now()
FROM invitation_invitationkey;
ANALYZE invitation_invitationkey, invitation_invitationemail, invitation_quotaentry,
    invitation_acceptance;
"""
SCAN = re.compile(
    "Seq Scan on invitation_(?:invitationkey|invitationemail|quotaentry|acceptance)\\b"
)
SEARCHES = [
    "p",
    "p1234",
    "p1234@example.org",
    "#77",
    "boss",
    "zzz",
    "'\"",
    "é",
    "ZOE\u0308",
    "strasse",
    "p1@bücher",
    "é" * 254,
    "x" * 3_000,
    "x00000",
]
LISTS = {
    "invitationkey": [
        "",
        "p=2",
        *[f"state={state}" for state in ("pending", "expired", "overdue", "declined", "paused")],
        *[f"mail={state}" for state in ("queued", "failed", "suppressed", "none", "sent")],
        "kind=shared",
        "o=1",
    ],
    "invitationemail": ["", "state__exact=failed", "failure=bounced", "kind=renewal"],
    "quotaentry": ["", "reason=granted"],
    "acceptance": ["", "activated=no", "new_account=no"],
}


def test_no_list_and_no_search_reads_a_whole_table(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("bounds", "exporting", "searching"):
        monkeypatch.setattr(f"invitation.admin.{module}.LIMIT", 300)
    monkeypatch.setattr("invitation.admin.searching.MOST", 100)
    boss, inviter = staff.boss(), make_user("inviter")
    with connection.cursor() as cursor:
        cursor.execute(SEED, [inviter.pk])
    with CaptureQueriesContext(connection) as asked:
        mail.outbox_health()
    scans: list[Any] = [sql for sql in map(str, map(_sql, asked)) if _scans(sql)]
    for name, queries in LISTS.items():
        for query in [*queries, *[f"q={text}" for text in SEARCHES]]:
            address = f"/admin/invitation/{name}/?{query.replace('#', '%23')}"
            with CaptureQueriesContext(connection) as asked:
                assert boss.get(address).status_code == 200
            scans += [(address, sql) for sql in map(str, map(_sql, asked)) if _scans(sql)]
    assert scans == []


def _sql(query: dict[str, str]) -> str:
    return query["sql"]


def _scans(sql: str) -> bool:
    if not sql.startswith("SELECT"):
        return False
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {sql}")
        return any(SCAN.search(line) for (line,) in cursor.fetchall())
