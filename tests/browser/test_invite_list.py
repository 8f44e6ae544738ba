"""Invite two thousand people with a file, as a member would."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PASSWORD, Demo, log_in, violations
from tests.browser.test_accessibility import LOOKS, name_of

Visit = Callable[..., Page]

PAGE = "/accounts/invite/list/"
#: A member of their own: the other tests count what a member has left.
MEMBER = """
from django.contrib.auth import get_user_model
from invitation.models import InvitationQuota
member = get_user_model().objects.create_user("wilma", "wilma@lindenrow.example", {password!r})
InvitationQuota.objects.create(inviter=member, granted=5000)
"""


@pytest.fixture(scope="module", autouse=True)
def wilma(demo: Demo) -> None:
    demo.manage("shell", "-v0", "-c", MEMBER.format(password=PASSWORD))


def write(path: Path, number: int) -> str:
    """Write a list as Excel does in Europe, with mistakes in it, and return its name."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        lines = csv.writer(file, delimiter=";")
        lines.writerow(["Name", "E-Mail", "Note"])
        for index in range(number - 3):
            lines.writerow([f"Guest {index}", f"guest{index}@example.net", "Bring seeds!"])
        lines.writerow(["Nobody", "nobody", ""])
        lines.writerow(["Guest 0", "GUEST0@example.net", ""])
        lines.writerow(["Link", "link@example.org", "see www.example.org"])
    return str(path)


def look_through(page: Page, path: str) -> None:
    page.goto("/accounts/invite/")
    page.get_by_role("main").get_by_role("link", name="Invite several people").click()
    page.get_by_label("CSV file").set_input_files(path)
    page.get_by_role("button", name="Check list").click()


def test_two_thousand_people_are_invited_with_a_file(
    visit: Visit, demo: Demo, tmp_path: Path
) -> None:
    page = visit(accept_downloads=True)
    log_in(page, "wilma")
    path = write(tmp_path / "people.csv", 2000)
    look_through(page, path)
    main = page.get_by_role("main")
    expect(main).to_contain_text("3 rows have a problem")
    expect(main).to_contain_text("1997 people will be invited. We have not sent anything yet.")
    expect(main).to_contain_text("The same address is in row 2.")
    expect(main).to_contain_text("would become a link in the email")
    page.get_by_role("button", name="More rows").click()
    expect(main).to_contain_text("Page 2 of 20")
    page.get_by_role("button", name="Previous rows").click()
    # The Enter key checks, and invites nobody.
    page.get_by_label("Email address in row 1999").fill("somebody@example.net")
    page.get_by_label("Email address in row 1999").press("Enter")
    expect(main).to_contain_text("2 rows have a problem")
    page.get_by_label("Leave out row 2000").check()
    page.get_by_role("button", name="Check again").click()
    expect(main).to_contain_text("1 row has a problem")
    page.get_by_role("button", name="Invite 1998 people").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("1998 people invited")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save this report (CSV)").click()
    assert len(Path(saved.value.path()).read_text("utf-8-sig").splitlines()) == 2000
    page.get_by_role("link", name="Follow the emails").click()
    expect(main).to_contain_text("0 of 1998")
    page.get_by_role("link", name="Reload automatically").click()
    demo.manage("sendinvitations", "--limit", "50")
    # Without a script and without a click.
    expect(main).to_contain_text("50 of 1998", timeout=15_000)
    page.get_by_role("link", name="Stop reloading").click()
    expect(page.get_by_role("link", name="Reload automatically")).to_be_visible()
    with page.expect_download() as saved:
        page.get_by_role("link", name="Save the list (CSV)").click()
    lines = Path(saved.value.path()).read_text("utf-8-sig").splitlines()
    assert len(lines) == 1999
    assert sum(",sent," in line for line in lines) == 50
    look_through(page, path)
    expect(main).to_contain_text("Nobody on this list can be invited.")
    expect(main).to_contain_text("You already invited this address.")


@pytest.mark.parametrize("look", LOOKS, ids=name_of)
def test_the_pages_are_for_everybody(visit: Visit, look: dict[str, Any], tmp_path: Path) -> None:
    page = visit(**look, bypass_csp=True)
    log_in(page, "wilma")
    found = []

    def inspect() -> None:
        found.extend(violations(page))
        width = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        if page.evaluate(width) > 0:
            found.append(f"{page.url} is wider than the window")

    page.goto(PAGE)
    inspect()
    page.get_by_role("button", name="Check list").click()
    page.get_by_role("alert").wait_for()
    inspect()
    name = f"{name_of(look)}@example.org"
    page.get_by_label("Email addresses").fill(f"Ann <{name}>\n{name}\n{'x' * 100}\njune")
    page.get_by_role("button", name="Check list").click()
    inspect()
    page.get_by_role("button", name="Invite 1 person").click()
    inspect()
    page.get_by_role("link", name="Follow the emails").click()
    expect(page).to_have_url(re.compile(r"/invite/list/[0-9a-f-]{36}/$"))
    inspect()
    assert found == []
