"""The checks of a site whose name has letters outside ASCII say what the docs and the pages say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.sites.models import Site
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django.test.utils import modify_settings

from invitation.checks import installation, mails, values
from invitation.keys import message_ids, sites
from tests.test_idn_sites import ASCII, NAMES, name_site

pytestmark = pytest.mark.django_db

#: Names that have no ASCII form.
NO_NAMES = [
    "☃.example",
    "bü cher.example",
    "bücher..example",
    "ü" * 70 + ".example",
    "a\uff0fü.example",
]


@pytest.fixture(autouse=True)
def _fresh_sites() -> Iterator[None]:
    Site.objects.clear_cache()
    yield
    Site.objects.clear_cache()


@pytest.mark.parametrize("name", NAMES)
def test_the_checks_accept_a_name_in_any_script(settings: Any, name: str) -> None:
    name_site(name)
    assert mails.check_site(None, databases=["default"]) == []
    settings.INVITATION_BASE_URL = f"https://{name}"
    assert values.check_values(None) == []


@pytest.mark.parametrize("name", NO_NAMES)
def test_they_report_a_name_without_an_ascii_form(settings: Any, name: str) -> None:
    name_site(name)
    assert [one.id for one in mails.check_site(None, databases=["default"])] == ["invitation.E026"]
    with pytest.raises(ImproperlyConfigured, match="it is no host name"):
        sites.base_url(1)
    assert message_ids.make(1, "L", 1).endswith("@localhost>")
    settings.INVITATION_BASE_URL = f"https://{name}"
    assert [one.id for one in values.check_values(None)] == ["invitation.E010"]


def test_they_report_an_address_that_is_none(settings: Any) -> None:
    settings.INVITATION_BASE_URL = "https://[ü"
    assert [one.id for one in values.check_values(None)] == ["invitation.E010"]


def test_a_host_without_an_ascii_form_begins_no_link(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["☃.example", "bücher.example"]
    with modify_settings(INSTALLED_APPS={"remove": "django.contrib.sites"}):
        assert sites.base_url(sites.NO_SITE_ID) == ASCII


def test_a_check_says_what_allowed_hosts_must_name(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["bücher.example", ".straße.example", "example.org", "*"]
    [message] = installation.check_allowed_hosts(None)
    assert message.id == "invitation.W040"
    assert '"bücher.example", ".straße.example"' in message.msg
    assert message.hint == 'Write "xn--bcher-kva.example", ".xn--strae-oqa.example".'
    settings.ALLOWED_HOSTS = ["☃.example"]
    [message] = installation.check_allowed_hosts(None)
    assert message.hint == "Write the name in ASCII, or remove it."
    settings.ALLOWED_HOSTS = ["xn--bcher-kva.example"]
    assert installation.check_allowed_hosts(None) == []


def test_no_request_is_for_a_name_in_another_script(settings: Any, client: Client) -> None:
    settings.ALLOWED_HOSTS = ["bücher.example"]
    for host in ("bücher.example", "xn--bcher-kva.example"):
        assert client.get("/accounts/register/", headers={"host": host}).status_code == 400
    settings.ALLOWED_HOSTS = ["xn--bcher-kva.example"]
    headers = {"host": "xn--bcher-kva.example"}
    assert client.get("/accounts/register/", headers=headers).status_code == 403  # no key


def test_without_site_id_the_site_has_the_name_that_browsers_ask_for(
    settings: Any, client: Client
) -> None:
    """Check W022 says what the pages do."""
    del settings.SITE_ID
    settings.ALLOWED_HOSTS = ["xn--bcher-kva.example"]
    headers = {"host": "xn--bcher-kva.example"}
    name_site("bücher.example")
    [message] = mails.check_hosts(None, databases=["default"])
    assert '"xn--bcher-kva.example"' in message.msg
    page = client.get("/accounts/invited/", headers=headers).content
    assert b"There is no site at this address" in page
    name_site("xn--bcher-kva.example")
    assert mails.check_hosts(None, databases=["default"]) == []
    page = client.get("/accounts/invited/", headers=headers).content
    assert b"There is no site at this address" not in page
