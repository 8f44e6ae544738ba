"""The page about allauth: its lines in a new project, its code, and the change from redux."""

from __future__ import annotations

import re
from pathlib import Path

import django
import pytest

from tests.documented import DOCS, Project, code_blocks

ROOT = DOCS.parent
PIECES = code_blocks(DOCS / "howto/allauth.rst")

#: What a site with allauth has before it adds the five lines.
ALLAUTH = """
INSTALLED_APPS += [
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.dummy",
]
MIDDLEWARE += ["allauth.account.middleware.AccountMiddleware"]
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
LOGIN_REDIRECT_URL = "/accounts/invite/"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
DEFAULT_FROM_EMAIL = "club@localhost"
ALLOWED_HOSTS = ["localhost"]
"""
if django.VERSION < (6, 1):  # A new project of 6.1 prints emails by itself.
    ALLAUTH += 'EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"\n'
IMPORTS = """
from django.contrib import admin
from django.urls import include, path
"""
STORY = """
from django.contrib.auth import get_user_model
from django.test import Client
from invitation.flows import inviting

boss = get_user_model().objects.get()
host = {"headers": {"host": "localhost"}}
invitation = inviting.invite(boss, "new@example.org").invitation
form = {"email": "new@example.org", "password1": "battery-staple"}
assert Client().get("/accounts/signup/", **host).status_code == 403
assert Client().post("/accounts/signup/", form, **host).status_code == 403
newcomer = Client()
landing = newcomer.get(f"/accounts/invited/{invitation.mail_key}/", follow=True, **host)
assert b"/accounts/signup/" in landing.content
assert b"new@example.org" in newcomer.get("/accounts/signup/", **host).content
landed = newcomer.post("/accounts/signup/", form, **host)
assert landed["Location"] == "/accounts/invite/", landed
assert newcomer.get("/accounts/invite/", **host).status_code == 200
print("told")
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.mark.parametrize("providers", [True, False])
def test_the_five_lines_gate_a_new_project(project: Project, providers: bool) -> None:
    project.run("-m", "django", "startproject", "club", ".")
    apps = ALLAUTH if providers else re.sub(r'    "allauth.social.*\n', "", ALLAUTH)
    assert ("socialaccount" in apps) is providers
    written = {"club/settings.py": apps, "club/urls.py": IMPORTS}
    for caption, code in PIECES:
        if caption in written:
            written[caption] += code
    settings, urls = (project.folder / name for name in written)
    settings.write_text(settings.read_text("utf-8") + written["club/settings.py"], "utf-8")
    urls.write_text(written["club/urls.py"], "utf-8")
    project.run("manage.py", "migrate", "-v0")
    boss = {"DJANGO_SUPERUSER_USERNAME": "boss", "DJANGO_SUPERUSER_PASSWORD": "correct-horse"}
    email = {"DJANGO_SUPERUSER_EMAIL": "boss@example.org"}
    project.run("manage.py", "createsuperuser", "--noinput", **boss, **email)
    project.run("manage.py", "check", "--fail-level", "WARNING", "--database", "default")
    (project.folder / "story.py").write_text(STORY, "utf-8")
    told = project.run("manage.py", "shell", "-c", "exec(open('story.py').read(), {})")
    assert told.endswith("told\n")


def test_there_are_five_lines() -> None:
    lines = [code for caption, code in PIECES if caption.startswith("club/")]
    ours = [line for line in "".join(lines).splitlines() if "invitation" in line]
    assert len(ours) == 5


@pytest.mark.parametrize("code", [code for caption, code in PIECES if not caption])
def test_the_code_runs(code: str) -> None:
    exec(compile(code, "documentation", "exec"), {})  # noqa: S102


def test_the_page_names_the_oldest_version_that_the_extra_takes() -> None:
    found = re.search(r'"allauth": \["django-allauth>=([\d.]+)', (ROOT / "setup.py").read_text())
    assert found
    assert f"django-allauth {found[1]} and" in (DOCS / "howto/allauth.rst").read_text("utf-8")


# From redux to allauth, with one database

DATABASE = """
from {site} import *

DATABASES = {{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": "site.sqlite3"}}}}
"""
BEGIN = """
import django
django.setup()
import json
from django.contrib.auth import get_user_model
from django.test import Client
from django.test.utils import setup_test_environment
from invitation.flows import sharing
from invitation.models import Acceptance, InvitationKey
from tests import scenes
setup_test_environment()
"""
WITH_REDUX = (
    BEGIN
    + """
member = scenes.make_user("member", is_staff=True, is_superuser=True)
waiting, opened, used = [scenes.invite(member, f"{x}@example.com") for x in "abc"]
link = sharing.share(member, label="Club", max_uses=5, expires_at=None)
form = scenes.answers("c@example.com", "cleo")
assert scenes.visit(used).post(scenes.REGISTER, form).status_code == 302
get_user_model().objects.filter(username="cleo").update(is_active=True)
from invitation.flows import arriving
arriving.prove(get_user_model().objects.get(username="cleo"))
cookie = scenes.visit(opened).cookies["invitation_key"].value
print(json.dumps([waiting.mail_key, cookie, link.key]))
"""
)
WITH_ALLAUTH = (
    BEGIN
    + """
import sys
mailed, cookie, shared = json.loads(sys.argv[1])
assert Acceptance.objects.get().user.username == "cleo"
assert Client().get("/accounts/signup/").status_code == 403

def sign_up(client, letter):
    form = scenes.answers(f"{letter}@example.com", f"{letter}-name")
    response = client.post("/accounts/signup/", form)
    assert response.status_code == 302, response.content.decode()

for letter, key in (("a", mailed), ("d", shared)):
    client = Client()
    assert client.get(scenes.link(key)).status_code == 302
    sign_up(client, letter)
client = Client()
client.cookies["invitation_key"] = cookie
sign_up(client, "b")
came = Acceptance.objects.order_by("user__email").values_list("user__email", flat=True)
assert list(came) == [f"{letter}@example.com" for letter in "abcd"], came

cleo = Client()
typed = {"login": "cleo", "password": scenes.PASSWORD}
assert cleo.post("/accounts/login/", typed)["Location"] == "/accounts/confirm-email/"
exec(open("once.py").read())
assert cleo.post("/accounts/login/", typed)["Location"] == "/"
assert cleo.get("/accounts/invite/").status_code == 200
print("told")
"""
)


def test_what_redux_has_made_stays_valid(project: Project) -> None:
    for name, site in (("before", "tests.settings"), ("after", "tests.hosts.allauth.settings")):
        (project.folder / f"{name}.py").write_text(DATABASE.format(site=site), "utf-8")
    [once] = [code for caption, code in PIECES if caption == "once"]
    (project.folder / "once.py").write_text(once, "utf-8")
    project.run("-m", "django", "migrate", "-v0", DJANGO_SETTINGS_MODULE="before")
    known = project.run("-c", WITH_REDUX, DJANGO_SETTINGS_MODULE="before")
    project.run("-m", "django", "migrate", "-v0", DJANGO_SETTINGS_MODULE="after")
    assert project.run("-c", WITH_ALLAUTH, known, DJANGO_SETTINGS_MODULE="after") == "told\n"
