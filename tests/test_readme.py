"""What the README shows, done in a fresh project by somebody who reads nothing else."""

from __future__ import annotations

from pathlib import Path

import django
import pytest

from tests.documented import ROOT, Project, code_blocks

CONSOLE = 'EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"\n'
STORY = """
import contextlib, io, re
from django.test import Client

def post(browser, path, **typed):
    response = browser.post(path, typed, headers={"host": "localhost"})
    assert response.status_code == 302, response.content.decode()
    return response["Location"]

def get(browser, path):
    return browser.get(path, headers={"host": "localhost"}, follow=True)

boss = Client()
page = get(boss, "/accounts/invite/")
assert page.redirect_chain[-1][0].startswith("/accounts/login/")
credentials = {"username": "boss", "password": "correct-horse"}
assert post(boss, "/accounts/login/", **credentials) == "/accounts/invite/"
with contextlib.redirect_stdout(io.StringIO()) as printed:
    post(boss, "/accounts/invite/", email="new@example.org")
assert printed.getvalue().count("Subject:") == 1
link = re.search(r"http://localhost:8000(/\\S*/invited/\\S*)", printed.getvalue())[1]

newcomer = Client()
assert get(newcomer, "/accounts/register/").status_code == 403
assert get(newcomer, link).status_code == 200
account = {"username": "newcomer", "email": "new@example.org"}
passwords = dict.fromkeys(("password1", "password2"), "battery-staple")
with contextlib.redirect_stdout(io.StringIO()) as printed:
    landed = post(newcomer, "/accounts/register/", **account, **passwords)
assert printed.getvalue() == ""  # one email, one form
assert get(newcomer, landed).status_code == 200
assert "_auth_user_id" in newcomer.session
assert get(Client(), link).status_code == 410
print("told")
"""


@pytest.mark.long
def test_its_lines_are_all_that_a_new_project_needs(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.run("-m", "django", "startproject", "club", ".")
    files = {"settings.py": tmp_path / "club/settings.py", "urls.py": tmp_path / "club/urls.py"}
    [(_, code)] = code_blocks(ROOT / "README.rst")
    for part in code.strip().split("\n\n"):
        name = part.split(",")[0].split()[1]
        with files[name].open("a", encoding="utf-8") as file:
            file.write(f"\n{part}\n")
    if django.VERSION < (6, 1):
        with files["settings.py"].open("a", encoding="utf-8") as file:
            file.write(CONSOLE)
    project.run("manage.py", "migrate", "-v0")
    boss = {"DJANGO_SUPERUSER_USERNAME": "boss", "DJANGO_SUPERUSER_PASSWORD": "correct-horse"}
    email = {"DJANGO_SUPERUSER_EMAIL": "boss@example.org"}
    project.run("manage.py", "createsuperuser", "--noinput", **boss, **email)
    project.run("manage.py", "check", "--fail-level", "WARNING", "--database", "default")
    (tmp_path / "story.py").write_text(STORY)
    told = project.run("manage.py", "shell", "-c", "exec(open('story.py').read(), {})")
    assert told.endswith("told\n")
