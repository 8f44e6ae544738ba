"""A registration that the database undoes is done again, from fresh objects, or says so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.auth.hashers import get_hasher
from django.core import mail
from django.db import connection
from django.db.models.signals import pre_save
from django.test import Client, RequestFactory
from registration import signals as redux_signals

from invitation import signals
from invitation.backends.classic import InvitationBackend
from invitation.backends.default import views as default_views
from invitation.flows.after_commit import transactions
from invitation.models import Acceptance, InvitationKey
from tests import scenes
from tests.factories import make_user
from tests.scenes import REGISTER, answers
from tests.undone import undone_commits

pytestmark = pytest.mark.django_db(transaction=True)

HOSTS = {
    "default": "tests.urls",
    "simple": "tests.urls_simple",
    "verified": "tests.urls_verified",
    "admin_approval": "tests.urls_admin_approval",
    "classic": "tests.urls_classic",
    "immediate": "tests.backends.test_classic.PatternsUrls",
}
#: Those whose accounts are logged in at once.
AT_ONCE = ("simple", "verified", "immediate")
EVER = 99
each_host = pytest.mark.parametrize("host", HOSTS, indirect=True)


@pytest.fixture
def host(request: pytest.FixtureRequest, settings: Any) -> str:
    """Let the site have this host; the default one without a parameter."""
    name: str = getattr(request, "param", "default")
    urls: Any = HOSTS[name]
    if name == "immediate":
        from tests.backends.test_classic import PatternsUrls

        urls = PatternsUrls
    settings.ROOT_URLCONF = urls
    return name


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody pause between two tries."""
    monkeypatch.setattr(transactions, "PAUSE", 0)


@pytest.fixture
def invitation(host: str, member: Any) -> InvitationKey:
    return scenes.invite(member)


@pytest.fixture
def visitor(invitation: InvitationKey) -> Client:
    """Return the browser of the invited person, in which the site has kept something before."""
    client = scenes.visit(invitation)
    session = client.session
    session["basket"] = ["beans"]
    session.save()
    mail.outbox.clear()
    return client


@pytest.fixture
def made() -> Iterator[list[tuple[Any, bool]]]:
    """Collect each account as it is about to be written first: its primary key, and its state."""
    seen: list[tuple[Any, bool]] = []

    def note(sender: Any, instance: Any, **kwargs: Any) -> None:
        seen.append((instance.pk, instance._state.adding))

    pre_save.connect(note, sender=get_user_model())
    yield seen
    pre_save.disconnect(note, sender=get_user_model())


def logged_in(visitor: Client) -> bool:
    return SESSION_KEY in visitor.session


@each_host
@pytest.mark.each_case
def test_it_is_done_again_from_a_fresh_form(
    host: str, visitor: Client, invitation: InvitationKey, made: list[Any]
) -> None:
    with (
        scenes.received(signals.invitation_accepted) as accepted,
        scenes.received(redux_signals.user_registered) as registered,
        undone_commits(2) as commits,
    ):
        response = visitor.post(REGISTER, answers())
    assert commits[:3] == [False, False, True]
    assert response.status_code == 302
    account = scenes.accounts().get()
    assert account.check_password(scenes.PASSWORD)
    invitation.refresh_from_db()
    assert (invitation.status, invitation.uses) == ("accepted", 1)
    assert Acceptance.objects.get().user == account
    # Each try makes an account of its own; what follows the commit is done once.
    assert [entry for entry in made if entry[1]] == [(None, True)] * 3
    assert len(registered) == 3
    assert [entry["user"] for entry in accepted] == [account]
    assert len(mail.outbox) == (host not in AT_ONCE)
    assert logged_in(visitor) is (host in AT_ONCE)
    assert visitor.session["basket"] == ["beans"]


@each_host
@pytest.mark.each_case
def test_after_many_tries_the_form_asks_to_try_again(
    host: str, visitor: Client, caplog: pytest.LogCaptureFixture
) -> None:
    before, key = scenes.dump(), visitor.session.session_key
    with undone_commits(EVER):
        response = visitor.post(REGISTER, answers())
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert "Try again in a few seconds." in response.content.decode()
    assert f'value="{scenes.NEWCOMER}"' in response.content.decode()
    assert scenes.dump() == before
    assert (logged_in(visitor), visitor.session.session_key) == (False, key)
    assert mail.outbox == []
    assert "database undid it: (1213" in caplog.text
    # The visitor tries again.
    assert visitor.post(REGISTER, answers()).status_code == 302
    assert scenes.accounts().count() == 1


@each_host
@pytest.mark.each_case
def test_a_name_that_somebody_took_meanwhile_is_an_error_of_the_form(
    host: str, visitor: Client, invitation: InvitationKey
) -> None:
    def take_name() -> None:
        make_user("newcomer")

    with undone_commits(1, meanwhile=take_name):
        response = visitor.post(REGISTER, answers())
    assert response.status_code == 200
    assert "already exists" in response.content.decode()
    invitation.refresh_from_db()
    assert (invitation.status, invitation.uses) == ("pending", 0)
    assert not logged_in(visitor)
    assert visitor.post(REGISTER, answers(name="another")).status_code == 302


@each_host
def test_an_invitation_that_somebody_used_meanwhile_is_refused(
    host: str, visitor: Client, invitation: InvitationKey
) -> None:
    with undone_commits(1, meanwhile=lambda: scenes.end(invitation, "used")):
        response = visitor.post(REGISTER, answers())
    assert (response.status_code, scenes.flags(response)) == (410, {"no_uses_left_key"})
    assert not scenes.accounts().exists()
    assert not logged_in(visitor)


@each_host
def test_without_invitations_it_is_done_again_too(host: str, settings: Any) -> None:
    settings.INVITE_MODE = False
    with undone_commits(2) as commits:
        assert Client().post(REGISTER, answers()).status_code == 302
    assert commits[:3] == [False, False, True]
    assert scenes.accounts().count() == 1


@pytest.mark.parametrize("host", ["classic", "default"], indirect=True)
def test_where_an_invitation_is_not_needed_the_second_try_may_do_without(
    settings: Any, visitor: Client, invitation: InvitationKey
) -> None:
    settings.INVITE_MODE = False
    InvitationKey.objects.update(destination="/welcome/")
    with undone_commits(1, meanwhile=lambda: scenes.end(invitation, "revoked")):
        response = visitor.post(REGISTER, answers())
    assert (response.status_code, response["Location"]) == (302, "/accounts/register/complete/")
    assert scenes.accounts().count() == 1
    assert not Acceptance.objects.exists()


def test_the_password_is_hashed_once(visitor: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, hashed = type(get_hasher()), list[str]()
    encode = kind.encode

    def count(self: Any, password: str, *args: Any) -> str:
        hashed.append(password)
        return encode(self, password, *args)

    monkeypatch.setattr(kind, "encode", count)
    with undone_commits(3):
        visitor.post(REGISTER, answers())
    assert hashed == [scenes.PASSWORD]


def test_a_backend_class_that_a_sites_own_view_calls_repeats_by_itself(
    invitation: InvitationKey, made: list[Any]
) -> None:
    given = {"invitation_key": invitation.mail_key}
    request = RequestFactory().post(REGISTER, given, headers={"host": "example.com"})
    with undone_commits(2) as commits:
        account = InvitationBackend().register(request, **answers())
    assert commits == [False, False, True]
    assert scenes.accounts().get() == account
    assert made == [(None, True)] * 3


@pytest.mark.parametrize("host", ["simple", "verified"], indirect=True)
def test_a_login_that_is_undone_is_done_again(host: str, visitor: Client) -> None:
    with undone_commits(1, first=1) as commits:
        assert visitor.post(REGISTER, answers()).status_code == 302
    assert commits[:3] == [True, False, True]
    assert logged_in(visitor)
    assert visitor.session["basket"] == ["beans"]


@pytest.mark.parametrize("host", ["simple"], indirect=True)
def test_an_account_whose_login_is_undone_again_and_again_stays(
    host: str, visitor: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with undone_commits(transactions.TRIES, first=1):
        assert visitor.post(REGISTER, answers()).status_code == 302
    assert scenes.accounts().get().is_active
    assert not logged_in(visitor)
    assert "database undid it: (1213" in caplog.text


@pytest.mark.parametrize("host", ["immediate"], indirect=True)
def test_a_session_that_no_rollback_brings_back_keeps_its_data(
    host: str, settings: Any, invitation: InvitationKey
) -> None:
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.cache"
    visitor = scenes.visit(invitation)
    session = visitor.session
    session["basket"] = ["beans"]
    session.save()
    visitor.cookies[settings.SESSION_COOKIE_NAME] = session.session_key
    with undone_commits(EVER):
        assert visitor.post(REGISTER, answers()).status_code == 503
    assert not logged_in(visitor)
    assert visitor.session["basket"] == ["beans"]


class OneTransaction(default_views.RegistrationView):
    """A site's own view, whose code is saved together with ours."""

    own_transactions = False


@pytest.fixture
def one_transaction(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    from tests.backends import test_repeated

    settings.ROOT_URLCONF = test_repeated.OneTransactionUrls
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)


class OneTransactionUrls:
    """Include the pages of the default backend, and the site's own registration."""

    from django.urls import include, path

    urlpatterns = [
        path("accounts/register/", OneTransaction.as_view()),
        path("", include("tests.urls")),
    ]


@pytest.mark.parametrize("at_commit", [True, False])
def test_in_one_transaction_with_the_request_nothing_is_repeated_and_the_page_says_so(
    visitor: Client, one_transaction: None, monkeypatch: pytest.MonkeyPatch, at_commit: bool
) -> None:
    before = scenes.dump()

    def conflict(**kwargs: Any) -> None:
        raise transactions.OperationalError(1213, "Deadlock found")

    if not at_commit:
        redux_signals.user_registered.connect(conflict)
    with undone_commits(at_commit) as commits:
        response = visitor.post(REGISTER, answers())
    redux_signals.user_registered.disconnect(conflict)
    assert commits.count(False) == at_commit
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert response.templates[0].name == "invitation/busy.html"
    assert "no-store" in response["Cache-Control"]
    assert scenes.dump() == before
    assert visitor.post(REGISTER, answers()).status_code == 302
