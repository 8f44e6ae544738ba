"""The pages that people are led to where nothing else says so: pages that the site has."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import global_settings
from django.conf.urls.i18n import i18n_patterns
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import include, path
from django.utils.translation import override

from invitation import gate
from invitation.backends.base import LoginView as OurLoginView
from tests.factories import make_user
from tests.scenes import INVITE


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


def urlconf(*patterns: Any) -> type:
    return type("urlconf", (), {"urlpatterns": list(patterns)})


ours = path("accounts/", include("invitation.urls"))
DEFAULT = global_settings.LOGIN_REDIRECT_URL


@pytest.mark.parametrize(
    ("patterns", "found"),
    [
        ([path("", page), ours], "/"),
        ([ours], INVITE),
        ([path("more/", page)], "/"),
        ([*i18n_patterns(path("", page)), ours], "/"),
    ],
)
def test_the_front_page_is_one_that_the_site_has(settings: Any, patterns: Any, found: str) -> None:
    settings.ROOT_URLCONF = urlconf(*patterns)
    with override("en"):
        assert gate.front_page() == found


@pytest.mark.parametrize(
    ("target", "found"),
    [
        (DEFAULT, INVITE),
        (None, INVITE),
        ("no_such_name", INVITE),
        ("/members/", "/members/"),
        ("profile", "/profile/"),
    ],
)
def test_a_login_leads_to_a_page_that_the_site_has(
    settings: Any, target: str | None, found: str
) -> None:
    settings.ROOT_URLCONF = urlconf(path("profile/", page, name="profile"), ours)
    settings.LOGIN_REDIRECT_URL = target
    assert gate.home_url() == found


def test_djangos_default_is_kept_where_it_is_a_page(settings: Any) -> None:
    settings.ROOT_URLCONF = urlconf(path("accounts/profile/", page), ours)
    settings.LOGIN_REDIRECT_URL = DEFAULT
    assert gate.home_url() == DEFAULT


@pytest.mark.django_db
def test_our_login_page_needs_no_setting(settings: Any) -> None:
    settings.ROOT_URLCONF = urlconf(ours)
    settings.LOGIN_REDIRECT_URL = DEFAULT
    make_user("ann")
    typed = {"username": "ann", "password": "secret"}
    assert Client().post("/accounts/login/", typed)["Location"] == INVITE


def test_a_view_may_name_the_next_page(settings: Any) -> None:
    settings.ROOT_URLCONF = urlconf(path("profile/", page, name="profile"), ours)
    assert OurLoginView(next_page="profile").get_default_redirect_url() == "/profile/"
    assert issubclass(OurLoginView, LoginView)
