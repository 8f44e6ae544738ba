"""Whatever page the inviter looks at: who has unsubscribed looks like who got their email (T23)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from invitation.flows import mail
from invitation.keys import unsubscribing
from invitation.models import InvitationEmail, InvitationKey
from tests.scenes import COMPLETE, INVITE

pytestmark = [pytest.mark.django_db, pytest.mark.anywhere]
Commit = Callable[..., Any]

WILLING, OUT = "willing@example.org", "wearied@example.org"
WAYS = {
    "unsubscribed": lambda: mail.unsubscribe(unsubscribing.make_token(OUT)),
    "complained": lambda: mail.report_complaint(OUT),
    "set by staff": lambda: mail.suppress(OUT),
}


@pytest.fixture(params=WAYS)
def way(request: Any) -> Callable[[], bool]:
    """Return how the one of the two came to get no more invitations."""
    way: Callable[[], bool] = WAYS[request.param]
    return way


def of(email: str) -> InvitationKey:
    return InvitationKey.objects.get(email=email)


def plain(response: Any, email: str) -> str:
    """Return the page without what differs between any two invitations."""
    if getattr(response, "streaming", False):
        page = b"".join(response.streaming_content).decode()
    else:
        page = response.content.decode()
    for at in ("@", "%40", "%2540"):
        page = page.replace(email.replace("@", at), "somebody")
    row = InvitationKey.objects.filter(email=email).first()
    if row is not None:
        page = page.replace(f"/{row.pk}/", "/1/").replace(row.key_hint, "hint")
    # A CSRF token, and the list itself, which is posted again.
    return re.sub(r'value="([A-Za-z0-9]{64}|\.?[\w-]+:[\w-]+:[\w-]+)"', "random", page)


def visit(client: Client, email: str, page: str) -> tuple[int, str, int]:
    with CaptureQueriesContext(connection) as queries:
        response: Any = client.get(page)
        text = plain(response, email)
    return response.status_code, text, len(queries)


def both(client: Client, page: Callable[[str], str]) -> None:
    """Assert that a page says the same of both, for the same number of queries."""
    seen = [visit(client, email, page(email)) for email in (WILLING, OUT)]
    assert seen[0] == seen[1]
    assert seen[0][0] == 200


def test_one_by_one(
    member: Any, member_client: Client, commit: Commit, way: Callable[[], bool]
) -> None:
    way()
    told = []
    with time_machine.travel("2026-11-22 12:00Z", tick=False):
        for email in (WILLING, OUT):
            with commit():
                member_client.post(INVITE, {"email": email})
            answer = member_client.get(reverse("invitation_list"), {"q": email})
            assert "Invitation sent to" in answer.content.decode()
            told.append((answer.status_code, plain(answer, email)))
        # The first one had one invitation more left.
        numbers = [re.sub(r"\b[89]\b", "N", page) for _status, page in told]
        assert numbers[0] == numbers[1]
        states = InvitationEmail.objects.order_by("pk").values_list("state", flat=True)
        assert list(states) == ["sent", "suppressed"]
        both(member_client, lambda email: reverse("invitation_detail", args=[of(email).pk]))
        both(member_client, lambda email: f"{reverse('invitation_list')}?q={email}")
        both(member_client, lambda email: f"{reverse('invitation_list')}?q={email}&state=pending")
        assert member_client.get(COMPLETE).status_code == 200


def test_again(member: Any, member_client: Client, commit: Commit, settings: Any) -> None:
    mail.unsubscribe(unsubscribing.make_token(OUT))
    told = []
    with time_machine.travel("2026-11-22 12:00Z", tick=False):
        for email in (WILLING, OUT):
            with commit():
                member_client.post(INVITE, {"email": email})
    with time_machine.travel("2026-11-22 12:02Z", tick=False) as clock:
        for minutes in (0, 10):
            clock.shift(60 * minutes)
            told = []
            for email in (WILLING, OUT):
                resend = reverse("invitation_resend", args=[of(email).pk])
                with commit():
                    answer = member_client.post(resend, follow=True)
                told.append((answer.status_code, plain(answer, email)))
            assert told[0] == told[1]
    assert InvitationEmail.objects.count() == 4


def test_a_list(
    member: Any, member_client: Client, commit: Commit, way: Callable[[], bool]
) -> None:
    way()
    pages = []
    with time_machine.travel("2026-11-22 12:00Z", tick=False):
        for email in (WILLING, OUT):
            shown = member_client.post(reverse("invitation_invite_list"), {"people": email})
            typed = {"payload": shown.context["payload"], "confirmed": "on"}
            with commit():
                report = member_client.post(reverse("invitation_invite_list_confirm"), typed)
            batch = report.context["batch"]
            names = ("invitation_invite_list_progress", "invitation_invite_list_outcome")
            answers = [member_client.get(reverse(name, args=[batch])) for name in names]
            texts = [plain(answer, email) for answer in (report, *answers)]
            pages.append([text.replace(str(batch), "batch") for text in texts])
    states = InvitationEmail.objects.order_by("pk").values_list("state", flat=True)
    assert list(states) == ["sent", "suppressed"]
    for willing, out in zip(*pages, strict=True):
        assert re.sub(r"\b[89]\b", "N", willing) == re.sub(r"\b[89]\b", "N", out)


def test_what_comes_back_is_told(member: Any, member_client: Client, commit: Commit) -> None:
    with commit():
        member_client.post(INVITE, {"email": OUT})
    mail.report_bounce(OUT, details="550 5.1.1 no such user")
    page = member_client.get(reverse("invitation_detail", args=[of(OUT).pk])).content.decode()
    assert "It bounced: nobody reads email at this address." in page
