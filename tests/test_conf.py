"""Settings: the default of each, read at the moment of use, and named once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from invitation.conf import LIMITS, Conf, conf

DEFAULTS = {
    "ACCOUNT_INVITATION_DAYS": 7,
    "INVITATIONS_PER_USER": 10,
    "INVITE_MODE": True,
    "INVITATION_SIGNUP_URL": None,
    "INVITATION_PERMISSION": None,
    "INVITATION_EMAIL_POLICY": "exact",
    "INVITATION_REFUND_EXPIRED": True,
    "INVITATION_RETENTION_DAYS": 30,
    "INVITATION_DELIVERY": "invitation.delivery.email.EmailDelivery",
    "INVITATION_BASE_URL": None,
    "INVITATION_REPLY_TO_INVITER": False,
    "INVITATION_RESEND_COOLDOWN": timedelta(minutes=5),
    "INVITATION_LISTS": {"rows": 1000, "bytes": 1024 * 1024},
    "INVITATION_QUOTA_PERIOD": None,
    "INVITATION_MINIMUM_ACCOUNT_AGE": timedelta(0),
    "INVITATION_REWARD": 0,
    "INVITATION_GRANTABLE_GROUPS": None,
    "INVITATION_VERIFIED_ADDRESSES": "invitation.backends.proofs.activated_address",
    "INVITATION_REQUIRE_ACTIVE_INVITER": True,
    "INVITATION_EXPIRY_CHOICES": (),
    "INVITATION_BLOCKED_RECIPIENTS": (),
    "INVITATION_DESTINATIONS": (),
    "INVITATION_SITE_NAME": "",
    "INVITATION_SITE_BLURB": "",
    "INVITATION_SUBJECT_PREFIX": "",
    "INVITATION_REMINDER_DAYS": None,
    "INVITATION_NOTIFY_INVITER": (),
    "INVITATION_LIMITS": {
        "inviter": 1000,
        "recipient": 5,
        "domain": 2000,
        "site": 10_000,
        "client": 200,
    },
    "INVITATION_CLIENT_ADDRESS": None,
    "INVITATION_NOTE_PERMISSION": None,
    "INVITATION_NOTE_MAX_LENGTH": 500,
}
OTHERS = {
    "ACCOUNT_INVITATION_DAYS": None,
    "INVITATIONS_PER_USER": None,
    "INVITE_MODE": False,
    "INVITATION_SIGNUP_URL": "sign_up",
    "INVITATION_PERMISSION": "invitation.add_invitationkey",
    "INVITATION_EMAIL_POLICY": "any",
    "INVITATION_SIGNING_KEYS": ["a", "b"],
    "INVITATION_REFUND_EXPIRED": False,
    "INVITATION_RETENTION_DAYS": 0,
    "INVITATION_DELIVERY": "invitation.delivery.dummy.DummyDelivery",
    "INVITATION_BASE_URL": "https://example.org",
    "INVITATION_REPLY_TO_INVITER": True,
    "INVITATION_RESEND_COOLDOWN": timedelta(0),
    "INVITATION_LISTS": {"rows": 10_000},
    "INVITATION_QUOTA_PERIOD": timedelta(days=30),
    "INVITATION_MINIMUM_ACCOUNT_AGE": timedelta(days=3),
    "INVITATION_REWARD": 1,
    "INVITATION_GRANTABLE_GROUPS": "site.groups_of",
    "INVITATION_VERIFIED_ADDRESSES": "site.addresses_of",
    "INVITATION_REQUIRE_ACTIVE_INVITER": False,
    "INVITATION_EXPIRY_CHOICES": [1, None],
    "INVITATION_BLOCKED_RECIPIENTS": ["example.com"],
    "INVITATION_DESTINATIONS": [("/welcome/", "Welcome page")],
    "INVITATION_SITE_NAME": "Garden Club",
    "INVITATION_SITE_BLURB": "We swap seeds.",
    "INVITATION_SUBJECT_PREFIX": "[Club] ",
    "INVITATION_REMINDER_DAYS": 2,
    "INVITATION_NOTIFY_INVITER": ["accepted", "declined", "expired"],
    "INVITATION_LIMITS": {"inviter": None, "recipient": 1},
    "INVITATION_CLIENT_ADDRESS": "site.client_of",
    "INVITATION_NOTE_PERMISSION": "invitation.change_invitationkey",
    "INVITATION_NOTE_MAX_LENGTH": 300,
}


def five(user: Any) -> int:
    """Stand in for a site's own rule."""
    return 5


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_setting_has_its_default(settings: Any, name: str) -> None:
    if hasattr(settings, name):
        delattr(settings, name)
    assert getattr(conf, name) == DEFAULTS[name]


@pytest.mark.parametrize("name", OTHERS)
def test_a_setting_is_read_when_it_is_used(settings: Any, name: str) -> None:
    assert getattr(conf, name) != OTHERS[name]
    setattr(settings, name, OTHERS[name])
    assert getattr(conf, name) == OTHERS[name]


def test_every_setting_is_tested_here() -> None:
    names = {
        name for name, value in vars(Conf).items() if isinstance(value, property) and name.isupper()
    }
    assert names == set(OTHERS) == {*DEFAULTS, "INVITATION_SIGNING_KEYS"}


def test_the_signing_keys_are_djangos_own(settings: Any) -> None:
    settings.SECRET_KEY = "new"
    settings.SECRET_KEY_FALLBACKS = ["old", "older"]
    assert conf.INVITATION_SIGNING_KEYS == ["new", "old", "older"]


@pytest.mark.parametrize(
    ("value", "number"), [(3, 3), (0, 0), (None, None), (five, 5), ("tests.test_conf.five", 5)]
)
def test_the_quota_is_a_number_or_a_rule_or_the_path_of_one(
    settings: Any, value: Any, number: int | None
) -> None:
    settings.INVITATIONS_PER_USER = value
    assert conf.invitations_per_user(object()) == number


def test_a_path_that_leads_nowhere_says_so(settings: Any) -> None:
    settings.INVITATIONS_PER_USER = "tests.test_conf.missing"
    with pytest.raises(ImportError, match="missing"):
        conf.invitations_per_user(object())


@pytest.mark.parametrize("name", ["grantable_groups", "verified_addresses"])
@pytest.mark.parametrize(
    ("value", "rule"), [(five, five), ("tests.test_conf.five", five), (None, None)]
)
def test_a_rule_about_members_is_a_callable_or_the_path_of_one(
    settings: Any, name: str, value: Any, rule: Any
) -> None:
    setattr(settings, f"INVITATION_{name.upper()}", value)
    assert getattr(conf, name) is rule


def test_a_limit_that_is_left_out_keeps_its_default(settings: Any) -> None:
    settings.INVITATION_LIMITS = {"recipient": 2, "site": None}
    assert [conf.limit(name) for name in LIMITS] == [1000, 2, 2000, None, 200]
    settings.INVITATION_LISTS = {"bytes": None}
    assert [conf.list_limit(name) for name in ("rows", "bytes")] == [1000, None]
