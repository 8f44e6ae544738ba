"""Sites: which one it is, and what its links begin with; never what a request says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.sites.models import Site
from django.core.exceptions import ImproperlyConfigured
from django.test import RequestFactory
from django.test.utils import modify_settings
from django.utils.translation import gettext_lazy, override

from invitation.keys import sites


@pytest.fixture(autouse=True)
def _fresh_sites() -> Iterator[None]:
    """Forget the Sites that Django keeps in memory."""
    Site.objects.clear_cache()
    yield
    Site.objects.clear_cache()


@pytest.fixture
def no_sites() -> Iterator[None]:
    """Take django.contrib.sites away."""
    with modify_settings(INSTALLED_APPS={"remove": "django.contrib.sites"}):
        yield


# -- which site --


def test_the_site_of_the_settings_costs_no_query(settings: Any) -> None:
    settings.SITE_ID = 7
    assert sites.current_site_id() == 7


@pytest.mark.django_db
def test_without_site_id_the_host_name_decides(settings: Any) -> None:
    del settings.SITE_ID
    settings.ALLOWED_HOSTS = ["*"]
    other = Site.objects.create(domain="other.example", name="Other")
    request = RequestFactory().get("/", headers={"host": "other.example"})
    assert sites.current_site_id(request) == other.pk


def test_without_the_sites_app_it_is_none(no_sites: None) -> None:
    assert sites.current_site_id() == sites.NO_SITE_ID == 0


@pytest.mark.django_db
def test_the_current_site_is_asked_for_once(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        assert sites.get_site(1) is sites.get_site(1)


@pytest.mark.django_db
def test_another_site_can_be_had_by_its_id() -> None:
    other = Site.objects.create(domain="other.example", name="Other")
    assert sites.get_site(other.pk) == other


@pytest.mark.django_db
def test_a_site_is_there_if_it_has_a_row() -> None:
    assert (sites.exists(1), sites.exists(999)) == (True, False)


def test_without_the_sites_app_there_is_one_site(no_sites: None) -> None:
    assert (sites.exists(sites.NO_SITE_ID), sites.exists(1)) == (True, False)


def test_without_the_sites_app_a_stand_in_names_the_host(no_sites: None, settings: Any) -> None:
    settings.INVITATION_BASE_URL = "https://join.example.org/app"
    site = sites.get_site(0)
    assert (site.name, site.domain, str(site)) == ("join.example.org",) * 3


def test_so_it_does_for_an_invitation_from_before_the_sites_app(settings: Any) -> None:
    settings.INVITATION_BASE_URL = "https://join.example.org"
    assert sites.get_site(0).name == "join.example.org"


# -- its name --


@pytest.mark.django_db
def test_the_setting_names_the_site_and_leaves_its_row_alone(settings: Any) -> None:
    settings.INVITATION_SITE_NAME = "Garden Club"
    assert (sites.get_site(1).name, sites.get_site(1).domain) == ("Garden Club", "example.com")
    assert Site.objects.get_current().name == "example.com"


def test_the_setting_names_a_site_without_the_sites_app(no_sites: None, settings: Any) -> None:
    settings.INVITATION_BASE_URL = "https://join.example.org"
    settings.INVITATION_SITE_NAME = gettext_lazy("Yes")
    assert sites.get_site(0) == sites.SiteStandIn(domain="join.example.org", name="Yes")
    with override("de"):
        assert sites.get_site(0).name == "Ja"


@pytest.mark.django_db
def test_pages_and_emails_get_the_name_and_the_sentence_about_the_site(settings: Any) -> None:
    request = RequestFactory().get("/")
    site = Site.objects.get_current()
    plain = {"site": site, "site_name": "example.com", "site_blurb": ""}
    assert sites.describe_current(request) == plain
    settings.INVITATION_SITE_NAME, settings.INVITATION_SITE_BLURB = "Garden Club", "We swap seeds."
    about = sites.describe_current(request)
    assert (about["site_name"], about["site_blurb"]) == ("Garden Club", "We swap seeds.")


# -- what links begin with --


@pytest.mark.parametrize(
    ("value", "base"),
    [
        ("https://example.org", "https://example.org"),
        ("https://example.org/", "https://example.org"),
        ("http://example.org:8000/app/", "http://example.org:8000/app"),
    ],
)
def test_the_setting_comes_first(settings: Any, value: str, base: str) -> None:
    settings.INVITATION_BASE_URL = value
    assert sites.base_url(1) == base
    assert sites.absolute("/x/", 1) == f"{base}/x/"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("domain", "base"),
    [
        ("example.org", "https://example.org"),
        ("localhost", "http://localhost"),
        ("localhost:8000", "http://localhost:8000"),
        ("127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("[::1]", "http://[::1]"),
        ("[::1]:8000", "http://[::1]:8000"),
        ("localhost.example.org", "https://localhost.example.org"),
    ],
)
def test_then_the_domain_of_the_site(domain: str, base: str) -> None:
    Site.objects.filter(pk=1).update(domain=domain)
    Site.objects.clear_cache()
    assert sites.base_url(1) == base


@pytest.mark.parametrize(
    ("hosts", "base"),
    [
        (["example.org"], "https://example.org"),
        (["*", "example.org", "other.example"], "https://example.org"),
        (["*.example.org", ".example.org"], "https://example.org"),
        (["localhost"], "http://localhost"),
    ],
)
def test_then_the_first_concrete_allowed_host(
    no_sites: None, settings: Any, hosts: list[str], base: str
) -> None:
    settings.ALLOWED_HOSTS = hosts
    assert sites.base_url(0) == base


def test_then_runservers_address_while_debugging(no_sites: None, settings: Any) -> None:
    settings.DEBUG = True
    settings.ALLOWED_HOSTS = []
    assert sites.base_url(0) == "http://localhost:8000"


@pytest.mark.parametrize(("debug", "hosts"), [(False, []), (False, ["*"]), (True, ["*"])])
def test_else_it_says_what_to_do(
    no_sites: None, settings: Any, debug: bool, hosts: list[str]
) -> None:
    settings.DEBUG = debug
    settings.ALLOWED_HOSTS = hosts
    with pytest.raises(ImproperlyConfigured, match="INVITATION_BASE_URL"):
        sites.base_url(0)


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("//localhost", True),
        ("http://LOCALHOST:8000/x", True),
        ("//127.0.0.1", True),
        ("//[::1]:80", True),
        ("//localhost.example.org", False),
        ("//*", False),
        ("//[", False),
        ("", False),
    ],
)
def test_which_addresses_lead_to_the_readers_own_computer(address: str, local: bool) -> None:
    assert sites.is_local(address) is local
