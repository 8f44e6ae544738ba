"""Checks of the values of the settings."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from reprlib import repr as short_repr
from typing import Any
from urllib.parse import urlsplit

from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_permission_codename, get_user_model
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.db.models import DateTimeField
from django.utils.functional import Promise
from django.utils.module_loading import import_string

from invitation.addresses import blocklist
from invitation.conf import conf
from invitation.keys import destinations, sites

#: Maximum number of days in a setting: a hundred years. No database overflows at such a date.
DAYS_MAX = 36500

#: Maximum reward for one new member. A higher value is a typing error.
REWARD_MAX = 1000

#: Minimum length of a signing key; shorter keys can be guessed. It is about the length that Django
#: wants for SECRET_KEY, less its prefix.
SIGNING_KEY_LENGTH_MIN = 32

PERMISSION = re.compile(r"\w+\.\S+")
HOST_NAME = re.compile(r"[\w-]+(\.[\w-]+)*\.?|[0-9a-f:.]*:[0-9a-f:.]*", re.ASCII)


@dataclass(frozen=True)
class Rule:
    """Values that a setting may have."""

    name: str
    id: str
    fits: Callable[[Any], bool]
    #: End of the message "must be ...".
    wanted: str
    hint: str


def is_boolean(value: object) -> bool:
    """Return whether the value is ``True`` or ``False``; the text "False" is neither."""
    return isinstance(value, bool)


def is_number(value: object, least: int, most: int | None = None) -> bool:
    """Return whether the value is a whole number between the two limits; ``True`` is not."""
    if not isinstance(value, int) or isinstance(value, bool):
        return False
    return least <= value and (most is None or value <= most)


def is_timedelta(value: object, least: timedelta = timedelta()) -> bool:
    """Return whether the value is a ``timedelta`` from ``least`` to ``DAYS_MAX`` days."""
    return isinstance(value, timedelta) and least <= value <= timedelta(DAYS_MAX)


def knows_account_age() -> bool:
    """Return whether the user model stores when an account was created."""
    fields = {field.name: field for field in get_user_model()._meta.get_fields()}
    return isinstance(fields.get("date_joined"), DateTimeField)


def is_quota_by_group(value: object) -> bool:
    """Return whether the value maps names of groups, or ``None``, to limits."""
    return isinstance(value, Mapping) and all(
        (name is None or isinstance(name, str)) and (limit is None or is_number(limit, 0))
        for name, limit in value.items()
    )


def is_base_url(value: object) -> bool:
    """Return whether links may begin with the value: an HTTP URL without query or fragment."""
    if not isinstance(value, str) or re.search(r"[\s?#@\\]", value):
        return False
    try:
        parts = urlsplit(address := sites.ascii_url(value))
        port = parts.port
    except ValueError:
        return False
    host = address.isprintable() and HOST_NAME.fullmatch(parts.hostname or "")
    return parts.scheme in ("http", "https") and bool(host) and port != 0


def are_expiry_choices(value: object) -> bool:
    """Return whether the value is a list of days, where ``None`` means no end."""
    if not isinstance(value, list | tuple):
        return False
    return all(days is None or is_number(days, 1, DAYS_MAX) for days in value)


def is_blocklist(value: object) -> bool:
    """Return whether the value is a list of valid entries, or a rule that can be loaded."""
    if not (isinstance(value, list | tuple | set | frozenset | str) or callable(value)):
        return False
    try:
        return callable(blocklist.get_rule())
    except Exception:  # noqa: BLE001 (a module of the site may raise anything)
        return False


def are_destinations(value: object) -> bool:
    """Return whether the value is a list of pairs: a path of this site and a label."""
    if not isinstance(value, list | tuple):
        return False
    pairs = [pair for pair in value if isinstance(pair, list | tuple) and len(pair) == 2]
    labelled = all(isinstance(label, str | Promise) and str(label).strip() for _, label in pairs)
    local = all(isinstance(path, str) and destinations.safe(path) for path, _ in pairs)
    return len(pairs) == len(value) and labelled and local


RULES = (
    Rule(
        name="ACCOUNT_INVITATION_DAYS",
        id="invitation.E001",
        fits=lambda value: value is None or is_number(value, 1, DAYS_MAX),
        wanted=f"a whole number of days from 1 to {DAYS_MAX}, or None",
        hint="For example 7. With None invitations never expire.",
    ),
    Rule(
        name="INVITE_MODE",
        id="invitation.E003",
        fits=is_boolean,
        wanted="True or False",
        hint="A text from the environment must be compared: os.environ[...] == 'true'.",
    ),
    Rule(
        name="INVITATION_EMAIL_POLICY",
        id="invitation.E005",
        fits=lambda value: value in ("exact", "any"),
        wanted='"exact" or "any"',
        hint='"exact" lets only the invited address register, "any" every address.',
    ),
    Rule(
        name="INVITATION_REFUND_EXPIRED",
        id="invitation.E007",
        fits=is_boolean,
        wanted="True or False",
        hint="True gives an invitation that expires unused back to its inviter's quota.",
    ),
    Rule(
        name="INVITATION_RETENTION_DAYS",
        id="invitation.E008",
        fits=lambda value: is_number(value, 0, DAYS_MAX),
        wanted=f"a whole number of days from 0 to {DAYS_MAX}",
        hint="For example 30. With 0, cleanupinvitation deletes at once what ended unused.",
    ),
    Rule(
        name="INVITATION_BASE_URL",
        id="invitation.E010",
        fits=lambda value: value is None or value == "" or is_base_url(value),
        wanted="a scheme and a host, with or without a port, or None",
        hint='For example "https://example.org", without query, fragment or password.',
    ),
    Rule(
        name="INVITATION_REPLY_TO_INVITER",
        id="invitation.E011",
        fits=is_boolean,
        wanted="True or False",
        hint="True shows the inviter's email address to the invited person.",
    ),
    Rule(
        name="INVITATION_RESEND_COOLDOWN",
        id="invitation.E012",
        fits=lambda value: is_timedelta(value),
        wanted=f"a timedelta from 0 to {DAYS_MAX} days",
        hint="For example datetime.timedelta(minutes=5).",
    ),
    Rule(
        name="INVITATION_EXPIRY_CHOICES",
        id="invitation.E040",
        fits=are_expiry_choices,
        wanted=f"a list of whole numbers of days from 1 to {DAYS_MAX}, and None for no end",
        hint="For example [1, 7, 30]. An empty list offers no choice.",
    ),
    Rule(
        name="INVITATION_BLOCKED_RECIPIENTS",
        id="invitation.E041",
        fits=is_blocklist,
        wanted="a list of addresses and domains, or a callable or the dotted path of one",
        hint='For example ["staff.example.org", "*.example.org", "noreply@*"].',
    ),
    Rule(
        name="INVITATION_DESTINATIONS",
        id="invitation.E042",
        fits=are_destinations,
        wanted="a list of pairs of a path of this site and a label",
        hint='For example [("/welcome/", "Welcome page")]. No host, and no // in it.',
    ),
    Rule(
        name="INVITATION_QUOTA_PERIOD",
        id="invitation.E029",
        fits=lambda value: value is None or is_timedelta(value, timedelta(minutes=1)),
        wanted=f"a timedelta from a minute to {DAYS_MAX} days, or None",
        hint="For example datetime.timedelta(days=30). With None, no invitations come back.",
    ),
    Rule(
        name="INVITATION_MINIMUM_ACCOUNT_AGE",
        id="invitation.E030",
        fits=lambda value: is_timedelta(value) and (not value or knows_account_age()),
        wanted=(
            f"a timedelta from 0 to {DAYS_MAX} days, and 0 where the user model has no "
            "DateTimeField date_joined"
        ),
        hint="For example datetime.timedelta(days=3).",
    ),
    Rule(
        name="INVITATION_REWARD",
        id="invitation.E031",
        fits=lambda value: is_number(value, 0, REWARD_MAX),
        wanted=f"a whole number from 0 to {REWARD_MAX}",
        hint="0 gives no reward.",
    ),
    Rule(
        name="INVITATION_REQUIRE_ACTIVE_INVITER",
        id="invitation.E032",
        fits=is_boolean,
        wanted="True or False",
        hint="With False, an invitation works without its inviter's account.",
    ),
)


def check_values(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Report settings with a wrong type or value."""
    return report(RULES)


def report(rules: Iterable[Rule]) -> list[CheckMessage]:
    """Return a message for each setting whose value breaks its rule."""
    messages: list[CheckMessage] = []
    for rule in rules:
        value = getattr(conf, rule.name)
        if not rule.fits(value):
            message = f"{rule.name} is {short_repr(value)}, but it must be {rule.wanted}."
            messages.append(Error(message, hint=rule.hint, id=rule.id))
    return messages


def check_quota(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Report an INVITATIONS_PER_USER that is neither a quota nor a way to get one."""
    value: object = conf.INVITATIONS_PER_USER
    reason = ""
    if isinstance(value, str):
        try:
            good = callable(import_string(value))
        except Exception as error:  # noqa: BLE001 (a module of the site may raise anything)
            good, reason = False, f" Importing it failed with {type(error).__name__}: {error}"
    else:
        good = value is None or callable(value) or is_number(value, 0) or is_quota_by_group(value)
    if good:
        return []
    message = (
        f"INVITATIONS_PER_USER is {short_repr(value)}, but it must be a whole "
        "number from 0, None, a callable or its dotted path, or a mapping. A mapping has names of "
        f"groups, and None for everybody else.{reason}"
    )
    hint = "For example 10. None is unlimited; a callable gets the user and returns one of these."
    return [Error(message, hint=hint, id="invitation.E002")]


def check_signing_keys(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Report signing keys that are blank, or short enough to be guessed.

    No message shows a key.
    """
    keys: object = conf.INVITATION_SIGNING_KEYS
    by_default = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    if keys == by_default:
        return []  # Django checks these keys.
    good = isinstance(keys, (list, tuple)) and all(isinstance(key, str) for key in keys)
    if not (good and keys and all(key.strip() for key in conf.INVITATION_SIGNING_KEYS)):
        message = "INVITATION_SIGNING_KEYS must be a list of one or more texts, none of them blank."
        hint = "The first one signs, and all of them verify: [new_key, old_key]."
        return [Error(message, hint=hint, id="invitation.E006")]
    short = [
        str(place)
        for place, key in enumerate(conf.INVITATION_SIGNING_KEYS, start=1)
        if len(key) < SIGNING_KEY_LENGTH_MIN and key not in by_default
    ]
    if not short:
        return []
    message = (
        f"INVITATION_SIGNING_KEYS has short keys (number {', '.join(short)}). People who guess one "
        "can create invitation keys."
    )
    hint = (
        f"Use at least {SIGNING_KEY_LENGTH_MIN} random characters, for example from "
        "django.core.management.utils.get_random_secret_key()."
    )
    return [CheckWarning(message, hint=hint, id="invitation.W002")]


def check_permission(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Report a permission that is misspelt, or that nobody can have."""
    permission: object = conf.INVITATION_PERMISSION
    if permission is None:
        return []
    if not isinstance(permission, str) or not PERMISSION.fullmatch(permission):
        message = (
            f"INVITATION_PERMISSION is {short_repr(permission)}, but it must be a permission's "
            'name, "app_label.codename", or None.'
        )
        hint = 'For example "invitation.add_invitationkey". With None every member may invite.'
        return [Error(message, hint=hint, id="invitation.E004")]
    if not hasattr(get_user_model(), "has_perm"):
        message = (
            "INVITATION_PERMISSION is set, but the user model "
            f"{get_user_model()._meta.label} has no has_perm()."
        )
        hint = "Let the user model inherit from django.contrib.auth.models.PermissionsMixin."
        return [Error(message, hint=hint, id="invitation.E013")]
    if permission in permissions_of(permission.partition(".")[0]):
        return []
    message = (
        f'Only superusers can invite. INVITATION_PERMISSION is "{permission}", and no model of an '
        "installed app has this permission."
    )
    hint = (
        "Check the spelling. If a migration or an authentication backend of yours adds it, silence "
        "this check."
    )
    return [CheckWarning(message, hint=hint, id="invitation.W003")]


def permissions_of(label: str) -> set[str]:
    """Return the permissions that Django makes for an app's models; empty without the app."""
    if label not in apps.app_configs:
        return set()
    names: set[str] = set()
    for model in apps.get_app_config(label).get_models():
        opts = model._meta
        names |= {get_permission_codename(action, opts) for action in opts.default_permissions}
        names |= {codename for codename, _name in opts.permissions}
    return {f"{label}.{name}" for name in names}


#: Settings that name a callable or ``None``, each with the id and hint of its message.
CALLABLES = {
    "INVITATION_GRANTABLE_GROUPS": (
        "invitation.E037",
        "It gets the inviter and returns the groups that they may give. With None, only staff who "
        "may change groups may give groups: their own.",
    ),
    "INVITATION_VERIFIED_ADDRESSES": (
        "invitation.E038",
        "It gets the user and returns the addresses that they have proven. None means no address.",
    ),
    "INVITATION_CLIENT_ADDRESS": (
        "invitation.E064",
        "It gets the request and returns its client's address. None means REMOTE_ADDR.",
    ),
}


def check_callables(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Report settings whose value is not a callable."""
    messages: list[CheckMessage] = []
    for name, (check_id, hint) in CALLABLES.items():
        value, reason = getattr(conf, name), ""
        try:
            good = value is None or callable(import_string(value))
        except Exception as error:  # noqa: BLE001 (a module of the site may raise anything)
            good = callable(value)
            if isinstance(value, str):
                reason = f" Importing it failed with {type(error).__name__}: {error}"
        if not good:
            message = (
                f"{name} is {short_repr(value)}, but it must be a callable, the dotted path of "
                f"one, or None.{reason}"
            )
            messages.append(Error(message, hint=hint, id=check_id))
    return messages
