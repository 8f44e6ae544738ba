"""The activation email of django-registration, the page of its link, and its limits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import django
import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.core import mail, signing
from django.test import Client
from django.utils import timezone
from django_registration import signals
from django_registration.forms import RegistrationForm

from invitation.backends.proofs import activated_address
from invitation.backends.registration5.activation.views import RegistrationView
from invitation.flows.mail import account_mails, suppress
from invitation.models import Acceptance, InvitationKey, ProvenAddress
from tests import scenes
from tests.hosts.registration5.activating import COMPLETE, follow, link_in, typed
from tests.scenes import NEWCOMER, REGISTER, RESEND, answers

pytestmark = pytest.mark.django_db
Commit = Callable[..., Any]
ACTIVATE = "/accounts/activate/"
CHOSEN = "chosen-by-the-reader-1"


@pytest.fixture
def invitation(member: Any) -> InvitationKey:
    return scenes.invite(member)


@pytest.fixture
def registered(invitation: InvitationKey, commit: Commit) -> Client:
    """Return the browser of somebody who has registered with the copied link."""
    visitor = scenes.visit(invitation, channel="copy")
    with commit():
        assert visitor.post(REGISTER, answers()).status_code == 302
    return visitor


@pytest.fixture
def proven(invitation: InvitationKey, commit: Commit) -> Client:
    """Return the browser of somebody who has registered with the link from their email."""
    visitor = scenes.visit(invitation)
    with commit():
        assert visitor.post(REGISTER, answers()).status_code == 302
    return visitor


def with_key(key: str) -> str:
    return f"{ACTIVATE}?{urlencode({'activation_key': key})}"


def account() -> Any:
    return scenes.accounts().get()


def share(inviter: Any) -> InvitationKey:
    row = scenes.invite(inviter)
    changes = {"shared": True, "email": "", "email_key": "", "max_uses": None}
    InvitationKey.objects.filter(pk=row.pk).update(**changes, pending_slot=None)
    row.refresh_from_db()
    return row


# The email


def test_the_email_says_what_to_do_and_how_long_it_works(registered: Client) -> None:
    [email] = mail.outbox
    assert (email.to, email.subject) == ([NEWCOMER], "Activate your account at example.com")
    assert "https://example.com/accounts/activate/?activation_key=" in email.body
    assert "The link works for 7 days." in email.body
    assert "&" not in email.body


def test_its_page_after_signing_up_says_where_the_link_is(invitation: InvitationKey) -> None:
    visitor = scenes.visit(invitation)
    page = visitor.post(REGISTER, answers(), follow=True).content.decode()
    assert "Check your email" in page
    assert f'href="{RESEND}"' in page


@pytest.mark.django_db(transaction=True)
def test_whoever_gets_no_email_is_told_so(invitation: InvitationKey) -> None:
    visitor = scenes.visit(invitation, channel="copy")
    with scenes.broken_mail():
        response = visitor.post(REGISTER, answers(), follow=True)
    assert "was not sent" in response.content.decode()
    mail.outbox.clear()
    visitor.post(RESEND, {"email": NEWCOMER})
    assert follow(visitor, mail.outbox[0])["Location"] == COMPLETE


def test_a_site_may_send_its_own_email(
    invitation: InvitationKey, commit: Commit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        RegistrationView, "email_subject_template", "registration/password_reset_subject.txt"
    )
    with commit():
        scenes.visit(invitation).post(REGISTER, answers())
    assert "Activate" not in mail.outbox[0].subject


def test_a_form_saves_what_it_has_beside_the_account(
    invitation: InvitationKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[Any] = []

    class SitesForm(RegistrationForm):  # type: ignore[misc]
        def _save_m2m(self) -> None:
            super()._save_m2m()
            saved.append(self.instance.pk)

    monkeypatch.setattr(RegistrationView, "form_class", SitesForm)
    scenes.visit(invitation).post(REGISTER, answers())
    assert saved == [account().pk]


# The page


def test_the_page_shows_whose_account_it_is_and_changes_nothing(registered: Client) -> None:
    before = scenes.dump()
    for method in ("head", "get"):
        page = getattr(Client(), method)(link_in(mail.outbox[0]))
    assert scenes.dump() == before
    shown = page.content.decode()
    assert "newcomer" in shown
    assert NEWCOMER in shown
    assert "no-store" in page["Cache-Control"]
    assert page["Referrer-Policy"] == "same-origin"
    assert "noindex" in page["X-Robots-Tag"]


def test_the_reader_of_the_email_chooses_the_password(registered: Client) -> None:
    assert follow(Client(), mail.outbox[0], CHOSEN)["Location"] == COMPLETE
    assert account().is_active
    assert account().check_password(CHOSEN)
    assert not account().check_password(scenes.PASSWORD)
    assert "You can log in now" in Client().get(COMPLETE).content.decode()


def test_whoever_came_from_the_email_keeps_the_password(proven: Client) -> None:
    page = Client().get(link_in(mail.outbox[0]))
    assert page.context["form"].visible_fields() == []
    assert follow(Client(), mail.outbox[0])["Location"] == COMPLETE
    assert account().check_password(scenes.PASSWORD)


@pytest.mark.parametrize(
    ("passwords", "wrong"),
    [(("", ""), "new_password1"), (("a-good-one-1", "another-1"), "new_password2")],
)
def test_a_bad_password_is_a_form_error(
    registered: Client, passwords: tuple[str, str], wrong: str
) -> None:
    link = link_in(mail.outbox[0])
    posted = typed(Client().get(link))
    posted |= dict(zip(("new_password1", "new_password2"), passwords, strict=True))
    page = Client().post(link, posted)
    assert len(page.context["form"].errors[wrong]) == 1
    assert page.context["account"] == account()
    assert not account().is_active


def test_a_form_without_a_csrf_token_is_refused(registered: Client) -> None:
    link = link_in(mail.outbox[0])
    browser = Client(enforce_csrf_checks=True)
    assert browser.post(link, typed(browser.get(link))).status_code == 403


def test_the_pages_are_open_where_all_others_need_a_login(
    settings: Any, invitation: InvitationKey, commit: Commit
) -> None:
    required = "django.contrib.auth.middleware.LoginRequiredMiddleware"
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, required]
    with commit():
        scenes.visit(invitation).post(REGISTER, answers())
    assert Client().get("/accounts/register/complete/").status_code == 200
    assert Client().get("/accounts/register/closed/").status_code == 200
    assert Client().get(RESEND).status_code == 200
    assert follow(Client(), mail.outbox[0])["Location"] == COMPLETE
    assert Client().get(COMPLETE).status_code == 200


def test_this_was_not_me_deletes_the_account_and_releases_the_invitation(
    registered: Client, invitation: InvitationKey
) -> None:
    page = Client().post(link_in(mail.outbox[0]), {"not_me": "1"})
    assert "Account deleted" in page.content.decode()
    assert not scenes.accounts().exists()
    invitation.refresh_from_db()
    assert (invitation.status, invitation.uses) == ("pending", 0)
    assert scenes.visit(invitation).post(REGISTER, answers()).status_code == 302


def test_this_was_not_me_comes_too_late_for_an_account_in_use(registered: Client) -> None:
    link = link_in(mail.outbox[0])
    follow(Client(), mail.outbox[0])
    assert Client().post(link, {"not_me": "1"})["Location"] == COMPLETE
    assert account().is_active


# The key


@pytest.mark.parametrize("key", ["", "x", "a:b:c", "é" * 60, "x" * 5000, "a\0b"])
def test_a_key_that_nobody_signed_activates_nothing(registered: Client, key: str) -> None:
    before = scenes.dump()
    for response in (
        Client().get(with_key(key)),
        Client().post(with_key(key), {"activation_key": key}),
        Client().post(ACTIVATE, {"activation_key": key, "not_me": "1"}),
        Client().get(ACTIVATE),
    ):
        assert response.status_code == 200
        assert "This link does not work" in response.content.decode()
        assert f'href="{RESEND}"' in response.content.decode()
    assert scenes.dump() == before


def test_an_expired_key_activates_nothing(registered: Client) -> None:
    link = link_in(mail.outbox[0])
    posted = typed(Client().get(link))
    with time_machine.travel(timezone.now() + timedelta(days=7, seconds=1)):
        assert Client().get(link).context["account"] is None
        page = Client().post(link, posted)
    assert "This link does not work" in page.content.decode()
    assert not account().is_active


def test_a_key_that_was_sent_to_another_address_activates_nothing(registered: Client) -> None:
    link = link_in(mail.outbox[0])
    posted = typed(Client().get(link))
    scenes.accounts().update(email="changed@example.com")
    for response in (Client().get(link), Client().post(link, posted)):
        assert "This link does not work" in response.content.decode()
    assert not scenes.accounts("changed@example.com").get().is_active


def test_our_key_proves_the_address(registered: Client) -> None:
    assert activated_address(account()) == []
    follow(Client(), mail.outbox[0])
    assert activated_address(account()) == [NEWCOMER]


def test_a_key_of_the_host_activates_and_proves_nothing(registered: Client) -> None:
    link = with_key(signing.dumps("newcomer", salt="registration"))
    page = Client().get(link)
    assert page.context["account"] == account()
    assert Client().post(link, typed(page, CHOSEN))["Location"] == COMPLETE
    assert account().check_password(CHOSEN)
    assert Acceptance.objects.get().activated_at is not None
    assert not ProvenAddress.objects.exists()


def test_a_key_of_ours_does_no_harm_in_the_hosts_own_view(
    registered: Client, settings: Any
) -> None:
    settings.ROOT_URLCONF = "tests.hosts.registration5.urls_activation_alone"
    key = mail.outbox[0].body.split("activation_key=")[1].split()[0]
    page = Client().post(ACTIVATE, {"activation_key": key})
    assert page.context["activation_error"]["code"] == "bad_username"
    assert not account().is_active


def test_a_used_key_does_not_open_an_account_again_that_staff_closed(
    registered: Client, commit: Commit
) -> None:
    link = link_in(mail.outbox[0])
    posted = typed(Client().get(link))
    follow(Client(), mail.outbox[0])
    scenes.accounts().update(is_active=False)
    for response in (Client().get(link), Client().post(link, posted)):
        assert "This link does not work" in response.content.decode()
    mail.outbox.clear()
    Client().post(RESEND, {"email": NEWCOMER})
    assert mail.outbox == []
    assert not account().is_active


def test_no_error_report_holds_a_key(registered: Client, settings: Any) -> None:
    settings.ADMINS = ["boss@example.com"] if django.VERSION >= (6, 0) else [("B", "b@example.com")]
    link = link_in(mail.outbox.pop())
    key = link.split("activation_key=")[1]
    browser = Client(raise_request_exception=False)
    posted = typed(browser.get(link), CHOSEN)
    with scenes.crashing(signals.user_activated):
        assert browser.post(link, posted).status_code == 500
    [report] = mail.outbox
    told = f"{report.subject} {report.body} {report.alternatives}"
    assert "Crash" in told
    assert key.split(":")[0] not in told
    assert key[-20:] not in told
    assert CHOSEN not in told


def test_a_key_does_not_open_an_account_that_was_in_use_before(member: Any) -> None:
    # A member who came without an invitation, and whose account staff have closed.
    type(member).objects.update(is_active=False, last_login=timezone.now())
    link = with_key(signing.dumps(member.get_username(), salt="registration"))
    page = Client().get(link)
    assert page.context["account"] is None
    key = page.context["form"]["activation_key"].value()
    page = Client().post(link, {"activation_key": key})
    assert page.context["activation_error"]["code"] == "bad_username"
    assert not type(member).objects.get().is_active


def test_a_second_click_goes_where_the_first_one_went(registered: Client) -> None:
    follow(Client(), mail.outbox[0])
    with scenes.received(signals.user_activated) as activated:
        assert Client().get(link_in(mail.outbox[0]))["Location"] == COMPLETE
    assert activated == []


# Meanwhile


class Meanwhile:
    """Validator of passwords that does what somebody else does in the meantime."""

    happens: Callable[[], Any]

    def validate(self, password: str, user: Any = None) -> None:
        type(self).happens()

    def get_help_text(self) -> str:
        return ""


@pytest.fixture
def meanwhile(settings: Any) -> type[Meanwhile]:
    settings.AUTH_PASSWORD_VALIDATORS = [{"NAME": f"{__name__}.Meanwhile"}]
    return Meanwhile


def test_an_account_that_is_deleted_meanwhile_is_not_created_again(
    registered: Client, meanwhile: type[Meanwhile]
) -> None:
    meanwhile.happens = lambda: scenes.accounts().delete()  # type: ignore[method-assign]
    with scenes.received(signals.user_activated) as activated:
        page = follow(Client(), mail.outbox[0])
    assert "This link does not work" in page.content.decode()
    assert not scenes.accounts().exists()
    assert activated == []


def test_an_account_that_is_activated_meanwhile_is_activated_once(
    registered: Client, meanwhile: type[Meanwhile]
) -> None:
    meanwhile.happens = lambda: scenes.accounts().update(is_active=True)  # type: ignore[method-assign]
    with scenes.received(signals.user_activated) as activated:
        page = follow(Client(), mail.outbox[0], CHOSEN)
    assert page.status_code == 200
    assert activated == []
    assert account().check_password(scenes.PASSWORD)


# How many emails anybody may cause


def test_asking_again_sends_a_link_that_works_and_tells_nothing(registered: Client) -> None:
    first = mail.outbox.pop()
    known = Client().post(RESEND, {"email": NEWCOMER.upper()})
    unknown = Client().post(RESEND, {"email": "unknown@example.com"})
    [again] = mail.outbox
    assert again.to == [NEWCOMER]
    shown = known.content.decode().replace(NEWCOMER.upper(), "unknown@example.com")
    assert shown == unknown.content.decode()
    # The link in the first email still works, too.
    assert Client().get(link_in(first)).context["account"] == account()
    assert follow(Client(), again)["Location"] == COMPLETE


def test_an_account_from_long_ago_is_not_sent_a_link_again(registered: Client) -> None:
    scenes.accounts().update(date_joined=timezone.now() - timedelta(days=7, seconds=1))
    mail.outbox.clear()
    Client().post(RESEND, {"email": NEWCOMER})
    assert mail.outbox == []


def test_the_page_that_sends_again_helps_the_browser_to_fill_it_in() -> None:
    form = Client().get(RESEND).context["form"]
    assert 'autocomplete="email"' in str(form["email"])
    assert Client().post(RESEND, {"email": "x"}).context["form"].errors


def test_an_address_gets_few_emails_however_often_they_are_asked_for(registered: Client) -> None:
    for _again in range(10):
        Client().post(RESEND, {"email": NEWCOMER})
    assert len(mail.outbox) == account_mails.RECIPIENT_LIMIT


def test_an_address_that_wants_no_emails_gets_none(member: Any, commit: Commit) -> None:
    suppress(NEWCOMER)
    mail.outbox.clear()
    with commit():
        scenes.visit(share(member), channel="copy").post(REGISTER, answers())
    Client().post(RESEND, {"email": NEWCOMER})
    assert mail.outbox == []


@pytest.mark.parametrize("name", ["newcomer", "somebody"])
def test_registering_again_with_a_shared_link_mails_again_and_makes_no_second_account(
    member: Any, commit: Commit, name: str
) -> None:
    link = share(member)
    for typed_name in ("newcomer", name):
        with commit():
            again = scenes.visit(link, channel="copy").post(REGISTER, answers(name=typed_name))
        assert again["Location"] == "/accounts/register/complete/"
    assert account().get_username() == "newcomer"
    assert [sent.to for sent in mail.outbox] == [[NEWCOMER]] * 2
    link.refresh_from_db()
    assert link.uses == 1


def test_many_registrations_for_a_stranger_give_few_emails(member: Any, commit: Commit) -> None:
    link = share(member)
    statuses = []
    for number in range(8):
        with commit():
            browser = scenes.visit(link, channel="copy")
            statuses.append(browser.post(REGISTER, answers(name=f"n{number}")).status_code)
    limit = account_mails.RECIPIENT_LIMIT
    assert len(mail.outbox) == limit
    assert statuses == [302] * limit + [429] * (8 - limit)
    assert get_user_model().objects.filter(email=NEWCOMER).count() == 1
