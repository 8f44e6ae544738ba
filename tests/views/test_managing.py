"""The pages on which a member sees and manages what he has sent."""

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
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
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
    """Let the cool-down of every invitation pass, whose mail has left long ago."""
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
        assert stranger.get(LIST).context["invitations"].count() == 0
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
        assert member_client.get(LIST).context["invitations"].count() == 0

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
        # Who had to log in first comes back by GET.
        assert response.status_code == status
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
        assert "You have not invited anybody so far." in words(response)
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
        assert "You may invite as many people as you like." in words(shown[0])
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
        assert "No invitation of yours fits." in words(response)
        assert f'href="{LIST}"'.encode() in response.content

    def test_the_pages_keep_what_was_asked_for(self, member: Any, member_client: Client) -> None:
        rows = many(member, 26)
        response = member_client.get(LIST, {"q": "n", "state": "pending", "page": "1", "x": "y"})
        assert link(response, "next") == f"?q=n&state=pending&before={rows[24].pk}"
        odd = InvitationKey.objects.filter(from_user=member)
        odd.update(recipient_name='"<&é')
        response = member_client.get(LIST, {"q": '"<&é', "state": ""})
        assert link(response, "next") == f"?q=%22%3C%26%C3%A9&before={rows[24].pk}"

    @pytest.mark.parametrize("rows", [1, 60])
    def test_it_costs_six(self, member: Any, member_client: Client, rows: int) -> None:
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
        assert len(asked) <= 6


def site_id() -> int:
    """Return the site of the invitations that are made in these tests."""
    from invitation.keys import sites

    return sites.current_site_id()


@pytest.mark.anywhere
class TestWhatItSays:
    @pytest.mark.parametrize(
        ("state", "failure", "error", "said"),
        [
            ("queued", "", "", "The mail waits to be sent."),
            ("sending", "", "", "The mail waits to be sent."),
            ("sent", "", "", "Sent."),
            ("failed", "refused", "550 <b>no</b> user", "550 &lt;b&gt;no&lt;/b&gt; user"),
            ("failed", "broken", "ValueError: relayuser", "The email could not be created."),
            ("failed", "bounced", "relayuser", "It bounced: nobody reads email at this address."),
            ("failed", "", "ValueError: relayuser", "The mail could not be sent."),
            ("cancelled", "", "relayuser", "The site's staff have stopped the mail."),
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
            assert said in told
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
            assert "The mail could not be sent." in told
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
            assert "Open it again" in said

    def test_of_an_invitation_that_was_never_mailed(
        self, member: Any, member_client: Client
    ) -> None:
        invitation = inviting.create_without_address(member)
        for address in (LIST, page(invitation)):
            assert "Not mailed." in words(member_client.get(address))
        assert invitation.key_hint in words(member_client.get(LIST))

    @pytest.mark.parametrize(
        ("status", "said"),
        [("declined", "Declined on"), ("revoked", "Withdrawn on"), ("expired", "Expired on")],
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
        assert "The account is gone." in said

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
        assert "The mail was asked for again" in words(response)
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
        assert "is being sent at this moment" in words(response)
        assert InvitationEmail.objects.count() == 2

    def test_an_expired_one_is_sent_again_and_open_again(
        self, invitation: InvitationKey, member_client: Client
    ) -> None:
        rested()
        scenes.end(invitation, "expired")
        assert "Send the mail again" in words(member_client.get(page(invitation)))
        member_client.post(page(invitation, "resend"))
        invitation.refresh_from_db()
        assert invitation.is_usable()

    def test_it_gets_more_time(self, invitation: InvitationKey, member_client: Client) -> None:
        InvitationKey.objects.update(expires_at=timezone.now() + timedelta(hours=1))
        response = member_client.post(page(invitation, "extend"), follow=True)
        assert "open for its whole time again" in words(response)
        invitation.refresh_from_db()
        assert invitation.expires_at is not None
        assert invitation.expires_at > timezone.now() + 6 * DAY

    def test_a_new_link_kills_the_old_ones(
        self, invitation: InvitationKey, member_client: Client
    ) -> None:
        visitor = scenes.visit(invitation)
        response = member_client.post(page(invitation, "change-link"), follow=True)
        assert "has a new link" in words(response)
        assert visitor.get("/accounts/invited/").status_code == 404
        invitation.refresh_from_db()
        assert scenes.visit(invitation).get("/accounts/invited/").status_code == 200

    def test_it_is_withdrawn_once(self, invitation: InvitationKey, member_client: Client) -> None:
        visitor = scenes.visit(invitation)
        response = member_client.post(page(invitation, "revoke"), follow=True)
        assert "The invitation is withdrawn." in words(response)
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
            assert "no longer open" in words(led)
        assert "no longer open" in words(response)
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
        assert "The changes are saved." in words(response)
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
