"""The pages of inviting and of opening an invitation."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import nullcontext
from datetime import datetime, timedelta
from datetime import timezone as zones
from typing import Any

import pytest
import time_machine
from django import forms
from django.contrib.auth.models import Permission
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client
from django.urls import include, path
from django.utils import timezone

from invitation import keys, routes, signals
from invitation.flows import arriving
from invitation.forms import InvitationKeyForm
from invitation.models import InvitationEmail, InvitationKey, InvitationQuota
from invitation.views import InviteView
from tests import scenes
from tests.scenes import COMPLETE, DECLINE, INVITATIONS, INVITE, LANDING, NEWCOMER, REGISTER

pytestmark = pytest.mark.django_db
Commit = Callable[..., Any]

#: A site with our own pages and no registration, login or logout.
urlpatterns = [path("accounts/", include(routes.urlpatterns))]

GARBAGE = {
    "short": "x",
    "long enough": "x" * keys.KEY_LENGTH,
    "the right shape": f"{'x' * 22}.{'x' * 43}",
    "overlong": "x" * 3000,
    "accents": "é" * 66,
    "other digits": "٣" * 66,
    "right to left": "\u202e" + "x" * 20,
    "NUL": "x%00y",
    "newline": "x%0Ay",
    "not UTF-8": "%ff%fe",
    "slashes": "a/b/c",
    "dots": "..%2f..%2fetc",
    "markup": "%3Cscript%3Ealert(1)%3C%2Fscript%3E",
    "SQL": "' OR 1=1 --",
    "format": "%25s%25d{0}",
    "emoji": "🎉",
}


@pytest.fixture
def invitation(member: Any) -> InvitationKey:
    return scenes.invite(member, recipient_name="Newcomer", note="Come and see.\nIt is fine.")


@pytest.fixture
def visitor(invitation: InvitationKey) -> Client:
    return scenes.visit(invitation)


def errors(response: Any) -> dict[str, list[str]]:
    """Return the codes of a form's errors by field."""
    data = response.context["form"].errors.as_data()
    return {name: [error.code for error in found] for name, found in data.items()}


def without_csrf(response: HttpResponse) -> bytes:
    return re.sub(rb'name="csrfmiddlewaretoken" value="\w+"', b"", response.content)


class TestInviting:
    @pytest.mark.anywhere
    @pytest.mark.parametrize("address", [INVITE, COMPLETE])
    @pytest.mark.parametrize("method", ["get", "post", "head"])
    def test_visitors_are_asked_to_log_in(self, address: str, method: str) -> None:
        data = {"email": NEWCOMER} if method == "post" else {}
        response = getattr(Client(), method)(address, data)
        assert response.status_code == 302
        asked = "%3Funsent%3D1" if method == "post" else ""
        assert response["Location"] == f"/accounts/login/?next={address}{asked}"
        assert InvitationKey.objects.count() == 0

    @pytest.mark.anywhere
    def test_the_form_says_how_many_invitations_remain(self, member_client: Client) -> None:
        context = member_client.get(INVITE).context
        assert context["remaining_invitations"] == 10
        assert list(context["form"].fields) == ["email", "recipient_name", "note"]
        assert context["site"].domain == "example.com"

    def test_without_a_limit_no_number_is_shown(self, settings: Any, member_client: Client) -> None:
        settings.INVITATIONS_PER_USER = None
        response = member_client.get(INVITE)
        assert response.context["remaining_invitations"] is None
        assert "left" not in response.content.decode()

    @pytest.mark.anywhere
    def test_an_invitation_is_made_and_mailed(
        self, member: Any, member_client: Client, commit: Commit
    ) -> None:
        typed = {"email": "New@Example.COM", "recipient_name": "Newcomer", "note": "Come."}
        with commit():
            response = member_client.post(INVITE, typed)
        assert (response.status_code, response["Location"]) == (302, INVITATIONS)
        invitation = InvitationKey.objects.get()
        assert (invitation.from_user, invitation.email) == (member, "New@example.com")
        assert (invitation.recipient_name, invitation.note) == ("Newcomer", "Come.")
        assert [sent.to for sent in mail.outbox] == [["New@example.com"]]
        assert member_client.get(COMPLETE).context["remaining_invitations"] == 9

    def test_name_and_note_may_be_left_out(self, member_client: Client) -> None:
        assert member_client.post(INVITE, {"email": NEWCOMER}).status_code == 302
        assert InvitationKey.objects.get().note == ""

    @pytest.mark.parametrize(
        "email",
        [
            "",
            " ",
            "new",
            "new@",
            "@example.com",
            "new@localhost",
            "new@example",
            "new@example.com\0",
            "new@example.com\nBcc: other@example.com",
            "new@example.com, other@example.com",
            "new@example.com;other@example.com",
            "New <new@example.com>",
            '"new"@example.com',
            "new@[127.0.0.1]",
            "nеw@example.com",
            "new@exаmple.com",
            "new\u200b@example.com",
            "new@example.com" + "m" * 400,
            "n" * 65 + "@example.com",
            "n" * 100_000,
            "javascript:alert(1)",
            "٣@example.com",
        ],
    )
    @pytest.mark.anywhere
    def test_a_bad_address_is_a_form_error(self, member_client: Client, email: str) -> None:
        before = scenes.dump()
        response = member_client.post(INVITE, {"email": email})
        assert response.status_code == 200
        assert list(errors(response)) == ["email"]
        assert scenes.dump() == before

    @pytest.mark.anywhere
    @pytest.mark.parametrize("email", ["member@example.com", "MEMBER@Example.com"])
    def test_ones_own_address_is_a_form_error(self, member_client: Client, email: str) -> None:
        response = member_client.post(INVITE, {"email": email})
        assert errors(response) == {"email": ["own_address"]}
        assert InvitationKey.objects.count() == InvitationQuota.objects.count() == 0

    @pytest.mark.parametrize(
        ("field", "text"),
        [
            ("note", "See https://evil.example"),
            ("note", "See www.evil.example"),
            ("note", "n" * 501),
            ("note", "a\0b"),
            ("recipient_name", "n" * 61),
            ("recipient_name", "a\0b"),
        ],
    )
    def test_a_bad_name_or_note_is_a_form_error(
        self, member_client: Client, field: str, text: str
    ) -> None:
        response = member_client.post(INVITE, {"email": NEWCOMER, field: text})
        assert list(errors(response)) == [field]
        assert InvitationKey.objects.count() == InvitationQuota.objects.count() == 0

    def test_what_is_typed_is_shown_again_and_escaped(self, member_client: Client) -> None:
        typed = {"email": '"><script>', "recipient_name": "<b>N</b>", "note": "</textarea><i>"}
        page = member_client.post(INVITE, typed).content.decode()
        for text in ("<script>", "<b>", "</textarea><i>"):
            assert text not in page

    def test_of_several_addresses_one_is_invited(
        self, member_client: Client, commit: Commit
    ) -> None:
        with commit():
            member_client.post(INVITE, {"email": ["one@example.com", "two@example.com"]})
        assert [sent.to for sent in mail.outbox] == [["two@example.com"]]
        assert InvitationQuota.objects.get().spent == 1

    def test_a_file_in_place_of_the_address_is_a_form_error(self, member_client: Client) -> None:
        response = member_client.post(INVITE, {"email": SimpleUploadedFile("a.txt", b"a")})
        assert errors(response) == {"email": ["required"]}

    def test_json_in_place_of_a_form_is_a_form_error(self, member_client: Client) -> None:
        response = member_client.post(INVITE, {"email": NEWCOMER}, content_type="application/json")
        assert errors(response) == {"email": ["required"]}

    def test_nothing_but_the_fields_of_the_form_is_taken(
        self, member: Any, member_client: Client
    ) -> None:
        boss = scenes.make_user("boss")
        member_client.post(
            INVITE,
            {
                "email": NEWCOMER,
                "max_uses": "9",
                "from_user": boss.pk,
                "inviter": boss.pk,
                "status": "accepted",
                "quota_held": "0",
                "site_id": "7",
                "expires_at": "2999-01-01",
            },
        )
        invitation = InvitationKey.objects.get()
        assert invitation.from_user == member
        assert (invitation.max_uses, invitation.status, invitation.quota_held) == (1, "pending", 1)
        assert invitation.site_id == 1
        assert invitation.expires_at is not None
        assert invitation.expires_at.year < 2999

    @pytest.mark.anywhere
    def test_without_an_invitation_left_it_is_a_form_error(
        self, settings: Any, member_client: Client, commit: Commit
    ) -> None:
        settings.INVITATIONS_PER_USER = 1
        with commit():
            member_client.post(INVITE, {"email": NEWCOMER})
            response = member_client.post(INVITE, {"email": "other@example.com"})
        assert response.status_code == 200
        assert errors(response) == {"__all__": ["no_invitations_left"]}
        assert response.context["remaining_invitations"] == 0
        assert InvitationKey.objects.count() == len(mail.outbox) == 1

    def test_without_an_invitation_left_the_page_says_so(
        self, settings: Any, member_client: Client
    ) -> None:
        settings.INVITATIONS_PER_USER = 0
        assert "You have no invitations left" in member_client.get(INVITE).content.decode()

    @pytest.mark.anywhere
    def test_a_second_submit_of_the_same_form_invites_once(
        self, member_client: Client, commit: Commit
    ) -> None:
        for _ in range(2):
            with commit():
                response = member_client.post(INVITE, {"email": NEWCOMER})
            assert response["Location"] == INVITATIONS
        assert InvitationKey.objects.count() == len(mail.outbox) == 1
        assert InvitationQuota.objects.get().spent == 1

    def test_a_form_without_a_csrf_token_is_refused(self, member: Any) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(member)
        client.get(INVITE)
        assert client.post(INVITE, {"email": NEWCOMER}).status_code == 403
        token = client.cookies["csrftoken"].value
        typed = {"email": NEWCOMER, "csrfmiddlewaretoken": token}
        assert client.post(INVITE, typed).status_code == 302

    @pytest.mark.anywhere
    def test_a_site_may_ask_for_a_permission(
        self, settings: Any, member: Any, member_client: Client
    ) -> None:
        settings.INVITATION_PERMISSION = "invitation.add_invitationkey"
        for response in (
            member_client.get(INVITE),
            member_client.post(INVITE, {"email": NEWCOMER}),
            member_client.get(COMPLETE),
        ):
            assert response.status_code == 403
            assert response.templates[0].name == "invitation/inviting_forbidden.html"
            assert response.content.decode().count("You cannot invite people") == 2  # and its title
        assert InvitationKey.objects.count() == 0

    def test_who_has_the_permission_may_invite(
        self, settings: Any, member: Any, member_client: Client
    ) -> None:
        settings.INVITATION_PERMISSION = "invitation.add_invitationkey"
        member.user_permissions.add(Permission.objects.get(codename="add_invitationkey"))
        assert member_client.post(INVITE, {"email": NEWCOMER}).status_code == 302


class TestSameAnswer:
    """An address with an account is answered exactly as one without."""

    def answer(self, inviter: Any, commit: Commit) -> list[bytes]:
        client = Client()
        client.force_login(inviter)
        with commit():
            response = client.post(INVITE, {"email": NEWCOMER})
        headers = repr(sorted(response.headers.items())).encode()
        pages = [without_csrf(client.get(address)) for address in (COMPLETE, INVITATIONS)]
        page = b"".join(pages).replace(inviter.get_username().encode(), b"the inviter")
        page = re.sub(rb"/invitations/\d+/", b"/invitations/1/", page)
        page = re.sub(rb"at \d+:\d+ [ap]\.m\.", b"later", page)  # the next try, by chance
        return [bytes(response.status_code), headers, response.content, page]

    @pytest.mark.anywhere
    @pytest.mark.parametrize("mail_server", ["up", "down"])
    @time_machine.travel("2031-05-06 07:08:09", tick=False)
    def test_for_an_address_with_an_account(
        self, mail_server: str, commit: Commit, settings: Any
    ) -> None:
        settings.LANGUAGE_CODE = "en"
        first, second, third = (scenes.make_user(name) for name in ("ann", "ben", "cat"))
        with scenes.broken_mail() if mail_server == "down" else nullcontext():
            fresh = self.answer(first, commit)
            pending_elsewhere = self.answer(second, commit)
            scenes.make_user("owner", email=NEWCOMER)
            taken = self.answer(third, commit)
        assert fresh == pending_elsewhere == taken

    def test_the_mail_leaves_in_each_case(self, commit: Commit) -> None:
        scenes.make_user("owner", email=NEWCOMER)
        self.answer(scenes.make_user("ann"), commit)
        assert [sent.to for sent in mail.outbox] == [[NEWCOMER]]


class TestMoreOptions:
    """Fields that need no answer are under "More options", which opens by itself."""

    @pytest.fixture(autouse=True)
    def _choices(self, settings: Any) -> None:
        settings.INVITATION_EXPIRY_CHOICES = [1, 30]
        settings.INVITATION_DESTINATIONS = [("/welcome/", "Welcome page")]

    def shown(self, response: Any) -> tuple[str, str, bool]:
        """Return the part of the form that is seen, the part that may not be, and if it is."""
        page = response.content.decode().partition('id="invitation-form"')[2]
        seen, _, rest = page.partition("<details")
        tag, _, more = rest.partition(">")
        return seen, more.partition("</details>")[0], " open" in tag

    def test_the_address_alone_is_asked_for(self, member_client: Client) -> None:
        seen, more, is_open = self.shown(member_client.get(INVITE))
        assert re.findall(r'name="(\w+)"', seen) == ["csrfmiddlewaretoken", "email"]
        names = ["recipient_name", "note", "days", "destination"]
        assert re.findall(r'name="(\w+)"', more) == names
        assert not is_open

    @pytest.mark.parametrize(
        ("typed", "is_open"),
        [
            ({}, False),
            ({"days": "7"}, False),
            ({"days": "1"}, True),
            ({"days": "99"}, True),
            ({"destination": "/welcome/"}, True),
            ({"recipient_name": "Ann"}, True),
            ({"note": "See www.evil.example"}, True),
        ],
    )
    def test_it_is_open_with_a_value_or_an_error(
        self, member_client: Client, typed: dict[str, str], is_open: bool
    ) -> None:
        assert self.shown(member_client.post(INVITE, typed))[2] is is_open

    @pytest.mark.parametrize(("initial", "is_open"), [({}, False), ({"note": "Come!"}, True)])
    def test_it_is_open_with_what_the_site_has_filled_in(
        self, member: Any, initial: dict[str, str], is_open: bool
    ) -> None:
        form = InvitationKeyForm(inviter=member, initial={"email": NEWCOMER} | initial)
        assert form.more_open() is is_open

    def test_a_field_of_the_site_that_must_be_answered_is_seen(self, member: Any) -> None:
        class SitesForm(InvitationKeyForm):
            phone = forms.CharField()
            source = forms.CharField(initial=lambda: "web")
            colour = forms.CharField(required=False)

        class ShorterForm(SitesForm):
            first_fields = ("email", "note")

        def names(fields: list[Any]) -> list[str]:
            return [field.name for field in fields]

        form = SitesForm(inviter=member)
        assert names(form.main_fields()) == ["email", "phone"]
        assert {"source", "colour"} < set(names(form.more_fields()))
        assert not form.more_open()
        assert names(ShorterForm(inviter=member).main_fields()) == ["email", "note", "phone"]


class TestTheListAfterTheForm:
    """The list says what happened to the invitation that was just sent, once."""

    @pytest.mark.anywhere
    def test_it_says_that_the_email_was_sent(self, member_client: Client, commit: Commit) -> None:
        with commit():
            member_client.post(INVITE, {"email": NEWCOMER})
        response = member_client.get(INVITATIONS)
        above, _, _ = response.content.decode().partition('class="invitation-sheet"')
        assert f"Invitation sent to <strong><bdi>{NEWCOMER}" in above
        assert response.context["sent_invitation"] == InvitationKey.objects.get()
        assert response.context["mailed"] is True
        again = member_client.get(INVITATIONS)
        assert again.context["sent_invitation"] is None
        assert "Invitation sent" not in again.content.decode()

    @pytest.mark.parametrize(
        ("changes", "mailed", "words"),
        [
            ({"state": "sent"}, True, "Invitation sent to"),
            ({"state": "suppressed"}, True, "Invitation sent to"),
            ({"state": "sent"}, False, "We sent no second email."),
            ({"state": "sending"}, True, "in a moment"),
            ({"state": "queued", "attempts": 1}, True, "is delayed"),
            ({"state": "failed", "failure": "bounced"}, True, "nobody reads"),
            ({"state": "cancelled"}, True, "have stopped the email"),
        ],
    )
    def test_each_state_of_the_email_has_its_own_words(
        self, member_client: Client, changes: dict[str, Any], mailed: bool, words: str
    ) -> None:
        for _ in range(1 if mailed else 2):
            member_client.post(INVITE, {"email": NEWCOMER})
        later = timezone.now() + timedelta(hours=1)
        InvitationEmail.objects.update(not_before=later, **changes)
        response = member_client.get(INVITATIONS)
        assert response.context["mailed"] is mailed
        assert words in response.content.decode()

    def test_one_that_is_on_another_page_is_told_of(
        self, settings: Any, member: Any, member_client: Client
    ) -> None:
        settings.INVITATIONS_PER_USER = None
        oldest = scenes.invite(member)
        for number in range(25):
            scenes.invite(member, f"n{number}@example.com")
        member_client.post(INVITE, {"email": NEWCOMER})
        response = member_client.get(INVITATIONS)
        assert oldest not in response.context["invitations"]
        assert response.context["sent_invitation"] == oldest

    @pytest.mark.parametrize("cookie", ["x", "1.1", "1.1:x:y", "é", "x" * 4000])
    def test_a_forged_cookie_tells_nothing(
        self, invitation: InvitationKey, member_client: Client, cookie: str
    ) -> None:
        member_client.cookies["invitation_outcome"] = cookie
        assert member_client.get(INVITATIONS).context["sent_invitation"] is None

    def test_the_cookie_of_somebody_else_tells_nothing(self, member_client: Client) -> None:
        member_client.post(INVITE, {"email": NEWCOMER})
        member_client.force_login(scenes.make_user("other"))
        assert member_client.get(INVITATIONS).context["sent_invitation"] is None


class TestWhatBecameOfIt:
    @pytest.mark.anywhere
    def test_before_the_first_invitation(self, member_client: Client) -> None:
        response = member_client.get(COMPLETE)
        assert response.status_code == 200
        assert response.context["invitation"] is None
        assert response.context["mail_state"] == ""

    def test_the_mail_is_on_its_way(self, member_client: Client, commit: Commit) -> None:
        with commit():
            member_client.post(INVITE, {"email": NEWCOMER})
        response = member_client.get(COMPLETE)
        assert response.context["mail_state"] == "sent"
        assert not response.context["mail_delayed"]
        assert NEWCOMER in response.content.decode()

    @pytest.mark.anywhere
    @pytest.mark.django_db(transaction=True)
    def test_a_mail_server_that_is_down_is_no_error_page(self, member_client: Client) -> None:
        with scenes.broken_mail():
            shown = member_client.post(INVITE, {"email": NEWCOMER}, follow=True)
        assert shown.redirect_chain == [(INVITATIONS, 302)]
        assert "is delayed" in shown.content.decode()
        response = member_client.get(COMPLETE)
        assert response.context["mail_state"] == "queued"
        assert response.context["mail_delayed"]
        assert InvitationEmail.objects.get().last_error

    @pytest.mark.parametrize(
        ("state", "delayed", "words"),
        [
            ("queued", True, "is delayed"),
            ("sending", False, "in a moment"),
            ("sent", False, "on its way"),
            ("failed", True, "could not send"),
            ("suppressed", False, "on its way"),
            ("cancelled", False, "have stopped the email"),
        ],
    )
    def test_each_state_of_the_mail_has_its_own_words(
        self,
        invitation: InvitationKey,
        member_client: Client,
        state: str,
        delayed: bool,
        words: str,
    ) -> None:
        InvitationEmail.objects.update(state=state)
        response = member_client.get(COMPLETE)
        assert words in response.content.decode()
        assert response.context["mail_delayed"] is delayed

    def test_the_newest_mail_is_told_of(self, member: Any, member_client: Client) -> None:
        scenes.invite(member, "first@example.com")
        newest = scenes.invite(member, "second@example.com")
        assert member_client.get(COMPLETE).context["invitation"] == newest

    def test_the_invitation_that_was_renewed_is_told_of(
        self, member_client: Client, commit: Commit
    ) -> None:
        for email in (NEWCOMER, "second@example.com", NEWCOMER):
            with commit():
                member_client.post(INVITE, {"email": email})
        response = member_client.get(COMPLETE)
        assert response.context["invitation"].email == NEWCOMER

    def test_it_says_that_no_second_mail_was_sent(
        self, member_client: Client, commit: Commit
    ) -> None:
        said = []
        for _ in range(2):
            with commit():
                member_client.post(INVITE, {"email": NEWCOMER})
            response = member_client.get(COMPLETE)
            said.append(response.context["mailed"])
        assert said == [True, False]
        assert len(mail.outbox) == 1
        assert "We sent no second email." in response.content.decode()

    @pytest.mark.parametrize("state", ["queued", "failed", "sending"])
    def test_a_mail_that_has_not_gone_is_told_of_first(
        self, member_client: Client, commit: Commit, state: str
    ) -> None:
        for _ in range(2):
            with commit():
                member_client.post(INVITE, {"email": NEWCOMER})
            InvitationEmail.objects.update(state=state)
        assert "no second email" not in member_client.get(COMPLETE).content.decode()

    @pytest.mark.parametrize("cookie", ["x", "1.1", "1.1:x:y", '"', "é", "x" * 4000])
    def test_a_forged_cookie_tells_nothing(
        self, invitation: InvitationKey, member_client: Client, cookie: str
    ) -> None:
        member_client.cookies["invitation_outcome"] = cookie
        assert member_client.get(COMPLETE).context["invitation"] == invitation

    def test_the_cookie_of_somebody_else_tells_nothing(self, member_client: Client) -> None:
        member_client.post(INVITE, {"email": NEWCOMER})
        member_client.force_login(scenes.make_user("other"))
        assert member_client.get(COMPLETE).context["invitation"] is None

    def test_an_invitation_that_is_gone_is_not_told_of(
        self, invitation: InvitationKey, member_client: Client
    ) -> None:
        member_client.post(INVITE, {"email": "second@example.com"})
        InvitationKey.objects.filter(email="second@example.com").delete()
        response = member_client.get(COMPLETE)
        assert (response.context["invitation"], response.context["mailed"]) == (invitation, True)

    def test_a_form_of_the_site_may_return_what_it_likes(
        self, member: Any, rf: Any, settings: Any
    ) -> None:
        class SitesForm(InvitationKeyForm):
            def save(self) -> None:  # type: ignore[override]
                super().save()

        request = rf.post(INVITE, {"email": NEWCOMER})
        request.user = member
        response = InviteView.as_view(form_class=SitesForm)(request)
        assert (response.status_code, response["Location"]) == (302, INVITATIONS)
        assert "invitation_outcome" not in response.cookies

    def test_the_invitation_of_somebody_else_is_not_shown(self, invitation: InvitationKey) -> None:
        client = Client()
        client.force_login(scenes.make_user("other"))
        response = client.get(COMPLETE)
        assert response.context["invitation"] is None
        assert NEWCOMER not in response.content.decode()


class TestFollowingTheLink:
    @pytest.mark.anywhere
    @pytest.mark.parametrize("channel", keys.CHANNELS)
    @pytest.mark.parametrize("method", ["get", "head"])
    def test_the_key_leaves_the_address_for_a_cookie(
        self, invitation: InvitationKey, channel: str, method: str
    ) -> None:
        key = keys.make(invitation.locator, channel, invitation.site_id)
        response = getattr(Client(), method)(scenes.link(key))
        assert (response.status_code, response["Location"]) == (302, LANDING)
        assert response.cookies["invitation_key"].value == key
        assert response.content == b""

    def test_the_link_may_say_no(self, invitation: InvitationKey) -> None:
        response = Client().get(scenes.link(invitation.key) + "?answer=no")
        assert response["Location"] == DECLINE

    @pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "trace"])
    def test_nothing_can_be_posted_to_the_link(
        self, invitation: InvitationKey, method: str
    ) -> None:
        before = scenes.dump()
        response = getattr(Client(), method)(scenes.link(invitation.key))
        assert response.status_code == 405
        assert "invitation_key" not in response.cookies
        assert scenes.dump() == before

    @pytest.mark.anywhere
    @pytest.mark.parametrize("end", scenes.ENDS)
    def test_an_ended_invitation_is_told_of(self, invitation: InvitationKey, end: str) -> None:
        scenes.end(invitation, end)
        response = Client().get(scenes.link(invitation.mail_key))
        code, status = scenes.ENDS[end]
        assert (response.status_code, scenes.flags(response)) == (status, {code})
        assert response.context["reason"] == code
        assert str(response.context["message"])
        assert "invitation_key" not in response.cookies

    @pytest.mark.parametrize("end", [e for e in scenes.ENDS if e != "inactive"])
    def test_a_dead_link_leaves_the_carried_invitation_alone(
        self, member: Any, visitor: Client, end: str
    ) -> None:
        dead = scenes.invite(member, "other@example.com")
        key = dead.key
        scenes.end(dead, end)
        visitor.get(scenes.link(key))
        assert visitor.get(LANDING).status_code == 200

    def test_a_second_link_takes_the_place_of_the_first(self, member: Any, visitor: Client) -> None:
        second = scenes.invite(member, "other@example.com")
        visitor.get(scenes.link(second.key))
        assert visitor.get(LANDING).context["invitation"] == second

    @pytest.mark.anywhere
    @pytest.mark.parametrize("key", GARBAGE.values(), ids=GARBAGE)
    def test_what_is_no_key_gets_one_and_the_same_answer(self, key: str) -> None:
        plain = Client().get(scenes.link("nothing"))
        response = Client().get(scenes.link(key))
        assert (response.status_code, scenes.flags(response)) == (404, {"invalid_key"})
        assert response.content == plain.content

    @pytest.mark.parametrize("place", range(0, keys.KEY_LENGTH, 5))
    def test_a_key_with_one_letter_changed_is_none(
        self, invitation: InvitationKey, place: int
    ) -> None:
        key = invitation.key
        letter = "A" if key[place] != "A" else "B"
        response = Client().get(scenes.link(f"{key[:place]}{letter}{key[place + 1 :]}"))
        assert (response.status_code, scenes.flags(response)) == (404, {"invalid_key"})

    @pytest.mark.parametrize("add", ["x", ".x", "-", "_", "%00", "="])
    def test_a_key_with_something_after_it_is_none(
        self, invitation: InvitationKey, add: str
    ) -> None:
        assert Client().get(scenes.link(invitation.key + add)).status_code == 404

    def test_a_link_without_its_slash_opens(self, invitation: InvitationKey) -> None:
        link = scenes.link(invitation.key)
        assert Client().get(link.rstrip("/"))["Location"] == LANDING

    def test_each_refusal_has_its_own_words(self, member: Any) -> None:
        titles = [Client().get(LANDING).content.decode()]
        for end in scenes.ENDS:
            invitation = scenes.invite(member, f"{end}@example.com")
            key = invitation.mail_key
            scenes.end(invitation, end)
            titles.append(Client().get(scenes.link(key)).content.decode())
        words = [re.findall(r"<title>(.*?)</title>|<h1>(.*?)</h1>", page) for page in titles]
        assert len({str(found) for found in words}) == 7
        assert all("log in" in page.lower() for page in titles)


@pytest.mark.parametrize("name", ["auth_login", "no_such_name"])
def test_a_site_that_lacks_a_login_loses_the_link_and_nothing_else(
    settings: Any, invitation: InvitationKey, name: str
) -> None:
    settings.ROOT_URLCONF = __name__
    settings.LOGIN_URL = name
    landing = scenes.visit(invitation).get(LANDING)
    refused = Client().get(LANDING)
    assert (landing.status_code, refused.status_code) == (200, 200)
    assert landing.context["login_url"] == refused.context["login_url"] == ""


@pytest.mark.each_case
@pytest.mark.parametrize(
    ("target", "address"),
    [("/members/", "/members/"), ("invitation_invite", INVITE), ("no_such_name", "/"), (None, "/")],
)
def test_who_stays_logged_in_is_led_to_where_logins_lead(
    settings: Any, invitation: InvitationKey, member: Any, target: str | None, address: str
) -> None:
    settings.LOGIN_REDIRECT_URL = target
    client = scenes.visit(invitation)
    client.force_login(member)
    assert client.get(LANDING).context["leave_url"] == address


class TestLanding:
    @pytest.mark.anywhere
    def test_the_page_says_who_invites_whom_to_what_until_when(
        self, visitor: Client, invitation: InvitationKey, member: Any
    ) -> None:
        response = visitor.get(LANDING)
        assert response.status_code == 200
        context = response.context
        assert context["invitation"] == invitation
        assert context["invitation_key"] == invitation.mail_key
        assert context["recipient_name"] == "Newcomer"
        assert context["note"] == "Come and see.\nIt is fine."
        assert context["expires_at"] == invitation.expires_at
        assert context["site"].domain == "example.com"
        assert "Newcomer" in response.content.decode()
        assert "Come and see." in response.content.decode()

    @pytest.mark.anywhere
    def test_the_page_leads_on(self, visitor: Client) -> None:
        response = visitor.get(LANDING)
        page = response.content.decode()
        for address in (REGISTER, "/accounts/login/", DECLINE):
            assert f'href="{address}"' in page
        assert response.context["register_url"] == REGISTER
        assert response.context["login_url"].startswith("/accounts/login/")

    @pytest.mark.anywhere
    def test_the_inviters_address_is_not_shown(self, visitor: Client) -> None:
        assert "member@example.com" not in visitor.get(LANDING).content.decode()

    def test_what_the_inviter_wrote_is_escaped(self, member: Any) -> None:
        member.first_name = "<b>Ann</b>"
        member.save()
        visitor = scenes.visit(
            scenes.invite(member, recipient_name="<i>New</i>", note="<u>note</u>")
        )
        page = visitor.get(LANDING).content.decode()
        for text in ("<b>", "<i>", "<u>"):
            assert text not in page

    @pytest.mark.anywhere
    def test_without_an_inviter_and_without_an_end_the_page_stands(self, member: Any) -> None:
        invitation = scenes.invite(member)
        visitor = scenes.visit(invitation)
        InvitationKey.objects.update(from_user=None, expires_at=None)
        for address in (LANDING, DECLINE, REGISTER):
            response = visitor.get(address)
            assert response.status_code == 200
            assert response.context["inviter_name"] == ""

    @pytest.mark.anywhere
    @pytest.mark.parametrize("address", [LANDING, DECLINE])
    def test_without_a_key_the_page_says_that_one_is_needed(self, address: str) -> None:
        response = Client().get(address)
        # A preview of a link in a chat comes to the landing page without the cookie.
        status = 200 if address == LANDING else 404
        assert (response.status_code, scenes.flags(response)) == (status, {"no_key"})

    @pytest.mark.parametrize("marked", [False, True], ids=["just now", "cleaned up"])
    def test_one_that_expired_says_when(
        self, invitation: InvitationKey, django_assert_num_queries: Any, marked: bool
    ) -> None:
        end = datetime(2026, 5, 3, 23, 59, 59, tzinfo=zones.utc)
        status = "expired" if marked else "pending"
        ended = {"ended_at": end + timedelta(days=2), "pending_slot": None} if marked else {}
        InvitationKey.objects.update(expires_at=end, status=status, **ended)
        with django_assert_num_queries(1):
            page = Client().get(scenes.link(invitation.mail_key)).content.decode()
        assert "May 3, 2026</time>" in page
        assert "Ask the person who invited you for a new one." in page

    @pytest.mark.parametrize("end", scenes.ENDS)
    @pytest.mark.parametrize("address", [LANDING, DECLINE])
    def test_an_invitation_that_ended_meanwhile_is_told_of(
        self, visitor: Client, invitation: InvitationKey, address: str, end: str
    ) -> None:
        scenes.end(invitation, end)
        response = visitor.get(address)
        code, status = scenes.ENDS[end]
        assert (response.status_code, scenes.flags(response)) == (status, {code})

    @pytest.mark.parametrize("cookie", ["x", "x" * 66, "x" * 4000, '"', "%00", "é".encode().hex()])
    def test_a_cookie_that_is_no_key_opens_nothing(self, cookie: str) -> None:
        client = Client(headers={"cookie": f"invitation_key={cookie}"})
        response = client.get(LANDING)
        assert response.status_code == 404
        assert scenes.flags(response) <= {"invalid_key", "no_key"}

    @pytest.mark.parametrize("name", ["invitation_key", "registration_key"])
    def test_clients_without_cookies_pass_the_key(
        self, invitation: InvitationKey, name: str
    ) -> None:
        assert Client().get(LANDING, {name: invitation.key}).status_code == 200

    def test_nothing_can_be_posted_to_the_page(
        self, visitor: Client, invitation: InvitationKey
    ) -> None:
        before = scenes.dump()
        assert visitor.post(LANDING).status_code == 405
        assert scenes.dump() == before

    @pytest.mark.anywhere
    def test_who_is_signed_in_is_told_as_whom(self, visitor: Client, member: Any) -> None:
        visitor.force_login(member)
        response = visitor.get(LANDING)
        page = response.content.decode()
        assert member.get_username() in page
        assert 'method="post" action="/accounts/logout/"' in page
        assert f'href="{response.context["leave_url"]}"' in page
        assert f'href="{REGISTER}"' not in page

    def test_a_site_may_lack_registration_and_logout(
        self, settings: Any, visitor: Client, member: Any
    ) -> None:
        settings.ROOT_URLCONF = __name__
        visitor.force_login(member)
        context = visitor.get(LANDING).context
        assert (context["register_url"], context["logout_url"]) == ("", "")


class TestDeclining:
    def test_the_question_of_another_tab_is_asked_again(self, member: Any) -> None:
        first = scenes.invite(member, "first@example.com")
        second = scenes.invite(member, "second@example.com")
        browser = scenes.visit(first)
        assert f'value="{first.key_hint}"' in browser.get(DECLINE).content.decode()
        browser.get(scenes.link(second.mail_key))
        before = scenes.dump()
        response = browser.post(DECLINE, {"invitation_hint": first.key_hint})
        assert response.status_code == 200
        assert "You opened another invitation" in response.content.decode()
        assert f'value="{second.key_hint}"' in response.content.decode()
        assert scenes.dump() == before
        browser.post(DECLINE, {"invitation_hint": second.key_hint})
        second.refresh_from_db()
        assert second.status == "declined"

    @pytest.mark.anywhere
    @pytest.mark.parametrize("method", ["get", "head", "options"])
    def test_asking_changes_nothing(
        self, visitor: Client, invitation: InvitationKey, method: str
    ) -> None:
        before = scenes.dump()
        assert getattr(visitor, method)(DECLINE).status_code == 200
        assert scenes.dump() == before

    @pytest.mark.anywhere
    def test_saying_no_ends_the_invitation(
        self, visitor: Client, invitation: InvitationKey, commit: Commit
    ) -> None:
        with scenes.received(signals.invitation_declined) as declined, commit():
            response = visitor.post(DECLINE)
        assert response.status_code == 200
        assert response.templates[0].name == "invitation/invitation_declined.html"
        assert response.cookies["invitation_key"]["max-age"] == 0
        invitation.refresh_from_db()
        assert invitation.status == "declined"
        assert [sent["invitation"] for sent in declined] == [invitation]

    def test_after_a_no_the_link_says_so(self, visitor: Client, invitation: InvitationKey) -> None:
        visitor.post(DECLINE)
        response = visitor.get(scenes.link(invitation.mail_key))
        assert (response.status_code, scenes.flags(response)) == (410, {"declined_key"})

    def test_a_second_no_does_no_harm(self, visitor: Client) -> None:
        visitor.post(DECLINE)
        response = visitor.post(DECLINE)
        assert (response.status_code, scenes.flags(response)) == (410, {"declined_key"})

    @pytest.mark.parametrize("address", [LANDING, DECLINE, REGISTER])
    def test_the_way_back_leads_to_what_became_of_it(self, visitor: Client, address: str) -> None:
        visitor.post(DECLINE)
        response = visitor.get(address)
        assert (response.status_code, scenes.flags(response)) == (410, {"declined_key"})

    # One whose time has run out may still be declined: that says more.
    @pytest.mark.parametrize("end", [e for e in scenes.ENDS if e not in ("expired", "inactive")])
    def test_a_no_that_comes_too_late_is_told_why(
        self, visitor: Client, invitation: InvitationKey, end: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        decline = arriving.decline

        def late(opened: arriving.Opened) -> None:
            monkeypatch.undo()
            scenes.end(invitation, end)
            decline(opened)

        monkeypatch.setattr(arriving, "decline", late)
        response = visitor.post(DECLINE)
        code, status = scenes.ENDS[end]
        assert (response.status_code, scenes.flags(response)) == (status, {code})

    def test_without_a_key_nothing_is_declined(self, invitation: InvitationKey) -> None:
        assert Client().post(DECLINE).status_code == 404
        invitation.refresh_from_db()
        assert invitation.status == "pending"

    def test_without_a_csrf_token_nothing_is_declined(self, invitation: InvitationKey) -> None:
        visitor = scenes.visit(invitation, enforce_csrf_checks=True)
        visitor.get(DECLINE)
        assert visitor.post(DECLINE).status_code == 403
        invitation.refresh_from_db()
        assert invitation.status == "pending"
        token = visitor.cookies["csrftoken"].value
        assert visitor.post(DECLINE, {"csrfmiddlewaretoken": token}).status_code == 200

    def test_the_slot_is_free_for_a_new_invitation(
        self, visitor: Client, invitation: InvitationKey, member: Any
    ) -> None:
        visitor.post(DECLINE)
        assert scenes.invite(member, again=True) != invitation
