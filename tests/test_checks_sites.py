"""The checks that ask the database: hosts that no Site has, and clocks that differ."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.sites.models import Site
from django.core.checks import run_checks
from django.db import DatabaseError
from django.test.utils import modify_settings

from invitation.checks import mails
from invitation.flows import upkeep

pytestmark = pytest.mark.django_db


def found(check: Any = mails.check_hosts, databases: Any = ("default",)) -> list[Any]:
    return [message.msg for message in check(None, databases=databases)]


def ids() -> set[str]:
    """Return the last part of the id of everything that the checks say."""
    found = run_checks(databases=["default"])
    return {str(message.id).removeprefix("invitation.") for message in found}


def test_a_check_names_the_hosts_that_no_site_has(settings: Any) -> None:
    del settings.SITE_ID
    Site.objects.create(domain="Shop.example:8000", name="Shop")
    settings.ALLOWED_HOSTS = [
        "example.com",
        "shop.example",
        "a.example",
        "*",
        ".b.example",
        "[::1]",
    ]
    (message,) = found()
    assert '"a.example", "[::1]". Our pages' in message
    assert "W022" in ids()


def test_it_says_nothing_where_each_host_has_one(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["a.example"]
    assert found() == []  # SITE_ID says which one it is.
    del settings.SITE_ID
    assert found(databases=None) == []
    settings.ALLOWED_HOSTS = ["example.com"]
    assert found() == []
    with modify_settings(INSTALLED_APPS={"remove": "django.contrib.sites"}):
        assert found() == []


def test_it_says_nothing_before_there_is_a_table(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any) -> None:
        raise DatabaseError

    monkeypatch.setattr("invitation.keys.sites.hosts_without_a_site", fail)
    monkeypatch.setattr("invitation.flows.upkeep.clock_difference", fail)
    assert found() == found(mails.check_clock) == []


def test_a_check_compares_the_clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(mails.check_clock) == []
    monkeypatch.setattr("invitation.flows.upkeep.clock_difference", lambda: -2 * upkeep.APART)
    (message,) = found(mails.check_clock)
    assert message == "The clocks of this machine and of the database differ by 7200 seconds."
    assert "W023" in ids()
    assert found(mails.check_clock, databases=None) == []
