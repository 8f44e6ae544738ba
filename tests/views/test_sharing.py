"""The pages on which a member makes shared links and manages them."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation

from invitation.flows.sharing import close, pause, share
from invitation.models import Acceptance, InvitationKey
from tests import scenes
from tests.factories import DAY, make_invitation, make_user, spent
from tests.test_budgets import CONTROL
from tests.views.test_managing import words

pytestmark = pytest.mark.django_db
Commit = Callable[..., Any]

SHARE = "/accounts/invite/link/"
LINKS = "/accounts/invitations/links/"
LIST = "/accounts/invitations/"
SHARED = f"{LIST}?state=shared"
ACTIONS = ["pause", "resume", "change-link", "close"]
#: What the owner of a link that does not work is told, by what has become of it.
SAID = {
    "paused": "This link is paused. Nobody can use it until you resume it.",
    "used": "This link is used up. Everyone it was for has signed up.",
    "revoked": "This link is revoked. Nobody can use it.",
    "expired": "This link has expired. Nobody can use it.",
}


@pytest.fixture
def owner() -> Any:
    return make_user("owner", is_superuser=True)


@pytest.fixture
def owner_client(owner: Any) -> Client:
    client = Client()
    client.force_login(owner)
    return client


@pytest.fixture
def link(owner: Any) -> InvitationKey:
    until = timezone.now() + 3 * DAY
    return share(owner, label="Spring fair", max_uses=3, expires_at=until, word="fair-2026")


@pytest.fixture
def stranger() -> Client:
    """Return the browser of somebody else who may make shared links."""
    client = Client()
    client.force_login(make_user("stranger", is_superuser=True))
    return client


def limited_client() -> Client:
    """Return the browser of a member who has the one permission."""
    client = Client()
    client.force_login(scenes.may_share(make_user("limited")))
    return client


def page(link: InvitationKey, part: str = "") -> str:
    return f"{LINKS}{link.pk}/{part}/" if part else f"{LINKS}{link.pk}/"


def typed(**fields: Any) -> dict[str, Any]:
    return {"label": "Spring fair", "max_uses": "3"} | fields


def errors(response: Any) -> dict[str, list[str]]:
    """Return the codes of a form's errors by field."""
    found = response.context["form"].errors.as_data()
    return {field: [str(error.code) for error in its] for field, its in found.items()}


def asked(queries: CaptureQueriesContext) -> list[str]:
    return [query["sql"] for query in queries if not query["sql"].startswith(CONTROL)]


@pytest.mark.anywhere
class TestWhoMaySee:
    def test_visitors_are_sent_to_log_in(self, link: InvitationKey) -> None:
        before = scenes.dump()
        for address in (SHARE, LINKS, page(link), page(link, "edit"), page(link, "pause")):
            for method in (Client().get, Client().post):
                response = method(address)
                assert response.status_code == 302
                assert response["Location"].startswith("/accounts/login/?next=")
        assert scenes.dump() == before

    def test_that_of_somebody_else_does_not_exist(
        self, link: InvitationKey, stranger: Client
    ) -> None:
        before = scenes.dump()
        assert stranger.get(SHARED).context["invitations"] == []
        for part in ("", "edit"):
            assert stranger.get(page(link, part)).status_code == 404
        for part in ("edit", *ACTIONS):
            assert stranger.post(page(link, part), typed()).status_code == 404
        assert scenes.dump() == before

    def test_nor_that_of_another_site(self, link: InvitationKey, owner_client: Client) -> None:
        InvitationKey.objects.update(site_id=link.site_id + 1)
        assert owner_client.get(page(link)).status_code == 404
        assert owner_client.get(SHARED).context["invitations"] == []

    def test_members_without_the_permission_may_make_none(
        self, member: Any, member_client: Client
    ) -> None:
        for method in (member_client.get, member_client.post):
            response = method(SHARE, typed())
            assert response.status_code == 403
            assert "You cannot create shared links" in words(response)
            assert "You cannot invite" not in words(response)
        assert not InvitationKey.objects.exists()
        assert b"invite/link" not in member_client.get("/accounts/invite/").content
        scenes.invite(member)
        assert SHARE not in member_client.get(LIST).content.decode()
        assert "Shared links" not in words(member_client.get(LIST))

    def test_who_has_lost_it_sees_pauses_and_closes_but_opens_nothing(
        self, owner: Any, link: InvitationKey, owner_client: Client
    ) -> None:
        get_user_model()._default_manager.filter(pk=owner.pk).update(is_superuser=False)
        shown = owner_client.get(page(link))
        assert shown.status_code == 200
        for secret in (link.code, link.key):
            assert secret not in shown.content.decode()
        assert b"/resume/" not in shown.content
        for part in ("resume", "change-link"):
            response = owner_client.post(page(link, part))
            assert (response.status_code, response.context["error_code"]) == (
                403,
                "sharing_forbidden",
            )
        assert owner_client.get(page(link, "edit")).status_code == 403
        for part in ("pause", "close"):
            assert owner_client.post(page(link, part)).status_code == 302
        link.refresh_from_db()
        assert link.status == "revoked"

    def test_a_personal_invitation_is_not_a_shared_link_and_the_other_way_round(
        self, owner: Any, link: InvitationKey, owner_client: Client
    ) -> None:
        personal = scenes.invite(owner)
        before = scenes.dump()
        assert owner_client.get(LIST).context["invitations"] == [personal, link]
        assert owner_client.get(SHARED).context["invitations"] == [link]
        assert owner_client.get(page(personal)).status_code == 404
        for part in ("edit", *ACTIONS):
            assert owner_client.post(page(personal, part), typed()).status_code == 404
        own = f"/accounts/invitations/{link.pk}/"
        for part in ("", "edit/", "link/"):
            assert owner_client.get(own + part).status_code == 404
        for part in ("edit", "resend", "extend", "change-link", "revoke"):
            assert owner_client.post(f"{own}{part}/", {"note": "x"}).status_code == 404
        assert scenes.dump() == before

    @pytest.mark.parametrize("part", ACTIONS)
    @pytest.mark.parametrize(
        ("method", "status"), [("get", 302), ("head", 302), ("put", 405), ("delete", 405)]
    )
    def test_actions_are_for_post_alone(
        self, link: InvitationKey, owner_client: Client, part: str, method: str, status: int
    ) -> None:
        before = scenes.dump()
        response = getattr(owner_client, method)(page(link, part))
        # What cannot be undone is asked for.
        asked = status == 302 and part in ("change-link", "close")
        assert response.status_code == (200 if asked else status)
        assert response.get("Location", page(link)) == page(link)
        assert scenes.dump() == before

    @pytest.mark.parametrize("part", ["edit", *ACTIONS])
    def test_a_form_without_a_csrf_token_is_refused(
        self, owner: Any, link: InvitationKey, part: str
    ) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(owner)
        before = scenes.dump()
        assert client.post(page(link, part), typed()).status_code == 403
        assert client.post(SHARE, typed()).status_code == 403
        assert scenes.dump() == before


@pytest.mark.anywhere
class TestMaking:
    def test_the_form_makes_a_link(self, owner: Any, owner_client: Client) -> None:
        assert SHARE in owner_client.get(SHARED).content.decode()
        assert SHARE in owner_client.get("/accounts/invite/list/").content.decode()
        assert owner_client.get(SHARE).context["remaining_invitations"] == 10
        day = timezone.localdate() + 5 * DAY
        form = typed(expires_on=str(day), allowed_domains="a.org, @Bücher.example;\n", word="Fair")
        response = owner_client.post(SHARE, form, follow=True)
        link = InvitationKey.objects.get()
        assert response.redirect_chain == [(page(link), 302)]
        assert (link.from_user, link.label, link.max_uses, link.word) == (
            owner,
            "Spring fair",
            3,
            "fair",
        )
        assert link.allowed_domains == ["a.org", "xn--bcher-kva.example"]
        assert link.expires_at is not None
        assert timezone.localtime(link.expires_at).date() == day
        assert spent(owner) == 3
        assert "Shared link created." in words(response)

    def test_without_a_day_it_lasts_as_long_as_any_invitation(
        self, owner_client: Client, settings: Any
    ) -> None:
        owner_client.post(SHARE, typed(expires_on=""))
        first = InvitationKey.objects.get()
        assert first.expires_at is not None
        assert 7 * DAY < first.expires_at - timezone.now() < 8 * DAY
        settings.ACCOUNT_INVITATION_DAYS = None
        owner_client.post(SHARE, typed(expires_on=""))
        assert InvitationKey.objects.exclude(pk=first.pk).get().expires_at is None

    @pytest.mark.parametrize(
        ("days", "offered"), [(7, True), (366, True), (400, False), (None, False)]
    )
    def test_that_day_is_offered_if_it_may_be_chosen(
        self, owner_client: Client, settings: Any, days: int | None, offered: bool
    ) -> None:
        settings.ACCOUNT_INVITATION_DAYS = days
        assert bool(owner_client.get(SHARE).context["form"]["expires_on"].initial) is offered

    def test_any_number_needs_its_permission(self, owner: Any, owner_client: Client) -> None:
        assert "unlimited" in owner_client.get(SHARE).context["form"].fields
        owner_client.post(SHARE, typed(max_uses="", unlimited="on"))
        assert InvitationKey.objects.get().max_uses is None
        assert spent(owner) == 0

    def test_the_number_is_not_called_optional(self, owner_client: Client) -> None:
        page = " ".join(owner_client.get(SHARE).content.decode().split())
        assert ">Number of people </label>" in page
        assert '>Expires on <span class="invitation-optional">(optional)</span></label>' in page

    def test_a_number_and_any_number_are_not_both_right(
        self, owner: Any, owner_client: Client
    ) -> None:
        response = owner_client.post(SHARE, typed(max_uses="3", unlimited="on"))
        assert response.context["form"].errors.as_data()["max_uses"][0].code == "one_number"
        response = owner_client.post(SHARE, typed(max_uses="x", unlimited="on"))
        assert response.context["form"].errors.as_data()["max_uses"][0].code == "invalid"
        assert not InvitationKey.objects.exists()

    @pytest.mark.each_case
    @pytest.mark.parametrize(
        ("fields", "field", "code"),
        [
            ({"label": ""}, "label", "required"),
            ({"max_uses": ""}, "max_uses", "required"),
            ({"max_uses": "0"}, "max_uses", "min_value"),
            ({"max_uses": "-1"}, "max_uses", "min_value"),
            ({"max_uses": "100001"}, "max_uses", "max_value"),
            ({"max_uses": "9" * 40}, "max_uses", "max_value"),
            ({"max_uses": "11"}, "max_uses", "no_invitations_left"),
            ({"expires_on": "2020-01-01"}, "expires_on", "invalid_day"),
            ({"expires_on": "9999-12-31"}, "expires_on", "invalid_day"),
            ({"expires_on": "soon"}, "expires_on", "invalid"),
            ({"allowed_domains": "localhost"}, "allowed_domains", "unreachable_domain"),
            ({"allowed_domains": "a@b.org"}, "allowed_domains", "invalid_domain"),
            ({"allowed_domains": "exаmple.org"}, "allowed_domains", "lookalike_domain"),
            ({"allowed_domains": "a.org " * 51}, "allowed_domains", "too_many_domains"),
            ({"word": "no!word"}, "word", "invalid_word"),
            ({"word": "7QK2-M9XA-4TRB"}, "word", "word_like_code"),
            ({"word": "Fair-2026"}, "word", "word_taken"),
        ],
    )
    def test_what_is_wrong_is_said_beside_its_field(
        self,
        owner: Any,
        owner_client: Client,
        fields: dict[str, str],
        field: str,
        code: str,
    ) -> None:
        share(owner, label="x", max_uses=None, expires_at=None, word="fair-2026")
        response = owner_client.post(SHARE, typed(**fields))
        assert response.status_code == 200
        assert errors(response) == {field: [code]}
        assert (InvitationKey.objects.count(), spent(owner)) == (1, 0)

    def test_groups_are_not_offered_where_none_may_be_given(self, owner_client: Client) -> None:
        assert "groups" not in owner_client.get(SHARE).context["form"].fields

    def test_the_form_costs_eight(self, owner_client: Client) -> None:
        with CaptureQueriesContext(connection) as queries:
            owner_client.get(SHARE)
        assert len(asked(queries)) <= 8


class TestRights:
    def test_groups_are_those_that_may_be_given(self, settings: Any) -> None:
        a, b = (Group.objects.create(name=name) for name in "ab")
        settings.INVITATION_GRANTABLE_GROUPS = lambda user: [a]
        client = limited_client()
        assert list(client.get(SHARE).context["form"].fields["groups"].queryset) == [a]
        assert errors(client.post(SHARE, typed(groups=[b.pk]))) == {"groups": ["invalid_choice"]}
        client.post(SHARE, typed(groups=[a.pk]))
        assert list(InvitationKey.objects.get().groups.all()) == [a]

    def test_a_group_that_is_lost_meanwhile_is_an_error_of_the_form(self, settings: Any) -> None:
        a = Group.objects.create(name="a")
        answers = iter([[a]])  # while the form is shown and checked, and none later
        settings.INVITATION_GRANTABLE_GROUPS = lambda user: next(answers, [])
        response = limited_client().post(SHARE, typed(groups=[a.pk]))
        assert errors(response) == {"groups": ["group_refused"]}
        assert not InvitationKey.objects.exists()

    def test_any_number_is_not_offered_without_its_permission(self) -> None:
        client = limited_client()
        assert "unlimited" not in client.get(SHARE).context["form"].fields
        response = client.post(SHARE, typed(max_uses="", unlimited="on"))
        assert errors(response) == {"max_uses": ["required"]}

    def test_on_a_site_without_time_zones_the_day_ends_where_it_does(self, settings: Any) -> None:
        settings.USE_TZ = False
        day = timezone.now().date() + 2 * DAY
        client = limited_client()
        assert client.post(SHARE, typed(expires_on=str(day))).status_code == 302
        link = InvitationKey.objects.get()
        assert link.expires_at is not None
        assert link.expires_at.date() == day
        assert client.get(page(link, "edit")).context["form"]["expires_on"].initial == day


@pytest.mark.anywhere
class TestTheList:
    """Shared links are in the list of a member's invitations."""

    def test_the_old_page_leads_there(self, owner_client: Client) -> None:
        assert owner_client.get(LINKS)["Location"] == SHARED

    def test_before_the_first_link_it_says_so(self, owner_client: Client) -> None:
        assert "You have not created a shared link yet." in words(owner_client.get(SHARED))
        assert "No invitation matches." in words(owner_client.get(f"{SHARED}&q=x"))

    def test_it_says_how_many_have_come(
        self, owner: Any, link: InvitationKey, owner_client: Client
    ) -> None:
        InvitationKey.objects.update(uses=2)
        share(owner, label="Any", max_uses=None, expires_at=None)
        assert "2 of 3 used" in words(owner_client.get(LIST))
        assert "not used yet" in words(owner_client.get(LIST))
        InvitationKey.objects.filter(max_uses=None).update(uses=1)
        assert "used by 1 person" in words(owner_client.get(LIST))

    @pytest.mark.parametrize(
        ("change", "badge"),
        [
            ({}, "active"),
            ({"paused_at": timezone.now()}, "paused"),
            ({"status": "revoked"}, "revoked"),
            ({"status": "accepted", "uses": 3}, "used up"),
            ({"status": "expired"}, "expired"),
        ],
    )
    def test_it_says_how_each_is(
        self,
        link: InvitationKey,
        owner_client: Client,
        change: dict[str, Any],
        badge: str,
        settings: Any,
    ) -> None:
        settings.LANGUAGE_CODE = "en"
        InvitationKey.objects.update(**change)
        for address in (LIST, page(link)):
            body = re.sub(r"\s*\n\s*", "", owner_client.get(address).content.decode())
            assert f"</svg>{badge}</span>" in body

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("state=shared", True),
            ("state=pending", True),
            ("state=revoked", False),
            ("q=SPRING", True),
            ("q=autumn", False),
        ],
    )
    def test_it_can_be_found(
        self, link: InvitationKey, owner_client: Client, query: str, found: bool
    ) -> None:
        assert (link in owner_client.get(f"{LIST}?{query}").context["invitations"]) is found

    @pytest.mark.parametrize(
        ("change", "actions"),
        [
            ({}, ["Copy link", "Revoke"]),
            ({"paused_at": timezone.now()}, ["Revoke"]),
            ({"status": "revoked"}, []),
        ],
    )
    def test_a_row_offers_what_can_be_done(
        self, link: InvitationKey, owner_client: Client, change: dict[str, Any], actions: list[str]
    ) -> None:
        InvitationKey.objects.update(**change)
        row = owner_client.get(LIST).content.decode().partition("invitation-table__actions")[2]
        assert re.findall(r">\s*([A-Z][a-z ]+)</a>", row.partition("</tr>")[0]) == actions

    def test_no_key_and_no_code_is_on_it(self, link: InvitationKey, owner_client: Client) -> None:
        body = owner_client.get(LIST).content.decode()
        assert link.code not in body
        assert link.locator not in body

    @pytest.mark.parametrize("people", [0, 40])
    def test_it_costs_no_more_for_a_link_that_many_have_used(
        self, owner: Any, link: InvitationKey, owner_client: Client, people: int
    ) -> None:
        scenes.invite(owner)
        for number in range(people):
            Acceptance.objects.create(invitation=link, user=make_user(f"guest{number}"))
        owner_client.get(LIST)
        with CaptureQueriesContext(connection) as queries:
            response = owner_client.get(LIST)
        assert len(asked(queries)) <= 8
        shown = {row.pk: row for row in response.context["invitations"]}
        assert "acceptances" not in getattr(shown[link.pk], "_prefetched_objects_cache", {})

    def test_it_is_asked_before_a_link_is_revoked(
        self, link: InvitationKey, owner_client: Client
    ) -> None:
        said = words(owner_client.get(page(link, "close")))
        assert "Revoke this link? Spring fair The link and its code stop working." in said
        said = words(owner_client.get(page(link, "change-link")))
        assert "Replace this link? Spring fair Links and codes already shared stop working." in said
        assert "stop working. The custom code stays the same." in said
        InvitationKey.objects.update(word="")
        assert "custom code" not in words(owner_client.get(page(link, "change-link")))

    @pytest.mark.parametrize("part", ["close", "change-link"])
    def test_nothing_is_asked_about_one_that_has_ended(
        self, link: InvitationKey, owner_client: Client, part: str
    ) -> None:
        close(link)
        assert owner_client.get(page(link, part))["Location"] == page(link)

    def test_who_may_not_replace_it_is_not_asked(
        self, owner: Any, link: InvitationKey, owner_client: Client
    ) -> None:
        get_user_model()._default_manager.filter(pk=owner.pk).update(is_superuser=False)
        assert owner_client.get(page(link, "change-link")).status_code == 403
        assert owner_client.get(page(link, "close")).status_code == 200


@pytest.mark.anywhere
class TestOneOfThem:
    def test_it_shows_every_way_in(self, link: InvitationKey, owner_client: Client) -> None:
        response = owner_client.get(page(link))
        body = response.content.decode()
        assert re.search(rf">{link.code}</strong>", body)
        assert f'value="{response.context["invitation_url"]}"' in body
        assert link.key in response.context["invitation_url"]
        assert response.context["word_url"].endswith("/accounts/join/fair-2026/")
        assert response.context["join_url"].endswith("/accounts/join/")
        assert "<svg" in body
        assert response["Cache-Control"] == "no-store, private"
        assert response["X-Robots-Tag"] == "noindex"

    @pytest.mark.parametrize("how", ["revoked", "expired"])
    def test_but_not_of_one_that_has_ended(
        self, link: InvitationKey, owner_client: Client, how: str
    ) -> None:
        scenes.end(link, how)
        body = owner_client.get(page(link)).content.decode()
        link.refresh_from_db()
        for secret in (link.code, link.key, "invitation-qr", "/pause/", "/edit/"):
            assert secret not in body

    @pytest.mark.parametrize("how", SAID)
    def test_it_says_in_words_of_its_own_why_it_does_not_work(
        self, link: InvitationKey, owner_client: Client, how: str
    ) -> None:
        if how == "used":
            InvitationKey.objects.update(status="accepted", uses=3, paused_at=timezone.now())
        elif how == "paused":
            pause(link)
        else:
            scenes.end(link, how)
        said = words(owner_client.get(page(link)))
        assert [end for end, reason in SAID.items() if reason in said] == [how]

    @pytest.mark.parametrize("paused", [False, True])
    def test_it_has_one_main_button(
        self, link: InvitationKey, owner_client: Client, paused: bool
    ) -> None:
        if paused:
            pause(link)
        body = owner_client.get(page(link)).content.decode()
        main = re.findall(r'<button class="invitation-button"[^>]*>\s*([^<]+?)\s*</button>', body)
        assert main == (["Resume"] if paused else ["Copy link"])

    def test_one_that_works_gives_no_such_reason(
        self, link: InvitationKey, owner_client: Client
    ) -> None:
        said = words(owner_client.get(page(link)))
        assert [end for end, reason in SAID.items() if reason in said] == []

    def test_where_codes_are_not_taken_it_names_no_page_for_them(
        self, link: InvitationKey, owner_client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from django.urls import NoReverseMatch, reverse

        from invitation.views import sharing

        def without(name: str, **given: Any) -> str:
            if name.startswith("invitation_join"):
                raise NoReverseMatch(name)
            return reverse(name, **given)

        monkeypatch.setattr(sharing, "reverse", without)
        response = owner_client.get(page(link))
        assert (response.context["join_url"], response.context["word_url"]) == ("", "")
        assert "Enter the code at" not in words(response)

    def test_it_says_who_came_by_name_alone(
        self, link: InvitationKey, owner_client: Client
    ) -> None:
        for number in range(27):
            user = make_user(f"guest{number}", email=f"mail{number}@example.net")
            Acceptance.objects.create(invitation=link, user=user)
        Acceptance.objects.filter(user=make_user("x")).delete()
        owner_client.get(page(link))
        with CaptureQueriesContext(connection) as queries:
            response = owner_client.get(page(link))
        assert len(asked(queries)) <= 8
        assert len(response.context["page_obj"]) == 25
        assert "@example.net" not in response.content.decode()
        assert "Page 1 of 2" in words(response)
        assert "The account is not activated yet." in words(response)
        second = owner_client.get(page(link), {"page": "2"})
        assert len(second.context["page_obj"]) == 2
        assert b"?page=1" in second.content

    def test_an_account_that_is_gone_is_so(self, link: InvitationKey, owner_client: Client) -> None:
        Acceptance.objects.create(invitation=link, user=None, activated_at=timezone.now())
        assert "The account was deleted." in words(owner_client.get(page(link)))

    def test_labels_are_not_markup(self, owner: Any, owner_client: Client) -> None:
        link = share(owner, label="<b>x</b>", max_uses=None, expires_at=None)
        for address in (LIST, page(link), page(link, "edit")):
            assert "<b>x" not in owner_client.get(address).content.decode()


@pytest.mark.anywhere
class TestActions:
    def test_each_is_done_and_confirmed(self, link: InvitationKey, owner_client: Client) -> None:
        key, code = link.key, link.code
        for part, said, status, paused in (
            ("pause", "Link paused.", "pending", True),
            ("resume", "The link works again", "pending", False),
            ("change-link", "Link and code replaced.", "pending", False),
            ("close", "Link revoked.", "revoked", False),
        ):
            response = owner_client.post(page(link, part), follow=True)
            assert response.redirect_chain == [(page(link), 302)]
            assert said in response.content.decode()
            link.refresh_from_db()
            assert (link.status, link.paused_at is not None) == (status, paused)
        assert link.key != key
        assert link.code != code

    @pytest.mark.parametrize("part", ACTIONS)
    def test_after_its_end_it_says_that_it_is_too_late(
        self, owner: Any, link: InvitationKey, owner_client: Client, part: str
    ) -> None:
        close(link)
        before = scenes.dump()
        response = owner_client.post(page(link, part))
        assert (response.status_code, response.context["error_code"]) == (409, "not_pending")
        assert "This invitation is no longer pending." in words(response)
        assert response["X-Robots-Tag"] == "noindex"
        assert scenes.dump() == before

    def test_a_page_shows_what_can_be_done_now(
        self, link: InvitationKey, owner_client: Client
    ) -> None:
        shown = owner_client.get(page(link)).content
        assert (b"/pause/" in shown, b"/resume/" in shown) == (True, False)
        pause(link)
        shown = owner_client.get(page(link)).content
        assert (b"/pause/" in shown, b"/resume/" in shown) == (False, True)


@pytest.mark.anywhere
class TestEditing:
    def form(self, client: Client, link: InvitationKey, **fields: Any) -> dict[str, Any]:
        """Return what a browser posts that shows the form, with some fields changed."""
        form = client.get(page(link, "edit")).context["form"]
        shown = {name: form[name].value() for name in form.fields}
        return {k: v for k, v in shown.items() if v not in (None, False)} | fields

    def test_what_is_not_touched_stays(
        self, owner: Any, link: InvitationKey, owner_client: Client
    ) -> None:
        before = scenes.dump()
        response = owner_client.post(page(link, "edit"), self.form(owner_client, link))
        assert response.status_code == 302
        assert before["invitation_invitationkey"] == scenes.dump()["invitation_invitationkey"]

    def test_changes_are_written(
        self, owner: Any, link: InvitationKey, owner_client: Client
    ) -> None:
        changes = {"label": "Autumn", "max_uses": "5", "allowed_domains": "a.org", "word": ""}
        form = self.form(owner_client, link, **changes)
        assert (
            "Changes saved."
            in owner_client.post(page(link, "edit"), form, follow=True).content.decode()
        )
        link.refresh_from_db()
        assert (link.label, link.max_uses, link.word) == ("Autumn", 5, None)
        assert spent(owner) == 5

    def shown(self, client: Client, link: InvitationKey) -> dict[str, Any]:
        """Return what a browser posts that shows the form, with what the page says it showed."""
        form = client.get(page(link, "edit")).context["form"]
        hidden = {
            f"initial-{name}": "" if (value := form[name].value()) is None else value
            for name, field in form.fields.items()
            if field.show_hidden_initial
        }
        assert len(hidden) == 6
        return self.form(client, link) | hidden

    @pytest.mark.each_case
    @pytest.mark.parametrize(
        ("field", "value", "text"),
        [
            ("label", "Autumn", "Autumn"),
            ("max_uses", "5", "5"),
            ("expires_on", "2027-01-31", "2027-01-31"),
            ("allowed_domains", "a.org\r\nb.org", "a.org\nb.org"),
            ("word", "green-peas", "green-peas"),
            ("word", "", ""),
            ("unlimited", "on", "on"),
        ],
    )
    def test_two_tabs_lose_nothing(
        self, link: InvitationKey, owner_client: Client, field: str, value: str, text: str
    ) -> None:
        url, stale = page(link, "edit"), self.shown(owner_client, link)
        first = {field: value} | ({"max_uses": ""} if field == "unlimited" else {})
        assert owner_client.post(url, stale | first).status_code == 302
        saved = self.form(owner_client, link)
        # The other tab changes something else: both changes are there.
        other = "label" if field != "label" else "allowed_domains"
        assert owner_client.post(url, stale | {other: "c.org"}).status_code == 302
        assert self.form(owner_client, link) == saved | {other: "c.org"}
        # Both change the same: the second is asked once.
        if field in ("unlimited", "expires_on"):
            return
        different = {"max_uses": "6", "allowed_domains": "d.org"}.get(field, "sweet-corn")
        response = owner_client.post(url, stale | {field: different})
        assert errors(response) == {field: ["changed_since"]}
        assert f"It is now: “{text}”" in unescape(response.content.decode())

    def test_what_is_no_number_is_said_first(
        self, link: InvitationKey, owner_client: Client
    ) -> None:
        url, stale = page(link, "edit"), self.shown(owner_client, link)
        assert owner_client.post(url, stale | {"max_uses": "5"}).status_code == 302
        response = owner_client.post(url, stale | {"max_uses": "x"})
        assert "invalid" in errors(response)["max_uses"]

    def test_not_below_those_who_have_come(self, link: InvitationKey, owner_client: Client) -> None:
        InvitationKey.objects.update(uses=2)
        form = self.form(owner_client, link, max_uses="1")
        response = owner_client.post(page(link, "edit"), form)
        assert errors(response) == {"max_uses": ["too_few_uses"]}

    def test_a_day_that_was_chosen_otherwise_may_stay(
        self, link: InvitationKey, owner_client: Client
    ) -> None:
        far = timezone.now() + 900 * DAY
        InvitationKey.objects.update(expires_at=far)
        form = self.form(owner_client, link)
        assert owner_client.post(page(link, "edit"), form).status_code == 302
        link.refresh_from_db()
        assert link.expires_at == far

    def test_one_without_an_end_may_stay_so(self, owner: Any, owner_client: Client) -> None:
        link = share(owner, label="x", max_uses=None, expires_at=None)
        form = self.form(owner_client, link, label="y")
        assert form["unlimited"] is True
        assert owner_client.post(page(link, "edit"), form).status_code == 302
        link.refresh_from_db()
        assert (link.label, link.expires_at, link.max_uses) == ("y", None, None)

    def test_after_its_end_it_leads_back(self, link: InvitationKey, owner_client: Client) -> None:
        form = self.form(owner_client, link)
        close(link)
        response = owner_client.get(page(link, "edit"), follow=True)
        assert response.redirect_chain == [(page(link), 302)]
        assert "no longer pending" in response.content.decode()
        assert errors(owner_client.post(page(link, "edit"), form)) == {"__all__": ["not_pending"]}

    def test_the_form_costs_nine(self, link: InvitationKey, owner_client: Client) -> None:
        with CaptureQueriesContext(connection) as queries:
            owner_client.get(page(link, "edit"))
        assert len(asked(queries)) <= 9


class TestElsewhere:
    def test_the_admin_calls_it_by_its_label_and_shows_neither_code_nor_key(
        self, owner: Any, link: InvitationKey
    ) -> None:
        any_number = share(owner, label="Any", max_uses=None, expires_at=None)
        client = Client()
        client.force_login(make_user("boss", is_staff=True, is_superuser=True))
        changelist = "/admin/invitation/invitationkey/"
        pages = [
            client.get(address).content.decode()
            for address in (changelist, f"{changelist}{link.pk}/change/")
        ]
        assert all("Spring fair" in shown for shown in pages)
        assert "0 / 3" in pages[1]
        body = client.get(f"{changelist}{any_number.pk}/change/").content.decode()
        assert "0 / ∞" in body
        for shown in pages:
            assert link.code not in shown
            assert link.code.replace("-", "") not in shown
            assert link.key not in shown
            assert link.code_digest.hex() not in shown
        digest = {"code_digest__startswith": link.code_digest.hex()[:3]}
        assert client.get(changelist, digest).status_code in (302, 400)

    def test_revoking_it_in_the_admin_gives_the_rest_back(
        self, owner: Any, link: InvitationKey
    ) -> None:
        client = Client()
        client.force_login(make_user("boss", is_staff=True, is_superuser=True))
        chosen = {"action": "revoke", "_selected_action": [link.pk]}
        client.post("/admin/invitation/invitationkey/", chosen)
        link.refresh_from_db()
        assert (link.status, spent(owner)) == ("revoked", 0)

    def test_the_code_is_in_no_column(self, owner: Any, link: InvitationKey) -> None:
        make_invitation(owner)
        told = repr(scenes.dump())
        for secret in (link.code, link.code.replace("-", ""), link.key.split(".")[1]):
            assert secret not in told

    def test_the_pages_can_be_read_from_right_to_left(
        self, link: InvitationKey, owner_client: Client
    ) -> None:
        with translation.override("ar"):
            owner_client.cookies["django_language"] = "ar"
            body = owner_client.get(page(link)).content.decode()
        assert 'dir="rtl"' in body
        assert f'<strong dir="ltr">{link.code}</strong>' in body
        assert re.search(r'<input id="invitation-link"[^>]* dir="ltr"', body)
