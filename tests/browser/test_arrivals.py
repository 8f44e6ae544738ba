"""Click through the arrivals of people who have an account: with a link, and without one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import PASSWORD, Demo, invite, log_in, mailed_link, violations

Visit = Callable[..., Page]


@pytest.fixture(scope="module")
def link(browser: Browser, demo: Demo) -> Any:
    """Return what invites a member's own address and gives the link of the email."""
    context = browser.new_context(base_url=demo.url)

    def make(login: str) -> str:
        page = context.new_page()
        log_in(page, "rosa")
        address = f"{login}@lindenrow.example"
        invite(page, address, note="Join us.")
        found = mailed_link(page, address, "/invited/")
        context.clear_cookies()
        return found

    yield make
    context.close()


def test_a_member_accepts_what_waits_for_her(visit: Visit) -> None:
    page = visit(bypass_csp=True)
    log_in(page, "nadia")
    page.get_by_role("link", name="For you (1)").click()
    expect(page.get_by_text("Saturday table")).to_be_visible()
    assert violations(page) == []
    page.get_by_role("button", name="Accept").click()
    expect(page.get_by_role("heading", name="Invitation accepted")).to_be_visible()
    expect(page.get_by_text("Saturday table")).to_be_visible()
    assert violations(page) == []
    page.get_by_role("link", name="Go to the site").click()
    expect(page.get_by_role("link", name="For you (1)")).to_have_count(0)


def test_a_member_who_is_signed_out_logs_in_and_goes_on_where_he_was(
    visit: Visit, link: Callable[[str], str]
) -> None:
    page = visit(bypass_csp=True)
    page.goto(link("amir"))
    page.get_by_role("link", name="I already have an account").click()
    page.get_by_label("Username").fill("amir")
    page.get_by_label("Password").fill(PASSWORD)
    page.locator("main").get_by_role("button", name="Log in", exact=True).click()
    expect(page).to_have_url(page.url.split("/accounts/")[0] + "/accounts/invited/")
    page.get_by_role("button", name="Accept as amir").click()
    expect(page.get_by_role("heading", name="Invitation accepted")).to_be_visible()


def test_who_is_signed_in_as_somebody_else_changes_the_account(
    visit: Visit, link: Callable[[str], str]
) -> None:
    page = visit(bypass_csp=True)
    log_in(page, "june")
    page.goto(link("tomas"))
    expect(page.get_by_text("another email address than your account has")).to_be_visible()
    assert violations(page) == []
    page.get_by_role("button", name="Log in with another account").click()
    page.get_by_label("Username").fill("tomas")
    page.get_by_label("Password").fill(PASSWORD)
    page.locator("main").get_by_role("button", name="Log in", exact=True).click()
    expect(page.get_by_role("button", name="Accept as tomas")).to_be_visible()
    assert violations(page) == []
