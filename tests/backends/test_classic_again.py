"""A backend class registers an address once, however often a shared link is used for it."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core import mail
from django.http import HttpResponse
from django.urls import include, path

from invitation.backends.classic import InvitationBackend
from invitation.backends.classic.urls import patterns
from invitation.flows import sharing
from invitation.flows.mail import account_mails
from invitation.models import InvitationKey
from tests import scenes
from tests.backends.classic_thirdparty import TwoStepBackend
from tests.factories import make_user
from tests.scenes import NEWCOMER, REGISTER, RESEND, answers


class Urls:
    """Name the addresses of the package's own backend."""

    urlpatterns = [
        path("", include("tests.urls_common")),
        path("accounts/", include("invitation.backends.classic.urls")),
    ]


class OldUrls:
    """Name those of a backend that knows nothing of accounts that wait."""

    urlpatterns = [
        path("", include("tests.urls_common")),
        path("accounts/", include(patterns(InvitationBackend.wrapping(TwoStepBackend)))),
    ]


pytestmark = [pytest.mark.django_db, pytest.mark.urls.with_args(Urls)]


@pytest.fixture
def link() -> InvitationKey:
    owner = make_user("owner", is_superuser=True)
    return sharing.share(owner, label="Fair", max_uses=None, expires_at=None)


def register(link: InvitationKey, commit: Any, name: str, email: str = NEWCOMER) -> HttpResponse:
    with commit():
        response: Any = scenes.visit(link).post(REGISTER, answers(email, name))
    return response  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", ["newcomer", "somebody"])
def test_registering_again_mails_again_and_makes_no_second_account(
    link: InvitationKey, commit: Any, name: str
) -> None:
    first = register(link, commit, "newcomer")
    again = register(link, commit, name)
    assert (again.status_code, again["Location"]) == (302, first["Location"])
    assert scenes.accounts().count() == 1
    assert len(mail.outbox) == 2
    link.refresh_from_db()
    assert link.uses == 1


@pytest.mark.parametrize("name", ["newcomer", "somebody{}"])
def test_few_emails_leave(link: InvitationKey, commit: Any, name: str) -> None:
    limit = account_mails.RECIPIENT_LIMIT
    statuses = [
        register(link, commit, name.format(number)).status_code for number in range(limit + 2)
    ]
    assert statuses == [302] * limit + [429] * 2
    assert len(mail.outbox) == limit


def test_what_strangers_did_keeps_nobody_from_the_invitation_in_their_mail(
    link: InvitationKey, commit: Any
) -> None:
    for number in range(account_mails.RECIPIENT_LIMIT):
        register(link, commit, f"name{number}", f"new+{number}@example.com")
    own = scenes.invite(link.from_user)
    assert register(own, commit, "own").status_code == 302


def test_a_site_may_mail_nothing(settings: Any, link: InvitationKey, commit: Any) -> None:
    settings.SEND_ACTIVATION_EMAIL = False
    register(link, commit, "newcomer")
    assert scenes.accounts().count() == 1
    assert mail.outbox == []


@pytest.mark.urls.with_args(OldUrls)
def test_a_backend_that_knows_no_waiting_accounts_registers_as_before(
    link: InvitationKey, commit: Any
) -> None:
    for name in ("newcomer", "somebody"):
        assert register(link, commit, name).status_code == 302
    assert scenes.accounts().count() == 2


def test_the_email_is_sent_again_on_the_page_for_it(link: InvitationKey, commit: Any) -> None:
    register(link, commit, "newcomer")
    scenes.visit(link).post(RESEND, {"email": NEWCOMER})
    assert len(mail.outbox) == 2
    assert get_user_model()._default_manager.filter(is_active=False).count() == 1
