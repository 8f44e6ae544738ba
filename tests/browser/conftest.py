"""Start the example site as ``make demo`` does, and a real browser to click through it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parent.parent.parent
AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
PASSWORD = "let-it-grow"

#: The tests invite more people than the demo's quota allows one member.
GRANT = """
from invitation.models import InvitationQuota
InvitationQuota.objects.filter(inviter__username__in=["rosa", "june", "amir"]).update(granted=50)
"""

CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

#: WCAG 2.2 AA and what axe recommends beyond it.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@dataclass
class Demo:
    """The running example site."""

    url: str
    var: Path
    process: subprocess.Popen[str]

    def manage(self, *arguments: str) -> str:
        """Run a command of the example on the demo's data and return what it prints."""
        done = subprocess.run(
            [sys.executable, "example/manage.py", *arguments],
            cwd=ROOT,
            env=environment(self.var) | {"SITE_URL": self.url},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return done.stdout


def environment(var: Path) -> dict[str, str]:
    unset = {"DJANGO_SETTINGS_MODULE", "DJANGO_DEBUG", "SITE_URL"}
    kept = {name: value for name, value in os.environ.items() if name not in unset}
    return kept | {"SEEDLIBRARY_VAR": str(var), "PYTHONPATH": str(ROOT)}


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def start_demo(var: Path, port: int, host: str = "redux", **more: str) -> tuple[Demo, str]:
    """Start the demo and return it with what it printed until it was ready."""
    process = subprocess.Popen(
        [sys.executable, "example/manage.py", "demo", "--port", str(port)],
        cwd=ROOT,
        env=environment(var) | {"SEEDLIBRARY_HOST": host} | more,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    printed = []
    for line in process.stdout:
        printed.append(line)
        if line.startswith("Demo ready at"):
            return Demo(f"http://127.0.0.1:{port}", var, process), "".join(printed)
    raise AssertionError(f"the demo did not start:\n{''.join(printed)}")


def stop_demo(demo: Demo) -> str:
    """Press Ctrl-C and return what the demo still printed."""
    demo.process.send_signal(signal.SIGINT)
    printed, _ = demo.process.communicate(timeout=20)
    return printed


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    running, _ = start_demo(tmp_path_factory.mktemp("demo"), free_port())
    running.manage("shell", "-v0", "-c", GRANT)
    yield running
    stop_demo(running)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = os.environ.get("CHROMIUM") or "/usr/bin/chromium"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=CHROMIUM_ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser: Browser, demo: Demo) -> Iterator[Callable[..., Page]]:
    """Call it for a page of a person with a browser of their own; an error on it fails the test."""
    contexts: list[BrowserContext] = []
    problems: list[str] = []

    def open_page(**options: Any) -> Page:
        context = browser.new_context(base_url=demo.url, locale="en-GB", **options)
        context.set_default_timeout(10_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("response", lambda response: _note(response, problems))
        page.on("console", lambda message: _note_console(message, problems))
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert problems == []


def _note(response: Any, problems: list[str]) -> None:
    if response.status >= 500:
        problems.append(f"{response.status} {response.url}")


def _note_console(message: Any, problems: list[str]) -> None:
    # Chromium also logs each 403, 404 and 410, which the tests ask for.
    if message.type == "error" and "the server responded with a status of" not in message.text:
        problems.append(message.text)


def log_in(page: Page, login: str, password: str = PASSWORD) -> None:
    page.goto("/accounts/login/")
    page.get_by_label("Username").fill(login)
    page.get_by_label("Password").fill(password)
    page.get_by_role("main").get_by_role("button", name="Log in", exact=True).click()
    expect(page).to_have_url(re.compile("/members/$"))


def invite(page: Page, email: str, name: str = "", note: str = "") -> None:
    page.goto("/accounts/invite/")
    page.get_by_label("Email address").fill(email)
    if name or note:
        page.get_by_text("More options").click()
    if name:
        page.get_by_label("Name", exact=False).first.fill(name)
    if note:
        page.get_by_label("Personal note").fill(note)
    page.get_by_role("main").get_by_role("button").first.click()
    expect(page).to_have_url(re.compile("/invitations/$"))


def mailed_link(page: Page, email: str, containing: str) -> str:
    """Read the newest email to this address in the inbox and return the link in its text."""
    page.goto("/inbox/")
    page.locator("li", has_text=email).first.get_by_role("link").click()
    link = page.locator(f"pre a[href*='{containing}']").first.get_attribute("href")
    assert link is not None
    return link


def violations(page: Page) -> list[str]:
    """Return what axe-core finds on this page, a line each."""
    page.add_script_tag(path=AXE)
    found = page.evaluate("rules => axe.run(document, {runOnly: rules})", RULES)
    return [
        f"{page.url} {rule['id']}: {node['html'][:160]}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]
