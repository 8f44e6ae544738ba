"""Type what a login interrupts: the tab keeps it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PASSWORD, log_in

Visit = Callable[..., Page]

NOTHING_SENT = "You were logged out. We have not sent or changed anything yet."


@pytest.fixture
def page(visit: Visit) -> Page:
    page = visit()
    log_in(page, "june")
    return page


def press_without_a_session(page: Page, button: str) -> None:
    """Press a button after the session has ended, and log in again."""
    page.context.clear_cookies(name="sessionid")
    page.get_by_role("main").get_by_role("button", name=button).click()
    expect(page.get_by_role("main")).to_contain_text(NOTHING_SENT)
    page.get_by_label("Username").fill("june")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("main").get_by_role("button", name="Log in", exact=True).click()


def test_an_invitation_that_was_typed(page: Page) -> None:
    page.goto("/accounts/invite/")
    page.get_by_label("Email address").fill("ivy@example.org")
    page.get_by_text("More options").click()
    page.get_by_label("Personal note").fill("One.\nTwo.")
    press_without_a_session(page, "Send invitation")
    expect(page.get_by_label("Email address")).to_have_value("ivy@example.org")
    expect(page.get_by_label("Personal note")).to_be_visible()
    expect(page.get_by_label("Personal note")).to_have_value("One.\nTwo.")
    # It is kept once, and for no other page.
    page.reload()
    expect(page.get_by_label("Email address")).to_have_value("")


def test_an_invitation_that_was_previewed(page: Page) -> None:
    page.goto("/accounts/invite/")
    page.get_by_label("Email address").fill("ivy@example.org")
    page.get_by_role("button", name="Preview email").click()
    page.frame_locator("iframe").get_by_role("heading").wait_for()
    press_without_a_session(page, "Send invitation")
    expect(page.get_by_label("Email address")).to_have_value("ivy@example.org")
    expect(page.get_by_label("Personal note")).to_be_hidden()  # as usual, because it is empty


def test_a_list_that_was_checked_and_corrected(page: Page) -> None:
    page.goto("/accounts/invite/list/")
    page.get_by_label("Email addresses").fill("ash@example.org\nelm@")
    page.get_by_role("button", name="Check list").click()
    page.get_by_label("Email address in row 2").fill("elm@example.org")
    page.get_by_role("main").get_by_role("button", name="Check again").click()
    press_without_a_session(page, "Invite 2 people")
    main = page.get_by_role("main")
    expect(main).to_contain_text("2 people will be invited. We have not sent anything yet.")
    expect(page).to_have_url(re.compile("/confirm/$"))
