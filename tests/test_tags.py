"""Template tags: the site's name, where an email's links begin, and whom to offer registration."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.contrib.sites.models import Site
from django.contrib.sites.requests import RequestSite
from django.template import Context, Template, TemplateSyntaxError
from django.test import RequestFactory
from django.test.utils import modify_settings

from invitation.flows import inviting
from invitation.gate import visitor
from invitation.models import InvitationQuota
from tests.factories import DAY, make_invitation, make_user

NAME = "{% load invitation_tags %}{% invitation_site as site %}{{ site.name }}"
BASE = "{% load invitation_tags %}{% invitation_base_url %}"
MAY = "{% load invitation_tags %}{% invitation_may_register as may %}{{ may|yesno }}"


@pytest.fixture(autouse=True)
def _fresh_sites() -> Iterator[None]:
    Site.objects.clear_cache()
    yield
    Site.objects.clear_cache()


@pytest.fixture
def no_sites() -> Iterator[None]:
    """Take django.contrib.sites away."""
    with modify_settings(INSTALLED_APPS={"remove": "django.contrib.sites"}):
        yield


def render(text: str, **context: Any) -> str:
    return Template(text).render(Context(context))


@pytest.mark.django_db
def test_a_page_learns_the_name_of_its_site() -> None:
    Site.objects.filter(pk=1).update(name="Harbour Choir")
    assert render(NAME) == "Harbour Choir"


@pytest.mark.django_db
def test_the_settings_name_and_describe_the_site(settings: Any, no_sites: None) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    text = "{% load invitation_tags %}{% invitation_site_name %}|{% invitation_site_blurb %}"
    visited = SimpleNamespace(domain="choir.example", name="choir.example")
    assert render(text) == "|"
    assert render(text, site=visited) == "choir.example|"
    settings.INVITATION_SITE_NAME, settings.INVITATION_SITE_BLURB = "Harbour Choir", "We sing."
    assert render(text) == render(text, site=visited) == "Harbour Choir|We sing."
    assert (render(NAME), render(NAME, site=visited)) == ("", "Harbour Choir")


def test_the_setting_renames_the_site_of_a_page(settings: Any) -> None:
    settings.INVITATION_SITE_NAME = "Harbour Choir"
    site = Site(pk=2, domain="other.example", name="Other")
    assert (render(NAME, site=site), site.name) == ("Harbour Choir", "Other")


@pytest.mark.django_db
def test_a_page_without_a_site_has_no_name_and_no_error(settings: Any) -> None:
    settings.SITE_ID = 99
    assert render(NAME) == ""


def test_a_page_or_mail_is_of_the_site_that_it_names_itself() -> None:
    assert render(NAME, site=Site(pk=2, domain="other.example", name="Other")) == "Other"


def test_a_site_is_not_called_after_what_a_visitor_asked_for(settings: Any, no_sites: None) -> None:
    settings.ALLOWED_HOSTS = ["good.example", "other.example"]
    request = RequestFactory().get("/", headers={"host": "other.example"})
    assert render(NAME, site=RequestSite(request), request=request) == "good.example"


def test_only_where_nothing_else_names_the_site_the_mails_own_does(
    settings: Any, no_sites: None
) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    visited = SimpleNamespace(domain="choir.example", name="Harbour Choir")
    assert render(NAME, site=visited) == "Harbour Choir"
    assert render(NAME) == ""


@pytest.mark.django_db
def test_a_mail_begins_its_links_with_the_site_it_is_about() -> None:
    other = Site.objects.create(domain="other.example", name="Other")
    assert render(BASE, site=other) == "https://other.example"


@pytest.mark.django_db
def test_a_mail_that_names_no_site_is_about_the_current_one() -> None:
    assert render(BASE) == "https://example.com"


def test_the_setting_decides_whatever_host_a_request_names(settings: Any, no_sites: None) -> None:
    settings.INVITATION_BASE_URL = "https://choir.example/app/"
    visited = SimpleNamespace(domain="evil.example", name="evil.example")
    assert render(BASE, site=visited) == "https://choir.example/app"


def test_only_where_nothing_else_names_the_host_the_mails_site_does(
    settings: Any, no_sites: None
) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    visited = SimpleNamespace(domain="choir.example", name="choir.example")
    assert render(BASE, site=visited) == "https://choir.example"
    assert render(BASE) == ""


def test_a_mail_of_django_names_its_host_in_other_words(settings: Any, no_sites: None) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    assert render(BASE, domain="choir.example", protocol="http") == "http://choir.example"


def test_where_only_a_request_tells_the_site_a_mail_without_one_names_it_itself(
    settings: Any,
) -> None:
    del settings.SITE_ID
    site = {"domain": "choir.example", "site_name": "Harbour Choir", "protocol": "https"}
    assert render(NAME, **site) == ""
    assert render(BASE, **site) == "https://choir.example"
    settings.INVITATION_BASE_URL = "https://choir.example/app/"
    assert render(BASE, **site | {"domain": "other.example"}) == "https://choir.example/app"


# -- whom to offer registration --


@pytest.mark.parametrize(
    ("invite_mode", "cookie", "answer"),
    [
        (True, "", "no"),
        (True, "a key, or anything else", "yes"),
        (False, "", "yes"),
        (False, "a key", "yes"),
    ],
)
def test_registration_is_offered_to_all_or_to_who_was_invited(
    settings: Any, invite_mode: bool, cookie: str, answer: str
) -> None:
    settings.INVITE_MODE = invite_mode
    request = RequestFactory().get("/")
    if cookie:
        request.COOKIES[visitor.COOKIE_NAME] = cookie
    assert render(MAY, request=request) == answer


@pytest.mark.parametrize(("invite_mode", "answer"), [(True, "no"), (False, "yes")])
def test_without_a_request_nobody_has_come_with_an_invitation(
    settings: Any, invite_mode: bool, answer: str
) -> None:
    settings.INVITE_MODE = invite_mode
    assert render(MAY) == answer


# -- what waits for who is signed in --

WAITS = "{% load invitation_tags %}{% invitation_received as n %}{{ n }}"


def own_address(user: Any) -> list[str]:
    """Be the rule of a site that knows of every address that it is the holder's."""
    return [user.email]


def request_of(user: Any) -> Any:
    request = RequestFactory().get("/")
    request.user = user
    return request


def test_nothing_waits_for_a_visitor(django_assert_num_queries: Any) -> None:
    for context in ({}, {"request": RequestFactory().get("/")}, {"request": request_of(None)}):
        assert render(WAITS, **context) == "0"
    assert render(WAITS, request=request_of(AnonymousUser())) == "0"


@pytest.mark.django_db
def test_what_waits_is_counted_once_for_each_request(
    settings: Any, member: Any, django_assert_num_queries: Any
) -> None:
    settings.INVITATION_VERIFIED_ADDRESSES = own_address
    for number, left in enumerate((DAY, DAY, -DAY)):
        make_invitation(make_user(f"inviter{number}"), member.email, left=left)
    request = request_of(member)
    with django_assert_num_queries(1):
        assert render(WAITS + "{% invitation_received %}", request=request) == "22"
        assert render(WAITS, request=request) == "2"


@pytest.mark.django_db
def test_who_logs_in_within_a_request_is_counted_for_himself(settings: Any, member: Any) -> None:
    settings.INVITATION_VERIFIED_ADDRESSES = own_address
    make_invitation(None, member.email)
    request = request_of(make_user("other"))
    assert render(WAITS, request=request) == "0"
    request.user = member
    assert render(WAITS, request=request) == "1"


@pytest.mark.django_db
def test_nothing_waits_for_an_address_that_is_not_proven(
    settings: Any, member: Any, django_assert_num_queries: Any
) -> None:
    settings.INVITATION_VERIFIED_ADDRESSES = None
    make_invitation(None, member.email)
    with django_assert_num_queries(0):
        assert render(WAITS, request=request_of(member)) == "0"


@pytest.mark.django_db
def test_a_menu_fails_for_no_site(settings: Any, member: Any) -> None:
    settings.INVITATION_VERIFIED_ADDRESSES = own_address
    settings.ALLOWED_HOSTS = ["testserver"]
    del settings.SITE_ID
    assert render(WAITS, request=request_of(member)) == "0"


# -- how many invitations are left --

LEFT = "{% load invitation_tags %}{% remaining_invitations user %}"
KEPT = (
    "{% load invitation_tags %}{% remaining_invitations user as left %}"
    "[{% if left is None %}no limit{% else %}{{ left }}{% endif %}]"
)


def test_a_page_tells_how_many_are_left_in_one_query(
    member: Any, settings: Any, django_assert_num_queries: Any
) -> None:
    settings.INVITATIONS_PER_USER = 3
    inviting.create_without_address(member)
    for text, words in ((LEFT, "2"), (KEPT, "[2]")):
        with django_assert_num_queries(1):
            assert render(text, user=member) == words


@pytest.mark.parametrize("unlimited", ["for all", "for one"])
def test_no_limit_is_a_word_to_print_and_none_to_ask(
    member: Any, settings: Any, unlimited: str
) -> None:
    if unlimited == "for all":
        settings.INVITATIONS_PER_USER = None
    else:
        InvitationQuota.objects.create(inviter=member, unlimited=True)
    assert render(LEFT, user=member) == "unlimited"
    assert render(KEPT, user=member) == "[no limit]"


@pytest.mark.parametrize(
    "context",
    [{"user": AnonymousUser()}, {"user": None}, {"user": ""}, {}],
    ids=["anonymous", "None", "nothing", "no user"],
)
def test_a_visitor_has_none(context: dict[str, Any]) -> None:
    assert render(LEFT, **context) == "0"
    assert render(KEPT, **context) == "[0]"


def test_a_big_number_is_written_as_the_site_writes_numbers(member: Any, settings: Any) -> None:
    settings.INVITATIONS_PER_USER = 12345
    settings.USE_THOUSAND_SEPARATOR = True
    assert render(LEFT, user=member) == "12,345"


@pytest.mark.parametrize("arguments", ["", "user as", "user left", "user as left more"])
def test_a_tag_that_is_written_wrong_says_how_to_write_it(arguments: str) -> None:
    text = f"{{% load invitation_tags %}}{{% remaining_invitations {arguments} %}}"
    with pytest.raises(TemplateSyntaxError, match="remaining_invitations user as left"):
        Template(text)


CALLED = "{% load invitation_tags %}{{ path|invitation_destination }}"


def test_a_landing_page_is_called_what_the_site_calls_it(settings: Any) -> None:
    settings.INVITATION_DESTINATIONS = [("/choir/", "The choir's page & more")]
    assert render(CALLED, path="/choir/") == "The choir&#x27;s page &amp; more"


def test_one_that_is_offered_no_longer_is_its_path(settings: Any) -> None:
    settings.INVITATION_DESTINATIONS = [("/choir/", "The choir's page")]
    assert render(CALLED, path="/welcome/") == "/welcome/"


@pytest.mark.parametrize("path", ["", None, "//example.com/"], ids=["empty", "None", "elsewhere"])
def test_where_nobody_is_led_there_is_no_page(path: Any) -> None:
    assert render(CALLED, path=path) == ""


# -- what makes pages fast --


def test_a_moment_is_for_people_and_for_machines(settings: Any) -> None:
    settings.TIME_ZONE = "Europe/Berlin"
    moment = datetime(2026, 5, 3, 22, 30, tzinfo=timezone.utc)
    show = "{% load invitation_tags %}{{ moment|invitation_moment }}"
    words = "May 4, 2026, 12:30 a.m. CEST"
    assert render(show, moment=moment) == (
        f'<time datetime="2026-05-03T22:30:00+00:00">{words}</time>'
    )
    assert render(show, moment=None) == ""


def test_a_moment_without_a_time_zone_is_that_of_the_site(settings: Any) -> None:
    settings.TIME_ZONE, settings.USE_TZ = "Europe/Berlin", False
    show = "{% load invitation_tags %}{{ moment|invitation_moment }}"
    shown = render(show, moment=datetime(2026, 5, 4, 0, 30))
    assert shown == '<time datetime="2026-05-03T22:30:00+00:00">May 4, 2026, 12:30 a.m. </time>'


@pytest.mark.parametrize(
    ("email", "shown"),
    [
        ("ann@example.org", "ann@example.org"),
        (
            "wilhelmina.long@mail.example.org",
            "wilhelmina.long@<wbr>mail.example.org",
        ),
        ("<b>@a-long-domain.example.org", "&lt;b&gt;@<wbr>a-long-domain<wbr>.example<wbr>.org"),
        ("http://example.org/accounts/join/", "http://example<wbr>.org/<wbr>accounts/<wbr>join/"),
        ("", ""),
    ],
)
def test_a_long_address_breaks_after_its_sign(email: str, shown: str) -> None:
    assert render("{% load invitation_tags %}{{ email|invitation_breaks }}", email=email) == shown
