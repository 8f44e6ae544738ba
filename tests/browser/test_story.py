"""Play the whole story in a browser, as a member and a newcomer would."""

from __future__ import annotations

import re
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import zxingcpp
from PIL import Image
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Page, expect

from tests.browser.conftest import Demo, invite, log_in, mailed_link

Visit = Callable[..., Page]
NEW_PASSWORD = "spade-and-trowel-7"
README_PICTURE = Path(__file__).parents[2] / "docs" / "images" / "landing.png"

#: Lets an invitation run out, and its cool-down pass.
RUN_OUT = """
from datetime import timedelta
from django.utils import timezone
from invitation.models import InvitationKey
before = timezone.now() - timedelta(hours=1)
InvitationKey.objects.filter(email="{}").update(expires_at=before, mail_requested_at=before)
"""


def remaining(page: Page) -> int:
    """Return how many invitations the form says are left."""
    page.goto("/accounts/invite/")
    found = re.search(r"(\d+)\s+invitations?", page.get_by_role("main").inner_text())
    assert found, page.get_by_role("main").inner_text()
    return int(found.group(1))


def register(page: Page, username: str) -> None:
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password", exact=True).fill(NEW_PASSWORD)
    page.get_by_label("confirm", exact=False).fill(NEW_PASSWORD)


def submit(page: Page) -> None:
    page.get_by_role("main").locator("form[method=post] button[type=submit]").last.click()


def open_registration(page: Page, link: str) -> None:
    page.goto(link)
    expect(page).to_have_url(re.compile("/accounts/invited/$"))
    page.get_by_role("main").locator("a[href$='/accounts/register/']").first.click()


def test_a_newcomer_is_invited_registers_activates_and_logs_in(visit: Visit) -> None:
    member = visit()
    log_in(member, "rosa")
    before = remaining(member)
    invite(member, "wren@example.org", name="Wren", note="Bring your own gloves!")
    expect(member.get_by_role("main")).to_contain_text("wren@example.org")
    assert remaining(member) == before - 1

    newcomer = visit()
    link = mailed_link(newcomer, "wren@example.org", "/invited/")
    open_registration(newcomer, link)
    email = newcomer.get_by_label("mail", exact=False)
    expect(email).to_have_value("wren@example.org")
    assert email.get_attribute("readonly") is not None
    register(newcomer, "wren")
    submit(newcomer)
    expect(newcomer).to_have_url(re.compile("/register/complete/$"))

    newcomer.goto(mailed_link(newcomer, "wren@example.org", "/activate/"))
    # The emailed invitation has proven the address: no second password is asked for.
    newcomer.get_by_role("button", name="Activate account").click()
    expect(newcomer).to_have_url(re.compile("/activate/complete/$"))
    log_in(newcomer, "wren", NEW_PASSWORD)
    expect(newcomer.get_by_role("button", name="Log out")).to_be_visible()

    stranger = visit()
    response = stranger.goto(link)
    assert response is not None
    assert response.status == 410
    expect(stranger.get_by_role("heading", level=1)).to_contain_text("used")


def test_a_double_click_and_the_back_button_do_no_harm(visit: Visit) -> None:
    member = visit()
    log_in(member, "rosa")
    invite(member, "finch@example.org")
    newcomer = visit()
    open_registration(newcomer, mailed_link(newcomer, "finch@example.org", "/invited/"))
    register(newcomer, "finch")
    newcomer.get_by_role("main").locator("form[method=post] button[type=submit]").last.dblclick()
    newcomer.wait_for_load_state("networkidle")
    # The browser keeps the answer to the click that it saw last; both are friendly pages.
    expect(newcomer.get_by_role("heading", level=1)).to_be_visible()
    newcomer.goto("/accounts/invite/")  # a page that is not of the key
    try:
        newcomer.go_back()
    except PlaywrightError as asked:
        # The answer to a click itself was the last page: the browser asks before it posts again.
        if "ERR_CACHE_MISS" not in str(asked):
            raise
    else:
        newcomer.wait_for_load_state("networkidle")
        expect(newcomer.get_by_role("heading", level=1)).to_be_visible()

    stranger = visit()
    stranger.goto("/inbox/")
    subjects = stranger.locator("li", has_text="finch@example.org").all_inner_texts()
    assert sum("ctivat" in subject or "onfirm" in subject for subject in subjects) == 1, subjects


def test_a_double_click_on_invite_sends_one_mail(visit: Visit) -> None:
    member = visit()
    log_in(member, "rosa")
    before = remaining(member)
    member.get_by_label("Email address").fill("robin@example.org")
    member.get_by_role("main").get_by_role("button").first.dblclick()
    expect(member).to_have_url(re.compile("/invitations/$"))
    assert remaining(member) == before - 1
    member.goto("/inbox/")
    assert member.locator("li", has_text="robin@example.org").count() == 1


def test_the_key_leaves_the_address_bar_the_history_and_the_page(visit: Visit) -> None:
    member = visit()
    log_in(member, "rosa")
    invite(member, "jay@example.org")
    newcomer = visit()
    link = mailed_link(newcomer, "jay@example.org", "/invited/")
    key = link.rstrip("/").rsplit("/", 1)[1]
    newcomer.goto(link)
    assert key not in newcomer.url
    assert key not in newcomer.content()
    newcomer.get_by_role("main").locator("a[href$='/accounts/register/']").first.click()
    expect(newcomer).to_have_url(re.compile("/register/$"))
    assert key not in newcomer.content()
    assert key not in newcomer.evaluate("document.referrer")
    assert key not in newcomer.evaluate("document.cookie")


def test_no_thanks_asks_once_more_and_then_ends_the_invitation(visit: Visit) -> None:
    member = visit()
    log_in(member, "rosa")
    invite(member, "crow@example.org")
    invited = visit()
    link = mailed_link(invited, "crow@example.org", "/invited/")
    invited.goto(f"{link}?answer=no")
    expect(invited).to_have_url(re.compile("/invited/decline/$"))
    submit(invited)
    expect(invited.get_by_role("heading", level=1)).to_be_visible()
    response = visit().goto(link)
    assert response is not None
    assert response.status == 410


def test_who_has_a_dead_link_asks_for_a_new_one_and_the_inviter_gives_it(
    visit: Visit, demo: Demo
) -> None:
    member = visit()
    log_in(member, "june")
    invite(member, "heron@example.org", name="Heron")
    newcomer = visit()
    link = mailed_link(newcomer, "heron@example.org", "/invited/")
    demo.manage("shell", "-v0", "-c", RUN_OUT.format("heron@example.org"))

    newcomer.goto(link)
    main = newcomer.get_by_role("main")
    expect(main.get_by_role("heading", level=1)).to_contain_text("has expired")
    main.get_by_role("link", name="Request new invitation").click()
    main.get_by_role("button", name="Request new invitation").click()
    expect(main).to_contain_text("the person who invited you gets an email")

    member.goto(mailed_link(newcomer, "june@lindenrow.example", "/renew/"))
    expect(member.get_by_role("main")).to_contain_text("heron@example.org")
    member.get_by_role("button", name="Resend invitation").dblclick()
    expect(member).to_have_url(re.compile(r"/invitations/\d+/$"))
    expect(member.get_by_role("main")).to_contain_text("Expires")

    response = newcomer.goto(link)
    assert response is not None
    assert response.status == 200
    expect(newcomer.get_by_role("heading", level=1)).to_contain_text("June Okafor invites you")


def test_the_way_back_after_no_thanks_says_what_became_of_it(visit: Visit) -> None:
    member = visit()
    log_in(member, "june")
    invite(member, "stork@example.org")
    newcomer = visit()
    newcomer.goto(mailed_link(newcomer, "stork@example.org", "/invited/"))
    newcomer.goto("/accounts/invited/decline/")
    newcomer.get_by_role("button", name="Decline invitation").click()
    heading = newcomer.get_by_role("heading", level=1)
    expect(heading).to_have_text("Invitation declined")
    newcomer.wait_for_load_state("networkidle")  # there is no way back before a page is there
    newcomer.go_back()
    expect(heading).to_contain_text("was declined")


def test_somebody_signed_in_can_log_out_and_stays_invited(visit: Visit) -> None:
    member = visit()
    log_in(member, "rosa")
    invite(member, "heron@example.org")
    link = mailed_link(member, "heron@example.org", "/invited/")
    member.goto(link)
    main = member.get_by_role("main")
    expect(main).to_contain_text("rosa", ignore_case=True)
    main.get_by_role("button", name="Log in with another account").click()
    expect(member).to_have_url(re.compile("/invited/$"))
    main.locator("a[href$='/accounts/register/']").first.click()
    expect(member.get_by_label("mail", exact=False)).to_have_value("heron@example.org")


def test_a_form_says_what_is_wrong_and_keeps_what_was_typed(visit: Visit) -> None:
    member = visit()
    log_in(member, "rosa")
    member.goto("/accounts/invite/")
    member.get_by_label("Email address").fill('"a@evil.org"@example.org')
    member.get_by_text("More options").click()
    member.get_by_label("Personal note").fill("Look at www.evil.org")
    member.evaluate("document.querySelector('main form').noValidate = true")
    member.get_by_role("main").get_by_role("button").first.click()
    expect(member.get_by_role("alert")).to_be_visible()
    expect(member.get_by_label("Personal note")).to_have_value("Look at www.evil.org")


def test_somebody_without_invitations_left_is_told_so(visit: Visit) -> None:
    member = visit()
    log_in(member, "tomas")
    member.goto("/accounts/invite/")
    expect(member.get_by_role("main")).to_contain_text("no invitations left")


def test_a_member_hands_an_invitation_over_and_takes_it_back(visit: Visit) -> None:
    member = visit()
    log_in(member, "rosa")
    invite(member, "tern@example.org", name="Tern")
    mailed = mailed_link(member, "tern@example.org", "/invited/")
    member.goto("/accounts/invitations/")
    member.get_by_role("link", name="tern@example.org").click()
    member.get_by_role("link", name="Replace link").click()
    expect(member.get_by_role("heading", level=1)).to_have_text("Replace this link?")
    member.get_by_role("button", name="Replace link").click()
    expect(member.get_by_text("Link replaced.")).to_be_visible()

    newcomer = visit()
    response = newcomer.goto(mailed)
    assert response is not None
    assert response.status == 404

    member.get_by_role("link", name="Show link").click()
    link = member.get_by_role("textbox", name="Link").input_value()
    drawn = Image.open(BytesIO(member.locator(".invitation-qr svg").screenshot()))
    assert [code.text for code in zxingcpp.read_barcodes(drawn)] == [link]
    newcomer.goto(link)
    expect(newcomer.get_by_role("heading", level=1)).to_contain_text("invites you to join")

    member.get_by_role("link", name="Back to invitation").click()
    member.get_by_role("link", name="Edit").click()
    member.get_by_label("Personal note").fill("Bring a bucket.")
    member.get_by_role("button", name="Save changes").click()
    expect(member.get_by_text("Bring a bucket.")).to_be_visible()
    newcomer.reload()
    expect(newcomer.get_by_text("Bring a bucket.")).to_be_visible()

    member.get_by_role("link", name="Revoke invitation").click()
    member.get_by_role("button", name="Revoke invitation").click()
    expect(member.get_by_text("Invitation revoked.")).to_be_visible()
    newcomer.reload()
    expect(newcomer.get_by_role("heading", level=1)).to_contain_text("revoked")
    member.goto("/accounts/invitations/?state=revoked&q=TERN")
    expect(member.get_by_role("link", name="tern@example.org")).to_be_visible()


def test_a_link_is_copied_with_one_click(visit: Visit) -> None:
    member = visit(permissions=["clipboard-read", "clipboard-write"])
    log_in(member, "june")
    invite(member, "ruff@example.org")
    row = member.get_by_role("row", name="ruff@example.org")
    row.get_by_role("link", name="Copy link").click()
    expect(row).to_contain_text("Copied")
    copied = member.evaluate("navigator.clipboard.readText()")
    row.get_by_role("link", name="ruff@example.org").click()
    member.get_by_role("link", name="Show link").click()
    field = member.get_by_role("textbox", name="Link")
    expect(field).to_have_value(copied)
    member.evaluate("navigator.clipboard.writeText('')")
    member.get_by_role("button", name="Copy link").click()
    expect(member.get_by_role("button", name="Copied")).to_be_visible()
    assert member.evaluate("navigator.clipboard.readText()") == copied
    newcomer = visit()
    newcomer.goto(copied)
    expect(newcomer.get_by_role("heading", level=1)).to_contain_text("invites you to join")


def test_without_a_script_or_the_right_to_copy_a_link_is_shown(visit: Visit) -> None:
    for options in ({"java_script_enabled": False}, {}):
        member = visit(**options)
        log_in(member, "amir")
        member.goto("/accounts/invitations/?state=pending")
        if not options:
            # A site's policy may forbid what the script asks for.
            member.route("**/link/", lambda route: route.fulfill(body=""), times=1)
        member.get_by_role("link", name="Copy link").first.click()
        expect(member).to_have_url(re.compile(r"/invitations/\d+/link/$"))
        expect(member.get_by_role("textbox", name="Link")).to_have_value(re.compile("^http"))
        button = member.get_by_role("button", name="Copy link")
        expect(button).to_have_count(0 if options else 1)


def test_a_search_is_sent_without_a_button(visit: Visit) -> None:
    member = visit()
    log_in(member, "amir")
    member.goto("/accounts/invitations/")
    assert member.get_by_role("button", name="Search").count() == 0
    member.get_by_role("searchbox").fill("leon")
    member.get_by_role("searchbox").blur()
    expect(member).to_have_url(re.compile("[?&]q=leon"))
    member.get_by_role("main").get_by_role("link", name="Revoked").click()
    expect(member.get_by_role("main")).to_contain_text("No invitation matches.")

    without = visit(java_script_enabled=False)
    log_in(without, "amir")
    without.goto("/accounts/invitations/?state=accepted")
    without.get_by_role("searchbox").fill("leon")
    without.get_by_role("button", name="Search").click()
    expect(without).to_have_url(re.compile("state=accepted&q=leon"))
    expect(without.get_by_role("main")).to_contain_text("leon@lindenrow.example")


def test_the_picture_of_the_readme_is_of_the_landing_page(visit: Visit) -> None:
    """Take it: ``tests/browser/output/landing.png`` is to be copied to ``docs/images``."""
    member = visit()
    log_in(member, "rosa")
    invite(
        member,
        "ida@example.org",
        name="Ida",
        note="Bring your own gloves!\nWe meet at ten.",
    )
    newcomer = visit(viewport={"width": 800, "height": 800})
    newcomer.goto(mailed_link(newcomer, "ida@example.org", "/invited/"))
    expect(newcomer.get_by_role("heading", level=1)).to_contain_text("Rosa Whitfield")
    expect(newcomer.get_by_text("Bring your own gloves!")).to_be_visible()
    picture = Path(__file__).parent / "output" / "landing.png"
    picture.parent.mkdir(exist_ok=True)
    newcomer.screenshot(path=picture, full_page=True)
    # As wide as that one; its height is a matter of the machine's fonts.
    with Image.open(picture) as taken, Image.open(README_PICTURE) as shown:
        assert taken.width == shown.width


def test_the_address_and_the_button_are_on_the_first_screen_of_a_phone(visit: Visit) -> None:
    member = visit(viewport={"width": 390, "height": 844})
    log_in(member, "rosa")
    member.goto("/accounts/invite/")
    for seen in (
        member.get_by_label("Email address"),
        member.get_by_role("button", name="Send invitation"),
    ):
        expect(seen).to_be_in_viewport(ratio=1)
    expect(member.get_by_label("Personal note")).to_be_hidden()


def test_a_member_looks_at_the_mail_before_it_leaves(visit: Visit) -> None:
    member = visit(java_script_enabled=False)
    log_in(member, "june")
    before = remaining(member)
    member.get_by_label("Email address").fill("plover@example.org")
    member.get_by_text("More options").click()
    member.get_by_label("Personal note").fill("The gate sticks; push.")
    member.get_by_role("button", name="Preview email").click()
    expect(member.get_by_role("heading", level=1)).to_have_text("Preview email")
    frame = member.frame_locator("iframe")
    expect(frame.get_by_role("blockquote")).to_have_text("The gate sticks; push.")
    button = frame.get_by_role("link", name="Accept invitation")
    # Its styles are there although the page around it has none but its own.
    assert button.evaluate("link => getComputedStyle(link).fontWeight") == "600"
    member.get_by_role("button", name="Back").click()
    expect(member.get_by_role("main")).to_contain_text(f"{before} invitations left")
    expect(member.get_by_label("Personal note")).to_have_value("The gate sticks; push.")
    member.get_by_label("Personal note").fill("The gate sticks; lift it.")
    member.get_by_role("button", name="Preview email").click()
    member.get_by_role("button", name="Send invitation").click()
    expect(member).to_have_url(re.compile("/invitations/$"))
    expect(member.get_by_role("main")).to_contain_text("Invitation sent to plover@example.org")
    letter = visit()
    mailed_link(letter, "plover@example.org", "/invited/")
    expect(letter.get_by_role("main")).to_contain_text("The gate sticks; lift it.")


def test_a_newcomer_lands_on_the_page_that_his_inviter_chose(visit: Visit) -> None:
    member = visit()
    log_in(member, "june")
    member.goto("/accounts/invite/")
    member.get_by_label("Email address").fill("dunlin@example.org")
    member.get_by_text("More options").click()
    member.get_by_label("Expires after").select_option("30 days")
    member.get_by_label("First page").select_option("The members' page")
    member.get_by_role("button", name="Create a link instead").click()
    link = member.get_by_role("textbox", name="Link").input_value()

    newcomer = visit()
    open_registration(newcomer, link)
    register(newcomer, "dunlin")
    submit(newcomer)
    newcomer.goto(mailed_link(newcomer, "dunlin@example.org", "/activate/"))
    newcomer.get_by_label("Password", exact=True).fill(NEW_PASSWORD)
    newcomer.get_by_label("Password again").fill(NEW_PASSWORD)
    newcomer.get_by_role("button", name="Activate account").click()
    # The page asks for a login first, and is shown after it.
    expect(newcomer).to_have_url(re.compile(r"/accounts/login/\?next=/members/$"))
