"""Everybody who may arrive with an invitation or find one waiting, and what they meet."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import Group
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from invitation import keys
from invitation.flows import arriving
from invitation.keys import sites
from invitation.models import Acceptance, InvitationKey
from tests import scenes
from tests.factories import DAY, make_invitation
from tests.scenes import DECLINE, LANDING, NEWCOMER, REGISTER, answers
from tests.test_budgets import CONTROL

pytestmark = [pytest.mark.django_db, pytest.mark.each_case]
Commit = Callable[..., Any]

ACCEPT = "/accounts/invited/accept/"
LOGIN = "/accounts/login/"
RECEIVED = "/accounts/invitations/received/"
HOME = "/"


def proven(user: Any) -> list[str]:
    """Be the rule of a site that knows of every address that it is the holder's."""
    return [user.email]


def every_group(user: Any) -> Any:
    """Be the rule of a site whose members may give every group."""
    return Group.objects.all()


@pytest.fixture
def invitation(member: Any) -> InvitationKey:
    return scenes.invite(member, recipient_name="Newcomer", note="Come and see.")


@pytest.fixture
def invited(db: None) -> Any:
    """Return an account with the invited address."""
    return scenes.make_user("invited", email=NEWCOMER)


@pytest.fixture
def stranger(db: None) -> Any:
    return scenes.make_user("stranger")


def signed_in(user: Any, client: Client | None = None, **options: Any) -> Client:
    client = client or Client(**options)
    client.force_login(user)
    return client


def arrive(invitation: InvitationKey, user: Any, *, channel: str = keys.MAIL) -> Client:
    """Return the browser of somebody who is signed in and has followed the link."""
    return signed_in(user, scenes.visit(invitation, channel=channel))


def words(response: Any) -> str:
    body = response.content.decode().partition("<main")[2]
    return " ".join(re.sub(r"<[^>]*>", " ", body).split())


def forms(response: Any) -> list[str]:
    """Return where the forms of the page, its menu aside, are posted to."""
    main = response.content.decode().partition("<main")[2]
    return re.findall(r'<form method="post"(?: action="([^"]*)")?', main)


def fields(response: Any, name: str) -> list[str]:
    return re.findall(rf'name="{name}" value="([^"]*)"', response.content.decode())


def post_of(client: Client, address: str = ACCEPT) -> Any:
    """Press the button of the landing page."""
    return client.post(address, {"invitation_hint": fields(client.get(LANDING), "invitation_hint")})


# -- a new person --------------------------------------------------------------------------------


@pytest.mark.anywhere
def test_a_new_person_registers(invitation: InvitationKey) -> None:
    visitor = scenes.visit(invitation)
    page = visitor.get(LANDING)
    assert page.context["may_accept"] is False
    assert page.context["refused"] == ""
    assert ACCEPT not in page.content.decode()
    assert visitor.post(REGISTER, answers()).status_code == 302
    assert Acceptance.objects.get().new_account is True


def test_he_is_told_what_he_will_join(settings: Any, member: Any) -> None:
    settings.INVITATION_GRANTABLE_GROUPS = every_group
    groups = [Group.objects.create(name=name) for name in ("Basses", "<b>Altos</b>")]
    visitor = scenes.visit(scenes.invite(member, groups=groups))
    page = visitor.get(LANDING)
    assert [group.name for group in page.context["groups"]] == ["<b>Altos</b>", "Basses"]
    assert "<b>Altos" not in page.content.decode()
    assert "You will join" in words(page)
    settings.INVITATION_GRANTABLE_GROUPS = None
    assert "You will join" not in words(visitor.get(LANDING))


# -- signed in with the invited address ----------------------------------------------------------


@pytest.mark.anywhere
class TestSignedInWithTheInvitedAddress:
    def test_he_may_accept_with_one_click(self, invitation: InvitationKey, invited: Any) -> None:
        client = arrive(invitation, invited)
        page = client.get(LANDING)
        assert page.context["may_accept"] is True
        assert ACCEPT in forms(page)
        assert invited.get_username() in words(page)
        accounts = scenes.accounts().count()
        response = post_of(client)
        assert response.status_code == 200
        assert "Invitation accepted" in words(response)
        acceptance = Acceptance.objects.get()
        assert (acceptance.user, acceptance.new_account) == (invited, False)
        assert scenes.accounts().count() == accounts

    def test_he_no_longer_carries_the_key(self, invitation: InvitationKey, invited: Any) -> None:
        client = arrive(invitation, invited)
        response = post_of(client)
        assert response.cookies["invitation_key"].value == ""

    def test_whatever_he_opens_then_says_that_it_is_done(
        self, invitation: InvitationKey, invited: Any
    ) -> None:
        client = arrive(invitation, invited)
        post_of(client)
        link = reverse("invitation_invited", args=[invitation.mail_key])
        for page in (client.get(LANDING), client.get(link), client.post(ACCEPT)):
            assert page.status_code == 200
            assert "You already accepted this invitation" in words(page)
        stranger = Client()
        assert stranger.get(link).status_code == 410
        stranger.force_login(scenes.make_user("somebody"))
        assert stranger.get(link).status_code == 410

    def test_a_second_click_is_told_that_it_is_done(
        self, invitation: InvitationKey, invited: Any
    ) -> None:
        first, second = arrive(invitation, invited), arrive(invitation, invited)
        post_of(first)
        before = scenes.dump()
        response = second.post(ACCEPT)
        assert response.status_code == 200
        assert "You already accepted this invitation" in words(response)
        after = scenes.dump()
        assert {table for table in after if after[table] != before[table]} <= {"django_session"}

    def test_the_copied_link_is_not_enough(
        self, settings: Any, invitation: InvitationKey, invited: Any
    ) -> None:
        client = arrive(invitation, invited, channel=keys.COPY)
        page = client.get(LANDING)
        assert (page.context["may_accept"], page.context["refused_code"]) == (
            False,
            "address_unproven",
        )
        assert "open the link in the invitation email" in words(page)
        response = client.post(ACCEPT)
        assert response.status_code == 403
        assert response.context["refused_code"] == "address_unproven"
        assert not Acceptance.objects.exists()
        settings.INVITATION_VERIFIED_ADDRESSES = proven
        assert client.post(ACCEPT).status_code == 200
        assert Acceptance.objects.exists()

    def test_he_may_decline(self, invitation: InvitationKey, invited: Any) -> None:
        client = arrive(invitation, invited)
        assert f'href="{DECLINE}"' in client.get(LANDING).content.decode()
        assert client.post(DECLINE).status_code == 200
        invitation.refresh_from_db()
        assert invitation.status == "declined"


def test_he_joins_the_groups_and_is_told_which(settings: Any, member: Any, invited: Any) -> None:
    settings.INVITATION_GRANTABLE_GROUPS = every_group
    group = Group.objects.create(name="Altos")
    client = arrive(scenes.invite(member, groups=[group]), invited)
    assert "You will join Altos" in words(client.get(LANDING))
    assert "You have joined Altos" in words(post_of(client))
    assert list(invited.groups.all()) == [group]


def test_no_field_of_a_form_gives_a_group(member: Any, invited: Any) -> None:
    group = Group.objects.create(name="Altos")
    client = arrive(scenes.invite(member), invited)
    client.post(ACCEPT, {"groups": [str(group.pk)], "group": str(group.pk), "new_account": "on"})
    assert Acceptance.objects.get().user == invited
    assert not invited.groups.exists()


@pytest.mark.parametrize("end", scenes.ENDS)
def test_an_invitation_that_ends_meanwhile_is_told_of(
    invitation: InvitationKey, invited: Any, end: str
) -> None:
    client = arrive(invitation, invited)
    scenes.end(invitation, end)
    response = client.post(ACCEPT)
    code, status = scenes.ENDS[end]
    assert (response.status_code, scenes.flags(response)) == (status, {code})
    assert not Acceptance.objects.exists()


@pytest.mark.parametrize("end", ["expired", "revoked", "declined", "deleted"])
def test_one_that_ends_between_the_look_and_the_claim_too(
    invitation: InvitationKey, invited: Any, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, accept = arrive(invitation, invited), arriving.accept

    def late(*args: Any) -> Any:
        scenes.end(invitation, end)
        return accept(*args)

    monkeypatch.setattr(arriving, "accept", late)
    response = client.post(ACCEPT)
    code, status = scenes.ENDS[end]
    assert (response.status_code, scenes.flags(response)) == (status, {code})


def test_who_is_faster_in_another_tab_is_told_so_there_too(
    invitation: InvitationKey, invited: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, accept = arrive(invitation, invited), arriving.accept

    def late(opened: Any, user: Any) -> Any:
        accept(arriving.open_invitation(invitation.mail_key), user)
        return accept(opened, user)

    monkeypatch.setattr(arriving, "accept", late)
    response = client.post(ACCEPT)
    assert response.status_code == 200
    assert "You already accepted this invitation" in words(response)


def test_the_button_of_another_tab_asks_again_for_the_invitation_that_is_carried_now(
    member: Any, invited: Any
) -> None:
    first = scenes.invite(member)
    client = arrive(first, invited)
    hint = fields(client.get(LANDING), "invitation_hint")
    second = scenes.invite(scenes.make_user("other"))
    client.get(scenes.link(second.mail_key))
    response = client.post(ACCEPT, {"invitation_hint": hint})
    assert response.status_code == 200
    assert "opened another invitation" in words(response)
    assert fields(response, "invitation_hint") == [second.key_hint]
    assert not Acceptance.objects.exists()


def test_the_button_needs_its_csrf_token(invitation: InvitationKey, invited: Any) -> None:
    client = signed_in(invited, scenes.visit(invitation, enforce_csrf_checks=True))
    assert client.post(ACCEPT).status_code == 403
    assert not Acceptance.objects.exists()
    token = fields(client.get(LANDING), "csrfmiddlewaretoken")[-1]
    assert client.post(ACCEPT, {"csrfmiddlewaretoken": token}).status_code == 200


@pytest.mark.anywhere
@pytest.mark.parametrize("who", ["visitor", "member"])
@pytest.mark.parametrize("method", ["get", "head"])
def test_who_had_to_log_in_first_is_led_to_the_invitation(
    invitation: InvitationKey, invited: Any, who: str, method: str
) -> None:
    client = scenes.visit(invitation) if who == "visitor" else arrive(invitation, invited)
    before = scenes.dump()
    response = getattr(client, method)(ACCEPT)
    assert (response.status_code, response["Location"]) == (302, LANDING)
    assert "no-store" in response["Cache-Control"]
    assert scenes.dump() == before


@pytest.mark.anywhere
def test_a_visitor_accepts_nothing(invitation: InvitationKey) -> None:
    response = scenes.visit(invitation).post(ACCEPT)
    assert (response.status_code, response["Location"]) == (302, LANDING)
    assert not Acceptance.objects.exists()


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_other_methods_are_refused(invitation: InvitationKey, invited: Any, method: str) -> None:
    assert getattr(arrive(invitation, invited), method)(ACCEPT).status_code == 405


# -- signed in as somebody else ------------------------------------------------------------------


@pytest.mark.anywhere
class TestSignedInAsSomebodyElse:
    def test_the_page_says_so_and_offers_no_button(
        self, invitation: InvitationKey, stranger: Any
    ) -> None:
        page = arrive(invitation, stranger).get(LANDING)
        assert (page.context["may_accept"], page.context["refused_code"]) == (
            False,
            "address_mismatch",
        )
        assert stranger.get_username() in words(page)
        assert ACCEPT not in page.content.decode()
        assert NEWCOMER not in words(page)

    def test_he_cannot_accept_all_the_same(self, invitation: InvitationKey, stranger: Any) -> None:
        response = arrive(invitation, stranger).post(ACCEPT)
        assert response.status_code == 403
        assert response.context["refused_code"] == "address_mismatch"
        assert not Acceptance.objects.exists()

    def test_out_by_another_account_of_his(
        self, invitation: InvitationKey, stranger: Any, invited: Any
    ) -> None:
        client = arrive(invitation, stranger)
        page = client.get(LANDING)
        response = client.post(page.context["logout_url"], {"next": fields(page, "next")[0]})
        assert response["Location"] == f"{LOGIN}?next={LANDING}"
        login = {"username": invited.get_username(), "password": "secret"}
        response = client.post(response["Location"], login)
        assert response["Location"] == LANDING
        assert client.get(LANDING).context["may_accept"] is True

    def test_out_by_a_new_account(self, invitation: InvitationKey, stranger: Any) -> None:
        client = arrive(invitation, stranger)
        page = client.get(LANDING)
        response = client.post(page.context["logout_url"], {"next": fields(page, "next")[1]})
        assert response["Location"] == REGISTER
        assert client.post(REGISTER, answers()).status_code == 302
        assert Acceptance.objects.get().user == scenes.accounts().get()

    def test_out_by_staying_as_he_is(self, invitation: InvitationKey, stranger: Any) -> None:
        page = arrive(invitation, stranger).get(LANDING)
        assert f'<a href="{HOME}">Stay logged in' in " ".join(page.content.decode().split()) or (
            f'<a href="{HOME}">' in page.content.decode()
        )

    def test_with_the_policy_any_he_may_accept_for_himself(
        self, settings: Any, invitation: InvitationKey, stranger: Any
    ) -> None:
        settings.INVITATION_EMAIL_POLICY = "any"
        client = arrive(invitation, stranger, channel=keys.COPY)
        assert post_of(client).status_code == 200
        assert Acceptance.objects.get().user == stranger

    def test_the_inviter_cannot_accept_his_own(
        self, invitation: InvitationKey, member: Any
    ) -> None:
        client = arrive(invitation, member)
        assert client.get(LANDING).context["refused_code"] == "own_invitation"
        response = client.post(ACCEPT)
        assert (response.status_code, response.context["refused_code"]) == (403, "own_invitation")
        assert not Acceptance.objects.exists()


@pytest.mark.parametrize("joins", [True, False])
def test_who_opens_a_shared_link_may_join_its_groups_if_it_has_any(
    settings: Any, member: Any, stranger: Any, joins: bool
) -> None:
    settings.INVITATION_GRANTABLE_GROUPS = every_group
    link = make_invitation(member, "", shared=True, max_uses=None)
    if joins:
        link.groups.add(Group.objects.create(name="Altos"))
    client = arrive(link, stranger, channel=keys.COPY)
    page = client.get(LANDING)
    assert page.context["may_accept"] is joins
    assert page.context["refused_code"] == ("" if joins else "nothing_to_join")
    assert post_of(client).status_code == (200 if joins else 403)
    assert stranger.groups.count() == joins
    if joins:
        # The link still works, and says what they have done already.
        client.get(scenes.link(link.key))
        assert client.get(LANDING).context["refused_code"] == "already_accepted"
        assert "You already accepted this invitation" in words(client.post(ACCEPT))


def test_without_a_logout_page_there_is_still_a_way_out(
    settings: Any, invitation: InvitationKey, stranger: Any
) -> None:
    settings.ROOT_URLCONF = "tests.views.test_views"
    page = arrive(invitation, stranger).get(LANDING)
    assert page.context["logout_url"] == ""
    assert forms(page) == []
    assert "Stay logged in" in words(page)


# -- has an account, signed out ------------------------------------------------------------------


@pytest.mark.anywhere
def test_who_has_an_account_logs_in_and_goes_on_where_he_was(
    invitation: InvitationKey, invited: Any
) -> None:
    visitor = scenes.visit(invitation)
    login_url = visitor.get(LANDING).context["login_url"]
    assert login_url == f"{LOGIN}?next={LANDING}"
    assert f'href="{login_url}"' in visitor.get(LANDING).content.decode()
    page = visitor.get(login_url)
    assert fields(page, "next") == [LANDING]
    login = {"username": invited.get_username(), "password": "secret", "next": LANDING}
    response = visitor.post(LOGIN, login)
    assert (response.status_code, response["Location"]) == (302, LANDING)
    assert post_of(visitor).status_code == 200
    assert Acceptance.objects.get().user == invited


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "/\\evil.example"]
)
def test_the_login_leads_to_no_other_site(invited: Any, target: str) -> None:
    login = {"username": invited.get_username(), "password": "secret", "next": target}
    assert Client().post(LOGIN, login)["Location"] == HOME


@pytest.mark.parametrize(
    ("login_url", "expected"),
    [
        ("auth_login", f"{LOGIN}?next={LANDING}"),
        ("/in/?realm=a b", f"/in/?realm=a%20b&next={LANDING}"),
        ("/in/?next=/elsewhere/", f"/in/?next={LANDING}"),
        ("/in/#form", f"/in/?next={LANDING}#form"),
        ("https://id.example.com/in", f"https://id.example.com/in?next={LANDING}"),
    ],
)
def test_the_way_back_is_added_to_whatever_the_login_is(
    settings: Any, invitation: InvitationKey, login_url: str, expected: str
) -> None:
    settings.LOGIN_URL = login_url
    link = scenes.visit(invitation).get(LANDING).context["login_url"]
    assert link == expected
    assert parse_qs(urlsplit(link).query)["next"] == [LANDING]


# -- registered without the link: the inbox ------------------------------------------------------


class TestTheInbox:
    @pytest.fixture(autouse=True)
    def _rule(self, settings: Any) -> None:
        settings.INVITATION_VERIFIED_ADDRESSES = proven

    @pytest.mark.anywhere
    def test_it_shows_what_came_to_the_address(
        self, invitation: InvitationKey, invited: Any
    ) -> None:
        response = signed_in(invited).get(RECEIVED)
        assert response.status_code == 200
        assert list(response.context["invitations"]) == [invitation]
        assert "Come and see." in words(response)
        assert set(forms(response)) == {
            f"{RECEIVED}{invitation.pk}/accept/",
            f"{RECEIVED}{invitation.pk}/decline/",
        }

    def test_the_inviters_address_is_not_shown(
        self, invitation: InvitationKey, invited: Any
    ) -> None:
        assert "member@example.com" not in signed_in(invited).get(RECEIVED).content.decode()

    def test_its_groups_are_named(self, settings: Any, member: Any, invited: Any) -> None:
        settings.INVITATION_GRANTABLE_GROUPS = every_group
        groups = [Group.objects.create(name=name) for name in ("Altos", "Basses")]
        scenes.invite(member, groups=groups)
        assert "Groups: Altos , Basses ." in words(signed_in(invited).get(RECEIVED))

    @pytest.mark.anywhere
    def test_he_accepts(self, invitation: InvitationKey, invited: Any) -> None:
        response = signed_in(invited).post(f"{RECEIVED}{invitation.pk}/accept/")
        assert response.status_code == 200
        assert "Invitation accepted" in words(response)
        acceptance = Acceptance.objects.get()
        assert (acceptance.user, acceptance.new_account) == (invited, False)

    @pytest.mark.anywhere
    def test_he_declines(self, invitation: InvitationKey, invited: Any) -> None:
        client = signed_in(invited)
        response = client.post(f"{RECEIVED}{invitation.pk}/decline/", follow=True)
        assert response.redirect_chain == [(RECEIVED, 302)]
        assert "The invitation is declined." in words(response)
        invitation.refresh_from_db()
        assert invitation.status == "declined"
        assert "You have no invitations." in words(client.get(RECEIVED))

    def test_nothing_is_taken_by_logging_in_or_looking(
        self, invitation: InvitationKey, invited: Any
    ) -> None:
        client = Client()
        client.post(LOGIN, {"username": invited.get_username(), "password": "secret"})
        client.get(RECEIVED)
        invitation.refresh_from_db()
        assert invitation.status == "pending"
        assert not Acceptance.objects.exists()

    def test_a_second_click_is_told_that_it_is_done(
        self, invitation: InvitationKey, invited: Any
    ) -> None:
        client = signed_in(invited)
        client.post(f"{RECEIVED}{invitation.pk}/accept/")
        before = scenes.dump()
        response = client.post(f"{RECEIVED}{invitation.pk}/accept/")
        assert response.status_code == 200
        assert "You already accepted this invitation" in words(response)
        assert scenes.dump() == before

    @pytest.mark.parametrize("action", ["accept", "decline"])
    @pytest.mark.parametrize("end", ["expired", "used", "revoked", "declined"])
    def test_a_stale_page_is_told_why_it_is_too_late(
        self, invitation: InvitationKey, invited: Any, action: str, end: str
    ) -> None:
        client = signed_in(invited)
        scenes.end(invitation, end)
        response = client.post(f"{RECEIVED}{invitation.pk}/{action}/")
        code, _ = scenes.ENDS[end]
        assert response.status_code == 409
        assert response.context["error_code"] == code
        assert str(response.context["error"]) in words(response)

    def test_ended_ones_are_not_shown(self, invitation: InvitationKey, invited: Any) -> None:
        InvitationKey.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        assert list(signed_in(invited).get(RECEIVED).context["invitations"]) == []

    def test_a_page_holds_25(self, invited: Any) -> None:
        for number in range(27):
            make_invitation(scenes.make_user(f"inviter{number}"), NEWCOMER)
        client = signed_in(invited)
        first, second = client.get(RECEIVED), client.get(RECEIVED, {"page": "2"})
        assert len(first.context["invitations"]) == 25
        assert len(second.context["invitations"]) == 2
        assert b"?page=2" in first.content
        assert b"?page=1" in second.content

    @pytest.mark.parametrize("rows", [1, 30])
    def test_it_costs_six_with_the_default_rule(
        self, settings: Any, invited: Any, rows: int
    ) -> None:
        del settings.INVITATION_VERIFIED_ADDRESSES
        arriving.prove(invited)
        for number in range(rows):
            make_invitation(scenes.make_user(f"inviter{number}"), NEWCOMER)
        client = signed_in(invited)
        client.get(RECEIVED)
        with CaptureQueriesContext(connection) as queries:
            response = client.get(RECEIVED)
        asked = [query["sql"] for query in queries if not query["sql"].startswith(CONTROL)]
        assert len(response.context["invitations"]) == min(rows, 25)
        # The session, the account, the rule, how many there are, a page of them, their groups.
        assert len(asked) == 6, "\n".join(asked)


@pytest.mark.anywhere
@pytest.mark.parametrize("rule", [None, lambda user: []])
def test_who_has_proven_no_address_sees_nothing_and_hears_what_to_do(
    settings: Any, invitation: InvitationKey, invited: Any, rule: Any
) -> None:
    settings.INVITATION_VERIFIED_ADDRESSES = rule
    client = signed_in(invited)
    response = client.get(RECEIVED)
    assert list(response.context["invitations"]) == []
    assert response.context["proven"] is False
    assert "open the link in it" in words(response)
    assert client.post(f"{RECEIVED}{invitation.pk}/accept/").status_code == 404


def test_who_registers_on_his_own_finds_the_invitation_after_the_activation(
    settings: Any, member: Any, commit: Commit
) -> None:
    """From the first click to the last, with nothing set: the default rule."""
    other = scenes.make_user("other")
    waiting = scenes.invite(member)
    visitor = scenes.visit(scenes.invite(other))
    with commit():
        visitor.post(REGISTER, answers())
    account = scenes.accounts().get()
    assert not arriving.received_invitations(account).exists()
    scenes.activate(visitor, scenes.path_in(mail.outbox[-1], part="activate"))
    login = {"username": "newcomer", "password": scenes.PASSWORD}
    assert visitor.post(LOGIN, login).status_code == 302
    response = visitor.get(RECEIVED)
    assert list(response.context["invitations"]) == [waiting]
    waiting.refresh_from_db()
    assert waiting.status == "pending"
    visitor.post(f"{RECEIVED}{waiting.pk}/accept/")
    waiting.refresh_from_db()
    assert waiting.status == "accepted"


# -- the inviter --------------------------------------------------------------------------------


def test_the_inviter_chooses_groups_and_sees_what_his_invitation_carries(
    settings: Any, member: Any, member_client: Client
) -> None:
    groups = [Group.objects.create(name=name) for name in ("Altos", "Basses", "Staff")]
    settings.INVITATION_GRANTABLE_GROUPS = lambda user: groups[:2]
    assert fields(member_client.get(scenes.INVITE), "groups") == [str(g.pk) for g in groups[:2]]
    data = {"email": NEWCOMER, "groups": [groups[0].pk]}
    assert member_client.post(scenes.INVITE, data).status_code == 302
    invitation = InvitationKey.objects.get()
    page = f"/accounts/invitations/{invitation.pk}/"
    assert "Groups Altos" in words(member_client.get(page))
    refused = member_client.post(f"{page}edit/", {"groups": [groups[2].pk]})
    assert "groups" in refused.context["form"].errors
    member_client.post(f"{page}edit/", {"groups": [groups[1].pk]})
    assert list(invitation.groups.all()) == [groups[1]]
    assert "Groups Basses" in words(member_client.get(page))


def test_the_inviter_sees_that_somebody_with_an_account_has_accepted(
    invitation: InvitationKey, invited: Any, member_client: Client
) -> None:
    post_of(arrive(invitation, invited))
    page = member_client.get(f"/accounts/invitations/{invitation.pk}/")
    assert "Accepted by invited on" in words(page)


# -- nobody else's -------------------------------------------------------------------------------


@pytest.mark.anywhere
class TestNobodyElses:
    """Every address of the inbox, for the inviter, another member, staff and visitors."""

    @pytest.fixture(autouse=True)
    def _rule(self, settings: Any) -> None:
        settings.INVITATION_VERIFIED_ADDRESSES = proven

    @pytest.mark.parametrize("who", ["inviter", "other member", "staff"])
    @pytest.mark.parametrize("method", ["get", "head", "post"])
    @pytest.mark.parametrize("action", ["accept", "decline"])
    def test_it_does_not_exist_for(
        self,
        invitation: InvitationKey,
        invited: Any,
        member: Any,
        stranger: Any,
        who: str,
        method: str,
        action: str,
    ) -> None:
        boss = scenes.make_user("boss", is_staff=True, is_superuser=True)
        client = signed_in({"inviter": member, "other member": stranger, "staff": boss}[who])
        before = scenes.dump()
        response = getattr(client, method)(f"{RECEIVED}{invitation.pk}/{action}/")
        assert response.status_code == 404
        assert list(client.get(RECEIVED).context["invitations"]) == []
        assert scenes.dump() == before

    @pytest.mark.parametrize("method", ["get", "post"])
    @pytest.mark.parametrize("part", ["", "{pk}/accept/", "{pk}/decline/"])
    def test_visitors_are_sent_to_log_in(
        self, invitation: InvitationKey, method: str, part: str
    ) -> None:
        before = scenes.dump()
        response = getattr(Client(), method)(RECEIVED + part.format(pk=invitation.pk))
        assert response.status_code == 302
        assert response["Location"].startswith(f"{LOGIN}?next=")
        assert scenes.dump() == before

    @pytest.mark.parametrize("action", ["accept", "decline"])
    @pytest.mark.parametrize("method", ["get", "head"])
    def test_the_invited_person_is_led_to_the_inbox(
        self, invitation: InvitationKey, invited: Any, action: str, method: str
    ) -> None:
        before = scenes.dump()
        client = signed_in(invited)
        before = scenes.dump()
        response = getattr(client, method)(f"{RECEIVED}{invitation.pk}/{action}/")
        assert (response.status_code, response["Location"]) == (302, RECEIVED)
        assert scenes.dump() == before

    def test_one_of_another_site_is_answered_there(
        self, invitation: InvitationKey, invited: Any
    ) -> None:
        InvitationKey.objects.update(site_id=sites.current_site_id() + 1)
        client = signed_in(invited)
        assert list(client.get(RECEIVED).context["invitations"]) == []
        for action in ("accept", "decline"):
            assert client.post(f"{RECEIVED}{invitation.pk}/{action}/").status_code == 404

    @pytest.mark.parametrize("action", ["accept", "decline"])
    def test_a_form_without_a_csrf_token_is_refused(
        self, invitation: InvitationKey, invited: Any, action: str
    ) -> None:
        client = signed_in(invited, enforce_csrf_checks=True)
        before = scenes.dump()
        assert client.post(f"{RECEIVED}{invitation.pk}/{action}/").status_code == 403
        assert scenes.dump() == before

    @pytest.mark.parametrize("pk", ["0", "9" * 30, "x", "-1"])
    def test_a_number_of_nothing_is_404(self, invited: Any, pk: str) -> None:
        assert signed_in(invited).post(f"{RECEIVED}{pk}/accept/").status_code == 404


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
@pytest.mark.parametrize("verb", ["accept", "decline"])
def test_the_inbox_knows_no_other_method(
    invitation: InvitationKey, invited: Any, verb: str, method: str
) -> None:
    browser = Client()
    browser.force_login(invited)
    address = f"/accounts/invitations/received/{invitation.pk}/{verb}/"
    assert getattr(browser, method)(address).status_code == 405
    invitation.refresh_from_db()
    assert invitation.status == InvitationKey.Status.PENDING


def test_an_invitation_of_long_ago_is_not_shown(settings: Any, member: Any, invited: Any) -> None:
    settings.INVITATION_VERIFIED_ADDRESSES = proven
    make_invitation(member, NEWCOMER, left=-DAY)
    assert list(signed_in(invited).get(RECEIVED).context["invitations"]) == []


def test_where_to_go_on_is_text_in_the_login_form(db: None) -> None:
    answer = Client().get("/accounts/login/", {"next": '/"><script>alert(1)</script>'})
    assert "<script>alert" not in answer.content.decode()
