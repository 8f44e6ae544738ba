"""The key occurs in the email, and in nothing else that a site keeps, shows or sends."""

from __future__ import annotations

import logging
import smtplib
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import StringIO
from typing import Any

import django
import pytest
from django.contrib import admin
from django.core import mail
from django.core.handlers.wsgi import WSGIHandler
from django.core.mail import EmailMessage
from django.core.management import call_command
from django.core.servers.basehttp import WSGIRequestHandler
from django.db import connection, connections
from django.http import HttpResponse
from django.test import Client
from django.test.testcases import LiveServerThread
from django.urls import reverse
from django.utils.log import AdminEmailHandler
from django.views.debug import SafeExceptionReporterFilter, get_default_exception_reporter_filter

from invitation import keys
from invitation.backends.default.views import RegistrationView
from invitation.flows import arriving
from invitation.gate.visitor import COOKIE_NAME, ENDED_COOKIE_NAME
from invitation.keys import unsubscribing
from invitation.models import InvitationEmail, InvitationKey
from tests import scenes
from tests.scenes import COMPLETE, DECLINE, INVITE, LANDING, NEWCOMER, REGISTER, RENEWAL, answers

ACCEPT = "/accounts/invited/accept/"
RECEIVED = "/accounts/invitations/received/"

pytestmark = [pytest.mark.django_db, pytest.mark.anywhere, pytest.mark.each_case]
Commit = Callable[..., Any]

LOGGERS = (
    "",
    "django",
    "django.db.backends",
    "django.request",
    "django.security",
    "django.security.csrf",
    "django.server",
    "django.template",
    "invitation",
)


class Ear(logging.Handler):
    """Keep what is logged as the most talkative of formatters would write it."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        extra = {name: value for name, value in vars(record).items() if name != "exc_info"}
        self.lines.append(f"{self.format(record)} {extra}")


@pytest.fixture
def log() -> Iterator[list[str]]:
    """Return what is logged from now on, by anybody, down to every statement's SQL."""
    ear = Ear()
    loggers = [logging.getLogger(name) for name in LOGGERS]
    before = [(logger, logger.level) for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
        logger.addHandler(ear)
    connection.force_debug_cursor = True
    yield ear.lines
    connection.force_debug_cursor = False
    for logger, level in before:
        logger.setLevel(level)
        logger.removeHandler(ear)


@pytest.fixture
def invitation(member: Any) -> InvitationKey:
    return scenes.invite(member)


def in_text(invitation: InvitationKey, text: str) -> list[str]:
    """Return where in a text one of the invitation's keys stands."""
    found = []
    for key in (invitation.key, invitation.mail_key):
        signature = key.split(".")[1]
        place = text.find(signature)
        if place >= 0:
            found.append(text[max(0, place - 200) : place + 60])
    return found


def seen(response: HttpResponse) -> str:
    """Return what the visitor's own browser is shown, but for the cookies that carry a key."""
    carrying = (COOKIE_NAME, ENDED_COOKIE_NAME)
    cookies = [str(cookie) for cookie in response.cookies.values() if cookie.key not in carrying]
    return f"{response.headers} {cookies} {response.content.decode()}"


def walk(invitation: InvitationKey, key: str, commit: Commit) -> list[str]:
    """Go wherever one can go with a key, and return what was seen there."""
    pages: list[HttpResponse] = []
    browser = Client()
    link = scenes.link(key)
    for method in (browser.get, browser.head, browser.options, browser.post):
        pages.append(method(link))
    for address in (LANDING, DECLINE, REGISTER):
        pages += [browser.get(address), browser.post(address), browser.get(address + "nowhere/")]
        pages.append(Client().get(address, {"invitation_key": key}))
        pages.append(Client().post(address, {"registration_key": key}))
        pages.append(Client(enforce_csrf_checks=True).post(f"{address}?invitation_key={key}"))
    pages.append(Client(enforce_csrf_checks=True).post(link))
    pages.append(browser.get(f"/nowhere/{key}/"))
    pages.append(browser.get(link + "more/"))
    signed_in = Client()
    signed_in.force_login(scenes.make_user(f"reader{key[:4].lower()}"))
    pages += [signed_in.get(link), signed_in.get(LANDING), signed_in.get(REGISTER)]
    pages += [signed_in.get(address) for address in (ACCEPT, RECEIVED)]
    pages += [signed_in.post(ACCEPT), Client().post(ACCEPT, {"invitation_key": key})]
    browser.get(link)
    with commit():
        pages.append(browser.post(REGISTER, answers("other@example.com")))
        pages.append(browser.post(REGISTER, answers()))
    pages.append(browser.get("/accounts/register/complete/"))
    pages += [browser.get(link), browser.get(LANDING)]
    for method in (browser.get, browser.head, browser.options, browser.post):
        pages.append(method(RENEWAL))
    pages.append(Client().post(f"{REGISTER}?invitation_key={key}"))
    return [seen(page) for page in pages]


@pytest.mark.parametrize("channel", keys.CHANNELS)
def test_the_key_is_in_the_mail_and_in_nothing_else(
    log: list[str], member: Any, commit: Commit, channel: str
) -> None:
    member_client = Client()
    member_client.force_login(member)
    pages = []
    with commit():
        pages.append(seen(member_client.post(INVITE, {"email": NEWCOMER, "note": "Come."})))
    pages += [seen(member_client.get(INVITE)), seen(member_client.get(COMPLETE))]
    invitation = InvitationKey.objects.select_related("from_user").get()
    own = reverse("invitation_detail", args=[invitation.pk])
    pages += [seen(member_client.get(own)), seen(member_client.get(f"{own}edit/"))]
    pages.append(seen(member_client.get(reverse("invitation_list"))))
    with commit():
        pages.append(seen(member_client.post(f"{own}resend/")))
    [invitation_mail] = mail.outbox
    assert in_text(invitation, str(invitation_mail.body))
    pages += walk(invitation, keys.make(invitation.locator, channel, invitation.site_id), commit)
    for page in pages:
        assert in_text(invitation, page) == []
    assert log
    assert in_text(invitation, "\n".join(log)) == []
    assert in_text(invitation, repr(scenes.dump())) == []
    for later in mail.outbox[1:]:
        assert in_text(invitation, str(later.message())) == []


def test_the_way_out_is_in_the_mail_and_in_no_log_row_or_page(
    log: list[str], member: Any, commit: Commit
) -> None:
    client = Client()
    client.force_login(member)
    pages = []
    with commit():
        pages.append(seen(client.post(INVITE, {"email": NEWCOMER})))
    token = unsubscribing.make_token(NEWCOMER)
    [invitation_mail] = mail.outbox
    assert str(invitation_mail.body).count(token) == 1
    address = reverse("invitation_unsubscribe", kwargs={"token": token})
    for method in ("get", "head", "options", "put", "post"):
        pages.append(seen(getattr(Client(), method)(address)))
    pages.append(seen(Client().get(address + "more/")))
    pages.append(seen(Client().get(f"/nowhere/{token}/")))
    assert token.split(".")[1] not in "\n".join([*pages, *log, repr(scenes.dump())])


def test_no_page_of_a_list_shows_a_key(log: list[str], member: Any, commit: Commit) -> None:
    client = Client()
    client.force_login(member)
    people = {"people": f"{NEWCOMER}, more@example.org"}
    preview = client.post(reverse("invitation_invite_list"), people)
    typed = {"payload": preview.context["payload"], "confirmed": "on"}
    with commit():
        report = client.post(reverse("invitation_invite_list_confirm"), typed)
    made = [report.context["batch"]]
    progress = client.get(reverse("invitation_invite_list_progress", args=made))
    outcome: Any = client.get(reverse("invitation_invite_list_outcome", args=made))
    pages = [seen(page) for page in (preview, report, progress)]
    pages += [f"{outcome.headers} {b''.join(outcome.streaming_content).decode()}", *log]
    invitations = list(InvitationKey.objects.all())
    assert len(invitations) == len(mail.outbox) == 2
    for invitation in invitations:
        assert in_text(invitation, "\n".join(pages)) == []


@pytest.mark.parametrize("channel", keys.CHANNELS)
@pytest.mark.parametrize("end", ["expired", "revoked"])
def test_the_key_of_a_dead_link_is_in_nothing_that_it_leads_to(
    log: list[str], member: Any, commit: Commit, channel: str, end: str
) -> None:
    invitation = scenes.invite(member)
    scenes.end(invitation, end)
    key = keys.make(invitation.locator, channel, invitation.site_id)
    browser, member_client = Client(), Client()
    pages = [seen(browser.get(scenes.link(key))), seen(browser.get(RENEWAL))]
    with commit():
        pages.append(seen(browser.post(RENEWAL)))
    [asking] = mail.outbox
    assert in_text(invitation, str(asking.message())) == []
    member_client.force_login(member)
    renew = reverse("invitation_renew", args=[invitation.pk])
    pages += [seen(member_client.get(renew)), seen(member_client.post(renew))]
    for page in pages:
        assert in_text(invitation, page) == []
    assert in_text(invitation, "\n".join(log)) == []
    assert in_text(invitation, repr(scenes.dump())) == []


def test_a_sites_template_that_asks_for_too_much_does_not_log_the_key(
    settings: Any, tmp_path: Any, log: list[str], invitation: InvitationKey
) -> None:
    (tmp_path / "registration").mkdir()
    template = tmp_path / "registration" / "registration_form.html"
    template.write_text("{{ form.nowhere }} {{ nowhere.to.be.found }}")
    settings.TEMPLATES = [settings.TEMPLATES[0] | {"DIRS": [tmp_path]}]
    assert scenes.visit(invitation).get(REGISTER).status_code == 200
    assert "Failed lookup for key [nowhere]" in "\n".join(log)
    assert in_text(invitation, "\n".join(log)) == []


def test_no_object_tells_the_key(invitation: InvitationKey) -> None:
    opened = arriving.open_invitation(invitation.mail_key)
    for told in (invitation, opened, InvitationEmail.objects.get(), vars(invitation)):
        assert in_text(invitation, f"{told} {told!r}") == []


def test_no_column_opens_anything(invitation: InvitationKey) -> None:
    for rows in scenes.dump().values():
        for row in rows:
            for value in row:
                assert not InvitationKey.objects.is_key_valid(str(value))


def test_no_admin_page_shows_the_key(invitation: InvitationKey) -> None:
    client = Client()
    client.force_login(scenes.make_user("boss", is_staff=True, is_superuser=True))
    scenes.visit(invitation, channel=keys.COPY).post(REGISTER, answers())
    pages = [reverse("admin:index")]
    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        pages.append(reverse(f"{name}_changelist"))
        for pk in model._default_manager.values_list("pk", flat=True)[:3]:
            for page in ("change", "history", "delete"):
                pages.append(reverse(f"{name}_{page}", args=[pk]))
    for page in pages:
        assert in_text(invitation, client.get(page).content.decode()) == []


def test_no_command_prints_the_key(
    invitation: InvitationKey, commit: Commit, capfd: pytest.CaptureFixture[str]
) -> None:
    printed = StringIO()
    for command in ("sendinvitations", "cleanupinvitation", "cleanupregistration", "check"):
        with commit():
            call_command(command, verbosity=3, stdout=printed, stderr=printed)
    out, err = capfd.readouterr()
    assert in_text(invitation, printed.getvalue() + out + err) == []


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        ("a link with {key} in it", ()),
        ("a link with %s in it", ("{key}",)),
        ("%d links with %s in it", (1, "{key}")),
        ("a link with %(key)s in it", ({"key": "{key}"},)),
        (["neither", "text"], ()),
    ],
)
def test_djangos_own_loggers_cut_keys_out_of_all_that_they_are_given(
    log: list[str], invitation: InvitationKey, message: Any, arguments: Any
) -> None:
    def with_key(text: Any) -> Any:
        if isinstance(text, dict):
            return {name: with_key(value) for name, value in text.items()}
        return text.format(key=invitation.key) if isinstance(text, str) else text

    logging.getLogger("django.request").error(with_key(message), *map(with_key, arguments))
    assert "link" in log[-1] or "neither" in log[-1]
    assert in_text(invitation, "\n".join(log)) == []


class QuotingBackend(scenes.BrokenBackend):
    """Be a mail server that refuses an email and quotes it, as spam filters do."""

    def send_messages(self, messages: Any) -> int:
        raise smtplib.SMTPDataError(554, f"spam: {messages[0].body}".encode())


def test_a_mail_server_that_quotes_the_mail_is_not_quoted(
    log: list[str], member: Any, commit: Commit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scenes.BrokenBackend, "send_messages", QuotingBackend.send_messages)
    with scenes.broken_mail(), commit():
        invitation = scenes.invite(member)
    assert "554 spam" in InvitationEmail.objects.get().last_error
    assert in_text(invitation, repr(scenes.dump())) == []
    assert in_text(invitation, "\n".join(log)) == []


# -- a real server -----------------------------------------------------------------------------


@pytest.fixture
def server(transactional_db: None, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[str]:
    """Serve the site with the handler of ``runserver``, which logs each request."""
    settings.ALLOWED_HOSTS = ["example.com", "127.0.0.1"]
    monkeypatch.setattr("django.test.testcases.QuietWSGIRequestHandler", WSGIRequestHandler)
    shared = {}
    own = connections["default"]
    if own.vendor == "sqlite":
        own.inc_thread_sharing()
        shared = {own.alias: own}
    thread = LiveServerThread("127.0.0.1", lambda files: WSGIHandler(), connections_override=shared)
    thread.daemon = True
    thread.start()
    thread.is_ready.wait()
    assert thread.error is None
    yield f"http://127.0.0.1:{thread.port}"
    thread.terminate()
    if own.vendor == "sqlite":
        own.dec_thread_sharing()


@pytest.mark.django_db(transaction=True)
def test_the_development_server_does_not_log_the_key(
    log: list[str], server: str, invitation: InvitationKey
) -> None:
    for address in (
        scenes.link(invitation.mail_key),
        scenes.link(invitation.mail_key) + "?answer=no",
        scenes.link(invitation.key).rstrip("/"),
        f"/nowhere/{invitation.key}/",
        f"{REGISTER}?invitation_key={invitation.key}",
    ):
        with suppress(urllib.error.HTTPError):
            urllib.request.urlopen(server + address).close()  # noqa: S310 (our own server)
    lines = "\n".join(log)
    assert '"GET /accounts/invited/' in lines
    assert in_text(invitation, lines) == []


# -- error reports -----------------------------------------------------------------------------


@pytest.fixture
def broken_view(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every page of a key raise, with the key in the local variables of many frames."""

    def crash(text: object, *args: Any, **kwargs: Any) -> Any:
        held = {"key": text, "list": [f"a link with {text} in it"], "bytes": str(text).encode()}
        raise scenes.Crash(f"{len(held)} things went wrong")

    monkeypatch.setattr(arriving, "open_invitation", crash)
    monkeypatch.setattr(arriving, "refusal_to_open", crash)


@pytest.fixture
def broken_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the making of an account raise, deep below the view that knows the key."""

    def crash(self: Any, form: Any) -> Any:
        opened, request, data = self.opened, self.request, form.data
        raise scenes.Crash(f"{len([opened, request, data])} things went wrong")

    monkeypatch.setattr(RegistrationView, "create_account", crash)


def requests(invitation: InvitationKey, client: Client) -> Iterator[HttpResponse]:
    """Send the key in every way in which it can be sent, and return the error pages."""
    key = invitation.mail_key
    referrer = {"referer": f"https://example.com{scenes.link(key)}"}
    yield client.get(scenes.link(key), headers=referrer)
    yield client.get(LANDING, {"invitation_key": key})
    yield client.get(REGISTER, {"registration_key": key, "other": ["x", key]})
    yield client.post(REGISTER, answers(invitation_key=key, other=key), headers=referrer)
    yield client.post(f"{REGISTER}?invitation_key={key}", answers())
    client.cookies["invitation_key"] = key
    client.cookies["invitation_ended_key"] = key
    yield client.get(LANDING)
    yield client.post(REGISTER, answers())
    yield client.post(DECLINE, {"note": f"the link was {scenes.link(key)}"})


@pytest.mark.parametrize("accept", ["text/html", "text/plain"])
def test_the_debug_page_does_not_show_the_key(
    settings: Any, invitation: InvitationKey, broken_view: None, accept: str
) -> None:
    settings.DEBUG = True
    client = Client(raise_request_exception=False, headers={"accept": accept})
    for response in requests(invitation, client):
        assert response.status_code == 500
        page = response.content.decode()
        assert "Crash" in page
        assert in_text(invitation, page) == []


def test_the_debug_page_of_a_broken_backend_does_not_show_the_key(
    settings: Any, invitation: InvitationKey, broken_account: None
) -> None:
    settings.DEBUG = True
    visitor = scenes.visit(invitation, raise_request_exception=False)
    for response in (
        visitor.post(REGISTER, answers()),
        Client(raise_request_exception=False).post(
            REGISTER, answers(invitation_key=invitation.mail_key)
        ),
    ):
        assert response.status_code == 500
        assert in_text(invitation, response.content.decode()) == []


def test_the_debug_page_of_a_missing_page_does_not_show_the_carried_key(
    settings: Any, invitation: InvitationKey
) -> None:
    visitor = scenes.visit(invitation)
    settings.DEBUG = True
    assert in_text(invitation, visitor.get("/nowhere/").content.decode()) == []


@pytest.fixture
def reports(settings: Any) -> Iterator[list[EmailMessage]]:
    """Return the emails to the site's administrators, with everything in them."""
    admin_address = "boss@example.com"
    handler = AdminEmailHandler(include_html=True)
    handler.setLevel(logging.ERROR)
    # The root, as some sites have it, in place of Django's own, which sends no HTML.
    before, root = logging.getLogger("django").handlers[:], logging.getLogger()
    logging.getLogger("django").handlers.clear()
    root.addHandler(handler)
    settings.ADMINS = [admin_address] if django.VERSION >= (6, 0) else [("Boss", admin_address)]
    yield mail.outbox
    root.removeHandler(handler)
    logging.getLogger("django").handlers[:] = before


def texts_of(report: EmailMessage) -> str:
    """Return subject, text and HTML of an email."""
    html = [part[0] for part in getattr(report, "alternatives", [])]
    return "\n".join([report.subject, str(report.body), *map(str, html)])


def test_no_report_to_the_administrators_holds_the_key(
    invitation: InvitationKey, broken_view: None, reports: list[EmailMessage]
) -> None:
    client = Client(raise_request_exception=False)
    failed = [response.status_code for response in requests(invitation, client)]
    assert failed == [500] * len(reports)
    for report in reports:
        text = texts_of(report)
        assert "Traceback" in text
        assert "<html" in text
        assert in_text(invitation, text) == []


def test_no_report_of_a_broken_backend_holds_the_key(
    invitation: InvitationKey, broken_account: None, reports: list[EmailMessage]
) -> None:
    scenes.visit(invitation, raise_request_exception=False).post(REGISTER, answers())
    [report] = reports
    assert "Crash" in texts_of(report)
    assert in_text(invitation, texts_of(report)) == []


def crashing_middleware(get_response: Any) -> Any:
    """Raise before any view of ours has seen the request."""

    def middleware(request: Any) -> Any:
        raise scenes.Crash("in the middleware")

    return middleware


def test_no_report_of_what_breaks_before_our_views_holds_the_key(
    settings: Any, invitation: InvitationKey, reports: list[EmailMessage]
) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "tests.test_canary.crashing_middleware"]
    for response in requests(invitation, Client(raise_request_exception=False)):
        assert response.status_code == 500
    assert reports
    for report in reports:
        assert in_text(invitation, texts_of(report)) == []


@pytest.mark.django_db(transaction=True)
def test_no_report_of_a_broken_mail_template_holds_the_key(
    settings: Any, tmp_path: Any, log: list[str], member: Any, reports: list[EmailMessage]
) -> None:
    folder = tmp_path / "invitation"
    folder.mkdir()
    (folder / "invitation_email.txt").write_text("{{ invitation_url }}{% include 'nowhere.txt' %}")
    settings.TEMPLATES = [settings.TEMPLATES[0] | {"DIRS": [tmp_path]}]
    invitation = scenes.invite(member)
    [report] = reports
    assert "nowhere.txt" in texts_of(report)
    assert in_text(invitation, texts_of(report)) == []
    assert in_text(invitation, "\n".join(log)) == []


class SitesOwnFilter(SafeExceptionReporterFilter):
    """Hide what the site itself wants hidden."""

    cleansed_substitute = "hidden by the site"


def test_what_the_site_hides_stays_hidden(
    settings: Any, invitation: InvitationKey, broken_view: None
) -> None:
    settings.DEBUG = True
    settings.DEFAULT_EXCEPTION_REPORTER_FILTER = "tests.test_canary.SitesOwnFilter"
    get_default_exception_reporter_filter.cache_clear()
    client = Client(raise_request_exception=False, headers={"x-api-key": "secret of the site"})
    try:
        pages = [response.content.decode() for response in requests(invitation, client)]
    finally:
        get_default_exception_reporter_filter.cache_clear()
    for page in pages:
        assert "hidden by the site" in page
        assert "secret of the site" not in page


def test_the_passwords_of_the_newcomer_stay_hidden(
    invitation: InvitationKey, broken_account: None, reports: list[EmailMessage]
) -> None:
    scenes.visit(invitation, raise_request_exception=False).post(REGISTER, answers())
    [report] = reports
    assert scenes.PASSWORD not in texts_of(report)
