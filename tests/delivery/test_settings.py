"""Mail settings of which nothing can be made: no email's fault, and found by the checks."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.core import mail as django_mail
from django.core.mail.backends.locmem import EmailBackend
from django.db import DatabaseError

from invitation.checks import mails, registration
from invitation.delivery.dummy import DummyDelivery
from invitation.delivery.email import EmailDelivery
from invitation.delivery.senders import is_sender
from invitation.exceptions import DeliveryUnavailable
from invitation.flows.mail import deliver_due, reopen, suppress
from invitation.models import DeliveryPause, InvitationEmail
from tests.factories import make_invitation, make_mail

pytestmark = pytest.mark.django_db

LOCMEM = "django.core.mail.backends.locmem.EmailBackend"
SMTP = "django.core.mail.backends.smtp.EmailBackend"


class Unmade(EmailBackend):
    """Miss something, as a backend without its secret does."""

    def __init__(self, *args: Any, **options: Any) -> None:
        raise LookupError("no API key")


class Unopened(EmailBackend):
    """Fail at something that nobody thought of."""

    def open(self) -> bool:
        raise UnicodeError("label empty or too long")


class Stored(EmailBackend):
    """Have its settings in a database that is gone."""

    def __init__(self, *args: Any, **options: Any) -> None:
        raise DatabaseError


class Elsewhere(EmailDelivery):
    """Send from an address of its own."""

    def get_sender(self) -> str:
        return "Elsewhere <elsewhere@example.org>"


def set_mail(settings: Any, backend: str, *, both_kinds_of_tls: bool = False) -> None:
    """Set this up in the settings that this version of Django has."""
    if hasattr(settings, "MAILERS"):
        options = {"host": "localhost"} if backend == SMTP else {}
        tls = {"use_tls": True, "use_ssl": True} if both_kinds_of_tls else {}
        settings.MAILERS = {"default": {"BACKEND": backend, "OPTIONS": {**options, **tls}}}
    else:
        settings.EMAIL_BACKEND = backend
        settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = both_kinds_of_tls


FAULTS: dict[str, dict[str, Any]] = {
    "no such module": {"backend": "nope.Backend"},
    "no such class": {"backend": f"{__name__}.Nope"},
    "both kinds of TLS": {"backend": SMTP, "both_kinds_of_tls": True},
    "not made": {"backend": f"{__name__}.Unmade"},
}
#: What is no sender, and what is one.
NONE = ["", "Club", "Club, the <club@example.org>", "Club: ours <club@example.org>", "Club <>"]
NONE += ["@example.org", "club@", "a@example.org, b@example.org", "Club\n <club@example.org>"]
SENDERS = ["webmaster@localhost", "Club <club@example.org>", "<club@example.org>"]
SENDERS += [
    '"Club, the: one" <club@example.org>',
    "Cl\xfcb <a@m\xfcller.de>",
    "Club Inc. <a@b.example>",
]
SENDERS += ["club@example.org (Club)"]


def assert_no_mail_was_charged(caplog: pytest.LogCaptureFixture) -> None:
    rows = [make_mail(make_invitation(email=f"p{at}@example.org")) for at in range(3)]
    deliver_due()
    deliver_due()
    for row in rows:
        row.refresh_from_db()
    # But for the one that has found it out.
    assert [(row.state, row.attempts) for row in rows] == [("queued", at) for at in (1, 0, 0)]
    assert DeliveryPause.objects.get().failures == 1
    [record] = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert record.getMessage().startswith("No invitation email can leave. The queue is paused: ")
    assert django_mail.outbox == []


@pytest.mark.parametrize("fault", [*FAULTS, "not opened"])
def test_settings_of_which_no_connection_is_made_cost_no_mail_a_try(
    settings: Any, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    set_mail(settings, **FAULTS.get(fault, {"backend": f"{__name__}.Unopened"}))
    assert_no_mail_was_charged(caplog)


def test_a_mailer_that_is_not_there_costs_no_mail_a_try(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    if not hasattr(settings, "MAILERS"):
        pytest.skip("MAILERS is new in Django 6.1.")
    settings.MAILERS = {}
    assert [message.id for message in EmailDelivery().check()] == ["invitation.E056"]
    assert_no_mail_was_charged(caplog)


@pytest.mark.each_case
@pytest.mark.parametrize("sender", NONE)
def test_a_sender_that_is_none_costs_no_mail_a_try(
    settings: Any, caplog: pytest.LogCaptureFixture, sender: str
) -> None:
    settings.DEFAULT_FROM_EMAIL = sender
    assert_no_mail_was_charged(caplog)


def test_the_reason_says_what_is_to_be_mended(settings: Any) -> None:
    set_mail(settings, "nope.Backend")
    with pytest.raises(DeliveryUnavailable, match="nope"):
        EmailDelivery().send(make_mail())


def test_the_mails_leave_when_the_settings_are_mended(settings: Any) -> None:
    settings.DEFAULT_FROM_EMAIL = ""
    make_mail()
    deliver_due()
    settings.DEFAULT_FROM_EMAIL = "Club <club@example.org>"
    reopen()
    assert deliver_due() == (1, 0)
    assert not DeliveryPause.objects.closed().exists()


@pytest.mark.parametrize("fault", ["the settings", "the sender"])
def test_a_mail_that_nobody_wants_waits_as_the_others_do(settings: Any, fault: str) -> None:
    """Else its inviter would see it as sent, when none can be."""
    if fault == "the settings":
        set_mail(settings, "nope.Backend")
    else:
        settings.DEFAULT_FROM_EMAIL = "Club"
    mail = make_mail()
    suppress(mail.invitation.email)
    deliver_due()
    mail.refresh_from_db()
    assert (mail.state, mail.attempts) == (InvitationEmail.State.QUEUED, 1)


def test_a_database_that_is_gone_says_nothing_of_the_mail_server(settings: Any) -> None:
    set_mail(settings, f"{__name__}.Stored")
    with pytest.raises(DatabaseError):
        EmailDelivery().send(make_mail())


# -- the checks --


def ids(delivery: str, settings: Any) -> list[Any]:
    settings.INVITATION_DELIVERY = delivery
    return [message.id for message in mails.check_delivery(None)]


@pytest.mark.parametrize("delivery", ["email.EmailDelivery", "outbox.OutboxDelivery"])
@pytest.mark.parametrize("fault", FAULTS)
def test_settings_of_which_no_connection_is_made_are_reported(
    settings: Any, fault: str, delivery: str
) -> None:
    set_mail(settings, **FAULTS[fault])
    assert ids(f"invitation.delivery.{delivery}", settings) == ["invitation.E056"]


@pytest.mark.each_case
@pytest.mark.parametrize("sender", NONE)
def test_a_sender_that_is_none_is_reported(settings: Any, sender: str) -> None:
    settings.DEFAULT_FROM_EMAIL = sender
    assert ids("invitation.delivery.email.EmailDelivery", settings) == ["invitation.W019"]


@pytest.mark.parametrize("sender", SENDERS)
def test_a_sender_that_is_one_sends(settings: Any, sender: str) -> None:
    settings.DEFAULT_FROM_EMAIL = sender
    assert EmailDelivery().check() == []
    assert is_sender(sender)
    EmailDelivery().send(make_mail())
    assert [message.from_email for message in django_mail.outbox] == [sender]


def test_a_delivery_with_a_sender_of_its_own_needs_no_other(settings: Any) -> None:
    settings.DEFAULT_FROM_EMAIL = ""
    assert Elsewhere().check() == []
    mail = make_mail()
    Elsewhere().send(mail)
    Elsewhere().rehearse(mail)
    assert [message.from_email for message in django_mail.outbox] == [Elsewhere().get_sender()]


def test_a_delivery_that_sends_no_e_mail_is_not_asked_for_the_settings(settings: Any) -> None:
    settings.DEFAULT_FROM_EMAIL = ""
    set_mail(settings, "nope.Backend")
    assert DummyDelivery().check() == []


def test_the_check_of_the_timeout_leaves_it_to_that_of_the_delivery(settings: Any) -> None:
    set_mail(settings, "nope.Backend")
    assert registration.check_mail_timeout(None) == []
