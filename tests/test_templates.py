"""Templates: every page and email is ours, says who and until when, and is made for everybody."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
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
from django.contrib.sites.models import Site
from django.core import mail
from django.core.mail import EmailMessage
from django.template import engines
from django.template.loader import get_template, render_to_string
from django.test import Client, RequestFactory
from django.test.utils import modify_settings
from django.utils import translation
from registration.models import SupervisedRegistrationProfile

import invitation
from invitation.exceptions import QuotaExceeded
from invitation.flows import quota
from invitation.forms import InvitationKeyForm
from invitation.gate import visitor
from tests import scenes

# The workflow with the most pages and emails.
pytestmark = pytest.mark.urls("tests.urls_admin_approval")

OURS = Path(invitation.__file__).parent / "templates"
REDUX = Path(registration.__file__).parent / "templates"
DOCS = Path(__file__).parents[1] / "docs"
AUTH = Path(django.__file__).parent / "contrib" / "auth" / "templates"

SITE = Site(pk=1, name="Harbour Choir & Friends", domain="choir.example")
URL = "https://choir.example/accounts/invited/key/"
MAIL = {
    "invitation_url": URL,
    "decline_url": f"{URL}?answer=no",
    "inviter_name": "Grace O'Hopper",
    "recipient_name": "Ada",
    "unsubscribe_url": "https://choir.example/accounts/unsubscribe/token/",
    "note": "We need an alto & a tea <maker>.\n\nCome!",
    "expires_on": "29 November 2026",
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
RENEWAL_MAIL = {
    "invitation": SimpleNamespace(email="ada@xn--mnchen-3ya.example"),
    "renew_url": "https://choir.example/accounts/invitations/7/renew/",
    "inviter_name": "Grace O'Hopper",
    "recipient_name": "Ada & Co.",
    "revoked": False,
    "ended_on": "Nov. 29, 2026",
    "site": SITE,
    "site_name": SITE.name,
    "base_url": "https://choir.example",
}
ACCEPTED_MAIL = {
    "invitation": SimpleNamespace(email="ada@xn--mnchen-3ya.example"),
    "detail_url": "https://choir.example/accounts/invitations/7/",
    "inviter_name": "Grace O'Hopper",
    "recipient_name": "Ada & Co.",
    "invited_on": "Nov. 22, 2026",
    "site": SITE,
    "site_name": SITE.name,
    "base_url": "https://choir.example",
}
EXPIRED_MAIL = {
    "invitations": [
        SimpleNamespace(email="ada@xn--mnchen-3ya.example", recipient_name="Ada & Co."),
        SimpleNamespace(email="bob@example.org", recipient_name=""),
    ],
    "number": 5,
    "others": 3,
    "kept": True,
    "next_url": "https://choir.example/accounts/invitations/?state=expired",
    "inviter_name": "Grace O'Hopper",
    "site": SITE,
    "site_name": SITE.name,
    "base_url": "https://choir.example",
}
MAILS = {
    "invitation/invitation_email": MAIL,
    "invitation/invitation_member_email": MAIL | {"has_account": True},
    "invitation/invitation_reminder_email": MAIL | {"has_account": False},
    "invitation/invitation_accepted_email": ACCEPTED_MAIL,
    "invitation/invitation_declined_email": ACCEPTED_MAIL,
    "invitation/invitation_expired_email": EXPIRED_MAIL,
    "invitation/invitation_renewal_email": RENEWAL_MAIL,
    "registration/activation_email": HOST_MAIL,
    "registration/admin_approve_email": HOST_MAIL,
    "registration/admin_approve_complete_email": HOST_MAIL,
}
PAGES = sorted(
    path.relative_to(OURS).as_posix()
    for path in OURS.rglob("*.html")
    if "email" not in path.name and path.parent.name != "includes" and path.name != "base.html"
    # Those extend Django's: see test_admin_tree.py.
    if path.relative_to(OURS).parts[0] != "admin"
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
    theirs -= {"registration_base.html"}  # Left to the site: only redux's pages extend it.
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
    said = read.text.replace("( ", "(").replace(" )", ")")  # around a <bdi>
    links = {a["href"] for a in read.all("a")}
    lines = [line.removeprefix("> ") for line in text.splitlines() if line not in ("", "> ", "-- ")]
    lines = [line.removeprefix("- ") for line in lines]
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


@pytest.mark.parametrize("name", MAILS)
def test_a_site_gives_all_mails_its_colours_with_one_small_template(
    settings: Any, name: str
) -> None:
    ours = """{% extends "invitation/email_base.html" %}{% block extra_head %}
        <style>.mail-edge { background: #123 !important }</style>
    {% endblock %}"""
    loaders = [
        ("django.template.loaders.locmem.Loader", {"invitation/email_base.html": ours}),
        "django.template.loaders.app_directories.Loader",
    ]
    backend = "django.template.backends.django.DjangoTemplates"
    settings.TEMPLATES = [{"BACKEND": backend, "OPTIONS": {"loaders": loaders}}]
    html = render_to_string(f"{name}.html", MAILS[name])
    assert 0 < html.index(".mail-edge { background: #a9c0f7") < html.index("#123")
    assert html.index("#123") < html.index("</head>") < html.index('class="mail-edge"')
    assert Reader(html).all("h1")


def test_the_documentation_lists_the_classes_of_the_mails() -> None:
    html = "".join(path.read_text("utf-8") for path in OURS.rglob("*email*.html"))
    classes = set(" ".join(re.findall(r'class="([^"]+)"', html)).split())
    documented = re.findall(
        r"``\.(mail-[a-z]+)``", (DOCS / "reference" / "templates.rst").read_text("utf-8")
    )
    assert set(documented) == classes - {"mail-margin", "mail-padding"}  # These only make room.


@pytest.mark.parametrize("name", MAILS)
def test_under_the_button_of_a_mail_are_at_most_three_short_paragraphs(name: str) -> None:
    html = render_to_string(f"{name}.html", MAILS[name])
    below, _, footer = html.partition('class="mail-button"')[2].partition("</td>\n</tr>\n</table>")
    said = [Reader(one).text for one in below.split("<p")[1:]]
    assert len(said) <= 3, said
    assert all(len(one.split()) <= 20 for one in said), said
    assert footer.count("Unsubscribe") == ("unsubscribe_url" in MAILS[name])


@pytest.mark.parametrize("name", MAILS)
def test_a_mail_begins_with_words_for_the_list_of_mails_and_names_the_site(name: str) -> None:
    html = render_to_string(f"{name}.html", MAILS[name])
    hidden = re.search(r'(?s)<div style="display: none;[^>]*>(.*?)</div>', html)
    assert hidden is not None
    assert 10 <= len(hidden[1]) <= 120
    assert "Harbour Choir &amp; Friends</bdi></p>" in html


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
        "expires_on": "",
    }
    source = render_to_string(f"invitation/invitation_email.{suffix}", bare)
    said = Reader(source).text if suffix == "html" else source
    assert "Hello," in said
    assert "You are invited to join Harbour Choir & Friends" in said
    assert "This invitation does not expire." in said
    assert "writes:" not in said


@pytest.mark.parametrize("suffix", ["txt", "html"])
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "your invitation for Ada & Co. (ada@münchen.example) and requested a new one."),
        ({"recipient_name": ""}, "your invitation for ada@münchen.example and requested"),
        ({}, "That invitation expired on Nov. 29, 2026."),
        ({"revoked": True}, "That invitation was revoked on Nov. 29, 2026."),
        ({}, "Hello Grace O'Hopper,"),
        ({"inviter_name": ""}, "Hello,"),
    ],
)
def test_the_mail_to_an_inviter_says_for_whom_and_what_became_of_it(
    suffix: str, changes: dict[str, Any], words: str
) -> None:
    name = f"invitation/invitation_renewal_email.{suffix}"
    source = render_to_string(name, RENEWAL_MAIL | changes)
    assert words in (Reader(source).text if suffix == "html" else source)


def test_its_subject_names_the_invited_person() -> None:
    name = "invitation/invitation_renewal_email_subject.txt"
    start = "New invitation to Harbour Choir & Friends requested: "
    assert render_to_string(name, RENEWAL_MAIL).strip() == f"{start}Ada & Co."
    nameless = RENEWAL_MAIL | {"recipient_name": ""}
    assert render_to_string(name, nameless).strip() == f"{start}ada@münchen.example"


@pytest.mark.parametrize("suffix", ["_subject.txt", ".txt", ".html"])
@pytest.mark.parametrize("name", [name for name in MAILS if name.startswith("invitation/")])
def test_a_mail_is_whole_without_any_context(name: str, suffix: str) -> None:
    source = render_to_string(f"{name}{suffix}", {})
    assert "None" not in source
    assert Reader(source).all("h1") if suffix == ".html" else source.strip()


@pytest.mark.parametrize("suffix", ["txt", "html"])
@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("member", {}, "Grace O'Hopper sent you an invitation at Harbour Choir & Friends"),
        ("member", {}, "You already have an account there. Log in with your account to accept."),
        ("member", {"inviter_name": ""}, "You have an invitation at Harbour Choir & Friends"),
        ("member", {"expires_on": ""}, "This invitation does not expire."),
        ("reminder", {}, "Grace O'Hopper invited you, and you have not answered yet."),
        ("reminder", {"inviter_name": ""}, "You have not answered yet."),
        ("reminder", {}, "Accept invitation"),
        ("reminder", {"has_account": True}, "Open invitation"),
        ("reminder", {"has_account": True}, "Log in with your account to accept."),
        ("reminder", {}, "This invitation expires on 29 November 2026."),
        ("accepted", {}, "Ada & Co. (ada@münchen.example) accepted the invitation that you sent"),
        ("accepted", {"recipient_name": ""}, "ada@münchen.example accepted the invitation"),
        ("accepted", {"invitation": None, "recipient_name": ""}, "you created on Nov. 22, 2026"),
        ("expired", {}, "5 of your invitations have expired"),
        ("expired", {"number": 1, "others": 0}, "1 of your invitations has expired"),
        ("expired", {}, "Ada & Co. (ada@münchen.example)"),
        ("expired", {}, "and 3 more"),
        ("expired", {}, "You can resend them from your list of invitations."),
        ("expired", {"number": 1, "others": 0}, "You can resend it from your list of invitations."),
        ("expired", {"kept": False}, "You can invite again."),
    ],
)
def test_a_mail_says_how_things_stand(
    name: str, suffix: str, changes: dict[str, Any], words: str
) -> None:
    name = f"invitation/invitation_{name}_email"
    source = render_to_string(f"{name}.{suffix}", MAILS[name] | changes)
    said = Reader(source).text.replace("( ", "(").replace(" )", ")") if suffix == "html" else source
    assert words in said


@pytest.mark.parametrize(
    ("name", "changes", "subject"),
    [
        ("member", {}, "Grace O'Hopper sent you an invitation at Harbour Choir & Friends"),
        ("member", {"inviter_name": ""}, "You have an invitation at Harbour Choir & Friends"),
        (
            "reminder",
            {},
            "Your invitation from Grace O'Hopper to Harbour Choir & Friends expires soon",
        ),
        (
            "reminder",
            {"inviter_name": ""},
            "Your invitation to Harbour Choir & Friends expires soon",
        ),
        ("accepted", {}, "Ada & Co. accepted your invitation to Harbour Choir & Friends"),
        (
            "accepted",
            {"recipient_name": ""},
            "ada@münchen.example accepted your invitation to Harbour Choir & Friends",
        ),
        ("expired", {}, "5 invitations to Harbour Choir & Friends have expired"),
        ("expired", {"number": 1}, "1 invitation to Harbour Choir & Friends has expired"),
    ],
)
def test_a_subject_says_what_the_mail_is_about(
    name: str, changes: dict[str, Any], subject: str
) -> None:
    name = f"invitation/invitation_{name}_email"
    assert render_to_string(f"{name}_subject.txt", MAILS[name] | changes).strip() == subject


@pytest.fixture
def no_sites() -> Iterator[None]:
    """Take django.contrib.sites away."""
    with modify_settings(INSTALLED_APPS={"remove": "django.contrib.sites"}):
        yield


@pytest.mark.parametrize("protocol", ["http", "https"])
def test_the_mail_for_a_new_password_is_text_and_goes_by_the_request_if_by_nothing_else(
    settings: Any, no_sites: None, protocol: str
) -> None:
    settings.INVITATION_BASE_URL = None
    settings.ALLOWED_HOSTS = ["*"]
    context = {
        "site_name": SITE.name,
        "protocol": protocol,
        "domain": "choir.example",
        "uid": "MQ",
        "token": "abc-123",
        "user": HOST_MAIL["user"],
    }
    text = render_to_string("registration/password_reset_email.html", context)
    subject = render_to_string("registration/password_reset_subject.txt", context)
    link = f"{protocol}://choir.example/accounts/password/reset/confirm/MQ/abc-123/"
    assert f"\n{link}\n" in text
    assert text.strip().endswith(f"{SITE.name}\n{protocol}://choir.example")
    assert "<" not in text
    assert subject == f"Choose a new password for your account at {SITE.name}\n"


def whole(message: EmailMessage) -> str:
    """Return all that an email says."""
    parts = [str(content) for content, _ in getattr(message, "alternatives", [])]
    return "\n".join([message.subject, str(message.body), *parts])


@pytest.fixture
def account_mails(
    db: None, settings: Any, member: Any, commit: Callable[..., Any]
) -> Iterator[Callable[[], dict[str, str]]]:
    """Have every email of the accounts sent by requests that ask for ``other.example``."""

    def send() -> dict[str, str]:
        settings.INVITATION_BASE_URL = None
        settings.INVITE_MODE = False
        settings.ALLOWED_HOSTS = ["good.example", "other.example"]
        visiting = Client(headers={"host": "other.example"})
        with commit():
            visiting.post(scenes.REGISTER, scenes.answers())
        profile = SupervisedRegistrationProfile.objects.get()
        visiting.post("/accounts/activate/resend/", {"email": scenes.NEWCOMER})
        profile.refresh_from_db()
        scenes.activate(visiting, f"/accounts/activate/{profile.activation_key}/")
        member.is_staff = member.is_superuser = True
        member.save()
        visiting.force_login(member)
        visiting.post(f"/accounts/approve/{profile.pk}/")
        visiting.post("/accounts/password/reset/", {"email": member.email})
        kinds = ("activation", "activation again", "to approve", "approved", "new password")
        return dict(zip(kinds, map(whole, mail.outbox), strict=True))

    Site.objects.clear_cache()
    yield send
    Site.objects.clear_cache()


def test_without_contrib_sites_no_mail_names_the_host_that_a_visitor_asked_for(
    account_mails: Callable[[], dict[str, str]], no_sites: None
) -> None:
    for kind, text in account_mails().items():
        assert "other.example" not in text, kind
        assert "https://good.example/accounts/" in text, kind
        assert " at good.example" in text, kind


@pytest.mark.parametrize("by_request", [True, False], ids=["by request", "by SITE_ID"])
def test_with_contrib_sites_each_mail_is_of_the_site_that_it_should_be(
    settings: Any, account_mails: Callable[[], dict[str, str]], by_request: bool
) -> None:
    Site.objects.filter(pk=1).update(domain="good.example", name="Good")
    Site.objects.create(domain="other.example", name="Other")
    if by_request:
        del settings.SITE_ID
    host, name = ("other.example", "Other") if by_request else ("good.example", "Good")
    for kind, text in account_mails().items():
        assert set(re.findall(r"\w+\.example\b", text)) == {host}, kind
        assert f"://{host}/accounts/" in text, kind
        assert re.search(rf" at {name}\b", text), kind


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


OFFERED = "No account yet?"
RESEND = "No activation email?"


def login_page(cookie: str = "") -> Reader:
    request = RequestFactory().get("/accounts/login/")
    request.user = AnonymousUser()
    if cookie:
        request.COOKIES[visitor.COOKIE_NAME] = cookie
    return Reader(render_to_string("registration/login.html", {"site": SITE}, request=request))


def test_the_login_offers_no_registration_that_would_be_refused() -> None:
    read = login_page()
    assert OFFERED not in read.text
    assert scenes.REGISTER not in {a["href"] for a in read.all("a")}


@pytest.mark.parametrize(("invite_mode", "cookie"), [(True, "a key"), (False, "")])
def test_the_login_offers_registration_to_who_may_register(
    settings: Any, invite_mode: bool, cookie: str
) -> None:
    settings.INVITE_MODE = invite_mode
    read = login_page(cookie)
    assert OFFERED in read.text
    assert scenes.REGISTER in {a["href"] for a in read.all("a")}


@pytest.mark.parametrize("cookie", ["", "a key"])
@pytest.mark.parametrize(("urlconf", "there"), [("tests.urls", True), ("tests.urls_simple", False)])
def test_the_login_leads_to_the_lost_mail_where_there_is_such_a_page(
    settings: Any, urlconf: str, there: bool, cookie: str
) -> None:
    settings.ROOT_URLCONF = urlconf
    read = login_page(cookie)
    assert (RESEND in read.text) is there
    assert (OFFERED in read.text) is bool(cookie)
    assert len(read.all("hr")) == (there or bool(cookie))


def test_the_landing_page_has_no_link_to_a_registration_that_is_not_there() -> None:
    read = page("invitation/invited.html", register_url="", login_url="/in/")
    assert all(a["href"] for a in read.all("a"))
    assert "Accept" not in read.text
    assert "keeps your invitation" in read.text
    assert "/in/" in {a["href"] for a in read.all("a")}
    read = page("invitation/invited.html", register_url="/join/")
    assert "/join/" in {a["href"] for a in read.all("a")}
    assert "keeps your invitation" not in read.text


@pytest.mark.parametrize("email", ["new@example.com", "new", None])
def test_that_no_invitation_is_left_is_said_once(member: Any, email: str | None) -> None:
    form = InvitationKeyForm(None if email is None else {"email": email}, inviter=member)
    if form.is_valid():
        form.refused(QuotaExceeded())
    read = page("invitation/invitation_form.html", form=form, remaining_invitations=0)
    assert read.text.count("You have no invitations left") == 1
    assert read.text.count("You can still resend or extend your pending invitations.") == 1
    assert read.all("form") == read.all("input") == []


#: What names the inviter.
NAMING = [
    "invitation/includes/email_invited_footer.html",
    "invitation/includes/email_invited_footer.txt",
    "invitation/includes/email_note.html",
    "invitation/includes/email_note.txt",
    "invitation/invitation_accepted.html",
    "invitation/invitation_accepted_email.html",
    "invitation/invitation_accepted_email.txt",
    "invitation/invitation_decline.html",
    "invitation/invitation_declined.html",
    "invitation/invitation_declined_email.html",
    "invitation/invitation_declined_email.txt",
    "invitation/invitation_email.html",
    "invitation/invitation_email.txt",
    "invitation/invitation_email_subject.txt",
    "invitation/invitation_expired_email.html",
    "invitation/invitation_expired_email.txt",
    "invitation/invitation_member_email.html",
    "invitation/invitation_member_email.txt",
    "invitation/invitation_member_email_subject.txt",
    "invitation/invitation_reminder_email.html",
    "invitation/invitation_reminder_email.txt",
    "invitation/invitation_reminder_email_subject.txt",
    "invitation/invitation_renewal_email.html",
    "invitation/invitation_renewal_email.txt",
    "invitation/invited.html",
    "registration/registration_form.html",
]


def test_each_template_that_names_the_inviter_is_known() -> None:
    files = {path.relative_to(OURS).as_posix(): path for path in OURS.rglob("*.*")}
    assert [name for name in sorted(files) if "inviter_name" in files[name].read_text()] == NAMING


@pytest.mark.parametrize("name", NAMING)
@pytest.mark.parametrize("note", ["", "Come to the rehearsal!"])
def test_an_inviter_whose_name_cannot_be_shown_leaves_no_gap(name: str, note: str) -> None:
    context = MAIL | RENEWAL_MAIL | EXPIRED_MAIL | ACCEPTED_MAIL
    changes = {"inviter_name": "", "recipient_name": "Ada", "note": note}
    source = render_to_string(name, context | changes)
    said = " ".join("".join(Reader(source).said).split()) if name.endswith("html") else source
    assert not re.search(r"(?m)^[ ,.:]| [,.:]| {2}", said), said
    for verb in ("invites you", "invited you", "can invite", "writes:", "entered your"):
        assert verb not in said
    assert "Invited by" not in said
    title = re.search(r"<title>(.*?)</title>", source)
    assert title is None or re.fullmatch(r"[A-Z5]\S* \S.*", title[1])


def test_every_template_can_be_loaded() -> None:
    for path in OURS.rglob("*.*"):
        assert get_template(path.relative_to(OURS).as_posix())


def test_the_line_beside_a_note_is_where_the_note_begins_whatever_its_script() -> None:
    quoted = {"site": SITE, "note": "Come!", "invitation": {"note": "Come!"}}
    for name in ("invited", "invitation_detail", "invitation_renew"):
        (figure,) = Reader(render_to_string(f"invitation/{name}.html", quoted)).all("figure")
        assert figure == {"class": "invitation-note", "dir": "auto"}
    read = Reader(render_to_string("invitation/invitation_email.html", MAIL))
    (quote,) = read.all("blockquote")
    (card,) = [a for a in read.all("div") if a.get("class") == "mail-note"]
    for part in (quote, card):
        assert part["dir"] == "auto"
        assert "text-align: start" in str(part["style"])


def test_no_line_of_a_template_is_longer_than_an_editor_is_wide() -> None:
    files = [*OURS.rglob("*.*"), *(OURS.parent / "lazysignup" / "templates").rglob("*.*")]
    long = {path.name: max(map(len, path.read_text("utf-8").splitlines())) for path in files}
    assert {name: length for name, length in long.items() if length > 160} == {}


STYLES = (OURS.parent / "static" / "invitation" / "invitation.css").read_text("utf-8")


def test_each_variable_of_the_style_sheet_is_documented_with_its_default() -> None:
    root = STYLES[STYLES.index(":root {") : STYLES.index("@supports")]
    defaults = dict(re.findall(r"(--invitation-[a-z-]+):\s*([^;]+);", root))
    table = (DOCS / "theming" / "variables.txt").read_text("utf-8")
    rows = re.findall(r"\* - ``(--[a-z-]+)``\n     - (.+)\n     - (.+)\n", table)
    assert [name for name, _, _ in rows] == list(defaults)
    for name, _, default in rows:
        if "font" not in name or name.endswith("note"):
            assert f"``{defaults[name]}``" in default, name


def test_each_variable_that_is_used_has_a_default() -> None:
    defined = set(re.findall(r"^ +(--invitation-[a-z-]+):", STYLES, re.MULTILINE))
    assert set(re.findall(r"var\((--invitation-[a-z-]+)", STYLES)) == defined


@pytest.mark.parametrize("path", sorted((DOCS / "theming").glob("*.html")), ids=lambda p: p.stem)
def test_a_recipe_sets_variables_that_there_are_and_has_the_blocks_of_the_frame(path: Path) -> None:
    recipe = path.read_text("utf-8")
    defined = set(re.findall(r"^ +(--invitation-[a-z-]+):", STYLES, re.MULTILINE))
    assert set(re.findall(r"(--invitation-[a-z-]+):", recipe)) <= defined
    for block in ("title", "preview_image", "extra_head", "content"):
        assert f"{{% block {block} %}}" in recipe
    assert "includes/messages.html" in recipe


@pytest.mark.django_db
def test_the_links_for_a_navbar_say_how_many_invitations_are_left(member: Any) -> None:
    menu = (DOCS / "theming" / "bootstrap_menu.txt").read_text("utf-8")
    request = RequestFactory().get("/")
    request.user = member
    shown = engines["django"].from_string(menu).render({"user": member}, request)
    assert re.findall(r'href="([^"]+)"', shown) == ["/accounts/invite/", "/accounts/invitations/"]
    assert '<form method="post" action="/accounts/logout/">' in shown
    left = quota.remaining_invitations(member)
    assert f'>{left}<span class="visually-hidden"> left</span>' in shown
    request.user = AnonymousUser()
    shown = engines["django"].from_string(menu).render({}, request)
    assert re.findall(r'href="([^"]+)"', shown) == ["/accounts/login/"]
