"""Play a shared link: made, read out, typed in by a newcomer, and counted."""

from __future__ import annotations

import re
from collections.abc import Callable
from io import BytesIO

import zxingcpp
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.conftest import log_in

Visit = Callable[..., Page]
PASSWORD = "correct-horse-battery"


def test_a_code_that_was_read_out_leads_to_an_account_and_is_counted(visit: Visit) -> None:
    owner = visit()
    log_in(owner, "rosa")
    owner.goto("/accounts/invite/link/")
    owner.get_by_label("Label").fill("Open day")
    owner.get_by_role("spinbutton").fill("2")
    owner.get_by_role("button", name="Create link").click()
    main = owner.get_by_role("main")
    expect(main).to_contain_text("0 of 2 used")
    link = owner.get_by_role("textbox", name="Link").input_value()
    drawn = Image.open(BytesIO(owner.locator(".invitation-qr svg").screenshot()))
    assert [code.text for code in zxingcpp.read_barcodes(drawn)] == [link]
    code = owner.locator(".invitation-code strong").inner_text()
    assert re.fullmatch(r"[0-9A-Z]{4}(-[0-9A-Z]{4}){2}", code)

    newcomer = visit()
    newcomer.goto("/accounts/login/")
    newcomer.get_by_role("link", name="I have a code").click()
    expect(newcomer).to_have_url(re.compile("/accounts/join/$"))
    newcomer.get_by_label("Code").fill("0000 1111 2222")
    newcomer.get_by_role("button", name="Use code").click()
    expect(newcomer.get_by_role("main")).to_contain_text("We do not know this code")
    # As somebody types what they have heard: with blanks, in small letters, O for 0 and l for 1.
    heard = code.lower().replace("-", " ").replace("0", "o").replace("1", "l")
    newcomer.get_by_label("Code").fill(heard)
    newcomer.get_by_role("button", name="Use code").click()
    expect(newcomer).to_have_url(re.compile("/accounts/invited/$"))
    newcomer.get_by_role("main").locator("a[href$='/accounts/register/']").first.click()
    newcomer.get_by_label("Username").fill("otter")
    newcomer.get_by_label("mail", exact=False).fill("otter@example.org")
    newcomer.get_by_label("Password", exact=True).fill(PASSWORD)
    newcomer.get_by_label("confirm", exact=False).fill(PASSWORD)
    newcomer.get_by_role("main").locator("form[method=post] button[type=submit]").last.click()
    expect(newcomer).to_have_url(re.compile("/register/complete/$"))

    owner.reload()
    expect(main).to_contain_text("1 of 2 used")
    owner.get_by_role("button", name="Pause").click()
    late = visit()
    late.goto(link)
    expect(late.get_by_role("heading", level=1)).to_have_text("This invitation is paused")
    owner.get_by_role("button", name="Resume").click()
    late.goto(link)
    expect(late).to_have_url(re.compile("/accounts/invited/$"))
