"""A real mail server: envelope, headers and bodies as received, and servers that misbehave."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from invitation import addresses, keys
from invitation.delivery.email import EmailDelivery
from invitation.exceptions import AddressRefused, DeliveryFailed
from invitation.flows import arriving, inviting
from invitation.flows.mail import deliver_due
from invitation.models import InvitationEmail, InvitationKey
from tests.conftest import Sink
from tests.factories import ADDRESS, make_invitation, make_mail, make_user

pytestmark = pytest.mark.django_db


def part(message: EmailMessage, kind: str) -> str:
    found = message.get_body((kind,))
    assert found is not None
    return str(found.get_content())


def invite(commit: Any, email: str = ADDRESS, **fields: Any) -> InvitationEmail:
    with commit():
        inviter = make_user("ann", first_name="Ännchen", last_name="Smith")
        invitation = inviting.invite(inviter, email, **fields).invitation
    return InvitationEmail.objects.get(invitation=invitation)


# -- as received --


def test_the_envelope_and_the_headers(smtp: Sink, commit: Any) -> None:
    mail = invite(commit, "Bob@Example.ORG", recipient_name="Bob")
    [(sender, recipients, message)] = smtp.got
    assert (sender, recipients) == ("site@example.com", ["Bob@example.org"])
    assert message["To"] == "Bob@example.org"
    assert message["From"] == "site@example.com"
    assert message["Subject"] == "Ännchen Smith invites you to join example.com"
    assert message["Message-ID"] == mail.header_id
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"]
    assert {"Reply-To", "Cc", "Bcc", "Sender"}.isdisjoint(message.keys())
    assert message.defects == []
    assert mail.state == "sent"


def test_both_bodies_hold_the_words_and_the_link_unbroken(smtp: Sink, commit: Any) -> None:
    note = "Grüße & <b>Küsse</b>\n" + "long " * 80
    mail = invite(commit, recipient_name="Bob", note=note)
    [(_, _, message)] = smtp.got
    assert message.get_content_type() == "multipart/alternative"
    key = mail.invitation.mail_key
    for kind in ("plain", "html"):
        assert f"https://example.com/accounts/invited/{key}/" in part(message, kind)
        assert set(keys.PATTERN.findall(part(message, kind))) == {key}
    assert "Grüße & <b>Küsse</b>" in part(message, "plain")
    assert "Grüße &amp; &lt;b&gt;Küsse&lt;/b&gt;" in part(message, "html")


def test_the_received_key_opens_the_invitation(smtp: Sink, commit: Any) -> None:
    mail = invite(commit)
    [(_, _, message)] = smtp.got
    found = keys.PATTERN.search(part(message, "plain"))
    assert found is not None
    opened = arriving.open_invitation(found.group())
    assert opened.invitation == mail.invitation
    assert opened.proves(ADDRESS)


def test_a_domain_in_unicode_is_mailed_as_idna_2008(smtp: Sink, commit: Any) -> None:
    invite(commit, "bob@straße.de")
    [(_, recipients, message)] = smtp.got
    assert recipients == [message["To"]] == ["bob@xn--strae-oqa.de"]


local_parts = st.one_of(
    st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.#$&'*+/=?^{}~-]{0,40}", fullmatch=True),
    st.text('aZ9._-+=?^%!|`"@ (),:;<>\\[]äıſK\r\n\0', max_size=10),
)
ODD = ["straße.de", "faß.de", "bücher.example.org", "localhost", "a.b", "[127.0.0.1]", "σας.gr"]
DOMAINS = ["good.com", "GOOD.com", "xn--strae-oqa.de", "ｇood.com", "good。com", *ODD]
domains = st.one_of(st.sampled_from(DOMAINS), st.text("abz019.-äßσς", max_size=30))


@pytest.mark.exhaustive
@hypothesis_settings(max_examples=500)
@given(local_parts, domains)
def test_every_accepted_address_is_the_one_that_the_server_hears(
    smtp: Sink, local: str, domain: str
) -> None:
    try:
        address = addresses.clean(f"{local}@{domain}")
    except AddressRefused:
        return
    smtp.got.clear()
    smtp.refuse = {}
    InvitationKey.objects.all().delete()
    EmailDelivery().send(make_mail(make_invitation(email=address)))
    [(_, recipients, message)] = smtp.got
    assert recipients == [address]
    assert [one.addr_spec for one in message["To"].addresses] == [address]


# -- a server that refuses --


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ("421 4.3.2 shutting down", "queued"),
        ("450 4.2.0 greylisted", "queued"),
        ("550 5.1.1 no such user", "failed"),
        ("552 5.2.2 over quota", "failed"),
    ],
)
def test_a_refusal_at_the_end_of_the_mail(smtp: Sink, commit: Any, answer: str, state: str) -> None:
    smtp.refuse = {"bob@": answer}
    mail = invite(commit)
    assert (mail.state, mail.last_error) == (state, answer)
    assert smtp.got == []


@pytest.mark.parametrize(
    ("answer", "state"), [("451 4.7.1 later", "queued"), ("550 5.1.1 unknown", "failed")]
)
def test_a_refusal_of_the_recipient(
    smtp: Sink, commit: Any, monkeypatch: pytest.MonkeyPatch, answer: str, state: str
) -> None:
    async def handle_rcpt(*args: Any) -> str:
        return answer

    monkeypatch.setattr(Sink, "handle_RCPT", handle_rcpt, raising=False)
    mail = invite(commit)
    assert (mail.state, mail.last_error) == (state, answer)


def test_a_refused_sender_is_the_sites_fault_and_tried_again(
    smtp: Sink, commit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def handle_mail(*args: Any) -> str:
        return "550 5.7.1 not you"

    monkeypatch.setattr(Sink, "handle_MAIL", handle_mail, raising=False)
    assert invite(commit).state == "queued"


def test_a_server_that_quotes_the_link_leaves_no_key_behind(smtp: Sink, commit: Any) -> None:
    with commit():
        mail = make_mail(make_invitation(make_user("ann")))
        key = mail.invitation.mail_key
        smtp.refuse = {"bob@": f"550 5.7.1 https://example.com/accounts/invited/{key}/ is spam"}
        assert deliver_due() == (0, 1)
    mail.refresh_from_db()
    assert mail.invitation.key_hint in mail.last_error
    assert key not in mail.last_error


def test_one_bad_recipient_does_not_hold_up_the_others(smtp: Sink) -> None:
    for name in ("gone", "a", "full", "b"):
        make_mail(make_invitation(email=f"{name}@example.org"))
    assert deliver_due() == (2, 2)
    assert [recipients for _, recipients, _ in smtp.got] == [["a@example.org"], ["b@example.org"]]
    states = {mail.invitation.email[:4]: mail.state for mail in InvitationEmail.objects.all()}
    assert states == {"gone": "failed", "full": "queued", "a@ex": "sent", "b@ex": "sent"}


# -- a server that hangs or goes --


@contextmanager
def odd_server(script: list[bytes], *, hang: bool) -> Iterator[int]:
    """Run a server that says these lines in turn and then hangs, or hangs up; give its port."""
    server = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve() -> None:
        visitor, _ = server.accept()
        with visitor:
            visitor.settimeout(10)
            for line in script:
                visitor.sendall(line)
                visitor.recv(65536)
            if hang:
                over.wait(30)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        over.set()
        thread.join(10)
        server.close()


def use_port(settings: Any, port: int) -> None:
    if hasattr(settings, "MAILERS"):
        backend = settings.MAILERS["default"]["BACKEND"]
        options = {"host": "127.0.0.1", "port": port}
        settings.MAILERS = {"default": {"BACKEND": backend, "OPTIONS": options}}
    else:
        settings.EMAIL_PORT = port


GREETING, EHLO, OK, GO = b"220 hi\r\n", b"250 hi\r\n", b"250 ok\r\n", b"354 go\r\n"


@pytest.mark.parametrize(
    "script", [[], [GREETING], [GREETING, EHLO], [GREETING, EHLO, OK], [GREETING, EHLO, OK, OK, GO]]
)
@pytest.mark.parametrize("hang", [True, False])
def test_a_server_that_hangs_or_goes_costs_bounded_time(
    smtp: Sink, settings: Any, monkeypatch: pytest.MonkeyPatch, script: list[bytes], hang: bool
) -> None:
    monkeypatch.setattr(EmailDelivery, "timeout", 0.3)
    mail = make_mail()
    with odd_server(script, hang=hang) as port:
        use_port(settings, port)
        start = time.monotonic()
        with pytest.raises(DeliveryFailed) as failed:
            EmailDelivery().send(mail)
        assert time.monotonic() - start < 5
    assert not failed.value.permanent


def test_a_server_that_is_not_there_is_tried_again(smtp: Sink, settings: Any, commit: Any) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        use_port(settings, unused.getsockname()[1])
        mail = invite(commit)
    assert mail.state == "queued"
    assert "refused" in mail.last_error
