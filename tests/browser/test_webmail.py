"""Follow links from webmail, which is another site, where the session is SameSite=Strict."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import (
    ROOT,
    Demo,
    free_port,
    invite,
    log_in,
    mailed_link,
    start_demo,
    stop_demo,
)

SETTINGS = """
from config.settings import *

SESSION_COOKIE_SAMESITE = "Strict"
"""


class Quiet(SimpleHTTPRequestHandler):
    """Serve files without a word."""

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Start the demo with such a session, on 127.0.0.1."""
    beside = tmp_path_factory.mktemp("settings")
    (beside / "strict_settings.py").write_text(SETTINGS)
    more = {
        "DJANGO_SETTINGS_MODULE": "strict_settings",
        "PYTHONPATH": os.pathsep.join(map(str, (beside, ROOT, ROOT / "example"))),
    }
    running, _ = start_demo(tmp_path_factory.mktemp("strict"), free_port(), **more)
    yield running
    stop_demo(running)


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """Serve a directory on localhost: to a browser, this is another site than 127.0.0.1."""
    handler = partial(Quiet, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield tmp_path, f"http://localhost:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture
def page(browser: Browser, strict: Demo) -> Iterator[Page]:
    context = browser.new_context(base_url=strict.url, locale="en-GB", java_script_enabled=False)
    context.set_default_timeout(10_000)
    yield context.new_page()
    context.close()


def follow(page: Page, inbox: tuple[Path, str], link: str) -> list[str]:
    """Click a link in webmail, and return the cookies of each page that was asked for."""
    directory, address = inbox
    # A name of its own: rewritten within a second, the same file would come from the cache.
    name = f"{len(list(directory.iterdir()))}.html"
    (directory / name).write_text(f'<a href="{link}">Open</a>')
    page.goto(f"{address}/{name}")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.all_headers().get("cookie", "")))
    page.get_by_role("link", name="Open").click()
    page.wait_for_load_state()
    return asked


def test_a_member_is_known_again_after_the_page_went_on_by_itself(
    page: Page, inbox: tuple[Path, str], strict: Demo
) -> None:
    log_in(page, "rosa")
    invite(page, "amir@lindenrow.example")
    link = mailed_link(page, "amir@lindenrow.example", "/invited/")
    page.context.clear_cookies()
    log_in(page, "amir")
    [cookie] = [one for one in page.context.cookies() if one["name"] == "sessionid"]
    assert cookie["sameSite"] == "Strict"
    asked = follow(page, inbox, link)
    expect(page).to_have_url(f"{strict.url}/accounts/invited/")
    expect(page.get_by_role("button", name="Accept as amir")).to_be_visible()
    assert "sessionid" not in asked[0]
    page.go_back()
    expect(page.get_by_role("link", name="Open")).to_be_visible()  # the key is in no history


def test_so_are_inviters_who_follow_the_link_of_their_email(
    page: Page, inbox: tuple[Path, str], strict: Demo
) -> None:
    log_in(page, "june")
    follow(page, inbox, f"{strict.url}/accounts/invitations/")
    expect(page).to_have_url(f"{strict.url}/accounts/invitations/")
    expect(page.get_by_role("link", name="Log in")).to_have_count(0)


def test_who_is_not_logged_in_gets_the_page_for_strangers(
    page: Page, inbox: tuple[Path, str], strict: Demo
) -> None:
    log_in(page, "rosa")
    invite(page, "newcomer@lindenrow.example")
    link = mailed_link(page, "newcomer@lindenrow.example", "/invited/")
    page.context.clear_cookies()
    follow(page, inbox, link)
    expect(page).to_have_url(f"{strict.url}/accounts/invited/")
    expect(page.get_by_role("link", name="I already have an account")).to_be_visible()
    follow(page, inbox, f"{strict.url}/accounts/invitations/")
    expect(page.get_by_role("button", name="Log in", exact=True)).to_be_visible()
