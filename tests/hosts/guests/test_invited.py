"""Invited people look around as guests, and use their invitation when they sign up."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.forms import UserCreationForm
from django.contrib.auth.models import Group, Permission
from django.db import OperationalError, transaction
from django.db.models.signals import post_save
from django.test import Client
from django.utils import timezone

from invitation import keys
from invitation.exceptions import Busy, GuestForbidden, NoKey
from invitation.flows import arriving, inviting, quota, sharing
from invitation.keys import sites
from invitation.lazysignup import views
from invitation.lazysignup.models import LazyUser
from invitation.models import Acceptance, InvitationKey
from tests.factories import ADDRESS, make_invitation, make_user
from tests.hosts.guests.people import stays_a_guest
from tests.lazysignup.people import PASSWORD, PERSON, answers
from tests.lazysignup.shop.models import Item

pytestmark = pytest.mark.django_db
User = get_user_model()
#: Pages on which a guest signs up: the app's own, and that of a host.
SIGN_UP = ["/convert/", "/simple/register/"]


@pytest.fixture
def visitor() -> Client:
    return Client(headers=PERSON)


@pytest.fixture
def invitation() -> InvitationKey:
    return make_invitation(make_user(), left=timedelta(days=30))


def look_around(client: Client, invitation: InvitationKey) -> Any:
    client.get(f"/simple/invited/{invitation.mail_key}/")
    return client.post("/convert/look-around/")


@pytest.fixture
def bound(visitor: Client, invitation: InvitationKey) -> Client:
    """Guest who looks around with the invitation, days after the cookie has gone."""
    visitor.get("/remember/")
    response = look_around(visitor, invitation)
    assert (response.status_code, response["Location"]) == (302, "/")
    visitor.post("/put/", {"name": "seed"})
    del visitor.cookies["invitation_key"]
    return visitor


def test_the_landing_page_offers_it(visitor: Client, invitation: InvitationKey) -> None:
    visitor.get(f"/simple/invited/{invitation.mail_key}/")
    page = visitor.get("/simple/invited/")
    assert page.context["may_look_around"]
    assert 'action="/convert/look-around/"' in page.content.decode()
    assert not User.objects.exclude(pk=invitation.from_user_id).exists()


@pytest.mark.parametrize(
    ("rule", "data", "offered"),
    [
        (True, {}, True),
        (False, {}, False),
        (lambda invitation: invitation.data.get("guests", False), {}, False),
        (lambda invitation: invitation.data.get("guests", False), {"guests": True}, True),
        ("tests.hosts.guests.test_invited.nobody", {}, False),
    ],
)
def test_the_site_decides_which_invitations_offer_it(
    visitor: Client, settings: Any, rule: Any, data: Any, offered: bool
) -> None:
    settings.LAZYSIGNUP_WITH_INVITATION = rule
    invitation = make_invitation(make_user(), data=data)
    visitor.get(f"/simple/invited/{invitation.mail_key}/")
    page = visitor.get("/simple/invited/")
    assert page.context["may_look_around"] is offered
    assert ("look-around" in page.content.decode()) is offered
    response = visitor.post("/convert/look-around/")
    assert LazyUser.objects.exists() is offered
    assert response["Location"].endswith("/" if offered else "/invited/")


def nobody(invitation: InvitationKey) -> bool:
    return False


def test_it_is_not_offered_where_nobody_becomes_a_guest(
    visitor: Client, invitation: InvitationKey, settings: Any
) -> None:
    settings.LAZYSIGNUP_ENABLE = False
    look_around(visitor, invitation)
    assert not LazyUser.objects.exists()


def test_without_an_invitation_nobody_looks_around(visitor: Client) -> None:
    assert visitor.post("/convert/look-around/").status_code == 302
    assert visitor.get("/convert/look-around/")["Location"] == "/simple/invited/"
    assert not LazyUser.objects.exists()


def test_a_robot_and_a_member_do_not_become_guests(
    client: Client, invitation: InvitationKey
) -> None:
    robot = Client(headers={"user-agent": "Googlebot/2.1"})
    assert look_around(robot, invitation)["Location"].endswith("/invited/")
    client.force_login(make_user("bob"))
    assert look_around(client, invitation)["Location"].endswith("/invited/")
    assert "look-around" not in client.get("/simple/invited/").content.decode()
    assert not LazyUser.objects.exists()


def test_who_is_a_guest_already_is_bound_to_the_last_invitation(
    bound: Client, invitation: InvitationKey
) -> None:
    other = make_invitation(make_user("tom"))
    response = look_around(bound, other)
    assert response.status_code == 302
    assert LazyUser.objects.get().invitation.endswith(other.locator)


def test_a_late_login_leads_to_the_invitation_days_later(
    bound: Client, invitation: InvitationKey
) -> None:
    member = make_user("bob", email=ADDRESS)
    bound.post("/login/", {"username": "bob", "password": "secret"})
    landing = bound.get("/simple/invited/")
    assert (landing.status_code, landing.context["may_accept"]) == (200, True)
    assert bound.post("/simple/invited/accept/").status_code == 200
    assert Acceptance.objects.get().user == member
    # Nobody else finds it in this browser.
    bound.logout()
    assert bound.get("/simple/invited/").templates[0].name == "invitation/wrong_invitation_key.html"


@pytest.mark.parametrize("page", SIGN_UP)
def test_signing_up_claims_the_invitation_days_later(
    bound: Client,
    invitation: InvitationKey,
    page: str,
    settings: Any,
    django_capture_on_commit_callbacks: Any,
) -> None:
    group = Group.objects.create(name="seed savers")
    settings.INVITATION_GRANTABLE_GROUPS = lambda inviter: Group.objects.all()
    with transaction.atomic():
        inviting.set_groups(invitation, invitation.from_user, [group])
    before = LazyUser.objects.get().user
    LazyUser.objects.update(last_seen=timezone.now() - timedelta(days=5))
    form = bound.get(page)
    assert (form.status_code, ADDRESS in form.content.decode()) == (200, True)
    with django_capture_on_commit_callbacks(execute=True):
        response = bound.post(page, answers(email=ADDRESS))
    assert response.status_code == 302, response.content
    account = User.objects.get(username="newcomer")
    assert account.pk == before.pk
    acceptance = Acceptance.objects.get()
    assert (acceptance.user, acceptance.invitation, acceptance.by_mail) == (
        account,
        invitation,
        True,
    )
    assert acceptance.activated_at is not None
    assert list(account.groups.all()) == [group]
    invitation.refresh_from_db()
    assert (invitation.status, invitation.uses) == (InvitationKey.Status.ACCEPTED, 1)
    assert bound.get("/who/").content == b"newcomer"
    assert bound.session["basket"] == ["seed"]
    assert Item.objects.get().owner == account


def test_the_invitation_is_there_after_a_login_to_an_account_they_have(
    visitor: Client, invitation: InvitationKey
) -> None:
    make_user("june")
    visitor.get("/remember/")
    look_around(visitor, invitation)
    visitor.post("/login/", {"username": "june", "password": "secret"})
    assert visitor.get("/who/").content == b"june"
    assert visitor.session["basket"] == ["seed"]
    page = visitor.get("/simple/invited/")
    assert (page.status_code, page.context["invitation"]) == (200, invitation)
    assert not Acceptance.objects.exists()


@pytest.mark.parametrize("channel", ["mail", "copy"])
def test_the_emailed_link_alone_proves_the_address_of_a_guest(
    visitor: Client, invitation: InvitationKey, channel: str
) -> None:
    """Nobody takes an address of somebody else beforehand (T15)."""
    key = keys.make(invitation.locator, channel, sites.current_site_id())
    visitor.get(f"/simple/invited/{key}/")
    visitor.post("/convert/look-around/")
    del visitor.cookies["invitation_key"]
    assert visitor.post("/convert/", answers(email=ADDRESS)).status_code == 302
    user = User.objects.get(username="newcomer")
    assert Acceptance.objects.get().by_mail is (channel == "mail")
    assert arriving.has_proven(user) is (channel == "mail")


def test_who_signs_up_with_the_address_of_another_gets_no_invitation_of_theirs(
    visitor: Client, invitation: InvitationKey, settings: Any
) -> None:
    """Nobody takes an address of somebody else beforehand (T15)."""
    settings.INVITE_MODE = False
    visitor.post("/put/", {"name": "seed"})
    assert visitor.post("/convert/", answers(email=ADDRESS)).status_code == 302
    assert not visitor.get("/simple/invitations/received/").context["object_list"]
    visitor.post(f"/simple/invitations/received/{invitation.pk}/accept/")
    invitation.refresh_from_db()
    assert (invitation.status, invitation.uses) == (InvitationKey.Status.PENDING, 0)
    assert not Acceptance.objects.exists()


def test_the_link_that_confirms_an_address_is_of_the_site(
    bound: Client, settings: Any, mailoutbox: Any
) -> None:
    """An attacker chooses the Host of their request (T21)."""
    settings.LAZYSIGNUP_CONFIRM_EMAIL = True
    settings.ALLOWED_HOSTS = ["*"]
    settings.INVITATION_BASE_URL = "https://club.example"
    bound.post("/convert/", {"email": ADDRESS}, headers={"host": "evil.example"})
    assert "https://club.example/convert/confirm/" in mailoutbox[0].body
    assert "evil.example" not in mailoutbox[0].body


class OnlyName(UserCreationForm):  # type: ignore[type-arg]
    class Meta:
        model = User
        fields = ["username"]


def test_a_form_without_an_address_gets_the_invited_one(
    bound: Client, invitation: InvitationKey, settings: Any
) -> None:
    settings.LAZYSIGNUP_CUSTOM_USER_CREATION_FORM = OnlyName
    assert bound.post("/convert/", answers(email="")).status_code == 302
    assert User.objects.get(username="newcomer").email == ADDRESS
    assert Acceptance.objects.get().by_mail


def test_only_the_invited_address_is_confirmed(
    bound: Client, invitation: InvitationKey, settings: Any, mailoutbox: Any
) -> None:
    settings.LAZYSIGNUP_CONFIRM_EMAIL = True
    assert f'value="{ADDRESS}"' in bound.get("/convert/").content.decode()
    page = bound.post("/convert/", {"email": "eve@example.org"})
    assert (page.status_code, list(page.context["form"].errors)) == (200, ["email"])
    assert mailoutbox == []
    bound.post("/convert/", {"email": ADDRESS})
    (link,) = re.findall(r"/convert/confirm/\S+", mailoutbox[0].body)
    bound.get(link)
    assert bound.post("/convert/", answers(email="eve@example.org")).status_code == 302
    assert Acceptance.objects.get().user.email == ADDRESS


@pytest.mark.parametrize("form", [None, OnlyName])
def test_a_link_for_certain_domains_admits_a_confirmed_address_there(
    visitor: Client, settings: Any, mailoutbox: Any, form: Any
) -> None:
    settings.LAZYSIGNUP_CONFIRM_EMAIL = True
    settings.LAZYSIGNUP_CUSTOM_USER_CREATION_FORM = form
    look_around(visitor, make_invitation(make_user(), "", max_uses=3, allowed_domains="club.org"))
    page = visitor.post("/convert/", {"email": "eve@example.org"})
    assert list(page.context["form"].errors) == ["email"]
    visitor.post("/convert/", {"email": "eve@club.org"})
    (link,) = re.findall(r"/convert/confirm/\S+", mailoutbox[0].body)
    visitor.get(link)
    assert visitor.post("/convert/", answers(email="")).status_code == 302
    assert Acceptance.objects.get().user.email == "eve@club.org"


def test_the_email_that_confirms_an_address_names_the_site(
    bound: Client, settings: Any, mailoutbox: Any
) -> None:
    settings.LAZYSIGNUP_CONFIRM_EMAIL = True
    settings.INVITATION_SITE_NAME = "Seed & Swap"
    bound.post("/convert/", {"email": ADDRESS})
    assert mailoutbox[0].subject == "Confirm your email address at Seed & Swap"
    assert "keep your account at Seed & Swap:\nhttp" in mailoutbox[0].body


@pytest.mark.parametrize("page", SIGN_UP)
def test_the_key_leaves_the_browser_after_the_sign_up(
    visitor: Client, invitation: InvitationKey, page: str
) -> None:
    look_around(visitor, invitation)
    assert visitor.cookies["invitation_key"].value == invitation.mail_key
    assert visitor.post(page, answers(email=ADDRESS)).status_code == 302
    assert visitor.cookies["invitation_key"].value == ""
    assert visitor.cookies["invitation_ended_key"].value == "signed-up"


def test_a_double_click_accepts_the_invitation_once_and_stays_logged_in(
    bound: Client, invitation: InvitationKey, monkeypatch: Any
) -> None:
    convert = views.ConvertView.convert
    first = Client(headers=PERSON)
    first.cookies["sessionid"] = bound.cookies["sessionid"].value

    def second(view: Any, form: Any) -> Any:
        monkeypatch.setattr(views.ConvertView, "convert", convert)
        assert first.post("/convert/", answers(email=ADDRESS)).status_code == 302
        return convert(view, form)

    monkeypatch.setattr(views.ConvertView, "convert", second)
    assert bound.post("/convert/", answers(email=ADDRESS)).status_code == 302
    assert bound.get("/who/").content == b"newcomer"
    assert bound.session["basket"] == ["seed"]
    assert Acceptance.objects.get().user.username == "newcomer"
    invitation.refresh_from_db()
    assert invitation.uses == 1


@pytest.mark.parametrize("page", SIGN_UP)
def test_another_address_than_the_invited_one_is_refused(bound: Client, page: str) -> None:
    response = bound.post(page, answers(email="somebody@example.org"))
    assert response.status_code in (200, 403)
    assert ADDRESS in response.content.decode()
    assert stays_a_guest(bound)


@pytest.mark.parametrize(
    ("change", "flag"),
    [
        ({"expires_at": timezone.now() - timedelta(days=1)}, "expired_key"),
        ({"status": "revoked", "pending_slot": None, "ended_at": timezone.now()}, "revoked_key"),
        (
            {"status": "accepted", "uses": 1, "pending_slot": None, "ended_at": timezone.now()},
            "no_uses_left_key",
        ),
        ({"locator": "a-new-link-with-22-char"[:22]}, "invalid_key"),
    ],
)
@pytest.mark.parametrize("page", SIGN_UP)
def test_an_invitation_that_has_ended_leaves_a_guest_a_guest(
    bound: Client, invitation: InvitationKey, page: str, change: dict[str, Any], flag: str
) -> None:
    InvitationKey.objects.filter(pk=invitation.pk).update(**change)
    for response in (bound.get(page), bound.post(page, answers(email=ADDRESS))):
        assert response.status_code in (404, 410)
        assert response.context[flag]
        assert "invitation/wrong_invitation_key.html" in [x.name for x in response.templates]
        said = response.content.decode()
        assert ("Was that you? <a href=" in said) is (flag == "no_uses_left_key")
        assert ("Already a member?" in said) is (flag != "no_uses_left_key")
        assert "You are logged in as" not in said  # by a name that the guest has never seen
    assert stays_a_guest(bound)


@pytest.mark.parametrize("page", SIGN_UP)
def test_an_invitation_that_ends_during_the_sign_up_leaves_a_guest_a_guest(
    bound: Client, invitation: InvitationKey, page: str, monkeypatch: Any
) -> None:
    claim_use = type(InvitationKey.objects).claim_use
    rows = InvitationKey.objects.filter(pk=invitation.pk)

    def late(self: Any, *args: Any) -> Any:
        rows.update(status="revoked", pending_slot=None, ended_at=timezone.now())
        return claim_use(self, *args)

    monkeypatch.setattr(type(InvitationKey.objects), "claim_use", late)
    response = bound.post(page, answers(email=ADDRESS))
    assert (response.status_code, response.context["revoked_key"]) == (410, True)
    assert stays_a_guest(bound)


def test_a_name_that_is_taken_at_this_moment_uses_nothing_up(
    bound: Client, invitation: InvitationKey, monkeypatch: Any
) -> None:
    convert = views.ConvertView.convert

    def too_late(view: Any, form: Any) -> Any:
        make_user("newcomer")
        return convert(view, form)

    monkeypatch.setattr(views.ConvertView, "convert", too_late)
    page = bound.post("/convert/", answers(email=ADDRESS))
    assert page.status_code == 200
    assert "username" in page.context["form"].errors
    assert stays_a_guest(bound)
    invitation.refresh_from_db()
    assert (invitation.status, invitation.uses) == (InvitationKey.Status.PENDING, 0)


@pytest.mark.parametrize("page", SIGN_UP)
def test_a_new_invitation_helps_a_guest_whose_old_one_has_ended(
    bound: Client, invitation: InvitationKey, page: str
) -> None:
    InvitationKey.objects.update(expires_at=timezone.now() - timedelta(days=1))
    fresh = make_invitation(make_user("tom"))
    bound.get(f"/simple/invited/{fresh.mail_key}/")
    assert bound.post(page, answers(email=ADDRESS)).status_code == 302
    assert Acceptance.objects.get().invitation == fresh


def test_the_landing_page_knows_the_bound_invitation(
    bound: Client, invitation: InvitationKey
) -> None:
    page = bound.get("/simple/invited/")
    assert page.status_code == 200
    assert page.context["invitation"] == invitation
    assert page.context["register_url"]
    assert not page.context["may_accept"]
    assert "Log out" not in page.content.decode()


@pytest.mark.parametrize("page", SIGN_UP)
def test_a_guest_without_an_invitation_is_told_how_to_get_in(visitor: Client, page: str) -> None:
    visitor.get("/remember/")
    visitor.post("/put/", {"name": "seed"})
    for response in (visitor.get(page), visitor.post(page, answers(email=ADDRESS))):
        assert (response.status_code, response.context["no_key"]) == (403, True)
    assert stays_a_guest(visitor)


def test_a_script_hears_why_a_guest_may_not_sign_up(
    bound: Client, invitation: InvitationKey, monkeypatch: Any
) -> None:
    def said(ask: Any = bound.post) -> tuple[int, str]:
        answer = ask("/convert/", answers(email=ADDRESS), headers={"accept": "application/json"})
        return answer.status_code, answer.json()["detail"]

    def undone(*_: Any) -> None:
        raise OperationalError("database is locked")

    with monkeypatch.context() as patch:
        patch.setattr(type(LazyUser.objects), "hold", undone)
        assert said() == (503, str(Busy()))
    InvitationKey.objects.update(expires_at=timezone.now() - timedelta(days=1))
    status, detail = said()
    assert (status, "expired" in detail) == (410, True)
    LazyUser.objects.update(invitation="")
    bound.cookies.pop("invitation_ended_key", None)
    assert said() == said(bound.get) == (403, str(NoKey()))
    assert stays_a_guest(bound)


def test_without_invite_mode_a_guest_needs_no_invitation(visitor: Client, settings: Any) -> None:
    settings.INVITE_MODE = False
    visitor.post("/put/", {"name": "seed"})
    assert visitor.post("/convert/", answers()).status_code == 302
    assert visitor.get("/who/").content == b"newcomer"
    assert not LazyUser.objects.exists()


def test_a_guest_who_does_not_sign_up_uses_nothing_up(
    bound: Client, invitation: InvitationKey
) -> None:
    LazyUser.objects.update(last_seen=timezone.now() - timedelta(days=500))
    assert LazyUser.objects.delete_expired() == 1
    invitation.refresh_from_db()
    assert (invitation.status, invitation.uses) == (InvitationKey.Status.PENDING, 0)


def test_a_guest_can_neither_invite_nor_share_nor_accept(
    bound: Client, invitation: InvitationKey
) -> None:
    user = LazyUser.objects.get().user
    page = bound.get("/simple/invite/link/")
    assert page.context["reason"] == "guest_forbidden"
    assert 'href="/convert/"' in page.content.decode()
    assert "Not every member may invite" not in page.content.decode()
    user.user_permissions.set(Permission.objects.filter(codename="create_shared_link"))
    for path in ("/simple/invite/", "/simple/invite/link/"):
        for response in (bound.get(path), bound.post(path, {"email": "eve@example.org"})):
            assert response.status_code == 403
            assert response.context["reason"] == "guest_forbidden"
    accepted = bound.post("/simple/invited/accept/")
    assert accepted.status_code == 302
    assert InvitationKey.objects.count() == 1
    fresh = User.objects.get(pk=user.pk)
    assert isinstance(sharing.sharing_refusal(fresh), GuestForbidden)
    with pytest.raises(GuestForbidden):
        inviting.invite(fresh, "eve@example.org")
    opened = arriving.open_invitation(invitation.mail_key)
    with pytest.raises(GuestForbidden):
        arriving.accept(opened, fresh)
    assert quota.remaining_invitations(fresh) == 0
    assert stays_a_guest(bound)


def test_a_race_for_the_same_guest_is_answered_in_words(
    bound: Client, invitation: InvitationKey, monkeypatch: Any
) -> None:
    claim_use = type(InvitationKey.objects).claim_use

    def late(self: Any, *args: Any) -> Any:
        LazyUser.objects.all().delete()
        return claim_use(self, *args)

    monkeypatch.setattr(type(InvitationKey.objects), "claim_use", late)
    response = bound.post("/convert/", answers(email=ADDRESS), headers={"accept": "text/html"})
    assert response.status_code == 403
    assert "You are no longer a guest" in response.content.decode()
    assert not Acceptance.objects.exists()
    script = bound.post("/convert/", answers(email=ADDRESS), headers={"accept": "application/json"})
    assert "detail" in json.loads(script.content)
    assert PASSWORD not in str(User.objects.values_list("password"))


def test_a_database_that_is_busy_leaves_a_guest_a_guest(bound: Client) -> None:
    def fail(instance: Any, **_: Any) -> None:
        raise OperationalError("database is locked")

    post_save.connect(fail, sender=User)
    try:
        response = bound.post("/convert/", answers(email=ADDRESS))
    finally:
        post_save.disconnect(fail, sender=User)
    assert response.status_code == 503
    assert stays_a_guest(bound)


def test_a_client_over_its_limit_does_not_look_around(
    visitor: Client, invitation: InvitationKey, settings: Any
) -> None:
    settings.LAZYSIGNUP_LIMIT_PER_CLIENT = 0
    assert look_around(visitor, invitation).status_code == 429
    assert not LazyUser.objects.exists()


@pytest.mark.parametrize("page", SIGN_UP)
def test_a_key_that_opens_nothing_does_not_hide_the_invitation_of_a_guest(
    bound: Client, invitation: InvitationKey, page: str
) -> None:
    old = make_invitation(make_user("tom"), left=-timedelta(days=1))
    typed = answers(email=ADDRESS)
    assert bound.post(f"{page}?invitation_key={old.mail_key}", typed).status_code == 302
    assert Acceptance.objects.get().invitation == invitation


def test_the_cleanup_asks_nothing_about_invitations_for_each_guest(
    bound: Client, django_assert_max_num_queries: Any
) -> None:
    for _ in range(50):
        LazyUser.objects.create_lazy_user()
    LazyUser.objects.update(last_seen=timezone.now() - timedelta(days=500))
    with django_assert_max_num_queries(20):
        assert LazyUser.objects.delete_expired() == 51
