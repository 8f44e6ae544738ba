"""Each system check finds what it is there for, and says nothing about a site in order."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial, wraps
from pathlib import Path
from typing import Any

import django
import pytest
from django import forms
from django.apps import apps
from django.conf import global_settings
from django.conf.urls.i18n import i18n_patterns
from django.contrib.auth import get_user_model
from django.contrib.auth import views as auth_views
from django.core import checks as django_checks
from django.core.checks.registry import registry
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.urls import (
    get_script_prefix,
    include,
    path,
    re_path,
    register_converter,
    reverse_lazy,
    set_script_prefix,
)
from django.utils import translation
from django.utils.translation import gettext_lazy as _
from django.views.generic import TemplateView
from registration.backends.default.views import RegistrationView as ReduxView
from registration.forms import RegistrationForm

from invitation import checks
from invitation.backends.classic import InvitationBackend, SimpleBackend
from invitation.backends.classic import views as classic
from invitation.backends.default.views import RegistrationView
from invitation.backends.simple.views import RegistrationView as SimpleView
from invitation.checks import (
    databases,
    doors,
    frame,
    installation,
    limits,
    mails,
    registration,
    routing,
    values,
    writing,
)
from invitation.delivery.base import BaseDelivery
from invitation.delivery.dummy import DummyDelivery
from invitation.delivery.members import MemberKnowledge
from invitation.flows import mail

ROOT = Path(__file__).parents[1]
ID = re.compile(r"\binvitation\.[EW]\d{3}\b")

ours = include("invitation.urls")
redux = include("registration.backends.default.urls")


def ids(check: Callable[..., list[Any]], **kwargs: Any) -> list[str]:
    return [message.id.removeprefix("invitation.") for message in check(None, **kwargs)]


def urlconf(*patterns: Any) -> type:
    """Return what may stand in ROOT_URLCONF instead of a module's name."""
    return type("urlconf", (), {"urlpatterns": list(patterns)})


def page(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    return HttpResponse()


# All together


@pytest.fixture(autouse=True)
def _named_site(settings: Any) -> None:
    """Let the site have a name, which most of these tests are not about."""
    settings.INVITATION_SITE_NAME = "Club"


def site_model() -> Any:
    """Return the model, which cannot be imported by a site that has no contrib.sites."""
    return apps.get_model("sites", "Site")


@pytest.mark.anywhere
@pytest.mark.parametrize(
    "check", [*checks.CHECKS, *checks.DEPLOY_CHECKS], ids=lambda check: check.__name__
)
def test_a_site_in_order_hears_nothing(
    check: checks.Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MemberKnowledge, "email_index", "upper")
    assert check(None) == []


@pytest.mark.parametrize(
    "urls", ["simple", "verified", "admin_approval", "before_redux"], ids=lambda urls: urls
)
def test_each_way_of_including_is_in_order(settings: Any, urls: str) -> None:
    settings.ROOT_URLCONF = f"tests.urls_{urls}"
    assert [message for check in checks.CHECKS for message in check(None)] == []


def test_the_checks_are_registered_under_our_tag() -> None:
    assert set(checks.CHECKS) | set(checks.DATABASE_CHECKS) <= registry.registered_checks
    for check in checks.CHECKS:
        assert check.tags == ("invitation",)  # type: ignore[attr-defined]


def test_what_asks_the_database_waits_until_that_is_wanted() -> None:
    for check in checks.DATABASE_CHECKS:
        assert set(check.tags) == {  # type: ignore[attr-defined]
            "invitation",
            django_checks.Tags.database,
        }


def test_what_only_a_site_in_production_needs_waits_for_check_deploy() -> None:
    assert set(checks.DEPLOY_CHECKS) <= registry.deployment_checks
    assert registry.registered_checks.isdisjoint(checks.DEPLOY_CHECKS)
    for check in checks.DEPLOY_CHECKS:
        assert check.tags == ("invitation",)  # type: ignore[attr-defined]


def test_every_function_that_checks_is_listed() -> None:
    rooms = (values, limits, writing, mails, installation, frame, doors, registration, databases)
    written = {name for room in rooms for name in vars(room) if name.startswith("check_")}
    groups = (checks.CHECKS, checks.DATABASE_CHECKS, checks.DEPLOY_CHECKS)
    listed = [check.__name__ for group in groups for check in group]
    assert sorted(listed) == sorted(written)


def ids_in(*files: Path) -> Counter[str]:
    return Counter(found for file in files for found in ID.findall(file.read_text("utf-8")))


def test_each_id_is_used_once_documented_and_tested() -> None:
    # A delivery checks itself, and has its tests beside its other ones.
    rooms = [ROOT / "invitation" / "checks", ROOT / "invitation" / "delivery"]
    used = ids_in(*(file for room in rooms for file in room.glob("*.py")))
    assert {found for found, times in used.items() if times > 1} == set()
    assert set(ids_in(ROOT / "docs" / "reference" / "checks.rst")) == set(used)
    here = Path(__file__).parent
    files = [
        file
        for name in ("test_checks*", "hosts/doors/test_*", "hosts/*/test_checks")
        for file in here.glob(f"{name}.py")
    ]
    tested = {
        found
        for file in files
        for found in re.findall(r'"(?:invitation\.)?([EW]\d{3})"', file.read_text("utf-8"))
    }
    elsewhere = set(ids_in(*(ROOT / "tests" / "delivery").glob("*.py")))
    assert {f"invitation.{found}" for found in tested} | elsewhere == set(used)


def test_each_message_names_what_is_wrong_and_says_what_to_do(settings: Any) -> None:
    settings.ACCOUNT_INVITATION_DAYS = -1
    [message] = values.check_values(None)
    assert message.msg.startswith("ACCOUNT_INVITATION_DAYS is -1, but it must be ")
    assert message.hint
    assert message.is_serious()


def test_a_check_that_fails_says_so_and_lets_the_others_speak() -> None:
    def check_nothing(app_configs: Any, **kwargs: Any) -> list[Any]:
        raise LookupError("no such thing")

    guarded = checks.never_raises(check_nothing)
    assert ids(guarded) == ["W001"]
    [message] = guarded(None)
    assert message.msg == "The check check_nothing stopped at LookupError: no such thing"


@pytest.mark.parametrize("urls", ["tests.no_such_module", "tests.conftest", 7])
def test_a_broken_urlconf_is_for_django_to_report(settings: Any, urls: Any) -> None:
    settings.ROOT_URLCONF = urls
    assert [message for check in checks.CHECKS for message in check(None)] == []


def test_a_missing_urlconf_is_for_django_to_report(settings: Any) -> None:
    del settings.ROOT_URLCONF
    assert [message for check in checks.CHECKS for message in check(None)] == []


# Values


NOT_CALLABLE = 7

BAD = {
    "ACCOUNT_INVITATION_DAYS": ("E001", [0, -1, 36501, 1.5, True, "7", timedelta(7)]),
    "INVITE_MODE": ("E003", [None, 0, 1, "False", ""]),
    "INVITATION_EMAIL_POLICY": ("E005", ["EXACT", "", None, True, ["exact"]]),
    "INVITATION_REFUND_EXPIRED": ("E007", [None, 1, "yes"]),
    "INVITATION_RETENTION_DAYS": ("E008", [-1, None, 36501, True, "0", 1.5]),
    "INVITATION_BASE_URL": (
        "E010",
        [
            "example.org",
            "//example.org",
            "ftp://example.org",
            "https://",
            "https:///path",
            "https://example.org?x=1",
            "https://example.org/?",
            "https://example.org#x",
            "https://ann:secret@example.org",
            "https://*.example.org",
            "https://.example.org",
            "https://example.org:port",
            "https://example.org:0",
            "https://example.org:99999",
            "https://[::1",
            "https://exa mple.org",
            "https://example.org\n",
            "https://example.org\\@evil.example",
            b"https://example.org",
            True,
        ],
    ),
    "INVITATION_REPLY_TO_INVITER": ("E011", [None, 1, "True"]),
    "INVITATION_RESEND_COOLDOWN": ("E012", [300, None, timedelta(-1), timedelta(36501), "5m"]),
    "INVITATION_EXPIRY_CHOICES": (
        "E040",
        [None, 7, "7", ["7"], [0], [-1], [True], [1.5], [36501], [timedelta(7)], {7}],
    ),
    "INVITATION_BLOCKED_RECIPIENTS": (
        "E041",
        [
            None,
            7,
            "",
            "example.com",
            "nodots",
            "tests.nowhere.rule",
            "tests.test_checks.NOT_CALLABLE",
            [None],
            [["example.com"]],
            ["localhost"],
            ["exa mple.com"],
            ["example.com", "@"],
            ["https://example.com/"],
            {"example.com": True},
        ],
    ),
    "INVITATION_DESTINATIONS": (
        "E042",
        [
            None,
            "/welcome/",
            ["/welcome/"],
            [("/welcome/",)],
            [("/welcome/", "Welcome", "more")],
            [("/welcome/", "")],
            [("/welcome/", " ")],
            [("/welcome/", None)],
            [("", "Nowhere")],
            [(None, "Nowhere")],
            [("welcome/", "Welcome")],
            [("//evil.example/", "Evil")],
            [("https://example.com/", "Far")],
            {"/welcome/": "Welcome"},
        ],
    ),
    "INVITATION_QUOTA_PERIOD": ("E029", [30, timedelta(), timedelta(-1), timedelta(36501), "30d"]),
    "INVITATION_MINIMUM_ACCOUNT_AGE": ("E030", [3, None, timedelta(-1), timedelta(36501)]),
    "INVITATION_REWARD": ("E031", [-1, None, True, "1", 1.5, 1001]),
    "INVITATION_REQUIRE_ACTIVE_INVITER": ("E032", [None, 1, "False"]),
}
GOOD = {
    "ACCOUNT_INVITATION_DAYS": [None, 1, 7, 36500],
    "INVITE_MODE": [True, False],
    "INVITATION_EMAIL_POLICY": ["exact", "any"],
    "INVITATION_REFUND_EXPIRED": [True, False],
    "INVITATION_RETENTION_DAYS": [0, 30, 36500],
    "INVITATION_BASE_URL": [
        None,
        "",
        "https://example.org",
        "https://example.org/",
        "https://example.org:8443",
        "https://münchen.example",
        "https://[2001:db8::1]:8000",
        "https://example.org/path",
    ],
    "INVITATION_REPLY_TO_INVITER": [True, False],
    "INVITATION_RESEND_COOLDOWN": [timedelta(), timedelta(minutes=5), timedelta(36500)],
    "INVITATION_EXPIRY_CHOICES": [[], (), [1], (7, None), [1, 7, 36500]],
    "INVITATION_BLOCKED_RECIPIENTS": [
        [],
        (),
        ["example.com", "@example.org", "*.example.com", "noreply@*", "ann@example.com", "*"],
        {"straße.de"},
        ids,
        "tests.test_checks.ids",
    ],
    "INVITATION_DESTINATIONS": [
        [],
        (),
        [("/welcome/", "Welcome page"), ["/", _("Home")]],
        (("/members/?new=1#top", "Members"),),
    ],
    "INVITATION_QUOTA_PERIOD": [None, timedelta(minutes=1), timedelta(36500)],
    "INVITATION_MINIMUM_ACCOUNT_AGE": [timedelta(), timedelta(3), timedelta(36500)],
    "INVITATION_REWARD": [0, 1, 1000],
    "INVITATION_REQUIRE_ACTIVE_INVITER": [True, False],
}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [(name, value, code) for name, (code, bad) in BAD.items() for value in bad],
)
def test_a_bad_value_is_reported(settings: Any, name: str, value: Any, expected: str) -> None:
    setattr(settings, name, value)
    assert ids(values.check_values) == [expected]
    assert name in values.check_values(None)[0].msg


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, good in GOOD.items() for value in good]
)
def test_a_good_value_is_not(settings: Any, name: str, value: Any) -> None:
    setattr(settings, name, value)
    assert ids(values.check_values) == []


def test_every_simple_setting_has_a_rule_and_is_tested() -> None:
    assert {rule.name for rule in values.RULES} == set(BAD) == set(GOOD)


@pytest.mark.parametrize(
    "value",
    [
        -1,
        True,
        1.5,
        "10",
        "",
        "no.such.path",
        f"{__name__}.NOT_CALLABLE",
        ["x"],
        {"vip": -1},
        {None: "10"},
        {7: 10},
        {"vip": True},
    ],
)
def test_a_bad_quota_is_reported(settings: Any, value: Any) -> None:
    settings.INVITATIONS_PER_USER = value
    assert ids(values.check_quota) == ["E002"]


def test_a_quota_that_cannot_be_imported_says_why(settings: Any) -> None:
    settings.INVITATIONS_PER_USER = "no_such_module.quota"
    [message] = values.check_quota(None)
    assert "ModuleNotFoundError: No module named 'no_such_module'" in message.msg


@pytest.mark.parametrize(
    "value", [None, 0, 10, lambda user: 3, "builtins.len", {"vip": None, None: 3}, {"vip": 0}, {}]
)
def test_a_good_quota_is_not_reported(settings: Any, value: Any) -> None:
    settings.INVITATIONS_PER_USER = value
    assert ids(values.check_quota) == []


def test_an_account_age_that_the_user_model_does_not_know_is_reported(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(values, "get_user_model", lambda: site_model())
    settings.INVITATION_MINIMUM_ACCOUNT_AGE = timedelta()
    assert ids(values.check_values) == []
    settings.INVITATION_MINIMUM_ACCOUNT_AGE = timedelta(days=1)
    assert ids(values.check_values) == ["E030"]


@pytest.mark.parametrize(
    "value", [[], "one long text", ["x" * 40, ""], [" "], [b"x" * 40], None, 7]
)
def test_bad_signing_keys_are_reported(settings: Any, value: Any) -> None:
    settings.INVITATION_SIGNING_KEYS = value
    assert ids(values.check_signing_keys) == ["E006"]


def test_short_signing_keys_are_reported_but_not_shown(settings: Any) -> None:
    settings.INVITATION_SIGNING_KEYS = ["x" * 32, "tiger", settings.SECRET_KEY, "scott"]
    assert ids(values.check_signing_keys) == ["W002"]
    [message] = values.check_signing_keys(None)
    assert "(number 2, 4)" in message.msg
    assert "tiger" not in f"{message.msg} {message.hint}"


@pytest.mark.parametrize("value", [["x" * 32], ("x" * 32, "y" * 50)])
def test_good_signing_keys_are_not_reported(settings: Any, value: Any) -> None:
    settings.INVITATION_SIGNING_KEYS = value
    assert ids(values.check_signing_keys) == []


@pytest.mark.parametrize(
    "value", ["", "invite", "invitation.", ".invite", "a b.c", 7, True, ["a.b"]]
)
def test_a_malformed_permission_is_reported(settings: Any, value: Any) -> None:
    settings.INVITATION_PERMISSION = value
    assert ids(values.check_permission) == ["E004"]


@pytest.mark.parametrize("value", ["no_such_app.invite", "invitation.invite", "auth.add_usr"])
def test_a_permission_that_nobody_has_is_reported(settings: Any, value: str) -> None:
    settings.INVITATION_PERMISSION = value
    assert ids(values.check_permission) == ["W003"]


@pytest.mark.parametrize("value", [None, "invitation.add_invitationkey", "auth.view_user"])
def test_a_good_permission_is_not_reported(settings: Any, value: Any) -> None:
    settings.INVITATION_PERMISSION = value
    assert ids(values.check_permission) == []


def test_a_model_s_own_permission_is_not_reported(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.INVITATION_PERMISSION = "auth.may_invite"
    monkeypatch.setattr(get_user_model()._meta, "permissions", [("may_invite", "May invite")])
    assert ids(values.check_permission) == []


def test_a_permission_needs_a_user_model_that_knows_permissions(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.INVITATION_PERMISSION = "invitation.add_invitationkey"
    monkeypatch.setattr(values, "get_user_model", site_model)
    assert ids(values.check_permission) == ["E013"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("INVITATION_GRANTABLE_GROUPS", "E037"),
        ("INVITATION_VERIFIED_ADDRESSES", "E038"),
        ("INVITATION_CLIENT_ADDRESS", "E064"),
    ],
)
@pytest.mark.parametrize(
    "value", [0, True, "", "no.such.path", f"{__name__}.NOT_CALLABLE", ["x"], b"x"]
)
def test_a_rule_about_members_that_cannot_be_called_is_reported(
    settings: Any, name: str, expected: str, value: Any
) -> None:
    setattr(settings, name, value)
    assert ids(values.check_callables) == [expected]
    assert name in values.check_callables(None)[0].msg


@pytest.mark.parametrize("name", values.CALLABLES)
def test_a_rule_that_cannot_be_imported_says_why(settings: Any, name: str) -> None:
    setattr(settings, name, "no_such_module.rule")
    [message] = values.check_callables(None)
    assert "ModuleNotFoundError: No module named 'no_such_module'" in message.msg


@pytest.mark.parametrize("name", values.CALLABLES)
@pytest.mark.parametrize("value", [None, lambda user: [], "builtins.len"])
def test_a_rule_that_can_be_called_is_not_reported(settings: Any, name: str, value: Any) -> None:
    setattr(settings, name, value)
    assert ids(values.check_callables) == []


# Emails


@pytest.fixture
def without_sites(settings: Any) -> Any:
    settings.INSTALLED_APPS = [
        app for app in settings.INSTALLED_APPS if app != "django.contrib.sites"
    ]
    settings.INVITATION_BASE_URL = None
    return settings


@pytest.mark.parametrize("hosts", [["*"], [], [".*", "*"]])
def test_links_that_begin_with_nothing_are_reported(without_sites: Any, hosts: list[str]) -> None:
    without_sites.ALLOWED_HOSTS = hosts
    assert ids(mails.check_base_url) == ["E014"]


@pytest.mark.parametrize(
    ("hosts", "base", "debug"),
    [
        (["*"], "https://example.org", False),
        (["*", "example.org"], None, False),
        ([], None, True),
        (["localhost"], None, True),
        (["*"], "http://localhost:8000", True),
        (["*"], "nonsense", False),  # check_values reports it
    ],
)
def test_links_that_begin_with_something_are_not(
    without_sites: Any, hosts: list[str], base: str | None, debug: bool
) -> None:
    without_sites.ALLOWED_HOSTS = hosts
    without_sites.INVITATION_BASE_URL = base
    without_sites.DEBUG = debug
    assert ids(mails.check_base_url) == []


def test_where_a_site_names_the_host_the_database_is_asked_elsewhere(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    assert ids(mails.check_base_url) == []


def test_a_path_in_the_base_url_is_reported(settings: Any) -> None:
    settings.INVITATION_BASE_URL = "https://example.org/shop"
    assert ids(mails.check_base_url) == ["W004"]


@pytest.mark.parametrize("base", ["http://example.org", "http://localhost.example.org:8000"])
def test_links_without_tls_are_reported_in_production(settings: Any, base: str) -> None:
    settings.INVITATION_BASE_URL = base
    assert ids(mails.check_base_url) == ["W005"]
    settings.DEBUG = True
    assert ids(mails.check_base_url) == []


@pytest.mark.parametrize(
    "base",
    ["http://localhost", "http://LOCALHOST:8000", "http://127.0.0.1:8311", "http://[::1]:80"],
)
def test_links_without_tls_that_stay_on_this_computer_are_not(settings: Any, base: str) -> None:
    settings.INVITATION_BASE_URL = base
    settings.ALLOWED_HOSTS = ["127.0.0.1", "[::1]", "localhost", ".localhost", "LOCALHOST"]
    assert ids(mails.check_base_url) == []
    settings.ALLOWED_HOSTS = ["localhost", "club.example.org"]
    assert ids(mails.check_base_url) == ["W015"]
    settings.DEBUG = True
    assert ids(mails.check_base_url) == []


@pytest.mark.parametrize("other", ["example.org", ".example.org", "*"])
def test_links_to_this_computer_from_a_site_of_another_name_are_reported(
    without_sites: Any, other: str
) -> None:
    without_sites.ALLOWED_HOSTS = ["localhost", other]
    assert ids(mails.check_base_url) == ["W015"]
    without_sites.DEBUG = True
    assert ids(mails.check_base_url) == []


@pytest.mark.parametrize(
    "hosts", [["localhost"], ["127.0.0.1", "localhost", "[::1]"], ["localhost", "testserver"]]
)
def test_links_to_this_computer_from_a_site_without_another_name_are_not(
    without_sites: Any, hosts: list[str]
) -> None:
    without_sites.ALLOWED_HOSTS = hosts
    assert ids(mails.check_base_url) == []


@pytest.mark.parametrize(
    ("hosts", "debug", "name"),
    [([], True, "localhost:8000"), (["127.0.0.1"], True, "127.0.0.1"), (["[::1]"], False, "[::1]")],
)
def test_a_site_that_is_named_after_this_computer_is_asked_for_its_name(
    without_sites: Any, hosts: list[str], debug: bool, name: str
) -> None:
    without_sites.INVITATION_SITE_NAME = ""
    without_sites.ALLOWED_HOSTS, without_sites.DEBUG = hosts, debug
    [message] = mails.check_base_url(None)
    assert (message.id, message.msg) == (
        "invitation.W036",
        f'Pages and emails call the site "{name}".',
    )
    without_sites.ALLOWED_HOSTS = ["example.org"]
    assert ids(mails.check_base_url) == []


def test_links_to_this_computer_are_reported_once(without_sites: Any) -> None:
    without_sites.INVITATION_SITE_NAME = ""
    without_sites.ALLOWED_HOSTS = ["localhost", "example.org"]
    assert ids(mails.check_base_url) == ["W015"]


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["example.com", "localhost:8000", "127.0.0.1"])
def test_a_site_that_nobody_named_is_asked_for_its_name(settings: Any, name: str) -> None:
    settings.INVITATION_SITE_NAME = ""
    settings.ALLOWED_HOSTS = ["example.org"]
    site_model().objects.update(domain="example.org", name=name)
    assert ids(mails.check_site, databases=["default"]) == ["W036"]
    settings.INVITATION_BASE_URL = "https://example.org"
    assert ids(mails.check_site, databases=["default"]) == ["W036"]
    site_model().objects.update(name="Club")
    assert ids(mails.check_site, databases=["default"]) == []


@pytest.mark.django_db
def test_the_sample_domain_is_reported_once(settings: Any) -> None:
    settings.INVITATION_SITE_NAME = ""
    settings.ALLOWED_HOSTS = ["example.org"]
    [message] = mails.check_site(None, databases=["default"])
    assert message.id == "invitation.W008"
    assert "INVITATION_BASE_URL and INVITATION_SITE_NAME" in message.hint


# The mail server of a developer


@pytest.fixture
def closed_port() -> int:
    """Return a port of this machine at which nobody answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def local_mails(settings: Any, port: int, host: str = "127.0.0.1") -> None:
    settings.DEBUG = True
    backend = "django.core.mail.backends.smtp.EmailBackend"
    if django.VERSION >= (6, 1):
        options = {"host": host, "port": port}
        settings.MAILERS = {"default": {"BACKEND": backend, "OPTIONS": options}}
        return
    settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = backend, host, port


def test_a_developer_without_a_mail_server_is_told_what_to_set(
    settings: Any, closed_port: int
) -> None:
    local_mails(settings, closed_port)
    [message] = mails.check_mail_server(None)
    assert message.id == "invitation.W038"
    assert f"127.0.0.1:{closed_port}" in message.msg
    assert "django.core.mail.backends.console.EmailBackend" in message.hint
    settings.DEBUG = False
    assert ids(mails.check_mail_server) == []


def test_a_mail_server_that_answers_or_is_elsewhere_is_not_reported(
    settings: Any, closed_port: int
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        local_mails(settings, server.getsockname()[1])
        assert ids(mails.check_mail_server) == []
    local_mails(settings, closed_port, "mail.example.org")
    assert ids(mails.check_mail_server) == []


@pytest.mark.parametrize("path", ["invitation.delivery.dummy.DummyDelivery", "no.such.Delivery"])
def test_another_delivery_has_no_mail_server(settings: Any, path: str) -> None:
    settings.DEBUG, settings.INVITATION_DELIVERY = True, path
    assert ids(mails.check_mail_server) == []


class Unfinished(BaseDelivery):
    """Lacks send()."""


class Broken(DummyDelivery):
    def __init__(self) -> None:
        raise LookupError("no mail today")


class Choosy(DummyDelivery):
    def check(self) -> list[django_checks.CheckMessage]:
        return [django_checks.Info("I would rather not.", id="site.I001")]


@pytest.mark.parametrize(
    "value",
    [
        "no_such_module.Delivery",
        "invitation.delivery.email.NoSuchClass",
        "Delivery",
        "builtins.dict",
        "invitation.delivery.base.BaseDelivery",
        f"{__name__}.Unfinished",
        f"{__name__}.Broken",
        None,
        7,
        DummyDelivery,
    ],
)
def test_a_delivery_that_cannot_be_had_is_reported(settings: Any, value: Any) -> None:
    settings.INVITATION_DELIVERY = value
    assert ids(mails.check_delivery) == ["E009"]
    assert mails.check_delivery(None)[0].msg.startswith("INVITATION_DELIVERY ")
    assert mails.check_delivery(None)[0].msg.count("INVITATION_DELIVERY") == 1


@pytest.mark.parametrize("value", [None, 7, DummyDelivery], ids=["none", "number", "class"])
def test_a_delivery_that_is_no_path_is_called_so(settings: Any, value: Any) -> None:
    settings.INVITATION_DELIVERY = value
    [message] = mails.check_delivery(None)
    assert message.msg == f"INVITATION_DELIVERY is {value!r}, which is no dotted path."


@pytest.mark.parametrize("name", ["email.EmailDelivery", "outbox.OutboxDelivery"])
def test_our_deliveries_are_not_reported(settings: Any, name: str) -> None:
    settings.INVITATION_DELIVERY = f"invitation.delivery.{name}"
    assert ids(mails.check_delivery) == []


def test_a_delivery_reports_what_it_finds_itself(settings: Any) -> None:
    settings.INVITATION_DELIVERY = f"{__name__}.Choosy"
    assert [message.id for message in mails.check_delivery(None)] == ["site.I001"]


@pytest.mark.parametrize(
    "pattern",
    [
        path("", include(("invitation.urls", "invitation"))),
        path("<slug:tenant>/", ours),
        # As 1.0's documentation had it: today's keys hold more than letters.
        re_path(r"^invited/(?P<invitation_key>\w+)/$", page, name="invitation_invited"),
    ],
)
def test_a_link_that_cannot_be_made_is_reported(settings: Any, pattern: Any) -> None:
    settings.ROOT_URLCONF = urlconf(pattern)
    assert ids(mails.check_link) == ["E027"]
    assert mails.check_link(None)[0].is_serious()


def test_a_site_that_does_not_include_the_urls_yet_is_reminded(settings: Any) -> None:
    settings.ROOT_URLCONF = urlconf(path("", page))
    assert ids(mails.check_link) == ["W006"]
    assert not mails.check_link(None)[0].is_serious()


@pytest.mark.parametrize(
    "pattern",
    [
        path("accounts/", ours),
        *i18n_patterns(path("accounts/", ours)),
        re_path(r"^invited/(?P<invitation_key>.+)/$", page, name="invitation_invited"),
    ],
)
def test_a_link_that_can_be_made_is_not(settings: Any, pattern: Any) -> None:
    settings.ROOT_URLCONF = urlconf(pattern)
    assert ids(mails.check_link) == []


def test_the_sample_key_is_as_keys_are() -> None:
    from invitation import keys

    assert keys.PATTERN.fullmatch(mails.SAMPLE_KEY)


def test_two_includes_of_ours_are_reported(settings: Any) -> None:
    settings.ROOT_URLCONF = urlconf(
        path("a/", ours), path("b/", include("invitation.backends.simple.urls"))
    )
    assert ids(mails.check_link) == ["W007"]
    assert '"/a/^invited/' in mails.check_link(None)[0].msg


@pytest.mark.django_db
def test_a_site_id_without_a_site_is_reported(settings: Any) -> None:
    settings.SITE_ID = 77
    assert ids(mails.check_site, databases=["default"]) == ["E015"]


@pytest.mark.django_db
def test_a_site_with_the_sample_domain_is_reported(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["example.org"]
    assert ids(mails.check_site, databases=["default"]) == ["W008"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("ALLOWED_HOSTS", ["example.com"]),
        ("INVITATION_BASE_URL", "https://example.org"),
        ("SITE_ID", None),
    ],
)
def test_a_site_that_is_not_asked_for_its_domain_is_not(
    settings: Any, setting: str, value: Any
) -> None:
    settings.ALLOWED_HOSTS = []
    setattr(settings, setting, value)
    assert ids(mails.check_site, databases=["default"]) == []


@pytest.mark.django_db
def test_a_site_with_a_domain_of_its_own_is_not(settings: Any) -> None:
    settings.ALLOWED_HOSTS = []
    site_model().objects.update(domain="example.org")
    assert ids(mails.check_site, databases=["default"]) == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    "domain",
    [
        "",
        " ",
        "https://example.org",
        "example.org/",
        "example.org/shop",
        "//example.org",
        "example..org",
        ".example.org",
        "*.example.org",
        "exa mple.org",
        "example.org\n",
        "ann@example.org",
        "example.org?x",
        "example.org#x",
        "example.org:port",
        "example.org:0",
        "2001:db8::1",
        "[2001:db8::1",
    ],
)
def test_a_site_whose_domain_is_none_is_reported(settings: Any, domain: str) -> None:
    site_model().objects.filter(pk=settings.SITE_ID).update(domain=domain)
    assert ids(mails.check_site, databases=["default"]) == ["E026"]
    assert repr(domain) in mails.check_site(None, databases=["default"])[0].msg
    settings.INVITATION_BASE_URL = "https://example.org"
    assert ids(mails.check_site, databases=["default"]) == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    "domain",
    [
        "example.org",
        "EXAMPLE.org.",
        "example.org:8443",
        "münchen.example",
        "xn--mnchen-3ya.example",
        "localhost:8000",
        "192.0.2.1",
        "[2001:db8::1]",
        "[2001:db8::1]:8000",
        "my_host",
    ],
)
def test_a_site_with_a_good_domain_is_not(settings: Any, domain: str) -> None:
    site_model().objects.filter(pk=settings.SITE_ID).update(domain=domain)
    settings.ALLOWED_HOSTS = ["localhost"]
    assert ids(mails.check_site, databases=["default"]) == []


@pytest.mark.django_db
@pytest.mark.parametrize("domain", ["localhost", "127.0.0.1:8000", "LOCALHOST:80", "[::1]"])
def test_a_site_with_a_public_name_whose_links_lead_to_the_readers_computer_is_reported(
    settings: Any, domain: str
) -> None:
    settings.ALLOWED_HOSTS = ["club.example.org"]
    site_model().objects.filter(pk=settings.SITE_ID).update(domain=domain)
    assert ids(mails.check_site, databases=["default"]) == ["W015"]
    settings.DEBUG = True
    assert ids(mails.check_site, databases=["default"]) == []


@pytest.mark.django_db
def test_unsubscribed_are_reported_that_were_hashed_with_a_key_that_is_gone(settings: Any) -> None:
    settings.INVITATION_SIGNING_KEYS = ["o" * 50]
    for number in range(3):
        mail.suppress(f"b{number}@example.org")
    settings.INVITATION_SIGNING_KEYS = ["n" * 50, "o" * 50]
    mail.suppress("carol@example.org")
    assert ids(mails.check_unsubscribed, databases=["default"]) == []
    settings.INVITATION_SIGNING_KEYS = ["n" * 50]
    assert ids(mails.check_unsubscribed, databases=["default"]) == ["W017"]
    [message] = mails.check_unsubscribed(None, databases=["default"])
    assert message.msg.startswith("3 unsubscribed addresses")


@pytest.mark.django_db
def test_that_costs_one_query_and_waits_for_the_table(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(1):
        assert ids(mails.check_unsubscribed, databases=["default"]) == []

    def fail(*args: Any, **kwargs: Any) -> None:
        raise DatabaseError("no such table")

    monkeypatch.setattr("django.db.models.query.QuerySet.count", fail)
    assert ids(mails.check_unsubscribed, databases=["default"]) == []


@pytest.mark.parametrize("databases", [None, [], ["replica"]])
def test_unsubscribed_are_not_counted_unless_the_database_is_checked(
    databases: list[str] | None,
) -> None:
    assert ids(mails.check_unsubscribed, databases=databases) == []


@pytest.mark.parametrize("databases", [None, [], ["replica"]])
def test_the_database_is_left_alone_unless_it_is_to_be_checked(
    settings: Any, databases: list[str] | None
) -> None:
    settings.SITE_ID = 77
    assert ids(mails.check_site, databases=databases) == []


def test_before_the_first_migration_there_is_no_site_to_ask(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise DatabaseError("no such table")

    monkeypatch.setattr(site_model()._default_manager, "filter", fail)
    assert ids(mails.check_site, databases=["default"]) == []


def test_without_sites_there_is_no_site_to_ask(without_sites: Any) -> None:
    assert ids(mails.check_site, databases=["default"]) == []


# Installation


def reorder(settings: Any, *first: str) -> None:
    rest = [app for app in settings.INSTALLED_APPS if app not in first]
    settings.INSTALLED_APPS = [*first, *rest]


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        (("invitation", "registration", "django.contrib.admin"), []),
        (("invitation", "django.contrib.admin", "registration"), ["W009"]),
        (("registration", "invitation", "django.contrib.admin"), ["W010"]),
        (("registration", "django.contrib.admin", "invitation"), ["W010"]),
        (("django.contrib.admin", "registration", "invitation"), ["W009", "W010"]),
    ],
)
def test_the_order_of_apps_is_checked(
    settings: Any, first: tuple[str, ...], expected: list[str]
) -> None:
    reorder(settings, *first)
    assert ids(installation.check_order_of_apps) == expected


@pytest.mark.parametrize("missing", ["registration", "django.contrib.admin"])
def test_an_app_that_is_missing_has_no_order(settings: Any, missing: str) -> None:
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app != missing]
    assert ids(installation.check_order_of_apps) == []


def test_a_password_reset_mail_of_the_admin_is_reported(settings: Any) -> None:
    reorder(settings, "django.contrib.admin", "registration", "invitation")
    assert ids(installation.check_password_reset_mail) == ["E022"]


def test_a_password_reset_mail_of_the_admin_is_fine_with_django_s_own_urls(settings: Any) -> None:
    reorder(settings, "django.contrib.admin", "registration", "invitation")
    settings.ROOT_URLCONF = urlconf(
        path("accounts/", ours), path("auth/", include("django.contrib.auth.urls"))
    )
    assert ids(installation.check_password_reset_mail) == []


@pytest.mark.parametrize("text", ["mine", "{% if %}"])
def test_a_password_reset_mail_of_the_site_s_own_is_not_reported(
    settings: Any, tmp_path: Path, text: str
) -> None:
    reorder(settings, "django.contrib.admin", "registration", "invitation")
    override_template(settings, tmp_path, installation.RESET_MAIL, text.encode())
    assert ids(installation.check_password_reset_mail) == []


def test_who_resets_no_passwords_with_redux_may_have_the_mail_of_the_admin(settings: Any) -> None:
    reorder(settings, "django.contrib.admin", "registration", "invitation")
    settings.ROOT_URLCONF = urlconf(path("", page))
    assert ids(installation.check_password_reset_mail) == []


def test_without_the_admin_there_is_no_mail_of_the_admin(settings: Any) -> None:
    settings.INSTALLED_APPS = [
        app for app in settings.INSTALLED_APPS if app != "django.contrib.admin"
    ]
    settings.ROOT_URLCONF = urlconf(path("accounts/", ours))
    assert ids(installation.check_password_reset_mail) == []


def override_template(settings: Any, folder: Path, name: str, content: bytes) -> None:
    file = folder / name
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    settings.TEMPLATES = [settings.TEMPLATES[0] | {"DIRS": [folder]}]


@pytest.mark.parametrize(
    "content", [b"{% if %}", b"{% load no_such_library %}", "Grüße".encode("latin-1")]
)
def test_a_template_that_cannot_be_read_is_reported(
    settings: Any, tmp_path: Path, content: bytes
) -> None:
    override_template(settings, tmp_path, "invitation/invited.html", content)
    assert ids(installation.check_templates) == ["E023"]
    assert '"invitation/invited.html"' in installation.check_templates(None)[0].msg


def test_a_template_of_the_site_s_own_is_not_reported(settings: Any, tmp_path: Path) -> None:
    override_template(settings, tmp_path, "invitation/invited.html", b"Welcome!")
    assert ids(installation.check_templates) == []


def test_only_a_template_of_the_site_is_compiled(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    override_template(settings, tmp_path, "invitation/invited.html", b"Welcome!")
    compiled: list[str] = []
    monkeypatch.setattr(installation, "get_template", compiled.append)
    assert ids(installation.check_templates) == []
    assert compiled == ["invitation/invited.html"]


def test_a_library_in_place_of_the_app_s_own_is_reported(settings: Any) -> None:
    options = settings.TEMPLATES[0]["OPTIONS"]
    options = options | {"libraries": {"invitation_tags": "django.templatetags.static"}}
    settings.TEMPLATES = [settings.TEMPLATES[0] | {"OPTIONS": options}]
    assert set(ids(installation.check_templates)) == {"E023"}


def test_templates_that_are_not_found_are_reported(settings: Any) -> None:
    settings.TEMPLATES = [settings.TEMPLATES[0] | {"APP_DIRS": False}]
    assert ids(installation.check_templates) == ["E024"]
    assert re.search(r'"admin/.*html".* and \d+ more\.$', checks_text("check_templates"))
    settings.TEMPLATES = []
    assert ids(installation.check_templates) == ["E024"]


def checks_text(name: str) -> str:
    [message] = getattr(installation, name)(None)
    return str(message.msg)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["a.txt"], '"a.txt"'),
        (["a.txt", "b.txt", "c.txt"], '"a.txt", "b.txt", "c.txt"'),
        (["a.txt", "b.txt", "c.txt", "d.txt"], '"a.txt", "b.txt", "c.txt" and 1 more'),
    ],
)
def test_templates_that_are_not_found_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: list[str], words: str
) -> None:
    for name in names:
        (tmp_path / name).touch()
    monkeypatch.setattr(installation, "TEMPLATES", tmp_path)
    assert checks_text("check_templates") == f"TEMPLATES does not find {words}."


class OwnMiddleware(installation.import_string(installation.AUTHENTICATION)):  # type: ignore[misc]
    """Stands in for Django's."""


def plain_middleware(get_response: Any) -> Any: ...


def test_requests_without_a_user_are_reported(settings: Any) -> None:
    settings.INSTALLED_APPS = [
        app for app in settings.INSTALLED_APPS if app != "django.contrib.admin"
    ]
    assert ids(installation.check_middleware) == []
    settings.MIDDLEWARE = [f"{__name__}.plain_middleware", f"{__name__}.OwnMiddleware"]
    assert ids(installation.check_middleware) == []
    sessions = "django.contrib.sessions.middleware.SessionMiddleware"
    settings.MIDDLEWARE = [f"{__name__}.plain_middleware", sessions]
    assert ids(installation.check_middleware) == ["E025"]


def test_where_the_admin_is_installed_django_reports_that(settings: Any) -> None:
    settings.MIDDLEWARE = []
    assert ids(installation.check_middleware) == []
    assert "admin.E408" in {message.id for message in django_checks.run_checks(tags=["admin"])}


@pytest.mark.parametrize(
    "value", ["/login/", "no_such_name", "/accounts/login", "login/", reverse_lazy("no_such_name")]
)
def test_a_login_page_that_is_not_there_is_reported(settings: Any, value: str) -> None:
    settings.LOGIN_URL = value
    settings.APPEND_SLASH = False
    assert ids(installation.check_login_url) == ["W011"]


@pytest.mark.parametrize(
    "value",
    [
        "/accounts/login/",
        "/accounts/login",
        "accounts/login/",
        "auth_login",
        "https://id.example.org/sign-in/",
        "/accounts/login/?sso=1",
        reverse_lazy("auth_login"),
    ],
)
def test_a_login_page_that_is_there_or_elsewhere_is_not(settings: Any, value: str) -> None:
    settings.LOGIN_URL = value
    assert ids(installation.check_login_url) == []


def test_who_cannot_invite_needs_no_login_page(settings: Any) -> None:
    settings.ROOT_URLCONF = urlconf(path("", page))
    assert ids(installation.check_login_url) == []


@pytest.mark.parametrize("value", ["/sign-up/", "no_such_name", ""])
def test_a_sign_up_page_that_is_not_there_is_reported(settings: Any, value: Any) -> None:
    settings.INVITATION_SIGNUP_URL = value
    assert ids(installation.check_signup_url) == ["W034"]


@pytest.mark.parametrize("value", [None, "/", "home", "https://app.example.org/join/"])
def test_a_sign_up_page_that_is_there_or_elsewhere_is_not(settings: Any, value: Any) -> None:
    settings.INVITATION_SIGNUP_URL = value
    assert ids(installation.check_signup_url) == []


def test_a_site_without_a_known_sign_up_page_is_reported(settings: Any) -> None:
    settings.ROOT_URLCONF = urlconf(path("sign-up/", page), path("", include("invitation.routes")))
    assert ids(installation.check_signup_url) == ["W035"]
    settings.INVITATION_SIGNUP_URL = "/sign-up/"
    assert ids(installation.check_signup_url) == []


def test_a_site_without_pages_of_invitations_needs_no_sign_up_page(settings: Any) -> None:
    settings.ROOT_URLCONF = urlconf(path("", page))
    settings.INVITATION_SIGNUP_URL = "/nowhere/"
    assert ids(installation.check_signup_url) == []


# Pages that a setting leads to


@pytest.fixture
def prefix() -> Iterator[None]:
    set_script_prefix("/shop/")
    yield
    set_script_prefix("/")


BELOW = ["/shop/accounts/login/", "/shop/accounts/login", "/shop", "/shop/", "auth_login", "home"]


@pytest.mark.parametrize("target", BELOW)
def test_a_page_below_a_script_name_is_found(prefix: None, target: str) -> None:
    assert routing.why_nowhere(target) == ""


@pytest.mark.parametrize("target", [*BELOW, reverse_lazy("auth_login")])
@pytest.mark.parametrize("name", ["/shop", "/shop/"])
def test_a_page_below_a_forced_script_name_is_found(settings: Any, name: str, target: Any) -> None:
    # In a thread of its own, such as that of runserver, no prefix is set.
    settings.FORCE_SCRIPT_NAME = name
    assert routing.why_nowhere(target) == ""
    assert get_script_prefix() == "/"


@pytest.mark.parametrize("target", ["/accounts/login/", "/", "/shopping/", "/shop/login/"])
def test_a_page_outside_a_script_name_is_not(settings: Any, target: str) -> None:
    settings.FORCE_SCRIPT_NAME = "/shop"
    assert routing.why_nowhere(target) == f'no page of the site is at "{target}".'


TRANSLATED = [
    *i18n_patterns(
        path("members/", page, name="members"),
        path(_("Friday"), page, name="translated"),
        path("de/inner/", page),
    ),
    path("plain/", page, name="plain"),
]


@pytest.mark.parametrize(
    "target",
    [
        "members",
        "plain",
        "translated",
        reverse_lazy("members"),
        "/plain/",
        "/en/members/",
        "/de/members/",
        "/de/members",
        "/de/Freitag",
        "/en/Friday",
        # A middleware adds the language to these.
        "/members/",
        "/members",
        "/Friday",
    ],
)
@pytest.mark.parametrize("active", ["en", "de", None])
def test_a_page_below_a_language_is_found(settings: Any, active: str | None, target: Any) -> None:
    settings.ROOT_URLCONF = urlconf(*TRANSLATED)
    with translation.override(active):
        assert routing.why_nowhere(target) == ""
        assert translation.get_language() == active


@pytest.mark.parametrize(
    "target",
    ["/en/plain/", "/de/friends/", "/xx/members/", "/friends/", "/de/Friday", "/de/inner/"],
)
def test_a_page_below_a_language_that_is_not_there_is_not(settings: Any, target: str) -> None:
    settings.ROOT_URLCONF = urlconf(*TRANSLATED)
    assert routing.why_nowhere(target) == f'no page of the site is at "{target}".'


def test_a_site_without_languages_in_its_addresses_gets_none_added(settings: Any) -> None:
    settings.ROOT_URLCONF = urlconf(path("<slug:tenant>/members/", page))
    assert routing.why_nowhere("/members/")
    assert routing.why_nowhere("/en/members/") == ""


def test_a_page_at_a_path_beyond_ascii_is_found(settings: Any) -> None:
    settings.ROOT_URLCONF = urlconf(path("grüße/<int:number>/", page, name="greetings"))
    for target in ("/grüße/7/", "/gr%C3%BC%C3%9Fe/7/", reverse_lazy("greetings", args=[7])):
        assert routing.why_nowhere(target) == ""
    assert "with no arguments not found" in routing.why_nowhere("greetings")


def test_a_last_slash_is_added_only_where_there_is_none(settings: Any) -> None:
    settings.ROOT_URLCONF = urlconf(re_path(r"^members//$", page))
    assert routing.why_nowhere("/members/")
    assert routing.why_nowhere("/members//") == ""


def test_where_a_converter_fails_nothing_is_said(settings: Any) -> None:
    settings.ROOT_URLCONF = urlconf(path("<broken_tenant:tenant>/", page))
    assert routing.why_nowhere("/zq/") == ""


# Redux: the gate


class NoTenant:
    regex = "[a-z]+"

    def to_python(self, value: str) -> str:
        raise ValueError

    def to_url(self, value: str) -> str:
        return value


class BrokenTenant(NoTenant):
    def to_python(self, value: str) -> str:
        raise LookupError("no database")


register_converter(NoTenant, "no_tenant")
register_converter(BrokenTenant, "broken_tenant")


class OwnView(ReduxView):
    """A view of the site's own, without our mixin."""


@wraps(ReduxView.as_view(), updated=())
def wrapped_view(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


class OldBackend(SimpleBackend):
    """A backend class of the site's own."""


class NeedyBackend(SimpleBackend):
    def __init__(self, request: HttpRequest) -> None: ...


class FailingBackend(SimpleBackend):
    def __init__(self) -> None:
        raise LookupError("no backend today")


class EmptyBackend(InvitationBackend):
    """Wraps nothing."""

    backend = "no_such_module.Wrapped"


OPEN = {
    "alone": [path("accounts/", redux)],
    "first": [path("accounts/", redux), path("accounts/", ours)],
    "at another prefix": [path("accounts/", ours), path("members/", redux)],
    "one-step": [path("", ours), path("x/", include("registration.backends.simple.urls"))],
    "approval": [path("", ours), path("x/", include("registration.backends.admin_approval.urls"))],
    "nested": [path("a/", include([path("b/", include([path("c/", redux)]))]))],
    "in a namespace": [path("a/", ours), path("b/", include(([path("", redux)], "x")))],
    "with a language": [path("accounts/", ours), *i18n_patterns(path("accounts/", redux))],
    "with parameters": [path("accounts/", ours), path("<slug:tenant>/<int:year>/", redux)],
    "with an uuid": [path("<uuid:tenant>/", redux)],
    "with a regex": [re_path(r"^(?P<code>[A-Z]{3})/accounts/", redux)],
    "with an unnamed group": [re_path(r"^(\d{4})/accounts/", redux)],
    "with one form of two": [
        path("register/", RegistrationView.as_view()),
        re_path(r"^(?:(?P<language>[a-z]{2})/)?register/$", ReduxView.as_view()),
    ],
    "beyond guessing": [re_path(r"^(?:de|fr)/(?P<code>[0-9]{17})/", redux)],
    "with a percent sign": [path("100%/", redux)],
    "with a converter that knows no sample": [path("<no_tenant:tenant>/", redux)],
    "with a converter that fails": [path("<broken_tenant:tenant>/", redux)],
    "the view itself": [path("join/", ReduxView.as_view())],
    "a view of the site's own": [path("join/", OwnView.as_view())],
    "a wrapped view": [path("join/", wrapped_view)],
    "a partial view": [path("join/", partial(ReduxView.as_view(), lang="de"))],
    "a backend class": [path("join/", classic.register, {"backend": f"{__name__}.OldBackend"})],
}
GATED = {
    "no registration": [path("", page), path("x/", TemplateView.as_view(template_name="x"))],
    "ours alone": [path("accounts/", ours)],
    "ours first": [path("accounts/", ours), path("accounts/", redux)],
    "ours first, nested otherwise": [
        path("a/", include([path("b/", ours)])),
        re_path(r"^a/b/", redux),
    ],
    "ours first, with a language": i18n_patterns(path("a/", ours), path("a/", redux)),
    "ours first, with parameters": [path("<slug:x>/", ours), path("<slug:tenant>/", redux)],
    "ours first, beyond guessing": [
        re_path(r"^(?:de|fr)/(?P<code>[0-9]{17})/", ours),
        re_path(r"^(?:de|fr)/(?P<code>[0-9]{17})/", redux),
    ],
    "ours first, with a converter that knows no sample": [
        path("<no_tenant:tenant>/", ours),
        path("<no_tenant:tenant>/", redux),
    ],
    "behind a page that takes all": [path("<path:anything>", page), path("accounts/", redux)],
    "a gated view": [path("join/", RegistrationView.as_view())],
    "a gated backend class": [
        path(
            "join/",
            classic.register,
            {"backend": "invitation.backends.classic.InvitationBackend"},
        )
    ],
    "a backend class that the URL does not name": [path("join/<backend>/", classic.register)],
}


@pytest.mark.parametrize("patterns", OPEN.values(), ids=OPEN)
def test_an_ungated_registration_is_reported(settings: Any, patterns: list[Any]) -> None:
    settings.ROOT_URLCONF = urlconf(*patterns)
    assert ids(doors.check_doors) == ["E017"]


@pytest.mark.parametrize("patterns", GATED.values(), ids=GATED)
def test_a_gated_registration_is_not(settings: Any, patterns: list[Any]) -> None:
    settings.ROOT_URLCONF = urlconf(*patterns)
    assert ids(doors.check_doors) == []


def test_an_ungated_registration_is_named(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.urls_ungated"
    [message] = doors.check_doors(None)
    assert message.msg.startswith('Anybody can sign up at "/accounts/register/". ')
    assert message.is_serious()


def test_each_ungated_registration_is_reported(settings: Any) -> None:
    settings.ROOT_URLCONF = urlconf(path("a/", redux), path("b/", redux))
    assert ids(doors.check_doors) == ["E017", "E017"]


@pytest.mark.parametrize(
    ("backend", "reason"),
    [
        ("no_such_module.Backend", "No module named 'no_such_module'"),
        (f"{__name__}.NoBackend", 'does not define a "NoBackend"'),
        (f"{__name__}.NOT_CALLABLE", "not 'tests.test_checks.NOT_CALLABLE'"),
        (f"{__name__}.NeedyBackend", "cannot be instantiated without arguments"),
        (f"{__name__}.FailingBackend", "FailingBackend' failed with LookupError: no backend today"),
        (f"{__name__}.EmptyBackend", '"no_such_module.Wrapped" cannot be imported'),
        ("", "cannot be imported"),
    ],
)
@pytest.mark.parametrize("view", [classic.register, classic.activate], ids=["register", "activate"])
def test_a_backend_class_that_cannot_be_used_is_reported(
    settings: Any, view: Any, backend: str, reason: str
) -> None:
    settings.ROOT_URLCONF = urlconf(path("join/", view, {"backend": backend}))
    assert ids(registration.check_backend_classes) == ["E028"]
    [message] = registration.check_backend_classes(None)
    assert message.msg.startswith('The page at "/join/" cannot be shown: ')
    assert backend.rpartition(".")[2] in message.msg
    assert reason in message.msg
    assert ids(doors.check_doors) == []


@pytest.mark.parametrize(
    "backend",
    ["invitation.backends.classic.InvitationBackend", OldBackend, f"{__name__}.OldBackend"],
)
def test_a_backend_class_that_can_be_used_is_not(settings: Any, backend: Any) -> None:
    settings.ROOT_URLCONF = urlconf(
        path("join/", classic.register, {"backend": backend}),
        path("join/<key>/", classic.activate, {"backend": backend}),
        path("leave/<backend>/", classic.register),
        path("", page, {"backend": "no_such_module.Backend"}),
    )
    assert ids(registration.check_backend_classes) == []


def test_a_backend_class_that_cannot_be_used_does_not_hide_an_ungated_one(settings: Any) -> None:
    settings.ROOT_URLCONF = urlconf(
        path("a/", classic.register, {"backend": "no_such_module.Backend"}),
        path("b/", classic.register, {"backend": f"{__name__}.OldBackend"}),
        path("c/", classic.activate, {"backend": f"{__name__}.OldBackend"}),
        path("d/", redux),
    )
    assert ids(doors.check_doors) == ["E017", "E017"]
    assert ids(registration.check_backend_classes) == ["E028"]


def test_open_registration_needs_no_gate(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.urls_ungated"
    settings.INVITE_MODE = False
    assert ids(doors.check_doors) == []


def test_where_nothing_of_redux_is_imported_nothing_is_imported(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    modules = [
        "registration.views",
        "invitation.backends.redux",
        "invitation.backends.classic.views",
    ]
    for name in modules:
        monkeypatch.delitem(sys.modules, name)
    settings.ROOT_URLCONF = urlconf(path("", TemplateView.as_view(template_name="x")))
    assert ids(doors.check_doors) == []
    assert ids(registration.check_backend_classes) == []
    assert sys.modules.keys().isdisjoint(modules)


@pytest.mark.parametrize(
    ("pattern", "samples"),
    [
        (path("<int:year>/<slug:name>/", page), ["/73/73/"]),
        (path("<uuid:tenant>/", page), ["/7c7a3b9e-6b1d-4c1e-9d3a-0f5b7e2c4d61/"]),
        (re_path(r"^(?P<code>[A-Z]{3})/$", page), ["/ZQX/"]),
        # What a prefix leaves over would be for the patterns behind it.
        (re_path(r"^(?P<code>[a-z]+)", include([path("/join/", page)])), ["/zq/join/"]),
        (re_path(r"^(?:(?P<code>[a-z]+)/)?join/$", page), ["/join/", "/zq/join/"]),
        (re_path(r"^(?P<code>[0-9]{17})/$", page), []),
    ],
)
def test_a_route_knows_paths_that_lead_to_it(
    settings: Any, pattern: Any, samples: list[str]
) -> None:
    settings.ROOT_URLCONF = urlconf(pattern)
    [route], failure = routing.find_routes()
    assert failure is None
    assert route.samples() == samples


def test_a_name_in_a_namespace_is_not_found(settings: Any) -> None:
    inner = [path("inner/", page, name="inner")]
    settings.ROOT_URLCONF = urlconf(
        path("", page),
        path("a/", page, name="outer"),
        path("b/", include((inner, "app"))),
        path("c/", include(([path("d/", include([path("e/", page, name="deep")]))], "x"))),
    )
    assert routing.find_names() == {"outer"}


# Redux: what it needs


def test_redux_that_is_routed_but_not_installed_is_reported(settings: Any) -> None:
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app != "registration"]
    settings.ROOT_URLCONF = "tests.urls_simple"
    assert ids(registration.check_installed) == ["E016"]
    settings.ROOT_URLCONF = urlconf(
        path("", page), path("x/", TemplateView.as_view(template_name="x"))
    )
    assert ids(registration.check_installed) == []


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RuntimeError("registration.models is not in INSTALLED_APPS"), ["E016"]),
        (RuntimeError("something else"), []),
        (ImportError("registration.models"), []),
    ],
)
def test_of_what_a_urlconf_may_raise_one_thing_is_ours(
    settings: Any, monkeypatch: pytest.MonkeyPatch, error: Exception, expected: list[str]
) -> None:
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app != "registration"]
    monkeypatch.setattr(routing, "find_routes", lambda: ([], error))
    assert ids(registration.check_installed) == expected


def test_redux_that_refuses_to_be_imported_is_reported(tmp_path: Path) -> None:
    (tmp_path / "without_redux.py").write_text(
        "from tests.settings import *\nINSTALLED_APPS.remove('registration')\n"
    )
    run = subprocess.run(
        [sys.executable, "-m", "django", "check", "--tag", "invitation"],
        cwd=ROOT,
        env=os.environ
        | {
            "DJANGO_SETTINGS_MODULE": "without_redux",
            "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert set(ID.findall(run.stderr)) == {"invitation." + "E016"}, run.stderr


@pytest.mark.parametrize("value", [0, -1, "7", True, None, timedelta(7)])
def test_bad_activation_days_are_reported(settings: Any, value: Any) -> None:
    settings.ACCOUNT_ACTIVATION_DAYS = value
    assert ids(registration.check_activation) == ["E018"]


def test_activation_days_are_looked_at_for_django_registration_too(settings: Any) -> None:
    settings.ACCOUNT_ACTIVATION_DAYS = 0
    settings.ROOT_URLCONF = urlconf(path("a/", page, name="django_registration_activate"))
    assert ids(registration.check_activation) == ["E018"]


def test_missing_activation_days_are_reported(settings: Any) -> None:
    del settings.ACCOUNT_ACTIVATION_DAYS
    assert ids(registration.check_activation) == ["E018"]
    settings.ROOT_URLCONF = "tests.urls_simple"
    assert ids(registration.check_activation) == []


@pytest.mark.parametrize("value", [1, 7, 0.5])
def test_good_activation_days_are_not(settings: Any, value: Any) -> None:
    settings.ACCOUNT_ACTIVATION_DAYS = value
    assert ids(registration.check_activation) == []


def test_a_user_model_that_cannot_be_activated_is_reported(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registration, "get_user_model", site_model)
    assert ids(registration.check_activation) == ["E019"]
    assert "email, is_active, date_joined" in registration.check_activation(None)[0].msg
    settings.ROOT_URLCONF = "tests.urls_simple"
    assert ids(registration.check_activation) == []


def approvers() -> list[tuple[str, str]]:
    return [("Ann", "ann@example.org")]


@pytest.mark.parametrize(
    ("registration_admins", "admins"),
    [
        (None, []),
        ([], []),
        (["ann@example.org"], []),
        (None, ["ann@example.org"]),
        ([], [("Ann", "ann@example.org"), "bob@example.org"]),
        ([("Ann", "ann")], []),
        ([("Ann",)], []),
        ({"Ann": "ann@example.org"}, []),
        (7, []),
        ("no.such.path", []),
        (f"{__name__}.NOT_CALLABLE", []),
    ],
)
def test_approval_by_nobody_is_reported(
    settings: Any, registration_admins: Any, admins: Any
) -> None:
    settings.ROOT_URLCONF = "tests.urls_admin_approval"
    settings.REGISTRATION_ADMINS = registration_admins
    settings.ADMINS = admins
    assert ids(registration.check_approval) == ["E020"]
    settings.ROOT_URLCONF = "tests.urls"
    assert ids(registration.check_approval) == []


@pytest.mark.parametrize(
    ("registration_admins", "admins"),
    [
        ([("Ann", "ann@example.org")], []),
        ((["Ann", "ann@example.org"],), ["bob@example.org"]),
        (None, [("Ann", "ann@example.org")]),
        (f"{__name__}.approvers", []),
    ],
)
def test_approval_by_somebody_is_not(settings: Any, registration_admins: Any, admins: Any) -> None:
    settings.ROOT_URLCONF = "tests.urls_admin_approval"
    settings.REGISTRATION_ADMINS = registration_admins
    settings.ADMINS = admins
    assert ids(registration.check_approval) == []


def test_a_missing_list_of_approvers_is_reported(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.urls_admin_approval"
    del settings.REGISTRATION_ADMINS
    assert ids(registration.check_approval) == ["E020"]


class NamelessForm(forms.Form):
    """Asks for no address."""

    username = forms.CharField()


class FormFromClass(RegistrationView):
    form_class = NamelessForm


class FormFromMethod(FormFromClass):
    def get_form_class(self) -> Any:
        return RegistrationForm


class NoForm(RegistrationView):
    form_class = None


ACTIVATE = path("activate/", page, name="registration_activate")
ONE_STEP = path("", SimpleView.as_view(form_class=NamelessForm))


@pytest.mark.parametrize(
    ("patterns", "policy", "expected"),
    [
        ([ONE_STEP], "exact", ["E021"]),
        ([ONE_STEP], "any", []),
        ([ONE_STEP, ACTIVATE], "any", ["E021"]),
        ([path("", FormFromClass.as_view()), path("x/", ONE_STEP.callback)], "exact", ["E021"]),
        ([path("", FormFromClass.as_view(form_class=RegistrationForm))], "exact", []),
        ([path("", FormFromMethod.as_view())], "exact", []),
        ([path("", NoForm.as_view())], "exact", []),
        ([path("", page)], "exact", []),
    ],
)
def test_a_form_without_an_address_is_reported_where_it_is_needed(
    settings: Any, patterns: list[Any], policy: str, expected: list[str]
) -> None:
    settings.ROOT_URLCONF = urlconf(*patterns)
    settings.INVITATION_EMAIL_POLICY = policy
    assert ids(registration.check_form) == expected


def test_a_form_without_an_address_is_named(settings: Any) -> None:
    settings.ROOT_URLCONF = urlconf(ONE_STEP)
    [message] = registration.check_form(None)
    assert f"{__name__}.NamelessForm (REGISTRATION_FORM) has no field 'email'" in message.msg


def test_with_open_registration_a_form_needs_no_address(settings: Any) -> None:
    settings.ROOT_URLCONF = urlconf(ONE_STEP)
    settings.INVITE_MODE = False
    assert ids(registration.check_form) == []


def test_a_login_that_leads_nowhere_is_reported(settings: Any) -> None:
    settings.LOGIN_REDIRECT_URL = None
    settings.ROOT_URLCONF = urlconf(path("login/", auth_views.LoginView.as_view(), name="login"))
    assert ids(registration.check_login_redirect) == ["W012"]
    settings.ROOT_URLCONF = urlconf(path("", page))
    assert ids(registration.check_login_redirect) == []


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("no_such_name", "Reverse for 'no_such_name' not found."),
        ("registration_activate", "with no arguments not found."),
        (reverse_lazy("no_such_name"), "Reverse for 'no_such_name' not found."),
    ],
)
def test_a_login_that_leads_to_no_page_is_reported(settings: Any, target: Any, reason: str) -> None:
    settings.LOGIN_REDIRECT_URL = target
    assert ids(registration.check_login_redirect) == ["W012"]
    [message] = registration.check_login_redirect(None)
    assert message.msg.startswith("LOGIN_REDIRECT_URL leads nowhere: ")
    assert reason in message.msg
    assert "silence this check" in message.hint
    settings.ROOT_URLCONF = urlconf(path("", page))
    assert ids(registration.check_login_redirect) == []


@pytest.mark.parametrize("target", [None, global_settings.LOGIN_REDIRECT_URL])
def test_our_own_login_page_needs_no_setting(settings: Any, target: str | None) -> None:
    settings.LOGIN_REDIRECT_URL = target
    assert ids(registration.check_login_redirect) == []  # redux's own login page comes after ours
    settings.ROOT_URLCONF = urlconf(path("login/", auth_views.LoginView.as_view(), name="login"))
    [message] = registration.check_login_redirect(None)
    assert target is None or 'no page of the site is at "/accounts/profile/".' in message.msg


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "home",
        "admin:index",
        "invitation_invite",
        "/accounts/invite",
        "../../accounts/invite/",
        "https://www.example.org/members/",
        "//www.example.org/members/",
        reverse_lazy("home"),
    ],
)
def test_a_login_that_leads_to_a_page_or_elsewhere_is_not(settings: Any, target: Any) -> None:
    settings.LOGIN_REDIRECT_URL = target
    assert ids(registration.check_login_redirect) == []


class OwnPage(SimpleView):
    """Leads to where only it knows."""

    def get_success_url(self, user: Any = None) -> str:
        return "/no/such/page/"


def sends_to(target: Any) -> Any:
    return path("join/", SimpleView.as_view(success_url=target))


@pytest.mark.parametrize(
    "pattern",
    [
        sends_to("/welcome/"),
        sends_to("no_such_name"),
        sends_to(reverse_lazy("no_such_name")),
        # Without success_url it is the site's first page, or one of redux's; this site has neither.
        path("join/", SimpleView.as_view()),
        path("join/", RegistrationView.as_view()),
    ],
)
def test_a_registration_that_leads_nowhere_is_reported(settings: Any, pattern: Any) -> None:
    settings.ROOT_URLCONF = urlconf(pattern)
    assert ids(registration.check_registration_redirect) == ["W013"]
    [message] = registration.check_registration_redirect(None)
    assert message.msg.startswith('People who sign up at "/join/" are sent nowhere: ')
    assert "SIMPLE_BACKEND_REDIRECT_URL" in message.hint


@pytest.mark.parametrize(
    "pattern",
    [
        sends_to("/join/"),
        sends_to("/join"),
        sends_to("https://www.example.org/"),
        path("join/", OwnPage.as_view()),
        path("join/", page),
    ],
)
def test_a_registration_that_leads_somewhere_is_not(settings: Any, pattern: Any) -> None:
    settings.ROOT_URLCONF = urlconf(pattern)
    assert ids(registration.check_registration_redirect) == []


@pytest.mark.parametrize(
    ("target", "expected"), [("/welcome/", ["W013"]), ("no_name", ["W013"]), ("home", [])]
)
def test_the_page_after_a_registration_with_a_proven_address_is_checked(
    settings: Any, target: str, expected: list[str]
) -> None:
    settings.ROOT_URLCONF = "tests.urls_verified"
    settings.SIMPLE_BACKEND_REDIRECT_URL = target
    assert ids(registration.check_registration_redirect) == expected


@pytest.mark.parametrize("name", ["simple", "verified"])
def test_by_default_a_registration_in_one_step_leads_to_the_home_page(
    settings: Any, name: str
) -> None:
    settings.ROOT_URLCONF = urlconf(
        path("accounts/", include(f"invitation.backends.{name}.urls")),
    )
    assert ids(registration.check_registration_redirect) == []
    settings.ROOT_URLCONF = f"tests.urls_{name}"
    assert ids(registration.check_registration_redirect) == []


def test_a_proven_address_leads_to_the_home_page_below_a_script_name(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.urls_verified"
    settings.FORCE_SCRIPT_NAME = "/shop"
    assert ids(registration.check_registration_redirect) == []


def test_a_registration_that_no_request_gets_to_leads_nobody_nowhere(settings: Any) -> None:
    settings.ROOT_URLCONF = urlconf(path("join/", page), sends_to("/welcome/"))
    assert ids(registration.check_registration_redirect) == []


def set_mail(settings: Any, backend: str, timeout: float | None) -> None:
    """Name a mail backend of Django's, in the settings that this version has."""
    path = f"django.core.mail.backends.{backend}.EmailBackend"
    if hasattr(settings, "MAILERS"):
        options = {"host": "localhost", "timeout": timeout} if backend == "smtp" else {}
        settings.MAILERS = {"default": {"BACKEND": path, "OPTIONS": options}}
    else:
        settings.EMAIL_BACKEND = path
        settings.EMAIL_TIMEOUT = timeout


FORGOTTEN = path("forgotten/", page, name="auth_password_reset")


@pytest.mark.parametrize(
    "patterns", [[path("", ours)], [ACTIVATE], [FORGOTTEN]], ids=["ours", "activate", "forgotten"]
)
def test_a_mail_server_that_may_take_for_ever_is_reported(
    settings: Any, patterns: list[Any]
) -> None:
    settings.ROOT_URLCONF = urlconf(*patterns)
    set_mail(settings, "smtp", timeout=None)
    assert ids(registration.check_mail_timeout) == ["W014"]
    [message] = registration.check_mail_timeout(None)
    assert "EMAIL_TIMEOUT = 10" in message.hint
    assert "MAILERS" in message.hint


@pytest.mark.parametrize(
    ("backend", "timeout"), [("smtp", 10), ("smtp", 0.5), ("locmem", None), ("console", None)]
)
def test_a_mail_server_that_may_not_is_not(
    settings: Any, backend: str, timeout: float | None
) -> None:
    set_mail(settings, backend, timeout)
    assert ids(registration.check_mail_timeout) == []


def test_where_redux_sends_no_mail_no_request_waits_for_a_mail_server(settings: Any) -> None:
    settings.ROOT_URLCONF = urlconf(path("", page), ONE_STEP)
    set_mail(settings, "smtp", timeout=None)
    assert ids(registration.check_mail_timeout) == []


def test_check_deploy_tells_of_a_mail_server_that_may_take_for_ever(settings: Any) -> None:
    set_mail(settings, "smtp", timeout=None)
    found = {message.id for message in django_checks.run_checks(tags=["invitation"])}
    assert "invitation." + "W014" not in found
    found = {
        message.id
        for message in django_checks.run_checks(tags=["invitation"], include_deployment_checks=True)
    }
    assert "invitation." + "W014" in found
