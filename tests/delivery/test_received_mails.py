"""Every kind of email as a mail server got it: what the standards ask of it, in each language."""

from __future__ import annotations

import email
import email.policy
import re
from dataclasses import dataclass
from datetime import timedelta
from datetime import timezone as zones
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser
from typing import Any

import django
import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from django.contrib.sites.models import Site
from django.utils import timezone

from invitation import keys
from invitation.delivery.email import EmailDelivery
from invitation.flows import mail
from invitation.models import InvitationEmail, InvitationKey
from tests.conftest import Sink
from tests.factories import DAY, make_invitation, make_mail, make_user

pytestmark = pytest.mark.django_db

LANGUAGES = ["en", "de", "fr", "es", "ar"]
KINDS = ["invitation", "member", "reminder", "renewal", "accepted", "declined", "expired"]
TO_INVITER = ("renewal", "accepted", "declined", "expired")
UTC = zones.utc
NEEDED = {"Date", "From", "To", "Message-ID", "Subject", "MIME-Version", "Auto-Submitted"}

WRITINGS = {
    "plain": ("Ann Smith", "Bob", "Tea Club", "See you on Monday."),
    "accents": ("Ännchen Æbelø", "Łukasz Żółć", "Blåbærhøst & Söhne", "Grüße & <b>Küsse</b>\n見"),
    "right to left": ("عائشة بنت محمد", "דוד בן־גוריון", "نادي الشاي", "أهلا وسهلا بك!\nשלום"),
    "long": ("Ännchen " * 7, "Łukasz " * 8, "Blåbærhøstens " * 3 + "Vænner", "Wörter " * 71),
    "emoji": ("Zoë 🌻", "👩‍👩‍👧 Kim", "🍵", "🎉 " * 120),
}


@dataclass
class Received:
    """Hold an email as it came over the wire."""

    sender: str
    recipients: list[str]
    raw: bytes

    @property
    def message(self) -> EmailMessage:
        """Give it as the standard library reads it."""
        return email.message_from_bytes(self.raw, policy=email.policy.default)


@pytest.fixture
def wire(smtp: Sink, monkeypatch: pytest.MonkeyPatch, settings: Any) -> list[Received]:
    """Return the list of what the mail server on this machine gets."""
    got: list[Received] = []
    taken = Sink.handle_DATA

    async def keep(self: Sink, server: SMTP, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.original_content, bytes)
        sender = envelope.mail_from or ""
        got.append(Received(sender, envelope.rcpt_tos, envelope.original_content))
        return await taken(self, server, session, envelope)

    monkeypatch.setattr(Sink, "handle_DATA", keep)
    settings.INVITATION_NOTIFY_INVITER = ["accepted", "declined", "expired"]
    settings.INVITATION_REPLY_TO_INVITER = True
    settings.DEFAULT_FROM_EMAIL = "Tëa Club <site@example.com>"
    return got


@pytest.fixture(autouse=True)
def _cache() -> Any:
    Site.objects.clear_cache()
    yield
    Site.objects.clear_cache()


def send(kind: str, language: str, writing: str, monkeypatch: pytest.MonkeyPatch) -> InvitationKey:
    """Send one email and return its invitation."""
    inviter_name, name, site_name, note = WRITINGS[writing]
    Site.objects.update(name=site_name[:50])
    Site.objects.clear_cache()
    # The user model of the tests has no such field; the row is read again before it is sent.
    monkeypatch.setattr(EmailDelivery, "language_of", lambda self, member: language)
    ann = make_user("ann", first_name=inviter_name.strip()[:150])
    if kind == "member":
        make_user("bob", email="bob@xn--mnchen-3ya.example.org")
    status = {"renewal": "expired"} | {one: one for one in ("accepted", "declined", "expired")}
    now = timezone.now()
    invitation = make_invitation(
        ann,
        "bob@xn--mnchen-3ya.example.org",
        recipient_name=name.strip()[:60],
        note=note[:500].strip(),
        language=language,
        status=status.get(kind, "pending"),
        uses=int(kind == "accepted"),
        left=3 * DAY,
    )
    make_mail(
        invitation,
        kind="invitation" if kind == "member" else kind,
        message_id="<176.1@example.com>",
        created_at=now - timedelta(minutes=1),
    )
    assert mail.deliver_due() == (1, 0), InvitationEmail.objects.get().last_error
    return invitation


ALL = [(kind, language, "accents") for kind in KINDS for language in LANGUAGES]
ALL += [(kind, "de", writing) for kind in KINDS for writing in WRITINGS if writing != "accents"]


@pytest.mark.parametrize(("kind", "language", "writing"), ALL)
def test_a_received_mail_is_what_the_standards_ask_for(
    wire: list[Received],
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    language: str,
    writing: str,
) -> None:
    invitation = send(kind, language, writing, monkeypatch)
    [received] = wire
    message = received.message
    check_bytes(received.raw)
    check_headers(received, kind)
    plain, html = check_parts(message)
    check_links(invitation, kind, plain, html)


def check_bytes(raw: bytes) -> None:
    """RFC 5321, 2.3.8 and 4.5.3.1.6; RFC 6376, 5.3: what a signer may rely on."""
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", raw)
    lines = raw.split(b"\r\n")
    assert max(map(len, lines)) <= 998
    head = lines[: lines.index(b"")]
    # RFC 5322, 2.1.1 and 2.2: 78 characters are better, and nothing but ASCII is allowed.
    # An address to unsubscribe by is not broken, however long it is.
    assert max(len(line) for line in head if not line.startswith(b"List-Unsubscribe: ")) <= 78
    assert b"\n".join(head).isascii()
    words = re.findall(rb"=\?utf-8\?[^ ?]\?[^ ?]*\?=", b"\n".join(head))
    # RFC 2047, 2, says 75. Python's own folding, which Django 6.0 and later use, makes some of 76.
    assert max(map(len, words), default=0) <= (75 if django.VERSION < (6, 0) else 76)
    assert b"\0" not in raw


def check_headers(received: Received, kind: str) -> None:
    message = received.message
    names = [name.lower() for name in message.keys()]  # noqa: SIM118 (a name may be there twice)
    assert [name for name in set(names) if names.count(name) > 1] == []
    assert {name.lower() for name in NEEDED} <= set(names)
    assert {"sender", "cc", "bcc"}.isdisjoint(names)
    assert message.defects == []
    assert all(not header.defects for header in message.values())

    to = "ann@example.com" if kind in TO_INVITER else "bob@xn--mnchen-3ya.example.org"
    assert (received.sender, received.recipients) == ("site@example.com", [to])
    assert [one.addr_spec for one in message["To"].addresses] == [to]
    [sender] = message["From"].addresses
    assert (sender.display_name, sender.addr_spec) == ("Tëa Club", "site@example.com")
    # A reply goes to the inviter, or else to the site.
    reply_to = None if kind in TO_INVITER else "ann@example.com"
    assert message["Reply-To"] == reply_to
    assert message["Message-ID"] == "<176.1@example.com>"
    assert abs(
        parsedate_to_datetime(message["Date"]).replace(tzinfo=UTC) - timezone.now()
    ) < timedelta(minutes=5)
    assert message["Auto-Submitted"] == "auto-generated"
    subject = str(message["Subject"])
    assert subject
    assert subject.isprintable() or "\u200d" in subject
    assert "\ufffd" not in subject


def check_parts(message: EmailMessage) -> tuple[str, str]:
    """RFC 2046, 5.1.4: the best one comes last."""
    assert message.get_content_type() == "multipart/alternative"
    parts = list(message.iter_parts())
    assert [part.get_content_type() for part in parts] == ["text/plain", "text/html"]
    for part in parts:
        assert part.get_content_charset() == "utf-8"
        encodings = ("7bit", "8bit", "quoted-printable", "base64")
        assert part["Content-Transfer-Encoding"] in encodings
        assert part.defects == []
    plain, html = (str(part.get_content()) for part in parts)  # type: ignore[attr-defined]
    assert "\ufffd" not in plain + html
    return plain, html


class Links(HTMLParser):
    """Keep where an HTML document leads, what it loads, and its language."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.root: dict[str, str | None] = {}
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        self.root = known if tag == "html" else self.root
        self.links += [known["href"] or ""] if tag == "a" else []
        self.loads += [tag] if {"src", "background", "srcset"} & set(known) else []


def check_links(invitation: InvitationKey, kind: str, plain: str, html: str) -> None:
    invitation.refresh_from_db()
    read = Links(html)
    assert read.loads == []
    assert all(link.startswith("https://example.com/") for link in read.links)
    own = set() if kind in TO_INVITER else {invitation.mail_key}
    assert set(keys.PATTERN.findall(plain)) == set(keys.PATTERN.findall(html)) == own
    page = {
        "renewal": f"invitations/{invitation.pk}/renew/",
        "accepted": f"invitations/{invitation.pk}/",
        "declined": f"invitations/{invitation.pk}/",
        "expired": "invitations/?state=expired",
    }.get(kind, f"invited/{invitation.mail_key}/")
    link = f"https://example.com/accounts/{page}"
    assert f"\n{link}\n" in plain.replace("\r\n", "\n")
    assert link in read.links
    assert read.root["dir"] == ("rtl" if read.root["lang"] == "ar" else "ltr")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_it_says_in_which_language_it_is(
    wire: list[Received], monkeypatch: pytest.MonkeyPatch, kind: str, language: str
) -> None:
    send(kind, language, "plain", monkeypatch)
    html = wire[0].message.get_body(("html",))
    assert html is not None
    assert Links(str(html.get_content())).root["lang"] == language


@pytest.mark.parametrize("kind", KINDS)
def test_the_prefix_stands_in_front_of_each_subject(
    wire: list[Received], monkeypatch: pytest.MonkeyPatch, settings: Any, kind: str
) -> None:
    settings.INVITATION_SUBJECT_PREFIX = "[Größe] "
    send(kind, "en", "plain", monkeypatch)
    subject = str(wire[0].message["Subject"])
    assert subject.startswith("[Größe] ")
    assert not subject.startswith("[Größe]  ")


def test_a_prefix_of_two_lines_adds_no_header(
    wire: list[Received], monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.INVITATION_SUBJECT_PREFIX = "x\r\nBcc: eve@example.org\r\n"
    send("invitation", "en", "plain", monkeypatch)
    assert wire[0].message["Bcc"] is None
    assert wire[0].recipients == ["bob@xn--mnchen-3ya.example.org"]


def test_a_second_attempt_is_the_same_mail(
    wire: list[Received], monkeypatch: pytest.MonkeyPatch
) -> None:
    send("invitation", "fr", "accents", monkeypatch)
    InvitationEmail.objects.update(state="queued")
    mail.deliver_due()
    first, second = (received.message for received in wire)
    assert first["Message-ID"] == second["Message-ID"]
    assert first["Subject"] == second["Subject"]
    bodies = [str(one.get_body(("plain",)).get_content()) for one in (first, second)]  # type: ignore[union-attr]
    assert bodies[0] == bodies[1]
