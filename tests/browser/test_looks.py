"""Look at what a style sheet alone decides: what stands beside what."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import log_in

Visit = Callable[..., Page]

#: Where a box is, and where the first line of the text is that stands beside it in its label.
BOXES = """labels => labels.map(label => {
    const box = label.querySelector("input").getBoundingClientRect();
    const range = document.createRange();
    range.selectNodeContents(label);
    const line = [...range.getClientRects()].at(-1);
    return {box: box.top + box.height / 2, line: line.top + line.height / 2};
})"""


@pytest.mark.parametrize("path", ["/accounts/invite/", "/accounts/invite/link/"])
def test_the_box_of_a_group_stands_beside_its_name(visit: Visit, path: str) -> None:
    page = visit()
    log_in(page, "rosa")
    page.goto(path)
    for more in page.locator("main details:not([open]) > summary").all():
        more.click()
    found = page.locator("fieldset label:has(input)").evaluate_all(BOXES)
    assert found
    assert all(abs(row["box"] - row["line"]) <= 1 for row in found), found


def test_the_second_line_of_a_name_begins_below_the_first(visit: Visit) -> None:
    page = visit(viewport={"width": 320, "height": 800})
    log_in(page, "rosa")
    page.goto("/accounts/invite/")
    page.get_by_text("More options").click()
    label = page.locator("fieldset label:has(input)").first
    label.evaluate("label => label.append(' and a great many words besides '.repeat(3))")
    starts = label.evaluate("""label => {
        const range = document.createRange();
        range.setStart(label, 1);
        range.setEnd(label, label.childNodes.length);
        return [...new Set([...range.getClientRects()].filter(r => r.width).map(r => r.top))].map(
            top => Math.min(...[...range.getClientRects()].filter(r => r.width && r.top === top)
                .map(r => Math.round(r.left))));
    }""")
    assert len(starts) >= 3
    assert len(set(starts)) == 1


def test_from_right_to_left_a_badge_comes_before_its_sentence(visit: Visit) -> None:
    page = visit()
    log_in(page, "rosa")
    page.goto("/accounts/invitations/?state=shared")
    page.get_by_role("link", name="Seed swap on Saturday").click()
    page.wait_for_url("**/invitations/links/*/")
    page.evaluate("document.documentElement.dir = 'rtl'")
    badge, rest = page.locator("p:has(> .invitation-badge)").evaluate("""p => {
        const range = document.createRange();
        range.selectNodeContents(p.lastChild);
        return [p.querySelector(".invitation-badge"), range].map(
            one => one.getBoundingClientRect().right);
    }""")
    assert badge > rest


def test_what_is_written_in_another_script_than_the_pages_runs_its_own_way(visit: Visit) -> None:
    page = visit()
    log_in(page, "rosa")
    page.goto("/accounts/invite/")
    page.get_by_text("More options").click()
    page.evaluate("document.documentElement.dir = 'rtl'")
    note = page.get_by_label("Personal note")
    assert note.evaluate("note => getComputedStyle(note).unicodeBidi") == "plaintext"


@pytest.mark.parametrize(("width", "shown"), [(390, "block"), (900, "table-row")])
def test_invitations_are_cards_on_a_phone_and_a_table_in_a_wide_window(
    visit: Visit, width: int, shown: str
) -> None:
    page = visit(viewport={"width": width, "height": 800})
    log_in(page, "amir")
    page.goto("/accounts/invitations/")
    row = page.locator(".invitation-table tbody tr").first
    assert row.evaluate("row => getComputedStyle(row).display") == shown
    # Screen readers hear a table in both.
    assert page.get_by_role("table").get_by_role("columnheader").count() == 5


def test_what_cannot_be_undone_has_a_colour_of_its_own(visit: Visit) -> None:
    page = visit()
    log_in(page, "amir")
    page.goto("/accounts/invitations/?state=pending")
    colour = "one => getComputedStyle(one).color"
    actions = page.locator(".invitation-table__actions").first
    harmless = {one.evaluate(colour) for one in actions.locator(":not(.invitation-danger)").all()}
    assert actions.get_by_role("link", name="Revoke").evaluate(colour) not in harmless


@pytest.mark.parametrize("width", [390, 1280])
def test_a_preview_is_as_high_as_its_email(visit: Visit, width: int) -> None:
    page = visit(viewport={"width": width, "height": 800})
    log_in(page, "amir")
    page.goto("/accounts/invite/")
    page.get_by_label("Email address").fill("dunlin@example.org")
    page.get_by_role("button", name="Preview email").click()
    page.frame_locator("iframe").get_by_role("heading").wait_for()
    empty = """frame => frame.contentDocument.readyState === "complete"
        && frame.clientHeight - frame.contentDocument.documentElement.offsetHeight"""
    frame = page.locator("iframe")
    page.wait_for_load_state()
    assert frame.evaluate(empty) == 0
    page.set_viewport_size({"width": 320, "height": 800})
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert frame.evaluate(empty) == 0


def page_of_one_invited(visit: Visit, email: str) -> Page:
    """Invite this address in a narrow window, and go to the page of the invitation."""
    page = visit(viewport={"width": 320, "height": 800})
    log_in(page, "amir")
    page.goto("/accounts/invite/")
    page.get_by_label("Email address").fill(email)
    page.get_by_role("button", name="Send invitation").click()
    page.get_by_role("link", name=email).click()
    page.wait_for_url(re.compile(r"/invitations/\d+/$"))
    return page


def test_a_long_address_breaks_before_its_domain(visit: Visit) -> None:
    page = page_of_one_invited(visit, "wilhelmina.redshank@lindenrow.example")
    lines = page.get_by_role("heading", level=1).evaluate("""heading => {
        const walker = document.createTreeWalker(heading, NodeFilter.SHOW_TEXT);
        const tops = [];
        while (walker.nextNode()) {
            const range = document.createRange();
            range.selectNodeContents(walker.currentNode);
            tops.push(range.getClientRects().length);
        }
        return tops;
    }""")
    # Each part of it is on one line.
    assert max(lines) == 1


def test_an_address_that_fits_on_a_line_stays_whole_in_a_sentence(visit: Visit) -> None:
    page = visit(viewport={"width": 390, "height": 800})
    log_in(page, "amir")
    page.goto("/accounts/invite/")
    page.get_by_label("Email address").fill("knotty@lindenrow.example")
    page.get_by_role("button", name="Send invitation").click()
    told = page.locator(".invitation-messages bdi")
    assert told.inner_text() == "knotty@lindenrow.example"
    lines = """bdi => new Set([...bdi.childNodes].filter(one => one.data).map(one => {
        const range = document.createRange();
        range.selectNodeContents(one);
        return range.getBoundingClientRect().top;
    })).size"""
    assert told.evaluate(lines) == 1


def test_from_right_to_left_a_broken_address_begins_on_the_right(visit: Visit) -> None:
    page = page_of_one_invited(visit, "philomena.ruff@lindenrow.example")
    page.evaluate("document.documentElement.dir = 'rtl'")
    gaps = page.get_by_role("heading", level=1).evaluate("""heading => {
        const range = document.createRange();
        range.selectNodeContents(heading.querySelector("bdi"));
        const right = heading.getBoundingClientRect().right;
        return [...range.getClientRects()].filter(r => r.width > 0).map(r => right - r.right);
    }""")
    assert len(gaps) >= 2
    assert max(gaps) < 1, gaps
