"""Look at the admin as staff do: what is in sight, and an invitation sent from there."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import AXE

Visit = Callable[..., Page]
ADMIN = "/admin/invitation"
#: How far the right edge of a column is inside its table's frame.
INSIDE = """header => document.querySelector(".results").getBoundingClientRect().right
    - header.getBoundingClientRect().right"""
#: What axe finds in the page's own content. The frame around it and the filters are Django's.
FAULTS = """async () => {
    const rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
    const found = await axe.run(
        {include: "#content-main", exclude: "#changelist-filter"}, {runOnly: rules});
    return found.violations.map(one => `${one.id}: ${one.nodes[0].html}`);
}"""


def enter(page: Page, path: str) -> None:
    """Log in as the librarian by one click, and open a page of the admin."""
    page.goto(f"/accounts/login/?next={ADMIN}{path}")
    page.get_by_role("button", name="Log in as Rosa").click()
    expect(page).to_have_url(re.compile(f"{ADMIN}{path}$"))
    page.wait_for_load_state()


@pytest.mark.parametrize("path", ["/invitationkey/", "/invitationemail/", "/invitationquota/"])
def test_every_column_of_a_list_is_in_sight_at_1280_pixels(visit: Visit, path: str) -> None:
    page = visit(viewport={"width": 1280, "height": 800})
    enter(page, path)
    for header in page.locator("#result_list thead th").all():
        assert header.evaluate(INSIDE) >= 0, header.inner_text()


@pytest.mark.parametrize(
    ("path", "column"),
    [("/invitationkey/", "expires"), ("/invitationquota/", "left")],
)
def test_what_matters_most_is_in_sight_on_a_telephone(visit: Visit, path: str, column: str) -> None:
    page = visit(viewport={"width": 390, "height": 800})
    enter(page, path)
    assert page.locator(f"#result_list th.column-{column}").evaluate(INSIDE) >= 0


@pytest.mark.parametrize("scripts", [True, False])
def test_staff_invite_in_the_sites_name(visit: Visit, scripts: bool) -> None:
    page = visit(java_script_enabled=scripts)
    enter(page, "/invitationkey/")
    page.get_by_role("link", name="Invite", exact=True).click()
    address = f"dipper{int(scripts)}@example.org"
    page.get_by_label("Email address").fill(address)
    page.get_by_role("button", name="Send invitation").click()
    expect(page.get_by_text(f"Invitation sent to {address}")).to_be_visible()
    row = page.locator("#result_list tbody tr").first
    expect(row).to_contain_text(address)
    expect(row).to_contain_text("the site")
    page.goto("/inbox/")
    expect(page.locator("li", has_text=address)).to_have_count(1)


def test_an_error_stands_beside_its_field(visit: Visit) -> None:
    page = visit()
    enter(page, "/invitationkey/add/")
    page.get_by_label("Email address").fill("dunnock@example.org")
    page.get_by_label("Inviter").fill("999999")
    page.get_by_role("button", name="Send invitation").click()
    errors = page.locator(".field-from_user .errorlist")
    expect(errors).to_have_text("No member has this number.")
    expect(page.get_by_label("Email address")).to_have_value("dunnock@example.org")


@pytest.mark.parametrize("path", ["/invitationkey/add/", "/invitationquota/", "/invitationkey/"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_are_accessible(visit: Visit, path: str, scheme: str) -> None:
    page = visit(color_scheme=scheme, bypass_csp=True)
    enter(page, path)
    page.add_script_tag(path=AXE)
    assert page.evaluate(FAULTS) == []
