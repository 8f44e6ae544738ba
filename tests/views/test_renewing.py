"""The pages on which a dead link is asked for again, and on which its inviter renews it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core import mail
from django.test import Client
from django.utils import timezone

from invitation import keys
from invitation.flows import inviting, upkeep
from invitation.gate.visitor import ENDED_COOKIE_NAME
from invitation.models import InvitationEmail, InvitationKey
from tests import scenes
from tests.factories import DAY, make_mail, spent
from tests.scenes import COMPLETE, DECLINE, LANDING, NEWCOMER, REGISTER, RENEWAL
from tests.views.test_managing import page, words

pytestmark = [pytest.mark.django_db, pytest.mark.anywhere]
Commit = Callable[..., Any]

ASK = f'href="{RENEWAL}"'
#: Ends after which a visitor may ask for a new link.
DEAD = ["expired", "revoked", "deleted"]
OTHER = ["used", "declined"]
THANKS = "If this invitation can be sent again, the person who invited you gets an email."


@pytest.fixture
def invitation(member: Any) -> InvitationKey:
    """Return an invitation whose cool-down is over, and whose email has left."""
    invitation = scenes.invite(member, recipient_name="Newcomer", note="Come and see.")
    InvitationEmail.objects.update(state="sent", lease_until=None)
    InvitationKey.objects.update(mail_requested_at=timezone.now() - DAY)
    invitation.refresh_from_db()
    return invitation


def follow(invitation: InvitationKey, end: str = "", **options: Any) -> Client:
    """Return the browser of somebody who has followed a link that is dead by now."""
    key = invitation.mail_key
    if end:
        scenes.end(invitation, end)
    client = Client(**options)
    assert client.get(scenes.link(key)).status_code >= 400
    return client


def said(response: Any) -> str:
    """Return what a page says but for the token of its form and the visitor's mark."""
    text = re.sub(r'(csrfmiddlewaretoken" value=")[^"]*', r"\1", response.content.decode())
    return re.sub(r'(invitation_hint" value=")[^"]*', r"\1", text)


class TestTheDeadLink:
    @pytest.mark.parametrize("end", DEAD)
    def test_offers_to_ask_for_a_new_one(self, invitation: InvitationKey, end: str) -> None:
        key = invitation.mail_key
        visitor = scenes.visit(invitation)
        scenes.end(invitation, end)
        for response in (
            Client().get(scenes.link(key)),
            Client().get(REGISTER, {"invitation_key": key}),
            visitor.get(LANDING),
            visitor.get(DECLINE),
            visitor.get(REGISTER),
        ):
            assert response.status_code == scenes.ENDS[end][1]
            assert ASK in response.content.decode()

    @pytest.mark.parametrize("end", OTHER)
    def test_that_was_answered_does_not(self, invitation: InvitationKey, end: str) -> None:
        scenes.end(invitation, end)
        response = Client().get(scenes.link(invitation.mail_key))
        assert ASK not in response.content.decode()

    def test_nor_does_a_page_without_a_link(self) -> None:
        for address in (LANDING, REGISTER):
            assert ASK not in Client().get(address).content.decode()

    def test_that_is_only_half_a_link_does(self) -> None:
        assert ASK in Client().get(scenes.link("half")).content.decode()

    @pytest.mark.parametrize("end", [*DEAD, *OTHER])
    def test_leaves_its_key_in_a_cookie(self, invitation: InvitationKey, end: str) -> None:
        key = invitation.mail_key
        cookie = follow(invitation, end).cookies[ENDED_COOKIE_NAME]
        assert (cookie.value, cookie["httponly"], cookie["samesite"]) == (key, True, "Lax")

    def test_leaves_nothing_of_a_text_that_is_no_key(self) -> None:
        visitor = Client()
        visitor.get(scenes.link("<script>"))
        assert visitor.cookies[ENDED_COOKIE_NAME].value == "none"

    @pytest.mark.parametrize("end", ["expired", "revoked"])
    def test_still_says_why_on_the_pages_that_follow(
        self, invitation: InvitationKey, end: str
    ) -> None:
        visitor = follow(invitation, end)
        for address in (LANDING, REGISTER):
            assert scenes.flags(visitor.get(address)) == {scenes.ENDS[end][0]}

    def test_that_was_only_half_a_link_says_no_more_there(self) -> None:
        visitor = Client()
        visitor.get(scenes.link("half"))
        assert scenes.flags(visitor.get(LANDING)) == {"no_key"}

    def test_works_again_in_the_same_browser_once_it_is_renewed(
        self, invitation: InvitationKey
    ) -> None:
        visitor = follow(invitation, "expired")
        inviting.renew(InvitationKey.objects.get())
        assert visitor.get(LANDING).context["invitation"] == invitation
        assert visitor.post(REGISTER, scenes.answers()).status_code == 302
        assert scenes.accounts().count() == 1
        assert visitor.cookies[ENDED_COOKIE_NAME].value == "signed-up"

    def test_takes_nothing_from_who_carries_another_invitation(
        self, invitation: InvitationKey, member: Any
    ) -> None:
        other = scenes.invite(member, "other@example.com")
        visitor = scenes.visit(other)
        scenes.end(invitation, "revoked")
        visitor.get(scenes.link(invitation.mail_key))
        assert visitor.get(LANDING).context["invitation"] == other


class TestAsking:
    @pytest.mark.parametrize("end", ["expired", "revoked"])
    def test_mails_the_inviter(self, invitation: InvitationKey, commit: Commit, end: str) -> None:
        visitor = follow(invitation, end)
        with commit():
            response = visitor.post(RENEWAL)
        assert (response.status_code, THANKS in said(response)) == (200, True)
        [asking] = mail.outbox
        assert asking.to == ["member@example.com"]

    def test_twice_mails_once_and_says_the_same(
        self, invitation: InvitationKey, commit: Commit
    ) -> None:
        visitor = follow(invitation, "revoked")
        with commit():
            pages = [said(visitor.post(RENEWAL)) for _ in range(2)]
        assert pages[0] == pages[1]
        assert len(mail.outbox) == 1

    def test_tells_nothing_of_what_there_is(
        self, invitation: InvitationKey, member: Any, commit: Commit
    ) -> None:
        visitors = {"half": Client(), "forged": Client()}
        visitors["half"].get(scenes.link("half"))
        visitors["forged"].get(scenes.link(f"{'x' * 22}.{'x' * 43}"))
        for end in (*DEAD, *OTHER):
            visitors[end] = follow(scenes.invite(member, f"{end}@example.com"), end)
        orphan = scenes.invite(scenes.make_user("ann"), "orphan@example.com")
        visitors["orphan"] = follow(orphan, "revoked")
        InvitationKey.objects.filter(pk=orphan.pk).update(from_user=None)
        answers = set()
        with commit():
            for visitor in visitors.values():
                for method in (visitor.get, visitor.post):
                    response = method(RENEWAL)
                    headers = {k: v for k, v in response.items() if k != "Content-Length"}
                    answers.add((response.status_code, str(headers), said(response)))
        assert [status for status, _, _ in answers] == [200, 200]
        assert len(mail.outbox) == 2  # the expired and the withdrawn one

    def test_a_mail_server_that_is_down_shows_on_no_page(
        self, invitation: InvitationKey, commit: Commit
    ) -> None:
        visitor = follow(invitation, "revoked")
        with scenes.broken_mail(), commit():
            response = visitor.post(RENEWAL)
        assert (response.status_code, THANKS in said(response)) == (200, True)
        assert InvitationEmail.objects.get(kind="renewal").state == "queued"

    def test_without_a_link_there_is_nothing_to_ask_for(self, invitation: InvitationKey) -> None:
        scenes.end(invitation, "revoked")
        for method in (Client().get, Client().post):
            response = method(RENEWAL)
            assert (response.status_code, scenes.flags(response)) == (404, {"no_key"})

    def test_needs_the_token_of_the_form(self, invitation: InvitationKey) -> None:
        visitor = follow(invitation, "revoked", enforce_csrf_checks=True)
        assert visitor.post(RENEWAL).status_code == 403
        assert not InvitationEmail.objects.filter(kind="renewal").exists()

    @pytest.mark.parametrize("method", ["put", "patch", "delete"])
    def test_is_for_post_alone(self, invitation: InvitationKey, method: str) -> None:
        visitor = follow(invitation, "revoked")
        assert getattr(visitor, method)(RENEWAL).status_code == 405

    def test_is_for_who_is_signed_in_too(
        self, invitation: InvitationKey, member_client: Client
    ) -> None:
        scenes.end(invitation, "revoked")
        member_client.get(scenes.link(invitation.mail_key))
        assert member_client.post(RENEWAL).status_code == 200

    def test_in_the_first_of_two_tabs_asks_once_more(
        self, invitation: InvitationKey, member: Any
    ) -> None:
        other = scenes.invite(member, "other@example.com")
        visitor = follow(invitation, "revoked")
        hint = visitor.get(RENEWAL).context["invitation_hint"]
        assert hint == keys.mask(invitation.locator)
        scenes.end(other, "revoked")
        visitor.get(scenes.link(other.mail_key))
        response = visitor.post(RENEWAL, {"invitation_hint": hint})
        assert "You opened another invitation in the meantime" in said(response)
        assert not InvitationEmail.objects.filter(kind="renewal").exists()
        visitor.post(RENEWAL, {"invitation_hint": response.context["invitation_hint"]})
        assert InvitationEmail.objects.get(kind="renewal").invitation == other


def renew(invitation: InvitationKey) -> str:
    return page(invitation, "renew")


@pytest.fixture(params=["expired", "revoked"])
def dead(request: pytest.FixtureRequest, invitation: InvitationKey) -> InvitationKey:
    """Return an invitation that has ended, and that cleanup has settled."""
    scenes.end(invitation, request.param)
    upkeep.expire()
    invitation.refresh_from_db()
    return invitation


class TestRenewing:
    def test_visitors_are_sent_to_log_in(self, dead: InvitationKey) -> None:
        before = scenes.dump()
        for method in (Client().get, Client().post):
            response = method(renew(dead))
            assert response["Location"].startswith(f"/accounts/login/?next={renew(dead)}")
        assert scenes.dump() == before

    def test_what_the_invitation_brings_with_it_is_shown(
        self, settings: Any, dead: InvitationKey, member_client: Client
    ) -> None:
        settings.INVITATION_DESTINATIONS = [("/choir/", "Page of the choir")]
        dead.groups.add(Group.objects.create(name="Basses"), Group.objects.create(name="Altos"))
        InvitationKey.objects.filter(pk=dead.pk).update(destination="/choir/")
        for part in ("", "renew"):
            said = words(member_client.get(page(dead, part)))
            assert "Groups Altos , Basses" in said
            assert "First page Page of the choir" in said

    def test_one_that_brings_nothing_says_nothing_of_it(
        self, dead: InvitationKey, member_client: Client
    ) -> None:
        for part in ("", "renew"):
            said = words(member_client.get(page(dead, part)))
            assert "Groups" not in said
            assert "First page" not in said

    @pytest.mark.parametrize("staff", [False, True])
    def test_the_invitation_of_somebody_else_does_not_exist(
        self, dead: InvitationKey, staff: bool
    ) -> None:
        stranger = Client()
        stranger.force_login(scenes.make_user("ann", is_staff=staff, is_superuser=staff))
        before = scenes.dump()
        for method in (stranger.get, stranger.post):
            assert method(renew(dead)).status_code == 404
        assert scenes.dump() == before

    def test_nor_does_one_of_another_site(self, dead: InvitationKey, member_client: Client) -> None:
        InvitationKey.objects.update(site_id=dead.site_id + 1)
        assert member_client.post(renew(dead)).status_code == 404

    def test_looking_changes_nothing(self, dead: InvitationKey, member_client: Client) -> None:
        before = scenes.dump()
        response = member_client.get(renew(dead))
        assert (response.status_code, "Resend this invitation?" in words(response)) == (
            200,
            True,
        )
        assert scenes.dump() == before

    def test_the_way_of_the_mail_ends_at_a_link_that_works(
        self, invitation: InvitationKey, member_client: Client, commit: Commit
    ) -> None:
        with commit():
            follow(invitation, "expired").post(RENEWAL)
        asked = member_client.get(scenes.path_in(mail.outbox[0]))
        assert "Someone opened the link of this invitation" in words(asked)
        with commit():
            done = member_client.post(renew(invitation), follow=True)
        assert "Invitation sent." in words(done)
        assert done.redirect_chain == [(page(invitation), 302)]
        assert mail.outbox[1].to == [NEWCOMER]
        visitor = Client()
        visitor.get(scenes.path_in(mail.outbox[1]))
        assert visitor.get(LANDING).context["invitation"] == invitation

    def test_one_that_was_withdrawn_leads_to_a_new_one(
        self, invitation: InvitationKey, member_client: Client, commit: Commit
    ) -> None:
        scenes.end(invitation, "revoked")
        with commit():
            response = member_client.post(renew(invitation))
        new = InvitationKey.objects.pending().get()
        assert response["Location"] == page(new)
        assert (new.recipient_name, new.note) == ("Newcomer", "Come and see.")
        assert not scenes.flags(Client().get(scenes.link(new.mail_key), follow=True))
        assert Client().get(scenes.link(invitation.mail_key)).status_code == 410

    def test_the_second_of_two_clicks_does_no_harm(
        self, dead: InvitationKey, member_client: Client, commit: Commit
    ) -> None:
        with commit():
            member_client.post(renew(dead))
            again = member_client.post(renew(dead), follow=True)
        assert again.status_code == 200
        assert "is pending" in words(again)
        assert InvitationKey.objects.pending().count() == 1
        assert len(mail.outbox) == 1

    def test_nor_does_one_that_comes_at_the_same_moment(
        self, invitation: InvitationKey, member_client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        scenes.end(invitation, "expired")
        first = inviting.renew

        def second(row: InvitationKey) -> inviting.Invited:
            first(InvitationKey.objects.get())
            return first(row)

        monkeypatch.setattr(inviting, "renew", second)
        response = member_client.post(renew(invitation), follow=True)
        assert response.redirect_chain == [(page(invitation), 302)]
        assert "This invitation is pending." in words(response)

    def test_one_that_is_open_needs_no_renewal(
        self, invitation: InvitationKey, member_client: Client
    ) -> None:
        for method in (member_client.get, member_client.post):
            response = method(renew(invitation), follow=True)
            assert response.redirect_chain == [(page(invitation), 302)]
            assert "This invitation is pending." in words(response)

    @pytest.mark.parametrize("end", OTHER)
    def test_one_that_was_answered_cannot_be_renewed(
        self, invitation: InvitationKey, member_client: Client, end: str
    ) -> None:
        scenes.end(invitation, end)
        looked = member_client.get(renew(invitation), follow=True)
        assert looked.redirect_chain == [(page(invitation), 302)]
        assert "Only expired and revoked invitations can be renewed." in words(looked)
        response = member_client.post(renew(invitation))
        assert (response.status_code, response.context["error_code"]) == (409, "not_renewable")

    def test_one_that_was_mailed_a_moment_ago_has_to_wait(
        self, invitation: InvitationKey, member_client: Client
    ) -> None:
        InvitationKey.objects.update(mail_requested_at=timezone.now())
        scenes.end(invitation, "expired")
        response = member_client.post(renew(invitation))
        assert (response.status_code, response.context["error_code"]) == (409, "mail_too_soon")

    def test_one_beside_an_open_one_to_the_same_address_says_so(
        self, invitation: InvitationKey, member: Any, member_client: Client
    ) -> None:
        scenes.end(invitation, "expired")
        upkeep.expire()
        scenes.invite(member)
        response = member_client.post(renew(invitation))
        assert (response.status_code, response.context["error_code"]) == (409, "already_invited")

    def test_without_an_invitation_left_there_is_no_button(
        self, dead: InvitationKey, member: Any, member_client: Client, settings: Any
    ) -> None:
        settings.INVITATIONS_PER_USER = spent(member)
        looked = member_client.get(renew(dead))
        assert "You have no invitations left" in words(looked)
        assert "Renew it" not in words(looked)
        response = member_client.post(renew(dead))
        assert response.status_code == 409
        assert response.context["error_code"] == "no_invitations_left"

    def test_what_it_takes_is_said_before(
        self, dead: InvitationKey, member: Any, member_client: Client, settings: Any
    ) -> None:
        settings.INVITATIONS_PER_USER = spent(member) + 4
        assert "This uses one of your invitations. You have 4 left." in words(
            member_client.get(renew(dead))
        )
        settings.INVITATIONS_PER_USER = None
        assert "This uses" not in words(member_client.get(renew(dead)))

    def test_what_was_not_given_back_takes_none(
        self, invitation: InvitationKey, member_client: Client, settings: Any
    ) -> None:
        settings.INVITATIONS_PER_USER = 1
        scenes.end(invitation, "expired")
        looked = member_client.get(renew(invitation))
        assert "This uses none of your invitations." in words(looked)
        assert member_client.post(renew(invitation)).status_code == 302

    def test_who_may_no_longer_invite_is_told_so(
        self, dead: InvitationKey, member_client: Client, settings: Any
    ) -> None:
        settings.INVITATION_PERMISSION = "invitation.nobody_has_this"
        before = scenes.dump()
        for method in (member_client.get, member_client.post):
            response = method(renew(dead))
            assert response.status_code == 403
            assert response.context["error_code"] == "inviting_forbidden"
        assert scenes.dump() == before

    def test_the_page_of_the_invitation_leads_there_once_somebody_has_asked(
        self, dead: InvitationKey, member_client: Client
    ) -> None:
        inviting.ask_for_renewal(dead.mail_key)
        shown = member_client.get(page(dead))
        # One that has expired has a button that resends it.
        link, button = f'href="{renew(dead)}"', f'action="{page(dead, "resend")}"'
        assert (link if dead.status == "revoked" else button) in shown.content.decode()
        assert "New invitation requested on" in words(shown)

    def test_and_from_one_that_was_withdrawn_in_any_case(
        self, invitation: InvitationKey, member_client: Client
    ) -> None:
        link = f'href="{renew(invitation)}"'
        assert link not in member_client.get(page(invitation)).content.decode()
        scenes.end(invitation, "revoked")
        shown = member_client.get(page(invitation))
        assert link in shown.content.decode()
        assert "asked for a new link" not in words(shown)

    def test_the_page_after_inviting_is_about_invitations_and_not_about_requests(
        self, invitation: InvitationKey, member: Any, member_client: Client
    ) -> None:
        other = scenes.invite(member, "other@example.com")
        make_mail(invitation, kind="renewal", state="failed")
        context = member_client.get(COMPLETE).context
        assert (context["invitation"], context["mail_state"]) == (other, "sending")
