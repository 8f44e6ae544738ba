"""Templates: every page and mail is ours, says who and until when, and is made for everybody."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import django
import pytest
import registration
from django import forms
from django.contrib.auth.models import AnonymousUser
from django.template.loader import get_template, render_to_string
from django.test import RequestFactory
from django.utils import translation

import invitation

# The workflow with the most pages and mails.
pytestmark = pytest.mark.urls("tests.urls_admin_approval")

OURS = Path(invitation.__file__).parent / "templates"
REDUX = Path(registration.__file__).parent / "templates"
AUTH = Path(django.__file__).parent / "contrib" / "auth" / "templates"

SITE = SimpleNamespace(name="Harbour Choir & Friends", domain="choir.example", pk=None)
URL = "https://choir.example/accounts/invited/key/"
MAIL = {
    "invitation_url": URL,
    "decline_url": f"{URL}?answer=no",
    "inviter_name": "Grace O'Hopper",
    "recipient_name": "Ada",
    "note": "We need an alto & a tea <maker>.\n\nCome!",
    "expiration_date": "Nov. 29, 2026, 1:34 p.m. (UTC)",
    "site": SITE,
    "site_name": SITE.name,
    "base_url": "https://choir.example",
}
HOST_MAIL = {
    "site": SITE,
    "user": SimpleNamespace(get_username=lambda: "ada", email="ada@example.com"),
    "activation_key": "ab" * 32,
    "expiration_days": 7,
    "profile_id": 3,
}
MAILS = {
    "invitation/invitation_email": MAIL,
    "registration/activation_email": HOST_MAIL,
    "registration/admin_approve_email": HOST_MAIL,
    "registration/admin_approve_complete_email": HOST_MAIL,
}
PAGES = sorted(
    path.relative_to(OURS).as_posix()
    for path in OURS.rglob("*.html")
    if "email" not in path.name and path.parent.name != "includes" and path.name != "base.html"
)
SENTENCE = re.compile(r"(?<=[.!?,:])\s+|\n")


class Reader(HTMLParser):
    """Keep what an HTML document says and where it leads."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.said: list[str] = []
        self.silent = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.silent += tag in ("style", "title")

    def handle_endtag(self, tag: str) -> None:
        self.silent -= tag in ("style", "title")

    def handle_data(self, data: str) -> None:
        if not self.silent:
            self.said.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.said).split())


@pytest.fixture(autouse=True)
def _base_url(settings: Any) -> None:
    settings.INVITATION_BASE_URL = "https://choir.example"


def page(name: str, **context: Any) -> Reader:
    request = RequestFactory().get("/accounts/somewhere/")
    request.user = AnonymousUser()
    request.session = {}  # type: ignore[assignment]
    return Reader(render_to_string(name, {"site": SITE, **context}, request=request))


@pytest.mark.parametrize("source", [REDUX, AUTH], ids=["redux", "auth"])
def test_every_account_template_of_the_host_has_one_of_ours(source: Path) -> None:
    theirs = {path.name for path in (source / "registration").iterdir()}
    # Left to the site: what redux's pages extend, and the subject of Django's own mail.
    theirs -= {"registration_base.html", "password_reset_subject.txt"}
    assert theirs - {path.name for path in (OURS / "registration").iterdir()} == set()


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(("language", "direction"), [("en", "ltr"), ("ar", "rtl")])
def test_a_page_is_whole_without_any_context(name: str, language: str, direction: str) -> None:
    with translation.override(language):
        read = page(name)
    assert read.all("html")[0]["lang"] == language
    assert read.all("html")[0]["dir"] == direction
    assert len(read.all("h1")) == 1
    assert len(read.all("main")) == len(read.all("header")) == 1
    assert read.all("a")[0]["href"] == f"#{read.all('main')[0]['id']}"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_titled_after_itself_and_its_site(name: str) -> None:
    source = render_to_string(name, {"site": SITE})
    title = re.search(r"<title>(.*?)</title>", source)
    assert title is not None
    assert re.fullmatch(r"\S.* · Harbour Choir &amp; Friends", title[1])


@pytest.mark.parametrize("name", MAILS)
def test_text_and_html_of_a_mail_say_the_same(name: str) -> None:
    text = render_to_string(f"{name}.txt", MAILS[name])
    read = Reader(render_to_string(f"{name}.html", MAILS[name]))
    said = read.text
    links = {a["href"] for a in read.all("a")}
    lines = [line.removeprefix("> ") for line in text.splitlines() if line not in ("", "> ", "-- ")]
    for line in lines:
        if line.startswith("https://"):
            assert line in links or f"{line}/" in links
        else:
            for part in SENTENCE.split(line.removesuffix(":")):
                assert part in said, part


@pytest.mark.parametrize("name", MAILS)
def test_the_text_of_a_mail_is_not_escaped(name: str) -> None:
    text = render_to_string(f"{name}.txt", MAILS[name])
    subject = render_to_string(f"{name}_subject.txt", MAILS[name])
    assert SITE.name in text
    assert SITE.name in subject
    assert subject.count("\n") == 1
    assert "&amp;" not in text + subject


@pytest.mark.parametrize("name", MAILS)
def test_a_mail_loads_nothing_and_links_only_to_the_site(name: str) -> None:
    read = Reader(render_to_string(f"{name}.html", MAILS[name]))
    assert {tag for tag, _ in read.tags} & {"img", "link", "script", "iframe", "object"} == set()
    assert all((a["href"] or "").startswith("https://choir.example/") for a in read.all("a"))


def test_what_people_wrote_stays_text_in_the_html_mail() -> None:
    html = render_to_string("invitation/invitation_email.html", MAIL)
    assert "a tea &lt;maker&gt;" in html
    assert "<maker>" not in html


@pytest.mark.parametrize("suffix", ["txt", "html"])
def test_an_invitation_without_name_note_and_end_reads_well(suffix: str) -> None:
    bare = MAIL | {
        "inviter_name": "",
        "recipient_name": "",
        "note": "",
        "expiration_date": "",
    }
    source = render_to_string(f"invitation/invitation_email.{suffix}", bare)
    said = Reader(source).text if suffix == "html" else source
    assert "Hello," in said
    assert "You are invited to join Harbour Choir & Friends." in said
    assert "and does not expire." in said
    assert "writes:" not in said


def test_the_mail_for_a_new_password_is_text_with_the_hosts_own_address() -> None:
    context = {
        "site_name": SITE.name,
        "protocol": "https",
        "domain": "choir.example",
        "uid": "MQ",
        "token": "abc-123",
        "user": HOST_MAIL["user"],
    }
    text = render_to_string("registration/password_reset_email.html", context)
    assert "\nhttps://choir.example/accounts/password/reset/confirm/MQ/abc-123/\n" in text
    assert SITE.name in text
    assert "<" not in text


class EveryField(forms.Form):
    """Ask for one thing of each kind."""

    name = forms.CharField(help_text="As <em>you</em> like it.")
    nickname = forms.CharField(required=False)
    terms = forms.BooleanField()
    colour = forms.ChoiceField(choices=[("r", "red")], widget=forms.RadioSelect, help_text="One.")
    secret = forms.CharField(widget=forms.HiddenInput)


def test_each_field_has_a_label_and_names_its_help_and_its_error() -> None:
    read = page("registration/registration_form.html", form=EveryField({}))
    ids = {attributes["id"] for _, attributes in read.tags if "id" in attributes}
    inputs = {a["id"]: a for a in read.all("input") if a.get("type") != "hidden" and "id" in a}
    assert {label["for"] for label in read.all("label")} >= {"id_name", "id_nickname", "id_terms"}
    assert inputs["id_name"]["aria-describedby"] == "id_name_helptext id_name_error"
    assert inputs["id_terms"]["aria-describedby"] == "id_terms_error"
    assert read.all("fieldset")[0]["aria-describedby"] == "id_colour_helptext id_colour_error"
    described = [a["aria-describedby"] for _, a in read.tags if a.get("aria-describedby")]
    assert set(" ".join(filter(None, described)).split()) <= ids


def test_errors_are_summed_up_first_with_a_link_to_each_field() -> None:
    read = page("registration/registration_form.html", form=EveryField({}))
    assert [a for _, a in read.tags if a.get("role") == "alert"]
    targets = [a["href"] for a in read.all("a") if (a["href"] or "").startswith("#id_")]
    assert targets == ["#id_name", "#id_terms", "#id_colour_field"]
    ids = [attributes["id"] for _, attributes in read.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {target.removeprefix("#") for target in targets if target} <= set(ids)


def test_a_form_without_errors_alarms_nobody() -> None:
    read = page("registration/registration_form.html", form=EveryField())
    assert not [a for _, a in read.tags if a.get("role") == "alert"]


def test_who_registers_sees_who_invites_and_until_when() -> None:
    read = page(
        "registration/registration_form.html",
        form=EveryField(),
        invitation=object(),
        inviter_name="Grace Hopper",
        expires_at=datetime(2026, 11, 29, 13, 34, tzinfo=timezone.utc),
    )
    assert "Invited by Grace Hopper" in read.text
    assert read.all("time")[0]["datetime"] == "2026-11-29T13:34:00+00:00"
    assert "Nov. 29, 2026, 1:34 p.m. UTC" in read.text


def test_the_open_registration_of_a_site_without_invite_mode_needs_no_invitation() -> None:
    read = page("registration/registration_form.html", form=EveryField(), invitation=None)
    assert "Invited by" not in read.text
    assert not read.all("time")


def test_logging_out_is_a_form_that_posts() -> None:
    request = RequestFactory().get("/accounts/somewhere/")
    request.user = SimpleNamespace(is_authenticated=True, get_username=lambda: "ada")  # type: ignore[assignment]
    read = Reader(
        render_to_string("registration/password_change_done.html", {"site": SITE}, request=request)
    )
    assert {"method": "post", "action": "/accounts/logout/"} in read.all("form")
    assert not [a for a in read.all("a") if "logout" in (a["href"] or "")]


def test_the_page_that_one_is_on_is_marked() -> None:
    request = RequestFactory().get("/accounts/login/")
    request.user = AnonymousUser()
    read = Reader(render_to_string("registration/login.html", {"site": SITE}, request=request))
    marked = [a["href"] for a in read.all("a") if a.get("aria-current") == "page"]
    assert marked == ["/accounts/login/"]


def test_every_template_can_be_loaded() -> None:
    for path in OURS.rglob("*.*"):
        assert get_template(path.relative_to(OURS).as_posix())
