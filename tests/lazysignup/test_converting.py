"""A guest signs up, and keeps the account and everything in it."""

from __future__ import annotations

from typing import Any

import pytest
from django import forms
from django.contrib.auth import get_user_model
from django.db import IntegrityError
from django.test import Client, RequestFactory

from invitation.lazysignup import views
from invitation.lazysignup.exceptions import NotLazyError
from invitation.lazysignup.forms import ConvertForm
from invitation.lazysignup.guests import is_lazy_user
from invitation.lazysignup.models import LazyUser
from tests.lazysignup.people import (
    MEMBER,
    NAME_FIELD,
    NEWCOMER,
    PASSWORD,
    PERSON,
    answers,
    make_member,
)
from tests.lazysignup.shop.models import Item

pytestmark = pytest.mark.django_db
User = get_user_model()
JSON = {"accept": "application/json"}


def test_a_guest_signs_up_and_keeps_everything(guest: Client, account: Any) -> None:
    before = guest.session.session_key
    response = guest.post("/convert/", answers())
    assert response.status_code == 302, response.context["form"].errors
    assert response["Location"] == "/convert/done/"
    user = User.objects.get()
    assert user.pk == account.pk
    assert (user.get_username(), user.email) == (NEWCOMER, "new@example.com")
    assert user.check_password(PASSWORD)
    assert Item.objects.get().owner == user
    assert guest.session["basket"] == ["seed"]
    assert guest.session.session_key != before
    assert guest.get("/who/").content.decode() == NEWCOMER
    assert not LazyUser.objects.exists()
    assert guest.get("/regular-only/").status_code == 200
    assert b"Your account is ready" in guest.get("/convert/done/").content


def test_the_old_session_id_is_dead(guest: Client) -> None:
    old = Client(headers=PERSON)
    old.cookies["sessionid"] = guest.cookies["sessionid"].value
    guest.post("/convert/", answers())
    assert old.get("/who/").content == b"nobody"


def test_other_sessions_of_the_guest_end(guest: Client, account: Any) -> None:
    other = Client(headers=PERSON)
    other.force_login(account)
    assert other.get("/who/").content != b"nobody"
    guest.post("/convert/", answers())
    assert other.get("/who/").content == b"nobody"


class OnlyName(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = User
        fields = [NAME_FIELD]


def test_they_end_without_a_new_password_too(guest: Client, account: Any, settings: Any) -> None:
    settings.LAZYSIGNUP_CUSTOM_USER_CREATION_FORM = f"{__name__}.OnlyName"
    other = Client(headers=PERSON)
    other.force_login(account)
    guest.post("/convert/", {NAME_FIELD: NEWCOMER})
    assert guest.get("/who/").content.decode() == NEWCOMER
    assert other.get("/who/").content == b"nobody"
    assert guest.session["basket"] == ["seed"]


def test_a_signal_says_who_has_signed_up(
    guest: Client, account: Any, heard: Any, commit: Any
) -> None:
    calls = heard("converted")
    with commit():
        guest.post("/convert/", answers())
        assert calls == []
    assert [call["user"].pk for call in calls] == [account.pk]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"password1": "12345678", "password2": "12345678"}, "password2"),
        ({"password2": "another-long-password"}, "password2"),
        ({"email": "nowhere"}, "email"),
        ({"email": ""}, "email"),
        ({NAME_FIELD: ""}, NAME_FIELD),
        ({NAME_FIELD: MEMBER}, NAME_FIELD),
    ],
)
def test_the_form_asks_what_a_sign_up_asks(
    guest: Client, settings: Any, wrong: Any, field: str
) -> None:
    settings.AUTH_PASSWORD_VALIDATORS = [
        {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"}
    ]
    make_member()
    page = guest.post("/convert/", answers(**wrong))
    assert page.status_code == 200
    assert field in page.context["form"].errors
    data = guest.post("/convert/", answers(**wrong), headers=JSON)
    assert data.status_code == 400
    assert field in data.json()["errors"]
    assert LazyUser.objects.count() == 1
    assert guest.get("/who/").content.decode() != NEWCOMER


@pytest.mark.skipif(NAME_FIELD == "email", reason="Django asks so for names alone")
def test_a_name_that_differs_in_case_alone_is_taken(guest: Client) -> None:
    make_member()
    page = guest.post("/convert/", answers(username=MEMBER.upper()))
    assert "username" in page.context["form"].errors


def test_the_name_of_the_guest_is_not_filled_in(guest: Client, account: Any) -> None:
    page = guest.get("/convert/")
    assert page.status_code == 200
    assert account.get_username() not in page.content.decode()
    assert page["Cache-Control"] == "max-age=0, no-cache, no-store, must-revalidate, private"


def test_a_name_that_is_taken_at_this_moment_is_an_error_of_the_form(
    guest: Client, account: Any, monkeypatch: Any
) -> None:
    convert = views.ConvertView.convert

    def too_late(view: Any, form: Any) -> Any:
        other = make_member()
        setattr(other, NAME_FIELD, NEWCOMER)
        other.save()
        return convert(view, form)

    monkeypatch.setattr(views.ConvertView, "convert", too_late)
    page = guest.post("/convert/", answers())
    assert page.status_code == 200
    assert NAME_FIELD in page.context["form"].errors
    assert LazyUser.objects.get().user == account
    assert guest.get("/who/").content.decode() == account.get_username()


def test_another_fault_of_the_database_is_not_hidden(guest: Client, monkeypatch: Any) -> None:
    def broken(view: Any, form: Any) -> Any:
        raise IntegrityError

    monkeypatch.setattr(views.ConvertView, "convert", broken)
    with pytest.raises(IntegrityError):
        guest.post("/convert/", answers())


def test_two_tabs_convert_once(guest: Client, account: Any) -> None:
    first, second = guest.get("/convert/"), guest.get("/convert/")
    assert first.status_code == second.status_code == 200
    guest.post("/convert/", answers())
    again = guest.post("/convert/", answers(password1="x", password2="x"))
    assert again.status_code == 302
    assert User.objects.get().check_password(PASSWORD)


def test_a_guest_who_signs_up_at_this_moment_elsewhere(guest: Client, monkeypatch: Any) -> None:
    """The row is gone between the look and the lock."""
    monkeypatch.setattr(LazyUser.objects.__class__, "convert", _refuse)
    page = guest.post("/convert/?next=/who/", answers())
    assert page.status_code == 403
    assert "You are no longer a guest" in page.content.decode()
    assert page.context["login_url"] == "/accounts/login/?next=/who/"
    assert guest.post("/convert/", answers(), headers=JSON).status_code == 400


@pytest.fixture
def click_first(guest: Client, monkeypatch: Any) -> Any:
    """Return a function that lets another click be faster than the next one of the guest."""
    convert = views.ConvertView.convert

    def be_faster(**given: Any) -> None:
        first = Client(headers=PERSON)
        first.cookies["sessionid"] = guest.cookies["sessionid"].value

        def second(view: Any, form: Any) -> Any:
            monkeypatch.setattr(views.ConvertView, "convert", convert)
            assert first.post("/convert/", answers(**given)).status_code == 302
            return convert(view, form)

        monkeypatch.setattr(views.ConvertView, "convert", second)

    return be_faster


@pytest.mark.parametrize("headers", [None, JSON])
def test_a_double_click_signs_up_once_and_stays_logged_in(
    guest: Client, account: Any, click_first: Any, headers: Any
) -> None:
    """The browser keeps the answer to the second click alone."""
    click_first()
    response = guest.post("/convert/", answers(), headers=headers)
    assert response.status_code == (200 if headers else 302), response.content
    assert guest.get("/who/").content.decode() == NEWCOMER
    assert guest.session["basket"] == ["seed"]
    assert User.objects.get() == account
    assert Item.objects.get().owner == account


def test_the_form_of_another_tab_logs_nobody_in(guest: Client, click_first: Any) -> None:
    click_first(password1="another-long-password", password2="another-long-password")
    page = guest.post("/convert/", answers())
    assert (page.status_code, page.context["login_url"]) == (403, "/accounts/login/")
    assert guest.get("/who/").content == b"nobody"
    assert User.objects.get().check_password("another-long-password")


def test_who_sends_the_form_without_being_a_guest_reads_why(visitor: Client) -> None:
    page = visitor.post("/convert/?redirect_to=/who/", answers())
    assert page.status_code == 403
    assert 'href="/accounts/login/?next=/who/"' in page.content.decode()
    assert visitor.get("/convert/?next=/who/")["Location"] == "/accounts/login/?next=/who/"
    assert not User.objects.exists()


def test_the_form_leads_to_the_login(guest: Client) -> None:
    page = guest.get("/convert/?next=/who/").content.decode()
    assert 'href="/accounts/login/?next=/who/"' in page
    evil = guest.get("/convert/?next=//evil.example/").content.decode()
    assert 'href="/accounts/login/"' in evil
    assert "evil.example" not in evil


def test_only_who_has_signed_up_reads_so(visitor: Client) -> None:
    assert visitor.get("/convert/done/")["Location"] == "/accounts/login/?next=/convert/done/"
    visitor.post("/put/", {"name": "seed"})
    assert visitor.get("/convert/done/")["Location"] == "/convert/?next=/convert/done/"


def _refuse(self: Any, form: Any) -> Any:
    raise NotLazyError("gone")


def test_who_is_no_guest_is_led_away(visitor: Client) -> None:
    assert visitor.get("/convert/")["Location"] == "/accounts/login/"
    assert visitor.get("/convert-old/")["Location"] == "/who/"
    assert visitor.get("/convert/", headers=JSON).status_code == 401
    visitor.force_login(make_member())
    assert visitor.get("/convert/")["Location"] == "/convert/done/"
    assert visitor.get("/convert/?next=/who/")["Location"] == "/who/"
    answer = visitor.post("/convert/", answers(), headers=JSON)
    assert (answer.status_code, answer.json()) == (400, {"detail": "Already converted."})


def test_a_member_converts_nobody() -> None:
    member = make_member()
    form = ConvertForm(answers(), instance=member)
    assert form.is_valid(), form.errors
    with pytest.raises(NotLazyError):
        LazyUser.objects.convert(form)
    member.refresh_from_db()
    assert member.get_username() == MEMBER
    with pytest.raises(TypeError):  # as in the old package
        LazyUser.objects.convert_account(member)


# JSON


@pytest.mark.parametrize("headers", [JSON, {"X-Requested-With": "XMLHttpRequest"}])
def test_a_script_gets_json(guest: Client, headers: Any) -> None:
    answer = guest.post("/convert/?next=/who/", answers(), headers=headers)
    assert (answer.status_code, answer.json()) == (200, {"redirect_to": "/who/"})
    assert guest.get("/who/").content.decode() == NEWCOMER


@pytest.mark.parametrize(
    "accept", ["text/html,*/*;q=0.8", "*/*", "text/html, application/json;q=0.9"]
)
def test_a_browser_gets_a_page(accept: str) -> None:
    assert not views.wants_json(RequestFactory().get("/", headers={"accept": accept}))


# Where to


@pytest.mark.parametrize("name", ["redirect_to", "next"])
@pytest.mark.parametrize(
    ("to", "goes"),
    [
        ("/who/", "/who/"),
        ("http://testserver/who/", "http://testserver/who/"),
        ("https://evil.example/", "/convert/done/"),
        ("//evil.example/", "/convert/done/"),
        ("/\\evil.example", "/convert/done/"),
        ("javascript:alert(1)", "/convert/done/"),
    ],
)
def test_the_way_on_stays_on_the_site(
    guest: Client, settings: Any, name: str, to: str, goes: str
) -> None:
    settings.ALLOWED_HOSTS = ["testserver"]
    assert guest.get("/convert/", {name: to}).context["redirect_to"] in ("", to)
    assert guest.post("/convert/", answers(**{name: to}))["Location"] == goes


# The arguments of the old view, and its forms


def test_the_old_view_takes_its_arguments(guest: Client) -> None:
    page = guest.get("/convert-old/?to=/who/")
    assert page.templates[0].name == "old/convert.html"
    assert page.context["to"] == "/who/"
    assert isinstance(page.context["form"], OldForm)
    ajax = guest.post("/convert-old/", {"name": ""}, headers={"X-Requested-With": "XMLHttpRequest"})
    assert (ajax.status_code, ajax.templates[0].name) == (400, "old/convert_ajax.html")
    assert guest.post("/convert-old/?to=/who/", {"name": NEWCOMER})["Location"] == "/who/"
    assert guest.get("/who/").content.decode() == NEWCOMER


class OldForm(forms.Form):
    """A form as lazysignup asks for: no model form, and no more than data and the guest."""

    name = forms.CharField()

    def __init__(self, data: Any = None, instance: Any = None) -> None:
        super().__init__(data)
        self.instance = instance

    def save(self, commit: bool = True) -> Any:
        setattr(self.instance, NAME_FIELD, self.cleaned_data["name"])
        self.instance.set_password(PASSWORD)
        self.instance.save()
        return self.instance

    def get_credentials(self) -> dict[str, str]:
        return {"username": self.cleaned_data["name"], "password": PASSWORD}


def test_the_model_converts_without_a_page(account: Any) -> None:
    form = ConvertForm(answers(), instance=account)
    assert form.is_valid()
    user = LazyUser.objects.convert(form)
    assert user.pk == account.pk
    assert not is_lazy_user(user)
    assert str(User.objects.get()) == NEWCOMER
