"""The page about APIs: its lines in a new project."""

from __future__ import annotations

from pathlib import Path

from tests.documented import DOCS, Project, code_blocks
from tests.hosts.allauth.test_documented import ALLAUTH, IMPORTS

#: What a site with both APIs has before it adds the lines of the pages.
APIS = """
INSTALLED_APPS += [
    "allauth.headless",
    "rest_framework",
    "rest_framework.authtoken",
    "dj_rest_auth",
    "dj_rest_auth.registration",
]
"""
MORE = """
urlpatterns += [
    path("admin/", admin.site.urls),
    path("auth/registration/", include("dj_rest_auth.registration.urls")),
]
"""
STORY = """
from django.contrib.auth import get_user_model
from django.test import Client
from invitation.flows import inviting

boss = get_user_model().objects.create_superuser("boss", "boss@example.org", "x")
host = {"headers": {"host": "localhost"}, "content_type": "application/json"}
password = "battery-staple"
for address, more in (
    ("/_allauth/app/v1/auth/signup", {"password": password}),
    ("/auth/registration/", {"username": "b", "password1": password, "password2": password}),
):
    email = f"{len(address)}@example.org"
    key = inviting.invite(boss, email).invitation.mail_key
    closed = Client().post(address, {"email": email, **more}, **host)
    assert closed.status_code == 403, closed.content
    assert closed.json()["errors"][0]["code"] == "no_key"
    made = Client().post(address, {"email": email, "invitation_key": key, **more}, **host)
    assert made.status_code in (200, 201), made.content
assert get_user_model().objects.count() == 3
print("told")
"""


def test_the_lines_gate_a_new_project(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.run("-m", "django", "startproject", "club", ".")
    own = dict(code_blocks(DOCS / "howto/allauth.rst"))["club/settings.py"]
    apis = dict(code_blocks(DOCS / "howto/apis.rst"))
    urls, serializer = apis["club/urls.py"], apis["club/settings.py"]
    settings = tmp_path / "club" / "settings.py"
    written = settings.read_text("utf-8") + ALLAUTH + own + APIS + serializer
    settings.write_text(written, "utf-8")
    (tmp_path / "club" / "urls.py").write_text(IMPORTS + urls + MORE, "utf-8")
    project.run("manage.py", "migrate", "-v0")
    project.run("manage.py", "check", "--fail-level", "ERROR", "--database", "default")
    (tmp_path / "story.py").write_text(STORY, "utf-8")
    told = project.run("manage.py", "shell", "-c", "exec(open('story.py').read(), {})")
    assert told.endswith("told\n")
