"""Template tags: the site's name for a page's heading, and where a mail's links begin."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.sites.models import Site
from django.template import Context, Template
from django.test.utils import modify_settings

NAME = "{% load invitation_tags %}{% invitation_site as site %}{{ site.name }}"
BASE = "{% load invitation_tags %}{% invitation_base_url %}"


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
def test_a_page_without_a_site_has_no_name_and_no_error(settings: Any) -> None:
    settings.SITE_ID = 99
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
