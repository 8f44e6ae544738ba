"""Let axe-core look at every page, light and dark, narrow and wide."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Demo, invite, log_in, mailed_link, violations

Visit = Callable[..., Page]

#: Colours do not depend on the width, nor the layout on the colours.
LOOKS: list[dict[str, Any]] = [
    {"color_scheme": scheme, "viewport": {"width": width, "height": 800}}
    for scheme, width in (("light", 1280), ("dark", 320))
]

VISITOR_PAGES = [
    "/",
    "/inbox/",
    "/accounts/login/",
    "/accounts/login/?next=/accounts/invite/",
    "/accounts/password/reset/",
    "/accounts/password/reset/done/",
    "/accounts/password/reset/complete/",
    "/accounts/password/reset/confirm/x/y/",
    "/accounts/register/",
    "/accounts/register/closed/",
    "/accounts/register/complete/",
    "/accounts/activate/complete/",
    "/accounts/activate/resend/",
    "/accounts/activate/nonsense/",
    "/accounts/invited/",
    "/accounts/invited/nonsense/",
    "/accounts/join/",
    "/accounts/join/nobody-knows/",
    "/accounts/unsubscribe/nonsense/",
    "/nowhere/",
]
MEMBER_PAGES = [
    "/members/",
    "/accounts/invite/",
    "/accounts/invite/complete/",
    "/accounts/invitations/",
    "/accounts/invitations/?state=accepted&q=leon",
    "/accounts/invitations/?q=nobody",
    "/accounts/invitations/received/",
    "/accounts/password/change/done/",
    "/accounts/password/change/",
]
SHARED = "/accounts/invitations/?state=shared"
SHARING_PAGES = ["/accounts/invite/link/", SHARED]
#: Links to the pages of the invitations in a member's list.
PEOPLE = ".invitation-table__person a"
CARRIER_PAGES = ["/accounts/invited/", "/accounts/invited/decline/", "/accounts/register/"]


def inspect(page: Page, path: str) -> list[str]:
    page.goto(path)
    found = violations(page)
    overflow = page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    if overflow > 0:
        found.append(f"{path}: {overflow} px wider than the window")
    return found


@pytest.fixture(scope="module")
def link(browser: Any, demo: Demo) -> str:
    context = browser.new_context(base_url=demo.url)
    page = context.new_page()
    log_in(page, "june")
    invite(page, "owl@example.org", name="Owl", note="See you on Sunday!")
    found = mailed_link(page, "owl@example.org", "/invited/")
    context.close()
    return found


def name_of(look: dict[str, Any]) -> str:
    return f"{look['color_scheme']}-{look['viewport']['width']}"


@pytest.mark.parametrize("look", LOOKS, ids=name_of)
class TestAxe:
    """No violation of WCAG 2.2 AA or of axe's best practices, and nothing wider than the window."""

    def test_pages_of_visitors(self, visit: Visit, look: dict[str, Any]) -> None:
        page = visit(**look, bypass_csp=True)
        assert [found for path in VISITOR_PAGES for found in inspect(page, path)] == []

    def test_pages_of_members(self, visit: Visit, look: dict[str, Any]) -> None:
        page = visit(**look, bypass_csp=True)
        log_in(page, "amir")
        assert [found for path in MEMBER_PAGES for found in inspect(page, path)] == []

    def test_pages_of_a_members_invitations(self, visit: Visit, look: dict[str, Any]) -> None:
        page = visit(**look, bypass_csp=True)
        log_in(page, "amir")
        page.goto("/accounts/invitations/")
        hrefs = page.locator(PEOPLE).evaluate_all("all => all.map(a => a.href)")
        assert len(hrefs) >= 3
        found = [found for path in hrefs for found in inspect(page, path)]
        opened = next(path for path in hrefs if "priya" in page.goto(path).text())
        for part in ("edit/", "link/", "revoke/", "change-link/"):
            found += inspect(page, f"{opened}{part}")
        # Refused the second time at the latest, as an email has left a moment ago.
        page.goto(opened)
        for _ in range(2):
            page.get_by_role("button", name="Resend email").click()
        page.get_by_role("alert").wait_for()
        found += violations(page)
        assert found == []

    def test_a_mail_before_it_is_sent(self, visit: Visit, look: dict[str, Any]) -> None:
        page = visit(**look, bypass_csp=True)
        log_in(page, "amir")
        page.goto("/accounts/invite/")
        page.get_by_label("Email address").fill("heron@example.org")
        page.get_by_role("button", name="Preview email").click()
        page.get_by_role("heading", name="Preview email").wait_for()
        page.frame_locator("iframe").get_by_role("heading").wait_for()
        found = violations(page)
        page.get_by_text("Show as plain text").click()
        found += violations(page)
        overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(overflow) == 0
        assert found == []

    def test_unsubscribing(self, visit: Visit, look: dict[str, Any]) -> None:
        page = visit(**look, bypass_csp=True)
        page.goto("/accounts/unsubscribe/nonsense/")
        page.get_by_role("button", name="Unsubscribe").click()
        page.get_by_role("heading", name="You are unsubscribed").wait_for()
        assert violations(page) == []
        overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(overflow) == 0

    def test_pages_of_shared_links(self, visit: Visit, look: dict[str, Any]) -> None:
        page = visit(**look, bypass_csp=True)
        log_in(page, "rosa")
        found = [found for path in SHARING_PAGES for found in inspect(page, path)]
        page.goto(SHARED)
        hrefs = page.locator(PEOPLE).evaluate_all("all => all.map(a => a.href)")
        assert len(hrefs) >= 3
        found += [found for path in hrefs for found in inspect(page, path)]
        page.goto(SHARED)
        page.get_by_role("link", name="Seed swap on Saturday").click()
        code = page.locator(".invitation-code strong").inner_text()
        shared = page.url
        for part in ("edit/", "close/"):
            found += inspect(page, f"{shared}{part}")
        page.goto("/accounts/invite/link/")
        page.get_by_role("button", name="Create link").click()
        found += violations(page)
        assert found == []

        visitor = visit(**look, bypass_csp=True)
        visitor.goto("/accounts/join/")
        for typed in ("0000 0000 0000", code.lower().replace("-", " ")):
            visitor.get_by_label("Code").fill(typed)
            visitor.get_by_role("button", name="Use code").click()
            assert violations(visitor) == []
        assert visitor.url.endswith("/accounts/invited/")

    def test_who_invited_whom_in_the_admin(self, visit: Visit, look: dict[str, Any]) -> None:
        page = visit(**look, bypass_csp=True)
        log_in(page, "rosa")
        found = []
        # The one came through the other: each shows what the other's page lacks.
        for name in ("nadia", "rosa"):
            page.goto(f"/admin/auth/user/?q={name}")
            page.locator("#result_list").get_by_role("link", name=name, exact=True).click()
            page.get_by_role("link", name="Who invited whom").click()
            page.get_by_role("heading", level=1, name="Who invited whom").wait_for()
            found += inspect(page, page.url)
        assert page.locator(".invitation-tree tbody tr").count() >= 3
        assert found == []

    def test_pages_of_the_invited(self, visit: Visit, look: dict[str, Any], link: str) -> None:
        page = visit(**look, bypass_csp=True)
        page.goto(link)
        assert [found for path in CARRIER_PAGES for found in inspect(page, path)] == []

    def test_the_page_behind_the_activation_link(self, visit: Visit, look: dict[str, Any]) -> None:
        # An account of the sample that was never activated.
        page = visit(**look, bypass_csp=True)
        path = mailed_link(page, "leon@lindenrow.example", "/activate/")
        found = inspect(page, path)
        page.get_by_label("Password", exact=True).fill("one")
        page.get_by_label("Password again").fill("two")
        page.get_by_role("button", name="Activate account").click()
        page.get_by_role("alert").first.wait_for()
        assert found + violations(page) == []

    def test_pages_of_a_dead_link(self, visit: Visit, look: dict[str, Any]) -> None:
        page = visit(**look, bypass_csp=True)
        found = []
        for name in ("walter", "max"):
            found += inspect(page, mailed_link(page, f"{name}@lindenrow.example", "/invited/"))
            found += inspect(page, "/accounts/invited/renewal/")
        page.get_by_role("main").get_by_role("button").click()
        page.get_by_role("heading", name="New invitation requested").wait_for()
        found += violations(page)
        log_in(page, "amir")
        for state in ("revoked", "expired"):
            page.goto(f"/accounts/invitations/?state={state}")
            for href in page.locator(PEOPLE).evaluate_all("l => l.map(a => a.href)"):
                found += inspect(page, f"{href}renew/")
        assert found == []

    def test_the_landing_page_of_somebody_signed_in(
        self, visit: Visit, look: dict[str, Any], link: str
    ) -> None:
        page = visit(**look, bypass_csp=True)
        log_in(page, "amir")
        page.goto(link)
        assert inspect(page, "/accounts/invited/") == []

    def test_forms_with_errors(self, visit: Visit, look: dict[str, Any], link: str) -> None:
        page = visit(**look, bypass_csp=True)
        page.goto(link)
        found = []
        for path in ("/accounts/register/", "/accounts/login/", "/accounts/password/reset/"):
            page.goto(path)
            page.evaluate("document.querySelector('main form[method=post]').noValidate = true")
            page.get_by_role("main").locator(
                "form[method=post]:has(input:not([type=hidden])) button[type=submit]"
            ).last.click()
            page.get_by_role("alert").first.wait_for()
            found += violations(page)
        assert found == []

    def test_the_mails(self, visit: Visit, look: dict[str, Any], link: str) -> None:
        page = visit(**look, bypass_csp=True)
        page.goto("/inbox/")
        page.locator("li", has_text="owl@example.org").first.get_by_role("link").click()
        address = page.url
        found = violations(page)
        found += inspect(page, f"{address}html/")
        # An email is an article in somebody else's page, which has the landmarks already.
        landmarks = (" landmark-one-main: ", " region: ")
        assert [line for line in found if not any(rule in line for rule in landmarks)] == []


def test_axe_would_find_something(visit: Visit) -> None:
    page = visit(bypass_csp=True)
    page.goto("/")
    page.set_content("<html><body><img src='x.png'><input></body></html>")
    assert violations(page)
