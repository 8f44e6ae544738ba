"""A new account's password is hashed ahead, whatever makes the account."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest
from django import forms
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import check_password, get_hasher, identify_hasher, make_password
from registration.forms import RegistrationForm

from invitation.backends.passwords import hashed_password
from tests.scenes import PASSWORD, answers

pytestmark = pytest.mark.django_db

User = get_user_model()
HASHERS = [
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
    "django.contrib.auth.hashers.ScryptPasswordHasher",
    "django.contrib.auth.hashers.MD5PasswordHasher",
]


@pytest.fixture(params=HASHERS)
def hashed(request: pytest.FixtureRequest, settings: Any, monkeypatch: Any) -> list[str]:
    """Return which passwords are hashed, in order."""
    settings.PASSWORD_HASHERS = [request.param]
    hashed: list[str] = []
    kind = type(get_hasher())
    for cost in {"iterations", "work_factor"} & vars(kind).keys():
        monkeypatch.setattr(kind, cost, 2)  # What matters here is how often, not how long.
    encode = kind.encode

    def note(self: Any, password: str, *args: Any, **kwargs: Any) -> str:
        hashed.append(password)
        return encode(self, password, *args, **kwargs)

    monkeypatch.setattr(kind, "encode", note)
    return hashed


def submitted(**data: Any) -> Any:
    """Return what holds cleaned data, as a form does."""
    return SimpleNamespace(cleaned_data={"username": "ann", **data})


def by_set_password() -> Any:
    user = User(username="ann")
    user.set_password(PASSWORD)
    user.save()
    return user


def by_the_manager() -> Any:
    return User.objects.create_user("ann", "ann@example.com", PASSWORD)


def by_make_password() -> Any:
    return User.objects.create(username="ann", password=make_password(PASSWORD))


def by_a_form() -> Any:
    form = RegistrationForm(answers(name="ann"))
    assert form.is_valid()
    return form.save()


@pytest.mark.parametrize(
    "make", [by_set_password, by_the_manager, by_make_password, by_a_form], ids=lambda f: f.__name__
)
def test_nothing_is_hashed_in_the_block(hashed: list[str], make: Any) -> None:
    with hashed_password(submitted(password1=PASSWORD, password2=PASSWORD)):
        assert hashed == [PASSWORD]
        user = make()
        assert user.check_password(PASSWORD)
        assert not user.has_usable_password() or hashed == [PASSWORD]
    user.refresh_from_db()
    assert user.check_password(PASSWORD)
    assert not user.check_password("something else")


def test_another_password_is_hashed_anew(hashed: list[str]) -> None:
    with hashed_password(submitted(password1=PASSWORD)):
        other = make_password("something else")
        assert hashed == [PASSWORD, "something else"]
        assert not check_password(PASSWORD, other)
        assert check_password("something else", other)


def test_a_hash_that_was_there_before_is_compared_with_as_ever(hashed: list[str]) -> None:
    before = make_password(PASSWORD)
    with hashed_password(submitted(password1=PASSWORD)):
        assert check_password(PASSWORD, before)
        assert not check_password(PASSWORD, make_password("something else"))
    assert check_password(PASSWORD, before)


def test_it_ends_with_the_block(hashed: list[str]) -> None:
    with hashed_password(submitted(password1=PASSWORD)):
        first = make_password(PASSWORD)
    second = make_password(PASSWORD)
    assert first != second
    assert hashed == [PASSWORD, PASSWORD]


def test_it_ends_when_the_block_fails(hashed: list[str]) -> None:
    with pytest.raises(ZeroDivisionError), hashed_password(submitted(password1=PASSWORD)):
        raise ZeroDivisionError
    make_password(PASSWORD)
    assert hashed == [PASSWORD, PASSWORD]


def test_a_block_within_another_hashes_only_what_is_new(hashed: list[str]) -> None:
    form = submitted(password1=PASSWORD)
    with hashed_password(form), hashed_password(submitted(password1=PASSWORD, password="other")):
        made = make_password(PASSWORD)
        make_password("other")
    assert sorted(hashed) == sorted([PASSWORD, "other"])
    assert check_password(PASSWORD, made)


def test_a_field_for_a_password_has_any_name(hashed: list[str]) -> None:
    class SiteForm(forms.Form):
        username = forms.CharField()
        secret = forms.CharField(widget=forms.PasswordInput)
        passwordless = forms.BooleanField(required=False)

    form = SiteForm({"username": "ann", "secret": PASSWORD})
    assert form.is_valid()
    with hashed_password(form):
        assert hashed == [PASSWORD]


@pytest.mark.parametrize("data", [{}, {"password1": ""}, {"password1": None}])
def test_without_a_password_nothing_is_hashed(hashed: list[str], data: dict[str, Any]) -> None:
    with hashed_password(submitted(**data)):
        assert hashed == []


def test_another_thread_hashes_for_itself(hashed: list[str]) -> None:
    made: list[str] = []
    with hashed_password(submitted(password1=PASSWORD)):
        own = make_password(PASSWORD)
        other = threading.Thread(target=lambda: made.append(make_password(PASSWORD)))
        other.start()
        other.join()
    assert made != [own]
    assert hashed == [PASSWORD, PASSWORD]


def test_a_salt_that_the_site_gives_is_taken() -> None:
    with hashed_password(submitted(password1=PASSWORD)):
        made = make_password(PASSWORD, salt="given-by-the-site-itself")
    assert identify_hasher(made).decode(made)["salt"] == "given-by-the-site-itself"
