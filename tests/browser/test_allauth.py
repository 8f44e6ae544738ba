"""The demo on django-allauth: its pages, in a browser."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.browser.conftest import (
    PASSWORD,
    free_port,
    invite,
    mailed_link,
    start_demo,
    stop_demo,
    violations,
)

NEW_PASSWORD = "spade-and-trowel-7"


def test_a_newcomer_signs_up_with_allauth_and_not_as_somebody_else(
    browser: Browser, tmp_path: Path
) -> None:
    demo, _ = start_demo(tmp_path, free_port(), "allauth")
    try:
        contexts = [
            browser.new_context(
                bypass_csp=True, base_url=demo.url, color_scheme=scheme, viewport=size
            )
            for scheme, size in (
                ("light", {"width": 1280, "height": 800}),
                ("dark", {"width": 320, "height": 640}),
            )
        ]
        member, newcomer = (context.new_page() for context in contexts)
        member.goto("/accounts/login/")
        assert violations(member) == []
        member.get_by_label("Email").fill("rosa@lindenrow.example")
        member.get_by_label("Password").fill(PASSWORD)
        member.get_by_role("main").get_by_role("button", name="Sign In").click()
        expect(member).to_have_url(re.compile("/members/$"))
        invite(member, "wren@example.org", name="Wren")
        newcomer.goto("/accounts/signup/")
        expect(newcomer.get_by_role("heading", level=1)).to_have_text("You need an invitation")
        link = mailed_link(member, "wren@example.org", "/invited/")
        newcomer.goto(link)
        newcomer.locator("a[href$='/accounts/signup/']").first.click()
        expect(newcomer.get_by_label("Email")).to_have_value("wren@example.org")
        assert violations(newcomer) == []
        # Somebody comes from a provider with another address.
        newcomer.get_by_role("link", name="Dummy").click()
        newcomer.get_by_role("button", name="Continue").click()
        newcomer.get_by_label("Account ID").fill("7")
        newcomer.locator("input[name=email]").fill("other@example.org")
        newcomer.get_by_role("button", name="Login").click()
        expect(newcomer.get_by_role("heading", level=1)).to_have_text(
            "This invitation is for another address"
        )
        assert violations(newcomer) == []
        newcomer.get_by_role("link", name="Back to invitation").click()
        newcomer.locator("a[href$='/accounts/signup/']").first.click()
        newcomer.get_by_label("Password").fill(NEW_PASSWORD)
        newcomer.get_by_role("button", name="Sign Up").click()
        expect(newcomer).to_have_url(re.compile("/members/$"))
        newcomer.goto(link)
        expect(newcomer.get_by_role("heading", level=1)).to_have_text(
            "You already accepted this invitation"
        )
        # allauth's own page of addresses has one main button in each form.
        newcomer.goto("/accounts/email/")
        kinds = {
            button.inner_text(): (button.get_attribute("class") or "").partition("--")[2]
            for button in newcomer.get_by_role("main").get_by_role("button").all()
        }
        assert kinds["Re-send Verification"] == "quiet"
        assert kinds["Remove"] == "danger"
        assert kinds["Make Primary"] == kinds["Add Email"] == ""
        for context in contexts:
            context.close()
    finally:
        stop_demo(demo)
