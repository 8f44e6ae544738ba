"""Start and stop the demo as ``make demo`` does, and follow its guided story."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Demo, free_port, start_demo, stop_demo, violations

Visit = Callable[..., Page]
PASSWORD = "spade-and-trowel-7"


def test_the_demo_starts_says_so_stops_with_ctrl_c_and_keeps_its_data(tmp_path: Path) -> None:
    port = free_port()
    demo, first = start_demo(tmp_path, port)
    assert first.endswith(f"Demo ready at http://127.0.0.1:{port}/\n")
    assert "rosa" in first
    said = stop_demo(demo)
    assert demo.process.returncode == 0
    assert "Traceback" not in said
    demo, second = start_demo(tmp_path, port)
    stop_demo(demo)
    assert "Made members" in first
    assert "Made members" not in second


@pytest.mark.parametrize("scripts", [True, False])
def test_one_click_on_the_log_in_page_logs_in(visit: Visit, scripts: bool) -> None:
    page = visit(java_script_enabled=scripts)
    page.goto("/accounts/login/?next=/accounts/invitations/")
    for name in ("Rosa", "Amir", "June", "Tomáš", "Nadia"):
        expect(page.get_by_role("button", name=f"Log in as {name}")).to_be_visible()
    page.get_by_role("button", name="Log in as Amir").click()
    expect(page).to_have_url(re.compile("/accounts/invitations/$"))


def test_the_guided_story_is_followed_click_by_click(visit: Visit) -> None:
    """Without script, in one browser, from the log-in page to the new account."""
    page = visit(java_script_enabled=False)
    story = page.get_by_role("link", name="Follow the guided story").first
    page.goto("/accounts/login/")
    story.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Guided story")
    page.get_by_role("button", name="Log in as Amir").click()
    expect(page).to_have_url(re.compile("/accounts/invite/$"))
    page.get_by_label("Email address").fill("skylark@example.org")
    page.get_by_role("button", name="Send invitation").click()

    story.click()
    page.get_by_role("main").get_by_role("button", name="Log out").click()
    story.click()
    page.get_by_role("main").get_by_role("link", name="inbox").first.click()
    page.get_by_role("main").get_by_role("listitem").first.get_by_role("link").click()
    expect(page.get_by_role("main")).to_contain_text("skylark@example.org")
    page.locator("pre a[href*='/invited/']").first.click()
    page.get_by_role("main").locator("a[href$='/accounts/register/']").first.click()
    page.get_by_label("Username").fill("skylark")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("confirm", exact=False).fill(PASSWORD)
    page.get_by_role("main").locator("form[method=post] button[type=submit]").last.click()

    story.click()
    page.get_by_role("main").get_by_role("link", name="inbox").first.click()
    page.get_by_role("main").get_by_role("listitem").first.get_by_role("link").click()
    page.locator("pre a[href*='/activate/']").first.click()
    page.get_by_role("button", name="Activate account").click()
    expect(page).to_have_url(re.compile("/activate/complete/$"))

    page.goto("/inbox/")
    page.locator("li", has_text="skylark@example.org").last.get_by_role("link").click()
    page.locator("pre a[href*='/invited/']").first.click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()


@pytest.mark.parametrize(
    ("name", "heading"),
    [("June", "Inbox"), ("Nadia", ""), ("Tomáš", ""), ("Rosa", "administration")],
)
def test_each_button_of_the_story_leads_on(visit: Visit, name: str, heading: str) -> None:
    page = visit()
    page.goto("/story/")
    page.get_by_role("button", name=f"Log in as {name}").click()
    expect(page).not_to_have_url(re.compile("/story/$"))
    expect(page.get_by_role("heading", level=1)).to_contain_text(heading)


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("de", ("Anmelden", "Geführte Geschichte", "Als Amir anmelden")),
        ("fr", ("Se connecter", "Histoire guidée", "Se connecter : Amir")),
        ("es", ("Iniciar sesión", "Historia guiada", "Entrar como Amir")),
        ("pt-BR", ("Log in", "Guided story", "Log in as Amir")),
    ],
)
def test_the_pages_follow_the_language_of_the_browser(
    browser: Browser, demo: Demo, language: str, words: tuple[str, str, str]
) -> None:
    context = browser.new_context(base_url=demo.url, locale=language)
    page = context.new_page()
    page.goto("/story/")
    log_in, heading, button = words
    expect(page.get_by_role("navigation").get_by_role("link", name=log_in)).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_have_text(heading)
    expect(page.get_by_role("button", name=button)).to_be_visible()
    known = language if language in ("de", "fr", "es") else "en-gb"
    assert page.locator("html").get_attribute("lang") == known
    context.close()


LOOKS: list[dict[str, Any]] = [
    {"color_scheme": scheme, "viewport": {"width": width, "height": 800}}
    for scheme, width in (("light", 1280), ("dark", 390), ("light", 320))
]


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("path", ["/story/", "/accounts/login/"])
def test_the_pages_of_the_demo_can_be_read(visit: Visit, path: str, look: dict[str, Any]) -> None:
    page = visit(bypass_csp=True, **look)
    page.goto(path)
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
