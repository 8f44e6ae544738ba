"""The recipes of the documentation: with one file, cards, buttons and headings are the site's."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.contrib.sites.models import Site
from django.template.loader import render_to_string
from django.test import RequestFactory
from playwright.sync_api import Browser, Page, Route

import invitation
from invitation.forms import JoinForm
from invitation.models import InvitationKey
from tests.browser.conftest import AXE, ROOT, violations

MODULES = AXE.parents[1]
RECIPES = ROOT / "docs" / "theming"
STYLES = Path(invitation.__file__).parent / "static" / "invitation" / "invitation.css"
SITE = Site(pk=1, name="Harbour Choir", domain="choir.example")

#: A site's own base: it loads the framework, and has a card of the framework to compare with.
BASE = """{% load static %}<!doctype html>
<html lang="en" HTML>
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
FRAMEWORK
{% block head %}{% endblock %}</head>
<body><header>PROBE</header><main>{% block main %}{% endblock %}</main></body></html>"""


@dataclass(frozen=True)
class Framework:
    """A framework, and what its own documentation calls a card with a button."""

    file: str
    html: str
    probe: str
    schemes: tuple[str, ...]

    @property
    def path(self) -> Path:
        return MODULES / self.file

    def base(self, scheme: str) -> str:
        loads = '<link rel="stylesheet" href="/static/site.css">'
        if self.file.endswith(".js"):
            loads = '<script src="/static/site.js"></script>'
        html = self.html.replace("SCHEME", scheme)
        text = BASE.replace("HTML", html).replace("FRAMEWORK", loads)
        return text.replace("PROBE", self.probe)


FRAMEWORKS = {
    "bootstrap": Framework(
        "bootstrap/dist/css/bootstrap.min.css",
        'data-bs-theme="SCHEME"',
        '<div id="card" class="card"><div class="card-body"><h2 id="heading" class="h1">Card</h2>'
        '<a id="button" class="btn btn-primary" href="#">Go</a></div></div>',
        ("light", "dark"),
    ),
    "pico": Framework(
        "@picocss/pico/css/pico.min.css",
        'data-theme="SCHEME"',
        '<article id="card"><h1 id="heading">Card</h1>'
        '<a id="button" role="button" href="#">Go</a></article>',
        ("light", "dark"),
    ),
    "tailwind": Framework(
        "@tailwindcss/browser/dist/index.global.js",
        "",
        '<div id="card" class="rounded-xl border border-gray-200 bg-white p-8">'
        '<h2 id="heading" class="text-3xl font-semibold text-gray-900">Card</h2>'
        '<a id="button" class="rounded-md bg-indigo-600 px-4 py-2 font-semibold text-white" '
        'href="#">Go</a></div>',
        ("light",),
    ),
}
CASES = [(name, scheme) for name, found in FRAMEWORKS.items() for scheme in found.schemes]

#: What makes a card, a button and a heading look alike.
LIKE = {
    "card": ["backgroundColor", "borderTopLeftRadius"],
    "button": ["backgroundColor", "color", "borderTopLeftRadius", "fontFamily", "fontWeight"],
    "heading": ["color", "fontFamily", "fontWeight"],
}
OURS = {"card": ".invitation-sheet", "button": ".invitation-button", "heading": "main h1"}

REVOKING = "invitation/invitation_confirm.html"
PAGES: dict[str, dict[str, Any]] = {
    "invitation/invited.html": {
        "inviter_name": "Grace Hopper",
        "recipient_name": "Ada",
        "note": "We need an alto.",
        "site_name": SITE.name,
        "site_blurb": "We sing on Tuesdays.",
        "expires_at": datetime(2026, 12, 13, 23, 59, 59, tzinfo=timezone.utc),
        "register_url": "/join/",
        "login_url": "/in/",
        "decline_url": "/no/",
    },
    "invitation/wrong_invitation_key.html": {"reason": "no_key", "no_key": True, "code_form": True},
    "invitation/invitation_join.html": {"form": None},
    "registration/logout.html": {},
    REVOKING: {
        "invitation": InvitationKey(email="ada@example.org", recipient_name="Ada"),
        "action": "revoke",
        "may_invite": True,
        "remaining_invitations": 3,
        "cancel_url": "/back/",
    },
}


def missing(name: str) -> str:
    """Return why the recipe of a framework cannot be tried here, or an empty text."""
    if FRAMEWORKS[name].path.exists():
        return ""
    assert not os.environ.get("CI"), f"{FRAMEWORKS[name].path} is missing"
    return f"{name} is not installed: make test-browser installs it with npm"


@pytest.fixture
def site(settings: Any, tmp_path: Path) -> Any:
    """Return a function that gives a site the recipe of a framework."""

    def choose(name: str, scheme: str) -> None:
        ours = tmp_path / "invitation" / "base.html"
        ours.parent.mkdir()
        ours.write_text((RECIPES / f"{name}.html").read_text("utf-8"))
        (tmp_path / "base.html").write_text(FRAMEWORKS[name].base(scheme))
        changed: Any = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
        settings.TEMPLATES = changed

    return choose


def render(template: str) -> str:
    request = RequestFactory().get("/accounts/somewhere/")
    request.user = AnonymousUser()
    context = {"site": SITE, **PAGES[template]}
    if "form" in context:
        context["form"] = JoinForm({"code": ""})
    return render_to_string(template, context, request=request)


def show(page: Page, name: str, html: str) -> None:
    """Show a page as a server would, with the files that it asks for."""
    framework = FRAMEWORKS[name].path

    def answer(route: Route) -> None:
        url = route.request.url
        if url.endswith("/invitation.css"):
            route.fulfill(body=STYLES.read_text("utf-8"), content_type="text/css")
        elif "/static/site." in url:
            kind = "text/css" if framework.suffix == ".css" else "text/javascript"
            route.fulfill(body=framework.read_text("utf-8"), content_type=kind)
        elif url.endswith("/page/"):
            route.fulfill(body=html, content_type="text/html; charset=utf-8")
        else:
            route.fulfill(status=404, body="")

    page.route("**/*", answer)
    page.goto("http://choir.example/page/", wait_until="networkidle")
    page.wait_for_function("getComputedStyle(document.querySelector('#button')).fontFamily")


def styles(page: Page, selector: str, names: list[str]) -> dict[str, str]:
    found: dict[str, str] = page.locator(selector).first.evaluate(
        "(one, names) => Object.fromEntries(names.map(n => [n, getComputedStyle(one)[n]]))", names
    )
    return found


@pytest.mark.parametrize(("name", "scheme"), CASES)
def test_card_button_and_heading_are_those_of_the_site(
    browser: Browser, site: Any, name: str, scheme: str
) -> None:
    if reason := missing(name):
        pytest.skip(reason)
    site(name, scheme)
    page = browser.new_page()
    show(page, name, render("invitation/invited.html"))
    for part, names in LIKE.items():
        assert styles(page, OURS[part], names) == styles(page, f"#{part}", names), part
    page.close()


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_what_cannot_be_undone_is_red(browser: Browser, site: Any, name: str) -> None:
    if reason := missing(name):
        pytest.skip(reason)
    site(name, "light")
    page = browser.new_page()
    show(page, name, render(REVOKING))
    # A canvas knows the colour of each notation as numbers.
    red, green, blue, _ = page.locator(".invitation-button--danger").evaluate("""one => {
        const canvas = document.createElement("canvas").getContext("2d");
        canvas.fillStyle = getComputedStyle(one).backgroundColor;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
    }""")
    assert red > 160
    assert max(green, blue) < red / 2
    page.close()


@pytest.mark.parametrize(("name", "scheme"), CASES)
@pytest.mark.parametrize("template", PAGES)
def test_the_pages_fit_and_can_be_read(
    browser: Browser, site: Any, name: str, scheme: str, template: str
) -> None:
    if reason := missing(name):
        pytest.skip(reason)
    site(name, scheme)
    page = browser.new_page(viewport={"width": 320, "height": 800})
    show(page, name, render(template))
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 320
    page.evaluate("document.querySelector('header').remove()")  # The frame is the site's own.
    if output := os.environ.get("INVITATION_SCREENSHOTS"):
        shot = Path(output) / f"{name}-{scheme}-{Path(template).stem}.png"
        page.screenshot(path=shot, full_page=True)
    assert violations(page) == []
    page.close()
