"""The pages on which members see and manage what they have sent."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
import zxingcpp
from django.contrib.auth.models import Permission
from django.db import connection
from django.template.loader import get_template
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.formats import date_format
from PIL import Image, ImageDraw

from invitation import keys
from invitation.flows import arriving, inviting, upkeep
from invitation.keys import qr
from invitation.models import InvitationEmail, InvitationKey
from tests import scenes
from tests.factories import DAY, make_acceptance, make_invitation, make_mail
from tests.scenes import NEWCOMER
from tests.test_budgets import CONTROL

pytestmark = pytest.mark.django_db
Commit = Callable[..., Any]

LIST = "/accounts/invitations/"
ACTIONS = ["resend", "extend", "change-link", "revoke"]
#: Actions that cannot be undone: a page asks first.
ASKED = ["change-link", "revoke"]


@pytest.fixture
def invitation(member: Any) -> InvitationKey:
    return scenes.invite(member, recipient_name="Newcomer", note="Come and see.")


@pytest.fixture
def stranger(db: None) -> Client:
    client = Client()
    client.force_login(scenes.make_user("stranger"))
    return client


def page(invitation: InvitationKey, part: str = "") -> str:
    return f"{LIST}{invitation.pk}/{part}/" if part else f"{LIST}{invitation.pk}/"


def words(response: Any) -> str:
    """Return what a page says, without markup and line breaks."""
    body = response.content.decode().partition("<main")[2]
    return " ".join(re.sub(r"<[^>]*>", " ", body).split())


def rested() -> None:
    """Let the cool-down of every invitation pass, whose email has left long ago."""
    InvitationKey.objects.update(mail_requested_at=timezone.now() - DAY)
    InvitationEmail.objects.filter(state="sending").update(state="sent", lease_until=None)


@pytest.mark.anywhere
class TestWhoMaySee:
    @pytest.mark.parametrize("part", ["", "edit", "link"])
    def test_visitors_are_sent_to_log_in(self, invitation: InvitationKey, part: str) -> None:
        for address in (LIST, page(invitation, part)):
            response = Client().get(address)
            assert response.status_code == 302
            assert response["Location"].startswith("/accounts/login/?next=")

    @pytest.mark.parametrize("part", ACTIONS)
    def test_visitors_can_do_nothing(self, invitation: InvitationKey, part: str) -> None:
        before = scenes.dump()
        assert Client().post(page(invitation, part)).status_code == 302
        assert scenes.dump() == before

    def test_the_invitation_of_somebody_else_does_not_exist(
        self, invitation: InvitationKey, stranger: Client
    ) -> None:
        assert stranger.get(LIST).context["invitations"] == []
        before = scenes.dump()
        for part in ("", "edit", "link"):
            assert stranger.get(page(invitation, part)).status_code == 404
        for part in ("edit", *ACTIONS):
            assert stranger.post(page(invitation, part), {"note": "x"}).status_code == 404
        assert scenes.dump() == before

    def test_nor_for_staff(self, invitation: InvitationKey) -> None:
        client = Client()
        client.force_login(scenes.make_user("boss", is_staff=True, is_superuser=True))
        assert client.get(page(invitation)).status_code == 404

    def test_an_invitation_of_another_site_is_shown_there(
        self, invitation: InvitationKey, member_client: Client
    ) -> None:
        InvitationKey.objects.update(site_id=invitation.site_id + 1)
        assert member_client.get(page(invitation)).status_code == 404
        assert member_client.get(LIST).context["invitations"] == []

    @pytest.mark.parametrize("pk", ["0", "9" * 30, "x", "-1", "1.0", "%00"])
    def test_a_number_of_nothing_is_404(self, member_client: Client, pk: str) -> None:
        assert member_client.get(f"{LIST}{pk}/").status_code == 404

    @pytest.mark.parametrize("part", ACTIONS)
    @pytest.mark.parametrize(
        ("method", "status"), [("get", 302), ("head", 302), ("put", 405), ("delete", 405)]
    )
    def test_actions_are_for_post_alone(
        self,
        invitation: InvitationKey,
        member_client: Client,
        part: str,
        method: str,
        status: int,
    ) -> None:
        before = scenes.dump()
        response = getattr(member_client, method)(page(invitation, part))
        # Who had to log in first comes back by GET. What cannot be undone is asked for.
        assert response.status_code == (200 if status == 302 and part in ASKED else status)
        assert response.get("Location", page(invitation)) == page(invitation)
        assert scenes.dump() == before

    @pytest.mark.parametrize("part", ["edit", *ACTIONS])
    def test_a_form_without_a_csrf_token_is_refused(
        self, member: Any, invitation: InvitationKey, part: str
    ) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(member)
        before = scenes.dump()
        assert client.post(page(invitation, part)).status_code == 403
        assert scenes.dump() == before

    def test_who_may_no_longer_invite_sees_and_withdraws_but_opens_nothing(
        self, settings: Any, invitation: InvitationKey, member_client: Client
    ) -> None:
        settings.INVITATION_PERMISSION = "invitation.add_invitationkey"
        rested()
        assert member_client.get(LIST).status_code == 200
        shown = member_client.get(page(invitation))
        assert shown.status_code == 200
        assert b"/resend/" not in shown.content
        for part in ("resend", "extend", "change-link"):
            response = member_client.post(page(invitation, part))
            assert response.status_code == 403
            assert response.context["error_code"] == "inviting_forbidden"
        assert member_client.get(page(invitation, "link")).status_code == 403
        assert member_client.post(page(invitation, "revoke")).status_code == 302
        invitation.refresh_from_db()
        assert invitation.status == "revoked"


def many(member: Any, number: int, name: str = "n") -> list[InvitationKey]:
    """Return invitations of a member, the newest first."""
    addresses = [f"{name}{one}@example.com" for one in range(number)]
    rows = [make_invitation(member, address, site_id=site_id()) for address in addresses]
    return rows[::-1]


def link(response: Any, rel: str) -> str:
    """Return where the link to a neighbouring page leads; empty if there is none."""
    found = re.search(rf'<a rel="{rel}" href="([^"]*)">', response.content.decode())
    return unescape(found[1]) if found else ""


@pytest.mark.anywhere
class TestTheList:
    def test_before_the_first_invitation_it_says_so(self, member_client: Client) -> None:
        response = member_client.get(LIST)
        said = words(response)
        assert "You have not invited anyone yet." in said
        assert said.count("Invite someone") == 1
        assert 'role="search"' not in response.content.decode()
        assert response.context["remaining_invitations"] == 10

    def test_the_newest_comes_first(self, member: Any, member_client: Client) -> None:
        made = [scenes.invite(member, f"{name}@example.com") for name in ("a", "b", "c")]
        assert list(member_client.get(LIST).context["invitations"]) == made[::-1]

    def test_a_page_holds_25(self, member: Any, member_client: Client, settings: Any) -> None:
        settings.INVITATIONS_PER_USER = None
        rows = many(member, 52)
        shown = [member_client.get(LIST)]
        for _page in range(2):
            shown.append(member_client.get(LIST + link(shown[-1], "next")))
        assert [row for page in shown for row in page.context["invitations"]] == rows
        assert [len(page.context["invitations"]) for page in shown] == [25, 25, 2]
        assert link(shown[0], "prev") == link(shown[2], "next") == ""
        assert "left" not in words(shown[0])
        back = member_client.get(LIST + link(shown[2], "prev"))
        assert list(back.context["invitations"]) == rows[25:50]
        first = member_client.get(LIST + link(back, "prev"))
        assert list(first.context["invitations"]) == rows[:25]
        assert link(first, "prev") == ""

    def test_a_new_invitation_moves_no_other_to_another_page(
        self, member: Any, member_client: Client
    ) -> None:
        rows = many(member, 26)
        older = link(member_client.get(LIST), "next")
        newest = many(member, 1, "new")
        assert list(member_client.get(LIST + older).context["invitations"]) == rows[25:]
        newer = link(member_client.get(LIST + older), "prev")
        shown = list(member_client.get(LIST + newer).context["invitations"])
        assert shown == rows[:25]
        assert link(member_client.get(LIST + newer), "prev") == f"?after={rows[0].pk}"
        assert newest[0] in member_client.get(LIST, {"after": rows[0].pk}).context["invitations"]

    @pytest.mark.parametrize("name", ["before", "after", "page"])
    @pytest.mark.parametrize("value", ["", "0", "x", "-1", "²", "1.5", "9" * 18, "9" * 40, "\0"])
    def test_a_page_that_is_not_there_is_the_first(
        self, member: Any, member_client: Client, name: str, value: str
    ) -> None:
        rows = many(member, 2)
        response = member_client.get(LIST, {name: value})
        assert response.status_code == 200
        assert list(response.context["invitations"]) == rows

    def test_a_page_whose_rows_are_gone_is_the_first(
        self, member: Any, member_client: Client
    ) -> None:
        rows = many(member, 27)
        older = link(member_client.get(LIST), "next")
        InvitationKey.objects.filter(pk__lte=rows[24].pk).delete()
        assert list(member_client.get(LIST + older).context["invitations"]) == rows[:24]

    @pytest.mark.each_case
    @pytest.mark.parametrize("rows", [60, 600])
    def test_the_last_page_asks_no_more_than_the_first(
        self, member: Any, member_client: Client, rows: int
    ) -> None:
        oldest = many(member, rows)[-20].pk
        for address in (LIST, f"{LIST}?before={oldest}"):
            with CaptureQueriesContext(connection) as queries:
                assert member_client.get(address).status_code == 200
            [details] = [query["sql"] for query in queries if "latest_mail_state" in query["sql"]]
            assert " OFFSET " not in "".join(query["sql"] for query in queries)
            assert " IN (" in details

    @pytest.mark.each_case
    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ({"state": "pending"}, {"open"}),
            ({"state": "accepted"}, {"accepted"}),
            ({"state": "declined"}, {"declined"}),
            ({"state": "revoked"}, {"revoked"}),
            ({"state": "expired"}, {"expired", "overdue"}),
            ({"q": "OPEN@"}, {"open"}),
            ({"q": "bücher"}, {"overdue"}),
            ({"q": "overdue@bücher.example"}, {"overdue"}),
            ({"q": "zoë"}, {"declined"}),
            ({"q": "example.com", "state": "revoked"}, {"revoked"}),
            ({"q": "nobody"}, set()),
            ({"q": "%"}, set()),
            ({"state": "bogus"}, {"open", "accepted", "declined", "revoked", "expired", "overdue"}),
            ({"q": "a\0b"}, {"open", "accepted", "declined", "revoked", "expired", "overdue"}),
            ({"q": "x" * 400}, {"open", "accepted", "declined", "revoked", "expired", "overdue"}),
        ],
    )
    def test_it_can_be_narrowed_down(
        self, member: Any, member_client: Client, query: dict[str, str], found: set[str]
    ) -> None:
        site = site_id()
        for status in ("accepted", "declined", "revoked", "expired"):
            make_invitation(member, f"{status}@example.com", status=status, site_id=site)
        InvitationKey.objects.filter(status="declined").update(recipient_name="Zoë")
        make_invitation(member, "open@example.com", site_id=site)
        make_invitation(member, "overdue@bücher.example", left=-DAY, site_id=site)
        response = member_client.get(LIST, query)
        assert response.status_code == 200
        assert {row.email.partition("@")[0] for row in response.context["invitations"]} == found

    def test_where_nothing_fits_it_says_so_and_leads_back(
        self, invitation: InvitationKey, member_client: Client
    ) -> None:
        response = member_client.get(LIST, {"q": "nobody"})
        assert "No invitation matches." in words(response)
        button = f'<a class="invitation-button invitation-button--quiet" href="{LIST}">'
        assert button.encode() in response.content

    def test_the_pages_keep_what_was_asked_for(self, member: Any, member_client: Client) -> None:
        rows = many(member, 26)
        response = member_client.get(LIST, {"q": "n", "state": "pending", "page": "1", "x": "y"})
        assert link(response, "next") == f"?q=n&state=pending&before={rows[24].pk}"
        odd = InvitationKey.objects.filter(from_user=member)
        odd.update(recipient_name='"<&é')
        response = member_client.get(LIST, {"q": '"<&é', "state": ""})
        assert link(response, "next") == f"?q=%22%3C%26%C3%A9&before={rows[24].pk}"

    @pytest.mark.parametrize("rows", [1, 60])
    def test_it_costs_eight(self, member: Any, member_client: Client, rows: int) -> None:
        """Two of them ask for the right to create shared links."""
        for number in range(rows):
            row = make_invitation(member, f"n{number}@example.com", site_id=site_id())
            make_mail(row, state="sent")
            InvitationKey.objects.filter(pk=row.pk).update(
                status="accepted", pending_slot=None, ended_at=timezone.now()
            )
            make_acceptance(scenes.make_user(f"u{number}"), row)
        member_client.get(LIST)
        with CaptureQueriesContext(connection) as queries:
            response = member_client.get(LIST)
        asked = [query["sql"] for query in queries if not query["sql"].startswith(CONTROL)]
        assert len(response.context["invitations"]) == min(rows, 25)
        assert len(asked) <= 8


def site_id() -> int:
    """Return the site of the invitations that are made in these tests."""
    from invitation.keys import sites

    return sites.current_site_id()


@pytest.mark.anywhere
class TestWhatItSays:
    @pytest.mark.parametrize(
        ("state", "failure", "error", "said"),
        [
            ("queued", "", "", "We'll send the email in a moment."),
            ("sending", "", "", "We'll send the email in a moment."),
            ("sent", "", "", "Email sent."),
            ("failed", "refused", "550 <b>no</b> user", "550 &lt;b&gt;no&lt;/b&gt; user"),
            ("failed", "broken", "ValueError: relayuser", "The email could not be created."),
            ("failed", "bounced", "relayuser", "It bounced: nobody reads email at this address."),
            ("failed", "", "ValueError: relayuser", "We could not send the email."),
            ("cancelled", "", "relayuser", "The site's staff have stopped the email."),
        ],
    )
    def test_of_the_mail(
        self,
        invitation: InvitationKey,
        member_client: Client,
        state: str,
        failure: str,
        error: str,
        said: str,
    ) -> None:
        InvitationEmail.objects.update(state=state, failure=failure, last_error=error)
        for address in (LIST, page(invitation)):
            told = words(member_client.get(address))
            # The list says nothing of what is as it should be.
            assert (said in told) is (state != "sent" or address != LIST)
            assert "relayuser" not in told

    def test_of_a_mail_that_was_given_up_it_tells_no_details(
        self, invitation: InvitationKey, member_client: Client
    ) -> None:
        tries = InvitationEmail.ATTEMPTS
        InvitationEmail.objects.update(
            state="failed",
            failure="given_up",
            attempts=tries,
            last_error="535 5.7.8 relayuser: bad credentials",
        )
        for address in (LIST, page(invitation)):
            told = words(member_client.get(address))
            assert "We could not send the email." in told
            assert "relayuser" not in told

    def test_of_one_that_ended_before_its_time(self, member: Any, member_client: Client) -> None:
        # As when an account is deleted whose address has been invited again meanwhile.
        later = timezone.now() + 9 * DAY
        for expires_at in (later, None):
            row = make_invitation(
                member,
                f"{expires_at}@example.com".replace(" ", "").replace(":", ""),
                status="expired",
                site_id=site_id(),
            )
            InvitationKey.objects.filter(pk=row.pk).update(expires_at=expires_at)
            today = date_format(timezone.localtime(row.ended_at), "DATE_FORMAT")
            said = words(member_client.get(page(row)))
            assert f"Expired on {today}." in said
            assert "Extend" in said

    def test_of_an_invitation_that_was_never_mailed(
        self, member: Any, member_client: Client
    ) -> None:
        invitation = inviting.create_without_address(member)
        for address in (LIST, page(invitation)):
            assert "No email sent." in words(member_client.get(address))
        assert invitation.key_hint in words(member_client.get(LIST))

    @pytest.mark.parametrize(
        ("status", "said"),
        [("declined", "Declined on"), ("revoked", "Revoked on"), ("expired", "Expired on")],
    )
    def test_of_its_end(self, member: Any, member_client: Client, status: str, said: str) -> None:
        invitation = make_invitation(member, status=status, site_id=site_id())
        for address in (LIST, page(invitation)):
            assert said in words(member_client.get(address))

    def test_of_one_that_ran_out_before_cleanup_has_seen_it(
        self, member: Any, member_client: Client
    ) -> None:
        make_invitation(member, left=-DAY, site_id=site_id())
        assert "Expired on" in words(member_client.get(LIST))

    def test_of_who_accepted_it_and_when(self, member: Any, member_client: Client) -> None:
        newcomer = scenes.make_user("zoe")
        row = make_invitation(member, status="accepted", uses=1, site_id=site_id())
        acceptance = make_acceptance(newcomer, row)
        said = words(member_client.get(page(row)))
        assert "Accepted by" in said
        assert "The account is not activated yet." in said
        assert newcomer.email not in member_client.get(page(row)).content.decode()
        acceptance.activated_at = timezone.now()
        acceptance.save()
        assert "not activated" not in words(member_client.get(page(row)))
        newcomer.delete()
        said = words(member_client.get(page(row)))
        assert "Accepted on" in said
        assert "The account was deleted." in said

    def test_markup_in_names_and_notes_is_text(self, member: Any, member_client: Client) -> None:
        row = make_invitation(
            member, recipient_name="<script>x</script>", note="<img src=x>", site_id=site_id()
        )
        for address in (LIST, page(row), page(row, "edit")):
            body = member_client.get(address).content
            assert b"<script>x" not in body
            assert b"<img" not in body

    def test_no_key_is_on_the_pages_that_do_not_show_it(
        self, invitation: InvitationKey, member_client: Client
    ) -> None:
        for address in (LIST, page(invitation), page(invitation, "edit")):
            body = member_client.get(address).content.decode()
            assert invitation.locator not in body
            assert keys.PATTERN.search(body) is None


@pytest.mark.anywhere
class TestActions:
    def test_the_mail_is_sent_again_with_the_same_link(
        self, invitation: InvitationKey, member_client: Client
    ) -> None:
        rested()
        response = member_client.post(page(invitation, "resend"), follow=True)
        assert response.redirect_chain == [(page(invitation), 302)]
        assert "We are sending the email again" in words(response)
        assert InvitationEmail.objects.count() == 2
        assert scenes.visit(invitation).get("/accounts/invited/").status_code == 200

    def test_a_double_click_sends_one_mail_and_says_why(
        self, invitation: InvitationKey, member_client: Client
    ) -> None:
        rested()
        member_client.post(page(invitation, "resend"))
        response = member_client.post(page(invitation, "resend"))
        assert response.status_code == 409
        assert response.context["error_code"] == "mail_too_soon"
        assert "is being sent" in words(response)
        assert InvitationEmail.objects.count() == 2

    def test_an_expired_one_is_sent_again_and_open_again(
        self, invitation: InvitationKey, member_client: Client
    ) -> None:
        rested()
        scenes.end(invitation, "expired")
        assert "Resend email" in words(member_client.get(page(invitation)))
        member_client.post(page(invitation, "resend"))
        invitation.refresh_from_db()
        assert invitation.is_usable()

    def test_it_gets_more_time(self, invitation: InvitationKey, member_client: Client) -> None:
        InvitationKey.objects.update(expires_at=timezone.now() + timedelta(hours=1))
        response = member_client.post(page(invitation, "extend"), follow=True)
        assert "Invitation extended." in words(response)
        invitation.refresh_from_db()
        assert invitation.expires_at is not None
        assert invitation.expires_at > timezone.now() + 6 * DAY

    def test_a_new_link_kills_the_old_ones(
        self, invitation: InvitationKey, member_client: Client
    ) -> None:
        visitor = scenes.visit(invitation)
        response = member_client.post(page(invitation, "change-link"), follow=True)
        assert "Link replaced." in words(response)
        assert visitor.get("/accounts/invited/").status_code == 404
        invitation.refresh_from_db()
        assert scenes.visit(invitation).get("/accounts/invited/").status_code == 200

    def test_it_is_withdrawn_once(self, invitation: InvitationKey, member_client: Client) -> None:
        visitor = scenes.visit(invitation)
        response = member_client.post(page(invitation, "revoke"), follow=True)
        assert "Invitation revoked." in words(response)
        assert visitor.get("/accounts/invited/").status_code == 410
        again = member_client.post(page(invitation, "revoke"))
        assert again.status_code == 409
        assert again.context["error_code"] == "not_pending"

    @pytest.mark.each_case
    @pytest.mark.parametrize("part", [*ACTIONS, "edit"])
    @pytest.mark.parametrize("end", ["used", "declined", "revoked"])
    def test_what_has_ended_stays_as_it_is(
        self, invitation: InvitationKey, member_client: Client, part: str, end: str
    ) -> None:
        rested()
        scenes.end(invitation, end)
        before = scenes.dump()
        response = member_client.post(page(invitation, part), {"note": "late"})
        assert response.status_code == (200 if part == "edit" else 409)
        if part == "edit":
            led = member_client.get(page(invitation, part), follow=True)
            assert led.redirect_chain == [(page(invitation), 302)]
            assert "no longer pending" in words(led)
        assert "no longer pending" in words(response)
        assert scenes.dump() == before
        shown = member_client.get(page(invitation)).content
        assert all(f"/{action}/".encode() not in shown for action in ACTIONS)

    def test_without_invitations_left_an_expired_one_cannot_be_reopened(
        self, settings: Any, invitation: InvitationKey, member_client: Client
    ) -> None:
        settings.INVITATION_RETENTION_DAYS = 9
        scenes.end(invitation, "expired")
        upkeep.expire()
        settings.INVITATIONS_PER_USER = 0
        response = member_client.post(page(invitation, "extend"))
        assert response.context["error_code"] == "no_invitations_left"

    def test_a_site_without_messages_does_it_as_well(
        self, settings: Any, invitation: InvitationKey, member_client: Client
    ) -> None:
        app = "django.contrib.messages"
        settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if app not in name]
        assert member_client.post(page(invitation, "revoke"), follow=True).status_code == 200
        invitation.refresh_from_db()
        assert invitation.status == "revoked"


@pytest.mark.anywhere
class TestTheRows:
    """What the list shows of each invitation, and what can be done there."""

    def row(self, client: Client, **asked: str) -> str:
        """Return the markup of the first row."""
        body = client.get(LIST, asked).content.decode()
        return body.partition("<tbody")[2].partition("<tr")[2].partition("</tr>")[0]

    def test_each_column_has_a_name_that_is_read_out(
        self, invitation: InvitationKey, member_client: Client
    ) -> None:
        body = member_client.get(LIST).content.decode()
        heads = re.findall(r'<th role="columnheader" scope="col">(\w+)</th>', body)
        assert heads == ["Person", "State", "Created", "Expires", "Actions"]
        assert body.count('role="cell"') == len(heads)

    @pytest.mark.parametrize("state", ["pending", "accepted", "declined", "revoked", "expired"])
    def test_each_state_has_its_colour_and_its_icon(
        self, member: Any, member_client: Client, state: str
    ) -> None:
        others = {}
        for status in ("pending", "accepted", "declined", "revoked", "expired"):
            make_invitation(member, f"{status}@example.com", status=status, site_id=site_id())
            row = self.row(member_client, q=f"{status}@")
            icon = re.search(r'<path d="([^"]+)"', row)
            badge = re.search(r'class="invitation-badge (invitation-badge--\w+)"', row)
            assert icon is not None
            assert badge is not None
            others[status] = (" ".join(icon[1].split()), badge[1])
            assert f"</svg>{status}</span>" in re.sub(r"\s*\n\s*", "", row)
        mine = others.pop(state)
        assert mine[1] == f"invitation-badge--{state}"
        assert all(mine[0] != icon and mine[1] != colour for icon, colour in others.values())

    @pytest.mark.parametrize(("language", "words"), [("fr", "révoqué"), ("es", "revocad")])
    def test_a_shared_link_has_the_gender_of_a_link(self, language: str, words: str) -> None:
        badge = get_template("invitation/includes/badge.html")
        ends = {"fr": ("", "e"), "es": ("o", "a")}[language]
        for shared, end in zip((True, False), ends, strict=True):
            row = InvitationKey(status="revoked", shared=shared)
            with translation.override(language):
                shown = badge.render({"invitation": row})
            assert re.search(rf"\b{words}{end}\s*</span>", shown)

    @pytest.mark.parametrize(
        ("state", "actions"),
        [
            ("pending", ["Copy link", "Resend", "Revoke"]),
            ("expired", ["Resend", "Extend"]),
            ("accepted", []),
            ("declined", []),
            ("revoked", ["Resend"]),
        ],
    )
    def test_a_row_offers_what_can_be_done(
        self, member: Any, member_client: Client, state: str, actions: list[str]
    ) -> None:
        make_invitation(member, status=state, site_id=site_id())
        row = self.row(member_client).partition("invitation-table__actions")[2]
        assert re.findall(r">\s*([A-Z][a-z ]+)</(?:a|button)>", row) == actions

    def test_who_may_no_longer_invite_can_only_revoke(
        self, settings: Any, invitation: InvitationKey, member_client: Client
    ) -> None:
        settings.INVITATION_PERMISSION = "invitation.add_invitationkey"
        row = self.row(member_client).partition("invitation-table__actions")[2]
        assert re.findall(r">\s*([A-Z][a-z ]+)</(?:a|button)>", row) == ["Revoke"]
        assert "Invite someone" not in words(member_client.get(LIST))

    def test_the_link_to_copy_is_on_another_page(
        self, invitation: InvitationKey, member_client: Client
    ) -> None:
        row = self.row(member_client)
        assert re.search(rf'<a href="{page(invitation, "link")}" data-invitation-copy ', row)
        body = member_client.get(page(invitation, "link")).content.decode()
        assert re.search(
            r'<input id="invitation-link" type="url" dir="ltr" readonly value="h', body
        )
        # The button does nothing without the script, which shows it.
        assert re.search(r'<button class="[^"]+" type="button" hidden data-invitation-copy', body)

    def test_an_action_leads_back_to_the_same_page_of_the_list(
        self, invitation: InvitationKey, member_client: Client
    ) -> None:
        rested()
        address = f"{LIST}?q=new&state=pending"
        row = self.row(member_client, q="new", state="pending")
        assert row.count('name="next" value="/accounts/invitations/?q=new&amp;state=pending"') == 1
        response = member_client.post(page(invitation, "resend"), {"next": address}, follow=True)
        assert response.redirect_chain == [(address, 302)]
        assert "We are sending the email again" in words(response)

    @pytest.mark.parametrize("address", ["https://evil.example/", "//evil.example", "x:y", "\0"])
    def test_an_action_leads_to_no_other_site(
        self, invitation: InvitationKey, member_client: Client, address: str
    ) -> None:
        response = member_client.post(page(invitation, "extend"), {"next": address})
        assert response["Location"] == page(invitation)
        asked = member_client.get(page(invitation, "revoke"), {"next": address})
        assert (asked.context["next"], asked.context["cancel_url"]) == ("", page(invitation))

    def test_the_states_are_links_that_keep_what_was_searched(
        self, invitation: InvitationKey, member_client: Client
    ) -> None:
        response = member_client.get(LIST, {"q": "new", "state": "pending"})
        body = response.content.decode().partition('class="invitation-filter"')[2]
        filters = re.findall(r'<li><a href="([^"]*)"( aria-current="true")?>(\w+)</a>', body)
        assert [(unescape(href), bool(on), label) for href, on, label in filters] == [
            (f"{LIST}?q=new", False, "All"),
            (f"{LIST}?q=new&state=pending", True, "Pending"),
            (f"{LIST}?q=new&state=accepted", False, "Accepted"),
            (f"{LIST}?q=new&state=declined", False, "Declined"),
            (f"{LIST}?q=new&state=expired", False, "Expired"),
            (f"{LIST}?q=new&state=revoked", False, "Revoked"),
        ]
        assert '<input type="hidden" name="state" value="pending"' in body

    def test_a_search_has_a_button_only_without_the_script(
        self, invitation: InvitationKey, member_client: Client
    ) -> None:
        body = member_client.get(LIST).content.decode()
        form = body.partition('role="search"')[2].partition("</form>")[0]
        assert re.findall(r"<(noscript|button|/noscript)\b", form) == [
            "noscript",
            "button",
            "/noscript",
        ]

    def test_the_script_is_a_file(self, invitation: InvitationKey, member_client: Client) -> None:
        scripts = re.findall(r"<script[^>]*>", member_client.get(LIST).content.decode())
        assert scripts == ['<script src="/static/invitation/invitation.js" defer>']


@pytest.mark.anywhere
class TestAskingFirst:
    """The page that asks before what cannot be undone."""

    @pytest.mark.parametrize(
        ("part", "said"),
        [
            (
                "revoke",
                "Revoke this invitation? new@example.com The link stops working for good. "
                "You can invite them again, with a new link. You do not get this invitation back.",
            ),
            ("change-link", "Replace this link? new@example.com Links already sent or shared"),
        ],
    )
    def test_it_says_what_will_happen(
        self, invitation: InvitationKey, member_client: Client, part: str, said: str
    ) -> None:
        with CaptureQueriesContext(connection) as queries:
            response = member_client.get(page(invitation, part))
        assert said in words(response)
        assert f'href="{page(invitation)}">Cancel' in response.content.decode()
        assert "invitation-button--danger" in response.content.decode()
        assert "no-store" in response["Cache-Control"]
        asked = [query for query in queries if not query["sql"].startswith(CONTROL)]
        assert len(asked) <= 6

    def test_it_promises_only_what_is_true(
        self, settings: Any, invitation: InvitationKey, member_client: Client
    ) -> None:
        settings.INVITATIONS_PER_USER = None
        told = words(member_client.get(page(invitation, "revoke")))
        assert "with a new link." in told
        assert "invitation back" not in told
        settings.INVITATION_PERMISSION = "invitation.add_invitationkey"
        assert "with a new link." not in words(member_client.get(page(invitation, "revoke")))

    def test_what_it_posts_does_it_and_leads_back(
        self, invitation: InvitationKey, member_client: Client
    ) -> None:
        address = f"{LIST}?state=pending"
        asked = member_client.get(page(invitation, "revoke"), {"next": address})
        assert f'href="{address}">Cancel' in asked.content.decode()
        assert f'name="next" value="{address}"' in asked.content.decode()
        response = member_client.post(page(invitation, "revoke"), {"next": address}, follow=True)
        assert response.redirect_chain == [(address, 302)]
        assert "Invitation revoked." in words(response)
        invitation.refresh_from_db()
        assert invitation.status == "revoked"

    @pytest.mark.parametrize("part", ASKED)
    @pytest.mark.parametrize("end", ["expired", "used", "declined", "revoked"])
    def test_it_does_not_ask_about_what_has_ended(
        self, invitation: InvitationKey, member_client: Client, part: str, end: str
    ) -> None:
        scenes.end(invitation, end)
        assert member_client.get(page(invitation, part))["Location"] == page(invitation)

    def test_who_may_not_replace_a_link_is_not_asked(
        self, settings: Any, invitation: InvitationKey, member_client: Client
    ) -> None:
        settings.INVITATION_PERMISSION = "invitation.add_invitationkey"
        assert member_client.get(page(invitation, "change-link")).status_code == 403
        assert member_client.get(page(invitation, "revoke")).status_code == 200


@pytest.mark.anywhere
class TestEditing:
    def test_the_form_holds_what_is_there(
        self, invitation: InvitationKey, member_client: Client
    ) -> None:
        form = member_client.get(page(invitation, "edit")).context["form"]
        assert form["recipient_name"].value() == "Newcomer"
        assert form["note"].value() == "Come and see."

    def test_what_is_saved_is_what_the_landing_page_shows(
        self, invitation: InvitationKey, member_client: Client
    ) -> None:
        typed = {"recipient_name": "Robin", "note": "Line one.\r\nLine two."}
        response = member_client.post(page(invitation, "edit"), typed, follow=True)
        assert response.redirect_chain == [(page(invitation), 302)]
        assert "Changes saved." in words(response)
        landing = scenes.visit(invitation).get("/accounts/invited/")
        assert landing.context["note"] == "Line one.\nLine two."
        assert landing.context["recipient_name"] == "Robin"

    @pytest.mark.parametrize("note", ["www.example.org", "x" * 501, "a\0b"])
    def test_a_bad_note_is_a_form_error(
        self, invitation: InvitationKey, member_client: Client, note: str
    ) -> None:
        before = scenes.dump()
        response = member_client.post(page(invitation, "edit"), {"note": note})
        assert response.status_code == 200
        assert response.context["form"].errors["note"]
        assert scenes.dump() == before

    def shown(self, name: str = "Newcomer", note: str = "Come and see.") -> dict[str, str]:
        """Return what the page posts if nothing is changed on it."""
        return {
            "initial-recipient_name": name,
            "recipient_name": name,
            "initial-note": note,
            "note": note,
        }

    def test_another_tab_does_not_bring_an_old_text_back(
        self, invitation: InvitationKey, member_client: Client
    ) -> None:
        form = member_client.get(page(invitation, "edit")).content.decode()
        assert 'name="initial-note" value="Come and see."' in form
        url = page(invitation, "edit")
        member_client.post(url, self.shown() | {"note": "One.\r\nTwo."})
        member_client.post(url, self.shown() | {"recipient_name": "Robin"})
        invitation.refresh_from_db()
        assert (invitation.recipient_name, invitation.note) == ("Robin", "One.\nTwo.")

    def test_two_tabs_with_two_notes_are_an_error_once(
        self, invitation: InvitationKey, member_client: Client
    ) -> None:
        url = page(invitation, "edit")
        member_client.post(url, self.shown() | {"note": "First."})
        response = member_client.post(url, self.shown() | {"note": "Second."})
        (error,) = response.context["form"].errors["note"]
        assert error.endswith("It is now: “First.”")
        assert 'name="initial-note" value="First."' in response.content.decode()
        member_client.post(url, self.shown(note="First.") | {"note": "Second."})
        invitation.refresh_from_db()
        assert invitation.note == "Second."

    def test_the_same_note_in_two_tabs_is_no_error(
        self, invitation: InvitationKey, member_client: Client
    ) -> None:
        for _tab in range(2):
            typed = self.shown() | {"note": "The same."}
            assert member_client.post(page(invitation, "edit"), typed).status_code == 302


@pytest.mark.anywhere
class TestTheLink:
    def link(self, response: Any) -> str:
        found = re.search(r'value="(https?://[^"]+)"', response.content.decode())
        assert found is not None
        return found[1]

    def test_it_opens_the_invitation_and_proves_nothing(
        self, invitation: InvitationKey, member_client: Client
    ) -> None:
        response = member_client.get(page(invitation, "link"))
        link = self.link(response)
        assert link.endswith(scenes.link(invitation.key))
        assert invitation.mail_key not in response.content.decode()
        opened = arriving.open_invitation(invitation.key, invitation.site_id)
        assert not opened.proves(NEWCOMER)

    def test_an_invitation_for_nobody_in_particular_reads_well(
        self, member: Any, member_client: Client
    ) -> None:
        invitation = inviting.create_without_address(member)
        for part in ("link", "edit"):
            said = words(member_client.get(page(invitation, part)))
            assert " ." not in said
            assert "for ." not in said

    def test_nobody_keeps_the_page(self, invitation: InvitationKey, member_client: Client) -> None:
        response = member_client.get(page(invitation, "link"))
        assert "no-store" in response["Cache-Control"]
        assert response["Referrer-Policy"] == "same-origin"

    @pytest.mark.parametrize("end", ["expired", "used", "declined", "revoked"])
    def test_what_opens_nothing_is_not_shown(
        self, invitation: InvitationKey, member_client: Client, end: str
    ) -> None:
        scenes.end(invitation, end)
        response = member_client.get(page(invitation, "link"))
        assert response.status_code == 409
        assert keys.PATTERN.search(response.content.decode()) is None

    def test_the_qr_code_says_the_same(
        self, invitation: InvitationKey, member_client: Client
    ) -> None:
        response = member_client.get(page(invitation, "link"))
        drawn = response.context["qr_code"]
        assert drawn in response.content.decode()
        [found] = zxingcpp.read_barcodes(rasterized(drawn))
        assert found.text == self.link(response)

    def test_without_segno_there_is_none(
        self,
        invitation: InvitationKey,
        member_client: Client,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setitem(sys.modules, "segno", None)
        response = member_client.get(page(invitation, "link"))
        assert response.context["qr_code"] == ""
        assert b"invitation-qr" not in response.content
        assert self.link(response)


def rasterized(svg: str) -> Image.Image:
    """Draw what segno draws: one path of horizontal strokes, one unit high, on a ground."""
    size = int(re.search(r'viewBox="0 0 (\d+) \1"', svg)[1])  # type: ignore[index]
    strokes = re.search(r'stroke="#000"[^>]* d="([^"]+)"|d="([^"]+)"[^>]* stroke="#000"', svg)
    assert strokes is not None, svg[:500]
    image = Image.new("L", (size * 4, size * 4), 255)
    draw = ImageDraw.Draw(image)
    x = y = 0.0
    for command, numbers in re.findall(r"([MmhH])([^MmhH]*)", strokes[1] or strokes[2]):
        values = [float(number) for number in re.findall(r"-?[\d.]+", numbers)]
        if command == "M":
            x, y = values
        elif command == "m":
            x, y = x + values[0], y + values[1]
        else:
            end = x + values[0]
            draw.rectangle((x * 4, (y - 0.5) * 4, end * 4 - 1, (y + 0.5) * 4 - 1), fill=0)
            x = end
    return image


def test_a_code_is_one_element_that_scales() -> None:
    drawn = qr.svg("https://example.org/")
    assert drawn.startswith("<svg")
    assert drawn.count("<svg") == 1
    assert " width=" not in drawn.partition(">")[0]
    assert "<script" not in drawn


def test_the_addresses_have_names(member: Any) -> None:
    names = ("detail", "edit", "link", "resend", "extend", "change_link", "revoke")
    for name in names:
        assert reverse(f"invitation_{name}", kwargs={"pk": 7}).startswith(f"{LIST}7/")
    assert reverse("invitation_list") == LIST


def test_who_has_the_permission_may_do_all(
    settings: Any, invitation: InvitationKey, member: Any, member_client: Client
) -> None:
    settings.INVITATION_PERMISSION = "invitation.add_invitationkey"
    member.user_permissions.add(Permission.objects.get(codename="add_invitationkey"))
    assert member_client.post(page(invitation, "extend")).status_code == 302
