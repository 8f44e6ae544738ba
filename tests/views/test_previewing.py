"""The form to invite with, its buttons and choices, and the frame in which an email is shown."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import Group
from django.core import mail, signing
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import include, path, reverse
from django.utils.safestring import SafeData, mark_safe

from invitation import routes, views
from invitation.delivery.base import MailPreview
from invitation.delivery.messages import SAMPLE_KEY
from invitation.flows import arriving, inviting
from invitation.forms import InvitationKeyForm
from invitation.gate import visitor
from invitation.models import InvitationEmail, InvitationKey
from tests import scenes
from tests.scenes import COMPLETE, INVITATIONS, INVITE, NEWCOMER

pytestmark = pytest.mark.django_db
Commit = Callable[..., Any]
PREVIEW = "/accounts/invite/preview/"
NOTE = "Come & see.\n\nBring <gloves>!"
TYPED = {"email": "New@Example.com", "recipient_name": "Zoë", "note": NOTE}
ASKED = TYPED | {"preview": "1"}

#: A site with the form and the page after it alone, as one that wrote its URLconf for 1.0.
few = ("invitation_invite", "invitation_complete", "invitation_invited")
urlpatterns = [
    path("accounts/", include([page for page in routes.urlpatterns if page.name in few])),
]


def ask(client: Client, **typed: str) -> Any:
    return client.post(INVITE, ASKED | typed)


class Reader(HTMLParser):
    """Keep the elements of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def form_buttons(response: Any) -> list[str]:
    page = response.content.decode()
    form = page[page.index('id="invitation-form"') :]
    return re.findall(r'<button[^>]*?(?:name="(\w+)"[^>]*)?>', form[: form.index("</form>")])


class TestForm:
    @pytest.mark.anywhere
    def test_by_default_it_asks_for_nothing_more(self, member_client: Client) -> None:
        response = member_client.get(INVITE)
        assert list(response.context["form"].fields) == ["email", "recipient_name", "note"]
        assert set(InvitationKeyForm.base_fields) == {"email", "recipient_name", "note"}

    @pytest.mark.anywhere
    def test_the_enter_key_sends(self, member_client: Client) -> None:
        page = member_client.get(INVITE)
        assert form_buttons(page) == ["", "preview", "no_mail"]
        assert form_buttons(ask(member_client)) == ["", "back"]

    def test_the_days_that_the_site_offers_can_be_chosen(
        self, settings: Any, member: Any, member_client: Client
    ) -> None:
        settings.INVITATION_EXPIRY_CHOICES = [30, None, 1]
        field = member_client.get(INVITE).context["form"]["days"]
        assert field.field.choices == [
            ("1", "1 day"),
            ("7", "7 days"),
            ("30", "30 days"),
            ("never", "never"),
        ]
        assert field.value() == "7"
        assert field.field.required

    @pytest.mark.parametrize(("chosen", "days"), [("1", 1), ("", 7), (None, 7), ("never", None)])
    def test_who_chooses_none_gets_what_the_site_has_set(
        self, settings: Any, member_client: Client, chosen: str | None, days: int | None
    ) -> None:
        settings.INVITATION_EXPIRY_CHOICES = [1, None]
        typed = {"email": NEWCOMER} | ({} if chosen is None else {"days": chosen})
        assert member_client.post(INVITE, typed).status_code == 302
        invitation = InvitationKey.objects.get()
        left = invitation.expires_at and invitation.expires_at - invitation.date_invited
        assert (left and left.days) == days

    def test_an_invitation_without_end_may_be_what_the_site_has_set(
        self, settings: Any, member_client: Client
    ) -> None:
        settings.ACCOUNT_INVITATION_DAYS = None
        settings.INVITATION_EXPIRY_CHOICES = [1]
        assert member_client.get(INVITE).context["form"]["days"].value() == "never"
        member_client.post(INVITE, {"email": NEWCOMER})
        assert InvitationKey.objects.get().expires_at is None

    def test_what_was_not_chosen_is_shown_as_it_will_be(
        self, settings: Any, member_client: Client
    ) -> None:
        settings.INVITATION_EXPIRY_CHOICES = [1]
        assert member_client.post(INVITE, {}).context["form"]["days"].value() == "7"
        assert member_client.post(INVITE, {"days": "1"}).context["form"]["days"].value() == "1"

    @pytest.mark.parametrize("days", ["2", "0", "-1", "None", "never", "1.0", "x", "9" * 400, "\0"])
    def test_other_days_are_a_form_error(
        self, settings: Any, member_client: Client, days: str
    ) -> None:
        settings.INVITATION_EXPIRY_CHOICES = [1]
        form = member_client.post(INVITE, {"email": NEWCOMER, "days": days}).context["form"]
        assert list(form.errors) == ["days"]
        assert InvitationKey.objects.count() == 0

    def test_where_no_days_are_offered_none_are_taken(
        self, settings: Any, member_client: Client
    ) -> None:
        member_client.post(INVITE, {"email": NEWCOMER, "days": "30"})
        invitation = InvitationKey.objects.get()
        assert invitation.expires_at is not None
        assert (invitation.expires_at - invitation.date_invited).days in (6, 7)

    @pytest.mark.parametrize(("chosen", "stored"), [("/welcome/", "/welcome/"), ("", "")])
    def test_one_of_the_sites_pages_can_be_chosen(
        self, settings: Any, member_client: Client, chosen: str, stored: str
    ) -> None:
        settings.INVITATION_DESTINATIONS = [("/welcome/", "Welcome page")]
        page = member_client.get(INVITE).content.decode()
        assert '<option value="/welcome/">Welcome page</option>' in page
        member_client.post(INVITE, {"email": NEWCOMER, "destination": chosen})
        assert InvitationKey.objects.get().destination == stored

    @pytest.mark.parametrize("path", ["/other/", "//evil.example/", "https://evil.example/"])
    def test_another_page_is_a_form_error(
        self, settings: Any, member_client: Client, path: str
    ) -> None:
        settings.INVITATION_DESTINATIONS = [("/welcome/", "Welcome page")]
        typed = {"email": NEWCOMER, "destination": path}
        assert list(member_client.post(INVITE, typed).context["form"].errors) == ["destination"]
        assert InvitationKey.objects.count() == 0

    def test_where_no_page_is_offered_none_is_taken(self, member_client: Client) -> None:
        member_client.post(INVITE, {"email": NEWCOMER, "destination": "/welcome/"})
        assert InvitationKey.objects.get().destination == ""

    def test_a_form_without_the_choice_leaves_what_code_has_written(
        self, member: Any, member_client: Client
    ) -> None:
        inviting.invite(member, NEWCOMER, destination="/welcome/")
        member_client.post(INVITE, {"email": NEWCOMER})
        assert InvitationKey.objects.get().destination == "/welcome/"

    @pytest.mark.parametrize("button", ["", "preview", "no_mail"])
    @pytest.mark.anywhere
    def test_a_blocked_address_is_a_form_error(
        self, settings: Any, member_client: Client, button: str
    ) -> None:
        settings.INVITATION_BLOCKED_RECIPIENTS = ["example.com"]
        before = scenes.dump()
        response = member_client.post(INVITE, {"email": NEWCOMER, button: "1"})
        [error] = response.context["form"].errors.as_data()["email"]
        assert error.code == "blocked_address"
        assert "ask the people who run this site" in response.content.decode()
        assert scenes.dump() == before


class TestPreview:
    @pytest.mark.anywhere
    def test_it_shows_the_email_alone_and_keeps_what_was_typed(self, member_client: Client) -> None:
        response = ask(member_client)
        assert response.status_code == 200
        names = [used.name for used in response.templates]
        assert "invitation/invitation_preview.html" in names
        assert "invitation/invitation_form.html" not in names
        shown = response.context["preview"]
        assert shown.recipient == "New@example.com"
        assert "> Bring <gloves>!" in shown.text
        assert not isinstance(shown.text, SafeData)
        form = response.context["form"]
        assert {name: form[name].value() for name in TYPED} == TYPED
        page = response.content.decode()
        hidden = [one for one in Reader(page).all("input") if one["name"] in TYPED]
        assert {one["type"] for one in hidden} == {"hidden"}
        assert {one["name"]: one["value"] for one in hidden} == TYPED
        assert "&gt; Bring &lt;gloves&gt;!" in page
        assert "<gloves>" not in page
        assert SAMPLE_KEY in page

    def test_what_a_delivery_returns_is_text_on_the_page(
        self, member_client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        marked = mark_safe("<script>alert(1)</script>")
        shown = MailPreview(marked, marked, marked, marked, reply_to=marked)
        monkeypatch.setattr(inviting, "preview", lambda *args, **kwargs: shown)
        page = ask(member_client).content.decode()
        assert "<script>" not in page
        assert page.count("&lt;script&gt;") == 5

    @pytest.mark.anywhere
    def test_nothing_is_written_and_nobody_is_mailed(
        self, member_client: Client, commit: Commit
    ) -> None:
        before = scenes.dump()
        with commit():
            ask(member_client)
            member_client.get(PREVIEW)
        assert scenes.dump() == before
        assert mail.outbox == []

    @pytest.mark.anywhere
    def test_it_costs_one_query_more_than_the_form(self, member_client: Client) -> None:
        costs = []
        for do in (member_client.get, member_client.get, lambda _: ask(member_client)):
            with CaptureQueriesContext(connection) as queries:
                do(INVITE)
            costs.append([query["sql"] for query in queries])
        # For what an open invitation to the address keeps.
        assert len(costs[2]) == len(costs[1]) + 1

    @pytest.mark.anywhere
    def test_what_was_shown_can_be_sent(self, member_client: Client, commit: Commit) -> None:
        shown = ask(member_client).context["preview"]
        with commit():
            response = member_client.post(INVITE, TYPED)
        assert response["Location"] == INVITATIONS
        assert mail.outbox[0].subject == shown.subject

    @pytest.mark.anywhere
    def test_back_shows_the_form_with_what_was_typed(self, member_client: Client) -> None:
        before = scenes.dump()
        response = member_client.post(INVITE, TYPED | {"back": "1"})
        assert response.status_code == 200
        assert form_buttons(response) == ["", "preview", "no_mail"]
        form = response.context["form"]
        assert {name: form[name].value() for name in TYPED} == TYPED
        assert not form.errors
        assert Reader(response.content.decode()).all("details") == [
            {"class": "invitation-more", "open": None}
        ]
        assert scenes.dump() == before

    def test_back_keeps_an_address_that_is_wrong(self, member_client: Client) -> None:
        response = member_client.post(INVITE, TYPED | {"email": "wrong", "back": "1"})
        assert list(response.context["form"].errors) == ["email"]
        assert 'value="wrong"' in response.content.decode()

    def test_groups_that_were_chosen_are_kept(self, settings: Any, member_client: Client) -> None:
        settings.INVITATION_GRANTABLE_GROUPS = "tests.flows.inviting.test_groups.all_groups"
        group = Group.objects.create(name="Choir")
        response = ask(member_client, groups=str(group.pk))
        [kept] = [
            a for a in Reader(response.content.decode()).all("input") if a["name"] == "groups"
        ]
        assert (kept["type"], kept["value"]) == ("hidden", str(group.pk))

    def test_it_tells_the_title_and_one_heading(self, member_client: Client) -> None:
        read = Reader(ask(member_client).content.decode())
        assert len(read.all("h1")) == 1
        assert "Preview email" in read.text
        assert "We'll email them" not in read.text

    @pytest.mark.parametrize("field", ["email", "note", "days", "destination"])
    def test_what_is_wrong_is_said_instead(
        self, settings: Any, member_client: Client, field: str
    ) -> None:
        settings.INVITATION_EXPIRY_CHOICES = [1]
        settings.INVITATION_DESTINATIONS = [("/welcome/", "Welcome page")]
        response = ask(member_client, **{field: "www.evil.example"})
        assert list(response.context["form"].errors) == [field]
        assert not response.context["preview"]
        assert form_buttons(response) == ["", "preview", "no_mail"]

    @pytest.mark.anywhere
    def test_ones_own_address_is_a_form_error(self, member_client: Client) -> None:
        response = ask(member_client, email="member@example.com")
        [error] = response.context["form"].errors.as_data()["email"]
        assert error.code == "own_address"

    def test_a_mail_that_cannot_be_shown_is_a_kind_word_beside_the_form(
        self, settings: Any, member_client: Client
    ) -> None:
        settings.INVITATION_DELIVERY = "tests.flows.inviting.test_previewing.OtherDelivery"
        response = ask(member_client)
        assert response.status_code == 200
        assert response.context["form"].non_field_errors()
        assert InvitationKey.objects.count() == 0

    def test_without_an_invitation_left_it_is_shown_all_the_same(
        self, settings: Any, member_client: Client
    ) -> None:
        settings.INVITATIONS_PER_USER = 0
        assert "Preview email" in ask(member_client).content.decode()

    def test_a_form_without_a_csrf_token_is_refused(self, member: Any) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(member)
        assert ask(client).status_code == 403

    @pytest.mark.parametrize("address", [INVITE, PREVIEW])
    def test_visitors_and_who_may_not_invite_see_nothing(
        self, settings: Any, member_client: Client, address: str
    ) -> None:
        response = Client().post(INVITE, ASKED) if address == INVITE else Client().get(PREVIEW)
        assert response["Location"].startswith(f"/accounts/login/?next={address}")
        ask(member_client)
        settings.INVITATION_PERMISSION = "invitation.add_invitationkey"
        again = ask(member_client) if address == INVITE else member_client.get(PREVIEW)
        assert again.status_code == 403


class TestFrame:
    """The page in the frame, which shows the HTML of the email."""

    @pytest.mark.anywhere
    def test_it_shows_the_mail(self, member_client: Client) -> None:
        response = ask(member_client)
        [frame] = Reader(response.content.decode()).all("iframe")
        assert frame["src"] == response.context["preview_url"] == PREVIEW
        assert frame["sandbox"] == "allow-same-origin"
        assert frame["title"]
        shown = member_client.get(PREVIEW)
        html = shown.content.decode().replace('<base target="_blank">', "")
        assert html == response.context["preview"].html
        assert "Bring &lt;gloves&gt;!" in html

    def test_its_links_lead_nowhere(self, member_client: Client) -> None:
        ask(member_client)
        page = member_client.get(PREVIEW).content.decode()
        # A new window, which a sandbox without "allow-popups" does not open.
        assert page.index("<head>") + len("<head>") == page.index('<base target="_blank">')
        assert "allow-popups" not in member_client.get(PREVIEW)["Content-Security-Policy"]

    def test_it_is_shut_in(self, member_client: Client) -> None:
        ask(member_client)
        response = member_client.get(PREVIEW)
        assert response["X-Frame-Options"] == "SAMEORIGIN"
        policy = dict(
            part.strip().partition(" ")[::2]
            for part in response["Content-Security-Policy"].split(";")
        )
        assert policy["sandbox"] == "allow-same-origin"  # and no scripts, without which it is none
        assert policy["default-src"] == policy["form-action"] == "'none'"
        assert policy["frame-ancestors"] == "'self'"
        assert "script-src" not in policy
        assert "no-store" in response["Cache-Control"]

    def test_the_page_around_it_cannot_be_framed(self, member_client: Client) -> None:
        assert ask(member_client)["X-Frame-Options"] == "DENY"

    @pytest.mark.anywhere
    def test_what_was_typed_travels_in_a_cookie_for_the_frame_alone(
        self, settings: Any, member_client: Client
    ) -> None:
        settings.SESSION_COOKIE_SECURE = True
        cookie = ask(member_client).cookies["invitation_preview"]
        assert cookie["path"] == PREVIEW
        assert cookie["httponly"] is True
        assert cookie["secure"] is True
        assert cookie["samesite"] == "Lax"
        assert cookie["max-age"] == 600

    @pytest.mark.anywhere
    def test_it_says_what_was_chosen(self, settings: Any, member_client: Client) -> None:
        settings.INVITATION_EXPIRY_CHOICES = [1, None]
        settings.INVITATION_DESTINATIONS = [("/welcome/", "Welcome page")]
        response = ask(member_client, days="never", destination="/welcome/")
        html = member_client.get(PREVIEW).content.decode()
        assert html.replace('<base target="_blank">', "") == response.context["preview"].html
        ask(member_client, days="1")
        assert member_client.get(PREVIEW).content.decode() != html

    @pytest.mark.anywhere
    @pytest.mark.parametrize("cookie", ["", "x", "x:y:z", "é", "\x00", "." + "A" * 3000])
    def test_without_a_mail_to_show_it_says_so(self, member_client: Client, cookie: str) -> None:
        member_client.cookies["invitation_preview"] = cookie
        response = member_client.get(PREVIEW)
        assert response.status_code == 404
        assert response["Content-Type"].startswith("text/plain")
        assert "There is no preview" in response.content.decode()

    def test_it_shows_nobody_what_another_member_has_typed(self, member_client: Client) -> None:
        ask(member_client)
        member_client.force_login(scenes.make_user("other"))
        assert member_client.get(PREVIEW).status_code == 404

    def test_a_mail_that_may_no_longer_be_sent_is_not_shown(
        self, settings: Any, member_client: Client
    ) -> None:
        ask(member_client)
        settings.INVITATION_BLOCKED_RECIPIENTS = ["example.com"]
        response = member_client.get(PREVIEW)
        assert response.status_code == 404
        assert "ask the people who run this site" in response.content.decode()

    @pytest.mark.parametrize("note", ["見" * 500, "🎉 " * 250, "n" * 500])
    def test_a_long_note_has_room_in_the_cookie(self, member_client: Client, note: str) -> None:
        assert ask(member_client, note=note).context["preview_url"] == PREVIEW
        assert member_client.get(PREVIEW).status_code == 200

    def test_where_there_is_no_room_the_text_alone_is_shown(
        self, member_client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(visitor, "PREVIEW_LENGTH_MAX", 20)
        response = ask(member_client)
        assert "invitation_preview" not in response.cookies
        read = Reader(response.content.decode())
        assert read.all("iframe") == read.all("details") == []
        assert len(read.all("pre")) == 1

    def test_a_mail_without_html_is_shown_as_text(
        self, settings: Any, member_client: Client
    ) -> None:
        settings.INVITATION_DELIVERY = "tests.flows.inviting.test_previewing.PlainDelivery"
        response = ask(member_client)
        assert "Dear Zoë" in response.content.decode()
        assert Reader(response.content.decode()).all("iframe") == []

    @pytest.mark.parametrize("method", ["post", "put", "delete"])
    def test_it_is_only_to_be_looked_at(self, member_client: Client, method: str) -> None:
        assert getattr(member_client, method)(PREVIEW).status_code == 405

    def test_what_was_typed_long_ago_is_not_shown(self, member_client: Client) -> None:
        with time_machine.travel("2026-03-29 12:00", tick=False) as clock:
            noted = dict(member_client.cookies) | ask(member_client).cookies
            cookies = {name: cookie.value for name, cookie in noted.items()}
            clock.shift(600)
            assert visitor.recall_preview(cookies)
            clock.shift(1)
            assert visitor.recall_preview(cookies) == {}

    def test_what_was_signed_for_something_else_is_not_shown(self, member: Any) -> None:
        noted = signing.dumps({"member": str(member.pk)}, salt="another purpose")
        assert visitor.recall_preview({visitor.PREVIEW_COOKIE_NAME: noted}) == {}


class TestWithoutMail:
    def post(self, client: Client, **typed: str) -> Any:
        return client.post(INVITE, {"email": NEWCOMER, "no_mail": "1", **typed})

    @pytest.mark.anywhere
    def test_it_leads_to_the_link(self, member_client: Client, commit: Commit) -> None:
        with commit():
            response = self.post(member_client)
        invitation = InvitationKey.objects.get()
        link_page = reverse("invitation_link", args=[invitation.pk])
        assert (response.status_code, response["Location"]) == (302, link_page)
        assert mail.outbox == []
        assert InvitationEmail.objects.count() == 0
        page = member_client.get(link_page)
        assert invitation.key in page.context["invitation_url"]
        assert "We have not sent an email" in page.content.decode()

    def test_its_holder_is_not_proven(self, member_client: Client) -> None:
        self.post(member_client)
        invitation = InvitationKey.objects.get()
        opened = arriving.open_invitation(invitation.key)
        assert not opened.proves(NEWCOMER)

    def test_an_open_one_is_renewed_and_not_mailed(
        self, member: Any, member_client: Client, commit: Commit
    ) -> None:
        earlier = scenes.invite(member)
        with commit():
            response = self.post(member_client, recipient_name="Zoë")
        assert response["Location"] == reverse("invitation_link", args=[earlier.pk])
        assert InvitationKey.objects.get().recipient_name == "Zoë"
        assert mail.outbox == []

    def test_its_own_page_says_that_it_was_not_mailed(self, member_client: Client) -> None:
        self.post(member_client)
        detail = reverse("invitation_detail", args=[InvitationKey.objects.get().pk])
        page = member_client.get(detail).content.decode()
        assert "No email sent." in page
        assert "Send email" in page

    def test_who_wants_both_sees_the_mail_and_makes_nothing(self, member_client: Client) -> None:
        assert self.post(member_client, preview="1").status_code == 200
        assert InvitationKey.objects.count() == 0


class OldForm(InvitationKeyForm):
    """Stand for a site's form that offers no other button."""

    buttons = ()


class TestSitesOfTheirOwn:
    @pytest.fixture
    def plain(self, member: Any, rf: Any) -> Callable[..., Any]:
        """Call it for the page of a site whose form knows of no buttons."""

        def post(form_class: type = OldForm, **typed: str) -> Any:
            request = rf.post(INVITE, {"email": NEWCOMER, **typed})
            request.user = member
            response = views.InviteView.as_view(form_class=form_class)(request)
            return response.render() if hasattr(response, "render") else response

        return post

    def test_a_form_without_buttons_shows_none(self, plain: Any) -> None:
        page = plain(email="").content.decode()
        assert 'name="preview"' not in page
        assert 'name="no_mail"' not in page

    def test_a_field_called_back_is_its_own(self, plain: Any) -> None:
        assert plain(back="1")["Location"] == INVITATIONS

    def test_who_asks_it_for_a_preview_sends_nothing(self, plain: Any) -> None:
        response = plain(preview="1")
        assert response.status_code == 200
        assert not response.context_data["preview"]
        assert InvitationKey.objects.count() == 0

    def test_who_asks_it_for_no_mail_sends_one(self, plain: Any) -> None:
        assert plain(no_mail="1")["Location"] == INVITATIONS
        assert InvitationEmail.objects.count() == 1

    @pytest.mark.urls(__name__)
    def test_where_the_other_pages_are_missing_nothing_leads_there(
        self, member_client: Client
    ) -> None:
        assert form_buttons(member_client.get(INVITE)) == ["", "preview"]
        shown = ask(member_client)
        assert "> Bring <gloves>!" in shown.context["preview"].text
        assert shown.context.get("preview_url", "") == ""
        response = member_client.post(INVITE, {"email": NEWCOMER, "no_mail": "1"})
        assert response["Location"] == COMPLETE
        assert InvitationEmail.objects.count() == 0


def test_the_cookie_holds_what_was_typed_and_no_key(member: Any, member_client: Client) -> None:
    noted = ask(member_client).cookies["invitation_preview"].value
    held = signing.loads(noted, salt="invitation_preview")
    texts = {"email": "New@example.com", "recipient_name": "Zoë", "note": NOTE}
    assert held == texts | {"member": str(member.pk), "language": "en"}
    assert json.dumps(held)
