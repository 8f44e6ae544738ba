"""Play a guest in a browser: fill a basket first, sign up or log in later."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PASSWORD, invite, log_in, mailed_link, violations

Visit = Callable[..., Page]
#: The browser of the tests calls itself headless, and a robot does not become a guest.
PERSON = "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0"
LOOKS: list[dict[str, Any]] = [
    {"color_scheme": scheme, "viewport": {"width": width, "height": 800}}
    for scheme, width in (("light", 1280), ("dark", 390))
]


def reserve(page: Page, *varieties: str) -> None:
    for variety in varieties:
        page.goto("/")
        page.get_by_role("button", name=f"Reserve {variety}").click()
        expect(page.get_by_role("heading", name="Your basket")).to_be_visible()


def basket(page: Page) -> list[str]:
    page.goto("/basket/")
    return page.locator(".rows__what").all_inner_texts()


def fill_in(page: Page, username: str, email: str, clicks: int = 1) -> None:
    page.get_by_label("Username").fill(username)
    if page.get_by_label("mail", exact=False).is_editable():
        page.get_by_label("mail", exact=False).fill(email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("confirm", exact=False).fill(PASSWORD)
    page.get_by_role("main").get_by_role("button", name="Sign up").click(click_count=clicks)


def test_a_guest_fills_a_basket_signs_up_and_still_has_it(visit: Visit) -> None:
    page = visit(user_agent=PERSON)
    assert basket(page) == []
    reserve(page, "Blue Lake", "Hungry Gap")
    page.get_by_role("link", name="Sign up and keep your basket").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("invitation")
    assert basket(page) == ["Blue Lake", "Hungry Gap"]

    page.goto("/accounts/join/seed-swap/")
    page.get_by_role("button", name="Look around first").click()
    page.goto("/basket/")
    page.get_by_role("link", name="Sign up and keep your basket").click()
    fill_in(page, "plover", "plover@example.org")
    expect(page.get_by_role("heading", name="Your basket")).to_be_visible()
    assert basket(page) == ["Blue Lake", "Hungry Gap"]
    page.goto("/members/")
    expect(page.get_by_role("heading", level=1)).to_contain_text("plover")
    expect(page.get_by_role("main")).not_to_contain_text("Guest ")


def test_an_invited_person_looks_around_and_signs_up_later(visit: Visit) -> None:
    member = visit()
    log_in(member, "june")
    invite(member, "avocet@example.org", name="Avocet")
    page = visit(user_agent=PERSON)
    page.goto(mailed_link(page, "avocet@example.org", "/invited/"))
    page.get_by_role("button", name="Look around first").click()
    reserve(page, "Ladybird")
    page.context.clear_cookies(name="invitation_key")
    page.get_by_role("link", name="Sign up and keep your basket").click()
    expect(page.get_by_label("mail", exact=False)).to_have_value("avocet@example.org")
    fill_in(page, "avocet", "avocet@example.org")
    expect(page.get_by_role("heading", name="Your basket")).to_be_visible()
    assert basket(page) == ["Ladybird"]
    member.goto("/members/")
    expect(member.locator(".rows > li", has_text="Avocet").first).to_contain_text("accepted")


def test_a_guest_logs_in_and_finds_both_baskets_in_one(visit: Visit) -> None:
    member = visit()
    log_in(member, "june")
    reserve(member, "Harbinger")
    page = visit(user_agent=PERSON)
    reserve(page, "Harbinger", "Uchiki Kuri")
    page.get_by_role("link", name="I already have an account").click()
    page.get_by_label("Username").fill("june")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("main").get_by_role("button", name="Log in", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("in your account now")
    assert basket(page) == ["Harbinger", "Uchiki Kuri"]


def test_a_double_click_on_sign_up_loses_nothing(visit: Visit) -> None:
    page = visit(user_agent=PERSON)
    page.goto("/accounts/join/seed-swap/")
    page.get_by_role("button", name="Look around first").click()
    reserve(page, "Blue Lake")
    page.get_by_role("link", name="Sign up and keep your basket").click()
    fill_in(page, "dunnock", "dunnock@example.org", clicks=2)
    expect(page.get_by_role("heading", name="Your basket")).to_be_visible()
    page.wait_for_load_state("networkidle")
    assert basket(page) == ["Blue Lake"]
    page.goto("/members/")
    expect(page.get_by_role("heading", level=1)).to_contain_text("dunnock")


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: str(look["color_scheme"]))
def test_everybody_can_use_the_pages_of_a_guest(visit: Visit, look: dict[str, Any]) -> None:
    page = visit(user_agent=PERSON, bypass_csp=True, **look)
    page.goto("/accounts/join/seed-swap/")
    found = violations(page)
    page.get_by_role("button", name="Look around first").click()
    reserve(page, "Velvet Queen")
    for path in ("/", "/basket/", "/guests/", "/guests/done/", "/accounts/invited/"):
        page.goto(path)
        found += violations(page)
        width = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        if page.evaluate(width) > 0:
            found.append(f"{path} is wider than the window")
    page.goto("/guests/")
    page.context.clear_cookies(name="sessionid")
    fill_in(page, "late", "late@example.org")
    expect(page.get_by_role("heading", level=1)).to_have_text("You are no longer a guest")
    found += violations(page)
    assert found == []
