"""Checks say what is wrong with the settings of a site with guests."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.checks import run_checks

from invitation.lazysignup import checks

AUTH = "django.contrib.auth.middleware.AuthenticationMiddleware"
BY_NAME = ["lazysignup.backends.LazySignupBackend", "guest_user.backends.GuestBackend"]
OLD = "invitation.lazysignup.backends.LazySignupBackend"


def ids() -> list[str | None]:
    return [message.id for message in run_checks(tags=["lazysignup"])]


def test_a_good_site_hears_nothing() -> None:
    assert ids() == []


@pytest.mark.parametrize("path", BY_NAME)
def test_a_backend_that_takes_a_name_is_an_error(settings: Any, path: str) -> None:
    settings.AUTHENTICATION_BACKENDS = [*settings.AUTHENTICATION_BACKENDS, path]
    assert ids() == ["lazysignup.E001"]


def test_the_inert_backend_should_go(settings: Any) -> None:
    settings.AUTHENTICATION_BACKENDS = [*settings.AUTHENTICATION_BACKENDS, OLD]
    assert ids() == ["lazysignup.W001"]


@pytest.mark.parametrize("order", [[AUTH], [checks.MIDDLEWARE, AUTH]])
def test_a_middleware_that_is_missing_or_too_early(settings: Any, order: list[str]) -> None:
    settings.MIDDLEWARE = order
    assert ids() == ["lazysignup.E002"]


def test_a_middleware_beside_another_authentication(settings: Any) -> None:
    settings.MIDDLEWARE = [checks.MIDDLEWARE]
    assert ids() == []


@pytest.mark.parametrize(
    ("name", "good", "bad", "found"),
    [
        ("LAZYSIGNUP_USER_AGENT_BLACKLIST", [[], ["bot"], ("a", "b")], ["bot", 3, ["("]], "E003"),
        ("LAZYSIGNUP_LIMIT_PER_CLIENT", [None, 0, 9], [-1, "9", True, 1.5], "E004"),
        ("LAZYSIGNUP_LIMIT", [None, 0, 9], [-1, "9", True], "E004"),
        ("LAZYSIGNUP_DAYS", [None, 1, 0.5], [0, -1, "1", True], "E005"),
        (
            "LAZYSIGNUP_CUSTOM_USER_CREATION_FORM",
            [None, "invitation.lazysignup.forms.ConvertForm"],
            ["nowhere", "invitation.lazysignup.forms.Nothing", 3],
            "E006",
        ),
        (
            "LAZYSIGNUP_NAME_GENERATOR",
            [None, str, "invitation.lazysignup.models.generate_username"],
            ["nowhere.at.all", 3],
            "E007",
        ),
        ("LAZYSIGNUP_USER_MODEL", [], ["auth.Group"], "E008"),
        ("USER_AGENT_BLACKLIST", [], [["bot"]], "W002"),
    ],
)
def test_each_setting_is_checked(
    settings: Any, name: str, good: list[Any], bad: list[Any], found: str
) -> None:
    for value in good:
        setattr(settings, name, value)
        assert ids() == [], value
    for value in bad:
        setattr(settings, name, value)
        assert ids() == [f"lazysignup.{found}"], value
        assert all(name in message.msg for message in run_checks(tags=["lazysignup"]))


def test_the_user_model_of_the_site_is_fine(settings: Any) -> None:
    settings.LAZYSIGNUP_USER_MODEL = settings.AUTH_USER_MODEL
    assert ids() == []
