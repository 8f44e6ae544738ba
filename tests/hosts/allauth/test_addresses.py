"""The addresses that the includes gate follow the settings of allauth."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

from invitation import routes

OURS = {pattern.name for pattern in routes.urlpatterns}


def patterns(module: str) -> list[Any]:
    """Return the URL patterns of a module as a new process would read them."""
    spec = importlib.util.find_spec(f"invitation.backends.allauth.{module}")
    assert spec is not None
    assert spec.loader is not None
    fresh = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fresh)
    found: list[Any] = fresh.urlpatterns
    return found


@pytest.mark.parametrize(
    ("switched", "names"),
    [
        ({}, {"account_signup", "registration_register", "socialaccount_signup"}),
        ({"SOCIALACCOUNT_ONLY": True}, {"socialaccount_signup"}),
        ({"HEADLESS_ONLY": True}, set()),
        (
            {"MFA_PASSKEY_SIGNUP_ENABLED": True},
            {
                "account_signup",
                "account_signup_by_passkey",
                "registration_register",
                "socialaccount_signup",
            },
        ),
    ],
)
def test_the_pages_that_sign_people_up(settings: Any, switched: Any, names: set[str]) -> None:
    for name, value in switched.items():
        setattr(settings, name, value)
    assert {pattern.name for pattern in patterns("urls")} - OURS == names


def test_a_site_without_providers_has_no_page_for_them(settings: Any) -> None:
    settings.INSTALLED_APPS = [x for x in settings.INSTALLED_APPS if "socialaccount" not in x]
    names = {pattern.name for pattern in patterns("urls")} - OURS
    assert names == {"account_signup", "registration_register"}
    addresses = {str(pattern.pattern) for pattern in patterns("headless_urls")}
    assert addresses == {"app/v1/auth/signup", "browser/v1/auth/signup"}


def test_the_api_of_a_site_with_providers_alone(settings: Any) -> None:
    settings.SOCIALACCOUNT_ONLY = True
    addresses = {str(pattern.pattern) for pattern in patterns("headless_urls")}
    assert addresses == {"app/v1/auth/provider/signup", "browser/v1/auth/provider/signup"}


def test_the_api_of_a_site_with_passkeys(settings: Any) -> None:
    settings.MFA_PASSKEY_SIGNUP_ENABLED = True
    settings.HEADLESS_CLIENTS = ["app"]
    addresses = {str(pattern.pattern) for pattern in patterns("headless_urls")}
    assert "app/v1/auth/webauthn/signup" in addresses
    assert not any(address.startswith("browser") for address in addresses)
