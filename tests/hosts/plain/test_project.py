"""The documentation's set-up, as it is printed, in a fresh project of its own."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import django
from django.core.management import call_command

from tests.documented import DOCS, code_blocks
from tests.processes import run_in

STORY = """
import re
from django.contrib.auth import get_user_model
from django.test import Client
from invitation.flows import inviting

boss = get_user_model().objects.create_user("boss", "boss@example.org", "secret")
key = inviting.invite(boss, "new@example.org").invitation.mail_key
host = {"headers": {"host": "localhost"}}
newcomer = Client()
assert newcomer.get("/accounts/sign-up/", **host).status_code == 403
landing = newcomer.get(f"/accounts/invited/{key}/", follow=True, **host)
assert 'href="/accounts/sign-up/"' in landing.content.decode()
password = "battery-staple"
typed = {"username": "newcomer", "email": "new@example.org"}
typed |= {"password1": password, "password2": password}
assert newcomer.post("/accounts/sign-up/", typed, **host).status_code == 302
assert newcomer.get("/accounts/invite/", **host).status_code == 200
assert Client().get(f"/accounts/invited/{key}/", **host).status_code == 410
print("told")
"""


def test_the_checks_have_nothing_to_say() -> None:
    call_command("check", fail_level="DEBUG")


def test_the_set_up_leads_where_it_says(tmp_path: Path) -> None:
    run = partial(run_in, tmp_path)

    run("-m", "django", "startproject", "club", ".")
    code = dict(code_blocks(DOCS / "howto/own_view.rst"))
    with (tmp_path / "club/settings.py").open("a") as file:
        file.write(code["club/settings.py"])
        if django.VERSION < (6, 1):
            file.write('EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"\n')
    (tmp_path / "club/urls.py").write_text(code["club/urls.py"])
    (tmp_path / "club/views.py").write_text(code["class-based"])
    run("manage.py", "migrate", "-v0")
    run("manage.py", "check", "--fail-level", "WARNING", "--database", "default")
    (tmp_path / "story.py").write_text(STORY)
    assert run("manage.py", "shell", "-c", "exec(open('story.py').read(), {})").endswith("told\n")
