"""Checks of the databases: what lets many people write at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection, connections
from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from invitation import views
from invitation.checks import databases
from invitation.gate.atomic_requests import own_transactions

GOOD = {"transaction_mode": "IMMEDIATE", "timeout": 20}


def careless(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    def page(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return view(request, *args, **kwargs)

    page.view_class = views.InviteView  # type: ignore[attr-defined]
    return page


def careful(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    @wraps(view)
    def page(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return view(request, *args, **kwargs)

    return page


class InOne(views.InviteView):
    own_transactions = False


def urlconf(patterns: list[Any]) -> Any:
    """Return what may stand in ROOT_URLCONF instead of a module's name."""
    return type("urlconf", (), {"urlpatterns": patterns})


@pytest.fixture
def atomic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)


@pytest.fixture
def sqlite(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Call it, and the database is a file of SQLite's with these options."""

    def use(options: Any, *, memory: bool = False, atomic: bool = False) -> None:
        settings = {"OPTIONS": options, "ATOMIC_REQUESTS": atomic}
        wrapper = SimpleNamespace(
            vendor="sqlite", settings_dict=settings, is_in_memory_db=lambda: memory
        )
        monkeypatch.setattr(databases, "connections", {"default": wrapper})

    return use


def ids(messages: list[Any]) -> list[str]:
    return [message.id for message in messages]


URLCONFS: dict[str, list[Any]] = {
    "a careless decorator": [path("invite/", careless(views.InviteView.as_view()))],
    "a subclass that wants one": [path("invite/", InOne.as_view())],
    "an option": [path("invite/", views.InviteView.as_view(own_transactions=False))],
}


@pytest.mark.parametrize("urls", URLCONFS)
def test_a_page_in_one_transaction_is_reported(settings: Any, atomic: None, urls: str) -> None:
    settings.ROOT_URLCONF = urlconf(URLCONFS[urls])
    [message] = databases.check_own_transactions(None)
    assert message.id == "invitation.W030"
    assert '"/invite/"' in message.msg


@pytest.mark.parametrize(
    "urls", ["urls", "urls_simple", "urls_admin_approval", "urls_verified", "faults.urls_classic"]
)
def test_none_of_ours_is(settings: Any, atomic: None, urls: str) -> None:
    settings.ROOT_URLCONF = f"tests.{urls}"
    assert databases.check_own_transactions(None) == []


def test_nor_behind_a_careful_decorator(settings: Any, atomic: None) -> None:
    page = careful(views.InviteView.as_view())
    settings.ROOT_URLCONF = urlconf([path("invite/", page)])
    assert databases.check_own_transactions(None) == []


def test_without_atomic_requests_nothing_is(settings: Any) -> None:
    settings.ROOT_URLCONF = urlconf(URLCONFS["an option"])
    assert databases.check_own_transactions(None) == []


@pytest.mark.parametrize("options", [None, {}, {"transaction_mode": "DEFERRED"}, {"timeout": 60}])
def test_requests_that_read_first_are_reported(sqlite: Any, options: Any) -> None:
    sqlite(options, atomic=True)
    assert ids(databases.check_sqlite_requests(None)) == ["invitation.W031"]


@pytest.mark.parametrize(
    ("options", "atomic"), [(GOOD, True), ({"transaction_mode": "exclusive"}, True), ({}, False)]
)
def test_requests_that_begin_with_the_lock_are_not(sqlite: Any, options: Any, atomic: bool) -> None:
    sqlite(options, atomic=atomic)
    assert databases.check_sqlite_requests(None) == []


@pytest.mark.parametrize(
    "options", [None, {}, {"timeout": 60}, GOOD | {"timeout": 5}, {"transaction_mode": "IMMEDIATE"}]
)
def test_impatient_options_are_reported(sqlite: Any, options: Any) -> None:
    sqlite(options)
    assert ids(databases.check_sqlite_options(None)) == ["invitation.W032"]


def test_good_options_are_not(sqlite: Any) -> None:
    sqlite(GOOD)
    assert databases.check_sqlite_options(None) == []


def test_nor_is_a_database_in_memory(sqlite: Any) -> None:
    sqlite({}, memory=True)
    assert databases.check_sqlite_options(None) == []


def test_nor_is_another_database(monkeypatch: pytest.MonkeyPatch) -> None:
    other = SimpleNamespace(vendor="postgresql", settings_dict={"ATOMIC_REQUESTS": True})
    monkeypatch.setattr(databases, "connections", {"default": other})
    assert databases.check_sqlite_options(None) == []
    assert databases.check_sqlite_requests(None) == []


class Router:
    """Write the tables of one app to a database of their own."""

    def __init__(self, *apps: str) -> None:
        self.apps = apps

    def db_for_write(self, model: Any, **hints: Any) -> str | None:
        return "other" if model._meta.app_label in self.apps else None


def test_accounts_in_another_database_are_reported(settings: Any) -> None:
    settings.DATABASE_ROUTERS = [Router("invitation")]
    messages = databases.check_one_database(None)
    assert ids(messages) == ["invitation.E065", "invitation.E065"]
    assert "RegistrationProfile" in messages[1].msg


def test_accounts_and_invitations_together_elsewhere_are_not(settings: Any) -> None:
    labels = {model._meta.app_label for model in databases._models_of_accounts()}
    settings.DATABASE_ROUTERS = [Router("invitation", *labels)]
    assert databases.check_one_database(None) == []


def test_without_registration_and_sessions_there_are_the_accounts(
    settings: Any, sqlite: Any
) -> None:
    gone = ("registration", "django.contrib.sessions")
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app not in gone]
    sqlite({})
    assert databases.check_one_database(None) == []
    assert ids(databases.check_sqlite_options(None)) == ["invitation.W032"]


def test_sessions_in_a_database_of_their_own_are_looked_at(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DATABASE_ROUTERS = [Router("sessions")]
    good, bad = (
        SimpleNamespace(
            vendor="sqlite", settings_dict={"OPTIONS": options}, is_in_memory_db=lambda: False
        )
        for options in (GOOD, {})
    )
    monkeypatch.setattr(databases, "connections", {"default": good, "other": bad})
    assert ids(databases.check_sqlite_options(None)) == ["invitation.W032"]


# -- the mark itself -----------------------------------------------------------------------------


def test_it_holds_on_every_database() -> None:
    page: Any = own_transactions(lambda request: HttpResponse())
    assert all(alias in page._non_atomic_requests for alias in [*connections, "any other"])


def test_it_survives_a_subclass_that_overrides_dispatch() -> None:
    class Page(views.InviteView):
        def dispatch(self, *args: Any, **kwargs: Any) -> Any:
            return super().dispatch(*args, **kwargs)

    assert "default" in Page.as_view()._non_atomic_requests  # type: ignore[attr-defined]


@pytest.mark.parametrize("view", [views.invite, views.invited, views.register])
def test_the_callables_of_1_0_have_it(view: Any) -> None:
    assert "default" in view._non_atomic_requests


def test_so_have_the_admins_pages() -> None:
    from django.contrib import admin

    from invitation.models import InvitationKey

    urls = admin.site._registry[InvitationKey].get_urls()
    marked = [url for url in urls if hasattr(url.callback, "_non_atomic_requests")]
    assert len(marked) >= 6
    assert any("changelist" in str(url.name) for url in marked)


def test_included_urls_are_looked_at(settings: Any, atomic: None) -> None:
    inner = [path("x/", include(URLCONFS["an option"]))]
    settings.ROOT_URLCONF = urlconf(inner)
    assert ids(databases.check_own_transactions(None)) == ["invitation.W030"]
