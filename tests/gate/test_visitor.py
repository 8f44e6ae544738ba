"""The cookie in which a visitor carries their invitation."""

from __future__ import annotations

from datetime import timedelta
from http.cookies import Morsel
from typing import Any

import pytest
import time_machine
from django.http import HttpResponse
from django.test import RequestFactory
from django.utils import timezone
from django.views.debug import get_exception_reporter_filter

from invitation import keys
from invitation.gate import visitor

KEY = keys.make(keys.new_locator(), keys.MAIL, 1)


def remembered(*, secure: bool = False) -> Morsel[str]:
    response = HttpResponse()
    visitor.remember(response, KEY, secure=secure)
    return response.cookies[visitor.COOKIE_NAME]


def test_the_cookie_carries_the_key_for_a_day() -> None:
    cookie = remembered()
    assert cookie.value == KEY
    assert cookie["max-age"] == timedelta(days=1).total_seconds()


def test_scripts_and_foreign_forms_do_not_get_it() -> None:
    cookie = remembered()
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")


@pytest.mark.parametrize(
    ("tls", "setting", "secure"),
    [(True, False, True), (False, True, True), (False, False, False)],
)
def test_it_is_secure_where_the_site_is(
    settings: Any, tls: bool, setting: bool, secure: bool
) -> None:
    settings.SESSION_COOKIE_SECURE = setting
    assert bool(remembered(secure=tls)["secure"]) is secure


def test_what_was_remembered_is_recalled() -> None:
    assert visitor.recall({visitor.COOKIE_NAME: KEY, "other": "x"}) == KEY


def test_who_carries_nothing_has_an_empty_key() -> None:
    assert visitor.recall({}) == ""


def test_an_overlong_cookie_is_cut_but_stays_no_key() -> None:
    recalled = visitor.recall({visitor.COOKIE_NAME: KEY + "x" * 10_000})
    assert len(recalled) == keys.KEY_LENGTH + 1


def test_forgetting_takes_the_cookie_away() -> None:
    response = HttpResponse()
    visitor.forget(response)
    cookie = response.cookies[visitor.COOKIE_NAME]
    assert (cookie.value, cookie["max-age"], cookie["samesite"]) == ("", 0, "Lax")


def test_an_error_report_does_not_show_the_cookie() -> None:
    request = RequestFactory().get("/")
    request.COOKIES[visitor.COOKIE_NAME] = KEY
    shown = get_exception_reporter_filter(request).get_safe_cookies(request)
    assert KEY not in str(shown)


def ended(text: str = KEY, *, secure: bool = False) -> Morsel[str]:
    response = HttpResponse()
    visitor.remember_ended(response, text, secure=secure)
    return response.cookies[visitor.ENDED_COOKIE_NAME]


def test_a_key_that_opened_nothing_is_carried_in_a_cookie_of_its_own() -> None:
    cookie = ended()
    assert cookie.value == KEY
    assert cookie["max-age"] == timedelta(days=1).total_seconds()
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")
    assert bool(ended(secure=True)["secure"]) is True
    carried = {visitor.ENDED_COOKIE_NAME: KEY}
    assert (visitor.recall_ended(carried), visitor.recall(carried)) == (KEY, "")


@pytest.mark.parametrize(
    "text",
    ["", "x", KEY[:-1], KEY + "x", KEY[:-1] + "\n", "ü" * 66],
    ids=["nothing", "short", "cut", "overlong", "line break", "letters"],
)
def test_of_what_is_no_key_only_that_is_carried(text: str) -> None:
    assert ended(text).value == visitor.NO_KEY


def test_forgetting_takes_that_one_away_too() -> None:
    response = HttpResponse()
    visitor.forget(response)
    assert response.cookies[visitor.ENDED_COOKIE_NAME]["max-age"] == 0


def test_an_overlong_cookie_of_that_name_is_cut_but_stays_no_key() -> None:
    recalled = visitor.recall_ended({visitor.ENDED_COOKIE_NAME: KEY + "x" * 10_000})
    assert len(recalled) == keys.KEY_LENGTH + 1


def test_an_error_report_does_not_show_that_one_either() -> None:
    request = RequestFactory().get("/")
    request.COOKIES[visitor.ENDED_COOKIE_NAME] = KEY
    shown = get_exception_reporter_filter(request).get_safe_cookies(request)
    assert KEY not in str(shown)


def outcome(*, secure: bool = False) -> Morsel[str]:
    response = HttpResponse()
    visitor.note_outcome(response, 73, True, secure=secure)
    return response.cookies[visitor.OUTCOME_COOKIE_NAME]


@pytest.mark.parametrize("mailed", [True, False])
def test_an_outcome_that_was_noted_is_recalled(mailed: bool) -> None:
    response = HttpResponse()
    visitor.note_outcome(response, 73, mailed, secure=False)
    cookies = {name: cookie.value for name, cookie in response.cookies.items()}
    assert visitor.recall_outcome(cookies) == (73, mailed)
    with time_machine.travel(timezone.now() + timedelta(hours=1, seconds=1)):
        assert visitor.recall_outcome(cookies) is None


def test_an_outcome_is_for_an_hour_and_for_the_server_only() -> None:
    cookie = outcome()
    assert cookie["max-age"] == timedelta(hours=1).total_seconds()
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")
    assert bool(outcome(secure=True)["secure"]) is True


def test_cookies_go_where_the_sites_session_goes(settings: Any) -> None:
    settings.SESSION_COOKIE_PATH = "/members/"
    settings.SESSION_COOKIE_DOMAIN = ".example.org"
    gone = HttpResponse()
    visitor.forget(gone)
    for cookie in (remembered(), outcome(), gone.cookies[visitor.COOKIE_NAME]):
        assert (cookie["path"], cookie["domain"]) == ("/members/", ".example.org")


def test_without_an_outcome_nothing_is_recalled() -> None:
    assert visitor.recall_outcome({}) is None


def test_after_a_sign_up_the_browser_knows_that_and_nothing_else() -> None:
    response = HttpResponse()
    visitor.finish(response, secure=True)
    key, ended_key = (
        response.cookies[name] for name in (visitor.COOKIE_NAME, visitor.ENDED_COOKIE_NAME)
    )
    assert (key.value, key["max-age"]) == ("", 0)
    assert (ended_key.value, bool(ended_key["httponly"]), bool(ended_key["secure"])) == (
        visitor.SIGNED_UP,
        True,
        True,
    )
    cookies = {visitor.ENDED_COOKIE_NAME: ended_key.value}
    assert visitor.has_signed_up(cookies)
    assert visitor.recall_ended(cookies) == ""
    assert not visitor.has_signed_up({visitor.ENDED_COOKIE_NAME: KEY})
    assert not visitor.has_signed_up({})
