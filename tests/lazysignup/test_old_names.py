"""Names of django-lazysignup and of django-guest-user work by changing the import path."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.core.management import get_commands
from django.template.loader import get_template
from django.urls import resolve, reverse

from invitation.lazysignup import conf, urls
from invitation.lazysignup.models import Guest, LazyUser

DOCS = Path(__file__).parents[2] / "docs" / "reference" / "guests.rst"

#: What the two packages document, and where it is now.
NAMES = {
    # django-lazysignup
    "lazysignup.decorators": "allow_lazy_user require_lazy_user require_nonlazy_user allow_lazy",
    "lazysignup.models": "LazyUser LazyUserManager generate_username",
    "lazysignup.exceptions": "NotLazyError",
    "lazysignup.signals": "converted",
    "lazysignup.views": "convert",
    "lazysignup.guests": "is_lazy_user is_guest_user",
    "lazysignup.backends": "LazySignupBackend",
    "lazysignup.templatetags.lazysignup_tags": "is_lazy_user",
    # django-guest-user
    "lazysignup.templatetags.guest_user": "is_guest_user",
}
GUEST_USER = {
    "decorators": "allow_guest_user guest_user_required regular_user_required AllowGuestUserMixin "
    "GuestUserRequiredMixin RegularUserRequiredMixin",
    "models": "Guest",
    "exceptions": "NotGuestError",
    "signals": "guest_created converted",
}


@pytest.mark.parametrize("module", NAMES)
def test_a_name_of_lazysignup_is_there(module: str) -> None:
    found = import_module(f"invitation.{module}")
    library = getattr(found, "register", None)
    for name in NAMES[module].split():
        assert name in library.filters if library else hasattr(found, name), name


@pytest.mark.parametrize("module", GUEST_USER)
def test_a_name_of_guest_user_is_there(module: str) -> None:
    found = import_module(f"invitation.lazysignup.{module}")
    assert [name for name in GUEST_USER[module].split() if not hasattr(found, name)] == []


def test_the_managers_have_their_methods() -> None:
    for name in ("create_lazy_user", "convert", "generate_username"):
        assert callable(getattr(LazyUser.objects, name))
    for name in ("create_guest_user", "convert", "delete_expired"):
        assert callable(getattr(Guest.objects, name))
    assert Guest is LazyUser


@pytest.mark.django_db
def test_a_guest_is_a_pair_or_an_account() -> None:
    user, name = LazyUser.objects.create_lazy_user()
    assert name == user.get_username()
    row: Any = LazyUser.objects.get()
    assert str(row) == name
    assert LazyUser.get_user_class() is type(user)
    assert Guest.objects.create_guest_user() != user


def test_the_table_is_that_of_lazysignup() -> None:
    assert LazyUser._meta.label == "lazysignup.LazyUser"
    assert LazyUser._meta.db_table == "lazysignup_lazyuser"
    assert {"user", "created"} <= {field.name for field in LazyUser._meta.fields}


def test_the_addresses_have_their_names() -> None:
    assert reverse("lazysignup_convert") == reverse("guest_user_convert") == "/convert/"
    assert reverse("lazysignup_convert_done") == "/convert/done/"
    assert reverse("guest_user_convert_success") == "/convert/success/"
    assert resolve("/convert/").url_name == "lazysignup_convert"
    assert len(urls.urlpatterns) == 6


@pytest.mark.parametrize("name", ["convert.html", "done.html"])
def test_the_templates_have_their_names(name: str) -> None:
    assert get_template(f"lazysignup/{name}")


def test_the_commands_have_their_names() -> None:
    assert {"remove_expired_users", "delete_expired_users"} <= set(get_commands())


def first_column(prefix: str) -> set[str]:
    return set(re.findall(rf"(?m)^   ``({prefix}_\w+)``;", DOCS.read_text("utf-8")))


def test_the_thirteen_settings_of_guest_user_are_in_the_docs() -> None:
    guest_user = pytest.importorskip("guest_user.app_settings")
    theirs = {
        f"GUEST_USER_{name}"
        for name in vars(guest_user.AppSettings)
        if name.isupper() and not name.startswith("_")
    }
    assert len(theirs) == 13
    assert first_column("GUEST_USER") == theirs


def test_every_setting_is_in_the_docs() -> None:
    ours = {name for name in vars(conf.Conf) if name.startswith("LAZYSIGNUP_")}
    assert first_column("LAZYSIGNUP") == ours
