"""The way out in an email: its headers as a mail server gets them, and the link in both bodies."""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import Callable
from email.message import EmailMessage, Message
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from django.test import Client
from django.urls import reverse

from invitation.delivery import headers
from invitation.delivery.email import EmailDelivery
from invitation.delivery.messages import SAMPLE_KEY
from invitation.flows import inviting
from invitation.keys import unsubscribing
from invitation.models import InvitationEmail, InvitationKey, SuppressedAddress
from tests.conftest import Sink
from tests.factories import ADDRESS, make_invitation, make_mail, make_user

pytestmark = pytest.mark.django_db
Commit = Callable[..., Any]


@pytest.fixture
def received(smtp: Sink) -> list[bytes]:
    """Return the emails that the server takes, byte by byte."""
    raw: list[bytes] = []
    take = smtp.handle_DATA

    async def keep(server: SMTP, session: Session, envelope: Envelope) -> str:
        raw.append(bytes(envelope.original_content or b""))
        return await take(server, session, envelope)

    smtp.handle_DATA = keep  # type: ignore[method-assign]
    return raw


def url(address: str = ADDRESS) -> str:
    return f"https://example.com/accounts/unsubscribe/{unsubscribing.make_token(address)}/"


def headers_of(raw: bytes) -> dict[str, list[str]]:
    """Return the headers as RFC 5322, 2.2.3 unfolds them: a line break is taken out, no more."""
    head = raw.split(b"\r\n\r\n", 1)[0].decode("ascii")
    found: dict[str, list[str]] = {}
    assert (
        re.search(r"(?im)^list-unsubscribe: <\S+>\r?$", head) or "unsubscribe" not in head.lower()
    )
    for line in re.sub(r"\r\n(?=[ \t])", "", head).split("\r\n"):
        name, _colon, value = line.partition(":")
        found.setdefault(name.lower(), []).append(value.strip())
    return found


@pytest.mark.parametrize("kind", ["invitation", "reminder"])
@pytest.mark.parametrize("name", ["Ann", "Ännchen " * 9], ids=["ASCII", "Unicode"])
def test_the_headers_arrive_whole(
    received: list[bytes], settings: Any, kind: str, name: str
) -> None:
    invitation = make_invitation(make_user("ann", first_name=name.strip()[:60]), note=name)
    mail = make_mail(invitation, kind=kind)
    EmailDelivery().send(mail)
    found = headers_of(received[0])
    assert found["list-unsubscribe"] == [f"<{url()}>"]
    assert found["list-unsubscribe-post"] == ["List-Unsubscribe=One-Click"]
    assert found["auto-submitted"] == ["auto-generated"]
    assert found["x-auto-response-suppress"] == ["DR, RN, NRN, OOF, AutoReply"]
    assert found["content-language"] == ["en"]
    assert found["message-id"] == [mail.header_id]
    # What a signer signs (RFC 8058, 4) must be there once.
    signed = ("from", "to", "subject", "date", "message-id", "mime-version")
    assert {len(found[header]) for header in signed} == {1}


def test_what_is_sent_can_be_signed(received: list[bytes]) -> None:
    EmailDelivery().send(make_mail(make_invitation(make_user("ann"), note="Schön! " * 60)))
    [raw] = received
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert b"\r" not in raw.replace(b"\r\n", b"")
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert not re.search(rb"(?i)list-unsubscribe:[^\r]*=\?", raw)
    parsed = email.message_from_bytes(raw, policy=email.policy.default)
    assert parsed.defects == []
    assert parsed["List-Unsubscribe"] == f"<{url()}>"


LONG = f"<https://example.org/{'x' * 300}/>"


@pytest.mark.parametrize("kind", ["newer", "older"])
def test_an_address_stays_whole_whichever_of_pythons_ways_a_mail_is_made(kind: str) -> None:
    newer = headers.whole(email.policy.SMTP)
    message = EmailMessage(policy=newer) if kind == "newer" else Message()
    message["List-Unsubscribe"] = LONG
    message["Subject"] = "word " * 50
    message["To"] = "ann@example.org"
    headers.keep_whole(message)
    raw = message.as_bytes().replace(b"\r\n", b"\n")
    assert f"List-Unsubscribe: {LONG}\n".encode() in raw
    assert max(len(line) for line in raw.split(b"\n") if b"https" not in line) <= 78


def test_a_mail_without_one_stays_without() -> None:
    message = Message()
    headers.keep_whole(message)
    assert message.keys() == []


def test_the_language_is_that_of_the_mail(received: list[bytes]) -> None:
    EmailDelivery().send(make_mail(make_invitation(make_user("ann"), language="de")))
    assert headers_of(received[0])["content-language"] == ["de"]


def test_a_site_without_tls_is_posted_to_by_no_mail_program(
    received: list[bytes], settings: Any
) -> None:
    settings.INVITATION_BASE_URL = "http://localhost:8000"
    EmailDelivery().send(make_mail())
    found = headers_of(received[0])
    assert found["list-unsubscribe"][0].startswith("<http://localhost:8000/accounts/")
    assert "list-unsubscribe-post" not in found


def test_a_mail_to_an_inviter_has_none_of_them(received: list[bytes]) -> None:
    invitation = make_invitation(make_user("ann"), status="expired")
    EmailDelivery().send(make_mail(invitation, kind="renewal"))
    found = headers_of(received[0])
    assert not {"list-unsubscribe", "list-unsubscribe-post"} & found.keys()
    assert b"unsubscribe" not in received[0]
    assert found["x-auto-response-suppress"]


def test_the_link_is_in_both_bodies_and_names_nobody(received: list[bytes]) -> None:
    EmailDelivery().send(make_mail())
    message = email.message_from_bytes(received[0], policy=email.policy.default)
    for kind in ("plain", "html"):
        part: Any = message.get_body((kind,))
        text = part.get_content()
        assert url() in text
        assert "Unsubscribe from all invitations to example.com" in text
    assert ADDRESS not in url()


def test_it_is_the_address_that_opts_out_whoever_invites() -> None:
    contexts = [
        EmailDelivery().get_context(make_invitation(make_user(name), ADDRESS.upper()))
        for name in ("ann", "carl")
    ]
    assert [context["unsubscribe_url"] for context in contexts] == [url()] * 2


def test_the_header_opts_out_by_one_post(received: list[bytes], commit: Commit) -> None:
    with commit():
        inviting.invite(make_user("ann"), ADDRESS)
    [header] = headers_of(received[0])["list-unsubscribe"]
    path = header.strip("<>").removeprefix("https://example.com")
    body = headers_of(received[0])["list-unsubscribe-post"][0]
    kind = "application/x-www-form-urlencoded"
    response = Client(enforce_csrf_checks=True).post(path, body, content_type=kind, secure=True)
    assert (response.status_code, not response.cookies) == (200, True)
    with commit():
        inviting.invite(make_user("carl"), ADDRESS)
    assert len(received) == 1
    assert InvitationEmail.objects.latest("pk").state == "suppressed"


def test_the_link_of_a_preview_does_nothing() -> None:
    shown = EmailDelivery().preview(InvitationKey(from_user=make_user("ann"), email=ADDRESS))
    there = reverse("invitation_unsubscribe", kwargs={"token": SAMPLE_KEY})
    assert shown is not None
    for body in (shown.text, shown.html):
        assert there in body
        assert unsubscribing.make_token(ADDRESS) not in body
    assert Client().post(there).status_code == 200
    assert not SuppressedAddress.objects.exists()


@pytest.mark.parametrize("kind", ["invitation", "reminder"])
@pytest.mark.parametrize("member", [True, False], ids=["to a member", "to somebody new"])
def test_every_mail_to_the_invited_shows_the_way_out_in_both_bodies(
    kind: str, member: bool
) -> None:
    if member:
        make_user("invited", email=ADDRESS)
    message = EmailDelivery().get_message(make_mail(make_invitation(make_user()), kind=kind))
    bodies = [str(message.body), *(str(content) for content, _ in message.alternatives)]
    assert [url() in body for body in bodies] == [True, True]
