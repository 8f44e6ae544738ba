"""The guide about guests, as it is printed, in a fresh project; and code about invitations."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.test import Client, RequestFactory

from invitation.lazysignup import invited
from invitation.models import Acceptance, InvitationKey
from tests.documented import DOCS, code_blocks
from tests.factories import make_user
from tests.lazysignup.people import PERSON, answers
from tests.processes import run_in

#: What the site of the guide has already.
MODELS = """
from django.conf import settings
from django.db import models


class Wish(models.Model):
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    text = models.CharField(max_length=100)
"""
URLS = """
from django.contrib import admin
from django.contrib.auth.views import LoginView
from wishes.views import wishes

urlpatterns += [
    path("", wishes, name="wishes"),
    path("log-in/", LoginView.as_view(template_name="admin/login.html"), name="login"),
    path("admin/", admin.site.urls),
]
"""
PAGE = """
{% for message in messages %}<p>{{ message }}</p>{% endfor %}
{% for wish in user.wish_set.all %}<li>{{ wish.text }}</li>{% endfor %}
"""
APPS = """
from django.apps import AppConfig


class WishesConfig(AppConfig):
    name = "wishes"

    def ready(self):
        from wishes import moving
"""

STORY = """
from django.contrib.auth import get_user_model
from django.test import Client
from invitation.lazysignup.models import LazyUser
from wishes.models import Wish

agent = "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0"
headers = {"host": "localhost", "user-agent": agent}
guest = Client(headers=headers)
assert guest.get("/").status_code == 200
assert not LazyUser.objects.exists()
assert guest.post("/", {"text": "a kite"}).status_code == 302
user = LazyUser.objects.get().user
assert "Sign up and keep your wishes" in guest.get("/").content.decode()
typed = {"username": "ann", "email": "ann@example.org", "redirect_to": "/"}
typed |= {"password1": "battery-staple", "password2": "battery-staple"}
assert guest.get("/sign-up/?redirect_to=/").status_code == 200
assert guest.post("/sign-up/", typed)["Location"] == "/"
assert "a kite" in guest.get("/").content.decode()
assert get_user_model().objects.get(username="ann").pk == user.pk

later = Client(headers=headers)
later.post("/", {"text": "a drum"})
assert later.get("/log-in/").status_code == 200
later.post("/log-in/", {"username": "ann", "password": "battery-staple"})
page = later.get("/").content.decode()
print("moved" if "a drum" in page and "in your account now" in page else "kept")
assert "a kite" in page and "as a guest" in page
"""


def test_the_guide_leads_where_it_says(tmp_path: Path) -> None:
    run = partial(run_in, tmp_path)

    def write(name: str, code: str) -> None:
        with (tmp_path / name).open("a" if name.endswith("settings.py") else "w") as file:
            file.write(code)

    page = DOCS / "howto/guests.rst"
    files = dict(code_blocks(page))
    [html] = re.findall(
        r"(?m)^\.\. code-block:: html\+django\n   :caption: a link\n\n((?:(?:   .*)?\n)+)",
        page.read_text("utf-8"),
    )
    run("-m", "django", "startproject", "club", ".")
    (tmp_path / "wishes/templates").mkdir(parents=True)
    write("wishes/__init__.py", "")
    write("wishes/models.py", MODELS)
    write("wishes/templates/wishes.html", PAGE + html)
    write("wishes/views.py", files["wishes/views.py"])
    write("club/urls.py", files["club/urls.py"] + URLS)
    more = 'INSTALLED_APPS += ["wishes"]\nLOGIN_REDIRECT_URL = "wishes"\n'
    write("club/settings.py", files["club/settings.py"] + more)
    (tmp_path / "story.py").write_text(STORY)
    story = ("manage.py", "shell", "-c", "exec(open('story.py').read(), {})")
    run("manage.py", "makemigrations", "wishes", "-v0")
    run("manage.py", "migrate", "-v0")
    run("manage.py", "check", "--fail-level", "WARNING")
    assert run(*story).endswith("kept\n")
    write("wishes/moving.py", files["wishes/moving.py"])
    write("wishes/apps.py", APPS)
    run("manage.py", "flush", "--noinput", "-v0")
    assert run(*story).endswith("moved\n")


@pytest.mark.django_db
def test_the_code_about_invitations_works(settings: Any) -> None:
    code = dict(code_blocks(DOCS / "howto/guests.rst"))
    code |= dict(code_blocks(DOCS / "howto/own_view.rst"))
    names: dict[str, Any] = {"INSTALLED_APPS": [], "member": make_user(), "__name__": __name__}
    for caption in ("settings", "rule", "invite", "function"):
        exec(compile(code[caption], caption, "exec"), names)  # noqa: S102
    settings.LAZYSIGNUP_WITH_INVITATION = names["LAZYSIGNUP_WITH_INVITATION"]
    invitation, visit = InvitationKey.objects.get(), RequestFactory().get("/")
    assert invited.may_look_around(visit, invitation)
    invitation.data = {}
    assert not invited.may_look_around(visit, invitation)

    guest = Client(headers=PERSON)
    guest.post("/put/", {"name": "seed"})
    request = RequestFactory().post(
        f"/?invitation_key={invitation.mail_key}", answers(email="ann@example.org")
    )
    request.session, request.user = guest.session, _user_of(guest)
    request.session.save()
    before = request.user.pk
    request.META["HTTP_HOST"] = "example.com"

    assert names["sign_up"](request).status_code == 302
    assert Acceptance.objects.get().user.pk == before


def _user_of(client: Client) -> Any:
    from django.contrib.auth import get_user_model

    return get_user_model().objects.get(pk=client.session["_auth_user_id"])
