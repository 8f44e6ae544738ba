"""The system checks on a site with django-registration."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest
from django.apps import apps
from django.core.checks import run_checks
from django.core.management import call_command
from django.urls import include, path

WORKFLOWS = pytest.mark.parametrize("workflow", ["activation", "one_step"])


def ids() -> list[str]:
    return [str(message.id) for message in run_checks()]


@WORKFLOWS
def test_the_checks_have_nothing_to_say(settings: Any, workflow: str) -> None:
    settings.ROOT_URLCONF = f"tests.hosts.registration5.urls_{workflow}"
    call_command("check", fail_level="DEBUG")


@WORKFLOWS
def test_the_host_alone_is_an_open_door(settings: Any, workflow: str) -> None:
    settings.ROOT_URLCONF = f"tests.hosts.registration5.urls_{workflow}_alone"
    assert "invitation.E017" in ids()


@WORKFLOWS
def test_the_host_first_is_an_open_door(settings: Any, workflow: str) -> None:
    settings.ROOT_URLCONF = first = ModuleType("host_first")
    first.urlpatterns = [  # type: ignore[attr-defined]
        path("accounts/", include(f"tests.hosts.registration5.urls_{workflow}_alone")),
        path("accounts/", include(f"invitation.backends.registration5.{workflow}.urls")),
    ]
    assert "invitation.E017" in ids()


@WORKFLOWS
def test_a_host_that_is_routed_but_not_installed_is_reported(settings: Any, workflow: str) -> None:
    settings.ROOT_URLCONF = f"tests.hosts.registration5.urls_{workflow}"
    settings.INSTALLED_APPS = [x for x in settings.INSTALLED_APPS if x != "django_registration"]
    assert ids() == ["invitation.E072"]


@pytest.mark.parametrize("days", [0, -1, "7", None])
def test_bad_activation_days_are_reported(settings: Any, days: Any) -> None:
    settings.ACCOUNT_ACTIVATION_DAYS = days
    assert ids() == ["invitation.E018"]


def test_a_page_after_the_login_that_is_not_there_is_reported(settings: Any) -> None:
    settings.LOGIN_REDIRECT_URL = "/accounts/profile/"
    assert ids() == ["invitation.W012"]


def test_redux_is_not_imported() -> None:
    assert not apps.is_installed("registration")
    assert [name for name in sys.modules if name.split(".")[0] == "registration"] == []
