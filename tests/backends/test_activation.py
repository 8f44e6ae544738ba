"""What the link in an activation email shows, does, and proves."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.auth.models import Group
from django.core import mail
from django.db import IntegrityError, connection, transaction
from django.db.models import ProtectedError
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from registration import signals as redux_signals
from registration.models import RegistrationProfile

from invitation import keys
from invitation.backends import activation
from invitation.backends.classic.base import AccountBackend
from invitation.backends.redux import ActivationMixin
from invitation.flows import arriving, privacy
from invitation.flows.mail import is_suppressed
from invitation.models import Acceptance, InvitationKey
from tests import scenes
from tests.factories import make_invitation, make_user
from tests.scenes import NEWCOMER, PASSWORD, REGISTER, RESEND, answers

Commit = Callable[..., Any]
INBOX = "/accounts/invitations/received/"
DONE = "/accounts/activate/complete/"
NEW_PASSWORD = "another-horse-battery"
URLCONFS = ["tests.urls", "tests.urls_verified", "tests.urls_admin_approval", "tests.urls_classic"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def urlconf(settings: Any) -> str:
    settings.ROOT_URLCONF = "tests.urls"
    return "tests.urls"


@pytest.fixture
def invitation(member: Any) -> InvitationKey:
    return scenes.invite(member)


@pytest.fixture
def register(invitation: InvitationKey, commit: Commit) -> Callable[..., str]:
    """Call it, and somebody has registered; it returns the path of the link to activate."""

    def do(channel: str = keys.COPY) -> str:
        mail.outbox.clear()
        with commit():
            answer = scenes.visit(invitation, channel=channel).post(REGISTER, answers())
        assert answer.status_code == 302
        return scenes.path_in(mail.outbox[-1], part="/activate/")

    return do


def account() -> Any:
    return scenes.accounts().get()


def typed(password: str = NEW_PASSWORD) -> dict[str, str]:
    return {"new_password1": password, "new_password2": password}


@pytest.fixture(params=URLCONFS)
def workflow(request: Any, settings: Any) -> str:
    settings.ROOT_URLCONF = request.param
    return str(request.param)


# -- who has written the password --------------------------------------------------------------


def test_the_password_of_who_registered_with_a_copied_link_does_not_outlive_the_activation(
    workflow: str, register: Callable[..., str]
) -> None:
    link = register(keys.COPY)
    victim = Client()
    victim.get(link)
    victim.post(link, typed())
    assert not account().check_password(PASSWORD)
    assert account().check_password(NEW_PASSWORD)


@pytest.mark.parametrize("method", ["get", "head", "options"])
@pytest.mark.parametrize("channel", keys.CHANNELS)
def test_looking_at_the_link_changes_nothing(
    workflow: str, register: Callable[..., str], method: str, channel: str
) -> None:
    if workflow == "tests.urls_verified" and channel == keys.MAIL:
        pytest.skip("No second email is sent.")
    link = register(channel)
    before = scenes.dump()
    getattr(Client(), method)(link)
    assert scenes.dump() == before


def test_the_page_shows_who_made_the_account_and_asks_for_a_password(
    workflow: str, register: Callable[..., str]
) -> None:
    link = register(keys.COPY)
    page = Client().get(link)
    assert page.status_code == 200
    assert page.context["account"] == account()
    text = page.content.decode()
    assert account().get_username() in text
    assert 'name="new_password1"' in text
    assert 'autocomplete="new-password"' in text
    assert 'name="not_me"' in text
    assert "no-store" in page["Cache-Control"]
    assert page["Referrer-Policy"] == "same-origin"


def test_the_password_of_who_came_by_the_mailed_link_stays(
    urlconf: str, register: Callable[..., str]
) -> None:
    link = register(keys.MAIL)
    page = Client().get(link)
    assert page.context["form"] is None
    answer = Client().post(link)
    assert (answer.status_code, answer["Location"]) == (302, DONE)
    assert account().check_password(PASSWORD)
    assert account().is_active


def test_an_account_without_a_password_needs_none(
    urlconf: str, register: Callable[..., str]
) -> None:
    link = register(keys.COPY)
    user = account()
    user.set_unusable_password()
    user.save()
    assert Client().post(link)["Location"] == DONE
    assert account().is_active
    assert arriving.has_proven(account())


@pytest.mark.parametrize("posted", [{}, typed("short"), typed() | {"new_password2": "other"}])
def test_a_password_that_is_missing_or_bad_activates_nothing(
    workflow: str, register: Callable[..., str], posted: dict[str, str], settings: Any
) -> None:
    length = "django.contrib.auth.password_validation.MinimumLengthValidator"
    settings.AUTH_PASSWORD_VALIDATORS = [{"NAME": length}]
    link = register(keys.COPY)
    before = scenes.dump()
    page = Client().post(link, posted | {"x": "y"})
    assert page.status_code == 200
    assert page.context["form"].errors
    assert 'role="alert"' in page.content.decode()
    assert scenes.dump() == before


def test_a_session_of_the_earlier_password_ends(
    urlconf: str, register: Callable[..., str], settings: Any
) -> None:
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.AllowAllUsersModelBackend"]
    link = register(keys.COPY)
    inviter = Client()
    inviter.force_login(account())
    assert "Home of newcomer" in inviter.get("/").content.decode()
    Client().post(link, typed())
    assert "Home of newcomer" not in inviter.get("/").content.decode()


def test_a_receiver_that_logs_in_gets_the_new_password(
    urlconf: str, register: Callable[..., str]
) -> None:
    link = register(keys.COPY)
    browser = Client()
    redux_signals.user_activated.connect(redux_signals.login_user)
    try:
        browser.post(link, typed())
    finally:
        redux_signals.user_activated.disconnect(redux_signals.login_user)
    assert browser.session[SESSION_KEY] == str(account().pk)
    assert "Home of newcomer" in browser.get("/").content.decode()


def test_a_second_click_leads_to_where_the_first_one_did(
    workflow: str, register: Callable[..., str]
) -> None:
    link = register(keys.COPY)
    first = Client().post(link, typed())
    with scenes.received(redux_signals.user_activated) as activated:
        for again in (Client().get(link), Client().post(link, typed("third-horse-battery"))):
            assert (again.status_code, again["Location"]) == (302, first["Location"])
    assert activated == []
    assert account().check_password(NEW_PASSWORD)


@pytest.mark.parametrize("method", ["get", "post"])
def test_an_old_link_wakes_no_account_that_was_deactivated(
    urlconf: str, register: Callable[..., str], method: str
) -> None:
    link = register(keys.COPY)
    Client().post(link, typed())
    scenes.accounts().update(is_active=False)
    page = getattr(Client(), method)(link, typed())
    assert "registration/activate.html" in [used.name for used in page.templates]
    assert not account().is_active


@pytest.mark.parametrize("method", ["get", "post"])
def test_no_link_opens_an_account_that_staff_closed_again(
    workflow: str, register: Callable[..., str], method: str
) -> None:
    link = register(keys.COPY)
    Client().post(link, typed())
    person = account()
    person.is_active = True  # where an administrator approves accounts
    person.save()
    arriving.activate(person)
    scenes.accounts().update(is_active=False)
    page = getattr(Client(), method)(link, typed())
    assert "This link does not work" in page.content.decode()
    assert not account().is_active


@pytest.mark.parametrize("method", ["get", "post"])
def test_an_unused_link_opens_no_account_that_staff_opened_and_closed(
    workflow: str, register: Callable[..., str], method: str, commit: Commit
) -> None:
    link = register(keys.COPY)
    scenes.accounts().update(last_login=timezone.now())
    before = scenes.dump()
    page = getattr(Client(), method)(link, typed())
    assert "This link does not work" in page.content.decode()
    mail.outbox.clear()
    with commit():
        Client().post(RESEND, {"email": NEWCOMER})
    assert mail.outbox == []
    assert scenes.accounts().filter(is_active=True).count() == 0
    assert before["auth_user"] == scenes.dump()["auth_user"]


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_link_that_is_too_old_says_so(
    workflow: str, register: Callable[..., str], method: str
) -> None:
    link = register(keys.COPY)
    scenes.accounts().update(date_joined=account().date_joined - timedelta(days=30))
    before = scenes.dump()
    page = getattr(Client(), method)(link, typed())
    assert page.status_code == 200
    assert "registration/activate.html" in [used.name for used in page.templates]
    assert scenes.dump() == before


@pytest.mark.parametrize("key", ["x", "a" * 64, "%00" * 40, "é" * 50, "x" * 3000])
@pytest.mark.parametrize("method", ["get", "post"])
def test_what_is_no_link_says_so(workflow: str, key: str, method: str) -> None:
    page = getattr(Client(), method)(f"/accounts/activate/{key}/", typed())
    assert page.status_code == 200
    assert "registration/activate.html" in [used.name for used in page.templates]


def test_who_comes_second_by_a_hair_changes_nothing(
    urlconf: str, register: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    link = register(keys.COPY)
    confirm = activation.confirm_form

    def late(*args: Any) -> Any:
        monkeypatch.setattr(activation, "confirm_form", confirm)
        Client().post(link, typed())
        return confirm(*args)

    monkeypatch.setattr(activation, "confirm_form", late)
    assert Client().post(link, typed("third-horse-battery"))["Location"] == DONE
    assert account().check_password(NEW_PASSWORD)


def test_a_form_from_another_site_activates_nothing(
    workflow: str, register: Callable[..., str], settings: Any
) -> None:
    link = register(keys.COPY)
    csrf = "django.middleware.csrf.CsrfViewMiddleware"
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if name != csrf]
    assert Client(enforce_csrf_checks=True).post(link, typed()).status_code == 403
    assert not account().is_active


# -- this was not me ---------------------------------------------------------------------------


@pytest.mark.each_case
@pytest.mark.parametrize("channel", keys.CHANNELS)
def test_who_did_not_register_deletes_the_account_and_frees_the_invitation(
    workflow: str, register: Callable[..., str], invitation: InvitationKey, channel: str
) -> None:
    if workflow == "tests.urls_verified" and channel == keys.MAIL:
        pytest.skip("No second email is sent.")
    link = register(channel)
    page = Client().post(link, {"not_me": "1"})
    assert page.status_code == 200
    assert "deleted" in page.content.decode()
    assert "no-store" in page["Cache-Control"]
    assert not scenes.accounts().exists()
    invitation.refresh_from_db()
    assert (invitation.status, invitation.uses) == ("pending", 0)
    assert is_suppressed(NEWCOMER) is None
    # Again, or with the form of another tab.
    for posted in ({"not_me": "1"}, typed()):
        assert Client().post(link, posted).status_code == 200
    assert scenes.visit(invitation).post(REGISTER, answers()).status_code == 302


@pytest.mark.each_case
@pytest.mark.parametrize("usable", [{"is_active": True}, {"last_login": "2026-01-01T00:00Z"}])
def test_an_account_that_was_usable_cannot_be_deleted_so(
    workflow: str, register: Callable[..., str], usable: dict[str, Any]
) -> None:
    link = register(keys.COPY)
    scenes.accounts().update(**usable)
    response = Client().post(link, {"not_me": "1"})
    assert response.status_code in (200, 302)
    # Nor does the page say so.
    assert "registration/activate_disowned.html" not in [page.name for page in response.templates]
    assert scenes.accounts().exists()


def test_an_account_that_has_gone_cannot_be_disowned_twice() -> None:
    user = make_user()
    type(user).objects.all().delete()
    assert not arriving.disown(user)


def test_an_account_that_the_site_protects_is_made_useless(
    urlconf: str,
    register: Callable[..., str],
    invitation: InvitationKey,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    link = register(keys.COPY)

    def protected(self: Any, *args: Any, **kwargs: Any) -> Any:
        raise ProtectedError("An order names it.", set())

    monkeypatch.setattr(get_user_model(), "delete", protected)
    assert Client().post(link, {"not_me": "1"}).status_code == 200
    assert not account().is_active
    assert not account().has_usable_password()
    invitation.refresh_from_db()
    assert invitation.status == "pending"


# -- the key of the link -----------------------------------------------------------------------


class TestKey:
    def test_it_looks_as_reduxs_own_and_is_never_the_same(self) -> None:
        first, second = activation.new_key(NEWCOMER), activation.new_key(NEWCOMER)
        assert activation.KEY.fullmatch(first)
        assert len(first) == 64
        assert first != second

    def test_it_is_bound_to_its_address(self, settings: Any) -> None:
        settings.INVITATION_SIGNING_KEYS = ["old"]
        key = activation.new_key(NEWCOMER)
        settings.INVITATION_SIGNING_KEYS = ["new", "old"]
        assert activation.is_bound(key, NEWCOMER.upper())
        assert not activation.is_bound(key, "other@example.com")
        assert not activation.is_bound("ab" * 32, NEWCOMER)
        assert not activation.is_bound("", NEWCOMER)

    def test_asking_again_replaces_a_link_of_reduxs_own(
        self, urlconf: str, register: Callable[..., str]
    ) -> None:
        register(keys.COPY)
        RegistrationProfile.objects.update(activation_key="ab" * 32)
        Client().post(RESEND, {"email": NEWCOMER})
        link = scenes.path_in(mail.outbox[-1], part="/activate/")
        assert "ab" * 32 not in link
        Client().post(link, typed())
        assert arriving.has_proven(account())


# -- what is proven ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "gone", ["invitation forgotten", "acceptance deleted", "invitation deleted"]
)
@pytest.mark.parametrize("channel", keys.CHANNELS)
def test_an_address_that_is_typed_later_is_never_proven(
    urlconf: str, register: Callable[..., str], invitation: InvitationKey, gone: str, channel: str
) -> None:
    link = register(channel)
    page = Client().get(link)
    Client().post(link, typed() if page.context["form"] else {})
    user = account()
    assert user.is_active
    assert arriving.proven_addresses(user) == {NEWCOMER}
    if gone == "invitation forgotten":
        privacy.forget_ended(timedelta(0))
    elif gone == "acceptance deleted":
        Acceptance.objects.all().delete()
    else:
        InvitationKey.objects.all().delete()
    # What was proven still is.
    assert arriving.proven_addresses(user) == {NEWCOMER}
    user.email = "ceo@example.com"
    user.save()
    group = Group.objects.create(name="Board")
    waiting = make_invitation(make_user("chair"), "ceo@example.com")
    waiting.groups.add(group)
    browser = Client()
    browser.force_login(user)
    assert "chair" not in browser.get(INBOX).content.decode()
    assert browser.post(f"{INBOX}{waiting.pk}/accept/").status_code == 404
    assert arriving.proven_addresses(user) == set()
    assert not user.groups.exists()


# -- an account that is deleted while redux sends an email --


@pytest.mark.django_db
@pytest.mark.parametrize("error", [IntegrityError, get_user_model().DoesNotExist])
@pytest.mark.each_case
def test_an_account_that_was_deleted_meanwhile_is_not_activated(error: type[Exception]) -> None:
    class Redux:
        def activate(self, *args: Any, **kwargs: Any) -> Any:
            raise error

    class View(activation.MailingActivationMixin, Redux):
        registration_profile = RegistrationProfile

    profile = RegistrationProfile.objects.create_profile(make_user("waiting"))
    assert View().activate(activation_key="ab" * 32) is False
    with pytest.raises(error):
        View().activate(activation_key=profile.activation_key)


def test_the_account_is_locked_before_its_profile_as_a_deletion_does(
    urlconf: str, register: Callable[..., str]
) -> None:
    register()
    with CaptureQueriesContext(connection) as asked, transaction.atomic():
        assert activation.hold(RegistrationProfile.objects.all()) is not None
    selects = [query["sql"] for query in asked if query["sql"].startswith("SELECT")]
    tables = [table for sql in selects for table in re.findall(r" FROM .(\w+)", sql)]
    assert tables[1:] == ["auth_user", "registration_registrationprofile"]
    if connection.features.has_select_for_update:
        assert all(re.search("FOR (NO KEY )?UPDATE", sql) for sql in selects[1:])


def test_an_account_that_has_gone_is_not_held(urlconf: str, register: Callable[..., str]) -> None:
    register()
    profiles = RegistrationProfile.objects.all()
    scenes.accounts().delete()
    with transaction.atomic():
        assert activation.hold(profiles) is None


# -- as redux does --


@pytest.fixture
def by_get(workflow: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let the link itself activate, as a site that subclasses our view or backend may choose."""
    for chosen in (ActivationMixin, AccountBackend):
        monkeypatch.setattr(chosen, "activates_by_get", True)
    return workflow


def test_a_site_may_choose_that_the_link_itself_activates(
    by_get: str, register: Callable[..., str], commit: Commit
) -> None:
    link = register(keys.COPY)
    before = scenes.dump()
    Client().head(link)
    assert scenes.dump() == before
    with commit():
        answer = Client().get(link)
    assert answer.status_code == 302
    assert account().is_active is (by_get != "tests.urls_admin_approval")
    assert account().check_password(PASSWORD)
    assert Client().get(link)["Location"] == answer["Location"]


def test_then_the_link_proves_no_address(
    by_get: str, register: Callable[..., str], commit: Commit
) -> None:
    link = register(keys.COPY)
    with commit():
        Client().get(link)
    assert not arriving.has_proven(account())


def test_and_a_request_for_approval_that_fails_is_said(
    settings: Any, by_get: str, register: Callable[..., str]
) -> None:
    if by_get != "tests.urls_admin_approval":
        pytest.skip("No request for an approval is sent.")
    link = register(keys.COPY)
    with scenes.broken_mail():
        answer = Client(raise_request_exception=False).get(link)
    assert (answer.status_code, answer.context["try_again"]) == (503, True)
    assert Client().get(link).status_code == 302
