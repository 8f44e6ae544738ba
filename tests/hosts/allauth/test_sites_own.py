"""A site's own adapters, forms and views beside the gate."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.db import IntegrityError
from django.db.models.signals import post_save, pre_save
from django.test import Client

from invitation import keys
from invitation.models import Acceptance, InvitationKey
from tests import scenes
from tests.hosts.allauth.test_social import come
from tests.scenes import NEWCOMER, Crash, answers

SIGNUP, OWN, FUNCTION = "/accounts/signup/", "/own/signup/", "/own/function/"
OWN_CODE = "tests.hosts.allauth.sites_own"
pytestmark = pytest.mark.django_db


@pytest.fixture
def invitation(member: Any) -> InvitationKey:
    return scenes.invite(member)


@pytest.fixture
def visitor(invitation: InvitationKey) -> Client:
    return scenes.visit(invitation)


@pytest.fixture
def own_urls(settings: Any) -> None:
    settings.ROOT_URLCONF = OWN_CODE


# Adapters


def test_an_adapter_with_the_mixin_does_both(settings: Any, visitor: Client) -> None:
    settings.ACCOUNT_ADAPTER = f"{OWN_CODE}.Adapter"
    assert Client().post(SIGNUP, answers()).status_code == 403
    assert visitor.post(SIGNUP, answers())["Location"] == "/own/"
    account = scenes.accounts().get()
    assert account.first_name == "Ada"
    assert Acceptance.objects.get().user == account
    assert EmailAddress.objects.get().verified


def test_a_social_adapter_with_the_mixin_does_both(settings: Any, visitor: Client) -> None:
    settings.SOCIALACCOUNT_ADAPTER = f"{OWN_CODE}.SocialAdapter"
    assert come(Client()).status_code == 403
    assert come(visitor).status_code == 302
    assert Acceptance.objects.get().user == scenes.accounts().get(first_name="Ada")


def test_an_adapter_cannot_give_the_account_another_address(
    settings: Any, invitation: InvitationKey
) -> None:
    settings.ACCOUNT_ADAPTER = f"{OWN_CODE}.ChangingAdapter"
    response = scenes.visit(invitation, channel=keys.COPY).post(SIGNUP, answers())
    assert response.status_code == 403
    assert NEWCOMER in response.content.decode()
    assert not scenes.accounts("other@example.com").exists()
    invitation.refresh_from_db()
    assert invitation.status == "pending"


def test_an_adapter_may_let_in_still_fewer(settings: Any, visitor: Client) -> None:
    settings.ACCOUNT_ADAPTER = f"{OWN_CODE}.ClosedAdapter"
    response = visitor.post(SIGNUP, answers())
    assert "account/signup_closed.html" in [used.name for used in response.templates]
    assert not scenes.accounts().exists()


def test_a_site_adapter_called_with_a_form_hides_no_breach_of_integrity(
    settings: Any, visitor: Client
) -> None:
    settings.SOCIALACCOUNT_AUTO_SIGNUP = False
    settings.ROOT_URLCONF = OWN_CODE
    come(visitor)
    with (
        scenes.crashing(pre_save, IntegrityError, sender=SocialAccount),
        pytest.raises(IntegrityError),
    ):
        visitor.post("/own/social/", {"username": "newcomer", "email": NEWCOMER})
    assert not scenes.accounts().exists()
    come(visitor)
    assert visitor.post("/own/social/", {"username": "newcomer", "email": NEWCOMER})["Location"]
    assert Acceptance.objects.get().user == scenes.accounts().get()


# Forms


def test_a_form_with_more_fields_is_honoured(visitor: Client, settings: Any) -> None:
    settings.ACCOUNT_FORMS = {"signup": f"{OWN_CODE}.OwnForm"}
    page = visitor.get(SIGNUP)
    assert "nickname" in page.context["form"].fields
    hint = page.context["form"]["invitation_hint"].value()
    assert "nickname" in visitor.post(SIGNUP, answers()).context["form"].errors
    typed = answers(nickname="Ada", invitation_hint=hint)
    assert visitor.post(SIGNUP, typed).status_code == 302
    assert Acceptance.objects.get().user == scenes.accounts().get(first_name="Ada")


# Views


def test_a_view_that_knows_of_no_invitation_is_closed_without_one(own_urls: None) -> None:
    response = Client().get(OWN)
    assert "account/signup_closed.html" in [used.name for used in response.templates]
    Client().post(OWN, answers())
    assert not scenes.accounts().exists()


def test_a_view_that_knows_of_no_invitation_claims_it(
    own_urls: None, visitor: Client, invitation: InvitationKey
) -> None:
    assert visitor.post(OWN, answers()).status_code == 302
    account = scenes.accounts().get()
    assert Acceptance.objects.get().user == account
    assert EmailAddress.objects.get().user == account
    response = Client().post(OWN, answers(name="second", invitation_key=invitation.mail_key))
    assert "account/signup_closed.html" in [used.name for used in response.templates]


def test_a_view_that_knows_of_no_invitation_lets_no_other_address_in(
    own_urls: None, visitor: Client
) -> None:
    response = visitor.post(OWN, answers("other@example.com"))
    assert response.status_code == 403
    assert not scenes.accounts("other@example.com").exists()


def test_a_view_that_knows_of_no_invitation_leaves_nothing_after_a_failure(
    own_urls: None, visitor: Client
) -> None:
    before = scenes.dump()
    with scenes.crashing(post_save, sender=Acceptance), pytest.raises(Crash):
        visitor.post(OWN, answers())
    assert scenes.dump() == before


def test_a_call_of_the_adapter_is_gated(own_urls: None, visitor: Client) -> None:
    response = Client().post(FUNCTION, answers())
    assert (response.status_code, scenes.flags(response)) == (403, {"no_key"})
    assert visitor.post(FUNCTION, answers()).content == b"1"
    assert Acceptance.objects.get().user == scenes.accounts().get()


def test_a_call_that_saves_later_makes_no_account_without_a_claim(
    own_urls: None, visitor: Client
) -> None:
    response = Client().post(FUNCTION, answers(later="on"))
    assert (response.status_code, scenes.flags(response)) == (403, {"no_key"})
    with pytest.raises(TypeError, match="claiming"):
        visitor.post(FUNCTION, answers(later="on"))
    assert not scenes.accounts().exists()


def test_without_invite_mode_such_a_call_is_free(own_urls: None, settings: Any) -> None:
    settings.INVITE_MODE = False
    assert Client().post(FUNCTION, answers(later="on")).content == b"1"
