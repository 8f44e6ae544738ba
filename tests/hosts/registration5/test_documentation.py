"""What docs/howto/registration5.rst says, done as written in a new project."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import django
import pytest

from tests.documented import DOCS, code_blocks
from tests.processes import run_in

ROOT = DOCS.parent
BLOCKS = dict(code_blocks(DOCS / "howto/registration5.rst"))
STORY = """
import re
from django.contrib.auth import get_user_model
from django.core import mail
from django.test import Client
from invitation.flows import inviting

boss = get_user_model().objects.create_superuser("boss", "boss@example.org", "correct-horse")
key = inviting.invite(boss, "new@example.org").invitation.key
browser = Client()
assert browser.get("/accounts/register/").status_code == 403
page = browser.get(f"/accounts/invited/{key}/", follow=True)
assert page.context["register_url"] == "/accounts/register/"
password = "battery-staple"
typed = {"username": "new", "email": "new@example.org"}
typed |= {"password1": password, "password2": password}
if "tos" in browser.get("/accounts/register/").context["form"].fields:
    assert browser.post("/accounts/register/", typed).context["form"].errors.keys() == {"tos"}
    typed["tos"] = "on"
assert browser.post("/accounts/register/", typed, follow=True).status_code == 200
account = get_user_model().objects.get(username="new")
if not account.is_active:
    [email] = [sent for sent in mail.outbox if "Activate" in sent.subject]
    link = re.search(r"https?://[^/]+(\\S+activation_key=\\S+)", email.body)[1]
    form = browser.get(link).context["form"]
    posted = {name: password for name in form.fields} | {
        "activation_key": form["activation_key"].value()
    }
    assert browser.post(link, posted)["Location"] == "/accounts/activate/complete/"
    typed = {"username": "new", "password": password}
    assert browser.post("/accounts/login/", typed)["Location"] == "/accounts/invite/"
assert browser.get("/accounts/invite/").status_code == 200
print("told")
"""
OWN = """
from club.views import SignUpView
own = path("accounts/register/", SignUpView.as_view(), name="registration_register")
urlpatterns.insert(0, own)
"""


@pytest.mark.parametrize("kind", ["activation", "one_step", "own view"])
def test_it_leads_where_it_says(tmp_path: Path, kind: str) -> None:
    run = partial(run_in, tmp_path)

    run("-m", "django", "startproject", "club", ".")
    with (tmp_path / "club" / "settings.py").open("a") as settings:
        settings.write(BLOCKS["club/settings.py"])
        if django.VERSION < (6, 1):
            settings.write('EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"\n')
    urls = BLOCKS["club/urls.py"]
    if kind == "one_step":
        urls = urls.replace("activation", "one_step")
    if kind == "own view":
        urls += OWN
        (tmp_path / "club" / "views.py").write_text(BLOCKS["club/views.py"])
    limited = BLOCKS["a path"].replace("path(", "urlpatterns.insert(0, path(") + ")"
    (tmp_path / "club" / "urls.py").write_text(f"{urls}\n{limited}\n")
    run("manage.py", "migrate", "-v0")
    run("manage.py", "check", "--fail-level", "WARNING", "--database", "default")
    (tmp_path / "story.py").write_text(STORY)
    with_outbox = "from django.test.utils import setup_test_environment as s; s(); "
    ran = run("manage.py", "shell", "-c", f"{with_outbox}exec(open('story.py').read(), {{}})")
    assert ran.endswith("told\n")
